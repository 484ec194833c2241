// What the marketplace is made of and how it behaves. Every change is shown old against new before it is sent, and is refused
// if somebody else has changed the same thing meanwhile.

import { at, get, withQuery } from "../api.js";
import { propose } from "../change.js";
import { badge, button, facts, h, pagedTable, section, table } from "../dom.js";
import { count, percent, seconds } from "../format.js";
import { HOLD_BLOCKS, HOLD_KINDS, SOURCING_RULES, STANDINGS } from "../names.js";

export const title = "Configuration";

const standing = (value) => ({ name: "standing", label: "Standing", kind: "choice", options: STANDINGS, required: true, value });

// What is defined under codes of its own: how it is listed, and the fields of its definition. `fixed` stay once it is there.
const CATALOGUE = [
  {
    name: "Sellers", one: "seller", path: "/v1/sellers",
    columns: [{ head: "Commission", number: true, cell: (row) => percent(row.commission_bp) }],
    fields: (row) => [
      { name: "commission_bp", label: "Commission in basis points", kind: "number", max: 10_000, required: true, value: row.commission_bp ?? "", hint: "1250 are 12.5 %." },
      standing(row.standing ?? "active"),
    ],
  },
  {
    name: "Locations", one: "location", path: "/v1/locations",
    columns: [
      { head: "Priority", number: true, cell: (row) => count(row.priority) },
      { head: "Region", number: true, cell: (row) => row.region ?? "-" },
      { head: "Orders a day", number: true, cell: (row) => (row.daily_capacity === null ? "no bound" : count(row.daily_capacity)) },
    ],
    fields: (row) => [
      { name: "priority", label: "Priority", kind: "number", value: row.priority ?? 0, required: true, hint: "Lower ships first." },
      { name: "daily_capacity", label: "Orders a day", kind: "number", min: 1, value: row.daily_capacity ?? "", hint: "Empty: no bound." },
      { name: "region", label: "Region", kind: "number", max: 65535, value: row.region ?? "", hint: "Your own number of it." },
      standing(row.standing ?? "active"),
    ],
  },
  {
    name: "SKUs", one: "sku", path: "/v1/skus",
    columns: [
      { head: "Seller", cell: (row) => row.seller },
      { head: "Currency", cell: (row) => row.currency ?? "any" },
      { head: "Beyond stock", number: true, cell: (row) => count(row.backorder_cap) },
    ],
    fields: (row) => [
      { name: "seller", label: "Seller", required: true, value: row.seller ?? "", hint: "It stays once the SKU is there." },
      { name: "backorder_cap", label: "Units that may be promised beyond the stock", kind: "number", value: row.backorder_cap ?? 0, required: true },
      { name: "currency", label: "Currency", value: row.currency ?? "", hint: "Empty: any." },
      standing(row.standing ?? "active"),
    ],
  },
];

export function show(place, { signal, again }) {
  place.append(policies(signal, again), ...CATALOGUE.map((kind) => catalogue(kind, signal, again)), holds());
}

