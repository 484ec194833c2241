//! Sessions: what each client's requests came to, so that asking again is safe.
//!
//! A session remembers its accepted requests for [`SESSION_WINDOW`] request numbers back (those that have a key instead of a number are elsewhere: see `keys`). A request inside the window
//! that is not remembered was never accepted, so deciding it is safe however often it comes. Rejections are
//! not remembered: they changed nothing, and a flood of them must not fill anything.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use orderline_protocol::limits::{SESSION_WINDOW, SESSIONS_MAX};
use orderline_protocol::{Request, Sequence, SessionHandle, SessionId};
use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::frozen::Frozen;
use super::hash::{Sum, put};
use crate::bugs::is_planted;

/// The first answer to an accepted request: all that is needed to give it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Answer {
    /// Where it took effect; 0: nothing is remembered here.
    pub(crate) sequence: Sequence,
    pub(crate) detail: u64,
    pub(crate) version: u32,
    pub(crate) digest: u32,
    pub(crate) state: u8,
    pub(crate) reserved: [u8; 7],
}

impl Answer {
    const NONE: Self = Self { sequence: 0, detail: 0, version: 0, digest: 0, state: 0, reserved: [0; 7] };
}

/// What a session knows about a request number.
pub(crate) enum Known {
    /// It may be decided: it is new, or it was never accepted.
    Undecided,
    /// It was accepted.
    Accepted(Answer),
    /// It lies too far back to tell.
    TooOld,
}

pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// For whom its requests count: an access token's number; 0: nobody was named.
    pub(crate) actor: u32,
    /// The newest request accepted.
    pub(crate) last_request: Request,
    /// Where its newest accepted request took effect (or where it was opened): the idle measure.
    pub(crate) last_sequence: Sequence,
    /// At (request - 1) modulo the window. Grows with the request numbers until it is as long as the window.
    answers: Vec<Answer>,
    /// What it was when the snapshot under way began, if it has changed since.
    before: Option<Box<Before>>,
}

/// What a session was when a snapshot began.
struct Before {
    /// The snapshot's sequence: newer answers are no part of it.
    sequence: Sequence,
    actor: u32,
    last_request: Request,
    last_sequence: Sequence,
    /// By their places: the answers that were there and have been overwritten since.
    answers: BTreeMap<usize, Answer>,
}

impl Session {
    pub(crate) fn new(id: SessionId, actor: u32, sequence: Sequence) -> Self {
        Self { id, actor, last_request: 0, last_sequence: sequence, answers: Vec::new(), before: None }
    }

    fn slot(request: Request) -> usize {
        ((request - 1) % SESSION_WINDOW) as usize
    }

    #[inline]
    fn known(&self, request: Request) -> Known {
        if request > self.last_request {
            return Known::Undecided;
        }
        let window = SESSION_WINDOW - u64::from(is_planted("forget-one-request-of-the-window"));
        if request == 0 || request + window <= self.last_request {
            return Known::TooOld;
        }
        match self.answers.get(Self::slot(request)) {
            Some(answer) if answer.sequence != 0 => Known::Accepted(*answer),
            _ => Known::Undecided,
        }
    }

    #[inline]
    pub(crate) fn remember(&mut self, request: Request, answer: Answer) {
        let slot = Self::slot(request);
        if slot >= self.answers.len() {
            self.answers.resize((slot + 1).next_power_of_two().max(64), Answer::NONE);
        }
        if request > self.last_request {
            // The numbers in between were never accepted; what stood in their places is older than the window.
            let from = (self.last_request + 1).max(request.saturating_sub(SESSION_WINDOW - 1));
            for skipped in from..request {
                if Self::slot(skipped) < self.answers.len() {
                    self.put(Self::slot(skipped), Answer::NONE);
                }
            }
            self.last_request = request;
        }
        self.put(slot, answer);
        self.last_sequence = self.last_sequence.max(answer.sequence);
    }

    #[inline]
    fn put(&mut self, slot: usize, answer: Answer) {
        let old = std::mem::replace(&mut self.answers[slot], answer);
        if let Some(before) = &mut self.before
            && (1..=before.sequence).contains(&old.sequence)
        {
            before.answers.insert(slot, old);
        }
    }

    /// It is about to change, and a snapshot at this sequence needs it as it is.
    #[cold]
    fn keep(&mut self, sequence: Sequence) {
        let Self { actor, last_request, last_sequence, .. } = *self;
        let new = || Before { sequence, actor, last_request, last_sequence, answers: BTreeMap::new() };
        self.before.get_or_insert_with(|| Box::new(new()));
    }

