//! The API over HTTP: whole lives of orders through it, what it refuses, and that it says the same as the wire.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::recovery::verified;
use crate::support::Server;
use crate::support::program::orderline;
use crate::support::server::NO_SNAPSHOTS;

/// An answer: its status, its headers and its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    etag: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.body
    }

    /// That it is a problem of this status and code.
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, &self.body["code"]), (status, &json!(code)), "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        for key in ["type", "title", "detail"] {
            assert!(self.body[key].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        }
    }
}

/// A caller of the API.
pub(crate) struct Caller {
    pub(crate) agent: ureq::Agent,
    pub(crate) base: String,
}

impl Caller {
    pub(crate) fn of(server: &Server) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(60))).build().into();
        Self { agent, base: format!("http://{}", server.http.expect("it was told to listen for HTTP")) }
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answered = match body {
            Some(body) => {
                self.agent.run(request.header("content-type", "application/json").body(body).unwrap())
            }
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut answered = answered.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let header = |name: &str| {
            answered.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        let etag = header("etag");
        let text = answered.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status: answered.status().as_u16(), etag, body }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    pub(crate) fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, &[], Some(body.to_string()))
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[], Some(body.to_string()))
    }

    pub(crate) fn id(&self) -> String {
        self.get("/v1/ids").is(200)[0].as_str().unwrap().to_owned()
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.get("/v1/status").is(200);
        let answered = self.agent.get(format!("{}/v1/status", self.base)).call().unwrap();
        answered.headers()["orderline-sequence"].to_str().unwrap().parse().unwrap()
    }

    /// A seller with a SKU, and stock of it at two locations.
    pub(crate) fn set_up(&self) {
        self.put("/v1/sellers/acme", json!({"commission_bp": 1_000})).is(200);
        self.put("/v1/locations/leeds", json!({"priority": 1, "region": 44})).is(200);
        self.put("/v1/locations/york", json!({"priority": 2})).is(200);
        self.put("/v1/skus/tea", json!({"seller": "acme", "currency": "GBP"})).is(200);
        self.post("/v1/stock/tea/leeds/receipts", json!({"quantity": 100})).is(201);
        self.post("/v1/stock/tea/york/receipts", json!({"quantity": 100})).is(201);
    }

    pub(crate) fn place(&self, quantity: u32) -> String {
        let id = self.id();
        let placed = self.post("/v1/orders", order(&id, quantity)).is(201);
        assert_eq!(placed["total_minor"], 250 * quantity, "{placed}");
        id
    }
}

fn order(id: &str, quantity: u32) -> Value {
    let lines = json!([{"sku": "tea", "quantity": quantity, "unit_price_minor": 250}]);
    json!({"id": id, "buyer": 7, "seller": "acme", "currency": "GBP", "region": 44, "lines": lines})
}

