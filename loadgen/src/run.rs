//! A run: one loop that sends, receives and sleeps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orderline_client::{Client, ClientOptions, ReconnectPolicy, wait};

use crate::draft::Draft;
use crate::error::LoadError;
use crate::lane::{Lane, Shared};
use crate::observer::Observer;
use crate::options::{Extent, LoadOptions};
use crate::order_ids::OrderIds;
use crate::report::{Ended, LoadReport, Progress};
use crate::schedule::Schedule;
use crate::setup::{self, CURRENCY};
use crate::tally::Tally;
use crate::workload::Workload;

/// Orders made for one connection before its socket is looked at again: enough to fill a frame well, few enough
/// that the first of them does not wait for the last.
const BATCH_MAX: u32 = 512;

/// Open loop: how long after the end an order that was due before it is still sent, in nanoseconds.
const LAST_DUE_NS: u64 = 10_000_000;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The longest sleep: after so long at most, a stop is seen.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// How long a run that was stopped, or has lost a connection, waits for answers that are on their way.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// Connects, sets up the catalogue, sends the orders, waits for the answers and reports.
///
/// `observer` is told what became of each order, `progress` how the run goes, about once a second. Setting `stop`
/// ends the sending; answers on their way are waited for shortly. A server that goes away while orders are sent is
/// no error: the report says so ([`Ended::ServerLost`]).
///
/// # Errors
/// When an option cannot be used, the server cannot be reached, or the set-up cannot be finished.
pub fn run<O: Observer>(
    options: &LoadOptions,
    observer: &mut O,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(&Progress),
) -> Result<LoadReport, LoadError> {
    options.check()?;
    let ids = OrderIds::random();
    let setup_began = Instant::now();
    let mut first = connect(options)?;
    let catalogue = setup::prepare(&mut first, options, ids.nth(0))?;
    let mut lanes = vec![Lane::new(first, options.in_flight_max())];
    for _ in 1..options.connections {
        lanes.push(Lane::new(connect(options)?, options.in_flight_max()));
    }
    let shared = Shared {
        draft: Draft::new(catalogue.seller, CURRENCY),
        workload: Workload::new(options, catalogue.skus),
        ids,
        tally: Tally::new(),
        observer,
        sent: 0,
    };
    let setup_seconds = setup_began.elapsed().as_secs_f64();
    let mut run = Run::new(options, lanes, shared, stop);
    run.drive(progress);
    Ok(run.report(setup_seconds))
}

fn connect(options: &LoadOptions) -> Result<Client, LoadError> {
    let client_options = ClientOptions {
        connect_timeout: options.patience.min(Duration::from_secs(5)),
        call_timeout: options.patience.max(Duration::from_secs(5)),
        reconnect: ReconnectPolicy { give_up_after: options.patience, ..ReconnectPolicy::default() },
        commands_per_frame_max: options
            .orders_per_frame_max
            .map_or(u16::MAX, |orders| orders.min(u32::from(u16::MAX)) as u16),
        ..ClientOptions::default()
    };
    Client::connect(options.connect, client_options)
        .map_err(|source| LoadError::Server { addr: options.connect, source })
}

struct Run<'a, O> {
    options: &'a LoadOptions,
    schedule: Option<Schedule>,
    lanes: Vec<Lane>,
    shared: Shared<'a, O>,
    stop: &'a AtomicBool,
    began: Instant,
    /// The last answer, in nanoseconds after the beginning.
    answered_ns: u64,
    /// Since when answers have been waited for without one coming.
    waiting_since_ns: u64,
    behind_ns_max: u64,
    due_not_sent: u64,
    /// When to stop waiting for answers; set when sending ends early.
    drain_until: Option<Instant>,
    ended: Ended,
    error: Option<String>,
}

impl<'a, O: Observer> Run<'a, O> {
    fn new(options: &'a LoadOptions, lanes: Vec<Lane>, shared: Shared<'a, O>, stop: &'a AtomicBool) -> Self {
        Self {
            schedule: options.rate.map(Schedule::new),
            options,
            lanes,
            shared,
            stop,
            began: Instant::now(),
            answered_ns: 0,
            waiting_since_ns: 0,
            behind_ns_max: 0,
            due_not_sent: 0,
            drain_until: None,
            ended: Ended::Done,
            error: None,
        }
    }

