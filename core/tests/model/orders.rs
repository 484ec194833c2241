//! Orders: what they are made of, what their parts come to, and the commands about the order itself.

use std::collections::{BTreeMap, BTreeSet};

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::*;
use orderline_protocol::limits::{LINE_QUANTITY_MAX, ORDER_PARTS_MAX};
use orderline_protocol::{OrderId, RejectCode};

use crate::fields;
use crate::fulfilment::{Shipment, Work};
use crate::model::{Answer, Model, Rare, Refused, Told, refuse, seen};
use crate::money::Refund;
use crate::returns::Return;
use crate::sourcing::{Backorder, Request, Want};
use crate::stock::Promise;

#[derive(Debug, Clone)]
pub struct Line {
    pub sku: u32,
    pub ordered: u32,
    pub price: i64,
    pub cancelled: u32,
    pub backordered: u32,
    /// Units at locations, reserved or committed, packed ones included.
    pub at: BTreeMap<u16, u32>,
    pub shipped: u32,
    pub delivered: u32,
    pub returned: u32,
}

#[derive(Debug, Clone)]
pub struct Hold {
    pub kind: HoldKind,
    pub blocks: u8,
    pub reason: u16,
    pub state: HoldState,
    pub expires_at_us: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Order {
    pub id: u128,
    pub group: u128,
    pub seller: u32,
    pub buyer: u64,
    pub currency: u16,
    pub region: u16,
    pub address: u64,
    pub placed_sequence: u64,
    pub placed_us: i64,
    pub state: OrderState,
    pub version: u32,
    pub lines: Vec<Line>,
    pub works: BTreeMap<u16, Work>,
    pub shipments: Vec<Shipment>,
    pub returns: Vec<Return>,
    pub refunds: Vec<Refund>,
    pub holds: Vec<Hold>,
    pub captured: i64,
    pub refunded: i64,
    /// The seller's commission at the first capture, in basis points.
    pub rate: Option<u16>,
    /// Every location that ever refused this order's work.
    pub rejected_by: BTreeSet<u16>,
    /// What it cost when it expired.
    pub cost_before_expiry: i64,
    /// Once it is finished: the whole second since which it waits to leave memory. Nothing while it does not wait, for
    /// something of it still stood when its time came.
    pub waits_since_us: Option<i64>,
}

/// States of an order, for what may be done to it.
pub const ANY: &[OrderState] = OrderState::ALL;
pub const STANDING: &[OrderState] = &[OrderState::Pending, OrderState::Confirmed];
pub const CONFIRMED: &[OrderState] = &[OrderState::Confirmed];
pub const SOLD: &[OrderState] = &[OrderState::Confirmed, OrderState::Completed];

impl Line {
    pub fn units(&self) -> u32 {
        self.at.values().sum()
    }

    /// Takes units off a location.
    pub fn leave(&mut self, location: u16, units: u32) {
        let left = self.at[&location] - units;
        if left == 0 {
            self.at.remove(&location);
        } else {
            self.at.insert(location, left);
        }
    }
}

impl Order {
    pub fn promise(&self) -> Promise {
        if self.state == OrderState::Pending { Promise::Reserved } else { Promise::Committed }
    }

    pub fn is_finished(&self) -> bool {
        !STANDING.contains(&self.state)
    }

    /// What it costs now.
    pub fn cost(&self) -> i64 {
        let lines = self.lines.iter();
        lines.map(|line| i64::from(line.ordered - line.cancelled - line.returned) * line.price).sum()
    }

    /// What was not captured of its cost; of one that has expired, of what it cost before.
    pub fn lacks(&self) -> i64 {
        let cost = if self.state == OrderState::Expired { self.cost_before_expiry } else { self.cost() };
        (cost - self.captured).max(0)
    }

    /// What is asked for and not settled.
    pub fn refund_pending(&self) -> i64 {
        let pending = self.refunds.iter().filter(|refund| refund.state == RefundState::Pending);
        pending.map(|refund| refund.amount).sum()
    }

    /// What the buyer is owed back.
    pub fn refund_owed(&self) -> i64 {
        (self.captured - self.refunded - self.refund_pending() - self.cost()).max(0)
    }

    pub fn units_at(&self, (sku, location): (u32, u16)) -> u32 {
        let lines = self.lines.iter().filter(|line| line.sku == sku);
        lines.filter_map(|line| line.at.get(&location)).sum()
    }

    pub fn has_units_at(&self, location: u16) -> bool {
        self.lines.iter().any(|line| line.at.contains_key(&location))
    }

