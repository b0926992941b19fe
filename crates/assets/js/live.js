/**
 * The live connection, and the only file that knows htmx's socket events.
 *
 * It subscribes the room on screen after the last event the page has, lets each numbered
 * event through in order before htmx swaps it, and asks again where one is missing. Easy to
 * get wrong: `data-seq` of `#main` moves only here, and only with an event that passed.
 * When to connect is connection.js's business.
 */
import { emit, on } from "./bus.js";
import * as connection from "./connection.js";
import { byId, holdsHead, roomId, roomMain, seen } from "./dom.js";
import { admit, appendedId, splitFrame, withoutAppended } from "./gate.js";
import { reload } from "./history.js";

/** @type {HtmxConnection | null} */
let open = null;
/** The room this socket was told to send; 0 for none. */
let subscribed = 0;
/** True between asking for a room's events and being told `subscribed` or `resync`. */
let asking = false;
/** What the page had when the connection was lost, to say how much is new on return. */
let returning = false;

export function start() {
  const socket = byId("socket");
  if (!socket) return;
  const listen = (/** @type {string} */ name, /** @type {(event: CustomEvent<HtmxSocketDetail>) => void} */ act) =>
    socket.addEventListener(`htmx:ws:${name}`, (event) => act(/** @type {CustomEvent} */ (event)));

  listen("before:connection", () => connection.began());
  listen("after:connection", (event) => {
    open = event.detail.connection;
    subscribed = 0;
    asking = false;
    connection.heard();
  });
  listen("close", (event) => {
    open = null;
    subscribed = 0;
    returning = true;
    connection.lost(event.detail.code);
  });
  listen("before:message:incoming", incoming);
  socket.addEventListener("htmx:before:swap", (event) => around("beforeswap", event));
  socket.addEventListener("htmx:after:swap", () => around("swap", null));

  on("room", follow);
  on("behind", () => subscribe());
  on("send", (op) => send(op));
  connection.start(socket, { ping: () => send({ op: "ping" }), drop: () => open?.socket?.close() });
}

/** @param {object} op @returns {boolean} whether it was handed to an open socket */
function send(op) {
  if (open?.socket?.readyState !== WebSocket.OPEN) return false;
  open.socket.send(JSON.stringify(op));
  return true;
}

/** The room on screen changed: follow it. */
function follow() {
  if (subscribed && subscribed !== roomId()) send({ op: "unsubscribe", room: subscribed });
  subscribed = 0;
  asking = false;
  subscribe();
}

/** Asks for everything after what the page has. */
function subscribe() {
  const main = roomMain();
  if (!main) return;
  const { room, epoch } = main.dataset;
  if (send({ op: "subscribe", room: Number(room), after: seen(), epoch })) {
    subscribed = Number(room);
    asking = true;
  }
}

/** @param {CustomEvent<HtmxSocketDetail>} event */
function incoming(event) {
  connection.heard();
  const { message } = event.detail;
  if (typeof message.data !== "string") return event.preventDefault();
  const text = message.data;
  if (text.startsWith("{")) {
    // Signals are ours alone; htmx has nothing to swap.
    event.preventDefault();
    const data = JSON.parse(text);
    const work = signal(data);
    if (work) event.detail.waitUntil(work);
    return;
  }
  const html = numbered(text);
  if (html) message.data = html;
  else event.preventDefault();
}

/** What passes of an HTML frame; empty for nothing. @param {string} text */
function numbered(text) {
  const main = roomMain();
  const events = splitFrame(text);
  if (!main || !events) return "";
  const { passed, seen: now, hole } = admit(events, Number(main.dataset.room), seen());
  if (hole && !asking) subscribe();
  main.dataset.seq = String(now);
  let missed = 0;
  const html = passed.map((part) => {
    const id = appendedId(part.html);
    const isThere = id !== null && byId(id) !== null;
    if (holdsHead() && !isThere) return part.html;
    const rest = withoutAppended(part.html);
    if (!isThere) missed += rest.messages;
    return rest.html;
  });
  if (missed > 0) emit("missed", missed);
  return html.join("").replace(/<!--\d+:\d+-->/g, "").trim();
}

/** The rows and targets of the swap that runs now. */
let current = { rows: /** @type {HTMLElement[]} */ ([]), targets: /** @type {Element[]} */ ([]) };

/** @param {"beforeswap" | "swap"} name @param {Event | null} event */
function around(name, event) {
  if (event) {
    /** @type {HtmxSwapTask[]} */
    const tasks = /** @type {CustomEvent} */ (event).detail.tasks;
    current = {
      rows: tasks.flatMap(({ fragment }) => /** @type {HTMLElement[]} */ ([...fragment.querySelectorAll("li")])),
      targets: tasks.flatMap(({ target }) => (target instanceof Element ? [target] : [])),
    };
  }
  emit(name, current);
}

/** @param {any} data @returns {Promise<unknown> | undefined} work that later frames wait for */
function signal(data) {
  switch (data.event) {
    case "ready":
      connection.ready();
      follow();
      return undefined;
    case "subscribed":
      if (data.room !== roomId()) return undefined;
      asking = false;
      if (returning) connection.returned(Math.max(0, data.head - seen()));
      returning = false;
      return undefined;
    case "resync":
      if (data.room !== roomId()) return undefined;
      asking = false;
      returning = false;
      return resync();
    case "heads":
      heads(data);
      break;
    default:
  }
  emit(`signal:${data.event}`, data);
  return undefined;
}

/**
 * The log cannot be continued: fetch the timeline as it is now. Frames wait meanwhile, so
 * none is judged by the old numbers.
 */
async function resync() {
  const main = roomMain();
  if (await reload()) return;
  // Everything that comes is a hole until this works; the connection's checks repeat it.
  setTimeout(() => roomMain() === main && subscribe(), 3_000);
}

/** Whoever is behind asks for the rest. @param {{ epoch: string, rooms: Record<string, number> }} data */
function heads(data) {
  const main = roomMain();
  if (!main || asking) return;
  const head = data.rooms[main.dataset.room ?? ""];
  const isOtherHistory = data.epoch !== undefined && data.epoch !== main.dataset.epoch;
  if (isOtherHistory || (head !== undefined && head > seen())) subscribe();
}
