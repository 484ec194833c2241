//! What the clients of a simulated world ask for: a small marketplace whose few goods everybody wants, with whole lives of
//! orders, from cart to return, and whatever else goes wrong in a shop.

use std::collections::VecDeque;

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::{Disposition, HoldKind};
use orderline_protocol::{
    Amount, BuyerId, Command, CurrencyCode, GroupId, LocationHandle, OrderId, ReservationId, SellerHandle,
    SkuHandle,
};
use zerocopy::FromZeros;

use crate::chance::Chance;

const SELLERS: u32 = 2;
const LOCATIONS: u16 = 3;
const SKUS: u32 = 5;
const CURRENCY: CurrencyCode = CurrencyCode::new(978);

/// Orders that anybody still does something with.
const KNOWN_MAX: usize = 24;

/// An order that somebody has asked for, whether or not it came about.
#[derive(Clone)]
struct Known {
    order: OrderId,
    group: GroupId,
    lines: Vec<OrderLine>,
    total: i64,
    /// How far it has been taken along its life.
    step: u64,
}

/// What everybody in the shop knows. It is not told what came of its commands: some meet orders that never were.
pub struct Shop {
    chance: Chance,
    known: VecDeque<Known>,
    reservations: VecDeque<(ReservationId, Vec<CartLine>)>,
    placements: VecDeque<Vec<u8>>,
    ids: u128,
}

fn bytes(command: &Command<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    command.write(0, &mut out);
    out
}

impl Shop {
    /// An empty shop.
    pub fn new(chance: Chance) -> Self {
        Self {
            chance,
            known: VecDeque::new(),
            reservations: VecDeque::new(),
            placements: VecDeque::new(),
            ids: 0,
        }
    }

    /// What a shop begins with, in this order, from one client.
    pub fn opening(&mut self) -> Vec<Vec<u8>> {
        let mut commands = Vec::new();
        for seller in 0..SELLERS {
            commands.push(self.define_seller(seller));
        }
        for location in 0..LOCATIONS {
            commands.push(self.define_location(location));
        }
        for sku in 0..SKUS {
            commands.push(self.define_sku(sku));
        }
        for sku in 0..SKUS {
            for location in 0..LOCATIONS {
                let head = ReceiveStock {
                    sku: SkuHandle::new(sku),
                    location: LocationHandle::new(location),
                    quantity: self.chance.magnitude(1, 60).into(),
                    ..ReceiveStock::new_zeroed()
                };
                commands.push(bytes(&Command::ReceiveStock(&head)));
            }
        }
        if self.chance.one_in(2) {
            commands.push(self.set_policy());
        }
        commands
    }

    /// The next command, at this time of the wall clock.
    pub fn next(&mut self, wall_us: i64) -> Vec<u8> {
        match self.chance.below(100) {
            0..18 => self.place_order(wall_us),
            18..24 => self.reserve_cart(wall_us),
            24..31 => self.check_out(wall_us),
            31..59 => self.go_on(),
            59..67 => self.care(),
            67..79 => self.stock(),
            79..81 => self.reservation(),
            81..83 => self.house(),
            83..84 => self.again(wall_us),
            _ => self.query(),
        }
    }

    /// A look at the whole state.
    pub fn look(&self) -> Vec<u8> {
        bytes(&Command::QueryStatus(&QueryStatus { with_state_hash: 1, ..QueryStatus::new_zeroed() }))
    }

    fn id(&mut self, wall_us: i64) -> u128 {
        self.ids += 1;
        OrderId::from_parts(
            (wall_us / 1_000).max(0) as u64,
            self.ids << 16 | u128::from(self.chance.below(1 << 16)),
        )
        .get()
    }

    fn sku(&mut self) -> SkuHandle {
        // The first is the one that everybody wants.
        SkuHandle::new(if self.chance.one_in(3) { 0 } else { self.chance.below(SKUS.into()) as u32 })
    }

    fn location(&mut self) -> LocationHandle {
        LocationHandle::new(self.chance.below(LOCATIONS.into()) as u16)
    }

    fn seller(&mut self) -> SellerHandle {
        SellerHandle::new(self.chance.below(SELLERS.into()) as u32)
    }

