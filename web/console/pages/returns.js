// Returns by how far they are, newest first; those that wait for somebody unless others are asked for.

import { get, withQuery } from "../api.js";
import { badge, h, pagedTable, problemBox } from "../dom.js";
import { count, time } from "../format.js";
import { RETURN_STATES } from "../names.js";

export const title = "Returns";

// What can be looked for: a name for people, and what the API is asked.
const LISTS = [
  ["Waiting for somebody", { waiting: true }], ["All", {}],
  ...RETURN_STATES.map((state) => [state[0].toUpperCase() + state.slice(1), { state }]),
];

export async function show(place, { query, signal }) {
  const chosen = Math.max(0, LISTS.findIndex(([name]) => name === query.get("list")));
  const list = h("select", { id: "list", name: "list" }, LISTS.map(([name], at) => h("option", { value: name, selected: at === chosen }, name)));
  const seller = h("input", { id: "seller", name: "seller", value: query.get("seller") ?? "", autocomplete: "off", spellcheck: "false" });
  const form = h("form", { class: "row", role: "search" },
    h("div", { class: "field" }, h("label", { for: "list" }, "Which"), list),
    h("div", { class: "field" }, h("label", { for: "seller" }, "Of a seller"), seller),
    h("button", { type: "submit", class: "primary" }, "Show"));
  const go = () => {
    const asked = withQuery("#/returns", { list: list.value, seller: seller.value.trim() });
    if (asked === location.hash) dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = asked;
  };
  list.addEventListener("change", go);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go();
  });
  place.append(form);

  const as_of = h("p", { class: "hint" });
  const terms = { ...LISTS[chosen][1], seller: query.get("seller") };
  try {
    place.append(await pagedTable("Returns", [
      { head: "Order", wide: true, cell: (row) => h("a", { href: `#/orders/${row.order}`, class: "id" }, row.order) },
      { head: "Return", number: true, cell: (row) => count(row.return) },
      { head: "State", cell: (row) => badge(row.state) },
      { head: "Units", number: true, cell: (row) => count(row.units) },
      { head: "Why", cell: (row) => (row.is_undelivered ? "undelivered" : "asked for") },
      { head: "Seller", cell: (row) => row.seller },
      { head: "Buyer", number: true, cell: (row) => String(row.buyer) },
      { head: "Begun", cell: (row) => time(row.asked_at) },
      { head: "Last event", cell: (row) => time(row.changed_at) },
    ], async (cursor) => {
      const { body } = await get(withQuery("/v1/returns", { ...terms, cursor, limit: 50 }), signal);
      as_of.textContent = `As of sequence ${count(body.as_of)}. What may be done stands at each order.`;
      return body;
    }, terms.waiting ? "Nothing waits for anybody." : "None."), as_of);
  } catch (error) {
    if (!signal.aborted) place.append(problemBox(error));
  }
}
