//! Sourcing: which location ships what, by the rules of `docs/domain.md`. The cases that nearly every placement is (one
//! location has everything) are answered here, without looking at anything twice; the rest goes on in `rounds`.

use orderline_protocol::command::{CartLine, OrderLine, SOURCING_RULES_MAX, SourcingRule};
use orderline_protocol::event::{Allocation, DecidingRule, Refill};
use orderline_protocol::limits::LINE_QUANTITY_MAX;
use orderline_protocol::{LocationHandle, RejectCode, SellerHandle, SkuHandle};

use super::catalogue::Location;
use super::decide::Refusable;
use super::orders::OrderSlot;
use super::rounds::Rounds;
use super::settings::Rules;
use super::stock::{LevelPlace, Row};
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

impl Wanted for Demand {
    #[inline]
    fn sku(&self) -> SkuHandle {
        self.sku
    }

    #[inline]
    fn units(&self) -> u32 {
        // `sum_per_sku` lets no more be wanted.
        self.units as u32
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
    /// The locations that cover some of them, and how many.
    touched: Vec<(LocationHandle, u32)>,
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

/// How a location stands before the rules: the lower, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Merit {
    /// 32 bits for each rule, the first one's uppermost.
    by_rules: u128,
    /// Priority and handle: what tells locations apart that are equal before the rules.
    rest: u64,
}

/// Rules of a list that say something: each stands there once at most.
const RULES_MAX: usize = SourcingRule::ALL.len();

const BITS_OF_RULE: u32 = u128::BITS / RULES_MAX as u32;
const _: () = assert!(BITS_OF_RULE == u32::BITS && RULES_MAX <= SOURCING_RULES_MAX);

impl Preference<'_> {
    /// The rules, in their order.
    pub(super) fn rules(&self) -> impl Iterator<Item = SourcingRule> {
        self.rules.iter().map_while(|&number| SourcingRule::from_number(number))
    }

    /// Whether a location gets units now.
    pub(super) fn is_candidate(&self, location: LocationHandle) -> bool {
        self.locations[location.index()].takes_orders(self.day)
    }

    /// How a candidate stands before one rule, the lower, the better. It covers so many SKUs; where that says nothing, 0 for
    /// all.
    #[inline]
    fn standing(&self, rule: SourcingRule, location: LocationHandle, covers: u32) -> u32 {
        let of = &self.locations[location.index()];
        match rule {
            SourcingRule::FewestPackages => u32::MAX - covers,
            SourcingRule::SameRegion => {
                u32::from(self.region == 0 || of.definition.region.get() != self.region)
            }
            SourcingRule::Priority => of.definition.priority.get(),
            // Without a bound it has more left than any with one, and a candidate has at least one left.
            SourcingRule::Capacity => {
                of.orders_left(self.day).map_or(0, |left| (u32::MAX - left).saturating_add(1))
            }
        }
    }

    /// How a candidate stands before all of them.
    pub(super) fn merit(&self, location: LocationHandle, covers: u32) -> Merit {
        let mut by_rules = 0;
        for &rule in &self.rules[..RULES_MAX] {
            let standing =
                SourcingRule::from_number(rule).map_or(0, |rule| self.standing(rule, location, covers));
            by_rules = by_rules << BITS_OF_RULE | u128::from(standing);
        }
        let priority = self.standing(SourcingRule::Priority, location, covers);
        Merit { by_rules, rest: u64::from(priority) << u16::BITS | u64::from(location.get()) }
    }

