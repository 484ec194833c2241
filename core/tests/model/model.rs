//! The model: what the order core remembers, in plain maps, and the one door through which a command changes it.
//!
//! It is written from `docs/domain.md` and knows nothing of the engine: it has no arena, no index, no event, and looks
//! everything up again each time.

use std::collections::{BTreeMap, VecDeque};

use orderline_protocol::RejectCode;
use orderline_protocol::command::{Command, EXPECTED_NEW, SourcingRule};
use orderline_protocol::event::DecidingRule;
use orderline_protocol::lifecycle::{Action, Entity};

use crate::catalogue::{Location, Policy, Seller, Sku};
use crate::checkout::Reservation;
use crate::fields;
use crate::money::{Group, Ledger};
use crate::orders::Order;
use crate::stock::{Level, Movement, Shortage};
use crate::tokens::Token;

/// What an accepted command is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    pub detail: u64,
    pub version: u32,
    pub state: u8,
    /// It had taken effect before: nothing was changed now.
    pub before: bool,
}

impl Told {
    pub fn detail(detail: u64) -> Self {
        Self { detail, ..Self::default() }
    }
}

/// What a refused command is answered. What neither the domain's rules nor the code's text define is `None`, and is not
/// compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    pub code: RejectCode,
    pub state: Option<u8>,
    pub subject: Option<u32>,
    pub detail: Option<u64>,
    pub version: Option<u32>,
    pub sequence: Option<u64>,
}

impl Refused {
    pub fn new(code: RejectCode) -> Self {
        Self { code, state: None, subject: None, detail: None, version: None, sequence: None }
    }

    pub fn subject(self, subject: u32) -> Self {
        Self { subject: Some(subject), ..self }
    }

    pub fn detail(self, detail: u64) -> Self {
        Self { detail: Some(detail), ..self }
    }

    pub fn sequence(self, sequence: u64) -> Self {
        Self { sequence: Some(sequence), ..self }
    }

    /// The entity's state does not allow the action.
    pub fn illegal(entity: Entity, state: u8, action: Action) -> Self {
        Self {
            state: Some(state),
            subject: Some(entity as u32 * 256 + action as u32),
            ..Self::new(RejectCode::IllegalTransition)
        }
    }
}

/// Refuses with a code that says nothing more.
pub fn refuse<T>(code: RejectCode) -> Result<T, Refused> {
    Err(Refused::new(code))
}

pub type Answer = Result<Told, Refused>;

/// Refuses a version that is not the one that the caller has seen; 0 stands for any.
pub fn seen(expected: u32, now: u32) -> Result<(), Refused> {
    if expected == 0 || expected == now {
        return Ok(());
    }
    Err(Refused { version: Some(now), ..Refused::new(RejectCode::VersionMismatch) })
}

/// The same where the highest number asks for what nothing has changed yet.
pub fn seen_or_new(expected: u32, now: u32) -> Result<(), Refused> {
    seen(if expected == EXPECTED_NEW && now == 0 { 0 } else { expected }, now)
}

pub const SECOND_US: i64 = 1_000_000;

/// All that the core remembers.
#[derive(Clone)]
pub struct Model {
    /// The newest sequence of the history. A command that is accepted takes the next one; whoever drives the model sets
    /// it to the engine's afterwards, for refills and shortages take sequences of their own.
    pub sequence: u64,
    /// The recorded time, in microseconds since 1970.
    pub now_us: i64,
    pub sellers: Vec<Seller>,
    pub locations: Vec<Location>,
    pub skus: Vec<Sku>,
    /// By their numbers, of which the first is 1.
    pub tokens: Vec<Token>,
    pub everybodys_rules: Vec<SourcingRule>,
    pub sellers_rules: BTreeMap<u32, Vec<SourcingRule>>,
    pub policy: Policy,
    pub levels: BTreeMap<(u32, u16), Level>,
    /// Changes of what is on hand, oldest first.
    pub movements: VecDeque<Movement>,
    /// The sequence of the newest movement that was forgotten; 0: none was.
    pub forgotten: u64,
    /// The orders that each location got units of, by day.
    pub served: BTreeMap<(i64, u16), u64>,
    pub orders: BTreeMap<u128, Order>,
    pub groups: BTreeMap<u128, Group>,
    pub reservations: BTreeMap<u128, Reservation>,
    pub ledgers: BTreeMap<(u32, u16), Ledger>,
    pub orders_horizon_ms: u64,
    pub reservations_horizon_ms: u64,
    /// The shortages that the newest command named.
    pub shortages: Vec<Shortage>,
    /// What decided where the units of the newest command went, if it sourced any.
    pub rule: Option<DecidingRule>,
    /// How often it came to what is rare: a run that never does proves little.
    pub rare: BTreeMap<Rare, u64>,
}

