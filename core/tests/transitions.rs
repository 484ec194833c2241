//! The transition table against the engine's door: for every state of every entity, every action that a command can ask
//! for there is tried. What the table has is accepted and leads where the table says; everything else is refused with the
//! state, the entity and the action named, and changes nothing.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "support/parcels.rs"]
mod parcels;
mod support;

use std::collections::BTreeSet;

use orderline_core::Rejection;
use orderline_core::state::Accepted;
use orderline_core::state::transitions::{TRANSITIONS, targets};
use orderline_protocol::command::*;
use orderline_protocol::lifecycle::*;
use orderline_protocol::reply::{GroupView, ReservationView};
use orderline_protocol::*;
use parcels::*;
use support::*;

type Answer = Result<Accepted, Rejection>;

const NOWHERE: LocationHandle = LocationHandle::NONE;
const SECOND_US: i64 = 1_000_000;

/// How an entity is brought into its states and what can be asked of it there.
struct Trial<'a> {
    entity: Entity,
    /// Actions that commands ask for.
    asked: &'a [Action],
    /// Actions that only the core takes.
    by_core: &'a [Action],
    /// Brings an entity into a state, so that an action has all that it needs; none if nobody can ask for it there.
    bring: &'a dyn Fn(u8, Action) -> Option<Shop>,
    ask: &'a dyn Fn(&mut Shop, Action) -> Answer,
    /// The entity's state.
    state_of: &'a dyn Fn(&Shop) -> u8,
}

impl Trial<'_> {
    fn run(&self) {
        let entity = self.entity;
        for row in TRANSITIONS.iter().filter(|row| row.entity == entity) {
            let is_known = self.asked.contains(&row.action) || self.by_core.contains(&row.action);
            assert!(is_known, "nobody takes the action of {row:?}");
        }
        let (mut accepted, mut refused) = (BTreeSet::new(), 0);
        for (state, name) in entity.states() {
            for &action in self.asked {
                let told = format!("{} that is {name}: {}", entity.name(), action.name());
                let allowed = targets(entity, state, action);
                let Some(mut shop) = (self.bring)(state, action) else {
                    assert!(allowed.is_empty(), "{told}: the table has what nobody can ask for");
                    continue;
                };
                assert_eq!((self.state_of)(&shop), state, "{told}: it was brought elsewhere");
                shop.driver.assert_sound();
                let before = shop.driver.state.hash();
                let answer = (self.ask)(&mut shop, action);
                if allowed.is_empty() {
                    let rejection = answer.expect_err(&told);
                    let subject = (entity as u32) << 8 | action as u32;
                    assert_eq!(rejection.code, RejectCode::IllegalTransition, "{told}: {rejection:?}");
                    assert_eq!((rejection.state, rejection.subject), (state, subject), "{told}");
                    assert_eq!(shop.driver.state.hash(), before, "{told}: it changed something");
                    refused += 1;
                } else {
                    assert!(answer.is_ok(), "{told}: {answer:?}");
                    let to = (self.state_of)(&shop);
                    assert!(allowed.contains(&to), "{told}: it led to {}", entity.state_name(to));
                    shop.driver.assert_kept();
                    accepted.insert((state, action as u8));
                }
            }
        }
        let rows = TRANSITIONS.iter().filter(|row| row.entity == entity && self.asked.contains(&row.action));
        let rows: BTreeSet<_> = rows.map(|row| (row.from, row.action as u8)).collect();
        assert_eq!(accepted, rows, "each row of the table was tried");
        assert!(refused > 0, "nothing was refused");
    }
}

/// What has to go well for a trial to begin.
#[track_caller]
fn done(answer: Answer) {
    answer.unwrap();
}

/// Three shirts and two mugs are ordered: the shirts are at near, and at the attic are more; the mugs are at far.
fn placed() -> Shop {
    let mut shop = shop();
    let Shop { driver, near, far, attic, shirts, mugs } = &mut shop;
    driver.receive(*shirts, *near, 10);
    driver.receive(*shirts, *attic, 10);
    driver.receive(*mugs, *far, 10);
    driver.place(1, &[line(*shirts, 3, 1_000), line(*mugs, 2, 250)]).unwrap();
    shop
}

