// What a restart would begin from: the journal's segments, the snapshots, what the last start did with them and the next one
// would, the last drill, and a verification of all of it beside the running engine.

import { get, send } from "../api.js";
import { badge, button, facts, h, problemBox, table } from "../dom.js";
import { bytes, count, counted, time } from "../format.js";

export const title = "Recovery";

const LOOK_EVERY_MS = 500;

// Segments that are shown at once, newest first.
const SEGMENTS_SHOWN = 12;

export async function show(place, { signal }) {
  const parts = h("div", { class: "parts", "aria-busy": "true" });
  place.append(verification(signal), parts);
  try {
    const { body } = await get("/v1/recovery", signal);
    const part = (name, children) => h("section", {}, h("h2", {}, name), children);
    parts.append(part("Starts", starts(body)), part("Last drill", drill(body)), part("Snapshots", snapshots(body)), part("Segments", segments(body)));
  } catch (error) {
    if (!signal.aborted) parts.append(problemBox(error));
  }
  parts.setAttribute("aria-busy", "false");
}

// The button, how far a verification is that anybody has begun, and what the last one came to.
function verification(signal) {
  const begin = button("Verify now", () => ask(() => send({ method: "POST", path: "/v1/recovery/verify" })), { class: "primary" });
  const stand = h("div", { class: "stand" });
  const trouble = h("div", {});
  let timer;
  signal.addEventListener("abort", () => clearTimeout(timer));
  const ask = async (request) => {
    clearTimeout(timer);
    begin.disabled = true;
    try {
      draw((await request()).body);
      trouble.replaceChildren();
    } catch (error) {
      if (signal.aborted) return;
      trouble.replaceChildren(problemBox(error));
      begin.disabled = false;
      // Somebody else's is under way: it is shown all the same.
      if (error.status === 409) timer = setTimeout(look, LOOK_EVERY_MS);
    }
  };
  const look = () => ask(() => get("/v1/recovery/verify", signal));
  const draw = ({ running, last }) => {
    begin.disabled = running !== null;
    stand.replaceChildren(...[running && progress(running), last && outcome(last)].filter(Boolean));
    if (running) timer = setTimeout(look, LOOK_EVERY_MS);
    else if (!last) stand.replaceChildren(h("p", { class: "empty" }, "Nothing was verified since the server started."));
  };
  look();
  return h("section", {},
    h("div", { class: "head" }, h("h2", {}, "Verify"), begin),
    h("p", { class: "hint" }, "Reads every durable byte, link and record of the journal and every snapshot again, beside the running engine and without ",
      "hurry. It changes nothing, and replays nothing: that does ", h("code", {}, "orderline verify"), "."), trouble, stand);
}

function progress(running) {
  const isInJournal = running.snapshots === running.snapshots_total;
  const [done, of] = isInJournal ? [running.records, running.records_total] : [running.snapshots, running.snapshots_total];
  const what = isInJournal ? "Journal" : "Snapshots";
  const bar = h("progress", { max: Math.max(1, of), value: done, "aria-label": `${what} verified` });
  return h("div", { class: "progress" }, bar,
    h("p", {}, `${what}: ${count(done)} of ${count(of)}${isInJournal ? " records" : ""}. ${bytes(running.bytes)} read so far.`));
}

function outcome(last) {
  return h("div", { role: "status" },
    h("p", {}, badge(last.ok ? "ok" : "damaged", last.ok ? "good" : "bad"), " ",
      last.ok ? "Everything is as it was written." : "Something is not as it was written. Restore the file from a copy; docs/operations.md says how."),
    last.faults.length > 0 && table("Faults", [
      { head: "File", cell: (fault) => fault.file },
      { head: "Offset", number: true, cell: (fault) => count(fault.offset) },
      { head: "What was found", wide: true, cell: (fault) => fault.sentence },
    ], last.faults),
    facts([
      ["Up to sequence", count(last.to_sequence)], ["Records", count(last.records)], ["Batches", count(last.batches)],
      ["Snapshots", count(last.snapshots)], ["Read", bytes(last.bytes)], ["Ended", time(last.ended_at)],
    ]));
}

