/**
 * The gate in front of the timeline: which numbered events of a frame may pass. Pure, so
 * that order, repeats and holes are tested without a browser. The state it judges by is
 * `data-seq` of `#main`.
 */

/** @typedef {{ room: number, seq: number, html: string }} Numbered */

const MARK = /<!--(\d+):(\d+)-->/g;

/**
 * The numbered events of a text frame, or null when it is not one. Words of people cannot
 * forge a mark: they arrive with `<` escaped.
 * @param {string} text @returns {Numbered[] | null}
 */
export function splitFrame(text) {
  if (!/^\s*<!--\d+:\d+-->/.test(text)) return null;
  const marks = [...text.matchAll(MARK)];
  return marks.map((mark, i) => ({
    room: Number(mark[1]),
    seq: Number(mark[2]),
    html: text.slice(mark.index, marks[i + 1]?.index ?? text.length),
  }));
}

/**
 * @param {number} seen the last seq on the page
 * @param {number} seq the event's
 * @returns {"take" | "old" | "hole"}
 */
export function judge(seen, seq) {
  if (seq <= seen) return "old";
  return seq === seen + 1 ? "take" : "hole";
}

/**
 * What passes of a frame for a reader of `room` who has everything up to `seen`.
 * @param {Numbered[]} events @param {number} room @param {number} seen
 * @returns {{ passed: Numbered[], seen: number, hole: boolean }}
 */
export function admit(events, room, seen) {
  const passed = [];
  let hole = false;
  for (const event of events) {
    if (event.room !== room) continue;
    const verdict = judge(seen, event.seq);
    if (verdict === "take") {
      passed.push(event);
      seen = event.seq;
    } else if (verdict === "hole") {
      // Everything after a hole is asked for again, in order.
      hole = true;
    }
  }
  return { passed, seen, hole };
}

const APPENDED = /<hx-partial\b[^>]*hx-target="#messages"[^>]*>([\s\S]*?)<\/hx-partial>/g;

/**
 * The event without what it would append to the list, and how many messages that were.
 * @param {string} html @returns {{ html: string, messages: number }}
 */
export function withoutAppended(html) {
  let messages = 0;
  const rest = html.replace(APPENDED, (_, inner) => {
    if (/^\s*<li\s+id="msg-/.test(inner)) messages += 1;
    return "";
  });
  return { html: rest, messages };
}

/** The id of the row that an event appends, or null. @param {string} html */
export function appendedId(html) {
  const inner = html.matchAll(APPENDED).next().value?.[1];
  return inner?.match(/^\s*<li\s+id="([\w-]+)"/)?.[1] ?? null;
}
