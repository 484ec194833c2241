//! When a server is killed: under load, while it starts, or at a named point of its disk seam.

use std::fmt;
use std::time::Duration;

/// The moment of a kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Moment {
    /// After so long a load, which the first of these begins.
    Loaded(Duration),
    /// So long after the start of the process: while it recovers, if it is not ready by then.
    Started(Duration),
    /// When it passes a point for the `number`th time.
    Point { point: &'static str, when: &'static str, number: u32 },
}

impl Moment {
    /// What a server that is to be killed then must be told.
    pub(crate) fn faults(&self) -> Option<String> {
        match self {
            Self::Loaded(_) | Self::Started(_) => None,
            // Only large groups are copied, and those are what slow syncs make.
            Self::Point { point: point @ "segment.copy", when, number } => {
                Some(format!("slow segment.sync 60,kill {point} {when} {number}"))
            }
            Self::Point { point, when, number } => Some(format!("kill {point} {when} {number}")),
        }
    }

    /// The row of a table that it is counted in.
    pub(crate) fn row(&self) -> String {
        match self {
            Self::Loaded(_) => "any moment under load".to_owned(),
            Self::Started(_) => "any moment of a start".to_owned(),
            Self::Point { point, when, .. } => format!("{point} {when}"),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded(after) => write!(f, "after {} us of load", after.as_micros()),
            Self::Started(after) => write!(f, "{} us after its start", after.as_micros()),
            Self::Point { point, when, number } => write!(f, "{when} passing {number} of {point}"),
        }
    }
}
