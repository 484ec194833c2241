//! Whatever comes over TCP: a typed answer or a typed close, nothing journalled, and nobody else disturbed.

use orderline_protocol::command::{CommandKind, OrderLine, PlaceOrder};
use orderline_protocol::frame::{CloseReason, FrameKind, WIRE_VERSION, write_frame};
use orderline_protocol::limits::{LINE_QUANTITY_MAX, ORDER_LINES_MAX, UNIT_PRICE_MINOR_MAX};
use orderline_protocol::{Amount, Command, CurrencyCode, RejectCode, SellerHandle, SessionId, SkuHandle};

use crate::recovery::verified;
use crate::support::raw::{Said, commands, hello};
use crate::support::server::NO_SNAPSHOTS;
use crate::support::shop::{CURRENCY, status};
use crate::support::{RawConnection, Server, Shop, seed};

/// A server with a shop, and a client that must notice nothing.
struct House {
    server: Server,
    shop: Shop,
    witness: orderline_client::Client,
    orders: u128,
    directory: tempfile::TempDir,
}

impl House {
    fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Long enough for whoever means well, on a machine that may be busy.
        let config = format!("{NO_SNAPSHOTS}[gateway]\nhello_deadline_ms = 2000\nframe_deadline_ms = 2000\n");
        let server = Server::start(&directory.path().join("data"), &config);
        let mut witness = server.client();
        let shop = Shop::open(&mut witness);
        Self { server, shop, witness, orders: 0, directory }
    }

    /// The last sequence: what is journalled.
    fn sequence(&mut self) -> u64 {
        status(&mut self.witness).1
    }

    /// That the witness goes on over its one connection.
    fn is_undisturbed(&mut self) {
        let ids = self.orders + 1..=self.orders + 10;
        self.shop.place(&mut self.witness, ids.map(|id| id << 64));
        self.orders += 10;
        assert_eq!(self.witness.reconnects(), 0);
    }

    /// The end: all is in the journal that the witness placed, and nothing else.
    fn close(mut self) {
        let (found, _) = status(&mut self.witness);
        assert_eq!(u128::from(found.orders_total.get()), self.orders);
        self.server.stop();
        verified(&self.directory.path().join("data"));
    }
}

/// A frame whose header says what it likes.
fn frame_with(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = hello(SessionId::new(5));
    change(&mut frame);
    frame
}

