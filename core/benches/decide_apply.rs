//! How fast the core decides and applies, without a journal: four-line carts over 100,000 SKUs, Zipf 0.99, as the engine does
//! it (prefetched in groups, the event written and read back). Plain placements, once into memory that is there already (as
//! the limit program places) and once into memory that the kernel has to clear on the way; then placements over ten
//! locations, reservations of them, and their checkouts out of the reservations.
//!
//! `cargo bench -p orderline-core --bench decide_apply`

mod common;

use std::time::{Duration, Instant};

use common::{Carts, Core, Shape, run_all, run_published};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use orderline_core::board::{Publisher, board};

const CARTS_PER_ROUND: u64 = 1_000_000;

fn decide_apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("core");
    group.throughput(Throughput::Elements(CARTS_PER_ROUND)).sample_size(10);
    let cases = [
        ("place, 1 seller, 1 location, preallocated", 1, 1, Shape::Place, true),
        ("place, 1 seller, 1 location, growing", 1, 1, Shape::Place, false),
        ("place, 10 sellers, 10 locations, preallocated", 10, 10, Shape::Place, true),
        ("reserve, 10 sellers, 10 locations, preallocated", 10, 10, Shape::Reserve, true),
        (
            "check out of the reservation, 10 sellers, 10 locations, preallocated",
            10,
            10,
            Shape::CheckOut,
            true,
        ),
    ];
    for (name, sellers, locations, shape, is_preallocated) in cases {
        let carts = Carts::new(sellers);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut core = Core::new(sellers, locations);
                let mut total = Duration::ZERO;
                for round in 0..rounds {
                    if shape == Shape::CheckOut {
                        run(&mut core, &carts, Shape::Reserve, round);
                    }
                    if is_preallocated {
                        core.state.preallocate_orders(CARTS_PER_ROUND as usize);
                    }
                    total += run(&mut core, &carts, shape, round);
                }
                total
            });
        });
    }
    for (name, sellers, locations) in [
        ("place, 1 seller, 1 location, preallocated, published", 1, 1),
        ("place, 10 sellers, 10 locations, preallocated, published", 10, 10),
    ] {
        let carts = Carts::new(sellers);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut core = Core::new(sellers, locations);
                let (writer, board) = board();
                assert!(board.look().is_none(), "whoever looks has it kept");
                let mut publisher = Publisher::new(writer);
                let mut total = Duration::ZERO;
                for round in 0..rounds {
                    core.state.preallocate_orders(CARTS_PER_ROUND as usize);
                    let bytes = carts.commands(Shape::Place, core.request + 1, CARTS_PER_ROUND, round);
                    core.request += CARTS_PER_ROUND;
                    let start = Instant::now();
                    run_published(&mut core, &bytes, Some(&mut publisher));
                    total += start.elapsed();
                }
                total
            });
        });
    }
    group.finish();
}

/// Makes a round's commands, runs them, and returns how long the running took.
fn run(core: &mut Core, carts: &Carts, shape: Shape, round: u64) -> Duration {
    let bytes = carts.commands(shape, core.request + 1, CARTS_PER_ROUND, round);
    core.request += CARTS_PER_ROUND;
    let start = Instant::now();
    run_all(core, &bytes);
    start.elapsed()
}

criterion_group!(benches, decide_apply);
criterion_main!(benches);
