//! Running proofs and collecting what they counted.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

use crate::matrix::Proof;

/// Where a test writes what it counted.
const VARIABLE: &str = "ORDERLINE_PROOFS";

/// One line of a test's.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) row: u32,
    pub(crate) what: String,
    pub(crate) runs: u64,
    pub(crate) violations: u64,
    pub(crate) figures: BTreeMap<String, f64>,
}

/// A command that ended badly.
pub(crate) struct Failed {
    pub(crate) proof: Proof,
    pub(crate) command: String,
}

/// Runs all proofs, tests of one target in one command, and returns what they counted and which commands failed.
pub(crate) fn run(proofs: &[Proof], kills: u64, is_long: bool) -> Result<(Vec<Line>, Vec<Failed>), String> {
    let directory = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
    let file = directory.path().join("proofs");
    let mut failed = Vec::new();
    let mut lines = Vec::new();
    let mut targets: BTreeMap<(&str, &str), Vec<(&str, Proof)>> = BTreeMap::new();
    for proof in proofs {
        match *proof {
            Proof::Tests { package, target, filter } => {
                let filters = targets.entry((package, target)).or_default();
                if !filters.iter().any(|(known, _)| *known == filter) {
                    filters.push((filter, *proof));
                }
            }
            Proof::Campaign { workload, percent } => match campaign(workload, kills * percent / 100)? {
                Some(more) => lines.extend(more),
                None => failed.push(Failed { proof: *proof, command: format!("a campaign of {workload}") }),
            },
            Proof::Fuzzing { row, targets } => {
                let (more, has_crashed) = fuzzing(row, targets, &directory.path().join("fuzzed"))?;
                lines.extend(more);
                if has_crashed {
                    let command = format!("fuzz/run.sh --nightly {}", targets.join(" "));
                    failed.push(Failed { proof: *proof, command });
                }
            }
            Proof::Lives { seconds } => lines.extend(lives(if is_long { 10 * seconds } else { seconds })?),
        }
    }
    for ((package, target), filters) in targets {
        // First all in one go; if that fails, one by one, to know which.
        let names: Vec<&str> = filters.iter().map(|(filter, _)| *filter).collect();
        if test(package, target, &names, &file)? {
            continue;
        }
        for (filter, proof) in filters {
            if !test(package, target, &[filter], &directory.path().join("again"))? {
                failed.push(Failed {
                    proof,
                    command: format!("cargo test -p {package} --test {target} -- {filter}"),
                });
            }
        }
    }
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    for line in text.lines() {
        lines.push(serde_json::from_str(line).map_err(|error| format!("{error} in {line}"))?);
    }
    Ok((lines, failed))
}

/// Runs tests; whether all of them passed.
fn test(package: &str, target: &str, filters: &[&str], proofs: &Path) -> Result<bool, String> {
    let mut command = cargo();
    command.args(["test", "--quiet", "--package", package, "--test", target, "--"]).args(filters);
    eprintln!("== cargo test -p {package} --test {target} -- {}", filters.join(" "));
    let status = command.env(VARIABLE, proofs).stdout(Stdio::null()).status();
    Ok(status.map_err(|error| format!("cargo did not start: {error}"))?.success())
}

/// A campaign of the drill in a build that has fault points; nothing if it did not end well.
fn campaign(workload: &str, kills: u64) -> Result<Option<Vec<Line>>, String> {
    eprintln!("== orderline drill --campaign --kills {kills} --workload {workload}");
    let mut command = cargo();
    command.args([
        "run",
        "--quiet",
        "--package",
        "orderline",
        "--features",
        "orderline-journal/faults",
        "--",
    ]);
    command.args(["drill", "--campaign", "--kills", &kills.to_string(), "--workload", workload, "--json"]);
    let ran =
        command.stderr(Stdio::inherit()).output().map_err(|error| format!("cargo did not start: {error}"))?;
    if !ran.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&ran.stdout);
    let report: Value = serde_json::from_str(text.trim()).map_err(|error| format!("{error} in {text}"))?;
    let number = |key: &str| report[key].as_u64().unwrap_or_default();
    let nested = number("kills_in_recovery");
    let broken = number("lost") + number("duplicated");
    let of = |row, runs| Line {
        row,
        what: format!("a campaign of {workload}"),
        runs,
        violations: broken,
        figures: [
            // Once, or the sum over both rows would have each of them twice.
            ("acknowledgements_checked".to_owned(), if row == 1 { number("checked") as f64 } else { 0.0 }),
            ("recovery_ms_max".to_owned(), report["recovery_ms"]["max"].as_f64().unwrap_or_default()),
            ("depth_max".to_owned(), number("depth_max") as f64),
        ]
        .into(),
    };
    Ok(Some(vec![of(1, number("kills") - nested), of(2, nested)]))
}

/// Lives in the simulator; none, and said, in a tree without it.
fn lives(seconds: u64) -> Result<Option<Line>, String> {
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/Cargo.toml").exists() {
        eprintln!("== the simulator is not part of this tree: none of its lives are counted");
        return Ok(None);
    }
    eprintln!("== orderline-sim --seconds {seconds}");
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", "orderline-sim", "--"]);
    command.args(["--seconds", &seconds.to_string(), "--json"]);
    // Exit code 1 says that a life failed; the report says so as well.
    let ran =
        command.stderr(Stdio::inherit()).output().map_err(|error| format!("cargo did not start: {error}"))?;
    let text = String::from_utf8_lossy(&ran.stdout);
    let report: Value = serde_json::from_str(text.trim()).map_err(|error| format!("{error} in {text}"))?;
    let failed = report["violations"].as_array().map_or(1, Vec::len) as u64;
    Ok(Some(Line {
        row: 3,
        what: "lives in the simulator".to_owned(),
        runs: report["lives"].as_u64().unwrap_or_default(),
        violations: failed,
        figures: [("times_real_time".to_owned(), report["times_real"].as_f64().unwrap_or_default())].into(),
    }))
}

/// One target of the fuzzers', as `fuzz/run.sh` reports it.
#[derive(Debug, Deserialize)]
struct Fuzzed {
    target: String,
    executions: u64,
}

/// Nightly executions of the fuzzers' targets: what was counted, and whether any of them crashed.
fn fuzzing(row: u32, targets: &[&str], report: &Path) -> Result<(Vec<Line>, bool), String> {
    eprintln!("== fuzz/run.sh --nightly {}", targets.join(" "));
    let _ = std::fs::remove_file(report);
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/run.sh"));
    command.arg("--nightly").args(targets).env("FUZZ_REPORT", report);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let is_well = status.map_err(|error| format!("fuzz/run.sh did not start: {error}"))?.success();
    let mut lines = Vec::new();
    for line in std::fs::read_to_string(report).unwrap_or_default().lines() {
        let Fuzzed { target, executions } =
            serde_json::from_str(line).map_err(|error| format!("{error} in {line}"))?;
        lines.push(Line {
            row,
            what: format!("fuzzing of {target}"),
            runs: executions,
            violations: 0,
            figures: [("executions_of_fuzzers".to_owned(), executions as f64)].into(),
        });
    }
    Ok((lines, !is_well))
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.stdin(Stdio::null());
    command
}
