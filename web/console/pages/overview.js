// What the server does right now: rates, lag and latency as moving charts, and what it refuses.

import { get } from "../api.js";
import { bars, chart } from "../chart.js";
import { h, problemBox, section } from "../dom.js";
import { count, micros, time } from "../format.js";

export const title = "Overview";

const LOOK_EVERY_MS = 1000;

export function show(place, { signal }) {
  const tiles = h("dl", { class: "tiles" });
  const rates = chart("Commands a second", ["accepted", "refused"], (value) => count(Math.round(value)));
  const lag = chart("Durable lag, events", ["decided, not yet durable"], (value) => count(Math.round(value)));
  const behind = chart("Read model lag, events", ["durable, not yet searchable"], (value) => count(Math.round(value)));
  const latency = chart("Latency since the start, door to door", ["p50", "p90", "p99"], micros);
  const charts = h("div", { class: "charts" }, rates.element, latency.element, lag.element, behind.element);
  // Shown once the server has said how far its read models are.
  behind.element.hidden = true;
  const reasons = h("div", {});
  const trouble = h("div", {});
  place.append(trouble, tiles, charts, h("section", {}, h("h2", {}, "Refused, by reason"), reasons),
    section("What it holds", async () => holdings((await get("/v1/status", signal)).body)));

  let before = null;
  const look = async () => {
    // A tab that nobody looks at asks for nothing.
    if (document.hidden) return;
    try {
      const figures = (await get("/v1/figures", signal)).body;
      trouble.replaceChildren();
      drawTiles(tiles, figures);
      drawReasons(reasons, figures.rejects);
      if (before) {
        const passed_s = (new Date(figures.at) - new Date(before.at)) / 1000;
        // A restart begins to count anew: no rate over it.
        const rate = (name) => (passed_s > 0 ? Math.max(0, figures[name] - before[name]) / passed_s : 0);
        rates.push([rate("accepted"), rate("rejected")]);
        lag.push([figures.sequence - figures.durable_sequence]);
        behind.element.hidden = figures.read_model_sequence === undefined;
        if (!behind.element.hidden) behind.push([Math.max(0, figures.durable_sequence - figures.read_model_sequence)]);
        latency.push([figures.latency_us.p50, figures.latency_us.p90, figures.latency_us.p99]);
      }
      before = figures;
    } catch (error) {
      if (signal.aborted) return;
      before = null;
      for (const each of [rates, lag, behind, latency]) each.push(null);
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

function drawTiles(tiles, figures) {
  const tile = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  tiles.replaceChildren(
    tile("Open orders", count(figures.orders_open)),
    tile("Orders in memory", count(figures.orders_total)),
    tile("Accepted", count(figures.accepted)),
    tile("Refused", count(figures.rejected)),
    tile("Durable sequence", count(figures.durable_sequence)),
    tile("Up for", duration(figures.uptime_s)));
}

function duration(total_s) {
  const [days, hours, minutes] = [Math.floor(total_s / 86400), Math.floor(total_s / 3600) % 24, Math.floor(total_s / 60) % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${total_s} s`;
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
