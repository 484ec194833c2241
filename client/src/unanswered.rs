//! The commands that have no answer yet, numbered without gaps, their bytes one behind the other.
//!
//! They are kept until answered so that a broken connection costs nothing but time: framing simply starts again at
//! the front. One growing buffer holds all bytes, so a command costs no allocation once it has grown.

use std::collections::VecDeque;

use orderline_protocol::frame::{self, FrameKind};
use orderline_protocol::limits::{COMMAND_BYTES_MAX, FRAME_PAYLOAD_BYTES_MAX};
use orderline_protocol::{Command, Request};

/// Answered bytes at the front of the buffer are given back once they are as many as this and as what follows.
const DEAD_BYTES_MIN: usize = 64 * 1024;

struct Entry {
    /// Where its bytes start, counted from the first byte ever kept.
    start: u64,
    bytes: u32,
    answered: bool,
}

pub(crate) struct Unanswered {
    bytes: Vec<u8>,
    /// What `bytes[0]` is, counted from the first byte ever kept.
    base: u64,
    entries: VecDeque<Entry>,
    /// The number of `entries[0]`, or of the next command when there is none.
    first: Request,
    /// Entries from the front that have been framed for the connection there is now.
    framed: usize,
    /// Entries that are not answered.
    open: usize,
}

impl Unanswered {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), base: 0, entries: VecDeque::new(), first: 1, framed: 0, open: 0 }
    }

    /// The number that the next command gets.
    pub(crate) fn next_request(&self) -> Request {
        self.first + self.entries.len() as u64
    }

    /// Numbers the next command `request`; only while nothing is kept, for the numbers have no gaps.
    pub(crate) fn start_at(&mut self, request: Request) {
        assert!(self.entries.is_empty(), "numbers are set before the first command");
        self.first = request;
    }

    /// Requests between the oldest unanswered one and the newest: what a credit is taken for.
    pub(crate) fn span(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn open(&self) -> usize {
        self.open
    }

    pub(crate) fn requests(&self) -> impl Iterator<Item = Request> + '_ {
        let first = self.first;
        let numbered = self.entries.iter().zip(first..);
        numbered.filter(|(entry, _)| !entry.answered).map(|(_, request)| request)
    }

    /// Keeps a command and numbers it, or says how many bytes too large it is.
    #[inline]
    pub(crate) fn push(&mut self, command: &Command<'_>) -> Result<Request, usize> {
        let request = self.next_request();
        let start = self.bytes.len();
        command.write(request, &mut self.bytes);
        let bytes = self.bytes.len() - start;
        if bytes > COMMAND_BYTES_MAX {
            self.bytes.truncate(start);
            return Err(bytes);
        }
        self.entries.push_back(Entry {
            start: self.base + start as u64,
            bytes: bytes as u32,
            answered: false,
        });
        self.open += 1;
        Ok(request)
    }

    /// Whether a frame could be made.
    pub(crate) fn has_unframed(&self, credits: usize) -> bool {
        self.framed < self.entries.len().min(credits)
    }

    /// Appends one frame with the oldest commands that have not been framed, at most `commands_max` of them and
    /// none beyond `credits` from the front.
    pub(crate) fn frame(&mut self, out: &mut Vec<u8>, credits: usize, commands_max: u16) {
        let end = self.entries.len().min(credits);
        while self.framed < end && self.entries[self.framed].answered {
            self.framed += 1;
        }
        let Some(oldest) = self.entries.range(self.framed..end.max(self.framed)).next() else { return };
        let from = (oldest.start - self.base) as usize;
        let (mut payload_bytes, mut count) = (0, 0);
        for entry in self.entries.range(self.framed..end) {
            let with_it = payload_bytes + entry.bytes as usize;
            // An answered one in between ends the frame, because what is copied lies in one piece.
            if entry.answered || count == commands_max.max(1) || with_it > FRAME_PAYLOAD_BYTES_MAX {
                break;
            }
            payload_bytes = with_it;
            count += 1;
        }
        let start = frame::begin_frame(out);
        out.extend_from_slice(&self.bytes[from..from + payload_bytes]);
        frame::finish_frame(out, start, FrameKind::Commands, count);
        self.framed += usize::from(count);
    }

    /// Takes note of an answer. False when the request is answered already or was never sent.
    #[inline]
    pub(crate) fn settle(&mut self, request: Request) -> bool {
        let Some(index) = request.checked_sub(self.first) else { return false };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if index >= self.framed || self.entries[index].answered {
            return false;
        }
        self.entries[index].answered = true;
        self.open -= 1;
        while self.entries.front().is_some_and(|front| front.answered) {
            self.entries.pop_front();
            self.first += 1;
            self.framed -= 1;
        }
        true
    }

    /// Gives back the room of what was answered.
    pub(crate) fn compact(&mut self) {
        let Some(front) = self.entries.front() else {
            self.base += self.bytes.len() as u64;
            self.bytes.clear();
            return;
        };
        let dead = (front.start - self.base) as usize;
        if dead >= DEAD_BYTES_MIN && dead >= self.bytes.len() - dead {
            self.bytes.drain(..dead);
            self.base += dead as u64;
        }
    }

    /// The connection is another one: all that is unanswered is to be framed again.
    pub(crate) fn unframe(&mut self) {
        self.framed = 0;
    }
}

