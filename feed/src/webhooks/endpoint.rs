//! Endpoints: what is said of them, what is kept of them, and what is shown.

use std::collections::BTreeMap;

use orderline_json::Names;
use orderline_protocol::event::EventKind;
use orderline_protocol::{LocationHandle, OrderId, SellerHandle, Sequence};
use serde::{Deserialize, Serialize};

use super::queue::Place;
use crate::filter::Filter;
use crate::kinds::{event_type, kind_of_type};

/// An endpoint's number; never used again for another.
pub type EndpointId = u64;

/// What somebody says of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSpec {
    /// Where deliveries are posted to.
    pub url: String,
    /// What people call it.
    pub label: String,
    /// What it gets.
    pub filter: Filter,
}

/// Whether an endpoint is delivered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum EndpointState {
    /// It is.
    Active,
    /// Somebody stopped it for a while.
    Paused,
    /// It answered 410, Gone: it wants no more. Set it to active to go on.
    Disabled,
}

/// An endpoint, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    pub(crate) url: String,
    pub(crate) label: String,
    pub(crate) filter: KeptFilter,
    pub(crate) state: EndpointState,
    /// The newest first.
    pub(crate) secrets: Vec<Secret>,
}

/// A secret, and until when it is signed with beside a newer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Secret {
    pub(crate) secret: String,
    /// Seconds since 1970; nothing for the one in force.
    pub(crate) until_unix_s: Option<u64>,
}

/// A filter, as it is kept: kinds by their types, ids as text, handles as numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptFilter {
    types: Vec<String>,
    entity: Option<String>,
    seller: Option<u32>,
    location: Option<u16>,
}

impl From<&Filter> for KeptFilter {
    fn from(filter: &Filter) -> Self {
        Self {
            types: filter.kinds.iter().map(|&kind| event_type(kind).to_owned()).collect(),
            entity: filter.entity.map(|id| id.to_string()),
            seller: filter.seller.map(SellerHandle::get),
            location: filter.location.map(LocationHandle::get),
        }
    }
}

impl KeptFilter {
    /// The filter. A type that this program does not know matches nothing: it must not become a filter without types, which matches
    /// all.
    pub(crate) fn filter(&self) -> Option<Filter> {
        let kinds: Vec<EventKind> = self.types.iter().filter_map(|name| kind_of_type(name)).collect();
        if kinds.is_empty() && !self.types.is_empty() {
            return None;
        }
        let entity = match &self.entity {
            Some(id) => Some(id.parse::<OrderId>().ok()?),
            None => None,
        };
        Some(Filter {
            kinds,
            entity,
            seller: self.seller.map(SellerHandle::new),
            location: self.location.map(LocationHandle::new),
        })
    }
}

/// All endpoints, as they are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definitions {
    /// The number that was given last.
    pub(crate) last_id: EndpointId,
    pub(crate) endpoints: BTreeMap<EndpointId, Definition>,
}

/// How far an endpoint has come, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) place: Place,
    pub(crate) figures: Figures,
}

/// What became of an endpoint's deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) delivered_count: u64,
    pub(crate) failed_count: u64,
    pub(crate) delivered_at_us: Option<i64>,
    pub(crate) failing_since_us: Option<i64>,
    pub(crate) last_error: Option<String>,
    pub(crate) dropped_count: u64,
}

/// A delivery that was given up, with all that is needed to make it after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeadLetter {
    /// The event's sequence.
    pub sequence: Sequence,
    /// What the event is about.
    pub subject: Option<String>,
    /// Every order, group and reservation that it names.
    pub ids: Vec<String>,
    /// Attempts that were made.
    pub attempts: u32,
    /// What became of the last one.
    pub error: String,
    /// When it was given up, in microseconds since 1970.
    pub given_up_at_us: i64,
    /// What was sent: the CloudEvent.
    pub body: String,
}

/// An endpoint, as the console shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndpointStatus {
    /// Its number.
    pub endpoint: EndpointId,
    /// Where deliveries are posted to.
    pub url: String,
    /// What people call it.
    pub label: String,
    /// Whether it is delivered to.
    pub state: EndpointState,
    /// Types of events that it gets; none: all.
    pub types: Vec<String>,
    /// The order, group or reservation that it is about.
    pub entity: Option<String>,
    /// The seller that it is about.
    pub seller: Option<String>,
    /// The location that it is about.
    pub location: Option<String>,
    /// All that matches below this sequence is delivered, or a dead letter.
    pub next: Sequence,
    /// How many sequences of the journal lie from there to its durable end.
    pub lag: u64,
    /// Events that are waiting or under way.
    pub pending_count: usize,
    /// Deliveries that were accepted, since it was made.
    pub delivered_count: u64,
    /// Attempts that failed, since it was made.
    pub failed_count: u64,
    /// When a delivery was accepted last.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub delivered_at: Option<String>,
    /// Since when every attempt has failed; null: the last one did not.
    #[cfg_attr(feature = "openapi", schema(format = DateTime))]
    pub failing_since: Option<String>,
    /// What became of the last attempt that failed, or why the feed cannot be read for it.
    pub last_error: Option<String>,
    /// Deliveries that were given up and are kept.
    pub dead_letter_count: usize,
    /// Dead letters that were dropped, for there were too many or they were too old.
    pub dropped_count: u64,
    /// Secrets that deliveries are signed with: more than one while a secret is changed.
    pub secret_count: usize,
}

/// The filter's parts as a status shows them: types, entity, seller, location.
pub(crate) type ShownFilter = (Vec<String>, Option<String>, Option<String>, Option<String>);

impl KeptFilter {
    pub(crate) fn shown(&self, names: &dyn Names) -> ShownFilter {
        let seller = |number: u32| {
            let code = names.seller_code(SellerHandle::new(number));
            code.map_or_else(|| number.to_string(), |code| code.into_owned())
        };
        let location = |number: u16| {
            let code = names.location_code(LocationHandle::new(number));
            code.map_or_else(|| number.to_string(), |code| code.into_owned())
        };
        (self.types.clone(), self.entity.clone(), self.seller.map(seller), self.location.map(location))
    }
}
