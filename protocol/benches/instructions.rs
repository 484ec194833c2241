//! Cases of writing and reading frames of placements and of replies, each run once, for a program that counts
//! instructions: see `benches/instructions.sh`.
//!
//! `cargo bench -p orderline-protocol --bench instructions -- CASE`; without a case all are run, with `--list` they are named.

#![allow(clippy::print_stdout)] // A bench tells what it ran.

use std::hint::black_box;

use orderline_protocol::command::{OrderLine, PlaceOrder, RawCommand};
use orderline_protocol::frame::{Frame, FrameKind, begin_frame, finish_frame};
use orderline_protocol::reply::{Outcome, REPLY_HEADER_BYTES, Reply, ReplyHeader};
use orderline_protocol::{Amount, BuyerId, Command, CurrencyCode, OrderId, SellerHandle, SkuHandle};
use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32, U64};

/// Commands or replies of a case.
const COUNT: u64 = 20_480;

/// What a case counts.
#[derive(Clone, Copy)]
enum What {
    EncodeCommands,
    DecodeCommands,
    EncodeReplies,
    DecodeReplies,
}

/// A name, commands or replies in a frame, and what is counted.
const CASES: [(&str, u64, What); 8] = [
    ("encode_commands_256", 256, What::EncodeCommands),
    ("encode_commands_1", 1, What::EncodeCommands),
    ("decode_commands_256", 256, What::DecodeCommands),
    ("decode_commands_1", 1, What::DecodeCommands),
    ("encode_replies_256", 256, What::EncodeReplies),
    ("encode_replies_1", 1, What::EncodeReplies),
    ("decode_replies_256", 256, What::DecodeReplies),
    ("decode_replies_1", 1, What::DecodeReplies),
];

fn main() {
    let argument = std::env::args().skip(1).find(|argument| argument != "--bench");
    let is_list = argument.as_deref() == Some("--list");
    let chosen = argument.filter(|_| !is_list);
    for (name, per_frame, what) in CASES {
        if is_list {
            println!("{name}");
        } else if chosen.as_deref().is_none_or(|chosen| chosen == name) {
            run(per_frame, what);
            println!("{name} {COUNT}");
        }
    }
}

fn run(per_frame: u64, what: What) {
    let mut bytes = Vec::with_capacity(8 << 20);
    match what {
        What::EncodeCommands => counted(|| encode_commands(&mut bytes, per_frame)),
        What::DecodeCommands => {
            encode_commands(&mut bytes, per_frame);
            counted(|| decode_commands(&bytes));
        }
        What::EncodeReplies => counted(|| encode_replies(&mut bytes, per_frame)),
        What::DecodeReplies => {
            encode_replies(&mut bytes, per_frame);
            counted(|| decode_replies(&bytes));
        }
    }
    black_box(bytes);
}

/// What is counted.
#[inline(never)]
fn counted(work: impl FnOnce()) {
    work();
}

fn encode_commands(out: &mut Vec<u8>, per_frame: u64) {
    for first in (0..COUNT).step_by(per_frame as usize) {
        let start = begin_frame(out);
        for number in first..first + per_frame {
            let (head, lines) = placement(number);
            Command::PlaceOrder(&head, &lines, "").write(number + 1, out);
        }
        finish_frame(out, start, FrameKind::Commands, per_frame as u16);
    }
}

fn placement(number: u64) -> (PlaceOrder, [OrderLine; 4]) {
    let line = |index: u64| OrderLine {
        sku: SkuHandle::new((number * 4 + index) as u32 % 100_000),
        quantity: U32::new(1),
        unit_price: Amount::new(999),
    };
    let head = PlaceOrder {
        order: OrderId::from_parts(1_800_000_000_000, number.into()),
        buyer: BuyerId::new(number),
        seller: SellerHandle::new(0),
        currency: CurrencyCode::new(826),
        line_count: U16::new(4),
        region: 0.into(),
        external_id_bytes: 0,
    };
    (head, [line(0), line(1), line(2), line(3)])
}

fn decode_commands(mut bytes: &[u8]) {
    let mut count = 0;
    while let Some(frame) = Frame::read(bytes).expect("whole") {
        let mut payload = frame.payload;
        while !payload.is_empty() {
            let raw = RawCommand::take(&mut payload).expect("whole");
            black_box(raw.read().expect("whole"));
            count += 1;
        }
        bytes = &bytes[frame.bytes..];
    }
    assert_eq!(count, COUNT);
}

fn encode_replies(out: &mut Vec<u8>, per_frame: u64) {
    for first in (0..COUNT).step_by(per_frame as usize) {
        let start = begin_frame(out);
        for number in first..first + per_frame {
            let header = ReplyHeader {
                bytes: U32::new(REPLY_HEADER_BYTES as u32),
                outcome: Outcome::Accepted as u8,
                state: 1,
                code: U16::ZERO,
                request: U64::new(number + 1),
                sequence: U64::new(number + 1),
                detail: U64::ZERO,
                subject: U32::ZERO,
                version: U32::new(1),
            };
            out.extend_from_slice(header.as_bytes());
        }
        finish_frame(out, start, FrameKind::Replies, per_frame as u16);
    }
}

fn decode_replies(mut bytes: &[u8]) {
    let mut count = 0;
    while let Some(frame) = Frame::read(bytes).expect("whole") {
        let mut payload = frame.payload;
        while !payload.is_empty() {
            black_box(Reply::take(&mut payload).expect("whole"));
            count += 1;
        }
        bytes = &bytes[frame.bytes..];
    }
    assert_eq!(count, COUNT);
}
