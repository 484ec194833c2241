//! A run: one loop that sends, receives and sleeps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orderline_client::{Client, ClientOptions, ReconnectPolicy, wait};

use crate::error::LoadError;
use crate::ids::Ids;
use crate::lane::{Lane, Shared};
use crate::observer::Observer;
use crate::options::{Extent, LoadOptions};
use crate::outcomes::Outcomes;
use crate::report::{Ended, LoadReport, Progress};
use crate::schedule::Schedule;
use crate::setup;
use crate::workload::{
    Availability, Carts, Conclusion, End, Fed, Feed, Flash, Life, Place, Tpcc, Workload, WorkloadName,
};

/// Commands made for one connection before its socket is looked at again: enough to fill a frame well, few enough
/// that the first of them does not wait for the last.
const BATCH_MAX: u32 = 512;

/// Open loop: fewer orders than these that are due are not dealt out over all connections: a frame of its own for each, and
/// a call of the system, would cost the generator more than the orders. Each turn begins with another connection.
const SHARE_MIN: u64 = 64;

/// Open loop: how long after the end an order that was due before it is still sent, in nanoseconds.
const LAST_DUE_NS: u64 = 10_000_000;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The longest sleep: after so long at most, a stop is seen.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// How long a run that was stopped, or has lost a connection, waits for answers that are on their way.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// Connects, sets up the catalogue, sends the orders and what follows on them, waits for the answers and reports.
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
    let began = Instant::now();
    let ids = Ids::random();
    // Whoever sets up a catalogue waits until it is all in.
    let mut client = connect(options, false)?;
    let catalogue = setup::prepare(&mut client, options, &ids)?;
    let ready = Ready { options, began, ids, client, stop };
    match options.workload {
        WorkloadName::Place if options.reserve => {
            ready.run(Carts::of_one_seller(options, catalogue, ids), observer, progress)
        }
        WorkloadName::Place => ready.run(Place::new(options, catalogue, ids), observer, progress),
        WorkloadName::Flash => ready.run(Flash::new(options, catalogue, ids), observer, progress),
        WorkloadName::Life => ready.run(Life::new(options, catalogue, ids), observer, progress),
        WorkloadName::Carts => {
            ready.run(Carts::over_all_sellers(options, catalogue, ids), observer, progress)
        }
        WorkloadName::Feed => {
            let lost = |source| LoadError::Server { addr: options.connect, source };
            let feed = Feed::new(options, catalogue.clone(), connect(options, options.refuse_when_busy)?)
                .map_err(lost)?;
            if options.ship {
                let fed = Fed::new(Life::new(options, catalogue, ids), feed);
                ready.run(fed, observer, progress)
            } else {
                let fed = Fed::new(Place::new(options, catalogue, ids), feed);
                ready.run(fed, observer, progress)
            }
        }
        WorkloadName::Tpcc => {
            let mut ready = ready;
            let tpcc = Tpcc::new(options, catalogue, ids, &mut ready.client)?;
            ready.run(tpcc, observer, progress)
        }
        WorkloadName::Availability => ready.run(Availability::new(options, catalogue), observer, progress),
    }
}

/// Everything but the workload.
struct Ready<'a> {
    options: &'a LoadOptions,
    /// When the setting up began.
    began: Instant,
    ids: Ids,
    client: Client,
    stop: &'a AtomicBool,
}

impl Ready<'_> {
    fn run<W: Workload, O: Observer>(
        self,
        workload: W,
        observer: &mut O,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<LoadReport, LoadError> {
        let options = self.options;
        let mut lanes = Vec::new();
        if !options.refuse_when_busy {
            lanes.push(Lane::new(self.client, options.in_flight_max()));
        }
        while lanes.len() < options.connections as usize {
            lanes.push(Lane::new(connect(options, options.refuse_when_busy)?, options.in_flight_max()));
        }
        let deadline_ns = options.deadline.as_nanos() as u64;
        let shared =
            Shared { workload, outcomes: Outcomes::new(self.ids, deadline_ns, observer), started: 0 };
        let setup_seconds = self.began.elapsed().as_secs_f64();
        let mut run = Run::new(options, lanes, shared, self.stop);
        run.drive(progress);
        Ok(run.report(setup_seconds))
    }
}

fn connect(options: &LoadOptions, refuse_when_busy: bool) -> Result<Client, LoadError> {
    let client_options = ClientOptions {
        connect_timeout: options.patience.min(Duration::from_secs(5)),
        call_timeout: options.patience.max(Duration::from_secs(5)),
        reconnect: ReconnectPolicy {
            give_up_after: options.patience,
            pause_max: options.reconnect_pause_max,
            ..ReconnectPolicy::default()
        },
        commands_per_frame_max: options
            .orders_per_frame_max
            .map_or(u16::MAX, |orders| orders.min(u32::from(u16::MAX)) as u16),
        refuse_when_busy,
        ..options.client.clone()
    };
    Client::connect(options.connect, client_options)
        .map_err(|source| LoadError::Server { addr: options.connect, source })
}

