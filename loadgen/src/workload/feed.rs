//! The workload `feed`: orders as in `place`, and beside them an outside system that sets stock levels in bursts.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use orderline_client::{Client, ClientError};
use orderline_protocol::command::{Cause, CommandKind, QueryStatus, QueryStock, SetLevel};
use orderline_protocol::reply::{LevelView, Outcome};
use orderline_protocol::{Command, RejectCode, SkuHandle};

use super::{Conclusion, End, Workload};
use crate::goods::Catalogue;
use crate::observer::Observer;
use crate::options::LoadOptions;
use crate::outcomes::{Answer, Outcomes};
use crate::particulars::{BurstMs, FeedReport, Particulars};
use crate::setup::STOCK_UNITS;
use crate::tally::CodeCounts;
use crate::window::Sent;

/// Updates made before the socket is looked at again, and the orders' connections get their turn.
const BATCH_MAX: usize = 512;

/// Levels whose course is checked at the end; bursts leave them alone.
const WATCHED: usize = 64;

/// Orders, with a feed beside them.
pub(crate) struct Fed<W> {
    orders: W,
    feed: Feed,
}

impl<W> Fed<W> {
    pub(crate) fn new(orders: W, feed: Feed) -> Self {
        Self { orders, feed }
    }
}

impl<W: Workload> Workload for Fed<W> {
    type Step = W::Step;

    fn kind(step: W::Step) -> CommandKind {
        W::kind(step)
    }

    fn orders(&self, step: W::Step) -> u32 {
        self.orders.orders(step)
    }

    fn begin(&mut self, start: u64, start_ns: u64, waiting: &mut VecDeque<Sent<W::Step>>) -> Option<W::Step> {
        self.orders.begin(start, start_ns, waiting)
    }

    fn write<R>(&mut self, sent: &Sent<W::Step>, sink: impl FnOnce(&Command<'_>) -> R) -> R {
        self.orders.write(sent, sink)
    }

    fn answered<O: Observer>(
        &mut self,
        answer: &Answer<'_, W::Step>,
        outcomes: &mut Outcomes<'_, O>,
        waiting: &mut VecDeque<Sent<W::Step>>,
    ) {
        self.feed.seen = self.feed.seen.max(answer.reply.header.sequence.get());
        self.orders.answered(answer, outcomes, waiting);
    }

    fn beside_mut(&mut self) -> Option<&mut Feed> {
        Some(&mut self.feed)
    }

    fn beside(&self) -> Option<&Feed> {
        Some(&self.feed)
    }

    fn conclude(self, end: &mut End<'_>) -> Conclusion {
        let Conclusion { checks, problems, .. } = self.orders.conclude(end);
        let mut conclusion = self.feed.conclude(end);
        conclusion.checks.extend(checks);
        conclusion.problems.extend(problems);
        conclusion
    }
}

/// An outside system that says, burst by burst, how much of everything is on hand.
///
/// It goes through all levels, over and over. Each burst speaks as of the newest sequence that any reply had told when it
/// began, as an export does; what it says is around what was received, so that nothing runs short. Bursts are due at a
/// constant spacing and sent one after the other; a burst's latency counts from when it was due to its last answer.
///
/// Some levels it only reads when a burst begins. At the end it says of them what was there at the last burst, as of
/// then: what left or came since is counted once, so a true statement about the past changes nothing.
pub(crate) struct Feed {
    client: Client,
    catalogue: Catalogue,
    burst_updates: u32,
    every_ns: u64,
    /// The newest sequence seen in any reply.
    seen: u64,
    /// Bursts begun.
    bursts: u64,
    /// Updates of the burst that have not been sent.
    left: u32,
    /// What the burst speaks as of.
    as_of: u64,
    /// Updates sent in all: the index of the next one.
    sent: u64,
    accepted: u64,
    refused: CodeCounts,
    /// Of each whole burst, in nanoseconds.
    latencies_ns: Vec<u64>,
    /// The last answer, in nanoseconds after the run's beginning.
    answered_ns: u64,
    /// Of the watched SKUs at the first location: on hand and the sequence, as last read.
    watched: BTreeMap<SkuHandle, Option<(i64, u64)>>,
    lost: Option<ClientError>,
}

impl Feed {
    /// `client` is the feed's own connection.
    ///
    /// # Errors
    /// When the server cannot be asked how far its history goes.
    pub(crate) fn new(
        options: &LoadOptions,
        catalogue: Catalogue,
        mut client: Client,
    ) -> Result<Self, ClientError> {
        let query = QueryStatus { with_state_hash: 0, reserved: [0; 7] };
        let seen = client.call(&Command::QueryStatus(&query))?.header.sequence.get();
        // One of eight SKUs at most is watched: most are left to be set.
        let stride = (catalogue.skus.len() / WATCHED).max(8);
        let watched = catalogue.skus.iter().skip(1).step_by(stride).map(|&sku| (sku, None)).collect();
        Ok(Self {
            client,
            catalogue,
            watched,
            burst_updates: options.feed_burst,
            every_ns: options.feed_every.as_nanos() as u64,
            seen,
            bursts: 0,
            left: 0,
            as_of: seen,
            sent: 0,
            accepted: 0,
            refused: CodeCounts::default(),
            latencies_ns: Vec::new(),
            answered_ns: 0,
            lost: None,
        })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn lost(&self) -> Option<&ClientError> {
        self.lost.as_ref()
    }

    /// Updates sent and not answered.
    pub(crate) fn unanswered(&self) -> u64 {
        self.client.unanswered() as u64
    }

    /// Whether no burst is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.left == 0 && self.client.unanswered() == 0
    }

