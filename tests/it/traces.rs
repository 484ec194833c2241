//! Traces by OpenTelemetry: spans that belong to their callers' traces, and a collector that costs requests nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::http::Caller;
use crate::support::Server;
use crate::support::server::NO_SNAPSHOTS;

fn config(endpoint: &str, more: &str) -> String {
    format!("{NO_SNAPSHOTS}[traces]\nendpoint = \"{endpoint}\"\n{more}")
}

/// A secret that nobody is to see.
const SECRET: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75ec2";

/// How long anything is waited for: only what never happens meets it.
const AWAIT_MAX: Duration = Duration::from_secs(60);

/// A collector on loopback that answers or never does, and hands on the bodies that are posted to it.
struct Collector {
    endpoint: String,
    bodies: Receiver<Vec<u8>>,
}

impl Collector {
    fn start(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let (sender, bodies) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                std::thread::spawn(move || take(stream.unwrap(), &sender, answers));
            }
        });
        Self { endpoint, bodies }
    }

    /// Everything that was posted, up to the body that has these bytes.
    fn until(&self, wanted: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        while !has(&all, wanted) {
            all.extend(self.bodies.recv_timeout(AWAIT_MAX).expect("spans come"));
        }
        all
    }
}

/// Reads requests off a connection.
fn take(stream: TcpStream, sender: &Sender<Vec<u8>>, answers: bool) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut bytes, mut head) = (0, String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            head.push_str(&line);
            if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                bytes = length.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        assert!(head.starts_with("POST /v1/traces "), "{head}");
        assert!(head.contains("application/x-protobuf"), "{head}");
        let mut body = vec![0; bytes];
        reader.read_exact(&mut body).unwrap();
        let _ = sender.send(body);
        if answers {
            (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        }
    }
}

fn count(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).filter(|window| *window == wanted).count()
}

fn has(bytes: &[u8], wanted: &[u8]) -> bool {
    count(bytes, wanted) > 0
}

/// What a span of this outcome was counted as.
fn outcome(http: &Caller, outcome: &str) -> u64 {
    let metrics = http.get("/metrics").body.as_str().unwrap().to_owned();
    let name = format!("orderline_trace_spans_total{{outcome=\"{outcome}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("it is counted");
    line.parse().unwrap()
}

#[test]
fn spans_of_a_request_belong_to_its_callers_trace() {
    let directory = tempfile::tempdir().unwrap();
    let collector = Collector::start(true);
    let server = Server::with_http(&directory.path().join("data"), &config(&collector.endpoint, ""));
    let http = Caller::of(&server);
    let send = |trace: u8, flags: &str, path: &str| {
        let parent = format!("00-{}-{}-{flags}", format!("{trace:02x}").repeat(16), "cd".repeat(8));
        let bearer = format!("Bearer {SECRET}");
        let headers = [
            ("traceparent", parent.as_str()),
            ("x-request-id", "its-own-id"),
            ("authorization", bearer.as_str()),
        ];
        http.send("GET", path, &headers, None).is(200);
    };
    send(0xaa, "00", "/v1/status");
    send(0xab, "01", "/v1/status?at_least=0");
    let spans = collector.until(b"GET /v1/status");
    // The request, its wait for the engine, and that for the disk.
    assert_eq!(count(&spans, &[0xab; 16]), 3);
    assert!(has(&spans, &[0xcd; 8]), "the caller's span is the parent");
    for word in
        ["engine", "durable", "its-own-id", "http.response.status_code", "orderline", "service.version"]
    {
        assert!(has(&spans, word.as_bytes()), "{word}");
    }
    for secret in [SECRET, "at_least"] {
        assert!(!has(&spans, secret.as_bytes()), "{secret}: neither headers nor parameters are told");
    }
    assert!(!has(&spans, &[0xaa; 16]), "whose caller does not trace it is not traced");
    // Without a caller's word, a trace of its own.
    http.get("/v1/problems").is(200);
    assert!(!has(&collector.until(b"GET /v1/problems"), &[0xab; 16]));
    while outcome(&http, "sent") < 4 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!((outcome(&http, "failed"), outcome(&http, "dropped")), (0, 0));
    server.stop();
}

#[test]
fn the_last_spans_are_sent_before_the_server_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let collector = Collector::start(true);
    let server = Server::with_http(&directory.path().join("data"), &config(&collector.endpoint, ""));
    Caller::of(&server).get("/v1/transitions").is(200);
    server.stop();
    collector.until(b"GET /v1/transitions");
}

#[test]
fn nobody_waits_for_a_collector_that_says_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let collector = Collector::start(false);
    let config = config(&collector.endpoint, "queue_spans_max = 8\n");
    let server = Server::with_http(&directory.path().join("data"), &config);
    let http = Caller::of(&server);
    http.get("/v1/status").is(200);
    collector.until(b"GET /v1/status");
    // It has spans now and will never answer; more are made than may wait.
    (0..100).for_each(|_| drop(http.get("/v1/status").is(200)));
    assert!(outcome(&http, "dropped") > 100);
    assert_eq!(outcome(&http, "sent"), 0);
    server.stop();
}

#[test]
fn a_collector_that_is_not_there_is_told_once_and_its_spans_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    // A port that the system gives to nobody: another test's collector could come to listen on one that was only free.
    let config = config("http://127.0.0.1:1/v1/traces", "");
    let server = Server::with_http(&directory.path().join("data"), &config);
    let http = Caller::of(&server);
    while outcome(&http, "failed") == 0 {
        http.get("/v1/status").is(200);
    }
    let failed = outcome(&http, "failed");
    while outcome(&http, "failed") == failed {
        std::thread::sleep(Duration::from_millis(5));
    }
    let said = server.stop();
    assert_eq!(said.matches("takes no spans").count(), 1, "{said}");
}
