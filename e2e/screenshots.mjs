/**
 * Makes the screenshots from the running product: `node screenshots.mjs` fills
 * docs/screenshots, `node screenshots.mjs --all FOLDER` makes every scene in every size and
 * both themes, to be judged and thrown away.
 */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { closeBrowser, Person, Server } from "./support.mjs";

const all = process.argv[2] === "--all";
const folder = all ? process.argv[3] : path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), "docs/screenshots");
const only = process.argv[4];
const sizes = { wide: { width: 1440, height: 900 }, medium: { width: 1024, height: 768 }, phone: { width: 390, height: 844 } };
const views = Object.entries(sizes).flatMap(([size, viewport]) => ["light", "dark"].map((theme) => ({ name: `${size}-${theme}`, viewport, theme, isPhone: size === "phone" })));
/** What is kept in the repository: under 3 MB in all. */
const kept = (scene) => {
  if (scene === "busy-room") return views.map(({ name }) => name);
  if (["confirm", "room-settings"].includes(scene)) return [];
  if (["room-list", "edit"].includes(scene)) return ["phone-dark"];
  if (["set-up", "compact", "members", "sign-up-refused"].includes(scene)) return ["wide-light"];
  if (scene === "not-found") return ["phone-light"];
  return scene === "people" || scene === "log-in" ? ["wide-dark"] : ["wide-light", "phone-dark"];
};

const talk = [
  ["grace", "Morning! The kettle is on."],
  ["alan", "Is it the good tea or the *other* tea?"],
  ["grace", "The good one. @ada bought it."],
  ["ada", "Only because somebody finished the last tin :)"],
  ["katherine", "I looked at the numbers again. The orbit closes, we just had the sign of the second term wrong:\n\n```\nlet drift = -0.5 * a * t * t;\n```"],
  ["alan", "That explains why it flew the wrong way round on Tuesday."],
  ["katherine", "Tuesday was **not** my fault."],
  ["grace", "> we just had the sign of the second term wrong\n\nFamous last words. I have put it on the list:\n\n- fix the sign\n- run the long test\n- tell the others"],
  ["edsger", "Testing shows the presence of bugs, never their absence."],
  ["alan", "Somebody had to say it."],
  ["ada", "I can run the long test tonight. It wants the big machine for about four hours."],
  ["grace", "Yours from eight. Notes are at https://example.org/notes/long-test"],
];

const server = await new Server().start();
mkdirSync(folder, { recursive: true });

async function shoot(scene, cookie, act) {
  if (only && only !== scene) return;
  for (const view of views) {
    if (!all && !kept(scene).includes(view.name)) continue;
    const session = typeof cookie === "function" ? cookie(view) : cookie;
    const person = session === null ? await Person.at(server, options(view)) : await Person.withCookie(server, session, options(view));
    await act(person.page, view);
    await person.page.evaluate(() => document.fonts.ready);
    await person.page.screenshot({ path: path.join(folder, `${scene}-${view.name}.png`), animations: "disabled", caret: "hide" });
    await person.context.close();
  }
  console.log(scene);
}

const options = ({ viewport, theme, isPhone }) => ({ viewport, colorScheme: theme, ...(isPhone ? { isMobile: true, hasTouch: true } : {}) });
const open = (address) => async (page) => {
  await page.goto(server.url + address);
  await page.waitForLoadState("networkidle").catch(() => {});
};
const openRoom = (address) => async (page) => {
  await open(address)(page);
  await page.waitForSelector('[data-connection][data-state="online"]', { state: "attached" });
};

