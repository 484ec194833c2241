//! One connection of a run.

use std::collections::VecDeque;

use orderline_client::{Client, ClientError};
use orderline_protocol::Reply;

use crate::observer::Observer;
use crate::outcomes::{Answer, Outcomes};
use crate::window::{Sent, Window};
use crate::workload::Workload;

/// One connection: its client, what it has sent and not seen answered, and what it has to send next.
pub(crate) struct Lane<S> {
    client: Client,
    window: Window<S>,
    /// Commands of what was begun on this connection that wait to be sent. They go out before anything is begun.
    waiting: VecDeque<Sent<S>>,
    in_flight_max: u32,
    /// Why it is lost for good.
    lost: Option<ClientError>,
}

/// What all lanes of a run share.
pub(crate) struct Shared<'a, W, O> {
    pub(crate) workload: W,
    pub(crate) outcomes: Outcomes<'a, O>,
    /// Orders (carts, transactions) begun in all: the index of the next one.
    pub(crate) started: u64,
}

impl<S: Copy + Default> Lane<S> {
    pub(crate) fn new(client: Client, in_flight_max: u32) -> Self {
        let credits = client.credits().max(1);
        let in_flight_max = in_flight_max.min(credits);
        Self { client, window: Window::new(credits), waiting: VecDeque::new(), in_flight_max, lost: None }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The client, for what is asked once the run is over.
    pub(crate) fn into_client(self) -> Client {
        self.client
    }

    pub(crate) fn in_flight_max(&self) -> u32 {
        self.in_flight_max
    }

    /// Commands sent and not answered.
    pub(crate) fn unanswered(&self) -> u32 {
        self.window.len()
    }

    /// Whether nothing of what was begun is left to be sent or answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.window.len() == 0 && self.waiting.is_empty()
    }

    pub(crate) fn lost(&self) -> Option<&ClientError> {
        self.lost.as_ref()
    }

    /// How many starts it can take now: none while its connection is down, so that what counts as sent has had a
    /// connection to go out on.
    pub(crate) fn room(&self) -> u32 {
        let in_flight = self.window.len().saturating_add(self.waiting.len() as u32);
        self.in_flight_max.saturating_sub(in_flight).min(self.credits_left())
    }

    /// Whether it could send now what waits.
    pub(crate) fn can_go_on(&self) -> bool {
        !self.waiting.is_empty() && self.credits_left() > 0
    }

    fn credits_left(&self) -> u32 {
        if self.lost.is_some() || !self.client.is_connected() {
            return 0;
        }
        u32::try_from(self.client.credits_left()).unwrap_or(u32::MAX)
    }

    /// Sends what waits, `count` commands at most; returns how many that were.
    pub(crate) fn go_on<W, O>(&mut self, count: u32, shared: &mut Shared<'_, W, O>) -> u32
    where
        W: Workload<Step = S>,
        O: Observer,
    {
        let mut sent = 0;
        while sent < count.min(self.credits_left())
            && let Some(&next) = self.waiting.front()
            && self.window.has_room(self.client.next_request())
            && self.submit(next, shared)
        {
            self.waiting.pop_front();
            sent += 1;
        }
        sent
    }

    /// Begins `count` orders (carts, transactions), the start of each being what `start_ns` says of its index.
    #[inline]
    pub(crate) fn begin<W, O>(
        &mut self,
        count: u32,
        shared: &mut Shared<'_, W, O>,
        mut start_ns: impl FnMut(u64) -> u64,
    ) where
        W: Workload<Step = S>,
        O: Observer,
    {
        for _ in 0..count {
            if !self.window.has_room(self.client.next_request()) {
                return;
            }
            let start = shared.started;
            let start_ns = start_ns(start);
            if let Some(step) = shared.workload.begin(start, start_ns, &mut self.waiting) {
                let first = Sent { start, start_ns, step };
                if !self.submit(first, shared) {
                    // There was room, so the connection is lost for good, and nothing that waits will be sent.
                    return;
                }
            }
            shared.started += 1;
        }
    }

    /// Sends one command, for which the window has room. False: there is no credit, or the connection is lost for good.
    #[inline]
    fn submit<W, O>(&mut self, sent: Sent<S>, shared: &mut Shared<'_, W, O>) -> bool
    where
        W: Workload<Step = S>,
        O: Observer,
    {
        let client = &mut self.client;
        match shared.workload.write(&sent, |command| client.submit(command)) {
            Ok(request) => {
                self.window.put(request, sent);
                shared.outcomes.orders_sent += u64::from(shared.workload.orders(sent.step));
                true
            }
            Err(ClientError::NoCredit { .. }) => false,
            Err(error) => {
                self.lost = Some(error);
                false
            }
        }
    }

    /// Moves bytes both ways and hands the workload what was answered; returns how many answers that were. `now_ns`
    /// is asked once, when there is a first answer.
    pub(crate) fn pump<W, O>(&mut self, shared: &mut Shared<'_, W, O>, now_ns: impl Fn() -> u64) -> usize
    where
        W: Workload<Step = S>,
        O: Observer,
    {
        if self.lost.is_some() {
            return 0;
        }
        let Self { client, window, waiting, lost, .. } = self;
        let mut now = None;
        let mut answered = 0;
        let on_reply = |reply: Reply<'_>| {
            let now_ns = *now.get_or_insert_with(&now_ns);
            let Some(sent) = window.take(reply.header.request.get()) else { return };
            answered += 1;
            shared.outcomes.answered(W::kind(sent.step));
            shared.workload.answered(&Answer { sent, reply, now_ns }, &mut shared.outcomes, waiting);
        };
        if let Err(error) = client.pump(on_reply) {
            *lost = Some(error);
        }
        answered
    }

    /// Tells the observer which orders were never answered; returns how many these are.
    pub(crate) fn give_up<W, O>(&self, shared: &mut Shared<'_, W, O>) -> u64
    where
        W: Workload<Step = S>,
        O: Observer,
    {
        let mut unknown = 0;
        for sent in self.window.unanswered() {
            let orders = shared.workload.orders(sent.step);
            shared.outcomes.unknown(&sent, orders);
            unknown += u64::from(orders);
        }
        unknown
    }
}
