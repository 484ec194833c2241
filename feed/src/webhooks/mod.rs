//! Webhooks: the feed, posted to endpoints, after the Standard Webhooks specification.
//!
//! One thread drives all of them, and each endpoint is a task of its own: what one does, or does not do, no other one notices. What
//! reads the disk runs beside, on a few threads. Deliveries are made at least once, under the same `webhook-id` on each attempt.

mod cell;
mod endpoint;
mod queue;
mod runner;
mod sender;
mod signature;
mod target;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orderline_journal::Storage;
use orderline_protocol::Sequence;
use parking_lot::Mutex;

use crate::feed::{Feed, FeedError};
use crate::files::{self, FileError};
use cell::{Cell, Work};
pub use endpoint::{DeadLetter, EndpointId, EndpointSpec, EndpointState, EndpointStatus};
use endpoint::{Definition, Definitions, Secret};
use queue::Place;
use runner::Runner;

/// Endpoints at most.
const ENDPOINTS_MAX: usize = 100;

/// Bytes of a label at most.
const LABEL_BYTES_MAX: usize = 128;

const FILE: &str = "endpoints.json";

/// How webhooks are delivered.
#[derive(Clone)]
pub struct WebhookOptions {
    /// How long to wait after each attempt that failed. After the last, one more attempt is made, and if that fails, too, the
    /// delivery becomes a dead letter.
    pub retries: Vec<Duration>,
    /// Makes each of these waits a little longer or shorter, so that what failed together does not come back together.
    pub jitter: Arc<dyn Fn(Duration) -> Duration + Send + Sync>,
    /// How long an attempt may take, from connecting to the end of the answer.
    pub timeout: Duration,
    /// Deliveries to one endpoint that may be under way at once; at least 1.
    pub parallel_max: usize,
    /// Whether endpoints may be in this machine or in private networks, and without TLS.
    pub private_targets: bool,
    /// Dead letters that are kept of one endpoint; the oldest are dropped.
    pub dead_letters_max: usize,
    /// How long a dead letter is kept.
    pub dead_letters_age_max: Duration,
    /// How long the secret before the newest one is signed with, too.
    pub secret_overlap: Duration,
}

impl Default for WebhookOptions {
    /// As the specification recommends: ten attempts over three days. No jitter, for that needs chance.
    fn default() -> Self {
        const HOUR_S: u64 = 3_600;
        let retries_s =
            [5, 300, 1_800, 2 * HOUR_S, 5 * HOUR_S, 10 * HOUR_S, 14 * HOUR_S, 20 * HOUR_S, 24 * HOUR_S];
        Self {
            retries: retries_s.map(Duration::from_secs).to_vec(),
            jitter: Arc::new(|delay| delay),
            timeout: Duration::from_secs(20),
            parallel_max: 8,
            private_targets: false,
            dead_letters_max: 10_000,
            dead_letters_age_max: Duration::from_secs(30 * 24 * HOUR_S),
            secret_overlap: Duration::from_secs(24 * HOUR_S),
        }
    }
}

