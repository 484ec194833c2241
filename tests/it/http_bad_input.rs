//! What nobody should send over HTTP: to every operation that takes a body, bodies that are none; lines of bulk that are none; keys
//! that are older than what is remembered. Each is refused with a problem, and nothing is journalled.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use orderline_protocol::command::{Cause, EntityKind, ReceiveStock, ResolveCode};
use orderline_protocol::limits::KEYED_REQUESTS_MAX;
use orderline_protocol::{Command, KEYED_FROM, LocationHandle, OrderId, SessionId, SkuHandle};
use serde_json::{Value, json};
use zerocopy::FromZeros;

use crate::http::{Answer, Caller};
use crate::recovery::verified;
use crate::support::Server;
use crate::support::raw::{RawConnection, Said, commands};
use crate::support::server::NO_SNAPSHOTS;

/// Sends a request byte by byte as it is, and returns the whole answer.
fn raw(server: &Server, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.http.unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!("{head}\r\nhost: x\r\nconnection: close\r\n");
    // It may be refused before all of it is sent.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// That an answer is a problem document of this status, by its head and its body.
fn is_problem(answer: &str, status: u16, what: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
    assert!(head.contains("content-type: application/problem+json"), "{what}: {answer}");
    let problem: Value =
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{what}: {error}: {answer}"));
    assert_eq!(problem["status"], status, "{what}: {answer}");
    assert!(problem["code"].is_string() && problem["detail"].is_string(), "{what}: {answer}");
}

/// Every operation that takes a JSON body, its path filled with what is there.
fn operations(http: &Caller, order: &str) -> Vec<(String, String)> {
    let description = http.get("/v1/openapi.json").is(200);
    let mut found = Vec::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            if operation["requestBody"]["content"]["application/json"].is_null() {
                continue;
            }
            let filled = path
                .replace("{order}", order)
                .replace("{group}", order)
                .replace("{reservation}", order)
                .replace("{seller}", "acme")
                .replace("{location}", "leeds")
                .replace("{sku}", "tea")
                .replace("{consumer}", "erp");
            let filled = filled.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
            found.push((method.to_uppercase(), filled.collect::<Vec<_>>().join("/")));
        }
    }
    found
}

#[test]
fn a_body_that_is_none_is_refused_everywhere_and_nothing_is_journalled() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    http.set_up();
    let order = http.place(1);
    let before = http.sequence();
    let operations = operations(&http, &order);
    assert!(operations.len() > 40, "{operations:?}");
    let deep =
        |open: &str, close: &str| format!("{}{}", open.repeat(50_000), close.repeat(50_000)).into_bytes();
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", b"".to_vec()),
        ("half an object", b"{".to_vec()),
        ("two objects", b"{} {}".to_vec()),
        ("null", b"null".to_vec()),
        ("a number", b"7".to_vec()),
        ("a text", b"\"x\"".to_vec()),
        ("an empty array", b"[]".to_vec()),
        ("an array of fields", b"[1, 1, 1, 1, 1, 1, 1, 1]".to_vec()),
        ("an unknown field", b"{\"gift\": true}".to_vec()),
        ("deep arrays", deep("[", "]")),
        ("deep objects", [b"{\"gift\":".to_vec(), deep("{\"a\":", "}"), b"}".to_vec()].concat()),
        ("bytes that are no text", b"{\"id\":\"\xff\xfe\"}".to_vec()),
        ("a lone surrogate", b"{\"id\":\"\\ud800\"}".to_vec()),
    ];
    for (method, path) in &operations {
        let head =
            |rest: &str| format!("{method} {path} HTTP/1.1\r\ncontent-type: application/json\r\n{rest}");
        for (what, body) in &bodies {
            let length = format!("content-length: {}", body.len());
            let ends = [b"\r\n".to_vec(), body.clone()].concat();
            is_problem(&raw(&server, &head(&length), &ends), 400, &format!("{method} {path}: {what}"));
        }
        let what = format!("{method} {path}");
        is_problem(&raw(&server, &head("content-length: 1048577"), b"\r\n"), 413, &what);
        let typed = format!("{method} {path} HTTP/1.1\r\ncontent-type: text/plain\r\ncontent-length: 2");
        is_problem(&raw(&server, &typed, b"\r\n{}"), 415, &what);
    }
    assert_eq!(http.sequence(), before, "nothing of all that was journalled");
    server.stop();
    verified(&data);
}

