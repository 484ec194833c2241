//! Commands of a checkout.

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::ReservationState;
use orderline_protocol::limits::UNIT_PRICE_MINOR_MAX;
use orderline_protocol::{
    Amount, BuyerId, CurrencyCode, GroupId, OrderId, ReservationId, SellerHandle, SkuHandle,
};
use rand::RngExt;

use super::{Generator, SELLERS, SKUS, bytes};
use crate::model::Model;

impl Generator {
    fn buyer(&mut self) -> u64 {
        self.rng.random_range(1..4)
    }

    /// Units of a line: few, rarely none or too many.
    fn units(&mut self) -> u32 {
        match self.rng.random_range(0..500) {
            0 => 0,
            1 => 1_000_000_001,
            2 => 1_000_000_000,
            3..50 => self.rng.random_range(5..25),
            _ => self.rng.random_range(1..5),
        }
    }

    fn price(&mut self) -> i64 {
        match self.rng.random_range(0..600) {
            0 => 0,
            1 => -1,
            2 => UNIT_PRICE_MINOR_MAX + 1,
            3 => UNIT_PRICE_MINOR_MAX,
            _ => self.rng.random_range(1..1_000),
        }
    }

    fn line_count(&mut self) -> usize {
        match self.rng.random_range(0..100) {
            // Now and then so long that the engine may take another path.
            0..2 => 24,
            2 => 0,
            _ => self.rng.random_range(1..5),
        }
    }

    fn line(&mut self, sku: SkuHandle) -> OrderLine {
        if self.chance(1, 600) {
            // One line alone whose total is over an order's limit.
            let unit_price = Amount::new(UNIT_PRICE_MINOR_MAX);
            return OrderLine { sku, quantity: 901.into(), unit_price };
        }
        OrderLine { sku, quantity: self.units().into(), unit_price: Amount::new(self.price()) }
    }

    /// Lines of a seller's SKUs; rarely one of another's.
    fn lines_of(&mut self, model: &Model, seller: SellerHandle, count: usize) -> Vec<OrderLine> {
        let own: Vec<u32> = (0..model.skus.len() as u32)
            .filter(|&sku| model.skus[sku as usize].seller == seller.get())
            .collect();
        let mut lines = Vec::new();
        for _ in 0..count {
            let sku = if own.is_empty() || self.chance(1, 80) {
                self.sku(model)
            } else {
                SkuHandle::new(self.one_of(&own))
            };
            lines.push(self.line(sku));
        }
        lines
    }

    /// The currency that most lines can be sold in.
    fn currency_of(&mut self, model: &Model, lines: &[OrderLine]) -> CurrencyCode {
        let bound = lines.iter().filter_map(|line| model.skus.get(line.sku.index()));
        let bound = bound.map(|sku| sku.currency).find(|&currency| currency != 0);
        match bound {
            Some(currency) if self.chance(29, 30) => CurrencyCode::new(currency),
            _ => CurrencyCode::new(self.currency()),
        }
    }

    fn region(&mut self) -> u16 {
        self.rng.random_range(0..3)
    }

    fn pick_reservation(&mut self, model: &Model, buyer: Option<u64>) -> u128 {
        let held = model.reservations.iter().filter(|(_, one)| {
            one.state == ReservationState::Held && buyer.is_none_or(|buyer| one.buyer == buyer)
        });
        let held = held.map(|(&id, _)| id).collect();
        self.pick(held, || model.reservations.keys().copied().collect())
    }

    /// Of no reservation a version is expected only by mistake.
    fn expected_of_reservation(&mut self, model: &Model, id: u128) -> u32 {
        let version = model.reservations.get(&id).map(|one| one.version);
        if id == 0 && !self.chance(1, 60) { 0 } else { self.expected(version) }
    }

    pub(super) fn reserve_cart(&mut self, model: &Model) -> Vec<u8> {
        let buyer = self.buyer();
        let mut lines: Vec<CartLine> = Vec::new();
        for _ in 0..self.line_count() {
            lines.push(CartLine { sku: self.sku(model), quantity: self.units().into() });
        }
        if self.chance(2, 3) {
            // Sorted by seller, so that a checkout can take the lines one for one.
            lines.sort_by_key(|line| model.skus.get(line.sku.index()).map(|sku| sku.seller));
        }
        let mut held = model.reservations.values().filter(|one| one.state == ReservationState::Held);
        let is_held = held.any(|one| one.buyer == buyer);
        let replaces = if if is_held { self.chance(1, 3) } else { self.chance(1, 40) } {
            self.pick_reservation(model, Some(buyer))
        } else {
            0
        };
        let seconds = match self.rng.random_range(0..40) {
            0 => 0,
            1 => model.policy.reservation_s_max + 1,
            2 => model.policy.reservation_s_max,
            _ => self.rng.random_range(1..=model.policy.reservation_s_max.min(3_600)),
        };
        let head = ReserveCart {
            expected_version: self.expected_of_reservation(model, replaces).into(),
            reservation: ReservationId::new(self.new_id()),
            replaces: ReservationId::new(replaces),
            buyer: BuyerId::new(buyer),
            seconds: seconds.into(),
            region: self.region().into(),
            line_count: (lines.len() as u16).into(),
        };
        self.remember(bytes(&Command::ReserveCart(&head, &lines)))
    }

