//! `orderline-sim`: lives one after the other, each under its own seed, until the time or their number is over or one of them
//! comes to what must not be.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use orderline_sim::{Tally, live};
use serde_json::json;

/// The seed of the life under way, for a panic to be told with.
static SEED: AtomicU64 = AtomicU64::new(0);

/// Lives of a server and its clients, with every fault in them, decided by seeds.
#[derive(Parser)]
#[command(name = "orderline-sim", version)]
struct Arguments {
    /// Live this seed, and the ones that follow it if more are asked for; without it the first one is drawn.
    #[arg(long)]
    seed: Option<u64>,
    /// Lives to live.
    #[arg(long)]
    runs: Option<u64>,
    /// Seconds to spend; with neither this nor --runs, one life.
    #[arg(long)]
    seconds: Option<u64>,
    /// Print one JSON object on stdout.
    #[arg(long)]
    json: bool,
    /// Print every step.
    #[arg(long)]
    trace: bool,
    /// Go on behind a life that failed.
    #[arg(long)]
    keep_going: bool,
}

fn commit() -> &'static str {
    env!("ORDERLINE_COMMIT")
}

fn replay(seed: u64) -> String {
    format!(
        "seed {seed} commit {}; again: cargo run --release -p orderline-sim -- --seed {seed} --trace",
        commit()
    )
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A life's few orders are spread over many tables; clearing a huge page for each would take longer than the life.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        told(info);
        eprintln!("panicked: {}", replay(SEED.load(Ordering::Relaxed)));
    }));
    let first = arguments.seed.unwrap_or_else(|| {
        std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64 >> 8)
    });
    let runs = arguments.runs.unwrap_or(if arguments.seconds.is_some() { u64::MAX } else { 1 });
    let begin = Instant::now();
    let until = arguments.seconds.map(|seconds| begin + Duration::from_secs(seconds));
    let (mut tally, mut lives, mut simulated_us, mut busy_us) = (Tally::default(), 0_u64, 0_u64, 0_u64);
    let mut failed = Vec::new();
    let mut trace = 0_u64;
    let mut said_at = begin;
    while lives < runs && until.is_none_or(|until| Instant::now() < until) {
        let seed = first.wrapping_add(lives);
        SEED.store(seed, Ordering::Relaxed);
        let ended = live(seed, arguments.trace);
        lives += 1;
        tally.add(&ended.tally);
        simulated_us += ended.simulated_us;
        busy_us += ended.busy_us;
        trace = trace.rotate_left(1) ^ ended.trace;
        if let Some(violation) = ended.violation {
            eprintln!("FAILED: {violation}\n        {}", replay(seed));
            failed.push(json!({ "seed": seed, "violation": violation }));
            if !arguments.keep_going {
                break;
            }
        }
        if said_at.elapsed() > Duration::from_secs(10) {
            said_at = Instant::now();
            eprintln!("{lives} lives, {} commands, {} failed", tally.commands, failed.len());
        }
    }
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds());
    let (simulated, busy) = (simulated_us as f64 / 1e6, busy_us as f64 / 1e6);
    eprint!("{tally}");
    eprintln!(
        "{lives} lives from seed {first}, commit {}: {:.0} s simulated ({busy:.0} s of it with clients asking) in {seconds:.1} s \
         and {cpu:.1} s of processor time\n{:.0} x real time, {:.0} x while clients ask, {:.0} commands a second, {} failed, trace \
         {trace:016x}",
        commit(),
        simulated,
        simulated / cpu,
        busy / cpu,
        tally.commands as f64 / cpu,
        failed.len()
    );
    let is_well = failed.is_empty();
    if arguments.json {
        let counts: serde_json::Map<_, _> =
            tally.rows().into_iter().map(|(name, _, count)| (name.to_owned(), count.into())).collect();
        let line = json!({
            "ok": is_well,
            "commit": commit(),
            "first_seed": first,
            "lives": lives,
            "simulated_seconds": simulated,
            "busy_seconds": busy,
            "seconds": seconds,
            "cpu_seconds": cpu,
            "times_real": simulated / cpu,
            "times_real_busy": busy / cpu,
            "commands_per_cpu_second": tally.commands as f64 / cpu,
            "trace": format!("{trace:016x}"),
            "violations": failed,
            "counts": counts,
        });
        // Whoever has closed the pipe wants no answer.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::from(1) }
}
