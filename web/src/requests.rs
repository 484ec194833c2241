//! Each request's own id, on its answer and in the log, and what is told of it: a line of the log, and a span where requests are
//! traced.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use orderline_access::Access;
use tracing::field::Empty;
use tracing::{Instrument, Level, Span, debug, debug_span, enabled};

/// A request's id: the caller's own, or one made here.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Bytes of a caller's id at most.
const ID_BYTES_MAX: usize = 64;

/// Where it is noted who asks, once that is known.
#[derive(Clone, Default)]
pub(crate) struct Asker(Arc<OnceLock<u32>>);

impl Asker {
    /// It is the bearer of the token with this number.
    pub(crate) fn is(&self, token: u32) {
        let _ = self.0.set(token);
    }
}

/// Makes a request's span part of the trace that its headers name.
pub type TraceParent = Arc<dyn Fn(&HeaderMap, &Span) + Send + Sync>;

/// Who is asked about requests that are told.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) access: Access,
    /// Whoever traces them, if anybody does.
    pub(crate) traced: Option<TraceParent>,
}

/// Has a request answered, and tells of it. Nothing that a caller wrote is told but the method, the id of the request and the name of
/// its token: no path, no parameter, no header, no body.
pub(crate) async fn tell(State(told): State<Told>, mut request: Request, next: Next) -> Response {
    let id = id_of(request.headers());
    if !enabled!(Level::DEBUG) && told.traced.is_none() {
        return with_id(next.run(request).await, id);
    }
    let start = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = route.as_deref().unwrap_or("none");
    let request_id = id.to_str().unwrap_or_default();
    let span = match &told.traced {
        Some(parent) => {
            let span = span_of(method.as_str(), route, request_id);
            parent(request.headers(), &span);
            span
        }
        None => Span::none(),
    };
    let asker = Asker::default();
    request.extensions_mut().insert(asker.clone());
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    let token = asker.0.get().map(|&token| told.access.label(token)).filter(|label| !label.is_empty());
    span.record("http.response.status_code", status.as_u16());
    span.record("orderline.token", token.as_deref());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    let duration_us = start.elapsed().as_micros() as u64;
    debug!(%method, route, status = status.as_u16(), duration_us, token, request_id, "a request is answered");
    with_id(response, id)
}

/// A request's span, by the names that OpenTelemetry gives its parts.
fn span_of(method: &str, route: &str, request_id: &str) -> Span {
    debug_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        orderline.request_id = request_id,
        orderline.token = Empty,
    )
}

fn with_id(mut response: Response, id: HeaderValue) -> Response {
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The id that the caller gave, where it can stand in a log, or a new one.
fn id_of(headers: &HeaderMap) -> HeaderValue {
    let is_plain = |id: &&HeaderValue| {
        (1..=ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    headers.get(REQUEST_ID).filter(is_plain).cloned().unwrap_or_else(|| {
        let made = format!("{:016x}", rand::random::<u64>());
        HeaderValue::from_str(&made).unwrap_or(HeaderValue::from_static("0"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_id_is_taken_where_it_can_stand_in_a_line() {
        let id = |value: &'static [u8]| {
            let value = HeaderValue::from_bytes(value).unwrap();
            id_of(&HeaderMap::from_iter([(REQUEST_ID, value)]))
        };
        assert_eq!(id(b"7f3a-01"), "7f3a-01");
        for wrong in [&b""[..], b"two words", "\u{e4}".as_bytes(), &[b'a'; ID_BYTES_MAX + 1]] {
            let made = id(wrong.to_vec().leak());
            assert!(made.len() == 16 && made != id(b""), "{wrong:?} is replaced by an id that is new");
        }
    }
}
