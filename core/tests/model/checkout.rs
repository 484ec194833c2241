//! Checkout: reservations, orders placed alone, and groups.

use std::collections::{BTreeMap, BTreeSet};

use orderline_protocol::command::*;
use orderline_protocol::event::DecidingRule;
use orderline_protocol::lifecycle::{Action, Entity, OrderState, ReservationState};
use orderline_protocol::limits::{GROUP_ORDERS_MAX, ID_AHEAD_MS_MAX};
use orderline_protocol::{BuyerId, CurrencyCode, RejectCode, ReservationId, SellerHandle};

use crate::fields;
use crate::model::{Answer, Model, Rare, Refused, SECOND_US, Told, content, refuse, seen};
use crate::money::{Group, Payment};
use crate::orders::{Line, Order};
use crate::sourcing::{Backorder, Plan, Request, Want};
use crate::stock::Promise;

#[derive(Debug, Clone)]
pub struct Reservation {
    pub buyer: u64,
    /// SKU, units.
    pub lines: Vec<(u32, u32)>,
    /// Where each line's units are held; nothing once it is finished.
    pub at: Vec<BTreeMap<u16, u32>>,
    pub state: ReservationState,
    pub version: u32,
    pub made_us: i64,
    pub made_sequence: u64,
    pub expires_at_us: i64,
    /// The whole second in which it was finished.
    pub finished_us: Option<i64>,
    /// What it was made by, and what was answered then.
    pub content: Vec<u8>,
    pub answer: Told,
}

impl Reservation {
    fn allow(&self, action: Action) -> Result<(), Refused> {
        if self.state == ReservationState::Held {
            return Ok(());
        }
        Err(Refused::illegal(Entity::Reservation, self.state as u8, action))
    }

    fn told(&self, detail: u64) -> Told {
        Told { detail, version: self.version, state: self.state as u8, before: false }
    }
}

/// What makes one order of a checkout.
struct Placement {
    id: u128,
    seller: u32,
    /// The index of its first line among all lines.
    start: usize,
    lines: Vec<(u32, u32, i64)>,
}