    /// Leaves the best of some candidates, each with how many SKUs it covers, and says what made it the best: the rule before
    /// which it alone was left. `None`: there is no candidate.
    pub(super) fn leave_best(
        &self,
        candidates: &mut Vec<(LocationHandle, u32)>,
    ) -> Option<(LocationHandle, u32, DecidingRule)> {
        let &first = candidates.first()?;
        let mut deciding_rule = DecidingRule::OnlyChoice;
        for rule in self.rules().chain([SourcingRule::Priority]) {
            if candidates.len() == 1 {
                break;
            }
            deciding_rule = deciding(rule);
            // One loop for each rule: which rule it is is not asked of every candidate.
            match rule {
                SourcingRule::FewestPackages => leave_lowest(candidates, |_, covers| u32::MAX - covers),
                SourcingRule::SameRegion if self.region == 0 => {}
                SourcingRule::SameRegion => leave_lowest(candidates, |location, covers| {
                    self.standing(SourcingRule::SameRegion, location, covers)
                }),
                SourcingRule::Priority => leave_lowest(candidates, |location, covers| {
                    self.standing(SourcingRule::Priority, location, covers)
                }),
                SourcingRule::Capacity => leave_lowest(candidates, |location, covers| {
                    self.standing(SourcingRule::Capacity, location, covers)
                }),
            }
        }
        if candidates.len() == 1 {
            let (location, covers) = candidates[0];
            return Some((location, covers, deciding_rule));
        }
        let (location, covers) = candidates.iter().copied().min().unwrap_or(first);
        Some((location, covers, DecidingRule::Handle))
    }

    /// Whether two differ by a rule that comes before the count of packages.
    pub(super) fn differ_before_count(&self, one: Merit, other: Merit) -> bool {
        let counted = |rule: SourcingRule| rule == SourcingRule::FewestPackages;
        self.rules().position(counted).is_some_and(|place| one.first_difference(other) < place as u32)
    }

    /// What made the better of two the better one.
    pub(super) fn deciding(&self, one: Merit, other: Merit) -> DecidingRule {
        let place = one.first_difference(other) as usize;
        match self.rules.get(place).and_then(|&number| SourcingRule::from_number(number)) {
            Some(rule) => deciding(rule),
            None if one.rest >> u16::BITS != other.rest >> u16::BITS => DecidingRule::Priority,
            None => DecidingRule::Handle,
        }
    }
}

/// Leaves the candidates that stand lowest.
#[inline]
fn leave_lowest(candidates: &mut Vec<(LocationHandle, u32)>, standing: impl Fn(LocationHandle, u32) -> u32) {
    let (mut lowest, mut count) = (u32::MAX, 0);
    for at in 0..candidates.len() {
        let candidate = candidates[at];
        let now = standing(candidate.0, candidate.1);
        if now < lowest {
            (lowest, count) = (now, 0);
        }
        if now == lowest {
            candidates[count] = candidate;
            count += 1;
        }
    }
    candidates.truncate(count);
}

const fn deciding(rule: SourcingRule) -> DecidingRule {
    match rule {
        SourcingRule::FewestPackages => DecidingRule::FewestPackages,
        SourcingRule::SameRegion => DecidingRule::SameRegion,
        SourcingRule::Priority => DecidingRule::Priority,
        SourcingRule::Capacity => DecidingRule::Capacity,
    }
}

impl Merit {
    /// The place of the first rule by which two differ; beyond the last one, they do not.
    fn first_difference(self, other: Self) -> u32 {
        (self.by_rules ^ other.by_rules).leading_zeros() / BITS_OF_RULE
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
        let is_plain = request.own.is_empty() && request.excluded.is_empty();
        let are_different = are_different(lines);
        if is_plain
            && are_different
            && let Some(sourced) = self.one_location_at_once(request, lines)
        {
            return Ok(sourced);
        }
        sum_per_sku(lines, scratch)?;
        if is_plain {
            if !are_different && let Some(sourced) = self.one_location_at_once(request, &scratch.demands) {
                return Ok(sourced);
            }
            if let Some(sourced) = self.one_location_of_several(request, scratch) {
                return Ok(sourced);
            }
        }
        self.source_slowly(request, lines, scratch)
    }

