//! A journal record as JSON.

use orderline_protocol::KEYED_FROM;
use orderline_protocol::event::Event;
use serde_json::{Map, Value};

use crate::body::origin_and_body;
use crate::names::Names;
use crate::show::{Shown, time};

/// The record as one JSON object: its sequence, time and kind, who asked for it if anybody did, and what it says.
pub fn record(names: &dyn Names, sequence: u64, recorded_at_us: i64, event: &Event<'_>) -> Value {
    let mut object = Map::new();
    object.insert("sequence".into(), sequence.into());
    object.insert("recorded_at".into(), time(recorded_at_us));
    object.insert("kind".into(), format!("{:?}", event.kind()).into());
    let (origin, body) = origin_and_body(&Shown(names), event);
    if let Some(origin) = origin.filter(|origin| !origin.session.is_none()) {
        object.insert("session".into(), origin.session.get().into());
        let request = origin.request.get();
        if request < KEYED_FROM {
            object.insert("request".into(), request.into());
        } else {
            object.insert("key".into(), format!("{:016x}", request - KEYED_FROM).into());
        }
    }
    if let Value::Object(body) = body {
        object.extend(body);
    }
    Value::Object(object)
}
