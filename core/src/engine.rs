//! The engine: one thread, one loop. It drains the doors, decides each command, journals and applies what was
//! decided, and hands each work back with the sequence at which it may be seen. It touches no socket, no disk call
//! and no clock but the one handed to it.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::sync::{Parker, Unparker};
use orderline_journal::{JournalError, Watermark, Writer};
use orderline_protocol::command::RawCommand;
use orderline_protocol::event::{EVENT_VERSION, Event};
use orderline_protocol::limits::SESSIONS_MAX;
use orderline_protocol::reply::{Outcome, REPLY_HEADER_BYTES};
use orderline_protocol::{RejectCode, Scope, SessionHandle, SessionId};
use zerocopy::IntoBytes;

use crate::ahead::Ahead;
use crate::answer::{accepted_reply, rejected_reply};
use crate::board::{Board, Publisher, board};
use crate::bugs::is_planted;
use crate::door::{Commands, Door, EngineEnd, Opened, Task, Work, door};
use crate::meters::{EngineStats, Meters};
use crate::snapshot::{MakerEnd, WalkerEnd, seam};
use crate::state::{Accepted, Decision, Due, Parsed, Rejection, SamplePlaces, Scratch, State};

/// Works drained in one turn of the loop, over all doors.
const TURN_WORKS: usize = 64;

/// Bytes of views in one reply: an order of 2,000 lines, or a SKU's levels at a thousand locations.
const VIEW_BYTES_MAX: usize = 200 * 1024;

/// Bytes of replies in one work beyond which its further queries are refused as busy: what one client asks for in
/// one breath must not fill the memory.
const OUTPUT_BYTES_MAX: usize = 8 << 20;

/// Events made by the core itself (expiries, retirements) in one turn of the loop: what is due waits no longer than a few
/// turns, and a burst of it does not keep commands waiting.
const TURN_DUE_EVENTS: usize = 8;

/// The shortest sleep of the loop in microseconds: what is due and cannot be written, for the disk is full, does not keep
/// it spinning.
const PARK_US_MIN: i64 = 1_000;

/// The longest sleep of the loop while something is due some day, in microseconds: an hour.
const PARK_US_MAX: i64 = 3_600_000_000;

/// Orders, reservations, groups, levels and ledgers, each, whose invariants are checked in one sample.
const SAMPLE_COUNT: usize = 256;

/// Generations of a session's number that a handle can carry; the last is left out, so that none is NONE.
const GENERATIONS: u32 = u32::MAX / SESSIONS_MAX as u32;

/// How the engine behaves.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// Staged bytes at which a batch is appended. Small enough to stay in the second-level cache on its way to the
    /// journal, large enough that a batch's header and locks cost nothing per order. The journal's largest batch has
    /// to hold as much and the longest event behind it.
    pub batch_bytes: usize,
    /// Turns of looking for work before the thread sleeps. Spinning burns a core that the disk's flush worker may
    /// need, so on small machines this is short.
    pub spin_count: u32,
    /// Microseconds between two samples of the state's invariants: each checks some hundred orders, carts, groups, levels and ledgers, going
    /// round. 0: none.
    pub sample_every_us: i64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { batch_bytes: 128 * 1024, spin_count: 50, sample_every_us: 1_000_000 }
    }
}

/// Makes doors before the engine is there.
pub struct Doors {
    parker: Parker,
    ends: Vec<EngineEnd>,
    watermark: Watermark,
    snapshots: Option<WalkerEnd>,
    board: Board,
    publisher: Publisher,
    meters: Arc<Meters>,
    on_tokens: Option<OnTokens>,
}

/// What is told of the state when tokens have changed.
type OnTokens = Box<dyn FnMut(&State) + Send>;

impl Doors {
    /// No door yet; doors will release by this watermark.
    pub fn new(watermark: Watermark) -> Self {
        let (writer, board) = board();
        let publisher = Publisher::new(writer);
        Self {
            parker: Parker::new(),
            ends: Vec::new(),
            watermark,
            snapshots: None,
            board,
            publisher,
            meters: Arc::default(),
            on_tokens: None,
        }
    }

    /// One more door, for a front that keeps at most `capacity` works in it.
    pub fn open(&mut self, capacity: usize) -> Door {
        let (front, end) = door(capacity, self.parker.unparker().clone(), self.watermark.clone());
        self.ends.push(end);
        front.with_board(self.board.clone()).with_meters(self.meters())
    }

    /// The seam over which snapshots are made: for a [`Snapshotter`](crate::snapshot::Snapshotter).
    pub fn snapshots(&mut self) -> MakerEnd {
        let (walker, maker) = seam(self.parker.unparker().clone());
        self.snapshots = Some(walker);
        maker
    }

