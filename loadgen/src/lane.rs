//! One connection of a run.

use orderline_client::{Client, ClientError};
use orderline_protocol::{RejectCode, Reply};

use crate::draft::Draft;
use crate::observer::Observer;
use crate::order_ids::OrderIds;
use crate::tally::Tally;
use crate::window::{Sent, Window};
use crate::workload::Workload;

/// One connection: its client, and what it has sent and not seen answered.
pub(crate) struct Lane {
    client: Client,
    window: Window,
    in_flight_max: u32,
    /// Why it is lost for good.
    lost: Option<ClientError>,
}

/// What all lanes of a run share.
pub(crate) struct Shared<'a, O> {
    pub(crate) workload: Workload,
    pub(crate) draft: Draft,
    pub(crate) ids: OrderIds,
    pub(crate) tally: Tally,
    pub(crate) observer: &'a mut O,
    /// Orders sent in all: the index of the next one.
    pub(crate) sent: u64,
}

impl Lane {
    pub(crate) fn new(client: Client, in_flight_max: u32) -> Self {
        let credits = client.credits().max(1);
        let in_flight_max = in_flight_max.min(credits);
        Self { client, window: Window::new(credits), in_flight_max, lost: None }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn in_flight_max(&self) -> u32 {
        self.in_flight_max
    }

    pub(crate) fn unanswered(&self) -> u32 {
        self.window.len()
    }

    pub(crate) fn lost(&self) -> Option<&ClientError> {
        self.lost.as_ref()
    }

    /// How many orders it can take now: none while its connection is down, so that what counts as sent has had a
    /// connection to go out on.
    pub(crate) fn room(&self) -> u32 {
        if self.lost.is_some() || !self.client.is_connected() {
            return 0;
        }
        let credits_left = u32::try_from(self.client.credits_left()).unwrap_or(u32::MAX);
        self.in_flight_max.saturating_sub(self.window.len()).min(credits_left)
    }

    /// Sends `count` orders, the start of each being what `start_ns` says of its index.
    pub(crate) fn send<O: Observer>(
        &mut self,
        count: u32,
        shared: &mut Shared<'_, O>,
        mut start_ns: impl FnMut(u64) -> u64,
    ) {
        for _ in 0..count {
            if !self.window.has_room(self.client.next_request()) {
                return;
            }
            let order = shared.sent;
            shared.workload.next(shared.ids.nth(order), &mut shared.draft);
            match self.client.submit(&shared.draft.command()) {
                Ok(request) => {
                    self.window.put(request, Sent { order, start_ns: start_ns(order) });
                    shared.sent += 1;
                }
                Err(ClientError::NoCredit { .. }) => return,
                Err(error) => {
                    self.lost = Some(error);
                    return;
                }
            }
        }
    }

    /// Moves bytes both ways and counts what was answered; returns how many that were. `now_ns` is asked once, when
    /// there is a first answer.
    pub(crate) fn pump<O: Observer>(
        &mut self,
        shared: &mut Shared<'_, O>,
        now_ns: impl Fn() -> u64,
    ) -> usize {
        if self.lost.is_some() {
            return 0;
        }
        let Self { client, window, lost, .. } = self;
        let mut now = None;
        let mut answered = 0;
        let on_reply = |reply: Reply<'_>| {
            let now = *now.get_or_insert_with(&now_ns);
            let Some(sent) = window.take(reply.header.request.get()) else { return };
            answered += 1;
            let latency_ns = now.saturating_sub(sent.start_ns);
            if reply.is_accepted() {
                shared.tally.accepted(latency_ns);
                shared.observer.accepted(shared.ids.nth(sent.order), reply.header.sequence.get());
            } else {
                let code = reply.header.code.get();
                shared.tally.refused(code, latency_ns);
                shared.observer.rejected(shared.ids.nth(sent.order), RejectCode::from_number(code));
            }
        };
        if let Err(error) = client.pump(on_reply) {
            *lost = Some(error);
        }
        answered
    }

    /// Tells the observer what was never answered.
    pub(crate) fn give_up<O: Observer>(&self, shared: &mut Shared<'_, O>) -> u64 {
        let mut unknown = 0;
        for sent in self.window.unanswered() {
            shared.observer.unknown(shared.ids.nth(sent.order));
            unknown += 1;
        }
        unknown
    }
}
