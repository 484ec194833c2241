//! A whole conversation over the wire, kept for ever: every kind of frame comes once.

use orderline_protocol::command::{DefineSeller, OrderLine, PlaceOrder, RawCommand, Standing};
use orderline_protocol::frame::{
    self, Close, CloseReason, FRAME_HEADER_BYTES, Frame, FrameKind, HELLO_MAGIC, Hello, Welcome, begin_frame,
    finish_frame, write_frame,
};
use orderline_protocol::reply::{Outcome, REPLY_HEADER_BYTES, ReplyHeader};
use orderline_protocol::{
    Amount, BuyerId, Command, CurrencyCode, OrderId, RejectCode, Reply, SellerHandle, SessionHandle,
    SessionId, SkuHandle,
};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32, U64};

use crate::hex::{golden, is_golden, read};
use crate::seen::Seen;
use crate::tables::shape;

const FILE: &str = "conversation_v5.hex";

/// What is said, who says it, and its bytes. The client resumes a session, so that no field of a hello or a welcome
/// is zero; later another one opens a session, whose flags are the other way round.
fn conversation() -> Vec<(String, Vec<u8>)> {
    let frame = |kind, payload: &[u8]| {
        let mut out = Vec::new();
        write_frame(&mut out, kind, payload);
        out
    };
    let hello = Hello {
        magic: HELLO_MAGIC,
        session: SessionId::new(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        token: std::array::from_fn(|index| index as u8),
        resume: 1,
        refuse_when_busy: 0,
        reserved: [0; 6],
    };
    let impatient = Hello { resume: 0, refuse_when_busy: 1, ..hello };
    let welcome = Welcome {
        last_request: U64::new(40),
        sequence: U64::new(77),
        session: SessionHandle::new(3),
        credits: U32::new(8_192),
        idle_ms_max: U32::new(30_000),
        reserved: U32::ZERO,
    };
    let seller = DefineSeller {
        commission_bp: U16::new(1_250),
        standing: Standing::Active as u8,
        code_bytes: 4,
        expected_version: U32::ZERO,
    };
    let place = PlaceOrder {
        order: OrderId::from_parts(1_800_000_000_000, 42),
        buyer: BuyerId::new(7),
        seller: SellerHandle::new(0),
        currency: CurrencyCode::new(826),
        line_count: U16::new(1),
        region: U16::new(44),
        external_id_bytes: 0,
    };
    let line = OrderLine { sku: SkuHandle::new(5), quantity: U32::new(2), unit_price: Amount::new(1_999) };
    let mut commands = Vec::new();
    let start = begin_frame(&mut commands);
    Command::DefineSeller(&seller, "acme").write(41, &mut commands);
    Command::PlaceOrder(&place, &[line], "").write(42, &mut commands);
    finish_frame(&mut commands, start, FrameKind::Commands, 2);
    let reply = |request, outcome, code, detail, version| ReplyHeader {
        bytes: U32::new(REPLY_HEADER_BYTES as u32),
        outcome: outcome as u8,
        state: 0,
        code: U16::new(code),
        request: U64::new(request),
        sequence: U64::new(78),
        detail: U64::new(detail),
        subject: U32::ZERO,
        version: U32::new(version),
    };
    let mut replies = Vec::new();
    let start = begin_frame(&mut replies);
    replies.extend_from_slice(reply(41, Outcome::Accepted, 0, 0, 1).as_bytes());
    replies.extend_from_slice(reply(42, Outcome::Rejected, RejectCode::UnknownSku as u16, 5, 0).as_bytes());
    finish_frame(&mut replies, start, FrameKind::Replies, 2);
    let close = Close::because(CloseReason::Stopping);
    [
        ("client: hello, resuming a session", frame(FrameKind::Hello, hello.as_bytes())),
        (
            "server: welcome, the newest request is 40, 8,192 credits",
            frame(FrameKind::Welcome, welcome.as_bytes()),
        ),
        ("client: define seller acme (41), place an order of an unknown SKU (42)", commands),
        ("server: accepted (41), rejected with UnknownSku (42)", replies),
        ("server: ping", frame(FrameKind::Ping, &[])),
        ("client: pong", frame(FrameKind::Pong, &[])),
        ("server: close, Stopping", frame(FrameKind::Close, close.as_bytes())),
        (
            "client, on another connection: hello, would rather be refused than wait",
            frame(FrameKind::Hello, impatient.as_bytes()),
        ),
    ]
    .map(|(what, bytes)| (what.to_owned(), bytes))
    .to_vec()
}

#[test]
fn the_golden_conversation_is_still_what_is_said() {
    let said = conversation();
    is_golden(FILE, "Version 4 of the wire: one conversation, one frame a paragraph.", &said);
    let mut seen = Seen::default();
    for (_, bytes) in &said {
        let (header, payload) = bytes.split_at(FRAME_HEADER_BYTES);
        seen.note(shape("FrameHeader").unwrap(), header);
        match Frame::read(bytes).unwrap().unwrap().kind {
            FrameKind::Hello => seen.note(shape("Hello").unwrap(), payload),
            FrameKind::Welcome => seen.note(shape("Welcome").unwrap(), payload),
            FrameKind::Close => seen.note(shape("Close").unwrap(), payload),
            FrameKind::Commands | FrameKind::Replies | FrameKind::Ping | FrameKind::Pong => {}
        }
    }
    seen.expect_all(frame::SHAPE_TABLES);
}

#[test]
fn the_golden_conversation_is_still_understood() {
    let bytes: Vec<u8> = read(&golden(FILE)).into_iter().flat_map(|(_, bytes)| bytes).collect();
    let mut rest = &bytes[..];
    let mut kinds = Vec::new();
    while let Some(frame) = Frame::read(rest).unwrap() {
        let mut payload = frame.payload;
        match frame.kind {
            FrameKind::Hello => {
                let hello = Hello::read(payload).unwrap();
                let is_first = kinds.is_empty();
                assert_eq!((hello.token[31], hello.resume), (31, is_first.into()));
                assert_eq!(hello.refuse_when_busy, (!is_first).into());
            }
            FrameKind::Welcome => {
                let welcome = Welcome::read(payload).unwrap();
                assert_eq!((welcome.last_request.get(), welcome.credits.get()), (40, 8_192));
            }
            FrameKind::Commands => {
                let first = RawCommand::take(&mut payload).unwrap();
                assert!(matches!(first.read(), Ok(Command::DefineSeller(_, "acme"))));
                let second = RawCommand::take(&mut payload).unwrap();
                let Ok(Command::PlaceOrder(place, lines, _)) = second.read() else { panic!("no placement") };
                assert_eq!((place.order.unix_ms(), place.region.get()), (1_800_000_000_000, 44));
                assert_eq!(lines[0].unit_price.minor(), 1_999);
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
    assert_eq!((kinds, rest.len()), (vec![1, 2, 3, 4, 5, 6, 7, 1], 0));
}
