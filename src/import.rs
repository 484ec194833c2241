//! `orderline import`: real order histories from CSV files through the gateway, by a column map.

pub(crate) mod columns;
mod date;
mod decimal;
mod error;
mod gateway;
pub(crate) mod gather;
mod handles;
pub(crate) mod map;
mod names;
mod order;
mod pipeline;
mod placement;
mod reason;
mod report;
mod rule;
mod source;
#[cfg(test)]
mod tests;

use self::map::Map;
use self::pipeline::ImportProgress;
use self::report::ImportReport;
use crate::cli::ImportArguments;
use crate::connect::connect;
use crate::progress::{ProgressLine, grouped};
use crate::verb::{Ending, Refusal, VerbResult, print_json};

pub(crate) fn run(arguments: &ImportArguments) -> VerbResult {
    let map = Map::read(&arguments.map)?;
    for file in &arguments.files {
        // What is not there is better said before anything is placed than half-way.
        std::fs::metadata(file).map_err(|why| Refusal::new(format!("{}: {why}", file.display())))?;
    }
    let mut client = connect(&arguments.server)?;
    let mut line = ProgressLine::new();
    let mut progress = |progress: ImportProgress| {
        line.show(|| {
            let (rows, orders) = (grouped(progress.rows_read), grouped(progress.orders_placed));
            format!("{rows:>13} rows read  {orders:>11} orders placed")
        });
    };
    let report = pipeline::import(&map, &arguments.files, &mut client, &mut progress)?;
    drop(line);
    print_table(&report);
    if arguments.json {
        print_json(&report)?;
    }
    Ok(Ending::well_if(report.is_well()))
}

fn print_table(report: &ImportReport) {
    eprintln!(
        "{} orders in {} rows, {} of them skipped, in {:.2} s",
        grouped(report.read),
        grouped(report.rows_read),
        grouped(report.rows_skipped),
        report.seconds
    );
    eprintln!(
        "  accepted {:>11}   {} lines, {} units; {} of the orders were placed before",
        grouped(report.accepted),
        grouped(report.lines_accepted),
        grouped(report.units_accepted),
        grouped(report.accepted_before)
    );
    eprintln!("  rejected {:>11}", grouped(report.rejected));
    for (reason, &count) in &report.reasons {
        let first_at = report.first_at.get(reason).map(String::as_str).unwrap_or_default();
        eprintln!("           {:>11}   {reason}; the first: {first_at}", grouped(count));
    }
    eprintln!("  skipped  {:>11}", grouped(report.skipped));
    for (currency, &file_minor) in &report.money_file_minor {
        let engine_minor = report.money_engine_minor.get(currency).copied().unwrap_or_default();
        let verdict =
            if engine_minor == file_minor { "the core says the same" } else { "THE CORE DISAGREES" };
        eprintln!(
            "  money    {file_minor} minor units of {currency} in the files; {verdict} ({engine_minor})"
        );
    }
    if let Some(error) = &report.error {
        eprintln!("{} orders got no answer: {error}", grouped(report.unanswered));
    }
}
