//! Applying: an event becomes state. Never refuses; what an event says was decided, and is fact. An event that
//! does not fit the state is a broken invariant, and stops the program rather than being bent to fit.

use orderline_protocol::command::{Bucket, OrderLine};
use orderline_protocol::event::{
    Allocation, Event, LinesCancelled, LinesDelivered, LinesShipped, OrderConfirmed, OrderPlaced, OrderState,
    Origin,
};
use orderline_protocol::{OrderId, Sequence};

use super::orders::{NewOrder, OrderSlot, Orders, Stage};
use super::sessions::{Answer, Session};
use super::transitions::{self, Action};
use super::{Accepted, State};

/// What applying an event came to, for the answer.
struct Effect {
    detail: u64,
    order: Option<OrderSlot>,
}

impl Effect {
    const fn of(detail: u64) -> Self {
        Self { detail, order: None }
    }
}

impl State {
    /// Applies the event of the next sequence, recorded at `recorded_at_us` (microseconds since 1970), and returns
    /// the answer to whoever asked for it.
    ///
    /// # Panics
    /// If the sequence is not the next one, or the event does not fit the state: the journal and the program
    /// disagree, and going on would make it worse.
    #[inline]
    pub fn apply(&mut self, sequence: Sequence, recorded_at_us: i64, event: &Event<'_>) -> Accepted {
        assert_eq!(sequence, self.sequence + 1, "events are applied in sequence");
        self.sequence = sequence;
        let (origin, effect) = match *event {
            Event::OrderPlaced(head, lines, allocations) => {
                (Some(head.origin), self.apply_placed(recorded_at_us, head, lines, allocations))
            }
            Event::OrderConfirmed(head) => (Some(head.origin), self.apply_confirmed(head)),
            Event::LinesCancelled(head, moves) => (Some(head.origin), self.apply_cancelled(head, moves)),
            Event::LinesShipped(head, moves, _) => (Some(head.origin), self.apply_shipped(head, moves)),
            Event::LinesDelivered(head, moves) => (Some(head.origin), self.apply_delivered(head, moves)),
            Event::StockReceived(head) => {
                let receipt = &head.receipt;
                // The quantity was bounded far below the sign bit when it was decided.
                let units = receipt.quantity.get() as i64;
                let (sku, location) = (receipt.sku, receipt.location);
                let held = self.stock.adjust(&mut self.catalogue, sku, location, Bucket::Available, units);
                (Some(head.origin), Effect::of(held))
            }
            Event::StockAdjusted(head) => {
                let change = &head.adjustment;
                let Some(bucket) = Bucket::from_number(change.bucket) else {
                    panic!("event {sequence} adjusts a bucket {} that there is not", change.bucket);
                };
                let (sku, location) = (change.sku, change.location);
                let held = self.stock.adjust(&mut self.catalogue, sku, location, bucket, change.delta.get());
                (Some(head.origin), Effect::of(held))
            }
            Event::SellerDefined(head, code) => {
                self.catalogue.set_seller(head.handle.get(), code, &head.definition);
                (Some(head.origin), Effect::of(head.handle.get().into()))
            }
            Event::LocationDefined(head, code) => {
                self.catalogue.set_location(head.handle.get(), code, &head.definition);
                (Some(head.origin), Effect::of(head.handle.get().into()))
            }
            Event::SkuDefined(head, code) => {
                self.catalogue.set_sku(head.handle.get(), code, &head.definition);
                (Some(head.origin), Effect::of(head.handle.get().into()))
            }
            Event::SessionOpened(head) => {
                self.sessions.open(head.handle, Session::new(head.session, sequence));
                (None, Effect::of(head.handle.get().into()))
            }
        };
        let answer = self.answer_for(sequence, origin, &effect);
        if let Some(origin) = origin
            && !origin.session.is_none()
        {
            self.sessions.remember(origin.session, origin.request.get(), answer);
        }
        answer.into()
    }

    fn answer_for(&self, sequence: Sequence, origin: Option<Origin>, effect: &Effect) -> Answer {
        let (version, state) = match effect.order {
            Some(slot) => (self.orders.head(slot).version, self.orders.head(slot).state() as u8),
            None => (0, 0),
        };
        let digest = origin.map_or(0, |origin| origin.digest.get());
        Answer { sequence, detail: effect.detail, version, digest, state, reserved: [0; 7] }
    }

    #[inline]
    fn apply_placed(
        &mut self,
        recorded_at_us: i64,
        head: &OrderPlaced,
        lines: &[OrderLine],
        allocations: &[Allocation],
    ) -> Effect {
        let mut total = 0;
        if head.location.is_none() {
            for part in allocations {
                let sku = lines[usize::from(part.line.get())].sku;
                self.stock.reserve(&self.catalogue, sku, part.location, part.quantity.get().into());
            }
        } else {
            for line in lines {
                self.stock.reserve(&self.catalogue, line.sku, head.location, line.quantity.get().into());
            }
        }
        for line in lines {
            total += line.unit_price.minor() * i64::from(line.quantity.get());
        }
        let placement = &head.placement;
        let slot = self.orders.insert(&NewOrder {
            id: placement.order,
            placed_sequence: self.sequence,
            // Seconds in 32 bits without a sign last until 2106.
            placed_unix_s: (recorded_at_us / 1_000_000) as u32,
            buyer: placement.buyer,
            digest: head.origin.digest.get(),
            seller: placement.seller,
            currency: placement.currency,
            location: head.location,
            lines,
            allocations,
        });
        Effect { detail: total as u64, order: Some(slot) }
    }

