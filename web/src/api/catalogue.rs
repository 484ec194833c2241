//! Sellers, locations, SKUs, sourcing rules and policies.

use axum::extract::State;
use orderline_protocol::command::{
    CommandKind, DefineLocation, DefineSeller, DefineSku, DefineSourcing, SOURCING_RULES_MAX, SetPolicy,
    Standing, rules_digest,
};
use orderline_protocol::{Command, CurrencyCode, SellerHandle};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zerocopy::little_endian::U32;

use super::request::{At, Body, Caller, CommandHeaders};
use super::types::{Count, Currency, SourcingRuleName, StandingName};
use super::{Api, Receipt};
use crate::problem::{Problem, Problems};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(define_seller))
        .routes(routes!(define_location))
        .routes(routes!(define_sku))
        .routes(routes!(define_sourcing))
        .routes(routes!(define_seller_sourcing))
        .routes(routes!(set_policy))
}

/// The length of a code, or of what is like one, as a command says it. One that is too long for that is refused here.
pub(super) fn code_bytes(field: &str, code: &str) -> Result<u8, Problem> {
    u8::try_from(code.len()).map_err(|_| Problem::invalid_code(field))
}

fn standing(given: Option<StandingName>) -> u8 {
    given.map_or(Standing::Active, |given| given.0) as u8
}

/// A seller.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SellerDefinition {
    /// The marketplace's share in basis points.
    #[schema(maximum = 10_000)]
    commission_bp: u16,
    /// A suspended seller's orders go on; new ones are refused. Active if it is not said.
    standing: Option<StandingName>,
}

/// Define a seller, or change the one with this code.
#[utoipa::path(put, path = "/v1/sellers/{seller}", tag = "catalogue", request_body = SellerDefinition,
    params(CommandHeaders, ("seller" = String, Path, description = "The seller's code.")),
    responses((status = 200, body = Receipt), Problems))]
async fn define_seller(
    State(api): State<Api>,
    caller: Caller,
    At(code): At<String>,
    Body(body): Body<SellerDefinition>,
) -> Result<Receipt, Problem> {
    let head = DefineSeller {
        commission_bp: body.commission_bp.into(),
        standing: standing(body.standing),
        code_bytes: code_bytes("code", &code)?,
        expected_version: caller.expected,
    };
    Ok(api.run(&caller, &Command::DefineSeller(&head, &code)).await?.receipt(None))
}

/// A location.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocationDefinition {
    /// Lower ships first.
    #[serde(default)]
    priority: u32,
    /// Orders that it takes a day of UTC; none if there is no bound.
    #[schema(minimum = 1, value_type = Option<u32>)]
    daily_capacity: Option<Count<{ u32::MAX }>>,
    /// The region that it ships from, as the marketplace numbers them.
    region: Option<u16>,
    /// An inactive location gets no new units and may ship what it has. Active if it is not said.
    standing: Option<StandingName>,
}

/// Define a location, or change the one with this code.
#[utoipa::path(put, path = "/v1/locations/{location}", tag = "catalogue", request_body = LocationDefinition,
    params(CommandHeaders, ("location" = String, Path, description = "The location's code.")),
    responses((status = 200, body = Receipt), Problems))]
async fn define_location(
    State(api): State<Api>,
    caller: Caller,
    At(code): At<String>,
    Body(body): Body<LocationDefinition>,
) -> Result<Receipt, Problem> {
    let head = DefineLocation {
        priority: body.priority.into(),
        daily_capacity: body.daily_capacity.map_or(0, |orders| orders.0).into(),
        expected_version: caller.expected,
        region: body.region.unwrap_or(0).into(),
        standing: standing(body.standing),
        code_bytes: code_bytes("code", &code)?,
    };
    Ok(api.run(&caller, &Command::DefineLocation(&head, &code)).await?.receipt(None))
}

/// A SKU.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkuDefinition {
    /// The code of its seller, which stays.
    seller: String,
    /// Units that may be promised beyond the stock, over all orders.
    #[serde(default)]
    backorder_cap: u32,
    /// The one currency that it is sold in; any if it is not said.
    currency: Option<Currency>,
    /// A retired SKU can no longer be ordered. Active if it is not said.
    standing: Option<StandingName>,
}

/// Define a SKU, or change the one with this code.
#[utoipa::path(put, path = "/v1/skus/{sku}", tag = "catalogue", request_body = SkuDefinition,
    params(CommandHeaders, ("sku" = String, Path, description = "The SKU's code.")),
    responses((status = 200, body = Receipt), Problems))]
