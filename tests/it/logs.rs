//! What a server says while it runs: events a line each, as text or as JSON, and no secret in any of them.

use std::net::TcpListener;
use std::path::Path;

use orderline_client::{ClientOptions, ReconnectPolicy};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::http::Caller;
use crate::support::Server;
use crate::support::program::orderline;
use crate::support::server::NO_SNAPSHOTS;

/// A secret that nobody is to see.
const SECRET: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2";

/// A wrong one.
const WRONG: &str = "bad5ec2e7bad5ec2e7bad5ec2e7bad5ec2e7bad5ec2e7bad5ec2e7bad5ec2e7b";

fn config(format: &str, level: &str) -> String {
    format!("{NO_SNAPSHOTS}[log]\nformat = \"{format}\"\nlevel = \"{level}\"\n")
}

/// Has all sorts of things asked of a server that says everything, secrets among them; returns what it said, and the secrets.
fn talked_to(data: &Path, format: &str) -> (String, Vec<String>) {
    let operator: orderline_access::Secret = SECRET.parse().unwrap();
    let config = format!(
        "{}[access]\noperator_token_hash = \"{}\"\n[http]\nprivate_webhooks = true\n",
        config(format, "trace"),
        operator.hash()
    );
    let server = Server::with_http(data, &config);
    let http = Caller::of(&server);
    let operator = format!("Bearer {SECRET}");
    let asked = |method: &str, path: &str, body: Option<Value>| {
        let headers = [("authorization", operator.as_str()), ("x-request-id", "from-the-caller")];
        http.send(method, path, &headers, body.map(|body| body.to_string()))
    };
    let made =
        asked("POST", "/v1/tokens", Some(json!({"label": "leeds \"gun\" 1", "role": "read-only"}))).is(201);
    let secret = made["secret"].as_str().unwrap().to_owned();
    // Nobody listens there: deliveries fail. What stands in the address is a secret, too.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hook = json!({"url": format!("http://{free}/hooks/{WRONG}"), "label": "erp"});
    let hook = asked("POST", "/v1/webhooks", Some(hook)).is(201);
    let hook_secret = hook["secret"].as_str().unwrap().to_owned();
    asked("PUT", "/v1/sellers/acme", Some(json!({"commission_bp": 1_000}))).is(200);
    let brings = |secret: &str, path: &str| {
        http.send("GET", path, &[("authorization", &format!("Bearer {secret}"))], None)
    };
    brings(&secret, "/v1/sellers?limit=3").is(200);
    brings(WRONG, "/v1/sellers").is_problem(401, "Unauthorized");
    brings(&secret, &format!("/v1/nothing/{WRONG}")).is_problem(404, "NoSuchPath");
    // Over the wire, with the right secret and with a wrong one.
    let connect = |secret: &str| {
        let token = *secret.parse::<orderline_access::Secret>().unwrap().bytes();
        let options =
            ClientOptions { token, reconnect: ReconnectPolicy::never(), ..ClientOptions::default() };
        orderline_client::Client::connect(server.addr, options)
    };
    assert!(connect(SECRET).is_ok() && connect(WRONG).is_err());
    // That the delivery has failed is told before the server ends.
    while asked("GET", "/v1/webhooks", None).is(200).to_string().contains("\"failed_count\":0") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    server.hears(Signal::HUP, "SIGHUP: there is no certificate to read again");
    (server.stop(), vec![SECRET.to_owned(), WRONG.to_owned(), secret, hook_secret])
}

