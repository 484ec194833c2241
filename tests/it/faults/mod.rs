//! Faults of the environment against a real server: what it says, whether it stops, and that nothing acknowledged is
//! lost. Each module is a row of the matrix in docs/reliability.md, and counts what it did for it.

mod abuse;
mod clock_jumps;
mod duplicates;
mod full_queue;
mod half_open;
mod idle_flood;
mod lost_pages;
mod memory_limit;
mod racing_starts;
mod slow_disk;
mod slow_readers;
mod sync_errors;

use std::process::Command;

use crate::support::Server;
use crate::support::program::{Running, command};

/// A load at a fixed rate, for so many seconds.
fn paced_load(server: &Server, rate: &str, seconds: &str) -> Running {
    let connect = server.addr.to_string();
    Running::start(command([
        "load",
        "--connect",
        &connect,
        "--rate",
        rate,
        "--seconds",
        seconds,
        "--skus",
        "100",
        "--connections",
        "2",
        "--json",
    ]))
}

/// A load as fast as answers come, for so many seconds, whose orders fill every credit.
fn full_load(server: &Server, seconds: &str) -> Running {
    Running::start(full_load_command(server, seconds))
}

fn full_load_command(server: &Server, seconds: &str) -> Command {
    let connect = server.addr.to_string();
    command([
        "load",
        "--connect",
        &connect,
        "--seconds",
        seconds,
        "--skus",
        "100",
        "--connections",
        "4",
        "--in-flight",
        "4096",
        "--json",
    ])
}
