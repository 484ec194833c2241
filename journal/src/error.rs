//! What can go wrong, each as one sentence: what happened, in which file, where, what was expected and what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything this crate reports. Only a full disk and a want of file descriptors can pass, and only while the next
/// segment is prepared; after any other error of a writer or a sync the journal is poisoned, and the process must stop
/// and recover from disk.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused an operation for a reason without a name of its own here.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No space is left. Nothing was appended; the same call succeeds once space is freed.
    #[error(
        "cannot {action} {path}: the disk is full; free space on its file system, nothing recorded is lost"
    )]
    DiskFull {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// The process may not touch the file.
    #[error("cannot {action} {path}: permission denied; the user this runs as must own the data directory")]
    Denied {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// The process has no file descriptor left.
    #[error("cannot {action} {path}: too many open files; raise the descriptor limit (ulimit -n)")]
    TooManyFiles {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// The system starts no thread.
    #[error(
        "cannot start a thread for {path}: {source}; the system gives no more memory or threads, so raise the limits \
         (ulimit -v, ulimit -u)"
    )]
    NoThread {
        /// The data directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process serves this directory.
    #[error("{path} is locked by process {pid}; stop it first, one directory has one writer")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process id found in it, or `unknown`.
        pid: String,
    },
    /// The directory holds no store, or lost the file that says which.
    #[error("{path} is missing although the directory holds {found}; restore it from a backup")]
    StoreFileMissing {
        /// The store file.
        path: PathBuf,
        /// What lies beside it.
        found: String,
    },
    /// A directory given for reading holds no store at all.
    #[error(
        "{path} does not exist, so this is not a data directory; give the directory a server was started with"
    )]
    NoStore {
        /// The store file.
        path: PathBuf,
    },
    /// The bytes were written by a version this build does not know.
    #[error("{path} has format version {found}, this build knows {known}; run the release that wrote it")]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// The version it states.
        found: String,
        /// The versions this build reads.
        known: u32,
    },
    /// A file of another store lies here.
    #[error("{path} belongs to store {found:032x}, not to {expected:032x}; take it out of this directory")]
    ForeignStore {
        /// The file.
        path: PathBuf,
        /// This store.
        expected: u128,
        /// The store that the file names.
        found: u128,
    },
    /// Bytes that had been made durable are not what was written.
    #[error(
        "{path} is corrupt at offset {offset}: {what}, expected {expected}, found {found}; {proof}; \
         restore this file from a copy, nothing was changed"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// Which rule is broken.
        what: &'static str,
        /// What the rule asks for.
        expected: Box<str>,
        /// What stands there.
        found: Box<str>,
        /// Why this is damage and not the torn end of a crash.
        proof: Box<str>,
    },
    /// The log has a hole of a whole file.
    #[error(
        "{path} is missing between segments {before} and {after}; restore it, the log cannot be read past it"
    )]
    MissingSegment {
        /// The file that should exist.
        path: PathBuf,
        /// The last one present before the hole.
        before: u32,
        /// The first one present after it.
        after: u32,
    },
    /// The place to start reading is not in the log.
    #[error("{path} does not reach segment {segment} offset {offset}, where reading should start; {reason}")]
    NoSuchPosition {
        /// The segment file or the journal directory.
        path: PathBuf,
        /// The segment asked for.
        segment: u32,
        /// The offset asked for.
        offset: u64,
        /// What is there instead.
        reason: String,
    },
    /// A newer writer has written here.
    #[error("epoch {ours} may not write to {path}: epoch {found} already did; this node was replaced")]
    Fenced {
        /// The journal directory.
        path: PathBuf,
        /// The epoch asked for.
        ours: u64,
        /// The epoch in the log.
        found: u64,
    },
    /// The options contradict each other or the store.
    #[error("the journal options cannot be used: {reason}")]
    Options {
        /// Which relation is broken.
        reason: String,
    },
    /// A snapshot file cannot be used.
    #[error("{path} is not a usable snapshot at offset {offset}: {what}, expected {expected}, found {found}")]
    Snapshot {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// Which rule is broken.
        what: &'static str,
        /// What the rule asks for.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A follower could not keep what it read.
    #[error("the follower {name} failed: {source}")]
    Follower {
        /// Which one.
        name: String,
        /// Its own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A write or a sync failed before, and nothing may be acknowledged any more.
    #[error("the journal is stopped since an earlier failure: {0}; restart to recover from disk")]
    Poisoned(Arc<JournalError>),
}

impl JournalError {
    /// Gives an error of the operating system its name, with the path and the action that met it.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { action, path },
            io::ErrorKind::PermissionDenied => Self::Denied { action, path },
            _ if source.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error())
                || source.raw_os_error() == Some(rustix::io::Errno::NFILE.raw_os_error()) =>
            {
                Self::TooManyFiles { action, path }
            }
            _ => Self::Io { action, path, source },
        }
    }

    /// The file and the offset that it names, if what lies there is to blame.
    pub fn place(&self) -> Option<(PathBuf, u64)> {
        match self {
            Self::Corrupt { path, offset, .. }
            | Self::Snapshot { path, offset, .. }
            | Self::NoSuchPosition { path, offset, .. } => Some((path.clone(), *offset)),
            Self::UnknownVersion { path, .. }
            | Self::ForeignStore { path, .. }
            | Self::MissingSegment { path, .. } => Some((path.clone(), 0)),
            _ => None,
        }
    }

    /// Whether the caller may reject what it holds and go on once space or descriptors are free.
    pub fn is_temporary(&self) -> bool {
        self.repeat().is_some()
    }

    /// The same error once more, if it is one that passes.
    pub(crate) fn repeat(&self) -> Option<Self> {
        match self {
            Self::DiskFull { action, path } => Some(Self::DiskFull { action, path: path.clone() }),
            Self::TooManyFiles { action, path } => Some(Self::TooManyFiles { action, path: path.clone() }),
            _ => None,
        }
    }
}
