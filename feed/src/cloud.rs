//! An event as a CloudEvent.

use orderline_json::{Names, ids, show};
use orderline_protocol::event::Event;
use serde::Serialize;
use serde_json::Value;

use crate::kinds::event_type;

/// An event in the structured JSON form of CloudEvents 1.0.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CloudEvent {
    /// The version of CloudEvents: 1.0.
    pub specversion: &'static str,
    /// The sequence again: with the source, it names the event for ever.
    pub id: String,
    /// The store that decided it, as a URN.
    pub source: String,
    /// What happened; `docs/events.md` lists the types.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// The id of the order, group or reservation, or the code of the SKU, seller or location that it is about; of a token its
    /// number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was recorded.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub time: String,
    /// The form of the data: `application/json`.
    pub datacontenttype: &'static str,
    /// Its place in the one history, in decimals.
    pub sequence: String,
    /// The sequence up to which the consumer has seen all that it asked for, once it has this event's predecessors: nothing that
    /// it wants lies between this and `sequence`.
    pub previous: String,
    /// The record, as `orderline inspect` shows it.
    pub data: Value,
}

/// What an event is about, as people know it.
pub(crate) fn subject(names: &dyn Names, event: &Event<'_>) -> Option<String> {
    let sku = |handle| names.sku_code(handle).map(|code| code.into_owned());
    let seller = |handle| names.seller_code(handle).map(|code| code.into_owned());
    match *event {
        Event::SellerDefined(_, code) | Event::LocationDefined(_, code) | Event::SkuDefined(_, code) => {
            Some(code.to_owned())
        }
        Event::TokenDefined(head, _) => Some(head.token.to_string()),
        Event::TokenRevoked(head) => Some(head.token.to_string()),
        Event::SourcingDefined(head) => seller(head.definition.seller),
        Event::SessionOpened(head) => Some(format!("{:032x}", head.session.get())),
        Event::StockReceived(head) => sku(head.receipt.sku),
        Event::StockAdjusted(head) => sku(head.adjustment.sku),
        Event::StockCounted(head) => sku(head.count.sku),
        Event::StockMoved(head) => sku(head.movement.sku),
        Event::LevelSet(head) => sku(head.set.sku),
        Event::BackordersRefilled(head, _) => sku(head.sku),
        Event::ShortageNamed(head, _) => sku(head.sku),
        Event::PayoutRecorded(head) => seller(head.payout.seller),
        Event::PolicySet(_) | Event::TimePassed(..) | Event::FinishedRetired(..) => None,
        // Whatever else there is names first what it is about.
        _ => ids(event).first().map(ToString::to_string),
    }
}

impl CloudEvent {
    pub(crate) fn of(
        names: &dyn Names,
        source: &str,
        (previous, sequence): (u64, u64),
        recorded_at_us: i64,
        event: &Event<'_>,
    ) -> Self {
        Self {
            specversion: "1.0",
            id: sequence.to_string(),
            source: source.to_owned(),
            event_type: event_type(event.kind()),
            subject: subject(names, event),
            time: show::time_text(recorded_at_us),
            datacontenttype: "application/json",
            sequence: sequence.to_string(),
            previous: previous.to_string(),
            data: orderline_json::record(names, sequence, recorded_at_us, event),
        }
    }
}
