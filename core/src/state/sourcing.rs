//! Sourcing: which location ships what, by the rules of `docs/domain.md`. The cases that nearly every placement is (one
//! location has everything) are answered here, without looking at anything twice; the rest goes on in `rounds`.

use std::cmp::Ordering;

use orderline_protocol::command::{CartLine, OrderLine, SourcingRule};
use orderline_protocol::event::{Allocation, DecidingRule, Refill};
use orderline_protocol::limits::LINE_QUANTITY_MAX;
use orderline_protocol::{LocationHandle, RejectCode, SellerHandle, SkuHandle};

use super::catalogue::Location;
use super::decide::Refusable;
use super::orders::OrderSlot;
use super::rounds::Rounds;
use super::settings::Rules;
use super::timers::SECOND_US;
use super::{Rejection, State};

/// What is to be sourced, its lines aside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// Where it goes; 0: not said.
    pub(super) region: u16,
    /// Whose rules; NONE: everybody's.
    pub(super) seller: SellerHandle,
    pub(super) now_us: i64,
    /// Units that are promised to whoever asks and so count as available to them: sorted by SKU and location, each pair
    /// once.
    pub(super) own: &'a [(SkuHandle, LocationHandle, u64)],
    /// Locations that are left out.
    pub(super) excluded: &'a [LocationHandle],
    pub(super) backordering: Backordering,
}

/// Whether units may be promised without stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backordering {
    /// No.
    Never,
    /// As far as the SKU's cap goes.
    WithinCap,
    /// All that lacks: it is promised already.
    Always,
}

/// Where it ships from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sourced {
    /// One location that has it all; NONE: the scratch's allocations tell, and what they do not have is backordered.
    pub(super) location: LocationHandle,
    pub(super) rule: DecidingRule,
}

/// Something that wants units of a SKU.
pub(super) trait Wanted {
    fn sku(&self) -> SkuHandle;
    fn units(&self) -> u32;
}

impl Wanted for OrderLine {
    #[inline]
    fn sku(&self) -> SkuHandle {
        self.sku
    }

    #[inline]
    fn units(&self) -> u32 {
        self.quantity.get()
    }
}

impl Wanted for CartLine {
    #[inline]
    fn sku(&self) -> SkuHandle {
        self.sku
    }

    #[inline]
    fn units(&self) -> u32 {
        self.quantity.get()
    }
}

/// Where sourcing works, and what it found.
#[derive(Debug, Default)]
pub(crate) struct SourcingScratch {
    /// What is wanted, summed per SKU.
    demands: Vec<Demand>,
    /// Lines by SKU, for orders too long to compare line with line.
    by_sku: Vec<(u32, u32)>,
    /// By line: which demand it is of.
    demand_of_line: Vec<u32>,
    /// By location: how many SKUs of the order it covers. All zeros between decisions.
    location_counts: Vec<u32>,
    /// Which of the counts are not zero.
    locations_touched: Vec<LocationHandle>,
    /// Where several locations are needed.
    rounds: Rounds,
    /// Units of lines by location, sorted by line and location, when no location has everything.
    pub(super) allocations: Vec<Allocation>,
    /// Where a SKU's units are for lines that wait for it: priority, location, units.
    pub(super) free: Vec<(u32, LocationHandle, u64)>,
    /// Who gets them.
    pub(super) refills: Vec<Refill>,
}

impl SourcingScratch {
    /// What an event lists: nothing where one location has it all.
    pub(super) fn allocations_of(&self, sourced: &Sourced) -> &[Allocation] {
        if sourced.location.is_none() { &self.allocations } else { &[] }
    }
}

/// The day of a recorded time: days since 1970, UTC.
pub(super) fn day_of(at_us: i64) -> u32 {
    (at_us / (86_400 * SECOND_US)) as u32
}

/// Units of one SKU that are wanted, over all lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    pub(super) sku: SkuHandle,
    pub(super) units: u64,
    /// The first line that wants it: the one that a rejection names.
    pub(super) first_line: u32,
}

/// By what one request compares locations.
#[derive(Clone, Copy)]
pub(super) struct Preference<'a> {
    locations: &'a [Location],
    rules: &'a Rules,
    region: u16,
    day: u32,
}