fn confirmed() -> Shop {
    let mut shop = placed();
    shop.driver.confirm(1).unwrap();
    shop
}

fn authorize(driver: &mut Driver, seconds: u32) -> Answer {
    let head = RecordAuthorization {
        happened_at_us: 0.into(),
        group: GroupId::new(1),
        amount: Amount::new(3_500),
        reference: 8.into(),
        expected_version: 0.into(),
        seconds: seconds.into(),
        currency: CurrencyCode::new(826),
        reserved: [0; 6],
    };
    driver.run(&Command::RecordAuthorization(&head))
}

fn capture(driver: &mut Driver, amount: i64) -> Answer {
    let head = RecordCapture {
        happened_at_us: 0.into(),
        group: GroupId::new(1),
        order: OrderId::new(1),
        amount: Amount::new(amount),
        reference: 8.into(),
        expected_version: 0.into(),
        reserved: [0; 4],
    };
    driver.run(&Command::RecordCapture(&head))
}

fn end_payment(driver: &mut Driver, action: Action) -> Answer {
    let head = EndPayment {
        happened_at_us: 0.into(),
        group: GroupId::new(1),
        reference: 8.into(),
        expected_version: 0.into(),
        reason: 1.into(),
        reserved: [0; 2],
    };
    match action {
        Action::Void => driver.run(&Command::RecordVoid(&head)),
        _ => driver.run(&Command::RecordFailure(&head)),
    }
}

fn pay(driver: &mut Driver) {
    authorize(driver, 0).unwrap();
    capture(driver, 1_000).unwrap();
}

fn refund(driver: &mut Driver) -> Answer {
    let head = RequestRefund {
        happened_at_us: 0.into(),
        order: OrderId::new(1),
        amount: Amount::new(100),
        expected_version: 0.into(),
        reason: 1.into(),
        reserved: [0; 2],
    };
    driver.run(&Command::RequestRefund(&head))
}

fn settle(driver: &mut Driver, outcome: RefundOutcome) -> Answer {
    let head = SettleRefund {
        happened_at_us: 0.into(),
        order: OrderId::new(1),
        reference: 8.into(),
        expected_version: 0.into(),
        refund: 1.into(),
        outcome: outcome as u8,
        reserved: 0,
    };
    driver.run(&Command::SettleRefund(&head))
}

fn release_hold(driver: &mut Driver) -> Answer {
    let head =
        ReleaseHold { order: OrderId::new(1), expected_version: 0.into(), hold: 1.into(), reason: 1.into() };
    driver.run(&Command::ReleaseHold(&head))
}

fn edit(driver: &mut Driver) -> Answer {
    let head = EditAddress {
        order: OrderId::new(1),
        address: 5.into(),
        expected_version: 0.into(),
        region: 1.into(),
        reserved: [0; 2],
    };
    driver.run(&Command::EditAddress(&head))
}

fn step_of(action: Action) -> WorkStep {
    match action {
        Action::Accept => WorkStep::Accept,
        Action::Start => WorkStep::Start,
        Action::Pause => WorkStep::Pause,
        Action::Resume => WorkStep::Resume,
        other => panic!("{other:?} is no step of work"),
    }
}

fn package_step_of(action: Action) -> ShipmentStep {
    match action {
        Action::Send => ShipmentStep::Send,
        Action::Cancel => ShipmentStep::Cancel,
        Action::Deliver => ShipmentStep::Deliver,
        Action::Lose => ShipmentStep::Lose,
        Action::ReturnToSender => ShipmentStep::ReturnToSender,
        other => panic!("{other:?} is no step of a package"),
    }
}

fn receive(shop: &mut Shop) -> Answer {
    shop.driver.receive_return(1, 1, shop.near, &[returned(0, Disposition::Restock, 1)])
}

const OF_WORK: [Action; 6] =
    [Action::Accept, Action::Start, Action::Pause, Action::Resume, Action::Reject, Action::Move];
