//! The follower: reads the journal up to the watermark, adds each event to the head, and has full heads written to the store
//! by a thread of its own. What is in a head when the process ends is read out of the journal again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use orderline_journal::{Batch, Follower, JournalError, Position, Record, Start, Storage, Watermark, follow};
use orderline_protocol::event::{Event, OrderState, UnreadableRecord};
use parking_lot::{Condvar, Mutex, RwLock};

use crate::change::Moment;
use crate::error::{Damage, ReadModelError};
use crate::head::{Head, Held};
use crate::options::ReadModelOptions;
use crate::order::Order;
use crate::pace::{Pace, give_way};
use crate::reader::Reader;
use crate::record::{Recorder, take_over};
use crate::shared::{Parts, Shared};
use crate::store::{Store, newest_directory, next_directory};

/// Records that are added under one lock: whoever asks meanwhile waits for no more than these.
const LOCKED_RECORDS: usize = 64;

/// Bytes of the journal between two places that are remembered.
const PLACE_BYTES: u64 = 64 << 10;

/// Orders that are taken over under one lock.
const TAKEN_OVER_ORDERS: usize = 1_024;

type Kept<T> = Result<T, ReadModelError>;

/// The read models of one data directory.
pub struct ReadModel {
    /// Where their stores lie.
    path: PathBuf,
    shared: Arc<Shared>,
    told: Vec<String>,
    is_new: bool,
}

impl ReadModel {
    /// Opens the read models in a directory of their own, or begins new ones where there are none that fit this journal. The
    /// journal lies in `storage` and has the identity `store_id`; no lock of it is taken.
    ///
    /// # Errors
    /// If the directory cannot be used. A store that cannot be read is no error: a new one is begun, and
    /// [`ReadModel::told`] says why.
    pub fn open(
        path: &Path,
        storage: Arc<dyn Storage>,
        store_id: u128,
        options: ReadModelOptions,
    ) -> Result<Self, ReadModelError> {
        let mut told = Vec::new();
        let opened = open_store(&newest_directory(path)?, &options)
            .and_then(|store| Parts::over(store, store_id))
            .and_then(|parts| {
                if let Some(position) = parts.head.position {
                    orderline_journal::Reader::open(Arc::clone(&storage), Start::At(position))?;
                }
                Ok(parts)
            });
        let parts = match opened {
            Ok(parts) => parts,
            Err(error @ ReadModelError::Io { .. }) => return Err(error),
            Err(error) => {
                told.push(in_words(&error));
                Parts::over(open_store(&next_directory(path)?, &options)?, store_id)?
            }
        };
        let is_new = parts.head.position.is_none();
        let (publisher, applied) = Watermark::new(parts.head.now.sequence);
        let shared = Shared {
            parts: RwLock::new(parts),
            is_writing: Mutex::new(false),
            written: Condvar::new(),
            applied,
            publisher,
            has_met_damage: AtomicBool::new(false),
            storage,
            store_id,
            options,
        };
        Ok(Self { path: path.to_owned(), shared: Arc::new(shared), told, is_new })
    }

    /// What is to be told of the opening, a sentence each.
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// A reader; clones of it may ask from any thread.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Whether nothing is known yet and the journal does not reach back to its first record: then
    /// [`ReadModel::take_over`] what the engine holds, for what is kept of the journal alone would not tell of it.
    ///
    /// # Errors
    /// If the journal's directory cannot be read.
    pub fn lacks_its_beginning(&self) -> Result<bool, ReadModelError> {
        if !self.is_new {
            return Ok(false);
        }
        let reader = orderline_journal::Reader::open(Arc::clone(&self.shared.storage), Start::Oldest)?;
        Ok(reader.position().segment > Position::START.segment)
    }

    /// Begins with the orders that the engine holds, as states and views of them (`OrderView`) in the order of their
    /// placement, and its reservations (`ReservationView`), at a position of the journal up to which they are told, with its recorded time. What happened to them before is not known, nor what had left the engine's memory;
    /// [`crate::AsOf::known_from`] says from where on everything is.
    ///
    /// # Errors
    /// If a view is not one, or the store cannot be written.
    pub fn take_over<V: AsRef<[u8]>>(
        &mut self,
        position: Position,
        at_us: i64,
        views: impl Iterator<Item = (OrderState, V)>,
        reservations: impl Iterator<Item = V>,
    ) -> Result<(), ReadModelError> {
        let now = Moment { sequence: position.last_sequence(), at_us };
        let mut views = views.peekable();
        while views.peek().is_some() {
            let mut parts = self.shared.parts.write();
            parts.head.known_from = position.sequence;
            parts.head.now = now;
            for (state, view) in views.by_ref().take(TAKEN_OVER_ORDERS) {
                take_over(&mut parts.head, &Order::of_view(state, view.as_ref())?);
            }
            drop(parts);
            self.write_if_full()?;
        }
        let mut parts = self.shared.parts.write();
        for view in reservations {
            let held = Held::of_view(view.as_ref())?;
            parts.head.reservations.extend(held.map(|(id, held)| (id, Some(held))));
        }
        parts.head.known_from = position.sequence;
        parts.head.now = now;
        parts.head.position = Some(position);
        drop(parts);
        self.write_head()?;
        self.is_new = false;
        self.shared.publish(now.sequence);
        Ok(())
    }

