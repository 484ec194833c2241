//! Samples of everything that travels: the values of the golden files. Every field has a value of its own, so that two
//! fields that change places show.

mod commands;
mod events;
mod replies;

pub(crate) use commands::each_command;
pub(crate) use events::each_event;
pub(crate) use replies::{each_part, replies};

use orderline_protocol::command::{
    AdjustStock, Bucket, CancelLines, CartLine, Cause, CheckOut, CountStock, DefineLocation, DefineSeller,
    DefineSku, DefineSourcing, DefineToken, EditAddress, EditLine, EndPayment, GroupOrder, LineQuantity,
    MoveStock, MoveWork, OrderLine, PlaceHold, PlaceOrder, ReceiveReturn, ReceiveStock, RecordAuthorization,
    RecordCapture, RecordPayout, RefundOutcome, RejectWork, ReleaseHold, RequestRefund, RequestReturn,
    ReserveCart, ReturnStep, ReturnedUnits, Role, SetLevel, SetPolicy, SettleRefund, ShipmentStep,
    SourcingRule, Standing, UpdateReturn, UpdateShipment, UpdateWork, WorkStep,
};
use orderline_protocol::event::Allocation;
use orderline_protocol::lifecycle::{Disposition, HoldKind, blocks};
use orderline_protocol::{
    Amount, BuyerId, CurrencyCode, GroupId, LocationHandle, Locations, OrderId, ReservationId, SellerHandle,
    SkuHandle,
};

const SKU: SkuHandle = SkuHandle::new(0x0a0b_0c0d);
const OTHER_SKU: SkuHandle = SkuHandle::new(0x0a0b_0c0e);
const LOCATION: LocationHandle = LocationHandle::new(0x2122);
const OTHER_LOCATION: LocationHandle = LocationHandle::new(0x2324);
const SELLER: SellerHandle = SellerHandle::new(0x0003_0201);
const OTHER_SELLER: SellerHandle = SellerHandle::new(0x0003_0202);
const BUYER: BuyerId = BuyerId::new(0x7071_7273_7475_7677);
const POUNDS: CurrencyCode = CurrencyCode::new(826);
const REGION: u16 = 0x4445;
/// A time in microseconds, in the year 2027.
const AT_US: i64 = 1_800_000_000_123_456;

fn order() -> OrderId {
    OrderId::from_parts(1_800_000_000_000, 42)
}

fn other_order() -> OrderId {
    OrderId::from_parts(1_800_000_000_000, 43)
}

fn group() -> GroupId {
    GroupId::from_parts(1_800_000_000_001, 44)
}

fn reservation() -> ReservationId {
    ReservationId::from_parts(1_799_999_999_000, 45)
}

fn other_reservation() -> ReservationId {
    ReservationId::from_parts(1_799_999_998_000, 46)
}

fn seller(expected_version: u32) -> DefineSeller {
    DefineSeller {
        commission_bp: 1_250.into(),
        standing: Standing::Active as u8,
        code_bytes: 4,
        expected_version: expected_version.into(),
    }
}

fn location(expected_version: u32) -> DefineLocation {
    DefineLocation {
        priority: 7.into(),
        daily_capacity: 900.into(),
        expected_version: expected_version.into(),
        region: REGION.into(),
        standing: Standing::Inactive as u8,
        code_bytes: 6,
    }
}

fn sku(expected_version: u32) -> DefineSku {
    DefineSku {
        seller: SELLER,
        backorder_cap: 50.into(),
        currency: POUNDS,
        standing: Standing::Active as u8,
        code_bytes: 7,
        expected_version: expected_version.into(),
    }
}

fn sourcing() -> DefineSourcing {
    let mut rules = [0; 8];
    rules[0] = SourcingRule::SameRegion as u8;
    rules[1] = SourcingRule::FewestPackages as u8;
    rules[2] = SourcingRule::Capacity as u8;
    DefineSourcing { seller: SELLER, rules, expected_rules: 0.into() }
}

/// Everybody's rules.
fn sourcing_of_all() -> DefineSourcing {
    let mut rules = [0; 8];
    rules[0] = SourcingRule::Priority as u8;
    DefineSourcing { seller: SellerHandle::NONE, rules, expected_rules: 0.into() }
}

fn policy(expected_version: u32) -> SetPolicy {
    SetPolicy {
        pending_order_s: 1_800.into(),
        retention_s: 2_592_000.into(),
        reservation_s_max: 86_400.into(),
        expected_version: expected_version.into(),
    }
}

fn locations() -> Locations {
    Locations::of(&[OTHER_LOCATION, LOCATION]).unwrap()
}

fn token(expected_version: u32) -> DefineToken {
    DefineToken {
        hash: std::array::from_fn(|index| 0xc0 + index as u8),
        expires_at_us: (AT_US + 1).into(),
        seller: SELLER,
        expected_version: expected_version.into(),
        commands_per_s_max: 5_000.into(),
        locations: locations(),
        role: Role::Warehouse as u8,
        standing: Standing::Active as u8,
        label_bytes: 9,
        reserved: [0; 1],
    }
}

