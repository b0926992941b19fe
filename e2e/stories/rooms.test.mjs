/** Rooms: made, joined, left, gone between without a page load; what is unread elsewhere. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { closeBrowser, password, Person, Server, until } from "../support.mjs";

let server;
let ada;
let bob;

before(async () => {
  server = await new Server().start();
  ada = await Person.withCookie(server, await server.account("ada", { isOwner: true }));
  bob = await Person.withCookie(server, await server.account("bob"));
});

after(async () => {
  ada.assertQuiet();
  bob.assertQuiet();
  await closeBrowser();
  await server.remove();
});

/** A session of another device. */
async function sessionOf(username) {
  const answer = await server.post("/login/", { username, password });
  return answer.headers.getSetCookie().map((line) => line.split(";")[0]).join("; ");
}

const path = (person) => new URL(person.page.url()).pathname;

test("Ada makes a room, Bob finds it, joins and is answered", async () => {
  await ada.page.goto(`${server.url}/rooms/`);
  await ada.page.fill('#new-room [name="name"]', "Tea & Biscuits");
  await ada.page.fill('#new-room [name="topic"]', "which first?");
  await ada.page.click("#new-room button:not([type=button])");
  await ada.page.waitForURL(/\/rooms\/tea-biscuits\//);
  await ada.online();
  await bob.page.goto(`${server.url}/rooms/`);
  await bob.page.click("text=Tea & Biscuits");
  await bob.online();
  await bob.page.click("form.room-bar button");
  await bob.page.waitForSelector('.room-link:has-text("Tea & Biscuits")');
  await bob.online();
  await bob.say("milk first");
  await ada.sees("milk first");
  await ada.page.waitForSelector("#messages .event:has-text('joined')");
});

test("switching keeps the page, the drafts and the way back", async () => {
  await ada.open("/rooms/lobby/");
  await ada.markWindow();
  await ada.page.fill("#composer-input", "a lobby draft");
  await ada.page.click('.room-link:has-text("Tea & Biscuits")');
  await until("the room is shown", async () => path(ada) === "/rooms/tea-biscuits/" && (await ada.texts()).includes("milk first"));
  assert.equal(await ada.page.inputValue("#composer-input"), "");
  assert.match(await ada.page.title(), /^Tea & Biscuits/);
  await bob.say("sugar last");
  await ada.sees("sugar last");
  await ada.page.goBack();
  await until("the lobby is back", async () => path(ada) === "/rooms/lobby/" && (await ada.page.inputValue("#composer-input")) === "a lobby draft");
  await ada.page.goForward();
  await until("forward again", async () => path(ada) === "/rooms/tea-biscuits/" && (await ada.texts()).includes("sugar last"));
  await ada.page.keyboard.press("Alt+ArrowUp");
  await until("the keyboard goes up", async () => path(ada) === "/rooms/lobby/");
  await ada.page.fill("#composer-input", "");
  await ada.assertNotReloaded();
});

test("what happens in another room is marked in the list and in the title", async () => {
  await ada.open("/rooms/lobby/");
  await bob.say("anybody there?");
  await ada.page.waitForSelector('.room-link--unread:has-text("Tea & Biscuits")');
  await until("the title counts", async () => /^\(\d+\) Lobby/.test(await ada.page.title()));
  await bob.say("@ada look");
  await ada.page.waitForSelector('.room-link--mentioned:has-text("Tea & Biscuits")');
  await ada.page.click('.room-link:has-text("Tea & Biscuits")');
  await ada.sees("@ada look");
  await ada.page.waitForSelector(".message--mentions-me");
  await until("reading clears it", async () => (await ada.page.$('.room-link--unread:has-text("Tea & Biscuits")')) === null);
});

test("the mark of the room on screen goes once it is read, here or on another device", async () => {
  const link = '.room-link[aria-current="page"]:has-text("Tea & Biscuits")';
  const marked = (person) => person.page.$(`${link}:not([data-unread="0"])`);
  await ada.open("/rooms/lobby/");
  await bob.open("/rooms/tea-biscuits/");
  await bob.say("@ada one for the badge");
  // A window without the focus reads nothing: the mark stays.
  const away = await Person.withCookie(server, await sessionOf("ada"));
  await away.page.addInitScript(() => (document.hasFocus = () => window.isHere ?? false));
  await until("the mention is stored and marked", async () => {
    await away.open("/rooms/tea-biscuits/");
    return away.page.$(`${link}[data-mentions="1"]`);
  });
  await away.sees("@ada one for the badge");
  await bob.say("and one more");
  await away.sees("and one more");
  await until("the title counts it", async () => /^\(1\) /.test(await away.page.title()));
  assert.ok(await marked(away));
  // Ada reads it at her desk.
  await ada.page.click('.room-link:has-text("Tea & Biscuits")');
  await ada.sees("and one more");
  await until("reading clears it at the desk", async () => (await ada.page.$(link)) && !(await marked(ada)));
  await until("and in the other window", async () => !(await marked(away)));
  assert.equal(await away.page.textContent(`${link} .room-link__count`), "");
  assert.match(await away.page.title(), /^Tea & Biscuits/);
  // And back in this window, by looking.
  await ada.page.click('.room-link:has-text("Lobby")');
  await until("Ada is in the lobby", async () => path(ada) === "/rooms/lobby/");
  await bob.say("@ada the last one");
  await away.sees("@ada the last one");
  await until("the title counts again", async () => /^\(1\) /.test(await away.page.title()));
  await away.page.evaluate(() => {
    window.isHere = true;
    dispatchEvent(new Event("focus"));
  });
  await until("the title is plain", async () => /^Tea/.test(await away.page.title()));
  await until("the list at the desk is plain too", async () => !(await ada.page.$('.room-link:has-text("Tea & Biscuits"):not([data-unread="0"])')));
  away.assertQuiet();
  await away.context.close();
});

test("a new name and topic reach those in the room", async () => {
  await bob.open("/rooms/tea-biscuits/");
  await ada.page.goto(`${server.url}/rooms/tea-biscuits/settings`);
  assert.equal(await ada.page.inputValue('[name="name"]'), "Tea & Biscuits");
  await ada.page.fill('[name="topic"]', "milk first, it is settled");
  await ada.page.click("main form button:not([type=button])");
  await bob.page.waitForSelector("#room-topic:has-text('it is settled')");
});

test("leaving asks first and takes the room from the list", async () => {
  await bob.open("/rooms/tea-biscuits/");
  await bob.page.click(".room-head__leave button");
  await bob.page.click("#confirm-dialog [data-ok]");
  await bob.page.waitForURL(/\/rooms\/$/);
  assert.equal(await bob.page.$('.room-link:has-text("Tea & Biscuits")'), null);
});

test("writing in a room one looks into joins it", async () => {
  await bob.open("/rooms/tea-biscuits/");
  await bob.say("here again");
  await bob.sees("here again");
  await bob.page.waitForSelector('.room-link:has-text("Tea & Biscuits")');
  assert.equal(await bob.page.$("form.room-bar"), null);
});

test("who is here opens beside the room and closes with Esc", async () => {
  await ada.open("/rooms/tea-biscuits/");
  await ada.page.click(".room-head__members");
  await ada.page.waitForSelector("#panel:visible >> text=bob");
  await ada.page.keyboard.press("Escape");
  await until("it is closed", async () => !(await ada.page.isVisible("#panel")));
});

test("who is typing is shown, and no longer once the words are there", async () => {
  await ada.open("/rooms/tea-biscuits/");
  await bob.open("/rooms/tea-biscuits/");
  await bob.page.type("#composer-input", "let me think");
  await ada.page.waitForSelector("#composer-typing:has-text('bob is typing')");
  await bob.page.press("#composer-input", "Enter");
  await ada.sees("let me think");
  await until("the line is empty", async () => (await ada.page.textContent("#composer-typing")) === "");
});

test("on a phone list and room are pages with a real back", async () => {
  const phone = await Person.withCookie(server, await server.account("cleo"), { viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true });
  await phone.open("/rooms/lobby/");
  assert.equal(await phone.page.isVisible("#sidebar"), false);
  await phone.page.click(".room-head__back");
  await phone.page.waitForSelector("#sidebar:visible");
  assert.equal(await phone.page.isVisible("#main"), false);
  await phone.page.click('.room-link:has-text("Lobby")');
  await phone.page.waitForSelector("#main:visible");
  await phone.page.goBack();
  await phone.page.waitForSelector("#sidebar:visible");
  phone.assertQuiet();
});
