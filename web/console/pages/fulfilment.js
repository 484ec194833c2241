// A location's queue of work, oldest first.

import { at, get, getAll, withQuery } from "../api.js";
import { badge, h, pagedTable, problemBox } from "../dom.js";
import { count, time } from "../format.js";
import { WORK_STATES } from "../names.js";

export const title = "Fulfilment";

// What is over stands in no queue.
const WAITING = WORK_STATES.slice(0, 4);

export async function show(place, { query, signal }) {
  const { items: locations } = await getAll("/v1/locations", signal);
  if (locations.length === 0) return place.append(h("p", { class: "empty" }, "There is no location yet; the configuration defines them."));
  const code = query.get("location") ?? locations[0].location;
  const select = h("select", { id: "location" }, locations.map((each) =>
    h("option", { value: each.location, selected: each.location === code }, each.location)));
  const state = h("select", { id: "state" }, ["", ...WAITING].map((each) =>
    h("option", { value: each, selected: each === (query.get("state") ?? "") }, each || "any")));
  for (const each of [select, state]) {
    each.addEventListener("change", () => {
      location.hash = withQuery("#/fulfilment", { location: select.value, state: state.value });
    });
  }
  const here = locations.find((each) => each.location === code);
  place.append(h("div", { class: "row" }, h("div", { class: "field" }, h("label", { for: "location" }, "Location"), select),
    h("div", { class: "field" }, h("label", { for: "state" }, "State"), state),
    here && h("p", { class: "hint" }, badge(here.standing),
      here.daily_capacity === null ? " No bound a day." : ` ${count(here.daily_capacity)} orders a day.`)));
  const as_of = h("p", { class: "hint" });
  try {
    place.append(await pagedTable("Work", [
      { head: "Order", wide: true, cell: (row) => h("a", { href: `#/orders/${row.order}`, class: "id" }, row.order) },
      { head: "State", cell: (row) => badge(row.state) },
      { head: "Lines", number: true, cell: (row) => count(row.line_count) },
      { head: "Seller", cell: (row) => row.seller },
      { head: "Since", cell: (row) => time(row.since) },
      { head: "Waits for", cell: (row) => waited(row.since) },
    ], async (cursor) => {
      const { body } = await get(withQuery(at`/v1/locations/${code}/work`, { state: query.get("state"), cursor, limit: 50 }), signal);
      as_of.textContent = `As of sequence ${count(body.as_of)}. What may be done stands at each order.`;
      return body;
    }, "Nothing waits here."), as_of);
  } catch (error) {
    if (!signal.aborted) place.append(problemBox(error));
  }
}

function waited(since) {
  const minutes = Math.max(0, Math.floor((Date.now() - new Date(since)) / 60_000));
  if (minutes < 60) return `${minutes} min`;
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}
