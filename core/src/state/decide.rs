//! Deciding: may this be, and what exactly happens? Looks at the state, changes nothing, writes the event's bytes. Here a
//! command finds its room; what all rooms share in judging one stands here, too.

use orderline_protocol::command::{Command, EXPECTED_NEW};
use orderline_protocol::event::{Allocation, Event, EventKind, Origin, SessionOpened};
use orderline_protocol::lifecycle::{Action, Entity, HoldState};
use orderline_protocol::limits::DURATION_S_MAX;
use orderline_protocol::{KEYED_FROM, OrderId, RejectCode, SessionHandle, SessionId};

use super::happened::check_happened;
use super::orders::OrderSlot;
use super::sessions::Known;
use super::sourcing::SourcingScratch;
use super::transitions;
use super::{Accepted, Decision, Parsed, Rejection, State};

/// Room that decisions work in, kept between them so that none allocates.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Where sourcing works, and what it found.
    pub(crate) sourcing: SourcingScratch,
    /// Units taken from each line by a command that names lines.
    pub(crate) wanted: Vec<u32>,
    /// Units that move.
    pub(crate) moves: Vec<Allocation>,
}

pub(super) type Refusable<T> = Result<T, Rejection>;

impl State {
    /// Decides a command of a session at a recorded time (microseconds since 1970). On [`Decision::Event`] the event's
    /// bytes have been appended to `out`; otherwise `out` is as it was. Queries are not decided: see [`State::answer`].
    #[inline]
    pub fn decide(
        &self,
        session: SessionHandle,
        now_us: i64,
        command: &Parsed<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Decision {
        let Parsed { raw, body } = command;
        let known = if raw.request < KEYED_FROM {
            self.sessions.known(session, raw.request)
        } else {
            self.known_key(session, raw.request)
        };
        match known {
            Known::Undecided => {}
            known => return Self::known(known, raw),
        }
        let body = match *body {
            Ok(body) => body,
            Err(None) => return Decision::Rejected(Rejection::new(RejectCode::UnknownKind)),
            Err(Some(_)) => return Decision::Rejected(Rejection::new(RejectCode::Malformed)),
        };
        let origin = Origin { session, digest: raw.digest().into(), request: raw.request.into() };
        match body {
            Command::PlaceOrder(head, lines, external_id) => {
                return self.decide_place(origin, now_us, head, lines, external_id, scratch, out);
            }
            Command::ReserveCart(head, lines) => {
                return self.decide_reserve(origin, now_us, head, lines, scratch, out);
            }
            Command::CheckOut(head, orders, lines, external_id) => {
                return self.decide_check_out(origin, now_us, head, orders, lines, external_id, scratch, out);
            }
            _ => {}
        }
        if let Some((handle, version)) = self.already_defined(&body) {
            // Defining what stands so already changes nothing and is not journalled: it holds as of now.
            let sequence = self.sequence;
            return Decision::Before(Accepted { sequence, detail: handle.into(), version, state: 0 });
        }
        match self.decide_rest(origin, now_us, &body, scratch, out) {
            Ok(kind) => Decision::Event(kind),
            Err(rejection) => Decision::Rejected(rejection),
        }
    }

    fn decide_rest(
        &self,
        origin: Origin,
        now_us: i64,
        body: &Command<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Refusable<EventKind> {
        check_happened(now_us, body)?;
        match *body {
            Command::ConfirmOrder(head) => self.decide_confirm(origin, head, out),
            Command::ShipLines(head, lines, tracking) => {
                self.decide_ship(origin, head, lines, tracking, scratch, out)
            }
            Command::UpdateShipment(head) => self.decide_update_shipment(origin, head, out),
            Command::RecordAuthorization(head) => self.decide_authorization(origin, now_us, head, out),
            Command::RecordCapture(head) => self.decide_capture(origin, head, out),
            Command::CancelLines(head, lines) => self.decide_cancel(origin, head, lines, scratch, out),
            Command::ReceiveStock(head) => self.decide_receive(origin, head, out),
            Command::AdjustStock(head) => self.decide_adjust(origin, head, out),
            Command::CountStock(head) => self.decide_count(origin, head, out),
            Command::MoveStock(head) => self.decide_move_stock(origin, head, out),
            Command::SetLevel(head) => self.decide_set_level(origin, head, out),
            Command::ExtendReservation(head) => self.decide_extend(origin, now_us, head, out),
            Command::ReleaseReservation(head) => self.decide_release(origin, head, out),
            Command::EditLine(head) => self.decide_edit_line(origin, now_us, head, scratch, out),
            Command::EditAddress(head) => self.decide_edit_address(origin, head, out),
            Command::RecordVoid(head) => self.decide_void(origin, head, out),
            Command::RecordFailure(head) => self.decide_failure(origin, head, out),
            Command::RequestRefund(head) => self.decide_refund(origin, head, out),
            Command::SettleRefund(head) => self.decide_settle_refund(origin, head, out),
            Command::RecordPayout(head) => self.decide_payout(origin, head, out),
            Command::PlaceHold(head) => self.decide_hold(origin, now_us, head, out),
            Command::ReleaseHold(head) => self.decide_release_hold(origin, head, out),
            Command::UpdateWork(head) => self.decide_update_work(origin, head, out),
            Command::RejectWork(head) => self.decide_reject_work(origin, now_us, head, scratch, out),
            Command::MoveWork(head, lines) => self.decide_move_work(origin, head, lines, scratch, out),
            Command::RequestReturn(head, lines) => {
                self.decide_request_return(origin, head, lines, scratch, out)
            }
            Command::UpdateReturn(head) => self.decide_update_return(origin, head, out),
            Command::ReceiveReturn(head, units) => {
                self.decide_receive_return(origin, head, units, scratch, out)
            }
            Command::DefineSeller(head, code) => self.decide_seller(origin, head, code, out),
            Command::DefineLocation(head, code) => self.decide_location(origin, head, code, out),
            Command::DefineSku(head, code) => self.decide_sku(origin, head, code, out),
            Command::DefineSourcing(head) => self.decide_sourcing(origin, head, out),
            Command::SetPolicy(head) => self.decide_policy(origin, head, out),
            Command::DefineToken(head, label) => self.decide_token(origin, head, label, out),
            Command::RevokeToken(head) => self.decide_revoke(origin, head, out),
            Command::PlaceOrder(..)
            | Command::ReserveCart(..)
            | Command::CheckOut(..)
            | Command::QueryOrder(_)
            | Command::QueryStock(_)
            | Command::ResolveCode(..)
            | Command::QueryStatus(_)
            | Command::QueryGroup(_)
            | Command::QueryReservation(_)
            | Command::QueryLedger(_)
            | Command::QueryCatalogue(_)
            | Command::QuerySettings(_)
            | Command::QueryAvailability(..)
            | Command::QueryTransitions(_)
            | Command::QueryTokens(_) => {
                // Placements were decided before; queries, whoever drives the state tells by their kind beforehand.
                Err(Rejection::new(RejectCode::UnknownKind))
            }
        }
    }

    /// Opens a session for an actor: writes the event, or returns the one that has this id and this actor already. A session
    /// that was another actor's is opened as what it is, under its own number: who asks is journalled before what they ask.
    pub fn decide_session(
        &self,
        session: SessionId,
        actor: u32,
        out: &mut Vec<u8>,
    ) -> Result<EventKind, SessionHandle> {
        let handle = match self.sessions.find(session) {
            Some((handle, known)) if known.actor == actor => return Err(handle),
            Some((handle, _)) => handle,
            None => self.sessions.next_handle(),
        };
        Ok(write(Event::SessionOpened(&SessionOpened { session, handle, actor: actor.into() }), out))
    }

    /// The order that a command means, if it is there, its version is the expected one, its state allows the action and
    /// no hold blocks it (`blocks`: bits of [`orderline_protocol::lifecycle::blocks`]; 0: no hold can).
    #[inline]
    pub(super) fn order_for(
        &self,
        order: OrderId,
        expected_version: u32,
        action: Action,
        blocks: u8,
    ) -> Refusable<OrderSlot> {
        let Some(slot) = self.orders.find(order) else {
            return Err(Rejection::new(RejectCode::UnknownOrder));
        };
        let head = self.orders.head(slot);
        if expected_version != 0 && expected_version != head.version {
            return Err(self.refuse(slot, RejectCode::VersionMismatch));
        }
        let state = head.state() as u8;
        if transitions::targets(Entity::Order, state, action).is_empty() {
            let version = head.version;
            return Err(Rejection { version, ..Rejection::illegal(Entity::Order, state, action) });
        }
        if blocks != 0 {
            self.check_holds(slot, blocks)?;
        }
        Ok(slot)
    }

    /// Whether a hold of an order blocks something.
    pub(super) fn check_holds(&self, slot: OrderSlot, blocks: u8) -> Refusable<()> {
        let Some(detail) = self.orders.detail(slot) else { return Ok(()) };
        let is_blocking =
            |hold: &super::detail::Hold| hold.state() == HoldState::Active && hold.blocks & blocks != 0;
        match detail.holds.iter().position(is_blocking) {
            None => Ok(()),
            Some(place) => Err(self
                .refuse(slot, RejectCode::OnHold)
                .about(place as u32 + 1)
                .with(detail.holds[place].kind.into())),
        }
    }

    /// A rejection that names the order's state and version.
    pub(super) fn refuse(&self, slot: OrderSlot, code: RejectCode) -> Rejection {
        let head = self.orders.head(slot);
        Rejection { state: head.state() as u8, version: head.version, ..Rejection::new(code) }
    }

    /// Whether the transition table allows an action on a part of an order (a shipment, a return, …) in its state.
    pub(super) fn check_part(
        &self,
        slot: OrderSlot,
        entity: Entity,
        state: u8,
        action: Action,
    ) -> Refusable<()> {
        if transitions::targets(entity, state, action).is_empty() {
            let version = self.orders.head(slot).version;
            return Err(Rejection { version, ..Rejection::illegal(entity, state, action) });
        }
        Ok(())
    }
}

/// Reserved bytes are zero, so that a later version can give them a meaning.
pub(super) fn check_zeros(reserved: &[u8], offset: u32) -> Refusable<()> {
    if reserved.iter().all(|&byte| byte == 0) {
        Ok(())
    } else {
        Err(Rejection::new(RejectCode::InvalidField).about(offset))
    }
}

/// A flag is 0 or 1.
pub(super) fn check_flag(flag: u8, offset: u32) -> Refusable<()> {
    if flag <= 1 { Ok(()) } else { Err(Rejection::new(RejectCode::InvalidField).about(offset)) }
}

/// A duration is at most ten years.
pub(super) fn check_duration(seconds: u32, offset: u32) -> Refusable<()> {
    if seconds <= DURATION_S_MAX {
        Ok(())
    } else {
        Err(Rejection::new(RejectCode::InvalidField).about(offset))
    }
}

/// Whether a version is the expected one; 0: nothing has changed it yet.
pub(super) fn expects(expected: u32, version: u32) -> bool {
    match expected {
        0 => true,
        EXPECTED_NEW => version == 0,
        expected => expected == version,
    }
}

#[inline(always)] // The kind is known where it is called, and all others fall away.
pub(super) fn write(event: Event<'_>, out: &mut Vec<u8>) -> EventKind {
    event.write(out);
    event.kind()
}
