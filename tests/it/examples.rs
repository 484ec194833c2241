//! The examples of integrations, each run as its page says against a server: what they print, and what came of it here.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::http::Caller;
use crate::recovery::verified;
use crate::support::Server;
use crate::support::server::NO_SNAPSHOTS;

/// Runs an example well and returns the object that it prints.
fn run(example: &str, server: &Server, database: &Path, more: &[&str]) -> Value {
    let api = format!("http://{}", server.http.unwrap());
    let ran = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/integrations").join(example))
        .args(["--api", &api, "--database", database.to_str().unwrap()])
        .args(more)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap_or_else(|error| {
            panic!("the examples are Python: python3 cannot be run ({error}); Debian has it as python3")
        });
    assert!(ran.status.success(), "{example}: {}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[test]
fn an_erp_takes_orders_out_once_and_sends_stock_in_as_of_what_it_has_seen() {
    let directory = tempfile::tempdir().unwrap();
    let (data, database) = (directory.path().join("data"), directory.path().join("erp.db"));
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    http.set_up();
    let orders: Vec<String> = (0..4).map(|_| http.place(2)).collect();
    for order in &orders[..2] {
        http.send("POST", &format!("/v1/orders/{order}/confirm"), &[], None).is(200);
    }
    http.post(&format!("/v1/orders/{}/cancel", orders[3]), json!({})).is(200);
    let at = http.sequence();
    let told = run("erp.py", &server, &database, &[]);
    let wanted =
        json!({"events": 7, "position": at, "orders": {"cancelled": 1, "confirmed": 2, "pending": 1}});
    assert_eq!(told, wanted);
    // Nothing is taken in twice.
    assert_eq!(run("erp.py", &server, &database, &[])["events"], 0);
    // What it counted is on the shelf as of what it has seen: three orders hold two units each of it. Two more are sold before the
    // count comes in, which it has not seen. They are not taken off twice, and not forgotten.
    let counted = run("erp.py", &server, &database, &["--stock", "tea", "leeds", "50"]);
    assert_eq!(counted["available"], 44, "{counted}");
    let sold = http.place(2);
    let told = run("erp.py", &server, &database, &["--stock", "tea", "leeds", "40"]);
    assert_eq!((&told["events"], &told["available"]), (&json!(1), &json!(32)), "{told}");
    assert_eq!(http.get("/v1/stock/tea/leeds").is(200)["available"], 32);
    let level = http.get("/v1/stock/tea").is(200);
    assert_eq!(http.get(&format!("/v1/orders/{sold}")).is(200)["state"], "pending", "{level}");
    server.stop();
    verified(&data);
}

#[test]
fn a_carrier_takes_its_packages_out_and_sends_their_tracking_in() {
    let directory = tempfile::tempdir().unwrap();
    let (data, database) = (directory.path().join("data"), directory.path().join("carrier.db"));
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    http.set_up();
    // Two packages of carrier 7, one of them not sent yet; one of another carrier.
    let shipped: Vec<String> = [(7, true), (7, false), (8, true)]
        .map(|(carrier, is_sent)| {
            let order = http.place(1);
            http.send("POST", &format!("/v1/orders/{order}/confirm"), &[], None).is(200);
            let package = json!({"carrier": carrier, "tracking": "1Z", "is_sent": is_sent});
            http.post(&format!("/v1/orders/{order}/shipments"), package).is(201);
            order
        })
        .into();
    let states = || -> Vec<Value> {
        let state =
            |order: &String| http.get(&format!("/v1/orders/{order}")).is(200)["shipments"][0]["state"].take();
        shipped.iter().map(state).collect()
    };
    assert_eq!(states(), ["shipped", "created", "shipped"]);
    // It sends what was handed over, and delivers when it is told to.
    let told = run("carrier.py", &server, &database, &["--carrier", "7"]);
    assert_eq!(told, json!({"packages": {"shipped": 2}, "refused": 0}));
    assert_eq!(states(), ["shipped", "shipped", "shipped"]);
    let told = run("carrier.py", &server, &database, &["--carrier", "7", "--deliver"]);
    assert_eq!(told, json!({"packages": {"delivered": 2}, "refused": 0}));
    assert_eq!(states(), ["delivered", "delivered", "shipped"]);
    // Run again, and from nothing: it changes nothing here.
    let at = http.sequence();
    run("carrier.py", &server, &database, &["--carrier", "7", "--deliver"]);
    let anew = directory.path().join("anew.db");
    let told = run("carrier.py", &server, &anew, &["--carrier", "7", "--deliver"]);
    assert_eq!((told, http.sequence()), (json!({"packages": {"delivered": 2}, "refused": 0}), at));
    server.stop();
    verified(&data);
}
