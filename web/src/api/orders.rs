//! Orders: placed, confirmed, edited, cancelled, held.

use axum::extract::State;
use orderline_protocol::command::{
    CancelLines, CommandKind, ConfirmOrder, EditAddress, EditLine, LineQuantity, OrderLine, PlaceHold,
    PlaceOrder, ReleaseHold,
};
use orderline_protocol::lifecycle::{Entity, blocks};
use orderline_protocol::limits::ORDER_LINES_MAX;
use orderline_protocol::{Amount, BuyerId, Command};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::carts::{NewOrderLine, check_count};
use super::catalogue::code_bytes;
use super::request::{Allowed, At, Body, Caller, CommandHeaders};
use super::types::{Count, Currency, HoldKindName, OrderUlid};
use super::{Api, Done, Receipt};
use crate::problem::{Problem, Problems};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(place))
        .routes(routes!(confirm))
        .routes(routes!(cancel))
        .routes(routes!(edit_line))
        .routes(routes!(edit_address))
        .routes(routes!(place_hold))
        .routes(routes!(release_hold))
}

fn of_order(done: &Done) -> Receipt {
    done.receipt(Some(Entity::Order))
}

/// An order of one seller.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrder {
    /// The order's id. The same id and body are the same order.
    id: OrderUlid,
    /// The caller's own id of it: a text like a code, by which it can be searched.
    #[schema(max_length = 64)]
    external_id: Option<String>,
    /// Who buys.
    buyer: u64,
    /// The seller's code.
    seller: String,
    /// The currency of every price.
    currency: Currency,
    /// The region that it goes to, as the marketplace numbers them.
    region: Option<u16>,
    /// What is bought.
    #[schema(min_items = 1, max_items = 2_000)]
    lines: Vec<NewOrderLine>,
}

impl NewOrder {
    /// The command that places it, handed to `with`.
    pub(super) async fn command<T>(
        &self,
        api: &Api,
        may: Allowed,
        with: impl FnOnce(&Command<'_>) -> T,
    ) -> Result<T, Problem> {
        check_count("lines", self.lines.len(), ORDER_LINES_MAX)?;
        let seller = api.sellers_of(may, &[&self.seller], |_| "seller".to_owned()).await?[0];
        let codes: Vec<&str> = self.lines.iter().map(|line| line.sku.as_str()).collect();
        let skus = api.skus_of(may, &codes, |at| format!("lines[{at}].sku")).await?;
        let line = |(line, &sku): (&NewOrderLine, _)| OrderLine {
            sku,
            quantity: line.quantity.into(),
            unit_price: Amount::new(line.unit_price_minor),
        };
        let lines: Vec<OrderLine> = self.lines.iter().zip(&skus).map(line).collect();
        let external_id = self.external_id.as_deref().unwrap_or_default();
        let head = PlaceOrder {
            order: self.id.0,
            buyer: BuyerId::new(self.buyer),
            seller,
            currency: self.currency.0,
            line_count: (lines.len() as u16).into(),
            region: self.region.unwrap_or(0).into(),
            external_id_bytes: code_bytes("external_id", external_id)?,
        };
        Ok(with(&Command::PlaceOrder(&head, &lines, external_id)))
    }
}

/// Place an order, every line or none.
#[utoipa::path(post, path = "/v1/orders", tag = "orders", request_body = NewOrder, params(CommandHeaders),
    responses((status = 201, body = Receipt), Problems))]
async fn place(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewOrder>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::PlaceOrder)?;
    let commands = body.command(&api, may, crate::front::Commands::one).await?;
    let done = api.run_encoded(&caller, CommandKind::PlaceOrder, commands).await?;
    Ok(Receipt { total_minor: Some(done.detail as i64), ..of_order(&done) }.created())
}

/// Confirm a pending order: what was reserved for it is committed, and its locations have work.
#[utoipa::path(post, path = "/v1/orders/{order}/confirm", tag = "orders",
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id.")),
    responses((status = 200, body = Receipt), Problems))]
async fn confirm(
    State(api): State<Api>,
    caller: Caller,
    At(order): At<OrderUlid>,
) -> Result<Receipt, Problem> {
    let head = ConfirmOrder { order: order.0, expected_version: caller.expected, reserved: [0; 4] };
    Ok(of_order(&api.run(&caller, &Command::ConfirmOrder(&head)).await?))
}

/// Units of a line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineUnits {
    /// The line's index in its order, from 0.
    line: u16,
    /// Units.
    #[schema(minimum = 1)]
    quantity: u32,
}

/// Line quantities as a command has them, and how many there are.
pub(super) fn quantities(units: &[LineUnits]) -> Result<(Vec<LineQuantity>, u16), Problem> {
    check_count("lines", units.len(), ORDER_LINES_MAX)?;
    let quantity = |units: &LineUnits| LineQuantity {
        line: units.line.into(),
        reserved: [0; 2],
        quantity: units.quantity.into(),
    };
    Ok((units.iter().map(quantity).collect(), units.len() as u16))
}

/// What is given up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cancellation {
    /// Units of lines; without any, all that can be given up.
    #[serde(default)]
    #[schema(max_items = 2_000)]
    lines: Vec<LineUnits>,
    /// The caller's own reason code.
    #[serde(default)]
    reason: u16,
}

/// Cancel quantities that have not been shipped or packed, and give their stock back. `amount_minor` is their value.
#[utoipa::path(post, path = "/v1/orders/{order}/cancel", tag = "orders", request_body = Cancellation,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id.")),
    responses((status = 200, body = Receipt), Problems))]