function starts({ last_start: last, next_start: next, as_of }) {
  const from = (sequence) => (sequence > 0 ? `the snapshot at ${count(sequence)}` : "the first record");
  return [
    h("h3", {}, "The last one"),
    facts([
      ["Done", time(last.at)], ["It took", `${count(last.took_ms)} ms`], ["It began with", from(last.snapshot_sequence)],
      ["Records replayed", count(last.records_replayed)], ["It came to sequence", count(last.sequence)],
      ["Torn by a crash, and cut", last.torn_tail ? `${bytes(last.torn_tail.bytes)} at offset ${count(last.torn_tail.offset)} of segment ${count(last.torn_tail.segment)}` : "nothing"],
      last.snapshots_refused.length > 0 && ["Snapshots passed over", h("ul", { class: "plain" }, last.snapshots_refused.map((why) => h("li", {}, why)))],
    ]),
    h("h3", {}, "One now"),
    facts([
      ["It would begin with", from(next.snapshot_sequence)], ["Records to replay", count(next.records_to_replay)],
      ["Segments to read", count(next.segments_to_read)], ["Durable up to sequence", count(as_of)],
    ]),
  ];
}

function drill({ last_drill: last, last_drill_problem: problem }) {
  if (problem) return h("p", { class: "problem" }, problem);
  if (!last) {
    return [
      h("p", { class: "empty" }, "No drill is on record. On the directory while it is at rest, or on a backup of it:"),
      h("pre", { tabindex: 0 }, "orderline drill --data DIR --copy --record"),
    ];
  }
  return [
    h("p", {}, badge(last.is_well ? "ok" : "failed"), last.is_well ? " Everything came back, each time." : " Not everything came back."),
    facts([
      ["Ended", time(last.at)], ["Recoveries", `${count(last.recoveries)}, ${count(last.kills)} more cut short by kills`],
      ["With cold files", `${count(last.recovery_cold_ms)} ms`], ["The slowest", `${count(last.recovery_ms_max)} ms`],
      ["Each replayed", `${count(last.records_replayed)} records, ${bytes(last.bytes_replayed)}`],
      ["A snapshot was used", last.snapshot_used ? "yes" : "no"], ["Came to sequence", count(last.last_sequence)],
      last.violations.length > 0 && ["What was wrong", h("ul", { class: "plain" }, last.violations.map((what) => h("li", {}, what)))],
    ]),
  ];
}

function snapshots({ snapshots: found }) {
  return table("Snapshots", [
    { head: "Sequence", number: true, cell: (row) => count(row.sequence) },
    { head: "Size", number: true, cell: (row) => (row.bytes === null ? "-" : bytes(row.bytes)) },
    { head: "Made", cell: (row) => time(row.made_at) },
    { head: "State", cell: (row) => badge(row.problem ? "damaged" : "ok", row.problem ? "bad" : "good") },
    { head: "File", wide: true, cell: (row) => (row.problem ? `${row.file}: ${row.problem}` : row.file) },
  ], [...found].reverse(), "None yet: a start would replay the journal from its beginning.");
}

function segments({ segments: found }) {
  const newest = [...found].reverse();
  const place = h("div", {});
  const draw = (shown) => {
    place.replaceChildren(table("Segments", [
      { head: "Number", number: true, cell: (row) => count(row.number) },
      { head: "State", cell: (row) => badge(row.state.replace("_", " "), STATES[row.state]) },
      { head: "First sequence", number: true, cell: (row) => count(row.first_sequence) },
      { head: "Last, durable", number: true, cell: (row) => count(row.last_sequence) },
      { head: "Size", number: true, cell: (row) => bytes(row.bytes) },
      { head: "File", wide: true, cell: (row) => row.file },
    ], newest.slice(0, shown), "None."));
    if (shown < newest.length) place.append(button(`All ${count(newest.length)}`, () => draw(newest.length), { class: "more" }));
  };
  draw(SEGMENTS_SHOWN);
  const total = found.reduce((sum, row) => sum + row.bytes, 0);
  return [h("p", { class: "hint" }, `${counted(found.length, "file")}, ${bytes(total)}. What is complete is synced and never written to again.`), place];
}

const STATES = { complete: "good", in_use: "busy", prepared: "quiet" };
