//! Tokens: who may come in. The core keeps them and their history as it keeps all else; fronts let people in by them.
//!
//! A token is never forgotten, and its number goes to nobody else: sessions name by it who opened them.

use std::mem::offset_of;

use orderline_protocol::command::{DefineToken, EXPECTED_NEW, QueryTokens, RevokeToken, Role, Standing};
use orderline_protocol::event::{Event, EventKind, Origin, TokenDefined, TokenRevoked};
use orderline_protocol::limits::TOKENS_MAX;
use orderline_protocol::reply::TokenView;
use orderline_protocol::{LocationHandle, RejectCode};
use zerocopy::{FromZeros, IntoBytes};

use super::apply::Effect;
use super::catalogue::Catalogue;
use super::decide::{Refusable, check_zeros, expects, write};
use super::define::{check_code, next};
use super::{Rejection, State};

/// Tokens of a page at most: they fit a reply.
const PAGE_TOKENS_MAX: usize = 1_500;

/// A token, as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is; revoked, if its standing is inactive.
    pub definition: DefineToken,
    /// Its version.
    pub version: u32,
}

impl Token {
    /// Whether it was revoked.
    pub fn is_revoked(&self) -> bool {
        self.definition.standing != Standing::Active as u8
    }
}

/// A token's place in its table: its number less one, for 0 is nobody's.
fn place_of(number: u32) -> Option<usize> {
    number.checked_sub(1).map(|place| place as usize)
}

impl Catalogue {
    /// What a token can be defined as, among these sellers and locations. A snapshot's tokens are held to the same, revoked ones
    /// to what they were before.
    pub(super) fn check_token_definition(&self, head: &DefineToken, label: &str) -> Refusable<()> {
        let wrong = |offset: usize| Err(Rejection::new(RejectCode::InvalidField).about(offset as u32));
        if head.hash == [0; 32] {
            return wrong(offset_of!(DefineToken, hash));
        }
        if head.expires_at_us.get() < 0 {
            return wrong(offset_of!(DefineToken, expires_at_us));
        }
        let role = Role::from_number(head.role);
        if role != Some(Role::Seller) && !head.seller.is_none() {
            return wrong(offset_of!(DefineToken, seller));
        }
        if !head.locations.is_list() || (role == Some(Role::Warehouse)) == head.locations.is_empty() {
            return wrong(offset_of!(DefineToken, locations));
        }
        if role.is_none() {
            return wrong(offset_of!(DefineToken, role));
        }
        if head.standing != Standing::Active as u8 {
            return wrong(offset_of!(DefineToken, standing));
        }
        check_zeros(&head.reserved, offset_of!(DefineToken, reserved) as u32)?;
        if role == Some(Role::Seller) && self.seller(head.seller).is_none() {
            return Err(Rejection::new(RejectCode::UnknownSeller).about(head.seller.get()));
        }
        let is_unknown = |location: &LocationHandle| self.location(*location).is_none();
        if let Some(unknown) = head.locations.iter().find(is_unknown) {
            return Err(Rejection::new(RejectCode::UnknownLocation).about(unknown.get().into()));
        }
        check_code(label)
    }
}

impl State {
    /// Every token ever defined, with its number and its label.
    pub fn tokens(&self) -> impl Iterator<Item = (u32, &str, &Token)> {
        let labels = &self.catalogue.token_labels;
        (0_u32..)
            .zip(self.catalogue.tokens())
            .map(|(place, token)| (place + 1, labels.code(place).unwrap_or_default(), token))
    }

    /// The label of the token with this number, for people.
    pub fn token_label(&self, number: u32) -> Option<&str> {
        self.catalogue.token_labels.code(number.checked_sub(1)?)
    }

    /// Whether tokens have changed since this was asked last.
    #[inline]
    pub fn take_tokens_changed(&mut self) -> bool {
        std::mem::take(&mut self.tokens_changed)
    }

    /// The number and version of a token that stands exactly so already. A revoked one does not: no definition says that it is.
    pub(super) fn token_defined(&self, head: &DefineToken, label: &str) -> Option<(u32, u32)> {
        let place = self.catalogue.token_labels.find(label)?;
        let token = &self.catalogue.tokens()[place as usize];
        let said = DefineToken { expected_version: 0.into(), ..*head };
        (token.definition == said
            && !token.is_revoked()
            && expects(head.expected_version.get(), token.version))
        .then_some((place + 1, token.version))
    }

