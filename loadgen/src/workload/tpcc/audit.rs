//! Whether the core's books are what the acknowledgements of a run add up to: TPC-C's consistency conditions, as far as
//! they map. Everything is asked for, nothing is taken from the generator's own sums but what it was told.
//!
//! The seller and the SKUs are this workload's alone, so the conditions hold to the unit as long as no other run of it
//! speaks to the same server meanwhile, no order of the run has left the server's memory, and the policies let no
//! pending order of an earlier run expire.

use std::collections::{BTreeMap, HashMap};

use orderline_client::{Client, ClientError};
use orderline_protocol::command::{QueryLedger, QueryOrder, QueryStock};
use orderline_protocol::event::Allocation;
use orderline_protocol::lifecycle::ShipmentState;
use orderline_protocol::reply::{LedgerView, LevelView, LineView, OrderParts, OrderView};
use orderline_protocol::{Command, LocationHandle, RejectCode, Reply, SellerHandle, SkuHandle};

use super::Tpcc;
use crate::goods::Catalogue;
use crate::setup::CURRENCY;

/// The conditions' names in reports.
pub(super) const CONDITIONS: [&str; 7] = [
    "orders_placed_are_orders_acknowledged",
    "order_lines_are_lines_counted",
    "money_captured_is_payments_made",
    "stock_gone_is_units_shipped",
    "stock_promised_is_what_orders_hold",
    "rolled_back_orders_left_nothing",
    "order_status_saw_what_was_acknowledged",
];

/// Problems told in full; more are only counted.
const PROBLEMS_TOLD: usize = 10;

/// The levels of this shop, numbered: SKU by SKU, each location of it.
struct Levels {
    skus: Vec<SkuHandle>,
    locations: Vec<LocationHandle>,
    by_sku: HashMap<SkuHandle, usize>,
}

impl Levels {
    fn len(&self) -> usize {
        self.skus.len() * self.locations.len()
    }

    /// A level's number; `None` for one that is none of this shop's.
    fn number(&self, sku: SkuHandle, location: LocationHandle) -> Option<usize> {
        let location = self.locations.iter().position(|&one| one == location)?;
        Some(self.by_sku.get(&sku)? * self.locations.len() + location)
    }

    /// Adds the units of lines to their levels' figures; returns those at levels that are none of this shop's.
    fn add_units(&self, figures: &mut [i64], lines: &[LineView], units: &[Allocation]) -> u64 {
        let mut astray = 0;
        for part in units {
            let line = lines.get(usize::from(part.line.get()));
            match line.and_then(|line| self.number(line.line.sku, part.location)) {
                Some(level) => figures[level] += i64::from(part.quantity.get()),
                None => astray += u64::from(part.quantity.get()),
            }
        }
        astray
    }
}

/// How stock and money stand at a moment.
struct Stand {
    /// By level.
    on_hand: Vec<i64>,
    /// By level: reserved and committed.
    promised: Vec<i64>,
    /// The seller's sales so far, in minor units.
    sales_minor: i64,
}

impl Stand {
    fn ask(client: &mut Client, levels: &Levels, seller: SellerHandle) -> Result<Self, ClientError> {
        let mut stand =
            Self { on_hand: vec![0; levels.len()], promised: vec![0; levels.len()], sales_minor: 0 };
        let submit = |client: &mut Client, &sku: &SkuHandle| {
            client.submit(&Command::QueryStock(&QueryStock { sku, location: LocationHandle::NONE }))
        };
        let on_reply = |_: usize, reply: Reply<'_>| {
            // What cannot be read counts as nothing, and so breaks the condition.
            for level in LevelView::read_all(reply.view).unwrap_or_default() {
                let promised = (level.reserved.get() + level.committed.get()) as i64;
                let put_aside = (level.safety.get() + level.damaged.get() + level.quality_hold.get()) as i64;
                // Levels at locations of other runs are nobody's here.
                if let Some(number) = levels.number(level.sku, level.location) {
                    stand.on_hand[number] = level.available.get() + promised + put_aside;
                    stand.promised[number] = promised;
                }
            }
        };
        client.call_all(&levels.skus, submit, on_reply)?;
        let query = QueryLedger { seller, currency: CURRENCY, reserved: [0; 2] };
        let ledger = client.call(&Command::QueryLedger(&query))?;
        // A seller that never sold may have no ledger yet.
        stand.sales_minor = LedgerView::read(&ledger.view).map_or(0, |ledger| ledger.sales.minor());
        Ok(stand)
    }
}

