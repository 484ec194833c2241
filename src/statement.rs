//! `orderline inspect --ledger SELLER`: a seller's ledger entry by entry. The core keeps sums, the journal has the entries;
//! here they are read out of it, and held against the sums that a replay gives.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, ErrorKind, Write};

use orderline_core::State;
use orderline_core::recovery;
use orderline_core::state::LedgerEntry;
use orderline_json::show;
use orderline_protocol::event::Event;
use orderline_protocol::reply::LedgerView;
use orderline_protocol::{CurrencyCode, EntryKind, OrderId, Sequence};
use serde_json::json;

use crate::offline;
use crate::progress::grouped;
use crate::verb::{Ending, Refusal, VerbResult};

/// An entry, and how far it is on its way to the seller.
struct Line {
    sequence: Sequence,
    recorded_at_us: i64,
    entry: LedgerEntry,
    /// When it became payable, in turns; none while its order is open, and of a payout.
    turn: Option<u64>,
}

/// The entries of one seller.
#[derive(Default)]
struct Statement {
    /// The seller's code.
    seller: String,
    lines: Vec<Line>,
    /// Turns so far: entries that became payable.
    turns: u64,
    /// The places of entries whose orders are open, by the orders' ids.
    accrued: BTreeMap<u128, Vec<usize>>,
}

impl Statement {
    fn of(seller: &str) -> Self {
        Self { seller: seller.to_owned(), ..Self::default() }
    }

    /// Takes the entries of an event, which has just been applied.
    fn note(&mut self, state: &State, sequence: Sequence, recorded_at_us: i64, event: &Event<'_>) {
        state.each_ledger_entry(event, |entry| {
            if state.seller_code(entry.seller) != Some(&self.seller) {
                return;
            }
            let place = self.lines.len();
            self.lines.push(Line { sequence, recorded_at_us, entry, turn: None });
            match entry.order {
                Some(order) if state.order_is_open(order) => {
                    self.accrued.entry(order.get()).or_default().push(place)
                }
                Some(_) => self.become_payable(place),
                None => {}
            }
        });
        state.each_finished(event, |order| {
            for place in self.accrued.remove(&order.get()).unwrap_or_default() {
                self.become_payable(place);
            }
        });
    }

    fn become_payable(&mut self, place: usize) {
        self.lines[place].turn = Some(self.turns);
        self.turns += 1;
    }

    /// The numbers of the currencies that there are entries in.
    fn currencies(&self) -> BTreeSet<u16> {
        self.lines.iter().map(|line| line.entry.currency.get()).collect()
    }

    /// The turn before which all entries in a currency are paid: first payable, first paid. Entries count with their signs, so
    /// it is the longest run of turns that comes to no more than what was paid out.
    fn paid_before(&self, currency: CurrencyCode) -> u64 {
        let own = self.lines.iter().filter(|line| line.entry.currency == currency);
        let (mut payable, mut paid) = (Vec::new(), 0);
        for line in own {
            match line.turn {
                Some(turn) => payable.push((turn, signed(&line.entry))),
                None if line.entry.kind == EntryKind::Payout => paid += i128::from(line.entry.amount),
                None => {}
            }
        }
        payable.sort_unstable();
        let (mut sum, mut before) = (0, 0);
        for (turn, amount) in payable {
            sum += amount;
            if sum <= paid {
                before = turn + 1;
            }
        }
        before
    }

    /// What the ledger in a currency must hold by the entries.
    fn sums(&self, currency: CurrencyCode) -> Sums {
        let mut sums = Sums::default();
        for line in self.lines.iter().filter(|line| line.entry.currency == currency) {
            let amount = i128::from(line.entry.amount);
            sums.entries += 1;
            *match line.entry.kind {
                EntryKind::Sale => &mut sums.sales,
                EntryKind::Commission => &mut sums.commissions,
                EntryKind::Refund => &mut sums.refunds,
                EntryKind::Reversal => &mut sums.reversals,
                EntryKind::Payout => &mut sums.paid,
            } += amount;
            let is_accrued = line.turn.is_none() && line.entry.kind != EntryKind::Payout;
            *(if is_accrued { &mut sums.accrued } else { &mut sums.payable }) += signed(&line.entry);
        }
        sums
    }
}

fn signed(entry: &LedgerEntry) -> i128 {
    entry.kind.signed(entry.amount).into()
}

/// The sums of a ledger, in minor units, and the number of its entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    entries: i128,
    sales: i128,
    commissions: i128,
    refunds: i128,
    reversals: i128,
    accrued: i128,
    payable: i128,
    paid: i128,
}

impl Sums {
    fn of(view: &LedgerView) -> Self {
        Self {
            entries: view.entry_count.get().into(),
            sales: view.sales.minor().into(),
            commissions: view.commissions.minor().into(),
            refunds: view.refunds.minor().into(),
            reversals: view.reversals.minor().into(),
            accrued: view.accrued.minor().into(),
            payable: view.payable.minor().into(),
            paid: view.paid.minor().into(),
        }
    }