    /// What it remembers, oldest request first.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (Request, &Answer)> {
        window(self.last_request).filter_map(|request| {
            let answer = self.answers.get(Self::slot(request))?;
            (answer.sequence != 0).then_some((request, answer))
        })
    }

    /// What it remembered when the snapshot under way began.
    fn answers_before<'a>(&'a self, before: &'a Before) -> Vec<(Request, &'a Answer)> {
        let answer = |request| {
            let slot = Self::slot(request);
            let is_old = |answer: &&Answer| (1..=before.sequence).contains(&answer.sequence);
            let kept = before.answers.get(&slot).or_else(|| self.answers.get(slot).filter(is_old));
            kept.map(|answer| (request, answer))
        };
        window(before.last_request).filter_map(answer).collect()
    }

    /// Writes it as a snapshot keeps it: as it was when that began.
    fn put_image(&self, out: &mut Vec<u8>, sum: &mut Sum) {
        let (head, answers) = match &self.before {
            Some(before) => {
                let Before { actor, last_request, last_sequence, .. } = **before;
                (
                    SessionHead { id: self.id.get(), actor, last_request, last_sequence },
                    self.answers_before(before),
                )
            }
            None => (self.head(), self.answers().collect::<Vec<_>>()),
        };
        let answers = if is_planted("leave-the-answers-out-of-a-snapshot") { Vec::new() } else { answers };
        put(&(&head, answers.len() as u64), out);
        // A whole window is one step of a walk, and commands wait for it: 1.26 ms with `put` for each answer. Here are the bytes that
        // it makes of a number and a list of bytes.
        out.reserve(answers.len() * (size_of::<Request>() + size_of::<u64>() + size_of::<Answer>()));
        for (request, answer) in &answers {
            out.extend_from_slice(&request.to_le_bytes());
            out.extend_from_slice(&(size_of::<Answer>() as u64).to_le_bytes());
            out.extend_from_slice(answer.as_bytes());
        }
        head.add_hash(answers.into_iter(), sum);
    }

    fn head(&self) -> SessionHead {
        let Self { id, actor, last_request, last_sequence, .. } = *self;
        SessionHead { id: id.get(), actor, last_request, last_sequence }
    }

    /// Adds its hash.
    pub(super) fn add_hash(&self, sum: &mut Sum) {
        self.head().add_hash(self.answers(), sum);
    }
}

/// What a snapshot has of a session before its answers.
#[derive(Serialize, Deserialize)]
pub(super) struct SessionHead {
    pub(super) id: u128,
    pub(super) actor: u32,
    pub(super) last_request: Request,
    pub(super) last_sequence: Sequence,
}

impl SessionHead {
    fn add_hash<'a>(&self, answers: impl Iterator<Item = (Request, &'a Answer)>, sum: &mut Sum) {
        sum.add(6, |out| {
            put(self, out);
            out.reserve(answers.size_hint().0 * (size_of::<Request>() + size_of::<Answer>()));
            for (request, answer) in answers {
                out.extend_from_slice(&request.to_le_bytes());
                out.extend_from_slice(answer.as_bytes());
            }
        });
    }
}

/// The requests that a session whose newest one is this can remember.
fn window(last_request: Request) -> impl Iterator<Item = Request> {
    last_request.saturating_sub(SESSION_WINDOW - 1).max(1)..=last_request
}

pub(crate) struct Sessions {
    secrets: RapidSecrets,
    by_handle: Vec<Session>,
    /// Handles by the hash of their ids. Only ever asked, never iterated.
    by_id: HashTable<SessionHandle>,
    /// While a snapshot is made: what it still needs.
    frozen: Option<Box<FrozenSessions>>,
}

/// What a snapshot that is being made still needs of the sessions, which it has in the order of their handles.
struct FrozenSessions {
    /// By handle.
    frozen: Frozen,
    /// The snapshot's sequence.
    sequence: Sequence,
    /// Sessions that were forgotten meanwhile, by handle.
    forgotten: BTreeMap<usize, Session>,
}

fn hash(secrets: &RapidSecrets, id: SessionId) -> u64 {
    rapidhash_v3_nano_inline::<true, false>(&id.get().to_le_bytes(), secrets)
}