    /// How long from now until there is something to send, answers aside.
    pub(crate) fn idle_for(&self, now_ns: u64) -> Duration {
        if self.left > 0 {
            let can_send = self.client.credits_left() > 0 && self.client.is_connected();
            return if can_send { Duration::ZERO } else { Duration::MAX };
        }
        if !self.is_idle() {
            return Duration::MAX;
        }
        Duration::from_nanos(self.due_ns(self.bursts).saturating_sub(now_ns))
    }

    fn due_ns(&self, burst: u64) -> u64 {
        burst.saturating_mul(self.every_ns)
    }

    /// Sends and receives what can be without waiting, and begins the next burst if it is due and was to be so before
    /// `until_ns`. Returns how many answers came.
    pub(crate) fn turn(&mut self, until_ns: u64, now_ns: impl Fn() -> u64) -> usize {
        if self.lost.is_some() {
            return 0;
        }
        let due_ns = self.due_ns(self.bursts);
        if due_ns < until_ns && self.is_idle() && now_ns() >= due_ns {
            self.bursts += 1;
            self.left = self.burst_updates;
            self.as_of = self.seen;
            for &sku in self.watched.keys() {
                let query = QueryStock { sku, location: self.catalogue.locations[0] };
                if let Err(error) = self.client.submit(&Command::QueryStock(&query)) {
                    self.lost = Some(error);
                    return 0;
                }
            }
        }
        if self.left > 0 && self.client.is_connected() {
            let count = BATCH_MAX.min(self.left as usize).min(self.client.credits_left());
            for _ in 0..count {
                let set = self.update(self.sent);
                if let Err(error) = self.client.submit(&Command::SetLevel(&set)) {
                    self.lost = Some(error);
                    return 0;
                }
                self.sent += 1;
                self.left -= 1;
            }
        }
        let Self { client, seen, accepted, refused, watched, .. } = self;
        let pumped = client.pump(|reply| {
            let sequence = reply.header.sequence.get();
            *seen = (*seen).max(sequence);
            if reply.outcome() == Outcome::Answered {
                if let Some((sku, on_hand)) = level_in(reply.view) {
                    watched.insert(sku, Some((on_hand, sequence)));
                }
            } else if reply.is_accepted() {
                *accepted += 1;
            } else {
                refused.count(reply.header.code.get());
            }
        });
        match pumped {
            Ok(0) => 0,
            Ok(answered) => {
                self.answered_ns = now_ns();
                if self.is_idle() {
                    let due_ns = self.due_ns(self.bursts - 1);
                    self.latencies_ns.push(self.answered_ns.saturating_sub(due_ns));
                }
                answered
            }
            Err(error) => {
                self.lost = Some(error);
                0
            }
        }
    }

    /// The update with this index.
    fn update(&self, index: u64) -> SetLevel {
        let skus = self.catalogue.skus.len() as u64;
        let locations = self.catalogue.locations.len() as u64;
        // Each round says something else than the one before, by up to a thousand units.
        let differing = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
        let mut sku = self.catalogue.skus[(index % skus) as usize];
        let location = self.catalogue.locations[(index / skus % locations) as usize];
        if location == self.catalogue.locations[0] && self.watched.contains_key(&sku) {
            // The one before it is not watched.
            sku = self.catalogue.skus[(index % skus) as usize - 1];
        }
        SetLevel {
            expected_version: 0.into(),
            sku,
            location,
            reserved: [0; 6],
            on_hand: (STOCK_UNITS + differing).into(),
            as_of: self.as_of.into(),
            cause: Cause {
                happened_at_us: 0.into(),
                reference: self.bursts.into(),
                actor: 0.into(),
                reason: 0.into(),
                reserved: [0; 2],
            },
        }
    }

