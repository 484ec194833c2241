//! Sourcing from several locations: the rounds of covering, then the splits, by the rules of `docs/domain.md`.
//!
//! Every level of the wanted SKUs is looked at once and kept while it counts. How many SKUs a location covers is counted
//! down as they are placed, so that a round costs as much as there are locations, and all rounds together as much as there
//! are levels.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use orderline_protocol::command::SourcingRule;
use orderline_protocol::event::DecidingRule;
use orderline_protocol::limits::{BUCKET_QUANTITY_MAX, CART_LINES_MAX, ORDER_LINES_MAX};
use orderline_protocol::{LocationHandle, RejectCode, SkuHandle};

use super::decide::Refusable;
use super::sourcing::{ALLOCATIONS_MAX, Backordering, Demand, Merit, Preference, Request};
use super::stock::Row;
use super::{Rejection, State};

/// A location that can be chosen.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    location: LocationHandle,
    /// How it stands if how many SKUs it covers is left aside.
    merit: Merit,
    /// Its place among all candidates by that: the best has 0.
    rank: u32,
    /// The same by those rules alone that are asked before that number is; equal ones have the same.
    class: u32,
    /// SKUs that are not placed yet and that it covers.
    covers: u32,
}

/// What is known of one demand.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Its rows: of one that some candidate covers, of those that do; else of all that have any.
    first_row: usize,
    end_row: usize,
    /// Whether some candidate covers it.
    is_covered: bool,
    /// Where the rounds have placed it; NONE: not yet, or it is split.
    location: LocationHandle,
    /// Where its units come from, as far as nobody has drawn them yet.
    first_source: usize,
    end_source: usize,
}

/// Marks a location, in place of its candidate, that is not one.
const NO_CANDIDATE: u32 = u32::MAX;

/// Rows that the scratch keeps room for between decisions. The largest orders over the most locations need more.
const KEPT_ROWS: usize = 1 << 16;

// Demands are numbered in 16 bits.
const _: () = assert!(ORDER_LINES_MAX <= 1 << 16 && CART_LINES_MAX <= 1 << 16);

/// Where the rounds are played, and what they came to.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// By location: its candidate's number, from 1; 0: not looked at yet. All zeros but for those looked at.
    candidate_of: Vec<u32>,
    looked_at: Vec<LocationHandle>,
    candidates: Vec<Candidate>,
    /// Candidates' numbers, the best first.
    by_rank: Vec<u32>,
    /// Those of them that cover something, in the same order.
    open: Vec<u32>,
    /// By demand.
    parts: Vec<Part>,
    /// Location, and what the asker can have there.
    rows: Vec<Row>,
    /// By candidate: where the demands that it covers begin in the list.
    covered_first: Vec<u32>,
    covered: Vec<u16>,
    /// A split SKU's locations: rank, units.
    split: BinaryHeap<Reverse<(u32, u64)>>,
    /// Where units come from.
    sources: Vec<(LocationHandle, u64)>,
    /// Whether something is backordered.
    is_lacking: bool,
}

impl State {
    /// Places each demand at one location, or splits it over several, as far as there is enough; the rest is backordered.
    ///
    /// # Errors
    /// [`RejectCode::InsufficientStock`] or [`RejectCode::CapacityExhausted`] for the first demand of which there is too
    /// little; [`RejectCode::TooManyLines`] if it would come from too many places.
    pub(super) fn source_in_rounds(
        &self,
        request: &Request<'_>,
        preference: &Preference<'_>,
        demands: &[Demand],
        rounds: &mut Rounds,
    ) -> Refusable<DecidingRule> {
        rounds.begin(self.catalogue.locations().len(), request.excluded);
        for demand in demands {
            self.look_at(request, preference, demand, rounds)?;
        }
        rounds.rank(preference);
        rounds.list_covered();
        let rule = rounds.cover(preference);
        let rule_of_splits = rounds.take_units(preference, demands)?;
        Ok(rule.or(rule_of_splits).unwrap_or(DecidingRule::Backorder))
    }