/// How everything stood before the run.
pub(super) struct Before {
    levels: Levels,
    stand: Stand,
}

impl Before {
    pub(super) fn ask(client: &mut Client, catalogue: &Catalogue) -> Result<Self, ClientError> {
        let levels = Levels {
            skus: catalogue.skus.clone(),
            locations: catalogue.locations.clone(),
            by_sku: catalogue.skus.iter().copied().zip(0..).collect(),
        };
        let stand = Stand::ask(client, &levels, catalogue.sellers[0])?;
        Ok(Self { levels, stand })
    }
}

/// What the server has of a run.
pub(super) struct Found {
    /// Orders that are not there, or not as they were acknowledged.
    wrong_orders: u64,
    lines: u64,
    units: u64,
    captured_minor: i64,
    /// Orders for which another amount was captured than was acknowledged.
    wrong_captures: u64,
    /// Units that have left, by level.
    shipped: Vec<i64>,
    /// Units that orders still have, by level.
    open: Vec<i64>,
    /// Units at levels that are none of this shop's.
    astray: u64,
    /// Refused orders that are there all the same, or have left something.
    leftovers: u64,
    after: Stand,
    problems: Problems,
}

#[derive(Default)]
struct Problems {
    told: Vec<String>,
    count: usize,
}

impl Problems {
    fn add(&mut self, problem: impl FnOnce() -> String) {
        self.count += 1;
        if self.told.len() < PROBLEMS_TOLD {
            self.told.push(problem());
        }
    }

    fn all(mut self) -> Vec<String> {
        if self.count > self.told.len() {
            self.told.push(format!("and {} more", self.count - self.told.len()));
        }
        self.told
    }
}

/// Asks for every order of the run, those that were refused included, then for all levels and the ledger.
pub(super) fn ask(tpcc: &Tpcc, client: &mut Client) -> Result<Found, ClientError> {
    let levels = &tpcc.before.levels;
    let after = Stand::ask(client, levels, tpcc.catalogue.sellers[0])?;
    let mut found = Found {
        wrong_orders: 0,
        lines: 0,
        units: 0,
        captured_minor: 0,
        wrong_captures: 0,
        shipped: vec![0; levels.len()],
        open: vec![0; levels.len()],
        astray: 0,
        leftovers: 0,
        after,
        problems: Problems::default(),
    };
    let entries = tpcc.book.entries();
    let submit = |client: &mut Client, order| client.submit(&Command::QueryOrder(&QueryOrder { order }));
    let on_reply = |index: usize, reply: Reply<'_>| {
        let entry = &entries[index];
        let Ok(view) = OrderView::read(reply.view) else {
            found.wrong_orders += 1;
            let code = RejectCode::from_number(reply.header.code.get());
            let why = code.map_or("its view cannot be read", RejectCode::text);
            return found.problems.add(|| format!("order {} was acknowledged: {why}", entry.order));
        };
        let units: u64 = view.lines.iter().map(|line| u64::from(line.line.quantity.get())).sum();
        found.lines += view.lines.len() as u64;
        found.units += units;
        let head = view.head;
        let is_the_same = (head.order, head.total.minor()) == (entry.order, entry.total_minor)
            && (view.lines.len(), units) == (entry.lines.into(), entry.units.into());
        if !is_the_same {
            found.wrong_orders += 1;
            found.problems.add(|| format!("order {} is not as it was acknowledged", entry.order));
        }
        found.captured_minor += head.captured.minor();
        if head.captured.minor() != entry.captured_minor {
            found.wrong_captures += 1;
            found.problems.add(|| {
                let (there, told) = (head.captured, entry.captured_minor);
                format!("{there:?} minor units were captured for order {}, {told} acknowledged", entry.order)
            });
        }
        found.add_units(levels, &view);
    };
    client.call_all(entries.iter().map(|entry| entry.order), submit, on_reply)?;
    let on_reply = |index: usize, reply: Reply<'_>| {
        if reply.header.code.get() != RejectCode::UnknownOrder as u16 {
            found.leftovers += 1;
            found.problems.add(|| format!("order {} was refused and is known", tpcc.refused[index]));
        }
    };
    client.call_all(tpcc.refused.iter().copied(), submit, on_reply)?;
    Ok(found)
}

