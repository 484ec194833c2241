//! The generator: commands at random over a small world. It looks at the model to know what is alive, so that most of
//! what it asks for makes sense, and some of it does not.

mod care;
mod catalogue;
mod checkout;
mod fulfilment;
mod money;
mod stock;
mod tokens;

use std::collections::VecDeque;

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::OrderState;
use orderline_protocol::{LocationHandle, OrderId, SellerHandle, SkuHandle};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::model::Model;
use crate::orders::Order;

/// When every seed's history begins, in microseconds since 1970: shortly before midnight, so that days change early.
pub const BEGIN_US: i64 = 1_700_006_390_000_000;

pub const SELLERS: u32 = 3;
pub const LOCATIONS: u16 = 5;
pub const SKUS: u32 = 6;

/// Orders, groups and reservations among which most commands choose: the newest that fit.
const NEWEST: usize = 10;

/// What is done next, and when.
#[derive(Debug, Clone)]
pub struct Step {
    pub now_us: i64,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    /// A command's bytes, with a request number of 0.
    Command(Vec<u8>),
    /// Time passes: what is due expires and leaves.
    Tick,
}

pub struct Generator {
    rng: SmallRng,
    now_us: i64,
    /// Ids made so far: what makes them distinct.
    ids: u64,
    /// Ids that were asked for, whether or not something came of it.
    asked: Vec<u128>,
    /// Placements, checkouts and reservations that were asked for, to ask for them again.
    sent: VecDeque<Vec<u8>>,
    /// What the world begins with.
    world: VecDeque<Vec<u8>>,
    /// The sourcing rules that were asked for last.
    last_rules: [u8; SOURCING_RULES_MAX],
    /// How far this seed's clock goes at a time.
    pace_us: i64,
}

pub fn bytes(command: &Command<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    command.write(0, &mut bytes);
    bytes
}

/// How often each kind is asked for.
const WEIGHTS: &[(CommandKind, u32)] = &[
    (CommandKind::DefineSeller, 8),
    (CommandKind::DefineLocation, 14),
    (CommandKind::DefineSku, 10),
    (CommandKind::DefineSourcing, 8),
    (CommandKind::SetPolicy, 5),
    (CommandKind::DefineToken, 12),
    (CommandKind::RevokeToken, 4),
    (CommandKind::ReceiveStock, 90),
    (CommandKind::AdjustStock, 28),
    (CommandKind::CountStock, 12),
    (CommandKind::MoveStock, 16),
    (CommandKind::SetLevel, 18),
    (CommandKind::ReserveCart, 50),
    (CommandKind::ExtendReservation, 14),
    (CommandKind::ReleaseReservation, 8),
    (CommandKind::PlaceOrder, 120),
    (CommandKind::CheckOut, 55),
    (CommandKind::ConfirmOrder, 90),
    (CommandKind::EditLine, 36),
    (CommandKind::EditAddress, 10),
    (CommandKind::CancelLines, 30),
    (CommandKind::PlaceHold, 24),
    (CommandKind::ReleaseHold, 24),
    (CommandKind::RecordAuthorization, 60),
    (CommandKind::RecordCapture, 60),
    (CommandKind::RecordVoid, 10),
    (CommandKind::RecordFailure, 8),
    (CommandKind::RequestRefund, 24),
    (CommandKind::SettleRefund, 24),
    (CommandKind::RecordPayout, 12),
    (CommandKind::UpdateWork, 70),
    (CommandKind::RejectWork, 22),
    (CommandKind::MoveWork, 22),
    (CommandKind::ShipLines, 110),
    (CommandKind::UpdateShipment, 110),
    (CommandKind::RequestReturn, 26),
    (CommandKind::UpdateReturn, 36),
    (CommandKind::ReceiveReturn, 30),
];

