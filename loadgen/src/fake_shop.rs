//! A core for tests, of a few lines: it keeps stock, orders and money by simple rules, refuses what comes in the wrong
//! order, and lies on request.

use std::collections::HashMap;

use orderline_protocol::command::{
    CartLine, Command, GroupOrder, OrderLine, RefundOutcome, ReturnStep, ShipmentStep,
};
use orderline_protocol::event::Allocation;
use orderline_protocol::lifecycle::{
    OrderState, PaymentState, RefundState, ReservationState, ReturnState, ShipmentState,
};
use orderline_protocol::reply::{
    AvailabilityView, LedgerView, LevelView, LineCounters, LineView, OrderView, Outcome, ReservationView,
    SaleStanding, ShipmentView,
};
use orderline_protocol::{
    Amount, BuyerId, GroupId, LocationHandle, OrderId, RejectCode, ReservationId, SellerHandle, SkuHandle,
};
use zerocopy::{FromZeros, IntoBytes};

/// How a shop deceives its customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Not at all.
    No,
    /// It accepts an order now and then, and forgets it.
    LosesOrders,
    /// It shows orders without their last line.
    DropsLines,
    /// It books captures that nobody made.
    BooksTwice,
    /// It takes one unit too many off the shelf.
    ShipsOneMore,
    /// What it refuses it places all the same.
    PlacesRefused,
    /// It leaves a unit promised for an order that it has refused.
    PromisesRefused,
    /// It sells one unit more than there are.
    Oversells,
    /// It tells losers no sequence.
    KeepsSequences,
    /// It takes no money.
    RefusesCaptures,
    /// It reserves no cart.
    RefusesCarts,
    /// It lets no reservation expire.
    KeepsCarts,
    /// It does not tell the availability of the last SKU that is asked about.
    ForgetsAnAnswer,
    /// It believes no level.
    RefusesLevels,
}

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Level {
    pub(crate) available: i64,
    pub(crate) promised: i64,
    as_of: u64,
}

#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) state: OrderState,
    pub(crate) seller: SellerHandle,
    group: GroupId,
    lines: Vec<OrderLine>,
    pub(crate) open: Vec<Allocation>,
    shipments: Vec<(ShipmentState, Vec<Allocation>)>,
    pub(crate) returns: Vec<ReturnState>,
    refunds: Vec<(i64, RefundState)>,
    pub(crate) captured: i64,
    pub(crate) refunded: i64,
}

impl Order {
    fn total(&self) -> i64 {
        match self.state {
            OrderState::Cancelled => 0,
            _ => self.lines.iter().map(|line| i64::from(line.quantity.get()) * line.unit_price.minor()).sum(),
        }
    }
}

#[derive(Debug, Default)]
struct Group {
    orders: Vec<OrderId>,
    authorized: i64,
    state: Option<PaymentState>,
}

#[derive(Debug)]
struct Reservation {
    buyer: BuyerId,
    state: ReservationState,
    held: Vec<(SkuHandle, LocationHandle, u32)>,
    lines: Vec<CartLine>,
}

/// Its answer: what, and a view.
pub(crate) struct Said {
    pub(crate) outcome: Outcome,
    pub(crate) code: u16,
    pub(crate) sequence: u64,
    pub(crate) detail: u64,
    pub(crate) view: Vec<u8>,
}

/// What is to be answered, or why it is refused.
type Judged = Result<(u64, Vec<u8>), RejectCode>;

pub(crate) struct FakeShop {
    lie: Lie,
    sequence: u64,
    codes: HashMap<(u8, String), u32>,
    sellers: u32,
    regions: Vec<u16>,
    sku_sellers: Vec<SellerHandle>,
    pub(crate) levels: HashMap<(SkuHandle, LocationHandle), Level>,
    pub(crate) orders: HashMap<OrderId, Order>,
    groups: HashMap<GroupId, Group>,
    reservations: HashMap<ReservationId, Reservation>,
    sales: HashMap<SellerHandle, i64>,
    /// Orders that were asked for.
    asked: u64,
}