    /// A SKU of this seller: they take turns.
    fn sku_of(&mut self, seller: SellerHandle) -> SkuHandle {
        loop {
            let sku = self.sku();
            if sku.get() % SELLERS == seller.get() {
                return sku;
            }
        }
    }

    fn order_lines(&mut self, seller: SellerHandle) -> Vec<OrderLine> {
        let count = self.chance.magnitude(1, 4);
        let mut line = || OrderLine {
            sku: self.sku_of(seller),
            quantity: (self.chance.magnitude(1, 5) as u32).into(),
            unit_price: Amount::new(self.chance.between(0, 5_000) as i64),
        };
        (0..count).map(|_| line()).collect()
    }

    fn know(&mut self, order: OrderId, group: GroupId, lines: Vec<OrderLine>) {
        let total = lines.iter().map(|line| i64::from(line.quantity.get()) * line.unit_price.minor()).sum();
        self.known.push_back(Known { order, group, lines, total, step: 0 });
        if self.known.len() > KNOWN_MAX {
            self.known.pop_front();
        }
    }

    fn place_order(&mut self, wall_us: i64) -> Vec<u8> {
        let seller = self.seller();
        let lines = self.order_lines(seller);
        let order = OrderId::new(self.id(wall_us));
        let head = PlaceOrder {
            order,
            buyer: BuyerId::new(self.chance.below(4)),
            seller,
            currency: CURRENCY,
            line_count: (lines.len() as u16).into(),
            region: (self.chance.below(3) as u16).into(),
            external_id_bytes: 0,
        };
        let command = bytes(&Command::PlaceOrder(&head, &lines, ""));
        self.know(order, GroupId::new(order.get()), lines);
        self.placements.push_back(command.clone());
        self.placements.truncate(8);
        command
    }

    fn reserve_cart(&mut self, wall_us: i64) -> Vec<u8> {
        let count = self.chance.magnitude(1, 3);
        let mut line = || CartLine { sku: self.sku(), quantity: (self.chance.magnitude(1, 4) as u32).into() };
        let lines: Vec<CartLine> = (0..count).map(|_| line()).collect();
        let reservation = ReservationId::new(self.id(wall_us));
        let replaces = match self.reservations.back() {
            Some((id, _)) if self.chance.one_in(5) => *id,
            _ => ReservationId::new(0),
        };
        let head = ReserveCart {
            expected_version: 0.into(),
            reservation,
            replaces,
            buyer: BuyerId::new(self.chance.below(4)),
            seconds: (self.chance.magnitude(1, 3_000) as u32).into(),
            region: (self.chance.below(3) as u16).into(),
            line_count: (lines.len() as u16).into(),
        };
        let command = bytes(&Command::ReserveCart(&head, &lines));
        self.reservations.push_back((reservation, lines));
        if self.reservations.len() > 8 {
            self.reservations.pop_front();
        }
        command
    }

    fn check_out(&mut self, wall_us: i64) -> Vec<u8> {
        let reserved = match self.chance.index(2) {
            0 => self.reservations.pop_front(),
            _ => None,
        };
        let mut lines = Vec::new();
        let mut orders = Vec::new();
        let group = GroupId::new(self.id(wall_us));
        let mut known = Vec::new();
        for seller in (0..SELLERS).map(SellerHandle::new) {
            let own: Vec<OrderLine> = match &reserved {
                Some((_, cart)) => cart
                    .iter()
                    .filter(|line| line.sku.get() % SELLERS == seller.get())
                    .map(|line| OrderLine {
                        sku: line.sku,
                        quantity: line.quantity,
                        unit_price: Amount::new(700),
                    })
                    .collect(),
                None if self.chance.one_in(3) => Vec::new(),
                None => self.order_lines(seller),
            };
            if own.is_empty() {
                continue;
            }
            let order = OrderId::new(self.id(wall_us));
            orders.push(GroupOrder {
                order,
                seller,
                line_count: (own.len() as u16).into(),
                ..GroupOrder::new_zeroed()
            });
            lines.extend_from_slice(&own);
            known.push((order, own));
        }
        if orders.is_empty() {
            return self.place_order(wall_us);
        }
        let head = CheckOut {
            expected_version: 0.into(),
            group,
            reservation: reserved.map_or(ReservationId::new(0), |(id, _)| id),
            buyer: BuyerId::new(self.chance.below(4)),
            currency: CURRENCY,
            order_count: (orders.len() as u16).into(),
            line_count: (lines.len() as u16).into(),
            region: (self.chance.below(3) as u16).into(),
            external_id_bytes: 0,
        };
        known.into_iter().for_each(|(order, own)| self.know(order, group, own));
        bytes(&Command::CheckOut(&head, &orders, &lines, ""))
    }

