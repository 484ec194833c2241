//! Tokens: defined, changed, revoked, kept in snapshots, and never bearing a secret that was given up.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod support;

use orderline_core::state::State;
use orderline_protocol::command::{DefineToken, EXPECTED_NEW, QueryTokens, RevokeToken, Role, Standing};
use orderline_protocol::limits::TOKEN_LOCATIONS_MAX;
use orderline_protocol::reply::TokenView;
use orderline_protocol::{Command, LocationHandle, Locations, RejectCode, SellerHandle};
use zerocopy::{FromBytes, IntoBytes};

use support::Driver;

fn token(role: Role, secret: u8) -> DefineToken {
    DefineToken {
        hash: [secret; 32],
        expires_at_us: 0.into(),
        seller: SellerHandle::NONE,
        expected_version: 0.into(),
        commands_per_s_max: 0.into(),
        locations: Locations::NONE,
        role: role as u8,
        standing: Standing::Active as u8,
        label_bytes: 0,
        reserved: [0; 1],
    }
}

fn list(locations: &[LocationHandle]) -> Locations {
    Locations::of(locations).unwrap()
}

/// These handles as a token's list, as bytes from outside may have them.
fn raw(handles: &[LocationHandle]) -> Locations {
    let mut bytes = Locations::NONE.as_bytes().to_vec();
    bytes[..handles.len() * 2].copy_from_slice(handles.as_bytes());
    Locations::read_from_bytes(&bytes).unwrap()
}

fn gun(locations: Locations) -> DefineToken {
    DefineToken { locations, ..token(Role::Warehouse, 9) }
}

fn define(driver: &mut Driver, label: &str, head: &DefineToken) -> Result<(u64, u32), (RejectCode, u32)> {
    let head = DefineToken { label_bytes: label.len() as u8, ..*head };
    let told = driver.run(&Command::DefineToken(&head, label));
    told.map(|told| (told.detail, told.version)).map_err(|refused| (refused.code, refused.subject))
}

fn revoke(driver: &mut Driver, number: u32, expected: u32) -> Result<(u64, u32), (RejectCode, u32)> {
    let head = RevokeToken { token: number.into(), expected_version: expected.into() };
    let told = driver.run(&Command::RevokeToken(&head));
    told.map(|told| (told.detail, told.version)).map_err(|refused| (refused.code, refused.version))
}

#[test]
fn tokens_are_numbered_from_1_changed_under_their_label_and_revoked_for_good() {
    let mut driver = Driver::new(7);
    let seller = driver.seller("acme");
    let desk = token(Role::Support, 1);
    let acme = DefineToken { seller, commands_per_s_max: 9.into(), ..token(Role::Seller, 2) };
    assert_eq!(define(&mut driver, "desk", &desk), Ok((1, 1)));
    assert_eq!(define(&mut driver, "acme", &acme), Ok((2, 1)));
    assert_eq!(define(&mut driver, "acme", &acme), Ok((2, 1)), "what stands so already changes nothing");
    let sequence = driver.state.sequence();
    assert_eq!(define(&mut driver, "acme", &DefineToken { hash: [3; 32], ..acme }), Ok((2, 2)));
    assert_eq!(driver.state.sequence(), sequence + 1);

    assert_eq!(revoke(&mut driver, 2, 1), Err((RejectCode::VersionMismatch, 2)));
    assert_eq!(revoke(&mut driver, 2, EXPECTED_NEW), Err((RejectCode::VersionMismatch, 2)));
    assert_eq!(revoke(&mut driver, 2, 2), Ok((2, 3)));
    assert_eq!(revoke(&mut driver, 2, 0), Err((RejectCode::NothingToDo, 3)));
    for number in [0, 3, u32::MAX] {
        assert_eq!(revoke(&mut driver, number, 0).map_err(|(code, _)| code), Err(RejectCode::UnknownToken));
    }
    // Revoking is no definition, not even of what is revoked already.
    let revoked = DefineToken { hash: [3; 32], standing: Standing::Inactive as u8, ..acme };
    assert_eq!(define(&mut driver, "acme", &revoked), Err((RejectCode::InvalidField, 85)));
    // Neither its bearer nor anybody else gets the revoked secret; a new one brings the bearer back.
    let given_up = DefineToken { hash: [3; 32], ..acme };
    assert_eq!(define(&mut driver, "acme", &given_up), Err((RejectCode::TokenHashReused, 2)));
    assert_eq!(define(&mut driver, "other", &given_up), Err((RejectCode::TokenHashReused, 2)));
    assert_eq!(define(&mut driver, "other", &desk), Err((RejectCode::TokenHashReused, 1)));
    assert_eq!(define(&mut driver, "acme", &DefineToken { hash: [4; 32], ..acme }), Ok((2, 4)));
}

