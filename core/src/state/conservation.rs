//! Conservation that can fail: what came and went at every level, and what was booked in every ledger, added up from the
//! events alone, beside a replay. A live state keeps none of this: a level's buckets cannot tell that a unit was lost from one
//! of them, for what is on hand is their sum.

use std::collections::BTreeMap;

use orderline_protocol::command::{Bucket, ShipmentStep};
use orderline_protocol::event::{Allocation, Event};
use orderline_protocol::lifecycle::Disposition;
use orderline_protocol::{CurrencyCode, EntryKind, LocationHandle, OrderId, SellerHandle, SkuHandle};

use super::State;
use super::check::Violation;
use super::ledger::Ledger;
use super::stock_moves::bucket_in;

/// Units at a level, by bucket. What orders and reservations do moves units between what is available, reserved and
/// committed, and events do not say how many of each: of these three there is one sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    sellable: i128,
    safety: i128,
    damaged: i128,
    quality_hold: i128,
    incoming: i128,
}

impl Held {
    fn bucket(&mut self, bucket: Bucket) -> &mut i128 {
        match bucket {
            Bucket::Available => &mut self.sellable,
            Bucket::Safety => &mut self.safety,
            Bucket::Damaged => &mut self.damaged,
            Bucket::QualityHold => &mut self.quality_hold,
            Bucket::Incoming => &mut self.incoming,
        }
    }

    fn by_name(&self) -> [(&'static str, i128); 5] {
        [
            ("available, reserved or committed", self.sellable),
            ("kept back", self.safety),
            ("damaged", self.damaged),
            ("on quality hold", self.quality_hold),
            ("incoming", self.incoming),
        ]
    }
}

/// The sums of a ledger's entries, and how many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Booked {
    count: i128,
    sales: i128,
    commissions: i128,
    refunds: i128,
    reversals: i128,
    paid: i128,
}

impl Booked {
    fn of(ledger: &Ledger) -> Self {
        Self {
            count: ledger.entry_count.into(),
            sales: ledger.sales.into(),
            commissions: ledger.commissions.into(),
            refunds: ledger.refunds.into(),
            reversals: ledger.reversals.into(),
            paid: ledger.paid.into(),
        }
    }

    fn sum(&mut self, kind: EntryKind) -> &mut i128 {
        match kind {
            EntryKind::Sale => &mut self.sales,
            EntryKind::Commission => &mut self.commissions,
            EntryKind::Refund => &mut self.refunds,
            EntryKind::Reversal => &mut self.reversals,
            EntryKind::Payout => &mut self.paid,
        }
    }

    fn by_name(&self) -> [(&'static str, i128); 6] {
        [
            ("entries", self.count),
            ("sales", self.sales),
            ("commissions", self.commissions),
            ("refunds", self.refunds),
            ("reversals", self.reversals),
            ("payouts", self.paid),
        ]
    }
}

/// What events have added up to.
#[derive(Debug, Default)]
pub struct Conservation {
    levels: BTreeMap<(SkuHandle, LocationHandle), Held>,
    ledgers: BTreeMap<(u32, u16), Booked>,
}

impl Conservation {
    /// Begins with what a state holds: nothing, before the first event.
    pub fn since(state: &State) -> Self {
        let ledgers = state.ledgers.iter();
        Self {
            levels: held(state),
            ledgers: ledgers
                .map(|(seller, currency, ledger)| ((seller.get(), currency.get()), Booked::of(ledger)))
                .collect(),
        }
    }

