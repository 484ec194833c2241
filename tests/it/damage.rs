//! Damaged directories: refused with the file and the offset named and nothing changed, or, where a crash explains
//! the damage, cut and told. Acknowledged orders never go silently.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use orderline_journal::{PositionalStorage, Reader, SnapshotReader, SnapshotWriter, Start, Storage};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::cli::load;
use crate::proof::Proof;
use crate::recovery::{await_snapshot_behind, verified};
use crate::support::directory::{files, flip};
use crate::support::program::{Ran, orderline};
use crate::support::server::{NO_SNAPSHOTS, SMALL, recovered_hash};
use crate::support::shop::status;
use crate::support::{Server, Shop, copy, seed, tree};

/// How a sample's server ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// In order, with the mark of it.
    Well,
    /// Killed.
    Killed,
}

/// A directory that has seen a server.
pub(crate) struct Sample {
    pub(crate) data: PathBuf,
    directory: tempfile::TempDir,
}

impl Sample {
    pub(crate) fn make(config: &str, orders: u64, snapshots: usize, ended: Ended) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let server = Server::start(&data, config);
        for _ in 0..snapshots.max(1) {
            let before = (snapshots > 0).then(|| status(&mut server.client()).1);
            load(&server, orders).well();
            // Not of the first records of all that the maker was slow to write down: each load has a snapshot of its own.
            if let Some(before) = before {
                await_snapshot_behind(&data, before);
            }
        }
        match ended {
            Ended::Well => drop(server.stop()),
            Ended::Killed => drop(server.kill()),
        }
        Self { data, directory }
    }

    /// A copy to be damaged. A file that a kill left half-made means nothing, and any start takes it away: it stays out,
    /// so that what is left must not change by a byte.
    pub(crate) fn copy(&self, name: &str) -> PathBuf {
        let to = self.directory.path().join(name);
        copy(&self.data, &to);
        for file in tree(&to).into_keys().filter(|file| file.extension().is_some_and(|end| end == "tmp")) {
            std::fs::remove_file(to.join(file)).unwrap();
        }
        to
    }
}

fn verify(data: &Path) -> Ran {
    orderline(["verify", "--data", data.to_str().unwrap(), "--json"])
}

/// That `serve` refuses with these words, and that neither it nor `verify` changes a byte.
fn is_refused(data: &Path, words: &[&str], context: &str) {
    let before = tree(data);
    let Err(ran) = Server::try_start(data, NO_SNAPSHOTS) else { panic!("{context}: it was served") };
    ran.refused(words);
    let ran = verify(data);
    assert!(matches!(ran.code, Some(1 | 2)), "{context}: {ran:?}");
    assert!(words.iter().all(|word| ran.stderr.contains(word)), "{context}: {ran:?}");
    let after = tree(data);
    let is_changed = |&(name, bytes): &(&PathBuf, &Vec<u8>)| after.get(name) != Some(bytes);
    let changed: Vec<_> = before.iter().filter(is_changed).map(|(name, _)| name).collect();
    assert!(after == before, "{context}: the directory was changed: {changed:?}");
}

/// The places of a log's batches: segment, and the offset of its end.
pub(crate) fn batch_ends(data: &Path) -> Vec<(u32, u64)> {
    let storage: Arc<dyn Storage> = Arc::new(PositionalStorage::new(data));
    let mut reader = Reader::open(storage, Start::Oldest).unwrap();
    let mut ends = Vec::new();
    while let Some(batch) = reader.next_batch(u64::MAX).unwrap() {
        ends.push((batch.position_after.segment, batch.position_after.offset));
    }
    ends
}

pub(crate) fn segment(data: &Path, index: u32) -> PathBuf {
    data.join(format!("journal/{index:08}.segment"))
}

