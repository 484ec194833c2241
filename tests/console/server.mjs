// A server with something in it, for the console to show.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Starts a server on a directory of its own; `base` is where it listens for HTTP. */
export async function start() {
  const folder = await mkdtemp(join(tmpdir(), "orderline-console-"));
  const config = join(folder, "orderline.toml");
  // Small segments and snapshots soon, so that there is something to be shown.
  await writeFile(config, "[journal]\nsegment_mib = 3\n[snapshots]\nevery_records = 150\n");
  const child = spawn(process.env.ORDERLINE, ["serve", "--data", join(folder, "data"), "--config", config, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
  let said = "";
  const ready = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        said += `${line}\n`;
        const addresses = /^ready (\S+) (\S+)/.exec(line);
        if (addresses) resolve(addresses);
      });
    }
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}:\n${said}`)));
  });
  const [, tcp, http] = await ready;
  const base = `http://${http}`;
  const stop = async () => {
    child.removeAllListeners("exit");
    const ended = new Promise((resolve) => child.on("exit", resolve));
    child.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true });
  };
  return { base, tcp, stop };
}

/** Asks the API; anything but a success is an error. */
export async function ask(base, method, path, body, token) {
  const response = await fetch(base + path, {
    method,
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** Sellers, locations, SKUs, stock, and orders in several states: their ids by state. */
export async function fill({ base, tcp }) {
  await life(tcp);
  const api = (method, path, body) => ask(base, method, path, body);
  await api("PUT", "/v1/sellers/acme", { commission_bp: 1250 });
  await api("PUT", "/v1/locations/berlin", { priority: 1, region: 1 });
  await api("PUT", "/v1/locations/leeds", { priority: 2, region: 44, daily_capacity: 500 });
  for (const sku of ["shirt", "mug", "poster-a-very-long-name-that-does-not-fit-everywhere"]) {
    await api("PUT", `/v1/skus/${sku}`, { seller: "acme", currency: "EUR" });
    await api("POST", `/v1/stock/${sku}/berlin/receipts`, { quantity: 100 });
    await api("POST", `/v1/stock/${sku}/leeds/receipts`, { quantity: 40 });
  }
  const pending = await place(base);
  const confirmed = await place(base);
  await api("POST", `/v1/groups/${confirmed}/authorizations`, { amount_minor: 5098, currency: "EUR" });
  await api("POST", `/v1/orders/${confirmed}/confirm`);
  await api("POST", `/v1/groups/${confirmed}/captures`, { amount_minor: 5098 });
  await api("POST", `/v1/orders/${confirmed}/shipments`, { location: "berlin", lines: [{ line: 0, quantity: 1 }], is_sent: true, tracking: "JD014600003" });
  await api("POST", `/v1/orders/${confirmed}/shipments/1/steps`, { step: "deliver" });
  await api("POST", `/v1/orders/${confirmed}/returns`, { lines: [{ line: 0, quantity: 1 }], reason: 3 });
  await api("POST", `/v1/orders/${confirmed}/refunds`, { amount_minor: 1999 });
  await api("POST", `/v1/orders/${confirmed}/holds`, { kind: "manual", blocks: ["cancel", "edit"] });
  return { pending, confirmed };
}

/** Whole lives of generated orders, sent over TCP: so many, or as `bounds` says. */
export function life(tcp, bounds = ["--orders", "60"]) {
  const sent = ["load", "--connect", tcp, "--workload", "life", "--skus", "20", "--sellers", "2", "--locations", "2", "--lines", "2", ...bounds];
  return new Promise((resolve, reject) => {
    spawn(process.env.ORDERLINE, sent, { stdio: "ignore" })
      .on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`orderline load ended with ${code}`))));
  });
}

/** Places an order of two shirts and a mug; its id. */
export async function place(base) {
  const [id] = await ask(base, "GET", "/v1/ids");
  await ask(base, "POST", "/v1/orders", {
    id, buyer: 42, seller: "acme", currency: "EUR", region: 1,
    lines: [{ sku: "shirt", quantity: 2, unit_price_minor: 1999 }, { sku: "mug", quantity: 1, unit_price_minor: 1100 }],
  });
  return id;
}
