//! The world that a seed begins with, and changes of its catalogue.

use std::collections::VecDeque;

use orderline_protocol::command::*;
use orderline_protocol::{CurrencyCode, LocationHandle, SellerHandle, SkuHandle};
use rand::RngExt;

use super::{Generator, LOCATIONS, SELLERS, SKUS, bytes};
use crate::model::Model;

const ACTIVE: u8 = Standing::Active as u8;
const INACTIVE: u8 = Standing::Inactive as u8;

impl Generator {
    pub(super) fn first_commands(&mut self) -> VecDeque<Vec<u8>> {
        let mut world = VecDeque::new();
        for seller in 0..SELLERS {
            let code = format!("seller-{seller}");
            let commission = self.one_of(&[0, 250, 1_000, 3_333]);
            world.push_back(Self::seller_bytes(&code, commission, ACTIVE, 0));
        }
        let spread = self.rng.random_range(1..4);
        let capacities: &[u32] = if self.chance(1, 2) { &[0] } else { &[0, 0, 2, 6] };
        for location in 0..LOCATIONS {
            let code = format!("place-{location}");
            let priority = self.rng.random_range(0..spread);
            let head = DefineLocation {
                priority: priority.into(),
                daily_capacity: self.one_of(capacities).into(),
                expected_version: 0.into(),
                region: self.rng.random_range(0..3).into(),
                standing: ACTIVE,
                code_bytes: code.len() as u8,
            };
            world.push_back(bytes(&Command::DefineLocation(&head, &code)));
        }
        for sku in 0..SKUS {
            let code = format!("sku-{sku}");
            let cap = self.one_of(&[0, 0, 4, 30]);
            let currency = self.one_of(&[0, 0, 0, 826, 840]);
            world.push_back(Self::sku_bytes(&code, sku % SELLERS, cap, currency, ACTIVE, 0));
        }
        if self.chance(1, 2) {
            world.push_back(self.define_sourcing());
        }
        if self.chance(1, 2) {
            world.push_back(self.policy_bytes(0));
        }
        for sku in 0..SKUS {
            for location in 0..LOCATIONS {
                if self.chance(1, 2) {
                    let units = self.rng.random_range(1..12);
                    world.push_back(Self::receipt_bytes(
                        SkuHandle::new(sku),
                        LocationHandle::new(location),
                        units,
                    ));
                }
            }
        }
        world
    }

    fn seller_bytes(code: &str, commission_bp: u16, standing: u8, expected_version: u32) -> Vec<u8> {
        let head = DefineSeller {
            commission_bp: commission_bp.into(),
            standing,
            code_bytes: code.len() as u8,
            expected_version: expected_version.into(),
        };
        bytes(&Command::DefineSeller(&head, code))
    }

    fn sku_bytes(code: &str, seller: u32, cap: u32, currency: u16, standing: u8, expected: u32) -> Vec<u8> {
        let head = DefineSku {
            seller: SellerHandle::new(seller),
            backorder_cap: cap.into(),
            currency: CurrencyCode::new(currency),
            standing,
            code_bytes: code.len() as u8,
            expected_version: expected.into(),
        };
        bytes(&Command::DefineSku(&head, code))
    }

    /// One of the codes there are, rarely another, or one that is none.
    pub(super) fn code(&mut self, stem: &str, known: usize, out_of_use: Option<&String>) -> String {
        match self.rng.random_range(0..60) {
            0 => String::new(),
            1 => format!(" {stem}"),
            2 => format!("{stem}\u{7}"),
            3 => stem.repeat(20),
            4 => format!("{stem}-{}", known.min(6)),
            _ => match out_of_use {
                // What is out of use comes back soon: most of the world should be in use.
                Some(code) if self.chance(2, 3) => code.clone(),
                _ => format!("{stem}-{}", self.rng.random_range(0..known.max(1))),
            },
        }
    }

    fn standing(&mut self, is_active: Option<bool>) -> u8 {
        match is_active {
            Some(false) if self.chance(2, 3) => ACTIVE,
            Some(false) => INACTIVE,
            _ if self.chance(1, 12) => INACTIVE,
            _ => ACTIVE,
        }
    }

    pub(super) fn define_seller(&mut self, model: &Model) -> Vec<u8> {
        let out_of_use = model.sellers.iter().find(|seller| !seller.is_active);
        let code = self.code("seller", model.sellers.len(), out_of_use.map(|seller| &seller.code));
        let now = model.sellers.iter().find(|seller| seller.code == code);
        let expected = self.expected_or_new(now.map(|seller| seller.version));
        if let Some(seller) = now
            && self.chance(1, 3)
        {
            let standing = if seller.is_active { ACTIVE } else { INACTIVE };
            return Self::seller_bytes(&code, seller.commission_bp, standing, expected);
        }
        let standing = self.standing(now.map(|seller| seller.is_active));
        let commission = self.one_of(&[0, 1, 250, 1_000, 3_333, 10_000, 10_001]);
        Self::seller_bytes(&code, commission, standing, expected)
    }