    /// What the engine counts.
    pub fn meters(&self) -> Arc<Meters> {
        Arc::clone(&self.meters)
    }

    /// Has `tell` called on the engine's thread with the state whenever tokens have changed, before that is answered: whoever
    /// has seen the answer finds the fronts letting people in by it.
    pub fn on_tokens(&mut self, tell: impl FnMut(&State) + Send + 'static) {
        self.on_tokens = Some(Box::new(tell));
    }

    /// What wakes the engine, for whoever else must.
    pub fn unparker(&self) -> Unparker {
        self.parker.unparker().clone()
    }
}

/// What a turn of the engine has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There may be more to do at once.
    More,
    /// Nothing is to be done before a front submits or closes, a snapshot is asked for or goes on, or something falls due.
    Idle,
    /// Every front has closed its door, and all that came through is committed.
    Ended,
}

/// The engine: give it its parts, then [`Engine::run`] it on a thread of its own.
pub struct Engine<C> {
    state: State,
    writer: Writer,
    doors: Doors,
    clock_us: C,
    options: EngineOptions,
    scratch: Scratch,
    turn: Vec<(usize, Box<Work>)>,
    stats: EngineStats,
    now_us: i64,
    /// By session number: how often, in this process, it went over to another session. A front's handle carries it, so
    /// that a connection whose session was forgotten meanwhile cannot speak for the one that has its number now.
    generations: Vec<u32>,
    /// When the next sample of the invariants is due, and where it goes on.
    sample_at_us: i64,
    sample_places: SamplePlaces,
}

impl<C: FnMut() -> i64> Engine<C> {
    /// An engine over a recovered state and its journal. `clock_us` gives microseconds since 1970; should it go
    /// back, recorded times stay where they are until it has caught up.
    ///
    /// # Panics
    /// If the journal does not go on where the state ends.
    pub fn new(state: State, writer: Writer, doors: Doors, clock_us: C, options: EngineOptions) -> Self {
        assert_eq!(state.sequence() + 1, writer.next_sequence(), "the journal goes on where the state ends");
        // Fronts look before the first turn, too.
        doors.meters.publish(&EngineStats::default(), &state.counts(), state.sequence());
        // The clock may stand behind what was recorded before a restart.
        let now_us = state.recorded_at_us();
        Self {
            state,
            writer,
            doors,
            clock_us,
            options,
            scratch: Scratch::default(),
            turn: Vec::with_capacity(TURN_WORKS),
            stats: EngineStats::default(),
            now_us,
            generations: vec![0; SESSIONS_MAX],
            sample_at_us: 0,
            sample_places: SamplePlaces::default(),
        }
    }

    /// Runs until every front has closed its door.
    ///
    /// # Errors
    /// The journal's failure: nothing more can be acknowledged, and the process must stop and recover.
    pub fn run(mut self) -> Result<EngineStats, JournalError> {
        loop {
            let turn = self.turn()?;
            self.hold_back()?;
            match turn {
                Turn::More => {}
                Turn::Idle => self.wait(),
                Turn::Ended => return Ok(self.stats),
            }
        }
    }

    /// One turn of the loop, which waits for nothing: a bounded number of works, and of what falls due. Whoever drives it
    /// does not begin another one while [`Engine::is_behind`].
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn turn(&mut self) -> Result<Turn, JournalError> {
        self.drain();
        let earliest_us = if is_planted("let-the-clock-go-back") { 0 } else { self.now_us };
        self.now_us = earliest_us.max((self.clock_us)());
        let is_more_due = self.process_due()?;
        if self.turn.is_empty() {
            if self.doors.ends.iter().all(EngineEnd::is_closed) && !self.has_work() {
                self.commit()?;
                return Ok(Turn::Ended);
            }
            self.append()?;
            self.doors.publisher.publish(&mut self.state);
            self.make_durable()?;
            let is_walking = self.walk();
            self.publish_meters();
            let is_idle = !is_more_due && !is_walking && !self.doors.publisher.is_sweeping();
            return Ok(if is_idle { Turn::Idle } else { Turn::More });
        }
        let mut turn = std::mem::take(&mut self.turn);
        for (_, work) in &mut turn {
            self.process(work)?;
        }
        self.append()?;
        self.doors.publisher.publish(&mut self.state);
        self.publish_meters();
        self.tell_of_tokens();
        self.hand_back(&mut turn);
        self.turn = turn;
        self.make_durable()?;
        self.walk();
        Ok(Turn::More)
    }