/// The checksum is right again.
fn summed(frame: &mut [u8]) {
    let checksum = crc32c::crc32c(&frame[8..]);
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn bytes_that_are_no_hello_are_closed_with_their_reason() {
    let mut house = House::open();
    let before = house.sequence();
    let mut ping = Vec::new();
    write_frame(&mut ping, FrameKind::Ping, &[]);
    let mut empty_hello = Vec::new();
    write_frame(&mut empty_hello, FrameKind::Hello, &[]);
    for (what, bytes, reason) in [
        (
            "another protocol",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
            CloseReason::FrameTooLarge,
        ),
        ("an oversized length", frame_with(|frame| frame[2] = 0xff), CloseReason::FrameTooLarge),
        ("version 1", frame_with(|frame| frame[9] = 1), CloseReason::Version),
        ("version 2", frame_with(|frame| frame[9] = 2), CloseReason::Version),
        ("a version to come", frame_with(|frame| frame[9] = WIRE_VERSION + 1), CloseReason::Version),
        ("a wrong checksum", frame_with(|frame| frame[5] ^= 0x10), CloseReason::Checksum),
        ("a flipped payload", frame_with(|frame| frame[40] ^= 1), CloseReason::Checksum),
        (
            "an unknown kind",
            frame_with(|frame| {
                frame[8] = 99;
                summed(frame);
            }),
            CloseReason::FrameKind,
        ),
        (
            "another magic",
            frame_with(|frame| {
                frame[16] = b'X';
                summed(frame);
            }),
            CloseReason::Malformed,
        ),
        ("a hello without a payload", empty_hello, CloseReason::Malformed),
        ("commands before the hello", commands(&[0; 16], 1), CloseReason::HelloExpected),
        ("a ping before the hello", ping, CloseReason::HelloExpected),
        ("the beginning of a hello", hello(SessionId::new(5))[..30].to_vec(), CloseReason::HelloDeadline),
        ("nothing", Vec::new(), CloseReason::HelloDeadline),
    ] {
        let mut connection = RawConnection::open(house.server.addr);
        connection.send(&bytes);
        assert_eq!(connection.closed(), reason, "{what}");
        house.is_undisturbed();
    }
    assert_eq!(house.sequence(), before + house.orders as u64, "only the witness's orders are journalled");
    house.close();
}

#[test]
fn random_bytes_end_in_a_close_and_never_in_a_reply() {
    let seed = seed();
    let mut house = House::open();
    let mut rng = <rand::rngs::SmallRng as rand::SeedableRng>::seed_from_u64(seed);
    for round in 0..40 {
        let mut bytes = vec![0; rand::RngExt::random_range(&mut rng, 16..600)];
        rand::Rng::fill_bytes(&mut rng, &mut bytes);
        // Every other time behind a good hello, so that the second state is met, too.
        let is_welcomed = round % 2 == 0;
        let mut connection = RawConnection::open(house.server.addr);
        if is_welcomed {
            connection.send(&hello(SessionId::new(6)));
            assert!(matches!(connection.next(), Said::Frame(FrameKind::Welcome, ..)), "seed {seed}");
        }
        connection.send(&bytes);
        connection.end_sending();
        match connection.next() {
            Said::End | Said::Frame(FrameKind::Close, ..) => {}
            said => panic!("seed {seed}, round {round}: {said:?}"),
        }
    }
    house.is_undisturbed();
    house.close();
    let mut proof = crate::proof::Proof::of(18, "random bytes before and behind the welcome, a real server");
    proof.ran(40);
    proof.end();
}

#[test]
fn frames_cut_short_leave_nothing_behind() {
    let mut house = House::open();
    let order = house.shop.order(77, 1);
    let mut bytes = Vec::new();
    Command::PlaceOrder(&order, &[house.shop.line(0, 1)], "").write(1, &mut bytes);
    let frame = commands(&bytes, 1);
    let cuts = [1, 15, 16, 40, frame.len() - 1];
    for cut in cuts {
        let (mut connection, _) = RawConnection::welcomed(house.server.addr, SessionId::new(8));
        connection.send(&frame[..cut]);
        connection.end_sending();
        assert!(matches!(connection.next(), Said::End | Said::Frame(FrameKind::Close, ..)), "cut at {cut}");
    }
    // The same, and the senders stay: their time for the frame runs out.
    let staying: Vec<_> = (80..)
        .zip(cuts)
        .map(|(session, cut)| {
            let (mut connection, _) = RawConnection::welcomed(house.server.addr, SessionId::new(session));
            connection.send(&frame[..cut]);
            (cut, connection)
        })
        .collect();
    for (cut, mut connection) in staying {
        assert_eq!(connection.closed(), CloseReason::FrameDeadline, "cut at {cut}");
    }
    house.is_undisturbed();
    house.close();
}

#[test]
fn frames_that_lie_about_their_commands_are_closed() {
    let mut house = House::open();
    let order = house.shop.order(77, 1);
    let command = |request| {
        let mut bytes = Vec::new();
        Command::PlaceOrder(&order, &[house.shop.line(0, 1)], "").write(request, &mut bytes);
        bytes
    };
    let odd = |change: fn(&mut Vec<u8>)| {
        let mut bytes = command(1);
        change(&mut bytes);
        bytes
    };
    for (what, frame, reason) in [
        ("more than it says", commands(&[command(1), command(2)].concat(), 1), CloseReason::Malformed),
        ("fewer than it says", commands(&command(1), 2), CloseReason::Malformed),
        ("no command", commands(&[], 0), CloseReason::Malformed),
        ("falling numbers", commands(&[command(2), command(1)].concat(), 2), CloseReason::Malformed),
        ("request 0", commands(&command(0), 1), CloseReason::Malformed),
        ("a length beyond the frame", commands(&odd(|bytes| bytes[1] = 9), 1), CloseReason::Malformed),
        ("an odd length", commands(&odd(|bytes| bytes[0] += 1), 1), CloseReason::Malformed),
        ("a length of 0", commands(&odd(|bytes| bytes[..4].fill(0)), 1), CloseReason::Malformed),
        ("a second hello", hello(SessionId::new(9)), CloseReason::HelloExpected),
    ] {
        let (mut connection, _) = RawConnection::welcomed(house.server.addr, SessionId::new(9));
        connection.send(&frame);
        assert_eq!(connection.closed(), reason, "{what}");
    }
    house.is_undisturbed();
    house.close();
}

#[test]
fn orders_that_cannot_be_are_rejected_with_a_code_and_not_journalled() {
    let mut house = House::open();
    let other_currency = {
        let catalogue = [("imported", CurrencyCode::new(978))];
        let [(code, currency)] = catalogue;
        orderline_client::catalogue::skus(&mut house.witness, house.shop.seller, currency, [code]).unwrap()[0]
    };
    let (mut connection, _) = RawConnection::welcomed(house.server.addr, SessionId::new(10));
    let before = house.sequence();
    let shop = &house.shop;
    let priced = |minor| OrderLine { unit_price: Amount::new(minor), ..shop.line(1, 1) };
    let of_sku = |sku| OrderLine { sku, ..shop.line(0, 1) };
    let order = |line_count| shop.order(1_000, line_count);
    let cases: Vec<(RejectCode, PlaceOrder, Vec<OrderLine>)> = vec![
        (RejectCode::UnknownSku, order(1), vec![of_sku(SkuHandle::new(4_000_000_000))]),
        (RejectCode::UnknownSku, order(2), vec![shop.line(0, 1), of_sku(SkuHandle::NONE)]),
        (RejectCode::ZeroQuantity, order(1), vec![shop.line(0, 0)]),
        (RejectCode::QuantityTooLarge, order(1), vec![shop.line(0, LINE_QUANTITY_MAX + 1)]),
        (RejectCode::QuantityTooLarge, order(1), vec![shop.line(0, u32::MAX)]),
        (RejectCode::QuantityTooLarge, order(2), vec![shop.line(0, LINE_QUANTITY_MAX), shop.line(0, 1)]),
        (RejectCode::InsufficientStock, order(1), vec![shop.line(0, LINE_QUANTITY_MAX)]),
        (RejectCode::InvalidPrice, order(1), vec![priced(0)]),
        (RejectCode::InvalidPrice, order(1), vec![priced(i64::MIN)]),
        (RejectCode::PriceTooLarge, order(1), vec![priced(UNIT_PRICE_MINOR_MAX + 1)]),
        (RejectCode::PriceTooLarge, order(1), vec![priced(i64::MAX)]),
        (
            RejectCode::TotalTooLarge,
            order(1),
            vec![OrderLine { quantity: 1_000_000.into(), ..priced(UNIT_PRICE_MINOR_MAX) }],
        ),
        (RejectCode::MixedCurrencies, order(2), vec![shop.line(0, 1), of_sku(other_currency)]),
        (
            RejectCode::UnknownCurrency,
            PlaceOrder { currency: CurrencyCode::NONE, ..order(1) },
            vec![shop.line(0, 1)],
        ),
        (
            RejectCode::UnknownSeller,
            PlaceOrder { seller: SellerHandle::NONE, ..order(1) },
            vec![shop.line(0, 1)],
        ),
        (RejectCode::InvalidOrderId, shop.order(0, 1), vec![shop.line(0, 1)]),
        (RejectCode::NoLines, order(0), vec![]),
        (RejectCode::TooManyLines, order(ORDER_LINES_MAX + 1), vec![shop.line(0, 1); ORDER_LINES_MAX + 1]),
        (RejectCode::Malformed, order(3), vec![shop.line(0, 1)]),
        (RejectCode::Malformed, order(0), vec![shop.line(0, 1)]),
    ];
    for (index, (code, head, lines)) in cases.iter().enumerate() {
        let reply = connection.ask(index as u64 + 1, &Command::PlaceOrder(head, lines, ""));
        assert_eq!(RejectCode::from_number(reply.code.get()), Some(*code), "case {index}");
        assert_eq!((reply.outcome, reply.sequence.get()), (3, before), "case {index}");
    }
    // A kind that nobody knows, between commands that somebody does.
    let mut unknown = Vec::new();
    Command::PlaceOrder(&order(1), &[shop.line(0, 1)], "").write(50, &mut unknown);
    assert_eq!(unknown[4], CommandKind::PlaceOrder as u8);
    unknown[4] = 63;
    assert_eq!(connection.ask_bytes(&unknown).code, RejectCode::UnknownKind as u16);
    assert_eq!(shop.order(1, 1).currency, CURRENCY);

    assert_eq!(house.sequence(), before, "nothing was journalled");
    house.is_undisturbed();
    house.close();
}
