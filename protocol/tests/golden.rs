//! The bytes of every event, command and reply of version 1, kept for ever: what this program writes is what the
//! files say, and what the files say is read as what it was.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod support;

use orderline_protocol::command::{
    AdjustStock, Bucket, ConfirmOrder, DefineLocation, DefineSeller, DefineSku, EntityKind, LineQuantity,
    MoveLines, OrderLine, PlaceOrder, QueryOrder, QueryStatus, QueryStock, RawCommand, ReceiveStock,
    ResolveCode, ShipLines, Standing,
};
use orderline_protocol::event::{
    Allocation, EVENT_VERSION, LinesCancelled, LinesDelivered, LinesShipped, LocationDefined, OrderConfirmed,
    OrderPlaced, OrderState, Origin, SellerDefined, SessionOpened, SkuDefined, SourcingRule, StockAdjusted,
    StockReceived,
};
use orderline_protocol::reply::{
    LevelView, LineCounters, LineView, OrderView, Outcome, REPLY_HEADER_BYTES, ReplyHeader, StatusView,
};
use orderline_protocol::{
    Amount, BuyerId, Command, CurrencyCode, Event, LocationHandle, OrderId, RejectCode, Reply, SellerHandle,
    SessionHandle, SessionId, SkuHandle,
};
use zerocopy::IntoBytes;

use support::{hex_text, is_golden, read_hex};

const SKU: SkuHandle = SkuHandle::new(0x0a0b_0c0d);
const LOCATION: LocationHandle = LocationHandle::new(0x21);
const SELLER: SellerHandle = SellerHandle::new(3);

fn order() -> OrderId {
    OrderId::from_parts(1_800_000_000_000, 42)
}

fn seller() -> DefineSeller {
    DefineSeller {
        commission_bp: 1_250.into(),
        standing: Standing::Active as u8,
        code_bytes: 4,
        reserved: [0; 4],
    }
}

fn location() -> DefineLocation {
    DefineLocation {
        region: 44.into(),
        priority: 7.into(),
        daily_capacity: 900.into(),
        standing: Standing::Inactive as u8,
        code_bytes: 6,
        reserved: [0; 2],
    }
}

fn sku() -> DefineSku {
    DefineSku {
        seller: SELLER,
        backorder_cap: 5.into(),
        currency: CurrencyCode::new(826),
        standing: Standing::Active as u8,
        code_bytes: 7,
        reserved: [0; 4],
    }
}

fn receipt() -> ReceiveStock {
    ReceiveStock {
        sku: SKU,
        location: LOCATION,
        quantity: 1_000_000.into(),
        reference: 0x0102_0304_0506_0708.into(),
        reason: 9.into(),
        reserved: [0; 6],
    }
}

fn adjustment() -> AdjustStock {
    AdjustStock {
        sku: SKU,
        location: LOCATION,
        delta: (-3).into(),
        reference: 0x1112_1314_1516_1718.into(),
        reason: 10.into(),
        bucket: Bucket::Damaged as u8,
        reserved: [0; 5],
    }
}

fn placement() -> PlaceOrder {
    PlaceOrder {
        order: order(),
        buyer: BuyerId::new(0x7071_7273_7475_7677),
        seller: SELLER,
        currency: CurrencyCode::new(826),
        line_count: 2.into(),
    }
}

fn lines() -> [OrderLine; 2] {
    let line = |sku, quantity: u32, minor| OrderLine {
        sku,
        quantity: quantity.into(),
        unit_price: Amount::new(minor),
    };
    [line(SKU, 2, 1_999), line(SkuHandle::new(6), 1, 250)]
}

fn allocation(line: u16, location: LocationHandle, quantity: u32) -> Allocation {
    Allocation { line: line.into(), reserved: [0; 2], location, quantity: quantity.into() }
}

fn moved() -> MoveLines {
    MoveLines { order: order(), expected_version: 2.into(), line_count: 1.into(), reason: 11.into() }
}

const ORIGIN_SESSION: SessionHandle = SessionHandle::new(12);

fn origin() -> Origin {
    Origin { session: ORIGIN_SESSION, digest: 0xd1d2_d3d4.into(), request: 0x0e0f.into() }
}

