//! The feed: pages of events by sequence.

use std::sync::Arc;

use orderline_journal::{JournalError, Reader, Start, Storage, Watermark};
use orderline_json::{Names, ids};
use orderline_protocol::event::{Event, EventKind, UnreadableRecord};
use orderline_protocol::{OrderId, Sequence};
use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::cloud::CloudEvent;
use crate::filter::Filter;
use crate::narrow::narrow;
use crate::seek::Seeker;
use crate::whose::{Lately, Whose};

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// What is asked for has left the journal.
    #[error(
        "sequence {asked} is no longer kept: the journal begins at {first_kept}; what lies between is lost to this consumer, \
         who must read the present state and go on from there"
    )]
    Gone {
        /// The sequence asked for.
        asked: Sequence,
        /// The oldest sequence that is still kept.
        first_kept: Sequence,
    },
    /// The consumer has seen more than there is.
    #[error(
        "sequence {asked} is not there yet: the journal ends at {durable}; if the consumer has seen later events, this store was \
         restored from an older copy"
    )]
    Ahead {
        /// The sequence asked for.
        asked: Sequence,
        /// The last one that is durable.
        durable: Sequence,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record cannot be understood.
    #[error(transparent)]
    Event(#[from] UnreadableRecord),
    /// An event cannot be written as JSON.
    #[error("record {sequence} cannot be shown as JSON: {source}")]
    Json {
        /// Which.
        sequence: Sequence,
        /// Why.
        source: serde_json::Error,
    },
}

/// How much one page may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageBounds {
    /// Events at most; at least 1.
    pub events_max: usize,
    /// Bytes of JSON after which no further event is taken.
    pub bytes_max: usize,
    /// Records looked at, at most: a filter that lets nothing through does not read the whole journal for one page. At least 1.
    pub scanned_max: u64,
}

impl Default for PageBounds {
    fn default() -> Self {
        Self { events_max: 1_000, bytes_max: 1 << 20, scanned_max: 200_000 }
    }
}

/// One event of a page. Serialises as its CloudEvent.
#[derive(Debug, Clone)]
pub struct FeedEvent {
    /// Its sequence.
    pub sequence: Sequence,
    /// Its kind.
    pub kind: EventKind,
    /// What it is about, as its CloudEvent says.
    pub subject: Option<String>,
    /// Every order, group and reservation that it names.
    pub ids: Vec<OrderId>,
    /// The CloudEvent.
    pub json: Box<RawValue>,
}

impl Serialize for FeedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

/// Everything that matches in a range of sequences.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page {
    /// The range's first sequence: the one asked for.
    pub from: Sequence,
    /// The range's last sequence: every event in `from..=to` that matches the filter is in this page. `from - 1` if the range is
    /// empty.
    pub to: Sequence,
    /// Where to go on: `to + 1`.
    pub next: Sequence,
    /// The oldest sequence still kept.
    pub first_kept: Sequence,
    /// The last durable sequence. Behind it there is nothing yet; if `to` is lower, the next page can be had at once.
    pub durable: Sequence,
    /// The events, by sequence.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<CloudEvent>))]
    pub events: Vec<FeedEvent>,
}

/// The event feed of one store. Any number of threads may ask it.
pub struct Feed {
    storage: Arc<dyn Storage>,
    watermark: Watermark,
    names: Arc<dyn Names + Send + Sync>,
    whose: Arc<dyn Whose>,
    source: String,
    store_id: u128,
    seeker: Mutex<Seeker>,
    lately: Mutex<Lately>,
}

impl Feed {
    /// The feed of a store that is served in this process. Codes come from `names`; what events leave out of whose an order is,
    /// from `whose`.
    pub fn new(
        storage: Arc<dyn Storage>,
        store_id: u128,
        watermark: Watermark,
        names: Arc<dyn Names + Send + Sync>,
        whose: Arc<dyn Whose>,
    ) -> Self {
        let hex = format!("{store_id:032x}");
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        let source = format!("urn:uuid:{}", parts.join("-"));
        Self {
            storage,
            watermark,
            names,
            whose,
            source,
            store_id,
            seeker: Mutex::default(),
            lately: Mutex::default(),
        }
    }

    /// The store's id.
    pub(crate) fn store_id(&self) -> u128 {
        self.store_id
    }

    /// How far the journal is durable, and so the feed goes.
    pub fn durable(&self) -> Sequence {
        self.watermark.durable()
    }

    /// The watermark that it follows: whoever would rather be called than wait subscribes there.
    pub fn watermark(&self) -> &Watermark {
        &self.watermark
    }

    /// The names that its events are shown with.
    pub(crate) fn names(&self) -> &(dyn Names + Send + Sync) {
        &*self.names
    }

