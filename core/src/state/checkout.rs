//! Placements: one order alone, or the orders of a cart, and what their events do.

use orderline_protocol::command::{CheckOut, GroupOrder, OrderLine, PlaceOrder};
use orderline_protocol::event::{
    Allocation, DecidingRule, Event, EventKind, GroupPlaced, OrderPlaced, OrderState, Origin,
};
use orderline_protocol::lifecycle::{Action, PaymentState, ReservationState};
use orderline_protocol::limits::{
    CART_LINES_MAX, GROUP_ORDERS_MAX, ID_AHEAD_MS_MAX, LINE_QUANTITY_MAX, ORDER_LINES_MAX,
    ORDER_TOTAL_MINOR_MAX, UNIT_PRICE_MINOR_MAX,
};
use orderline_protocol::{CurrencyCode, LocationHandle, OrderId, RejectCode, SellerHandle, Sequence};

use super::apply::Effect;
use super::cart::check_expected;
use super::decide::{Refusable, Scratch, check_zeros, write};
use super::define::check_code;
use super::groups::{Group, Payment};
use super::money::check_priced_in;
use super::orders::NewOrder;
use super::reservations::Reservation;
use super::sourcing::{Backordering, Request, Sourced, SourcingScratch, day_of};
use super::timers::second_of;
use super::{Accepted, Decision, Rejection, State};

