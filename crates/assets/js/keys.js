/** What keys mean. Pure. */

/**
 * What Enter does in a box one sends from. Never anything while an input method composes:
 * Enter then takes the suggestion (229 is how older engines say so).
 * @param {Pick<KeyboardEvent, "key" | "shiftKey" | "ctrlKey" | "metaKey" | "altKey" | "isComposing" | "keyCode">} event
 * @param {boolean} coarse @returns {"send" | null} null leaves it to the browser
 */
export function enterDoes(event, coarse) {
  if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return null;
  if (event.ctrlKey || event.metaKey) return "send";
  if (event.shiftKey || event.altKey || coarse) return null;
  return "send";
}
