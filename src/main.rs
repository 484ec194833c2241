//! The `orderline` binary: arguments in, one verb run, one exit code out.
//!
//! Exit 0: done and well. Exit 1: it ran and found something wrong. Exit 2: unusable arguments, or it refused to start.

mod campaign;
mod cli;
mod config;
mod demo;
mod drill;
mod import;
mod inspect;
mod ledger;
mod load;
mod offline;
mod progress;
mod record;
mod replay;
mod serve;
mod server_process;
mod verb;
mod verify;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match arguments.run() {
        Ok(verb::Ending::Well) => ExitCode::SUCCESS,
        Ok(verb::Ending::FoundWrong) => ExitCode::from(1),
        Err(refusal) => {
            eprintln!("orderline: {refusal}");
            ExitCode::from(2)
        }
    }
}
