//! Sourcing told a second time, plainly and slowly, from `docs/domain.md`; over many random worlds both must say the same.

use std::collections::BTreeMap;

use orderline_protocol::command::{
    Bucket, DefineLocation, DefineSku, DefineSourcing, OrderLine, SOURCING_RULES_MAX, SourcingRule,
};
use orderline_protocol::event::DecidingRule;
use orderline_protocol::limits::LINE_QUANTITY_MAX;
use orderline_protocol::{Amount, CurrencyCode, LocationHandle, RejectCode, SellerHandle, SkuHandle};

use super::State;
use super::backorders::Waiting;
use super::sourcing::{Backordering, Request, SourcingScratch, day_of};

const NOW_US: i64 = 1_700_000_000_000_000;

/// A generator of numbers that are the same for the same seed everywhere (SplitMix64).
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(super) fn is_one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// A location, as the reference sees it.
#[derive(Debug, Clone)]
struct Place {
    region: u16,
    priority: u32,
    /// Orders that it takes more today; `None`: without a bound.
    left: Option<u32>,
    is_active: bool,
}

/// What there is.
#[derive(Debug, Default)]
struct World {
    places: Vec<Place>,
    caps: Vec<u64>,
    backordered: Vec<u64>,
    available: BTreeMap<(u32, u16), i64>,
    rules: Vec<SourcingRule>,
    rules_of_seller: Option<Vec<SourcingRule>>,
}

/// What is asked.
#[derive(Debug)]
struct Question {
    region: u16,
    is_of_seller: bool,
    own: BTreeMap<(u32, u16), u64>,
    excluded: Vec<u16>,
    backordering: Backordering,
    /// SKU, units.
    lines: Vec<(u32, u32)>,
}

/// Line, location, units; and what decided. Or the code with subject and detail.
type Answer = Result<(Vec<(u16, u16, u32)>, DecidingRule), (RejectCode, u32, u64)>;

impl World {
    fn there(&self, question: &Question, sku: u32, place: u16) -> i64 {
        let Some(&available) = self.available.get(&(sku, place)) else { return 0 };
        (available + question.own.get(&(sku, place)).map_or(0, |&units| units as i64)).max(0)
    }

    /// How a location compares, rule by rule, the lower number first; with what each rule is called in the event.
    fn key(&self, question: &Question, place: u16, covers: usize) -> Vec<(i64, DecidingRule)> {
        let of = &self.places[usize::from(place)];
        let own = self.rules_of_seller.as_ref().filter(|_| question.is_of_seller);
        let mut key: Vec<(i64, DecidingRule)> = Vec::new();
        for rule in own.unwrap_or(&self.rules) {
            key.push(match rule {
                SourcingRule::FewestPackages => (-(covers as i64), DecidingRule::FewestPackages),
                SourcingRule::SameRegion => {
                    let is_same = question.region != 0 && of.region == question.region;
                    (i64::from(!is_same), DecidingRule::SameRegion)
                }
                SourcingRule::Priority => (of.priority.into(), DecidingRule::Priority),
                SourcingRule::Capacity => (-of.left.map_or(i64::MAX, i64::from), DecidingRule::Capacity),
            });
        }
        key.push((of.priority.into(), DecidingRule::Priority));
        key.push((place.into(), DecidingRule::Handle));
        key
    }

    /// Sorts places, best first, and says by what the first is better than the second.
    fn ranked(
        &self,
        question: &Question,
        mut places: Vec<u16>,
        covers: &dyn Fn(u16) -> usize,
    ) -> (Vec<u16>, DecidingRule) {
        let numbers = |place: u16| -> Vec<i64> {
            self.key(question, place, covers(place)).into_iter().map(|(number, _)| number).collect()
        };
        places.sort_by_key(|&place| numbers(place));
        let rule = match places[..] {
            [best, second, ..] => {
                let (best, second) =
                    (self.key(question, best, covers(best)), self.key(question, second, covers(second)));
                best.iter().zip(&second).find(|(one, other)| one.0 != other.0).unwrap().0.1
            }
            _ => DecidingRule::OnlyChoice,
        };
        (places, rule)
    }

