//! A campaign against a server: load it, kill it with -9, hold what it left against all that the client was told, start
//! it again, kill it while it recovers. The drill is one with many kills, the demo one with one.

mod left_behind;
mod load;
mod moment;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use orderline_loadgen::LoadReport;
use orderline_protocol::Sequence;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

pub(crate) use self::left_behind::{LeftBehind, look_at};
use self::load::Load;
pub(crate) use self::load::LoadPlan;
pub(crate) use self::moment::Moment;
use crate::ledger::Comparison;
use crate::server_process::{ServerProcess, recovered_hash};
use crate::verb::Refusal;

/// How long a server that serves may take to come to the point at which it is to die; then it is killed where it is.
const POINT_WITHIN: Duration = Duration::from_millis(600);

/// The campaign's plan.
pub(crate) struct Plan<'a> {
    /// An empty or absent directory.
    pub(crate) data: &'a Path,
    /// Settings for the server.
    pub(crate) config: &'a str,
    /// When to kill it, one server after the other.
    pub(crate) kills: &'a [Moment],
    /// How long to load after the last recovery.
    pub(crate) then: Duration,
    /// What to load it with.
    pub(crate) load: LoadPlan,
}

/// What is going on, for whoever watches.
pub(crate) enum Happening {
    /// Orders are flowing; told about ten times a second.
    Loading { acked: u64, orders_per_second: u64 },
    /// The server was killed, and what it left was compared.
    Killed { number: usize, acked: u64 },
    /// It is back.
    Recovered { after: Duration, sequence: u64 },
}

/// One kill, and what was found after it.
pub(crate) struct Killed {
    /// When it was to be.
    pub(crate) moment: Moment,
    /// It was then, and not merely at some time.
    pub(crate) is_reached: bool,
    /// It came before the server was ready.
    pub(crate) is_in_recovery: bool,
    /// 1: while it served; 2: in the recovery from that; 3: in the recovery from that, and so on.
    pub(crate) depth: u32,
    /// All acknowledgements so far against what was left.
    pub(crate) comparison: Comparison,
}

/// One recovery that came to its end.
#[derive(Clone, Copy)]
pub(crate) struct Recovered {
    /// From the start of the process to its `ready`, without the time of the proof's hash.
    pub(crate) took: Duration,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) used_snapshot: bool,
}

/// What came out.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) kills: Vec<Killed>,
    pub(crate) recoveries: Vec<Recovered>,
    /// Recoveries that did not give what replays gave.
    pub(crate) hashes_unequal_count: usize,
    /// The last comparison, behind everything.
    pub(crate) comparison: Comparison,
    pub(crate) state_hash: String,
    pub(crate) last_sequence: Sequence,
    pub(crate) load: Option<LoadReport>,
    pub(crate) rejected: u64,
    pub(crate) unknown: u64,
    /// What was promised and did not hold.
    pub(crate) violations: Vec<String>,
}

impl Outcome {
    /// Holds what a recovered server said against what was left for it.
    fn judge(&mut self, left: &Option<LeftBehind>, ready_after: Duration, said: &str) {
        let Some(left) = left else { return };
        match left.judge(recovered_hash(said).as_ref()) {
            Ok(hash_took) => self.recoveries.push(Recovered {
                took: ready_after.saturating_sub(hash_took),
                bytes: left.bytes_to_replay,
                records: left.records_to_replay,
                used_snapshot: left.used_snapshot,
            }),
            Err(disagreement) => {
                self.hashes_unequal_count += 1;
                self.violations.push(disagreement);
            }
        }
    }
}

