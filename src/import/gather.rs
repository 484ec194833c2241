//! Rows in, orders out: every rule that needs no server is applied here.

use std::collections::HashMap;

use csv::ByteRecord;
use orderline_core::state::is_code;
use orderline_protocol::limits::{LINE_QUANTITY_MAX, ORDER_LINES_MAX, UNIT_PRICE_MINOR_MAX};
use orderline_protocol::{BuyerId, CurrencyCode, OrderId};
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

use super::columns::{Columns, latin1};
use super::date::Dates;
use super::decimal::Decimal;
use super::map::{Case, Encoding, Grouping, Map, MissingBuyer, PriceOf, PriceUnit, Scope};
use super::names::Names;
use super::order::{Batch, Line, Order};
use super::reason::{Fault, Reason};

/// Adjacent grouping: rows after which what was gathered is placed.
const BATCH_ROWS: usize = 100_000;

/// Gathers rows into orders.
pub(crate) struct Gather<'m> {
    map: &'m Map,
    dates: Dates,
    currency_constant: Option<CurrencyCode>,
    pub(crate) skus: Names,
    pub(crate) sellers: Names,
    orders: Vec<Order>,
    rows: Vec<(u32, Line)>,
    /// Orders by the 128-bit hash that their ids are made of.
    by_hash: HashMap<u128, u32>,
    /// The order code of the row before, for adjacent grouping.
    last_code: String,
    pub(crate) counts: RowCounts,
}

/// What became of the rows.
#[derive(Debug, Default)]
pub(crate) struct RowCounts {
    pub(crate) read: u64,
    pub(crate) blank: u64,
    /// By the map's skip rules, in their order.
    pub(crate) skipped: Vec<u64>,
}

impl RowCounts {
    pub(crate) fn skipped_total(&self) -> u64 {
        self.blank + self.skipped.iter().sum::<u64>()
    }
}

impl<'m> Gather<'m> {
    /// Gathers by this map, which has been checked.
    pub(crate) fn new(map: &'m Map, dates: Dates) -> Self {
        Self {
            dates,
            currency_constant: map.currency_constant(),
            skus: Names::default(),
            sellers: Names::default(),
            orders: Vec::new(),
            rows: Vec::new(),
            by_hash: HashMap::new(),
            last_code: String::new(),
            counts: RowCounts { skipped: vec![0; map.skip.len()], ..RowCounts::default() },
            map,
        }
    }

    /// Takes a row. Gives back the orders before it when they are complete and enough to be placed.
    pub(crate) fn row(&mut self, columns: &Columns, record: &ByteRecord, at: (u16, u64)) -> Option<Batch> {
        self.counts.read += 1;
        if record.iter().all(|field| field.trim_ascii().is_empty()) {
            self.counts.blank += 1;
            return None;
        }
        let decoded;
        let fields = match Fields::new(record, self.map.csv.encoding) {
            Some(fields) => fields,
            None => {
                // Latin-1, or not what it says it is.
                decoded = record.iter().map(latin1).collect::<Vec<_>>();
                Fields::Decoded(&decoded)
            }
        };
        let encoding_fault = (self.map.csv.encoding == Encoding::Utf8
            && matches!(fields, Fields::Decoded(_)))
        .then_some(Fault::Encoding);
        let code = fields.at(columns.order);
        let complete = self.complete_before(code);
        let seller = match columns.seller {
            Some(column) => fields.at(column),
            None => self.map.seller.constant.as_deref().unwrap_or_default(),
        };
        let order = self.order(code, seller, at);
        let local_ms = |dates: &mut Dates| dates.local_ms(fields.at(columns.date));
        for (rule, count) in columns.skip.iter().zip(&mut self.counts.skipped) {
            if rule.holds(|column| fields.at(column), || local_ms(&mut self.dates)) {
                *count += 1;
                return complete;
            }
        }
        let found = &mut self.orders[order as usize];
        found.rows += 1;
        let is_first = found.rows == 1;
        if is_first {
            found.at = at;
        }
        if found.rejected.is_some() {
            return complete;
        }
        let by_rule = columns
            .reject
            .iter()
            .position(|rule| rule.holds(|column| fields.at(column), || local_ms(&mut self.dates)));
        let counted = match (by_rule, encoding_fault) {
            (Some(rule), _) => Err(Reason::Rule(rule as u16)),
            (None, Some(fault)) => Err(Reason::Fault(fault)),
            (None, None) => self.line(columns, record, &fields, order, is_first).map_err(Reason::Fault),
        };
        match counted {
            Ok(line) => self.rows.push((order, line)),
            Err(reason) => {
                let order = &mut self.orders[order as usize];
                order.rejected = Some(reason);
                order.at = at;
            }
        }
        complete
    }

