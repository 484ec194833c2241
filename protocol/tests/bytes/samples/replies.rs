//! A sample of every way in which a command can end, and of every view.

use orderline_protocol::command::{LineQuantity, Role, Standing};
use orderline_protocol::event::Allocation;
use orderline_protocol::lifecycle::{
    FulfilmentStatus, HoldKind, HoldState, OrderState, PaymentState, PaymentStatus, RefundState,
    ReservationState, ReturnState, ReturnStatus, ShipmentState, WorkState, blocks,
};
use orderline_protocol::reply::{
    AvailabilityView, CatalogueEntry, GroupOrderView, GroupView, HoldView, LedgerView, LevelView,
    LineCounters, LineView, OrderView, Outcome, REPLY_HEADER_BYTES, RefundView, ReplyHeader, ReservationView,
    ReturnView, SaleStanding, SettingsView, ShipmentView, StatusView, TokenView, TransitionView, WorkView,
};
use orderline_protocol::{Amount, LocationHandle, RejectCode};
use zerocopy::{FromZeros, IntoBytes};

use super::{
    AT_US, BUYER, LOCATION, OTHER_LOCATION, OTHER_SELLER, POUNDS, REGION, SELLER, SKU, allocation,
    allocations, cart_lines, group, location, locations, order, order_lines, other_order, policy,
    reservation, seller, sku, sourcing, sourcing_of_all,
};

/// Every kind of reply: what it is, its head, and its view.
pub(crate) fn replies() -> Vec<(&'static str, ReplyHeader, Vec<u8>)> {
    let head = |outcome, code: u16, view: &[u8]| ReplyHeader {
        bytes: ((REPLY_HEADER_BYTES + view.len()) as u32).into(),
        outcome: outcome as u8,
        state: OrderState::Cancelled as u8,
        code: code.into(),
        request: 0x0e0f.into(),
        sequence: 0x0001_0203.into(),
        detail: 0x2425_2627_2829.into(),
        subject: 0x0201.into(),
        version: 4.into(),
    };
    let answered = |what, mut view: Vec<u8>| {
        view.resize(view.len().next_multiple_of(8), 0);
        (what, head(Outcome::Answered, 0, &view), view)
    };
    let none = Vec::new;
    vec![
        ("Accepted", head(Outcome::Accepted, 0, &[]), none()),
        ("AcceptedBefore", head(Outcome::AcceptedBefore, 0, &[]), none()),
        ("Rejected", head(Outcome::Rejected, RejectCode::InsufficientStock as u16, &[]), none()),
        ("Answered", head(Outcome::Answered, 0, &[]), none()),
        answered("Answered with an OrderView", order_view()),
        answered("Answered with an OrderView, nothing behind it", bare_order().as_bytes().to_vec()),
        answered("Answered with LevelViews", levels().as_bytes().to_vec()),
        answered("Answered with a StatusView", status().as_bytes().to_vec()),
        answered(
            "Answered with a GroupView",
            [group_view().as_bytes(), group_order_views().as_bytes()].concat(),
        ),
        answered("Answered with a ReservationView", reservation_view()),
        answered("Answered with a LedgerView", ledger().as_bytes().to_vec()),
        answered("Answered with CatalogueEntries", catalogue().as_bytes().to_vec()),
        answered("Answered with a SettingsView", settings()),
        answered("Answered with AvailabilityViews", availability().as_bytes().to_vec()),
        answered("Answered with TransitionViews", transitions().as_bytes().to_vec()),
        answered("Answered with TokenViews", tokens().as_bytes().to_vec()),
    ]
}

fn order_head() -> OrderView {
    OrderView {
        order: order(),
        group: group(),
        placed_sequence: 17.into(),
        buyer: BUYER,
        address: 0x6162_6364_6566_6768.into(),
        total: Amount::new(4_248),
        captured: Amount::new(4_247),
        refunded: Amount::new(1_999),
        commission: Amount::new(281),
        refund_owed: Amount::new(7),
        seller: SELLER,
        placed_unix_s: 1_800_000_000.into(),
        currency: POUNDS,
        region: REGION.into(),
        fulfilment_status: FulfilmentStatus::PartiallyFulfilled as u8,
        payment_status: PaymentStatus::PartiallyRefunded as u8,
        return_status: ReturnStatus::PartiallyReturned as u8,
        blocked: blocks::CANCEL | blocks::CAPTURE,
        line_count: 3.into(),
        work_count: 2.into(),
        shipment_count: 1.into(),
        return_count: 4.into(),
        refund_count: 5.into(),
        hold_count: 6.into(),
        allocation_count: 7.into(),
        shipment_part_count: 8.into(),
        return_line_count: 9.into(),
    }
}

