//! Webhooks and named consumers of the feed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use orderline_access::Area;
use orderline_feed::webhooks::{
    DeadLetter, EndpointSpec, EndpointState, EndpointStatus, WebhookError, Webhooks,
};
use orderline_feed::{Consumer, ConsumerError, Filter};
use orderline_protocol::RejectCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::request::{Allowed, Asked, At, Body, Caller};
use super::types::{Count, EventTypeName, OrderUlid};
use super::{Api, blocking};
use crate::problem::{Problem, Problems};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(change, remove))
        .routes(routes!(set_state))
        .routes(routes!(rotate))
        .routes(routes!(dead_letters))
        .routes(routes!(replay))
        .routes(routes!(consumers))
        .routes(routes!(consumer, commit, forget))
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        let detail = format!("{error}.");
        match error {
            WebhookError::Feed(error) => error.into(),
            WebhookError::Url { .. } => Self::wrong_field("url", "WrongUrl", detail),
            WebhookError::Secret => Self::wrong_field("secret", "WrongSecret", detail),
            WebhookError::Label => Self::wrong_field("label", "WrongLabel", detail),
            WebhookError::TooMany => {
                Self::new(StatusCode::CONFLICT, "TooManyWebhooks", "There are too many.", detail)
            }
            WebhookError::Unknown { .. } | WebhookError::UnknownLetter { .. } => Self::new(
                StatusCode::NOT_FOUND,
                "UnknownWebhook",
                "There is no such webhook or letter.",
                detail,
            ),
            _ => Self::broken("WebhooksFailed", "Webhooks have failed.", detail),
        }
    }
}

impl From<ConsumerError> for Problem {
    fn from(error: ConsumerError) -> Self {
        let detail = format!("{error}.");
        match error {
            ConsumerError::Unknown { .. } => {
                Self::new(StatusCode::NOT_FOUND, "UnknownConsumer", "There is no such consumer.", detail)
            }
            ConsumerError::File(_) => Self::broken("NotKept", "The position cannot be kept.", detail),
            ConsumerError::Name { .. } => Self::unreadable("consumer", detail),
            _ => Self::new(StatusCode::CONFLICT, "WrongPosition", "The position is none to commit.", detail),
        }
    }
}

impl Api {
    /// Asks webhooks on a thread that may wait for the disk.
    async fn ask_webhooks<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Webhooks) -> Result<T, WebhookError> + Send + 'static,
    ) -> Result<T, Problem> {
        let webhooks = Arc::clone(self.webhooks());
        blocking(move || ask(&webhooks)).await
    }
}

/// Where events are to be posted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewWebhook {
    /// Where to: an https URL of a public host, unless the server allows others.
    url: String,
    /// What people call it.
    #[serde(default)]
    label: String,
    /// Types of events that it gets; all if none is said.
    #[serde(default)]
    types: Vec<EventTypeName>,
    /// Only events that name this order, group or reservation.
    entity: Option<OrderUlid>,
    /// Only events of this seller, by its code.
    seller: Option<String>,
    /// Only events of this location, by its code.
    location: Option<String>,
    /// The first sequence to deliver; from now on if it is not said. Only of a new webhook.
    from: Option<u64>,
    /// The secret to sign with, `whsec_` and base64; one is made if it is not said. Only of a new webhook.
    secret: Option<String>,
}

impl NewWebhook {
    async fn spec(&self, api: &Api, may: Allowed) -> Result<EndpointSpec, Problem> {
        let kinds = self.types.iter().map(|name| name.0).collect();
        let mut filter = Filter { kinds, entity: self.entity.map(|id| id.0), ..Filter::default() };
        if let Some(code) = &self.seller {
            filter.seller = Some(api.sellers_of(may, &[code], |_| "seller".to_owned()).await?[0]);
        }
        if let Some(code) = &self.location {
            filter.location = Some(api.location_of(may, code, "location").await?);
        }
        Ok(EndpointSpec { url: self.url.clone(), label: self.label.clone(), filter })
    }
}

/// A webhook's number and its secret, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookSecret {
    /// The webhook's number.
    endpoint: u64,
    /// What its deliveries are signed with, by the Standard Webhooks specification.
    secret: String,
}

