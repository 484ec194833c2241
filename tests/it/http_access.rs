//! Who may do what over HTTP: tokens made and revoked, every role held to the one policy table, scopes, quotas, and keys that
//! are remembered over a restart.

use orderline_access::{Area, Deed, Deeds};
use orderline_protocol::command::{CommandKind, Role};
use serde_json::{Value, json};

use crate::http::{Answer, Caller};
use crate::proof::Proof;
use crate::recovery::verified;
use crate::support::Server;
use crate::support::server::NO_SNAPSHOTS;

/// A caller that brings a token.
pub(crate) struct Bearer<'a> {
    pub(crate) http: &'a Caller,
    pub(crate) authorization: String,
}

impl<'a> Bearer<'a> {
    pub(crate) fn of(http: &'a Caller, secret: &str) -> Self {
        Self { http, authorization: format!("Bearer {secret}") }
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let headers = [("authorization", self.authorization.as_str())];
        self.http.send(method, path, &headers, body.map(Value::to_string))
    }

    pub(crate) fn token(&self, wanted: Value) -> (u64, String) {
        let made = self.send("POST", "/v1/tokens", Some(&wanted)).is(201);
        (made["token"].as_u64().unwrap(), made["secret"].as_str().unwrap().to_owned())
    }
}

/// What each operation is, and a request for it.
fn operations(order: &str, fresh: &str) -> Vec<(Deed, &'static str, String, Option<Value>)> {
    use CommandKind as Kind;
    let at = |rest: &str| format!("/v1/orders/{order}/{rest}");
    let line = json!([{"sku": "tea", "quantity": 1, "unit_price_minor": 250}]);
    let place = json!({"id": fresh, "buyer": 7, "seller": "acme", "currency": "GBP", "lines": line});
    let reserve = json!({"id": fresh, "buyer": 7, "seconds": 9, "lines": [{"sku": "tea", "quantity": 1}]});
    let checkout = json!({"id": fresh, "buyer": 7, "currency": "GBP", "orders":
        [{"id": fresh, "seller": "acme", "lines": line}]});
    let sent = |kind, method, path: String, body| (Deed::Command(kind), method, path, Some(body));
    let asked = |kind, path: String| (Deed::Command(kind), "GET", path, None);
    let area = |area, path: String| (Deed::Area(area), "GET", path, None);
    let moved = json!({"from_location": "leeds", "from_bucket": "available", "to_location": "york",
        "to_bucket": "available", "quantity": 1});
    let policy = json!({"pending_order_s": 0, "retention_s": 0, "reservation_s_max": 9});
    let group = |rest: &str| format!("/v1/groups/{order}/{rest}");
    let money = json!({"amount_minor": 1, "currency": "GBP"});
    vec![
        sent(Kind::DefineSeller, "PUT", "/v1/sellers/acme".into(), json!({"commission_bp": 1_000})),
        sent(Kind::DefineLocation, "PUT", "/v1/locations/leeds".into(), json!({})),
        sent(Kind::DefineSku, "PUT", "/v1/skus/tea".into(), json!({"seller": "acme", "currency": "GBP"})),
        sent(Kind::DefineSourcing, "PUT", "/v1/sourcing".into(), json!({"rules": ["priority"]})),
        sent(Kind::SetPolicy, "PUT", "/v1/policy".into(), policy),
        sent(Kind::ReceiveStock, "POST", "/v1/stock/tea/leeds/receipts".into(), json!({"quantity": 1})),
        sent(
            Kind::AdjustStock,
            "POST",
            "/v1/stock/tea/leeds/adjustments".into(),
            json!({"bucket": "damaged", "delta": 1}),
        ),
        sent(Kind::CountStock, "POST", "/v1/stock/tea/leeds/counts".into(), json!({"on_hand": 100})),
        sent(Kind::MoveStock, "POST", "/v1/stock/tea/moves".into(), moved),
        sent(Kind::SetLevel, "PUT", "/v1/stock/tea/leeds".into(), json!({"on_hand": 100, "as_of": 1})),
        sent(Kind::ReserveCart, "POST", "/v1/reservations".into(), reserve),
        sent(
            Kind::ExtendReservation,
            "POST",
            format!("/v1/reservations/{order}/extend"),
            json!({"seconds": 1}),
        ),
        sent(Kind::ReleaseReservation, "POST", format!("/v1/reservations/{order}/release"), json!({})),
        sent(Kind::CheckOut, "POST", "/v1/checkouts".into(), checkout),
        sent(Kind::PlaceOrder, "POST", "/v1/orders".into(), place),
        sent(Kind::ConfirmOrder, "POST", at("confirm"), json!({})),
        sent(Kind::CancelLines, "POST", at("cancel"), json!({})),
        sent(Kind::EditLine, "PUT", at("lines/0"), json!({"quantity": 1})),
        sent(Kind::EditAddress, "PUT", at("address"), json!({"address": 1})),
        sent(Kind::PlaceHold, "POST", at("holds"), json!({"kind": "fraud", "blocks": ["fulfil"]})),
        sent(Kind::ReleaseHold, "POST", at("holds/1/release"), json!({})),
        sent(Kind::RecordAuthorization, "POST", group("authorizations"), money.clone()),
        sent(Kind::RecordCapture, "POST", group("captures"), json!({"amount_minor": 1})),
        sent(Kind::RecordVoid, "POST", group("void"), json!({})),
        sent(Kind::RecordFailure, "POST", group("fail"), json!({})),
        sent(Kind::RequestRefund, "POST", at("refunds"), json!({"amount_minor": 1})),
        sent(Kind::SettleRefund, "POST", at("refunds/1/settle"), json!({"outcome": "failed"})),
        sent(Kind::UpdateWork, "POST", at("work/leeds/steps"), json!({"step": "accept"})),
        sent(Kind::RejectWork, "POST", at("work/leeds/reject"), json!({})),
        sent(Kind::MoveWork, "POST", at("work/leeds/move"), json!({"to": "york"})),
        sent(Kind::ShipLines, "POST", at("shipments"), json!({})),
        sent(Kind::UpdateShipment, "POST", at("shipments/1/steps"), json!({"step": "send"})),
        sent(Kind::RequestReturn, "POST", at("returns"), json!({})),
        sent(Kind::UpdateReturn, "POST", at("returns/1/steps"), json!({"step": "approve"})),
        sent(Kind::ReceiveReturn, "POST", at("returns/1/receive"), json!({"location": "leeds", "units": []})),
        sent(Kind::RecordPayout, "POST", "/v1/sellers/acme/payouts".into(), money),
        sent(Kind::DefineToken, "POST", "/v1/tokens".into(), json!({"label": "none", "role": "nobody"})),
        (Deed::Command(Kind::RevokeToken), "DELETE", "/v1/tokens/99".into(), None),
        asked(Kind::QueryOrder, format!("/v1/orders/{order}")),
        asked(Kind::QueryStock, "/v1/stock/tea".into()),
        asked(Kind::QueryStatus, "/v1/status".into()),
        asked(Kind::QueryGroup, format!("/v1/groups/{order}")),
        asked(Kind::QueryReservation, format!("/v1/reservations/{order}")),
        asked(Kind::QueryLedger, "/v1/sellers/acme/ledgers/GBP".into()),
        asked(Kind::QueryCatalogue, "/v1/skus".into()),
        asked(Kind::QuerySettings, "/v1/settings".into()),
        sent(Kind::QueryAvailability, "POST", "/v1/availability".into(), json!({"skus": ["tea"]})),
        asked(Kind::QueryTransitions, "/v1/transitions".into()),
        asked(Kind::QueryTokens, "/v1/tokens".into()),
        area(Area::Orders, "/v1/orders".into()),
        area(Area::Orders, at("timeline")),
        area(Area::Orders, "/v1/returns".into()),
        area(Area::Stock, "/v1/locations/leeds/stock".into()),
        area(Area::WorkQueue, "/v1/locations/leeds/work".into()),
        area(Area::Ledger, "/v1/sellers/acme/entries".into()),
        area(Area::Feed, "/v1/events".into()),
        area(Area::Feed, "/v1/consumers".into()),
        area(Area::Webhooks, "/v1/webhooks".into()),
        area(Area::Operations, "/v1/figures".into()),
        area(Area::Operations, "/metrics".into()),
        area(Area::Recovery, "/v1/recovery".into()),
        area(Area::Recovery, "/v1/recovery/verify".into()),
        (Deed::Area(Area::Recovery), "POST", "/v1/recovery/verify".into(), None),
    ]
}

