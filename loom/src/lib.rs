//! Models: the watermark, the two who sync, a front's wish, the rings of a door, the seam over which snapshots are made, the bell and the
//! board's bracket, in every order of their threads' steps that the memory model allows. What stands around them in production
//! stands here as little as they need.

#![allow(dead_code, missing_docs)]

// The core's sources name the journal's package, of which they need what is built here.
extern crate self as orderline_journal;

#[path = "../../gateway/src/bell.rs"]
mod bell;
#[path = "../../core/src/bracket.rs"]
mod bracket;
#[path = "../../journal/src/bugs.rs"]
mod bugs;
#[path = "../../journal/src/layout.rs"]
mod layout;
#[path = "../../journal/src/position.rs"]
mod position;
#[path = "../../core/src/rings.rs"]
mod rings;
#[path = "../../core/src/snapshot/seam.rs"]
mod seam;
mod sync;
#[path = "../../journal/src/tail.rs"]
mod tail;
#[path = "../../journal/src/watermark.rs"]
mod watermark;
#[path = "../../core/src/wish.rs"]
mod wish;

pub use position::Position;
pub use watermark::Watermark;

/// A state to be walked, as far as the seam needs it: so many pieces, and then its end.
mod state {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct StateHash(pub u128);

    pub enum Step {
        Section(u32),
        End(StateHash),
    }

    pub struct State {
        pub pieces_left: u32,
    }

    impl State {
        pub fn walk(&mut self, bytes: &mut Vec<u8>, _bytes_max: usize) -> Step {
            let Some(left) = self.pieces_left.checked_sub(1) else { return Step::End(StateHash(7)) };
            self.pieces_left = left;
            bytes.push(left as u8);
            Step::Section(left)
        }
    }
}

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
