//! Every event as it is shown, and what it is about.

use std::borrow::Cow;
use std::collections::BTreeSet;

use orderline_protocol::command::{
    Bucket, CartLine, Cause, GroupOrder, LineQuantity, OrderLine, RefundOutcome, ReturnStep, ReturnedUnits,
    Role, ShipmentStep, SourcingRule, Standing, WorkStep,
};
use orderline_protocol::event::{
    AddressEdited, Allocation, BackordersRefilled, CapturedShare, CartReserved, DecidingRule, Event,
    EventKind, Expiry, ExpiryKind, FinishedRetired, GroupPlaced, HoldPlaced, HoldReleased, LateHold,
    LevelSet, LineEdited, LinesCancelled, LocationDefined, OrderConfirmed, OrderPlaced, OrderState, Origin,
    PaymentAuthorized, PaymentCaptured, PaymentFailed, PaymentVoided, PayoutRecorded, PolicySet, Refill,
    RefundRequested, RefundSettled, ReservationExtended, ReservationReleased, Retired, RetiredKind,
    ReturnReceived, ReturnRequested, ReturnUpdated, SellerDefined, SessionOpened, ShipmentMade,
    ShipmentUpdated, ShortOrder, ShortageNamed, SkuDefined, SourcingDefined, StockAdjusted, StockCounted,
    StockMoved, StockReceived, TimePassed, TokenDefined, TokenRevoked, WorkMoved, WorkRejected, WorkUpdated,
};
use orderline_protocol::lifecycle::{
    Disposition, HoldKind, PaymentState, ReturnState, ShipmentState, WorkState, blocks,
};
use orderline_protocol::{
    Amount, BuyerId, CurrencyCode, GroupId, KEYED_FROM, LocationHandle, Locations, OrderId, ReservationId,
    SellerHandle, SessionHandle, SessionId, SkuHandle,
};
use serde_json::{Value, json};
use zerocopy::FromZeros;

use crate::{Life, Names, Party, each_party, record};

pub(crate) const NONE: LocationHandle = LocationHandle::NONE;
pub(crate) const LEEDS: LocationHandle = LocationHandle::new(0);
pub(crate) const YORK: LocationHandle = LocationHandle::new(1);
pub(crate) const ACME: SellerHandle = SellerHandle::new(0);
const BOLT: SellerHandle = SellerHandle::new(1);
pub(crate) const TEA: SkuHandle = SkuHandle::new(0);
pub(crate) const CUP: SkuHandle = SkuHandle::new(1);
pub(crate) const POUNDS: CurrencyCode = CurrencyCode::new(826);

/// Two orders, the group and the reservation of a cart, another reservation.
pub(crate) const ONE: u128 = 0x018b_cfe5_6800 << 80 | 1;
const TWO: u128 = 0x018b_cfe5_6800 << 80 | 2;
pub(crate) const GROUP: u128 = 0x018b_cfe5_6800 << 80 | 3;
pub(crate) const CART: u128 = 0x018b_cfe5_6800 << 80 | 4;
const OLD_CART: u128 = 0x018b_cfe5_6800 << 80 | 5;

pub(crate) const ONE_TEXT: &str = "01HF7YAT000000000000000001";
const TWO_TEXT: &str = "01HF7YAT000000000000000002";
pub(crate) const GROUP_TEXT: &str = "01HF7YAT000000000000000003";
pub(crate) const CART_TEXT: &str = "01HF7YAT000000000000000004";
const OLD_CART_TEXT: &str = "01HF7YAT000000000000000005";

pub(crate) const AT_US: i64 = 1_700_000_000_250_000;
pub(crate) const AT: &str = "2023-11-14T22:13:20.250000Z";
/// When it happened outside, as its caller says.
pub(crate) const HAPPENED_US: i64 = AT_US - 90_000_001;
pub(crate) const HAPPENED: &str = "2023-11-14T22:11:50.249999Z";

/// A structure that is zero but for some fields.
macro_rules! shape {
    ($name:ident { $($($field:ident).+ = $value:expr),* $(,)? }) => {{
        let mut shape = $name::new_zeroed();
        $(shape.$($field).+ = $value.into();)*
        shape
    }};
}
pub(crate) use shape;

fn by_nobody() -> Origin {
    Origin { session: SessionHandle::NONE, digest: 0.into(), request: 0.into() }
}

fn by_client() -> Origin {
    Origin { session: SessionHandle::new(9), digest: 7.into(), request: 31.into() }
}

/// Knows what the cases name.
pub(crate) struct Known;

