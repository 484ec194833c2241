//! The front: how requests that come one by one on many tasks enter the engine by one door.
//!
//! A thread of its own gathers what has come since it last looked into works, one for each session, so that the batching
//! follows the load. What comes back waits for the watermark here, as it does in the gateway.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::JoinHandle;

use crossbeam::queue::SegQueue;
use orderline_core::door::{Door, Opened, Task, Work};
use orderline_protocol::command::{COMMAND_HEADER_BYTES, CommandHeader, FIRST_QUERY};
use orderline_protocol::frame::Frame;
use orderline_protocol::limits::FRAME_PAYLOAD_BYTES_MAX;
use orderline_protocol::reply::Reply;
use orderline_protocol::{
    Command, KEYED_FROM, RejectCode, Request, Scope, Sequence, SessionHandle, SessionId,
};
use tokio::sync::{Semaphore, oneshot};
use tracing::{Span, debug_span};
use zerocopy::FromBytes;

/// Bytes of commands in one work beyond which the next begins: a batch that stays in the processor's cache.
const WORK_BYTES: usize = 64 * 1024;

/// Works that are kept for their next use.
const WORKS_KEPT_MAX: usize = 64;

const _: () = assert!(WORK_BYTES <= FRAME_PAYLOAD_BYTES_MAX);

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrontError {
    /// The server is stopping, or has stopped.
    #[error("the server is stopping; ask again when it is back")]
    Stopping,
    /// The session could not be opened, for the disk is full.
    #[error("the disk is full; nothing was changed, reads go on")]
    StorageFull,
}

/// For whom commands are asked. Each actor has one session, so that the journal tells who did what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The number of the access token; 0: none was asked for.
    pub token: u32,
    /// The session under which the actor's requests are remembered.
    pub session: SessionId,
    /// What it may touch; the engine refuses what lies outside of it.
    pub scope: Scope,
}

/// Commands, encoded one behind the other.
#[derive(Debug, Default)]
pub struct Commands {
    bytes: Vec<u8>,
    count: u32,
    key: Option<Request>,
    /// Not all of them only ask.
    changes: bool,
}

impl Commands {
    /// One command.
    pub fn one(command: &Command<'_>) -> Self {
        let mut all = Self::default();
        all.push(command);
        all
    }

    /// Appends a command.
    pub fn push(&mut self, command: &Command<'_>) {
        command.write(0, &mut self.bytes);
        self.count += 1;
        self.changes |= (command.kind() as u8) < FIRST_QUERY;
    }

    /// The one command is known by this key from now on: asked again under it, it is answered as before.
    ///
    /// # Panics
    /// If there is not exactly one command, or the key is below [`KEYED_FROM`].
    #[must_use]
    pub fn keyed(mut self, key: Request) -> Self {
        assert!(self.count == 1 && key >= KEYED_FROM, "a key names one command");
        self.key = Some(key);
        self
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Replies to commands, in their order. Everything in them is durable.
#[derive(Debug)]
pub struct Replies {
    bytes: Vec<u8>,
}

impl Replies {
    /// Each reply.
    pub fn iter(&self) -> impl Iterator<Item = Reply<'_>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || if rest.is_empty() { None } else { Reply::take(&mut rest).ok() })
    }

    /// The first reply.
    ///
    /// # Panics
    /// If there is none: every command is answered.
    pub fn first(&self) -> Reply<'_> {
        match self.iter().next() {
            Some(reply) => reply,
            None => panic!("every command is answered"),
        }
    }

    fn is_forgotten(&self) -> bool {
        self.iter().next().is_some_and(|reply| reply.header.code.get() == RejectCode::RequestTooOld as u16)
    }
}

struct Call {
    actor: Actor,
    commands: Commands,
    answer: oneshot::Sender<Result<Replies, FrontError>>,
    /// Its session was opened anew for it already.
    is_second_try: bool,
    /// The span of the request, where those are traced, and that of where the call is.
    request: Span,
    stage: Span,
}

impl Call {
    /// Waits for the engine from now on.
    fn waits_for_engine(&mut self) {
        if !self.request.is_disabled() {
            self.stage =
                debug_span!(parent: &self.request, "engine", orderline.commands = self.commands.count);
        }
    }

