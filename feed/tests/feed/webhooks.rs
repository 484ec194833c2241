//! Webhooks over real sockets: in order per order, at least once, signed, and nobody held up by anybody.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use orderline_feed::webhooks::{
    EndpointId, EndpointSpec, EndpointState, EndpointStatus, WebhookError, WebhookOptions, Webhooks,
};
use orderline_feed::{FeedError, Filter, PageBounds};
use orderline_journal::{MemoryStorage, Storage};
use orderline_protocol::event::EventKind;
use standardwebhooks::Webhook;

use crate::receiver::{Answer, PATIENCE, Receiver};
use crate::support::{Store, order_id, random};

/// Quick, and into this machine.
fn options() -> WebhookOptions {
    WebhookOptions {
        retries: vec![Duration::from_millis(5); 20],
        private_targets: true,
        ..WebhookOptions::default()
    }
}

fn start(store: &Store, options: WebhookOptions) -> Webhooks {
    let storage: Arc<dyn Storage> = Arc::clone(&store.opened.storage);
    Webhooks::start(Arc::clone(&store.feed), storage, options).unwrap()
}

fn spec(receiver: &Receiver) -> EndpointSpec {
    EndpointSpec { url: receiver.url.clone(), label: "a test".to_owned(), filter: Filter::default() }
}

fn status(webhooks: &Webhooks, id: EndpointId) -> EndpointStatus {
    webhooks.status().into_iter().find(|status| status.endpoint == id).unwrap()
}

/// Waits until an endpoint stands as a test wants it.
fn wait(webhooks: &Webhooks, id: EndpointId, is_so: impl Fn(&EndpointStatus) -> bool) -> EndpointStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = status(webhooks, id);
        if is_so(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "waited in vain: {status:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn verify(secret: &str, seen: &crate::receiver::Seen) -> Result<(), standardwebhooks::WebhookError> {
    Webhook::new(secret).unwrap().verify(seen.body.as_bytes(), &seen.headers)
}

#[test]
fn deliveries_are_signed_events_of_the_feed_in_one_chain() {
    let mut store = Store::open(&MemoryStorage::new());
    store.place();
    store.place();
    let receiver = Receiver::accepting();
    let webhooks = start(&store, options());
    let wanted = Filter { kinds: vec![EventKind::OrderPlaced], ..Filter::default() };
    let (id, secret) =
        webhooks.create(&EndpointSpec { filter: wanted.clone(), ..spec(&receiver) }, None, Some(2)).unwrap();
    store.confirm(0);
    let last = store.place();
    receiver.wait_for(&[2, last]);
    let status = wait(&webhooks, id, |status| status.lag == 0);
    assert_eq!((status.delivered_count, status.failed_count, status.next), (2, 0, last + 1));
    assert_eq!(status.types, ["org.orderline.order.placed.v1"]);
    let page = store.feed.page(2, &wanted, PageBounds::default()).unwrap();
    let mut previous = 1;
    // Two orders' events may overtake each other on their way: the chain is by their sequences.
    let mut deliveries = receiver.seen();
    deliveries.sort_by_key(|seen| seen.sequence);
    for (seen, event) in deliveries.iter().zip(&page.events) {
        verify(&secret, seen).unwrap();
        assert!(verify("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", seen).is_err());
        assert_eq!(seen.header("content-type"), "application/cloudevents+json; charset=utf-8");
        assert_eq!(seen.cloud["previous"], previous.to_string(), "{}", seen.cloud);
        assert_eq!(seen.cloud["data"], serde_json::to_value(event).unwrap()["data"]);
        previous = seen.sequence;
    }
    let mut accepted = receiver.accepted();
    accepted.sort_unstable();
    assert_eq!(accepted, [2, last]);
}