impl Names for Known {
    fn seller_code(&self, handle: SellerHandle) -> Option<Cow<'_, str>> {
        ["acme", "bolt"].get(handle.index()).copied().map(Cow::Borrowed)
    }

    fn location_code(&self, handle: LocationHandle) -> Option<Cow<'_, str>> {
        ["leeds", "york"].get(handle.index()).copied().map(Cow::Borrowed)
    }

    fn sku_code(&self, handle: SkuHandle) -> Option<Cow<'_, str>> {
        ["tea", "cup"].get(handle.index()).copied().map(Cow::Borrowed)
    }
}

fn cause() -> Cause {
    Cause {
        happened_at_us: HAPPENED_US.into(),
        reference: 81.into(),
        actor: 82.into(),
        reason: 83.into(),
        reserved: [0; 2],
    }
}

fn told_cause() -> Value {
    json!({"reference": 81, "actor": 82, "reason": 83, "happened_at": HAPPENED})
}

pub(crate) fn allocation(line: u16, location: LocationHandle, quantity: u32) -> Allocation {
    Allocation { line: line.into(), location, quantity: quantity.into() }
}

pub(crate) fn order_line(sku: SkuHandle, quantity: u32, minor: i64) -> OrderLine {
    OrderLine { sku, quantity: quantity.into(), unit_price: Amount::new(minor) }
}

/// Three units at a place and two that are backordered, and how they are shown.
fn moves() -> ([Allocation; 2], Value) {
    let told = json!([
        {"line": 0, "quantity": 3, "location": "leeds"}, {"line": 1, "quantity": 2, "is_backordered": true},
    ]);
    ([allocation(0, LEEDS, 3), allocation(1, NONE, 2)], told)
}

/// One case: the event, what it says, and the ids that it is about.
type Each<'e> = dyn FnMut(Event<'_>, Value, &[u128]) + 'e;

fn each_case(each: &mut Each<'_>) {
    each_of_the_catalogue(each);
    each_of_stock(each);
    each_of_checkouts(each);
    each_of_orders(each);
    each_of_money(each);
    each_of_fulfilment(each);
    each_of_nobody(each);
}

fn each_of_the_catalogue(each: &mut Each<'_>) {
    let origin = by_client();
    let mut opened = SessionOpened::new_zeroed();
    (opened.session, opened.handle) = (SessionId::new(0xabc), SessionHandle::new(9));
    let id = "00000000000000000000000000000abc";
    each(Event::SessionOpened(&opened), json!({"session": 9, "session_id": id, "actor": null}), &[]);
    opened.actor = 12.into();
    each(Event::SessionOpened(&opened), json!({"session": 9, "session_id": id, "actor": 12}), &[]);
    let head = shape!(SellerDefined {
        origin = origin, handle = 4_u32, version = 2_u32, definition.standing = Standing::Inactive as u8,
        definition.commission_bp = 1_250_u16,
    });
    let told = json!({
        "seller": "bits", "handle": 4, "version": 2, "standing": "inactive", "commission_bp": 1_250,
    });
    each(Event::SellerDefined(&head, "bits"), told, &[]);
    let head = shape!(LocationDefined {
        origin = origin, handle = 4_u32, version = 2_u32, definition.standing = Standing::Active as u8,
        definition.region = 44_u16, definition.priority = 7_u32, definition.daily_capacity = 90_u32,
    });
    let told = json!({
        "location": "hull", "handle": 4, "version": 2, "standing": "active", "region": 44, "priority": 7,
        "daily_capacity": 90,
    });
    each(Event::LocationDefined(&head, "hull"), told, &[]);
    let head = shape!(SkuDefined {
        origin = origin, handle = 4_u32, version = 2_u32, definition.standing = Standing::Active as u8,
        definition.seller = BOLT, definition.currency = POUNDS, definition.backorder_cap = 5_u32,
    });
    let told = json!({
        "sku": "pot", "handle": 4, "version": 2, "standing": "active", "seller": "bolt", "currency": "GBP",
        "backorder_cap": 5,
    });
    each(Event::SkuDefined(&head, "pot"), told, &[]);
    let mut head = shape!(SourcingDefined { origin = origin, definition.seller = ACME });
    head.definition.rules[0] = SourcingRule::SameRegion as u8;
    head.definition.rules[1] = SourcingRule::FewestPackages as u8;
    let told = json!({"seller": "acme", "rules": ["same region", "fewest packages"]});
    each(Event::SourcingDefined(&head), told, &[]);
    (head.definition.seller, head.definition.rules) = (SellerHandle::NONE, [0; 8]);
    each(Event::SourcingDefined(&head), json!({"seller": null, "rules": []}), &[]);
    let head = shape!(PolicySet {
        origin = origin, version = 3_u32, policy.retention_s = 60_u32, policy.reservation_s_max = 70_u32,
    });
    let told = json!({
        "version": 3, "pending_order_s": null, "retention_s": 60, "reservation_s_max": 70,
    });
    each(Event::PolicySet(&head), told, &[]);
    let locations = Locations::of(&[YORK, LEEDS]).unwrap();
    let mut head = shape!(TokenDefined {
        origin = origin, token = 4_u32, version = 2_u32, definition.role = Role::Warehouse as u8,
        definition.seller = SellerHandle::NONE, definition.locations = locations, definition.expires_at_us = AT_US,
        definition.commands_per_s_max = 50_u32, definition.hash = [7_u8; 32],
    });
    let told = json!({
        "token": "gun 1", "token_number": 4, "version": 2, "role": "warehouse", "seller": null,
        "locations": ["leeds", "york"], "expires_at": AT, "commands_per_s_max": 50,
    });
    each(Event::TokenDefined(&head, "gun 1"), told, &[]);
    (head.definition.role, head.definition.locations) = (Role::Support as u8, Locations::NONE);
    (head.definition.expires_at_us, head.definition.commands_per_s_max) = (0.into(), 0.into());
    let told = json!({
        "token": "desk", "token_number": 4, "version": 2, "role": "support", "seller": null,
        "locations": [], "expires_at": null, "commands_per_s_max": null,
    });
    each(Event::TokenDefined(&head, "desk"), told, &[]);
    let head = shape!(TokenRevoked { origin = origin, token = 4_u32, version = 3_u32 });
    each(Event::TokenRevoked(&head), json!({"token_number": 4, "version": 3}), &[]);
}

