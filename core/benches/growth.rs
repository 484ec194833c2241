//! Whether the core stays as fast and as small as open orders become many: places orders until there are as many as asked
//! for, and prints at each step how fast the last million went, the longest processor time that sixteen orders took since the
//! step before (growth of a table shows there, another program that takes the processor away does not), and what memory the
//! process holds for each order. At the end the state is walked for a snapshot, step by step.
//!
//! `cargo bench -p orderline-core --bench growth -- ORDERS SKUS [preallocated]`; see `benches/flat.sh`. Preallocated, the memory is
//! there before the first order, and what is left are the core's own stalls, without the kernel's clearing of pages.

#![allow(clippy::print_stdout)] // A bench tells what it found.

mod common;

use std::time::{Duration, Instant};

use common::{Carts, Core, SKUS, Shape, run_all};
use orderline_core::state::Step;
use rustix::time::{ClockId, clock_gettime};

/// Orders made at a time, and between two looks at the clock: what a turn of the engine's loop has at the least.
const ORDERS_A_ROUND: u64 = 1_000_000;
const ORDERS_A_LOOK: usize = 16;

/// Bytes of a step of a walk, as the engine takes them.
const STEP_BYTES: usize = 128 * 1024;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let is_preallocated = arguments.iter().any(|argument| argument == "preallocated");
    let mut arguments = arguments.into_iter();
    let mut number = |default| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let orders: u64 = number(1_000_000);
    let skus = u32::try_from(number(SKUS.into())).expect("a number of SKUs");
    let carts = Carts::over(1, skus);
    let (mut longest, mut long_count) = (Duration::ZERO, 0);
    let mut core = Core::prepared(1, 1, skus, |core, command| {
        let ((), took) = timed(|| core.run(command));
        longest = longest.max(took);
        long_count += u64::from(took > Duration::from_micros(100));
    });
    let bytes_before = resident_bytes();
    if is_preallocated {
        core.state.preallocate_orders(orders.next_multiple_of(ORDERS_A_ROUND) as usize);
    }
    let how = if is_preallocated { ", memory preallocated" } else { "" };
    println!(
        "{skus} SKUs, {} MiB before the first order{how}; the longest definition or receipt of one {} us, {long_count} over 100 us",
        bytes_before >> 20,
        longest.as_micros(),
    );
    println!(
        "| open orders | orders/s of the last million | longest {ORDERS_A_LOOK} orders, us | over 100 us | bytes an order |"
    );
    println!("|---|---|---|---|---|");
    let mut next_shown = ORDERS_A_ROUND;
    let (mut longest, mut long_count) = (Duration::ZERO, 0);
    for round in 1..=orders.div_ceil(ORDERS_A_ROUND) {
        let bytes = carts.commands(Shape::Place, core.request + 1, ORDERS_A_ROUND, round);
        core.request += ORDERS_A_ROUND;
        let command_bytes = bytes.len() / ORDERS_A_ROUND as usize;
        let start = Instant::now();
        for part in bytes.chunks(ORDERS_A_LOOK * command_bytes) {
            let ((), took) = timed(|| run_all(&mut core, part));
            longest = longest.max(took);
            long_count += u64::from(took > Duration::from_micros(100));
        }
        let elapsed = start.elapsed();
        drop(bytes);
        let open = round * ORDERS_A_ROUND;
        if open == next_shown || round == orders.div_ceil(ORDERS_A_ROUND) {
            println!(
                "| {open} | {:.0} | {:.1} | {long_count} | {:.1} |",
                ORDERS_A_ROUND as f64 / elapsed.as_secs_f64(),
                longest.as_secs_f64() * 1e6,
                (resident_bytes() - bytes_before) as f64 / open as f64,
            );
            (longest, long_count) = (Duration::ZERO, 0);
            next_shown *= 10;
        }
    }
    walk(&mut core);
}

/// Walks the state as the engine does for a snapshot, and prints what a step takes, which is what commands wait for it.
fn walk(core: &mut Core) {
    let mut out = Vec::with_capacity(2 * STEP_BYTES);
    let (mut longest, mut long_count, mut step_count) = (Duration::ZERO, 0, 0);
    let mut longest_is = String::new();
    let start = processor_time();
    core.state.begin_walk();
    let began = processor_time() - start;
    loop {
        out.clear();
        let (step, took) = timed(|| core.state.walk(&mut out, STEP_BYTES));
        if took > longest {
            longest = took;
            longest_is = format!("{step:?}, {} bytes", out.len());
        }
        long_count += u64::from(took > Duration::from_micros(1_000));
        step_count += 1;
        if matches!(step, Step::End(_)) {
            break;
        }
    }
    let total = processor_time() - start;
    println!(
        "a walk: begun in {} us, {step_count} steps in {:.3} s, the longest {} us ({longest_is}), {long_count} over 1 ms",
        began.as_micros(),
        total.as_secs_f64(),
        longest.as_micros()
    );
}

/// What comes of something, and the processor time that it takes of this thread.
fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let before = processor_time();
    let came = run();
    (came, processor_time() - before)
}

/// Processor time of this thread so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Bytes of memory that the process holds.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number of KiB");
    kib << 10
}
