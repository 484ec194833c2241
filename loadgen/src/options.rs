//! What a run is asked to do.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use orderline_client::ClientOptions;
use orderline_protocol::limits::{
    AVAILABILITY_SKUS_MAX, CART_LINES_MAX, DURATION_S_MAX, GROUP_ORDERS_MAX, LOCATIONS_MAX, ORDER_LINES_MAX,
    SELLERS_MAX, SKUS_MAX,
};

use crate::error::LoadError;
use crate::workload::{WAREHOUSES, WorkloadName};

/// Orders unanswered over all connections at most, where nothing else is said. On two cores the rates of windows from
/// 1,024 to 8,192 lay within each other's noise (three runs of each, 0.5 to 1.0 M orders/s) while p50 latency rose with
/// the window from 0.9 to 10 ms; this leaves room for a slow sync without a long queue.
pub const IN_FLIGHT: u32 = 4_096;

/// SKUs asked about and not answered over all connections at most, in queries of `availability`, where nothing else is said:
/// enough for as many answers as two cores can give while the newest orders become durable, with no long queue.
const SKUS_IN_FLIGHT: u32 = 32_768;

/// What a run is asked to do. [`LoadOptions::new`] gives the defaults.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The server's TCP address.
    pub connect: SocketAddr,
    /// What its clients begin with: the token that they bring. Times and frames are this run's to set.
    pub client: ClientOptions,
    /// When the run is over.
    pub extent: Extent,
    /// What is sent.
    pub workload: WorkloadName,
    /// Orders (carts, transactions, queries) a second on an open-loop schedule with constant spacing; `None`: closed loop, as
    /// fast as answers allow.
    pub rate: Option<f64>,
    /// Lines of an order, each of another SKU. A flash sale's orders have one whatever this says, those of `tpcc` 5
    /// to 15.
    pub lines: u16,
    /// SKUs in the catalogue, dealt out evenly among the sellers.
    pub skus: u32,
    /// Sellers; `None`: one, and three for `carts`. An order is of one of them, a cart of `carts` of all. `flash` and
    /// `tpcc` have one whatever this says.
    pub sellers: Option<u32>,
    /// Locations at which every SKU is stocked; `None`: one, and ten for `tpcc`, where they are the warehouses. If there
    /// are several, each ships from a region of its own and orders go to one of these regions. `flash` has one whatever
    /// this says.
    pub locations: Option<u16>,
    /// `place`: reserve each order's cart first, and check it out of its reservation.
    pub reserve: bool,
    /// How long reservations hold, in seconds.
    pub reservation_s: u32,
    /// How orders choose SKUs.
    pub skew: Skew,
    /// Connections, all driven by one thread.
    pub connections: u32,
    /// Orders (queries) unanswered on each connection at most, within the server's credits; `None`: [`IN_FLIGHT`] divided
    /// among the connections, for queries as many as ask about 32,768 SKUs.
    pub in_flight: Option<u32>,
    /// Orders in a frame at most; `None`: as many as fit.
    pub orders_per_frame_max: Option<u32>,
    /// Be refused at once where the server has too much to do, instead of waiting. Nothing that was refused is sent again.
    pub refuse_when_busy: bool,
    /// The answer to an accepted order must come within this, from its (intended) start, to count as goodput.
    pub deadline: Duration,
    /// SKUs that a query of `availability` asks about.
    pub query_skus: u16,
    /// Units of the one SKU that a flash sale sells.
    pub flash_stock: u64,
    /// Updates of a burst of `feed`.
    pub feed_burst: u32,
    /// From one burst of `feed` to the next.
    pub feed_every: Duration,
    /// `feed`: the orders beside the bursts are those of `life`, which ship, instead of those of `place`.
    pub ship: bool,
    /// The seed of everything but the order ids.
    pub seed: u64,
    /// How long to wait for a vanished server to come back, and for an answer that does not come.
    pub patience: Duration,
    /// The longest pause between two attempts to come back to it.
    pub reconnect_pause_max: Duration,
}

impl LoadOptions {
    /// A run against this server of this extent, everything else at its default: `place`, 4 lines over 100,000
    /// SKUs of one seller at one location by zipf:0.99, one connection, closed loop, 5 s of patience.
    pub fn new(connect: SocketAddr, extent: Extent) -> Self {
        Self {
            connect,
            client: ClientOptions::default(),
            extent,
            workload: WorkloadName::Place,
            rate: None,
            lines: 4,
            skus: 100_000,
            sellers: None,
            locations: None,
            reserve: false,
            reservation_s: 5,
            skew: Skew::Zipf { exponent: 0.99 },
            connections: 1,
            in_flight: None,
            orders_per_frame_max: None,
            refuse_when_busy: false,
            deadline: Duration::from_millis(100),
            query_skus: 100,
            flash_stock: 10_000,
            feed_burst: 100_000,
            feed_every: Duration::from_secs(1),
            ship: false,
            seed: 1,
            patience: Duration::from_secs(5),
            reconnect_pause_max: Duration::from_secs(1),
        }
    }

