//! `orderline serve`: the line, composed in one place.
//!
//!     socket -> gateway -> door -> engine -> journal -> sync -> watermark -> gateway -> socket
//!
//! Four threads make it: the gateway (this one), the engine, the sync thread and, now and then, the snapshots' maker. With
//! `--http` the application tier stands beside the gateway, behind a door of its own.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use orderline_core::recovery::{self, Recovered};
use orderline_core::snapshot::{NeededFrom, SnapshotPlan, Snapshotter, Stepped};
use orderline_core::{Doors, Engine};
use orderline_gateway::Gateway;
use orderline_journal::storage::{faulty_if_told, stop_on_lost_pages};
use orderline_journal::{Locked, MappedStorage, PositionalStorage, Storage, Watermark};
use orderline_protocol::Sequence;
use orderline_web::api::types::Time;
use orderline_web::recovery::{LastStart, Torn};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::{error, info, warn};

use crate::access;
use crate::application::{self, Application, Counted, Kept};
use crate::cli::ServeArguments;
use crate::config::{Backend, Config, LogFormat};
use crate::logs;
use crate::offline::random_seed;
use crate::progress::{ProgressLine, grouped};
use crate::traces::Traces;
use crate::verb::{Ending, Refusal, VerbResult, spawn};

pub(crate) fn run(arguments: &ServeArguments) -> VerbResult {
    let config = Config::load(arguments.config.as_deref())?;
    let traces = Traces::start(&config.traces)?;
    logs::start(&config.log, traces.as_ref())?;
    #[cfg(feature = "seeded-bugs")]
    tell_the_planted_bug()?;
    let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
    info!(version, pid, data = %arguments.data.display(), "starting");
    let mut gateway_options = config.gateway_options();
    let identity = access::identity(&config)?;
    gateway_options.tls = identity.as_ref().map(|identity| identity.server_config(&[])).transpose()?;
    gateway_options.check(gateway_options.door_capacity())?;

    stop_on_lost_pages()?;
    check_memory(config.journal_options().segment_bytes)?;
    let (recovered, last_start) = recover(arguments, &config)?;
    if arguments.state_hash {
        let start = Instant::now();
        let hash = recovered.state.hash();
        let took_ms = start.elapsed().as_millis() as u64;
        info!(state_hash = %hash, sequence = recovered.state.sequence(), took_ms, "the recovered state is hashed");
    }
    let Recovered { mut state, opened, snapshot_sequence, .. } = recovered;
    let access = access::of(&config, &state)?;
    access::check_listening(arguments, &access, identity.as_ref())?;
    gateway_options.access = access.clone();
    let model = match arguments.http {
        Some(_) => Some(application::read_models(&arguments.data, &opened, &state, &config)?),
        None => None,
    };
    state.preallocate_orders(config.engine.preallocate_orders);

    let mut doors = Doors::new(opened.watermark.clone());
    let door = doors.open(gateway_options.door_capacity());
    let http_door = arguments.http.map(|_| doors.open(config.http.works_max));
    let meters = doors.meters();
    let snapshots = doors.snapshots();
    let http_access = access.clone();
    doors.on_tokens(move |state| access::fill(&access, state));
    let gateway = Gateway::bind(arguments.listen, door, gateway_options)?;
    let listen = gateway.local_addr();
    let engine = Engine::new(state, opened.writer, doors, unix_us, config.engine_options());

    stop_when_the_journal_fails(&opened.watermark);
    let stopping = Arc::new(AtomicBool::new(false));
    let sync_thread = opened.syncer.spawn().map_err(Refusal::no_thread("journal-sync"))?;
    let engine_thread = spawn("engine", move || engine.run())?;
    let plan = SnapshotPlan {
        every_records: config.snapshots.every_records,
        remove_segments: config.snapshots.remove_segments,
        held_segments_max: config.held_segments_max(),
        bytes_per_s_max: config.background_bytes_per_s_max(),
        last_sequence: snapshot_sequence,
    };
    let watermark = opened.watermark.clone();
    let (storage, store_id) = (Arc::clone(&opened.storage), opened.recovery.store_id);
    let application = match (arguments.http, http_door, model) {
        (Some(listen), Some(door), Some(model)) => {
            let counted = Counted { meters, watermark, gateway: gateway.stats(), traces: traces.clone() };
            let kept = Kept { data: arguments.data.clone(), storage, store_id, last_start, model };
            Some(Application::start(listen, door, counted, kept, http_access, identity.as_ref(), &config)?)
        }
        _ => None,
    };
    let needed_from = application
        .as_ref()
        .map_or_else(|| Box::new(|| Sequence::MAX) as NeededFrom, Application::needed_from);
    let snapshotter =
        Snapshotter::new(opened.storage, store_id, opened.watermark, snapshots, plan, needed_from);
    let snapshot_thread = spawn_snapshotter(snapshotter, Arc::clone(&stopping))?;
    let gateway_handle = gateway.handle();
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    spawn("signals", move || {
        for signal in signals.forever() {
            if signal == SIGHUP {
                access::reload(identity.as_ref());
                continue;
            }
            info!(signal, "stopping: what is in flight is answered first");
            gateway_handle.stop();
            return;
        }
    })?;

    let http = application.as_ref().map(Application::local_addr);
    info!(%listen, http = http.map(tracing::field::display), tls = config.tls.certificate.is_some(), "ready");
    match http {
        Some(http) => say_ready(&format!("ready {listen} {http}"))?,
        None => say_ready(&format!("ready {listen}"))?,
    }
    gateway.run()?;
    let application_ended = application.is_none_or(Application::stop);
    if let Some(traces) = traces {
        traces.stop();
    }

    // Every front has closed its door: the engine ends when it has decided what was in them, the sync thread when all
    // of that is durable.
    let ended = engine_thread.join();
    stopping.store(true, Ordering::Release);
    let stats = match ended {
        Ok(stats) => stats?,
        Err(_) => return Err(Refusal::new("the engine has stopped on a broken invariant; see above")),
    };
    let joined = sync_thread.join().is_ok() & snapshot_thread.join().is_ok() & application_ended;
    info!(
        accepted = stats.accepted_count,
        rejected = stats.rejected_count,
        repeated = stats.repeated_count,
        answered = stats.answered_count,
        snapshot_steps = stats.walk_step_count,
        snapshot_step_us_max = stats.walk_step_us_max,
        "stopped"
    );
    Ok(Ending::well_if(joined))
}

