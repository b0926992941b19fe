/**
 * A message's text as the server will store and count it: line ends made `\n`, outer white
 * space cut, counted in Unicode scalar values. The page uses the same rule, so that what
 * the counter allows is never refused; the server decides all the same.
 */

// Unicode White_Space as Rust trims it: JavaScript's `\s` without the byte order mark, and
// with NEL.
const OUTER = /^(?:[^\S\uFEFF]|\u0085)+|(?:[^\S\uFEFF]|\u0085)+$/g;

/** @param {string} text */
export function normalize(text) {
  return text.replace(/\r\n?/g, "\n").replace(OUTER, "");
}

/** @param {string} text */
export function countChars(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** True when nothing would be seen: white space and zero-width characters only. @param {string} text */
export function isBlank(text) {
  return /^[\s\u0085\u00AD\u200B-\u200F\u2060-\u2064\uFEFF]*$/u.test(text);
}

/**
 * What the counter says beside the composer; empty far from the limit.
 * @param {string} text @param {number} limit
 * @returns {{ text: string, isOver: boolean }}
 */
export function counter(text, limit) {
  // Code units bound scalar values from above: short texts need no walk.
  const near = Math.max(limit - 100, Math.floor(limit * 0.8));
  if (text.length < near) return { text: "", isOver: false };
  const left = limit - countChars(normalize(text));
  if (left > limit - near) return { text: "", isOver: false };
  if (left < 0) return { text: `${(-left).toLocaleString("en")} over the limit`, isOver: true };
  return { text: `${left.toLocaleString("en")} left`, isOver: false };
}

/**
 * Why a text cannot be sent, in words, or null.
 * @param {string} text @param {number} limit
 */
export function refusal(text, limit) {
  const count = countChars(normalize(text));
  if (count <= limit) return null;
  const [is, may, cut] = [count, limit, count - limit].map((n) => n.toLocaleString("en"));
  return `This message has ${is} characters; the limit is ${may}. Shorten it by ${cut} to send it.`;
}
