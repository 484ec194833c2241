//! A data directory as version 1 wrote it, kept for ever in `tests/golden/v1`: every later program reads it to the
//! same state, and as long as the format is version 1 the same decisions write the same bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use orderline_core::{Decision, Scratch, State, snapshot};
use orderline_journal::{
    JournalOptions, Opened, PositionalStorage, Reader, SnapshotReader, Start, Storage, open,
};
use orderline_protocol::command::{
    AdjustStock, Bucket, ConfirmOrder, DefineLocation, DefineSeller, DefineSku, LineQuantity, MoveLines,
    OrderLine, PlaceOrder, RawCommand, ReceiveStock, ShipLines, Standing,
};
use orderline_protocol::event::{EVENT_VERSION, Event};
use orderline_protocol::reply::LineCounters;
use orderline_protocol::{
    Amount, BuyerId, Command, CurrencyCode, LocationHandle, OrderId, SellerHandle, SessionHandle, SessionId,
    SkuHandle,
};

use crate::cli::load;
use crate::recovery::verified;
use crate::support::directory::files;
use crate::support::program::orderline;
use crate::support::server::{NO_SNAPSHOTS, recovered_hash};
use crate::support::{Server, copy, tree};

const STORE_ID: u128 = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
const FIRST_US: i64 = 1_800_000_000_000_000;
const SNAPSHOT_AT: u64 = 15;

/// What version 1 holds. Never edited.
const STATE_HASH: &str = "ea8526c897220f9532515bd5f7a6e5af";
const RECORDS: u64 = 22;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Decides, journals and applies, as the engine does, with every choice its own.
struct Scribe {
    state: State,
    opened: Opened,
    scratch: Scratch,
    request: u64,
}

const SESSION: SessionHandle = SessionHandle::new(0);
const SELLER: SellerHandle = SellerHandle::new(0);
const SHOP: LocationHandle = LocationHandle::new(0);
const DEPOT: LocationHandle = LocationHandle::new(1);

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
        Self { state: State::new(0), opened, scratch: Scratch::default(), request: 0 }
    }

    fn keep(&mut self, kind: u16, bytes: &[u8]) {
        let writer = &mut self.opened.writer;
        let sequence = writer.stage(kind, EVENT_VERSION, |out| out.extend_from_slice(bytes));
        let event = Event::read(kind, EVENT_VERSION, bytes).unwrap();
        // A batch for each record, a second and a half after the one before.
        let now_us = FIRST_US + sequence as i64 * 1_500_000;
        self.state.apply(sequence, now_us, &event);
        self.opened.writer.commit(now_us).unwrap();
        if sequence.is_multiple_of(2) {
            while self.opened.syncer.sync_once().unwrap() {}
        }
    }

    fn open_session(&mut self, id: u128) {
        let mut bytes = Vec::new();
        let kind = self.state.decide_session(SessionId::new(id), &mut bytes).unwrap();
        self.keep(kind as u16, &bytes);
    }

    fn run(&mut self, command: &Command<'_>) {
        self.request += 1;
        let (mut sent, mut bytes) = (Vec::new(), Vec::new());
        command.write(self.request, &mut sent);
        let raw = RawCommand::take(&mut &sent[..]).unwrap();
        match self.state.decide(
            SESSION,
            &orderline_core::state::Parsed::new(raw),
            &mut self.scratch,
            &mut bytes,
        ) {
            Decision::Event(kind) => self.keep(kind as u16, &bytes),
            decision => panic!("request {}: {decision:?}", self.request),
        }
    }

    fn snapshot(&mut self) {
        while self.opened.syncer.sync_once().unwrap() {}
        let durable = self.opened.watermark.durable();
        let stop = AtomicBool::new(false);
        snapshot::make(&self.opened.storage, STORE_ID, durable, 0, &stop).unwrap().unwrap();
    }

    /// Ends in order, with the mark of it.
    fn close(self) {
        let Opened { writer, syncer, .. } = self.opened;
        drop(writer);
        syncer.run();
    }
}

fn order_id(number: u128) -> OrderId {
    OrderId::from_parts(1_800_000_000_000, number)
}

fn line(sku: u32, quantity: u32, minor: i64) -> OrderLine {
    OrderLine { sku: SkuHandle::new(sku), quantity: quantity.into(), unit_price: Amount::new(minor) }
}

