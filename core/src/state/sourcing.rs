//! Sourcing: which location ships what, by the rules of `docs/domain.md`.

use orderline_protocol::command::{CartLine, OrderLine};
use orderline_protocol::event::{Allocation, DecidingRule};
use orderline_protocol::limits::LINE_QUANTITY_MAX;
use orderline_protocol::{LocationHandle, RejectCode, SellerHandle, SkuHandle};

use super::decide::Refusable;
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
pub struct SourcingScratch {
    /// What is wanted, summed per SKU.
    demands: Vec<Demand>,
    /// Lines by SKU, for orders too long to compare line with line.
    by_sku: Vec<(u32, u32)>,
    /// Candidates among a SKU's levels: rank, location, available.
    candidates: Vec<((u32, u16), LocationHandle, u64)>,
    /// By location: how many SKUs of the order it has enough of. All zeros between decisions.
    location_counts: Vec<u32>,
    /// Which of the counts are not zero.
    locations_touched: Vec<LocationHandle>,
    /// Units of lines by location, sorted by line and location, when no location has everything.
    pub(super) allocations: Vec<Allocation>,
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
struct Demand {
    sku: SkuHandle,
    units: u64,
    /// The first line that wants it: the one that a rejection names.
    first_line: u32,
}

/// Up to here each line is compared with the SKUs before it; beyond, lines are sorted by SKU.
const COMPARED_LINES_MAX: usize = 16;

impl State {
    /// Finds where checked lines ship from.
    #[inline]
    pub(super) fn source<W: Wanted>(
        &self,
        request: &Request<'_>,
        lines: &[W],
        scratch: &mut SourcingScratch,
    ) -> Refusable<Sourced> {
        sum_per_sku(lines, scratch)?;
        if request.own.is_empty()
            && request.excluded.is_empty()
            && let Some(location) = self.one_location_at_once(&scratch.demands, day_of(request.now_us))
        {
            return Ok(Sourced { location, rule: DecidingRule::OnlyChoice });
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

    /// Holds what a placement or a reservation was given, and counts it at each location once.
    #[inline]
    pub(super) fn hold_units<W: Wanted>(
        &mut self,
        at_us: i64,
        location: LocationHandle,
        lines: &[W],
        allocations: &[Allocation],
    ) {
        if !location.is_none() {
            for line in lines {
                self.stock.reserve(&mut self.catalogue, line.sku(), location, line.units().into());
            }
            self.catalogue.count_order(location, day_of(at_us));
            return;
        }
        for part in allocations {
            let sku = lines[usize::from(part.line.get())].sku();
            self.stock.reserve(&mut self.catalogue, sku, part.location, part.quantity.get().into());
        }
        self.count_locations(at_us, allocations);
    }

    /// Counts an order at each of the locations that it got units of.
    pub(super) fn count_locations(&mut self, at_us: i64, allocations: &[Allocation]) {
        let mut locations: Vec<LocationHandle> = allocations.iter().map(|part| part.location).collect();
        locations.retain(|location| !location.is_none());
        locations.sort_unstable();
        locations.dedup();
        for location in locations {
            self.catalogue.count_order(location, day_of(at_us));
        }
    }

    #[cold]
    fn source_slowly<W: Wanted>(
        &self,
        _request: &Request<'_>,
        lines: &[W],
        scratch: &mut SourcingScratch,
    ) -> Refusable<Sourced> {
        if let Some(location) = self.one_location_for_all(scratch) {
            return Ok(Sourced { location, rule: DecidingRule::Priority });
        }
        scratch.allocations.clear();
        let demands = std::mem::take(&mut scratch.demands);
        let allocated = demands.iter().try_for_each(|demand| self.allocate(demand, lines, scratch));
        scratch.demands = demands;
        allocated?;
        scratch.allocations.sort_unstable_by_key(|part| (part.line.get(), part.location.get()));
        Ok(Sourced { location: LocationHandle::NONE, rule: DecidingRule::Priority })
    }

    fn one_location_for_all(&self, scratch: &mut SourcingScratch) -> Option<LocationHandle> {
        scratch.location_counts.resize(self.catalogue.locations().len(), 0);
        for demand in &scratch.demands {
            for row in self.catalogue.sku(demand.sku).map_or(&[][..], |sku| self.stock.rows(sku)) {
                let location = row.location();
                if row.available() >= demand.units as i64 && self.catalogue.locations()[location.index()].is_active() {
                    let count = &mut scratch.location_counts[location.index()];
                    if *count == 0 {
                        scratch.locations_touched.push(location);
                    }
                    *count += 1;
                }
            }
        }
        let everything = scratch.demands.len() as u32;
        let best = scratch
            .locations_touched
            .iter()
            .copied()
            .filter(|location| scratch.location_counts[location.index()] == everything)
            .min_by_key(|&location| self.rank(location));
        for location in scratch.locations_touched.drain(..) {
            scratch.location_counts[location.index()] = 0;
        }
        best
    }

    fn rank(&self, location: LocationHandle) -> (u32, u16) {
        (self.catalogue.locations()[location.index()].definition.priority.get(), location.get())
    }

    /// Takes a SKU's units from its best location, or from several.
    fn allocate<W: Wanted>(
        &self,
        demand: &Demand,
        lines: &[W],
        scratch: &mut SourcingScratch,
    ) -> Refusable<()> {
        scratch.candidates.clear();
        for row in self.catalogue.sku(demand.sku).map_or(&[][..], |sku| self.stock.rows(sku)) {
            let location = row.location();
            if row.available() > 0 && self.catalogue.locations()[location.index()].is_active() {
                scratch.candidates.push((self.rank(location), location, row.available() as u64));
            }
        }
        // 2^16 locations of at most 2^62 units each: the sum needs more than 64 bits.
        let available: u128 = scratch.candidates.iter().map(|&(_, _, available)| u128::from(available)).sum();
        if available < u128::from(demand.units) {
            return Err(Rejection::new(RejectCode::InsufficientStock)
                .about(demand.first_line)
                .with(available as u64));
        }
        scratch.candidates.sort_unstable();
        let enough = scratch.candidates.iter().find(|&&(_, _, available)| available >= demand.units).copied();
        if let Some(best) = enough {
            scratch.candidates.clear();
            scratch.candidates.push(best);
        }
        // The SKU's lines draw on its locations one after the other.
        let mut sources = scratch.candidates.iter().map(|&(_, location, available)| (location, available));
        let mut source = sources.next();
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.sku() == demand.sku) {
            let mut wanted = u64::from(line.units());
            while wanted > 0 {
                let Some((location, left)) = source else {
                    panic!("the candidates hold what was summed over them");
                };
                let units = wanted.min(left);
                if units > 0 {
                    scratch.allocations.push(Allocation {
                        line: (index as u16).into(),
                        location,
                        quantity: (units as u32).into(),
                    });
                }
                wanted -= units;
                source = if left > units { Some((location, left - units)) } else { sources.next() };
            }
        }
        Ok(())
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
    for &(sku, index) in &scratch.by_sku {
        let units = u64::from(lines[index as usize].units());
        match scratch.demands.last_mut() {
            Some(demand) if demand.sku.get() == sku => {
                demand.units += units;
                check_sum(demand.units, index)?;
            }
            _ => scratch.demands.push(Demand { sku: SkuHandle::new(sku), units, first_line: index }),
        }
    }
    scratch.demands.sort_unstable_by_key(|demand| demand.first_line);
    Ok(())
}

fn check_sum(units: u64, line: u32) -> Result<(), Rejection> {
    if units > u64::from(LINE_QUANTITY_MAX) {
        return Err(Rejection::new(RejectCode::QuantityTooLarge).about(line));
    }
    Ok(())
}
