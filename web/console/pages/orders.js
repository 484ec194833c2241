// Orders, searched.

import { get, withQuery } from "../api.js";
import { badge, h, pagedTable, problemBox } from "../dom.js";
import { count, money, time } from "../format.js";
import { ORDER_STATES } from "../names.js";

export const title = "Orders";

const FIELDS = [
  ["buyer", "Buyer", "number"], ["seller", "Seller"], ["sku", "SKU"], ["location", "Location"], ["state", "State"], ["group", "Group"],
  ["external_id", "External id"], ["from", "Placed from"], ["to", "Placed before"],
];

export const orderColumns = [
  { head: "Order", wide: true, cell: (row) => h("a", { href: `#/orders/${row.order}`, class: "id" }, row.order) },
  { head: "State", cell: (row) => badge(row.state) },
  { head: "Total", number: true, cell: (row) => money(row.total_minor, row.currency) },
  { head: "Lines", number: true, cell: (row) => count(row.line_count) },
  { head: "Seller", cell: (row) => row.seller },
  { head: "Buyer", number: true, cell: (row) => String(row.buyer) },
  { head: "External id", cell: (row) => row.external_id },
  { head: "Placed", cell: (row) => time(row.placed_at) },
];

export async function show(place, { query, signal }) {
  const id = h("input", { id: "order", placeholder: "01JDMZ3X5Q8W6V2R4T9Y7B1C0D", autocomplete: "off", spellcheck: "false" });
  const open = h("form", { class: "row" },
    h("div", { class: "field grow" }, h("label", { for: "order" }, "An order's id"), id),
    h("button", { type: "submit" }, "Open"));
  open.addEventListener("submit", (event) => {
    event.preventDefault();
    if (id.value.trim()) location.hash = `#/orders/${encodeURIComponent(id.value.trim().toUpperCase())}`;
  });

  const inputs = FIELDS.map(([name, label]) => {
    const value = query.get(name) ?? "";
    const control = name === "state"
      ? h("select", { id: name, name }, ["", ...ORDER_STATES].map((state) => h("option", { value: state, selected: state === value }, state || "any")))
      : h("input", { id: name, name, value, type: name === "from" || name === "to" ? "datetime-local" : "text", autocomplete: "off", spellcheck: "false" });
    return h("div", { class: "field" }, h("label", { for: name }, label), control);
  });
  const search = h("form", { class: "filter", role: "search" }, inputs, h("div", { class: "buttons" },
    h("a", { class: "button", href: "#/orders" }, "Clear"), h("button", { type: "submit", class: "primary" }, "Search")));
  search.addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = withQuery("#/orders", Object.fromEntries(new FormData(search)));
    // The same search again is a new look, though the address stays.
    if (asked === location.hash) dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = asked;
  });
  const isNarrowed = FIELDS.some(([name]) => query.get(name));
  place.append(open, h("details", { open: isNarrowed || matchMedia("(min-width: 60rem)").matches }, h("summary", {}, "Search"), search));

  const wanted = Object.fromEntries(query);
  // The field has no zone: it is the reader's.
  for (const name of ["from", "to"]) if (wanted[name]) wanted[name] = new Date(wanted[name]).toISOString();
  const as_of = h("p", { class: "hint" });
  try {
    const list = await pagedTable("Orders", orderColumns, async (cursor) => {
      const { body } = await get(withQuery("/v1/orders", { ...wanted, cursor, limit: 50 }), signal);
      as_of.textContent = `As of sequence ${count(body.as_of)}.`;
      return body;
    }, "No order is like this.");
    place.append(list, as_of);
  } catch (error) {
    if (!signal.aborted) place.append(problemBox(error));
  }
}
