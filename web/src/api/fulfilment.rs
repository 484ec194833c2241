//! Fulfilment: the work of locations, and packages.

use axum::extract::State;
use orderline_protocol::command::{CommandKind, MoveWork, RejectWork, ShipLines, UpdateShipment, UpdateWork};
use orderline_protocol::lifecycle::Entity;
use orderline_protocol::limits::TRACKING_BYTES_MAX;
use orderline_protocol::{Command, LocationHandle, RejectCode};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::orders::{LineUnits, quantities};
use super::request::{At, Body, Caller, CommandHeaders};
use super::types::{OrderUlid, ShipmentStepName, Time, WorkStepName, us};
use super::{Api, Receipt};
use crate::problem::{Problem, Problems};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(update_work))
        .routes(routes!(reject_work))
        .routes(routes!(move_work))
        .routes(routes!(ship))
        .routes(routes!(update_shipment))
}

/// How far a location is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkUpdate {
    /// What it does.
    step: WorkStepName,
}

/// Say how far a location is with an order.
#[utoipa::path(post, path = "/v1/orders/{order}/work/{location}/steps", tag = "fulfilment", request_body = WorkUpdate,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id."),
        ("location" = String, Path, description = "The location's code.")),
    responses((status = 200, body = Receipt), Problems))]
async fn update_work(
    State(api): State<Api>,
    caller: Caller,
    At((order, location)): At<(OrderUlid, String)>,
    Body(body): Body<WorkUpdate>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::UpdateWork)?;
    let head = UpdateWork {
        order: order.0,
        expected_version: caller.expected,
        location: api.location(may, &location).await?,
        step: body.step.0 as u8,
        reserved: 0,
    };
    Ok(api.run(&caller, &Command::UpdateWork(&head)).await?.receipt(Some(Entity::Order)))
}

/// Why a location refuses.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WorkRejection {
    /// The caller's own reason code.
    reason: u16,
    /// The goods are not to be found, so they go to quality hold until somebody has counted.
    is_missing: bool,
}

/// Refuse a location's work: it is sourced again in the same moment. `units` are those that are backordered then.
#[utoipa::path(post, path = "/v1/orders/{order}/work/{location}/reject", tag = "fulfilment", request_body = WorkRejection,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id."),
        ("location" = String, Path, description = "The location's code.")),
    responses((status = 200, body = Receipt), Problems))]
async fn reject_work(
    State(api): State<Api>,
    caller: Caller,
    At((order, location)): At<(OrderUlid, String)>,
    Body(body): Body<WorkRejection>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::RejectWork)?;
    let head = RejectWork {
        order: order.0,
        expected_version: caller.expected,
        location: api.location(may, &location).await?,
        reason: body.reason.into(),
        is_missing: body.is_missing.into(),
        reserved: [0; 7],
    };
    let done = api.run(&caller, &Command::RejectWork(&head)).await?;
    Ok(Receipt { units: Some(done.detail as i64), ..done.receipt(Some(Entity::Order)) })
}

/// Work that another location is to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkMove {
    /// The code of the location that it goes to, which must have the units available.
    to: String,
    /// Units of lines; without any, all that the location has of the order.
    #[serde(default)]
    #[schema(max_items = 2_000)]
    lines: Vec<LineUnits>,
    /// The caller's own reason code.
    #[serde(default)]
    reason: u16,
}

/// Give work to another location. `units` are those moved.
#[utoipa::path(post, path = "/v1/orders/{order}/work/{location}/move", tag = "fulfilment", request_body = WorkMove,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id."),
        ("location" = String, Path, description = "The code of the location that has the work.")),
    responses((status = 200, body = Receipt), Problems))]