#[test]
fn a_body_that_does_not_come_is_a_problem_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    // The deadline holds for those, too, who only set the shop up, on a machine that may be busy.
    let server = Server::with_http(&data, &format!("{NO_SNAPSHOTS}[http]\nread_deadline_ms = 2000\n"));
    let http = Caller::of(&server);
    http.set_up();
    let before = http.sequence();
    let kind = "content-type: application/json";
    let slow = raw(
        &server,
        &format!("POST /v1/orders HTTP/1.1\r\n{kind}\r\ncontent-length: 400"),
        b"\r\n{\"id\":\"01M8EA5QT1NXSQWCVJ43Z1W024\",",
    );
    is_problem(&slow, 408, "a body that stops");
    let chunked = format!("POST /v1/orders HTTP/1.1\r\n{kind}\r\ntransfer-encoding: chunked");
    is_problem(&raw(&server, &chunked, b"\r\n5\r\n{\"id\"\r\n"), 408, "a chunk that does not come");
    is_problem(&raw(&server, &chunked, b"\r\nzz\r\n{}\r\n0\r\n\r\n"), 400, "a chunk without a length");
    assert_eq!(http.sequence(), before);
    server.stop();
    verified(&data);
}

#[test]
fn lines_of_bulk_that_are_none_are_refused_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    http.set_up();
    let order = |id: &str| {
        let lines = json!([{"sku": "tea", "quantity": 1, "unit_price_minor": 250}]);
        json!({"id": id, "buyer": 7, "seller": "acme", "currency": "GBP", "lines": lines})
            .to_string()
            .into_bytes()
    };
    let deep = format!("{{\"id\":{}", "[".repeat(50_000)).into_bytes();
    let too_many = json!({"id": http.id(), "buyer": 7, "seller": "acme", "currency": "GBP",
        "lines": vec![json!({"sku": "tea", "quantity": 1, "unit_price_minor": 250}); 2_001]});
    let bad = [
        b"{".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"\xff\xfe".to_vec(),
        b"{\"id\":\"1\"}".to_vec(),
        deep,
        too_many.to_string().into_bytes(),
    ];
    let send = |body: Vec<u8>| {
        let url = format!("{}/v1/bulk/orders", http.base);
        let mut answered = http.agent.post(url).content_type("application/x-ndjson").send(body).unwrap();
        assert_eq!(answered.status(), 200);
        let text = answered.body_mut().read_to_string().unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    // Alone they change nothing.
    let before = http.sequence();
    let answers = send(bad.join(&b'\n'));
    assert_eq!(answers.len(), bad.len());
    for answer in &answers {
        assert_eq!(
            (&answer["outcome"], &answer["problem"]["status"]),
            (&json!("rejected"), &json!(400)),
            "{answer}"
        );
    }
    assert_eq!(http.sequence(), before);
    // Among good ones they are told apart, each by its line.
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in &bad {
        lines.extend([order(&http.id()), line.clone()]);
    }
    let answers = send(lines.join(&b'\n'));
    for (at, answer) in answers.iter().enumerate() {
        let wanted = ["accepted", "rejected"][at % 2];
        assert_eq!((&answer["line"], &answer["outcome"]), (&json!(at + 1), &json!(wanted)), "{answer}");
    }
    // A line that does not end in time ends the stream: nothing behind it is read, and it says so.
    let sent = [order(&http.id()), b"\n".to_vec(), vec![b'x'; (1 << 20) + 1]].concat();
    let chunk = [format!("\r\n{:x}\r\n", sent.len()).into_bytes(), sent].concat();
    let head =
        "POST /v1/bulk/orders HTTP/1.1\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked";
    let answer = raw(&server, head, &chunk);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"accepted\""), "{answer}");
    assert!(
        answer.contains("\"line\":2,\"outcome\":\"rejected\"") && answer.contains("longer than"),
        "{answer}"
    );
    server.stop();
    verified(&data);
}

