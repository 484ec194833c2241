//! A life: a server and its clients from the first command to the last, one step at a time, with everything that befalls them.

mod mishaps;

use std::collections::VecDeque;

use orderline_core::Turn;
use orderline_core::snapshot::Stepped;
use orderline_journal::{JournalError, MemoryStorage, Refused};
use orderline_protocol::command::{CommandHeader, RawCommand};
use orderline_protocol::{Sequence, SessionId};
use zerocopy::FromBytes;

use crate::buyer::{Buyer, is_lawful};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::damage::{flip, lose_power};
use crate::faults::{Fault, Tally};
use crate::judge::Judge;
use crate::network::Wires;
use crate::plan::Plan;
use crate::server::Server;
use crate::shop::Shop;
use crate::trace::Trace;

/// How long everything may take to come right once nothing goes wrong any more, in microseconds.
const CONVERGE_US_MAX: u64 = 900_000_000;

/// The shortest time between two looks of the engine at what is due and cannot be written.
const DUE_US_MIN: u64 = 1_000;

/// How a life has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its seed.
    pub seed: u64,
    /// What must not be, if it came to be.
    pub violation: Option<String>,
    /// What was delivered and counted.
    pub tally: Tally,
    /// How long it was, in microseconds of its own time.
    pub simulated_us: u64,
    /// How much of that was not spent in pauses.
    pub busy_us: u64,
    /// A hash of all its steps.
    pub trace: u64,
}

/// Who takes a step.
#[derive(Debug, Clone, Copy)]
enum Step {
    Deliver,
    Engine,
    Sync,
    Gateway,
    Maker,
    Start,
    Ease,
    Fault,
    Pump(usize),
    Think(usize),
    Return(usize),
}

/// When the parts of a server get to what they have to do.
#[derive(Default)]
struct Agenda {
    engine: Option<u64>,
    sync: Option<u64>,
    gateway: Option<u64>,
    maker: Option<u64>,
    has_engine_more: bool,
    has_maker_more: bool,
}

struct Life {
    plan: Plan,
    clock: Clock,
    chance: Chance,
    wires: Wires,
    storage: MemoryStorage,
    refused: Refused,
    server: Option<Server>,
    server_since: u64,
    agenda: Agenda,
    starts_at: Option<u64>,
    /// The power goes, or the process is killed, where the disk was told so.
    is_power_to_go: bool,
    nested: u64,
    buyers: Vec<Buyer>,
    shop: Shop,
    opening: VecDeque<Vec<u8>>,
    faults: VecDeque<(u64, Fault)>,
    slow_disk_until: u64,
    slow_network_until: u64,
    disk_full_until: u64,
    is_calm: bool,
    judge: Judge,
    trace: Trace,
    busy_us: u64,
}

/// Lives the life of a seed.
pub fn live(seed: u64, is_told: bool) -> Ended {
    let mut life = Life::new(seed, is_told);
    let violation = life.run().err();
    let mut tally = life.judge.tally;
    life.count_refused(&mut tally);
    Ended {
        seed,
        violation,
        tally,
        simulated_us: life.clock.now_us(),
        busy_us: life.busy_us,
        trace: life.trace.hash(),
    }
}

