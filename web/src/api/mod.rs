//! The API, `/v1`: every command and query of the domain in JSON, described by OpenAPI 3.1.
//!
//! A handler checks what it can read, turns codes into handles, writes the command, asks the front, and says what came of it.
//! What may be done is decided by the engine alone.

mod bulk;
mod carts;
mod catalogue;
mod description;
mod docs;
mod events;
mod fulfilment;
mod orders;
mod payments;
mod reads;
mod recovery;
mod request;
mod returns;
mod search;
mod service;
mod stock;
mod strict;
mod tokens;
pub mod types;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use orderline_access::Access;
use orderline_feed::webhooks::Webhooks;
use orderline_feed::{Consumers, Feed};
use orderline_protocol::command::{CommandKind, EntityKind};
use orderline_protocol::lifecycle::Entity;
use orderline_protocol::reply::Outcome;
use orderline_protocol::{Command, LocationHandle, RejectCode, SellerHandle, SkuHandle};
use orderline_readmodel::Reader;
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::front::{Commands, Front, Replies};
use crate::metrics::Metrics;
use crate::names::{NameError, Names};
use crate::problem::{Problem, Problems};
use crate::recovery::Recovery;
use crate::requests::{self, TraceParent};
use reads::Terms;
use request::{Allowed, Caller};
use types::Time;

/// How long a read waits for the sequence that it asks to be at, and between two looks.
const AT_LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// See there.
const AT_LEAST_PAUSE: Duration = Duration::from_millis(10);

/// What handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

/// What the API speaks for.
#[derive(Clone)]
pub struct Parts {
    /// Where commands enter the engine.
    pub front: Front,
    /// Who may come in, and do what.
    pub access: Access,
    /// Who knows the codes behind handles.
    pub names: Arc<Names>,
    /// What is counted.
    pub metrics: Metrics,
    /// The events.
    pub feed: Arc<Feed>,
    /// Whom they are posted to.
    pub webhooks: Arc<Webhooks>,
    /// Who keeps places in them.
    pub consumers: Arc<Consumers>,
    /// What is searched.
    pub models: Reader,
    /// What lies on disk to come back from.
    pub recovery: Arc<Recovery>,
    /// Whoever traces requests, if anybody does.
    pub traced: Option<TraceParent>,
}

struct Inner {
    parts: Parts,
    /// Changes whenever more is durable.
    durable: watch::Receiver<()>,
    description: Vec<u8>,
    /// The same for people.
    page: String,
}

/// How a command ended.
pub(crate) struct Done {
    replayed: bool,
    sequence: u64,
    version: u32,
    state: u8,
    /// What it means is said at each command.
    pub(crate) detail: u64,
}

impl Api {
    /// Has a command decided, and waits until that is durable.
    pub(crate) async fn run(&self, caller: &Caller, command: &Command<'_>) -> Result<Done, Problem> {
        self.run_encoded(caller, command.kind(), Commands::one(command)).await
    }

    /// As [`Api::run`], for one command that is encoded already.
    pub(crate) async fn run_encoded(
        &self,
        caller: &Caller,
        kind: CommandKind,
        commands: Commands,
    ) -> Result<Done, Problem> {
        caller.may(kind)?;
        caller.take_quota(self.access(), 1)?;
        let commands = match caller.key {
            Some(key) => {
                key.check(self.metrics().keys_horizon_us(), self.access().now_us())?;
                commands.keyed(key.request)
            }
            None => commands,
        };
        let replies = self.inner.parts.front.ask(caller.actor, commands).await?;
        let reply = replies.first();
        let replayed = match reply.outcome() {
            Outcome::Accepted => false,
            Outcome::AcceptedBefore => true,
            Outcome::Rejected | Outcome::Answered => return Err(Problem::of_reply(&reply)),
        };
        let header = reply.header;
        Ok(Done {
            replayed,
            sequence: header.sequence.get(),
            version: header.version.get(),
            state: header.state,
            detail: header.detail.get(),
        })
    }

    /// Has a query answered.
    pub(crate) async fn query(
        &self,
        caller: &Caller,
        terms: &Terms,
        query: &Command<'_>,
    ) -> Result<Replies, Problem> {
        caller.may(query.kind())?;
        caller.take_quota(self.access(), 1)?;
        let deadline = tokio::time::Instant::now() + AT_LEAST_PATIENCE;
        loop {
            let replies = self.inner.parts.front.ask(caller.actor, Commands::one(query)).await?;
            let reply = replies.first();
            let (sequence, wanted) = (reply.header.sequence.get(), terms.at_least.unwrap_or(0));
            if sequence < wanted {
                if tokio::time::Instant::now() >= deadline {
                    return Err(Problem::too_early(sequence, wanted));
                }
                tokio::time::sleep(AT_LEAST_PAUSE).await;
                continue;
            }
            return if reply.outcome() == Outcome::Answered {
                Ok(replies)
            } else {
                Err(Problem::of_reply(&reply))
            };
        }
    }

