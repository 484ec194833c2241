// Who gets events: webhooks and what became of their deliveries, consumers of the feed and how far behind each is, and the feed
// itself.

import { at, follow, get, withQuery } from "../api.js";
import { propose } from "../change.js";
import { badge, button, h, problemBox, section, table } from "../dom.js";
import { count, time, words } from "../format.js";

export const title = "Integrations";

const EVENTS_SHOWN = 50;

export function show(place, { signal, again }) {
  place.append(
    section("Webhooks", () => webhooks(signal, again), button("New webhook", () => create(again))),
    section("Consumers of the feed", () => consumers(signal)),
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
      { head: "Behind", number: true, cell: (hook) => count(hook.lag) },
      { head: "Delivered", number: true, cell: (hook) => count(hook.delivered_count) },
      { head: "Trouble", cell: (hook) => (hook.failing_since ? `since ${time(hook.failing_since)}: ${hook.last_error}` : "none") },
      { head: "Dead letters", number: true, cell: (hook) => count(hook.dead_letter_count) },
      { head: "Actions", does: true, cell: (hook) => h("div", { class: "actions" },
        button("Dead letters", () => deadLetters(hook, letters, signal)), button("Replay", () => replay(hook, again)),
        hook.state === "active" ? button("Pause", () => setState(hook, "paused", again)) : button("Go on", () => setState(hook, "active", again)),
        button("Remove", () => remove(hook, again))) },
    ], body, "Nobody is told of events."),
    letters,
  ];
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
      { name: "url", label: "Address", type: "url", required: true },
      { name: "label", label: "Name" },
      { name: "types", label: "Types of events", hint: "Apart by commas; empty: all. Such as org.orderline.order.placed.v1." },
    ],
    request: ({ types, ...body }) => ({
      method: "POST", path: "/v1/webhooks",
      body: { ...body, ...(types && { types: types.split(",").map((type) => type.trim()).filter(Boolean) }) },
    }),
    async done(made) {
      await done();
      showSecret(made?.secret, "It signs every delivery to this address.");
    },
  });
}

/** Shows a secret, once. */
export function showSecret(secret, what) {
  if (!secret) return;
  const dialog = h("dialog", { "aria-labelledby": "secret" },
    h("h2", { id: "secret" }, "Keep this secret now"),
    h("p", {}, `${what} It is not shown again.`), h("pre", { class: "secret", tabindex: 0 }, secret),
    h("div", { class: "buttons" }, button("I have it", () => dialog.close(), { class: "primary" })));
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
      { head: "Attempts", number: true, cell: (letter) => count(letter.attempts) },
      { head: "What became of the last", wide: true, cell: (letter) => letter.error },
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

async function consumers(signal) {
  const { body } = await get("/v1/consumers", signal);
  return table("Consumers", [
    { head: "Consumer", wide: true, cell: (row) => row.name },
    { head: "Has everything up to", number: true, cell: (row) => count(row.position) },
    { head: "Behind", number: true, cell: (row) => count(row.lag) },
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