impl Generator {
    pub fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let pace_us = [50_000, 1_000_000, 20_000_000][rng.random_range(0..3)];
        let mut new = Self {
            rng,
            now_us: BEGIN_US,
            ids: 0,
            asked: Vec::new(),
            sent: VecDeque::new(),
            world: VecDeque::new(),
            last_rules: [0; SOURCING_RULES_MAX],
            pace_us,
        };
        new.world = new.first_commands();
        new
    }

    /// The next step, seen what the model has come to.
    pub fn next(&mut self, model: &Model) -> Step {
        if let Some(command) = self.world.pop_front() {
            return self.now(What::Command(command));
        }
        self.now_us += self.rng.random_range(0..self.pace_us);
        if self.chance(1, 12) {
            self.now_us += match self.rng.random_range(0..100) {
                0..60 => self.rng.random_range(0..60_000_000),
                60..90 => self.rng.random_range(0..2_000_000_000),
                90..98 => self.rng.random_range(0..20_000_000_000),
                _ => self.rng.random_range(0..3 * 86_400_000_000),
            };
            return self.now(What::Tick);
        }
        if self.chance(1, 40)
            && let Some(command) = self.again()
        {
            return self.now(What::Command(command));
        }
        let mut command = self.command(model);
        if self.chance(1, 80) {
            self.spoil(&mut command);
        }
        self.now(What::Command(command))
    }

    fn now(&self, what: What) -> Step {
        Step { now_us: self.now_us, what }
    }

    fn command(&mut self, model: &Model) -> Vec<u8> {
        let all: u32 = WEIGHTS.iter().map(|weight| weight.1).sum();
        let mut at = self.rng.random_range(0..all);
        let mut kind = WEIGHTS[0].0;
        for &(one, weight) in WEIGHTS {
            if at < weight {
                kind = one;
                break;
            }
            at -= weight;
        }
        match kind {
            CommandKind::DefineSeller => self.define_seller(model),
            CommandKind::DefineLocation => self.define_location(model),
            CommandKind::DefineSku => self.define_sku(model),
            CommandKind::DefineSourcing => self.define_sourcing(),
            CommandKind::SetPolicy => self.set_policy(model),
            CommandKind::DefineToken => self.define_token(model),
            CommandKind::RevokeToken => self.revoke_token(model),
            CommandKind::ReceiveStock => self.receive_stock(model),
            CommandKind::AdjustStock => self.adjust_stock(model),
            CommandKind::CountStock => self.count_stock(model),
            CommandKind::MoveStock => self.move_stock(model),
            CommandKind::SetLevel => self.set_level(model),
            CommandKind::ReserveCart => self.reserve_cart(model),
            CommandKind::ExtendReservation => self.extend_reservation(model),
            CommandKind::ReleaseReservation => self.release_reservation(model),
            CommandKind::PlaceOrder => self.place_order(model),
            CommandKind::CheckOut => self.check_out(model),
            CommandKind::ConfirmOrder => self.confirm_order(model),
            CommandKind::EditLine => self.edit_line(model),
            CommandKind::EditAddress => self.edit_address(model),
            CommandKind::CancelLines => self.cancel_lines(model),
            CommandKind::PlaceHold => self.place_hold(model),
            CommandKind::ReleaseHold => self.release_hold(model),
            CommandKind::RecordAuthorization => self.record_authorization(model),
            CommandKind::RecordCapture => self.record_capture(model),
            CommandKind::RecordVoid => self.end_payment(model, true),
            CommandKind::RecordFailure => self.end_payment(model, false),
            CommandKind::RequestRefund => self.request_refund(model),
            CommandKind::SettleRefund => self.settle_refund(model),
            CommandKind::RecordPayout => self.record_payout(model),
            CommandKind::UpdateWork => self.update_work(model),
            CommandKind::RejectWork => self.reject_work(model),
            CommandKind::MoveWork => self.move_work(model),
            CommandKind::ShipLines => self.ship_lines(model),
            CommandKind::UpdateShipment => self.update_shipment(model),
            CommandKind::RequestReturn => self.request_return(model),
            CommandKind::UpdateReturn => self.update_return(model),
            CommandKind::ReceiveReturn => self.receive_return(model),
            other => panic!("{other:?} is no command that the generator makes"),
        }
    }

    fn chance(&mut self, of: u32, in_all: u32) -> bool {
        self.rng.random_ratio(of, in_all)
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.rng.random_range(0..choices.len())]
    }

    /// A number from 1 to the given one, which may be 0 or less.
    fn up_to(&mut self, most: u32) -> u32 {
        self.rng.random_range(1..=most.max(1))
    }

    /// A new id made now; rarely one from the past or the future, or none.
    fn new_id(&mut self) -> u128 {
        self.ids += 1;
        let now_ms = (self.now_us / 1_000) as u64;
        let unix_ms = match self.rng.random_range(0..300) {
            0 => return 0,
            1 => now_ms + 86_400_000,
            2 => now_ms + 86_400_001 + self.rng.random_range(0..1_000),
            3 => now_ms - self.rng.random_range(0..7_200_000),
            _ => now_ms,
        };
        let id = OrderId::from_parts(unix_ms, self.ids.into()).get();
        self.asked.push(id);
        id
    }

    /// An id that was asked for at some time, or never.
    fn old_id(&mut self) -> u128 {
        if self.asked.is_empty() || self.chance(1, 4) {
            return OrderId::from_parts((self.now_us / 1_000) as u64, 1 << 70).get();
        }
        self.asked[self.rng.random_range(0..self.asked.len())]
    }

    /// One of the newest that fit, mostly.
    fn pick(&mut self, mut fitting: Vec<u128>, all: impl Fn() -> Vec<u128>) -> u128 {
        let luck = self.rng.random_range(0..100);
        if luck < 3 {
            return self.old_id();
        }
        if luck < 10 || fitting.is_empty() {
            fitting = all();
        } else if luck < 90 {
            fitting.drain(..fitting.len().saturating_sub(NEWEST));
        }
        if fitting.is_empty() { self.old_id() } else { self.one_of(&fitting) }
    }

    fn pick_order(&mut self, model: &Model, fits: impl Fn(&Order) -> bool) -> u128 {
        let fitting = model.orders.values().filter(|order| fits(order)).map(|order| order.id).collect();
        self.pick(fitting, || model.orders.keys().copied().collect())
    }

    /// An order in this state, mostly.
    fn pick_in(&mut self, model: &Model, state: OrderState) -> u128 {
        self.pick_order(model, |order| order.state == state)
    }

    /// The version that the caller says it has seen.
    fn expected(&mut self, now: Option<u32>) -> u32 {
        match self.rng.random_range(0..40) {
            0 => now.unwrap_or(1).wrapping_add(1),
            1 => now.unwrap_or(2).saturating_sub(1),
            2..12 => now.unwrap_or(1),
            _ => 0,
        }
    }

    /// The same of what has a version only once something has changed it.
    fn expected_or_new(&mut self, now: Option<u32>) -> u32 {
        if self.chance(1, 20) { EXPECTED_NEW } else { self.expected(now) }
    }

    /// When the caller says that it happened; mostly not said, or a while ago.
    fn happened(&mut self) -> i64 {
        let ahead_us_max = 86_400_000_000;
        match self.rng.random_range(0..240) {
            0 => -1,
            1 => i64::MIN,
            2 => i64::MAX,
            3 => self.now_us + ahead_us_max + 1,
            4..8 => self.now_us + ahead_us_max,
            8..12 => 1,
            12..100 => self.now_us - self.rng.random_range(0..100_000_000),
            _ => 0,
        }
    }

    fn expected_of(&mut self, model: &Model, order: u128) -> u32 {
        self.expected(model.orders.get(&order).map(|order| order.version))
    }

    fn sku(&mut self, model: &Model) -> SkuHandle {
        if self.chance(1, 120) {
            return self.one_of(&[SkuHandle::NONE, SkuHandle::new(model.skus.len() as u32)]);
        }
        SkuHandle::new(self.rng.random_range(0..model.skus.len().max(1) as u32))
    }

    fn location(&mut self, model: &Model) -> LocationHandle {
        if self.chance(1, 120) {
            return self.one_of(&[LocationHandle::NONE, LocationHandle::new(model.locations.len() as u16)]);
        }
        LocationHandle::new(self.rng.random_range(0..model.locations.len().max(1) as u16))
    }

    fn seller(&mut self, model: &Model) -> SellerHandle {
        if self.chance(1, 120) {
            return self.one_of(&[SellerHandle::NONE, SellerHandle::new(model.sellers.len() as u32)]);
        }
        SellerHandle::new(self.rng.random_range(0..model.sellers.len().max(1) as u32))
    }

    fn currency(&mut self) -> u16 {
        match self.rng.random_range(0..100) {
            0 => 1,
            1..20 => 840,
            _ => 826,
        }
    }

    fn reason(&mut self) -> u16 {
        self.rng.random_range(0..9)
    }

    /// An amount about what is left.
    fn amount(&mut self, left: i64) -> i64 {
        match self.rng.random_range(0..60) {
            0 => 0,
            1 => -1,
            2 | 3 => left + 1,
            4 => left.saturating_mul(2).max(1),
            5..30 => left.max(1),
            _ => self.rng.random_range(1..=left.max(1)),
        }
    }

    /// Quantities of some of the lines, about what there is of each; or none, which asks for all.
    fn quantities(&mut self, there: &[u32]) -> Vec<LineQuantity> {
        if self.chance(2, 5) {
            return Vec::new();
        }
        let mut named: Vec<(u16, u32)> = Vec::new();
        for (line, &units) in there.iter().enumerate() {
            if units > 0 && self.chance(2, 3) {
                named.push((line as u16, self.up_to(units)));
            }
        }
        if named.is_empty()
            && let Some(line) = there.iter().position(|&units| units > 0)
        {
            named.push((line as u16, self.up_to(there[line])));
        }
        match self.rng.random_range(0..40) {
            0 => named.push((there.len() as u16, 1)),
            1 => named.push((0, 1)),
            2 => named.push((self.rng.random_range(0..=there.len() as u16), 0)),
            3 | 4 => {
                if let Some(one) = named.first_mut() {
                    one.1 = there.get(usize::from(one.0)).copied().unwrap_or(0) + 1;
                }
            }
            5 => named.reverse(),
            _ => {}
        }
        let named = named.into_iter().map(|(line, quantity)| LineQuantity {
            line: line.into(),
            reserved: [0; 2],
            quantity: quantity.into(),
        });
        named.collect()
    }

    /// Remembers what has an id of its own, to ask for it again.
    fn remember(&mut self, command: Vec<u8>) -> Vec<u8> {
        if self.sent.len() == 24 {
            self.sent.pop_front();
        }
        self.sent.push_back(command.clone());
        command
    }

    /// Something that was asked for before, as it was or with a bit changed behind its id.
    fn again(&mut self) -> Option<Vec<u8>> {
        if self.sent.is_empty() {
            return None;
        }
        let mut command = self.sent[self.rng.random_range(0..self.sent.len())].clone();
        if self.chance(1, 2) {
            // The buyer's lowest byte stands behind one id in a placement, behind two in the others.
            let at = COMMAND_HEADER_BYTES + if command[4] == CommandKind::PlaceOrder as u8 { 16 } else { 32 };
            command[at] ^= 1;
        }
        Some(command)
    }

    /// Writes something into a field that may have to be zero, or of an enumeration.
    fn spoil(&mut self, command: &mut [u8]) {
        let kind = command[4];
        let Some(&(_, _, shape, _)) = CommandKind::TABLE.iter().find(|row| row.0 == kind) else { return };
        let mut shapes = SHAPE_TABLES.iter().flat_map(|page| page.iter());
        let Some(shape) = shapes.find(|table| table.name == shape) else { return };
        let mut places = Vec::new();
        for field in shape.fields {
            let is_text = field.name.ends_with("_bytes");
            if field.name.starts_with("reserved") || (field.bytes == 1 && !is_text) {
                places.push((field.offset, field.bytes));
            }
            if field.type_name == "Cause" {
                places.push((field.offset + std::mem::offset_of!(Cause, reserved), 2));
            }
        }
        if places.is_empty() {
            return;
        }
        let (offset, bytes) = self.one_of(&places);
        let at = COMMAND_HEADER_BYTES + offset + self.rng.random_range(0..bytes);
        command[at] =
            if self.chance(1, 2) { self.rng.random_range(0..12) } else { self.rng.random_range(0..=255) };
    }
}
