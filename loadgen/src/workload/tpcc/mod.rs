//! The workload `tpcc`: an order-entry mix in the shape of TPC-C's. It is not TPC-C, and what it measures is no TPC
//! result: there are no terminals with keying and think times, no scaling with the rate, no audit by anybody.
//!
//! What stands for what:
//!
//! - A *warehouse* is a location, and an item's *stock* in it is the inventory level of one SKU there: the one row that
//!   both TPC-C and this core change for each line. Were warehouses sellers, each item would be ten SKUs and no order
//!   could ever be filled from another warehouse. One seller sells everything. Each location ships from a region of its
//!   own and an order goes to the region of its home warehouse, so by the default rules that is where it is sourced from
//!   as long as the warehouse has everything; TPC-C's 1 % of lines from a remote warehouse are for the core to decide.
//! - A *district*, ten to a warehouse, and a *customer*, 3,000 to a district, are the front end's: the generator keeps
//!   which orders are whose. Customers are the orders' buyers.
//! - *New-Order* is a placement of 5 to 15 lines of 1 to 10 units, items chosen by NURand. One in a hundred asks for an
//!   unused item in its last line, and must be refused as a whole.
//! - *Payment* records an authorisation and a capture of the whole of a random unpaid order of the district (of the next
//!   district that has one, where there is none). What warehouses and districts have taken in is the seller's ledger.
//! - *Order-Status* asks for a customer's last order, chosen by NURand among the district's customers; where that
//!   customer has not ordered in this run, for the district's newest.
//! - *Delivery* confirms, ships and delivers the oldest order of each of a warehouse's ten districts that was not
//!   delivered yet, the ten side by side, the steps of each one after the other.
//! - *Stock-Level* asks, one by one, for the levels of the SKUs of a district's last 20 orders at its warehouse, and
//!   counts those below a threshold. Stock begins at a thousand times TPC-C's 10 to 100 units, and the threshold of 10 to
//!   20 is as many times higher, because nothing replenishes stock during a run.
//!
//! Transactions come in the specification's least shares. Each is on one connection; its commands go out when the ones
//! before are answered. Before the run some orders are placed in every district, so that there is something to pay, to
//! ask for and to deliver; they are neither counted as sent nor told to the observer. After the run, the conditions of
//! `audit` are asked for.

mod audit;
mod book;
mod mix;

use std::collections::{BTreeMap, VecDeque};

use orderline_client::{Client, ClientError};
use orderline_protocol::command::{CommandKind, OrderLine, QueryOrder, QueryStock};
use orderline_protocol::reply::OrderView;
use orderline_protocol::{Amount, BuyerId, Command, OrderId, RejectCode, Reply, SkuHandle};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use self::audit::Before;
use self::book::{Book, Entry, LINES_MAX};
use self::mix::{Deck, NuRand, Transaction};
use super::draft::Draft;
use super::life::{TRACKING, authorization, capture, confirmation, delivery, shipment};
use super::{Conclusion, End, Workload};
use crate::error::LoadError;
use crate::goods::{Catalogue, unit_price};
use crate::ids::Ids;
use crate::observer::Observer;
use crate::options::LoadOptions;
use crate::outcomes::{Answer, Outcomes};
use crate::particulars::{Particulars, TpccReport, TransactionReport};
use crate::setup::CURRENCY;
use crate::tally::Latencies;
use crate::window::Sent;

/// Warehouses, where nothing else is said.
pub(crate) const WAREHOUSES: u16 = 10;

/// Districts of a warehouse.
const DISTRICTS: usize = 10;

/// Customers of a district.
const CUSTOMERS: usize = 3_000;

/// Orders placed in each district before the run, at least.
const INITIAL_ORDERS_MIN: u64 = 20;

/// Indexes of these orders begin here: no run begins as many transactions.
const INITIAL_ORDERS_FROM: u64 = 1 << 40;

/// An item that nobody has defined.
const UNUSED_ITEM: SkuHandle = SkuHandle::new(u32::MAX - 1);

/// Units that stand for one of the specification's.
const SCALE: i64 = 1_000;

/// What of a transaction is on its way; orders by their index in the book, batches by theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Step {
    #[default]
    NewOrder,
    Authorize {
        order: u32,
    },
    Capture {
        order: u32,
    },
    Status {
        order: u32,
    },
    Confirm {
        batch: u32,
        order: u32,
    },
    Ship {
        batch: u32,
        order: u32,
    },
    Deliver {
        batch: u32,
        order: u32,
        shipment: u16,
    },
    Level {
        batch: u32,
        item: u32,
    },
}

