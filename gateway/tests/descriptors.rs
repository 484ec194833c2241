//! Running out of descriptors, in a process of its own because the limit is the whole process's.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.
#![allow(dead_code)] // The house has more rooms than this test enters.

mod house;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use house::{House, Peer, changes, hello_bytes, options};
use rustix::process::{Resource, Rlimit, setrlimit};

#[test]
fn no_more_descriptors_is_no_spinning_and_no_end() {
    let house = House::open(options());
    let mut good = Peer::welcomed(&house, 1);
    setrlimit(Resource::Nofile, Rlimit { current: Some(48), maximum: Some(48) }).unwrap();
    let mut crowd = Vec::new();
    let started = Instant::now();
    // Each connection takes a descriptor at both ends, until the gateway's accept finds none.
    while house.stats.accepts_failed.load(Ordering::Relaxed) == 0 {
        assert!(started.elapsed() < Duration::from_secs(10), "descriptors never run out");
        match std::net::TcpStream::connect(house.addr) {
            Ok(stream) => crowd.push(stream),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let turns = house.stats.turns.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(500));
    let turns = house.stats.turns.load(Ordering::Relaxed) - turns;
    assert!(turns < 100, "{turns} turns in half a second of waiting");
    good.write(&changes(&[1]));
    assert_eq!(good.requests_answered(1), [1], "who is in is served");
    drop(crowd);
    let mut late = Peer::connect(&house);
    late.write(&hello_bytes(2, 0, [0; 32]));
    late.welcome();
}
