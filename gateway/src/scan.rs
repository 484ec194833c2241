//! Looking through what was read: which frames are whole, and whether they are what they must be. Pure, so that it
//! can be fed anything.

use orderline_core::door::Work;
use orderline_protocol::command::RawCommand;
use orderline_protocol::frame::{CloseReason, FRAME_HEADER_BYTES, Frame, FrameKind};

/// What a connection has said so far, as far as the next frame depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    /// The newest request number; the next one must be above it.
    pub(crate) last_request: u64,
    /// Commands that may still come before a reply must go.
    pub(crate) credits_left: u32,
}

/// What was found in front of the first frame that is not whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Bytes of the whole frames.
    pub(crate) bytes: usize,
    /// Pings that want an answer.
    pub(crate) pings: usize,
    /// Of which kinds the commands are: bits by the kinds' numbers, those from 128 on by what they leave.
    pub(crate) kinds: u128,
}

/// Notes the payload of every whole command frame in `work`, whose input is what was read.
///
/// Only what must hold before anything can be counted is checked here: frames, lengths, counts, rising numbers and
/// credits. An unknown kind or a malformed body is the engine's to reject, because the commands beside it are fine.
pub(crate) fn scan(work: &mut Work, said: &mut Said) -> Result<Found, CloseReason> {
    let mut found = Found::default();
    while let Some(frame) = Frame::read(&work.input[found.bytes..])? {
        match frame.kind {
            FrameKind::Commands => {
                found.kinds |= walk(frame.payload, frame.count, said)?;
                let start = found.bytes + FRAME_HEADER_BYTES;
                work.payloads.push(start..start + frame.payload.len());
                work.command_count += u32::from(frame.count);
            }
            FrameKind::Ping | FrameKind::Pong if !frame.payload.is_empty() => {
                return Err(CloseReason::Malformed);
            }
            FrameKind::Ping => found.pings += 1,
            FrameKind::Pong => {}
            FrameKind::Hello => return Err(CloseReason::HelloExpected),
            FrameKind::Welcome | FrameKind::Replies | FrameKind::Close => return Err(CloseReason::FrameKind),
        }
        found.bytes += frame.bytes;
    }
    Ok(found)
}

/// Looks at each command of a frame; returns of which kinds they are.
fn walk(mut payload: &[u8], count: u16, said: &mut Said) -> Result<u128, CloseReason> {
    let mut kinds = 0;
    said.credits_left = said.credits_left.checked_sub(count.into()).ok_or(CloseReason::Credits)?;
    for _ in 0..count {
        let command = RawCommand::take(&mut payload).map_err(|_| CloseReason::Malformed)?;
        if command.request <= said.last_request {
            return Err(CloseReason::Malformed);
        }
        said.last_request = command.request;
        kinds |= 1 << (command.kind & 127);
    }
    if payload.is_empty() && count > 0 { Ok(kinds) } else { Err(CloseReason::Malformed) }
}

#[cfg(test)]
mod tests {
    use orderline_protocol::Command;
    use orderline_protocol::command::{CommandKind, QueryStatus};
    use orderline_protocol::frame::{begin_frame, finish_frame, write_frame};

    use super::*;

    fn frame(requests: &[u64], count: u16) -> Vec<u8> {
        let mut out = Vec::new();
        let start = begin_frame(&mut out);
        for &request in requests {
            Command::QueryStatus(&QueryStatus { with_state_hash: 0, reserved: [0; 7] })
                .write(request, &mut out);
        }
        finish_frame(&mut out, start, FrameKind::Commands, count);
        out
    }

    fn scanned(input: Vec<u8>, credits_left: u32) -> Result<(Work, Found), CloseReason> {
        let mut work = Work::default();
        work.input = input;
        let found = scan(&mut work, &mut Said { last_request: 0, credits_left })?;
        Ok((work, found))
    }

    #[test]
    fn every_cut_finds_the_frames_in_front_of_it() {
        let mut input = frame(&[1, 2], 2);
        write_frame(&mut input, FrameKind::Ping, &[]);
        let second_at = input.len();
        input.extend(frame(&[3], 1));
        for cut in 0..=input.len() {
            let (work, found) = scanned(input[..cut].to_vec(), 3).unwrap();
            let whole = usize::from(cut >= second_at - 16) + usize::from(cut == input.len());
            assert_eq!(work.payloads.len(), whole, "cut at {cut}");
            assert_eq!(found.pings, usize::from(cut >= second_at), "cut at {cut}");
            assert!(found.bytes <= cut);
        }
    }

    #[test]
    fn the_kinds_of_commands_are_noted() {
        let mut asking = frame(&[4, 5], 2);
        for at in [16, 40] {
            asking[at + 4] = CommandKind::QueryAvailability as u8;
        }
        finish_frame(&mut asking, 0, FrameKind::Commands, 2);
        let (asked, status) =
            (1 << CommandKind::QueryAvailability as u8, 1 << CommandKind::QueryStatus as u8);
        assert_eq!(scanned(asking.clone(), 9).unwrap().1.kinds, asked);
        let mixed = [frame(&[1, 2, 3], 3), asking].concat();
        assert_eq!(scanned(mixed, 9).unwrap().1.kinds, asked | status);
    }

    #[test]
    fn counts_numbers_and_credits_must_hold() {
        let refused = |input, credits| scanned(input, credits).map(|_| ()).unwrap_err();
        assert_eq!(refused(frame(&[1, 2], 1), 9), CloseReason::Malformed);
        assert_eq!(refused(frame(&[1, 2], 3), 9), CloseReason::Malformed);
        assert_eq!(refused(frame(&[], 0), 9), CloseReason::Malformed);
        assert_eq!(refused(frame(&[2, 2], 2), 9), CloseReason::Malformed);
        assert_eq!(refused(frame(&[0], 1), 9), CloseReason::Malformed);
        assert_eq!(refused(frame(&[1, 2], 2), 1), CloseReason::Credits);
        let mut hello = Vec::new();
        write_frame(&mut hello, FrameKind::Hello, &[]);
        assert_eq!(refused(hello, 9), CloseReason::HelloExpected);
        let mut close = Vec::new();
        write_frame(&mut close, FrameKind::Close, &[]);
        assert_eq!(refused(close, 9), CloseReason::FrameKind);
        let mut flipped = frame(&[1], 1);
        flipped[20] ^= 1;
        assert_eq!(refused(flipped, 9), CloseReason::Checksum);
    }
}
