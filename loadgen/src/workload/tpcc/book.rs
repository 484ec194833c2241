//! What the front end of the mix remembers: its orders, district by district.

use std::collections::VecDeque;

use orderline_protocol::OrderId;
use rand::RngExt;
use rand::rngs::SmallRng;

/// Lines of an order at most.
pub(super) const LINES_MAX: usize = 15;

/// Orders of a district that Stock-Level looks at.
const RECENT_ORDERS: usize = 20;

/// No order.
const NONE: u32 = u32::MAX;

/// An order that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) order: OrderId,
    /// What it costs, in minor units, as its acknowledgement said.
    pub(super) total_minor: i64,
    /// What was captured for it.
    pub(super) captured_minor: i64,
    /// Units of all its lines.
    pub(super) units: u32,
    pub(super) lines: u8,
}

/// The items of an order.
#[derive(Debug, Clone, Copy)]
struct Items {
    items: [u32; LINES_MAX],
    count: u8,
}

#[derive(Debug, Default, Clone)]
struct District {
    /// Orders that no Payment was begun for.
    unpaid: Vec<u32>,
    /// Orders that no Delivery was begun for, oldest first.
    undelivered: VecDeque<u32>,
    /// What the newest orders asked for, oldest first.
    recent: VecDeque<Items>,
    newest: Option<u32>,
}

/// All acknowledged orders. Orders are known by their index in here.
pub(super) struct Book {
    entries: Vec<Entry>,
    districts: Vec<District>,
    /// By customer, over all districts.
    last_of_customer: Vec<u32>,
}

impl Book {
    pub(super) fn new(districts: usize, customers: usize) -> Self {
        Self {
            entries: Vec::new(),
            districts: vec![District::default(); districts],
            last_of_customer: vec![NONE; customers],
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn entry(&self, order: u32) -> &Entry {
        &self.entries[order as usize]
    }

    /// Takes an order in.
    pub(super) fn add(
        &mut self,
        entry: Entry,
        district: usize,
        customer: usize,
        asked: impl Iterator<Item = u32>,
    ) {
        let order = self.entries.len() as u32;
        self.entries.push(entry);
        self.last_of_customer[customer] = order;
        let district = &mut self.districts[district];
        district.unpaid.push(order);
        district.undelivered.push_back(order);
        district.newest = Some(order);
        let mut items = Items { items: [0; LINES_MAX], count: 0 };
        for item in asked.take(LINES_MAX) {
            items.items[usize::from(items.count)] = item;
            items.count += 1;
        }
        if district.recent.len() == RECENT_ORDERS {
            district.recent.pop_front();
        }
        district.recent.push_back(items);
    }

    /// Takes a random order out that no payment was begun for: of this district, or of the next one that has any.
    pub(super) fn take_unpaid(&mut self, district: usize, random: &mut SmallRng) -> Option<u32> {
        let count = self.districts.len();
        let has_any = |district: &usize| !self.districts[*district].unpaid.is_empty();
        let district = (district..district + count).map(|district| district % count).find(has_any)?;
        let unpaid = &mut self.districts[district].unpaid;
        Some(unpaid.swap_remove(random.random_range(0..unpaid.len())))
    }

    /// Takes the oldest order of a district out that no delivery was begun for.
    pub(super) fn take_undelivered(&mut self, district: usize) -> Option<u32> {
        self.districts[district].undelivered.pop_front()
    }

    /// A customer's last order.
    pub(super) fn last_of_customer(&self, customer: usize) -> Option<u32> {
        Some(self.last_of_customer[customer]).filter(|&order| order != NONE)
    }

    /// A district's newest order.
    pub(super) fn newest(&self, district: usize) -> Option<u32> {
        self.districts[district].newest
    }

    /// The distinct items of a district's newest orders.
    pub(super) fn recent_items(&self, district: usize) -> Vec<u32> {
        let of_one = |recent: &Items| recent.items.into_iter().take(recent.count.into());
        let mut items: Vec<u32> = self.districts[district].recent.iter().flat_map(of_one).collect();
        items.sort_unstable();
        items.dedup();
        items
    }

    pub(super) fn captured(&mut self, order: u32) {
        let entry = &mut self.entries[order as usize];
        entry.captured_minor = entry.total_minor;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn add(book: &mut Book, district: usize, customer: usize, items: &[u32]) {
        let entry = Entry {
            order: OrderId::new(book.entries.len() as u128 + 1),
            total_minor: 7,
            captured_minor: 0,
            units: 1,
            lines: items.len() as u8,
        };
        book.add(entry, district, customer, items.iter().copied());
    }

    #[test]
    fn every_order_is_paid_once_and_delivered_once_oldest_first() {
        let mut book = Book::new(3, 10);
        let mut random = SmallRng::seed_from_u64(1);
        for order in 0..30 {
            add(&mut book, order % 2, order % 10, &[1]);
        }
        let mut paid: Vec<_> = std::iter::from_fn(|| book.take_unpaid(2, &mut random)).collect();
        assert!(paid[..15].iter().all(|order| order % 2 == 0), "the next district that has any: {paid:?}");
        assert!(!paid[..15].is_sorted(), "at random: {paid:?}");
        paid.sort_unstable();
        assert_eq!(paid, (0..30).collect::<Vec<_>>());
        let delivered: Vec<_> = std::iter::from_fn(|| book.take_undelivered(1)).collect();
        assert_eq!(delivered, (0..15).map(|order| order * 2 + 1).collect::<Vec<_>>());
        assert_eq!(book.take_undelivered(2), None);
    }

    #[test]
    fn customers_and_districts_know_their_newest() {
        let mut book = Book::new(2, 10);
        assert_eq!((book.last_of_customer(4), book.newest(0)), (None, None));
        add(&mut book, 0, 4, &[1]);
        add(&mut book, 0, 4, &[1]);
        add(&mut book, 0, 5, &[1]);
        assert_eq!((book.last_of_customer(4), book.newest(0), book.newest(1)), (Some(1), Some(2), None));
        book.captured(1);
        assert_eq!((book.entry(0).captured_minor, book.entry(1).captured_minor), (0, 7));
    }

    #[test]
    fn the_items_of_the_last_twenty_orders_are_named_once() {
        let mut book = Book::new(1, 1);
        for order in 0..25 {
            add(&mut book, 0, 0, &[order, order, 100]);
        }
        assert_eq!(book.recent_items(0), (5..25).chain([100]).collect::<Vec<_>>());
    }
}
