//! A token of the role warehouse that is for several locations: it sees and acts on each of them and on no other, over HTTP and
//! over TCP, also after a kill; and what is no list of locations is refused where it is wrong.

use orderline_client::Client;
use orderline_protocol::command::{EntityKind, QueryStock, ReceiveStock, ResolveCode};
use orderline_protocol::reply::LevelView;
use orderline_protocol::{Command, LocationHandle, RejectCode, SkuHandle};
use serde_json::{Value, json};
use zerocopy::FromZeros;

use crate::access::{client, with};
use crate::http::{Answer, Caller};
use crate::http_access::Bearer;
use crate::proof::Proof;
use crate::recovery::verified;
use crate::support::Server;
use crate::support::server::NO_SNAPSHOTS;

/// The locations in the order of their handles: the first two are the token's, the third is not.
const LOCATIONS: [&str; 3] = ["leeds", "york", "bath"];
const OWN: [bool; 3] = [true, true, false];

/// A confirmed order that can be shipped from this location alone.
fn order_from(http: &Caller, location: &str) -> String {
    let (sku, order) = (format!("cup of {location}"), http.id());
    http.put(&format!("/v1/skus/cup%20of%20{location}"), json!({"seller": "acme", "currency": "GBP"}))
        .is(200);
    let stock = format!("/v1/stock/cup%20of%20{location}/{location}/receipts");
    http.post(&stock, json!({"quantity": 9})).is(201);
    let lines = json!([{"sku": sku, "quantity": 1, "unit_price_minor": 250}]);
    let placement = json!({"id": order, "buyer": 7, "seller": "acme", "currency": "GBP", "lines": lines});
    http.post("/v1/orders", placement).is(201);
    http.post(&format!("/v1/orders/{order}/confirm"), json!({})).is(200);
    order
}

/// The shop, an order at each location, and the secrets of an operator and of a token for the first two.
fn shop(server: &Server) -> (Caller, [String; 3], String, String) {
    let http = Caller::of(server);
    http.set_up();
    http.put("/v1/locations/bath", json!({})).is(200);
    http.post("/v1/stock/tea/bath/receipts", json!({"quantity": 100})).is(201);
    let orders = LOCATIONS.map(|location| order_from(&http, location));
    let root = http.post("/v1/tokens", json!({"label": "root", "role": "operator"})).is(201);
    let root = root["secret"].as_str().unwrap().to_owned();
    let gun = json!({"label": "gun", "role": "warehouse", "locations": ["york", "leeds"]});
    let (_, gun) = Bearer::of(&http, &root).token(gun);
    (http, orders, root, gun)
}