impl FakeShop {
    pub(crate) fn new(lie: Lie) -> Self {
        Self {
            lie,
            sequence: 1_000,
            codes: HashMap::new(),
            sellers: 0,
            regions: Vec::new(),
            sku_sellers: Vec::new(),
            levels: HashMap::new(),
            orders: HashMap::new(),
            groups: HashMap::new(),
            reservations: HashMap::new(),
            sales: HashMap::new(),
            asked: 0,
        }
    }

    /// Reservations in this state.
    pub(crate) fn reservations_in(&self, state: ReservationState) -> usize {
        self.reservations.values().filter(|reservation| reservation.state == state).count()
    }

    pub(crate) fn answer(&mut self, command: &Command<'_>) -> Said {
        let is_query = command.kind() as u8 >= 64;
        match self.judge(command) {
            Ok((detail, view)) => {
                self.sequence += u64::from(!is_query);
                let outcome = if is_query { Outcome::Answered } else { Outcome::Accepted };
                Said { outcome, code: 0, sequence: self.sequence, detail, view }
            }
            Err(code) => {
                let sequence = if self.lie == Lie::KeepsSequences { 0 } else { self.sequence };
                Said { outcome: Outcome::Rejected, code: code as u16, sequence, detail: 0, view: Vec::new() }
            }
        }
    }

