//! An order as the engine's view tells it, for read models whose journal does not tell of its beginning.

use orderline_protocol::LocationHandle;
use orderline_protocol::command::LineQuantity;
use orderline_protocol::event::{Allocation, OrderState};
use orderline_protocol::lifecycle::ReservationState;
use orderline_protocol::lifecycle::ShipmentState;
use orderline_protocol::reply::{LineView, OrderView, ReservationView, WorkView};

use crate::error::Damage;
use crate::head::Held;
use crate::order::{Line, Order, Packed, Returned, Work};

impl Order {
    /// The order that an `OrderView`'s bytes tell of, which is in this state.
    pub(crate) fn of_view(state: OrderState, view: &[u8]) -> Result<Self, Damage> {
        const VIEW: Damage = Damage("a view that was handed over is not an order's");
        let parts = OrderView::read(view).map_err(|_| VIEW)?;
        let head = parts.head;
        let placed_at_us = i64::from(head.placed_unix_s.get()) * 1_000_000;
        let line = |of: &LineView| Line {
            sku: of.line.sku,
            unit_price: of.line.unit_price,
            ordered: of.line.quantity.get(),
            cancelled: of.counters.cancelled.get(),
            shipped: of.counters.shipped.get(),
            returned: of.counters.returned.get(),
        };
        // When its work was opened is not told: it has waited since the order was placed, at the longest.
        let work = |of: &WorkView| Work {
            location: of.location,
            state: of.state,
            held_from: of.held_from,
            has_shipped: 0,
            reserved: [0; 3],
            opened_sequence: head.placed_sequence,
            opened_at_us: placed_at_us.into(),
        };
        let mut order = Self {
            order: head.order,
            group: head.group,
            external_id: String::new(),
            buyer: head.buyer,
            seller: head.seller,
            currency: head.currency,
            region: head.region.get(),
            state,
            is_retired: false,
            total: head.total,
            placed_sequence: head.placed_sequence.get(),
            placed_at_us,
            changed_sequence: head.placed_sequence.get(),
            changed_at_us: placed_at_us,
            lines: parts.lines.iter().map(line).collect(),
            units: parts.allocations.to_vec(),
            works: parts.works.iter().map(work).collect(),
            packed: Vec::new(),
            returns: Vec::new(),
            is_vague: false,
        };
        let mut rest = parts.shipment_parts;
        for shipment in parts.shipments {
            let (own, behind): (&[Allocation], _) =
                rest.split_at_checked(shipment.part_count.get().into()).ok_or(VIEW)?;
            rest = behind;
            match ShipmentState::from_number(shipment.state).ok_or(VIEW)? {
                ShipmentState::Created => {
                    let number = shipment.number;
                    order.packed.extend(own.iter().map(|&part| Packed { shipment: number, part }));
                }
                ShipmentState::Cancelled => {}
                _ => {
                    let is_own = |work: &&mut Work| own.iter().any(|part| part.location == work.location);
                    order.works.iter_mut().filter(is_own).for_each(|work| work.has_shipped = 1);
                }
            }
        }
        let mut rest = parts.return_lines;
        for of in parts.returns {
            let (own, behind): (&[LineQuantity], _) =
                rest.split_at_checked(of.line_count.get().into()).ok_or(VIEW)?;
            rest = behind;
            // When it was asked for is not told: not before the order was placed.
            order.returns.push(Returned {
                number: of.number,
                state: of.state,
                is_undelivered: of.is_undelivered,
                units: own.iter().map(|line| line.quantity.get()).sum::<u32>().into(),
                asked_sequence: head.placed_sequence,
                asked_at_us: placed_at_us.into(),
                changed_at_us: placed_at_us.into(),
            });
        }
        Ok(order)
    }
}

impl Held {
    /// The reservation that a `ReservationView`'s bytes tell of, with its id; nothing if it is not held any more.
    pub(crate) fn of_view(view: &[u8]) -> Result<Option<(u128, Self)>, Damage> {
        const VIEW: Damage = Damage("a view that was handed over is not a reservation's");
        let (head, _, units) = ReservationView::read(view).map_err(|_| VIEW)?;
        if head.state != ReservationState::Held as u8 {
            return Ok(None);
        }
        let held = Self { location: LocationHandle::NONE, units: units.to_vec(), notes: Vec::new() };
        Ok(Some((head.reservation.get(), held)))
    }
}
