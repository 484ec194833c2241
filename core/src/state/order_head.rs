//! An order's fixed part: one cache line, its lines behind it (see `orders`).

use orderline_protocol::event::OrderState;
use orderline_protocol::{BuyerId, CurrencyCode, LocationHandle, OrderId, SellerHandle, Sequence};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where all units of a whole order stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    Reserved = 1,
    Allocated = 2,
    Shipped = 3,
    Delivered = 4,
    Cancelled = 5,
    /// Not whole any more: the detail's counters and allocations tell.
    Parted = 6,
}

impl Stage {
    const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Reserved,
            2 => Self::Allocated,
            3 => Self::Shipped,
            4 => Self::Delivered,
            5 => Self::Cancelled,
            6 => Self::Parted,
            _ => panic!("an order's stage is one of six"),
        }
    }
}

/// "No detail".
pub(super) const NO_DETAIL: u32 = u32::MAX;

/// With this bit, what stands for a detail is where the order's group is named, which is all that an order placed with
/// others has beyond its head and lines as it begins.
pub(super) const GROUP_ONLY: u32 = 1 << 31;

/// What an order has beyond its head and lines, and where.
#[derive(Debug, Clone, Copy)]
pub(super) enum More {
    Nothing,
    Group(u32),
    Detail(u32),
}

/// An order's fixed part: one cache line, its lines behind it.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct OrderHead {
    pub(crate) id: OrderId,
    pub(crate) placed_sequence: Sequence,
    pub(crate) buyer: BuyerId,
    /// The digest of the placement: tells the same order from another under the same id.
    pub(crate) digest: u32,
    pub(crate) seller: SellerHandle,
    /// Where a whole order ships from.
    pub(crate) location: LocationHandle,
    /// The region that it goes to; 0: not said.
    pub(crate) region: u16,
    pub(crate) currency: CurrencyCode,
    pub(crate) line_count: u16,
    /// 0: the block is free.
    pub(super) state: u8,
    pub(super) stage: u8,
    pub(super) reserved: u16,
    /// Counts the events of the order, from 1.
    pub(crate) version: u32,
    pub(crate) placed_unix_s: u32,
    pub(super) detail: u32,
}

const _: () = assert!(size_of::<OrderHead>() == 64);

impl OrderHead {
    pub(crate) fn state(&self) -> OrderState {
        match OrderState::from_number(self.state) {
            Some(state) => state,
            None => panic!("order {} has no state {}", self.id, self.state),
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        Stage::from_number(self.stage)
    }

    #[inline]
    pub(super) fn more(&self) -> More {
        match self.detail {
            NO_DETAIL => More::Nothing,
            place if place & GROUP_ONLY != 0 => More::Group(place & !GROUP_ONLY),
            place => More::Detail(place),
        }
    }
}

impl OrderHead {
    /// The head as a snapshot keeps it: the place of the detail means nothing elsewhere, only that there is one.
    pub(crate) fn for_snapshot(&self) -> Self {
        Self { detail: if self.detail == NO_DETAIL { 0 } else { 1 }, ..*self }
    }

    /// Whether a head read from a snapshot is followed by a detail.
    pub(crate) fn has_saved_detail(&self) -> bool {
        self.detail == 1
    }

    /// Whether a head read from a snapshot has values that this program can hold.
    pub(crate) fn is_sound(&self) -> bool {
        OrderState::from_number(self.state).is_some()
            && (1..=6).contains(&self.stage)
            && self.line_count > 0
            && self.detail <= 1
            && (self.stage != Stage::Parted as u8 || self.detail == 1)
    }
}
