//! Chores of the workspace, as `cargo xtask CHORE`.

mod faults;
mod matrix;
mod proofs;
mod table;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Chores of the workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Runs the matrix of faults and prints it: row, fault, promise, runs, violations, figures. Exit code 1 if a promise was
    /// broken or a row proved nothing.
    Faults(FaultsArguments),
}

#[derive(Debug, Args)]
struct FaultsArguments {
    /// Only these rows.
    #[arg(long, value_name = "N")]
    row: Vec<u32>,
    /// The long form: ten thousand kills more, ten times as long in the simulator, and the fuzzers' nightly executions. Hours.
    #[arg(long)]
    long: bool,
    /// With --long: so many kills instead.
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "long")]
    kills: u64,
    /// Write the table into docs/reliability.md. Of all rows only.
    #[arg(long, conflicts_with = "row")]
    write: bool,
}

fn main() -> ExitCode {
    let Chore::Faults(arguments) = Arguments::parse().chore;
    match faults::run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(2)
        }
    }
}