impl Sessions {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            secrets: RapidSecrets::seed(seed),
            by_handle: Vec::new(),
            by_id: HashTable::new(),
            frozen: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_handle.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.by_handle.iter()
    }

    pub(crate) fn find(&self, id: SessionId) -> Option<(SessionHandle, &Session)> {
        let handle =
            *self.by_id.find(hash(&self.secrets, id), |handle| self.by_handle[handle.index()].id == id)?;
        Some((handle, &self.by_handle[handle.index()]))
    }

    #[inline]
    pub(crate) fn known(&self, handle: SessionHandle, request: Request) -> Known {
        match self.by_handle.get(handle.index()) {
            Some(session) => session.known(request),
            None => Known::TooOld,
        }
    }

    /// The id of the session that has a handle.
    pub(crate) fn id_of(&self, handle: SessionHandle) -> Option<SessionId> {
        self.by_handle.get(handle.index()).map(|session| session.id)
    }

    /// The handle that the next session to be opened gets: a new one, or that of the session idle longest.
    pub(crate) fn next_handle(&self) -> SessionHandle {
        if self.by_handle.len() < SESSIONS_MAX {
            return SessionHandle::new(self.by_handle.len() as u32);
        }
        // Sequences differ, so there is one oldest. Opening sessions is rare; a walk over 16 k of them takes
        // some ten microseconds.
        let oldest = self.by_handle.iter().enumerate().min_by_key(|(_, session)| session.last_sequence);
        SessionHandle::new(oldest.map_or(0, |(index, _)| index as u32))
    }

    /// Opens a session under a handle for an actor: the one that has the handle goes on if it is the same, and is forgotten
    /// if it is another.
    pub(crate) fn open(&mut self, handle: SessionHandle, id: SessionId, actor: u32, sequence: Sequence) {
        match self.by_handle.get(handle.index()) {
            Some(session) if session.id == id => {
                let session = self.changing(handle);
                (session.actor, session.last_sequence) = (actor, sequence);
            }
            _ => self.insert(handle, Session::new(id, actor, sequence)),
        }
    }

    /// Puts a session under a handle, forgetting the one that had it.
    pub(crate) fn insert(&mut self, handle: SessionHandle, session: Session) {
        let id = session.id;
        if handle.index() == self.by_handle.len() {
            self.by_handle.push(session);
        } else {
            let old = std::mem::replace(&mut self.by_handle[handle.index()], session);
            if let Ok(entry) = self.by_id.find_entry(hash(&self.secrets, old.id), |&other| other == handle) {
                entry.remove();
            }
            if let Some(frozen) = &mut self.frozen
                && frozen.frozen.is_needed(handle.index())
            {
                // Of several that had the handle, the first one is part of the snapshot.
                frozen.forgotten.entry(handle.index()).or_insert(old);
            }
        }
        let Self { secrets, by_handle, by_id, .. } = self;
        by_id.insert_unique(hash(secrets, id), handle, |other| hash(secrets, by_handle[other.index()].id));
    }

    #[inline]
    pub(crate) fn remember(&mut self, handle: SessionHandle, request: Request, answer: Answer) {
        self.changing(handle).remember(request, answer);
    }

    /// A request that is remembered elsewhere took effect: the session is not idle. Returns its id.
    pub(crate) fn touch(&mut self, handle: SessionHandle, sequence: Sequence) -> SessionId {
        let session = self.changing(handle);
        session.last_sequence = sequence;
        session.id
    }

    /// A session that is about to change.
    #[inline]
    fn changing(&mut self, handle: SessionHandle) -> &mut Session {
        let session = &mut self.by_handle[handle.index()];
        if let Some(frozen) = &self.frozen
            && frozen.frozen.is_needed(handle.index())
        {
            session.keep(frozen.sequence);
        }
        session
    }

    /// Begins a snapshot at a sequence: a list of sessions, its length first.
    pub(crate) fn freeze(&mut self, sequence: Sequence) {
        let mut frozen = Frozen::new(self.by_handle.len());
        put(&(self.by_handle.len() as u64), frozen.kept().0);
        self.frozen = Some(Box::new(FrozenSessions { frozen, sequence, forgotten: BTreeMap::new() }));
    }

    /// Forgets the snapshot under way.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
        self.by_handle.iter_mut().for_each(|session| session.before = None);
    }

    /// Writes more of the snapshot under way, about up to so many bytes (a whole session at least). Returns the sum of all
    /// hashes at its end.
    pub(crate) fn walk(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> Option<u128> {
        let FrozenSessions { frozen, forgotten, .. } = &mut **self.frozen.as_mut()?;
        let total = frozen.walk(out, bytes_max, |place, is_needed, out, sum| {
            let session = &mut self.by_handle[place];
            if is_needed {
                forgotten.remove(&place).as_ref().unwrap_or(session).put_image(out, sum);
            }
            session.before = None;
            place + 1
        });
        self.frozen.take_if(|_| total.is_some());
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(sequence: Sequence) -> Answer {
        Answer { sequence, ..Answer::NONE }
    }

    #[test]
    fn a_session_knows_what_it_accepted_within_the_window_and_nothing_else() {
        let mut session = Session::new(SessionId::new(1), 0, 1);
        for request in [1, 2, 5] {
            session.remember(request, answer(request + 100));
        }
        assert!(matches!(session.known(2), Known::Accepted(Answer { sequence: 102, .. })));
        assert!(matches!(session.known(3), Known::Undecided), "3 was refused or never came");
        assert!(matches!(session.known(6), Known::Undecided));
        session.remember(3, answer(200));
        assert_eq!((session.last_request, session.answers().count()), (5, 4));
        session.remember(5 + SESSION_WINDOW, answer(300));
        assert!(matches!(session.known(5), Known::TooOld));
        assert!(matches!(session.known(6), Known::Undecided), "the slot was cleared");
        assert_eq!(session.answers().count(), 1);
        assert!(matches!(session.known(0), Known::TooOld));
    }

    #[test]
    fn a_snapshot_has_each_session_as_it_was_at_its_handle() {
        let mut sessions = Sessions::new(4);
        for n in 0..SESSIONS_MAX as u64 {
            let handle = sessions.next_handle();
            sessions.open(handle, SessionId::new(n.into()), 0, n + 1);
        }
        let begun = SESSIONS_MAX as u64 + 10;
        for request in 1..=5 {
            sessions.remember(SessionHandle::new(9_000), request, answer(begun - 5 + request));
        }
        let image = |sessions: &mut Sessions, bytes: usize, step: fn(&mut Sessions, u64)| {
            sessions.freeze(SESSIONS_MAX as u64 + 10);
            let (mut image, mut steps) = (Vec::new(), 0);
            loop {
                let up_to = image.len() + bytes;
                if let Some(total) = sessions.walk(&mut image, up_to) {
                    return (image, total);
                }
                steps += 1;
                step(sessions, steps);
            }
        };
        let at_rest = image(&mut sessions, 1 << 20, |_, _| {});
        let changing = image(&mut sessions, 5_000, |sessions, step| {
            // One is forgotten and its number goes round, one overwrites what it had answered, one goes far ahead.
            let sequence = SESSIONS_MAX as u64 + 10 + step * 10;
            let handle = sessions.next_handle();
            sessions.open(handle, SessionId::new(u128::from(step) << 64), 0, sequence);
            sessions.remember(handle, 1, answer(sequence + 1));
            sessions.remember(SessionHandle::new(9_000), SESSION_WINDOW + step, answer(sequence + 2));
            let far = SessionHandle::new(SESSIONS_MAX as u32 - 1);
            sessions.remember(far, step * 9_000, answer(sequence + 3));
            // Handles that the walk comes to late are forgotten, too, and more than once.
            let late = SessionHandle::new(12_000 + step as u32 % 3);
            sessions.open(late, SessionId::new(u128::from(step) << 64 | 1), 0, sequence);
            // One goes on for somebody else.
            sessions.open(SessionHandle::new(15_000), SessionId::new(15_000), step as u32, sequence + 4);
        });
        assert!(changing == at_rest, "the snapshot is another one when sessions change meanwhile");
        assert!(sessions.by_handle.iter().all(|session| session.before.is_none()));
    }

    #[test]
    fn a_session_too_many_forgets_the_one_idle_longest() {
        let mut sessions = Sessions::new(9);
        for n in 0..SESSIONS_MAX as u64 {
            let handle = sessions.next_handle();
            sessions.open(handle, SessionId::new(n.into()), 0, n + 1);
        }
        sessions.remember(SessionHandle::new(0), 1, answer(1_000_000));
        let handle = sessions.next_handle();
        assert_eq!(handle.get(), 1, "session 0 was active since");
        sessions.open(handle, SessionId::new(u128::MAX), 0, 1_000_001);
        assert!(sessions.find(SessionId::new(1)).is_none());
        assert_eq!(sessions.find(SessionId::new(u128::MAX)).map(|(handle, _)| handle.get()), Some(1));
        assert_eq!(sessions.len(), SESSIONS_MAX);
    }
}
