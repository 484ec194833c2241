//! More than can be carried: who waits, who is refused, and what may not be.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.
#![allow(dead_code)] // The house has more rooms than these tests enter.

mod house;

use std::sync::atomic::Ordering;
use std::time::Duration;

use house::{House, LONG_BYTES, Peer, changes, long_change, options};
use orderline_gateway::GatewayOptions;
use orderline_protocol::reply::Outcome;

/// Two who wait fill a house that holds four commands, whose engine stands still.
fn full_house() -> (House, Peer, Peer) {
    let house = House::open(GatewayOptions { queue_commands_max: 4, ..options() });
    let (mut first, mut second) = (Peer::welcomed(&house, 1), Peer::welcomed(&house, 2));
    // Each has an answer already, so that what is said below is read in the order in which it is said.
    for peer in [&mut first, &mut second] {
        peer.write(&changes(&[1]));
        assert_eq!(peer.requests_answered(1), [1]);
    }
    (house, first, second)
}

fn let_in(house: &House, count: u64) {
    while house.stats.commands.load(Ordering::Relaxed) < count {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn who_would_rather_be_refused_than_wait_is_told_at_once_and_may_ask_again() {
    let (house, mut first, mut second) = full_house();
    let (mut impatient, _) = Peer::impatient(&house, 3);
    impatient.write(&changes(&[1]));
    assert_eq!(impatient.replies(), [(1, Outcome::Accepted)]);
    house.control.park(true);
    first.write(&changes(&[2, 3, 4]));
    let_in(&house, 6);
    // Not too much yet; three of its batches stand in the engine then, or would.
    impatient.write(&changes(&[2]));
    let_in(&house, 7);
    for request in 3..50 {
        impatient.write(&changes(&[request]));
        assert_eq!(impatient.refused(), [request], "although the engine stands still");
    }
    assert_eq!(house.stats.commands_refused.load(Ordering::Relaxed), 47);
    second.write(&changes(&[2]));
    let_in(&house, 55);
    assert!(second.is_silent_for(Duration::from_millis(50)), "who waits is made to wait");
    house.control.park(false);
    assert_eq!(first.requests_answered(3), [2, 3, 4]);
    assert_eq!(second.requests_answered(1), [2]);
    assert_eq!(impatient.replies(), [(2, Outcome::Accepted)]);
    impatient.write(&changes(&[50, 51]));
    assert_eq!(impatient.replies(), [(50, Outcome::Accepted), (51, Outcome::Accepted)]);
}

#[test]
fn nothing_of_who_would_rather_be_refused_waits_unseen() {
    let house =
        House::open(GatewayOptions { queue_commands_max: 8, works_per_connection_max: 1, ..options() });
    let (mut impatient, _) = Peer::impatient(&house, 1);
    house.control.park(true);
    // One batch each, and all of them stand in the engine, where one who waits would have only one.
    for request in 1..=8 {
        impatient.write(&changes(&[request]));
        let_in(&house, request);
    }
    impatient.write(&changes(&[9]));
    assert_eq!(impatient.refused(), [9]);
    house.control.park(false);
    assert_eq!(impatient.requests_answered(8), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn what_cannot_be_refused_waits_its_turn() {
    let house =
        House::open(GatewayOptions { queue_commands_max: 2, works_per_connection_max: 1, ..options() });
    let (mut impatient, _) = Peer::impatient(&house, 1);
    for request in 1..=4 {
        impatient.write(&changes(&[request]));
        assert_eq!(impatient.requests_answered(1), [request]);
    }
    drop(impatient);
    let (mut again, last_request) = Peer::impatient(&house, 1);
    assert_eq!(last_request, 4);
    house.control.park(true);
    // Only the engine can say what became of these, so no more of them are let in than of one who waits.
    again.write(&changes(&[2]));
    let_in(&house, 5);
    again.write(&changes(&[3]));
    again.write(&changes(&[4]));
    assert!(again.is_silent_for(Duration::from_millis(50)));
    assert_eq!(house.stats.commands.load(Ordering::Relaxed), 5);
    house.control.park(false);
    assert_eq!(again.requests_answered(3), [2, 3, 4]);
}

#[test]
fn long_commands_are_too_much_before_they_are_many() {
    let house = House::open(GatewayOptions { queue_commands_max: 8_000, ..options() });
    let (mut impatient, _) = Peer::impatient(&house, 1);
    house.control.park(true);
    let mut sent = 0;
    while house.stats.commands_refused.load(Ordering::Relaxed) == 0 {
        assert!(sent * LONG_BYTES < 65 << 20, "{sent} commands of {LONG_BYTES} bytes were let in");
        sent += 1;
        impatient.write(&long_change(sent as u64));
        while house.stats.commands.load(Ordering::Relaxed) < sent as u64 {
            std::thread::yield_now();
        }
    }
    // What is refused is counted after what came: one more may have been sent by then.
    let first_refused = impatient.refused()[0];
    assert!(
        (sent as u64 - 1..=sent as u64).contains(&first_refused),
        "{first_refused} of {sent} was refused"
    );
    assert!(first_refused as usize * LONG_BYTES > 64 << 20, "refused after {first_refused} commands");
    house.control.park(false);
}

#[test]
fn what_may_have_taken_effect_before_is_never_refused_for_want_of_room() {
    let (house, mut first, _second) = full_house();
    let (mut impatient, _) = Peer::impatient(&house, 3);
    impatient.write(&changes(&[5, 6]));
    assert_eq!(impatient.requests_answered(2), [5, 6]);
    drop(impatient);
    let (mut again, last_request) = Peer::impatient(&house, 3);
    assert_eq!(last_request, 6);
    house.control.park(true);
    first.write(&changes(&[2, 3, 4, 5]));
    let_in(&house, 8);
    // As a client that has lost its connection would: again what was accepted, and what never came.
    again.write(&changes(&[6]));
    let_in(&house, 9);
    again.write(&changes(&[7]));
    assert_eq!(again.refused(), [7]);
    house.control.park(false);
    assert_eq!(again.replies(), [(6, Outcome::AcceptedBefore)]);
    assert_eq!(first.requests_answered(4), [2, 3, 4, 5]);
}
