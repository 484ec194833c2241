//! The engine's loop between a door and a journal in memory: what may be seen when, and what a restart brings back.

// Clippy knows test functions, and not what they share.
#![allow(clippy::unwrap_used)]

#[path = "../../tests/proof/mod.rs"]
mod proof;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use orderline_core::door::{Door, Opened, Task, Work};
use orderline_core::recovery::Recovered;
use orderline_core::{Doors, Engine, EngineOptions, EngineStats};
use orderline_journal::{
    JournalError, JournalOptions, MemoryStorage, Reader, Start, Storage, Syncer, Watermark,
};
use orderline_protocol::command::*;
use orderline_protocol::event::{EVENT_VERSION, Event};
use orderline_protocol::frame::Frame;
use orderline_protocol::reply::{AvailabilityView, Outcome, StatusView};
use orderline_protocol::*;
use support::*;
use zerocopy::FromZeros;

const YEAR_US: i64 = 365 * 86_400 * 1_000_000;

/// A running engine whose syncs the test makes by hand.
struct Rig {
    door: Door,
    syncer: Syncer,
    engine: std::thread::JoinHandle<Result<EngineStats, JournalError>>,
    request: u64,
    session: SessionHandle,
}

fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: 4 << 20,
        helper_thread: false,
        // The tests sync by hand.
        own_sync_bytes_max: 0,
        store_id: Some(7),
        ..JournalOptions::default()
    }
}

impl Rig {
    fn start(storage: &MemoryStorage, clock_us: impl FnMut() -> i64 + Send + 'static) -> Self {
        let Recovered { state, opened, .. } = recovered(storage, options());
        let mut doors = Doors::new(opened.watermark);
        let door = doors.open(8);
        let engine = Engine::new(state, opened.writer, doors, clock_us, EngineOptions::default());
        let engine = std::thread::spawn(move || engine.run());
        let session = SessionHandle::NONE;
        Self { door, syncer: opened.syncer, engine, request: 0, session }
    }

    /// The next work that comes back; the engine decides in its own time.
    fn collect(&self) -> Box<Work> {
        let start = Instant::now();
        loop {
            if let Some(work) = self.door.collect() {
                return work;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "the engine gave nothing back");
            std::thread::yield_now();
        }
    }

    fn open_session(&mut self, id: u128) -> Opened {
        self.open_session_for(id, 0)
    }

    fn open_session_for(&mut self, id: u128, actor: u32) -> Opened {
        let mut work = Box::new(Work::default());
        work.task = Task::OpenSession { id: SessionId::new(id), must_exist: false, actor };
        self.door.submit(work);
        let opened = self.collect().opened;
        if let Opened::Session { handle, last_request } = opened {
            (self.session, self.request) = (handle, last_request);
        }
        opened
    }

    fn send(&mut self, command: &Command<'_>) -> Box<Work> {
        self.request += 1;
        self.send_as(self.request, command)
    }

    fn send_as(&mut self, request: u64, command: &Command<'_>) -> Box<Work> {
        let mut work = Box::new(Work::default());
        command.write(request, &mut work.input);
        work.payloads.push(0..work.input.len());
        work.command_count = 1;
        work.task = Task::Commands(self.session, Scope::Everything);
        self.door.submit(work);
        self.collect()
    }

    fn set_up(&mut self) {
        let seller =
            DefineSeller { commission_bp: 0.into(), standing: 1, code_bytes: 1, expected_version: 0.into() };
        self.send(&Command::DefineSeller(&seller, "s"));
        let location = DefineLocation {
            region: 0.into(),
            priority: 0.into(),
            daily_capacity: 0.into(),
            standing: 1,
            code_bytes: 1,
            expected_version: 0.into(),
        };
        self.send(&Command::DefineLocation(&location, "l"));
        let sku = DefineSku {
            seller: SellerHandle::new(0),
            backorder_cap: 0.into(),
            currency: CurrencyCode::NONE,
            standing: 1,
            code_bytes: 1,
            expected_version: 0.into(),
        };
        self.send(&Command::DefineSku(&sku, "k"));
        let stock = ReceiveStock {
            expected_version: 0.into(),
            sku: SkuHandle::new(0),
            location: LocationHandle::new(0),
            quantity: 100.into(),
            from_incoming: 0,
            reserved: [0; 5],
            cause: Cause::NONE,
        };
        self.send(&Command::ReceiveStock(&stock));
    }

