//! Statuses that nobody sets: they are derived from an order's quantities and amounts.

use orderline_protocol::lifecycle::*;

use crate::money::Group;
use crate::orders::Order;

impl Order {
    pub fn fulfilment_status(&self) -> FulfilmentStatus {
        let wanted: u32 = self.lines.iter().map(|line| line.ordered - line.cancelled).sum();
        let shipped: u32 = self.lines.iter().map(|line| line.shipped).sum();
        match shipped {
            0 => FulfilmentStatus::Unfulfilled,
            _ if shipped == wanted => FulfilmentStatus::Fulfilled,
            _ => FulfilmentStatus::PartiallyFulfilled,
        }
    }

    pub fn payment_status(&self, group: &Group) -> PaymentStatus {
        if self.captured == 0 {
            return match group.payment.state {
                PaymentState::Authorized | PaymentState::PartiallyCaptured => PaymentStatus::Authorized,
                _ => PaymentStatus::Unpaid,
            };
        }
        if self.refunded == self.captured {
            PaymentStatus::Refunded
        } else if self.refunded > 0 {
            PaymentStatus::PartiallyRefunded
        } else if self.captured >= self.cost() {
            PaymentStatus::Paid
        } else {
            PaymentStatus::PartiallyPaid
        }
    }

    pub fn return_status(&self) -> ReturnStatus {
        let delivered: u32 = self.lines.iter().map(|line| line.delivered).sum();
        let returned: u32 = self.lines.iter().map(|line| line.returned).sum();
        if self.returns.iter().any(|one| one.is_open()) {
            ReturnStatus::InProgress
        } else if returned == 0 {
            ReturnStatus::None
        } else if returned == delivered {
            ReturnStatus::Returned
        } else {
            ReturnStatus::PartiallyReturned
        }
    }
}
