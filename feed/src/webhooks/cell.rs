//! One endpoint at work: its definition, its queue, its figures and its dead letters, and what each outcome does to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orderline_journal::Storage;
use orderline_json::show::time_text;
use orderline_protocol::Sequence;
use tokio::sync::Notify;
use tracing::{debug, info, warn};

use super::endpoint::{DeadLetter, Definition, EndpointId, EndpointState, EndpointStatus, Figures, Progress};
use super::queue::{Delivery, Place, Queue};
use super::sender::{Failure, Message, Outcome};
use super::{WebhookError, WebhookOptions, signature};
use crate::feed::{Feed, PageBounds};
use crate::files::{self, FileError};

/// After something of ours failed (a file, the journal), it is tried again so much later.
pub(crate) const TROUBLE_PAUSE: Duration = Duration::from_secs(5);

/// How often an endpoint's progress is kept while it changes: after a crash, what was delivered since is delivered again.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Dead letters that are on their way again at once.
const REPLAYED_MAX: usize = 64;

/// Records looked at in one turn: others wait for their turn meanwhile.
const TURN_SCANNED_MAX: u64 = 50_000;

/// An endpoint, shared between its task and whoever asks.
pub(crate) struct Cell {
    pub(crate) id: EndpointId,
    pub(crate) work: parking_lot::Mutex<Work>,
    /// Something changed that its task should look at.
    pub(crate) wake: Notify,
}

/// What a turn of an endpoint's task came to.
pub(crate) struct Turn {
    /// To be sent now.
    pub(crate) messages: Vec<(Sequence, Message)>,
    /// When to look again, whatever happens.
    pub(crate) due: Option<Instant>,
    /// There is more to read at once.
    pub(crate) has_more: bool,
    /// The endpoint said that it wants no more.
    pub(crate) is_gone: bool,
    /// There is nothing more to do for it, for it was removed or all is to end.
    pub(crate) is_over: bool,
}

impl Cell {
    pub(crate) fn new(id: EndpointId, work: Work) -> Self {
        Self { id, work: parking_lot::Mutex::new(work), wake: Notify::new() }
    }

    /// One turn: takes outcomes in, reads on, starts what can be started, and keeps how far it has come. Blocks on the disk, so it is
    /// not for a thread that others wait for.
    pub(crate) fn turn(&self, feed: &Feed, outcomes: Vec<(Sequence, Outcome)>, is_stopping: bool) -> Turn {
        let now = Instant::now();
        let mut work = self.work.lock();
        let is_gone = outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Gone);
        outcomes.into_iter().for_each(|(sequence, outcome)| work.settle(sequence, outcome, now));
        let is_active = work.definition.state == EndpointState::Active && !work.is_removed && !is_stopping;
        let has_more = is_active && work.fill(feed, now);
        let messages = if is_active { work.start(now, feed.store_id()) } else { Vec::new() };
        work.save_if_due(now, is_stopping);
        let is_over = is_stopping || work.is_removed;
        let is_full = work.queue.in_flight() >= work.options.parallel_max;
        let due_delivery = work.queue.next_due().filter(|_| is_active && !is_full);
        let read_again_at = work.read_again_at.filter(|_| is_active);
        let due = [due_delivery, read_again_at, work.is_changed.then_some(work.save_at)];
        Turn { messages, due: due.into_iter().flatten().min(), has_more, is_gone, is_over }
    }
}

pub(crate) struct Work {
    id: EndpointId,
    storage: Arc<dyn Storage>,
    options: WebhookOptions,
    pub(crate) definition: Definition,
    queue: Queue,
    /// Where it goes on after a crash, as it is kept.
    kept_next: Sequence,
    figures: Figures,
    /// The dead letters that are kept, and when each was given up.
    dead: BTreeMap<Sequence, i64>,
    /// Why nothing can be read or kept for it at the moment.
    trouble: Option<String>,
    /// Not before then is anything read for it.
    read_again_at: Option<Instant>,
    /// Dead letters that are still to be put on their way again.
    wanted: BTreeSet<Sequence>,
    /// Something is to be kept, not before a time.
    is_changed: bool,
    save_at: Instant,
    is_removed: bool,
}

