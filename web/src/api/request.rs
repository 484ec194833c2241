//! What a request brings: who asks, under which key, expecting which version, and a body. Whatever of it cannot be read is
//! told as a problem, before anything is asked of the engine.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use orderline_access::{Access, Deed, Grant, Secret};
use orderline_protocol::command::EXPECTED_NEW;
use orderline_protocol::{KEYED_FROM, OrderId, Request as RequestNumber, SessionId};
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use xxhash_rust::xxh3::xxh3_64;
use zerocopy::little_endian::U32;

use super::Api;
use super::strict::Strict;
use crate::front::Actor;
use crate::problem::Problem;
use crate::requests::Asker;

/// Bytes of a body at most: an order of 2,000 lines with room to spare.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

/// Bytes of an idempotency key at most.
const KEY_BYTES_MAX: usize = 255;

/// How far the clocks of callers may differ from ours, for keys that tell when they were made.
const KEY_SKEW_US: i64 = 5_000_000;

/// Headers of requests that change something.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)] // It describes; the headers are read by `Caller`.
pub(crate) struct CommandHeaders {
    /// Any text of up to 255 bytes that names this request. Asked again under the same key, it is answered as the first time
    /// and does nothing; the newest 1,048,576 keys are remembered, over restarts. A ULID or a UUID of version 7 tells when it was made:
    /// one that is older than what is remembered is refused.
    #[param(rename = "Idempotency-Key", required = false, value_type = String, max_length = 255, min_length = 1)]
    pub(crate) idempotency_key: Option<String>,
    /// The version that the caller has seen, in quotes, as an `ETag` told it. Is it another one by now, nothing is done.
    #[param(rename = "If-Match", required = false, value_type = String, pattern = "^\"[0-9]{1,9}\"$", example = "\"3\"")]
    pub(crate) if_match: Option<String>,
    /// `*`: what is defined must be new.
    #[param(rename = "If-None-Match", required = false, value_type = String, pattern = "^\\*$")]
    pub(crate) if_none_match: Option<String>,
}

/// Who asks, and on what terms.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// What its token allows.
    pub(crate) grant: Grant,
    /// Whose session it is.
    pub(crate) actor: Actor,
    /// What the idempotency key names.
    pub(crate) key: Option<Key>,
    /// The version that is expected; 0: whichever it is.
    pub(crate) expected: U32,
}

/// That a caller's role allows what it asks for. Names are resolved for nobody else, so that who is refused learns nothing of what
/// there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed(());

impl Caller {
    /// Refuses what the caller's role may not do.
    pub(crate) fn may(&self, deed: impl Into<Deed>) -> Result<Allowed, Problem> {
        let deed = deed.into();
        if self.grant.deeds.has(deed) {
            return Ok(Allowed(()));
        }
        let detail = format!("The role {:?} may not: {}.", self.grant.role.name(), deed.name());
        Err(Problem::new(StatusCode::FORBIDDEN, "Forbidden", "The token's role does not allow this.", detail))
    }

    /// Refuses whoever came in by a token that is revoked, changed or over by now: for what goes on for longer than a request.
    pub(crate) fn is_still_in(&self, access: &Access) -> Result<(), Problem> {
        access.is_valid(&self.grant).map_err(|error| unauthorized(format!("{error}.")))
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
        // What only reads expects no version: there the headers are a cache's, and for it.
        let expected = if parts.method.is_safe() { 0 } else { expected_version(&parts.headers)? };
        Ok(Self { actor, key: idempotency_key(&parts.headers)?, expected: expected.into(), grant })
    }
}

/// The session of each actor: the same after a restart, so that keys are still known then.
fn session_of(actor: u32) -> SessionId {
    const HTTP: u128 = 0x4f72_6465_726c_696e_6874_7470 << 32;
    SessionId::new(HTTP | u128::from(actor))
}

fn unauthorized(detail: String) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "Unauthorized", "A token that is known is asked for.", detail)
}

/// Who brings these headers.
fn authenticate(headers: &HeaderMap, access: &Access) -> Result<Grant, Problem> {
    let secret = match headers.get(header::AUTHORIZATION) {
        None => None,
        Some(value) => {
            let brought = value.to_str().ok().and_then(|value| value.split_once(' '));
            let token = brought.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let secret = token.and_then(|(_, secret)| secret.trim().parse::<Secret>().ok());
            Some(secret.ok_or_else(|| {
                unauthorized("Authorization is Bearer and the 64 hexadecimal digits of a token.".to_owned())
            })?)
        }
    };
    access.authenticate(secret.as_ref()).map_err(|error| unauthorized(format!("{error}.")))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let value =
        value.to_str().map_err(|_| Problem::unreadable(name, format!("{name} is not plain text.")))?;
    Ok(Some(value))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<Key>, Problem> {
    let name = "Idempotency-Key";
    let Some(key) = text(headers, name)? else { return Ok(None) };
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        let detail = format!("{name} has 1 to {KEY_BYTES_MAX} bytes; this one has {}.", key.len());
        return Err(Problem::unreadable(name, detail));
    }
    Ok(Some(Key::of(key)))
}

/// What an idempotency key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// The number that the core knows it by.
    pub(crate) request: RequestNumber,
    /// When it was made, in microseconds since 1970, if it is of a kind that tells.
    made_at_us: Option<i64>,
}