    /// The order that an event is about.
    fn order_of(&self, order: OrderId) -> OrderSlot {
        match self.orders.find(order) {
            Some(slot) => slot,
            None => panic!("event {} is about order {order}, which never was placed", self.sequence),
        }
    }

    fn move_state(&mut self, slot: OrderSlot, action: Action, to: OrderState) {
        let head = self.orders.head(slot);
        let allowed = transitions::targets(head.state(), action).contains(&to);
        assert!(
            allowed,
            "event {}: {action:?} takes order {} from {:?} to {to:?}",
            self.sequence,
            head.id,
            head.state()
        );
        self.orders.set_state(slot, to);
    }

    fn apply_confirmed(&mut self, head: &OrderConfirmed) -> Effect {
        let slot = self.order_of(head.order);
        for part in self.orders.open_units(slot) {
            let sku = self.orders.lines(slot)[usize::from(part.line.get())].sku;
            self.stock.commit(&self.catalogue, sku, part.location, part.quantity.get().into());
        }
        if self.orders.detail(slot).is_some() {
            for counters in self.orders.detail_mut(slot).counters {
                counters.allocated += counters.reserved.get();
                counters.reserved = 0.into();
            }
        } else {
            self.orders.set_stage(slot, Stage::Allocated);
        }
        self.move_state(slot, Action::Confirm, OrderState::Confirmed);
        Effect { detail: 0, order: Some(slot) }
    }

    fn apply_cancelled(&mut self, head: &LinesCancelled, moves: &[Allocation]) -> Effect {
        let slot = self.order_of(head.order);
        let state = self.orders.head(slot).state();
        let promise = Orders::promise(state);
        let open = self.orders.open_units(slot);
        let moved = if moves.is_empty() { &open[..] } else { moves };
        let mut value = 0;
        for part in moved {
            let line = self.orders.lines(slot)[usize::from(part.line.get())];
            let units = part.quantity.get();
            self.stock.release(&self.catalogue, line.sku, part.location, promise, units.into());
            value += line.unit_price.minor() * i64::from(units);
        }
        let is_whole = self.orders.detail(slot).is_none();
        if is_whole && moves.is_empty() {
            self.orders.set_stage(slot, Stage::Cancelled);
        } else {
            let detail = self.orders.detail_mut(slot);
            take_from_allocations(detail.allocations, moved);
            for part in moved {
                let counters = &mut detail.counters[usize::from(part.line.get())];
                let held = if state == OrderState::Pending {
                    &mut counters.reserved
                } else {
                    &mut counters.allocated
                };
                *held -= part.quantity.get();
                counters.cancelled += part.quantity.get();
            }
        }
        self.move_state(slot, Action::Cancel, state_in(head.state));
        Effect { detail: value as u64, order: Some(slot) }
    }

    fn apply_shipped(&mut self, head: &LinesShipped, moves: &[Allocation]) -> Effect {
        let slot = self.order_of(head.order);
        let open = self.orders.open_units(slot);
        let moved = if moves.is_empty() { &open[..] } else { moves };
        for part in moved {
            let sku = self.orders.lines(slot)[usize::from(part.line.get())].sku;
            self.stock.ship(&self.catalogue, sku, part.location, part.quantity.get().into());
        }
        if self.orders.detail(slot).is_none() && moves.is_empty() {
            self.orders.set_stage(slot, Stage::Shipped);
        } else {
            let detail = self.orders.detail_mut(slot);
            take_from_allocations(detail.allocations, moved);
            for part in moved {
                let counters = &mut detail.counters[usize::from(part.line.get())];
                counters.allocated -= part.quantity.get();
                counters.shipped += part.quantity.get();
            }
        }
        self.orders.count_shipment(slot);
        self.move_state(slot, Action::Ship, OrderState::Confirmed);
        Effect { detail: head.shipment.get().into(), order: Some(slot) }
    }

    fn apply_delivered(&mut self, head: &LinesDelivered, moves: &[Allocation]) -> Effect {
        let slot = self.order_of(head.order);
        let is_whole = self.orders.detail(slot).is_none();
        if is_whole && moves.is_empty() {
            self.orders.set_stage(slot, Stage::Delivered);
        } else {
            let detail = self.orders.detail_mut(slot);
            for part in moves {
                let counters = &mut detail.counters[usize::from(part.line.get())];
                counters.delivered += part.quantity.get();
                assert!(
                    counters.delivered.get() <= counters.shipped.get(),
                    "delivered without being shipped"
                );
            }
            if moves.is_empty() {
                detail.counters.iter_mut().for_each(|counters| counters.delivered = counters.shipped);
            }
        }
        self.move_state(slot, Action::Deliver, state_in(head.state));
        Effect { detail: 0, order: Some(slot) }
    }
}

fn state_in(number: u8) -> OrderState {
    match OrderState::from_number(number) {
        Some(state) => state,
        None => panic!("an event names order state {number}, which there is not"),
    }
}

/// Lowers the allocations by what moved. Both lists are sorted by line and location, and every move has its
/// allocation.
fn take_from_allocations(allocations: &mut [Allocation], moved: &[Allocation]) {
    let mut left = allocations.iter_mut();
    for part in moved {
        let same = |of: &&mut Allocation| of.line == part.line && of.location == part.location;
        let Some(allocation) = left.find(same) else {
            panic!("units move that were not allocated: line {} at {}", part.line, part.location);
        };
        // Subtraction is checked: overflow checks stay on in release.
        allocation.quantity -= part.quantity.get();
    }
}
