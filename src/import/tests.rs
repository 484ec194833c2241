//! The whole import against something that answers like a core, without a server.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use orderline_protocol::command::{EntityKind, OrderLine};
use orderline_protocol::reply::{LevelView, Outcome, ReplyHeader};
use orderline_protocol::{Command, OrderId, RejectCode, Reply, SkuHandle};

use zerocopy::{FromZeros, IntoBytes};

use super::error::ImportError;
use super::gateway::{Gateway, Send};
use super::map::Map;
use super::pipeline;
use super::report::ImportReport;

/// A core in miniature: codes, one location's stock, orders.
#[derive(Default)]
struct Core {
    codes: HashMap<(u8, String), u32>,
    sellers_of_skus: HashMap<u32, u32>,
    available: HashMap<u32, u64>,
    orders: HashMap<OrderId, (Vec<u8>, u64)>,
    received: u64,
    /// Commands answered before it goes away.
    patience: Option<u64>,
}

type Answer = Result<(Outcome, u64, Vec<u8>), RejectCode>;

impl Core {
    fn define(&mut self, entity: EntityKind, code: &str) -> u32 {
        let next = self.codes.keys().filter(|key| key.0 == entity as u8).count() as u32;
        *self.codes.entry((entity as u8, code.to_owned())).or_insert(next)
    }

    fn answer(&mut self, command: &Command<'_>) -> Answer {
        let accepted = |detail| Ok((Outcome::Accepted, detail, Vec::new()));
        match command {
            Command::DefineSeller(_, code) => accepted(self.define(EntityKind::Seller, code).into()),
            Command::DefineLocation(_, code) => accepted(self.define(EntityKind::Location, code).into()),
            Command::DefineSku(head, code) => {
                let sku = self.define(EntityKind::Sku, code);
                self.sellers_of_skus.insert(sku, head.seller.get());
                accepted(sku.into())
            }
            Command::ResolveCode(head, code) => {
                let found = self.codes.get(&(head.entity, (*code).to_owned()));
                found
                    .map(|&handle| (Outcome::Answered, handle.into(), Vec::new()))
                    .ok_or(RejectCode::UnknownCode)
            }
            Command::QueryStock(query) => {
                let available = self.available.get(&query.sku.get()).copied().unwrap_or_default();
                let mut level = LevelView::new_zeroed();
                (level.sku, level.available) = (query.sku, (available as i64).into());
                Ok((Outcome::Answered, 0, level.as_bytes().to_vec()))
            }
            Command::ReceiveStock(head) => {
                self.received += head.quantity.get();
                *self.available.entry(head.sku.get()).or_insert(0) += head.quantity.get();
                accepted(self.available[&head.sku.get()])
            }
            Command::QueryOrder(query) => {
                let found = self.orders.get(&query.order);
                found.map(|_| (Outcome::Answered, 0, Vec::new())).ok_or(RejectCode::UnknownOrder)
            }
            Command::PlaceOrder(head, lines, _) => {
                let mut body = Vec::new();
                command.write(0, &mut body);
                if let Some((placed, total)) = self.orders.get(&head.order) {
                    let before = Ok((Outcome::AcceptedBefore, *total, Vec::new()));
                    return if *placed == body { before } else { Err(RejectCode::OrderIdReused) };
                }
                self.place(head.seller.get(), lines)?;
                let total: i64 =
                    lines.iter().map(|line| i64::from(line.quantity.get()) * line.unit_price.minor()).sum();
                self.orders.insert(head.order, (body, total as u64));
                accepted(total as u64)
            }
            _ => Err(RejectCode::UnknownKind),
        }
    }

    fn place(&mut self, seller: u32, lines: &[OrderLine]) -> Result<(), RejectCode> {
        let mut wanted: HashMap<SkuHandle, u64> = HashMap::new();
        for line in lines {
            if self.sellers_of_skus.get(&line.sku.get()) != Some(&seller) {
                return Err(RejectCode::SkuOfOtherSeller);
            }
            *wanted.entry(line.sku).or_insert(0) += u64::from(line.quantity.get());
        }
        let there = |sku: &SkuHandle| self.available.get(&sku.get()).copied().unwrap_or_default();
        if wanted.iter().any(|(sku, &units)| there(sku) < units) {
            return Err(RejectCode::InsufficientStock);
        }
        for (sku, units) in wanted {
            *self.available.entry(sku.get()).or_insert(0) -= units;
        }
        Ok(())
    }
}

