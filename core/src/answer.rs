//! The header of an answer: that a command was accepted, or why it was refused. Whoever answers makes it here: the engine, the
//! door where it turns somebody away, and the board.

use orderline_protocol::Sequence;
use orderline_protocol::command::RawCommand;
use orderline_protocol::reply::{Outcome, REPLY_HEADER_BYTES, ReplyHeader};

use crate::state::{Accepted, Rejection};

#[inline]
pub(crate) fn accepted_reply(command: &RawCommand<'_>, outcome: Outcome, accepted: Accepted) -> ReplyHeader {
    ReplyHeader {
        bytes: (REPLY_HEADER_BYTES as u32).into(),
        outcome: outcome as u8,
        state: accepted.state,
        code: 0.into(),
        request: command.request.into(),
        sequence: accepted.sequence.into(),
        detail: accepted.detail.into(),
        subject: 0.into(),
        version: accepted.version.into(),
    }
}

pub(crate) fn rejected_reply(command: &RawCommand<'_>, rejection: Rejection, now: Sequence) -> ReplyHeader {
    ReplyHeader {
        bytes: (REPLY_HEADER_BYTES as u32).into(),
        outcome: Outcome::Rejected as u8,
        state: rejection.state,
        code: (rejection.code as u16).into(),
        request: command.request.into(),
        sequence: rejection.sequence.unwrap_or(now).into(),
        detail: rejection.detail.into(),
        subject: rejection.subject.into(),
        version: rejection.version.into(),
    }
}