/// A transaction of several commands side by side.
#[derive(Debug, Clone, Copy)]
struct Batch {
    /// Parts that are not at their end.
    left: u32,
    is_failed: bool,
    /// Stock-Level: where the levels are, and below how many available units they are low.
    warehouse: usize,
    threshold: i64,
}

/// Of one kind of transaction.
struct Count {
    report: TransactionReport,
    latencies: Latencies,
}

/// The mix.
pub(crate) struct Tpcc {
    ids: Ids,
    seed: u64,
    catalogue: Catalogue,
    random: SmallRng,
    deck: Deck,
    items: NuRand,
    customers: NuRand,
    draft: Draft,
    /// The items of the draft's lines.
    drafted: Vec<u32>,
    book: Book,
    batches: Vec<Batch>,
    free_batches: Vec<u32>,
    counts: [Count; 5],
    /// Every New-Order that was refused, meant or not: none of them may have left anything.
    refused: Vec<OrderId>,
    /// New-Orders refused as they were meant to be.
    rolled_back: u64,
    /// New-Orders accepted that asked for an unused item.
    wrongly_accepted: u64,
    /// Orders that Order-Status saw otherwise than they were acknowledged.
    status_wrong: u64,
    units_shipped: u64,
    orders_delivered: u64,
    levels_low: u64,
    before: Before,
    initial_orders: u64,
}

/// What a New-Order is about, its lines aside.
struct NewOrder {
    district: usize,
    /// Over all districts.
    customer: usize,
    is_to_be_refused: bool,
}

impl Tpcc {
    /// Notes how everything stands, and places the first orders.
    ///
    /// # Errors
    /// When the server cannot be asked, or refuses one of these orders.
    pub(crate) fn new(
        options: &LoadOptions,
        catalogue: Catalogue,
        ids: Ids,
        client: &mut Client,
    ) -> Result<Self, LoadError> {
        let lost = |source| LoadError::Server { addr: options.connect, source };
        let mut random = SmallRng::seed_from_u64(options.seed);
        let districts = catalogue.locations.len() * DISTRICTS;
        let in_flight = u64::from(options.in_flight_max()) * u64::from(options.connections);
        // In a closed loop so many transactions are begun before the first answer, a good four in ten of them payments.
        let per_district = (in_flight * 6 / 10).div_ceil(districts as u64).max(INITIAL_ORDERS_MIN);
        let count = |_| Count { report: TransactionReport::default(), latencies: Latencies::new() };
        let mut tpcc = Self {
            ids,
            seed: options.seed,
            before: Before::ask(client, &catalogue).map_err(lost)?,
            items: NuRand::of_items(catalogue.skus.len() as u32, &mut random),
            customers: NuRand::of_customers(CUSTOMERS as u32, &mut random),
            catalogue,
            random,
            deck: Deck::new(),
            draft: Draft::new(CURRENCY),
            drafted: Vec::new(),
            book: Book::new(districts, districts * CUSTOMERS),
            batches: Vec::new(),
            free_batches: Vec::new(),
            counts: Transaction::ALL.map(count),
            refused: Vec::new(),
            rolled_back: 0,
            wrongly_accepted: 0,
            status_wrong: 0,
            units_shipped: 0,
            orders_delivered: 0,
            levels_low: 0,
            initial_orders: per_district * districts as u64,
        };
        if let Some(code) = tpcc.populate(client).map_err(lost)? {
            let code = RejectCode::from_number(code);
            return Err(LoadError::SetupRefused { what: "the first orders".to_owned(), code });
        }
        Ok(tpcc)
    }

