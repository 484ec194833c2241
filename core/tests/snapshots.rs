//! Snapshots made beside an engine at work: when one counts, and what must stay while it may be needed.

// Clippy knows test functions, and not what they share.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use orderline_core::door::{Door, Opened, Task, Work};
use orderline_core::recovery::Recovered;
use orderline_core::snapshot::{SnapshotPlan, Snapshotter};
use orderline_core::{Doors, Engine, EngineOptions, EngineStats, State};
use orderline_journal::snapshot::list_snapshots;
use orderline_journal::{JournalOptions, MemoryStorage, Storage, Syncer, list_segments, segment_with};
use orderline_protocol::command::*;
use orderline_protocol::*;
use support::*;

/// A running engine with a maker of snapshots beside it. The test makes the syncs by hand.
struct Rig {
    storage: MemoryStorage,
    door: Door,
    syncer: Syncer,
    engine: JoinHandle<EngineStats>,
    maker: Option<Snapshotter>,
    making: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    /// What a follower still has to read.
    needed_from: Arc<AtomicU64>,
    session: SessionHandle,
    request: u64,
}

/// Segments that a follower may hold back.
const HELD_SEGMENTS_MAX: u32 = 4;

fn options() -> JournalOptions {
    JournalOptions {
        // So small that each few commands that are synced alone fill one.
        segment_bytes: 512 << 10,
        batch_bytes_max: 192 << 10,
        helper_thread: false,
        own_sync_bytes_max: 0,
        store_id: Some(7),
        ..JournalOptions::default()
    }
}

impl Rig {
    fn start(storage: &MemoryStorage, every_records: u64) -> Self {
        let Recovered { state, opened, snapshot_sequence, .. } = recovered(storage, options());
        let mut doors = Doors::new(opened.watermark.clone());
        let door = doors.open(8);
        let plan = SnapshotPlan {
            every_records,
            remove_segments: true,
            held_segments_max: HELD_SEGMENTS_MAX,
            bytes_per_s_max: 0,
            last_sequence: snapshot_sequence,
        };
        let (disk, seam) = (Arc::clone(&opened.storage), doors.snapshots());
        let needed_from = Arc::new(AtomicU64::new(Sequence::MAX));
        let needed = Arc::clone(&needed_from);
        let needed = Box::new(move || needed.load(Ordering::Relaxed));
        let maker = Snapshotter::new(disk, opened.recovery.store_id, opened.watermark, seam, plan, needed);
        let engine = Engine::new(state, opened.writer, doors, || NOW_US, EngineOptions::default());
        let engine = std::thread::spawn(move || engine.run().unwrap());
        let mut rig = Self {
            storage: storage.clone(),
            door,
            syncer: opened.syncer,
            engine,
            maker: Some(maker),
            making: None,
            stop: Arc::default(),
            needed_from,
            session: SessionHandle::NONE,
            request: 0,
        };
        let work = rig.run(Task::OpenSession { id: SessionId::new(1), must_exist: false, actor: 0 }, &[]);
        let Opened::Session { handle, last_request } = work.opened else { panic!("no session") };
        (rig.session, rig.request) = (handle, last_request);
        rig
    }

    fn run(&self, task: Task, input: &[u8]) -> Box<Work> {
        let mut work = Box::new(Work::default());
        work.input.extend_from_slice(input);
        work.payloads.extend((!input.is_empty()).then_some(0..input.len()));
        work.command_count = u32::from(!input.is_empty());
        work.task = task;
        self.door.submit(work);
        let start = Instant::now();
        loop {
            if let Some(work) = self.door.collect() {
                return work;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "the engine gave nothing back");
            std::thread::yield_now();
        }
    }

    /// Defines so many sellers, one after the other, each synced by itself where that is asked for.
    fn define(&mut self, count: u64, is_synced: bool) {
        for _ in 0..count {
            self.request += 1;
            let code = format!("s{}", self.request);
            let seller = DefineSeller {
                commission_bp: 0.into(),
                standing: 1,
                code_bytes: code.len() as u8,
                expected_version: 0.into(),
            };
            let mut input = Vec::new();
            Command::DefineSeller(&seller, &code).write(self.request, &mut input);
            self.run(Task::Commands(self.session, Scope::Everything), &input);
            if is_synced {
                self.sync();
            }
        }
    }

    fn sync(&self) {
        while self.syncer.sync_once().unwrap() {}
    }

    fn make_snapshots(&mut self) {
        let (maker, stop) = (self.maker.take().unwrap(), Arc::clone(&self.stop));
        self.making = Some(std::thread::spawn(move || maker.run(&stop, |_, _| ())));
    }

