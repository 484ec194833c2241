//! What became of what a run has sent.

use orderline_protocol::command::CommandKind;
use orderline_protocol::{RejectCode, Reply};

use crate::ids::Ids;
use crate::observer::Observer;
use crate::tally::{CodeCounts, KindCounts, Tally};
use crate::window::Sent;

/// An answer, and what it answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer<'a, S> {
    /// What was sent.
    pub(crate) sent: Sent<S>,
    /// What came back.
    pub(crate) reply: Reply<'a>,
    /// When, in nanoseconds after the run's beginning.
    pub(crate) now_ns: u64,
}

impl<S> Answer<'_, S> {
    /// Nanoseconds since the (intended) beginning of what this belongs to.
    #[inline]
    pub(crate) fn latency_ns(&self) -> u64 {
        self.now_ns.saturating_sub(self.sent.start_ns)
    }
}

/// What became of what a run has sent, and who is told.
pub(crate) struct Outcomes<'a, O> {
    pub(crate) ids: Ids,
    /// Of orders: what was answered to their placements.
    pub(crate) tally: Tally,
    pub(crate) observer: &'a mut O,
    /// Orders whose placement was sent.
    pub(crate) orders_sent: u64,
    /// Answers by kind of command, placements included.
    pub(crate) kinds: KindCounts,
    /// Refusals of commands that place nothing.
    pub(crate) refused: CodeCounts,
}

impl<'a, O: Observer> Outcomes<'a, O> {
    pub(crate) fn new(ids: Ids, deadline_ns: u64, observer: &'a mut O) -> Self {
        Self {
            ids,
            tally: Tally::new(deadline_ns),
            observer,
            orders_sent: 0,
            kinds: KindCounts::default(),
            refused: CodeCounts::default(),
        }
    }

    /// Takes note of any answer, before what it says is looked at.
    #[inline]
    pub(crate) fn answered(&mut self, kind: CommandKind) {
        self.kinds.count(kind);
    }

    /// Takes note of the answer to a command that places so many orders; whether it was accepted.
    #[inline]
    pub(crate) fn placed<S>(&mut self, answer: &Answer<'_, S>, orders: u32) -> bool {
        let header = answer.reply.header;
        let latency_ns = answer.latency_ns();
        let is_accepted = answer.reply.is_accepted();
        for order in self.ids.orders(answer.sent.start, orders, answer.sent.start_ns) {
            if is_accepted {
                self.tally.accepted(latency_ns);
                self.observer.accepted(order, header.sequence.get());
            } else {
                let code = header.code.get();
                self.tally.refused(code, latency_ns);
                self.observer.rejected(order, RejectCode::from_number(code));
            }
        }
        is_accepted
    }

    /// Takes note of the answer to a command that places nothing; whether it was refused.
    pub(crate) fn is_refused<S>(&mut self, answer: &Answer<'_, S>) -> bool {
        let code = answer.reply.header.code.get();
        if code != 0 {
            self.refused.count(code);
        }
        code != 0
    }

    /// Takes note of a placement that was never answered.
    pub(crate) fn unknown<S>(&mut self, sent: &Sent<S>, orders: u32) {
        for order in self.ids.orders(sent.start, orders, sent.start_ns) {
            self.observer.unknown(order);
        }
    }
}
