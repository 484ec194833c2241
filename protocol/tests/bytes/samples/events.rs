//! A sample of every event, and of those with lists or texts one with and one without.

use orderline_protocol::event::{
    AddressEdited, BackordersRefilled, CapturedShare, CartReserved, DecidingRule, Event, Expiry, ExpiryKind,
    FinishedRetired, GroupPlaced, HoldPlaced, HoldReleased, LateHold, LevelSet, LineEdited, LinesCancelled,
    LocationDefined, OrderConfirmed, OrderPlaced, OrderState, Origin, PaymentAuthorized, PaymentCaptured,
    PaymentFailed, PaymentVoided, PayoutRecorded, PolicySet, Refill, RefundRequested, RefundSettled,
    ReservationExtended, ReservationReleased, Retired, RetiredKind, ReturnReceived, ReturnRequested,
    ReturnUpdated, SellerDefined, SessionOpened, ShipmentMade, ShipmentUpdated, ShortOrder, ShortageNamed,
    SkuDefined, SourcingDefined, StockAdjusted, StockCounted, StockMoved, StockReceived, TimePassed,
    TokenDefined, TokenRevoked, WorkMoved, WorkRejected, WorkUpdated,
};
use orderline_protocol::lifecycle::{PaymentState, ReturnState, ShipmentState, WorkState};
use orderline_protocol::{Amount, LocationHandle, SessionHandle, SessionId};

use super::{
    AT_US, EXTERNAL_ID, LOCATION, OTHER_LOCATION, SKU, adjustment, allocation, allocations, authorization,
    capture, cart, cart_lines, checkout, count, edit_address, edit_line, end_payment, group, group_orders,
    hold, location, move_work, order, order_lines, other_order, payout, placement, policy, quantities,
    receipt, receive_return, refund, reject_work, release_hold, request_return, reservation, returned,
    seller, set_level, settlement, sku, sourcing, stock_move, token, update_return, update_shipment,
    update_work,
};

const SESSION: SessionHandle = SessionHandle::new(12);

fn origin() -> Origin {
    Origin { session: SESSION, digest: 0xd1d2_d3d4.into(), request: 0x0e0f.into() }
}

