/**
 * What every story needs: a server of its own on a free port and an empty folder, people in
 * browsers, and waiting for conditions. Nothing is shared between stories.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const binary = process.env.PARLOUR_BIN ?? path.join(root, "target/debug/parlour");
const chromiumPath = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find(existsSync);

export const password = "correct-horse-battery";

/** Waits until `check` gives something true. */
export async function until(what, check, ms = 15_000) {
  const deadline = Date.now() + ms;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > deadline) assert.fail(`gave up waiting: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

/** A server; `kill` and `start` may be repeated, the folder and the address stay. */
export class Server {
  constructor(env = {}) {
    this.dir = mkdtempSync(path.join(tmpdir(), "parlour-e2e-"));
    this.env = env;
    this.listen = "127.0.0.1:0";
  }

  async start() {
    if (!existsSync(binary)) assert.fail(`${binary} is missing: run "cargo build -p parlour" first`);
    this.log = "";
    this.process = spawn(binary, [], {
      cwd: this.dir,
      env: { PATH: process.env.PATH, HOME: this.dir, PARLOUR_LISTEN: this.listen, PARLOUR_DATA_DIR: path.join(this.dir, "data"), PARLOUR_RATE_LIMITS: "off", ...this.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.exit = new Promise((resolve) => this.process.once("exit", (code, signal) => resolve({ code, signal })));
    this.exit.then(() => (this.isDown = true));
    this.isDown = false;
    this.process.stderr.on("data", (data) => (this.log += data));
    let out = "";
    this.process.stdout.on("data", (data) => (out += data));
    const address = await until("the server listens", () => {
      if (this.isDown) assert.fail(`the server stopped at once:\n${this.log}`);
      return /listening on http:\/\/(\S+)/.exec(out)?.[1];
    }, 30_000);
    this.listen = address;
    this.url = `http://${address}`;
    return this;
  }

  async kill(signal = "SIGKILL") {
    this.process.kill(signal);
    return this.exit;
  }

  async remove() {
    if (!this.isDown) await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Makes the owner by the API-free way people take: the form of `/setup`. */
  async post(address, fields, cookie = "") {
    return fetch(this.url + address, {
      method: "POST",
      redirect: "manual",
      headers: { Origin: this.url, Cookie: cookie },
      body: new URLSearchParams(fields),
    });
  }

  /** An account made without a browser; gives its session cookie. */
  async account(username, { isOwner = false, ...more } = {}) {
    const answer = await this.post(isOwner ? "/setup" : "/signup/", { username, password, password_confirm: password, ...more });
    assert.equal(answer.status, 303, `${username}: ${answer.status} ${(await answer.text()).match(/field__error[\s\S]{0,300}/)?.[0] ?? ""}`);
    return answer.headers.getSetCookie().map((line) => line.split(";")[0]).join("; ");
  }

  /** A program: a token and what it may do with it. */
  async program(username) {
    const made = await fetch(`${this.url}/api/v1/tokens`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username, password, name: "story" }),
    });
    assert.equal(made.status, 201, await made.clone().text());
    const { token } = await made.json();
    const call = async (method, address, body, headers = {}) => {
      const answer = await fetch(`${this.url}/api/v1${address}`, {
        method,
        headers: { Authorization: `Bearer ${token}`, ...(body ? { "Content-Type": "application/json" } : {}), ...headers },
        body: body ? JSON.stringify(body) : undefined,
      });
      const text = await answer.text();
      return { status: answer.status, body: text ? JSON.parse(text) : null };
    };
    return {
      call,
      post: async (body, room = 1) => {
        const answer = await call("POST", `/rooms/${room}/messages`, { body });
        assert.equal(answer.status, 201, JSON.stringify(answer.body));
        return answer.body;
      },
      /** The whole room, oldest first. */
      history: async (room = 1) => {
        const items = [];
        let query = "?limit=100";
        for (;;) {
          const page = await call("GET", `/rooms/${room}/messages${query}`);
          assert.equal(page.status, 200, JSON.stringify(page.body));
          items.unshift(...page.body.items);
          if (!page.body.next) return items;
          query = `?limit=100&cursor=${encodeURIComponent(page.body.next)}`;
        }
      },
    };
  }
}

