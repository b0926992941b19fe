/**
 * Tells the server how far one has read: only what was really in view, in a window that
 * has the focus, and at most once a second.
 */
import { emit, on } from "./bus.js";
import { roomMain, seen } from "./dom.js";
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
  on("state", (state) => {
    isOnline = state === "online";
    soon();
  });
  addEventListener("focus", soon);
  document.addEventListener("visibilitychange", soon);
}

function tell() {
  timer = undefined;
  const main = roomMain();
  if (!main || !isOnline || !scroll.atHead() || document.visibilityState !== "visible" || !document.hasFocus()) return;
  if (main.dataset.joined === "false" || seen() <= Number(main.dataset.told ?? main.dataset.read ?? 0)) return;
  toldMs = Date.now();
  main.dataset.told = String(seen());
  emit("send", { op: "read", room: Number(main.dataset.room), seq: seen() });
  emit("read", seen());
}
