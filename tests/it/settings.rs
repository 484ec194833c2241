//! Configuration as data: exported, changed, applied, the same again changes nothing, and all of it survives a crash.

use std::path::Path;

use crate::recovery::verified;
use crate::support::Server;
use crate::support::program::{Ran, orderline};
use crate::support::server::{NO_SNAPSHOTS, SMALL};

const SHOP: &str = r#"[policy]
pending_order_s = 900
retention_s = 86400
reservation_s_max = 1200

[sourcing]
everybody = ["fewest packages", "priority"]

[sourcing.sellers]
acme = ["capacity", "same region"]

[[sellers]]
code = "acme"
standing = "active"
commission_bp = 1250

[[sellers]]
code = "zest"
standing = "inactive"
commission_bp = 0

[[locations]]
code = "leeds"
standing = "active"
region = 44
priority = 1
daily_capacity = 900

[[skus]]
code = "tea-250"
seller = "acme"
standing = "active"
currency = "GBP"
backorder_cap = 5

[[skus]]
code = "Größe 7"
seller = "zest"
standing = "inactive"
backorder_cap = 0
"#;

fn apply(server: &Server, file: &Path, more: &[&str]) -> Ran {
    let connect = server.addr.to_string();
    let mut arguments = vec!["config", "apply", "--json", "--connect", &connect, file.to_str().unwrap()];
    arguments.extend(more);
    orderline(arguments)
}

fn exported(server: &Server) -> String {
    let ran = orderline(["config", "export", "--connect", &server.addr.to_string()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // Under a comment that says where it is from.
    ran.stdout.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_file_is_applied_once_and_comes_back_as_it_went_in() {
    let directory = tempfile::tempdir().unwrap();
    let (data, file) = (directory.path().join("data"), directory.path().join("shop.toml"));
    std::fs::write(&file, SHOP).unwrap();
    let server = Server::start(&data, NO_SNAPSHOTS);

    let shown = apply(&server, &file, &["--dry-run"]);
    assert_eq!(shown.well()["applied"], 0);
    assert!(shown.stderr.contains("+ SKU tea-250  seller = acme"), "{}", shown.stderr);
    assert_eq!(exported(&server).matches("[[").count(), 0, "a dry run changes nothing");

    let applied = apply(&server, &file, &[]).well();
    assert_eq!(
        (&applied["added"], &applied["changed"], &applied["applied"]),
        (&6.into(), &2.into(), &8.into())
    );
    assert_eq!(exported(&server).trim(), SHOP.trim());
    let connect = server.addr.to_string();
    let report = orderline(["config", "export", "--json", "--connect", &connect]).well();
    assert!(report["file"].as_str().unwrap().ends_with(SHOP), "{report}");
    let out = directory.path().join("out.toml");
    let to_file = ["config", "export", "--json", "--connect", &connect, "--out", out.to_str().unwrap()];
    let report = orderline(to_file).well();
    assert_eq!((&report["skus"], &report["file"]), (&2.into(), &serde_json::Value::Null), "{report}");
    assert!(std::fs::read_to_string(&out).unwrap().ends_with(SHOP));

    let again = apply(&server, &file, &[]).well();
    assert_eq!((&again["unchanged"], &again["applied"]), (&8.into(), &0.into()), "{again}");

    std::fs::write(&file, SHOP.replace("commission_bp = 1250", "commission_bp = 1300")).unwrap();
    let changed = apply(&server, &file, &[]);
    assert_eq!(changed.well()["changes"], serde_json::json!(["~ seller acme  commission_bp: 1250 -> 1300"]));

    // Rules that are not mentioned stay; a seller's are taken away by an empty list.
    let everybodys = "[sourcing]\neverybody = [\"priority\"]\n";
    std::fs::write(&file, everybodys).unwrap();
    let changes = apply(&server, &file, &[]).well()["changes"].clone();
    assert_eq!(
        changes,
        serde_json::json!(["~ sourcing rules of everybody  rules: fewest packages, priority -> priority"])
    );
    std::fs::write(&file, "[sourcing.sellers]\nacme = []\n").unwrap();
    let changes = apply(&server, &file, &[]).well()["changes"].clone();
    let gone = "~ sourcing rules of acme  rules: capacity, same region -> everybody's";
    assert_eq!(changes, serde_json::json!([gone]));
    assert!(!exported(&server).contains("[sourcing.sellers]"));

    // It was journalled like all else.
    let before = exported(&server);
    server.kill();
    let server = Server::start(&data, NO_SNAPSHOTS);
    assert_eq!(exported(&server), before);
    server.stop();
    assert_eq!(verified(&data)["ok"], true);
}

#[test]
fn what_the_file_gets_wrong_is_said_before_anything_changes() {
    let directory = tempfile::tempdir().unwrap();
    let (data, file) = (directory.path().join("data"), directory.path().join("shop.toml"));
    let server = Server::start(&data, SMALL);
    let nothing = exported(&server);
    for (from, to, said) in [
        ("\"GBP\"", "\"XXZ\"", "skus \"tea-250\": currency"),
        ("seller = \"zest\"", "seller = \"nobody\"", "skus \"Größe 7\": seller"),
        ("\"capacity\"", "\"luck\"", "sourcing.sellers: acme"),
        ("commission_bp = 1250", "commission = 1", "commission"),
        (
            "commission_bp = 1250",
            "commission_bp = 12500",
            "sellers \"acme\": commission_bp = 12500; at most 10000",
        ),
        ("reservation_s_max = 1200", "reservation_s_max = 0", "policy: reservation_s_max = 0"),
    ] {
        std::fs::write(&file, SHOP.replace(from, to)).unwrap();
        apply(&server, &file, &[]).refused(&["shop.toml", said]);
    }
    apply(&server, &directory.path().join("absent.toml"), &[]).refused(&["absent.toml"]);
    assert_eq!(exported(&server), nothing);

    server.stop();
}
