//! Who may come in: the tokens as they stand, swapped as a whole when one changes and read without a lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use orderline_protocol::Scope;
use orderline_protocol::command::{DefineToken, Role, Standing};

use crate::grant::Grant;
use crate::policy::Deeds;
use crate::quota::Quota;
use crate::secret::{Secret, SecretHash};

/// The actor of sessions that the operator opens by the configuration's own token, which no token defined in the core has.
pub const OPERATOR_ACTOR: u32 = u32::MAX;

/// A token as the core has it.
#[derive(Debug, Clone, Copy)]
pub struct Bearer<'a> {
    /// Its number.
    pub token: u32,
    /// Its version.
    pub version: u32,
    /// What it is.
    pub definition: DefineToken,
    /// What people call it.
    pub label: &'a str,
}

/// Why somebody may not come in. Fronts tell strangers no more than that they may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No token has this secret, or none was brought.
    #[error("the token is not known")]
    Unknown,
    /// The token was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// The token's time is over.
    #[error("the token has expired")]
    Expired,
}

struct Inner {
    operator: Option<SecretHash>,
    clock_us: fn() -> i64,
    tokens: ArcSwap<Tokens>,
    /// Counts the swaps: who has seen this number has nothing to look up anew.
    generation: AtomicU64,
}

/// What stands at one time.
#[derive(Default)]
struct Tokens {
    by_hash: HashMap<SecretHash, u32>,
    by_number: HashMap<u32, Entry>,
}

struct Entry {
    grant: Grant,
    label: Box<str>,
    is_revoked: bool,
}

/// The shared table of tokens: one for all fronts. Clones are the same table.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

impl Access {
    /// A table without tokens. `operator` is the hash of the configuration's own operator token, if it has one;
    /// `clock_us` gives microseconds since 1970, by which tokens expire and quotas fill.
    ///
    /// As long as there is neither an operator token nor any token that was ever defined, everybody is let in as an operator.
    pub fn new(operator: Option<SecretHash>, clock_us: fn() -> i64) -> Self {
        Self(Arc::new(Inner {
            operator,
            clock_us,
            tokens: ArcSwap::default(),
            generation: AtomicU64::new(1),
        }))
    }

    /// A table that lets everybody in.
    pub fn open() -> Self {
        Self::new(None, || 0)
    }

