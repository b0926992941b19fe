/**
 * How modules hear of each other: named events with one detail, nothing kept.
 *
 * | Name | Detail | Said by |
 * | --- | --- | --- |
 * | `room` | the new `#main` | rooms.js after a switch, app.js at first |
 * | `beforeswap`, `swap` | `{rows, targets}` | live.js around each HTML frame |
 * | `missed` | how many messages were counted instead of appended | live.js |
 * | `state` | `connecting`, `online`, `offline`, `stopped` | live.js |
 * | `signal:NAME` | the JSON event | live.js |
 * | `behind` | nothing: ask for the room's events again | anybody |
 * | `send` | an op for the socket; dropped when it is closed | anybody |
 * | `read` | the seq read to in this room | read.js |
 * | `say`, `hush` | an entry to show, a nonce whose row goes | sender.js |
 * | `delayed` | the status that holds up sending, null when it goes on | sender.js |
 * | `posted` | the room in which a message was stored | sender.js |
 * | `typing` | nothing: a key in the composer | composer.js |
 */

const target = new EventTarget();

/**
 * @param {string} name
 * @param {any} [detail]
 */
export function emit(name, detail) {
  target.dispatchEvent(new CustomEvent(name, { detail }));
}

/**
 * @param {string} name
 * @param {(detail: any) => void} listen
 */
export function on(name, listen) {
  target.addEventListener(name, (event) => listen(/** @type {CustomEvent} */ (event).detail));
}