async fn define_sku(
    State(api): State<Api>,
    caller: Caller,
    At(code): At<String>,
    Body(body): Body<SkuDefinition>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::DefineSku)?;
    let seller = api.sellers_of(may, &[&body.seller], |_| "seller".to_owned()).await?[0];
    let head = DefineSku {
        seller,
        backorder_cap: body.backorder_cap.into(),
        currency: body.currency.map_or(CurrencyCode::NONE, |currency| currency.0),
        standing: standing(body.standing),
        code_bytes: code_bytes("code", &code)?,
        expected_version: caller.expected,
    };
    Ok(api.run(&caller, &Command::DefineSku(&head, &code)).await?.receipt(None))
}

/// Sourcing rules, in the order in which they are asked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourcingDefinition {
    /// Each at most once. For a seller, none: back to everybody's.
    #[schema(max_items = 8)]
    rules: Vec<SourcingRuleName>,
    /// The rules that the caller has seen there, none for a seller without its own. Are they others by now, nothing is done; if it
    /// is not said, it does not matter.
    #[schema(max_items = 8)]
    seen: Option<Vec<SourcingRuleName>>,
}

impl SourcingDefinition {
    fn command(&self, seller: SellerHandle) -> Result<DefineSourcing, Problem> {
        let rules = numbers("rules", &self.rules)?;
        let seen = self.seen.as_ref().map(|seen| numbers("seen", seen)).transpose()?;
        let expected_rules = seen.map_or(U32::ZERO, |seen| rules_digest(&seen).into());
        Ok(DefineSourcing { seller, rules, expected_rules })
    }
}

/// Rules as commands have them.
fn numbers(field: &str, names: &[SourcingRuleName]) -> Result<[u8; SOURCING_RULES_MAX], Problem> {
    let mut rules = [0; SOURCING_RULES_MAX];
    if names.len() > rules.len() {
        return Err(Problem::unreadable(field, format!("There are at most {SOURCING_RULES_MAX} rules.")));
    }
    for (place, rule) in rules.iter_mut().zip(names) {
        *place = rule.0 as u8;
    }
    Ok(rules)
}

/// Set the sourcing rules of all sellers that have none of their own.
#[utoipa::path(put, path = "/v1/sourcing", tag = "catalogue", request_body = SourcingDefinition, params(CommandHeaders),
    responses((status = 200, body = Receipt), Problems))]
async fn define_sourcing(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<SourcingDefinition>,
) -> Result<Receipt, Problem> {
    let head = body.command(SellerHandle::NONE)?;
    Ok(api.run(&caller, &Command::DefineSourcing(&head)).await?.receipt(None))
}

/// Set the sourcing rules of a seller's orders.
#[utoipa::path(put, path = "/v1/sellers/{seller}/sourcing", tag = "catalogue", request_body = SourcingDefinition,
    params(CommandHeaders, ("seller" = String, Path, description = "The seller's code.")),
    responses((status = 200, body = Receipt), Problems))]
async fn define_seller_sourcing(
    State(api): State<Api>,
    caller: Caller,
    At(seller): At<String>,
    Body(body): Body<SourcingDefinition>,
) -> Result<Receipt, Problem> {
    let may = caller.may(CommandKind::DefineSourcing)?;
    let head = body.command(api.seller(may, &seller).await?)?;
    Ok(api.run(&caller, &Command::DefineSourcing(&head)).await?.receipt(None))
}

/// How long things last.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyDefinition {
    /// Seconds that a pending order waits for its confirmation; 0: for ever.
    #[schema(maximum = 315_360_000)]
    pending_order_s: u32,
    /// Seconds that a finished order or reservation stays in memory; 0: for ever.
    #[schema(maximum = 315_360_000)]
    retention_s: u32,
    /// Seconds that a reservation may be held from its making, extensions included.
    #[schema(minimum = 1, maximum = 315_360_000)]
    reservation_s_max: u32,
}

/// Set the policies.
#[utoipa::path(put, path = "/v1/policy", tag = "catalogue", request_body = PolicyDefinition, params(CommandHeaders),
    responses((status = 200, body = Receipt), Problems))]
async fn set_policy(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<PolicyDefinition>,
) -> Result<Receipt, Problem> {
    let head = SetPolicy {
        pending_order_s: body.pending_order_s.into(),
        retention_s: body.retention_s.into(),
        reservation_s_max: body.reservation_s_max.into(),
        expected_version: caller.expected,
    };
    Ok(api.run(&caller, &Command::SetPolicy(&head)).await?.receipt(None))
}
