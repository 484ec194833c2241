//! What the server says while it runs: events with fields on standard error, a line each, as text for people or as JSON for
//! whoever collects logs.

use std::sync::OnceLock;

use tracing::error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::config::{LogConfig, LogFormat};
use crate::traces::Traces;
use crate::verb::Refusal;

/// The names of the server's own parts begin so.
pub(crate) const OWN: &str = "orderline";

/// In which form events are told, once they are.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Tells events from now on, and has spans made where there are traces.
pub(crate) fn start(config: &LogConfig, traces: Option<&Traces>) -> Result<(), Refusal> {
    // Spans are for traces. What is neither asks whether an event would be told.
    let told = filter(&config.level).map_err(Refusal::new)?.and(filter_fn(|about| !about.is_span()));
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

/// What `log.level` lets through. Libraries may say what callers have sent: only their warnings are told, whatever is asked for.
pub(crate) fn filter(level: &str) -> Result<Targets, String> {
    let unusable = |why: &dyn std::fmt::Display| {
        format!(
            "log.level is off, error, warn, info, debug or trace, and behind it, with commas between, parts of the server \
             with levels of their own, as in info,orderline_web=debug; {level:?} is not: {why}"
        )
    };
    let asked: Targets = level.parse().map_err(|error| unusable(&error))?;
    if let Some((part, _)) = asked.iter().find(|(part, _)| !part.starts_with(OWN)) {
        return Err(unusable(&format!("{part:?} is no part")));
    }
    let own = asked.default_level().unwrap_or(LevelFilter::INFO);
    let all = Targets::new().with_default(own.min(LevelFilter::WARN)).with_target(OWN, own);
    Ok(all.with_targets(asked.iter()))
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

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::filter;

    #[test]
    fn parts_of_the_server_have_levels_of_their_own_and_libraries_only_warn() {
        let told = filter("info,orderline_web=debug").unwrap();
        assert!(told.would_enable("orderline_web::requests", &Level::DEBUG));
        assert!(told.would_enable("orderline::serve", &Level::INFO));
        assert!(!told.would_enable("orderline::serve", &Level::DEBUG));
        for level in ["trace", "orderline=trace"] {
            let told = filter(level).unwrap();
            assert!(told.would_enable("orderline_gateway::farewell", &Level::TRACE), "{level}");
            assert!(!told.would_enable("h2::codec", &Level::INFO), "{level}");
            assert!(told.would_enable("h2::codec", &Level::WARN), "{level}");
        }
        assert!(!filter("off").unwrap().would_enable("orderline::serve", &Level::ERROR));
        assert!(!filter("error").unwrap().would_enable("h2::codec", &Level::WARN));
        for wrong in ["loud", "info,h2=trace", "orderline=loud"] {
            assert!(filter(wrong).unwrap_err().contains("log.level"), "{wrong}");
        }
    }
}
