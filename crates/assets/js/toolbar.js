/**
 * The actions of a message: one toolbar that goes to the row under the mouse, the focus or
 * a long press. Rows take the focus with the arrow keys (one of them is in the tab order),
 * and Tab leads from a row to its actions.
 */
import { on } from "./bus.js";
import { replyTo } from "./composer.js";
import { rowAfter, rowBefore } from "./decorate.js";
import { byId, fromTemplate, me, messages } from "./dom.js";
import * as edit from "./edit.js";
import { toast } from "./toast.js";

const PRESS_MS = 500;

/** @type {HTMLElement | null} */
let bar = null;
/** The row that had the focus when a swap replaced it. */
let focused = "";

export function start() {
  bar = fromTemplate("toolbar-template");
  // A live region reads what is added to it; actions are no news.
  bar?.setAttribute("aria-live", "off");
  const rowOf = (/** @type {EventTarget | null} */ el) =>
    el instanceof Element ? /** @type {HTMLElement | null} */ (el.closest("#messages > .message")) : null;

  document.addEventListener("pointerover", (event) => event.pointerType === "mouse" && give(rowOf(event.target)));
  document.addEventListener("focusin", (event) => {
    const row = rowOf(event.target);
    if (row) give(row);
    if (row && event.target === row) rove(row);
  });
  document.addEventListener("keydown", (event) => {
    const row = rowOf(event.target);
    if (row && event.target === row) pressed(event, row);
    else if (event.target === byId("timeline")) enter(event);
  });
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest(".toolbar [data-action]") : null;
    const row = rowOf(button);
    if (row && button instanceof HTMLElement) act(button.dataset.action ?? "", row);
  });
  longPress(rowOf);
  on("room", () => rove(null));
  on("beforeswap", () => {
    // An edit that was saved gives the focus back by itself.
    const isEditing = document.activeElement?.closest(".edit-form");
    focused = isEditing ? "" : rowOf(document.activeElement)?.id ?? "";
  });
  on("swap", () => {
    if (focused && document.activeElement === document.body) byId(focused)?.focus({ preventScroll: true });
    rove(null);
  });
}

/** @param {HTMLElement | null} row */
function give(row) {
  if (!bar || bar.parentElement === row) return;
  // Somebody is in the toolbar with the keyboard: the mouse does not take it away.
  if (bar.contains(document.activeElement) && bar.parentElement !== row && row?.contains(document.activeElement) === false) return;
  if (!row || "deleted" in row.dataset || row.querySelector(".edit-form")) return bar.remove();
  const isMine = row.dataset.author === me().id;
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (bar.querySelectorAll("[data-action]"))) {
    button.hidden = !isMine && (button.dataset.action === "edit" || button.dataset.action === "delete");
  }
  row.append(bar);
}

/** Makes `row`, or else the last one, the list's one stop in the tab order. @param {HTMLElement | null} row */
function rove(row) {
  const list = messages();
  if (!list) return;
  const stops = list.querySelectorAll(':scope > .message[tabindex="0"]');
  if (!row && stops.length === 1) return;
  for (const stop of stops) stop.setAttribute("tabindex", "-1");
  (row ?? [...list.querySelectorAll(":scope > .message")].at(-1))?.setAttribute("tabindex", "0");
}

/** @param {KeyboardEvent} event @param {HTMLElement} row */
function pressed(event, row) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isMine = row.dataset.author === me().id && !("deleted" in row.dataset);
  const step = { ArrowUp: rowBefore, k: rowBefore, ArrowDown: rowAfter, j: rowAfter }[event.key];
  if (step) {
    let to = step(row);
    while (to && !to.classList.contains("message")) to = step(to);
    to?.focus();
    to?.scrollIntoView({ block: "nearest" });
  } else if (event.key === "Escape") byId("composer-input")?.focus();
  else if (event.key === "r" && !("deleted" in row.dataset)) replyTo(row);
  else if (event.key === "e" && isMine) edit.open(row);
  else if (event.key === "Delete" && isMine) edit.remove(row);
  else return;
  event.preventDefault();
}

/** Enter on the timeline goes into its rows. @param {KeyboardEvent} event */
function enter(event) {
  const row = /** @type {HTMLElement | null} */ (messages()?.querySelector(':scope > .message[tabindex="0"]') ?? null);
  if (event.key !== "Enter" || !row) return;
  event.preventDefault();
  row.focus();
}

/** @param {string} action @param {HTMLElement} row */
function act(action, row) {
  if (action === "reply") replyTo(row);
  if (action === "edit") edit.open(row);
  if (action === "delete") edit.remove(row);
  if (action === "copy-link") {
    const link = row.querySelector(".message__time");
    if (link instanceof HTMLAnchorElement) copy(link.href).then((ok) => toast(ok ? "Link copied." : `The link: ${link.href}`));
  }
}

/**
 * Copies a text; without TLS browsers lack the clipboard, so the old way is the second one.
 * @param {string} text @returns {Promise<boolean>}
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const box = document.createElement("textarea");
    box.value = text;
    box.className = "visually-hidden";
    const back = document.activeElement;
    document.body.append(box);
    box.select();
    const ok = document.execCommand("copy");
    box.remove();
    if (back instanceof HTMLElement) back.focus();
    return ok;
  }
}

/** @param {(el: EventTarget | null) => HTMLElement | null} rowOf */
function longPress(rowOf) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const end = () => clearTimeout(timer);
  document.addEventListener("pointerdown", (event) => {
    end();
    if (event.pointerType === "mouse") return;
    const row = rowOf(event.target);
    if (!row && !(event.target instanceof Element && event.target.closest(".toolbar"))) bar?.remove();
    if (row) timer = setTimeout(() => give(row), PRESS_MS);
  });
  for (const name of ["pointerup", "pointercancel", "pointermove", "scroll"]) {
    document.addEventListener(name, end, { capture: true, passive: true });
  }
}
