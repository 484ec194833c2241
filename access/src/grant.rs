//! Grants: what somebody who has come in may do.

use std::sync::Arc;

use orderline_protocol::Scope;
use orderline_protocol::command::Role;

use crate::policy::Deeds;
use crate::quota::Quota;

/// What the bearer of a token may do, from its coming in until [`Access::is_valid`](crate::Access::is_valid) says no.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The token's number, which sessions are opened with; 0: nobody was asked.
    pub actor: u32,
    /// The token's version: a token that was changed since is asked for anew.
    pub version: u32,
    /// Its role.
    pub role: Role,
    /// What the role may do.
    pub deeds: Deeds,
    /// What it may touch.
    pub scope: Scope,
    /// From when on it is over, in microseconds since 1970; `i64::MAX`: never.
    pub expires_at_us: i64,
    /// How many commands it may bring; `None`: as many as it likes.
    pub quota: Option<Arc<Quota>>,
}

impl Grant {
    /// An operator's, as which this actor comes in.
    pub(crate) fn operator(actor: u32) -> Self {
        Self {
            actor,
            version: 0,
            role: Role::Operator,
            deeds: Deeds::ALL,
            scope: Scope::Everything,
            expires_at_us: i64::MAX,
            quota: None,
        }
    }

    /// Whether it is bound by nothing.
    pub fn is_unbound(&self) -> bool {
        self.deeds == Deeds::ALL && self.scope == Scope::Everything && self.quota.is_none()
    }
}
