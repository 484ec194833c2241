//! Bulk: orders in as lines of JSON, an answer a line out, in the order in which they came.
//!
//! What has been read so far is decided in one go while more is read, so the batches follow the load. Each order has its own
//! id, so a stream that broke off is sent again from wherever its sender likes: what was placed is answered as before.

use std::ops::ControlFlow;
use std::time::Duration;

use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use orderline_protocol::command::CommandKind;
use orderline_protocol::lifecycle::Entity;
use orderline_protocol::reply::Reply;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::orders::NewOrder;
use super::request::{Allowed, BODY_BYTES_MAX, Caller, parse};
use crate::front::{Commands, FrontError, Replies};
use crate::problem::{Problem, Problems};

/// Orders that are decided in one go at most.
const BATCH_ORDERS: u32 = 512;

/// Batches of one stream that are decided, or wait to be read by the peer, at one time.
const BATCHES_MAX: usize = 8;

/// Between two looks whether the quota has room again.
const QUOTA_PAUSE: Duration = Duration::from_millis(20);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(place))
}

/// The answer to a line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineAnswer {
    /// Which line, from 1; empty ones count.
    line: u64,
    /// `accepted`, `accepted before` or `rejected`.
    outcome: &'static str,
    /// The sequence at which it took effect, or that the refusal speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    /// The order's state then.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    /// What it costs, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_minor: Option<i64>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Box<Problem>>,
}

impl LineAnswer {
    fn refused(line: u64, problem: Problem) -> Self {
        let problem = Some(Box::new(problem));
        Self { line, outcome: "rejected", sequence: None, state: None, total_minor: None, problem }
    }

    fn of(line: u64, reply: &Reply<'_>) -> Self {
        if !reply.is_accepted() {
            return Self::refused(line, Problem::of_reply(reply));
        }
        Self {
            line,
            outcome: reply.outcome().name(),
            sequence: Some(reply.header.sequence.get()),
            state: Some(Entity::Order.state_name(reply.header.state)),
            total_minor: Some(reply.header.detail.get() as i64),
            problem: None,
        }
    }
}

/// Lines that were read together.
#[derive(Default)]
struct Batch {
    commands: Commands,
    /// What is known of each line already: nothing, for those whose answers are the commands' in their order.
    lines: Vec<(u64, Option<Problem>)>,
}

type Deciding = JoinHandle<Result<Replies, FrontError>>;

/// Place orders in bulk: a line of JSON each, as `POST /v1/orders` has them; answered by a line each, in their order, while
/// more are sent. To resume, send again from the first line without an answer, or from the beginning.
#[utoipa::path(post, path = "/v1/bulk/orders", tag = "orders",
    request_body(content = NewOrder, content_type = "application/x-ndjson", description = "An order a line."),
    responses((status = 200, body = LineAnswer, content_type = "application/x-ndjson"), Problems))]
async fn place(State(api): State<Api>, caller: Caller, request: Request) -> Result<Response, Problem> {
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !["application/x-ndjson", "application/jsonl", "application/json"].contains(&kind) {
        return Err(Problem::not_of_type(kind, "application/x-ndjson"));
    }
    if caller.key.is_some() {
        return Err(Problem::unreadable(
            "Idempotency-Key",
            "A stream has no key; each order in it has its id.",
        ));
    }
    let may = caller.may(CommandKind::PlaceOrder)?;
    let (send, body) = Channel::<Bytes, FrontError>::new(BATCHES_MAX);
    let (batches, answers) = mpsc::channel(BATCHES_MAX);
    tokio::spawn(read(api, (caller, may), request.into_body(), batches));
    tokio::spawn(answer(answers, send));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], HttpBody::new(body)).into_response())
}

