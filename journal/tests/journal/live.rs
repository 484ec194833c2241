//! A writer, a sync thread and readers at work on a real directory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orderline_journal::{
    Batch, Follower, JournalError, JournalOptions, MappedStorage, Opened, PositionalStorage, Reader, Start,
    Storage, first_sequence, follow, list_segments, open,
};

use crate::payload;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Checker {
    next: u64,
    flushes: u64,
    start: Start,
}

impl Follower for Checker {
    fn name(&self) -> &str {
        "checker"
    }

    fn position(&mut self) -> Result<Start, Failure> {
        Ok(self.start)
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Result<(), Failure> {
        for record in batch.records() {
            if record.sequence != self.next || record.payload != payload(record.sequence) {
                return Err(format!("sequence {} instead of {}", record.sequence, self.next).into());
            }
            self.next += 1;
        }
        self.start = Start::At(batch.position_after);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.flushes += 1;
        Ok(())
    }
}

fn options() -> JournalOptions {
    JournalOptions { segment_bytes: 256 << 10, batch_bytes_max: 64 << 10, ..JournalOptions::default() }
}

fn run(storage: impl Storage) {
    const RECORDS: u64 = 60_000;
    let Opened { mut writer, syncer, watermark, storage, .. } = open(storage, options()).expect("open");
    let sync_thread = syncer.spawn().expect("thread");
    let stop = Arc::new(AtomicBool::new(false));
    let follower = {
        let (stop, watermark, storage) = (Arc::clone(&stop), watermark.clone(), Arc::clone(&storage));
        std::thread::spawn(move || {
            let mut checker = Checker { next: 1, flushes: 0, start: Start::Oldest };
            let start = checker.position().expect("position");
            let mut reader = Reader::open(storage, start).expect("reader");
            follow(&mut reader, &watermark, &mut checker, &stop).expect("follow");
            checker
        })
    };
    // Whoever verifies a directory beside its server reads past the watermark, and must never see damage there.
    let verifier = {
        let (stop, storage) = (Arc::clone(&stop), Arc::clone(&storage));
        std::thread::spawn(move || {
            // Once at least, and be it that this thread's first turn comes when all is written.
            let mut passes = 0;
            loop {
                let stopping = stop.load(Ordering::Acquire);
                let mut reader = Reader::open(Arc::clone(&storage), Start::Oldest).expect("reader");
                while reader.next_batch(u64::MAX).expect("no damage").is_some() {}
                passes += 1;
                if stopping {
                    break passes;
                }
            }
        })
    };
    let woken = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&woken);
    watermark.subscribe(Box::new(move || seen.store(true, Ordering::Release)));
    let mut size = 1;
    while writer.next_sequence() <= RECORDS {
        writer.reserve().expect("room");
        let before = writer.begin_record().len();
        writer.cancel_record();
        for _ in 0..size {
            let bytes = payload(writer.next_sequence());
            writer.begin_record().extend_from_slice(&bytes);
            let (_, staged) = writer.end_record(bytes.len() as u16, 1);
            assert_eq!(staged, bytes);
        }
        assert!(before > 0 && writer.staged_count() == size && writer.staged_bytes() > 0);
        // Beside a sync thread that is at work, at rest, or just about to begin.
        match size % 3 {
            0 => writer.commit(0).expect("append"),
            of_three => {
                writer.append(0).expect("append");
                writer.sync_or_wake(of_three == 1).expect("sync");
            }
        }
        size = size % 97 + 1;
    }
    let last = writer.next_sequence() - 1;
    assert!(watermark.wait_for(last, Duration::from_secs(120)));
    assert!(!watermark.wait_for(last + 1, Duration::from_millis(1)));
    assert!(woken.load(Ordering::Acquire) && writer.unsynced_bytes() == 0 && !writer.is_behind());
    stop.store(true, Ordering::Release);
    let checker = follower.join().expect("follower");
    assert_eq!(checker.next, last + 1);
    assert!(checker.flushes > 0 && verifier.join().expect("verifier") > 0);
    drop(writer);
    sync_thread.join().expect("sync thread");