/// What is rare, and must be met all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rare {
    AllBackordered,
    AuthorizedAfterAllExpired,
    AuthorizedAfterSomeExpired,
    CancelledWhatWasLeft,
    CartReplaced,
    CaptureWithRemainder,
    CompletedByCancelling,
    ConsumedAsReserved,
    ConsumedAndSourcedAnew,
    EditIntoBackorder,
    EditedDownOverPlaces,
    GroupPartlyGone,
    LapsedWithCaptures,
    MissingGoods,
    OrderCapturedWhenFinished,
    CapturedAfterExpiry,
    StayedForAPromise,
    StayedForItsId,
    PackageFromSeveralPlaces,
    PayableBelowZero,
    RefilledConfirmed,
    RefilledPastCapacity,
    RefilledPending,
    RejectedIntoBackorder,
    RejectedOverPlaces,
    SetLevelWithMovements,
    SplitOverPlaces,
    UndeliveredCameBack,
    VoidedWithCaptures,
    WaitedAnew,
    WorkOpenedAgain,
}

impl Rare {
    pub const ALL: &'static [Self] = &[
        Self::AllBackordered,
        Self::AuthorizedAfterAllExpired,
        Self::AuthorizedAfterSomeExpired,
        Self::CancelledWhatWasLeft,
        Self::CartReplaced,
        Self::CaptureWithRemainder,
        Self::CompletedByCancelling,
        Self::ConsumedAsReserved,
        Self::ConsumedAndSourcedAnew,
        Self::EditIntoBackorder,
        Self::EditedDownOverPlaces,
        Self::GroupPartlyGone,
        Self::LapsedWithCaptures,
        Self::MissingGoods,
        Self::OrderCapturedWhenFinished,
        Self::CapturedAfterExpiry,
        Self::StayedForAPromise,
        Self::StayedForItsId,
        Self::PackageFromSeveralPlaces,
        Self::PayableBelowZero,
        Self::RefilledConfirmed,
        Self::RefilledPastCapacity,
        Self::RefilledPending,
        Self::RejectedIntoBackorder,
        Self::RejectedOverPlaces,
        Self::SetLevelWithMovements,
        Self::SplitOverPlaces,
        Self::UndeliveredCameBack,
        Self::VoidedWithCaptures,
        Self::WaitedAnew,
        Self::WorkOpenedAgain,
    ];
}

impl Default for Model {
    fn default() -> Self {
        Self {
            sequence: 0,
            now_us: 0,
            sellers: Vec::new(),
            locations: Vec::new(),
            skus: Vec::new(),
            tokens: Vec::new(),
            everybodys_rules: vec![
                SourcingRule::FewestPackages,
                SourcingRule::SameRegion,
                SourcingRule::Priority,
            ],
            sellers_rules: BTreeMap::new(),
            policy: Policy::default(),
            levels: BTreeMap::new(),
            movements: VecDeque::new(),
            forgotten: 0,
            served: BTreeMap::new(),
            orders: BTreeMap::new(),
            groups: BTreeMap::new(),
            reservations: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            orders_horizon_ms: 0,
            reservations_horizon_ms: 0,
            shortages: Vec::new(),
            rule: None,
            rare: BTreeMap::new(),
        }
    }
}

impl Model {
    /// Judges a command, does it if nothing stands in its way, and does at once what falls due by it.
    pub fn run(&mut self, now_us: i64, command: &Command<'_>) -> Answer {
        self.now_us = now_us;
        self.shortages.clear();
        self.rule = None;
        if let Some(told) = self.known_already(command)? {
            return Ok(told);
        }
        fields::happened(now_us, command)?;
        fields::check(command)?;
        let told = self.judge(command)?;
        if !told.before {
            self.sequence += 1;
            self.refill();
        }
        Ok(told)
    }

