//! The placement that nearly every one is, decided in one pass over its lines: all is right with it, its few lines are of
//! different SKUs, and each of those has one level, at the location that all of them share, with enough in it.
//! What is not so is left to `checkout` and `sourcing`, which say what is wrong or where else it ships from; a test holds
//! both ways to the same answers.

use orderline_protocol::LocationHandle;
use orderline_protocol::command::{OrderLine, PlaceOrder};
use orderline_protocol::limits::{LINE_QUANTITY_MAX, ORDER_TOTAL_MINOR_MAX, UNIT_PRICE_MINOR_MAX};

use super::State;

/// Up to here each line is compared with those before it.
const PLAIN_LINES_MAX: usize = 16;

impl State {
    /// The one location that an order can ship from, if its lines are right and plain. `None` says nothing about them.
    #[inline]
    pub(super) fn plain_location(
        &self,
        head: &PlaceOrder,
        lines: &[OrderLine],
        day: u32,
    ) -> Option<LocationHandle> {
        if lines.len() > PLAIN_LINES_MAX {
            return None;
        }
        let location = self.stock.only_row(self.catalogue.sku(lines.first()?.sku)?)?.location();
        let mut total_minor = 0_i64;
        let mut rest = lines;
        while let [line, behind @ ..] = rest {
            let sku = self.catalogue.sku(line.sku)?;
            let row = self.stock.only_row(sku)?;
            let (quantity, price_minor) = (line.quantity.get(), line.unit_price.minor());
            let is_right = sku.is_active()
                && sku.seller == head.seller
                && (sku.currency.get() == 0 || sku.currency == head.currency)
                && (1..=LINE_QUANTITY_MAX).contains(&quantity)
                && (1..=UNIT_PRICE_MINOR_MAX).contains(&price_minor);
            if !is_right || row.location() != location || row.available() < i64::from(quantity) {
                return None;
            }
            if behind.iter().any(|other| other.sku == line.sku) {
                return None;
            }
            total_minor = total_minor.checked_add(price_minor.checked_mul(quantity.into())?)?;
            rest = behind;
        }
        let takes_orders = self.catalogue.location(location)?.takes_orders(day);
        (takes_orders && total_minor <= ORDER_TOTAL_MINOR_MAX).then_some(location)
    }
}

#[cfg(test)]
mod tests {
    use orderline_protocol::command::{Bucket, DefineLocation, DefineSku};
    use orderline_protocol::event::DecidingRule;
    use orderline_protocol::{Amount, BuyerId, CurrencyCode, OrderId, SellerHandle, SkuHandle};

    use super::super::sourcing::{Sourced, SourcingScratch, day_of};
    use super::super::sourcing_reference::Numbers;
    use super::*;

    const NOW_US: i64 = 1_700_000_000_000_000;
    const SKUS: u32 = 24;

    /// Mostly plain, with one of everything that is not.
    fn some_world(numbers: &mut Numbers) -> State {
        let mut state = State::new(numbers.next());
        for place in 0..2 {
            let definition = DefineLocation {
                priority: 0.into(),
                daily_capacity: (numbers.below(3) as u32).into(),
                expected_version: 0.into(),
                region: 0.into(),
                standing: if numbers.is_one_in(8) { 2 } else { 1 },
                code_bytes: 0,
            };
            state.catalogue.set_location(place, 1, &format!("place {place}"), &definition);
            state.catalogue.restore_taken(place, day_of(NOW_US), numbers.below(2) as u32);
        }
        for number in 0..SKUS {
            let definition = DefineSku {
                seller: SellerHandle::new(u32::from(numbers.is_one_in(20))),
                backorder_cap: (if numbers.is_one_in(10) { 5 } else { 0 }).into(),
                currency: CurrencyCode::new([978, 826, 0][numbers.below(20).min(2) as usize]),
                standing: if numbers.is_one_in(20) { 2 } else { 1 },
                code_bytes: 0,
                expected_version: 0.into(),
            };
            state.catalogue.set_sku(number, 1, &format!("sku {number}"), &definition);
            let levels: &[u16] = match numbers.below(20) {
                0 => &[],
                1 => &[1],
                2 => &[0, 1],
                _ => &[0],
            };
            for &place in levels {
                let (sku, units) = (SkuHandle::new(number), numbers.below(2_000) as i64 - 20);
                let place = LocationHandle::new(place);
                state.stock.adjust(&mut state.catalogue, sku, place, Bucket::Available, units);
            }
        }
        state
    }

    fn some_lines(numbers: &mut Numbers) -> Vec<OrderLine> {
        let count = if numbers.is_one_in(10) { 15 + numbers.below(4) } else { numbers.below(5) };
        let first = numbers.below(SKUS.into());
        let line = |number: u64, numbers: &mut Numbers| {
            let sku =
                if numbers.is_one_in(10) { numbers.below(26) } else { (first + number) % u64::from(SKUS) };
            let quantity = match numbers.below(50) {
                0 => 0,
                1 => LINE_QUANTITY_MAX + 1,
                2 => LINE_QUANTITY_MAX,
                _ => 1 + numbers.below(9) as u32,
            };
            let price_minor = match numbers.below(50) {
                0 => 0,
                1 => -1,
                2 => i64::MAX,
                3 | 4 => UNIT_PRICE_MINOR_MAX,
                _ => 100,
            };
            let (sku, quantity) = (SkuHandle::new(sku as u32), quantity.into());
            OrderLine { sku, quantity, unit_price: Amount::new(price_minor) }
        };
        (0..count).map(|number| line(number, numbers)).collect()
    }

    #[test]
    fn what_is_plain_is_what_the_long_way_finds_at_once() {
        let seed = 20_262;
        let mut numbers = Numbers(seed);
        let mut scratch = SourcingScratch::default();
        let (mut plain_count, mut other_count) = (0, 0);
        for _ in 0..400 {
            let state = some_world(&mut numbers);
            for _ in 0..100 {
                let lines = some_lines(&mut numbers);
                let head = PlaceOrder {
                    order: OrderId::new(1),
                    buyer: BuyerId::new(1),
                    seller: SellerHandle::new(0),
                    currency: CurrencyCode::new(826),
                    line_count: (lines.len() as u16).into(),
                    region: 0.into(),
                    external_id_bytes: 0,
                };
                let found = state.plain_location(&head, &lines, day_of(NOW_US));
                let known: Vec<_> = lines.iter().filter_map(|line| state.catalogue.sku(line.sku)).collect();
                let are_plain = (1..=PLAIN_LINES_MAX).contains(&lines.len())
                    && (1..lines.len()).all(|at| lines[..at].iter().all(|line| line.sku != lines[at].sku))
                    && known.iter().all(|sku| sku.level_count == 1);
                let expected = match state.check_and_source(NOW_US, &head, &lines, &mut scratch) {
                    Ok(Sourced { location, rule: DecidingRule::OnlyChoice }) if are_plain => {
                        (!location.is_none()).then_some(location)
                    }
                    _ => None,
                };
                assert_eq!(found, expected, "seed {seed}: {lines:?}");
                *if found.is_some() { &mut plain_count } else { &mut other_count } += 1;
            }
        }
        assert!(plain_count > 5_000 && other_count > 5_000, "seed {seed}: {plain_count}, {other_count}");
    }
}