const OF_PACKAGES: [Action; 4] = [Action::Send, Action::Deliver, Action::Lose, Action::ReturnToSender];

/// A confirmed order of which an action is possible.
fn confirmed_for(action: Action) -> Shop {
    let mut shop = confirmed();
    let Shop { driver, near, .. } = &mut shop;
    match action {
        Action::Send => done(driver.pack(1, *near, &[])),
        Action::Deliver | Action::Lose | Action::ReturnToSender => done(driver.ship_from(1, *near, &[])),
        Action::RequestReturn | Action::Receive => {
            driver.ship_from(1, *near, &[]).unwrap();
            driver.shipment(1, 1, ShipmentStep::Deliver).unwrap();
        }
        Action::Start => done(driver.work(1, *near, WorkStep::Accept)),
        Action::Resume => done(driver.work(1, *near, WorkStep::Pause)),
        _ => {}
    }
    shop
}

/// An order in a state, with what an action is about.
fn order_in(state: u8, action: Action) -> Option<Shop> {
    let state = OrderState::from_number(state).unwrap();
    // Before an order is confirmed it has no work and no packages, and nothing that could come back.
    let is_of_parts = OF_WORK.contains(&action) || OF_PACKAGES.contains(&action) || action == Action::Receive;
    let has_parts = match state {
        OrderState::Pending | OrderState::Expired => false,
        OrderState::Cancelled => action != Action::Receive,
        OrderState::Confirmed | OrderState::Completed => true,
    };
    if is_of_parts && !has_parts {
        return None;
    }
    let mut shop = match state {
        OrderState::Confirmed => confirmed_for(action),
        OrderState::Pending | OrderState::Expired => placed(),
        OrderState::Completed | OrderState::Cancelled => confirmed(),
    };
    let Shop { driver, near, .. } = &mut shop;
    if action == Action::Refund {
        pay(driver);
    }
    match state {
        OrderState::Pending | OrderState::Confirmed => {}
        OrderState::Completed => {
            driver.ship(1, &[]).unwrap();
            driver.shipment(1, 1, ShipmentStep::Deliver).unwrap();
        }
        OrderState::Cancelled => {
            driver.pack(1, *near, &[]).unwrap();
            driver.shipment(1, 1, ShipmentStep::Cancel).unwrap();
            driver.cancel(1, &[]).unwrap();
        }
        OrderState::Expired => {
            let policy = SetPolicy {
                pending_order_s: 60.into(),
                retention_s: 0.into(),
                reservation_s_max: 60.into(),
                expected_version: 0.into(),
            };
            driver.run(&Command::SetPolicy(&policy)).unwrap();
            driver.pass_time(NOW_US + 61 * SECOND_US);
        }
    }
    match action {
        Action::Receive => {
            driver.request_return(1, &[]).unwrap();
            driver.update_return(1, 1, ReturnStep::Approve).unwrap();
        }
        Action::Release => done(driver.hold(1, blocks::CAPTURE)),
        _ => {}
    }
    Some(shop)
}

fn ask_of_order(shop: &mut Shop, action: Action) -> Answer {
    let (near, attic) = (shop.near, shop.attic);
    let driver = &mut shop.driver;
    match action {
        Action::Confirm => driver.confirm(1),
        Action::Cancel => driver.cancel(1, &[]),
        Action::Ship => driver.pack(1, NOWHERE, &[]),
        Action::Send | Action::Deliver | Action::Lose | Action::ReturnToSender => {
            driver.shipment(1, 1, package_step_of(action))
        }
        Action::Edit => edit(driver),
        Action::Hold => driver.hold(1, blocks::ALL),
        Action::Release => release_hold(driver),
        Action::Refund => refund(driver),
        Action::Reject => driver.reject(1, near),
        Action::Move => driver.move_work(1, near, attic, &[]),
        Action::RequestReturn => driver.request_return(1, &[]),
        Action::Receive => receive(shop),
        other => driver.work(1, near, step_of(other)),
    }
}

