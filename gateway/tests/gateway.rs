//! The gateway from outside: everything that a peer can do to it, and what it must not do to others.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.
#![allow(dead_code)] // The house has more rooms than these tests enter.

mod house;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use house::{House, Memory, Peer, availability, changes, commands, hello_bytes, options};
use orderline_client::{Client, ClientError, ClientOptions, wait};
use orderline_core::door::door;
use orderline_core::state::Terms;
use orderline_gateway::{Gateway, GatewayError, GatewayOptions};
use orderline_protocol::command::{CommandKind, QueryStatus};
use orderline_protocol::frame::{CloseReason, FrameKind, finish_frame, write_frame};
use orderline_protocol::reply::{Outcome, SaleStanding};
use orderline_protocol::{Command, SkuHandle};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const STATUS: QueryStatus = QueryStatus { with_state_hash: 0, reserved: [0; 7] };

fn queries(requests: &[u64]) -> Vec<u8> {
    commands(requests, CommandKind::QueryStatus)
}

fn frame(kind: FrameKind, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_frame(&mut out, kind, payload);
    out
}

#[test]
fn a_first_frame_that_is_no_hello_is_refused_with_its_reason() {
    let house = House::open(options());
    let hello = hello_bytes(1, 0, [0; 32]);
    let changed = |at: usize, byte: u8| {
        let mut bytes = hello.clone();
        bytes[at] = byte;
        bytes
    };
    let mut other_magic = changed(16, b'X');
    finish_frame(&mut other_magic, 0, FrameKind::Hello, 0);
    let mut long = hello.clone();
    long.extend([0; 8]);
    finish_frame(&mut long, 0, FrameKind::Hello, 0);
    for (bytes, reason) in [
        (queries(&[1]), CloseReason::HelloExpected),
        (frame(FrameKind::Ping, &[]), CloseReason::HelloExpected),
        (frame(FrameKind::Replies, &[0; 100]), CloseReason::HelloExpected),
        (changed(9, 9), CloseReason::Version),
        (changed(2, 0xff), CloseReason::FrameTooLarge),
        (changed(30, 0xff), CloseReason::Checksum),
        (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n".to_vec(), CloseReason::FrameTooLarge),
        (other_magic, CloseReason::Malformed),
        (frame(FrameKind::Hello, &[0; 8]), CloseReason::Malformed),
        (long, CloseReason::Malformed),
    ] {
        let before = house.closed_because(reason);
        let mut peer = Peer::connect(&house);
        peer.write(&bytes);
        assert_eq!(peer.close(), Some(reason), "{:?}", &bytes[..16]);
        assert_eq!(house.closed_because(reason), before + 1);
    }
}

#[test]
fn a_later_frame_that_is_wrong_is_refused_with_its_reason() {
    let house = House::open(options());
    let mut flipped = queries(&[1]);
    flipped[20] ^= 1;
    let mut other_version = queries(&[1]);
    other_version[9] = 1;
    let mut other_kind = queries(&[1]);
    finish_frame(&mut other_kind, 0, FrameKind::Welcome, 1);
    let mut other_count = queries(&[1]);
    finish_frame(&mut other_count, 0, FrameKind::Commands, 2);
    let mut odd_length = queries(&[1]);
    odd_length[16] = 7;
    finish_frame(&mut odd_length, 0, FrameKind::Commands, 1);
    for (bytes, reason) in [
        (hello_bytes(1, 0, [0; 32]), CloseReason::HelloExpected),
        (flipped, CloseReason::Checksum),
        (other_version, CloseReason::Version),
        (vec![0xff; 16], CloseReason::FrameTooLarge),
        (other_kind, CloseReason::FrameKind),
        (other_count, CloseReason::Malformed),
        (odd_length, CloseReason::Malformed),
        (queries(&[2, 1]), CloseReason::Malformed),
        (queries(&[0]), CloseReason::Malformed),
        (frame(FrameKind::Ping, &[0; 8]), CloseReason::Malformed),
    ] {
        let mut peer = Peer::welcomed(&house, 7);
        peer.write(&bytes);
        assert_eq!(peer.close(), Some(reason), "{:?}", &bytes[..16]);
    }
    let mut peer = Peer::welcomed(&house, 7);
    peer.write(&queries(&[5]));
    assert_eq!(peer.requests_answered(1), [5]);
    peer.write(&queries(&[5]));
    assert_eq!(peer.close(), Some(CloseReason::Malformed), "numbers rise within a connection");
}

#[test]
fn whoever_speaks_before_the_welcome_is_refused() {
    let house = House::open(options());
    house.control.park(true);
    let mut peer = Peer::connect(&house);
    let mut bytes = hello_bytes(1, 0, [0; 32]);
    bytes.extend(queries(&[1]));
    peer.write(&bytes);
    assert_eq!(peer.close(), Some(CloseReason::HelloExpected));
}

#[test]
fn a_hello_and_a_frame_have_an_absolute_deadline() {
    // Long enough for the one that says hello as it should, on a machine that may be busy.
    let options = GatewayOptions { hello_deadline_ms: 1_000, frame_deadline_ms: 1_000, ..options() };
    let house = House::open(options);
    let mut silent = Peer::connect(&house);
    let mut slow = Peer::connect(&house);
    let mut frames = Peer::welcomed(&house, 3);
    // A byte now and then is not progress: only the last byte of the frame counts.
    let hello = hello_bytes(1, 0, [0; 32]);
    let command = queries(&[1]);
    for at in 0..16 {
        let _ = slow.stream.write(&hello[at..=at]);
        let _ = frames.stream.write(&command[at..=at]);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(silent.close(), Some(CloseReason::HelloDeadline));
    assert_eq!(slow.close(), Some(CloseReason::HelloDeadline));
    assert_eq!(frames.close(), Some(CloseReason::FrameDeadline));
}

#[test]
fn the_silent_are_pinged_and_then_given_up() {
    // There is half of it to answer a ping.
    let house = House::open(GatewayOptions { idle_ms_max: 1_500, ..options() });
    let mut dead = Peer::welcomed(&house, 1);
    assert_eq!(dead.frame().unwrap().0, FrameKind::Ping);
    assert_eq!(dead.close(), Some(CloseReason::Idle));
    let mut alive = Peer::welcomed(&house, 2);
    for _ in 0..4 {
        assert_eq!(alive.frame().unwrap().0, FrameKind::Ping);
        alive.write(&frame(FrameKind::Pong, &[]));
    }
    alive.write(&frame(FrameKind::Ping, &[]));
    assert_eq!(alive.frame().unwrap().0, FrameKind::Pong);
}

#[test]
fn a_slow_reader_is_dropped_and_others_are_not_disturbed() {
    let options = GatewayOptions { write_stall_ms_max: 200, output_bytes_max: 4 * 1024 * 1024, ..options() };
    let house = House::open(options);
    house.control.view_bytes.store(64 * 1024, Ordering::SeqCst);
    let mut slow = Peer::welcomed(&house, 1);
    let mut good = Peer::welcomed(&house, 2);
    slow.stream.set_nonblocking(true).unwrap();
    let mut request = 0;
    let started = Instant::now();
    while house.closed_because(CloseReason::SlowReader) == 0 {
        request += 1;
        // It asks and asks and reads nothing; at last its own socket is full, because it is not read either.
        let _ = slow.stream.write(&queries(&[request]));
        good.write(&queries(&[request]));
        assert_eq!(good.requests_answered(1), [request]);
        assert!(started.elapsed() < Duration::from_secs(120), "the slow reader is still there");
    }
    request += 1;
    good.write(&queries(&[request]));
    assert_eq!(good.requests_answered(1), [request]);
}

#[test]
fn more_commands_than_credits_are_refused() {
    let house = House::open(GatewayOptions { credits: 3, ..options() });
    let mut peer = Peer::welcomed(&house, 1);
    for first in [1, 4, 7] {
        peer.write(&queries(&[first, first + 1, first + 2]));
        assert_eq!(peer.requests_answered(3), [first, first + 1, first + 2]);
    }
    house.control.withhold(true);
    peer.write(&changes(&[10, 11]));
    peer.write(&changes(&[12, 13]));
    assert_eq!(peer.close(), Some(CloseReason::Credits));
}

#[test]
fn a_session_has_one_connection_and_the_newest_wins() {
    let house = House::open(options());
    let mut older = Peer::welcomed(&house, 1);
    older.write(&changes(&[1, 2, 3]));
    assert_eq!(older.requests_answered(3), [1, 2, 3]);
    let mut newer = Peer::connect(&house);
    newer.write(&hello_bytes(1, 1, [0; 32]));
    assert_eq!(newer.welcome().last_request.get(), 3);
    assert_eq!(older.close(), Some(CloseReason::Displaced));
    newer.write(&changes(&[2, 4]));
    assert_eq!(newer.replies(), [(2, Outcome::AcceptedBefore), (4, Outcome::Accepted)]);
}

#[test]
fn a_session_to_resume_must_be_known() {
    let house = House::open(options());
    let mut peer = Peer::connect(&house);
    peer.write(&hello_bytes(99, 1, [0; 32]));
    assert_eq!(peer.close(), Some(CloseReason::SessionUnknown));
}

#[test]
fn one_connection_too_many_is_told_so_and_room_is_used_again() {
    let house = House::open(GatewayOptions { connections_max: 2, ..options() });
    let first = Peer::welcomed(&house, 1);
    let _second = Peer::welcomed(&house, 2);
    let mut third = Peer::connect(&house);
    assert_eq!(third.close(), Some(CloseReason::TooManyConnections));
    drop(first);
    while house.stats.connections_open.load(Ordering::Relaxed) > 1 {
        std::thread::sleep(Duration::from_millis(5));
    }
    Peer::welcomed(&house, 3);
}

#[test]
fn nothing_above_the_watermark_leaves() {
    let house = House::open(options());
    let mut peer = Peer::welcomed(&house, 1);
    house.control.withhold(true);
    let mut stranger = Peer::connect(&house);
    stranger.write(&hello_bytes(2, 0, [0; 32]));
    peer.write(&changes(&[1]));
    peer.write(&queries(&[2]));
    let silence = Duration::from_millis(200);
    assert!(peer.is_silent_for(silence), "neither an acknowledgement nor an answer");
    assert!(stranger.is_silent_for(silence), "nor a welcome");
    house.control.withhold(false);
    assert_eq!(peer.requests_answered(2), [1, 2]);
    stranger.welcome();
}

#[test]
fn a_conversation_cut_at_every_byte_is_put_together() {
    let house = House::open(options());
    let mut peer = Peer::connect(&house);
    for byte in hello_bytes(1, 0, [0; 32]) {
        peer.write(&[byte]);
    }
    peer.welcome();
    let mut bytes = queries(&[1]);
    bytes.extend(frame(FrameKind::Pong, &[]));
    bytes.extend(queries(&[2, 3]));
    for byte in &bytes {
        peer.write(&[*byte]);
    }
    assert_eq!(peer.requests_answered(3), [1, 2, 3]);
    let mut last = 3;
    for cut in 1..bytes.len() {
        let mut bytes = queries(&[last + 1]);
        bytes.extend(frame(FrameKind::Pong, &[]));
        bytes.extend(queries(&[last + 2, last + 3]));
        peer.write(&bytes[..cut]);
        std::thread::sleep(Duration::from_micros(300));
        peer.write(&bytes[cut..]);
        assert_eq!(peer.requests_answered(3), [last + 1, last + 2, last + 3]);
        last += 3;
    }
}

#[test]
fn many_small_frames_and_the_largest_frame_come_through() {
    let house = House::open(options());
    let mut peer = Peer::welcomed(&house, 1);
    let small: Vec<u8> = (1..=5_000).flat_map(|request| queries(&[request])).collect();
    peer.write(&small);
    assert_eq!(peer.requests_answered(5_000), (1..=5_000).collect::<Vec<_>>());
    // 24 bytes a query: as many as the credits allow in one frame, again and again, with pieces of others behind.
    let mut next = 5_001;
    for _ in 0..5 {
        let requests: Vec<_> = (next..next + 8_000).collect();
        peer.write(&queries(&requests));
        assert_eq!(peer.requests_answered(8_000), requests);
        next += 8_000;
    }
}

#[test]
fn a_stop_answers_what_is_in_flight_and_then_says_so() {
    let house = House::open(options());
    let mut idle = Peer::welcomed(&house, 1);
    let mut busy = Peer::welcomed(&house, 2);
    let mut nobody = Peer::connect(&house);
    house.control.withhold(true);
    busy.write(&changes(&[1, 2]));
    while house.stats.commands.load(Ordering::Relaxed) < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    house.stop();
    assert_eq!(idle.close(), Some(CloseReason::Stopping));
    assert_eq!(nobody.close(), Some(CloseReason::Stopping));
    assert!(busy.is_silent_for(Duration::from_millis(50)));
    house.control.withhold(false);
    assert_eq!(busy.requests_answered(2), [1, 2]);
    assert_eq!(busy.close(), Some(CloseReason::Stopping));
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let house = House::open(GatewayOptions { stop_ms_max: 100, ..options() });
    let mut peer = Peer::welcomed(&house, 1);
    house.control.withhold(true);
    peer.write(&changes(&[1]));
    while house.stats.commands.load(Ordering::Relaxed) < 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(house);
    assert_eq!(peer.close(), None, "its reply could not be told, so nothing is");
}

#[test]
fn a_client_comes_back_to_a_restarted_server_and_is_answered_once() {
    let memory: Arc<Memory> = Arc::default();
    let mut house = House::open_at("127.0.0.1:0".parse().unwrap(), options(), Arc::clone(&memory));
    let addr = house.addr;
    let mut client = Client::connect(addr, ClientOptions::default()).unwrap();
    let mut seen = vec![0; 20_001];
    let mut submitted = 0;
    for restarts in 0.. {
        let target = (submitted + 4_000).min(20_000);
        while submitted < target || (submitted == 20_000 && client.unanswered() > 0) {
            while client.credits_left() > 0 && submitted < target {
                submitted = client.submit(&Command::QueryStatus(&STATUS)).unwrap();
            }
            client.pump(|reply| seen[reply.header.request.get() as usize] += 1).unwrap();
            wait([&client], Duration::from_millis(5)).unwrap();
        }
        if submitted == 20_000 {
            assert_eq!(client.reconnects(), restarts);
            break;
        }
        drop(house);
        house = House::open_at(addr, options(), Arc::clone(&memory));
        while client.reconnects() == restarts {
            client.pump(|reply| seen[reply.header.request.get() as usize] += 1).unwrap();
            wait([&client], Duration::from_millis(5)).unwrap();
        }
    }
    assert!(seen[1..].iter().all(|&times| times == 1));
}

#[test]
fn no_wake_up_is_lost() {
    for spin_us in [0, 20] {
        let house = House::open(GatewayOptions { spin_us, ..options() });
        let options = ClientOptions { call_timeout: Duration::from_secs(5), ..ClientOptions::default() };
        let mut client = Client::connect(house.addr, options).unwrap();
        for _ in 0..5_000 {
            client.call(&Command::QueryStatus(&STATUS)).unwrap();
        }
    }
}

#[test]
fn an_engine_that_stands_still_costs_a_bounded_amount_and_loses_nothing() {
    let house = House::open(GatewayOptions { connections_max: 4, ..options() });
    let mut clients: Vec<_> =
        (0..4).map(|_| Client::connect(house.addr, ClientOptions::default()).unwrap()).collect();
    house.control.park(true);
    let mut answered = [0; 4];
    for client in &mut clients {
        for _ in 0..8_000 {
            client.submit(&Command::QueryStatus(&STATUS)).unwrap();
        }
    }
    let started = Instant::now();
    for round in 0.. {
        if round == 20 {
            house.control.park(false);
        }
        for (client, answered) in clients.iter_mut().zip(&mut answered) {
            *answered += client.pump(|_| ()).unwrap();
        }
        if answered == [8_000; 4] {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "only {answered:?} were answered");
        wait(&clients, Duration::from_millis(5)).unwrap();
    }
}

#[test]
fn connections_that_leave_their_works_behind_never_overfill_the_door() {
    let house = House::open(GatewayOptions { connections_max: 2, ..options() });
    house.control.park(true);
    for session in 0..50 {
        let mut peer = Peer::connect(&house);
        peer.write(&hello_bytes(session, 0, [0; 32]));
        std::thread::sleep(Duration::from_millis(2));
    }
    house.control.park(false);
    let started = Instant::now();
    loop {
        let mut peer = Peer::connect(&house);
        let _ = peer.stream.write(&hello_bytes(1_000, 0, [0; 32]));
        if peer.frame().is_some_and(|(kind, ..)| kind == FrameKind::Welcome) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "nobody is let in any more");
    }
}

#[test]
fn bounds_that_do_not_compose_are_refused_at_the_start() {
    let bind = |options| {
        let (_, watermark) = orderline_journal::Watermark::new(0);
        let parker = crossbeam::sync::Parker::new();
        let (front, _end) = door(110, parker.unparker().clone(), watermark);
        Gateway::bind("127.0.0.1:0".parse().unwrap(), front, options).map(|_| ())
    };
    let fits = GatewayOptions {
        connections_max: 50,
        works_per_connection_max: 2,
        queue_commands_max: 10,
        ..options()
    };
    bind(fits.clone()).unwrap();
    for too_many in [
        GatewayOptions { connections_max: 51, ..fits.clone() },
        GatewayOptions { queue_commands_max: 11, ..fits.clone() },
    ] {
        assert!(matches!(bind(too_many), Err(GatewayError::DoorTooSmall { capacity: 110, .. })));
    }
    assert!(matches!(bind(GatewayOptions { credits: 8_193, ..fits.clone() }), Err(GatewayError::Option(_))));
    assert!(matches!(bind(GatewayOptions { credits: 0, ..fits }), Err(GatewayError::Option(_))));
}

#[test]
fn whatever_bytes_come_the_gateway_stands_and_others_are_served() {
    let house = House::open(GatewayOptions { frame_deadline_ms: 50, hello_deadline_ms: 50, ..options() });
    // On a busy machine it may be too late with its hello, too, and comes again.
    let mut good = loop {
        match Client::connect(house.addr, ClientOptions::default()) {
            Ok(client) => break client,
            Err(ClientError::Closed(CloseReason::HelloDeadline)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut bytes = hello_bytes(random.random_range(0..4), 0, [0; 32]);
        let mut rest = Vec::new();
        for request in 1..random.random_range(2..30) {
            rest.extend(queries(&[request]));
        }
        let target = if random.random_bool(0.3) { &mut bytes } else { &mut rest };
        for _ in 0..random.random_range(0..4) {
            let at = random.random_range(0..target.len());
            match random.random_range(0..3) {
                0 => target[at] ^= 1 << random.random_range(0..8),
                1 => drop(target.remove(at)),
                _ => target.insert(at, random.random()),
            }
        }
        let mut stream = TcpStream::connect(house.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let _ = stream.write_all(&bytes);
        let mut welcome = [0; 64];
        if stream.read(&mut welcome).is_ok_and(|count| count > 0) {
            let _ = stream.write_all(&rest);
        }
        let answered = good.call(&Command::QueryStatus(&STATUS));
        assert!(answered.is_ok(), "seed {seed}: {answered:?}");
    }
    assert_eq!(good.reconnects(), 0);
}

/// Publishes so many units of the first SKU at a sequence.
fn publish(house: &House, sequence: u64, units: u64) {
    let mut board = house.control.board.lock().unwrap();
    board.begin(sequence);
    board.put(SkuHandle::new(0), units, Some(Terms { backorder_units: 0, standing: SaleStanding::OnSale }));
    board.end();
}

fn from_board(house: &House) -> u64 {
    house.stats.commands_from_board.load(Ordering::Relaxed)
}

#[test]
fn availability_is_answered_without_the_engine_once_the_board_is_whole() {
    let house = House::open(options());
    let mut peer = Peer::welcomed(&house, 1);
    peer.write(&availability(&[1], 2));
    assert_eq!(peer.requests_answered(1), [1], "the engine is asked while the board is not whole");
    assert_eq!(from_board(&house), 0);
    publish(&house, 1, 77);
    // An engine that does nothing is not in the way.
    house.control.park(true);
    peer.write(&availability(&[2, 3], 2));
    assert_eq!(peer.availability(), [(2, 1, 1, 77), (3, 1, 1, 77)]);
    assert_eq!(from_board(&house), 2);
}

#[test]
fn no_answer_from_the_board_leaves_before_all_that_may_be_in_it_is_durable() {
    let house = House::open(options());
    let mut peer = Peer::welcomed(&house, 1);
    house.control.withhold(true);
    let mut other = Peer::connect(&house);
    other.write(&hello_bytes(2, 0, [0; 32]));
    publish(&house, 2, 5);
    peer.write(&availability(&[1], 1));
    assert!(peer.is_silent_for(Duration::from_millis(100)), "sequence 2 is not durable");
    while from_board(&house) < 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    // A publication that has begun may be in the next answer, which so has to wait for it.
    house.control.board.lock().unwrap().begin(3);
    peer.write(&availability(&[2], 1));
    house.control.withhold(false);
    assert_eq!(peer.availability(), [(1, 2, 2, 5)]);
    assert!(peer.is_silent_for(Duration::from_millis(100)), "sequence 3 is not durable");
    // One more session is sequence 3. If the engine was late with the other one, its welcome came behind the second answer and waits for
    // that, too.
    Peer::welcomed(&house, 3);
    assert_eq!(peer.availability(), [(2, 2, 3, 5)]);
    other.welcome();
}

#[test]
fn replies_keep_their_order_whoever_answers() {
    let house = House::open(options());
    let mut peer = Peer::welcomed(&house, 1);
    publish(&house, 1, 5);
    house.control.park(true);
    peer.write(&changes(&[1]));
    while house.stats.commands.load(Ordering::Relaxed) < 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The engine has the change: what is asked behind it goes the same way.
    peer.write(&availability(&[2], 1));
    assert!(peer.is_silent_for(Duration::from_millis(100)));
    house.control.park(false);
    assert_eq!(peer.requests_answered(2), [1, 2]);
    assert_eq!(from_board(&house), 0);
    // The same in one breath: a frame of each, read together.
    peer.write(&[availability(&[3], 1), changes(&[4])].concat());
    assert_eq!(peer.requests_answered(2), [3, 4]);
    // An answer that waits for its release is not overtaken by what the engine could tell at once.
    let mut other = Peer::welcomed(&house, 2);
    house.control.withhold(true);
    other.write(&changes(&[1]));
    // Sessions 1 and 2, and the changes 1 and 4 of this peer and 1 of the other.
    publish(&house, 5, 6);
    let answered = from_board(&house);
    peer.write(&availability(&[6], 1));
    while from_board(&house) == answered {
        std::thread::sleep(Duration::from_millis(1));
    }
    peer.write(&queries(&[7]));
    assert!(peer.is_silent_for(Duration::from_millis(100)), "sequence 5 is not durable");
    house.control.withhold(false);
    assert_eq!(peer.availability(), [(6, 5, 5, 6)]);
    assert_eq!(peer.requests_answered(1), [7]);
}

#[test]
fn whoever_asks_and_does_not_read_holds_a_bounded_amount() {
    let options = GatewayOptions { write_stall_ms_max: 300, output_bytes_max: 1024 * 1024, ..options() };
    let house = House::open(options);
    publish(&house, 1, 5);
    let mut slow = Peer::welcomed(&house, 1);
    slow.stream.set_nonblocking(true).unwrap();
    let started = Instant::now();
    let mut request = 0;
    while house.closed_because(CloseReason::SlowReader) == 0 {
        let frame: Vec<u64> = (request + 1..=request + 64).collect();
        // Its own socket is full some day, because it is not read any more; a frame cut short ends it otherwise.
        match slow.stream.write(&availability(&frame, 500)) {
            Ok(bytes) if bytes < 64 * 2_024 => break,
            Ok(_) => request += 64,
            Err(_) => break,
        }
        assert!(started.elapsed() < Duration::from_secs(120), "the slow reader is still there");
    }
    let mut good = Peer::welcomed(&house, 2);
    good.write(&availability(&[1], 500));
    assert_eq!(good.availability().len(), 1);
    let answered = from_board(&house);
    assert!(answered < 8_192, "no more than its credits were answered: {answered}");
}
