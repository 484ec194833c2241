//! Sourcing where all SKUs are at the same few locations, as they are where every location has a seller's whole catalogue, and
//! one of these has everything: the best one is found in one pass over them. What is not so is left to `sourcing`.

use orderline_protocol::command::SourcingRule;
use orderline_protocol::event::DecidingRule;

use super::State;
use super::catalogue::{LocationTerms, Takes};
use super::layouts::{PLACE_BITS, Seat};
use super::settings::Rules;
use super::sourcing::{Request, Sourced, Wanted, day_of};
use super::stock::Row;

/// How a location stands before the rules, the lower, the better: its priority and whether it is in another region, as the
/// rules order them, and its seat in the lowest bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(u64);

/// Bits of a seat: a location's handle and its place.
const SEAT_BITS: u32 = u16::BITS + PLACE_BITS;
/// The bit that tells a location of another region where the rules have priority first; priority is above it.
const LOWER_REGION_BIT: u32 = SEAT_BITS;
const PRIORITY_BIT: u32 = LOWER_REGION_BIT + 1;
/// The same where they have the region first.
const UPPER_REGION_BIT: u32 = PRIORITY_BIT + u32::BITS;

impl Rank {
    /// Behind every location.
    const NONE: Self = Self(u64::MAX);

    const fn seat(self) -> Seat {
        Seat::from_number((self.0 % (1 << SEAT_BITS)) as u32)
    }
}

/// The best of some ranks, and the next best: by what they differ is what decided.
#[derive(Clone, Copy)]
struct BestTwo {
    best: Rank,
    next: Rank,
}

impl BestTwo {
    const NONE: Self = Self { best: Rank::NONE, next: Rank::NONE };

    #[inline]
    fn add(&mut self, rank: Rank) {
        self.next = self.next.min(self.best.max(rank));
        self.best = self.best.min(rank);
    }

    /// What made the best the best: the first rule by which they differ.
    #[inline]
    fn deciding(self) -> DecidingRule {
        match (self.best.0 ^ self.next.0).ilog2() {
            LOWER_REGION_BIT | UPPER_REGION_BIT => DecidingRule::SameRegion,
            PRIORITY_BIT.. => DecidingRule::Priority,
            _ => DecidingRule::Handle,
        }
    }
}

/// How one list of rules ranks locations that cover the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranking {
    /// The bit that a location of another region has; 0: regions do not count.
    elsewhere: u64,
    /// Whether capacity is among the rules: places without a bound are equal before it.
    has_capacity: bool,
    is_packages_first: bool,
}

impl Ranking {
    pub(super) fn new(rules: &Rules) -> Self {
        let place_of = |rule: SourcingRule| rules.iter().position(|&number| number == rule as u8);
        // Priority counts behind all rules, too.
        let priority_at = place_of(SourcingRule::Priority).unwrap_or(rules.len());
        Self {
            elsewhere: match place_of(SourcingRule::SameRegion) {
                None => 0,
                Some(at) if at < priority_at => 1 << UPPER_REGION_BIT,
                Some(_) => 1 << LOWER_REGION_BIT,
            },
            has_capacity: place_of(SourcingRule::Capacity).is_some(),
            is_packages_first: place_of(SourcingRule::FewestPackages) == Some(0),
        }
    }
}

/// How one request ranks them.
struct Preferred<'a> {
    terms: &'a [LocationTerms],
    region: u16,
    /// The bit that a location of another region has; 0: regions do not count.
    elsewhere: u64,
}

impl Preferred<'_> {
    #[inline]
    fn rank(&self, seat: Seat, terms: &LocationTerms) -> Rank {
        let elsewhere = if terms.region == self.region { 0 } else { self.elsewhere };
        Rank(u64::from(terms.priority) << PRIORITY_BIT | elsewhere | u64::from(seat.number()))
    }
}