    /// Keeps the rows of a demand that matter, and refuses it if there is too little.
    fn look_at(
        &self,
        request: &Request<'_>,
        preference: &Preference<'_>,
        demand: &Demand,
        rounds: &mut Rounds,
    ) -> Refusable<()> {
        let first_row = rounds.rows.len();
        let (mut there, mut is_covered) = (0, false);
        let own = own_of_sku(request, demand.sku);
        for row in self.rows_of(demand.sku) {
            let units = units_for(own, row);
            if units > 0 && rounds.candidate(preference, row.location()).is_some() {
                there += units;
                is_covered |= units >= demand.units;
                rounds.rows.push(Row::new(row.location(), units as i64));
            }
        }
        if there < demand.units {
            self.check_lack(request, demand, demand.units - there)?;
            rounds.is_lacking = true;
        }
        if is_covered {
            rounds.keep_covering(first_row, demand.units);
        }
        rounds.parts.push(Part {
            first_row,
            end_row: rounds.rows.len(),
            is_covered,
            location: LocationHandle::NONE,
            first_source: 0,
            end_source: 0,
        });
        Ok(())
    }

    /// Whether units that no candidate has may be promised all the same.
    fn check_lack(&self, request: &Request<'_>, demand: &Demand, lack: u64) -> Refusable<()> {
        let is_allowed = match request.backordering {
            Backordering::Never => false,
            Backordering::Always => true,
            Backordering::WithinCap => {
                let cap = self.catalogue.sku_backorder_cap(demand.sku);
                self.backorders.units(demand.sku) + lack <= u64::from(cap)
            }
        };
        if is_allowed {
            return Ok(());
        }
        let own = own_of_sku(request, demand.sku);
        let is_active = |location: LocationHandle| {
            self.catalogue.location(location).is_some_and(|location| location.is_active())
        };
        let serves = |row: &&Row| is_active(row.location()) && !request.excluded.contains(&row.location());
        let there: u64 = self.rows_of(demand.sku).iter().filter(serves).map(|row| units_for(own, row)).sum();
        if there >= demand.units {
            return Err(Rejection::new(RejectCode::CapacityExhausted).about(demand.first_line));
        }
        Err(Rejection::new(RejectCode::InsufficientStock).about(demand.first_line).with(there))
    }
}

/// The asker's own units of a SKU, by location.
fn own_of_sku<'a>(request: &Request<'a>, sku: SkuHandle) -> &'a [(SkuHandle, LocationHandle, u64)] {
    let own = request.own;
    let first = own.partition_point(|of| of.0 < sku);
    let end = own.partition_point(|of| of.0 <= sku);
    &own[first..end]
}

/// What an asker with these units of its own can have of a row. No sum of it over 2^16 locations leaves 64 bits.
fn units_for(own: &[(SkuHandle, LocationHandle, u64)], row: &Row) -> u64 {
    let place = own.binary_search_by_key(&row.location(), |of| of.1);
    let own_units = place.map_or(0, |place| own[place].2);
    let units = i128::from(row.available()) + i128::from(own_units);
    units.clamp(0, BUCKET_QUANTITY_MAX.into()) as u64
}

impl Rounds {
    fn begin(&mut self, location_count: usize, excluded: &[LocationHandle]) {
        for location in self.looked_at.drain(..) {
            self.candidate_of[location.index()] = 0;
        }
        if self.candidate_of.len() < location_count {
            self.candidate_of.resize(location_count, 0);
        }
        for &location in excluded {
            self.candidate_of[location.index()] = NO_CANDIDATE;
            self.looked_at.push(location);
        }
        self.candidates.clear();
        self.parts.clear();
        self.rows.clear();
        self.rows.shrink_to(KEPT_ROWS);
        self.covered.clear();
        self.covered.shrink_to(KEPT_ROWS);
        self.sources.clear();
        self.is_lacking = false;
    }