fn each_of_stock(each: &mut Each<'_>) {
    let origin = by_client();
    let head = shape!(StockReceived {
        origin = origin, receipt.sku = TEA, receipt.location = YORK, receipt.quantity = 12_u64,
        receipt.from_incoming = 1_u8, receipt.cause = cause(),
    });
    let told = json!({
        "sku": "tea", "location": "york", "quantity": 12, "from_incoming": true, "cause": told_cause(),
    });
    each(Event::StockReceived(&head), told, &[]);
    let head = shape!(StockAdjusted {
        origin = origin, adjustment.sku = CUP, adjustment.location = LEEDS, adjustment.delta = -3_i64,
        adjustment.bucket = Bucket::QualityHold as u8, adjustment.cause = cause(),
    });
    let told = json!({
        "sku": "cup", "location": "leeds", "bucket": "quality hold", "delta": -3, "cause": told_cause(),
    });
    each(Event::StockAdjusted(&head), told, &[]);
    let head = shape!(StockCounted {
        origin = origin, count.sku = TEA, count.location = YORK, count.on_hand = 40_u64,
        count.cause = cause(), delta = -2_i64,
    });
    let told = json!({"sku": "tea", "location": "york", "on_hand": 40, "delta": -2, "cause": told_cause()});
    each(Event::StockCounted(&head), told, &[]);
    let head = shape!(StockMoved {
        origin = origin, movement.sku = TEA, movement.from = LEEDS, movement.to = YORK,
        movement.quantity = 6_u64, movement.from_bucket = Bucket::Available as u8,
        movement.to_bucket = Bucket::Safety as u8, movement.cause = cause(),
    });
    let told = json!({
        "sku": "tea", "from": "leeds", "to": "york", "quantity": 6, "from_bucket": "available",
        "to_bucket": "safety", "cause": told_cause(),
    });
    each(Event::StockMoved(&head), told, &[]);
    let head = shape!(LevelSet {
        origin = origin, set.sku = TEA, set.location = YORK, set.on_hand = 50_u64, set.as_of = 17_u64,
        set.cause = cause(), delta = 5_i64,
    });
    let told = json!({
        "sku": "tea", "location": "york", "on_hand": 50, "as_of": 17, "delta": 5, "cause": told_cause(),
    });
    each(Event::LevelSet(&head), told, &[]);
    let head = shape!(BackordersRefilled { sku = TEA, refill_count = 2_u16 });
    let refill = |id, line: u16, location, quantity: u32| Refill {
        order: OrderId::new(id),
        line: line.into(),
        location,
        quantity: quantity.into(),
    };
    let told = json!({"sku": "tea", "refills": [
        {"order": ONE_TEXT, "line": 2, "location": "leeds", "quantity": 4},
        {"order": TWO_TEXT, "line": 3, "location": "york", "quantity": 5},
    ]});
    let refills = [refill(ONE, 2, LEEDS, 4), refill(TWO, 3, YORK, 5)];
    each(Event::BackordersRefilled(&head, &refills), told, &[ONE, TWO]);
    let head = shape!(ShortageNamed { sku = CUP, location = YORK, order_count = 2_u16, short = 9_u64 });
    let short = |id, units: u32| shape!(ShortOrder { order = OrderId::new(id), quantity = units });
    let told = json!({"sku": "cup", "location": "york", "short": 9, "orders": [
        {"order": TWO_TEXT, "quantity": 6}, {"order": ONE_TEXT, "quantity": 3},
    ]});
    each(Event::ShortageNamed(&head, &[short(TWO, 6), short(ONE, 3)]), told, &[ONE, TWO]);
}