impl Found {
    /// Adds up where an order's units are, or were.
    fn add_units(&mut self, levels: &Levels, view: &OrderParts<'_>) {
        let OrderParts { lines, allocations, shipments, shipment_parts, .. } = *view;
        self.astray += levels.add_units(&mut self.open, lines, allocations);
        let mut parts = shipment_parts;
        for shipment in shipments {
            let count = usize::from(shipment.part_count.get()).min(parts.len());
            let (of_this, others) = parts.split_at(count);
            parts = others;
            let state = ShipmentState::from_number(shipment.state);
            if !matches!(state, Some(ShipmentState::Created | ShipmentState::Cancelled)) {
                self.astray += levels.add_units(&mut self.shipped, lines, of_this);
            }
        }
    }

    /// Each condition and whether it holds, and what is wrong.
    pub(super) fn judge(mut self, tpcc: &Tpcc) -> (BTreeMap<&'static str, bool>, Vec<String>) {
        let entries = tpcc.book.entries();
        let lines: u64 = entries.iter().map(|entry| u64::from(entry.lines)).sum();
        let units: u64 = entries.iter().map(|entry| u64::from(entry.units)).sum();
        let captured: i64 = entries.iter().map(|entry| entry.captured_minor).sum();
        let sales = self.after.sales_minor - tpcc.before.stand.sales_minor;
        if sales != captured {
            self.problems.add(|| format!("the ledger took in {sales} minor units, {captured} were captured"));
        }
        if tpcc.wrongly_accepted > 0 {
            self.problems.add(|| format!("{} orders of an unused item were accepted", tpcc.wrongly_accepted));
        }
        let (gone_wrong, promised_wrong) = self.count_wrong_levels(&tpcc.before);
        let shipped: i64 = self.shipped.iter().sum();
        let holds = [
            self.wrong_orders == 0,
            (self.lines, self.units) == (lines, units),
            self.wrong_captures == 0 && self.captured_minor == captured && sales == captured,
            gone_wrong == 0 && self.astray == 0 && shipped == tpcc.units_shipped as i64,
            promised_wrong == 0 && self.astray == 0,
            // What a refused order had left at a level, no acknowledged order would account for.
            self.leftovers == 0 && tpcc.wrongly_accepted == 0 && promised_wrong == 0,
            tpcc.status_wrong == 0,
        ];
        (CONDITIONS.into_iter().zip(holds).collect(), self.problems.all())
    }

    /// Levels where more or less is gone than was shipped, and levels where more or less is promised than orders have.
    fn count_wrong_levels(&mut self, before: &Before) -> (u64, u64) {
        let Before { levels, stand } = before;
        let (mut gone_wrong, mut promised_wrong) = (0, 0);
        for level in 0..levels.len() {
            let gone = stand.on_hand[level] - self.after.on_hand[level];
            let promised = self.after.promised[level] - stand.promised[level];
            let (shipped, open) = (self.shipped[level], self.open[level]);
            gone_wrong += u64::from(gone != shipped);
            promised_wrong += u64::from(promised != open);
            if (gone, promised) != (shipped, open) {
                let sku = levels.skus[level / levels.locations.len()];
                let location = levels.locations[level % levels.locations.len()];
                self.problems.add(|| {
                    format!(
                        "of SKU {sku} at location {location} {gone} units are gone and {promised} more promised, \
                         orders account for {shipped} and {open}"
                    )
                });
            }
        }
        (gone_wrong, promised_wrong)
    }
}
