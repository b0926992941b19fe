/**
 * Where the reader is in the timeline, and keeping them there. At the bottom they stay at
 * the bottom; anywhere else the row they look at stays where it is, whatever grows, shrinks
 * or arrives around it. One observer sees every change of height before it is painted.
 */
import { byId, holdsHead } from "./dom.js";

/** Within this distance of the end a reader counts as being at the end. */
const NEAR_PX = 100;

let isStuck = true;
/** @type {{ id: string, top: number } | null} */
let anchor = null;
/** What we wrote last, to tell our own scrolling from the reader's. */
let written = -1;
/** @type {Set<() => void>} */
const listeners = new Set();

const observer = new ResizeObserver(() => settle());

/** @param {() => void} listen called after the reader, or the page, moved */
export const onMove = (listen) => listeners.add(listen);

/** Watches the timeline of a new `#main`; begins at the end. */
export function attach() {
  observer.disconnect();
  const timeline = byId("timeline");
  const log = byId("log");
  if (!timeline || !log) return;
  // A page around a permalink does not hold the end; its row is shown by timeline.js.
  isStuck = holdsHead();
  anchor = null;
  timeline.style.overflowAnchor = "none";
  timeline.addEventListener("scroll", moved, { passive: true });
  observer.observe(timeline);
  observer.observe(log);
  settle();
}

/** True while the reader is at the end of what the page holds. */
export const atEnd = () => isStuck;

/** True while the newest message of the room is in view. */
export const atHead = () => isStuck && holdsHead();

/** The end of a list that goes on is no place to stay at. @param {HTMLElement} timeline */
const isNearEnd = (timeline) =>
  holdsHead() && timeline.scrollHeight - timeline.scrollTop - timeline.clientHeight < NEAR_PX;

function moved() {
  const timeline = byId("timeline");
  if (!timeline) return;
  // Our own scrolling keeps the row it kept: marking anew here would take over whatever
  // moved since, before the observer could undo it.
  if (Math.abs(timeline.scrollTop - written) > 1) {
    isStuck = isNearEnd(timeline);
    mark();
    written = -1;
  }
  for (const listen of listeners) listen();
}

/** The row itself, or the one below a day line: those stick to the edge. @param {Element} row */
function still(row) {
  let below = row;
  while (below.classList.contains("day") && below.nextElementSibling) below = below.nextElementSibling;
  return below;
}

/** Remembers the first row in view. */
export function mark() {
  const timeline = byId("timeline");
  const list = byId("messages");
  if (!timeline || !list) return;
  const edge = timeline.getBoundingClientRect().top;
  const rows = list.children;
  // Rows stand one below the other: halve.
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (still(rows[middle]).getBoundingClientRect().bottom <= edge) low = middle + 1;
    else high = middle;
  }
  while (low < rows.length && !rows[low].id.match(/^(msg|event)-/)) low += 1;
  const row = rows[low];
  anchor = row ? { id: row.id, top: row.getBoundingClientRect().top - edge } : null;
}

/** Puts the reader back where they were, after anything changed. */
export function settle() {
  const timeline = byId("timeline");
  if (!timeline) return;
  if (isStuck) write(timeline.scrollHeight);
  else if (anchor) {
    const row = byId(anchor.id);
    if (!row) return;
    const top = row.getBoundingClientRect().top - timeline.getBoundingClientRect().top;
    if (Math.abs(top - anchor.top) >= 1) write(timeline.scrollTop + top - anchor.top);
  }
  for (const listen of listeners) listen();
}

/** @param {number} top */
function write(top) {
  const timeline = byId("timeline");
  if (!timeline) return;
  timeline.scrollTop = top;
  written = timeline.scrollTop;
}

/** Goes to the end and stays there; only where the end is the newest message. */
export function stick() {
  if (!holdsHead()) return;
  isStuck = true;
  settle();
}

/** The row the reader looks at, to find it again after a replacement. */
export function place() {
  return isStuck ? null : anchor;
}

/** @param {{ id: string, top: number } | null} wanted */
export function restore(wanted) {
  isStuck = wanted === null && holdsHead();
  anchor = wanted;
  settle();
}

/** Brings a row into the middle of the view. @param {HTMLElement} row */
export function show(row) {
  const timeline = byId("timeline");
  if (!timeline) return;
  isStuck = false;
  const box = row.getBoundingClientRect();
  const view = timeline.getBoundingClientRect();
  write(timeline.scrollTop + box.top - view.top - Math.max(0, (view.height - box.height) / 2));
  mark();
  isStuck = isNearEnd(timeline);
  for (const listen of listeners) listen();
}
