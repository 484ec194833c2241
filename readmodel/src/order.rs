//! An order as the read models keep it, and its bytes in the store.

use orderline_protocol::command::OrderLine;
use orderline_protocol::event::{Allocation, OrderState};
use orderline_protocol::lifecycle::WorkState;
use orderline_protocol::{
    Amount, BuyerId, CurrencyCode, GroupId, LocationHandle, OrderId, SellerHandle, Sequence, SkuHandle,
};
use zerocopy::little_endian::{I64, U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::Damage;

/// An order as its events have told it, up to the sequence that an answer speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub order: OrderId,
    /// The group that it was placed in: its own id if it was placed alone.
    pub group: GroupId,
    /// The caller's own text for it; empty: none.
    pub external_id: String,
    /// Who buys.
    pub buyer: BuyerId,
    /// Who sells.
    pub seller: SellerHandle,
    /// The currency of its prices.
    pub currency: CurrencyCode,
    /// The region that it goes to; 0: not said.
    pub region: u16,
    /// Where it is in its life.
    pub state: OrderState,
    /// It has left the engine's memory.
    pub is_retired: bool,
    /// What it costs now, as an order's view says it.
    pub total: Amount,
    /// The sequence at which it was placed; of an order that was taken over from the engine, as that said it.
    pub placed_sequence: Sequence,
    /// Recorded time of the placement, in microseconds since 1970.
    pub placed_at_us: i64,
    /// The sequence of the newest event about it.
    pub changed_sequence: Sequence,
    /// Recorded time of that event, in microseconds since 1970.
    pub changed_at_us: i64,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Units of lines that are reserved or allocated at locations, packed ones included: by line and location.
    pub(crate) units: Vec<Allocation>,
    /// Fulfilment orders, by location.
    pub(crate) works: Vec<Work>,
    /// Units in packages that have not left.
    pub(crate) packed: Vec<Packed>,
    /// Goods and packages on their way back, or back.
    pub(crate) returns: Vec<Returned>,
    /// Where its units are was said before what is known begins.
    pub(crate) is_vague: bool,
}

/// A line of an [`Order`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// What is bought.
    pub sku: SkuHandle,
    /// The price of one unit.
    pub unit_price: Amount,
    /// Units ordered, cancelled ones included.
    pub ordered: u32,
    /// Units given up.
    pub cancelled: u32,
    /// Units that left a location.
    pub shipped: u32,
    /// Units that came back.
    pub returned: u32,
}

impl Line {
    /// A line as it is placed.
    pub(crate) fn placed(line: &OrderLine) -> Self {
        let (sku, unit_price, ordered) = (line.sku, line.unit_price, line.quantity.get());
        Self { sku, unit_price, ordered, cancelled: 0, shipped: 0, returned: 0 }
    }
}

/// A fulfilment order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Work {
    pub(crate) location: LocationHandle,
    /// A `WorkState`.
    pub(crate) state: u8,
    /// On hold: the `WorkState` that it goes back to; else 0.
    pub(crate) held_from: u8,
    /// 1: something of the order has shipped from there.
    pub(crate) has_shipped: u8,
    pub(crate) reserved: [u8; 3],
    /// When it was opened, or opened again.
    pub(crate) opened_sequence: U64,
    pub(crate) opened_at_us: I64,
}

impl Work {
    /// Whether its location has nothing to do for the order any more.
    pub(crate) fn is_over(&self) -> bool {
        [WorkState::Closed, WorkState::Rejected, WorkState::Cancelled]
            .map(|state| state as u8)
            .contains(&self.state)
    }
}

/// Units in a package that has not left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Packed {
    pub(crate) shipment: U16,
    pub(crate) part: Allocation,
}

/// A return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Returned {
    /// Its number in its order, from 1.
    pub(crate) number: U16,
    /// A `ReturnState`.
    pub(crate) state: u8,
    /// 1: a package that came back undelivered.
    pub(crate) is_undelivered: u8,
    /// Units that are to come back, or that came; 0: of a package, they are not known before it has come.
    pub(crate) units: U32,
    pub(crate) asked_sequence: U64,
    pub(crate) asked_at_us: I64,
    pub(crate) changed_at_us: I64,
}

/// How far a line is, where that is more than placed.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Progress {
    cancelled: U32,
    shipped: U32,
    returned: U32,
}

