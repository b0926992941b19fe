/**
 * The sender's own rows below the timeline, until the real message takes their place in the
 * same swap. Built from a template of the page; words go in as text, never as HTML.
 */
import { on } from "./bus.js";
import { clockWords, factsOf } from "./decorate.js";
import { byId, fromTemplate, me, messages, roomId, roomMain } from "./dom.js";
import { follows } from "./grouping.js";
import * as sender from "./sender.js";
import { stick } from "./scroll.js";

/** @typedef {import("./outbox.js").Entry} Entry */

export function start() {
  on("room", showAll);
  on("say", (/** @type {Entry} */ entry) => {
    if (entry.room !== roomId()) return;
    show(entry);
    stick();
  });
  on("hush", (/** @type {string} */ nonce) => remove(nonce));
  on("beforeswap", ({ rows }) => reconcile(rows));
  on("swap", regroup);
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("#pending [data-action]") : null;
    const nonce = button?.closest("li")?.dataset.nonce;
    if (!(button instanceof HTMLElement) || !nonce) return;
    if (button.dataset.action === "retry") sender.retry(nonce);
    if (button.dataset.action === "discard") sender.take(nonce);
    // edit-failed is the composer's: it takes the text back.
  });
}

/** Draws what is unsent in this room, leaving out what the timeline already has. */
export function showAll() {
  byId("pending")?.replaceChildren();
  const there = new Set([...(messages()?.children ?? [])].map((li) => /** @type {HTMLElement} */ (li).dataset.nonce));
  for (const entry of sender.entriesOf(roomId())) {
    if (there.has(entry.nonce)) sender.arrived(entry.nonce);
    else show(entry);
  }
}

/** @param {string} nonce @returns {HTMLElement | null} */
const rowOf = (nonce) => document.querySelector(`#pending > [data-nonce="${CSS.escape(nonce)}"]`);

/** @param {Entry} entry */
function show(entry) {
  const list = byId("pending");
  const row = rowOf(entry.nonce) ?? fromTemplate("pending-template");
  if (!list || !row) return;
  const isFailed = entry.state === "failed";
  Object.assign(row.dataset, { nonce: entry.nonce, at: new Date(entry.at).toISOString(), author: me().id });
  if (entry.replyTo) row.dataset.replyTo = entry.replyTo;
  row.classList.toggle("message--failed", isFailed);
  fill(row, ".message__body", entry.body);
  fill(row, ".message__time", clockWords(entry.at));
  fill(row, "[data-state-text]", isFailed ? `Not sent. ${entry.reason}` : entry.tries > 0 ? "Waiting for the connection…" : "Sending…");
  const choices = row.querySelector(".message__choices");
  if (choices instanceof HTMLElement) choices.hidden = !isFailed;
  if (!row.isConnected) list.append(row);
  regroup();
}

/** @param {HTMLElement} row @param {string} selector @param {string} text */
function fill(row, selector, text) {
  const part = row.querySelector(selector);
  if (part) part.textContent = text;
}

/** @param {string} nonce */
function remove(nonce) {
  const row = rowOf(nonce);
  if (!row) return;
  const hadFocus = row.contains(document.activeElement);
  row.remove();
  regroup();
  if (hadFocus) byId("composer-input")?.focus();
}

/** Rows whose real message comes now go before it is shown. @param {HTMLElement[]} rows */
function reconcile(rows) {
  for (const { dataset } of rows) {
    if (!dataset.nonce || dataset.author !== me().id) continue;
    rowOf(dataset.nonce)?.remove();
    sender.arrived(dataset.nonce);
  }
}

/** Groups the rows as they will stand in the timeline, so that nothing moves on arrival. */
function regroup() {
  const list = byId("pending");
  if (!list || !roomMain()) return;
  const last = [...(messages()?.children ?? [])].findLast((li) => li.matches(".message, .event"));
  let before = last instanceof HTMLElement ? factsOf(last) : null;
  for (const row of /** @type {Iterable<HTMLElement>} */ (list.children)) {
    const facts = factsOf(row);
    row.classList.toggle("message--follows", follows(before, facts));
    before = facts;
  }
}
