//! Faults of the environment against a real server: what it says, whether it stops, and that nothing acknowledged is
//! lost. Each module is a row of the matrix in docs/reliability.md, and counts what it did for it.

mod lost_pages;
