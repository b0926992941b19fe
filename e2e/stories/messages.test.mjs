/** One message and what can become of it: refused, edited, answered, deleted, hostile. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { closeBrowser, Person, Server, until } from "../support.mjs";

let server;
let ada;
let bob;

before(async () => {
  server = await new Server({ PARLOUR_MAX_MESSAGE_CHARS: "1000" }).start();
  ada = await Person.withCookie(server, await server.account("ada", { isOwner: true }));
  bob = await Person.withCookie(server, await server.account("bob"));
  await ada.open();
  await bob.open();
});

after(async () => {
  ada.assertQuiet();
  bob.assertQuiet();
  await closeBrowser();
  await server.remove();
});

test("a refused message says why and can be retried, edited or thrown away", async () => {
  const refuse = (route) => route.fulfill({ status: 403, contentType: "text/html", body: '<p class="refusal" data-code="forbidden">The house says no.</p>' });
  await ada.page.route("**/rooms/*/messages", refuse);
  await ada.say("please take this");
  await ada.page.waitForSelector("#pending >> text=The house says no.");
  assert.ok((await bob.texts()).every((text) => text !== "please take this"));
  await ada.page.unroute("**/rooms/*/messages");
  await ada.page.click('#pending [data-action="retry"]');
  await bob.sees("please take this");
  await until("its row is gone", async () => (await ada.pending()).length === 0);

  await ada.page.route("**/rooms/*/messages", refuse);
  await ada.say("to be changed");
  await ada.page.click('#pending [data-action="edit-failed"]');
  assert.equal(await ada.page.inputValue("#composer-input"), "to be changed");
  await ada.say("to be thrown away");
  await ada.page.click('#pending [data-action="discard"]');
  assert.deepEqual(await ada.pending(), []);
  await ada.page.unroute("**/rooms/*/messages");
});

test("a message over the limit stays typed, whole, with the numbers", async () => {
  const long = "x".repeat(1_012);
  await ada.page.fill("#composer-input", long);
  assert.equal(await ada.page.textContent("#composer-count"), "12 over the limit");
  await ada.page.press("#composer-input", "Enter");
  await ada.page.waitForSelector("text=This message has 1,012 characters; the limit is 1,000.");
  assert.equal(await ada.page.inputValue("#composer-input"), long);
  await ada.say("👍".repeat(1_000));
  await bob.sees("👍".repeat(1_000));
});

test("Shift+Enter makes a line, and a message of two lines arrives as two lines", async () => {
  await ada.page.fill("#composer-input", "one");
  await ada.page.press("#composer-input", "Shift+Enter");
  await ada.page.type("#composer-input", "two");
  await ada.page.press("#composer-input", "Enter");
  await until("two lines", async () => (await bob.page.$$eval("#messages .message__body", (all) => all.at(-1).innerText)) === "one\ntwo");
});

test("Up edits the last own message for everybody, Esc leaves it alone", async () => {
  await ada.say("teh first try");
  await bob.sees("teh first try");
  await bob.say("something between");
  await ada.sees("something between");
  await ada.page.press("#composer-input", "ArrowUp");
  await ada.page.waitForSelector("#messages .edit-form textarea");
  assert.equal(await ada.page.inputValue("#messages .edit-form textarea"), "teh first try");
  await ada.page.press("#messages .edit-form textarea", "Escape");
  assert.equal(await ada.page.$("#messages .edit-form"), null);
  await ada.page.press("#composer-input", "ArrowUp");
  await ada.page.waitForSelector("#messages .edit-form textarea");
  await ada.page.fill("#messages .edit-form textarea", "the second try");
  await ada.page.press("#messages .edit-form textarea", "Enter");
  for (const person of [ada, bob]) {
    await person.sees("the second try");
    assert.equal((await person.texts()).includes("teh first try"), false);
  }
  assert.equal(await ada.page.$("#messages .edit-form"), null);
  await bob.page.waitForSelector(".message:has-text('the second try') >> text=edited");
});

test("a change from another window does not lose what is being typed", async () => {
  await ada.say("base");
  await ada.sees("base");
  const program = await server.program("ada");
  const [message] = (await program.history()).slice(-1);
  await ada.page.press("#composer-input", "ArrowUp");
  await ada.page.waitForSelector("#messages .edit-form textarea");
  await ada.page.fill("#messages .edit-form textarea", "typed here");
  await program.call("PATCH", `/messages/${message.id}`, { body: "changed there" });
  await ada.page.waitForSelector("text=It was changed elsewhere.");
  assert.equal(await ada.page.inputValue("#messages .edit-form textarea"), "typed here");
  await ada.page.press("#messages .edit-form textarea", "Enter");
  await bob.sees("typed here");
});

test("a reply shows what it answers and leads there", async () => {
  await bob.say("what is the plan?");
  await ada.sees("what is the plan?");
  const row = ada.page.locator("#messages > .message", { hasText: "what is the plan?" }).last();
  await row.hover();
  await ada.page.click('.toolbar [data-action="reply"]');
  await until("the chip names it", async () => /Replying to .*what is the plan\?/.test(await ada.page.textContent("#reply-chip")));
  await ada.say("tea, then talk");
  await bob.sees("tea, then talk");
  assert.equal(await ada.page.isVisible("#reply-chip"), false);
  const answer = bob.page.locator("#messages > .message", { hasText: "tea, then talk" });
  await until("the quote is shown", async () => /what is the plan\?/.test(await answer.locator(".message__quote").textContent()));
  await answer.locator(".message__quote").click();
  await bob.page.waitForSelector(".message--target:has-text('what is the plan?')");
});

test("deleting asks first, and leaves a line without the words for everybody", async () => {
  await ada.say("a secret said aloud");
  await bob.sees("a secret said aloud");
  const row = ada.page.locator("#messages > .message", { hasText: "a secret said aloud" });
  await row.hover();
  await ada.page.click('.toolbar [data-action="delete"]');
  await ada.page.click('#confirm-dialog button[value="cancel"]');
  assert.ok((await bob.texts()).includes("a secret said aloud"));
  await row.hover();
  await ada.page.click('.toolbar [data-action="delete"]');
  await ada.page.click("#confirm-dialog [data-ok]");
  for (const person of [ada, bob]) {
    await until("the words are gone", async () => !(await person.page.content()).includes("a secret said aloud"));
    await person.page.waitForSelector("#messages > .message[data-deleted]");
  }
  await bob.page.reload();
  assert.equal((await bob.page.content()).includes("a secret said aloud"), false);
  await bob.online();
});

test("others' messages have no edit or delete", async () => {
  await bob.say("this is mine");
  await ada.sees("this is mine");
  const eve = await Person.withCookie(server, await server.account("eve"));
  await eve.open();
  await eve.page.locator("#messages > .message", { hasText: "this is mine" }).hover();
  await eve.page.waitForSelector('.toolbar [data-action="reply"]');
  assert.equal(await eve.page.isVisible('.toolbar [data-action="edit"]'), false);
  assert.equal(await eve.page.isVisible('.toolbar [data-action="delete"]'), false);
});

test("hostile text is shown as text, live and after a load", async () => {
  const hostile = [
    '<script>window.pwned = 1</script>',
    '<img src=x onerror="window.pwned = 2">',
    '[click](javascript:window.pwned=3)',
    '<a href="/x" hx-get="/logout/" hx-trigger="load">x</a>',
    '<template><b>t</b></template><hx-partial hx-target="body" hx-swap="innerHTML">gone</hx-partial>',
    '<!--1:999999--><li id="main">forged</li>',
    '"><svg/onload=window.pwned=4>',
    '`</code><script>window.pwned = 5</script>`',
    '<div id="composer" class="toast" style="position:fixed;inset:0">over all</div>',
  ];
  for (const text of hostile) {
    await ada.say(text);
    await until(`${text} arrived`, async () => (await ada.pending()).length === 0 && (await bob.texts()).length > 0);
  }
  await ada.say("after the storm");
  await bob.sees("after the storm");
  for (const load of [false, true]) {
    if (load) await bob.open();
    const state = await bob.page.evaluate(() => ({
      pwned: window.pwned ?? null,
      composers: document.querySelectorAll("#composer").length,
      mains: document.querySelectorAll("#main").length,
      strange: document.querySelectorAll(".message__body :is(script, img, svg, template, iframe, [style], [id], [onerror], [onload], [hx-get], [hx-trigger])").length,
      links: [...document.querySelectorAll(".message__body a")].map((a) => a.protocol).filter((p) => !/^(https?|mailto):$/.test(p)),
    }));
    assert.deepEqual(state, { pwned: null, composers: 1, mains: 1, strange: 0, links: [] });
  }
  assert.ok((await bob.texts()).includes('<script>window.pwned = 1</script>'));
});

test("the owner of the house deletes what somebody else wrote; a member is not offered it", async () => {
  await bob.say("something unkind");
  await ada.sees("something unkind");
  const row = ada.page.locator("#messages > .message", { hasText: "something unkind" });
  const id = await row.getAttribute("id");
  await row.hover();
  await ada.page.waitForSelector(`#${id} .toolbar`);
  assert.equal(await ada.page.isVisible(`#${id} .toolbar [data-action="edit"]`), false);
  await ada.page.click(`#${id} .toolbar [data-action="delete"]`);
  await ada.page.waitForSelector("#confirm-dialog[open] >> text=Delete this message of bob?");
  await ada.page.click("#confirm-dialog [data-ok]");
  await bob.page.waitForSelector(`#${id}[data-deleted]`);

  await ada.say("something of Ada's");
  await bob.sees("something of Ada's");
  const hers = await bob.page.locator("#messages > .message", { hasText: "something of Ada's" }).getAttribute("id");
  await bob.page.hover(`#${hers}`);
  await bob.page.waitForSelector(`#${hers} .toolbar`);
  assert.equal(await bob.page.isVisible(`#${hers} .toolbar [data-action="delete"]`), false);
  await bob.page.focus(`#${hers}`);
  await bob.page.keyboard.press("Delete");
  assert.equal(await bob.page.$("#confirm-dialog[open]"), null);
});
