// Elements, and the few shapes that pages are made of. Everything is made node by node: no text that came from outside is
// ever read as markup.

/** An element: h("a", { href: "#/" }, "text", child, [children]). `on...` properties listen. Nothing is made of null or false. */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  fill(element, properties, children);
  return element;
}

/** As h, for SVG. */
export function svg(tag, properties, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  fill(element, properties, children);
  return element;
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

/** A button. */
export function button(text, onclick, properties) {
  return h("button", { type: "button", ...properties, onclick }, text);
}

/** A state, with the same colour for the same meaning on every page; `tone` where the word alone would mislead. */
export function badge(state, tone) {
  return h("span", { class: `badge ${tone || toneOf(state)}` }, state);
}

const TONES = {
  good: ["active", "completed", "delivered", "captured", "paid", "succeeded", "fulfilled", "closed", "ready", "ok"],
  bad: ["failed", "lost", "declined", "rejected", "inactive", "expired", "voided", "revoked", "disabled"],
  busy: ["confirmed", "in progress", "accepted", "shipped", "authorized", "approved", "received", "partially captured",
    "partially paid", "partially fulfilled", "returned to sender"],
  open: ["pending", "open", "on hold", "requested", "created", "paused"],
};

function toneOf(state) {
  return Object.keys(TONES).find((name) => TONES[name].includes(state)) ?? "quiet";
}

/** A refusal, as a sentence, with its code for whoever looks it up. */
export function problemBox(error) {
  const document = error.document;
  if (error.isMissing) {
    const { method, path } = error.request;
    return h("p", { class: "missing" }, "This server does not offer this ", h("code", {}, `(${method} ${path.split("?")[0]})`), ".");
  }
  if (error.status === 401) {
    return h("p", { class: "problem", role: "alert" }, error.message, " ",
      h("a", { href: "#/access" }, "Say who you are."));
  }
  return h("p", { class: "problem", role: "alert" }, error.message,
    document?.field && h("span", {}, " Field: ", h("code", {}, document.field), "."),
    document?.code && h("span", { class: "code" }, ` ${document.code}`));
}

/** Tells people of something that happened, by eye and by ear. */
export function tell(text) {
  const told = document.getElementById("told");
  told.textContent = text;
  told.classList.add("shown");
  clearTimeout(told.timer);
  told.timer = setTimeout(() => told.classList.remove("shown"), 8000);
}

/** Names and values: facts([["Buyer", "7"], ...]). */
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value]) =>
    h("div", { class: value?.tagName === "UL" && "list" }, h("dt", {}, name), h("dd", {}, value ?? "-"))));
}

/**
 * A table: columns are { head, cell(row), number, wide, does }: figures, long texts, buttons. On a narrow screen each row stands as a block, each cell with its
 * column's name; the roles keep it a table for whoever listens.
 */
export function table(caption, columns, rows, empty = "None.") {
  if (rows.length === 0) return h("p", { class: "empty" }, empty);
  const kind = (column) => [column.number && "number", column.wide && "wide", column.does && "does"].filter(Boolean).join(" ");
  return h("table", { role: "table" },
    h("caption", { class: "hidden" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((column) =>
      h("th", { role: "columnheader", scope: "col", class: kind(column) }, column.head)))),
    h("tbody", { role: "rowgroup" }, rows.map((row) =>
      h("tr", { role: "row" }, columns.map((column) => {
        const value = column.cell(row);
        return h("td", { role: "cell", class: kind(column), "data-head": column.head }, value ?? "-");
      })))));
}

/** A part of a page with a heading; what `load` makes is put below it, and its refusal too, so that other parts stand. */
export function section(title, load, ...beside) {
  const body = h("div", { class: "body", "aria-busy": "true" }, h("p", { class: "empty" }, "Loading ..."));
  const element = h("section", {}, h("div", { class: "head" }, h("h2", {}, title), beside), body);
  element.refresh = async () => {
    try {
      const made = [await load()].flat(Infinity).filter(Boolean);
      body.replaceChildren(...made);
    } catch (error) {
      if (error.name !== "AbortError") body.replaceChildren(problemBox(error));
    }
    body.setAttribute("aria-busy", "false");
  };
  element.refresh();
  return element;
}

/** A list that goes on: its first page, and a button for the next as long as there is one. */
export async function pagedTable(caption, columns, read, empty) {
  const rows = [];
  const place = h("div", {});
  const more = async (cursor) => {
    const { items, next } = await read(cursor);
    const before = rows.length;
    rows.push(...items);
    place.replaceChildren(table(caption, columns, rows, empty));
    if (next !== null && next !== undefined) {
      place.append(button("More", (event) => {
        event.target.disabled = true;
        more(next).catch((error) => place.append(problemBox(error)));
      }, { class: "more" }));
    }
    // Whoever asked for more by keyboard goes on reading where the new rows begin.
    if (before > 0) place.querySelectorAll("tbody tr")[before]?.querySelector("a, button")?.focus();
  };
  await more(null);
  return place;
}
