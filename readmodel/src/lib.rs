//! Read models: search, timelines, work queues, returns, ledger entries and inventory levels, behind the engine and fed by the journal.
//!
//! A [`ReadModel`] follows the journal up to its watermark, at the lowest priority, and keeps what it reads in a store of its
//! own below the data directory. A [`Reader`] asks it, from any thread. Every answer says of which sequence it speaks
//! ([`AsOf`]). Nothing here is needed to bring orders back: whoever deletes the store has it built anew out of the journal.
//!
//! The newest orders are in memory, in a form that is quick to add to (`head.rs`). Once there are enough of them they go to
//! the store together, as one batch with the place in the journal to go on from (`store.rs`): so a batch is large and sorted,
//! and what a kill takes away is read again.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (storage, store_id, watermark): (std::sync::Arc<dyn orderline_journal::Storage>, u128, orderline_journal::Watermark) = todo();
//! # fn todo<T>() -> T { unreachable!() }
//! use orderline_readmodel::{OrderFilter, ReadModel, ReadModelOptions};
//!
//! let path = std::path::Path::new("data/readmodel");
//! let model = ReadModel::open(path, storage, store_id, ReadModelOptions::default())?;
//! let reader = model.reader();
//! std::thread::spawn(move || {
//!     let stop = std::sync::atomic::AtomicBool::new(false);
//!     model.run(&watermark, &stop, |told| eprintln!("{told}"));
//! });
//!
//! let filter = OrderFilter { buyer: Some(orderline_protocol::BuyerId::new(7)), ..OrderFilter::default() };
//! let mut page = reader.search(&filter, None, 50)?;
//! while let Some(next) = page.next {
//!     page = reader.search(&filter, Some(&next), 50)?;
//! }
//! # Ok(())
//! # }
//! ```

mod change;
mod error;
mod follower;
mod head;
mod ledger;
mod list;
mod older;
mod options;
mod order;
mod pace;
mod queue;
mod reader;
mod record;
mod returns;
mod search;
mod seed;
mod shared;
mod stock;
mod store;
mod term;
mod timeline;

pub use error::{Damage, ReadModelError};
pub use follower::ReadModel;
pub use ledger::LedgerEntry;
pub use options::ReadModelOptions;
pub use order::{Line, Order};
pub use queue::QueuedWork;
pub use reader::{AsOf, Cursor, Page, Reader};
pub use returns::{FoundReturn, ReturnFilter};
pub use search::{OrderFilter, PAGE_ORDERS_MAX};
pub use stock::Level;
pub use timeline::{KeptRecord, PAGE_ENTRIES_MAX, TimelineEntry};
