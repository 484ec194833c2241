//! Tokens: defined, changed, given up, and now and then with a secret that was somebody's.

use orderline_protocol::command::*;
use orderline_protocol::limits::TOKEN_LOCATIONS_MAX;
use orderline_protocol::{LocationHandle, Locations, SellerHandle};
use rand::RngExt;
use zerocopy::{FromBytes, IntoBytes};

use super::{Generator, bytes};
use crate::model::Model;

impl Generator {
    pub(super) fn define_token(&mut self, model: &Model) -> Vec<u8> {
        let revoked = model.tokens.iter().find(|token| token.is_revoked);
        let label = self.code("token", model.tokens.len(), revoked.map(|token| &token.label));
        let now = model.tokens.iter().find(|token| token.label == label);
        let expected = self.expected_or_new(now.map(|token| token.version));
        let role =
            self.one_of(&[Role::Warehouse, Role::Warehouse, Role::Seller, Role::Support, Role::Operator]);
        let mut head = DefineToken {
            hash: self.hash(model),
            expires_at_us: self.one_of(&[0, 0, 1_900_000_000_000_000, 1, -1]).into(),
            seller: if role == Role::Seller { self.seller(model) } else { SellerHandle::NONE },
            expected_version: expected.into(),
            commands_per_s_max: self.one_of(&[0, 1, 500]).into(),
            locations: if role == Role::Warehouse { self.locations(model) } else { Locations::NONE },
            role: role as u8,
            standing: Standing::Active as u8,
            label_bytes: label.len() as u8,
            reserved: [0; 1],
        };
        match self.rng.random_range(0..40) {
            0 => head.seller = self.seller(model),
            1 => head.locations = self.locations(model),
            2 => head.standing = Standing::Inactive as u8,
            _ => {}
        }
        if let Some(token) = now
            && self.chance(1, 2)
        {
            // As it stands, or with a new secret alone.
            let handles: Vec<LocationHandle> =
                token.locations.iter().map(|&at| LocationHandle::new(at)).collect();
            head.seller = token.seller.map_or(SellerHandle::NONE, SellerHandle::new);
            head.locations = Locations::of(&handles).unwrap();
            head.role = token.role;
            head.expires_at_us = token.expires_at_us.into();
            head.commands_per_s_max = token.commands_per_s_max.into();
            if self.chance(1, 2) {
                head.hash = token.hash;
            }
        }
        bytes(&Command::DefineToken(&head, &label))
    }

    pub(super) fn revoke_token(&mut self, model: &Model) -> Vec<u8> {
        let token = match self.rng.random_range(0..30) {
            0 => 0,
            1 => u32::MAX,
            _ => self.rng.random_range(1..=model.tokens.len() as u32 + 1),
        };
        let version = model.tokens.get((token as usize).wrapping_sub(1)).map(|token| token.version);
        let expected = self.expected_or_new(version);
        bytes(&Command::RevokeToken(&RevokeToken { token: token.into(), expected_version: expected.into() }))
    }

    /// A new secret's hash, mostly; rarely somebody's, or none.
    fn hash(&mut self, model: &Model) -> [u8; 32] {
        match self.rng.random_range(0..12) {
            0 if !model.tokens.is_empty() => model.tokens[self.rng.random_range(0..model.tokens.len())].hash,
            1 if self.chance(1, 4) => [0; 32],
            _ => self.rng.random(),
        }
    }

    /// Some of the locations there are; rarely none of them, or what is no list.
    fn locations(&mut self, model: &Model) -> Locations {
        let mut handles: Vec<LocationHandle> = (0..model.locations.len() as u16)
            .filter(|_| self.rng.random_ratio(1, 2))
            .map(LocationHandle::new)
            .collect();
        match self.rng.random_range(0..40) {
            0 => handles.push(LocationHandle::new(model.locations.len() as u16)),
            1 => handles.extend(handles.clone().first()),
            2 => handles = (0..TOKEN_LOCATIONS_MAX as u16).map(LocationHandle::new).collect(),
            _ => {}
        }
        handles.truncate(TOKEN_LOCATIONS_MAX);
        let list = Locations::of(&handles).unwrap();
        if !self.chance(1, 30) {
            return list;
        }
        // Two of its places change, whatever stands there.
        let mut bytes = list.as_bytes().to_vec();
        let (one, other) = (self.rng.random_range(0..4), self.rng.random_range(0..TOKEN_LOCATIONS_MAX));
        for at in [0, 1] {
            bytes.swap(one * 2 + at, other * 2 + at);
        }
        Locations::read_from_bytes(&bytes).unwrap()
    }
}
