//! A server in a process of its own, to be killed: what the drill and the demo do to it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::verb::Refusal;

/// How long a stop may take before it counts as a failure.
const STOP_MAX: Duration = Duration::from_secs(60);

/// A running `orderline serve`.
pub(crate) struct ServerProcess {
    child: Child,
    stderr: Option<std::thread::JoinHandle<String>>,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// From the start of the process to its `ready`.
    pub(crate) ready_after: Duration,
}

impl ServerProcess {
    /// Starts a server on a directory and waits until it is ready.
    pub(crate) fn start(data: &Path, listen: SocketAddr, config: Option<&Path>) -> Result<Self, Refusal> {
        let start = Instant::now();
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("serve")
            .arg("--data")
            .arg(data)
            .arg("--listen")
            .arg(listen.to_string())
            .arg("--state-hash");
        if let Some(config) = config {
            command.arg("--config").arg(config);
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
        let mut server = Self { child, stderr, addr: listen, ready_after: Duration::ZERO };
        let mut first = String::new();
        if let Some(stdout) = server.child.stdout.take() {
            BufReader::new(stdout).read_line(&mut first)?;
        }
        server.ready_after = start.elapsed();
        match first.strip_prefix("ready ").and_then(|rest| rest.split_whitespace().next()?.parse().ok()) {
            Some(addr) => server.addr = addr,
            None => {
                let said = server.ended_saying();
                return Err(Refusal::new(format!(
                    "the server did not become ready; it said: {}",
                    said.trim()
                )));
            }
        }
        Ok(server)
    }

    /// Kills it as the kernel would: no handler runs, nothing is flushed. Returns what it had said.
    pub(crate) fn kill(mut self) -> Result<String, Refusal> {
        self.child.kill()?;
        Ok(self.ended_saying())
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
    let line = said.lines().find_map(|line| line.strip_prefix("state hash "))?;
    let (state_hash, rest) = line.split_once(" at sequence ")?;
    let (sequence, rest) = rest.split_once(" in ")?;
    let took_ms = rest.strip_suffix(" ms")?.parse().ok()?;
    let sequence = sequence.parse().ok()?;
    Some(RecoveredHash { state_hash: state_hash.to_owned(), sequence, took: Duration::from_millis(took_ms) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_line_is_read_back() {
        let said = "recovered 3 orders\nstate hash 00ab at sequence 17 in 4 ms\nstopped\n";
        let hash =
            RecoveredHash { state_hash: "00ab".to_owned(), sequence: 17, took: Duration::from_millis(4) };
        assert_eq!(recovered_hash(said), Some(hash));
        assert_eq!(recovered_hash("nothing"), None);
    }
}