fn each_of_checkouts(each: &mut Each<'_>) {
    let origin = by_client();
    let (units, told_units) = moves();
    let head = shape!(CartReserved {
        origin = origin, cart.reservation = ReservationId::new(CART),
        cart.replaces = ReservationId::new(OLD_CART), cart.buyer = BuyerId::new(5), cart.region = 44_u16,
        expires_at_us = AT_US, location = NONE, rule = DecidingRule::SameRegion as u8,
    });
    let lines = [(TEA, 3_u32), (CUP, 2)].map(|(sku, units)| CartLine { sku, quantity: units.into() });
    let told = json!({
        "reservation": CART_TEXT, "replaces": OLD_CART_TEXT, "buyer": 5, "region": 44, "expires_at": AT,
        "rule": "same region", "location": null, "allocations": told_units,
        "lines": [{"sku": "tea", "quantity": 3}, {"sku": "cup", "quantity": 2}],
    });
    each(Event::CartReserved(&head, &lines, &units), told, &[CART, OLD_CART]);
    let head = shape!(ReservationExtended {
        origin = origin, reservation = ReservationId::new(CART), expires_at_us = AT_US,
    });
    let told = json!({"reservation": CART_TEXT, "expires_at": AT});
    each(Event::ReservationExtended(&head), told, &[CART]);
    let head = shape!(ReservationReleased { origin = origin, reservation = ReservationId::new(CART) });
    each(Event::ReservationReleased(&head), json!({"reservation": CART_TEXT}), &[CART]);
    let head = shape!(OrderPlaced {
        origin = origin, placement.order = OrderId::new(ONE), placement.buyer = BuyerId::new(5),
        placement.seller = ACME, placement.currency = POUNDS, location = LEEDS,
        rule = DecidingRule::OnlyChoice as u8,
    });
    let told = json!({
        "order": ONE_TEXT, "external_id": "po-7", "buyer": 5, "seller": "acme", "currency": "GBP", "region": null,
        "rule": "only choice", "location": "leeds", "allocations": [],
        "lines": [{"sku": "tea", "quantity": 3, "unit_price_minor": 250}],
    });
    each(Event::OrderPlaced(&head, &[order_line(TEA, 3, 250)], &[], "po-7"), told, &[ONE]);
    let head = shape!(GroupPlaced {
        origin = origin, checkout.group = GroupId::new(GROUP),
        checkout.reservation = ReservationId::new(CART), checkout.buyer = BuyerId::new(5),
        checkout.currency = POUNDS, checkout.region = 44_u16, location = NONE,
        rule = DecidingRule::Backorder as u8,
    });
    let orders = [(ONE, ACME, 2_u16), (TWO, BOLT, 1)].map(|(id, seller, lines)| {
        shape!(GroupOrder { order = OrderId::new(id), seller = seller, line_count = lines })
    });
    let lines = [order_line(TEA, 3, 250), order_line(TEA, 1, 249), order_line(CUP, 4, 900)];
    // Lines and units of a group are shown by the order that they are of.
    let units = [allocation(1, LEEDS, 1), allocation(2, YORK, 3), allocation(2, NONE, 1)];
    let told = json!({
        "group": GROUP_TEXT, "external_id": null, "reservation": CART_TEXT, "buyer": 5, "currency": "GBP", "region": 44,
        "rule": "backorder", "location": null, "is_as_reserved": false,
        "orders": [{"order": ONE_TEXT, "seller": "acme"}, {"order": TWO_TEXT, "seller": "bolt"}],
        "lines": [
            {"order": ONE_TEXT, "line": 0, "sku": "tea", "quantity": 3, "unit_price_minor": 250},
            {"order": ONE_TEXT, "line": 1, "sku": "tea", "quantity": 1, "unit_price_minor": 249},
            {"order": TWO_TEXT, "line": 0, "sku": "cup", "quantity": 4, "unit_price_minor": 900},
        ],
        "allocations": [
            {"order": ONE_TEXT, "line": 1, "quantity": 1, "location": "leeds"},
            {"order": TWO_TEXT, "line": 0, "quantity": 3, "location": "york"},
            {"order": TWO_TEXT, "line": 0, "quantity": 1, "is_backordered": true},
        ],
    });
    each(Event::GroupPlaced(&head, &orders, &lines, &units, ""), told, &[GROUP, CART, ONE, TWO]);
}

