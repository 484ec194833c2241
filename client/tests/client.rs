//! The client against a fake server: pipelining, losing the connection in every way, and coming back.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod fake;

use std::time::Duration;

use fake::{accept, drain, numbers, quick, replies, server, submit, submit_many};
use orderline_client::{Client, ClientError, ClientOptions, ReconnectPolicy, wait};
use orderline_protocol::frame::{CloseReason, FrameKind};
use orderline_protocol::{Command, SessionId};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

const IDLE_MS: u32 = 60_000;

#[test]
fn a_call_is_answered_and_the_hello_says_who_asks() {
    let (addr, serving) = server(|listener| {
        let mut peer = accept(listener);
        let hello = peer.hello();
        assert_eq!((hello.session, hello.token, hello.resume), (SessionId::new(77), [9; 32], 0));
        peer.welcome(41, 8, IDLE_MS);
        assert_eq!(peer.commands(), Some(vec![42]), "numbers go on where the session stands");
        peer.write(&replies(&[42]));
        assert_eq!(peer.commands(), None);
    });
    let options = ClientOptions { token: [9; 32], session: Some(SessionId::new(77)), ..quick() };
    let mut client = Client::connect(addr, options).unwrap();
    let reply = client.call(&Command::QueryStatus(&fake::STATUS)).unwrap();
    assert_eq!(reply.header.detail.get(), 420);
    drop(client);
    serving.join().unwrap();
}

#[test]
fn commands_are_gathered_into_frames_and_credits_bound_them() {
    let (addr, serving) = server(|listener| {
        let mut peer = accept(listener);
        peer.hello();
        peer.welcome(0, 5, IDLE_MS);
        assert_eq!(peer.commands(), Some(vec![1, 2]));
        assert_eq!(peer.commands(), Some(vec![3, 4]));
        assert_eq!(peer.commands(), Some(vec![5]));
        peer.write(&replies(&[1, 2, 3, 4, 5]));
        assert_eq!(peer.commands(), None);
    });
    let mut client = Client::connect(addr, ClientOptions { commands_per_frame_max: 2, ..quick() }).unwrap();
    for left in (0..5).rev() {
        submit(&mut client);
        assert_eq!(client.credits_left(), left);
    }
    let refused = client.submit(&Command::QueryStatus(&fake::STATUS));
    assert!(matches!(refused, Err(ClientError::NoCredit { credits: 5 })));
    assert!(matches!(
        client.call(&Command::QueryStatus(&fake::STATUS)),
        Err(ClientError::Overlap { unanswered: 5 })
    ));
    assert_eq!(numbers(&drain(&mut client).unwrap()), [1, 2, 3, 4, 5]);
    assert_eq!(client.credits_left(), 5);
    drop(client);
    serving.join().unwrap();
}

#[test]
fn what_is_unanswered_is_asked_again_and_answered_once() {
    let (addr, serving) = server(|listener| {
        let mut peer = accept(listener);
        assert_eq!(peer.hello().resume, 0);
        peer.welcome(0, 8, IDLE_MS);
        assert_eq!(peer.commands(), Some(vec![1, 2, 3, 4]));
        peer.write(&replies(&[3, 1]));
        drop(peer);
        let mut peer = accept(listener);
        assert_eq!(peer.hello().resume, 1, "it has requests that it must not lose");
        peer.welcome(4, 8, IDLE_MS);
        assert_eq!(peer.commands(), Some(vec![2]));
        assert_eq!(peer.commands(), Some(vec![4]));
        peer.write(&replies(&[3, 2, 1, 2, 4]));
        assert_eq!(peer.commands(), Some(vec![5]));
        peer.write(&replies(&[5]));
        assert_eq!(peer.commands(), None);
    });
    let mut client = Client::connect(addr, quick()).unwrap();
    submit_many(&mut client, 4);
    assert_eq!(numbers(&drain(&mut client).unwrap()), [3, 1, 2, 4]);
    assert_eq!((client.reconnects(), client.stray_replies()), (1, 3));
    assert_eq!(client.call(&Command::QueryStatus(&fake::STATUS)).unwrap().header.request.get(), 5);
    drop(client);
    serving.join().unwrap();
}

#[test]
fn a_server_with_fewer_credits_after_a_restart_is_sent_no_more_than_it_takes() {
    let (addr, serving) = server(|listener| {
        let mut peer = accept(listener);
        peer.hello();
        peer.welcome(0, 8, IDLE_MS);
        assert_eq!(peer.commands(), Some((1..=8).collect()));
        drop(peer);
        let mut peer = accept(listener);
        peer.hello();
        peer.welcome(0, 3, IDLE_MS);
        assert_eq!(peer.commands(), Some(vec![1, 2, 3]));
        peer.write(&replies(&[1, 2]));
        assert_eq!(peer.commands(), Some(vec![4, 5]));
        peer.write(&replies(&[3, 4, 5]));
        assert_eq!(peer.commands(), Some(vec![6, 7, 8]));
        peer.write(&replies(&[6, 7, 8]));
        assert_eq!(peer.commands(), None);
    });
    let mut client = Client::connect(addr, quick()).unwrap();
    submit_many(&mut client, 8);
    assert_eq!(numbers(&drain(&mut client).unwrap()), (1..=8).collect::<Vec<_>>());
    drop(client);
    serving.join().unwrap();
}