#[test]
fn what_happens_to_an_order_arrives_in_its_order_whatever_fails() {
    let (mut random, seed) = random();
    let mut store = Store::open(&MemoryStorage::new());
    // One in three attempts fails, as chance has it.
    let chance = AtomicU32::new(seed as u32);
    let receiver = Receiver::new(move |_| {
        let next = chance.load(Ordering::Relaxed).wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        chance.store(next, Ordering::Relaxed);
        if next >> 16 & 3 == 0 { Answer::Status(500) } else { Answer::Status(200) }
    });
    let webhooks = start(&store, options());
    let (id, _) = webhooks.create(&spec(&receiver), None, Some(1)).unwrap();
    store.grow(&mut random, 600);
    let all: Vec<u64> = (1..=store.feed.durable()).collect();
    receiver.wait_for(&all);
    let accepted = receiver.accepted();
    assert_eq!(accepted.len(), all.len(), "seed {seed}: no answer was lost, so nothing came twice");
    let (mut of_ids, mut of_subjects) = (HashMap::<String, u64>::new(), HashMap::<String, u64>::new());
    for seen in receiver.seen().iter().filter(|seen| seen.is_accepted) {
        let subject = seen.cloud["subject"].to_string();
        let before = of_subjects.insert(subject.clone(), seen.sequence).unwrap_or(0);
        assert!(before < seen.sequence, "seed {seed}: {subject} had {before} before {}", seen.sequence);
        for number in 0..store.orders {
            let id = order_id(number).to_string();
            if seen.body.contains(&id) {
                let before = of_ids.insert(id.clone(), seen.sequence).unwrap_or(0);
                assert!(before < seen.sequence, "seed {seed}: {id} had {before} before {}", seen.sequence);
            }
        }
    }
    assert!(wait(&webhooks, id, |status| status.lag == 0).failed_count > 0, "seed {seed}");
}

#[test]
fn a_receiver_that_hangs_holds_up_neither_others_nor_other_orders() {
    let mut store = Store::open(&MemoryStorage::new());
    let hanging = Receiver::new(|_| Answer::Hang);
    let stuck = order_id(0).to_string();
    let half = Receiver::new(move |seen| match seen.cloud["subject"] == stuck {
        true => Answer::Hang,
        false => Answer::Status(200),
    });
    let good = Receiver::accepting();
    let webhooks = start(&store, WebhookOptions { timeout: Duration::from_secs(3_600), ..options() });
    for receiver in [&hanging, &half, &good] {
        webhooks.create(&spec(receiver), None, Some(1)).unwrap();
    }
    for _ in 0..300 {
        store.place();
    }
    store.confirm(0);
    let all: Vec<u64> = (1..=301).collect();
    good.wait_for(&all);
    // The first order's placement hangs, its confirmation waits behind it, and all others pass by.
    half.wait_for(&all[1..300]);
    assert_eq!(half.seen().iter().filter(|seen| seen.sequence == 301).count(), 0);
    assert_eq!(hanging.accepted().len(), 0);
}

#[test]
fn nothing_is_missed_over_stops_and_crashes() {
    let (mut random, seed) = random();
    let storage = MemoryStorage::new();
    let mut store = Store::open(&storage);
    let receiver = Receiver::accepting();
    let mut webhooks = start(&store, options());
    let (id, secret) = webhooks.create(&spec(&receiver), None, Some(1)).unwrap();
    let mut messages = HashMap::<u64, HashSet<String>>::new();
    for round in 0..6 {
        // Counted before: while the store grows, all that is new may have been delivered already.
        let enough = receiver.seen().len() + 40;
        store.grow(&mut random, 150);
        receiver.wait("some deliveries", |seen| seen.len() >= enough);
        if round % 2 == 0 {
            // The process ends in good order, and comes back.
            drop(webhooks);
        } else {
            // The power goes: only what was synced is left of what the webhooks kept.
            let crashed = storage.crash(&mut |_| 0);
            drop(webhooks);
            for name in storage.list("feed").unwrap() {
                storage.remove(&format!("feed/{name}")).unwrap();
            }
            for name in crashed.list("feed").unwrap() {
                let bytes = crashed.read_small(&format!("feed/{name}")).unwrap().unwrap();
                storage.write_small(&format!("feed/{name}"), &bytes).unwrap();
            }
        }
        webhooks = start(&store, options());
    }
    let all: Vec<u64> = (1..=store.feed.durable()).collect();
    receiver.wait_for(&all);
    for seen in receiver.seen() {
        verify(&secret, &seen).unwrap();
        messages.entry(seen.sequence).or_default().insert(seen.header("webhook-id").to_owned());
    }
    assert!(messages.values().all(|ids| ids.len() == 1), "seed {seed}: an event has one id for ever");
    assert_eq!(wait(&webhooks, id, |status| status.lag == 0).state, EndpointState::Active);
    // What was settled in good order does not come again.
    let count = receiver.seen().len();
    drop(webhooks);
    let webhooks = start(&store, options());
    let last = store.place();
    receiver.wait_for(&[last]);
    assert_eq!(receiver.seen().len(), count + 1, "seed {seed}");
    drop(webhooks);
}

