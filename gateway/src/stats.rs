//! What the gateway counts, for logs and metrics. One thread writes, anybody reads.

use std::sync::atomic::{AtomicU64, Ordering};

use orderline_protocol::frame::CloseReason;

/// Counters since the gateway was bound.
#[derive(Debug, Default)]
pub struct GatewayStats {
    /// Connections open now.
    pub connections_open: AtomicU64,
    /// Connections accepted, refused ones included.
    pub connections_total: AtomicU64,
    /// Frames with commands that were let in.
    pub frames: AtomicU64,
    /// Commands that were let in.
    pub commands: AtomicU64,
    /// Commands let in and not answered now.
    pub commands_queued: AtomicU64,
    /// Commands that were answered from the board, without the engine.
    pub commands_from_board: AtomicU64,
    /// Commands that were let in and refused at once, for there was too much to do.
    pub commands_refused: AtomicU64,
    /// Commands that were let in and refused at once, for their token's role or quota.
    pub commands_denied: AtomicU64,
    /// Bytes read.
    pub bytes_in: AtomicU64,
    /// Bytes written.
    pub bytes_out: AtomicU64,
    /// Turns of the loop.
    pub turns: AtomicU64,
    /// Accepts that failed for want of descriptors or memory.
    pub accepts_failed: AtomicU64,
    closes: [AtomicU64; CloseReason::ALL.len() + 1],
}

impl GatewayStats {
    /// Connections that were closed for this reason.
    pub fn closed_because(&self, reason: CloseReason) -> u64 {
        self.closes[reason as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn count_close(&self, reason: CloseReason) {
        add(&self.closes[reason as usize], 1);
    }
}

/// Adds to a counter that only this thread writes.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
}
