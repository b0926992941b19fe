/**
 * On phones one pane at a time: list, room, panel. Each is a place in the history, so that
 * the phone's own back works. Wide pages show all and ignore this.
 */
import { byId } from "./dom.js";

export function start() {
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest('[data-action="show-list"]') : null;
    if (!link) return;
    event.preventDefault();
    if (history.state?.fromList) history.back();
    else showPane("list", true);
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
  if (isNarrow() && pane === "list") {
    const link = document.querySelector('#sidebar .room-link[aria-current="page"]');
    if (link instanceof HTMLElement) link.focus();
  }
}

const isNarrow = () => matchMedia("(max-width: 719.98px)").matches;