    /// Everything gathered and not given back yet.
    pub(crate) fn finish(&mut self) -> Batch {
        self.by_hash.clear();
        Batch::new(std::mem::take(&mut self.orders), &std::mem::take(&mut self.rows))
    }

    fn complete_before(&mut self, code: &str) -> Option<Batch> {
        if self.map.order.grouping == Grouping::WholeInput {
            return None;
        }
        let is_same = self.last_code == code;
        if !is_same {
            self.last_code.clear();
            self.last_code.push_str(code);
        }
        (!is_same && self.rows.len() >= BATCH_ROWS).then(|| self.finish())
    }

    /// The index of the order of this code and seller, a new one if it is new.
    fn order(&mut self, code: &str, seller: &str, at: (u16, u64)) -> u32 {
        let mut hash = Xxh3::new();
        for part in [self.map.name.as_str(), seller, code] {
            // With their lengths, so that no two different triples are the same bytes.
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        if code.is_empty() {
            hash.update(&at.0.to_le_bytes());
            hash.update(&at.1.to_le_bytes());
        }
        let hash = hash.digest128();
        let next = self.orders.len() as u32;
        let order = *self.by_hash.entry(hash).or_insert(next);
        if order == next {
            let seller = self.sellers.number(seller);
            self.orders.push(Order {
                id: OrderId::from_parts(0, hash),
                seller,
                buyer: BuyerId::new(0),
                currency: CurrencyCode::NONE,
                rejected: None,
                rows: 0,
                at,
                file_minor: Decimal::ZERO,
            });
        }
        order
    }

    fn line(
        &mut self,
        columns: &Columns,
        record: &ByteRecord,
        fields: &Fields<'_>,
        order: u32,
        is_first: bool,
    ) -> Result<Line, Fault> {
        if record.len() != columns.count {
            return Err(Fault::FieldCount);
        }
        if fields.at(columns.order).is_empty() {
            return Err(Fault::NoOrder);
        }
        let currency = match (columns.currency, self.currency_constant) {
            (Some(column), _) => CurrencyCode::from_letters(fields.at(column))
                .filter(|currency| currency.is_in_circulation())
                .ok_or(Fault::BadCurrency)?,
            (None, constant) => constant.ok_or(Fault::BadCurrency)?,
        };
        if is_first {
            self.first_row(columns, fields, order, currency)?;
        }
        let order = &mut self.orders[order as usize];
        if order.currency != currency {
            return Err(Fault::MixedCurrencies);
        }
        if order.rows as usize > ORDER_LINES_MAX {
            return Err(Fault::TooManyLines);
        }
        let sku = self.map.sku_code(fields.at(columns.sku), self.sellers.text(order.seller))?;
        let quantity = quantity(self.map, columns, fields)?;
        let (unit_price_minor, row_minor) = price(self.map, fields.at(columns.price), currency, quantity)?;
        // Beyond what fits, the price itself was refused.
        order.file_minor = order.file_minor.plus(row_minor).ok_or(Fault::PriceTooLarge)?;
        Ok(Line { sku: self.skus.number(&sku), quantity, unit_price_minor })
    }

    /// What an order has once: seller, buyer, currency and time, from its first row.
    fn first_row(
        &mut self,
        columns: &Columns,
        fields: &Fields<'_>,
        order: u32,
        currency: CurrencyCode,
    ) -> Result<(), Fault> {
        let unix_ms = self.dates.unix_ms(fields.at(columns.date)).ok_or(Fault::BadDate)?;
        let order = &mut self.orders[order as usize];
        order.id = OrderId::from_parts(unix_ms as u64, order.id.get());
        order.currency = currency;
        match self.sellers.text(order.seller) {
            "" => return Err(Fault::NoSeller),
            seller if !is_code(seller) => return Err(Fault::BadSeller),
            _ => {}
        }
        if let (Some(column), Some(buyer)) = (columns.buyer, &self.map.buyer) {
            let code = fields.at(column);
            match (code.is_empty(), buyer.missing) {
                (false, _) => order.buyer = buyer_id(&self.map.name, code),
                (true, MissingBuyer::Anonymous) => {}
                (true, MissingBuyer::Reject) => return Err(Fault::NoBuyer),
            }
        }
        Ok(())
    }
}

impl Map {
    /// The code that a SKU has in the core.
    fn sku_code(&self, text: &str, seller: &str) -> Result<String, Fault> {
        if text.is_empty() {
            return Err(Fault::NoSku);
        }
        let cased = match self.sku.case {
            Case::AsWritten => text.to_owned(),
            Case::Upper => text.to_uppercase(),
            Case::Lower => text.to_lowercase(),
        };
        let code = match self.sku.scope {
            Scope::Shop => cased,
            Scope::Seller => format!("{seller}/{cased}"),
        };
        if is_code(&code) { Ok(code) } else { Err(Fault::BadSku) }
    }
}

/// A buyer's number: the same for the same code of the same shop, and never 0, which is nobody in particular.
fn buyer_id(shop: &str, code: &str) -> BuyerId {
    BuyerId::new(xxh3_64_with_seed(code.as_bytes(), xxh3_64_with_seed(shop.as_bytes(), 0)).max(1))
}

fn quantity(map: &Map, columns: &Columns, fields: &Fields<'_>) -> Result<u32, Fault> {
    let Some(column) = columns.quantity else { return map.quantity.constant.ok_or(Fault::BadQuantity) };
    let number = Decimal::parse(
        fields.at(column),
        map.price.decimal_separator as u8,
        map.price.thousands_separator.map(|separator| separator as u8),
    )
    .filter(|number| number.is_whole())
    .ok_or(Fault::BadQuantity)?;
    if number.is_zero() {
        return Err(Fault::ZeroQuantity);
    }
    if number.is_negative() {
        return Err(Fault::NegativeQuantity);
    }
    let number = number.to_whole().and_then(|number| u32::try_from(number).ok());
    number.filter(|&number| number <= LINE_QUANTITY_MAX).ok_or(Fault::QuantityTooLarge)
}

/// The price of one unit in minor units, and of the whole row by the file's own decimals.
fn price(map: &Map, text: &str, currency: CurrencyCode, quantity: u32) -> Result<(i64, Decimal), Fault> {
    let number = Decimal::parse(
        text,
        map.price.decimal_separator as u8,
        map.price.thousands_separator.map(|separator| separator as u8),
    )
    .ok_or(Fault::BadPrice)?;
    if number.is_zero() {
        return Err(Fault::ZeroPrice);
    }
    if number.is_negative() {
        return Err(Fault::NegativePrice);
    }
    let exponent = match map.price.unit {
        PriceUnit::Major => currency.exponent().ok_or(Fault::BadCurrency)?,
        PriceUnit::Minor => 0,
    };
    let minor = number.shifted(exponent).ok_or(Fault::PriceTooLarge)?;
    if !minor.is_whole() {
        return Err(Fault::SubMinorPrice);
    }
    if minor > Decimal::whole(UNIT_PRICE_MINOR_MAX) && map.price.of == PriceOf::Unit {
        return Err(Fault::PriceTooLarge);
    }
    let (unit_price_minor, row_minor) = match map.price.of {
        PriceOf::Unit => (minor.to_whole(), minor.times(quantity)),
        PriceOf::Line => (Some(minor.divided_whole(quantity).ok_or(Fault::IndivisibleTotal)?), Some(minor)),
    };
    let unit_price_minor =
        unit_price_minor.filter(|&price| price <= UNIT_PRICE_MINOR_MAX).ok_or(Fault::PriceTooLarge)?;
    Ok((unit_price_minor, row_minor.ok_or(Fault::PriceTooLarge)?))
}

/// A row's fields as text.
enum Fields<'r> {
    /// All of it is UTF-8.
    Utf8(&'r ByteRecord),
    /// Translated from Latin-1.
    Decoded(&'r [String]),
}

impl<'r> Fields<'r> {
    /// The fields where they lie, if they are UTF-8; ASCII is that in either encoding.
    fn new(record: &'r ByteRecord, encoding: Encoding) -> Option<Self> {
        let bytes = record.as_slice();
        let is_text = match encoding {
            Encoding::Utf8 => {
                bytes.is_ascii() || record.iter().all(|field| std::str::from_utf8(field).is_ok())
            }
            Encoding::Latin1 => bytes.is_ascii(),
        };
        is_text.then_some(Self::Utf8(record))
    }

    /// A field's text without the blanks around it; empty where the row is too short.
    fn at(&self, column: usize) -> &'r str {
        let text = match self {
            Self::Utf8(record) => {
                record.get(column).and_then(|field| std::str::from_utf8(field).ok()).unwrap_or_default()
            }
            Self::Decoded(fields) => fields.get(column).map(String::as_str).unwrap_or_default(),
        };
        text.trim()
    }
}