    /// The oldest sequence still kept.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn first_kept(&self) -> Result<Sequence, FeedError> {
        let durable = self.durable();
        Ok(self.seeker.lock().seek(&*self.storage, durable.max(1), durable)?.0)
    }

    /// What matches from a sequence on, as far as it is durable and the bounds allow. Does not wait for anything but the disk.
    /// The first sequence is 1, and 0 is taken for it.
    ///
    /// # Errors
    /// [`FeedError::Gone`] below the oldest sequence kept, [`FeedError::Ahead`] beyond the next one to come, or if the journal
    /// cannot be read.
    pub fn page(&self, from: Sequence, filter: &Filter, bounds: PageBounds) -> Result<Page, FeedError> {
        self.page_behind(from, from.saturating_sub(1), filter, bounds)
    }

    /// The page whose first event says that the one before it is `previous`.
    pub(crate) fn page_behind(
        &self,
        from: Sequence,
        previous: Sequence,
        filter: &Filter,
        bounds: PageBounds,
    ) -> Result<Page, FeedError> {
        let from = from.max(1);
        let durable = self.durable();
        if from - 1 > durable {
            return Err(FeedError::Ahead { asked: from, durable });
        }
        match self.read((from, previous), durable, filter, bounds) {
            // A segment that was there a moment ago was removed: look again.
            Err(FeedError::Journal(JournalError::NoSuchPosition { .. } | JournalError::Io { .. })) => {
                self.read((from, previous), durable, filter, bounds)
            }
            page => page,
        }
    }

    fn read(
        &self,
        (from, previous): (Sequence, Sequence),
        durable: Sequence,
        filter: &Filter,
        bounds: PageBounds,
    ) -> Result<Page, FeedError> {
        let (first_kept, start) =
            self.seeker.lock().seek(&*self.storage, from.min(durable).max(1), durable)?;
        if from < first_kept {
            return Err(FeedError::Gone { asked: from, first_kept });
        }
        let mut page = Page { from, to: from - 1, next: from, first_kept, durable, events: Vec::new() };
        if from <= durable {
            self.fill(&mut page, (start, previous), filter, bounds)?;
            page.next = page.to + 1;
        }
        Ok(page)
    }

    fn fill(
        &self,
        page: &mut Page,
        (start, mut previous): (Start, Sequence),
        filter: &Filter,
        bounds: PageBounds,
    ) -> Result<(), FeedError> {
        let mut reader = Reader::open(Arc::clone(&self.storage), start)?;
        let mut bytes = 0;
        while let Some(batch) = reader.next_batch(page.durable)? {
            let place = batch.position;
            if batch.last_sequence() < page.from {
                self.seeker.lock().pass(batch.position_after);
                continue;
            }
            for record in batch.records().filter(|record| record.sequence >= page.from) {
                let is_full = page.events.len() >= bounds.events_max.max(1)
                    || bytes >= bounds.bytes_max
                    || record.sequence - page.from >= bounds.scanned_max.max(1);
                if is_full {
                    self.seeker.lock().stop(place);
                    return Ok(());
                }
                let sequence = record.sequence;
                let event = Event::read(record.kind, record.version, record.payload)
                    .map_err(|source| UnreadableRecord { sequence, source })?;
                if self.is_wanted(filter, &event) {
                    let shown = self.show(filter, (previous, sequence), batch.recorded_at_us, &event)?;
                    bytes += shown.json.get().len();
                    page.events.push(shown);
                    previous = sequence;
                }
                page.to = sequence;
            }
            self.seeker.lock().pass(batch.position_after);
        }
        self.seeker.lock().stop(reader.position());
        Ok(())
    }

    fn is_wanted(&self, filter: &Filter, event: &Event<'_>) -> bool {
        let mut lately = self.lately.lock();
        if filter.asks_whose() {
            lately.learn(event);
        }
        filter.has(event, &mut lately, &*self.whose)
    }

    fn show(
        &self,
        filter: &Filter,
        (previous, sequence): (Sequence, Sequence),
        recorded_at_us: i64,
        event: &Event<'_>,
    ) -> Result<FeedEvent, FeedError> {
        let mut cloud =
            CloudEvent::of(&*self.names, &self.source, (previous, sequence), recorded_at_us, event);
        let mut ids = ids(event);
        if let Some(seller) = filter.seller {
            let lately = self.lately.lock();
            let is_own = |order: OrderId| lately.order_seller(&*self.whose, order) == Some(seller);
            narrow(event.kind(), &mut cloud.data, |text| text.parse().is_ok_and(is_own));
        }
        let json =
            serde_json::value::to_raw_value(&cloud).map_err(|source| FeedError::Json { sequence, source })?;
        ids.sort_unstable_by_key(|id| id.get());
        ids.dedup();
        Ok(FeedEvent { sequence, kind: event.kind(), subject: cloud.subject, ids, json })
    }
}