#[test]
fn orders() {
    use Action::*;
    let mut asked = vec![Confirm, Cancel, Ship, Edit, Hold, Release, Refund, RequestReturn, Receive];
    asked.extend(OF_WORK);
    asked.extend(OF_PACKAGES);
    Trial {
        entity: Entity::Order,
        asked: &asked,
        by_core: &[Expire, Refill],
        bring: &order_in,
        ask: &ask_of_order,
        state_of: &|shop| shop.driver.order_state(1) as u8,
    }
    .run();
}

/// The work of near in a state; the mugs at far keep the order going.
fn work_in(state: u8, action: Action) -> Option<Shop> {
    let state = WorkState::from_number(state).unwrap();
    use WorkState::{Accepted, Cancelled, Closed, InProgress, OnHold, Open, Rejected};
    let can_be_asked = match action {
        // Packages there make the work one in progress; cancelling looks at units, which ended work has none of.
        Action::Send => matches!(state, InProgress | OnHold),
        Action::Cancel => !matches!(state, Closed | Rejected | Cancelled),
        _ => true,
    };
    if !can_be_asked {
        return None;
    }
    let mut shop = confirmed();
    let Shop { driver, near, .. } = &mut shop;
    if action == Action::Send {
        driver.pack(1, *near, &[units(0, 2)]).unwrap();
    }
    match state {
        Open => {}
        Accepted => done(driver.work(1, *near, WorkStep::Accept)),
        InProgress if action == Action::Send => {}
        InProgress => {
            driver.work(1, *near, WorkStep::Accept).unwrap();
            driver.work(1, *near, WorkStep::Start).unwrap();
        }
        OnHold => done(driver.work(1, *near, WorkStep::Pause)),
        Closed => done(driver.ship_from(1, *near, &[])),
        Rejected => done(driver.reject(1, *near)),
        Cancelled => done(driver.cancel(1, &[units(0, 3)])),
    }
    Some(shop)
}

#[test]
fn the_work_of_locations() {
    use Action::*;
    let mut asked = vec![Ship, Send, Cancel];
    asked.extend(OF_WORK);
    Trial {
        entity: Entity::Work,
        asked: &asked,
        by_core: &[],
        bring: &work_in,
        ask: &|shop, action| {
            let (near, attic) = (shop.near, shop.attic);
            match action {
                Ship => shop.driver.pack(1, near, &[]),
                Send => shop.driver.shipment(1, 1, ShipmentStep::Send),
                Cancel => shop.driver.cancel(1, &[units(0, 3)]),
                Reject => shop.driver.reject(1, near),
                Move => shop.driver.move_work(1, near, attic, &[]),
                other => shop.driver.work(1, near, step_of(other)),
            }
        },
        state_of: &|shop| {
            let works = shop.driver.works(1);
            works.iter().find(|work| work.0 == shop.near).unwrap().1 as u8
        },
    }
    .run();
}

#[test]
fn packages() {
    use Action::{Cancel, Deliver, Lose, ReturnToSender, Send};
    let bring = |state, _| {
        let mut shop = confirmed();
        let Shop { driver, near, .. } = &mut shop;
        driver.pack(1, *near, &[]).unwrap();
        let steps: &[ShipmentStep] = match ShipmentState::from_number(state).unwrap() {
            ShipmentState::Created => &[],
            ShipmentState::Shipped => &[ShipmentStep::Send],
            ShipmentState::Delivered => &[ShipmentStep::Send, ShipmentStep::Deliver],
            ShipmentState::Lost => &[ShipmentStep::Send, ShipmentStep::Lose],
            ShipmentState::ReturnedToSender => &[ShipmentStep::Send, ShipmentStep::ReturnToSender],
            ShipmentState::Cancelled => &[ShipmentStep::Cancel],
        };
        steps.iter().for_each(|&step| done(driver.shipment(1, 1, step)));
        Some(shop)
    };
    Trial {
        entity: Entity::Shipment,
        asked: &[Send, Cancel, Deliver, Lose, ReturnToSender],
        by_core: &[],
        bring: &bring,
        ask: &|shop, action| shop.driver.shipment(1, 1, package_step_of(action)),
        state_of: &|shop| shop.driver.packages(1)[0] as u8,
    }
    .run();
}