#[test]
fn every_command_and_query_goes_over_http() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    http.set_up();
    http.put("/v1/sourcing", json!({"rules": ["same region", "priority"]})).is(200);
    // Whoever says what it has seen overwrites nothing else.
    let unseen = json!({"rules": ["priority"], "seen": ["priority"]});
    http.put("/v1/sourcing", unseen).is_problem(412, "VersionMismatch");
    let own = json!({"rules": ["fewest packages"], "seen": []});
    http.put("/v1/sellers/acme/sourcing", own.clone()).is(200);
    http.put("/v1/sellers/acme/sourcing", own).is_problem(412, "VersionMismatch");
    let policy = json!({"pending_order_s": 900, "retention_s": 0, "reservation_s_max": 1_200});
    http.put("/v1/policy", policy).is(200);
    let cause = json!({"reason": 3, "actor": 9, "reference": 77, "happened_at": "2026-01-02T03:04:05Z"});
    let adjusted = json!({"bucket": "damaged", "delta": 2, "cause": cause});
    assert_eq!(http.post("/v1/stock/tea/leeds/adjustments", adjusted).is(201)["units"], 2);
    assert_eq!(http.post("/v1/stock/tea/leeds/counts", json!({"on_hand": 110})).is(201)["units"], 108);
    let moved = json!({"from_location": "york", "from_bucket": "available", "to_location": "leeds",
        "to_bucket": "quality hold", "quantity": 5});
    assert_eq!(http.post("/v1/stock/tea/moves", moved).is(201)["units"], 5);
    let level = json!({"on_hand": 200, "as_of": http.sequence()});
    assert_eq!(http.put("/v1/stock/tea/york", level).is(200)["units"], 200);
    let stock = http.get("/v1/stock/tea").is(200);
    assert_eq!(stock["available"], 308, "{stock}");
    assert_eq!(http.get("/v1/stock/tea/leeds").is(200)["damaged"], 2);
    assert_eq!(http.post("/v1/availability", json!({"skus": ["tea"]})).is(200)[0]["units"], 308);

    // A cart is held, held longer, another one given back, and the first checked out.
    let (cart, other, group, first) = (http.id(), http.id(), http.id(), http.id());
    let reserve =
        |id: &str| json!({"id": id, "buyer": 7, "seconds": 60, "lines": [{"sku": "tea", "quantity": 3}]});
    http.post("/v1/reservations", reserve(&cart)).is(201);
    http.post("/v1/reservations", reserve(&other)).is(201);
    http.post(&format!("/v1/reservations/{cart}/extend"), json!({"seconds": 120})).is(200);
    http.send("POST", &format!("/v1/reservations/{other}/release"), &[], None).is(200);
    assert_eq!(http.get(&format!("/v1/reservations/{other}")).is(200)["state"], "released");
    let checkout = json!({"id": group, "reservation": cart, "buyer": 7, "currency": "GBP", "orders": [{"id": first,
        "seller": "acme", "lines": [{"sku": "tea", "quantity": 3, "unit_price_minor": 250}]}]});
    assert_eq!(http.post("/v1/checkouts", checkout).is(201)["total_minor"], 750);

    // Money, holds, edits.
    let authorization = json!({"amount_minor": 750, "currency": "GBP", "reference": 1});
    http.post(&format!("/v1/groups/{group}/authorizations"), authorization).is(201);
    assert_eq!(http.get(&format!("/v1/groups/{group}")).is(200)["authorized_minor"], 750);
    let at = |rest: &str| format!("/v1/orders/{first}/{rest}");
    let hold = json!({"kind": "address", "blocks": ["confirm", "fulfil"]});
    assert_eq!(http.post(&at("holds"), hold).is(201)["number"], 1);
    http.send("POST", &at("confirm"), &[], None).is_problem(409, "OnHold");
    http.post(&at("holds/1/release"), json!({})).is(200);
    http.put(&at("lines/0"), json!({"quantity": 2})).is(200);
    http.put(&at("address"), json!({"address": 5, "region": 1})).is(200);
    http.send("POST", &at("confirm"), &[], None).is(200);
    let capture = json!({"amount_minor": 500, "order": first});
    assert_eq!(http.post(&format!("/v1/groups/{group}/captures"), capture).is(201)["amount_minor"], 500);
    http.post(&format!("/v1/groups/{group}/void"), json!({"reference": 2})).is(200);

    // Work, packages, a return.
    let seen = http.get(&format!("/v1/orders/{first}")).is(200);
    let location = seen["fulfilment_orders"][0]["location"].as_str().unwrap().to_owned();
    let to = if location == "leeds" { "york" } else { "leeds" };
    http.post(&at(&format!("work/{location}/steps")), json!({"step": "accept"})).is(200);
    assert_eq!(http.post(&at(&format!("work/{location}/move")), json!({"to": to})).is(200)["units"], 2);
    http.post(&at(&format!("work/{to}/reject")), json!({"is_missing": true})).is(200);
    let shipment = json!({"carrier": 4, "tracking": "1Z", "is_sent": true});
    let shipped = http.post(&at("shipments"), shipment).is(201);
    // The state is the order's, whichever of its parts was asked about.
    assert_eq!((&shipped["number"], &shipped["state"]), (&json!(1), &json!("confirmed")));
    http.post(&at("shipments/1/steps"), json!({"step": "deliver", "happened_at": "2026-01-05T00:00:00Z"}))
        .is(200);
    assert_eq!(
        http.post(&at("returns"), json!({"lines": [{"line": 0, "quantity": 1}]})).is(201)["number"],
        1
    );
    http.post(&at("returns/1/steps"), json!({"step": "approve"})).is(200);
    let units = json!([{"line": 0, "quantity": 1, "disposition": "restock"}]);
    let received = json!({"location": "york", "units": units});
    let at_least = http.sequence();
    let waiting = format!("/v1/returns?waiting=true&at_least={at_least}");
    let found = http.get(&waiting).is(200)["items"][0].clone();
    assert_eq!((&found["order"], &found["return"]), (&json!(first), &json!(1)), "{found}");
    assert_eq!((&found["state"], &found["units"]), (&json!("approved"), &json!(1)), "{found}");
    assert_eq!(http.get("/v1/returns?seller=acme&state=requested").is(200)["items"], json!([]));
    http.get("/v1/returns?state=lost").is_problem(400, "Unreadable");
    assert_eq!(http.post(&at("returns/1/receive"), received).is(200)["amount_minor"], 250);
    http.post(&at("returns/1/steps"), json!({"step": "close"})).is(200);
    let at_least = http.sequence();
    let found = http.get(&format!("/v1/returns?waiting=true&at_least={at_least}")).is(200);
    assert_eq!(found["items"], json!([]), "{found}");
    let closed = http.get("/v1/returns").is(200)["items"][0].clone();
    assert_eq!((&closed["order"], &closed["state"]), (&json!(first), &json!("closed")), "{closed}");
    assert_eq!(http.post(&at("refunds"), json!({"amount_minor": 250})).is(201)["state"], "completed");
    http.post(&at("refunds/1/settle"), json!({"outcome": "succeeded"})).is(200);
    let ledger = http.get("/v1/sellers/acme/ledgers/GBP").is(200);
    let payout = json!({"amount_minor": ledger["payable_minor"], "currency": "GBP"});
    assert_eq!(http.post("/v1/sellers/acme/payouts", payout).is(201)["amount_minor"], 0);

    // Another order fails to be paid and is given up.
    let second = http.place(1);
    http.post(&format!("/v1/groups/{second}/fail"), json!({"reason": 1})).is(200);
    assert_eq!(http.post(&format!("/v1/orders/{second}/cancel"), json!({})).is(200)["amount_minor"], 250);

    // What is read of it.
    let done = http.get(&format!("/v1/orders/{first}"));
    assert_eq!(done.etag, format!("\"{}\"", done.body["version"]), "{done:?}");
    let done = done.is(200);
    assert_eq!(
        (&done["state"], &done["payment_status"]),
        (&json!("completed"), &json!("partially refunded")),
        "{done}"
    );
    for (path, count) in [("sellers", 1), ("locations", 2), ("skus", 1)] {
        let page = http.get(&format!("/v1/{path}?limit=1")).is(200);
        assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page}");
        assert_eq!(page["next"].is_null(), count == 1, "{page}");
    }
    assert_eq!(http.get("/v1/sellers/acme").is(200)["commission_bp"], 1_000);
    assert_eq!(http.get("/v1/locations/leeds").is(200)["region"], 44);
    assert_eq!(http.get("/v1/skus/tea").is(200)["currency"], "GBP");
    assert_eq!(http.get("/v1/settings").is(200)["policy"]["pending_order_s"], 900);
    assert!(http.get("/v1/transitions?entity=order").is(200).as_array().unwrap().len() > 20);
    assert_eq!(http.get("/v1/status").is(200)["orders_total"], 2);

    // Every kind of event that a command makes is in the journal now.
    server.stop();
    let ran = orderline(["inspect", "--data", data.to_str().unwrap()]);
    let kinds: BTreeSet<String> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned())
        .collect();
    let by_itself = ["BackordersRefilled", "ShortageNamed", "TimePassed", "FinishedRetired"];
    let tokens = ["TokenDefined", "TokenRevoked"];
    for kind in orderline_protocol::event::EventKind::ALL {
        let kind = format!("{kind:?}");
        let is_meant = !by_itself.contains(&&*kind) && !tokens.contains(&&*kind);
        assert!(!is_meant || kinds.contains(&kind), "no {kind} in {kinds:?}");
    }
    verified(&data);
}

