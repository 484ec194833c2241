//! Journals of random events, and what is known about them.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use orderline_feed::{Feed, Whose};
use orderline_journal::{JournalOptions, MemoryStorage, Opened, Storage, open};
use orderline_json::Names;
use orderline_protocol::command::GroupOrder;
use orderline_protocol::event::{
    Allocation, CapturedShare, EVENT_VERSION, Event, GroupPlaced, OrderConfirmed, OrderPlaced,
    PaymentCaptured, SellerDefined, ShipmentMade, StockReceived, TimePassed, WorkUpdated,
};
use orderline_protocol::{GroupId, LocationHandle, OrderId, SellerHandle, SkuHandle};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use zerocopy::FromZeros;

pub(crate) const STORE_ID: u128 = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
pub(crate) const AT_US: i64 = 1_700_000_000_250_000;
pub(crate) const SELLERS: u32 = 3;
pub(crate) const LOCATIONS: u16 = 3;

/// A structure that is zero but for some fields.
macro_rules! shape {
    ($name:ident { $($($field:ident).+ = $value:expr),* $(,)? }) => {{
        let mut shape = $name::new_zeroed();
        $(shape.$($field).+ = $value.into();)*
        shape
    }};
}

/// An order's id by its number.
pub(crate) fn order_id(number: u64) -> OrderId {
    OrderId::from_parts(1_700_000_000_000, u128::from(number))
}

/// Sellers go round by an order's number, and SKUs belong to the seller of their number.
pub(crate) fn seller_of(number: u64) -> SellerHandle {
    SellerHandle::new((number % u64::from(SELLERS)) as u32)
}

pub(crate) struct Known;

impl Names for Known {
    fn seller_code(&self, handle: SellerHandle) -> Option<Cow<'_, str>> {
        Some(format!("seller-{handle}").into())
    }

    fn location_code(&self, handle: LocationHandle) -> Option<Cow<'_, str>> {
        Some(format!("location-{handle}").into())
    }

    fn sku_code(&self, handle: SkuHandle) -> Option<Cow<'_, str>> {
        Some(format!("sku-{handle}").into())
    }
}

impl Whose for Known {
    fn order_seller(&self, order: OrderId) -> Option<SellerHandle> {
        Some(seller_of((order.get() & u128::from(u64::MAX)) as u64))
    }

    fn order_locations(&self, _order: OrderId) -> Vec<LocationHandle> {
        Vec::new()
    }

    fn sku_seller(&self, sku: SkuHandle) -> Option<SellerHandle> {
        Some(SellerHandle::new(sku.get() % SELLERS))
    }
}

/// A store whose steps are the test's own, and its feed.
pub(crate) struct Store {
    pub(crate) opened: Opened,
    pub(crate) feed: Arc<Feed>,
    pub(crate) orders: u64,
}

impl Store {
    pub(crate) fn open(storage: &MemoryStorage) -> Self {
        let options = JournalOptions {
            segment_bytes: 64 << 10,
            batch_bytes_max: 16 << 10,
            helper_thread: false,
            store_id: Some(STORE_ID),
            ..JournalOptions::default()
        };
        let opened = open(storage.clone(), options).unwrap();
        let shared: Arc<dyn Storage> = Arc::clone(&opened.storage);
        let feed = Feed::new(shared, STORE_ID, opened.watermark.clone(), Arc::new(Known), Arc::new(Known));
        Self { opened, feed: Arc::new(feed), orders: 0 }
    }

    pub(crate) fn stage(&mut self, event: &Event<'_>) -> u64 {
        self.opened.writer.stage(event.kind() as u16, EVENT_VERSION, |out| event.write(out))
    }

    pub(crate) fn commit(&mut self) {
        self.opened.writer.commit(AT_US).unwrap();
    }

    pub(crate) fn sync(&self) {
        while self.opened.syncer.sync_once().unwrap() {}
    }

    /// Places an order at location 0 of its seller, durable at once.
    pub(crate) fn place(&mut self) -> u64 {
        let sequence = self.stage_order(LocationHandle::new(0));
        self.commit();
        self.sync();
        sequence
    }

