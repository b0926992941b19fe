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
    // Lists and panels are pages of their own on phones.
    await check(ada, "/rooms/lobby/", async (page) => {
      await page.waitForSelector('[data-scripts="on"]', { state: "attached" });
      if (!view.isMobile) return;
      await page.click(".room-head__back");
      await page.waitForSelector("#sidebar:visible");
    });
    await check(ada, "/rooms/lobby/", async (page) => {
      await page.waitForSelector('[data-scripts="on"]', { state: "attached" });
      await page.click(".room-head__members");
      await page.waitForSelector("#panel:visible");
    });
    await check(ada, "/rooms/lobby/", async (page) => {
      await page.waitForSelector(".message--mentions-me .is-me");
      await page.evaluate(() => (document.documentElement.dataset.density = "compact"));
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

test("compact is chosen in the settings and there from the first paint", async () => {
  const ada = await Person.withCookie(server, cookie);
  const density = () => ada.page.evaluate(() => document.documentElement.dataset.density);
  await ada.page.goto(`${server.url}/settings/`);
  await ada.page.waitForSelector("[data-density-choice]:visible");
  assert.equal(await density(), undefined);
  await ada.page.check('[name="density"][value="compact"]', { force: true });
  assert.equal(await density(), "compact");
  // Before any deferred script has run.
  await ada.page.route("**/*.js", (route) => (route.request().url().includes("theme") ? route.continue() : route.abort()));
  await ada.page.goto(`${server.url}/rooms/lobby/`);
  assert.equal(await density(), "compact");
  assert.equal(await ada.page.isVisible("#messages > .message .avatar"), false);
  await ada.page.unroute("**/*.js");
  await ada.page.goto(`${server.url}/settings/`);
  assert.ok(await ada.page.isChecked('[name="density"][value="compact"]'));
  await ada.page.check('[name="density"][value="cosy"]', { force: true });
  await ada.open();
  assert.equal(await density(), undefined);
  assert.ok(await ada.page.isVisible("#messages > .message .avatar"));
  await ada.context.close();
});

test("what the composer says is read whole on a phone and moves nothing", async () => {
  const ada = await Person.withCookie(server, cookie, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await ada.open();
  const card = () => ada.page.$eval(".composer__card", (el) => el.getBoundingClientRect().bottom);
  const before = await card();
  await ada.page.route("**/rooms/*/messages", (route) => route.fulfill({ status: 507, body: "" }));
  await ada.say("words that wait");
  await ada.page.click("#composer-send");
  await ada.page.waitForSelector("#composer-notice:has-text('disk')");
  const cut = await ada.page.$eval("#composer-notice", (el) => [el.scrollHeight - el.clientHeight, el.scrollWidth - el.clientWidth, el.getBoundingClientRect().bottom - el.parentElement.getBoundingClientRect().bottom]);
  assert.ok(cut.every((much) => much <= 0), `cut off: ${cut}`);
  await ada.page.fill("#composer-input", "");
  assert.equal(await card(), before);
  await ada.context.close();
});

test("the day stays in view while it is read", async () => {
  const ada = await Person.withCookie(server, cookie, { viewport: { width: 1200, height: 500 } });
  for (let i = 0; i < 20; i += 1) await bot.post(`a day of words ${i}`);
  await ada.open();
  await ada.page.waitForSelector("#messages > .day");
  const below = await ada.page.evaluate(() => document.querySelector("#messages > .day span").getBoundingClientRect().top - document.querySelector("#timeline").getBoundingClientRect().top);
  assert.ok(below >= 0 && below < 40, `the day stands at ${below}`);
  await ada.context.close();
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
  const own = await server.program("ada");
  await own.call("PUT", "/rooms/1/read", { seq: (await own.history()).at(-1).seq });
  await ada.open();
  for (let i = 0; i < 30; i += 1) await bot.post(`arriving ${i} ${"words ".repeat(i % 12)}`);
  await ada.sees("arriving 29 words words words words words");
  await ada.say("sent by me");
  await ada.sees("sent by me");
  const last = (await own.history()).at(-1);
  await own.call("PATCH", `/messages/${last.id}`, { body: "edited by me, at much greater length ".repeat(6) });
  await until("the edit is there", async () => (await ada.texts()).at(-1).startsWith("edited by me"));
  await own.call("DELETE", `/messages/${last.id}`);
  await ada.page.waitForSelector(`#msg-${last.id}[data-deleted]`);
  assert.deepEqual(await ada.page.evaluate(() => window.shifts), []);
  // Nor while the reader is elsewhere in the room, and more is counted below.
  await ada.page.hover("#timeline");
  await ada.page.mouse.wheel(0, -900);
  await ada.page.waitForSelector("#jump:visible");
  await ada.page.evaluate(() => (window.shifts = []));
  for (let i = 0; i < 12; i += 1) await bot.post(`below ${i}`);
  await ada.page.waitForSelector("#jump:has-text('12 new')");
  assert.deepEqual(await ada.page.evaluate(() => window.shifts), []);
  ada.assertQuiet();
});
