//! Loom's atomics and locks under the names and with the manners of those in production.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

pub use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

/// Without padding: there are no caches here.
pub struct CachePadded<T>(T);

impl<T> CachePadded<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for CachePadded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

pub struct Mutex<T>(loom::sync::Mutex<T>);

/// Empty only while it waits on a condition.
pub struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().unwrap()))
    }

    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok().map(|guard| MutexGuard(Some(guard)))
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap()
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().unwrap()
    }
}

pub struct Condvar(loom::sync::Condvar);

pub struct WaitResult;

impl WaitResult {
    /// Time never runs out here: who is not woken waits for ever, and loom says so.
    pub fn timed_out(&self) -> bool {
        false
    }
}

impl Condvar {
    pub fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _deadline: Instant) -> WaitResult {
        guard.0 = Some(self.0.wait(guard.0.take().unwrap()).unwrap());
        WaitResult
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

pub struct RwLock<T>(loom::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub fn new(value: T) -> Self {
        Self(loom::sync::RwLock::new(value))
    }

    pub fn read(&self) -> loom::sync::RwLockReadGuard<'_, T> {
        self.0.read().unwrap()
    }

    pub fn write(&self) -> loom::sync::RwLockWriteGuard<'_, T> {
        self.0.write().unwrap()
    }
}

/// A ring between two threads. What was pushed is seen whole by whoever pops it, and nothing beyond that is promised: crossbeam's
/// orders its steps more strictly than it says.
pub struct ArrayQueue<T> {
    head: AtomicUsize,
    tail: AtomicUsize,
    slots: Vec<loom::sync::Mutex<Option<T>>>,
}

impl<T> ArrayQueue<T> {
    pub fn new(capacity: usize) -> Self {
        let slots = (0..capacity).map(|_| loom::sync::Mutex::new(None)).collect();
        Self { head: AtomicUsize::new(0), tail: AtomicUsize::new(0), slots }
    }

    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    pub fn push(&self, value: T) -> Result<(), T> {
        let tail = self.tail.load(Ordering::Relaxed);
        if tail - self.head.load(Ordering::Acquire) == self.slots.len() {
            return Err(value);
        }
        *self.slots[tail % self.slots.len()].lock().unwrap() = Some(value);
        self.tail.store(tail + 1, Ordering::Release);
        Ok(())
    }

    pub fn pop(&self) -> Option<T> {
        let head = self.head.load(Ordering::Relaxed);
        if head == self.tail.load(Ordering::Acquire) {
            return None;
        }
        let value = self.slots[head % self.slots.len()].lock().unwrap().take();
        self.head.store(head + 1, Ordering::Release);
        value
    }

    pub fn is_empty(&self) -> bool {
        self.head.load(Ordering::Acquire) == self.tail.load(Ordering::Acquire)
    }
}

/// What a parked thread is woken by; or nobody is parked.
#[derive(Clone)]
pub struct Unparker(pub Option<Waker>);

impl Unparker {
    pub fn unpark(&self) {
        if let Some(waker) = &self.0 {
            waker.wake().unwrap();
        }
    }
}

/// The two ends of a channel with this much room, which wakes who waits for it as the standard library's does.
pub fn sync_channel<T>(room: usize) -> (SyncSender<T>, Receiver<T>) {
    let (ring, sent) = (Arc::new(ArrayQueue::new(room)), Waker::new());
    (SyncSender { ring: Arc::clone(&ring), sent: sent.clone() }, Receiver { ring, sent })
}

pub struct SyncSender<T> {
    ring: Arc<ArrayQueue<T>>,
    sent: Waker,
}

impl<T> SyncSender<T> {
    pub fn try_send(&self, value: T) -> Result<(), T> {
        self.ring.push(value)?;
        self.sent.wake().unwrap();
        Ok(())
    }
}

pub struct Receiver<T> {
    ring: Arc<ArrayQueue<T>>,
    sent: Waker,
}

impl<T> Receiver<T> {
    pub fn try_recv(&self) -> Result<T, ()> {
        self.ring.pop().ok_or(())
    }

    pub fn recv(&self) -> T {
        loop {
            match self.try_recv() {
                Ok(value) => return value,
                Err(()) => self.sent.wait(),
            }
        }
    }
}

/// A wake-up that lasts until it is taken, as an eventfd's does.
#[derive(Clone)]
pub struct Waker(std::sync::Arc<(loom::sync::Mutex<bool>, loom::sync::Condvar)>);

impl Waker {
    pub fn new() -> Self {
        Self(std::sync::Arc::new((loom::sync::Mutex::new(false), loom::sync::Condvar::new())))
    }

    pub fn wake(&self) -> std::io::Result<()> {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_one();
        Ok(())
    }

    /// Sleeps until there is a wake-up, and takes it.
    pub fn wait(&self) {
        let mut is_woken = self.0.0.lock().unwrap();
        while !*is_woken {
            is_woken = self.0.1.wait(is_woken).unwrap();
        }
        *is_woken = false;
    }
}
