//! Problems: what a request is told when it cannot be done, as RFC 9457 documents.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orderline_protocol::RejectCode;
use orderline_protocol::lifecycle::{Action, Entity};
use orderline_protocol::reply::Reply;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::front::FrontError;

/// A problem document (RFC 9457). `type` leads to the list of all problems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Where the problem is described.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status.
    pub status: u16,
    /// What it is, in a few words that do not change.
    pub title: String,
    /// What happened this time, in a sentence.
    pub detail: String,
    /// The engine's reject code, or one of this API's own.
    pub code: String,
    /// Whether the same request may succeed later without being changed.
    pub retryable: bool,
    /// The field that is wrong, as a path into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What kind of thing refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// The state that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What was asked of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The version that it has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The sequence that the refusal speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The reject code's subject: which line, which location; what it means is said at the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<u32>,
    /// The reject code's number of detail: how much is left, since when; what it means is said at the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
}

/// The problems that any request may meet.
#[derive(IntoResponses)]
#[allow(dead_code)] // It describes; what is answered is a `Problem`.
pub enum Problems {
    /// The request cannot be read: bad JSON, an unknown field, a value out of its type.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(#[to_schema] Problem),
    /// No token, or one that is not known.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// The token's role does not allow it.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// Nothing has this id, code or number.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(#[to_schema] Problem),
    /// This path does not know the method.
    #[response(status = 405, content_type = "application/problem+json")]
    MethodNotAllowed(#[to_schema] Problem),
    /// The body came too slowly.
    #[response(status = 408, content_type = "application/problem+json")]
    Timeout(#[to_schema] Problem),
    /// It is refused in the state that things are in.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(#[to_schema] Problem),
    /// It has left memory; the journal and the read models have it.
    #[response(status = 410, content_type = "application/problem+json")]
    Gone(#[to_schema] Problem),
    /// The version expected is not the version now.
    #[response(status = 412, content_type = "application/problem+json")]
    PreconditionFailed(#[to_schema] Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// The body is not JSON by its content type.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(#[to_schema] Problem),
    /// Well read, and it cannot be: a limit, a reference to nothing, a key used for something else.
    #[response(status = 422, content_type = "application/problem+json")]
    Unprocessable(#[to_schema] Problem),
    /// More than the token's quota.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
    /// No room for it now, or the server is stopping.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
    /// The disk is full.
    #[response(status = 507, content_type = "application/problem+json")]
    StorageFull(#[to_schema] Problem),
}

impl Problem {
    /// A problem of this API's own.
    pub fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/v1/problems#{code}"),
            status: status.as_u16(),
            title: title.to_owned(),
            detail: detail.into(),
            code: code.to_owned(),
            retryable: matches!(status.as_u16(), 408 | 429 | 503 | 507),
            field: None,
            entity: None,
            state: None,
            action: None,
            version: None,
            sequence: None,
            subject: None,
            value: None,
        }
    }

    /// Something broke that the request is not to blame for.
    pub fn broken(code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, title, detail)
    }

    /// The body, a header or a parameter cannot be read.
    pub fn unreadable(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let field = Some(field.into()).filter(|field| !field.is_empty());
        Self {
            field,
            ..Self::new(StatusCode::BAD_REQUEST, "Unreadable", "The request cannot be read.", detail)
        }
    }

    /// The body is of another type than this.
    pub fn not_of_type(found: &str, wanted: &str) -> Self {
        let detail = if found.is_empty() {
            format!("The body's Content-Type is missing; it is {wanted}.")
        } else {
            format!("The body's Content-Type is {found:?}; it is {wanted}.")
        };
        let title = "The body is of another type than this path takes.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "WrongContentType", title, detail)
    }

    /// A field whose value cannot be, or not beside the others.
    pub fn wrong_field(field: &str, code: &str, detail: impl Into<String>) -> Self {
        let title = "A field has a value that it cannot have.";
        Self {
            field: Some(field.to_owned()),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, title, detail)
        }
    }

    /// A code, or what is like one, that is longer than a command can say.
    pub fn invalid_code(field: &str) -> Self {
        let code = RejectCode::InvalidCode;
        Self::wrong_field(field, code.name(), code.text())
    }

    /// A code in the path that nothing is defined under.
    pub fn unknown(what: &str, code: &str) -> Self {
        let detail = format!("No {what} has the code {code:?}.");
        Self {
            entity: Some(what.to_owned()),
            ..Self::new(StatusCode::NOT_FOUND, "UnknownCode", RejectCode::UnknownCode.text(), detail)
        }
    }

    /// A code in the body that nothing is defined under.
    pub fn unknown_reference(field: &str, what: &str, code: &str) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
            field: Some(field.to_owned()),
            ..Self::unknown(what, code)
        }
    }

