//! Short ways to say what happens between a confirmed order and its door, and back, and a shop with three locations to say
//! it in.
// Each test file uses its own part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use orderline_core::Rejection;
use orderline_core::state::Accepted;
use orderline_protocol::command::*;
use orderline_protocol::event::{Allocation, EVENT_VERSION, Event, EventKind};
use orderline_protocol::lifecycle::{Disposition, OrderState, ReturnState, ShipmentState, WorkState};
use orderline_protocol::reply::{OrderParts, OrderView};
use orderline_protocol::*;

use crate::support::{Driver, image_and_back};

/// One seller, three locations by priority, two SKUs.
pub struct Shop {
    pub driver: Driver,
    pub near: LocationHandle,
    pub far: LocationHandle,
    pub attic: LocationHandle,
    pub shirts: SkuHandle,
    pub mugs: SkuHandle,
}

pub fn shop() -> Shop {
    let mut driver = Driver::new(31);
    let seller = driver.seller("acme");
    let near = driver.location("near", 1);
    let far = driver.location("far", 2);
    let attic = driver.location("attic", 3);
    let shirts = driver.sku("shirt", seller);
    let mugs = driver.sku("mug", seller);
    Shop { driver, near, far, attic, shirts, mugs }
}

pub fn returned(line: u16, disposition: Disposition, quantity: u32) -> ReturnedUnits {
    ReturnedUnits {
        line: line.into(),
        disposition: disposition as u8,
        reserved: 0,
        quantity: quantity.into(),
    }
}

pub fn at(line: u16, location: LocationHandle, quantity: u32) -> Allocation {
    Allocation { line: line.into(), location, quantity: quantity.into() }
}

impl Driver {
    /// A refusal, which changed nothing.
    #[track_caller]
    pub fn refused(&mut self, command: &Command<'_>) -> Rejection {
        let before = self.state.hash();
        let rejection = self.run(command).unwrap_err();
        assert_eq!(self.state.hash(), before, "{rejection:?} changed something");
        rejection
    }

    /// A sound state that replay and a snapshot give again, both under other seeds.
    #[track_caller]
    pub fn assert_kept(&mut self) {
        self.assert_sound();
        let hash = self.state.hash();
        assert_eq!(self.replayed(5).hash(), hash, "replayed");
        assert_eq!(image_and_back(&mut self.state).hash(), hash, "image and back");
    }

    pub fn work(
        &mut self,
        order: u128,
        location: LocationHandle,
        step: WorkStep,
    ) -> Result<Accepted, Rejection> {
        self.run(&Command::UpdateWork(&working(order, location, step)))
    }

    pub fn reject(&mut self, order: u128, location: LocationHandle) -> Result<Accepted, Rejection> {
        self.run(&Command::RejectWork(&rejecting(order, location, 0)))
    }

    pub fn move_work(
        &mut self,
        order: u128,
        from: LocationHandle,
        to: LocationHandle,
        lines: &[LineQuantity],
    ) -> Result<Accepted, Rejection> {
        self.run(&Command::MoveWork(&moving_work(order, from, to, lines), lines))
    }

    pub fn pack(
        &mut self,
        order: u128,
        location: LocationHandle,
        lines: &[LineQuantity],
    ) -> Result<Accepted, Rejection> {
        self.run(&Command::ShipLines(&packing(order, location, lines), lines, "P1"))
    }

    pub fn request_return(&mut self, order: u128, lines: &[LineQuantity]) -> Result<Accepted, Rejection> {
        self.run(&Command::RequestReturn(&crate::support::asking_back(order, lines), lines))
    }

    pub fn update_return(
        &mut self,
        order: u128,
        number: u16,
        step: ReturnStep,
    ) -> Result<Accepted, Rejection> {
        self.run(&Command::UpdateReturn(&returning(order, number, step)))
    }

    pub fn receive_return(
        &mut self,
        order: u128,
        number: u16,
        location: LocationHandle,
        units: &[ReturnedUnits],
    ) -> Result<Accepted, Rejection> {
        self.run(&Command::ReceiveReturn(&receiving(order, number, location, units), units))
    }

    pub fn hold(&mut self, order: u128, blocks: u8) -> Result<Accepted, Rejection> {
        let head = PlaceHold {
            order: OrderId::new(order),
            expected_version: 0.into(),
            seconds: 0.into(),
            kind: 1,
            blocks,
            reason: 4.into(),
            reserved: [0; 4],
        };
        self.run(&Command::PlaceHold(&head))
    }

