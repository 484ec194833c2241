//! Which SKU an order's line asks for.

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_distr::Distribution;
use rand_distr::weighted::WeightedAliasIndex;

use crate::options::Skew;

/// Chooses among `skus` SKUs in constant time, however skewed the choice.
pub(crate) struct Popularity {
    skus: u32,
    /// `None` where all are alike.
    table: Option<WeightedAliasIndex<f64>>,
}

impl Popularity {
    /// The SKUs' weights are dealt out by `seed`: popular SKUs do not lie side by side in anybody's tables, as
    /// they would not in a shop.
    pub(crate) fn new(skew: Skew, skus: u32, seed: u64) -> Self {
        let table = match skew {
            Skew::Uniform => None,
            Skew::Zipf { exponent } => {
                let mut weights: Vec<f64> = (1..=skus).map(|rank| f64::from(rank).powf(-exponent)).collect();
                weights.shuffle(&mut SmallRng::seed_from_u64(seed));
                // Weights are between 0 and 1 and the first is 1, so nothing of what the table refuses is there;
                // should rounding make it so all the same, uniform is the honest rest.
                WeightedAliasIndex::new(weights).ok()
            }
        };
        Self { skus, table }
    }

    /// The index of a SKU.
    #[inline]
    pub(crate) fn choose(&self, random: &mut SmallRng) -> u32 {
        match &self.table {
            Some(table) => table.sample(random) as u32,
            None => random.random_range(0..self.skus),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLES: u32 = 400_000;

    /// Samples, counts, and gives the counts from the most to the least popular SKU.
    fn counts(skew: Skew, skus: u32) -> Vec<u32> {
        let popularity = Popularity::new(skew, skus, 7);
        let mut random = SmallRng::seed_from_u64(11);
        let mut counts = vec![0; skus as usize];
        for _ in 0..SAMPLES {
            counts[popularity.choose(&mut random) as usize] += 1;
        }
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts
    }

    /// Chi-square of the counts against Zipf with this exponent.
    fn chi_square(counts: &[u32], exponent: f64) -> f64 {
        let sum: f64 = (1..=counts.len()).map(|rank| (rank as f64).powf(-exponent)).sum();
        let expected = |rank: usize| f64::from(SAMPLES) * (rank as f64).powf(-exponent) / sum;
        counts
            .iter()
            .enumerate()
            .map(|(index, &count)| {
                let expected = expected(index + 1);
                (f64::from(count) - expected).powi(2) / expected
            })
            .sum()
    }

    #[test]
    fn zipf_has_its_exact_shape() {
        // 49 degrees of freedom: above 85.4 in one of a thousand fair draws. Sorting by count instead of by rank
        // only lowers it.
        let counts = counts(Skew::Zipf { exponent: 0.99 }, 50);
        let (right, wrong) = (chi_square(&counts, 0.99), chi_square(&counts, 0.95));
        assert!(right < 85.4, "chi-square {right}");
        assert!(wrong > 300.0, "a wrong exponent must not pass: chi-square {wrong}");
    }

    #[test]
    fn uniform_is_flat() {
        let counts = counts(Skew::Uniform, 50);
        let chi_square = chi_square(&counts, 0.0);
        assert!(chi_square < 85.4, "chi-square {chi_square}");
    }

    #[test]
    fn popular_skus_do_not_lie_side_by_side() {
        let popularity = Popularity::new(Skew::Zipf { exponent: 2.0 }, 1_000, 3);
        let mut random = SmallRng::seed_from_u64(1);
        let first = (0..1_000).filter(|_| popularity.choose(&mut random) < 3).count();
        assert!(first < 500, "the first three SKUs took {first} of 1,000");
    }

    #[test]
    fn the_same_seed_gives_the_same_orders() {
        let draw = |seed| {
            let popularity = Popularity::new(Skew::Zipf { exponent: 0.99 }, 1_000, seed);
            let mut random = SmallRng::seed_from_u64(seed);
            (0..100).map(|_| popularity.choose(&mut random)).collect::<Vec<_>>()
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
    }
}