/// An order of which only the head is there, as if it had no lines.
fn bare_order() -> OrderView {
    let mut head = order_head();
    for count in [
        &mut head.line_count,
        &mut head.work_count,
        &mut head.shipment_count,
        &mut head.return_count,
        &mut head.refund_count,
        &mut head.hold_count,
    ] {
        *count = 0.into();
    }
    for count in [&mut head.allocation_count, &mut head.shipment_part_count, &mut head.return_line_count] {
        *count = 0.into();
    }
    head
}

/// An order with everything that can hang on one.
fn order_view() -> Vec<u8> {
    let head = order_head();
    let counters = LineCounters {
        cancelled: 1.into(),
        backordered: 2.into(),
        reserved: 3.into(),
        allocated: 4.into(),
        shipped: 7.into(),
        delivered: 6.into(),
        returned: 5.into(),
    };
    let lines = order_lines().map(|line| LineView { line, counters, location: LOCATION, reserved: [0; 2] });
    let units: [Allocation; 7] =
        std::array::from_fn(|index| allocation(index as u16, LOCATION, 100 + index as u32));
    let works = [
        WorkView { location: LOCATION, state: WorkState::OnHold as u8, held_from: WorkState::Accepted as u8 },
        WorkView { location: OTHER_LOCATION, state: WorkState::Closed as u8, held_from: 0 },
    ];
    let mut shipment = ShipmentView::new_zeroed();
    (shipment.number, shipment.carrier, shipment.part_count) = (1.into(), 5.into(), 8.into());
    shipment.happened_at_us = (AT_US - 40).into();
    (shipment.state, shipment.tracking_bytes) = (ShipmentState::Delivered as u8, 9);
    shipment.tracking[..9].copy_from_slice(b"RM1234567");
    let parts: [Allocation; 8] =
        std::array::from_fn(|index| allocation(index as u16, OTHER_LOCATION, 200 + index as u32));
    // The first return has six lines, each other one has one.
    let returns: [ReturnView; 4] = std::array::from_fn(|index| ReturnView {
        happened_at_us: (AT_US - 50 - index as i64).into(),
        number: (index as u16 + 1).into(),
        reason: (index as u16 + 20).into(),
        line_count: if index == 0 { 6 } else { 1 }.into(),
        state: ReturnState::Closed as u8,
        is_undelivered: u8::from(index == 3),
    });
    let return_lines: [LineQuantity; 9] = std::array::from_fn(|index| LineQuantity {
        line: (index as u16).into(),
        reserved: [0; 2],
        quantity: (300 + index as u32).into(),
    });
    let refunds: [RefundView; 5] = std::array::from_fn(|index| RefundView {
        happened_at_us: (AT_US - 60 - index as i64).into(),
        amount: Amount::new(400 + index as i64),
        number: (index as u16 + 1).into(),
        reason: (index as u16 + 30).into(),
        state: RefundState::Failed as u8,
        reserved: [0; 3],
    });
    let holds: [HoldView; 6] = std::array::from_fn(|index| HoldView {
        expires_at_us: (AT_US + index as i64).into(),
        number: (index as u16 + 1).into(),
        reason: (index as u16 + 40).into(),
        kind: HoldKind::Manual as u8,
        blocks: blocks::ALL,
        state: HoldState::Expired as u8,
        reserved: 0,
    });
    let bytes = [
        head.as_bytes(),
        lines.as_bytes(),
        units.as_bytes(),
        works.as_bytes(),
        shipment.as_bytes(),
        parts.as_bytes(),
        returns.as_bytes(),
        return_lines.as_bytes(),
        refunds.as_bytes(),
        holds.as_bytes(),
    ]
    .concat();
    let read = OrderView::read(&bytes).unwrap();
    assert_eq!((read.lines, read.allocations, read.works), (&lines[..], &units[..], &works[..]));
    assert_eq!((read.shipments, read.shipment_parts), (&[shipment][..], &parts[..]));
    assert_eq!((read.returns, read.return_lines), (&returns[..], &return_lines[..]));
    assert_eq!((read.refunds, read.holds), (&refunds[..], &holds[..]));
    bytes
}