/** @type {import("playwright-core").Browser | undefined} */
let browser;

export async function openBrowser() {
  if (!chromiumPath) assert.fail("Chromium is missing: run `sudo apt-get install -y chromium`, or set CHROMIUM to its path");
  browser ??= await chromium.launch({
    executablePath: chromiumPath,
    args: [
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
    ],
  });
  return browser;
}

export async function closeBrowser() {
  await browser?.close();
  browser = undefined;
}

/** A person at a browser of their own. */
export class Person {
  static async at(server, options = {}) {
    const person = new Person();
    person.server = server;
    person.context = await (await openBrowser()).newContext({ viewport: { width: 1200, height: 800 }, locale: "en-GB", ...options });
    person.page = await person.context.newPage();
    person.faults = [];
    person.page.on("pageerror", (error) => person.faults.push(String(error)));
    person.page.on("console", (line) => {
      // What the network refuses is part of the stories; what a script or the policy says is not.
      if (line.type() === "error" && !/Failed to load resource|WebSocket connection|htmx:ws:error/.test(line.text())) person.faults.push(line.text());
    });
    return person;
  }

  /** A person who has an account already, by its cookie. */
  static async withCookie(server, cookie, options = {}) {
    const person = await Person.at(server, options);
    const { hostname } = new URL(server.url);
    await person.context.addCookies(cookie.split("; ").map((pair) => {
      const at = pair.indexOf("=");
      return { name: pair.slice(0, at), value: pair.slice(at + 1), domain: hostname, path: "/" };
    }));
    return person;
  }

  async fillAccount(address, fields) {
    await this.page.goto(this.server.url + address);
    for (const [name, value] of Object.entries(fields)) await this.page.fill(`[name="${name}"]`, value);
    await Promise.all([this.page.waitForURL(/\/rooms\/lobby\//), this.page.click("main form button:not([type=button])")]);
  }

  setUp(username = "ada") {
    return this.fillAccount("/setup", { username, password, password_confirm: password });
  }

  signUp(username) {
    return this.fillAccount("/signup/", { username, password, password_confirm: password });
  }

  logIn(username) {
    return this.fillAccount("/login/", { username, password });
  }

  async open(address = "/rooms/lobby/") {
    await this.page.goto(this.server.url + address);
    await this.online();
  }

  async online() {
    await this.page.waitForSelector('[data-connection][data-state="online"]', { state: "attached", timeout: 30_000 });
  }

  async say(text) {
    await this.page.fill("#composer-input", text);
    await this.page.press("#composer-input", "Enter");
  }

  /** The texts of the timeline, top to bottom. */
  texts() {
    return this.page.$$eval("#messages > .message .message__body", (all) => all.map((one) => one.textContent.trim()));
  }

  pending() {
    return this.page.$$eval("#pending > li .message__body", (all) => all.map((one) => one.textContent.trim()));
  }

  async sees(text, ms) {
    await until(`"${text}" is on the page (last: ${(await this.texts()).slice(-3).join(" | ")})`, async () => (await this.texts()).includes(text), ms);
  }

  /** A mark on the window that a page load would wipe away. */
  async markWindow() {
    await this.page.evaluate(() => (window.storyMarker = "still here"));
  }

  async assertNotReloaded() {
    assert.equal(await this.page.evaluate(() => window.storyMarker), "still here", "the page was loaded again");
  }

  assertQuiet() {
    assert.deepEqual(this.faults, []);
  }
}

/** Each text once, and none but these, in this order. */
export function assertExactly(actual, expected) {
  assert.deepEqual(actual, expected);
}
