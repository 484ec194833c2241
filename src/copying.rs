//! Copies of data directories: for a drill to recover, for a repair to mend. What is copied is read and nothing else.

use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::path::Path;

use rustix::fs::{Advice, fadvise, statvfs};

use crate::verb::Refusal;

/// What a data directory holds, in the order in which it is copied: what points at segments before these.
const FOLDERS: [&str; 3] = ["", "snapshots", "journal"];

/// Refuses a directory that a server writes to: what is copied from under it is no state that ever was on its disk. The
/// lock is looked at through a descriptor that cannot write.
pub(crate) fn check_at_rest(data: &Path) -> Result<(), Refusal> {
    let Ok(mut lock) = File::open(data.join("lock")) else { return Ok(()) };
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::Error(error)) => Err(error.into()),
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            lock.read_to_string(&mut pid)?;
            Err(Refusal::new(format!(
                "{} is served by process {}; stop it, or give a copy of the directory",
                data.display(),
                pid.trim()
            )))
        }
    }
}

/// Copies a directory's files and lets the page cache forget them; how many bytes they have.
pub(crate) fn copy_directory(from: &Path, to: &Path) -> Result<u64, Refusal> {
    let mut files = Vec::new();
    let mut bytes = 0;
    for folder in FOLDERS {
        let source = from.join(folder);
        if !source.is_dir() {
            continue;
        }
        let mut paths =
            fs::read_dir(&source)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Refusal>>()?;
        paths.retain(|path| path.is_file() && path.file_name().is_some_and(|name| name != "lock"));
        paths.sort();
        for path in paths {
            bytes += path.metadata()?.len();
            files.push((path, to.join(folder)));
        }
    }
    if files.is_empty() {
        return Err(Refusal::new(format!(
            "{} holds no files to copy; is it a data directory?",
            from.display()
        )));
    }
    fs::create_dir_all(to)?;
    let free = statvfs(to)?;
    if free.f_bavail.saturating_mul(free.f_frsize) < bytes {
        return Err(Refusal::new(format!(
            "the copy takes {} MiB, and {} has no room for it; give another place",
            bytes >> 20,
            to.display()
        )));
    }
    for (path, folder) in files {
        fs::create_dir_all(&folder)?;
        let target = folder.join(path.file_name().unwrap_or_default());
        // Where the file system can share the blocks of both files, this is all that happens.
        fs::copy(&path, &target)?;
        let copied = File::open(&target)?;
        copied.sync_all()?;
        // Only for the time of the first recovery, as after a boot; without it that is merely faster.
        let _ = fadvise(&copied, 0, None, Advice::DontNeed);
    }
    Ok(bytes)
}
