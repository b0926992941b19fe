import assert from "node:assert/strict";
import { test } from "node:test";
import { admit, appendedId, judge, splitFrame, withoutAppended } from "../gate.js";

const posted = (room, seq, id, body = "hello") =>
  `<!--${room}:${seq}--><hx-partial hx-target="#messages" hx-swap="beforeend"><li id="msg-${id}" class="message" data-seq="${seq}"><div class="message__body">${body}</div></li></hx-partial>`;
const edited = (room, seq, id) => `<!--${room}:${seq}--><li id="msg-${id}" hx-swap-oob="outerHTML">new</li>`;
const seqs = (events) => events.map(({ seq }) => seq);

test("the next event passes, an older one does not, a later one is a hole", () => {
  assert.equal(judge(17, 18), "take");
  assert.equal(judge(17, 17), "old");
  assert.equal(judge(17, 3), "old");
  assert.equal(judge(17, 19), "hole");
});

test("a frame is split into its numbered events, whole and in order", () => {
  const frame = posted(1, 18, 7) + edited(1, 19, 3) + posted(2, 5, 9);
  const events = splitFrame(frame);
  assert.deepEqual(events.map(({ room, seq }) => [room, seq]), [[1, 18], [1, 19], [2, 5]]);
  assert.equal(events.map(({ html }) => html).join(""), frame);
});

test("what does not begin with a number is no event", () => {
  assert.equal(splitFrame("<li>hello</li>"), null);
  assert.equal(splitFrame('{"event":"pong"}'), null);
});

test("escaped words cannot forge a number", () => {
  const [event, ...rest] = splitFrame(posted(1, 18, 7, "&lt;!--1:99--&gt;"));
  assert.equal(event.seq, 18);
  assert.equal(rest.length, 0);
});

test("repeats are dropped and the rest of the frame passes", () => {
  const events = splitFrame([16, 17, 18, 19].map((n) => posted(1, n, n)).join(""));
  const { passed, seen, hole } = admit(events, 1, 17);
  assert.deepEqual(seqs(passed), [18, 19]);
  assert.equal(seen, 19);
  assert.equal(hole, false);
});

test("nothing passes behind a hole, and the number stays before it", () => {
  const events = splitFrame([18, 20, 21].map((n) => posted(1, n, n)).join(""));
  const { passed, seen, hole } = admit(events, 1, 17);
  assert.deepEqual(seqs(passed), [18]);
  assert.equal(seen, 18);
  assert.equal(hole, true);
});

test("a hole is filled by the refill and what was dropped comes with it", () => {
  let seen = admit(splitFrame(posted(1, 20, 20)), 1, 17).seen;
  assert.equal(seen, 17);
  const refill = admit(splitFrame([18, 19, 20].map((n) => posted(1, n, n)).join("")), 1, seen);
  assert.deepEqual(seqs(refill.passed), [18, 19, 20]);
});

test("events of another room neither pass nor count as a hole", () => {
  const { passed, seen, hole } = admit(splitFrame(posted(2, 99, 1)), 1, 17);
  assert.deepEqual([passed.length, seen, hole], [0, 17, false]);
});

test("whatever order and repetition frames come in, each event passes once and in order", () => {
  let random = 7;
  const next = (n) => (random = (random * 1103515245 + 12345) % 2147483648) % n;
  for (let round = 0; round < 50; round += 1) {
    let seen = 0;
    const got = [];
    while (seen < 30) {
      // A hole makes the reader ask from `seen` on, so the wire may also start there.
      const seq = next(3) === 0 ? seen + 1 : 1 + next(30);
      const result = admit(splitFrame(posted(1, seq, seq)), 1, seen);
      got.push(...seqs(result.passed));
      seen = result.seen;
    }
    assert.deepEqual(got, Array.from({ length: 30 }, (_, i) => i + 1));
  }
});

test("what would be appended is taken out and counted, the rest stays", () => {
  const topic = '<p id="room-topic" hx-swap-oob="true">new topic</p>';
  const line = '<hx-partial hx-target="#messages" hx-swap="beforeend"><li id="event-1-18" class="event">Ada joined.</li></hx-partial>';
  assert.deepEqual(withoutAppended(line + topic), { html: topic, messages: 0 });
  const { html, messages } = withoutAppended(posted(1, 18, 7));
  assert.equal(html, "<!--1:18-->");
  assert.equal(messages, 1);
  assert.deepEqual(withoutAppended(edited(1, 19, 3)), { html: edited(1, 19, 3), messages: 0 });
});

test("the appended row is known by its id", () => {
  assert.equal(appendedId(posted(1, 18, 7)), "msg-7");
  assert.equal(appendedId(edited(1, 18, 7)), null);
});