impl Preference<'_> {
    /// The rules, in their order.
    pub(super) fn rules(&self) -> impl Iterator<Item = SourcingRule> {
        self.rules.iter().map_while(|&number| SourcingRule::from_number(number))
    }

    /// Whether a location gets units now.
    pub(super) fn is_candidate(&self, location: LocationHandle) -> bool {
        self.locations[location.index()].takes_orders(self.day)
    }

    /// Which of two locations one rule prefers (`Less`: the first one). Each comes with how many SKUs it covers.
    pub(super) fn by_rule(
        &self,
        rule: SourcingRule,
        one: (LocationHandle, u32),
        other: (LocationHandle, u32),
    ) -> Ordering {
        let [a, b] = [one, other].map(|(location, _)| &self.locations[location.index()]);
        match rule {
            SourcingRule::FewestPackages => other.1.cmp(&one.1),
            SourcingRule::SameRegion => {
                let is_same = |of: &Location| self.region != 0 && of.definition.region.get() == self.region;
                is_same(b).cmp(&is_same(a))
            }
            SourcingRule::Priority => a.definition.priority.get().cmp(&b.definition.priority.get()),
            SourcingRule::Capacity => {
                let left = |of: &Location| of.orders_left(self.day).map_or(u64::MAX, u64::from);
                left(b).cmp(&left(a))
            }
        }
    }

    /// Which of two different locations is better (`Less`: the first one), and what decided that. Each comes with how many
    /// SKUs it covers; where that says nothing, both with the same number.
    pub(super) fn compare(
        &self,
        one: (LocationHandle, u32),
        other: (LocationHandle, u32),
    ) -> (Ordering, DecidingRule) {
        for rule in self.rules() {
            let order = self.by_rule(rule, one, other);
            if order != Ordering::Equal {
                return (order, deciding(rule));
            }
        }
        match self.by_rule(SourcingRule::Priority, one, other) {
            Ordering::Equal => (one.0.cmp(&other.0), DecidingRule::Handle),
            order => (order, DecidingRule::Priority),
        }
    }
}

const fn deciding(rule: SourcingRule) -> DecidingRule {
    match rule {
        SourcingRule::FewestPackages => DecidingRule::FewestPackages,
        SourcingRule::SameRegion => DecidingRule::SameRegion,
        SourcingRule::Priority => DecidingRule::Priority,
        SourcingRule::Capacity => DecidingRule::Capacity,
    }
}

/// Up to here each line is compared with the SKUs before it; beyond, lines are sorted by SKU.
const COMPARED_LINES_MAX: usize = 16;

/// Units of lines at locations that one event can list.
pub(super) const ALLOCATIONS_MAX: usize = u16::MAX as usize;

impl State {
    /// Finds where checked lines ship from.
    ///
    /// Without own units and locations left out, nothing is allocated on the heap once the scratch has grown.
    #[inline]
    pub(super) fn source<W: Wanted>(
        &self,
        request: &Request<'_>,
        lines: &[W],
        scratch: &mut SourcingScratch,
    ) -> Refusable<Sourced> {
        sum_per_sku(lines, scratch)?;
        if request.own.is_empty() && request.excluded.is_empty() {
            if let Some(location) = self.one_location_at_once(&scratch.demands, day_of(request.now_us)) {
                return Ok(Sourced { location, rule: DecidingRule::OnlyChoice });
            }
            if let Some(sourced) = self.one_location_of_several(request, scratch) {
                return Ok(sourced);
            }
        }
        self.source_slowly(request, lines, scratch)
    }

    /// The case that most catalogues have: every SKU has one level, all at the same location.
    #[inline]
    fn one_location_at_once(&self, demands: &[Demand], day: u32) -> Option<LocationHandle> {
        let mut location = LocationHandle::NONE;
        for demand in demands {
            let &[row] = self.stock.rows(self.catalogue.sku(demand.sku)?) else { return None };
            let is_same = location.is_none() || row.location() == location;
            if row.available() < demand.units as i64 || !is_same {
                return None;
            }
            location = row.location();
        }
        self.catalogue.location(location).filter(|location| location.takes_orders(day)).map(|_| location)
    }