    /// A read that asked to be at a sequence that is not there yet.
    pub fn too_early(sequence: u64, wanted: u64) -> Self {
        let detail = format!("The answer was to be at sequence {wanted}; the newest is {sequence}.");
        let title = "The sequence is not there yet.";
        Self {
            retryable: true,
            sequence: Some(sequence),
            ..Self::new(StatusCode::CONFLICT, "NotThereYet", title, detail)
        }
    }

    /// The engine's rejection.
    pub fn of_reply(reply: &Reply<'_>) -> Self {
        let header = reply.header;
        let Some(code) = RejectCode::from_number(header.code.get()) else {
            let detail = format!("The engine refused with code {}.", header.code.get());
            return Self::new(StatusCode::CONFLICT, "Rejected", "Refused.", detail);
        };
        // What subject and number mean stands behind the first clause.
        let title = code.text().split(';').next().unwrap_or_default().trim_end_matches('.');
        let mut problem = Self::new(status_of(code), code.name(), &format!("{title}."), code.text());
        problem.retryable = code.is_retryable();
        problem.sequence = Some(header.sequence.get()).filter(|&sequence| sequence > 0);
        problem.version = Some(header.version.get()).filter(|&version| version > 0);
        let (subject, value) = (header.subject.get(), header.detail.get());
        if code == RejectCode::IllegalTransition {
            let [action, entity] = [subject & 0xff, subject >> 8].map(|number| number as u8);
            let (entity, action) = (Entity::from_number(entity), Action::from_number(action));
            if let (Some(entity), Some(action)) = (entity, action) {
                let state = entity.state_name(header.state);
                problem.detail =
                    format!("The {} is {state}, which does not allow to {}.", entity.name(), action.name());
                problem.entity = Some(entity.name().to_owned());
                problem.state = Some(state.to_owned());
                problem.action = Some(action.name().to_owned());
            }
        } else {
            problem.subject = Some(subject).filter(|_| code.text().contains("subject:"));
            problem.value = Some(value).filter(|_| code.text().contains("detail:"));
        }
        problem
    }
}

/// The HTTP status of a reject code.
pub fn status_of(code: RejectCode) -> StatusCode {
    use RejectCode as Code;
    match code {
        Code::UnknownOrder
        | Code::UnknownCode
        | Code::UnknownReservation
        | Code::UnknownGroup
        | Code::UnknownWork
        | Code::UnknownShipment
        | Code::UnknownReturn
        | Code::UnknownRefund
        | Code::UnknownHold
        | Code::UnknownLine => StatusCode::NOT_FOUND,
        Code::OrderRetired => StatusCode::GONE,
        Code::Forbidden | Code::OutOfScope => StatusCode::FORBIDDEN,
        Code::VersionMismatch => StatusCode::PRECONDITION_FAILED,
        Code::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Code::StorageFull | Code::CatalogueFull => StatusCode::INSUFFICIENT_STORAGE,
        Code::InsufficientStock
        | Code::IllegalTransition
        | Code::QuantityNotThere
        | Code::OnHold
        | Code::FulfilmentBegun
        | Code::NothingToDo
        | Code::StockOverflow
        | Code::StockNegative
        | Code::AsOfStale
        | Code::AsOfTooOld
        | Code::AsOfAhead
        | Code::SellerSuspended
        | Code::LocationInactive
        | Code::SkuRetired
        | Code::OrderIdReused
        | Code::OrderIdTooOld
        | Code::ReservationIdReused
        | Code::GroupIdReused
        | Code::OtherBuyer
        | Code::AmountTooLarge
        | Code::CapacityExhausted
        | Code::NotHeldLongEnough
        | Code::TooManyParts
        | Code::RequestTooOld => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

impl From<FrontError> for Problem {
    fn from(error: FrontError) -> Self {
        match error {
            FrontError::Stopping => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Stopping",
                "The server is stopping.",
                error.to_string(),
            ),
            FrontError::StorageFull => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                RejectCode::StorageFull.name(),
                RejectCode::StorageFull.text(),
                RejectCode::StorageFull.text(),
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(self.status, 429 | 503) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