    /// Confirms an order, durable at once.
    pub(crate) fn confirm(&mut self, number: u64) -> u64 {
        let head = shape!(OrderConfirmed { order = order_id(number) });
        let sequence = self.stage(&Event::OrderConfirmed(&head));
        self.commit();
        self.sync();
        sequence
    }

    fn stage_order(&mut self, location: LocationHandle) -> u64 {
        let number = self.orders;
        self.orders += 1;
        let units = [Allocation { line: 0.into(), location, quantity: 1.into() }];
        let head = shape!(OrderPlaced {
            placement.order = order_id(number), placement.seller = seller_of(number), location = location,
            allocation_count = 1_u16,
        });
        self.stage(&Event::OrderPlaced(&head, &[], &units, ""))
    }

    /// Stages a random event; its batch is the caller's to commit.
    pub(crate) fn stage_random(&mut self, random: &mut StdRng) -> u64 {
        let location = LocationHandle::new(random.random_range(0..LOCATIONS));
        let some = order_id(random.random_range(0..self.orders.max(1)));
        // Nothing happens to an order before it is placed.
        let what = if self.orders == 0 { 0 } else { random.random_range(0..9) };
        match what {
            0..3 => self.stage_order(location),
            3 => self.stage(&Event::OrderConfirmed(&shape!(OrderConfirmed { order = some }))),
            4 => {
                let head = shape!(WorkUpdated { update.order = some, update.location = location });
                self.stage(&Event::WorkUpdated(&head))
            }
            5 => {
                let sku = SkuHandle::new(random.random_range(0..9));
                let head = shape!(StockReceived { receipt.sku = sku, receipt.location = location });
                self.stage(&Event::StockReceived(&head))
            }
            6 => {
                let first = self.orders;
                self.orders += 2;
                let orders = [first, first + 1].map(|number| {
                    shape!(GroupOrder { order = order_id(number), seller = seller_of(number), line_count = 1_u16 })
                });
                let units =
                    [0_u16, 1].map(|line| Allocation { line: line.into(), location, quantity: 1.into() });
                let head = shape!(GroupPlaced {
                    checkout.group = GroupId::new(order_id(first).get() | 1 << 70), checkout.order_count = 2_u16,
                    location = location, allocation_count = 2_u32,
                });
                self.stage(&Event::GroupPlaced(&head, &orders, &[], &units, ""))
            }
            7 => self.stage(&Event::ShipmentMade(&shape!(ShipmentMade { order = some }), &[], "")),
            _ => self.stage(&Event::TimePassed(&shape!(TimePassed { now_us = AT_US }), &[])),
        }
    }

    /// Appends so many random events in batches of random lengths, and makes some or all of them durable.
    pub(crate) fn grow(&mut self, random: &mut StdRng, count: usize) {
        for _ in 0..count {
            self.stage_random(random);
            if random.random_range(0..8) == 0 {
                self.commit();
            }
            if random.random_range(0..64) == 0 {
                self.sync();
            }
        }
        self.commit();
        self.sync();
    }
}

/// Two captured shares of orders of two sellers.
pub(crate) fn capture_of(first: u64, second: u64) -> (PaymentCaptured, [CapturedShare; 2]) {
    let head = shape!(PaymentCaptured {
        capture.group = GroupId::new(order_id(first).get() | 1 << 70), share_count = 2_u16,
        capture.amount = orderline_protocol::Amount::new(300),
    });
    let share = |number: u64, minor: i64| shape!(CapturedShare { order = order_id(number), amount = orderline_protocol::Amount::new(minor) });
    (head, [share(first, 100), share(second, 200)])
}

/// A seller under a handle.
pub(crate) fn seller_defined(handle: u32) -> SellerDefined {
    shape!(SellerDefined { handle = handle, definition.code_bytes = 1_u8 })
}

/// A source of chance, and its seed for messages.
pub(crate) fn random() -> (StdRng, u64) {
    let told = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = told.unwrap_or_else(|| RandomState::new().hash_one(0));
    (StdRng::seed_from_u64(seed), seed)
}