    /// Orders unanswered on each connection at most, before the server's credits are known.
    pub(crate) fn in_flight_max(&self) -> u32 {
        let in_flight = match self.workload {
            WorkloadName::Availability => SKUS_IN_FLIGHT / u32::from(self.query_skus.max(1)),
            _ => IN_FLIGHT,
        };
        self.in_flight.unwrap_or_else(|| (in_flight / self.connections).max(1))
    }

    /// Sellers there are.
    pub(crate) fn sellers(&self) -> u32 {
        match self.workload {
            WorkloadName::Flash | WorkloadName::Tpcc => 1,
            WorkloadName::Carts => self.sellers.unwrap_or(3),
            WorkloadName::Place | WorkloadName::Life | WorkloadName::Feed | WorkloadName::Availability => {
                self.sellers.unwrap_or(1)
            }
        }
    }

    /// Locations at which every SKU is stocked.
    pub(crate) fn locations(&self) -> u16 {
        match self.workload {
            WorkloadName::Flash => 1,
            WorkloadName::Tpcc => self.locations.unwrap_or(WAREHOUSES),
            WorkloadName::Place
            | WorkloadName::Life
            | WorkloadName::Carts
            | WorkloadName::Feed
            | WorkloadName::Availability => self.locations.unwrap_or(1),
        }
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
        self.check_shop()?;
        if self.workload == WorkloadName::Flash && self.flash_stock == 0 {
            return refuse("flash-stock", "a sale of no units cannot be set up; give at least 1".to_owned());
        }
        if self.workload == WorkloadName::Feed && (self.feed_burst == 0 || self.feed_every.is_zero()) {
            return refuse(
                "feed-burst",
                "a feed has at least one update in a burst, and a time between".to_owned(),
            );
        }
        if self.query_skus == 0 || usize::from(self.query_skus) > AVAILABILITY_SKUS_MAX {
            let why = format!("{} is not between 1 and {AVAILABILITY_SKUS_MAX}", self.query_skus);
            return refuse("query-skus", why);
        }
        if self.connections == 0 {
            return refuse("connections", "at least one connection is needed".to_owned());
        }
        if self.in_flight == Some(0) || self.orders_per_frame_max == Some(0) {
            return refuse("in-flight", "nothing can be sent with 0 in flight or in a frame".to_owned());
        }
        Ok(())
    }

    /// Refuses a shop of which orders could not choose.
    fn check_shop(&self) -> Result<(), LoadError> {
        let refuse = |option, why: String| Err(LoadError::Option { option, why });
        let (sellers, locations) = (self.sellers(), self.locations());
        let is_of_carts = self.workload == WorkloadName::Carts;
        let sellers_max = if is_of_carts { GROUP_ORDERS_MAX } else { SELLERS_MAX };
        if sellers == 0 || sellers as usize > sellers_max {
            return refuse("sellers", format!("{sellers} is not between 1 and {sellers_max}"));
        }
        if locations == 0 || usize::from(locations) > LOCATIONS_MAX {
            return refuse("locations", format!("{locations} is not between 1 and {LOCATIONS_MAX}"));
        }
        let chooses_distinct =
            !matches!(self.workload, WorkloadName::Flash | WorkloadName::Tpcc | WorkloadName::Availability);
        if chooses_distinct && u32::from(self.lines) > self.skus / sellers {
            return refuse(
                "lines",
                format!(
                    "{} different SKUs cannot be chosen among the {} that each seller has",
                    self.lines,
                    self.skus / sellers
                ),
            );
        }
        if is_of_carts && usize::from(self.lines) * sellers as usize > CART_LINES_MAX {
            return refuse(
                "lines",
                format!("{} of each of {sellers} sellers are over {CART_LINES_MAX} in a cart", self.lines),
            );
        }
        if self.reserve && self.workload != WorkloadName::Place {
            return refuse("reserve", format!("it goes with place, not with {}", self.workload));
        }
        if self.ship && self.workload != WorkloadName::Feed {
            return refuse("ship", format!("it goes with feed, not with {}", self.workload));
        }
        if self.reservation_s == 0 || self.reservation_s > DURATION_S_MAX {
            return refuse(
                "reservation-seconds",
                format!("{} is not between 1 and {DURATION_S_MAX}", self.reservation_s),
            );
        }
        Ok(())
    }
}

/// When a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// After this many orders (carts, transactions), and all that follows on them.
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
        check(|options| options.query_skus = 0, "query-skus");
        check(|options| options.query_skus = 501, "query-skus");
        check(|options| options.sellers = Some(0), "sellers");
        check(|options| options.sellers = Some(25_001), "lines");
        check(|options| options.locations = Some(0), "locations");
        check(|options| options.reservation_s = 0, "reservation-seconds");
        check(|options| options.ship = true, "ship");
        let carts = |options: &mut LoadOptions| options.workload = WorkloadName::Carts;
        check(|options| (options.workload, options.reserve) = (WorkloadName::Carts, true), "reserve");
        check(|options| (options.workload, options.sellers) = (WorkloadName::Carts, Some(501)), "sellers");
        check(|options| (options.workload, options.lines) = (WorkloadName::Carts, 667), "lines");
        check(|options| (options.workload, options.feed_burst) = (WorkloadName::Feed, 0), "feed-burst");
        let mut fitting = good.clone();
        carts(&mut fitting);
        fitting.lines = 666;
        assert!(fitting.check().is_ok());
    }
}
