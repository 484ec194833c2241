//! A server in a process of its own, to be killed: what the drill and the demo do to it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::verb::Refusal;

/// What a build with fault points reads: at which of them it is to fail, and how.
const FAULTS_VARIABLE: &str = "ORDERLINE_FAULTS";

/// How long a stop may take before it counts as a failure.
const STOP_MAX: Duration = Duration::from_secs(60);

/// A running `orderline serve`.
pub(crate) struct ServerProcess {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: Option<std::thread::JoinHandle<String>>,
    started: Instant,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// From the start of the process to its `ready`.
    pub(crate) ready_after: Duration,
}

/// How a server's process ended.
pub(crate) struct Ended {
    /// By SIGKILL, its own or somebody's.
    pub(crate) is_killed: bool,
    /// What it had said.
    pub(crate) said: String,
}

impl ServerProcess {
    /// Starts a server on a directory and waits until it is ready.
    pub(crate) fn start(data: &Path, listen: SocketAddr, config: Option<&Path>) -> Result<Self, Refusal> {
        let mut server = Self::spawn(data, listen, config, None)?;
        if server.await_ready()? {
            return Ok(server);
        }
        let said = server.ended_saying();
        Err(Refusal::new(format!("the server did not become ready; it said: {}", said.trim())))
    }

    /// Starts a server's process, which fails as `faults` says.
    pub(crate) fn spawn(
        data: &Path,
        listen: SocketAddr,
        config: Option<&Path>,
        faults: Option<&str>,
    ) -> Result<Self, Refusal> {
        let started = Instant::now();
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg("--data").arg(data).arg("--listen").arg(listen.to_string());
        command.arg("--state-hash");
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        if let Some(faults) = faults {
            command.env(FAULTS_VARIABLE, faults);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // Both pipes are read to their ends, so that the server never waits for us to read.
        let stderr = child.stderr.take().map(|mut pipe| {
            std::thread::spawn(move || {
                let mut text = String::new();
                let _ = pipe.read_to_string(&mut text);
                text
            })
        });
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Self { child, stdout, stderr, started, addr: listen, ready_after: Duration::ZERO })
    }

    /// Waits until it is ready, or false: until it has ended without having been.
    pub(crate) fn await_ready(&mut self) -> Result<bool, Refusal> {
        let mut first = String::new();
        if let Some(mut stdout) = self.stdout.take() {
            stdout.read_line(&mut first)?;
        }
        self.ready_after = self.started.elapsed();
        match first.strip_prefix("ready ").and_then(|rest| rest.split_whitespace().next()?.parse().ok()) {
            Some(addr) => self.addr = addr,
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Waits so long for it to end by itself, and then kills it; false: it had to be killed.
    pub(crate) fn ends_within(&mut self, time: Duration) -> Result<bool, Refusal> {
        let start = Instant::now();
        while self.child.try_wait()?.is_none() {
            if start.elapsed() >= time {
                self.child.kill()?;
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(true)
    }

    /// Kills it, should it still run, and tells how it ended.
    pub(crate) fn end(mut self) -> Result<Ended, Refusal> {
        self.child.kill()?;
        let is_killed = self.child.wait()?.signal() == Some(Signal::KILL.as_raw());
        Ok(Ended { is_killed, said: self.ended_saying() })
    }

    /// Asks it to stop and waits; false if it ended badly. Returns what it had said.
    pub(crate) fn stop(mut self) -> Result<(bool, String), Refusal> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)?;
        }
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if start.elapsed() > STOP_MAX {
                self.child.kill()?;
                return Err(Refusal::new(format!("the server did not stop within {} s", STOP_MAX.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        Ok((status.success(), self.ended_saying()))
    }

    fn ended_saying(&mut self) -> String {
        let _ = self.child.wait();
        self.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // A server left behind would hold its directory and its port.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server said about the state that it recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecoveredHash {
    pub(crate) state_hash: String,
    pub(crate) sequence: u64,
    /// How long the hash itself took: no part of a recovery without `--state-hash`.
    pub(crate) took: Duration,
}

/// Reads it out of everything that the server said.
pub(crate) fn recovered_hash(said: &str) -> Option<RecoveredHash> {
    let line = said.lines().find(|line| line.contains("state_hash="))?;
    let field = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name));
    let (sequence, took_ms) = (field("sequence=")?.parse().ok()?, field("took_ms=")?.parse().ok()?);
    let state_hash = field("state_hash=")?.to_owned();
    Some(RecoveredHash { state_hash, sequence, took: Duration::from_millis(took_ms) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_line_is_read_back() {
        let said =
            "INFO recovered orders=3\nINFO hashed state_hash=00ab sequence=17 took_ms=4\nINFO stopped\n";
        let hash =
            RecoveredHash { state_hash: "00ab".to_owned(), sequence: 17, took: Duration::from_millis(4) };
        assert_eq!(recovered_hash(said), Some(hash));
        assert_eq!(recovered_hash("nothing"), None);
    }
}
