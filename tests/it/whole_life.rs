//! One order's whole life over TCP: reserved, checked out beside another seller's, paid, shipped, returned, refunded, paid
//! out; then what happens by itself on a running server: expiry, and leaving memory.

use std::path::Path;

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::*;
use orderline_protocol::reply::TransitionView;
use orderline_protocol::{Amount, Command, GroupId, LocationHandle, OrderId, RejectCode, ReservationId};
use serde_json::Value;

use crate::support::Server;
use crate::support::desk::{BUYER, Desk, cancelling, confirmation, line, payout, returning, units};
use crate::support::program::orderline;
use crate::support::server::{NO_SNAPSHOTS, SMALL};
use crate::support::shop::{CURRENCY, status};

/// The cart: 3 tea at 19.99 and 2 cups at 2.50 of Acme, 2 spoons at 1.25 of Zest.
const ACME_MINOR: i64 = 3 * 1_999 + 2 * 250;
const ZEST_MINOR: i64 = 2 * 125;

/// When the money was taken, as the payment service says.
const CAPTURED_US: i64 = 1_700_000_000_250_000;
const CAPTURED: &str = "2023-11-14T22:13:20.250000Z";

/// The ids of one life.
struct Story {
    reservation: ReservationId,
    group: GroupId,
    order: OrderId,
    beside: OrderId,
}

