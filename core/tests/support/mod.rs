//! A state driven as the engine drives it: decide, keep the event, apply; and short ways to say commands.
// Each test file uses its own part of this; clippy knows test functions, and not what they share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use orderline_core::state::{Accepted, Parsed};
use orderline_core::{Decision, Rejection, Scratch, State};
use orderline_protocol::command::*;
use orderline_protocol::event::{EVENT_VERSION, Event};
use orderline_protocol::reply::{LevelView, LineView, OrderView};
use orderline_protocol::*;

/// A time for all events: nothing in the state may depend on the machine's.
pub const NOW_US: i64 = 1_700_000_000_000_000;

pub struct Driver {
    pub state: State,
    pub session: SessionHandle,
    pub request: Request,
    pub events: Vec<(u16, Vec<u8>)>,
    scratch: Scratch,
}

impl Driver {
    pub fn new(seed: u64) -> Self {
        let mut driver = Self {
            state: State::new(seed),
            session: SessionHandle::NONE,
            request: 0,
            events: Vec::new(),
            scratch: Scratch::default(),
        };
        driver.session = driver.open_session(1);
        driver
    }

    pub fn open_session(&mut self, id: u128) -> SessionHandle {
        let mut event = Vec::new();
        match self.state.decide_session(SessionId::new(id), &mut event) {
            Ok(kind) => SessionHandle::new(self.keep(kind as u16, event).detail as u32),
            Err(handle) => handle,
        }
    }

    fn keep(&mut self, kind: u16, event: Vec<u8>) -> Accepted {
        let read = Event::read(kind, EVENT_VERSION, &event).unwrap();
        let answer = self.state.apply(self.state.sequence() + 1, NOW_US, &read);
        self.events.push((kind, event));
        answer
    }

    /// Sends bytes of a command as they would come from a frame.
    pub fn send(&mut self, session: SessionHandle, bytes: &[u8]) -> Result<Accepted, Rejection> {
        let raw = RawCommand::take(&mut &bytes[..]).unwrap();
        let mut event = Vec::new();
        match self.state.decide(session, &Parsed::new(raw), &mut self.scratch, &mut event) {
            Decision::Event(kind) => Ok(self.keep(kind as u16, event)),
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
        command.write(self.request, &mut bytes);
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
            reserved: [0; 4],
        };
        SellerHandle::new(self.run(&Command::DefineSeller(&head, code)).unwrap().detail as u32)
    }

    pub fn location(&mut self, code: &str, priority: u32) -> LocationHandle {
        let head = DefineLocation {
            region: 1.into(),
            priority: priority.into(),
            daily_capacity: 0.into(),
            standing: 1,
            code_bytes: code.len() as u8,
            reserved: [0; 2],
        };
        LocationHandle::new(self.run(&Command::DefineLocation(&head, code)).unwrap().detail as u32)
    }

    pub fn sku(&mut self, code: &str, seller: SellerHandle) -> SkuHandle {
        let head = DefineSku {
            seller,
            backorder_cap: 0.into(),
            currency: CurrencyCode::NONE,
            standing: 1,
            code_bytes: code.len() as u8,
            reserved: [0; 4],
        };
        SkuHandle::new(self.run(&Command::DefineSku(&head, code)).unwrap().detail as u32)
    }

    pub fn receive(&mut self, sku: SkuHandle, location: LocationHandle, units: u64) {
        let head = ReceiveStock {
            sku,
            location,
            quantity: units.into(),
            reference: 0.into(),
            reason: 0.into(),
            reserved: [0; 6],
        };
        self.run(&Command::ReceiveStock(&head)).unwrap();
    }

    pub fn place(&mut self, order: u128, lines: &[OrderLine]) -> Result<Accepted, Rejection> {
        let head = placement(order, lines.len());
        self.run(&Command::PlaceOrder(&head, lines))
    }

    pub fn confirm(&mut self, order: u128) -> Result<Accepted, Rejection> {
        let head = ConfirmOrder { order: OrderId::new(order), expected_version: 0.into(), reserved: [0; 4] };
        self.run(&Command::ConfirmOrder(&head))
    }

    pub fn cancel(&mut self, order: u128, lines: &[LineQuantity]) -> Result<Accepted, Rejection> {
        self.run(&Command::CancelLines(&moving(order, lines), lines))
    }

    pub fn deliver(&mut self, order: u128, lines: &[LineQuantity]) -> Result<Accepted, Rejection> {
        self.run(&Command::DeliverLines(&moving(order, lines), lines))
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
            order: OrderId::new(order),
            expected_version: 0.into(),
            location,
            line_count: (lines.len() as u16).into(),
            carrier: 7.into(),
            tracking_bytes: 4,
            reserved: [0; 3],
        };
        self.run(&Command::ShipLines(&head, lines, "1Z99"))
    }

    pub fn level(&self, sku: SkuHandle, location: LocationHandle) -> LevelView {
        let view = self.query(&Command::QueryStock(&QueryStock { sku, location })).unwrap();
        LevelView::read_all(&view).unwrap()[0]
    }

    pub fn order(&self, order: u128) -> (OrderView, Vec<LineView>) {
        let view = self.query(&Command::QueryOrder(&QueryOrder { order: OrderId::new(order) })).unwrap();
        let (head, lines) = OrderView::read(&view).unwrap();
        (*head, lines.to_vec())
    }

    /// Applies the kept events to a fresh state.
    pub fn replayed(&self, seed: u64) -> State {
        let mut state = State::new(seed);
        for (index, (kind, event)) in self.events.iter().enumerate() {
            state.apply(index as u64 + 1, NOW_US, &Event::read(*kind, EVENT_VERSION, event).unwrap());
        }
        state
    }

    #[track_caller]
    pub fn assert_sound(&self) {
        assert_eq!(self.state.check(), vec![]);
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
    }
}

pub fn moving(order: u128, lines: &[LineQuantity]) -> MoveLines {
    MoveLines {
        order: OrderId::new(order),
        expected_version: 0.into(),
        line_count: (lines.len() as u16).into(),
        reason: 3.into(),
    }
}
