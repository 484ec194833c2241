//! Events out: what was decided, for everybody who is not on the line.
//!
//! [`Feed`] reads the journal up to its watermark, from any sequence still kept, and shows each event as a CloudEvent. A page
//! says which range it covers, so that a consumer can prove that it missed nothing. It follows the journal at its own pace: a slow
//! consumer holds up nobody, and the engine least of all.

mod cloud;
mod consumers;
mod cursor;
mod feed;
mod files;
mod filter;
mod kinds;
mod narrow;
mod seek;
pub mod webhooks;
mod whose;

pub use cloud::CloudEvent;
pub use consumers::{Consumer, ConsumerError, Consumers};
pub use cursor::Cursor;
pub use feed::{Feed, FeedError, FeedEvent, Page, PageBounds};
pub use files::FileError;
pub use filter::Filter;
pub use kinds::{event_type, kind_of_type};
pub use whose::{Whose, placed_from};
