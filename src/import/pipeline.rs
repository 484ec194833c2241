//! The import from end to end: files to rows, rows to orders, orders to the gateway, answers to the report.

use std::path::{Path, PathBuf};
use std::time::Instant;

use csv::{ByteRecord, ReaderBuilder};
use orderline_protocol::CurrencyCode;

use super::columns::Columns;
use super::error::ImportError;
use super::gateway::Gateway;
use super::gather::Gather;
use super::map::Map;
use super::order::{Batch, Order};
use super::placement::{Placed, Placement};
use super::reason::Reason;
use super::report::ImportReport;
use super::source;

/// How an import goes. Told often; whoever prints it chooses how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImportProgress {
    pub(crate) rows_read: u64,
    pub(crate) orders_placed: u64,
}

/// Rows between two tellings of progress.
const PROGRESS_ROWS: u64 = 4_096;

/// Imports files by a map.
///
/// # Errors
/// When a file cannot be read, lacks a column, or is no CSV, or the server does not take the location. Once orders
/// have been placed, such an error stands in the report instead.
pub(crate) fn import<G: Gateway>(
    map: &Map,
    files: &[PathBuf],
    gateway: &mut G,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<ImportReport, ImportError> {
    let began = Instant::now();
    let dates = map.dates().map_err(|why| ImportError::MapKey {
        file: PathBuf::from(&map.name),
        key: "date".to_owned(),
        why,
    })?;
    let mut gather = Gather::new(map, dates);
    let mut placing = Placing {
        map,
        files,
        placement: Placement::begin(gateway, map)?,
        batches: 0,
        report: ImportReport::default(),
    };
    for (number, file) in files.iter().enumerate() {
        if let Err(error) = read_file(map, number as u16, file, &mut gather, &mut placing, progress) {
            if placing.batches == 0 {
                return Err(error);
            }
            // Orders have been placed: what became of them is worth more than a bare error.
            placing.report.error = Some(error.to_string());
        }
        if placing.report.error.is_some() {
            break;
        }
    }
    if placing.report.error.is_none() {
        let rest = gather.finish();
        placing.place(rest, &gather, progress);
    }
    Ok(placing.finish(&gather, began))
}

/// Reads a file to its end, or until placing has failed.
fn read_file<G: Gateway>(
    map: &Map,
    number: u16,
    file: &Path,
    gather: &mut Gather<'_>,
    placing: &mut Placing<'_, G>,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<(), ImportError> {
    let mut rows = Rows::open(map, file)?;
    while rows.next()? {
        let complete = gather.row(&rows.columns, &rows.record, (number, rows.line()));
        if gather.counts.read.is_multiple_of(PROGRESS_ROWS) {
            progress(ImportProgress {
                rows_read: gather.counts.read,
                orders_placed: placing.placement.counts.accepted,
            });
        }
        if let Some(batch) = complete
            && !placing.place(batch, gather, progress)
        {
            break;
        }
    }
    Ok(())
}

/// The rows of one file.
struct Rows {
    file: PathBuf,
    reader: csv::Reader<Box<dyn std::io::Read>>,
    columns: Columns,
    record: ByteRecord,
}

impl Rows {
    fn open(map: &Map, file: &Path) -> Result<Self, ImportError> {
        let mut reader = ReaderBuilder::new()
            .delimiter(map.csv.delimiter as u8)
            .quote(map.csv.quote as u8)
            .flexible(true)
            .buffer_capacity(256 * 1024)
            .from_reader(source::open(file)?);
        let header = reader.byte_headers().map_err(|error| csv_error(file, 1, &error))?.clone();
        let columns = Columns::find(map, file, &header)?;
        Ok(Self { file: file.to_owned(), reader, columns, record: ByteRecord::new() })
    }

    fn next(&mut self) -> Result<bool, ImportError> {
        let read = self.reader.read_byte_record(&mut self.record);
        read.map_err(|error| csv_error(&self.file, self.reader.position().line(), &error))
    }

    /// The line on which the row begins.
    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }
}

