//! Requests that have a key instead of a number: asked again by it, they get their first answer, whatever came between.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod support;

use orderline_core::Rejection;
use orderline_core::state::Accepted;
use orderline_protocol::*;
use support::*;

struct Shop {
    driver: Driver,
    shirts: SkuHandle,
}

fn shop() -> Shop {
    let mut driver = Driver::new(21);
    let seller = driver.seller("acme");
    let near = driver.location("near", 1);
    let shirts = driver.sku("shirt", seller);
    driver.receive(shirts, near, 1_000);
    Shop { driver, shirts }
}

impl Shop {
    /// Places an order of some shirts in a session under a key.
    fn place(
        &mut self,
        session: SessionHandle,
        key: u64,
        order: u128,
        shirts: u32,
    ) -> Result<Accepted, Rejection> {
        let mut bytes = Vec::new();
        let lines = [line(self.shirts, shirts, 5)];
        Command::PlaceOrder(&placement(order, 1), &lines, "").write(KEYED_FROM | key, &mut bytes);
        self.driver.send(session, &bytes)
    }

    fn last_request(&self, id: u128) -> u64 {
        self.driver.state.session(SessionId::new(id)).unwrap().1
    }
}

#[test]
fn a_key_gets_its_first_answer_again_and_means_one_command() {
    let mut shop = shop();
    let session = shop.driver.session;
    let last_request = shop.last_request(1);
    // Keys are in no order.
    let first = shop.place(session, 900, 1, 1).unwrap();
    let second = shop.place(session, 3, 2, 2).unwrap();
    let zero = shop.place(session, 0, 3, 3).unwrap();
    assert_eq!(shop.last_request(1), last_request, "keys are no numbers of the session");
    // Whatever came between, and whatever became of the order.
    shop.driver.confirm(1).unwrap();
    for n in 0..limits::SESSION_WINDOW + 10 {
        shop.place(session, 10_000 + n, 1, 2).unwrap_err();
    }
    let hash = shop.driver.state.hash();
    assert_eq!(shop.place(session, 900, 1, 1), Ok(first));
    assert_eq!(shop.place(session, 3, 2, 2), Ok(second));
    assert_eq!(shop.place(session, 0, 3, 3), Ok(zero));
    let reused = shop.place(session, 900, 4, 1).unwrap_err();
    assert_eq!((reused.code, reused.sequence), (RejectCode::RequestReused, Some(first.sequence)));
    assert_eq!(shop.driver.state.hash(), hash);
    // What was refused is decided anew.
    let refused = shop.place(session, 5, 5, 10_000).unwrap_err();
    assert_eq!(refused.code, RejectCode::InsufficientStock);
    shop.place(session, 5, 5, 1).unwrap();
    // The same key of another session is another one.
    let other = shop.driver.open_session(2);
    shop.place(other, 900, 6, 1).unwrap();
    // No session, no keys.
    let nobody = shop.place(SessionHandle::NONE, 900, 7, 1).unwrap_err();
    assert_eq!(nobody.code, RejectCode::RequestTooOld);
    assert_eq!(shop.driver.state.keys_horizon_us(), 0);
    shop.driver.assert_sound();
}

#[test]
fn keys_outlive_the_session_that_they_came_in() {
    let mut shop = shop();
    let session = shop.driver.open_session(2);
    let first = shop.place(session, 77, 1, 1).unwrap();
    let mut n = 0;
    while shop.driver.state.session(SessionId::new(2)).is_some() {
        n += 1;
        shop.driver.open_session(100 + n);
    }
    let heir = shop.driver.open_session(50_000);
    let again = shop.driver.open_session(2);
    assert_eq!(shop.place(again, 77, 1, 1), Ok(first));
    assert_eq!(shop.place(again, 77, 2, 1).unwrap_err().code, RejectCode::RequestReused);
    // Nor does anybody inherit them with the handle.
    assert_ne!(heir, again);
    shop.place(heir, 77, 2, 1).unwrap();
    shop.driver.assert_sound();
}

#[test]
fn a_session_that_asks_by_keys_alone_is_not_idle() {
    let mut shop = shop();
    let quiet = shop.driver.open_session(2);
    let busy = shop.driver.open_session(3);
    assert_ne!(quiet, busy);
    for n in 0..limits::SESSIONS_MAX as u64 {
        shop.driver.open_session(100 + u128::from(n));
        if n % 1_000 == 0 {
            shop.place(busy, n, u128::from(10 + n), 1).unwrap();
        }
    }
    let known = |id| shop.driver.state.session(SessionId::new(id)).is_some();
    assert_eq!((known(2), known(3)), (false, true));
}
