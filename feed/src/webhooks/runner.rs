//! What drives the deliveries: one thread, a task for each endpoint.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use orderline_protocol::Sequence;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, sleep_until};

use super::cell::{Cell, TROUBLE_PAUSE, Turn};
use super::endpoint::EndpointState;
use super::sender::{Outcome, Sender};
use super::{Shared, WebhookError};

/// Threads that read the journal and keep progress for all endpoints.
const DISK_THREADS: usize = 2;

/// How long the feed is left to grow before all endpoints look at it again.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The handle of the thread.
pub(crate) struct Runner {
    handle: Handle,
    shared: Arc<Shared>,
    sender: Sender,
    durable: watch::Receiver<Sequence>,
    stopping: watch::Sender<bool>,
    running: Arc<JoinCount>,
}

/// How many tasks are at work, and a call when one ends.
#[derive(Default)]
struct JoinCount {
    count: parking_lot::Mutex<usize>,
    ended: Notify,
}

impl Runner {
    pub(crate) fn start(shared: Arc<Shared>) -> Result<(Self, JoinHandle<()>), WebhookError> {
        let sender = Sender::new(&shared.options)?;
        let runtime =
            Builder::new_current_thread().enable_all().max_blocking_threads(DISK_THREADS).build()?;
        let handle = runtime.handle().clone();
        let (durable_sender, durable) = watch::channel(shared.feed.durable());
        let (stopping, mut is_stopping) = watch::channel(false);
        let running = Arc::new(JoinCount::default());
        let risen = Arc::new(Notify::new());
        // Called by the thread that syncs the journal: a permit is stored, and nothing is waited for.
        let called = Arc::downgrade(&risen);
        shared.feed.watermark().subscribe(Box::new(move || {
            if let Some(risen) = called.upgrade() {
                risen.notify_one();
            }
        }));
        let (feed, at_work) = (Arc::clone(&shared.feed), Arc::clone(&running));
        let thread = std::thread::Builder::new().name("webhooks".to_owned()).spawn(move || {
            // Deliveries can wait, and give way to what takes orders. The threads beside this one inherit it.
            let _ = rustix::process::setpriority_process(None, 10);
            runtime.block_on(async move {
                let follow = async {
                    loop {
                        risen.notified().await;
                        durable_sender.send_replace(feed.durable());
                        sleep(LOOK_EVERY).await;
                    }
                };
                tokio::select! {
                    _ = is_stopping.wait_for(|stopping| *stopping) => {}
                    () = follow => {}
                }
                while *at_work.count.lock() > 0 {
                    at_work.ended.notified().await;
                }
            });
        })?;
        Ok((Self { handle, shared, sender, durable, stopping, running }, thread))
    }

    /// Delivers to an endpoint from here on.
    pub(crate) fn run(&self, cell: Arc<Cell>) {
        let task = Task {
            cell,
            shared: Arc::clone(&self.shared),
            sender: self.sender.clone(),
            durable: self.durable.clone(),
            stopping: self.stopping.subscribe(),
        };
        let running = Arc::clone(&self.running);
        *running.count.lock() += 1;
        self.handle.spawn(async move {
            task.run().await;
            *running.count.lock() -= 1;
            running.ended.notify_one();
        });
    }

    /// Ends all tasks; the thread ends when they have kept how far they came.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }
}

struct Task {
    cell: Arc<Cell>,
    shared: Arc<Shared>,
    sender: Sender,
    durable: watch::Receiver<Sequence>,
    stopping: watch::Receiver<bool>,
}

impl Task {
    async fn run(mut self) {
        let mut flights: JoinSet<(Sequence, Outcome)> = JoinSet::new();
        let mut outcomes = Vec::new();
        loop {
            let is_stopping = *self.stopping.borrow_and_update();
            self.durable.mark_unchanged();
            let Some(turn) = self.turn(std::mem::take(&mut outcomes), is_stopping).await else { return };
            if turn.is_over {
                // What is under way is let go: it is made again, or nobody wants it any more.
                return;
            }
            for (sequence, message) in turn.messages {
                let sender = self.sender.clone();
                flights.spawn(async move { (sequence, sender.send(message).await) });
            }
            if turn.has_more {
                // Others have their turn first.
                tokio::task::yield_now().await;
                outcomes.extend(std::iter::from_fn(|| flights.try_join_next()).flatten());
                continue;
            }
            tokio::select! {
                Some(ended) = flights.join_next() => {
                    outcomes.extend(ended);
                    outcomes.extend(std::iter::from_fn(|| flights.try_join_next()).flatten());
                }
                () = sleep_until(turn.due.unwrap_or_else(far_away).into()) => {}
                () = self.cell.wake.notified() => {}
                _ = self.durable.changed() => {}
                _ = self.stopping.changed() => {}
            }
        }
    }

    /// A turn, off this thread; nothing if that thread is gone.
    async fn turn(&self, outcomes: Vec<(Sequence, Outcome)>, is_stopping: bool) -> Option<Turn> {
        let (cell, shared) = (Arc::clone(&self.cell), Arc::clone(&self.shared));
        let turn = spawn_blocking(move || {
            let turn = cell.turn(&shared.feed, outcomes, is_stopping);
            if turn.is_gone {
                // If it cannot be kept, the endpoint will say so again after a restart.
                let _ = shared.change(cell.id, |definition| definition.state = EndpointState::Disabled);
            }
            turn
        });
        turn.await.ok()
    }
}

/// A time at which nothing happens.
fn far_away() -> Instant {
    Instant::now() + TROUBLE_PAUSE * 1_000
}
