//! Events out: the feed by sequence, in pages that may wait, and as a stream of server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::Channel;
use orderline_access::{Area, Deed};
use orderline_feed::{Feed, FeedError, Filter, Page, PageBounds, kind_of_type};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::request::{Asked, Caller};
use super::types::OrderUlid;
use super::{Api, blocking};
use crate::problem::{Problem, Problems};

/// How long a page waits for an event at most.
const WAIT_S_MAX: u32 = 30;

/// Silence in a stream after which a comment says that it is still there.
const STREAM_SILENCE: Duration = Duration::from_secs(15);

/// Events in one piece of a stream.
const STREAM_EVENTS: usize = 500;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(events)).routes(routes!(stream))
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventTerms {
    /// The first sequence; the oldest that is still kept if it is not said (of a stream: the next one to come).
    from: Option<u64>,
    /// Types of CloudEvents, separated by commas; all if it is not said.
    types: Option<String>,
    /// Only events that name this order, group or reservation.
    entity: Option<OrderUlid>,
    /// Only events of this seller, by its code.
    seller: Option<String>,
    /// Only events of this location, by its code.
    location: Option<String>,
    /// Events at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Seconds to wait where nothing matches yet; 0 if it is not said.
    #[param(maximum = 30)]
    wait_s: Option<u32>,
}

impl EventTerms {
    async fn filter(&self, api: &Api) -> Result<Filter, Problem> {
        let mut filter = Filter { entity: self.entity.map(|id| id.0), ..Filter::default() };
        for name in self.types.iter().flat_map(|types| types.split(',')) {
            let kind = kind_of_type(name.trim()).ok_or_else(|| {
                Problem::unreadable(
                    "types",
                    format!("{name:?} is no type of event; docs/events.md lists them."),
                )
            })?;
            filter.kinds.push(kind);
        }
        if let Some(code) = &self.seller {
            filter.seller = Some(api.seller(code).await?);
        }
        if let Some(code) = &self.location {
            filter.location = Some(api.location(code).await?);
        }
        Ok(filter)
    }
}

impl From<FeedError> for Problem {
    fn from(error: FeedError) -> Self {
        let detail = error.to_string();
        match error {
            FeedError::Gone { first_kept, .. } => Self {
                sequence: Some(first_kept),
                ..Self::new(StatusCode::GONE, "EventsGone", "These events are no longer kept.", detail)
            },
            FeedError::Ahead { durable, .. } => Self {
                sequence: Some(durable),
                ..Self::new(StatusCode::CONFLICT, "NotThereYet", "The sequence is not there yet.", detail)
            },
            _ => Self::broken("UnreadableJournal", "The journal cannot be read.", detail),
        }
    }
}

/// Reads a page where it may wait for the disk.
async fn page(feed: &Arc<Feed>, from: u64, filter: &Filter, bounds: PageBounds) -> Result<Page, Problem> {
    let (feed, filter) = (Arc::clone(feed), filter.clone());
    blocking(move || feed.page(from, &filter, bounds)).await
}

/// Events from a sequence on, as CloudEvents. The page says which range of sequences it covers: everything in it that matches is
/// there, so a consumer who goes on at `next` misses nothing and can show it.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(EventTerms), responses((status = 200, body = Page), Problems))]
async fn events(
    State(api): State<Api>,
    caller: Caller,
    Asked(terms): Asked<EventTerms>,
) -> Result<Json<Page>, Problem> {
    caller.may(Deed::Area(Area::Feed))?;
    let filter = terms.filter(&api).await?;
    let feed = api.feed();
    let bounds =
        PageBounds { events_max: terms.limit.unwrap_or(1_000).clamp(1, 1_000), ..PageBounds::default() };
    let first = match terms.from {
        Some(from) => from.max(1),
        None => {
            let own = Arc::clone(feed);
            blocking(move || own.first_kept()).await?.max(1)
        }
    };
    let deadline = Instant::now() + Duration::from_secs(terms.wait_s.unwrap_or(0).min(WAIT_S_MAX).into());
    let mut durable = api.durable();
    let mut next = first;
    loop {
        durable.mark_unchanged();
        let mut seen = page(feed, next, &filter, bounds).await?;
        seen.from = first;
        let is_at_end = seen.events.is_empty() && seen.to >= seen.durable;
        if !is_at_end || Instant::now() >= deadline {
            return Ok(Json(seen));
        }
        next = seen.next;
        if tokio::time::timeout_at(deadline, durable.changed()).await.is_err() {
            return Ok(Json(seen));
        }
    }
}

/// Events as they become durable, as server-sent events: `id` is the sequence, `event` the type, `data` the CloudEvent. A stream
/// that broke off is resumed by `Last-Event-ID`, as browsers do by themselves.
#[utoipa::path(get, path = "/v1/events/stream", tag = "events",
    params(EventTerms, ("Last-Event-ID" = Option<u64>, Header, description = "The last sequence that was seen.")),
    responses((status = 200, body = String, content_type = "text/event-stream"), Problems))]
async fn stream(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Asked(terms): Asked<EventTerms>,
) -> Result<Response, Problem> {
    caller.may(Deed::Area(Area::Feed))?;
    let filter = terms.filter(&api).await?;
    let feed = Arc::clone(api.feed());
    let last = match headers.get("last-event-id") {
        None => None,
        Some(value) => match value.to_str().ok().and_then(|value| value.parse::<u64>().ok()) {
            Some(last) => Some(last),
            None => return Err(Problem::unreadable("Last-Event-ID", "Last-Event-ID is a sequence.")),
        },
    };
    let from = last.map(|last| last.saturating_add(1)).or(terms.from).unwrap_or_else(|| feed.durable() + 1);
    let bounds = PageBounds { events_max: STREAM_EVENTS, ..PageBounds::default() };
    // Read once before anything is said, so that what is gone is a problem and no empty stream.
    let mut seen = page(&feed, from, &filter, bounds).await?;
    let (mut send, body) = Channel::<Bytes, Problem>::new(1);
    let mut durable = api.durable();
    tokio::spawn(async move {
        loop {
            let text = if seen.events.is_empty() { ":\n\n".to_owned() } else { as_stream(&seen) };
            if send.send_data(text.into()).await.is_err() {
                return;
            }
            durable.mark_unchanged();
            let silent_until = Instant::now() + STREAM_SILENCE;
            loop {
                seen = match page(&feed, seen.next, &filter, bounds).await {
                    Ok(page) => page,
                    Err(problem) => return send.abort(problem),
                };
                if !seen.events.is_empty() {
                    break;
                }
                if seen.to >= seen.durable {
                    match tokio::time::timeout_at(silent_until, durable.changed()).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return,
                        Err(_) => break,
                    }
                }
            }
        }
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::new(body)).into_response())
}

fn as_stream(page: &Page) -> String {
    let mut text = String::new();
    for event in &page.events {
        let name = orderline_feed::event_type(event.kind);
        text.push_str(&format!("id: {}\nevent: {name}\ndata: {}\n\n", event.sequence, event.json.get()));
    }
    text
}
