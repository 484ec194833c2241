//! Access from outside: where a server refuses to listen, who is let in, and that the journal says who did what.

use std::path::Path;

use orderline_client::{Client, ClientError, ClientOptions, ReconnectPolicy};
use orderline_protocol::command::{QueryStatus, QueryTokens};
use orderline_protocol::frame::CloseReason;
use orderline_protocol::{Command, RejectCode};
use rustix::process::Signal;
use serde_json::Value;

use crate::proof::Proof;
use crate::support::Server;
use crate::support::program::{Ran, command, orderline};
use crate::support::server::NO_SNAPSHOTS;

/// A secret and its hash.
pub(crate) fn secret() -> (String, String) {
    let made = orderline(["token", "new", "--json"]).well();
    (made["secret"].as_str().unwrap().to_owned(), made["hash"].as_str().unwrap().to_owned())
}

/// Runs a verb against a server with a secret.
pub(crate) fn with(secret: &str, server: &Server, arguments: &[&str]) -> Ran {
    let addr = server.addr.to_string();
    let mut command = command([arguments, &["--connect", &addr]].concat());
    command.env("ORDERLINE_TOKEN", secret);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

pub(crate) fn client(server: &Server, secret: &str) -> Result<Client, ClientError> {
    let bytes = (0..64).step_by(2).map(|at| u8::from_str_radix(&secret[at..at + 2], 16).unwrap());
    let token = bytes.collect::<Vec<_>>().try_into().unwrap();
    let options = ClientOptions { token, reconnect: ReconnectPolicy::never(), ..ClientOptions::default() };
    Client::connect(server.addr, options)
}

fn records(data: &Path) -> Vec<Value> {
    let ran = orderline(["inspect", "--data", data.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const SHOP: &str = r#"[[sellers]]
code = "acme"
standing = "active"
commission_bp = 1250

[[locations]]
code = "leeds"
standing = "active"
region = 44
priority = 1
daily_capacity = 0
"#;

#[test]
fn beyond_loopback_nobody_is_served_without_tokens_unless_it_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut proof = Proof::of(27, "starts beyond loopback without tokens");
    let serve = ["serve", "--data", data.to_str().unwrap(), "--listen", "0.0.0.0:0"];
    let refused = orderline(serve);
    proof.check(refused.code == Some(2), || format!("it was served: {refused:?}"));
    refused.refused(&["0.0.0.0:0", "token", "--insecure-network"]);
    let server = Server::run(command([&serve[..], &["--insecure-network"]].concat())).unwrap();
    proof.check(server.stop().contains("WARN"), || "it was served without a warning".to_owned());
    proof.end();
}

/// Writes a certificate of its own for this name, and its key; the configuration that names them.
pub(crate) fn issue(directory: &Path, name: &str) -> String {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n")
}

#[test]
fn with_tls_and_a_token_a_server_listens_anywhere_and_reads_its_certificate_again() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let tls = issue(directory.path(), "orders.example");
    let file = directory.path().join("server.toml");
    std::fs::write(&file, format!("{NO_SNAPSHOTS}{tls}")).unwrap();
    let serve = ["serve", "--data", data.to_str().unwrap(), "--config", file.to_str().unwrap()];
    let anywhere = [&serve[..], &["--listen", "0.0.0.0:0"]].concat();
    orderline(&anywhere).refused(&["0.0.0.0:0", "no access token", "--insecure-network"]);
    let (operator, hash) = secret();
    let config = format!("{NO_SNAPSHOTS}{tls}[access]\noperator_token_hash = \"{hash}\"\n");
    std::fs::write(&file, config).unwrap();
    let server = Server::run(command(&anywhere)).unwrap();

    let addr = format!("127.0.0.1:{}", server.addr.port());
    let list = |trusted: &Path, name: &str| {
        let mut command = command(["token", "list", "--json", "--connect", &addr, "--tls-name", name]);
        command.arg("--tls-ca").arg(trusted).env("ORDERLINE_TOKEN", &operator);
        command.output().unwrap().status.code()
    };
    let (certificate, old) = (directory.path().join("certificate.pem"), directory.path().join("old.pem"));
    assert_eq!(list(&certificate, "orders.example"), Some(0));
    assert_eq!(list(&certificate, "other.example"), Some(2));
    let plain = command(["token", "list", "--connect", &addr]).output().unwrap();
    let mut proof = Proof::of(27, "plaintext, wrong names and old certificates where TLS is spoken");
    proof.check(plain.status.code() == Some(2), || "something is said outside TLS".to_owned());

    std::fs::copy(&certificate, &old).unwrap();
    issue(directory.path(), "orders.example");
    server.send(Signal::HUP);
    let is_read = || list(&certificate, "orders.example") == Some(0);
    assert!((0..100).any(|_| is_read()), "the new certificate is shown");
    proof.check(list(&old, "orders.example") == Some(2), || "the old certificate is shown".to_owned());
    proof.check(list(&certificate, "other.example") == Some(2), || "another name is taken".to_owned());
    proof.end();
    assert!(server.stop().contains("read again"));
}

#[test]
fn health_is_asked_in_the_clear_and_inside_tls() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let health =
        |http: &str, more: &[&str]| orderline([&["health", "--json", "--http", http], more].concat());
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = server.http.unwrap().to_string();
    assert_eq!(health(&http, &[]).well()["ready"], true);
    server.stop();
    let gone = health(&http, &[]);
    assert_eq!((gone.code, &gone.json()["ready"]), (Some(1), &false.into()));
    health("192.0.2.1:7412", &[]).refused(&["192.0.2.1"]);
    let config = format!("{NO_SNAPSHOTS}{}", issue(directory.path(), "orders.example"));
    let server = Server::with_http(&data, &config);
    let (http, file) = (server.http.unwrap().to_string(), data.with_extension("toml"));
    assert_eq!(health(&http, &["--config", file.to_str().unwrap()]).well()["said"], "ready");
    assert_eq!(health(&http, &[]).code, Some(1), "in the clear it says nothing");
    server.stop();
}

#[test]
fn tokens_are_made_used_listed_and_revoked_and_survive_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let (operator, hash) = secret();
    let config = format!("{NO_SNAPSHOTS}[access]\noperator_token_hash = \"{hash}\"\n");
    let server = Server::start(&data, &config);

    // Nobody comes in without a token, or with a wrong one.
    let addr = server.addr.to_string();
    orderline(["token", "list", "--connect", &addr]).refused(&["token", "--token-file"]);
    with(&secret().0, &server, &["config", "export"]).refused(&["token", "--token-file"]);
    with("abc", &server, &["token", "list"]).refused(&["ORDERLINE_TOKEN", "64 hexadecimal digits"]);

    let file = directory.path().join("shop.toml");
    std::fs::write(&file, SHOP).unwrap();
    let applied = with(&operator, &server, &["config", "apply", "--json", file.to_str().unwrap()]).well();
    assert_eq!(applied["applied"], 2, "{applied}");

    let bad = ["token", "add", "--label", "gun", "--role", "warehouse"];
    with(&operator, &server, &bad).refused(&["--location"]);
    with(&operator, &server, &["token", "add", "--label", "x", "--role", "boss"])
        .refused(&["boss", "seller"]);
    let kept = directory.path().join("gun.token");
    let gun = ["token", "add", "--json", "--label", "gun", "--role", "warehouse", "--location", "leeds"];
    let out = ["--out", kept.to_str().unwrap()];
    let added = with(&operator, &server, &[&gun[..], &out].concat()).well();
    assert_eq!((&added["token"], &added["version"]), (&1.into(), &1.into()), "{added}");
    assert!(added["secret"].is_null(), "it went to the file: {added}");
    let gun_secret = std::fs::read_to_string(&kept).unwrap().trim().to_owned();
    let seller = ["token", "add", "--json", "--label", "acme", "--role", "seller", "--seller", "acme"];
    let terms = ["--expires", "2100-01-31T00:00:00Z", "--commands-per-second", "500"];
    let seller = with(&operator, &server, &[&seller[..], &terms].concat()).well();
    let seller_secret = seller["secret"].as_str().unwrap().to_owned();

    // Each may do what its role may.
    let mut seller = client(&server, &seller_secret).unwrap();
    let status = QueryStatus { with_state_hash: 0, reserved: [0; 7] };
    let refused = seller.call(&Command::QueryStatus(&status)).unwrap();
    assert_eq!(refused.header.code.get(), RejectCode::Forbidden as u16);
    let tokens = QueryTokens { from: 0.into(), count: 0.into() };
    let refused = seller.call(&Command::QueryTokens(&tokens)).unwrap();
    assert_eq!(refused.header.code.get(), RejectCode::Forbidden as u16);
    with(&seller_secret, &server, &["token", "list"]).refused(&["Forbidden"]);

    // A kill takes nothing away.
    server.kill();
    let server = Server::start(&data, &config);
    let listed = with(&operator, &server, &["token", "list", "--json"]).well();
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(listed["tokens"][0]["label"], "gun", "{listed}");
    assert_eq!(listed["tokens"][1]["commands_per_second"], 500, "{listed}");
    let mut bearer = client(&server, &gun_secret).unwrap();

    // Revoked, its connection ends and it does not come in again.
    with(&operator, &server, &["token", "revoke", "nobody"]).refused(&["nobody"]);
    assert_eq!(with(&operator, &server, &["token", "revoke", "gun"]).code, Some(0));
    let ended = bearer.call(&Command::QueryStatus(&status)).unwrap_err();
    assert!(ended.to_string().contains("token"), "{ended}");
    let closed = client(&server, &gun_secret).err().unwrap();
    assert!(matches!(closed, ClientError::Closed(CloseReason::Token)), "{closed}");
    server.stop();

    // Who did what: the record names its session, the session's record the token.
    let records = records(&data);
    let find = |kind: &str, key: &str, value: Value| {
        let is_it = |record: &&Value| record["kind"] == kind && record[key] == value;
        records.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} with {key} {value}"))
    };
    let defined = find("TokenDefined", "token", "gun".into());
    assert_eq!(
        (&defined["role"], &defined["locations"]),
        (&"warehouse".into(), &serde_json::json!(["leeds"]))
    );
    let opened = find("SessionOpened", "session", defined["session"].clone());
    assert_eq!(opened["actor"], u32::MAX, "{opened}");
    find("SessionOpened", "actor", 2.into());
    find("TokenRevoked", "token_number", 1.into());
    let text = records.iter().map(Value::to_string).collect::<String>();
    for secret in [&operator, &gun_secret, &seller_secret] {
        assert!(!text.contains(secret.as_str()));
    }
}

#[test]
fn the_table_of_who_may_do_what_is_printed() {
    let ran = orderline(["explain", "--access"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let row = ran.stdout.lines().find(|line| line.starts_with("RecordPayout ")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["RecordPayout", "yes", "-", "-", "-", "-", "-"]);
    let told = orderline(["explain", "--access", "--json"]).well();
    let rows = told["access"].as_array().unwrap();
    assert_eq!(rows.len() + 1, ran.stdout.lines().count());
    assert!(rows.iter().any(|row| row["deed"] == "UpdateWork"
        && row["roles"] == serde_json::json!(["operator", "seller", "warehouse"])));
}
