//! Writes the golden data directory: a story with every kind of event in it, decided, journalled and applied as the engine
//! does it, with every choice its own.

use std::path::Path;
use std::sync::Arc;

use orderline_core::state::{Due, Parsed};
use orderline_core::{Decision, Scratch, State};
use orderline_journal::{JournalOptions, Opened, PositionalStorage, SnapshotWriter, open};
use orderline_protocol::command::*;
use orderline_protocol::event::{EVENT_VERSION, Event};
use orderline_protocol::lifecycle::{Disposition, HoldKind, blocks};
use orderline_protocol::{
    Amount, BuyerId, Command, CurrencyCode, GroupId, KEYED_FROM, LocationHandle, Locations, OrderId,
    ReservationId, SellerHandle, SessionHandle, SessionId, SkuHandle,
};

pub(crate) const STORE_ID: u128 = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
/// Long ago: what falls due in the story has fallen due when somebody serves it.
const FIRST_US: i64 = 1_700_000_000_000_000;
/// When what the outside world reports happened there, as it says.
const HAPPENED_US: i64 = FIRST_US - 90_000_000;
/// The sequence of the first snapshot, on the way, while the carts are held.
pub(crate) const SNAPSHOT_AT: u64 = 29;
/// That of the second one, when everything there can be of an order is there, and nothing has expired.
pub(crate) const LAST_SNAPSHOT_AT: u64 = 66;
/// The reservation that is held at the first snapshot.
pub(crate) const RESERVATION: u128 = (1_700_000_000_000 << 80) | 900;

/// A command behind a sequence that leaves this of 8 has a key.
pub(crate) const KEYED_BEHIND: u64 = 3;
/// Who asks for everything.
pub(crate) const ACTOR: u32 = 6;

const SESSION: SessionHandle = SessionHandle::new(0);
const ACME: SellerHandle = SellerHandle::new(0);
const ZEST: SellerHandle = SellerHandle::new(1);
const SHOP: LocationHandle = LocationHandle::new(0);
const DEPOT: LocationHandle = LocationHandle::new(1);
const ATTIC: LocationHandle = LocationHandle::new(2);
const TEA: u32 = 0;
const CUPS: u32 = 1;
const CAFE: u32 = 2;
const SPOONS: u32 = 3;

struct Scribe {
    state: State,
    opened: Opened,
    scratch: Scratch,
    request: u64,
    now_us: i64,
}

impl Scribe {
    fn new(data: &Path) -> Self {
        let options = JournalOptions {
            segment_bytes: 16 << 10,
            batch_bytes_max: 4 << 10,
            helper_thread: false,
            store_id: Some(STORE_ID),
            ..JournalOptions::default()
        };
        let opened = open(PositionalStorage::new(data), options).unwrap();
        Self { state: State::new(0), opened, scratch: Scratch::default(), request: 0, now_us: FIRST_US }
    }

    /// A batch for each record, a second and a half after the one before.
    fn keep(&mut self, kind: u16, bytes: &[u8]) {
        let writer = &mut self.opened.writer;
        let sequence = writer.stage(kind, EVENT_VERSION, |out| out.extend_from_slice(bytes));
        let event = Event::read(kind, EVENT_VERSION, bytes).unwrap();
        self.state.apply(sequence, self.now_us, &event);
        self.opened.writer.commit(self.now_us).unwrap();
        if sequence.is_multiple_of(2) {
            while self.opened.syncer.sync_once().unwrap() {}
        }
        let mut bytes = Vec::new();
        while let Due::Event(kind) = self.state.decide_refill(&mut self.scratch, &mut bytes) {
            self.keep(kind as u16, &std::mem::take(&mut bytes));
        }
    }

    fn open_session(&mut self, id: u128) {
        let mut bytes = Vec::new();
        let kind = self.state.decide_session(SessionId::new(id), ACTOR, &mut bytes).unwrap();
        self.keep(kind as u16, &bytes);
    }

