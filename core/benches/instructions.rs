//! Cases of deciding and applying, each run once, for a program that counts instructions: see `benches/instructions.sh`.
//!
//! `cargo bench -p orderline-core --bench instructions -- CASE`; without a case all are run, with `--list` they are named.

#![allow(clippy::print_stdout)] // A bench tells what it ran.

mod common;

use common::{Carts, Core, Shape, run_all};

/// Commands of a case.
const COUNT: u64 = 20_000;

/// A name, sellers, locations of every SKU, and what is asked.
const CASES: [(&str, u32, u16, Shape); 4] = [
    ("place", 1, 1, Shape::Place),
    ("place_10", 10, 10, Shape::Place),
    ("reserve_10", 10, 10, Shape::Reserve),
    ("check_out_10", 10, 10, Shape::CheckOut),
];

fn main() {
    let argument = std::env::args().skip(1).find(|argument| argument != "--bench");
    let is_list = argument.as_deref() == Some("--list");
    let chosen = argument.filter(|_| !is_list);
    for (name, sellers, locations, shape) in CASES {
        if is_list {
            println!("{name}");
        } else if chosen.as_deref().is_none_or(|chosen| chosen == name) {
            run(sellers, locations, shape);
            println!("{name} {COUNT}");
        }
    }
}

fn run(sellers: u32, locations: u16, shape: Shape) {
    let carts = Carts::new(sellers);
    let mut core = Core::new(sellers, locations);
    if shape == Shape::CheckOut {
        let bytes = carts.commands(Shape::Reserve, core.request + 1, COUNT, 1);
        core.request += COUNT;
        run_all(&mut core, &bytes);
    }
    let bytes = carts.commands(shape, core.request + 1, COUNT, 1);
    counted(&mut core, &bytes);
}

/// What is counted.
#[inline(never)]
fn counted(core: &mut Core, bytes: &[u8]) {
    run_all(core, bytes);
}
