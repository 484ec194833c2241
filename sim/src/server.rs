//! A server of a simulated world: the real engine, journal, snapshots' maker and gateway, each driven step by step.

use std::sync::Arc;

use orderline_core::snapshot::{SnapshotPlan, Snapshotter};
use orderline_core::state::{StateHash, Violation};
use orderline_core::{Doors, Engine, RecoveryError, recovery};
use orderline_gateway::Gateway;
use orderline_journal::{Locked, MemoryStorage, Storage, Syncer, Watermark};
use orderline_protocol::Sequence;

use crate::clock::Clock;
use crate::network::{ServerNetwork, Wires};
use crate::plan::Plan;

/// The parts of a running server.
pub struct Server {
    /// Decides.
    pub engine: Engine<Box<dyn FnMut() -> i64>>,
    /// Makes durable.
    pub syncer: Syncer,
    /// Talks.
    pub gateway: Gateway<ServerNetwork>,
    /// Makes snapshots.
    pub maker: Snapshotter,
    /// How far the log is durable.
    pub watermark: Watermark,
}

/// What a start has found.
pub struct Found {
    /// The last sequence in the journal.
    pub sequence: Sequence,
    /// The state's hash there.
    pub hash: StateHash,
    /// Invariants that do not hold.
    pub broken: Vec<Violation>,
    /// The sequence of the snapshot that it started from; 0: none.
    pub snapshot_sequence: Sequence,
    /// Snapshots that were passed over, and why.
    pub snapshots_refused: Vec<String>,
    /// Whether a torn tail was cut.
    pub is_torn: bool,
}

/// Recovers a disk and says what was found; the server is not started.
///
/// # Errors
/// Why it refuses.
pub fn look(
    storage: &MemoryStorage,
    plan: &Plan,
    seed: u64,
) -> Result<(recovery::Recovered, Found), RecoveryError> {
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    let recovered = recovery::recover(Locked::new(storage, plan.journal.clone())?, seed, |_| ())?;
    let found = Found {
        sequence: recovered.state.sequence(),
        hash: recovered.state.hash(),
        broken: recovered.state.check(),
        snapshot_sequence: recovered.snapshot_sequence,
        snapshots_refused: recovered.snapshots_refused.clone(),
        is_torn: recovered.opened.recovery.torn_tail.is_some(),
    };
    Ok((recovered, found))
}

impl Server {
    /// Recovers a disk and puts a server on it.
    ///
    /// # Errors
    /// Why it refuses.
    pub fn start(
        storage: &MemoryStorage,
        plan: &Plan,
        clock: &Clock,
        wires: &Wires,
        seed: u64,
    ) -> Result<(Self, Found), RecoveryError> {
        let (recovered, found) = look(storage, plan, seed)?;
        let opened = recovered.opened;
        let mut doors = Doors::new(opened.watermark.clone());
        let door = doors.open(plan.door_capacity());
        let seam = doors.snapshots();
        let gateway = Gateway::before(wires.for_server(), door, plan.gateway_options())
            .unwrap_or_else(|error| panic!("a plan's options fit together: {error}"));
        let wall = clock.clone();
        let clock_us: Box<dyn FnMut() -> i64> = Box::new(move || wall.wall_us());
        let engine = Engine::new(recovered.state, opened.writer, doors, clock_us, plan.engine_options());
        let snapshots = SnapshotPlan {
            every_records: plan.snapshot_every,
            remove_segments: plan.remove_segments,
            held_segments_max: 0,
            bytes_per_s_max: 0,
            last_sequence: found.snapshot_sequence,
        };
        let store_id = opened.recovery.store_id;
        let maker = Snapshotter::new(
            opened.storage,
            store_id,
            opened.watermark.clone(),
            seam,
            snapshots,
            Box::new(|| Sequence::MAX),
        );
        wires.server_up();
        let server = Self { engine, syncer: opened.syncer, gateway, maker, watermark: opened.watermark };
        Ok((server, found))
    }
}