    /// Who may come in.
    fn access(&self) -> &Access {
        &self.inner.parts.access
    }

    fn front(&self) -> &Front {
        &self.inner.parts.front
    }

    fn metrics(&self) -> &Metrics {
        &self.inner.parts.metrics
    }

    /// Who knows the codes behind handles.
    pub(crate) fn names(&self) -> &dyn orderline_json::Names {
        &*self.inner.parts.names
    }

    fn feed(&self) -> &Arc<Feed> {
        &self.inner.parts.feed
    }

    fn webhooks(&self) -> &Arc<Webhooks> {
        &self.inner.parts.webhooks
    }

    fn consumers(&self) -> &Arc<Consumers> {
        &self.inner.parts.consumers
    }

    fn models(&self) -> &Reader {
        &self.inner.parts.models
    }

    fn recovery(&self) -> &Arc<Recovery> {
        &self.inner.parts.recovery
    }

    /// Changes whenever more is durable.
    fn durable(&self) -> watch::Receiver<()> {
        self.inner.durable.clone()
    }

    /// The seller that a path names.
    pub(crate) async fn seller(&self, _: Allowed, code: &str) -> Result<SellerHandle, Problem> {
        self.in_path(EntityKind::Seller, code).await.map(SellerHandle::new)
    }

    /// The SKU that a path names.
    pub(crate) async fn sku(&self, _: Allowed, code: &str) -> Result<SkuHandle, Problem> {
        self.in_path(EntityKind::Sku, code).await.map(SkuHandle::new)
    }

    /// The location that a path names.
    pub(crate) async fn location(&self, _: Allowed, code: &str) -> Result<LocationHandle, Problem> {
        self.in_path(EntityKind::Location, code).await.map(|handle| LocationHandle::new(handle as u16))
    }

    async fn in_path(&self, kind: EntityKind, code: &str) -> Result<u32, Problem> {
        self.inner.parts.names.handle(kind, code).await.map_err(|error| match error {
            NameError::Unknown(_) => Problem::unknown(kind.name(), code),
            NameError::Front(error) => error.into(),
        })
    }

    /// The sellers that fields of a body name, each by its field.
    pub(crate) async fn sellers_of(
        &self,
        _: Allowed,
        codes: &[&str],
        field: impl Fn(usize) -> String,
    ) -> Result<Vec<SellerHandle>, Problem> {
        Ok(self.in_body(EntityKind::Seller, codes, field).await?.into_iter().map(SellerHandle::new).collect())
    }

    /// The SKUs that fields of a body name.
    pub(crate) async fn skus_of(
        &self,
        _: Allowed,
        codes: &[&str],
        field: impl Fn(usize) -> String,
    ) -> Result<Vec<SkuHandle>, Problem> {
        Ok(self.in_body(EntityKind::Sku, codes, field).await?.into_iter().map(SkuHandle::new).collect())
    }

    /// The locations that fields of a body name.
    pub(crate) async fn locations_of(
        &self,
        _: Allowed,
        codes: &[&str],
        field: impl Fn(usize) -> String,
    ) -> Result<Vec<LocationHandle>, Problem> {
        let handles = self.in_body(EntityKind::Location, codes, field).await?;
        Ok(handles.into_iter().map(|handle| LocationHandle::new(handle as u16)).collect())
    }

    /// The location that a field of a body names.
    pub(crate) async fn location_of(
        &self,
        may: Allowed,
        code: &str,
        field: &str,
    ) -> Result<LocationHandle, Problem> {
        self.locations_of(may, &[code], |_| field.to_owned()).await.map(|handles| handles[0])
    }

    async fn in_body(
        &self,
        kind: EntityKind,
        codes: &[&str],
        field: impl Fn(usize) -> String,
    ) -> Result<Vec<u32>, Problem> {
        self.inner.parts.names.handles(kind, codes).await.map_err(|error| match error {
            NameError::Unknown(at) => Problem::unknown_reference(&field(at), kind.name(), codes[at]),
            NameError::Front(error) => error.into(),
        })
    }
}

