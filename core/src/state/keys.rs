//! Keyed requests: those that a caller names by a key instead of numbering them, over however many connections they come.
//!
//! A key has no neighbours, so no window of a session can say what became of it: the newest accepted ones of all sessions
//! are remembered together, first in, first out. They are remembered for their session's id and not for its handle, so a session that
//! was forgotten and is opened again finds its keys. When keys were accepted that are no longer known is kept as a horizon: a caller whose
//! keys tell when they were made can then refuse one that may have been accepted and forgotten.

use orderline_protocol::limits::KEYED_REQUESTS_MAX;
use orderline_protocol::{Request, SessionId};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::id_table::{IdHash, IdTable};
use super::ring::{Entry, Ring};
use super::sessions::{Answer, Known};

/// An accepted request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Keyed {
    pub(crate) session: SessionId,
    pub(crate) request: Request,
    /// When it was accepted.
    pub(crate) recorded_at_us: i64,
    pub(crate) answer: Answer,
}

impl Entry for Keyed {
    const COUNT_MAX: usize = KEYED_REQUESTS_MAX;
    const HASH_KIND: u8 = 14;
}

/// The newest keyed requests of all sessions.
pub(crate) struct Keys {
    pub(crate) ring: Ring<Keyed>,
    /// By session and request: the place in the ring.
    places: IdTable,
    /// When the newest of those that are no longer known was accepted; 0: all are known.
    pub(crate) horizon_us: i64,
}

impl Keys {
    pub(crate) fn new(seed: u64) -> Self {
        Self { ring: Ring::default(), places: IdTable::new(seed), horizon_us: 0 }
    }

    fn hash(&self, session: SessionId, request: Request) -> IdHash {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(session.as_bytes());
        bytes[16..].copy_from_slice(&request.to_le_bytes());
        self.places.hash_of(&bytes)
    }

    /// What is known about a request of a session.
    pub(crate) fn known(&self, session: SessionId, request: Request) -> Known {
        let is_it = |place: u32| {
            let keyed = self.ring.at(place as usize);
            keyed.session == session && keyed.request == request
        };
        match self.places.find(self.hash(session, request), is_it) {
            Some(place) => Known::Accepted(self.ring.at(place as usize).answer),
            None => Known::Undecided,
        }
    }

    /// Remembers an accepted request, and forgets the oldest one if there are too many.
    pub(crate) fn remember(&mut self, keyed: Keyed) {
        if let Some(&oldest) = self.ring.oldest_if_full() {
            self.horizon_us = self.horizon_us.max(oldest.recorded_at_us);
            self.places.remove(self.hash(oldest.session, oldest.request), self.ring.next_place() as u32);
        }
        self.index(self.ring.next_place(), &keyed);
        self.ring.add(keyed);
    }

    fn index(&mut self, place: usize, keyed: &Keyed) {
        self.places.insert(self.hash(keyed.session, keyed.request), place as u32);
    }

    /// Restores what a snapshot kept: `count` keyed requests ever, of which these are the newest, oldest first.
    ///
    /// # Errors
    /// A request that is remembered twice.
    pub(crate) fn restore(&mut self, count: u64, newest: &[Keyed]) -> Result<(), Request> {
        self.ring = Ring::restore(count, newest);
        for (keyed, number) in newest.iter().rev().zip((1..=count).rev()) {
            if matches!(self.known(keyed.session, keyed.request), Known::Accepted(_)) {
                return Err(keyed.request);
            }
            self.index(Ring::<Keyed>::place(number), keyed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use orderline_protocol::KEYED_FROM;
    use zerocopy::FromZeros;

    use super::*;

    fn keyed(n: u64) -> Keyed {
        let answer = Answer { sequence: n, ..Answer::new_zeroed() };
        // Two sessions that use the same keys.
        let session = SessionId::new(u128::from(n % 2 + 1));
        Keyed { session, request: KEYED_FROM + n / 2, recorded_at_us: n as i64 * 10, answer }
    }

    fn knows(keys: &Keys, n: u64) -> bool {
        let Keyed { session, request, .. } = keyed(n);
        matches!(keys.known(session, request), Known::Accepted(answer) if answer.sequence == n)
    }

    #[test]
    fn the_newest_are_known_for_their_session_and_the_horizon_tells_what_is_not() {
        let mut keys = Keys::new(5);
        let count = KEYED_REQUESTS_MAX as u64 + 100;
        for n in 1..=count {
            assert_eq!(keys.horizon_us, 10 * n.saturating_sub(KEYED_REQUESTS_MAX as u64 + 1) as i64);
            keys.remember(keyed(n));
        }
        assert_eq!(
            (1..=count).filter(|&n| knows(&keys, n)).collect::<Vec<_>>(),
            (101..=count).collect::<Vec<_>>()
        );
        assert!(matches!(keys.known(SessionId::new(3), KEYED_FROM + 200), Known::Undecided));
        assert_eq!(keys.places.len(), KEYED_REQUESTS_MAX);

        let newest: Vec<Keyed> = keys.ring.iter().copied().collect();
        let mut restored = Keys::new(6);
        restored.restore(count, &newest).unwrap();
        assert!((101..=count).all(|n| knows(&restored, n)) && restored.ring.hash() == keys.ring.hash());
        for keys in [&mut keys, &mut restored] {
            keys.remember(keyed(count + 1));
            assert!(knows(keys, count + 1) && knows(keys, 102) && !knows(keys, 101));
        }
        assert_eq!(restored.ring.hash(), keys.ring.hash());
        assert_eq!(Keys::new(7).restore(2, &[keyed(8), keyed(8)]), Err(keyed(8).request));
    }
}