fn place(scribe: &mut Scribe, number: u128, lines: &[OrderLine]) {
    let head = PlaceOrder {
        order: order_id(number),
        buyer: BuyerId::new(700 + number as u64),
        seller: SELLER,
        currency: CurrencyCode::new(826),
        line_count: (lines.len() as u16).into(),
        region: 0.into(),
    };
    scribe.run(&Command::PlaceOrder(&head, lines));
}

fn confirm(scribe: &mut Scribe, number: u128) {
    let head = ConfirmOrder { order: order_id(number), expected_version: 1.into(), reserved: [0; 4] };
    scribe.run(&Command::ConfirmOrder(&head));
}

fn moving(number: u128, lines: u16) -> MoveLines {
    MoveLines {
        order: order_id(number),
        expected_version: 0.into(),
        line_count: lines.into(),
        reason: 11.into(),
    }
}

/// Writes the directory: every kind of event, orders whole and split, open and done, a snapshot on the way.
fn write(data: &Path) {
    let mut scribe = Scribe::new(data);
    scribe.open_session(0xfeed_0001);
    let active = Standing::Active as u8;
    let seller =
        DefineSeller { commission_bp: 1_250.into(), standing: active, code_bytes: 4, expected_version: 0.into() };
    scribe.run(&Command::DefineSeller(&seller, "acme"));
    for (priority, code) in [(1_u32, "shop"), (2, "depot")] {
        let location = DefineLocation {
            region: 44.into(),
            priority: priority.into(),
            daily_capacity: 0.into(),
            standing: active,
            code_bytes: code.len() as u8,
            expected_version: 0.into(),
        };
        scribe.run(&Command::DefineLocation(&location, code));
    }
    for code in ["tea", "cups", "café"] {
        let sku = DefineSku {
            seller: SELLER,
            backorder_cap: 0.into(),
            currency: CurrencyCode::new(826),
            standing: active,
            code_bytes: code.len() as u8,
            expected_version: 0.into(),
        };
        scribe.run(&Command::DefineSku(&sku, code));
    }
    for (sku, location, quantity) in [(0, SHOP, 10_u64), (1, SHOP, 5), (1, DEPOT, 9), (2, DEPOT, 100)] {
        let receipt = ReceiveStock {
            sku: SkuHandle::new(sku),
            location,
            quantity: quantity.into(),
            from_incoming: 0,
            reserved: 0,
            cause: Cause::NONE,
        };
        scribe.run(&Command::ReceiveStock(&receipt));
    }
    place(&mut scribe, 1, &[line(0, 2, 1_999), line(1, 1, 250)]);
    place(&mut scribe, 2, &[line(1, 12, 250), line(2, 3, 375)]);
    confirm(&mut scribe, 2);
    let some = [LineQuantity { line: 0.into(), reserved: [0; 2], quantity: 2.into() }];
    scribe.run(&Command::CancelLines(&moving(2, 1), &some));
    assert_eq!(scribe.state.sequence(), SNAPSHOT_AT);
    scribe.snapshot();
    let adjustment = AdjustStock {
        sku: SkuHandle::new(0),
        location: SHOP,
        delta: 4.into(),
        reference: 0x0506.into(),
        reason: 8.into(),
        bucket: Bucket::Damaged as u8,
        reserved: [0; 5],
    };
    scribe.run(&Command::AdjustStock(&adjustment));
    place(&mut scribe, 3, &[line(2, 1, 375)]);
    confirm(&mut scribe, 3);
    for (number, location, tracking) in [(2, SHOP, "RM123"), (3, LocationHandle::NONE, "")] {
        let ship = ShipLines {
            order: order_id(number),
            expected_version: 0.into(),
            location,
            line_count: 0.into(),
            carrier: 5.into(),
            tracking_bytes: tracking.len() as u8,
            reserved: [0; 3],
        };
        scribe.run(&Command::ShipLines(&ship, &[], tracking));
    }
    scribe.run(&Command::DeliverLines(&moving(3, 0), &[]));
    scribe.open_session(0xfeed_0002);
    scribe.close();
    std::fs::remove_file(data.join("lock")).unwrap();
}