fn cause() -> Cause {
    Cause {
        happened_at_us: (AT_US - 101).into(),
        reference: 0x0102_0304_0506_0708.into(),
        actor: 0x5152_5354.into(),
        reason: 9.into(),
        reserved: [0; 2],
    }
}

fn receipt() -> ReceiveStock {
    ReceiveStock {
        expected_version: 31.into(),
        sku: SKU,
        location: LOCATION,
        from_incoming: 1,
        reserved: [0; 5],
        quantity: 1_000_000.into(),
        cause: cause(),
    }
}

fn adjustment() -> AdjustStock {
    AdjustStock {
        expected_version: 32.into(),
        sku: SKU,
        location: LOCATION,
        bucket: Bucket::Damaged as u8,
        reserved: [0; 5],
        delta: (-3).into(),
        cause: cause(),
    }
}

fn count() -> CountStock {
    CountStock {
        expected_version: 33.into(),
        sku: SKU,
        location: LOCATION,
        reserved: [0; 6],
        on_hand: 512.into(),
        cause: cause(),
    }
}

fn stock_move() -> MoveStock {
    MoveStock {
        expected_from_version: 34.into(),
        expected_to_version: 35.into(),
        sku: SKU,
        from: LOCATION,
        to: OTHER_LOCATION,
        quantity: 17.into(),
        from_bucket: Bucket::Available as u8,
        to_bucket: Bucket::QualityHold as u8,
        reserved: [0; 6],
        cause: cause(),
    }
}

fn set_level() -> SetLevel {
    SetLevel {
        expected_version: 36.into(),
        sku: SKU,
        location: LOCATION,
        reserved: [0; 6],
        on_hand: 640.into(),
        as_of: 0x3132_3334.into(),
        cause: cause(),
    }
}

/// A cart of as many lines as are to follow.
fn cart(line_count: u16) -> ReserveCart {
    ReserveCart {
        expected_version: 37.into(),
        reservation: reservation(),
        replaces: other_reservation(),
        buyer: BUYER,
        seconds: 900.into(),
        region: REGION.into(),
        line_count: line_count.into(),
    }
}

fn cart_lines() -> [CartLine; 2] {
    [(SKU, 2_u32), (OTHER_SKU, 1)].map(|(sku, quantity)| CartLine { sku, quantity: quantity.into() })
}

/// The caller's own id of an order or a group.
const EXTERNAL_ID: &str = "PO-7\u{e9}";

/// A placement of as many lines as are to follow.
fn placement(line_count: u16) -> PlaceOrder {
    PlaceOrder {
        order: order(),
        buyer: BUYER,
        seller: SELLER,
        currency: POUNDS,
        line_count: line_count.into(),
        region: REGION.into(),
        external_id_bytes: EXTERNAL_ID.len() as u8,
    }
}

fn order_lines() -> [OrderLine; 3] {
    let line = |(sku, quantity, minor): (_, u32, _)| OrderLine {
        sku,
        quantity: quantity.into(),
        unit_price: Amount::new(minor),
    };
    [(SKU, 2, 1_999), (OTHER_SKU, 1, 250), (SKU, 4, 1_998)].map(line)
}

/// A checkout of as many orders and lines as are to follow.
fn checkout(order_count: u16, line_count: u16) -> CheckOut {
    CheckOut {
        expected_version: 38.into(),
        group: group(),
        reservation: reservation(),
        buyer: BUYER,
        currency: POUNDS,
        order_count: order_count.into(),
        line_count: line_count.into(),
        region: REGION.into(),
        external_id_bytes: EXTERNAL_ID.len() as u8,
    }
}

fn group_orders() -> [GroupOrder; 2] {
    [(order(), SELLER, 2_u16), (other_order(), OTHER_SELLER, 1)].map(|(order, seller, lines)| GroupOrder {
        order,
        seller,
        line_count: lines.into(),
        reserved: [0; 2],
    })
}

/// A cancellation of as many lines as are to follow.
fn cancel_lines(line_count: u16) -> CancelLines {
    CancelLines {
        order: order(),
        expected_version: 2.into(),
        line_count: line_count.into(),
        reason: 11.into(),
    }
}

/// A request for a return of as many lines as are to follow.
fn request_return(line_count: u16) -> RequestReturn {
    RequestReturn {
        order: order(),
        happened_at_us: (AT_US - 100).into(),
        expected_version: 15.into(),
        line_count: line_count.into(),
        reason: 19.into(),
    }
}

fn quantities() -> [LineQuantity; 2] {
    [(1_u16, 3_u32), (2, 4)].map(|(line, quantity)| LineQuantity {
        line: line.into(),
        reserved: [0; 2],
        quantity: quantity.into(),
    })
}

fn edit_line() -> EditLine {
    EditLine {
        order: order(),
        expected_version: 3.into(),
        quantity: 6.into(),
        line: 1.into(),
        reason: 12.into(),
        reserved: [0; 4],
    }
}

