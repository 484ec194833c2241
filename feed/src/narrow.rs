//! What one seller may see of an event that is about several sellers' orders.

use orderline_protocol::event::EventKind;
use serde_json::Value;

/// Leaves out of an event's data what it says of other sellers' orders: entries of lists that name another order, or none, and
/// amounts of the whole group. Most kinds are about one order, and stay as they are.
pub(crate) fn narrow(kind: EventKind, data: &mut Value, is_own: impl Fn(&str) -> bool) {
    let is_of_several = matches!(
        kind,
        EventKind::GroupPlaced
            | EventKind::PaymentAuthorized
            | EventKind::PaymentCaptured
            | EventKind::TimePassed
            | EventKind::FinishedRetired
            | EventKind::BackordersRefilled
            | EventKind::ShortageNamed
    );
    let Some(fields) = data.as_object_mut().filter(|_| is_of_several) else { return };
    let is_own = |entry: &Value| entry["order"].as_str().is_some_and(&is_own);
    let mut dropped = kind == EventKind::PaymentAuthorized;
    for list in fields.values_mut().filter_map(Value::as_array_mut) {
        let count = list.len();
        list.retain(is_own);
        dropped |= list.len() < count;
    }
    if dropped {
        for key in ["amount_minor", "short"] {
            if let Some(amount) = fields.get_mut(key) {
                *amount = Value::Null;
            }
        }
    }
}
