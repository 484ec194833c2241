//! Secrets: 32 random bytes that a bearer keeps, and the hash that everybody else does.

use std::fmt;
use std::str::FromStr;

/// What a bearer proves itself by. Shown and parsed as 64 hexadecimal digits; `Debug` keeps it to itself.
#[derive(Clone, Copy)]
pub struct Secret([u8; 32]);

/// The BLAKE3 hash of a secret. There is nothing to guess in 256 random bits, so it needs neither salt nor slowness.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

/// A text that is no secret, or no hash of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("64 hexadecimal digits are expected")]
pub struct NotASecret;

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The one with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, as a hello carries them.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its digits, for whoever is to keep it.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Its hash.
    pub fn hash(&self) -> SecretHash {
        SecretHash(*blake3::hash(&self.0).as_bytes())
    }
}

impl SecretHash {
    /// The one with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, as `DefineToken` carries them.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = NotASecret;

    fn from_str(text: &str) -> Result<Self, NotASecret> {
        from_hex(text).map(Self)
    }
}

impl FromStr for SecretHash {
    type Err = NotASecret;

    fn from_str(text: &str) -> Result<Self, NotASecret> {
        from_hex(text).map(Self)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Display for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*bytes).to_hex().to_string()
}

fn from_hex(text: &str) -> Result<[u8; 32], NotASecret> {
    blake3::Hash::from_hex(text).map(|hash| *hash.as_bytes()).map_err(|_| NotASecret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_survives_its_digits_and_shows_itself_to_nobody() {
        let secret = Secret::new().unwrap();
        let digits = secret.to_hex();
        assert_eq!(digits.len(), 64);
        assert_eq!(digits.parse::<Secret>().unwrap().bytes(), secret.bytes());
        assert!(!format!("{secret:?}").contains(&digits[..8]));
        assert_ne!(Secret::new().unwrap().bytes(), secret.bytes());
        assert_eq!(secret.hash().to_string().parse(), Ok(secret.hash()));
        for wrong in ["", "ab", &digits[1..], &format!("{digits}0"), &"g".repeat(64)] {
            assert!(wrong.parse::<Secret>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_hash_is_blake3() {
        let hash = Secret::from_bytes([0; 32]).hash().to_string();
        assert_eq!(hash, "2ada83c1819a5372dae1238fc1ded123c8104fdaa15862aaee69428a1820fcda");
    }
}
