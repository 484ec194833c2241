//! The models. Each says what may never be, and loom looks for an order in which it is.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use crate::bell::Bell;
use crate::bracket::Bracket;
use crate::error::JournalError;
use crate::storage::StorageFile;
use crate::sync::{AtomicBool, AtomicU64, CachePadded, Mutex, Ordering, Unparker, Waker};
use crate::tail::{Shared, Tail};
use crate::watermark::Watermark;
use crate::wish::Wish;

/// Real time means nothing here; a wait that nobody ends is a deadlock, which loom finds.
const FOR_EVER: Duration = Duration::from_secs(3_600);

#[test]
fn who_waits_for_the_watermark_is_woken_by_its_rise() {
    loom::model(|| {
        let (publisher, watermark) = Watermark::new(0);
        let waiter = thread::spawn(move || assert!(watermark.wait_for(2, FOR_EVER)));
        publisher.publish(1);
        publisher.publish(2);
        waiter.join().unwrap();
    });
}

#[test]
fn who_waits_for_the_watermark_is_woken_by_its_failure() {
    loom::model(|| {
        let (publisher, watermark) = Watermark::new(0);
        let seen = watermark.clone();
        let waiter = thread::spawn(move || {
            let reached = watermark.wait_for(2, FOR_EVER);
            assert!(!reached && watermark.failure().is_some());
        });
        publisher.publish(1);
        publisher.fail(Arc::new(JournalError));
        publisher.publish(2);
        waiter.join().unwrap();
        assert_eq!(seen.durable(), 1, "nothing rises after a failure");
    });
}

