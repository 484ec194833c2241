// A line chart that moves: the newest values of a few series over the last two minutes.

import { h, svg } from "./dom.js";

const POINTS_MAX = 120;
const WIDTH = 480;
const HEIGHT = 120;

/**
 * A chart: series are names, `show` says a value as text. `push` takes a value for each series, or null for a look that
 * failed: a gap, not a zero. A series without a name is not listed before `name` gives it one.
 */
export function chart(title, series, show) {
  const looks = [];
  const lines = series.map((_, index) => svg("path", { class: `line series-${index}` }));
  const grid = [0, 0.5, 1].map((share) =>
    svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: 4 + share * (HEIGHT - 8), y2: 4 + share * (HEIGHT - 8) }));
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": title }, grid, lines);
  const top = h("span", { class: "top" });
  const values = series.map(() => h("output", {}, "-"));
  const names = series.map((name) => h("span", {}, name));
  const entries = series.map((name, index) =>
    h("li", { class: `series-${index}`, hidden: name === "" }, names[index], " ", values[index]));
  const element = h("figure", { class: "chart" },
    h("figcaption", {}, title),
    h("div", { class: "plot" }, top, picture),
    h("ul", { class: "legend" }, entries));
  const name = (index, text) => {
    names[index].textContent = text;
    entries[index].hidden = false;
  };

  const push = (look) => {
    looks.push(look);
    if (looks.length > POINTS_MAX) looks.shift();
    const highest = ceiling(Math.max(0, ...looks.flatMap((values) => values ?? [])));
    const x = (index) => WIDTH - ((looks.length - 1 - index) * WIDTH) / (POINTS_MAX - 1);
    const y = (value) => HEIGHT - 4 - (value / highest) * (HEIGHT - 8);
    lines.forEach((line, of) => {
      const points = looks.map((values, index) =>
        values && `${looks[index - 1] ? "L" : "M"}${x(index).toFixed(1)} ${y(values[of]).toFixed(1)}`);
      line.setAttribute("d", points.filter(Boolean).join(""));
    });
    top.textContent = show(highest);
    values.forEach((value, of) => {
      value.textContent = look ? show(look[of]) : "-";
    });
    picture.setAttribute("aria-label", `${title}: ${told()}`);
  };
  const told = () => names.map((named, of) => named.textContent && `${named.textContent} ${values[of].textContent}`).filter(Boolean).join(", ");
  return { element, push, name };
}

// The next of 1, 2, 5, 10, 20, 50 and so on, so that the scale does not move with every value.
function ceiling(value) {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

/** Bars, the longest first: rows are [name, value]. */
export function bars(rows, show) {
  const highest = Math.max(1, ...rows.map(([, value]) => value));
  return h("ul", { class: "bars" }, rows.map(([name, value]) => {
    const bar = h("div", { class: "bar", "aria-hidden": "true" }, h("span", {}));
    bar.style.setProperty("--share", `${(100 * value) / highest}%`);
    return h("li", {}, h("span", {}, name), bar, h("output", {}, show(value)));
  }));
}