/// Address space that a server takes at its start beside its segments and what the program has already: arenas, rings, threads'
/// stacks. Measured: 313 MiB in all with segments of 3 MiB, of which more than 14 are there by then.
const START_BYTES: usize = 300 << 20;

/// Refuses a start that could not get the memory for its first steps, in a sentence instead of in the middle of one of them.
fn check_memory(segment_bytes: u64) -> Result<(), Refusal> {
    // The segment that is written and the one that is prepared.
    let bytes = START_BYTES.saturating_add(usize::try_from(2 * segment_bytes).unwrap_or(usize::MAX));
    // Room is taken, and given back before a page of it is touched.
    Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| {
        Refusal::new(format!(
            "not enough memory to start: {} MiB of address space are needed for segments of {} MiB and an empty state, and the \
             system gives less; raise the limit (ulimit -v), or lower journal.segment_mib",
            bytes >> 20,
            segment_bytes >> 20
        ))
    })
}

/// Snapshots can wait: their thread gives way to the others.
fn spawn_snapshotter(snapshotter: Snapshotter, stopping: Arc<AtomicBool>) -> Result<JoinHandle<()>, Refusal> {
    spawn("snapshots", move || {
        // On Linux a priority belongs to a thread. Without it snapshots are made all the same.
        let _ = rustix::process::setpriority_process(None, 10);
        snapshotter.run(&stopping, tell_snapshot);
    })
}

