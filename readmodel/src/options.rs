//! What may be set about the read models.

/// Bounds of the read models' memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadModelOptions {
    /// Orders, and what else changed counted in with them, that are kept in memory before they are written to the store
    /// together; twice as many while that is done. About 300 bytes each. What is not written when the process ends is read
    /// out of the journal again at the next start.
    pub head_orders: usize,
    /// Bytes of the store's blocks that are kept in memory.
    pub cache_bytes: u64,
    /// Bytes that each of the store's five tables gathers in memory before it writes a file.
    pub write_bytes: u64,
}

impl Default for ReadModelOptions {
    fn default() -> Self {
        Self { head_orders: 65_536, cache_bytes: 32 << 20, write_bytes: 8 << 20 }
    }
}