    fn run(&mut self, command: &Command<'_>) {
        self.now_us += 1_500_000;
        // Some requests have a key instead of a number.
        let behind = self.state.sequence();
        let request = if behind % 8 == KEYED_BEHIND {
            KEYED_FROM | behind.reverse_bits() >> 1
        } else {
            self.request + 1
        };
        self.request += u64::from(request < KEYED_FROM);
        let (mut sent, mut bytes) = (Vec::new(), Vec::new());
        command.write(request, &mut sent);
        let parsed = Parsed::new(RawCommand::take(&mut &sent[..]).unwrap());
        match self.state.decide(SESSION, self.now_us, &parsed, &mut self.scratch, &mut bytes) {
            Decision::Event(kind) => self.keep(kind as u16, &bytes),
            decision => panic!("request {request}, {:?}: {decision:?}", command.kind()),
        }
    }

    /// So many seconds pass, and what is due happens.
    fn pass(&mut self, seconds: i64) {
        self.now_us += seconds * 1_000_000;
        let mut bytes = Vec::new();
        loop {
            match self.state.decide_due(self.now_us, &mut self.scratch, &mut bytes) {
                Due::Event(kind) => self.keep(kind as u16, &std::mem::take(&mut bytes)),
                Due::Searching => {}
                Due::Nothing => return,
            }
        }
    }

    fn snapshot(&mut self, at: u64) {
        assert_eq!(self.state.sequence(), at);
        while self.opened.syncer.sync_once().unwrap() {}
        let position = self.opened.writer.position();
        let mut writer =
            SnapshotWriter::create(Arc::clone(&self.opened.storage), STORE_ID, position).unwrap();
        let mut section = None;
        let hash = self.state.write_image(|tag, bytes| {
            if section != Some(tag) {
                writer.begin_section(tag).unwrap();
                section = Some(tag);
            }
            writer.append(bytes).unwrap();
            Ok(())
        });
        writer.finish(hash.unwrap().0, &mut |_| {}).unwrap();
    }

    /// Ends in order, with the mark of it.
    fn close(self) {
        let Opened { writer, syncer, .. } = self.opened;
        drop(writer);
        syncer.run();
    }

    fn place(&mut self, number: u128, lines: &[OrderLine]) {
        let external_id = format!("PO-{number}");
        let head = PlaceOrder {
            order: order_id(number),
            buyer: BuyerId::new(700 + number as u64),
            seller: ACME,
            currency: POUNDS,
            line_count: (lines.len() as u16).into(),
            region: 44.into(),
            external_id_bytes: external_id.len() as u8,
        };
        self.run(&Command::PlaceOrder(&head, lines, &external_id));
    }

    fn confirm(&mut self, number: u128) {
        let head = ConfirmOrder { order: order_id(number), expected_version: 0.into(), reserved: [0; 4] };
        self.run(&Command::ConfirmOrder(&head));
    }

    fn ship(&mut self, number: u128, location: LocationHandle, tracking: &str, is_sent: u8) {
        let head = ShipLines {
            happened_at_us: HAPPENED_US.into(),
            order: order_id(number),
            expected_version: 0.into(),
            location,
            line_count: 0.into(),
            carrier: 5.into(),
            tracking_bytes: tracking.len() as u8,
            is_sent,
        };
        self.run(&Command::ShipLines(&head, &[], tracking));
    }

    fn package(&mut self, number: u128, shipment: u16, step: ShipmentStep) {
        let head = UpdateShipment {
            happened_at_us: HAPPENED_US.into(),
            order: order_id(number),
            expected_version: 0.into(),
            shipment: shipment.into(),
            step: step as u8,
            reserved: 0,
        };
        self.run(&Command::UpdateShipment(&head));
    }

    fn reserve(&mut self, id: u128, quantity: u32, seconds: u32) {
        let head = ReserveCart {
            expected_version: 0.into(),
            reservation: ReservationId::new(id),
            replaces: ReservationId::new(0),
            buyer: BuyerId::new(800),
            seconds: seconds.into(),
            region: 44.into(),
            line_count: 1.into(),
        };
        self.run(&Command::ReserveCart(
            &head,
            &[CartLine { sku: SkuHandle::new(TEA), quantity: quantity.into() }],
        ));
    }