#[test]
fn every_close_reason_is_final_or_healed() {
    for &reason in CloseReason::ALL {
        let is_passing = ClientError::Closed(reason).is_passing();
        let (addr, serving) = server(move |listener| {
            let mut peer = accept(listener);
            peer.hello();
            peer.welcome(0, 8, IDLE_MS);
            assert_eq!(peer.commands(), Some(vec![1]));
            peer.close(reason);
            drop(peer);
            if is_passing {
                let mut peer = accept(listener);
                peer.hello();
                peer.welcome(0, 8, IDLE_MS);
                assert_eq!(peer.commands(), Some(vec![1]));
                peer.write(&replies(&[1]));
                assert_eq!(peer.commands(), None);
            }
        });
        let mut client = Client::connect(addr, quick()).unwrap();
        submit(&mut client);
        match drain(&mut client) {
            Ok(answers) => assert!(is_passing && numbers(&answers) == [1], "{reason:?}"),
            Err(error) => {
                assert!(!is_passing, "{reason:?}");
                assert!(matches!(error, ClientError::Closed(found) if found == reason), "{error}");
                assert_eq!(client.unanswered_requests().collect::<Vec<_>>(), [1], "unknown for ever");
                let again = client.submit(&Command::QueryStatus(&fake::STATUS));
                assert!(matches!(again, Err(ClientError::Closed(_))), "a final error stays");
                assert!(client.pump(|_| ()).is_err());
            }
        }
        drop(client);
        serving.join().unwrap();
    }
}

#[test]
fn a_first_connection_that_is_refused_says_why() {
    let (addr, serving) = server(|listener| {
        let mut peer = accept(listener);
        peer.hello();
        peer.close(CloseReason::TooManyConnections);
    });
    let refused = Client::connect(addr, quick()).unwrap_err();
    assert!(matches!(refused, ClientError::Closed(CloseReason::TooManyConnections)), "{refused}");
    serving.join().unwrap();

    let (addr, serving) = server(|listener| drop(accept(listener)));
    assert!(Client::connect(addr, quick()).is_err());
    serving.join().unwrap();
    let nobody = Client::connect(addr, quick()).unwrap_err();
    assert!(matches!(nobody, ClientError::Connect { .. }), "{nobody}");
}

#[test]
fn a_server_that_never_welcomes_is_given_up() {
    let (addr, serving) = server(|listener| {
        let mut peer = accept(listener);
        peer.hello();
        assert_eq!(peer.commands(), None);
    });
    let options = ClientOptions { connect_timeout: Duration::from_millis(500), ..quick() };
    let error = Client::connect(addr, options).unwrap_err();
    assert!(matches!(error, ClientError::NoWelcome { timeout_ms: 500 }), "{error}");
    serving.join().unwrap();
}

#[test]
fn a_session_that_is_gone_or_used_by_another_is_never_guessed_at() {
    let (addr, serving) = server(|listener| {
        for last_request in [None, Some(9)] {
            let mut peer = accept(listener);
            peer.hello();
            peer.welcome(0, 8, IDLE_MS);
            peer.commands();
            drop(peer);
            let mut peer = accept(listener);
            assert_eq!(peer.hello().resume, 1);
            match last_request {
                None => peer.close(CloseReason::SessionUnknown),
                Some(last_request) => peer.welcome(last_request, 8, IDLE_MS),
            }
            assert_eq!(peer.commands(), None);
        }
    });
    let mut client = Client::connect(addr, quick()).unwrap();
    submit(&mut client);
    let error = drain(&mut client).unwrap_err();
    assert!(matches!(error, ClientError::Closed(CloseReason::SessionUnknown)), "{error}");
    let mut client = Client::connect(addr, quick()).unwrap();
    submit(&mut client);
    let error = drain(&mut client).unwrap_err();
    assert!(matches!(error, ClientError::SessionShared { last_request: 9, numbered: 1 }), "{error}");
    drop(client);
    serving.join().unwrap();
}

#[test]
fn pings_go_both_ways_and_silence_is_a_loss() {
    let (addr, serving) = server(|listener| {
        let mut peer = accept(listener);
        peer.hello();
        peer.welcome(0, 8, 300);
        peer.say(FrameKind::Ping, &[]);
        let mut kinds = [peer.frame().unwrap().0, peer.frame().unwrap().0];
        kinds.sort_by_key(|&kind| kind as u8);
        assert_eq!(kinds, [FrameKind::Ping, FrameKind::Pong]);
        // From here on nothing is said, and the client must come to leave.
        while peer.frame().is_some() {}
    });
    let options = ClientOptions { reconnect: ReconnectPolicy::never(), ..quick() };
    let mut client = Client::connect(addr, options).unwrap();
    let error = loop {
        match client.pump(|_| ()) {
            Ok(_) => wait([&client], Duration::from_secs(5)).unwrap(),
            Err(error) => break error,
        };
    };
    assert!(matches!(error, ClientError::Silent { silent_ms } if silent_ms >= 300), "{error}");
    drop(client);
    serving.join().unwrap();
}