    /// Takes an order one step further, or tries to.
    fn go_on(&mut self) -> Vec<u8> {
        let Some(at) = (!self.known.is_empty()).then(|| self.chance.index(self.known.len())) else {
            return self.stock();
        };
        let step = self.known[at].step;
        // A step that is refused is taken again sometimes, and a step is left out sometimes.
        self.known[at].step += self.chance.of(&[0, 1, 1, 1, 1, 1, 1, 2]);
        let Known { order, group, lines, total, .. } = self.known[at].clone();
        let location = self.location();
        match step {
            0 => {
                let head = RecordAuthorization {
                    group,
                    amount: Amount::new(total.max(1)),
                    reference: self.chance.below(1_000).into(),
                    seconds: (self.chance.magnitude(10, 100_000) as u32).into(),
                    currency: CURRENCY,
                    ..RecordAuthorization::new_zeroed()
                };
                bytes(&Command::RecordAuthorization(&head))
            }
            1 => bytes(&Command::ConfirmOrder(&ConfirmOrder { order, ..ConfirmOrder::new_zeroed() })),
            2 | 3 => {
                let step = if step == 2 { WorkStep::Accept } else { WorkStep::Start } as u8;
                bytes(&Command::UpdateWork(&UpdateWork { order, location, step, ..UpdateWork::new_zeroed() }))
            }
            4 => {
                let head = RecordCapture {
                    group,
                    order: if self.chance.one_in(2) { order } else { OrderId::new(0) },
                    amount: Amount::new(1 + self.chance.below(total.max(1) as u64) as i64),
                    reference: self.chance.below(1_000).into(),
                    ..RecordCapture::new_zeroed()
                };
                bytes(&Command::RecordCapture(&head))
            }
            5..=7 => {
                let part = self.part_of(&lines);
                let tracking = self.chance.of(&["", "T1", "TRACK-0001"]);
                let head = ShipLines {
                    order,
                    location,
                    line_count: (part.len() as u16).into(),
                    carrier: 3.into(),
                    tracking_bytes: tracking.len() as u8,
                    is_sent: u8::from(!self.chance.one_in(3)),
                    ..ShipLines::new_zeroed()
                };
                bytes(&Command::ShipLines(&head, &part, tracking))
            }
            8..=11 => {
                let step = match self.chance.below(10) {
                    0 => ShipmentStep::Cancel,
                    1 => ShipmentStep::Lose,
                    2 => ShipmentStep::ReturnToSender,
                    3 => ShipmentStep::Send,
                    _ => ShipmentStep::Deliver,
                };
                let head = UpdateShipment {
                    order,
                    shipment: self.number().into(),
                    step: step as u8,
                    ..UpdateShipment::new_zeroed()
                };
                bytes(&Command::UpdateShipment(&head))
            }
            12 => {
                let part = self.part_of(&lines);
                let head = RequestReturn {
                    order,
                    line_count: (part.len() as u16).into(),
                    ..RequestReturn::new_zeroed()
                };
                bytes(&Command::RequestReturn(&head, &part))
            }
            13 | 15 => {
                let step = match self.chance.below(6) {
                    0 => ReturnStep::Decline,
                    1 => ReturnStep::Cancel,
                    _ if step == 13 => ReturnStep::Approve,
                    _ => ReturnStep::Close,
                };
                let head = UpdateReturn {
                    order,
                    return_number: 1.into(),
                    step: step as u8,
                    ..UpdateReturn::new_zeroed()
                };
                bytes(&Command::UpdateReturn(&head))
            }
            14 => {
                let units: Vec<ReturnedUnits> = self
                    .part_of(&lines)
                    .iter()
                    .map(|line| ReturnedUnits {
                        line: line.line,
                        quantity: line.quantity,
                        disposition: self.chance.of(&[
                            Disposition::Restock,
                            Disposition::Damaged,
                            Disposition::Discard,
                        ]) as u8,
                        ..ReturnedUnits::new_zeroed()
                    })
                    .collect();
                let head = ReceiveReturn {
                    order,
                    return_number: 1.into(),
                    location,
                    line_count: (units.len() as u16).into(),
                    ..ReceiveReturn::new_zeroed()
                };
                bytes(&Command::ReceiveReturn(&head, &units))
            }
            16 => {
                let head = RequestRefund {
                    order,
                    amount: Amount::new(1 + self.chance.below(total.max(1) as u64) as i64),
                    ..RequestRefund::new_zeroed()
                };
                bytes(&Command::RequestRefund(&head))
            }
            17 => {
                let outcome = self.chance.of(&[RefundOutcome::Succeeded, RefundOutcome::Failed]) as u8;
                let head = SettleRefund {
                    order,
                    refund: self.number().into(),
                    outcome,
                    ..SettleRefund::new_zeroed()
                };
                bytes(&Command::SettleRefund(&head))
            }
            18 => {
                let head = RecordPayout {
                    seller: self.seller(),
                    currency: CURRENCY,
                    amount: Amount::new(self.chance.magnitude(1, 4_000) as i64),
                    ..RecordPayout::new_zeroed()
                };
                bytes(&Command::RecordPayout(&head))
            }
            _ => {
                self.known.remove(at);
                self.stock()
            }
        }
    }

