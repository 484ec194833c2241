//! Carts: reservations, and their checkout as a group of orders.

use axum::extract::State;
use orderline_protocol::command::{
    CartLine, CheckOut, CommandKind, ExtendReservation, GroupOrder, OrderLine, ReleaseReservation,
    ReserveCart,
};
use orderline_protocol::lifecycle::Entity;
use orderline_protocol::limits::{CART_LINES_MAX, GROUP_ORDERS_MAX};
use orderline_protocol::{Amount, BuyerId, Command, ReservationId};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::catalogue::code_bytes;
use super::request::{At, Body, Caller, CommandHeaders};
use super::types::{Currency, GroupUlid, OrderUlid, ReservationUlid, Time};
use super::{Api, Done, Receipt};
use crate::problem::{Problem, Problems};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(reserve))
        .routes(routes!(extend))
        .routes(routes!(release))
        .routes(routes!(check_out))
}

/// The receipt of a reservation, whose detail is when it expires.
fn with_expiry(done: Done) -> Receipt {
    Receipt { expires_at: Some(Time(done.detail as i64)), ..done.receipt(Some(Entity::Reservation)) }
}

/// Units wanted of a SKU.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCartLine {
    /// The SKU's code.
    sku: String,
    /// Units.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    quantity: u32,
}

/// A cart whose stock is to be held.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReservation {
    /// The reservation's id. The same id and body are the same reservation.
    id: ReservationUlid,
    /// A held reservation of the same buyer that is given back in the same moment: the cart has changed. `If-Match` is for
    /// this one.
    replaces: Option<ReservationUlid>,
    /// Whose cart.
    buyer: u64,
    /// How long, in seconds; the policy bounds it.
    #[schema(minimum = 1)]
    seconds: u32,
    /// The region that it goes to, as the marketplace numbers them.
    region: Option<u16>,
    /// What is in it.
    #[schema(min_items = 1, max_items = 2_000)]
    lines: Vec<NewCartLine>,
}

/// Hold stock for a cart, every line or none.
#[utoipa::path(post, path = "/v1/reservations", tag = "checkout", request_body = NewReservation, params(CommandHeaders),
    responses((status = 201, body = Receipt), Problems))]
async fn reserve(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewReservation>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::ReserveCart)?;
    let codes: Vec<&str> = body.lines.iter().map(|line| line.sku.as_str()).collect();
    check_count("lines", codes.len(), CART_LINES_MAX)?;
    let skus = api.skus_of(may, &codes, |at| format!("lines[{at}].sku")).await?;
    let line = |(line, &sku): (&NewCartLine, _)| CartLine { sku, quantity: line.quantity.into() };
    let lines: Vec<CartLine> = body.lines.iter().zip(&skus).map(line).collect();
    let head = ReserveCart {
        reservation: body.id.0,
        replaces: body.replaces.map_or(ReservationId::new(0), |id| id.0),
        buyer: BuyerId::new(body.buyer),
        seconds: body.seconds.into(),
        expected_version: caller.expected,
        region: body.region.unwrap_or(0).into(),
        line_count: (lines.len() as u16).into(),
    };
    Ok(with_expiry(api.run(&caller, &Command::ReserveCart(&head, &lines)).await?).created())
}

/// Refuses a list that is longer than a command can hold.
pub(super) fn check_count(field: &str, count: usize, most: usize) -> Result<(), Problem> {
    if count <= most {
        return Ok(());
    }
    Err(Problem::unreadable(field, format!("{field} has at most {most} entries; {count} came.")))
}

/// A longer hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extension {
    /// How long from now on, in seconds; the policy bounds the whole.
    #[schema(minimum = 1)]
    seconds: u32,
}

/// Hold a reservation for longer.
#[utoipa::path(post, path = "/v1/reservations/{reservation}/extend", tag = "checkout", request_body = Extension,
    params(CommandHeaders, ("reservation" = ReservationUlid, Path, description = "The reservation's id.")),
    responses((status = 200, body = Receipt), Problems))]
async fn extend(
    State(api): State<Api>,
    caller: Caller,
    At(reservation): At<ReservationUlid>,
    Body(body): Body<Extension>,
) -> Result<Receipt, Problem> {
    let head = ExtendReservation {
        reservation: reservation.0,
        expected_version: caller.expected,
        seconds: body.seconds.into(),
    };
    Ok(with_expiry(api.run(&caller, &Command::ExtendReservation(&head)).await?))
}

