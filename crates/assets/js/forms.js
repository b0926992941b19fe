/**
 * What every page's forms get: no double submit, a question before what cannot be undone,
 * copy buttons, the choices of appearance, and nothing left behind at log-out.
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
  choice("theme");
  choice("density");
  document.addEventListener("change", ({ target }) => {
    if (target instanceof HTMLInputElement && target.closest("[data-theme-choice], [data-density-choice]")) choose(/** @type {keyof typeof CHOICES} */ (target.name), target.value);
  });
  addEventListener("storage", chosen);
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

/** What a browser may choose for itself; the first value is what holds without a choice. */
const CHOICES = { theme: ["system", "light", "dark"], density: ["cosy", "compact"] };

/** @param {"theme" | "density"} name */
function choice(name) {
  const field = document.querySelector(`[data-${name}-choice]`);
  if (!field) return;
  field.removeAttribute("hidden");
  const now = document.documentElement.dataset[name] ?? CHOICES[name][0];
  for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (field.querySelectorAll(`input[name="${name}"]`))) {
    radio.checked = radio.value === now;
  }
}

/** Sets a choice at once and for later pages; theme.js reads it. @param {"theme" | "density"} name @param {string} value */
function choose(name, value) {
  const root = document.documentElement;
  const isDefault = value === CHOICES[name][0];
  if (isDefault) delete root.dataset[name];
  else root.dataset[name] = value;
  try {
    if (isDefault) localStorage.removeItem(`parlour:${name}`);
    else localStorage.setItem(`parlour:${name}`, value);
  } catch {
    // The choice then lasts as long as the page.
  }
}

/** Another window chose: this one follows. @param {StorageEvent} event */
function chosen({ key, newValue }) {
  const name = /** @type {const} */ (["theme", "density"]).find((name) => key === `parlour:${name}`);
  if (!name) return;
  if (newValue && CHOICES[name].includes(newValue)) document.documentElement.dataset[name] = newValue;
  else delete document.documentElement.dataset[name];
  choice(name);
}
