/**
 * Tells the server how far one has read: only what was really in view, in a window that
 * has the focus, and at most once a second.
 */
import { emit, on } from "./bus.js";
import { me, readTo, roomId, roomMain, seen } from "./dom.js";
import * as scroll from "./scroll.js";

const PAUSE_MS = 1_000;
/** Long enough for a room to be drawn, short enough to be no wait. */
const LOOK_MS = 150;

let toldMs = 0;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** A receipt over a closed socket is lost; it is told again. */
let isOnline = false;

export function start() {
  const soon = () => {
    timer ??= setTimeout(tell, Math.max(LOOK_MS, PAUSE_MS - (Date.now() - toldMs)));
  };
  scroll.onMove(soon);
  on("room", soon);
  on("swap", soon);
  on("signal:receipt", elsewhere);
  on("state", (state) => {
    isOnline = state === "online";
    soon();
  });
  addEventListener("focus", soon);
  document.addEventListener("visibilitychange", soon);
}

/** Read on another device, or by posting there: that counts here too. @param {any} receipt */
function elsewhere({ room, user, seq }) {
  const main = roomMain();
  if (!main || Number(room) !== roomId() || String(user?.id ?? user) !== me().id) return;
  main.dataset.told = String(Math.max(readTo(), Number(seq) || 0));
  if (readTo() >= seen()) emit("read", readTo());
}

function tell() {
  timer = undefined;
  const main = roomMain();
  if (!main || !isOnline || !scroll.atHead() || document.visibilityState !== "visible" || !document.hasFocus()) return;
  if (main.dataset.joined === "false" || seen() <= readTo()) return;
  toldMs = Date.now();
  main.dataset.told = String(seen());
  emit("send", { op: "read", room: Number(main.dataset.room), seq: seen() });
  emit("read", seen());
}
