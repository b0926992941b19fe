/**
 * Pages of the timeline by HTTP: older, newer, around a message, and all anew. The list
 * never holds more than `MOST_ROWS`; what is cut at one end is marked as being there still.
 */
import { decorate, decorateAll } from "./decorate.js";
import { byId, messages, parse, roomMain, seen } from "./dom.js";
import * as scroll from "./scroll.js";

export const MOST_ROWS = 400;

/** True while a page is fetched: pages are added one at a time. */
let isFetching = false;
/** Grows when the list is replaced: a page asked for before belongs to what is gone. */
let generation = 0;
let quietUntilMs = 0;

/**
 * @param {string} query as `before=17`; empty for the newest page
 * @returns {Promise<HTMLElement | null>} the fetched list, null when it failed or the room changed
 */
async function fetchList(query) {
  const main = roomMain();
  if (!main) return null;
  try {
    const answer = await fetch(`/rooms/${encodeURIComponent(main.dataset.slug ?? "")}/timeline${query && `?${query}`}`, {
      headers: { "HX-Request": "true" },
      signal: AbortSignal.timeout(15_000),
    });
    if (!answer.ok) throw new Error(String(answer.status));
    const list = parse(await answer.text(), "#messages");
    return roomMain() === main ? list : null;
  } catch {
    // Scrolling on tries again, though not at every pixel.
    quietUntilMs = Date.now() + 2_000;
    return null;
  }
}

/** @param {HTMLElement} list @returns {HTMLElement[]} */
const rowsOf = (list) => /** @type {HTMLElement[]} */ ([...list.querySelectorAll(":scope > .message, :scope > .event")]);

/** The page's own words for the room's beginning, when it has them. @param {HTMLElement} page */
const beginningOf = (page) => page.querySelectorAll(":scope > .beginning");

/** Changes the list without a word to screen readers: history is no news. @param {() => void} change */
function silently(change) {
  const log = byId("log");
  log?.setAttribute("aria-live", "off");
  change();
  setTimeout(() => log?.setAttribute("aria-live", "polite"), 500);
}

/**
 * Loads the next page in a direction, if there is one.
 * @param {"older" | "newer"} direction
 */
export async function extend(direction) {
  const list = messages();
  const flag = direction === "older" ? "hasOlder" : "hasNewer";
  if (!list || list.dataset[flag] !== "true" || isFetching || Date.now() < quietUntilMs) return;
  const rows = rowsOf(list);
  const edge = direction === "older" ? rows[0] : rows.at(-1);
  if (!edge) return;
  const before = generation;
  isFetching = true;
  list.setAttribute("aria-busy", "true");
  const page = await fetchList(`${direction === "older" ? "before" : "after"}=${edge.dataset.seq}`);
  isFetching = false;
  list.removeAttribute("aria-busy");
  if (!page || messages() !== list || generation !== before) return;
  silently(() => add(list, page, direction));
  scroll.settle();
}

/** @param {HTMLElement} list @param {HTMLElement} page @param {"older" | "newer"} direction */
function add(list, page, direction) {
  const rows = rowsOf(page).filter((row) => !row.id || !byId(row.id));
  if (direction === "older") {
    list.prepend(...beginningOf(page), ...rows);
    list.dataset.hasOlder = page.dataset.hasOlder ?? "false";
  } else {
    list.append(...rows);
    // Events that passed by while the page was under way belong behind it.
    const isWhole = page.dataset.hasNewer !== "true" && Number(page.dataset.seq) >= seen();
    list.dataset.hasNewer = String(!isWhole);
  }
  decorate(rows);
  trim(direction === "older" ? "end" : "start");
}

/** Cuts the far end of a list that grew too long. @param {"start" | "end"} end */
export function trim(end) {
  const list = messages();
  const rows = list ? rowsOf(list) : [];
  if (!list || rows.length <= MOST_ROWS) return;
  const spare = rows.length - MOST_ROWS;
  const cut = end === "start" ? rows.slice(0, spare) : rows.slice(-spare);
  // Somebody writes in there: nothing typed is thrown away.
  if (cut.some((row) => row.querySelector(".edit-form"))) return;
  list.dataset[end === "start" ? "hasOlder" : "hasNewer"] = "true";
  for (const row of cut) row.remove();
  const first = rowsOf(list)[0];
  const last = rowsOf(list).at(-1);
  for (const line of list.querySelectorAll(":scope > .day, :scope > #new-line")) {
    const after = first && line.compareDocumentPosition(first) & Node.DOCUMENT_POSITION_FOLLOWING;
    const before = last && line.compareDocumentPosition(last) & Node.DOCUMENT_POSITION_PRECEDING;
    if (after || before) line.remove();
  }
  if (first) decorate([first]);
}

/** Replaces the whole list. @param {HTMLElement} page */
function replace(page) {
  const list = messages();
  if (!list) return;
  generation += 1;
  silently(() => {
    list.replaceChildren(...beginningOf(page), ...rowsOf(page));
    list.dataset.hasOlder = page.dataset.hasOlder ?? "false";
    list.dataset.hasNewer = page.dataset.hasNewer ?? "false";
    if (Number(page.dataset.seq) < seen()) list.dataset.hasNewer = "true";
    decorateAll(list);
  });
}

/** Loads the newest page, unless the list ends with it already. @returns {Promise<boolean>} */
export async function latest() {
  const list = messages();
  // The page is older than what passed by meanwhile only when people write fast.
  for (let tries = 0; list && list.dataset.hasNewer === "true" && tries < 5; tries += 1) {
    const page = await fetchList("");
    if (!page || messages() !== list) return false;
    replace(page);
  }
  return list?.dataset.hasNewer !== "true";
}

/** Loads the page around a seq. @param {number} seq @returns {Promise<boolean>} */
export async function around(seq) {
  const page = await fetchList(`around=${seq}`);
  if (page) replace(page);
  return page !== null;
}

/**
 * Everything anew, because the log could not be continued; the reader keeps their place
 * where that still exists.
 * @returns {Promise<boolean>}
 */
export async function reload() {
  const main = roomMain();
  const spot = scroll.place();
  const row = spot && byId(spot.id);
  const page = await fetchList(row ? `around=${row.dataset.seq}` : "");
  if (!page || !main || roomMain() !== main) return false;
  if (page.dataset.epoch && page.dataset.epoch !== main.dataset.epoch) {
    main.dataset.epoch = page.dataset.epoch;
    // Numbers of the other history mean nothing here.
    delete main.dataset.newAfter;
  }
  main.dataset.seq = page.dataset.seq ?? "0";
  replace(page);
  scroll.restore(spot && byId(spot.id) ? spot : null);
  return true;
}