async fn move_work(
    State(api): State<Api>,
    caller: Caller,
    At((order, location)): At<(OrderUlid, String)>,
    Body(body): Body<WorkMove>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::MoveWork)?;
    let (lines, line_count) = quantities(&body.lines)?;
    let head = MoveWork {
        order: order.0,
        expected_version: caller.expected,
        from: api.location(may, &location).await?,
        to: api.location_of(may, &body.to, "to").await?,
        line_count: line_count.into(),
        reason: body.reason.into(),
    };
    let done = api.run(&caller, &Command::MoveWork(&head, &lines)).await?;
    Ok(Receipt { units: Some(done.detail as i64), ..done.receipt(Some(Entity::Order)) })
}

/// A package.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewShipment {
    /// The code of the location that it leaves; without it, one package holds what all locations of the order have.
    location: Option<String>,
    /// Units of lines; without any, all that there is to ship and is not packed yet.
    #[serde(default)]
    #[schema(max_items = 2_000)]
    lines: Vec<LineUnits>,
    /// The caller's own number of the carrier.
    #[serde(default)]
    carrier: u16,
    /// The carrier's tracking code, at most 64 bytes.
    #[serde(default)]
    #[schema(max_length = 64)]
    tracking: String,
    /// It leaves at once (shipped); else it is packed (created) and sent later.
    #[serde(default)]
    is_sent: bool,
    /// When it happened outside.
    happened_at: Option<Time>,
}

/// Pack units of an order's lines into a package. `number` is the shipment's in its order.
#[utoipa::path(post, path = "/v1/orders/{order}/shipments", tag = "fulfilment", request_body = NewShipment,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id.")),
    responses((status = 201, body = Receipt), Problems))]
async fn ship(
    State(api): State<Api>,
    caller: Caller,
    At(order): At<OrderUlid>,
    Body(body): Body<NewShipment>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::ShipLines)?;
    if body.tracking.len() > TRACKING_BYTES_MAX {
        let detail = format!(
            "A tracking code has at most {TRACKING_BYTES_MAX} bytes; this has {}.",
            body.tracking.len()
        );
        return Err(Problem::wrong_field("tracking", RejectCode::InvalidField.name(), detail));
    }
    let location = match &body.location {
        Some(code) => api.location_of(may, code, "location").await?,
        None => LocationHandle::NONE,
    };
    let (lines, line_count) = quantities(&body.lines)?;
    let head = ShipLines {
        order: order.0,
        happened_at_us: us(body.happened_at),
        expected_version: caller.expected,
        location,
        line_count: line_count.into(),
        carrier: body.carrier.into(),
        tracking_bytes: body.tracking.len() as u8,
        is_sent: body.is_sent.into(),
    };
    let done = api.run(&caller, &Command::ShipLines(&head, &lines, &body.tracking)).await?;
    Ok(Receipt { number: Some(done.detail), ..done.receipt(Some(Entity::Order)) }.created())
}

/// What happened to a package.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShipmentUpdate {
    /// What.
    step: ShipmentStepName,
    /// When it happened outside.
    happened_at: Option<Time>,
}

/// Say what happened to a package. Where it comes back, `number` is its return's in its order.
#[utoipa::path(post, path = "/v1/orders/{order}/shipments/{shipment}/steps", tag = "fulfilment", request_body = ShipmentUpdate,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id."),
        ("shipment" = u16, Path, description = "The package's number in its order, from 1.")),
    responses((status = 200, body = Receipt), Problems))]
async fn update_shipment(
    State(api): State<Api>,
    caller: Caller,
    At((order, shipment)): At<(OrderUlid, u16)>,
    Body(body): Body<ShipmentUpdate>,
) -> Result<Receipt, Problem> {
    let head = UpdateShipment {
        order: order.0,
        happened_at_us: us(body.happened_at),
        expected_version: caller.expected,
        shipment: shipment.into(),
        step: body.step.0 as u8,
        reserved: 0,
    };
    let done = api.run(&caller, &Command::UpdateShipment(&head)).await?;
    let number = Some(done.detail).filter(|&number| number > 0);
    Ok(Receipt { number, ..done.receipt(Some(Entity::Order)) })
}
