/**
 * Going from room to room without loading a page: `#main` is fetched and replaced, the
 * address follows, back goes back to where one was. The socket, the sidebar and everything
 * unsent stay. Whatever cannot be done so is left to the browser.
 */
import { emit } from "./bus.js";
import { keepDraft } from "./composer.js";
import { byId, isCoarse, parse, roomMain } from "./dom.js";
import { closePanel, showPane } from "./panes.js";
import * as scroll from "./scroll.js";
import { markCurrent } from "./sidebar.js";
import { reveal } from "./timeline.js";
import { toast } from "./toast.js";

/** @type {AbortController | null} */
let running = null;
/** The path and query whose room is on screen. */
let shown = location.pathname + location.search;

export function start() {
  history.replaceState({ ...history.state, parlour: true }, "");
  document.addEventListener("click", clicked);
  document.addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      step(event.key === "ArrowDown" ? 1 : -1);
    }
  });
  addEventListener("popstate", () => returned());
}

/** The slug of a room's address, or null. @param {URL} url */
export function slugOf(url) {
  const found = /^\/rooms\/([^/]+)\/?$/.exec(url.pathname);
  return url.origin === location.origin && found ? decodeURIComponent(found[1]) : null;
}

/** @param {MouseEvent} event */
function clicked(event) {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!(link instanceof HTMLAnchorElement) || link.target || event.defaultPrevented) return;
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const url = new URL(link.href);
  const message = /^\/messages\/(\d+)\/$/.exec(url.pathname)?.[1];
  if (message && url.origin === location.origin && link.closest("#messages")) {
    event.preventDefault();
    return void toMessage(message, url);
  }
  const slug = slugOf(url);
  const isRoomLink = link.classList.contains("room-link") || link.closest("#messages") !== null;
  if (slug === null || !isRoomLink) return;
  const around = Number(url.searchParams.get("around"));
  event.preventDefault();
  if (slug !== roomMain()?.dataset.slug) {
    go(url, true);
  } else if (around > 0) {
    showAround(around);
  } else {
    showPane("room", true);
    if (!isCoarse()) byId("composer-input")?.focus();
  }
}

/**
 * A link to a message: where it is on the page or in this room it is shown without a page
 * load, and the address becomes one to pass on.
 * @param {string} id @param {URL} url
 */
async function toMessage(id, url) {
  const there = Number(byId(`msg-${id}`)?.dataset.seq);
  if (there) return showAround(there);
  const answer = await fetch(`/api/v1/messages/${id}`).catch(() => null);
  const message = answer?.ok ? await answer.json().catch(() => null) : null;
  if (message && String(message.room_id) === roomMain()?.dataset.room) showAround(message.seq);
  else location.assign(url);
}

/** @param {number} seq */
function showAround(seq) {
  remember();
  const here = `/rooms/${encodeURIComponent(roomMain()?.dataset.slug ?? "")}/?around=${seq}`;
  if (here !== shown) history.pushState({ parlour: true, pane: "room" }, "", here);
  shown = here;
  reveal(seq);
}

/** Writes into the history where the reader is, to come back to. */
function remember() {
  const spot = scroll.place();
  const row = spot && byId(spot.id);
  history.replaceState({ ...history.state, parlour: true, spot: row ? Number(row.dataset.seq) : null }, "");
}

/**
 * Shows the room at `url`.
 * @param {URL} url @param {boolean} push whether it becomes a new place in the history
 * @returns {Promise<boolean>}
 */
export async function go(url, push) {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  keepDraft();
  byId("main")?.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(`/rooms/${encodeURIComponent(slugOf(url) ?? "")}/main${url.search}`, {
      headers: { "HX-Request": "true" },
      signal: AbortSignal.any([mine.signal, AbortSignal.timeout(15_000)]),
    });
    const next = answer.ok ? parse(await answer.text(), "#main") : null;
    if (mine.signal.aborted) return false;
    if (!next) {
      // Signed out, gone or forbidden: the server's own page says it best.
      location.assign(url);
      return false;
    }
    if (push) {
      remember();
      history.pushState({ parlour: true, pane: "room" }, "", url);
    }
    swap(next);
    return true;
  } catch {
    if (mine.signal.aborted) return false;
    byId("main")?.removeAttribute("aria-busy");
    toast("No connection: the room could not be opened.", "fault");
    return false;
  }
}

/** @param {HTMLElement} next */
function swap(next) {
  const main = byId("main");
  if (!main) return;
  shown = location.pathname + location.search;
  main.replaceWith(next);
  htmx.process(next);
  closePanel();
  markCurrent();
  showPane("room", false);
  emit("room", next);
  if (isCoarse()) next.focus({ preventScroll: true });
}

/** Back or forward. */
async function returned() {
  const { pane, spot } = history.state ?? {};
  const url = new URL(location.href);
  if (location.pathname + location.search !== shown) {
    const slug = slugOf(url);
    if (slug === null || !byId("main")) return location.reload();
    if (slug !== roomMain()?.dataset.slug) {
      if (!(await go(url, false))) return;
    } else shown = location.pathname + location.search;
    const around = spot ?? Number(url.searchParams.get("around"));
    if (around > 0) reveal(around);
    else scroll.stick();
  }
  showPane(pane ?? "room", false);
}

/** The next room in the sidebar's order. @param {1 | -1} by */
function step(by) {
  const links = /** @type {HTMLAnchorElement[]} */ ([...document.querySelectorAll("#sidebar .room-link")]);
  if (links.length === 0) return;
  const at = links.findIndex((link) => link.getAttribute("aria-current") === "page");
  const link = links[(at + by + links.length) % links.length];
  if (link && links.length > 1) go(new URL(link.href), true);
}