impl Key {
    fn of(text: &str) -> Self {
        let made_at_ms = ulid_ms(text).or_else(|| uuid_v7_ms(text));
        let made_at_us = made_at_ms.map(|ms| ms as i64 * 1_000);
        Self { request: xxh3_64(text.as_bytes()) | KEYED_FROM, made_at_us }
    }

    /// Refuses a key that tells that it may have been accepted and forgotten: it would run a second time. `horizon_us` is when the
    /// newest was accepted that is no longer known.
    ///
    /// A key is accepted no earlier than it was made, if clocks agree; they may differ by [`KEY_SKEW_US`], and one that is further
    /// ahead is refused, for of it nothing could be told later.
    pub(crate) fn check(self, horizon_us: i64, now_us: i64) -> Result<(), Problem> {
        let Some(made_at_us) = self.made_at_us else { return Ok(()) };
        let at = |us| super::types::Time(us);
        if horizon_us > 0 && made_at_us <= horizon_us.saturating_add(KEY_SKEW_US) {
            let detail = format!(
                "The key was made at {}, and keys are known from {} on: whether it was accepted before cannot be told.",
                at(made_at_us),
                at(horizon_us)
            );
            let title = "The key is older than what is remembered; it is never run a second time.";
            return Err(Problem::new(StatusCode::CONFLICT, "KeyTooOld", title, detail));
        }
        if made_at_us > now_us.saturating_add(KEY_SKEW_US) {
            let detail = format!("The key says {}, and it is {} here.", at(made_at_us), at(now_us));
            let title = "The key was made in the future.";
            let problem = Problem::new(StatusCode::CONFLICT, "KeyAhead", title, detail);
            return Err(Problem { retryable: true, ..problem });
        }
        Ok(())
    }
}

/// The milliseconds since 1970 in a ULID.
fn ulid_ms(text: &str) -> Option<u64> {
    text.parse::<OrderId>().ok().map(|id| id.unix_ms())
}

/// The milliseconds since 1970 in a UUID of version 7.
fn uuid_v7_ms(text: &str) -> Option<u64> {
    let is_uuid = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'7',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
            _ => byte.is_ascii_hexdigit(),
        });
    let digits = is_uuid.then(|| format!("{}{}", &text[..8], &text[9..13]))?;
    u64::from_str_radix(&digits, 16).ok()
}

fn expected_version(headers: &HeaderMap) -> Result<u32, Problem> {
    let name = "If-None-Match";
    match text(headers, name)?.map(str::trim) {
        None => {}
        Some("*") => return Ok(EXPECTED_NEW),
        Some(value) => {
            let detail = format!("{name} is *, which says that it must be new; {value} is not known here.");
            return Err(Problem::unreadable(name, detail));
        }
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
    let value = serde_path_to_error::deserialize(Strict(&mut deserializer)).map_err(|error| {
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
        assert!(
            key("a").unwrap().unwrap().request >= KEYED_FROM && key("a") == key("a") && key("a") != key("b")
        );
        assert_eq!(key("").unwrap_err().status, 400);
    }

    #[test]
    fn a_key_that_tells_its_time_is_held_to_it_and_any_other_is_not() {
        // 2010-12-01T17:00:00Z, by both kinds.
        let (made, ms) = (1_291_222_800_000_000, 1_291_222_800_000_u64);
        let ulid = OrderId::from_parts(ms, 77).to_string();
        let uuid = format!("{:08x}-{:04x}-7abc-8def-0123456789ab", ms >> 16, ms & 0xffff);
        for text in [ulid, uuid.clone(), uuid.to_uppercase()] {
            let key = Key::of(&text);
            assert_eq!(key.made_at_us, Some(made), "{text}");
            let code = |horizon, now| key.check(horizon, now).err().map(|problem| problem.code);
            assert_eq!(code(0, made), None, "nothing was forgotten");
            assert_eq!(code(made, made).as_deref(), Some("KeyTooOld"));
            assert_eq!(code(made - KEY_SKEW_US, made).as_deref(), Some("KeyTooOld"));
            assert_eq!(code(made - KEY_SKEW_US - 1, made), None);
            assert_eq!(code(0, made - KEY_SKEW_US), None);
            assert_eq!(code(0, made - KEY_SKEW_US - 1).as_deref(), Some("KeyAhead"));
        }
        for text in
            ["delivery-77", "", &uuid.replace("-7abc", "-4abc"), &uuid.replace("-8def", "-cdef"), &uuid[1..]]
        {
            assert_eq!(Key::of(text).made_at_us, None, "{text}");
            assert_eq!(Key::of(text).check(i64::MAX, 0), Ok(()));
        }
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
        // An array is no object, however well its entries would fit.
        assert_eq!(field("{\"lines\":[{\"quantity\":1},[1]]}").as_deref(), Some("lines[1]"));
        assert!(parse::<Cart>(b"[[]]").is_err() && parse::<Cart>(b"{\"lines\":[{\"quantity\":1}]}").is_ok());
        assert!(
            parse::<Cart>(b"{\"lines\":[]} {}").is_err() && parse::<Cart>(b"{\"lines\":[\xff]}").is_err()
        );
        let deep = format!("{{\"lines\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse::<Cart>(deep.as_bytes()).is_err());
    }
}
