//! Fulfilment: the work of locations, and packages.

use std::collections::{BTreeMap, BTreeSet};

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::*;
use orderline_protocol::{LocationHandle, RejectCode};

use crate::fields;
use crate::model::{Answer, Model, Rare, Refused, refuse, seen};
use crate::orders::{CONFIRMED, Order};
use crate::returns::Return;
use crate::sourcing::{Backorder, Request, Want};
use crate::stock::Promise;

/// The work of one location for one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    pub state: WorkState,
    /// On hold: what it goes back to.
    pub held_from: Option<WorkState>,
}

impl Work {
    pub fn is_over(&self) -> bool {
        matches!(self.state, WorkState::Closed | WorkState::Rejected | WorkState::Cancelled)
    }
}

#[derive(Debug, Clone)]
pub struct Shipment {
    pub carrier: u16,
    pub tracking: String,
    pub state: ShipmentState,
    /// When its state came about, as its caller said.
    pub happened_at_us: i64,
    /// Units by line and location.
    pub parts: BTreeMap<(usize, u16), u32>,
}

impl Shipment {
    pub fn has_left(&self) -> bool {
        !matches!(self.state, ShipmentState::Created | ShipmentState::Cancelled)
    }
}

const OPEN: Work = Work { state: WorkState::Open, held_from: None };

impl Order {
    fn known_work(&self, location: u16) -> Result<Work, Refused> {
        match self.works.get(&location) {
            Some(work) => Ok(*work),
            None => Err(Refused::new(RejectCode::UnknownWork).subject(location.into())),
        }
    }

    fn allow_work(&self, location: u16, action: Action, states: &[WorkState]) -> Result<(), Refused> {
        let work = self.known_work(location)?;
        if states.contains(&work.state) {
            return Ok(());
        }
        Err(Refused::illegal(Entity::Work, work.state as u8, action))
    }

    /// A location has got units of a confirmed order: there is work, if there was none that still goes on.
    pub fn open_work(&mut self, location: u16) {
        if self.promise() == Promise::Reserved {
            return;
        }
        let work = self.works.entry(location).or_insert(OPEN);
        if work.is_over() {
            *work = OPEN;
        }
    }

    fn has_shipped_from(&self, location: u16) -> bool {
        let left = self.shipments.iter().filter(|shipment| shipment.has_left());
        left.flat_map(|shipment| shipment.parts.keys()).any(|part| part.1 == location)
    }

    /// Units were cancelled or moved away: if they were the last ones there, the work is over.
    pub fn empty_work(&mut self, location: u16) {
        if self.has_units_at(location) || !self.works.contains_key(&location) {
            return;
        }
        let state = if self.has_shipped_from(location) { WorkState::Closed } else { WorkState::Cancelled };
        self.works.insert(location, Work { state, held_from: None });
    }

    /// Units of all lines that are not packed, at one location.
    fn open_at(&self, line: usize, location: u16) -> u32 {
        self.open(line).iter().filter(|place| place.0 == location).map(|place| place.1).sum()
    }
}

impl Model {
    pub fn update_work(&mut self, head: &UpdateWork) -> Answer {
        use WorkState::{Accepted, InProgress, OnHold, Open};
        let mut order = self.known_order(head.order)?;
        let location = self.known_location(head.location)?;
        let work = order.known_work(location)?;
        seen(head.expected_version.get(), order.version)?;
        let step = WorkStep::from_number(head.step).expect("the fields were checked");
        let (action, from): (Action, &[WorkState]) = match step {
            WorkStep::Accept => (Action::Accept, &[Open]),
            WorkStep::Start => (Action::Start, &[Accepted]),
            WorkStep::Pause => (Action::Pause, &[Open, Accepted, InProgress]),
            WorkStep::Resume => (Action::Resume, &[OnHold]),
        };
        order.allow(action, CONFIRMED)?;
        order.allow_work(location, action, from)?;
        if matches!(step, WorkStep::Accept | WorkStep::Start) {
            order.not_held(blocks::FULFIL)?;
        }
        let work = match step {
            WorkStep::Accept => Work { state: Accepted, held_from: None },
            WorkStep::Start => Work { state: InProgress, held_from: None },
            WorkStep::Pause => Work { state: OnHold, held_from: Some(work.state) },
            WorkStep::Resume => Work { state: work.held_from.unwrap_or(Open), held_from: None },
        };
        order.works.insert(location, work);
        self.keep_and_tell(order, 0)
    }

