/**
 * What the browser keeps for a person: drafts, unsent messages, the theme. Every key holds
 * the user's id, so that two people at one computer never meet each other's words, and
 * `forget` at log-out leaves nothing. Storage may be forbidden or full: then the page works
 * on, and only a reload loses words.
 */

/** @param {string} kind @param {string} user @param {string | number} [part] */
export const key = (kind, user, part) => `parlour:${kind}:${user}${part === undefined ? "" : `:${part}`}`;

/** @param {string} name @returns {any} the stored value, or null */
export function load(name) {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "null");
  } catch {
    return null;
  }
}

/** @param {string} name @param {unknown} value `null` removes @returns {boolean} whether it is kept */
export function save(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** Removes all that is kept for `user`. @param {string} user */
export function forget(user) {
  try {
    for (const name of Object.keys(localStorage)) {
      if (new RegExp(`^parlour:(draft|outbox):${user}(:|$)`).test(name)) localStorage.removeItem(name);
    }
  } catch {
    // Nothing could be stored either.
  }
}
