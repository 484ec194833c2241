//! The second step of judging: whether each field of a command, looked at alone, has a value that it can have, and
//! whether codes, quantities and prices are within their bounds.

use std::mem::{offset_of, size_of};

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::{Disposition, HoldKind, blocks};
use orderline_protocol::limits::*;
use orderline_protocol::{Amount, CurrencyCode, RejectCode};

use crate::model::{Refused, refuse};

/// A field that is as it should be, or not, and its offset in the body.
type Field = (bool, usize);

/// Refuses by the first field that is not as it should be.
fn first_wrong(fields: &[Field]) -> Result<(), Refused> {
    match fields.iter().find(|(right, _)| !right) {
        Some(&(_, offset)) => Err(Refused::new(RejectCode::InvalidField).subject(offset as u32)),
        None => Ok(()),
    }
}

fn zeros(bytes: &[u8], offset: usize) -> Field {
    (bytes.iter().all(|&byte| byte == 0), offset)
}

fn flag(value: u8, offset: usize) -> Field {
    (value <= 1, offset)
}

fn duration(seconds: u32, offset: usize) -> Field {
    (seconds <= DURATION_S_MAX, offset)
}

fn duration_not_zero(seconds: u32, offset: usize) -> Field {
    ((1..=DURATION_S_MAX).contains(&seconds), offset)
}

fn standing(number: u8, offset: usize) -> Field {
    (Standing::from_number(number).is_some(), offset)
}

fn bucket(number: u8, offset: usize) -> Field {
    (Bucket::from_number(number).is_some(), offset)
}

fn cause(cause: &Cause, offset: usize) -> Field {
    zeros(&cause.reserved, offset + offset_of!(Cause, reserved))
}

/// Rules are distinct, and zeros stand at the end.
fn rules(head: &DefineSourcing) -> Field {
    let named: Vec<u8> = head.rules.iter().copied().take_while(|&number| number != 0).collect();
    let rest_is_zeros = head.rules[named.len()..].iter().all(|&number| number == 0);
    let known = named.iter().all(|&number| SourcingRule::from_number(number).is_some());
    let distinct = named.iter().enumerate().all(|(index, number)| !named[..index].contains(number));
    let enough = !head.seller.is_none() || !named.is_empty();
    (rest_is_zeros && known && distinct && enough, offset_of!(DefineSourcing, rules))
}

fn lines_of_moves<T>(lines: &[LineQuantity]) -> Result<(), Refused> {
    for (index, line) in lines.iter().enumerate() {
        let start = size_of::<T>() + index * size_of::<LineQuantity>();
        first_wrong(&[zeros(&line.reserved, start + offset_of!(LineQuantity, reserved))])?;
    }
    Ok(())
}

