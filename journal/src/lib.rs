//! The durable log: segments, group commit, recovery, readers and snapshot files. Payloads are opaque.
