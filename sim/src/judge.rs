//! The judge: everything that clients asked and were told, held against the journal, while they live and after every crash.
//!
//! The journal gives a total order. A history is linearizable if there is an order of its operations that respects real time
//! and in which each says what it must: the journal's order is the candidate, and these are the two things checked.
//! Real time: what was told before an operation began lies before what the operation is told. Saying: a replay to the
//! operation's sequence answers the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use orderline_client::OwnedReply;
use orderline_core::state::State;
use orderline_journal::{MemoryStorage, Reader, Record, Start, Storage};
use orderline_protocol::command::RawCommand;
use orderline_protocol::event::{Event, EventKind, Origin};
use orderline_protocol::reply::Outcome;
use orderline_protocol::{RejectCode, Request, Sequence, SessionId};
use xxhash_rust::xxh3::xxh3_64;
use zerocopy::FromBytes;

use crate::faults::Tally;
use crate::server::Found;
use crate::witness::{Kept, Told, Witness, apply};

/// A request of a session.
type Key = (u128, Request);

/// A record as it was once durable.
struct Entry {
    hash: u64,
    /// Whose request made it; `None`: the core's own doing.
    key: Option<Key>,
    digest: u32,
}

/// A command that its client waits for.
struct Waiting {
    command: Vec<u8>,
    digest: u32,
    /// The newest sequence that anybody had been told when it was asked.
    floor: Sequence,
}

/// Judges one life.
pub struct Judge {
    entries: Vec<Entry>,
    sessions: Vec<SessionId>,
    /// Requests that took effect.
    taken: HashMap<Key, Sequence>,
    /// Ids of orders and reservations that were made.
    made: HashSet<u128>,
    /// Digests of all that was ever asked under a number.
    asked: HashMap<Key, Vec<u32>>,
    waiting: BTreeMap<Key, Waiting>,
    told_max: Sequence,
    durable_max: Sequence,
    /// A replay of all that was durable, from the first record, under a hash seed of its own.
    replica: State,
    witness: Witness,
    reader: Option<Reader>,
    wall_us_max: i64,
    /// What was counted.
    pub tally: Tally,
}

impl Judge {
    /// A judge before anything has happened.
    pub fn new(seed: u64) -> Self {
        Self {
            entries: Vec::new(),
            sessions: Vec::new(),
            taken: HashMap::new(),
            made: HashSet::new(),
            asked: HashMap::new(),
            waiting: BTreeMap::new(),
            told_max: 0,
            durable_max: 0,
            replica: State::new(seed ^ 0x9e37_79b9),
            witness: Witness::new(seed ^ 0x7f4a_7c15),
            reader: None,
            wall_us_max: 0,
            tally: Tally::default(),
        }
    }

    /// The wall clock says this.
    pub fn see_wall(&mut self, wall_us: i64) {
        self.wall_us_max = self.wall_us_max.max(wall_us);
    }

    /// The newest sequence that was durable.
    pub fn durable(&self) -> Sequence {
        self.durable_max
    }

    /// The newest sequence that anybody was told.
    pub fn told_max(&self) -> Sequence {
        self.told_max
    }

    /// A client has asked.
    pub fn begin(&mut self, session: SessionId, request: Request, command: Vec<u8>) {
        let digest = RawCommand::take(&mut &command[..]).map_or(0, |raw| raw.digest());
        let key = (session.get(), request);
        self.asked.entry(key).or_default().push(digest);
        self.waiting.insert(key, Waiting { command, digest, floor: self.told_max });
    }

    /// A client is gone: what it waits for will not be told.
    pub fn abandon(&mut self, session: SessionId) {
        let before = self.waiting.len();
        self.waiting.retain(|key, _| key.0 != session.get());
        self.tally.abandoned += (before - self.waiting.len()) as u64;
    }

    /// Commands of a session that wait for their answer.
    pub fn waiting_count(&self, session: SessionId) -> usize {
        self.waiting.range((session.get(), 0)..=(session.get(), u64::MAX)).count()
    }

