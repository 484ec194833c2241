//! `orderline repair`: mends a copy of a damaged directory by rules, and never drops what was acknowledged without being
//! told to, nor without saying which orders it named.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use orderline_journal::repair::{begin_at, end_at, mend_frame};
use orderline_journal::survey::{FindingKind, Survey, survey, whole_batches_behind};
use orderline_journal::{Position, PositionalStorage, Storage};
use orderline_protocol::OrderId;
use orderline_protocol::event::Event;
use serde::Serialize;

use crate::check::{FindingReport, findings, storage_of, tell};
use crate::cli::RepairArguments;
use crate::copying::{check_at_rest, copy_directory};
use crate::progress::grouped;
use crate::verb::{Ending, Refusal, VerbResult, print_json};

#[derive(Debug, Serialize)]
struct RepairReport {
    /// The copy is sound, or there was nothing to repair and none was made.
    ok: bool,
    /// A copy was made and mended.
    repaired: bool,
    /// What was wrong with the directory.
    findings: Vec<FindingReport>,
    /// What was done to the copy.
    actions: Vec<String>,
    /// What had to be dropped, or would have to be.
    dropped: Option<Dropped>,
    /// Up to where the copy's log can be read.
    last_sequence: u64,
}

/// Records that are not in the mended copy.
#[derive(Debug, Default, Serialize)]
struct Dropped {
    first_sequence: u64,
    /// The last one of which anything is known.
    last_sequence: u64,
    /// Up to which sequence later batches prove that clients had been told.
    acknowledged_up_to: u64,
    /// Records that can still be read; what is missing between them cannot.
    readable: u64,
    /// Orders, groups and reservations that they name.
    orders: Vec<String>,
}

pub(crate) fn run(arguments: &RepairArguments) -> VerbResult {
    check_at_rest(&arguments.data)?;
    let storage = storage_of(&arguments.data)?;
    let found = survey(&storage)?;
    let mut report = RepairReport {
        ok: found.is_sound(),
        repaired: false,
        findings: findings(&found),
        actions: Vec::new(),
        dropped: None,
        last_sequence: found.end.map_or(0, |position| position.last_sequence()),
    };
    tell(&report.findings);
    if report.ok {
        eprintln!("nothing to repair, and no copy was made");
    } else {
        check_mendable(&found, &arguments.data)?;
        repair(arguments, &mut report)?;
    }
    if arguments.json {
        print_json(&report)?;
    }
    Ok(Ending::well_if(report.ok))
}

fn check_mendable(found: &Survey, data: &Path) -> Result<(), Refusal> {
    if found.has(|kind| kind == FindingKind::Version) {
        let why = "it was written by a version that this program does not know; repair it with the release that wrote it";
        return Err(Refusal::new(format!("{}: {why}", data.display())));
    }
    if found.store_id.is_none() {
        let why = "neither its store file nor its segments say which store it is; restore the file `store` from a copy";
        return Err(Refusal::new(format!("{}: {why}", data.display())));
    }
    Ok(())
}

fn repair(arguments: &RepairArguments, report: &mut RepairReport) -> Result<(), Refusal> {
    let to = &arguments.to;
    if to.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Refusal::new(format!(
            "{} is not empty; give a directory that is empty or absent",
            to.display()
        )));
    }
    let bytes = copy_directory(&arguments.data, to)?;
    eprintln!("copied {} MiB to {}", grouped(bytes >> 20), to.display());
    let copy: Arc<dyn Storage> = Arc::new(PositionalStorage::new(to));
    report.actions.extend(mend_frame(&copy, &survey(&copy)?)?);
    let mut mended = survey(&copy)?;
    // Snapshots that lie behind the damage hold all that it held.
    if let Some((sequence, position)) =
        mended.start.filter(|(sequence, _)| !mended.is_sound() && *sequence > 0)
        && position.segment > 1
    {
        report.actions.push(begin_at(&copy, sequence, position)?);
        mended = survey(&copy)?;
    }
    if !mended.is_sound() {
        let (Some(store_id), Some(end)) = (mended.store_id, mended.end) else {
            return Err(Refusal::new(format!("no record of {} can be read", arguments.data.display())));
        };
        let dropped = read_behind(&*copy, store_id, end)?;
        tell_dropped(&dropped);
        report.dropped = Some(dropped);
        if !arguments.drop_acknowledged {
            std::fs::remove_dir_all(to)?;
            report.actions.clear();
            eprintln!(
                "NOT repaired, and the copy was removed: these records would be dropped; restore the damaged file from a \
                 backup, or say --drop-acknowledged"
            );
            return Ok(());
        }
        report.actions.push(end_at(&copy, end)?);
        mended = survey(&copy)?;
    }
    report.repaired = true;
    report.ok = mended.is_sound() && mended.start.is_some();
    report.last_sequence = mended.end.map_or(0, |position| position.last_sequence());
    for action in &report.actions {
        eprintln!("done: {action}");
    }
    tell(&findings(&mended));
    eprintln!(
        "{}: {} holds the log up to sequence {}; {} is as it was",
        if report.ok { "repaired" } else { "NOT sound" },
        to.display(),
        report.last_sequence,
        arguments.data.display()
    );
    Ok(())
}

/// What stands behind the place at which the log cannot be read on.
fn read_behind(storage: &dyn Storage, store_id: u128, end: Position) -> Result<Dropped, Refusal> {
    let mut dropped =
        Dropped { first_sequence: end.sequence, last_sequence: end.sequence, ..Dropped::default() };
    let mut orders = BTreeSet::new();
    whole_batches_behind(storage, store_id, end, |batch| {
        dropped.last_sequence = batch.last_sequence();
        dropped.acknowledged_up_to = dropped.acknowledged_up_to.max(batch.durable_sequence);
        for seen in batch.records() {
            dropped.readable += 1;
            if let Ok(event) = Event::read(seen.kind, seen.version, seen.payload) {
                orders.extend(orderline_json::ids(&event).into_iter().map(OrderId::get));
            }
        }
    })?;
    dropped.orders = orders.into_iter().map(|id| OrderId::new(id).to_string()).collect();
    Ok(dropped)
}

/// Orders that are listed for people; the JSON report has them all.
const LISTED_MAX: usize = 20;

fn tell_dropped(dropped: &Dropped) {
    let Dropped { first_sequence, last_sequence, acknowledged_up_to, readable, orders } = dropped;
    let count = last_sequence - first_sequence + 1;
    eprintln!(
        "behind the damage: sequences {first_sequence} to {last_sequence}, acknowledged up to {acknowledged_up_to} at least; {} of \
         {} records can be read, the others not",
        grouped(*readable),
        grouped(count)
    );
    eprintln!("they name {} orders, groups and reservations:", grouped(orders.len() as u64));
    for order in orders.iter().take(LISTED_MAX) {
        eprintln!("  {order}");
    }
    if orders.len() > LISTED_MAX {
        eprintln!("  and {} more, which --json lists", grouped((orders.len() - LISTED_MAX) as u64));
    }
}
