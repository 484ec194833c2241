//! The one door into the engine: two bounded rings between a front (the TCP gateway, later the HTTP API) and the
//! engine's loop, and the watermark that says what may be told.
//!
//! A [`Work`] goes round: the front fills its input and submits it, the engine appends replies to its output and
//! puts it into the outbox, the front sends the output once the watermark has reached `release_at`, and uses the
//! same `Work` again. So nothing is allocated once the buffers have grown.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use orderline_journal::Watermark;
use orderline_protocol::command::{COMMAND_HEADER_BYTES, RawCommand};
use orderline_protocol::frame::{self, FrameKind};
use orderline_protocol::limits::FRAME_PAYLOAD_BYTES_MAX;
use orderline_protocol::reply::REPLY_HEADER_BYTES;
use orderline_protocol::{RejectCode, Request, Scope, Sequence, SessionHandle, SessionId};
use zerocopy::IntoBytes;

use crate::answer::rejected_reply;
use crate::board::Board;
use crate::meters::Meters;
use crate::rings::{self, FrontEnd};
use crate::state::Rejection;
use crate::sync::Unparker;

/// What a front asks the engine to do with a [`Work`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Decide the commands of the input for this session; what lies outside of the scope is refused.
    Commands(SessionHandle, Scope),
    /// Open a session, or take up the one that there is.
    OpenSession {
        /// The client's id for it.
        id: SessionId,
        /// Refuse to open it anew: the client expects it to be known.
        must_exist: bool,
        /// For whom its requests count from here on: an access token's number; 0: nobody is named.
        actor: u32,
    },
}

/// What became of a [`Task::OpenSession`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// Not answered yet, or another task.
    None,
    /// The session has this number, and this is the newest request that it has accepted.
    Session {
        /// The core's number for it.
        handle: SessionHandle,
        /// The newest request accepted; 0 for a new session.
        last_request: u64,
    },
    /// It had to exist and does not.
    Unknown,
    /// The journal's disk is full.
    StorageFull,
}

/// Replies of one frame inside a [`Work`]'s output.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ReplyFrame {
    start: usize,
    count: u16,
}

/// One batch of commands on its way through the engine and back.
#[derive(Debug)]
pub struct Work {
    /// Whose it is, in the front's own numbering; the engine hands it back untouched.
    pub owner: u64,
    /// What to do.
    pub task: Task,
    /// The bytes as they were received.
    pub input: Vec<u8>,
    /// Where in `input` the payloads of checked command frames lie, in order.
    pub payloads: Vec<Range<usize>>,
    /// Commands in the payloads.
    pub command_count: u32,
    /// The sequence that must be durable before anything of the output may be seen.
    pub release_at: Sequence,
    /// The answer to [`Task::OpenSession`].
    pub opened: Opened,
    /// When it was handed to the engine.
    submitted: Option<Instant>,
    output: Vec<u8>,
    frames: Vec<ReplyFrame>,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            owner: 0,
            task: Task::Commands(SessionHandle::NONE, Scope::Everything),
            input: Vec::new(),
            payloads: Vec::new(),
            command_count: 0,
            release_at: 0,
            opened: Opened::None,
            submitted: None,
            output: Vec::new(),
            frames: Vec::new(),
        }
    }
}

impl Work {
    /// Empties it for its next round; the buffers keep their room.
    pub fn reset(&mut self) {
        self.task = Task::Commands(SessionHandle::NONE, Scope::Everything);
        self.input.clear();
        self.payloads.clear();
        self.command_count = 0;
        self.release_at = 0;
        self.opened = Opened::None;
        self.submitted = None;
        self.output.clear();
        self.frames.clear();
    }

    /// The engine's side: appends one reply of at most `bytes_max` bytes, written by `write`.
    pub fn push_reply(&mut self, bytes_max: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let full = self.frames.last().is_none_or(|last| {
            last.count == u16::MAX
                || self.output.len() - last.start + bytes_max
                    > FRAME_PAYLOAD_BYTES_MAX + frame::FRAME_HEADER_BYTES
        });
        if full {
            let start = frame::begin_frame(&mut self.output);
            self.frames.push(ReplyFrame { start, count: 0 });
        }
        write(&mut self.output);
        if let Some(last) = self.frames.last_mut() {
            last.count += 1;
        }
    }

    /// The front's side, for a work that it will not submit: answers each of its commands with this code and what it says. The
    /// commands are as if they had never come.
    ///
    /// # Panics
    /// If a payload is not what a checked frame holds.
    pub fn refuse(&mut self, code: RejectCode, subject: u32, detail: u64, as_of: Sequence) {
        let rejection = Rejection::new(code).about(subject).with(detail);
        // The input is set aside so that replies can be pushed while it is read.
        let input = std::mem::take(&mut self.input);
        let payloads = std::mem::take(&mut self.payloads);
        for command in payloads.iter().flat_map(|range| Commands::new(&input[range.clone()])) {
            let header = rejected_reply(&command, rejection, as_of);
            self.push_reply(REPLY_HEADER_BYTES, |out| out.extend_from_slice(header.as_bytes()));
        }
        self.input = input;
        self.payloads = payloads;
    }

