/**
 * Changing and deleting messages, in their place. The text typed survives a
 * refusal, a lost connection and a change that arrives meanwhile; only Esc and Cancel
 * throw it away.
 */
import { emit, on } from "./bus.js";
import { countChars, isBlank, normalize, refusal } from "./count.js";
import { ask } from "./dialog.js";
import { byId, fromTemplate, isCoarse, mayEdit, messages, parse, snippet } from "./dom.js";
import { enterDoes } from "./keys.js";
import { settle } from "./scroll.js";
import { refusalOf, toast } from "./toast.js";

/** Open edits whose row is swapped right now, to be opened again. @type {Map<string, string>} */
const interrupted = new Map();
/** True while the event of a saved edit takes away its form, and the focus with it. */
let isLeaving = false;

export function start() {
  on("beforeswap", ({ targets }) => targets.forEach(interrupt));
  on("swap", resume);
  document.addEventListener("submit", (event) => {
    if (!(event.target instanceof HTMLFormElement) || !event.target.matches(".edit-form")) return;
    event.preventDefault();
    saveEdit(event.target);
  });
  document.addEventListener("keydown", (event) => {
    const form = event.target instanceof Element ? event.target.closest(".edit-form") : null;
    if (!(form instanceof HTMLFormElement)) return;
    if (event.key === "Escape" && !event.isComposing) {
      event.preventDefault();
      close(form);
    } else if (event.target instanceof HTMLTextAreaElement && enterDoes(event, isCoarse()) === "send") {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest('[data-action="cancel-edit"]') : null;
    const form = button?.closest("form");
    if (form) close(form);
  });
}

/** Opens the last own message on the page. @returns {boolean} whether there is one */
export function editLast() {
  const own = /** @type {HTMLElement[]} */ ([...(messages()?.children ?? [])]).filter(
    (li) => li.classList.contains("message") && mayEdit(li),
  );
  const last = own.at(-1);
  if (last) open(last);
  return last !== undefined;
}

/** The source and version as the server has them now. @param {string} id */
async function source(id) {
  const answer = await fetch(`/messages/${id}/edit`, { headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(10_000) });
  if (!answer.ok) throw new Error(await refusalOf(answer));
  const form = parse(`<div>${await answer.text()}</div>`, "form");
  const body = form?.querySelector("textarea")?.value;
  const version = /** @type {HTMLInputElement | null} */ (form?.querySelector('[name="version"]') ?? null)?.value;
  if (body === undefined) throw new Error("The message could not be opened for editing.");
  return { body, version: version ?? "" };
}

/**
 * Opens a message for editing.
 * @param {HTMLElement} li @param {string} [typed] words to go on with @param {string} [words] a notice
 */
export async function open(li, typed, words = "") {
  if (li.querySelector(".edit-form")) return li.querySelector("textarea")?.focus();
  const id = li.id.replace("msg-", "");
  try {
    const { body, version } = await source(id);
    const form = fromTemplate("edit-template");
    // The row may have been swapped while its source was fetched.
    const row = byId(li.id);
    const box = form?.querySelector("textarea");
    const text = row?.querySelector(".message__body");
    if (!(form instanceof HTMLFormElement) || !box || !(text instanceof HTMLElement) || row?.querySelector(".edit-form")) return;
    Object.assign(form.dataset, { id, version });
    box.setAttribute("aria-label", "Edit message");
    box.value = typed ?? body;
    text.hidden = true;
    text.after(form);
    say(form, words);
    settle();
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
    row?.scrollIntoView({ block: "nearest" });
  } catch (fault) {
    toast(fault instanceof TypeError || !(fault instanceof Error) ? "No connection: the message cannot be edited now." : fault.message, "fault");
    if (typed) toast(`Not saved: ${snippet(typed, 200)}`, "fault");
  }
}

/** @param {Element} form @param {string} text */
function say(form, text) {
  const line = form.querySelector("[data-notice]");
  if (line) line.textContent = text;
}

/** @param {HTMLFormElement} form */
function close(form) {
  const li = form.closest("li");
  const text = li?.querySelector(".message__body");
  if (text instanceof HTMLElement) text.hidden = false;
  form.remove();
  settle();
  byId("composer-input")?.focus();
}

/** @param {HTMLFormElement} form */
async function saveEdit(form) {
  const box = form.querySelector("textarea");
  const { id = "", version = "" } = form.dataset;
  if (!box || form.dataset.busy) return;
  const why = isBlank(box.value)
    ? "A message cannot be empty. Delete it instead."
    : refusal(box.value, Number(document.body.dataset.maxChars) || 1_000);
  if (why) return say(form, why);
  form.dataset.busy = "true";
  say(form, countChars(box.value) > 0 ? "Saving…" : "");
  const answer = await post(`/messages/${id}/edit`, { body: normalize(box.value), version });
  delete form.dataset.busy;
  if (!form.isConnected) return;
  if (answer?.ok) return saved(form);
  if (!answer || answer.status >= 500 || answer.status === 429) {
    return say(form, "Not saved: no answer from the server. Your text is here; try again.");
  }
  say(form, await refusalOf(answer));
  if (answer.status === 409 || answer.status === 412) await renew(form, id);
}

/** Another window changed the message: the next save is meant to replace that. @param {HTMLFormElement} form @param {string} id */
async function renew(form, id) {
  try {
    const now = await source(id);
    form.dataset.version = now.version;
    say(form, `It was changed elsewhere, to: “${snippet(now.body, 80)}”. Save again to replace that.`);
  } catch {
    say(form, "It was changed elsewhere. Your text is here; try again.");
  }
}

/** Stored: the event brings the new text. Should it not come, ask. @param {HTMLFormElement} form */
function saved(form) {
  form.dataset.done = "true";
  byId("composer-input")?.focus();
  setTimeout(() => form.isConnected && emit("behind"), 2_000);
  setTimeout(() => form.isConnected && close(form), 4_000);
}

/** @param {string} address @param {Record<string, string>} fields */
async function post(address, fields) {
  try {
    return await fetch(address, {
      method: "POST",
      headers: { "HX-Request": "true" },
      body: new URLSearchParams(fields),
      signal: AbortSignal.timeout(15_000),
    });
  } catch {
    return null;
  }
}

/** Asks, then deletes. @param {HTMLElement} li */
export async function remove(li) {
  const words = snippet(li.querySelector(".message__body")?.textContent ?? "", 120);
  const author = li.querySelector(".message__author")?.textContent ?? "";
  const title = mayEdit(li) ? "Delete this message?" : `Delete this message of ${author}?`;
  if (!(await ask({ title, text: words, ok: "Delete" }))) return;
  const answer = await post(`/messages/${li.id.replace("msg-", "")}/delete`, {});
  if (!answer) toast("No connection: the message was not deleted.", "fault");
  else if (!answer.ok) toast(await refusalOf(answer), "fault");
  else setTimeout(() => byId(li.id) && !("deleted" in (byId(li.id)?.dataset ?? {})) && emit("behind"), 2_000);
}

/** @param {Element} target a row that is about to be replaced */
function interrupt(target) {
  const form = /** @type {HTMLFormElement | null} */ (target.querySelector(":scope .edit-form"));
  const box = form?.querySelector("textarea");
  if (!target.id.startsWith("msg-") || !form || !box) return;
  if (form.dataset.done || form.dataset.busy) isLeaving ||= form.contains(document.activeElement);
  else interrupted.set(target.id, box.value);
}

function resume() {
  if (isLeaving) byId("composer-input")?.focus();
  isLeaving = false;
  for (const [id, typed] of interrupted) {
    interrupted.delete(id);
    const row = byId(id);
    if (row && "deleted" in row.dataset) toast(`The message was deleted. You had typed: ${snippet(typed, 200)}`, "fault");
    else if (row) open(row, typed, "It was changed elsewhere. Save to replace that.");
  }
}
