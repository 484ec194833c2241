//! What a request brings: who asks, under which key, expecting which version, and a body. Whatever of it cannot be read is
//! told as a problem, before anything is asked of the engine.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use orderline_access::{Access, Deed, Grant, Secret};
use orderline_protocol::command::EXPECTED_NEW;
use orderline_protocol::{KEYED_FROM, Request as RequestNumber, SessionId};
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use xxhash_rust::xxh3::xxh3_64;
use zerocopy::little_endian::U32;

use super::Api;
use crate::front::Actor;
use crate::problem::Problem;
use crate::requests::Asker;

/// Bytes of a body at most: an order of 2,000 lines with room to spare.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

/// Bytes of an idempotency key at most.
const KEY_BYTES_MAX: usize = 255;

/// Headers of requests that change something.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)] // It describes; the headers are read by `Caller`.
pub(crate) struct CommandHeaders {
    /// Any text of up to 255 bytes that names this request. Asked again under the same key, it is answered as the first time
    /// and does nothing; the newest 1,048,576 keys are remembered, over restarts.
    #[param(rename = "Idempotency-Key", required = false, max_length = 255, min_length = 1)]
    pub(crate) idempotency_key: Option<String>,
    /// The version that the caller has seen, in quotes, as an `ETag` told it. Is it another one by now, nothing is done.
    #[param(rename = "If-Match", required = false, pattern = "^\"[0-9]{1,10}\"$")]
    pub(crate) if_match: Option<String>,
}

/// Who asks, and on what terms.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// What its token allows.
    pub(crate) grant: Grant,
    /// Whose session it is.
    pub(crate) actor: Actor,
    /// The request that the idempotency key names.
    pub(crate) key: Option<RequestNumber>,
    /// The version that is expected; 0: whichever it is.
    pub(crate) expected: U32,
}

impl Caller {
    /// Refuses what the caller's role may not do.
    pub(crate) fn may(&self, deed: Deed) -> Result<(), Problem> {
        if self.grant.deeds.has(deed) {
            return Ok(());
        }
        let detail = format!("The role {:?} may not: {}.", self.grant.role.name(), deed.name());
        Err(Problem::new(StatusCode::FORBIDDEN, "Forbidden", "The token's role does not allow this.", detail))
    }

    /// Takes so many commands out of the token's quota, all or none.
    pub(crate) fn take_quota(&self, access: &Access, count: u32) -> Result<(), Problem> {
        let Some(quota) = &self.grant.quota else { return Ok(()) };
        if quota.take(count, access.now_us()) >= count {
            return Ok(());
        }
        let detail = format!("The token may bring {} commands a second.", quota.commands_per_s_max());
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "OverQuota", "More than the token's quota.", detail))
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let grant = authenticate(&parts.headers, api.access())?;
        if let Some(asker) = parts.extensions.get::<Asker>() {
            asker.is(grant.actor);
        }
        let actor = Actor { token: grant.actor, session: session_of(grant.actor), scope: grant.scope };
        Ok(Self {
            actor,
            key: idempotency_key(&parts.headers)?,
            expected: expected_version(&parts.headers)?.into(),
            grant,
        })
    }
}

/// The session of each actor: the same after a restart, so that keys are still known then.
fn session_of(actor: u32) -> SessionId {
    const HTTP: u128 = 0x4f72_6465_726c_696e_6874_7470 << 32;
    SessionId::new(HTTP | u128::from(actor))
}

/// Who brings these headers.
fn authenticate(headers: &HeaderMap, access: &Access) -> Result<Grant, Problem> {
    let refused = |detail: String| {
        Problem::new(StatusCode::UNAUTHORIZED, "Unauthorized", "A token that is known is asked for.", detail)
    };
    let secret = match headers.get(header::AUTHORIZATION) {
        None => None,
        Some(value) => {
            let brought = value.to_str().ok().and_then(|value| value.split_once(' '));
            let token = brought.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let secret = token.and_then(|(_, secret)| secret.trim().parse::<Secret>().ok());
            Some(secret.ok_or_else(|| {
                refused("Authorization is Bearer and the 64 hexadecimal digits of a token.".to_owned())
            })?)
        }
    };
    access.authenticate(secret.as_ref()).map_err(|error| refused(format!("{error}.")))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let value =
        value.to_str().map_err(|_| Problem::unreadable(name, format!("{name} is not plain text.")))?;
    Ok(Some(value))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<RequestNumber>, Problem> {
    let name = "Idempotency-Key";
    let Some(key) = text(headers, name)? else { return Ok(None) };
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        let detail = format!("{name} has 1 to {KEY_BYTES_MAX} bytes; this one has {}.", key.len());
        return Err(Problem::unreadable(name, detail));
    }
    Ok(Some(xxh3_64(key.as_bytes()) | KEYED_FROM))
}

