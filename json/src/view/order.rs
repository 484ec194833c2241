//! An order as it stands.

use orderline_protocol::command::LineQuantity;
use orderline_protocol::lifecycle::{
    FulfilmentStatus, HoldKind, HoldState, OrderState, PaymentStatus, RefundState, ReturnState, ReturnStatus,
    ShipmentState, WorkState,
};
use orderline_protocol::reply::{
    HoldView, LineView, OrderParts, RefundView, ReplyHeader, ReturnView, ShipmentView, WorkView,
};
use serde::Serialize;

use super::{Units, currency, known_id, location, name, said, seller, sku, time_said, units};
use crate::names::Names;
use crate::show::{blocked, time_text};

/// An order with all its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Order {
    /// Its id, a ULID.
    pub order: String,
    /// Its version: it rises with each change.
    pub version: u32,
    /// Its state.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::order_state))]
    pub state: &'static str,
    /// What of it has shipped.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::fulfilment_status))]
    pub fulfilment_status: &'static str,
    /// What of it is paid.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::payment_status))]
    pub payment_status: &'static str,
    /// What of it came back.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::return_status))]
    pub return_status: &'static str,
    /// The group that it was placed in: its own id if it was placed alone.
    pub group: String,
    /// The sequence at which it was placed.
    pub placed_sequence: u64,
    /// Recorded time of the placement, to the second.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub placed_at: String,
    /// Who buys, as the front end numbers buyers.
    pub buyer: u64,
    /// Who sells.
    pub seller: Option<String>,
    /// The front end's own number of the address.
    pub address: Option<u64>,
    /// The region that it goes to.
    pub region: Option<u16>,
    /// The currency of its prices, an ISO 4217 code.
    pub currency: Option<String>,
    /// What it costs now: what was ordered and not cancelled, and did not come back.
    pub total_minor: i64,
    /// Its share of what was captured.
    pub captured_minor: i64,
    /// What of that was refunded.
    pub refunded_minor: i64,
    /// The commission taken of it, less what was reversed.
    pub commission_minor: i64,
    /// What the buyer is owed back: captured, less refunds made or asked for, less what it costs; never below zero.
    pub refund_owed_minor: i64,
    /// What its active holds block.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::blocked))]
    pub blocked: Vec<&'static str>,
    /// Its lines, in their order.
    pub lines: Vec<OrderLine>,
    /// Units of its lines at locations, reserved or allocated.
    pub allocations: Vec<Units>,
    /// Its fulfilment orders.
    pub fulfilment_orders: Vec<Work>,
    /// Its packages.
    pub shipments: Vec<Shipment>,
    /// Its returns.
    pub returns: Vec<Return>,
    /// Its refunds.
    pub refunds: Vec<Refund>,
    /// Its holds.
    pub holds: Vec<Hold>,
}

/// One line of an order as it stands: `quantity = cancelled + backordered + reserved + allocated + shipped`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrderLine {
    /// Its index, from 0.
    pub line: u16,
    /// What was ordered.
    pub sku: String,
    /// Units ordered.
    pub quantity: u32,
    /// The price of one.
    pub unit_price_minor: i64,
    /// Given up.
    pub cancelled: u32,
    /// Promised without stock.
    pub backordered: u32,
    /// Held at a location for a pending order.
    pub reserved: u32,
    /// Committed at a location for a confirmed order, packed or not.
    pub allocated: u32,
    /// Left a location.
    pub shipped: u32,
    /// Of the shipped: arrived.
    pub delivered: u32,
    /// Of the delivered: came back.
    pub returned: u32,
    /// Where its open units are; null where they are at several locations, or nowhere.
    pub location: Option<String>,
}

/// A fulfilment order: the work of one location for one order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Work {
    /// Whose work.
    pub location: Option<String>,
    /// Its state.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::work_state))]
    pub state: &'static str,
    /// On hold: the state that it goes back to.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::work_state_or_null))]
    pub held_from: Option<&'static str>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Shipment {
    /// Its number in its order, from 1.
    pub shipment: u16,
    /// Its state.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::shipment_state))]
    pub state: &'static str,
    /// The caller's own number of the carrier.
    pub carrier: u16,
    /// The tracking code; empty if there is none.
    pub tracking: String,
    /// When its state came about, as the caller that reported it said.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub happened_at: Option<String>,
    /// Units of lines in it, and where they were packed.
    pub parts: Vec<Units>,
}

/// A return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Return {
    /// Its number in its order, from 1.
    #[serde(rename = "return")]
    pub return_number: u16,
    /// Its state.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::return_state))]
    pub state: &'static str,
    /// The caller's own reason code.
    pub reason: u16,
    /// A package that came back undelivered.
    pub is_undelivered: bool,
    /// When its state came about, as the caller that reported it said.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub happened_at: Option<String>,
    /// What of which line comes back.
    pub lines: Vec<ReturnLine>,
}

/// Units of a line that come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReturnLine {
    /// The line's index, from 0.
    pub line: u16,
    /// How many.
    pub quantity: u32,
}

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Refund {
    /// Its number in its order, from 1.
    pub refund: u16,
    /// Its state.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::refund_state))]
    pub state: &'static str,
    /// How much.
    pub amount_minor: i64,
    /// The caller's own reason code.
    pub reason: u16,
    /// When its state came about, as the caller that reported it said.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub happened_at: Option<String>,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hold {
    /// Its number in its order, from 1.
    pub hold: u16,
    /// Why the order is stopped.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::hold_kind))]
    pub kind: &'static str,
    /// Its state.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::hold_state))]
    pub state: &'static str,
    /// What it blocks.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::blocked))]
    pub blocks: Vec<&'static str>,
    /// The caller's own reason code.
    pub reason: u16,
    /// When it expires; null: never.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub expires_at: Option<String>,
}

