//! A token that brings far more than its quota: what is beyond is refused before the queue, and an honest client is served meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orderline_client::Client;
use orderline_protocol::{Command, RejectCode, Reply};

use crate::access::{client, secret, with};
use crate::proof::Proof;
use crate::support::server::NO_SNAPSHOTS;
use crate::support::shop::status;
use crate::support::{Server, Shop};

/// Commands a second that the flooding token may bring.
const QUOTA: u64 = 100;

/// Orders that the honest client places, one after the other.
const HONEST_ORDERS: u128 = 400;

/// Places orders one by one and returns how long each took, in milliseconds, sorted.
fn honest_ms(shop: &Shop, client: &mut Client, first: u128) -> Vec<f64> {
    let lines = [shop.line(0, 1)];
    let place = |id| {
        let start = Instant::now();
        let reply = client.call(&Command::PlaceOrder(&shop.order(id, 1), &lines, "")).unwrap();
        assert!(reply.as_reply().is_accepted(), "{reply:?}");
        start.elapsed().as_secs_f64() * 1_000.0
    };
    let mut took: Vec<f64> = (first..first + HONEST_ORDERS).map(place).collect();
    took.sort_by(f64::total_cmp);
    took
}

fn p99(sorted: &[f64]) -> f64 {
    sorted[sorted.len() * 99 / 100]
}

/// What a flood came to: commands accepted, and refused for the quota.
fn flood(shop: &Shop, mut client: Client, is_over: &AtomicBool) -> (u64, u64) {
    let lines = [shop.line(1, 1)];
    let (mut accepted, mut refused, mut next) = (0, 0, 1 << 64);
    while !is_over.load(Ordering::Relaxed) {
        let submit = |client: &mut Client, id| {
            client.submit(&Command::PlaceOrder(&shop.order(id, lines.len()), &lines, ""))
        };
        let on_reply = |_: usize, reply: Reply<'_>| match reply.is_accepted() {
            true => accepted += 1,
            false => {
                assert_eq!(reply.header.code.get(), RejectCode::QuotaExceeded as u16, "{:?}", reply.header);
                refused += 1;
            }
        };
        client.call_all(next..next + 4_096, submit, on_reply).unwrap();
        next += 4_096;
    }
    (accepted, refused)
}

#[test]
fn a_flood_beyond_a_quota_is_refused_and_an_honest_client_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let (operator, hash) = secret();
    let config = format!("{NO_SNAPSHOTS}[access]\noperator_token_hash = \"{hash}\"\n");
    let server = Server::start(&directory.path().join("data"), &config);
    let mut honest = client(&server, &operator).unwrap();
    let shop = Shop::open(&mut honest);
    let token = ["token", "add", "--json", "--label", "flood", "--role", "seller", "--seller", "shop"];
    let quota = ["--commands-per-second", "100"];
    let added = with(&operator, &server, &[&token[..], &quota].concat()).well();
    let flooding = client(&server, added["secret"].as_str().unwrap()).unwrap();

    let alone = honest_ms(&shop, &mut honest, 1);
    let (_, before) = status(&mut honest);
    let is_over = AtomicBool::new(false);
    let start = Instant::now();
    let (beside, (accepted, refused)) = std::thread::scope(|scope| {
        let flood = scope.spawn(|| flood(&shop, flooding, &is_over));
        // The flood is on before the honest client begins.
        std::thread::sleep(Duration::from_millis(500));
        let beside = honest_ms(&shop, &mut honest, 1 << 32);
        is_over.store(true, Ordering::Relaxed);
        (beside, flood.join().unwrap())
    });
    let seconds_max = start.elapsed().as_secs() + 1;
    let (_, after) = status(&mut honest);

    let mut proof = Proof::of(27, "commands beyond a token's quota, beside an honest client");
    proof.ran(refused);
    // A token may bring a second's worth at once, and a quota is counted by the second.
    let most = QUOTA * (seconds_max + 1);
    proof.hold(accepted <= most, || format!("{accepted} of the flood were accepted, not {most} at most"));
    let journalled = after - before;
    proof.hold(journalled == accepted + HONEST_ORDERS as u64, || {
        format!("{journalled} records, of {accepted} accepted of the flood and {HONEST_ORDERS} honest orders")
    });
    proof.figure("honest_p99_alone_ms", p99(&alone));
    proof.figure("honest_p99_beside_ms", p99(&beside));
    proof.end();
    server.stop();
}
