/**
 * The timeline as one reads it: pages come while scrolling, live rows are decorated, the
 * way back to the newest shows how much is there, permalinks lead to their message.
 */
import { on } from "./bus.js";
import { decorate, decorateAll, freeze } from "./decorate.js";
import { byId, holdsHead, me, messages, roomMain } from "./dom.js";
import * as history from "./history.js";
import * as scroll from "./scroll.js";

/** Messages that came since the reader left the end. */
let below = 0;
/** Pages are asked for this far ahead of the edge. */
const AHEAD_PX = 800;

export function start() {
  on("room", opened);
  on("beforeswap", () => !scroll.atEnd() && scroll.mark());
  on("swap", swapped);
  on("missed", (count) => {
    below += count;
    showJump();
  });
  scroll.onMove(moved);
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("#jump")) jump();
  });
}

/** @param {HTMLElement | null} main */
function opened(main) {
  below = 0;
  const list = messages();
  if (!main?.dataset.room || !list) return;
  freeze(main);
  decorateAll(list);
  showBeginning();
  scroll.attach();
  // Links to other pages of history are for those without scripts.
  for (const more of main.querySelectorAll("[data-load]")) more.setAttribute("hidden", "");
  const seq = Number(main.dataset.around ?? new URLSearchParams(location.search).get("around"));
  if (seq > 0) reveal(seq);
  else openAtNew();
  showJump();
}

/** With more unread than fits, reading begins at the "new" line. */
function openAtNew() {
  const line = byId("new-line");
  const timeline = byId("timeline");
  if (!line || !timeline) return;
  if (line.getBoundingClientRect().top < timeline.getBoundingClientRect().top) scroll.show(line);
}

/** @param {{ rows: HTMLElement[], targets: Element[] }} change */
function swapped({ rows }) {
  const list = messages();
  if (!list) return;
  // htmx may insert copies: find them by id.
  const there = rows.flatMap(({ id }) => (id ? byId(id) ?? [] : []));
  decorate(there);
  const news = there.filter((row) => row.classList.contains("message") && !("edited" in row.dataset) && row === list.lastElementChild);
  if (!scroll.atEnd()) below += news.filter(({ dataset }) => dataset.author !== me().id).length;
  else if (list.childElementCount > history.MOST_ROWS + 50) history.trim("start");
  showBeginning();
  scroll.settle();
  showJump();
}

function moved() {
  if (scroll.atHead()) below = 0;
  showJump();
  const timeline = byId("timeline");
  if (!timeline || timeline.clientHeight === 0) return;
  const { scrollTop, scrollHeight, clientHeight } = timeline;
  if (scrollTop < AHEAD_PX) history.extend("older").then(showBeginning);
  if (scrollHeight - scrollTop - clientHeight < AHEAD_PX) history.extend("newer");
}

function showJump() {
  const button = byId("jump");
  if (!button) return;
  button.hidden = scroll.atHead();
  const count = button.querySelector("[data-count]");
  if (count) count.textContent = below > 0 ? `${below} new` : "";
}

/** Goes to the newest message. */
export async function jump() {
  const button = byId("jump");
  const hadFocus = document.activeElement === button;
  if (!(await history.latest())) return;
  below = 0;
  scroll.stick();
  showJump();
  if (hadFocus) byId("composer-input")?.focus();
}

/** The first words of a room, above its first message. */
function showBeginning() {
  const list = messages();
  const main = roomMain();
  if (!list || !main) return;
  const isWhole = list.dataset.hasOlder !== "true";
  const line = list.querySelector(":scope > .beginning");
  const isEmpty = list.querySelector(":scope > .message, :scope > .event") === null;
  if (line && (!isWhole || isEmpty)) line.remove();
  if (!line && isWhole && !isEmpty) {
    const words = document.createElement("li");
    words.className = "beginning";
    words.textContent = `This is the beginning of ${main.dataset.name ?? "the room"}.`;
    list.prepend(words);
  }
  const empty = byId("empty");
  if (empty) empty.hidden = !isEmpty;
}

/**
 * Shows the message posted at `seq`, loading the page around it when it is not there.
 * @param {number} seq
 */
export async function reveal(seq) {
  const find = () => /** @type {HTMLElement | null} */ (messages()?.querySelector(`:scope > [data-seq="${seq}"]`) ?? null);
  if (!find() && !(await history.around(seq))) return;
  const row = find();
  if (!row) return;
  for (const old of document.querySelectorAll(".message--target")) old.classList.remove("message--target");
  row.classList.add("message--target");
  scroll.show(row);
  row.focus({ preventScroll: true });
  if (!holdsHead()) showJump();
}