    fn answer(&self, question: &Question) -> Answer {
        // Sums per SKU, in the order of their first lines.
        let mut sums: Vec<(u32, i64, u32)> = Vec::new();
        for (index, &(sku, units)) in question.lines.iter().enumerate() {
            match sums.iter_mut().find(|sum| sum.0 == sku) {
                Some(sum) => {
                    sum.1 += i64::from(units);
                    if sum.1 > i64::from(LINE_QUANTITY_MAX) {
                        return Err((RejectCode::QuantityTooLarge, index as u32, 0));
                    }
                }
                None => sums.push((sku, units.into(), index as u32)),
            }
        }
        let active: Vec<u16> = (0..self.places.len() as u16)
            .filter(|&place| self.places[usize::from(place)].is_active && !question.excluded.contains(&place))
            .collect();
        let candidates: Vec<u16> =
            active.iter().copied().filter(|&place| self.places[usize::from(place)].left != Some(0)).collect();
        let mut chosen: BTreeMap<u32, Vec<(u16, i64)>> = BTreeMap::new();
        let mut deciding = None;
        // Rounds of covering.
        loop {
            let covers = |place: u16| -> Vec<u32> {
                let is_covered = |sum: &&(u32, i64, u32)| {
                    !chosen.contains_key(&sum.0) && self.there(question, sum.0, place) >= sum.1
                };
                sums.iter().filter(is_covered).map(|sum| sum.0).collect()
            };
            let choices: Vec<u16> =
                candidates.iter().copied().filter(|&place| !covers(place).is_empty()).collect();
            if choices.is_empty() {
                break;
            }
            let (ranked, rule) = self.ranked(question, choices, &|place| covers(place).len());
            deciding = deciding.or(Some(rule));
            for sku in covers(ranked[0]) {
                let units = sums.iter().find(|sum| sum.0 == sku).unwrap().1;
                chosen.insert(sku, vec![(ranked[0], units)]);
            }
        }
        // Splits.
        for &(sku, units, first_line) in &sums {
            if chosen.contains_key(&sku) {
                continue;
            }
            let choices: Vec<u16> =
                candidates.iter().copied().filter(|&place| self.there(question, sku, place) > 0).collect();
            let total: i64 = choices.iter().map(|&place| self.there(question, sku, place)).sum();
            let lack = (units - total).max(0) as u64;
            let is_allowed = lack == 0
                || match question.backordering {
                    Backordering::Never => false,
                    Backordering::Always => true,
                    Backordering::WithinCap => {
                        self.backordered[sku as usize] + lack <= self.caps[sku as usize]
                    }
                };
            if !is_allowed {
                let there: i64 = active.iter().map(|&place| self.there(question, sku, place)).sum();
                return Err(if there >= units {
                    (RejectCode::CapacityExhausted, first_line, 0)
                } else {
                    (RejectCode::InsufficientStock, first_line, there as u64)
                });
            }
            let mut parts = Vec::new();
            if !choices.is_empty() {
                let (ranked, rule) = self.ranked(question, choices, &|_| 0);
                deciding = deciding.or(Some(rule));
                let mut left = units;
                for place in ranked {
                    let taken = left.min(self.there(question, sku, place));
                    if taken > 0 {
                        parts.push((place, taken));
                        left -= taken;
                    }
                }
            }
            chosen.insert(sku, parts);
        }
        // To the lines.
        let mut allocations = Vec::new();
        for (index, &(sku, units)) in question.lines.iter().enumerate() {
            let mut wanted = i64::from(units);
            for (place, left) in chosen.get_mut(&sku).unwrap() {
                let taken = wanted.min(*left);
                if taken > 0 {
                    allocations.push((index as u16, *place, taken as u32));
                }
                wanted -= taken;
                *left -= taken;
            }
        }
        allocations.sort_unstable();
        Ok((allocations, deciding.unwrap_or(DecidingRule::Backorder)))
    }
}

