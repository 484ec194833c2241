//! The second step of judging: whether each field of a command, looked at alone, has a value that it can have, and
//! whether codes, quantities and prices are within their bounds.

use std::mem::{offset_of, size_of};

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::{Disposition, HoldKind, blocks};
use orderline_protocol::limits::*;
use orderline_protocol::{Amount, CurrencyCode, Locations, RejectCode};
use zerocopy::IntoBytes;

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

/// When something happened outside, as its caller says: not before 1970, and at most a day ahead. 0: not said.
pub fn happened(now_us: i64, command: &Command<'_>) -> Result<(), Refused> {
    let in_cause =
        |cause: &Cause, offset: usize| (cause.happened_at_us, offset + offset_of!(Cause, happened_at_us));
    let (at_us, offset) = match *command {
        Command::ReceiveStock(head) => in_cause(&head.cause, offset_of!(ReceiveStock, cause)),
        Command::AdjustStock(head) => in_cause(&head.cause, offset_of!(AdjustStock, cause)),
        Command::CountStock(head) => in_cause(&head.cause, offset_of!(CountStock, cause)),
        Command::MoveStock(head) => in_cause(&head.cause, offset_of!(MoveStock, cause)),
        Command::SetLevel(head) => in_cause(&head.cause, offset_of!(SetLevel, cause)),
        Command::RecordAuthorization(head) => {
            (head.happened_at_us, offset_of!(RecordAuthorization, happened_at_us))
        }
        Command::RecordCapture(head) => (head.happened_at_us, offset_of!(RecordCapture, happened_at_us)),
        Command::RecordVoid(head) | Command::RecordFailure(head) => {
            (head.happened_at_us, offset_of!(EndPayment, happened_at_us))
        }
        Command::RequestRefund(head) => (head.happened_at_us, offset_of!(RequestRefund, happened_at_us)),
        Command::SettleRefund(head) => (head.happened_at_us, offset_of!(SettleRefund, happened_at_us)),
        Command::RecordPayout(head) => (head.happened_at_us, offset_of!(RecordPayout, happened_at_us)),
        Command::ShipLines(head, ..) => (head.happened_at_us, offset_of!(ShipLines, happened_at_us)),
        Command::UpdateShipment(head) => (head.happened_at_us, offset_of!(UpdateShipment, happened_at_us)),
        Command::RequestReturn(head, _) => (head.happened_at_us, offset_of!(RequestReturn, happened_at_us)),
        Command::UpdateReturn(head) => (head.happened_at_us, offset_of!(UpdateReturn, happened_at_us)),
        Command::ReceiveReturn(head, _) => (head.happened_at_us, offset_of!(ReceiveReturn, happened_at_us)),
        _ => return Ok(()),
    };
    let is_a_time = (0..=now_us + 86_400_000_000).contains(&at_us.get());
    first_wrong(&[(is_a_time, offset)])
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

/// The handles before the first NONE.
pub fn listed(locations: &Locations) -> Vec<u16> {
    let handles = locations.as_bytes().chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    handles.take_while(|&handle| handle != u16::MAX).collect()
}

/// Each is higher than the one before, and behind the last there is nothing but NONE.
fn is_list(locations: &Locations) -> bool {
    let listed = listed(locations);
    let is_rest_none = locations.as_bytes()[listed.len() * 2..].iter().all(|&byte| byte == 0xff);
    is_rest_none && (1..listed.len()).all(|at| listed[at - 1] < listed[at])
}

/// Refuses the first field, in the order in which they stand, whose value it cannot have.
pub fn check(command: &Command<'_>) -> Result<(), Refused> {
    match *command {
        Command::DefineToken(head, _) => {
            let is_of = |role: Role| head.role == role as u8;
            first_wrong(&[
                (head.hash != [0; 32], offset_of!(DefineToken, hash)),
                (head.expires_at_us.get() >= 0, offset_of!(DefineToken, expires_at_us)),
                (is_of(Role::Seller) || head.seller.is_none(), offset_of!(DefineToken, seller)),
                (
                    is_list(&head.locations) && is_of(Role::Warehouse) != listed(&head.locations).is_empty(),
                    offset_of!(DefineToken, locations),
                ),
                (Role::from_number(head.role).is_some(), offset_of!(DefineToken, role)),
                (head.standing == Standing::Active as u8, offset_of!(DefineToken, standing)),
                zeros(&head.reserved, offset_of!(DefineToken, reserved)),
            ])
        }
        Command::RevokeToken(_) => Ok(()),
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
            cause(&head.cause, offset_of!(ReceiveStock, cause)),
            flag(head.from_incoming, offset_of!(ReceiveStock, from_incoming)),
            zeros(&head.reserved, offset_of!(ReceiveStock, reserved)),
        ]),
        Command::AdjustStock(head) => first_wrong(&[
            cause(&head.cause, offset_of!(AdjustStock, cause)),
            bucket(head.bucket, offset_of!(AdjustStock, bucket)),
            zeros(&head.reserved, offset_of!(AdjustStock, reserved)),
        ]),
        Command::CountStock(head) => first_wrong(&[
            cause(&head.cause, offset_of!(CountStock, cause)),
            zeros(&head.reserved, offset_of!(CountStock, reserved)),
        ]),
        Command::MoveStock(head) => first_wrong(&[
            cause(&head.cause, offset_of!(MoveStock, cause)),
            bucket(head.from_bucket, offset_of!(MoveStock, from_bucket)),
            bucket(head.to_bucket, offset_of!(MoveStock, to_bucket)),
            zeros(&head.reserved, offset_of!(MoveStock, reserved)),
        ]),
        Command::SetLevel(head) => first_wrong(&[
            cause(&head.cause, offset_of!(SetLevel, cause)),
            zeros(&head.reserved, offset_of!(SetLevel, reserved)),
        ]),
        Command::ReserveCart(head, _) => {
            let is_named = head.replaces.get() != 0 || head.expected_version.get() == 0;
            first_wrong(&[
                duration_not_zero(head.seconds.get(), offset_of!(ReserveCart, seconds)),
                (is_named, offset_of!(ReserveCart, expected_version)),
            ])
        }
        Command::ExtendReservation(head) => {
            first_wrong(&[duration_not_zero(head.seconds.get(), offset_of!(ExtendReservation, seconds))])
        }
        Command::ReleaseReservation(head) => {
            first_wrong(&[zeros(&head.reserved, offset_of!(ReleaseReservation, reserved))])
        }
        Command::PlaceOrder(_, _, external_id) => own_id(external_id),
        Command::CheckOut(head, orders, _, external_id) => {
            let is_named = head.reservation.get() != 0 || head.expected_version.get() == 0;
            first_wrong(&[(is_named, offset_of!(CheckOut, expected_version))])?;
            for (index, order) in orders.iter().enumerate() {
                let start = size_of::<CheckOut>() + index * size_of::<GroupOrder>();
                first_wrong(&[zeros(&order.reserved, start + offset_of!(GroupOrder, reserved))])?;
            }
            own_id(external_id)
        }
        Command::ConfirmOrder(head) => {
            first_wrong(&[zeros(&head.reserved, offset_of!(ConfirmOrder, reserved))])
        }
        Command::EditLine(head) => first_wrong(&[zeros(&head.reserved, offset_of!(EditLine, reserved))]),
        Command::EditAddress(head) => {
            first_wrong(&[zeros(&head.reserved, offset_of!(EditAddress, reserved))])
        }
        Command::CancelLines(_, lines) => lines_of_moves::<CancelLines>(lines),
        Command::RequestReturn(_, lines) => lines_of_moves::<RequestReturn>(lines),
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

/// The caller's own id of an order is like a code, or not there.
pub fn own_id(external_id: &str) -> Result<(), Refused> {
    if external_id.is_empty() { Ok(()) } else { code(external_id) }
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
