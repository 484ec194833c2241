//! The faults of a simulated world, and how often each was delivered.

use std::fmt;

/// What is done to a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The power goes between two steps.
    PowerLoss,
    /// The power goes within a step, with one of its changes of the disk.
    PowerLossWithin,
    /// The process is killed between two steps; what it wrote and did not sync stays where it is, unsynced.
    Kill,
    /// The process is killed within a step.
    KillWithin,
    /// The server is asked to stop.
    Stop,
    /// A write fails.
    WriteError,
    /// A sync fails.
    SyncError,
    /// The disk is full for a while.
    DiskFull,
    /// Syncs take long for a while.
    SlowDisk,
    /// A connection is cut.
    ConnectionCut,
    /// A connection goes dark: nothing arrives and nobody is told.
    ConnectionDark,
    /// Everything travels slowly for a while.
    SlowNetwork,
    /// The wall clock goes back.
    ClockBack,
    /// The wall clock goes forward.
    ClockForward,
    /// A client is gone and another one takes up its session, while the old connection may still be there.
    SessionReplaced,
    /// A client's process is gone with what it had not been answered, and comes back with its session.
    ClientCrash,
}

impl Fault {
    /// Every fault.
    pub const ALL: &'static [Self] = &[
        Self::PowerLoss,
        Self::PowerLossWithin,
        Self::Kill,
        Self::KillWithin,
        Self::Stop,
        Self::WriteError,
        Self::SyncError,
        Self::DiskFull,
        Self::SlowDisk,
        Self::ConnectionCut,
        Self::ConnectionDark,
        Self::SlowNetwork,
        Self::ClockBack,
        Self::ClockForward,
        Self::SessionReplaced,
        Self::ClientCrash,
    ];
}

/// Everything that is counted, by name. The order is that of the table.
macro_rules! tally {
    ($( $name:ident $text:literal )+) => {
        /// What was delivered, and what came of it.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Tally {
            $( #[doc = $text] pub $name: u64, )+
        }

        impl Tally {
            /// Names, what they mean, and counts.
            pub fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$( (stringify!($name), $text, self.$name), )+]
            }

            /// Adds another life's.
            pub fn add(&mut self, other: &Self) {
                $( self.$name += other.$name; )+
            }
        }
    };
}

tally! {
    power_losses "power lost between two steps"
    power_losses_within "power lost with a change of the disk"
    kills "killed between two steps"
    kills_within "killed with a change of the disk"
    stops "stopped in order"
    sectors_chosen "unsynced sectors, lengths and entries chosen at a power loss"
    sectors_not_newest "of those, not as last written"
    write_errors "writes failed"
    sync_errors "syncs failed"
    disk_full "writes refused for a full disk"
    slow_disk "spells of slow syncs"
    connection_cuts "connections cut"
    connection_dark "connections gone dark"
    slow_network "spells of a slow network"
    clock_back "clock jumps back"
    clock_forward "clock jumps forward"
    sessions_replaced "sessions taken up by another connection"
    client_crashes "clients crashed and come back"
    bits_flipped "bits flipped on a copy of the disk"
    flips_refused "of those, refused with the file's name"
    flips_harmless "of those, recovered with everything"
    recoveries "recoveries"
    recoveries_crashed "recoveries crashed within"
    nested_twice "of those, in a recovery after such a crash"
    nested_thrice "of those, in one after that"
    torn_tails "torn tails cut"
    snapshots "snapshots made"
    snapshots_failed "snapshots that failed"
    started_from_snapshot "recoveries that began from a snapshot"
    segments_removed "segments removed"
    commands "commands told to their client"
    accepted "of those, accepted"
    accepted_before "of those, accepted before"
    rejected "of those, refused"
    answered "queries answered"
    abandoned "commands whose client was gone before the answer"
    reconnects "connections made again"
    resent "commands sent again under their number"
    reads_checked "answers held against a replay to their sequence"
    accepts_checked "acceptances held against a replay"
    rejections_checked "refusals decided again by a replay"
    records "records in the journals"
    steps "steps"
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows().iter().try_for_each(|(_, text, count)| writeln!(f, "{count:>14}  {text}"))
    }
}