#[test]
fn as_json_every_line_is_an_event_and_no_secret_is_in_any() {
    let directory = tempfile::tempdir().unwrap();
    let (said, secrets) = talked_to(&directory.path().join("data"), "json");
    secrets.iter().for_each(|secret| assert!(!said.contains(secret.as_str()), "{secret} is in {said}"));
    let events: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for event in &events {
        let has = |key: &str| event[key].as_str().is_some_and(|text| !text.is_empty());
        assert!(["timestamp", "level", "target", "message"].into_iter().all(has), "{event}");
    }
    let told = |message: &'static str| events.iter().filter(move |event| event["message"] == message);
    let one = |message: &'static str| told(message).next().unwrap_or_else(|| panic!("{message}: {said}"));
    assert_eq!(one("starting")["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(one("recovered")["orders"], 0);
    assert_eq!(one("the recovered state is hashed")["sequence"], 0);
    assert_eq!(one("stopped")["level"], "INFO");
    assert!(one("stopped")["accepted"].as_u64().is_some_and(|count| count >= 2), "{said}");
    assert!(one("ready")["http"].as_str().is_some_and(|http| http.starts_with("127.0.0.1:")), "{said}");
    assert_eq!(one("SIGHUP: there is no certificate to read again")["level"], "WARN");
    assert_eq!(one("a TCP connection is closed")["reason"], "Token");
    assert_eq!(one("a webhook's endpoint fails; deliveries are tried again")["endpoint"], 1);
    let request = |route: &str, status: u64| {
        let mut requests = told("a request is answered");
        let found = requests.find(|event| event["route"] == route && event["status"] == status);
        found.unwrap_or_else(|| panic!("{route}: {said}"))
    };
    let request_of_a_token = request("/v1/sellers", 200);
    assert_eq!(request_of_a_token["token"], "leeds \"gun\" 1");
    assert_eq!(
        (&request_of_a_token["method"], &request_of_a_token["level"]),
        (&json!("GET"), &json!("DEBUG"))
    );
    assert!(request_of_a_token["duration_us"].as_u64().is_some_and(|us| us > 0), "{request_of_a_token}");
    let by_the_operator = request("/v1/sellers/{seller}", 200);
    assert_eq!(by_the_operator["token"], "operator of the configuration");
    assert_eq!(by_the_operator["request_id"], "from-the-caller");
    assert_eq!(request("/v1/sellers", 401)["token"], Value::Null, "nobody knows who that was");
    request("none", 404);
}

#[test]
fn as_text_every_line_has_its_time_and_level_and_no_secret_is_in_any() {
    let directory = tempfile::tempdir().unwrap();
    let (said, secrets) = talked_to(&directory.path().join("data"), "text");
    secrets.iter().for_each(|secret| assert!(!said.contains(secret.as_str()), "{secret} is in {said}"));
    for line in said.lines() {
        let mut words = line.split_whitespace();
        let (time, level) = (words.next().unwrap(), words.next().unwrap());
        assert!(time.ends_with('Z') && time.len() == "2027-01-31T00:00:00.000000Z".len(), "{line}");
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level), "{line}");
        assert!(words.next().is_some_and(|part| part.starts_with("orderline")), "{line}");
    }
    assert!(said.contains(r#"token="leeds \"gun\" 1""#), "{said}");
}

#[test]
fn requests_are_told_when_that_is_asked_for_only() {
    let directory = tempfile::tempdir().unwrap();
    for (level, tells) in [("info", false), ("info,orderline_web=debug", true), ("off", false)] {
        let data = directory.path().join(if tells { "told" } else { "untold" });
        let server = Server::with_http(&data, &config("text", level));
        Caller::of(&server).get("/v1/status").is(200);
        let said = server.stop();
        assert_eq!(said.contains("/v1/status"), tells, "{level}: {said}");
        assert_eq!(said.is_empty(), level == "off", "{level}: {said}");
    }
}

#[test]
fn every_answer_has_a_request_id() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::with_http(&directory.path().join("data"), NO_SNAPSHOTS);
    let http = Caller::of(&server);
    let id = |path: &str, own: Option<&str>| {
        let mut request = http.agent.get(format!("{}{path}", http.base));
        if let Some(own) = own {
            request = request.header("x-request-id", own);
        }
        let answered = request.call().unwrap();
        answered.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(id("/v1/status", Some("mine-7")), "mine-7");
    let made = [id("/v1/status", None), id("/nowhere", None), id("/healthz", Some("two words"))];
    assert!(made.iter().all(|id| id.len() == 16) && made[0] != made[1] && made[1] != made[2], "{made:?}");
}

#[test]
fn a_refused_start_is_an_event_where_all_else_is_json() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, &config("json", "info"));
    let second = Server::try_start(&data, &config("json", "info")).err().expect("the directory is served");
    assert_eq!(second.code, Some(2), "{second:?}");
    let last: Value = serde_json::from_str(second.stderr.lines().last().unwrap()).unwrap();
    let pid = format!("process {}", server.pid());
    assert!(last["level"] == "ERROR" && last["message"].as_str().unwrap().contains(&pid), "{last}");
    // Before the settings are read, nobody knows how to tell it.
    for wrong in ["[log]\nformat = \"xml\"\n", "[log]\nlevel = \"info,h2=trace\"\n"] {
        let ran = Server::try_start(&directory.path().join("other"), wrong).err().expect("it is refused");
        ran.refused(&["orderline: "]);
    }
    orderline(["verify", "--data", directory.path().join("absent").to_str().unwrap()])
        .refused(&["orderline: "]);
}
