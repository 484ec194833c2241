//! The load generator: workloads, open-loop schedules, histograms and their report.
//!
//! One thread drives all connections. What follows on an order goes out when the command before is answered, on the
//! same connection. Closed loop, a bounded number of commands is unanswered on each; open loop, orders start on a
//! schedule that no answer can slow down, and latency counts from the intended start, so that a stalled server cannot
//! hide its stall by slowing its own measurement ("coordinated omission").
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//! use orderline_loadgen::{Extent, LoadOptions, Nobody, run};
//!
//! let options = LoadOptions::new(([127, 0, 0, 1], 7411).into(), Extent::Orders(100_000));
//! let report = run(&options, &mut Nobody, &AtomicBool::new(false), &mut |_| {})?;
//! assert_eq!(report.unknown, 0);
//! # Ok::<(), orderline_loadgen::LoadError>(())
//! ```

mod error;
#[cfg(test)]
mod fake_server;
#[cfg(test)]
mod fake_shop;
mod goods;
mod ids;
mod lane;
mod observer;
mod options;
mod outcomes;
mod particulars;
mod popularity;
mod report;
mod run;
#[cfg(test)]
mod runs;
mod schedule;
mod setup;
mod tally;
mod window;
mod workload;

pub use error::LoadError;
pub use observer::{Nobody, Observer};
pub use options::{Extent, IN_FLIGHT, LoadOptions, Skew};
pub use particulars::{
    AvailabilityReport, BurstMs, CartsReport, FeedReport, FlashReport, LifeReport, Particulars,
    SequenceRange, TpccReport, TransactionReport,
};
pub use report::{Ended, LatencyUs, LoadReport, Progress};
pub use run::run;
pub use workload::WorkloadName;
