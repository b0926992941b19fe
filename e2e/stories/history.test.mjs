/** Reading: far back and forth without a jump, the way to the newest, links, what is new. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { closeBrowser, Person, Server, until } from "../support.mjs";

const COUNT = 620;
let server;
let ada;
let bot;

before(async () => {
  server = await new Server().start();
  ada = await Person.withCookie(server, await server.account("ada", { isOwner: true }));
  await server.account("bob");
  bot = await server.program("bob");
  for (let i = 1; i <= COUNT; i += 1) await bot.post(`message ${i} ${"and some words ".repeat(i % 9)}`.trim());
});

after(async () => {
  ada.assertQuiet();
  await closeBrowser();
  await server.remove();
});

/** Scrolls by `step` to the end and reports every row that moved by itself meanwhile. */
const scrollThrough = (page, step) =>
  page.evaluate(async (step) => {
    const timeline = document.getElementById("timeline");
    const list = document.getElementById("messages");
    const frames = (n) => new Promise((resolve) => {
      const next = () => (n-- > 0 ? requestAnimationFrame(next) : resolve());
      next();
    });
    const jumps = [];
    for (let i = 0, still = 0; i < 4_000 && still < 5; i += 1) {
      const at = timeline.scrollTop;
      timeline.scrollTop += step;
      await frames(1);
      const edge = timeline.getBoundingClientRect().top;
      const row = [...list.querySelectorAll(":scope > .message")].find((one) => one.getBoundingClientRect().bottom > edge + 30);
      const top = row.getBoundingClientRect().top;
      await frames(3);
      const moved = row.isConnected ? row.getBoundingClientRect().top - top : NaN;
      if (!(Math.abs(moved) <= 1.5)) jumps.push({ i, moved, row: row.id });
      const more = step < 0 ? list.dataset.hasOlder : list.dataset.hasNewer;
      still = timeline.scrollTop === at && more !== "true" ? still + 1 : 0;
    }
    const seqs = [...list.querySelectorAll(":scope > .message")].map((one) => Number(one.dataset.seq));
    return { jumps, rows: seqs.length, sorted: seqs.every((seq, i) => i === 0 || seq > seqs[i - 1]), words: [...list.querySelectorAll(":scope > .message .message__body")].map((one) => one.textContent.trim()) };
  }, step);

test("a room opens at its newest message", async () => {
  await ada.open();
  await ada.sees(`message ${COUNT} ${"and some words ".repeat(COUNT % 9)}`.trim());
  assert.ok(await ada.page.$eval("#timeline", (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 2));
});

test("scrolling back to the beginning and forth to the end never moves what is read", async () => {
  await ada.open();
  await ada.markWindow();
  const back = await scrollThrough(ada.page, -180);
  assert.deepEqual(back.jumps, []);
  assert.ok(back.rows <= 400, `${back.rows} rows`);
  assert.ok(back.sorted);
  assert.match(back.words[0], /^message 1\b/);
  await ada.page.waitForSelector(".beginning");
  const forth = await scrollThrough(ada.page, 180);
  assert.deepEqual(forth.jumps, []);
  assert.ok(forth.sorted);
  assert.match(forth.words.at(-1), new RegExp(`^message ${COUNT}\\b`));
  await ada.assertNotReloaded();
});

test("what arrives while one reads back is counted, and one click leads there", async () => {
  await ada.open();
  await ada.page.$eval("#timeline", (box) => (box.scrollTop = 0));
  await ada.page.waitForSelector("#jump:visible");
  const before = await ada.page.$eval("#timeline", (box) => box.scrollTop);
  await bot.post("news one");
  await bot.post("news two");
  await ada.page.waitForSelector("#jump >> text=2 new");
  assert.ok(Math.abs((await ada.page.$eval("#timeline", (box) => box.scrollTop)) - before) < 3_000);
  await ada.page.click("#jump");
  await until("the newest is in view", () => ada.page.$eval("#messages > .message:last-child", (row) => row.getBoundingClientRect().bottom <= innerHeight && row.textContent.includes("news two")));
  assert.equal(await ada.page.isVisible("#jump"), false);
});

test("a permalink opens around its message; writing leads back to the newest", async () => {
  const history = await bot.history();
  const target = history[100];
  await ada.page.goto(`${server.url}/messages/${target.id}/`);
  await ada.online();
  await ada.page.waitForSelector(`#msg-${target.id}.message--target`);
  await until("it is in view", () => ada.page.$eval(`#msg-${target.id}`, (row) => row.getBoundingClientRect().top > 0 && row.getBoundingClientRect().bottom < innerHeight));
  await ada.say("back at the end");
  await ada.sees("back at the end");
  await until("in view", () => ada.page.$eval("#messages > .message:last-child", (row) => row.getBoundingClientRect().bottom <= innerHeight));
});

test("the list stays in order and whole while pages and live messages come at once", async () => {
  await ada.open();
  await ada.page.$eval("#timeline", (box) => (box.scrollTop = 0));
  await Promise.all([
    (async () => {
      for (let i = 0; i < 30; i += 1) await bot.post(`burst ${i}`);
    })(),
    scrollThrough(ada.page, -400),
  ]);
  await ada.page.click("#jump");
  await ada.sees("burst 29");
  const seqs = await ada.page.$$eval("#messages > .message", (rows) => rows.map((row) => Number(row.dataset.seq)));
  const truth = (await bot.history()).map(({ seq }) => seq).slice(-seqs.length);
  assert.deepEqual(seqs, truth);
});

test("the line above what is new stays where it was when the room was opened", async () => {
  const cookie = await server.account("cleo");
  const cleo = await Person.withCookie(server, cookie);
  await cleo.open();
  await cleo.say("cleo was here");
  await cleo.sees("cleo was here");
  await until("her reading is stored", async () => (await (await fetch(`${server.url}/api/v1/rooms/1`, { headers: { Cookie: cookie } })).json()).unread === 0);
  await cleo.page.goto(`${server.url}/settings/`);
  await bot.post("new to cleo");
  await bot.post("also new");
  await cleo.open();
  const after = () => cleo.page.$eval("#new-line", (line) => line.nextElementSibling.textContent);
  assert.match(await after(), /new to cleo/);
  await bot.post("live and newer");
  await cleo.sees("live and newer");
  assert.match(await after(), /new to cleo/);
  cleo.assertQuiet();
});
