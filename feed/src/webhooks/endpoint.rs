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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept is read by later versions: a changed layout needs another number in the files' first line.
    #[test]
    fn what_is_kept_looks_as_it_always_did() {
        let filter = Filter {
            kinds: vec![EventKind::OrderPlaced],
            entity: Some(OrderId::new(1)),
            seller: Some(SellerHandle::new(2)),
            location: Some(LocationHandle::new(3)),
        };
        let definition = Definition {
            url: "https://example.com/hook".to_owned(),
            label: "shop".to_owned(),
            filter: (&filter).into(),
            state: EndpointState::Paused,
            secrets: vec![Secret { secret: "whsec_x".to_owned(), until_unix_s: Some(4) }],
        };
        let definitions = Definitions { last_id: 7, endpoints: BTreeMap::from([(7, definition)]) };
        let progress = Progress {
            place: Place { next: 9, previous: 5, settled: [10, 12].into() },
            figures: Figures { delivered_count: 3, last_error: Some("no".to_owned()), ..Figures::default() },
        };
        let letter = DeadLetter {
            sequence: 8,
            subject: None,
            ids: vec!["00000000000000000000000001".to_owned()],
            attempts: 2,
            error: "no".to_owned(),
            given_up_at_us: 6,
            body: "{}".to_owned(),
        };
        let texts = [
            serde_json::to_string(&definitions).unwrap(),
            serde_json::to_string(&progress).unwrap(),
            serde_json::to_string(&letter).unwrap(),
        ];
        let golden = include_str!("../../tests/golden/kept_v1.jsonl");
        assert_eq!(texts.join("\n"), golden.trim_end());
        let mut lines = golden.lines();
        assert_eq!(serde_json::from_str::<Definitions>(lines.next().unwrap()).unwrap(), definitions);
        assert_eq!(serde_json::from_str::<Progress>(lines.next().unwrap()).unwrap(), progress);
        assert_eq!(serde_json::from_str::<DeadLetter>(lines.next().unwrap()).unwrap(), letter);
        assert_eq!(definitions.endpoints[&7].filter.filter(), Some(filter));
    }

    #[test]
    fn a_filter_of_unknown_types_lets_nothing_through() {
        let kept = |types: &[&str], entity: Option<&str>| KeptFilter {
            types: types.iter().map(|&name| name.to_owned()).collect(),
            entity: entity.map(str::to_owned),
            seller: None,
            location: None,
        };
        assert_eq!(kept(&["org.orderline.from.the.future.v9"], None).filter(), None);
        assert_eq!(kept(&[], Some("no id")).filter(), None);
        assert_eq!(kept(&[], None).filter(), Some(Filter::default()));
    }
}