fn tell_snapshot(stepped: &Stepped, took: Duration) {
    let took_ms = took.as_millis() as u64;
    match stepped {
        Stepped::Made(info) => {
            info!(sequence = info.sequence, mib = info.bytes >> 20, took_ms, "a snapshot was made");
        }
        Stepped::Failed(sequence, error) => {
            warn!(sequence, %error, "a snapshot could not be made; it is tried again later");
        }
        Stepped::Removed(Ok(segments)) => info!(segments, "segments behind the older snapshot were removed"),
        Stepped::Removed(Err(error)) => warn!(%error, "segments could not be removed"),
        Stepped::Wrote(_) | Stepped::Idle | Stepped::Ended => {}
    }
}

fn recover(arguments: &ServeArguments, config: &Config) -> Result<(Recovered, LastStart), Refusal> {
    let start = Instant::now();
    let storage: Arc<dyn Storage> = match config.journal.backend {
        Backend::Mapped => Arc::new(MappedStorage::new(&arguments.data)),
        Backend::Positional => Arc::new(PositionalStorage::new(&arguments.data)),
    };
    let locked = Locked::new(faulty_if_told(storage)?, config.journal_options())?;
    let mut line = ProgressLine::new();
    let is_watched = line.is_terminal() && config.log.format == LogFormat::Text;
    let recovered = recovery::recover(locked, random_seed(), |sequence| {
        if is_watched {
            line.show(|| format!("recovering: sequence {}", grouped(sequence)));
        } else if line.is_due() {
            info!(sequence, "recovering");
        }
    })?;
    line.done();
    for refused in &recovered.snapshots_refused {
        warn!(%refused, "a snapshot was passed over");
    }
    if let Some(torn) = &recovered.opened.recovery.torn_tail {
        warn!(
            bytes = torn.bytes_removed,
            offset = torn.offset,
            segment = torn.segment,
            reason = torn.reason,
            kept_in = ?torn.kept_in,
            "a torn tail was cut, which was never acknowledged"
        );
    }
    info!(
        orders = recovered.state.counts().orders_total,
        sequence = recovered.state.sequence(),
        snapshot_sequence = recovered.snapshot_sequence,
        replayed = recovered.replayed_count,
        took_ms = start.elapsed().as_millis() as u64,
        "recovered"
    );
    let last_start = LastStart {
        at: Time(unix_us()),
        took_ms: start.elapsed().as_millis() as u64,
        snapshot_sequence: recovered.snapshot_sequence,
        snapshots_refused: recovered.snapshots_refused.clone(),
        records_replayed: recovered.replayed_count,
        sequence: recovered.state.sequence(),
        torn_tail: recovered.opened.recovery.torn_tail.as_ref().map(Torn::of),
    };
    Ok((recovered, last_start))
}

/// A failed write or sync is final: nothing more may be acknowledged, and only a restart can tell what is on disk.
fn stop_when_the_journal_fails(watermark: &Watermark) {
    let watched = watermark.clone();
    watermark.subscribe(Box::new(move || {
        if let Some(failure) = watched.failure() {
            error!(%failure, "stopping at once, nothing more is acknowledged");
            std::process::exit(1);
        }
    }));
}

#[allow(clippy::print_stdout)] // The one line that callers wait for.
fn say_ready(line: &str) -> Result<(), Refusal> {
    println!("{line}");
    std::io::stdout().flush()?;
    Ok(())
}

/// Microseconds since 1970.
pub(crate) fn unix_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_micros() as i64,
        Err(before) => -(before.duration().as_micros() as i64),
    }
}

/// A build with bugs in it serves nobody by accident.
#[cfg(feature = "seeded-bugs")]
fn tell_the_planted_bug() -> Result<(), Refusal> {
    let Some(bug) = orderline_journal::bugs::planted() else {
        return Err(Refusal::new(
            "this build has the feature seeded-bugs and serves only with the bug that ORDERLINE_BUG names; \
             for a server without bugs, build without the feature",
        ));
    };
    warn!("THIS SERVER HAS A BUG ON PURPOSE: {bug}. IT WILL LOSE OR SPOIL WHAT IT IS GIVEN.");
    Ok(())
}
