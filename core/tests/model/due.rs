//! Time: what expires, and what leaves memory.

use orderline_protocol::lifecycle::*;

use crate::model::{Model, Rare, SECOND_US};
use crate::orders::Order;

impl Order {
    /// Something of it is not finished, though the order is.
    pub fn still_stands(&self) -> bool {
        self.holds.iter().any(|hold| hold.state == HoldState::Active)
            || self.refunds.iter().any(|refund| refund.state == RefundState::Pending)
            || self.returns.iter().any(|one| one.is_open() || one.state == ReturnState::Received)
    }
}

/// The whole second in which a time lies.
fn whole_second(at_us: i64) -> i64 {
    at_us.div_euclid(SECOND_US) * SECOND_US
}

impl Model {
    /// Something of a finished order is not finished: of itself, or money is promised for its group and can still be captured.
    pub fn keeps(&self, order: &Order) -> bool {
        let payment = self.groups.get(&order.group).map(|group| group.payment.state);
        order.still_stands()
            || matches!(payment, Some(PaymentState::Authorized | PaymentState::PartiallyCaptured))
    }

    /// Nothing is promised any more for the group, and finished orders that stayed for that wait from now on.
    pub fn promise_ended(&mut self, group: u128) {
        let this_second = self.this_second();
        for id in self.groups[&group].orders.clone() {
            let Some(order) = self.orders.get_mut(&id) else { continue };
            if order.is_finished() && !order.still_stands() {
                order.waits_since_us = Some(this_second);
            }
        }
    }

    /// The recorded time has reached this: what is due expires, and what comes free by it is given to those who wait.
    /// Says how much expired.
    pub fn tick(&mut self, now_us: i64) -> usize {
        self.now_us = now_us;
        self.shortages.clear();
        let is_due = |at: Option<i64>| at.is_some_and(|at| at <= now_us);
        let reservations: Vec<u128> = self
            .reservations
            .iter()
            .filter(|(_, one)| one.state == ReservationState::Held && one.expires_at_us <= now_us)
            .map(|(&id, _)| id)
            .collect();
        let orders: Vec<u128> = self
            .orders
            .values()
            .filter(|order| order.state == OrderState::Pending)
            .filter(|order| self.is_over(whole_second(order.placed_us), self.policy.pending_order_s))
            .map(|order| order.id)
            .collect();
        let payments: Vec<u128> = self
            .groups
            .iter()
            .filter(|(_, group)| is_due(group.payment.expires_at_us))
            .map(|(&id, _)| id)
            .collect();
        let mut holds: Vec<(u128, usize)> = Vec::new();
        for order in self.orders.values() {
            for (index, hold) in order.holds.iter().enumerate() {
                if hold.state == HoldState::Active && is_due(hold.expires_at_us) {
                    holds.push((order.id, index));
                }
            }
        }
        let expired = reservations.len() + orders.len() + payments.len() + holds.len();
        for id in reservations {
            self.finish_reservation(id, ReservationState::Expired, true);
        }
        for id in orders {
            self.expire_order(id);
        }
        for id in payments {
            self.expire_payment(id);
        }
        for (id, hold) in holds {
            let mut order = self.orders[&id].clone();
            order.holds[hold].state = HoldState::Expired;
            self.keep(order);
        }
        if expired > 0 {
            self.sequence += 1;
            self.refill();
        }
        expired
    }

    /// What is finished and has been kept long enough leaves memory, and no new id may be as old as what left. Says how
    /// much left.
    pub fn retire(&mut self, now_us: i64) -> usize {
        self.now_us = now_us;
        let is_over =
            |since: Option<i64>| since.is_some_and(|since| self.is_over(since, self.policy.retention_s));
        let due: Vec<u128> = self
            .orders
            .values()
            .filter(|order| is_over(order.waits_since_us))
            .map(|order| order.id)
            .collect();
        let reservations: Vec<u128> = self
            .reservations
            .iter()
            .filter(|(_, reservation)| is_over(reservation.finished_us))
            .map(|(&id, _)| id)
            .collect();
        // What has an id from the future waits once more.
        let (this_second, now_ms) = (self.this_second(), self.now_ms());
        let is_ahead = |id: u128| (id >> 80) as u64 > now_ms;
        let (ahead, reservations): (Vec<u128>, Vec<u128>) =
            reservations.into_iter().partition(|&id| is_ahead(id));
        for id in &ahead {
            if let Some(reservation) = self.reservations.get_mut(id) {
                reservation.finished_us = Some(this_second);
            }
        }
        let mut examined = ahead.len();
        let (standing, orders): (Vec<u128>, Vec<u128>) =
            due.into_iter().partition(|id| self.keeps(&self.orders[id]));
        let is_promised_only = standing.iter().any(|id| !self.orders[id].still_stands());
        self.met(Rare::StayedForAPromise, is_promised_only);
        for id in standing {
            // It waits anew from when what stands has ended.
            if let Some(order) = self.orders.get_mut(&id) {
                order.waits_since_us = None;
            }
        }
        let (ahead, orders): (Vec<u128>, Vec<u128>) =
            orders.into_iter().partition(|id| is_ahead(*id) || is_ahead(self.orders[id].group));
        for id in &ahead {
            if let Some(order) = self.orders.get_mut(id) {
                order.waits_since_us = Some(this_second);
            }
        }
        examined += ahead.len();
        self.met(Rare::StayedForItsId, examined > 0);
        for id in &orders {
            // Orders and groups share their ids, so a group's counts with its orders'.
            let group = self.orders[id].group;
            let newest = (id >> 80).max(group >> 80).max(1) as u64;
            self.orders_horizon_ms = self.orders_horizon_ms.max(newest);
            if let Some(order) = self.orders.remove(id)
                && let Some(group) = self.groups.get_mut(&order.group)
            {
                group.orders.retain(|other| other != id);
                let is_gone = group.orders.is_empty();
                if is_gone {
                    self.groups.remove(&order.group);
                }
                self.met(Rare::GroupPartlyGone, !is_gone);
            }
        }
        for id in &reservations {
            self.reservations_horizon_ms = self.reservations_horizon_ms.max((id >> 80).max(1) as u64);
            self.reservations.remove(id);
        }
        let left = orders.len() + reservations.len();
        if left > 0 {
            self.sequence += 1;
        }
        left
    }
}
