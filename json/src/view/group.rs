//! A group of orders, and its payment.

use orderline_protocol::lifecycle::{OrderState, PaymentState};
use orderline_protocol::reply::{GroupOrderView, GroupView};
use serde::Serialize;

use super::{currency, known_id, name, said, seller, time_said};
use crate::names::Names;

/// An order group as it stands: the orders of one cart, and their payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Group {
    /// Its id, a ULID.
    pub group: String,
    /// Its version: it rises with each change of its payment.
    pub version: u32,
    /// Who buys, as the front end numbers buyers.
    pub buyer: u64,
    /// The currency, an ISO 4217 code.
    pub currency: Option<String>,
    /// What its orders cost now.
    pub total_minor: i64,
    /// What its payment has promised, captures included.
    pub authorized_minor: i64,
    /// What was captured, over all its payments.
    pub captured_minor: i64,
    /// What was refunded.
    pub refunded_minor: i64,
    /// The newest payment's number; null: none yet.
    pub payment: Option<u16>,
    /// The newest payment's state.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::payment_state_or_null))]
    pub payment_state: Option<&'static str>,
    /// The payment service's own number of the newest payment.
    pub reference: Option<u64>,
    /// When the promise lapses; null: never, or there is none.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub expires_at: Option<String>,
    /// When what was last reported of the newest payment happened, as the caller that reported it said.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub happened_at: Option<String>,
    /// Its orders.
    pub orders: Vec<GroupOrder>,
}

/// One order of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupOrder {
    /// Which.
    pub order: String,
    /// Who sells.
    pub seller: Option<String>,
    /// Its state.
    #[cfg_attr(feature = "openapi", schema(schema_with = super::schema::order_state))]
    pub state: &'static str,
    /// What it costs now.
    pub total_minor: i64,
    /// Its share of what was captured.
    pub captured_minor: i64,
    /// What of that was refunded.
    pub refunded_minor: i64,
}

impl Group {
    /// The group in a view; the version stands in the head of the reply that carried it.
    pub fn of(names: &dyn Names, version: u32, view: &GroupView, orders: &[GroupOrderView]) -> Self {
        let order = |order: &GroupOrderView| GroupOrder {
            order: known_id(order.order.get()),
            seller: seller(names, order.seller),
            state: name(order.state, OrderState::from_number, OrderState::name),
            total_minor: order.total.minor(),
            captured_minor: order.captured.minor(),
            refunded_minor: order.refunded.minor(),
        };
        let payment = said(view.payment.get());
        Self {
            group: known_id(view.group.get()),
            version,
            buyer: view.buyer.get(),
            currency: currency(view.currency),
            total_minor: view.total.minor(),
            authorized_minor: view.authorized.minor(),
            captured_minor: view.captured.minor(),
            refunded_minor: view.refunded.minor(),
            payment,
            payment_state: payment
                .map(|_| name(view.payment_state, PaymentState::from_number, PaymentState::name)),
            reference: payment.map(|_| view.reference.get()),
            expires_at: time_said(view.expires_at_us.get()),
            happened_at: time_said(view.happened_at_us.get()),
            orders: orders.iter().map(order).collect(),
        }
    }
}