    fn authorize(&mut self, number: u128, minor: i64) {
        let head = RecordAuthorization {
            happened_at_us: HAPPENED_US.into(),
            group: order_id(number).into(),
            amount: Amount::new(minor),
            reference: (5_000 + number as u64).into(),
            expected_version: 0.into(),
            seconds: 600_000.into(),
            currency: POUNDS,
            reserved: [0; 6],
        };
        self.run(&Command::RecordAuthorization(&head));
    }

    fn capture(&mut self, number: u128, minor: i64) {
        let head = RecordCapture {
            happened_at_us: HAPPENED_US.into(),
            group: order_id(number).into(),
            order: OrderId::new(0),
            amount: Amount::new(minor),
            reference: 6_000.into(),
            expected_version: 0.into(),
            reserved: [0; 4],
        };
        self.run(&Command::RecordCapture(&head));
    }

    fn return_step(&mut self, number: u128, step: ReturnStep) {
        let head = UpdateReturn {
            happened_at_us: HAPPENED_US.into(),
            order: order_id(number),
            expected_version: 0.into(),
            return_number: 1.into(),
            step: step as u8,
            reserved: 0,
        };
        self.run(&Command::UpdateReturn(&head));
    }
}

const POUNDS: CurrencyCode = CurrencyCode::new(826);

pub(crate) fn order_id(number: u128) -> OrderId {
    OrderId::from_parts(1_700_000_000_000, number)
}

fn line(sku: u32, quantity: u32, minor: i64) -> OrderLine {
    OrderLine { sku: SkuHandle::new(sku), quantity: quantity.into(), unit_price: Amount::new(minor) }
}

fn units(line: u16, quantity: u32) -> LineQuantity {
    LineQuantity { line: line.into(), reserved: [0; 2], quantity: quantity.into() }
}

fn cancelling(number: u128, lines: u16) -> CancelLines {
    CancelLines {
        order: order_id(number),
        expected_version: 0.into(),
        line_count: lines.into(),
        reason: 11.into(),
    }
}

fn returning(number: u128, lines: u16) -> RequestReturn {
    RequestReturn {
        order: order_id(number),
        happened_at_us: HAPPENED_US.into(),
        expected_version: 0.into(),
        line_count: lines.into(),
        reason: 11.into(),
    }
}

fn cause() -> Cause {
    Cause {
        happened_at_us: HAPPENED_US.into(),
        reference: 0x0506.into(),
        actor: 77.into(),
        reason: 8.into(),
        reserved: [0; 2],
    }
}

/// Writes the directory.
pub(crate) fn write(data: &Path) {
    let mut scribe = Scribe::new(data);
    scribe.open_session(0xfeed_0001);
    set_up(&mut scribe);
    before_the_snapshot(&mut scribe);
    scribe.snapshot(SNAPSHOT_AT);
    stock(&mut scribe);
    checkouts(&mut scribe);
    work(&mut scribe);
    money(&mut scribe);
    returns(&mut scribe);
    scribe.snapshot(LAST_SNAPSHOT_AT);
    time(&mut scribe);
    scribe.open_session(0xfeed_0002);
    assert_eq!(scribe.state.check(), vec![]);
    scribe.close();
    std::fs::remove_file(data.join("lock")).unwrap();
}

