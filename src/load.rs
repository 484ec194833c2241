//! `orderline load`: arguments to a run of the load generator, and its report to people and programs.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use orderline_loadgen::{
    Extent, LoadOptions, LoadReport, Nobody, Particulars, Progress, TpccReport, WorkloadName,
};

use crate::cli::LoadArguments;
use crate::connect::client_options;
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
    Ok(Ending::well_if(report.is_well()))
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
        sellers: arguments.sellers,
        locations: arguments.locations,
        reserve: arguments.reserve,
        reservation_s: arguments.reservation_seconds,
        skew: arguments.skew.parse()?,
        connections: arguments.connections,
        in_flight: arguments.in_flight,
        orders_per_frame_max: arguments.orders_per_frame,
        refuse_when_busy: arguments.refuse_when_busy,
        deadline: duration("deadline-ms", arguments.deadline_ms / 1e3)?,
        query_skus: arguments.query_skus,
        flash_stock: arguments.flash_stock,
        feed_burst: arguments.feed_burst,
        feed_every: duration("feed-seconds", arguments.feed_seconds)?,
        ship: arguments.ship,
        seed: arguments.seed,
        patience: duration("patience", arguments.patience)?,
        client: client_options(&arguments.server)?,
        ..LoadOptions::new(arguments.server.connect, extent)
    })
}

fn duration(option: &str, seconds: f64) -> Result<Duration, Refusal> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Refusal::new(format!("--{option}: {seconds} is no time; give seconds above 0")))
}

fn what(options: &LoadOptions) -> String {
    let of = match options.workload {
        WorkloadName::Tpcc => "transactions",
        WorkloadName::Carts => "carts",
        WorkloadName::Availability => "queries",
        _ => "orders",
    };
    let rate =
        options.rate.map_or("closed loop".to_owned(), |rate| format!("{} {of}/s", grouped(rate as u64)));
    let skus = grouped(options.skus.into());
    let lines = format!("{} lines over {skus} SKUs, {}", options.lines, options.skew);
    match options.workload {
        WorkloadName::Place if options.reserve => format!("place out of reservations ({lines}, {rate})"),
        WorkloadName::Place | WorkloadName::Life | WorkloadName::Carts => {
            format!("{} ({lines}, {rate})", options.workload)
        }
        WorkloadName::Feed => format!(
            "feed ({lines}, {rate}; {} stock levels every {} s)",
            grouped(options.feed_burst.into()),
            options.feed_every.as_secs_f64()
        ),
        WorkloadName::Flash => {
            format!("flash ({} units of one SKU, {rate})", grouped(options.flash_stock))
        }
        WorkloadName::Availability => format!(
            "availability (queries of {} among {skus} SKUs, {}, {rate})",
            options.query_skus, options.skew
        ),
        WorkloadName::Tpcc => format!("a TPC-C-shaped mix, no TPC result ({skus} items, {rate})"),
    }
}

