// The one way to a change: a dialog in which it is said, shown as it will be sent, and sent. A field that is wrong is told
// there; so is a refusal, with all that was filled in kept.

import { newKey, send } from "./api.js";
import { button, h, problemBox, tell } from "./dom.js";
import { count, moneyField, parseMoney } from "./format.js";

/**
 * Opens the dialog. `change` is:
 * - title, note: what it is, and what else to know;
 * - fields: { name, label, kind, value, ... }, see below;
 * - request(values): { method, path, body, version, isNew } of what was filled in;
 * - before: what is there now, as an object or made of what was filled in; nothing of what is new. It is shown field by field, old
 *   against new, and what would change nothing is not sent;
 * - done(receipt): called once it was accepted.
 */
export function propose(change) {
  const key = newKey();
  const inputs = (change.fields ?? []).map(input);
  const preview = h("div", { class: "preview", "aria-live": "polite" });
  const trouble = h("div", {});
  const sender = h("button", { type: "submit", class: "primary" }, "Send");
  const form = h("form", { novalidate: true },
    h("h2", { id: "change" }, change.title),
    change.note && h("p", {}, change.note),
    inputs.map((made) => made.element),
    preview, trouble,
    h("div", { class: "buttons" }, button("Back", () => dialog.close()), sender));
  const dialog = h("dialog", { "aria-labelledby": "change" }, form);

  const fill = () => Object.fromEntries(inputs.map((made) => [made.name, made.read()]));
  const read = () => ({ ...change.request(fill()), key });
  const show = () => {
    try {
      const values = fill();
      const request = change.request(values);
      const before = typeof change.before === "function" ? change.before(values) : change.before;
      const difference = before && differences(before, request.body ?? {}, change.fields);
      preview.replaceChildren(
        ...[difference && comparison(difference, change.fields), sent(request)].filter(Boolean));
      sender.disabled = difference?.length === 0;
    } catch (error) {
      preview.replaceChildren(h("p", { class: "hint" }, error.message));
      sender.disabled = true;
    }
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    sender.disabled = true;
    try {
      const receipt = (await send(read())).body;
      dialog.close();
      tell(`${change.title}: ${receipt?.sequence ? `accepted at sequence ${count(receipt.sequence)}` : "done"}.`);
      await change.done?.(receipt);
    } catch (error) {
      trouble.replaceChildren(problemBox(error));
      sender.disabled = false;
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  show();
  dialog.showModal();
}

// Those fields that change, each as { name, now, then }. What is left out of a definition is none from then on.
function differences(before, after, fields) {
  const names = new Set([...Object.keys(before), ...fields.map(({ name }) => name).filter((name) => name in after)]);
  return [...names]
    .filter((name) => JSON.stringify(before[name] ?? null) !== JSON.stringify(after[name] ?? null))
    .map((name) => ({ name, now: before[name] ?? null, then: after[name] ?? null }));
}

function comparison(difference, fields) {
  if (difference.length === 0) return h("p", { class: "hint" }, "Nothing would change.");
  const text = (value) => (value === null ? "none" : Array.isArray(value) ? value.join(", ") || "none" : String(value));
  return h("table", { class: "difference" },
    h("caption", {}, "What changes"),
    h("thead", {}, h("tr", {}, ["Field", "Now", "Then"].map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, difference.map(({ name, now, then }) =>
      h("tr", {}, h("th", { scope: "row" }, fields.find((field) => field.name === name)?.label ?? name),
        h("td", {}, h("del", {}, text(now))), h("td", {}, h("ins", {}, text(then)))))));
}

function sent({ method, path, body, version }) {
  const lines = [`${method} ${path}`, version && `If-Match: "${version}"`, body && JSON.stringify(body, null, 2)];
  return h("details", {}, h("summary", {}, "What will be sent"), h("pre", {}, lines.filter(Boolean).join("\n")));
}

// Kinds of fields: text, codes, number, money (with a currency), moment, flag, choice (of options), choices, units (of lines), received
// (units of lines, with what becomes of them). Each is read as the API has it; what is left empty is not sent.
function input(field) {
  const kind = KINDS[field.kind ?? "text"];
  return { name: field.name, ...kind(field) };
}

let made = 0;

function labelled(field, control, ...behind) {
  made += 1;
  control.id = `field-${made}`;
  const hint = field.hint && h("span", { class: "hint", id: `hint-${made}` }, field.hint);
  if (hint) control.setAttribute("aria-describedby", hint.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, field.label), control, behind, hint);
}

function need(field, text) {
  if (text === "" && field.required) throw new Error(`${field.label} is missing.`);
  return text === "" ? undefined : text;
}

function select(field, options) {
  return h("select", {}, options.map((option) =>
    h("option", { value: option, selected: option === (field.value ?? "") }, option === "" ? field.none ?? "none" : option)));
}

function whole(field, text) {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) throw new Error(`${field.label} is a whole number.`);
  if (value < (field.min ?? 0)) throw new Error(`${field.label} is at least ${field.min ?? 0}.`);
  if (field.max !== undefined && value > field.max) throw new Error(`${field.label} is at most ${count(field.max)}.`);
  return value;
}

function group(field, ...children) {
  return h("fieldset", {}, h("legend", {}, field.label), field.hint && h("p", { class: "hint" }, field.hint), children);
}

const KINDS = {
  text(field) {
    const control = h("input", { type: field.type ?? "text", value: field.value ?? "", autocomplete: "off", spellcheck: "false" });
    return { element: labelled(field, control), read: () => need(field, control.value.trim()) };
  },
  // Codes, which may hold whatever can be printed, one a line.
  codes(field) {
    const control = h("textarea", { rows: 3, autocomplete: "off", spellcheck: "false" });
    const read = () => {
      const codes = control.value.split("\n").map((line) => line.trim()).filter(Boolean);
      return codes.length === 0 ? need(field, "") : codes;
    };
    return { element: labelled(field, control), read };
  },
  number(field) {
    const control = h("input", { inputmode: "numeric", value: field.value ?? "", autocomplete: "off" });
    return { element: labelled(field, control), read: () => whole(field, need(field, control.value.trim())) };
  },
  money(field) {
    const control = h("input", { inputmode: "decimal", value: moneyField(field.value, field.currency), autocomplete: "off" });
    return {
      element: labelled({ ...field, label: `${field.label} in ${field.currency}` }, control),
      read: () => parseMoney(control.value, field.currency),
    };
  },
  // A time of day where the reader is, sent as the moment that it is everywhere.
  moment(field) {
    const control = h("input", { type: "datetime-local", step: 1 });
    const read = () => {
      const text = need(field, control.value);
      return text === undefined ? undefined : new Date(text).toISOString();
    };
    return { element: labelled(field, control), read };
  },
  flag(field) {
    const control = h("input", { type: "checkbox", checked: Boolean(field.value) });
    return { element: labelled(field, control), read: () => control.checked };
  },
  choice(field) {
    const control = select(field, field.required ? field.options : ["", ...field.options]);
    return { element: labelled(field, control), read: () => need(field, control.value) };
  },
  choices(field) {
    const boxes = field.options.map((option) =>
      h("input", { type: "checkbox", value: option, checked: field.value?.includes(option) ?? false }));
    const read = () => {
      const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
      if (chosen.length === 0 && field.required) throw new Error(`${field.label}: choose at least one.`);
      return chosen;
    };
    return { element: group(field, boxes.map((box) => h("label", { class: "box" }, box, box.value))), read };
  },
  // An order of preference: the same choices once for each place.
  ranking(field) {
    const controls = field.options.map((_, place) =>
      select({ value: field.value?.[place] ?? "" }, ["", ...field.options]));
    const read = () => {
      const chosen = controls.map((control) => control.value).filter(Boolean);
      if (new Set(chosen).size < chosen.length) throw new Error(`${field.label}: each at most once.`);
      return chosen;
    };
    return {
      element: group(field, controls.map((control, place) => labelled({ label: `${place + 1}.` }, control))),
      read,
    };
  },
  units(field) {
    const controls = field.lines.map((line) =>
      h("input", { inputmode: "numeric", value: line.value ?? "", placeholder: count(line.max), autocomplete: "off" }));
    const read = () => field.lines.flatMap((line, index) => {
      const limits = { label: line.label, max: line.max };
      const quantity = whole(limits, controls[index].value.trim() || undefined);
      return quantity ? [{ line: line.line, quantity }] : [];
    });
    return {
      element: group({ ...field, hint: field.hint ?? "Leave every line empty for all that there is." },
        field.lines.map((line, index) => labelled({ label: line.label }, controls[index]))),
      read,
    };
  },
  received(field) {
    const rows = field.lines.map((line) => ({
      line,
      quantity: h("input", { inputmode: "numeric", value: line.quantity, autocomplete: "off" }),
      disposition: h("select", { "aria-label": `What becomes of ${line.label}` },
        ["restock", "damaged", "discard"].map((option) => h("option", {}, option))),
    }));
    const read = () => rows.flatMap((row) => {
      const quantity = whole({ label: row.line.label, max: row.line.quantity }, row.quantity.value.trim() || undefined);
      return quantity ? [{ line: row.line.line, quantity, disposition: row.disposition.value }] : [];
    });
    return {
      element: group(field, rows.map((row) => labelled({ label: row.line.label }, row.quantity, row.disposition))),
      read,
    };
  },
};
