//! Directory entries that a power loss takes: every set of the changes that were not synced yet, files made, renamed and
//! removed, at every sync of a life that rolls segments and writes snapshots.

use std::sync::Arc;

use orderline_journal::{MemoryStorage, SnapshotWriter, Storage, newest_good, open, remove_segments_before};

use crate::proof::Proof;
use crate::{STORE_ID, options, read_all, stage, sync};

/// Changes of which every set is tried; of more, the first ones.
const CHANGES_MAX: usize = 6;

/// A life that ends at the `fails`th sync: what it had published, the newest snapshot that it had finished, and whether
/// it came to its end.
fn live(storage: &MemoryStorage, fails: u64) -> (u64, Option<u64>, bool) {
    let mut published = 0;
    let mut finished = None;
    storage.fail_sync(fails);
    let Ok(mut opened) = open(storage.clone(), options()) else { return (published, finished, false) };
    for round in 0..60_u64 {
        stage(&mut opened.writer, 30);
        if opened.writer.commit(1_700_000_000_000_000).is_err() {
            return (opened.watermark.durable(), finished, false);
        }
        if opened.syncer.sync_once().is_err() {
            return (opened.watermark.durable(), finished, false);
        }
        while let Ok(true) = opened.syncer.sync_once() {}
        published = opened.watermark.durable();
        if round % 8 == 7 {
            let position = opened.writer.position();
            let shared: Arc<dyn Storage> = Arc::new(storage.clone());
            let written =
                SnapshotWriter::create(Arc::clone(&shared), STORE_ID, position).and_then(|mut writer| {
                    writer.begin_section(1)?;
                    writer.append(&round.to_le_bytes())?;
                    writer.finish(u128::from(round), &mut |_| {})
                });
            let Ok(info) = written else { return (published, finished, false) };
            let older = finished.replace(info.sequence);
            // What only an older snapshot needed may go, entry by entry.
            if older.is_some() && remove_segments_before(&*shared, position.segment).is_err() {
                return (published, finished, false);
            }
        }
    }
    sync(&opened);
    (published, finished, true)
}

#[test]
fn any_set_of_lost_entries_leaves_what_was_published() {
    let quiet = MemoryStorage::new();
    assert!(live(&quiet, u64::MAX / 2).2, "a life without a fault comes to its end");
    let syncs = quiet.syncs();
    let mut proof = Proof::of(8, "every set of up to six unsynced entries, at every sync of a life");
    for number in 1..=syncs {
        let storage = MemoryStorage::new();
        let (published, finished, _) = live(&storage, number);
        // Which of the first changes happened is in the bits; of the sectors, all are old or all are new.
        for kept in 0..1_usize << CHANGES_MAX {
            for sectors_are_new in [false, true] {
                let mut asked = 0;
                let crashed = storage.crash(&mut |count| {
                    asked += 1;
                    match asked {
                        change if change <= CHANGES_MAX => (kept >> (change - 1) & 1).min(count - 1),
                        _ if sectors_are_new => count - 1,
                        _ => 0,
                    }
                });
                let context = || format!("sync {number}, entries {kept:b}, new sectors {sectors_are_new}");
                let shared: Arc<dyn Storage> = Arc::new(crashed.clone());
                let (newest, _) = newest_good(&shared, STORE_ID).expect("list");
                let newest = newest.map(|reader| reader.info().sequence);
                proof.check(newest >= finished, || format!("{}: {newest:?} of {finished:?}", context()));
                if finished.is_none() {
                    let read = read_all(&crashed).map(|(last, _)| last);
                    let is_there = published == 0 || matches!(read, Ok(last) if last >= published);
                    proof.hold(is_there, || format!("{}: {read:?} of {published}", context()));
                } else {
                    let opened = open(crashed, options()).map(|opened| opened.recovery.last_sequence);
                    let is_there = matches!(opened, Ok(last) if last >= published);
                    proof.hold(is_there, || format!("{}: {opened:?} of {published}", context()));
                }
            }
        }
    }
    proof.figure("syncs", syncs as f64);
    proof.end();
}