/// The codes that a page shows under a name.
fn codes(page: &Value, name: &str) -> Vec<String> {
    let items = page["items"].as_array().or(page.as_array()).unwrap_or_else(|| panic!("no list: {page}"));
    items.iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_token_of_two_locations_sees_and_acts_on_both_and_on_no_third_over_http() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let (http, orders, root, gun) = shop(&server);
    let mut proof = Proof::of(26, "what is at neither location of a token of two, over HTTP");
    let mut told = |answer: Answer, at: usize, status: u16| {
        if OWN[at] {
            return Some(answer.is(status));
        }
        answer.is_problem(403, "OutOfScope");
        proof.ran(1);
        None
    };
    let root = Bearer::of(&http, &root);
    let bearer = Bearer::of(&http, &gun);
    let newest = root.send("GET", "/v1/figures", None).is(200)["sequence"].clone();
    for (at, location) in LOCATIONS.into_iter().enumerate() {
        let order = &orders[at];
        let get = |path: String| bearer.send("GET", &path, None);
        let post = |path: String, body: Value| bearer.send("POST", &path, Some(&body));
        if let Some(queue) = told(get(format!("/v1/locations/{location}/work?at_least={newest}")), at, 200) {
            assert_eq!(codes(&queue, "order"), std::slice::from_ref(order));
        }
        if let Some(levels) = told(get(format!("/v1/locations/{location}/stock")), at, 200) {
            assert_eq!(codes(&levels, "sku"), ["tea".to_owned(), format!("cup of {location}")]);
        }
        told(get(format!("/v1/stock/tea/{location}")), at, 200);
        told(get(format!("/v1/orders/{order}")), at, 200);
        told(post(format!("/v1/stock/tea/{location}/receipts"), json!({"quantity": 1})), at, 201);
        told(post(format!("/v1/orders/{order}/work/{location}/steps"), json!({"step": "accept"})), at, 200);
        let shipment = json!({"location": location, "is_sent": true});
        let shipments = format!("/v1/orders/{order}/shipments");
        if told(post(shipments.clone(), shipment.clone()), at, 201).is_none() {
            // What there is not would be nobody's.
            root.send("POST", &shipments, Some(&shipment)).is(201);
        }
        told(post(format!("/v1/orders/{order}/shipments/1/steps"), json!({"step": "deliver"})), at, 200);
        // Stock goes between its own locations, and to no other and from none.
        let movement = json!({"from_location": "leeds", "from_bucket": "available", "to_location": location,
            "to_bucket": if at == 0 { "damaged" } else { "available" }, "quantity": 1});
        told(post("/v1/stock/tea/moves".into(), movement), at, 201);
    }
    // Of wholes it is shown its part.
    let seen = bearer.send("GET", "/v1/stock/tea", None).is(200);
    assert_eq!(codes(&seen["levels"], "location"), LOCATIONS[..2], "{seen}");
    assert_eq!(codes(&bearer.send("GET", "/v1/locations", None).is(200), "location"), LOCATIONS[..2]);
    assert_eq!(codes(&root.send("GET", "/v1/locations", None).is(200), "location"), LOCATIONS);
    // Searches, timelines and the feed are nothing for its role, however many locations it has.
    let timeline = format!("/v1/orders/{}/timeline", orders[0]);
    for path in ["/v1/orders?location=leeds", &timeline, "/v1/events?location=leeds", "/v1/events/stream"] {
        bearer.send("GET", path, None).is_problem(403, "Forbidden");
        proof.ran(1);
    }
    // A feed narrowed to either location has the token's definition, and that of neither of them has not.
    for (at, location) in LOCATIONS.into_iter().enumerate() {
        let path = format!("/v1/events?location={location}&types=org.orderline.token.defined.v1");
        let page = root.send("GET", &path, None).is(200);
        let events = page["events"].as_array().unwrap();
        assert_eq!(events.len(), usize::from(OWN[at]), "{location}: {page}");
        for event in events {
            assert_eq!(event["data"]["locations"], json!(["leeds", "york"]), "{event}");
        }
    }
    proof.end();
    // A kill takes neither of them away.
    server.kill();
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    let (root, bearer) = (Bearer { http: &http, ..root }, Bearer { http: &http, ..bearer });
    for (at, location) in LOCATIONS.into_iter().enumerate() {
        let status = if OWN[at] { 200 } else { 403 };
        bearer.send("GET", &format!("/v1/locations/{location}/work"), None).is(status);
    }
    let listed = root.send("GET", "/v1/tokens", None).is(200);
    assert_eq!(listed["items"][1]["locations"], json!(["leeds", "york"]), "{listed}");
    assert_eq!(listed["items"][0]["locations"], json!([]), "{listed}");
    server.stop();
    verified(&data);
}

/// What the engine answers with: the code of its refusal, or nothing.
fn call(client: &mut Client, command: &Command<'_>) -> Option<u16> {
    Some(client.call(command).unwrap().header.code.get()).filter(|&code| code != 0)
}

