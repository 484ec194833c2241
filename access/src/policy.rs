//! The one table of who may do what: a row for each deed, a column for each role. Whatever is not in it is nobody's but
//! the operator's.

use std::fmt::Write;

use orderline_protocol::command::{CommandKind, Role};

/// What is not a command and can be allowed all the same: what fronts show beside the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Area {
    /// Searching orders, and an order's timeline.
    Orders = 0,
    /// Searching stock over SKUs and locations.
    Stock = 1,
    /// The queues of locations' work.
    WorkQueue = 2,
    /// The entries of a seller's ledger.
    Ledger = 3,
    /// The feed of all events, which is also the audit.
    Feed = 4,
    /// Webhooks and what became of their deliveries.
    Webhooks = 5,
    /// Figures of the server.
    Operations = 6,
    /// What lies on disk to come back from, and having it verified.
    Recovery = 7,
}

impl Area {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Orders,
        Self::Stock,
        Self::WorkQueue,
        Self::Ledger,
        Self::Feed,
        Self::Webhooks,
        Self::Operations,
        Self::Recovery,
    ];
}

/// Something that a role may do, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Bringing a command of this kind.
    Command(CommandKind),
    /// Using what a front shows.
    Area(Area),
}

impl From<CommandKind> for Deed {
    fn from(kind: CommandKind) -> Self {
        Self::Command(kind)
    }
}

impl From<Area> for Deed {
    fn from(area: Area) -> Self {
        Self::Area(area)
    }
}

impl Deed {
    /// Its name in tables.
    pub fn name(self) -> String {
        match self {
            Self::Command(kind) => format!("{kind:?}"),
            Self::Area(area) => format!("{area:?}"),
        }
    }
}

/// A deed, and one letter for each role that may do it, in the order of the roles; a dot for one that may not.
pub type PolicyRow = (Deed, &'static str);

/// The letters of the roles, in their order.
const LETTERS: &str = "OSWPAR";

use Deed::{Area as Of, Command as To};

/// The table. Roles: Operator, Seller, Warehouse, suPport, Analyst, Read-only.
///
/// A seller and a warehouse may do what is theirs here only to what is theirs: the scope of their token bounds it.
#[rustfmt::skip]
pub const POLICY: &[PolicyRow] = &[
    // The catalogue, the settings and who may come in.
    (To(CommandKind::DefineSeller),        "O....."),
    (To(CommandKind::DefineLocation),      "O....."),
    (To(CommandKind::DefineSku),           "OS...."),
    (To(CommandKind::DefineSourcing),      "OS...."),
    (To(CommandKind::SetPolicy),           "O....."),
    (To(CommandKind::DefineToken),         "O....."),
    (To(CommandKind::RevokeToken),         "O....."),
    // Stock.
    (To(CommandKind::ReceiveStock),        "OSW..."),
    (To(CommandKind::AdjustStock),         "OSW..."),
    (To(CommandKind::CountStock),          "OSW..."),
    (To(CommandKind::MoveStock),           "OSW..."),
    (To(CommandKind::SetLevel),            "OSW..."),
    // Carts and placements.
    (To(CommandKind::ReserveCart),         "OS.P.."),
    (To(CommandKind::ExtendReservation),   "OS.P.."),
    (To(CommandKind::ReleaseReservation),  "OS.P.."),
    (To(CommandKind::PlaceOrder),          "OS.P.."),
    (To(CommandKind::CheckOut),            "OS.P.."),
    // Care. An address is a buyer's, and a hold may guard against a seller: neither is the seller's to change.
    (To(CommandKind::ConfirmOrder),        "OS.P.."),
    (To(CommandKind::EditLine),            "OS.P.."),
    (To(CommandKind::EditAddress),         "O..P.."),
    (To(CommandKind::CancelLines),         "OS.P.."),
    (To(CommandKind::PlaceHold),           "OS.P.."),
    (To(CommandKind::ReleaseHold),         "O..P.."),
    // Money: what a payment service reports is the operator's; asking for a refund is care.
    (To(CommandKind::RecordAuthorization), "O....."),
    (To(CommandKind::RecordCapture),       "O....."),
    (To(CommandKind::RecordVoid),          "O....."),
    (To(CommandKind::RecordFailure),       "O....."),
    (To(CommandKind::RequestRefund),       "OS.P.."),
    (To(CommandKind::SettleRefund),        "O....."),
    (To(CommandKind::RecordPayout),        "O....."),
    // Fulfilment and returns.
    (To(CommandKind::UpdateWork),          "OSW..."),
    (To(CommandKind::RejectWork),          "OSW..."),
    (To(CommandKind::MoveWork),            "OSW..."),
    (To(CommandKind::ShipLines),           "OSW..."),
    (To(CommandKind::UpdateShipment),      "OSW..."),
    (To(CommandKind::RequestReturn),       "OS.P.."),
    (To(CommandKind::UpdateReturn),        "OS.P.."),
    (To(CommandKind::ReceiveReturn),       "OSW..."),
    // Questions. An analyst sees figures, and no single buyer; read-only sees all but money and tokens.
    (To(CommandKind::QueryOrder),          "OSWP.R"),
    (To(CommandKind::QueryGroup),          "OS.P.R"),
    (To(CommandKind::QueryReservation),    "OS.P.R"),
    (To(CommandKind::QueryStock),          "OSWPAR"),
    (To(CommandKind::QueryAvailability),   "OS.PAR"),
    (To(CommandKind::QueryLedger),         "OS..A."),
    (To(CommandKind::QueryCatalogue),      "OSWPAR"),
    (To(CommandKind::QuerySettings),       "OSWPAR"),
    (To(CommandKind::QueryStatus),         "O..PAR"),
    (To(CommandKind::QueryTransitions),    "OSWPAR"),
    (To(CommandKind::ResolveCode),         "OSWPAR"),
    (To(CommandKind::QueryTokens),         "O....."),
    // What fronts show beside the core.
    (Of(Area::Orders),                     "OS.P.R"),
    (Of(Area::Stock),                      "OSWPAR"),
    (Of(Area::WorkQueue),                  "O.WP.R"),
    (Of(Area::Ledger),                     "OS..A."),
    (Of(Area::Feed),                       "O...A."),
    (Of(Area::Webhooks),                   "O....."),
    (Of(Area::Operations),                 "O....R"),
    (Of(Area::Recovery),                   "O....."),
];

/// What one role may do: a bit for each kind of command and each area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deeds {
    /// By the number of the kind. Kinds from 128 on there are none.
    commands: u128,
    areas: u8,
}

