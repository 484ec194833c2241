//! What a killed server left on its disk: read without it, twice over, and held against what it then recovers.

use std::path::Path;
use std::time::Duration;

use orderline_core::{State, recovery};
use orderline_protocol::Sequence;
use orderline_protocol::event::{EVENT_VERSION, Event, EventKind};

use crate::offline::{self, ReadFrom};
use crate::server_process::RecoveredHash;
use crate::verb::Refusal;

/// What is left of a killed server's state.
pub(crate) struct LeftBehind {
    /// Every order that the journal places and where, sorted.
    pub(crate) placed: Vec<(u128, Sequence)>,
    /// The hash of the state that a replay of every record gives, and the sequence it stands at.
    pub(crate) state_hash: String,
    pub(crate) sequence: Sequence,
    /// Invariants that the state breaks, and what a replay from the newest snapshot has otherwise.
    pub(crate) violations: Vec<String>,
    pub(crate) used_snapshot: bool,
    /// What a start has to replay behind the newest snapshot.
    pub(crate) bytes_to_replay: u64,
    pub(crate) records_to_replay: u64,
}

/// Replays what a killed server left, once from the first record and once from the newest snapshot, and checks every
/// invariant.
pub(crate) fn look_at(data: &Path) -> Result<LeftBehind, Refusal> {
    if !offline::holds_store(data) {
        return Ok(LeftBehind {
            placed: Vec::new(),
            state_hash: State::new(offline::random_seed()).hash().to_string(),
            sequence: 0,
            violations: Vec::new(),
            used_snapshot: false,
            bytes_to_replay: 0,
            records_to_replay: 0,
        });
    }
    let mut full = offline::open_earliest(data)?;
    let mut placed = Vec::new();
    recovery::replay(&mut full.reader, &mut full.state, Sequence::MAX, |_, batch| {
        for record in batch.records().filter(|record| places(record.kind)) {
            let sequence = record.sequence;
            match Event::read(record.kind, EVENT_VERSION, record.payload) {
                Ok(Event::OrderPlaced(head, ..)) => placed.push((head.placement.order.get(), sequence)),
                Ok(Event::GroupPlaced(_, orders, ..)) => {
                    placed.extend(orders.iter().map(|order| (order.order.get(), sequence)));
                }
                _ => {}
            }
        }
    })?;
    placed.sort();
    let (state_hash, sequence) = (full.state.hash().to_string(), full.state.sequence());
    let mut violations: Vec<String> = full.state.check().iter().map(ToString::to_string).collect();

    let mut behind = offline::open(data, ReadFrom::Snapshot)?;
    let mut bytes_to_replay = 0;
    recovery::replay(&mut behind.reader, &mut behind.state, Sequence::MAX, |_, batch| {
        bytes_to_replay += batch.bytes().len() as u64;
    })?;
    let (hash_behind, sequence_behind) = (behind.state.hash().to_string(), behind.state.sequence());
    if hash_behind != state_hash || sequence_behind != sequence {
        violations.push(format!(
            "a full replay gives {state_hash} at {sequence}, one from the snapshot at {} {hash_behind} at {sequence_behind}",
            behind.snapshot_sequence
        ));
    }
    Ok(LeftBehind {
        placed,
        state_hash,
        sequence,
        violations,
        used_snapshot: behind.snapshot_sequence > 0,
        bytes_to_replay,
        records_to_replay: sequence_behind - behind.snapshot_sequence,
    })
}

/// Whether records of this kind place orders.
fn places(kind: u16) -> bool {
    kind == EventKind::OrderPlaced as u16 || kind == EventKind::GroupPlaced as u16
}

impl LeftBehind {
    /// Whether a restarted server recovered just what was left; if so, how long its hash took.
    pub(crate) fn judge(&self, said: Option<&RecoveredHash>) -> Result<Duration, String> {
        match said {
            Some(said) if said.state_hash == self.state_hash && said.sequence == self.sequence => {
                Ok(said.took)
            }
            Some(said) => Err(format!(
                "the journal gives {} at {}, the restarted server recovered {} at {}",
                self.state_hash, self.sequence, said.state_hash, said.sequence
            )),
            None => Err("the restarted server did not say what it recovered".to_owned()),
        }
    }
}
