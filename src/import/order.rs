//! An order as the files have it, before the core has seen it.

use orderline_protocol::{BuyerId, CurrencyCode, OrderId};

use super::decimal::Decimal;
use super::reason::Reason;

/// One order: all rows with one order code (and one seller).
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// Its lower 80 bits come from the map's name, the seller and the order code; its time from its first row's
    /// date, once that is known.
    pub(crate) id: OrderId,
    /// Who sells: an index into the names of sellers.
    pub(crate) seller: u32,
    pub(crate) buyer: BuyerId,
    pub(crate) currency: CurrencyCode,
    /// Why it is rejected, if it is: by the first row that has something wrong.
    pub(crate) rejected: Option<Reason>,
    /// Rows that were not skipped. None at all: the whole order was skipped.
    pub(crate) rows: u32,
    /// The file (as its index) and the line of the row that it is rejected for, or else of its first row.
    pub(crate) at: (u16, u64),
    /// The sum of its rows in minor units, by the file's own decimals.
    pub(crate) file_minor: Decimal,
}

/// One row's part of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// What: an index into the names of SKUs.
    pub(crate) sku: u32,
    pub(crate) quantity: u32,
    pub(crate) unit_price_minor: i64,
}

/// Orders with their lines, ready to be placed: what the files held, or a part of it.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) orders: Vec<Order>,
    /// Every order's lines, one order behind the other.
    lines: Vec<Line>,
    /// Where each order's lines start; one more than orders.
    starts: Vec<u32>,
}

impl Batch {
    /// Sorts lines, each with the index of its order, to their orders, keeping their order there. Lines of
    /// rejected orders are left out.
    pub(crate) fn new(orders: Vec<Order>, rows: &[(u32, Line)]) -> Self {
        let is_good = |order: u32| orders[order as usize].rejected.is_none();
        let mut starts = vec![0_u32; orders.len() + 1];
        for &(order, _) in rows.iter().filter(|row| is_good(row.0)) {
            starts[order as usize + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let nothing = Line { sku: 0, quantity: 0, unit_price_minor: 0 };
        let mut lines = vec![nothing; starts[orders.len()] as usize];
        for &(order, line) in rows.iter().filter(|row| is_good(row.0)) {
            let at = &mut next[order as usize];
            lines[*at as usize] = line;
            *at += 1;
        }
        Self { orders, lines, starts }
    }

    /// The lines of the order with this index; none if it was rejected by its rows.
    pub(crate) fn lines(&self, order: usize) -> &[Line] {
        &self.lines[self.starts[order] as usize..self.starts[order + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::super::reason::Fault;
    use super::*;

    #[test]
    fn lines_come_to_their_orders_and_keep_their_order() {
        let good = Order {
            id: OrderId::new(1),
            seller: 0,
            buyer: BuyerId::new(0),
            currency: CurrencyCode::NONE,
            rejected: None,
            rows: 2,
            at: (0, 2),
            file_minor: Decimal::ZERO,
        };
        let bad = Order { rejected: Some(Reason::Fault(Fault::NoSku)), ..good.clone() };
        let line = |sku| Line { sku, quantity: 1, unit_price_minor: 5 };
        let rows = [(2, line(1)), (0, line(2)), (1, line(3)), (2, line(4)), (0, line(2))];
        let batch = Batch::new(vec![good.clone(), bad, good], &rows);
        assert_eq!(batch.lines(0), [line(2), line(2)]);
        assert_eq!(batch.lines(1), []);
        assert_eq!(batch.lines(2), [line(1), line(4)]);
    }
}