    /// Adds what an event says came, went or was booked. The state is the one that the event is about to be applied to: of what
    /// an order has where, the event says only what its decision found.
    pub fn note(&mut self, state: &State, event: &Event<'_>) {
        match event {
            Event::StockReceived(head) => {
                let of = &head.receipt;
                let units = i128::from(of.quantity.get());
                if of.from_incoming == 1 {
                    *self.at(of.sku, of.location).bucket(Bucket::Incoming) -= units;
                }
                *self.at(of.sku, of.location).bucket(Bucket::Available) += units;
            }
            Event::StockAdjusted(head) => {
                let of = &head.adjustment;
                *self.at(of.sku, of.location).bucket(bucket_in(of.bucket)) += i128::from(of.delta.get());
            }
            Event::StockCounted(head) => {
                self.at(head.count.sku, head.count.location).sellable += i128::from(head.delta.get());
            }
            Event::LevelSet(head) => {
                self.at(head.set.sku, head.set.location).sellable += i128::from(head.delta.get());
            }
            Event::StockMoved(head) => {
                let of = &head.movement;
                let units = i128::from(of.quantity.get());
                *self.at(of.sku, of.from).bucket(bucket_in(of.from_bucket)) -= units;
                *self.at(of.sku, of.to).bucket(bucket_in(of.to_bucket)) += units;
            }
            Event::ShipmentMade(head, moves, _) if head.is_sent == 1 => match moves {
                [] => {
                    let slot = state.order_of(head.order);
                    self.leave(state, head.order, &state.unpacked_units(slot, LocationHandle::NONE));
                }
                moves => self.leave(state, head.order, moves),
            },
            Event::ShipmentUpdated(head) if head.update.step == ShipmentStep::Send as u8 => {
                let place = usize::from(head.update.shipment.get()).wrapping_sub(1);
                let detail = state.orders.detail(state.order_of(head.update.order));
                if let Some(shipment) = detail.and_then(|detail| detail.shipments.get(place)) {
                    self.leave(state, head.update.order, &shipment.parts);
                }
            }
            Event::ReturnReceived(head, units) => {
                let slot = state.order_of(head.receipt.order);
                for of in *units {
                    let sku = state.orders.lines(slot)[usize::from(of.line.get())].sku;
                    let held = self.at(sku, head.receipt.location);
                    let quantity = i128::from(of.quantity.get());
                    match Disposition::from_number(of.disposition) {
                        Some(Disposition::Restock) => held.sellable += quantity,
                        Some(Disposition::Damaged) => held.damaged += quantity,
                        Some(Disposition::Discard) | None => {}
                    }
                }
            }
            Event::WorkRejected(head, _) if head.rejection.is_missing == 1 => {
                let (order, location) = (head.rejection.order, head.rejection.location);
                let slot = state.order_of(order);
                for part in state.orders.open_units(slot).iter().filter(|part| part.location == location) {
                    let sku = state.orders.lines(slot)[usize::from(part.line.get())].sku;
                    let held = self.at(sku, location);
                    held.sellable -= i128::from(part.quantity.get());
                    held.quality_hold += i128::from(part.quantity.get());
                }
            }
            // All else leaves units where they are, or only changes who they are promised to.
            _ => {}
        }
        state.each_ledger_entry(event, |entry| {
            let booked = self.ledgers.entry((entry.seller.get(), entry.currency.get())).or_default();
            booked.count += 1;
            *booked.sum(entry.kind) += i128::from(entry.amount);
        });
    }

    fn at(&mut self, sku: SkuHandle, location: LocationHandle) -> &mut Held {
        self.levels.entry((sku, location)).or_default()
    }

    /// Units of an order leave their locations.
    fn leave(&mut self, state: &State, order: OrderId, parts: &[Allocation]) {
        let lines = state.orders.lines(state.order_of(order));
        for part in parts {
            let sku = lines[usize::from(part.line.get())].sku;
            self.at(sku, part.location).sellable -= i128::from(part.quantity.get());
        }
    }

