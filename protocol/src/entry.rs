//! Entries of sellers' ledgers: what one can be about, for the core that adds them up and for whoever lists them.

/// What an entry is about. The numbers stand in the read models' store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// Money was captured for the seller's order.
    Sale = 1,
    /// The marketplace keeps its share of that.
    Commission = 2,
    /// Money of the order went back to the buyer.
    Refund = 3,
    /// The marketplace gives back its share of that.
    Reversal = 4,
    /// The seller was paid.
    Payout = 5,
}

impl EntryKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Sale, Self::Commission, Self::Refund, Self::Reversal, Self::Payout];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Commission => "commission",
            Self::Refund => "refund",
            Self::Reversal => "commission reversal",
            Self::Payout => "payout",
        }
    }

    /// What an entry of so much, in minor units, changes what is owed to the seller by.
    pub const fn signed(self, amount_minor: i64) -> i64 {
        match self {
            Self::Sale | Self::Reversal => amount_minor,
            Self::Commission | Self::Refund | Self::Payout => -amount_minor,
        }
    }
}