    /// Writes the head on this thread once it is full; the place to go on from is not in it yet.
    fn write_if_full(&self) -> Kept<()> {
        let is_full = self.shared.parts.read().head.entry_count() >= self.shared.options.head_orders;
        if is_full { self.write_head() } else { Ok(()) }
    }

    fn write_head(&self) -> Kept<()> {
        freeze(&self.shared);
        write_frozen(&self.shared)
    }

    /// Follows the journal until `stop` is set, at the lowest priority there is, and tells what is worth a sentence. Run it on
    /// a thread of its own. A store that turns out to be damaged is thrown away and built anew.
    pub fn run(mut self, watermark: &Watermark, stop: &AtomicBool, tell: impl Fn(String)) {
        give_way();
        self.told.drain(..).for_each(&tell);
        let mut rebuilt = 0;
        loop {
            let Err(error) = self.follow(watermark, stop) else { return };
            let can_rebuild = rebuilt < REBUILDS_MAX && error.is_damage();
            if can_rebuild {
                tell(in_words(&error));
                rebuilt += 1;
            }
            match if can_rebuild { self.begin_anew() } else { Err(error) } {
                Ok(()) => {}
                Err(error) => {
                    // A journal that has failed stops the whole process; that is not ours to tell.
                    if watermark.failure().is_none() {
                        tell(format!("the read models have stopped: {error}"));
                    }
                    self.shared.parts.write().stopped = Some(error.to_string());
                    return;
                }
            }
        }
    }

    /// Throws the store away and begins a new one. What is known then begins where the journal does.
    fn begin_anew(&mut self) -> Kept<()> {
        let store = open_store(&next_directory(&self.path)?, &self.shared.options)?;
        let parts = Parts::over(store, self.shared.store_id)?;
        *self.shared.parts.write() = parts;
        self.shared.has_met_damage.store(false, Ordering::Release);
        self.is_new = true;
        Ok(())
    }

    fn follow(&mut self, watermark: &Watermark, stop: &AtomicBool) -> Kept<()> {
        let shared = &self.shared;
        let position = shared.parts.read().head.position;
        if position.is_some_and(|position| position.last_sequence() > watermark.durable()) {
            return Err(ReadModelError::Foreign("knows more than the journal"));
        }
        let start = position.map_or(Start::Oldest, Start::At);
        let mut reader = orderline_journal::Reader::open(Arc::clone(&shared.storage), start)?;
        let mut recording = Recording::new(Arc::clone(shared), watermark.clone())?;
        let followed = follow(&mut reader, watermark, &mut recording, stop);
        // What was applied is kept for the next start, unless it is what went wrong.
        let ended = recording.end(followed.is_ok());
        match followed {
            Ok(()) => ended,
            Err(JournalError::Follower { source, .. }) => match source.downcast::<ReadModelError>() {
                Ok(error) => Err(*error),
                Err(source) => {
                    Err(JournalError::Follower { name: recording_name().to_owned(), source }.into())
                }
            },
            Err(error) => Err(error.into()),
        }
    }
}

/// Stores that are thrown away in one run: what is damaged again and again has another reason.
const REBUILDS_MAX: usize = 2;

/// Why the read models are built anew.
fn in_words(error: &ReadModelError) -> String {
    if error.is_damage() {
        return error.to_string();
    }
    format!("the read models are built anew out of the journal: {error}")
}

/// Opens a store from a thread of the lowest priority, which the store's own threads then have as well.
fn open_store(path: &Path, options: &ReadModelOptions) -> Kept<Store> {
    let opening = || {
        give_way();
        Store::open(path, options)
    };
    std::thread::scope(|scope| match scope.spawn(opening).join() {
        Ok(opened) => opened,
        Err(_) => Err(Damage("it cannot be opened").into()),
    })
}

const fn recording_name() -> &'static str {
    "read models"
}

/// Puts the head aside to be written, and an empty one in its place.
fn freeze(shared: &Shared) {
    let mut parts = shared.parts.write();
    let head = &parts.head;
    let behind = Head::behind(head.next(), head.known_from, head.now, head.position, head.states);
    let full = std::mem::replace(&mut parts.head, behind);
    parts.older.frozen = Some(Arc::new(full));
}

/// Writes the head that was put aside.
fn write_frozen(shared: &Shared) -> Kept<()> {
    let (frozen, store) = {
        let parts = shared.parts.read();
        (parts.older.frozen.clone(), parts.older.store.clone())
    };
    let Some(frozen) = frozen else { return Ok(()) };
    let number = store.meta(shared.store_id)?.map_or(0, |meta| meta.next_run());
    let run = store.write(&frozen, shared.store_id, number)?;
    let mut parts = shared.parts.write();
    parts.older.runs.extend(run);
    parts.older.stored = frozen.now.sequence;
    parts.older.frozen = None;
    Ok(())
}