/// The front of an order's bytes: followed by its `OrderLine`s, a `Progress` for each unless it is as it was placed, its
/// units (`Allocation`s), `Work`s, `Packed`s, `Returned`s, and its external id.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Row {
    pub(crate) order: OrderId,
    pub(crate) group: GroupId,
    pub(crate) buyer: BuyerId,
    pub(crate) total: Amount,
    pub(crate) placed_sequence: U64,
    pub(crate) placed_at_us: I64,
    pub(crate) changed_sequence: U64,
    pub(crate) changed_at_us: I64,
    pub(crate) seller: SellerHandle,
    pub(crate) currency: CurrencyCode,
    pub(crate) region: U16,
    unit_count: U32,
    pub(crate) line_count: U16,
    work_count: U16,
    packed_count: U16,
    return_count: U16,
    /// Where all its units are; NONE: its units say it.
    location: LocationHandle,
    /// An `OrderState`.
    pub(crate) state: u8,
    external_bytes: u8,
    is_retired: u8,
    /// 1: no line has a `Progress`.
    is_as_placed: u8,
    /// 1: where its units are is not known.
    is_vague: u8,
    reserved: u8,
}

/// What a placement says of one order.
pub(crate) struct Placed<'a> {
    pub(crate) order: OrderId,
    pub(crate) group: GroupId,
    pub(crate) external_id: &'a str,
    pub(crate) buyer: BuyerId,
    pub(crate) seller: SellerHandle,
    pub(crate) currency: CurrencyCode,
    pub(crate) region: U16,
    pub(crate) lines: &'a [OrderLine],
    /// Where all its units are; NONE: `units` says it.
    pub(crate) location: LocationHandle,
    pub(crate) units: &'a [Allocation],
    /// Neither says it.
    pub(crate) is_vague: bool,
}

impl Placed<'_> {
    /// Appends the order's bytes, as it was placed at a sequence and a recorded time.
    pub(crate) fn write(&self, sequence: Sequence, at_us: i64, out: &mut Vec<u8>) {
        let cost = |line: &OrderLine| line.unit_price.minor() * i64::from(line.quantity.get());
        let row = Row {
            order: self.order,
            group: self.group,
            buyer: self.buyer,
            total: Amount::new(self.lines.iter().map(cost).sum()),
            placed_sequence: sequence.into(),
            placed_at_us: at_us.into(),
            changed_sequence: sequence.into(),
            changed_at_us: at_us.into(),
            seller: self.seller,
            currency: self.currency,
            region: self.region,
            unit_count: (self.units.len() as u32).into(),
            line_count: (self.lines.len() as u16).into(),
            work_count: 0.into(),
            packed_count: 0.into(),
            return_count: 0.into(),
            location: self.location,
            state: OrderState::Pending as u8,
            external_bytes: self.external_id.len() as u8,
            is_retired: 0,
            is_as_placed: 1,
            is_vague: self.is_vague.into(),
            reserved: 0,
        };
        out.extend_from_slice(row.as_bytes());
        out.extend_from_slice(self.lines.as_bytes());
        out.extend_from_slice(self.units.as_bytes());
        out.extend_from_slice(self.external_id.as_bytes());
    }
}

/// Takes structures and lists off the front of bytes.
pub(crate) struct Cut<'a>(pub(crate) &'a [u8]);

impl<'a> Cut<'a> {
    pub(crate) fn head<T: FromBytes + KnownLayout + Immutable + Unaligned>(
        &mut self,
    ) -> Result<&'a T, Damage> {
        let (head, rest) = T::ref_from_prefix(self.0).map_err(|_| Damage("an entry ends too early"))?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn list<T: FromBytes + KnownLayout + Immutable + Unaligned>(
        &mut self,
        count: usize,
    ) -> Result<&'a [T], Damage> {
        let (list, rest) = <[T]>::ref_from_prefix_with_elems(self.0, count)
            .map_err(|_| Damage("a list of an entry ends too early"))?;
        self.0 = rest;
        Ok(list)
    }
}

impl Row {
    /// The front of an order's bytes.
    pub(crate) fn read(bytes: &[u8]) -> Result<&Self, Damage> {
        Cut(bytes).head()
    }

    /// The lines in an order's bytes.
    pub(crate) fn lines(bytes: &[u8]) -> Result<&[OrderLine], Damage> {
        let mut cut = Cut(bytes);
        let row: &Self = cut.head()?;
        cut.list(row.line_count.get().into())
    }
}

