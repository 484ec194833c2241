//! A journal record as JSON, with the codes that people know things by, and what a record is about.

mod about;
mod body;
mod names;
#[cfg(test)]
mod tests;

use orderline_core::State;
use orderline_protocol::event::Event;
use serde_json::{Map, Value};

pub(crate) use about::{Life, ids};
use body::origin_and_body;
use names::Names;
pub(crate) use names::{currency, happened, id, time};

/// The record as one JSON object. `state` has the event applied already.
///
/// Handles are shown by their codes, ids as ULIDs, enumerations by their names, times in RFC 3339. Amounts are in minor
/// units, and their keys end so. What is none, never or not said is null.
pub(crate) fn to_json(state: &State, sequence: u64, recorded_at_us: i64, event: &Event<'_>) -> Value {
    let mut object = Map::new();
    object.insert("sequence".into(), sequence.into());
    object.insert("recorded_at".into(), time(recorded_at_us));
    object.insert("kind".into(), format!("{:?}", event.kind()).into());
    let (origin, body) = origin_and_body(&Names(state), event);
    if let Some(origin) = origin.filter(|origin| !origin.session.is_none()) {
        object.insert("session".into(), origin.session.get().into());
        object.insert("request".into(), origin.request.get().into());
    }
    if let Value::Object(body) = body {
        object.extend(body);
    }
    Value::Object(object)
}