fn each_of_orders(each: &mut Each<'_>) {
    let origin = by_client();
    let order = OrderId::new(ONE);
    let (units, told_units) = moves();
    let head = shape!(OrderConfirmed { origin = origin, order = order });
    each(Event::OrderConfirmed(&head), json!({"order": ONE_TEXT}), &[ONE]);
    let head = shape!(LinesCancelled {
        origin = origin, order = order, state = OrderState::Cancelled as u8, reason = 11_u16,
        refund_owed = Amount::new(640),
    });
    let told = json!({
        "order": ONE_TEXT, "state": "cancelled", "reason": 11, "refund_owed_minor": 640,
        "moves": told_units, "all_open": false,
    });
    each(Event::LinesCancelled(&head, &units), told, &[ONE]);
    let told = json!({
        "order": ONE_TEXT, "state": "cancelled", "reason": 11, "refund_owed_minor": 640, "moves": [],
        "all_open": true,
    });
    each(Event::LinesCancelled(&head, &[]), told, &[ONE]);
    let mut head = shape!(LineEdited {
        origin = origin, edit.order = order, edit.line = 1_u16, edit.quantity = 5_u32,
        edit.reason = 12_u16, refund_owed = Amount::new(90), rule = DecidingRule::Priority as u8,
    });
    let told = |rule: Value| {
        json!({
            "order": ONE_TEXT, "line": 1, "quantity": 5, "reason": 12, "refund_owed_minor": 90, "rule": rule,
            "moves": told_units,
        })
    };
    each(Event::LineEdited(&head, &units), told("priority".into()), &[ONE]);
    // Nothing decided where units went; a number that nobody knows is shown as it is.
    head.rule = 0;
    each(Event::LineEdited(&head, &units), told(Value::Null), &[ONE]);
    head.rule = 200;
    each(Event::LineEdited(&head, &units), told(200.into()), &[ONE]);
    let head = shape!(AddressEdited { origin = origin, edit.order = order, edit.address = 6_u64 });
    let told = json!({"order": ONE_TEXT, "address": 6, "region": null});
    each(Event::AddressEdited(&head), told, &[ONE]);
    let mut head = shape!(HoldPlaced {
        origin = origin, hold.order = order, hold.kind = HoldKind::Fraud as u8,
        hold.blocks = blocks::CONFIRM | blocks::REFUND, hold.reason = 13_u16, number = 2_u16,
        expires_at_us = AT_US,
    });
    let mut told = json!({
        "order": ONE_TEXT, "hold": 2, "hold_kind": "fraud", "blocks": ["confirm", "refund"], "reason": 13,
        "expires_at": AT,
    });
    each(Event::HoldPlaced(&head), told.clone(), &[ONE]);
    (head.hold.blocks, head.expires_at_us) = (blocks::ALL, 0.into());
    told["blocks"] = json!(["confirm", "fulfil", "cancel", "edit", "capture", "refund"]);
    told["expires_at"] = Value::Null;
    each(Event::HoldPlaced(&head), told, &[ONE]);
    let head = shape!(HoldReleased {
        origin = origin, release.order = order, release.hold = 2_u16, release.reason = 14_u16,
    });
    each(Event::HoldReleased(&head), json!({"order": ONE_TEXT, "hold": 2, "reason": 14}), &[ONE]);
}