fn csv_error(file: &Path, line: u64, error: &csv::Error) -> ImportError {
    ImportError::Csv { file: file.to_owned(), line, why: error.to_string() }
}

/// Places batches and counts what became of them.
struct Placing<'a, G> {
    map: &'a Map,
    files: &'a [PathBuf],
    placement: Placement<'a, G>,
    /// Batches placed, or tried.
    batches: u64,
    report: ImportReport,
}

impl<G: Gateway> Placing<'_, G> {
    /// Places a batch; false when no other can be placed after it.
    fn place(
        &mut self,
        mut batch: Batch,
        gather: &Gather<'_>,
        progress: &mut dyn FnMut(ImportProgress),
    ) -> bool {
        self.batches += 1;
        let report = &mut self.report;
        let placed_before = self.placement.counts.accepted;
        let mut placed_now = 0;
        let rows_read = gather.counts.read;
        let mut placed = |batch: &Batch, placed: Placed| {
            let order = &batch.orders[placed.order];
            let currency = letters(order.currency);
            let file_minor = order.file_minor.to_whole().map(i128::from);
            let engine_minor = i128::from(placed.total_minor);
            if file_minor != Some(engine_minor) {
                report.orders_money_differs += 1;
            }
            add(&mut report.money_file_minor, currency, file_minor.unwrap_or_default());
            add(&mut report.money_engine_minor, currency, engine_minor);
            placed_now += 1;
            if placed_now % PROGRESS_ROWS == 0 {
                progress(ImportProgress { rows_read, orders_placed: placed_before + placed_now });
            }
        };
        let outcome = self.placement.place(&mut batch, &gather.skus, &gather.sellers, &mut placed);
        for order in &batch.orders {
            self.report.read += 1;
            if order.rows == 0 {
                self.report.skipped += 1;
            } else if let Some(reason) = order.rejected {
                self.reject(order, reason);
            }
        }
        if let Err(error) = outcome {
            self.report.error = Some(error.to_string());
        }
        self.report.error.is_none()
    }

    fn reject(&mut self, order: &Order, reason: Reason) {
        let name = match reason {
            Reason::Rule(rule) => self.map.reject[usize::from(rule)].reason.clone(),
            Reason::Fault(fault) => fault.name().to_owned(),
            Reason::Core(code) => code.name().to_owned(),
            Reason::CoreUnknown(number) => format!("reject code {number}"),
        };
        self.report.rejected += 1;
        if !self.report.first_at.contains_key(&name) {
            let file = &self.files[usize::from(order.at.0)];
            let at = format!("{}, line {}", file.display(), order.at.1);
            self.report.first_at.insert(name.clone(), at);
        }
        *self.report.reasons.entry(name).or_insert(0) += 1;
    }

    fn finish(self, gather: &Gather<'_>, began: Instant) -> ImportReport {
        let (counts, rows) = (&self.placement.counts, &gather.counts);
        let mut report = self.report;
        report.accepted = counts.accepted;
        report.accepted_before = counts.accepted_before;
        report.unanswered = report.read - report.accepted - report.rejected - report.skipped;
        report.lines_accepted = counts.lines;
        report.units_accepted = counts.units;
        report.units_received = counts.units_received;
        report.skus_defined = counts.skus_defined;
        report.rows_read = rows.read;
        report.rows_skipped = rows.skipped_total();
        for (rule, &count) in self.map.skip.iter().zip(&rows.skipped) {
            *report.rows_skipped_by.entry(rule.reason.clone()).or_insert(0) += count;
        }
        report.rows_skipped_by.insert("blank".to_owned(), rows.blank);
        report.seconds = began.elapsed().as_secs_f64();
        report
    }
}

/// The currency's letters; "XXX" is ISO 4217's own code for none.
fn letters(currency: CurrencyCode) -> &'static str {
    currency.letters().unwrap_or("XXX")
}

fn add(sums: &mut std::collections::BTreeMap<String, i128>, currency: &str, minor: i128) {
    match sums.get_mut(currency) {
        Some(sum) => *sum += minor,
        None => drop(sums.insert(currency.to_owned(), minor)),
    }
}
