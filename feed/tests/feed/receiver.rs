//! A small receiver of webhooks on a real socket, which answers as a test tells it to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// What a test waits for at most; nothing is expected to take as long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One delivery as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) cloud: Value,
    pub(crate) sequence: u64,
    pub(crate) is_accepted: bool,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Status(u16),
    /// Nothing, for as long as the sender waits.
    Hang,
    /// 429: in so many seconds again.
    Later(u64),
    /// To another place, which must not be gone to.
    Elsewhere,
}

type Rule = Box<dyn Fn(&Seen) -> Answer + Send + Sync>;

/// The receiver. Its threads end with the test's process.
pub(crate) struct Receiver {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

struct Inner {
    seen: Mutex<Vec<Seen>>,
    came: Condvar,
    rule: Mutex<Rule>,
}

impl Receiver {
    pub(crate) fn new(rule: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            seen: Mutex::default(),
            came: Condvar::new(),
            rule: Mutex::new(Box::new(rule)),
        });
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { url, inner }
    }

    pub(crate) fn accepting() -> Self {
        Self::new(|_| Answer::Status(204))
    }

    /// Answers by another rule from here on.
    pub(crate) fn answer(&self, rule: impl Fn(&Seen) -> Answer + Send + Sync + 'static) {
        *self.inner.rule.lock().unwrap() = Box::new(rule);
    }

    /// All that came, in its order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    /// The sequences of what it accepted, in the order in which it did.
    pub(crate) fn accepted(&self) -> Vec<u64> {
        self.seen().iter().filter(|seen| seen.is_accepted).map(|seen| seen.sequence).collect()
    }

    /// Waits until what came is enough.
    pub(crate) fn wait(&self, what: &str, is_enough: impl Fn(&[Seen]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.inner.seen.lock().unwrap();
        while !is_enough(&seen) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}: {} came", seen.len());
            seen = self.inner.came.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Waits until all of these were accepted.
    pub(crate) fn wait_for(&self, sequences: &[u64]) {
        self.wait(&format!("{} events", sequences.len()), |seen| {
            let accepted: std::collections::HashSet<u64> =
                seen.iter().filter(|seen| seen.is_accepted).map(|seen| seen.sequence).collect();
            sequences.iter().all(|sequence| accepted.contains(sequence))
        });
    }
}

impl Inner {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some(mut seen) = read_request(&mut reader) {
            let answer = (*self.rule.lock().unwrap())(&seen);
            seen.is_accepted = matches!(answer, Answer::Status(200..300));
            self.seen.lock().unwrap().push(seen);
            self.came.notify_all();
            let head = match answer {
                Answer::Status(status) => format!("HTTP/1.1 {status} Told\r\ncontent-length: 4\r\n\r\ntold"),
                Answer::Later(seconds) => {
                    format!("HTTP/1.1 429 Later\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n")
                }
                Answer::Elsewhere => {
                    "HTTP/1.1 307 Elsewhere\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_owned()
                }
                Answer::Hang => {
                    let _ = reader.read(&mut [0]);
                    return;
                }
            };
            if stream.write_all(head.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    if !line.starts_with("POST /hook ") {
        assert!(line.is_empty(), "an unexpected request: {line:?}");
        return None;
    }
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers
            .insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let length: usize = headers["content-length"].to_str().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    let cloud: Value = serde_json::from_str(&body).unwrap();
    let sequence = cloud["sequence"].as_str().unwrap().parse().unwrap();
    Some(Seen { headers, body, cloud, sequence, is_accepted: false })
}
