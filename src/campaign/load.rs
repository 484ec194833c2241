//! The load of a campaign: a run on a thread of its own that goes on through kills and recoveries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use orderline_loadgen::{Extent, LoadError, LoadOptions, LoadReport, WorkloadName};

use super::Happening;
use crate::ledger::SharedLedger;
use crate::verb::Refusal;

/// How long the load waits for a killed server: between kill and restart the whole journal is replayed.
const LOAD_PATIENCE: Duration = Duration::from_secs(300);

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadPlan {
    pub(crate) workload: WorkloadName,
    /// The seed of the orders.
    pub(crate) seed: u64,
    pub(crate) skus: u32,
    /// Orders a second; nothing: as fast as answers allow.
    pub(crate) rate: Option<f64>,
    pub(crate) connections: u32,
    /// Orders unanswered on each connection at most; nothing: the load's default.
    pub(crate) in_flight: Option<u32>,
    /// The longest pause between two attempts to come back to a killed server.
    pub(crate) reconnect_pause_max: Duration,
}

/// A running load.
pub(super) struct Load {
    thread: JoinHandle<Result<LoadReport, LoadError>>,
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
    pub(super) ledger: SharedLedger,
}

impl Load {
    pub(super) fn start(addr: SocketAddr, plan: LoadPlan) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acked = Arc::new(AtomicU64::new(0));
        let ledger = SharedLedger::telling(Arc::clone(&acked));
        let (stop_seen, mut book) = (Arc::clone(&stop), ledger.clone());
        let thread = std::thread::spawn(move || {
            let options = LoadOptions {
                workload: plan.workload,
                skus: plan.skus,
                rate: plan.rate,
                connections: plan.connections,
                in_flight: plan.in_flight,
                seed: plan.seed,
                patience: LOAD_PATIENCE,
                reconnect_pause_max: plan.reconnect_pause_max,
                ..LoadOptions::new(addr, Extent::For(Duration::from_secs(24 * 3600)))
            };
            orderline_loadgen::run(&options, &mut book, &stop_seen, &mut |_| {})
        });
        Self { thread, stop, acked, ledger }
    }

    /// Lets the load run for a while after it has begun, telling how it goes.
    pub(super) fn watch(&self, time: Duration, tell: &mut impl FnMut(Happening)) -> Result<(), Refusal> {
        let acked_before = self.acked.load(Ordering::Relaxed);
        let waiting = Instant::now();
        // The catalogue is defined first, and after a kill the client has to come back.
        while self.acked.load(Ordering::Relaxed) == acked_before {
            if self.thread.is_finished() || waiting.elapsed() > LOAD_PATIENCE {
                return Err(Refusal::new("no order was acknowledged: the load could not begin or go on"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let begun = Instant::now();
        let acked_then = self.acked.load(Ordering::Relaxed);
        while begun.elapsed() < time {
            std::thread::sleep(Duration::from_millis(100).min(time.saturating_sub(begun.elapsed())));
            let acked = self.acked.load(Ordering::Relaxed);
            let orders_per_second = ((acked - acked_then) as f64 / begun.elapsed().as_secs_f64()) as u64;
            tell(Happening::Loading { acked, orders_per_second });
        }
        Ok(())
    }

    pub(super) fn stop(self) -> Result<LoadReport, Refusal> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(result) => Ok(result?),
            Err(_) => Err(Refusal::new("the load run has stopped on a broken invariant; see above")),
        }
    }
}
