/**
 * The unsent messages of a person, in order. Pure: storage, time and the network are the
 * sender's. A nonce stays with its message through every retry, so however often it is
 * sent, it is stored once.
 */

/**
 * @typedef {object} Entry
 * @property {string} nonce
 * @property {number} room
 * @property {string} slug
 * @property {string} body
 * @property {string} replyTo id of the message answered, or empty
 * @property {"waiting" | "failed"} state
 * @property {string} reason why it failed, in words
 * @property {number} at when it was written
 * @property {number} tries
 */

/** @typedef {"sent" | "later" | "failed" | "signed-out"} Outcome */

/** More is refused with words; the composer keeps the text. */
export const MOST = 100;
export const MOST_CHARS = 500_000;

/** A UUID of version 4; `randomUUID` is missing where there is no TLS. @param {Uint8Array} bytes 16 of chance */
export function uuid(bytes) {
  const b = Uint8Array.from(bytes);
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = [...b].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** @param {Entry[]} entries @param {Entry} entry @returns {Entry[] | null} null when full */
export function add(entries, entry) {
  const chars = entries.reduce((sum, { body }) => sum + body.length, entry.body.length);
  return entries.length >= MOST || chars > MOST_CHARS ? null : [...entries, entry];
}

/**
 * What to send next in `room`: strictly the oldest that waits. One that was refused for
 * good does not hold up those after it.
 * @param {Entry[]} entries @param {number} room
 */
export const next = (entries, room) => entries.find((e) => e.room === room && e.state === "waiting") ?? null;

/** @param {Entry[]} entries */
export const roomsWaiting = (entries) => [...new Set(entries.filter((e) => e.state === "waiting").map((e) => e.room))];

/** What an answer's status means for a message; 0 stands for no answer. @param {number} status @returns {Outcome} */
export function outcome(status) {
  if (status >= 200 && status < 300) return "sent";
  if (status === 401) return "signed-out";
  if (status === 0 || status >= 500 || status === 408 || status === 425 || status === 429) return "later";
  return "failed";
}

/**
 * The list after an attempt. A sent entry leaves; a failed one stays with its reason.
 * @param {Entry[]} entries @param {string} nonce @param {Outcome} result @param {string} [reason]
 */
export function settle(entries, nonce, result, reason = "") {
  if (result === "sent") return entries.filter((e) => e.nonce !== nonce);
  return entries.map((e) => {
    if (e.nonce !== nonce) return e;
    if (result === "failed") return { ...e, state: /** @type {const} */ ("failed"), reason };
    return result === "later" ? { ...e, tries: e.tries + 1 } : e;
  });
}

/**
 * A failed entry tried again: it goes to the end, as what was sent since came before it.
 * @param {Entry[]} entries @param {string} nonce @param {string} newNonce used when the old key holds another text
 */
export function again(entries, nonce, newNonce) {
  const entry = entries.find((e) => e.nonce === nonce);
  if (!entry) return entries;
  const rest = entries.filter((e) => e !== entry);
  return [...rest, { ...entry, nonce: newNonce, state: /** @type {const} */ ("waiting"), reason: "", tries: 0 }];
}

/** @param {unknown} stored @returns {Entry[]} what is sound of it */
export function restore(stored) {
  if (!Array.isArray(stored)) return [];
  return stored.filter(
    (e) => e && typeof e.nonce === "string" && typeof e.body === "string" && Number.isInteger(e.room) && typeof e.slug === "string",
  );
}
