//! Returns: goods on their way back.

use axum::extract::State;
use orderline_protocol::Command;
use orderline_protocol::command::{CommandKind, ReceiveReturn, RequestReturn, ReturnedUnits, UpdateReturn};
use orderline_protocol::lifecycle::Entity;
use orderline_protocol::limits::ORDER_LINES_MAX;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::carts::check_count;
use super::orders::{LineUnits, quantities};
use super::request::{At, Body, Caller, CommandHeaders};
use super::types::{DispositionName, OrderUlid, ReturnStepName, Time, us};
use super::{Api, Receipt};
use crate::problem::{Problem, Problems};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(request)).routes(routes!(update)).routes(routes!(receive))
}

/// What is to come back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReturn {
    /// Units of lines; without any, all that were delivered and are not on their way back.
    #[serde(default)]
    #[schema(max_items = 2_000)]
    lines: Vec<LineUnits>,
    /// The caller's own reason code.
    #[serde(default)]
    reason: u16,
    /// When the buyer asked.
    happened_at: Option<Time>,
}

/// Ask to send delivered units back. `number` is the return's in its order.
#[utoipa::path(post, path = "/v1/orders/{order}/returns", tag = "returns", request_body = NewReturn,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id.")),
    responses((status = 201, body = Receipt), Problems))]
async fn request(
    State(api): State<Api>,
    caller: Caller,
    At(order): At<OrderUlid>,
    Body(body): Body<NewReturn>,
) -> Result<Receipt, Problem> {
    let (lines, line_count) = quantities(&body.lines)?;
    let head = RequestReturn {
        order: order.0,
        happened_at_us: us(body.happened_at),
        expected_version: caller.expected,
        line_count: line_count.into(),
        reason: body.reason.into(),
    };
    let done = api.run(&caller, &Command::RequestReturn(&head, &lines)).await?;
    Ok(Receipt { number: Some(done.detail), ..done.receipt(Some(Entity::Order)) }.created())
}

/// What happens to a return.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReturnUpdate {
    /// What.
    step: ReturnStepName,
    /// When it happened outside.
    happened_at: Option<Time>,
}

/// Approve, decline, cancel or close a return.
#[utoipa::path(post, path = "/v1/orders/{order}/returns/{return}/steps", tag = "returns", request_body = ReturnUpdate,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id."),
        ("return" = u16, Path, description = "The return's number in its order, from 1.")),
    responses((status = 200, body = Receipt), Problems))]
async fn update(
    State(api): State<Api>,
    caller: Caller,
    At((order, return_number)): At<(OrderUlid, u16)>,
    Body(body): Body<ReturnUpdate>,
) -> Result<Receipt, Problem> {
    let head = UpdateReturn {
        order: order.0,
        happened_at_us: us(body.happened_at),
        expected_version: caller.expected,
        return_number: return_number.into(),
        step: body.step.0 as u8,
        reserved: 0,
    };
    Ok(api.run(&caller, &Command::UpdateReturn(&head)).await?.receipt(Some(Entity::Order)))
}

/// Units of a line that came back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReturnedLine {
    /// The line's index in its order, from 0.
    line: u16,
    /// Units.
    #[schema(minimum = 1)]
    quantity: u32,
    /// What becomes of them.
    disposition: DispositionName,
}

/// What came of a return.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReturnReceipt {
    /// The code of the location that they came to.
    location: String,
    /// What came; what is not named did not come.
    #[schema(max_items = 2_000)]
    units: Vec<ReturnedLine>,
    /// When it happened outside.
    happened_at: Option<Time>,
}

/// Take the goods of an approved return in, once. `amount_minor` is their value.
#[utoipa::path(post, path = "/v1/orders/{order}/returns/{return}/receive", tag = "returns", request_body = ReturnReceipt,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id."),
        ("return" = u16, Path, description = "The return's number in its order, from 1.")),
    responses((status = 200, body = Receipt), Problems))]
async fn receive(
    State(api): State<Api>,
    caller: Caller,
    At((order, return_number)): At<(OrderUlid, u16)>,
    Body(body): Body<ReturnReceipt>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::ReceiveReturn)?;
    check_count("units", body.units.len(), ORDER_LINES_MAX)?;
    let units = |came: &ReturnedLine| ReturnedUnits {
        line: came.line.into(),
        disposition: came.disposition.0 as u8,
        reserved: 0,
        quantity: came.quantity.into(),
    };
    let units: Vec<ReturnedUnits> = body.units.iter().map(units).collect();
    let head = ReceiveReturn {
        order: order.0,
        happened_at_us: us(body.happened_at),
        expected_version: caller.expected,
        return_number: return_number.into(),
        location: api.location_of(may, &body.location, "location").await?,
        line_count: (units.len() as u16).into(),
        reserved: [0; 6],
    };
    let done = api.run(&caller, &Command::ReceiveReturn(&head, &units)).await?;
    Ok(Receipt { amount_minor: Some(done.detail as i64), ..done.receipt(Some(Entity::Order)) })
}
