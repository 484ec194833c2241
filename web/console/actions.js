// What can be asked of an order and its parts: for each action of the transition table, how it is asked for.
//
// Which actions a state allows is the table's to say; this page only knows the words for them. An action that the core takes
// by itself is named as such, so that every row of the table is accounted for.

import { at } from "./api.js";
import { propose } from "./change.js";
import { button } from "./dom.js";
import { HOLD_KINDS, HOLD_BLOCKS } from "./names.js";

const happened = { name: "happened_at", label: "When it happened", kind: "moment", hint: "Empty: now." };
const reason = { name: "reason", label: "Reason code", kind: "number", value: 0, max: 65535, hint: "Your own number." };
const reference = { name: "reference", label: "Reference", kind: "number", value: 0, hint: "The payment service's own number." };

// Lines that have units of this kind, as a field has them.
function unitsOf(order, most) {
  return order.lines
    .map((line) => ({ line: line.line, label: `${line.line}: ${line.sku}`, max: most(line) }))
    .filter((line) => line.max > 0);
}

function unitsField(lines, label = "Units") {
  return { name: "lines", label, kind: "units", lines };
}

// Units of an order's lines that are at a location.
function unitsAt(order, location) {
  const held = (line) => order.allocations
    .filter((units) => units.line === line.line && units.location === location)
    .reduce((sum, units) => sum + units.quantity, 0);
  return unitsOf(order, held);
}

// What was captured and is neither refunded nor asked for.
function refundable(order) {
  const asked = order.refunds.filter((refund) => refund.state === "pending");
  return order.captured_minor - order.refunded_minor - asked.reduce((sum, refund) => sum + refund.amount_minor, 0);
}

const post = (path, body) => ({ method: "POST", path, body });

// By entity and action: what is asked, of { order, group, part }.
const ASKED = {
  order: {
    confirm: ({ order }) => ({ request: () => post(at`/v1/orders/${order.order}/confirm`) }),
    cancel: ({ order }) => ({
      note: "Stock goes back; what has shipped or is packed stays.",
      fields: [unitsField(unitsOf(order, (line) => line.quantity - line.cancelled - line.shipped)), reason],
      request: (values) => post(at`/v1/orders/${order.order}/cancel`, values),
    }),
    edit: ({ order }) => ({
      title: "Change a quantity",
      fields: [
        {
          name: "line", label: "Line", kind: "choice", required: true,
          options: order.lines.map((line) => `${line.line}: ${line.sku}, ${line.quantity}`),
          value: order.lines.length > 0 ? `${order.lines[0].line}: ${order.lines[0].sku}, ${order.lines[0].quantity}` : "",
        },
        { name: "quantity", label: "Whole quantity from now on", kind: "number", min: 1, required: true },
        reason,
      ],
      request: ({ line, ...body }) => ({ method: "PUT", path: at`/v1/orders/${order.order}/lines/${Number.parseInt(line, 10)}`, body }),
    }),
    hold: ({ order }) => ({
      fields: [
        { name: "kind", label: "Why", kind: "choice", options: HOLD_KINDS, required: true, value: "manual" },
        { name: "blocks", label: "What it blocks", kind: "choices", options: HOLD_BLOCKS, value: ["confirm", "fulfil"], required: true },
        { name: "seconds", label: "Seconds that it lasts", kind: "number", min: 1, hint: "Empty: until it is released." },
        reason,
      ],
      request: (values) => post(at`/v1/orders/${order.order}/holds`, values),
    }),
    refund: ({ order }) => ({
      note: "What was captured and is not refunded or asked for yet can be given back.",
      fields: [
        { name: "amount_minor", label: "Amount", kind: "money", currency: order.currency, value: order.refund_owed_minor || refundable(order) },
        reason, happened,
      ],
      request: (values) => post(at`/v1/orders/${order.order}/refunds`, values),
    }),
    "request return": ({ order }) => ({
      fields: [unitsField(unitsOf(order, (line) => line.delivered - line.returned)), reason, happened],
      request: (values) => post(at`/v1/orders/${order.order}/returns`, values),
    }),
  },
  "fulfilment order": {
    ...Object.fromEntries(["accept", "start", "pause", "resume"].map((step) => [step, ({ order, part }) => ({
      request: () => post(at`/v1/orders/${order.order}/work/${part.location}/steps`, { step }),
    })])),
    reject: ({ order, part }) => ({
      fields: [reason, { name: "is_missing", label: "The goods are not to be found", kind: "flag", hint: "They go to quality hold until somebody has counted." }],
      request: (values) => post(at`/v1/orders/${order.order}/work/${part.location}/reject`, values),
    }),
    move: ({ order, part }) => ({
      fields: [{ name: "to", label: "To which location", required: true }, unitsField(unitsAt(order, part.location)), reason],
      request: (values) => post(at`/v1/orders/${order.order}/work/${part.location}/move`, values),
    }),
    ship: ({ order, part }) => ({
      fields: [
        unitsField(unitsAt(order, part.location)),
        { name: "carrier", label: "Carrier", kind: "number", value: 0, max: 65535, hint: "Your own number." },
        { name: "tracking", label: "Tracking code" },
        { name: "is_sent", label: "It leaves at once", kind: "flag", value: true, hint: "Else it is packed, and sent later." },
        happened,
      ],
      request: (values) => post(at`/v1/orders/${order.order}/shipments`, { location: part.location, ...values }),
    }),
  },
  shipment: Object.fromEntries(["send", "cancel", "deliver", "lose", "return to sender"].map((step) => [step, ({ order, part }) => ({
    fields: [happened],
    request: (values) => post(at`/v1/orders/${order.order}/shipments/${part.shipment}/steps`, { step, ...values }),
  })])),
  return: {
    ...Object.fromEntries(["approve", "decline", "cancel", "close"].map((step) => [step, ({ order, part }) => ({
      fields: [happened],
      request: (values) => post(at`/v1/orders/${order.order}/returns/${part.return}/steps`, { step, ...values }),
    })])),
    receive: ({ order, part }) => ({
      note: "What is not named did not come.",
      fields: [
        { name: "location", label: "Location that they came to", required: true, value: order.fulfilment_orders[0]?.location ?? "" },
        {
          name: "units", label: "What came", kind: "received",
          lines: part.lines.map((line) => ({ ...line, label: `${line.line}: ${order.lines[line.line]?.sku ?? ""}` })),
        },
        happened,
      ],
      request: (values) => post(at`/v1/orders/${order.order}/returns/${part.return}/receive`, values),
    }),
  },
  refund: Object.fromEntries([["succeed", "succeeded"], ["fail", "failed"]].map(([action, outcome]) => [action, ({ order, part }) => ({
    fields: [reference, happened],
    request: (values) => post(at`/v1/orders/${order.order}/refunds/${part.refund}/settle`, { outcome, ...values }),
  })])),
  hold: {
    release: ({ order, part }) => ({
      fields: [reason],
      request: (values) => post(at`/v1/orders/${order.order}/holds/${part.hold}/release`, values),
    }),
  },
  payment: {
    authorize: ({ group }) => ({
      fields: [
        { name: "amount_minor", label: "Amount", kind: "money", currency: group.currency, value: group.total_minor },
        { name: "seconds", label: "Seconds until it lapses", kind: "number", min: 1, hint: "Empty: never." },
        reference, happened,
      ],
      request: (values) => post(at`/v1/groups/${group.group}/authorizations`, { currency: group.currency, ...values }),
    }),
    capture: ({ group }) => ({
      fields: [
        { name: "amount_minor", label: "Amount", kind: "money", currency: group.currency, value: Math.min(group.authorized_minor, group.total_minor) - group.captured_minor },
        reference, happened,
      ],
      request: (values) => post(at`/v1/groups/${group.group}/captures`, values),
    }),
    ...Object.fromEntries(["void", "fail"].map((end) => [end, ({ group }) => ({
      fields: [reference, reason, happened],
      request: (values) => post(at`/v1/groups/${group.group}/${end}`, values),
    })])),
  },
};

