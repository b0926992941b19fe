/**
 * Which rows belong together, and where a day begins. Pure: rows come in as plain facts.
 */

/** @typedef {{ kind: "message" | "event", author: string, at: number, isReply: boolean }} Row */

const TOGETHER_MS = 5 * 60_000;

/** The local day of a moment, as `2026-11-20`. @param {number} at */
export function dayOf(at) {
  const day = new Date(at);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/**
 * True when `row` is shown without a name of its own under `before`: same author, within
 * five minutes, same day, nothing between. A reply keeps its name, because its quote
 * stands between.
 * @param {Row | null} before @param {Row} row
 */
export function follows(before, row) {
  return (
    before !== null &&
    before.kind === "message" &&
    row.kind === "message" &&
    !row.isReply &&
    before.author === row.author &&
    row.at - before.at >= 0 &&
    row.at - before.at < TOGETHER_MS &&
    dayOf(before.at) === dayOf(row.at)
  );
}

/** True when a day line stands before `row`. @param {Row | null} before @param {Row} row */
export function opensDay(before, row) {
  return before === null || dayOf(before.at) !== dayOf(row.at);
}

/**
 * The words of a day line.
 * @param {number} at @param {number} now @param {string | undefined} [locale]
 */
export function dayWords(at, now, locale) {
  const day = dayOf(at);
  if (day === dayOf(now)) return "Today";
  const yesterday = new Date(now);
  yesterday.setDate(yesterday.getDate() - 1);
  if (day === dayOf(yesterday.getTime())) return "Yesterday";
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return new Intl.DateTimeFormat(locale, {
    weekday: "long",
    day: "numeric",
    month: "long",
    ...(sameYear ? {} : { year: "numeric" }),
  }).format(at);
}
