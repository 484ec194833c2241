//! Whose an order or a SKU is, which most events do not say.

use std::collections::{HashMap, VecDeque};

use orderline_protocol::command::GroupOrder;
use orderline_protocol::event::Event;
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

/// The locations that units of an order were promised from by the event that placed it; nothing if the event is not that, or
/// leaves it to what the order's reservation held.
pub fn placed_from(event: &Event<'_>, order: OrderId) -> Option<Vec<LocationHandle>> {
    let (whole, mut locations): (_, Vec<LocationHandle>) = match *event {
        Event::OrderPlaced(head, _, units, _) if head.placement.order == order => {
            (head.location, units.iter().map(|units| units.location).collect())
        }
        Event::GroupPlaced(head, orders, _, units, _) if head.is_as_reserved == 0 => {
            let place = orders.iter().position(|of| of.order == order)?;
            let count = |of: &GroupOrder| u32::from(of.line_count.get());
            let first: u32 = orders[..place].iter().map(count).sum();
            let own = first..first + count(&orders[place]);
            let its = units.iter().filter(|units| own.contains(&units.line.get().into()));
            (head.location, its.map(|units| units.location).collect())
        }
        _ => return None,
    };
    if !whole.is_none() {
        return Some(vec![whole]);
    }
    locations.sort_unstable();
    locations.dedup();
    Some(locations)
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
            Event::OrderPlaced(head, ..) => self.placed(event, head.placement.order, head.placement.seller),
            Event::GroupPlaced(_, orders, ..) => {
                orders.iter().for_each(|order| self.placed(event, order.order, order.seller));
            }
            _ => {}
        }
    }

    fn placed(&mut self, event: &Event<'_>, order: OrderId, seller: SellerHandle) {
        if let Some(locations) = placed_from(event, order) {
            self.orders.put(order.get(), (seller, locations));
        }
    }

    pub(crate) fn order_seller(&self, whose: &dyn Whose, order: OrderId) -> Option<SellerHandle> {
        let known = self.orders.entries.get(&order.get()).map(|(seller, _)| *seller);
        known.or_else(|| whose.order_seller(order))
    }

    pub(crate) fn is_at(&mut self, whose: &dyn Whose, order: OrderId, location: LocationHandle) -> bool {
        if let Some((_, locations)) = self.orders.entries.get(&order.get()) {
            return locations.contains(&location);
        }
        // Where an order was placed from may be read from the disk: once, for its other events.
        let locations = whose.order_locations(order);
        let is_there = locations.contains(&location);
        if let Some(seller) = whose.order_seller(order) {
            self.orders.put(order.get(), (seller, locations));
        }
        is_there
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