#[test]
fn the_same_decisions_still_write_the_bytes_of_version_1() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    write(&data);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        // Only for the first directory of a new version: the old ones are kept for ever.
        copy(&data, &golden("v1"));
        std::fs::write(golden("v1.jsonl"), inspected(&data)).unwrap();
    }
    let (expected, found) = (tree(&golden("v1")), tree(&data));
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (name, bytes) in expected {
        assert!(found[&name] == bytes, "{} is no longer written as version 1 says", name.display());
    }
}

/// What `inspect` prints of a directory.
fn inspected(data: &Path) -> String {
    let ran = orderline(["inspect", "--data", data.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout
}

#[test]
fn the_directory_of_version_1_is_still_read_to_the_same_state() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    copy(&golden("v1"), &data);
    let report = verified(&data);
    assert_eq!(report["state_hash"], STATE_HASH, "{report}");
    assert_eq!(
        (&report["records"], &report["last_sequence"]),
        (&RECORDS.into(), &RECORDS.into()),
        "{report}"
    );
    assert_eq!((&report["orders_total"], &report["orders_open"]), (&3.into(), &2.into()), "{report}");
    assert_eq!(report["snapshots_equal"], serde_json::json!([SNAPSHOT_AT]), "{report}");
    let golden_records = std::fs::read_to_string(golden("v1.jsonl")).unwrap();
    assert_eq!(inspected(&data), golden_records, "the records say the same");
    let kinds: std::collections::BTreeSet<_> = golden_records
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].to_string())
        .collect();
    assert_eq!(kinds.len(), 11, "every kind of event is there: {kinds:?}");

    // It is served, from the snapshot and the log behind it, and goes on with segments of today's length.
    let said = Server::start(&data, NO_SNAPSHOTS).kill();
    assert_eq!(recovered_hash(&said), (STATE_HASH.to_owned(), RECORDS), "{said}");
    assert!(said.contains(&format!("({SNAPSHOT_AT} from a snapshot")), "{said}");
    let server = Server::start(&data, NO_SNAPSHOTS);
    load(&server, 500).well();
    server.stop();
    assert_eq!(verified(&data)["orders_total"], 503);
    assert!(inspected(&data).starts_with(&golden_records), "what was there is untouched");
}

/// The fields of a structure as `docs/format.md` has them: name, offset, size.
fn documented(structure: &str) -> BTreeMap<String, (usize, usize)> {
    let document = include_str!("../../docs/format.md");
    let section = document.split(&format!("### `{structure}`\n")).nth(1).expect("the structure has a table");
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            (cells[3].to_owned(), (cells[1].parse().unwrap(), cells[2].parse().unwrap()))
        })
        .collect()
}

/// Reads bytes by a documented structure.
struct Documented(BTreeMap<String, (usize, usize)>);

impl Documented {
    fn new(structure: &str) -> Self {
        Self(documented(structure))
    }

    fn bytes(&self) -> usize {
        self.0.values().map(|(_, size)| size).sum()
    }

    /// Fields of an entry as numbers.
    fn read<const N: usize>(&self, entry: &[u8], fields: [&str; N]) -> [u128; N] {
        fields.map(|field| {
            let (offset, size) = self.0[field];
            number(&entry[offset..offset + size])
        })
    }
}

fn number(bytes: &[u8]) -> u128 {
    let mut all = [0; 16];
    all[..bytes.len()].copy_from_slice(bytes);
    u128::from_le_bytes(all)
}

/// Takes what stands at the front off.
fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> &'a [u8] {
    let (front, behind) = rest.split_at(bytes);
    *rest = behind;
    front
}

fn take_u64(rest: &mut &[u8]) -> usize {
    number(take(rest, 8)) as usize
}

/// The sections of the golden snapshot by their tags.
fn sections() -> BTreeMap<u32, Vec<u8>> {
    let storage: Arc<dyn Storage> = Arc::new(PositionalStorage::new(golden("v1")));
    assert_eq!(Reader::open(Arc::clone(&storage), Start::Oldest).unwrap().store_id(), STORE_ID);
    assert_eq!(files(&golden("v1"), "snapshots").len(), 1);
    let mut reader = SnapshotReader::open(&*storage, STORE_ID, SNAPSHOT_AT).unwrap();
    let mut sections = BTreeMap::new();
    while let Some(tag) = reader.next_section().unwrap() {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
        sections.insert(tag, bytes);
    }
    sections
}