fn each_of_money(each: &mut Each<'_>) {
    let origin = by_client();
    let head = shape!(PaymentAuthorized {
        origin = origin, authorization.group = GroupId::new(GROUP),
        authorization.amount = Amount::new(4_600), authorization.currency = POUNDS,
        authorization.reference = 61_u64, authorization.happened_at_us = HAPPENED_US, number = 1_u16,
    });
    let holds = [shape!(LateHold { order = OrderId::new(TWO), number = 3_u16 })];
    let told = json!({
        "group": GROUP_TEXT, "payment": 1, "amount_minor": 4_600, "currency": "GBP", "reference": 61, "happened_at": HAPPENED,
        "expires_at": null, "holds": [{"order": TWO_TEXT, "hold": 3}],
    });
    each(Event::PaymentAuthorized(&head, &holds), told, &[GROUP, TWO]);
    let mut head = shape!(PaymentCaptured {
        origin = origin, capture.group = GroupId::new(GROUP), capture.amount = Amount::new(1_000),
        capture.reference = 62_u64, capture.happened_at_us = HAPPENED_US, state = PaymentState::PartiallyCaptured as u8,
    });
    let share = |id, amount, commission| CapturedShare {
        order: OrderId::new(id),
        amount: Amount::new(amount),
        commission: Amount::new(commission),
    };
    let told = json!({
        "group": GROUP_TEXT, "order": null, "amount_minor": 1_000, "reference": 62, "happened_at": HAPPENED,
        "state": "partially captured", "shares": [
            {"order": ONE_TEXT, "amount_minor": 217, "commission_minor": 27},
            {"order": TWO_TEXT, "amount_minor": 783, "commission_minor": 97},
        ], "holds": [{"order": TWO_TEXT, "hold": 3}],
    });
    let shares = [share(ONE, 217, 27), share(TWO, 783, 97)];
    each(Event::PaymentCaptured(&head, &shares, &holds), told, &[GROUP, ONE, TWO]);
    head.capture.order = OrderId::new(ONE);
    head.capture.happened_at_us = 0.into();
    let told = json!({
        "group": GROUP_TEXT, "order": ONE_TEXT, "amount_minor": 1_000, "reference": 62, "happened_at": null,
        "state": "partially captured",
        "shares": [{"order": ONE_TEXT, "amount_minor": 1_000, "commission_minor": 125}],
    });
    each(Event::PaymentCaptured(&head, &[share(ONE, 1_000, 125)], &[]), told, &[GROUP, ONE]);
    let head = shape!(PaymentVoided {
        origin = origin, end.group = GroupId::new(GROUP), end.reference = 63_u64, end.happened_at_us = HAPPENED_US, end.reason = 15_u16,
        amount = Amount::new(3_600), state = PaymentState::Captured as u8,
    });
    let told = json!({
        "group": GROUP_TEXT, "amount_minor": 3_600, "reference": 63, "happened_at": HAPPENED, "reason": 15, "state": "captured",
    });
    each(Event::PaymentVoided(&head), told, &[GROUP]);
    let head = shape!(PaymentFailed {
        origin = origin, end.group = GroupId::new(ONE), end.reference = 64_u64, end.happened_at_us = HAPPENED_US, end.reason = 16_u16,
    });
    // A group of one order has its id.
    let told = json!({"group": ONE_TEXT, "reference": 64, "happened_at": HAPPENED, "reason": 16});
    each(Event::PaymentFailed(&head), told, &[ONE]);
    let head = shape!(RefundRequested {
        origin = origin, request.order = OrderId::new(ONE), request.amount = Amount::new(217),
        request.reason = 17_u16, request.happened_at_us = HAPPENED_US, number = 1_u16,
    });
    let told =
        json!({"order": ONE_TEXT, "refund": 1, "amount_minor": 217, "reason": 17, "happened_at": HAPPENED});
    each(Event::RefundRequested(&head), told, &[ONE]);
    let head = shape!(RefundSettled {
        origin = origin, settlement.order = OrderId::new(ONE), settlement.refund = 1_u16,
        settlement.outcome = RefundOutcome::Succeeded as u8, settlement.reference = 65_u64, settlement.happened_at_us = HAPPENED_US,
        amount = Amount::new(217), commission_reversal = Amount::new(27),
    });
    let told = json!({
        "order": ONE_TEXT, "refund": 1, "outcome": "succeeded", "reference": 65, "happened_at": HAPPENED, "amount_minor": 217,
        "commission_reversal_minor": 27,
    });
    each(Event::RefundSettled(&head), told, &[ONE]);
    let head = shape!(PayoutRecorded {
        origin = origin, payout.seller = BOLT, payout.currency = CurrencyCode::new(392),
        payout.amount = Amount::new(88), payout.reference = 66_u64, payout.happened_at_us = HAPPENED_US,
    });
    let told = json!({"seller": "bolt", "currency": "JPY", "amount_minor": 88, "reference": 66, "happened_at": HAPPENED});
    each(Event::PayoutRecorded(&head), told, &[]);
}