    fn drive(&mut self, progress: &mut dyn FnMut(&Progress)) {
        self.began = Instant::now();
        let mut meter = Meter { at: self.began, acked: 0, answered: 0 };
        let mut is_sending = true;
        let mut turn = 0;
        loop {
            let now_ns = self.now_ns();
            if self.unanswered() == 0 {
                self.waiting_since_ns = now_ns;
            }
            if is_sending && (self.is_over(now_ns) || self.error.is_some()) {
                is_sending = false;
            }
            // Round robin, and each time from another connection on, so that none is always served first.
            let mut due = if is_sending { self.due(now_ns) } else { 0 };
            let share = due.div_ceil(self.lanes.len() as u64);
            let mut answered = 0;
            for index in 0..self.lanes.len() {
                let lane = (turn + index) % self.lanes.len();
                due -= self.fill(lane, share.min(due));
                answered += self.pump(lane);
            }
            turn = (turn + 1) % self.lanes.len();
            if answered > 0 {
                self.answered_ns = self.now_ns();
                self.waiting_since_ns = self.answered_ns;
            }
            if let Some(now) = meter.due() {
                progress(&self.progress(&mut meter, now));
            }
            if self.is_lost() || self.is_drained(is_sending) {
                break;
            }
            if answered == 0 {
                self.sleep(is_sending);
            }
        }
    }

    #[inline]
    fn now_ns(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    /// Whether nothing more is to be sent; takes note of why.
    fn is_over(&mut self, now_ns: u64) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            self.ended = Ended::Stopped;
            self.drain_until = Some(Instant::now() + DRAIN_MAX);
            return true;
        }
        match self.options.extent {
            Extent::Orders(orders) => self.shared.sent >= orders,
            Extent::For(time) => {
                let end_ns = time.as_nanos() as u64;
                let Some(schedule) = self.schedule else { return now_ns >= end_ns };
                // What was due just before the end may still go out; what has waited for longer does not.
                let not_sent = schedule.due(end_ns - 1).saturating_sub(self.shared.sent);
                let is_over = now_ns >= end_ns && (not_sent == 0 || now_ns >= end_ns + LAST_DUE_NS);
                if is_over {
                    self.due_not_sent = not_sent;
                }
                is_over
            }
        }
    }

    /// Orders that could be sent now, had the connections room for them.
    fn due(&self, now_ns: u64) -> u64 {
        let orders = match self.options.extent {
            Extent::Orders(orders) => orders,
            Extent::For(_) => u64::MAX,
        };
        let end_ns = match self.options.extent {
            Extent::Orders(_) => u64::MAX,
            Extent::For(time) => time.as_nanos() as u64 - 1,
        };
        let started = self.schedule.map_or(u64::MAX, |schedule| schedule.due(now_ns.min(end_ns)));
        orders.min(started).saturating_sub(self.shared.sent)
    }

    /// Sends what this connection has room for, `count` at most; returns how many orders that were.
    fn fill(&mut self, lane: usize, count: u64) -> u64 {
        let lane = &mut self.lanes[lane];
        let count = count.min(u64::from(lane.room().min(BATCH_MAX))) as u32;
        if count == 0 {
            return 0;
        }
        let sent_before = self.shared.sent;
        let now_ns = self.began.elapsed().as_nanos() as u64;
        match self.schedule {
            None => lane.send(count, &mut self.shared, |_| now_ns),
            Some(schedule) => {
                // The first is the one that waited longest.
                let behind_ns = now_ns.saturating_sub(schedule.start_ns(sent_before));
                self.behind_ns_max = self.behind_ns_max.max(behind_ns);
                lane.send(count, &mut self.shared, |order| schedule.start_ns(order));
            }
        }
        self.shared.sent - sent_before
    }

    fn pump(&mut self, lane: usize) -> usize {
        let began = self.began;
        self.lanes[lane].pump(&mut self.shared, || began.elapsed().as_nanos() as u64)
    }

    /// Whether the run has to end because the server is gone or silent; takes note of it.
    fn is_lost(&mut self) -> bool {
        if let Some(error) = self.lanes.iter().find_map(Lane::lost) {
            self.ended = Ended::ServerLost;
            self.error.get_or_insert_with(|| error.to_string());
            // The other connections may still have answers coming.
            let until = *self.drain_until.get_or_insert_with(|| Instant::now() + DRAIN_MAX);
            let others_have = self.lanes.iter().any(|lane| lane.lost().is_none() && lane.unanswered() > 0);
            return !others_have || Instant::now() >= until;
        }
        // The client gives up by itself when a connection is lost; this is for a server that holds the connection
        // and answers nothing.
        let silent_ns = self.now_ns().saturating_sub(self.waiting_since_ns);
        let patience_ns = 2 * self.options.patience.as_nanos() as u64;
        if silent_ns > patience_ns && self.unanswered() > 0 {
            self.ended = Ended::ServerLost;
            self.error = Some(format!("nothing was answered for {} s", silent_ns / 1_000_000_000));
            return true;
        }
        false
    }

    fn is_drained(&self, is_sending: bool) -> bool {
        !is_sending
            && (self.unanswered() == 0 || self.drain_until.is_some_and(|until| Instant::now() >= until))
    }

    fn unanswered(&self) -> u64 {
        self.lanes.iter().map(|lane| u64::from(lane.unanswered())).sum()
    }

    /// Sleeps until a socket has something, the next order is due, or a moment has passed.
    fn sleep(&self, is_sending: bool) {
        let mut bound = SLEEP_MAX;
        if is_sending {
            let now_ns = self.now_ns();
            let has_room = self.lanes.iter().any(|lane| lane.room() > 0);
            if let (Some(schedule), true) = (self.schedule, has_room) {
                let wait_ns = schedule.start_ns(self.shared.sent).saturating_sub(now_ns);
                bound = bound.min(Duration::from_nanos(wait_ns));
            } else if has_room {
                return;
            }
            if let Extent::For(time) = self.options.extent {
                let left_ns = (time.as_nanos() as u64).saturating_sub(now_ns);
                bound = bound.min(Duration::from_nanos(left_ns));
            }
        }
        let clients = self.lanes.iter().filter(|lane| lane.lost().is_none()).map(Lane::client);
        if wait(clients, bound).is_err() {
            // It cannot wait on the sockets; sleeping keeps it from spinning, and the pumps find out the rest.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn progress(&mut self, meter: &mut Meter, now: Instant) -> Progress {
        let seconds = (now - meter.at).as_secs_f64();
        let tally = &mut self.shared.tally;
        let progress = Progress {
            elapsed_s: (now - self.began).as_secs_f64(),
            orders_per_second: (tally.acked - meter.acked) as f64 / seconds,
            answers_per_second: (tally.answered() - meter.answered) as f64 / seconds,
            acked: tally.acked,
            rejected: tally.rejected,
            p99_us: tally.end_interval(),
            unanswered: self.lanes.iter().map(|lane| u64::from(lane.unanswered())).sum(),
            connections_down: self.lanes.iter().filter(|lane| !lane.client().is_connected()).count() as u32,
        };
        *meter = Meter { at: now, acked: tally.acked, answered: tally.answered() };
        progress
    }

    fn report(mut self, setup_seconds: f64) -> LoadReport {
        let mut unknown = 0;
        for lane in &self.lanes {
            unknown += lane.give_up(&mut self.shared);
        }
        let tally = &mut self.shared.tally;
        let seconds =
            if tally.answered() > 0 { self.answered_ns } else { self.began.elapsed().as_nanos() as u64 };
        let seconds = seconds as f64 / 1e9;
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        LoadReport {
            workload: self.options.workload.name(),
            sent: self.shared.sent,
            acked: tally.acked,
            rejected: tally.rejected,
            unknown,
            seconds,
            orders_per_second: per_second(tally.acked),
            answers_per_second: per_second(tally.answered()),
            latency_us: tally.latency_us(),
            rejected_by_code: tally.rejected_by_code(),
            loop_kind: if self.schedule.is_some() { "open" } else { "closed" },
            rate: self.options.rate,
            behind_ms_max: self.behind_ns_max as f64 / 1e6,
            due_not_sent: self.due_not_sent,
            reconnects: self.lanes.iter().map(|lane| lane.client().reconnects()).sum(),
            connections: self.lanes.len() as u32,
            in_flight: self.lanes.first().map_or(0, Lane::in_flight_max),
            setup_seconds,
            ended: self.ended,
            error: self.error,
        }
    }
}

