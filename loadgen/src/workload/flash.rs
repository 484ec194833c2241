//! The workload `flash`: every buyer wants the same, and there is little of it.

use std::collections::{BTreeMap, VecDeque};

use orderline_protocol::command::{CommandKind, OrderLine};
use orderline_protocol::{Command, RejectCode, SkuHandle};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::draft::Draft;
use super::{Conclusion, End, Workload};
use crate::goods::{Catalogue, Goods, unit_price};
use crate::ids::Ids;
use crate::observer::Observer;
use crate::options::LoadOptions;
use crate::outcomes::{Answer, Outcomes};
use crate::particulars::{FlashReport, Particulars, SequenceRange};
use crate::setup::CURRENCY;
use crate::window::Sent;

/// Orders of one unit of the one SKU on sale.
pub(crate) struct Flash {
    ids: Ids,
    goods: Goods,
    stock: u64,
    random: SmallRng,
    draft: Draft,
    sold_at: Option<SequenceRange>,
    /// For each loser, in the order of the answers, the sequence at which it was told that it had lost; 0: it was told
    /// none.
    lost_at: Vec<u64>,
}

impl Flash {
    /// `catalogue` is the one SKU, of which there are as many units as the options say.
    pub(crate) fn new(options: &LoadOptions, catalogue: Catalogue, ids: Ids) -> Self {
        let sku = catalogue.skus.first().copied().unwrap_or(SkuHandle::NONE);
        let mut draft = Draft::new(CURRENCY);
        draft.head.line_count = 1.into();
        draft.lines.push(OrderLine { sku, quantity: 1.into(), unit_price: unit_price(0) });
        let goods = Goods::new(&LoadOptions { lines: 1, ..options.clone() }, catalogue);
        draft.head.seller = goods.seller(0);
        Self {
            ids,
            goods,
            stock: options.flash_stock,
            random: SmallRng::seed_from_u64(options.seed),
            draft,
            sold_at: None,
            lost_at: Vec::new(),
        }
    }
}

impl Workload for Flash {
    type Step = ();

    fn kind((): ()) -> CommandKind {
        CommandKind::PlaceOrder
    }

    fn orders(&self, (): ()) -> u32 {
        1
    }

    fn begin(&mut self, _start: u64, _start_ns: u64, _waiting: &mut VecDeque<Sent<()>>) -> Option<()> {
        Some(())
    }

    fn write<R>(&mut self, sent: &Sent<()>, sink: impl FnOnce(&Command<'_>) -> R) -> R {
        self.draft.head.order = self.ids.order(sent.start, sent.start_ns);
        self.draft.head.buyer = self.goods.choose_buyer(&mut self.random);
        sink(&self.draft.command())
    }

    fn answered<O: Observer>(
        &mut self,
        answer: &Answer<'_, ()>,
        outcomes: &mut Outcomes<'_, O>,
        _waiting: &mut VecDeque<Sent<()>>,
    ) {
        let sequence = answer.reply.header.sequence.get();
        if outcomes.placed(answer, 1) {
            SequenceRange::extend(&mut self.sold_at, sequence);
        } else if answer.reply.header.code.get() == RejectCode::InsufficientStock as u16 {
            self.lost_at.push(sequence);
        }
    }

    /// Exactly as many are sold as there are units, or buyers if these are fewer; where answers are missing, that many
    /// more may have been. Nobody can have lost before the last unit was sold.
    fn conclude(self, end: &mut End<'_>) -> Conclusion {
        let expected = self.stock.min(end.sent);
        let mut lost_at = None;
        for &sequence in self.lost_at.iter().filter(|&&sequence| sequence > 0) {
            SequenceRange::extend(&mut lost_at, sequence);
        }
        let is_sold_exactly = end.acked <= expected && end.acked + end.unknown >= expected;
        let is_everyone_told = self.lost_at.iter().all(|&sequence| sequence > 0);
        let is_nobody_early = match (&self.sold_at, &lost_at) {
            (Some(sold_at), Some(lost_at)) => lost_at.first >= sold_at.last,
            _ => true,
        };
        let checks = BTreeMap::from([
            ("sold_exactly", is_sold_exactly),
            ("every_loser_was_told_a_sequence", is_everyone_told),
            ("nobody_lost_before_the_last_was_sold", is_nobody_early),
        ]);
        let mut problems = Vec::new();
        if !is_sold_exactly {
            problems.push(format!(
                "{} were sold ({} answers are missing) where {} units met {} buyers",
                end.acked, end.unknown, self.stock, end.sent
            ));
        }
        let report = FlashReport {
            stock: self.stock,
            sold: end.acked,
            sold_at_sequence: self.sold_at,
            losers: self.lost_at.len() as u64,
            lost_at_sequence: lost_at,
        };
        Conclusion { particulars: Some(Particulars::Flash(report)), checks, problems }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::goods::tests::{catalogue, options};

    fn flash(stock: u64) -> Flash {
        let options = LoadOptions { flash_stock: stock, ..options(4, 5) };
        let one = Catalogue { skus: vec![SkuHandle::new(9)], ..catalogue(1, 1, 1) };
        Flash::new(&options, one, Ids::random())
    }

    #[test]
    fn every_buyer_of_a_flash_sale_wants_the_same() {
        let mut flash = flash(10);
        let mut buyers = HashSet::new();
        for start in 0..100 {
            flash.write(&Sent { start, start_ns: 0, step: () }, |command| {
                let Command::PlaceOrder(head, lines, _) = command else { panic!("{command:?}") };
                assert_eq!((lines.len(), lines[0].sku), (1, SkuHandle::new(9)));
                buyers.insert(head.buyer);
            });
        }
        assert!(buyers.len() > 90, "{} buyers", buyers.len());
    }

    #[test]
    fn a_sale_is_judged_by_what_was_sold_and_what_the_losers_were_told() {
        let judge = |sent, acked, unknown, sold_at: Option<(u64, u64)>, lost_at: &[u64]| {
            let mut flash = flash(10);
            flash.sold_at = sold_at.map(|(first, last)| SequenceRange { first, last });
            flash.lost_at = lost_at.to_vec();
            let mut end = End { client: None, sent, acked, unknown, seconds: 1.0 };
            let checks = flash.conclude(&mut end).checks;
            ["sold_exactly", "every_loser_was_told_a_sequence", "nobody_lost_before_the_last_was_sold"]
                .map(|check| checks[check])
        };
        assert_eq!(judge(13, 10, 0, Some((5, 14)), &[14, 20, 14]), [true; 3]);
        assert_eq!(judge(7, 7, 0, Some((5, 11)), &[]), [true; 3], "fewer buyers than units");
        assert_eq!(judge(13, 11, 0, Some((5, 15)), &[20, 20]), [false, true, true], "one too many");
        assert_eq!(judge(13, 9, 0, Some((5, 13)), &[20; 4]), [false, true, true], "one too few");
        assert_eq!(judge(13, 9, 1, Some((5, 13)), &[20; 3]), [true; 3], "one may have been sold");
        assert_eq!(judge(13, 10, 0, Some((5, 14)), &[14, 0, 20]), [true, false, true]);
        assert_eq!(judge(13, 10, 0, Some((5, 14)), &[13, 14, 20]), [true, true, false]);
    }
}
