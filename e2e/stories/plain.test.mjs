/** The house without scripts, and the house without a mouse. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { closeBrowser, password, Person, Server, until } from "../support.mjs";

after(closeBrowser);

test("everything needed works with scripting off", async () => {
  const server = await new Server().start();
  try {
    const ada = await Person.at(server, { javaScriptEnabled: false });
    const { page } = ada;
    const submit = (form = "main form") => page.click(`${form} button:not([type=button])`);
    await ada.setUp("ada");
    // Post, and be refused with the text kept.
    await page.fill("#composer-input", "hello without scripts");
    await submit("#composer");
    await page.waitForSelector("#messages >> text=hello without scripts");
    await page.fill("#composer-input", "y".repeat(1_001));
    await submit("#composer");
    await page.waitForSelector("#composer-notice:has-text('1000')");
    assert.equal(await page.inputValue("#composer-input"), "y".repeat(1_001));
    // Edit and delete, from the message's own address.
    await page.goto(`${server.url}/rooms/lobby/`);
    await page.click("#messages > .message .message__time");
    await page.click('.target-bar a[href$="/edit"]');
    await page.fill('[name="body"]', "changed without scripts");
    await submit();
    await page.waitForSelector("#messages >> text=changed without scripts");
    await page.click("#messages > .message .message__time");
    await page.click('.target-bar a[href*="reply_to"]');
    await page.fill("#composer-input", "an answer");
    await submit("#composer");
    await page.waitForSelector("#messages .message__quote:has-text('changed without scripts')");
    await page.locator("#messages > .message", { hasText: "an answer" }).locator(".message__time").click();
    await page.click('.target-bar a[href$="/delete"]');
    await submit();
    await page.waitForSelector("#messages > .message[data-deleted]");
    // Rooms.
    await page.goto(`${server.url}/rooms/`);
    await page.fill('#new-room [name="name"]', "Quiet corner");
    await submit("#new-room");
    await page.waitForURL(/\/rooms\/quiet-corner\//);
    await page.click(".room-head__leave button");
    await page.waitForURL(/\/rooms\/$/);
    await page.click('button[aria-label="Join Quiet corner"]');
    await page.waitForURL(/\/rooms\/quiet-corner\//);
    // Settings: name, password, out and in again.
    await page.goto(`${server.url}/settings/`);
    await page.fill('[name="display_name"]', "Ada Lovelace");
    await submit('form[action="/settings/name"]');
    await page.waitForSelector(".sidebar__self-name:has-text('Ada Lovelace')");
    await page.fill('[name="current_password"]', password);
    await page.fill('[name="password"]', "another-good-password");
    await page.fill('[name="password_confirm"]', "another-good-password");
    await submit('form[action="/settings/password"]');
    await page.click('form[action="/logout/"] button');
    await page.waitForURL(/\/login\//);
    await page.fill('[name="username"]', "ada");
    await page.fill('[name="password"]', "another-good-password");
    await submit();
    await page.waitForURL(/\/rooms\/lobby\//);
  } finally {
    await server.remove();
  }
});

test("a phone with scripting off reaches every part", async () => {
  const server = await new Server().start();
  try {
    const cookie = await server.account("ada", { isOwner: true });
    const bot = await server.program("ada");
    for (let i = 0; i < 30; i += 1) await bot.post(`line ${i}`);
    const ada = await Person.withCookie(server, cookie, { javaScriptEnabled: false, viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
    const { page } = ada;
    const isInView = async (locator) => {
      const box = await locator.boundingBox();
      return box !== null && box.y >= 0 && box.y + box.height <= 844;
    };
    await page.goto(`${server.url}/rooms/lobby/`);
    assert.ok(await isInView(page.locator("#messages > .message", { hasText: "line 29" })), "a room opens at its newest message");
    // A button that does nothing is no button.
    for (const dead of await page.locator("button[type=button]").all()) assert.equal(await dead.isVisible(), false, await dead.getAttribute("class"));
    await page.click(".room-head__back");
    await until("the list is in view", () => isInView(page.locator('#sidebar a[href="/settings/"]')));
    await page.click('#sidebar a[href="/settings/"]');
    await page.waitForURL(/\/settings\//);
    for (const dead of await page.locator("button[type=button]").all()) assert.equal(await dead.isVisible(), false);
    await page.click(".page-head__back");
    await until("the list is in view again", () => isInView(page.locator('#sidebar form[action="/logout/"] button')));
    await page.click('#sidebar a:has-text("Lobby")');
    await page.click("#messages > .message:last-child .message__time");
    await page.click('.target-bar a[href*="reply_to"]');
    await page.click("#reply-chip a");
    await page.waitForURL(/\/rooms\/lobby\/$/);
    assert.equal(await page.isVisible("#reply-chip"), false);
  } finally {
    await server.remove();
  }
});

test("a conversation with the keyboard alone", async () => {
  const server = await new Server().start();
  try {
    const ada = await Person.withCookie(server, await server.account("ada", { isOwner: true }));
    const bob = await Person.withCookie(server, await server.account("bob"));
    await ada.open();
    await bob.open();
    const keys = ada.page.keyboard;
    const focus = () => ada.page.evaluate(() => document.activeElement?.id || document.activeElement?.className || document.activeElement?.tagName);
    // The composer has the focus at first; words go there at once.
    assert.equal(await focus(), "composer-input");
    await keys.type("from the keyboard");
    await keys.press("Enter");
    await bob.sees("from the keyboard");
    await bob.say("and an answer");
    await ada.sees("and an answer");
    assert.equal(await focus(), "composer-input", "an arriving message took the focus");
    // Shift+Tab leads into the rows, arrows from row to row, r answers.
    for (let i = 0; i < 6 && !/^msg-/.test(await focus()); i += 1) await keys.press("Shift+Tab");
    assert.match(await focus(), /^msg-/);
    await keys.press("ArrowUp");
    await keys.press("ArrowDown");
    await keys.press("r");
    await until("the chip is there", () => ada.page.isVisible("#reply-chip"));
    assert.equal(await focus(), "composer-input");
    await keys.type("answered");
    await keys.press("Enter");
    await bob.sees("answered");
    // Up edits, Delete asks, Esc goes back.
    await keys.press("ArrowUp");
    await ada.page.waitForSelector("#messages .edit-form textarea");
    await keys.type(" twice");
    await keys.press("Enter");
    await bob.sees("answered twice");
    await until("back in the composer", async () => (await focus()) === "composer-input");
    for (let i = 0; i < 6 && !/^msg-/.test(await focus()); i += 1) await keys.press("Shift+Tab");
    await until("the toolbar is at the row", () => ada.page.isVisible(".toolbar"));
    // Home and End go to the ends of the list, J and K through it.
    const row = () => ada.page.evaluate(() => [...document.querySelectorAll("#messages > .message")].indexOf(document.activeElement));
    const rows = await ada.page.locator("#messages > .message").count();
    await keys.press("Home");
    assert.equal(await row(), 0);
    await keys.press("j");
    assert.equal(await row(), 1);
    await keys.press("k");
    assert.equal(await row(), 0);
    await keys.press("End");
    assert.equal(await row(), rows - 1);
    // Tab leads from a row into its actions, arrows along them, Esc back to the row.
    const action = () => ada.page.evaluate(() => document.activeElement?.dataset.action);
    for (let i = 0; i < 4 && (await action()) === undefined; i += 1) await keys.press("Tab");
    assert.equal(await action(), "reply");
    await keys.press("ArrowRight");
    assert.equal(await action(), "edit");
    await keys.press("End");
    assert.equal(await action(), "delete");
    await keys.press("ArrowRight");
    assert.equal(await action(), "reply");
    await keys.press("ArrowLeft");
    assert.equal(await action(), "delete");
    await keys.press("Home");
    assert.equal(await action(), "reply");
    await keys.press("Escape");
    assert.equal(await row(), rows - 1);
    await ada.page.focus("#timeline");
    await keys.press("k");
    assert.equal(await row(), rows - 1);
    await keys.press("Escape");
    assert.equal(await focus(), "composer-input");
    // Settings and out, through links and buttons.
    await ada.page.focus('#sidebar a[href="/settings/"]');
    await keys.press("Enter");
    await ada.page.waitForURL(/\/settings\//);
    await ada.page.focus('form[action="/logout/"] button');
    await keys.press("Enter");
    await ada.page.waitForURL(/\/login\//);
    ada.assertQuiet();
  } finally {
    await server.remove();
  }
});

test("who guesses too often is told in minutes how long to wait, and keeps the name typed", async () => {
  const server = await new Server({ PARLOUR_RATE_LIMITS: "on" }).start();
  try {
    await server.account("ada", { isOwner: true });
    const guest = await Person.at(server);
    await guest.page.goto(`${server.url}/login/`);
    await until("the house has enough of it", async () => {
      await guest.page.fill('[name="username"]', "ada");
      await guest.page.fill('[name="password"]', "not the password");
      await Promise.all([guest.page.waitForNavigation(), guest.page.click("main form button")]);
      return guest.page.isVisible('main [role="alert"]:has-text("Too many failed sign-ins. Try again in 15 minutes.")');
    });
    assert.equal(await guest.page.inputValue('[name="username"]'), "ada");
  } finally {
    await server.remove();
  }
});