    /// Before anybody is told of a turn, so that whoever was told finds it counted.
    fn publish_meters(&self) {
        self.doors.meters.publish(&self.stats, &self.state.counts(), self.state.sequence());
    }

    /// Whether so much is appended and not yet durable that nothing more may be decided.
    pub fn is_behind(&self) -> bool {
        self.writer.is_behind()
    }

    /// When something falls due by itself, in microseconds since 1970.
    pub fn next_due_us(&self) -> Option<i64> {
        self.state.next_due_us()
    }

    fn tell_of_tokens(&mut self) {
        if self.state.take_tokens_changed()
            && let Some(tell) = &mut self.doors.on_tokens
        {
            tell(&self.state);
        }
    }

    /// Takes what is there, a bounded number of works, one from each door in turn.
    fn drain(&mut self) {
        let mut found = true;
        while found && self.turn.len() < TURN_WORKS {
            found = false;
            for (index, end) in self.doors.ends.iter().enumerate() {
                if let Some(work) = end.take() {
                    self.turn.push((index, work));
                    found = true;
                }
            }
        }
    }

    /// Whether a front has submitted something.
    pub fn has_work(&self) -> bool {
        self.doors.ends.iter().any(EngineEnd::has_work)
    }

    /// Looks for a while, then sleeps until a front submits or closes.
    fn wait(&self) {
        for _ in 0..self.options.spin_count {
            if self.has_work() {
                return;
            }
            std::hint::spin_loop();
        }
        // A front pushes first and unparks then, and a token given while we are awake makes this return at once.
        match self.state.next_due_us() {
            None => self.doors.parker.park(),
            Some(due_us) => {
                let us = due_us.saturating_sub(self.now_us).clamp(PARK_US_MIN, PARK_US_MAX) as u64;
                self.doors.parker.park_timeout(Duration::from_micros(us));
            }
        }
    }

    /// Does what falls due by itself, a bounded part of it; says whether there is more.
    fn process_due(&mut self) -> Result<bool, JournalError> {
        self.sample();
        for _ in 0..TURN_DUE_EVENTS {
            // The disk is full: what is due stays due.
            if !self.reserve()? {
                return Ok(false);
            }
            let due = self.state.decide_due(self.now_us, &mut self.scratch, self.writer.begin_record());
            match due {
                Due::Event(kind) => {
                    self.journal_due(kind as u16);
                    self.refill();
                }
                Due::Searching | Due::Nothing => {
                    self.writer.cancel_record();
                    return Ok(due == Due::Searching);
                }
            }
            if self.writer.staged_bytes() >= self.options.batch_bytes {
                self.commit()?;
            }
        }
        Ok(true)
    }

    /// Gives stock that came free to who waits for it, before any other command is decided.
    #[inline]
    fn refill(&mut self) {
        while self.state.has_refills() {
            match self.state.decide_refill(&mut self.scratch, self.writer.begin_record()) {
                Due::Event(kind) => self.journal_due(kind as u16),
                Due::Searching | Due::Nothing => {
                    self.writer.cancel_record();
                    return;
                }
            }
        }
    }

    fn journal_due(&mut self, kind: u16) {
        self.journal_and_apply(kind);
        self.stats.due_count += 1;
    }

    /// Checks the invariants of some of everything, now and then. What breaks them stops the process: the journal is then
    /// the only truth.
    fn sample(&mut self) {
        if self.options.sample_every_us == 0 || self.now_us < self.sample_at_us {
            return;
        }
        self.sample_at_us = self.now_us + self.options.sample_every_us;
        let violations = self.state.check_some(&mut self.sample_places, SAMPLE_COUNT);
        assert!(violations.is_empty(), "invariants are broken at {}: {violations:?}", self.state.sequence());
    }

    fn process(&mut self, work: &mut Work) -> Result<(), JournalError> {
        let has_room = self.reserve()?;
        match work.task {
            Task::OpenSession { id, must_exist, actor } => {
                work.opened = self.open_session(id, must_exist, actor, has_room);
            }
            // No session is numbered NONE: what comes for a forgotten one is refused as too old to know.
            Task::Commands(session, scope) => {
                self.process_commands(self.session_of(session), scope, work, has_room)?;
            }
        }
        work.release_at = self.state.sequence() - u64::from(is_planted("release-one-too-early"));
        Ok(())
    }

