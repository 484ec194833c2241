//! From an event to the head: which orders it is about, what becomes of them, and what else it adds.

use std::collections::BTreeMap;

use orderline_protocol::command::GroupOrder;
use orderline_protocol::command::OrderLine;
use orderline_protocol::event::{
    Allocation, CapturedShare, CartReserved, Event, ExpiryKind, GroupPlaced, LateHold, OrderPlaced,
    PaymentCaptured, RefundSettled, RetiredKind,
};
use orderline_protocol::{
    CurrencyCode, EntryKind, GroupId, LocationHandle, OrderId, SellerHandle, SkuHandle,
};

use crate::change::Moment;
use crate::error::{Damage, ReadModelError};
use crate::head::{EntryKey, EntryRow, GroupRow, Head, Held, Note, NoteKey, Number, QueueKey, Queued};
use crate::older::{Older, View};
use crate::order::{Order, Placed};
use crate::returns::listed_of;

type Kept<T> = Result<T, ReadModelError>;

/// Adds what events say to a head.
pub(crate) struct Recorder<'a> {
    pub(crate) head: &'a mut Head,
    pub(crate) older: &'a Older,
    pub(crate) now: Moment,
}

impl Recorder<'_> {
    /// Adds what an event says.
    pub(crate) fn record(&mut self, event: &Event<'_>) -> Kept<()> {
        let (now, kind) = (self.now, event.kind() as u16);
        let mut about = |order: OrderId, change: &mut dyn FnMut(&mut Order) -> Result<(), Damage>| {
            self.change(order, kind, change)
        };
        let untouched = &mut |_: &mut Order| Ok(());
        match *event {
            Event::OrderPlaced(head, lines, units, external_id) => {
                self.placed(head, lines, units, external_id);
            }
            Event::GroupPlaced(head, orders, lines, units, external_id) => {
                self.group_placed(head, orders, lines, units, external_id)?
            }
            Event::CartReserved(head, _, units) => self.reserved(kind, head, units),
            Event::ReservationExtended(head) => self.note_reservation(head.reservation.get(), kind)?,
            Event::ReservationReleased(head) => self.end_reservation(head.reservation.get()),
            Event::OrderConfirmed(head) => about(head.order, &mut |order| {
                order.confirmed(now);
                Ok(())
            })?,
            Event::LinesCancelled(head, moves) => {
                about(head.order, &mut |order| order.cancelled(head, moves))?
            }
            Event::LineEdited(head, moves) => {
                about(head.edit.order, &mut |order| order.edited(now, head, moves))?;
            }
            Event::AddressEdited(head) => about(head.edit.order, &mut |order| {
                order.region = head.edit.region.get();
                Ok(())
            })?,
            Event::HoldPlaced(head) => about(head.hold.order, untouched)?,
            Event::HoldReleased(head) => about(head.release.order, untouched)?,
            Event::WorkUpdated(head) => about(head.update.order, &mut |order| order.work_updated(head))?,
            Event::WorkRejected(head, moves) => {
                about(head.rejection.order, &mut |order| order.work_rejected(now, head, moves))?;
            }
            Event::WorkMoved(head, moves) => {
                about(head.movement.order, &mut |order| order.work_moved(now, head, moves))?;
            }
            Event::ShipmentMade(head, moves, _) => {
                about(head.order, &mut |order| order.shipment_made(head, moves))?;
            }
            Event::ShipmentUpdated(head) => {
                about(head.update.order, &mut |order| order.shipment_updated(now, head))?;
            }
            Event::ReturnRequested(head, lines) => about(head.request.order, &mut |order| {
                order.return_requested(now, head, lines);
                Ok(())
            })?,
            Event::ReturnUpdated(head) => {
                about(head.update.order, &mut |order| order.return_updated(now, head))?;
            }
            Event::ReturnReceived(head, units) => {
                about(head.receipt.order, &mut |order| order.return_received(now, head, units))?;
            }
            Event::RefundRequested(head) => about(head.request.order, untouched)?,
            Event::RefundSettled(head) => self.refund_settled(kind, head)?,
            Event::PaymentAuthorized(head, holds) => {
                self.note_group(head.authorization.group, kind)?;
                self.held_late(kind, holds)?;
            }
            Event::PaymentCaptured(head, shares, holds) => {
                self.captured(kind, head, shares)?;
                self.held_late(kind, holds)?;
            }
            Event::PaymentVoided(head) => self.note_group(head.end.group, kind)?,
            Event::PaymentFailed(head) => self.note_group(head.end.group, kind)?,
            Event::PayoutRecorded(head) => {
                let payout = &head.payout;
                let entry = (EntryKind::Payout, payout.amount.minor());
                self.enter(payout.seller, payout.currency, None, payout.happened_at_us.get(), 0, entry);
            }
            Event::BackordersRefilled(_, refills) => {
                for of_order in refills.chunk_by(|one, next| one.order == next.order) {
                    self.change(of_order[0].order, kind, &mut |order| {
                        of_order.iter().for_each(|refill| order.refilled(now, refill));
                        Ok(())
                    })?;
                }
            }
            Event::ShortageNamed(_, orders) => {
                orders.iter().try_for_each(|short| self.change(short.order, kind, untouched))?;
            }
            Event::TimePassed(_, expiries) => {
                for expiry in expiries {
                    self.expired(kind, expiry.kind, expiry.id.get())?;
                }
            }
            Event::FinishedRetired(_, retired) => {
                for of in retired.iter().filter(|of| of.kind == RetiredKind::Order as u8) {
                    self.change(OrderId::new(of.id.get()), kind, &mut |order| {
                        order.is_retired = true;
                        Ok(())
                    })?;
                }
            }
            Event::StockReceived(head) => self.level(head.receipt.sku, head.receipt.location),
            Event::StockAdjusted(head) => self.level(head.adjustment.sku, head.adjustment.location),
            Event::StockCounted(head) => self.level(head.count.sku, head.count.location),
            Event::LevelSet(head) => self.level(head.set.sku, head.set.location),
            Event::StockMoved(head) => {
                self.level(head.movement.sku, head.movement.from);
                self.level(head.movement.sku, head.movement.to);
            }
            Event::SessionOpened(head) => {
                let since = (head.handle.get(), now.sequence);
                self.head.actors.insert(since, head.actor.get());
            }
            Event::SellerDefined(..)
            | Event::LocationDefined(..)
            | Event::SkuDefined(..)
            | Event::SourcingDefined(_)
            | Event::PolicySet(_)
            | Event::TokenDefined(..)
            | Event::TokenRevoked(_) => {}
        }
        self.head.now = now;
        self.head.record_count += 1;
        Ok(())
    }

    fn view(&self) -> View<'_> {
        View { head: self.head, older: self.older }
    }

    fn note(&self, kind: u16) -> Note {
        Note { at_us: self.now.at_us.into(), kind: kind.into() }
    }

    /// What is not known though an event names it was there before what is known began; else the store has lost it.
    fn unknown(&self) -> Kept<()> {
        if self.head.known_from > 1 {
            return Ok(());
        }
        Err(Damage("an event is about something that is not kept").into())
    }

    /// Changes an order, and notes that the event was about it.
    fn change(
        &mut self,
        id: OrderId,
        kind: u16,
        change: &mut dyn FnMut(&mut Order) -> Result<(), Damage>,
    ) -> Kept<()> {
        let Some(number) = self.view().number_of(id)? else { return self.unknown() };
        let key = NoteKey { number, is_of_group: false, sequence: self.now.sequence };
        self.head.notes.insert(key, self.note(kind));
        let mut order = match self.head.changed.remove(&number) {
            Some(order) => order,
            None => self.view().order(number)?.ok_or(Damage("an order has a number and is not kept"))?,
        };
        let (queued, listed) = (queued_of(number, &order), listed_of(number, &order));
        self.head.states[order.state as usize] -= 1;
        change(&mut order)?;
        self.head.states[order.state as usize] += 1;
        order.changed_sequence = self.now.sequence;
        order.changed_at_us = self.now.at_us;
        note_changes(&queued, queued_of(number, &order), &mut self.head.queue);
        note_changes(&listed, listed_of(number, &order), &mut self.head.returns);
        self.head.changed.insert(number, order);
        Ok(())
    }

    fn placed(&mut self, head: &OrderPlaced, lines: &[OrderLine], units: &[Allocation], external_id: &str) {
        let placement = &head.placement;
        let placed = Placed {
            order: placement.order,
            group: placement.order.into(),
            external_id,
            buyer: placement.buyer,
            seller: placement.seller,
            currency: placement.currency,
            region: placement.region,
            lines,
            location: head.location,
            units,
            is_vague: false,
        };
        self.head.place(self.now, &placed);
    }

    fn group_placed(
        &mut self,
        head: &GroupPlaced,
        orders: &[GroupOrder],
        lines: &[OrderLine],
        units: &[Allocation],
        external_id: &str,
    ) -> Kept<()> {
        let checkout = &head.checkout;
        let reserved = match checkout.reservation.get() {
            0 => None,
            id => {
                let held = self.view().reservation(id)?;
                self.end_reservation(id);
                held
            }
        };
        let (mut location, mut units, mut is_vague) = (head.location, units, false);
        if head.is_as_reserved == 1 {
            match &reserved {
                Some(held) => (location, units) = (held.location, &held.units),
                None => {
                    self.unknown()?;
                    is_vague = true;
                }
            }
        }
        let first = self.head.next();
        let (mut rest, mut first_line) = (lines, 0);
        for order in orders {
            let (own_lines, behind) = rest
                .split_at_checked(order.line_count.get().into())
                .ok_or(Damage("a group has fewer lines than its orders"))?;
            let own_units = units_of(units, first_line, own_lines.len());
            let placed = Placed {
                order: order.order,
                group: checkout.group,
                external_id,
                buyer: checkout.buyer,
                seller: order.seller,
                currency: checkout.currency,
                region: checkout.region,
                lines: own_lines,
                location,
                units: &own_units,
                is_vague,
            };
            self.head.place(self.now, &placed);
            rest = behind;
            first_line += own_lines.len();
        }
        let group = GroupRow { first: first.into(), count: (orders.len() as u32).into() };
        self.head.groups.insert(checkout.group.get(), group);
        // What was noted of the reservation is how the group began.
        for (sequence, note) in reserved.map(|held| held.notes).unwrap_or_default() {
            self.head.notes.insert(NoteKey { number: first, is_of_group: true, sequence }, note);
        }
        Ok(())
    }

    fn reserved(&mut self, kind: u16, head: &CartReserved, units: &[Allocation]) {
        if head.cart.replaces.get() != 0 {
            self.end_reservation(head.cart.replaces.get());
        }
        let notes = vec![(self.now.sequence, self.note(kind))];
        let held = Held { location: head.location, units: units.to_vec(), notes };
        self.head.reservations.insert(head.cart.reservation.get(), Some(held));
    }

    fn note_reservation(&mut self, id: u128, kind: u16) -> Kept<()> {
        let Some(mut held) = self.view().reservation(id)? else { return self.unknown() };
        held.notes.push((self.now.sequence, self.note(kind)));
        self.head.reservations.insert(id, Some(held));
        Ok(())
    }

    fn end_reservation(&mut self, id: u128) {
        self.head.reservations.insert(id, None);
    }

    /// Notes that the event was about a group.
    fn note_group(&mut self, group: GroupId, kind: u16) -> Kept<()> {
        let Some(row) = self.view().group(group)? else { return self.unknown() };
        let key = NoteKey { number: row.first.get(), is_of_group: true, sequence: self.now.sequence };
        self.head.notes.insert(key, self.note(kind));
        Ok(())
    }

    fn held_late(&mut self, kind: u16, holds: &[LateHold]) -> Kept<()> {
        holds.iter().try_for_each(|hold| self.change(hold.order, kind, &mut |_| Ok(())))
    }

    fn expired(&mut self, kind: u16, what: u8, id: u128) -> Kept<()> {
        match ExpiryKind::from_number(what) {
            Some(ExpiryKind::Reservation) => {
                self.end_reservation(id);
                Ok(())
            }
            Some(ExpiryKind::Order) => self.change(OrderId::new(id), kind, &mut |order| {
                order.expired();
                Ok(())
            }),
            Some(ExpiryKind::Payment) => self.note_group(GroupId::new(id), kind),
            Some(ExpiryKind::Hold) => self.change(OrderId::new(id), kind, &mut |_| Ok(())),
            None => Err(Damage("something expired that is not known").into()),
        }
    }

    /// Money was taken: a sale and a commission for each share. The group is noted once, whose shares they are.
    fn captured(&mut self, kind: u16, head: &PaymentCaptured, shares: &[CapturedShare]) -> Kept<()> {
        self.note_group(head.capture.group, kind)?;
        let happened_at_us = head.capture.happened_at_us.get();
        for (index, share) in shares.iter().enumerate() {
            let Some((seller, currency)) = self.payee(share.order)? else { continue };
            let entries = [(EntryKind::Sale, share.amount), (EntryKind::Commission, share.commission)];
            for (place, (kind, amount)) in (2 * index as u16..).zip(entries) {
                self.enter(
                    seller,
                    currency,
                    Some(share.order),
                    happened_at_us,
                    place,
                    (kind, amount.minor()),
                );
            }
        }
        Ok(())
    }

    fn refund_settled(&mut self, kind: u16, head: &RefundSettled) -> Kept<()> {
        let settlement = &head.settlement;
        self.change(settlement.order, kind, &mut |_| Ok(()))?;
        let Some((seller, currency)) = self.payee(settlement.order)? else { return Ok(()) };
        let entries = [(EntryKind::Refund, head.amount), (EntryKind::Reversal, head.commission_reversal)];
        for (place, (kind, amount)) in (0..).zip(entries) {
            let (order, at_us) = (Some(settlement.order), settlement.happened_at_us.get());
            self.enter(seller, currency, order, at_us, place, (kind, amount.minor()));
        }
        Ok(())
    }

    /// Whose ledger an order's money goes to, and its currency.
    fn payee(&self, order: OrderId) -> Kept<Option<(SellerHandle, CurrencyCode)>> {
        let Some(number) = self.view().number_of(order)? else {
            self.unknown()?;
            return Ok(None);
        };
        let order = self.view().order(number)?.ok_or(Damage("an order has a number and is not kept"))?;
        Ok(Some((order.seller, order.currency)))
    }

    /// Adds an entry to a ledger; one of nothing is none.
    fn enter(
        &mut self,
        seller: SellerHandle,
        currency: CurrencyCode,
        order: Option<OrderId>,
        happened_at_us: i64,
        place: u16,
        (kind, amount_minor): (EntryKind, i64),
    ) {
        if amount_minor == 0 {
            return;
        }
        let row = EntryRow {
            order: order.map_or(0, OrderId::get).into(),
            amount_minor: amount_minor.into(),
            recorded_at_us: self.now.at_us.into(),
            happened_at_us: happened_at_us.into(),
            currency: currency.get().into(),
            kind: kind as u8,
        };
        let key = EntryKey { seller: seller.get(), sequence: self.now.sequence, place };
        self.head.ledger.insert(key, row);
    }

    fn level(&mut self, sku: SkuHandle, location: LocationHandle) {
        self.head.levels.insert((location.get(), sku.get()));
    }
}