impl State {
    #[inline]
    #[allow(clippy::too_many_arguments)] // A command's parts, and where its decision works and goes.
    pub(super) fn decide_place(
        &self,
        origin: Origin,
        now_us: i64,
        head: &PlaceOrder,
        lines: &[OrderLine],
        external_id: &str,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Decision {
        if let Some(slot) = self.orders.find(head.order) {
            let order = self.orders.head(slot);
            // An order of a group has no placement of its own to be repeated.
            let is_alone = self.orders.is_alone(slot);
            if order.digest != origin.digest.get() || !is_alone {
                return Decision::Rejected(Rejection {
                    sequence: Some(order.placed_sequence),
                    ..Rejection::new(RejectCode::OrderIdReused)
                });
            }
            // Another session has placed it: the same first answer.
            return Decision::Before(Accepted {
                sequence: order.placed_sequence,
                detail: lines.iter().map(line_value).sum::<i64>() as u64,
                version: 1,
                state: OrderState::Pending as u8,
            });
        }
        match self.place(origin, now_us, head, lines, external_id, scratch, out) {
            Ok(()) => Decision::Event(EventKind::OrderPlaced),
            Err(rejection) => Decision::Rejected(rejection),
        }
    }

    #[inline]
    #[allow(clippy::too_many_arguments)] // See above.
    fn place(
        &self,
        origin: Origin,
        now_us: i64,
        head: &PlaceOrder,
        lines: &[OrderLine],
        external_id: &str,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Refusable<()> {
        self.check_id(head.order.get(), self.finished.orders_horizon_ms, now_us)?;
        self.check_no_group(head.order, 0)?;
        self.check_lines_count(lines.len(), ORDER_LINES_MAX)?;
        check_external_id(external_id)?;
        self.check_seller(head.seller)?;
        check_priced_in(head.currency)?;
        let sourced = match self.plain_location(head, lines, day_of(now_us)) {
            Some(location) => Sourced { location, rule: DecidingRule::OnlyChoice },
            None => self.check_and_source(now_us, head, lines, &mut scratch.sourcing)?,
        };
        let allocations = scratch.sourcing.allocations_of(&sourced);
        let Ok(allocation_count) = u16::try_from(allocations.len()) else {
            return Err(Rejection::new(RejectCode::TooManyLines).with(allocations.len() as u64));
        };
        let event = OrderPlaced {
            origin,
            placement: *head,
            location: sourced.location,
            allocation_count: allocation_count.into(),
            rule: sourced.rule as u8,
        };
        write(Event::OrderPlaced(&event, lines, allocations, external_id), out);
        Ok(())
    }

    /// Checks the lines of an order that is placed alone, and finds where they ship from.
    #[inline(never)]
    pub(super) fn check_and_source(
        &self,
        now_us: i64,
        head: &PlaceOrder,
        lines: &[OrderLine],
        scratch: &mut SourcingScratch,
    ) -> Refusable<Sourced> {
        let total = self.check_order_lines(0, head.seller, head.currency, lines)?;
        if total > ORDER_TOTAL_MINOR_MAX {
            return Err(Rejection::new(RejectCode::TotalTooLarge));
        }
        let request = Request {
            region: head.region.get(),
            seller: head.seller,
            now_us,
            own: &[],
            excluded: &[],
            backordering: Backordering::WithinCap,
        };
        self.source(&request, lines, scratch)
    }

    /// Whether an id may be given to something new.
    #[inline]
    pub(super) fn check_id(&self, id: u128, horizon_ms: u64, now_us: i64) -> Refusable<()> {
        if id == 0 {
            return Err(Rejection::new(RejectCode::InvalidOrderId));
        }
        let (id_ms, now_ms) = ((id >> 80) as u64, now_us.max(0) as u64 / 1_000);
        if id_ms > now_ms + ID_AHEAD_MS_MAX {
            return Err(Rejection::new(RejectCode::IdAhead).with(now_ms));
        }
        if horizon_ms > 0 && id_ms <= horizon_ms {
            return Err(Rejection::new(RejectCode::OrderIdTooOld).with(horizon_ms));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn check_lines_count(&self, count: usize, count_max: usize) -> Refusable<()> {
        match count {
            0 => Err(Rejection::new(RejectCode::NoLines)),
            count if count > count_max => Err(Rejection::new(RejectCode::TooManyLines).with(count as u64)),
            _ => Ok(()),
        }
    }

    /// Checks the lines of one order, the first of which has the index `first` in its command; returns what they cost, which may
    /// be more than an order may cost.
    #[inline]
    pub(super) fn check_order_lines(
        &self,
        first: usize,
        seller: SellerHandle,
        currency: CurrencyCode,
        lines: &[OrderLine],
    ) -> Refusable<i64> {
        let mut total = 0_i64;
        for (index, line) in lines.iter().enumerate() {
            let index = (first + index) as u32;
            let refuse = |code| Err(Rejection::new(code).about(index));
            let Some(sku) = self.catalogue.sku(line.sku) else {
                return Err(Rejection::new(RejectCode::UnknownSku).about(index).with(line.sku.get().into()));
            };
            if !sku.is_active() {
                return refuse(RejectCode::SkuRetired);
            }
            if sku.seller != seller {
                return Err(Rejection::new(RejectCode::SkuOfOtherSeller)
                    .about(index)
                    .with(sku.seller.get().into()));
            }
            if sku.currency.get() != 0 && sku.currency != currency {
                return Err(Rejection::new(RejectCode::MixedCurrencies)
                    .about(index)
                    .with(sku.currency.get().into()));
            }
            match line.quantity.get() {
                0 => return refuse(RejectCode::ZeroQuantity),
                1..=LINE_QUANTITY_MAX => {}
                _ => return refuse(RejectCode::QuantityTooLarge),
            }
            match line.unit_price.minor() {
                ..=0 => return refuse(RejectCode::InvalidPrice),
                1..=UNIT_PRICE_MINOR_MAX => {}
                _ => return refuse(RejectCode::PriceTooLarge),
            }
            // Where this saturates it is far above what an order may cost.
            let value = line.unit_price.minor().saturating_mul(line.quantity.get().into());
            total = total.saturating_add(value);
        }
        Ok(total)
    }

    /// Whether an id that is given to an order has not been given to a group: an order alone is a group under its own id.
    #[inline]
    fn check_no_group(&self, order: OrderId, index: u32) -> Refusable<()> {
        if self.groups.is_empty() {
            return Ok(());
        }
        match self.groups.find(order.into()) {
            None => Ok(()),
            Some(slot) => Err(Rejection {
                sequence: Some(self.groups.get(slot).placed_sequence),
                ..Rejection::new(RejectCode::OrderIdReused).about(index)
            }),
        }
    }

    /// Decides the checkout of a cart. A group whose id is in memory gets its first answer again. The state
    /// in the answer is that of the group's payment: pending.
    #[allow(clippy::too_many_arguments)] // A command's parts, and where its decision works and goes.
    pub(super) fn decide_check_out(
        &self,
        origin: Origin,
        now_us: i64,
        head: &CheckOut,
        orders: &[GroupOrder],
        lines: &[OrderLine],
        external_id: &str,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Decision {
        if let Some(slot) = self.groups.find(head.group) {
            let group = self.groups.get(slot);
            if group.digest != origin.digest.get() {
                return Decision::Rejected(group_id_reused(group.placed_sequence));
            }
            return Decision::Before(Accepted {
                sequence: group.placed_sequence,
                detail: group.placed_total as u64,
                version: 1,
                state: PaymentState::Pending as u8,
            });
        }
        match self.check_out(origin, now_us, head, orders, lines, external_id, scratch, out) {
            Ok(()) => Decision::Event(EventKind::GroupPlaced),
            Err(rejection) => Decision::Rejected(rejection),
        }
    }

    #[allow(clippy::too_many_arguments)] // See above.
    fn check_out(
        &self,
        origin: Origin,
        now_us: i64,
        head: &CheckOut,
        orders: &[GroupOrder],
        lines: &[OrderLine],
        external_id: &str,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Refusable<()> {
        self.check_group_orders(now_us, head, orders, lines.len())?;
        check_external_id(external_id)?;
        check_priced_in(head.currency)?;
        let mut first = 0;
        let mut group_total = 0_i64;
        for (index, order) in (0..).zip(orders) {
            self.check_seller(order.seller)?;
            let behind = first + usize::from(order.line_count.get());
            let total = self.check_order_lines(first, order.seller, head.currency, &lines[first..behind])?;
            group_total = group_total.saturating_add(total);
            if group_total > ORDER_TOTAL_MINOR_MAX {
                return Err(Rejection::new(RejectCode::TotalTooLarge).about(index));
            }
            first = behind;
        }
        let expected = head.expected_version.get();
        let reservation =
            self.reservation_for_buyer(head.reservation, expected, head.buyer, Action::Consume)?;
        let mut event = GroupPlaced {
            origin,
            checkout: *head,
            location: LocationHandle::NONE,
            allocation_count: 0.into(),
            rule: DecidingRule::Reservation as u8,
            is_as_reserved: 1,
        };
        if let Some(reservation) = reservation.filter(|reservation| reservation.is_exactly(lines)) {
            event.location = reservation.head.location;
            write(Event::GroupPlaced(&event, orders, lines, &[], external_id), out);
            return Ok(());
        }
        let own = reservation.map_or_else(Vec::new, Reservation::own_units);
        let request = Request {
            region: head.region.get(),
            // One seller's cart goes by that seller's rules, another one by everybody's.
            seller: if let [only] = orders { only.seller } else { SellerHandle::NONE },
            now_us,
            own: &own,
            excluded: &[],
            backordering: Backordering::WithinCap,
        };
        let sourced = self.source(&request, lines, &mut scratch.sourcing)?;
        let allocations = scratch.sourcing.allocations_of(&sourced);
        if allocations.len() > usize::from(u16::MAX) {
            return Err(Rejection::new(RejectCode::TooManyLines).with(allocations.len() as u64));
        }
        event.location = sourced.location;
        event.allocation_count = (allocations.len() as u32).into();
        event.rule = sourced.rule as u8;
        event.is_as_reserved = 0;
        write(Event::GroupPlaced(&event, orders, lines, allocations, external_id), out);
        Ok(())
    }

    /// Checks the ids of a group and its orders, and how the lines are divided among them.
    fn check_group_orders(
        &self,
        now_us: i64,
        head: &CheckOut,
        orders: &[GroupOrder],
        line_count: usize,
    ) -> Refusable<()> {
        let offset = std::mem::offset_of!(CheckOut, expected_version);
        check_expected(head.reservation, head.expected_version, offset)?;
        for (index, order) in orders.iter().enumerate() {
            let offset = size_of::<CheckOut>()
                + index * size_of::<GroupOrder>()
                + std::mem::offset_of!(GroupOrder, reserved);
            check_zeros(&order.reserved, offset as u32)?;
        }
        let horizon_ms = self.finished.orders_horizon_ms;
        self.check_id(head.group.get(), horizon_ms, now_us)?;
        // Orders and groups share their ids, for an order alone is a group: only an order of the group itself may bear the
        // group's own.
        if let Some(slot) = self.orders.find(OrderId::new(head.group.get())) {
            return Err(group_id_reused(self.orders.head(slot).placed_sequence));
        }
        self.check_lines_count(line_count, CART_LINES_MAX)?;
        if orders.len() > GROUP_ORDERS_MAX {
            return Err(Rejection::new(RejectCode::TooManyOrders).with(orders.len() as u64));
        }
        let lines_of_orders: usize = orders.iter().map(|order| usize::from(order.line_count.get())).sum();
        if lines_of_orders != line_count {
            return Err(Rejection::new(RejectCode::GroupNotWhole).with(lines_of_orders as u64));
        }
        for (index, order) in (0..).zip(orders) {
            self.check_id(order.order.get(), horizon_ms, now_us)
                .map_err(|rejection| rejection.about(index))?;
            if let Some(slot) = self.orders.find(order.order) {
                return Err(Rejection {
                    sequence: Some(self.orders.head(slot).placed_sequence),
                    ..Rejection::new(RejectCode::OrderIdReused).about(index)
                });
            }
            self.check_no_group(order.order, index)?;
            if order.line_count.get() == 0 {
                return Err(Rejection::new(RejectCode::NoLines).about(index));
            }
        }
        if let Some(index) = first_repeated(orders, |order| order.order.get()) {
            return Err(Rejection::new(RejectCode::OrderIdReused).about(index as u32));
        }
        if let Some(index) = first_repeated(orders, |order| order.seller.get()) {
            return Err(Rejection::new(RejectCode::SellerRepeated).about(index as u32));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn apply_placed(
        &mut self,
        at_us: i64,
        head: &OrderPlaced,
        lines: &[OrderLine],
        allocations: &[Allocation],
    ) -> Effect {
        self.hold_units(head.location, lines, allocations);
        self.count_new_order(at_us, head.location, allocations);
        let placement = &head.placement;
        let total = lines.iter().map(line_value).sum::<i64>();
        let slot = self.orders.insert(&NewOrder {
            id: placement.order,
            placed_sequence: self.sequence,
            placed_unix_s: second_of(at_us),
            buyer: placement.buyer,
            digest: head.origin.digest.get(),
            seller: placement.seller,
            currency: placement.currency,
            region: placement.region.get(),
            location: head.location,
            lines,
            allocations,
            group: 0,
        });
        self.order_placed(slot, !head.location.is_none());
        Effect::entity(total as u64, 1, OrderState::Pending as u8)
    }

    pub(super) fn apply_group_placed(
        &mut self,
        at_us: i64,
        head: &GroupPlaced,
        orders: &[GroupOrder],
        lines: &[OrderLine],
        allocations: &[Allocation],
    ) -> Effect {
        let checkout = &head.checkout;
        let is_as_reserved = head.is_as_reserved == 1;
        let (mut location, mut allocations) = (head.location, allocations);
        let reserved;
        if checkout.reservation.get() != 0 {
            let slot = self.reservation_of(checkout.reservation);
            if is_as_reserved {
                // The units stay where they are, and only change their owner.
                let reservation = self.reservations.get_mut(slot);
                location = reservation.head.location;
                reserved = std::mem::take(&mut reservation.allocations);
                allocations = &reserved;
            } else {
                self.give_reservation_back(slot);
            }
            self.end_reservation(at_us, slot, ReservationState::Consumed);
        }
        let mut rest = lines;
        let mut first = 0;
        for order in orders {
            let own_lines;
            (own_lines, rest) = rest.split_at(order.line_count.get().into());
            let own = part_of_group(location, allocations, first, own_lines);
            if !is_as_reserved {
                self.hold_units(own.location, own_lines, &own.allocations);
            }
            self.count_new_order(at_us, own.location, &own.allocations);
            let slot = self.orders.insert(&NewOrder {
                id: order.order,
                placed_sequence: self.sequence,
                placed_unix_s: second_of(at_us),
                buyer: checkout.buyer,
                digest: head.origin.digest.get(),
                seller: order.seller,
                currency: checkout.currency,
                region: checkout.region.get(),
                location: own.location,
                lines: own_lines,
                allocations: &own.allocations,
                group: checkout.group.get(),
            });
            self.order_placed(slot, !own.location.is_none());
            first += own_lines.len();
        }
        let total = lines.iter().map(line_value).sum::<i64>();
        self.groups.insert(Group {
            id: checkout.group.get(),
            placed_sequence: self.sequence,
            digest: head.origin.digest.get(),
            version: 1,
            buyer: checkout.buyer.get(),
            currency: checkout.currency.get(),
            placed_total: total,
            orders: orders.iter().map(|order| order.order.get()).collect(),
            order_count: orders.len() as u32,
            payment: Payment::default(),
        });
        Effect::entity(total as u64, 1, PaymentState::Pending as u8)
    }
}

/// Where the units of one order of a group are.
struct OrderUnits {
    /// All of them, with none backordered; NONE: the allocations tell.
    location: LocationHandle,
    /// By the lines of the order.
    allocations: Vec<Allocation>,
}

/// Cuts the units of an order, whose first line has the index `first` in its group, out of its group's.
fn part_of_group(
    location: LocationHandle,
    allocations: &[Allocation],
    first: usize,
    lines: &[OrderLine],
) -> OrderUnits {
    if !location.is_none() {
        return OrderUnits { location, allocations: Vec::new() };
    }
    // They are sorted by line.
    let begin = allocations.partition_point(|part| usize::from(part.line.get()) < first);
    let end = allocations.partition_point(|part| usize::from(part.line.get()) < first + lines.len());
    let own = &allocations[begin..end];
    let held: u64 = own.iter().map(|part| u64::from(part.quantity.get())).sum();
    let wanted: u64 = lines.iter().map(|line| u64::from(line.quantity.get())).sum();
    if let [one, others @ ..] = own
        && held == wanted
        && others.iter().all(|other| other.location == one.location)
    {
        return OrderUnits { location: one.location, allocations: Vec::new() };
    }
    let of_order = |part: &Allocation| Allocation { line: (part.line.get() - first as u16).into(), ..*part };
    OrderUnits { location, allocations: own.iter().map(of_order).collect() }
}

fn group_id_reused(placed_sequence: Sequence) -> Rejection {
    Rejection { sequence: Some(placed_sequence), ..Rejection::new(RejectCode::GroupIdReused) }
}

/// Up to here each order of a group is compared with those before it; beyond, they are sorted.
const COMPARED_ORDERS_MAX: usize = 16;

/// The index of the first order whose key one before it has, too.
fn first_repeated<K: Ord>(orders: &[GroupOrder], key: impl Fn(&GroupOrder) -> K) -> Option<usize> {
    if orders.len() <= COMPARED_ORDERS_MAX {
        let is_repeated = |&at: &usize| orders[..at].iter().any(|other| key(other) == key(&orders[at]));
        return (1..orders.len()).find(is_repeated);
    }
    let mut keyed: Vec<(K, usize)> = orders.iter().enumerate().map(|(at, order)| (key(order), at)).collect();
    keyed.sort_unstable();
    keyed.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].1).min()
}

/// Whether a caller's own id is there and can be one, or is not there.
#[inline]
fn check_external_id(external_id: &str) -> Refusable<()> {
    if external_id.is_empty() { Ok(()) } else { check_code(external_id) }
}

/// What a line costs.
#[inline]
pub(super) fn line_value(line: &OrderLine) -> i64 {
    line.unit_price.minor() * i64::from(line.quantity.get())
}
