//! The service itself: whether it lives, whether it is ready, its metrics and figures.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use orderline_access::Area;
use orderline_protocol::Command;
use orderline_protocol::command::QueryStatus;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::request::Caller;
use super::{Api, blocking};
use crate::front::Commands;
use crate::metrics::Figures;
use crate::names::READER;
use crate::problem::{Problem, Problems};

/// How long the engine may take to answer before it is not ready.
const READY_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .routes(routes!(figures))
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/healthz", tag = "service", security(()),
    responses((status = 200, body = String, content_type = "text/plain"), Problems))]
async fn healthz() -> &'static str {
    "alive\n"
}

/// Whether the engine answers and the journal takes what it decides.
#[utoipa::path(get, path = "/readyz", tag = "service", security(()),
    responses((status = 200, body = String, content_type = "text/plain"), Problems))]
async fn readyz(State(api): State<Api>) -> Result<&'static str, Problem> {
    let not_ready = |why: &str| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "NotReady", "The server is not ready.", why)
    };
    if !api.metrics().is_durable() {
        return Err(not_ready("The journal has failed; nothing more is acknowledged until a restart."));
    }
    let query = QueryStatus { with_state_hash: 0, reserved: [0; 7] };
    let asked = api.front().ask(READER, Commands::one(&Command::QueryStatus(&query)));
    match tokio::time::timeout(READY_WITHIN, asked).await {
        Ok(Ok(_)) => Ok("ready\n"),
        Ok(Err(error)) => Err(not_ready(&error.to_string())),
        Err(_) => Err(not_ready("The engine has not answered within two seconds.")),
    }
}

/// Metrics in the text form that Prometheus reads.
#[utoipa::path(get, path = "/metrics", tag = "service",
    responses((status = 200, body = String, content_type = "text/plain"), Problems))]
async fn metrics(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Area::Operations)?;
    let text = api.metrics().text().map_err(|error| {
        let title = "The metrics cannot be written.";
        Problem::broken("NoMetrics", title, error.to_string())
    })?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// Figures since the start, and of now: two looks make a rate.
#[utoipa::path(get, path = "/v1/figures", tag = "service", responses((status = 200, body = Figures), Problems))]
async fn figures(State(api): State<Api>, caller: Caller) -> Result<Json<Figures>, Problem> {
    caller.may(Area::Operations)?;
    let own = api.clone();
    // Whoever writes to the read models may have to be waited for.
    Ok(Json(blocking(move || Ok::<_, Problem>(own.metrics().figures(own.models()))).await?))
}
