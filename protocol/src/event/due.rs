//! Events that nobody asks for: time passing, and what was finished leaving memory.

use zerocopy::little_endian::{I64, U16, U64, U128};

use crate::wire::{numbered, shapes};

numbered! {
    /// What expired.
    pub enum ExpiryKind: u8 {
        /// A reservation: its stock was given back.
        Reservation = 1 "reservation",
        /// A pending order: its stock was given back.
        Order = 2 "order",
        /// An authorisation, by its group's id.
        Payment = 3 "payment",
        /// A hold, by its order's id.
        Hold = 4 "hold",
    }

    /// What left memory.
    pub enum RetiredKind: u8 {
        /// A finished order.
        Order = 1 "order",
        /// A finished reservation.
        Reservation = 2 "reservation",
    }
}

shapes! {
    /// A tick: the recorded time has reached what was due. Followed by `Expiry`s in the order of their times.
    pub struct TimePassed {
        /// The time, in microseconds since 1970.
        pub now_us: I64,
        /// Expiries that follow, at least one.
        pub expiry_count: U16,
        /// Zeros.
        pub reserved: [u8; 6],
    }

    /// Something's time was over.
    pub struct Expiry {
        /// The id of the reservation, the order, the group, or the hold's order.
        pub id: U128,
        /// The number of the hold in its order; 0 for other kinds.
        pub number: U16,
        /// An `ExpiryKind`.
        pub kind: u8,
        /// Zeros.
        pub reserved: [u8; 5],
    }

    /// Finished orders and reservations left memory. Followed by `Retired`s. Ids up to the horizons are refused from
    /// here on unless they are still in memory: nobody can tell any more whether they were used.
    pub struct FinishedRetired {
        /// The newest time in the id of an order that ever left memory, in milliseconds since 1970: never ahead of the
        /// recorded time.
        pub orders_horizon_ms: U64,
        /// The same of reservations.
        pub reservations_horizon_ms: U64,
        /// Entries that follow.
        pub retired_count: U16,
        /// Entries taken off the front of the queue of what finished. Those that are not among what follows still had
        /// something standing, and come back to the queue when that has ended; or the time in their id, or their
        /// group's, lies ahead of the recorded time, and they are at the queue's end now.
        pub examined_count: U16,
        /// Zeros.
        pub reserved: [u8; 4],
    }

    /// What left memory.
    pub struct Retired {
        /// Its id.
        pub id: U128,
        /// A `RetiredKind`.
        pub kind: u8,
        /// Zeros.
        pub reserved: [u8; 7],
    }
}