    pub(super) fn extend_reservation(&mut self, model: &Model) -> Vec<u8> {
        let id = self.pick_reservation(model, None);
        let most = model.policy.reservation_s_max;
        let head = ExtendReservation {
            reservation: ReservationId::new(id),
            expected_version: self.expected_of_reservation(model, id).into(),
            seconds: match self.rng.random_range(0..12) {
                0 => 0,
                1 | 2 => most,
                3 => most + 1,
                _ => self.rng.random_range(1..=most.min(600)),
            }
            .into(),
        };
        bytes(&Command::ExtendReservation(&head))
    }

    pub(super) fn release_reservation(&mut self, model: &Model) -> Vec<u8> {
        let id = self.pick_reservation(model, None);
        let head = ReleaseReservation {
            reservation: ReservationId::new(id),
            expected_version: self.expected_of_reservation(model, id).into(),
            reserved: [0; 4],
        };
        bytes(&Command::ReleaseReservation(&head))
    }

    /// The caller's own id of an order: none, one, or what cannot be one.
    fn external_id(&mut self) -> &'static str {
        if self.chance(1, 200) {
            return [" po-1", "po\n1", "0123456789012345678901234567890123456789012345678901234567890123x"]
                [self.chance(1, 2) as usize + self.chance(1, 2) as usize];
        }
        if self.chance(1, 3) { "po-1" } else { "" }
    }

    pub(super) fn place_order(&mut self, model: &Model) -> Vec<u8> {
        let seller = self.seller(model);
        let count = self.line_count();
        let lines = if self.chance(1, 400) {
            vec![OrderLine { sku: SkuHandle::new(0), quantity: 1.into(), unit_price: Amount::new(1) }; 2_001]
        } else {
            self.lines_of(model, seller, count)
        };
        let external_id = self.external_id();
        let head = PlaceOrder {
            order: OrderId::new(self.new_id()),
            buyer: BuyerId::new(self.buyer()),
            seller,
            currency: self.currency_of(model, &lines),
            line_count: (lines.len() as u16).into(),
            region: self.region().into(),
            external_id_bytes: external_id.len() as u8,
        };
        self.remember(bytes(&Command::PlaceOrder(&head, &lines, external_id)))
    }

    pub(super) fn check_out(&mut self, model: &Model) -> Vec<u8> {
        let mut reservation = 0;
        let mut buyer = self.buyer();
        let mut carts: Vec<(SellerHandle, Vec<OrderLine>)> = Vec::new();
        let is_held = model.reservations.values().any(|one| one.state == ReservationState::Held);
        if if is_held { self.chance(3, 4) } else { self.chance(1, 30) } {
            reservation = self.pick_reservation(model, None);
        }
        if let Some(reserved) = model.reservations.get(&reservation) {
            if !self.chance(1, 12) {
                buyer = reserved.buyer;
            }
            for &(sku, units) in &reserved.lines {
                let seller = SellerHandle::new(model.skus[sku as usize].seller);
                let line = OrderLine {
                    sku: SkuHandle::new(sku),
                    quantity: units.into(),
                    unit_price: Amount::new(self.price()),
                };
                match carts.iter_mut().find(|cart| cart.0 == seller) {
                    Some(cart) => cart.1.push(line),
                    None => carts.push((seller, vec![line])),
                }
            }
            if self.chance(1, 3) {
                // The cart changed since it was reserved.
                let at = self.rng.random_range(0..carts.len());
                let at_line = self.rng.random_range(0..carts[at].1.len());
                match self.rng.random_range(0..3) {
                    0 => carts[at].1[at_line].quantity = self.units().into(),
                    1 => carts[at].1[at_line] = self.line(SkuHandle::new(at as u32 % SKUS)),
                    _ if carts.len() > 1 => drop(carts.remove(at)),
                    _ => carts[at].1.reverse(),
                }
            }
        } else {
            let first = self.rng.random_range(0..SELLERS);
            for index in 0..self.rng.random_range(1..=SELLERS) {
                let seller = SellerHandle::new((first + index) % SELLERS);
                let lines = self.line_count();
                carts.push((seller, self.lines_of(model, seller, lines)));
            }
        }
        let lines: Vec<OrderLine> = carts.iter().flat_map(|cart| cart.1.clone()).collect();
        let mut orders = Vec::new();
        for (seller, lines) in &carts {
            orders.push(GroupOrder {
                order: OrderId::new(self.new_id()),
                seller: *seller,
                line_count: (lines.len() as u16).into(),
                reserved: [0; 2],
            });
        }
        match self.rng.random_range(0..120) {
            0 => orders[0].line_count = (orders[0].line_count.get() + 1).into(),
            1 => orders[0].order = OrderId::new(self.old_id()),
            2 => orders.push(orders[0]),
            3 => orders = vec![orders[0]; 501],
            4 => orders.clear(),
            5 => orders[0].reserved[1] = 1,
            6 if orders.len() > 1 => orders[1].order = orders[0].order,
            _ => {}
        }
        let group = if self.chance(1, 100) { self.old_id() } else { self.new_id() };
        let external_id = self.external_id();
        let head = CheckOut {
            expected_version: self.expected_of_reservation(model, reservation).into(),
            group: GroupId::new(group),
            reservation: ReservationId::new(reservation),
            buyer: BuyerId::new(buyer),
            currency: self.currency_of(model, &lines),
            order_count: (orders.len() as u16).into(),
            line_count: (lines.len() as u16).into(),
            region: self.region().into(),
            external_id_bytes: external_id.len() as u8,
        };
        self.remember(bytes(&Command::CheckOut(&head, &orders, &lines, external_id)))
    }
}
