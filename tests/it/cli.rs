//! The command line's contract: exit codes, the one JSON line, sentences for people.

use std::net::TcpListener;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::program::{Ran, Running, command, orderline};
use crate::support::server::{NO_SNAPSHOTS, SMALL};
use crate::support::shop::{await_orders, status};
use crate::support::{Server, Shop};

const VERBS: [&str; 15] = [
    "serve",
    "load",
    "import",
    "verify",
    "check",
    "repair",
    "replay",
    "inspect",
    "drill",
    "config",
    "explain",
    "demo",
    "token",
    "health",
    "completions",
];

/// That a report has these keys; `a.b` is the key b of the object a.
pub(crate) fn has_keys(report: &Value, keys: &[&str]) {
    for key in keys {
        let found = key.split('.').try_fold(report, |value, part| value.get(part));
        assert!(found.is_some_and(|value| !value.is_null()), "{key} is missing in {report}");
    }
}

/// A short run of the load generator against a server.
pub(crate) fn load(server: &Server, orders: u64) -> Ran {
    let (connect, orders) = (server.addr.to_string(), orders.to_string());
    orderline(["load", "--connect", &connect, "--orders", &orders, "--skus", "100", "--json"])
}

#[test]
fn every_verb_helps_and_the_program_says_its_version() {
    for verb in VERBS {
        let ran = orderline([verb, "--help"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains(&format!("Usage: orderline {verb}")), "{ran:?}");
    }
    let ran = orderline(["--help"]);
    assert!(VERBS.iter().all(|verb| ran.stdout.contains(verb)), "{ran:?}");
    let ran = orderline(["--version"]);
    assert_eq!(ran.stdout.trim(), format!("orderline {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_options_of_the_contract_are_there() {
    for (verb, options) in [
        ("serve", "--data --listen --http --config"),
        (
            "load",
            "--connect --orders --seconds --rate --lines --skus --skew --connections --in-flight --workload --seed --json",
        ),
        ("import", "--connect --map --json"),
        ("verify", "--data --json"),
        ("replay", "--data --to --from-snapshot --json"),
        ("inspect", "--data --from --order --json"),
        ("drill", "--data --seconds --kills --json"),
        ("health", "--http --config --json"),
        ("config default", "--json"),
        ("config check", "--json"),
        ("config export", "--connect --out --json"),
        ("config apply", "--connect --dry-run --json"),
        ("explain", "--entity --mermaid --json"),
        ("demo", "--json"),
    ] {
        let help = orderline(verb.split(' ').chain(["--help"])).stdout;
        for option in options.split(' ') {
            assert!(help.contains(option), "{verb} has no {option}");
        }
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_a_sentence() {
    for (arguments, word) in [
        (&["frobnicate"][..], "frobnicate"),
        (&["serve"], "--data"),
        (&["serve", "--data", "x", "--listen", "nowhere"], "nowhere"),
        (&["load", "--connect", "127.0.0.1:1"], "--orders"),
        (&["load", "--connect", "127.0.0.1:1", "--orders", "1", "--seconds", "1"], "--seconds"),
        (&["load", "--connect", "127.0.0.1:1", "--orders", "1", "--lines", "0"], "--lines"),
        (&["load", "--connect", "127.0.0.1:1", "--orders", "1", "--skus", "0"], "--skus"),
        (&["load", "--connect", "127.0.0.1:1", "--orders", "1", "--skew", "steep"], "steep"),
        (&["load", "--connect", "127.0.0.1:1", "--orders", "1", "--workload", "dance"], "dance"),
        (&["load", "--connect", "127.0.0.1:1", "--seconds", "-1"], "-1"),
        (&["import", "--connect", "127.0.0.1:1", "--map", "no-such-map.toml", "x.csv"], "no-such-map.toml"),
        (&["inspect", "--data", "x", "--order", "not-a-ulid"], "not-a-ulid"),
        (&["drill", "--kills", "many"], "many"),
        (&["replay", "--data", "x", "--to", "-3"], "-3"),
    ] {
        orderline(arguments).refused(&[word]);
    }
}

#[test]
fn a_directory_that_is_no_store_is_refused_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let absent = directory.path().join("absent");
    for verb in ["verify", "replay", "inspect"] {
        orderline([verb, "--data", absent.to_str().unwrap(), "--json"]).refused(&["absent"]);
        assert!(!absent.exists(), "{verb} changes nothing");
    }
}

#[test]
fn a_configuration_that_cannot_be_is_refused_and_names_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for (config, word) in [
        ("[journal]\nsegment_mb = 8\n", "segment_mb"),
        ("[gatevay]\ncredits = 8\n", "gatevay"),
        ("[gateway]\ncredits = \"many\"\n", "credits"),
        ("[gateway]\ncredits = 0\n", "credits"),
        ("[journal]\nsegment_mib = 0\n", "segment_mib"),
        ("[snapshots\n", "snapshots"),
    ] {
        let ran = Server::try_start(&data, config).err().expect("it is refused");
        ran.refused(&[word]);
        assert!(!data.exists(), "a refused start leaves nothing: {config}");
    }
    let config = directory.path().join("absent.toml");
    orderline(["serve", "--data", data.to_str().unwrap(), "--config", config.to_str().unwrap()])
        .refused(&["absent.toml"]);
}

#[test]
fn the_settings_are_printed_with_their_defaults_and_a_file_of_them_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    let (data, file) = (directory.path().join("data"), directory.path().join("settings.toml"));
    let printed = orderline(["config", "default"]).stdout;
    assert_eq!(orderline(["config", "default", "--json"]).well()["file"], printed);
    std::fs::write(&file, &printed).unwrap();
    let check = |more: &[&str]| orderline([&["config", "check", file.to_str().unwrap()], more].concat());
    assert_eq!(check(&["--json"]).well()["ok"], true);
    assert!(check(&[]).stderr.contains("can be served with"));
    // What a start takes, and what it refuses, is what was said.
    Server::start(&data, &printed).stop();
    let wrong = [
        ("#credits = 8192", "credits = 9000", "credits"),
        ("#certificate = \"FILE\"", "certificate = \"absent.pem\"\nkey = \"absent.pem\"", "absent.pem"),
        ("#segment_mib = ", "segment_mb = ", "segment_mb"),
        ("#level = \"info\"", "level = \"loud\"", "log.level"),
    ];
    for (from, to, named) in wrong {
        assert!(printed.contains(from), "{from}: {printed}");
        let text = printed.replacen(from, to, 1);
        std::fs::write(&file, &text).unwrap();
        let ran = check(&["--json"]);
        let report = ran.json();
        assert_eq!((ran.code, &report["ok"]), (Some(1), &false.into()), "{report}");
        assert!(report["problem"].as_str().is_some_and(|problem| problem.contains(named)), "{report}");
        Server::try_start(&data, &text).err().expect("it is refused").refused(&[named]);
    }
    let absent = directory.path().join("absent.toml");
    orderline(["config", "check", absent.to_str().unwrap()]).refused(&["absent.toml"]);
}

#[test]
fn shells_complete_verbs_and_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = orderline(["completions", shell]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let missing = VERBS.iter().find(|verb| !ran.stdout.contains(**verb));
        assert_eq!(missing, None, "{shell}");
        assert!(ran.stdout.contains("insecure-network"), "{shell}");
    }
    orderline(["completions", "dos"]).refused(&["dos", "bash"]);
    // What bash makes of it.
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("orderline.bash");
    std::fs::write(&script, orderline(["completions", "bash"]).stdout).unwrap();
    let completed = |words: &str, count: usize| {
        let asks = format!(
            "set -e; source {}; complete -p orderline > /dev/null; COMP_WORDS=(orderline {words}); COMP_CWORD={count}; \
             _orderline orderline \"${{COMP_WORDS[$COMP_CWORD]}}\" orderline; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let ran =
            std::process::Command::new("bash").args(["--norc", "--noprofile", "-c", &asks]).output().unwrap();
        assert!(ran.status.success(), "{words}: {ran:?}");
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(completed("ser", 1), "serve");
    assert_eq!(completed("serve --insec", 2), "--insecure-network");
    assert_eq!(completed("config che", 2), "check");
}

#[test]
fn a_port_that_is_taken_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let data = directory.path().join("data");
    orderline(["serve", "--data", data.to_str().unwrap(), "--listen", &addr]).refused(&[&addr]);
}

#[test]
fn both_signals_end_a_server_well_while_a_client_is_in() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(&directory.path().join("data"), NO_SNAPSHOTS);
        let mut client = server.client();
        let shop = Shop::open(&mut client);
        shop.place(&mut client, 1..=10);
        let (code, said) = server.signal(signal);
        assert_eq!(code, Some(0), "{signal:?}: {said}");
    }
}

