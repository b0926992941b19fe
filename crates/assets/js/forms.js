/**
 * What every page's forms get: no double submit, a question before what cannot be undone,
 * copy buttons, the choice of theme, and nothing left behind at log-out.
 */
import { ask } from "./dialog.js";
import { announce, me } from "./dom.js";
import * as sender from "./sender.js";
import { forget } from "./store.js";
import { copy } from "./toolbar.js";

export function start() {
  for (const part of document.querySelectorAll("[data-needs-script]")) part.removeAttribute("hidden");
  document.addEventListener("submit", submitted);
  // A page that comes back from the cache is a fresh one.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-busy]")) free(form);
  });
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (button instanceof HTMLElement) copyFrom(button);
  });
  themes();
  // A page that came back with refused fields leads to the first of them.
  const wrong = document.querySelector('[aria-invalid="true"]');
  if (wrong instanceof HTMLElement) wrong.focus();
}

/** @param {Element} form */
function free(form) {
  form.removeAttribute("data-busy");
  for (const button of form.querySelectorAll("[data-held]")) {
    button.removeAttribute("data-held");
    button.removeAttribute("disabled");
  }
}

/** @param {SubmitEvent} event */
async function submitted(event) {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || event.defaultPrevented || form.method === "dialog") return;
  if (form.dataset.busy) return event.preventDefault();
  const isLogout = new URL(form.action, location.href).pathname === "/logout/";
  const question = isLogout && !sender.isEmpty() ? "You have messages that are not sent yet. Logging out throws them away." : form.dataset.confirm;
  if (question && !form.dataset.confirmed) {
    event.preventDefault();
    const ok = form.dataset.confirmOk ?? (isLogout ? "Log out" : "Continue");
    if (!(await ask({ title: "Are you sure?", text: question, ok }))) return;
    form.dataset.confirmed = "true";
    form.requestSubmit(event.submitter);
    delete form.dataset.confirmed;
    return;
  }
  if (isLogout) forget(me().id);
  if (form.method !== "post") return;
  form.dataset.busy = "true";
  // After the browser has taken the fields: a disabled button's own value would be missing.
  setTimeout(() => {
    for (const button of form.querySelectorAll("button:not([type=button]):not(:disabled)")) {
      button.setAttribute("data-held", "");
      button.setAttribute("disabled", "");
    }
  });
  // A download or a lost connection leaves the page standing.
  setTimeout(() => free(form), 8_000);
}

/** @param {HTMLElement} button */
async function copyFrom(button) {
  const from = document.querySelector(button.dataset.copy ?? "");
  const text = from instanceof HTMLInputElement ? from.value : from?.textContent?.trim();
  if (!text) return;
  const label = button.textContent;
  const ok = await copy(text);
  button.textContent = ok ? "Copied" : "Select and copy it by hand";
  announce(button.textContent);
  setTimeout(() => (button.textContent = label), 2_000);
}

function themes() {
  const choice = document.querySelector("[data-theme-choice]");
  if (!choice) return;
  choice.removeAttribute("hidden");
  const now = document.documentElement.dataset.theme ?? "system";
  for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (choice.querySelectorAll('input[name="theme"]'))) {
    radio.checked = radio.value === now;
    radio.addEventListener("change", () => setTheme(radio.value));
  }
}

/** @param {string} theme `system`, `light` or `dark` */
export function setTheme(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem("parlour:theme");
    else localStorage.setItem("parlour:theme", theme);
  } catch {
    // The choice then lasts as long as the page.
  }
}
