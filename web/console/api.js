// The way to /v1: who asks, under which key, expecting which version; and refusals as problems.

const TOKEN = "orderline-token";

/** The token of this tab, or an empty text. It is gone when the tab is closed. */
export function token() {
  return sessionStorage.getItem(TOKEN) ?? "";
}

/** Asks with this token from now on; with none if it is empty. */
export function setToken(value) {
  if (value) sessionStorage.setItem(TOKEN, value);
  else sessionStorage.removeItem(TOKEN);
  dispatchEvent(new Event(TOKEN));
}

/** A refusal: an RFC 9457 document, or what is said in place of one when nothing answered. */
export class Problem extends Error {
  constructor(document, request) {
    super(document.detail ?? document.title ?? "The server refused and did not say why.");
    this.document = document;
    this.request = request;
  }

  get status() {
    return this.document.status;
  }

  /** The server has no such path: an older one, or one that was built or set up without this part. */
  get isMissing() {
    return this.document.code === "NoSuchPath" || this.document.code === "WrongMethod";
  }
}

/** A path with what is put into it encoded: at`/v1/orders/${id}`. */
export function at(texts, ...values) {
  return texts.reduce((path, text, index) => path + encodeURIComponent(values[index - 1]) + text);
}

/** A path with those parameters that have a value. */
export function withQuery(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  return query.size > 0 ? `${path}?${query}` : path;
}

/** A name for a request that changes something, so that asking twice does nothing twice. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Session and request numbers are longer than a double is exact: such are kept as the text that came.
function exact(_, value, context) {
  const isRounded = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return isRounded && context?.source ? context.source : value;
}

async function ask(request) {
  const { method, path, body, key, version, isNew, signal } = request;
  const headers = { Accept: "application/json" };
  if (token()) headers.Authorization = `Bearer ${token()}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  if (version) headers["If-Match"] = `"${version}"`;
  if (isNew) headers["If-None-Match"] = "*";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "The server does not answer. It may be restarting; ask again.", retryable: true }, request);
  }
  if (!response.ok) throw new Problem(await refusal(response), request);
  return response;
}

async function refusal(response) {
  const text = await response.text();
  try {
    return { status: response.status, ...JSON.parse(text, exact) };
  } catch {
    return { status: response.status, detail: `The server answered ${response.status}: ${text.slice(0, 200)}` };
  }
}

async function answer(request) {
  const response = await ask(request);
  const text = await response.text();
  const version = /^"(\d+)"$/.exec(response.headers.get("ETag") ?? "");
  return {
    body: text ? JSON.parse(text, exact) : null,
    version: version ? Number(version[1]) : undefined,
    sequence: Number(response.headers.get("Orderline-Sequence") ?? 0),
  };
}

/** Reads: the body, its version and the sequence that it speaks of. */
export function get(path, signal) {
  return answer({ method: "GET", path, signal });
}

/** Asks for a change: { method, path, body, key, version, isNew }. */
export function send(request) {
  return answer(request);
}

// Pages of a list that is shown whole.
const PAGES_MAX = 10;

/** Reads a list to its end, or to as many pages as are shown at once: the entries, where the next page would begin, and what the last one spoke of. */
export async function getAll(path, signal, terms = {}) {
  const items = [];
  let cursor = null;
  for (let page = 1; ; page += 1) {
    const { body } = await get(withQuery(path, { ...terms, limit: 500, cursor }), signal);
    items.push(...body.items);
    cursor = body.next;
    if (cursor === null || page === PAGES_MAX) return { ...body, items };
  }
}

/** Follows server-sent events; each event's data, parsed, goes to `heard`. Returns when the stream ends. */
export async function follow(path, signal, heard) {
  // EventSource cannot say who asks; a response that is read as it comes can.
  const response = await ask({ method: "GET", path, signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split(/\r?\n\r?\n/);
    text = events.pop();
    for (const event of events) {
      const data = event.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
      if (data.length > 0) heard(JSON.parse(data.join("\n"), exact));
    }
  }
}
