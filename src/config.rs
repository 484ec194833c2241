//! The server's settings: one TOML file, every key with a default, checked before anything starts.

use std::path::Path;

use orderline_core::EngineOptions;
use orderline_gateway::GatewayOptions;
use orderline_journal::JournalOptions;
use serde::Deserialize;

use crate::verb::Refusal;

/// All settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) journal: JournalConfig,
    pub(crate) snapshots: SnapshotConfig,
    pub(crate) engine: EngineConfig,
    pub(crate) gateway: GatewayConfig,
}

/// How the journal is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JournalConfig {
    /// `mapped` (memory-mapped segments) or `positional` (positional writes).
    pub(crate) backend: Backend,
    /// Length of a segment file in MiB.
    pub(crate) segment_mib: u64,
    /// How far appending may run ahead of the disk, in MiB, before clients are slowed down.
    pub(crate) unsynced_mib_max: u64,
    /// Looks for work of the sync thread before it sleeps.
    pub(crate) spin_count: u32,
}

/// How segments reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    Mapped,
    Positional,
}

impl Default for JournalConfig {
    fn default() -> Self {
        let options = JournalOptions::default();
        Self {
            backend: Backend::Mapped,
            segment_mib: options.segment_bytes >> 20,
            unsynced_mib_max: options.unsynced_bytes_max >> 20,
            spin_count: options.spin_count,
        }
    }
}

/// When snapshots are taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SnapshotConfig {
    /// Records between two snapshots; 0: none are taken.
    pub(crate) every_records: u64,
    /// Remove the segments that lie behind the older of the two snapshots kept.
    pub(crate) remove_segments: bool,
}

impl Default for SnapshotConfig {
    fn default() -> Self {
        Self { every_records: 10_000_000, remove_segments: false }
    }
}

/// How the engine's thread waits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EngineConfig {
    /// Looks for work before the thread sleeps.
    pub(crate) spin_count: u32,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { spin_count: EngineOptions::default().spin_count }
    }
}

/// Whom the gateway lets in and how much it takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GatewayConfig {
    /// Connections at one time.
    pub(crate) connections_max: usize,
    /// Commands that one connection may have unanswered.
    pub(crate) credits: u32,
    /// Batches that one connection may have in the engine at one time.
    pub(crate) works_per_connection_max: usize,
    /// What clients must say: 64 hexadecimal digits; empty: nothing is asked.
    pub(crate) token: String,
    /// Milliseconds until the hello must be here.
    pub(crate) hello_deadline_ms: u32,
    /// Milliseconds from a frame's first byte to its last.
    pub(crate) frame_deadline_ms: u32,
    /// Milliseconds of silence after which a connection is given up.
    pub(crate) idle_ms_max: u32,
    /// Milliseconds in which a client must read something while replies wait.
    pub(crate) write_stall_ms_max: u32,
    /// KiB of replies that may wait for one client.
    pub(crate) output_kib_max: usize,
    /// Looks for work before the gateway's thread sleeps.
    pub(crate) spin_count: u32,
}