    fn number(&mut self) -> u16 {
        self.chance.of(&[1, 1, 1, 2, 3])
    }

    fn part_of(&mut self, lines: &[OrderLine]) -> Vec<LineQuantity> {
        let mut part = Vec::new();
        for (line, of) in (0_u16..).zip(lines) {
            if part.is_empty() || !self.chance.one_in(3) {
                let all = of.quantity.get();
                let quantity =
                    if self.chance.one_in(3) { 1 + self.chance.below(all.into()) as u32 } else { all };
                part.push(LineQuantity {
                    line: line.into(),
                    quantity: quantity.into(),
                    ..LineQuantity::new_zeroed()
                });
            }
        }
        part
    }

    /// What happens to an order besides.
    fn care(&mut self) -> Vec<u8> {
        if self.known.is_empty() {
            return self.query();
        }
        let at = self.chance.index(self.known.len());
        let Known { order, group, lines, .. } = self.known[at].clone();
        let (location, other) = (self.location(), self.location());
        match self.chance.below(9) {
            0 | 1 => {
                let part = if self.chance.one_in(2) { Vec::new() } else { self.part_of(&lines) };
                let head = CancelLines {
                    order,
                    line_count: (part.len() as u16).into(),
                    ..CancelLines::new_zeroed()
                };
                bytes(&Command::CancelLines(&head, &part))
            }
            2 => {
                let head = EditLine {
                    order,
                    quantity: (self.chance.magnitude(1, 6) as u32).into(),
                    line: (self.chance.index(lines.len()) as u16).into(),
                    ..EditLine::new_zeroed()
                };
                bytes(&Command::EditLine(&head))
            }
            3 => {
                let head =
                    EditAddress { order, address: self.chance.below(99).into(), ..EditAddress::new_zeroed() };
                bytes(&Command::EditAddress(&head))
            }
            4 => {
                let head = PlaceHold {
                    order,
                    seconds: (self.chance.of(&[0, 60, 3_600])).into(),
                    kind: self.chance.of(&[HoldKind::Fraud, HoldKind::Manual]) as u8,
                    blocks: 1 + self.chance.below(63) as u8,
                    ..PlaceHold::new_zeroed()
                };
                bytes(&Command::PlaceHold(&head))
            }
            5 => bytes(&Command::ReleaseHold(&ReleaseHold {
                order,
                hold: self.number().into(),
                ..ReleaseHold::new_zeroed()
            })),
            6 => {
                let head = EndPayment { group, ..EndPayment::new_zeroed() };
                let command = if self.chance.one_in(2) {
                    Command::RecordVoid(&head)
                } else {
                    Command::RecordFailure(&head)
                };
                bytes(&command)
            }
            7 => {
                let is_missing = u8::from(self.chance.one_in(2));
                let head = RejectWork { order, location, is_missing, ..RejectWork::new_zeroed() };
                bytes(&Command::RejectWork(&head))
            }
            _ => {
                let part = if self.chance.one_in(2) { Vec::new() } else { self.part_of(&lines) };
                let head = MoveWork {
                    order,
                    from: location,
                    to: other,
                    line_count: (part.len() as u16).into(),
                    ..MoveWork::new_zeroed()
                };
                bytes(&Command::MoveWork(&head, &part))
            }
        }
    }

