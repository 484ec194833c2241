//! A data directory as version 5 wrote it, kept for ever in `tests/golden/v5`: every later program reads it to the
//! same state, and as long as the format is version 5 the same decisions write the same bytes. Those of versions 1 to 4
//! are refused in a sentence.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orderline_journal::{PositionalStorage, Reader, SnapshotReader, Start, Storage};
use orderline_protocol::KEYED_FROM;
use orderline_protocol::command::{
    CartLine, DefineLocation, DefineSeller, DefineSku, DefineToken, OrderLine,
};
use orderline_protocol::event::EventKind;
use orderline_protocol::lifecycle::PaymentState;

use crate::access::{secret, with};
use crate::recovery::verified;
use crate::scribe::{
    ACTOR, KEYED_BEHIND, LAST_SNAPSHOT_AT, RESERVATION, SNAPSHOT_AT, STORE_ID, order_id, write,
};
use crate::support::directory::files;
use crate::support::program::orderline;
use crate::support::server::{NO_SNAPSHOTS, recovered_hash};
use crate::support::{Server, copy, tree};

/// What version 5 holds. Never edited.
const STATE_HASH: &str = "90a980b88b75f50b7786c57f089cf3d2";
const RECORDS: u64 = 70;
const ORDERS: (u64, u64) = (3, 3);

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn the_same_decisions_still_write_the_bytes_of_version_5() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    write(&data);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        // Only for the first directory of a new version: the old ones are kept for ever.
        let _ = std::fs::remove_dir_all(golden("v5"));
        copy(&data, &golden("v5"));
        std::fs::write(golden("v5.jsonl"), inspected(&data)).unwrap();
    }
    let (expected, found) = (tree(&golden("v5")), tree(&data));
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (name, bytes) in expected {
        assert!(found[&name] == bytes, "{} is no longer written as version 5 says", name.display());
    }
}

/// What `inspect` prints of a directory.
fn inspected(data: &Path) -> String {
    let ran = orderline(["inspect", "--data", data.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout
}

#[test]
fn the_directories_of_older_versions_are_refused_in_a_sentence_and_left_as_they_are() {
    for version in [1, 2, 3, 4] {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        copy(&golden(&format!("v{version}")), &data);
        let before = tree(&data);
        let version = format!("version {version}");
        let words = ["record", &version, "run the version that wrote it"];
        match Server::try_start(&data, NO_SNAPSHOTS) {
            Ok(_) => panic!("a directory of {version} was served"),
            Err(refused) => refused.refused(&words),
        }
        for (verb, code) in [("replay", 1), ("verify", 1), ("inspect", 2)] {
            let ran = orderline([verb, "--data", data.to_str().unwrap()]);
            assert_eq!(ran.code, Some(code), "{verb}: {ran:?}");
            assert!(words.iter().all(|word| ran.stderr.contains(word)), "{verb}: {ran:?}");
        }
        let mut after = tree(&data);
        after.remove(Path::new("lock"));
        assert_eq!(after, before);
    }
}

#[test]
fn the_directory_of_version_5_is_still_read_to_the_same_state() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    copy(&golden("v5"), &data);
    let ran = orderline(["verify", "--json", "--check-every", "1", "--data", data.to_str().unwrap()]);
    let report = ran.well();
    assert_eq!(report["state_hash"], STATE_HASH, "{report}");
    assert_eq!(report["checks"], RECORDS, "{report}");
    assert_eq!(
        (&report["records"], &report["last_sequence"]),
        (&RECORDS.into(), &RECORDS.into()),
        "{report}"
    );
    let orders = (&report["orders_total"], &report["orders_open"]);
    assert_eq!(orders, (&ORDERS.0.into(), &ORDERS.1.into()), "{report}");
    assert_eq!(report["snapshots_equal"], serde_json::json!([SNAPSHOT_AT, LAST_SNAPSHOT_AT]), "{report}");
    let golden_records = std::fs::read_to_string(golden("v5.jsonl")).unwrap();
    assert_eq!(inspected(&data), golden_records, "the records say the same");
    let kinds: std::collections::BTreeSet<_> = golden_records
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].to_string())
        .collect();
    let all: std::collections::BTreeSet<_> =
        EventKind::ALL.iter().map(|kind| format!("\"{kind:?}\"")).collect();
    assert_eq!(kinds, all, "every kind of event is there");

    // It is served, from the snapshot and the log behind it, and goes on with segments of today's length.
    let said = Server::start(&data, NO_SNAPSHOTS).kill();
    assert!(said.contains(&format!("snapshot_sequence={LAST_SNAPSHOT_AT} ")), "{said}");
    // Long after: what was due in it happens now.
    let (_, sequence) = recovered_hash(&said);
    assert!(sequence >= RECORDS, "{said}");
    // Tokens are defined in it, so it takes one to go on.
    let (operator, hash) = secret();
    let config = format!("{NO_SNAPSHOTS}[access]\noperator_token_hash = \"{hash}\"\n");
    let server = Server::start(&data, &config);
    with(&operator, &server, &["load", "--orders", "500", "--skus", "100", "--json"]).well();
    server.stop();
    assert!(verified(&data)["orders_total"].as_u64() >= Some(500));
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