    pub(super) fn define_location(&mut self, model: &Model) -> Vec<u8> {
        let out_of_use = model.locations.iter().find(|location| !location.is_active);
        let code = self.code("place", model.locations.len(), out_of_use.map(|location| &location.code));
        let now = model.locations.iter().find(|location| location.code == code);
        let expected = self.expected_or_new(now.map(|location| location.version));
        let mut head = DefineLocation {
            priority: self.rng.random_range(0..4).into(),
            daily_capacity: self.one_of(&[0, 0, 0, 1, 3, 8]).into(),
            expected_version: expected.into(),
            region: self.rng.random_range(0..3).into(),
            standing: self.standing(now.map(|location| location.is_active)),
            code_bytes: code.len() as u8,
        };
        if let Some(location) = now {
            if self.chance(2, 3) {
                head.priority = location.priority.into();
                head.region = location.region.into();
            }
            if self.chance(1, 4) {
                head.daily_capacity = location.daily_capacity.into();
                head.standing = if location.is_active { ACTIVE } else { INACTIVE };
            }
        }
        bytes(&Command::DefineLocation(&head, &code))
    }

    pub(super) fn define_sku(&mut self, model: &Model) -> Vec<u8> {
        let out_of_use = model.skus.iter().find(|sku| !sku.is_active);
        let code = self.code("sku", model.skus.len(), out_of_use.map(|sku| &sku.code));
        let now = model.skus.iter().find(|sku| sku.code == code);
        let expected = self.expected_or_new(now.map(|sku| sku.version));
        let seller = match now {
            Some(sku) if self.chance(9, 10) => sku.seller,
            _ => self.seller(model).get(),
        };
        if let Some(sku) = now
            && self.chance(1, 3)
        {
            let standing = if sku.is_active { ACTIVE } else { INACTIVE };
            return Self::sku_bytes(&code, seller, sku.backorder_cap, sku.currency, standing, expected);
        }
        let standing = self.standing(now.map(|sku| sku.is_active));
        let cap = self.one_of(&[0, 0, 4, 12, 30]);
        let currency = self.one_of(&[0, 0, 0, 0, 826, 826, 840, 7]);
        Self::sku_bytes(&code, seller, cap, currency, standing, expected)
    }

    pub(super) fn define_sourcing(&mut self) -> Vec<u8> {
        let mut rules: Vec<u8> = SourcingRule::ALL.iter().map(|&rule| rule as u8).collect();
        for index in (1..rules.len()).rev() {
            rules.swap(index, self.rng.random_range(0..=index));
        }
        rules.truncate(self.rng.random_range(0..=rules.len()));
        match self.rng.random_range(0..30) {
            0 => rules.push(5),
            1 => rules.push(9),
            2 => rules.extend([0, 7]),
            _ => {}
        }
        let mut head = DefineSourcing {
            seller: SellerHandle::NONE,
            rules: [0; SOURCING_RULES_MAX],
            expected_rules: 0.into(),
        };
        head.rules[..rules.len()].copy_from_slice(&rules);
        if self.chance(1, 4) {
            // Often those that were set last, or none.
            let seen = self.one_of(&[head.rules, self.last_rules, [0; SOURCING_RULES_MAX]]);
            head.expected_rules = rules_digest(&seen).into();
        }
        self.last_rules = head.rules;
        if self.chance(1, 2) {
            head.seller = SellerHandle::new(self.rng.random_range(0..SELLERS));
        } else if self.chance(1, 30) {
            head.seller = SellerHandle::new(77);
        }
        bytes(&Command::DefineSourcing(&head))
    }

    fn policy_bytes(&mut self, expected_version: u32) -> Vec<u8> {
        let mut head = SetPolicy {
            pending_order_s: self.one_of(&[0, 0, 60, 900, 900, 7_200, 7_200]).into(),
            retention_s: self.one_of(&[0, 20, 300, 3_600, 86_400]).into(),
            reservation_s_max: self.one_of(&[30, 600, 3_600, 86_400]).into(),
            expected_version: expected_version.into(),
        };
        match self.rng.random_range(0..16) {
            0 => head.pending_order_s = 315_360_001.into(),
            1 => head.retention_s = u32::MAX.into(),
            2 => head.reservation_s_max = 0.into(),
            3 => head.reservation_s_max = 315_360_001.into(),
            _ => {}
        }
        bytes(&Command::SetPolicy(&head))
    }

    pub(super) fn set_policy(&mut self, model: &Model) -> Vec<u8> {
        let expected = self.expected(Some(model.policy.version));
        self.policy_bytes(expected)
    }
}
