//! Short ways to say what a cart goes through, and two sellers' shop to say it in.
// Each test file uses its own part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use orderline_core::Rejection;
use orderline_core::state::Accepted;
use orderline_protocol::command::*;
use orderline_protocol::lifecycle::{OrderState, ReservationState};
use orderline_protocol::reply::{GroupOrderView, GroupView, ReservationView};
use orderline_protocol::*;

use crate::support::{Driver, NOW_US, image_and_back};

/// Microseconds of a second.
pub const SECOND_US: i64 = 1_000_000;

/// The buyer of everything, unless a test says otherwise.
pub const BUYER: BuyerId = BuyerId::new(1);

/// Two sellers, two locations; shirts and mugs are of the first seller, lamps of the second.
pub struct Shop {
    pub driver: Driver,
    pub acme: SellerHandle,
    pub bolt: SellerHandle,
    pub near: LocationHandle,
    pub far: LocationHandle,
    pub shirts: SkuHandle,
    pub mugs: SkuHandle,
    pub lamps: SkuHandle,
}

pub fn shop() -> Shop {
    let mut driver = Driver::new(23);
    let acme = driver.seller("acme");
    let bolt = driver.seller("bolt");
    let far = driver.location("far", 2);
    let near = driver.location("near", 1);
    let shirts = driver.sku("shirt", acme);
    let mugs = driver.sku("mug", acme);
    let lamps = driver.sku("lamp", bolt);
    Shop { driver, acme, bolt, near, far, shirts, mugs, lamps }
}

/// The nth id made as many seconds after the tests' time.
pub fn id_at(seconds: i64, n: u128) -> u128 {
    OrderId::from_parts((NOW_US / 1_000 + seconds * 1_000) as u64, n).get()
}

/// The nth id made at the tests' time.
pub fn id(n: u128) -> u128 {
    id_at(0, n)
}

pub fn wanted(sku: SkuHandle, quantity: u32) -> CartLine {
    CartLine { sku, quantity: quantity.into() }
}

/// A reservation of an hour.
pub fn cart(reservation: u128, lines: usize) -> ReserveCart {
    ReserveCart {
        expected_version: 0.into(),
        reservation: ReservationId::new(reservation),
        replaces: ReservationId::new(0),
        buyer: BUYER,
        seconds: 3_600.into(),
        region: 0.into(),
        line_count: (lines as u16).into(),
    }
}

pub fn checkout(group: u128, reservation: u128, orders: usize, lines: usize) -> CheckOut {
    CheckOut {
        expected_version: 0.into(),
        group: GroupId::new(group),
        reservation: ReservationId::new(reservation),
        buyer: BUYER,
        currency: CurrencyCode::new(826),
        order_count: (orders as u16).into(),
        line_count: (lines as u16).into(),
        region: 0.into(),
        external_id_bytes: 0,
    }
}

/// An order of a group: its id, its seller, its lines.
pub type Part<'a> = (u128, SellerHandle, &'a [OrderLine]);

/// A policy's times in seconds: pending orders, retention, the longest reservation.
pub fn policy(pending_order_s: u32, retention_s: u32, reservation_s_max: u32) -> SetPolicy {
    SetPolicy {
        pending_order_s: pending_order_s.into(),
        retention_s: retention_s.into(),
        reservation_s_max: reservation_s_max.into(),
        expected_version: 0.into(),
    }
}

impl Driver {
    pub fn reserve(&mut self, reservation: u128, lines: &[CartLine]) -> Result<Accepted, Rejection> {
        self.run(&Command::ReserveCart(&cart(reservation, lines.len()), lines))
    }

    pub fn extend(&mut self, reservation: u128, seconds: u32) -> Result<Accepted, Rejection> {
        let head = ExtendReservation {
            reservation: ReservationId::new(reservation),
            expected_version: 0.into(),
            seconds: seconds.into(),
        };
        self.run(&Command::ExtendReservation(&head))
    }

    pub fn release(&mut self, reservation: u128) -> Result<Accepted, Rejection> {
        let head = ReleaseReservation {
            reservation: ReservationId::new(reservation),
            expected_version: 0.into(),
            reserved: [0; 4],
        };
        self.run(&Command::ReleaseReservation(&head))
    }

