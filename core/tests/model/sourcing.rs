//! Sourcing: which locations units are taken from, and who gets what comes free for backordered ones.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use orderline_protocol::RejectCode;
use orderline_protocol::command::SourcingRule;
use orderline_protocol::event::DecidingRule;
use orderline_protocol::lifecycle::OrderState;
use orderline_protocol::reply::SaleStanding;

use crate::model::{Model, Rare, Refused};
use crate::orders::Order;

/// Units wanted for one line.
#[derive(Debug, Clone, Copy)]
pub struct Want {
    pub line: usize,
    pub sku: u32,
    pub units: u32,
}

/// Whether what nobody has may be promised all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backorder {
    Never,
    WithinCap,
    Always,
}

/// What is asked of sourcing besides the units.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Where it goes to; 0: not said.
    pub region: u16,
    pub rules: &'a [SourcingRule],
    /// Locations that have rejected the order.
    pub left_out: &'a BTreeSet<u16>,
    pub backorder: Backorder,
    /// Units that count as available besides those that are.
    pub freed: &'a BTreeMap<(u32, u16), i64>,
}

/// Where the units are taken.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Line, location, units: for each line in the order in which locations were chosen.
    pub taken: Vec<(usize, u16, u32)>,
    /// Line, units.
    pub backordered: Vec<(usize, u32)>,
    pub rule: DecidingRule,
}

/// Wanted units of one SKU over all lines.
struct Sum {
    sku: u32,
    units: i64,
    first_line: usize,
    /// Where they were placed, in the order in which the locations were chosen.
    placed: Vec<(u16, i64)>,
    is_placed: bool,
}

impl Model {
    /// The day of the recorded time, in UTC.
    fn today(&self) -> i64 {
        self.now_us.div_euclid(86_400_000_000)
    }

    /// How many orders more a location takes today; `None`: without a bound.
    fn orders_left(&self, location: u16) -> Option<u64> {
        let capacity = self.locations[usize::from(location)].daily_capacity;
        let served = self.served.get(&(self.today(), location)).copied().unwrap_or(0);
        (capacity != 0).then(|| u64::from(capacity).saturating_sub(served))
    }

    /// An order got units of a location today.
    pub fn note_served(&mut self, location: u16, order: &Order) {
        // It counts once for each time that it comes to a location where it has nothing yet.
        if !order.has_units_at(location) {
            self.serve(location);
        }
    }

    /// A location takes one order more today.
    pub fn serve(&mut self, location: u16) {
        let today = self.today();
        self.served.retain(|&(day, _), _| day == today);
        *self.served.entry((today, location)).or_default() += 1;
    }

    fn all_locations(&self) -> impl Iterator<Item = u16> + use<> {
        0..self.locations.len() as u16
    }

    /// Backordered units of a SKU over all orders.
    pub fn backordered(&self, sku: u32) -> u64 {
        let lines = self.orders.values().flat_map(|order| &order.lines);
        lines.filter(|line| line.sku == sku).map(|line| u64::from(line.backordered)).sum()
    }

    /// What can be bought of a SKU: units at active locations, units that may be backordered, and whether it is sold.
    pub fn availability(&self, sku: u32) -> (i64, u64, SaleStanding) {
        let Some(of) = self.skus.get(sku as usize) else { return (0, 0, SaleStanding::UnknownSku) };
        let open = self.all_locations().filter(|&location| self.locations[usize::from(location)].is_active);
        let units = open.map(|location| self.level((sku, location)).available.max(0)).sum();
        let standing = if !of.is_active {
            SaleStanding::SkuRetired
        } else if self.sellers[of.seller as usize].is_active {
            SaleStanding::OnSale
        } else {
            SaleStanding::SellerSuspended
        };
        (units, u64::from(of.backorder_cap).saturating_sub(self.backordered(sku)), standing)
    }

