//! Faults on purpose: a disk seam that kills the process, fails a call or slows it down, at a named point and at its nth
//! passing. Compiled with the feature `faults` only, which tests have and a release has not.
//!
//! What a killed process leaves on its disk is changed by calls of this seam and by nothing else. A kill anywhere between
//! two of them leaves what a kill right behind the first one leaves; so these points, before, behind and half way through
//! each call, are all that there are.
//!
//! `ORDERLINE_FAULTS` holds the faults, separated by commas:
//!
//! - `kill POINT before|half|after N`: the process kills itself with SIGKILL at the Nth passing of the point;
//! - `fail POINT N`: the Nth call fails with an I/O error, and does nothing;
//! - `slow POINT MS`: each call takes so many milliseconds longer; `slow POINT MS N`: only the first N.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use super::{FaultPoint, Storage, StorageFile, TEMPORARY_SUFFIX};
use crate::error::JournalError;

const VARIABLE: &str = "ORDERLINE_FAULTS";

const fn point(name: &'static str) -> FaultPoint {
    FaultPoint { name, has_half: false }
}

const fn moving(name: &'static str) -> FaultPoint {
    FaultPoint { name, has_half: true }
}

/// Points of the disk seam at which this build can be told to fail. `new-segment`, `new-snapshot` and `kept` are files
/// under their temporary names; `segment.cut` and `segment.resync` are recovery's writes and syncs.
pub const FAULT_POINTS: &[FaultPoint] = &[
    point("lock"),
    point("store.create"),
    moving("store.write"),
    point("store.sync"),
    point("store.rename"),
    point("root.sync"),
    point("root.mkdir"),
    point("new-segment.create"),
    point("new-segment.allocate"),
    moving("new-segment.write"),
    point("new-segment.sync"),
    point("new-segment.rename"),
    point("new-segment.remove"),
    point("journal.sync"),
    point("segment.map"),
    point("segment.read"),
    moving("segment.write"),
    moving("segment.copy"),
    point("segment.sync"),
    moving("segment.cut"),
    point("segment.resync"),
    point("segment.remove"),
    point("kept.create"),
    moving("kept.write"),
    point("kept.sync"),
    point("kept.rename"),
    point("new-snapshot.create"),
    moving("new-snapshot.write"),
    point("new-snapshot.sync"),
    point("new-snapshot.rename"),
    point("new-snapshot.remove"),
    point("snapshots.sync"),
    point("snapshot.read"),
    point("snapshot.remove"),
];

