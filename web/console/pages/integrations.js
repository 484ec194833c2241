// Who gets events: webhooks and what became of their deliveries, consumers of the feed and how far behind each is, and the feed
// itself.

import { at, follow, get, withQuery } from "../api.js";
import { propose } from "../change.js";
import { badge, button, h, problemBox, section, table } from "../dom.js";
import { count, counted, time, words } from "../format.js";

export const title = "Integrations";

const EVENTS_SHOWN = 50;

export function show(place, { signal, again }) {
  place.append(
    section("Webhooks", () => webhooks(signal, again), button("New webhook", () => create(again))),
    section("Consumers of the feed", () => consumers(signal, again)),
    feed(signal));
}

async function webhooks(signal, again) {
  const { body } = await get("/v1/webhooks", signal);
  const letters = h("div", {});
  return [
    table("Webhooks", [
      { head: "Name", cell: (hook) => hook.label || String(hook.endpoint) },
      { head: "Address", wide: true, cell: (hook) => hook.url },
      { head: "State", cell: (hook) => badge(hook.state) },
      { head: "Gets", wide: true, cell: (hook) => hook.types?.map(shortType).join(", ") || "all events" },
      { head: "Deliveries", wide: true, cell: (hook) => deliveries(hook) },
      { head: "Trouble", wide: true, cell: (hook) => (hook.failing_since ? `since ${time(hook.failing_since)}: ${hook.last_error}` : "none") },
      { head: "Actions", does: true, cell: (hook) => h("div", { class: "actions" },
        button("Dead letters", () => deadLetters(hook, letters, signal)), button("Replay", () => replay(hook, again)),
        button("Change", () => change(hook, again)), button("New secret", () => rotate(hook, again)),
        hook.state === "active" ? button("Pause", () => setState(hook, "paused", again)) : button("Go on", () => setState(hook, "active", again)),
        button("Remove", () => remove(hook, again))) },
    ], body, "Nobody is told of events."),
    letters,
  ];
}

// What became of a webhook's deliveries.
function deliveries(hook) {
  const said = [
    `${count(hook.delivered_count)} accepted${hook.delivered_at ? `, the last ${time(hook.delivered_at)}` : ""}`,
    `${count(hook.pending_count)} under way, ${counted(hook.lag, "event")} behind`,
    `${counted(hook.failed_count, "attempt")} failed`,
    `${counted(hook.dead_letter_count, "dead letter")}${hook.dropped_count > 0 ? `, ${count(hook.dropped_count)} more dropped` : ""}`,
  ];
  return h("ul", { class: "plain" }, said.map((each) => h("li", {}, each)));
}

// Where a webhook is and what it gets, as the API takes it.
function asked({ types, ...body }) {
  return { ...body, ...(types && { types: types.split(",").map((type) => type.trim()).filter(Boolean) }) };
}

const webhookFields = (hook) => [
  { name: "url", label: "Address", type: "url", required: true, value: hook.url },
  { name: "label", label: "Name", value: hook.label },
  { name: "types", label: "Types of events", value: hook.types?.join(", "), hint: "Apart by commas; empty: all. Such as org.orderline.order.placed.v1." },
  { name: "entity", label: "Only of an order, group or reservation", value: hook.entity, hint: "Its id." },
  { name: "seller", label: "Only of a seller", value: hook.seller },
  { name: "location", label: "Only of a location", value: hook.location },
];

function change(hook, done) {
  const before = { url: hook.url, label: hook.label || null, types: hook.types.length > 0 ? hook.types : null, entity: hook.entity, seller: hook.seller, location: hook.location };
  propose({
    title: `Change ${hook.label || hook.url}`,
    before,
    fields: webhookFields(hook),
    request: (values) => ({ method: "PUT", path: at`/v1/webhooks/${hook.endpoint}`, body: asked(values) }),
    done,
  });
}

function rotate(hook, done) {
  propose({
    title: `New secret for ${hook.label || hook.url}`,
    note: "It is shown once, after this. For a day deliveries are signed with the old one as well.",
    request: () => ({ method: "POST", path: at`/v1/webhooks/${hook.endpoint}/secret` }),
    async done(made) {
      await done();
      showSecret(made?.secret, "It signs every delivery to this address.");
    },
  });
}

// A type without what all of ours have in common.
function shortType(type) {
  return type.replace(/^org\.orderline\./, "").replace(/\.v1$/, "");
}

function create(done) {
  propose({
    title: "New webhook",
    note: "The secret that deliveries are signed with is shown once, after this.",
    fields: [
      ...webhookFields({}),
      { name: "from", label: "From which sequence", kind: "number", min: 1, hint: "Empty: from now on." },
    ],
    request: (values) => ({ method: "POST", path: "/v1/webhooks", body: asked(values) }),
    async done(made) {
      await done();
      showSecret(made?.secret, "It signs every delivery to this address.");
    },
  });
}

/** Shows a secret, once; `more` makes a button that does something else with it. */
export function showSecret(secret, what, more) {
  if (!secret) return;
  const shown = h("pre", { class: "secret", tabindex: 0 }, secret);
  const copied = h("span", { role: "status", class: "hint" });
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(secret);
      copied.textContent = "It is in the clipboard.";
    } catch {
      // Over plain HTTP from elsewhere, or where it is forbidden, a page has no clipboard.
      getSelection().selectAllChildren(shown);
      copied.textContent = "It is selected: copy it with the keyboard.";
    }
  });
  const dialog = h("dialog", { "aria-labelledby": "secret" },
    h("h2", { id: "secret" }, "Keep this secret now"),
    h("p", {}, `${what} It is not shown again.`), shown,
    h("div", { class: "buttons" }, copied, more?.(secret), copy, button("I have it", () => dialog.close(), { class: "primary" })));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