    fn sync(&self) {
        while self.syncer.sync_once().unwrap() {}
    }

    fn stop(self) -> EngineStats {
        drop(self.door);
        let stats = self.engine.join().unwrap().unwrap();
        while self.syncer.sync_once().unwrap() {}
        stats
    }
}

/// The one reply in a work.
fn reply(work: &mut Work) -> (Outcome, u64, u16, u64) {
    let frame = Frame::read(work.seal()).unwrap().unwrap();
    assert_eq!(frame.count, 1);
    let reply = Reply::take(&mut &frame.payload[..]).unwrap();
    let header = reply.header;
    (reply.outcome(), header.sequence.get(), header.code.get(), header.detail.get())
}

#[test]
fn nothing_may_be_seen_before_it_is_durable_not_even_a_refusal() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, || NOW_US);
    rig.open_session(1);
    rig.set_up();
    let lines = [line(SkuHandle::new(0), 1, 5)];
    let mut placed = rig.send(&Command::PlaceOrder(&placement(1, 1), &lines, ""));
    assert_eq!(placed.release_at, 6);
    assert_eq!(rig.door.durable(), 0, "nobody has synced");
    let refused = rig.send(&Command::PlaceOrder(&placement(2, 1), &[line(SkuHandle::new(9), 1, 5)], ""));
    assert_eq!(refused.release_at, 6, "the refusal speaks of a state that is not durable");
    rig.sync();
    assert_eq!(rig.door.durable(), 6);
    assert_eq!(reply(&mut placed), (Outcome::Accepted, 6, 0, 5));
    let stats = rig.stop();
    assert_eq!((stats.accepted_count, stats.rejected_count), (5, 1));
}

/// A work that asks what can be bought of the one SKU there is.
fn asking(rig: &mut Rig) -> Box<Work> {
    rig.request += 1;
    let mut work = Box::new(Work::default());
    let head = QueryAvailability { sku_count: 1.into(), reserved: [0; 2] };
    Command::QueryAvailability(&head, &[AskedSku { sku: SkuHandle::new(0) }])
        .write(rig.request, &mut work.input);
    work.payloads.push(0..work.input.len());
    work.command_count = 1;
    work.task = Task::Commands(rig.session, Scope::Everything);
    work
}

/// The sequence that an answer speaks of, the newest that may be in it, and the units.
fn availability(work: &mut Work) -> (u64, u64, u64) {
    let frame = Frame::read(work.seal()).unwrap().unwrap();
    let reply = Reply::take(&mut &frame.payload[..]).unwrap();
    assert_eq!(reply.outcome(), Outcome::Answered);
    let views = AvailabilityView::read_all(reply.view).unwrap();
    (reply.header.sequence.get(), reply.header.detail.get(), views[0].units.get())
}

