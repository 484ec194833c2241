//! An order about to be sent.

use orderline_protocol::command::{OrderLine, PlaceOrder};
use orderline_protocol::{BuyerId, Command, CurrencyCode, OrderId, SellerHandle};

/// An order about to be sent; one is filled again and again, so that sending allocates nothing.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Everything but the lines.
    pub(crate) head: PlaceOrder,
    /// Its lines.
    pub(crate) lines: Vec<OrderLine>,
}

impl Draft {
    /// An order without lines.
    pub(crate) fn new(currency: CurrencyCode) -> Self {
        let head = PlaceOrder {
            order: OrderId::new(0),
            buyer: BuyerId::new(0),
            seller: SellerHandle::NONE,
            currency,
            line_count: 0.into(),
            region: 0.into(),
            external_id_bytes: 0,
        };
        Self { head, lines: Vec::new() }
    }

    /// The command that places it.
    #[inline]
    pub(crate) fn command(&self) -> Command<'_> {
        debug_assert_eq!(usize::from(self.head.line_count.get()), self.lines.len());
        Command::PlaceOrder(&self.head, &self.lines, "")
    }
}
