//! Short ways to say commands about money and holds, and to look at what came of them.

// Each test file uses its own part of this; clippy knows test functions, and not what they share.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::print_stdout)]

use std::hash::{BuildHasher, RandomState};

use orderline_core::Rejection;
use orderline_core::state::Accepted;
use orderline_protocol::command::*;
use orderline_protocol::lifecycle::HoldKind;
use orderline_protocol::reply::{GroupOrderView, GroupView, HoldView, LedgerView, OrderView, RefundView};
use orderline_protocol::*;

use crate::support::{Driver, image_and_back};

pub type Answer = Result<Accepted, Rejection>;

/// The currency of every order in these tests.
pub const POUNDS: CurrencyCode = CurrencyCode::new(826);

/// A seed for a test's random choices: `ORDERLINE_TEST_SEED`, or a new one; it is printed where the test fails.
pub fn seed() -> u64 {
    let seed = match std::env::var("ORDERLINE_TEST_SEED") {
        Ok(seed) => seed.parse().expect("ORDERLINE_TEST_SEED is a number"),
        Err(_) => RandomState::new().hash_one(0),
    };
    println!("ORDERLINE_TEST_SEED={seed}");
    seed
}

impl Driver {
    pub fn commission(&mut self, code: &str, commission_bp: u16) -> SellerHandle {
        let head = DefineSeller {
            commission_bp: commission_bp.into(),
            standing: 1,
            code_bytes: code.len() as u8,
            expected_version: 0.into(),
        };
        SellerHandle::new(self.run(&Command::DefineSeller(&head, code)).unwrap().detail as u32)
    }

    pub fn authorize(&mut self, group: u128, amount: i64) -> Answer {
        self.run(&Command::RecordAuthorization(&authorization(group, amount)))
    }

    pub fn capture(&mut self, group: u128, order: u128, amount: i64) -> Answer {
        self.run(&Command::RecordCapture(&capture(group, order, amount)))
    }

    pub fn void(&mut self, group: u128) -> Answer {
        self.run(&Command::RecordVoid(&ending(group)))
    }

    pub fn fail(&mut self, group: u128) -> Answer {
        self.run(&Command::RecordFailure(&ending(group)))
    }

    pub fn refund(&mut self, order: u128, amount: i64) -> Answer {
        self.run(&Command::RequestRefund(&refund(order, amount)))
    }

    pub fn settle(&mut self, order: u128, number: u16, outcome: RefundOutcome) -> Answer {
        self.run(&Command::SettleRefund(&settlement(order, number, outcome)))
    }

    /// Asks for a refund, and it succeeds.
    pub fn refund_now(&mut self, order: u128, amount: i64) -> Accepted {
        let number = self.refund(order, amount).unwrap().detail as u16;
        self.settle(order, number, RefundOutcome::Succeeded).unwrap()
    }

    pub fn pay_out(&mut self, seller: SellerHandle, amount: i64) -> Answer {
        self.run(&Command::RecordPayout(&payout(seller, amount)))
    }

    pub fn hold(&mut self, order: u128, blocks: u8) -> u16 {
        let head = PlaceHold {
            order: OrderId::new(order),
            expected_version: 0.into(),
            seconds: 0.into(),
            kind: HoldKind::Manual as u8,
            blocks,
            reason: 0.into(),
            reserved: [0; 4],
        };
        self.run(&Command::PlaceHold(&head)).unwrap().detail as u16
    }

    pub fn group(&self, group: u128) -> (GroupView, Vec<GroupOrderView>) {
        let view = self.query(&Command::QueryGroup(&QueryGroup { group: GroupId::new(group) })).unwrap();
        let (head, orders) = GroupView::read(&view).unwrap();
        (*head, orders.to_vec())
    }

    pub fn ledger(&self, seller: SellerHandle) -> LedgerView {
        let query = QueryLedger { seller, currency: POUNDS, reserved: [0; 2] };
        *LedgerView::read(&self.query(&Command::QueryLedger(&query)).unwrap()).unwrap()
    }

    pub fn parts(&self, order: u128) -> (Vec<RefundView>, Vec<HoldView>) {
        let view = self.query(&Command::QueryOrder(&QueryOrder { order: OrderId::new(order) })).unwrap();
        let parts = OrderView::read(&view).unwrap();
        (parts.refunds.to_vec(), parts.holds.to_vec())
    }

    /// What was captured for each of a group's orders.
    pub fn shares(&self, group: u128) -> Vec<i64> {
        self.group(group).1.iter().map(|order| order.captured.minor()).collect()
    }

    /// Runs a command that is refused, and nothing has changed.
    #[track_caller]
    pub fn refused(&mut self, command: &Command<'_>) -> Rejection {
        let before = self.state.hash();
        let rejection = self.run(command).unwrap_err();
        assert_eq!(self.state.hash(), before, "{rejection:?}");
        rejection
    }

    /// Nothing is broken, and replaying the events, or a snapshot, gives the same state.
    #[track_caller]
    pub fn assert_kept(&mut self) {
        self.assert_sound();
        let hash = self.state.hash();
        assert_eq!(self.replayed(77).hash(), hash, "replay");
        assert_eq!(image_and_back(&mut self.state).hash(), hash, "a snapshot");
    }
}

pub fn authorization(group: u128, amount: i64) -> RecordAuthorization {
    RecordAuthorization {
        happened_at_us: 0.into(),
        group: GroupId::new(group),
        amount: Amount::new(amount),
        reference: 41.into(),
        expected_version: 0.into(),
        seconds: 0.into(),
        currency: POUNDS,
        reserved: [0; 6],
    }
}

pub fn capture(group: u128, order: u128, amount: i64) -> RecordCapture {
    RecordCapture {
        happened_at_us: 0.into(),
        group: GroupId::new(group),
        order: OrderId::new(order),
        amount: Amount::new(amount),
        reference: 42.into(),
        expected_version: 0.into(),
        reserved: [0; 4],
    }
}

pub fn ending(group: u128) -> EndPayment {
    EndPayment {
        happened_at_us: 0.into(),
        group: GroupId::new(group),
        reference: 43.into(),
        expected_version: 0.into(),
        reason: 1.into(),
        reserved: [0; 2],
    }
}

pub fn refund(order: u128, amount: i64) -> RequestRefund {
    RequestRefund {
        happened_at_us: 0.into(),
        order: OrderId::new(order),
        amount: Amount::new(amount),
        expected_version: 0.into(),
        reason: 8.into(),
        reserved: [0; 2],
    }
}

pub fn settlement(order: u128, number: u16, outcome: RefundOutcome) -> SettleRefund {
    SettleRefund {
        happened_at_us: 0.into(),
        order: OrderId::new(order),
        reference: 44.into(),
        expected_version: 0.into(),
        refund: number.into(),
        outcome: outcome as u8,
        reserved: 0,
    }
}

pub fn payout(seller: SellerHandle, amount: i64) -> RecordPayout {
    RecordPayout {
        expected_version: 0.into(),
        happened_at_us: 0.into(),
        seller,
        currency: POUNDS,
        reserved: [0; 6],
        amount: Amount::new(amount),
        reference: 45.into(),
    }
}