    /// Whether the journal has room for one more batch. Asked before anything is decided, for what has been applied
    /// can no longer be refused.
    fn reserve(&mut self) -> Result<bool, JournalError> {
        match self.writer.reserve() {
            Ok(()) => Ok(true),
            Err(error) if error.is_temporary() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn open_session(&mut self, id: SessionId, must_exist: bool, actor: u32, has_room: bool) -> Opened {
        let known = self.state.session(id);
        if known.is_none() && must_exist {
            return Opened::Unknown;
        }
        let last_request = known.map_or(0, |(_, last_request)| last_request);
        let handle = match self.state.decide_session(id, actor, self.writer.begin_record()) {
            Err(handle) => {
                self.writer.cancel_record();
                handle
            }
            Ok(_) if !has_room => {
                self.writer.cancel_record();
                return Opened::StorageFull;
            }
            Ok(kind) => {
                let sessions_before = self.state.counts().sessions;
                let handle = SessionHandle::new(self.journal_and_apply(kind as u16).detail as u32);
                // Its number was another session's, which is forgotten.
                if known.is_none() && handle.get() < sessions_before {
                    self.generations[handle.index()] += 1;
                }
                handle
            }
        };
        Opened::Session { handle: self.front_handle(handle), last_request }
    }

    /// A session's number as a front holds it: with its generation above it. Generations wrap after 262,144 changes
    /// of one number within a process.
    fn front_handle(&self, handle: SessionHandle) -> SessionHandle {
        let generation = self.generations[handle.index()] % GENERATIONS;
        SessionHandle::new(generation * SESSIONS_MAX as u32 + handle.get())
    }

    /// The session that a front's number means, [`SessionHandle::NONE`] if that was forgotten.
    fn session_of(&self, handle: SessionHandle) -> SessionHandle {
        let own = SessionHandle::new(handle.get() % SESSIONS_MAX as u32);
        if self.front_handle(own) == handle { own } else { SessionHandle::NONE }
    }

    fn process_commands(
        &mut self,
        session: SessionHandle,
        scope: Scope,
        work: &mut Work,
        mut has_room: bool,
    ) -> Result<(), JournalError> {
        // The input is set aside so that replies can be pushed while it is read; it keeps its room.
        let input = std::mem::take(&mut work.input);
        let payloads = std::mem::take(&mut work.payloads);
        let commands = payloads.iter().flat_map(|range| Commands::new(&input[range.clone()]));
        let mut commands = commands.map(Parsed::new);
        let mut ahead = Ahead::default();
        loop {
            let state = &self.state;
            let next = ahead.next(
                &mut commands,
                |command| state.prefetch_first(command),
                |command| state.prefetch_second(command),
            );
            let Some(command) = next else { break };
            if self.writer.staged_bytes() >= self.options.batch_bytes {
                self.commit()?;
                self.walk();
                has_room = self.reserve()?;
            }
            self.process_command(session, scope, command, work, has_room);
        }
        work.input = input;
        work.payloads = payloads;
        Ok(())
    }

    #[inline]
    fn process_command(
        &mut self,
        session: SessionHandle,
        scope: Scope,
        parsed: &Parsed<'_>,
        work: &mut Work,
        has_room: bool,
    ) {
        let command = &parsed.raw;
        if command.is_query() {
            return self.answer(scope, command, work);
        }
        let record = self.writer.begin_record();
        let decision = match &parsed.body {
            Ok(body) if scope != Scope::Everything => self.state.check_scope(scope, body),
            _ => Ok(()),
        }
        .map_or_else(Decision::Rejected, |()| {
            self.state.decide(session, self.now_us, parsed, &mut self.scratch, record)
        });
        let header = match decision {
            // Only now, for what was accepted before is answered as before, and what is refused in any case is told why.
            Decision::Event(_) if !has_room => {
                self.writer.cancel_record();
                self.stats.rejected_count += 1;
                self.doors.meters.refused(RejectCode::StorageFull);
                rejected_reply(command, Rejection::storage_full(), self.state.sequence())
            }
            Decision::Event(kind) => {
                let accepted = self.journal_and_apply(kind as u16);
                self.stats.accepted_count += 1;
                self.refill();
                accepted_reply(command, Outcome::Accepted, accepted)
            }
            Decision::Before(accepted) => {
                self.writer.cancel_record();
                self.stats.repeated_count += 1;
                accepted_reply(command, Outcome::AcceptedBefore, accepted)
            }
            Decision::Rejected(rejection) => {
                self.writer.cancel_record();
                self.stats.rejected_count += 1;
                self.doors.meters.refused(rejection.code);
                rejected_reply(command, rejection, self.state.sequence())
            }
        };
        work.push_reply(REPLY_HEADER_BYTES, |out| out.extend_from_slice(header.as_bytes()));
    }

    /// Ends the record that a decision has written and applies it: what is in the journal is what is in the state.
    #[inline]
    fn journal_and_apply(&mut self, kind: u16) -> Accepted {
        let (sequence, payload) = self.writer.end_record(kind, EVENT_VERSION);
        match Event::read(kind, EVENT_VERSION, payload) {
            Ok(event) => self.state.apply(sequence, self.now_us, &event),
            Err(error) => panic!("event {sequence} was written and cannot be read: {error}"),
        }
    }

    fn answer(&mut self, scope: Scope, command: &RawCommand<'_>, work: &mut Work) {
        self.stats.answered_count += 1;
        let mut view = Vec::new();
        let answer = match self.state.answer_within(scope, command, &mut view) {
            Ok(_) if work.output_bytes() + view.len() > OUTPUT_BYTES_MAX => Err(Rejection::busy()),
            Ok(_) if view.len() > VIEW_BYTES_MAX => Err(Rejection::too_large(view.len())),
            answer => answer,
        };
        let mut header = match answer {
            Ok(answer) => accepted_reply(command, Outcome::Answered, answer),
            Err(rejection) => {
                view.clear();
                rejected_reply(command, rejection, self.state.sequence())
            }
        };
        view.resize(view.len().next_multiple_of(8), 0);
        header.bytes = ((REPLY_HEADER_BYTES + view.len()) as u32).into();
        work.push_reply(REPLY_HEADER_BYTES + view.len(), |out| {
            out.extend_from_slice(header.as_bytes());
            out.extend_from_slice(&view);
        });
    }

    fn commit(&mut self) -> Result<(), JournalError> {
        if self.writer.staged_count() > 0 {
            self.stats.batch_count += 1;
            self.writer.commit(self.now_us)?;
        }
        Ok(())
    }

    /// Goes on with the snapshot under way, or begins one that was asked for, by one piece. Everything decided must have been
    /// committed. Says whether it did something, so that there may be more to do.
    fn walk(&mut self) -> bool {
        let Some(snapshots) = &self.doors.snapshots else { return false };
        let is_beginning = !self.state.is_walking();
        if is_beginning && !snapshots.take_wish() {
            return false;
        }
        let start_us = (self.clock_us)();
        if is_beginning {
            assert_eq!(self.writer.staged_count(), 0, "a snapshot begins behind a whole batch");
            self.state.begin_walk();
            snapshots.begin(self.writer.position());
        }
        let has_walked = snapshots.walk(&mut self.state);
        let took_us = (self.clock_us)().saturating_sub(start_us).max(0) as u64;
        self.stats.walk_step_count += u64::from(has_walked);
        self.stats.walk_step_us_max = self.stats.walk_step_us_max.max(took_us);
        has_walked
    }

    /// The same at the end of a turn, when [`Engine::make_durable`] follows.
    fn append(&mut self) -> Result<(), JournalError> {
        if self.writer.staged_count() > 0 {
            self.stats.batch_count += 1;
            self.writer.append(self.now_us)?;
        }
        Ok(())
    }

    /// Has the journal sync what was appended: itself, on this thread, if there is nothing to decide meanwhile. No reply
    /// waits longer for that, for none may leave before the sync is done.
    fn make_durable(&mut self) -> Result<(), JournalError> {
        let is_idle = !self.has_work();
        self.writer.sync_or_wake(is_idle)
    }

    /// Gives every work back to the door that it came through. The sync thread wakes the fronts when more is
    /// durable; only what may be released at once must be told by us.
    fn hand_back(&mut self, turn: &mut Vec<(usize, Box<Work>)>) {
        for (index, work) in turn.drain(..) {
            let release_at = work.release_at;
            self.doors.ends[index].hand_back(work, release_at);
        }
    }

    /// Waits while too much is appended and not yet durable. Meanwhile the doors fill, credits run out and TCP slows
    /// the clients down: there is no other back-pressure.
    fn hold_back(&mut self) -> Result<(), JournalError> {
        while self.writer.is_behind() {
            if let Some(failure) = self.doors.watermark.failure() {
                return Err(JournalError::Poisoned(failure));
            }
            let next = self.doors.watermark.durable() + 1;
            self.doors.watermark.wait_for(next, Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Rejection {
    fn storage_full() -> Self {
        Self::new(RejectCode::StorageFull)
    }

    fn busy() -> Self {
        Self::new(RejectCode::Busy)
    }

    fn too_large(bytes: usize) -> Self {
        Self::new(RejectCode::AnswerTooLarge).with(bytes as u64)
    }
}