/// Refuses the first field, in the order in which they stand, whose value it cannot have.
pub fn check(command: &Command<'_>) -> Result<(), Refused> {
    match *command {
        Command::DefineSeller(head, _) => first_wrong(&[
            (head.commission_bp.get() <= 10_000, offset_of!(DefineSeller, commission_bp)),
            standing(head.standing, offset_of!(DefineSeller, standing)),
        ]),
        Command::DefineLocation(head, _) => {
            first_wrong(&[standing(head.standing, offset_of!(DefineLocation, standing))])
        }
        Command::DefineSku(head, _) => {
            first_wrong(&[standing(head.standing, offset_of!(DefineSku, standing))])
        }
        Command::DefineSourcing(head) => first_wrong(&[rules(head)]),
        Command::SetPolicy(head) => first_wrong(&[
            duration(head.pending_order_s.get(), offset_of!(SetPolicy, pending_order_s)),
            duration(head.retention_s.get(), offset_of!(SetPolicy, retention_s)),
            duration_not_zero(head.reservation_s_max.get(), offset_of!(SetPolicy, reservation_s_max)),
        ]),
        Command::ReceiveStock(head) => first_wrong(&[
            flag(head.from_incoming, offset_of!(ReceiveStock, from_incoming)),
            zeros(&[head.reserved], offset_of!(ReceiveStock, reserved)),
            cause(&head.cause, offset_of!(ReceiveStock, cause)),
        ]),
        Command::AdjustStock(head) => first_wrong(&[
            bucket(head.bucket, offset_of!(AdjustStock, bucket)),
            zeros(&[head.reserved], offset_of!(AdjustStock, reserved)),
            cause(&head.cause, offset_of!(AdjustStock, cause)),
        ]),
        Command::CountStock(head) => first_wrong(&[
            zeros(&head.reserved, offset_of!(CountStock, reserved)),
            cause(&head.cause, offset_of!(CountStock, cause)),
        ]),
        Command::MoveStock(head) => first_wrong(&[
            bucket(head.from_bucket, offset_of!(MoveStock, from_bucket)),
            bucket(head.to_bucket, offset_of!(MoveStock, to_bucket)),
            zeros(&head.reserved, offset_of!(MoveStock, reserved)),
            cause(&head.cause, offset_of!(MoveStock, cause)),
        ]),
        Command::SetLevel(head) => first_wrong(&[
            zeros(&head.reserved, offset_of!(SetLevel, reserved)),
            cause(&head.cause, offset_of!(SetLevel, cause)),
        ]),
        Command::ReserveCart(head, _) => {
            first_wrong(&[duration_not_zero(head.seconds.get(), offset_of!(ReserveCart, seconds))])
        }
        Command::ExtendReservation(head) => {
            first_wrong(&[duration_not_zero(head.seconds.get(), offset_of!(ExtendReservation, seconds))])
        }
        Command::ReleaseReservation(head) => {
            first_wrong(&[zeros(&head.reserved, offset_of!(ReleaseReservation, reserved))])
        }
        Command::CheckOut(_, orders, _) => {
            for (index, order) in orders.iter().enumerate() {
                let start = size_of::<CheckOut>() + index * size_of::<GroupOrder>();
                first_wrong(&[zeros(&order.reserved, start + offset_of!(GroupOrder, reserved))])?;
            }
            Ok(())
        }
        Command::ConfirmOrder(head) => {
            first_wrong(&[zeros(&head.reserved, offset_of!(ConfirmOrder, reserved))])
        }
        Command::EditLine(head) => first_wrong(&[zeros(&head.reserved, offset_of!(EditLine, reserved))]),
        Command::EditAddress(head) => {
            first_wrong(&[zeros(&head.reserved, offset_of!(EditAddress, reserved))])
        }
        Command::CancelLines(_, lines) | Command::RequestReturn(_, lines) => {
            lines_of_moves::<MoveLines>(lines)
        }
        Command::PlaceHold(head) => first_wrong(&[
            duration(head.seconds.get(), offset_of!(PlaceHold, seconds)),
            (HoldKind::from_number(head.kind).is_some(), offset_of!(PlaceHold, kind)),
            (head.blocks != 0 && head.blocks & !blocks::ALL == 0, offset_of!(PlaceHold, blocks)),
            zeros(&head.reserved, offset_of!(PlaceHold, reserved)),
        ]),
        Command::RecordAuthorization(head) => first_wrong(&[
            duration(head.seconds.get(), offset_of!(RecordAuthorization, seconds)),
            zeros(&head.reserved, offset_of!(RecordAuthorization, reserved)),
        ]),
        Command::RecordCapture(head) => {
            first_wrong(&[zeros(&head.reserved, offset_of!(RecordCapture, reserved))])
        }
        Command::RecordVoid(head) | Command::RecordFailure(head) => {
            first_wrong(&[zeros(&head.reserved, offset_of!(EndPayment, reserved))])
        }
        Command::RequestRefund(head) => {
            first_wrong(&[zeros(&head.reserved, offset_of!(RequestRefund, reserved))])
        }
        Command::SettleRefund(head) => first_wrong(&[
            (RefundOutcome::from_number(head.outcome).is_some(), offset_of!(SettleRefund, outcome)),
            zeros(&[head.reserved], offset_of!(SettleRefund, reserved)),
        ]),
        Command::RecordPayout(head) => {
            first_wrong(&[zeros(&head.reserved, offset_of!(RecordPayout, reserved))])
        }
        Command::UpdateWork(head) => first_wrong(&[
            (WorkStep::from_number(head.step).is_some(), offset_of!(UpdateWork, step)),
            zeros(&[head.reserved], offset_of!(UpdateWork, reserved)),
        ]),
        Command::RejectWork(head) => first_wrong(&[
            flag(head.is_missing, offset_of!(RejectWork, is_missing)),
            zeros(&head.reserved, offset_of!(RejectWork, reserved)),
        ]),
        Command::MoveWork(_, lines) => lines_of_moves::<MoveWork>(lines),
        Command::ShipLines(head, lines, _) => {
            first_wrong(&[
                (
                    usize::from(head.tracking_bytes) <= TRACKING_BYTES_MAX,
                    offset_of!(ShipLines, tracking_bytes),
                ),
                flag(head.is_sent, offset_of!(ShipLines, is_sent)),
            ])?;
            lines_of_moves::<ShipLines>(lines)
        }
        Command::UpdateShipment(head) => first_wrong(&[
            (ShipmentStep::from_number(head.step).is_some(), offset_of!(UpdateShipment, step)),
            zeros(&[head.reserved], offset_of!(UpdateShipment, reserved)),
        ]),
        Command::UpdateReturn(head) => first_wrong(&[
            (ReturnStep::from_number(head.step).is_some(), offset_of!(UpdateReturn, step)),
            zeros(&[head.reserved], offset_of!(UpdateReturn, reserved)),
        ]),
        Command::ReceiveReturn(head, units) => {
            first_wrong(&[zeros(&head.reserved, offset_of!(ReceiveReturn, reserved))])?;
            for (index, unit) in units.iter().enumerate() {
                let start = size_of::<ReceiveReturn>() + index * size_of::<ReturnedUnits>();
                first_wrong(&[
                    (
                        Disposition::from_number(unit.disposition).is_some(),
                        start + offset_of!(ReturnedUnits, disposition),
                    ),
                    zeros(&[unit.reserved], start + offset_of!(ReturnedUnits, reserved)),
                ])?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A code has 1 to 64 bytes without control characters and without blanks at its ends.
pub fn code(code: &str) -> Result<(), Refused> {
    let fits = (1..=CODE_BYTES_MAX).contains(&code.len());
    if fits && code.trim() == code && !code.chars().any(char::is_control) {
        return Ok(());
    }
    refuse(RejectCode::InvalidCode)
}

/// What goods are priced in: a currency in circulation.
pub fn priced_in(currency: CurrencyCode) -> Result<(), Refused> {
    if currency.is_in_circulation() {
        return Ok(());
    }
    Err(Refused::new(RejectCode::UnknownCurrency).detail(currency.get().into()))
}

pub fn currency(currency: CurrencyCode) -> Result<(), Refused> {
    if currency.is_known() {
        return Ok(());
    }
    Err(Refused::new(RejectCode::UnknownCurrency).detail(currency.get().into()))
}

pub fn amount(amount: Amount) -> Result<(), Refused> {
    if amount.minor() >= 1 { Ok(()) } else { refuse(RejectCode::InvalidAmount) }
}

/// How many lines a cart or an order may have.
pub fn line_count(count: usize) -> Result<(), Refused> {
    if count == 0 {
        return refuse(RejectCode::NoLines);
    }
    if count > ORDER_LINES_MAX {
        return Err(Refused::new(RejectCode::TooManyLines).detail(count as u64));
    }
    Ok(())
}

pub fn quantity(units: u32, index: u32) -> Result<(), Refused> {
    if units == 0 {
        return Err(Refused::new(RejectCode::ZeroQuantity).subject(index));
    }
    if units > LINE_QUANTITY_MAX {
        return Err(Refused::new(RejectCode::QuantityTooLarge).subject(index));
    }
    Ok(())
}

pub fn price(price: i64, index: u32) -> Result<(), Refused> {
    if price <= 0 {
        return Err(Refused::new(RejectCode::InvalidPrice).subject(index));
    }
    if price > UNIT_PRICE_MINOR_MAX {
        return Err(Refused::new(RejectCode::PriceTooLarge).subject(index));
    }
    Ok(())
}

/// The sum over the lines of one SKU is bound as one line is; refused at the line that goes over it.
pub fn sums(lines: impl Iterator<Item = (u32, u32)>) -> Result<(), Refused> {
    let mut sums = std::collections::BTreeMap::<u32, u64>::new();
    for (index, (sku, units)) in lines.enumerate() {
        let sum = sums.entry(sku).or_default();
        *sum += u64::from(units);
        if *sum > u64::from(LINE_QUANTITY_MAX) {
            return Err(Refused::new(RejectCode::QuantityTooLarge).subject(index as u32));
        }
    }
    Ok(())
}

/// What lines cost, if it is within the bound of an order.
pub fn total(lines: impl Iterator<Item = (u32, i64)>) -> Result<i64, Refused> {
    let total: i128 = lines.map(|(units, price)| i128::from(units) * i128::from(price)).sum();
    if total > i128::from(ORDER_TOTAL_MINOR_MAX) {
        return refuse(RejectCode::TotalTooLarge);
    }
    Ok(total as i64)
}

/// Quantities of named lines: none is zero, no line is named twice.
pub fn named_lines(lines: &[LineQuantity]) -> Result<(), Refused> {
    for (index, named) in lines.iter().enumerate() {
        let line = named.line.get();
        if named.quantity.get() == 0 {
            return Err(Refused::new(RejectCode::ZeroQuantity).subject(line.into()));
        }
        if lines[..index].iter().any(|other| other.line == named.line) {
            return Err(Refused::new(RejectCode::LineRepeated).subject(line.into()));
        }
    }
    Ok(())
}