impl Deeds {
    /// Everything, kinds that are not known included: the engine says that they are not.
    pub const ALL: Self = Self { commands: u128::MAX, areas: u8::MAX };

    /// What the table says that a role may do.
    pub const fn of(role: Role) -> Self {
        if role as u8 == Role::Operator as u8 {
            return Self::ALL;
        }
        let mut deeds = Self { commands: 0, areas: 0 };
        let column = role as usize - 1;
        let mut row = 0;
        while row < POLICY.len() {
            let (deed, letters) = POLICY[row];
            if letters.as_bytes()[column] != b'.' {
                match deed {
                    To(kind) => deeds.commands |= 1 << kind as u8,
                    Of(area) => deeds.areas |= 1 << area as u8,
                }
            }
            row += 1;
        }
        deeds
    }

    /// Whether commands of the kind with this number may be brought.
    #[inline]
    pub const fn has_kind(self, kind: u8) -> bool {
        self.commands == u128::MAX || (kind < 128 && self.commands >> kind & 1 == 1)
    }

    /// Whether all commands of these kinds may be brought: bits by the kinds' numbers.
    #[inline]
    pub const fn has_kinds(self, kinds: u128) -> bool {
        kinds & !self.commands == 0
    }

    /// Whether an area may be used.
    pub const fn has_area(self, area: Area) -> bool {
        self.areas >> area as u8 & 1 == 1
    }

    /// Whether a deed may be done.
    pub const fn has(self, deed: Deed) -> bool {
        match deed {
            To(kind) => self.has_kind(kind as u8),
            Of(area) => self.has_area(area),
        }
    }
}

/// The table for people: a line for each deed, a column for each role.
pub fn as_text() -> String {
    let mut out = String::new();
    let names = Role::ALL.iter().map(|role| role.name());
    let _ = write!(out, "{:<21}", "");
    names.for_each(|name| {
        let _ = write!(out, "  {name:<9}");
    });
    out.truncate(out.trim_end().len());
    out.push('\n');
    for &(deed, _) in POLICY {
        let mut line = format!("{:<21}", deed.name());
        for &role in Role::ALL {
            let _ = write!(line, "  {:<9}", if Deeds::of(role).has(deed) { "yes" } else { "-" });
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

// A row has a letter of its own, or a dot, for each role.
const _: () = {
    let mut row = 0;
    while row < POLICY.len() {
        let letters = POLICY[row].1.as_bytes();
        assert!(letters.len() == Role::ALL.len() && LETTERS.len() == Role::ALL.len());
        assert!(letters[0] == b'O', "an operator may do everything");
        let mut column = 0;
        while column < letters.len() {
            assert!(letters[column] == b'.' || letters[column] == LETTERS.as_bytes()[column]);
            column += 1;
        }
        row += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_every_area_stands_in_the_table_once() {
        for &kind in CommandKind::ALL {
            let rows = POLICY.iter().filter(|(deed, _)| *deed == To(kind)).count();
            assert_eq!(rows, 1, "{kind:?}");
        }
        for &area in Area::ALL {
            assert_eq!(POLICY.iter().filter(|(deed, _)| *deed == Of(area)).count(), 1, "{area:?}");
        }
        assert_eq!(POLICY.len(), CommandKind::ALL.len() + Area::ALL.len());
    }

    #[test]
    fn a_role_has_what_its_column_says_and_nothing_that_is_not_known() {
        let seller = Deeds::of(Role::Seller);
        assert!(
            seller.has_kind(CommandKind::DefineSku as u8)
                && !seller.has_kind(CommandKind::DefineSeller as u8)
        );
        assert!(seller.has_area(Area::Ledger) && !seller.has_area(Area::Feed));
        for kind in 0..=u8::MAX {
            let is_known = CommandKind::ALL.iter().any(|&known| known as u8 == kind);
            for &role in Role::ALL {
                let has = Deeds::of(role).has_kind(kind);
                assert!(is_known || has == (role == Role::Operator), "{role:?} {kind}");
            }
        }
        let both = 1 << CommandKind::DefineSku as u8 | 1 << CommandKind::SetPolicy as u8;
        assert!(Deeds::ALL.has_kinds(both) && !seller.has_kinds(both) && seller.has_kinds(0));
    }

    #[test]
    fn the_text_has_a_line_for_each_row() {
        let text = as_text();
        assert_eq!(text.lines().count(), POLICY.len() + 1);
        assert!(
            text.contains(
                "\nRecordPayout           yes        -          -          -          -          -\n"
            ),
            "{text}"
        );
    }
}
