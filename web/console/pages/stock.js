// Stock: what there is of a SKU, at which location, in which bucket, and what changes it.

import { at, get, getAll, withQuery } from "../api.js";
import { propose } from "../change.js";
import { badge, button, facts, h, pagedTable, problemBox, table } from "../dom.js";
import { count } from "../format.js";
import { BUCKETS } from "../names.js";

export const title = "Stock";

const CAUSE = [
  { name: "reference", label: "Paper", kind: "number", value: 0, hint: "A delivery note's or a count's number." },
  { name: "reason", label: "Reason code", kind: "number", value: 0, max: 65535, hint: "Your own number." },
];

// The fields of the cause stand apart in a body.
function withCause({ reference, reason, ...body }) {
  return { ...body, cause: { reference, reason } };
}

export async function show(place, { query, signal, again }) {
  const { items: locations } = await getAll("/v1/locations", signal);
  place.append(finder(query, locations));
  try {
    if (query.get("sku")) place.append(...await levels(query.get("sku"), signal, again));
    else if (query.get("location")) place.append(...await atLocation(query.get("location"), signal));
    else place.append(await allSkus(signal));
  } catch (error) {
    if (!signal.aborted) place.append(problemBox(error));
  }
}

function finder(query, locations) {
  const input = h("input", { id: "sku", value: query.get("sku") ?? "", autocomplete: "off", spellcheck: "false" });
  const select = h("select", { id: "at" }, ["", ...locations.map((each) => each.location)].map((code) =>
    h("option", { value: code, selected: code === (query.get("location") ?? "") }, code || "any")));
  select.addEventListener("change", () => {
    location.hash = withQuery("#/stock", { location: select.value });
  });
  const form = h("form", { class: "row", role: "search" },
    h("div", { class: "field grow" }, h("label", { for: "sku" }, "A SKU's code"), input), h("button", { type: "submit", class: "primary" }, "Show"),
    h("div", { class: "field" }, h("label", { for: "at" }, "Or all at a location"), select));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = withQuery("#/stock", { sku: input.value.trim() });
  });
  return form;
}

const skuLink = (sku) => h("a", { href: withQuery("#/stock", { sku }) }, sku);

function allSkus(signal) {
  return pagedTable("SKUs", [
    { head: "SKU", wide: true, cell: (row) => skuLink(row.sku) },
    { head: "Standing", cell: (row) => badge(row.standing) },
    { head: "Seller", cell: (row) => row.seller },
    { head: "Currency", cell: (row) => row.currency ?? "any" },
    { head: "May be promised beyond stock", number: true, cell: (row) => count(row.backorder_cap) },
  ], async (cursor) => (await get(withQuery("/v1/skus", { cursor, limit: 50 }), signal)).body, "There is no SKU yet; the configuration defines them.");
}

const units = (head, name) => ({ head, number: true, cell: (level) => count(level[name]) });
const UNITS = [
  units("On hand", "on_hand"), units("Available", "available"), units("Reserved", "reserved"), units("Committed", "committed"),
  units("Safety", "safety"), units("Damaged", "damaged"), units("Quality hold", "quality_hold"), units("Incoming", "incoming"),
];

async function atLocation(code, signal) {
  return [
    h("h2", {}, code),
    await pagedTable("Levels", [{ head: "SKU", wide: true, cell: (level) => skuLink(level.sku) }, ...UNITS],
      async (cursor) => (await get(withQuery(at`/v1/locations/${code}/stock`, { cursor, limit: 50 }), signal)).body, "It has never had stock."),
    h("p", {}, h("a", { href: "#/stock" }, "All SKUs")),
  ];
}

async function levels(sku, signal, again) {
  const { body: stock } = await get(at`/v1/stock/${sku}`, signal);
  const sum = (name) => stock.levels.reduce((total, level) => total + Number(level[name]), 0);
  const columns = [
    { head: "Location", wide: true, cell: (level) => level.location },
    ...UNITS,
    { head: "Actions", does: true, cell: (level) => h("div", { class: "actions" },
      button("Receive", () => receive(sku, level, again)), button("Adjust", () => adjust(sku, level, again)),
      button("Count", () => recount(sku, level, again)), button("Move", () => move(sku, level, again))) },
  ];
  return [
    h("h2", {}, sku),
    facts([["Available to buy", count(stock.available)], ["On hand", count(sum("on_hand"))], ["Reserved", count(sum("reserved"))],
      ["Committed", count(sum("committed"))], ["Incoming", count(sum("incoming"))]]),
    table("Levels", columns, stock.levels, "It has never had stock anywhere."),
    h("div", { class: "actions" }, button("Receive at another location", () => receiveElsewhere(sku, again))),
    h("p", {}, h("a", { href: "#/stock" }, "All SKUs")),
  ];
}

const RECEIVED = [
  { name: "quantity", label: "Units", kind: "number", min: 1, required: true },
  { name: "from_incoming", label: "They were announced", kind: "flag", hint: "Incoming falls by as much." },
];

function receive(sku, level, done) {
  propose({
    title: `Receive ${sku} at ${level.location}`,
    fields: [...RECEIVED, ...CAUSE],
    request: (values) => ({ method: "POST", path: at`/v1/stock/${sku}/${level.location}/receipts`, body: withCause(values) }),
    done,
  });
}

function receiveElsewhere(sku, done) {
  propose({
    title: `Receive ${sku}`,
    fields: [{ name: "location", label: "Location", required: true }, RECEIVED[0], ...CAUSE],
    request: ({ location: code, ...values }) => ({ method: "POST", path: at`/v1/stock/${sku}/${code}/receipts`, body: withCause(values) }),
    done,
  });
}

function adjust(sku, level, done) {
  propose({
    title: `Adjust ${sku} at ${level.location}`,
    note: `Now: ${BUCKETS.map((bucket) => `${bucket} ${count(level[bucket.replace(" ", "_")])}`).join(", ")}.`,
    fields: [
      { name: "bucket", label: "Bucket", kind: "choice", options: BUCKETS, required: true, value: "available" },
      { name: "delta", label: "Units to add", kind: "number", min: -Number.MAX_SAFE_INTEGER, required: true, hint: "Negative: to take away." },
      ...CAUSE,
    ],
    request: (values) => ({ method: "POST", path: at`/v1/stock/${sku}/${level.location}/adjustments`, body: withCause(values), version: level.version }),
    done,
  });
}

function recount(sku, level, done) {
  propose({
    title: `Count ${sku} at ${level.location}`,
    note: "Units counted over all buckets but incoming; what differs goes to available.",
    before: { on_hand: level.on_hand },
    fields: [{ name: "on_hand", label: "Units counted", kind: "number", value: level.on_hand, required: true }, ...CAUSE],
    request: (values) => ({ method: "POST", path: at`/v1/stock/${sku}/${level.location}/counts`, body: withCause(values), version: level.version }),
    done,
  });
}

function move(sku, level, done) {
  propose({
    title: `Move ${sku} from ${level.location}`,
    fields: [
      { name: "from_bucket", label: "From which bucket", kind: "choice", options: BUCKETS, required: true, value: "available" },
      { name: "to_location", label: "To which location", required: true, value: level.location },
      { name: "to_bucket", label: "To which bucket", kind: "choice", options: BUCKETS, required: true, value: "quality hold" },
      { name: "quantity", label: "Units", kind: "number", min: 1, required: true },
      ...CAUSE,
    ],
    request: (values) => ({
      method: "POST", path: at`/v1/stock/${sku}/moves`, version: level.version,
      body: { from_location: level.location, ...withCause(values) },
    }),
    done,
  });
}