/// Runs a campaign.
pub(crate) fn run(plan: &Plan<'_>, mut tell: impl FnMut(Happening)) -> Result<Outcome, Refusal> {
    let config = ConfigFile::write(plan.config)?;
    let addr = free_address(plan.load.seed)?;
    let mut outcome = Outcome::default();
    let mut load: Option<Load> = None;
    let mut left: Option<LeftBehind> = None;
    let mut depth = 0;
    for (index, moment) in plan.kills.iter().enumerate() {
        let faults = moment.faults();
        let mut server = ServerProcess::spawn(plan.data, addr, Some(&config.path), faults.as_deref())?;
        let (is_ready, is_reached) = match moment {
            Moment::Loaded(after) => {
                let is_ready = server.await_ready()?;
                if is_ready {
                    tell_recovered(&mut tell, &left, &server);
                    load.get_or_insert_with(|| Load::start(addr, plan.load)).watch(*after, &mut tell)?;
                }
                (is_ready, is_ready)
            }
            Moment::Started(after) => {
                std::thread::sleep(*after);
                server.ends_within(Duration::ZERO)?;
                (server.await_ready()?, true)
            }
            Moment::Point { .. } => {
                let is_ready = server.await_ready()?;
                (is_ready, !is_ready || server.ends_within(POINT_WITHIN)?)
            }
        };
        let ready_after = server.ready_after;
        let ended = server.end()?;
        if !ended.is_killed {
            let said = ended.said.trim();
            outcome
                .violations
                .push(format!("kill {} {moment}: the server ended by itself: {said}", index + 1));
            return Ok(outcome);
        }
        depth = if is_ready { 1 } else { depth + 1 };
        if is_ready {
            outcome.judge(&left, ready_after, &ended.said);
        }
        let found = look_at(plan.data);
        let comparison = load.as_ref().map(|load| load.ledger.open());
        let found = match found {
            Ok(found) => found,
            Err(refusal) => {
                outcome.violations.push(format!("kill {} {moment}: {refusal}", index + 1));
                return Ok(outcome);
            }
        };
        let comparison =
            comparison.map_or_else(Comparison::default, |mut ledger| ledger.compare(&found.placed));
        outcome
            .violations
            .extend(found.violations.iter().map(|of| format!("kill {} {moment}: {of}", index + 1)));
        tell(Happening::Killed { number: index + 1, acked: comparison.acked });
        outcome.kills.push(Killed {
            moment: moment.clone(),
            is_reached,
            is_in_recovery: !is_ready,
            depth,
            comparison,
        });
        left = Some(found);
    }
    let mut server = ServerProcess::start(plan.data, addr, Some(&config.path))?;
    tell_recovered(&mut tell, &left, &server);
    let load = load.unwrap_or_else(|| Load::start(addr, plan.load));
    load.watch(plan.then, &mut tell)?;
    let ledger = load.ledger.clone();
    let report = load.stop()?;
    let ready_after = std::mem::take(&mut server.ready_after);
    let (stopped_well, said) = server.stop()?;
    outcome.judge(&left, ready_after, &said);
    let end = look_at(plan.data)?;
    let mut ledger = ledger.open();
    outcome.comparison = ledger.compare(&end.placed);
    (outcome.rejected, outcome.unknown) = (ledger.rejected_count, ledger.unknown_count);
    (outcome.state_hash, outcome.last_sequence) = (end.state_hash, end.sequence);
    outcome.violations.extend(end.violations);
    if !stopped_well {
        outcome.violations.push("the server did not end well when it was asked to stop".to_owned());
    }
    if let Some(error) = &report.error {
        outcome.violations.push(format!("the load run ended early: {error}"));
    }
    outcome.violations.extend(report.problems.iter().cloned());
    outcome.load = Some(report);
    Ok(outcome)
}

fn tell_recovered(tell: &mut impl FnMut(Happening), left: &Option<LeftBehind>, server: &ServerProcess) {
    if let Some(left) = left {
        tell(Happening::Recovered { after: server.ready_after, sequence: left.sequence });
    }
}

/// An address to come back to after each kill. Its port is below those that the system gives to connections, for else a
/// client that tries to come back could be given the very port, and be connected to itself.
fn free_address(seed: u64) -> Result<SocketAddr, Refusal> {
    let mut rng = SmallRng::seed_from_u64(seed ^ u64::from(std::process::id()));
    for _ in 0..1_000 {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, rng.random_range(10_000..32_000)));
        if TcpListener::bind(addr).is_ok() {
            return Ok(addr);
        }
    }
    Err(Refusal::new("no free port was found between 10000 and 32000"))
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