#[test]
fn the_reports_hold_what_the_contract_says_and_runs_do_not_share_ids() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(&data, SMALL);
    let (first, second) = (load(&server, 3_000).well(), load(&server, 2_000).well());
    let keys = [
        "acked",
        "rejected",
        "unknown",
        "seconds",
        "orders_per_second",
        "latency_us.p50",
        "latency_us.p90",
        "latency_us.p99",
        "latency_us.p999",
        "latency_us.max",
    ];
    has_keys(&first, &keys);
    assert_eq!((&first["acked"], &second["acked"]), (&3_000.into(), &2_000.into()), "{first} {second}");
    let (found, _) = status(&mut server.client());
    assert_eq!(found.orders_total.get(), 5_000, "two runs of one seed place different orders");
    has_keys(&open_loop(&server).well(), &keys);
    server.stop();

    let data = data.to_str().unwrap();
    let report = orderline(["verify", "--data", data, "--json"]).well();
    has_keys(
        &report,
        &["ok", "records", "last_sequence", "orders_total", "orders_open", "state_hash", "violations"],
    );
    assert_eq!((&report["ok"], &report["violations"]), (&true.into(), &Value::Array(vec![])), "{report}");
    assert_eq!(report["orders_total"], 5_300, "{report}");
    let last = report["last_sequence"].as_u64().unwrap();
    let end = last.to_string();
    for (more, reached) in
        [(&[][..], last), (&["--from-snapshot"], last), (&["--to", "700"], 700), (&["--to", &end], last)]
    {
        let report = orderline([&["replay", "--data", data, "--json"], more].concat()).well();
        has_keys(&report, &["records", "seconds", "records_per_second", "state_hash"]);
        assert_eq!(report["last_sequence"], reached, "{more:?}: {report}");
    }
    // There is no such state: what was reached is said.
    let beyond = (last + 1).to_string();
    let ran = orderline(["replay", "--data", data, "--json", "--to", &beyond]);
    assert_eq!((ran.code, &ran.json()["last_sequence"]), (Some(1), &last.into()), "{ran:?}");
    assert!(ran.stderr.contains(&format!("--to {beyond} lies beyond the journal's end")), "{ran:?}");
    inspects(Path::new(data), last);
}

