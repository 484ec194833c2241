//! Views as they are shown.

use orderline_protocol::command::{DefineSourcing, LineQuantity, SourcingRule, Standing};
use orderline_protocol::lifecycle::{
    Action, Entity, FulfilmentStatus, HoldKind, HoldState, OrderState, PaymentState, PaymentStatus,
    RefundState, ReservationState, ReturnState, ReturnStatus, ShipmentState, WorkState, blocks,
};
use orderline_protocol::reply::{
    AvailabilityView, CatalogueEntry, GroupOrderView, GroupView, HoldView, LedgerView, LevelView, LineView,
    OrderParts, OrderView, RefundView, ReplyHeader, ReservationView, ReturnView, SaleStanding, SettingsView,
    ShipmentView, StatusView, TransitionView, WorkView,
};
use orderline_protocol::{Amount, GroupId, OrderId, ReservationId};
use serde_json::{Value, json};
use zerocopy::{FromZeros, IntoBytes};

use super::{
    Availability, Group, Ledger, Level, Location, Order, Reservation, Seller, Settings, Sku, Status,
    Transition,
};
use crate::tests::{
    ACME, AT, AT_US, CART, CART_TEXT, CUP, GROUP, GROUP_TEXT, HAPPENED, HAPPENED_US, Known, LEEDS, NONE, ONE,
    ONE_TEXT, POUNDS, TEA, YORK, allocation, order_line, shape,
};

fn shown(view: impl serde::Serialize) -> Value {
    serde_json::to_value(view).unwrap()
}

#[test]
fn an_order_is_shown_with_all_its_parts() {
    let head = shape!(OrderView {
        order = OrderId::new(ONE), group = GroupId::new(GROUP), placed_sequence = 12_u64, address = 0_u64,
        total = Amount::new(900), captured = Amount::new(1_000), refund_owed = Amount::new(100), seller = ACME,
        placed_unix_s = 1_700_000_000_u32, currency = POUNDS, region = 3_u16,
        fulfilment_status = FulfilmentStatus::PartiallyFulfilled as u8, payment_status = PaymentStatus::Paid as u8,
        return_status = ReturnStatus::None as u8, blocked = blocks::FULFIL | blocks::EDIT,
    });
    let lines = [
        shape!(LineView { line = order_line(TEA, 5, 100), counters.shipped = 2_u32, location = LEEDS }),
        shape!(LineView { line = order_line(CUP, 1, 500), counters.backordered = 1_u32, location = NONE }),
    ];
    let package = |number: u16, parts: u16, tracking: &str| {
        let mut view = shape!(ShipmentView {
            number = number, carrier = 7_u16, part_count = parts, state = ShipmentState::Shipped as u8,
            tracking_bytes = tracking.len() as u8, happened_at_us = HAPPENED_US,
        });
        view.tracking[..tracking.len()].copy_from_slice(tracking.as_bytes());
        view
    };
    let back = |number: u16, lines: u16| {
        shape!(ReturnView {
            number = number, reason = 4_u16, line_count = lines, state = ReturnState::Approved as u8,
            is_undelivered = 1_u8,
        })
    };
    let work = |state: WorkState, held_from: u8| WorkView { location: YORK, state: state as u8, held_from };
    let refund =
        shape!(RefundView { amount = Amount::new(30), number = 1_u16, state = RefundState::Pending as u8 });
    let hold = shape!(HoldView {
        expires_at_us = AT_US, number = 1_u16, kind = HoldKind::Fraud as u8, blocks = blocks::FULFIL,
        state = HoldState::Active as u8,
    });
    let parts = OrderParts {
        head: &head,
        lines: &lines,
        allocations: &[allocation(0, LEEDS, 3)],
        works: &[work(WorkState::OnHold, WorkState::Accepted as u8), work(WorkState::Closed, 0)],
        shipments: &[package(1, 1, "RM1"), package(2, 2, "")],
        shipment_parts: &[allocation(0, LEEDS, 1), allocation(0, LEEDS, 1), allocation(0, YORK, 4)],
        returns: &[back(1, 0), back(2, 1)],
        return_lines: &[shape!(LineQuantity { line = 1_u16, quantity = 2_u32 })],
        refunds: &[refund],
        holds: &[hold],
    };
    let reply = shape!(ReplyHeader { version = 6_u32, state = OrderState::Confirmed as u8 });
    let line = |line: u16, sku: &str, quantity: u32, minor: i64| {
        json!({
            "line": line, "sku": sku, "quantity": quantity, "unit_price_minor": minor, "cancelled": 0, "backordered": 0,
            "reserved": 0, "allocated": 0, "shipped": 0, "delivered": 0, "returned": 0, "location": null,
        })
    };
    let (mut tea, mut cup) = (line(0, "tea", 5, 100), line(1, "cup", 1, 500));
    (tea["shipped"], tea["location"], cup["backordered"]) = (2.into(), "leeds".into(), 1.into());
    let units =
        |quantity: u32, location: &str| json!({"line": 0, "quantity": quantity, "location": location});
    let package = |number: u16, tracking: &str, parts: Value| {
        json!({
            "shipment": number, "state": "shipped", "carrier": 7, "tracking": tracking, "happened_at": HAPPENED,
            "parts": parts,
        })
    };
    let back = |number: u16, lines: Value| {
        json!({
            "return": number, "state": "approved", "reason": 4, "is_undelivered": true, "happened_at": null,
            "lines": lines,
        })
    };
    let told = json!({
        "order": ONE_TEXT, "version": 6, "state": "confirmed", "fulfilment_status": "partially fulfilled",
        "payment_status": "paid", "return_status": "none", "group": GROUP_TEXT, "placed_sequence": 12,
        "placed_at": "2023-11-14T22:13:20.000000Z", "buyer": 0, "seller": "acme", "address": null, "region": 3,
        "currency": "GBP", "total_minor": 900, "captured_minor": 1_000, "refunded_minor": 0, "commission_minor": 0,
        "refund_owed_minor": 100, "blocked": ["fulfil", "edit"], "lines": [tea, cup],
        "allocations": [units(3, "leeds")],
        "fulfilment_orders": [
            {"location": "york", "state": "on hold", "held_from": "accepted"},
            {"location": "york", "state": "closed", "held_from": null},
        ],
        "shipments": [
            package(1, "RM1", json!([units(1, "leeds")])),
            package(2, "", json!([units(1, "leeds"), units(4, "york")])),
        ],
        "returns": [back(1, json!([])), back(2, json!([{"line": 1, "quantity": 2}]))],
        "refunds": [{"refund": 1, "state": "pending", "amount_minor": 30, "reason": 0, "happened_at": null}],
        "holds": [{
            "hold": 1, "kind": "fraud", "state": "active", "blocks": ["fulfil"], "reason": 0, "expires_at": AT,
        }],
    });
    assert_eq!(shown(Order::of(&Known, &reply, &parts)), told);
}

