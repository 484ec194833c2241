//! A campaign against a server: load it, kill it with -9, look at what it left, start it again, and in the end hold
//! everything that the client was told against the journal. The drill is one with many kills, the demo one with one.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use orderline_core::recovery;
use orderline_loadgen::{Extent, LoadError, LoadOptions, LoadReport, WorkloadName};

use crate::ledger::{Comparison, Ledger};
use crate::offline::{self, ReadFrom};
use crate::server_process::{RecoveredHash, ServerProcess, recovered_hash};
use crate::verb::Refusal;

/// How long the load waits for a killed server: between kill and restart the drill replays the whole journal.
const LOAD_PATIENCE: Duration = Duration::from_secs(300);

/// The campaign's plan.
pub(crate) struct Plan<'a> {
    /// An empty or absent directory.
    pub(crate) data: &'a Path,
    /// Settings for the server.
    pub(crate) config: &'a str,
    /// How long to load before each kill.
    pub(crate) kill_after: &'a [Duration],
    /// How long to load after the last recovery.
    pub(crate) then: Duration,
    /// What is sent.
    pub(crate) workload: WorkloadName,
    /// The seed of the orders.
    pub(crate) seed: u64,
}

/// What is going on, for whoever watches.
pub(crate) enum Happening {
    /// Orders are flowing; told about ten times a second.
    Loading { acked: u64, orders_per_second: u64 },
    /// The server was killed.
    Killed { number: usize },
    /// It is back.
    Recovered { after: Duration, sequence: u64 },
    /// The journal is being held against the acknowledgements.
    Comparing { acked: u64 },
}

/// What came out.
pub(crate) struct Outcome {
    pub(crate) comparison: Comparison,
    pub(crate) load: LoadReport,
    /// From the start of each new process to its `ready`, without the time of the proof's hash.
    pub(crate) recoveries: Vec<Duration>,
    /// Kills after which the full replay, the replay from a snapshot and the restarted server agreed.
    pub(crate) hashes_equal_count: usize,
    /// What did not agree.
    pub(crate) disagreements: Vec<String>,
    /// Kills that a snapshot was there for.
    pub(crate) snapshots_used_count: usize,
    pub(crate) rejected: u64,
    pub(crate) unknown: u64,
    pub(crate) stopped_well: bool,
}

/// What is left of a killed server's state, twice over.
struct LeftBehind {
    state_hash: String,
    sequence: u64,
    used_snapshot: bool,
    disagreement: Option<String>,
}

/// Runs a campaign.
pub(crate) fn run(plan: &Plan<'_>, mut tell: impl FnMut(Happening)) -> Result<Outcome, Refusal> {
    let config = ConfigFile::write(plan.config)?;
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut server = ServerProcess::start(plan.data, any_port, Some(&config.path))?;
    let addr = server.addr;
    let load = Load::start(addr, plan.workload, plan.seed);

    let mut recoveries = Vec::new();
    let mut disagreements = Vec::new();
    let (mut hashes_equal_count, mut snapshots_used_count) = (0, 0);
    let mut left: Option<LeftBehind> = None;
    let mut check = |left: &Option<LeftBehind>, said: &str| match left {
        None => Duration::ZERO,
        Some(left) => match judge(left, recovered_hash(said)) {
            Ok(took) => {
                hashes_equal_count += 1;
                took
            }
            Err(disagreement) => {
                disagreements.push(disagreement);
                Duration::ZERO
            }
        },
    };
    for (index, &after) in plan.kill_after.iter().enumerate() {
        load.watch(after, &mut tell)?;
        let ready_after = server.ready_after;
        let said = server.kill()?;
        tell(Happening::Killed { number: index + 1 });
        let hash_took = check(&left, &said);
        if left.is_some() {
            recoveries.push(ready_after.saturating_sub(hash_took));
        }
        let found = look_at(plan.data)?;
        snapshots_used_count += usize::from(found.used_snapshot);
        server = ServerProcess::start(plan.data, addr, Some(&config.path))?;
        tell(Happening::Recovered { after: server.ready_after, sequence: found.sequence });
        left = Some(found);
    }
    load.watch(plan.then, &mut tell)?;
    let (mut ledger, load) = load.stop()?;
    let ready_after = server.ready_after;
    let (stopped_well, said) = server.stop()?;
    let hash_took = check(&left, &said);
    if left.is_some() {
        recoveries.push(ready_after.saturating_sub(hash_took));
    }
    tell(Happening::Comparing { acked: ledger.acked() });
    let comparison = ledger.compare(plan.data)?;
    Ok(Outcome {
        comparison,
        load,
        recoveries,
        hashes_equal_count,
        disagreements,
        snapshots_used_count,
        rejected: ledger.rejected_count,
        unknown: ledger.unknown_count,
        stopped_well,
    })
}