    fn stock(&mut self) -> Vec<u8> {
        let (sku, location, to) = (self.sku(), self.location(), self.location());
        let buckets =
            [Bucket::Available, Bucket::Available, Bucket::Safety, Bucket::Damaged, Bucket::Incoming];
        match self.chance.below(10) {
            0..6 => {
                let quantity = self.chance.magnitude(1, 40).into();
                bytes(&Command::ReceiveStock(&ReceiveStock {
                    sku,
                    location,
                    quantity,
                    ..ReceiveStock::new_zeroed()
                }))
            }
            6 => {
                let head = AdjustStock {
                    sku,
                    location,
                    bucket: self.chance.of(&buckets) as u8,
                    delta: (self.chance.below(20) as i64 - 10).into(),
                    ..AdjustStock::new_zeroed()
                };
                bytes(&Command::AdjustStock(&head))
            }
            7 => {
                let on_hand = self.chance.below(40).into();
                bytes(&Command::CountStock(&CountStock {
                    sku,
                    location,
                    on_hand,
                    ..CountStock::new_zeroed()
                }))
            }
            8 => {
                let head = MoveStock {
                    sku,
                    from: location,
                    to,
                    quantity: self.chance.magnitude(1, 6).into(),
                    from_bucket: self.chance.of(&buckets) as u8,
                    to_bucket: self.chance.of(&buckets) as u8,
                    ..MoveStock::new_zeroed()
                };
                bytes(&Command::MoveStock(&head))
            }
            _ => {
                let head = SetLevel {
                    sku,
                    location,
                    on_hand: self.chance.below(60).into(),
                    as_of: self.chance.magnitude(1, 400).into(),
                    ..SetLevel::new_zeroed()
                };
                bytes(&Command::SetLevel(&head))
            }
        }
    }

    fn reservation(&mut self) -> Vec<u8> {
        let Some(at) = (!self.reservations.is_empty()).then(|| self.chance.index(self.reservations.len()))
        else {
            return self.query();
        };
        let reservation = self.reservations[at].0;
        if self.chance.one_in(2) {
            let seconds = (self.chance.magnitude(1, 3_000) as u32).into();
            let head = ExtendReservation { reservation, seconds, ..ExtendReservation::new_zeroed() };
            return bytes(&Command::ExtendReservation(&head));
        }
        bytes(&Command::ReleaseReservation(&ReleaseReservation {
            reservation,
            ..ReleaseReservation::new_zeroed()
        }))
    }

    /// The shop's own affairs.
    fn house(&mut self) -> Vec<u8> {
        match self.chance.below(5) {
            0 => self.set_policy(),
            1 => {
                let seller = self.chance.below(SELLERS.into()) as u32;
                self.define_seller(seller)
            }
            2 => {
                let location = self.chance.below(LOCATIONS.into()) as u16;
                self.define_location(location)
            }
            3 => {
                let sku = self.chance.below(SKUS.into()) as u32;
                self.define_sku(sku)
            }
            _ => {
                let mut head = DefineSourcing { seller: SellerHandle::NONE, ..DefineSourcing::new_zeroed() };
                let rules = [SourcingRule::FewestPackages, SourcingRule::SameRegion, SourcingRule::Priority];
                head.rules[0] = self.chance.of(&rules) as u8;
                bytes(&Command::DefineSourcing(&head))
            }
        }
    }

