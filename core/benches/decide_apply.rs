//! How fast the core decides and applies, without a journal: four-line placements over 100,000 SKUs, Zipf 0.99, as
//! the engine does it (prefetched in groups, the event written and read back), once into memory that is there already
//! (as the limit program places) and once into memory that the kernel has to clear on the way.
//!
//! `cargo bench -p orderline-core --bench decide_apply`

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use orderline_core::state::Parsed;
use orderline_core::{Decision, Scratch, State};
use orderline_protocol::command::{
    DefineLocation, DefineSeller, DefineSku, OrderLine, PlaceOrder, RawCommand, ReceiveStock,
};
use orderline_protocol::event::{EVENT_VERSION, Event};
use orderline_protocol::{
    Amount, BuyerId, Command, CurrencyCode, LocationHandle, OrderId, SellerHandle, SessionHandle, SessionId,
    SkuHandle,
};
use rand::distr::Distribution;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::weighted::WeightedAliasIndex;

const SKUS: u32 = 100_000;
const LINES: usize = 4;
const ORDERS_PER_ROUND: u64 = 1_000_000;
const GROUP: usize = 16;
const NOW_US: i64 = 1_700_000_000_000_000;

struct Core {
    state: State,
    scratch: Scratch,
    session: SessionHandle,
    event: Vec<u8>,
    request: u64,
}

impl Core {
    fn new() -> Self {
        let mut core = Self {
            state: State::new(7),
            scratch: Scratch::default(),
            session: SessionHandle::new(0),
            event: Vec::new(),
            request: 0,
        };
        let kind = core.state.decide_session(SessionId::new(1), &mut core.event).expect("a new session");
        core.apply(kind as u16);
        let seller = DefineSeller { commission_bp: 0.into(), standing: 1, code_bytes: 4, expected_version: 0.into() };
        core.run(&Command::DefineSeller(&seller, "acme"));
        let location = DefineLocation {
            region: 0.into(),
            priority: 0.into(),
            daily_capacity: 0.into(),
            standing: 1,
            code_bytes: 4,
            expected_version: 0.into(),
        };
        core.run(&Command::DefineLocation(&location, "main"));
        for sku in 0..SKUS {
            let code = format!("sku-{sku:07}");
            let head = DefineSku {
                seller: SellerHandle::new(0),
                backorder_cap: 0.into(),
                currency: CurrencyCode::NONE,
                standing: 1,
                code_bytes: code.len() as u8,
                expected_version: 0.into(),
            };
            core.run(&Command::DefineSku(&head, &code));
            let stock = ReceiveStock {
                sku: SkuHandle::new(sku),
                location: LocationHandle::new(0),
                quantity: (1 << 40).into(),
                from_incoming: 0,
            reserved: 0,
            cause: orderline_protocol::command::Cause::NONE,
            };
            core.run(&Command::ReceiveStock(&stock));
        }
        core
    }

    fn run(&mut self, command: &Command<'_>) {
        self.request += 1;
        let mut bytes = Vec::new();
        command.write(self.request, &mut bytes);
        self.decide_and_apply(&Parsed::new(RawCommand::take(&mut &bytes[..]).expect("whole")));
    }

    #[inline]
    fn decide_and_apply(&mut self, command: &Parsed<'_>) {
        self.event.clear();
        match self.state.decide(self.session, NOW_US, command, &mut self.scratch, &mut self.event) {
            Decision::Event(kind) => self.apply(kind as u16),
            other => panic!("not accepted: {other:?}"),
        }
    }

    #[inline]
    fn apply(&mut self, kind: u16) {
        let event = Event::read(kind, EVENT_VERSION, &self.event).expect("just written");
        self.state.apply(self.state.sequence() + 1, NOW_US, &event);
    }
}

/// Ready-made commands, one after the other, as they lie in frames.
#[inline(never)]
fn orders(first_request: u64, count: u64, seed: u64) -> Vec<u8> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let weights = (1..=SKUS).map(|rank| 1.0 / f64::from(rank).powf(0.99)).collect();
    let popularity = WeightedAliasIndex::<f64>::new(weights).expect("weights");
    // Popular SKUs do not lie side by side in a real catalogue.
    let place = |rank: usize| (rank as u64 * 7_919 % u64::from(SKUS)) as u32;
    let mut bytes = Vec::new();
    for n in 0..count {
        let mut lines =
            [OrderLine { sku: SkuHandle::NONE, quantity: 1.into(), unit_price: Amount::new(1_999) }; LINES];
        for at in 0..LINES {
            loop {
                let sku = SkuHandle::new(place(popularity.sample(&mut rng)));
                if lines[..at].iter().all(|line| line.sku != sku) {
                    lines[at].sku = sku;
                    break;
                }
            }
        }
        let head = PlaceOrder {
            order: OrderId::from_parts(1_700_000_000_000 + first_request / 1_000, rng.random()),
            buyer: BuyerId::new(n),
            seller: SellerHandle::new(0),
            currency: CurrencyCode::new(826),
            line_count: (LINES as u16).into(),
            region: 0.into(),
        };
        Command::PlaceOrder(&head, &lines).write(first_request + n, &mut bytes);
    }
    bytes
}

#[inline(never)]
fn run_all(core: &mut Core, bytes: &[u8]) {
    let mut rest = bytes;
    let mut group = Vec::with_capacity(GROUP);
    while !rest.is_empty() {
        group.clear();
        while group.len() < GROUP && !rest.is_empty() {
            let command = Parsed::new(RawCommand::take(&mut rest).expect("whole"));
            core.state.prefetch_first(&command);
            group.push(command);
        }
        group.iter().for_each(|command| core.state.prefetch_second(command));
        group.iter().for_each(|command| core.decide_and_apply(command));
    }
}

fn decide_apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("core");
    group.throughput(Throughput::Elements(ORDERS_PER_ROUND)).sample_size(10);
    for (name, is_preallocated) in [("preallocated", true), ("growing", false)] {
        group.bench_function(format!("decide and apply, 4 lines, {name}"), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut core = Core::new();
                let mut total = Duration::ZERO;
                for round in 0..rounds {
                    let bytes = orders(core.request + 1, ORDERS_PER_ROUND, round);
                    core.request += ORDERS_PER_ROUND;
                    if is_preallocated {
                        core.state.preallocate_orders(ORDERS_PER_ROUND as usize);
                    }
                    let start = Instant::now();
                    run_all(&mut core, &bytes);
                    total += start.elapsed();
                }
                total
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decide_apply);
criterion_main!(benches);
