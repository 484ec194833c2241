//! Ten thousand sockets that say nothing, and some that say a byte a second: each meets its deadline, the server does not
//! spin, and who has something to say is served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use orderline_protocol::SessionId;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::paced_load;
use crate::proof::Proof;
use crate::support::Server;
use crate::support::raw::hello;
use crate::support::server::NO_SNAPSHOTS;

const IDLE: usize = 10_000;
const SLOW: usize = 100;

/// Descriptors for both: as many as may be had.
fn raise_descriptors() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| limit as usize)
}

/// Processor time that a process has used so far.
fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}

#[test]
fn silent_and_slow_sockets_cost_nobody_anything() {
    let idle = IDLE.min(raise_descriptors().saturating_sub(2_000));
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "{NO_SNAPSHOTS}[gateway]\nconnections_max = 12000\nworks_per_connection_max = 1\nhello_deadline_ms = 8000\n"
    );
    let server = Server::start(&directory.path().join("data"), &config);
    let alone = paced_load(&server, "2000", "3").finish().well();
    let mut proof = Proof::of(17, "idle sockets and a byte a second");
    let silent: Vec<TcpStream> = (0..idle).map(|_| TcpStream::connect(server.addr).unwrap()).collect();
    let mut slow: Vec<TcpStream> = (0..SLOW).map(|_| TcpStream::connect(server.addr).unwrap()).collect();
    let hello = hello(SessionId::new(77));
    let started = Instant::now();
    let mut running = Some(paced_load(&server, "2000", "3"));
    let mut crowded = None;
    // Byte by byte, far beyond the deadline.
    for byte in hello.iter().take(10) {
        for stream in &mut slow {
            // Refused by now, perhaps.
            let _ = stream.write_all(&[*byte]);
        }
        std::thread::sleep(Duration::from_secs(1));
        if started.elapsed() > Duration::from_secs(4) && crowded.is_none() {
            crowded = running.take().map(|running| running.finish().well());
        }
    }
    let crowded = crowded.expect("the load has run");
    for report in [&alone, &crowded] {
        let is_served = report["unknown"] == 0 && report["rejected"] == 0;
        proof.check(is_served, || format!("{report}"));
    }
    // Each was told why, and closed.
    for mut stream in silent.into_iter().chain(slow) {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut told = Vec::new();
        let ended = stream.read_to_end(&mut told);
        let is_closed = match ended {
            Ok(_) => !told.is_empty(),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        };
        proof.check(is_closed, || "a socket that said nothing is still open".to_owned());
    }
    let (before, start) = (processor_time(server.pid()), Instant::now());
    std::thread::sleep(Duration::from_secs(1));
    let spent = (processor_time(server.pid()) - before).as_secs_f64() / start.elapsed().as_secs_f64();
    proof.figure("idle_sockets", idle as f64);
    proof.figure("p99_alone_ms", alone["latency_us"]["p99"].as_f64().unwrap() / 1e3);
    proof.figure("p99_beside_ms", crowded["latency_us"]["p99"].as_f64().unwrap() / 1e3);
    proof.figure("processor_percent_afterwards", spent * 100.0);
    proof.end();
}
