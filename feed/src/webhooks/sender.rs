//! One delivery: a POST, and what came of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Client, Url, redirect};

use super::target::{PublicOnly, check_url};
use super::{WebhookError, WebhookOptions, signature};

/// Bytes of an answer that are read at most: the beginning is shown if it is a failure, and short answers leave the connection fit
/// for the next delivery.
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// Characters of an answer that are shown.
const SHOWN_CHARS_MAX: usize = 200;

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections to one endpoint that are kept for the next delivery.
const IDLE_MAX: usize = 4;

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was accepted: an answer of 200 to 299.
    Accepted,
    /// The endpoint wants no more: 410.
    Gone,
    /// It failed; and why.
    Failed(String),
}

/// What is posted, and where.
pub(crate) struct Message {
    pub(crate) url: String,
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) id: String,
    pub(crate) body: Arc<str>,
}

/// Makes deliveries.
#[derive(Clone)]
pub(crate) struct Sender {
    client: Client,
    private_targets: bool,
}

impl Sender {
    pub(crate) fn new(options: &WebhookOptions) -> Result<Self, WebhookError> {
        let builder = Client::builder()
            .user_agent(concat!("orderline/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            // A proxy would connect for us, past every check of the address.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT.min(options.timeout))
            .timeout(options.timeout)
            .pool_max_idle_per_host(IDLE_MAX);
        let builder =
            if options.private_targets { builder } else { builder.dns_resolver(Arc::new(PublicOnly)) };
        let client = builder.build().map_err(|error| WebhookError::Client { reason: told(&error) })?;
        Ok(Self { client, private_targets: options.private_targets })
    }

    pub(crate) async fn send(&self, message: Message) -> Outcome {
        match check_url(&message.url, self.private_targets) {
            Ok(url) => self.post(url, message).await,
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    async fn post(&self, url: Url, message: Message) -> Outcome {
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let signature = signature::sign(&message.keys, &message.id, unix_s, message.body.as_bytes());
        let request = self
            .client
            .post(url)
            .header("content-type", "application/cloudevents+json; charset=utf-8")
            .header("webhook-id", message.id)
            .header("webhook-timestamp", unix_s)
            .header("webhook-signature", signature)
            .body(message.body.as_bytes().to_vec());
        let mut response = match request.send().await {
            Ok(response) => response,
            // The address may hold a secret, and this is kept and shown.
            Err(error) => return Outcome::Failed(told(&error.without_url())),
        };
        let status = response.status();
        let mut answer = Vec::new();
        while answer.len() < ANSWER_BYTES_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    answer.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES_MAX - answer.len())]);
                }
                // The status has said what counts.
                Ok(None) | Err(_) => break,
            }
        }
        match status.as_u16() {
            200..300 => Outcome::Accepted,
            410 => Outcome::Gone,
            number => {
                let text: String = String::from_utf8_lossy(&answer).chars().take(SHOWN_CHARS_MAX).collect();
                Outcome::Failed(format!("answered {number}: {:?}", text.trim()))
            }
        }
    }
}

/// An error with what caused it, in one line.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