#[test]
fn it_gives_up_when_nobody_comes_back() {
    let (addr, serving) = server(|listener| {
        let mut peer = accept(listener);
        peer.hello();
        peer.welcome(0, 8, IDLE_MS);
        assert_eq!(peer.commands(), Some(vec![1]));
    });
    let reconnect = ReconnectPolicy { attempts_max: 3, ..quick().reconnect };
    let mut client = Client::connect(addr, ClientOptions { reconnect, ..quick() }).unwrap();
    submit(&mut client);
    client.flush().unwrap();
    serving.join().unwrap();
    let error = drain(&mut client).unwrap_err();
    assert!(matches!(error, ClientError::GaveUp { attempts: 3, .. }), "{error}");
    assert_eq!(client.unanswered(), 1);
}

#[test]
fn frames_cut_at_every_byte_are_put_together() {
    let (addr, serving) = server(|listener| {
        let mut peer = accept(listener);
        peer.hello();
        peer.welcome(0, 8, IDLE_MS);
        assert_eq!(peer.commands(), Some(vec![1, 2]));
        let mut bytes = replies(&[1]);
        bytes.extend(replies(&[2]));
        for byte in bytes {
            peer.write(&[byte]);
        }
        assert_eq!(peer.commands(), None);
    });
    let mut client = Client::connect(addr, quick()).unwrap();
    submit(&mut client);
    submit(&mut client);
    assert_eq!(numbers(&drain(&mut client).unwrap()), [1, 2]);
    drop(client);
    serving.join().unwrap();
}

#[test]
fn a_server_that_talks_nonsense_is_left() {
    let mut too_many = replies(&[1]);
    frame_count(&mut too_many, 2);
    let nonsense = [b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), too_many, {
        let mut out = Vec::new();
        orderline_protocol::frame::write_frame(&mut out, FrameKind::Commands, &[]);
        out
    }];
    for bytes in nonsense {
        let (addr, serving) = server(move |listener| {
            let mut peer = accept(listener);
            peer.hello();
            peer.welcome(0, 8, IDLE_MS);
            peer.commands();
            peer.write(&bytes);
            peer.commands();
        });
        let mut client = Client::connect(addr, quick()).unwrap();
        submit(&mut client);
        let error = drain(&mut client).unwrap_err();
        assert!(!error.is_passing(), "{error}");
        drop(client);
        serving.join().unwrap();
    }
}

/// Gives a frame another count, and the checksum that goes with it.
fn frame_count(frame: &mut [u8], count: u16) {
    orderline_protocol::frame::finish_frame(frame, 0, FrameKind::Replies, count);
}

#[test]
fn whatever_the_connection_does_each_request_is_answered_once() {
    for seed in 0..20 {
        let rounds = 2_000;
        let (addr, serving) = server(move |listener| {
            let mut random = StdRng::seed_from_u64(seed);
            let mut newest = 0;
            'connections: loop {
                let mut peer = accept(listener);
                peer.hello();
                peer.welcome(newest, 64, IDLE_MS);
                loop {
                    let Some(mut requests) = peer.commands() else {
                        if newest >= rounds {
                            return;
                        }
                        continue 'connections;
                    };
                    newest = newest.max(requests.last().copied().unwrap_or(0));
                    if random.random_bool(0.3) {
                        requests.shuffle(&mut random);
                    }
                    if random.random_bool(0.3) {
                        requests.push(requests[0]);
                    }
                    let mut bytes = replies(&requests);
                    let is_last_word = random.random_bool(0.1) && newest < rounds;
                    if is_last_word {
                        bytes.truncate(random.random_range(0..bytes.len()));
                    }
                    for piece in bytes.chunks(random.random_range(1..200)) {
                        peer.write(piece);
                    }
                    if is_last_word {
                        continue 'connections;
                    }
                }
            }
        });
        let mut random = StdRng::seed_from_u64(!seed);
        let options = ClientOptions { commands_per_frame_max: random.random_range(1..100), ..quick() };
        let mut client = Client::connect(addr, options).unwrap();
        let (mut submitted, mut seen) = (0, vec![0_u8; rounds as usize + 1]);
        while submitted < rounds || client.unanswered() > 0 {
            let burst = random.random_range(0..=client.credits_left()).min((rounds - submitted) as usize);
            for _ in 0..burst {
                submitted = submit(&mut client);
            }
            let delivered = client.pump(|reply| seen[reply.header.request.get() as usize] += 1).unwrap();
            if delivered == 0 && burst == 0 {
                wait([&client], Duration::from_millis(20)).unwrap();
            }
        }
        drop(client);
        serving.join().unwrap();
        assert!(seen[1..].iter().all(|&times| times == 1), "seed {seed}");
    }
}
