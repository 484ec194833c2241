//! How far something has come that others wait for: the durable end of the log, or a replica's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::JournalError;
use crate::sync::{AtomicU64, AtomicUsize, CachePadded, Condvar, Mutex, Ordering, RwLock, fence};

type Wake = Box<dyn Fn() + Send + Sync>;

/// A sequence that only rises, published by one thread and read by any. It stops for ever at the first failure.
#[derive(Clone)]
pub struct Watermark {
    inner: Arc<Inner>,
}

/// The end that raises a [`Watermark`]. The sync thread holds the journal's; a replica's cursor has its own.
pub struct WatermarkPublisher {
    inner: Arc<Inner>,
}

struct Inner {
    sequence: CachePadded<AtomicU64>,
    waiters: AtomicUsize,
    wait: Mutex<()>,
    risen: Condvar,
    wakes: RwLock<Vec<Wake>>,
    failure: RwLock<Option<Arc<JournalError>>>,
}

impl Watermark {
    /// A watermark that stands at `sequence`, and the end that raises it.
    pub fn new(sequence: u64) -> (WatermarkPublisher, Self) {
        let inner = Arc::new(Inner {
            sequence: CachePadded::new(AtomicU64::new(sequence)),
            waiters: AtomicUsize::new(0),
            wait: Mutex::new(()),
            risen: Condvar::new(),
            wakes: RwLock::new(Vec::new()),
            failure: RwLock::new(None),
        });
        (WatermarkPublisher { inner: Arc::clone(&inner) }, Self { inner })
    }

    /// Everything up to and including this sequence is durable.
    pub fn durable(&self) -> u64 {
        self.inner.sequence.load(Ordering::Acquire)
    }

    /// Calls `wake` after every rise and after a failure, on the publishing thread. It must not block.
    pub fn subscribe(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.inner.wakes.write().push(wake);
    }

    /// Waits until `sequence` is reached; false if the time ran out or the journal failed first.
    pub fn wait_for(&self, sequence: u64, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        if self.durable() >= sequence {
            return true;
        }
        let mut guard = self.inner.wait.lock();
        self.inner.waiters.fetch_add(1, Ordering::SeqCst);
        // Either the publisher sees this waiter and notifies under the lock, or this thread sees its sequence.
        fence(Ordering::SeqCst);
        let mut reached = self.durable() >= sequence;
        while !reached && self.failure().is_none() {
            let late = self.inner.risen.wait_until(&mut guard, deadline).timed_out();
            reached = self.durable() >= sequence;
            if late {
                break;
            }
        }
        self.inner.waiters.fetch_sub(1, Ordering::SeqCst);
        reached
    }

    /// Why the watermark will never rise again, if that is so. The process must then stop and recover from disk.
    pub fn failure(&self) -> Option<Arc<JournalError>> {
        self.inner.failure.read().clone()
    }
}

impl WatermarkPublisher {
    /// Raises the watermark and wakes whoever asked for it. Nothing happens after a failure.
    ///
    /// # Panics
    /// If the sequence falls: what was promised cannot be taken back.
    pub fn publish(&self, sequence: u64) {
        if self.inner.failure.read().is_some() {
            return;
        }
        let before = self.inner.sequence.load(Ordering::Relaxed);
        assert!(sequence >= before, "the watermark fell from {before} to {sequence}");
        self.inner.sequence.store(sequence, Ordering::Release);
        self.wake();
    }

    /// Stops the watermark for ever. The first failure stands.
    pub fn fail(&self, error: Arc<JournalError>) {
        self.inner.failure.write().get_or_insert(error);
        self.wake();
    }

    fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.inner.waiters.load(Ordering::SeqCst) > 0 {
            let _guard = self.inner.wait.lock();
            self.inner.risen.notify_all();
        }
        for wake in self.inner.wakes.read().iter() {
            wake();
        }
    }
}
