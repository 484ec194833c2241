//! Schemas of what the views' types do not say by themselves: enumerations by their names.

use orderline_protocol::command::{SourcingRule, Standing};
use orderline_protocol::lifecycle::{
    Action, Entity, FulfilmentStatus, HoldKind, HoldState, OrderState, PaymentState, PaymentStatus,
    RefundState, ReservationState, ReturnState, ReturnStatus, ShipmentState, WorkState,
};
use orderline_protocol::reply::SaleStanding;
use utoipa::openapi::schema::{Array, ArrayBuilder, Object, ObjectBuilder, SchemaType, Type};

/// A text that is one of these.
fn one_of(names: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).build()
}

/// A text that is one of these, or null.
fn one_of_or_null(names: impl IntoIterator<Item = &'static str>) -> Object {
    let values: Vec<Option<&str>> = names.into_iter().map(Some).chain([None]).collect();
    let either = SchemaType::from_iter([Type::String, Type::Null]);
    ObjectBuilder::new().schema_type(either).enum_values(Some(values)).build()
}

macro_rules! schemas {
    ($($function:ident $type:ident)+) => {
        $(pub(super) fn $function() -> Object {
            one_of($type::ALL.iter().map(|one| one.name()))
        })+
    };
}

schemas! {
    action Action
    entity Entity
    fulfilment_status FulfilmentStatus
    hold_kind HoldKind
    hold_state HoldState
    order_state OrderState
    payment_status PaymentStatus
    refund_state RefundState
    reservation_state ReservationState
    return_state ReturnState
    return_status ReturnStatus
    sale_standing SaleStanding
    shipment_state ShipmentState
    standing Standing
    work_state WorkState
}

/// A payment's state, null where there is no payment yet.
pub(super) fn payment_state_or_null() -> Object {
    one_of_or_null(PaymentState::ALL.iter().map(|state| state.name()))
}

/// The state that held work goes back to, null where it is not on hold.
pub(super) fn work_state_or_null() -> Object {
    one_of_or_null(WorkState::ALL.iter().map(|state| state.name()))
}

/// What holds block.
pub(super) fn blocked() -> Array {
    ArrayBuilder::new().items(one_of(crate::show::BLOCKS.iter().map(|&(_, name)| name))).build()
}

/// Sourcing rules in their order.
pub(super) fn rules() -> Array {
    ArrayBuilder::new().items(one_of(SourcingRule::ALL.iter().map(|rule| rule.name()))).build()
}
