//! Signatures after the Standard Webhooks specification: HMAC-SHA256 over the message's id, its time and its bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::WebhookError;

/// What a secret begins with; the rest is base64.
const PREFIX: &str = "whsec_";

/// Bytes of a secret, as the specification has it.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A new secret.
pub(crate) fn new_secret() -> Result<String, WebhookError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| WebhookError::NoRandomness { reason: error.to_string() })?;
    Ok(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// The key in a secret.
pub(crate) fn key(secret: &str) -> Result<Vec<u8>, WebhookError> {
    let base64 = secret.strip_prefix(PREFIX).unwrap_or_default();
    let key = STANDARD.decode(base64).unwrap_or_default();
    if SECRET_BYTES.contains(&key.len()) { Ok(key) } else { Err(WebhookError::Secret) }
}

/// The value of `webhook-signature`: one signature for each key, the newest first.
pub(crate) fn sign(keys: &[Vec<u8>], id: &str, unix_s: u64, body: &[u8]) -> String {
    let one = |key: &Vec<u8>| {
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(format!("{id}.{unix_s}.").as_bytes());
        mac.update(body);
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    };
    keys.iter().filter_map(one).collect::<Vec<String>>().join(" ")
}
