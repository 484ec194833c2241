// One order: what it is, what became of each part, what may be done with it now, and everything that happened to it.

import { at, get, getAll } from "../api.js";
import { actions } from "../actions.js";
import { propose } from "../change.js";
import { badge, button, facts, h, section, table } from "../dom.js";
import { count, money, time, words } from "../format.js";

export const title = "Order";

export async function show(place, { rest, signal, again, heading }) {
  const id = rest[0];
  const seen = await get(at`/v1/orders/${id}`, signal);
  const order = { ...seen.body, version: seen.version ?? seen.body.version };
  const [{ body: transitions }, { body: group }] =
    await Promise.all([get("/v1/transitions", signal), get(at`/v1/groups/${order.group}`, signal)]);
  const about = (part) => ({ order, group, part });
  const asked = (entity, state, part) => actions(transitions, entity, state, about(part), again);
  heading.replaceChildren("Order ", h("span", { class: "id" }, id), " ", badge(order.state));

  const ofOrder = asked("order", order.state, null);
  // Where it goes is edited as quantities are, under the same row of the table.
  if (transitions.some((row) => row.entity === "order" && row.from === order.state && row.action === "edit")) {
    ofOrder.push(button("Change the address", () => address(order, again), { disabled: order.blocked.includes("edit") }));
  }
  place.append(
    h("div", { class: "actions", role: "group", "aria-label": "What may be done with the order" }, ofOrder),
    order.blocked.length > 0 && h("p", { class: "note" }, `Holds block: ${order.blocked.join(", ")}.`) || "",
    facts([
      ["Total", money(order.total_minor, order.currency)],
      ["Captured", money(order.captured_minor, order.currency)],
      ["Refunded", money(order.refunded_minor, order.currency)],
      order.refund_owed_minor > 0 && ["Owed to the buyer", money(order.refund_owed_minor, order.currency)],
      ["Commission", money(order.commission_minor, order.currency)],
      ["Fulfilment", badge(order.fulfilment_status)],
      ["Payment", badge(order.payment_status)],
      ["Returns", badge(order.return_status)],
      ["Buyer", String(order.buyer)],
      ["Seller", order.seller && h("a", { href: `#/sellers/${encodeURIComponent(order.seller)}` }, order.seller)],
      ["Region", order.region],
      ["Address", order.address === null ? null : String(order.address)],
      ["Placed", time(order.placed_at)],
      ["Version", count(order.version)],
    ]),
    h("section", {}, h("h2", {}, "Lines"), table("Lines", lineColumns(order), order.lines)),
    parts("Work of locations", order.fulfilment_orders, [
      { head: "Location", cell: (work) => work.location },
      { head: "State", cell: (work) => badge(work.state) },
      { head: "Units", cell: (work) => unitsAt(order, work.location) },
    ], (work) => asked("fulfilment order", work.state, work)),
    parts("Packages", order.shipments, [
      { head: "Package", cell: (shipment) => count(shipment.shipment) },
      { head: "State", cell: (shipment) => badge(shipment.state) },
      { head: "Tracking", wide: true, cell: (shipment) => shipment.tracking || "-" },
      { head: "Units", cell: (shipment) => units(order, shipment.parts) },
      { head: "When", cell: (shipment) => time(shipment.happened_at) },
    ], (shipment) => asked("shipment", shipment.state, shipment)),
    payment(group, asked),
    parts("Refunds", order.refunds, [
      { head: "Refund", cell: (refund) => count(refund.refund) },
      { head: "State", cell: (refund) => badge(refund.state) },
      { head: "Amount", number: true, cell: (refund) => money(refund.amount_minor, order.currency) },
      { head: "When", cell: (refund) => time(refund.happened_at) },
    ], (refund) => asked("refund", refund.state, refund)),
    parts("Returns", order.returns, [
      { head: "Return", cell: (back) => count(back.return) },
      { head: "State", cell: (back) => badge(back.state) },
      { head: "Units", cell: (back) => units(order, back.lines) },
      { head: "Why", cell: (back) => (back.is_undelivered ? "undelivered" : `reason ${back.reason}`) },
      { head: "When", cell: (back) => time(back.happened_at) },
    ], (back) => asked("return", back.state, back)),
    parts("Holds", order.holds, [
      { head: "Hold", cell: (hold) => count(hold.hold) },
      { head: "State", cell: (hold) => badge(hold.state, hold.state === "active" && "open") },
      { head: "Why", cell: (hold) => hold.kind },
      { head: "Blocks", cell: (hold) => hold.blocks.join(", ") },
      { head: "Until", cell: (hold) => (hold.expires_at ? time(hold.expires_at) : "released") },
    ], (hold) => asked("hold", hold.state, hold)),
    section("Timeline", async () => timeline(await getAll(at`/v1/orders/${id}/timeline`, signal, { at_least: seen.sequence }), order)),
  );
}

