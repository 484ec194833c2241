//! Access tokens: made, shown, revoked. A secret is shown once, when it is made; what is kept is its hash.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use orderline_access::Secret;
use orderline_protocol::command::{
    CommandKind, DefineToken, EXPECTED_NEW, QueryTokens, RevokeToken, Role, Standing,
};
use orderline_protocol::limits::TOKEN_LOCATIONS_MAX;
use orderline_protocol::reply::TokenView;
use orderline_protocol::{Command, Locations, RejectCode, SellerHandle};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::reads::{Page, PageTerms, Seen, Terms, readable};
use super::request::{Allowed, Asked, At, Body, Caller, CommandHeaders};
use super::types::{Count, RoleName, Time, us};
use super::{Api, Receipt};
use crate::problem::{Problem, Problems};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// A token that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// What people call it; no other token has the same.
    #[schema(min_length = 1, max_length = 64)]
    label: String,
    /// What its bearer may do; `orderline explain --access` prints the table.
    role: RoleName,
    /// The code of the seller that it is bound to, for the role seller and only for that.
    seller: Option<String>,
    /// The codes of the locations that it is bound to, each once; at least one for the role warehouse, and none for others.
    #[serde(default)]
    #[schema(max_items = 16)]
    locations: Vec<String>,
    /// From when on it is not valid any more; for ever if it is not said.
    expires_at: Option<Time>,
    /// Commands that it may bring in a second; no bound if it is not said.
    #[schema(minimum = 1, value_type = Option<u32>)]
    commands_per_s_max: Option<Count<{ u32::MAX }>>,
}

/// A new token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenSecret {
    /// Its number: what sessions, and so the journal, name as their actor.
    token: u64,
    /// What its bearer says: shown this once.
    secret: String,
}

/// A token, without its secret, which nobody has but its bearer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Token {
    /// Its number.
    token: u32,
    /// Its version.
    version: u32,
    /// What people call it.
    label: String,
    /// What its bearer may do.
    role: RoleName,
    /// The code of the seller that it is bound to.
    seller: Option<String>,
    /// The codes of the locations that it is bound to.
    locations: Vec<String>,
    /// From when on it is not valid any more.
    expires_at: Option<Time>,
    /// Commands that it may bring in a second.
    commands_per_s_max: Option<u32>,
    /// It was revoked.
    is_revoked: bool,
}

impl Token {
    fn of(api: &Api, view: &TokenView) -> Self {
        let names = api.names();
        let seller = Some(view.seller).filter(|seller| !seller.is_none());
        let code = |location| names.location_code(location).map(|code| code.into_owned());
        Self {
            token: view.token.get(),
            version: view.version.get(),
            label: view.label().unwrap_or_default().to_owned(),
            role: RoleName(Role::from_number(view.role).unwrap_or(Role::ReadOnly)),
            seller: seller.and_then(|seller| names.seller_code(seller)).map(|code| code.into_owned()),
            locations: view.locations.iter().filter_map(code).collect(),
            expires_at: Some(Time(view.expires_at_us.get())).filter(|time| time.0 != 0),
            commands_per_s_max: Some(view.commands_per_s_max.get()).filter(|&rate| rate > 0),
            is_revoked: view.standing != Standing::Active as u8,
        }
    }
}

/// All tokens, by number.
#[utoipa::path(get, path = "/v1/tokens", tag = "access", params(PageTerms), responses((status = 200, body = Page<Token>), Problems))]
async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(terms): Asked<PageTerms>,
) -> Result<Seen<Page<Token>>, Problem> {
    let head = QueryTokens { from: terms.first().into(), count: terms.count().into() };
    let replies = api.query(&caller, &Terms::ANY, &Command::QueryTokens(&head)).await?;
    let reply = replies.first();
    let tokens = readable(TokenView::read_all(reply.view))?;
    Ok(Page::seen(&reply, tokens.iter().map(|view| Token::of(&api, view)).collect()))
}

/// Make a token. From the first one on, everybody must bring one.
#[utoipa::path(post, path = "/v1/tokens", tag = "access", request_body = NewToken, responses((status = 201, body = TokenSecret), Problems))]
async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewToken>,
) -> Result<Response, Problem> {
    let may = caller.may(CommandKind::DefineToken)?;
    let label_bytes = u8::try_from(body.label.len()).map_err(|_| Problem::invalid_code("label"))?;
    let bound = |field: &str, what: &str| {
        let detail = format!("{field} is said with the role {what}, and only with that.");
        Problem::wrong_field(field, RejectCode::InvalidField.name(), detail)
    };
    if (body.role.0 == Role::Seller) != body.seller.is_some() {
        return Err(bound("seller", "seller"));
    }
    if (body.role.0 == Role::Warehouse) == body.locations.is_empty() {
        return Err(bound("locations", "warehouse"));
    }
    let seller = match &body.seller {
        Some(code) => api.sellers_of(may, &[code], |_| "seller".to_owned()).await?[0],
        None => SellerHandle::NONE,
    };
    let locations = locations(&api, may, &body.locations).await?;
    let secret = Secret::new().map_err(|error| {
        let title = "No secret can be made.";
        Problem::broken("NoRandomness", title, error.to_string())
    })?;
    let head = DefineToken {
        hash: *secret.hash().bytes(),
        expires_at_us: us(body.expires_at),
        seller,
        // The secret of one that is there is not changed by mistake.
        expected_version: EXPECTED_NEW.into(),
        commands_per_s_max: body.commands_per_s_max.map_or(0, |rate| rate.0).into(),
        locations,
        role: body.role.0 as u8,
        standing: Standing::Active as u8,
        label_bytes,
        reserved: [0; 1],
    };
    let done = api.run(&caller, &Command::DefineToken(&head, &body.label)).await?;
    let made = TokenSecret { token: done.detail, secret: secret.to_hex() };
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// The locations that a token is wanted for, each of which the body names once.
async fn locations(api: &Api, may: Allowed, codes: &[String]) -> Result<Locations, Problem> {
    let wrong =
        |field: &str, detail: String| Problem::wrong_field(field, RejectCode::InvalidField.name(), detail);
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let too_many = || {
        let detail =
            format!("There are {}; a token is for {TOKEN_LOCATIONS_MAX} locations at most.", codes.len());
        wrong("locations", detail)
    };
    if codes.len() > TOKEN_LOCATIONS_MAX {
        return Err(too_many());
    }
    for (at, code) in codes.iter().enumerate() {
        if codes[..at].contains(code) {
            return Err(wrong(&format!("locations[{at}]"), format!("{code:?} is there twice.")));
        }
    }
    let handles = api.locations_of(may, &codes, |at| format!("locations[{at}]")).await?;
    Locations::of(&handles).ok_or_else(too_many)
}

/// Revoke a token: its secret is worth nothing from here on.
#[utoipa::path(delete, path = "/v1/tokens/{token}", tag = "access",
    params(CommandHeaders, ("token" = u32, Path, description = "The token's number.")),
    responses((status = 200, body = Receipt), Problems))]
async fn revoke(State(api): State<Api>, caller: Caller, At(token): At<u32>) -> Result<Receipt, Problem> {
    let head = RevokeToken { token: token.into(), expected_version: caller.expected };
    Ok(api.run(&caller, &Command::RevokeToken(&head)).await?.receipt(None))
}
