//! A build without the feature `traces`: asked for them, it refuses to start.

use orderline_web::TraceParent;
use orderline_web::metrics::Sample;
use tracing_subscriber::{Layer, Registry};

use crate::config::TracesConfig;
use crate::verb::Refusal;

/// There are none.
#[derive(Clone)]
pub(crate) enum Traces {}

impl Traces {
    /// Whether a build can do what is asked for.
    pub(crate) fn check(config: &TracesConfig) -> Result<(), Refusal> {
        if config.endpoint.is_empty() {
            return Ok(());
        }
        Err(Refusal::new(
            "traces.endpoint names a collector, and this build sends no traces; build with `cargo build --release --features \
             traces`, or leave the key out",
        ))
    }

    /// None, or a refusal.
    pub(crate) fn start(config: &TracesConfig) -> Result<Option<Self>, Refusal> {
        Self::check(config).map(|()| None)
    }

    /// See the other build.
    pub(crate) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        match *self {}
    }

    /// See the other build.
    pub(crate) fn parent(&self) -> TraceParent {
        match *self {}
    }

    /// See the other build.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        match *self {}
    }

    /// See the other build.
    pub(crate) fn stop(self) {
        match self {}
    }
}
