/** Who is typing: told at most every three seconds, shown for five. */
import { emit, on } from "./bus.js";
import { byId, me, roomId, roomMain } from "./dom.js";

const TELL_MS = 3_000;
const SHOWN_MS = 5_000;

let toldMs = 0;
/** Names by user id, with when they expire. @type {Map<string, { name: string, untilMs: number }>} */
const people = new Map();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

export function start() {
  on("typing", tell);
  on("room", () => {
    people.clear();
    toldMs = 0;
    show();
  });
  on("signal:typing", ({ room, user }) => {
    const id = String(user?.id ?? user);
    if (Number(room) !== roomId() || id === me().id) return;
    people.set(id, { name: user?.display_name || user?.username || "Somebody", untilMs: Date.now() + SHOWN_MS });
    show();
  });
  on("swap", ({ rows }) => {
    for (const { dataset } of rows) if (dataset.author) people.delete(dataset.author);
    show();
  });
}

function tell() {
  const box = /** @type {HTMLTextAreaElement | null} */ (byId("composer-input"));
  const now = Date.now();
  if (!box?.value.trim() || now - toldMs < TELL_MS || roomMain()?.dataset.joined === "false") return;
  toldMs = now;
  emit("send", { op: "typing", room: roomId() });
}

/** @param {string[]} names */
export function words(names) {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing…`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing…`;
  return "Several people are typing…";
}

function show() {
  const now = Date.now();
  for (const [id, { untilMs }] of people) if (untilMs <= now) people.delete(id);
  const line = byId("composer-typing");
  const text = words([...people.values()].map(({ name }) => name));
  if (line && line.textContent !== text) line.textContent = text;
  clearTimeout(timer);
  if (people.size > 0) timer = setTimeout(show, Math.max(50, Math.min(...[...people.values()].map((p) => p.untilMs)) - now));
}
