//! The `orderline` binary: arguments in, one verb run, one exit code out.
//!
//! Exit 0: done and well. Exit 1: it ran and found something wrong. Exit 2: unusable arguments, or it refused to start.

mod access;
mod application;
mod campaign;
mod check;
mod cli;
mod completions;
mod config;
mod connect;
mod copying;
mod defaults;
mod demo;
mod drill;
mod explain;
mod health;
mod import;
mod inspect;
mod ledger;
mod load;
mod log_levels;
mod logs;
mod measures;
mod names;
mod offline;
mod options;
mod progress;
mod repair;
mod replay;
mod serve;
mod server_process;
mod settings;
mod statement;
mod token;
mod traces;
mod verb;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Verb;

fn main() -> ExitCode {
    let ending = match cli::Arguments::parse().verb {
        Verb::Serve(arguments) => serve::run(&arguments),
        Verb::Load(arguments) => load::run(&arguments),
        Verb::Import(arguments) => import::run(&arguments),
        Verb::Verify(arguments) => verify::run(&arguments),
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Repair(arguments) => repair::run(&arguments),
        Verb::Replay(arguments) => replay::run(&arguments),
        Verb::Inspect(arguments) => inspect::run(&arguments),
        Verb::Drill(arguments) => drill::run(&arguments),
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Config(arguments) => settings::run(&arguments),
        Verb::Explain(arguments) => explain::run(&arguments),
        Verb::Token(arguments) => token::run(&arguments),
        Verb::Health(arguments) => health::run(&arguments),
        Verb::Completions(arguments) => completions::run(&arguments),
    };
    match ending {
        Ok(verb::Ending::Well) => ExitCode::SUCCESS,
        Ok(verb::Ending::FoundWrong) => ExitCode::from(1),
        Err(refusal) => {
            logs::say_refusal(&refusal);
            ExitCode::from(2)
        }
    }
}
