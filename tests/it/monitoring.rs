//! What is shipped for whoever watches a server: the dashboard and the alerts speak of metrics that are served.

use std::collections::BTreeSet;
use std::path::Path;

use orderline_protocol::RejectCode;
use serde_json::{Value, json};

use crate::http::Caller;
use crate::support::Server;
use crate::support::server::NO_SNAPSHOTS;

fn shipped(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The queries of the dashboard: of its panels, and of its variables.
fn dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&shipped("ops/grafana/orderline.json")).unwrap();
    let strings = |of: &Value| of.as_str().map(str::to_owned);
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let asked = variables.iter().filter_map(|variable| strings(&variable["definition"]));
    targets.map(|target| strings(&target["expr"]).expect("a target asks something")).chain(asked).collect()
}

/// The queries of the alerts.
fn alerts() -> Vec<String> {
    let text = shipped("ops/prometheus/alerts.yml");
    let queries = text.split("\n        expr: ").skip(1);
    queries.map(|rest| rest.split("\n        labels:").next().unwrap().to_owned()).collect()
}

/// Names of our metrics in a query.
fn names(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
    words.filter(|word| word.starts_with("orderline_") || word.starts_with("process_"))
}

/// Names of the metrics of a server that has done a little of everything.
fn served() -> BTreeSet<String> {
    let directory = tempfile::tempdir().unwrap();
    let config = format!("{NO_SNAPSHOTS}[http]\nprivate_webhooks = true\n");
    let server = Server::with_http(&directory.path().join("data"), &config);
    let http = Caller::of(&server);
    http.set_up();
    let order = http.place(1);
    http.post(&format!("/v1/orders/{order}/holds/9/release"), json!({})).is_problem(404, "UnknownHold");
    http.post("/v1/webhooks", json!({"url": "http://127.0.0.1:9/", "label": "nobody"})).is(201);
    http.put("/v1/consumers/erp", json!({"position": 1})).is(200);
    let metrics = http.get("/metrics").body.as_str().unwrap().to_owned();
    server.stop();
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
}

#[test]
fn whatever_the_dashboard_and_the_alerts_ask_for_is_served() {
    let served = served();
    let (dashboard, alerts) = (dashboard(), alerts());
    assert!(dashboard.len() > 20 && alerts.len() > 5, "{dashboard:?} {alerts:?}");
    let mut asked = BTreeSet::new();
    for query in dashboard.iter().chain(&alerts) {
        for name in names(query) {
            assert!(served.contains(name), "{query}: no {name} among {served:#?}");
            asked.insert(name);
        }
        for code in query.split("code=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(RejectCode::ALL.iter().any(|known| known.name() == code), "{query}: no code {code}");
        }
    }
    // What is served is shown, but for a histogram's own sums and what other figures imply.
    let unasked = |name: &&String| {
        !asked.contains(name.as_str()) && !name.ends_with("_sum") && !name.ends_with("_count")
    };
    let unasked: Vec<&String> = served.iter().filter(unasked).collect();
    let implied = [
        "orderline_sessions",
        "orderline_tcp_commands_total",
        "orderline_tcp_connections_total",
        "orderline_tcp_frames_total",
    ];
    assert_eq!(unasked, implied);
}

#[test]
fn the_dashboard_can_be_brought_into_any_grafana() {
    let dashboard: Value = serde_json::from_str(&shipped("ops/grafana/orderline.json")).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!((&variables[0]["name"], &variables[0]["type"]), (&json!("datasource"), &json!("datasource")));
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have one id: {panel}");
        let is_row = panel["type"] == "row";
        assert!(is_row || panel["datasource"]["uid"] == "${datasource}", "{panel}");
        assert!(is_row || panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{panel}");
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{panel}");
    }
}