#[test]
fn what_a_token_cannot_be_is_refused_by_field() {
    let mut driver = Driver::new(7);
    let seller = driver.seller("acme");
    let [york, leeds] = ["york", "leeds"].map(|code| driver.location(code, 1));
    let locations = list(&[york, leeds]);
    let plain = token(Role::Analyst, 1);
    let wrong = |offset: u32| Err((RejectCode::InvalidField, offset));
    for (head, refused) in [
        (DefineToken { hash: [0; 32], ..plain }, wrong(0)),
        (DefineToken { expires_at_us: (-1).into(), ..plain }, wrong(32)),
        (DefineToken { seller, ..plain }, wrong(40)),
        (DefineToken { locations, ..plain }, wrong(52)),
        (DefineToken { role: 0, ..plain }, wrong(84)),
        (DefineToken { role: 7, ..plain }, wrong(84)),
        (DefineToken { standing: Standing::Inactive as u8, ..plain }, wrong(85)),
        (DefineToken { reserved: [1], ..plain }, wrong(87)),
        (DefineToken { locations, seller, ..token(Role::Seller, 1) }, wrong(52)),
        (DefineToken { locations, seller, ..token(Role::Warehouse, 1) }, wrong(40)),
        (token(Role::Seller, 1), Err((RejectCode::UnknownSeller, u32::MAX))),
        (token(Role::Warehouse, 1), wrong(52)),
        // A list is in order, without duplicates and gaps: the same locations have the same bytes.
        (gun(raw(&[york, york])), wrong(52)),
        (gun(raw(&[leeds, york])), wrong(52)),
        (gun(raw(&[LocationHandle::NONE, york])), wrong(52)),
        (gun(raw(&[york; TOKEN_LOCATIONS_MAX])), wrong(52)),
        (gun(list(&[york, LocationHandle::new(2)])), Err((RejectCode::UnknownLocation, 2))),
        (
            DefineToken { seller: SellerHandle::new(1), ..token(Role::Seller, 1) },
            Err((RejectCode::UnknownSeller, 1)),
        ),
    ] {
        assert_eq!(define(&mut driver, "one", &head), refused, "{head:?}");
    }
    assert_eq!(define(&mut driver, " one", &plain), Err((RejectCode::InvalidCode, 0)));
    let expecting = DefineToken { expected_version: 1.into(), ..plain };
    assert_eq!(define(&mut driver, "one", &expecting), Err((RejectCode::VersionMismatch, 0)));
    let new = DefineToken { expected_version: EXPECTED_NEW.into(), ..plain };
    assert_eq!(define(&mut driver, "one", &new), Ok((1, 1)));
}

#[test]
fn tokens_come_back_out_of_snapshots_and_are_listed_page_by_page() {
    let mut driver = Driver::new(7);
    for number in 1..=5_u8 {
        define(&mut driver, &format!("reader {number}"), &token(Role::ReadOnly, number)).unwrap();
    }
    revoke(&mut driver, 3, 1).unwrap();
    let places: Vec<LocationHandle> =
        (0..TOKEN_LOCATIONS_MAX).map(|number| driver.location(&format!("place {number}"), 1)).collect();
    let lists = [&places[..], &places[..2], &places[3..4]].map(list);
    for (label, locations) in ["all guns", "two guns", "one gun"].into_iter().zip(lists) {
        let head = DefineToken { hash: [label.as_bytes()[0]; 32], ..gun(locations) };
        define(&mut driver, label, &head).unwrap();
    }
    let kept = |state: &State| -> Vec<Locations> {
        state.tokens().skip(5).map(|(.., token)| token.definition.locations).collect()
    };
    assert_eq!(kept(&driver.state), lists);
    let replayed = driver.replayed(8);
    assert_eq!((replayed.hash(), kept(&replayed)), (driver.state.hash(), lists.to_vec()));
    let mut sections = Vec::new();
    let hash = driver
        .state
        .write_image(|tag, bytes| {
            sections.push((tag, bytes.to_vec()));
            Ok(())
        })
        .unwrap();
    assert_eq!(hash, driver.state.hash());
    let read = State::read_image(7, |tag, read| {
        let bytes: Vec<u8> = sections.iter().filter(|of| of.0 == tag).flat_map(|of| of.1.clone()).collect();
        read(&mut bytes.as_slice())
    });
    let read = read.unwrap();
    assert_eq!(read.hash(), hash);
    assert!(read.tokens().eq(driver.state.tokens()));
    assert_eq!(kept(&read), lists);
    let view = driver.query(&Command::QueryTokens(&QueryTokens { from: 6.into(), count: 0.into() })).unwrap();
    let shown: Vec<Locations> =
        TokenView::read_all(&view).unwrap().iter().map(|view| view.locations).collect();
    assert_eq!(shown, lists);
    assert_eq!(read.tokens().filter(|(.., token)| token.is_revoked()).count(), 1);
    assert_eq!((read.token_label(3), read.token_label(0)), (Some("reader 3"), None));

    let page = |from: u32, count: u32| {
        let query = QueryTokens { from: from.into(), count: count.into() };
        let view = driver.query(&Command::QueryTokens(&query)).unwrap();
        let tokens = TokenView::read_all(&view).unwrap();
        tokens.iter().map(|token| (token.token.get(), token.label().unwrap().to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(page(4, 2), vec![(4, "reader 4".to_owned()), (5, "reader 5".to_owned())]);
    assert_eq!(page(0, 1), vec![(1, "reader 1".to_owned())]);
    assert_eq!(page(8, 0), vec![(8, "one gun".to_owned())]);
    assert_eq!(page(9, 0), vec![]);
    assert!(page(u32::MAX, u32::MAX).is_empty());
}