/// A random list of rules, at least one.
fn some_rules(numbers: &mut Numbers) -> Vec<SourcingRule> {
    let mut rules = SourcingRule::ALL.to_vec();
    for place in (1..rules.len()).rev() {
        rules.swap(place, numbers.below(place as u64 + 1) as usize);
    }
    rules.truncate(1 + numbers.below(rules.len() as u64) as usize);
    rules
}

fn define(state: &mut State, seller: SellerHandle, rules: &[SourcingRule]) {
    let mut definition = DefineSourcing { seller, rules: [0; SOURCING_RULES_MAX], expected_rules: 0.into() };
    for (number, rule) in definition.rules.iter_mut().zip(rules) {
        *number = *rule as u8;
    }
    state.settings.define_sourcing(&definition);
}

/// The same random world, for both.
fn some_world(numbers: &mut Numbers) -> (State, World) {
    let (mut state, mut world) = (State::new(numbers.next()), World::default());
    let place_count = if numbers.is_one_in(4) { 1 + numbers.below(20) } else { 1 + numbers.below(5) };
    let sku_count_end = if numbers.is_one_in(4) { 30 } else { 5 };
    let sku_count = 1 + numbers.below(sku_count_end);
    for place in 0..place_count as u32 {
        let mut definition = DefineLocation {
            priority: (numbers.below(3) as u32).into(),
            daily_capacity: (if numbers.is_one_in(2) { 0 } else { 1 + numbers.below(3) as u32 }).into(),
            expected_version: 0.into(),
            region: (numbers.below(3) as u16).into(),
            standing: 1,
            code_bytes: 0,
        };
        if numbers.is_one_in(8) {
            definition.standing = 2;
        }
        state.catalogue.set_location(place, 1, &format!("place {place}"), &definition);
        let handle = LocationHandle::new(place as u16);
        let (taken, yesterday) = (numbers.below(4) as u32, day_of(NOW_US) - 1);
        let is_today = !numbers.is_one_in(4);
        state.catalogue.restore_taken(place, if is_today { yesterday + 1 } else { yesterday }, taken);
        let capacity = definition.daily_capacity.get();
        let left = (capacity > 0).then(|| capacity.saturating_sub(if is_today { taken } else { 0 }));
        assert_eq!(state.catalogue.location(handle).unwrap().orders_left(day_of(NOW_US)), left);
        world.places.push(Place {
            region: definition.region.get(),
            priority: definition.priority.get(),
            left,
            is_active: definition.standing == 1,
        });
    }
    let is_sparse = numbers.is_one_in(2);
    for sku in 0..sku_count as u32 {
        let cap = if numbers.is_one_in(3) { numbers.below(10) as u32 } else { 0 };
        let definition = DefineSku {
            seller: SellerHandle::new(0),
            backorder_cap: cap.into(),
            currency: CurrencyCode::NONE,
            standing: 1,
            code_bytes: 0,
            expected_version: 0.into(),
        };
        state.catalogue.set_sku(sku, 1, &format!("sku {sku}"), &definition);
        world.caps.push(cap.into());
        let waiting = if cap > 0 { numbers.below(4) } else { 0 };
        world.backordered.push(waiting);
        if waiting > 0 {
            let first = Waiting { placed_sequence: 1, order: 1, line: 0 };
            state.backorders.add(SkuHandle::new(sku), first, waiting as u32);
        }
        // Levels come to be in an order of their own.
        let first = numbers.below(place_count);
        for place in (0..place_count).map(|place| ((place + first) % place_count) as u16) {
            if is_sparse && !numbers.is_one_in(3) {
                continue;
            }
            let available = numbers.below(10) as i64 - 2;
            let (handle, at) = (SkuHandle::new(sku), LocationHandle::new(place));
            state.stock.adjust(&mut state.catalogue, handle, at, Bucket::Available, available);
            world.available.insert((sku, place), available);
        }
    }
    world.rules = some_rules(numbers);
    define(&mut state, SellerHandle::NONE, &world.rules);
    if numbers.is_one_in(2) {
        let rules = some_rules(numbers);
        define(&mut state, SellerHandle::new(0), &rules);
        world.rules_of_seller = Some(rules);
    }
    (state, world)
}