#[cfg(test)]
mod tests {
    use orderline_protocol::command::{QueryStatus, RawCommand};
    use orderline_protocol::frame::Frame;

    use super::*;

    const STATUS: QueryStatus = QueryStatus { with_state_hash: 0, reserved: [0; 7] };

    fn kept(count: usize) -> Unanswered {
        let mut unanswered = Unanswered::new();
        for _ in 0..count {
            unanswered.push(&Command::QueryStatus(&STATUS)).unwrap();
        }
        unanswered
    }

    fn framed(unanswered: &mut Unanswered, credits: usize, commands_max: u16) -> Vec<Vec<Request>> {
        let mut frames = Vec::new();
        while unanswered.has_unframed(credits) {
            let mut out = Vec::new();
            unanswered.frame(&mut out, credits, commands_max);
            if out.is_empty() {
                break;
            }
            let frame = Frame::read(&out).unwrap().unwrap();
            let mut rest = frame.payload;
            let mut requests = Vec::new();
            while !rest.is_empty() {
                requests.push(RawCommand::take(&mut rest).unwrap().request);
            }
            assert_eq!(requests.len(), usize::from(frame.count));
            frames.push(requests);
        }
        frames
    }

    #[test]
    fn frames_keep_the_order_and_the_bounds() {
        assert_eq!(framed(&mut kept(5), 8, 2), [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(framed(&mut kept(5), 3, 2), [vec![1, 2], vec![3]], "none goes out without a credit");
        assert_eq!(framed(&mut kept(5), 8, 0).len(), 5, "a frame holds at least one");
    }

    #[test]
    fn answers_out_of_order_count_once_and_are_not_sent_again() {
        let mut unanswered = kept(4);
        assert!(!unanswered.settle(1), "nothing was sent yet");
        framed(&mut unanswered, 8, 100);
        assert!(unanswered.settle(3));
        assert!(!unanswered.settle(3));
        assert!(!unanswered.settle(0) && !unanswered.settle(5));
        assert!(unanswered.settle(1));
        assert_eq!(unanswered.requests().collect::<Vec<_>>(), [2, 4]);
        assert_eq!((unanswered.open(), unanswered.span()), (2, 3));
        unanswered.unframe();
        assert_eq!(framed(&mut unanswered, 8, 100), [vec![2], vec![4]]);
        assert!(unanswered.settle(2) && unanswered.settle(4));
        assert_eq!((unanswered.open(), unanswered.span(), unanswered.next_request()), (0, 0, 5));
    }

    #[test]
    fn bytes_survive_the_giving_back_of_room() {
        let mut unanswered = kept(0);
        for round in 0..20_000_u64 {
            unanswered.push(&Command::QueryStatus(&STATUS)).unwrap();
            if round % 7 == 6 {
                framed(&mut unanswered, 1 << 20, 100);
                for request in round - 6..=round {
                    assert!(unanswered.settle(request) || request == 0);
                }
                unanswered.compact();
            }
        }
        assert!(unanswered.bytes.len() < 4 * DEAD_BYTES_MIN, "{} bytes are kept", unanswered.bytes.len());
    }
}