impl Order {
    /// The order in a view. `reply` is the head of the reply that carried it: version and state stand there.
    pub fn of(names: &dyn Names, reply: &ReplyHeader, parts: &OrderParts<'_>) -> Self {
        let head = parts.head;
        let (mut shipment_parts, mut return_lines) = (parts.shipment_parts, parts.return_lines);
        Self {
            order: head.order.to_string(),
            version: reply.version.get(),
            state: name(reply.state, OrderState::from_number, OrderState::name),
            fulfilment_status: name(
                head.fulfilment_status,
                FulfilmentStatus::from_number,
                FulfilmentStatus::name,
            ),
            payment_status: name(head.payment_status, PaymentStatus::from_number, PaymentStatus::name),
            return_status: name(head.return_status, ReturnStatus::from_number, ReturnStatus::name),
            group: known_id(head.group.get()),
            placed_sequence: head.placed_sequence.get(),
            placed_at: time_text(i64::from(head.placed_unix_s.get()) * 1_000_000),
            buyer: head.buyer.get(),
            seller: seller(names, head.seller),
            address: said(head.address.get()),
            region: said(head.region.get()),
            currency: currency(head.currency),
            total_minor: head.total.minor(),
            captured_minor: head.captured.minor(),
            refunded_minor: head.refunded.minor(),
            commission_minor: head.commission.minor(),
            refund_owed_minor: head.refund_owed.minor(),
            blocked: blocked(head.blocked),
            lines: parts
                .lines
                .iter()
                .enumerate()
                .map(|(index, line)| order_line(names, index, line))
                .collect(),
            allocations: units(names, parts.allocations),
            fulfilment_orders: parts.works.iter().map(|work| self::work(names, work)).collect(),
            shipments: parts
                .shipments
                .iter()
                .map(|view| shipment(view, units(names, take(&mut shipment_parts, view.part_count.get()))))
                .collect(),
            returns: parts
                .returns
                .iter()
                .map(|view| return_of(view, take(&mut return_lines, view.line_count.get())))
                .collect(),
            refunds: parts.refunds.iter().map(refund).collect(),
            holds: parts.holds.iter().map(hold).collect(),
        }
    }
}

/// Takes so many off the front; fewer if there are no more, which no sound view has.
fn take<'a, T>(rest: &mut &'a [T], count: u16) -> &'a [T] {
    let (taken, behind) = rest.split_at(usize::from(count).min(rest.len()));
    *rest = behind;
    taken
}

fn order_line(names: &dyn Names, index: usize, view: &LineView) -> OrderLine {
    let counters = &view.counters;
    OrderLine {
        line: index as u16,
        sku: sku(names, view.line.sku),
        quantity: view.line.quantity.get(),
        unit_price_minor: view.line.unit_price.minor(),
        cancelled: counters.cancelled.get(),
        backordered: counters.backordered.get(),
        reserved: counters.reserved.get(),
        allocated: counters.allocated.get(),
        shipped: counters.shipped.get(),
        delivered: counters.delivered.get(),
        returned: counters.returned.get(),
        location: location(names, view.location),
    }
}

fn work(names: &dyn Names, view: &WorkView) -> Work {
    Work {
        location: location(names, view.location),
        state: name(view.state, WorkState::from_number, WorkState::name),
        held_from: said(view.held_from).map(|state| name(state, WorkState::from_number, WorkState::name)),
    }
}

fn shipment(view: &ShipmentView, parts: Vec<Units>) -> Shipment {
    let tracking = &view.tracking[..usize::from(view.tracking_bytes).min(view.tracking.len())];
    Shipment {
        shipment: view.number.get(),
        state: name(view.state, ShipmentState::from_number, ShipmentState::name),
        carrier: view.carrier.get(),
        tracking: String::from_utf8_lossy(tracking).into_owned(),
        happened_at: time_said(view.happened_at_us.get()),
        parts,
    }
}

fn return_of(view: &ReturnView, lines: &[LineQuantity]) -> Return {
    let line = |line: &LineQuantity| ReturnLine { line: line.line.get(), quantity: line.quantity.get() };
    Return {
        return_number: view.number.get(),
        state: name(view.state, ReturnState::from_number, ReturnState::name),
        reason: view.reason.get(),
        is_undelivered: view.is_undelivered == 1,
        happened_at: time_said(view.happened_at_us.get()),
        lines: lines.iter().map(line).collect(),
    }
}

fn refund(view: &RefundView) -> Refund {
    Refund {
        refund: view.number.get(),
        state: name(view.state, RefundState::from_number, RefundState::name),
        amount_minor: view.amount.minor(),
        reason: view.reason.get(),
        happened_at: time_said(view.happened_at_us.get()),
    }
}

fn hold(view: &HoldView) -> Hold {
    Hold {
        hold: view.number.get(),
        kind: name(view.kind, HoldKind::from_number, HoldKind::name),
        state: name(view.state, HoldState::from_number, HoldState::name),
        blocks: blocked(view.blocks),
        reason: view.reason.get(),
        expires_at: time_said(view.expires_at_us.get()),
    }
}