    pub fn reject_work(&mut self, head: &RejectWork) -> Answer {
        let mut order = self.known_order(head.order)?;
        let location = self.known_location(head.location)?;
        order.known_work(location)?;
        seen(head.expected_version.get(), order.version)?;
        order.allow(Action::Reject, CONFIRMED)?;
        order.allow_work(location, Action::Reject, &[WorkState::Open, WorkState::Accepted])?;
        order.rejected_by.insert(location);
        order.works.insert(location, Work { state: WorkState::Rejected, held_from: None });
        let mut wants = Vec::new();
        for (index, line) in order.lines.iter_mut().enumerate() {
            if let Some(units) = line.at.remove(&location) {
                wants.push(Want { line: index, sku: line.sku, units });
                let level = self.level_mut((line.sku, location));
                level.committed -= i64::from(units);
                if head.is_missing == 1 {
                    level.quality_hold += i64::from(units);
                } else {
                    level.available += i64::from(units);
                }
            }
        }
        let request = Request {
            region: order.region,
            rules: self.rules_of(order.seller),
            left_out: &order.rejected_by,
            backorder: Backorder::Always,
            freed: &BTreeMap::new(),
        };
        let plan = self.source(&wants, &request)?;
        self.rule = Some(plan.rule);
        self.met(Rare::RejectedOverPlaces, plan.taken.iter().any(|part| part.1 != plan.taken[0].1));
        for (line, to, units) in plan.taken {
            self.take((order.lines[line].sku, to), Promise::Committed, units);
            self.note_served(to, &order);
            *order.lines[line].at.entry(to).or_default() += units;
            order.open_work(to);
        }
        self.met(Rare::MissingGoods, head.is_missing == 1);
        self.met(Rare::RejectedIntoBackorder, !plan.backordered.is_empty());
        for (line, units) in plan.backordered {
            order.lines[line].backordered += units;
        }
        let backordered: u64 = order.lines.iter().map(|line| u64::from(line.backordered)).sum();
        self.keep_and_tell(order, backordered)
    }

    pub fn move_work(&mut self, head: &MoveWork, lines: &[LineQuantity]) -> Answer {
        fields::named_lines(lines)?;
        if head.from == head.to {
            return refuse(RejectCode::SameLocation);
        }
        let mut order = self.known_order(head.order)?;
        let from = self.known_location(head.from)?;
        let to = self.known_location(head.to)?;
        order.known_work(from)?;
        order.known_lines(lines)?;
        seen(head.expected_version.get(), order.version)?;
        order.allow(Action::Move, CONFIRMED)?;
        order.allow_work(from, Action::Move, &[WorkState::Open, WorkState::Accepted])?;
        if !self.locations[usize::from(to)].is_active {
            return Err(Refused::new(RejectCode::LocationInactive).subject(to.into()));
        }
        let wanted = order.wanted(lines, |index| order.open_at(index, from))?;
        let mut taken = BTreeMap::<u32, i64>::new();
        for &(index, units) in &wanted {
            let sku = order.lines[index].sku;
            let available = self.level((sku, to)).available.max(0);
            let sum = taken.entry(sku).or_default();
            *sum += i64::from(units);
            if *sum > available {
                let refused = Refused::new(RejectCode::InsufficientStock).subject(index as u32);
                return Err(refused.detail(available as u64));
            }
        }
        let moved: u64 = wanted.iter().map(|&(_, units)| u64::from(units)).sum();
        self.note_served(to, &order);
        for (index, units) in wanted {
            let sku = order.lines[index].sku;
            self.give_back((sku, from), Promise::Committed, units);
            self.take((sku, to), Promise::Committed, units);
            order.lines[index].leave(from, units);
            *order.lines[index].at.entry(to).or_default() += units;
        }
        order.empty_work(from);
        self.met(Rare::WorkOpenedAgain, order.works.get(&to).is_some_and(|work| work.is_over()));
        order.open_work(to);
        self.keep_and_tell(order, moved)
    }

    pub fn ship_lines(&mut self, head: &ShipLines, lines: &[LineQuantity], tracking: &str) -> Answer {
        const SHIPPING: &[WorkState] = &[WorkState::Open, WorkState::Accepted, WorkState::InProgress];
        fields::named_lines(lines)?;
        let mut order = self.known_order(head.order)?;
        let from = match head.location {
            LocationHandle::NONE => None,
            location => Some(self.known_location(location)?),
        };
        if let Some(location) = from {
            order.known_work(location)?;
        }
        order.known_lines(lines)?;
        seen(head.expected_version.get(), order.version)?;
        order.allow(Action::Ship, CONFIRMED)?;
        let places: BTreeSet<u16> = match from {
            Some(location) => BTreeSet::from([location]),
            None => (0..order.lines.len()).flat_map(|index| order.open(index)).map(|place| place.0).collect(),
        };
        for &location in &places {
            order.allow_work(location, Action::Ship, SHIPPING)?;
        }
        order.not_held(blocks::FULFIL)?;
        let wanted = order
            .wanted(lines, |index| places.iter().map(|&location| order.open_at(index, location)).sum())?;
        Order::room(order.shipments.len())?;
        let mut parts = BTreeMap::new();
        for (index, units) in wanted {
            let mut left = units;
            for &location in &places {
                let part = left.min(order.open_at(index, location));
                if part > 0 {
                    parts.insert((index, location), part);
                    left -= part;
                }
            }
        }
        if head.is_sent == 1 {
            self.is_there(&order, &parts)?;
        }
        let places: BTreeSet<u16> = parts.keys().map(|part| part.1).collect();
        self.met(Rare::PackageFromSeveralPlaces, places.len() > 1);
        for location in places {
            order.works.insert(location, Work { state: WorkState::InProgress, held_from: None });
        }
        order.shipments.push(Shipment {
            carrier: head.carrier.get(),
            happened_at_us: head.happened_at_us.get(),
            tracking: tracking.to_owned(),
            state: ShipmentState::Created,
            parts,
        });
        let index = order.shipments.len() - 1;
        if head.is_sent == 1 {
            self.send(&mut order, index);
        }
        self.keep_and_tell(order, index as u64 + 1)
    }

