//! Replies: what the core answers, one for each command, and the views that answer queries.

use zerocopy::FromBytes;
use zerocopy::little_endian::{U16, U32, U64};

use crate::wire::{Malformed, NumberTable, ShapeTable, numbered, shapes};

pub use crate::view::*;

/// Every enumeration of the replies, page by page, for the documents.
pub const NUMBER_TABLES: &[&[NumberTable]] = &[NUMBERS, crate::view::NUMBERS];

/// Every structure of the replies, page by page, for the documents.
pub const SHAPE_TABLES: &[&[ShapeTable]] = &[SHAPES, crate::view::SHAPES];

numbered! {
    /// How a command ended.
    pub enum Outcome: u8 {
        /// It took effect at the reply's sequence, and that is durable.
        Accepted = 1 "accepted",
        /// It had taken effect before, at the reply's sequence; this is the first answer again.
        AcceptedBefore = 2 "accepted before",
        /// It was refused and changed nothing.
        Rejected = 3 "rejected",
        /// A query's answer, true at the reply's sequence.
        Answered = 4 "answered",
    }
}

shapes! {
    /// A reply's fixed part as it lies in a frame; a view may follow.
    pub struct ReplyHeader {
        /// Bytes of the reply with this header, a multiple of 8.
        pub bytes: U32,
        /// An `Outcome`.
        pub outcome: u8,
        /// The state then of the entity that the command was about (`OrderState`, or what the command's entity has); 0
        /// where none is meant.
        pub state: u8,
        /// A `RejectCode`, 0 unless rejected.
        pub code: U16,
        /// Which request this answers.
        pub request: U64,
        /// The sequence at which the command took effect, or up to which its answer speaks.
        pub sequence: U64,
        /// What it means is said at each command and reject code.
        pub detail: U64,
        /// What it means is said at each reject code.
        pub subject: U32,
        /// The version then of the entity that the command was about, 0 where none is meant.
        pub version: U32,
    }
}

/// Bytes of a reply without a view.
pub const REPLY_HEADER_BYTES: usize = size_of::<ReplyHeader>();

/// A reply with what follows it.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// Its fixed part.
    pub header: &'a ReplyHeader,
    /// The view behind it; empty but for queries.
    pub view: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Takes the reply at the front of `rest` off it.
    ///
    /// # Errors
    /// When the bytes are cut short, or the length or outcome is none that a reply has.
    pub fn take(rest: &mut &'a [u8]) -> Result<Self, Malformed> {
        let error = |why| Malformed { what: "reply", why };
        let (header, _) = <ReplyHeader as FromBytes>::ref_from_prefix(rest)
            .map_err(|_| error("its header ends too early"))?;
        let bytes = header.bytes.get() as usize;
        if bytes < REPLY_HEADER_BYTES || !bytes.is_multiple_of(8) {
            return Err(error("its length is not a multiple of 8, or shorter than its header"));
        }
        let (reply, behind) = rest.split_at_checked(bytes).ok_or_else(|| error("it ends too early"))?;
        if Outcome::from_number(header.outcome).is_none() {
            return Err(error("its outcome is not known"));
        }
        *rest = behind;
        Ok(Self { header, view: &reply[REPLY_HEADER_BYTES..] })
    }

    /// How the command ended.
    pub fn outcome(&self) -> Outcome {
        Outcome::from_number(self.header.outcome).unwrap_or(Outcome::Rejected)
    }

    /// Whether the command took effect, now or before.
    pub fn is_accepted(&self) -> bool {
        matches!(self.outcome(), Outcome::Accepted | Outcome::AcceptedBefore)
    }
}