fn levels() -> [LevelView; 2] {
    [(LOCATION, -1_i64), (OTHER_LOCATION, 1)].map(|(location, available)| LevelView {
        version: 8.into(),
        sku: SKU,
        location,
        reserved_2: [0; 6],
        available: available.into(),
        reserved: 2.into(),
        committed: 3.into(),
        safety: 4.into(),
        damaged: 5.into(),
        quality_hold: 6.into(),
        incoming: 7.into(),
    })
}

fn status() -> StatusView {
    StatusView {
        state_hash: (0x0102 << 112 | 0x0f10).into(),
        orders_total: 8.into(),
        orders_open: 9.into(),
        reservations: 10.into(),
        orders_horizon_ms: 1_800_000_000_000.into(),
        keys_horizon_us: (AT_US - 80).into(),
        sellers: 11.into(),
        locations: 12.into(),
        skus: 13.into(),
        sessions: 14.into(),
    }
}

fn group_view() -> GroupView {
    GroupView {
        happened_at_us: (AT_US - 70).into(),
        group: group(),
        buyer: BUYER,
        total: Amount::new(12_240),
        authorized: Amount::new(12_239),
        captured: Amount::new(4_248),
        refunded: Amount::new(1_999),
        expires_at_us: AT_US.into(),
        reference: 0x8182_8384_8586_8788.into(),
        order_count: 2.into(),
        payment: 1.into(),
        payment_state: PaymentState::PartiallyCaptured as u8,
        reserved: 0,
        currency: POUNDS,
    }
}

fn group_order_views() -> [GroupOrderView; 2] {
    [(order(), SELLER, 4_248), (other_order(), OTHER_SELLER, 7_992)].map(|(order, seller, total)| {
        GroupOrderView {
            order,
            total: Amount::new(total),
            captured: Amount::new(total - 1),
            refunded: Amount::new(total - 2),
            seller,
            state: OrderState::Completed as u8,
            reserved: [0; 3],
        }
    })
}

fn reservation_view() -> Vec<u8> {
    let head = ReservationView {
        reservation: reservation(),
        reserved_sequence: 16.into(),
        buyer: BUYER,
        expires_at_us: AT_US.into(),
        allocation_count: 3.into(),
        line_count: 2.into(),
        state: ReservationState::Held as u8,
        reserved: 0,
    };
    let mut units = allocations();
    units[2].location = LocationHandle::new(0x2526);
    let bytes = [head.as_bytes(), cart_lines().as_bytes(), units.as_bytes()].concat();
    assert_eq!(ReservationView::read(&bytes), Ok((&head, &cart_lines()[..], &units[..])));
    bytes
}

fn ledger() -> LedgerView {
    LedgerView {
        seller: SELLER,
        currency: POUNDS,
        reserved: [0; 2],
        entry_count: 5.into(),
        sales: Amount::new(100_000),
        commissions: Amount::new(12_500),
        refunds: Amount::new(1_999),
        reversals: Amount::new(249),
        accrued: Amount::new(4_000),
        payable: Amount::new(-18_250),
        paid: Amount::new(100_001),
    }
}

/// One entry of each kind; in an answer all are of one kind.
fn catalogue() -> [CatalogueEntry; 3] {
    let (seller, location, sku) = (seller(0), location(0), sku(0));
    let definitions =
        [(seller.as_bytes(), "acme"), (location.as_bytes(), "leeds2"), (sku.as_bytes(), "tea-250")];
    let mut handle = 76;
    let entries = definitions.map(|(definition, code)| {
        handle += 1;
        let mut entry = CatalogueEntry::new_zeroed();
        (entry.handle, entry.version) = (handle.into(), 5.into());
        entry.definition[..definition.len()].copy_from_slice(definition);
        entry.code[..code.len()].copy_from_slice(code.as_bytes());
        assert_eq!(entry.code(), Some(code));
        entry
    });
    assert_eq!((entries[0].seller(), entries[1].location(), entries[2].sku()), (seller, location, sku));
    entries
}

fn settings() -> Vec<u8> {
    let head = SettingsView { version: 3.into(), sourcing_count: 2.into(), policy: policy(0) };
    let lists = [sourcing_of_all(), sourcing()];
    let bytes = [head.as_bytes(), lists.as_bytes()].concat();
    assert_eq!(SettingsView::read(&bytes), Ok((&head, &lists[..])));
    bytes
}

