//! `orderline load`: arguments to a run of the load generator, and its report to people and programs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use orderline_loadgen::{Ended, Extent, LoadOptions, LoadReport, Nobody, Progress};

use crate::cli::LoadArguments;
use crate::progress::{ProgressLine, grouped};
use crate::verb::{Ending, Refusal, VerbResult, print_json};

pub(crate) fn run(arguments: &LoadArguments) -> VerbResult {
    let options = options(arguments)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    eprintln!("setting up {} for {}", what(&options), options.connect);
    let mut line = ProgressLine::new();
    let report = orderline_loadgen::run(&options, &mut Nobody, &stop, &mut |progress| {
        line.show(|| progress_text(progress))
    })?;
    drop(line);
    print_table(&report);
    if arguments.json {
        print_json(&report)?;
    }
    Ok(Ending::well_if(report.unknown == 0 && report.ended != Ended::ServerLost))
}

fn options(arguments: &LoadArguments) -> Result<LoadOptions, Refusal> {
    let extent = match (arguments.orders, arguments.seconds) {
        (Some(orders), None) => Extent::Orders(orders),
        (None, Some(seconds)) => Extent::For(duration("seconds", seconds)?),
        _ => return Err(Refusal::new("give either --orders or --seconds: one of them ends the run")),
    };
    Ok(LoadOptions {
        workload: arguments.workload.parse()?,
        rate: arguments.rate,
        lines: arguments.lines,
        skus: arguments.skus,
        skew: arguments.skew.parse()?,
        connections: arguments.connections,
        in_flight: arguments.in_flight,
        orders_per_frame_max: arguments.orders_per_frame,
        flash_stock: arguments.flash_stock,
        seed: arguments.seed,
        patience: duration("patience", arguments.patience)?,
        ..LoadOptions::new(arguments.connect, extent)
    })
}

fn duration(option: &str, seconds: f64) -> Result<Duration, Refusal> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Refusal::new(format!("--{option}: {seconds} is no time; give seconds above 0")))
}

fn what(options: &LoadOptions) -> String {
    let rate =
        options.rate.map_or("closed loop".to_owned(), |rate| format!("{} orders/s", grouped(rate as u64)));
    let skus = grouped(options.skus.into());
    match options.workload {
        orderline_loadgen::WorkloadName::Place => {
            format!("place ({} lines over {skus} SKUs, {}, {rate})", options.lines, options.skew)
        }
        orderline_loadgen::WorkloadName::Flash => {
            format!("flash ({} units of one SKU, {rate})", grouped(options.flash_stock))
        }
    }
}

fn progress_text(progress: &Progress) -> String {
    let mut text = format!(
        "{:>6.1} s  {:>11} orders/s  {:>13} accepted  p99 {:>9} us",
        progress.elapsed_s,
        grouped(progress.orders_per_second as u64),
        grouped(progress.acked),
        grouped(progress.p99_us),
    );
    if progress.rejected > 0 {
        text.push_str(&format!("  {} rejected", grouped(progress.rejected)));
    }
    if progress.connections_down > 0 {
        text.push_str(&format!("  {} connections down", progress.connections_down));
    }
    text
}

fn print_table(report: &LoadReport) {
    let latency_us = &report.latency_us;
    eprintln!(
        "{} orders sent in {:.2} s over {} connection(s), {} loop, at most {} in flight on each",
        grouped(report.sent),
        report.seconds,
        report.connections,
        report.loop_kind,
        grouped(report.in_flight.into())
    );
    eprintln!(
        "  accepted   {:>15}   {} orders/s",
        grouped(report.acked),
        grouped(report.orders_per_second as u64)
    );
    eprintln!("  rejected   {:>15}", grouped(report.rejected));
    for (code, &count) in &report.rejected_by_code {
        eprintln!("             {:>15}   {code}", grouped(count));
    }
    eprintln!("  unknown    {:>15}", grouped(report.unknown));
    eprintln!(
        "  latency us  p50 {}  p90 {}  p99 {}  p99.9 {}  max {}",
        grouped(latency_us.p50),
        grouped(latency_us.p90),
        grouped(latency_us.p99),
        grouped(latency_us.p999),
        grouped(latency_us.max),
    );
    if let Some(rate) = report.rate {
        eprintln!(
            "  schedule    {} orders/s at constant spacing; behind it by {:.1} ms at most, {} due and not sent",
            grouped(rate as u64),
            report.behind_ms_max,
            grouped(report.due_not_sent),
        );
    }
    if report.reconnects > 0 {
        eprintln!("  reconnected {} time(s)", report.reconnects);
    }
    if let Some(error) = &report.error {
        eprintln!(
            "the server was lost: {error}; {} orders may or may not have been placed",
            grouped(report.unknown)
        );
    }
}
