//! The application tier of `serve`, put together beside the gateway: the front and the HTTP server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use orderline_access::Access;
use orderline_access::tls::Identity;
use orderline_core::Meters;
use orderline_core::door::Door;
use orderline_feed::webhooks::Webhooks;
use orderline_feed::{Consumers, Feed};
use orderline_gateway::GatewayStats;
use orderline_journal::{Storage, Watermark};
use orderline_protocol::frame::CloseReason;
use orderline_readmodel::{ReadModel, Reader};
use orderline_web::api::Parts;
use orderline_web::front::{Front, FrontThread};
use orderline_web::metrics::{Metrics, MoreSamples, Sample};
use orderline_web::recovery::LastStart;
use orderline_web::{Names, Recovery};

use crate::config::Config;
use crate::verb::Refusal;

/// Who counts what.
pub(crate) struct Counted {
    /// The engine.
    pub(crate) meters: Arc<Meters>,
    /// The journal.
    pub(crate) watermark: Watermark,
    /// The gateway.
    pub(crate) gateway: Arc<GatewayStats>,
}

/// Where events are kept.
pub(crate) struct Kept {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The store.
    pub(crate) storage: Arc<dyn Storage>,
    /// Its id.
    pub(crate) store_id: u128,
    /// How it was brought back.
    pub(crate) last_start: LastStart,
}

/// The application tier: a server, and the front behind which it enters the engine.
pub(crate) struct Application {
    server: orderline_web::Server,
    front: Front,
    thread: FrontThread,
    stopping: Arc<AtomicBool>,
    models: JoinHandle<()>,
    recovery: Arc<Recovery>,
}

impl Application {
    /// Starts it behind a door.
    pub(crate) fn start(
        listen: SocketAddr,
        door: Door,
        counted: Counted,
        kept: Kept,
        access: Access,
        identity: Option<&Identity>,
        config: &Config,
    ) -> Result<Self, Refusal> {
        let Counted { meters, watermark, gateway } = counted;
        let (front, thread) = Front::start(door, config.http.commands_max)?;
        let names = Arc::new(Names::new(front.clone()));
        let Kept { data, storage, store_id, last_start } = kept;
        let model =
            ReadModel::open(&data.join("readmodel"), Arc::clone(&storage), store_id, config.read_models())?;
        if model.lacks_its_beginning()? {
            eprintln!(
                "the journal's first segments were removed: the read models know of what is in those that are left"
            );
        }
        let reader = model.reader();
        let stopping = Arc::new(AtomicBool::new(false));
        let models = {
            let (watermark, stopping) = (watermark.clone(), Arc::clone(&stopping));
            let run = move || model.run(&watermark, &stopping, |told| eprintln!("{told}"));
            std::thread::Builder::new().name("readmodel".to_owned()).spawn(run)?
        };
        let feed = Feed::new(Arc::clone(&storage), store_id, watermark.clone(), names.clone(), names.clone());
        let feed = Arc::new(feed);
        let webhooks = Webhooks::start(Arc::clone(&feed), Arc::clone(&storage), config.webhook_options())?;
        let recovery = Arc::new(Recovery::new(
            Arc::clone(&storage),
            store_id,
            watermark.clone(),
            last_start,
            config.background_bytes_per_s_max(),
        ));
        let parts = Parts {
            front: front.clone(),
            access,
            names,
            metrics: Metrics::new(meters, watermark, more_samples(gateway, reader.clone())),
            feed,
            webhooks: Arc::new(webhooks),
            consumers: Arc::new(Consumers::open(storage)?),
            models: reader,
            recovery: Arc::clone(&recovery),
        };
        let tls = identity.map(|identity| identity.server_config(&["h2", "http/1.1"])).transpose()?;
        let server = orderline_web::Server::start(listen, parts, tls, config.http_options())
            .map_err(|error| Refusal::new(format!("cannot listen for HTTP on {listen}: {error}")))?;
        Ok(Self { server, front, thread, stopping, models, recovery })
    }

    /// Where it listens for HTTP.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Ends what is under way, and says whether it ended well.
    pub(crate) fn stop(self) -> bool {
        self.server.stop();
        self.front.stop();
        self.stopping.store(true, Ordering::Release);
        self.models.join().is_ok() & self.thread.join() & self.recovery.verifier().stop()
    }
}

/// What the gateway counts, and how far the read models are, as metrics.
fn more_samples(stats: Arc<GatewayStats>, models: Reader) -> MoreSamples {
    let sample = |name, help, is_counter, label, count: u64| Sample {
        name,
        help,
        is_counter,
        label,
        value: count as f64,
    };
    Arc::new(move || {
        let counted = |name, help, of: &AtomicU64| sample(name, help, true, None, of.load(Ordering::Relaxed));
        let open = stats.connections_open.load(Ordering::Relaxed);
        let help = "The newest sequence that is in the read models.";
        let mut samples = vec![
            sample("orderline_read_model_sequence", help, false, None, models.as_of().sequence),
            sample("orderline_tcp_open_connections", "TCP connections open now.", false, None, open),
            counted("orderline_tcp_connections_total", "TCP connections accepted.", &stats.connections_total),
            counted("orderline_tcp_frames_total", "Frames of commands let in.", &stats.frames),
            counted("orderline_tcp_commands_total", "Commands let in over TCP.", &stats.commands),
            counted(
                "orderline_tcp_commands_refused_total",
                "Commands refused at once, being too many.",
                &stats.commands_refused,
            ),
            counted("orderline_tcp_received_bytes_total", "Bytes read from TCP.", &stats.bytes_in),
            counted("orderline_tcp_sent_bytes_total", "Bytes written to TCP.", &stats.bytes_out),
        ];
        samples.extend(CloseReason::ALL.iter().map(|&reason| {
            let label = Some(("reason", format!("{reason:?}")));
            let help = "TCP connections closed by the server, by reason.";
            sample("orderline_tcp_closes_total", help, true, label, stats.closed_because(reason))
        }));
        samples
    })
}