    fn preference(&self, request: &Request<'_>) -> Preference<'_> {
        Preference {
            locations: self.catalogue.locations(),
            rules: self.settings.rules_for(request.seller),
            region: request.region,
            day: day_of(request.now_us),
        }
    }

    /// The next frequent case: SKUs are at several locations, and the best of the first round covers all of them. It is the
    /// first round as `rounds` plays it, with nothing kept for a second one.
    fn one_location_of_several(
        &self,
        request: &Request<'_>,
        scratch: &mut SourcingScratch,
    ) -> Option<Sourced> {
        let SourcingScratch { demands, location_counts: counts, locations_touched: touched, .. } = scratch;
        if counts.len() < self.catalogue.locations().len() {
            counts.resize(self.catalogue.locations().len(), 0);
        }
        let mut is_covered = true;
        for demand in &*demands {
            let mut covering_count = 0;
            for row in self.catalogue.sku(demand.sku).map_or(&[][..], |sku| self.stock.rows(sku)) {
                if row.available() >= demand.units as i64 {
                    let count = &mut counts[row.location().index()];
                    if *count == 0 {
                        touched.push(row.location());
                    }
                    *count += 1;
                    covering_count += 1;
                }
            }
            if covering_count == 0 {
                is_covered = false;
                break;
            }
        }
        let sourced =
            if is_covered { self.best_of_all(request, demands.len(), counts, touched) } else { None };
        for location in touched.drain(..) {
            counts[location.index()] = 0;
        }
        if let Some(sourced) = &sourced {
            // Its levels change next, unless the journal cannot be written.
            demands.iter().for_each(|demand| self.prefetch_level(demand.sku, sourced.location));
        }
        sourced
    }

    /// The best of the first round's locations, if it covers everything.
    fn best_of_all(
        &self,
        request: &Request<'_>,
        demand_count: usize,
        counts: &[u32],
        touched: &[LocationHandle],
    ) -> Option<Sourced> {
        let preference = self.preference(request);
        let (mut best, mut second) = (None, None);
        for &location in touched {
            if !preference.is_candidate(location) {
                continue;
            }
            let this = (location, counts[location.index()]);
            let is_better =
                |than: Option<_>| than.is_none_or(|than| preference.compare(this, than).0 == Ordering::Less);
            if is_better(best) {
                (best, second) = (Some(this), best);
            } else if is_better(second) {
                second = Some(this);
            }
        }
        let best = best.filter(|&(_, count)| count as usize == demand_count)?;
        let rule = second.map_or(DecidingRule::OnlyChoice, |second| preference.compare(best, second).1);
        Some(Sourced { location: best.0, rule })
    }

    #[inline]
    fn prefetch_level(&self, sku: SkuHandle, location: LocationHandle) {
        if let Some(sku) = self.catalogue.sku(sku) {
            self.stock.prefetch_level(sku, location);
        }
    }

    /// Holds what a placement or a reservation was given.
    #[inline]
    pub(super) fn hold_units<W: Wanted>(
        &mut self,
        location: LocationHandle,
        lines: &[W],
        allocations: &[Allocation],
    ) {
        if !location.is_none() {
            for line in lines {
                self.stock.reserve(&mut self.catalogue, line.sku(), location, line.units().into());
            }
            return;
        }
        for part in allocations {
            let sku = lines[usize::from(part.line.get())].sku();
            self.stock.reserve(&mut self.catalogue, sku, part.location, part.quantity.get().into());
        }
    }

    /// Counts a new order at each of the locations that it got units of.
    #[inline]
    pub(super) fn count_new_order(
        &mut self,
        at_us: i64,
        location: LocationHandle,
        allocations: &[Allocation],
    ) {
        if location.is_none() {
            self.count_locations(at_us, allocations);
        } else {
            self.catalogue.count_order(location, day_of(at_us));
        }
    }

    /// Counts an order at the locations that it gets units of and has none of yet.
    pub(super) fn count_newcomers(&mut self, at_us: i64, slot: OrderSlot, moves: &[Allocation]) {
        let is_new = |part: &&Allocation| !self.orders.has_units_at(slot, part.location);
        let new: Vec<Allocation> = moves.iter().filter(is_new).copied().collect();
        self.count_locations(at_us, &new);
    }

    /// Counts an order at each of these locations once.
    fn count_locations(&mut self, at_us: i64, allocations: &[Allocation]) {
        let mut locations: Vec<LocationHandle> = allocations.iter().map(|part| part.location).collect();
        locations.retain(|location| !location.is_none());
        locations.sort_unstable();
        locations.dedup();
        for location in locations {
            self.catalogue.count_order(location, day_of(at_us));
        }
    }

    /// Everything else: several locations, units of one's own, locations left out, backorders.
    #[cold]
    fn source_slowly<W: Wanted>(
        &self,
        request: &Request<'_>,
        lines: &[W],
        scratch: &mut SourcingScratch,
    ) -> Refusable<Sourced> {
        let preference = self.preference(request);
        let rule = self.source_in_rounds(request, &preference, &scratch.demands, &mut scratch.rounds)?;
        if let Some(location) = scratch.rounds.only_location() {
            return Ok(Sourced { location, rule });
        }
        find_demands_of_lines(lines, scratch);
        scratch.allocations.clear();
        for (index, line) in lines.iter().enumerate() {
            let first = scratch.allocations.len();
            let demand = scratch.demand_of_line[index] as usize;
            scratch.rounds.draw(demand, line.units(), |location, units| {
                scratch.allocations.push(Allocation {
                    line: (index as u16).into(),
                    location,
                    quantity: units.into(),
                });
            });
            if scratch.allocations.len() > ALLOCATIONS_MAX {
                return Err(Rejection::new(RejectCode::TooManyLines).with(scratch.allocations.len() as u64));
            }
            scratch.allocations[first..].sort_unstable_by_key(|part| part.location);
        }
        Ok(Sourced { location: LocationHandle::NONE, rule })
    }
}

/// Sums the lines per SKU into the scratch's demands, in the order of their first lines.
#[inline]
fn sum_per_sku<W: Wanted>(lines: &[W], scratch: &mut SourcingScratch) -> Result<(), Rejection> {
    scratch.demands.clear();
    if lines.len() > COMPARED_LINES_MAX {
        return sum_sorted(lines, scratch);
    }
    for (index, line) in lines.iter().enumerate() {
        let units = u64::from(line.units());
        match scratch.demands.iter_mut().find(|demand| demand.sku == line.sku()) {
            Some(demand) => {
                demand.units += units;
                check_sum(demand.units, index as u32)?;
            }
            None => scratch.demands.push(Demand { sku: line.sku(), units, first_line: index as u32 }),
        }
    }
    Ok(())
}

#[cold]
fn sum_sorted<W: Wanted>(lines: &[W], scratch: &mut SourcingScratch) -> Result<(), Rejection> {
    scratch.by_sku.clear();
    let keyed = lines.iter().enumerate().map(|(index, line)| (line.sku().get(), index as u32));
    scratch.by_sku.extend(keyed);
    scratch.by_sku.sort_unstable();
    // The line that a rejection names is the first one over the limit, as the lines stand.
    let mut refused: Option<Rejection> = None;
    for &(sku, index) in &scratch.by_sku {
        let units = u64::from(lines[index as usize].units());
        match scratch.demands.last_mut() {
            Some(demand) if demand.sku.get() == sku => {
                demand.units += units;
                if let Err(rejection) = check_sum(demand.units, index)
                    && refused.is_none_or(|refused| rejection.subject < refused.subject)
                {
                    refused = Some(rejection);
                }
            }
            _ => scratch.demands.push(Demand { sku: SkuHandle::new(sku), units, first_line: index }),
        }
    }
    scratch.demands.sort_unstable_by_key(|demand| demand.first_line);
    refused.map_or(Ok(()), Err)
}

fn check_sum(units: u64, line: u32) -> Result<(), Rejection> {
    if units > u64::from(LINE_QUANTITY_MAX) {
        return Err(Rejection::new(RejectCode::QuantityTooLarge).about(line));
    }
    Ok(())
}

/// Finds which demand each line is of, as [`sum_per_sku`] has just summed them.
fn find_demands_of_lines<W: Wanted>(lines: &[W], scratch: &mut SourcingScratch) {
    let SourcingScratch { demands, by_sku, demand_of_line, .. } = scratch;
    demand_of_line.clear();
    demand_of_line.resize(lines.len(), 0);
    for (index, demand) in demands.iter().enumerate() {
        demand_of_line[demand.first_line as usize] = index as u32;
    }
    if lines.len() > COMPARED_LINES_MAX {
        // Lines of a SKU stand side by side, the first one first.
        let mut last = (0, 0);
        for (place, &(sku, line)) in by_sku.iter().enumerate() {
            let first = if place > 0 && last.0 == sku { last.1 } else { line };
            demand_of_line[line as usize] = demand_of_line[first as usize];
            last = (sku, first);
        }
        return;
    }
    for (index, line) in lines.iter().enumerate() {
        if let Some(demand) = demands.iter().position(|demand| demand.sku == line.sku()) {
            demand_of_line[index] = demand as u32;
        }
    }
}