/// So many keyed commands over the wire, in a session of their own.
fn keyed(server: &Server, count: usize) {
    let (mut wire, welcome) = RawConnection::welcomed(server.addr, SessionId::new(77));
    let mut handle = |request: u64, kind: EntityKind, code: &str| {
        let head = ResolveCode { entity: kind as u8, code_bytes: code.len() as u8, reserved: [0; 6] };
        wire.ask(request, &Command::ResolveCode(&head, code)).detail.get() as u32
    };
    let head = ReceiveStock {
        sku: SkuHandle::new(handle(1, EntityKind::Sku, "tea")),
        expected_version: 0.into(),
        cause: Cause::new_zeroed(),
        location: LocationHandle::new(handle(2, EntityKind::Location, "york") as u16),
        from_incoming: 0,
        reserved: [0; 5],
        quantity: 1.into(),
    };
    let batch = (welcome.credits.get() as usize).min(2_000);
    let mut key = 0;
    while key < count {
        let size = batch.min(count - key);
        let mut bytes = Vec::new();
        for at in key..key + size {
            Command::ReceiveStock(&head).write(KEYED_FROM | at as u64, &mut bytes);
        }
        wire.send(&commands(&bytes, size as u16));
        let mut answered = 0;
        while answered < size {
            match wire.next() {
                Said::Frame(_, replies, _) => answered += usize::from(replies),
                Said::End => panic!("the server closed at key {key}"),
            }
        }
        key += size;
    }
}

#[test]
fn a_key_older_than_what_is_remembered_is_refused_and_never_run_twice() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::with_http(&data, "[journal]\nsegment_mib = 32\n[snapshots]\nevery_records = 0\n");
    let http = Caller::of(&server);
    http.set_up();
    let receive = |http: &Caller, key: &str| -> Answer {
        let body = Some(json!({"quantity": 5}).to_string());
        http.send("POST", "/v1/stock/tea/leeds/receipts", &[("idempotency-key", key)], body)
    };
    let ulid = http.id();
    let ms = ulid.parse::<OrderId>().unwrap().unix_ms();
    let uuid = format!("{:08x}-{:04x}-7abc-8def-0123456789ab", ms >> 16, ms & 0xffff);
    for key in [&ulid, &uuid] {
        assert_eq!(receive(&http, key).is(201)["outcome"], "accepted");
        assert_eq!(receive(&http, key).is(201)["outcome"], "accepted before");
    }
    let ahead = OrderId::from_parts(ms + 3_600_000, 7).to_string();
    let refused = receive(&http, &ahead);
    refused.is_problem(409, "KeyAhead");
    assert_eq!(refused.body["retryable"], true);

    keyed(&server, KEYED_REQUESTS_MAX);
    for key in [&ulid, &uuid] {
        receive(&http, key).is_problem(409, "KeyTooOld");
    }
    let available = |http: &Caller| http.get("/v1/stock/tea/leeds").is(200)["available"].as_i64().unwrap();
    assert_eq!(available(&http), 110, "both ran once");
    // What is made now is taken, once it is as far behind the horizon as clocks may differ.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = receive(&http, &http.id());
        if answer.status == 201 {
            break;
        }
        answer.is_problem(409, "KeyTooOld");
        assert!(Instant::now() < deadline, "no new key is taken: {answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    // A key that tells no time is held to nothing.
    assert_eq!(receive(&http, "delivery-77").is(201)["units"], 120);
    server.kill();
    let server = Server::with_http(&data, NO_SNAPSHOTS);
    let http = Caller::of(&server);
    receive(&http, &ulid).is_problem(409, "KeyTooOld");
    assert_eq!(available(&http), 120);
    server.stop();
}