/// Why an endpoint is not made, changed or asked.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The URL is none that may be posted to.
    #[error("{url:?} cannot be delivered to: {reason}; an https URL with a public host is wanted")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The secret is none.
    #[error("that is no secret: whsec_ and the base64 of 24 to 64 bytes are expected")]
    Secret,
    /// The label is too long.
    #[error("a label has at most {LABEL_BYTES_MAX} bytes")]
    Label,
    /// There are too many.
    #[error("there are {ENDPOINTS_MAX} endpoints already; remove one that is not used")]
    TooMany,
    /// It is not there.
    #[error("there is no endpoint {endpoint}")]
    Unknown {
        /// Its number.
        endpoint: EndpointId,
    },
    /// No such dead letter is kept.
    #[error("endpoint {endpoint} has no dead letter of sequence {sequence}")]
    UnknownLetter {
        /// The endpoint.
        endpoint: EndpointId,
        /// The event's sequence.
        sequence: Sequence,
    },
    /// The feed does not reach there.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// What is said cannot be kept.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system has no randomness for a secret.
    #[error("the system gives no random bytes for a secret: {reason}")]
    NoRandomness {
        /// What it said.
        reason: String,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client for webhooks cannot be made: {reason}")]
    Client {
        /// Why.
        reason: String,
    },
    /// The thread cannot be started.
    #[error("the thread for webhooks cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// What webhooks have in common.
pub(crate) struct Shared {
    feed: Arc<Feed>,
    storage: Arc<dyn Storage>,
    options: WebhookOptions,
    definitions: Mutex<Definitions>,
    cells: Mutex<BTreeMap<EndpointId, Arc<Cell>>>,
}

/// All webhooks of a store. Methods block on the disk for a moment. Dropping it stops the deliveries; what was under way is made
/// again at the next start.
pub struct Webhooks {
    shared: Arc<Shared>,
    runner: Runner,
    thread: Option<JoinHandle<()>>,
}

impl Webhooks {
    /// Brings back the endpoints that are kept in a data directory, and goes on delivering where it was.
    ///
    /// # Errors
    /// If what was kept cannot be read, or the thread or its client cannot be made.
    pub fn start(
        feed: Arc<Feed>,
        storage: Arc<dyn Storage>,
        options: WebhookOptions,
    ) -> Result<Self, WebhookError> {
        files::make_directory(&*storage)?;
        let definitions: Definitions = files::read(&*storage, FILE)?.unwrap_or_default();
        let mut cells = BTreeMap::new();
        for (&id, definition) in &definitions.endpoints {
            let place = Place::at(1);
            let work = Work::open(Arc::clone(&storage), options.clone(), id, definition.clone(), place)?;
            cells.insert(id, Arc::new(Cell::new(id, work)));
        }
        let shared = Arc::new(Shared {
            feed,
            storage,
            options,
            definitions: Mutex::new(definitions),
            cells: Mutex::new(cells),
        });
        let (runner, thread) = Runner::start(Arc::clone(&shared))?;
        shared.cells.lock().values().for_each(|cell| runner.run(Arc::clone(cell)));
        Ok(Self { shared, runner, thread: Some(thread) })
    }

    /// Makes an endpoint, and returns its number and its secret. It gets what is decided from `from` on; nothing said: from now on.
    /// Without a secret a new one is made.
    ///
    /// # Errors
    /// [`WebhookError`]; nothing is then changed.
    pub fn create(
        &self,
        spec: &EndpointSpec,
        secret: Option<&str>,
        from: Option<Sequence>,
    ) -> Result<(EndpointId, String), WebhookError> {
        self.shared.check(spec)?;
        let from = self.shared.check_from(from)?;
        let secret = match secret {
            Some(secret) => signature::key(secret).map(|_| secret.to_owned())?,
            None => signature::new_secret()?,
        };
        let mut definitions = self.shared.definitions.lock();
        if definitions.endpoints.len() >= ENDPOINTS_MAX {
            return Err(WebhookError::TooMany);
        }
        let definition = Definition {
            url: spec.url.clone(),
            label: spec.label.clone(),
            filter: (&spec.filter).into(),
            state: EndpointState::Active,
            secrets: vec![Secret { secret: secret.clone(), until_unix_s: None }],
        };
        let id = definitions.last_id + 1;
        let (storage, options) = (Arc::clone(&self.shared.storage), self.shared.options.clone());
        let mut work = Work::open(storage, options, id, definition.clone(), Place::at(from))?;
        // Its place is kept before it is: an endpoint without one would begin at the beginning.
        work.save()?;
        let mut changed = definitions.clone();
        changed.last_id = id;
        changed.endpoints.insert(id, definition);
        files::write(&*self.shared.storage, FILE, &changed)?;
        *definitions = changed;
        let cell = Arc::new(Cell::new(id, work));
        self.shared.cells.lock().insert(id, Arc::clone(&cell));
        self.runner.run(cell);
        Ok((id, secret))
    }

    /// Changes where an endpoint is, what it is called and what it gets. What waits already is not filtered anew.
    ///
    /// # Errors
    /// [`WebhookError`]; nothing is then changed.
    pub fn update(&self, endpoint: EndpointId, spec: &EndpointSpec) -> Result<(), WebhookError> {
        self.shared.check(spec)?;
        self.shared.change(endpoint, |definition| {
            definition.url.clone_from(&spec.url);
            definition.label.clone_from(&spec.label);
            definition.filter = (&spec.filter).into();
        })
    }

    /// Pauses an endpoint, or goes on with it, at once.
    ///
    /// # Errors
    /// [`WebhookError`]; nothing is then changed.
    pub fn set_state(&self, endpoint: EndpointId, state: EndpointState) -> Result<(), WebhookError> {
        self.shared.change(endpoint, |definition| definition.state = state)
    }

    /// Gives an endpoint a new secret, made here if none is said, and returns it. For a while deliveries are signed with the old one,
    /// too.
    ///
    /// # Errors
    /// [`WebhookError`]; nothing is then changed.
    pub fn rotate_secret(&self, endpoint: EndpointId, secret: Option<&str>) -> Result<String, WebhookError> {
        let secret = match secret {
            Some(secret) => signature::key(secret).map(|_| secret.to_owned())?,
            None => signature::new_secret()?,
        };
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let until = now_s + self.shared.options.secret_overlap.as_secs();
        self.shared.change(endpoint, |definition| {
            definition.secrets.truncate(1);
            definition.secrets.iter_mut().for_each(|old| old.until_unix_s = Some(until));
            definition.secrets.insert(0, Secret { secret: secret.clone(), until_unix_s: None });
        })?;
        Ok(secret)
    }

    /// Removes an endpoint with all that is kept of it.
    ///
    /// # Errors
    /// If there is none of this number, or it cannot be kept.
    pub fn remove(&self, endpoint: EndpointId) -> Result<(), WebhookError> {
        let mut definitions = self.shared.definitions.lock();
        let mut changed = definitions.clone();
        if changed.endpoints.remove(&endpoint).is_none() {
            return Err(WebhookError::Unknown { endpoint });
        }
        files::write(&*self.shared.storage, FILE, &changed)?;
        *definitions = changed;
        if let Some(cell) = self.shared.cells.lock().remove(&endpoint) {
            cell.work.lock().remove()?;
            cell.wake.notify_one();
        }
        Ok(())
    }

    /// All endpoints, as they stand, by their numbers.
    pub fn status(&self) -> Vec<EndpointStatus> {
        let cells: Vec<Arc<Cell>> = self.shared.cells.lock().values().cloned().collect();
        cells.iter().map(|cell| cell.work.lock().status(&self.shared.feed)).collect()
    }

    /// The first sequence that an endpoint would go on from after a crash; nothing: there is none but those that want no more.
    pub fn needed_from(&self) -> Option<Sequence> {
        let cells: Vec<Arc<Cell>> = self.shared.cells.lock().values().cloned().collect();
        cells.iter().filter_map(|cell| cell.work.lock().needed_from()).min()
    }

    /// Dead letters of an endpoint, from a sequence on, by their sequences.
    ///
    /// # Errors
    /// If there is no such endpoint, or they cannot be read.
    pub fn dead_letters(
        &self,
        endpoint: EndpointId,
        from: Sequence,
        count_max: usize,
    ) -> Result<Vec<DeadLetter>, WebhookError> {
        let names = self.shared.cell(endpoint)?.work.lock().dead_names(from, count_max);
        let mut letters = Vec::new();
        for name in names {
            // One that was delivered or dropped meanwhile is none any more.
            letters.extend(files::read::<DeadLetter>(&*self.shared.storage, &name)?);
        }
        Ok(letters)
    }

    /// Delivers dead letters after all: one, or all of an endpoint; tells how many. They come out of their order, as their sequences
    /// say, and stay dead letters until they are accepted.
    ///
    /// # Errors
    /// If there is no such endpoint or letter.
    pub fn replay_dead(&self, endpoint: EndpointId, only: Option<Sequence>) -> Result<usize, WebhookError> {
        let cell = self.shared.cell(endpoint)?;
        let count = cell.work.lock().replay_dead(only)?;
        cell.wake.notify_one();
        Ok(count)
    }

    /// Delivers everything from a sequence on, whether it was delivered already or not.
    ///
    /// # Errors
    /// If there is no such endpoint, or the feed does not reach there.
    pub fn replay_from(&self, endpoint: EndpointId, from: Sequence) -> Result<(), WebhookError> {
        let cell = self.shared.cell(endpoint)?;
        let from = self.shared.check_from(Some(from))?;
        cell.work.lock().replay_from(Place::at(from));
        cell.wake.notify_one();
        Ok(())
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        self.runner.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn cell(&self, endpoint: EndpointId) -> Result<Arc<Cell>, WebhookError> {
        self.cells.lock().get(&endpoint).cloned().ok_or(WebhookError::Unknown { endpoint })
    }

    fn check(&self, spec: &EndpointSpec) -> Result<(), WebhookError> {
        target::check_url(&spec.url, self.options.private_targets)?;
        if spec.label.len() > LABEL_BYTES_MAX { Err(WebhookError::Label) } else { Ok(()) }
    }

    /// Where an endpoint begins: nothing said is behind all that is durable.
    fn check_from(&self, from: Option<Sequence>) -> Result<Sequence, WebhookError> {
        let durable = self.feed.durable();
        let from = from.map_or(durable + 1, |from| from.max(1));
        let first_kept = self.feed.first_kept()?;
        if from < first_kept {
            return Err(FeedError::Gone { asked: from, first_kept }.into());
        }
        if from > durable + 1 {
            return Err(FeedError::Ahead { asked: from, durable }.into());
        }
        Ok(from)
    }

    /// Changes what is said of an endpoint: kept first, then done.
    pub(crate) fn change(
        &self,
        endpoint: EndpointId,
        change: impl FnOnce(&mut Definition),
    ) -> Result<(), WebhookError> {
        let mut definitions = self.definitions.lock();
        let mut changed = definitions.clone();
        let definition = changed.endpoints.get_mut(&endpoint).ok_or(WebhookError::Unknown { endpoint })?;
        change(definition);
        let definition = definition.clone();
        files::write(&*self.storage, FILE, &changed)?;
        *definitions = changed;
        let cell = self.cell(endpoint)?;
        let mut work = cell.work.lock();
        let is_resumed = definition.state == EndpointState::Active;
        work.definition = definition;
        if is_resumed {
            work.hurry(Instant::now());
        }
        cell.wake.notify_one();
        Ok(())
    }
}