struct Run<'a, W: Workload, O> {
    options: &'a LoadOptions,
    schedule: Option<Schedule>,
    lanes: Vec<Lane<W::Step>>,
    shared: Shared<'a, W, O>,
    stop: &'a AtomicBool,
    began: Instant,
    /// The last answer to a lane, in nanoseconds after the beginning.
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

impl<'a, W: Workload, O: Observer> Run<'a, W, O> {
    fn new(
        options: &'a LoadOptions,
        lanes: Vec<Lane<W::Step>>,
        shared: Shared<'a, W, O>,
        stop: &'a AtomicBool,
    ) -> Self {
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
        let mut meter = Meter { at: self.began, acked: 0, answered: 0, commands: 0 };
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
            let share = due.div_ceil(self.lanes.len() as u64).max(SHARE_MIN);
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
            answered += self.pump_beside(is_sending);
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

    /// Whether nothing more is to be begun; takes note of why.
    fn is_over(&mut self, now_ns: u64) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            self.ended = Ended::Stopped;
            self.drain_until = Some(Instant::now() + DRAIN_MAX);
            return true;
        }
        match self.options.extent {
            Extent::Orders(orders) => self.shared.started >= orders,
            Extent::For(time) => {
                let end_ns = time.as_nanos() as u64;
                let Some(schedule) = self.schedule else { return now_ns >= end_ns };
                // What was due just before the end may still go out; what has waited for longer does not.
                let not_sent = schedule.due(end_ns - 1).saturating_sub(self.shared.started);
                let is_over = now_ns >= end_ns && (not_sent == 0 || now_ns >= end_ns + LAST_DUE_NS);
                if is_over {
                    self.due_not_sent = not_sent;
                }
                is_over
            }
        }
    }

    /// Orders that could be begun now, had the connections room for them.
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
        orders.min(started).saturating_sub(self.shared.started)
    }

    /// Sends on this connection what waits, then begins as many orders as there is room for, `count` at most; returns
    /// how many were begun.
    fn fill(&mut self, lane: usize, count: u64) -> u64 {
        let lane = &mut self.lanes[lane];
        let batch = BATCH_MAX - lane.go_on(BATCH_MAX, &mut self.shared);
        let count = count.min(u64::from(lane.room().min(batch))) as u32;
        if count == 0 {
            return 0;
        }
        let started_before = self.shared.started;
        let now_ns = self.began.elapsed().as_nanos() as u64;
        match self.schedule {
            None => lane.begin(count, &mut self.shared, |_| now_ns),
            Some(schedule) => {
                // The first is the one that waited longest.
                let behind_ns = now_ns.saturating_sub(schedule.start_ns(started_before));
                self.behind_ns_max = self.behind_ns_max.max(behind_ns);
                lane.begin(count, &mut self.shared, |order| schedule.start_ns(order));
            }
        }
        self.shared.started - started_before
    }

    fn pump(&mut self, lane: usize) -> usize {
        let began = self.began;
        self.lanes[lane].pump(&mut self.shared, || began.elapsed().as_nanos() as u64)
    }

    /// Gives what runs beside the orders its turn; returns how many answers came.
    fn pump_beside(&mut self, is_sending: bool) -> usize {
        let began = self.began;
        let until_ns = match self.options.extent {
            _ if !is_sending => 0,
            Extent::Orders(_) => u64::MAX,
            Extent::For(time) => time.as_nanos() as u64,
        };
        let Some(feed) = self.shared.workload.beside_mut() else { return 0 };
        let answered = feed.turn(until_ns, || began.elapsed().as_nanos() as u64);
        if answered > 0 {
            self.waiting_since_ns = began.elapsed().as_nanos() as u64;
        }
        answered
    }

    fn feed(&self) -> Option<&Feed> {
        self.shared.workload.beside()
    }

    /// Whether the run has to end because the server is gone or silent; takes note of it.
    fn is_lost(&mut self) -> bool {
        let lost = self.lanes.iter().find_map(Lane::lost).or_else(|| self.feed().and_then(Feed::lost));
        if let Some(error) = lost.map(ToString::to_string) {
            self.ended = Ended::ServerLost;
            self.error.get_or_insert(error);
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
        let is_idle = || self.lanes.iter().all(Lane::is_idle) && self.feed().is_none_or(Feed::is_idle);
        !is_sending && (is_idle() || self.drain_until.is_some_and(|until| Instant::now() >= until))
    }

    /// Commands sent and not answered, on all connections.
    fn unanswered(&self) -> u64 {
        let of_lanes: u64 = self.lanes.iter().map(|lane| u64::from(lane.unanswered())).sum();
        of_lanes + self.feed().map_or(0, Feed::unanswered)
    }

    /// Sleeps until a socket has something, the next order is due, or a moment has passed.
    fn sleep(&self, is_sending: bool) {
        let mut bound = SLEEP_MAX;
        if self.lanes.iter().any(Lane::can_go_on) {
            return;
        }
        let now_ns = self.now_ns();
        if is_sending {
            let has_room = self.lanes.iter().any(|lane| lane.room() > 0);
            if let (Some(schedule), true) = (self.schedule, has_room) {
                let wait_ns = schedule.start_ns(self.shared.started).saturating_sub(now_ns);
                bound = bound.min(Duration::from_nanos(wait_ns));
            } else if has_room {
                return;
            }
            if let Extent::For(time) = self.options.extent {
                let left_ns = (time.as_nanos() as u64).saturating_sub(now_ns);
                bound = bound.min(Duration::from_nanos(left_ns));
            }
        }
        if let Some(feed) = self.feed()
            && (is_sending || !feed.is_idle())
        {
            bound = bound.min(feed.idle_for(now_ns));
        }
        let feed = self.feed().filter(|feed| feed.lost().is_none()).map(Feed::client);
        let clients = self.lanes.iter().filter(|lane| lane.lost().is_none()).map(Lane::client).chain(feed);
        if wait(clients, bound).is_err() {
            // It cannot wait on the sockets; sleeping keeps it from spinning, and the pumps find out the rest.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn progress(&mut self, meter: &mut Meter, now: Instant) -> Progress {
        let seconds = (now - meter.at).as_secs_f64();
        let unanswered = self.unanswered();
        let commands = self.shared.outcomes.kinds.sum();
        let tally = &mut self.shared.outcomes.tally;
        let progress = Progress {
            elapsed_s: (now - self.began).as_secs_f64(),
            orders_per_second: (tally.acked - meter.acked) as f64 / seconds,
            answers_per_second: (tally.answered() - meter.answered) as f64 / seconds,
            commands_per_second: (commands - meter.commands) as f64 / seconds,
            acked: tally.acked,
            rejected: tally.rejected,
            p99_us: tally.end_interval(),
            unanswered,
            connections_down: self.lanes.iter().filter(|lane| !lane.client().is_connected()).count() as u32,
        };
        *meter = Meter { at: now, acked: tally.acked, answered: tally.answered(), commands };
        progress
    }

    fn report(mut self, setup_seconds: f64) -> LoadReport {
        let commands_unknown = self.lanes.iter().map(|lane| u64::from(lane.unanswered())).sum();
        let mut unknown = 0;
        for lane in &self.lanes {
            unknown += lane.give_up(&mut self.shared);
        }
        let kinds = &self.shared.outcomes.kinds;
        let ns = if kinds.sum() > 0 { self.answered_ns } else { self.now_ns() };
        let seconds = ns as f64 / 1e9;
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let reconnects = self.lanes.iter().map(|lane| lane.client().reconnects()).sum();
        let connections = self.lanes.len() as u32;
        let in_flight = self.lanes.first().map_or(0, Lane::in_flight_max);
        let Shared { workload, mut outcomes, started } = self.shared;
        let can_ask = self.ended != Ended::ServerLost && commands_unknown == 0;
        let mut client = self.lanes.into_iter().next().filter(|_| can_ask).map(Lane::into_client);
        let Conclusion { particulars, checks, problems } = workload.conclude(&mut End {
            client: client.as_mut(),
            sent: outcomes.orders_sent,
            acked: outcomes.tally.acked,
            unknown,
            seconds,
        });
        LoadReport {
            workload: self.options.workload.name(),
            started,
            sent: outcomes.orders_sent,
            acked: outcomes.tally.acked,
            rejected: outcomes.tally.rejected,
            busy: outcomes.tally.busy(),
            unknown,
            seconds,
            orders_per_second: per_second(outcomes.tally.acked),
            goodput_per_second: per_second(outcomes.tally.in_time()),
            deadline_ms: self.options.deadline.as_secs_f64() * 1e3,
            answers_per_second: per_second(outcomes.tally.answered()),
            commands_per_second: per_second(outcomes.kinds.sum()),
            commands: outcomes.kinds.by_name(),
            commands_unknown,
            latency_us: outcomes.tally.latency_us(),
            latency_accepted_us: outcomes.tally.latency_accepted_us(),
            rejected_by_code: outcomes.tally.rejected_by_code(),
            refused_commands_by_code: outcomes.refused.by_name(),
            loop_kind: if self.schedule.is_some() { "open" } else { "closed" },
            rate: self.options.rate,
            behind_ms_max: self.behind_ns_max as f64 / 1e6,
            due_not_sent: self.due_not_sent,
            reconnects,
            connections,
            in_flight,
            setup_seconds,
            ended: self.ended,
            particulars,
            consistent: (!checks.is_empty()).then(|| checks.values().all(|&holds| holds)),
            checks,
            problems,
            error: self.error,
        }
    }
}

/// Where the last progress stood.
struct Meter {
    at: Instant,
    acked: u64,
    answered: u64,
    commands: u64,
}

impl Meter {
    fn due(&self) -> Option<Instant> {
        let now = Instant::now();
        (now - self.at >= PROGRESS_EVERY).then_some(now)
    }
}