#[test]
fn the_sections_of_a_snapshot_are_as_documented() {
    let sections = sections();
    let tags: Vec<u32> = sections.keys().copied().collect();
    let rows = include_str!("../../docs/format.md").split("### `Sections`").nth(1).unwrap();
    let told = rows.lines().filter(|line| line.starts_with("| ")).skip(1).take(tags.len());
    let told: Vec<u32> = told.map(|row| row.split('|').nth(1).unwrap().trim().parse().unwrap()).collect();
    assert_eq!((&tags, &told[..]), (&told, &orderline_core::state::SECTION_TAGS[..]));

    assert_eq!(sections[&1], [&1_u32.to_le_bytes()[..], &SNAPSHOT_AT.to_le_bytes()].concat());

    let mut rest = &sections[&2][..];
    let mut codes = Vec::new();
    for definition_bytes in [size_of::<DefineSeller>(), size_of::<DefineLocation>(), size_of::<DefineSku>()] {
        for _ in 0..take_u64(&mut rest) {
            assert_eq!(take_u64(&mut rest), definition_bytes);
            take(&mut rest, definition_bytes);
            let bytes = take_u64(&mut rest);
            codes.push(String::from_utf8(take(&mut rest, bytes).to_vec()).unwrap());
        }
    }
    assert_eq!(
        (codes, rest.len()),
        (["acme", "shop", "depot", "tea", "cups", "café"].map(String::from).to_vec(), 0)
    );

    let level = Documented::new("SavedLevel");
    let levels: Vec<_> = sections[&3].chunks(level.bytes()).collect();
    let fields = ["sku", "location", "next", "available", "reserved", "committed", "damaged"];
    let read: Vec<_> = levels.iter().map(|entry| level.read(entry, fields)).collect();
    // Order 1 holds two teas and a cup; order 2 had twelve cups from both places, two of them cancelled.
    assert_eq!(read[0], [0, 0, 0, 8, 2, 0, 0]);
    assert_eq!(read.len(), 4);
    let cups: u128 = read[1..3].iter().map(|level| level[3] + level[4] + level[5]).sum();
    assert_eq!((cups, read[1][0], read[2][0]), (14, 1, 1), "no cup has left");

    let head = Documented::new("SavedOrder");
    let mut rest = &sections[&4][..];
    let fields =
        ["id", "placed_sequence", "buyer", "currency", "line_count", "state", "stage", "version", "detail"];
    let whole = take(&mut rest, head.bytes());
    assert_eq!(head.read(whole, fields), [order_id(1).get(), 12, 701, 826, 2, 1, 1, 1, 0]);
    take(&mut rest, 2 * size_of::<OrderLine>());
    let split = take(&mut rest, head.bytes());
    assert_eq!(head.read(split, fields), [order_id(2).get(), 13, 702, 826, 2, 2, 6, 3, 1]);
    assert_eq!(head.read(split, ["location"]), [u32::MAX.into()]);
    take(&mut rest, 2 * size_of::<OrderLine>());
    let allocations = take_u64(&mut rest);
    let counters = Documented::new("LineCounters");
    assert_eq!(counters.bytes(), size_of::<LineCounters>());
    let first = take(&mut rest, counters.bytes());
    assert_eq!(counters.read(first, ["cancelled", "reserved", "allocated"]), [2, 0, 10]);
    take(&mut rest, counters.bytes());
    assert_eq!(rest.len(), allocations * Documented::new("Allocation").bytes());

    let mut rest = &sections[&5][..];
    assert_eq!(take_u64(&mut rest), 1);
    assert_eq!(number(take(&mut rest, 16)), 0xfeed_0001);
    assert_eq!((take_u64(&mut rest), take_u64(&mut rest)), (14, SNAPSHOT_AT as usize));
    let answer = Documented::new("SavedAnswer");
    let answers = take_u64(&mut rest);
    assert_eq!(answers, 14);
    for request in 1..=answers {
        assert_eq!((take_u64(&mut rest), take_u64(&mut rest)), (request, answer.bytes()));
        let entry = take(&mut rest, answer.bytes());
        assert_eq!(answer.read(entry, ["sequence"]), [request as u128 + 1]);
    }
    assert!(rest.is_empty());
}
