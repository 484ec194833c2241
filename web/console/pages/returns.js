// Returns lately, from the events: what was asked for, what became of it, and which still wait for somebody.

import { get, withQuery } from "../api.js";
import { badge, button, h, problemBox, table } from "../dom.js";
import { count, time } from "../format.js";

export const title = "Returns";

// Sequences that are looked through at a time, from the newest back.
const SPAN = 10_000;
const TYPES = ["requested", "updated", "received"].map((what) => `org.orderline.return.${what}.v1`);
const WAITING = ["requested", "approved", "received"];

export async function show(place, { signal }) {
  const found = new Map();
  const list = h("div", { class: "body" });
  const note = h("p", { class: "hint" });
  const only = h("input", { type: "checkbox", id: "waiting" });
  const newest = (await get("/v1/status", signal)).sequence;
  let from = newest + 1;

  const draw = () => {
    const rows = [...found.values()].filter((row) => !only.checked || WAITING.includes(row.state));
    rows.sort((a, b) => b.sequence - a.sequence);
    list.replaceChildren(table("Returns", [
      { head: "Order", wide: true, cell: (row) => h("a", { href: `#/orders/${row.order}`, class: "id" }, row.order) },
      { head: "Return", cell: (row) => count(row.number) },
      { head: "State", cell: (row) => badge(row.state) },
      { head: "Units", number: true, cell: (row) => count(row.units) },
      { head: "Last event", cell: (row) => time(row.at) },
    ], rows, "None in this range."));
    note.textContent = `Events ${count(from)} to ${count(newest)}.`;
    further.hidden = from <= 1;
  };
  const look = async () => {
    const to = from;
    from = Math.max(1, from - SPAN);
    for (const event of await eventsOf(from, to, signal)) take(found, event.data);
    draw();
  };
  const further = button("Look further back", () => look().catch((error) => list.append(problemBox(error))), { class: "more" });
  only.addEventListener("change", draw);
  place.append(h("div", { class: "row" }, h("label", { class: "box" }, only, "Only those that wait for somebody")), list, note, further);
  await look();
}

// Events of returns from one sequence up to another. What is no longer kept is passed over: a refusal says where the rest begins.
async function eventsOf(from, to, signal) {
  const events = [];
  let next = from;
  while (next < to) {
    let page;
    try {
      page = (await get(withQuery("/v1/events", { from: next, limit: 500, types: TYPES.join(",") }), signal)).body;
    } catch (error) {
      if (error.status !== 410 || !(error.document.sequence > next)) throw error;
      next = error.document.sequence;
      continue;
    }
    events.push(...page.events.filter((event) => Number(event.sequence) < to));
    if (page.next <= next || page.next > page.durable) break;
    next = page.next;
  }
  return events;
}

// Older events come after newer ones here: a state that is known stays, and what only the older event says is added.
function take(found, record) {
  const key = `${record.order}/${record.return}`;
  const known = found.get(key);
  const state = record.state ?? (record.kind === "ReturnReceived" ? "received" : "requested");
  const units = record.kind === "ReturnRequested" ? record.lines.reduce((sum, line) => sum + line.quantity, 0) : null;
  const row = { order: record.order, number: record.return, state, units, at: record.recorded_at, sequence: record.sequence };
  if (!known) found.set(key, row);
  else if (known.sequence < row.sequence) found.set(key, { ...row, units: row.units ?? known.units });
  else found.set(key, { ...known, units: known.units ?? row.units });
}
