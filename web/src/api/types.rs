//! The types of the API's fields: ids, times, currencies, names of enumerations, each read strictly and described as it is.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat};
use orderline_feed::{event_type, kind_of_type};
use orderline_protocol::command::{
    Bucket, RefundOutcome, ReturnStep, Role, ShipmentStep, SourcingRule, Standing, WorkStep,
};
use orderline_protocol::event::EventKind;
use orderline_protocol::lifecycle::{Disposition, Entity, HoldKind, OrderState, ReturnState, WorkState};
use orderline_protocol::{CurrencyCode, GroupId, OrderId, ReservationId};
use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// A text that is read by [`FromStr`].
struct Text<T>(&'static str, PhantomData<T>);

impl<T: FromStr> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

fn text_schema(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

/// An id that the caller makes: a ULID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id<T>(pub T);

/// An order's id.
pub type OrderUlid = Id<OrderId>;

/// A group's id.
pub type GroupUlid = Id<GroupId>;

/// A reservation's id.
pub type ReservationUlid = Id<ReservationId>;

impl<'de, T: FromStr> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a ULID: 26 characters of Crockford's base 32";
        deserializer.deserialize_str(Text(expected, PhantomData)).map(Self)
    }
}

impl<T: fmt::Display> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<T> PartialSchema for Id<T> {
    fn schema() -> RefOr<Schema> {
        text_schema("A ULID, made by the caller; its time is when it was made.")
            .pattern(Some("^[0-7][0-9A-HJKMNP-TV-Z]{25}$"))
            .examples(["01JDMZ3X5Q8W6V2R4T9Y7B1C0D"])
            .into()
    }
}

impl<T> ToSchema for Id<T> {
    fn name() -> Cow<'static, str> {
        "Ulid".into()
    }
}

/// A moment, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub i64);

impl FromStr for Time {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text).map(|time| Self(time.timestamp_micros()))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_micros(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true)),
            None => write!(f, "{} us", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a time by RFC 3339, such as 2026-11-27T10:00:00Z", PhantomData))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        text_schema("A time by RFC 3339.")
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2026-11-27T10:00:00Z"])
            .into()
    }
}

impl ToSchema for Time {
    fn name() -> Cow<'static, str> {
        "Time".into()
    }
}

/// The microseconds of a time that may not have been said.
pub(crate) fn us(time: Option<Time>) -> zerocopy::little_endian::I64 {
    time.map_or(0, |time| time.0).into()
}

/// How many are wanted: 1 to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count<const MAX: u32>(pub u32);

impl<const MAX: u32> Count<MAX> {
    /// The same, for lists.
    pub fn usize(self) -> usize {
        self.0 as usize
    }
}

impl<'de, const MAX: u32> Deserialize<'de> for Count<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            count @ 1.. if count <= MAX => Ok(Self(count)),
            count => Err(D::Error::custom(format!("{count} is not from 1 to {MAX}"))),
        }
    }
}

/// The type of a CloudEvent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTypeName(pub EventKind);

impl FromStr for EventTypeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("{text:?} is no type of event; docs/events.md lists them");
        kind_of_type(text).map(Self).ok_or_else(unknown)
    }
}

impl<'de> Deserialize<'de> for EventTypeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl PartialSchema for EventTypeName {
    fn schema() -> RefOr<Schema> {
        let types = EventKind::ALL.iter().map(|&kind| event_type(kind));
        text_schema("The type of an event, as its CloudEvent has it.").enum_values(Some(types)).into()
    }
}

impl ToSchema for EventTypeName {
    fn name() -> Cow<'static, str> {
        "EventTypeName".into()
    }
}

/// Types of CloudEvents in a parameter, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventTypes(pub Vec<EventKind>);

impl<'de> Deserialize<'de> for EventTypes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let types = text.split(',').map(|name| name.trim().parse().map(|EventTypeName(kind)| kind));
        types.collect::<Result<_, _>>().map(Self).map_err(D::Error::custom)
    }
}

