//! One delivery: a POST, and what came of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderValue;
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

/// The longest that a receiver is left alone for when it asks: as long as the last pause between attempts.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Connections to one endpoint that are kept for the next delivery.
const IDLE_MAX: usize = 4;

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was accepted: an answer of 200 to 299.
    Accepted,
    /// The endpoint wants no more: 410.
    Gone,
    /// It failed.
    Failed(Failure),
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) error: String,
    /// The receiver wants to be left alone for so long.
    pub(crate) retry_after: Duration,
}

impl Failure {
    fn of(error: String) -> Outcome {
        Outcome::Failed(Self { error, retry_after: Duration::ZERO })
    }
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
            Err(error) => Failure::of(error.to_string()),
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
            Err(error) => return Failure::of(told(&error.without_url())),
        };
        let status = response.status();
        let retry_after = retry_after(response.headers().get("retry-after"));
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
                let error = format!("answered {number}: {:?}", text.trim());
                Outcome::Failed(Failure { error, retry_after })
            }
        }
    }
}

/// How long a `Retry-After` (RFC 9110, 10.2.3) asks to wait, by seconds or by a date; nothing asked is no time.
fn retry_after(header: Option<&HeaderValue>) -> Duration {
    let Some(text) = header.and_then(|value| value.to_str().ok()).map(str::trim) else {
        return Duration::ZERO;
    };
    let by_date = || httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok();
    let asked = text.parse().ok().map(Duration::from_secs).or_else(by_date);
    asked.unwrap_or_default().min(RETRY_AFTER_MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_by_seconds_or_by_a_date_when_to_come_again() {
        let asked = |text: &str| retry_after(Some(&HeaderValue::from_str(text).unwrap()));
        assert_eq!(asked("120"), Duration::from_secs(120));
        assert_eq!(asked("99999999"), RETRY_AFTER_MAX);
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3_600));
        assert!((3_500..=3_600).contains(&asked(&date).as_secs()), "{date}");
        for nothing in ["", "soon", "-1", "Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(asked(nothing), Duration::ZERO, "{nothing}");
        }
        assert_eq!(retry_after(None), Duration::ZERO);
    }
}