impl Life {
    fn new(seed: u64, is_told: bool) -> Self {
        let mut chance = Chance::new(seed);
        let plan = Plan::new(&mut chance);
        let clock = Clock::new();
        let wires = Wires::new(clock.clone(), chance.branch(), plan.weather);
        let mut shop = Shop::new(chance.branch());
        let opening = shop.opening().into();
        let mut buyers = Vec::new();
        for number in 0..plan.buyer_count {
            let session = SessionId::new(u128::from(seed) << 32 | (number as u128 + 1));
            buyers.push(Buyer::new(session, &wires, chance.branch(), &plan));
        }
        let trace = Trace::new(is_told);
        trace.tell(0, format_args!("{plan:?}"));
        Self {
            judge: Judge::new(chance.draw()),
            plan,
            clock,
            chance,
            wires,
            storage: MemoryStorage::new(),
            refused: Refused::default(),
            server: None,
            server_since: 0,
            agenda: Agenda::default(),
            starts_at: Some(0),
            is_power_to_go: false,
            nested: 0,
            buyers,
            shop,
            opening,
            faults: VecDeque::new(),
            slow_disk_until: 0,
            slow_network_until: 0,
            disk_full_until: 0,
            is_calm: false,
            trace,
            busy_us: 0,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        for _ in 0..self.plan.burst_count {
            let now = self.clock.now_us();
            let (least, most) = self.plan.burst_us;
            let end = now + self.chance.between(least, most);
            self.begin_burst(now, end);
            self.run_until(end)?;
            self.buyers.iter_mut().for_each(|buyer| buyer.thinks_until = u64::MAX);
            self.busy_us += end - now;
            let (least, most) = self.plan.pause_us;
            let pause = self.chance.magnitude(least, most);
            self.run_until(end + pause)?;
        }
        self.converge()?;
        self.end()
    }

    fn begin_burst(&mut self, now: u64, end: u64) {
        for buyer in &mut self.buyers {
            buyer.thinks_until = now + self.chance.between(0, self.plan.think_us.1);
        }
        let count = self.chance.between(0, self.plan.faults_per_burst_max);
        let mut faults: Vec<(u64, Fault)> =
            (0..count).map(|_| (self.chance.between(now, end), self.chance.of(&self.plan.faults))).collect();
        // Some come when nobody asks for anything.
        if self.chance.one_in(4) {
            faults.push((end + self.chance.magnitude(1, 10_000_000), self.chance.of(&self.plan.faults)));
        }
        faults.sort();
        self.faults = faults.into();
    }

    /// Steps until that time.
    fn run_until(&mut self, end: u64) -> Result<(), String> {
        while let Some((at, step)) = self.next(end) {
            self.clock.advance(at.max(self.clock.now_us()));
            self.judge.see_wall(self.clock.wall_us());
            self.judge.tally.steps += 1;
            let came_to = self.take(step)?;
            let (what, of) = match step {
                Step::Deliver => ("deliver", 0),
                Step::Engine => ("engine", 0),
                Step::Sync => ("sync", 0),
                Step::Gateway => ("gateway", 0),
                Step::Maker => ("maker", 0),
                Step::Start => ("start", 0),
                Step::Ease => ("ease", 0),
                Step::Fault => ("fault", 0),
                Step::Pump(buyer) => ("pump", buyer as u64),
                Step::Think(buyer) => ("think", buyer as u64),
                Step::Return(buyer) => ("return", buyer as u64),
            };
            self.trace.note(self.clock.now_us(), what, of, came_to);
            if self.storage.is_cut() {
                self.crash_within()?;
            }
        }
        self.clock.advance(end.max(self.clock.now_us()));
        Ok(())
    }

    /// Who takes the next step before that time, and when.
    fn next(&mut self, end: u64) -> Option<(u64, Step)> {
        let now = self.clock.now_us();
        let mut first: Option<(u64, Step)> = None;
        let mut offer = |at: Option<u64>, step: Step| {
            if let Some(at) = at
                && at < end
                && first.is_none_or(|(before, _)| at < before)
            {
                first = Some((at, step));
            }
        };
        offer(self.wires.next_at(), Step::Deliver);
        if let Some(server) = &self.server {
            let agenda = &mut self.agenda;
            let chance = &mut self.chance;
            let (least, most) = self.plan.step_us;
            let mut soon = |slot: &mut Option<u64>, is_wanted: bool| {
                if is_wanted && slot.is_none() {
                    *slot = Some(now + chance.magnitude(least, most));
                }
                slot.filter(|_| is_wanted)
            };
            let is_free = !server.engine.is_behind();
            let is_wanted = is_free && (agenda.has_engine_more || server.engine.has_work());
            let due = server
                .engine
                .next_due_us()
                .filter(|_| is_free)
                .map(|due_us| now + (due_us - self.clock.wall_us()).max(DUE_US_MIN as i64) as u64);
            offer(soon(&mut agenda.engine, is_wanted).or(due), Step::Engine);
            let is_wanted = server.gateway.has_work() || self.wires.is_server_ready();
            let due = server.gateway.due_ms().map(|due_ms| self.server_since + due_ms * 1_000);
            offer(soon(&mut agenda.gateway, is_wanted).or(due), Step::Gateway);
            offer(soon(&mut agenda.maker, agenda.has_maker_more), Step::Maker);
            if server.syncer.has_work() && agenda.sync.is_none() {
                let (least, most) = self.plan.sync_us;
                let slower = if now < self.slow_disk_until { 200 } else { 1 };
                agenda.sync = Some(now + self.chance.magnitude(least, most) * slower);
            }
            offer(agenda.sync, Step::Sync);
        }
        offer(self.starts_at, Step::Start);
        let eases_at =
            [self.slow_network_until, self.disk_full_until].into_iter().filter(|&until| until > 0).min();
        offer(eases_at, Step::Ease);
        offer(self.faults.front().map(|fault| fault.0), Step::Fault);
        for (index, buyer) in self.buyers.iter_mut().enumerate() {
            if let Some(at) = buyer.back_at {
                offer(Some(at), Step::Return(index));
                continue;
            }
            buyer.is_eager |= buyer.link().is_some_and(|link| self.wires.take_client_ready(link));
            if buyer.is_eager && buyer.steps_at.is_none() {
                let (least, most) = self.plan.step_us;
                buyer.steps_at = Some(now + self.chance.magnitude(least, most));
            }
            let due = buyer.client.due_at(self.clock.instant()).map(|at| self.clock.us_of(at).max(now) + 1);
            offer(buyer.steps_at.into_iter().chain(due).min(), Step::Pump(index));
            offer(Some(buyer.thinks_until), Step::Think(index));
        }
        first
    }

    fn take(&mut self, step: Step) -> Result<u64, String> {
        match step {
            Step::Deliver => self.wires.deliver(),
            Step::Engine => return self.step_engine(),
            Step::Sync => return self.step_sync(),
            Step::Gateway => return self.step_gateway(),
            Step::Maker => return self.step_maker(),
            Step::Start => return self.start(),
            Step::Ease => self.ease(),
            Step::Fault => {
                if let Some((_, fault)) = self.faults.pop_front() {
                    self.deliver(fault)?;
                    return Ok(fault as u64);
                }
            }
            Step::Pump(index) => return self.pump(index),
            Step::Think(index) => return self.think(index),
            Step::Return(index) => {
                self.buyers[index].back_at = None;
                let chance = self.chance.branch();
                self.buyers[index].replace(&self.wires, chance, &self.plan);
            }
        }
        Ok(0)
    }

    fn durable(&self) -> Option<Sequence> {
        self.server.as_ref().map(|server| server.watermark.durable())
    }

    fn step_engine(&mut self) -> Result<u64, String> {
        self.agenda.engine = None;
        let Some(server) = &mut self.server else { return Ok(0) };
        match server.engine.turn() {
            Ok(turn) => {
                self.agenda.has_engine_more = turn == Turn::More;
                self.agenda.has_maker_more |= self.plan.snapshot_every > 0;
                Ok(server.watermark.durable())
            }
            Err(error) => self.failed(&error),
        }
    }

    fn step_sync(&mut self) -> Result<u64, String> {
        self.agenda.sync = None;
        let Some(server) = &mut self.server else { return Ok(0) };
        match server.syncer.sync_once() {
            Ok(_) => {
                self.agenda.has_maker_more |= self.plan.snapshot_every > 0;
                Ok(server.watermark.durable())
            }
            Err(error) => self.failed(&error),
        }
    }

    fn step_gateway(&mut self) -> Result<u64, String> {
        self.agenda.gateway = None;
        let Some(server) = &mut self.server else { return Ok(0) };
        if server.gateway.turn() {
            return self.stopped();
        }
        Ok(server.watermark.durable())
    }

    fn step_maker(&mut self) -> Result<u64, String> {
        self.agenda.maker = None;
        let Some(server) = &mut self.server else { return Ok(0) };
        let stepped = server.maker.step();
        self.agenda.has_maker_more = !matches!(stepped, Stepped::Idle | Stepped::Ended);
        self.agenda.has_engine_more |= self.agenda.has_maker_more;
        let failed = match stepped {
            Stepped::Wrote(bytes) => return Ok(bytes as u64),
            Stepped::Made(info) => {
                self.judge.tally.snapshots += 1;
                // Segments may go with the next step.
                let durable = server.watermark.durable();
                self.judge.absorb(durable)?;
                return Ok(info.sequence);
            }
            Stepped::Removed(Ok(count)) => {
                self.judge.tally.segments_removed += u64::from(count);
                return Ok(count.into());
            }
            Stepped::Idle | Stepped::Ended => return Ok(0),
            Stepped::Failed(_, error) | Stepped::Removed(Err(error)) => error,
        };
        self.judge.tally.snapshots_failed += 1;
        if !self.storage.is_cut() && self.storage.refused() == self.refused {
            return Err(format!("a snapshot failed without a fault: {failed}"));
        }
        Ok(u64::MAX)
    }

    /// The journal has failed: the process ends. That is in order if the disk was told to fail.
    fn failed(&mut self, error: &JournalError) -> Result<u64, String> {
        if self.storage.is_cut() {
            return Ok(u64::MAX);
        }
        if self.storage.refused() == self.refused {
            return Err(format!("the journal failed without a fault: {error}"));
        }
        self.trace.tell(self.clock.now_us(), format_args!("the server ends: {error}"));
        self.crash(false)?;
        Ok(u64::MAX)
    }

    /// The gateway has stopped in order: the engine and the sync thread end, too.
    fn stopped(&mut self) -> Result<u64, String> {
        let Some(Server { mut engine, syncer, gateway, maker, watermark }) = self.server.take() else {
            return Ok(0);
        };
        drop(gateway);
        let ended = loop {
            match engine.turn() {
                Ok(Turn::Ended) => break Ok(()),
                Ok(_) if engine.is_behind() => {
                    if let Err(error) = syncer.sync_once() {
                        break Err(error.to_string());
                    }
                }
                Ok(_) => {}
                Err(error) => break Err(error.to_string()),
            }
        };
        drop((engine, maker));
        syncer.run();
        if self.storage.is_cut() || ended.is_err() || watermark.failure().is_some() {
            let is_fault = self.storage.is_cut() || self.storage.refused() != self.refused;
            if !is_fault {
                return Err(format!("the server did not stop in order, without a fault: {ended:?}"));
            }
        } else {
            self.judge.tally.stops += 1;
        }
        self.down(watermark.durable())?;
        if !self.storage.is_cut() && self.chance.one_in(2) {
            self.judge.tally.power_losses += 1;
            self.lose_power();
        }
        Ok(watermark.durable())
    }

    /// The disk had its power cut, or the process was killed, within a step.
    fn crash_within(&mut self) -> Result<(), String> {
        let is_power = self.is_power_to_go;
        let tally = &mut self.judge.tally;
        *(if is_power { &mut tally.power_losses_within } else { &mut tally.kills_within }) += 1;
        self.crash(is_power)
    }

    fn crash(&mut self, is_power: bool) -> Result<(), String> {
        let durable = self.durable();
        self.server = None;
        if let Some(durable) = durable {
            self.down(durable)?;
        } else {
            self.starts_later();
        }
        if is_power {
            self.lose_power();
        } else {
            self.storage.revive();
        }
        Ok(())
    }

    /// The server is down, after this was durable.
    fn down(&mut self, durable: Sequence) -> Result<(), String> {
        self.judge.crashed(durable)?;
        self.wires.server_died();
        self.agenda = Agenda::default();
        self.starts_later();
        Ok(())
    }

    fn starts_later(&mut self) {
        self.starts_at = Some(self.clock.now_us() + self.chance.magnitude(1_000, 10_000_000));
    }

    fn count_refused(&self, tally: &mut Tally) {
        let now = self.storage.refused();
        tally.write_errors += now.writes;
        tally.sync_errors += now.syncs;
        tally.disk_full += now.full;
    }

    fn lose_power(&mut self) {
        let mut tally = self.judge.tally;
        self.count_refused(&mut tally);
        let capacity = self.disk_full_until > 0;
        self.storage = lose_power(&self.storage, &mut self.chance, &mut tally);
        self.judge.tally = tally;
        self.refused = Refused::default();
        if capacity {
            self.fill_disk();
        }
    }

    fn fill_disk(&mut self) {
        let room = self.chance.below(self.plan.journal.segment_bytes);
        self.storage.set_capacity(Some(self.storage.used_bytes() + room));
    }

    fn start(&mut self) -> Result<u64, String> {
        self.starts_at = None;
        self.refused = self.storage.refused();
        let one_in = self.plan.crash_in_recovery_one_in;
        if one_in > 0 && !self.is_calm && self.nested < 5 && self.chance.one_in(one_in) {
            self.storage.cut_power(self.chance.magnitude(1, 16));
            self.is_power_to_go = !self.chance.one_in(3);
        }
        let seed = self.chance.draw();
        let started = Server::start(&self.storage, &self.plan, &self.clock, &self.wires, seed);
        if self.storage.is_cut() {
            drop(started);
            self.wires.server_died();
            self.nested += 1;
            self.judge.tally.recoveries_crashed += 1;
            self.judge.tally.nested_twice += u64::from(self.nested >= 2);
            self.judge.tally.nested_thrice += u64::from(self.nested >= 3);
            return Ok(u64::MAX);
        }
        let (server, found) = match started {
            Ok(started) => started,
            Err(error) => {
                if self.storage.refused() == self.refused {
                    return Err(format!("R: the server refuses a disk that nothing has damaged: {error}"));
                }
                self.trace.tell(self.clock.now_us(), format_args!("the server does not start: {error}"));
                self.starts_later();
                return Ok(u64::MAX);
            }
        };
        self.storage.calm();
        self.nested = 0;
        self.trace.tell(
            self.clock.now_us(),
            format_args!(
                "recovered at {} from a snapshot at {}, {:?}",
                found.sequence, found.snapshot_sequence, found.snapshots_refused
            ),
        );
        self.judge.recovered(&self.storage, &found)?;
        let one_in = self.plan.flip_one_in;
        if one_in > 0 && !self.is_calm && self.chance.one_in(one_in) {
            flip(&self.storage, &self.plan, &found, &mut self.chance, &mut self.judge)?;
        }
        self.server = Some(server);
        self.server_since = self.clock.now_us();
        self.agenda.has_engine_more = true;
        Ok(found.sequence)
    }

    fn pump(&mut self, index: usize) -> Result<u64, String> {
        let durable = self.durable().unwrap_or(0).max(self.judge.durable());
        let buyer = &mut self.buyers[index];
        buyer.steps_at = None;
        let session = buyer.session;
        let reconnects = buyer.client.reconnects();
        let (replies, error) = match buyer.pump() {
            Ok(replies) => (replies, None),
            Err((replies, error)) => (replies, Some(error)),
        };
        if buyer.client.reconnects() > reconnects {
            self.judge.tally.reconnects += 1;
            self.judge.tally.resent += buyer.client.unanswered() as u64;
            self.trace.tell(
                self.clock.now_us(),
                format_args!("client {index} is back after {:?}", buyer.client.last_loss()),
            );
        }
        for reply in &replies {
            let (header, now) = (&reply.header, self.clock.now_us());
            let told = (header.outcome, header.code.get(), header.sequence.get());
            self.trace
                .tell(now, format_args!("client {index} is told of request {}: {told:?}", header.request));
            self.judge.told(session, reply, durable)?;
        }
        if let Some(error) = error {
            if !is_lawful(&error) {
                return Err(format!("a client was lost for good: {error}"));
            }
            self.trace.tell(self.clock.now_us(), format_args!("client {index} ends: {error}"));
            self.judge.abandon(session);
            self.buyers[index].back_at = Some(self.clock.now_us() + self.chance.magnitude(1_000, 1_000_000));
        }
        Ok(replies.len() as u64)
    }

    fn think(&mut self, index: usize) -> Result<u64, String> {
        let (least, most) = self.plan.think_us;
        self.buyers[index].thinks_until = self.clock.now_us() + self.chance.between(least, most);
        let count = self.chance.between(1, self.plan.breath_max);
        for asked in 0..count {
            if self.buyers[index].client.credits_left() == 0 {
                return Ok(asked);
            }
            let command = match self.opening.pop_front() {
                Some(command) if index == 0 => command,
                // Nobody comes before the shop is open.
                Some(command) => {
                    self.opening.push_front(command);
                    return Ok(0);
                }
                None => self.shop.next(self.clock.wall_us()),
            };
            self.ask(index, command)?;
        }
        Ok(count)
    }

    fn ask(&mut self, index: usize, mut command: Vec<u8>) -> Result<(), String> {
        let buyer = &mut self.buyers[index];
        match buyer.submit(&command) {
            Ok(Some(request)) => {
                if let Ok((header, _)) = CommandHeader::mut_from_prefix(&mut command) {
                    header.request = request.into();
                }
                let kind = RawCommand::take(&mut &command[..]).map_or(0, |raw| raw.kind);
                let now = self.clock.now_us();
                self.trace.tell(now, format_args!("client {index} asks request {request} of kind {kind}"));
                self.judge.begin(buyer.session, request, command);
            }
            Ok(None) => {}
            Err(error) => return Err(format!("a client takes no command: {error}")),
        }
        Ok(())
    }

    /// Nothing goes wrong any more: everybody gets every answer, within a bound.
    fn converge(&mut self) -> Result<(), String> {
        self.is_calm = true;
        self.faults.clear();
        (self.slow_disk_until, self.slow_network_until, self.disk_full_until) = (0, 0, 0);
        self.wires.set_weather(self.plan.weather);
        self.storage.calm();
        self.storage.set_capacity(None);
        let begin = self.clock.now_us();
        while !self.is_settled() {
            let now = self.clock.now_us();
            if now > begin + CONVERGE_US_MAX {
                let waiting: Vec<usize> =
                    self.buyers.iter().map(|buyer| self.judge.waiting_count(buyer.session)).collect();
                return Err(format!(
                    "{} s after the last fault the server is {} and clients wait for {waiting:?} answers",
                    CONVERGE_US_MAX / 1_000_000,
                    if self.server.is_some() { "up" } else { "down" }
                ));
            }
            self.run_until(now + 1_000_000)?;
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        let has_all = |buyer: &Buyer| {
            buyer.back_at.is_none()
                && buyer.client.is_connected()
                && self.judge.waiting_count(buyer.session) == 0
        };
        self.server.is_some() && self.buyers.iter().all(has_all)
    }

    /// One more look at everything, a last crash, and all that is left is checked.
    fn end(&mut self) -> Result<(), String> {
        let look = self.shop.look();
        self.ask(0, look)?;
        let begin = self.clock.now_us();
        while !self.is_settled() && self.clock.now_us() < begin + CONVERGE_US_MAX {
            self.run_until(self.clock.now_us() + 1_000_000)?;
        }
        if !self.is_settled() {
            return Err("a last question is not answered".to_owned());
        }
        self.crash(true)?;
        self.start()?;
        self.judge.finish()
    }
}