/// A SKU with units, and one that nobody knows.
fn availability() -> [AvailabilityView; 2] {
    let view = |units: u64, backorder_units: u32, standing| AvailabilityView {
        units: units.into(),
        backorder_units: backorder_units.into(),
        standing: standing as u8,
        reserved: [0; 3],
    };
    let views =
        [view(0x5152_5354_5556, 0x6162_6364, SaleStanding::OnSale), view(0, 0, SaleStanding::UnknownSku)];
    assert!(views[0].can_buy(u32::MAX) && !views[1].can_buy(1));
    views
}

fn tokens() -> [TokenView; 1] {
    let mut view = TokenView::new_zeroed();
    (view.token, view.version) = (7.into(), 3.into());
    view.expires_at_us = AT_US.into();
    (view.seller, view.locations) = (SELLER, locations());
    view.commands_per_s_max = 5_000.into();
    (view.role, view.standing) = (Role::Warehouse as u8, Standing::Inactive as u8);
    view.label[..9].copy_from_slice(b"leeds-gun");
    assert_eq!(view.label(), Some("leeds-gun"));
    [view]
}

fn transitions() -> [TransitionView; 2] {
    let views = [(5, 2, 22, 2, [3, 4, 0, 0]), (1, 2, 2, 3, [2, 4, 3, 0])]
        .map(|(entity, from, action, to_count, to)| TransitionView { entity, from, action, to_count, to });
    assert_eq!(views.map(|view| view.targets().to_vec()), [vec![3, 4], vec![2, 4, 3]]);
    views
}

/// Takes a view apart: calls with each structure in it and its bytes.
pub(crate) fn each_part(what: &str, view: &[u8], mut each: impl FnMut(&'static str, &[u8])) {
    let mut all = |name, items: &[u8], count: usize| {
        if let Some(bytes) = items.len().checked_div(count) {
            items.chunks(bytes).for_each(|item| each(name, item));
        }
    };
    macro_rules! lists {
        ($($name:literal $list:expr,)+) => { $(all($name, $list.as_bytes(), $list.len());)+ };
    }
    if what.contains("OrderView") {
        let order = OrderView::read(view).unwrap();
        all("OrderView", order.head.as_bytes(), 1);
        lists! {
            "LineView" order.lines,
            "Allocation" order.allocations,
            "WorkView" order.works,
            "ShipmentView" order.shipments,
            "Allocation" order.shipment_parts,
            "ReturnView" order.returns,
            "LineQuantity" order.return_lines,
            "RefundView" order.refunds,
            "HoldView" order.holds,
        }
    } else if what.contains("LevelView") {
        lists! { "LevelView" LevelView::read_all(view).unwrap(), }
    } else if what.contains("StatusView") {
        all("StatusView", StatusView::read(view).unwrap().as_bytes(), 1);
    } else if what.contains("GroupView") {
        let (head, orders) = GroupView::read(view).unwrap();
        all("GroupView", head.as_bytes(), 1);
        lists! { "GroupOrderView" orders, }
    } else if what.contains("ReservationView") {
        let (head, lines, allocations) = ReservationView::read(view).unwrap();
        all("ReservationView", head.as_bytes(), 1);
        lists! { "CartLine" lines, "Allocation" allocations, }
    } else if what.contains("LedgerView") {
        all("LedgerView", LedgerView::read(view).unwrap().as_bytes(), 1);
    } else if what.contains("CatalogueEntries") {
        lists! { "CatalogueEntry" CatalogueEntry::read_all(view).unwrap(), }
    } else if what.contains("AvailabilityView") {
        lists! { "AvailabilityView" AvailabilityView::read_all(view).unwrap(), }
    } else if what.contains("TokenView") {
        lists! { "TokenView" TokenView::read_all(view).unwrap(), }
    } else if what.contains("TransitionView") {
        lists! { "TransitionView" TransitionView::read_all(view).unwrap(), }
    } else if what.contains("SettingsView") {
        let (head, lists) = SettingsView::read(view).unwrap();
        all("SettingsView", head.as_bytes(), 1);
        lists! { "DefineSourcing" lists, }
    } else {
        assert!(view.is_empty(), "{what} is not taken apart");
    }
}
