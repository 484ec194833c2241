//! Who else is told what became of an order.

use orderline_protocol::{OrderId, RejectCode, Sequence};

/// Is told what became of each order, as the answers come. A drill keeps book of it; a plain run has [`Nobody`]
/// listening and pays nothing.
pub trait Observer {
    /// The order was accepted (now or before) at this sequence.
    fn accepted(&mut self, _order: OrderId, _sequence: Sequence) {}
    /// The order was refused. `None`: with a code that this program does not know.
    fn rejected(&mut self, _order: OrderId, _code: Option<RejectCode>) {}
    /// The order was sent and never answered; told when the run ends.
    fn unknown(&mut self, _order: OrderId) {}
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Observer for Nobody {}
