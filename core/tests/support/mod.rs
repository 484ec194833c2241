//! A state driven as the engine drives it: decide, keep the event, apply; and short ways to say commands.
// Each test file uses its own part of this; clippy knows test functions, and not what they share.
#![allow(dead_code, unreachable_pub, unused_imports, clippy::unwrap_used)]

mod image;

use std::sync::Arc;

use orderline_core::recovery::{Recovered, recover};
use orderline_core::state::{Accepted, Conservation, Due, Parsed};
use orderline_core::{Decision, Rejection, Scratch, State};
use orderline_journal::{JournalOptions, Locked, MemoryStorage, Storage};
use orderline_protocol::command::*;
use orderline_protocol::event::{EVENT_VERSION, Event};
use orderline_protocol::reply::{LevelView, LineView, OrderView};
use orderline_protocol::*;

pub use image::{SlowWalk, image_and_back, spoiled_images};

/// A time for all events: nothing in the state may depend on the machine's.
pub const NOW_US: i64 = 1_700_000_000_000_000;

pub struct Driver {
    pub state: State,
    pub session: SessionHandle,
    pub request: Request,
    /// Every how many requests have a key; 0: none.
    pub keyed_every: u64,
    /// Recorded time, kind and bytes of every event.
    pub events: Vec<(i64, u16, Vec<u8>)>,
    pub now_us: i64,
    /// Whether shortages are named right behind the command that made them; else when a test looks for them.
    pub names_shortages: bool,
    /// Snapshots walked beside what happens; `None`: not in this test.
    pub walk: Option<SlowWalk>,
    scratch: Scratch,
}

impl Driver {
    pub fn new(seed: u64) -> Self {
        let mut driver = Self {
            state: State::new(seed),
            session: SessionHandle::NONE,
            request: 0,
            keyed_every: 0,
            events: Vec::new(),
            now_us: NOW_US,
            names_shortages: true,
            walk: None,
            scratch: Scratch::default(),
        };
        driver.session = driver.open_session(1);
        driver
    }

    pub fn adjust(
        &mut self,
        sku: SkuHandle,
        location: LocationHandle,
        bucket: Bucket,
        delta: i64,
    ) -> Result<Accepted, Rejection> {
        self.run(&Command::AdjustStock(&adjustment(sku, location, bucket, delta)))
    }

    pub fn open_session(&mut self, id: u128) -> SessionHandle {
        let mut event = Vec::new();
        match self.state.decide_session(SessionId::new(id), 0, &mut event) {
            Ok(kind) => SessionHandle::new(self.keep(kind as u16, event).detail as u32),
            Err(handle) => handle,
        }
    }

    fn keep(&mut self, kind: u16, event: Vec<u8>) -> Accepted {
        let read = Event::read(kind, EVENT_VERSION, &event).unwrap();
        let answer = self.state.apply(self.state.sequence() + 1, self.now_us, &read);
        self.events.push((self.now_us, kind, event));
        if let Some(walk) = &mut self.walk {
            walk.step(&mut self.state);
        }
        answer
    }

    /// What must happen before anything else is decided happens.
    fn refill(&mut self) {
        let mut event = Vec::new();
        while let Due::Event(kind) = self.state.decide_refill(&mut self.scratch, &mut event) {
            self.keep(kind as u16, std::mem::take(&mut event));
        }
    }

    /// Shortages are named at once, while nothing expires: at the beginning of time nothing is due.
    fn name_shortages(&mut self) {
        let mut event = Vec::new();
        loop {
            match self.state.decide_due(0, &mut self.scratch, &mut event) {
                Due::Event(kind) => _ = self.keep(kind as u16, std::mem::take(&mut event)),
                Due::Searching => {}
                Due::Nothing => return,
            }
        }
    }

    /// It is this time now, and what is due happens.
    pub fn pass_time(&mut self, now_us: i64) {
        self.now_us = self.now_us.max(now_us);
        let mut event = Vec::new();
        loop {
            match self.state.decide_due(self.now_us, &mut self.scratch, &mut event) {
                Due::Event(kind) => {
                    self.keep(kind as u16, std::mem::take(&mut event));
                    self.refill();
                }
                Due::Searching => {}
                Due::Nothing => break,
            }
        }
    }

    /// Runs a command at a time, without passing it: what is due stays due.
    pub fn run_at(&mut self, now_us: i64, command: &Command<'_>) -> Result<Accepted, Rejection> {
        self.now_us = self.now_us.max(now_us);
        self.run(command)
    }

