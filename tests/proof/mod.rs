//! What a test has counted for the matrix of faults: runs, broken promises and figures, as a JSON line for
//! `cargo xtask faults` to collect. Shared by the tests of several packages.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;

/// Where the lines go; without it they go nowhere.
const VARIABLE: &str = "ORDERLINE_PROOFS";

/// Counted proof of one row of the matrix.
#[must_use = "a proof counts once it has ended"]
pub(crate) struct Proof {
    row: u32,
    what: &'static str,
    runs: u64,
    violations: Vec<String>,
    figures: Vec<(&'static str, f64)>,
}

#[allow(dead_code)] // Not every test binary needs all of it.
impl Proof {
    /// Begins to count for a row; `what` says which part of it this is.
    pub(crate) fn of(row: u32, what: &'static str) -> Self {
        Self { row, what, runs: 0, violations: Vec::new(), figures: Vec::new() }
    }

    /// Counts runs that were made.
    pub(crate) fn ran(&mut self, runs: u64) {
        self.runs += runs;
    }

    /// Counts one run, and a broken promise if `is_kept` is not.
    pub(crate) fn check(&mut self, is_kept: bool, broken: impl FnOnce() -> String) {
        self.runs += 1;
        if !is_kept {
            self.violations.push(broken());
        }
    }

    /// Counts a broken promise if `is_kept` is not: one more thing to ask of a run that is counted already.
    pub(crate) fn hold(&mut self, is_kept: bool, broken: impl FnOnce() -> String) {
        self.check(is_kept, broken);
        self.runs -= 1;
    }

    /// A figure to report beside the counts.
    pub(crate) fn figure(&mut self, name: &'static str, value: f64) {
        self.figures.push((name, value));
    }

    /// Hands the counts over.
    ///
    /// # Panics
    /// If a promise was broken, or nothing was tried.
    pub(crate) fn end(self) {
        let Self { row, what, runs, violations, figures } = self;
        let mut line = format!(
            "{{\"row\":{row},\"what\":{what:?},\"runs\":{runs},\"violations\":{},\"figures\":{{",
            violations.len()
        );
        for (at, (name, value)) in figures.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(line, "{comma}{name:?}:{}", (value * 10.0).round() / 10.0).expect("text can grow");
        }
        line.push_str("}}\n");
        if let Ok(path) = std::env::var(VARIABLE) {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.and_then(|mut file| file.write_all(line.as_bytes()))
                .expect("the proofs' file can be written");
        }
        assert!(violations.is_empty(), "row {row}, {what}: {} broken: {violations:#?}", violations.len());
        assert!(runs > 0, "row {row}, {what}: nothing was tried");
    }
}