    /// Which of two locations is better, and by what. `covers`: how many of the SKUs not placed yet each covers, where
    /// that says anything.
    fn compare(
        &self,
        request: &Request<'_>,
        covers: Option<&dyn Fn(u16) -> usize>,
        a: u16,
        b: u16,
    ) -> (Ordering, DecidingRule) {
        let priority = |location: u16| self.locations[usize::from(location)].priority;
        for rule in request.rules {
            let (order, decided) = match rule {
                SourcingRule::FewestPackages => match covers {
                    Some(covers) => (covers(b).cmp(&covers(a)), DecidingRule::FewestPackages),
                    None => (Ordering::Equal, DecidingRule::FewestPackages),
                },
                SourcingRule::SameRegion => {
                    let same = |location: u16| {
                        request.region != 0 && self.locations[usize::from(location)].region == request.region
                    };
                    (same(b).cmp(&same(a)), DecidingRule::SameRegion)
                }
                SourcingRule::Priority => (priority(a).cmp(&priority(b)), DecidingRule::Priority),
                SourcingRule::Capacity => {
                    let left = |location: u16| self.orders_left(location).unwrap_or(u64::MAX);
                    (left(b).cmp(&left(a)), DecidingRule::Capacity)
                }
            };
            if order != Ordering::Equal {
                return (order, decided);
            }
        }
        match priority(a).cmp(&priority(b)) {
            Ordering::Equal => (a.cmp(&b), DecidingRule::Handle),
            order => (order, DecidingRule::Priority),
        }
    }

    /// The choices, best first, and the rule by which the best beat the best of the others.
    fn rank(
        &self,
        request: &Request<'_>,
        covers: Option<&dyn Fn(u16) -> usize>,
        mut choices: Vec<u16>,
    ) -> (Vec<u16>, DecidingRule) {
        choices.sort_by(|&a, &b| self.compare(request, covers, a, b).0);
        let rule = match choices[..] {
            [best, second, ..] => self.compare(request, covers, best, second).1,
            _ => DecidingRule::OnlyChoice,
        };
        (choices, rule)
    }

    /// Finds a place for every unit, or refuses the whole.
    pub fn source(&self, wants: &[Want], request: &Request<'_>) -> Result<Plan, Refused> {
        let mut sums: Vec<Sum> = Vec::new();
        for want in wants {
            match sums.iter_mut().find(|sum| sum.sku == want.sku) {
                Some(sum) => sum.units += i64::from(want.units),
                None => sums.push(Sum {
                    sku: want.sku,
                    units: want.units.into(),
                    first_line: want.line,
                    placed: Vec::new(),
                    is_placed: false,
                }),
            }
        }
        let there = |sku: u32, location: u16| {
            let freed = request.freed.get(&(sku, location)).copied().unwrap_or(0);
            (self.level((sku, location)).available + freed).max(0)
        };
        let active: Vec<u16> = self
            .all_locations()
            .filter(|&location| self.locations[usize::from(location)].is_active)
            .filter(|location| !request.left_out.contains(location))
            .collect();
        let candidates: Vec<u16> =
            active.iter().copied().filter(|&location| self.orders_left(location) != Some(0)).collect();
        let mut decided: Option<DecidingRule> = None;

        // As long as some candidate has all that is wanted of a SKU.
        loop {
            let covers = |location: u16| {
                sums.iter().filter(|sum| !sum.is_placed && there(sum.sku, location) >= sum.units).count()
            };
            let choices: Vec<u16> =
                candidates.iter().copied().filter(|&location| covers(location) > 0).collect();
            if choices.is_empty() {
                break;
            }
            let (ranked, rule) = self.rank(request, Some(&covers), choices);
            decided.get_or_insert(rule);
            for sum in &mut sums {
                if !sum.is_placed && there(sum.sku, ranked[0]) >= sum.units {
                    sum.placed.push((ranked[0], sum.units));
                    sum.is_placed = true;
                }
            }
        }

        // What none of them covers, from several.
        for sum in sums.iter_mut().filter(|sum| !sum.is_placed) {
            let choices: Vec<u16> =
                candidates.iter().copied().filter(|&location| there(sum.sku, location) > 0).collect();
            let mut left = sum.units;
            if !choices.is_empty() {
                let (ranked, rule) = self.rank(request, None, choices);
                decided.get_or_insert(rule);
                for location in ranked {
                    let units = left.min(there(sum.sku, location));
                    if units > 0 {
                        sum.placed.push((location, units));
                        left -= units;
                    }
                }
            }
            let cap = i128::from(self.skus[sum.sku as usize].backorder_cap);
            let is_allowed = match request.backorder {
                Backorder::Never => left == 0,
                Backorder::WithinCap => {
                    left == 0 || i128::from(self.backordered(sum.sku)) + i128::from(left) <= cap
                }
                Backorder::Always => true,
            };
            if !is_allowed {
                let everywhere: i64 = active.iter().map(|&location| there(sum.sku, location)).sum();
                let subject = sum.first_line as u32;
                return Err(if everywhere >= sum.units {
                    Refused::new(RejectCode::CapacityExhausted).subject(subject)
                } else {
                    Refused::new(RejectCode::InsufficientStock).subject(subject).detail(everywhere as u64)
                });
            }
        }

        // To the lines, in their order.
        let mut plan = Plan {
            taken: Vec::new(),
            backordered: Vec::new(),
            rule: decided.unwrap_or(DecidingRule::Backorder),
        };
        for want in wants {
            let Some(sum) = sums.iter_mut().find(|sum| sum.sku == want.sku) else { continue };
            let mut left = i64::from(want.units);
            for (location, units) in &mut sum.placed {
                let part = left.min(*units);
                if part > 0 {
                    plan.taken.push((want.line, *location, part as u32));
                    *units -= part;
                    left -= part;
                }
            }
            if left > 0 {
                plan.backordered.push((want.line, left as u32));
            }
        }
        Ok(plan)
    }

