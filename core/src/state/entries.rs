//! Entries of the sellers' ledgers, one by one. The state keeps their sums; the entries themselves are in the events, and
//! here an event is asked for those that it makes.

use orderline_protocol::event::{Event, ExpiryKind};
use orderline_protocol::reply::LedgerView;
use orderline_protocol::{Amount, CurrencyCode, EntryKind, OrderId, SellerHandle};

use super::State;
use super::ledger::Ledger;

/// One entry of a seller's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Whose.
    pub seller: SellerHandle,
    /// In which currency.
    pub currency: CurrencyCode,
    /// Of which order; none for a payout.
    pub order: Option<OrderId>,
    /// What it is about.
    pub kind: EntryKind,
    /// How much, in minor units, above zero: an entry of nothing is not made.
    pub amount: i64,
    /// When it happened outside, in microseconds since 1970, as the caller said; 0: not said.
    pub happened_at_us: i64,
}

impl State {
    /// Calls with each entry that an event makes. The event is about to be applied, or was just applied.
    pub fn each_ledger_entry(&self, event: &Event<'_>, mut each: impl FnMut(LedgerEntry)) {
        let mut of_order = |order: OrderId, happened_at_us, entries: [(EntryKind, Amount); 2]| {
            let head = self.orders.head(self.order_of(order));
            for (kind, amount) in entries.into_iter().filter(|(_, amount)| amount.minor() != 0) {
                each(LedgerEntry {
                    seller: head.seller,
                    currency: head.currency,
                    order: Some(order),
                    kind,
                    amount: amount.minor(),
                    happened_at_us,
                });
            }
        };
        match event {
            Event::PaymentCaptured(head, shares, _) => {
                let at_us = head.capture.happened_at_us.get();
                for share in *shares {
                    let commission = (EntryKind::Commission, share.commission);
                    of_order(share.order, at_us, [(EntryKind::Sale, share.amount), commission]);
                }
            }
            Event::RefundSettled(head) => {
                let (order, at_us) = (head.settlement.order, head.settlement.happened_at_us.get());
                let reversal = (EntryKind::Reversal, head.commission_reversal);
                // A refund that failed is one of nothing.
                of_order(order, at_us, [(EntryKind::Refund, head.amount), reversal]);
            }
            Event::PayoutRecorded(head) => each(LedgerEntry {
                seller: head.payout.seller,
                currency: head.payout.currency,
                order: None,
                kind: EntryKind::Payout,
                amount: head.payout.amount.minor(),
                happened_at_us: head.payout.happened_at_us.get(),
            }),
            _ => {}
        }
    }

    /// Calls with each order that an event, which was just applied, may have finished, and that is finished now: what was
    /// accrued of it is payable. No other kind of event finishes an order.
    pub fn each_finished(&self, event: &Event<'_>, mut each: impl FnMut(OrderId)) {
        let mut look = |order: OrderId| {
            if !self.order_is_open(order) {
                each(order);
            }
        };
        match event {
            Event::LinesCancelled(head, _) => look(head.order),
            Event::ShipmentUpdated(head) => look(head.update.order),
            Event::TimePassed(_, expiries) => {
                let orders = expiries.iter().filter(|expiry| expiry.kind == ExpiryKind::Order as u8);
                orders.for_each(|expiry| look(OrderId::new(expiry.id.get())));
            }
            _ => {}
        }
    }

    /// Whether an order is in memory, and pending or confirmed.
    pub fn order_is_open(&self, order: OrderId) -> bool {
        self.orders.find(order).is_some_and(|slot| self.orders.head(slot).state().is_open())
    }

    /// The seller with this code.
    pub fn find_seller(&self, code: &str) -> Option<SellerHandle> {
        self.catalogue.seller_codes.find(code).map(SellerHandle::new)
    }

    /// Every seller's ledger in every currency that it has entries in, by seller and currency.
    pub fn ledgers(&self) -> impl Iterator<Item = LedgerView> {
        self.ledgers.iter().map(|(seller, currency, ledger)| ledger.view(seller, currency))
    }
}

impl Ledger {
    /// As queries are answered with it.
    pub(super) fn view(&self, seller: SellerHandle, currency: CurrencyCode) -> LedgerView {
        LedgerView {
            seller,
            currency,
            reserved: [0; 2],
            entry_count: self.entry_count.into(),
            sales: Amount::new(self.sales),
            commissions: Amount::new(self.commissions),
            refunds: Amount::new(self.refunds),
            reversals: Amount::new(self.reversals),
            accrued: Amount::new(self.accrued),
            payable: Amount::new(self.payable),
            paid: Amount::new(self.paid),
        }
    }
}