/// Reads lines and has them decided, batch by batch.
async fn read(
    api: Api,
    (caller, may): (Caller, Allowed),
    mut body: HttpBody,
    batches: mpsc::Sender<(Batch, Option<Deciding>)>,
) {
    let mut rest: Vec<u8> = Vec::new();
    let mut line = 0;
    loop {
        let frame = match body.frame().await {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return,
            None => break,
        };
        let Ok(data) = frame.into_data() else { continue };
        rest.extend_from_slice(&data);
        let mut start = 0;
        let mut batch = Batch::default();
        while let Some(end) = rest[start..].iter().position(|&byte| byte == b'\n') {
            line += 1;
            batch.take(&api, may, line, &rest[start..start + end]).await;
            start += end + 1;
            if batch.commands.len() >= BATCH_ORDERS
                && hand_over(&api, &caller, std::mem::take(&mut batch), &batches).await.is_break()
            {
                return;
            }
        }
        rest.drain(..start);
        let is_too_long = rest.len() > BODY_BYTES_MAX;
        if is_too_long {
            let detail =
                format!("The line is longer than {BODY_BYTES_MAX} bytes; nothing behind it was read.");
            batch.lines.push((line + 1, Some(Problem::unreadable("", detail))));
        }
        if hand_over(&api, &caller, batch, &batches).await.is_break() || is_too_long {
            return;
        }
    }
    let mut batch = Batch::default();
    batch.take(&api, may, line + 1, &rest).await;
    let _ = hand_over(&api, &caller, batch, &batches).await;
}

impl Batch {
    async fn take(&mut self, api: &Api, may: Allowed, line: u64, text: &[u8]) {
        if text.len() > BODY_BYTES_MAX {
            let detail = format!("The line is longer than {BODY_BYTES_MAX} bytes.");
            return self.lines.push((line, Some(Problem::unreadable("", detail))));
        }
        if text.trim_ascii().is_empty() {
            return;
        }
        let read = match parse::<NewOrder>(text) {
            Ok(order) => order.command(api, may, |command| self.commands.push(command)).await,
            Err(problem) => Err(problem),
        };
        self.lines.push((line, read.err()));
    }

    /// Answers every line that is not answered yet with this.
    fn refuse_all(&mut self, problem: &Problem) {
        self.lines.iter_mut().for_each(|(_, told)| *told = told.take().or_else(|| Some(problem.clone())));
    }
}

async fn hand_over(
    api: &Api,
    caller: &Caller,
    mut batch: Batch,
    batches: &mpsc::Sender<(Batch, Option<Deciding>)>,
) -> ControlFlow<()> {
    if batch.lines.is_empty() {
        return ControlFlow::Continue(());
    }
    // A place first: what was handed over is then answered, and no more is decided than will be.
    let Ok(place) = batches.reserve().await else { return ControlFlow::Break(()) };
    // A stream may outlive the token that it came in by.
    if let Err(problem) = caller.is_still_in(api.access()) {
        batch.refuse_all(&problem);
        place.send((batch, None));
        return ControlFlow::Break(());
    }
    let commands = std::mem::take(&mut batch.commands);
    // A stream takes what its quota gives, and waits for the rest: its sender feels it.
    while let Err(problem) = caller.take_quota(api.access(), commands.len()) {
        if caller.grant.quota.as_ref().is_none_or(|quota| quota.commands_per_s_max() < commands.len()) {
            batch.refuse_all(&problem);
            place.send((batch, None));
            return ControlFlow::Continue(());
        }
        tokio::time::sleep(QUOTA_PAUSE).await;
    }
    let deciding = (!commands.is_empty()).then(|| {
        let (front, actor) = (api.front().clone(), caller.actor);
        tokio::spawn(async move { front.ask(actor, commands).await })
    });
    place.send((batch, deciding));
    ControlFlow::Continue(())
}

/// Writes answers as they become durable.
async fn answer(mut batches: mpsc::Receiver<(Batch, Option<Deciding>)>, mut send: Sender<Bytes, FrontError>) {
    while let Some((batch, deciding)) = batches.recv().await {
        let replies = match deciding {
            None => None,
            Some(deciding) => match deciding.await {
                Ok(Ok(replies)) => Some(replies),
                // The stream breaks off without an answer to these, and is to be sent again.
                Ok(Err(error)) => return send.abort(error),
                Err(_) => return send.abort(FrontError::Stopping),
            },
        };
        let mut replies = replies.iter().flat_map(Replies::iter);
        let mut out = Vec::with_capacity(batch.lines.len() * 96);
        for (line, problem) in batch.lines {
            let answer = match problem {
                Some(problem) => LineAnswer::refused(line, problem),
                None => match replies.next() {
                    Some(reply) => LineAnswer::of(line, &reply),
                    None => return send.abort(FrontError::Stopping),
                },
            };
            if serde_json::to_writer(&mut out, &answer).is_err() {
                return;
            }
            out.push(b'\n');
        }
        if send.send_data(out.into()).await.is_err() {
            return;
        }
    }
}