/// A currency of ISO 4217, by its letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency(pub CurrencyCode);

impl FromStr for Currency {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        CurrencyCode::from_letters(text).map(Self).ok_or(())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("three letters of ISO 4217, such as EUR", PhantomData))
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.letters().unwrap_or_default())
    }
}

impl PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        let letters = || 'A'..='Z';
        let all = letters().flat_map(|first| letters().map(move |second| (first, second)));
        let all = all.flat_map(|(first, second)| {
            letters().map(move |third| String::from_iter([first, second, third]))
        });
        let known = all.filter(|letters| letters.parse::<Self>().is_ok());
        text_schema("A currency's letters by ISO 4217.").enum_values(Some(known)).examples(["EUR"]).into()
    }
}

impl ToSchema for Currency {
    fn name() -> Cow<'static, str> {
        "Currency".into()
    }
}

/// Enumerations, read and written by their names.
macro_rules! named {
    ($( $(#[doc = $doc:literal])+ $name:ident($of:ident); )+) => { $(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub $of);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                $of::from_name(&text).map(Self).ok_or_else(|| {
                    let names: Vec<_> = $of::ALL.iter().map(|one| one.name()).collect();
                    D::Error::custom(format!("{text:?} is none of: {}", names.join(", ")))
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.name())
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                text_schema(concat!($($doc),+))
                    .enum_values(Some($of::ALL.iter().map(|one| one.name())))
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+ };
}

named! {
    /// Whether it is in use.
    StandingName(Standing);
    /// A kind of thing that has states.
    EntityName(Entity);
    /// A rule by which sourcing prefers one location to another.
    SourcingRuleName(SourcingRule);
    /// A bucket of a stock level that can be changed from outside.
    BucketName(Bucket);
    /// What stops an order.
    HoldKindName(HoldKind);
    /// What becomes of goods that came back.
    DispositionName(Disposition);
    /// What a location says about its work.
    WorkStepName(WorkStep);
    /// What happens to a package.
    ShipmentStepName(ShipmentStep);
    /// What happens to a return.
    ReturnStepName(ReturnStep);
    /// How a refund ended.
    RefundOutcomeName(RefundOutcome);
    /// What a token's bearer may do.
    RoleName(Role);
    /// An order's state.
    OrderStateName(OrderState);
    /// A return's state.
    ReturnStateName(ReturnState);
    /// A fulfilment order's state.
    WorkStateName(WorkState);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_strictly_and_written_as_they_were_read() {
        let id: Id<OrderId> = serde_json::from_str("\"01JDMZ3X5Q8W6V2R4T9Y7B1C0D\"").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"01JDMZ3X5Q8W6V2R4T9Y7B1C0D\"");
        for wrong in ["\"\"", "\"01JDMZ3X5Q8W6V2R4T9Y7B1C0\"", "\"U1JDMZ3X5Q8W6V2R4T9Y7B1C0D\"", "7", "null"]
        {
            assert!(serde_json::from_str::<Id<OrderId>>(wrong).is_err(), "{wrong}");
        }
        let time: Time = serde_json::from_str("\"2026-11-27T12:00:00.25+02:00\"").unwrap();
        assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-11-27T10:00:00.250000Z\"");
        assert!(serde_json::from_str::<Time>("\"2026-11-27\"").is_err());
        let currency: Currency = serde_json::from_str("\"EUR\"").unwrap();
        assert_eq!(currency.0.get(), 978);
        assert!(serde_json::from_str::<Currency>("\"eur\"").is_err());
        let bucket: BucketName = serde_json::from_str("\"quality hold\"").unwrap();
        assert_eq!(bucket, BucketName(Bucket::QualityHold));
        let told = serde_json::from_str::<BucketName>("\"shelf\"").unwrap_err().to_string();
        assert!(told.contains("\"shelf\" is none of: available, safety"), "{told}");
    }
}
