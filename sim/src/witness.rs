//! The witness: a replay of the journal that stays behind the clients, so that it stands at every sequence that an answer
//! may speak of, and is asked there what the server was asked.

use std::collections::{BTreeMap, VecDeque};

use orderline_core::state::{Parsed, State};
use orderline_core::{Decision, Scratch, StateHash};
use orderline_protocol::command::{CommandKind, RawCommand};
use orderline_protocol::event::{EVENT_VERSION, Event};
use orderline_protocol::reply::{Outcome, ReplyHeader};
use orderline_protocol::{RejectCode, Sequence, SessionHandle, SessionId};

use crate::faults::Tally;

/// A command with what its client was told of it.
pub struct Told {
    /// Who asked.
    pub session: SessionId,
    /// The command's bytes, with its header.
    pub command: Vec<u8>,
    /// The answer's fixed part.
    pub header: ReplyHeader,
    /// What followed it.
    pub view: Vec<u8>,
    /// The latest that the wall clock had ever said when the answer came, in microseconds since 1970.
    pub wall_us: i64,
}

/// A record of the journal.
pub struct Kept {
    /// Its sequence.
    pub sequence: Sequence,
    /// When it was recorded.
    pub recorded_at_us: i64,
    /// Its kind.
    pub kind: u16,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// A state that follows the journal at a distance.
pub struct Witness {
    state: State,
    scratch: Scratch,
    ahead: VecDeque<Kept>,
    recorded_at_us: i64,
    /// By the sequence at which the witness has to stand: questions, refusals and acceptances.
    asked: BTreeMap<Sequence, Vec<Told>>,
    accepted: BTreeMap<Sequence, Vec<Told>>,
}

/// Applies a record.
///
/// # Panics
/// If it is no event of this version: the recovery has read it.
pub fn apply(state: &mut State, kept: &Kept) -> orderline_core::state::Accepted {
    let event = Event::read(kept.kind, EVENT_VERSION, &kept.payload)
        .unwrap_or_else(|error| panic!("record {} is unreadable: {error}", kept.sequence));
    state.apply(kept.sequence, kept.recorded_at_us, &event)
}

impl Witness {
    /// A witness at the beginning.
    pub fn new(seed: u64) -> Self {
        Self {
            state: State::new(seed),
            scratch: Scratch::default(),
            ahead: VecDeque::new(),
            recorded_at_us: 0,
            asked: BTreeMap::new(),
            accepted: BTreeMap::new(),
        }
    }

    /// Where it stands.
    pub fn sequence(&self) -> Sequence {
        self.state.sequence()
    }

    /// The state's hash there.
    pub fn hash(&self) -> StateHash {
        self.state.hash()
    }

    /// Takes a record that it will come to.
    pub fn push(&mut self, kept: Kept) {
        self.ahead.push_back(kept);
    }

    /// Takes what somebody was told, to be checked when it stands there; `is_new`: the record there is of this request.
    ///
    /// # Errors
    /// The answer speaks of a sequence that it cannot speak of any more.
    pub fn ask(&mut self, told: Told, is_new: bool) -> Result<(), String> {
        let sequence = told.header.sequence.get();
        if sequence < self.sequence() + u64::from(is_new) {
            return Err(format!(
                "an answer speaks of {sequence}, the past: nobody who waits was there at {}",
                self.sequence()
            ));
        }
        let checks = if is_new { &mut self.accepted } else { &mut self.asked };
        checks.entry(sequence).or_default().push(told);
        Ok(())
    }

