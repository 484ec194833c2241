//! The application tier of `serve`, put together beside the gateway: the front and the HTTP server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use orderline_access::Access;
use orderline_access::tls::Identity;
use orderline_core::Meters;
use orderline_core::door::Door;
use orderline_feed::webhooks::Webhooks;
use orderline_feed::{Consumers, Feed};
use orderline_gateway::GatewayStats;
use orderline_journal::{Storage, Watermark};
use orderline_readmodel::ReadModel;
use orderline_web::api::Parts;
use orderline_web::front::{Front, FrontThread};
use orderline_web::metrics::Metrics;
use orderline_web::recovery::LastStart;
use orderline_web::{Names, Recovery};
use tracing::warn;

use crate::config::Config;
use crate::measures::Measured;
use crate::traces::Traces;
use crate::verb::Refusal;

/// Who counts what.
pub(crate) struct Counted {
    /// The engine.
    pub(crate) meters: Arc<Meters>,
    /// The journal.
    pub(crate) watermark: Watermark,
    /// The gateway.
    pub(crate) gateway: Arc<GatewayStats>,
    /// Who sends spans, if anybody does.
    pub(crate) traces: Option<Traces>,
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
        let Counted { meters, watermark, gateway, traces } = counted;
        let (front, thread) = Front::start(door, config.http.commands_max)?;
        let names = Arc::new(Names::new(front.clone()));
        let Kept { data, storage, store_id, last_start } = kept;
        let model =
            ReadModel::open(&data.join("readmodel"), Arc::clone(&storage), store_id, config.read_models())?;
        if model.lacks_its_beginning()? {
            warn!(
                "the journal's first segments were removed: the read models know of what is in those that are left"
            );
        }
        let reader = model.reader();
        let stopping = Arc::new(AtomicBool::new(false));
        let models = {
            let (watermark, stopping) = (watermark.clone(), Arc::clone(&stopping));
            let run = move || model.run(&watermark, &stopping, |told| warn!("{told}"));
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
        let (webhooks, consumers) = (Arc::new(webhooks), Arc::new(Consumers::open(storage)?));
        let measured = Measured {
            gateway,
            watermark: watermark.clone(),
            models: reader.clone(),
            webhooks: Arc::clone(&webhooks),
            consumers: Arc::clone(&consumers),
            data,
            traces: traces.clone(),
        };
        let parts = Parts {
            front: front.clone(),
            access,
            names,
            metrics: Metrics::new(meters, watermark, measured.samples()),
            feed,
            webhooks,
            consumers,
            models: reader,
            recovery: Arc::clone(&recovery),
            traced: traces.as_ref().map(Traces::parent),
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
