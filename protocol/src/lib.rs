//! The vocabulary of Orderline and its bytes: ids, money, commands, events, replies, reject codes, frames and limits.
//!
//! Everything here is a shape and nothing here does I/O. The structures that travel (on the wire, in the journal)
//! are fixed-layout, little-endian and unaligned, so that they are read where they lie, without a copy and
//! without `unsafe`. `docs/protocol.md` shows the wire's bytes, `docs/format.md` the journal's.

pub mod command;
pub mod entry;
pub mod event;
pub mod frame;
pub mod ids;
pub mod lifecycle;
pub mod limits;
mod locations;
pub mod money;
pub mod reject;
pub mod reply;
mod view;
pub mod wire;

pub use command::{Command, Scope};
pub use entry::EntryKind;
pub use event::Event;
pub use ids::{
    BuyerId, GroupId, KEYED_FROM, LocationHandle, OrderId, Request, ReservationId, SellerHandle, Sequence,
    SessionHandle, SessionId, SkuHandle,
};
pub use locations::Locations;
pub use money::{Amount, CurrencyCode};
pub use reject::RejectCode;
pub use reply::Reply;
pub use wire::Malformed;