    /// Sends bytes of a command as they would come from a frame.
    pub fn send(&mut self, session: SessionHandle, bytes: &[u8]) -> Result<Accepted, Rejection> {
        let raw = RawCommand::take(&mut &bytes[..]).unwrap();
        let mut event = Vec::new();
        match self.state.decide(session, self.now_us, &Parsed::new(raw), &mut self.scratch, &mut event) {
            Decision::Event(kind) => {
                let answer = self.keep(kind as u16, event);
                self.refill();
                if self.names_shortages {
                    self.name_shortages();
                }
                Ok(answer)
            }
            Decision::Before(answer) => Ok(answer),
            Decision::Rejected(rejection) => {
                assert!(event.is_empty(), "a rejection writes no event");
                Err(rejection)
            }
        }
    }

    pub fn run(&mut self, command: &Command<'_>) -> Result<Accepted, Rejection> {
        self.request += 1;
        let mut bytes = Vec::new();
        // Every so many requests have a key instead of a number, in no order.
        let is_keyed = self.request.checked_rem(self.keyed_every) == Some(0);
        let request = if is_keyed { KEYED_FROM | self.request.reverse_bits() >> 1 } else { self.request };
        command.write(request, &mut bytes);
        self.send(self.session, &bytes)
    }

    pub fn query(&self, command: &Command<'_>) -> Result<Vec<u8>, Rejection> {
        let mut bytes = Vec::new();
        command.write(1, &mut bytes);
        let mut view = Vec::new();
        self.state.answer(&RawCommand::take(&mut &bytes[..]).unwrap(), &mut view).map(|_| view)
    }

    pub fn seller(&mut self, code: &str) -> SellerHandle {
        let head = DefineSeller {
            commission_bp: 1_000.into(),
            standing: 1,
            code_bytes: code.len() as u8,
            expected_version: 0.into(),
        };
        SellerHandle::new(self.run(&Command::DefineSeller(&head, code)).unwrap().detail as u32)
    }

    pub fn location(&mut self, code: &str, priority: u32) -> LocationHandle {
        let head = DefineLocation {
            priority: priority.into(),
            daily_capacity: 0.into(),
            expected_version: 0.into(),
            region: 1.into(),
            standing: 1,
            code_bytes: code.len() as u8,
        };
        LocationHandle::new(self.run(&Command::DefineLocation(&head, code)).unwrap().detail as u16)
    }

    pub fn sku(&mut self, code: &str, seller: SellerHandle) -> SkuHandle {
        let head = DefineSku {
            seller,
            backorder_cap: 0.into(),
            currency: CurrencyCode::NONE,
            standing: 1,
            code_bytes: code.len() as u8,
            expected_version: 0.into(),
        };
        SkuHandle::new(self.run(&Command::DefineSku(&head, code)).unwrap().detail as u32)
    }

    pub fn receive(&mut self, sku: SkuHandle, location: LocationHandle, units: u64) {
        let head = ReceiveStock {
            expected_version: 0.into(),
            sku,
            location,
            from_incoming: 0,
            reserved: [0; 5],
            quantity: units.into(),
            cause: Cause::NONE,
        };
        self.run(&Command::ReceiveStock(&head)).unwrap();
    }

    pub fn place(&mut self, order: u128, lines: &[OrderLine]) -> Result<Accepted, Rejection> {
        let head = placement(order, lines.len());
        self.run(&Command::PlaceOrder(&head, lines, ""))
    }

    pub fn confirm(&mut self, order: u128) -> Result<Accepted, Rejection> {
        let head = ConfirmOrder { order: OrderId::new(order), expected_version: 0.into(), reserved: [0; 4] };
        self.run(&Command::ConfirmOrder(&head))
    }

    pub fn cancel(&mut self, order: u128, lines: &[LineQuantity]) -> Result<Accepted, Rejection> {
        self.run(&Command::CancelLines(&cancelling(order, lines), lines))
    }

    /// Says what happened to a package.
    pub fn shipment(
        &mut self,
        order: u128,
        shipment: u16,
        step: ShipmentStep,
    ) -> Result<Accepted, Rejection> {
        let head = UpdateShipment {
            happened_at_us: 0.into(),
            order: OrderId::new(order),
            expected_version: 0.into(),
            shipment: shipment.into(),
            step: step as u8,
            reserved: 0,
        };
        self.run(&Command::UpdateShipment(&head))
    }

