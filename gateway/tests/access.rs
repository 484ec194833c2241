//! The gateway holds every connection to its token: who may come in, with which kinds of commands, how fast, and until when.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[allow(dead_code)] // Most of it is for the other tests.
mod house;
#[path = "../../tests/proof/mod.rs"]
mod proof;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use house::{House, Peer, availability, changes, commands, hello_bytes, options};
use orderline_access::{Access, Bearer, Role, Secret};
use orderline_gateway::GatewayOptions;
use orderline_protocol::command::{CommandKind, DefineToken, Standing};
use orderline_protocol::frame::{CloseReason, FrameKind};
use orderline_protocol::reply::Outcome;
use orderline_protocol::{LocationHandle, Locations, RejectCode, Reply, SellerHandle};
use proof::Proof;

/// What each role may bring, written down a second time: once more than `access/src/policy.rs`, and the other way round.
const MAY: &[(Role, &str)] = &[
    (
        Role::Seller,
        "DefineSku DefineSourcing ReceiveStock AdjustStock CountStock MoveStock SetLevel ReserveCart ExtendReservation \
         ReleaseReservation PlaceOrder CheckOut ConfirmOrder EditLine CancelLines PlaceHold RequestRefund UpdateWork RejectWork \
         MoveWork ShipLines UpdateShipment RequestReturn UpdateReturn ReceiveReturn QueryOrder QueryGroup QueryReservation \
         QueryStock QueryAvailability QueryLedger QueryCatalogue QuerySettings QueryTransitions ResolveCode",
    ),
    (
        Role::Warehouse,
        "ReceiveStock AdjustStock CountStock MoveStock SetLevel UpdateWork RejectWork MoveWork ShipLines UpdateShipment \
         ReceiveReturn QueryOrder QueryStock QueryCatalogue QuerySettings QueryTransitions ResolveCode",
    ),
    (
        Role::Support,
        "ReserveCart ExtendReservation ReleaseReservation PlaceOrder CheckOut ConfirmOrder EditLine EditAddress CancelLines \
         PlaceHold ReleaseHold RequestRefund RequestReturn UpdateReturn QueryOrder QueryGroup QueryReservation QueryStock \
         QueryAvailability QueryCatalogue QuerySettings QueryStatus QueryTransitions ResolveCode",
    ),
    (
        Role::Analyst,
        "QueryStock QueryAvailability QueryLedger QueryCatalogue QuerySettings QueryStatus QueryTransitions ResolveCode",
    ),
    (
        Role::ReadOnly,
        "QueryOrder QueryGroup QueryReservation QueryStock QueryAvailability QueryCatalogue QuerySettings QueryStatus \
         QueryTransitions ResolveCode",
    ),
];

static NOW_US: AtomicI64 = AtomicI64::new(1_800_000_000_000_000);

fn access() -> Access {
    Access::new(None, || NOW_US.load(Ordering::SeqCst))
}

fn bearer(role: Role) -> Bearer<'static> {
    let token = role as u32;
    let definition = DefineToken {
        hash: *Secret::from_bytes([token as u8; 32]).hash().bytes(),
        expires_at_us: 0.into(),
        seller: SellerHandle::new(1),
        expected_version: 0.into(),
        commands_per_s_max: 0.into(),
        locations: Locations::of(&[LocationHandle::new(1)]).unwrap(),
        role: role as u8,
        standing: Standing::Active as u8,
        label_bytes: 0,
        reserved: [0; 1],
    };
    Bearer { token, version: 1, definition, label: "" }
}

fn house(access: &Access) -> House {
    House::open(GatewayOptions { access: access.clone(), ..options() })
}

fn welcomed(house: &House, role: Role) -> Peer {
    let mut peer = Peer::connect(house);
    peer.write(&hello_bytes(role as u128, 0, [role as u8; 32]));
    peer.welcome();
    peer
}

/// The next frame's replies: request, outcome, code, subject, detail.
fn told(peer: &mut Peer) -> Vec<(u64, Outcome, u16, u32, u64)> {
    let (kind, _, payload) = peer.frame().unwrap();
    assert_eq!(kind, FrameKind::Replies);
    let mut rest = &payload[..];
    let mut told = Vec::new();
    while !rest.is_empty() {
        let reply = Reply::take(&mut rest).unwrap();
        let head = reply.header;
        let (code, subject) = (head.code.get(), head.subject.get());
        told.push((head.request.get(), reply.outcome(), code, subject, head.detail.get()));
    }
    told
}