#[test]
fn a_group_without_a_payment_says_so() {
    let mut head =
        shape!(GroupView { group = GroupId::new(GROUP), total = Amount::new(5), currency = POUNDS });
    let order = shape!(GroupOrderView {
        order = OrderId::new(ONE), seller = ACME, state = OrderState::Pending as u8, total = Amount::new(5),
    });
    let mut told = json!({
        "group": GROUP_TEXT, "version": 2, "buyer": 0, "currency": "GBP", "total_minor": 5, "authorized_minor": 0,
        "captured_minor": 0, "refunded_minor": 0, "payment": null, "payment_state": null, "reference": null,
        "expires_at": null, "happened_at": null,
        "orders": [{
            "order": ONE_TEXT, "seller": "acme", "state": "pending", "total_minor": 5, "captured_minor": 0,
            "refunded_minor": 0,
        }],
    });
    assert_eq!(shown(Group::of(&Known, 2, &head, &[order])), told);
    (head.payment, head.payment_state, head.expires_at_us) =
        (1.into(), PaymentState::Authorized as u8, AT_US.into());
    (told["payment"], told["payment_state"], told["reference"]) = (1.into(), "authorized".into(), 0.into());
    told["expires_at"] = AT.into();
    assert_eq!(shown(Group::of(&Known, 2, &head, &[order])), told);
}

#[test]
fn reservations_stock_and_ledgers_are_shown_by_their_codes() {
    let head = shape!(ReservationView {
        reservation = ReservationId::new(CART), reserved_sequence = 9_u64, expires_at_us = AT_US,
        state = ReservationState::Held as u8,
    });
    let lines = [orderline_protocol::command::CartLine { sku: CUP, quantity: 2.into() }];
    let told = json!({
        "reservation": CART_TEXT, "version": 1, "state": "held", "reserved_sequence": 9, "buyer": 0, "expires_at": AT,
        "lines": [{"sku": "cup", "quantity": 2}],
        "allocations": [{"line": 0, "quantity": 2, "location": "york"}],
    });
    assert_eq!(shown(Reservation::of(&Known, 1, &head, &lines, &[allocation(0, YORK, 2)])), told);

    let level = shape!(LevelView {
        sku = TEA, location = LEEDS, version = 3_u32, available = -2_i64, reserved = 4_u64, damaged = 1_u64,
        incoming = 7_u64,
    });
    let told = json!({
        "sku": "tea", "location": "leeds", "version": 3, "on_hand": 3, "available": -2, "reserved": 4, "committed": 0,
        "safety": 0, "damaged": 1, "quality_hold": 0, "incoming": 7,
    });
    assert_eq!(shown(Level::of(&Known, &level)), told);

    let view = shape!(AvailabilityView { units = 8_u64, standing = SaleStanding::SkuRetired as u8 });
    let told = json!({"sku": "cup", "standing": "SKU retired", "units": 8, "backorder_units": 0});
    assert_eq!(shown(Availability::of(&Known, CUP, &view)), told);

    let view =
        shape!(LedgerView { seller = ACME, currency = POUNDS, entry_count = 2_u64, sales = Amount::new(10) });
    let told = json!({
        "seller": "acme", "currency": "GBP", "version": 4, "entry_count": 2, "sales_minor": 10, "commissions_minor": 0,
        "refunds_minor": 0, "reversals_minor": 0, "accrued_minor": 0, "payable_minor": 0, "paid_minor": 0,
    });
    assert_eq!(shown(Ledger::of(&Known, 4, &view)), told);
}

