//! The system's clock jumps under a real server, while it serves and while nobody does: libfaketime stands between the program
//! and the clock. Orders go on, recorded times never go back, and nothing expires before the clock has said so.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use orderline_protocol::ReservationId;
use orderline_protocol::lifecycle::{HoldKind, HoldState, ReservationState, blocks};
use serde_json::Value;

use crate::proof::Proof;
use crate::recovery::{replayed, verified};
use crate::support::Server;
use crate::support::desk::Desk;
use crate::support::program::orderline;
use crate::support::server::{SMALL, serve};

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

/// Where distributions put the library that programs with threads are run under.
fn library() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let folders = folders.chain([PathBuf::from("/usr/lib"), PathBuf::from("/usr/lib64")]);
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists())
}

/// A clock that can be put.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    fn new(folder: &Path) -> Option<Self> {
        let clock = Self { library: library()?, file: folder.join("clock") };
        clock.put(0);
        Some(clock)
    }

    /// Puts the clock so many seconds off the true time, for servers that run, too. A reader never finds half of it.
    fn put(&self, offset_s: i64) {
        let written = self.file.with_extension("new");
        fs::write(&written, format!("{offset_s:+}\n")).unwrap();
        fs::rename(written, &self.file).unwrap();
    }

    fn serve(&self, data: &Path) -> Server {
        let mut command = serve(data, SMALL);
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            // Only the clock on the wall jumps; the one that deadlines go by does not.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Server::run(command).unwrap_or_else(|ran| panic!("the server did not become ready: {ran:?}"))
    }
}

/// When what `inspect` shows was recorded, in microseconds since 1970: of everything, or of one id.
fn recorded_us(data: &Path, more: &[&str]) -> Vec<(String, i64)> {
    let ran = orderline([&["inspect", "--data", data.to_str().unwrap()], more].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let of = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let at = DateTime::parse_from_rfc3339(record["recorded_at"].as_str().unwrap()).unwrap();
        (record["kind"].as_str().unwrap().to_owned(), at.timestamp_micros())
    };
    ran.stdout.lines().map(of).collect()
}

fn true_us() -> i64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as i64
}

#[test]
fn clock_jumps_stop_nothing_and_expire_nothing_early() {
    let directory = tempfile::tempdir().unwrap();
    let Some(clock) = Clock::new(directory.path()) else {
        println!("skipped: libfaketime is not installed; on Debian: apt-get install libfaketime");
        return;
    };
    let data = directory.path().join("data");
    let mut proof = Proof::of(13, "jumps of the system's clock under a server");
    let began_us = true_us();
    let server = clock.serve(&data);
    let mut desk = Desk::open(server.client());
    let (tea, store) = (desk.tea, desk.store);
    desk.receive(tea, store, 1_000);
    // An order held for two days, and a cart for ten minutes; each of the jumps below leaves the first alone.
    let order = desk.place(tea, 1, 500);
    desk.hold(order, HoldKind::Manual as u8, blocks::REFUND, 2 * DAY_S as u32);
    let cart = ReservationId::new(desk.new_id().get());
    let cart_expires_us = desk.reserve(cart, 600, &[(tea, 1)]);
    let mut placed = 1;
    let mut trade = |desk: &mut Desk| {
        for _ in 0..50 {
            let order = desk.place(tea, 1, 500);
            desk.confirm(order);
            placed += 1;
        }
    };
    let is_held = |desk: &mut Desk| desk.order(order).parts().holds[0].state == HoldState::Active as u8;
    let is_reserved = |desk: &mut Desk, id| desk.reservation(id).state == ReservationState::Held as u8;
    trade(&mut desk);

    // An hour back while it serves.
    clock.put(-HOUR_S);
    trade(&mut desk);
    proof.check(is_held(&mut desk) && is_reserved(&mut desk, cart), || "an hour back: a hold went".into());
    // Back over a crash: the clock stands behind what was recorded.
    server.kill();
    let server = clock.serve(&data);
    let mut desk = Desk::open(server.client());
    trade(&mut desk);
    proof.check(is_held(&mut desk) && is_reserved(&mut desk, cart), || "restarted: a hold went".into());

    // A day forward while it serves: what was to last ten minutes is over, and what was to last two days is not.
    clock.put(DAY_S);
    desk.wait_until("the cart of ten minutes expires", |desk| !is_reserved(desk, cart));
    trade(&mut desk);
    proof.check(is_held(&mut desk), || "a day forward: the hold of two days went".into());

    // The true time again, a day back over an orderly restart.
    server.stop();
    clock.put(0);
    let server = clock.serve(&data);
    let mut desk = Desk::open(server.client());
    trade(&mut desk);
    // Time stands still until the clock has caught up: a cart lasts longer by the true time, and never less.
    let late = ReservationId::new(desk.new_id().get());
    let late_expires_us = desk.reserve(late, 600, &[(tea, 1)]);
    proof.check(late_expires_us >= began_us + (DAY_S + 600) * 1_000_000, || {
        format!("a cart of ten minutes ends at {late_expires_us}, all began at {began_us}")
    });
    proof.check(is_held(&mut desk) && is_reserved(&mut desk, late), || "a day back: a hold went".into());
    server.stop();

    let report = verified(&data);
    proof.check(report["orders_total"] == placed, || format!("{placed} orders were placed: {report}"));
    let hashes = [&[][..], &["--from-snapshot"]].map(|more| replayed(&data, more)["state_hash"].clone());
    proof.check(hashes.iter().all(|hash| *hash == report["state_hash"]), || format!("{hashes:?}: {report}"));
    let all = recorded_us(&data, &[]);
    proof.check(all.is_sorted_by_key(|(_, at_us)| *at_us), || "recorded times go back".into());
    let (first_us, last_us) = (all[0].1, all[all.len() - 1].1);
    proof.check(first_us >= began_us && last_us >= began_us + DAY_S * 1_000_000, || {
        format!("{first_us} to {last_us}, began at {began_us}")
    });
    let of_cart = recorded_us(&data, &["--order", &cart.to_string()]);
    let expired_us = of_cart.iter().find(|(kind, _)| kind == "TimePassed").map(|(_, at_us)| *at_us);
    proof.check(expired_us >= Some(cart_expires_us), || {
        format!("it was to expire at {cart_expires_us}: {of_cart:?}")
    });
    proof.end();
}