#[test]
fn every_role_may_bring_what_it_may_and_every_other_pair_is_denied() {
    let access = access();
    access.replace(Role::ALL.iter().map(|&role| bearer(role)));
    let house = house(&access);
    let everything: BTreeSet<String> = CommandKind::ALL.iter().map(|kind| format!("{kind:?}")).collect();
    let mut denied = 0;
    for &role in Role::ALL {
        let may: BTreeSet<String> = match MAY.iter().find(|row| row.0 == role) {
            Some((_, kinds)) => kinds.split_whitespace().map(str::to_owned).collect(),
            None => everything.clone(),
        };
        assert!(may.is_subset(&everything), "{role:?}: {:?}", may.difference(&everything));
        let mut peer = welcomed(&house, role);
        for (number, &kind) in (1_u64..).zip(CommandKind::ALL) {
            peer.write(&commands(&[number], kind));
            let [(request, outcome, code, subject, _)] = told(&mut peer)[..] else { panic!("one reply") };
            assert_eq!(request, number);
            if may.contains(&format!("{kind:?}")) {
                assert_ne!(outcome, Outcome::Rejected, "{role:?} {kind:?}");
            } else {
                let forbidden = (Outcome::Rejected, RejectCode::Forbidden as u16, role as u32);
                assert_eq!((outcome, code, subject), forbidden, "{role:?} {kind:?}");
                denied += 1;
            }
        }
        // A kind that nobody knows is the engine's to refuse, and for that an operator's alone to bring.
        for kind in [0_u8, 63, 127, 128, 192, 255] {
            let mut unknown = commands(&[1_000 + u64::from(kind)], CommandKind::QueryStatus);
            unknown[16 + 4] = kind;
            orderline_protocol::frame::finish_frame(&mut unknown, 0, FrameKind::Commands, 1);
            peer.write(&unknown);
            let is_forbidden = told(&mut peer)[0].2 == RejectCode::Forbidden as u16;
            // From 128 on a kind is told from others by the engine alone.
            assert!(is_forbidden != (role == Role::Operator) || kind >= 128, "{role:?} {kind}");
        }
    }
    let pairs = Role::ALL.len() * CommandKind::ALL.len();
    let allowed: usize = MAY.iter().map(|(_, kinds)| kinds.split_whitespace().count()).sum();
    assert_eq!(denied, pairs - allowed - CommandKind::ALL.len());
    let mut proof = Proof::of(26, "kinds of commands that a role may not bring, over TCP");
    proof.ran(denied as u64);
    proof.end();
}

#[test]
fn what_is_forbidden_is_taken_out_and_the_commands_beside_it_go_on() {
    let access = access();
    access.replace([bearer(Role::Support)]);
    let house = house(&access);
    let mut peer = welcomed(&house, Role::Support);
    let mut bytes = commands(&[1, 2], CommandKind::ConfirmOrder);
    bytes.extend(commands(&[3], CommandKind::SetPolicy));
    bytes.extend(commands(&[4], CommandKind::ConfirmOrder));
    bytes.extend(commands(&[5, 6], CommandKind::RecordPayout));
    peer.write(&bytes);
    let mut all = Vec::new();
    while all.len() < 6 {
        all.extend(told(&mut peer));
    }
    all.sort_by_key(|told| told.0);
    let outcomes: Vec<_> = all.iter().map(|told| (told.0, told.1)).collect();
    let (yes, no) = (Outcome::Accepted, Outcome::Rejected);
    assert_eq!(outcomes, [(1, yes), (2, yes), (3, no), (4, yes), (5, no), (6, no)]);
    assert_eq!(house.stats.commands_denied.load(Ordering::Relaxed), 3);
    // Nothing of it is counted as unanswered: the next commands have all credits.
    let many: Vec<u64> = (7..7 + u64::from(options().credits)).collect();
    peer.write(&changes(&many));
    assert_eq!(peer.requests_answered(many.len()), many);
}

#[test]
fn who_may_not_see_all_is_not_answered_from_the_board() {
    let access = access();
    access.replace([bearer(Role::Seller), bearer(Role::ReadOnly)]);
    let house = house(&access);
    for role in [Role::Seller, Role::ReadOnly] {
        let mut peer = welcomed(&house, role);
        for request in 1..=3 {
            peer.write(&availability(&[request], 1));
            told(&mut peer);
        }
        let from_board = house.stats.commands_from_board.load(Ordering::Relaxed);
        assert!(role != Role::Seller || from_board == 0, "{from_board}");
    }
}

