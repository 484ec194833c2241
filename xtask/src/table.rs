//! The matrix with its counts, as a Markdown table for people and for docs/reliability.md.

use std::collections::BTreeMap;
use std::path::Path;

use crate::matrix::{Row, WAITING};
use crate::proofs::{Failed, Line};

/// Between these lines the document's table stands.
const BEGIN: &str = "<!-- cargo xtask faults --write: begin -->";
const END: &str = "<!-- cargo xtask faults --write: end -->";

/// Figures of several proofs that are added up; of all others the largest is shown.
const SUMMED: [&str; 7] = [
    "acknowledgements_checked",
    "refused",
    "cut_behind_the_last_record",
    "fallbacks",
    "resends",
    "by_signal",
    "executions_of_fuzzers",
];

/// One row with its counts.
pub(crate) struct Counted {
    number: u32,
    fault: String,
    promise: String,
    runs: u64,
    violations: u64,
    figures: String,
}

/// Counts a row.
pub(crate) fn count(row: &Row, lines: &[Line], failed: &[Failed]) -> Counted {
    let of_row = lines.iter().filter(|line| line.row == row.number);
    let (mut runs, mut violations) = (0, 0);
    let mut figures: BTreeMap<&str, f64> = BTreeMap::new();
    for line in of_row {
        runs += line.runs;
        violations += line.violations;
        for (name, value) in
            line.figures.iter().filter(|(name, value)| !SUMMED.contains(&name.as_str()) || **value > 0.0)
        {
            let known = figures.entry(name).or_insert(0.0);
            *known = if SUMMED.contains(&name.as_str()) { *known + value } else { known.max(*value) };
        }
    }
    violations += failed.iter().filter(|failed| row.proofs.contains(&failed.proof)).count() as u64;
    for (name, most) in row.bounds {
        violations += u64::from(figures.get(name).is_none_or(|value| value > most));
    }
    let figures: Vec<String> =
        figures.iter().map(|(name, value)| format!("{} {}", name.replace('_', " "), shown(*value))).collect();
    Counted {
        number: row.number,
        fault: row.fault.to_owned(),
        promise: row.promise.to_owned(),
        runs,
        violations,
        figures: figures.join(", "),
    }
}

impl Counted {
    /// Something was tried, and no promise was broken.
    pub(crate) fn is_well(&self) -> bool {
        self.runs > 0 && self.violations == 0
    }
}

/// 1234567.5 as "1,234,567.5".
fn shown(value: f64) -> String {
    let (whole, rest) = (value.trunc() as u64, value.fract());
    let digits = whole.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if rest > 0.0 { format!("{out}.{}", (rest * 10.0).round() as u64 % 10) } else { out }
}

/// The table, with the rows that wait if all were asked for.
pub(crate) fn markdown(counted: &[Counted], is_whole: bool) -> String {
    let mut rows: Vec<(u32, String)> = counted
        .iter()
        .map(|row| {
            let Counted { number, fault, promise, runs, violations, figures } = row;
            let runs = shown(*runs as f64);
            (*number, format!("| {number} | {fault} | {promise} | {runs} | {violations} | {figures} |"))
        })
        .collect();
    if is_whole {
        rows.extend(
            WAITING
                .iter()
                .map(|(number, fault, why)| (*number, format!("| {number} | {fault} | {why} | | | |"))),
        );
    }
    rows.sort();
    let mut out =
        "| # | fault | promise | runs | violations | figures |\n|---|---|---|---|---|---|\n".to_owned();
    for (_, row) in rows {
        out.push_str(&row);
        out.push('\n');
    }
    out
}

/// Puts the table into the document.
pub(crate) fn write(document: &Path, table: &str, told: &str) -> Result<(), String> {
    let say = |error: std::io::Error| format!("{}: {error}", document.display());
    let text = std::fs::read_to_string(document).map_err(say)?;
    let missing = || format!("{} has no place for the table: {BEGIN} … {END}", document.display());
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, behind) = rest.split_once(END).ok_or_else(missing)?;
    std::fs::write(document, format!("{before}{BEGIN}\n{told}\n\n{table}{END}{behind}")).map_err(say)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(runs: u64, violations: u64, figures: &[(&str, f64)]) -> Line {
        let figures = figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Line { row: 11, what: String::new(), runs, violations, figures }
    }

    #[test]
    fn runs_add_up_and_a_bound_that_is_missed_is_a_violation() {
        let row =
            Row { number: 11, fault: "f", promise: "p", proofs: &[], bounds: &[("stop_ms_max", 1_000.0)] };
        let counted =
            count(&row, &[line(5, 0, &[("stop_ms_max", 700.0)]), line(6, 0, &[("stop_ms_max", 20.0)])], &[]);
        assert_eq!((counted.runs, counted.violations, counted.is_well()), (11, 0, true));
        assert_eq!(counted.figures, "stop ms max 700");
        assert!(!count(&row, &[line(5, 0, &[("stop_ms_max", 1_001.0)])], &[]).is_well());
        assert!(
            !count(&row, &[line(5, 0, &[])], &[]).is_well(),
            "a promise without its figure is not proven"
        );
        assert!(!count(&row, &[line(5, 1, &[("stop_ms_max", 1.0)])], &[]).is_well());
        assert!(!count(&row, &[], &[]).is_well());
    }

    #[test]
    fn numbers_are_shown_for_people() {
        assert_eq!([0.0, 999.0, 1234567.5].map(shown), ["0", "999", "1,234,567.5"]);
    }
}
