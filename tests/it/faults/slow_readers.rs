//! Clients that ask for more than they read: each is held to a cap and dropped, and the others do not feel it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use orderline_protocol::command::{AskedSku, QueryAvailability};
use orderline_protocol::{Command, SessionId};

use super::paced_load;
use crate::proof::Proof;
use crate::support::raw::{commands, hello};
use crate::support::server::NO_SNAPSHOTS;
use crate::support::{Server, Shop};

const SLOW: u128 = 4;

/// Asks until its own socket is full, for the server has stopped reading it or closed it, and reads nothing.
fn ask_without_reading(stream: &mut TcpStream, sku: orderline_protocol::SkuHandle, until: Instant) {
    let asked = vec![AskedSku { sku }; 500];
    let head = QueryAvailability { sku_count: 500.into(), reserved: [0; 2] };
    stream.set_nonblocking(true).unwrap();
    let mut request = 0;
    let mut left: Vec<u8> = Vec::new();
    while Instant::now() < until {
        if left.is_empty() {
            let mut bytes = Vec::new();
            for _ in 0..4 {
                request += 1;
                Command::QueryAvailability(&head, &asked).write(request, &mut bytes);
            }
            left = commands(&bytes, 4);
            // No more than a busy shop would ask: it is the reading that is missed here, not the answering.
            std::thread::sleep(Duration::from_millis(20));
        }
        match stream.write(&left) {
            Ok(written) => drop(left.drain(..written)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(10))
            }
            Err(_) => return,
        }
    }
}

#[test]
fn slow_readers_are_dropped_and_the_others_do_not_feel_it() {
    let directory = tempfile::tempdir().unwrap();
    let config = format!("{NO_SNAPSHOTS}[gateway]\noutput_mib_max = 1\nwrite_stall_ms_max = 1000\n");
    let server = Server::start(&directory.path().join("data"), &config);
    let shop = Shop::open(&mut server.client());
    let mut proof = Proof::of(15, "clients that never read, beside one that does");
    let alone = paced_load(&server, "2000", "8").finish().well();
    let beside = paced_load(&server, "2000", "8");
    // Until they are dropped: how soon their sockets are full depends on how fast a server answers.
    let until = Instant::now() + Duration::from_secs(120);
    let mut streams: Vec<TcpStream> = (1..=SLOW)
        .map(|session| {
            let mut stream = TcpStream::connect(server.addr).unwrap();
            stream.write_all(&hello(SessionId::new(session))).unwrap();
            // A welcome, of which the first bytes are enough.
            assert!(stream.read(&mut [0; 16]).unwrap() > 0);
            stream
        })
        .collect();
    std::thread::scope(|scope| {
        for stream in &mut streams {
            scope.spawn(|| ask_without_reading(stream, shop.skus[0], until));
        }
    });
    let beside = beside.finish().well();
    for report in [&alone, &beside] {
        proof.check(report["unknown"] == 0 && report["rejected"] == 0, || format!("{report}"));
    }
    for mut stream in streams {
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut buffer = vec![0; 1 << 20];
        let ended = loop {
            match stream.read(&mut buffer) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) => break error.kind() == ErrorKind::ConnectionReset,
            }
        };
        proof.check(ended, || "a slow reader was not dropped".to_owned());
    }
    let p99 = |report: &serde_json::Value| report["latency_us"]["p99"].as_f64().unwrap() / 1e3;
    proof.figure("p99_alone_ms", p99(&alone));
    proof.figure("p99_beside_ms", p99(&beside));
    proof.figure("peak_mib", server.peak_mib());
    proof.end();
}
