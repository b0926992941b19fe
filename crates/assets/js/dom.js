/** Small ways to the page's parts. The names are those of docs/page.md. */

/** @param {string} id @returns {HTMLElement | null} */
export const byId = (id) => document.getElementById(id);

/** The `#main` of a room, or null on pages without one. @returns {HTMLElement | null} */
export function roomMain() {
  const main = byId("main");
  return main?.dataset.room ? main : null;
}

/** The id of the room on screen, or 0. */
export const roomId = () => Number(roomMain()?.dataset.room ?? 0);

/** The last seq this page has of the room on screen. */
export const seen = () => Number(roomMain()?.dataset.seq ?? 0);

/** How far one has read in the room on screen, here or elsewhere. */
export const readTo = () => Number(roomMain()?.dataset.told ?? roomMain()?.dataset.read ?? 0);

/** Who looks at the page. */
export const me = () => ({
  id: document.body.dataset.user ?? "",
  username: document.body.dataset.username ?? "",
});

/** Whether one may change a message: one's own. @param {HTMLElement} row */
export const mayEdit = ({ dataset }) => dataset.author === me().id && !("deleted" in dataset);

/** One's own, or any where one keeps the room tidy. @param {HTMLElement} row */
export const mayDelete = (row) => mayEdit(row) || (roomMain()?.dataset.mayTidy === "true" && !("deleted" in row.dataset));

/** The list of messages. @returns {HTMLElement | null} */
export const messages = () => byId("messages");

/** True while the list ends with the room's newest message. */
export const holdsHead = () => messages()?.dataset.hasNewer !== "true";

/** A finger rather than a mouse: Enter then makes a new line, and nothing takes focus. */
export const isCoarse = () => matchMedia("(pointer: coarse)").matches;

/** The first element of a template. @param {string} id @returns {HTMLElement | null} */
export function fromTemplate(id) {
  const template = byId(id);
  if (!(template instanceof HTMLTemplateElement)) return null;
  const copy = document.importNode(template.content, true).firstElementChild;
  return copy instanceof HTMLElement ? copy : null;
}

/**
 * A fragment of the server's as elements. Scripts in it do not run.
 * @param {string} html @param {string} selector @returns {HTMLElement | null}
 */
export function parse(html, selector) {
  const found = new DOMParser().parseFromString(html, "text/html").querySelector(selector);
  return found instanceof HTMLElement ? document.adoptNode(found) : null;
}

/** Says a sentence to screen readers, once. @param {string} text */
export function announce(text) {
  const line = byId("announcer");
  if (line) line.textContent = text;
}

/**
 * Text fit for one line: white space joined, cut at a whole character.
 * @param {string} text @param {number} limit
 */
export function snippet(text, limit) {
  const line = [...text.replace(/\s+/g, " ").trim()];
  return line.length > limit ? `${line.slice(0, limit - 1).join("")}…` : line.join("");
}
