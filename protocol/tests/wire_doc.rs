//! Holds `docs/protocol.md` and the golden conversation against the code: a table that says another offset, size or
//! number than the compiler fails here, and so does a byte of the wire that has moved.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod support;

use orderline_protocol::command::{
    AdjustStock, Bucket, CommandHeader, CommandKind, ConfirmOrder, DefineLocation, DefineSeller, DefineSku,
    EntityKind, LineQuantity, MoveLines, OrderLine, PlaceOrder, QueryOrder, QueryStatus, QueryStock,
    RawCommand, ReceiveStock, ResolveCode, ShipLines, Standing,
};
use orderline_protocol::event::OrderState;
use orderline_protocol::frame::{
    Close, CloseReason, Frame, FrameHeader, FrameKind, HELLO_MAGIC, Hello, Welcome, begin_frame,
    finish_frame, write_frame,
};
use orderline_protocol::reply::{
    LevelView, LineCounters, LineView, OrderView, Outcome, REPLY_HEADER_BYTES, ReplyHeader, StatusView,
};
use orderline_protocol::{
    Amount, BuyerId, Command, CurrencyCode, OrderId, RejectCode, Reply, SellerHandle, SessionHandle,
    SessionId, SkuHandle, limits,
};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromZeros, IntoBytes};

use support::{all, byte, compare, hex_text, numbered, shapes, tables};

const DOC: &str = include_str!("../../docs/protocol.md");
const GOLDEN: &str = include_str!("golden/conversation_v1.hex");

#[test]
fn every_offset_stands_in_the_document() {
    let tables = tables(DOC);
    let shapes = shapes! {
        FrameHeader { payload_bytes, checksum, kind, version, count, reserved }
        Hello { magic, session, token, resume, reserved }
        Welcome { last_request, sequence, session, credits, idle_ms_max, reserved }
        Close { reason, reserved }
        CommandHeader { bytes, kind, reserved, request }
        DefineSeller { commission_bp, standing, code_bytes, reserved }
        DefineLocation { region, priority, daily_capacity, standing, code_bytes, reserved }
        DefineSku { seller, backorder_cap, currency, standing, code_bytes, reserved }
        ReceiveStock { sku, location, quantity, reference, reason, reserved }
        AdjustStock { sku, location, delta, reference, reason, bucket, reserved }
        PlaceOrder { order, buyer, seller, currency, line_count }
        OrderLine { sku, quantity, unit_price }
        ConfirmOrder { order, expected_version, reserved }
        MoveLines { order, expected_version, line_count, reason }
        ShipLines { order, expected_version, location, line_count, carrier, tracking_bytes, reserved }
        LineQuantity { line, reserved, quantity }
        QueryOrder { order }
        QueryStock { sku, location }
        ResolveCode { entity, code_bytes, reserved }
        QueryStatus { with_state_hash, reserved }
        ReplyHeader { bytes, outcome, state, code, request, sequence, detail, subject, version }
        OrderView { order, placed_sequence, buyer, seller, currency, line_count, placed_unix_s, shipment_count, reserved }
        LineView { line, counters, location }
        LineCounters { cancelled, backordered, reserved, allocated, shipped, delivered, returned }
        LevelView { sku, location, available, reserved, committed, safety, damaged, quality_hold, incoming }
        StatusView { state_hash, orders_total, orders_open, sellers, locations, skus, sessions }
    };
    compare(&tables, &shapes);
    let told = tables.iter().filter(|(_, rows)| rows[0].len() == 5).count();
    assert_eq!(told, shapes.len(), "a table tells of a structure that is not compared");
}