    /// Units of a line at a location that are in a package that has not left.
    pub fn packed(&self, line: usize, location: u16) -> u32 {
        let created = self.shipments.iter().filter(|shipment| shipment.state == ShipmentState::Created);
        created.filter_map(|shipment| shipment.parts.get(&(line, location))).sum()
    }

    /// Units of a line that are not packed, by location.
    pub fn open(&self, line: usize) -> Vec<(u16, u32)> {
        let at = self.lines[line].at.iter();
        at.map(|(&location, &units)| (location, units - self.packed(line, location)))
            .filter(|&(_, units)| units > 0)
            .collect()
    }

    pub fn told(&self, detail: u64) -> Told {
        Told { detail, version: self.version, state: self.state as u8, before: false }
    }

    /// Refuses what the order's state does not allow.
    pub fn allow(&self, action: Action, states: &[OrderState]) -> Result<(), Refused> {
        if states.contains(&self.state) {
            return Ok(());
        }
        Err(Refused::illegal(Entity::Order, self.state as u8, action))
    }

    /// Refuses what an active hold blocks.
    pub fn not_held(&self, block: u8) -> Result<(), Refused> {
        let holds = self.holds.iter().enumerate();
        let mut blocking =
            holds.filter(|(_, hold)| hold.state == HoldState::Active && hold.blocks & block != 0);
        match blocking.next() {
            Some((index, hold)) => {
                Err(Refused::new(RejectCode::OnHold).subject(index as u32 + 1).detail(hold.kind as u64))
            }
            None => Ok(()),
        }
    }

    /// One thing more of a kind of which there may be a thousand.
    pub fn room(count: usize) -> Result<(), Refused> {
        if count < ORDER_PARTS_MAX {
            return Ok(());
        }
        Err(Refused::new(RejectCode::TooManyParts).detail(count as u64))
    }

    /// The line that an index names.
    pub fn known_line(&self, index: u16) -> Result<usize, Refused> {
        if usize::from(index) < self.lines.len() {
            return Ok(index.into());
        }
        Err(Refused::new(RejectCode::UnknownLine).subject(index.into()))
    }

    pub fn known_lines(&self, lines: &[LineQuantity]) -> Result<(), Refused> {
        lines.iter().try_for_each(|named| self.known_line(named.line.get()).map(|_| ()))
    }

    /// What a command about quantities wants of each line that it is about: all that there is if it names none. Refuses
    /// what is not there; `there` says how much is.
    pub fn wanted(
        &self,
        lines: &[LineQuantity],
        there: impl Fn(usize) -> u32,
    ) -> Result<Vec<(usize, u32)>, Refused> {
        if lines.is_empty() {
            let all: Vec<(usize, u32)> = (0..self.lines.len())
                .map(|index| (index, there(index)))
                .filter(|&(_, units)| units > 0)
                .collect();
            return if all.is_empty() { refuse(RejectCode::NothingToDo) } else { Ok(all) };
        }
        let mut wanted = Vec::new();
        for named in lines {
            let line = self.known_line(named.line.get())?;
            if named.quantity.get() > there(line) {
                let detail = there(line).into();
                return Err(Refused::new(RejectCode::QuantityNotThere).subject(line as u32).detail(detail));
            }
            wanted.push((line, named.quantity.get()));
        }
        Ok(wanted)
    }

    /// Something of it is packed, in work or has shipped.
    pub fn has_begun(&self) -> bool {
        let packed = self.shipments.iter().any(|shipment| shipment.state == ShipmentState::Created);
        let shipped = self.lines.iter().any(|line| line.shipped > 0);
        let in_work = self.works.values().any(|work| {
            matches!(
                work.state,
                WorkState::Accepted | WorkState::InProgress | WorkState::OnHold | WorkState::Closed
            )
        });
        packed || shipped || in_work
    }
}

impl Model {
    /// A copy of the order, to be changed and put back.
    pub fn known_order(&self, id: OrderId) -> Result<Order, Refused> {
        match self.orders.get(&id.get()) {
            Some(order) => Ok(order.clone()),
            None => refuse(RejectCode::UnknownOrder),
        }
    }

    /// Puts an order back that a command, or time, has changed.
    pub fn keep(&mut self, mut order: Order) {
        order.version += 1;
        let stood =
            self.orders.get(&order.id).is_some_and(|before| before.is_finished() && self.keeps(before));
        if stood && !self.keeps(&order) {
            order.waits_since_us = Some(self.this_second());
            self.met(Rare::WaitedAnew, true);
        }
        self.orders.insert(order.id, order);
    }

