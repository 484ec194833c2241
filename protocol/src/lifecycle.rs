//! Entities, the states that each can be in, and what can be done with them. Which of it is allowed where is the
//! core's transition table; rejections name state and action by these numbers.

use crate::wire::{NumberTable, numbered};

/// Every enumeration of this page, for the documents.
pub const NUMBER_TABLES: &[&[NumberTable]] = &[NUMBERS];

numbered! {
    /// What a command or a rejection is about.
    pub enum Entity: u8 {
        /// One seller's part of a checkout.
        Order = 1 "order",
        /// A timed hold of stock for a cart.
        Reservation = 2 "reservation",
        /// A fulfilment order: the work of one location for one order.
        Work = 3 "fulfilment order",
        /// A package.
        Shipment = 4 "shipment",
        /// What a payment service authorised and captured for a group.
        Payment = 5 "payment",
        /// Money on its way back.
        Refund = 6 "refund",
        /// Goods on their way back.
        Return = 7 "return",
        /// A stop on an order.
        Hold = 8 "hold",
    }

    /// What can be done with an entity.
    pub enum Action: u8 {
        /// Commit to an order.
        Confirm = 1 "confirm",
        /// Give up units of an order, a fulfilment order, a shipment that has not left, or a return that has not come.
        Cancel = 2 "cancel",
        /// Let time run out.
        Expire = 3 "expire",
        /// Send units of an order.
        Ship = 4 "ship",
        /// Record that a package, or an order's units, arrived.
        Deliver = 5 "deliver",
        /// Change a quantity or the address.
        Edit = 6 "edit",
        /// Place a hold.
        Hold = 7 "hold",
        /// Release a hold or a reservation.
        Release = 8 "release",
        /// Reserve longer.
        Extend = 9 "extend",
        /// Place an order out of a reservation.
        Consume = 10 "consume",
        /// Take the work on.
        Accept = 11 "accept",
        /// Begin the work.
        Start = 12 "start",
        /// Put the work on hold.
        Pause = 13 "pause",
        /// Go on with the work.
        Resume = 14 "resume",
        /// Refuse the work: it is sourced again.
        Reject = 15 "reject",
        /// Give the work to another location by hand.
        Move = 16 "move",
        /// Finish.
        Close = 17 "close",
        /// Hand a package to the carrier.
        Send = 18 "send",
        /// Record that a package is lost.
        Lose = 19 "lose",
        /// Record that a package comes back undelivered.
        ReturnToSender = 20 "return to sender",
        /// Record an authorisation.
        Authorize = 21 "authorize",
        /// Record a capture.
        Capture = 22 "capture",
        /// Record that an authorisation was given back.
        Void = 23 "void",
        /// Record a failure.
        Fail = 24 "fail",
        /// Ask for a refund.
        Refund = 25 "refund",
        /// Record success.
        Succeed = 26 "succeed",
        /// Ask for a return.
        RequestReturn = 27 "request return",
        /// Allow a return.
        Approve = 28 "approve",
        /// Refuse a return.
        Decline = 29 "decline",
        /// Take returned goods in.
        Receive = 30 "receive",
        /// Promise of backordered units is kept.
        Refill = 31 "refill",
    }

    /// An order's state.
    pub enum OrderState: u8 {
        /// Placed; its stock is reserved.
        Pending = 1 "pending",
        /// Confirmed; its stock is committed and may be shipped.
        Confirmed = 2 "confirmed",
        /// Nothing of it is left to ship or to arrive.
        Completed = 3 "completed",
        /// All of it was cancelled before anything shipped.
        Cancelled = 4 "cancelled",
        /// Its time ran out before it was confirmed.
        Expired = 5 "expired",
    }

    /// A reservation's state.
    pub enum ReservationState: u8 {
        /// Its stock is held.
        Held = 1 "held",
        /// An order was placed out of it.
        Consumed = 2 "consumed",
        /// Given back.
        Released = 3 "released",
        /// Its time ran out.
        Expired = 4 "expired",
    }

    /// A fulfilment order's state.
    pub enum WorkState: u8 {
        /// Waits for its location.
        Open = 1 "open",
        /// The location has taken it on.
        Accepted = 2 "accepted",
        /// The location is at it: something is being packed or has shipped.
        InProgress = 3 "in progress",
        /// Stopped for a while.
        OnHold = 4 "on hold",
        /// Everything left the location.
        Closed = 5 "closed",
        /// The location refused: its units were sourced again.
        Rejected = 6 "rejected",
        /// Nothing is left of it to do, for its units were cancelled or moved.
        Cancelled = 7 "cancelled",
    }

    /// A shipment's state.
    pub enum ShipmentState: u8 {
        /// Packed, not yet with the carrier.
        Created = 1 "created",
        /// With the carrier: its units have left the location.
        Shipped = 2 "shipped",
        /// Arrived.
        Delivered = 3 "delivered",
        /// Lost on the way.
        Lost = 4 "lost",
        /// Came, or comes, back undelivered.
        ReturnedToSender = 5 "returned to sender",
        /// Unpacked before it left.
        Cancelled = 6 "cancelled",
    }

    /// A payment's state.
    pub enum PaymentState: u8 {
        /// Nothing is known yet.
        Pending = 1 "pending",
        /// The money is promised.
        Authorized = 2 "authorized",
        /// A part of the money was taken.
        PartiallyCaptured = 3 "partially captured",
        /// All of the money was taken, or all that will be.
        Captured = 4 "captured",
        /// The payment service refused.
        Failed = 5 "failed",
        /// The promise was given back.
        Voided = 6 "voided",
        /// The promise lapsed.
        Expired = 7 "expired",
    }

    /// A refund's state.
    pub enum RefundState: u8 {
        /// Asked for.
        Pending = 1 "pending",
        /// The buyer has the money.
        Succeeded = 2 "succeeded",
        /// The payment service refused.
        Failed = 3 "failed",
    }

    /// A return's state.
    pub enum ReturnState: u8 {
        /// Asked for.
        Requested = 1 "requested",
        /// Allowed: the goods may come.
        Approved = 2 "approved",
        /// Refused.
        Declined = 3 "declined",
        /// The goods came.
        Received = 4 "received",
        /// Finished.
        Closed = 5 "closed",
        /// Given up before the goods came.
        Cancelled = 6 "cancelled",
    }

    /// A hold's state.
    pub enum HoldState: u8 {
        /// Stops what it blocks.
        Active = 1 "active",
        /// Taken off.
        Released = 2 "released",
        /// Its time ran out.
        Expired = 3 "expired",
    }

    /// An order's fulfilment status, derived from its quantities.
    pub enum FulfilmentStatus: u8 {
        /// Nothing has shipped.
        Unfulfilled = 1 "unfulfilled",
        /// A part of what is wanted has shipped.
        PartiallyFulfilled = 2 "partially fulfilled",
        /// All that is wanted has shipped.
        Fulfilled = 3 "fulfilled",
    }

    /// An order's payment status, derived from its share of its group's payment.
    pub enum PaymentStatus: u8 {
        /// Nothing was promised or taken.
        Unpaid = 1 "unpaid",
        /// The money is promised.
        Authorized = 2 "authorized",
        /// A part of what it costs was taken.
        PartiallyPaid = 3 "partially paid",
        /// All that it costs was taken.
        Paid = 4 "paid",
        /// A part of what was taken went back.
        PartiallyRefunded = 5 "partially refunded",
        /// All that was taken went back.
        Refunded = 6 "refunded",
    }

    /// An order's return status, derived from its quantities.
    pub enum ReturnStatus: u8 {
        /// Nothing comes back.
        None = 1 "none",
        /// A return is asked for or on its way.
        InProgress = 2 "in progress",
        /// A part of what was delivered came back.
        PartiallyReturned = 3 "partially returned",
        /// All that was delivered came back.
        Returned = 4 "returned",
    }

    /// Why an order is stopped.
    pub enum HoldKind: u8 {
        /// Suspicion.
        Fraud = 1 "fraud",
        /// The address is in doubt.
        Address = 2 "address",
        /// The payment is in doubt; also placed by the core when money comes for an order that has expired.
        Payment = 3 "payment",
        /// Somebody's decision.
        Manual = 4 "manual",
    }

    /// What becomes of returned units.
    pub enum Disposition: u8 {
        /// Fit to be sold again: available.
        Restock = 1 "restock",
        /// Kept, not fit to be sold.
        Damaged = 2 "damaged",
        /// Thrown away: never on hand again.
        Discard = 3 "discard",
    }
}

