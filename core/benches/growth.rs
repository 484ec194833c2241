//! How long the longest placements take while the state grows: no table may stop the loop to copy or to hash itself anew. Time
//! is the thread's own on the processor, so that other programs on the machine do not count; pages that the kernel has to clear
//! for it do.
//!
//! `cargo bench -p orderline-core --bench growth -- ORDERS`

#![allow(clippy::print_stdout)] // A bench tells what it measured.

mod common;

use common::{Carts, Core, Shape};
use orderline_core::state::Parsed;
use orderline_protocol::command::RawCommand;
use rustix::time::{ClockId, clock_gettime};

/// Orders whose commands are made at once.
const PART_ORDERS: u64 = 100_000;

/// Of the longest placements, so many are shown.
const SHOWN: usize = 8;

fn cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn main() {
    let count = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5_000_000);
    let carts = Carts::new(1);
    let mut core = Core::new(1, 1);
    // Beside each long one, how many orders there were.
    let mut longest: Vec<(u64, u64)> = Vec::new();
    let mut over = [(10, 0), (100, 0), (1_000, 0)];
    let mut placed = 0;
    while placed < count {
        let bytes = carts.commands(Shape::Place, core.request + 1, PART_ORDERS, placed);
        core.request += PART_ORDERS;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let command = Parsed::new(RawCommand::take(&mut rest).expect("whole"));
            let start = cpu_ns();
            core.decide_and_apply(&command);
            let us = (cpu_ns() - start) / 1_000;
            placed += 1;
            over.iter_mut().for_each(|(bound, count)| *count += u64::from(us > *bound));
            if longest.len() < SHOWN || longest.last().is_some_and(|last| us > last.0) {
                longest.push((us, placed));
                longest.sort_unstable_by_key(|one| std::cmp::Reverse(one.0));
                longest.truncate(SHOWN);
            }
        }
    }
    println!("{placed} placements");
    over.iter().for_each(|(bound, count)| println!("{count} took more than {bound} us"));
    longest.iter().for_each(|(us, at)| println!("{us} us, at {at} orders"));
}