#[test]
fn a_flipped_bit_inside_the_log_is_refused_by_file_and_offset() {
    let seed = seed();
    let mut rng = SmallRng::seed_from_u64(seed);
    let sample = Sample::make(NO_SNAPSHOTS, 40_000, 0, Ended::Well);
    let ends = batch_ends(&sample.data);
    assert!(ends.last().unwrap().0 > 1, "the log has several segments");
    for round in 0..6 {
        let data = sample.copy(&format!("flipped-{round}"));
        // Anywhere in the last bytes of any batch but the last: inside a record, whichever it is.
        // Once it is the first batch of a segment, which must not be blamed on the end of the one before.
        let first_of_second = ends.iter().position(|&(index, _)| index == 2).unwrap();
        let chosen = if round == 0 { first_of_second } else { rng.random_range(0..ends.len() - 1) };
        let (index, end) = ends[chosen];
        let (offset, bit) = (end - rng.random_range(1..60), rng.random_range(0..8));
        let file = segment(&data, index);
        flip(&file, offset as usize, bit);
        let context = format!("seed {seed}: bit {bit} at {offset} of segment {index}");
        is_refused(&data, &[file.to_str().unwrap(), "offset", "expected", "found"], &context);
        let report = verify(&data);
        assert_eq!(report.code, Some(1), "{context}: {report:?}");
        let report = report.json();
        assert_eq!(report["ok"], false, "{context}");
        let named = report["violations"].to_string();
        assert!(named.contains(file.to_str().unwrap()), "{context}: {named}");
    }
}

#[test]
fn a_damaged_segment_header_is_refused() {
    let sample = Sample::make(NO_SNAPSHOTS, 500, 0, Ended::Killed);
    for (offset, word) in
        [(0, "magic"), (8, "version"), (13, "checksum"), (20, "checksum"), (4093, "checksum")]
    {
        let data = sample.copy(&format!("header-{offset}"));
        let file = segment(&data, 1);
        flip(&file, offset, 2);
        is_refused(&data, &[file.to_str().unwrap(), word], &format!("offset {offset}"));
    }
}

