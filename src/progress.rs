//! Progress of long work on standard error: a line that redraws itself for people, a line every few seconds for logs.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Shows how far something has come.
pub(crate) struct ProgressLine {
    is_terminal: bool,
    last_shown: Option<Instant>,
    is_dirty: bool,
}

impl ProgressLine {
    pub(crate) fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), last_shown: None, is_dirty: false }
    }

    /// Whether somebody looks at it while it goes on.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Whether enough time has passed since it was so last.
    pub(crate) fn is_due(&mut self) -> bool {
        let pause = if self.is_terminal { Duration::from_millis(100) } else { Duration::from_secs(2) };
        if self.last_shown.is_some_and(|shown| shown.elapsed() < pause) {
            return false;
        }
        self.last_shown = Some(Instant::now());
        true
    }

    /// Shows a line if enough time has passed since the last one.
    pub(crate) fn show(&mut self, line: impl FnOnce() -> String) {
        if !self.is_due() {
            return;
        }
        if self.is_terminal {
            eprint!("\r\x1b[2K{}", line());
            let _ = std::io::stderr().flush();
            self.is_dirty = true;
        } else {
            eprintln!("{}", line());
        }
    }

    /// Clears the line, so that what follows starts on a clean one.
    pub(crate) fn done(&mut self) {
        if self.is_dirty {
            eprint!("\r\x1b[2K");
            let _ = std::io::stderr().flush();
            self.is_dirty = false;
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.done();
    }
}

/// 1234567 as "1,234,567".
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1_000, 1_234_567].map(grouped)[..]);
    }
}