    /// Is decided, and waits for the disk from now on.
    fn waits_for_disk(&mut self) {
        if !self.request.is_disabled() {
            self.stage = debug_span!(parent: &self.request, "durable");
        }
    }
}

struct Shared {
    calls: SegQueue<Call>,
    room: Semaphore,
    room_commands: u32,
    is_stopping: AtomicBool,
    has_ended: AtomicBool,
}

impl Shared {
    /// Drops what nobody will ask any more: whoever waits for it hears so.
    fn drop_calls(&self) {
        while self.calls.pop().is_some() {}
    }
}

/// Where tasks hand in commands. Cheap to clone.
#[derive(Clone)]
pub struct Front {
    shared: Arc<Shared>,
    thread: std::thread::Thread,
}

/// The front's thread; ends once [`Front::stop`] was called and everything handed in is answered.
pub struct FrontThread {
    thread: JoinHandle<()>,
}

impl FrontThread {
    /// Waits for its end; false: it has panicked.
    pub fn join(self) -> bool {
        self.thread.join().is_ok()
    }
}

impl Front {
    /// Starts the front's thread behind a door. At most `commands_max` commands are in it at one time; further ones wait.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(door: Door, commands_max: u32) -> std::io::Result<(Self, FrontThread)> {
        let shared = Arc::new(Shared {
            calls: SegQueue::new(),
            room: Semaphore::new(commands_max as usize),
            room_commands: commands_max,
            is_stopping: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("http-front".to_owned());
        let thread = builder.spawn(move || Loop::new(door, own).run())?;
        Ok((Self { shared, thread: thread.thread().clone() }, FrontThread { thread }))
    }

    /// Asks the engine and waits until the answers are durable. Commands of one call are decided in their order; those of
    /// several calls in any.
    ///
    /// # Errors
    /// [`FrontError`]; the commands may still have taken effect when the server is stopping.
    pub async fn ask(&self, actor: Actor, commands: Commands) -> Result<Replies, FrontError> {
        if commands.is_empty() {
            return Ok(Replies { bytes: Vec::new() });
        }
        let wanted = commands.count.min(self.shared.room_commands);
        let _room = self.shared.room.acquire_many(wanted).await.map_err(|_| FrontError::Stopping)?;
        self.hand_in(actor, commands).await.unwrap_or(Err(FrontError::Stopping))
    }

    /// As [`Front::ask`], for threads that may wait.
    ///
    /// # Errors
    /// As [`Front::ask`].
    pub fn ask_blocking(&self, actor: Actor, commands: Commands) -> Result<Replies, FrontError> {
        self.hand_in(actor, commands).blocking_recv().unwrap_or(Err(FrontError::Stopping))
    }

    fn hand_in(&self, actor: Actor, commands: Commands) -> oneshot::Receiver<Result<Replies, FrontError>> {
        let (answer, answered) = oneshot::channel();
        let (request, stage) = (Span::current(), Span::none());
        let mut call = Call { actor, commands, answer, is_second_try: false, request, stage };
        call.waits_for_engine();
        self.shared.calls.push(call);
        self.thread.unpark();
        // Either the thread, ending, finds the call, or its end is seen here: nobody waits for an answer that never comes.
        fence(Ordering::SeqCst);
        if self.shared.has_ended.load(Ordering::Relaxed) {
            self.shared.drop_calls();
        }
        answered
    }

    /// Takes no more commands; what was handed in is still answered.
    pub fn stop(&self) {
        self.shared.room.close();
        self.shared.is_stopping.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// The calls whose commands a work holds, in order.
#[derive(Default)]
struct Waiting {
    calls: Vec<Call>,
}

/// Commands that may share a work: of one session, or of none where they only ask; and of one token, whose scope is theirs.
type Lane = (u32, bool);

enum Session {
    Opening(Vec<Call>),
    Open { handle: SessionHandle, last_request: Request },
}

struct Loop {
    door: Door,
    shared: Arc<Shared>,
    /// By their tokens.
    sessions: BTreeMap<u32, Session>,
    /// Works that are being filled.
    filling: BTreeMap<Lane, (Box<Work>, Waiting)>,
    /// Full works for which the door had no room.
    full: VecDeque<(Box<Work>, Waiting)>,
    /// Inside the engine, in the order in which they went in. They come back in that order.
    deciding: VecDeque<Waiting>,
    /// Decided, and waiting for the watermark.
    held: VecDeque<(Box<Work>, Waiting)>,
    #[allow(clippy::vec_box)] // The door takes and returns them boxed.
    kept: Vec<Box<Work>>,
}

impl Loop {
    fn new(door: Door, shared: Arc<Shared>) -> Self {
        Self {
            door,
            shared,
            sessions: BTreeMap::new(),
            filling: BTreeMap::new(),
            full: VecDeque::new(),
            deciding: VecDeque::new(),
            held: VecDeque::new(),
            kept: Vec::new(),
        }
    }

    fn run(mut self) {
        let own = std::thread::current();
        self.door.on_wake(move || own.unpark());
        loop {
            let is_stopping = self.shared.is_stopping.load(Ordering::Acquire);
            let mut is_idle = true;
            while let Some(call) = self.shared.calls.pop() {
                is_idle = false;
                self.take(call);
            }
            self.finish_filling();
            is_idle &= !self.submit();
            is_idle &= !self.collect();
            is_idle &= !self.release();
            let is_empty = self.deciding.is_empty() && self.held.is_empty() && self.full.is_empty();
            if is_idle && is_stopping && is_empty {
                self.shared.has_ended.store(true, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                return self.shared.drop_calls();
            }
            if is_idle {
                self.door.wake_at(self.next_release());
                // What came back, or could be released, before the wish was seen has woken nobody.
                if !self.door.has_outbox() && !self.release() {
                    std::thread::park();
                }
            }
        }
    }

    /// The watermark at which there is something to do. When a work comes back is not known before.
    fn next_release(&self) -> Sequence {
        if !self.deciding.is_empty() {
            return 0;
        }
        self.held.front().map_or(Sequence::MAX, |(work, _)| work.release_at)
    }

    /// Puts a call into the work of its session, or asks for the session first.
    fn take(&mut self, mut call: Call) {
        if !call.commands.changes {
            return self.fill((call.actor.token, false), SessionHandle::NONE, call);
        }
        let actor = call.actor;
        match self.sessions.get_mut(&actor.token) {
            Some(Session::Opening(waiting)) => waiting.push(call),
            Some(Session::Open { handle, last_request }) => {
                let handle = *handle;
                number(&mut call.commands, last_request);
                self.fill((actor.token, true), handle, call);
            }
            None => {
                let mut work = self.kept.pop().unwrap_or_default();
                work.task = Task::OpenSession { id: actor.session, must_exist: false, actor: actor.token };
                self.sessions.insert(actor.token, Session::Opening(Vec::new()));
                self.full.push_back((work, Waiting { calls: vec![call] }));
            }
        }
    }

    fn fill(&mut self, lane: Lane, handle: SessionHandle, call: Call) {
        let bytes = call.commands.bytes.len();
        let is_full = |work: &Work| !work.input.is_empty() && work.input.len() + bytes > WORK_BYTES;
        if self.filling.get(&lane).is_some_and(|(work, _)| is_full(work))
            && let Some(filled) = self.filling.remove(&lane)
        {
            self.full.push_back(seal_input(filled));
        }
        let (kept, scope) = (&mut self.kept, call.actor.scope);
        let (work, waiting) = self.filling.entry(lane).or_insert_with(|| {
            let mut work = kept.pop().unwrap_or_default();
            work.task = Task::Commands(handle, scope);
            (work, Waiting::default())
        });
        work.input.extend_from_slice(&call.commands.bytes);
        work.command_count += call.commands.count;
        waiting.calls.push(call);
    }

    fn finish_filling(&mut self) {
        while let Some((_, filled)) = self.filling.pop_first() {
            self.full.push_back(seal_input(filled));
        }
    }

    fn submit(&mut self) -> bool {
        let mut has_moved = false;
        while self.deciding.len() < self.door.capacity() {
            let Some((work, waiting)) = self.full.pop_front() else { break };
            self.deciding.push_back(waiting);
            self.door.submit(work);
            has_moved = true;
        }
        has_moved
    }

    fn collect(&mut self) -> bool {
        let mut has_moved = false;
        while let Some(work) = self.door.collect() {
            let Some(mut waiting) = self.deciding.pop_front() else { return has_moved };
            waiting.calls.iter_mut().for_each(Call::waits_for_disk);
            self.held.push_back((work, waiting));
            has_moved = true;
        }
        has_moved
    }

    fn release(&mut self) -> bool {
        let durable: Sequence = self.door.durable();
        let mut has_moved = false;
        while self.held.front().is_some_and(|(work, _)| work.release_at <= durable) {
            let Some((mut work, waiting)) = self.held.pop_front() else { break };
            has_moved = true;
            self.door.released(&work);
            match work.task {
                Task::OpenSession { .. } => self.opened(work.opened, waiting),
                Task::Commands(handle, _) => self.answer(handle, &mut work, waiting),
            }
            if self.kept.len() < WORKS_KEPT_MAX {
                work.reset();
                self.kept.push(work);
            }
        }
        has_moved
    }

    fn opened(&mut self, opened: Opened, waiting: Waiting) {
        let Some(actor) = waiting.calls.first().map(|call| call.actor) else { return };
        let later = match self.sessions.remove(&actor.token) {
            Some(Session::Opening(later)) => later,
            _ => Vec::new(),
        };
        let calls = waiting.calls.into_iter().chain(later);
        match opened {
            Opened::Session { handle, last_request } => {
                self.sessions.insert(actor.token, Session::Open { handle, last_request });
                for mut call in calls {
                    call.waits_for_engine();
                    self.take(call);
                }
            }
            Opened::StorageFull | Opened::Unknown | Opened::None => {
                for call in calls {
                    // Whoever asked may have left.
                    let _ = call.answer.send(Err(FrontError::StorageFull));
                }
            }
        }
    }

    fn answer(&mut self, session: SessionHandle, work: &mut Work, waiting: Waiting) {
        let sealed = work.seal();
        let mut replies = ReplyBytes::new(sealed);
        for mut call in waiting.calls {
            let mut bytes = Vec::new();
            for _ in 0..call.commands.count {
                match replies.next() {
                    Some(reply) => bytes.extend_from_slice(reply),
                    None => panic!("the engine answers every command of a work"),
                }
            }
            let replies = Replies { bytes };
            // The session was the one idle longest and had to make room. What was numbered in it was refused unseen.
            if replies.is_forgotten() && !call.is_second_try {
                call.is_second_try = true;
                let is_it = |of: &Session| matches!(of, Session::Open { handle, .. } if *handle == session);
                if self.sessions.get(&call.actor.token).is_some_and(is_it) {
                    self.sessions.remove(&call.actor.token);
                }
                call.waits_for_engine();
                self.shared.calls.push(call);
                continue;
            }
            // Before the request's own span can end.
            let Call { answer, request, stage, .. } = call;
            drop((stage, request));
            let _ = answer.send(Ok(replies));
        }
    }
}

fn seal_input((mut work, waiting): (Box<Work>, Waiting)) -> (Box<Work>, Waiting) {
    let whole = 0..work.input.len();
    work.payloads.push(whole);
    (work, waiting)
}

/// Numbers a call's commands behind the session's last one, or by the call's key.
fn number(commands: &mut Commands, last_request: &mut Request) {
    let mut at = 0;
    while at < commands.bytes.len() {
        let command = &mut commands.bytes[at..];
        let Ok((header, _)) = CommandHeader::mut_from_prefix(command) else {
            return;
        };
        let request = commands.key.unwrap_or_else(|| {
            *last_request += 1;
            *last_request
        });
        header.request = request.into();
        at += (header.bytes.get() as usize).max(COMMAND_HEADER_BYTES);
    }
}

/// Replies one by one out of a sealed work's frames.
struct ReplyBytes<'a> {
    frames: &'a [u8],
    payload: &'a [u8],
}

impl<'a> ReplyBytes<'a> {
    fn new(frames: &'a [u8]) -> Self {
        Self { frames, payload: &[] }
    }
}

impl<'a> Iterator for ReplyBytes<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while self.payload.is_empty() {
            let frame = Frame::read(self.frames).ok()??;
            self.payload = frame.payload;
            self.frames = &self.frames[frame.bytes..];
        }
        let whole = self.payload;
        Reply::take(&mut self.payload).ok()?;
        Some(&whole[..whole.len() - self.payload.len()])
    }
}