#[test]
fn returns() {
    use Action::{Approve, Cancel, Close, Decline, Receive};
    let bring = |state, _| {
        let mut shop = confirmed_for(Action::RequestReturn);
        shop.driver.request_return(1, &[]).unwrap();
        let state = ReturnState::from_number(state).unwrap();
        let steps: &[ReturnStep] = match state {
            ReturnState::Requested => &[],
            ReturnState::Approved | ReturnState::Received | ReturnState::Closed => &[ReturnStep::Approve],
            ReturnState::Declined => &[ReturnStep::Decline],
            ReturnState::Cancelled => &[ReturnStep::Cancel],
        };
        steps.iter().for_each(|&step| done(shop.driver.update_return(1, 1, step)));
        if matches!(state, ReturnState::Received | ReturnState::Closed) {
            receive(&mut shop).unwrap();
        }
        if state == ReturnState::Closed {
            shop.driver.update_return(1, 1, ReturnStep::Close).unwrap();
        }
        Some(shop)
    };
    Trial {
        entity: Entity::Return,
        asked: &[Approve, Decline, Cancel, Receive, Close],
        by_core: &[],
        bring: &bring,
        ask: &|shop, action| match action {
            Approve => shop.driver.update_return(1, 1, ReturnStep::Approve),
            Decline => shop.driver.update_return(1, 1, ReturnStep::Decline),
            Cancel => shop.driver.update_return(1, 1, ReturnStep::Cancel),
            Close => shop.driver.update_return(1, 1, ReturnStep::Close),
            _ => receive(shop),
        },
        state_of: &|shop| shop.driver.returns(1)[0] as u8,
    }
    .run();
}

#[test]
fn payments() {
    use Action::{Authorize, Capture, Expire, Fail, Void};
    let bring = |state, _| {
        let mut shop = placed();
        let driver = &mut shop.driver;
        match PaymentState::from_number(state).unwrap() {
            PaymentState::Pending => {}
            PaymentState::Authorized => done(authorize(driver, 0)),
            PaymentState::PartiallyCaptured => pay(driver),
            PaymentState::Captured => {
                authorize(driver, 0).unwrap();
                capture(driver, 3_500).unwrap();
            }
            PaymentState::Failed => done(end_payment(driver, Fail)),
            PaymentState::Voided => {
                authorize(driver, 0).unwrap();
                end_payment(driver, Void).unwrap();
            }
            PaymentState::Expired => {
                authorize(driver, 60).unwrap();
                driver.pass_time(NOW_US + 61 * SECOND_US);
            }
        }
        Some(shop)
    };
    Trial {
        entity: Entity::Payment,
        asked: &[Authorize, Capture, Void, Fail],
        by_core: &[Expire],
        bring: &bring,
        ask: &|shop, action| match action {
            Authorize => authorize(&mut shop.driver, 0),
            Capture => capture(&mut shop.driver, 1),
            other => end_payment(&mut shop.driver, other),
        },
        state_of: &|shop| {
            let query = QueryGroup { group: GroupId::new(1) };
            let view = shop.driver.query(&Command::QueryGroup(&query)).unwrap();
            GroupView::read(&view).unwrap().0.payment_state
        },
    }
    .run();
}

#[test]
fn refunds() {
    let bring = |state, _| {
        let mut shop = placed();
        let driver = &mut shop.driver;
        pay(driver);
        refund(driver).unwrap();
        match RefundState::from_number(state).unwrap() {
            RefundState::Pending => {}
            RefundState::Succeeded => done(settle(driver, RefundOutcome::Succeeded)),
            RefundState::Failed => done(settle(driver, RefundOutcome::Failed)),
        }
        Some(shop)
    };
    Trial {
        entity: Entity::Refund,
        asked: &[Action::Succeed, Action::Fail],
        by_core: &[],
        bring: &bring,
        ask: &|shop, action| match action {
            Action::Succeed => settle(&mut shop.driver, RefundOutcome::Succeeded),
            _ => settle(&mut shop.driver, RefundOutcome::Failed),
        },
        state_of: &|shop| shop.driver.view(1, |parts| parts.refunds[0].state),
    }
    .run();
}