async function deadLetters(hook, place, signal) {
  try {
    const { body } = await get(at`/v1/webhooks/${hook.endpoint}/dead-letters`, signal);
    place.replaceChildren(h("h3", {}, `Dead letters of ${hook.label || hook.endpoint}`), table("Dead letters", [
      { head: "Sequence", number: true, cell: (letter) => count(letter.sequence) },
      { head: "About", cell: (letter) => letter.subject },
      { head: "Given up", cell: (letter) => time(letter.given_up_at_us / 1000) },
      { head: "Attempts", number: true, cell: (letter) => count(letter.attempts) },
      { head: "What became of the last", wide: true, cell: (letter) => [letter.error, h("details", {}, h("summary", {}, "What was sent"), h("pre", {}, letter.body))] },
      { head: "Actions", does: true, cell: (letter) => h("div", { class: "actions" },
        button("Deliver again", () => again(hook, letter, () => deadLetters(hook, place, signal)))) },
    ], body, "None: every delivery was accepted or still waits."));
  } catch (error) {
    if (!signal.aborted) place.replaceChildren(problemBox(error));
  }
}

function replay(hook, done) {
  propose({
    title: `Replay to ${hook.label || hook.url}`,
    note: "Without a sequence, its dead letters are delivered again.",
    fields: [{ name: "from", label: "From which sequence", kind: "number", min: 1, hint: "Everything that matches from there on is delivered again." }],
    request: (body) => ({ method: "POST", path: at`/v1/webhooks/${hook.endpoint}/replay`, body }),
    done,
  });
}

function again(hook, letter, done) {
  propose({
    title: `Deliver ${letter.sequence} again`,
    request: () => ({ method: "POST", path: at`/v1/webhooks/${hook.endpoint}/replay`, body: { dead_letter: letter.sequence } }),
    done,
  });
}

function setState(hook, state, done) {
  propose({
    title: state === "active" ? `Go on with ${hook.label || hook.url}` : `Pause ${hook.label || hook.url}`,
    note: state === "active" ? null : "What it misses meanwhile is delivered once it goes on.",
    request: () => ({ method: "PUT", path: at`/v1/webhooks/${hook.endpoint}/state`, body: { state } }),
    done,
  });
}

function remove(hook, done) {
  propose({
    title: `Remove ${hook.label || hook.url}`,
    note: "Its progress and its dead letters go with it.",
    request: () => ({ method: "DELETE", path: at`/v1/webhooks/${hook.endpoint}` }),
    done,
  });
}

function forget(row, done) {
  propose({
    title: `Forget ${row.name}`,
    note: "Its place in the feed goes: it begins where it says, or at the oldest event that is kept.",
    request: () => ({ method: "DELETE", path: at`/v1/consumers/${row.name}` }),
    done,
  });
}

function moveOn(row, done) {
  propose({
    title: `Move ${row.name} on`,
    note: "A place only moves forward. To have events again, a consumer asks for them by their sequences.",
    before: { position: row.position },
    fields: [{ name: "position", label: "Has everything up to", kind: "number", value: row.position, required: true }],
    request: (body) => ({ method: "PUT", path: at`/v1/consumers/${row.name}`, body }),
    done,
  });
}

async function consumers(signal, again) {
  const { body } = await get("/v1/consumers", signal);
  return table("Consumers", [
    { head: "Consumer", wide: true, cell: (row) => row.name },
    { head: "Has everything up to", number: true, cell: (row) => count(row.position) },
    { head: "Behind", number: true, cell: (row) => count(row.lag) },
    { head: "Actions", does: true, cell: (row) => h("div", { class: "actions" },
      button("Move on", () => moveOn(row, again)), button("Forget", () => forget(row, again))) },
  ], body, "Nobody keeps a place in the feed.");
}

function feed(signal) {
  const list = h("ol", { class: "timeline", "aria-label": "Newest events" });
  const trouble = h("div", {});
  let following = null;
  const stop = () => {
    following?.abort();
    following = null;
    toggle.textContent = "Follow";
  };
  const toggle = button("Follow", async () => {
    if (following) return stop();
    following = new AbortController();
    toggle.textContent = "Stop";
    trouble.replaceChildren();
    try {
      const from = (await get("/v1/status", signal)).sequence + 1;
      await follow(withQuery("/v1/events/stream", { from: Math.max(1, from - 20) }), following.signal, (event) => {
        list.prepend(line(event));
        while (list.children.length > EVENTS_SHOWN) list.lastChild.remove();
      });
      stop();
    } catch (error) {
      if (error.name !== "AbortError") trouble.replaceChildren(problemBox(error));
      stop();
    }
  });
  signal.addEventListener("abort", stop);
  return h("section", {}, h("div", { class: "head" }, h("h2", {}, "The feed"), toggle),
    h("div", { class: "body" }, h("p", { class: "hint" }, "Every event in its order, newest on top."), trouble, list));
}

function line(event) {
  return h("li", {},
    h("div", { class: "when" }, h("time", { datetime: event.time }, time(event.time)), h("span", {}, `sequence ${count(event.sequence)}`)),
    h("div", {}, h("strong", {}, words(event.data?.kind ?? event.type)), " ", h("span", { class: "id" }, event.subject ?? "")));
}
