//! Sourcing: which location ships what. Rules are tried in order, the first that can serve the whole order decides:
//!
//! 1. one location that has everything (among several: the lowest priority number, then the lowest handle);
//! 2. for each SKU the first location in that rank that has enough of it;
//! 3. a SKU that no single location has enough of is taken from several, in that rank.
//!
//! The work is bounded by the levels of the order's SKUs, each looked at once a rule.

use orderline_protocol::command::{OrderLine, PlaceOrder};
use orderline_protocol::event::{Allocation, Event, OrderPlaced, Origin, SourcingRule};
use orderline_protocol::limits::LINE_QUANTITY_MAX;
use orderline_protocol::{LocationHandle, RejectCode, SkuHandle};

use super::catalogue::NO_LEVEL;
use super::decide::{Scratch, write};
use super::{Rejection, State};

/// Units of one SKU that an order wants, over all its lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    sku: SkuHandle,
    units: u64,
    /// The first line that wants it: the one that a rejection names.
    first_line: u32,
}

/// Up to here each line is compared with the SKUs before it; beyond, lines are sorted by SKU.
const COMPARED_LINES_MAX: usize = 16;

impl State {
    /// Finds where a checked placement ships from and writes its event.
    #[inline]
    pub(super) fn source(
        &self,
        head: &PlaceOrder,
        lines: &[OrderLine],
        origin: Origin,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), Rejection> {
        sum_per_sku(lines, scratch)?;
        let (location, rule) = match self.one_location_at_once(&scratch.demands) {
            Some(location) => (location, SourcingRule::WholeOrder),
            None => self.source_slowly(lines, scratch)?,
        };
        let allocations: &[Allocation] = if location.is_none() { &scratch.allocations } else { &[] };
        // An order has at most 2,000 lines, but each may be split over many locations.
        let Ok(allocation_count) = u16::try_from(allocations.len()) else {
            return Err(Rejection::new(RejectCode::TooManyLines).with(allocations.len() as u64));
        };
        let event = OrderPlaced {
            origin,
            placement: *head,
            location,
            allocation_count: allocation_count.into(),
            rule: rule as u8,
            reserved: 0,
        };
        write(Event::OrderPlaced(&event, lines, allocations), out);
        Ok(())
    }

    /// The case that most catalogues have: every SKU has one level, all at the same active location.
    #[inline]
    fn one_location_at_once(&self, demands: &[Demand]) -> Option<LocationHandle> {
        let mut location = LocationHandle::NONE;
        for demand in demands {
            let first = self.catalogue.sku(demand.sku)?.first_level;
            if first == NO_LEVEL {
                return None;
            }
            let level = self.stock.level(first);
            let is_same = location.is_none() || level.location == location;
            if level.next != NO_LEVEL || level.available < demand.units || !is_same {
                return None;
            }
            location = level.location;
        }
        self.catalogue.location_is_active(location).then_some(location)
    }

    #[cold]
    fn source_slowly(
        &self,
        lines: &[OrderLine],
        scratch: &mut Scratch,
    ) -> Result<(LocationHandle, SourcingRule), Rejection> {
        if let Some(location) = self.one_location_for_all(scratch) {
            return Ok((location, SourcingRule::WholeOrder));
        }
        scratch.allocations.clear();
        let mut rule = SourcingRule::PerSku;
        let demands = std::mem::take(&mut scratch.demands);
        let allocated = demands.iter().try_for_each(|demand| {
            if self.allocate(demand, lines, scratch)? {
                rule = SourcingRule::SplitSku;
            }
            Ok(())
        });
        scratch.demands = demands;
        allocated?;
        scratch.allocations.sort_unstable_by_key(|part| (part.line.get(), part.location.get()));
        Ok((LocationHandle::NONE, rule))
    }

    fn one_location_for_all(&self, scratch: &mut Scratch) -> Option<LocationHandle> {
        scratch.location_counts.resize(self.catalogue.locations().len(), 0);
        for demand in &scratch.demands {
            for level in self.stock.levels_of(&self.catalogue, demand.sku) {
                if level.available >= demand.units && self.catalogue.location_is_active(level.location) {
                    let count = &mut scratch.location_counts[level.location.index()];
                    if *count == 0 {
                        scratch.locations_touched.push(level.location);
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
            .min_by_key(|&location| self.catalogue.location_rank(location));
        for location in scratch.locations_touched.drain(..) {
            scratch.location_counts[location.index()] = 0;
        }
        best
    }

    /// Takes a SKU's units from its best location, or from several; says whether it was several.
    fn allocate(
        &self,
        demand: &Demand,
        lines: &[OrderLine],
        scratch: &mut Scratch,
    ) -> Result<bool, Rejection> {
        scratch.candidates.clear();
        for level in self.stock.levels_of(&self.catalogue, demand.sku) {
            if level.available > 0 && self.catalogue.location_is_active(level.location) {
                let rank = self.catalogue.location_rank(level.location);
                scratch.candidates.push((rank, level.location, level.available));
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
        let split = enough.is_none();
        if let Some(best) = enough {
            scratch.candidates.clear();
            scratch.candidates.push(best);
        }
        // The SKU's lines draw on its locations one after the other.
        let mut sources = scratch.candidates.iter().map(|&(_, location, available)| (location, available));
        let mut source = sources.next();
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.sku == demand.sku) {
            let mut wanted = u64::from(line.quantity.get());
            while wanted > 0 {
                let Some((location, left)) = source else {
                    panic!("the candidates hold what was summed over them");
                };
                let units = wanted.min(left);
                if units > 0 {
                    scratch.allocations.push(Allocation {
                        line: (index as u16).into(),
                        reserved: [0; 2],
                        location,
                        quantity: (units as u32).into(),
                    });
                }
                wanted -= units;
                source = if left > units { Some((location, left - units)) } else { sources.next() };
            }
        }
        Ok(split)
    }
}

/// Sums the lines per SKU into the scratch's demands, in the order of their first lines.
#[inline]
fn sum_per_sku(lines: &[OrderLine], scratch: &mut Scratch) -> Result<(), Rejection> {
    scratch.demands.clear();
    if lines.len() > COMPARED_LINES_MAX {
        return sum_sorted(lines, scratch);
    }
    for (index, line) in lines.iter().enumerate() {
        let units = u64::from(line.quantity.get());
        match scratch.demands.iter_mut().find(|demand| demand.sku == line.sku) {
            Some(demand) => {
                demand.units += units;
                check_sum(demand.units, index as u32)?;
            }
            None => scratch.demands.push(Demand { sku: line.sku, units, first_line: index as u32 }),
        }
    }
    Ok(())
}

#[cold]
fn sum_sorted(lines: &[OrderLine], scratch: &mut Scratch) -> Result<(), Rejection> {
    scratch.by_sku.clear();
    let keyed = lines.iter().enumerate().map(|(index, line)| (line.sku.get(), index as u32));
    scratch.by_sku.extend(keyed);
    scratch.by_sku.sort_unstable();
    for &(sku, index) in &scratch.by_sku {
        let units = u64::from(lines[index as usize].quantity.get());
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