impl Order {
    /// Reads an order's bytes.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Damage> {
        let mut cut = Cut(bytes);
        let row: &Row = cut.head()?;
        let line_count = usize::from(row.line_count.get());
        let lines: &[OrderLine] = cut.list(line_count)?;
        let progress: &[Progress] = cut.list(if row.is_as_placed == 1 { 0 } else { line_count })?;
        let units: &[Allocation] = cut.list(row.unit_count.get() as usize)?;
        let works = cut.list(row.work_count.get().into())?.to_vec();
        let packed = cut.list(row.packed_count.get().into())?.to_vec();
        let returns = cut.list(row.return_count.get().into())?.to_vec();
        let external_id: &[u8] = cut.list(row.external_bytes.into())?;
        let external_id =
            std::str::from_utf8(external_id).map_err(|_| Damage("an external id is not text"))?;
        let state = OrderState::from_number(row.state).ok_or(Damage("an order is in no known state"))?;
        let line = |(index, line): (usize, &OrderLine)| match progress.get(index) {
            None => Line::placed(line),
            Some(of) => Line {
                cancelled: of.cancelled.get(),
                shipped: of.shipped.get(),
                returned: of.returned.get(),
                ..Line::placed(line)
            },
        };
        let units = if row.location.is_none() { units.to_vec() } else { units_at(row.location, lines) };
        Ok(Self {
            order: row.order,
            group: row.group,
            external_id: external_id.to_owned(),
            buyer: row.buyer,
            seller: row.seller,
            currency: row.currency,
            region: row.region.get(),
            state,
            is_retired: row.is_retired == 1,
            total: row.total,
            placed_sequence: row.placed_sequence.get(),
            placed_at_us: row.placed_at_us.get(),
            changed_sequence: row.changed_sequence.get(),
            changed_at_us: row.changed_at_us.get(),
            lines: lines.iter().enumerate().map(line).collect(),
            units,
            works,
            packed,
            returns,
            is_vague: row.is_vague == 1,
        })
    }

    /// Appends its bytes.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut row = Row::new_zeroed();
        row.order = self.order;
        row.group = self.group;
        row.buyer = self.buyer;
        row.total = self.total;
        row.placed_sequence = self.placed_sequence.into();
        row.placed_at_us = self.placed_at_us.into();
        row.changed_sequence = self.changed_sequence.into();
        row.changed_at_us = self.changed_at_us.into();
        row.seller = self.seller;
        row.currency = self.currency;
        row.region = self.region.into();
        row.unit_count = (self.units.len() as u32).into();
        row.line_count = (self.lines.len() as u16).into();
        row.work_count = (self.works.len() as u16).into();
        row.packed_count = (self.packed.len() as u16).into();
        row.return_count = (self.returns.len() as u16).into();
        row.location = LocationHandle::NONE;
        row.state = self.state as u8;
        row.external_bytes = self.external_id.len() as u8;
        row.is_retired = self.is_retired.into();
        row.is_vague = self.is_vague.into();
        out.extend_from_slice(row.as_bytes());
        for line in &self.lines {
            let placed =
                OrderLine { sku: line.sku, quantity: line.ordered.into(), unit_price: line.unit_price };
            out.extend_from_slice(placed.as_bytes());
        }
        for line in &self.lines {
            let of = Progress {
                cancelled: line.cancelled.into(),
                shipped: line.shipped.into(),
                returned: line.returned.into(),
            };
            out.extend_from_slice(of.as_bytes());
        }
        out.extend_from_slice(self.units.as_bytes());
        out.extend_from_slice(self.works.as_bytes());
        out.extend_from_slice(self.packed.as_bytes());
        out.extend_from_slice(self.returns.as_bytes());
        out.extend_from_slice(self.external_id.as_bytes());
    }
}

/// All units of lines at one location.
pub(crate) fn units_at(location: LocationHandle, lines: &[OrderLine]) -> Vec<Allocation> {
    let part = |(index, line): (usize, &OrderLine)| Allocation {
        line: (index as u16).into(),
        location,
        quantity: line.quantity,
    };
    lines.iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_its_bytes_and_every_cut_of_them_is_damage() {
        let line = |sku, quantity: u32| OrderLine {
            sku: SkuHandle::new(sku),
            quantity: quantity.into(),
            unit_price: Amount::new(250),
        };
        let lines = [line(3, 2), line(9, 1)];
        let placed = Placed {
            order: OrderId::new(42),
            group: GroupId::new(41),
            external_id: "web-42",
            buyer: BuyerId::new(7),
            seller: SellerHandle::new(1),
            currency: CurrencyCode::new(826),
            region: 5.into(),
            lines: &lines,
            location: LocationHandle::new(2),
            units: &[],
            is_vague: false,
        };
        let mut bytes = Vec::new();
        placed.write(11, 1_000, &mut bytes);
        let mut order = Order::read(&bytes).unwrap();
        assert_eq!((order.total.minor(), order.placed_sequence, order.lines.len()), (750, 11, 2));
        assert_eq!(order.units, units_at(LocationHandle::new(2), &lines));
        order.lines[1].shipped = 1;
        order.returns.push(Returned {
            number: 3.into(),
            state: 1,
            is_undelivered: 1,
            units: 2.into(),
            asked_sequence: 12.into(),
            asked_at_us: 1_100.into(),
            changed_at_us: 1_200.into(),
        });
        let part = order.units[0];
        order.packed.push(Packed { shipment: 1.into(), part });
        order.state = OrderState::Confirmed;
        let mut bytes = Vec::new();
        order.write(&mut bytes);
        assert_eq!(Order::read(&bytes).unwrap(), order);
        for cut in 0..bytes.len() {
            assert!(Order::read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
