//! Catalogue and settings: decisions about them, and what their events do.

use orderline_protocol::command::{
    Command, DefineLocation, DefineSeller, DefineSku, DefineSourcing, SOURCING_RULES_MAX, SetPolicy,
    SourcingRule, Standing, rules_digest,
};
use orderline_protocol::event::{
    Event, EventKind, LocationDefined, Origin, PolicySet, SellerDefined, SkuDefined, SourcingDefined,
};
use orderline_protocol::limits::{LOCATIONS_MAX, SELLERS_MAX, SKUS_MAX};
use orderline_protocol::{LocationHandle, RejectCode, SellerHandle, SkuHandle};

use super::apply::Effect;
use super::catalogue::Catalogue;
use super::codes::{Codes, is_code};
use super::decide::{check_duration, check_zeros, expects, write};
use super::money::check_priced_in;
use super::{Rejection, State};

type Refusable<T> = Result<T, Rejection>;

impl State {
    /// The handle and version of what a command defines, if it stands exactly so already.
    pub(super) fn already_defined(&self, command: &Command<'_>) -> Option<(u32, u32)> {
        let catalogue = &self.catalogue;
        match *command {
            Command::DefineSeller(head, code) => {
                let handle = catalogue.seller_codes.find(code)?;
                let seller = &catalogue.sellers()[handle as usize];
                let said = DefineSeller { expected_version: 0.into(), ..*head };
                (seller.definition == said && expects(head.expected_version.get(), seller.version))
                    .then_some((handle, seller.version))
            }
            Command::DefineLocation(head, code) => {
                let handle = catalogue.location_codes.find(code)?;
                let location = &catalogue.locations()[handle as usize];
                let said = DefineLocation { expected_version: 0.into(), ..*head };
                (location.definition == said && expects(head.expected_version.get(), location.version))
                    .then_some((handle, location.version))
            }
            Command::DefineSku(head, code) => {
                let handle = catalogue.sku_codes.find(code)?;
                let version = catalogue.sku_version(SkuHandle::new(handle))?;
                let said = DefineSku { expected_version: 0.into(), ..*head };
                (catalogue.sku_definition(handle) == said && expects(head.expected_version.get(), version))
                    .then_some((handle, version))
            }
            Command::DefineToken(head, label) => self.token_defined(head, label),
            _ => None,
        }
    }

    pub(super) fn decide_seller(
        &self,
        origin: Origin,
        head: &DefineSeller,
        code: &str,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_seller_definition(head, code)?;
        let version_of =
            |handle: u32| self.catalogue.sellers().get(handle as usize).map(|seller| seller.version);
        let (handle, version) =
            next(&self.catalogue.seller_codes, code, SELLERS_MAX, head.expected_version.get(), version_of)?;
        let definition = DefineSeller { expected_version: 0.into(), ..*head };
        let head = SellerDefined { origin, handle: handle.into(), version: version.into(), definition };
        Ok(write(Event::SellerDefined(&head, code), out))
    }

    pub(super) fn decide_location(
        &self,
        origin: Origin,
        head: &DefineLocation,
        code: &str,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_location_definition(head, code)?;
        let version_of =
            |handle: u32| self.catalogue.locations().get(handle as usize).map(|location| location.version);
        let (handle, version) = next(
            &self.catalogue.location_codes,
            code,
            LOCATIONS_MAX,
            head.expected_version.get(),
            version_of,
        )?;
        let definition = DefineLocation { expected_version: 0.into(), ..*head };
        let head = LocationDefined { origin, handle: handle.into(), version: version.into(), definition };
        Ok(write(Event::LocationDefined(&head, code), out))
    }

    pub(super) fn decide_sku(
        &self,
        origin: Origin,
        head: &DefineSku,
        code: &str,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        self.catalogue.check_sku_definition(head, code)?;
        let version_of = |handle: u32| self.catalogue.sku_version(SkuHandle::new(handle));
        let (handle, version) =
            next(&self.catalogue.sku_codes, code, SKUS_MAX, head.expected_version.get(), version_of)?;
        if let Some(sku) = self.catalogue.sku(SkuHandle::new(handle))
            && sku.seller != head.seller
        {
            return Err(Rejection::new(RejectCode::SkuOfOtherSeller).with(sku.seller.get().into()));
        }
        let definition = DefineSku { expected_version: 0.into(), ..*head };
        let head = SkuDefined { origin, handle: handle.into(), version: version.into(), definition };
        Ok(write(Event::SkuDefined(&head, code), out))
    }

    pub(super) fn decide_sourcing(
        &self,
        origin: Origin,
        head: &DefineSourcing,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        let count = head.rules.iter().position(|&rule| rule == 0).unwrap_or(SOURCING_RULES_MAX);
        let (rules, rest) = head.rules.split_at(count);
        let is_wrong = |(place, &rule): (usize, &u8)| {
            SourcingRule::from_number(rule).is_none() || rules[..place].contains(&rule)
        };
        if rules.iter().enumerate().any(is_wrong) {
            return Err(Rejection::new(RejectCode::InvalidField).about(4));
        }
        check_zeros(rest, 4)?;
        if head.seller.is_none() && rules.is_empty() {
            return Err(Rejection::new(RejectCode::InvalidField).about(4));
        }
        if !head.seller.is_none() && self.catalogue.seller(head.seller).is_none() {
            return Err(Rejection::new(RejectCode::UnknownSeller).about(head.seller.get()));
        }
        let digest = rules_digest(&self.settings.own_rules(head.seller));
        if !expects(head.expected_rules.get(), digest) {
            return Err(Rejection { version: digest, ..Rejection::new(RejectCode::VersionMismatch) });
        }
        let definition = DefineSourcing { expected_rules: 0.into(), ..*head };
        Ok(write(Event::SourcingDefined(&SourcingDefined { origin, definition }), out))
    }

