//! An engine whose events go to a journal, and what the read models must say of them, told simply.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use orderline_journal::{JournalOptions, MappedStorage, Opened, Storage, Watermark, Writer};
use orderline_protocol::command::{Command, QueryOrder, QueryReservation};
use orderline_protocol::event::{EVENT_VERSION, Event, ExpiryKind, OrderState, RetiredKind};
use orderline_protocol::lifecycle::WorkState;
use orderline_protocol::reply::OrderView;
use orderline_protocol::{LocationHandle, OrderId, ReservationId, Sequence};
use orderline_readmodel::{OrderFilter, ReadModel, ReadModelOptions, Reader};

use crate::generate::Generator;
use crate::pair::Pair;

/// What is known of an order by listening to every event.
#[derive(Debug, Clone)]
pub struct Heard {
    pub order: u128,
    pub group: u128,
    pub buyer: u64,
    pub seller: u32,
    pub skus: BTreeSet<u32>,
    pub placed_at_us: i64,
    pub sequences: BTreeSet<Sequence>,
    pub is_retired: bool,
}

pub struct World {
    pub pair: Pair,
    generator: Generator,
    writer: Option<Writer>,
    syncer: Option<std::thread::JoinHandle<()>>,
    pub watermark: Watermark,
    pub storage: Arc<dyn Storage>,
    pub store_id: u128,
    /// Events that are in the journal.
    written: usize,
    /// Orders in the order of their placement.
    pub heard: Vec<Heard>,
    reservations: BTreeMap<u128, BTreeSet<Sequence>>,
    pub levels: BTreeSet<(u16, u32)>,
}

impl World {
    pub fn new(seed: u64, directory: &Path) -> Self {
        let options = JournalOptions { segment_bytes: 4 << 20, ..JournalOptions::default() };
        let Opened { writer, syncer, watermark, recovery, storage } =
            orderline_journal::open(MappedStorage::new(directory), options).unwrap();
        Self {
            pair: Pair::new(seed),
            generator: Generator::new(seed),
            writer: Some(writer),
            syncer: Some(syncer.spawn().unwrap()),
            watermark,
            storage,
            store_id: recovery.store_id,
            written: 0,
            heard: Vec::new(),
            reservations: BTreeMap::new(),
            levels: BTreeSet::new(),
        }
    }

    /// Lets so many things happen, and waits until they are durable.
    pub fn live(&mut self, steps: usize) {
        for _ in 0..steps {
            let step = self.generator.next(&self.pair.model);
            self.pair.step(&step).unwrap();
        }
        let writer = self.writer.as_mut().unwrap();
        let events = self.pair.driver.events[self.written..].to_vec();
        for of_time in events.chunk_by(|one, next| one.0 == next.0) {
            for (_, kind, payload) in of_time {
                writer.stage(*kind, EVENT_VERSION, |out| out.extend_from_slice(payload));
            }
            writer.commit(of_time[0].0).unwrap();
        }
        for (at_us, kind, payload) in events {
            self.written += 1;
            self.hear(self.written as u64, at_us, &Event::read(kind, EVENT_VERSION, &payload).unwrap());
        }
        assert!(self.watermark.wait_for(self.written as u64, std::time::Duration::from_secs(20)));
    }

    fn heard_mut(&mut self, order: u128) -> &mut Heard {
        self.heard.iter_mut().rev().find(|heard| heard.order == order).unwrap()
    }

    fn hear(&mut self, sequence: Sequence, at_us: i64, event: &Event<'_>) {
        let heard = |order: OrderId, group: u128, buyer, seller, skus: BTreeSet<u32>, sequences| Heard {
            order: order.get(),
            group,
            buyer,
            seller,
            skus,
            placed_at_us: at_us,
            sequences,
            is_retired: false,
        };
        let mut of_group = |group: u128| {
            for one in self.heard.iter_mut().filter(|one| one.group == group) {
                one.sequences.insert(sequence);
            }
        };
        match *event {
            Event::OrderPlaced(head, lines, ..) => {
                let (id, skus) = (head.placement.order, lines.iter().map(|line| line.sku.get()).collect());
                let (buyer, seller) = (head.placement.buyer.get(), head.placement.seller.get());
                self.heard.push(heard(id, id.get(), buyer, seller, skus, BTreeSet::from([sequence])));
            }
            Event::GroupPlaced(head, orders, lines, ..) => {
                let mut sequences =
                    self.reservations.remove(&head.checkout.reservation.get()).unwrap_or_default();
                sequences.insert(sequence);
                let mut rest = lines;
                for order in orders {
                    let (own, behind) = rest.split_at(order.line_count.get().into());
                    rest = behind;
                    let skus = own.iter().map(|line| line.sku.get()).collect();
                    let (group, buyer) = (head.checkout.group.get(), head.checkout.buyer.get());
                    self.heard.push(heard(
                        order.order,
                        group,
                        buyer,
                        order.seller.get(),
                        skus,
                        sequences.clone(),
                    ));
                }
            }
            Event::CartReserved(head, ..) => {
                self.reservations.insert(head.cart.reservation.get(), BTreeSet::from([sequence]));
            }
            Event::ReservationExtended(head) => {
                self.reservations.get_mut(&head.reservation.get()).unwrap().insert(sequence);
            }
            Event::ReservationReleased(_) => {}
            Event::PaymentAuthorized(head, _) => of_group(head.authorization.group.get()),
            Event::PaymentCaptured(head, ..) => of_group(head.capture.group.get()),
            Event::PaymentVoided(head) => of_group(head.end.group.get()),
            Event::PaymentFailed(head) => of_group(head.end.group.get()),
            Event::TimePassed(_, expiries) => {
                for expiry in expiries {
                    match ExpiryKind::from_number(expiry.kind).unwrap() {
                        ExpiryKind::Reservation => {}
                        ExpiryKind::Payment => {
                            for one in self.heard.iter_mut().filter(|one| one.group == expiry.id.get()) {
                                one.sequences.insert(sequence);
                            }
                        }
                        ExpiryKind::Order | ExpiryKind::Hold => {
                            self.heard_mut(expiry.id.get()).sequences.insert(sequence);
                        }
                    }
                }
            }
            Event::FinishedRetired(_, retired) => {
                for of in retired.iter().filter(|of| of.kind == RetiredKind::Order as u8) {
                    let heard = self.heard_mut(of.id.get());
                    heard.sequences.insert(sequence);
                    heard.is_retired = true;
                }
            }
            Event::StockReceived(head) => {
                self.levels.insert((head.receipt.location.get(), head.receipt.sku.get()));
            }
            Event::StockAdjusted(head) => {
                self.levels.insert((head.adjustment.location.get(), head.adjustment.sku.get()));
            }
            Event::StockCounted(head) => {
                self.levels.insert((head.count.location.get(), head.count.sku.get()));
            }
            Event::LevelSet(head) => {
                self.levels.insert((head.set.location.get(), head.set.sku.get()));
            }
            Event::StockMoved(head) => {
                self.levels.insert((head.movement.from.get(), head.movement.sku.get()));
                self.levels.insert((head.movement.to.get(), head.movement.sku.get()));
            }
            ref event => {
                for id in orderline_json::ids(event) {
                    self.heard_mut(id.get()).sequences.insert(sequence);
                }
            }
        }
    }