/// Asks on a thread that may wait for the disk.
pub(crate) async fn blocking<T, E>(ask: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + Send + 'static,
{
    match tokio::task::spawn_blocking(ask).await {
        Ok(asked) => asked.map_err(Into::into),
        Err(error) => Err(Problem::broken("Failed", "The server failed to answer.", error.to_string())),
    }
}

/// What a command that was accepted is answered with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Receipt {
    /// `accepted`, or `accepted before` when the same request had been accepted earlier: this is then the first answer again.
    pub outcome: &'static str,
    /// The sequence at which it took effect.
    pub sequence: u64,
    /// The version then of what it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The state then of what it was about; of the parts of an order (work, packages, refunds, returns) it is the order's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    /// What it costs then, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_minor: Option<i64>,
    /// The amount that this is about, in minor units; what it is, is said at the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_minor: Option<i64>,
    /// Units that the bucket, or available, holds then; what it is, is said at the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<i64>,
    /// The number, in its order or group, of what was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    #[serde(skip)]
    status: StatusCode,
}

impl Done {
    /// The receipt, with the state named as one of this entity's.
    pub(crate) fn receipt(&self, entity: Option<Entity>) -> Receipt {
        Receipt {
            outcome: if self.replayed { Outcome::AcceptedBefore } else { Outcome::Accepted }.name(),
            sequence: self.sequence,
            version: Some(self.version).filter(|&version| version > 0),
            state: entity.filter(|_| self.state > 0).map(|entity| entity.state_name(self.state)),
            ..Receipt::default()
        }
    }
}

impl Receipt {
    /// Answered with 201: something new is there.
    pub(crate) fn created(self) -> Self {
        Self { status: StatusCode::CREATED, ..self }
    }
}

impl IntoResponse for Receipt {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        let headers = response.headers_mut();
        if let Some(version) = self.version {
            headers.insert(header::ETAG, etag(version));
        }
        headers.insert(SEQUENCE, self.sequence.into());
        if self.outcome == "accepted before" {
            headers.insert(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
        }
        response
    }
}

/// The header that says at which sequence a command took effect, or up to which an answer speaks.
const SEQUENCE: HeaderName = HeaderName::from_static("orderline-sequence");

/// A version as an `ETag`.
pub(crate) fn etag(version: u32) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// The routes of the API and what they look like.
pub fn router(parts: Parts) -> Router {
    let (router, description) = OpenApiRouter::with_openapi(description::root())
        .merge(catalogue::routes())
        .merge(stock::routes())
        .merge(carts::routes())
        .merge(orders::routes())
        .merge(payments::routes())
        .merge(fulfilment::routes())
        .merge(returns::routes())
        .merge(bulk::routes())
        .merge(reads::routes())
        .merge(service::routes())
        .merge(recovery::routes())
        .merge(events::routes())
        .merge(webhooks::routes())
        .merge(search::routes())
        .merge(tokens::routes())
        .routes(routes!(problems))
        .split_for_parts();
    let (changed, durable) = watch::channel(());
    parts.feed.watermark().subscribe(Box::new(move || {
        changed.send_replace(());
    }));
    let description = description::finished(&description);
    let page = docs::page(&description);
    let told = requests::Told { access: parts.access.clone(), traced: parts.traced.clone() };
    let api = Api { inner: Arc::new(Inner { parts, durable, description, page }) };
    router
        .route("/v1/openapi.json", get(openapi))
        .route("/v1/docs", get(self::page))
        .merge(crate::console::routes())
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .with_state(api)
        .layer(from_fn_with_state(told, requests::tell))
}

async fn openapi(State(api): State<Api>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], api.inner.description.clone()).into_response()
}

/// The page that shows the description to people.
async fn page(State(api): State<Api>) -> Html<String> {
    Html(api.inner.page.clone())
}

pub(crate) async fn nothing_here() -> Problem {
    let detail = "Nothing is served under this path; /v1/docs lists what is.";
    Problem::new(StatusCode::NOT_FOUND, "NoSuchPath", "There is no such path.", detail)
}

async fn wrong_method() -> Problem {
    let detail = "This path is there, and does not know this method; Allow says which it knows.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "WrongMethod", "The method is not allowed.", detail)
}

/// A reject code.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CodeDescription {
    /// Its name, as problems have it.
    code: &'static str,
    /// Its number on the wire.
    number: u16,
    /// The HTTP status that goes with it.
    status: u16,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// What it says.
    text: &'static str,
}

/// Every way in which the engine refuses.
#[utoipa::path(get, path = "/v1/problems", tag = "service", security(()),
    responses((status = 200, body = Vec<CodeDescription>), Problems))]
async fn problems() -> Json<Vec<CodeDescription>> {
    let describe = |&code: &RejectCode| CodeDescription {
        code: code.name(),
        number: code as u16,
        status: crate::problem::status_of(code).as_u16(),
        retryable: code.is_retryable(),
        text: code.text(),
    };
    Json(RejectCode::ALL.iter().map(describe).collect())
}