    /// The front's side, before it submits a work: moves the commands that are not to be kept over to another, empty one.
    ///
    /// # Panics
    /// If a payload is not what a checked frame holds.
    pub fn part(&mut self, others: &mut Self, mut is_kept: impl FnMut(&RawCommand<'_>) -> bool) {
        let whole = std::mem::take(&mut self.payloads);
        for range in whole {
            let mut at = range.start;
            // What is kept and stands in a row stays one payload.
            let mut kept_from = at;
            for command in Commands::new(&self.input[range.clone()]) {
                let end = at + COMMAND_HEADER_BYTES + command.body.len();
                if !is_kept(&command) {
                    let start = others.input.len();
                    others.input.extend_from_slice(&self.input[at..end]);
                    others.payloads.push(start..others.input.len());
                    others.command_count += 1;
                    self.command_count -= 1;
                    if kept_from < at {
                        self.payloads.push(kept_from..at);
                    }
                    kept_from = end;
                }
                at = end;
            }
            if kept_from < at {
                self.payloads.push(kept_from..at);
            }
        }
    }

    /// The request number of the first command, which is the lowest; 0 if there is none.
    pub fn first_request(&self) -> Request {
        self.requests().next().unwrap_or(0)
    }

    /// The request numbers of its commands.
    pub fn requests(&self) -> impl Iterator<Item = Request> {
        let commands = self.payloads.iter().flat_map(|range| Commands::new(&self.input[range.clone()]));
        commands.map(|command| command.request)
    }

    /// Bytes of replies so far.
    pub(crate) fn output_bytes(&self) -> usize {
        self.output.len()
    }

    /// The front's side, once released: finishes the reply frames and returns the bytes to send.
    pub fn seal(&mut self) -> &[u8] {
        for index in 0..self.frames.len() {
            let ReplyFrame { start, count } = self.frames[index];
            let end = self.frames.get(index + 1).map_or(self.output.len(), |next| next.start);
            frame::finish_frame(&mut self.output[..end], start, FrameKind::Replies, count);
        }
        self.frames.clear();
        &self.output
    }

    /// The bytes that [`Work::seal`] finished.
    pub fn output(&self) -> &[u8] {
        debug_assert!(self.frames.is_empty(), "the output is sealed before it is sent");
        &self.output
    }
}

/// The commands of one checked frame payload.
pub(crate) struct Commands<'a> {
    rest: &'a [u8],
}

impl<'a> Commands<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = RawCommand<'a>;

    #[inline]
    fn next(&mut self) -> Option<RawCommand<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        match RawCommand::take(&mut self.rest) {
            Ok(command) => Some(command),
            Err(error) => panic!("a front submitted a payload that it had not checked: {error}"),
        }
    }
}

/// A front's end of a door.
pub struct Door {
    rings: FrontEnd<Box<Work>>,
    board: Board,
    meters: Arc<Meters>,
}

/// The engine's end of a door.
pub type EngineEnd = rings::EngineEnd<Box<Work>>;

/// Makes a door that holds at most `capacity` works, each way.
pub fn door(capacity: usize, engine: Unparker, watermark: Watermark) -> (Door, EngineEnd) {
    let (rings, end) = rings::rings(capacity, engine, watermark);
    (Door { rings, board: Board::default(), meters: Arc::default() }, end)
}

impl Door {
    /// The same door beside another board; a door is made with one that is never whole.
    #[must_use]
    pub fn with_board(mut self, board: Board) -> Self {
        self.board = board;
        self
    }

    /// The same door with other meters; a door is made with some that nobody reads.
    #[must_use]
    pub fn with_meters(mut self, meters: Arc<Meters>) -> Self {
        self.meters = meters;
        self
    }

    /// Works that the door holds at most: the front keeps as many as this, or fewer, between
    /// [`Door::submit`] and [`Door::collect`], and then neither ring can ever be full.
    pub fn capacity(&self) -> usize {
        self.rings.capacity()
    }

    /// Hands a work to the engine.
    ///
    /// # Panics
    /// When the ring is full: the front has let more works in than [`Door::capacity`].
    pub fn submit(&self, mut work: Box<Work>) {
        work.submitted = Some(Instant::now());
        self.rings.submit(work);
    }

    /// Answers a work of availability queries from the board, without the engine. False: it cannot, and the work is to be
    /// submitted. What was submitted before must have been collected, or its replies would come later.
    pub fn answer(&self, work: &mut Work) -> bool {
        self.board.answer(work)
    }

    /// Takes the oldest work that the engine has done with. Its output must not leave the process before
    /// [`Door::durable`] has reached its `release_at`.
    pub fn collect(&self) -> Option<Box<Work>> {
        self.rings.collect()
    }

    /// Takes note that a work's output leaves now.
    pub fn released(&self, work: &Work) {
        if let Some(submitted) = work.submitted {
            self.meters.took(submitted.elapsed());
        }
    }

    /// Whether [`Door::collect`] would find something.
    pub fn has_outbox(&self) -> bool {
        self.rings.has_outbox()
    }

    /// The sequence up to which everything is durable.
    pub fn durable(&self) -> Sequence {
        self.rings.durable()
    }

    /// Sets what wakes this front: called from the engine's and the sync thread, after a work that may be released
    /// at once has been put into the outbox, and whenever the watermark has risen to where [`Door::wake_at`] wants it. Only
    /// the first call counts.
    pub fn on_wake(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.rings.on_wake(wake);
    }

    /// Lets the front sleep through rises of the watermark below this sequence; without a call it is woken by each, and needs
    /// to be while works are in the engine. Before going to sleep, and after this call, [`Door::has_outbox`] and [`Door::durable`] are
    /// to be looked at: what came back or became durable before the call has woken nobody.
    pub fn wake_at(&self, sequence: Sequence) {
        self.rings.wake_at(sequence);
    }
}