#[test]
fn the_board_answers_what_the_engine_would_once_somebody_has_asked() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, || NOW_US);
    rig.open_session(1);
    rig.set_up();
    let mut first = asking(&mut rig);
    assert!(!rig.door.answer(&mut first), "nobody has asked before");
    rig.door.submit(first);
    let mut first = rig.collect();
    assert_eq!((availability(&mut first), first.release_at), ((5, 5, 100), 5));
    // The engine answered in a turn of its own, in which it began to keep the board.
    for placed in 1..=20 {
        let lines = [line(SkuHandle::new(0), 2, 5)];
        rig.send(&Command::PlaceOrder(&placement(placed, 1), &lines, ""));
        let mut work = asking(&mut rig);
        assert!(rig.door.answer(&mut work), "the board is whole");
        let sequence = 5 + placed as u64;
        assert_eq!(availability(&mut work), (sequence, sequence, 100 - 2 * placed as u64));
        // Nobody has synced: not a unit of it may be told.
        assert_eq!((work.release_at, rig.door.durable()), (sequence, 0));
    }
    let retired = DefineLocation {
        region: 0.into(),
        priority: 0.into(),
        daily_capacity: 0.into(),
        standing: Standing::Inactive as u8,
        code_bytes: 1,
        expected_version: 0.into(),
    };
    rig.send(&Command::DefineLocation(&retired, "l"));
    let mut work = asking(&mut rig);
    assert!(rig.door.answer(&mut work), "one SKU is swept at once");
    assert_eq!(availability(&mut work), (26, 26, 0));
    rig.stop();
}

#[test]
fn what_may_be_told_of_the_board_survives_the_loss_of_all_that_was_not_synced() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, || NOW_US);
    rig.open_session(1);
    rig.set_up();
    let mut first = asking(&mut rig);
    rig.door.answer(&mut first);
    // Answers by when they may leave, and what they say.
    let mut answers = Vec::new();
    for placed in 1..=40 {
        rig.send(&Command::PlaceOrder(&placement(placed, 1), &[line(SkuHandle::new(0), 1, 5)], ""));
        if placed % 7 == 0 {
            rig.sync();
        }
        let mut work = asking(&mut rig);
        assert!(rig.door.answer(&mut work));
        answers.push((work.release_at, availability(&mut work)));
    }
    let durable = rig.door.durable();
    let crashed = storage.crash(&mut |_| 0);
    rig.stop();
    let mut rig = Rig::start(&crashed, || NOW_US);
    rig.open_session(1);
    let mut work = asking(&mut rig);
    assert!(!rig.door.answer(&mut work), "a new process begins without a board");
    rig.door.submit(work);
    let (last, _, left) = availability(&mut rig.collect());
    let (told, kept): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.0 <= durable);
    assert!(told.len() >= 30 && !kept.is_empty(), "{} told, {} kept", told.len(), kept.len());
    assert!(
        told.iter().all(|(_, (_, until, units))| *until <= last && *units >= left),
        "{told:?} {last} {left}"
    );
    assert!(kept.iter().all(|(_, (since, ..))| *since > last), "{kept:?} {last}");
    rig.stop();
}

#[test]
fn a_malformed_question_is_refused_by_the_board_as_by_the_engine() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, || NOW_US);
    rig.open_session(1);
    rig.set_up();
    let mut first = asking(&mut rig);
    rig.door.answer(&mut first);
    let ask = |sku_count: u16, reserved, skus: usize| {
        let head = QueryAvailability { sku_count: sku_count.into(), reserved };
        let asked = vec![AskedSku { sku: SkuHandle::new(0) }; skus];
        let mut work = Box::new(Work::default());
        Command::QueryAvailability(&head, &asked).write(9, &mut work.input);
        work.payloads.push(0..work.input.len());
        work.command_count = 1;
        work
    };
    let cases = [
        (ask(0, [0; 2], 0), RejectCode::InvalidField, 0),
        (ask(501, [0; 2], 501), RejectCode::InvalidField, 0),
        (ask(1, [0, 1], 1), RejectCode::InvalidField, 2),
        (ask(3, [0; 2], 1), RejectCode::Malformed, 0),
    ];
    for (mut work, code, subject) in cases {
        work.task = Task::Commands(rig.session, Scope::Everything);
        let mut again = Box::new(Work::default());
        (again.input, again.payloads, again.task) = (work.input.clone(), work.payloads.clone(), work.task);
        rig.door.submit(work);
        let mut work = rig.collect();
        assert!(rig.door.answer(&mut again), "the board is whole");
        for work in [&mut work, &mut again] {
            let frame = Frame::read(work.seal()).unwrap().unwrap();
            let header = Reply::take(&mut &frame.payload[..]).unwrap().header;
            assert_eq!((header.code.get(), header.subject.get()), (code as u16, subject));
        }
    }
    rig.stop();
}