#[test]
fn every_role_does_what_the_table_says_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    http.set_up();
    let order = http.place(1);
    let fresh = http.id();
    // The first token closes the door behind itself.
    let made = http.post("/v1/tokens", json!({"label": "root", "role": "operator"})).is(201);
    http.get("/v1/status").is_problem(401, "Unauthorized");
    http.get("/v1/orders").is_problem(401, "Unauthorized");
    let root = Bearer::of(&http, made["secret"].as_str().unwrap());
    let asked = operations(&order, &fresh);
    let covered = |kind: &CommandKind| {
        // Codes are asked for by every request that names one.
        *kind == CommandKind::ResolveCode || asked.iter().any(|(deed, ..)| *deed == Deed::Command(*kind))
    };
    assert_eq!(CommandKind::ALL.iter().find(|kind| !covered(kind)), None, "every command has its operation");
    let mut denied = 0;
    for &role in Role::ALL.iter().filter(|&&role| role != Role::Operator) {
        let mut wanted = json!({"label": role.name(), "role": role.name()});
        match role {
            Role::Seller => wanted["seller"] = json!("acme"),
            Role::Warehouse => wanted["locations"] = json!(["leeds"]),
            _ => {}
        }
        let (_, secret) = root.token(wanted);
        let bearer = Bearer::of(&http, &secret);
        let before = root.send("GET", "/v1/status", None).is(200);
        for (deed, method, path, body) in &asked {
            if Deeds::of(role).has(*deed) {
                continue;
            }
            // What cannot be read is refused before anybody asks who it is.
            let mut body = body.clone();
            if *deed == Deed::Command(CommandKind::DefineToken) {
                body = Some(json!({"label": "none", "role": "seller", "seller": "acme"}));
            }
            let answer = bearer.send(method, path, body.as_ref());
            answer.is_problem(403, "Forbidden");
            // Of codes that nothing has it is told the same: who is denied learns nothing of what there is.
            let unknown = |text: &str| {
                let known = ["acme", "leeds", "york", "tea"];
                known.iter().fold(text.to_owned(), |text, code| text.replace(code, "nothing"))
            };
            let body = body.map(|body| unknown(&body.to_string()).parse().unwrap());
            let blind = bearer.send(method, &unknown(path), body.as_ref());
            assert_eq!(
                (answer.status, &answer.body),
                (blind.status, &blind.body),
                "{role:?} {deed:?} {path}"
            );
            assert!(answer.body["detail"].as_str().unwrap().contains(&deed.name()), "{answer:?}");
            denied += 1;
        }
        assert_eq!(
            root.send("GET", "/v1/status", None).is(200),
            before,
            "{role:?}: nothing denied changed anything"
        );
        // And what is allowed is not denied for its role.
        for (deed, method, path, body) in
            asked.iter().filter(|(deed, method, ..)| Deeds::of(role).has(*deed) && *method == "GET")
        {
            let answer = bearer.send(method, path, body.as_ref());
            assert!(answer.body["code"] != "Forbidden", "{role:?} {deed:?}: {answer:?}");
        }
    }
    server.stop();
    verified(&data);
    let mut proof = Proof::of(26, "operations that a role may not do, over HTTP");
    proof.ran(denied);
    proof.end();
    assert!(denied > 100, "{denied}");
}

