//! What the server tells of itself over HTTP: events by sequence, and metrics.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Caller;
use crate::http_access::Bearer;
use crate::support::Server;
use crate::support::server::NO_SNAPSHOTS;

fn served() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::with_http(&directory.path().join("data"), NO_SNAPSHOTS);
    (directory, server)
}

fn sequences(page: &Value) -> Vec<u64> {
    let events = page["events"].as_array().unwrap();
    events.iter().map(|event| event["sequence"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn every_event_is_in_the_feed_once_and_pages_say_what_they_cover() {
    let (_directory, server) = served();
    let http = Caller::of(&server);
    http.set_up();
    let orders: Vec<String> = (0..5).map(|_| http.place(1)).collect();
    let newest = http.sequence();
    let (mut seen, mut next) = (Vec::new(), 1);
    while next <= newest {
        let page = http.get(&format!("/v1/events?from={next}&limit=3")).is(200);
        assert_eq!(page["from"], next, "{page}");
        seen.extend(sequences(&page));
        next = page["next"].as_u64().unwrap();
    }
    assert_eq!(seen, (1..=newest).collect::<Vec<_>>());
    // Filtered: everything that matches in the range is there, and nothing else.
    let placed = http.get("/v1/events?types=org.orderline.order.placed.v1").is(200);
    assert_eq!(sequences(&placed).len(), 5, "{placed}");
    assert_eq!(placed["to"], newest, "{placed}");
    let one = http.get(&format!("/v1/events?entity={}", orders[2])).is(200);
    assert_eq!(one["events"][0]["subject"], *orders[2], "{one}");
    assert_eq!(one["events"].as_array().unwrap().len(), 1, "{one}");
    let of_seller = http.get("/v1/events?seller=acme&types=org.orderline.order.placed.v1").is(200);
    assert_eq!(sequences(&of_seller), sequences(&placed));

    http.get("/v1/events?types=nothing").is_problem(400, "Unreadable");
    http.get("/v1/events?types=").is_problem(400, "Unreadable");
    http.get("/v1/events?wait_s=31").is_problem(400, "Unreadable");
    http.get("/v1/events?limit=1001").is_problem(400, "Unreadable");
    http.get("/v1/events/stream?limit=1").is_problem(400, "Unreadable");
    http.get("/v1/events?seller=nobody").is_problem(404, "UnknownCode");
    http.get(&format!("/v1/events?from={}", newest + 2)).is_problem(409, "NotThereYet");
    server.stop();
}

#[test]
fn a_page_waits_for_what_is_to_come_and_a_stream_is_resumed() {
    let (_directory, server) = served();
    let http = Caller::of(&server);
    http.set_up();
    let newest = http.sequence();
    let empty = http.get(&format!("/v1/events?from={}", newest + 1)).is(200);
    assert_eq!((sequences(&empty).len(), &empty["next"]), (0, &json!(newest + 1)));

    let stream = |last: u64| {
        let request = http.agent.get(format!("{}/v1/events/stream", http.base));
        let answered = request.header("last-event-id", last.to_string()).call().unwrap();
        BufReader::new(answered.into_body().into_reader()).lines().map(Result::unwrap)
    };
    let order = std::thread::scope(|scope| {
        let waited = scope.spawn(|| http.get(&format!("/v1/events?from={}&wait_s=30", newest + 1)).is(200));
        let streamed = scope.spawn(|| {
            let mut lines = stream(newest).filter(|line| !line.is_empty() && !line.starts_with(':'));
            [lines.next(), lines.next(), lines.next()].map(Option::unwrap)
        });
        // Whether they wait already or not: they must see it.
        std::thread::sleep(Duration::from_millis(50));
        let order = http.place(1);
        assert_eq!(sequences(&waited.join().unwrap()), [newest + 1]);
        let [id, event, data] = streamed.join().unwrap();
        assert_eq!(id, format!("id: {}", newest + 1));
        assert_eq!(event, "event: org.orderline.order.placed.v1");
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["subject"], *order);
        order
    });
    // From before the newest one: it comes again, at once.
    let again: Vec<String> = stream(newest - 1).filter(|line| line.starts_with("id: ")).take(2).collect();
    assert_eq!(again, [format!("id: {newest}"), format!("id: {}", newest + 1)], "{order}");
    server.stop();
}

#[test]
fn a_filtered_stream_is_one_chain_and_misses_nothing() {
    let (_directory, server) = served();
    let http = Caller::of(&server);
    http.set_up();
    let newest = http.sequence();
    let url = format!("{}/v1/events/stream?types=org.orderline.order.placed.v1", http.base);
    let stream = http.agent.get(url).header("last-event-id", newest.to_string()).call().unwrap();
    let mut lines = BufReader::new(stream.into_body().into_reader()).lines().map(Result::unwrap);
    // Each order is placed when the one before it was seen, and other events lie between: they come in pages of their own.
    let mut previous = newest;
    for _ in 0..4 {
        http.post("/v1/stock/tea/leeds/receipts", json!({"quantity": 1})).is(201);
        let order = http.place(1);
        let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
        let event: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(
            (&event["subject"], &event["previous"]),
            (&json!(order), &json!(previous.to_string())),
            "{event}"
        );
        previous = event["sequence"].as_str().unwrap().parse().unwrap();
    }
    server.stop();
}

#[test]
fn a_narrowed_feed_tells_the_same_of_an_order_that_has_left_memory() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    http.set_up();
    let policy = json!({"pending_order_s": 0, "retention_s": 1, "reservation_s_max": 9});
    http.put("/v1/policy", policy).is(200);
    let order = http.place(1);
    http.post(&format!("/v1/orders/{order}/confirm"), json!({})).is(200);
    // By its own answer: asked for afterwards, it could be the order's leaving already.
    let cancelled = http.post(&format!("/v1/orders/{order}/cancel"), json!({})).is(200);
    let newest = cancelled["sequence"].as_u64().unwrap();
    let told = |http: &Caller, narrow: &str| {
        let mut told = sequences(&http.get(&format!("/v1/events?from=1&limit=1000&{narrow}")).is(200));
        told.retain(|&sequence| sequence <= newest);
        told
    };
    let before = [told(&http, "seller=acme"), told(&http, "location=leeds")];
    assert!(before.iter().all(|told| told.ends_with(&[newest - 2, newest - 1, newest])), "{before:?}");
    let start = std::time::Instant::now();
    while http.get(&format!("/v1/orders/{order}")).status == 200 {
        assert!(start.elapsed().as_secs() < 60, "it does not leave memory");
        std::thread::sleep(Duration::from_millis(50));
    }
    // What went by lately is forgotten, and the engine knows nothing of it any more.
    server.stop();
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    let newest = http.sequence();
    http.get(&format!("/v1/orders?limit=1&at_least={newest}")).is(200);
    assert_eq!([told(&http, "seller=acme"), told(&http, "location=leeds")], before);
    server.stop();
}

#[test]
fn a_stream_ends_when_its_token_is_revoked_or_over() {
    let (_directory, server) = served();
    let http = Caller::of(&server);
    http.set_up();
    let made = http.post("/v1/tokens", json!({"label": "root", "role": "operator"})).is(201);
    let root = Bearer::of(&http, made["secret"].as_str().unwrap());
    let stream = |secret: &str| {
        let request = http.agent.get(format!("{}/v1/events/stream", http.base));
        let answered = request.header("authorization", format!("Bearer {secret}")).call().unwrap();
        BufReader::new(answered.into_body().into_reader()).lines().map(Result::unwrap)
    };
    let (number, secret) = root.token(json!({"label": "reader", "role": "analyst"}));
    let mut lines = stream(&secret);
    assert_eq!(lines.next().as_deref(), Some(":"), "it is there");
    root.send("POST", "/v1/stock/tea/leeds/receipts", Some(&json!({"quantity": 1}))).is(201);
    assert!(lines.find(|line| line.starts_with("data: ")).unwrap().contains("stock.received"));
    root.send("DELETE", &format!("/v1/tokens/{number}"), None).is(200);
    root.send("POST", "/v1/stock/tea/leeds/receipts", Some(&json!({"quantity": 1}))).is(201);
    let rest: Vec<String> = lines.collect();
    assert!(!rest.iter().any(|line| line.contains("stock.received")), "nothing is told after that: {rest:?}");
    // A page that waits is not answered either. There is time enough to begin before the token is over.
    let until = std::time::SystemTime::now() + Duration::from_secs(6);
    let ms = until.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let until = chrono::DateTime::from_timestamp_millis(ms).unwrap().to_rfc3339();
    let (_, secret) = root.token(json!({"label": "guest", "role": "analyst", "expires_at": until}));
    let ended: Vec<String> = stream(&secret).collect();
    assert!(ended.iter().all(|line| line.is_empty() || line == ":"), "{ended:?}");
    Bearer::of(&http, &secret).send("GET", "/v1/events", None).is_problem(401, "Unauthorized");
    server.stop();
}

#[test]
fn an_order_is_found_by_its_callers_own_id() {
    let (_directory, server) = served();
    let http = Caller::of(&server);
    http.set_up();
    http.place(1);
    let (alone, group, first) = (http.id(), http.id(), http.id());
    let lines = json!([{"sku": "tea", "quantity": 1, "unit_price_minor": 250}]);
    let order = json!({"id": alone, "buyer": 7, "seller": "acme", "currency": "GBP", "external_id": "shop/1 a&b=ü",
        "lines": lines});
    http.post("/v1/orders", order).is(201);
    let checkout = json!({"id": group, "buyer": 7, "currency": "GBP", "external_id": "cart-9",
        "orders": [{"id": first, "seller": "acme", "lines": lines}]});
    http.post("/v1/checkouts", checkout).is(201);
    let at = http.sequence();
    let found = |id: &str| -> Vec<Value> {
        let page = http.get(&format!("/v1/orders?external_id={id}&at_least={at}")).is(200);
        page["items"].as_array().unwrap().clone()
    };
    let by_text = found("shop%2F1+a%26b%3D%C3%BC");
    assert_eq!(by_text.len(), 1, "{by_text:?}");
    assert_eq!((&by_text[0]["order"], &by_text[0]["external_id"]), (&json!(alone), &json!("shop/1 a&b=ü")));
    let by_cart = found("cart-9");
    assert_eq!(by_cart.len(), 1, "{by_cart:?}");
    assert_eq!((&by_cart[0]["order"], &by_cart[0]["group"]), (&json!(first), &json!(group)));
    for nothing in ["shop", "cart-", "CART-9"] {
        assert!(found(nothing).is_empty(), "{nothing:?}");
    }
    // Beside other terms all must hold.
    let page = http.get(&format!("/v1/orders?external_id=cart-9&buyer=8&at_least={at}")).is(200);
    assert_eq!(page["items"], json!([]));
    server.stop();
}

#[test]
fn metrics_and_figures_count_what_was_done() {
    let (_directory, server) = served();
    let http = Caller::of(&server);
    http.set_up();
    let order = http.place(1);
    http.send("POST", &format!("/v1/orders/{order}/holds/9/release"), &[], Some("{}".to_owned()))
        .is_problem(404, "UnknownHold");
    let text = http.get("/metrics").body.as_str().unwrap().to_owned();
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .rsplit(' ')
            .next()
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    assert_eq!(value("orderline_orders"), 1.0);
    assert_eq!(value("orderline_commands_total{outcome=\"accepted\"}"), 7.0);
    assert_eq!(value("orderline_rejections_total{code=\"UnknownHold\"}"), 1.0);
    assert_eq!(value("orderline_durable_sequence"), value("orderline_sequence"));
    assert!(value("orderline_answer_duration_seconds_count") > 0.0);
    // Each name is explained, each family stands once.
    let named: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let mut once = named.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(named.len(), once.len(), "{text}");
    let figures = http.get("/v1/figures").is(200);
    assert_eq!((&figures["accepted"], &figures["orders_open"]), (&json!(7), &json!(1)), "{figures}");
    assert_eq!(figures["rejects"], json!([{"code": "UnknownHold", "count": 1}]), "{figures}");
    assert!(figures["latency_us"]["p99"].as_u64() > Some(0), "{figures}");
    // How far the read models are: what was asked for at a sequence is in them.
    let at = figures["durable_sequence"].as_u64().unwrap();
    http.get(&format!("/v1/orders?at_least={at}")).is(200);
    let figures = http.get("/v1/figures").is(200);
    assert!(figures["read_model_sequence"].as_u64() >= Some(at), "{figures}");
    let [durable, behind, lag] = ["durable_sequence", "read_model_sequence", "read_model_lag"]
        .map(|name| figures[name].as_u64().unwrap());
    assert_eq!((durable - behind, &figures["read_model_problem"]), (lag, &json!(null)), "{figures}");
    let pending = &figures["orders_by_state"][0];
    assert_eq!((&pending["state"], &pending["count"]), (&json!("pending"), &json!(1)), "{figures}");
    assert_eq!(figures["orders_placed"], 1, "{figures}");
    let buckets = figures["latency_us"]["buckets"].as_array().unwrap();
    let counted: u64 = buckets.iter().map(|bucket| bucket["count"].as_u64().unwrap()).sum();
    assert_eq!(figures["latency_us"]["count"], counted, "{figures}");
    http.get("/healthz").is(200);
    // What is served is described, bodies included, for programs and for people.
    let description = http.get("/v1/openapi.json").is(200);
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let takes_body = operation["requestBody"].is_object();
            let may_lack = ["confirm", "release", "secret", "verify"].iter().any(|last| path.ends_with(last));
            assert!(takes_body || may_lack || !["post", "put"].contains(&&**method), "{method} {path}");
        }
    }
    let page = http.get("/v1/docs").body.as_str().unwrap().to_owned();
    assert!(page.contains("POST /v1/orders") && page.contains("NewOrderLine"), "{page}");
    http.get("/readyz").is(200);
    server.stop();
}