/// What the journal is followed by.
struct Recording {
    shared: Arc<Shared>,
    /// Asks the writing thread to write what was put aside.
    ask: Option<SyncSender<()>>,
    writer: Option<JoinHandle<Kept<()>>>,
    /// Where the last remembered place was.
    place: Option<Position>,
    watermark: Watermark,
    pace: Pace,
}

impl Recording {
    fn new(shared: Arc<Shared>, watermark: Watermark) -> Kept<Self> {
        let (ask, asked) = sync_channel(1);
        *shared.is_writing.lock() = false;
        let of = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("readmodel-store".to_owned())
            .spawn(move || write_when_asked(&of, &asked))
            .map_err(|source| ReadModelError::Io {
                action: "start a thread for",
                path: PathBuf::from("the store"),
                source,
            })?;
        let pace = Pace::of_this_thread(watermark.durable());
        Ok(Self { shared, ask: Some(ask), writer: Some(writer), place: None, watermark, pace })
    }

    /// Waits until no head is being written.
    fn wait_for_writer(&mut self) -> Kept<()> {
        let mut is_writing = self.shared.is_writing.lock();
        while *is_writing && !self.writer.as_ref().is_none_or(JoinHandle::is_finished) {
            self.shared.written.wait_for(&mut is_writing, std::time::Duration::from_millis(100));
        }
        drop(is_writing);
        if self.writer.as_ref().is_some_and(JoinHandle::is_finished) { self.join_writer() } else { Ok(()) }
    }

    fn join_writer(&mut self) -> Kept<()> {
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(Damage("writing it has failed").into()),
            None => Ok(()),
        }
    }

    /// Has the head written if it is full.
    fn write_if_full(&mut self) -> Kept<()> {
        let is_full = {
            let head = &self.shared.parts.read().head;
            // Records that add nothing must not be read again for ever, either.
            head.entry_count() >= self.shared.options.head_orders
                || head.record_count >= 16 * self.shared.options.head_orders as u64
        };
        if is_full { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Kept<()> {
        self.wait_for_writer()?;
        freeze(&self.shared);
        *self.shared.is_writing.lock() = true;
        if self.ask.as_ref().is_none_or(|ask| ask.send(()).is_err()) {
            self.join_writer()?;
        }
        Ok(())
    }

    /// Ends the writing thread, after it wrote all that was applied if that `is_sound`.
    fn end(mut self, is_sound: bool) -> Kept<()> {
        if is_sound && self.shared.parts.read().head.record_count > 0 {
            self.write()?;
        }
        self.ask = None;
        self.join_writer()
    }

    fn add(&mut self, batch: &Batch<'_>) -> Kept<()> {
        if self.shared.has_met_damage.load(Ordering::Acquire) {
            return Err(Damage("a question has met what was not written").into());
        }
        let at_us = batch.recorded_at_us;
        let mut records = batch.records().peekable();
        if batch.first_sequence > 1 && self.shared.parts.read().head.now.sequence == 0 {
            // The journal's first segments are gone.
            self.shared.parts.write().head.known_from = batch.first_sequence;
        }
        while records.peek().is_some() {
            let mut parts = self.shared.parts.write();
            let Parts { head, older, .. } = &mut *parts;
            for record in records.by_ref().take(LOCKED_RECORDS) {
                let Record { sequence, kind, version, payload } = record;
                let event = Event::read(kind, version, payload)
                    .map_err(|source| UnreadableRecord { sequence, source })?;
                Recorder { head, older, now: Moment { sequence, at_us } }.record(&event)?;
            }
        }
        let mut parts = self.shared.parts.write();
        parts.head.position = Some(batch.position_after);
        if self.place.is_none_or(|place| is_apart(&place, &batch.position)) {
            self.place = Some(batch.position);
            parts.head.places.push(batch.position);
        }
        drop(parts);
        self.shared.publish(batch.last_sequence());
        self.write_if_full()?;
        self.pace.keep(batch.last_sequence() + 1 - batch.first_sequence, self.watermark.durable());
        Ok(())
    }
}

fn is_apart(one: &Position, other: &Position) -> bool {
    one.segment != other.segment || other.offset.saturating_sub(one.offset) >= PLACE_BYTES
}

fn write_when_asked(shared: &Shared, asked: &Receiver<()>) -> Kept<()> {
    give_way();
    while asked.recv().is_ok() {
        // After a failure nothing more is put aside: whoever waits finds this thread ended.
        write_frozen(shared)?;
        *shared.is_writing.lock() = false;
        shared.written.notify_all();
    }
    Ok(())
}

type Sunk<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl Follower for Recording {
    fn name(&self) -> &str {
        recording_name()
    }

    fn position(&mut self) -> Sunk<Start> {
        Ok(self.shared.parts.read().head.position.map_or(Start::Oldest, Start::At))
    }

    fn apply(&mut self, batch: &Batch<'_>) -> Sunk<()> {
        Ok(self.add(batch)?)
    }

    fn flush(&mut self) -> Sunk<()> {
        Ok(())
    }
}
