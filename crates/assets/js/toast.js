/** Short notices at the edge of the page. `#toasts` is a status region: readers hear them. */
import { byId } from "./dom.js";

const SHOWN_MS = 6_000;

/** @param {string} text @param {"plain" | "fault"} [kind] */
export function toast(text, kind = "plain") {
  const place = byId("toasts");
  if (!place) return;
  const note = document.createElement("p");
  note.className = `toast toast--${kind}`;
  note.textContent = text;
  place.append(note);
  while (place.childElementCount > 3) place.firstElementChild?.remove();
  setTimeout(() => note.remove(), SHOWN_MS);
}

/**
 * The sentence of a refusal, or one of ours.
 * @param {Response} answer @returns {Promise<string>}
 */
export async function refusalOf(answer) {
  const html = await answer.text().catch(() => "");
  const said = new DOMParser().parseFromString(html, "text/html").querySelector(".refusal");
  return said?.textContent?.trim() || `The server refused that (${answer.status}).`;
}
