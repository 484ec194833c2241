//! Which transaction comes next, and the skewed choice of items and customers: as TPC-C's specification has them.

use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;

/// The kinds of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transaction {
    NewOrder,
    Payment,
    OrderStatus,
    Delivery,
    StockLevel,
}

impl Transaction {
    pub(super) const ALL: [Self; 5] =
        [Self::NewOrder, Self::Payment, Self::OrderStatus, Self::Delivery, Self::StockLevel];

    /// Of a hundred: the specification's least shares, and New-Order gets the rest.
    const fn share(self) -> usize {
        match self {
            Self::NewOrder => 45,
            Self::Payment => 43,
            Self::OrderStatus | Self::Delivery | Self::StockLevel => 4,
        }
    }

    /// Its name in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NewOrder => "new_order",
            Self::Payment => "payment",
            Self::OrderStatus => "order_status",
            Self::Delivery => "delivery",
            Self::StockLevel => "stock_level",
        }
    }
}

/// A hundred cards, as many of each transaction as its share, dealt and shuffled again: so the shares are exact.
pub(super) struct Deck {
    cards: Vec<Transaction>,
    dealt: usize,
}

impl Deck {
    pub(super) fn new() -> Self {
        let of_one = |one: Transaction| std::iter::repeat_n(one, one.share());
        let cards: Vec<_> = Transaction::ALL.into_iter().flat_map(of_one).collect();
        Self { dealt: cards.len(), cards }
    }

    pub(super) fn deal(&mut self, random: &mut SmallRng) -> Transaction {
        if self.dealt == self.cards.len() {
            self.cards.shuffle(random);
            self.dealt = 0;
        }
        self.dealt += 1;
        self.cards[self.dealt - 1]
    }
}

/// The specification's non-uniform random choice, `NURand(A, 1, count)`, counted from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct NuRand {
    a: u32,
    c: u32,
    count: u32,
}

impl NuRand {
    /// Among the customers of a district: A is 1023 for 3,000 of them.
    pub(super) fn of_customers(count: u32, random: &mut SmallRng) -> Self {
        Self::new(count, 3_000 / 1_024, random)
    }

    /// Among items: A is 8191 for 100,000 of them.
    pub(super) fn of_items(count: u32, random: &mut SmallRng) -> Self {
        Self::new(count, 100_000 / 8_192, random)
    }

    /// For other counts A is in proportion, and one less than a power of two, as the specification's are.
    fn new(count: u32, ratio: u32, random: &mut SmallRng) -> Self {
        let power = (count / ratio).checked_ilog2().map_or(1, |log| 1 << log);
        let a = power - 1;
        Self { a, c: random.random_range(0..=a), count }
    }

    #[inline]
    pub(super) fn choose(&self, random: &mut SmallRng) -> u32 {
        let skewed = random.random_range(0..=self.a) | random.random_range(1..=self.count);
        (skewed + self.c) % self.count
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_hundred_transactions_have_exactly_their_shares() {
        let mut random = SmallRng::seed_from_u64(1);
        let mut deck = Deck::new();
        for _ in 0..20 {
            let dealt: Vec<_> = (0..100).map(|_| deck.deal(&mut random)).collect();
            let count = |one| dealt.iter().filter(|&&dealt| dealt == one).count();
            assert_eq!(Transaction::ALL.map(count), [45, 43, 4, 4, 4]);
        }
    }

    #[test]
    fn the_choice_is_the_specifications_at_its_counts() {
        let mut random = SmallRng::seed_from_u64(2);
        assert_eq!(NuRand::of_items(100_000, &mut random).a, 8_191);
        assert_eq!(NuRand::of_customers(3_000, &mut random).a, 1_023);
    }

    #[test]
    fn the_choice_is_skewed_and_stays_within_bounds() {
        for count in [1, 5, 12, 100, 100_000] {
            let mut random = SmallRng::seed_from_u64(3);
            let choice = NuRand::of_items(count, &mut random);
            assert!((0..10_000).all(|_| choice.choose(&mut random) < count), "{count}");
        }
        let mut random = SmallRng::seed_from_u64(4);
        let choice = NuRand::of_items(1_000, &mut random);
        let mut counts = [0_u32; 1_000];
        for _ in 0..100_000 {
            counts[choice.choose(&mut random) as usize] += 1;
        }
        counts.sort_unstable();
        let (rare, frequent): (u32, u32) = (counts[..500].iter().sum(), counts[500..].iter().sum());
        assert!(frequent > rare * 3 / 2, "{frequent} fell on one half, {rare} on the other");
    }
}