try {
  await shoot("set-up", null, open("/setup"));
  const ada = await server.account("ada", { isOwner: true, display_name: "Ada Lovelace" });
  await shoot("empty-lobby", ada, openRoom("/rooms/lobby/"));
  await shoot("log-in", null, open("/login/"));
  await shoot("sign-up-refused", null, async (page) => {
    await open("/signup/")(page);
    await page.fill('[name="username"]', "Ada");
    await page.fill('[name="password"]', "password");
    await page.fill('[name="password_confirm"]', "passwort");
    await page.click("main form button:not([type=button])");
    await page.waitForSelector('[aria-invalid="true"]');
  });

  const names = { grace: "Grace Hopper", alan: "Alan Turing", katherine: "Katherine Johnson", edsger: "Edsger Dijkstra" };
  const people = { ada: await server.program("ada") };
  for (const [name, display] of Object.entries(names)) {
    await server.account(name, { display_name: display });
    people[name] = await server.program(name);
  }
  const rooms = {};
  for (const [name, topic] of [["Workshop", "What we build, and what broke"], ["Tea room", "No work in here"], ["Reading list", "Papers, books, and who has them"], ["Trajectories", "Numbers only"]]) {
    rooms[name] = (await people.grace.call("POST", "/rooms", { name, topic })).body;
    await people.ada.call("PUT", `/rooms/${rooms[name].id}/members/me`);
  }
  for (const name of ["alan", "katherine", "edsger"]) await people[name].call("PUT", `/rooms/${rooms.Workshop.id}/members/me`);
  // Reading moves on with the first look, so each view of the unread line has its own reader.
  const readers = [];
  for (const display of ["Mary Jackson", "Dorothy Vaughan", "Annie Easley", "Christine Darden", "Margaret Hamilton", "Joan Clarke"]) {
    const [name] = display.toLowerCase().split(" ");
    const cookie = await server.account(name, { display_name: display });
    const program = await server.program(name);
    await program.call("PUT", `/rooms/${rooms.Workshop.id}/members/me`);
    readers.push({ cookie, program });
  }
  const made = [];
  for (const [name, text] of talk) made.push(await people[name].post(text, rooms.Workshop.id));
  await people.ada.call("POST", `/rooms/${rooms.Workshop.id}/messages`, { body: "They are good. One question in the margin.", reply_to: made.at(-1).id });
  const wrong = await people.alan.post("wrong window, sorry", rooms.Workshop.id);
  await people.alan.call("DELETE", `/messages/${wrong.id}`);
  await people.katherine.call("PATCH", `/messages/${made[6].id}`, { body: "Tuesday was **not** my fault. Wednesday, maybe." });
  await people.grace.post("@ada there is cake", rooms["Tea room"].id);
  await people.edsger.call("PUT", `/rooms/${rooms["Reading list"].id}/members/me`);
  await people.edsger.post("Who has the blue one?", rooms["Reading list"].id);

  const [newest] = (await people.ada.history(rooms.Workshop.id)).slice(-1);
  await people.ada.call("PUT", `/rooms/${rooms.Workshop.id}/read`, { seq: newest.seq });
  await shoot("busy-room", ada, async (page) => {
    await openRoom(`/rooms/${rooms.Workshop.slug}/`)(page);
    await page.fill("#composer-input", "See you all at eight");
    await page.locator("#messages > .message").nth(-2).hover().catch(() => {});
  });
  await shoot("compact", ada, async (page) => {
    await page.addInitScript(() => localStorage.setItem("parlour:density", "compact"));
    await openRoom(`/rooms/${rooms.Workshop.slug}/`)(page);
  });
  await shoot("room-list", ada, async (page, view) => {
    await openRoom(`/rooms/${rooms.Workshop.slug}/`)(page);
    if (view.isPhone) await page.click(".room-head__back");
  });
  await shoot("members", ada, async (page) => {
    await openRoom(`/rooms/${rooms.Workshop.slug}/`)(page);
    await page.click(".room-head__members");
    await page.waitForSelector("#panel:visible");
  });
  await shoot("failed-message", ada, async (page) => {
    await openRoom(`/rooms/${rooms.Workshop.slug}/`)(page);
    await page.route("**/rooms/*/messages", (route) => route.fulfill({ status: 403, contentType: "text/html", body: '<p class="refusal" data-code="forbidden">This room is archived: it can be read, not changed.</p>' }));
    await page.fill("#composer-input", "I will bring the other notebook, too.");
    await page.click("#composer-send");
    await page.waitForSelector("#pending .message__choices:visible");
  });
  await shoot("offline", ada, async (page) => {
    if (server.isDown) await server.start();
    await openRoom(`/rooms/${rooms.Workshop.slug}/`)(page);
    await server.kill();
    await page.fill("#composer-input", "Is anybody there?");
    await page.click("#composer-send");
    await page.waitForSelector("text=Offline. Messages are kept");
    await page.waitForSelector('[data-connection][data-state="offline"]', { state: "attached" });
  });
  if (server.isDown) await server.start();
  await shoot("edit", ada, async (page) => {
    await openRoom(`/rooms/${rooms.Workshop.slug}/`)(page);
    await page.focus("#composer-input");
    await page.fill("#composer-input", "");
    await page.press("#composer-input", "ArrowUp");
    await page.waitForSelector("#messages .edit-form");
  });
  await shoot("confirm", ada, async (page) => {
    await openRoom(`/rooms/${rooms.Workshop.slug}/`)(page);
    await page.locator("#messages > .message--mine").last().focus();
    await page.keyboard.press("Delete");
    await page.waitForSelector("#confirm-dialog[open]");
  });
  for (const { program } of readers) await program.call("PUT", `/rooms/${rooms.Workshop.id}/read`, { seq: made[8].seq });
  await shoot("unread-line", ({ name }) => readers[views.findIndex((view) => view.name === name)].cookie, async (page) => {
    await openRoom(`/rooms/${rooms.Workshop.slug}/`)(page);
    // Read by now: the line stays, the mark in the list is gone.
    await page.waitForSelector('.room-link[aria-current="page"][data-unread="0"]', { state: "attached" });
  });
  await shoot("browse", ada, open("/rooms/"));
  await shoot("settings", ada, open("/settings/"));
  await shoot("room-settings", ada, open(`/rooms/${rooms.Workshop.slug}/settings`));
  await shoot("not-found", ada, open("/rooms/nowhere/"));
  await shoot("people", ada, open("/admin/"));
} finally {
  await closeBrowser();
  await server.remove();
}
