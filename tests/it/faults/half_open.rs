//! A peer that vanishes without a word: it is given up after its silence, and comes back to the answers that it never saw.

use std::time::Instant;

use orderline_protocol::frame::CloseReason;
use orderline_protocol::reply::Outcome;
use orderline_protocol::{Command, SessionId};

use crate::proof::Proof;
use crate::support::server::NO_SNAPSHOTS;
use crate::support::shop::status;
use crate::support::{RawConnection, Server, Shop};

#[test]
fn a_peer_that_vanishes_is_given_up_and_its_requests_are_answered_once() {
    let directory = tempfile::tempdir().unwrap();
    let config = format!("{NO_SNAPSHOTS}[gateway]\nidle_ms_max = 1000\n");
    let server = Server::start(&directory.path().join("data"), &config);
    let shop = Shop::open(&mut server.client());
    let mut proof = Proof::of(16, "vanished peers with a request under way");
    let mut reaped_s = Vec::new();
    for round in 1..=5 {
        let session = SessionId::new(round);
        let (mut connection, _) = RawConnection::welcomed(server.addr, session);
        let order = Command::PlaceOrder(&shop.order(round, 1), &[shop.line(0, 1)], "");
        let first = connection.ask(1, &order);
        // From now on it says nothing, not even that it is still there.
        let start = Instant::now();
        let reason = connection.closed();
        reaped_s.push(start.elapsed().as_secs_f64());
        proof.check(reason == CloseReason::Idle, || format!("round {round}: {reason:?}"));
        let (mut again, welcome) = RawConnection::welcomed(server.addr, session);
        let told = again.ask(1, &order);
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
