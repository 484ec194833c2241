//! Commands of a checkout: reservations, and orders placed alone or as a group.

use zerocopy::little_endian::{U16, U32};

use crate::ids::{BuyerId, GroupId, OrderId, ReservationId, SellerHandle, SkuHandle};
use crate::money::{Amount, CurrencyCode};
use crate::wire::shapes;

shapes! {
    /// Holds stock for a cart, every line or none, for a time. Followed by its lines.
    pub struct ReserveCart {
        /// The caller-made id: the same id and body are the same reservation.
        pub reservation: ReservationId,
        /// A held reservation of the same buyer that is given back in the same moment, its stock being free for this
        /// one: the cart has changed; 0: none.
        pub replaces: ReservationId,
        /// Whose cart.
        pub buyer: BuyerId,
        /// How long, in seconds from the recorded time; at least 1, at most the policy's bound.
        pub seconds: U32,
        /// The version of the replaced reservation that the caller has seen; 0: whichever it is now, or none is replaced.
        pub expected_version: U32,
        /// The region that it goes to; 0: not said.
        pub region: U16,
        /// Lines that follow.
        pub line_count: U16,
    }

    /// Units wanted of a SKU.
    pub struct CartLine {
        /// What.
        pub sku: SkuHandle,
        /// Units, at least one.
        pub quantity: U32,
    }

    /// Holds a reservation for longer.
    pub struct ExtendReservation {
        /// Which.
        pub reservation: ReservationId,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// How long from now on, in seconds; the policy bounds the whole.
        pub seconds: U32,
    }

    /// Gives a reservation's stock back.
    pub struct ReleaseReservation {
        /// Which.
        pub reservation: ReservationId,
        /// The version that the caller has seen; 0: whichever it is now.
        pub expected_version: U32,
        /// Zeros.
        pub reserved: [u8; 4],
    }

    /// Places an order alone, without a reservation: every line or none. Followed by its lines, then the caller's own id of it.
    pub struct PlaceOrder {
        /// The caller-made id: the same id and body are the same order.
        pub order: OrderId,
        /// Who buys.
        pub buyer: BuyerId,
        /// Who sells every line.
        pub seller: SellerHandle,
        /// The currency of every price.
        pub currency: CurrencyCode,
        /// Lines that follow.
        pub line_count: U16,
        /// The region that it goes to; 0: not said.
        pub region: U16,
        /// Bytes of the caller's own id that follows the lines: a text like a code; 0: there is none. The core only passes
        /// it on.
        pub external_id_bytes: u8,
    }

    /// One line of an order: immutable once placed, but for an edit of its quantity.
    pub struct OrderLine {
        /// What is bought.
        pub sku: SkuHandle,
        /// Units, at least one.
        pub quantity: U32,
        /// The price of one unit, above zero.
        pub unit_price: Amount,
    }

    /// Places a cart: one order for each seller in it, all of them or none, out of a reservation or without one.
    /// Followed by its orders, then by the lines of the first order, of the second, and so on.
    pub struct CheckOut {
        /// The caller-made id of the group: the same id and body are the same group.
        pub group: GroupId,
        /// The held reservation of the same buyer to place it out of. Its stock is free for this group; what the group
        /// does not take of it is given back. 0: none.
        pub reservation: ReservationId,
        /// Who buys.
        pub buyer: BuyerId,
        /// The version of the reservation that the caller has seen; 0: whichever it is now, or there is none.
        pub expected_version: U32,
        /// The one currency of every price.
        pub currency: CurrencyCode,
        /// Orders that follow, at least one.
        pub order_count: U16,
        /// Lines that follow them, over all orders.
        pub line_count: U16,
        /// The region that it goes to; 0: not said.
        pub region: U16,
        /// Bytes of the caller's own id that follows the lines: a text like a code; 0: there is none. The core only passes
        /// it on.
        pub external_id_bytes: u8,
    }

    /// One order of a group.
    pub struct GroupOrder {
        /// The caller-made id.
        pub order: OrderId,
        /// Who sells every line; each order of a group has another seller.
        pub seller: SellerHandle,
        /// Lines of this order.
        pub line_count: U16,
        /// Zeros.
        pub reserved: [u8; 2],
    }
}