    /// Gives what came free to the lines that wait for it: the oldest placement first, then by line, from the first
    /// location by priority, then handle, that has any.
    pub fn refill(&mut self) {
        let mut waiting: Vec<(u64, u128, usize)> = Vec::new();
        for order in self.orders.values() {
            for (index, line) in order.lines.iter().enumerate() {
                if line.backordered > 0 {
                    waiting.push((order.placed_sequence, order.id, index));
                }
            }
        }
        waiting.sort_unstable();
        // A SKU's refills are one record, which changes an order once.
        let mut changed = BTreeSet::new();
        for (_, id, index) in waiting {
            while let Some((location, units)) = self.next_refill(id, index) {
                let mut order = self.orders[&id].clone();
                self.met(Rare::RefilledPending, order.state == OrderState::Pending);
                self.met(Rare::RefilledConfirmed, order.state == OrderState::Confirmed);
                self.met(Rare::RefilledPastCapacity, self.orders_left(location) == Some(0));
                self.take((order.lines[index].sku, location), order.promise(), units);
                self.note_served(location, &order);
                order.lines[index].backordered -= units;
                *order.lines[index].at.entry(location).or_default() += units;
                order.open_work(location);
                changed.insert((order.lines[index].sku, id));
                self.orders.insert(id, order);
            }
        }
        for (_, id) in changed {
            self.orders.get_mut(&id).expect("it was changed").version += 1;
        }
    }

    /// Where the next units of a backordered line are to be had, if anywhere.
    pub fn next_refill(&self, id: u128, index: usize) -> Option<(u16, u32)> {
        let order = &self.orders[&id];
        let line = &order.lines[index];
        if line.backordered == 0 {
            return None;
        }
        let available = |location: u16| self.level((line.sku, location)).available;
        let location = self
            .all_locations()
            .filter(|&location| self.locations[usize::from(location)].is_active)
            .filter(|&location| available(location) > 0 && !order.rejected_by.contains(&location))
            .min_by_key(|&location| (self.locations[usize::from(location)].priority, location))?;
        Some((location, i64::from(line.backordered).min(available(location)) as u32))
    }
}