#[test]
fn a_receiver_that_asks_for_time_is_given_it() {
    let mut store = Store::open(&MemoryStorage::new());
    let asked_at = Arc::new(Mutex::new(None));
    let asking = Arc::clone(&asked_at);
    let receiver = Receiver::new(move |_| match asking.lock().unwrap().replace(Instant::now()) {
        None => Answer::Later(1),
        Some(_) => Answer::Status(200),
    });
    let webhooks = start(&store, options());
    let (id, _) = webhooks.create(&spec(&receiver), None, None).unwrap();
    // Taken before: the first attempt may have been made by the time that the order is placed.
    let (start, placed) = (Instant::now(), store.place());
    receiver.wait_for(&[placed]);
    // Its own pauses are milliseconds.
    let came_again = asked_at.lock().unwrap().unwrap();
    assert!(came_again.duration_since(start) >= Duration::from_secs(1), "it was asked for a second");
    assert_eq!(receiver.seen().len(), 2);
    assert!(status(&webhooks, id).last_error.unwrap().contains("answered 429"));
}

#[test]
fn what_fails_too_often_is_kept_and_can_be_delivered_after_all() {
    let mut store = Store::open(&MemoryStorage::new());
    let receiver = Receiver::new(|seen| match seen.sequence {
        2 | 3 => Answer::Status(503),
        _ => Answer::Status(200),
    });
    let quick = WebhookOptions { retries: vec![Duration::from_millis(1); 2], ..options() };
    let webhooks = start(&store, quick.clone());
    let (id, _) = webhooks.create(&spec(&receiver), None, None).unwrap();
    store.place();
    store.place();
    store.place();
    let confirmed = store.confirm(1);
    receiver.wait_for(&[1, confirmed]);
    let given_up = wait(&webhooks, id, |status| status.dead_letter_count == 2 && status.pending_count == 0);
    assert!(given_up.last_error.unwrap().contains("answered 503: \"told\""));
    let attempts: Vec<_> = receiver.seen().into_iter().filter(|seen| seen.sequence == 2).collect();
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|seen| seen.header("webhook-id") == attempts[0].header("webhook-id")));
    // They are kept over a restart.
    drop(webhooks);
    let webhooks = start(&store, quick);
    let letters = webhooks.dead_letters(id, 0, 10).unwrap();
    let shown: Vec<_> = letters.iter().map(|letter| (letter.sequence, letter.attempts)).collect();
    assert_eq!(shown, [(2, 3), (3, 3)]);
    assert_eq!(letters[0].body, attempts[0].body);
    // Again in vain, and then one and all.
    assert_eq!(webhooks.replay_dead(id, Some(2)).unwrap(), 1);
    receiver.wait("three attempts more", |seen| seen.iter().filter(|seen| seen.sequence == 2).count() == 6);
    wait(&webhooks, id, |status| status.dead_letter_count == 2 && status.pending_count == 0);
    receiver.answer(|_| Answer::Status(200));
    assert_eq!(webhooks.replay_dead(id, Some(2)).unwrap(), 1);
    wait(&webhooks, id, |status| status.dead_letter_count == 1);
    assert_eq!(webhooks.replay_dead(id, None).unwrap(), 1);
    let all = wait(&webhooks, id, |status| status.dead_letter_count == 0);
    assert_eq!((all.pending_count, all.failing_since), (0, None));
    receiver.wait_for(&[1, 2, 3, confirmed]);
    let unknown = webhooks.replay_dead(id, Some(2)).unwrap_err();
    assert!(matches!(unknown, WebhookError::UnknownLetter { sequence: 2, .. }), "{unknown}");
}

#[test]
fn dead_letters_are_bounded_and_what_is_dropped_is_counted() {
    let mut store = Store::open(&MemoryStorage::new());
    let receiver = Receiver::new(|_| Answer::Status(500));
    let webhooks = start(&store, WebhookOptions { retries: Vec::new(), dead_letters_max: 3, ..options() });
    let (id, _) = webhooks.create(&spec(&receiver), None, None).unwrap();
    for _ in 0..8 {
        store.place();
    }
    let status = wait(&webhooks, id, |status| status.lag == 0);
    assert_eq!((status.dead_letter_count, status.dropped_count), (3, 5));
}

#[test]
fn an_endpoint_that_is_gone_is_left_alone_until_somebody_says_so() {
    let mut store = Store::open(&MemoryStorage::new());
    let receiver = Receiver::new(|_| Answer::Status(410));
    let webhooks = start(&store, options());
    let (id, _) = webhooks.create(&spec(&receiver), None, None).unwrap();
    store.place();
    wait(&webhooks, id, |status| status.state == EndpointState::Disabled);
    drop(webhooks);
    let webhooks = start(&store, options());
    assert_eq!(status(&webhooks, id).state, EndpointState::Disabled, "that is kept");
    assert_eq!(receiver.seen().len(), 1);
    receiver.answer(|_| Answer::Status(200));
    webhooks.set_state(id, EndpointState::Active).unwrap();
    receiver.wait_for(&[1]);
}

