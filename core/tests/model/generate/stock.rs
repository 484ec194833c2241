//! Commands about stock.

use orderline_protocol::command::*;
use orderline_protocol::limits::BUCKET_QUANTITY_MAX;
use orderline_protocol::{LocationHandle, SkuHandle};
use rand::RngExt;

use super::{Generator, bytes};
use crate::model::Model;

impl Generator {
    pub(super) fn receipt_bytes(sku: SkuHandle, location: LocationHandle, units: u64) -> Vec<u8> {
        let head = ReceiveStock {
            expected_version: 0.into(),
            sku,
            location,
            from_incoming: 0,
            reserved: [0; 5],
            quantity: units.into(),
            cause: Cause::NONE,
        };
        bytes(&Command::ReceiveStock(&head))
    }

    fn cause(&mut self) -> Cause {
        Cause {
            reference: self.rng.random_range(0..99).into(),
            happened_at_us: self.happened().into(),
            actor: 1.into(),
            reason: self.reason().into(),
            ..Cause::NONE
        }
    }

    pub(super) fn receive_stock(&mut self, model: &Model) -> Vec<u8> {
        let (sku, location) = (self.sku(model), self.location(model));
        let level = model.level((sku.get(), location.get()));
        let from_incoming = if level.incoming > 0 { self.chance(2, 3) } else { self.chance(1, 60) };
        let units = match self.rng.random_range(0..60) {
            0 => 0,
            1 => BUCKET_QUANTITY_MAX + 1,
            2 => u64::MAX,
            _ if from_incoming => u64::from(self.up_to(level.incoming as u32)) + u64::from(self.chance(1, 9)),
            _ => self.rng.random_range(1..14),
        };
        let head = ReceiveStock {
            expected_version: self.expected_or_new(Some(level.version)).into(),
            sku,
            location,
            from_incoming: from_incoming.into(),
            reserved: [0; 5],
            quantity: units.into(),
            cause: self.cause(),
        };
        bytes(&Command::ReceiveStock(&head))
    }

    pub(super) fn adjust_stock(&mut self, model: &Model) -> Vec<u8> {
        let (sku, location) = (self.sku(model), self.location(model));
        let level = model.level((sku.get(), location.get()));
        let bucket = self.one_of(&[
            Bucket::Available,
            Bucket::Available,
            Bucket::Available,
            Bucket::Safety,
            Bucket::Damaged,
            Bucket::QualityHold,
            Bucket::Incoming,
            Bucket::Incoming,
        ]);
        let delta = match self.rng.random_range(0..50) {
            0 => 0,
            1 => i64::MIN,
            2 => i64::MAX,
            3 => BUCKET_QUANTITY_MAX as i64 + 1,
            4..8 => -level.on_hand(),
            8 => -level.on_hand() - 1,
            9..25 => self.rng.random_range(-9..0),
            _ => self.rng.random_range(1..8),
        };
        let head = AdjustStock {
            expected_version: self.expected_or_new(Some(level.version)).into(),
            sku,
            location,
            bucket: bucket as u8,
            reserved: [0; 5],
            delta: delta.into(),
            cause: self.cause(),
        };
        bytes(&Command::AdjustStock(&head))
    }

    pub(super) fn count_stock(&mut self, model: &Model) -> Vec<u8> {
        let (sku, location) = (self.sku(model), self.location(model));
        let level = model.level((sku.get(), location.get()));
        let on_hand = match self.rng.random_range(0..30) {
            0 => u64::MAX,
            1 => 0,
            2..6 => (level.not_available() - self.rng.random_range(0..3)).max(0) as u64,
            6..9 => (level.safety + level.damaged + level.quality_hold - self.rng.random_range(0..2)).max(0)
                as u64,
            _ => (level.on_hand() + self.rng.random_range(-6..7)).max(0) as u64,
        };
        let head = CountStock {
            expected_version: self.expected_or_new(Some(level.version)).into(),
            sku,
            location,
            reserved: [0; 6],
            on_hand: on_hand.into(),
            cause: self.cause(),
        };
        bytes(&Command::CountStock(&head))
    }

    pub(super) fn move_stock(&mut self, model: &Model) -> Vec<u8> {
        let (mut sku, mut from) = (self.sku(model), self.location(model));
        let mut from_bucket = self.one_of(Bucket::ALL);
        let mut level = model.level((sku.get(), from.get()));
        // A bucket that holds something, if one is soon found.
        for _ in 0..8 {
            if *level.bucket(from_bucket) > 0 {
                break;
            }
            (sku, from) = (self.sku(model), self.location(model));
            from_bucket = if self.chance(1, 2) { Bucket::Available } else { self.one_of(Bucket::ALL) };
            level = model.level((sku.get(), from.get()));
        }
        let to = if self.chance(1, 3) { from } else { self.location(model) };
        let to_bucket = if self.chance(1, 2) { Bucket::Available } else { self.one_of(Bucket::ALL) };
        let target = model.level((sku.get(), to.get()));
        let holds = *level.bucket(from_bucket);
        let units = match self.rng.random_range(0..40) {
            0 => 0,
            1 => u64::MAX,
            2 => holds.max(0) as u64 + 1,
            _ => self.up_to(holds.clamp(1, 9) as u32).into(),
        };
        let head = MoveStock {
            expected_from_version: self.expected_or_new(Some(level.version)).into(),
            expected_to_version: self.expected_or_new(Some(target.version)).into(),
            sku,
            from,
            to,
            quantity: units.into(),
            from_bucket: from_bucket as u8,
            to_bucket: to_bucket as u8,
            reserved: [0; 6],
            cause: self.cause(),
        };
        bytes(&Command::MoveStock(&head))
    }

    pub(super) fn set_level(&mut self, model: &Model) -> Vec<u8> {
        let (sku, location) = (self.sku(model), self.location(model));
        let level = model.level((sku.get(), location.get()));
        let as_of = match self.rng.random_range(0..12) {
            0 => model.sequence + self.rng.random_range(0..3),
            1 => level.as_of.saturating_sub(1),
            2 => level.as_of,
            3..6 => model.sequence,
            _ => model.sequence.saturating_sub(self.rng.random_range(0..120)),
        };
        let on_hand = match self.rng.random_range(0..30) {
            0 => u64::MAX,
            1 => 0,
            _ => (level.on_hand() + self.rng.random_range(-5..8)).max(0) as u64,
        };
        let head = SetLevel {
            expected_version: self.expected_or_new(Some(level.version)).into(),
            sku,
            location,
            reserved: [0; 6],
            on_hand: on_hand.into(),
            as_of: as_of.into(),
            cause: self.cause(),
        };
        bytes(&Command::SetLevel(&head))
    }
}