function address(order, done) {
  propose({
    title: "Change the address",
    before: { address: order.address, region: order.region },
    fields: [
      { name: "address", label: "Address", kind: "number", value: order.address ?? "", required: true, hint: "Your own number of it." },
      { name: "region", label: "Region", kind: "number", value: order.region ?? "", max: 65535 },
    ],
    request: (body) => ({ method: "PUT", path: at`/v1/orders/${order.order}/address`, body, version: order.version }),
    done,
  });
}

function lineColumns(order) {
  const units = (head, name) => ({ head, number: true, cell: (line) => count(line[name]) });
  const used = (head, name) => (order.lines.some((line) => line[name] > 0) ? [units(head, name)] : []);
  return [
    { head: "Line", cell: (line) => count(line.line) },
    { head: "SKU", wide: true, cell: (line) => h("a", { href: `#/stock?sku=${encodeURIComponent(line.sku)}` }, line.sku) },
    { head: "Price", number: true, cell: (line) => money(line.unit_price_minor, order.currency) },
    units("Ordered", "quantity"),
    ...used("Cancelled", "cancelled"), ...used("Backordered", "backordered"), ...used("Reserved", "reserved"),
    ...used("Allocated", "allocated"), ...used("Shipped", "shipped"), ...used("Delivered", "delivered"), ...used("Returned", "returned"),
  ];
}

// A part that an order does not have takes no room.
function parts(name, rows, columns, asked) {
  if (rows.length === 0) return "";
  const what = { head: "Actions", does: true, cell: (row) => h("div", { class: "actions" }, asked(row)) };
  const isAny = rows.some((row) => asked(row).length > 0);
  return h("section", {}, h("h2", {}, name), table(name, isAny ? [...columns, what] : columns, rows));
}

function payment(group, asked) {
  // Before the first attempt there is no payment to have a state; the table calls that pending.
  const state = group.payment_state ?? "pending";
  return h("section", {}, h("h2", {}, "Payment"),
    facts([
      ["State", badge(state)],
      ["To pay", money(group.total_minor, group.currency)],
      ["Authorized", money(group.authorized_minor, group.currency)],
      ["Captured", money(group.captured_minor, group.currency)],
      group.expires_at && ["Lapses", time(group.expires_at)],
      group.orders.length > 1 && ["Orders paid together", h("ul", { class: "plain" }, group.orders.map((other) =>
        h("li", {}, h("a", { href: `#/orders/${other.order}`, class: "id" }, other.order))))],
    ]),
    h("div", { class: "actions" }, asked("payment", state, null)));
}

function units(order, of) {
  return of.map(({ line, quantity }) => `${count(quantity)} x ${order.lines[line]?.sku ?? `line ${line}`}`).join(", ") || "-";
}

function unitsAt(order, location) {
  return units(order, order.allocations.filter((allocation) => allocation.location === location));
}

// Fields of a record that stand elsewhere in its row.
const SHOWN = new Set(["sequence", "recorded_at", "kind", "session", "request", "by"]);

function timeline({ as_of, items, next }, order) {
  return [
    h("ol", { class: "timeline" }, items.map((event) => h("li", {},
      h("div", { class: "when" }, h("time", { datetime: event.recorded_at }, time(event.recorded_at)),
        h("span", {}, `sequence ${count(event.sequence)}`)),
      h("div", {}, h("strong", {}, event.kind ? words(event.kind) : "no longer kept"), who(event),
        facts(Object.entries(event).filter(([name, value]) => !SHOWN.has(name) && says(value, order)).sort(listsLast).map((field) => told(field, order))))))),
    h("p", { class: "hint" }, `As of sequence ${count(as_of)}.${next ? " There is more." : ""}`),
  ];
}

// Nothing, and the order's own ids, say nothing on its page.
function says(value, order) {
  return value !== null && value !== order.order && value !== order.group && !(Array.isArray(value) && value.length === 0);
}

function listsLast([, a], [, b]) {
  return Number(isList(a)) - Number(isList(b));
}

function isList(value) {
  return Array.isArray(value) && typeof value[0] === "object";
}

function who(event) {
  if (event.by) return h("span", { class: "who" }, ` by ${event.by.label || `token ${event.by.token}`}`);
  return h("span", { class: "who" }, event.kind && event.session === undefined ? " by the core itself" : "");
}

// A record's field as people read it. Whatever has no better form stands as it is in the journal.
function told([name, value], order) {
  if (!isList(value)) return [label(name), one(name, value, order)];
  return [label(name), h("ul", { class: "plain" }, value.map((each) => h("li", {}, one(name, each, order))))];
}

function label(name) {
  return name.replace(/_(minor|at)$/, "").replaceAll("_", " ");
}

function one(name, value, order) {
  if (Array.isArray(value)) return value.map((each) => one(name, each, order)).join(", ");
  if (value !== null && typeof value === "object") {
    return Object.entries(value).filter(([, part]) => says(part, order))
      .map(([part, of]) => `${label(part)} ${one(part, of, order)}`).join(", ");
  }
  if (name.endsWith("_at")) return time(value);
  if (name.endsWith("_minor")) return money(value, order.currency);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value);
}