    fn snapshots(&self) -> Vec<u64> {
        list_snapshots(&self.storage).unwrap()
    }

    fn wait_for_snapshot(&self, sequence: u64) {
        let is_there = || self.snapshots().first().is_some_and(|&newest| newest >= sequence);
        wait_until(|| format!("snapshot {sequence}: {:?}", self.snapshots()), is_there);
    }

    fn stop(self) {
        drop(self.door);
        self.engine.join().unwrap();
        self.stop.store(true, Ordering::Release);
        if let Some(making) = self.making {
            making.join().unwrap();
        }
        while self.syncer.sync_once().unwrap() {}
    }
}

/// Waits until something is so. A snapshot is seen before the maker has taken away what it makes needless.
fn wait_until(what: impl Fn() -> String, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came to be so: {}", what());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_snapshot_counts_only_once_all_that_is_in_it_is_durable() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, 1);
    rig.define(2, true);
    rig.define(5, false);
    assert_eq!(rig.door.durable(), 3);
    rig.make_snapshots();
    // Long enough for one that does not wait: its pieces are made at once.
    std::thread::sleep(Duration::from_millis(500));
    let lost = storage.crash(&mut |_| 0);
    assert_eq!(
        recovered(&lost, options()).state.sequence(),
        3,
        "what was not synced is gone, and nothing speaks of it"
    );
    assert!(rig.snapshots().is_empty(), "it would say more than the journal");
    rig.sync();
    rig.wait_for_snapshot(8);
    rig.stop();
}

#[test]
fn what_the_older_snapshot_goes_on_with_stays() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, 150);
    rig.make_snapshots();
    let mut due = 150;
    for _ in 0..4 {
        rig.define(151, true);
        rig.wait_for_snapshot(due);
        due = rig.snapshots()[0] + 150;
    }
    rig.stop();
    let kept = list_snapshots(&storage).unwrap();
    assert_eq!(kept.len(), 2);
    let segments = storage.list("journal").unwrap();
    assert!(!segments.contains(&"00000001.segment".to_owned()), "nothing was removed: {segments:?}");
    let whole = recovered(&storage, options());
    assert_eq!(whole.snapshot_sequence, kept[0]);
    let (sequence, hash) = (whole.state.sequence(), whole.state.hash());
    drop(whole);
    storage.flip_bit(&format!("snapshots/{:020}.snapshot", kept[0]), 200, 3);
    let older = recovered(&storage, options());
    assert_eq!((older.snapshot_sequence, older.snapshots_refused.len()), (kept[1], 1));
    assert_eq!((older.state.sequence(), older.state.hash()), (sequence, hash));
    assert_ne!(hash, State::new(1).hash());
}

#[test]
fn what_a_follower_still_reads_stays_up_to_a_bound() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, 150);
    rig.needed_from.store(200, Ordering::Relaxed);
    rig.make_snapshots();
    let mut due = 150;
    let mut grow = |rig: &mut Rig, rounds| {
        for _ in 0..rounds {
            rig.define(151, true);
            rig.wait_for_snapshot(due);
            due = rig.snapshots()[0] + 150;
        }
    };
    let oldest = || list_segments(&storage).unwrap()[0];
    let older_begins_in = |rig: &Rig| segment_with(&storage, rig.snapshots()[1]).unwrap().unwrap();
    grow(&mut rig, 3);
    let needed = segment_with(&storage, 200).unwrap();
    assert_eq!(needed, Some(oldest()), "what it reads is the first that is there");
    assert!(oldest() > 1 && oldest() < older_begins_in(&rig), "only what is before that has gone");
    grow(&mut rig, 4);
    // It came too late.
    wait_until(|| format!("segment {} goes", oldest()), || segment_with(&storage, 200).unwrap().is_none());
    let oldest_then = oldest();
    assert!(older_begins_in(&rig) - oldest_then <= HELD_SEGMENTS_MAX, "what it may hold back is bounded");
    assert!(oldest_then < older_begins_in(&rig), "so much is held");
    rig.needed_from.store(Sequence::MAX, Ordering::Relaxed);
    grow(&mut rig, 1);
    // Nothing is held any more.
    wait_until(|| format!("segment {} goes", oldest()), || oldest() > oldest_then);
    rig.stop();
}

/// The buffers between the engine and the maker go round for ever.
#[test]
fn a_process_makes_any_number_of_snapshots() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, 4);
    rig.make_snapshots();
    let mut due = 4;
    for _ in 0..80 {
        rig.define(5, true);
        rig.wait_for_snapshot(due);
        due = rig.snapshots()[0] + 4;
    }
    rig.stop();
}