#[test]
fn every_number_stands_in_the_document() {
    use CommandKind as Kind;
    let kinds = [
        Kind::DefineSeller,
        Kind::DefineLocation,
        Kind::DefineSku,
        Kind::ReceiveStock,
        Kind::AdjustStock,
        Kind::PlaceOrder,
        Kind::ConfirmOrder,
        Kind::CancelLines,
        Kind::ShipLines,
        Kind::DeliverLines,
        Kind::QueryOrder,
        Kind::QueryStock,
        Kind::ResolveCode,
        Kind::QueryStatus,
    ];
    let entities = [EntityKind::Seller, EntityKind::Location, EntityKind::Sku];
    // A kind is known when the body of zeros is not refused for its kind: so none is forgotten in the list above.
    let is_known = |kind| !matches!(RawCommand { request: 1, kind, body: &[] }.read(), Err(None));
    assert_eq!((0..=u8::MAX).filter(|&kind| is_known(kind)).count(), kinds.len());
    let tables = tables(DOC);
    for (name, numbers) in [
        ("FrameKind", all(byte(FrameKind::from_number))),
        ("CloseReason", all(CloseReason::from_number)),
        ("CommandKind", kinds.map(|kind| (kind as u16, format!("{kind:?}"))).to_vec()),
        ("Standing", all(byte(Standing::from_number))),
        ("Bucket", all(byte(Bucket::from_number))),
        ("EntityKind", entities.map(|entity| (entity as u16, format!("{entity:?}"))).to_vec()),
        ("Outcome", all(byte(Outcome::from_number))),
        ("OrderState", all(byte(OrderState::from_number))),
        ("RejectCode", all(RejectCode::from_number)),
    ] {
        assert_eq!(numbered(&tables[name]), numbers, "{name}");
    }
    for row in &tables["RejectCode"] {
        let code = RejectCode::from_number(row[0].parse().unwrap()).unwrap();
        assert_eq!((row[2] == "yes", row[3]), (code.is_retryable(), code.text()));
    }
}

#[test]
fn every_limit_stands_in_the_document() {
    let limits = [
        ("FRAME_PAYLOAD_BYTES_MAX", limits::FRAME_PAYLOAD_BYTES_MAX),
        ("COMMAND_BYTES_MAX", limits::COMMAND_BYTES_MAX),
        ("ORDER_LINES_MAX", limits::ORDER_LINES_MAX),
        ("CODE_BYTES_MAX", limits::CODE_BYTES_MAX),
        ("TRACKING_BYTES_MAX", limits::TRACKING_BYTES_MAX),
        ("CREDITS_MAX", limits::CREDITS_MAX as usize),
        ("SESSION_WINDOW", limits::SESSION_WINDOW as usize),
        ("SESSIONS_MAX", limits::SESSIONS_MAX),
    ];
    let tables = tables(DOC);
    let told: Vec<_> = tables["Limits"].iter().map(|row| (row[0], row[1].parse().unwrap())).collect();
    assert_eq!(told, limits);
}