#[test]
fn a_crash_takes_back_only_what_was_not_durable_and_a_request_asked_again_is_answered_once() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, || NOW_US);
    rig.open_session(1);
    rig.set_up();
    let lines = [line(SkuHandle::new(0), 1, 5)];
    rig.send(&Command::PlaceOrder(&placement(1, 1), &lines, ""));
    rig.sync();
    rig.send(&Command::PlaceOrder(&placement(2, 1), &lines, ""));
    // What was not synced is lost, all of it.
    let crashed = storage.crash(&mut |_| 0);
    rig.stop();

    let mut rig = Rig::start(&crashed, || NOW_US);
    let opened = rig.open_session(1);
    assert_eq!(opened, Opened::Session { handle: SessionHandle::new(0), last_request: 5 });
    let mut again = rig.send_as(5, &Command::PlaceOrder(&placement(1, 1), &lines, ""));
    assert_eq!(reply(&mut again), (Outcome::AcceptedBefore, 6, 0, 5), "the first answer again");
    let mut lost = rig.send_as(6, &Command::PlaceOrder(&placement(2, 1), &lines, ""));
    assert_eq!(reply(&mut lost), (Outcome::Accepted, 7, 0, 5), "never acknowledged, so decided anew");
    let status = QueryStatus { with_state_hash: 1, reserved: [0; 7] };
    let mut answer = rig.send(&Command::QueryStatus(&status));
    let frame = Frame::read(answer.seal()).unwrap().unwrap();
    let view = *StatusView::read(Reply::take(&mut &frame.payload[..]).unwrap().view).unwrap();
    rig.stop();
    let state = recovered(&crashed, options()).state;
    assert_eq!(view.orders_total.get(), 2);
    assert_eq!(view.state_hash.get(), state.hash().0, "what the server said is what the journal gives");
    assert_eq!(state.check(), vec![]);
}

#[test]
fn recorded_times_never_go_back() {
    let storage = MemoryStorage::new();
    let clock = Arc::new(AtomicI64::new(NOW_US));
    let seen = Arc::clone(&clock);
    let mut rig = Rig::start(&storage, move || seen.load(Ordering::Relaxed));
    rig.open_session(1);
    clock.store(NOW_US - 3_600_000_000, Ordering::Relaxed);
    rig.set_up();
    clock.store(NOW_US + 1, Ordering::Relaxed);
    rig.open_session(2);
    // A year ahead, and back again.
    clock.store(NOW_US + YEAR_US, Ordering::Relaxed);
    rig.open_session(3);
    clock.store(NOW_US + 2, Ordering::Relaxed);
    let query = QueryStatus { with_state_hash: 1, reserved: [0; 7] };
    let mut work = rig.send(&Command::QueryStatus(&query));
    let frame = Frame::read(work.seal()).unwrap().unwrap();
    let hash = StatusView::read(Reply::take(&mut &frame.payload[..]).unwrap().view).unwrap().state_hash.get();
    rig.stop();
    assert_eq!(recovered(&storage, options()).state.hash().0, hash, "a replay gives the same state");
    let storage: Arc<dyn Storage> = Arc::new(storage);
    let mut reader = Reader::open(storage, Start::Oldest).unwrap();
    let mut times = Vec::new();
    while let Some(batch) = reader.next_batch(u64::MAX).unwrap() {
        times.push(batch.recorded_at_us);
    }
    assert!(
        times.is_sorted() && times.first() == Some(&NOW_US) && times.last() == Some(&(NOW_US + YEAR_US)),
        "{times:?}"
    );
    let mut proof = proof::Proof::of(13, "an hour back, a year ahead, and back");
    proof.ran(3);
    proof.end();
}