    /// Hands an order's view to `look`, read.
    pub fn view<T>(&self, order: u128, look: impl FnOnce(&OrderParts<'_>) -> T) -> T {
        let view = self.query(&Command::QueryOrder(&QueryOrder { order: OrderId::new(order) })).unwrap();
        look(&OrderView::read(&view).unwrap())
    }

    pub fn works(&self, order: u128) -> Vec<(LocationHandle, WorkState)> {
        let state = |number| WorkState::from_number(number).unwrap();
        self.view(order, |parts| parts.works.iter().map(|work| (work.location, state(work.state))).collect())
    }

    pub fn packages(&self, order: u128) -> Vec<ShipmentState> {
        let state = |number| ShipmentState::from_number(number).unwrap();
        self.view(order, |parts| parts.shipments.iter().map(|package| state(package.state)).collect())
    }

    pub fn returns(&self, order: u128) -> Vec<ReturnState> {
        let state = |number| ReturnState::from_number(number).unwrap();
        self.view(order, |parts| parts.returns.iter().map(|of| state(of.state)).collect())
    }

    pub fn order_state(&self, order: u128) -> OrderState {
        let answer = self.answer(&Command::QueryOrder(&QueryOrder { order: OrderId::new(order) }));
        OrderState::from_number(answer.state).unwrap()
    }

    pub fn version(&self, order: u128) -> u32 {
        self.answer(&Command::QueryOrder(&QueryOrder { order: OrderId::new(order) })).version
    }

    fn answer(&self, query: &Command<'_>) -> Accepted {
        let (mut bytes, mut view) = (Vec::new(), Vec::new());
        query.write(1, &mut bytes);
        self.state.answer(&RawCommand::take(&mut &bytes[..]).unwrap(), &mut view).unwrap()
    }

    /// Cancelled, backordered, reserved, allocated, shipped, delivered, returned of a line.
    pub fn counters(&self, order: u128, line: usize) -> [u32; 7] {
        let of = self.order(order).1[line].counters;
        let all =
            [of.cancelled, of.backordered, of.reserved, of.allocated, of.shipped, of.delivered, of.returned];
        all.map(|units| units.get())
    }

    /// Available and committed at a level.
    pub fn stock_at(&self, sku: SkuHandle, location: LocationHandle) -> (i64, u64) {
        let level = self.level(sku, location);
        (level.available.get(), level.committed.get())
    }

    /// The newest event of a kind, read.
    pub fn newest(&self, kind: EventKind) -> Event<'_> {
        let (_, number, bytes) = self.events.iter().rev().find(|event| event.1 == kind as u16).unwrap();
        Event::read(*number, EVENT_VERSION, bytes).unwrap()
    }
}

pub fn working(order: u128, location: LocationHandle, step: WorkStep) -> UpdateWork {
    UpdateWork {
        order: OrderId::new(order),
        expected_version: 0.into(),
        location,
        step: step as u8,
        reserved: 0,
    }
}

pub fn rejecting(order: u128, location: LocationHandle, is_missing: u8) -> RejectWork {
    RejectWork {
        order: OrderId::new(order),
        expected_version: 0.into(),
        location,
        reason: 5.into(),
        is_missing,
        reserved: [0; 7],
    }
}

pub fn moving_work(
    order: u128,
    from: LocationHandle,
    to: LocationHandle,
    lines: &[LineQuantity],
) -> MoveWork {
    MoveWork {
        order: OrderId::new(order),
        expected_version: 0.into(),
        from,
        to,
        line_count: (lines.len() as u16).into(),
        reason: 6.into(),
    }
}

pub fn packing(order: u128, location: LocationHandle, lines: &[LineQuantity]) -> ShipLines {
    ShipLines {
        happened_at_us: 0.into(),
        order: OrderId::new(order),
        expected_version: 0.into(),
        location,
        line_count: (lines.len() as u16).into(),
        carrier: 7.into(),
        tracking_bytes: 2,
        is_sent: 0,
    }
}

pub fn updating(order: u128, shipment: u16, step: ShipmentStep) -> UpdateShipment {
    UpdateShipment {
        happened_at_us: 0.into(),
        order: OrderId::new(order),
        expected_version: 0.into(),
        shipment: shipment.into(),
        step: step as u8,
        reserved: 0,
    }
}

pub fn returning(order: u128, number: u16, step: ReturnStep) -> UpdateReturn {
    UpdateReturn {
        happened_at_us: 0.into(),
        order: OrderId::new(order),
        expected_version: 0.into(),
        return_number: number.into(),
        step: step as u8,
        reserved: 0,
    }
}

pub fn receiving(
    order: u128,
    number: u16,
    location: LocationHandle,
    units: &[ReturnedUnits],
) -> ReceiveReturn {
    ReceiveReturn {
        happened_at_us: 0.into(),
        order: OrderId::new(order),
        expected_version: 0.into(),
        return_number: number.into(),
        location,
        line_count: (units.len() as u16).into(),
        reserved: [0; 6],
    }
}
