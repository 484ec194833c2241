//! What `log.level` of the settings lets through.

use tracing_subscriber::filter::{LevelFilter, Targets};

/// The names of the server's own parts begin so.
pub(crate) const OWN: &str = "orderline";

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