#[test]
fn a_connection_whose_session_was_forgotten_cannot_speak_for_the_next_one() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, || NOW_US);
    rig.open_session(1);
    let forgotten = rig.session;
    for id in 2..=limits::SESSIONS_MAX as u128 + 1 {
        rig.open_session(id);
    }
    let newest = rig.session;
    assert_ne!(newest, forgotten, "the number of the first session went over to the last");
    rig.session = forgotten;
    let seller =
        DefineSeller { commission_bp: 0.into(), standing: 1, code_bytes: 1, expected_version: 0.into() };
    let mut refused = rig.send_as(1, &Command::DefineSeller(&seller, "s"));
    let (outcome, _, code, _) = reply(&mut refused);
    assert_eq!((outcome, code), (Outcome::Rejected, RejectCode::RequestTooOld as u16));
    rig.session = newest;
    let mut accepted = rig.send_as(1, &Command::DefineSeller(&seller, "s"));
    assert_eq!(reply(&mut accepted).0, Outcome::Accepted);
    rig.stop();
}

#[test]
fn a_session_that_goes_on_for_another_actor_is_journalled_and_keeps_what_it_remembers() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, || NOW_US);
    let seller =
        DefineSeller { commission_bp: 0.into(), standing: 1, code_bytes: 1, expected_version: 0.into() };
    for actor in [5, 5, 6, 0] {
        rig.open_session_for(1, actor);
        let mut answer = rig.send_as(1, &Command::DefineSeller(&seller, "s"));
        let first = if rig.request == 0 { Outcome::Accepted } else { Outcome::AcceptedBefore };
        assert_eq!(reply(&mut answer).0, first, "actor {actor}");
    }
    assert_eq!(rig.open_session(1), Opened::Session { handle: rig.session, last_request: 1 });
    rig.stop();
    let mut opened = Vec::new();
    let mut reader = Reader::open(Arc::new(storage.clone()), Start::Oldest).unwrap();
    while let Some(batch) = reader.next_batch(u64::MAX).unwrap() {
        for record in batch.records() {
            if let Event::SessionOpened(head) =
                Event::read(record.kind, EVENT_VERSION, record.payload).unwrap()
            {
                opened.push((head.session.get(), head.handle.get(), head.actor.get()));
            }
        }
    }
    assert_eq!(opened, [(1, 0, 5), (1, 0, 6), (1, 0, 0)]);
    assert_eq!(recovered(&storage, options()).state.counts().sessions, 1);
}

#[test]
fn an_answer_that_does_not_fit_a_frame_is_refused_with_its_size() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, || NOW_US);
    rig.open_session(1);
    rig.set_up();
    let stock = ReceiveStock {
        expected_version: 0.into(),
        sku: SkuHandle::new(0),
        location: LocationHandle::new(0),
        quantity: 100_000.into(),
        from_incoming: 0,
        reserved: [0; 5],
        cause: Cause::NONE,
    };
    rig.send(&Command::ReceiveStock(&stock));
    let lines = vec![line(SkuHandle::new(0), 20, 5); 2_000];
    rig.send(&Command::PlaceOrder(&placement(1, 2_000), &lines, ""));
    let order = OrderId::new(1);
    let confirm = ConfirmOrder { order, expected_version: 0.into(), reserved: [0; 4] };
    rig.send(&Command::ConfirmOrder(&confirm));
    let ask = |rig: &mut Rig| {
        let mut work = rig.send(&Command::QueryOrder(&QueryOrder { order }));
        reply(&mut work)
    };
    assert_eq!(ask(&mut rig).0, Outcome::Answered);
    // A view names the units of each package.
    let units: Vec<LineQuantity> = (0..2_000_u16)
        .map(|line| LineQuantity { line: line.into(), reserved: [0; 2], quantity: 1.into() })
        .collect();
    let pack = ShipLines {
        happened_at_us: 0.into(),
        order,
        expected_version: 0.into(),
        location: LocationHandle::new(0),
        line_count: 2_000.into(),
        carrier: 0.into(),
        tracking_bytes: 0,
        is_sent: 0,
    };
    for _ in 0..12 {
        let mut work = rig.send(&Command::ShipLines(&pack, &units, ""));
        assert_eq!(reply(&mut work).0, Outcome::Accepted);
    }
    let (outcome, _, code, bytes) = ask(&mut rig);
    assert_eq!((outcome, code), (Outcome::Rejected, RejectCode::AnswerTooLarge as u16));
    assert!(bytes > 200 * 1_024, "{bytes} bytes would not fit");
    rig.stop();
}

