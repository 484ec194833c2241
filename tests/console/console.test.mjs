// The console as people meet it, in a headless Chromium.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { ask, fill, life, place, start } from "./server.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1440, height: 900 };

let server;
let browser;
let orders;

before(async () => {
  server = await start();
  orders = await fill(server);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

// A page whose every complaint, and every request that goes elsewhere, fails the test.
async function open(hash, options = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const trouble = [];
  page.on("pageerror", (error) => trouble.push(error.message));
  page.on("console", (message) => {
    // The browser notes each refusal of the server; the page is to show it, and does.
    const isNoted = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isNoted) trouble.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(`${server.base}/`)) trouble.push(`a request to ${request.url()}`);
  });
  await page.goto(`${server.base}/#/${hash}`);
  await settled(page);
  return { page, trouble, close: () => context.close() };
}

// Until all parts of a page have been read, and are shown or refused.
async function settled(page) {
  await page.waitForSelector("main h1");
  await page.waitForFunction(() => document.querySelector("main .page")?.children.length > 0 && !document.querySelector("[aria-busy='true']"));
}

const button = (scope, name) => scope.getByRole("button", { name, exact: true });
const told = async (page, text) => {
  try {
    await page.waitForFunction((wanted) => document.getElementById("told").textContent.includes(wanted), text, { timeout: 5_000 });
  } catch {
    const alerts = await page.getByRole("alert").allTextContents();
    throw new Error(`it does not say ${JSON.stringify(text)}, but ${JSON.stringify(alerts)}`);
  }
};

// Presses an action, sends what the dialog proposes, and waits for its acceptance.
async function act(page, scope, name) {
  await button(scope, name).click();
  await button(page.getByRole("dialog"), "Send").click();
  await told(page, `${name}: accepted`);
  await settled(page);
}

const pages = () => ({
  overview: "", orders: "orders", order: `orders/${orders.confirmed}`, stock: "stock", level: "stock?sku=shirt",
  fulfilment: "fulfilment?location=berlin", returns: "returns", sellers: "sellers", seller: "sellers/acme", configuration: "configuration",
  integrations: "integrations", recovery: "recovery", access: "access",
});

// What takes hours to come by, or closes the door behind itself: a webhook in trouble, consumers, tokens.
const HOOK = {
  endpoint: 7, url: "https://erp.example/hooks/with/a/path/that/is/rather/long", label: "ERP", state: "active",
  types: ["org.orderline.order.placed.v1", "org.orderline.order.confirmed.v1"], entity: null, seller: null, location: null, next: 9, lag: 3,
  pending_count: 1, delivered_count: 12_345, failed_count: 8, delivered_at: "2026-11-27T10:00:00Z", failing_since: "2026-11-27T10:01:00Z",
  last_error: "503 Service Unavailable", dead_letter_count: 1, dropped_count: 0, secret_count: 1,
};
const CONSUMERS = [{ name: "erp.positions", position: 12_345, lag: 1_002 }, { name: "warehouse", position: 13_347, lag: 0 }];
const TOKENS = [
  { token: 1, version: 1, label: "root", role: "operator", seller: null, locations: [], expires_at: null, commands_per_s_max: null, is_revoked: false },
  { token: 2, version: 1, label: "Acme's own system for orders", role: "seller", seller: "acme", locations: [], expires_at: "2099-12-31T12:00:00Z", commands_per_s_max: 500, is_revoked: false },
  { token: 3, version: 2, label: "Berlin", role: "warehouse", seller: null, locations: ["berlin", "leeds"], expires_at: null, commands_per_s_max: null, is_revoked: true },
];

async function furnish(page) {
  await page.route("**/v1/webhooks", (route) => route.fulfill({ json: [HOOK] }));
  await page.route("**/v1/consumers", (route) => route.fulfill({ json: CONSUMERS }));
  await page.route("**/v1/tokens*", (route) => route.fulfill({ json: { items: TOKENS, next: null } }));
  await page.reload();
  await settled(page);
}

