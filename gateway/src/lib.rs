//! The TCP gateway: connections, credits, deadlines and the release gate.