impl Model {
    /// The first step of judging: what is known by its id is answered as it was, or refused for being something else.
    pub fn known_already(&self, command: &Command<'_>) -> Result<Option<Told>, Refused> {
        let (first, sequence, answer, code) = match *command {
            Command::PlaceOrder(head, _, _) => {
                let id = head.order.get();
                match (self.orders.get(&id), self.groups.get(&id)) {
                    (Some(order), Some(group)) if order.group == id => {
                        (&group.content, group.placed_sequence, group.answer, RejectCode::OrderIdReused)
                    }
                    (Some(order), _) => {
                        return Err(Refused::new(RejectCode::OrderIdReused).sequence(order.placed_sequence));
                    }
                    (None, Some(group)) => {
                        return Err(Refused::new(RejectCode::OrderIdReused).sequence(group.placed_sequence));
                    }
                    (None, None) => return Ok(None),
                }
            }
            Command::CheckOut(head, ..) => match self.groups.get(&head.group.get()) {
                Some(group) => {
                    (&group.content, group.placed_sequence, group.answer, RejectCode::GroupIdReused)
                }
                None => return Ok(None),
            },
            Command::ReserveCart(head, _) => match self.reservations.get(&head.reservation.get()) {
                Some(one) => {
                    // The first answer, but for the time of expiry, which is the one of now.
                    let answer = Told { detail: one.expires_at_us as u64, ..one.answer };
                    (&one.content, one.made_sequence, answer, RejectCode::ReservationIdReused)
                }
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        if *first == content(command) {
            return Ok(Some(Told { before: true, ..answer }));
        }
        Err(Refused::new(code).sequence(sequence))
    }

    /// Refuses an id from too far ahead, and one that may have been used by what left memory.
    pub fn fresh_id(&self, unix_ms: u64, horizon_ms: u64) -> Result<(), Refused> {
        if unix_ms > self.now_ms() + ID_AHEAD_MS_MAX {
            return Err(Refused::new(RejectCode::IdAhead).detail(self.now_ms()));
        }
        if horizon_ms != 0 && unix_ms <= horizon_ms {
            return Err(Refused::new(RejectCode::OrderIdTooOld).detail(horizon_ms));
        }
        Ok(())
    }

    pub fn known_reservation(&self, id: ReservationId) -> Result<Reservation, Refused> {
        match self.reservations.get(&id.get()) {
            Some(reservation) => Ok(reservation.clone()),
            None => refuse(RejectCode::UnknownReservation),
        }
    }

    /// A reservation that may be used up for something else of the same buyer; 0: none is meant.
    pub fn used_up(
        &self,
        id: ReservationId,
        expected_version: u32,
        buyer: BuyerId,
        action: Action,
    ) -> Result<Option<Reservation>, Refused> {
        if id.get() == 0 {
            return Ok(None);
        }
        let reservation = self.known_reservation(id)?;
        seen(expected_version, reservation.version)?;
        reservation.allow(action)?;
        if reservation.buyer != buyer.get() {
            return Err(Refused::new(RejectCode::OtherBuyer).detail(reservation.buyer));
        }
        Ok(Some(reservation))
    }

    /// Units that a reservation holds, by level.
    fn held(&self, reservation: Option<&Reservation>) -> BTreeMap<(u32, u16), i64> {
        let mut held = BTreeMap::new();
        if let Some(reservation) = reservation {
            for (&(sku, _), at) in reservation.lines.iter().zip(&reservation.at) {
                for (&location, &units) in at {
                    *held.entry((sku, location)).or_default() += i64::from(units);
                }
            }
        }
        held
    }

    /// A held reservation is finished; its units go back unless they were handed on.
    pub fn finish_reservation(&mut self, id: u128, state: ReservationState, give_back: bool) {
        let mut reservation = self.reservations[&id].clone();
        if give_back {
            for ((sku, location), units) in self.held(Some(&reservation)) {
                self.give_back((sku, location), Promise::Reserved, units as u32);
            }
        }
        reservation.at = vec![BTreeMap::new(); reservation.lines.len()];
        reservation.state = state;
        reservation.version += 1;
        reservation.finished_us = Some(self.this_second());
        self.reservations.insert(id, reservation);
    }

    pub fn reserve_cart(&mut self, head: &ReserveCart, lines: &[CartLine], content: Vec<u8>) -> Answer {
        if head.reservation.get() == 0 {
            return refuse(RejectCode::InvalidOrderId);
        }
        fields::line_count(lines.len())?;
        for (index, line) in lines.iter().enumerate() {
            fields::quantity(line.quantity.get(), index as u32)?;
        }
        fields::sums(lines.iter().map(|line| (line.sku.get(), line.quantity.get())))?;
        self.fresh_id(head.reservation.unix_ms(), self.reservations_horizon_ms)?;
        if head.replaces.get() != 0 {
            self.known_reservation(head.replaces)?;
        }
        let mut wants = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let sku = self.orderable_sku(line.sku, index as u32)?;
            self.selling(SellerHandle::new(self.skus[sku as usize].seller))?;
            wants.push(Want { line: index, sku, units: line.quantity.get() });
        }
        let replaced =
            self.used_up(head.replaces, head.expected_version.get(), head.buyer, Action::Release)?;
        if head.seconds.get() > self.policy.reservation_s_max {
            let left = self.policy.reservation_s_max.into();
            return Err(Refused::new(RejectCode::NotHeldLongEnough).detail(left));
        }
        let request = Request {
            region: head.region.get(),
            rules: &self.everybodys_rules,
            left_out: &BTreeSet::new(),
            backorder: Backorder::Never,
            freed: &self.held(replaced.as_ref()),
        };
        let plan = self.source(&wants, &request)?;
        self.rule = Some(plan.rule);
        self.met(Rare::CartReplaced, replaced.is_some());
        if replaced.is_some() {
            self.finish_reservation(head.replaces.get(), ReservationState::Released, true);
        }
        let mut at = vec![BTreeMap::new(); lines.len()];
        for (line, location, units) in plan.taken {
            self.take((wants[line].sku, location), Promise::Reserved, units);
            *at[line].entry(location).or_default() += units;
        }
        let expires_at_us = self.after(head.seconds.get());
        let answer =
            Told { version: 1, state: ReservationState::Held as u8, ..Told::detail(expires_at_us as u64) };
        let made = Reservation {
            buyer: head.buyer.get(),
            lines: wants.iter().map(|want| (want.sku, want.units)).collect(),
            at,
            state: ReservationState::Held,
            version: 1,
            made_us: self.now_us,
            made_sequence: self.next_sequence(),
            expires_at_us,
            finished_us: None,
            content,
            answer,
        };
        self.reservations.insert(head.reservation.get(), made);
        Ok(answer)
    }

    pub fn extend_reservation(&mut self, head: &ExtendReservation) -> Answer {
        let mut reservation = self.known_reservation(head.reservation)?;
        seen(head.expected_version.get(), reservation.version)?;
        reservation.allow(Action::Extend)?;
        let expires_at_us = self.after(head.seconds.get());
        let left_us =
            reservation.made_us + i64::from(self.policy.reservation_s_max) * SECOND_US - self.now_us;
        if i64::from(head.seconds.get()) * SECOND_US > left_us {
            let left = left_us.max(0) / SECOND_US;
            return Err(Refused::new(RejectCode::NotHeldLongEnough).detail(left as u64));
        }
        reservation.expires_at_us = expires_at_us;
        reservation.version += 1;
        let told = reservation.told(expires_at_us as u64);
        self.reservations.insert(head.reservation.get(), reservation);
        Ok(told)
    }

    pub fn release_reservation(&mut self, head: &ReleaseReservation) -> Answer {
        let reservation = self.known_reservation(head.reservation)?;
        seen(head.expected_version.get(), reservation.version)?;
        reservation.allow(Action::Release)?;
        self.finish_reservation(head.reservation.get(), ReservationState::Released, true);
        Ok(self.reservations[&head.reservation.get()].told(0))
    }

    /// A seller that takes new orders.
    pub fn selling(&self, seller: SellerHandle) -> Result<u32, Refused> {
        let seller = self.known_seller(seller)?;
        if !self.sellers[seller as usize].is_active {
            return Err(Refused::new(RejectCode::SellerSuspended).subject(seller));
        }
        Ok(seller)
    }

    /// A line that the seller can sell in this currency.
    fn sellable(
        &self,
        line: &OrderLine,
        index: u32,
        seller: u32,
        currency: CurrencyCode,
    ) -> Result<u32, Refused> {
        let handle = self.orderable_sku(line.sku, index)?;
        let sku = &self.skus[handle as usize];
        if sku.seller != seller {
            let detail = sku.seller.into();
            return Err(Refused::new(RejectCode::SkuOfOtherSeller).subject(index).detail(detail));
        }
        if sku.currency != 0 && sku.currency != currency.get() {
            let detail = sku.currency.into();
            return Err(Refused::new(RejectCode::MixedCurrencies).subject(index).detail(detail));
        }
        Ok(handle)
    }

    fn check_lines(lines: &[OrderLine]) -> Result<(), Refused> {
        for (index, line) in lines.iter().enumerate() {
            fields::quantity(line.quantity.get(), index as u32)?;
            fields::price(line.unit_price.minor(), index as u32)?;
        }
        fields::sums(lines.iter().map(|line| (line.sku.get(), line.quantity.get())))
    }

    fn total(lines: &[OrderLine]) -> Result<i64, Refused> {
        fields::total(lines.iter().map(|line| (line.quantity.get(), line.unit_price.minor())))
    }

    pub fn place_order(&mut self, head: &PlaceOrder, lines: &[OrderLine], content: Vec<u8>) -> Answer {
        if head.order.get() == 0 {
            return refuse(RejectCode::InvalidOrderId);
        }
        fields::priced_in(head.currency)?;
        fields::line_count(lines.len())?;
        Self::check_lines(lines)?;
        let total = Self::total(lines)?;
        self.fresh_id(head.order.unix_ms(), self.orders_horizon_ms)?;
        let seller = self.selling(head.seller)?;
        let mut placement = Placement { id: head.order.get(), seller, start: 0, lines: Vec::new() };
        for (index, line) in lines.iter().enumerate() {
            let sku = self.sellable(line, index as u32, seller, head.currency)?;
            placement.lines.push((sku, line.quantity.get(), line.unit_price.minor()));
        }
        let request = Request {
            region: head.region.get(),
            rules: self.rules_of(seller),
            left_out: &BTreeSet::new(),
            backorder: Backorder::WithinCap,
            freed: &BTreeMap::new(),
        };
        let plan = self.source(&wants(&[&placement]), &request)?;
        self.rule = Some(plan.rule);
        self.met(Rare::AllBackordered, plan.taken.is_empty());
        self.met(
            Rare::SplitOverPlaces,
            plan.taken.iter().any(|part| part.0 == 0 && part.1 != plan.taken[0].1),
        );
        self.hand_out(std::slice::from_ref(&placement), &plan, true);
        let answer = Told { version: 1, state: OrderState::Pending as u8, ..Told::detail(total as u64) };
        let group = Group::new(head.buyer.get(), head.currency.get(), self.next_sequence(), content, answer);
        self.add_group(head.order.get(), group, head.region.get(), vec![placement], &plan);
        Ok(answer)
    }

    pub fn check_out(
        &mut self,
        head: &CheckOut,
        orders: &[GroupOrder],
        lines: &[OrderLine],
        content: Vec<u8>,
    ) -> Answer {
        if head.group.get() == 0 {
            return refuse(RejectCode::InvalidOrderId);
        }
        fields::priced_in(head.currency)?;
        if orders.len() > GROUP_ORDERS_MAX {
            return Err(Refused::new(RejectCode::TooManyOrders).detail(orders.len() as u64));
        }
        fields::line_count(lines.len())?;
        for (index, order) in orders.iter().enumerate() {
            if order.order.get() == 0 {
                return refuse(RejectCode::InvalidOrderId);
            }
            if orders[..index].iter().any(|other| other.seller == order.seller) {
                return Err(Refused::new(RejectCode::SellerRepeated).subject(index as u32));
            }
            fields::line_count(order.line_count.get().into())?;
        }
        let whole: u64 = orders.iter().map(|order| u64::from(order.line_count.get())).sum();
        if whole != lines.len() as u64 {
            return Err(Refused::new(RejectCode::GroupNotWhole).detail(whole));
        }
        Self::check_lines(lines)?;
        let mut total = 0;
        let mut start = 0;
        for order in orders {
            let end = start + usize::from(order.line_count.get());
            total += Self::total(&lines[start..end])?;
            start = end;
        }

        self.fresh_id(head.group.unix_ms(), self.orders_horizon_ms)?;
        // Orders and groups share their ids.
        if let Some(known) = self.orders.get(&head.group.get()) {
            return Err(Refused::new(RejectCode::GroupIdReused).sequence(known.placed_sequence));
        }
        for (index, order) in orders.iter().enumerate() {
            if let Some(known) = self.orders.get(&order.order.get()) {
                return Err(Refused::new(RejectCode::OrderIdReused).sequence(known.placed_sequence));
            }
            let group = self.groups.get(&order.order.get());
            if let Some(known) = group.filter(|_| order.order.get() != head.group.get()) {
                return Err(Refused::new(RejectCode::OrderIdReused).sequence(known.placed_sequence));
            }
            if orders[..index].iter().any(|other| other.order == order.order) {
                return refuse(RejectCode::OrderIdReused);
            }
            self.fresh_id(order.order.unix_ms(), self.orders_horizon_ms)?;
        }
        if head.reservation.get() != 0 {
            self.known_reservation(head.reservation)?;
        }
        let mut placements: Vec<Placement> = Vec::new();
        let mut start = 0;
        for order in orders {
            let seller = self.selling(order.seller)?;
            let end = start + usize::from(order.line_count.get());
            let mut placement = Placement { id: order.order.get(), seller, start, lines: Vec::new() };
            for (index, line) in lines.iter().enumerate().take(end).skip(start) {
                let sku = self.sellable(line, index as u32, seller, head.currency)?;
                placement.lines.push((sku, line.quantity.get(), line.unit_price.minor()));
            }
            placements.push(placement);
            start = end;
        }
        let reservation =
            self.used_up(head.reservation, head.expected_version.get(), head.buyer, Action::Consume)?;

        let wants = wants(&placements.iter().collect::<Vec<_>>());
        let as_reserved = reservation.as_ref().is_some_and(|reservation| {
            let wanted: Vec<(u32, u32)> = wants.iter().map(|want| (want.sku, want.units)).collect();
            reservation.lines == wanted
        });
        let plan = match &reservation {
            Some(reservation) if as_reserved => {
                let at = reservation.at.iter().enumerate();
                let taken =
                    at.flat_map(|(line, at)| at.iter().map(move |(&where_, &units)| (line, where_, units)));
                Plan { taken: taken.collect(), backordered: Vec::new(), rule: DecidingRule::Reservation }
            }
            reservation => {
                let request = Request {
                    region: head.region.get(),
                    rules: match placements[..] {
                        [ref only] => self.rules_of(only.seller),
                        _ => &self.everybodys_rules,
                    },
                    left_out: &BTreeSet::new(),
                    backorder: Backorder::WithinCap,
                    freed: &self.held(reservation.as_ref()),
                };
                self.source(&wants, &request)?
            }
        };
        self.rule = Some(plan.rule);
        self.met(Rare::ConsumedAsReserved, as_reserved);
        self.met(Rare::ConsumedAndSourcedAnew, reservation.is_some() && !as_reserved);
        if reservation.is_some() {
            self.finish_reservation(head.reservation.get(), ReservationState::Consumed, !as_reserved);
        }
        self.hand_out(&placements, &plan, !as_reserved);
        let answer = Told { version: 1, state: OrderState::Pending as u8, ..Told::detail(total as u64) };
        let group = Group::new(head.buyer.get(), head.currency.get(), self.next_sequence(), content, answer);
        self.add_group(head.group.get(), group, head.region.get(), placements, &plan);
        Ok(answer)
    }

    /// Takes a plan's units out of what is available, and counts the orders that locations got units of.
    fn hand_out(&mut self, placements: &[Placement], plan: &Plan, from_available: bool) {
        for placement in placements {
            let lines = placement.start..placement.start + placement.lines.len();
            let mut served = BTreeSet::new();
            for &(line, location, units) in plan.taken.iter().filter(|part| lines.contains(&part.0)) {
                let (sku, ..) = placement.lines[line - placement.start];
                if from_available {
                    self.take((sku, location), Promise::Reserved, units);
                }
                served.insert(location);
            }
            served.into_iter().for_each(|location| self.serve(location));
        }
    }

    /// Remembers a group and its orders.
    fn add_group(
        &mut self,
        id: u128,
        mut group: Group,
        region: u16,
        placements: Vec<Placement>,
        plan: &Plan,
    ) {
        for placement in placements {
            let lines = placement.lines.iter().enumerate().map(|(index, &(sku, ordered, price))| {
                let index = placement.start + index;
                let mut at = BTreeMap::new();
                for &(_, location, units) in plan.taken.iter().filter(|part| part.0 == index) {
                    *at.entry(location).or_default() += units;
                }
                let backordered = plan.backordered.iter().filter(|part| part.0 == index);
                Line {
                    sku,
                    ordered,
                    price,
                    cancelled: 0,
                    backordered: backordered.map(|part| part.1).sum(),
                    at,
                    shipped: 0,
                    delivered: 0,
                    returned: 0,
                }
            });
            let order = Order {
                id: placement.id,
                group: id,
                seller: placement.seller,
                buyer: group.buyer,
                currency: group.currency,
                region,
                address: 0,
                placed_sequence: group.placed_sequence,
                placed_us: self.now_us,
                state: OrderState::Pending,
                version: 1,
                lines: lines.collect(),
                works: BTreeMap::new(),
                shipments: Vec::new(),
                returns: Vec::new(),
                refunds: Vec::new(),
                holds: Vec::new(),
                captured: 0,
                refunded: 0,
                rate: None,
                rejected_by: BTreeSet::new(),
                cost_before_expiry: 0,
                waits_since_us: None,
            };
            group.orders.push(placement.id);
            self.orders.insert(placement.id, order);
        }
        group.placed_orders = group.orders.len();
        self.groups.insert(id, group);
    }
}

impl Group {
    fn new(buyer: u64, currency: u16, placed_sequence: u64, content: Vec<u8>, answer: Told) -> Self {
        Self {
            buyer,
            currency,
            orders: Vec::new(),
            placed_orders: 0,
            placed_sequence,
            version: 1,
            payment: Payment::default(),
            captured: 0,
            refunded: 0,
            content,
            answer,
        }
    }
}

fn wants(placements: &[&Placement]) -> Vec<Want> {
    let all = placements.iter().flat_map(|placement| &placement.lines);
    all.enumerate().map(|(line, &(sku, units, _))| Want { line, sku, units }).collect()
}
