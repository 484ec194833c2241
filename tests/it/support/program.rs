//! The program, run to its end.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Far beyond what any verb takes: only a verb that hangs meets it. A campaign takes more than a minute where the machine is fast.
const RUN_MAX: Duration = Duration::from_secs(900);

/// The program with these arguments, nothing on its standard input, both outputs piped.
pub(crate) fn command<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderline"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program and waits for its end.
pub(crate) fn orderline<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    Running::start(command(arguments)).finish()
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; a signal's death has none.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The JSON report: one object on one line, the last on standard output, and the only one.
    pub(crate) fn json(&self) -> Value {
        let mut lines = self.stdout.lines();
        let line = lines.next().unwrap_or_else(|| panic!("no JSON line: {self:?}"));
        assert_eq!(lines.next(), None, "the JSON line is the only one: {self:?}");
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert!(value.is_object(), "{self:?}");
        value
    }

    /// The same, of a run that must have ended well.
    pub(crate) fn well(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.json()
    }

    /// That it refused with exit code 2 and a sentence that holds all of these.
    pub(crate) fn refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert!(self.stdout.is_empty(), "a refusal says nothing on standard output: {self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not said: {}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

/// A run that may be looked at before its end.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: Drain,
    stderr: Drain,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let stdout = Drain::of(child.stdout.take().unwrap());
        let stderr = Drain::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn finish(mut self) -> Ran {
        let code = wait(&mut self.child).code();
        Ran { code, stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }
}

/// Waits for the end of a process, but not for ever.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > RUN_MAX {
            let _ = child.kill();
            panic!("process {} did not end within {} s", child.id(), RUN_MAX.as_secs());
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// What comes out of a pipe, read to its end so that nobody ever waits for us to read.
pub(crate) struct Drain {
    text: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

impl Drain {
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&text);
        let reading = std::thread::spawn(move || {
            let (mut pipe, mut line) = (BufReader::new(pipe), Vec::new());
            while let Ok(1..) = pipe.read_until(b'\n', &mut line) {
                kept.lock().unwrap().append(&mut line);
            }
        });
        Self { text, reading }
    }

    /// The lines that have come so far.
    pub(crate) fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    /// All of it, at its end.
    pub(crate) fn whole(self) -> String {
        self.reading.join().unwrap();
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}
