/**
 * Sends the outbox, strictly in order within a room, one message at a time, and keeps it in
 * the browser's storage so that a reload loses nothing. Two tabs share that storage: each
 * change is read, made and written at once, and a nonce sent twice is stored once.
 */
import { resendMs, retryAfterS } from "./backoff.js";
import { emit, on } from "./bus.js";
import { stop } from "./connection.js";
import { me, roomId, seen } from "./dom.js";
import * as outbox from "./outbox.js";
import { key, load, save } from "./store.js";
import { refusalOf } from "./toast.js";

/** How long the live path has to bring what the server acknowledged. */
const ARRIVE_MS = 2_000;

const name = () => key("outbox", me().id);
/** Entries this page holds; also right when nothing can be stored. @type {outbox.Entry[]} */
let entries = [];
/** @type {Set<number>} */
const busy = new Set();
/** @type {Set<() => void>} */
const sleepers = new Set();
let isStopped = false;

export function start() {
  entries = outbox.restore(load(name()));
  on("state", (state) => {
    isStopped = state === "stopped";
    if (state === "online") wake();
  });
  addEventListener("online", wake);
  addEventListener("storage", (event) => {
    if (event.key !== name()) return;
    const kept = outbox.restore(load(name()));
    for (const { nonce } of entries.filter((e) => !kept.some((k) => k.nonce === e.nonce))) emit("hush", nonce);
    entries = kept;
  });
  pump();
}

/** @param {number} room */
export const entriesOf = (room) => entries.filter((e) => e.room === room);

export const isEmpty = () => entries.length === 0;

/** @param {(entries: outbox.Entry[]) => outbox.Entry[]} change */
function update(change) {
  const stored = load(name());
  entries = change(stored === null ? entries : outbox.restore(stored));
  save(name(), entries.length ? entries : null);
}

/** A nonce for a new message. */
export const newNonce = () => outbox.uuid(crypto.getRandomValues(new Uint8Array(16)));

/**
 * Takes a message for sending. False when the outbox is full: the text stays typed.
 * @param {{ room: number, slug: string, body: string, replyTo: string }} message
 */
export function enqueue(message) {
  /** @type {outbox.Entry} */
  const entry = { ...message, nonce: newNonce(), state: "waiting", reason: "", at: Date.now(), tries: 0 };
  const more = outbox.add(entries, entry);
  if (!more) return false;
  update((stored) => outbox.add(stored, entry) ?? stored);
  emit("say", entry);
  pump();
  return true;
}

/** Takes an entry out and gives it back, for editing or for nothing. @param {string} nonce */
export function take(nonce) {
  const entry = entries.find((e) => e.nonce === nonce) ?? null;
  update((stored) => stored.filter((e) => e.nonce !== nonce));
  emit("hush", nonce);
  return entry;
}

/** Tries a failed entry again. @param {string} nonce */
export function retry(nonce) {
  const fresh = newNonce();
  update((stored) => outbox.again(stored, nonce, fresh));
  emit("hush", nonce);
  const entry = entries.find((e) => e.nonce === fresh);
  if (entry) emit("say", entry);
  pump();
}

/** The message of this nonce is in the timeline: nothing is left to send. @param {string} nonce */
export function arrived(nonce) {
  if (entries.some((e) => e.nonce === nonce)) update((stored) => outbox.settle(stored, nonce, "sent"));
}

function wake() {
  for (const go of [...sleepers]) go();
  pump();
}

/** @param {number} ms */
function sleep(ms) {
  return new Promise((resolve) => {
    const go = () => {
      sleepers.delete(go);
      clearTimeout(timer);
      resolve(undefined);
    };
    const timer = setTimeout(go, ms);
    sleepers.add(go);
  });
}

function pump() {
  for (const room of outbox.roomsWaiting(entries)) run(room);
}

/** Sends a room's entries one after the other. @param {number} room */
async function run(room) {
  if (busy.has(room)) return;
  busy.add(room);
  for (let entry = outbox.next(entries, room); entry && !isStopped; entry = outbox.next(entries, room)) {
    await attempt(entry);
  }
  busy.delete(room);
}

/** @param {outbox.Entry} entry */
async function attempt(entry) {
  const answer = await post(entry);
  const result = outbox.outcome(answer?.status ?? 0);
  const reason = result === "failed" && answer ? await refusalOf(answer) : "";
  update((stored) => outbox.settle(stored, entry.nonce, result, reason));
  if (result === "signed-out") {
    isStopped = true;
    stop("Your session has ended.");
  } else if (result === "sent" && answer) {
    await acknowledged(entry, Number(answer.headers.get("Parlour-Seq")));
  } else {
    const now = entries.find((e) => e.nonce === entry.nonce);
    if (now) emit("say", now);
    if (result === "later") {
      const asked = retryAfterS(answer?.headers.get("Retry-After") ?? null, Date.now());
      emit("delayed", answer?.status ?? 0);
      await sleep(resendMs(now?.tries ?? 1, asked, Math.random()));
    }
  }
}

/** @param {outbox.Entry} entry */
async function post({ slug, body, nonce, replyTo }) {
  try {
    return await fetch(`/rooms/${encodeURIComponent(slug)}/messages`, {
      method: "POST",
      headers: { "HX-Request": "true" },
      body: new URLSearchParams({ body, nonce, reply_to: replyTo }),
      signal: AbortSignal.timeout(30_000),
    });
  } catch {
    return null;
  }
}

/** Stored. The row goes when the event comes; should it not come, ask. @param {outbox.Entry} entry @param {number} seq */
async function acknowledged(entry, seq) {
  emit("delayed", null);
  emit("posted", entry.room);
  if (entry.room !== roomId() || seen() >= seq) return emit("hush", entry.nonce);
  setTimeout(() => {
    if (entry.room === roomId() && seen() < seq) emit("behind");
  }, ARRIVE_MS);
}