#[test]
fn what_was_written_before_a_sequence_was_published_is_seen_by_who_sees_it() {
    loom::model(|| {
        let (publisher, watermark) = Watermark::new(0);
        let written = Arc::new(AtomicU64::new(0));
        let writes = Arc::clone(&written);
        let writer = thread::spawn(move || {
            writes.store(1, Ordering::Relaxed);
            publisher.publish(1);
        });
        if watermark.durable() == 1 {
            assert_eq!(written.load(Ordering::Relaxed), 1);
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_front_that_wishes_for_a_watermark_is_woken_by_it_or_sees_it() {
    loom::model(|| {
        let (publisher, watermark) = Watermark::new(0);
        let (wish, woken) = (Arc::new(Wish::new()), Waker::new());
        let (read, risen, wakes) = (Arc::clone(&wish), watermark.clone(), woken.clone());
        watermark.subscribe(Box::new(move || {
            if read.is_fulfilled(risen.durable()) {
                wakes.wake().unwrap();
            }
        }));
        // It waits for nothing, until it does.
        wish.want(u64::MAX);
        let raising = thread::spawn(move || {
            publisher.publish(1);
            publisher.publish(2);
        });
        wish.want(2);
        // One who is not woken then sleeps for ever, which loom finds.
        while watermark.durable() < 2 {
            woken.wait();
        }
        raising.join().unwrap();
    });
}

/// A file that knows how far it was synced.
struct File {
    synced_to: AtomicU64,
}

impl StorageFile for File {
    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> Result<(), JournalError> {
        Ok(())
    }

    fn copy_at(&self, _offset: u64, _bytes: &[u8]) -> Result<(), JournalError> {
        Ok(())
    }

    fn sync(&self, range: Range<u64>) -> Result<(), JournalError> {
        // Groups come in their order, whoever syncs them.
        assert_eq!(self.synced_to.load(Ordering::Relaxed), range.start);
        self.synced_to.store(range.end, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn two_who_sync_publish_in_order_and_nothing_that_is_not_synced() {
    loom::model(|| {
        let file = Arc::new(File { synced_to: AtomicU64::new(4096) });
        let (publisher, watermark) = Watermark::new(0);
        let shared = Arc::new(Shared {
            tail: Mutex::new(Tail::new(
                Arc::clone(&file) as Arc<dyn StorageFile>,
                1,
                1 << 20,
                4096,
                0,
                false,
            )),
            syncing: Mutex::new(()),
            publisher,
            watermark: watermark.clone(),
            appended_bytes: CachePadded::new(AtomicU64::new(0)),
            durable_bytes: CachePadded::new(AtomicU64::new(0)),
            sync_thread: Unparker,
            checksum_seed: 0,
            epoch: 1,
            _lock: Box::new(()),
        });
        let of_syncer = Arc::clone(&shared);
        let syncer = thread::spawn(move || {
            for _ in 0..2 {
                of_syncer.sync_next(&of_syncer.syncing.lock()).unwrap();
            }
        });
        for sequence in 1..=2 {
            shared.appended_bytes.fetch_add(64, Ordering::Release);
            shared.tail.lock().append(&[1; 64], sequence).unwrap();
            assert!(shared.unsynced_bytes() <= 64 * sequence);
            if let Some(syncing) = shared.syncing.try_lock() {
                while shared.sync_next(&syncing).unwrap() {}
            }
            let durable = watermark.durable();
            assert!(durable <= sequence);
            assert!(file.synced_to.load(Ordering::Relaxed) >= 4096 * (1 + u64::from(durable > 0)));
        }
        syncer.join().unwrap();
        while shared.sync_next(&shared.syncing.lock()).unwrap() {}
        assert_eq!((watermark.durable(), shared.unsynced_bytes()), (2, 0));
    });
}

#[test]
fn a_bell_that_is_rung_for_work_ends_the_sleep_or_prevents_it() {
    loom::model(|| {
        let waker = Waker::new();
        let bell = Arc::new(Bell::new(waker.clone()));
        let has_work = Arc::new(AtomicBool::new(false));
        let (rung, work) = (Arc::clone(&bell), Arc::clone(&has_work));
        let ringer = thread::spawn(move || {
            work.store(true, Ordering::Release);
            rung.ring();
        });
        let looks = || has_work.load(Ordering::Acquire);
        // One sleep is enough: who sleeps without work is woken for it.
        bell.sleep_unless(looks, |is_idle| {
            if is_idle {
                waker.wait();
            }
            Ok(())
        })
        .unwrap();
        assert!(looks(), "it woke, or did not sleep, for the work");
        ringer.join().unwrap();
    });
}

#[test]
fn two_who_ring_wake_a_sleeper_that_sleeps_again() {
    // All orders of three threads would take hours; with a thread being interrupted at most three times, seconds.
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let waker = Waker::new();
        let bell = Arc::new(Bell::new(waker.clone()));
        let works = Arc::new(AtomicU64::new(0));
        let ringers: Vec<_> = (0..2)
            .map(|_| {
                let (bell, works) = (Arc::clone(&bell), Arc::clone(&works));
                thread::spawn(move || {
                    works.fetch_add(1, Ordering::Release);
                    bell.ring();
                })
            })
            .collect();
        let mut done = 0;
        while done < 2 {
            bell.sleep_unless(
                || works.load(Ordering::Acquire) > done,
                |is_idle| {
                    if is_idle {
                        waker.wait();
                    }
                    Ok(())
                },
            )
            .unwrap();
            done = works.load(Ordering::Acquire);
        }
        ringers.into_iter().for_each(|ringer| ringer.join().unwrap());
    });
}

#[test]
fn what_is_read_off_the_board_lies_between_its_two_sequences() {
    loom::model(|| {
        let bracket = Arc::new(Bracket::default());
        let cells = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let (of_writer, written) = (Arc::clone(&bracket), Arc::clone(&cells));
        let writer = thread::spawn(move || {
            for sequence in 1..=2 {
                of_writer.begin(sequence);
                written.iter().for_each(|cell| cell.store(sequence, Ordering::Relaxed));
                of_writer.end();
            }
        });
        let since = bracket.since();
        if since > 0 {
            let values = [&cells[0], &cells[1]].map(|cell| cell.load(Ordering::Relaxed));
            let until = bracket.until();
            for value in values {
                assert!((since..=until).contains(&value), "{value} is not of {since} to {until}");
            }
        }
        writer.join().unwrap();
    });
}
