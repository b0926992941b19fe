/**
 * The actions of a message: one toolbar that goes to the row under the mouse, the focus or
 * a long press. Rows take the focus with the arrow keys, J, K, Home and End (one of them is
 * in the tab order); Tab leads from a row to its actions, arrows from action to action.
 */
import { on } from "./bus.js";
import { replyTo } from "./composer.js";
import { rowAfter, rowBefore } from "./decorate.js";
import { byId, fromTemplate, mayDelete, mayEdit, messages } from "./dom.js";
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
    else if (row && bar?.contains(document.activeElement)) along(event, row);
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

/** @returns {HTMLElement[]} */
const buttons = () => [.../** @type {NodeListOf<HTMLElement>} */ (bar?.querySelectorAll("[data-action]") ?? [])];

/** @param {HTMLElement | null} row */
function give(row) {
  if (!bar || bar.parentElement === row) return;
  // Somebody is in the toolbar with the keyboard: the mouse does not take it away.
  if (bar.contains(document.activeElement) && bar.parentElement !== row && row?.contains(document.activeElement) === false) return;
  if (!row || "deleted" in row.dataset || row.querySelector(".edit-form")) return bar.remove();
  for (const button of buttons()) {
    button.hidden = (button.dataset.action === "edit" && !mayEdit(row)) || (button.dataset.action === "delete" && !mayDelete(row));
    button.tabIndex = button.dataset.action === "reply" ? 0 : -1;
  }
  row.append(bar);
}

/** @returns {HTMLElement[]} */
const rows = () => [.../** @type {NodeListOf<HTMLElement>} */ (messages()?.querySelectorAll(":scope > .message") ?? [])];

/** The time of a row leads to its address; fifty of them are no way to the composer. @param {Element} row @param {boolean} isStop */
function stopAt(row, isStop) {
  row.setAttribute("tabindex", isStop ? "0" : "-1");
  row.querySelector(".message__time")?.setAttribute("tabindex", isStop ? "0" : "-1");
}

/** Makes `row`, or else the last one, the list's one stop in the tab order. @param {HTMLElement | null} row */
function rove(row) {
  const list = messages();
  if (!list) return;
  const stops = list.querySelectorAll(':scope > .message[tabindex="0"]');
  if (!row && stops.length === 1) return;
  for (const stop of stops) stopAt(stop, false);
  const to = row ?? rows().at(-1);
  if (to) stopAt(to, true);
}

/** @param {KeyboardEvent} event @param {HTMLElement} row */
function pressed(event, row) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isMine = mayEdit(row);
  const step = { ArrowUp: rowBefore, k: rowBefore, ArrowDown: rowAfter, j: rowAfter }[event.key];
  if (step) {
    let to = step(row);
    while (to && !to.classList.contains("message")) to = step(to);
    goTo(to);
  } else if (event.key === "Home" || event.key === "End") goTo(rows().at(event.key === "Home" ? 0 : -1) ?? null);
  else if (event.key === "Escape") byId("composer-input")?.focus();
  else if (event.key === "r" && !("deleted" in row.dataset)) replyTo(row);
  else if (event.key === "e" && isMine) edit.open(row);
  else if (event.key === "Delete" && mayDelete(row)) edit.remove(row);
  else return;
  event.preventDefault();
}

/** @param {HTMLElement | null} row */
function goTo(row) {
  row?.focus({ preventScroll: true });
  row?.scrollIntoView({ block: "nearest" });
}

/**
 * Enter, J and K on the timeline go into its rows; its arrows scroll, as everywhere.
 * @param {KeyboardEvent} event
 */
function enter(event) {
  const row = /** @type {HTMLElement | null} */ (messages()?.querySelector(':scope > .message[tabindex="0"]') ?? null);
  if (!["Enter", "j", "k"].includes(event.key) || event.ctrlKey || event.metaKey || event.altKey || !row) return;
  event.preventDefault();
  goTo(row);
}

/** Arrows, Home and End go from action to action, Esc back to the message. @param {KeyboardEvent} event @param {HTMLElement} row */
function along(event, row) {
  const shown = buttons().filter((button) => !button.hidden);
  const at = shown.findIndex((button) => button === document.activeElement);
  const isRtl = getComputedStyle(row).direction === "rtl";
  const by = { ArrowRight: isRtl ? -1 : 1, ArrowLeft: isRtl ? 1 : -1 }[event.key];
  if (event.key === "Escape") goTo(row);
  else if (by) walk(shown.at((at + by) % shown.length));
  else if (event.key === "Home" || event.key === "End") walk(shown.at(event.key === "Home" ? 0 : -1));
  else return;
  event.preventDefault();
}

/** One action is in the tab order: the last that had the focus. @param {HTMLElement | undefined} to */
function walk(to) {
  for (const button of buttons()) button.tabIndex = button === to ? 0 : -1;
  to?.focus();
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