/// Calls with every event, room by room; the golden file has them in the order of the kinds.
pub(crate) fn each_event(mut each: impl FnMut(Event<'_>)) {
    each_of_the_catalogue(&mut each);
    each_of_stock(&mut each);
    each_of_checkouts(&mut each);
    each_of_orders(&mut each);
    each_of_money(&mut each);
    each_of_fulfilment(&mut each);
    each_of_nobody(&mut each);
}

fn each_of_the_catalogue(each: &mut impl FnMut(Event<'_>)) {
    let origin = origin();
    let (handle, version) = (77.into(), 5.into());
    each(Event::SellerDefined(&SellerDefined { origin, handle, version, definition: seller(0) }, "acme"));
    each(Event::LocationDefined(
        &LocationDefined { origin, handle, version, definition: location(0) },
        "leeds2",
    ));
    each(Event::SkuDefined(&SkuDefined { origin, handle, version, definition: sku(0) }, "tea-250"));
    each(Event::SourcingDefined(&SourcingDefined { origin, definition: sourcing() }));
    each(Event::PolicySet(&PolicySet { origin, version, policy: policy(0), reserved: [0; 4] }));
    each(Event::TokenDefined(
        &TokenDefined { origin, token: 7.into(), version, definition: token(0) },
        "leeds-gun",
    ));
    each(Event::TokenRevoked(&TokenRevoked { origin, token: 7.into(), version }));
    each(Event::SessionOpened(&SessionOpened {
        session: SessionId::new(0x0102 << 112 | 0x0f10),
        handle: SESSION,
        actor: 0x00ac_7041.into(),
    }));
}

fn each_of_stock(each: &mut impl FnMut(Event<'_>)) {
    let origin = origin();
    each(Event::StockReceived(&StockReceived { origin, receipt: receipt() }));
    each(Event::StockAdjusted(&StockAdjusted { origin, adjustment: adjustment() }));
    each(Event::StockCounted(&StockCounted { origin, count: count(), delta: (-8).into() }));
    each(Event::StockMoved(&StockMoved { origin, movement: stock_move() }));
    each(Event::LevelSet(&LevelSet { origin, set: set_level(), delta: 25.into() }));
    let mut refilled = BackordersRefilled { sku: SKU, refill_count: 2.into(), reserved: [0; 2] };
    let refill = |order, line: u16, location, quantity: u32| Refill {
        order,
        line: line.into(),
        location,
        quantity: quantity.into(),
    };
    let refills = [refill(order(), 1, LOCATION, 5), refill(other_order(), 2, OTHER_LOCATION, 6)];
    each(Event::BackordersRefilled(&refilled, &refills));
    refilled.refill_count = 0.into();
    each(Event::BackordersRefilled(&refilled, &[]));
    let mut named =
        ShortageNamed { sku: SKU, location: LOCATION, order_count: 2.into(), short: 0x0b0c_0d0e_0f10.into() };
    let short = |order, quantity: u32| ShortOrder { order, quantity: quantity.into(), reserved: [0; 4] };
    each(Event::ShortageNamed(&named, &[short(other_order(), 7), short(order(), 8)]));
    named.order_count = 0.into();
    each(Event::ShortageNamed(&named, &[]));
}

fn each_of_checkouts(each: &mut impl FnMut(Event<'_>)) {
    let (origin, none, lines) = (origin(), LocationHandle::NONE, order_lines());
    let mut placed = OrderPlaced {
        origin,
        placement: placement(2),
        location: LOCATION,
        allocation_count: 0.into(),
        rule: DecidingRule::OnlyChoice as u8,
    };
    each(Event::OrderPlaced(&placed, &lines[..2], &[], EXTERNAL_ID));
    (placed.location, placed.allocation_count) = (none, 2.into());
    placed.rule = DecidingRule::SameRegion as u8;
    each(Event::OrderPlaced(&placed, &lines[..2], &allocations()[..2], EXTERNAL_ID));
    // Nothing was there, all of it is backordered.
    (placed.allocation_count, placed.rule) = (0.into(), DecidingRule::Backorder as u8);
    placed.placement.external_id_bytes = 0;
    each(Event::OrderPlaced(&placed, &lines[..2], &[], ""));

    let mut reserved = CartReserved {
        origin,
        cart: cart(2),
        expires_at_us: AT_US.into(),
        location: LOCATION,
        allocation_count: 0.into(),
        rule: DecidingRule::FewestPackages as u8,
        reserved: [0; 3],
    };
    each(Event::CartReserved(&reserved, &cart_lines(), &[]));
    (reserved.location, reserved.allocation_count) = (none, 2.into());
    reserved.rule = DecidingRule::Handle as u8;
    each(Event::CartReserved(&reserved, &cart_lines(), &allocations()[..2]));
    each(Event::ReservationExtended(&ReservationExtended {
        origin,
        reservation: reservation(),
        expires_at_us: AT_US.into(),
    }));
    each(Event::ReservationReleased(&ReservationReleased { origin, reservation: reservation() }));

    let mut group = GroupPlaced {
        origin,
        checkout: checkout(2, 3),
        location: none,
        allocation_count: 0.into(),
        rule: DecidingRule::Reservation as u8,
        is_as_reserved: 1,
    };
    each(Event::GroupPlaced(&group, &group_orders(), &lines, &[], EXTERNAL_ID));
    (group.allocation_count, group.rule, group.is_as_reserved) = (2.into(), DecidingRule::Capacity as u8, 0);
    each(Event::GroupPlaced(&group, &group_orders(), &lines, &allocations()[..2], EXTERNAL_ID));
    (group.checkout, group.allocation_count) = (checkout(0, 0), 0.into());
    each(Event::GroupPlaced(&group, &[], &[], &[], EXTERNAL_ID));
}

fn each_of_orders(each: &mut impl FnMut(Event<'_>)) {
    let (origin, order) = (origin(), order());
    each(Event::OrderConfirmed(&OrderConfirmed { origin, order }));
    let mut cancelled = LinesCancelled {
        origin,
        order,
        state: OrderState::Confirmed as u8,
        reserved: 0,
        reason: 11.into(),
        move_count: 3.into(),
        refund_owed: Amount::new(2_250),
    };
    each(Event::LinesCancelled(&cancelled, &allocations()));
    (cancelled.state, cancelled.move_count) = (OrderState::Cancelled as u8, 0.into());
    each(Event::LinesCancelled(&cancelled, &[]));
    let mut edited = LineEdited {
        origin,
        edit: edit_line(),
        refund_owed: Amount::new(1_234),
        move_count: 3.into(),
        rule: DecidingRule::Priority as u8,
        reserved: [0; 3],
    };
    each(Event::LineEdited(&edited, &allocations()));
    (edited.move_count, edited.rule) = (0.into(), 0);
    each(Event::LineEdited(&edited, &[]));
    each(Event::AddressEdited(&AddressEdited { origin, edit: edit_address() }));
    each(Event::HoldPlaced(&HoldPlaced {
        origin,
        hold: hold(),
        expires_at_us: AT_US.into(),
        number: 1.into(),
        reserved: [0; 6],
    }));
    each(Event::HoldReleased(&HoldReleased { origin, release: release_hold() }));
}

fn each_of_money(each: &mut impl FnMut(Event<'_>)) {
    let origin = origin();
    let mut authorized = PaymentAuthorized {
        origin,
        authorization: authorization(),
        expires_at_us: AT_US.into(),
        number: 1.into(),
        hold_count: 2.into(),
        reserved: [0; 4],
    };
    let late = |order, number: u16| LateHold { order, number: number.into(), reserved: [0; 6] };
    each(Event::PaymentAuthorized(&authorized, &[late(order(), 3), late(other_order(), 4)]));
    (authorized.expires_at_us, authorized.hold_count) = (0.into(), 0.into());
    each(Event::PaymentAuthorized(&authorized, &[]));
    let mut captured = PaymentCaptured {
        origin,
        capture: capture(),
        share_count: 2.into(),
        state: PaymentState::PartiallyCaptured as u8,
        reserved: [0; 3],
        hold_count: 0.into(),
    };
    let share = |order, amount, commission| CapturedShare {
        order,
        amount: Amount::new(amount),
        commission: Amount::new(commission),
    };
    let shares = [share(order(), 4_000, 500), share(other_order(), 248, 31)];
    each(Event::PaymentCaptured(&captured, &shares, &[]));
    captured.share_count = 0.into();
    each(Event::PaymentCaptured(&captured, &[], &[]));
    (captured.share_count, captured.hold_count) = (2.into(), 1.into());
    each(Event::PaymentCaptured(&captured, &shares, &[late(other_order(), 5)]));
    each(Event::PaymentVoided(&PaymentVoided {
        origin,
        end: end_payment(),
        amount: Amount::new(7_992),
        state: PaymentState::Voided as u8,
        reserved: [0; 7],
    }));
    each(Event::PaymentFailed(&PaymentFailed { origin, end: end_payment() }));
    each(Event::RefundRequested(&RefundRequested {
        origin,
        request: refund(),
        number: 1.into(),
        reserved: [0; 6],
    }));
    each(Event::RefundSettled(&RefundSettled {
        origin,
        settlement: settlement(),
        amount: Amount::new(1_999),
        commission_reversal: Amount::new(249),
    }));
    each(Event::PayoutRecorded(&PayoutRecorded { origin, payout: payout() }));
}

fn each_of_fulfilment(each: &mut impl FnMut(Event<'_>)) {
    let origin = origin();
    each(Event::WorkUpdated(&WorkUpdated {
        origin,
        update: update_work(),
        state: WorkState::InProgress as u8,
        reserved: [0; 7],
    }));
    let mut rejected = WorkRejected {
        origin,
        rejection: reject_work(),
        move_count: 3.into(),
        rule: DecidingRule::Priority as u8,
        reserved: [0; 3],
    };
    each(Event::WorkRejected(&rejected, &allocations()));
    (rejected.move_count, rejected.rule) = (0.into(), 0);
    each(Event::WorkRejected(&rejected, &[]));
    let mut moved = WorkMoved { origin, movement: move_work(0), move_count: 2.into(), reserved: [0; 4] };
    let moves = [allocation(0, OTHER_LOCATION, 2), allocation(1, OTHER_LOCATION, 3)];
    each(Event::WorkMoved(&moved, &moves));
    moved.move_count = 0.into();
    each(Event::WorkMoved(&moved, &[]));
    let mut made = ShipmentMade {
        happened_at_us: (AT_US - 98).into(),
        origin,
        order: order(),
        shipment: 1.into(),
        move_count: 2.into(),
        carrier: 5.into(),
        tracking_bytes: 9,
        is_sent: 1,
    };
    each(Event::ShipmentMade(&made, &allocations()[..2], "RM1234567"));
    (made.move_count, made.tracking_bytes, made.is_sent) = (0.into(), 0, 0);
    each(Event::ShipmentMade(&made, &[], ""));
    each(Event::ShipmentUpdated(&ShipmentUpdated {
        origin,
        update: update_shipment(),
        order_state: OrderState::Completed as u8,
        state: ShipmentState::ReturnedToSender as u8,
        return_number: 2.into(),
        reserved: [0; 4],
    }));
    let mut requested =
        ReturnRequested { origin, request: request_return(2), number: 1.into(), reserved: [0; 6] };
    each(Event::ReturnRequested(&requested, &quantities()));
    requested.request = request_return(0);
    each(Event::ReturnRequested(&requested, &[]));
    each(Event::ReturnUpdated(&ReturnUpdated {
        origin,
        update: update_return(),
        state: ReturnState::Approved as u8,
        reserved: [0; 7],
    }));
    let mut received = ReturnReceived { origin, receipt: receive_return(2), refund_owed: Amount::new(3_998) };
    each(Event::ReturnReceived(&received, &returned()));
    received.receipt = receive_return(0);
    each(Event::ReturnReceived(&received, &[]));
}

fn each_of_nobody(each: &mut impl FnMut(Event<'_>)) {
    let mut passed = TimePassed { now_us: AT_US.into(), expiry_count: 4.into(), reserved: [0; 6] };
    let expiry = |id: u128, number: u16, kind| Expiry {
        id: id.into(),
        number: number.into(),
        kind: kind as u8,
        reserved: [0; 5],
    };
    let expiries = [
        expiry(reservation().get(), 0, ExpiryKind::Reservation),
        expiry(order().get(), 0, ExpiryKind::Order),
        expiry(group().get(), 0, ExpiryKind::Payment),
        expiry(other_order().get(), 3, ExpiryKind::Hold),
    ];
    each(Event::TimePassed(&passed, &expiries));
    passed.expiry_count = 0.into();
    each(Event::TimePassed(&passed, &[]));
    let mut retired = FinishedRetired {
        orders_horizon_ms: 1_800_000_000_000.into(),
        reservations_horizon_ms: 1_799_999_999_000.into(),
        retired_count: 2.into(),
        examined_count: 5.into(),
        reserved: [0; 4],
    };
    let gone = |id: u128, kind| Retired { id: id.into(), kind: kind as u8, reserved: [0; 7] };
    let both = [gone(order().get(), RetiredKind::Order), gone(reservation().get(), RetiredKind::Reservation)];
    each(Event::FinishedRetired(&retired, &both));
    retired.retired_count = 0.into();
    each(Event::FinishedRetired(&retired, &[]));
}