    /// Short terms, so that things expire and leave.
    fn set_policy(&mut self) -> Vec<u8> {
        let head = SetPolicy {
            pending_order_s: (self.chance.magnitude(30, 90_000) as u32).into(),
            retention_s: (self.chance.magnitude(30, 500_000) as u32).into(),
            reservation_s_max: 3_600.into(),
            ..SetPolicy::new_zeroed()
        };
        bytes(&Command::SetPolicy(&head))
    }

    fn define_seller(&mut self, seller: u32) -> Vec<u8> {
        let code = format!("seller-{seller}");
        let head = DefineSeller {
            commission_bp: (self.chance.below(2_000) as u16).into(),
            standing: Standing::Active as u8,
            code_bytes: code.len() as u8,
            ..DefineSeller::new_zeroed()
        };
        bytes(&Command::DefineSeller(&head, &code))
    }

    fn define_location(&mut self, location: u16) -> Vec<u8> {
        let code = format!("location-{location}");
        let head = DefineLocation {
            priority: (self.chance.below(3) as u32).into(),
            daily_capacity: self.chance.of(&[0_u32, 0, 0, 20]).into(),
            region: location.into(),
            standing: Standing::Active as u8,
            code_bytes: code.len() as u8,
            ..DefineLocation::new_zeroed()
        };
        bytes(&Command::DefineLocation(&head, &code))
    }

    fn define_sku(&mut self, sku: u32) -> Vec<u8> {
        let code = format!("sku-{sku}");
        let head = DefineSku {
            seller: SellerHandle::new(sku % SELLERS),
            backorder_cap: self.chance.of(&[0_u32, 0, 5, 50]).into(),
            currency: CURRENCY,
            standing: if self.chance.one_in(12) { Standing::Inactive } else { Standing::Active } as u8,
            code_bytes: code.len() as u8,
            ..DefineSku::new_zeroed()
        };
        bytes(&Command::DefineSku(&head, &code))
    }

    /// A placement once more, as by somebody who does not know what came of it.
    fn again(&mut self, wall_us: i64) -> Vec<u8> {
        match self.placements.back() {
            Some(command) => command.clone(),
            None => self.place_order(wall_us),
        }
    }

    fn query(&mut self) -> Vec<u8> {
        let known = (!self.known.is_empty()).then(|| self.chance.index(self.known.len()));
        let known = known.map(|at| self.known[at].clone());
        match (self.chance.below(12), known) {
            (0..4, Some(known)) => bytes(&Command::QueryOrder(&QueryOrder { order: known.order })),
            (4, Some(known)) => bytes(&Command::QueryGroup(&QueryGroup { group: known.group })),
            (5, _) if !self.reservations.is_empty() => {
                let at = self.chance.index(self.reservations.len());
                bytes(&Command::QueryReservation(&QueryReservation { reservation: self.reservations[at].0 }))
            }
            (6, _) => {
                let head =
                    QueryLedger { seller: self.seller(), currency: CURRENCY, ..QueryLedger::new_zeroed() };
                bytes(&Command::QueryLedger(&head))
            }
            (7, _) => self.look(),
            (8, _) => {
                let entity =
                    self.chance.of(&[EntityKind::Seller, EntityKind::Location, EntityKind::Sku]) as u8;
                let head = QueryCatalogue { count: 3.into(), entity, ..QueryCatalogue::new_zeroed() };
                bytes(&Command::QueryCatalogue(&head))
            }
            (9, _) => {
                let location = if self.chance.one_in(2) { LocationHandle::NONE } else { self.location() };
                bytes(&Command::QueryStock(&QueryStock { sku: self.sku(), location }))
            }
            _ => {
                let count = 1 + self.chance.index(3);
                let skus: Vec<AskedSku> = (0..count).map(|_| AskedSku { sku: self.sku() }).collect();
                let head =
                    QueryAvailability { sku_count: (count as u16).into(), ..QueryAvailability::new_zeroed() };
                bytes(&Command::QueryAvailability(&head, &skus))
            }
        }
    }
}
