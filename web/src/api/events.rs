//! Events out: the feed by sequence, in pages that may wait, and as a stream of server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::Channel;
use orderline_access::Area;
use orderline_feed::{Cursor, Feed, FeedError, Filter, Page, PageBounds};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::request::{Allowed, Asked, Caller};
use super::types::{Count, EventTypeName, EventTypes, OrderUlid};
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

/// Which events, in a page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventTerms {
    /// The first sequence; the oldest that is still kept if it is not said.
    from: Option<u64>,
    /// Types of CloudEvents, separated by commas; all if it is not said.
    #[param(value_type = Option<Vec<EventTypeName>>, style = Form, explode = false, min_items = 1)]
    types: Option<EventTypes>,
    /// Only events that name this order, group or reservation.
    entity: Option<OrderUlid>,
    /// Only events of this seller, by its code.
    seller: Option<String>,
    /// Only events of this location, by its code.
    location: Option<String>,
    /// Events at most.
    #[param(minimum = 1, maximum = 1000, value_type = Option<u32>)]
    limit: Option<Count<1_000>>,
    /// Seconds to wait where nothing matches yet; 0 if it is not said.
    #[param(maximum = 30)]
    wait_s: Option<u32>,
}

/// Which events, in a stream.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamTerms {
    /// The first sequence; the next one to come if it is not said.
    from: Option<u64>,
    /// Types of CloudEvents, separated by commas; all if it is not said.
    #[param(value_type = Option<Vec<EventTypeName>>, style = Form, explode = false, min_items = 1)]
    types: Option<EventTypes>,
    /// Only events that name this order, group or reservation.
    entity: Option<OrderUlid>,
    /// Only events of this seller, by its code.
    seller: Option<String>,
    /// Only events of this location, by its code.
    location: Option<String>,
}

impl Api {
    /// What the terms let through.
    async fn filter(
        &self,
        may: Allowed,
        types: Option<EventTypes>,
        entity: Option<OrderUlid>,
        (seller, location): (Option<String>, Option<String>),
    ) -> Result<Filter, Problem> {
        let kinds = types.map_or_else(Vec::new, |types| types.0);
        let mut filter = Filter { kinds, entity: entity.map(|id| id.0), ..Filter::default() };
        if let Some(code) = &seller {
            filter.seller = Some(self.seller(may, code).await?);
        }
        if let Some(code) = &location {
            filter.location = Some(self.location(may, code).await?);
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
    let may = caller.may(Area::Feed)?;
    let wait_s = terms.wait_s.unwrap_or(0);
    if wait_s > WAIT_S_MAX {
        return Err(Problem::unreadable("wait_s", format!("A page waits for {WAIT_S_MAX} seconds at most.")));
    }
    let filter = api.filter(may, terms.types, terms.entity, (terms.seller, terms.location)).await?;
    let feed = api.feed();
    let bounds = PageBounds { events_max: terms.limit.map_or(1_000, Count::usize), ..PageBounds::default() };
    let first = match terms.from {
        Some(from) => from.max(1),
        None => {
            let own = Arc::clone(feed);
            blocking(move || own.first_kept()).await?.max(1)
        }
    };
    let deadline = Instant::now() + Duration::from_secs(wait_s.into());
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
        let is_over = tokio::time::timeout_at(deadline, durable.changed()).await.is_err();
        caller.is_still_in(api.access())?;
        if is_over {
            return Ok(Json(seen));
        }
    }
}

/// A server-sent event of a stream, by its fields.
#[derive(ToSchema)]
#[allow(dead_code)] // It describes; what is sent is written by `as_stream`.
pub(crate) struct StreamedEvent {
    /// The sequence, for `Last-Event-ID`.
    id: String,
    /// The CloudEvent's type.
    event: String,
    /// The CloudEvent, as JSON.
    data: String,
}

/// Events as they become durable, as server-sent events: `id` is the sequence, `event` the type, `data` the CloudEvent. A stream
/// that broke off is resumed by `Last-Event-ID`, as browsers do by themselves. It ends when its token is revoked, changed or over.
#[utoipa::path(get, path = "/v1/events/stream", tag = "events",
    params(StreamTerms, ("Last-Event-ID" = Option<u64>, Header, description = "The last sequence that was seen.")),
    responses((status = 200, body = StreamedEvent, content_type = "text/event-stream"), Problems))]
async fn stream(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    Asked(terms): Asked<StreamTerms>,
) -> Result<Response, Problem> {
    let may = caller.may(Area::Feed)?;
    let filter = api.filter(may, terms.types, terms.entity, (terms.seller, terms.location)).await?;
    let feed = Arc::clone(api.feed());
    let last = match headers.get("last-event-id") {
        None => None,
        Some(value) => match value.to_str().ok().and_then(|value| value.parse::<u64>().ok()) {
            Some(last) => Some(last),
            None => return Err(Problem::unreadable("Last-Event-ID", "Last-Event-ID is a sequence.")),
        },
    };
    let from = last.map(|last| last.saturating_add(1)).or(terms.from).unwrap_or_else(|| feed.durable() + 1);
    // Read once before anything is said, so that what is gone is a problem and no empty stream.
    let (mut seen, mut cursor) = page_behind(&feed, Cursor::at(from), &filter).await?;
    let (mut send, body) = Channel::<Bytes, Problem>::new(1);
    let mut durable = api.durable();
    tokio::spawn(async move {
        loop {
            let text = if seen.events.is_empty() { ":\n\n".to_owned() } else { as_stream(&seen) };
            if send.send_data(text.into()).await.is_err() {
                return;
            }
            let left_us = caller.grant.expires_at_us.saturating_sub(api.access().now_us());
            let silence = STREAM_SILENCE.min(Duration::from_micros(left_us.max(0).unsigned_abs()));
            let silent_until = Instant::now() + silence;
            loop {
                durable.mark_unchanged();
                (seen, cursor) = match page_behind(&feed, cursor, &filter).await {
                    Ok(page) => page,
                    Err(problem) => return send.abort(problem),
                };
                // That a token was revoked or changed is an event, too: whoever waits for one is woken by it.
                if caller.is_still_in(api.access()).is_err() {
                    return;
                }
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

/// A stream's next page, and the cursor behind it.
async fn page_behind(
    feed: &Arc<Feed>,
    mut cursor: Cursor,
    filter: &Filter,
) -> Result<(Page, Cursor), Problem> {
    let (feed, filter) = (Arc::clone(feed), filter.clone());
    let bounds = PageBounds { events_max: STREAM_EVENTS, ..PageBounds::default() };
    blocking(move || cursor.page(&feed, &filter, bounds).map(|page| (page, cursor))).await
}

fn as_stream(page: &Page) -> String {
    let mut text = String::new();
    for event in &page.events {
        let name = orderline_feed::event_type(event.kind);
        text.push_str(&format!("id: {}\nevent: {name}\ndata: {}\n\n", event.sequence, event.json.get()));
    }
    text
}
