//! Who may do what: roles and the one table of them, tokens, quotas.
//!
//! Every front asks the same [`Access`]: who brings this secret ([`Access::authenticate`]), and then, of each command,
//! whether the bearer's [`Grant`] has its kind and whether the quota lasts. What a grant's scope means for a
//! command is the engine's to say.
//!
//! Nothing here does I/O but [`Secret::new`], which asks the system for randomness, and `tls::Identity`, which reads two files.

mod grant;
mod policy;
mod quota;
mod secret;
mod table;
#[cfg(feature = "tls")]
pub mod tls;

pub use grant::Grant;
pub use orderline_protocol::Scope;
pub use orderline_protocol::command::Role;
pub use policy::{Area, Deed, Deeds, POLICY, PolicyRow, as_text};
pub use quota::Quota;
pub use secret::{NotASecret, Secret, SecretHash};
pub use table::{Access, Bearer, OPERATOR_ACTOR, Refused};