/// The places of rows that have so many units, as bits, the first place lowest.
#[inline]
fn places_covering(units: u32, rows: &[Row]) -> u64 {
    let mut places = 0;
    // Iterators' adapters cost twice the instructions here.
    let mut bit = 1_u64;
    for row in rows {
        places |= if row.has(units.into()) { bit } else { 0 };
        bit <<= 1;
    }
    places
}

impl State {
    /// The best location that has all of what is wanted, of each SKU once. `None` says nothing about where it ships from.
    #[inline]
    pub(super) fn one_of_same_locations<W: Wanted>(
        &self,
        request: &Request<'_>,
        wanted: &[W],
    ) -> Option<Sourced> {
        let layout = self.stock.layout(self.catalogue.sku(wanted.first()?.sku())?)?;
        let seats = self.stock.layouts.get(layout)?;
        let ranking = self.settings.rules_for(request.seller).ranking;
        let preferred = Preferred {
            terms: self.catalogue.location_terms(),
            region: request.region,
            elsewhere: if request.region == 0 { 0 } else { ranking.elsewhere },
        };
        let mut of_all = BestTwo::NONE;
        for &seat in seats {
            let terms = &preferred.terms[seat.location().index()];
            if ranking.has_capacity && terms.takes == Takes::OrdersWithinBound {
                return None;
            }
            if self.takes_orders(request, seat, terms) {
                of_all.add(preferred.rank(seat, terms));
            }
        }
        if of_all.next == Rank::NONE {
            return None;
        }
        let (best, next) = (of_all.best.seat(), of_all.next.seat());
        // Most of the time the best one and the next best have everything, and nobody else need be asked.
        let mut do_both_cover = true;
        for of in wanted {
            let sku = self.catalogue.sku(of.sku())?;
            if self.stock.layout(sku) != Some(layout) {
                return None;
            }
            let (rows, units) = (self.stock.rows(sku), of.units().into());
            do_both_cover &= rows[best.place()].has(units) & rows[next.place()].has(units);
        }
        if do_both_cover {
            return Some(Sourced { location: best.location(), rule: of_all.deciding() });
        }
        if !ranking.is_packages_first {
            return None;
        }
        self.best_covering(request, wanted, seats, &preferred)
    }

    /// Whether a location gets new units when the request was made.
    #[inline]
    fn takes_orders(&self, request: &Request<'_>, seat: Seat, terms: &LocationTerms) -> bool {
        match terms.takes {
            Takes::Orders => true,
            Takes::None => false,
            Takes::OrdersWithinBound => {
                self.catalogue.locations()[seat.location().index()].takes_orders(day_of(request.now_us))
            }
        }
    }

    /// The same, where some of the locations lack something and fewest packages is the first rule: before that, those do not
    /// count.
    fn best_covering<W: Wanted>(
        &self,
        request: &Request<'_>,
        wanted: &[W],
        seats: &[Seat],
        preferred: &Preferred<'_>,
    ) -> Option<Sourced> {
        let (mut all, mut any) = (u64::MAX, 0);
        for of in wanted {
            let covering = places_covering(of.units(), self.stock.rows(self.catalogue.sku(of.sku())?));
            all &= covering;
            any |= covering;
        }
        let (mut of_all, mut has_others) = (BestTwo::NONE, false);
        let mut left = any;
        while left != 0 {
            let place = left.trailing_zeros();
            left &= left - 1;
            let seat = seats[place as usize];
            let terms = &preferred.terms[seat.location().index()];
            if self.takes_orders(request, seat, terms) {
                if all >> place & 1 == 1 {
                    of_all.add(preferred.rank(seat, terms));
                } else {
                    has_others = true;
                }
            }
        }
        let rule = match of_all {
            BestTwo { best: Rank::NONE, .. } => return None,
            BestTwo { next: Rank::NONE, .. } if has_others => DecidingRule::FewestPackages,
            BestTwo { next: Rank::NONE, .. } => DecidingRule::OnlyChoice,
            of_all => of_all.deciding(),
        };
        Some(Sourced { location: of_all.best.seat().location(), rule })
    }
}
