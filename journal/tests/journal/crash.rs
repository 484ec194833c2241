//! Power loss, failing disks and full disks.

use orderline_journal::{JournalError, JournalOptions, MemoryStorage, open};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::proof::Proof;
use crate::{append, options, read_all, sample, stage, sync};

/// How a crash chooses among what each sector may hold.
fn choices(random: &mut StdRng) -> Box<dyn FnMut(usize) -> usize> {
    let mut own = StdRng::seed_from_u64(random.random());
    match random.random_range(0..6_u32) {
        0 => Box::new(|_| 0),
        1 => Box::new(|count| count - 1),
        2 => Box::new(move |count| if own.random_bool(0.95) { count - 1 } else { 0 }),
        3 => Box::new(move |count| if own.random_bool(0.95) { 0 } else { count - 1 }),
        _ => Box::new(move |count| own.random_range(0..count)),
    }
}

#[test]
fn what_was_published_survives_any_power_loss() {
    crate::seeds(400, |seed| {
        let mut random = StdRng::seed_from_u64(seed);
        let mut storage = MemoryStorage::new();
        let mut durable = 0;
        let mut appended = 0;
        for _life in 0..3 {
            let group_bytes_max = random.random_range(1..32_u64) << 10;
            let mut opened =
                open(storage.clone(), JournalOptions { group_bytes_max, ..options() }).expect("open");
            let found = opened.recovery.last_sequence;
            assert!((durable..=appended).contains(&found), "{found} is not in {durable}..={appended}");
            for _ in 0..random.random_range(0..60_u32) {
                if random.random_bool(0.7) {
                    append(&mut opened, random.random_range(1..40));
                } else if random.random_bool(0.5) {
                    opened.syncer.sync_once().expect("sync");
                } else {
                    opened.writer.sync_or_wake(true).expect("sync by the writer");
                }
            }
            durable = opened.watermark.durable();
            appended = opened.writer.next_sequence() - 1;
            if random.random_bool(0.3) {
                // Only the process dies: what it appended is still in the page cache, and is found again, but a
                // power loss right after the next start must not take what that start then called durable.
                drop(opened);
                durable = open(storage.clone(), options()).expect("reopen").watermark.durable();
                assert_eq!(durable, appended);
            }
            storage = storage.crash(&mut *choices(&mut random));
            let (last, _) = read_all(&storage).expect("a crash is never taken for damage");
            assert!((durable..=appended).contains(&last), "{last} is not in {durable}..={appended}");
        }
    });
    let mut proof = Proof::of(3, "the journal alone, three lives a seed, sectors and entries at random");
    proof.ran(400 * 3);
    proof.end();
}

#[test]
fn a_crash_while_recovering_changes_nothing() {
    crate::seeds(150, |seed| {
        let mut random = StdRng::seed_from_u64(seed);
        let storage = MemoryStorage::new();
        let mut opened = open(storage.clone(), options()).expect("open");
        for _ in 0..30 {
            append(&mut opened, random.random_range(1..60));
            if random.random_bool(0.2) {
                opened.syncer.sync_once().expect("sync");
            }
        }
        let durable = opened.watermark.durable();
        let mut crashed = storage.crash(&mut *choices(&mut random));
        for _depth in 0..3 {
            crashed.fail_sync(random.random_range(1..8));
            let _ = open(crashed.clone(), options());
            crashed = crashed.crash(&mut *choices(&mut random));
        }
        let opened = open(crashed.clone(), options()).expect("open");
        assert!(opened.recovery.last_sequence >= durable);
        drop(opened);
        let (last, torn) = read_all(&crashed).expect("read");
        assert!(last >= durable && !torn);
    });
    let mut proof = Proof::of(3, "the journal alone, power lost in recovery, three deep");
    proof.ran(150 * 3);
    proof.end();
}