#[test]
fn what_cannot_be_is_a_problem_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    http.set_up();
    let placed = http.place(1);
    let before = http.sequence();
    let fresh = http.id();

    let long = "x".repeat(65);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let mut unknown_field = order(&fresh, 1);
    unknown_field["gift"] = json!(true);
    let mut wrong_type = order(&fresh, 1);
    wrong_type["lines"][0]["quantity"] = json!("1");
    let mut unknown_sku = order(&fresh, 1);
    unknown_sku["lines"][0]["sku"] = json!("coffee");
    let text = |value: &Value| Some(value.to_string());
    let path = format!("/v1/orders/{placed}");
    let post = |body: Option<String>| http.send("POST", "/v1/orders", &[], body);
    post(text(&unknown_field)).is_problem(400, "Unreadable");
    assert_eq!(post(text(&wrong_type)).body["field"], "lines[0].quantity");
    assert_eq!(post(text(&unknown_sku)).body["field"], "lines[0].sku");
    post(text(&unknown_sku)).is_problem(422, "UnknownCode");
    post(Some(deep)).is_problem(400, "Unreadable");
    post(Some("{".to_owned())).is_problem(400, "Unreadable");
    post(None).is_problem(415, "WrongContentType");
    post(text(&order(&fresh, 0))).is_problem(422, "ZeroQuantity");
    post(text(&order(&fresh, 1_000))).is_problem(409, "InsufficientStock");
    post(text(&order(&placed, 2))).is_problem(409, "OrderIdReused");
    http.get("/v1/orders/1").is_problem(400, "Unreadable");
    http.get(&format!("/v1/orders/{fresh}")).is_problem(404, "UnknownOrder");
    http.get("/v1/sellers/nobody").is_problem(404, "UnknownCode");
    http.get(&format!("/v1/skus/{long}")).is_problem(404, "UnknownCode");
    http.get("/v1/status?at_least=1000000").is_problem(409, "NotThereYet");
    http.get("/v1/status?at=1").is_problem(400, "Unreadable");
    http.get("/v1/transitions?entity=ship").is_problem(400, "Unreadable");
    http.get("/v2/orders").is_problem(404, "NoSuchPath");
    http.send("DELETE", &path, &[], None).is_problem(405, "WrongMethod");
    http.put("/v1/sellers/acme", json!({"commission_bp": 10_001})).is_problem(422, "InvalidField");
    http.put(&format!("/v1/sellers/{long}"), json!({"commission_bp": 1})).is_problem(422, "InvalidCode");
    http.send("POST", &format!("{path}/confirm"), &[("if-match", "\"9\"")], None)
        .is_problem(412, "VersionMismatch");
    http.send("POST", &format!("{path}/confirm"), &[("if-match", "9")], None).is_problem(400, "Unreadable");
    http.send("POST", &format!("{path}/confirm"), &[("if-none-match", "\"9\"")], None)
        .is_problem(400, "Unreadable");
    http.send("GET", &path, &[("if-none-match", "\"9\"")], None).is(200);
    http.send("POST", &format!("{path}/confirm"), &[("idempotency-key", "")], None)
        .is_problem(400, "Unreadable");
    let shipped = http.post(&format!("{path}/shipments"), json!({}));
    shipped.is_problem(409, "IllegalTransition");
    let named = ["entity", "state", "action"].map(|key| shipped.body[key].as_str().unwrap().to_owned());
    assert_eq!(named, ["order", "pending", "ship"]);
    let raw = |head: &str, body: &[u8]| {
        let mut raw = TcpStream::connect(server.http.unwrap()).unwrap();
        let head = format!(
            "POST /v1/orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n{head}\r\n\r\n"
        );
        // It may be refused before all of it is sent, and the connection be over before all of it is read.
        let _ = raw.write_all(&[head.as_bytes(), body].concat());
        let mut answer = Vec::new();
        let _ = raw.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    };
    // Bytes that are no text; more than is taken, announced and not.
    let answer = raw("content-length: 8", b"{\"id\":\"\xff");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let answer = raw("content-length: 2000000", b"");
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("BodyTooLarge"), "{answer}");
    let chunk = [b"110000\r\n".to_vec(), vec![b' '; 0x11_0000]].concat();
    let answer = raw("transfer-encoding: chunked", &chunk);
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("BodyTooLarge"), "{answer}");

    assert_eq!(http.sequence(), before, "nothing of all that was journalled");
    server.stop();
    verified(&data);
}

