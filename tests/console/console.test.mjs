// The console as people meet it, in a headless Chromium.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { ask, fill, place, start } from "./server.mjs";

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

for (const [screen, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
  for (const colorScheme of ["light", "dark"]) {
    test(`every page fits and can be used on a ${screen}, ${colorScheme}`, async () => {
      for (const [name, hash] of Object.entries(pages())) {
        const { page, trouble, close } = await open(hash, { viewport, colorScheme });
        const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(beyond <= 0, `${name} is wider than the screen by ${beyond}`);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => window.axe.run());
        const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" ")}`);
        assert.deepEqual(found, [], `${name}, for those who see or move otherwise`);
        if (process.env.PICTURES) {
          if (name === "overview") await page.waitForTimeout(8_000);
          await page.screenshot({ path: join(process.env.PICTURES, `${name}-${screen}-${colorScheme}.png`), fullPage: true });
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
  await page.goto(`${server.base}/#/returns`);
  await page.getByLabel("Only those that wait for somebody").check();
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