impl Gateway for Core {
    fn exchange(
        &mut self,
        count: usize,
        ask: &mut dyn FnMut(usize, Send<'_>),
        answer: &mut dyn FnMut(usize, Reply<'_>),
    ) -> Result<(), ImportError> {
        for index in 0..count {
            if self.patience == Some(0) {
                return Err(ImportError::Gateway("it went away".to_owned()));
            }
            self.patience = self.patience.map(|left| left - 1);
            let mut answered = None;
            ask(index, &mut |command| answered = Some(self.answer(command)));
            let (outcome, code, detail, view) = match answered.expect("a command was sent") {
                Ok((outcome, detail, view)) => (outcome, 0, detail, view),
                Err(code) => (Outcome::Rejected, code as u16, 0, Vec::new()),
            };
            let header = ReplyHeader {
                bytes: 0.into(),
                outcome: outcome as u8,
                state: 0,
                code: code.into(),
                request: 0.into(),
                sequence: 1.into(),
                detail: detail.into(),
                subject: 0.into(),
                version: 0.into(),
            };
            answer(index, Reply { header: &header, view: &view });
        }
        Ok(())
    }
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn run(core: &mut Core, map: &Map, files: &[PathBuf]) -> ImportReport {
    pipeline::import(map, files, core, &mut |_| {}).unwrap()
}

const MAP: &str = r#"
name = "tests"
order.column = "order"
sku = { column = "sku", case = "upper" }
quantity.column = "units"
price.column = "price"
currency.constant = "GBP"
date = { column = "date", formats = ["%Y-%m-%d"] }
seller.constant = "me"
buyer = { column = "buyer" }
location.code = "here"

[[skip]]
reason = "later"
date_from = "2021-01-01"

[[reject]]
reason = "cancellation"
column = "order"
starts_with = "C"
"#;

const HEADER: &str = "order,sku,units,price,date,buyer\n";

fn map(text: &str) -> Map {
    Map::parse(text, Path::new("tests.toml")).unwrap()
}

fn file(rows: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
    file.write_all(HEADER.as_bytes()).unwrap();
    file.write_all(rows.as_bytes()).unwrap();
    file
}

fn run_rows(core: &mut Core, map_text: &str, rows: &str) -> ImportReport {
    let file = file(rows);
    let report = run(core, &map(map_text), &[file.path().to_owned()]);
    assert_eq!(report.read, report.accepted + report.rejected + report.skipped + report.unanswered);
    assert_eq!(report.rejected, report.reasons.values().sum::<u64>());
    assert_eq!(report.rows_skipped, report.rows_skipped_by.values().sum::<u64>());
    report
}

/// Imports one order of these rows and expects it to be rejected for this.
fn check_rejected(rows: &str, reason: &str) {
    let report = run_rows(&mut Core::default(), MAP, rows);
    assert_eq!((report.read, report.rejected), (1, 1), "{rows}: {report:?}");
    assert_eq!(report.reasons.get(reason), Some(&1), "{rows}: {report:?}");
}

#[test]
fn each_fault_rejects_its_order_under_its_own_name() {
    for (row, reason) in [
        ("1,a,1,1.00,2020-01-01", "wrong_field_count"),
        ("1,a,1,1.00,2020-01-01,b,x", "wrong_field_count"),
        (",a,1,1.00,2020-01-01,b", "missing_order_id"),
        ("1,,1,1.00,2020-01-01,b", "missing_sku"),
        ("1,a\u{7}b,1,1.00,2020-01-01,b", "bad_sku"),
        ("1,a,one,1.00,2020-01-01,b", "bad_quantity"),
        ("1,a,1.5,1.00,2020-01-01,b", "bad_quantity"),
        ("1,a,0,1.00,2020-01-01,b", "zero_quantity"),
        ("1,a,-1,1.00,2020-01-01,b", "negative_quantity"),
        ("1,a,1000000001,1.00,2020-01-01,b", "quantity_too_large"),
        ("1,a,1,,2020-01-01,b", "bad_price"),
        ("1,a,1,0.00,2020-01-01,b", "zero_price"),
        ("1,a,1,-1.00,2020-01-01,b", "negative_price"),
        ("1,a,1,0.001,2020-01-01,b", "sub_minor_price"),
        ("1,a,1,100000000000.01,2020-01-01,b", "price_too_large"),
        ("1,a,1,1.00,1.1.2020,b", "bad_date"),
        ("C1,,-1,0,never,b", "cancellation"),
    ] {
        check_rejected(&format!("{row}\n"), reason);
    }
    check_rejected(&format!("1,{},1,1.00,2020-01-01,b\n", "x".repeat(65)), "bad_sku");
}

#[test]
fn the_first_row_with_something_wrong_gives_the_reason_for_the_whole_order() {
    let rows = "1,a,1,1.00,2020-01-01,b\n1,a,0,1.00,2020-01-01,b\n1,a,1,0,2020-01-01,b\n";
    check_rejected(rows, "zero_quantity");
    let many = "1,a,1,1.00,2020-01-01,b\n".repeat(2_001);
    check_rejected(&many, "too_many_lines");
    assert_eq!(run_rows(&mut Core::default(), MAP, &many[..many.len() / 2_001 * 2_000]).accepted, 1);
}

#[test]
fn rows_of_an_order_are_found_wherever_they_stand_and_equal_rows_are_kept() {
    let mut core = Core::default();
    let rows =
        "1,a,2,1.10,2020-01-01,b\n2,b,1,5.00,2020-01-02,\n1,A,2,1.10,2020-01-01,b\n1,c,1,0.05,2020-01-01,b\n";
    let report = run_rows(&mut core, MAP, rows);
    assert_eq!((report.read, report.accepted, report.lines_accepted, report.units_accepted), (2, 2, 4, 6));
    assert_eq!(report.money_file_minor["GBP"], 2 * 110 * 2 + 5 + 500);
    assert_eq!((report.skus_defined, report.units_received), (3, 6), "a and A are one SKU");
    assert!(report.is_well(), "{report:?}");
    let mut days: Vec<u64> = core.orders.keys().map(|id| id.unix_ms()).collect();
    days.sort_unstable();
    assert_eq!(days, [1_577_836_800_000, 1_577_923_200_000]);
}

#[test]
fn importing_twice_is_importing_once() {
    let mut core = Core::default();
    let rows = "1,a,2,1.10,2020-01-01,b\n2,b,1,5.00,2020-01-02,\n3,b,1,0,2020-01-02,\n";
    let first = run_rows(&mut core, MAP, rows);
    let (orders, received) = (core.orders.len(), core.received);
    let second = run_rows(&mut core, MAP, rows);
    assert_eq!((first.accepted, first.accepted_before), (2, 0));
    assert_eq!((second.accepted, second.accepted_before, second.units_received), (2, 2, 0));
    assert_eq!((core.orders.len(), core.received), (orders, received));
    assert_eq!(first.money_engine_minor, second.money_engine_minor);
    let other = run_rows(&mut core, &MAP.replace("\"tests\"", "\"others\""), rows);
    assert_eq!((other.accepted_before, core.orders.len()), (0, 4), "another name makes other orders");
}

#[test]
fn an_import_that_was_cut_off_anywhere_is_finished_by_the_next_one() {
    let rows: String = (0..10).map(|row| format!("{},s{},2,1.00,2020-01-01,b\n", row / 2, row % 3)).collect();
    let mut whole = Core::default();
    let all = run_rows(&mut whole, MAP, &rows);
    assert!(all.is_well());
    for patience in 2..60 {
        let mut core = Core { patience: Some(patience), ..Core::default() };
        let cut = run_rows(&mut core, MAP, &rows);
        assert_eq!(
            (cut.unanswered > 0, cut.error.is_some()),
            (cut.accepted < 5, cut.accepted < 5),
            "{cut:?}"
        );
        core.patience = None;
        let rest = run_rows(&mut core, MAP, &rows);
        assert_eq!((rest.accepted, rest.accepted_before), (5, cut.accepted), "cut after {patience}");
        assert_eq!(core.received, whole.received, "cut after {patience}");
        assert!(core.available.values().all(|&units| units == 0));
    }
}

#[test]
fn stock_that_is_somebody_elses_business_is_not_made_up() {
    let mut core = Core::default();
    let report =
        run_rows(&mut core, &format!("{MAP}\n[stock]\nassume = \"none\"\n"), "1,a,2,1.10,2020-01-01,b\n");
    assert_eq!((report.accepted, report.reasons["InsufficientStock"], core.received), (0, 1, 0));
    assert!(report.is_well(), "a counted rejection is no fault of the import");
}

#[test]
fn skipped_rows_and_orders_are_counted_apart() {
    let rows = "1,a,1,1.00,2020-12-31,b\n1,a,1,1.00,2021-01-01,b\n2,a,1,1.00,2021-01-01,b\n,,,,,\n";
    let report = run_rows(&mut Core::default(), MAP, rows);
    assert_eq!((report.read, report.accepted, report.skipped), (2, 1, 1));
    assert_eq!((report.rows_read, report.rows_skipped, report.lines_accepted), (4, 3, 1));
    assert_eq!((report.rows_skipped_by["later"], report.rows_skipped_by["blank"]), (2, 1));
}

#[test]
fn bytes_that_are_not_utf_8_reject_their_order_only() {
    let mut file = file("1,a,1,1.00,2020-01-01,b\n");
    file.write_all(b"2,a,1,1.00,2020-01-01,\xe9\n3,a,1,1.00,2020-01-01,b\n").unwrap();
    let report = run(&mut Core::default(), &map(MAP), &[file.path().to_owned()]);
    assert_eq!((report.accepted, report.reasons["bad_encoding"]), (2, 1));
}

#[test]
fn line_totals_are_divided_exactly() {
    let map = MAP.replace("price.column = \"price\"", "price = { column = \"price\", of = \"line\" }");
    let report = run_rows(&mut Core::default(), &map, "1,a,4,10.00,2020-01-01,b\n2,a,3,10.00,2020-01-01,b\n");
    assert_eq!((report.accepted, report.reasons["indivisible_line_total"]), (1, 1));
    assert_eq!(report.money_engine_minor["GBP"], 1_000);
    assert!(report.is_well());
}

#[test]
fn adjacent_orders_are_placed_while_the_file_is_read() {
    let mut rows = String::new();
    for order in 0..120_000 {
        rows.push_str(&format!("{order},a,1,1.00,2020-01-01,b\n{order},a,1,1.00,2020-01-01,b\n"));
    }
    let map_text =
        MAP.replace("order.column = \"order\"", "order = { column = \"order\", grouping = \"adjacent\" }");
    let file = file(&rows);
    let mut placed_before_the_end = 0;
    let mut core = Core::default();
    let report = pipeline::import(&map(&map_text), &[file.path().to_owned()], &mut core, &mut |progress| {
        if progress.rows_read < 240_000 {
            placed_before_the_end = progress.orders_placed;
        }
    })
    .unwrap();
    assert_eq!((report.accepted, report.lines_accepted), (120_000, 240_000));
    assert!(placed_before_the_end >= 100_000, "{placed_before_the_end}");
    assert!(report.is_well());
    // A code that comes again later is another body under the same id, and is refused for that.
    let again = format!("{rows}0,a,1,1.00,2020-01-01,b\n");
    let report = run_rows(&mut Core::default(), &map_text, &again);
    assert_eq!((report.accepted, report.reasons["OrderIdReused"]), (120_000, 1));
}

#[test]
fn a_file_that_ends_in_the_middle_places_nothing_or_says_what_it_placed() {
    let row = |order: u32| format!("{order},a,1,{}.{:02},2020-01-01,b\n", order % 97 + 1, order % 89);
    let rows: String = HEADER.chars().chain((0..150_000).map(row).collect::<String>().chars()).collect();
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let packed = ruzstd::encoding::compress_to_vec(rows.as_bytes(), level);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&packed[..packed.len() - packed.len() / 10]).unwrap();
    let files = [file.path().to_owned()];
    let mut core = Core::default();
    let error = pipeline::import(&map(MAP), &files, &mut core, &mut |_| {}).err().unwrap().to_string();
    assert!(error.contains("line 1") && error.contains(&files[0].display().to_string()), "{error}");
    assert!(core.orders.is_empty());
    let adjacent =
        MAP.replace("order.column = \"order\"", "order = { column = \"order\", grouping = \"adjacent\" }");
    let report = run(&mut core, &map(&adjacent), &files);
    assert!(report.accepted >= 100_000 && report.error.is_some() && !report.is_well(), "{report:?}");
    assert_eq!(report.accepted, core.orders.len() as u64);
}

#[test]
fn a_total_that_the_core_computes_differently_is_seen() {
    let mut core = Core::default();
    run_rows(&mut core, MAP, "1,a,1,1.00,2020-01-01,b\n");
    core.orders.values_mut().for_each(|(_, total)| *total += 1);
    let report = run_rows(&mut core, MAP, "1,a,1,1.00,2020-01-01,b\n");
    assert_eq!((report.orders_money_differs, report.is_well()), (1, false));
}

/// Twelve orders of several sellers, one unit a row, in cents, semicolons and Latin-1.
#[test]
fn the_sample_of_another_shop_comes_through_its_map() {
    let folder = repository().join("examples/import");
    let map = Map::read(&folder.join("one-unit-rows.toml")).unwrap();
    let mut core = Core::default();
    let report = run(&mut core, &map, &[folder.join("one-unit-rows.csv")]);
    let reasons: Vec<(&str, u64)> =
        report.reasons.iter().map(|(reason, &count)| (&**reason, count)).collect();
    assert_eq!(
        reasons,
        [
            ("bad_date", 1),
            ("missing_buyer", 1),
            ("mixed_currencies", 1),
            ("service", 1),
            ("sub_minor_price", 1),
            ("wrong_field_count", 1),
        ]
    );
    assert_eq!((report.read, report.accepted, report.skipped), (12, 5, 1));
    assert_eq!((report.rows_read, report.rows_skipped), (16, 2));
    assert_eq!(report.money_file_minor["EUR"], 1_299 * 2 + 850 + 45_900 + 2_495 + 2_495);
    assert_eq!(report.money_file_minor["CHF"], 3_000);
    assert!(report.is_well(), "{report:?}");
    assert!(core.codes.contains_key(&(EntityKind::Sku as u8, "bücherstube/A-1".to_owned())));
    assert!(core.codes.contains_key(&(EntityKind::Sku as u8, "radhaus/A-1".to_owned())));
}

/// Where the real data set lies, if it is here: the environment's ORDERLINE_DATA, or `../shared/data`.
fn data_set() -> Option<Vec<PathBuf>> {
    let folder =
        std::env::var_os("ORDERLINE_DATA").map_or_else(|| repository().join("../shared/data"), PathBuf::from);
    let files: Vec<_> = ["online_retail_II_2009-12_2010-12.csv.zst", "online_retail_2010-12_2011-12.csv.zst"]
        .iter()
        .map(|name| folder.join(name))
        .collect();
    if files.iter().all(|file| file.exists()) {
        return Some(files);
    }
    println!("skipped: the data set is absent from {}; set ORDERLINE_DATA to its folder", folder.display());
    None
}

#[test]
fn two_years_of_a_real_shop_add_up_exactly() {
    let Some(files) = data_set() else { return };
    let map = Map::read(&repository().join("examples/import/online-retail-ii.toml")).unwrap();
    let mut core = Core::default();
    let report = run(&mut core, &map, &files);
    println!("{report:#?}");
    assert_eq!(report.rows_read - report.rows_skipped, 1_044_847);
    assert_eq!((report.read, report.skipped), (53_628, 0));
    assert_eq!(report.reasons["cancellation"], 8_292);
    assert_eq!(report.reasons["adjustment_invoice"], 6);
    assert!(report.is_well());
    let again = run(&mut core, &map, &files);
    assert_eq!((again.accepted, again.accepted_before), (report.accepted, report.accepted));
    assert_eq!((again.units_received, core.orders.len() as u64), (0, report.accepted));
}