    fn judge(&mut self, command: &Command<'_>) -> Judged {
        let illegal = RejectCode::IllegalTransition;
        match *command {
            Command::DefineSeller(_, code) => {
                let handle = self.define(1, code, self.sellers);
                self.sellers = self.sellers.max(handle + 1);
                Ok((handle.into(), vec![]))
            }
            Command::DefineLocation(head, code) => {
                let handle = self.define(2, code, self.regions.len() as u32);
                if handle as usize == self.regions.len() {
                    self.regions.push(head.region.get());
                }
                Ok((handle.into(), vec![]))
            }
            Command::DefineSku(head, code) => {
                let handle = self.define(3, code, self.sku_sellers.len() as u32);
                if handle as usize == self.sku_sellers.len() {
                    self.sku_sellers.push(head.seller);
                }
                Ok((handle.into(), vec![]))
            }
            Command::ResolveCode(head, code) => {
                let handle =
                    self.codes.get(&(head.entity, code.to_owned())).ok_or(RejectCode::UnknownCode)?;
                Ok((u64::from(*handle), vec![]))
            }
            // No view: the generator then asks for every code.
            Command::QueryStatus(_) => Ok((0, vec![])),
            Command::ReceiveStock(head) => {
                let level = self.levels.entry((head.sku, head.location)).or_default();
                level.available += head.quantity.get() as i64;
                Ok((level.available as u64, vec![]))
            }
            Command::SetLevel(head) => {
                let level = self.levels.entry((head.sku, head.location)).or_default();
                let as_of = head.as_of.get();
                if as_of > self.sequence {
                    return Err(RejectCode::AsOfAhead);
                }
                if as_of < level.as_of || self.lie == Lie::RefusesLevels {
                    return Err(RejectCode::AsOfStale);
                }
                level.as_of = as_of;
                level.available = head.on_hand.get() as i64 - level.promised;
                Ok((level.available as u64, vec![]))
            }
            Command::QueryStock(head) => Ok(self.stock(head.sku, head.location)),
            Command::QueryAvailability(_, asked) => {
                let mut view = Vec::new();
                let told = asked.len() - usize::from(self.lie == Lie::ForgetsAnAnswer);
                for asked in &asked[..told] {
                    let mut one = AvailabilityView::new_zeroed();
                    one.units = self.stock(asked.sku, LocationHandle::NONE).0.into();
                    one.standing = SaleStanding::OnSale as u8;
                    view.extend_from_slice(one.as_bytes());
                }
                Ok((self.sequence, view))
            }
            Command::QueryReservation(head) => {
                let known = self.reservations.get(&head.reservation).ok_or(RejectCode::UnknownReservation)?;
                let mut view = ReservationView::new_zeroed();
                view.reservation = head.reservation;
                // Nobody looks at a clock: whoever asks comes late enough.
                view.state = match known.state {
                    ReservationState::Held if self.lie != Lie::KeepsCarts => ReservationState::Expired,
                    state => state,
                } as u8;
                Ok((0, view.as_bytes().to_vec()))
            }
            Command::QueryOrder(head) => {
                Ok((0, self.view(head.order, self.orders.get(&head.order).ok_or(RejectCode::UnknownOrder)?)))
            }
            Command::QueryLedger(head) => {
                let mut view = LedgerView::new_zeroed();
                view.sales = Amount::new(self.sales.get(&head.seller).copied().unwrap_or(0));
                Ok((0, view.as_bytes().to_vec()))
            }
            Command::PlaceOrder(head, lines, _) => {
                let only = GroupOrder {
                    order: head.order,
                    seller: head.seller,
                    line_count: head.line_count,
                    reserved: [0; 2],
                };
                self.place(GroupId::from(head.order), head.region.get(), &[only], lines)
            }
            Command::ReserveCart(..) if self.lie == Lie::RefusesCarts => Err(RejectCode::InsufficientStock),
            Command::ReserveCart(head, lines) => {
                assert!(head.seconds.get() > 0 && head.reservation.get() != 0);
                let wanted = lines.iter().map(|line| (line.sku, line.quantity.get()));
                let held = self.source(wanted, head.region.get())?;
                let reservation = Reservation {
                    buyer: head.buyer,
                    state: ReservationState::Held,
                    held: held.into_iter().map(|(_, sku, location, units)| (sku, location, units)).collect(),
                    lines: lines.to_vec(),
                };
                let known = self.reservations.insert(head.reservation, reservation);
                assert!(known.is_none(), "{} was used before", head.reservation);
                Ok((1, vec![]))
            }
            Command::CheckOut(head, orders, lines, _) => {
                let known = self.reservations.get_mut(&head.reservation);
                let reservation = known.ok_or(RejectCode::UnknownReservation)?;
                if reservation.state != ReservationState::Held {
                    return Err(illegal);
                }
                if reservation.buyer != head.buyer {
                    return Err(RejectCode::OtherBuyer);
                }
                let same = |(one, other): (&OrderLine, &CartLine)| {
                    (one.sku, one.quantity) == (other.sku, other.quantity)
                };
                assert!(
                    lines.len() == reservation.lines.len() && lines.iter().zip(&reservation.lines).all(same),
                    "checked out otherwise than reserved"
                );
                reservation.state = ReservationState::Consumed;
                for (sku, location, units) in std::mem::take(&mut reservation.held) {
                    self.give_back(sku, location, units);
                }
                self.place(head.group, head.region.get(), orders, lines)
            }
            Command::RecordAuthorization(head) => {
                let group = self.groups.get_mut(&head.group).ok_or(RejectCode::UnknownGroup)?;
                let total: i64 = group.orders.iter().map(|order| self.orders[order].total()).sum();
                if group.state.is_some() {
                    return Err(illegal);
                }
                if head.amount.minor() > total {
                    return Err(RejectCode::AmountTooLarge);
                }
                (group.state, group.authorized) = (Some(PaymentState::Authorized), head.amount.minor());
                Ok((1, vec![]))
            }
            Command::RecordCapture(head) => {
                let group = self.groups.get_mut(&head.group).ok_or(RejectCode::UnknownGroup)?;
                let order = self.orders.get_mut(&head.order).ok_or(RejectCode::UnknownOrder)?;
                let amount = head.amount.minor();
                if group.state != Some(PaymentState::Authorized) || self.lie == Lie::RefusesCaptures {
                    return Err(illegal);
                }
                if amount < 1 || amount > group.authorized || amount > order.total() - order.captured {
                    return Err(RejectCode::AmountTooLarge);
                }
                group.state = Some(PaymentState::Captured);
                let times = if self.lie == Lie::BooksTwice { 2 } else { 1 };
                order.captured += amount * times;
                *self.sales.entry(order.seller).or_default() += amount * times;
                Ok((amount as u64, vec![]))
            }
            _ => self.judge_order(command),
        }
    }