    /// Checks a cart out; a reservation of 0 is none.
    pub fn check_out(
        &mut self,
        group: u128,
        reservation: u128,
        parts: &[Part<'_>],
    ) -> Result<Accepted, Rejection> {
        let (orders, lines) = parts_of(parts);
        let head = checkout(group, reservation, orders.len(), lines.len());
        self.run(&Command::CheckOut(&head, &orders, &lines, ""))
    }

    pub fn reservation(&self, reservation: u128) -> (ReservationView, ReservationState) {
        let query = QueryReservation { reservation: ReservationId::new(reservation) };
        let view = self.query(&Command::QueryReservation(&query)).unwrap();
        let head = *ReservationView::read(&view).unwrap().0;
        (head, ReservationState::from_number(head.state).unwrap())
    }

    pub fn group(&self, group: u128) -> (GroupView, Vec<GroupOrderView>) {
        let query = QueryGroup { group: GroupId::new(group) };
        let view = self.query(&Command::QueryGroup(&query)).unwrap();
        let (head, orders) = GroupView::read(&view).unwrap();
        (*head, orders.to_vec())
    }

    pub fn order_state(&self, order: u128) -> OrderState {
        let mut bytes = Vec::new();
        Command::QueryOrder(&QueryOrder { order: OrderId::new(order) }).write(1, &mut bytes);
        let answer = self.state.answer(&RawCommand::take(&mut &bytes[..]).unwrap(), &mut Vec::new());
        OrderState::from_number(answer.unwrap().state).unwrap()
    }

    pub fn set_policy(&mut self, policy: &SetPolicy) {
        self.run(&Command::SetPolicy(policy)).unwrap();
    }

    /// What is available and what is reserved.
    pub fn stands(&self, sku: SkuHandle, location: LocationHandle) -> (i64, u64) {
        let level = self.level(sku, location);
        (level.available.get(), level.reserved.get())
    }

    /// Refuses a command, and nothing has changed.
    #[track_caller]
    pub fn refused(&mut self, command: &Command<'_>) -> Rejection {
        let before = self.state.hash();
        let rejection = self.run(command).unwrap_err();
        assert_eq!(self.state.hash(), before, "a refused command changes nothing: {rejection:?}");
        rejection
    }

    /// Refuses a checkout, and nothing has changed.
    #[track_caller]
    pub fn refused_check_out(&mut self, group: u128, reservation: u128, parts: &[Part<'_>]) -> Rejection {
        let (orders, lines) = parts_of(parts);
        let head = checkout(group, reservation, orders.len(), lines.len());
        self.refused(&Command::CheckOut(&head, &orders, &lines, ""))
    }

    /// Sends a command again in another session.
    pub fn again_in(&mut self, session: u128, command: &Command<'_>) -> Result<Accepted, Rejection> {
        let session = self.open_session(session);
        let mut bytes = Vec::new();
        command.write(1, &mut bytes);
        self.send(session, &bytes)
    }

    /// Goes on with a state that was written to a snapshot and read back.
    #[track_caller]
    pub fn reopen(&mut self) {
        let restored = image_and_back(&mut self.state);
        assert_eq!(restored.hash(), self.state.hash());
        assert_eq!(restored.next_due_us(), self.state.next_due_us());
        assert_eq!(restored.check(), vec![]);
        self.state = restored;
    }

    /// The invariants hold, and replay and a snapshot come to the same.
    #[track_caller]
    pub fn assert_sound_and_replayed(&mut self) {
        self.assert_sound();
        let replayed = self.replayed(4_711);
        assert_eq!(replayed.hash(), self.state.hash());
        assert_eq!(replayed.check(), vec![]);
        let restored = image_and_back(&mut self.state);
        assert_eq!(restored.hash(), self.state.hash());
        assert_eq!(restored.check(), vec![]);
    }
}

/// The orders and the lines of a group.
pub fn parts_of(parts: &[Part<'_>]) -> (Vec<GroupOrder>, Vec<OrderLine>) {
    let order = |&(order, seller, lines): &Part<'_>| GroupOrder {
        order: OrderId::new(order),
        seller,
        line_count: (lines.len() as u16).into(),
        reserved: [0; 2],
    };
    let lines = parts.iter().flat_map(|&(_, _, lines)| lines.iter().copied()).collect();
    (parts.iter().map(order).collect(), lines)
}