    pub(super) fn decide_policy(
        &self,
        origin: Origin,
        head: &SetPolicy,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_duration(head.pending_order_s.get(), 0)?;
        check_duration(head.retention_s.get(), 4)?;
        check_duration(head.reservation_s_max.get(), 8)?;
        if head.reservation_s_max.get() == 0 {
            return Err(Rejection::new(RejectCode::InvalidField).about(8));
        }
        let version = self.settings.version;
        if !expects(head.expected_version.get(), version) {
            return Err(Rejection { version, ..Rejection::new(RejectCode::VersionMismatch) });
        }
        let policy = SetPolicy { expected_version: 0.into(), ..*head };
        let head = PolicySet { origin, version: (version + 1).into(), policy, reserved: [0; 4] };
        Ok(write(Event::PolicySet(&head), out))
    }

    pub(super) fn apply_seller(&mut self, head: &SellerDefined, code: &str) -> Effect {
        let standing = self
            .catalogue
            .seller(SellerHandle::new(head.handle.get()))
            .map(|seller| seller.definition.standing);
        if standing.is_some_and(|standing| standing != head.definition.standing) {
            self.stock.touched.note_all();
        }
        self.catalogue.set_seller(head.handle.get(), head.version.get(), code, &head.definition);
        Effect::entity(head.handle.get().into(), head.version.get(), 0)
    }

    pub(super) fn apply_location(&mut self, head: &LocationDefined, code: &str) -> Effect {
        let standing = self
            .catalogue
            .location(LocationHandle::new(head.handle.get() as u16))
            .map(|location| location.definition.standing);
        if standing.is_some_and(|standing| standing != head.definition.standing) {
            self.stock.touched.note_all();
        }
        self.catalogue.set_location(head.handle.get(), head.version.get(), code, &head.definition);
        // What is there may now be given to who waits for it.
        self.stock.refills_due.extend(self.backorders.skus());
        Effect::entity(head.handle.get().into(), head.version.get(), 0)
    }

    pub(super) fn apply_sku(&mut self, head: &SkuDefined, code: &str) -> Effect {
        self.catalogue.set_sku(head.handle.get(), head.version.get(), code, &head.definition);
        let handle = SkuHandle::new(head.handle.get());
        self.stock.touched.note_terms(handle, self.catalogue.sku_mut(handle));
        Effect::entity(head.handle.get().into(), head.version.get(), 0)
    }

    pub(super) fn apply_sourcing(&mut self, head: &SourcingDefined) -> Effect {
        self.settings.define_sourcing(&head.definition);
        Effect::of(0)
    }

    pub(super) fn apply_policy(&mut self, head: &PolicySet) -> Effect {
        self.settings.policy = head.policy;
        self.settings.version = head.version.get();
        self.pending_policy_changed();
        Effect::entity(0, head.version.get(), 0)
    }

    /// Whether a seller may be named by a placement.
    pub(super) fn check_seller(&self, handle: SellerHandle) -> Refusable<()> {
        match self.catalogue.seller(handle) {
            None => Err(Rejection::new(RejectCode::UnknownSeller).about(handle.get())),
            Some(seller) if seller.definition.standing != Standing::Active as u8 => {
                Err(Rejection::new(RejectCode::SellerSuspended).about(handle.get()))
            }
            Some(_) => Ok(()),
        }
    }
}

/// The handle and the next version of what has this code, or of the next free handle.
pub(super) fn next(
    codes: &Codes,
    code: &str,
    len_max: usize,
    expected_version: u32,
    version_of: impl Fn(u32) -> Option<u32>,
) -> Refusable<(u32, u32)> {
    let handle = codes.find(code).unwrap_or(codes.len() as u32);
    let version = version_of(handle).unwrap_or(0);
    if !expects(expected_version, version) {
        return Err(Rejection { version, ..Rejection::new(RejectCode::VersionMismatch) });
    }
    if handle as usize >= len_max {
        return Err(Rejection::new(RejectCode::CatalogueFull));
    }
    Ok((handle, version + 1))
}

/// What a seller can be, whoever is there already. A snapshot's definitions are held to the same.
pub(super) fn check_seller_definition(head: &DefineSeller, code: &str) -> Refusable<()> {
    if head.commission_bp.get() > 10_000 {
        return Err(Rejection::new(RejectCode::InvalidField));
    }
    check_standing(head.standing, 2)?;
    check_code(code)
}

/// What a location can be.
pub(super) fn check_location_definition(head: &DefineLocation, code: &str) -> Refusable<()> {
    check_standing(head.standing, 14)?;
    check_code(code)
}

impl Catalogue {
    /// What a SKU can be, among these sellers.
    pub(super) fn check_sku_definition(&self, head: &DefineSku, code: &str) -> Refusable<()> {
        check_standing(head.standing, 10)?;
        check_code(code)?;
        if head.currency.get() != 0 {
            check_priced_in(head.currency)?;
        }
        if self.seller(head.seller).is_none() {
            return Err(Rejection::new(RejectCode::UnknownSeller).about(head.seller.get()));
        }
        Ok(())
    }
}

pub(super) fn check_code(code: &str) -> Refusable<()> {
    if is_code(code) { Ok(()) } else { Err(Rejection::new(RejectCode::InvalidCode)) }
}

fn check_standing(number: u8, offset: u32) -> Refusable<()> {
    match Standing::from_number(number) {
        Some(_) => Ok(()),
        None => Err(Rejection::new(RejectCode::InvalidField).about(offset)),
    }
}
