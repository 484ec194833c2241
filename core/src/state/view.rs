//! Answering queries from the state.

use std::mem::offset_of;

use orderline_protocol::command::{
    Command, DefineSourcing, EntityKind, QueryCatalogue, QueryTransitions, RawCommand, Scope,
};
use orderline_protocol::event::Allocation;
use orderline_protocol::lifecycle::{
    Entity, FulfilmentStatus, HoldState, OrderState, PaymentState, PaymentStatus, ReturnStatus, WorkState,
};
use orderline_protocol::limits::{CODE_BYTES_MAX, TRACKING_BYTES_MAX};
use orderline_protocol::reply::{
    CatalogueEntry, GroupOrderView, GroupView, HoldView, LevelView, LineView, OrderView, RefundView,
    ReservationView, ReturnView, SettingsView, ShipmentView, StatusView, WorkView,
};
use orderline_protocol::{Amount, GroupId, LocationHandle, OrderId, RejectCode, SkuHandle};
use smallvec::smallvec;
use zerocopy::IntoBytes;

use super::decide::check_zeros;
use super::detail::{Detail, Hold, Money};
use super::groups::Group;
use super::orders::OrderSlot;
use super::reservations::Reservation;
use super::transitions::TRANSITIONS;
use super::{Accepted, Rejection, State, check_asked};

/// Entries of a catalogue's page at most: they fit a reply.
const PAGE_ENTRIES_MAX: u32 = 2_000;

impl State {
    /// Answers a query: the view's bytes are appended to `out`. Speaks of everything up to [`State::sequence`].
    ///
    /// # Errors
    /// A rejection, with nothing appended.
    pub fn answer(&self, query: &RawCommand<'_>, out: &mut Vec<u8>) -> Result<Accepted, Rejection> {
        self.answer_within(Scope::Everything, query, out)
    }