/// Give a reservation's stock back.
#[utoipa::path(post, path = "/v1/reservations/{reservation}/release", tag = "checkout",
    params(CommandHeaders, ("reservation" = ReservationUlid, Path, description = "The reservation's id.")),
    responses((status = 200, body = Receipt), Problems))]
async fn release(
    State(api): State<Api>,
    caller: Caller,
    At(reservation): At<ReservationUlid>,
) -> Result<Receipt, Problem> {
    let head = ReleaseReservation {
        reservation: reservation.0,
        expected_version: caller.expected,
        reserved: [0; 4],
    };
    Ok(api.run(&caller, &Command::ReleaseReservation(&head)).await?.receipt(Some(Entity::Reservation)))
}

/// A line of an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrderLine {
    /// The SKU's code.
    pub(super) sku: String,
    /// Units.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub(super) quantity: u32,
    /// The price of one unit, in minor units.
    #[schema(minimum = 1, maximum = 10_000_000_000_000_i64)]
    pub(super) unit_price_minor: i64,
}

/// One seller's part of a checkout.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCheckoutOrder {
    /// The order's id.
    id: OrderUlid,
    /// The seller's code; each order of a checkout has another seller.
    seller: String,
    /// What is bought.
    #[schema(min_items = 1, max_items = 2_000)]
    lines: Vec<NewOrderLine>,
}

/// A cart that is bought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCheckout {
    /// The group's id. The same id and body are the same group.
    id: GroupUlid,
    /// The held reservation of the same buyer to place it out of. `If-Match` is for this one.
    reservation: Option<ReservationUlid>,
    /// The caller's own id of it: a text like a code, by which it can be searched.
    #[schema(max_length = 64)]
    external_id: Option<String>,
    /// Who buys.
    buyer: u64,
    /// The one currency of every price.
    currency: Currency,
    /// The region that it goes to, as the marketplace numbers them.
    region: Option<u16>,
    /// One order for each seller.
    #[schema(min_items = 1, max_items = 500)]
    orders: Vec<NewCheckoutOrder>,
}

/// Place a cart's orders, one for each seller, all or none.
#[utoipa::path(post, path = "/v1/checkouts", tag = "checkout", request_body = NewCheckout, params(CommandHeaders),
    responses((status = 201, body = Receipt), Problems))]
async fn check_out(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewCheckout>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::CheckOut)?;
    check_count("orders", body.orders.len(), GROUP_ORDERS_MAX)?;
    let codes: Vec<&str> = body.orders.iter().map(|order| order.seller.as_str()).collect();
    let sellers = api.sellers_of(may, &codes, |at| format!("orders[{at}].seller")).await?;
    let places: Vec<(usize, usize)> = (0..body.orders.len())
        .flat_map(|order| (0..body.orders[order].lines.len()).map(move |line| (order, line)))
        .collect();
    check_count("lines", places.len(), CART_LINES_MAX)?;
    let codes: Vec<&str> =
        places.iter().map(|&(order, line)| body.orders[order].lines[line].sku.as_str()).collect();
    let skus = api
        .skus_of(may, &codes, |at| format!("orders[{}].lines[{}].sku", places[at].0, places[at].1))
        .await?;
    let lines: Vec<OrderLine> = places
        .iter()
        .zip(&skus)
        .map(|(&(order, line), &sku)| {
            let line = &body.orders[order].lines[line];
            OrderLine { sku, quantity: line.quantity.into(), unit_price: Amount::new(line.unit_price_minor) }
        })
        .collect();
    let orders: Vec<GroupOrder> = body
        .orders
        .iter()
        .zip(&sellers)
        .map(|(order, &seller)| GroupOrder {
            order: order.id.0,
            seller,
            line_count: (order.lines.len() as u16).into(),
            reserved: [0; 2],
        })
        .collect();
    let external_id = body.external_id.as_deref().unwrap_or_default();
    let head = CheckOut {
        group: body.id.0,
        reservation: body.reservation.map_or(ReservationId::new(0), |id| id.0),
        buyer: BuyerId::new(body.buyer),
        expected_version: caller.expected,
        currency: body.currency.0,
        order_count: (orders.len() as u16).into(),
        line_count: (lines.len() as u16).into(),
        region: body.region.unwrap_or(0).into(),
        external_id_bytes: code_bytes("external_id", external_id)?,
    };
    let done = api.run(&caller, &Command::CheckOut(&head, &orders, &lines, external_id)).await?;
    Ok(Receipt { total_minor: Some(done.detail as i64), ..done.receipt(None) }.created())
}