    pub(super) fn decide_token(
        &self,
        origin: Origin,
        head: &DefineToken,
        label: &str,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        self.catalogue.check_token_definition(head, label)?;
        let version_of = |place: u32| self.catalogue.tokens().get(place as usize).map(|token| token.version);
        let labels = &self.catalogue.token_labels;
        let (place, version) = next(labels, label, TOKENS_MAX, head.expected_version.get(), version_of)?;
        // A revoked secret never comes back, not even to whom it belonged.
        let is_same = |(at, token): &(u32, &Token)| {
            token.definition.hash == head.hash && (*at != place || token.is_revoked())
        };
        if let Some((at, _)) = (0_u32..).zip(self.catalogue.tokens()).find(is_same) {
            return Err(Rejection::new(RejectCode::TokenHashReused).about(at + 1));
        }
        let definition = DefineToken { expected_version: 0.into(), ..*head };
        let head = TokenDefined { origin, token: (place + 1).into(), version: version.into(), definition };
        Ok(write(Event::TokenDefined(&head, label), out))
    }

    pub(super) fn decide_revoke(
        &self,
        origin: Origin,
        head: &RevokeToken,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        let number = head.token.get();
        let token = place_of(number).and_then(|place| self.catalogue.tokens().get(place));
        let Some(token) = token else {
            return Err(Rejection::new(RejectCode::UnknownToken).about(number));
        };
        let version = token.version;
        // It is there, so it cannot be expected to be new.
        if head.expected_version.get() == EXPECTED_NEW || !expects(head.expected_version.get(), version) {
            return Err(Rejection { version, ..Rejection::new(RejectCode::VersionMismatch) });
        }
        if token.is_revoked() {
            return Err(Rejection { version, ..Rejection::new(RejectCode::NothingToDo) });
        }
        let head = TokenRevoked { origin, token: head.token, version: (version + 1).into() };
        Ok(write(Event::TokenRevoked(&head), out))
    }

    pub(super) fn apply_token(&mut self, head: &TokenDefined, label: &str) -> Effect {
        let (number, version) = (head.token.get(), head.version.get());
        let place = place_of(number).unwrap_or_else(|| panic!("a token is numbered from 1"));
        self.catalogue.set_token(place as u32, version, label, &head.definition);
        self.tokens_changed = true;
        Effect::entity(number.into(), version, 0)
    }

    pub(super) fn apply_revoked(&mut self, head: &TokenRevoked) -> Effect {
        let (number, version) = (head.token.get(), head.version.get());
        let known = place_of(number).and_then(|place| self.catalogue.tokens().get(place).copied());
        let Some(token) = known else {
            panic!("event {} revokes token {number}, which is not there", self.sequence)
        };
        let definition = DefineToken { standing: Standing::Inactive as u8, ..token.definition };
        self.catalogue.set_token(number - 1, version, "", &definition);
        self.tokens_changed = true;
        Effect::entity(number.into(), version, 0)
    }

    /// Appends a page of tokens; the first number of the next one, 0 behind the last.
    pub(super) fn view_tokens(&self, head: &QueryTokens, out: &mut Vec<u8>) -> u32 {
        let wanted = match head.count.get() as usize {
            0 => PAGE_TOKENS_MAX,
            count => count.min(PAGE_TOKENS_MAX),
        };
        let from = head.from.get().max(1);
        let mut tokens = self.tokens().skip(from as usize - 1);
        for (number, label, token) in tokens.by_ref().take(wanted) {
            let definition = &token.definition;
            let mut view = TokenView::new_zeroed();
            (view.token, view.version) = (number.into(), token.version.into());
            view.expires_at_us = definition.expires_at_us;
            (view.seller, view.locations) = (definition.seller, definition.locations);
            view.commands_per_s_max = definition.commands_per_s_max;
            (view.role, view.standing) = (definition.role, definition.standing);
            view.label[..label.len()].copy_from_slice(label.as_bytes());
            out.extend_from_slice(view.as_bytes());
        }
        tokens.next().map_or(0, |(number, ..)| number)
    }
}