fn expected_version(headers: &HeaderMap) -> Result<u32, Problem> {
    if text(headers, "If-None-Match")?.is_some_and(|value| value.trim() == "*") {
        return Ok(EXPECTED_NEW);
    }
    let name = "If-Match";
    let Some(value) = text(headers, name)? else { return Ok(0) };
    let value = value.trim();
    if value == "*" {
        return Ok(0);
    }
    let version = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    version.and_then(|version| version.parse().ok()).filter(|&version| version != EXPECTED_NEW).ok_or_else(
        || {
            Problem::unreadable(
                name,
                format!("{name} is a version in quotes, such as \"3\"; {value} is none."),
            )
        },
    )
}

/// A JSON body. Unknown fields, wrong types and bytes behind the end are refused with the field named.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Api) -> Result<Self, Problem> {
        check_is_json(request.headers())?;
        let bytes = read(request).await?;
        parse(&bytes).map(Self)
    }
}

fn check_is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::not_of_type(kind, "application/json"))
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("The body is longer than {BODY_BYTES_MAX} bytes.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BodyTooLarge", "The body is too large.", detail)
    };
    // Whoever says so beforehand is told before any of it is read.
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    match Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(too_large()),
        Err(error) if is_timeout(&*error) => {
            let title = "The body came too slowly.";
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "BodyTooSlow", title, title))
        }
        Err(error) => Err(Problem::unreadable("", format!("The body broke off: {error}."))),
    }
}

fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<tower_http::timeout::TimeoutError>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// Reads a value out of JSON bytes.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { String::new() } else { path };
        Problem::unreadable(field, format!("The body cannot be read: {}.", error.inner()))
    })?;
    deserializer
        .end()
        .map_err(|error| Problem::unreadable("", format!("The body cannot be read: {error}.")))?;
    Ok(value)
}

/// The variables of a path.
#[derive(Debug)]
pub(crate) struct At<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, api).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(error) => {
                Err(Problem::unreadable("", format!("The path cannot be read: {}.", error.body_text())))
            }
        }
    }
}

/// The parameters behind a path.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Api> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, api).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(error) => {
                Err(Problem::unreadable("", format!("The parameters cannot be read: {}.", error.body_text())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn headers_say_what_they_say_or_are_refused() {
        let headers = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))])
        };
        assert_eq!(expected_version(&HeaderMap::new()), Ok(0));
        assert_eq!(expected_version(&headers("if-match", "\"7\"")), Ok(7));
        assert_eq!(expected_version(&headers("if-match", "*")), Ok(0));
        assert_eq!(expected_version(&headers("if-none-match", "*")), Ok(EXPECTED_NEW));
        for wrong in ["7", "\"x\"", "W/\"7\"", "\"4294967295\"", "\"\""] {
            assert_eq!(expected_version(&headers("if-match", wrong)).unwrap_err().status, 400, "{wrong}");
        }
        let key = |value| idempotency_key(&headers("idempotency-key", value));
        assert!(key("a").unwrap().unwrap() >= KEYED_FROM && key("a") == key("a") && key("a") != key("b"));
        assert_eq!(key("").unwrap_err().status, 400);
    }

    #[test]
    fn a_body_is_refused_with_its_field_named() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Line {
            #[allow(dead_code)]
            quantity: u32,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Cart {
            #[allow(dead_code)]
            lines: Vec<Line>,
        }
        let field = |text: &str| parse::<Cart>(text.as_bytes()).unwrap_err().field;
        assert_eq!(
            field("{\"lines\":[{\"quantity\":1},{\"quantity\":-1}]}").as_deref(),
            Some("lines[1].quantity")
        );
        assert_eq!(field("{\"lines\":[],\"line\":1}").as_deref(), Some("line"));
        assert!(
            parse::<Cart>(b"{\"lines\":[]} {}").is_err() && parse::<Cart>(b"{\"lines\":[\xff]}").is_err()
        );
        let deep = format!("{{\"lines\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse::<Cart>(deep.as_bytes()).is_err());
    }
}
