// Sellers, and what each is owed in a currency.

import { at, get, withQuery } from "../api.js";
import { propose } from "../change.js";
import { badge, button, facts, h, pagedTable, problemBox, section } from "../dom.js";
import { count, money, percent, time } from "../format.js";

export const title = "Sellers";

export async function show(place, context) {
  if (context.rest.length > 0) return seller(place, context);
  place.append(await pagedTable("Sellers", [
    { head: "Seller", wide: true, cell: (row) => h("a", { href: `#/sellers/${encodeURIComponent(row.seller)}` }, row.seller) },
    { head: "Standing", cell: (row) => badge(row.standing) },
    { head: "Commission", number: true, cell: (row) => percent(row.commission_bp) },
  ], async (cursor) => (await get(withQuery("/v1/sellers", { cursor, limit: 50 }), context.signal)).body,
  "There is no seller yet; the configuration defines them."));
}

async function seller(place, { rest, query, signal, again, heading }) {
  const code = rest[0];
  const currency = query.get("currency") ?? "EUR";
  const { body } = await get(at`/v1/sellers/${code}`, signal);
  heading.replaceChildren("Seller ", h("span", { class: "id" }, code), " ", badge(body.standing));
  const input = h("input", { id: "currency", value: currency, maxlength: 3, size: 5, autocomplete: "off", spellcheck: "false" });
  const choose = h("form", { class: "row" }, h("div", { class: "field" }, h("label", { for: "currency" }, "Currency"), input),
    h("button", { type: "submit" }, "Show"));
  choose.addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = withQuery(`#/sellers/${encodeURIComponent(code)}`, { currency: input.value.trim().toUpperCase() });
  });
  place.append(
    facts([["Commission", percent(body.commission_bp)], ["Version", count(body.version)]]),
    h("p", {}, h("a", { href: withQuery("#/orders", { seller: code }) }, "Its orders"), " · ", h("a", { href: "#/sellers" }, "All sellers")),
    h("h2", {}, "Ledger"), choose);
  try {
    const { body: ledger } = await get(at`/v1/sellers/${code}/ledgers/${currency}`, signal);
    const sum = (name) => money(ledger[`${name}_minor`], currency);
    place.append(
      facts([
        ["Sales", sum("sales")], ["Commissions", sum("commissions")], ["Refunds", sum("refunds")],
        ["Commissions given back", sum("reversals")], ["Accrued, not yet payable", sum("accrued")], ["Payable", sum("payable")],
        ["Paid out", sum("paid")], ["Entries", count(ledger.entry_count)],
      ]),
      h("div", { class: "actions" }, button("Record a payout", () => propose({
        title: `Record a payout to ${code}`,
        note: `Payable now: ${sum("payable")}. It says that money was paid; it pays none.`,
        fields: [
          { name: "amount_minor", label: "Amount", kind: "money", currency, value: ledger.payable_minor },
          { name: "reference", label: "Reference", kind: "number", value: 0, hint: "The bank's own number." },
          { name: "happened_at", label: "When it happened", kind: "moment", hint: "Empty: now." },
        ],
        request: (values) => ({ method: "POST", path: at`/v1/sellers/${code}/payouts`, body: { currency, ...values }, version: ledger.version }),
        done: again,
      }))),
      section("Entries", () => entries(code, signal)));
  } catch (error) {
    if (!signal.aborted) place.append(problemBox(error));
  }
}

function entries(code, signal) {
  return pagedTable("Entries", [
    { head: "Kind", cell: (row) => row.kind },
    { head: "Amount", number: true, cell: (row) => money(row.amount_minor, row.currency) },
    { head: "Order", wide: true, cell: (row) => row.order && h("a", { href: `#/orders/${row.order}`, class: "id" }, row.order) },
    { head: "Payable", cell: (row) => (row.is_payable ? "yes" : "once its order is finished") },
    { head: "Recorded", cell: (row) => time(row.recorded_at) },
    { head: "Sequence", number: true, cell: (row) => count(row.sequence) },
  ], async (cursor) => (await get(withQuery(at`/v1/sellers/${code}/entries`, { cursor, limit: 50 }), signal)).body, "None yet.");
}
