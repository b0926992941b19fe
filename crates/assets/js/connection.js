/**
 * When to connect, and the words for it. Before each return it asks `/api/v1/me`: a refused
 * handshake looks like a lost network to a page, so only HTTP can tell "signed out" (stop,
 * show the log-in, keep what was typed) from "unreachable" (try again).
 */
import { reconnectMs } from "./backoff.js";
import { emit, on } from "./bus.js";
import { announce, me } from "./dom.js";
import { clockWords } from "./decorate.js";
import { showSignedOut } from "./dialog.js";

const SILENCE_MS = 60_000;
const ANSWER_MS = 5_000;
/** A shorter gap is not worth a word to people. */
const QUIET_MS = 1_500;

/** @type {HTMLElement} */
let socket;
let act = { ping: () => /** @type {unknown} */ (false), drop: () => /** @type {unknown} */ (undefined) };
/** @type {"idle" | "opening" | "open" | "stopped"} */
let phase = "idle";
let attempt = 0;
let hasBegun = false;
let lastHeardMs = 0;
let offlineSinceMs = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let retry;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let saying;

/** @param {HTMLElement} element @param {typeof act} acts */
export function start(element, acts) {
  socket = element;
  act = acts;
  show("connecting", "Connecting…");
  setInterval(() => phase === "open" && Date.now() - lastHeardMs > SILENCE_MS && act.drop(), 15_000);
  addEventListener("online", check);
  addEventListener("offline", check);
  // A message that found no way is a sign that the socket has none either.
  on("delayed", (status) => status === 0 && check());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && check());
  // A page from the back-forward cache comes with a closed socket.
  addEventListener("pageshow", (event) => event.persisted && check());
  connect();
}

/**
 * Opens the socket. htmx may have looked through the page before its socket extension was
 * there, so it is told to look again; that does nothing the second time.
 */
function connect() {
  clearTimeout(retry);
  if (phase === "stopped") return;
  hasBegun = false;
  htmx.process(socket);
  socket.dispatchEvent(new CustomEvent("parlour-connect"));
  if (!hasBegun) retry = setTimeout(connect, 50);
}

/** A connection attempt runs. */
export function began() {
  hasBegun = true;
  phase = "opening";
}

/** Something came: the line lives. */
export function heard() {
  lastHeardMs = Date.now();
}

/** The server greeted us. */
export function ready() {
  phase = "open";
  attempt = 0;
  const wasAway = offlineSinceMs > 0;
  clearTimeout(saying);
  if (!wasAway) show("online", "Connected");
  offlineSinceMs = 0;
  emit("state", "online");
}

/** Caught up after an absence, `count` events later. @param {number} count */
export function returned(count) {
  const words = count > 0 ? `Back online, ${count} new` : "Back online";
  const wasOffline = stateElement()?.dataset.state === "offline";
  show("online", words);
  if (wasOffline) announce(words);
  saying = setTimeout(() => show("online", "Connected"), 4_000);
}

/** @param {number | null} code null when the page itself closed it */
export function lost(code) {
  if (phase === "stopped" || code === null) return;
  phase = "idle";
  if (code === 4401) return stop("You were signed out.");
  if (code === 4403) return stop("Your access to this house was taken away.");
  if (offlineSinceMs === 0) {
    offlineSinceMs = Date.now();
    show("connecting", "Connecting…");
    clearTimeout(saying);
    saying = setTimeout(sayOffline, QUIET_MS);
    emit("state", "offline");
  }
  later(code);
}

function sayOffline() {
  const words = `Offline since ${clockWords(offlineSinceMs)} – trying again`;
  show("offline", words);
  announce(words);
}

/** @param {number | null} code */
function later(code) {
  clearTimeout(retry);
  attempt += 1;
  retry = setTimeout(probe, reconnectMs(attempt, code, Math.random()));
}

/** Asks who we are, then connects, stops or waits. */
async function probe() {
  clearTimeout(retry);
  if (phase !== "idle") return;
  phase = "opening";
  let answer;
  try {
    answer = await fetch("/api/v1/me", { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10_000) });
  } catch {
    answer = null;
  }
  if (/** @type {string} */ (phase) !== "opening") return;
  if (answer?.status === 401) return stop("Your session has ended.");
  if (answer?.status === 403) return stop("Your access to this house was taken away.");
  if (answer?.ok) {
    const person = await answer.json().catch(() => null);
    if (person && String(person.id) !== me().id) return stop("Somebody else is signed in now.");
    return connect();
  }
  phase = "idle";
  later(null);
}

/** The line may have died unseen (sleep, another network): look, or return at once. */
function check() {
  if (phase === "idle") probe();
  if (phase !== "open") return;
  const asked = Date.now();
  act.ping();
  setTimeout(() => phase === "open" && lastHeardMs < asked && act.drop(), ANSWER_MS);
}

/** No more attempts: words and a way back, and nothing typed is lost. @param {string} reason */
export function stop(reason) {
  if (phase === "stopped") return;
  phase = "stopped";
  clearTimeout(retry);
  clearTimeout(saying);
  show("stopped", "Signed out");
  emit("state", "stopped");
  act.drop();
  showSignedOut(reason);
}

const stateElement = () => /** @type {HTMLElement | null} */ (document.querySelector("[data-connection]"));

let shown = { state: "connecting", words: "Connecting…" };

/** @param {string} state @param {string} words */
function show(state, words) {
  shown = { state, words };
  repaint();
}

/** Writes the words again, after the sidebar was replaced. */
export function repaint() {
  const element = stateElement();
  if (!element) return;
  element.dataset.state = shown.state;
  element.textContent = shown.words;
}