    /// Places the first orders, or returns the code with which one was refused.
    fn populate(&mut self, client: &mut Client) -> Result<Option<u16>, ClientError> {
        let starts = INITIAL_ORDERS_FROM..INITIAL_ORDERS_FROM + self.initial_orders;
        let mut totals = vec![0; self.initial_orders as usize];
        let mut refused = None;
        let submit = |client: &mut Client, start| {
            let sent = Sent { start, start_ns: 0, step: Step::NewOrder };
            self.write(&sent, |command| client.submit(command))
        };
        let on_reply = |index: usize, reply: Reply<'_>| {
            totals[index] = reply.header.detail.get() as i64;
            if !reply.is_accepted() {
                refused = Some(reply.header.code.get());
            }
        };
        client.call_all(starts.clone(), submit, on_reply)?;
        for (start, total_minor) in starts.zip(totals) {
            let new_order = self.choose(start);
            self.acknowledged(start, 0, &new_order, total_minor);
        }
        Ok(refused)
    }

    /// Chooses the New-Order with this index into the draft, each time the same.
    fn choose(&mut self, start: u64) -> NewOrder {
        let seed = self.seed ^ start.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let random = &mut SmallRng::seed_from_u64(seed);
        let districts = self.catalogue.locations.len() * DISTRICTS;
        let initial = start.checked_sub(INITIAL_ORDERS_FROM);
        let district = match initial {
            Some(index) => index as usize % districts,
            None => random.random_range(0..districts),
        };
        let customer = district * CUSTOMERS + self.customers.choose(random) as usize;
        let is_to_be_refused = random.random_range(1..=100) == 1 && initial.is_none();
        self.draft.lines.clear();
        self.drafted.clear();
        for _ in 0..random.random_range(5..=LINES_MAX) {
            let item = self.items.choose(random);
            self.drafted.push(item);
            self.draft.lines.push(OrderLine {
                sku: self.catalogue.skus[item as usize],
                quantity: random.random_range(1..=10).into(),
                unit_price: unit_price(item),
            });
        }
        if is_to_be_refused && let Some(line) = self.draft.lines.last_mut() {
            line.sku = UNUSED_ITEM;
        }
        NewOrder { district, customer, is_to_be_refused }
    }

    /// Enters the order that is in the draft into the book.
    fn acknowledged(&mut self, start: u64, start_ns: u64, new_order: &NewOrder, total_minor: i64) {
        let entry = Entry {
            order: self.ids.order(start, start_ns),
            total_minor,
            captured_minor: 0,
            units: self.draft.lines.iter().map(|line| line.quantity.get()).sum(),
            lines: self.draft.lines.len() as u8,
        };
        self.book.add(entry, new_order.district, new_order.customer, self.drafted.iter().copied());
    }

    fn count(&mut self, transaction: Transaction) -> &mut Count {
        &mut self.counts[transaction as usize]
    }

    fn ended(&mut self, transaction: Transaction, latency_ns: u64, is_failed: bool) {
        let count = self.count(transaction);
        count.latencies.record(latency_ns);
        if is_failed {
            count.report.failed += 1;
        } else {
            count.report.completed += 1;
        }
    }

    fn open_batch(&mut self, batch: Batch) -> u32 {
        match self.free_batches.pop() {
            Some(index) => {
                self.batches[index as usize] = batch;
                index
            }
            None => {
                self.batches.push(batch);
                self.batches.len() as u32 - 1
            }
        }
    }

    /// Ends a part of a transaction of several, and with the last one the transaction.
    fn part_ended(&mut self, batch: u32, transaction: Transaction, latency_ns: u64, is_failed: bool) {
        let open = &mut self.batches[batch as usize];
        open.left -= 1;
        open.is_failed |= is_failed;
        let Batch { left, is_failed, .. } = *open;
        if left == 0 {
            self.free_batches.push(batch);
            self.ended(transaction, latency_ns, is_failed);
        }
    }

    /// Begins a Delivery: its first step, the others going to `waiting`; none if nothing is undelivered.
    fn begin_delivery(&mut self, at: Sent<()>, waiting: &mut VecDeque<Sent<Step>>) -> Option<Step> {
        let warehouse = self.random.random_range(0..self.catalogue.locations.len());
        let batch = self.open_batch(Batch { left: 0, is_failed: false, warehouse, threshold: 0 });
        let mut first = None;
        for district in warehouse * DISTRICTS..(warehouse + 1) * DISTRICTS {
            let Some(order) = self.book.take_undelivered(district) else { continue };
            self.batches[batch as usize].left += 1;
            let step = Step::Confirm { batch, order };
            if first.is_none() {
                first = Some(step);
            } else {
                waiting.push_back(at.then(step));
            }
        }
        if first.is_none() {
            self.free_batches.push(batch);
        }
        first
    }

    /// Begins a Stock-Level: its first step, the others going to `waiting`; none if the district has no orders.
    fn begin_stock_level(
        &mut self,
        district: usize,
        at: Sent<()>,
        waiting: &mut VecDeque<Sent<Step>>,
    ) -> Option<Step> {
        let items = self.book.recent_items(district);
        let (&first, others) = items.split_first()?;
        let threshold = self.random.random_range(10..=20) * SCALE;
        let left = items.len() as u32;
        let warehouse = district / DISTRICTS;
        let batch = self.open_batch(Batch { left, is_failed: false, warehouse, threshold });
        waiting.extend(others.iter().map(|&item| at.then(Step::Level { batch, item })));
        Some(Step::Level { batch, item: first })
    }

    /// Takes the answer to a New-Order.
    fn ordered<O: Observer>(&mut self, answer: &Answer<'_, Step>, outcomes: &mut Outcomes<'_, O>) {
        let Sent { start, start_ns, .. } = answer.sent;
        let new_order = self.choose(start);
        let is_accepted = outcomes.placed(answer, 1);
        if is_accepted {
            self.acknowledged(start, start_ns, &new_order, answer.reply.header.detail.get() as i64);
            self.wrongly_accepted += u64::from(new_order.is_to_be_refused);
        } else {
            self.refused.push(self.ids.order(start, start_ns));
        }
        let is_unknown_sku = answer.reply.header.code.get() == RejectCode::UnknownSku as u16;
        let is_rolled_back = new_order.is_to_be_refused && is_unknown_sku;
        self.rolled_back += u64::from(is_rolled_back);
        let is_as_meant = is_rolled_back || (is_accepted && !new_order.is_to_be_refused);
        self.ended(Transaction::NewOrder, answer.latency_ns(), !is_as_meant);
    }
}

