// What the server does right now: orders, commands, lag and latency as moving charts, what it refuses, and what it holds.

import { get } from "../api.js";
import { bars, chart } from "../chart.js";
import { h, problemBox, section } from "../dom.js";
import { count, micros, time } from "../format.js";

export const title = "Overview";

const LOOK_EVERY_MS = 1000;

// Reasons that have a line of their own.
const REASONS_SHOWN = 3;

export function show(place, { signal }) {
  const tiles = h("dl", { class: "tiles" });
  const whole = (value) => count(Math.round(value));
  const placed = chart("Orders a second", ["placed"], whole);
  const rates = chart("Commands a second", ["accepted", "refused"], whole);
  const latency = chart("Latency of the last second, door to door", ["p50", "p90", "p99"], micros);
  const lag = chart("Durable lag, events", ["decided, not yet durable"], whole);
  const behind = chart("Read model lag, events", ["durable, not yet searchable"], whole);
  const open = chart("Open orders, by state", ["pending", "confirmed"], whole);
  const refused = chart("Refused a second, by reason", [...Array(REASONS_SHOWN).fill(""), "others"], whole);
  const all = [placed, rates, latency, lag, behind, open, refused];
  const [states, reasons, trouble, stopped] = [0, 1, 2, 3].map(() => h("div", {}));
  place.append(trouble, stopped, tiles, h("div", { class: "charts" }, all.map(({ element }) => element)),
    h("section", {}, h("h2", {}, "Orders, by state"), states),
    h("section", {}, h("h2", {}, "Refused since the start, by reason"), reasons),
    section("What it holds", async () => holdings((await get("/v1/status", signal)).body)));

  // Reasons in the order in which they were met: a line stays the same reason's.
  const met = [];
  let before = null;
  const look = async () => {
    // A tab that nobody looks at asks for nothing.
    if (document.hidden) return;
    try {
      const figures = (await get("/v1/figures", signal)).body;
      trouble.replaceChildren();
      drawTiles(tiles, figures);
      drawStates(states, figures.orders_by_state);
      drawReasons(reasons, figures.rejects);
      const problem = figures.read_model_problem;
      stopped.replaceChildren(...(problem ? [h("p", { class: "problem" }, `The read models do not follow any more, and searches find what they knew: ${problem}.`)] : []));
      if (before) {
        const passed_s = (new Date(figures.at) - new Date(before.at)) / 1000;
        // A restart begins to count anew: no rate over it.
        const rate = (now, then) => (passed_s > 0 ? Math.max(0, now - then) / passed_s : 0);
        placed.push([rate(figures.orders_placed, before.orders_placed)]);
        rates.push([rate(figures.accepted, before.accepted), rate(figures.rejected, before.rejected)]);
        latency.push(percentiles(figures.latency_us.buckets, before.latency_us.buckets));
        lag.push([figures.sequence - figures.durable_sequence]);
        behind.push([figures.read_model_lag]);
        const inState = (name) => figures.orders_by_state.find(({ state }) => state === name)?.count ?? 0;
        open.push([inState("pending"), inState("confirmed")]);
        pushReasons(refused, met, figures.rejects, before.rejects, rate);
      }
      before = figures;
    } catch (error) {
      if (signal.aborted) return;
      before = null;
      for (const each of all) each.push(null);
      // What was said once is not said again every second.
      if (trouble.textContent !== problemBox(error).textContent) trouble.replaceChildren(problemBox(error));
      const isFinal = error.isMissing || error.status === 401 || error.status === 403;
      if (isFinal) clearInterval(timer);
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
  look();
}

// Percentiles of the answers between two looks, each as the upper bound of its bucket; null where there was none.
function percentiles(now, then) {
  const counts = now.map((bucket, at) => bucket.count - then[at].count);
  const total = counts.reduce((sum, each) => sum + each, 0);
  if (total <= 0 || counts.some((each) => each < 0)) return null;
  return [0.5, 0.9, 0.99].map((share) => {
    let left = Math.ceil(share * total);
    const at = counts.findIndex((each) => (left -= each) <= 0);
    // What has no bound took longer than the last one that there is.
    return now[at].up_to ?? now[at - 1].up_to;
  });
}

function pushReasons(chart, met, now, then, rate) {
  const before = new Map(then.map(({ code, count: times }) => [code, times]));
  const rates = new Map(now.map(({ code, count: times }) => [code, rate(times, before.get(code) ?? 0)]));
  for (const [code, each] of rates) {
    if (each > 0 && !met.includes(code) && met.length < REASONS_SHOWN) chart.name(met.push(code) - 1, code);
  }
  const shown = met.map((code) => rates.get(code) ?? 0);
  const others = [...rates].filter(([code]) => !met.includes(code)).reduce((sum, [, each]) => sum + each, 0);
  chart.push([...shown, ...Array(REASONS_SHOWN - shown.length).fill(0), others]);
}

function drawTiles(tiles, figures) {
  const tile = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  tiles.replaceChildren(
    tile("Orders placed", count(figures.orders_placed)),
    tile("Open orders", count(figures.orders_open)),
    tile("Orders in memory", count(figures.orders_total)),
    tile("Accepted", count(figures.accepted)),
    tile("Refused", count(figures.rejected)),
    tile("Durable sequence", count(figures.durable_sequence)),
    tile("Read models at", count(figures.read_model_sequence)),
    tile("Up for", duration(figures.uptime_s)));
}

function duration(total_s) {
  const [days, hours, minutes] = [Math.floor(total_s / 86400), Math.floor(total_s / 3600) % 24, Math.floor(total_s / 60) % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${total_s} s`;
}

function drawStates(place, states) {
  place.replaceChildren(bars(states.map(({ state, count: orders }) => [state, orders]), count));
}

function drawReasons(place, rejects) {
  const rows = rejects.filter(({ count: times }) => times > 0).map(({ code, count: times }) => [code, times]);
  rows.sort((a, b) => b[1] - a[1]);
  place.replaceChildren(rows.length > 0 ? bars(rows.slice(0, 10), count) : h("p", { class: "empty" }, "Nothing was refused since the start."));
}

function holdings(status) {
  const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h("dl", { class: "facts" },
    fact("Sellers", count(status.sellers)), fact("Locations", count(status.locations)), fact("SKUs", count(status.skus)),
    fact("Reservations", count(status.reservations)), fact("Sessions", count(status.sessions)),
    fact("Orders kept since", status.orders_horizon ? time(status.orders_horizon) : "the beginning"));
}