// A picture of the whole page, or of what stands before it.
async function shoot(page, name, fullPage = true) {
  if (process.env.PICTURES) await page.screenshot({ path: join(process.env.PICTURES, `${name}.png`), fullPage });
}

for (const [screen, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
  for (const colorScheme of ["light", "dark"]) {
    test(`every page fits and can be used on a ${screen}, ${colorScheme}`, async () => {
      for (const [name, hash] of Object.entries(pages())) {
        const { page, trouble, close } = await open(hash, { viewport, colorScheme });
        if (["integrations", "access"].includes(name)) await furnish(page);
        if (name === "recovery") {
          await button(page, "Verify now").click();
          await page.getByText("Everything is as it was written.").waitFor();
        }
        await page.evaluate(axe);
        const look = async (shown, fullPage) => {
          const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(beyond <= 0, `${shown} is wider than the screen by ${beyond}`);
          const { violations } = await page.evaluate(() => window.axe.run());
          const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" ")}`);
          assert.deepEqual(found, [], `${shown}, for those who see or move otherwise`);
          await shoot(page, `${shown}-${screen}-${colorScheme}`, fullPage);
        };
        await look(name);
        const change = { configuration: "Change the policies", access: "New token", order: "Request return" }[name];
        if (change) {
          await button(page, change).first().click();
          if (name === "configuration") await page.getByLabel("A pending order waits").fill("900");
          await look(`${name}-change`, false);
        }
        assert.deepEqual(trouble, [], name);
        await close();
      }
    });
  }
}

test("an order is taken through its life by the actions that it offers, and by no others", async () => {
  const id = await place(server.base);
  await ask(server.base, "POST", `/v1/groups/${id}/authorizations`, { amount_minor: 5098, currency: "EUR" });
  const { page, trouble, close } = await open(`orders/${id}`);
  const ofOrder = page.getByRole("group", { name: "What may be done with the order" });
  const part = (name) => page.locator("section").filter({ has: page.getByRole("heading", { name, exact: true }) });
  const offered = () => ofOrder.getByRole("button").allTextContents();

  assert.deepEqual(await offered(), ["Confirm", "Cancel", "Edit", "Hold", "Refund", "Change the address"]);
  await act(page, ofOrder, "Hold");
  assert.ok(await button(ofOrder, "Confirm").isDisabled(), "the hold stops it");
  await act(page, part("Holds"), "Release");
  await act(page, ofOrder, "Confirm");
  assert.ok(!(await offered()).includes("Confirm"), "once is enough");
  await act(page, part("Payment"), "Capture");
  await act(page, part("Work of locations"), "Accept");
  await act(page, part("Work of locations"), "Start");
  await act(page, part("Work of locations"), "Ship");
  await act(page, part("Packages"), "Deliver");
  await act(page, ofOrder, "Request return");
  await act(page, part("Returns"), "Approve");
  await act(page, part("Returns"), "Receive");
  await act(page, ofOrder, "Refund");
  await act(page, part("Refunds"), "Succeed");
  await act(page, part("Returns"), "Close");

  const events = await part("Timeline").locator("li strong").allTextContents();
  assert.equal(events[0], "order placed");
  assert.deepEqual(events.slice(-2), ["refund settled", "return updated"]);

  const order = await ask(server.base, "GET", `/v1/orders/${id}`);
  assert.deepEqual(
    [order.state, order.payment_status, order.return_status, order.refunded_minor],
    ["completed", "refunded", "returned", 5098]);
  assert.deepEqual(trouble, []);
  await close();
});

test("orders are found by what is known of them, and by the work that they are", async () => {
  const { page, trouble, close } = await open("orders");
  await page.getByLabel("Buyer").fill("42");
  await page.getByLabel("State").selectOption("pending");
  await button(page, "Search").click();
  await page.getByRole("link", { name: orders.pending }).click();
  await page.getByRole("heading", { name: `Order ${orders.pending} pending` }).waitFor();
  await page.goto(`${server.base}/#/fulfilment?location=berlin`);
  await page.getByRole("link", { name: orders.confirmed }).waitFor();
  await page.getByLabel("State").selectOption("on hold");
  await page.getByText("Nothing waits here.").waitFor();
  await page.goto(`${server.base}/#/returns`);
  await page.getByRole("link", { name: orders.confirmed }).waitFor();
  await page.getByLabel("Which").selectOption("Approved");
  await page.getByRole("link", { name: orders.confirmed }).waitFor({ state: "detached" });
  await page.getByLabel("Which").selectOption("Requested");
  await page.getByRole("link", { name: orders.confirmed }).waitFor();
  assert.deepEqual(trouble, []);
  await close();
});

test("a webhook is made, paused and removed; its secret is shown once", async () => {
  const { page, trouble, close } = await open("integrations");
  await button(page, "New webhook").click();
  await page.getByLabel("Address").fill("https://erp.example/hooks");
  await page.getByLabel("Name").fill("ERP");
  await button(page.getByRole("dialog"), "Send").click();
  assert.match(await page.locator(".secret").textContent(), /^whsec_/);
  await button(page, "I have it").click();
  await page.locator(".secret").waitFor({ state: "detached" });
  const row = page.getByRole("row").filter({ hasText: "ERP" });
  // What it gets is changed in sight of what it got.
  await button(row, "Change").click();
  const dialog = page.getByRole("dialog");
  assert.ok(await button(dialog, "Send").isDisabled(), "nothing would change");
  await dialog.getByLabel("Types of events").fill("org.orderline.order.placed.v1");
  assert.deepEqual(await dialog.locator(".difference tbody tr").allTextContents(), ["Types of eventsnoneorg.orderline.order.placed.v1"]);
  await button(dialog, "Send").click();
  await told(page, "Change ERP: done");
  await settled(page);
  await button(row, "New secret").click();
  await button(dialog, "Send").click();
  assert.match(await page.locator(".secret").textContent(), /^whsec_/);
  await button(page, "I have it").click();
  for (const [name, said] of [["Pause", "Pause ERP: done"], ["Go on", "Go on with ERP: done"], ["Remove", "Remove ERP: done"]]) {
    await button(row, name).click();
    await button(page.getByRole("dialog"), "Send").click();
    await told(page, said);
    await settled(page);
  }
  await page.getByText("Nobody is told of events.").waitFor();
  await button(page, "Follow").click();
  await page.getByRole("list", { name: "Newest events" }).getByRole("listitem").first().waitFor();
  assert.deepEqual(trouble, []);
  await close();
});

test("charts move with what happens", async () => {
  const { page, trouble, close } = await open("");
  const chart = (name) => page.locator("figure.chart").filter({ hasText: name });
  const drawn = () => chart("Commands a second").locator("path").first().getAttribute("d");
  await page.waitForFunction(() => document.querySelector("figure.chart path")?.getAttribute("d")?.includes("L"));
  const before = await drawn();
  const id = await place(server.base);
  await ask(server.base, "POST", `/v1/orders/${id}/holds/9/release`, {}).catch(() => {});
  await chart("Refused a second, by reason").getByText("UnknownHold").waitFor();
  assert.notEqual(await drawn(), before);
  await page.locator("section").filter({ hasText: "Refused since the start" }).getByText("UnknownHold").waitFor();
  assert.deepEqual(trouble, []);
  await close();
});

test("the overview as a picture, while orders come", { skip: !process.env.PICTURES && "pictures were not asked for" }, async () => {
  const own = await start();
  await fill(own);
  const id = await place(own.base);
  const shown = [];
  for (const [screen, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
      const page = await context.newPage();
      await page.goto(`${own.base}/#/`);
      shown.push({ page, name: `overview-${screen}-${colorScheme}` });
    }
  }
  const refuse = setInterval(() => {
    for (const [path, often] of [[`orders/${id}/holds/9/release`, 0.9], [`orders/${id}/shipments/9/steps`, 0.4]]) {
      if (Math.random() < often) ask(own.base, "POST", `/v1/${path}`, path.endsWith("steps") ? { step: "send" } : {}).catch(() => {});
    }
  }, 150);
  for (const rate of [40, 90, 60]) await life(own.tcp, ["--seconds", "10", "--rate", String(rate)]);
  clearInterval(refuse);
  for (const { page, name } of shown) {
    await shoot(page, name);
    await page.context().close();
  }
  await own.stop();
});

test("what is on disk is shown, and verified when somebody asks", async () => {
  const { page, trouble, close } = await open("recovery");
  await page.getByText("No drill is on record.").waitFor();
  await page.getByRole("cell", { name: "journal/00000001.segment" }).waitFor();
  const before = await ask(server.base, "GET", "/v1/recovery/verify");
  const sent = page.waitForResponse((response) => response.request().method() === "POST");
  await button(page, "Verify now").click();
  assert.equal((await sent).status(), 202);
  await page.locator(".stand .badge", { hasText: "ok" }).waitFor();
  const isNewer = ({ running, last }) => running === null && last.started_at !== before.last?.started_at;
  while (!isNewer(await ask(server.base, "GET", "/v1/recovery/verify"))) await page.waitForTimeout(20);
  const { last } = await ask(server.base, "GET", "/v1/recovery/verify");
  assert.deepEqual([last.ok, last.records], [true, last.to_sequence]);
  assert.deepEqual(trouble, []);

  // While one is under way its progress is shown, and its faults once it has ended.
  const running = { started_at: "2026-11-27T10:00:00Z", to_sequence: 4000, records: 1000, records_total: 4000, snapshots: 2, snapshots_total: 2, bytes: 2 ** 20 };
  const fault = { file: "journal/00000001.segment", offset: 8192, sentence: "journal/00000001.segment is corrupt at offset 8192: the checksum, expected 1, found 2." };
  let stands = [{ running, last: null }, { running: null, last: { ...last, ok: false, faults: [fault] } }];
  await page.route("**/v1/recovery/verify", (route) => route.fulfill({ json: stands.length > 1 ? stands.shift() : stands[0] }));
  await page.reload();
  await page.getByText("Journal: 1,000 of 4,000 records.").waitFor();
  assert.equal(await page.getByRole("progressbar").getAttribute("value"), "1000");
  await page.getByRole("cell", { name: "8,192" }).waitFor();
  await page.getByText("Something is not as it was written.").waitFor();
  await close();
});

test("tokens are made, shown once, bounded and revoked", async () => {
  const own = await start();
  const context = await browser.newContext({ viewport: DESKTOP, permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  await page.goto(`${own.base}/#/access`);
  const dialog = page.getByRole("dialog");
  const made = async (fields) => {
    await settled(page);
    await button(page, "New token").click();
    for (const [label, value] of Object.entries(fields)) {
      const field = dialog.getByLabel(label, { exact: true });
      if (label === "Role") await field.selectOption(value);
      else await field.fill(value);
    }
    await button(dialog, "Send").click();
    const secret = await page.locator(".secret").textContent();
    assert.match(secret, /^[0-9a-f]{64}$/);
    return secret;
  };
  await ask(own.base, "PUT", "/v1/sellers/acme", { commission_bp: 1000 });
  // The first one closes the door behind whoever made it, unless the tab takes it.
  const root = await made({ Label: "root", Role: "operator" });
  await button(page, "Copy").click();
  await page.getByText("It is in the clipboard.").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), root);
  await button(page, "Use it in this tab").click();
  await button(page, "I have it").click();
  await page.getByText(`It asks with the token that ends in ${root.slice(-4)}.`).waitFor();

  const seller = await made({ Label: "Acme's ERP", Role: "seller", Seller: "acme", Expires: "2099-12-31T12:00:00", "Commands a second": "50" });
  await button(page, "I have it").click();
  const row = page.getByRole("row").filter({ hasText: "Acme's ERP" });
  await row.getByText("2099").waitFor();
  assert.deepEqual((await row.getByRole("cell").allTextContents()).toSpliced(5, 1), ["2", "Acme's ERP", "seller", "acme", "active", "50", "Revoke"]);

  for (const location of ["leeds", "york"]) await ask(own.base, "PUT", `/v1/locations/${location}`, {}, root);
  await made({ Label: "Night shift", Role: "warehouse", Locations: "york\n leeds \n" });
  await button(page, "I have it").click();
  const shift = page.getByRole("row").filter({ hasText: "Night shift" });
  assert.equal(await shift.getByRole("cell", { name: "leeds, york" }).count(), 1);
  await button(page, "New token").click();
  await dialog.getByLabel("Label", { exact: true }).fill("Wrong");
  await dialog.getByLabel("Role", { exact: true }).selectOption("warehouse");
  await dialog.getByLabel("Locations", { exact: true }).fill("leeds\nleeds");
  await button(dialog, "Send").click();
  await dialog.getByText('"leeds" is there twice.').waitFor();
  await button(dialog, "Back").click();
  assert.equal((await fetch(`${own.base}/v1/sellers/acme/entries`, { headers: { Authorization: `Bearer ${seller}` } })).status, 200);
  await button(row, "Revoke Acme's ERP").click();
  await button(dialog, "Send").click();
  await row.getByText("revoked").waitFor();
  assert.equal((await fetch(`${own.base}/v1/sellers/acme/entries`, { headers: { Authorization: `Bearer ${seller}` } })).status, 401);
  assert.ok(!(await page.content()).includes(seller), "its secret is nowhere any more");
  await context.close();
  await own.stop();
});

test("dead letters are looked at and delivered again, and consumers moved on and forgotten", async () => {
  await ask(server.base, "PUT", "/v1/consumers/erp", { position: 1 });
  const letter = { sequence: 8, subject: orders.pending, ids: [orders.pending], attempts: 8, error: "503 Service Unavailable", given_up_at_us: 1_795_774_000_000_000, body: "{}" };
  const { page, trouble, close } = await open("");
  await page.route("**/v1/webhooks", (route) => route.fulfill({ json: [HOOK] }));
  await page.route("**/v1/webhooks/7/dead-letters", (route) => route.fulfill({ json: [letter] }));
  const sent = [];
  await page.route("**/v1/webhooks/7/replay", (route) => {
    sent.push(route.request().postDataJSON());
    return route.fulfill({ status: 202 });
  });
  await page.goto(`${server.base}/#/integrations`);
  await settled(page);
  await button(page, "Dead letters").click();
  await button(page, "Deliver again").click();
  await button(page.getByRole("dialog"), "Send").click();
  await told(page, "Deliver 8 again: done");
  await button(page, "Replay").click();
  await page.getByLabel("From which sequence").fill("5");
  await button(page.getByRole("dialog"), "Send").click();
  await told(page, "Replay to ERP: done");
  await settled(page);
  assert.deepEqual(sent, [{ dead_letter: 8 }, { from: 5 }]);
  const row = page.getByRole("row").filter({ hasText: "erp" }).last();
  await button(row, "Move on").click();
  await page.getByLabel("Has everything up to").fill("3");
  await button(page.getByRole("dialog"), "Send").click();
  await told(page, "Move erp on: done");
  assert.equal((await ask(server.base, "GET", "/v1/consumers/erp")).position, 3);
  await settled(page);
  await button(row, "Forget").click();
  await button(page.getByRole("dialog"), "Send").click();
  await page.getByText("Nobody keeps a place in the feed.").waitFor();
  assert.deepEqual(trouble, []);
  await close();
});

test("every row of the transition table has its words", async () => {
  const { page, close } = await open("");
  const unknown = await page.evaluate(async () => {
    const { unknownRows } = await import("/console/actions.js");
    return unknownRows(await (await fetch("/v1/transitions")).json());
  });
  assert.deepEqual(unknown, []);
  await close();
});

test("a change is shown old against new, and sent only then", async () => {
  const { page, trouble, close } = await open("configuration");
  const row = page.getByRole("row").filter({ hasText: "acme" }).first();
  await button(row, "Change acme").click();
  const dialog = page.getByRole("dialog");
  assert.ok(await button(dialog, "Send").isDisabled(), "nothing would change");
  await dialog.getByLabel("Commission in basis points").fill("900");
  assert.deepEqual(await dialog.locator(".difference tbody tr").allTextContents(), ["Commission in basis points1250900"]);
  await dialog.getByLabel("Commission in basis points").fill("none");
  assert.ok(await button(dialog, "Send").isDisabled());
  await dialog.getByLabel("Commission in basis points").fill("900");
  assert.equal((await ask(server.base, "GET", "/v1/sellers/acme")).commission_bp, 1250);

  // Somebody else is quicker: what was looked at is not what would be changed.
  await ask(server.base, "PUT", "/v1/sellers/acme", { commission_bp: 1100 });
  await button(dialog, "Send").click();
  await dialog.getByRole("alert").waitFor();
  assert.match(await dialog.getByRole("alert").textContent(), /version/i);
  assert.equal((await ask(server.base, "GET", "/v1/sellers/acme")).commission_bp, 1100);
  await page.keyboard.press("Escape");

  await page.reload();
  await settled(page);
  await button(row, "Change acme").click();
  await dialog.getByLabel("Commission in basis points").fill("900");
  await button(dialog, "Send").click();
  await told(page, "accepted");
  assert.equal((await ask(server.base, "GET", "/v1/sellers/acme")).commission_bp, 900);
  assert.deepEqual(trouble, []);
  await close();
});

test("what is new is defined, and rules are changed by who has seen them", async () => {
  const { page, trouble, close } = await open("configuration");
  const dialog = page.getByRole("dialog");
  await button(page, "New seller").click();
  await dialog.getByLabel("Code").fill("zest");
  await dialog.getByLabel("Commission in basis points").fill("500");
  assert.deepEqual(await dialog.locator(".difference tbody tr").allTextContents(), ["Commission in basis pointsnone500", "Standingnoneactive"]);
  await button(dialog, "Send").click();
  await told(page, "New seller: accepted");
  await settled(page);
  assert.equal((await ask(server.base, "GET", "/v1/sellers/zest")).commission_bp, 500);

  const rules = async () => (await ask(server.base, "GET", "/v1/settings")).sourcing.find((each) => each.seller === null).rules;
  await button(page, "Change the rules of everybody").click();
  await dialog.getByLabel("1.").selectOption("capacity");
  await ask(server.base, "PUT", "/v1/sourcing", { rules: ["priority"] });
  await button(dialog, "Send").click();
  await dialog.getByRole("alert").waitFor();
  assert.deepEqual(await rules(), ["priority"], "somebody else was quicker");
  await page.keyboard.press("Escape");
  await page.reload();
  await settled(page);
  await button(page, "Change the rules of everybody").click();
  assert.ok(await button(dialog, "Send").isDisabled(), "nothing would change");
  await dialog.getByLabel("2.").selectOption("capacity");
  assert.deepEqual(await dialog.locator(".difference tbody tr").allTextContents(), ["Rulesprioritypriority, capacity"]);
  await button(dialog, "Send").click();
  await told(page, "accepted");
  assert.deepEqual(await rules(), ["priority", "capacity"]);
  assert.deepEqual(trouble, []);
  await close();
});

test("stock is received and adjusted", async () => {
  const { page, trouble, close } = await open("stock?sku=mug");
  const row = page.getByRole("row").filter({ hasText: "leeds" });
  await button(row, "Receive").click();
  await page.getByLabel("Units", { exact: true }).fill("5");
  await button(page.getByRole("dialog"), "Send").click();
  await told(page, "Receive mug at leeds: accepted");
  await settled(page);
  await button(row, "Adjust").click();
  await page.getByLabel("Bucket").selectOption("damaged");
  await page.getByLabel("Units to add").fill("2");
  await button(page.getByRole("dialog"), "Send").click();
  await told(page, "Adjust mug at leeds: accepted");
  const level = await ask(server.base, "GET", "/v1/stock/mug/leeds");
  assert.deepEqual([level.on_hand, level.damaged], [47, 2]);
  assert.deepEqual(trouble, []);
  await close();
});

test("keys are enough", async () => {
  const { page, trouble, close } = await open("configuration");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  const opener = button(page, "Change the policies");
  await opener.focus();
  await page.keyboard.press("Enter");
  assert.ok(await page.evaluate(() => document.activeElement.closest("dialog") !== null), "the dialog has the focus");
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Change the policies");
  await close();

  const phone = await open("", { viewport: PHONE });
  await button(phone.page, "Menu").focus();
  await phone.page.keyboard.press("Enter");
  await phone.page.getByRole("link", { name: "Stock" }).focus();
  await phone.page.keyboard.press("Enter");
  await phone.page.getByRole("heading", { name: "Stock", level: 1 }).waitFor();
  assert.ok(await phone.page.getByRole("navigation").isHidden(), "the menu is out of the way again");
  assert.deepEqual([...trouble, ...phone.trouble], []);
  await phone.close();
});

test("what is refused, missing or not answered is said in a sentence", async () => {
  const { page, close } = await open("orders/01M8EA5QT1NXSQWCVJ43Z1W024");
  await page.getByRole("alert").waitFor();
  assert.match(await page.getByRole("alert").textContent(), /\.\s+\w+$/);
  const problem = (status, code, detail) => ({ status, contentType: "application/problem+json", body: JSON.stringify({ status, code, detail }) });
  await page.route("**/v1/recovery", (route) => route.fulfill(problem(404, "NoSuchPath", "Nothing is served under this path.")));
  await page.goto(`${server.base}/#/recovery`);
  await page.getByText("This server does not offer this (GET /v1/recovery).").waitFor();
  await page.route("**/v1/sellers*", (route) => route.abort());
  await page.goto(`${server.base}/#/sellers`);
  await page.getByText("The server does not answer.").waitFor();
  await page.route("**/v1/skus*", (route) => route.fulfill(problem(401, "NoToken", "The request brings no token.")));
  await page.goto(`${server.base}/#/stock`);
  await page.getByRole("link", { name: "Say who you are." }).click();
  await page.getByLabel("Token").waitFor();
  await close();
});

test("a token is kept in its tab and goes with every request", async () => {
  const { page, trouble, close } = await open("access");
  const token = "ab".repeat(32);
  const asked = [];
  // Whether the token is any good is not the matter here.
  await page.route("**/v1/**", (route) => {
    asked.push(route.request().headers().authorization);
    return route.fulfill({ contentType: "application/json", body: JSON.stringify({ items: [], next: null }) });
  });
  await page.getByLabel("Token").fill(token);
  await button(page, "Use").click();
  await page.getByText("It asks with the token that ends in abab.").waitFor();
  await page.goto(`${server.base}/#/sellers`);
  await settled(page);
  assert.ok(asked.length > 0 && asked.every((header) => header === `Bearer ${token}`), String(asked));
  assert.equal(await page.evaluate(() => JSON.stringify(localStorage) + document.cookie), "{}");
  await page.goto(`${server.base}/#/access`);
  await button(page, "Forget it").click();
  await page.getByText("It asks without a token").waitFor();
  assert.deepEqual(trouble, []);
  await close();
});