#[test]
fn a_token_of_two_locations_sees_and_acts_on_both_and_on_no_third_over_tcp() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let (_, _, root, gun) = shop(&server);
    let mut root = client(&server, &root).unwrap();
    let mut resolve = |entity: EntityKind, code: &str| {
        let head = ResolveCode { entity: entity as u8, code_bytes: code.len() as u8, reserved: [0; 6] };
        root.call(&Command::ResolveCode(&head, code)).unwrap().header.detail.get()
    };
    let tea = SkuHandle::new(resolve(EntityKind::Sku, "tea") as u32);
    let places = LOCATIONS.map(|code| LocationHandle::new(resolve(EntityKind::Location, code) as u16));

    let mut bearer = client(&server, &gun).unwrap();
    let mut proof = Proof::of(26, "what is at neither location of a token of two, over TCP");
    for (at, location) in places.into_iter().enumerate() {
        let refused = |code: RejectCode| (!OWN[at]).then_some(code as u16);
        let receipt = ReceiveStock { sku: tea, location, quantity: 1.into(), ..ReceiveStock::new_zeroed() };
        let told = call(&mut bearer, &Command::ReceiveStock(&receipt));
        assert_eq!(told, refused(RejectCode::OutOfScope), "{}", LOCATIONS[at]);
        let told = call(&mut bearer, &Command::QueryStock(&QueryStock { sku: tea, location }));
        assert_eq!(told, refused(RejectCode::OutOfScope), "{}", LOCATIONS[at]);
        let code_bytes = LOCATIONS[at].len() as u8;
        let head = ResolveCode { entity: EntityKind::Location as u8, code_bytes, reserved: [0; 6] };
        let told = call(&mut bearer, &Command::ResolveCode(&head, LOCATIONS[at]));
        assert_eq!(told, refused(RejectCode::UnknownCode), "{}", LOCATIONS[at]);
        proof.ran(if OWN[at] { 0 } else { 3 });
    }
    let levels = QueryStock { sku: tea, location: LocationHandle::NONE };
    let reply = bearer.call(&Command::QueryStock(&levels)).unwrap();
    let shown: Vec<LocationHandle> =
        LevelView::read_all(&reply.view).unwrap().iter().map(|level| level.location).collect();
    assert_eq!(shown, places[..2]);
    proof.end();
    server.stop();
    verified(&data);
}

#[test]
fn what_is_no_list_of_locations_is_refused_where_it_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let (http, _, root, _) = shop(&server);
    let bearer = Bearer::of(&http, &root);
    let many: Vec<String> = (0..17).map(|number| format!("place {number}")).collect();
    for (role, locations, code, field) in [
        ("warehouse", json!(["leeds", "york", "leeds"]), "InvalidField", "locations[2]"),
        ("warehouse", json!(["leeds", "nowhere"]), "UnknownCode", "locations[1]"),
        ("warehouse", json!(many), "InvalidField", "locations"),
        ("warehouse", json!([]), "InvalidField", "locations"),
        ("support", json!(["leeds"]), "InvalidField", "locations"),
    ] {
        let wanted = json!({"label": "wrong", "role": role, "locations": locations});
        let refused = bearer.send("POST", "/v1/tokens", Some(&wanted));
        refused.is_problem(422, code);
        assert_eq!(refused.body["field"], field, "{refused:?}");
    }
    let old = json!({"label": "old", "role": "warehouse", "location": "leeds"});
    let refused = bearer.send("POST", "/v1/tokens", Some(&old));
    assert!(
        refused.status == 400 && refused.body["detail"].as_str().unwrap().contains("location"),
        "{refused:?}"
    );

    // The same of the program: each location with an argument of its own.
    let add = |role: &str, locations: &[&str]| {
        let named = locations.iter().flat_map(|&code| ["--location", code]);
        let verb = ["token", "add", "--json", "--label", "shift", "--role", role];
        with(&root, &server, &verb.into_iter().chain(named).collect::<Vec<_>>())
    };
    add("warehouse", &["leeds", "leeds"]).refused(&["--location leeds", "twice"]);
    add("warehouse", &["leeds", "nowhere"]).refused(&["nowhere"]);
    add("warehouse", &[]).refused(&["--location"]);
    add("support", &["leeds"]).refused(&["--location"]);
    for number in 0..17 {
        bearer.send("PUT", &format!("/v1/locations/place%20{number}"), Some(&json!({}))).is(200);
    }
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    add("warehouse", &many).refused(&["17", "16"]);
    add("warehouse", &many[1..]).well();
    let listed = with(&root, &server, &["token", "list", "--json"]).well();
    let of = |label: &str| {
        let tokens = listed["tokens"].as_array().unwrap();
        tokens.iter().find(|token| token["label"] == label).unwrap()["locations"].clone()
    };
    assert_eq!(of("gun"), json!([0, 1]), "{listed}");
    assert_eq!(of("shift").as_array().unwrap().len(), 16, "{listed}");
    assert_eq!(of("root"), json!([]), "{listed}");
    let listed = with(&root, &server, &["token", "list"]);
    assert!(listed.stdout.contains("gun: warehouse at locations 0, 1\n"), "{listed:?}");
    server.stop();
    verified(&data);
}
