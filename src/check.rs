//! `orderline check`: the bytes of a directory, looked at without stopping at the first damage. `verify` replays and judges
//! what the records say; this reads files, chains and checksums, and says of each finding what `repair` would do.

use std::path::Path;
use std::sync::Arc;

use orderline_journal::survey::{self, FindingKind, Survey};
use orderline_journal::{PositionalStorage, Storage};
use serde::Serialize;

use crate::cli::CheckArguments;
use crate::progress::grouped;
use crate::verb::{Ending, Refusal, VerbResult, print_json};

#[derive(Debug, Serialize)]
struct CheckReport {
    /// Nothing that had been durable is damaged.
    ok: bool,
    /// A server would start here.
    starts: bool,
    /// The sequence of the snapshot that it would start from; 0: from the first record.
    starts_from: Option<u64>,
    segments: usize,
    snapshots: Vec<u64>,
    bytes: u64,
    batches: u64,
    records: u64,
    /// Up to where the log can be read.
    last_sequence: u64,
    findings: Vec<FindingReport>,
}

/// One finding.
#[derive(Debug, Serialize)]
pub(crate) struct FindingReport {
    /// `damage`, or `note` for what a crash explains or the next start takes care of.
    severity: &'static str,
    file: String,
    offset: u64,
    what: String,
    /// What `repair` would do about it.
    repair: &'static str,
}

pub(crate) fn run(arguments: &CheckArguments) -> VerbResult {
    let storage = storage_of(&arguments.data)?;
    let survey = survey::survey(&storage)?;
    let report = CheckReport {
        ok: survey.is_sound(),
        starts: survey.start.is_some(),
        starts_from: survey.start.map(|(sequence, _)| sequence),
        segments: survey.segments.len(),
        snapshots: survey.snapshots.iter().map(|info| info.sequence).collect(),
        bytes: survey.bytes,
        batches: survey.batches,
        records: survey.records,
        last_sequence: survey.end.map_or(0, |position| position.last_sequence()),
        findings: findings(&survey),
    };
    eprintln!(
        "{} segments and {} whole snapshots of {} MiB; {} records read up to sequence {}",
        report.segments,
        report.snapshots.len(),
        grouped(report.bytes >> 20),
        grouped(report.records),
        report.last_sequence
    );
    tell(&report.findings);
    eprintln!(
        "{}, {}",
        if report.ok { "nothing is damaged" } else { "DAMAGED" },
        match report.starts_from {
            Some(0) => "a server starts here from the first record".to_owned(),
            Some(sequence) => format!("a server starts here from the snapshot at sequence {sequence}"),
            None => "no server starts here".to_owned(),
        }
    );
    if arguments.json {
        print_json(&report)?;
    }
    Ok(Ending::well_if(report.ok))
}

/// A directory that has to be there.
pub(crate) fn storage_of(data: &Path) -> Result<Arc<dyn Storage>, Refusal> {
    let has_files = data.join("journal").is_dir() || data.join("store").is_file();
    if !has_files {
        return Err(Refusal::new(format!(
            "{} holds neither a store nor a journal; give the directory a server was started with",
            data.display()
        )));
    }
    Ok(Arc::new(PositionalStorage::new(data)))
}

/// What a survey found, with what would be done about it.
pub(crate) fn findings(survey: &Survey) -> Vec<FindingReport> {
    let of = |finding: &survey::Finding| FindingReport {
        severity: if finding.kind.is_damage() { "damage" } else { "note" },
        file: finding.path.display().to_string(),
        offset: finding.offset,
        what: finding.sentence.clone(),
        repair: remedy(finding.kind, survey),
    };
    survey.findings.iter().map(of).collect()
}

fn remedy(kind: FindingKind, survey: &Survey) -> &'static str {
    match kind {
        FindingKind::Store if survey.store_id.is_some() => "write it anew: all segments name the same store",
        FindingKind::Store => "nothing: the segments do not say which store this is",
        FindingKind::SegmentHeader(_) => {
            "write the page anew, for the name and the batches say what it held; leave out another one's segment"
        }
        FindingKind::Version => "nothing: run the release that wrote it",
        FindingKind::MissingSegment | FindingKind::Log => match survey.start {
            Some((sequence, _)) if sequence > 0 => {
                "begin the log at the newest snapshot, which lies behind the damage: no order is lost, history is"
            }
            _ => {
                "end the log before it, only with --drop-acknowledged, and list what goes; better restore the file"
            }
        },
        FindingKind::Snapshot(_) => "leave it out: the one before, or the log, stands in",
        FindingKind::TornTail => "nothing: the next start keeps it aside and cuts it",
        FindingKind::Temporary => "nothing: the next start removes it",
        FindingKind::Unused => "nothing: no record is there; look at the disk",
        FindingKind::Kept | FindingKind::Stranger => "nothing",
    }
}

pub(crate) fn tell(findings: &[FindingReport]) {
    for FindingReport { severity, file, offset, what, repair } in findings {
        eprintln!("{severity}: {file} at offset {offset}: {what}\n  repair would: {repair}");
    }
}
