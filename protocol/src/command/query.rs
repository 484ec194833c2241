//! Commands that only ask.

use zerocopy::little_endian::{U16, U32};

use crate::ids::{GroupId, LocationHandle, OrderId, ReservationId, SellerHandle, SkuHandle};
use crate::money::CurrencyCode;
use crate::wire::{numbered, shapes};

numbered! {
    /// What a code names, or a catalogue's page lists.
    pub enum EntityKind: u8 {
        /// A seller.
        Seller = 1 "seller",
        /// A location.
        Location = 2 "location",
        /// A SKU.
        Sku = 3 "sku",
    }
}

shapes! {
    /// Asks for an order.
    pub struct QueryOrder {
        /// Which.
        pub order: OrderId,
    }

    /// Asks for the inventory levels of a SKU.
    pub struct QueryStock {
        /// Which SKU.
        pub sku: SkuHandle,
        /// At which location; NONE: at all of them.
        pub location: LocationHandle,
    }

    /// Asks for the handle behind a code. Followed by the code.
    pub struct ResolveCode {
        /// An `EntityKind`.
        pub entity: u8,
        /// Bytes of the code.
        pub code_bytes: u8,
        /// Zeros.
        pub reserved: [u8; 6],
    }

    /// Asks for the core's own figures.
    pub struct QueryStatus {
        /// 1: also compute the state hash, which reads the whole state and holds up everything else meanwhile
        /// (about 0.1 us an order); meant for drills. 0: leave it zero.
        pub with_state_hash: u8,
        /// Zeros.
        pub reserved: [u8; 7],
    }

    /// Asks for a group and its payment. An order placed alone is a group under its own id.
    pub struct QueryGroup {
        /// Which.
        pub group: GroupId,
    }

    /// Asks for a reservation.
    pub struct QueryReservation {
        /// Which.
        pub reservation: ReservationId,
    }

    /// Asks for what is owed to a seller in a currency.
    pub struct QueryLedger {
        /// Who.
        pub seller: SellerHandle,
        /// In which currency.
        pub currency: CurrencyCode,
        /// Zeros.
        pub reserved: [u8; 2],
    }

    /// Asks for a page of the catalogue.
    pub struct QueryCatalogue {
        /// The first handle.
        pub from: U32,
        /// Entries at most; 0: as many as fit an answer.
        pub count: U32,
        /// An `EntityKind`.
        pub entity: u8,
        /// Zeros.
        pub reserved: [u8; 7],
    }

    /// Asks for the policies and the sourcing rules.
    pub struct QuerySettings {
        /// Zeros.
        pub reserved: [u8; 8],
    }

    /// Asks what may be done with which entity in which state, and where that can lead: the core's transition table.
    pub struct QueryTransitions {
        /// The `Entity` that is asked about; 0: all of them.
        pub entity: u8,
        /// Zeros.
        pub reserved: [u8; 7],
    }

    /// Asks what can be bought of some SKUs. Followed by an `AskedSku` for each.
    pub struct QueryAvailability {
        /// SKUs that follow, 1 to `AVAILABILITY_SKUS_MAX`.
        pub sku_count: U16,
        /// Zeros.
        pub reserved: [u8; 2],
    }

    /// A SKU that is asked about. Asked for twice, it is answered twice.
    pub struct AskedSku {
        /// Which.
        pub sku: SkuHandle,
    }
}
