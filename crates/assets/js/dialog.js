/** Questions and notices in `<dialog>`: the browser keeps the focus inside and gives it back. */
import { byId } from "./dom.js";

/** @param {Element} dialog @param {string} selector @param {string} text */
function fill(dialog, selector, text) {
  const part = dialog.querySelector(selector);
  if (part) part.textContent = text;
}

/**
 * Asks, and resolves to whether the answer was yes. Esc is no.
 * @param {{ title: string, text?: string, ok: string }} question @returns {Promise<boolean>}
 */
export function ask({ title, text = "", ok }) {
  const dialog = byId("confirm-dialog");
  if (!(dialog instanceof HTMLDialogElement)) return Promise.resolve(false);
  fill(dialog, "[data-title]", title);
  fill(dialog, "[data-text]", text);
  fill(dialog, "[data-ok]", ok);
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener(
      "close",
      () => {
        // Words of a message do not stay behind in a closed dialog.
        fill(dialog, "[data-text]", "");
        resolve(dialog.returnValue === "ok");
      },
      { once: true },
    ),
  );
}

/** Says why live talk ended and leads to the log-in and back. @param {string} reason */
export function showSignedOut(reason) {
  const dialog = byId("signed-out-dialog");
  if (!(dialog instanceof HTMLDialogElement) || dialog.open) return;
  fill(dialog, "[data-text]", `${reason} What you typed is kept in this browser until you are back.`);
  const link = dialog.querySelector("[data-login]");
  const next = encodeURIComponent(location.pathname + location.search);
  if (link instanceof HTMLAnchorElement) link.href = `/login/?next=${next}`;
  for (const other of document.querySelectorAll("dialog[open]")) {
    if (other instanceof HTMLDialogElement) other.close();
  }
  dialog.showModal();
}