fn some_question(numbers: &mut Numbers, world: &World) -> Question {
    let line_count = match numbers.below(8) {
        0 => 14 + numbers.below(30),
        _ => 1 + numbers.below(6),
    };
    let quantity_end = if numbers.is_one_in(3) { 12 } else { 4 };
    let mut lines: Vec<(u32, u32)> = (0..line_count)
        .map(|_| (numbers.below(world.caps.len() as u64) as u32, 1 + numbers.below(quantity_end) as u32))
        .collect();
    if numbers.is_one_in(100) {
        lines.push((0, LINE_QUANTITY_MAX));
        lines.push((world.caps.len() as u32 - 1, LINE_QUANTITY_MAX));
    }
    let mut own = BTreeMap::new();
    if numbers.is_one_in(3) {
        for &level in world.available.keys() {
            if numbers.is_one_in(3) {
                own.insert(level, 1 + numbers.below(5));
            }
        }
    }
    let mut excluded = Vec::new();
    if numbers.is_one_in(3) {
        excluded.extend((0..world.places.len() as u16).filter(|_| numbers.is_one_in(4)));
    }
    let backordering = match numbers.below(5) {
        0 => Backordering::Never,
        1 => Backordering::Always,
        _ => Backordering::WithinCap,
    };
    let (region, is_of_seller) = (numbers.below(3) as u16, numbers.is_one_in(2));
    Question { region, is_of_seller, own, excluded, backordering, lines }
}

fn ask(state: &State, question: &Question, scratch: &mut SourcingScratch) -> Answer {
    let lines: Vec<OrderLine> = question
        .lines
        .iter()
        .map(|&(sku, units)| OrderLine {
            sku: SkuHandle::new(sku),
            quantity: units.into(),
            unit_price: Amount::new(1),
        })
        .collect();
    let own: Vec<_> = question
        .own
        .iter()
        .map(|(&(sku, place), &units)| (SkuHandle::new(sku), LocationHandle::new(place), units))
        .collect();
    let excluded: Vec<_> = question.excluded.iter().map(|&place| LocationHandle::new(place)).collect();
    let request = Request {
        region: question.region,
        seller: if question.is_of_seller { SellerHandle::new(0) } else { SellerHandle::NONE },
        now_us: NOW_US,
        own: &own,
        excluded: &excluded,
        backordering: question.backordering,
    };
    let sourced = state
        .source(&request, &lines, scratch)
        .map_err(|rejection| (rejection.code, rejection.subject, rejection.detail))?;
    let allocations = if sourced.location.is_none() {
        scratch
            .allocations_of(&sourced)
            .iter()
            .map(|part| (part.line.get(), part.location.get(), part.quantity.get()))
            .collect()
    } else {
        let whole = |(line, &(_, units)): (usize, &(u32, u32))| (line as u16, sourced.location.get(), units);
        question.lines.iter().enumerate().map(whole).collect()
    };
    Ok((allocations, sourced.rule))
}

#[test]
fn sourcing_does_what_its_plain_telling_says() {
    let seed = 20_261;
    let mut numbers = Numbers(seed);
    let mut scratch = SourcingScratch::default();
    let mut rules: BTreeMap<&str, u32> = BTreeMap::new();
    let mut codes: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut split_count, mut backordered_count, mut long_count) = (0, 0, 0);
    for world_number in 0..600 {
        let (state, world) = some_world(&mut numbers);
        for number in 0..40 {
            let question = some_question(&mut numbers, &world);
            let expected = world.answer(&question);
            let found = ask(&state, &question, &mut scratch);
            assert_eq!(
                found, expected,
                "seed {seed}, world {world_number}, question {number}: {question:?} of {world:?}"
            );
            match &expected {
                Ok((allocations, rule)) => {
                    *rules.entry(rule.name()).or_default() += 1;
                    let wanted: u64 = question.lines.iter().map(|&(_, units)| u64::from(units)).sum();
                    let given: u64 = allocations.iter().map(|part| u64::from(part.2)).sum();
                    backordered_count += u32::from(given < wanted);
                    split_count += u32::from(allocations.windows(2).any(|pair| pair[0].0 == pair[1].0));
                    long_count += u32::from(question.lines.len() > 16);
                }
                Err((code, ..)) => *codes.entry(code.name()).or_default() += 1,
            }
        }
    }
    // Each of the ways to an answer was gone often enough to mean something.
    let ways = format!("seed {seed}: {rules:?}, {codes:?}, {split_count}, {backordered_count}, {long_count}");
    assert!(rules.len() == 7 && rules.values().all(|&count| count > 50), "{ways}");
    assert!(codes.len() == 3 && codes.values().all(|&count| count > 50), "{ways}");
    assert!(split_count > 500 && backordered_count > 500 && long_count > 200, "{ways}");
}