/// Kinds of the events that `inspect` shows of an id, in their order.
fn kinds(data: &Path, id: &str) -> Vec<String> {
    let ran = orderline(["inspect", "--data", data.to_str().unwrap(), "--order", id]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let records: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sequences: Vec<u64> = records.iter().map(|record| record["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.is_sorted(), "{sequences:?}");
    records.iter().map(|record| record["kind"].as_str().unwrap().to_owned()).collect()
}

/// The entries of a seller's ledger: kind, amount, state, and when it happened, each with the order that it is of.
fn entries(data: &Path, seller: &str) -> Vec<(String, i64, String, Value, Value)> {
    let ran = orderline(["inspect", "--data", data.to_str().unwrap(), "--ledger", seller]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let entry = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["currency"], "GBP", "{line}");
        assert!(line["sequence"].as_u64() > Some(0) && line["recorded_at"].is_string(), "{line}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let amount = line["amount_minor"].as_i64().unwrap();
        let (kind, standing) = (text(&line["kind"]), text(&line["state"]));
        (kind, amount, standing, line["happened_at"].take(), line["order"].take())
    };
    ran.stdout.lines().map(entry).collect()
}

/// The ledgers of the life's two sellers: entry by entry, and in sum.
fn is_booked(data: &Path, story: &Story, is_paid_out: bool) {
    let (order, beside) = (Value::from(story.order.to_string()), Value::from(story.beside.to_string()));
    let taken = Value::from(CAPTURED);
    let commission = ACME_MINOR * 1_250 / 10_000;
    let row = |kind: &str, amount: i64, standing: &str, at: &Value, of: &Value| {
        (kind.to_owned(), amount, standing.to_owned(), at.clone(), of.clone())
    };
    let standing = if is_paid_out { "paid" } else { "accrued" };
    let mut acme = vec![
        row("sale", ACME_MINOR, standing, &taken, &order),
        row("commission", -commission, standing, &taken, &order),
    ];
    if is_paid_out {
        let kept = (ACME_MINOR - 1_999) * 1_250 / 10_000;
        acme.push(row("refund", -1_999, "paid", &Value::Null, &order));
        acme.push(row("commission reversal", commission - kept, "paid", &Value::Null, &order));
        acme.push(row("payout", kept + 1_999 - ACME_MINOR, "paid", &Value::Null, &Value::Null));
    }
    assert_eq!(entries(data, "acme"), acme);
    let standing = if is_paid_out { "payable" } else { "accrued" };
    let mut zest = entries(data, "zest");
    assert_eq!(zest.remove(0), row("sale", ZEST_MINOR, standing, &taken, &beside));
    assert!(zest.iter().all(|entry| entry.0 == "commission" && entry.2 == standing), "{zest:?}");
}

/// That every invariant holds behind every record.
fn is_sound_throughout(data: &Path) -> Value {
    let ran = orderline(["verify", "--json", "--check-every", "1", "--data", data.to_str().unwrap()]);
    let report = ran.well();
    assert_eq!((&report["ok"], &report["violations"]), (&true.into(), &Value::Array(vec![])), "{report}");
    assert_eq!(report["checks"], report["records"], "{report}");
    report
}

#[test]
fn an_order_lives_its_whole_life() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, SMALL);
    let mut desk = Desk::open(server.client());
    let (store, depot) = (desk.store, desk.depot);
    for (sku, location, quantity) in [(desk.tea, store, 10), (desk.cups, store, 5), (desk.spoons, depot, 4)] {
        desk.receive(sku, location, quantity);
    }
    let story = Story {
        reservation: ReservationId::new(desk.new_id().get()),
        group: GroupId::new(desk.new_id().get()),
        order: desk.new_id(),
        beside: desk.new_id(),
    };
    is_checked_out(&mut desk, &story);
    is_paid(&mut desk, &story);
    is_booked(&data, &story, false);
    is_shipped(&mut desk, &story);
    is_returned(&mut desk, &story);
    is_paid_out(&mut desk, &story);

    let views = |desk: &mut Desk| {
        let (acme, zest) = (desk.acme, desk.zest);
        let Story { reservation, group, order, beside } = story;
        let queries = [
            Command::QueryOrder(&QueryOrder { order }),
            Command::QueryOrder(&QueryOrder { order: beside }),
            Command::QueryGroup(&QueryGroup { group }),
            Command::QueryReservation(&QueryReservation { reservation }),
            Command::QueryLedger(&QueryLedger { seller: acme, currency: CURRENCY, reserved: [0; 2] }),
            Command::QueryLedger(&QueryLedger { seller: zest, currency: CURRENCY, reserved: [0; 2] }),
            Command::QueryStock(&QueryStock { sku: desk.tea, location: LocationHandle::NONE }),
            Command::QuerySettings(&QuerySettings { reserved: [0; 8] }),
        ];
        queries.map(|query| {
            let reply = desk.send(&query);
            assert_eq!(reply.header.code, 0, "{:?}", reply.header);
            (reply.header.state, reply.header.version.get(), reply.view)
        })
    };
    let before = views(&mut desk);
    server.kill();
    let server = Server::start(&data, SMALL);
    // The shops are there, so opening them again changes nothing.
    assert_eq!(views(&mut Desk::open(server.client())), before, "a restart gives the same views");
    server.stop();

    is_booked(&data, &story, true);
    let nobody = orderline(["inspect", "--data", data.to_str().unwrap(), "--ledger", "nobody"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(2), ""), "{nobody:?}");
    let report = is_sound_throughout(&data);
    assert_eq!((&report["orders_total"], &report["orders_open"]), (&2.into(), &0.into()));
    let life = [
        "GroupPlaced",
        "HoldPlaced",
        "HoldReleased",
        "PaymentAuthorized",
        "OrderConfirmed",
        "PaymentCaptured",
        "WorkUpdated",
        "WorkUpdated",
        "ShipmentMade",
        "ShipmentMade",
        "ShipmentUpdated",
        "ShipmentUpdated",
        "ShipmentUpdated",
        "ReturnRequested",
        "ReturnUpdated",
        "ReturnReceived",
        "RefundRequested",
        "RefundSettled",
        "ReturnUpdated",
        "HoldPlaced",
        "HoldReleased",
    ];
    assert_eq!(kinds(&data, &story.order.to_string()), life);
    let cart = ["CartReserved", "ReservationExtended", "GroupPlaced"];
    assert_eq!(kinds(&data, &story.reservation.to_string()), cart);
}

fn is_checked_out(desk: &mut Desk, story: &Story) {
    let (store, tea, cups, spoons) = (desk.store, desk.tea, desk.cups, desk.spoons);
    let first_expiry = desk.reserve(story.reservation, 600, &[(tea, 3), (cups, 2), (spoons, 2)]);
    let held = desk.reservation(story.reservation);
    assert_eq!((held.state, held.expires_at_us.get()), (ReservationState::Held as u8, first_expiry));
    assert_eq!(desk.level(tea, store), (7, 3, 0));
    let extension = ExtendReservation {
        reservation: story.reservation,
        expected_version: 1.into(),
        seconds: 1_200.into(),
    };
    let extended = desk.run(&Command::ExtendReservation(&extension)) as i64;
    assert!(extended >= first_expiry + 600_000_000, "{first_expiry} and then {extended}");
    // Who has seen the first version only is told.
    assert_eq!(desk.refused(&Command::ExtendReservation(&extension)), RejectCode::VersionMismatch);

    let head = CheckOut {
        expected_version: 0.into(),
        group: story.group,
        reservation: story.reservation,
        buyer: BUYER,
        currency: CURRENCY,
        order_count: 2.into(),
        line_count: 3.into(),
        region: 44.into(),
        external_id_bytes: 0,
    };
    let order = |order, seller, line_count: u16| GroupOrder {
        order,
        seller,
        line_count: line_count.into(),
        reserved: [0; 2],
    };
    let orders = [order(story.order, desk.acme, 2), order(story.beside, desk.zest, 1)];
    let lines = [line(tea, 3, 1_999), line(cups, 2, 250), line(spoons, 2, 125)];
    let total = desk.run(&Command::CheckOut(&head, &orders, &lines, "")) as i64;
    assert_eq!(total, ACME_MINOR + ZEST_MINOR);
    assert_eq!(desk.reservation(story.reservation).state, ReservationState::Consumed as u8);
    assert_eq!(desk.level(tea, store), (7, 3, 0), "what was reserved only changes its owner");
    let seen = desk.order(story.order);
    let view = seen.parts();
    assert_eq!((seen.state(), view.head.group), (OrderState::Pending as u8, story.group));
    assert_eq!(view.lines.iter().map(|line| line.counters.reserved.get()).collect::<Vec<_>>(), [3, 2]);

    let hold = desk.hold(story.order, HoldKind::Fraud as u8, blocks::CONFIRM, 0);
    assert_eq!(desk.refused(&Command::ConfirmOrder(&confirmation(story.order))), RejectCode::OnHold);
    assert_eq!(desk.order(story.order).parts().head.blocked, blocks::CONFIRM);
    desk.release_hold(story.order, hold);
}

fn is_paid(desk: &mut Desk, story: &Story) {
    let total = ACME_MINOR + ZEST_MINOR;
    desk.authorize(story.group, total, 600_000);
    let group = desk.group(story.group);
    assert_eq!((group.payment_state, group.authorized.minor()), (PaymentState::Authorized as u8, total));
    assert_eq!(desk.order(story.order).parts().head.payment_status, PaymentStatus::Authorized as u8);
    desk.confirm(story.order);
    desk.confirm(story.beside);
    assert_eq!(desk.level(desk.tea, desk.store), (7, 0, 3), "committed");
    let capture = RecordCapture {
        happened_at_us: CAPTURED_US.into(),
        group: story.group,
        order: OrderId::new(0),
        amount: Amount::new(total),
        reference: 901.into(),
        expected_version: 0.into(),
        reserved: [0; 4],
    };
    assert_eq!(desk.run(&Command::RecordCapture(&capture)) as i64, total);
    let group = desk.group(story.group);
    assert_eq!((group.payment_state, group.captured.minor()), (PaymentState::Captured as u8, total));
    for (order, minor) in [(story.order, ACME_MINOR), (story.beside, ZEST_MINOR)] {
        let seen = desk.order(order);
        let head = seen.parts().head;
        assert_eq!((head.captured.minor(), head.payment_status), (minor, PaymentStatus::Paid as u8));
    }
    let ledger = desk.ledger(desk.acme);
    let commission = ACME_MINOR * 1_250 / 10_000;
    assert_eq!((ledger.sales.minor(), ledger.commissions.minor()), (ACME_MINOR, commission));
    assert_eq!((ledger.accrued.minor(), ledger.payable.minor()), (ACME_MINOR - commission, 0));
}

fn is_shipped(desk: &mut Desk, story: &Story) {
    let (store, depot, order) = (desk.store, desk.depot, story.order);
    let work = |desk: &mut Desk| {
        let seen = desk.order(order);
        seen.parts().works.iter().map(|work| (work.location, work.state)).collect::<Vec<_>>()
    };
    assert_eq!(work(desk), [(store, WorkState::Open as u8)]);
    desk.work(order, store, WorkStep::Accept);
    desk.work(order, store, WorkStep::Start);
    let packed = desk.pack(order, store, &[units(0, 3)], false);
    assert_eq!(work(desk), [(store, WorkState::InProgress as u8)]);
    let sent = desk.pack(order, store, &[], true);
    assert_eq!((packed, sent), (1, 2));
    let seen = desk.order(order);
    assert_eq!(seen.parts().head.fulfilment_status, FulfilmentStatus::PartiallyFulfilled as u8);
    desk.package(order, packed, ShipmentStep::Send);
    assert_eq!(work(desk), [(store, WorkState::Closed as u8)]);
    assert_eq!(desk.level(desk.tea, store), (7, 0, 0), "gone");
    desk.package(order, packed, ShipmentStep::Deliver);
    assert_eq!(desk.order(order).state(), OrderState::Confirmed as u8, "one package is on its way");
    desk.package(order, sent, ShipmentStep::Deliver);
    let seen = desk.order(order);
    assert_eq!(seen.state(), OrderState::Completed as u8);
    let view = seen.parts();
    assert_eq!(view.head.fulfilment_status, FulfilmentStatus::Fulfilled as u8);
    assert!(view.lines.iter().all(|line| line.counters.delivered == line.line.quantity));
    assert_eq!(&view.shipments[0].tracking[..13], b"RM123456785GB");

    let all = desk.pack(story.beside, LocationHandle::NONE, &[], true);
    assert_eq!(desk.level(desk.spoons, depot), (2, 0, 0));
    desk.package(story.beside, all, ShipmentStep::Deliver);
    assert_eq!(desk.order(story.beside).state(), OrderState::Completed as u8);
}

/// One tea comes back and is sold again.
fn is_returned(desk: &mut Desk, story: &Story) {
    let order = story.order;
    let number = desk.run(&Command::RequestReturn(&returning(order, 1), &[units(0, 1)])) as u16;
    assert_eq!(desk.order(order).parts().head.return_status, ReturnStatus::InProgress as u8);
    desk.return_step(order, number, ReturnStep::Approve);
    let receipt = ReceiveReturn {
        happened_at_us: 0.into(),
        order,
        expected_version: 0.into(),
        return_number: number.into(),
        location: desk.store,
        line_count: 1.into(),
        reserved: [0; 6],
    };
    let came = [ReturnedUnits {
        line: 0.into(),
        disposition: Disposition::Restock as u8,
        reserved: 0,
        quantity: 1.into(),
    }];
    assert_eq!(desk.run(&Command::ReceiveReturn(&receipt, &came)), 1_999);
    assert_eq!(desk.level(desk.tea, desk.store), (8, 0, 0), "for sale again");
    assert_eq!(desk.order(order).parts().head.refund_owed.minor(), 1_999);
    let request = RequestRefund {
        happened_at_us: 0.into(),
        order,
        amount: Amount::new(1_999),
        expected_version: 0.into(),
        reason: 6.into(),
        reserved: [0; 2],
    };
    let refund = desk.run(&Command::RequestRefund(&request)) as u16;
    let settlement = SettleRefund {
        happened_at_us: 0.into(),
        order,
        reference: 902.into(),
        expected_version: 0.into(),
        refund: refund.into(),
        outcome: RefundOutcome::Succeeded as u8,
        reserved: 0,
    };
    assert_eq!(desk.run(&Command::SettleRefund(&settlement)), 1_999);
    desk.return_step(order, number, ReturnStep::Close);
    let seen = desk.order(order);
    let view = seen.parts();
    assert_eq!((view.head.total.minor(), view.head.refunded.minor()), (ACME_MINOR - 1_999, 1_999));
    assert_eq!(view.head.payment_status, PaymentStatus::PartiallyRefunded as u8);
    assert_eq!(view.head.return_status, ReturnStatus::PartiallyReturned as u8);
    assert_eq!(view.head.refund_owed.minor(), 0);
    assert_eq!(view.refunds[0].state, RefundState::Succeeded as u8);
    assert_eq!(
        (view.returns[0].state, view.lines[0].counters.returned.get()),
        (ReturnState::Closed as u8, 1)
    );
}

fn is_paid_out(desk: &mut Desk, story: &Story) {
    let acme = desk.acme;
    let kept = (ACME_MINOR - 1_999) * 1_250 / 10_000;
    let payable = ACME_MINOR - 1_999 - kept;
    let ledger = desk.ledger(acme);
    assert_eq!((ledger.accrued.minor(), ledger.payable.minor()), (0, payable));
    assert_eq!(ledger.commissions.minor() - ledger.reversals.minor(), kept);
    let too_much = desk.refused(&Command::RecordPayout(&payout(acme, payable + 1)));
    assert_eq!(too_much, RejectCode::AmountTooLarge);
    assert_eq!(desk.run(&Command::RecordPayout(&payout(acme, payable))), 0, "nothing is left to be paid");
    let ledger = desk.ledger(acme);
    assert_eq!((ledger.payable.minor(), ledger.paid.minor()), (0, payable));
    assert_eq!(ledger.entry_count.get(), 5, "a sale, a commission, a refund, a reversal, a payout");

    // An order that is finished can be held, too.
    let version = desk.order(story.order).version();
    let hold = desk.hold(story.order, HoldKind::Manual as u8, blocks::REFUND, 0);
    assert_eq!(hold, 2);
    desk.release_hold(story.order, hold);
    assert_eq!(desk.order(story.order).version(), version + 2);
}

#[test]
fn the_transition_table_is_answered_as_it_is_printed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), SMALL);
    let mut desk = Desk::open(server.client());
    let printed = orderline(["explain", "--json"]).well();
    let printed = printed["transitions"].as_array().unwrap();
    let mut ask = |entity: u8| {
        let reply = desk.send(&Command::QueryTransitions(&QueryTransitions { entity, reserved: [0; 7] }));
        assert_eq!(reply.header.code, 0, "{:?}", reply.header);
        let row = |row: &TransitionView| {
            let entity = Entity::from_number(row.entity).unwrap();
            let to: Vec<&str> = row.targets().iter().map(|&to| entity.state_name(to)).collect();
            serde_json::json!({
                "entity": entity.name(), "from": entity.state_name(row.from),
                "action": Action::from_number(row.action).unwrap().name(), "to": to,
            })
        };
        TransitionView::read_all(&reply.view).unwrap().iter().map(row).collect::<Vec<Value>>()
    };
    assert_eq!(&ask(0), printed);
    for &entity in Entity::ALL {
        let own: Vec<Value> = printed.iter().filter(|row| row["entity"] == entity.name()).cloned().collect();
        assert_eq!(ask(entity as u8), own);
        assert!(!own.is_empty(), "{entity:?}");
    }
    let unknown = Command::QueryTransitions(&QueryTransitions { entity: 99, reserved: [0; 7] });
    assert_eq!(desk.refused(&unknown), RejectCode::InvalidField);
    server.stop();
}

