//! A small catalogue with stock, and orders for it.

use orderline_client::{Client, catalogue};
use orderline_protocol::command::{OrderLine, PlaceOrder, QueryStatus};
use orderline_protocol::reply::StatusView;
use orderline_protocol::{Amount, BuyerId, Command, CurrencyCode, OrderId, Reply, SellerHandle, SkuHandle};

use super::program::Running;

/// The currency of the shop: GBP.
pub(crate) const CURRENCY: CurrencyCode = CurrencyCode::new(826);

/// One seller with a few SKUs, plenty of each at one location.
pub(crate) struct Shop {
    pub(crate) seller: SellerHandle,
    pub(crate) skus: Vec<SkuHandle>,
}

impl Shop {
    /// Defines it.
    pub(crate) fn open(client: &mut Client) -> Self {
        let seller = catalogue::sellers(client, ["shop"]).unwrap()[0];
        let location = catalogue::locations(client, ["store-room"]).unwrap()[0];
        let skus = catalogue::skus(client, seller, CURRENCY, ["tea", "cups", "spoons"]).unwrap();
        catalogue::stock(client, location, skus.iter().copied(), 1_000_000).unwrap();
        Self { seller, skus }
    }

    /// An order with as many lines as are said to come.
    pub(crate) fn order(&self, id: u128, line_count: usize) -> PlaceOrder {
        PlaceOrder {
            order: OrderId::new(id),
            buyer: BuyerId::new(7),
            seller: self.seller,
            currency: CURRENCY,
            line_count: (line_count as u16).into(),
            region: 0.into(),
            external_id_bytes: 0,
        }
    }

    /// A line of one of the SKUs.
    pub(crate) fn line(&self, sku: usize, quantity: u32) -> OrderLine {
        OrderLine { sku: self.skus[sku], quantity: quantity.into(), unit_price: Amount::new(250) }
    }

    /// Places one order of one line for each of these ids; all must be accepted.
    pub(crate) fn place(&self, client: &mut Client, ids: impl IntoIterator<Item = u128>) {
        let lines = [self.line(0, 1)];
        let submit = |client: &mut Client, id| {
            client.submit(&Command::PlaceOrder(&self.order(id, lines.len()), &lines, ""))
        };
        let on_reply = |index: usize, reply: Reply<'_>| {
            assert!(reply.is_accepted(), "order {index}: {:?}", reply.header)
        };
        client.call_all(ids, submit, on_reply).unwrap();
    }
}

/// The core's own figures, and the sequence up to which they speak.
pub(crate) fn status(client: &mut Client) -> (StatusView, u64) {
    let query = QueryStatus { with_state_hash: 1, reserved: [0; 7] };
    let reply = client.call(&Command::QueryStatus(&query)).unwrap();
    (*StatusView::read(&reply.view).unwrap(), reply.header.sequence.get())
}

/// Waits until a load, which goes on meanwhile, has placed so many orders.
pub(crate) fn await_orders(client: &mut Client, load: &mut Running, orders: u64) {
    while status(client).0.orders_total.get() < orders {
        assert!(load.is_running(), "the load has ended before it had placed {orders} orders");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