fn edit_address() -> EditAddress {
    EditAddress {
        order: order(),
        address: 0x6162_6364_6566_6768.into(),
        expected_version: 4.into(),
        region: REGION.into(),
        reserved: [0; 2],
    }
}

fn hold() -> PlaceHold {
    PlaceHold {
        order: order(),
        expected_version: 5.into(),
        seconds: 7_200.into(),
        kind: HoldKind::Address as u8,
        blocks: blocks::CONFIRM | blocks::FULFIL | blocks::CAPTURE,
        reason: 13.into(),
        reserved: [0; 4],
    }
}

fn release_hold() -> ReleaseHold {
    ReleaseHold { order: order(), expected_version: 6.into(), hold: 1.into(), reason: 14.into() }
}

fn authorization() -> RecordAuthorization {
    RecordAuthorization {
        happened_at_us: (AT_US - 102).into(),
        group: group(),
        amount: Amount::new(12_240),
        reference: 0x8182_8384_8586_8788.into(),
        expected_version: 1.into(),
        seconds: 604_800.into(),
        currency: POUNDS,
        reserved: [0; 6],
    }
}

fn capture() -> RecordCapture {
    RecordCapture {
        happened_at_us: (AT_US - 103).into(),
        group: group(),
        order: order(),
        amount: Amount::new(4_248),
        reference: 0x8182_8384_8586_8789.into(),
        expected_version: 2.into(),
        reserved: [0; 4],
    }
}

fn end_payment() -> EndPayment {
    EndPayment {
        happened_at_us: (AT_US - 104).into(),
        group: group(),
        reference: 0x8182_8384_8586_878a.into(),
        expected_version: 3.into(),
        reason: 15.into(),
        reserved: [0; 2],
    }
}

fn refund() -> RequestRefund {
    RequestRefund {
        happened_at_us: (AT_US - 105).into(),
        order: order(),
        amount: Amount::new(1_999),
        expected_version: 7.into(),
        reason: 16.into(),
        reserved: [0; 2],
    }
}

fn settlement() -> SettleRefund {
    SettleRefund {
        happened_at_us: (AT_US - 106).into(),
        order: order(),
        reference: 0x8182_8384_8586_878b.into(),
        expected_version: 8.into(),
        refund: 1.into(),
        outcome: RefundOutcome::Succeeded as u8,
        reserved: 0,
    }
}

fn payout() -> RecordPayout {
    RecordPayout {
        expected_version: 39.into(),
        happened_at_us: (AT_US - 107).into(),
        seller: SELLER,
        currency: POUNDS,
        reserved: [0; 6],
        amount: Amount::new(99_500),
        reference: 0x9192_9394_9596_9798.into(),
    }
}

fn update_work() -> UpdateWork {
    UpdateWork {
        order: order(),
        expected_version: 9.into(),
        location: LOCATION,
        step: WorkStep::Start as u8,
        reserved: 0,
    }
}

fn reject_work() -> RejectWork {
    RejectWork {
        order: order(),
        expected_version: 10.into(),
        location: LOCATION,
        reason: 17.into(),
        is_missing: 1,
        reserved: [0; 7],
    }
}

/// A move of as many line quantities as are to follow.
fn move_work(line_count: u16) -> MoveWork {
    MoveWork {
        order: order(),
        expected_version: 11.into(),
        from: LOCATION,
        to: OTHER_LOCATION,
        line_count: line_count.into(),
        reason: 18.into(),
    }
}

fn update_shipment() -> UpdateShipment {
    UpdateShipment {
        happened_at_us: (AT_US - 108).into(),
        order: order(),
        expected_version: 12.into(),
        shipment: 2.into(),
        step: ShipmentStep::ReturnToSender as u8,
        reserved: 0,
    }
}

fn update_return() -> UpdateReturn {
    UpdateReturn {
        happened_at_us: (AT_US - 109).into(),
        order: order(),
        expected_version: 13.into(),
        return_number: 1.into(),
        step: ReturnStep::Approve as u8,
        reserved: 0,
    }
}

/// A receipt of as many entries as are to follow.
fn receive_return(line_count: u16) -> ReceiveReturn {
    ReceiveReturn {
        happened_at_us: (AT_US - 110).into(),
        order: order(),
        expected_version: 14.into(),
        return_number: 1.into(),
        location: OTHER_LOCATION,
        line_count: line_count.into(),
        reserved: [0; 6],
    }
}

fn returned() -> [ReturnedUnits; 2] {
    [(1_u16, Disposition::Restock, 2_u32), (1, Disposition::Discard, 3)].map(
        |(line, disposition, quantity)| ReturnedUnits {
            line: line.into(),
            disposition: disposition as u8,
            reserved: 0,
            quantity: quantity.into(),
        },
    )
}

fn allocation(line: u16, location: LocationHandle, quantity: u32) -> Allocation {
    Allocation { line: line.into(), location, quantity: quantity.into() }
}

fn allocations() -> [Allocation; 3] {
    [allocation(0, LOCATION, 1), allocation(0, OTHER_LOCATION, 2), allocation(1, LocationHandle::NONE, 3)]
}