    pub fn ship(&mut self, order: u128, lines: &[LineQuantity]) -> Result<Accepted, Rejection> {
        self.ship_from(order, LocationHandle::NONE, lines)
    }

    pub fn ship_from(
        &mut self,
        order: u128,
        location: LocationHandle,
        lines: &[LineQuantity],
    ) -> Result<Accepted, Rejection> {
        let head = ShipLines {
            happened_at_us: 0.into(),
            order: OrderId::new(order),
            expected_version: 0.into(),
            location,
            line_count: (lines.len() as u16).into(),
            carrier: 7.into(),
            tracking_bytes: 4,
            is_sent: 1,
        };
        self.run(&Command::ShipLines(&head, lines, "1Z99"))
    }

    pub fn level(&self, sku: SkuHandle, location: LocationHandle) -> LevelView {
        let view = self.query(&Command::QueryStock(&QueryStock { sku, location })).unwrap();
        LevelView::read_all(&view).unwrap()[0]
    }

    pub fn order(&self, order: u128) -> (OrderView, Vec<LineView>) {
        let view = self.query(&Command::QueryOrder(&QueryOrder { order: OrderId::new(order) })).unwrap();
        let parts = OrderView::read(&view).unwrap();
        (*parts.head, parts.lines.to_vec())
    }

    /// Applies the kept events to a fresh state, which then holds what the events alone add up to.
    #[track_caller]
    pub fn replayed(&self, seed: u64) -> State {
        let mut state = State::new(seed);
        let mut conservation = Conservation::since(&state);
        for (index, (at_us, kind, event)) in self.events.iter().enumerate() {
            let event = Event::read(*kind, EVENT_VERSION, event).unwrap();
            conservation.note(&state, &event);
            state.apply(index as u64 + 1, *at_us, &event);
        }
        assert_eq!(conservation.check(&state), vec![]);
        state
    }

    #[track_caller]
    pub fn assert_sound(&self) {
        assert_eq!(self.state.check(), vec![]);
    }

    /// One look for what is due, as the engine takes it between two turns.
    pub fn look_once(&mut self) -> Due {
        let mut event = Vec::new();
        let due = self.state.decide_due(self.now_us, &mut self.scratch, &mut event);
        if let Due::Event(kind) = due {
            self.keep(kind as u16, event);
            self.refill();
        }
        due
    }
}

pub fn line(sku: SkuHandle, quantity: u32, unit_price: i64) -> OrderLine {
    OrderLine { sku, quantity: quantity.into(), unit_price: Amount::new(unit_price) }
}

pub fn units(line: u16, quantity: u32) -> LineQuantity {
    LineQuantity { line: line.into(), reserved: [0; 2], quantity: quantity.into() }
}

pub fn placement(order: u128, lines: usize) -> PlaceOrder {
    PlaceOrder {
        order: OrderId::new(order),
        buyer: BuyerId::new(1),
        seller: SellerHandle::new(0),
        currency: CurrencyCode::new(826),
        line_count: (lines as u16).into(),
        region: 0.into(),
        external_id_bytes: 0,
    }
}

pub fn cancelling(order: u128, lines: &[LineQuantity]) -> CancelLines {
    CancelLines {
        order: OrderId::new(order),
        expected_version: 0.into(),
        line_count: (lines.len() as u16).into(),
        reason: 3.into(),
    }
}

pub fn asking_back(order: u128, lines: &[LineQuantity]) -> RequestReturn {
    RequestReturn {
        order: OrderId::new(order),
        happened_at_us: 0.into(),
        expected_version: 0.into(),
        line_count: (lines.len() as u16).into(),
        reason: 3.into(),
    }
}

pub fn adjustment(sku: SkuHandle, location: LocationHandle, bucket: Bucket, delta: i64) -> AdjustStock {
    AdjustStock {
        expected_version: 0.into(),
        sku,
        location,
        bucket: bucket as u8,
        reserved: [0; 5],
        delta: delta.into(),
        cause: Cause::NONE,
    }
}

/// What a start finds in a directory in memory.
pub fn recovered(storage: &MemoryStorage, options: JournalOptions) -> Recovered {
    let storage: Arc<dyn Storage> = Arc::new(storage.clone());
    recover(Locked::new(storage, options).unwrap(), 3, |_| {}).unwrap()
}