/// Replays what a killed server left, once from the first record and once from the newest snapshot.
fn look_at(data: &Path) -> Result<LeftBehind, Refusal> {
    let replayed = |from| -> Result<_, Refusal> {
        let mut offline = offline::open(data, from)?;
        recovery::replay(&mut offline.reader, &mut offline.state, u64::MAX, |_, _| {})?;
        Ok((offline.state.hash().to_string(), offline.state.sequence(), offline.snapshot_sequence))
    };
    let (state_hash, sequence, _) = replayed(ReadFrom::Oldest)?;
    let (from_snapshot, snapshot_end, snapshot_sequence) = replayed(ReadFrom::Snapshot)?;
    let disagreement = (from_snapshot != state_hash || snapshot_end != sequence).then(|| {
        format!(
            "a full replay gives {state_hash} at {sequence}, one from the snapshot at {snapshot_sequence} \
             {from_snapshot} at {snapshot_end}"
        )
    });
    Ok(LeftBehind { state_hash, sequence, used_snapshot: snapshot_sequence > 0, disagreement })
}

/// Whether a restarted server recovered just what was left; if so, how long its hash took.
fn judge(left: &LeftBehind, said: Option<RecoveredHash>) -> Result<Duration, String> {
    if let Some(disagreement) = &left.disagreement {
        return Err(disagreement.clone());
    }
    match said {
        Some(said) if said.state_hash == left.state_hash && said.sequence == left.sequence => Ok(said.took),
        Some(said) => Err(format!(
            "the journal gives {} at {}, the restarted server recovered {} at {}",
            left.state_hash, left.sequence, said.state_hash, said.sequence
        )),
        None => Err("the restarted server did not say what it recovered".to_owned()),
    }
}

/// A load run on a thread of its own, through kills and recoveries.
struct Load {
    thread: JoinHandle<Result<(Ledger, LoadReport), LoadError>>,
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
}

impl Load {
    fn start(addr: SocketAddr, workload: WorkloadName, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acked = Arc::new(AtomicU64::new(0));
        let (stop_seen, acked_told) = (Arc::clone(&stop), Arc::clone(&acked));
        let thread = std::thread::spawn(move || {
            let options = LoadOptions {
                workload,
                skus: 10_000,
                connections: 2,
                seed,
                patience: LOAD_PATIENCE,
                ..LoadOptions::new(addr, Extent::For(Duration::from_secs(24 * 3600)))
            };
            let mut ledger = Ledger::telling(acked_told);
            let report = orderline_loadgen::run(&options, &mut ledger, &stop_seen, &mut |_| {})?;
            Ok((ledger, report))
        });
        Self { thread, stop, acked }
    }

    /// Lets the load run for a while after it has begun, telling how it goes.
    fn watch(&self, time: Duration, tell: &mut impl FnMut(Happening)) -> Result<(), Refusal> {
        let acked_before = self.acked.load(Ordering::Relaxed);
        let waiting = Instant::now();
        // The catalogue is defined first, and after a kill the client has to come back.
        while self.acked.load(Ordering::Relaxed) == acked_before {
            if self.thread.is_finished() || waiting.elapsed() > LOAD_PATIENCE {
                return Err(Refusal::new("no order was acknowledged: the load could not begin or go on"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let begun = Instant::now();
        let acked_then = self.acked.load(Ordering::Relaxed);
        while begun.elapsed() < time {
            std::thread::sleep(Duration::from_millis(100).min(time.saturating_sub(begun.elapsed())));
            let acked = self.acked.load(Ordering::Relaxed);
            let orders_per_second = ((acked - acked_then) as f64 / begun.elapsed().as_secs_f64()) as u64;
            tell(Happening::Loading { acked, orders_per_second });
        }
        Ok(())
    }

    fn stop(self) -> Result<(Ledger, LoadReport), Refusal> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(result) => Ok(result?),
            Err(_) => Err(Refusal::new("the load run has stopped on a broken invariant; see above")),
        }
    }
}

/// A configuration file that goes away with the campaign.
struct ConfigFile {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl ConfigFile {
    fn write(text: &str) -> Result<Self, Refusal> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("orderline.toml");
        std::fs::write(&path, text)?;
        Ok(Self { path, _directory: directory })
    }
}
