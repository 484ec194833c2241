//! What the engine's views say and what the model holds, brought to the same list of facts.

use std::collections::BTreeMap;

use orderline_core::board::Board;
use orderline_protocol::command::*;
use orderline_protocol::event::Allocation;
use orderline_protocol::lifecycle::*;
use orderline_protocol::reply::*;
use orderline_protocol::{
    CurrencyCode, GroupId, LocationHandle, OrderId, RejectCode, ReservationId, SellerHandle, SkuHandle,
};

use crate::model::Model;
use crate::money::Group;
use crate::orders::Order;
use crate::support::Driver;

/// Named numbers, in an order that both sides keep.
#[derive(Default, PartialEq, Eq)]
struct Facts(Vec<(&'static str, u64, i128)>);

impl Facts {
    fn say(&mut self, name: &'static str, value: impl Into<i128>) {
        self.0.push((name, 0, value.into()));
    }

    fn say_of(&mut self, name: &'static str, which: usize, value: impl Into<i128>) {
        self.0.push((name, which as u64, value.into()));
    }

    /// A text by what tells it from others.
    fn say_text(&mut self, name: &'static str, which: usize, text: &[u8]) {
        let sum = text.iter().fold(7_u64, |sum, &byte| sum.wrapping_mul(1_099_511_628_211) ^ u64::from(byte));
        self.say_of(name, which, sum);
    }

    /// Units by line and location, however they were listed.
    fn say_units(&mut self, name: &'static str, units: impl Iterator<Item = (usize, u16, u32)>) {
        let mut sums = BTreeMap::<(usize, u16), i128>::new();
        for (line, location, units) in units {
            *sums.entry((line, location)).or_default() += i128::from(units);
        }
        for ((line, location), units) in sums {
            self.say_of(name, line * 1_000 + usize::from(location), units);
        }
    }

    fn alike(&self, model: &Self, of: &str) -> Result<(), String> {
        let differ = |at: &usize| self.0.get(*at) != model.0.get(*at);
        match (0..self.0.len().max(model.0.len())).find(differ) {
            Some(at) => {
                Err(format!("{of}: the engine says {:?}, the model {:?}", self.0.get(at), model.0.get(at)))
            }
            None => Ok(()),
        }
    }
}

fn ask(driver: &Driver, of: &str, command: &Command<'_>) -> Result<Vec<u8>, String> {
    driver.query(command).map_err(|rejection| format!("{of}: the engine does not know it: {rejection:?}"))
}

fn read<T, E: std::fmt::Display>(of: &str, read: Result<T, E>) -> Result<T, String> {
    read.map_err(|error| format!("{of}: {error}"))
}

/// Compares all that can be asked for.
///
/// # Errors
/// The first fact that differs.
pub fn everything(driver: &Driver, model: &Model) -> Result<(), String> {
    for id in model.orders.keys() {
        order(driver, model, *id)?;
    }
    for id in model.groups.keys() {
        group(driver, model, *id)?;
    }
    for id in model.reservations.keys() {
        reservation(driver, model, *id)?;
    }
    for sku in 0..model.skus.len() as u32 {
        levels(driver, model, sku)?;
    }
    let currencies = [826, 840].into_iter().chain(model.ledgers.keys().map(|key| key.1));
    for currency in currencies.collect::<std::collections::BTreeSet<u16>>() {
        for seller in 0..model.sellers.len() as u32 {
            ledger(driver, model, seller, currency)?;
        }
    }
    catalogue(driver, model)?;
    tokens(driver, model)?;
    settings(driver, model)?;
    status(driver, model)
}

/// Compares the order that an accepted command was about, if it was about one.
///
/// # Errors
/// The first fact that differs.
pub fn order_of(driver: &Driver, model: &Model, command: &Command<'_>) -> Result<(), String> {
    let id = match *command {
        Command::PlaceOrder(head, _, _) => head.order,
        Command::ConfirmOrder(head) => head.order,
        Command::CancelLines(head, _) => head.order,
        Command::RequestReturn(head, _) => head.order,
        Command::ShipLines(head, ..) => head.order,
        Command::EditLine(head) => head.order,
        Command::EditAddress(head) => head.order,
        Command::RequestRefund(head) => head.order,
        Command::SettleRefund(head) => head.order,
        Command::PlaceHold(head) => head.order,
        Command::ReleaseHold(head) => head.order,
        Command::UpdateWork(head) => head.order,
        Command::RejectWork(head) => head.order,
        Command::MoveWork(head, _) => head.order,
        Command::UpdateShipment(head) => head.order,
        Command::UpdateReturn(head) => head.order,
        Command::ReceiveReturn(head, _) => head.order,
        _ => return Ok(()),
    };
    order(driver, model, id.get())
}

/// An id whose order left memory is answered as one that may have been used.
///
/// # Errors
/// When it is answered otherwise.
pub fn is_gone(driver: &Driver, model: &Model, id: u128) -> Result<(), String> {
    if model.orders.contains_key(&id) {
        return Ok(());
    }
    match driver.query(&Command::QueryOrder(&QueryOrder { order: OrderId::new(id) })) {
        Err(rejection) if rejection.code == RejectCode::OrderRetired => {
            if rejection.detail == model.orders_horizon_ms {
                return Ok(());
            }
            Err(format!("order {id}: the horizon is {}, not {}", model.orders_horizon_ms, rejection.detail))
        }
        other => {
            Err(format!("order {id} left memory, and the engine says {:?}", other.map(|view| view.len())))
        }
    }
}

fn order(driver: &Driver, model: &Model, id: u128) -> Result<(), String> {
    let of = format!("order {}", OrderId::new(id));
    let view = ask(driver, &of, &Command::QueryOrder(&QueryOrder { order: OrderId::new(id) }))?;
    let parts = read(&of, OrderView::read(&view))?;
    let order = model.orders.get(&id).ok_or_else(|| format!("{of}: the model does not know it"))?;
    order_viewed(&parts).alike(&order_held(order, &model.groups[&order.group]), &of)
}

fn order_viewed(parts: &OrderParts<'_>) -> Facts {
    let mut facts = Facts::default();
    let head = parts.head;
    facts.say("id, low", head.order.get() as u64);
    facts.say("group, low", head.group.get() as u64);
    facts.say("placed_sequence", head.placed_sequence.get());
    facts.say("buyer", head.buyer.get());
    facts.say("address", head.address.get());
    facts.say("total", head.total.minor());
    facts.say("captured", head.captured.minor());
    facts.say("refunded", head.refunded.minor());
    facts.say("commission", head.commission.minor());
    facts.say("refund_owed", head.refund_owed.minor());
    facts.say("seller", head.seller.get());
    facts.say("placed_unix_s", head.placed_unix_s.get());
    facts.say("currency", head.currency.get());
    facts.say("region", head.region.get());
    facts.say("fulfilment_status", head.fulfilment_status);
    facts.say("payment_status", head.payment_status);
    facts.say("return_status", head.return_status);
    facts.say("blocked", head.blocked);
    for (index, line) in parts.lines.iter().enumerate() {
        facts.say_of("line: sku", index, line.line.sku.get());
        facts.say_of("line: quantity", index, line.line.quantity.get());
        facts.say_of("line: unit_price", index, line.line.unit_price.minor());
        facts.say_of("line: cancelled", index, line.counters.cancelled.get());
        facts.say_of("line: backordered", index, line.counters.backordered.get());
        facts.say_of("line: reserved", index, line.counters.reserved.get());
        facts.say_of("line: allocated", index, line.counters.allocated.get());
        facts.say_of("line: shipped", index, line.counters.shipped.get());
        facts.say_of("line: delivered", index, line.counters.delivered.get());
        facts.say_of("line: returned", index, line.counters.returned.get());
        facts.say_of("line: location", index, line.location.get());
    }
    let part = |part: &Allocation| (part.line.get().into(), part.location.get(), part.quantity.get());
    facts.say_units("allocation", parts.allocations.iter().map(part));
    let mut works: Vec<&WorkView> = parts.works.iter().collect();
    works.sort_by_key(|work| work.location);
    for work in works {
        facts.say_of("work: state", work.location.index(), work.state);
        facts.say_of("work: held_from", work.location.index(), work.held_from);
    }
    let mut rest = parts.shipment_parts;
    for (index, shipment) in parts.shipments.iter().enumerate() {
        facts.say_of("shipment: number", index, shipment.number.get());
        facts.say_of("shipment: carrier", index, shipment.carrier.get());
        facts.say_of("shipment: state", index, shipment.state);
        facts.say_of("shipment: happened_at_us", index, shipment.happened_at_us.get());
        facts.say_text("shipment: tracking", index, &shipment.tracking[..shipment.tracking_bytes.into()]);
        let (own, behind) = rest.split_at(shipment.part_count.get().into());
        facts.say_units("shipment: part", own.iter().map(part));
        rest = behind;
    }
    let mut rest = parts.return_lines;
    for (index, one) in parts.returns.iter().enumerate() {
        facts.say_of("return: number", index, one.number.get());
        facts.say_of("return: reason", index, one.reason.get());
        facts.say_of("return: state", index, one.state);
        facts.say_of("return: happened_at_us", index, one.happened_at_us.get());
        facts.say_of("return: is_undelivered", index, one.is_undelivered);
        let (own, behind) = rest.split_at(one.line_count.get().into());
        let lines = own.iter().map(|line| (line.line.get().into(), 0, line.quantity.get()));
        facts.say_units("return: line", lines);
        rest = behind;
    }
    for (index, refund) in parts.refunds.iter().enumerate() {
        facts.say_of("refund: amount", index, refund.amount.minor());
        facts.say_of("refund: number", index, refund.number.get());
        facts.say_of("refund: reason", index, refund.reason.get());
        facts.say_of("refund: state", index, refund.state);
        facts.say_of("refund: happened_at_us", index, refund.happened_at_us.get());
    }
    for (index, hold) in parts.holds.iter().enumerate() {
        facts.say_of("hold: expires_at_us", index, hold.expires_at_us.get());
        facts.say_of("hold: number", index, hold.number.get());
        facts.say_of("hold: reason", index, hold.reason.get());
        facts.say_of("hold: kind", index, hold.kind);
        facts.say_of("hold: blocks", index, hold.blocks);
        facts.say_of("hold: state", index, hold.state);
    }
    facts
}

fn order_held(order: &Order, group: &Group) -> Facts {
    let mut facts = Facts::default();
    facts.say("id, low", order.id as u64);
    facts.say("group, low", order.group as u64);
    facts.say("placed_sequence", order.placed_sequence);
    facts.say("buyer", order.buyer);
    facts.say("address", order.address);
    facts.say("total", order.cost());
    facts.say("captured", order.captured);
    facts.say("refunded", order.refunded);
    facts.say("commission", order.commission());
    facts.say("refund_owed", order.refund_owed());
    facts.say("seller", order.seller);
    facts.say("placed_unix_s", order.placed_us / 1_000_000);
    facts.say("currency", order.currency);
    facts.say("region", order.region);
    facts.say("fulfilment_status", order.fulfilment_status() as u8);
    facts.say("payment_status", order.payment_status(group) as u8);
    facts.say("return_status", order.return_status() as u8);
    let active = order.holds.iter().filter(|hold| hold.state == HoldState::Active);
    facts.say("blocked", active.fold(0, |blocked, hold| blocked | hold.blocks));
    let is_pending = order.state == OrderState::Pending;
    for (index, line) in order.lines.iter().enumerate() {
        facts.say_of("line: sku", index, line.sku);
        facts.say_of("line: quantity", index, line.ordered);
        facts.say_of("line: unit_price", index, line.price);
        facts.say_of("line: cancelled", index, line.cancelled);
        facts.say_of("line: backordered", index, line.backordered);
        facts.say_of("line: reserved", index, if is_pending { line.units() } else { 0 });
        facts.say_of("line: allocated", index, if is_pending { 0 } else { line.units() });
        facts.say_of("line: shipped", index, line.shipped);
        facts.say_of("line: delivered", index, line.delivered);
        facts.say_of("line: returned", index, line.returned);
        let places: Vec<u16> = line.at.keys().copied().collect();
        let none = LocationHandle::NONE.get();
        facts.say_of("line: location", index, if let [only] = places[..] { only } else { none });
    }
    let lines = order.lines.iter().enumerate();
    let units = lines.flat_map(|(index, line)| line.at.iter().map(move |(&at, &units)| (index, at, units)));
    facts.say_units("allocation", units);
    for (&location, work) in &order.works {
        facts.say_of("work: state", location.into(), work.state as u8);
        facts.say_of("work: held_from", location.into(), work.held_from.map_or(0, |state| state as u8));
    }
    for (index, shipment) in order.shipments.iter().enumerate() {
        facts.say_of("shipment: number", index, index as i128 + 1);
        facts.say_of("shipment: carrier", index, shipment.carrier);
        facts.say_of("shipment: state", index, shipment.state as u8);
        facts.say_of("shipment: happened_at_us", index, shipment.happened_at_us);
        facts.say_text("shipment: tracking", index, shipment.tracking.as_bytes());
        let parts = shipment.parts.iter().map(|(&(line, location), &units)| (line, location, units));
        facts.say_units("shipment: part", parts);
    }
    for (index, one) in order.returns.iter().enumerate() {
        facts.say_of("return: number", index, index as i128 + 1);
        facts.say_of("return: reason", index, one.reason);
        facts.say_of("return: state", index, one.state as u8);
        facts.say_of("return: happened_at_us", index, one.happened_at_us);
        facts.say_of("return: is_undelivered", index, u8::from(one.is_undelivered));
        facts.say_units("return: line", one.lines.iter().map(|(&line, &units)| (line, 0, units)));
    }
    for (index, refund) in order.refunds.iter().enumerate() {
        facts.say_of("refund: amount", index, refund.amount);
        facts.say_of("refund: number", index, index as i128 + 1);
        facts.say_of("refund: reason", index, refund.reason);
        facts.say_of("refund: state", index, refund.state as u8);
        facts.say_of("refund: happened_at_us", index, refund.happened_at_us);
    }
    for (index, hold) in order.holds.iter().enumerate() {
        facts.say_of("hold: expires_at_us", index, hold.expires_at_us.unwrap_or(0));
        facts.say_of("hold: number", index, index as i128 + 1);
        facts.say_of("hold: reason", index, hold.reason);
        facts.say_of("hold: kind", index, hold.kind as u8);
        facts.say_of("hold: blocks", index, hold.blocks);
        facts.say_of("hold: state", index, hold.state as u8);
    }
    facts
}

fn group(driver: &Driver, model: &Model, id: u128) -> Result<(), String> {
    let of = format!("group {}", GroupId::new(id));
    let view = ask(driver, &of, &Command::QueryGroup(&QueryGroup { group: GroupId::new(id) }))?;
    let (head, orders) = read(&of, GroupView::read(&view))?;
    let held = &model.groups[&id];
    let mut engine = Facts::default();
    engine.say("buyer", head.buyer.get());
    engine.say("total", head.total.minor());
    engine.say("authorized", head.authorized.minor());
    engine.say("captured", head.captured.minor());
    engine.say("refunded", head.refunded.minor());
    engine.say("expires_at_us", head.expires_at_us.get());
    engine.say("reference", head.reference.get());
    engine.say("happened_at_us", head.happened_at_us.get());
    engine.say("payment", head.payment.get());
    engine.say("payment_state", head.payment_state);
    engine.say("currency", head.currency.get());
    let mut facts = Facts::default();
    facts.say("buyer", held.buyer);
    facts.say("total", model.group_cost(held));
    facts.say("authorized", held.payment.authorized);
    facts.say("captured", held.captured);
    facts.say("refunded", held.refunded);
    facts.say("expires_at_us", held.payment.expires_at_us.unwrap_or(0));
    facts.say("reference", held.payment.reference);
    facts.say("happened_at_us", held.payment.happened_at_us);
    facts.say("payment", held.payment.number);
    facts.say("payment_state", held.payment.state as u8);
    facts.say("currency", held.currency);
    for (index, one) in orders.iter().enumerate() {
        engine.say_of("order: id, low", index, one.order.get() as u64);
        engine.say_of("order: total", index, one.total.minor());
        engine.say_of("order: captured", index, one.captured.minor());
        engine.say_of("order: refunded", index, one.refunded.minor());
        engine.say_of("order: seller", index, one.seller.get());
        engine.say_of("order: state", index, one.state);
    }
    for (index, id) in held.orders.iter().enumerate() {
        let order = &model.orders[id];
        facts.say_of("order: id, low", index, order.id as u64);
        facts.say_of("order: total", index, order.cost());
        facts.say_of("order: captured", index, order.captured);
        facts.say_of("order: refunded", index, order.refunded);
        facts.say_of("order: seller", index, order.seller);
        facts.say_of("order: state", index, order.state as u8);
    }
    engine.alike(&facts, &of)
}

fn reservation(driver: &Driver, model: &Model, id: u128) -> Result<(), String> {
    let reservation = ReservationId::new(id);
    let of = format!("reservation {reservation}");
    let view = ask(driver, &of, &Command::QueryReservation(&QueryReservation { reservation }))?;
    let (head, lines, allocations) = read(&of, ReservationView::read(&view))?;
    let held = &model.reservations[&id];
    let mut engine = Facts::default();
    engine.say("reserved_sequence", head.reserved_sequence.get());
    engine.say("buyer", head.buyer.get());
    engine.say("expires_at_us", head.expires_at_us.get());
    engine.say("state", head.state);
    let mut facts = Facts::default();
    facts.say("reserved_sequence", held.made_sequence);
    facts.say("buyer", held.buyer);
    facts.say("expires_at_us", held.expires_at_us);
    facts.say("state", held.state as u8);
    for (index, line) in lines.iter().enumerate() {
        engine.say_of("line: sku", index, line.sku.get());
        engine.say_of("line: quantity", index, line.quantity.get());
    }
    // A finished reservation keeps nothing but that it was.
    let lines = if held.state == ReservationState::Held { &held.lines[..] } else { &[] };
    for (index, line) in lines.iter().enumerate() {
        facts.say_of("line: sku", index, line.0);
        facts.say_of("line: quantity", index, line.1);
    }
    let parts = allocations.iter();
    engine.say_units(
        "allocation",
        parts.map(|part| (part.line.get().into(), part.location.get(), part.quantity.get())),
    );
    let parts = held.at.iter().enumerate();
    facts.say_units(
        "allocation",
        parts.flat_map(|(line, at)| at.iter().map(move |(&at, &units)| (line, at, units))),
    );
    engine.alike(&facts, &of)
}

/// Compares what can be bought of every SKU, as the engine answers it and as it stands on the board, with the model.
///
/// # Errors
/// The first fact that differs.
pub fn availability(driver: &Driver, model: &Model, board: &Board) -> Result<(), String> {
    let Some(look) = board.look() else { return Err("the board is not whole".to_owned()) };
    if look.since != driver.state.sequence() {
        return Err(format!("the board speaks of {}", look.since));
    }
    // One more than there are, which nobody knows.
    for sku in 0..=model.skus.len() as u32 {
        let of = format!("availability of SKU {sku}");
        let handle = SkuHandle::new(sku);
        let (head, asked) =
            (QueryAvailability { sku_count: 1.into(), reserved: [0; 2] }, AskedSku { sku: handle });
        let view = ask(driver, &of, &Command::QueryAvailability(&head, &[asked]))?;
        let views = read(&of, AvailabilityView::read_all(&view))?;
        let [view] = views else { return Err(format!("{of}: {} answers", views.len())) };
        if *view != look.availability(handle).view() {
            return Err(format!("{of}: the board says {:?}, the engine {view:?}", look.availability(handle)));
        }
        let (mut engine, mut facts) = (Facts::default(), Facts::default());
        engine.say("units", view.units.get());
        engine.say("backorder units", view.backorder_units.get());
        engine.say("standing", view.standing);
        let (units, backorder_units, standing) = model.availability(sku);
        facts.say("units", units);
        facts.say("backorder units", backorder_units);
        facts.say("standing", standing as u8);
        engine.alike(&facts, &of)?;
    }
    Ok(())
}

fn levels(driver: &Driver, model: &Model, sku: u32) -> Result<(), String> {
    let of = format!("stock of SKU {sku}");
    let query = QueryStock { sku: SkuHandle::new(sku), location: LocationHandle::NONE };
    let view = ask(driver, &of, &Command::QueryStock(&query))?;
    let views = read(&of, LevelView::read_all(&view))?;
    let by_location: BTreeMap<u16, &LevelView> =
        views.iter().map(|view| (view.location.get(), view)).collect();
    if by_location.len() != views.len() {
        return Err(format!("{of}: a location comes twice"));
    }
    for location in 0..model.locations.len() as u16 {
        let mut engine = Facts::default();
        let view = by_location.get(&location);
        engine.say("version", view.map_or(0, |view| view.version.get()));
        engine.say("available", view.map_or(0, |view| view.available.get()));
        engine.say("reserved", view.map_or(0, |view| view.reserved.get()));
        engine.say("committed", view.map_or(0, |view| view.committed.get()));
        engine.say("safety", view.map_or(0, |view| view.safety.get()));
        engine.say("damaged", view.map_or(0, |view| view.damaged.get()));
        engine.say("quality_hold", view.map_or(0, |view| view.quality_hold.get()));
        engine.say("incoming", view.map_or(0, |view| view.incoming.get()));
        let level = model.level((sku, location));
        let mut facts = Facts::default();
        facts.say("version", level.version);
        facts.say("available", level.available);
        facts.say("reserved", level.reserved);
        facts.say("committed", level.committed);
        facts.say("safety", level.safety);
        facts.say("damaged", level.damaged);
        facts.say("quality_hold", level.quality_hold);
        facts.say("incoming", level.incoming);
        engine.alike(&facts, &format!("{of} at location {location}"))?;
    }
    Ok(())
}

fn ledger(driver: &Driver, model: &Model, seller: u32, currency: u16) -> Result<(), String> {
    let of = format!("ledger of seller {seller} in {currency}");
    let query = QueryLedger {
        seller: SellerHandle::new(seller),
        currency: CurrencyCode::new(currency),
        reserved: [0; 2],
    };
    let view = ask(driver, &of, &Command::QueryLedger(&query))?;
    let view = read(&of, LedgerView::read(&view))?;
    let mut engine = Facts::default();
    engine.say("seller", view.seller.get());
    engine.say("currency", view.currency.get());
    engine.say("entry_count", view.entry_count.get());
    engine.say("sales", view.sales.minor());
    engine.say("commissions", view.commissions.minor());
    engine.say("refunds", view.refunds.minor());
    engine.say("reversals", view.reversals.minor());
    engine.say("accrued", view.accrued.minor());
    engine.say("payable", view.payable.minor());
    engine.say("paid", view.paid.minor());
    let held = model.ledgers.get(&(seller, currency)).cloned().unwrap_or_default();
    let mut facts = Facts::default();
    facts.say("seller", seller);
    facts.say("currency", currency);
    facts.say("entry_count", held.entries);
    facts.say("sales", held.sales);
    facts.say("commissions", held.commissions);
    facts.say("refunds", held.refunds);
    facts.say("reversals", held.reversals);
    facts.say("accrued", held.accrued);
    facts.say("payable", held.payable);
    facts.say("paid", held.paid);
    engine.alike(&facts, &of)
}

fn tokens(driver: &Driver, model: &Model) -> Result<(), String> {
    let of = "tokens";
    let view = ask(driver, of, &Command::QueryTokens(&QueryTokens { from: 0.into(), count: 0.into() }))?;
    let (mut engine, mut facts) = (Facts::default(), Facts::default());
    for view in read(of, TokenView::read_all(&view))? {
        let number = view.token.get() as usize;
        engine.say_text("label", number, view.label().unwrap_or("").as_bytes());
        engine.say_of("version", number, view.version.get());
        engine.say_of("expires_at_us", number, view.expires_at_us.get());
        engine.say_of("seller", number, view.seller.get());
        engine.say_of("commands_per_s_max", number, view.commands_per_s_max.get());
        view.locations.iter().for_each(|location| engine.say_of("location", number, location.get()));
        engine.say_of("role", number, view.role);
        engine.say_of("is_revoked", number, view.standing != Standing::Active as u8);
    }
    for (number, token) in (1..).zip(&model.tokens) {
        facts.say_text("label", number, token.label.as_bytes());
        facts.say_of("version", number, token.version);
        facts.say_of("expires_at_us", number, token.expires_at_us);
        facts.say_of("seller", number, token.seller.unwrap_or(u32::MAX));
        facts.say_of("commands_per_s_max", number, token.commands_per_s_max);
        token.locations.iter().for_each(|&location| facts.say_of("location", number, location));
        facts.say_of("role", number, token.role);
        facts.say_of("is_revoked", number, token.is_revoked);
    }
    engine.alike(&facts, of)
}

fn catalogue(driver: &Driver, model: &Model) -> Result<(), String> {
    let active = |is_active: bool| if is_active { Standing::Active as u8 } else { Standing::Inactive as u8 };
    for entity in [EntityKind::Seller, EntityKind::Location, EntityKind::Sku] {
        let of = format!("catalogue of {}s", entity.name());
        let query =
            QueryCatalogue { from: 0.into(), count: 0.into(), entity: entity as u8, reserved: [0; 7] };
        let view = ask(driver, &of, &Command::QueryCatalogue(&query))?;
        let mut engine = Facts::default();
        for (index, entry) in read(&of, CatalogueEntry::read_all(&view))?.iter().enumerate() {
            engine.say_of("handle", index, entry.handle.get());
            engine.say_of("version", index, entry.version.get());
            engine.say_text("code", index, entry.code().unwrap_or("").as_bytes());
            match entity {
                EntityKind::Seller => {
                    engine.say_of("commission_bp", index, entry.seller().commission_bp.get());
                    engine.say_of("standing", index, entry.seller().standing);
                }
                EntityKind::Location => {
                    engine.say_of("priority", index, entry.location().priority.get());
                    engine.say_of("daily_capacity", index, entry.location().daily_capacity.get());
                    engine.say_of("region", index, entry.location().region.get());
                    engine.say_of("standing", index, entry.location().standing);
                }
                EntityKind::Sku => {
                    engine.say_of("seller", index, entry.sku().seller.get());
                    engine.say_of("backorder_cap", index, entry.sku().backorder_cap.get());
                    engine.say_of("currency", index, entry.sku().currency.get());
                    engine.say_of("standing", index, entry.sku().standing);
                }
            }
        }
        let mut facts = Facts::default();
        let mut say = |index: usize, version: u32, code: &str, fields: &[(&'static str, i128)]| {
            facts.say_of("handle", index, index as i128);
            facts.say_of("version", index, version);
            facts.say_text("code", index, code.as_bytes());
            for &(name, value) in fields {
                facts.say_of(name, index, value);
            }
        };
        match entity {
            EntityKind::Seller => {
                for (index, one) in model.sellers.iter().enumerate() {
                    let fields = [
                        ("commission_bp", one.commission_bp.into()),
                        ("standing", active(one.is_active).into()),
                    ];
                    say(index, one.version, &one.code, &fields);
                }
            }
            EntityKind::Location => {
                for (index, one) in model.locations.iter().enumerate() {
                    let fields = [
                        ("priority", one.priority.into()),
                        ("daily_capacity", one.daily_capacity.into()),
                        ("region", one.region.into()),
                        ("standing", active(one.is_active).into()),
                    ];
                    say(index, one.version, &one.code, &fields);
                }
            }
            EntityKind::Sku => {
                for (index, one) in model.skus.iter().enumerate() {
                    let fields = [
                        ("seller", one.seller.into()),
                        ("backorder_cap", one.backorder_cap.into()),
                        ("currency", one.currency.into()),
                        ("standing", active(one.is_active).into()),
                    ];
                    say(index, one.version, &one.code, &fields);
                }
            }
        }
        engine.alike(&facts, &of)?;
    }
    Ok(())
}

fn settings(driver: &Driver, model: &Model) -> Result<(), String> {
    let of = "settings";
    let view = ask(driver, of, &Command::QuerySettings(&QuerySettings { reserved: [0; 8] }))?;
    let (head, lists) = read(of, SettingsView::read(&view))?;
    let mut engine = Facts::default();
    engine.say("version", head.version.get());
    engine.say("pending_order_s", head.policy.pending_order_s.get());
    engine.say("retention_s", head.policy.retention_s.get());
    engine.say("reservation_s_max", head.policy.reservation_s_max.get());
    for (index, list) in lists.iter().enumerate() {
        engine.say_of("rules: seller", index, list.seller.get());
        engine.say_text("rules: list", index, &list.rules);
    }
    let mut facts = Facts::default();
    facts.say("version", model.policy.version);
    facts.say("pending_order_s", model.policy.pending_order_s);
    facts.say("retention_s", model.policy.retention_s);
    facts.say("reservation_s_max", model.policy.reservation_s_max);
    let everybody = (SellerHandle::NONE.get(), &model.everybodys_rules);
    let own = model.sellers_rules.iter().map(|(&seller, rules)| (seller, rules));
    for (index, (seller, rules)) in std::iter::once(everybody).chain(own).enumerate() {
        let mut numbers = [0; SOURCING_RULES_MAX];
        for (number, rule) in numbers.iter_mut().zip(rules) {
            *number = *rule as u8;
        }
        facts.say_of("rules: seller", index, seller);
        facts.say_text("rules: list", index, &numbers);
    }
    engine.alike(&facts, of)
}

fn status(driver: &Driver, model: &Model) -> Result<(), String> {
    let of = "status";
    let query = QueryStatus { with_state_hash: 0, reserved: [0; 7] };
    let view = ask(driver, of, &Command::QueryStatus(&query))?;
    let view = read(of, StatusView::read(&view))?;
    let mut engine = Facts::default();
    engine.say("orders_total", view.orders_total.get());
    engine.say("orders_open", view.orders_open.get());
    engine.say("reservations", view.reservations.get());
    engine.say("orders_horizon_ms", view.orders_horizon_ms.get());
    engine.say("sellers", view.sellers.get());
    engine.say("locations", view.locations.get());
    engine.say("skus", view.skus.get());
    let mut facts = Facts::default();
    facts.say("orders_total", model.orders.len() as u64);
    facts.say("orders_open", model.orders.values().filter(|order| !order.is_finished()).count() as u64);
    facts.say("reservations", model.reservations.len() as u64);
    facts.say("orders_horizon_ms", model.orders_horizon_ms);
    facts.say("sellers", model.sellers.len() as u64);
    facts.say("locations", model.locations.len() as u64);
    facts.say("skus", model.skus.len() as u64);
    engine.alike(&facts, of)
}
