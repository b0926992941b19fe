/**
 * The composer: what Enter does, the counter, its height, the draft, the reply chip. What is
 * typed leaves it only into the outbox, which keeps it until the server has it.
 */
import { emit, on } from "./bus.js";
import { byId, holdsHead, isCoarse, me, roomMain, snippet } from "./dom.js";
import { counter, isBlank, normalize, refusal } from "./count.js";
import { editLast } from "./edit.js";
import { enterDoes } from "./keys.js";
import * as sender from "./sender.js";
import { key, load, save } from "./store.js";
import { jump } from "./timeline.js";

const limit = () => Number(document.body.dataset.maxChars) || 1_000;

/** @returns {HTMLTextAreaElement | null} */
const input = () => /** @type {HTMLTextAreaElement | null} */ (byId("composer-input"));
const replyField = () => /** @type {HTMLInputElement | null} */ (document.querySelector('#composer [name="reply_to"]'));
const draftKey = () => key("draft", me().id, roomMain()?.dataset.room ?? "0");

export function start() {
  on("room", opened);
  on("state", (state) => state === "online" && notice(""));
  on("delayed", delayed);
  document.addEventListener("submit", (event) => {
    if (!(event.target instanceof HTMLFormElement) || event.target.id !== "composer") return;
    event.preventDefault();
    send();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target === input()) pressed(event);
  });
  document.addEventListener("input", (event) => {
    if (event.target !== input()) return;
    changed();
    emit("typing");
  });
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-action]") : null;
    if (!(button instanceof HTMLElement)) return;
    if (button.dataset.action === "cancel-reply") cancelReply();
    if (button.dataset.action === "edit-failed") editFailed(button.closest("li")?.dataset.nonce ?? "");
  });
  addEventListener("pagehide", keepDraft);
}

function opened() {
  const box = input();
  if (!box) return;
  const draft = load(draftKey());
  // The browser itself may have brought back newer words than we kept.
  if (box.value === "" && typeof draft?.text === "string") box.value = draft.text;
  if (draft?.reply) showReply(draft.reply);
  changed();
  if (!isCoarse() && !location.search.includes("around=")) box.focus({ preventScroll: true });
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  const does = enterDoes(event, isCoarse());
  if (does === "send") {
    event.preventDefault();
    send();
  } else if (event.key === "ArrowUp" && input()?.value === "" && !event.isComposing) {
    if (editLast()) event.preventDefault();
  } else if (event.key === "Escape" && replyField()?.value) {
    event.preventDefault();
    cancelReply();
  }
}

/** After each change of the text: height, counter, draft. */
function changed() {
  const box = input();
  if (!box) return;
  grow(box);
  const { text, isOver } = counter(box.value, limit());
  const line = byId("composer-count");
  if (line) line.textContent = text;
  line?.classList.toggle("is-over", isOver);
  if (!isOver && byId("composer-notice")?.dataset.kind === "refusal") notice("");
  scheduleDraft();
}

/** @param {HTMLTextAreaElement} box */
function grow(box) {
  if (CSS.supports("field-sizing", "content")) return;
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, innerHeight * 0.4)}px`;
}

async function send() {
  const box = input();
  const main = roomMain();
  if (!box || !main || isBlank(box.value)) return;
  const why = refusal(box.value, limit());
  if (why) return notice(why, "refusal");
  const { room, slug } = main.dataset;
  const message = { room: Number(room), slug: slug ?? "", body: normalize(box.value), replyTo: replyField()?.value ?? "" };
  if (!sender.enqueue(message)) {
    return notice("Too many messages wait for the connection. Your text stays here until some are sent.", "refusal");
  }
  box.value = "";
  notice("");
  cancelReply();
  changed();
  keepDraft();
  // One's own words stand at the end: show it.
  if (!holdsHead()) await jump();
}

/** @param {string} text @param {"refusal" | "state"} [kind] */
function notice(text, kind = "state") {
  const line = byId("composer-notice");
  if (!line || line.textContent === text) return;
  line.textContent = text;
  line.dataset.kind = kind;
}

/** A message waits. @param {number | null} status null when one went through */
function delayed(status) {
  if (status === null) notice("");
  else if (status === 429) notice("That was fast. Your message is sent in a moment.");
  else if (status === 507) notice("The disk of this house is full. Your message is kept and tried again.");
  else if (status === 0) notice("Offline. Messages are kept and sent later.");
  else notice("The server does not answer. Your messages are kept and tried again.");
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let draftTimer;

function scheduleDraft() {
  clearTimeout(draftTimer);
  draftTimer = setTimeout(keepDraft, 300);
}

/** Keeps what is typed, for this room and person. */
export function keepDraft() {
  clearTimeout(draftTimer);
  const box = input();
  if (!box || !roomMain()) return;
  const chip = byId("reply-chip");
  const reply = replyField()?.value ? { id: replyField()?.value, words: chip?.querySelector("[data-text]")?.textContent ?? "" } : null;
  save(draftKey(), box.value || reply ? { text: box.value, reply } : null);
}

/** @param {{ id: string, words: string }} reply */
function showReply({ id, words }) {
  const chip = byId("reply-chip");
  const field = replyField();
  const text = chip?.querySelector("[data-text]");
  if (!chip || !field || !text) return;
  field.value = id;
  text.textContent = words;
  chip.hidden = false;
}

/** Begins an answer to a message. @param {HTMLElement} li */
export function replyTo(li) {
  const who = li.querySelector(".message__author")?.textContent ?? li.dataset.authorName ?? "";
  const what = snippet(li.querySelector(".message__body")?.textContent ?? "", 80);
  showReply({ id: li.id.replace("msg-", ""), words: `Replying to ${who}: ${what}` });
  scheduleDraft();
  input()?.focus();
}

function cancelReply() {
  const chip = byId("reply-chip");
  const field = replyField();
  if (!chip || !field || !field.value) return;
  field.value = "";
  chip.hidden = true;
  scheduleDraft();
  input()?.focus();
}

/** Takes a refused message back to be changed. @param {string} nonce */
function editFailed(nonce) {
  const box = input();
  const entry = sender.take(nonce);
  if (!box || !entry) return;
  box.value = box.value ? `${entry.body}\n${box.value}` : entry.body;
  changed();
  box.focus();
}