// One read serves both sections: they are one thing, with one version.
function policies(signal, again) {
  return section("Policies and sourcing", async () => {
    const { body: settings, version } = await get("/v1/settings", signal);
    const { policy } = settings;
    const change = button("Change the policies", () => propose({
      title: "Change the policies",
      note: "Seconds; 0 is for ever.",
      before: { pending_order_s: policy.pending_order_s ?? 0, retention_s: policy.retention_s ?? 0, reservation_s_max: policy.reservation_s_max },
      fields: [
        { name: "pending_order_s", label: "A pending order waits for its confirmation", kind: "number", value: policy.pending_order_s ?? 0, required: true, max: 315_360_000 },
        { name: "retention_s", label: "A finished order stays in memory", kind: "number", value: policy.retention_s ?? 0, required: true, max: 315_360_000 },
        { name: "reservation_s_max", label: "A reservation may be held", kind: "number", value: policy.reservation_s_max, required: true, min: 1, max: 315_360_000 },
      ],
      request: (body) => ({ method: "PUT", path: "/v1/policy", body, version }),
      done: again,
    }));
    return [
      facts([["A pending order waits", seconds(policy.pending_order_s)], ["A finished order stays", seconds(policy.retention_s)],
        ["A reservation is held at most", seconds(policy.reservation_s_max)], ["Version", count(settings.version)]]),
      h("div", { class: "actions" }, change),
      h("h3", {}, "Sourcing rules, in the order in which they are asked"),
      table("Sourcing rules", [
        { head: "For", cell: (row) => row.seller ?? "everybody" },
        { head: "Rules", wide: true, cell: (row) => row.rules.join(", ") || "none: by priority" },
        { head: "Actions", does: true, cell: (row) => h("div", { class: "actions" }, button("Change", () => sourcing(row.seller, settings.sourcing, again), { "aria-label": `Change the rules of ${row.seller ?? "everybody"}` })) },
      ], settings.sourcing),
      h("div", { class: "actions" }, button("Rules of a seller's own", () => sourcing("", settings.sourcing, again))),
    ];
  });
}

// `seller` is null for everybody's rules, and empty where it is still to be said; `known` are all that there are.
function sourcing(seller, known, done) {
  const rulesOf = (code) => known.find((each) => each.seller === code)?.rules ?? [];
  const whose = (code) => (seller === null ? null : code);
  propose({
    title: seller === null ? "Change everybody's sourcing rules" : "Change a seller's sourcing rules",
    note: seller === null ? null : "Without any, the seller goes by everybody's rules again.",
    before: ({ seller: code }) => ({ rules: rulesOf(whose(code)) }),
    fields: [
      ...(seller === null ? [] : [{ name: "seller", label: "Seller", required: true, value: seller }]),
      { name: "rules", label: "Rules", kind: "ranking", options: SOURCING_RULES, value: rulesOf(seller === "" ? null : seller) },
    ],
    request: ({ seller: code, rules }) => ({
      method: "PUT", path: seller === null ? "/v1/sourcing" : at`/v1/sellers/${code}/sourcing`,
      body: { rules, seen: rulesOf(whose(code)) },
    }),
    done,
  });
}

function catalogue(kind, signal, again) {
  const columns = [
    { head: "Code", wide: true, cell: (row) => row[kind.one] },
    { head: "Standing", cell: (row) => badge(row.standing) },
    ...kind.columns,
    { head: "Actions", does: true, cell: (row) => h("div", { class: "actions" }, button("Change", () => define(kind, row, again), { "aria-label": `Change ${row[kind.one]}` })) },
  ];
  return section(kind.name,
    () => pagedTable(kind.name, columns, async (cursor) => (await get(withQuery(kind.path, { cursor, limit: 20 }), signal)).body, "None yet."),
    button(`New ${kind.one === "sku" ? "SKU" : kind.one}`, () => define(kind, null, again)));
}

function define(kind, row, done) {
  const fields = kind.fields(row ?? {});
  const name = kind.one === "sku" ? "SKU" : kind.one;
  propose({
    title: row ? `Change ${name} ${row[kind.one]}` : `New ${name}`,
    before: row ? Object.fromEntries(fields.map((field) => [field.name, row[field.name]])) : {},
    fields: row ? fields : [{ name: "code", label: "Code", required: true }, ...fields],
    request: ({ code, ...body }) => ({
      method: "PUT", path: `${kind.path}/${encodeURIComponent(row ? row[kind.one] : code)}`, body,
      version: row?.version, isNew: !row,
    }),
    done,
  });
}

function holds() {
  return h("section", {}, h("div", { class: "head" }, h("h2", {}, "Holds")),
    h("p", {}, "A hold stops single orders, so it is placed at the order (", h("a", { href: "#/orders" }, "find it"), ")."),
    facts([["Reasons", HOLD_KINDS.join(", ")], ["They can block", HOLD_BLOCKS.join(", ")]]));
}