    /// Judges commands about a placed order.
    fn judge_order(&mut self, command: &Command<'_>) -> Judged {
        let illegal = RejectCode::IllegalTransition;
        let id = match *command {
            Command::ConfirmOrder(head) => head.order,
            Command::CancelLines(head, _) => head.order,
            Command::RequestReturn(head, _) => head.order,
            Command::ShipLines(head, ..) => head.order,
            Command::UpdateShipment(head) => head.order,
            Command::UpdateReturn(head) => head.order,
            Command::ReceiveReturn(head, _) => head.order,
            Command::RequestRefund(head) => head.order,
            Command::SettleRefund(head) => head.order,
            _ => return Err(RejectCode::UnknownKind),
        };
        let order = self.orders.get_mut(&id).ok_or(RejectCode::UnknownOrder)?;
        match *command {
            Command::ConfirmOrder(_) if order.state == OrderState::Pending => {
                order.state = OrderState::Confirmed;
                Ok((0, vec![]))
            }
            Command::CancelLines(_, lines) if order.state == OrderState::Confirmed && lines.is_empty() => {
                let value = order.total();
                order.state = OrderState::Cancelled;
                let skus: Vec<_> = order.lines.iter().map(|line| line.sku).collect();
                for part in std::mem::take(&mut order.open) {
                    self.give_back(skus[usize::from(part.line.get())], part.location, part.quantity.get());
                }
                Ok((value as u64, vec![]))
            }
            Command::ShipLines(head, lines, tracking)
                if order.state == OrderState::Confirmed && !order.open.is_empty() =>
            {
                assert!(
                    head.location.is_none() && lines.is_empty() && head.is_sent == 1 && !tracking.is_empty()
                );
                let parts = std::mem::take(&mut order.open);
                for part in &parts {
                    let sku = order.lines[usize::from(part.line.get())].sku;
                    let level = self.levels.get_mut(&(sku, part.location)).unwrap();
                    level.promised -= i64::from(part.quantity.get());
                    level.available -= i64::from(self.lie == Lie::ShipsOneMore);
                }
                order.shipments.push((ShipmentState::Shipped, parts));
                Ok((order.shipments.len() as u64, vec![]))
            }
            Command::UpdateShipment(head) if head.step == ShipmentStep::Deliver as u8 => {
                let number = usize::from(head.shipment.get());
                let shipment = order.shipments.get_mut(number - 1).ok_or(RejectCode::UnknownShipment)?;
                if shipment.0 != ShipmentState::Shipped {
                    return Err(illegal);
                }
                (shipment.0, order.state) = (ShipmentState::Delivered, OrderState::Completed);
                Ok((0, vec![]))
            }
            Command::RequestReturn(..) if order.state == OrderState::Completed => {
                order.returns.push(ReturnState::Requested);
                Ok((order.returns.len() as u64, vec![]))
            }
            Command::UpdateReturn(head) => {
                let number = usize::from(head.return_number.get());
                let one = order.returns.get_mut(number - 1).ok_or(RejectCode::UnknownReturn)?;
                *one = match (*one, ReturnStep::from_number(head.step)) {
                    (ReturnState::Requested, Some(ReturnStep::Approve)) => ReturnState::Approved,
                    (ReturnState::Received, Some(ReturnStep::Close)) => ReturnState::Closed,
                    _ => return Err(illegal),
                };
                Ok((0, vec![]))
            }
            Command::ReceiveReturn(head, units) => {
                let number = usize::from(head.return_number.get());
                let one = order.returns.get_mut(number - 1).ok_or(RejectCode::UnknownReturn)?;
                if *one != ReturnState::Approved {
                    return Err(illegal);
                }
                *one = ReturnState::Received;
                for unit in units {
                    let sku = order.lines[usize::from(unit.line.get())].sku;
                    let level = self.levels.entry((sku, head.location)).or_default();
                    level.available += i64::from(unit.quantity.get());
                }
                Ok((0, vec![]))
            }
            Command::RequestRefund(head) => {
                if head.amount.minor() > order.captured - order.refunded {
                    return Err(RejectCode::AmountTooLarge);
                }
                order.refunds.push((head.amount.minor(), RefundState::Pending));
                Ok((order.refunds.len() as u64, vec![]))
            }
            Command::SettleRefund(head) if head.outcome == RefundOutcome::Succeeded as u8 => {
                let number = usize::from(head.refund.get());
                let refund = order.refunds.get_mut(number - 1).ok_or(RejectCode::UnknownRefund)?;
                if refund.1 != RefundState::Pending {
                    return Err(illegal);
                }
                refund.1 = RefundState::Succeeded;
                order.refunded += refund.0;
                Ok((order.refunded as u64, vec![]))
            }
            _ => Err(illegal),
        }
    }

