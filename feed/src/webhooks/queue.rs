//! What one endpoint is to get: what is next, what waits, and what is settled. Pure: times and events are handed in.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderline_protocol::{OrderId, Sequence};

use crate::cursor::Cursor;
use crate::feed::{FeedEvent, Page};
use crate::webhooks::endpoint::DeadLetter;

/// Events that wait for one endpoint at most, and bytes of them after which no more are taken.
const PENDING_MAX: usize = 256;
const PENDING_BYTES_MAX: usize = 4 << 20;

/// One event on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) subject: Option<String>,
    pub(crate) ids: Vec<OrderId>,
    pub(crate) body: Arc<str>,
    previous: Sequence,
    /// Attempts that failed.
    pub(crate) attempts: u32,
    due: Instant,
    is_in_flight: bool,
    /// It was a dead letter, and stays one unless it is delivered.
    pub(crate) is_replayed: bool,
}

/// A delivery that is to be made now.
pub(crate) struct Delivery {
    pub(crate) sequence: Sequence,
    pub(crate) body: Arc<str>,
}

/// Where an endpoint stands, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Place {
    /// All that matches below is settled.
    pub(crate) next: Sequence,
    /// The event that matched before that.
    pub(crate) previous: Sequence,
    /// Settled at or behind `next`.
    pub(crate) settled: BTreeSet<Sequence>,
}

impl Place {
    pub(crate) fn at(sequence: Sequence) -> Self {
        let Cursor { next, previous } = Cursor::at(sequence);
        Self { next, previous, settled: BTreeSet::new() }
    }
}

/// The events that wait for one endpoint.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) cursor: Cursor,
    settled: BTreeSet<Sequence>,
    pending: BTreeMap<Sequence, Pending>,
    replayed: BTreeMap<Sequence, Pending>,
}

impl Queue {
    pub(crate) fn new(place: Place) -> Self {
        Self {
            cursor: Cursor { next: place.next, previous: place.previous },
            settled: place.settled,
            pending: BTreeMap::new(),
            replayed: BTreeMap::new(),
        }
    }

    /// Where to go on after a crash.
    pub(crate) fn place(&self) -> Place {
        let first = self.pending.first_key_value();
        let (next, previous) = first
            .map_or((self.cursor.next, self.cursor.previous), |(&sequence, pending)| {
                (sequence, pending.previous)
            });
        Place { next, previous, settled: self.settled.clone() }
    }

    /// How many events, and bytes of them, it would take now; none while enough wait.
    pub(crate) fn room(&self) -> Option<(usize, usize)> {
        let bytes: usize = self.pending.values().map(|pending| pending.body.len()).sum();
        let (events, bytes) =
            (PENDING_MAX.saturating_sub(self.pending.len()), PENDING_BYTES_MAX.saturating_sub(bytes));
        (events >= PENDING_MAX / 2 && bytes >= PENDING_BYTES_MAX / 2).then_some((events, bytes))
    }

    /// Takes a page in, with the cursor behind it.
    pub(crate) fn take(&mut self, page: Page, cursor: Cursor, now: Instant) {
        let mut previous = self.cursor.previous;
        for event in page.events {
            let sequence = event.sequence;
            if !self.settled.contains(&sequence) {
                self.pending.insert(sequence, pending(event, previous, now));
            }
            previous = sequence;
        }
        self.cursor = cursor;
        self.forget_settled();
    }

    /// Puts a dead letter on its way again. It comes late anyway, and nothing waits for it.
    pub(crate) fn replay(&mut self, letter: DeadLetter, now: Instant) {
        self.replayed.entry(letter.sequence).or_insert_with(|| Pending {
            subject: letter.subject,
            ids: letter.ids.iter().filter_map(|id| id.parse().ok()).collect(),
            body: letter.body.into(),
            previous: 0,
            attempts: 0,
            due: now,
            is_in_flight: false,
            is_replayed: true,
        });
    }

