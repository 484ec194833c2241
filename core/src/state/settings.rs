//! Policies and sourcing rules: what is set for the whole core.

use std::collections::BTreeMap;

use orderline_protocol::SellerHandle;
use orderline_protocol::command::{DefineSourcing, SOURCING_RULES_MAX, SetPolicy, SourcingRule};

use super::coverage::Ranking;

/// A rule list as it travels: numbers, zeros behind them.
pub(crate) type Rules = [u8; SOURCING_RULES_MAX];

/// A list of rules, and what follows from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RuleList {
    pub(crate) rules: Rules,
    pub(super) ranking: Ranking,
}

impl From<Rules> for RuleList {
    fn from(rules: Rules) -> Self {
        Self { rules, ranking: Ranking::new(&rules) }
    }
}

/// The settings.
pub(crate) struct Settings {
    pub(crate) policy: SetPolicy,
    /// The policies' version: 1 as the core begins.
    pub(crate) version: u32,
    /// Everybody's rules.
    rules: RuleList,
    /// Sellers' own.
    rules_of_sellers: BTreeMap<SellerHandle, RuleList>,
}

impl Default for Settings {
    fn default() -> Self {
        let policy = SetPolicy {
            pending_order_s: 0.into(),
            // Thirty days.
            retention_s: 2_592_000.into(),
            // A day.
            reservation_s_max: 86_400.into(),
            expected_version: 0.into(),
        };
        let mut rules = [0; SOURCING_RULES_MAX];
        rules[0] = SourcingRule::FewestPackages as u8;
        rules[1] = SourcingRule::SameRegion as u8;
        rules[2] = SourcingRule::Priority as u8;
        Self { policy, version: 1, rules: rules.into(), rules_of_sellers: BTreeMap::new() }
    }
}

impl Settings {
    /// The rules for a seller's orders; NONE: everybody's.
    #[inline]
    pub(crate) fn rules_for(&self, seller: SellerHandle) -> &RuleList {
        if self.rules_of_sellers.is_empty() {
            return &self.rules;
        }
        self.rules_of_sellers.get(&seller).unwrap_or(&self.rules)
    }

    /// The rules that are a seller's own, zeros if it has none; NONE: everybody's.
    pub(crate) fn own_rules(&self, seller: SellerHandle) -> Rules {
        if seller.is_none() {
            return self.rules.rules;
        }
        self.rules_of_sellers.get(&seller).map_or_else(Rules::default, |list| list.rules)
    }

    /// Sets rules, as an event says.
    pub(crate) fn define_sourcing(&mut self, definition: &DefineSourcing) {
        if definition.seller.is_none() {
            self.rules = definition.rules.into();
        } else if definition.rules == [0; SOURCING_RULES_MAX] {
            self.rules_of_sellers.remove(&definition.seller);
        } else {
            self.rules_of_sellers.insert(definition.seller, definition.rules.into());
        }
    }

    /// Every rule list, everybody's first.
    pub(crate) fn sourcing(&self) -> impl Iterator<Item = DefineSourcing> {
        let one = |seller, rules| DefineSourcing { seller, rules, expected_rules: 0.into() };
        let own = self.rules_of_sellers.iter().map(move |(&seller, list)| one(seller, list.rules));
        std::iter::once(one(SellerHandle::NONE, self.rules.rules)).chain(own)
    }
}