#[test]
fn a_torn_tail_is_told_and_kept_aside_and_all_before_it_survives() {
    let seed = seed();
    let mut rng = SmallRng::seed_from_u64(seed);
    let sample = Sample::make(NO_SNAPSHOTS, 2_000, 0, Ended::Killed);
    let ends = batch_ends(&sample.data);
    let (&(last_segment, last_end), &(segment_before, end_before)) = match &ends[..] {
        [.., before, last] => (last, before),
        _ => panic!("several batches"),
    };
    assert_eq!(last_segment, segment_before, "the last two batches share a segment");
    let whole = verified(&sample.data)["last_sequence"].as_u64().unwrap();
    let mut proof = Proof::of(4, "a real server behind a torn tail");
    for round in 0..4 {
        let data = sample.copy(&format!("torn-{round}"));
        let file = segment(&data, last_segment);
        let mut bytes = std::fs::read(&file).unwrap();
        // Somewhere in the lines of the last order: what lies behind the cut never reached the disk.
        let cut = last_end - rng.random_range(17..60);
        let torn = &mut bytes[cut as usize..last_end as usize];
        if round % 2 == 0 {
            torn.fill(0)
        } else {
            rand::Rng::fill_bytes(&mut rng, torn)
        }
        std::fs::write(&file, &bytes).unwrap();
        let context = format!("seed {seed}, round {round}, cut at {cut}");

        let report = verified(&data);
        let left = report["last_sequence"].as_u64().unwrap();
        assert!(left < whole && report["torn_tail"].is_string(), "{context}: {report}");
        let server = Server::start(&data, NO_SNAPSHOTS);
        let said = server.kill();
        assert!(said.contains("a torn tail was cut"), "{context}: {said}");
        assert_eq!(recovered_hash(&said).0, report["state_hash"].as_str().unwrap(), "{context}");
        let kept = files(&data, "journal");
        let kept =
            kept.iter().find(|path| path.extension().is_some_and(|end| end == "bytes")).expect("kept aside");
        let kept = std::fs::read(kept).unwrap();
        assert!(kept.len() > 60, "{context}");
        let behind = &bytes[end_before as usize..last_end as usize];
        assert!(behind.windows(kept.len()).any(|window| window == kept), "{context}: the bytes are the same");

        proof.ran(1);
        // It goes on behind the cut, and the cut is not cut again.
        let server = Server::start(&data, NO_SNAPSHOTS);
        load(&server, 100).well();
        assert!(!server.stop().contains("torn tail cut"), "{context}");
        assert_eq!(verified(&data)["torn_tail"], serde_json::Value::Null, "{context}");
    }
    proof.end();
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_the_one_before_and_then_for_the_journal() {
    let seed = seed();
    let mut rng = SmallRng::seed_from_u64(seed);
    let sample = Sample::make(SMALL, 9_000, 2, Ended::Killed);
    let data = sample.copy("data-1");
    let hash = verified(&data)["state_hash"].as_str().unwrap().to_owned();
    let snapshots = files(&data, "snapshots");
    assert_eq!(snapshots.len(), 2);
    for (damaged, from) in [(1, Some(&snapshots[0])), (0, None)] {
        let file = &snapshots[damaged];
        let offset = rng.random_range(0..file.metadata().unwrap().len());
        flip(file, offset as usize, rng.random_range(0..8));
        let context = format!("seed {seed}: {} at {offset}", file.display());
        let ran = verify(&data);
        assert_eq!((ran.code, &ran.json()["ok"]), (Some(1), &false.into()), "{context}: {ran:?}");
        let said = Server::start(&data, NO_SNAPSHOTS).kill();
        assert!(said.contains("passed over") && said.contains(file.to_str().unwrap()), "{context}: {said}");
        assert_eq!(recovered_hash(&said).0, hash, "{context}: {said}");
        let start =
            from.map_or(0, |file| file.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap());
        assert!(said.contains(&format!("snapshot_sequence={start} ")), "{context}: {said}");
    }
}

#[test]
fn a_segment_missing_in_the_middle_is_refused_by_name() {
    let sample = Sample::make(NO_SNAPSHOTS, 70_000, 0, Ended::Killed);
    assert!(batch_ends(&sample.data).last().unwrap().0 >= 3);
    let data = sample.copy("gap");
    let file = segment(&data, 2);
    std::fs::remove_file(&file).unwrap();
    is_refused(&data, &[file.to_str().unwrap(), "missing"], "segment 2 is gone");
    // Nor is it taken for a journal whose beginning was removed on purpose: no snapshot reaches across the gap.
    let data = sample.copy("headless");
    std::fs::remove_file(segment(&data, 1)).unwrap();
    let Err(ran) = Server::try_start(&data, NO_SNAPSHOTS) else { panic!("it was served") };
    ran.refused(&["missing"]);
    assert_ne!(verify(&data).code, Some(0));
}

#[test]
fn unknown_versions_are_refused_with_a_sentence() {
    // Two segments with records in them, so that the first can be missing: the one that is prepared may not be there yet.
    let sample = Sample::make(SMALL, 30_000, 1, Ended::Well);
    assert!(batch_ends(&sample.data).last().unwrap().0 > 1);

    let data = sample.copy("store");
    let file = data.join("store");
    let text = std::fs::read_to_string(&file).unwrap();
    let body = text[..text.find("crc32c").unwrap()].replace("format 1", "format 2");
    std::fs::write(&file, format!("{body}crc32c {:08x}\n", crc32c::crc32c(body.as_bytes()))).unwrap();
    is_refused(&data, &[file.to_str().unwrap(), "version 2", "knows 1"], "the store");

    let data = sample.copy("store-damaged");
    let file = data.join("store");
    flip(&file, 40, 1);
    is_refused(&data, &[file.to_str().unwrap()], "the store, damaged");

    let data = sample.copy("store-missing");
    std::fs::remove_file(data.join("store")).unwrap();
    let Err(ran) = Server::try_start(&data, NO_SNAPSHOTS) else { panic!("it was served") };
    ran.refused(&["store", "missing"]);

    // A snapshot of another version, be it of the file's format or of its contents, is passed over and told, for the
    // log can stand in for it.
    let data = sample.copy("snapshot");
    let file = files(&data, "snapshots").pop().unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[8] = 2;
    let checksum = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(&file, bytes).unwrap();
    is_passed_over(&data, "version 2");
    let data = sample.copy("image");
    with_image_version(&data, 9);
    // If a second one was made, the one before it does not stand in for it.
    files(&data, "snapshots").iter().rev().skip(1).for_each(|file| std::fs::remove_file(file).unwrap());
    is_passed_over(&data, "version 9");

    // Where it cannot, because segments were removed behind the snapshot, nothing is served.
    std::fs::remove_file(segment(&data, 1)).unwrap();
    let Err(ran) = Server::try_start(&data, NO_SNAPSHOTS) else { panic!("it was served") };
    ran.refused(&["no snapshot could be used", "the journal starts at sequence", "missing", "version 9"]);
    let mut proof = Proof::of(25, "unknown versions of the store, a snapshot and its contents");
    proof.ran(4);
    proof.end();
}

/// A directory that has lost all of its log is none that never had one.
#[test]
fn a_log_of_which_only_snapshots_are_left_is_refused() {
    let sample = Sample::make(SMALL, 9_000, 1, Ended::Killed);
    let snapshots = files(&sample.data, "snapshots").len();
    let data = sample.copy("no-segments");
    files(&data, "journal").iter().for_each(|file| std::fs::remove_file(file).unwrap());
    is_refused(&data, &["no segment exists"], "no segments, a good snapshot");
    let data = sample.copy("no-segments-and-bad-snapshots");
    files(&data, "journal").iter().for_each(|file| std::fs::remove_file(file).unwrap());
    files(&data, "snapshots").iter().for_each(|file| flip(file, 40, 1));
    assert!(snapshots > 0);
    is_refused(&data, &["no segment exists"], "no segments, bad snapshots");
}

/// That the newest snapshot is told to be of another version, and that the log stands in for it.
fn is_passed_over(data: &Path, version: &str) {
    let report = verify(data).json();
    assert!(report["violations"].to_string().contains(version), "{report}");
    let said = Server::start(data, NO_SNAPSHOTS).kill();
    assert!(said.contains("passed over") && said.contains(version), "{said}");
    assert_eq!(recovered_hash(&said).0, report["state_hash"].as_str().unwrap(), "{said}");
}

/// Writes the newest snapshot again with another version of its contents, all checksums right.
fn with_image_version(data: &Path, version: u32) {
    let storage: Arc<dyn Storage> = Arc::new(PositionalStorage::new(data));
    let store_id = Reader::open(Arc::clone(&storage), Start::Oldest).unwrap().store_id();
    let file = files(data, "snapshots").pop().unwrap();
    let sequence = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let mut reader = SnapshotReader::open(&*storage, store_id, sequence).unwrap();
    let info = reader.info().clone();
    let mut sections = Vec::new();
    while let Some(tag) = reader.next_section().unwrap() {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
        sections.push((tag, bytes));
    }
    sections[0].1[..4].copy_from_slice(&version.to_le_bytes());
    std::fs::remove_file(&file).unwrap();
    let mut writer = SnapshotWriter::create(storage, store_id, info.position).unwrap();
    for (tag, bytes) in sections {
        writer.begin_section(tag).unwrap();
        std::io::Write::write_all(&mut writer, &bytes).unwrap();
    }
    writer.finish(info.state_hash, &mut |_| {}).unwrap();
}

#[test]
fn a_file_of_another_store_is_refused() {
    let (one, other) =
        (Sample::make(NO_SNAPSHOTS, 500, 0, Ended::Well), Sample::make(NO_SNAPSHOTS, 500, 0, Ended::Well));
    let data = one.copy("mixed");
    std::fs::copy(segment(&other.data, 1), segment(&data, 1)).unwrap();
    is_refused(&data, &[segment(&data, 1).to_str().unwrap(), "store"], "another store's segment");
}

#[test]
fn a_second_server_on_one_directory_is_refused_with_the_first_ones_process() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, NO_SNAPSHOTS);
    let mut client = server.client();
    let shop = Shop::open(&mut client);
    let Err(ran) = Server::try_start(&data, NO_SNAPSHOTS) else { panic!("two servers on one directory") };
    ran.refused(&[&server.pid().to_string(), data.join("lock").to_str().unwrap()]);
    shop.place(&mut client, 1..=5);
    let found = status(&mut client).0;
    // A killed server's lock is no lock.
    server.kill();
    let server = Server::start(&data, NO_SNAPSHOTS);
    assert_eq!(status(&mut server.client()).0.orders_total, found.orders_total);
}

#[test]
fn a_directory_that_may_not_be_written_is_refused() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: root may write anywhere");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o500)).unwrap();
    let Err(ran) = Server::try_start(&data, NO_SNAPSHOTS) else { panic!("it was served") };
    ran.refused(&[data.to_str().unwrap(), "permission"]);
}