    /// Goes on up to that sequence, checking on its way.
    ///
    /// # Errors
    /// The first answer that is not what it would say.
    pub fn advance(&mut self, to: Sequence, tally: &mut Tally) -> Result<(), String> {
        loop {
            for told in self.asked.remove(&self.sequence()).unwrap_or_default() {
                self.check_asked(&told, tally)?;
            }
            if self.sequence() >= to {
                return Ok(());
            }
            let Some(kept) = self.ahead.pop_front() else { return Ok(()) };
            let accepted = apply(&mut self.state, &kept);
            self.recorded_at_us = kept.recorded_at_us;
            for told in self.accepted.remove(&kept.sequence).unwrap_or_default() {
                tally.accepts_checked += 1;
                let header = &told.header;
                let found = (header.detail.get(), header.state, header.version.get());
                let expected = (accepted.detail, accepted.state, accepted.version);
                if found != expected {
                    return Err(format!(
                        "H: request {} was accepted at {} with {found:?}; its replay gives {expected:?}",
                        header.request, header.sequence
                    ));
                }
            }
        }
    }

    fn check_asked(&mut self, told: &Told, tally: &mut Tally) -> Result<(), String> {
        let command = RawCommand::take(&mut &told.command[..]).map_err(|error| error.to_string())?;
        if command.is_query() {
            self.check_read(&command, told, tally)
        } else {
            self.check_refusal(command, told, tally)
        }
    }

    /// A query's answer is what the replay says at the answer's sequence.
    fn check_read(&self, command: &RawCommand<'_>, told: &Told, tally: &mut Tally) -> Result<(), String> {
        let header = &told.header;
        let is_between = command.kind == CommandKind::QueryAvailability as u8
            && header.outcome == Outcome::Answered as u8
            && header.detail.get() != header.sequence.get();
        if is_between || header.code.get() == RejectCode::Busy as u16 {
            return Ok(());
        }
        let mut view = Vec::new();
        let answer = self.state.answer(command, &mut view);
        view.resize(view.len().next_multiple_of(8), 0);
        let expected = match answer {
            Ok(answer) => (Outcome::Answered as u8, 0, answer.detail, answer.state, answer.version),
            Err(no) => (Outcome::Rejected as u8, no.code as u16, no.detail, no.state, no.version),
        };
        let found =
            (header.outcome, header.code.get(), header.detail.get(), header.state, header.version.get());
        tally.reads_checked += 1;
        if found != expected || told.view != view {
            return Err(format!(
                "query {} of kind {} was answered {found:?} and {} bytes at {}; a replay to there says {expected:?} and {} \
                 bytes: not linearizable",
                header.request,
                command.kind,
                told.view.len(),
                header.sequence,
                view.len()
            ));
        }
        Ok(())
    }

    /// A refusal, or an acceptance that needed no record, is what a replay says at its sequence, at the time of the last
    /// record there or when it was told.
    fn check_refusal(
        &mut self,
        command: RawCommand<'_>,
        told: &Told,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let (code, header) = (told.header.code.get(), &told.header);
        if code == RejectCode::StorageFull as u16 || code == RejectCode::Busy as u16 {
            return Ok(());
        }
        let session = self.state.session(told.session).map_or(SessionHandle::NONE, |(handle, _)| handle);
        let parsed = Parsed::new(command);
        let mut said = Vec::new();
        for now_us in [self.recorded_at_us, told.wall_us] {
            let decision = self.state.decide(session, now_us, &parsed, &mut self.scratch, &mut Vec::new());
            let is_same = match decision {
                Decision::Rejected(no) => no.code as u16 == code,
                Decision::Before(before) => {
                    header.outcome == Outcome::AcceptedBefore as u8 && before.detail == header.detail.get()
                }
                Decision::Event(_) => false,
            };
            if is_same {
                tally.rejections_checked += 1;
                return Ok(());
            }
            said.push(format!("{decision:?}"));
        }
        Err(format!(
            "request {} of kind {} was told {:?} {:?} at {}; a replay to there says {}",
            header.request,
            command.kind,
            Outcome::from_number(header.outcome),
            RejectCode::from_number(code),
            header.sequence,
            said.join(" or ")
        ))
    }

    /// Whether everything that it was handed has been checked.
    pub fn is_done(&self) -> bool {
        self.asked.is_empty() && self.accepted.is_empty() && self.ahead.is_empty()
    }
}
