//! `orderline config`: sellers, locations, SKUs, sourcing rules and policies as one readable file. Export writes what a server
//! has; apply shows what differs and then makes the server have what the file says, through the gateway like all else.

mod change;
pub(crate) mod file;
mod server;

use std::io::Write;

use serde::Serialize;

use crate::cli::{ConfigApplyArguments, ConfigArguments, ConfigExportArguments, ConfigVerb};
use crate::connect::connect;
use crate::defaults;
use crate::progress::grouped;
use crate::verb::{Ending, Refusal, VerbResult, print_json};

use change::{Change, Changes};
use file::SettingsFile;

/// Changes shown one by one; of more, the rest is counted.
const CHANGES_SHOWN_MAX: usize = 200;

pub(crate) fn run(arguments: &ConfigArguments) -> VerbResult {
    match &arguments.verb {
        ConfigVerb::Default(arguments) => defaults::print(arguments),
        ConfigVerb::Check(arguments) => defaults::check(arguments),
        ConfigVerb::Export(arguments) => export(arguments),
        ConfigVerb::Apply(arguments) => apply(arguments),
    }
}

fn export(arguments: &ConfigExportArguments) -> VerbResult {
    let mut client = connect(&arguments.server)?;
    let (found, sequence) = server::read(&mut client)?;
    let text =
        found.to_text(&format!("exported from {} at sequence {sequence}", arguments.server.connect))?;
    if let Some(path) = &arguments.out {
        std::fs::write(path, &text)
            .map_err(|error| Refusal::new(format!("cannot write {}: {error}", path.display())))?;
        eprintln!("{} written: {}", path.display(), found.counts());
    }
    if arguments.json {
        print_json(&ExportReport {
            sequence,
            sellers: found.sellers.len(),
            locations: found.locations.len(),
            skus: found.skus.len(),
            out: arguments.out.as_deref(),
            file: arguments.out.is_none().then_some(&text),
        })?;
    } else if arguments.out.is_none() {
        std::io::stdout().lock().write_all(text.as_bytes())?;
    }
    Ok(Ending::Well)
}

#[derive(Debug, Serialize)]
struct ExportReport<'a> {
    /// As of which the server was read.
    sequence: u64,
    sellers: usize,
    locations: usize,
    skus: usize,
    /// Where the file was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<&'a std::path::Path>,
    /// The file's text, if it was written nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a String>,
}

#[derive(Debug, Serialize)]
struct ApplyReport {
    added: usize,
    changed: usize,
    unchanged: usize,
    /// On the server and not in the file: left as they are.
    not_in_file: usize,
    applied: usize,
    /// What the server refused, and why.
    refused: Vec<String>,
    dry_run: bool,
    changes: Vec<String>,
}

fn apply(arguments: &ConfigApplyArguments) -> VerbResult {
    let text = std::fs::read_to_string(&arguments.file)
        .map_err(|error| Refusal::new(format!("cannot read {}: {error}", arguments.file.display())))?;
    let wanted = SettingsFile::parse(&text)
        .map_err(|error| Refusal::new(format!("{}: {error}", arguments.file.display())))?;
    let mut client = connect(&arguments.server)?;
    let (found, _) = server::read(&mut client)?;
    let changes = Changes::between(&found, &wanted)
        .map_err(|error| Refusal::new(format!("{}: {error}", arguments.file.display())))?;
    show(&changes);
    let mut report = ApplyReport {
        added: changes.list.iter().filter(|change| change.is_new).count(),
        changed: changes.list.iter().filter(|change| !change.is_new).count(),
        unchanged: changes.unchanged,
        not_in_file: changes.not_in_file,
        applied: 0,
        refused: Vec::new(),
        dry_run: arguments.dry_run,
        changes: changes.list.iter().map(ToString::to_string).collect(),
    };
    if arguments.dry_run {
        eprintln!("nothing was changed: --dry-run");
    } else if !changes.list.is_empty() {
        let outcome = server::write(&mut client, &found, &changes)?;
        (report.applied, report.refused) = (outcome.applied, outcome.refused);
        for refused in &report.refused {
            eprintln!("refused: {refused}");
        }
        eprintln!("{} applied, {} refused", grouped(report.applied as u64), report.refused.len());
    }
    if arguments.json {
        print_json(&report)?;
    }
    Ok(Ending::well_if(report.refused.is_empty()))
}

fn show(changes: &Changes) {
    for change in changes.list.iter().take(CHANGES_SHOWN_MAX) {
        eprintln!("{change}");
    }
    if changes.list.len() > CHANGES_SHOWN_MAX {
        eprintln!("… and {} more", grouped((changes.list.len() - CHANGES_SHOWN_MAX) as u64));
    }
    let new = changes.list.iter().filter(|change: &&Change| change.is_new).count();
    eprintln!(
        "{} new, {} changed, {} as they are; {} on the server and not in the file are left alone",
        grouped(new as u64),
        grouped((changes.list.len() - new) as u64),
        grouped(changes.unchanged as u64),
        grouped(changes.not_in_file as u64)
    );
}