    /// The same to somebody who may only touch what lies within a scope: what is asked of a page or a whole is narrowed to
    /// that.
    ///
    /// # Errors
    /// A rejection, with nothing appended.
    pub fn answer_within(
        &self,
        scope: Scope,
        query: &RawCommand<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Accepted, Rejection> {
        let command = match query.read() {
            Ok(command) => command,
            Err(None) => return Err(Rejection::new(RejectCode::UnknownKind)),
            Err(Some(_)) => return Err(Rejection::new(RejectCode::Malformed)),
        };
        self.check_scope(scope, &command)?;
        let mut answer = Accepted { sequence: self.sequence, detail: 0, version: 0, state: 0 };
        match command {
            Command::QueryOrder(head) => {
                let horizon_ms = self.finished.orders_horizon_ms;
                let Some(slot) = self.orders.find(head.order) else {
                    return Err(not_here(head.order.unix_ms(), horizon_ms, RejectCode::UnknownOrder));
                };
                self.view_order(slot, out);
                let order = self.orders.head(slot);
                (answer.version, answer.state) = (order.version, order.state() as u8);
                answer.detail = self.orders.cost_minor(slot) as u64;
            }
            Command::QueryStock(head) => {
                if self.catalogue.sku(head.sku).is_none() {
                    return Err(Rejection::new(RejectCode::UnknownSku).with(head.sku.get().into()));
                }
                if !head.location.is_none() && self.catalogue.location(head.location).is_none() {
                    return Err(Rejection::new(RejectCode::UnknownLocation).about(head.location.get().into()));
                }
                let is_shown = |location: LocationHandle| match scope {
                    _ if !head.location.is_none() => location == head.location,
                    Scope::Locations(own) => own.has(location),
                    Scope::Everything | Scope::Seller(_) => true,
                };
                answer.detail = self.view_levels(head.sku, is_shown, out) as u64;
            }
            Command::ResolveCode(head, code) => {
                let codes = match EntityKind::from_number(head.entity) {
                    Some(EntityKind::Seller) => &self.catalogue.seller_codes,
                    Some(EntityKind::Location) => &self.catalogue.location_codes,
                    Some(EntityKind::Sku) => &self.catalogue.sku_codes,
                    None => return Err(Rejection::new(RejectCode::InvalidField)),
                };
                let handle = codes.find(code).ok_or(Rejection::new(RejectCode::UnknownCode))?;
                answer.detail = handle.into();
            }
            Command::QueryStatus(head) => {
                out.extend_from_slice(self.status(head.with_state_hash == 1).as_bytes())
            }
            Command::QueryGroup(head) => {
                let horizon_ms = self.finished.orders_horizon_ms;
                let Some(group) = self.group_as_it_stands(head.group) else {
                    return Err(not_here(head.group.unix_ms(), horizon_ms, RejectCode::UnknownGroup));
                };
                self.view_group(&group, out);
                (answer.version, answer.state) = (group.version, group.payment.state() as u8);
            }
            Command::QueryReservation(head) => {
                let horizon_ms = self.finished.reservations_horizon_ms;
                let Some(slot) = self.reservations.find(head.reservation) else {
                    let unix_ms = head.reservation.unix_ms();
                    return Err(not_here(unix_ms, horizon_ms, RejectCode::UnknownReservation));
                };
                let reservation = self.reservations.get(slot);
                view_reservation(reservation, out);
                (answer.version, answer.state) =
                    (reservation.head.version.get(), reservation.head.state() as u8);
            }
            Command::QueryLedger(head) => {
                if self.catalogue.seller(head.seller).is_none() {
                    return Err(Rejection::new(RejectCode::UnknownSeller).about(head.seller.get()));
                }
                let ledger = self.ledgers.get(head.seller, head.currency);
                let view = ledger.view(head.seller, head.currency);
                out.extend_from_slice(view.as_bytes());
                answer.version = ledger.version;
            }
            Command::QueryCatalogue(head) => answer.detail = self.view_catalogue(scope, head, out)?.into(),
            Command::QuerySettings(_) => {
                let is_shown = |rules: &DefineSourcing| {
                    scope == Scope::Everything
                        || rules.seller.is_none()
                        || scope == Scope::Seller(rules.seller)
                };
                let sourcing_count = self.settings.sourcing().filter(is_shown).count() as u32;
                let (version, policy) = (self.settings.version, self.settings.policy);
                let view =
                    SettingsView { version: version.into(), sourcing_count: sourcing_count.into(), policy };
                out.extend_from_slice(view.as_bytes());
                let shown = self.settings.sourcing().filter(is_shown);
                shown.for_each(|rules| out.extend_from_slice(rules.as_bytes()));
                answer.version = version;
            }
            Command::QueryAvailability(head, skus) => {
                for asked in check_asked(head, skus)? {
                    out.extend_from_slice(self.availability(asked.sku).view().as_bytes());
                }
                answer.detail = self.sequence;
            }
            Command::QueryTransitions(head) => view_transitions(head, out)?,
            Command::QueryTokens(head) => answer.detail = self.view_tokens(head, out).into(),
            _ => return Err(Rejection::new(RejectCode::UnknownKind)),
        }
        Ok(answer)
    }

    fn status(&self, with_state_hash: bool) -> StatusView {
        let counts = self.counts();
        let hash = if with_state_hash { self.hash().0 } else { 0 };
        StatusView {
            state_hash: hash.into(),
            orders_total: counts.orders_total.into(),
            orders_open: counts.orders_open.into(),
            reservations: counts.reservations.into(),
            orders_horizon_ms: self.finished.orders_horizon_ms.into(),
            keys_horizon_us: self.keys.horizon_us.into(),
            sellers: counts.sellers.into(),
            locations: counts.locations.into(),
            skus: counts.skus.into(),
            sessions: counts.sessions.into(),
        }
    }

    /// Every order in memory, as its state and the bytes of its [`OrderView`], in the order of placement; those of a group in its.
    pub fn order_views(&self) -> impl Iterator<Item = (OrderState, Vec<u8>)> {
        let mut slots: Vec<_> = self.orders.iter().collect();
        slots.sort_by_cached_key(|&slot| (self.orders.head(slot).placed_sequence, self.place_in_group(slot)));
        slots.into_iter().map(|slot| {
            let mut view = Vec::new();
            self.view_order(slot, &mut view);
            (self.orders.head(slot).state(), view)
        })
    }

    /// Where an order stands in its group; one alone stands at 0.
    fn place_in_group(&self, slot: OrderSlot) -> usize {
        let id = self.orders.head(slot).id;
        let group = self.orders.group_of(slot);
        let orders = self.groups.find(group).map(|group| self.groups.get(group).orders());
        orders.and_then(|mut orders| orders.position(|order| order == id)).unwrap_or(0)
    }

    /// Every reservation in memory, as the bytes of its [`ReservationView`], in no order that means anything.
    pub fn reservation_views(&self) -> impl Iterator<Item = Vec<u8>> {
        self.reservations.iter().map(|reservation| {
            let mut view = Vec::new();
            view_reservation(reservation, &mut view);
            view
        })
    }

    fn view_order(&self, slot: OrderSlot, out: &mut Vec<u8>) {
        let head = self.orders.head(slot);
        let whole = Detail::default();
        let detail = self.orders.detail(slot).unwrap_or(&whole);
        let (allocations, works) = (self.orders.open_units(slot), self.works(slot));
        let (shipments, returns) = (&detail.shipments, &detail.returns);
        let money = &detail.money;
        let view = OrderView {
            order: head.id,
            group: self.orders.group_of(slot),
            placed_sequence: head.placed_sequence.into(),
            buyer: head.buyer,
            address: detail.address.into(),
            total: Amount::new(self.orders.cost_minor(slot)),
            captured: Amount::new(money.captured),
            refunded: Amount::new(money.refunded),
            commission: Amount::new(money.commission),
            refund_owed: Amount::new(self.refund_owed(slot, 0)),
            seller: head.seller,
            placed_unix_s: head.placed_unix_s.into(),
            currency: head.currency,
            region: head.region.into(),
            fulfilment_status: self.fulfilment_status(slot) as u8,
            payment_status: self.payment_status(slot, detail) as u8,
            return_status: Self::return_status(detail) as u8,
            blocked: detail
                .holds
                .iter()
                .filter(|hold| is_active(hold))
                .fold(0, |bits, hold| bits | hold.blocks),
            line_count: head.line_count.into(),
            work_count: (works.len() as u16).into(),
            shipment_count: (shipments.len() as u16).into(),
            return_count: (returns.len() as u16).into(),
            refund_count: (detail.refunds.len() as u16).into(),
            hold_count: (detail.holds.len() as u16).into(),
            allocation_count: (allocations.len() as u32).into(),
            shipment_part_count: (shipments.iter().map(|of| of.parts.len()).sum::<usize>() as u32).into(),
            return_line_count: (returns.iter().map(|of| of.lines.len()).sum::<usize>() as u32).into(),
        };
        out.extend_from_slice(view.as_bytes());
        for (index, line) in self.orders.lines(slot).iter().enumerate() {
            let (counters, location) = (self.orders.counters(slot, index), location_of(index, &allocations));
            out.extend_from_slice(LineView { line: *line, counters, location, reserved: [0; 2] }.as_bytes());
        }
        out.extend_from_slice(allocations.as_bytes());
        out.extend_from_slice(works.as_bytes());
        put_parts(detail, out);
    }

    /// The fulfilment orders of an order: those that are not as they began, and the open ones of a confirmed order.
    pub(super) fn works(&self, slot: OrderSlot) -> Vec<WorkView> {
        let view = |location: LocationHandle, state: WorkState, held_from| WorkView {
            location,
            state: state as u8,
            held_from,
        };
        let mut works: Vec<WorkView> = self.orders.detail(slot).map_or_else(Vec::new, |detail| {
            let one = |work: &super::detail::Work| {
                view(LocationHandle::new(work.location), work.state(), work.held_from)
            };
            detail.works.iter().map(one).collect()
        });
        if self.orders.head(slot).state() == OrderState::Confirmed {
            for part in self.orders.open_units(slot) {
                let place = works.partition_point(|work| work.location < part.location);
                if works.get(place).is_none_or(|work| work.location != part.location) {
                    works.insert(place, view(part.location, WorkState::Open, 0));
                }
            }
        }
        works
    }

    fn fulfilment_status(&self, slot: OrderSlot) -> FulfilmentStatus {
        let (mut wanted, mut shipped) = (0_u64, 0_u64);
        for (index, line) in self.orders.lines(slot).iter().enumerate() {
            let counters = self.orders.counters(slot, index);
            wanted += u64::from(line.quantity.get() - counters.cancelled.get());
            shipped += u64::from(counters.shipped.get());
        }
        match shipped {
            0 => FulfilmentStatus::Unfulfilled,
            _ if shipped == wanted => FulfilmentStatus::Fulfilled,
            _ => FulfilmentStatus::PartiallyFulfilled,
        }
    }

    fn payment_status(&self, slot: OrderSlot, detail: &Detail) -> PaymentStatus {
        let Money { captured, refunded, .. } = detail.money;
        if captured == 0 {
            let group = self.groups.find(self.orders.group_of(slot));
            let state = group.map(|group| self.groups.get(group).payment.state());
            return match state {
                Some(PaymentState::Authorized | PaymentState::PartiallyCaptured) => PaymentStatus::Authorized,
                _ => PaymentStatus::Unpaid,
            };
        }
        match refunded {
            _ if refunded == captured => PaymentStatus::Refunded,
            1.. => PaymentStatus::PartiallyRefunded,
            _ if captured >= self.orders.cost_minor(slot) => PaymentStatus::Paid,
            _ => PaymentStatus::PartiallyPaid,
        }
    }

    fn return_status(detail: &Detail) -> ReturnStatus {
        if detail.returns.iter().any(super::detail::Return::is_open) {
            return ReturnStatus::InProgress;
        }
        let (mut delivered, mut returned) = (0_u64, 0_u64);
        for counters in &detail.counters {
            delivered += u64::from(counters.delivered.get());
            returned += u64::from(counters.returned.get());
        }
        match returned {
            0 => ReturnStatus::None,
            _ if returned == delivered => ReturnStatus::Returned,
            _ => ReturnStatus::PartiallyReturned,
        }
    }

    /// A group, or the one that an order placed alone is before money is recorded for it.
    pub(super) fn group_as_it_stands(&self, id: GroupId) -> Option<Group> {
        if let Some(slot) = self.groups.find(id) {
            return Some(self.groups.get(slot).clone());
        }
        let order = OrderId::new(id.get());
        let slot = self.orders.find(order)?;
        let is_alone = self.orders.is_alone(slot);
        let head = self.orders.head(slot);
        is_alone.then(|| Group {
            id: id.get(),
            placed_sequence: head.placed_sequence,
            digest: head.digest,
            version: 1,
            buyer: head.buyer.get(),
            currency: head.currency.get(),
            placed_total: self.orders.lines(slot).iter().map(super::checkout::line_value).sum(),
            orders: smallvec![order.get()],
            order_count: 1,
            payment: super::groups::Payment::default(),
        })
    }

    fn view_group(&self, group: &Group, out: &mut Vec<u8>) {
        let mut orders = Vec::new();
        for order in group.orders() {
            let Some(slot) = self.orders.find(order) else { continue };
            let money = self.orders.detail(slot).map_or_else(Money::default, |detail| detail.money);
            orders.push(GroupOrderView {
                order,
                total: Amount::new(self.orders.cost_minor(slot)),
                captured: Amount::new(money.captured),
                refunded: Amount::new(money.refunded),
                seller: self.orders.head(slot).seller,
                state: self.orders.head(slot).state() as u8,
                reserved: [0; 3],
            });
        }
        let view = GroupView {
            group: group.id(),
            buyer: group.buyer(),
            total: Amount::new(orders.iter().map(|order| order.total.minor()).sum()),
            authorized: Amount::new(group.payment.authorized),
            captured: Amount::new(group.payment.captured),
            refunded: Amount::new(group.payment.refunded),
            expires_at_us: group.payment.expires_at_us.into(),
            reference: group.payment.reference.into(),
            happened_at_us: group.payment.happened_at_us.into(),
            order_count: (orders.len() as u16).into(),
            payment: group.payment.number.into(),
            payment_state: group.payment.state() as u8,
            reserved: 0,
            currency: group.currency(),
        };
        out.extend_from_slice(view.as_bytes());
        out.extend_from_slice(orders.as_bytes());
    }

    /// Appends the entries of a page that lie within a scope: of sellers the own one, of locations the own ones or, of a seller,
    /// all, of SKUs the own ones or, of a warehouse, all. Returns where the next page begins, 0 behind the last.
    fn view_catalogue(
        &self,
        scope: Scope,
        head: &QueryCatalogue,
        out: &mut Vec<u8>,
    ) -> Result<u32, Rejection> {
        let catalogue = &self.catalogue;
        let (codes, len) = match EntityKind::from_number(head.entity) {
            Some(EntityKind::Seller) => (&catalogue.seller_codes, catalogue.sellers().len()),
            Some(EntityKind::Location) => (&catalogue.location_codes, catalogue.locations().len()),
            Some(EntityKind::Sku) => (&catalogue.sku_codes, catalogue.sku_count()),
            None => return Err(Rejection::new(RejectCode::InvalidField).about(8)),
        };
        let wanted = match head.count.get() {
            0 => PAGE_ENTRIES_MAX,
            count => count.min(PAGE_ENTRIES_MAX),
        };
        let end = head.from.get().saturating_add(wanted).min(len as u32);
        let is_shown = |handle: &u32| match (scope, EntityKind::from_number(head.entity)) {
            (Scope::Everything, _) | (Scope::Seller(_), Some(EntityKind::Location)) => true,
            (Scope::Seller(own), Some(EntityKind::Seller)) => own.get() == *handle,
            (Scope::Seller(own), _) => {
                catalogue.sku(SkuHandle::new(*handle)).is_some_and(|sku| sku.seller == own)
            }
            (Scope::Locations(own), Some(EntityKind::Location)) => {
                own.has(LocationHandle::new(*handle as u16))
            }
            (Scope::Locations(_), Some(EntityKind::Seller)) => false,
            (Scope::Locations(_), _) => true,
        };
        for handle in (head.from.get()..end).filter(is_shown) {
            let mut entry: CatalogueEntry = zerocopy::FromZeros::new_zeroed();
            entry.handle = handle.into();
            let (version, definition) = match EntityKind::from_number(head.entity) {
                Some(EntityKind::Seller) => {
                    let seller = &catalogue.sellers()[handle as usize];
                    (seller.version, seller.definition.as_bytes().to_vec())
                }
                Some(EntityKind::Location) => {
                    let location = &catalogue.locations()[handle as usize];
                    (location.version, location.definition.as_bytes().to_vec())
                }
                _ => {
                    let version = catalogue.sku_version(SkuHandle::new(handle)).unwrap_or(0);
                    (version, catalogue.sku_definition(handle).as_bytes().to_vec())
                }
            };
            entry.version = version.into();
            entry.definition[..definition.len()].copy_from_slice(&definition);
            let code = codes.code(handle).unwrap_or_default().as_bytes();
            entry.code[..code.len().min(CODE_BYTES_MAX)].copy_from_slice(code);
            out.extend_from_slice(entry.as_bytes());
        }
        Ok(if (end as usize) < len { end } else { 0 })
    }

    /// Appends the levels at those locations that are shown, and returns what is available over them.
    fn view_levels(
        &self,
        handle: SkuHandle,
        is_shown: impl Fn(LocationHandle) -> bool,
        out: &mut Vec<u8>,
    ) -> i64 {
        let mut available = 0_i64;
        let Some(sku) = self.catalogue.sku(handle) else { return 0 };
        let levels = self.stock.levels(sku);
        for (row, level) in levels.filter(|(row, _)| is_shown(row.location())) {
            let view = LevelView {
                sku: handle,
                version: level.version.into(),
                location: row.location(),
                reserved_2: [0; 6],
                available: row.available().into(),
                reserved: row.reserved.into(),
                committed: level.committed.into(),
                safety: level.safety.into(),
                damaged: level.damaged.into(),
                quality_hold: level.quality_hold.into(),
                incoming: level.incoming.into(),
            };
            out.extend_from_slice(view.as_bytes());
            available = available.saturating_add(row.available());
        }
        available
    }
}

fn is_active(hold: &Hold) -> bool {
    hold.state() == HoldState::Active
}

/// What is not in memory: never was, or may have left.
fn not_here(id_ms: u64, horizon_ms: u64, never: RejectCode) -> Rejection {
    if horizon_ms > 0 && id_ms <= horizon_ms {
        Rejection::new(RejectCode::OrderRetired).with(horizon_ms)
    } else {
        Rejection::new(never)
    }
}

/// The one location that a line has units at; none where it has them at several, or nowhere.
fn location_of(line: usize, allocations: &[Allocation]) -> LocationHandle {
    let mut of_line = allocations.iter().filter(|part| usize::from(part.line.get()) == line);
    match (of_line.next(), of_line.next()) {
        (Some(only), None) => only.location,
        _ => LocationHandle::NONE,
    }
}

/// Appends shipments, returns, refunds and holds, as the order's view has them.
fn put_parts(detail: &Detail, out: &mut Vec<u8>) {
    for (number, shipment) in (1_u16..).zip(&detail.shipments) {
        let mut tracking = [0; TRACKING_BYTES_MAX];
        let text = shipment.tracking.as_bytes();
        tracking[..text.len()].copy_from_slice(text);
        let view = ShipmentView {
            happened_at_us: shipment.happened_at_us.into(),
            number: number.into(),
            carrier: shipment.carrier.into(),
            part_count: (shipment.parts.len() as u16).into(),
            state: shipment.state() as u8,
            tracking_bytes: text.len() as u8,
            tracking,
        };
        out.extend_from_slice(view.as_bytes());
    }
    detail.shipments.iter().for_each(|shipment| out.extend_from_slice(shipment.parts.as_bytes()));
    for (number, of) in (1_u16..).zip(&detail.returns) {
        let view = ReturnView {
            happened_at_us: of.happened_at_us.into(),
            number: number.into(),
            reason: of.reason.into(),
            line_count: (of.lines.len() as u16).into(),
            state: of.state() as u8,
            is_undelivered: of.is_undelivered.into(),
        };
        out.extend_from_slice(view.as_bytes());
    }
    detail.returns.iter().for_each(|of| out.extend_from_slice(of.lines.as_bytes()));
    for (number, refund) in (1_u16..).zip(&detail.refunds) {
        let view = RefundView {
            amount: Amount::new(refund.amount),
            happened_at_us: refund.happened_at_us.into(),
            number: number.into(),
            reason: refund.reason.into(),
            state: refund.state() as u8,
            reserved: [0; 3],
        };
        out.extend_from_slice(view.as_bytes());
    }
    for (number, hold) in (1_u16..).zip(&detail.holds) {
        let view = HoldView {
            expires_at_us: hold.expires_at_us.into(),
            number: number.into(),
            reason: hold.reason.into(),
            kind: hold.kind,
            blocks: hold.blocks,
            state: hold.state() as u8,
            reserved: 0,
        };
        out.extend_from_slice(view.as_bytes());
    }
}

/// Appends the rows of the transition table: one entity's, or all.
fn view_transitions(head: &QueryTransitions, out: &mut Vec<u8>) -> Result<(), Rejection> {
    let only = match head.entity {
        0 => None,
        number => match Entity::from_number(number) {
            Some(entity) => Some(entity),
            None => return Err(Rejection::new(RejectCode::InvalidField)),
        },
    };
    check_zeros(&head.reserved, offset_of!(QueryTransitions, reserved) as u32)?;
    let rows = TRANSITIONS.iter().filter(|row| only.is_none_or(|only| only == row.entity));
    rows.for_each(|row| out.extend_from_slice(row.view().as_bytes()));
    Ok(())
}

fn view_reservation(reservation: &Reservation, out: &mut Vec<u8>) {
    let head = &reservation.head;
    let units: Vec<Allocation> = reservation.units().collect();
    let view = ReservationView {
        reservation: head.id,
        reserved_sequence: head.sequence,
        buyer: head.buyer,
        expires_at_us: head.expires_at_us,
        allocation_count: (units.len() as u32).into(),
        line_count: (reservation.lines.len() as u16).into(),
        state: head.state() as u8,
        reserved: 0,
    };
    out.extend_from_slice(view.as_bytes());
    out.extend_from_slice(reservation.lines.as_bytes());
    out.extend_from_slice(units.as_bytes());
}