    /// Units leave only where they are: of a level that is short, no more than is on hand.
    fn is_there(&self, order: &Order, parts: &BTreeMap<(usize, u16), u32>) -> Result<(), Refused> {
        let mut leaving = BTreeMap::<(u32, u16), i64>::new();
        for (&(line, location), &units) in parts {
            let at = (order.lines[line].sku, location);
            let sum = leaving.entry(at).or_default();
            *sum += i64::from(units);
            if self.level(at).available < 0 && *sum > self.level(at).on_hand() {
                let refused = Refused::new(RejectCode::InsufficientStock).subject(line as u32);
                return Err(refused.detail(self.level(at).on_hand() as u64));
            }
        }
        Ok(())
    }

    /// A created package goes to the carrier: its units leave their locations.
    fn send(&mut self, order: &mut Order, shipment: usize) {
        order.shipments[shipment].state = ShipmentState::Shipped;
        for ((line, location), units) in order.shipments[shipment].parts.clone() {
            let at = (order.lines[line].sku, location);
            self.level_mut(at).committed -= i64::from(units);
            self.note_movement(at, -i64::from(units));
            order.lines[line].leave(location, units);
            order.lines[line].shipped += units;
            if !order.has_units_at(location) {
                order.works.insert(location, Work { state: WorkState::Closed, held_from: None });
            }
        }
    }

    pub fn update_shipment(&mut self, head: &UpdateShipment) -> Answer {
        use ShipmentState::{Cancelled, Created, Delivered, Lost, ReturnedToSender, Shipped};
        let mut order = self.known_order(head.order)?;
        let number = head.shipment.get();
        let Some(index) = usize::from(number).checked_sub(1).filter(|&index| index < order.shipments.len())
        else {
            return Err(Refused::new(RejectCode::UnknownShipment).subject(number.into()));
        };
        seen(head.expected_version.get(), order.version)?;
        let step = ShipmentStep::from_number(head.step).expect("the fields were checked");
        let (action, from, to) = match step {
            ShipmentStep::Send => (Action::Send, Created, Shipped),
            ShipmentStep::Cancel => (Action::Cancel, Created, Cancelled),
            ShipmentStep::Deliver => (Action::Deliver, Shipped, Delivered),
            ShipmentStep::Lose => (Action::Lose, Shipped, Lost),
            ShipmentStep::ReturnToSender => (Action::ReturnToSender, Shipped, ReturnedToSender),
        };
        order.allow(action, CONFIRMED)?;
        let state = order.shipments[index].state;
        if state != from {
            return Err(Refused::illegal(Entity::Shipment, state as u8, action));
        }
        let mut detail = 0;
        match step {
            ShipmentStep::Send => {
                order.not_held(blocks::FULFIL)?;
                self.is_there(&order, &order.shipments[index].parts)?;
                self.send(&mut order, index);
            }
            ShipmentStep::Deliver => {
                for (&(line, _), &units) in &order.shipments[index].parts {
                    order.lines[line].delivered += units;
                }
            }
            ShipmentStep::ReturnToSender => {
                Order::room(order.returns.len())?;
                let mut lines = BTreeMap::new();
                for (&(line, _), &units) in &order.shipments[index].parts {
                    *lines.entry(line).or_default() += units;
                }
                order.returns.push(Return {
                    reason: 0,
                    lines,
                    state: ReturnState::Approved,
                    is_undelivered: true,
                    happened_at_us: head.happened_at_us.get(),
                });
                detail = order.returns.len() as u64;
            }
            ShipmentStep::Cancel | ShipmentStep::Lose => {}
        }
        order.shipments[index].state = to;
        order.shipments[index].happened_at_us = head.happened_at_us.get();
        self.settle(&mut order);
        self.keep_and_tell(order, detail)
    }
}
