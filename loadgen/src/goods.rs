//! What is for sale, and what orders choose of it.

use orderline_protocol::command::OrderLine;
use orderline_protocol::{Amount, BuyerId, LocationHandle, SellerHandle, SkuHandle};
use rand::RngExt;
use rand::rngs::SmallRng;

use crate::options::LoadOptions;
use crate::popularity::Popularity;

/// Buyers that orders come from.
const BUYERS: u64 = 1_000_000;

/// Up to so many lines, looking through the order is the fastest way to find a SKU in it again.
const LINES_SEARCHED_MAX: usize = 64;

/// Chosen again so often before the next free SKU is taken: an order of nearly the whole catalogue must not wait
/// for the least popular SKU to come up.
const CHOICES_MAX: u32 = 64;

/// What orders can name.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue {
    pub(crate) sellers: Vec<SellerHandle>,
    /// Where every SKU is stocked. If there are several, the first ships from region 1, the second from region 2, …
    pub(crate) locations: Vec<LocationHandle>,
    /// The first seller's SKUs, the second's, and so on; as many of each.
    pub(crate) skus: Vec<SkuHandle>,
}

impl Catalogue {
    /// SKUs of each seller.
    pub(crate) fn skus_per_seller(&self) -> usize {
        self.skus.len() / self.sellers.len().max(1)
    }
}

/// Chooses orders' lines: distinct SKUs of a seller, one unit each.
pub(crate) struct Goods {
    catalogue: Catalogue,
    /// Of the SKUs of one seller; every seller's are as popular as any other's.
    popularity: Popularity,
    skus_per_seller: usize,
    lines: usize,
    /// By SKU of a seller: the last order (by its number, counted here) that asked for it. Only filled for orders of
    /// many lines, where looking through the order is slower than one look into this.
    asked_by: Vec<u32>,
    orders: u32,
}

impl Goods {
    pub(crate) fn new(options: &LoadOptions, catalogue: Catalogue) -> Self {
        let lines = usize::from(options.lines);
        let skus = catalogue.skus_per_seller();
        Self {
            popularity: Popularity::new(options.skew, skus as u32, options.seed),
            skus_per_seller: skus,
            catalogue,
            lines,
            asked_by: if lines > LINES_SEARCHED_MAX { vec![0; skus] } else { Vec::new() },
            orders: 0,
        }
    }

    /// Lines of an order.
    pub(crate) fn lines(&self) -> u16 {
        self.lines as u16
    }

    /// The handle of the seller with this index.
    #[inline]
    pub(crate) fn seller(&self, seller: usize) -> SellerHandle {
        self.catalogue.sellers[seller]
    }

    /// Where everything is stocked.
    pub(crate) fn locations(&self) -> &[LocationHandle] {
        &self.catalogue.locations
    }

    /// Whoever buys.
    #[inline]
    pub(crate) fn choose_buyer(&self, random: &mut SmallRng) -> BuyerId {
        BuyerId::new(random.random_range(0..BUYERS))
    }

    /// The index of a seller; all are chosen alike.
    #[inline]
    pub(crate) fn choose_seller(&self, random: &mut SmallRng) -> usize {
        match self.catalogue.sellers.len() {
            1 => 0,
            count => random.random_range(0..count),
        }
    }

    /// A SKU of any seller, by their popularity.
    #[inline]
    pub(crate) fn choose_sku(&self, random: &mut SmallRng) -> SkuHandle {
        let seller = self.choose_seller(random);
        self.catalogue.skus[seller * self.skus_per_seller + self.popularity.choose(random) as usize]
    }

    /// The region that an order goes to: one that a location ships from, all alike; none where there is one location.
    #[inline]
    pub(crate) fn choose_region(&self, random: &mut SmallRng) -> u16 {
        match self.catalogue.locations.len() {
            1 => 0,
            count => random.random_range(1..=count as u16),
        }
    }