    /// Sets the watched levels to what they held when they were read last, as of then. Returns how many that was told of, how
    /// many of those had changed since, and the levels that are otherwise than before.
    fn check_watched(&self, client: &mut Client) -> Result<(u64, u64, Vec<SkuHandle>), ClientError> {
        let location = self.catalogue.locations[0];
        let (mut checked, mut moved, mut wrong) = (0, 0, Vec::new());
        for (&sku, read) in &self.watched {
            let &Some((on_hand, as_of)) = read else { continue };
            let query = QueryStock { sku, location };
            let query = Command::QueryStock(&query);
            let before = level_in(&client.call(&query)?.view).map(|level| level.1);
            let cause = Cause {
                happened_at_us: 0.into(),
                reference: 0.into(),
                actor: 0.into(),
                reason: 0.into(),
                reserved: [0; 2],
            };
            let set = SetLevel {
                expected_version: 0.into(),
                sku,
                location,
                reserved: [0; 6],
                on_hand: on_hand.max(0).unsigned_abs().into(),
                as_of: as_of.into(),
                cause,
            };
            let reply = client.call(&Command::SetLevel(&set))?;
            // So much has moved that nobody knows any more what.
            if reply.header.code.get() == RejectCode::AsOfTooOld as u16 {
                continue;
            }
            let after = level_in(&client.call(&query)?.view).map(|level| level.1);
            checked += 1;
            moved += u64::from(before != Some(on_hand));
            if before.is_none() || after != before {
                wrong.push(sku);
            }
        }
        Ok((checked, moved, wrong))
    }

    fn conclude(mut self, end: &mut End<'_>) -> Conclusion {
        let watched = match end.client.as_deref_mut() {
            Some(client) => self.check_watched(client),
            None => Ok((0, 0, Vec::new())),
        };
        self.latencies_ns.sort_unstable();
        let seconds = self.answered_ns as f64 / 1e9;
        let ms = |ns: Option<&u64>| ns.map_or(0.0, |&ns| ns as f64 / 1e6);
        let rejected = self.refused.sum();
        let report = FeedReport {
            feed_updates: self.accepted,
            feed_updates_per_second: if seconds > 0.0 { self.accepted as f64 / seconds } else { 0.0 },
            feed_rejected: rejected,
            feed_rejected_by_code: self.refused.by_name(),
            feed_unknown: self.sent - self.accepted - rejected,
            feed_bursts: self.latencies_ns.len() as u64,
            feed_burst_updates: self.burst_updates,
            feed_burst_ms: BurstMs {
                p50: ms(self.latencies_ns.get(self.latencies_ns.len().saturating_sub(1) / 2)),
                max: ms(self.latencies_ns.last()),
            },
            feed_levels_checked: watched.as_ref().map_or(0, |watched| watched.0),
            feed_levels_moved: watched.as_ref().map_or(0, |watched| watched.1),
        };
        let mut conclusion = Conclusion {
            checks: BTreeMap::from([("no_feed_update_was_refused", rejected == 0)]),
            ..Conclusion::default()
        };
        if rejected > 0 {
            conclusion.problems.push(format!("{rejected} updates of the feed were refused"));
        }
        match watched {
            Ok((0, ..)) => {}
            Ok((_, _, wrong)) => {
                conclusion.checks.insert("what_left_since_is_deducted_once", wrong.is_empty());
                if !wrong.is_empty() {
                    let problem = "levels changed when they were set, as of the past, to what they held then";
                    conclusion.problems.push(format!("{} {problem}: SKUs {wrong:?}", wrong.len()));
                }
            }
            Err(error) => conclusion.problems.push(format!("levels cannot be asked for: {error}")),
        }
        conclusion.particulars = Some(Particulars::Feed(report));
        conclusion
    }
}

/// The one level in the answer to a stock query: its SKU, and what is on hand.
fn level_in(view: &[u8]) -> Option<(SkuHandle, i64)> {
    let [level] = LevelView::read_all(view).ok()? else { return None };
    let held = [level.reserved, level.committed, level.safety, level.damaged, level.quality_hold];
    let held: u64 = held.iter().map(|units| units.get()).sum();
    Some((level.sku, level.available.get() + held as i64))
}
