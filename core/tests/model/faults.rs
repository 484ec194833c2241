//! All that is wrong with a placement, a reservation or a checkout before any stock is looked at. Of several such
//! reasons the engine may name any: it looks at each line once, so that a good cart is judged in one walk.

use std::collections::BTreeSet;

use orderline_protocol::command::*;
use orderline_protocol::lifecycle::Action;
use orderline_protocol::limits::{CART_LINES_MAX, GROUP_ORDERS_MAX};
use orderline_protocol::{CurrencyCode, RejectCode, SellerHandle};

use crate::fields;
use crate::model::{Model, Refused};

/// Collects the codes of refusals.
#[derive(Default)]
struct Faults(BTreeSet<RejectCode>);

impl Faults {
    fn note<T>(&mut self, judged: Result<T, Refused>) {
        if let Err(refused) = judged {
            self.0.insert(refused.code);
        }
    }

    fn note_if(&mut self, is_wrong: bool, code: RejectCode) {
        if is_wrong {
            self.0.insert(code);
        }
    }
}

impl Model {
    /// Every reason but a want of stock that there is to refuse such a command; none for other commands.
    pub fn faults(&self, command: &Command<'_>) -> BTreeSet<RejectCode> {
        let mut faults = Faults::default();
        match *command {
            Command::PlaceOrder(head, lines, _) => {
                faults.note(fields::check(command));
                faults.note_if(head.order.get() == 0, RejectCode::InvalidOrderId);
                faults.note(fields::priced_in(head.currency));
                faults.note(fields::line_count(lines.len()));
                faults.note(self.fresh_id(head.order.unix_ms(), self.orders_horizon_ms));
                faults.note_if(self.groups.contains_key(&head.order.get()), RejectCode::OrderIdReused);
                self.faults_of_lines(&mut faults, head.seller, head.currency, lines);
                faults.note(fields::sums(lines.iter().map(|line| (line.sku.get(), line.quantity.get()))));
            }
            Command::ReserveCart(head, lines) => {
                faults.note(fields::check(command));
                faults.note_if(head.reservation.get() == 0, RejectCode::InvalidOrderId);
                faults.note(fields::line_count(lines.len()));
                faults.note(self.fresh_id(head.reservation.unix_ms(), self.reservations_horizon_ms));
                faults.note(self.used_up(
                    head.replaces,
                    head.expected_version.get(),
                    head.buyer,
                    Action::Release,
                ));
                let is_long = head.seconds.get() > self.policy.reservation_s_max;
                faults.note_if(is_long, RejectCode::NotHeldLongEnough);
                for (index, line) in (0..).zip(lines) {
                    faults.note(fields::quantity(line.quantity.get(), index));
                    faults.note(self.orderable_sku(line.sku, index));
                    let seller = self.skus.get(line.sku.index()).map(|sku| sku.seller);
                    let is_suspended = seller.is_some_and(|seller| !self.sellers[seller as usize].is_active);
                    faults.note_if(is_suspended, RejectCode::SellerSuspended);
                }
                faults.note(fields::sums(lines.iter().map(|line| (line.sku.get(), line.quantity.get()))));
            }
            Command::CheckOut(head, orders, lines, external_id) => {
                faults.note(fields::own_id(external_id));
                faults.note(fields::check(command));
                self.faults_of_group(&mut faults, head, orders, lines);
            }
            _ => {}
        }
        faults.0
    }

    fn faults_of_group(
        &self,
        faults: &mut Faults,
        head: &CheckOut,
        orders: &[GroupOrder],
        lines: &[OrderLine],
    ) {
        faults.note_if(head.group.get() == 0, RejectCode::InvalidOrderId);
        faults.note(fields::priced_in(head.currency));
        faults.note_if(lines.is_empty(), RejectCode::NoLines);
        faults.note_if(lines.len() > CART_LINES_MAX, RejectCode::TooManyLines);
        faults.note_if(orders.len() > GROUP_ORDERS_MAX, RejectCode::TooManyOrders);
        faults.note(self.fresh_id(head.group.unix_ms(), self.orders_horizon_ms));
        faults.note_if(self.orders.contains_key(&head.group.get()), RejectCode::GroupIdReused);
        faults.note(self.used_up(head.reservation, head.expected_version.get(), head.buyer, Action::Consume));
        let mut start = 0;
        for (index, order) in orders.iter().enumerate() {
            let others = &orders[..index];
            faults.note_if(order.order.get() == 0, RejectCode::InvalidOrderId);
            faults.note_if(order.line_count.get() == 0, RejectCode::NoLines);
            let is_repeated = others.iter().any(|other| other.order == order.order);
            let is_known =
                self.orders.contains_key(&order.order.get()) || self.groups.contains_key(&order.order.get());
            faults.note_if(is_repeated || is_known, RejectCode::OrderIdReused);
            let is_of_other = others.iter().any(|other| other.seller == order.seller);
            faults.note_if(is_of_other, RejectCode::SellerRepeated);
            faults.note(self.fresh_id(order.order.unix_ms(), self.orders_horizon_ms));
            let end = start + usize::from(order.line_count.get());
            let own = lines.get(start..end).unwrap_or_default();
            self.faults_of_lines(faults, order.seller, head.currency, own);
            start = end;
        }
        faults.note_if(start != lines.len(), RejectCode::GroupNotWhole);
        faults.note(fields::sums(lines.iter().map(|line| (line.sku.get(), line.quantity.get()))));
        let all = lines.iter().map(|line| (line.quantity.get(), line.unit_price.minor()));
        faults.note(fields::total(all));
    }

    fn faults_of_lines(
        &self,
        faults: &mut Faults,
        seller: SellerHandle,
        currency: CurrencyCode,
        lines: &[OrderLine],
    ) {
        faults.note(self.selling(seller));
        for (index, line) in (0..).zip(lines) {
            faults.note(fields::quantity(line.quantity.get(), index));
            faults.note(fields::price(line.unit_price.minor(), index));
            faults.note(self.orderable_sku(line.sku, index));
            let Some(sku) = self.skus.get(line.sku.index()) else { continue };
            faults.note_if(sku.seller != seller.get(), RejectCode::SkuOfOtherSeller);
            let is_other = sku.currency != 0 && sku.currency != currency.get();
            faults.note_if(is_other, RejectCode::MixedCurrencies);
        }
        let wanted = lines.iter().map(|line| (line.quantity.get(), line.unit_price.minor()));
        faults.note(fields::total(wanted));
    }
}