/// What a hold blocks, as bits of its `blocks` field.
pub mod blocks {
    /// Confirming the order.
    pub const CONFIRM: u8 = 1;
    /// Packing, shipping, accepting and starting its fulfilment.
    pub const FULFIL: u8 = 2;
    /// Cancelling units.
    pub const CANCEL: u8 = 4;
    /// Changing quantities or the address.
    pub const EDIT: u8 = 8;
    /// Capturing money for it.
    pub const CAPTURE: u8 = 16;
    /// Asking for refunds.
    pub const REFUND: u8 = 32;
    /// Every bit that means something.
    pub const ALL: u8 = 63;
}

impl Entity {
    /// The numbers and names of its states, in the order of the numbers, which start at 1.
    pub fn states(self) -> Vec<(u8, &'static str)> {
        macro_rules! all {
            ($states:ident) => {
                $states::ALL.iter().map(|&state| (state as u8, state.name())).collect()
            };
        }
        match self {
            Self::Order => all!(OrderState),
            Self::Reservation => all!(ReservationState),
            Self::Work => all!(WorkState),
            Self::Shipment => all!(ShipmentState),
            Self::Payment => all!(PaymentState),
            Self::Refund => all!(RefundState),
            Self::Return => all!(ReturnState),
            Self::Hold => all!(HoldState),
        }
    }

    /// The name of one of its states.
    pub fn state_name(self, number: u8) -> &'static str {
        self.states().into_iter().find(|&(state, _)| state == number).map_or("unknown", |(_, name)| name)
    }
}

impl OrderState {
    /// Whether something is still to be done with the order.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Confirmed)
    }
}
