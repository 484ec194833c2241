//! The API's description: what stands above its operations, and the bounds of its numbers, which the types know and the generator
//! leaves out.

use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Description;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Orderline",
        description = "The order core of marketplaces. Every change is durable before it is answered; every answer names the \
            sequence that it speaks of. Amounts are in minor units, times in RFC 3339, ids are ULIDs that callers make, \
            sellers, locations and SKUs go by their codes.",
    ),
    tags(
        (name = "catalogue", description = "Sellers, locations, SKUs, sourcing rules, policies"),
        (name = "stock", description = "Levels and availability"),
        (name = "checkout", description = "Reservations and groups of orders"),
        (name = "orders", description = "Orders and their holds"),
        (name = "payments", description = "What payment services did, and what sellers are owed"),
        (name = "fulfilment", description = "The work of locations, and packages"),
        (name = "returns", description = "Goods on their way back"),
        (name = "events", description = "Events out"),
        (name = "access", description = "Tokens"),
        (name = "service", description = "The service itself"),
    )
)]
struct Root;

/// The description without its operations.
pub(super) fn root() -> Description {
    let mut description = Root::openapi();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An access token. As long as none is defined, everybody on loopback is an operator.",
        ))
        .build();
    let components = description.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    description.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    description
}

/// The description as it is served.
pub(super) fn finished(description: &Description) -> Vec<u8> {
    let mut description = serde_json::to_value(description).unwrap_or_default();
    bound(&mut description);
    never_null(&mut description);
    serde_json::to_vec(&description).unwrap_or_default()
}

/// Says that a parameter which may be absent is never null.
fn never_null(description: &mut Value) {
    let paths = description["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    let operations = paths.filter_map(Value::as_object_mut).flat_map(|operations| operations.values_mut());
    for parameter in
        operations.filter_map(|operation| operation.get_mut("parameters")?.as_array_mut()).flatten()
    {
        let named = parameter["schema"]["type"]
            .as_array()
            .and_then(|types| types.iter().find(|&name| name != "null"));
        if let Some(name) = named.cloned() {
            parameter["schema"]["type"] = name;
        }
    }
}

/// Says of each whole number how large it may be, and gives it a format that OpenAPI knows.
fn bound(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(bound),
        Value::Object(fields) => {
            let (format, most) = match fields.get("format").and_then(Value::as_str) {
                Some("uint8" | "u-int8") => ("int32", u64::from(u8::MAX)),
                Some("uint16" | "u-int16") => ("int32", u64::from(u16::MAX)),
                Some("uint32" | "u-int32") => ("int64", u64::from(u32::MAX)),
                Some("uint64" | "u-int64") => ("int64", u64::MAX),
                _ => return fields.values_mut().for_each(bound),
            };
            fields.insert("format".to_owned(), format.into());
            fields.entry("maximum").or_insert(most.into());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_absent_and_not_null() {
        let mut value = serde_json::json!({"paths": {"/a": {"get": {"parameters": [
            {"name": "n", "schema": {"type": ["integer", "null"]}}, {"name": "r", "schema": {"$ref": "#/x"}}]}, "put": {}}}});
        never_null(&mut value);
        let parameters = &value["paths"]["/a"]["get"]["parameters"];
        assert_eq!(parameters[0]["schema"]["type"], "integer");
        assert_eq!(parameters[1]["schema"], serde_json::json!({"$ref": "#/x"}));
    }

    #[test]
    fn numbers_are_bounded_by_their_types_unless_they_are_already() {
        let mut value = serde_json::json!({"a": [{"format": "u-int16"}], "b": {"format": "uint32", "maximum": 7}, "format": "date"});
        bound(&mut value);
        let wanted = serde_json::json!({"a": [{"format": "int32", "maximum": 65_535}], "b": {"format": "int64", "maximum": 7},
            "format": "date"});
        assert_eq!(value, wanted);
    }
}