// The order's row that must be there as well for something to be done with one of its parts.
const ALSO_OF_THE_ORDER = {
  "fulfilment order": ["accept", "start", "pause", "resume", "reject", "move", "ship"],
  shipment: ["send", "deliver", "lose", "return to sender"],
  return: ["receive"],
};

// Rows of the table that nobody asks for under this name: the core does them, or they follow from another entity's action.
const BY_ITSELF = {
  order: ["expire", "refill", "ship", "send", "deliver", "lose", "return to sender", "accept", "start", "pause", "resume",
    "reject", "move", "release", "receive"],
  "fulfilment order": ["cancel", "send"],
  payment: ["expire"],
  hold: ["expire"],
  // Carts are no part of an order.
  reservation: ["extend", "consume", "release", "expire"],
};

// What a hold can stop, by entity and action.
const BLOCKED_BY = {
  order: { confirm: "confirm", cancel: "cancel", edit: "edit", refund: "refund" },
  "fulfilment order": { accept: "fulfil", start: "fulfil", ship: "fulfil" },
  shipment: { send: "fulfil" },
  payment: { capture: "capture" },
};

/** Rows of the table that this console has no word for: there should be none. */
export function unknownRows(transitions) {
  return transitions.filter(({ entity, action }) => !ASKED[entity]?.[action] && !BY_ITSELF[entity]?.includes(action));
}

/** Buttons for whatever the table allows with this part, of { order, group, part }, in its state. */
export function actions(transitions, entity, state, about, done) {
  const { order, group } = about;
  // A payment is its group's, and so is the version that it goes by.
  const { version } = entity === "payment" ? group : order;
  const has = (of, from, action) => transitions.some((row) => row.entity === of && row.from === from && row.action === action);
  return transitions
    .filter((row) => row.entity === entity && row.from === state && ASKED[entity]?.[row.action])
    .filter(({ action }) => !ALSO_OF_THE_ORDER[entity]?.includes(action) || has("order", order.state, action))
    .map(({ action, to }) => {
      const isBlocked = order.blocked.includes(BLOCKED_BY[entity]?.[action]);
      const name = action[0].toUpperCase() + action.slice(1);
      return button(name, () => {
        const asked = ASKED[entity][action](about);
        propose({ title: name, ...asked, request: (values) => ({ version, ...asked.request(values) }), done });
      }, { disabled: isBlocked, title: isBlocked ? "A hold blocks this." : `Leads to: ${to.join(", ")}.` });
    });
}