    /// Read models of this journal, in a directory.
    pub fn open(&self, path: &Path, options: ReadModelOptions) -> ReadModel {
        ReadModel::open(path, Arc::clone(&self.storage), self.store_id, options).unwrap()
    }

    /// Has read models follow up to what is durable.
    pub fn catch_up(&self, model: ReadModel) -> (Reader, Vec<String>) {
        let (reader, told) = (model.reader(), std::sync::Mutex::new(Vec::new()));
        model.run(&self.watermark, &AtomicBool::new(true), |sentence| told.lock().unwrap().push(sentence));
        (reader, told.into_inner().unwrap())
    }

    /// The newest orders of a kind first.
    pub fn newest(&self, is_wanted: impl Fn(&Heard) -> bool) -> Vec<u128> {
        self.heard.iter().rev().filter(|heard| is_wanted(heard)).map(|heard| heard.order).collect()
    }

    /// The state and the view of an order that the engine holds.
    pub fn view_of(&self, order: u128) -> Option<(OrderState, Vec<u8>)> {
        let query = QueryOrder { order: OrderId::new(order) };
        let mut bytes = Vec::new();
        Command::QueryOrder(&query).write(1, &mut bytes);
        let raw = orderline_protocol::command::RawCommand::take(&mut &bytes[..]).unwrap();
        let mut view = Vec::new();
        let answer = self.pair.driver.state.answer(&raw, &mut view).ok()?;
        Some((OrderState::from_number(answer.state).unwrap(), view))
    }

    /// The work that waits at locations: location, order and state.
    pub fn work(&self) -> BTreeSet<(u16, u128, u8)> {
        let mut work = BTreeSet::new();
        for heard in self.heard.iter().filter(|heard| !heard.is_retired) {
            let Some((_, view)) = self.view_of(heard.order) else { continue };
            for of in
                OrderView::read(&view).unwrap().works.iter().filter(|of| of.state <= WorkState::OnHold as u8)
            {
                work.insert((of.location.get(), heard.order, of.state));
            }
        }
        work
    }

    /// The views of reservations that the engine holds.
    pub fn reservation_views(&self) -> Vec<Vec<u8>> {
        let view = |&id: &u128| {
            let query = QueryReservation { reservation: ReservationId::new(id) };
            self.pair.driver.query(&Command::QueryReservation(&query)).ok()
        };
        self.reservations.keys().filter_map(view).collect()
    }

    pub fn end(&mut self) {
        self.writer = None;
        self.syncer.take().map(std::thread::JoinHandle::join).unwrap().unwrap();
    }
}

/// All pages of a search, put together.
pub fn all(reader: &Reader, filter: &OrderFilter, limit: usize) -> Vec<u128> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = reader.search(filter, cursor.as_ref(), limit).unwrap();
        assert!(page.items.len() <= limit);
        found.extend(page.items.iter().map(|order| order.order.get()));
        // A cursor survives its text.
        cursor = page.next.map(|next| next.to_string().parse().unwrap());
        if cursor.is_none() {
            return found;
        }
    }
}

/// All pages of the queues of some locations, put together; each queue's oldest work comes first.
pub fn all_work(reader: &Reader, locations: u16, limit: usize) -> BTreeSet<(u16, u128, u8)> {
    let mut work = BTreeSet::new();
    for number in 0..locations {
        let (location, mut cursor, mut before) = (LocationHandle::new(number), None, 0);
        loop {
            let page = reader.work(location, None, cursor.as_ref(), limit).unwrap();
            for of in page.items {
                assert!(of.opened_sequence >= before, "the longest open comes first");
                before = of.opened_sequence;
                assert!(work.insert((number, of.order.order.get(), of.state as u8)), "{of:?} came twice");
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    work
}
