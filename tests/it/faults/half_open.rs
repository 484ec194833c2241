//! A peer that vanishes without a word: it is given up after its silence, and comes back to the answers that it never saw.

use std::time::Instant;

use orderline_protocol::frame::CloseReason;
use orderline_protocol::reply::{Outcome, ReplyHeader};
use orderline_protocol::{Command, SessionId};

use crate::proof::Proof;
use crate::support::server::NO_SNAPSHOTS;
use crate::support::shop::status;
use crate::support::{RawConnection, Server, Shop};

#[test]
fn a_peer_that_vanishes_is_given_up_and_its_requests_are_answered_once() {
    let directory = tempfile::tempdir().unwrap();
    // Longer than a slow disk keeps the answer back that each of them waits for before it vanishes.
    let config = format!("{NO_SNAPSHOTS}[gateway]\nidle_ms_max = 3000\n");
    let server = Server::start(&directory.path().join("data"), &config);
    let shop = Shop::open(&mut server.client());
    let mut proof = Proof::of(16, "vanished peers with a request under way");
    let lines = [shop.line(0, 1)];
    let vanished: Vec<_> = (1..=5)
        .map(|round| {
            let (mut connection, _) = RawConnection::welcomed(server.addr, SessionId::new(round));
            let first = connection.ask(1, &Command::PlaceOrder(&shop.order(round, 1), &lines, ""));
            // From now on it says nothing, not even that it is still there.
            (round, connection, first, Instant::now())
        })
        .collect();
    let given_up = |(round, mut connection, first, start): (u128, RawConnection, ReplyHeader, Instant)| {
        (round, connection.closed(), first, start.elapsed().as_secs_f64())
    };
    let vanished: Vec<_> = vanished.into_iter().map(given_up).collect();
    let reaped_s: Vec<f64> = vanished.iter().map(|(.., seconds)| *seconds).collect();
    for (round, reason, first, _) in vanished {
        proof.check(reason == CloseReason::Idle, || format!("round {round}: {reason:?}"));
        let (mut again, welcome) = RawConnection::welcomed(server.addr, SessionId::new(round));
        let told = again.ask(1, &Command::PlaceOrder(&shop.order(round, 1), &lines, ""));
        let is_same = told.outcome == Outcome::AcceptedBefore as u8 && told.sequence == first.sequence;
        proof.check(is_same && welcome.last_request == 1, || {
            format!("round {round}: {first:?}, then {told:?}")
        });
    }
    let total = status(&mut server.client()).0.orders_total.get();
    proof.check(total == 5, || format!("{total} orders of 5"));
    proof.figure("reap_s_max", reaped_s.into_iter().fold(0.0, f64::max));
    proof.end();
}