    /// The number of a location's candidate, if it is one.
    fn candidate(&mut self, preference: &Preference<'_>, location: LocationHandle) -> Option<usize> {
        let number = &mut self.candidate_of[location.index()];
        if *number == 0 {
            self.looked_at.push(location);
            *number = NO_CANDIDATE;
            if preference.is_candidate(location) {
                let merit = preference.merit(location, 0);
                self.candidates.push(Candidate { location, merit, rank: 0, class: 0, covers: 0 });
                *number = self.candidates.len() as u32;
            }
        }
        (*number != NO_CANDIDATE).then(|| *number as usize - 1)
    }

    fn candidate_at(&self, row: usize) -> usize {
        self.candidate_of[self.rows[row].location().index()] as usize - 1
    }

    /// Of the rows behind a place, keeps those that have this many units, and counts them.
    fn keep_covering(&mut self, first: usize, units: u64) {
        let mut end = first;
        for row in first..self.rows.len() {
            if self.rows[row].available() as u64 >= units {
                let candidate = self.candidate_at(row);
                self.candidates[candidate].covers += 1;
                self.rows.swap(end, row);
                end += 1;
            }
        }
        self.rows.truncate(end);
    }

    /// Ranks the candidates by all that stays the same over the rounds.
    fn rank(&mut self, preference: &Preference<'_>) {
        let Self { candidates, by_rank, .. } = self;
        by_rank.clear();
        by_rank.extend(0..candidates.len() as u32);
        by_rank.sort_unstable_by_key(|&number| candidates[number as usize].merit);
        let counts = preference.rules().any(|rule| rule == SourcingRule::FewestPackages);
        let mut class = 0;
        for rank in 0..by_rank.len() {
            let merit_at = |rank: usize| candidates[by_rank[rank] as usize].merit;
            let (last, this) = (merit_at(rank.saturating_sub(1)), merit_at(rank));
            // The rules before the count come first in the ranking, too, so that equal ones stand side by side.
            if rank > 0 && (!counts || preference.differ_before_count(last, this)) {
                class += 1;
            }
            let candidate = &mut candidates[by_rank[rank] as usize];
            (candidate.rank, candidate.class) = (rank as u32, class);
        }
    }

    /// Lists for each candidate the demands that it covers.
    fn list_covered(&mut self) {
        self.covered_first.clear();
        let mut sum = 0;
        for candidate in &self.candidates {
            sum += candidate.covers;
            self.covered_first.push(sum);
        }
        self.covered.resize(sum as usize, 0);
        // Each list is filled from behind, so that its end becomes its beginning.
        for (number, part) in self.parts.iter().enumerate().filter(|(_, part)| part.is_covered) {
            for row in part.first_row..part.end_row {
                let candidate = self.candidate_of[self.rows[row].location().index()] as usize - 1;
                self.covered_first[candidate] -= 1;
                self.covered[self.covered_first[candidate] as usize] = number as u16;
            }
        }
        self.covered_first.push(sum);
    }

    /// Plays the rounds: as long as some candidate covers something, the best of those gets all that it covers. Returns
    /// what decided the first round, if there was one.
    fn cover(&mut self, preference: &Preference<'_>) -> Option<DecidingRule> {
        let mut rule = None;
        self.open.clone_from(&self.by_rank);
        loop {
            self.open.retain(|&number| self.candidates[number as usize].covers > 0);
            let key = |number: u32| {
                let Candidate { class, covers, rank, .. } = self.candidates[number as usize];
                (class, Reverse(covers), rank)
            };
            let Some(best) = self.open.iter().copied().min_by_key(|&number| key(number)) else {
                return rule;
            };
            if rule.is_none() {
                let others = self.open.iter().copied().filter(|&number| number != best);
                let of = |number: u32| {
                    let candidate = &self.candidates[number as usize];
                    preference.merit(candidate.location, candidate.covers)
                };
                let second = others.min_by_key(|&number| key(number));
                rule =
                    Some(second.map_or(DecidingRule::OnlyChoice, |second| {
                        preference.deciding(of(best), of(second))
                    }));
            }
            self.choose(best as usize);
        }
    }

