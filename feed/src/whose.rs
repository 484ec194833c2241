//! Whose an order or a SKU is, which most events do not say.

use std::collections::{HashMap, VecDeque};

use orderline_protocol::event::{Allocation, Event};
use orderline_protocol::{LocationHandle, OrderId, SellerHandle, SkuHandle};

/// Whoever knows what events leave out: a read model, or the core. What it does not know belongs to nobody, and a feed of one
/// seller or one location does not show it.
pub trait Whose: Send + Sync {
    /// The seller of an order.
    fn order_seller(&self, order: OrderId) -> Option<SellerHandle>;

    /// The locations that units of an order were promised from when it was placed.
    fn order_locations(&self, order: OrderId) -> Vec<LocationHandle>;

    /// The seller of a SKU.
    fn sku_seller(&self, sku: SkuHandle) -> Option<SellerHandle>;
}

/// Orders, and SKUs, that are remembered; about 100 bytes each.
const REMEMBERED_MAX: usize = 1 << 16;

/// What was seen go by lately, for the read models come a moment later than the feed.
#[derive(Default)]
pub(crate) struct Lately {
    orders: Bounded<u128, (SellerHandle, Vec<LocationHandle>)>,
    skus: Bounded<u32, SellerHandle>,
}

impl Lately {
    /// Remembers what an event says of orders and SKUs.
    pub(crate) fn learn(&mut self, event: &Event<'_>) {
        match *event {
            Event::SkuDefined(head, _) => self.skus.put(head.handle.get(), head.definition.seller),
            Event::OrderPlaced(head, _, allocations, _) => {
                self.placed(head.placement.order, head.placement.seller, allocations.iter());
            }
            Event::GroupPlaced(_, orders, _, allocations, _) => {
                let mut first = 0;
                for order in orders {
                    let behind = first + u32::from(order.line_count.get());
                    let is_its = |line: u16| (first..behind).contains(&u32::from(line));
                    let its = allocations.iter().filter(|units| is_its(units.line.get()));
                    self.placed(order.order, order.seller, its);
                    first = behind;
                }
            }
            _ => {}
        }
    }

    fn placed<'a>(
        &mut self,
        order: OrderId,
        seller: SellerHandle,
        allocations: impl Iterator<Item = &'a Allocation>,
    ) {
        let mut locations: Vec<LocationHandle> = allocations.map(|units| units.location).collect();
        locations.sort_unstable();
        locations.dedup();
        self.orders.put(order.get(), (seller, locations));
    }

    pub(crate) fn order_seller(&self, whose: &dyn Whose, order: OrderId) -> Option<SellerHandle> {
        let known = self.orders.entries.get(&order.get()).map(|(seller, _)| *seller);
        known.or_else(|| whose.order_seller(order))
    }

    pub(crate) fn is_at(&self, whose: &dyn Whose, order: OrderId, location: LocationHandle) -> bool {
        match self.orders.entries.get(&order.get()) {
            Some((_, locations)) => locations.contains(&location),
            None => whose.order_locations(order).contains(&location),
        }
    }

    pub(crate) fn sku_seller(&self, whose: &dyn Whose, sku: SkuHandle) -> Option<SellerHandle> {
        self.skus.entries.get(&sku.get()).copied().or_else(|| whose.sku_seller(sku))
    }
}

/// A table that forgets what came first.
struct Bounded<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: std::hash::Hash + Eq + Copy, V> Bounded<K, V> {
    fn put(&mut self, key: K, value: V) {
        if self.entries.insert(key, value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED_MAX
            && let Some(first) = self.order.pop_front()
        {
            self.entries.remove(&first);
        }
    }
}
