//! One case run once, for a program that counts its instructions: see `benches/instructions.sh`.
//!
//! `cargo bench -p orderline-core --bench instructions -- CASE COMMANDS`

#![allow(clippy::print_stdout)] // A bench tells what it ran.

mod common;

use common::{Carts, Core, Shape, run_all};

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let case = arguments.next().unwrap_or_else(|| "place".to_owned());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let (sellers, locations, shape) = match case.as_str() {
        "place" => (1, 1, Shape::Place),
        "place_10" => (10, 10, Shape::Place),
        "reserve_10" => (10, 10, Shape::Reserve),
        "check_out_10" => (10, 10, Shape::CheckOut),
        other => panic!("there is no case {other}"),
    };
    let carts = Carts::new(sellers);
    let mut core = Core::new(sellers, locations);
    if shape == Shape::CheckOut {
        let bytes = carts.commands(Shape::Reserve, core.request + 1, count, 1);
        core.request += count;
        run_all(&mut core, &bytes);
    }
    let bytes = carts.commands(shape, core.request + 1, count, 1);
    counted(&mut core, &bytes);
    println!("{case}: {count} commands, sequence {}", core.state.sequence());
}

/// What is counted.
#[inline(never)]
fn counted(core: &mut Core, bytes: &[u8]) {
    run_all(core, bytes);
}
