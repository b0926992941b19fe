import assert from "node:assert/strict";
import { test } from "node:test";
import { countChars, counter, isBlank, normalize, refusal } from "../count.js";
import { dayWords, follows, opensDay } from "../grouping.js";
import { enterDoes } from "../keys.js";

test("text is counted as the server counts it", () => {
  const check = (text, expected) => assert.equal(countChars(normalize(text)), expected, JSON.stringify(text));
  check("abc", 3);
  check("  abc\n\n", 3);
  check("a\r\nb\rc", 5);
  check("👩‍👩‍👧", 5);
  check("é", 1);
  check("e\u0301", 2);
  check("\u3000全角\u3000", 2);
  check("\u0085a\u0085", 1);
  check("\uFEFFa", 2);
  check("", 0);
});

test("the counter is silent far from the limit and speaks near and over it", () => {
  assert.deepEqual(counter("hello", 1000), { text: "", isOver: false });
  assert.deepEqual(counter("x".repeat(950), 1000), { text: "50 left", isOver: false });
  assert.deepEqual(counter("x".repeat(1000), 1000), { text: "0 left", isOver: false });
  assert.deepEqual(counter("x".repeat(1012), 1000), { text: "12 over the limit", isOver: true });
  assert.deepEqual(counter("👍".repeat(600), 1000), { text: "", isOver: false });
});

test("a refusal names both numbers and the way out, and fits nothing it should not", () => {
  assert.equal(refusal("x".repeat(1000), 1000), null);
  assert.equal(refusal(`${"x".repeat(1000)}   \n`, 1000), null);
  assert.match(refusal("x".repeat(1012), 1000), /1,012 characters; the limit is 1,000.*by 12/);
});

test("nothing to see is nothing to send", () => {
  for (const blank of ["", " \n\t", "\u200b\u200d", "\u2060"]) assert.equal(isBlank(blank), true);
  for (const text of ["a", ".", "👍"]) assert.equal(isBlank(text), false);
});

const row = (author, minute, more = {}) => ({
  kind: "message", author, at: new Date(2026, 10, 20, 12, minute).getTime(), isReply: false, ...more,
});

test("rows of one author within five minutes stand together", () => {
  const check = (before, now, expected) => assert.equal(follows(before, now), expected);
  check(null, row("1", 0), false);
  check(row("1", 0), row("1", 4), true);
  check(row("1", 0), row("1", 5), false);
  check(row("1", 0), row("2", 1), false);
  check(row("1", 0, { kind: "event" }), row("1", 1), false);
  check(row("1", 0), row("1", 1, { isReply: true }), false);
  check(row("1", 0, { isReply: true }), row("1", 1), true);
});

test("midnight parts a group and opens a day", () => {
  const late = row("1", 0, { at: new Date(2026, 10, 20, 23, 59).getTime() });
  const early = row("1", 0, { at: new Date(2026, 10, 21, 0, 1).getTime() });
  assert.equal(follows(late, early), false);
  assert.equal(opensDay(late, early), true);
  assert.equal(opensDay(late, late), false);
  assert.equal(opensDay(null, late), true);
});

test("days have words near today and dates beyond", () => {
  const now = new Date(2026, 10, 20, 9).getTime();
  assert.equal(dayWords(new Date(2026, 10, 20, 1).getTime(), now, "en"), "Today");
  assert.equal(dayWords(new Date(2026, 10, 19, 23).getTime(), now, "en"), "Yesterday");
  assert.match(dayWords(new Date(2026, 10, 3).getTime(), now, "en-GB"), /^Tuesday,? 3 November$/);
  assert.match(dayWords(new Date(2025, 10, 3).getTime(), now, "en-GB"), /2025$/);
});

test("Enter sends, makes a line, or belongs to the input method", () => {
  const key = (more = {}) => ({ key: "Enter", shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, isComposing: false, keyCode: 13, ...more });
  assert.equal(enterDoes(key(), false), "send");
  assert.equal(enterDoes(key({ shiftKey: true }), false), null);
  assert.equal(enterDoes(key({ ctrlKey: true, shiftKey: true }), false), "send");
  assert.equal(enterDoes(key({ metaKey: true }), true), "send");
  assert.equal(enterDoes(key(), true), null);
  assert.equal(enterDoes(key({ isComposing: true }), false), null);
  assert.equal(enterDoes(key({ keyCode: 229 }), false), null);
  assert.equal(enterDoes(key({ key: "a" }), false), null);
});