/// A conversation in which every frame kind comes once: what is said, who says it, and its bytes.
fn conversation() -> Vec<(&'static str, Vec<u8>)> {
    let frame = |kind, payload: &[u8]| {
        let mut out = Vec::new();
        write_frame(&mut out, kind, payload);
        out
    };
    let hello = Hello {
        magic: HELLO_MAGIC,
        session: SessionId::new(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        token: std::array::from_fn(|index| index as u8),
        resume: 0,
        reserved: [0; 7],
    };
    let welcome = Welcome {
        last_request: U64::new(0),
        sequence: U64::new(1),
        session: SessionHandle::new(0),
        credits: U32::new(8_192),
        idle_ms_max: U32::new(30_000),
        reserved: U32::ZERO,
    };
    let seller =
        DefineSeller { commission_bp: U16::new(1_250), standing: 1, code_bytes: 4, reserved: [0; 4] };
    let place = PlaceOrder {
        order: OrderId::from_parts(1_800_000_000_000, 42),
        buyer: BuyerId::new(7),
        seller: SellerHandle::new(0),
        currency: CurrencyCode::new(826),
        line_count: U16::new(1),
    };
    let line = OrderLine { sku: SkuHandle::new(5), quantity: U32::new(2), unit_price: Amount::new(1_999) };
    let mut commands = Vec::new();
    let start = begin_frame(&mut commands);
    Command::DefineSeller(&seller, "acme").write(1, &mut commands);
    Command::PlaceOrder(&place, &[line]).write(2, &mut commands);
    finish_frame(&mut commands, start, FrameKind::Commands, 2);
    let reply = |request, outcome, code, sequence| ReplyHeader {
        bytes: U32::new(REPLY_HEADER_BYTES as u32),
        outcome: outcome as u8,
        state: 0,
        code: U16::new(code),
        request: U64::new(request),
        sequence: U64::new(sequence),
        detail: U64::new(5),
        subject: U32::ZERO,
        version: U32::ZERO,
    };
    let mut replies = Vec::new();
    let start = begin_frame(&mut replies);
    replies.extend_from_slice(reply(1, Outcome::Accepted, 0, 2).as_bytes());
    replies.extend_from_slice(reply(2, Outcome::Rejected, RejectCode::UnknownSku as u16, 2).as_bytes());
    finish_frame(&mut replies, start, FrameKind::Replies, 2);
    vec![
        ("client: hello", frame(FrameKind::Hello, hello.as_bytes())),
        ("server: welcome, 8,192 credits", frame(FrameKind::Welcome, welcome.as_bytes())),
        ("client: define seller acme (1), place an order of an unknown SKU (2)", commands),
        ("server: accepted (1), rejected with UnknownSku (2)", replies),
        ("server: ping", frame(FrameKind::Ping, &[])),
        ("client: pong", frame(FrameKind::Pong, &[])),
        (
            "server: close, Stopping",
            frame(FrameKind::Close, Close::because(CloseReason::Stopping).as_bytes()),
        ),
    ]
}

#[test]
fn the_golden_conversation_is_still_what_is_said() {
    let said: Vec<_> = conversation().into_iter().map(|(what, bytes)| (what.to_owned(), bytes)).collect();
    let told =
        hex_text("Version 1 of the wire: one conversation, one frame a paragraph. Never edited.", &said);
    assert!(told == GOLDEN, "the conversation is now:\n{told}");
}

#[test]
fn the_golden_conversation_is_still_understood() {
    let hex = GOLDEN.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    let bytes: Vec<u8> = hex.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    let mut rest = &bytes[..];
    let mut kinds = Vec::new();
    while let Some(frame) = Frame::read(rest).unwrap() {
        let mut payload = frame.payload;
        match frame.kind {
            FrameKind::Hello => assert_eq!(Hello::read(payload).unwrap().token[31], 31),
            FrameKind::Welcome => assert_eq!(Welcome::read(payload).unwrap().credits.get(), 8_192),
            FrameKind::Commands => {
                let first = RawCommand::take(&mut payload).unwrap();
                assert!(matches!(first.read(), Ok(Command::DefineSeller(_, "acme"))));
                let second = RawCommand::take(&mut payload).unwrap();
                let Ok(Command::PlaceOrder(place, lines)) = second.read() else { panic!("no placement") };
                assert_eq!((place.order.unix_ms(), lines[0].unit_price.minor()), (1_800_000_000_000, 1_999));
            }
            FrameKind::Replies => {
                assert!(Reply::take(&mut payload).unwrap().is_accepted());
                let code = Reply::take(&mut payload).unwrap().header.code.get();
                assert_eq!(RejectCode::from_number(code), Some(RejectCode::UnknownSku));
            }
            FrameKind::Close => assert_eq!(Close::read(payload).unwrap().reason.get(), 13),
            FrameKind::Ping | FrameKind::Pong => assert!(payload.is_empty()),
        }
        kinds.push(frame.kind as u8);
        rest = &rest[frame.bytes..];
    }
    assert_eq!((kinds, rest.len()), (vec![1, 2, 3, 4, 5, 6, 7], 0));
}