    /// The same, and says what the caller is told.
    pub fn keep_and_tell(&mut self, order: Order, detail: u64) -> Answer {
        let id = order.id;
        self.keep(order);
        Ok(self.orders[&id].told(detail))
    }

    /// An order's state from here on is a final one.
    pub fn finish(&mut self, order: &mut Order, state: OrderState) {
        order.state = state;
        order.waits_since_us = Some(self.this_second());
        self.make_payable(order);
    }

    /// Finishes an order of which nothing is left, or nothing is left to ship or to arrive.
    pub fn settle(&mut self, order: &mut Order) {
        let left = order.lines.iter().any(|line| line.backordered > 0 || !line.at.is_empty());
        if order.is_finished() || left {
            return;
        }
        let shipped = order.lines.iter().any(|line| line.shipped > 0);
        let travels = order.shipments.iter().any(|shipment| shipment.state == ShipmentState::Shipped);
        if !shipped {
            self.finish(order, OrderState::Cancelled);
        } else if !travels {
            self.finish(order, OrderState::Completed);
        }
    }

    /// Takes units of a line that are not packed away from an order: backordered ones first, then those at locations, in
    /// the order in which they are handed over. Available gets them back.
    fn give_up(&mut self, order: &mut Order, line: usize, units: u32, places: &[(u16, u32)]) {
        let backordered = units.min(order.lines[line].backordered);
        order.lines[line].backordered -= backordered;
        let mut left = units - backordered;
        for &(location, there) in places {
            let part = left.min(there);
            if part == 0 {
                continue;
            }
            left -= part;
            self.give_back((order.lines[line].sku, location), order.promise(), part);
            order.lines[line].leave(location, part);
            order.empty_work(location);
        }
        assert_eq!(left, 0, "more was given up than there was");
    }

    pub fn confirm(&mut self, head: &ConfirmOrder) -> Answer {
        let mut order = self.known_order(head.order)?;
        seen(head.expected_version.get(), order.version)?;
        order.allow(Action::Confirm, &[OrderState::Pending])?;
        order.not_held(blocks::CONFIRM)?;
        order.state = OrderState::Confirmed;
        for index in 0..order.lines.len() {
            for (&location, &units) in &order.lines[index].at.clone() {
                let level = self.level_mut((order.lines[index].sku, location));
                level.reserved -= i64::from(units);
                level.committed += i64::from(units);
                order.open_work(location);
            }
        }
        self.keep_and_tell(order, 0)
    }

    pub fn edit_line(&mut self, head: &EditLine) -> Answer {
        let quantity = head.quantity.get();
        fields::quantity(quantity, head.line.get().into())?;
        let mut order = self.known_order(head.order)?;
        let index = order.known_line(head.line.get())?;
        seen(head.expected_version.get(), order.version)?;
        order.allow(Action::Edit, STANDING)?;
        order.not_held(blocks::EDIT)?;
        if order.has_begun() {
            return refuse(RejectCode::FulfilmentBegun);
        }
        let line = &order.lines[index];
        let subject = index as u32;
        if quantity <= line.cancelled {
            let detail = line.cancelled.into();
            return Err(Refused::new(RejectCode::QuantityNotThere).subject(subject).detail(detail));
        }
        if quantity == line.ordered {
            return refuse(RejectCode::NothingToDo);
        }
        if quantity > line.ordered {
            let more = quantity - line.ordered;
            let sku = line.sku;
            // As at a placement.
            if !self.sellers[order.seller as usize].is_active {
                return Err(Refused::new(RejectCode::SellerSuspended).subject(order.seller));
            }
            if !self.skus[sku as usize].is_active {
                return Err(Refused::new(RejectCode::SkuRetired).subject(subject));
            }
            let ordered = |other: usize| if other == index { quantity } else { order.lines[other].ordered };
            let of_sku = order.lines.iter().enumerate().filter(|(_, line)| line.sku == sku);
            if of_sku.map(|(other, _)| u64::from(ordered(other))).sum::<u64>() > u64::from(LINE_QUANTITY_MAX)
            {
                return Err(Refused::new(RejectCode::QuantityTooLarge).subject(subject));
            }
            let wanted = order.lines.iter().enumerate().map(|(other, line)| (ordered(other), line.price));
            fields::total(wanted)?;
            let request = Request {
                region: order.region,
                rules: self.rules_of(order.seller),
                left_out: &order.rejected_by,
                backorder: Backorder::WithinCap,
                freed: &BTreeMap::new(),
            };
            let plan = self.source(&[Want { line: index, sku, units: more }], &request)?;
            self.rule = Some(plan.rule);
            order.lines[index].ordered = quantity;
            for (_, location, units) in plan.taken {
                self.take((sku, location), order.promise(), units);
                self.note_served(location, &order);
                *order.lines[index].at.entry(location).or_default() += units;
                order.open_work(location);
            }
            self.met(Rare::EditIntoBackorder, !plan.backordered.is_empty());
            for (_, units) in plan.backordered {
                order.lines[index].backordered += units;
            }
        } else {
            let fewer = line.ordered - quantity;
            let mut places = order.open(index);
            places.reverse();
            order.lines[index].ordered = quantity;
            let first = fewer.saturating_sub(order.lines[index].backordered);
            self.met(Rare::EditedDownOverPlaces, places.first().is_some_and(|place| place.1 < first));
            self.give_up(&mut order, index, fewer, &places);
        }
        let total = order.cost();
        self.keep_and_tell(order, total as u64)
    }