/// All webhooks, and how far each has come.
#[utoipa::path(get, path = "/v1/webhooks", tag = "events", responses((status = 200, body = Vec<EndpointStatus>), Problems))]
async fn list(State(api): State<Api>, caller: Caller) -> Result<Json<Vec<EndpointStatus>>, Problem> {
    caller.may(Area::Webhooks)?;
    Ok(Json(api.ask_webhooks(|webhooks| Ok(webhooks.status())).await?))
}

/// Have events posted somewhere. Deliveries are signed by the Standard Webhooks specification, in order for each order.
#[utoipa::path(post, path = "/v1/webhooks", tag = "events", request_body = NewWebhook, responses((status = 201, body = WebhookSecret), Problems))]
async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewWebhook>,
) -> Result<Response, Problem> {
    let may = caller.may(Area::Webhooks)?;
    let spec = body.spec(&api, may).await?;
    let (from, secret) = (body.from, body.secret);
    let (endpoint, secret) =
        api.ask_webhooks(move |webhooks| webhooks.create(&spec, secret.as_deref(), from)).await?;
    Ok((StatusCode::CREATED, Json(WebhookSecret { endpoint, secret })).into_response())
}

/// Change where a webhook is, what it is called and what it gets.
#[utoipa::path(put, path = "/v1/webhooks/{webhook}", tag = "events", request_body = NewWebhook,
    params(("webhook" = u64, Path, description = "The webhook's number.")),
    responses((status = 204, description = "Changed."), Problems))]
async fn change(
    State(api): State<Api>,
    caller: Caller,
    At(webhook): At<u64>,
    Body(body): Body<NewWebhook>,
) -> Result<StatusCode, Problem> {
    let may = caller.may(Area::Webhooks)?;
    if body.from.is_some() || body.secret.is_some() {
        let detail = "from and secret are of new webhooks; replay and secret have paths of their own.";
        return Err(Problem::wrong_field("from", RejectCode::InvalidField.name(), detail));
    }
    let spec = body.spec(&api, may).await?;
    api.ask_webhooks(move |webhooks| webhooks.update(webhook, &spec)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a webhook with all that is kept of it.
#[utoipa::path(delete, path = "/v1/webhooks/{webhook}", tag = "events",
    params(("webhook" = u64, Path, description = "The webhook's number.")),
    responses((status = 204, description = "Removed."), Problems))]
async fn remove(State(api): State<Api>, caller: Caller, At(webhook): At<u64>) -> Result<StatusCode, Problem> {
    caller.may(Area::Webhooks)?;
    api.ask_webhooks(move |webhooks| webhooks.remove(webhook)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a webhook is delivered to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookState {
    /// `active` or `paused`.
    state: EndpointState,
}

/// Pause a webhook, or go on with it.
#[utoipa::path(put, path = "/v1/webhooks/{webhook}/state", tag = "events", request_body = WebhookState,
    params(("webhook" = u64, Path, description = "The webhook's number.")),
    responses((status = 204, description = "Set."), Problems))]
async fn set_state(
    State(api): State<Api>,
    caller: Caller,
    At(webhook): At<u64>,
    Body(body): Body<WebhookState>,
) -> Result<StatusCode, Problem> {
    caller.may(Area::Webhooks)?;
    api.ask_webhooks(move |webhooks| webhooks.set_state(webhook, body.state)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a webhook a new secret. For a day its deliveries are signed with the old one, too.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/secret", tag = "events",
    params(("webhook" = u64, Path, description = "The webhook's number.")),
    responses((status = 200, body = WebhookSecret), Problems))]
async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    At(webhook): At<u64>,
) -> Result<Json<WebhookSecret>, Problem> {
    caller.may(Area::Webhooks)?;
    let secret = api.ask_webhooks(move |webhooks| webhooks.rotate_secret(webhook, None)).await?;
    Ok(Json(WebhookSecret { endpoint: webhook, secret }))
}

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LetterTerms {
    /// The first sequence.
    from: Option<u64>,
    /// Letters at most.
    #[param(minimum = 1, maximum = 500, value_type = Option<u32>)]
    limit: Option<Count<500>>,
}

