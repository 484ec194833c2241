//! The same request again, after its answer, after a crash, after a snapshot and after its session's window has moved on:
//! the first answer, or an error, and never a second run.

use orderline_protocol::reply::{Outcome, ReplyHeader};
use orderline_protocol::{Command, SessionId};

use crate::cli::load;
use crate::proof::Proof;
use crate::recovery::{await_snapshots, verified};
use crate::support::server::SMALL;
use crate::support::{RawConnection, Server, Shop};

const REQUESTS: u64 = 200;

fn place(connection: &mut RawConnection, shop: &Shop, request: u64) -> ReplyHeader {
    connection.ask(request, &Command::PlaceOrder(&shop.order(u128::from(request), 1), &[shop.line(0, 1)], ""))
}

/// Sends all of them again, over a new connection of the same session.
fn send_again(proof: &mut Proof, server: &Server, shop: &Shop, first: &[ReplyHeader], after: &str) {
    let (mut connection, _) = RawConnection::welcomed(server.addr, SessionId::new(0xd0b1e));
    for (request, first) in (1..).zip(first) {
        let again = place(&mut connection, shop, request);
        let is_same = again.outcome == Outcome::AcceptedBefore as u8
            && (again.sequence, again.detail) == (first.sequence, first.detail);
        proof.check(is_same, || format!("request {request} after {after}: {first:?}, then {again:?}"));
    }
}

#[test]
fn a_request_sent_again_has_its_first_answer_and_no_second_run() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, SMALL);
    let shop = Shop::open(&mut server.client());
    let mut proof = Proof::of(19, "resent after the answer, a crash, a snapshot, from another session");
    let (mut connection, _) = RawConnection::welcomed(server.addr, SessionId::new(0xd0b1e));
    let first: Vec<ReplyHeader> =
        (1..=REQUESTS).map(|request| place(&mut connection, &shop, request)).collect();
    proof.check(first.iter().all(|reply| reply.outcome == Outcome::Accepted as u8), || format!("{first:?}"));
    drop(connection);
    send_again(&mut proof, &server, &shop, &first, "its answer");
    server.kill();

    let server = Server::start(&data, SMALL);
    send_again(&mut proof, &server, &shop, &first, "a crash");
    load(&server, 9_000).well();
    await_snapshots(&data, 1);
    server.kill();

    let server = Server::start(&data, SMALL);
    send_again(&mut proof, &server, &shop, &first, "a snapshot and a crash");
    // Under other request numbers, from a session that knows nothing of it: the order's own id tells.
    let (mut stranger, _) = RawConnection::welcomed(server.addr, SessionId::new(0xa11e4));
    for (request, first) in (1..).zip(&first) {
        let again = place(&mut stranger, &shop, request);
        let is_same = again.outcome == Outcome::AcceptedBefore as u8 && again.sequence == first.sequence;
        proof.check(is_same, || format!("request {request} of a stranger: {first:?}, then {again:?}"));
    }
    server.stop();
    let report = verified(&data);
    proof.check(report["orders_total"] == REQUESTS + 9_000, || format!("{report}"));
    proof.figure("resends", (4 * REQUESTS) as f64);
    proof.end();
}