#[test]
fn a_failed_sync_is_final() {
    let quiet = MemoryStorage::new();
    sample(&quiet);
    let syncs = quiet.syncs();
    let mut failures = 0;
    for number in 1..=syncs {
        let storage = MemoryStorage::new();
        storage.fail_sync(number);
        let Ok(mut opened) = open(storage.clone(), options()) else {
            continue;
        };
        let mut failed_at = None;
        for round in 0..80 {
            stage(&mut opened.writer, 20);
            let committed = opened.writer.commit(0);
            assert_eq!(committed.is_err(), opened.watermark.failure().is_some());
            opened.writer.discard_staged();
            // Whoever syncs, the writer or the sync thread, a failure ends it for both.
            let is_synced = match round % 2 {
                0 => opened.syncer.sync_once().is_ok(),
                _ => opened.writer.sync_or_wake(true).is_ok(),
            };
            if committed.is_err() || !is_synced {
                failed_at.get_or_insert(opened.watermark.durable());
            }
        }
        let durable = opened.watermark.durable();
        if let Some(failed_at) = failed_at {
            failures += 1;
            assert_eq!(durable, failed_at, "the watermark rose after sync {number} failed");
            assert!(matches!(opened.writer.reserve(), Err(JournalError::Poisoned(_))));
        }
        let crashed = storage.crash(&mut |_| 0);
        assert!(read_all(&crashed).expect("read").0 >= durable, "sync {number}");
        let mut opened = open(crashed, options()).expect("reopen");
        append(&mut opened, 1);
        sync(&opened);
    }
    assert!(failures > 10, "only {failures} syncs failed after open");
    let mut proof = Proof::of(10, "each sync of a run in turn, the journal alone");
    proof.ran(syncs);
    proof.end();
}

#[test]
fn the_writer_syncs_little_by_itself_and_leaves_much_to_the_sync_thread() {
    let mut opened = open(MemoryStorage::new(), options()).expect("open");
    append(&mut opened, 3);
    opened.writer.sync_or_wake(false).expect("wake");
    assert_eq!(opened.watermark.durable(), 0, "a writer that is not idle does not wait for the disk");
    opened.writer.sync_or_wake(true).expect("sync");
    assert_eq!((opened.watermark.durable(), opened.writer.unsynced_bytes()), (3, 0));

    let own_sync_bytes_max = 1_000;
    let mut opened =
        open(MemoryStorage::new(), JournalOptions { own_sync_bytes_max, ..options() }).expect("open");
    append(&mut opened, 40);
    assert!(opened.writer.unsynced_bytes() > own_sync_bytes_max);
    opened.writer.sync_or_wake(true).expect("wake");
    assert_eq!(opened.watermark.durable(), 0);
    sync(&opened);
    assert_eq!(opened.watermark.durable(), 40);
}

#[test]
fn a_failed_write_is_final() {
    let storage = MemoryStorage::new();
    let mut opened = open(storage.clone(), options()).expect("open");
    append(&mut opened, 10);
    sync(&opened);
    storage.fail_write(1);
    stage(&mut opened.writer, 1);
    assert!(matches!(opened.writer.commit(0), Err(JournalError::Poisoned(_))));
    assert!(opened.syncer.sync_once().is_err());
    assert_eq!(opened.watermark.durable(), 10);
}

#[test]
fn a_full_disk_passes() {
    let storage = MemoryStorage::new();
    let mut opened = open(storage.clone(), options()).expect("open");
    storage.set_capacity(Some(storage.used_bytes()));
    let mut rejected = 0;
    let last = loop {
        if let Err(error) = opened.writer.reserve() {
            assert!(matches!(error, JournalError::DiskFull { .. }) && error.is_temporary(), "{error}");
            rejected += 1;
            break opened.writer.next_sequence() - 1;
        }
        append(&mut opened, 20);
    };
    // Without asking first, the commit itself refuses and the records can be dropped.
    loop {
        stage(&mut opened.writer, 20);
        if let Err(error) = opened.writer.commit(0) {
            assert!(matches!(error, JournalError::DiskFull { .. }) && error.is_temporary(), "{error}");
            opened.writer.discard_staged();
            break;
        }
    }
    assert!(opened.watermark.failure().is_none() && rejected == 1 && last > 0);
    sync(&opened);
    storage.set_capacity(None);
    opened.writer.reserve().expect("room again");
    append(&mut opened, 20);
    sync(&opened);
    let durable = opened.watermark.durable();
    assert_eq!(read_all(&storage).expect("read").0, durable);
}

#[test]
fn a_store_made_by_a_process_that_was_killed_survives_a_power_loss() {
    // Killed with each change of the disk that making a store takes, and started anew; then the power goes.
    for killed_at in 1.. {
        for kept in [0, usize::MAX] {
            let storage = MemoryStorage::new();
            storage.cut_power(killed_at);
            drop(open(storage.clone(), options()));
            if !storage.is_cut() {
                assert!(killed_at > 5, "making a store takes some changes");
                return;
            }
            storage.revive();
            let mut opened = open(storage.clone(), options()).expect("open");
            append(&mut opened, 1);
            while opened.syncer.sync_once().expect("sync") {}
            let durable = opened.watermark.durable();
            drop(opened);
            let left = storage.crash(&mut |versions| kept.min(versions - 1));
            let found = open(left, options()).expect("open").recovery.last_sequence;
            assert!(found >= durable, "{found} of {durable} are left, killed with change {killed_at}");
        }
    }
}