    fn define(&mut self, entity: u8, code: &str, next: u32) -> u32 {
        *self.codes.entry((entity, code.to_owned())).or_insert(next)
    }

    fn give_back(&mut self, sku: SkuHandle, location: LocationHandle, units: u32) {
        let level = self.levels.get_mut(&(sku, location)).unwrap();
        level.promised -= i64::from(units);
        level.available += i64::from(units);
    }

    /// Promises units of these SKUs, all or none: at the region's location first, then at the others in their order.
    /// By the index of what was wanted.
    fn source(
        &mut self,
        wanted: impl Iterator<Item = (SkuHandle, u32)>,
        region: u16,
    ) -> Result<Vec<(usize, SkuHandle, LocationHandle, u32)>, RejectCode> {
        let mut locations: Vec<usize> = (0..self.regions.len()).collect();
        locations.sort_by_key(|&location| self.regions[location] != region);
        let mut parts = Vec::new();
        let mut is_enough = true;
        for (index, (sku, mut units)) in wanted.enumerate() {
            for &location in &locations {
                let location = LocationHandle::new(location as u16);
                let Some(level) = self.levels.get_mut(&(sku, location)) else { continue };
                let taken = level.available.clamp(0, units.into());
                if taken > 0 {
                    level.available -= taken;
                    level.promised += taken;
                    units -= taken as u32;
                    parts.push((index, sku, location, taken as u32));
                }
            }
            is_enough &= units == 0;
        }
        if is_enough {
            return Ok(parts);
        }
        for (_, sku, location, units) in parts {
            self.give_back(sku, location, units);
        }
        Err(RejectCode::InsufficientStock)
    }

