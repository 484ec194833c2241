//! A consumer's way through the feed, page by page.

use orderline_protocol::Sequence;

use crate::feed::{Feed, FeedError, Page, PageBounds};
use crate::filter::Filter;

/// Reads on where it stopped, and links each event to the one before it that matched, across pages too: for consumers that get
/// events one by one and not the ranges (server-sent events, webhooks).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The next sequence to look at.
    pub next: Sequence,
    /// The last event that matched, or the sequence before the first one looked at.
    pub previous: Sequence,
}

impl Cursor {
    /// A cursor that begins at a sequence.
    pub fn at(sequence: Sequence) -> Self {
        let next = sequence.max(1);
        Self { next, previous: next - 1 }
    }

    /// The next page, and the cursor behind it.
    ///
    /// # Errors
    /// Like [`Feed::page`]; the cursor then stays where it is.
    pub fn page(&mut self, feed: &Feed, filter: &Filter, bounds: PageBounds) -> Result<Page, FeedError> {
        let page = feed.page_behind(self.next, self.previous, filter, bounds)?;
        self.next = page.next;
        self.previous = page.events.last().map_or(self.previous, |event| event.sequence);
        Ok(page)
    }
}