    fn judge(&mut self, command: &Command<'_>) -> Answer {
        let content = || content(command);
        match *command {
            Command::DefineSeller(head, code) => self.define_seller(head, code),
            Command::DefineLocation(head, code) => self.define_location(head, code),
            Command::DefineSku(head, code) => self.define_sku(head, code),
            Command::DefineSourcing(head) => self.define_sourcing(head),
            Command::SetPolicy(head) => self.set_policy(head),
            Command::ReceiveStock(head) => self.receive_stock(head),
            Command::AdjustStock(head) => self.adjust_stock(head),
            Command::CountStock(head) => self.count_stock(head),
            Command::MoveStock(head) => self.move_stock(head),
            Command::SetLevel(head) => self.set_level(head),
            Command::ReserveCart(head, lines) => self.reserve_cart(head, lines, content()),
            Command::ExtendReservation(head) => self.extend_reservation(head),
            Command::ReleaseReservation(head) => self.release_reservation(head),
            Command::PlaceOrder(head, lines, _) => self.place_order(head, lines, content()),
            Command::CheckOut(head, orders, lines, _) => self.check_out(head, orders, lines, content()),
            Command::ConfirmOrder(head) => self.confirm(head),
            Command::EditLine(head) => self.edit_line(head),
            Command::EditAddress(head) => self.edit_address(head),
            Command::CancelLines(head, lines) => self.cancel_lines(head, lines),
            Command::PlaceHold(head) => self.place_hold(head),
            Command::ReleaseHold(head) => self.release_hold(head),
            Command::RecordAuthorization(head) => self.record_authorization(head),
            Command::RecordCapture(head) => self.record_capture(head),
            Command::RecordVoid(head) => self.record_void(head),
            Command::RecordFailure(head) => self.record_failure(head),
            Command::RequestRefund(head) => self.request_refund(head),
            Command::SettleRefund(head) => self.settle_refund(head),
            Command::RecordPayout(head) => self.record_payout(head),
            Command::UpdateWork(head) => self.update_work(head),
            Command::RejectWork(head) => self.reject_work(head),
            Command::MoveWork(head, lines) => self.move_work(head, lines),
            Command::ShipLines(head, lines, tracking) => self.ship_lines(head, lines, tracking),
            Command::UpdateShipment(head) => self.update_shipment(head),
            Command::RequestReturn(head, lines) => self.request_return(head, lines),
            Command::UpdateReturn(head) => self.update_return(head),
            Command::ReceiveReturn(head, units) => self.receive_return(head, units),
            Command::DefineToken(head, label) => self.define_token(head, label),
            Command::RevokeToken(head) => self.revoke_token(head),
            Command::QueryOrder(..)
            | Command::QueryStock(..)
            | Command::ResolveCode(..)
            | Command::QueryStatus(..)
            | Command::QueryGroup(..)
            | Command::QueryReservation(..)
            | Command::QueryLedger(..)
            | Command::QueryCatalogue(..)
            | Command::QuerySettings(..)
            | Command::QueryAvailability(..)
            | Command::QueryTransitions(..)
            | Command::QueryTokens(..) => {
                panic!("the model is compared by its maps, it answers no queries")
            }
        }
    }

    /// Notes that something rare happened, if it did.
    pub fn met(&mut self, rare: Rare, happened: bool) {
        if happened {
            *self.rare.entry(rare).or_default() += 1;
        }
    }

    /// The sequence that the command that is being judged will have.
    pub fn next_sequence(&self) -> u64 {
        self.sequence + 1
    }

    /// The recorded time in the unit of ids.
    pub fn now_ms(&self) -> u64 {
        (self.now_us / 1_000) as u64
    }

    /// When something that lasts this long from now on expires: rounded up to whole seconds.
    pub fn after(&self, seconds: u32) -> i64 {
        let end_us = self.now_us + i64::from(seconds) * SECOND_US;
        end_us.div_euclid(SECOND_US) * SECOND_US
            + if end_us.rem_euclid(SECOND_US) == 0 { 0 } else { SECOND_US }
    }

    /// The whole second that it is.
    pub fn this_second(&self) -> i64 {
        self.now_us.div_euclid(SECOND_US) * SECOND_US
    }

    /// Whether a time that a policy gives, counted from a whole second, is over; 0 stands for ever.
    pub fn is_over(&self, since_us: i64, seconds: u32) -> bool {
        seconds != 0 && since_us + i64::from(seconds) * SECOND_US <= self.now_us
    }

    /// The same where 0 stands for ever.
    pub fn after_or_never(&self, seconds: u32) -> Option<i64> {
        (seconds != 0).then(|| self.after(seconds))
    }
}

/// What tells one command from another: all of its bytes but the request's number.
pub fn content(command: &Command<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    command.write(0, &mut bytes);
    bytes
}