fn set_up(scribe: &mut Scribe) {
    for (code, commission_bp) in [("acme", 1_250_u16), ("zest", 800)] {
        let head = DefineSeller {
            commission_bp: commission_bp.into(),
            standing: Standing::Active as u8,
            code_bytes: code.len() as u8,
            expected_version: 0.into(),
        };
        scribe.run(&Command::DefineSeller(&head, code));
    }
    for (priority, code, capacity) in [(1_u32, "shop", 0_u32), (2, "depot", 100), (3, "attic", 0)] {
        let head = DefineLocation {
            priority: priority.into(),
            daily_capacity: capacity.into(),
            expected_version: 0.into(),
            region: 44.into(),
            standing: Standing::Active as u8,
            code_bytes: code.len() as u8,
        };
        scribe.run(&Command::DefineLocation(&head, code));
    }
    for (code, seller, backorder_cap) in
        [("tea", ACME, 0_u32), ("cups", ACME, 0), ("café", ACME, 50), ("spoons", ZEST, 0)]
    {
        let head = DefineSku {
            seller,
            backorder_cap: backorder_cap.into(),
            currency: POUNDS,
            standing: Standing::Active as u8,
            code_bytes: code.len() as u8,
            expected_version: 0.into(),
        };
        scribe.run(&Command::DefineSku(&head, code));
    }
    let levels = [
        (TEA, SHOP, 10_u64),
        (CUPS, SHOP, 5),
        (CUPS, DEPOT, 9),
        (CAFE, DEPOT, 100),
        (SPOONS, DEPOT, 40),
        (TEA, ATTIC, 6),
    ];
    for (sku, location, quantity) in levels {
        let receipt = ReceiveStock {
            expected_version: 0.into(),
            sku: SkuHandle::new(sku),
            location,
            from_incoming: 0,
            reserved: [0; 5],
            quantity: quantity.into(),
            cause: cause(),
        };
        scribe.run(&Command::ReceiveStock(&receipt));
    }
    let policy = SetPolicy {
        pending_order_s: 3_600.into(),
        retention_s: 86_400.into(),
        reservation_s_max: 7_200.into(),
        expected_version: 1.into(),
    };
    scribe.run(&Command::SetPolicy(&policy));
    let rules = [SourcingRule::Capacity as u8, SourcingRule::Priority as u8, 0, 0, 0, 0, 0, 0];
    scribe.run(&Command::DefineSourcing(&DefineSourcing { seller: ZEST, rules, expected_rules: 0.into() }));
    for (label, role, seller, locations) in [
        ("zest's shop", Role::Seller, ZEST, Locations::NONE),
        ("depot gun 1", Role::Warehouse, SellerHandle::NONE, Locations::of(&[SHOP, DEPOT]).unwrap()),
    ] {
        let head = DefineToken {
            hash: [label.len() as u8 + role as u8; 32],
            expires_at_us: 1_900_000_000_000_000.into(),
            seller,
            expected_version: EXPECTED_NEW.into(),
            commands_per_s_max: 900.into(),
            locations,
            role: role as u8,
            standing: Standing::Active as u8,
            label_bytes: label.len() as u8,
            reserved: [0; 1],
        };
        scribe.run(&Command::DefineToken(&head, label));
    }
}

fn before_the_snapshot(scribe: &mut Scribe) {
    scribe.place(1, &[line(TEA, 2, 1_999), line(CUPS, 1, 250)]);
    scribe.place(2, &[line(CUPS, 12, 250), line(CAFE, 3, 375)]);
    scribe.confirm(2);
    scribe.run(&Command::CancelLines(&cancelling(2, 1), &[units(0, 2)]));
    scribe.reserve(RESERVATION, 3, 600);
    scribe.place(3, &[line(CAFE, 1, 375)]);
    scribe.confirm(3);
    scribe.ship(3, DEPOT, "RM123", 1);
    scribe.package(3, 1, ShipmentStep::Deliver);
}

