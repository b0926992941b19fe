/**
 * On phones one pane at a time: list, room, panel. Each is a place in the history, so that
 * the phone's own back works. Wide pages show all, and the panel comes beside the room.
 */
import { byId, parse } from "./dom.js";

export function start() {
  narrow.addEventListener("change", landmarks);
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.dataset.action === "show-list" && isNarrow()) {
      event.preventDefault();
      if (history.state?.fromList) history.back();
      else showPane("list", true);
    } else if (link.dataset.action === "close-panel") {
      event.preventDefault();
      close();
    } else if (link.matches(".room-head__members")) {
      event.preventDefault();
      toggle(link);
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && byId("panel")?.contains(document.activeElement)) close();
  });
}

/** @param {string} pane @param {boolean} push whether it becomes a new place in the history */
export function showPane(pane, push) {
  const app = byId("app");
  if (!app || app.dataset.pane === pane) return;
  const was = app.dataset.pane;
  app.dataset.pane = pane;
  if (push && isNarrow()) history.pushState({ parlour: true, pane, fromList: was === "list" }, "");
  else history.replaceState({ ...history.state, pane, fromList: history.state?.fromList ?? was === "list" }, "");
  landmarks();
  if (isNarrow() && pane === "list") {
    const link = document.querySelector('#sidebar .room-link[aria-current="page"]');
    if (link instanceof HTMLElement) link.focus();
  }
}

const narrow = matchMedia("(max-width: 719.98px)");
const isNarrow = () => narrow.matches;

/** With `#main` hidden behind another pane, what is left is the page's main part. */
function landmarks() {
  const app = byId("app");
  const isMain = isNarrow() && app?.dataset.pane !== "room";
  if (isMain) app?.setAttribute("role", "main");
  else app?.removeAttribute("role");
  // An `aside` may not stand inside a main part.
  if (isMain) byId("panel")?.setAttribute("role", "region");
  else byId("panel")?.removeAttribute("role");
}

/** Shows the members beside the room, or closes them. @param {HTMLAnchorElement} link */
async function toggle(link) {
  const old = byId("panel");
  if (!old || !old.hidden) return close();
  const answer = await fetch(link.href, { headers: { "HX-Request": "true" } }).catch(() => null);
  const panel = answer?.ok ? parse(await answer.text(), "#panel") : null;
  if (!panel || byId("panel") !== old) return location.assign(link.href);
  panel.hidden = false;
  panel.tabIndex = -1;
  old.replaceWith(panel);
  showPane("panel", true);
  panel.focus({ preventScroll: true });
}

function close() {
  const hadFocus = byId("panel")?.contains(document.activeElement);
  closePanel();
  if (byId("app")?.dataset.pane === "panel") {
    if (isNarrow()) history.back();
    else showPane("room", false);
  }
  const opener = document.querySelector(".room-head__members");
  if (hadFocus && opener instanceof HTMLElement) opener.focus();
}

/** Empties the panel: what is beside a room goes with it. */
export function closePanel() {
  const panel = byId("panel");
  if (!panel || panel.hidden) return;
  panel.hidden = true;
  panel.replaceChildren();
}