/// Deliveries of a webhook that were given up, by sequence.
#[utoipa::path(get, path = "/v1/webhooks/{webhook}/dead-letters", tag = "events",
    params(LetterTerms, ("webhook" = u64, Path, description = "The webhook's number.")),
    responses((status = 200, body = Vec<DeadLetter>), Problems))]
async fn dead_letters(
    State(api): State<Api>,
    caller: Caller,
    At(webhook): At<u64>,
    Asked(terms): Asked<LetterTerms>,
) -> Result<Json<Vec<DeadLetter>>, Problem> {
    caller.may(Area::Webhooks)?;
    let (from, limit) = (terms.from.unwrap_or(0), terms.limit.map_or(100, Count::usize));
    Ok(Json(api.ask_webhooks(move |webhooks| webhooks.dead_letters(webhook, from, limit)).await?))
}

/// What is to be delivered again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    /// Everything from this sequence on, whether it was delivered or not.
    from: Option<u64>,
    /// The dead letter of this sequence. With neither: all dead letters.
    dead_letter: Option<u64>,
}

/// Deliver again: dead letters, or everything from a sequence on.
#[utoipa::path(post, path = "/v1/webhooks/{webhook}/replay", tag = "events", request_body = Replay,
    params(("webhook" = u64, Path, description = "The webhook's number.")),
    responses((status = 202, description = "They go out."), Problems))]
async fn replay(
    State(api): State<Api>,
    caller: Caller,
    At(webhook): At<u64>,
    Body(body): Body<Replay>,
) -> Result<StatusCode, Problem> {
    caller.may(Area::Webhooks)?;
    api.ask_webhooks(move |webhooks| match (body.from, body.dead_letter) {
        (Some(from), _) => webhooks.replay_from(webhook, from),
        (None, only) => webhooks.replay_dead(webhook, only).map(drop),
    })
    .await?;
    Ok(StatusCode::ACCEPTED)
}

/// Named consumers of the feed, and how far each has come.
#[utoipa::path(get, path = "/v1/consumers", tag = "events", responses((status = 200, body = Vec<Consumer>), Problems))]
async fn consumers(State(api): State<Api>, caller: Caller) -> Result<Json<Vec<Consumer>>, Problem> {
    caller.may(Area::Feed)?;
    Ok(Json(api.consumers().list(api.feed().durable())))
}

/// How far a consumer has come.
#[utoipa::path(get, path = "/v1/consumers/{consumer}", tag = "events",
    params(("consumer" = String, Path, pattern = "^[A-Za-z0-9._-]{1,64}$", description = "Its name.")),
    responses((status = 200, body = Consumer), Problems))]
async fn consumer(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<String>,
) -> Result<Json<Consumer>, Problem> {
    caller.may(Area::Feed)?;
    let found = api.consumers().get(&name, api.feed().durable());
    Ok(Json(found.ok_or(ConsumerError::Unknown { name })?))
}

/// A place in the feed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeedPosition {
    /// Everything up to this sequence is consumed.
    position: u64,
}

/// Keep how far a consumer has come, in the data directory. It only moves forward.
#[utoipa::path(put, path = "/v1/consumers/{consumer}", tag = "events", request_body = FeedPosition,
    params(("consumer" = String, Path, pattern = "^[A-Za-z0-9._-]{1,64}$", description = "Its name: letters, digits, dots, dashes, underscores.")),
    responses((status = 200, body = Consumer), Problems))]
async fn commit(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<String>,
    Body(body): Body<FeedPosition>,
) -> Result<Json<Consumer>, Problem> {
    caller.may(Area::Feed)?;
    let (consumers, durable) = (Arc::clone(api.consumers()), api.feed().durable());
    Ok(Json(blocking(move || consumers.commit(&name, body.position, durable)).await?))
}

/// Forget a consumer.
#[utoipa::path(delete, path = "/v1/consumers/{consumer}", tag = "events",
    params(("consumer" = String, Path, pattern = "^[A-Za-z0-9._-]{1,64}$", description = "Its name.")),
    responses((status = 204, description = "Forgotten."), Problems))]
async fn forget(State(api): State<Api>, caller: Caller, At(name): At<String>) -> Result<StatusCode, Problem> {
    caller.may(Area::Feed)?;
    let consumers = Arc::clone(api.consumers());
    blocking(move || consumers.remove(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}
