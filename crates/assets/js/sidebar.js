/**
 * The list of rooms: unread marks from signals, the current room, and the list anew when a
 * room comes or goes. Numbers are the server's; this file only writes them down.
 */
import { on } from "./bus.js";
import { repaint } from "./connection.js";
import { byId, me, parse, readTo, roomId, roomMain, seen } from "./dom.js";
import { showTitle } from "./title.js";

export function start() {
  on("room", () => {
    markCurrent();
    clearRead();
    showTitle();
  });
  on("signal:unread", ({ room, unread, mentions, head }) => {
    const link = linkOf(room);
    if (!link) return refresh();
    if (head !== undefined) link.dataset.head = String(head);
    // What is on screen is read by reading, not by being told of.
    if (Number(room) !== roomId()) mark(link, unread === null ? "" : String(unread ?? 0), Number(mentions ?? 0));
  });
  on("signal:heads", heads);
  on("signal:receipt", ({ room, user, seq }) => {
    const link = linkOf(room);
    if (String(user?.id ?? user) !== me().id || !link || link.dataset.unread === "0") return;
    if (Number(room) !== roomId() && seq >= Number(link.dataset.head)) mark(link, "0", 0);
    // Only the server knows what is left of it, and what came since `data-head`.
    if (Number(room) !== roomId() || seq < seen()) refresh();
  });
  on("state", (state) => {
    // What was read elsewhere while the line was down. After a restart of the server
    // everybody returns at once, so this is spread wide.
    if (state === "online" && wasOffline) refresh(5_000);
    wasOffline = state === "offline" || (wasOffline && state !== "online");
  });
  on("signal:error", ({ re }) => re === "subscribe" && refresh());
  on("posted", (room) => {
    // Posting joins: the room is one's own from now on.
    const main = roomMain();
    if (Number(main?.dataset.room) !== room || main?.dataset.joined !== "false") return;
    main.dataset.joined = "true";
    main.querySelector("form.room-bar")?.remove();
    refresh();
  });
  on("read", clearRead);
  for (const link of links()) paint(link);
  showTitle();
}

let wasOffline = false;

/** Takes the mark from the room on screen once everything in it is read, here or elsewhere. */
function clearRead() {
  const link = linkOf(roomId());
  if (link && link.dataset.unread !== "0" && readTo() >= seen()) mark(link, "0", 0);
}

const links = () => /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("#sidebar .room-link"));

/** @param {number | string} room @returns {HTMLAnchorElement | null} */
const linkOf = (room) => document.querySelector(`#sidebar .room-link[data-room="${Number(room)}"]`);

/** @param {HTMLAnchorElement} link @param {string} unread @param {number} mentions */
function mark(link, unread, mentions) {
  Object.assign(link.dataset, { unread, mentions: String(mentions) });
  paint(link);
  showTitle();
}

/** @param {HTMLAnchorElement} link */
function paint(link) {
  const { unread = "0", mentions = "0", name = "" } = link.dataset;
  const count = Number(mentions) || Number(unread);
  link.classList.toggle("room-link--unread", unread !== "0");
  link.classList.toggle("room-link--mentioned", Number(mentions) > 0);
  const pill = link.querySelector(".room-link__count");
  if (pill) pill.textContent = count > 99 ? "99+" : count > 0 ? String(count) : "";
  const words = Number(mentions) > 0 ? `${mentions} mentions` : unread === "" ? "new messages" : `${unread} unread`;
  if (unread === "0") link.removeAttribute("aria-label");
  else link.setAttribute("aria-label", `${name || link.querySelector(".room-link__name")?.textContent || ""}, ${words}`);
}

/** Marks the link of the room on screen. On a page without one the server's mark holds. */
export function markCurrent() {
  if (roomId() === 0) return;
  for (const link of links()) {
    if (Number(link.dataset.room) === roomId()) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** A head that moved in a room not marked yet: a signal was lost. @param {{ rooms: Record<string, number> }} data */
function heads({ rooms }) {
  for (const [room, head] of Object.entries(rooms ?? {})) {
    const link = linkOf(room);
    if (!link || Number(room) === roomId()) continue;
    const isNews = head > Number(link.dataset.head ?? 0);
    link.dataset.head = String(head);
    if (isNews && (link.dataset.unread ?? "0") === "0") refresh();
  }
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/**
 * Fetches the list, once for many reasons; spread, as they may come to everybody at once.
 * @param {number} [spreadMs]
 */
export function refresh(spreadMs = 800) {
  timer ??= setTimeout(load, 200 + spreadMs * Math.random());
}

async function load() {
  timer = undefined;
  const old = byId("sidebar");
  if (!old) return;
  try {
    const answer = await fetch("/sidebar", { headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(10_000) });
    const next = answer.ok ? parse(await answer.text(), "#sidebar") : null;
    if (!next || byId("sidebar") !== old) return;
    const focused = old.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
    // The server does not know which page asks.
    for (const link of old.querySelectorAll("a[aria-current]")) {
      next.querySelector(`[href="${CSS.escape(link.getAttribute("href") ?? "")}"]`)?.setAttribute("aria-current", "page");
    }
    next.scrollTop = old.scrollTop;
    old.replaceWith(next);
    htmx.process(next);
    for (const link of links()) paint(link);
    markCurrent();
    // It may have been fetched before the server knew what was read meanwhile.
    clearRead();
    repaint();
    showTitle();
    if (focused) /** @type {HTMLElement | null} */ (next.querySelector(`[href="${CSS.escape(focused)}"]`))?.focus();
  } catch {
    // The next signal tries again.
  }
}
