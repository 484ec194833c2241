//! Payments: what payment services did, refunds, and what sellers were paid.

use axum::extract::State;
use orderline_protocol::command::{
    CommandKind, EndPayment, RecordAuthorization, RecordCapture, RecordPayout, RequestRefund, SettleRefund,
};
use orderline_protocol::lifecycle::Entity;
use orderline_protocol::{Amount, Command, GroupId, OrderId};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::request::{At, Body, Caller, CommandHeaders};
use super::types::{Count, Currency, GroupUlid, OrderUlid, RefundOutcomeName, Time, us};
use super::{Api, Receipt};
use crate::problem::{Problem, Problems};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(authorize))
        .routes(routes!(capture))
        .routes(routes!(void))
        .routes(routes!(fail))
        .routes(routes!(refund))
        .routes(routes!(settle))
        .routes(routes!(pay_out))
}

/// A promise of money.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAuthorization {
    /// How much, at most what the group's orders cost now.
    #[schema(minimum = 1)]
    amount_minor: i64,
    /// The currency: the group's.
    currency: Currency,
    /// Until the promise lapses; never if it is not said.
    #[schema(minimum = 1, maximum = 315_360_000, value_type = Option<u32>)]
    seconds: Option<Count<315_360_000>>,
    /// The payment service's own number.
    #[serde(default)]
    reference: u64,
    /// When it happened outside.
    happened_at: Option<Time>,
}

/// Record an authorisation. `number` is the payment's in its group.
#[utoipa::path(post, path = "/v1/groups/{group}/authorizations", tag = "payments", request_body = NewAuthorization,
    params(CommandHeaders, ("group" = GroupUlid, Path, description = "The group's id; of an order placed alone, the order's own.")),
    responses((status = 201, body = Receipt), Problems))]
async fn authorize(
    State(api): State<Api>,
    caller: Caller,
    At(group): At<GroupUlid>,
    Body(body): Body<NewAuthorization>,
) -> Result<Receipt, Problem> {
    let head = RecordAuthorization {
        group: group.0,
        amount: Amount::new(body.amount_minor),
        reference: body.reference.into(),
        happened_at_us: us(body.happened_at),
        expected_version: caller.expected,
        seconds: body.seconds.map_or(0, |seconds| seconds.0).into(),
        currency: body.currency.0,
        reserved: [0; 6],
    };
    let done = api.run(&caller, &Command::RecordAuthorization(&head)).await?;
    Ok(Receipt { number: Some(done.detail), ..done.receipt(Some(Entity::Payment)) }.created())
}

/// Money that was taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCapture {
    /// How much.
    #[schema(minimum = 1)]
    amount_minor: i64,
    /// Whose share; without it, it is divided over the group's orders in proportion to what each still lacks.
    order: Option<OrderUlid>,
    /// The payment service's own number.
    #[serde(default)]
    reference: u64,
    /// When it happened outside.
    happened_at: Option<Time>,
}

/// Record a capture. `amount_minor` is what is captured then, over all captures.
#[utoipa::path(post, path = "/v1/groups/{group}/captures", tag = "payments", request_body = NewCapture,
    params(CommandHeaders, ("group" = GroupUlid, Path, description = "The group's id.")),
    responses((status = 201, body = Receipt), Problems))]
async fn capture(
    State(api): State<Api>,
    caller: Caller,
    At(group): At<GroupUlid>,
    Body(body): Body<NewCapture>,
) -> Result<Receipt, Problem> {
    let head = RecordCapture {
        group: group.0,
        order: body.order.map_or(OrderId::new(0), |order| order.0),
        amount: Amount::new(body.amount_minor),
        reference: body.reference.into(),
        happened_at_us: us(body.happened_at),
        expected_version: caller.expected,
        reserved: [0; 4],
    };
    let done = api.run(&caller, &Command::RecordCapture(&head)).await?;
    Ok(Receipt { amount_minor: Some(done.detail as i64), ..done.receipt(Some(Entity::Payment)) }.created())
}

/// How a payment ended.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PaymentEnd {
    /// The payment service's own number.
    reference: u64,
    /// When it happened outside.
    happened_at: Option<Time>,
    /// The caller's own reason code.
    reason: u16,
}

impl PaymentEnd {
    fn head(&self, caller: &Caller, group: GroupId) -> EndPayment {
        EndPayment {
            group,
            reference: self.reference.into(),
            happened_at_us: us(self.happened_at),
            expected_version: caller.expected,
            reason: self.reason.into(),
            reserved: [0; 2],
        }
    }
}

/// Record that a promise was given back. `amount_minor` is what was given back.
#[utoipa::path(post, path = "/v1/groups/{group}/void", tag = "payments", request_body = PaymentEnd,
    params(CommandHeaders, ("group" = GroupUlid, Path, description = "The group's id.")),
    responses((status = 200, body = Receipt), Problems))]