/// Notes in a list what an order had there before and has no more, and what it has there now that is new or other.
fn note_changes<K: Ord + Copy, V: PartialEq + Copy>(
    before: &[(K, V)],
    after: Vec<(K, V)>,
    list: &mut BTreeMap<K, Option<V>>,
) {
    for (key, _) in before.iter().filter(|(key, _)| after.iter().all(|(other, _)| other != key)) {
        list.insert(*key, None);
    }
    for one in after.into_iter().filter(|one| !before.contains(one)) {
        list.insert(one.0, Some(one.1));
    }
}

/// An order's work that is in queues.
fn queued_of(number: Number, order: &Order) -> Vec<(QueueKey, Queued)> {
    let queued = |work: &crate::order::Work| {
        let (location, opened_sequence) = (work.location, work.opened_sequence.get());
        let key = QueueKey { location, opened_sequence, number };
        (key, Queued { opened_at_us: work.opened_at_us, state: work.state })
    };
    order.works.iter().filter(|work| !work.is_over()).map(queued).collect()
}

/// The units of one order of a group, its lines counted from its own first.
fn units_of(units: &[Allocation], first: usize, count: usize) -> Vec<Allocation> {
    let own = |part: &Allocation| {
        let line = usize::from(part.line.get()).checked_sub(first).filter(|&line| line < count)?;
        Some(Allocation { line: (line as u16).into(), ..*part })
    };
    units.iter().filter_map(own).collect()
}

/// An order as the engine holds it, taken over where its events are not to be had any more.
pub(crate) fn take_over(head: &mut Head, order: &Order) {
    let number = head.take_over(order);
    if order.group.get() != order.order.get() {
        let row = head
            .groups
            .entry(order.group.get())
            .or_insert(GroupRow { first: number.into(), count: 0.into() });
        row.count += 1;
    }
    for (key, queued) in queued_of(number, order) {
        head.queue.insert(key, Some(queued));
    }
    for (key, listed) in listed_of(number, order) {
        head.returns.insert(key, Some(listed));
    }
}
