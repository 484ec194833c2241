//! Recovery: what lies on disk to come back from, and having all of it verified while orders flow.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use orderline_access::Area;
use orderline_journal::JournalError;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::request::Caller;
use super::{Api, blocking};
use crate::problem::{Problem, Problems};
use crate::recovery::OnDisk;
use crate::verifier::{NotBegun, Verify};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(on_disk)).routes(routes!(verification, verify))
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        Self::broken("UnreadableDirectory", "The data directory cannot be read.", format!("{error}."))
    }
}

impl From<NotBegun> for Problem {
    fn from(error: NotBegun) -> Self {
        let detail = format!("{error}.");
        match error {
            NotBegun::UnderWay(_) => {
                Self::new(StatusCode::CONFLICT, "VerifyUnderWay", "A verification is under way.", detail)
            }
            NotBegun::Journal(error) => error.into(),
            NotBegun::Thread(_) => Self::broken("NotBegun", "The verification cannot begin.", detail),
        }
    }
}

/// What lies on disk to come back from: segments, snapshots, what the last start did and the next would have to do, the last drill
/// that is on record, the last verification.
#[utoipa::path(get, path = "/v1/recovery", tag = "service", responses((status = 200, body = OnDisk), Problems))]
async fn on_disk(State(api): State<Api>, caller: Caller) -> Result<Json<OnDisk>, Problem> {
    caller.may(Area::Recovery)?;
    let recovery = Arc::clone(api.recovery());
    Ok(Json(blocking(move || recovery.look()).await?))
}

/// How far the verification is that is under way, and what the last one came to.
#[utoipa::path(get, path = "/v1/recovery/verify", tag = "service", responses((status = 200, body = Verify), Problems))]
async fn verification(State(api): State<Api>, caller: Caller) -> Result<Json<Verify>, Problem> {
    caller.may(Area::Recovery)?;
    Ok(Json(api.recovery().verifier().look()))
}

/// Read everything that is durable now again, while orders flow: every checksum and link of the journal, every record, every
/// snapshot. One at a time. It is read no faster than `snapshots.mib_per_s_max` says, and changes nothing.
#[utoipa::path(post, path = "/v1/recovery/verify", tag = "service", responses((status = 202, body = Verify), Problems))]
async fn verify(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Area::Recovery)?;
    let recovery = Arc::clone(api.recovery());
    let begun = blocking(move || recovery.verifier().begin()).await?;
    Ok((StatusCode::ACCEPTED, Json(begun)).into_response())
}
