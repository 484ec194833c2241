//! Stock: what changes a level.

use axum::extract::State;
use orderline_protocol::Command;
use orderline_protocol::command::{
    AdjustStock, Cause, CommandKind, CountStock, MoveStock, ReceiveStock, SetLevel,
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::request::{At, Body, Caller, CommandHeaders};
use super::types::{BucketName, Time, us};
use super::{Api, Done, Receipt};
use crate::problem::{Problem, Problems};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(receive))
        .routes(routes!(adjust))
        .routes(routes!(count))
        .routes(routes!(move_stock))
        .routes(routes!(set_level))
}

/// Why stock changed, by whom, by which paper, and when; all of it as the caller says.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StockCause {
    /// The paper: a delivery note, a count's number.
    reference: u64,
    /// Who: a person or a system.
    actor: u32,
    /// Why, by the caller's own reason code.
    reason: u16,
    /// When it happened outside.
    happened_at: Option<Time>,
}

impl StockCause {
    fn cause(&self) -> Cause {
        Cause {
            reference: self.reference.into(),
            happened_at_us: us(self.happened_at),
            actor: self.actor.into(),
            reason: self.reason.into(),
            reserved: [0; 2],
        }
    }
}

/// The receipt of a command whose detail is what a bucket holds then.
fn with_units(done: Done) -> Receipt {
    Receipt { units: Some(done.detail as i64), ..done.receipt(None) }
}

/// Stock that came.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StockReceipt {
    /// Units.
    #[schema(minimum = 1)]
    quantity: u64,
    /// It was announced, so incoming falls by as much.
    #[serde(default)]
    from_incoming: bool,
    #[serde(default)]
    cause: StockCause,
}

/// Receive stock. `units` says what is available then.
#[utoipa::path(post, path = "/v1/stock/{sku}/{location}/receipts", tag = "stock", request_body = StockReceipt,
    params(CommandHeaders, ("sku" = String, Path, description = "The SKU's code."),
        ("location" = String, Path, description = "The location's code.")),
    responses((status = 201, body = Receipt), Problems))]
async fn receive(
    State(api): State<Api>,
    caller: Caller,
    At((sku, location)): At<(String, String)>,
    Body(body): Body<StockReceipt>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::ReceiveStock)?;
    let head = ReceiveStock {
        sku: api.sku(may, &sku).await?,
        expected_version: caller.expected,
        cause: body.cause.cause(),
        location: api.location(may, &location).await?,
        from_incoming: body.from_incoming.into(),
        reserved: [0; 5],
        quantity: body.quantity.into(),
    };
    Ok(with_units(api.run(&caller, &Command::ReceiveStock(&head)).await?).created())
}

/// A change of a bucket.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StockAdjustment {
    /// Which bucket.
    bucket: BucketName,
    /// Units to add, or, negative, to take away; not zero.
    delta: i64,
    #[serde(default)]
    cause: StockCause,
}

/// Adjust one bucket of a level. `units` says what the bucket holds then.
#[utoipa::path(post, path = "/v1/stock/{sku}/{location}/adjustments", tag = "stock", request_body = StockAdjustment,
    params(CommandHeaders, ("sku" = String, Path, description = "The SKU's code."),
        ("location" = String, Path, description = "The location's code.")),
    responses((status = 201, body = Receipt), Problems))]
async fn adjust(
    State(api): State<Api>,
    caller: Caller,
    At((sku, location)): At<(String, String)>,
    Body(body): Body<StockAdjustment>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::AdjustStock)?;
    let head = AdjustStock {
        sku: api.sku(may, &sku).await?,
        expected_version: caller.expected,
        cause: body.cause.cause(),
        location: api.location(may, &location).await?,
        bucket: body.bucket.0 as u8,
        reserved: [0; 5],
        delta: body.delta.into(),
    };
    Ok(with_units(api.run(&caller, &Command::AdjustStock(&head)).await?).created())
}