#[test]
fn the_largest_order_over_many_locations_is_sourced_in_one_go() {
    const PLACES: u32 = 1_000;
    const SKUS: u32 = 2_000;
    let mut state = State::new(3);
    for place in 0..PLACES {
        let definition = DefineLocation {
            priority: (PLACES - place).into(),
            daily_capacity: 0.into(),
            expected_version: 0.into(),
            region: 0.into(),
            standing: 1,
            code_bytes: 0,
        };
        state.catalogue.set_location(place, 1, &format!("place {place}"), &definition);
    }
    let definition = DefineSku {
        seller: SellerHandle::new(0),
        backorder_cap: 0.into(),
        currency: CurrencyCode::NONE,
        standing: 1,
        code_bytes: 0,
        expected_version: 0.into(),
    };
    // Each location covers two SKUs alone, and has a unit of every other.
    for sku in 0..SKUS {
        state.catalogue.set_sku(sku, 1, &format!("sku {sku}"), &definition);
        for place in 0..PLACES {
            let units = if sku / 2 == place { 2 } else { 1 };
            let (sku, place) = (SkuHandle::new(sku), LocationHandle::new(place as u16));
            state.stock.adjust(&mut state.catalogue, sku, place, Bucket::Available, units);
        }
    }
    let mut scratch = SourcingScratch::default();
    let question = |quantity: u32| Question {
        region: 0,
        is_of_seller: false,
        own: BTreeMap::new(),
        excluded: Vec::new(),
        backordering: Backordering::Never,
        lines: (0..SKUS).map(|sku| (sku, quantity)).collect(),
    };
    // A thousand rounds, each of which places two.
    let (covered, rule) = ask(&state, &question(2), &mut scratch).unwrap();
    let expected: Vec<_> = (0..SKUS as u16).map(|line| (line, line / 2, 2)).collect();
    assert_eq!((covered, rule), (expected, DecidingRule::Priority));
    // One location has one of each.
    let (whole, rule) = ask(&state, &question(1), &mut scratch).unwrap();
    let expected: Vec<_> = (0..SKUS as u16).map(|line| (line, PLACES as u16 - 1, 1)).collect();
    assert_eq!((whole, rule), (expected, DecidingRule::Priority));
    // Nobody covers twelve: each is split over eleven or twelve, of those that one event can list.
    let (split, _) = ask(&state, &question(12), &mut scratch).unwrap();
    assert!(split.len() >= SKUS as usize * 11, "{}", split.len());
    assert_eq!(split.iter().map(|part| u64::from(part.2)).sum::<u64>(), u64::from(SKUS) * 12);
    // More parts than an event can list are refused, and the scratch is fit for the next.
    let refused = ask(&state, &question(40), &mut scratch).unwrap_err();
    assert_eq!(refused.0, RejectCode::TooManyLines);
    let refused = ask(&state, &question(1_002), &mut scratch).unwrap_err();
    assert_eq!((refused.0, refused.1, refused.2), (RejectCode::InsufficientStock, 0, 1_001));
    assert_eq!(ask(&state, &question(1), &mut scratch).unwrap().1, DecidingRule::Priority);
}