fn each_of_fulfilment(each: &mut Each<'_>) {
    let origin = by_client();
    let order = OrderId::new(ONE);
    let (units, told_units) = moves();
    let head = shape!(WorkUpdated {
        origin = origin, update.order = order, update.location = YORK, update.step = WorkStep::Pause as u8,
        state = WorkState::OnHold as u8,
    });
    let told = json!({"order": ONE_TEXT, "location": "york", "step": "pause", "state": "on hold"});
    each(Event::WorkUpdated(&head), told, &[ONE]);
    let head = shape!(WorkRejected {
        origin = origin, rejection.order = order, rejection.location = YORK, rejection.reason = 18_u16,
        rejection.is_missing = 1_u8, rule = DecidingRule::Handle as u8,
    });
    let told = json!({
        "order": ONE_TEXT, "location": "york", "reason": 18, "is_missing": true, "rule": "handle",
        "moves": told_units,
    });
    each(Event::WorkRejected(&head, &units), told, &[ONE]);
    let head = shape!(WorkMoved {
        origin = origin, movement.order = order, movement.from = YORK, movement.to = LEEDS,
        movement.reason = 19_u16,
    });
    let told = json!({
        "order": ONE_TEXT, "from": "york", "to": "leeds", "reason": 19,
        "moves": [{"line": 0, "quantity": 3, "location": "leeds"}],
    });
    each(Event::WorkMoved(&head, &units[..1]), told, &[ONE]);
    let head = shape!(ShipmentMade {
        origin = origin, order = order, shipment = 1_u16, carrier = 20_u16, happened_at_us = HAPPENED_US, is_sent = 1_u8,
    });
    let told = json!({
        "order": ONE_TEXT, "shipment": 1, "carrier": 20, "tracking": "RM12", "happened_at": HAPPENED, "is_sent": true,
        "moves": [{"line": 0, "quantity": 3, "location": "leeds"}], "all_open": false,
    });
    each(Event::ShipmentMade(&head, &units[..1], "RM12"), told, &[ONE]);
    let mut head = shape!(ShipmentUpdated {
        origin = origin, update.order = order, update.shipment = 1_u16, update.happened_at_us = HAPPENED_US,
        update.step = ShipmentStep::ReturnToSender as u8, order_state = OrderState::Completed as u8,
        state = ShipmentState::ReturnedToSender as u8, return_number = 1_u16,
    });
    let mut told = json!({
        "order": ONE_TEXT, "shipment": 1, "step": "return to sender", "happened_at": HAPPENED, "state": "returned to sender",
        "order_state": "completed", "return": 1,
    });
    each(Event::ShipmentUpdated(&head), told.clone(), &[ONE]);
    head.return_number = 0.into();
    told["return"] = Value::Null;
    each(Event::ShipmentUpdated(&head), told, &[ONE]);
    let head = shape!(ReturnRequested {
        origin = origin, request.order = order, request.reason = 21_u16, request.happened_at_us = HAPPENED_US, number = 2_u16,
    });
    let lines = [shape!(LineQuantity { line = 1_u16, quantity = 2_u32 })];
    let told = json!({
        "order": ONE_TEXT, "return": 2, "reason": 21, "happened_at": HAPPENED, "lines": [{"line": 1, "quantity": 2}],
    });
    each(Event::ReturnRequested(&head, &lines), told, &[ONE]);
    let head = shape!(ReturnUpdated {
        origin = origin, update.order = order, update.return_number = 2_u16, update.happened_at_us = HAPPENED_US,
        update.step = ReturnStep::Approve as u8, state = ReturnState::Approved as u8,
    });
    let told = json!({"order": ONE_TEXT, "return": 2, "step": "approve", "happened_at": HAPPENED, "state": "approved"});
    each(Event::ReturnUpdated(&head), told, &[ONE]);
    let head = shape!(ReturnReceived {
        origin = origin, receipt.order = order, receipt.return_number = 2_u16, receipt.happened_at_us = HAPPENED_US, receipt.location = LEEDS,
        refund_owed = Amount::new(500),
    });
    let units = [(Disposition::Restock, 1_u32), (Disposition::Discard, 4)].map(|(disposition, units)| {
        shape!(ReturnedUnits { line = 1_u16, disposition = disposition as u8, quantity = units })
    });
    let told = json!({
        "order": ONE_TEXT, "return": 2, "location": "leeds", "happened_at": HAPPENED, "refund_owed_minor": 500, "units": [
            {"line": 1, "quantity": 1, "disposition": "restock"},
            {"line": 1, "quantity": 4, "disposition": "discard"},
        ],
    });
    each(Event::ReturnReceived(&head, &units), told, &[ONE]);
}

fn each_of_nobody(each: &mut Each<'_>) {
    let head = shape!(TimePassed { now_us = AT_US });
    let expiry = |id: u128, number: u16, kind: u8| shape!(Expiry { id = id, number = number, kind = kind });
    let expiries = [
        expiry(CART, 0, ExpiryKind::Reservation as u8),
        expiry(ONE, 0, ExpiryKind::Order as u8),
        expiry(GROUP, 0, ExpiryKind::Payment as u8),
        expiry(TWO, 3, ExpiryKind::Hold as u8),
    ];
    let told = json!({"now": AT, "expiries": [
        {"expired": "reservation", "reservation": CART_TEXT},
        {"expired": "order", "order": ONE_TEXT},
        {"expired": "payment", "group": GROUP_TEXT},
        {"expired": "hold", "order": TWO_TEXT, "hold": 3},
    ]});
    each(Event::TimePassed(&head, &expiries), told, &[CART, ONE, GROUP, TWO]);
    let head = shape!(FinishedRetired { orders_horizon_ms = 1_700_000_000_000_u64, examined_count = 3_u16 });
    let retired = |id: u128, kind: RetiredKind| shape!(Retired { id = id, kind = kind as u8 });
    let gone = [retired(TWO, RetiredKind::Order), retired(CART, RetiredKind::Reservation)];
    let told = json!({
        "orders_horizon": "2023-11-14T22:13:20.000Z", "reservations_horizon": null, "examined": 3, "retired": [
            {"retired": "order", "order": TWO_TEXT},
            {"retired": "reservation", "reservation": CART_TEXT},
        ],
    });
    each(Event::FinishedRetired(&head, &gone), told, &[TWO, CART]);
}

