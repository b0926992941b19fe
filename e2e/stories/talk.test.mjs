/** The house from an empty folder: set up, sign up, talk, and every way the line can break. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser, password, Person, Server, until } from "../support.mjs";

after(closeBrowser);

test("two browsers and a program talk; the server is killed in the middle and nobody loses a word", async () => {
  const server = await new Server().start();
  try {
    const ada = await Person.at(server);
    const bob = await Person.at(server);
    await ada.setUp("ada");
    await bob.signUp("bob");
    for (const person of [ada, bob]) {
      await person.online();
      await person.markWindow();
    }
    const bot = await server.program("bob");

    await ada.say("hello from Ada");
    await bob.sees("hello from Ada");
    await bob.say("hello from Bob");
    await ada.sees("hello from Bob");
    await bot.post("hello from a program");
    for (const person of [ada, bob]) await person.sees("hello from a program");

    // Writing goes on while the server dies and comes back.
    const acknowledged = [];
    let isWriting = true;
    const writing = (async () => {
      for (let i = 0; isWriting || i < 20; i += 1) {
        const key = crypto.randomUUID();
        for (let sent = false; !sent; ) {
          const answer = await bot.call("POST", "/rooms/1/messages", { body: `word ${i}` }, { "Idempotency-Key": key }).catch(() => null);
          sent = answer?.status === 201 || answer?.status === 200;
          if (!sent) await new Promise((resolve) => setTimeout(resolve, 50));
        }
        acknowledged.push(`word ${i}`);
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
    })();
    await until("some words are stored", () => acknowledged.length > 8);
    await bob.page.fill("#composer-input", "a draft that must stay");
    await server.kill("SIGKILL");
    await ada.say("said while the house was dark");
    await until("it waits", async () => (await ada.pending()).length === 1);
    await server.start();
    isWriting = false;
    await writing;

    const stored = (await bot.history()).map(({ body }) => body);
    for (const word of [...acknowledged, "said while the house was dark"]) {
      await until(`${word} is stored`, async () => (await bot.history()).some(({ body }) => body === word));
    }
    assert.equal(new Set(stored).size, stored.length, "a message is stored twice");
    const truth = (await bot.history()).map(({ body }) => body);
    for (const person of [ada, bob]) {
      await until("the page shows the log as it is", async () => JSON.stringify(await person.texts()) === JSON.stringify(truth), 30_000);
      await person.assertNotReloaded();
      assert.deepEqual(await person.pending(), []);
    }
    assert.equal(await bob.page.inputValue("#composer-input"), "a draft that must stay");
    ada.assertQuiet();
    bob.assertQuiet();
  } finally {
    await server.remove();
  }
});

test("a planned restart closes with 1012, says so in words, and the page is back by itself", async () => {
  const server = await new Server().start();
  try {
    const ada = await Person.withCookie(server, await server.account("ada", { isOwner: true }));
    await ada.page.addInitScript(() => {
      window.closeCodes = [];
      const Native = window.WebSocket;
      window.WebSocket = class extends Native {
        constructor(...args) {
          super(...args);
          this.addEventListener("close", (event) => window.closeCodes.push(event.code));
        }
      };
    });
    await ada.open();
    await ada.markWindow();
    const { code } = await server.kill("SIGTERM");
    assert.equal(code, 0);
    await until("the browser sees 1012", async () => (await ada.page.evaluate(() => window.closeCodes))[0] === 1012);
    await ada.page.waitForSelector("text=/Offline since .* trying again/");
    await server.start();
    await ada.online();
    await ada.say("still on the same page");
    await ada.sees("still on the same page");
    await ada.assertNotReloaded();
    ada.assertQuiet();
  } finally {
    await server.remove();
  }
});

test("a log-out in one tab ends the other with 4401 and a way back, and keeps its draft", async () => {
  const server = await new Server().start();
  try {
    const ada = await Person.at(server);
    await ada.setUp("ada");
    await ada.online();
    const other = await ada.context.newPage();
    await other.goto(`${server.url}/rooms/lobby/`);
    await other.waitForSelector('[data-connection][data-state="online"]', { state: "attached" });
    await other.fill("#composer-input", "half a thought");
    await ada.page.click('form[action="/logout/"] button');
    await ada.page.waitForURL(/\/login\//);
    await other.waitForSelector("#signed-out-dialog[open]");
    assert.equal(await other.inputValue("#composer-input"), "half a thought");
    await other.click("#signed-out-dialog [data-login]");
    await other.waitForURL(/\/login\//);
    await other.fill('[name="username"]', "ada");
    await other.fill('[name="password"]', password);
    await other.click("main form button");
    await other.waitForURL(/\/rooms\/lobby\//);
    await until("the draft is back", async () => (await other.inputValue("#composer-input")) === "half a thought");
  } finally {
    await server.remove();
  }
});

test("messages written without a connection survive a reload and are sent once, in order", async () => {
  const server = await new Server().start();
  try {
    const ada = await Person.withCookie(server, await server.account("ada", { isOwner: true }));
    await ada.open();
    await ada.say("before");
    await ada.sees("before");
    // The posts are cut off, the page can still be loaded.
    await ada.page.route("**/rooms/*/messages", (route) => route.abort());
    for (const text of ["first", "second", "third"]) await ada.say(text);
    await until("three wait", async () => (await ada.pending()).length === 3);
    await ada.page.waitForSelector("text=Offline. Messages are kept");
    await ada.page.fill("#composer-input", "and a draft");
    await ada.page.reload();
    await until("three still wait", async () => (await ada.pending()).length === 3);
    assert.equal(await ada.page.inputValue("#composer-input"), "and a draft");
    await ada.page.unroute("**/rooms/*/messages");
    await until("all arrived", async () => (await ada.texts()).join() === "before,first,second,third", 30_000);
    assert.deepEqual(await ada.pending(), []);
    ada.assertQuiet();
  } finally {
    await server.remove();
  }
});
