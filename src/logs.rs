//! What the server says while it runs: events with fields on standard error, a line each, as text for people or as JSON for
//! whoever collects logs.

use std::sync::OnceLock;

use tracing::error;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::config::{LogConfig, LogFormat};
use crate::log_levels;
use crate::traces::Traces;
use crate::verb::Refusal;

/// In which form events are told, once they are.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Tells events from now on, and has spans made where there are traces.
pub(crate) fn start(config: &LogConfig, traces: Option<&Traces>) -> Result<(), Refusal> {
    // Spans are for traces. What is neither asks whether an event would be told.
    let told =
        log_levels::filter(&config.level).map_err(Refusal::new)?.and(filter_fn(|about| !about.is_span()));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        LogFormat::Text => lines.compact().with_filter(told).boxed(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            std::panic::set_hook(Box::new(tell_panic));
            lines.with_filter(told).boxed()
        }
    };
    let spans = traces.map(Traces::layer);
    tracing_subscriber::registry()
        .with(Vec::from_iter([Some(lines), spans].into_iter().flatten()))
        .try_init()?;
    let _ = FORMAT.set(config.format);
    Ok(())
}

/// Says why the program does not go on: in a sentence of its own, and as an event where all else is JSON.
pub(crate) fn say_refusal(refusal: &Refusal) {
    match FORMAT.get() {
        Some(LogFormat::Json) => error!("{refusal}"),
        Some(LogFormat::Text) | None => eprintln!("orderline: {refusal}"),
    }
}

/// A panic as an event.
fn tell_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let at = panic.location().map(tracing::field::display);
    error!(thread = thread.name(), at, "panicked: {}", panic.payload_as_str().unwrap_or("without a word"));
}