fn progress_name(id: EndpointId) -> String {
    format!("progress-{id}.json")
}

fn dead_prefix(id: EndpointId) -> String {
    format!("dead-{id}-")
}

fn dead_name(id: EndpointId, sequence: Sequence) -> String {
    format!("{}{sequence:020}.json", dead_prefix(id))
}

fn unix_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

impl Work {
    /// The endpoint as it was kept; a new one begins at `place`.
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        options: WebhookOptions,
        id: EndpointId,
        definition: Definition,
        place: Place,
    ) -> Result<Self, FileError> {
        let kept: Option<Progress> = files::read(&*storage, &progress_name(id))?;
        let progress = kept.unwrap_or(Progress { place, figures: Figures::default() });
        let prefix = dead_prefix(id);
        let mut dead = BTreeMap::new();
        for name in files::names(&*storage, &prefix)? {
            if let Some(letter) = files::read::<DeadLetter>(&*storage, &name)? {
                dead.insert(letter.sequence, letter.given_up_at_us);
            }
        }
        let mut work = Self {
            id,
            storage,
            options,
            definition,
            kept_next: progress.place.next,
            queue: Queue::new(progress.place),
            figures: progress.figures,
            dead,
            trouble: None,
            read_again_at: None,
            wanted: BTreeSet::new(),
            is_changed: true,
            save_at: Instant::now(),
            is_removed: false,
        };
        work.drop_old_letters(unix_us())?;
        Ok(work)
    }

    /// Keeps how far it has come.
    pub(crate) fn save(&mut self) -> Result<(), FileError> {
        let progress = Progress { place: self.queue.place(), figures: self.figures.clone() };
        files::write(&*self.storage, &progress_name(self.id), &progress)?;
        self.kept_next = progress.place.next;
        self.is_changed = false;
        Ok(())
    }

    /// The first sequence of the journal that is still read for it, now or after a crash.
    pub(crate) fn needed_from(&self) -> Option<Sequence> {
        let wants_more = self.definition.state != EndpointState::Disabled && !self.is_removed;
        wants_more.then(|| self.kept_next.min(self.queue.place().next))
    }

    fn save_if_due(&mut self, now: Instant, is_stopping: bool) {
        if !self.is_changed || self.is_removed || (now < self.save_at && !is_stopping) {
            return;
        }
        self.save_at = now + SAVE_EVERY;
        if let Err(error) = self.save() {
            self.note_trouble(error.to_string());
        }
    }

    /// Begins anew at a place in the feed.
    pub(crate) fn replay_from(&mut self, place: Place) {
        self.queue = Queue::new(place);
        self.read_again_at = None;
        self.is_changed = true;
    }

    /// Goes on at once, whatever it was waiting for.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.read_again_at = None;
        self.queue.hurry(now);
    }

    /// Reads on in the feed and among the dead letters that are wanted again, as far as there is room. True if there is more.
    fn fill(&mut self, feed: &Feed, now: Instant) -> bool {
        if self.read_again_at.is_some_and(|at| now < at) {
            return false;
        }
        self.read_again_at = None;
        match self.read_on(feed, now) {
            Ok(has_more) => has_more,
            Err(trouble) => {
                self.note_trouble(trouble);
                self.read_again_at = Some(now + TROUBLE_PAUSE);
                false
            }
        }
    }

    fn read_on(&mut self, feed: &Feed, now: Instant) -> Result<bool, String> {
        while self.queue.replayed_count() < REPLAYED_MAX
            && let Some(sequence) = self.wanted.pop_first()
        {
            let letter = files::read::<DeadLetter>(&*self.storage, &dead_name(self.id, sequence));
            let letter = letter.map_err(|error| error.to_string())?;
            letter.into_iter().for_each(|letter| self.queue.replay(letter, now));
        }
        let Some(filter) = self.definition.filter.filter() else {
            return Err(
                "its filter names what this version of the program does not know; define it anew".to_owned()
            );
        };
        let Some((events_max, bytes_max)) = self.queue.room() else { return Ok(false) };
        let bounds = PageBounds { events_max, bytes_max, scanned_max: TURN_SCANNED_MAX };
        let mut cursor = self.queue.cursor.clone();
        let page = cursor.page(feed, &filter, bounds).map_err(|error| error.to_string())?;
        self.trouble = None;
        self.is_changed |= page.to >= page.from;
        let has_more = page.to < page.durable;
        self.queue.take(page, cursor, now);
        Ok(has_more && self.queue.room().is_some())
    }

    /// Removes all that is kept of it.
    pub(crate) fn remove(&mut self) -> Result<(), FileError> {
        self.is_removed = true;
        for &sequence in self.dead.keys() {
            files::remove(&*self.storage, &dead_name(self.id, sequence))?;
        }
        let name = progress_name(self.id);
        if files::names(&*self.storage, &name)?.is_empty() {
            Ok(())
        } else {
            files::remove(&*self.storage, &name)
        }
    }

    /// What is to be sent now.
    fn start(&mut self, now: Instant, store_id: u128) -> Vec<(Sequence, Message)> {
        let deliveries = self.queue.start(now, self.options.parallel_max);
        deliveries.into_iter().map(|delivery| (delivery.sequence, self.message(delivery, store_id))).collect()
    }

    fn message(&self, delivery: Delivery, store_id: u128) -> Message {
        let now_s = (unix_us() / 1_000_000) as u64;
        let secrets = self.definition.secrets.iter();
        let in_force = secrets.filter(|secret| secret.until_unix_s.is_none_or(|until| now_s < until));
        Message {
            url: self.definition.url.clone(),
            keys: in_force.filter_map(|secret| signature::key(&secret.secret).ok()).collect(),
            // The same on every attempt, after a restart, and when it is replayed.
            id: format!("msg_{:016x}_{}", store_id >> 64, delivery.sequence),
            body: delivery.body,
        }
    }

    /// What an outcome does.
    fn settle(&mut self, sequence: Sequence, outcome: Outcome, now: Instant) {
        let Some(pending) = self.queue.get(sequence) else { return };
        let (attempts, is_replayed) = (pending.attempts + 1, pending.is_replayed);
        self.is_changed = true;
        match outcome {
            Outcome::Accepted => {
                self.figures.delivered_count += 1;
                self.figures.delivered_at_us = Some(unix_us());
                if self.figures.failing_since_us.take().is_some() {
                    info!(endpoint = self.id, "a webhook's endpoint accepts again");
                }
                self.queue.settle(sequence);
                if is_replayed && let Err(error) = self.bury(sequence) {
                    self.note_trouble(error.to_string());
                }
            }
            Outcome::Gone => {
                self.fail("answered 410: it wants no more".to_owned());
                self.definition.state = EndpointState::Disabled;
                warn!(endpoint = self.id, "a webhook's endpoint wants no more and is disabled");
                self.queue.again(sequence, now, Duration::ZERO, false);
            }
            Outcome::Failed(Failure { error, retry_after }) => {
                self.fail(error.clone());
                match self.options.retries.get(attempts as usize - 1) {
                    Some(&delay) => {
                        let delay = (self.options.jitter)(delay).max(retry_after);
                        self.queue.again(sequence, now, delay, true);
                    }
                    None => match self.give_up(sequence, attempts, error) {
                        Ok(()) => self.queue.settle(sequence),
                        // It is not given up before that is kept.
                        Err(error) => {
                            self.note_trouble(error.to_string());
                            self.queue.again(sequence, now, TROUBLE_PAUSE, false);
                        }
                    },
                }
            }
        }
    }

    fn fail(&mut self, error: String) {
        self.figures.failed_count += 1;
        // Once, and not at every attempt: the next line of it says that it accepts again.
        if self.figures.failing_since_us.is_none() {
            self.figures.failing_since_us = Some(unix_us());
            warn!(endpoint = self.id, error, "a webhook's endpoint fails; deliveries are tried again");
        }
        self.figures.last_error = Some(error);
    }

    /// Something of ours failed; told when it begins.
    fn note_trouble(&mut self, error: String) {
        if self.trouble.is_none() {
            warn!(endpoint = self.id, error, "a webhook's endpoint cannot be served; it is tried again");
        }
        self.trouble = Some(error);
    }

    fn give_up(&mut self, sequence: Sequence, attempts: u32, error: String) -> Result<(), FileError> {
        let Some(pending) = self.queue.get(sequence) else { return Ok(()) };
        let letter = DeadLetter {
            sequence,
            subject: pending.subject.clone(),
            ids: pending.ids.iter().map(ToString::to_string).collect(),
            attempts,
            error,
            given_up_at_us: unix_us(),
            body: pending.body.to_string(),
        };
        files::write(&*self.storage, &dead_name(self.id, sequence), &letter)?;
        self.dead.insert(sequence, letter.given_up_at_us);
        debug!(endpoint = self.id, sequence, attempts, "a delivery is given up and kept as a dead letter");
        self.drop_old_letters(letter.given_up_at_us)
    }

    /// Drops dead letters that are too many or too old.
    fn drop_old_letters(&mut self, now_us: i64) -> Result<(), FileError> {
        let kept_us = i64::try_from(self.options.dead_letters_age_max.as_micros()).unwrap_or(i64::MAX);
        let excess = self.dead.len().saturating_sub(self.options.dead_letters_max);
        let mut by_age: Vec<(i64, Sequence)> =
            self.dead.iter().map(|(&sequence, &at)| (at, sequence)).collect();
        by_age.sort_unstable();
        for (index, (at_us, sequence)) in by_age.into_iter().enumerate() {
            if index >= excess && now_us.saturating_sub(at_us) <= kept_us {
                break;
            }
            self.bury(sequence)?;
            self.figures.dropped_count += 1;
            self.is_changed = true;
        }
        Ok(())
    }

    fn bury(&mut self, sequence: Sequence) -> Result<(), FileError> {
        if self.dead.remove(&sequence).is_some() {
            files::remove(&*self.storage, &dead_name(self.id, sequence))?;
        }
        Ok(())
    }

    /// The files of the dead letters from a sequence on, so many at most.
    pub(crate) fn dead_names(&self, from: Sequence, count_max: usize) -> Vec<String> {
        let sequences = self.dead.range(from..).map(|(&sequence, _)| sequence);
        sequences.take(count_max).map(|sequence| dead_name(self.id, sequence)).collect()
    }

    /// Puts dead letters on their way again, one or all; tells how many.
    pub(crate) fn replay_dead(&mut self, only: Option<Sequence>) -> Result<usize, WebhookError> {
        if let Some(sequence) = only {
            if !self.dead.contains_key(&sequence) {
                return Err(WebhookError::UnknownLetter { endpoint: self.id, sequence });
            }
            self.wanted.insert(sequence);
            return Ok(1);
        }
        self.wanted.extend(self.dead.keys());
        Ok(self.dead.len())
    }

    pub(crate) fn status(&self, feed: &Feed) -> EndpointStatus {
        let place = self.queue.place();
        let (types, entity, seller, location) = self.definition.filter.shown(feed.names());
        EndpointStatus {
            endpoint: self.id,
            url: self.definition.url.clone(),
            label: self.definition.label.clone(),
            state: self.definition.state,
            types,
            entity,
            seller,
            location,
            next: place.next,
            lag: (feed.durable() + 1).saturating_sub(place.next),
            pending_count: self.queue.pending_count(),
            delivered_count: self.figures.delivered_count,
            failed_count: self.figures.failed_count,
            delivered_at: self.figures.delivered_at_us.map(time_text),
            failing_since: self.figures.failing_since_us.map(time_text),
            last_error: self.trouble.clone().or_else(|| self.figures.last_error.clone()),
            dead_letter_count: self.dead.len(),
            dropped_count: self.figures.dropped_count,
            secret_count: self.definition.secrets.len(),
        }
    }
}