    /// The cases that most catalogues have, each SKU being wanted once: every SKU has one level, all at the same location, or
    /// all are at the same locations.
    #[inline]
    fn one_location_at_once<W: Wanted>(&self, request: &Request<'_>, wanted: &[W]) -> Option<Sourced> {
        let mut location = LocationHandle::NONE;
        for of in wanted {
            let Some(&row) = self.stock.only_row(self.catalogue.sku(of.sku())?) else {
                return self.one_of_same_locations(request, wanted);
            };
            let is_same = location.is_none() || row.location() == location;
            if !row.has(of.units().into()) || !is_same {
                return None;
            }
            location = row.location();
        }
        let takes_orders = self.catalogue.location(location)?.takes_orders(day_of(request.now_us));
        takes_orders.then_some(Sourced { location, rule: DecidingRule::OnlyChoice })
    }

    fn preference(&self, request: &Request<'_>) -> Preference<'_> {
        Preference {
            locations: self.catalogue.locations(),
            rules: &self.settings.rules_for(request.seller).rules,
            region: request.region,
            day: day_of(request.now_us),
        }
    }

    /// Another frequent case: SKUs are at several locations, and the best of the first round covers all of them. It is the
    /// first round as `rounds` plays it, with nothing kept for a second one.
    fn one_location_of_several(
        &self,
        request: &Request<'_>,
        scratch: &mut SourcingScratch,
    ) -> Option<Sourced> {
        let preference = self.preference(request);
        let SourcingScratch { demands, location_counts: counts, touched, .. } = scratch;
        touched.clear();
        if !self.count_by_location(demands, &preference, counts, touched) {
            return None;
        }
        let (location, count, rule) = preference.leave_best(touched)?;
        (count as usize == demands.len()).then_some(Sourced { location, rule })
    }

    /// Finds how many SKUs each candidate covers, wherever they are. Says whether each SKU is covered somewhere.
    fn count_by_location(
        &self,
        demands: &[Demand],
        preference: &Preference<'_>,
        counts: &mut Vec<u32>,
        found: &mut Vec<(LocationHandle, u32)>,
    ) -> bool {
        if counts.len() < self.catalogue.locations().len() {
            counts.resize(self.catalogue.locations().len(), 0);
        }
        let is_covered = demands.iter().all(|demand| {
            let mut is_covered = false;
            for row in self.rows_of(demand.sku) {
                if row.has(demand.units) {
                    let count = &mut counts[row.location().index()];
                    if *count == 0 {
                        found.push((row.location(), 0));
                    }
                    *count += 1;
                    is_covered = true;
                }
            }
            is_covered
        });
        // The counts go back to zero, whatever comes of it.
        found.iter_mut().for_each(|(location, count)| *count = std::mem::take(&mut counts[location.index()]));
        found.retain(|&(location, _)| preference.is_candidate(location));
        is_covered
    }

    /// The rows of a SKU's levels; none if there is no such SKU.
    #[inline]
    pub(super) fn rows_of(&self, sku: SkuHandle) -> &[Row] {
        self.catalogue.sku(sku).map_or(&[], |sku| self.stock.rows(sku))
    }

    /// Holds what a placement or a reservation was given.
    #[inline]
    pub(super) fn hold_units<W: Wanted>(
        &mut self,
        location: LocationHandle,
        lines: &[W],
        allocations: &[Allocation],
    ) {
        let mut place = LevelPlace::FIRST;
        if !location.is_none() {
            for line in lines {
                let units = line.units().into();
                place = self.stock.reserve_near(&mut self.catalogue, line.sku(), location, place, units);
            }
            return;
        }
        for part in allocations {
            let (sku, units) = (lines[usize::from(part.line.get())].sku(), part.quantity.get().into());
            place = self.stock.reserve_near(&mut self.catalogue, sku, part.location, place, units);
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

/// Whether a few lines are of different SKUs; of more it is not asked.
#[inline]
fn are_different<W: Wanted>(lines: &[W]) -> bool {
    let is_new = |at: usize| lines[..at].iter().all(|line| line.sku() != lines[at].sku());
    lines.len() <= COMPARED_LINES_MAX && (1..lines.len()).all(is_new)
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