    /// What is to be delivered now, so that no more than `parallel_max` are under way. Whatever is about the same order goes one by
    /// one, in its sequence.
    pub(crate) fn start(&mut self, now: Instant, parallel_max: usize) -> Vec<Delivery> {
        let mut left = parallel_max.saturating_sub(self.in_flight());
        let mut deliveries = Vec::new();
        for list in [&mut self.replayed, &mut self.pending] {
            let due = firsts(list).filter(|(_, first)| !first.is_in_flight && first.due <= now);
            let ready: Vec<Sequence> = due.map(|(sequence, _)| sequence).take(left).collect();
            left -= ready.len();
            for sequence in ready {
                if let Some(pending) = list.get_mut(&sequence) {
                    pending.is_in_flight = true;
                    deliveries.push(Delivery { sequence, body: Arc::clone(&pending.body) });
                }
            }
        }
        deliveries
    }

    /// Events that wait or are under way.
    pub(crate) fn pending_count(&self) -> usize {
        self.pending.len() + self.replayed.len()
    }

    /// Dead letters that are on their way again.
    pub(crate) fn replayed_count(&self) -> usize {
        self.replayed.len()
    }

    /// Deliveries that are under way.
    pub(crate) fn in_flight(&self) -> usize {
        let all = self.pending.values().chain(self.replayed.values());
        all.filter(|pending| pending.is_in_flight).count()
    }

    /// When something is due next that is not under way; in the past, if it only waits for others to come back.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let lists = [&self.replayed, &self.pending].into_iter();
        let waiting = lists.flat_map(firsts).filter(|(_, first)| !first.is_in_flight);
        waiting.map(|(_, first)| first.due).min()
    }

    /// An event under way, if it is one still.
    pub(crate) fn get(&self, sequence: Sequence) -> Option<&Pending> {
        self.pending.get(&sequence).or_else(|| self.replayed.get(&sequence))
    }

    /// It failed, and is tried again after a while. True if it is still wanted at all.
    pub(crate) fn again(&mut self, sequence: Sequence, now: Instant, after: Duration, counts: bool) {
        for list in [&mut self.pending, &mut self.replayed] {
            if let Some(pending) = list.get_mut(&sequence) {
                pending.is_in_flight = false;
                pending.attempts += u32::from(counts);
                pending.due = now + after;
            }
        }
    }

    /// It was delivered, or given up.
    pub(crate) fn settle(&mut self, sequence: Sequence) {
        self.replayed.remove(&sequence);
        if self.pending.remove(&sequence).is_some() {
            self.settled.insert(sequence);
            self.forget_settled();
        }
    }

    /// Forgets what was settled below all that waits: there the place alone says it.
    fn forget_settled(&mut self) {
        let next = self.pending.first_key_value().map_or(self.cursor.next, |(&sequence, _)| sequence);
        self.settled = self.settled.split_off(&next);
    }

    /// Everything waiting is due at once: somebody mended the endpoint.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.pending.values_mut().chain(self.replayed.values_mut()).for_each(|pending| pending.due = now);
    }
}

fn pending(event: FeedEvent, previous: Sequence, now: Instant) -> Pending {
    Pending {
        subject: event.subject,
        ids: event.ids,
        body: event.json.get().into(),
        previous,
        attempts: 0,
        due: now,
        is_in_flight: false,
        is_replayed: false,
    }
}

/// Those that nothing before them in the list is bound to: two events are, if they name the same order, group or reservation, or have
/// the same subject.
fn firsts(list: &BTreeMap<Sequence, Pending>) -> impl Iterator<Item = (Sequence, &Pending)> {
    let (mut ids, mut subjects) = (HashSet::new(), HashSet::new());
    list.iter().map(|(&sequence, pending)| (sequence, pending)).filter(move |(_, pending)| {
        let mut is_first = subjects.insert(pending.subject.as_deref());
        pending.ids.iter().for_each(|id| is_first &= ids.insert(id.get()));
        is_first
    })
}