    fn place(&mut self, group: GroupId, region: u16, orders: &[GroupOrder], lines: &[OrderLine]) -> Judged {
        self.asked += 1;
        let counts = orders.iter().map(|order| usize::from(order.line_count.get()));
        assert_eq!(counts.sum::<usize>(), lines.len());
        let seller_of = |sku: SkuHandle| self.sku_sellers.get(sku.index()).copied();
        if let Some(line) = lines.iter().find(|line| seller_of(line.sku).is_none()) {
            match self.lie {
                Lie::PlacesRefused => {
                    let known: Vec<_> = lines.iter().filter(|one| one.sku != line.sku).copied().collect();
                    let order = GroupOrder { line_count: (known.len() as u16).into(), ..orders[0] };
                    self.place(group, region, &[order], &known)?;
                }
                Lie::PromisesRefused => {
                    self.source(std::iter::once((lines[0].sku, 1)), region)?;
                }
                _ => {}
            }
            return Err(RejectCode::UnknownSku);
        }
        if self.lie == Lie::Oversells && self.asked == 1 {
            let key = (lines[0].sku, LocationHandle::new(0));
            self.levels.get_mut(&key).unwrap().available += 1;
        }
        let wanted = lines.iter().map(|line| (line.sku, line.quantity.get()));
        let parts = self.source(wanted, region)?;
        let mut total = 0;
        let mut first = 0;
        for one in orders {
            assert!(one.order.get() != 0);
            let of_this = first..first + usize::from(one.line_count.get());
            let lines = lines[of_this.clone()].to_vec();
            assert!(lines.iter().all(|line| self.sku_sellers[line.sku.index()] == one.seller));
            let part = |&(line, _, location, units): &(usize, SkuHandle, LocationHandle, u32)| Allocation {
                line: ((line - first) as u16).into(),
                location,
                quantity: units.into(),
            };
            let order = Order {
                state: OrderState::Pending,
                seller: one.seller,
                group,
                lines,
                open: parts.iter().filter(|part| of_this.contains(&part.0)).map(part).collect(),
                shipments: Vec::new(),
                returns: Vec::new(),
                refunds: Vec::new(),
                captured: 0,
                refunded: 0,
            };
            total += order.total();
            first = of_this.end;
            if self.lie != Lie::LosesOrders || !self.asked.is_multiple_of(100) {
                assert!(self.orders.insert(one.order, order).is_none(), "{} was used before", one.order);
                self.groups.entry(group).or_default().orders.push(one.order);
            }
        }
        Ok((total as u64, vec![]))
    }

    fn stock(&self, sku: SkuHandle, location: LocationHandle) -> (u64, Vec<u8>) {
        let mut view = Vec::new();
        let mut available = 0;
        for number in 0..self.regions.len() {
            let here = LocationHandle::new(number as u16);
            let Some(level) = self.levels.get(&(sku, here)) else { continue };
            if location.is_none() || location == here {
                available += level.available;
                let mut one = LevelView::new_zeroed();
                (one.sku, one.location) = (sku, here);
                one.available = level.available.into();
                one.reserved = (level.promised as u64).into();
                view.extend_from_slice(one.as_bytes());
            }
        }
        (available as u64, view)
    }

    fn view(&self, id: OrderId, order: &Order) -> Vec<u8> {
        let mut head = OrderView::new_zeroed();
        let shown = order.lines.len() - usize::from(self.lie == Lie::DropsLines);
        (head.order, head.group) = (id, order.group);
        (head.total, head.captured) = (Amount::new(order.total()), Amount::new(order.captured));
        head.line_count = (shown as u16).into();
        head.allocation_count = (order.open.len() as u32).into();
        head.shipment_count = (order.shipments.len() as u16).into();
        head.shipment_part_count =
            (order.shipments.iter().map(|(_, parts)| parts.len()).sum::<usize>() as u32).into();
        let mut out = head.as_bytes().to_vec();
        for &line in &order.lines[..shown] {
            let counters = LineCounters::default();
            let view = LineView { line, counters, location: LocationHandle::NONE, reserved: [0; 2] };
            out.extend_from_slice(view.as_bytes());
        }
        out.extend_from_slice(order.open.as_bytes());
        for (index, (state, parts)) in order.shipments.iter().enumerate() {
            let mut view = ShipmentView::new_zeroed();
            view.number = (index as u16 + 1).into();
            view.part_count = (parts.len() as u16).into();
            view.state = *state as u8;
            out.extend_from_slice(view.as_bytes());
        }
        for (_, parts) in &order.shipments {
            out.extend_from_slice(parts.as_bytes());
        }
        while out.len() % 8 != 0 {
            out.push(0);
        }
        out
    }
}