    pub fn edit_address(&mut self, head: &EditAddress) -> Answer {
        let mut order = self.known_order(head.order)?;
        seen(head.expected_version.get(), order.version)?;
        order.allow(Action::Edit, STANDING)?;
        order.not_held(blocks::EDIT)?;
        if order.has_begun() {
            return refuse(RejectCode::FulfilmentBegun);
        }
        order.region = head.region.get();
        order.address = head.address.get();
        self.keep_and_tell(order, 0)
    }

    pub fn cancel_lines(&mut self, head: &CancelLines, lines: &[LineQuantity]) -> Answer {
        fields::named_lines(lines)?;
        let mut order = self.known_order(head.order)?;
        order.known_lines(lines)?;
        seen(head.expected_version.get(), order.version)?;
        order.allow(Action::Cancel, STANDING)?;
        order.not_held(blocks::CANCEL)?;
        let wanted = order.wanted(lines, |index| {
            let open: u32 = order.open(index).iter().map(|&(_, units)| units).sum();
            order.lines[index].backordered + open
        })?;
        let mut value = 0;
        for (index, units) in wanted {
            let places = order.open(index);
            self.give_up(&mut order, index, units, &places);
            order.lines[index].cancelled += units;
            value += i64::from(units) * order.lines[index].price;
        }
        self.settle(&mut order);
        self.met(Rare::CancelledWhatWasLeft, order.state == OrderState::Cancelled);
        self.met(Rare::CompletedByCancelling, order.state == OrderState::Completed);
        self.keep_and_tell(order, value as u64)
    }

    pub fn place_hold(&mut self, head: &PlaceHold) -> Answer {
        let mut order = self.known_order(head.order)?;
        seen(head.expected_version.get(), order.version)?;
        order.allow(Action::Hold, ANY)?;
        Order::room(order.holds.len())?;
        order.holds.push(Hold {
            kind: HoldKind::from_number(head.kind).expect("the fields were checked"),
            blocks: head.blocks,
            reason: head.reason.get(),
            state: HoldState::Active,
            expires_at_us: self.after_or_never(head.seconds.get()),
        });
        let number = order.holds.len() as u64;
        self.keep_and_tell(order, number)
    }

    pub fn release_hold(&mut self, head: &ReleaseHold) -> Answer {
        let mut order = self.known_order(head.order)?;
        let number = head.hold.get();
        let Some(index) = usize::from(number).checked_sub(1).filter(|&index| index < order.holds.len())
        else {
            return Err(Refused::new(RejectCode::UnknownHold).subject(number.into()));
        };
        seen(head.expected_version.get(), order.version)?;
        order.allow(Action::Release, ANY)?;
        let hold = &mut order.holds[index];
        if hold.state != HoldState::Active {
            return Err(Refused::illegal(Entity::Hold, hold.state as u8, Action::Release));
        }
        hold.state = HoldState::Released;
        self.keep_and_tell(order, 0)
    }

    /// A pending order's time is over: its units go back, and all of them count as cancelled.
    pub fn expire_order(&mut self, id: u128) {
        let mut order = self.orders[&id].clone();
        order.cost_before_expiry = order.cost();
        for index in 0..order.lines.len() {
            let places = order.open(index);
            let line = &order.lines[index];
            let units = line.units() + line.backordered;
            self.give_up(&mut order, index, units, &places);
            order.lines[index].cancelled += units;
        }
        self.finish(&mut order, OrderState::Expired);
        self.keep(order);
    }
}
