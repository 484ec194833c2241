//! What a run is asked to do.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use orderline_protocol::limits::{ORDER_LINES_MAX, SKUS_MAX};

use crate::error::LoadError;
use crate::workload::WorkloadName;

/// Orders unanswered over all connections at most, where nothing else is said. On two cores the rates of windows from
/// 1,024 to 8,192 lay within each other's noise (three runs of each, 0.5 to 1.0 M orders/s) while p50 latency rose with
/// the window from 0.9 to 10 ms; this leaves room for a slow sync without a long queue.
pub const IN_FLIGHT: u32 = 4_096;

/// What a run is asked to do. [`LoadOptions::new`] gives the defaults.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The server's TCP address.
    pub connect: SocketAddr,
    /// When the run is over.
    pub extent: Extent,
    /// What is sent.
    pub workload: WorkloadName,
    /// Orders a second on an open-loop schedule with constant spacing; `None`: closed loop, as fast as answers
    /// allow.
    pub rate: Option<f64>,
    /// Lines of an order, each of another SKU. A flash sale's orders have one whatever this says.
    pub lines: u16,
    /// SKUs in the catalogue.
    pub skus: u32,
    /// How orders choose SKUs.
    pub skew: Skew,
    /// Connections, all driven by one thread.
    pub connections: u32,
    /// Orders unanswered on each connection at most, within the server's credits; `None`: [`IN_FLIGHT`] divided
    /// among the connections.
    pub in_flight: Option<u32>,
    /// Orders in a frame at most; `None`: as many as fit.
    pub orders_per_frame_max: Option<u32>,
    /// Units of the one SKU that a flash sale sells.
    pub flash_stock: u64,
    /// The seed of everything but the order ids.
    pub seed: u64,
    /// How long to wait for a vanished server to come back, and for an answer that does not come.
    pub patience: Duration,
}

impl LoadOptions {
    /// A run against this server of this extent, everything else at its default: `place`, 4 lines over 100,000
    /// SKUs by zipf:0.99, one connection, closed loop, 5 s of patience.
    pub fn new(connect: SocketAddr, extent: Extent) -> Self {
        Self {
            connect,
            extent,
            workload: WorkloadName::Place,
            rate: None,
            lines: 4,
            skus: 100_000,
            skew: Skew::Zipf { exponent: 0.99 },
            connections: 1,
            in_flight: None,
            orders_per_frame_max: None,
            flash_stock: 10_000,
            seed: 1,
            patience: Duration::from_secs(5),
        }
    }

    /// Orders unanswered on each connection at most, before the server's credits are known.
    pub(crate) fn in_flight_max(&self) -> u32 {
        self.in_flight.unwrap_or_else(|| (IN_FLIGHT / self.connections).max(1))
    }

    /// Refuses what cannot be run, before anything is connected.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        let refuse = |option, why: String| Err(LoadError::Option { option, why });
        if let Extent::For(time) = self.extent
            && (time.is_zero() || time > Duration::from_secs(365 * 24 * 3600))
        {
            return refuse("seconds", format!("{} s is not between 0 and a year", time.as_secs_f64()));
        }
        if let Some(rate) = self.rate
            && !(rate > 0.0 && rate <= 1e9)
        {
            return refuse("rate", format!("{rate} is not between 0 and 1,000,000,000 orders a second"));
        }
        if self.lines == 0 || usize::from(self.lines) > ORDER_LINES_MAX {
            return refuse("lines", format!("{} is not between 1 and {ORDER_LINES_MAX}", self.lines));
        }
        if self.skus == 0 || self.skus as usize > SKUS_MAX {
            return refuse("skus", format!("{} is not between 1 and {SKUS_MAX}", self.skus));
        }
        if self.workload == WorkloadName::Place && u32::from(self.lines) > self.skus {
            return refuse(
                "lines",
                format!("{} different SKUs cannot be chosen among {}", self.lines, self.skus),
            );
        }
        if self.workload == WorkloadName::Flash && self.flash_stock == 0 {
            return refuse("flash-stock", "a sale of no units cannot be set up; give at least 1".to_owned());
        }
        if self.connections == 0 {
            return refuse("connections", "at least one connection is needed".to_owned());
        }
        if self.in_flight == Some(0) || self.orders_per_frame_max == Some(0) {
            return refuse("in-flight", "nothing can be sent with 0 in flight or in a frame".to_owned());
        }
        Ok(())
    }
}

/// When a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// After this many orders.
    Orders(u64),
    /// After this long; what was sent by then is waited for.
    For(Duration),
}

/// How orders choose SKUs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Skew {
    /// The k-th most popular SKU is chosen with a probability proportional to 1 / k^exponent.
    Zipf {
        /// 0 is uniform; about 1 is what shops see.
        exponent: f64,
    },
    /// All alike.
    Uniform,
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zipf { exponent } => write!(f, "zipf:{exponent}"),
            Self::Uniform => f.write_str("uniform"),
        }
    }
}

impl FromStr for Skew {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, LoadError> {
        if text == "uniform" {
            return Ok(Self::Uniform);
        }
        text.strip_prefix("zipf:")
            .and_then(|exponent| exponent.parse().ok())
            .filter(|exponent| (0.0..=10.0).contains(exponent))
            .map(|exponent| Self::Zipf { exponent })
            .ok_or_else(|| LoadError::Option {
                option: "skew",
                why: format!(
                    "{text:?} is neither \"uniform\" nor \"zipf:EXPONENT\" with an exponent of 0 to 10"
                ),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skews_are_read_and_others_refused() {
        assert_eq!("uniform".parse::<Skew>().unwrap(), Skew::Uniform);
        assert_eq!("zipf:0.99".parse::<Skew>().unwrap(), Skew::Zipf { exponent: 0.99 });
        for text in ["zipf", "zipf:", "zipf:NaN", "zipf:-1", "zipf:11", "Uniform", ""] {
            let error = text.parse::<Skew>().unwrap_err().to_string();
            assert!(error.contains("zipf:EXPONENT"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_the_name_of_its_option() {
        let good = LoadOptions::new(([127, 0, 0, 1], 1).into(), Extent::Orders(1));
        assert!(good.check().is_ok());
        let check = |change: fn(&mut LoadOptions), option: &str| {
            let mut options = good.clone();
            change(&mut options);
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(option), "{error}");
        };
        check(|options| options.lines = 2_001, "lines");
        check(|options| options.skus = 3, "lines");
        check(|options| options.rate = Some(f64::NAN), "rate");
        check(|options| options.rate = Some(0.0), "rate");
        check(|options| options.extent = Extent::For(Duration::ZERO), "seconds");
        check(|options| options.connections = 0, "connections");
        check(|options| options.in_flight = Some(0), "in-flight");
    }
}