#[test]
fn what_is_due_happens_by_itself_on_a_running_server() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, NO_SNAPSHOTS);
    let mut desk = Desk::open(server.client());
    let (tea, store) = (desk.tea, desk.store);
    desk.receive(tea, store, 10);

    let reservation = ReservationId::new(desk.new_id().get());
    // So long that it is still held when that is looked at.
    desk.reserve(reservation, 5, &[(tea, 4)]);
    assert_eq!(desk.level(tea, store), (6, 4, 0));
    // A promise of money and a hold that stand for a second, on an order that stays.
    let order = desk.place(tea, 1, 500);
    desk.authorize(order.into(), 500, 1);
    desk.hold(order, HoldKind::Address as u8, blocks::FULFIL, 1);
    desk.confirm(order);
    desk.wait_until("the reservation expires", |desk| {
        desk.reservation(reservation).state == ReservationState::Expired as u8
    });
    desk.wait_until("the authorisation expires", |desk| {
        desk.group(order.into()).payment_state == PaymentState::Expired as u8
    });
    desk.wait_until("the hold expires", |desk| {
        desk.order(order).parts().holds[0].state == HoldState::Expired as u8
    });
    assert_eq!(desk.order(order).parts().head.blocked, 0);
    assert_eq!(desk.level(tea, store), (9, 0, 1), "the reservation's stock is back");

    // And an order that nobody confirms.
    desk.set_policy(1, 0);
    let left = desk.place(tea, 2, 500);
    desk.wait_until("the order expires", |desk| desk.order(left).state() == OrderState::Expired as u8);
    assert_eq!(desk.level(tea, store), (9, 0, 1));
    assert_eq!(desk.refused(&Command::ConfirmOrder(&confirmation(left))), RejectCode::IllegalTransition);
    // Money that comes too late is a case for somebody to decide.
    desk.authorize(left.into(), 1_000, 0);
    let seen = desk.order(left);
    let holds = seen.parts().holds;
    assert_eq!((holds.len(), holds[0].kind, holds[0].blocks), (1, HoldKind::Payment as u8, blocks::ALL));
    let said = server.kill();
    assert!(!said.contains("stopping"), "{said}");

    // Each expiry is a record like all else.
    let report = is_sound_throughout(&data);
    assert_eq!((&report["orders_total"], &report["orders_open"]), (&2.into(), &1.into()));
    let life = kinds(&data, &left.to_string());
    assert_eq!(life, ["OrderPlaced", "TimePassed", "PaymentAuthorized"]);
    assert_eq!(kinds(&data, &reservation.to_string()), ["CartReserved", "TimePassed"]);
}