#[test]
fn the_catalogue_is_shown_by_its_kinds() {
    let mut entry = shape!(CatalogueEntry { handle = 1_u32, version = 2_u32 });
    entry.code[..4].copy_from_slice(b"tea2");
    let mut seller = entry.seller();
    (seller.standing, seller.commission_bp) = (Standing::Inactive as u8, 250.into());
    entry.definition[..size_of_val(&seller)].copy_from_slice(seller.as_bytes());
    let told =
        json!({"seller": "tea2", "handle": 1, "version": 2, "standing": "inactive", "commission_bp": 250});
    assert_eq!(shown(Seller::of(&entry)), told);

    entry.definition = [0; 16];
    let mut location = entry.location();
    (location.standing, location.priority) = (Standing::Active as u8, 5.into());
    entry.definition[..size_of_val(&location)].copy_from_slice(location.as_bytes());
    let told = json!({
        "location": "tea2", "handle": 1, "version": 2, "standing": "active", "region": null, "priority": 5,
        "daily_capacity": null,
    });
    assert_eq!(shown(Location::of(&entry)), told);

    entry.definition = [0; 16];
    let mut sku = entry.sku();
    (sku.standing, sku.seller) = (Standing::Active as u8, ACME);
    entry.definition[..size_of_val(&sku)].copy_from_slice(sku.as_bytes());
    let told = json!({
        "sku": "tea2", "handle": 1, "version": 2, "standing": "active", "seller": "acme", "currency": null,
        "backorder_cap": 0,
    });
    assert_eq!(shown(Sku::of(&Known, &entry)), told);
}

#[test]
fn settings_figures_and_transitions_are_shown_in_words() {
    let view = shape!(SettingsView { version = 3_u32, policy.reservation_s_max = 60_u32 });
    let mut everybodys = shape!(DefineSourcing { seller = orderline_protocol::SellerHandle::NONE });
    everybodys.rules[..2].copy_from_slice(&[SourcingRule::SameRegion as u8, SourcingRule::Priority as u8]);
    let told = json!({
        "version": 3,
        "policy": {"pending_order_s": null, "retention_s": null, "reservation_s_max": 60},
        "sourcing": [{"seller": null, "rules": ["same region", "priority"]}],
    });
    assert_eq!(shown(Settings::of(&Known, &view, &[everybodys])), told);

    let view = shape!(StatusView { state_hash = 0xab_u128, orders_total = 4_u64, orders_horizon_ms = 1_u64, keys_horizon_us = 2_000_i64 });
    let told = json!({
        "state_hash": "000000000000000000000000000000ab", "orders_total": 4, "orders_open": 0, "reservations": 0,
        "orders_horizon": "1970-01-01T00:00:00.001000Z", "keys_horizon": "1970-01-01T00:00:00.002000Z", "sellers": 0, "locations": 0, "skus": 0, "sessions": 0,
    });
    assert_eq!(shown(Status::of(&view)), told);

    let mut row = shape!(TransitionView {
        entity = Entity::Order as u8, from = OrderState::Pending as u8, action = Action::Confirm as u8, to_count = 1_u8,
    });
    row.to[0] = OrderState::Confirmed as u8;
    let told = json!({"entity": "order", "from": "pending", "action": "confirm", "to": ["confirmed"]});
    assert_eq!(shown(Transition::of(&row)), told);
}

#[test]
#[cfg(feature = "openapi")]
fn schemas_list_the_names_that_a_state_may_have() {
    let schema = shown(<Order as utoipa::PartialSchema>::schema());
    assert_eq!(
        schema["properties"]["state"]["enum"],
        json!(["pending", "confirmed", "completed", "cancelled", "expired"])
    );
    assert_eq!(schema["properties"]["placed_at"]["format"], "date-time");
    let group = shown(<Group as utoipa::PartialSchema>::schema());
    let states = group["properties"]["payment_state"]["enum"].as_array().cloned().unwrap_or_default();
    assert_eq!((states.first(), states.last()), (Some(&json!("pending")), Some(&Value::Null)), "{states:?}");
    let work = shown(<super::Return as utoipa::PartialSchema>::schema());
    assert!(work["properties"]["return"].is_object(), "{work}");
}
