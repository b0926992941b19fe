/** How long to wait before trying again. Pure; chance comes in as a number in [0, 1). */

const SLOWEST_MS = 30_000;

/**
 * Wait before the nth reconnection (from 1) after a socket closed with `code`.
 *
 * A restart (1012) is short and everybody returns at once, so the first wait is spread
 * over two seconds; an overloaded server (1013) or one that refused us (1008, 1009) is
 * left alone for longer.
 * @param {number} attempt @param {number | null} code @param {number} chance
 */
export function reconnectMs(attempt, code, chance) {
  if (code === 1012 && attempt === 1) return 200 + 1_800 * chance;
  const first = code === 1013 || code === 1008 || code === 1009 ? 4_000 : 500;
  return spread(Math.min(first * 2 ** Math.min(attempt - 1, 10), SLOWEST_MS), chance);
}

/**
 * Wait before sending a message again after `tries` failures.
 * @param {number} tries @param {number | null} retryAfterS @param {number} chance
 */
export function resendMs(tries, retryAfterS, chance) {
  // What the server asked for is the least; chance only adds, so that a crowd spreads.
  if (retryAfterS !== null) return retryAfterS * 1_000 * (1 + 0.2 * chance) + 100 * chance;
  return spread(Math.min(1_000 * 2 ** Math.min(tries - 1, 10), SLOWEST_MS), chance);
}

/** @param {number} ms @param {number} chance ± 30 % */
const spread = (ms, chance) => ms * (0.7 + 0.6 * chance);

/**
 * Seconds of a `Retry-After` header, which is a number or a date; null without a sane one.
 * @param {string | null} header @param {number} nowMs
 */
export function retryAfterS(header, nowMs) {
  if (!header) return null;
  const seconds = /^\d+$/.test(header.trim())
    ? Number(header)
    : (Date.parse(header) - nowMs) / 1_000;
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), 3_600) : null;
}
