//! The fuzzers' doors to what reads people's files, and to what shows bytes of the disk and the wire to people. The sources are the
//! binary's own, and of them only those that read and show: with the HTTP server, the read models and TLS around them, the
//! fuzzers took four times as long to build.

#![allow(dead_code)] // What else those sources can do is not asked for here.

#[path = "../../src/config.rs"]
mod config;
#[path = "../../src/import"]
mod import {
    pub(crate) mod columns;
    mod date;
    mod decimal;
    mod error;
    pub(crate) mod gather;
    pub(crate) mod map;
    mod names;
    mod order;
    mod reason;
    mod rule;
}
#[path = "../../src/log_levels.rs"]
mod log_levels;
#[path = "../../src/names.rs"]
mod names;
#[path = "../../src/settings"]
mod settings {
    pub(crate) mod file;
}
#[path = "../../src/verb.rs"]
mod verb;

use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};
use orderline_core::State;
use orderline_json::Life;
use orderline_protocol::event::Event;
use orderline_protocol::reply::{
    AvailabilityView, CatalogueEntry, GroupView, LedgerView, LevelView, OrderView, ReservationView,
    SettingsView, StatusView,
};

use crate::config::Config;
use crate::import::columns::Columns;
use crate::import::gather::Gather;
use crate::import::map::Map;
use crate::names::StateNames;
use crate::settings::file::SettingsFile;

/// A server's settings, and what `config apply` takes: what is read is written and read again as the same.
pub fn config(text: &str) {
    let _ = Config::parse(text);
    if let Ok(file) = SettingsFile::parse(text) {
        let again = file.to_text("a fuzzer").expect("what was read can be written");
        assert_eq!(SettingsFile::parse(&again), Ok(file));
    }
}

/// An import's column map.
pub fn import_map(text: &str) {
    if let Ok(map) = Map::parse(text, Path::new("map.toml")) {
        let _ = (map.dates(), map.currency_constant());
    }
}

/// Rows under a header, by a map that is good.
pub fn import_rows(map: &str, rows: &[u8]) {
    let file = Path::new("rows.csv");
    let map = Map::parse(map, Path::new("map.toml")).expect("the map is good");
    let mut reader = ReaderBuilder::new()
        .delimiter(map.csv.delimiter as u8)
        .quote(map.csv.quote as u8)
        .flexible(true)
        .from_reader(rows);
    let Ok(header) = reader.byte_headers().cloned() else { return };
    let Ok(columns) = Columns::find(&map, file, &header) else { return };
    let mut gather = Gather::new(&map, map.dates().expect("the map's dates are good"));
    let (mut record, mut line) = (ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record).is_ok_and(|is_row| is_row) {
        line += 1;
        let _ = gather.row(&columns, &record, (0, line));
    }
    let batch = gather.finish();
    for order in 0..batch.orders.len() {
        let _ = batch.lines(order);
    }
}

/// A record as `inspect` shows it.
pub fn record(kind: u16, version: u8, payload: &[u8]) {
    if let Ok(event) = Event::read(kind, version, payload) {
        let _ = orderline_json::record(&StateNames(&State::new(1)), 1, 0, &event);
        let _ = Life::of(orderline_protocol::OrderId::new(1)).has(&event);
    }
}

/// A reply's view, as whatever it may be.
pub fn views(view: &[u8]) {
    let _ = OrderView::read(view);
    let _ = ReservationView::read(view);
    let _ = GroupView::read(view);
    let _ = SettingsView::read(view);
    let _ = LevelView::read_all(view);
    let _ = CatalogueEntry::read_all(view);
    let _ = AvailabilityView::read_all(view);
    let _ = LedgerView::read(view);
    let _ = StatusView::read(view);
}