impl Workload for Tpcc {
    type Step = Step;

    fn kind(step: Step) -> CommandKind {
        match step {
            Step::NewOrder => CommandKind::PlaceOrder,
            Step::Authorize { .. } => CommandKind::RecordAuthorization,
            Step::Capture { .. } => CommandKind::RecordCapture,
            Step::Status { .. } => CommandKind::QueryOrder,
            Step::Confirm { .. } => CommandKind::ConfirmOrder,
            Step::Ship { .. } => CommandKind::ShipLines,
            Step::Deliver { .. } => CommandKind::UpdateShipment,
            Step::Level { .. } => CommandKind::QueryStock,
        }
    }

    fn orders(&self, step: Step) -> u32 {
        u32::from(step == Step::NewOrder)
    }

    fn begin(&mut self, start: u64, start_ns: u64, waiting: &mut VecDeque<Sent<Step>>) -> Option<Step> {
        let transaction = self.deck.deal(&mut self.random);
        self.count(transaction).report.started += 1;
        let at = Sent { start, start_ns, step: () };
        let district = self.random.random_range(0..self.catalogue.locations.len() * DISTRICTS);
        let first = match transaction {
            Transaction::NewOrder => Some(Step::NewOrder),
            Transaction::Payment => {
                let order = self.book.take_unpaid(district, &mut self.random);
                order.map(|order| Step::Authorize { order })
            }
            Transaction::OrderStatus => {
                let customer = district * CUSTOMERS + self.customers.choose(&mut self.random) as usize;
                let order = self.book.last_of_customer(customer).or_else(|| self.book.newest(district));
                order.map(|order| Step::Status { order })
            }
            Transaction::Delivery => self.begin_delivery(at, waiting),
            Transaction::StockLevel => self.begin_stock_level(district, at, waiting),
        };
        self.count(transaction).report.skipped += u64::from(first.is_none());
        first
    }