    /// Puts these tokens in the place of all that were there. Quotas go on where they are.
    pub fn replace<'a>(&self, bearers: impl IntoIterator<Item = Bearer<'a>>) {
        let before = self.0.tokens.load();
        let mut tokens = Tokens::default();
        for Bearer { token, version, definition, label } in bearers {
            // A role that is not known here may do nothing: the token does not count as one.
            let Some(role) = Role::from_number(definition.role) else { continue };
            let rate = definition.commands_per_s_max.get();
            let kept = before.by_number.get(&token).and_then(|entry| entry.grant.quota.clone());
            let quota = match kept.filter(|quota| quota.commands_per_s_max() == rate) {
                Some(kept) => Some(kept),
                None => (rate > 0).then(|| Arc::new(Quota::new(rate))),
            };
            let scope = match role {
                Role::Seller => Scope::Seller(definition.seller),
                Role::Warehouse => Scope::Locations(definition.locations),
                Role::Operator | Role::Support | Role::Analyst | Role::ReadOnly => Scope::Everything,
            };
            let expires_at_us = match definition.expires_at_us.get() {
                0 => i64::MAX,
                at_us => at_us,
            };
            let deeds = Deeds::of(role);
            let grant = Grant { actor: token, version, role, deeds, scope, expires_at_us, quota };
            let is_revoked = definition.standing != Standing::Active as u8;
            tokens.by_hash.insert(SecretHash::from_bytes(definition.hash), token);
            tokens.by_number.insert(token, Entry { grant, label: label.into(), is_revoked });
        }
        self.0.tokens.store(Arc::new(tokens));
        self.0.generation.fetch_add(1, Ordering::Release);
    }

    /// Whether everybody is let in: there is no token yet.
    pub fn is_open(&self) -> bool {
        self.0.operator.is_none() && self.0.tokens.load().by_number.is_empty()
    }

    /// How often tokens have changed: a front that sees another number than before asks for its grants anew.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        (self.0.clock_us)()
    }

    /// Who brings this secret; all zeros, or `None`: none was brought.
    ///
    /// # Errors
    /// Why it may not come in.
    pub fn authenticate(&self, secret: Option<&Secret>) -> Result<Grant, Refused> {
        let secret = secret.filter(|secret| secret.bytes() != &[0; 32]);
        let Some(secret) = secret else {
            return if self.is_open() { Ok(Grant::operator(0)) } else { Err(Refused::Unknown) };
        };
        // What is compared is the hash: whoever can time the comparison learns nothing of any secret.
        let hash = secret.hash();
        if self.0.operator == Some(hash) {
            return Ok(Grant::operator(OPERATOR_ACTOR));
        }
        if self.is_open() {
            return Ok(Grant::operator(0));
        }
        let tokens = self.0.tokens.load();
        let entry = tokens.by_hash.get(&hash).and_then(|token| tokens.by_number.get(token));
        let entry = entry.ok_or(Refused::Unknown)?;
        self.check(entry)?;
        Ok(entry.grant.clone())
    }

    /// What people call this actor; empty: nobody was asked, or there is no such token.
    pub fn label(&self, actor: u32) -> String {
        match actor {
            OPERATOR_ACTOR => "operator of the configuration".to_owned(),
            actor => {
                let tokens = self.0.tokens.load();
                tokens.by_number.get(&actor).map(|entry| entry.label.to_string()).unwrap_or_default()
            }
        }
    }

    /// Whether what was granted is still so: the token neither changed nor revoked nor over, or, where nobody was asked,
    /// nobody is asked still.
    ///
    /// # Errors
    /// Why it is not.
    pub fn is_valid(&self, grant: &Grant) -> Result<(), Refused> {
        match grant.actor {
            0 if self.is_open() => Ok(()),
            0 => Err(Refused::Unknown),
            OPERATOR_ACTOR => Ok(()),
            actor => {
                let tokens = self.0.tokens.load();
                let entry = tokens.by_number.get(&actor).ok_or(Refused::Unknown)?;
                self.check(entry)?;
                if entry.grant.version == grant.version { Ok(()) } else { Err(Refused::Revoked) }
            }
        }
    }

    fn check(&self, entry: &Entry) -> Result<(), Refused> {
        if entry.is_revoked {
            return Err(Refused::Revoked);
        }
        if entry.grant.expires_at_us != i64::MAX && self.now_us() >= entry.grant.expires_at_us {
            return Err(Refused::Expired);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use orderline_protocol::{LocationHandle, Locations, SellerHandle};

    use super::*;

    const NOW_US: i64 = 1_800_000_000_000_000;

    fn locations() -> Locations {
        Locations::of(&[6, 9].map(LocationHandle::new)).unwrap()
    }

    fn bearer(token: u32, version: u32, role: Role) -> Bearer<'static> {
        let definition = DefineToken {
            hash: *secret(token as u8).hash().bytes(),
            expires_at_us: 0.into(),
            seller: SellerHandle::new(5),
            expected_version: 0.into(),
            commands_per_s_max: 10.into(),
            locations: locations(),
            role: role as u8,
            standing: Standing::Active as u8,
            label_bytes: 0,
            reserved: [0; 1],
        };
        Bearer { token, version, definition, label: "one of them" }
    }

    fn secret(byte: u8) -> Secret {
        Secret::from_bytes([byte; 32])
    }

    #[test]
    fn without_tokens_everybody_is_an_operator_and_with_one_nobody_is() {
        let access = Access::new(None, || NOW_US);
        let anybody = access.authenticate(None).unwrap();
        assert!(anybody.is_unbound() && anybody.actor == 0);
        assert!(access.authenticate(Some(&secret(9))).unwrap().is_unbound());
        let before = access.generation();
        access.replace([bearer(1, 1, Role::Warehouse)]);
        assert_ne!(access.generation(), before);
        assert_eq!(access.authenticate(None).unwrap_err(), Refused::Unknown);
        assert_eq!(access.authenticate(Some(&secret(0))).unwrap_err(), Refused::Unknown);
        assert_eq!(access.authenticate(Some(&secret(9))).unwrap_err(), Refused::Unknown);
        assert_eq!(access.is_valid(&anybody), Err(Refused::Unknown));
        let grant = access.authenticate(Some(&secret(1))).unwrap();
        assert_eq!((grant.actor, grant.role), (1, Role::Warehouse));
        assert_eq!(grant.scope, Scope::Locations(locations()));
        assert_eq!(access.is_valid(&grant), Ok(()));
        let labels = [0, 1, 2, OPERATOR_ACTOR].map(|actor| access.label(actor));
        assert_eq!(labels, ["", "one of them", "", "operator of the configuration"]);
    }

    #[test]
    fn the_operator_of_the_configuration_is_let_in_whatever_the_core_has() {
        let access = Access::new(Some(secret(200).hash()), || NOW_US);
        assert_eq!(access.authenticate(None).unwrap_err(), Refused::Unknown);
        let grant = access.authenticate(Some(&secret(200))).unwrap();
        assert!(grant.is_unbound() && grant.actor == OPERATOR_ACTOR);
        access.replace([bearer(1, 1, Role::Seller)]);
        assert_eq!(access.is_valid(&grant), Ok(()));
    }

    #[test]
    fn what_is_revoked_changed_or_over_is_not_valid_any_more() {
        let access = Access::new(None, || NOW_US);
        let one = bearer(1, 1, Role::Seller);
        access.replace([one, bearer(2, 1, Role::Support)]);
        let grant = access.authenticate(Some(&secret(1))).unwrap();
        assert_eq!(grant.scope, Scope::Seller(SellerHandle::new(5)));

        access.replace([Bearer { version: 2, ..one }]);
        assert_eq!(access.is_valid(&grant), Err(Refused::Revoked), "it was changed");
        let mut revoked = one;
        revoked.definition.standing = Standing::Inactive as u8;
        access.replace([revoked]);
        assert_eq!(access.is_valid(&grant), Err(Refused::Revoked));
        assert_eq!(access.authenticate(Some(&secret(1))).unwrap_err(), Refused::Revoked);
        assert_eq!(access.authenticate(None).unwrap_err(), Refused::Unknown, "a revoked token is a token");
        let mut over = one;
        over.definition.expires_at_us = NOW_US.into();
        access.replace([over]);
        assert_eq!(access.is_valid(&grant), Err(Refused::Expired));
        over.definition.expires_at_us = (NOW_US + 1).into();
        access.replace([over]);
        assert_eq!(access.is_valid(&grant), Ok(()));
        access.replace([]);
        assert_eq!(access.is_valid(&grant), Err(Refused::Unknown));
    }

    #[test]
    fn quotas_go_on_when_tokens_change() {
        let access = Access::new(None, || NOW_US);
        let one = bearer(1, 1, Role::Seller);
        let quota = |access: &Access| access.authenticate(Some(&secret(1))).unwrap().quota.unwrap();
        access.replace([one]);
        assert_eq!(quota(&access).take(8, NOW_US), 8);
        access.replace([one, bearer(2, 1, Role::Support)]);
        assert_eq!(quota(&access).take(8, NOW_US), 2);
        let mut richer = one;
        richer.definition.commands_per_s_max = 20.into();
        access.replace([richer]);
        assert_eq!(quota(&access).take(30, NOW_US), 20);
        richer.definition.commands_per_s_max = 0.into();
        access.replace([richer]);
        assert!(access.authenticate(Some(&secret(1))).unwrap().quota.is_none());
    }
}