/// The storage, failing as the environment says; the storage itself if that says nothing.
///
/// # Errors
/// [`JournalError::Options`] if it says what cannot be understood.
pub fn faulty_if_told(storage: Arc<dyn Storage>) -> Result<Arc<dyn Storage>, JournalError> {
    let Ok(told) = std::env::var(VARIABLE) else { return Ok(storage) };
    let parsed = told.split(',').map(Fault::parse).collect::<Option<Vec<_>>>();
    let Some(faults) = parsed else {
        return Err(JournalError::Options { reason: format!("{VARIABLE} is not understood: {told}") });
    };
    Ok(Arc::new(FaultyStorage { storage, faults: faults.into() }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    Half,
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Kill(When),
    Fail,
    Slow(Duration),
}

/// One fault, and how often its point was passed.
#[derive(Debug)]
struct Fault {
    action: Action,
    point: &'static str,
    /// At which passing, of a slowness up to which; nothing: at each.
    number: Option<u64>,
    passed: AtomicU64,
}

impl Fault {
    fn parse(told: &str) -> Option<Self> {
        let mut words = told.split_whitespace();
        let (action, point) = (words.next()?, words.next()?);
        let point = FAULT_POINTS.iter().find(|known| known.name == point)?.name;
        let (action, is_of_one) = match action {
            "kill" => {
                let when = match words.next()? {
                    "before" => When::Before,
                    "half" => When::Half,
                    "after" => When::After,
                    _ => return None,
                };
                (Action::Kill(when), true)
            }
            "fail" => (Action::Fail, true),
            "slow" => (Action::Slow(Duration::from_millis(words.next()?.parse().ok()?)), false),
            _ => return None,
        };
        let number = words.next().map(str::parse).transpose().ok()?;
        let is_sound = (number.is_some() || !is_of_one) && words.next().is_none();
        is_sound.then_some(Self { action, point, number, passed: AtomicU64::new(0) })
    }
}

/// What is to become of one passing of a point.
#[derive(Clone, Copy, Default)]
struct Passing {
    kill: Option<When>,
    fails: bool,
}

impl Passing {
    fn at(faults: &[Fault], point: &str) -> Self {
        let mut passing = Self::default();
        for fault in faults.iter().filter(|fault| fault.point == point) {
            let number = fault.passed.fetch_add(1, Ordering::Relaxed) + 1;
            match fault.action {
                Action::Slow(time) if fault.number.is_none_or(|last| number <= last) => {
                    std::thread::sleep(time)
                }
                Action::Kill(when) if fault.number == Some(number) => passing.kill = Some(when),
                Action::Fail if fault.number == Some(number) => passing.fails = true,
                _ => {}
            }
        }
        passing
    }

    fn begin(&self, action: &'static str, path: impl FnOnce() -> PathBuf) -> Result<(), JournalError> {
        self.die_if(When::Before);
        if self.fails { Err(JournalError::io(action, &path(), rustix::io::Errno::IO.into())) } else { Ok(()) }
    }

    fn is_half(&self) -> bool {
        self.kill == Some(When::Half)
    }

    /// Nothing runs behind this, no handler and no flush, as when the kernel kills for want of memory.
    fn die_if(&self, when: When) {
        if self.kill == Some(when) {
            let _ = kill_process(getpid(), Signal::KILL);
            loop {
                std::thread::park();
            }
        }
    }
}

struct FaultyStorage {
    storage: Arc<dyn Storage>,
    faults: Arc<[Fault]>,
}

impl FaultyStorage {
    fn pass<T>(
        &self,
        point: &str,
        name: &str,
        call: impl FnOnce(&dyn Storage) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let passing = Passing::at(&self.faults, point);
        passing.begin("use", || self.storage.path(name))?;
        let done = call(&*self.storage)?;
        passing.die_if(When::After);
        Ok(done)
    }

    fn file(&self, name: &str, is_appended_to: bool, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        let points = FilePoints::of(name, is_appended_to);
        let path = self.storage.path(name);
        Arc::new(FaultyFile { file, path, points, faults: Arc::clone(&self.faults) })
    }
}

/// Which kind of file a name is of, as the points call it.
fn kind(name: &str) -> &'static str {
    let is_temporary = name.ends_with(TEMPORARY_SUFFIX);
    let name = name.strip_suffix(TEMPORARY_SUFFIX).unwrap_or(name);
    match name.rsplit('.').next() {
        Some("segment") if is_temporary => "new-segment",
        Some("segment") => "segment",
        Some("snapshot") if is_temporary => "new-snapshot",
        Some("snapshot") => "snapshot",
        Some("bytes") => "kept",
        _ => "store",
    }
}

fn directory(name: &str) -> &str {
    if name.is_empty() { "root" } else { name }
}

impl Storage for FaultyStorage {
    fn lock(&self) -> Result<Box<dyn Send + Sync>, JournalError> {
        self.pass("lock", "lock", |storage| storage.lock())
    }

    fn list(&self, directory: &str) -> Result<Vec<String>, JournalError> {
        self.storage.list(directory)
    }

    fn create_directory(&self, directory: &str) -> Result<(), JournalError> {
        self.pass("root.mkdir", directory, |storage| storage.create_directory(directory))
    }

    fn create(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        let point = format!("{}.create", kind(name));
        let file = self.pass(&point, name, |storage| storage.create(name))?;
        Ok(self.file(name, false, file))
    }

    fn open(&self, name: &str, writable: bool) -> Result<Arc<dyn StorageFile>, JournalError> {
        Ok(self.file(name, false, self.storage.open(name, writable)?))
    }

    fn create_stream(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        let point = format!("{}.create", kind(name));
        let file = self.pass(&point, name, |storage| storage.create_stream(name))?;
        Ok(self.file(name, false, file))
    }

    fn open_stream(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        Ok(self.file(name, false, self.storage.open_stream(name)?))
    }

    fn uncache(&self, name: &str) {
        self.storage.uncache(name);
    }

    fn open_segment(&self, name: &str) -> Result<Arc<dyn StorageFile>, JournalError> {
        let file = self.pass("segment.map", name, |storage| storage.open_segment(name))?;
        Ok(self.file(name, true, file))
    }

    fn remove(&self, name: &str) -> Result<(), JournalError> {
        self.pass(&format!("{}.remove", kind(name)), name, |storage| storage.remove(name))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), JournalError> {
        self.pass(&format!("{}.rename", kind(from)), from, |storage| storage.rename(from, to))
    }

    fn sync_directory(&self, name: &str) -> Result<(), JournalError> {
        self.pass(&format!("{}.sync", directory(name)), name, |storage| storage.sync_directory(name))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.storage.path(name)
    }
}

/// The points of a file.
struct FilePoints {
    read: String,
    write: String,
    copy: String,
    sync: String,
    allocate: String,
}

impl FilePoints {
    fn of(name: &str, is_appended_to: bool) -> Self {
        let kind = kind(name);
        // A segment that is opened otherwise is one that recovery repairs.
        let (write, sync) =
            if kind == "segment" && !is_appended_to { ("cut", "resync") } else { ("write", "sync") };
        Self {
            read: format!("{kind}.read"),
            write: format!("{kind}.{write}"),
            copy: format!("{kind}.copy"),
            sync: format!("{kind}.{sync}"),
            allocate: format!("{kind}.allocate"),
        }
    }
}

struct FaultyFile {
    file: Arc<dyn StorageFile>,
    path: PathBuf,
    points: FilePoints,
    faults: Arc<[Fault]>,
}

impl FaultyFile {
    fn pass<T>(
        &self,
        (action, point): (&'static str, &str),
        half: impl FnOnce(&dyn StorageFile) -> Result<(), JournalError>,
        call: impl FnOnce(&dyn StorageFile) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let passing = Passing::at(&self.faults, point);
        passing.begin(action, || self.path.clone())?;
        if passing.is_half() {
            half(&*self.file)?;
            passing.die_if(When::Half);
        }
        let done = call(&*self.file)?;
        passing.die_if(When::After);
        Ok(done)
    }
}

impl StorageFile for FaultyFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, JournalError> {
        self.pass(("read", &self.points.read), |_| Ok(()), |file| file.read_at(offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), JournalError> {
        let half = &bytes[..bytes.len() / 2];
        let write = ("write", self.points.write.as_str());
        self.pass(write, |file| file.write_at(offset, half), |file| file.write_at(offset, bytes))
    }

    fn copy_at(&self, offset: u64, bytes: &[u8]) -> Result<(), JournalError> {
        let half = &bytes[..bytes.len() / 2];
        let copy = ("write", self.points.copy.as_str());
        self.pass(copy, |file| file.copy_at(offset, half), |file| file.copy_at(offset, bytes))
    }

    fn sync(&self, range: Range<u64>) -> Result<(), JournalError> {
        self.pass(("sync", &self.points.sync), |_| Ok(()), |file| file.sync(range))
    }

    fn check_whole(&self) -> Result<(), JournalError> {
        self.file.check_whole()
    }

    fn allocate(&self, bytes: u64) -> Result<(), JournalError> {
        self.pass(("allocate", &self.points.allocate), |_| Ok(()), |file| file.allocate(bytes))
    }

    fn len(&self) -> Result<u64, JournalError> {
        self.file.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood_or_refused() {
        for told in ["kill segment.sync after 3", "fail new-segment.rename 1", "slow segment.sync 20"] {
            assert!(Fault::parse(told).is_some(), "{told}");
        }
        for told in
            ["", "kill segment.sync 3", "fail segment.sync", "slow nowhere 20", "kill lock before 1 2"]
        {
            assert!(Fault::parse(told).is_none(), "{told}");
        }
    }

    #[test]
    fn every_kind_of_file_has_its_points() {
        let known = |point: &str| FAULT_POINTS.iter().any(|known| known.name == point);
        for (name, appended) in [
            ("journal/00000001.segment", true),
            ("journal/00000001.segment", false),
            ("journal/00000001.segment.tmp", false),
            ("journal/torn-00000001-4096.bytes.tmp", false),
            ("snapshots/00000000000000000009.snapshot.tmp", false),
            ("store.tmp", false),
        ] {
            let points = FilePoints::of(name, appended);
            assert!(known(&points.write) && known(&points.sync), "{name}: {} {}", points.write, points.sync);
        }
    }

    #[test]
    fn a_failed_call_does_nothing_and_the_next_one_works() {
        let memory = super::super::MemoryStorage::new();
        let faults = vec![Fault::parse("fail store.write 2").expect("a fault")];
        let storage = FaultyStorage { storage: Arc::new(memory.clone()), faults: faults.into() };
        storage.write_small("store", b"first").expect("the first is written");
        assert!(matches!(storage.write_small("store", b"second"), Err(JournalError::Io { .. })));
        assert_eq!(memory.read_small("store").expect("read").as_deref(), Some(&b"first"[..]));
        storage.write_small("store", b"third").expect("the third is written");
    }
}
