//! What a seed decides beforehand: how large the journal's pieces are, how the world behaves, and which faults there are.
//!
//! Each life has only some of the faults, so that rare ones are not always hidden behind common ones, and some lives have
//! none but crashes.

use orderline_core::EngineOptions;
use orderline_gateway::GatewayOptions;
use orderline_journal::JournalOptions;

use crate::chance::Chance;
use crate::faults::Fault;
use crate::network::Weather;

/// Events are shorter than this, with all that may come behind one before the engine looks again: the longest name five
/// hundred things that fell due at once.
const EVENT_BYTES_MAX: usize = 24 << 10;

/// A life, planned.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How the journal is written.
    pub journal: JournalOptions,
    /// Staged bytes at which the engine appends.
    pub batch_bytes: usize,
    /// Microseconds between two samples of the state's invariants.
    pub sample_every_us: i64,
    /// Records between two snapshots; 0: none.
    pub snapshot_every: u64,
    /// Remove segments behind snapshots.
    pub remove_segments: bool,
    /// Commands that one connection may have unanswered.
    pub credits: u32,
    /// Batches of one connection inside the engine at once.
    pub works_per_connection: usize,
    /// Silence after which a connection is given up.
    pub idle_ms_max: u32,
    /// How the network behaves while nothing is wrong with it.
    pub weather: Weather,
    /// Time that a sync takes to come about, in microseconds.
    pub sync_us: (u64, u64),
    /// Time until a thread that has something to do gets to it, in microseconds.
    pub step_us: (u64, u64),
    /// Clients.
    pub buyer_count: usize,
    /// Time that a client waits between two breaths of commands, in microseconds.
    pub think_us: (u64, u64),
    /// Commands in one breath at most.
    pub breath_max: u64,
    /// Commands in a frame at most.
    pub commands_per_frame_max: u16,
    /// Bursts of commands, with a pause behind each.
    pub burst_count: u64,
    /// How long a burst is, in microseconds.
    pub burst_us: (u64, u64),
    /// How long a pause is, in microseconds.
    pub pause_us: (u64, u64),
    /// Faults in a burst at most.
    pub faults_per_burst_max: u64,
    /// The faults that there are in this life.
    pub faults: Vec<Fault>,
    /// Once in so many starts the power goes again while recovering; 0: never.
    pub crash_in_recovery_one_in: u64,
    /// Once in so many starts bits of a copy of the disk are flipped first; 0: never.
    pub flip_one_in: u64,
}

impl Plan {
    /// The plan of these choices.
    pub fn new(chance: &mut Chance) -> Self {
        let batch_bytes = chance.of(&[256, 1 << 10, 4 << 10, 16 << 10]);
        let batch_bytes_max = (batch_bytes + EVENT_BYTES_MAX).next_multiple_of(4096);
        let segments = chance.of(&[0, 0, 1, 4, 32]);
        let journal = JournalOptions {
            segment_bytes: (4096 + (2 + segments) * batch_bytes_max) as u64,
            batch_bytes_max,
            group_bytes_max: chance.of(&[4 << 10, 16 << 10, 256 << 10]),
            unsynced_bytes_max: chance.of(&[8 << 10, 64 << 10, 1 << 20]),
            own_sync_bytes_max: chance.of(&[0, 4 << 10, 256 << 10]),
            epoch: None,
            spin_count: 0,
            helper_thread: false,
            store_id: Some(u128::from(chance.draw())),
        };
        let snapshot_every = if chance.one_in(5) { 0 } else { chance.magnitude(10, 1_000) };
        let slowest = chance.of(&[200, 2_000, 40_000]);
        let weather = Weather {
            delay_us: (chance.of(&[20, 100, 1_000]), chance.of(&[1_000, 5_000, 100_000])),
            window_bytes: chance.of(&[512, 4 << 10, 64 << 10]),
            pieces_max: chance.of(&[1, 2, 5]),
        };
        let mut faults: Vec<Fault> = Fault::ALL.iter().copied().filter(|_| chance.one_in(2)).collect();
        if faults.is_empty() || chance.one_in(8) {
            faults = vec![chance.of(&[Fault::PowerLoss, Fault::PowerLossWithin, Fault::Kill])];
        }
        let think = chance.magnitude(200, 5_000_000);
        Self {
            journal,
            batch_bytes,
            sample_every_us: chance.of(&[0, 1_000_000, 60_000_000]),
            snapshot_every,
            remove_segments: chance.one_in(2),
            credits: chance.of(&[4, 32, 256]),
            works_per_connection: chance.of(&[1, 2, 4]),
            idle_ms_max: chance.of(&[2_000, 30_000, 120_000]),
            weather,
            sync_us: (50, slowest),
            step_us: (1, chance.of(&[10, 200, 2_000])),
            buyer_count: 1 + chance.index(5),
            think_us: (think / 4 + 1, think + 2),
            breath_max: chance.of(&[1, 4, 20]),
            commands_per_frame_max: chance.of(&[1, 3, 100]),
            burst_count: chance.between(2, 6),
            burst_us: (think * 4, think * 40),
            pause_us: (1_000_000, chance.of(&[10_000_000, 3_600_000_000, 20_000_000_000])),
            faults_per_burst_max: chance.of(&[1, 3, 6]),
            faults,
            crash_in_recovery_one_in: chance.of(&[0, 3, 8]),
            flip_one_in: chance.of(&[0, 2, 6]),
        }
    }

    /// How the engine behaves.
    pub fn engine_options(&self) -> EngineOptions {
        EngineOptions { batch_bytes: self.batch_bytes, spin_count: 0, sample_every_us: self.sample_every_us }
    }

    /// How the gateway behaves.
    pub fn gateway_options(&self) -> GatewayOptions {
        GatewayOptions {
            connections_max: 64,
            works_per_connection_max: self.works_per_connection,
            credits: self.credits,
            idle_ms_max: self.idle_ms_max,
            ..GatewayOptions::default()
        }
    }

    /// Works that the engine's door has to hold.
    pub fn door_capacity(&self) -> usize {
        self.gateway_options().door_capacity()
    }
}
