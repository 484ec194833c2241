//! The workload `place`: orders over the whole catalogue.

use std::collections::VecDeque;

use orderline_protocol::command::CommandKind;
use orderline_protocol::{Command, OrderId};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::Workload;
use super::draft::Draft;
use crate::goods::{Catalogue, Goods};
use crate::ids::Ids;
use crate::observer::Observer;
use crate::options::LoadOptions;
use crate::outcomes::{Answer, Outcomes};
use crate::setup::CURRENCY;
use crate::window::Sent;

/// Orders of one seller each, of distinct SKUs, one unit of each.
pub(crate) struct Place {
    ids: Ids,
    goods: Goods,
    random: SmallRng,
    draft: Draft,
}

impl Place {
    pub(crate) fn new(options: &LoadOptions, catalogue: Catalogue, ids: Ids) -> Self {
        Self {
            ids,
            goods: Goods::new(options, catalogue),
            random: SmallRng::seed_from_u64(options.seed),
            draft: Draft::new(CURRENCY),
        }
    }

    pub(super) fn goods(&self) -> &Goods {
        &self.goods
    }

    /// Makes the next order, under this id.
    #[inline]
    pub(super) fn next(&mut self, order: OrderId) -> Command<'_> {
        let Self { goods, random, draft, .. } = self;
        draft.head.order = order;
        draft.head.buyer = goods.choose_buyer(random);
        let seller = goods.choose_seller(random);
        draft.head.seller = goods.seller(seller);
        draft.head.region = goods.choose_region(random).into();
        draft.head.line_count = goods.lines().into();
        draft.lines.clear();
        goods.choose_lines(seller, random, &mut draft.lines);
        draft.command()
    }
}

impl Workload for Place {
    type Step = ();

    #[inline]
    fn kind((): ()) -> CommandKind {
        CommandKind::PlaceOrder
    }

    #[inline]
    fn orders(&self, (): ()) -> u32 {
        1
    }

    #[inline]
    fn begin(&mut self, _start: u64, _start_ns: u64, _waiting: &mut VecDeque<Sent<()>>) -> Option<()> {
        Some(())
    }

    #[inline]
    fn write<R>(&mut self, sent: &Sent<()>, sink: impl FnOnce(&Command<'_>) -> R) -> R {
        let order = self.ids.order(sent.start, sent.start_ns);
        sink(&self.next(order))
    }

    #[inline]
    fn answered<O: Observer>(
        &mut self,
        answer: &Answer<'_, ()>,
        outcomes: &mut Outcomes<'_, O>,
        _waiting: &mut VecDeque<Sent<()>>,
    ) {
        outcomes.placed(answer, 1);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::goods::tests::{catalogue, options};

    #[test]
    fn every_order_is_one_sellers_and_goes_to_a_region_of_a_location() {
        let mut place = Place::new(&options(4, 100), catalogue(10, 10, 1_000), Ids::random());
        let (mut sellers, mut regions) = (HashSet::new(), HashSet::new());
        for start in 0..500 {
            let order = place.ids.order(start, 7_000_000);
            place.write(&Sent { start, start_ns: 7_000_000, step: () }, |command| {
                let Command::PlaceOrder(head, lines, _) = command else { panic!("{command:?}") };
                assert_eq!((head.order, usize::from(head.line_count.get()), lines.len()), (order, 4, 4));
                assert!(lines.iter().all(|line| line.sku.get() / 100 == head.seller.get()));
                sellers.insert(head.seller);
                regions.insert(head.region.get());
            });
        }
        assert_eq!((sellers.len(), regions.len()), (10, 10));
        assert!(!regions.contains(&0));
    }

    #[test]
    fn one_seller_and_one_location_leave_nothing_to_choose() {
        let mut place = Place::new(&options(4, 100), catalogue(1, 1, 100), Ids::random());
        let Command::PlaceOrder(head, _, _) = place.next(OrderId::new(5)) else { panic!() };
        assert_eq!((head.order, head.seller.get(), head.region.get()), (OrderId::new(5), 0, 0));
    }
}
