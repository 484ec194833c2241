// Who this tab asks as, and the tokens that there are.

import { at, get, setToken, token, withQuery } from "../api.js";
import { propose } from "../change.js";
import { badge, button, h, pagedTable, section, tell } from "../dom.js";
import { count, time } from "../format.js";
import { ROLES } from "../names.js";
import { showSecret } from "./integrations.js";

export const title = "Access";

export function show(place, { signal, again }) {
  place.append(mine(), section("Tokens", () => tokens(signal, again), button("New token", () => create(again))));
}

function mine() {
  const input = h("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", placeholder: "64 hexadecimal digits" });
  const form = h("form", { class: "row" },
    h("div", { class: "field grow" }, h("label", { for: "token" }, "Token"), input), h("button", { type: "submit", class: "primary" }, "Use"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setToken(input.value.trim());
    tell("This tab asks with the token from now on.");
  });
  const forget = button("Forget it", () => {
    setToken("");
    tell("This tab asks without a token from now on.");
  });
  return h("section", {}, h("div", { class: "head" }, h("h2", {}, "This tab"), token() && forget),
    h("p", {}, token()
      ? `It asks with the token that ends in ${token().slice(-4)}.`
      : "It asks without a token; a server that wants one says so."),
    form,
    h("p", { class: "hint" }, "The token is kept in this tab, and is gone when the tab is closed."));
}

function tokens(signal, again) {
  return pagedTable("Tokens", [
    { head: "Number", number: true, cell: (row) => count(row.token) },
    { head: "Label", wide: true, cell: (row) => row.label },
    { head: "Role", cell: (row) => row.role },
    { head: "For", cell: (row) => row.seller ?? (row.locations.join(", ") || "everything") },
    { head: "Standing", cell: (row) => badge(standing(row)) },
    { head: "Expires", cell: (row) => (row.expires_at ? time(row.expires_at) : "never") },
    { head: "Commands a second", number: true, cell: (row) => (row.commands_per_s_max ? count(row.commands_per_s_max) : "no bound") },
    { head: "Actions", does: true, cell: (row) => h("div", { class: "actions" }, !row.is_revoked
      && button("Revoke", () => revoke(row, again), { "aria-label": `Revoke ${row.label}` })) },
  ], async (cursor) => (await get(withQuery("/v1/tokens", { cursor }), signal)).body, "There is none; whoever reaches the server may do everything.");
}

function standing(row) {
  if (row.is_revoked) return "revoked";
  return row.expires_at && new Date(row.expires_at) <= new Date() ? "expired" : "active";
}

function create(done) {
  propose({
    title: "New token",
    note: "Its secret is shown once, after this.",
    fields: [
      { name: "label", label: "Label", required: true, hint: "Whose it is." },
      { name: "role", label: "Role", kind: "choice", options: ROLES, required: true, value: "read-only" },
      { name: "seller", label: "Seller", hint: "For the role seller." },
      { name: "locations", label: "Locations", kind: "codes", hint: "For the role warehouse: one a line, at most 16." },
      { name: "expires_at", label: "Expires", kind: "moment", hint: "Empty: never." },
      { name: "commands_per_s_max", label: "Commands a second", kind: "number", min: 1, hint: "Empty: no bound." },
    ],
    request: (body) => ({ method: "POST", path: "/v1/tokens", body }),
    async done(made) {
      await done();
      // Whoever made the first token is asked for one from then on.
      showSecret(made?.secret, "It is the token.", (secret) => button("Use it in this tab", () => setToken(secret)));
    },
  });
}

function revoke(row, done) {
  propose({
    title: `Revoke ${row.label}`,
    note: "Its secret is worth nothing from then on, and never again.",
    request: () => ({ method: "DELETE", path: at`/v1/tokens/${row.token}`, version: row.version }),
    done,
  });
}