/// Calls with every event once; texts are short of a multiple of 8, so that padding would show.
fn each_event(mut each: impl FnMut(Event<'_>)) {
    let (origin, order, none, reserved) = (origin(), order(), LocationHandle::NONE, [0; 4]);
    let handle = 77.into();
    each(Event::SellerDefined(&SellerDefined { origin, handle, reserved, definition: seller() }, "acme"));
    each(Event::LocationDefined(
        &LocationDefined { origin, handle, reserved, definition: location() },
        "leeds2",
    ));
    each(Event::SkuDefined(&SkuDefined { origin, handle, reserved, definition: sku() }, "tea-250"));
    each(Event::StockReceived(&StockReceived { origin, receipt: receipt() }));
    each(Event::StockAdjusted(&StockAdjusted { origin, adjustment: adjustment() }));
    let mut placed = OrderPlaced {
        origin,
        placement: placement(),
        location: LOCATION,
        allocation_count: 0.into(),
        rule: SourcingRule::WholeOrder as u8,
        reserved: 0,
    };
    each(Event::OrderPlaced(&placed, &lines(), &[]));
    (placed.location, placed.allocation_count, placed.rule) = (none, 3.into(), SourcingRule::SplitSku as u8);
    let split =
        [allocation(0, LOCATION, 1), allocation(0, LocationHandle::new(0x22), 1), allocation(1, LOCATION, 1)];
    each(Event::OrderPlaced(&placed, &lines(), &split));
    each(Event::OrderConfirmed(&OrderConfirmed { origin, order }));
    let cancelled = LinesCancelled {
        origin,
        order,
        state: OrderState::Confirmed as u8,
        reserved: 0,
        move_count: 1.into(),
        reason: 11.into(),
        reserved_2: [0; 2],
    };
    each(Event::LinesCancelled(&cancelled, &[allocation(1, LOCATION, 1)]));
    let shipped = LinesShipped {
        origin,
        order,
        shipment: 1.into(),
        move_count: 2.into(),
        carrier: 5.into(),
        tracking_bytes: 9,
        reserved: 0,
    };
    each(Event::LinesShipped(
        &shipped,
        &[allocation(0, LOCATION, 1), allocation(0, LocationHandle::new(0x22), 1)],
        "RM1234567",
    ));
    let delivered = LinesDelivered {
        origin,
        order,
        state: OrderState::Completed as u8,
        reserved: 0,
        move_count: 1.into(),
        reserved_2: [0; 4],
    };
    each(Event::LinesDelivered(&delivered, &[allocation(0, none, 2)]));
    let opened =
        SessionOpened { session: SessionId::new(0x0102 << 112 | 0x0f10), handle: ORIGIN_SESSION, reserved };
    each(Event::SessionOpened(&opened));
}

/// Calls with every command once.
fn each_command(mut each: impl FnMut(Command<'_>)) {
    let quantity = [LineQuantity { line: 1.into(), reserved: [0; 2], quantity: 3.into() }];
    each(Command::DefineSeller(&seller(), "acme"));
    each(Command::DefineLocation(&location(), "leeds2"));
    each(Command::DefineSku(&sku(), "tea-250"));
    each(Command::ReceiveStock(&receipt()));
    each(Command::AdjustStock(&adjustment()));
    each(Command::PlaceOrder(&placement(), &lines()));
    let confirm = ConfirmOrder { order: order(), expected_version: 1.into(), reserved: [0; 4] };
    each(Command::ConfirmOrder(&confirm));
    each(Command::CancelLines(&moved(), &quantity));
    let ship = ShipLines {
        order: order(),
        expected_version: 2.into(),
        location: LOCATION,
        line_count: 1.into(),
        carrier: 5.into(),
        tracking_bytes: 9,
        reserved: [0; 3],
    };
    each(Command::ShipLines(&ship, &quantity, "RM1234567"));
    each(Command::DeliverLines(&moved(), &quantity));
    each(Command::QueryOrder(&QueryOrder { order: order() }));
    each(Command::QueryStock(&QueryStock { sku: SKU, location: LOCATION }));
    let resolve = ResolveCode { entity: EntityKind::Sku as u8, code_bytes: 7, reserved: [0; 6] };
    each(Command::ResolveCode(&resolve, "tea-250"));
    each(Command::QueryStatus(&QueryStatus { with_state_hash: 1, reserved: [0; 7] }));
}

/// Every kind of reply once: its name, its head, and its view.
fn replies() -> Vec<(&'static str, ReplyHeader, Vec<u8>)> {
    let head = |outcome, code: u16, view: &[u8]| ReplyHeader {
        bytes: ((REPLY_HEADER_BYTES + view.len()) as u32).into(),
        outcome: outcome as u8,
        state: OrderState::Pending as u8,
        code: code.into(),
        request: 0x0e0f.into(),
        sequence: 0x0001_0203.into(),
        detail: 0x2425_2627_2829.into(),
        subject: 1.into(),
        version: 4.into(),
    };
    let order = OrderView {
        order: order(),
        placed_sequence: 17.into(),
        buyer: BuyerId::new(0x7071_7273_7475_7677),
        seller: SELLER,
        currency: CurrencyCode::new(826),
        line_count: 1.into(),
        placed_unix_s: 1_800_000_000.into(),
        shipment_count: 1.into(),
        reserved: [0; 2],
    };
    let counters = LineCounters {
        cancelled: 1.into(),
        backordered: 2.into(),
        reserved: 3.into(),
        allocated: 4.into(),
        shipped: 7.into(),
        delivered: 6.into(),
        returned: 5.into(),
    };
    let line = LineView { line: lines()[0], counters, location: LOCATION };
    let level = LevelView {
        sku: SKU,
        location: LOCATION,
        available: 1.into(),
        reserved: 2.into(),
        committed: 3.into(),
        safety: 4.into(),
        damaged: 5.into(),
        quality_hold: 6.into(),
        incoming: 7.into(),
    };
    let status = StatusView {
        state_hash: (0x0102 << 112 | 0x0f10).into(),
        orders_total: 8.into(),
        orders_open: 9.into(),
        sellers: 10.into(),
        locations: 11.into(),
        skus: 12.into(),
        sessions: 13.into(),
    };
    let mut order_view = [order.as_bytes(), line.as_bytes()].concat();
    order_view.resize(order_view.len().next_multiple_of(8), 0);
    let (levels, status) = ([level, level].as_bytes().to_vec(), status.as_bytes().to_vec());
    let none = Vec::new();
    vec![
        ("Accepted", head(Outcome::Accepted, 0, &none), none.clone()),
        ("AcceptedBefore", head(Outcome::AcceptedBefore, 0, &none), none.clone()),
        ("Rejected", head(Outcome::Rejected, RejectCode::InsufficientStock as u16, &none), none.clone()),
        ("Answered", head(Outcome::Answered, 0, &none), none),
        ("Answered with an OrderView", head(Outcome::Answered, 0, &order_view), order_view),
        ("Answered with two LevelViews", head(Outcome::Answered, 0, &levels), levels),
        ("Answered with a StatusView", head(Outcome::Answered, 0, &status), status),
    ]
}

#[test]
fn events_are_written_and_read_as_ever() {
    let mut written = Vec::new();
    let mut kinds = Vec::new();
    each_event(|event| {
        let mut bytes = Vec::new();
        event.write(&mut bytes);
        assert_eq!(Event::read(event.kind() as u16, EVENT_VERSION, &bytes), Ok(event));
        written.push((format!("{} {:?}", event.kind() as u16, event.kind()), bytes));
        kinds.push(event.kind() as u16);
    });
    kinds.dedup();
    let known = |kind: &u16| {
        !matches!(
            Event::read(*kind, EVENT_VERSION, &[]),
            Err(orderline_protocol::event::UnreadableEvent::Kind(_))
        )
    };
    assert_eq!(kinds, (0..=u16::MAX).filter(known).collect::<Vec<_>>(), "every kind has its sample");
    let text = hex_text(
        "Version 1 of the events: one record's payload a paragraph, without padding. Never edited.",
        &written,
    );
    is_golden("events_v1.hex", &text);
    assert_eq!(read_hex(&text), written);
}

#[test]
fn commands_are_written_and_read_as_ever() {
    let mut written = Vec::new();
    each_command(|command| {
        let mut bytes = Vec::new();
        command.write(0x0e0f, &mut bytes);
        let raw = RawCommand::take(&mut &bytes[..]).unwrap();
        assert_eq!((raw.request, raw.read()), (0x0e0f, Ok(command)));
        let (number, kind, digest) = (command.kind() as u8, command.kind(), raw.digest());
        written.push((format!("{number} {kind:?}, digest {digest:08x}"), bytes));
    });
    let known = |kind: &u8| !matches!(RawCommand { request: 1, kind: *kind, body: &[] }.read(), Err(None));
    assert_eq!(written.len(), (0..=u8::MAX).filter(known).count(), "every kind has its sample");
    is_golden(
        "commands_v1.hex",
        &hex_text("Version 1 of the commands: one a paragraph. Never edited.", &written),
    );
}

#[test]
fn replies_are_written_and_read_as_ever() {
    let mut written = Vec::new();
    for (name, head, view) in replies() {
        let bytes = [head.as_bytes(), &view].concat();
        let reply = Reply::take(&mut &bytes[..]).unwrap();
        assert_eq!((reply.header, reply.view), (&head, &view[..]), "{name}");
        written.push((name.to_owned(), bytes));
    }
    is_golden(
        "replies_v1.hex",
        &hex_text("Version 1 of the replies: one a paragraph. Never edited.", &written),
    );
}
