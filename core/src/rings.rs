//! The two bounded rings between a front and the engine, and who wakes whom when something lies in one. No wake-up may be
//! lost, and nothing that was handed over: `loom/src/models.rs` tries every order of what the threads do.

use std::sync::{Arc, OnceLock};

use orderline_journal::Watermark;
use orderline_protocol::Sequence;

use crate::sync::{ArrayQueue, AtomicBool, Ordering, Unparker, fence};
use crate::wish::Wish;

/// What both ends share.
struct Shared<T> {
    inbox: ArrayQueue<T>,
    outbox: ArrayQueue<T>,
    engine: Unparker,
    wake_front: OnceLock<Box<dyn Fn() + Send + Sync>>,
    wish: Wish,
    is_closed: AtomicBool,
}

/// A front's end of the rings; dropping it closes them.
pub(crate) struct FrontEnd<T> {
    shared: Arc<Shared<T>>,
    watermark: Watermark,
}

/// The engine's end of the rings.
pub struct EngineEnd<T> {
    shared: Arc<Shared<T>>,
    watermark: Watermark,
}

/// Makes rings that hold at most `capacity` works, each way.
pub(crate) fn rings<T>(
    capacity: usize,
    engine: Unparker,
    watermark: Watermark,
) -> (FrontEnd<T>, EngineEnd<T>) {
    let shared = Arc::new(Shared {
        inbox: ArrayQueue::new(capacity),
        outbox: ArrayQueue::new(capacity),
        engine,
        wake_front: OnceLock::new(),
        wish: Wish::new(),
        is_closed: AtomicBool::new(false),
    });
    let end = EngineEnd { shared: Arc::clone(&shared), watermark: watermark.clone() };
    (FrontEnd { shared, watermark }, end)
}

impl<T> FrontEnd<T> {
    pub(crate) fn capacity(&self) -> usize {
        self.shared.inbox.capacity()
    }

    /// Hands a work to the engine, and wakes it.
    pub(crate) fn submit(&self, work: T) {
        assert!(self.shared.inbox.push(work).is_ok(), "a front keeps its works within the door's capacity");
        self.shared.engine.unpark();
    }

    /// Takes the oldest work that the engine has done with.
    pub(crate) fn collect(&self) -> Option<T> {
        self.shared.outbox.pop()
    }

    pub(crate) fn has_outbox(&self) -> bool {
        !self.shared.outbox.is_empty()
    }

    pub(crate) fn durable(&self) -> Sequence {
        self.watermark.durable()
    }

    /// Sets what wakes the front; only the first call counts.
    pub(crate) fn on_wake(&self, wake: impl Fn() + Send + Sync + 'static)
    where
        T: Send + 'static,
    {
        if self.shared.wake_front.set(Box::new(wake)).is_ok() {
            let (shared, watermark) = (Arc::clone(&self.shared), self.watermark.clone());
            self.watermark.subscribe(Box::new(move || {
                if shared.wish.is_fulfilled(watermark.durable())
                    && let Some(wake) = shared.wake_front.get()
                {
                    wake();
                }
            }));
        }
    }

    /// Wants to sleep through rises of the watermark below this sequence.
    pub(crate) fn wake_at(&self, sequence: Sequence) {
        self.shared.wish.want(sequence);
    }
}

impl<T> Drop for FrontEnd<T> {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Release);
        self.shared.engine.unpark();
    }
}

impl<T> EngineEnd<T> {
    /// Takes the oldest work that was submitted.
    pub fn take(&self) -> Option<T> {
        self.shared.inbox.pop()
    }

    /// Whether [`EngineEnd::take`] would find something.
    pub fn has_work(&self) -> bool {
        !self.shared.inbox.is_empty()
    }

    /// Whether the front has gone for good. What it submitted before can be taken once this is seen.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed.load(Ordering::Acquire)
    }

    /// Hands a work back, in the order in which it was decided, and wakes the front if its output may leave at once. If not,
    /// whoever raises the watermark to `release_at` wakes it.
    ///
    /// # Panics
    /// When more works come back than went in.
    pub fn hand_back(&self, work: T, release_at: Sequence) {
        assert!(self.shared.outbox.push(work).is_ok(), "as many works come back as went in");
        // Either the front that is woken by the rise of the watermark finds the work, or the risen watermark is seen here.
        fence(Ordering::SeqCst);
        if release_at <= self.watermark.durable()
            && let Some(wake) = self.shared.wake_front.get()
        {
            wake();
        }
    }
}