async fn void(
    State(api): State<Api>,
    caller: Caller,
    At(group): At<GroupUlid>,
    Body(body): Body<PaymentEnd>,
) -> Result<Receipt, Problem> {
    let head = body.head(&caller, group.0);
    let done = api.run(&caller, &Command::RecordVoid(&head)).await?;
    Ok(Receipt { amount_minor: Some(done.detail as i64), ..done.receipt(Some(Entity::Payment)) })
}

/// Record that a payment failed.
#[utoipa::path(post, path = "/v1/groups/{group}/fail", tag = "payments", request_body = PaymentEnd,
    params(CommandHeaders, ("group" = GroupUlid, Path, description = "The group's id.")),
    responses((status = 200, body = Receipt), Problems))]
async fn fail(
    State(api): State<Api>,
    caller: Caller,
    At(group): At<GroupUlid>,
    Body(body): Body<PaymentEnd>,
) -> Result<Receipt, Problem> {
    let head = body.head(&caller, group.0);
    Ok(api.run(&caller, &Command::RecordFailure(&head)).await?.receipt(Some(Entity::Payment)))
}

/// Money to be given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRefund {
    /// How much, at most what was captured and is not refunded or asked for yet.
    #[schema(minimum = 1)]
    amount_minor: i64,
    /// The caller's own reason code.
    #[serde(default)]
    reason: u16,
    /// When it happened outside.
    happened_at: Option<Time>,
}

/// Ask for a refund. `number` is the refund's in its order.
#[utoipa::path(post, path = "/v1/orders/{order}/refunds", tag = "payments", request_body = NewRefund,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id.")),
    responses((status = 201, body = Receipt), Problems))]
async fn refund(
    State(api): State<Api>,
    caller: Caller,
    At(order): At<OrderUlid>,
    Body(body): Body<NewRefund>,
) -> Result<Receipt, Problem> {
    let head = RequestRefund {
        order: order.0,
        amount: Amount::new(body.amount_minor),
        happened_at_us: us(body.happened_at),
        expected_version: caller.expected,
        reason: body.reason.into(),
        reserved: [0; 2],
    };
    let done = api.run(&caller, &Command::RequestRefund(&head)).await?;
    Ok(Receipt { number: Some(done.detail), ..done.receipt(Some(Entity::Order)) }.created())
}

/// How a refund ended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefundEnd {
    /// How.
    outcome: RefundOutcomeName,
    /// The payment service's own number.
    #[serde(default)]
    reference: u64,
    /// When it happened outside.
    happened_at: Option<Time>,
}

/// Record how a refund ended. `amount_minor` is what of the order is refunded then.
#[utoipa::path(post, path = "/v1/orders/{order}/refunds/{refund}/settle", tag = "payments", request_body = RefundEnd,
    params(CommandHeaders, ("order" = OrderUlid, Path, description = "The order's id."),
        ("refund" = u16, Path, description = "The refund's number in its order, from 1.")),
    responses((status = 200, body = Receipt), Problems))]
async fn settle(
    State(api): State<Api>,
    caller: Caller,
    At((order, refund)): At<(OrderUlid, u16)>,
    Body(body): Body<RefundEnd>,
) -> Result<Receipt, Problem> {
    let head = SettleRefund {
        order: order.0,
        reference: body.reference.into(),
        happened_at_us: us(body.happened_at),
        expected_version: caller.expected,
        refund: refund.into(),
        outcome: body.outcome.0 as u8,
        reserved: 0,
    };
    let done = api.run(&caller, &Command::SettleRefund(&head)).await?;
    Ok(Receipt { amount_minor: Some(done.detail as i64), ..done.receipt(Some(Entity::Order)) })
}

/// Money that a seller was paid.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPayout {
    /// How much, at most what is payable.
    #[schema(minimum = 1)]
    amount_minor: i64,
    /// In which currency.
    currency: Currency,
    /// The bank's own number.
    #[serde(default)]
    reference: u64,
    /// When it happened outside.
    happened_at: Option<Time>,
}

/// Record that a seller was paid. `amount_minor` is what is still payable.
#[utoipa::path(post, path = "/v1/sellers/{seller}/payouts", tag = "payments", request_body = NewPayout,
    params(CommandHeaders, ("seller" = String, Path, description = "The seller's code.")),
    responses((status = 201, body = Receipt), Problems))]
async fn pay_out(
    State(api): State<Api>,
    caller: Caller,
    At(seller): At<String>,
    Body(body): Body<NewPayout>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::RecordPayout)?;
    let head = RecordPayout {
        seller: api.seller(may, &seller).await?,
        expected_version: caller.expected,
        amount: Amount::new(body.amount_minor),
        reference: body.reference.into(),
        happened_at_us: us(body.happened_at),
        currency: body.currency.0,
        reserved: [0; 6],
    };
    let done = api.run(&caller, &Command::RecordPayout(&head)).await?;
    Ok(Receipt { amount_minor: Some(done.detail as i64), ..done.receipt(None) }.created())
}
