//! The API's description as a page for people: made once, of the same description that programs read, and without a script.

use std::fmt::Write;

use serde_json::{Map, Value};

/// The page.
pub(super) fn page(description: &[u8]) -> String {
    let description: Value = serde_json::from_slice(description).unwrap_or_default();
    let info = &description["info"];
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Orderline API</title><link rel=\"stylesheet\" href=\"/console/style.css\"></head><body><main><h1>Orderline API</h1>",
    );
    let _ = write!(
        page,
        "<p>{}</p><p>For programs: <a href=\"/v1/openapi.json\">openapi.json</a>. Every way in which the engine refuses: \
         <a href=\"/v1/problems\">problems</a>. For people: <a href=\"/\">the console</a>.</p>",
        escaped(info["description"].as_str().unwrap_or_default())
    );
    let tags = description["tags"].as_array().cloned().unwrap_or_default();
    for tag in &tags {
        let name = tag["name"].as_str().unwrap_or_default();
        let text = tag["description"].as_str().unwrap_or_default();
        let _ = write!(page, "<section><h2>{}</h2>", escaped(text));
        each_operation(&description, |method, path, operation| {
            if operation["tags"][0] == name {
                show(&mut page, &description, method, path, operation);
            }
        });
        page.push_str("</section>");
    }
    page.push_str("</main></body></html>");
    page
}

fn each_operation(description: &Value, mut each: impl FnMut(&str, &str, &Value)) {
    for (path, operations) in description["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            each(method, path, operation);
        }
    }
}

fn show(page: &mut String, description: &Value, method: &str, path: &str, operation: &Value) {
    let said = ["summary", "description"].map(|key| operation[key].as_str().unwrap_or_default());
    let _ = write!(
        page,
        "<details><summary><code>{} {}</code> {}</summary><p>{}</p>",
        method.to_uppercase(),
        escaped(path),
        escaped(said[0]),
        escaped(said[1])
    );
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let rows = parameters.iter().map(|parameter| {
        let place = format!("{} {}", shown(&parameter["in"]), kind(&parameter["schema"]));
        (shown(&parameter["name"]), place, shown(&parameter["description"]))
    });
    table(page, "Parameters", rows);
    let body = operation["requestBody"]["content"].as_object().into_iter().flatten();
    for (content_type, body) in body {
        table(page, content_type, fields(description, &body["schema"]));
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        // What any request may be refused with is described once, at the problems.
        if !status.starts_with('2') {
            continue;
        }
        for (_, content) in response["content"].as_object().into_iter().flatten() {
            table(page, &format!("Answer {status}"), fields(description, &content["schema"]));
        }
    }
    page.push_str("</details>");
}

/// Names, types and meanings of a schema's fields; of a list, those of what is in it.
fn fields<'a>(
    description: &'a Value,
    schema: &'a Value,
) -> impl Iterator<Item = (String, String, String)> + 'a {
    let mut at = schema;
    while let Some(next) = at["$ref"].as_str().map(|name| name.trim_start_matches('#')) {
        at = description.pointer(next).unwrap_or(&Value::Null);
    }
    if at["type"] == "array" {
        let reference = at["items"]["$ref"].as_str().map(|name| name.trim_start_matches('#'));
        at = reference.and_then(|name| description.pointer(name)).unwrap_or(&at["items"]);
    }
    let properties: Option<&Map<String, Value>> = at["properties"].as_object();
    properties.into_iter().flatten().map(|(name, field)| {
        let text = field["description"].as_str().or_else(|| field["oneOf"][1]["description"].as_str());
        (name.clone(), kind(field), text.unwrap_or_default().to_owned())
    })
}

/// The type of a field in a word or two.
fn kind(schema: &Value) -> String {
    let of_reference =
        |of: &Value| of["$ref"].as_str().and_then(|name| name.rsplit('/').next()).map(str::to_owned);
    let named = of_reference(schema).or_else(|| schema["oneOf"].as_array()?.iter().find_map(of_reference));
    match (&schema["type"], named) {
        (_, Some(name)) => name,
        (Value::String(name), None) if name == "array" => format!("list of {}", kind(&schema["items"])),
        (Value::String(name), None) => name.clone(),
        (Value::Array(names), None) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" or ")
        }
        _ => String::new(),
    }
}

fn table(page: &mut String, title: &str, rows: impl Iterator<Item = (String, String, String)>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = write!(
        page,
        "<h3>{}</h3><table><thead><tr><th>name</th><th>type</th><th>meaning</th></tr></thead><tbody>",
        escaped(title)
    );
    for (name, kind, text) in rows {
        let _ = write!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escaped(&name),
            escaped(&kind),
            escaped(&text)
        );
    }
    page.push_str("</tbody></table>");
}

fn shown(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_operations_with_their_fields_and_lets_no_markup_through() {
        let description = serde_json::json!({
            "info": {"description": "a < b"},
            "tags": [{"name": "orders", "description": "Orders"}],
            "paths": {"/v1/orders": {"post": {"tags": ["orders"], "summary": "Place an order.",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewOrder"}}}},
                "responses": {"201": {"content": {}}}}}},
            "components": {"schemas": {"NewOrder": {"properties": {"buyer": {"type": "integer", "description": "Who buys."}}}}},
        });
        let page = page(&serde_json::to_vec(&description).unwrap());
        for part in ["POST /v1/orders", "Place an order.", "<code>buyer</code>", "Who buys.", "a &lt; b"] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}