    /// Compares with what a state holds, to which all events that were noted have been applied.
    pub fn check(&self, state: &State) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut levels = held(state);
        for (&(sku, location), expected) in &self.levels {
            let found = levels.remove(&(sku, location)).unwrap_or_default();
            differences(expected.by_name(), found.by_name(), |what, expected, found| {
                violations.push(Violation::Units { sku, location, what, expected, found });
            });
        }
        for ((sku, location), found) in levels {
            differences(Held::default().by_name(), found.by_name(), |what, expected, found| {
                violations.push(Violation::Units { sku, location, what, expected, found });
            });
        }
        let mut ledgers = state
            .ledgers
            .iter()
            .map(|(seller, currency, ledger)| ((seller.get(), currency.get()), Booked::of(ledger)));
        let mut ledgers: BTreeMap<(u32, u16), Booked> = ledgers.by_ref().collect();
        let mut of_ledger = |key: (u32, u16), expected: Booked, found: Booked| {
            let (seller, currency) = (SellerHandle::new(key.0), CurrencyCode::new(key.1));
            differences(expected.by_name(), found.by_name(), |what, expected, found| {
                violations.push(Violation::Entries { seller, currency, what, expected, found });
            });
        };
        for (&key, &expected) in &self.ledgers {
            of_ledger(key, expected, ledgers.remove(&key).unwrap_or_default());
        }
        ledgers.into_iter().for_each(|(key, found)| of_ledger(key, Booked::default(), found));
        violations
    }
}

/// What every level of a state holds.
fn held(state: &State) -> BTreeMap<(SkuHandle, LocationHandle), Held> {
    let mut levels = BTreeMap::new();
    for sku in (0..state.catalogue.sku_count() as u32).map(SkuHandle::new) {
        let Some(of) = state.catalogue.sku(sku) else { continue };
        for (row, level) in state.stock.levels(of) {
            let promised = i128::from(row.reserved) + i128::from(level.committed);
            let held = Held {
                sellable: i128::from(row.available()) + promised,
                safety: level.safety.into(),
                damaged: level.damaged.into(),
                quality_hold: level.quality_hold.into(),
                incoming: level.incoming.into(),
            };
            levels.insert((sku, row.location()), held);
        }
    }
    levels
}

fn differences<const N: usize>(
    expected: [(&'static str, i128); N],
    found: [(&'static str, i128); N],
    mut each: impl FnMut(&'static str, i128, i128),
) {
    for ((what, expected), (_, found)) in expected.into_iter().zip(found) {
        if expected != found {
            each(what, expected, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::check::tests::one_order;

    const SKU: SkuHandle = SkuHandle::new(0);
    const HERE: LocationHandle = LocationHandle::new(0);

    #[test]
    fn a_unit_lost_from_any_bucket_and_an_entry_too_much_are_found_and_named() {
        for (bucket, what) in [
            (Bucket::Available, "available, reserved or committed"),
            (Bucket::Safety, "kept back"),
            (Bucket::Damaged, "damaged"),
            (Bucket::QualityHold, "on quality hold"),
            (Bucket::Incoming, "incoming"),
        ] {
            let mut state = one_order();
            state.stock.adjust(&mut state.catalogue, SKU, HERE, bucket, 5);
            let conservation = Conservation::since(&state);
            assert_eq!(conservation.check(&state), vec![]);
            state.stock.adjust(&mut state.catalogue, SKU, HERE, bucket, -1);
            let expected = if bucket == Bucket::Available { 14 } else { 5 };
            let lost = Violation::Units { sku: SKU, location: HERE, what, expected, found: expected - 1 };
            assert_eq!(conservation.check(&state), vec![lost]);
            // The live state's own check sees nothing: what is on hand is the sum of what is there.
            assert_eq!(state.check(), vec![]);
        }

        // Units at a level that no event speaks of.
        let mut state = one_order();
        let conservation = Conservation::since(&state);
        let there = LocationHandle::new(1);
        state.stock.adjust(&mut state.catalogue, SKU, there, Bucket::Damaged, 2);
        let come = Violation::Units { sku: SKU, location: there, what: "damaged", expected: 0, found: 2 };
        assert_eq!(conservation.check(&state), vec![come]);

        let mut state = one_order();
        let conservation = Conservation::since(&state);
        let (seller, currency) = (SellerHandle::new(0), CurrencyCode::new(826));
        state.ledgers.get_mut(seller, currency).book(EntryKind::Sale, 70, true);
        let entry = |what, found| Violation::Entries { seller, currency, what, expected: 0, found };
        assert_eq!(conservation.check(&state), vec![entry("entries", 1), entry("sales", 70)]);
    }
}
