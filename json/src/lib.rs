//! Events and views as JSON: one rendering for whoever shows them.
//!
//! Handles are shown by their codes, ids as ULIDs, enumerations by their names, times in RFC 3339. Amounts are in minor
//! units, and their keys end so. What is none, never or not said is null. Codes come from whoever has them: [`Names`].

mod about;
mod body;
mod names;
mod parties;
mod record;
pub mod show;
#[cfg(test)]
mod tests;
pub mod view;

pub use about::{Life, each_id, ids};
pub use names::Names;
pub use parties::{Party, each_party};
pub use record::record;
