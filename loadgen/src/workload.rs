//! What is sent: the workloads and the orders that they make.

use std::fmt;
use std::str::FromStr;

use orderline_protocol::command::OrderLine;
use orderline_protocol::{Amount, BuyerId, OrderId, SkuHandle};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::draft::Draft;
use crate::error::LoadError;
use crate::options::LoadOptions;
use crate::popularity::Popularity;

/// Buyers that orders come from.
const BUYERS: u64 = 1_000_000;

/// Up to so many lines, looking through the order is the fastest way to find a SKU in it again.
const LINES_SEARCHED_MAX: usize = 64;

/// Chosen again so often before the next free SKU is taken: an order of nearly the whole catalogue must not wait
/// for the least popular SKU to come up.
const CHOICES_MAX: u32 = 64;

/// The name of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadName {
    /// Orders over the whole catalogue, of which there is always enough.
    Place,
    /// Every buyer wants one unit of the same SKU, of which there is little.
    Flash,
}

impl WorkloadName {
    /// Every workload that is known.
    pub const ALL: &'static [Self] = &[Self::Place, Self::Flash];

    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Flash => "flash",
        }
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for WorkloadName {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, LoadError> {
        Self::ALL.iter().copied().find(|workload| workload.name() == text).ok_or_else(|| {
            let known = Self::ALL.iter().map(|workload| workload.name()).collect::<Vec<_>>().join(", ");
            LoadError::UnknownWorkload { name: text.to_owned(), known }
        })
    }
}

/// Makes the orders of a workload, one after the other.
pub(crate) enum Workload {
    /// See [`WorkloadName::Place`].
    Place(Place),
    /// See [`WorkloadName::Flash`].
    Flash(Flash),
}

impl Workload {
    /// The workload of these options. `skus` are the handles of the catalogue: of all its SKUs, or of the one that
    /// the flash sale sells.
    pub(crate) fn new(options: &LoadOptions, skus: Vec<SkuHandle>) -> Self {
        match options.workload {
            WorkloadName::Place => Self::Place(Place::new(options, skus)),
            WorkloadName::Flash => Self::Flash(Flash::new(options, &skus)),
        }
    }

    /// Makes the next order, under this id.
    #[inline]
    pub(crate) fn next(&mut self, order: OrderId, draft: &mut Draft) {
        match self {
            Self::Place(place) => place.next(order, draft),
            Self::Flash(flash) => flash.next(order, draft),
        }
    }
}

/// Orders of distinct SKUs, one unit each.
pub(crate) struct Place {
    skus: Vec<SkuHandle>,
    popularity: Popularity,
    random: SmallRng,
    lines: usize,
    /// By SKU: the last order (by its number, counted here) that asked for it. Only filled for orders of many
    /// lines, where looking through the order is slower than one look into this.
    asked_by: Vec<u32>,
    orders: u32,
}

impl Place {
    fn new(options: &LoadOptions, skus: Vec<SkuHandle>) -> Self {
        let lines = usize::from(options.lines);
        let asked_by = if lines > LINES_SEARCHED_MAX { vec![0; skus.len()] } else { Vec::new() };
        Self {
            popularity: Popularity::new(options.skew, skus.len() as u32, options.seed),
            random: SmallRng::seed_from_u64(options.seed),
            skus,
            lines,
            asked_by,
            orders: 0,
        }
    }

    #[inline]
    fn next(&mut self, order: OrderId, draft: &mut Draft) {
        draft.head.order = order;
        draft.head.buyer = BuyerId::new(self.random.random_range(0..BUYERS));
        draft.head.line_count = (self.lines as u16).into();
        draft.lines.clear();
        self.orders = self.orders.wrapping_add(1);
        if self.orders == 0 {
            self.asked_by.fill(0);
            self.orders = 1;
        }
        for _ in 0..self.lines {
            let sku = self.another_sku(&draft.lines);
            draft.lines.push(OrderLine {
                sku: self.skus[sku as usize],
                quantity: 1.into(),
                unit_price: unit_price(sku),
            });
        }
    }

    /// A SKU that the order does not ask for yet. There is one: the options do not allow more lines than SKUs.
    #[inline]
    fn another_sku(&mut self, lines: &[OrderLine]) -> u32 {
        let mut sku = self.popularity.choose(&mut self.random);
        let mut choices = 1;
        while self.is_asked_for(sku, lines) {
            choices += 1;
            sku = if choices <= CHOICES_MAX {
                self.popularity.choose(&mut self.random)
            } else {
                (sku + 1) % self.skus.len() as u32
            };
        }
        if let Some(asked_by) = self.asked_by.get_mut(sku as usize) {
            *asked_by = self.orders;
        }
        sku
    }

