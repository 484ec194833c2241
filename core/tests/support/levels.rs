//! Short ways to say what happens to stock, and to look at what the core does about it by itself.
// Each test file uses its own part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use orderline_core::Rejection;
use orderline_core::state::Accepted;
use orderline_protocol::command::*;
use orderline_protocol::event::{EVENT_VERSION, Event, EventKind};
use orderline_protocol::*;

use crate::support::{Driver, image_and_back};

/// One refill: order, line, location, units.
pub type Given = (u128, u16, LocationHandle, u32);

pub fn count(sku: SkuHandle, location: LocationHandle, on_hand: u64) -> CountStock {
    CountStock {
        expected_version: 0.into(),
        sku,
        location,
        reserved: [0; 6],
        on_hand: on_hand.into(),
        cause: Cause::NONE,
    }
}

pub fn movement(
    sku: SkuHandle,
    from: (LocationHandle, Bucket),
    to: (LocationHandle, Bucket),
    units: u64,
) -> MoveStock {
    MoveStock {
        expected_from_version: 0.into(),
        expected_to_version: 0.into(),
        sku,
        from: from.0,
        to: to.0,
        quantity: units.into(),
        from_bucket: from.1 as u8,
        to_bucket: to.1 as u8,
        reserved: [0; 6],
        cause: Cause::NONE,
    }
}

pub fn setting(sku: SkuHandle, location: LocationHandle, on_hand: u64, as_of: u64) -> SetLevel {
    SetLevel {
        expected_version: 0.into(),
        sku,
        location,
        reserved: [0; 6],
        on_hand: on_hand.into(),
        as_of: as_of.into(),
        cause: Cause::NONE,
    }
}

/// What a location is: its priority, region and daily capacity.
#[derive(Clone, Copy)]
pub struct Place {
    pub priority: u32,
    pub region: u16,
    pub capacity: u32,
    pub is_active: bool,
}

pub const PLACE: Place = Place { priority: 1, region: 1, capacity: 0, is_active: true };

/// A shortage that was named: SKU, location, units that lack, the orders with their units.
pub type Named = (SkuHandle, LocationHandle, u64, Vec<(u128, u32)>);

impl Driver {
    /// Defines a location, or changes it.
    pub fn define_location(&mut self, code: &str, place: Place) -> LocationHandle {
        let head = DefineLocation {
            priority: place.priority.into(),
            daily_capacity: place.capacity.into(),
            expected_version: 0.into(),
            region: place.region.into(),
            standing: if place.is_active { 1 } else { 2 },
            code_bytes: code.len() as u8,
        };
        LocationHandle::new(self.run(&Command::DefineLocation(&head, code)).unwrap().detail as u16)
    }

    /// Defines a SKU of the first seller, or changes how far it may be promised.
    pub fn sku_with_cap(&mut self, code: &str, cap: u32) -> SkuHandle {
        let head = DefineSku {
            seller: SellerHandle::new(0),
            backorder_cap: cap.into(),
            currency: CurrencyCode::NONE,
            standing: 1,
            code_bytes: code.len() as u8,
            expected_version: 0.into(),
        };
        SkuHandle::new(self.run(&Command::DefineSku(&head, code)).unwrap().detail as u32)
    }

    /// Sets rules; seller NONE: everybody's.
    pub fn define_rules(&mut self, seller: SellerHandle, rules: &[SourcingRule]) {
        let mut head = DefineSourcing { seller, rules: [0; SOURCING_RULES_MAX], expected_rules: 0.into() };
        for (number, rule) in head.rules.iter_mut().zip(rules) {
            *number = *rule as u8;
        }
        self.run(&Command::DefineSourcing(&head)).unwrap();
    }

    pub fn count(
        &mut self,
        sku: SkuHandle,
        location: LocationHandle,
        on_hand: u64,
    ) -> Result<Accepted, Rejection> {
        self.run(&Command::CountStock(&count(sku, location, on_hand)))
    }