    /// A client was told.
    ///
    /// # Errors
    /// What must not be.
    pub fn told(&mut self, session: SessionId, reply: &OwnedReply, durable: Sequence) -> Result<(), String> {
        let header = reply.header;
        let (request, sequence) = (header.request.get(), header.sequence.get());
        let key = (session.get(), request);
        // While it waits, the witness stays where it may have to answer for it.
        if sequence > self.entries.len() as u64 {
            self.absorb(durable)?;
        }
        let Some(waiting) = self.waiting.remove(&key) else {
            return Err(format!("request {request} was answered and nobody waits for it"));
        };
        self.tally.commands += 1;
        if sequence > self.entries.len() as u64 {
            return Err(format!(
                "request {request} was told of sequence {sequence}, and only {} is durable",
                self.entries.len()
            ));
        }
        let outcome = Outcome::from_number(header.outcome);
        // What this answer may be older than its question for: another request had made the same order before, or an older
        // event stands in the way.
        let (mut is_old, mut is_idle) = (false, false);
        match outcome {
            Some(outcome @ (Outcome::Accepted | Outcome::AcceptedBefore)) => {
                let is_first = outcome == Outcome::Accepted;
                *(if is_first { &mut self.tally.accepted } else { &mut self.tally.accepted_before }) += 1;
                let entry = &self.entries[sequence as usize - 1];
                let is_own = entry.key == Some(key);
                is_old = !is_first && !is_own && entry.digest == waiting.digest;
                // What asks for nothing new is accepted as if before, without a record.
                is_idle = !is_first && !is_own && !is_old;
                if (is_first || is_own) && (!is_own || entry.digest != waiting.digest) {
                    return Err(format!(
                        "A: request {request} of digest {:08x} was accepted at {sequence} ({outcome:?}), and the record \
                         there is of {:?} with digest {:08x}",
                        waiting.digest, entry.key, entry.digest
                    ));
                }
            }
            Some(Outcome::Rejected) => {
                self.tally.rejected += 1;
                if let Some(&at) = self.taken.get(&key)
                    && self.entries[at as usize - 1].digest == waiting.digest
                {
                    return Err(format!("B: request {request} was refused, and took effect at {at}"));
                }
            }
            Some(Outcome::Answered) => self.tally.answered += 1,
            None => return Err(format!("request {request} has no outcome")),
        }
        is_old |= is_reuse(header.code.get());
        let is_new = matches!(outcome, Some(Outcome::Accepted | Outcome::AcceptedBefore)) && !is_idle;
        if !is_old && sequence < waiting.floor + u64::from(is_new) {
            return Err(format!(
                "request {request} was told {outcome:?} {:?} at {sequence}; before it was asked, somebody had been told of {}: \
                 not linearizable",
                RejectCode::from_number(header.code.get()),
                waiting.floor
            ));
        }
        if !is_old {
            let told = Told {
                session,
                command: waiting.command,
                header,
                view: reply.view.clone(),
                wall_us: self.wall_us_max,
            };
            self.witness.ask(told, is_new)?;
            self.told_max = self.told_max.max(sequence);
        }
        Ok(())
    }

    /// Takes in what is durable and lets the witness follow.
    ///
    /// # Errors
    /// What must not be.
    pub fn absorb(&mut self, durable: Sequence) -> Result<(), String> {
        if durable < self.durable_max {
            return Err(format!("the watermark fell from {} to {durable}", self.durable_max));
        }
        self.durable_max = durable;
        let Some(mut reader) = self.reader.take() else { return Ok(()) };
        while let Some(batch) =
            reader.next_batch(durable).map_err(|error| format!("the journal is unreadable: {error}"))?
        {
            let recorded_at_us = batch.recorded_at_us;
            for record in batch.records() {
                self.note(&record, recorded_at_us)?;
            }
        }
        self.reader = Some(reader);
        let reached = self.entries.len() as u64;
        let oldest = self.waiting.values().map(|waiting| waiting.floor).min();
        self.witness.advance(oldest.unwrap_or(reached).min(reached), &mut self.tally)
    }

    fn note(&mut self, record: &Record<'_>, recorded_at_us: i64) -> Result<(), String> {
        let hash = xxh3_64(record.payload) ^ u64::from(record.kind) ^ recorded_at_us as u64;
        let next = self.entries.len() as u64 + 1;
        let sequence = record.sequence;
        if sequence > next {
            return Err(format!("A: the journal goes on with {sequence}, {next} is missing"));
        }
        if sequence < next {
            let is_same = self.entries[sequence as usize - 1].hash == hash;
            return if is_same {
                Ok(())
            } else {
                Err(format!("A: record {sequence} is another one than it was"))
            };
        }
        let event = Event::read(record.kind, record.version, record.payload)
            .map_err(|error| format!("record {sequence} is unreadable: {error}"))?;
        let (key, digest) = self.origin(&event, record.payload)?;
        if let Some(key) = key {
            if let Some(before) = self.taken.insert(key, sequence) {
                return Err(format!("B: request {} took effect at {before} and again at {sequence}", key.1));
            }
            if !self.asked.get(&key).is_some_and(|digests| digests.contains(&digest)) {
                return Err(format!(
                    "record {sequence} is of request {}, which nobody made like this",
                    key.1
                ));
            }
        }
        for id in ids_of(&event) {
            if !self.made.insert(id) {
                return Err(format!("B: id {id:032x} was made a second time at {sequence}"));
            }
        }
        self.entries.push(Entry { hash, key, digest });
        let kept = Kept { sequence, recorded_at_us, kind: record.kind, payload: record.payload.to_vec() };
        apply(&mut self.replica, &kept);
        self.witness.push(kept);
        self.tally.records += 1;
        Ok(())
    }