#[test]
fn what_fell_due_while_nobody_served_happens_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, NO_SNAPSHOTS);
    let mut desk = Desk::open(server.client());
    let (tea, store) = (desk.tea, desk.store);
    desk.receive(tea, store, 10);
    let reservation = ReservationId::new(desk.new_id().get());
    let expires_at_us = desk.reserve(reservation, 2, &[(tea, 4)]);
    server.kill();
    let report = is_sound_throughout(&data);
    let now_us = || std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as i64;
    while now_us() < expires_at_us {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let server = Server::start(&data, NO_SNAPSHOTS);
    let mut desk = Desk::open(server.client());
    desk.wait_until("the reservation expires", |desk| {
        desk.reservation(reservation).state == ReservationState::Expired as u8
    });
    assert_eq!(desk.level(tea, store), (10, 0, 0));
    server.stop();
    assert!(is_sound_throughout(&data)["records"].as_u64() > report["records"].as_u64());
    assert_eq!(kinds(&data, &reservation.to_string()), ["CartReserved", "TimePassed"]);
}

#[test]
fn a_finished_order_leaves_memory_and_stays_in_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, NO_SNAPSHOTS);
    let mut desk = Desk::open(server.client());
    let (tea, store) = (desk.tea, desk.store);
    desk.receive(tea, store, 10);
    desk.set_policy(0, 1);
    let order = desk.place(tea, 2, 500);
    desk.confirm(order);
    let package = desk.pack(order, store, &[], true);
    let hold = desk.hold(order, HoldKind::Manual as u8, blocks::REFUND, 0);
    desk.package(order, package, ShipmentStep::Deliver);
    // Another one that finishes now and leaves before it, for the hold keeps the first.
    let other = desk.place(tea, 1, 500);
    assert_eq!(desk.run(&Command::CancelLines(&cancelling(other, 0), &[])), 500);
    let is_gone = |desk: &mut Desk, order| {
        let reply = desk.send(&Command::QueryOrder(&QueryOrder { order }));
        RejectCode::from_number(reply.header.code.get()) == Some(RejectCode::OrderRetired)
    };
    desk.wait_until("the cancelled order leaves", |desk| is_gone(desk, other));
    assert_eq!(desk.order(order).state(), OrderState::Completed as u8, "what is held stays");
    desk.release_hold(order, hold);
    desk.wait_until("the completed order leaves", |desk| is_gone(desk, order));

    let again = |desk: &mut Desk| {
        let head = desk.placement(order, 1);
        desk.refused(&Command::PlaceOrder(&head, &[line(tea, 2, 500)], ""))
    };
    assert_eq!(again(&mut desk), RejectCode::OrderIdTooOld);
    let (counts, _) = status(&mut desk.client);
    assert_eq!((counts.orders_total.get(), counts.orders_horizon_ms.get()), (0, order.unix_ms()));
    assert_eq!(desk.level(tea, store), (8, 0, 0), "what was shipped stays gone");
    server.kill();
    let life = [
        "OrderPlaced",
        "OrderConfirmed",
        "ShipmentMade",
        "HoldPlaced",
        "ShipmentUpdated",
        "HoldReleased",
        "FinishedRetired",
    ];
    assert_eq!(kinds(&data, &order.to_string()), life);
    assert_eq!(is_sound_throughout(&data)["orders_total"], 0);

    // It is forgotten for good, not only by the process that forgot it.
    let server = Server::start(&data, NO_SNAPSHOTS);
    let mut desk = Desk::open(server.client());
    assert!(is_gone(&mut desk, order));
    assert_eq!(again(&mut desk), RejectCode::OrderIdTooOld);
    let later = desk.place(tea, 1, 500);
    assert_eq!(desk.order(later).state(), OrderState::Pending as u8, "newer ids go on");
    server.stop();
}