/// An open-loop run, whose latencies count from the intended start.
fn open_loop(server: &Server) -> Ran {
    let connect = server.addr.to_string();
    orderline(["load", "--connect", &connect, "--orders", "300", "--rate", "1000", "--skus", "100", "--json"])
}

fn inspects(data: &Path, last_sequence: u64) {
    let data = data.to_str().unwrap();
    let from = (last_sequence - 2).to_string();
    let ran = orderline(["inspect", "--data", data, "--from", &from]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let records: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sequences: Vec<u64> = records.iter().map(|record| record["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, [last_sequence - 2, last_sequence - 1, last_sequence]);
    let order = records[0]["order"].as_str().unwrap();
    let ran = orderline(["inspect", "--data", data, "--order", order]);
    let mut lines = ran.stdout.lines();
    let record: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!((record["order"].as_str(), lines.next()), (Some(order), None));
    assert!(record["lines"][0]["sku"].as_str().unwrap().starts_with("sku-"), "names are resolved: {record}");
}

#[test]
fn an_import_reports_every_row_under_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), NO_SNAPSHOTS);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/import");
    let (map, rows) = (examples.join("one-unit-rows.toml"), examples.join("one-unit-rows.csv"));
    let connect = server.addr.to_string();
    let arguments =
        ["import", "--connect", &connect, "--json", "--map", map.to_str().unwrap(), rows.to_str().unwrap()];
    let report = orderline(arguments).json();
    has_keys(&report, &["read", "accepted", "rejected", "skipped", "reasons"]);
    let count = |key: &str| report[key].as_u64().unwrap();
    assert!(count("accepted") > 0, "{report}");
    assert_eq!(count("read"), count("accepted") + count("rejected") + count("skipped"), "{report}");
}

#[test]
fn a_load_run_whose_server_vanishes_reports_what_it_cannot_know() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"), NO_SNAPSHOTS);
    let connect = server.addr.to_string();
    let mut running = Running::start(command([
        "load",
        "--connect",
        &connect,
        "--seconds",
        "120",
        "--skus",
        "100",
        "--patience",
        "2",
        "--json",
    ]));
    let mut client = server.client();
    // More than can be under way at a time: some must have been acknowledged before the others were sent.
    await_orders(&mut client, &mut running, 5_000);
    server.kill();
    let ran = running.finish();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json();
    let count = |key: &str| report[key].as_u64().unwrap();
    assert!(count("unknown") > 0 && count("acked") > 0, "{report}");
    assert_eq!(count("sent"), count("acked") + count("rejected") + count("unknown"), "{report}");
}

#[test]
fn a_load_run_without_a_server_does_not_start() {
    // A port that the system gives to nobody: another test's server could come to listen on one that was only free.
    let nowhere = "127.0.0.1:1";
    orderline(["load", "--connect", nowhere, "--orders", "10", "--json"]).refused(&[nowhere]);
}

#[test]
fn the_demo_ends_with_its_report() {
    let report = orderline(["demo", "--json"]).well();
    has_keys(&report, &["orders_per_second", "acked", "lost", "recovery_ms"]);
    assert_eq!((&report["lost"], &report["state_hash_equal"]), (&0.into(), &true.into()), "{report}");
}