    /// Whose request a record comes from, and the digest of that.
    fn origin(&mut self, event: &Event<'_>, payload: &[u8]) -> Result<(Option<Key>, u32), String> {
        match event {
            Event::SessionOpened(opened) => {
                let index = opened.handle.index();
                if index > self.sessions.len() {
                    return Err(format!("session {index} was opened before the ones below it"));
                }
                if index == self.sessions.len() {
                    self.sessions.push(opened.session);
                } else {
                    self.sessions[index] = opened.session;
                }
                return Ok((None, 0));
            }
            _ if is_own_doing(event.kind()) => return Ok((None, 0)),
            _ => {}
        }
        let (origin, _) =
            Origin::read_from_prefix(payload).map_err(|_| "an event without an origin".to_owned())?;
        if origin.session.is_none() {
            return Ok((None, 0));
        }
        let Some(session) = self.sessions.get(origin.session.index()) else {
            return Err(format!("an event of session {}, which was never opened", origin.session.get()));
        };
        Ok((Some((session.get(), origin.request.get())), origin.digest.get()))
    }

    /// A crash: what was durable until now was, whatever comes.
    ///
    /// # Errors
    /// What must not be.
    pub fn crashed(&mut self, durable: Sequence) -> Result<(), String> {
        self.absorb(durable)?;
        self.reader = None;
        Ok(())
    }

    /// A disk was recovered: holds what was found against what there must be.
    ///
    /// # Errors
    /// What must not be.
    pub fn recovered(&mut self, storage: &MemoryStorage, found: &Found) -> Result<(), String> {
        self.tally.recoveries += 1;
        self.tally.torn_tails += u64::from(found.is_torn);
        self.tally.started_from_snapshot += u64::from(found.snapshot_sequence > 0);
        let sequence = found.sequence;
        let due = self.told_max.max(self.durable_max);
        if sequence < due {
            return Err(format!(
                "A: the journal ends at {sequence} after the crash; {due} was durable, clients were told of {}",
                self.told_max
            ));
        }
        if let Some(broken) = found.broken.first() {
            return Err(format!(
                "C: {} invariants are broken at {sequence}, first: {broken}",
                found.broken.len()
            ));
        }
        let storage: Arc<dyn Storage> = Arc::new(storage.clone());
        let reader = Reader::open(storage, Start::Oldest)
            .map_err(|error| format!("the log is unreadable: {error}"))?;
        self.reader = Some(reader);
        self.absorb(sequence)?;
        if self.entries.len() as u64 != sequence {
            return Err(format!(
                "A: the log holds {} records, the state stands at {sequence}",
                self.entries.len()
            ));
        }
        if self.replica.hash() != found.hash {
            return Err(format!(
                "H: the state recovered at {sequence} has another hash than a replay of all records"
            ));
        }
        Ok(())
    }

    /// The state's hash at the end of all that is durable.
    pub fn hash(&self) -> orderline_core::StateHash {
        self.replica.hash()
    }

    /// The end: nobody waits any more, and everything that was told is checked.
    ///
    /// # Errors
    /// What must not be.
    pub fn finish(&mut self) -> Result<(), String> {
        self.waiting.clear();
        self.witness.advance(Sequence::MAX, &mut self.tally)?;
        if !self.witness.is_done() {
            return Err("something that was told speaks of a sequence that never came".to_owned());
        }
        let broken = self.replica.check();
        if let Some(first) = broken.first() {
            return Err(format!("C: {} invariants are broken at the end, first: {first}", broken.len()));
        }
        if self.witness.hash() != self.replica.hash() {
            return Err("H: two replays of the same records have different hashes".to_owned());
        }
        Ok(())
    }
}

/// Codes that speak of the event that stands in the way.
fn is_reuse(code: u16) -> bool {
    [
        RejectCode::OrderIdReused,
        RejectCode::GroupIdReused,
        RejectCode::ReservationIdReused,
        RejectCode::RequestReused,
    ]
    .iter()
    .any(|reuse| *reuse as u16 == code)
}

/// Events that the core makes by itself, and that name nobody.
fn is_own_doing(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::SessionOpened
            | EventKind::BackordersRefilled
            | EventKind::ShortageNamed
            | EventKind::TimePassed
            | EventKind::FinishedRetired
    )
}

/// The ids of what an event makes.
fn ids_of(event: &Event<'_>) -> Vec<u128> {
    match event {
        Event::OrderPlaced(head, ..) => vec![head.placement.order.get()],
        Event::GroupPlaced(_, orders, ..) => orders.iter().map(|order| order.order.get()).collect(),
        Event::CartReserved(head, ..) => vec![head.cart.reservation.get()],
        _ => Vec::new(),
    }
}