    /// Appends the lines of one order of the seller with this index.
    #[inline]
    pub(crate) fn choose_lines(&mut self, seller: usize, random: &mut SmallRng, lines: &mut Vec<OrderLine>) {
        let Self { catalogue, popularity, asked_by, orders, .. } = self;
        let first_line = lines.len();
        let skus = &catalogue.skus[seller * self.skus_per_seller..][..self.skus_per_seller];
        *orders = orders.wrapping_add(1);
        if *orders == 0 {
            asked_by.fill(0);
            *orders = 1;
        }
        for _ in 0..self.lines {
            let mut chosen = popularity.choose(random);
            let mut choices = 1;
            // There is another one: the options do not allow more lines than SKUs.
            while is_asked_for(chosen, skus, &lines[first_line..], asked_by, *orders) {
                choices += 1;
                chosen = if choices <= CHOICES_MAX {
                    popularity.choose(random)
                } else {
                    (chosen + 1) % skus.len() as u32
                };
            }
            if let Some(asked_by) = asked_by.get_mut(chosen as usize) {
                *asked_by = *orders;
            }
            lines.push(OrderLine {
                sku: skus[chosen as usize],
                quantity: 1.into(),
                unit_price: unit_price(chosen),
            });
        }
    }
}

/// Whether an order has a line of this SKU already.
#[inline]
fn is_asked_for(sku: u32, skus: &[SkuHandle], lines: &[OrderLine], asked_by: &[u32], order: u32) -> bool {
    match asked_by.get(sku as usize) {
        Some(&asked_by) => asked_by == order,
        None => {
            let handle = skus[sku as usize];
            lines.iter().any(|line| line.sku == handle)
        }
    }
}

/// A SKU's price: its own, the same in every run, between 1.00 and 99.99.
#[inline]
pub(crate) fn unit_price(sku: u32) -> Amount {
    Amount::new(100 + i64::from(sku.wrapping_mul(0x9e37_79b1) >> 16) % 9_900)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;
    use crate::options::{Extent, Skew};

    pub(crate) fn options(lines: u16, skus: u32) -> LoadOptions {
        let options = LoadOptions::new(([127, 0, 0, 1], 1).into(), Extent::Orders(1));
        LoadOptions { lines, skus, skew: Skew::Zipf { exponent: 1.2 }, ..options }
    }

    pub(crate) fn catalogue(sellers: u32, locations: u16, skus: u32) -> Catalogue {
        Catalogue {
            sellers: (0..sellers).map(SellerHandle::new).collect(),
            locations: (0..locations).map(LocationHandle::new).collect(),
            skus: (0..skus).map(SkuHandle::new).collect(),
        }
    }

    #[test]
    fn an_order_never_names_a_sku_twice_and_only_its_sellers() {
        // Few lines are searched, many are stamped, and the last case asks for a seller's whole catalogue.
        for (lines, skus) in [(4, 5), (64, 80), (65, 200), (2_000, 2_000)] {
            let mut goods = Goods::new(&options(lines, skus), catalogue(3, 1, skus * 3));
            let mut random = SmallRng::seed_from_u64(1);
            for index in 0..50 {
                let seller = index % 3;
                let mut chosen = vec![];
                goods.choose_lines(seller, &mut random, &mut chosen);
                let distinct: HashSet<_> = chosen.iter().map(|line| line.sku).collect();
                assert_eq!(distinct.len(), usize::from(lines));
                assert!(chosen.iter().all(|line| line.unit_price.minor() >= 100));
                assert!(chosen.iter().all(|line| line.sku.get() / skus == seller as u32));
            }
        }
    }

    #[test]
    fn the_stamp_survives_its_own_wrap() {
        let mut goods = Goods::new(&options(65, 70), catalogue(1, 1, 70));
        let mut random = SmallRng::seed_from_u64(2);
        goods.orders = u32::MAX - 1;
        for _ in 0..4 {
            let mut lines = vec![];
            goods.choose_lines(0, &mut random, &mut lines);
            assert_eq!(lines.iter().map(|line| line.sku).collect::<HashSet<_>>().len(), 65);
        }
    }

    #[test]
    fn sellers_and_regions_are_chosen_alike() {
        let goods = Goods::new(&options(4, 100), catalogue(4, 3, 100));
        let mut random = SmallRng::seed_from_u64(3);
        let (mut sellers, mut regions) = ([0; 4], [0; 4]);
        for _ in 0..12_000 {
            sellers[goods.choose_seller(&mut random)] += 1;
            regions[usize::from(goods.choose_region(&mut random))] += 1;
        }
        assert!(sellers.iter().all(|&count| (2_600..3_400).contains(&count)), "{sellers:?}");
        assert_eq!(regions[0], 0);
        assert!(regions[1..].iter().all(|&count| (3_500..4_500).contains(&count)), "{regions:?}");
    }
}