#[test]
fn holds() {
    let bring = |state, _| {
        let mut shop = placed();
        let driver = &mut shop.driver;
        let head = PlaceHold {
            order: OrderId::new(1),
            expected_version: 0.into(),
            seconds: 60.into(),
            kind: HoldKind::Fraud as u8,
            blocks: blocks::ALL,
            reason: 1.into(),
            reserved: [0; 4],
        };
        driver.run(&Command::PlaceHold(&head)).unwrap();
        match HoldState::from_number(state).unwrap() {
            HoldState::Active => {}
            HoldState::Released => done(release_hold(driver)),
            HoldState::Expired => driver.pass_time(NOW_US + 61 * SECOND_US),
        }
        Some(shop)
    };
    Trial {
        entity: Entity::Hold,
        asked: &[Action::Release],
        by_core: &[Action::Expire],
        bring: &bring,
        ask: &|shop, _| release_hold(&mut shop.driver),
        state_of: &|shop| shop.driver.view(1, |parts| parts.holds[0].state),
    }
    .run();
}

fn reserve(shop: &mut Shop) {
    let head = ReserveCart {
        expected_version: 0.into(),
        reservation: ReservationId::new(7),
        replaces: ReservationId::new(0),
        buyer: BuyerId::new(1),
        seconds: 60.into(),
        region: 0.into(),
        line_count: 1.into(),
    };
    let lines = [CartLine { sku: shop.shirts, quantity: 1.into() }];
    shop.driver.run(&Command::ReserveCart(&head, &lines)).unwrap();
}

/// Checks a cart out of the reservation, as the group and the order with an id.
fn check_out(shop: &mut Shop, id: u128) -> Answer {
    let head = CheckOut {
        expected_version: 0.into(),
        group: GroupId::new(id),
        reservation: ReservationId::new(7),
        buyer: BuyerId::new(1),
        currency: CurrencyCode::new(826),
        order_count: 1.into(),
        line_count: 1.into(),
        region: 0.into(),
        external_id_bytes: 0,
    };
    let order = GroupOrder {
        order: OrderId::new(id),
        seller: SellerHandle::new(0),
        line_count: 1.into(),
        reserved: [0; 2],
    };
    let lines = [line(shop.shirts, 1, 1_000)];
    shop.driver.run(&Command::CheckOut(&head, &[order], &lines, ""))
}

#[test]
fn reservations() {
    use Action::{Consume, Expire, Extend, Release};
    let release = ReleaseReservation {
        reservation: ReservationId::new(7),
        expected_version: 0.into(),
        reserved: [0; 4],
    };
    let extend = ExtendReservation {
        reservation: ReservationId::new(7),
        expected_version: 0.into(),
        seconds: 60.into(),
    };
    let bring = |state, _| {
        let mut shop = placed();
        reserve(&mut shop);
        match ReservationState::from_number(state).unwrap() {
            ReservationState::Held => {}
            ReservationState::Consumed => done(check_out(&mut shop, 20)),
            ReservationState::Released => done(shop.driver.run(&Command::ReleaseReservation(&release))),
            ReservationState::Expired => shop.driver.pass_time(NOW_US + 61 * SECOND_US),
        }
        Some(shop)
    };
    Trial {
        entity: Entity::Reservation,
        asked: &[Extend, Consume, Release],
        by_core: &[Expire],
        bring: &bring,
        ask: &|shop, action| match action {
            Extend => shop.driver.run(&Command::ExtendReservation(&extend)),
            Release => shop.driver.run(&Command::ReleaseReservation(&release)),
            _ => check_out(shop, 21),
        },
        state_of: &|shop| {
            let query = QueryReservation { reservation: ReservationId::new(7) };
            let view = shop.driver.query(&Command::QueryReservation(&query)).unwrap();
            ReservationView::read(&view).unwrap().0.state
        },
    }
    .run();
}
