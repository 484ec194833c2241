// What a restart would begin from: the journal's segments, the snapshots, and the last time somebody tried.

import { get, send } from "../api.js";
import { button, facts, h, problemBox, section, table } from "../dom.js";
import { bytes, count, time } from "../format.js";

export const title = "Recovery";

export function show(place, { signal }) {
  const outcome = h("div", { "aria-live": "polite" });
  const verify = button("Verify now", async () => {
    verify.disabled = true;
    outcome.replaceChildren(h("p", { class: "empty" }, "Reading the journal from its beginning ..."));
    try {
      outcome.replaceChildren(report((await send({ method: "POST", path: "/v1/recovery/verify" })).body));
    } catch (error) {
      outcome.replaceChildren(problemBox(error));
    }
    verify.disabled = false;
  }, { class: "primary" });
  place.append(h("section", {},
    h("div", { class: "head" }, h("h2", {}, "Verify"), verify),
    h("p", { class: "hint" }, "Replays what is on disk beside the running engine, and compares. It changes nothing."), outcome),
  section("On disk", async () => {
    const { body } = await get("/v1/recovery", signal);
    const total = (rows) => bytes(rows.reduce((sum, row) => sum + row.bytes, 0));
    return [
      facts([["Segments", `${count(body.segments.length)}, ${total(body.segments)}`],
        ["Snapshots", `${count(body.snapshots.length)}, ${total(body.snapshots)}`],
        ["Last drill", body.last_drill === null ? "none that this server knows of" : drill(body.last_drill)]]),
      h("h3", {}, "Snapshots"),
      table("Snapshots", [
        { head: "Sequence", number: true, cell: (row) => count(row.sequence) },
        { head: "Size", number: true, cell: (row) => bytes(row.bytes) },
        { head: "Made", cell: (row) => time(row.made_at) },
      ], [...body.snapshots].reverse(), "None yet: a restart would replay the journal from its beginning."),
      h("h3", {}, "Segments"),
      table("Segments", [
        { head: "Segment", number: true, cell: (row) => count(row.number) },
        { head: "Begins at sequence", number: true, cell: (row) => count(row.first_sequence) },
        { head: "Size", number: true, cell: (row) => bytes(row.bytes) },
      ], [...body.segments].reverse(), "None."),
    ];
  }));
}

// What came of it, whatever the server says of it: it is for people to read.
function report(body) {
  return facts(Object.entries(body ?? {}).map(([name, value]) => [
    name.replaceAll("_", " "),
    value !== null && typeof value === "object" ? JSON.stringify(value) : typeof value === "number" ? count(value) : String(value ?? "-"),
  ]));
}

function drill(last) {
  return typeof last === "string" ? time(last) : `${time(last.at)}: ${last.outcome ?? ""}`;
}
