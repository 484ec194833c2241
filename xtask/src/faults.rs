//! `cargo xtask faults`: runs what proves the matrix, and shows it.

use std::path::Path;
use std::time::Instant;

use crate::FaultsArguments;
use crate::matrix::{Proof, ROWS, Row, WAITING};
use crate::{proofs, table};

/// Whether every row that was asked for is proven.
pub(crate) fn run(arguments: &FaultsArguments) -> Result<bool, String> {
    let is_whole = arguments.row.is_empty();
    let rows: Vec<&Row> = ROWS.iter().filter(|row| is_whole || arguments.row.contains(&row.number)).collect();
    for number in &arguments.row {
        if let Some((_, fault, why)) = WAITING.iter().find(|(waiting, ..)| waiting == number) {
            return Err(format!("row {number}, {fault}: {why}"));
        }
        if !rows.iter().any(|row| row.number == *number) {
            return Err(format!("there is no row {number}"));
        }
    }
    let is_wanted = |proof: &&Proof| arguments.long || !proof.is_long();
    let wanted: Vec<Proof> =
        rows.iter().flat_map(|row| row.proofs.iter().filter(is_wanted)).copied().collect();
    let start = Instant::now();
    let (lines, failed) = proofs::run(&wanted, arguments.kills, arguments.long)?;
    let took_s = start.elapsed().as_secs();
    let counted: Vec<_> = rows.iter().map(|row| table::count(row, &lines, &failed)).collect();
    let text = table::markdown(&counted, is_whole);
    print(&text);
    for line in lines.iter().filter(|line| line.violations > 0) {
        eprintln!("row {}: {}: {} broken", line.row, line.what, line.violations);
    }
    for failed in &failed {
        eprintln!("failed: {}", failed.command);
    }
    let is_well = counted.iter().all(table::Counted::is_well);
    eprintln!(
        "{} in {took_s} s",
        if is_well { "every promise was kept" } else { "NOT every promise was kept" }
    );
    if arguments.write {
        let form = if arguments.long { "cargo xtask faults --long" } else { "cargo xtask faults" };
        let told = format!(
            "As `{form}` counted it, in {took_s} s with what had to be compiled. Times are a debug build's, beside whatever else the \
             machine did:"
        );
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md");
        table::write(&document, &text, &told)?;
    }
    Ok(is_well)
}

#[allow(clippy::print_stdout)] // The one thing that the chore is for.
fn print(text: &str) {
    print!("{text}");
}