fn stock(scribe: &mut Scribe) {
    let tea = SkuHandle::new(TEA);
    let adjustment = AdjustStock {
        expected_version: 0.into(),
        sku: tea,
        location: SHOP,
        bucket: Bucket::Damaged as u8,
        reserved: [0; 5],
        delta: 4.into(),
        cause: cause(),
    };
    scribe.run(&Command::AdjustStock(&adjustment));
    let movement = MoveStock {
        expected_from_version: 0.into(),
        expected_to_version: 0.into(),
        sku: tea,
        from: SHOP,
        to: DEPOT,
        quantity: 1.into(),
        from_bucket: Bucket::Damaged as u8,
        to_bucket: Bucket::QualityHold as u8,
        reserved: [0; 6],
        cause: cause(),
    };
    scribe.run(&Command::MoveStock(&movement));
    let set = SetLevel {
        expected_version: 0.into(),
        sku: SkuHandle::new(SPOONS),
        location: DEPOT,
        reserved: [0; 6],
        on_hand: 45.into(),
        as_of: 20.into(),
        cause: cause(),
    };
    scribe.run(&Command::SetLevel(&set));
    // Fewer than are promised are found: a shortage, whose orders are named when there is time.
    let count = CountStock {
        expected_version: 0.into(),
        sku: SkuHandle::new(CUPS),
        location: SHOP,
        reserved: [0; 6],
        on_hand: 2.into(),
        cause: cause(),
    };
    scribe.run(&Command::CountStock(&count));
    scribe.pass(0);
    // And a café beyond the stock: it waits until some come.
    scribe.place(4, &[line(CAFE, 120, 375)]);
    let receipt = ReceiveStock {
        expected_version: 0.into(),
        sku: SkuHandle::new(CAFE),
        location: SHOP,
        from_incoming: 0,
        reserved: [0; 5],
        quantity: 5.into(),
        cause: cause(),
    };
    scribe.run(&Command::ReceiveStock(&receipt));
}

fn checkouts(scribe: &mut Scribe) {
    scribe.reserve(RESERVATION + 1, 1, 60);
    let extend = ExtendReservation {
        reservation: ReservationId::new(RESERVATION + 1),
        expected_version: 1.into(),
        seconds: 120.into(),
    };
    scribe.run(&Command::ExtendReservation(&extend));
    let release = ReleaseReservation {
        reservation: ReservationId::new(RESERVATION + 1),
        expected_version: 0.into(),
        reserved: [0; 4],
    };
    scribe.run(&Command::ReleaseReservation(&release));
    let head = CheckOut {
        expected_version: 0.into(),
        group: GroupId::new(order_id(50).get()),
        reservation: ReservationId::new(RESERVATION),
        buyer: BuyerId::new(800),
        currency: POUNDS,
        order_count: 2.into(),
        line_count: 2.into(),
        region: 44.into(),
        external_id_bytes: 0,
    };
    let order = |number, seller| GroupOrder {
        order: order_id(number),
        seller,
        line_count: 1.into(),
        reserved: [0; 2],
    };
    let orders = [order(51, ACME), order(52, ZEST)];
    scribe.run(&Command::CheckOut(&head, &orders, &[line(TEA, 2, 1_999), line(SPOONS, 4, 125)], ""));
    let edit = EditLine {
        order: order_id(51),
        expected_version: 0.into(),
        quantity: 3.into(),
        line: 0.into(),
        reason: 12.into(),
        reserved: [0; 4],
    };
    scribe.run(&Command::EditLine(&edit));
    let edit = EditAddress {
        order: order_id(51),
        address: 0x99.into(),
        expected_version: 0.into(),
        region: 45.into(),
        reserved: [0; 2],
    };
    scribe.run(&Command::EditAddress(&edit));
    let hold = PlaceHold {
        order: order_id(51),
        expected_version: 0.into(),
        seconds: 0.into(),
        kind: HoldKind::Fraud as u8,
        blocks: blocks::CONFIRM | blocks::FULFIL,
        reason: 13.into(),
        reserved: [0; 4],
    };
    scribe.run(&Command::PlaceHold(&hold));
    let release =
        ReleaseHold { order: order_id(51), expected_version: 0.into(), hold: 1.into(), reason: 14.into() };
    scribe.run(&Command::ReleaseHold(&release));
}