#[test]
fn read_models_find_orders_and_tell_their_lives() {
    let (_directory, server) = served();
    let http = Caller::of(&server);
    http.set_up();
    let orders: Vec<String> = (0..7).map(|_| http.place(1)).collect();
    http.send("POST", &format!("/v1/orders/{}/confirm", orders[3]), &[], None).is(200);
    let at = http.sequence();
    let found = |path: &str| http.get(&format!("{path}at_least={at}")).is(200);
    // Page by page, newest first, each once.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = found(&format!("/v1/orders?buyer=7&limit=3{cursor}&"));
        let ids =
            page["items"].as_array().unwrap().iter().map(|item| item["order"].as_str().unwrap().to_owned());
        seen.extend(ids);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, orders.iter().rev().cloned().collect::<Vec<_>>());
    let confirmed = found("/v1/orders?seller=acme&sku=tea&state=confirmed&");
    assert_eq!(confirmed["items"][0]["order"], *orders[3], "{confirmed}");
    assert_eq!(confirmed["items"].as_array().unwrap().len(), 1, "{confirmed}");
    assert_eq!(found("/v1/orders?buyer=8&")["items"], json!([]));
    // Its life, and the work that came of it.
    let life = found(&format!("/v1/orders/{}/timeline?", orders[3]));
    let kinds: Vec<&str> =
        life["items"].as_array().unwrap().iter().map(|of| of["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["OrderPlaced", "OrderConfirmed"]);
    let location = http.get(&format!("/v1/orders/{}", orders[3])).is(200);
    let location = location["fulfilment_orders"][0]["location"].as_str().unwrap().to_owned();
    let work = found(&format!("/v1/locations/{location}/work?"));
    assert_eq!(work["items"][0]["order"], *orders[3], "{work}");
    let levels = found("/v1/locations/leeds/stock?");
    assert_eq!(levels["items"][0]["sku"], "tea", "{levels}");
    // Money, entry by entry.
    let authorization = json!({"amount_minor": 250, "currency": "GBP"});
    http.post(&format!("/v1/groups/{}/authorizations", orders[0]), authorization).is(201);
    http.post(&format!("/v1/groups/{}/captures", orders[0]), json!({"amount_minor": 250})).is(201);
    let entries = http.get(&format!("/v1/sellers/acme/entries?at_least={}", http.sequence())).is(200);
    let amounts: Vec<i64> = entries["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["amount_minor"].as_i64().unwrap())
        .collect();
    assert_eq!(amounts.iter().sum::<i64>(), 225, "a sale less the commission: {entries}");

    http.get("/v1/orders?cursor=x").is_problem(422, "WrongCursor");
    for limit in [0, 501] {
        http.get(&format!("/v1/orders?limit={limit}")).is_problem(400, "Unreadable");
    }
    http.get("/v1/orders?color=red").is_problem(400, "Unreadable");
    http.get("/v1/orders?state=lost").is_problem(400, "Unreadable");
    http.get("/v1/orders?at_least=1000000").is_problem(409, "NotThereYet");
    http.get(&format!("/v1/orders/{}/timeline", http.id())).is_problem(404, "UnknownOrder");
    server.stop();
}

#[test]
fn webhooks_are_posted_what_happens_and_consumers_keep_their_places() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let config = format!("{NO_SNAPSHOTS}[http]\nprivate_webhooks = true\n");
    let server = Server::with_http(&data, &config);
    let http = Caller::of(&server);
    http.set_up();
    let receiver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", receiver.local_addr().unwrap());
    let made =
        http.post("/v1/webhooks", json!({"url": url, "types": ["org.orderline.order.placed.v1"]})).is(201);
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"), "{made}");
    let order = http.place(1);
    let (socket, _) = receiver.accept().unwrap();
    let mut lines = BufReader::new(&socket).lines().map(Result::unwrap);
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    assert!(head[0].starts_with("POST /hook "), "{head:?}");
    assert!(head.iter().any(|line| line.to_lowercase().starts_with("webhook-signature: v1,")), "{head:?}");
    drop(lines);
    drop(socket);
    let number = made["endpoint"].as_u64().unwrap();
    let listed = http.get("/v1/webhooks").is(200);
    assert_eq!(
        (&listed[0]["endpoint"], &listed[0]["url"]),
        (&json!(number), &json!(url)),
        "{order}: {listed}"
    );
    http.put(&format!("/v1/webhooks/{number}/state"), json!({"state": "paused"})).is(204);
    assert_eq!(http.get("/v1/webhooks").is(200)[0]["state"], "paused");
    http.get(&format!("/v1/webhooks/{number}/dead-letters")).is(200);
    http.post("/v1/webhooks/99/replay", json!({})).is_problem(404, "UnknownWebhook");
    http.post("/v1/webhooks", json!({"url": "ftp://x"})).is_problem(422, "WrongUrl");

    assert_eq!(http.put("/v1/consumers/erp", json!({"position": 3})).is(200)["position"], 3);
    http.put("/v1/consumers/erp", json!({"position": 2})).is_problem(409, "WrongPosition");
    server.stop();
    // Both are there again.
    let server = Server::with_http(&data, &config);
    let http = Caller::of(&server);
    assert_eq!(http.get("/v1/consumers/erp").is(200)["position"], 3);
    assert_eq!(http.get("/v1/webhooks").is(200)[0]["state"], "paused");
    http.send("DELETE", &format!("/v1/webhooks/{number}"), &[], None).is(204);
    http.send("DELETE", "/v1/consumers/erp", &[], None).is(204);
    http.get("/v1/consumers/erp").is_problem(404, "UnknownConsumer");
    server.stop();
}