/// A count.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StockCount {
    /// Units counted, over all buckets but incoming.
    on_hand: u64,
    #[serde(default)]
    cause: StockCause,
}

/// Record a count; the difference goes to available. `units` says what is available then.
#[utoipa::path(post, path = "/v1/stock/{sku}/{location}/counts", tag = "stock", request_body = StockCount,
    params(CommandHeaders, ("sku" = String, Path, description = "The SKU's code."),
        ("location" = String, Path, description = "The location's code.")),
    responses((status = 201, body = Receipt), Problems))]
async fn count(
    State(api): State<Api>,
    caller: Caller,
    At((sku, location)): At<(String, String)>,
    Body(body): Body<StockCount>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::CountStock)?;
    let head = CountStock {
        sku: api.sku(may, &sku).await?,
        expected_version: caller.expected,
        cause: body.cause.cause(),
        location: api.location(may, &location).await?,
        reserved: [0; 6],
        on_hand: body.on_hand.into(),
    };
    Ok(with_units(api.run(&caller, &Command::CountStock(&head)).await?).created())
}

/// A move between locations, buckets, or both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StockMove {
    /// The code of the location that they leave.
    from_location: String,
    /// The bucket that they leave.
    from_bucket: BucketName,
    /// The code of the location that they come to.
    to_location: String,
    /// The bucket that they come to.
    to_bucket: BucketName,
    /// Units.
    #[schema(minimum = 1)]
    quantity: u64,
    /// The version of the level at the location that they come to; any if it is not said. `If-Match` is for the other one.
    expected_to_version: Option<u32>,
    #[serde(default)]
    cause: StockCause,
}

/// Move stock. `units` says what the bucket that they came to holds then.
#[utoipa::path(post, path = "/v1/stock/{sku}/moves", tag = "stock", request_body = StockMove,
    params(CommandHeaders, ("sku" = String, Path, description = "The SKU's code.")),
    responses((status = 201, body = Receipt), Problems))]
async fn move_stock(
    State(api): State<Api>,
    caller: Caller,
    At(sku): At<String>,
    Body(body): Body<StockMove>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::MoveStock)?;
    let head = MoveStock {
        sku: api.sku(may, &sku).await?,
        from: api.location_of(may, &body.from_location, "from_location").await?,
        to: api.location_of(may, &body.to_location, "to_location").await?,
        expected_from_version: caller.expected,
        expected_to_version: body.expected_to_version.unwrap_or(0).into(),
        quantity: body.quantity.into(),
        cause: body.cause.cause(),
        from_bucket: body.from_bucket.0 as u8,
        to_bucket: body.to_bucket.0 as u8,
        reserved: [0; 6],
    };
    Ok(with_units(api.run(&caller, &Command::MoveStock(&head)).await?).created())
}

/// What an outside system knows to be there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StockLevel {
    /// Units on hand, over all buckets but incoming.
    on_hand: u64,
    /// The newest sequence that the outside system had seen when it said so. What happened since is not deducted twice.
    as_of: u64,
    #[serde(default)]
    cause: StockCause,
}

/// Set a level, as of a sequence. `units` says what is available then.
#[utoipa::path(put, path = "/v1/stock/{sku}/{location}", tag = "stock", request_body = StockLevel,
    params(CommandHeaders, ("sku" = String, Path, description = "The SKU's code."),
        ("location" = String, Path, description = "The location's code.")),
    responses((status = 200, body = Receipt), Problems))]
async fn set_level(
    State(api): State<Api>,
    caller: Caller,
    At((sku, location)): At<(String, String)>,
    Body(body): Body<StockLevel>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::SetLevel)?;
    let head = SetLevel {
        sku: api.sku(may, &sku).await?,
        expected_version: caller.expected,
        cause: body.cause.cause(),
        location: api.location(may, &location).await?,
        reserved: [0; 6],
        on_hand: body.on_hand.into(),
        as_of: body.as_of.into(),
    };
    Ok(with_units(api.run(&caller, &Command::SetLevel(&head)).await?))
}