#[test]
fn a_quota_is_shared_by_all_connections_of_a_token_and_says_when_to_come_again() {
    let access = access();
    let mut seller = bearer(Role::Seller);
    seller.definition.commands_per_s_max = 10.into();
    access.replace([seller]);
    let house = house(&access);
    let mut one = welcomed(&house, Role::Seller);
    let mut other = Peer::connect(&house);
    other.write(&hello_bytes(99, 0, [Role::Seller as u8; 32]));
    other.welcome();
    one.write(&changes(&(1..=7).collect::<Vec<_>>()));
    assert_eq!(one.requests_answered(7).len(), 7);
    other.write(&changes(&(1..=5).collect::<Vec<_>>()));
    let mut all = Vec::new();
    while all.len() < 5 {
        all.extend(told(&mut other));
    }
    all.sort_by_key(|told| told.0);
    assert!(all[..3].iter().all(|told| told.1 == Outcome::Accepted), "{all:?}");
    for &(_, outcome, code, _, wait_us) in &all[3..] {
        assert_eq!((outcome, code), (Outcome::Rejected, RejectCode::QuotaExceeded as u16));
        assert!((1..=100_000).contains(&wait_us), "{wait_us}");
    }
    // What a session had accepted when it came back is not counted: it may be asked again to learn what became of it.
    let mut again = Peer::connect(&house);
    again.write(&hello_bytes(Role::Seller as u128, 1, [Role::Seller as u8; 32]));
    assert_eq!(again.welcome().last_request.get(), 7);
    again.write(&changes(&[6, 7, 8]));
    let mut all = Vec::new();
    while all.len() < 3 {
        all.extend(told(&mut again));
    }
    all.sort_by_key(|told| told.0);
    let outcomes: Vec<_> = all.iter().map(|told| told.1).collect();
    assert_eq!(outcomes, [Outcome::AcceptedBefore, Outcome::AcceptedBefore, Outcome::Rejected]);
}

#[test]
fn a_token_must_be_known_valid_and_not_over() {
    let access = access();
    let mut over = bearer(Role::Analyst);
    over.definition.expires_at_us = (NOW_US.load(Ordering::SeqCst)).into();
    let mut revoked = bearer(Role::Support);
    revoked.definition.standing = Standing::Inactive as u8;
    access.replace([bearer(Role::Operator), over, revoked]);
    let house = house(&access);
    for secret in [[0; 32], [77; 32], [Role::Analyst as u8; 32], [Role::Support as u8; 32]] {
        let mut peer = Peer::connect(&house);
        peer.write(&hello_bytes(1, 0, secret));
        assert_eq!(peer.close(), Some(CloseReason::Token));
    }
    welcomed(&house, Role::Operator);
}

#[test]
fn revoked_and_expired_tokens_lose_their_connections_and_others_keep_theirs() {
    let access = access();
    let mut short = bearer(Role::Analyst);
    // Not before it has been welcomed, however busy the machine is.
    short.definition.expires_at_us = (NOW_US.load(Ordering::SeqCst) + 1_000_000).into();
    access.replace([bearer(Role::Operator), bearer(Role::Support), short]);
    let house = house(&access);
    let mut operator = welcomed(&house, Role::Operator);
    let mut support = welcomed(&house, Role::Support);
    let mut analyst = welcomed(&house, Role::Analyst);
    assert_eq!(analyst.close(), Some(CloseReason::Token), "its time is over");

    // What is in flight when a token is revoked is still answered.
    house.control.withhold(true);
    support.write(&changes(&[1]));
    while house.stats.commands.load(Ordering::Relaxed) < 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut revoked = bearer(Role::Support);
    revoked.definition.standing = Standing::Inactive as u8;
    access.replace([bearer(Role::Operator), revoked]);
    operator.write(&changes(&[1]));
    house.control.withhold(false);
    assert_eq!(support.replies(), [(1, Outcome::Accepted)]);
    assert_eq!(support.close(), Some(CloseReason::Token));
    assert_eq!(operator.replies(), [(1, Outcome::Accepted)]);
}

#[test]
fn the_first_token_ends_the_time_in_which_everybody_was_let_in() {
    let access = access();
    let house = house(&access);
    let mut anybody = Peer::welcomed(&house, 11);
    anybody.write(&changes(&[1]));
    assert_eq!(anybody.replies(), [(1, Outcome::Accepted)]);
    access.replace([bearer(Role::Operator)]);
    let mut operator = welcomed(&house, Role::Operator);
    assert_eq!(anybody.close(), Some(CloseReason::Token));
    operator.write(&changes(&[1]));
    assert_eq!(operator.replies(), [(1, Outcome::Accepted)]);
}
