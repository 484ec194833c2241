//! The models. Each says what may never be, and loom looks for an order in which it is.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use loom::thread;

use crate::bell::Bell;
use crate::bracket::Bracket;
use crate::error::JournalError;
use crate::position::Position;
use crate::rings::{FrontEnd, rings};
use crate::seam::{Handed, MakerEnd, WalkerEnd, seam};
use crate::state::State;
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
            sync_thread: Unparker(None),
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
    bounded(3, || {
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

#[test]
fn what_a_front_submitted_before_it_went_is_taken_by_the_engine() {
    loom::model(|| {
        let parked = Waker::new();
        let (_publisher, watermark) = Watermark::new(0);
        let (front, end) = rings(2, Unparker(Some(parked.clone())), watermark);
        let submitting = thread::spawn(move || {
            front.submit(1);
            front.submit(2);
        });
        let mut taken = 0;
        loop {
            if let Some(work) = end.take() {
                taken += 1;
                assert_eq!(work, taken, "they come in their order");
            } else if end.is_closed() && !end.has_work() {
                break;
            } else {
                parked.wait();
            }
        }
        assert_eq!(taken, 2, "nothing is left behind");
        submitting.join().unwrap();
    });
}

#[test]
fn a_work_that_is_submitted_wakes_the_engine() {
    loom::model(|| {
        let parked = Waker::new();
        let (_publisher, watermark) = Watermark::new(0);
        let (front, end) = rings(2, Unparker(Some(parked.clone())), watermark);
        // The front stays, so that its leaving wakes nobody.
        let submitting = thread::spawn(move || {
            front.submit(1);
            front.submit(2);
            front
        });
        for work in 1..=2 {
            let taken = loop {
                match end.take() {
                    Some(taken) => break taken,
                    None => parked.wait(),
                }
            };
            assert_eq!(taken, work);
        }
        drop(submitting.join().unwrap());
    });
}

/// Tries orders in which each thread is interrupted so often at most: all of those of three threads would take hours.
fn bounded(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(preemptions);
    bounded.check(model);
}

/// A work in the engine comes back to be released at 1, the watermark rises to 1, and `front_runs` is the front's loop until it has
/// released it. Who is not woken sleeps for ever, which loom finds.
fn a_work_comes_back(
    wake: impl Fn() + Send + Sync + 'static,
    wish: u64,
    front_runs: impl FnOnce(&FrontEnd<u64>),
) {
    let (publisher, watermark) = Watermark::new(0);
    let (front, end) = rings(1, Unparker(None), watermark);
    front.on_wake(wake);
    front.wake_at(wish);
    front.submit(1);
    let engine = thread::spawn(move || {
        let release_at = end.take().unwrap();
        end.hand_back(release_at, release_at);
    });
    let syncer = thread::spawn(move || publisher.publish(1));
    front_runs(&front);
    engine.join().unwrap();
    syncer.join().unwrap();
}

#[test]
fn a_front_that_every_rise_wakes_is_woken_for_what_it_may_release() {
    bounded(3, || {
        let waker = Waker::new();
        let bell = Arc::new(Bell::new(waker.clone()));
        let rung = Arc::clone(&bell);
        a_work_comes_back(
            move || rung.ring(),
            0,
            |front| {
                let mut held: Option<u64> = None;
                let is_releasable =
                    |held: Option<u64>| held.is_some_and(|release_at| release_at <= front.durable());
                loop {
                    held = front.collect().or(held);
                    if is_releasable(held) {
                        return;
                    }
                    let sleep = |is_idle| {
                        if is_idle {
                            waker.wait();
                        }
                        Ok(())
                    };
                    bell.sleep_unless(|| front.has_outbox() || is_releasable(held), sleep).unwrap();
                }
            },
        );
    });
}

#[test]
fn a_front_that_wishes_for_the_rises_that_wake_it_is_woken_for_what_it_may_release() {
    bounded(3, || {
        let waker = Waker::new();
        let woken = waker.clone();
        // Until it has submitted something it wishes for nothing.
        a_work_comes_back(
            move || woken.wake().unwrap(),
            u64::MAX,
            |front| {
                let mut held: Option<u64> = None;
                loop {
                    held = front.collect().or(held);
                    if held.is_some_and(|release_at| release_at <= front.durable()) {
                        return;
                    }
                    // When a work comes back is not known before.
                    front.wake_at(held.unwrap_or(0));
                    let is_releasable = held.is_some_and(|release_at| release_at <= front.durable());
                    if !front.has_outbox() && !is_releasable {
                        waker.wait();
                    }
                }
            },
        );
    });
}

/// The engine's side of a snapshot, as its loop does it: begins when it is asked, walks while there are buffers, and parks.
fn walk(walker: &WalkerEnd, parked: &Waker, pieces: u32) {
    while !walker.take_wish() {
        parked.wait();
    }
    walker.begin(Position::START);
    let mut state = State { pieces_left: pieces };
    let mut is_at_end = false;
    while !is_at_end {
        is_at_end = state.pieces_left == 0;
        while !walker.walk(&mut state) {
            parked.wait();
        }
    }
}

/// The maker's side: asks, and takes what a snapshot of so many pieces is made of.
fn make(maker: &MakerEnd, pieces: u32) {
    maker.ask();
    assert!(matches!(maker.handed.recv(), Handed::Begin(_)), "it begins");
    for left in (0..pieces).rev() {
        let Handed::Piece { tag, bytes } = maker.handed.recv() else { panic!("piece {left} is missing") };
        assert_eq!((tag, &bytes[..]), (left, &[left as u8][..]), "pieces come whole and in their order");
        maker.give_back(bytes);
    }
    let Handed::End { bytes, .. } = maker.handed.recv() else { panic!("it ends") };
    maker.give_back(bytes);
}

#[test]
fn snapshots_come_whole_and_neither_side_sleeps_through_the_other() {
    bounded(3, || {
        let parked = Waker::new();
        let (walker, maker) = seam(Unparker(Some(parked.clone())));
        // With its end it needs a buffer more than there are.
        let making = thread::spawn(move || make(&maker, 2));
        walk(&walker, &parked, 2);
        making.join().unwrap();
    });
}

#[test]
fn one_snapshot_after_another_finds_every_buffer() {
    bounded(2, || {
        let parked = Waker::new();
        let (walker, maker) = seam(Unparker(Some(parked.clone())));
        let making = thread::spawn(move || (0..3).for_each(|_| make(&maker, 0)));
        (0..3).for_each(|_| walk(&walker, &parked, 0));
        making.join().unwrap();
    });
}
