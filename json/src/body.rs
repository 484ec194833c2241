//! What each event says, as JSON. One arm for each event, and none for all the rest: a new event does not compile
//! before somebody has said how it is shown.

use orderline_protocol::command::{
    Bucket, RefundOutcome, ReturnStep, ReturnedUnits, Role, ShipmentStep, SourcingRule, Standing, WorkStep,
};
use orderline_protocol::event::{CapturedShare, DecidingRule, Event, LateHold, OrderState, Origin};
use orderline_protocol::lifecycle::{
    Disposition, HoldKind, PaymentState, ReturnState, ShipmentState, WorkState,
};
use serde_json::{Value, json};

use crate::show::{
    Places, Shown, blocked, cause, currency, expired, expiry, happened, id, list, named, retired, said, text,
    time, time_of_ms,
};

/// Who asked for an event, if anybody did, and what it says.
pub(crate) fn origin_and_body<'a>(names: &Shown<'_>, event: &Event<'a>) -> (Option<&'a Origin>, Value) {
    let (origin, body) = match *event {
        Event::SessionOpened(head) => {
            let session = format!("{:032x}", head.session.get());
            let actor = said(head.actor.get());
            return (None, json!({"session": head.handle.get(), "session_id": session, "actor": actor}));
        }
        Event::SellerDefined(head, code) => (
            &head.origin,
            json!({
                "seller": code, "handle": head.handle.get(), "version": head.version.get(),
                "standing": named(head.definition.standing, Standing::from_number, Standing::name),
                "commission_bp": head.definition.commission_bp.get(),
            }),
        ),
        Event::LocationDefined(head, code) => (
            &head.origin,
            json!({
                "location": code, "handle": head.handle.get(), "version": head.version.get(),
                "standing": named(head.definition.standing, Standing::from_number, Standing::name),
                "region": said(head.definition.region.get()), "priority": head.definition.priority.get(),
                "daily_capacity": said(head.definition.daily_capacity.get()),
            }),
        ),
        Event::SkuDefined(head, code) => (
            &head.origin,
            json!({
                "sku": code, "handle": head.handle.get(), "version": head.version.get(),
                "standing": named(head.definition.standing, Standing::from_number, Standing::name),
                "seller": names.seller(head.definition.seller), "currency": currency(head.definition.currency),
                "backorder_cap": head.definition.backorder_cap.get(),
            }),
        ),
        Event::SourcingDefined(head) => {
            let rules = head.definition.rules.iter().filter(|&&rule| rule != 0);
            let rules = rules.map(|&rule| named(rule, SourcingRule::from_number, SourcingRule::name));
            let rules: Vec<Value> = rules.collect();
            (&head.origin, json!({"seller": names.seller(head.definition.seller), "rules": rules}))
        }
        Event::PolicySet(head) => (
            &head.origin,
            json!({
                "version": head.version.get(), "pending_order_s": said(head.policy.pending_order_s.get()),
                "retention_s": said(head.policy.retention_s.get()),
                "reservation_s_max": head.policy.reservation_s_max.get(),
            }),
        ),
        Event::TokenDefined(head, label) => (
            &head.origin,
            json!({
                "token": label, "token_number": head.token.get(), "version": head.version.get(),
                "role": named(head.definition.role, Role::from_number, Role::name),
                "seller": names.seller(head.definition.seller),
                "locations": head.definition.locations.iter().map(|own| names.location(own)).collect::<Vec<_>>(),
                "expires_at": expiry(head.definition.expires_at_us.get()),
                "commands_per_s_max": said(head.definition.commands_per_s_max.get()),
            }),
        ),
        Event::TokenRevoked(head) => {
            (&head.origin, json!({"token_number": head.token.get(), "version": head.version.get()}))
        }
        Event::StockReceived(head) => (
            &head.origin,
            json!({
                "sku": names.sku(head.receipt.sku), "location": names.location(head.receipt.location),
                "quantity": head.receipt.quantity.get(), "from_incoming": head.receipt.from_incoming == 1,
                "cause": cause(&head.receipt.cause),
            }),
        ),
        Event::StockAdjusted(head) => (
            &head.origin,
            json!({
                "sku": names.sku(head.adjustment.sku), "location": names.location(head.adjustment.location),
                "bucket": named(head.adjustment.bucket, Bucket::from_number, Bucket::name),
                "delta": head.adjustment.delta.get(), "cause": cause(&head.adjustment.cause),
            }),
        ),
        Event::StockCounted(head) => (
            &head.origin,
            json!({
                "sku": names.sku(head.count.sku), "location": names.location(head.count.location),
                "on_hand": head.count.on_hand.get(), "delta": head.delta.get(),
                "cause": cause(&head.count.cause),
            }),
        ),
        Event::StockMoved(head) => (
            &head.origin,
            json!({
                "sku": names.sku(head.movement.sku), "quantity": head.movement.quantity.get(),
                "from": names.location(head.movement.from), "to": names.location(head.movement.to),
                "from_bucket": named(head.movement.from_bucket, Bucket::from_number, Bucket::name),
                "to_bucket": named(head.movement.to_bucket, Bucket::from_number, Bucket::name),
                "cause": cause(&head.movement.cause),
            }),
        ),
        Event::LevelSet(head) => (
            &head.origin,
            json!({
                "sku": names.sku(head.set.sku), "location": names.location(head.set.location),
                "on_hand": head.set.on_hand.get(), "as_of": head.set.as_of.get(), "delta": head.delta.get(),
                "cause": cause(&head.set.cause),
            }),
        ),
        Event::BackordersRefilled(head, refills) => {
            let refills = list(refills, |refill| {
                json!({
                    "order": id(refill.order.get()), "line": refill.line.get(),
                    "location": names.location(refill.location), "quantity": refill.quantity.get(),
                })
            });
            return (None, json!({"sku": names.sku(head.sku), "refills": refills}));
        }
        Event::ShortageNamed(head, orders) => {
            let orders = list(
                orders,
                |short| json!({"order": id(short.order.get()), "quantity": short.quantity.get()}),
            );
            return (
                None,
                json!({
                    "sku": names.sku(head.sku), "location": names.location(head.location),
                    "short": head.short.get(), "orders": orders,
                }),
            );
        }
        Event::CartReserved(head, lines, allocations) => (
            &head.origin,
            json!({
                "reservation": id(head.cart.reservation.get()), "replaces": id(head.cart.replaces.get()),
                "buyer": head.cart.buyer.get(), "region": said(head.cart.region.get()),
                "expires_at": expiry(head.expires_at_us.get()), "rule": rule(head.rule),
                "location": names.location(head.location),
                "lines": list(lines, |line| json!({
                    "sku": names.sku(line.sku), "quantity": line.quantity.get(),
                })),
                "allocations": names.moves(allocations),
            }),
        ),
        Event::ReservationExtended(head) => (
            &head.origin,
            json!({"reservation": id(head.reservation.get()), "expires_at": expiry(head.expires_at_us.get())}),
        ),
        Event::ReservationReleased(head) => {
            (&head.origin, json!({"reservation": id(head.reservation.get())}))
        }
        Event::OrderPlaced(head, lines, allocations, external_id) => (
            &head.origin,
            json!({
                "order": id(head.placement.order.get()), "external_id": text(external_id), "buyer": head.placement.buyer.get(),
                "seller": names.seller(head.placement.seller), "currency": currency(head.placement.currency),
                "region": said(head.placement.region.get()), "rule": rule(head.rule),
                "location": names.location(head.location), "lines": list(lines, |line| names.line(line)),
                "allocations": names.moves(allocations),
            }),
        ),
        Event::GroupPlaced(head, orders, lines, allocations, external_id) => {
            let places = Places::of(orders);
            let of_group = |(index, line)| places.at(index, names.line(line));
            let lines: Vec<Value> = lines.iter().enumerate().map(of_group).collect();
            let allocations = list(allocations, |units| {
                places.at(units.line.get().into(), names.units(units.location, units.quantity.get()))
            });
            (
                &head.origin,
                json!({
                    "group": id(head.checkout.group.get()), "external_id": text(external_id), "reservation": id(head.checkout.reservation.get()),
                    "buyer": head.checkout.buyer.get(), "currency": currency(head.checkout.currency),
                    "region": said(head.checkout.region.get()), "rule": rule(head.rule),
                    "location": names.location(head.location), "is_as_reserved": head.is_as_reserved == 1,
                    "orders": list(orders, |order| json!({
                        "order": id(order.order.get()), "seller": names.seller(order.seller),
                    })),
                    "lines": lines, "allocations": allocations,
                }),
            )
        }
        Event::OrderConfirmed(head) => (&head.origin, json!({"order": id(head.order.get())})),
        Event::LinesCancelled(head, moves) => (
            &head.origin,
            json!({
                "order": id(head.order.get()), "state": order_state(head.state), "reason": head.reason.get(),
                "refund_owed_minor": head.refund_owed.minor(), "moves": names.moves(moves),
                "all_open": moves.is_empty(),
            }),
        ),
        Event::LineEdited(head, moves) => (
            &head.origin,
            json!({
                "order": id(head.edit.order.get()), "line": head.edit.line.get(),
                "quantity": head.edit.quantity.get(), "reason": head.edit.reason.get(),
                "refund_owed_minor": head.refund_owed.minor(), "rule": rule(head.rule),
                "moves": names.moves(moves),
            }),
        ),
        Event::AddressEdited(head) => (
            &head.origin,
            json!({
                "order": id(head.edit.order.get()), "address": said(head.edit.address.get()),
                "region": said(head.edit.region.get()),
            }),
        ),
        Event::HoldPlaced(head) => (
            &head.origin,
            json!({
                "order": id(head.hold.order.get()), "hold": head.number.get(),
                "hold_kind": named(head.hold.kind, HoldKind::from_number, HoldKind::name),
                "blocks": blocked(head.hold.blocks), "reason": head.hold.reason.get(),
                "expires_at": expiry(head.expires_at_us.get()),
            }),
        ),
        Event::HoldReleased(head) => (
            &head.origin,
            json!({
                "order": id(head.release.order.get()), "hold": head.release.hold.get(),
                "reason": head.release.reason.get(),
            }),
        ),
        Event::PaymentAuthorized(head, holds) => (
            &head.origin,
            json!({
                "group": id(head.authorization.group.get()), "payment": head.number.get(),
                "amount_minor": head.authorization.amount.minor(),
                "currency": currency(head.authorization.currency),
                "reference": head.authorization.reference.get(),
                "happened_at": happened(head.authorization.happened_at_us.get()), "expires_at": expiry(head.expires_at_us.get()),
                "holds": list(holds, late_hold),
            }),
        ),
        Event::PaymentCaptured(head, shares, holds) => {
            let mut body = json!({
                "group": id(head.capture.group.get()), "order": id(head.capture.order.get()),
                "amount_minor": head.capture.amount.minor(), "reference": head.capture.reference.get(),
                "happened_at": happened(head.capture.happened_at_us.get()),
                "state": payment_state(head.state),
                "shares": list(shares, |share: &CapturedShare| json!({
                    "order": id(share.order.get()), "amount_minor": share.amount.minor(),
                    "commission_minor": share.commission.minor(),
                })),
            });
            // Few captures come too late.
            if !holds.is_empty() {
                body["holds"] = list(holds, late_hold);
            }
            (&head.origin, body)
        }
        Event::PaymentVoided(head) => (
            &head.origin,
            json!({
                "group": id(head.end.group.get()), "amount_minor": head.amount.minor(),
                "reference": head.end.reference.get(), "reason": head.end.reason.get(),
                "happened_at": happened(head.end.happened_at_us.get()),
                "state": payment_state(head.state),
            }),
        ),
        Event::PaymentFailed(head) => (
            &head.origin,
            json!({
                "group": id(head.end.group.get()), "reference": head.end.reference.get(),
                "reason": head.end.reason.get(), "happened_at": happened(head.end.happened_at_us.get()),
            }),
        ),
        Event::RefundRequested(head) => (
            &head.origin,
            json!({
                "order": id(head.request.order.get()), "refund": head.number.get(),
                "amount_minor": head.request.amount.minor(), "reason": head.request.reason.get(),
                "happened_at": happened(head.request.happened_at_us.get()),
            }),
        ),
        Event::RefundSettled(head) => (
            &head.origin,
            json!({
                "order": id(head.settlement.order.get()), "refund": head.settlement.refund.get(),
                "outcome": named(head.settlement.outcome, RefundOutcome::from_number, RefundOutcome::name),
                "reference": head.settlement.reference.get(),
                "happened_at": happened(head.settlement.happened_at_us.get()), "amount_minor": head.amount.minor(),
                "commission_reversal_minor": head.commission_reversal.minor(),
            }),
        ),
        Event::PayoutRecorded(head) => (
            &head.origin,
            json!({
                "seller": names.seller(head.payout.seller), "currency": currency(head.payout.currency),
                "amount_minor": head.payout.amount.minor(), "reference": head.payout.reference.get(),
                "happened_at": happened(head.payout.happened_at_us.get()),
            }),
        ),
        Event::WorkUpdated(head) => (
            &head.origin,
            json!({
                "order": id(head.update.order.get()), "location": names.location(head.update.location),
                "step": named(head.update.step, WorkStep::from_number, WorkStep::name),
                "state": named(head.state, WorkState::from_number, WorkState::name),
            }),
        ),
        Event::WorkRejected(head, moves) => (
            &head.origin,
            json!({
                "order": id(head.rejection.order.get()), "location": names.location(head.rejection.location),
                "reason": head.rejection.reason.get(), "is_missing": head.rejection.is_missing == 1,
                "rule": rule(head.rule), "moves": names.moves(moves),
            }),
        ),
        Event::WorkMoved(head, moves) => (
            &head.origin,
            json!({
                "order": id(head.movement.order.get()), "from": names.location(head.movement.from),
                "to": names.location(head.movement.to), "reason": head.movement.reason.get(),
                "moves": names.moves(moves),
            }),
        ),
        Event::ShipmentMade(head, moves, tracking) => (
            &head.origin,
            json!({
                "order": id(head.order.get()), "shipment": head.shipment.get(), "carrier": head.carrier.get(),
                "tracking": tracking, "is_sent": head.is_sent == 1,
                "happened_at": happened(head.happened_at_us.get()), "moves": names.moves(moves),
                "all_open": moves.is_empty(),
            }),
        ),
        Event::ShipmentUpdated(head) => (
            &head.origin,
            json!({
                "order": id(head.update.order.get()), "shipment": head.update.shipment.get(),
                "step": named(head.update.step, ShipmentStep::from_number, ShipmentStep::name),
                "happened_at": happened(head.update.happened_at_us.get()),
                "state": named(head.state, ShipmentState::from_number, ShipmentState::name),
                "order_state": order_state(head.order_state), "return": said(head.return_number.get()),
            }),
        ),
        Event::ReturnRequested(head, lines) => (
            &head.origin,
            json!({
                "order": id(head.request.order.get()), "return": head.number.get(),
                "reason": head.request.reason.get(), "happened_at": happened(head.request.happened_at_us.get()),
                "lines": list(lines, |line| json!({
                    "line": line.line.get(), "quantity": line.quantity.get(),
                })),
            }),
        ),
        Event::ReturnUpdated(head) => (
            &head.origin,
            json!({
                "order": id(head.update.order.get()), "return": head.update.return_number.get(),
                "step": named(head.update.step, ReturnStep::from_number, ReturnStep::name),
                "happened_at": happened(head.update.happened_at_us.get()),
                "state": named(head.state, ReturnState::from_number, ReturnState::name),
            }),
        ),
        Event::ReturnReceived(head, units) => (
            &head.origin,
            json!({
                "order": id(head.receipt.order.get()), "return": head.receipt.return_number.get(),
                "location": names.location(head.receipt.location),
                "happened_at": happened(head.receipt.happened_at_us.get()),
                "refund_owed_minor": head.refund_owed.minor(),
                "units": list(units, |units: &ReturnedUnits| json!({
                    "line": units.line.get(), "quantity": units.quantity.get(),
                    "disposition": named(units.disposition, Disposition::from_number, Disposition::name),
                })),
            }),
        ),
        Event::TimePassed(head, expiries) => {
            return (None, json!({"now": time(head.now_us.get()), "expiries": list(expiries, expired)}));
        }
        Event::FinishedRetired(head, gone) => {
            return (
                None,
                json!({
                    "orders_horizon": time_of_ms(head.orders_horizon_ms.get()),
                    "reservations_horizon": time_of_ms(head.reservations_horizon_ms.get()),
                    "examined": head.examined_count.get(), "retired": list(gone, retired),
                }),
            );
        }
    };
    (Some(origin), body)
}

fn late_hold(hold: &LateHold) -> Value {
    json!({"order": id(hold.order.get()), "hold": hold.number.get()})
}

fn order_state(number: u8) -> Value {
    named(number, OrderState::from_number, OrderState::name)
}

fn payment_state(number: u8) -> Value {
    named(number, PaymentState::from_number, PaymentState::name)
}

fn rule(number: u8) -> Value {
    named(number, DecidingRule::from_number, DecidingRule::name)
}
