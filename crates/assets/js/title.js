/** The tab's title and icon: how much is unread, and where one is. */
import { on } from "./bus.js";
import { byId, me, readTo, roomId, roomMain } from "./dom.js";

/** What came into the room on screen while nobody looked. */
let unseen = 0;
/** The title of a page without a room. */
const plain = document.title;

export function start() {
  on("swap", ({ rows }) => {
    if (document.hasFocus() && document.visibilityState === "visible") return;
    unseen += rows.filter(isNews).length;
    showTitle();
  });
  const seen = () => {
    unseen = 0;
    showTitle();
  };
  on("room", seen);
  on("read", seen);
  addEventListener("focus", seen);
}

/** A new message of somebody else's, not read on another device yet. @param {HTMLElement} row */
const isNews = ({ dataset, id }) =>
  id.startsWith("msg-") && !("edited" in dataset) && !("deleted" in dataset) && dataset.author !== me().id && Number(dataset.seq) > readTo();

/** How many unread messages the house holds for one; an unknown number counts as one. */
function total() {
  const links = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#sidebar .room-link"));
  return [...links]
    .filter(({ dataset }) => Number(dataset.room) !== roomId())
    .reduce((sum, { dataset }) => sum + (dataset.unread === "" ? 1 : Number(dataset.unread ?? 0)), unseen);
}

export function showTitle() {
  const count = total();
  const house = document.body.dataset.house ?? "Parlour";
  const room = roomMain()?.dataset.name;
  const words = room ? `${room} · ${house}` : plain.replace(/^\(\d+\+?\) /, "");
  const title = count > 0 ? `(${count > 99 ? "99+" : count}) ${words}` : words;
  if (document.title !== title) document.title = title;
  dot(count > 0);
}

/** @param {boolean} isUnread */
function dot(isUnread) {
  const icon = byId("favicon");
  if (!(icon instanceof HTMLLinkElement)) return;
  icon.dataset.plainHref ??= icon.href;
  const href = isUnread ? icon.dataset.unreadHref : icon.dataset.plainHref;
  if (href && icon.getAttribute("href") !== href) icon.href = href;
}