/// Where the last progress stood.
struct Meter {
    at: Instant,
    acked: u64,
    answered: u64,
}

impl Meter {
    fn due(&self) -> Option<Instant> {
        let now = Instant::now();
        (now - self.at >= PROGRESS_EVERY).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use orderline_protocol::{OrderId, RejectCode};

    use super::*;
    use crate::fake_server::{Manners, start};
    use crate::observer::Nobody;
    use crate::workload::WorkloadName;

    const GOOD: Manners = Manners { stock: u64::MAX, answers: u64::MAX, is_silent: false };

    fn options(manners: Manners, extent: Extent) -> LoadOptions {
        let options = LoadOptions::new(start(manners), extent);
        LoadOptions { skus: 50, patience: Duration::from_millis(300), ..options }
    }

    fn run_quietly(options: &LoadOptions) -> LoadReport {
        run(options, &mut Nobody, &AtomicBool::new(false), &mut |_| {}).unwrap()
    }

    #[derive(Default)]
    struct Book {
        accepted: HashSet<OrderId>,
        unknown: HashSet<OrderId>,
    }

    impl Observer for Book {
        fn accepted(&mut self, order: OrderId, sequence: u64) {
            assert!(sequence > 1_000);
            assert!(self.accepted.insert(order), "{order} was accepted twice");
        }
        fn rejected(&mut self, order: OrderId, _: Option<RejectCode>) {
            panic!("{order} was refused");
        }
        fn unknown(&mut self, order: OrderId) {
            assert!(self.unknown.insert(order) && !self.accepted.contains(&order));
        }
    }

    #[test]
    fn every_order_is_sent_and_answered_once_over_all_connections() {
        for (connections, in_flight, orders) in [(1, None, 0), (1, None, 10_000), (3, Some(7), 1_000)] {
            let options = LoadOptions { connections, in_flight, ..options(GOOD, Extent::Orders(orders)) };
            let mut book = Book::default();
            let report = run(&options, &mut book, &AtomicBool::new(false), &mut |_| {}).unwrap();
            assert_eq!((report.sent, report.acked, report.unknown), (orders, orders, 0));
            assert_eq!(book.accepted.len() as u64, orders);
            assert_eq!((report.ended, report.in_flight), (Ended::Done, in_flight.unwrap_or(64)));
            assert!(orders == 0 || report.latency_us.max > 0);
        }
    }

    #[test]
    fn what_a_flash_sale_refuses_is_counted_by_its_reason() {
        let manners = Manners { stock: 100, ..GOOD };
        let options =
            LoadOptions { workload: WorkloadName::Flash, ..options(manners, Extent::Orders(1_000)) };
        let report = run_quietly(&options);
        assert_eq!((report.acked, report.rejected, report.unknown), (100, 900, 0));
        assert_eq!(report.rejected_by_code["InsufficientStock"], 900);
        assert!(report.answers_per_second > report.orders_per_second * 9.0);
    }

    #[test]
    fn what_a_vanished_server_never_answered_is_unknown() {
        let mut book = Book::default();
        let options = options(Manners { answers: 500, ..GOOD }, Extent::Orders(1_000_000));
        let report = run(&options, &mut book, &AtomicBool::new(false), &mut |_| {}).unwrap();
        assert_eq!(report.ended, Ended::ServerLost);
        assert!(report.acked <= 500 && report.unknown > 0, "{report:?}");
        assert_eq!(report.sent, report.acked + report.unknown);
        assert_eq!(book.unknown.len() as u64, report.unknown);
        assert!(report.error.is_some());
    }

    #[test]
    fn a_server_that_answers_nothing_is_not_waited_for_for_ever() {
        let options = options(Manners { answers: 500, is_silent: true, ..GOOD }, Extent::Orders(1_000_000));
        let report = run_quietly(&options);
        assert_eq!((report.ended, report.acked, report.unknown), (Ended::ServerLost, 500, 64));
    }

    #[test]
    fn an_open_loop_sends_what_its_schedule_says() {
        let extent = Extent::For(Duration::from_millis(500));
        let report = run_quietly(&LoadOptions { rate: Some(2_000.0), ..options(GOOD, extent) });
        assert_eq!((report.sent, report.acked, report.due_not_sent), (1_000, 1_000, 0), "{report:?}");
        assert!((0.4..2.0).contains(&report.seconds), "{report:?}");
        assert_eq!(report.loop_kind, "open");
    }

    #[test]
    fn an_open_loop_that_cannot_keep_up_says_so() {
        let extent = Extent::For(Duration::from_millis(300));
        let report = run_quietly(&LoadOptions { rate: Some(1e9), ..options(GOOD, extent) });
        assert!(report.behind_ms_max > 200.0 && report.due_not_sent > 1_000_000, "{report:?}");
        assert!(report.latency_us.max > 200_000, "latency counts from the intended start: {report:?}");
        assert_eq!(report.unknown, 0);
    }

    #[test]
    fn a_stop_ends_the_sending_and_waits_for_the_answers() {
        let stop = AtomicBool::new(false);
        let options = options(GOOD, Extent::For(Duration::from_secs(3_600)));
        let report = run(&options, &mut Nobody, &stop, &mut |progress| {
            assert!(progress.acked > 0 && progress.orders_per_second > 0.0);
            stop.store(true, Ordering::Relaxed);
        });
        let report = report.unwrap();
        assert_eq!((report.ended, report.unknown), (Ended::Stopped, 0));
        assert_eq!(report.sent, report.acked);
    }

    #[test]
    fn a_server_that_is_not_there_is_an_error() {
        let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let options = LoadOptions::new(nowhere, Extent::Orders(1));
        let error = run(&options, &mut Nobody, &AtomicBool::new(false), &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("orderline serve"), "{error}");
    }
}
