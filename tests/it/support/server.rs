//! A server in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use orderline_client::{Client, ClientOptions, ReconnectPolicy};
use rustix::process::{Pid, Signal, kill_process};

use super::program::{Drain, Ran, command, wait};

/// Segments so small and snapshots so frequent that a few thousand orders see several of both.
pub(crate) const SMALL: &str = "[journal]\nsegment_mib = 3\n[snapshots]\nevery_records = 8000\n";

/// The same segments, and no snapshots.
pub(crate) const NO_SNAPSHOTS: &str = "[journal]\nsegment_mib = 3\n[snapshots]\nevery_records = 0\n";

/// The command that serves a directory with this configuration.
pub(crate) fn serve(data: &Path, config: &str) -> Command {
    let mut command = command(["serve", "--listen", "127.0.0.1:0", "--state-hash", "--data"]);
    command.arg(data);
    // Beside the directory, not in it: what is in there is the server's.
    let file = data.with_extension("toml");
    std::fs::write(&file, config).unwrap();
    command.arg("--config").arg(&file);
    command
}

/// A running `orderline serve`, killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    stderr: Option<Drain>,
    pub(crate) addr: SocketAddr,
    /// Where it listens for HTTP, if it was told to.
    pub(crate) http: Option<SocketAddr>,
}

impl Server {
    /// Starts a server that listens for HTTP, too.
    pub(crate) fn with_http(data: &Path, config: &str) -> Self {
        let mut command = serve(data, config);
        command.args(["--http", "127.0.0.1:0"]);
        Self::run(command).unwrap_or_else(|ran| panic!("the server did not become ready: {ran:?}"))
    }

    /// Starts a server with this configuration and waits until it is ready.
    pub(crate) fn start(data: &Path, config: &str) -> Self {
        Self::try_start(data, config).unwrap_or_else(|ran| panic!("the server did not become ready: {ran:?}"))
    }

    /// The same, for a server that may refuse.
    pub(crate) fn try_start(data: &Path, config: &str) -> Result<Self, Ran> {
        Self::try_faulty(data, config, "")
    }

    /// Starts a server that fails as `ORDERLINE_FAULTS` says.
    pub(crate) fn faulty(data: &Path, config: &str, faults: &str) -> Self {
        Self::try_faulty(data, config, faults).unwrap_or_else(|ran| panic!("{faults}: not ready: {ran:?}"))
    }

    /// The same, for a server that may not become ready.
    pub(crate) fn try_faulty(data: &Path, config: &str, faults: &str) -> Result<Self, Ran> {
        let mut command = serve(data, config);
        if !faults.is_empty() {
            command.env("ORDERLINE_FAULTS", faults);
        }
        Self::run(command)
    }

    /// Runs a command that serves, and waits until it is ready or has ended.
    pub(crate) fn run(mut command: Command) -> Result<Self, Ran> {
        let mut child = command.spawn().expect("the program starts");
        let stderr = Some(Drain::of(child.stderr.take().unwrap()));
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let mut addrs = line.strip_prefix("ready ").unwrap_or_default().split_whitespace();
        let (addr, http) = (addrs.next(), addrs.next());
        let mut server = Self { child, stderr, addr: ([0, 0, 0, 0], 0).into(), http: None };
        match addr.and_then(|addr| addr.parse().ok()) {
            Some(addr) => {
                server.addr = addr;
                server.http = http.and_then(|http| http.parse().ok());
                Ok(server)
            }
            None => {
                let code = wait(&mut server.child).code();
                Err(Ran { code, stdout: line, stderr: server.said() })
            }
        }
    }

    /// Whether it has not ended by itself.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The most memory that it ever had in use, in MiB.
    pub(crate) fn peak_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client that takes a lost connection for final.
    pub(crate) fn client(&self) -> Client {
        let reconnect = ReconnectPolicy::never();
        Client::connect(self.addr, ClientOptions { reconnect, ..ClientOptions::default() })
            .expect("the server welcomes a client")
    }

    /// Kills it as the kernel would: no handler runs, nothing is flushed. Returns what it had said.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        wait(&mut self.child);
        self.said()
    }

    /// Asks it to end, which it must do well. Returns what it said.
    pub(crate) fn stop(self) -> String {
        let (code, said) = self.signal(Signal::TERM);
        assert_eq!(code, Some(0), "{said}");
        said
    }

    /// Waits until it ends by itself: the exit code, and what it said.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let code = wait(&mut self.child).code();
        (code, self.said())
    }

    pub(crate) fn send(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Sends a signal that does not end it, and waits until it has said this of it.
    pub(crate) fn hears(&self, signal: Signal, words: &str) {
        self.send(signal);
        let begun = Instant::now();
        while !self.stderr.as_ref().is_some_and(|said| said.so_far().contains(words)) {
            assert!(begun.elapsed() < Duration::from_secs(60), "{words} is not said");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal and waits for the end: the exit code, and what it said.
    pub(crate) fn signal(self, signal: Signal) -> (Option<i32>, String) {
        self.send(signal);
        self.ended()
    }

    fn said(&mut self) -> String {
        self.stderr.take().unwrap().whole()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The hash and the sequence that a server said it had recovered.
pub(crate) fn recovered_hash(said: &str) -> (String, u64) {
    let line = said.lines().find(|line| line.contains("state_hash=")).expect("a state hash");
    let field = |name| line.split_whitespace().find_map(|word| word.strip_prefix(name)).expect(name);
    (field("state_hash=").to_owned(), field("sequence=").parse().unwrap())
}