fn work(scribe: &mut Scribe) {
    scribe.confirm(51);
    let location = scribe.one_location(51);
    let accept = UpdateWork {
        order: order_id(51),
        expected_version: 0.into(),
        location,
        step: WorkStep::Accept as u8,
        reserved: 0,
    };
    scribe.run(&Command::UpdateWork(&accept));
    let reject = RejectWork {
        order: order_id(51),
        expected_version: 0.into(),
        location,
        reason: 15.into(),
        is_missing: 1,
        reserved: [0; 7],
    };
    scribe.run(&Command::RejectWork(&reject));
    scribe.confirm(52);
    // The depot has more spoons than it likes: some go to the shop, which must have them for it.
    let receipt = ReceiveStock {
        expected_version: 0.into(),
        sku: SkuHandle::new(SPOONS),
        location: SHOP,
        from_incoming: 0,
        reserved: [0; 5],
        quantity: 9.into(),
        cause: cause(),
    };
    scribe.run(&Command::ReceiveStock(&receipt));
    let movement = MoveWork {
        order: order_id(52),
        expected_version: 0.into(),
        from: DEPOT,
        to: SHOP,
        line_count: 1.into(),
        reason: 16.into(),
    };
    scribe.run(&Command::MoveWork(&movement, &[units(0, 1)]));
    scribe.ship(52, DEPOT, "", 0);
    scribe.package(52, 1, ShipmentStep::Send);
    scribe.package(52, 1, ShipmentStep::ReturnToSender);
}

fn money(scribe: &mut Scribe) {
    scribe.authorize(3, 375);
    scribe.capture(3, 300);
    let end = EndPayment {
        happened_at_us: HAPPENED_US.into(),
        group: order_id(3).into(),
        reference: 6_001.into(),
        expected_version: 0.into(),
        reason: 17.into(),
        reserved: [0; 2],
    };
    scribe.run(&Command::RecordVoid(&end));
    scribe.run(&Command::RecordFailure(&EndPayment { group: order_id(1).into(), ..end }));
    let refund = RequestRefund {
        happened_at_us: HAPPENED_US.into(),
        order: order_id(3),
        amount: Amount::new(100),
        expected_version: 0.into(),
        reason: 18.into(),
        reserved: [0; 2],
    };
    scribe.run(&Command::RequestRefund(&refund));
    let settlement = SettleRefund {
        happened_at_us: HAPPENED_US.into(),
        order: order_id(3),
        reference: 6_002.into(),
        expected_version: 0.into(),
        refund: 1.into(),
        outcome: RefundOutcome::Succeeded as u8,
        reserved: 0,
    };
    scribe.run(&Command::SettleRefund(&settlement));
    let payout = RecordPayout {
        expected_version: 0.into(),
        happened_at_us: HAPPENED_US.into(),
        seller: ACME,
        currency: POUNDS,
        reserved: [0; 6],
        amount: Amount::new(10),
        reference: 6_003.into(),
    };
    scribe.run(&Command::RecordPayout(&payout));
}

fn returns(scribe: &mut Scribe) {
    scribe.run(&Command::RequestReturn(&returning(3, 1), &[units(0, 1)]));
    scribe.return_step(3, ReturnStep::Approve);
    let receipt = ReceiveReturn {
        happened_at_us: HAPPENED_US.into(),
        order: order_id(3),
        expected_version: 0.into(),
        return_number: 1.into(),
        location: SHOP,
        line_count: 1.into(),
        reserved: [0; 6],
    };
    let came = [ReturnedUnits {
        line: 0.into(),
        disposition: Disposition::Restock as u8,
        reserved: 0,
        quantity: 1.into(),
    }];
    scribe.run(&Command::ReceiveReturn(&receipt, &came));
    scribe.return_step(3, ReturnStep::Close);
}

fn time(scribe: &mut Scribe) {
    scribe.run(&Command::RevokeToken(&RevokeToken { token: 2.into(), expected_version: 1.into() }));
    // The pending orders' hour is over.
    scribe.pass(3_700);
    // And a day later the finished ones leave.
    scribe.pass(90_000);
}

impl Scribe {
    /// The location of the first of an order's units.
    fn one_location(&self, number: u128) -> LocationHandle {
        let mut sent = Vec::new();
        Command::QueryOrder(&QueryOrder { order: order_id(number) }).write(1, &mut sent);
        let mut view = Vec::new();
        self.state.answer(&RawCommand::take(&mut &sent[..]).unwrap(), &mut view).unwrap();
        orderline_protocol::reply::OrderView::read(&view).unwrap().allocations[0].location
    }
}
