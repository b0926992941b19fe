/**
 * What differs per viewer and place, added to rows that are the same for everybody:
 * grouping, day lines, local times, the "new" line, "mine", "mentions me". Runs over the
 * rows that came, never over the whole list after the first time.
 */
import { me } from "./dom.js";
import { dayOf, dayWords, follows, opensDay } from "./grouping.js";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** @param {number} at */
export const clockWords = (at) => clock.format(at);

/** @param {Element | null} el @returns {el is HTMLElement} */
const isRow = (el) =>
  el instanceof HTMLElement && (el.classList.contains("message") || el.classList.contains("event"));

/** @param {HTMLElement} li @returns {import("./grouping.js").Row} */
export const factsOf = (li) => ({
  kind: li.classList.contains("message") ? "message" : "event",
  author: li.dataset.author ?? "",
  at: Date.parse(li.dataset.at ?? "") || 0,
  isReply: "replyTo" in li.dataset,
});

/** The row before `el`, past day and "new" lines. @param {Element} el @returns {HTMLElement | null} */
export function rowBefore(el) {
  let before = el.previousElementSibling;
  while (before && !isRow(before)) before = before.previousElementSibling;
  return /** @type {HTMLElement | null} */ (before);
}

/** @param {Element} el @returns {HTMLElement | null} */
export function rowAfter(el) {
  let after = el.nextElementSibling;
  while (after && !isRow(after)) after = after.nextElementSibling;
  return /** @type {HTMLElement | null} */ (after);
}

/**
 * Decorates rows of `#messages` and the row after them, whose group may have changed.
 * @param {HTMLElement[]} rows
 */
export function decorate(rows) {
  const all = new Set(rows.filter((row) => isRow(row) && row.parentElement?.id === "messages"));
  for (const row of all) paint(row);
  for (const row of [...all]) {
    const after = rowAfter(row);
    if (after) all.add(after);
  }
  for (const row of all) place(row);
}

/** Decorates every row of a list: first load, and after a replacement. @param {HTMLElement} list */
export function decorateAll(list) {
  for (const line of list.querySelectorAll(":scope > .day, :scope > #new-line")) line.remove();
  decorate(/** @type {HTMLElement[]} */ ([...list.children].filter(isRow)));
}

/** What depends on the row alone. @param {HTMLElement} row */
function paint(row) {
  const { id, username } = me();
  const { author, mentions = "" } = row.dataset;
  if (row.classList.contains("message")) {
    row.classList.toggle("message--mine", author === id);
    row.classList.toggle(
      "message--mentions-me",
      author !== id && username !== "" && mentions.split(" ").includes(username.toLowerCase()),
    );
    for (const name of row.querySelectorAll("[data-mention]")) {
      name.classList.toggle("is-me", name.getAttribute("data-mention")?.toLowerCase() === username.toLowerCase());
    }
    if (!row.hasAttribute("tabindex")) {
      row.tabIndex = -1;
      row.querySelector("a.message__time")?.setAttribute("tabindex", "-1");
    }
  }
  for (const time of row.querySelectorAll("time")) localize(time);
}

/** @param {HTMLTimeElement} time */
export function localize(time) {
  const at = Date.parse(time.dateTime);
  if (Number.isNaN(at)) return;
  const words = clock.format(at);
  if (time.textContent !== words) time.textContent = words;
  time.title = full.format(at);
}

/** What depends on the row before. @param {HTMLElement} row */
function place(row) {
  const before = rowBefore(row);
  const facts = factsOf(row);
  const factsBefore = before && factsOf(before);
  setLine(row, "day", opensDay(factsBefore, facts), () => dayLine(facts.at));
  const isNew = opensNew(before, row);
  if (isNew) document.getElementById("new-line")?.remove();
  setLine(row, "new-line", isNew, newLine);
  row.classList.toggle("message--follows", !isNew && follows(factsBefore, facts));
}

/**
 * Puts a line of class `kind` right before `row`, or takes it away.
 * @param {HTMLElement} row @param {string} kind @param {boolean} wanted @param {() => HTMLElement} make
 */
function setLine(row, kind, wanted, make) {
  let line = row.previousElementSibling;
  while (line && !isRow(line) && !line.classList.contains(kind)) line = line.previousElementSibling;
  const found = line && !isRow(line) ? line : null;
  if (found && !wanted) found.remove();
  if (!found && wanted) row.before(make());
}

/** @param {number} at */
function dayLine(at) {
  const line = document.createElement("li");
  line.className = "day";
  line.dataset.day = dayOf(at);
  const words = document.createElement("span");
  words.textContent = dayWords(at, Date.now());
  line.append(words);
  return line;
}

function newLine() {
  const line = document.createElement("li");
  line.id = "new-line";
  line.className = "new-line";
  const words = document.createElement("span");
  words.textContent = "New";
  line.append(words);
  return line;
}

/**
 * True for the first message after what was read when the room was opened. `freeze` wrote
 * both bounds on `#main`, so reading on and live messages do not move the line.
 * @param {HTMLElement | null} before @param {HTMLElement} row
 */
function opensNew(before, row) {
  const main = row.closest("main");
  const after = Number(main?.dataset.newAfter ?? "NaN");
  const seq = Number(row.dataset.seq);
  if (!(seq > after) || seq > Number(main?.dataset.newUpTo)) return false;
  if (!row.classList.contains("message") || row.dataset.author === me().id) return false;
  for (let r = before; r && Number(r.dataset.seq) > after; r = rowBefore(r)) {
    if (r.classList.contains("message") && r.dataset.author !== me().id) return false;
  }
  // The beginning of a page is not the beginning of what is new.
  return before !== null || row.parentElement?.dataset.hasOlder !== "true";
}

/** Fixes where "new" begins, once per opening of a room. @param {HTMLElement} main */
export function freeze(main) {
  const read = Number(main.dataset.read ?? "0");
  const head = Number(main.dataset.seq ?? "0");
  if (main.dataset.newAfter !== undefined || read >= head) return;
  // Somebody who has never read here has nothing old to set apart from the new.
  if (read > 0) Object.assign(main.dataset, { newAfter: String(read), newUpTo: String(head) });
}