/// A structure of a snapshot, read by the document's table.
struct Documented(BTreeMap<String, (usize, usize)>);

impl Documented {
    fn new(structure: &str) -> Self {
        Self(documented(structure))
    }

    fn bytes(&self) -> usize {
        self.0.values().map(|&(offset, bytes)| offset + bytes).max().unwrap_or_default()
    }

    /// Numbers of these fields.
    fn read<const N: usize>(&self, entry: &[u8], fields: [&str; N]) -> [u128; N] {
        fields.map(|field| {
            let (offset, bytes) = self.0[field];
            number(&entry[offset..offset + bytes])
        })
    }
}

fn number(bytes: &[u8]) -> u128 {
    let mut wide = [0; 16];
    wide[..bytes.len()].copy_from_slice(bytes);
    u128::from_le_bytes(wide)
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> &'a [u8] {
    let (front, behind) = rest.split_at(bytes);
    *rest = behind;
    front
}

fn take_u64(rest: &mut &[u8]) -> usize {
    number(take(rest, 8)) as usize
}

/// The sections of a golden snapshot by their tags, in their order.
fn sections(sequence: u64) -> Vec<(u32, Vec<u8>)> {
    let storage: Arc<dyn Storage> = Arc::new(PositionalStorage::new(golden("v5")));
    assert_eq!(Reader::open(Arc::clone(&storage), Start::Oldest).unwrap().store_id(), STORE_ID);
    assert_eq!(files(&golden("v5"), "snapshots").len(), 2);
    let mut reader = SnapshotReader::open(&*storage, STORE_ID, sequence).unwrap();
    let mut sections = Vec::new();
    while let Some(tag) = reader.next_section().unwrap() {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
        sections.push((tag, bytes));
    }
    sections
}

