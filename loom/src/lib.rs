//! Models: the watermark, the two who sync, a front's wish, the bell and the board's bracket, in every order of their threads' steps that
//! the memory model allows. What stands around them in production stands here as little as they need.

#![allow(dead_code, missing_docs)]

#[path = "../../gateway/src/bell.rs"]
mod bell;
#[path = "../../core/src/bracket.rs"]
mod bracket;
#[path = "../../journal/src/bugs.rs"]
mod bugs;
#[path = "../../journal/src/layout.rs"]
mod layout;
mod sync;
#[path = "../../journal/src/tail.rs"]
mod tail;
#[path = "../../journal/src/watermark.rs"]
mod watermark;
#[path = "../../core/src/wish.rs"]
mod wish;

/// The journal's failure, of which the models need one.
mod error {
    #[derive(Debug)]
    pub struct JournalError;
}

/// The seam to the disk, as far as the tail needs it.
mod storage {
    use std::ops::Range;

    use crate::error::JournalError;

    pub trait StorageFile: Send + Sync {
        fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), JournalError>;
        fn copy_at(&self, offset: u64, bytes: &[u8]) -> Result<(), JournalError>;
        fn sync(&self, range: Range<u64>) -> Result<(), JournalError>;
    }
}

#[cfg(test)]
mod models;
