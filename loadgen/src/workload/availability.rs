//! The workload `availability`: what shops ask before anybody buys, a page of SKUs at a time.

use std::collections::{BTreeMap, VecDeque};

use orderline_protocol::Command;
use orderline_protocol::command::{AskedSku, CommandKind, QueryAvailability};
use orderline_protocol::reply::{AvailabilityView, Outcome, SaleStanding};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::{Conclusion, End, Workload};
use crate::goods::{Catalogue, Goods};
use crate::observer::Observer;
use crate::options::LoadOptions;
use crate::outcomes::{Answer, Outcomes};
use crate::particulars::{AvailabilityReport, Particulars, SequenceRange};
use crate::window::Sent;

/// SKUs drawn before the run: the queries take turns with them. Drawing one takes as long as answering about several, and
/// the generator shares its cores with the server.
const DRAWN_SKUS: usize = 1 << 20;

/// Queries for as many SKUs each, chosen as orders choose them.
pub(crate) struct Availability {
    head: QueryAvailability,
    drawn: Vec<AskedSku>,
    /// Where in `drawn` the next query begins.
    next: usize,
    asked_count: usize,
    answered: u64,
    buyable: u64,
    /// Queries that were refused, or not answered as a whole with SKUs that there are.
    wrong: u64,
    sequence: Option<SequenceRange>,
    spread_max: u64,
}

impl Availability {
    pub(crate) fn new(options: &LoadOptions, catalogue: Catalogue) -> Self {
        let goods = Goods::new(options, catalogue);
        let mut random = SmallRng::seed_from_u64(options.seed);
        let drawn = (0..DRAWN_SKUS).map(|_| AskedSku { sku: goods.choose_sku(&mut random) }).collect();
        Self {
            head: QueryAvailability { sku_count: options.query_skus.into(), reserved: [0; 2] },
            drawn,
            next: 0,
            asked_count: options.query_skus.into(),
            answered: 0,
            buyable: 0,
            wrong: 0,
            sequence: None,
            spread_max: 0,
        }
    }
}

impl Workload for Availability {
    type Step = ();

    #[inline]
    fn kind((): ()) -> CommandKind {
        CommandKind::QueryAvailability
    }

    #[inline]
    fn orders(&self, (): ()) -> u32 {
        0
    }

    #[inline]
    fn begin(&mut self, _start: u64, _start_ns: u64, _waiting: &mut VecDeque<Sent<()>>) -> Option<()> {
        Some(())
    }

    #[inline]
    fn write<R>(&mut self, _sent: &Sent<()>, sink: impl FnOnce(&Command<'_>) -> R) -> R {
        if self.next + self.asked_count > self.drawn.len() {
            self.next = 0;
        }
        let asked = &self.drawn[self.next..][..self.asked_count];
        self.next += self.asked_count;
        sink(&Command::QueryAvailability(&self.head, asked))
    }

    #[inline]
    fn answered<O: Observer>(
        &mut self,
        answer: &Answer<'_, ()>,
        outcomes: &mut Outcomes<'_, O>,
        _waiting: &mut VecDeque<Sent<()>>,
    ) {
        let header = answer.reply.header;
        let (since, until) = (header.sequence.get(), header.detail.get());
        let views = AvailabilityView::read_all(answer.reply.view).unwrap_or_default();
        let is_known = |view: &AvailabilityView| view.standing != SaleStanding::UnknownSku as u8;
        let is_whole = views.len() == self.asked_count && views.iter().all(is_known);
        if outcomes.is_refused(answer)
            || answer.reply.outcome() != Outcome::Answered
            || !is_whole
            || until < since
        {
            self.wrong += 1;
            return;
        }
        outcomes.tally.looked_up(views.len() as u64, answer.latency_ns());
        self.answered += views.len() as u64;
        self.buyable += views.iter().filter(|view| view.can_buy(1)).count() as u64;
        SequenceRange::extend(&mut self.sequence, since);
        self.spread_max = self.spread_max.max(until - since);
    }

    fn conclude(self, end: &mut End<'_>) -> Conclusion {
        let per_second = if end.seconds > 0.0 { self.answered as f64 / end.seconds } else { 0.0 };
        let report = AvailabilityReport {
            query_skus: self.asked_count as u32,
            sku_answers: self.answered,
            sku_answers_per_second: per_second,
            skus_buyable: self.buyable,
            answered_at_sequence: self.sequence,
            sequence_spread_max: self.spread_max,
        };
        Conclusion {
            particulars: Some(Particulars::Availability(report)),
            checks: BTreeMap::from([("every_query_was_answered_as_a_whole", self.wrong == 0)]),
            problems: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::goods::tests::{catalogue, options};

    #[test]
    fn queries_ask_about_as_many_skus_as_they_are_to_of_every_seller() {
        let options = LoadOptions { query_skus: 40, ..options(4, 100) };
        let mut availability = Availability::new(&options, catalogue(3, 1, 300));
        let mut sellers = HashSet::new();
        for start in 0..50 {
            availability.write(&Sent { start, start_ns: 0, step: () }, |command| {
                let Command::QueryAvailability(head, asked) = command else { panic!("{command:?}") };
                assert_eq!((head.sku_count.get(), asked.len()), (40, 40));
                sellers.extend(asked.iter().map(|asked| asked.sku.get() / 100));
            });
        }
        assert_eq!(sellers, HashSet::from([0, 1, 2]));
    }
}
