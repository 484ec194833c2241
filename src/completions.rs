//! `orderline completions`: what a shell needs to complete verbs and options, made of the command line itself.

use std::io::Write;

use clap::CommandFactory;

use crate::cli::{Arguments, CompletionsArguments};
use crate::verb::{Ending, VerbResult};

pub(crate) fn run(arguments: &CompletionsArguments) -> VerbResult {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "orderline", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(Ending::Well)
}
