//! What is sent, and what is made of the answers: the seam between a run and its workloads.

mod availability;
mod carts;
mod draft;
mod feed;
mod flash;
mod life;
mod place;
mod tpcc;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;

use orderline_client::Client;
use orderline_protocol::Command;
use orderline_protocol::command::CommandKind;

pub(crate) use availability::Availability;
pub(crate) use carts::Carts;
pub(crate) use feed::{Fed, Feed};
pub(crate) use flash::Flash;
pub(crate) use life::Life;
pub(crate) use place::Place;
pub(crate) use tpcc::{Tpcc, WAREHOUSES};

use crate::error::LoadError;
use crate::observer::Observer;
use crate::outcomes::{Answer, Outcomes};
use crate::particulars::Particulars;
use crate::window::Sent;

/// The name of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadName {
    /// Orders over the whole catalogue, of which there is always enough.
    Place,
    /// Every buyer wants one unit of the same SKU, of which there is little.
    Flash,
    /// Orders through their whole lives: paid, shipped, delivered; some cancelled, some returned.
    Life,
    /// Carts of several sellers: all are reserved, half of them are checked out, the others expire.
    Carts,
    /// Orders as in `place`, and beside them a feed of stock levels in bursts.
    Feed,
    /// An order-entry mix in the shape of TPC-C's, with its consistency checked at the end.
    Tpcc,
    /// No orders, but what is asked before anybody buys: whether SKUs can be had.
    Availability,
}

impl WorkloadName {
    /// Every workload that is known.
    pub const ALL: &'static [Self] =
        &[Self::Place, Self::Flash, Self::Life, Self::Carts, Self::Feed, Self::Tpcc, Self::Availability];

    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Flash => "flash",
            Self::Life => "life",
            Self::Carts => "carts",
            Self::Feed => "feed",
            Self::Tpcc => "tpcc",
            Self::Availability => "availability",
        }
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for WorkloadName {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, LoadError> {
        Self::ALL.iter().copied().find(|workload| workload.name() == text).ok_or_else(|| {
            let known = Self::ALL.iter().map(|workload| workload.name()).collect::<Vec<_>>().join(", ");
            LoadError::UnknownWorkload { name: text.to_owned(), known }
        })
    }
}

/// What a run sends, and what it makes of the answers. A run counts in starts: an order and all that follows on it, a
/// cart, a transaction, a query. A start begins with a command; what is answered may call for more of them.
///
/// A run knows its workload's type, so that the plain ones cost no more than their own work.
pub(crate) trait Workload {
    /// What is kept of a command on its way beside its start: enough to write it, and to know what comes then. The
    /// default stands for none.
    type Step: Copy + Default;

    /// The kind of this step's command.
    fn kind(step: Self::Step) -> CommandKind;

    /// Orders that this step's command places: 0, or as many as every other one that places any.
    fn orders(&self, step: Self::Step) -> u32;

    /// Begins a start: its first step, or `None` where there is nothing to be done. Other commands that go out
    /// together with it are appended to `waiting`.
    fn begin(
        &mut self,
        start: u64,
        start_ns: u64,
        waiting: &mut VecDeque<Sent<Self::Step>>,
    ) -> Option<Self::Step>;

    /// Hands the command of a step to `sink`, once.
    fn write<R>(&mut self, sent: &Sent<Self::Step>, sink: impl FnOnce(&Command<'_>) -> R) -> R;

    /// Takes an answer. What it calls for is appended to `waiting`.
    fn answered<O: Observer>(
        &mut self,
        answer: &Answer<'_, Self::Step>,
        outcomes: &mut Outcomes<'_, O>,
        waiting: &mut VecDeque<Sent<Self::Step>>,
    );

    /// What runs beside the orders on a connection of its own.
    fn beside(&self) -> Option<&Feed> {
        None
    }

    /// The same, to be given its turn.
    fn beside_mut(&mut self) -> Option<&mut Feed> {
        None
    }

    /// Ends it: what there is to be said of this workload alone, and checked, if need be by asking the server.
    fn conclude(self, _end: &mut End<'_>) -> Conclusion
    where
        Self: Sized,
    {
        Conclusion::default()
    }
}

/// How a run has ended, as its workload is told.
pub(crate) struct End<'a> {
    /// A connection to ask over; `None` if the server was lost, or answers to commands are still missing.
    pub(crate) client: Option<&'a mut Client>,
    /// Orders sent.
    pub(crate) sent: u64,
    /// Orders accepted.
    pub(crate) acked: u64,
    /// Orders sent and never answered.
    pub(crate) unknown: u64,
    /// From the beginning to the last answer, in seconds.
    pub(crate) seconds: f64,
}

/// What a workload found.
#[derive(Debug, Default)]
pub(crate) struct Conclusion {
    /// What it alone reports.
    pub(crate) particulars: Option<Particulars>,
    /// What was checked, and whether it holds.
    pub(crate) checks: BTreeMap<&'static str, bool>,
    /// What is wrong, each in a sentence.
    pub(crate) problems: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_workload_is_refused_with_the_known_ones() {
        for &workload in WorkloadName::ALL {
            assert_eq!(workload.name().parse::<WorkloadName>().unwrap(), workload);
        }
        let error = "tpcz".parse::<WorkloadName>().unwrap_err().to_string();
        assert!(error.contains("tpcz") && error.contains("place, flash, life"), "{error}");
    }
}
