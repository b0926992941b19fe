import assert from "node:assert/strict";
import { test } from "node:test";
import { reconnectMs, resendMs, retryAfterS } from "../backoff.js";
import { MOST, add, again, next, outcome, restore, roomsWaiting, settle, uuid } from "../outbox.js";

const entry = (nonce, room = 1, more = {}) => ({
  nonce, room, slug: `room-${room}`, body: `text of ${nonce}`, replyTo: "", state: "waiting", reason: "", at: 0, tries: 0, ...more,
});

test("a room's messages are sent in the order they were written", () => {
  const entries = [entry("a"), entry("b", 2), entry("c")];
  assert.equal(next(entries, 1).nonce, "a");
  assert.equal(next(settle(entries, "a", "sent"), 1).nonce, "c");
  assert.equal(next(entries, 2).nonce, "b");
  assert.deepEqual(roomsWaiting(entries), [1, 2]);
});

test("no answer keeps the same message first, with the same nonce", () => {
  const after = settle([entry("a"), entry("b")], "a", "later");
  assert.deepEqual([next(after, 1).nonce, next(after, 1).tries], ["a", 1]);
});

test("a refused message stays with its reason and lets the others pass", () => {
  const after = settle([entry("a"), entry("b")], "a", "failed", "too long");
  assert.deepEqual([after[0].state, after[0].reason], ["failed", "too long"]);
  assert.equal(next(after, 1).nonce, "b");
});

test("a refused message tried again goes behind what was written since", () => {
  const failed = settle([entry("a"), entry("b")], "a", "failed", "too long");
  const after = again(failed, "a", "a2");
  assert.deepEqual(after.map((e) => [e.nonce, e.state]), [["b", "waiting"], ["a2", "waiting"]]);
});

test("statuses mean sent, later, failed or signed out", () => {
  const check = (status, expected) => assert.equal(outcome(status), expected, String(status));
  for (const status of [200, 201, 204]) check(status, "sent");
  for (const status of [0, 408, 425, 429, 500, 502, 503, 504, 507]) check(status, "later");
  for (const status of [400, 403, 404, 409, 413, 422]) check(status, "failed");
  check(401, "signed-out");
});

test("the outbox is bounded in number and size and says so", () => {
  const full = Array.from({ length: MOST }, (_, i) => entry(String(i)));
  assert.equal(add(full, entry("x")), null);
  assert.equal(add([entry("a", 1, { body: "x".repeat(499_995) })], entry("b")), null);
  assert.equal(add([], entry("a")).length, 1);
});

test("what storage gives back is checked", () => {
  assert.deepEqual(restore(null), []);
  assert.deepEqual(restore([{ nonce: 1 }, null, "x"]), []);
  assert.equal(restore([entry("a"), { nonce: "b" }]).length, 1);
});

test("a nonce is a UUID of version 4 without randomUUID", () => {
  const made = uuid(new Uint8Array(16).fill(255));
  assert.match(made, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("waits grow, are spread and bounded", () => {
  assert.ok(reconnectMs(1, 1006, 0.5) < reconnectMs(3, 1006, 0.5));
  assert.ok(reconnectMs(50, 1006, 0.999) <= 30_000 * 1.3);
  assert.ok(reconnectMs(1, 1012, 0) >= 200 && reconnectMs(1, 1012, 0.999) <= 2_000);
  assert.ok(reconnectMs(1, 1013, 0) > reconnectMs(1, 1006, 0.999));
  assert.ok(resendMs(40, null, 0.999) <= 30_000 * 1.3);
});

test("the server's Retry-After is the least that is waited", () => {
  assert.equal(retryAfterS("7", 0), 7);
  assert.equal(retryAfterS("Thu, 01 Jan 1970 00:00:10 GMT", 4_000), 6);
  assert.equal(retryAfterS("soon", 0), null);
  assert.equal(retryAfterS(null, 0), null);
  assert.ok(resendMs(1, 7, 0) >= 7_000);
});