async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    At(order): At<OrderUlid>,
    Body(body): Body<Cancellation>,
) -> Result<Receipt, Problem> {
    let (lines, line_count) = quantities(&body.lines)?;
    let head = CancelLines {
        order: order.0,
        expected_version: caller.expected,
        line_count: line_count.into(),
        reason: body.reason.into(),
    };
    let done = api.run(&caller, &Command::CancelLines(&head, &lines)).await?;
    Ok(Receipt { amount_minor: Some(done.detail as i64), ..of_order(&done) })
}

/// A line's new quantity.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineEdit {
    /// The line's whole quantity from now on, at least 1 more than was cancelled of it.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    quantity: u32,
    /// The caller's own reason code.
    #[serde(default)]
    reason: u16,
}

/// Change a line's quantity before fulfilment begins.
#[utoipa::path(put, path = "/v1/orders/{order}/lines/{line}", tag = "orders", request_body = LineEdit,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id."),
        ("line" = u16, Path, description = "The line's index, from 0.")),
    responses((status = 200, body = Receipt), Problems))]
async fn edit_line(
    State(api): State<Api>,
    caller: Caller,
    At((order, line)): At<(OrderUlid, u16)>,
    Body(body): Body<LineEdit>,
) -> Result<Receipt, Problem> {
    let head = EditLine {
        order: order.0,
        expected_version: caller.expected,
        quantity: body.quantity.into(),
        line: line.into(),
        reason: body.reason.into(),
        reserved: [0; 4],
    };
    let done = api.run(&caller, &Command::EditLine(&head)).await?;
    Ok(Receipt { total_minor: Some(done.detail as i64), ..of_order(&done) })
}

/// Where an order goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAddress {
    /// The front end's own number of the address.
    address: u64,
    /// The region that it goes to, as the marketplace numbers them.
    region: Option<u16>,
}

/// Change where an order goes before fulfilment begins.
#[utoipa::path(put, path = "/v1/orders/{order}/address", tag = "orders", request_body = NewAddress,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id.")),
    responses((status = 200, body = Receipt), Problems))]
async fn edit_address(
    State(api): State<Api>,
    caller: Caller,
    At(order): At<OrderUlid>,
    Body(body): Body<NewAddress>,
) -> Result<Receipt, Problem> {
    let head = EditAddress {
        order: order.0,
        address: body.address.into(),
        expected_version: caller.expected,
        region: body.region.unwrap_or(0).into(),
        reserved: [0; 2],
    };
    Ok(of_order(&api.run(&caller, &Command::EditAddress(&head)).await?))
}

/// What a hold blocks.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Blocked {
    /// Confirming the order.
    Confirm,
    /// Packing, shipping, accepting and starting its fulfilment.
    Fulfil,
    /// Cancelling units.
    Cancel,
    /// Changing quantities or the address.
    Edit,
    /// Capturing money for it.
    Capture,
    /// Asking for refunds.
    Refund,
}

impl Blocked {
    fn bit(self) -> u8 {
        match self {
            Self::Confirm => blocks::CONFIRM,
            Self::Fulfil => blocks::FULFIL,
            Self::Cancel => blocks::CANCEL,
            Self::Edit => blocks::EDIT,
            Self::Capture => blocks::CAPTURE,
            Self::Refund => blocks::REFUND,
        }
    }
}

/// A stop on an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewHold {
    /// Why.
    kind: HoldKindName,
    /// What it blocks.
    #[schema(min_items = 1)]
    blocks: Vec<Blocked>,
    /// How long; until it is released if it is not said.
    #[schema(minimum = 1, maximum = 315_360_000, value_type = Option<u32>)]
    seconds: Option<Count<315_360_000>>,
    /// The caller's own reason code.
    #[serde(default)]
    reason: u16,
}

/// Place a hold. `number` is the hold's in its order.
#[utoipa::path(post, path = "/v1/orders/{order}/holds", tag = "orders", request_body = NewHold,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id.")),
    responses((status = 201, body = Receipt), Problems))]
async fn place_hold(
    State(api): State<Api>,
    caller: Caller,
    At(order): At<OrderUlid>,
    Body(body): Body<NewHold>,
) -> Result<Receipt, Problem> {
    let head = PlaceHold {
        order: order.0,
        expected_version: caller.expected,
        seconds: body.seconds.map_or(0, |seconds| seconds.0).into(),
        kind: body.kind.0 as u8,
        blocks: body.blocks.iter().fold(0, |bits, blocked| bits | blocked.bit()),
        reason: body.reason.into(),
        reserved: [0; 4],
    };
    let done = api.run(&caller, &Command::PlaceHold(&head)).await?;
    Ok(Receipt { number: Some(done.detail), ..of_order(&done) }.created())
}

/// Why.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reason {
    /// The caller's own reason code.
    reason: u16,
}

/// Release a hold.
#[utoipa::path(post, path = "/v1/orders/{order}/holds/{hold}/release", tag = "orders", request_body = Reason,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id."),
        ("hold" = u16, Path, description = "The hold's number in its order, from 1.")),
    responses((status = 200, body = Receipt), Problems))]
async fn release_hold(
    State(api): State<Api>,
    caller: Caller,
    At((order, hold)): At<(OrderUlid, u16)>,
    Body(body): Body<Reason>,
) -> Result<Receipt, Problem> {
    let head = ReleaseHold {
        order: order.0,
        expected_version: caller.expected,
        hold: hold.into(),
        reason: body.reason.into(),
    };
    Ok(of_order(&api.run(&caller, &Command::ReleaseHold(&head)).await?))
}