#[test]
fn the_sections_of_a_snapshot_are_as_documented() {
    let sections = sections(SNAPSHOT_AT);
    let tags: Vec<u32> = sections.iter().map(|&(tag, _)| tag).collect();
    let rows = include_str!("../../docs/format.md").split("### `Sections`").nth(1).unwrap();
    let told = rows.lines().filter(|line| line.starts_with("| ")).skip(1).take(tags.len());
    let told: Vec<u32> = told.map(|row| row.split('|').nth(1).unwrap().trim().parse().unwrap()).collect();
    assert_eq!((&tags, &told[..]), (&told, &orderline_core::state::SECTION_TAGS[..]));
    let section: BTreeMap<u32, &[u8]> = sections.iter().map(|(tag, bytes)| (*tag, &bytes[..])).collect();

    let mut rest = section[&1];
    assert_eq!((number(take(&mut rest, 4)), take_u64(&mut rest) as u64), (5, SNAPSHOT_AT));

    let mut rest = section[&2];
    let mut codes = Vec::new();
    let definitions = [
        size_of::<DefineSeller>(),
        size_of::<DefineLocation>(),
        size_of::<DefineSku>(),
        size_of::<DefineToken>(),
    ];
    for definition_bytes in definitions {
        for _ in 0..take_u64(&mut rest) {
            assert_eq!(take_u64(&mut rest), definition_bytes);
            take(&mut rest, definition_bytes + 4);
            let bytes = take_u64(&mut rest);
            codes.push(String::from_utf8(take(&mut rest, bytes).to_vec()).unwrap());
            take(&mut rest, 8);
        }
    }
    let expected = [
        "acme",
        "zest",
        "shop",
        "depot",
        "attic",
        "tea",
        "cups",
        "café",
        "spoons",
        "zest's shop",
        "depot gun 1",
    ];
    assert_eq!((codes, rest.len()), (expected.map(String::from).to_vec(), 0));

    let (level, movement) = (Documented::new("SavedLevel"), Documented::new("Movement"));
    assert_eq!(section[&3].len() % level.bytes(), 0);
    let shop_tea = level.read(&section[&3][..level.bytes()], ["sku", "location"]);
    assert_eq!(shop_tea, [0, 0]);
    let mut rest = section[&6];
    let count = take_u64(&mut rest);
    assert_eq!(rest.len(), count * movement.bytes());
    let newest = &rest[(count - 1) * movement.bytes()..];
    assert!(movement.read(newest, ["sequence"])[0] <= SNAPSHOT_AT.into());

    let order = Documented::new("SavedOrder");
    let mut rest = section[&4];
    let mut ids = Vec::new();
    while !rest.is_empty() {
        let head = take(&mut rest, order.bytes());
        let [id, lines, state, detail] = order.read(head, ["id", "line_count", "state", "detail"]);
        assert!((1..=5).contains(&state));
        take(&mut rest, lines as usize * size_of::<OrderLine>());
        if detail == 1 {
            let bytes = take_u64(&mut rest);
            take(&mut rest, bytes);
        }
        ids.push(id);
    }
    assert!(ids.contains(&order_id(1).get()), "{ids:?}");

    let reservation = Documented::new("SavedReservation");
    let mut rest = section[&7];
    let head = take(&mut rest, reservation.bytes());
    let fields = ["id", "line_count", "allocation_count", "state"];
    assert_eq!(reservation.read(head, fields), [RESERVATION, 1, 0, 1]);
    assert_eq!(rest.len(), size_of::<CartLine>());

    let mut rest = section[&5];
    assert_eq!(take_u64(&mut rest), 1);
    assert_eq!(number(take(&mut rest, 16)), 0xfeed_0001);
    assert_eq!(number(take(&mut rest, 4)), ACTOR.into());
    let (last_request, last_sequence) = (take_u64(&mut rest), take_u64(&mut rest) as u64);
    assert!(last_sequence <= SNAPSHOT_AT);
    let answer = Documented::new("SavedAnswer");
    for request in 1..=take_u64(&mut rest) {
        assert_eq!((take_u64(&mut rest), take_u64(&mut rest)), (request, answer.bytes()));
        take(&mut rest, answer.bytes());
        assert!(request <= last_request);
    }
    assert!(rest.is_empty());

    let keyed = Documented::new("SavedKeyed");
    let mut rest = section[&10];
    let count = take_u64(&mut rest);
    assert_eq!((count > 1, rest.len()), (true, count * keyed.bytes()));
    for entry in rest.chunks(keyed.bytes()) {
        let [session, request, sequence] = keyed.read(entry, ["session", "request", "sequence"]);
        assert_eq!((session, sequence as u64 % 8), (0xfeed_0001, KEYED_BEHIND + 1));
        assert_eq!(request as u64, KEYED_FROM | (sequence as u64 - 1).reverse_bits() >> 1);
    }
}

#[test]
fn groups_and_ledgers_are_as_documented() {
    let sections: BTreeMap<u32, Vec<u8>> = sections(LAST_SNAPSHOT_AT).into_iter().collect();
    // Sums as the story makes them: 300 captured, an eighth of it kept, 100 of it refunded, 10 paid.
    let mut rest = &sections[&9][..];
    assert_eq!(take_u64(&mut rest), 1);
    let (seller, currency) = (number(take(&mut rest, 4)), number(take(&mut rest, 2)));
    let entries = take_u64(&mut rest);
    let sums: Vec<usize> = (0..7).map(|_| take_u64(&mut rest)).collect();
    let version = number(take(&mut rest, 4));
    assert_eq!((seller, currency, entries, version, rest.len()), (0, 826, 5, 5, 0));
    assert_eq!(sums, [300, 37, 100, 12, 0, 165, 10]);

    let mut rest = &sections[&8][..];
    let mut payments = BTreeMap::new();
    for _ in 0..take_u64(&mut rest) {
        let id = number(take(&mut rest, 16));
        // Sequence, digest, version, buyer, currency, and what its orders cost when they were placed.
        take(&mut rest, 8 + 4 + 4 + 8 + 2 + 8);
        for _ in 0..take_u64(&mut rest) {
            take(&mut rest, 16);
        }
        take(&mut rest, 4);
        let (payment, state) = (number(take(&mut rest, 2)), number(take(&mut rest, 1)));
        let [authorized, captured, refunded] = [(); 3].map(|()| take_u64(&mut rest));
        // When it lapses, the payment service's number, and when it happened.
        take(&mut rest, 8 + 8 + 8);
        payments.insert(id, (payment, state, [authorized, captured, refunded]));
    }
    assert!(rest.is_empty());
    let captured = u128::from(PaymentState::Captured as u8);
    assert_eq!(
        payments[&order_id(3).get()],
        (1, captured, [300, 300, 100]),
        "what was voided is promised no more"
    );
    assert!(payments.contains_key(&order_id(50).get()), "{payments:?}");
}