#[test]
fn slow_requests_are_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let config = format!("{NO_SNAPSHOTS}[http]\nread_deadline_ms = 300\n");
    let server = Server::with_http(&data, &config);
    let answer = |sent: &[u8]| {
        let mut raw = TcpStream::connect(server.http.unwrap()).unwrap();
        raw.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        raw.write_all(sent).unwrap();
        let mut answer = Vec::new();
        raw.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    };
    // Headers that do not end: the connection does.
    let headers = answer(b"GET /v1/status HTTP/1.1\r\nhost: x\r\nx: ");
    assert!(!headers.contains("200 OK"), "{headers}");
    let body = answer(b"PUT /v1/sellers/a HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{");
    assert!(body.starts_with("HTTP/1.1 408 "), "{body}");
    server.stop();
}

#[test]
fn bulk_orders_are_answered_line_by_line_and_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    http.set_up();
    let ids = http.get("/v1/ids?count=150").is(200);
    let ids: Vec<&str> = ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let mut lines: Vec<String> = ids.iter().map(|id| order(id, 1).to_string()).collect();
    lines[20] = "{\"id\":".to_owned();
    lines[40] = String::new();
    lines[60] = order(ids[60], 0).to_string();
    let send = |lines: &[String]| {
        let body = lines.join("\n");
        let url = format!("{}/v1/bulk/orders", http.base);
        let mut answered = http.agent.post(url).content_type("application/x-ndjson").send(body).unwrap();
        assert_eq!(answered.status(), 200);
        let text = answered.body_mut().read_to_string().unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let answers = send(&lines[..100]);
    assert_eq!(answers.len(), 99, "an empty line is no order");
    for answer in &answers {
        let line = answer["line"].as_u64().unwrap();
        match line {
            21 => assert_eq!(answer["problem"]["code"], "Unreadable", "{answer}"),
            61 => assert_eq!(answer["problem"]["code"], "ZeroQuantity", "{answer}"),
            _ => assert_eq!(
                (&answer["outcome"], &answer["total_minor"]),
                (&json!("accepted"), &json!(250)),
                "{answer}"
            ),
        }
    }
    // The whole again, as after a connection that broke.
    let again = send(&lines);
    let count = |outcome: &str| again.iter().filter(|answer| answer["outcome"] == outcome).count();
    assert_eq!((count("accepted before"), count("accepted"), count("rejected")), (97, 50, 2));
    server.stop();
    assert_eq!(verified(&data)["orders_total"], 147);
}
