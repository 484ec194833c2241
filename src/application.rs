//! The application tier of `serve`, put together beside the gateway: the front and the HTTP server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use orderline_access::Access;
use orderline_access::tls::Identity;
use orderline_core::door::Door;
use orderline_core::snapshot::NeededFrom;
use orderline_core::{Meters, State};
use orderline_feed::webhooks::Webhooks;
use orderline_feed::{Consumers, Feed};
use orderline_gateway::GatewayStats;
use orderline_journal::{Opened, RecoveryReport, Storage, Watermark};
use orderline_protocol::Sequence;
use orderline_readmodel::{ReadModel, Reader};
use orderline_web::api::Parts;
use orderline_web::front::{Front, FrontThread};
use orderline_web::metrics::Metrics;
use orderline_web::recovery::LastStart;
use orderline_web::{Names, Owners, Recovery};
use tracing::warn;

use crate::config::Config;
use crate::measures::Measured;
use crate::traces::Traces;
use crate::verb::{Refusal, spawn};

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
    /// What is searched.
    pub(crate) model: ReadModel,
}

/// The application tier: a server, and the front behind which it enters the engine.
pub(crate) struct Application {
    server: orderline_web::Server,
    front: Front,
    thread: FrontThread,
    stopping: Arc<AtomicBool>,
    models: JoinHandle<()>,
    recovery: Arc<Recovery>,
    reader: Reader,
    webhooks: Arc<Webhooks>,
    consumers: Arc<Consumers>,
}

/// Opens the read models. Where the journal's first segments were removed and nothing that was known is left, they begin with what
/// the engine holds at the journal's end, `position`.
pub(crate) fn read_models(
    data: &Path,
    opened: &Opened,
    state: &State,
    config: &Config,
) -> Result<ReadModel, Refusal> {
    let RecoveryReport { store_id, position, .. } = opened.recovery;
    let storage = Arc::clone(&opened.storage);
    let mut model = ReadModel::open(&data.join("readmodel"), storage, store_id, config.read_models())?;
    if model.lacks_its_beginning()? {
        let known_from = position.sequence;
        warn!(
            known_from,
            "the journal's first segments were removed: the read models begin with what the engine holds, and know what happens \
             from now on"
        );
        let at_us = state.recorded_at_us();
        model.take_over(position, at_us, state.order_views(), state.reservation_views())?;
    }
    Ok(model)
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
        let front = Front::start(door, config.http.commands_max);
        let (front, thread) = front.map_err(Refusal::no_thread("http-front"))?;
        let names = Arc::new(Names::new(front.clone()));
        let Kept { data, storage, store_id, last_start, model } = kept;
        let reader = model.reader();
        let stopping = Arc::new(AtomicBool::new(false));
        let models = {
            let (watermark, stopping) = (watermark.clone(), Arc::clone(&stopping));
            let run = move || model.run(&watermark, &stopping, |told| warn!("{told}"));
            spawn("readmodel", run)?
        };
        let owners = Arc::new(Owners::new(reader.clone(), Arc::clone(&names)));
        let feed = Feed::new(Arc::clone(&storage), store_id, watermark.clone(), names.clone(), owners);
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
            webhooks: Arc::clone(&webhooks),
            consumers: Arc::clone(&consumers),
            models: reader.clone(),
            recovery: Arc::clone(&recovery),
            traced: traces.as_ref().map(Traces::parent),
        };
        let tls = identity.map(|identity| identity.server_config(&["h2", "http/1.1"])).transpose()?;
        let server = orderline_web::Server::start(listen, parts, tls, config.http_options())
            .map_err(|error| Refusal::new(format!("cannot listen for HTTP on {listen}: {error}")))?;
        Ok(Self { server, front, thread, stopping, models, recovery, reader, webhooks, consumers })
    }

    /// The first sequence of the journal that read models, webhooks and consumers still have to read.
    pub(crate) fn needed_from(&self) -> NeededFrom {
        let Self { reader, webhooks, consumers, .. } = self;
        // Whoever asks does not keep deliveries going.
        let (reader, webhooks, consumers) = (reader.clone(), Arc::downgrade(webhooks), Arc::clone(consumers));
        Box::new(move || {
            let by_webhooks = webhooks.upgrade().and_then(|webhooks| webhooks.needed_from());
            let needed = [Some(reader.stored() + 1), by_webhooks, consumers.needed_from()];
            needed.into_iter().flatten().min().unwrap_or(Sequence::MAX)
        })
    }

    /// Where it listens for HTTP.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Ends what is under way, and says whether it ended well.
    pub(crate) fn stop(self) -> bool {
        self.server.stop();
        // Deliveries under way end before the engine does: they ask it for names.
        drop(self.webhooks);
        self.front.stop();
        self.stopping.store(true, Ordering::Release);
        self.models.join().is_ok() & self.thread.join() & self.recovery.verifier().stop()
    }
}