#[test]
fn a_paused_endpoint_goes_on_where_it_was() {
    let mut store = Store::open(&MemoryStorage::new());
    let receiver = Receiver::accepting();
    let webhooks = start(&store, options());
    let (id, _) = webhooks.create(&spec(&receiver), None, None).unwrap();
    webhooks.set_state(id, EndpointState::Paused).unwrap();
    store.place();
    let other = Receiver::accepting();
    webhooks.create(&spec(&other), None, Some(1)).unwrap();
    other.wait_for(&[1]);
    assert_eq!((receiver.seen().len(), status(&webhooks, id).lag), (0, 1));
    webhooks.set_state(id, EndpointState::Active).unwrap();
    receiver.wait_for(&[1]);
}

#[test]
fn both_secrets_sign_while_one_takes_over() {
    let mut store = Store::open(&MemoryStorage::new());
    let receiver = Receiver::accepting();
    let webhooks = start(&store, options());
    let (id, old) = webhooks.create(&spec(&receiver), None, None).unwrap();
    let new = webhooks.rotate_secret(id, None).unwrap();
    store.place();
    receiver.wait_for(&[1]);
    let seen = &receiver.seen()[0];
    verify(&old, seen).unwrap();
    verify(&new, seen).unwrap();
    assert_eq!(seen.header("webhook-signature").split(' ').count(), 2);
    assert_eq!(status(&webhooks, id).secret_count, 2);
    let refused = webhooks.rotate_secret(id, Some("whsec_c2hvcnQ=")).unwrap_err();
    assert!(matches!(refused, WebhookError::Secret), "{refused}");
}

#[test]
fn redirects_are_not_followed() {
    let mut store = Store::open(&MemoryStorage::new());
    // The receiver panics at any path but its own.
    let receiver = Receiver::new(|_| Answer::Elsewhere);
    let webhooks = start(&store, WebhookOptions { retries: Vec::new(), ..options() });
    let (id, _) = webhooks.create(&spec(&receiver), None, None).unwrap();
    store.place();
    let status = wait(&webhooks, id, |status| status.dead_letter_count == 1);
    assert!(status.last_error.unwrap().contains("answered 307"));
}

#[test]
fn private_networks_are_out_of_reach_by_name_and_by_number() {
    let mut store = Store::open(&MemoryStorage::new());
    let receiver = Receiver::accepting();
    let public = WebhookOptions { private_targets: false, retries: Vec::new(), ..options() };
    let webhooks = start(&store, public);
    for url in [receiver.url.as_str(), "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/meta"]
    {
        let refused = webhooks.create(&EndpointSpec { url: url.to_owned(), ..spec(&receiver) }, None, None);
        assert!(matches!(refused, Err(WebhookError::Url { .. })), "{url}: {refused:?}");
    }
    let port = receiver.url.rsplit(':').next().unwrap();
    let by_name = EndpointSpec { url: format!("https://localhost:{port}"), ..spec(&receiver) };
    let (id, _) = webhooks.create(&by_name, None, None).unwrap();
    store.place();
    let status = wait(&webhooks, id, |status| status.dead_letter_count == 1);
    assert!(status.last_error.as_ref().unwrap().contains("leads to no public address"), "{status:?}");
    assert_eq!(receiver.seen().len(), 0);
}

#[test]
fn an_endpoint_is_replayed_from_any_sequence_that_there_is() {
    let mut store = Store::open(&MemoryStorage::new());
    let receiver = Receiver::accepting();
    let webhooks = start(&store, options());
    let (id, _) = webhooks.create(&spec(&receiver), None, None).unwrap();
    for _ in 0..5 {
        store.place();
    }
    receiver.wait_for(&[1, 2, 3, 4, 5]);
    wait(&webhooks, id, |status| status.lag == 0);
    webhooks.replay_from(id, 3).unwrap();
    receiver.wait("the last three again", |seen| seen.len() == 8);
    let ahead = webhooks.replay_from(id, 9).unwrap_err();
    assert!(matches!(ahead, WebhookError::Feed(FeedError::Ahead { asked: 9, durable: 5 })), "{ahead}");
    webhooks.remove(id).unwrap();
    assert!(webhooks.status().is_empty());
    assert!(matches!(webhooks.replay_from(id, 1), Err(WebhookError::Unknown { .. })));
    let names = store.opened.storage.list("feed").unwrap();
    assert_eq!(names, ["endpoints.json"], "nothing of it is left");
}