/// Events that nobody asks for in a session.
fn is_by_nobody(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::SessionOpened
            | EventKind::BackordersRefilled
            | EventKind::ShortageNamed
            | EventKind::TimePassed
            | EventKind::FinishedRetired
    )
}

#[test]
fn every_event_is_shown_by_the_names_that_people_know() {
    let mut kinds = BTreeSet::new();
    each_case(&mut |event, mut told, _| {
        let kind = event.kind();
        kinds.insert(kind as u16);
        told["sequence"] = 77.into();
        told["recorded_at"] = AT.into();
        told["kind"] = format!("{kind:?}").into();
        if !is_by_nobody(kind) {
            told["session"] = 9.into();
            told["request"] = 31.into();
        }
        assert_eq!(record(&Known, 77, AT_US, &event), told);
    });
    assert_eq!(kinds, EventKind::ALL.iter().map(|&kind| kind as u16).collect(), "every kind has its case");
}

#[test]
fn a_keyed_request_is_shown_by_its_key() {
    let origin = Origin { request: (KEYED_FROM + 0x1f).into(), ..by_client() };
    let shown = record(&Known, 1, AT_US, &Event::OrderConfirmed(&shape!(OrderConfirmed { origin = origin })));
    assert_eq!((shown.get("request"), &shown["key"]), (None, &json!("000000000000001f")));
}

#[test]
fn what_the_core_did_by_itself_names_no_session() {
    let head = shape!(OrderConfirmed { origin = by_nobody(), order = OrderId::new(ONE) });
    let shown = record(&Known, 1, AT_US, &Event::OrderConfirmed(&head));
    assert_eq!((shown.get("session"), shown.get("request")), (None, None));
}

#[test]
fn every_event_is_part_of_the_lives_that_it_names() {
    each_case(&mut |event, _, about| {
        for id in [ONE, TWO, GROUP, CART, OLD_CART] {
            let has = Life::of(OrderId::new(id)).has(&event);
            assert_eq!(has, about.contains(&id), "{event:?}: {}", OrderId::new(id));
        }
        assert!(!Life::of(OrderId::new(0)).has(&event), "{event:?}: no id is none");
    });
}

#[test]
fn an_order_of_a_group_has_its_payments_in_its_life() {
    let placed = shape!(GroupPlaced { checkout.group = GroupId::new(GROUP) });
    let orders = [ONE, TWO].map(|id| shape!(GroupOrder { order = OrderId::new(id) }));
    let failed = shape!(PaymentFailed { end.group = GroupId::new(GROUP) });
    let placed = Event::GroupPlaced(&placed, &orders, &[], &[], "");
    let failed = Event::PaymentFailed(&failed);
    for id in [ONE, TWO, GROUP] {
        let mut life = Life::of(OrderId::new(id));
        assert!(life.has(&placed) && life.has(&failed), "{}", OrderId::new(id));
    }
    let mut other = Life::of(OrderId::new(CART));
    assert!(!other.has(&placed) && !other.has(&failed));
}

#[test]
fn events_name_the_parties_that_they_show() {
    each_case(&mut |event, told, _| {
        let told = told.to_string();
        // What is defined shows its own handle, which the cases choose as they like.
        if told.contains("\"handle\"") {
            return;
        }
        let mut locations = BTreeSet::new();
        each_party(&event, |party| {
            let code = match party {
                Party::Seller(handle) => Known.seller_code(handle),
                Party::Location(handle) => Known.location_code(handle),
                Party::Sku(handle) => Known.sku_code(handle),
            };
            let code = code.expect("a party of the cases");
            assert!(told.contains(&format!("\"{code}\"")), "{code} in {told}");
            locations.extend(matches!(party, Party::Location(_)).then_some(code));
        });
        let shown: BTreeSet<_> = ["leeds", "york"].into_iter().filter(|code| told.contains(code)).collect();
        assert_eq!(locations.iter().map(|code| &**code).collect::<BTreeSet<_>>(), shown, "{told}");
    });
}