    // A second life resumes the follower where the first one left it.
    let mut reader = Reader::open(Arc::clone(&storage), checker.start).expect("reader");
    assert!(reader.next_batch(u64::MAX).expect("read").is_none() && reader.torn_tail().is_none());
    assert_eq!(reader.position().sequence, last + 1);
}

#[test]
fn a_mapped_log_is_followed_while_it_grows() {
    let directory = tempfile::tempdir().expect("directory");
    run(MappedStorage::new(directory.path()));
    let opened = open(MappedStorage::new(directory.path()), options()).expect("reopen");
    assert!(opened.recovery.torn_tail.is_none() && opened.recovery.last_sequence >= 60_000);
    let segments = opened.storage.list("journal").expect("list");
    assert!(segments.len() > 5 && segments.iter().all(|name| !name.ends_with(".tmp")), "{segments:?}");
}

#[test]
fn a_positional_log_is_followed_while_it_grows() {
    let directory = tempfile::tempdir().expect("directory");
    run(PositionalStorage::new(directory.path()));
    // What one backend wrote the other reads.
    let opened = open(MappedStorage::new(directory.path()), options()).expect("reopen");
    assert!(opened.recovery.last_sequence >= 60_000);
}

#[test]
fn a_reader_begins_at_any_segment() {
    let storage = orderline_journal::MemoryStorage::new();
    let last = crate::sample(&storage);
    let storage: Arc<dyn Storage> = Arc::new(storage);
    let segments = list_segments(&*storage).expect("segments");
    assert!(segments.len() > 1, "{segments:?}");
    let mut beginnings = Vec::new();
    for &index in &segments {
        let Some(begins) = first_sequence(&*storage, index).expect("a header") else { continue };
        let mut reader = Reader::open(Arc::clone(&storage), Start::Segment(index)).expect("reader");
        let batch = reader.next_batch(last).expect("read").expect("a batch");
        assert_eq!(batch.first_sequence, begins);
        let record = batch.records().next().expect("a record");
        assert_eq!(record.payload, payload(begins));
        beginnings.push(begins);
    }
    assert!(beginnings.len() > 1 && beginnings.is_sorted() && beginnings[0] == 1, "{beginnings:?}");
    let behind = segments[segments.len() - 1] + 1;
    assert_eq!(first_sequence(&*storage, behind).expect("no segment"), None);
    let refused = Reader::open(storage, Start::Segment(behind)).err().expect("no such segment");
    assert!(matches!(refused, JournalError::NoSuchPosition { .. }), "{refused}");
}

#[test]
fn a_directory_has_one_writer() {
    let directory = tempfile::tempdir().expect("directory");
    let opened = open(MappedStorage::new(directory.path()), options()).expect("open");
    match open(MappedStorage::new(directory.path()), options()) {
        Err(JournalError::Locked { path, pid }) => {
            assert_eq!(pid, std::process::id().to_string());
            assert_eq!(path, directory.path().join("lock"));
        }
        other => panic!("{:?}", other.err()),
    }
    let Opened { writer, syncer, .. } = opened;
    drop(writer);
    assert!(
        open(MappedStorage::new(directory.path()), options()).is_err(),
        "the sync half still holds the lock"
    );
    drop(syncer);
    assert!(open(MappedStorage::new(directory.path()), options()).is_ok());
}

#[test]
fn discarded_records_leave_no_trace() {
    let storage = orderline_journal::MemoryStorage::new();
    let mut opened = open(storage.clone(), crate::options()).expect("open");
    crate::append(&mut opened, 3);
    crate::stage(&mut opened.writer, 5);
    opened.writer.discard_staged();
    assert_eq!((opened.writer.next_sequence(), opened.writer.staged_bytes()), (4, 0));
    crate::append(&mut opened, 2);
    crate::sync(&opened);
    assert_eq!(crate::read_all(&storage).expect("read"), (5, false));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for wrong in [
        JournalOptions { segment_bytes: 4097, ..options() },
        JournalOptions { segment_bytes: 64 << 10, batch_bytes_max: 64 << 10, ..options() },
        JournalOptions { batch_bytes_max: 1001, ..options() },
        JournalOptions { unsynced_bytes_max: 0, ..options() },
    ] {
        let storage = orderline_journal::MemoryStorage::new();
        assert!(matches!(open(storage, wrong), Err(JournalError::Options { .. })));
    }
}
