//! How fast 128-byte records reach the log, the disk and a reader. Set `JOURNAL_BENCH_DIR` to choose the disk.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use orderline_journal::{
    JournalOptions, MappedStorage, Opened, PositionalStorage, Reader, Start, Storage, Writer, open,
};

const PAYLOAD_BYTES: usize = 128;
const RECORDS: u64 = 3_000_000;

fn directory() -> tempfile::TempDir {
    let parent = std::env::var_os("JOURNAL_BENCH_DIR")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tmp")), PathBuf::from);
    std::fs::create_dir_all(&parent).expect("a directory for the bench");
    tempfile::tempdir_in(parent).expect("a directory for the bench")
}

/// One segment holds everything, so that what is timed is appending and not the making of files.
fn options() -> JournalOptions {
    JournalOptions { segment_bytes: 512 << 20, helper_thread: false, ..JournalOptions::default() }
}

fn append(writer: &mut Writer, records_per_batch: u64, records: u64, pace: bool) {
    let payload = [7_u8; PAYLOAD_BYTES];
    for _ in 0..records / records_per_batch {
        for _ in 0..records_per_batch {
            black_box(writer.stage(1, 1, |buffer| buffer.extend_from_slice(black_box(&payload))));
        }
        writer.commit(0).expect("append");
        while pace && writer.is_behind() {
            std::thread::yield_now();
        }
    }
}

fn timed_durable<S: Storage>(storage: impl Fn(PathBuf) -> S, records_per_batch: u64) -> Duration {
    let directory = directory();
    let Opened { mut writer, syncer, watermark, .. } =
        open(storage(directory.path().to_owned()), options()).expect("open");
    let thread = syncer.spawn().expect("thread");
    let started = Instant::now();
    append(&mut writer, records_per_batch, RECORDS, true);
    assert!(watermark.wait_for(writer.next_sequence() - 1, Duration::from_secs(60)));
    let elapsed = started.elapsed();
    drop(writer);
    thread.join().expect("the sync thread");
    elapsed
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("records");
    group.throughput(Throughput::Elements(RECORDS)).sample_size(10);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(2));
    for records_per_batch in [16, 256, 4096] {
        group.bench_with_input(
            BenchmarkId::new("appended", records_per_batch),
            &records_per_batch,
            |b, count| {
                b.iter_custom(|rounds| {
                    (0..rounds)
                        .map(|_| {
                            let directory = directory();
                            let mut opened =
                                open(MappedStorage::new(directory.path()), options()).expect("open");
                            let started = Instant::now();
                            append(&mut opened.writer, *count, RECORDS, false);
                            started.elapsed()
                        })
                        .sum()
                });
            },
        );
        group.bench_with_input(
            BenchmarkId::new("durable", records_per_batch),
            &records_per_batch,
            |b, count| {
                b.iter_custom(|rounds| (0..rounds).map(|_| timed_durable(MappedStorage::new, *count)).sum());
            },
        );
    }
    group.bench_function("durable-positional/256", |b| {
        b.iter_custom(|rounds| (0..rounds).map(|_| timed_durable(PositionalStorage::new, 256)).sum());
    });

    let directory = directory();
    let mut opened = open(MappedStorage::new(directory.path()), options()).expect("open");
    append(&mut opened.writer, 256, RECORDS, false);
    while opened.syncer.sync_once().expect("sync") {}
    let (storage, durable) = (Arc::clone(&opened.storage), opened.watermark.durable());
    group.bench_function("read", |b| {
        b.iter(|| {
            let mut reader = Reader::open(Arc::clone(&storage), Start::Oldest).expect("open");
            let (mut records, mut sum) = (0, 0_u64);
            while let Some(batch) = reader.next_batch(durable).expect("read") {
                for record in batch.records() {
                    records += 1;
                    sum = sum.wrapping_add(u64::from(record.payload[record.payload.len() - 1]));
                }
            }
            assert_eq!(records, durable);
            black_box(sum)
        });
    });
    group.finish();
}

/// What one lonely record waits for, and what a start costs with nothing to replay.
fn latencies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("latency");
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    let directory = directory();
    let Opened { mut writer, syncer, watermark, .. } =
        open(MappedStorage::new(directory.path()), options()).expect("open");
    let thread = syncer.spawn().expect("thread");
    group.bench_function("one-record-durable", |b| {
        b.iter(|| {
            let sequence = writer.stage(1, 1, |buffer| buffer.extend_from_slice(&[7; PAYLOAD_BYTES]));
            writer.commit(0).expect("append");
            assert!(watermark.wait_for(sequence, Duration::from_secs(60)));
        });
    });
    drop(writer);
    thread.join().expect("the sync thread");
    group.finish();

    let mut group = criterion.benchmark_group("start");
    group.sample_size(10).measurement_time(Duration::from_secs(2));
    let directory = tempfile::tempdir_in(directory.path()).expect("a directory for the bench");
    let mut opened = open(MappedStorage::new(directory.path()), JournalOptions::default()).expect("open");
    opened.writer.stage(1, 1, |buffer| buffer.push(1));
    opened.writer.commit(0).expect("append");
    opened.syncer.sync_once().expect("sync");
    drop(opened);
    group.bench_function("open", |b| {
        b.iter(|| open(MappedStorage::new(directory.path()), JournalOptions::default()).expect("open"));
    });
    group.finish();
}

criterion_group!(append_records, benches, latencies);
criterion_main!(append_records);
