/** What every page must hold: no violation that axe finds, nothing wider than the screen, nothing that jumps. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { closeBrowser, Person, Server, until } from "../support.mjs";

let server;
let cookie;
let bot;

before(async () => {
  server = await new Server().start();
});

after(async () => {
  await closeBrowser();
  await server.remove();
});

const views = [
  { name: "wide, light", viewport: { width: 1440, height: 900 }, colorScheme: "light" },
  { name: "wide, dark", viewport: { width: 1440, height: 900 }, colorScheme: "dark" },
  { name: "phone, light", viewport: { width: 390, height: 844 }, colorScheme: "light", hasTouch: true, isMobile: true },
  { name: "phone, dark", viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, isMobile: true },
];

/** @returns {Promise<string[]>} one line a violation */
async function violations(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")} ${node.any[0]?.message ?? node.all[0]?.message ?? node.none[0]?.message ?? ""}`));
}

const sidewise = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

async function check(person, address, act = async () => {}) {
  await person.page.goto(server.url + address);
  await act(person.page);
  assert.deepEqual(await violations(person.page), [], address);
  assert.ok((await sidewise(person.page)) <= 0, `${address} is wider than the screen`);
}

test("set-up, log-in and sign-up are clean before anybody is there", async () => {
  for (const view of views) {
    const guest = await Person.at(server, view);
    await check(guest, "/setup");
    await guest.context.close();
  }
  cookie = await server.account("ada", { isOwner: true, display_name: "Ada Lovelace" });
  await server.account("bob");
  bot = await server.program("bob");
  for (const view of views) {
    const guest = await Person.at(server, view);
    await check(guest, "/login/");
    await check(guest, "/signup/");
    await check(guest, "/signup/", async (page) => {
      await page.fill('[name="username"]', "a");
      await page.fill('[name="password"]', "password");
      await page.fill('[name="password_confirm"]', "passwort");
      await page.click("main form button");
      await page.waitForSelector('[aria-invalid="true"]');
    });
    await guest.context.close();
  }
});

test("every page inside is clean, wide and narrow, light and dark", async () => {
  await bot.post("Hello **Ada**, have you seen `this`?\n\n```\nlet words = 1;\n```\n\n> quoted\n\n- a list\n- of two, with https://example.org/a-long-address/that-goes-on-and-on-and-on");
  await bot.post("@ada and a mention");
  const own = await server.program("ada");
  const [message] = (await own.history()).slice(-1);
  await own.call("POST", "/rooms/1/messages", { body: "my answer", reply_to: message.id });
  const gone = await own.post("soon gone");
  await own.call("DELETE", `/messages/${gone.id}`);
  const mine = await own.post("mine to edit");
  await own.call("POST", "/rooms", { name: "Garden", topic: "what grows" });
  for (const view of views) {
    const ada = await Person.withCookie(server, cookie, view);
    await check(ada, "/rooms/lobby/", (page) => page.waitForSelector('[data-connection][data-state="online"]', { state: "attached" }));
    await check(ada, "/rooms/lobby/", async (page) => {
      await page.waitForSelector(`#msg-${mine.id}[tabindex]`);
      await page.focus(`#msg-${mine.id}`);
      await page.waitForSelector(".toolbar");
      await page.keyboard.press("e");
      await page.waitForSelector("#messages .edit-form");
    });
    await check(ada, "/rooms/lobby/", async (page) => {
      await page.waitForSelector(`#msg-${mine.id}[tabindex]`);
      await page.focus(`#msg-${mine.id}`);
      await page.keyboard.press("Delete");
      await page.waitForSelector("#confirm-dialog[open]");
    });
    for (const address of ["/rooms/garden/", "/rooms/", "/rooms/garden/settings", "/rooms/lobby/members", "/settings/", "/admin/", `/messages/${mine.id}/edit`, `/messages/${mine.id}/delete`, "/rooms/nothing-here/"]) {
      await check(ada, address);
    }
    // Another site that leads there gets a button shown, not somebody logged out.
    await check(ada, "/rooms/", async (page) => {
      await page.goto(`${server.url.replace("127.0.0.1", "localhost")}/login/`);
      await page.evaluate((address) => location.assign(address), `${server.url}/logout/`);
      await page.waitForURL(/\/logout\//);
      await page.waitForSelector('main form[action="/logout/"]');
    });
    ada.assertQuiet();
    await ada.context.close();
  }
});

test("nothing is wider than a screen of 320 pixels", async () => {
  const ada = await Person.withCookie(server, cookie, { viewport: { width: 320, height: 640 } });
  await bot.post(`${"W".repeat(300)} ${"https://example.org/".repeat(10)}`);
  for (const address of ["/rooms/lobby/", "/rooms/", "/settings/", "/admin/", "/rooms/garden/settings", "/rooms/nothing-here/"]) {
    await ada.page.goto(server.url + address);
    assert.ok((await sidewise(ada.page)) <= 0, address);
  }
  const guest = await Person.at(server, { viewport: { width: 320, height: 640 } });
  for (const address of ["/login/", "/signup/"]) {
    await guest.page.goto(server.url + address);
    assert.ok((await sidewise(guest.page)) <= 0, address);
  }
});

test("nothing shifts when messages arrive, are sent, edited or deleted, nor on the way in", async () => {
  const ada = await Person.withCookie(server, cookie, { viewport: { width: 1200, height: 800 } });
  await ada.page.addInitScript(() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        window.shifts.push({ value: entry.value, parts: entry.sources.map(({ node, previousRect, currentRect }) => `${node?.id || node?.className || node?.nodeName}: ${previousRect.y}+${previousRect.height} → ${currentRect.y}+${currentRect.height}`) });
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  await ada.open();
  for (let i = 0; i < 30; i += 1) await bot.post(`arriving ${i} ${"words ".repeat(i % 12)}`);
  await ada.sees("arriving 29 words words words words words");
  await ada.say("sent by me");
  await ada.sees("sent by me");
  const own = await server.program("ada");
  const last = (await own.history()).at(-1);
  await own.call("PATCH", `/messages/${last.id}`, { body: "edited by me, at much greater length ".repeat(6) });
  await until("the edit is there", async () => (await ada.texts()).at(-1).startsWith("edited by me"));
  await own.call("DELETE", `/messages/${last.id}`);
  await ada.page.waitForSelector(`#msg-${last.id}[data-deleted]`);
  assert.deepEqual(await ada.page.evaluate(() => window.shifts), []);
  ada.assertQuiet();
});