    /// Places at a candidate all that it covers.
    fn choose(&mut self, best: usize) {
        let location = self.candidates[best].location;
        for at in self.covered_first[best]..self.covered_first[best + 1] {
            let part = &mut self.parts[usize::from(self.covered[at as usize])];
            if !part.location.is_none() {
                continue;
            }
            part.location = location;
            for row in part.first_row..part.end_row {
                let candidate = self.candidate_of[self.rows[row].location().index()] as usize - 1;
                self.candidates[candidate].covers -= 1;
            }
        }
    }

    /// Takes each demand's units from where it was placed, or from several locations, best first. Returns what decided the
    /// first split.
    fn take_units(
        &mut self,
        preference: &Preference<'_>,
        demands: &[Demand],
    ) -> Refusable<Option<DecidingRule>> {
        let mut rule = None;
        for (number, demand) in demands.iter().enumerate() {
            let first_source = self.sources.len();
            let location = self.parts[number].location;
            if location.is_none() {
                let rule_here = self.split(preference, number, demand.units)?;
                rule = rule.or(rule_here);
            } else {
                self.sources.push((location, demand.units));
            }
            let part = &mut self.parts[number];
            (part.first_source, part.end_source) = (first_source, self.sources.len());
        }
        Ok(rule)
    }

    /// Takes units of a demand that nobody covers; returns what decided where the first of them come from.
    fn split(
        &mut self,
        preference: &Preference<'_>,
        number: usize,
        units: u64,
    ) -> Refusable<Option<DecidingRule>> {
        let Self { candidate_of, candidates, by_rank, parts, rows, split, sources, .. } = self;
        let rows = &rows[parts[number].first_row..parts[number].end_row];
        split.clear();
        split.extend(rows.iter().map(|row| {
            let candidate = candidate_of[row.location().index()] as usize - 1;
            Reverse((candidates[candidate].rank, row.available() as u64))
        }));
        let location_of = |rank: u32| candidates[by_rank[rank as usize] as usize].location;
        let merit_of = |rank: u32| candidates[by_rank[rank as usize] as usize].merit;
        let (mut rule, mut left) = (None, units);
        while left > 0 {
            let Some(Reverse((rank, there))) = split.pop() else { break };
            if rule.is_none() {
                rule = Some(split.peek().map_or(DecidingRule::OnlyChoice, |Reverse((second, _))| {
                    preference.deciding(merit_of(rank), merit_of(*second))
                }));
            }
            let taken = left.min(there);
            left -= taken;
            sources.push((location_of(rank), taken));
            if sources.len() > ALLOCATIONS_MAX {
                return Err(Rejection::new(RejectCode::TooManyLines).with(sources.len() as u64));
            }
        }
        Ok(rule)
    }

    /// The one location that has everything, if it came to that.
    pub(super) fn only_location(&self) -> Option<LocationHandle> {
        let &(only, _) = self.sources.first()?;
        let is_only = !self.is_lacking && self.sources.iter().all(|&(location, _)| location == only);
        is_only.then_some(only)
    }

    /// Draws units of a demand for one of its lines, as far as there are any left.
    pub(super) fn draw(&mut self, demand: usize, units: u32, mut give: impl FnMut(LocationHandle, u32)) {
        let part = &mut self.parts[demand];
        let mut wanted = units;
        while wanted > 0 && part.first_source < part.end_source {
            let (location, left) = &mut self.sources[part.first_source];
            let given = u64::from(wanted).min(*left);
            give(*location, given as u32);
            wanted -= given as u32;
            *left -= given;
            if *left == 0 {
                part.first_source += 1;
            }
        }
    }
}