    fn by_name(&self) -> [(&'static str, i128); 8] {
        [
            ("entries", self.entries),
            ("sales", self.sales),
            ("commissions", self.commissions),
            ("refunds", self.refunds),
            ("reversals", self.reversals),
            ("accrued", self.accrued),
            ("payable", self.payable),
            ("paid", self.paid),
        ]
    }

    /// What differs, each in words: what the entries add up to, and what the state has.
    fn differences(&self, state: &Self) -> Vec<String> {
        let pairs = self.by_name().into_iter().zip(state.by_name());
        let differing = pairs.filter(|((_, entries), (_, state))| entries != state);
        let words =
            |((what, entries), (_, state))| format!("{what}: {entries} by the entries, {state} in the state");
        differing.map(words).collect()
    }
}

/// Prints a seller's entries and checks them.
pub(crate) fn run(data: &std::path::Path, seller: &str) -> VerbResult {
    let mut offline = offline::open_earliest(data)?;
    if offline.snapshot_sequence > 0 {
        return Err(Refusal::new(format!(
            "the journal's first segments were removed and the entries before sequence {} with them; put the segments \
             back from a copy to read a ledger from its beginning",
            offline.state.sequence() + 1
        )));
    }
    let mut statement = Statement::of(seller);
    while let Some(batch) = offline.reader.next_batch(u64::MAX)? {
        for seen in batch.records() {
            let event = recovery::apply_seen(&mut offline.state, batch.recorded_at_us, &seen)?;
            statement.note(&offline.state, seen.sequence, batch.recorded_at_us, &event);
        }
    }
    let state = &offline.state;
    let Some(handle) = state.find_seller(seller) else {
        return Err(Refusal::new(format!("no seller has the code {seller:?}")));
    };
    print(&statement)?;
    let mut is_well = true;
    let mut currencies = statement.currencies();
    let own = state.ledgers().filter(|ledger| ledger.seller == handle);
    let own: BTreeMap<u16, Sums> = own.map(|view| (view.currency.get(), Sums::of(&view))).collect();
    currencies.extend(own.keys());
    for number in currencies {
        let (currency, held) = (CurrencyCode::new(number), own.get(&number).copied().unwrap_or_default());
        for difference in statement.sums(currency).differences(&held) {
            is_well = false;
            eprintln!("the ledger of {seller} in {currency:?} is not the sum of its entries: {difference}");
        }
    }
    eprintln!("{} entries up to sequence {}", grouped(statement.lines.len() as u64), state.sequence());
    Ok(Ending::well_if(is_well))
}

/// Prints an object a line, in the order of the sequences, for as long as somebody reads.
fn print(statement: &Statement) -> Result<(), Refusal> {
    let paid_before: BTreeMap<u16, u64> = statement
        .currencies()
        .into_iter()
        .map(|number| (number, statement.paid_before(CurrencyCode::new(number))))
        .collect();
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in &statement.lines {
        let entry = &line.entry;
        let standing = match line.turn {
            None if entry.kind == EntryKind::Payout => "paid",
            None => "accrued",
            Some(turn) if paid_before.get(&entry.currency.get()).is_some_and(|&before| turn < before) => {
                "paid"
            }
            Some(_) => "payable",
        };
        let value = json!({
            "sequence": line.sequence, "recorded_at": show::time(line.recorded_at_us),
            "happened_at": show::happened(entry.happened_at_us), "kind": entry.kind.name(),
            "order": show::id(entry.order.map_or(0, OrderId::get)),
            "amount_minor": entry.kind.signed(entry.amount), "currency": show::currency(entry.currency),
            "state": standing,
        });
        match writeln!(out, "{value}") {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    match out.flush() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use orderline_protocol::SellerHandle;

    use super::*;

    const POUNDS: CurrencyCode = CurrencyCode::new(826);

    fn line(kind: EntryKind, amount: i64, turn: Option<u64>) -> Line {
        let (seller, order) = (SellerHandle::new(0), (kind != EntryKind::Payout).then(|| OrderId::new(1)));
        let entry = LedgerEntry { seller, currency: POUNDS, order, kind, amount, happened_at_us: 0 };
        Line { sequence: 1, recorded_at_us: 0, entry, turn }
    }

    fn statement(lines: Vec<Line>) -> Statement {
        Statement { lines, ..Statement::of("acme") }
    }

    #[test]
    fn what_was_first_payable_is_first_paid() {
        use EntryKind::{Commission, Payout, Refund, Reversal, Sale};
        // Two orders, the later one finished first; a third one is open.
        let orders = || {
            vec![
                line(Sale, 100, Some(2)),
                line(Commission, 10, Some(3)),
                line(Sale, 50, Some(0)),
                line(Commission, 5, Some(1)),
                line(Sale, 70, None),
            ]
        };
        let paid_before = |paid: &[i64]| {
            let mut lines = orders();
            lines.extend(paid.iter().map(|&amount| line(Payout, amount, None)));
            statement(lines).paid_before(POUNDS)
        };
        assert_eq!(paid_before(&[]), 0);
        assert_eq!(
            paid_before(&[44]),
            0,
            "an order's worth and its commission are paid together, or not yet"
        );
        assert_eq!(paid_before(&[45]), 2);
        assert_eq!(paid_before(&[45, 89]), 2);
        assert_eq!(paid_before(&[45, 90]), 4);
        // A refund after the payout takes what was paid already: all of it is settled, and the seller owes.
        let mut lines = orders();
        lines.push(line(Payout, 135, None));
        lines.push(line(Refund, 60, Some(4)));
        lines.push(line(Reversal, 6, Some(5)));
        let statement = statement(lines);
        assert_eq!(statement.paid_before(POUNDS), 6);
        let sums = statement.sums(POUNDS);
        assert_eq!((sums.entries, sums.accrued, sums.payable, sums.paid), (8, 70, -54, 135));
        assert_eq!(sums.sales - sums.commissions - sums.refunds + sums.reversals, 70 - 54 + 135);
    }

    #[test]
    fn sums_that_differ_are_told_each_by_its_name() {
        let sums = statement(vec![line(EntryKind::Sale, 100, Some(0))]).sums(POUNDS);
        assert_eq!(sums.differences(&sums), Vec::<String>::new());
        let held = Sums { sales: 99, payable: 99, ..sums };
        let told = sums.differences(&held);
        assert_eq!(
            told,
            ["sales: 100 by the entries, 99 in the state", "payable: 100 by the entries, 99 in the state"]
        );
    }
}