    fn write<R>(&mut self, sent: &Sent<Step>, sink: impl FnOnce(&Command<'_>) -> R) -> R {
        match sent.step {
            Step::NewOrder => {
                let NewOrder { district, customer, .. } = self.choose(sent.start);
                let head = &mut self.draft.head;
                head.order = self.ids.order(sent.start, sent.start_ns);
                head.buyer = BuyerId::new(customer as u64);
                head.seller = self.catalogue.sellers[0];
                head.region = (district / DISTRICTS + 1).try_into().unwrap_or(u16::MAX).into();
                head.line_count = (self.draft.lines.len() as u16).into();
                sink(&self.draft.command())
            }
            Step::Authorize { order } => {
                let &Entry { order, total_minor, .. } = self.book.entry(order);
                sink(&Command::RecordAuthorization(&authorization(
                    order,
                    Amount::new(total_minor),
                    self.ids.unix_us(sent.start_ns),
                )))
            }
            Step::Capture { order } => {
                let &Entry { order, total_minor, .. } = self.book.entry(order);
                sink(&Command::RecordCapture(&capture(
                    order,
                    Amount::new(total_minor),
                    self.ids.unix_us(sent.start_ns),
                )))
            }
            Step::Status { order } => {
                sink(&Command::QueryOrder(&QueryOrder { order: self.book.entry(order).order }))
            }
            Step::Confirm { order, .. } => {
                sink(&Command::ConfirmOrder(&confirmation(self.book.entry(order).order)))
            }
            Step::Ship { order, .. } => sink(&Command::ShipLines(
                &shipment(self.book.entry(order).order, self.ids.unix_us(sent.start_ns)),
                &[],
                TRACKING,
            )),
            Step::Deliver { order, shipment, .. } => sink(&Command::UpdateShipment(&delivery(
                self.book.entry(order).order,
                shipment,
                self.ids.unix_us(sent.start_ns),
            ))),
            Step::Level { batch, item } => {
                let location = self.catalogue.locations[self.batches[batch as usize].warehouse];
                let sku = self.catalogue.skus[item as usize];
                sink(&Command::QueryStock(&QueryStock { sku, location }))
            }
        }
    }

    fn answered<O: Observer>(
        &mut self,
        answer: &Answer<'_, Step>,
        outcomes: &mut Outcomes<'_, O>,
        waiting: &mut VecDeque<Sent<Step>>,
    ) {
        let step = answer.sent.step;
        if step == Step::NewOrder {
            return self.ordered(answer, outcomes);
        }
        let is_refused = outcomes.is_refused(answer);
        let latency_ns = answer.latency_ns();
        let detail = answer.reply.header.detail.get();
        match step {
            Step::NewOrder => {}
            Step::Authorize { .. } if is_refused => self.ended(Transaction::Payment, latency_ns, true),
            Step::Authorize { order } => waiting.push_back(answer.sent.then(Step::Capture { order })),
            Step::Capture { order } => {
                if !is_refused {
                    self.book.captured(order);
                }
                self.ended(Transaction::Payment, latency_ns, is_refused);
            }
            Step::Status { order } => {
                let entry = self.book.entry(order);
                let is_seen = OrderView::read(answer.reply.view).is_ok_and(|view| {
                    view.head.order == entry.order && view.lines.len() == usize::from(entry.lines)
                });
                self.status_wrong += u64::from(!is_seen);
                self.ended(Transaction::OrderStatus, latency_ns, !is_seen);
            }
            Step::Confirm { batch, .. } | Step::Ship { batch, .. } if is_refused => {
                self.part_ended(batch, Transaction::Delivery, latency_ns, true);
            }
            Step::Confirm { batch, order } => {
                waiting.push_back(answer.sent.then(Step::Ship { batch, order }));
            }
            Step::Ship { batch, order } => {
                self.units_shipped += u64::from(self.book.entry(order).units);
                let shipment = detail as u16;
                waiting.push_back(answer.sent.then(Step::Deliver { batch, order, shipment }));
            }
            Step::Deliver { batch, .. } => {
                self.orders_delivered += u64::from(!is_refused);
                self.part_ended(batch, Transaction::Delivery, latency_ns, is_refused);
            }
            Step::Level { batch, .. } => {
                let is_low = (detail as i64) < self.batches[batch as usize].threshold;
                self.levels_low += u64::from(!is_refused && is_low);
                self.part_ended(batch, Transaction::StockLevel, latency_ns, is_refused);
            }
        }
    }

    fn conclude(self, end: &mut End<'_>) -> Conclusion {
        let (checks, mut problems) = match end.client.as_mut().map(|client| audit::ask(&self, client)) {
            Some(Ok(found)) => found.judge(&self),
            Some(Err(error)) => unchecked(format!("the conditions could not be asked for: {error}")),
            None => unchecked("the conditions were not asked for, because answers are missing".to_owned()),
        };
        let mut transactions = BTreeMap::new();
        for transaction in Transaction::ALL {
            let Count { report, latencies } = &self.counts[transaction as usize];
            let latency_us = latencies.latency_us();
            transactions.insert(transaction.name(), TransactionReport { latency_us, ..*report });
            if report.failed > 0 {
                let (failed, name) = (report.failed, transaction.name());
                problems.push(format!(
                    "{failed} transactions of {name} failed: the server refused what it should not"
                ));
            }
        }
        let completed: u64 = transactions.values().map(|report| report.completed).sum();
        let report = TpccReport {
            transactions_per_second: if end.seconds > 0.0 { completed as f64 / end.seconds } else { 0.0 },
            transactions,
            rolled_back: self.rolled_back,
            orders_delivered: self.orders_delivered,
            captured_minor: self.book.entries().iter().map(|entry| entry.captured_minor).sum(),
            levels_low: self.levels_low,
            initial_orders: self.initial_orders,
        };
        Conclusion { particulars: Some(Particulars::Tpcc(report)), checks, problems }
    }
}

/// No condition is said to hold that was not looked at.
fn unchecked(problem: String) -> (BTreeMap<&'static str, bool>, Vec<String>) {
    (audit::CONDITIONS.into_iter().map(|condition| (condition, false)).collect(), vec![problem])
}
