//! A disk that fails a call: nothing more is acknowledged, nothing is tried again, the server stops, and all that it had
//! acknowledged is there when it comes back.

use std::time::Instant;

use orderline_client::{Client, ClientOptions, ReconnectPolicy};
use orderline_protocol::command::QueryOrder;
use orderline_protocol::reply::Outcome;
use orderline_protocol::{Command, OrderId};

use crate::proof::Proof;
use crate::recovery::verified;
use crate::support::server::NO_SNAPSHOTS;
use crate::support::shop::status;
use crate::support::{Server, Shop};

/// Orders placed one after the other before a failure counts as not reached.
const ORDERS_MAX: u128 = 60;

#[test]
fn a_failed_call_of_the_disk_is_final_wherever_it_is() {
    let mut proof = Proof::of(10, "a real server, each sync and write of a run in turn");
    let mut abort_ms = Vec::new();
    let calls = (1..=30).map(|number| ("segment.sync", number));
    let calls = calls.chain((1..=10).map(|number| ("segment.write", number)));
    let calls =
        calls.chain([("segment.resync", 1), ("journal.sync", 1), ("segment.map", 1), ("root.mkdir", 1)]);
    for (point, number) in calls {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let server = Server::start(&data, NO_SNAPSHOTS);
        let shop = Shop::open(&mut server.client());
        server.stop();
        let context = format!("the {number}. {point}");
        let mut acked = 0;
        match Server::try_faulty(&data, NO_SNAPSHOTS, &format!("fail {point} {number}")) {
            Err(ran) => {
                let is_said = ran.code == Some(2) && ran.stderr.contains("Input/output error");
                proof.check(is_said && !ran.stderr.contains("panicked"), || format!("{context}: {ran:?}"));
            }
            Ok(server) => {
                let reconnect = ReconnectPolicy::never();
                let start = Instant::now();
                let client =
                    Client::connect(server.addr, ClientOptions { reconnect, ..ClientOptions::default() });
                let line = [shop.line(0, 1)];
                // A session is journalled as well: the failure may be met before there is one.
                let failed = client.map_or(Some(start), |mut client| {
                    (1..=ORDERS_MAX).find_map(|id| {
                        let start = Instant::now();
                        match client.call(&Command::PlaceOrder(&shop.order(id, 1), &line, "")) {
                            Ok(reply) if reply.as_reply().is_accepted() => {
                                acked = id;
                                None
                            }
                            _ => Some(start),
                        }
                    })
                });
                let Some(failed) = failed else {
                    panic!("{context} was never made");
                };
                let (code, said) = server.ended();
                abort_ms.push(failed.elapsed().as_secs_f64() * 1e3);
                let is_said = code == Some(1) && said.contains("nothing more is acknowledged");
                proof.check(is_said && !said.contains("panicked"), || format!("{context}: {code:?} {said}"));
            }
        }
        let server = Server::start(&data, NO_SNAPSHOTS);
        let mut client = server.client();
        for id in 1..=acked {
            let query = QueryOrder { order: OrderId::new(id) };
            let reply = client.call(&Command::QueryOrder(&query)).unwrap();
            let is_there = reply.header.outcome == Outcome::Answered as u8;
            proof.hold(is_there, || format!("{context}: order {id} was acknowledged and is not there"));
        }
        let total = u128::from(status(&mut client).0.orders_total.get());
        proof.hold((acked..=acked + 1).contains(&total), || {
            format!("{context}: {acked} acked, {total} there")
        });
        server.kill();
        verified(&data);
    }
    abort_ms.sort_by(f64::total_cmp);
    proof.figure("abort_ms_p50", abort_ms[abort_ms.len() / 2]);
    proof.figure("abort_ms_max", abort_ms[abort_ms.len() - 1]);
    proof.end();
}