#[test]
fn a_full_disk_does_not_hide_what_was_accepted_before() {
    let storage = MemoryStorage::new();
    let mut rig = Rig::start(&storage, || 1_700_000_000_000_000);
    rig.open_session(1);
    rig.set_up();
    let stock = ReceiveStock {
        sku: SkuHandle::new(0),
        location: LocationHandle::new(0),
        quantity: 1.into(),
        ..ReceiveStock::new_zeroed()
    };
    let command = Command::ReceiveStock(&stock);
    rig.sync();
    storage.set_capacity(Some(storage.used_bytes()));
    // Each on a page of its own, until the next segment would be needed.
    let (mut accepted, mut refused) = (0, 0);
    while refused == 0 {
        let (outcome, _, code, _) = reply(&mut rig.send(&command));
        (accepted, refused) = if outcome == Outcome::Accepted { (rig.request, 0) } else { (accepted, code) };
        rig.sync();
    }
    assert_eq!(refused, RejectCode::StorageFull as u16);
    let again = reply(&mut rig.send_as(accepted, &command)).0;
    assert_eq!(again, Outcome::AcceptedBefore, "request {accepted} took effect");
    let wrong = ReceiveStock { sku: SkuHandle::new(9), ..stock };
    let (_, _, code, _) = reply(&mut rig.send(&Command::ReceiveStock(&wrong)));
    assert_eq!(code, RejectCode::UnknownSku as u16, "no disk would help it");
    rig.stop();
}

#[test]
fn recorded_times_do_not_go_back_over_a_restart() {
    let storage = MemoryStorage::new();
    let later = 1_700_000_000_000_000;
    let mut rig = Rig::start(&storage, move || later);
    rig.open_session(1);
    rig.set_up();
    rig.stop();
    // The clock of the machine stands an hour behind when it comes back.
    let mut rig = Rig::start(&storage, move || later - 3_600_000_000);
    rig.open_session(2);
    rig.stop();
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let mut reader = Reader::open(shared, Start::Oldest).unwrap();
    let mut times = Vec::new();
    while let Some(batch) = reader.next_batch(u64::MAX).unwrap() {
        times.push(batch.recorded_at_us);
    }
    assert!(times.len() > 1 && times.is_sorted(), "{times:?}");
}

#[test]
fn a_front_sleeps_through_rises_that_bring_it_nothing() {
    let (publisher, watermark) = Watermark::new(0);
    let door = Doors::new(watermark).open(4);
    let woken = Arc::new(AtomicI64::new(0));
    let wakes = Arc::clone(&woken);
    door.on_wake(move || {
        wakes.fetch_add(1, Ordering::Relaxed);
    });
    let wakes_when = |sequence| {
        let before = woken.load(Ordering::Relaxed);
        publisher.publish(sequence);
        woken.load(Ordering::Relaxed) - before
    };
    assert_eq!(wakes_when(1), 1, "each rise, as long as nothing is said");
    door.wake_at(5);
    assert_eq!([wakes_when(4), wakes_when(5), wakes_when(6)], [0, 1, 1]);
    door.wake_at(Sequence::MAX);
    assert_eq!(wakes_when(7), 0, "it waits for nothing");
    door.wake_at(0);
    assert_eq!(wakes_when(8), 1);
}