    #[inline]
    fn is_asked_for(&self, sku: u32, lines: &[OrderLine]) -> bool {
        match self.asked_by.get(sku as usize) {
            Some(&order) => order == self.orders,
            None => {
                let handle = self.skus[sku as usize];
                lines.iter().any(|line| line.sku == handle)
            }
        }
    }
}

/// A SKU's price: its own, the same in every run, between 1.00 and 99.99.
#[inline]
fn unit_price(sku: u32) -> Amount {
    Amount::new(100 + i64::from(sku.wrapping_mul(0x9e37_79b1) >> 16) % 9_900)
}

/// Orders of one unit of the one hot SKU.
pub(crate) struct Flash {
    sku: SkuHandle,
    random: SmallRng,
}

impl Flash {
    fn new(options: &LoadOptions, skus: &[SkuHandle]) -> Self {
        let sku = skus.first().copied().unwrap_or(SkuHandle::NONE);
        Self { sku, random: SmallRng::seed_from_u64(options.seed) }
    }

    #[inline]
    fn next(&mut self, order: OrderId, draft: &mut Draft) {
        draft.head.order = order;
        draft.head.buyer = BuyerId::new(self.random.random_range(0..BUYERS));
        draft.head.line_count = 1.into();
        draft.lines.clear();
        draft.lines.push(OrderLine { sku: self.sku, quantity: 1.into(), unit_price: unit_price(0) });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use orderline_protocol::{CurrencyCode, SellerHandle};

    use super::*;
    use crate::options::{Extent, Skew};

    fn options(lines: u16, skus: u32) -> LoadOptions {
        let options = LoadOptions::new(([127, 0, 0, 1], 1).into(), Extent::Orders(1));
        LoadOptions { lines, skus, skew: Skew::Zipf { exponent: 1.2 }, ..options }
    }

    fn draft() -> Draft {
        Draft::new(SellerHandle::new(0), CurrencyCode::new(978))
    }

    #[test]
    fn an_order_never_names_a_sku_twice() {
        // Few lines are searched, many are stamped, and the last case asks for the whole catalogue.
        for (lines, skus) in [(4, 5), (64, 80), (65, 200), (2_000, 2_000)] {
            let handles = (0..skus).map(SkuHandle::new).collect();
            let mut workload = Workload::new(&options(lines, skus), handles);
            let mut draft = draft();
            for index in 0..50_u128 {
                workload.next(OrderId::new(index), &mut draft);
                let distinct: HashSet<_> = draft.lines.iter().map(|line| line.sku).collect();
                assert_eq!(distinct.len(), usize::from(lines));
                assert_eq!(draft.head.line_count.get(), lines);
                assert_eq!(draft.head.order, OrderId::new(index));
                assert!(draft.lines.iter().all(|line| line.unit_price.minor() >= 100));
            }
        }
    }

    #[test]
    fn the_stamp_survives_its_own_wrap() {
        let mut place = Place::new(&options(65, 70), (0..70).map(SkuHandle::new).collect());
        place.orders = u32::MAX - 1;
        let mut draft = draft();
        for index in 0..4 {
            place.next(OrderId::new(index), &mut draft);
            assert_eq!(draft.lines.iter().map(|line| line.sku).collect::<HashSet<_>>().len(), 65);
        }
    }

    #[test]
    fn every_buyer_of_a_flash_sale_wants_the_same() {
        let options = LoadOptions { workload: WorkloadName::Flash, ..options(4, 5) };
        let mut workload = Workload::new(&options, vec![SkuHandle::new(9)]);
        let mut draft = draft();
        let mut buyers = HashSet::new();
        for index in 0..100 {
            workload.next(OrderId::new(index), &mut draft);
            assert_eq!((draft.lines.len(), draft.lines[0].sku), (1, SkuHandle::new(9)));
            buyers.insert(draft.head.buyer);
        }
        assert!(buyers.len() > 90, "{} buyers", buyers.len());
    }

    #[test]
    fn an_unknown_workload_is_refused_with_the_known_ones() {
        for &workload in WorkloadName::ALL {
            assert_eq!(workload.name().parse::<WorkloadName>().unwrap(), workload);
        }
        let error = "tpcz".parse::<WorkloadName>().unwrap_err().to_string();
        assert!(error.contains("tpcz") && error.contains("place, flash"), "{error}");
    }
}