#[test]
fn tokens_are_bound_run_out_and_are_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    http.set_up();
    http.put("/v1/sellers/zest", json!({"commission_bp": 0})).is(200);
    http.put("/v1/skus/soap", json!({"seller": "zest"})).is(200);
    let order = http.place(1);
    let made = http.post("/v1/tokens", json!({"label": "root", "role": "operator"})).is(201);
    let root = Bearer::of(&http, made["secret"].as_str().unwrap());
    let (acme, secret) = root.token(json!({"label": "a", "role": "seller", "seller": "acme"}));
    let own = Bearer::of(&http, &secret);
    let (_, secret) = root.token(json!({"label": "z", "role": "seller", "seller": "zest"}));
    let other = Bearer::of(&http, &secret);
    let mut proof = Proof::of(26, "another's orders, tokens that ended, were revoked or made up, over HTTP");
    let mut denied = |answer: Answer, status, code| {
        answer.is_problem(status, code);
        proof.ran(1);
    };
    // A seller sees its own and nothing of another's.
    own.send("GET", &format!("/v1/orders/{order}"), None).is(200);
    denied(other.send("GET", &format!("/v1/orders/{order}"), None), 403, "OutOfScope");
    let at = root.send("GET", "/v1/figures", None).is(200)["sequence"].clone();
    let found = |bearer: &Bearer<'_>| bearer.send("GET", &format!("/v1/orders?at_least={at}"), None).is(200);
    assert_eq!(found(&own)["items"][0]["order"], *order);
    assert_eq!(found(&other)["items"], json!([]));
    denied(other.send("GET", "/v1/orders?seller=acme", None), 403, "OutOfScope");
    let timeline = format!("/v1/orders/{order}/timeline?at_least={at}");
    denied(other.send("GET", &timeline, None), 404, "UnknownOrder");
    denied(other.send("GET", "/v1/sellers/acme/entries", None), 403, "OutOfScope");
    // A timeline says who asked: nobody before there was a token, then the token, whose bound bearers are not told of others.
    let confirmed = root.send("POST", &format!("/v1/orders/{order}/confirm"), None).is(200);
    let at = confirmed["sequence"].clone();
    let timeline = |bearer: &Bearer<'_>| {
        let path = format!("/v1/orders/{order}/timeline?at_least={at}");
        let page = bearer.send("GET", &path, None).is(200);
        page["items"].as_array().unwrap().iter().map(|record| record["by"].clone()).collect::<Vec<_>>()
    };
    let by_root = json!({"token": made["token"], "label": "root"});
    assert_eq!(timeline(&root), [Value::Null, by_root]);
    assert_eq!(timeline(&own), [Value::Null, Value::Null]);
    // Over, over its quota, revoked, and not one at all.
    let past = json!({"label": "past", "role": "support", "expires_at": "2020-01-01T00:00:00Z"});
    let (_, secret) = root.token(past);
    denied(Bearer::of(&http, &secret).send("GET", "/v1/status", None), 401, "Unauthorized");
    let (_, secret) = root.token(json!({"label": "slow", "role": "operator", "commands_per_s_max": 1}));
    let slow = Bearer::of(&http, &secret);
    let statuses: Vec<u16> = (0..20).map(|_| slow.send("GET", "/v1/status", None).status).collect();
    assert!(statuses.contains(&429) && statuses[0] == 200, "{statuses:?}");
    root.send("DELETE", &format!("/v1/tokens/{acme}"), None).is(200);
    denied(own.send("GET", &format!("/v1/orders/{order}"), None), 401, "Unauthorized");
    for made_up in ["0123", &"a7".repeat(32)] {
        denied(Bearer::of(&http, made_up).send("GET", "/v1/status", None), 401, "Unauthorized");
    }
    proof.end();
    let listed = root.send("GET", "/v1/tokens", None).is(200);
    let revoked = listed["items"].as_array().unwrap().iter().find(|token| token["token"] == acme).unwrap();
    assert_eq!((&revoked["is_revoked"], &revoked["seller"]), (&json!(true), &json!("acme")), "{listed}");
    assert!(!listed.to_string().contains("hash") && !listed.to_string().contains(&secret), "{listed}");
    server.stop();
    verified(&data);
}

#[test]
fn a_key_is_remembered_over_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    http.set_up();
    let receive = |http: &Caller, quantity: u32| {
        let headers = [("idempotency-key", "delivery-77")];
        http.send(
            "POST",
            "/v1/stock/tea/leeds/receipts",
            &headers,
            Some(json!({"quantity": quantity}).to_string()),
        )
    };
    let first = receive(&http, 5).is(201);
    assert_eq!((&first["outcome"], &first["units"]), (&json!("accepted"), &json!(105)));
    let again = receive(&http, 5).is(201);
    assert_eq!((&again["outcome"], &again["sequence"]), (&json!("accepted before"), &first["sequence"]));
    receive(&http, 6).is_problem(422, "RequestReused");
    server.kill();
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    let again = receive(&http, 5).is(201);
    assert_eq!((&again["outcome"], &again["sequence"]), (&json!("accepted before"), &first["sequence"]));
    assert_eq!(http.get("/v1/stock/tea/leeds").is(200)["available"], 105);
    server.stop();
    verified(&data);
}
