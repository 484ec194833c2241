//! What every verb shares: how it ends, what stops it, and the one JSON line that it prints last.

use std::fmt;
use std::thread::JoinHandle;

use serde::Serialize;

/// How a verb that ran has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Done, and all is well.
    Well,
    /// Done, and something is wrong: the report says what.
    FoundWrong,
}

impl Ending {
    /// `Well` if `well`.
    pub(crate) fn well_if(well: bool) -> Self {
        if well { Self::Well } else { Self::FoundWrong }
    }
}

/// Why a verb could not run: one sentence that says what happened, where, and what to do.
#[derive(Debug)]
pub(crate) struct Refusal(String);

impl Refusal {
    /// A refusal that says this.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// Why there is no thread of this name: the system gave none.
    pub(crate) fn no_thread(name: &str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| {
            Self(format!(
                "the thread `{name}` cannot be started: {error}; the system gives no more memory or threads, so raise the limits \
                 (ulimit -v, ulimit -u)"
            ))
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        let mut sentence = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Errors that quote their cause already would otherwise say it twice.
            if !sentence.contains(&cause_text) {
                sentence.push_str(": ");
                sentence.push_str(&cause_text);
            }
            source = cause.source();
        }
        Self(sentence)
    }
}

/// Starts a thread of this name.
///
/// # Errors
/// [`Refusal::no_thread`].
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Refusal> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(Refusal::no_thread(name))
}

/// What a verb returns.
pub(crate) type VerbResult = Result<Ending, Refusal>;

/// Prints the report as one JSON object on one line, the last line of standard output.
#[allow(clippy::print_stdout)] // The one place that prints a report.
pub(crate) fn print_json(report: &impl Serialize) -> Result<(), Refusal> {
    println!("{}", serde_json::to_string(report)?);
    Ok(())
}