fn progress_text(progress: &Progress) -> String {
    if progress.acked + progress.rejected == 0 && progress.answers_per_second > 0.0 {
        return format!(
            "{:>6.1} s  {:>11} answers/s  {:>11} queries/s  p99 {:>9} us",
            progress.elapsed_s,
            grouped(progress.answers_per_second as u64),
            grouped(progress.commands_per_second as u64),
            grouped(progress.p99_us),
        );
    }
    let mut text = format!(
        "{:>6.1} s  {:>11} orders/s  {:>13} accepted  p99 {:>9} us",
        progress.elapsed_s,
        grouped(progress.orders_per_second as u64),
        grouped(progress.acked),
        grouped(progress.p99_us),
    );
    if progress.commands_per_second > progress.answers_per_second * 1.01 {
        text.push_str(&format!("  {:>11} commands/s", grouped(progress.commands_per_second as u64)));
    }
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
        "{} orders sent in {:.2} s over {} connection(s), {} loop, at most {} commands in flight on each",
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
    if report.commands.len() > 1 {
        let answered = report.commands.values().sum();
        eprintln!(
            "  commands   {:>15}   {} commands/s",
            grouped(answered),
            grouped(report.commands_per_second as u64)
        );
        for (kind, &count) in &report.commands {
            eprintln!("             {:>15}   {kind}", grouped(count));
        }
        for (code, &count) in &report.refused_commands_by_code {
            eprintln!("             {:>15}   refused: {code}", grouped(count));
        }
    }
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
    if report.rate.is_some() || report.busy > 0 {
        let accepted_us = &report.latency_accepted_us;
        eprintln!(
            "  goodput     {} orders/s accepted within {} ms; accepted in us  p50 {}  p99 {}  max {}",
            grouped(report.goodput_per_second as u64),
            report.deadline_ms,
            grouped(accepted_us.p50),
            grouped(accepted_us.p99),
            grouped(accepted_us.max),
        );
    }
    if let Some(particulars) = &report.particulars {
        print_particulars(particulars);
    }
    for (check, &holds) in &report.checks {
        eprintln!("  {}  {}", if holds { "holds " } else { "BROKEN" }, check.replace('_', " "));
    }
    for problem in &report.problems {
        eprintln!("  {problem}");
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

fn print_particulars(particulars: &Particulars) {
    match particulars {
        Particulars::Flash(flash) => {
            eprintln!("  sold       {:>15}   of {} units", grouped(flash.sold), grouped(flash.stock));
            if let Some(lost_at) = flash.lost_at_sequence {
                eprintln!(
                    "  losers     {:>15}   told so as of sequences {} to {}",
                    grouped(flash.losers),
                    grouped(lost_at.first),
                    grouped(lost_at.last)
                );
            }
        }
        Particulars::Life(life) => eprintln!(
            "  lives      {} delivered, {} cancelled, {} returned, {} broken off, {} unfinished",
            grouped(life.delivered),
            grouped(life.cancelled),
            grouped(life.returned),
            grouped(life.broken_off),
            grouped(life.unfinished)
        ),
        Particulars::Carts(carts) => eprintln!(
            "  carts      {} reserved, {} checked out into {} order(s) each, {} left to expire",
            grouped(carts.reserved),
            grouped(carts.checked_out),
            carts.orders_per_cart,
            grouped(carts.left_to_expire)
        ),
        Particulars::Feed(feed) => eprintln!(
            "  feed       {} updates, {} updates/s, {} refused; {} bursts, each of {}: p50 {:.1} ms, max {:.1} ms",
            grouped(feed.feed_updates),
            grouped(feed.feed_updates_per_second as u64),
            grouped(feed.feed_rejected),
            grouped(feed.feed_bursts),
            grouped(feed.feed_burst_updates.into()),
            feed.feed_burst_ms.p50,
            feed.feed_burst_ms.max
        ),
        Particulars::Tpcc(tpcc) => print_transactions(tpcc),
        Particulars::Availability(availability) => eprintln!(
            "  answers    {:>15}   {} answers/s, {} SKUs a query; {} SKUs could be bought",
            grouped(availability.sku_answers),
            grouped(availability.sku_answers_per_second as u64),
            availability.query_skus,
            grouped(availability.skus_buyable)
        ),
    }
}

fn print_transactions(tpcc: &TpccReport) {
    eprintln!(
        "  a TPC-C-shaped mix, no TPC result: {} transactions/s",
        grouped(tpcc.transactions_per_second as u64)
    );
    for (name, transaction) in &tpcc.transactions {
        eprintln!(
            "  {:<13} {:>12} completed, {} failed, {} skipped   latency us  p50 {}  p99 {}  max {}",
            name.replace('_', "-"),
            grouped(transaction.completed),
            grouped(transaction.failed),
            grouped(transaction.skipped),
            grouped(transaction.latency_us.p50),
            grouped(transaction.latency_us.p99),
            grouped(transaction.latency_us.max)
        );
    }
}