    pub fn set_level(
        &mut self,
        sku: SkuHandle,
        location: LocationHandle,
        on_hand: u64,
        as_of: u64,
    ) -> Result<Accepted, Rejection> {
        self.run(&Command::SetLevel(&setting(sku, location, on_hand, as_of)))
    }

    /// Refuses a command, and nothing has changed: what stood in the way.
    #[track_caller]
    pub fn no(&mut self, command: &Command<'_>) -> (RejectCode, u32, u64) {
        let before = self.state.hash();
        let rejection = self.run(command).unwrap_err();
        assert_eq!(self.state.hash(), before, "a refused command changes nothing: {rejection:?}");
        (rejection.code, rejection.subject, rejection.detail)
    }

    /// Available, reserved, committed, safety, damaged, quality hold, incoming.
    pub fn buckets(&self, sku: SkuHandle, location: LocationHandle) -> [i64; 7] {
        let level = self.level(sku, location);
        let held = [
            level.reserved,
            level.committed,
            level.safety,
            level.damaged,
            level.quality_hold,
            level.incoming,
        ];
        let mut buckets = [level.available.get(); 7];
        for (bucket, held) in buckets[1..].iter_mut().zip(held) {
            *bucket = held.get() as i64;
        }
        buckets
    }

    /// What was given to whom by refills from the nth event on, one list for each event.
    pub fn refills_since(&self, first: usize) -> Vec<Vec<Given>> {
        let mut refills = Vec::new();
        for (_, kind, bytes) in &self.events[first..] {
            if let Event::BackordersRefilled(_, list) = Event::read(*kind, EVENT_VERSION, bytes).unwrap() {
                let given = list.iter().map(|refill| {
                    (refill.order.get(), refill.line.get(), refill.location, refill.quantity.get())
                });
                refills.push(given.collect());
            }
        }
        refills
    }

    /// The shortages named from the nth event on.
    pub fn shortages_since(&self, first: usize) -> Vec<Named> {
        let mut shortages = Vec::new();
        for (_, kind, bytes) in &self.events[first..] {
            if let Event::ShortageNamed(head, list) = Event::read(*kind, EVENT_VERSION, bytes).unwrap() {
                let orders = list.iter().map(|order| (order.order.get(), order.quantity.get())).collect();
                shortages.push((head.sku, head.location, head.short.get(), orders));
            }
        }
        shortages
    }

    /// By what the newest placement was sourced: the number of its deciding rule.
    pub fn newest_rule(&self) -> u8 {
        let is_placement = |event: &&(i64, u16, Vec<u8>)| event.1 == EventKind::OrderPlaced as u16;
        let (_, kind, bytes) = self.events.iter().rev().find(is_placement).unwrap();
        match Event::read(*kind, EVENT_VERSION, bytes).unwrap() {
            Event::OrderPlaced(head, ..) => head.rule,
            other => panic!("{other:?} is no placement"),
        }
    }

    /// Units of each of an order's lines by location, backordered ones last at NONE.
    pub fn whereabouts(&self, order: u128) -> Vec<(u16, LocationHandle, u32)> {
        let query = QueryOrder { order: OrderId::new(order) };
        let view = self.query(&Command::QueryOrder(&query)).unwrap();
        let parts = reply::OrderView::read(&view).unwrap();
        let mut found: Vec<_> = parts
            .allocations
            .iter()
            .map(|part| (part.line.get(), part.location, part.quantity.get()))
            .collect();
        for (index, line) in parts.lines.iter().enumerate() {
            if line.counters.backordered.get() > 0 {
                found.push((index as u16, LocationHandle::NONE, line.counters.backordered.get()));
            }
        }
        found
    }

    /// The invariants hold, and replay and a snapshot come to the same.
    #[track_caller]
    pub fn assert_lasting(&mut self) {
        self.assert_sound();
        let hash = self.state.hash();
        let replayed = self.replayed(4_711);
        assert_eq!((replayed.hash(), replayed.check()), (hash, vec![]), "replayed");
        let restored = image_and_back(&mut self.state);
        assert_eq!((restored.hash(), restored.check()), (hash, vec![]), "image and back");
    }
}
