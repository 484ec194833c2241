//! What differs between a server and a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::file::{Location, Policy, Seller, SettingsFile, Sku, Sourcing};

/// One thing that is to become another, or to come to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) is_new: bool,
    pub(crate) to: Wanted,
    /// Name, before and after, of each field that differs; for something new, before is empty.
    pub(crate) fields: Vec<(&'static str, String, String)>,
}

/// What it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    Policy(Policy),
    Seller(Seller),
    Location(Location),
    Sku(Sku),
    /// Everybody's rules (no code) or a seller's; an empty list takes a seller's own away.
    Sourcing(Option<String>, Vec<String>),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_new { "+ " } else { "~ " })?;
        match &self.to {
            Wanted::Policy(_) => f.write_str("policy")?,
            Wanted::Seller(seller) => write!(f, "seller {}", seller.code)?,
            Wanted::Location(location) => write!(f, "location {}", location.code)?,
            Wanted::Sku(sku) => write!(f, "SKU {}", sku.code)?,
            Wanted::Sourcing(None, _) => f.write_str("sourcing rules of everybody")?,
            Wanted::Sourcing(Some(seller), _) => write!(f, "sourcing rules of {seller}")?,
        }
        for (name, before, after) in &self.fields {
            if self.is_new {
                write!(f, "  {name} = {after}")?;
            } else {
                write!(f, "  {name}: {before} -> {after}")?;
            }
        }
        Ok(())
    }
}

/// All changes, in the order in which they are to be made: sellers before what names them.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) list: Vec<Change>,
    pub(crate) unchanged: usize,
    pub(crate) not_in_file: usize,
}

/// Something with a code and fields to compare.
trait Entry: Clone {
    fn code(&self) -> &str;
    fn fields(&self) -> Vec<(&'static str, String)>;
    fn wanted(self) -> Wanted;
}

impl Entry for Seller {
    fn code(&self) -> &str {
        &self.code
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![("standing", self.standing.clone()), ("commission_bp", self.commission_bp.to_string())]
    }

    fn wanted(self) -> Wanted {
        Wanted::Seller(self)
    }
}

impl Entry for Location {
    fn code(&self) -> &str {
        &self.code
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("standing", self.standing.clone()),
            ("region", self.region.to_string()),
            ("priority", self.priority.to_string()),
            ("daily_capacity", self.daily_capacity.to_string()),
        ]
    }

    fn wanted(self) -> Wanted {
        Wanted::Location(self)
    }
}

impl Entry for Sku {
    fn code(&self) -> &str {
        &self.code
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("seller", self.seller.clone()),
            ("standing", self.standing.clone()),
            ("currency", self.currency.clone().unwrap_or_else(|| "any".to_owned())),
            ("backorder_cap", self.backorder_cap.to_string()),
        ]
    }

    fn wanted(self) -> Wanted {
        Wanted::Sku(self)
    }
}

impl Changes {
    /// What makes a server that has `found` have what `wanted` says.
    ///
    /// # Errors
    /// A SKU of a seller, or rules of one, that neither the server nor the file knows; a SKU that would change its seller.
    pub(crate) fn between(found: &SettingsFile, wanted: &SettingsFile) -> Result<Self, String> {
        let mut changes = Self::default();
        let known: BTreeSet<&str> =
            found.sellers.iter().chain(&wanted.sellers).map(|seller| &*seller.code).collect();
        if let Some(policy) = wanted.policy {
            changes.add_policy(found.policy, policy);
        }
        changes.add_all(&found.sellers, &wanted.sellers);
        changes.add_all(&found.locations, &wanted.locations);
        let sellers_of: BTreeMap<&str, &str> =
            found.skus.iter().map(|sku| (&*sku.code, &*sku.seller)).collect();
        for sku in &wanted.skus {
            if !known.contains(&*sku.seller) {
                return Err(format!(
                    "skus {:?}: seller = {:?}; no seller has this code",
                    sku.code, sku.seller
                ));
            }
            if let Some(&seller) = sellers_of.get(&*sku.code)
                && seller != sku.seller
            {
                return Err(format!(
                    "skus {:?}: seller = {:?}; it belongs to {seller:?} and keeps its seller",
                    sku.code, sku.seller
                ));
            }
        }
        changes.add_all(&found.skus, &wanted.skus);
        if let Some(sourcing) = &wanted.sourcing {
            changes.add_sourcing(found.sourcing.as_ref(), sourcing, &known)?;
        }
        Ok(changes)
    }

    fn add_policy(&mut self, found: Option<Policy>, wanted: Policy) {
        let fields = |policy: Policy| {
            [
                ("pending_order_s", policy.pending_order_s.to_string()),
                ("retention_s", policy.retention_s.to_string()),
                ("reservation_s_max", policy.reservation_s_max.to_string()),
            ]
        };
        let before = found.map(|policy| fields(policy).to_vec());
        self.add(before.as_deref(), &fields(wanted), || Wanted::Policy(wanted));
    }

    fn add_all<E: Entry>(&mut self, found: &[E], wanted: &[E]) {
        let by_code: BTreeMap<&str, &E> = found.iter().map(|entry| (entry.code(), entry)).collect();
        let mut in_both = 0;
        for entry in wanted {
            let before = by_code.get(entry.code()).map(|entry| entry.fields());
            in_both += usize::from(before.is_some());
            self.add(before.as_deref(), &entry.fields(), || entry.clone().wanted());
        }
        self.not_in_file += found.len() - in_both;
    }

    fn add_sourcing(
        &mut self,
        found: Option<&Sourcing>,
        wanted: &Sourcing,
        known: &BTreeSet<&str>,
    ) -> Result<(), String> {
        let as_field = |rules: &[String]| {
            let rules = if rules.is_empty() { "everybody's".to_owned() } else { rules.join(", ") };
            [("rules", rules)]
        };
        if let Some(everybody) = &wanted.everybody {
            let before = found.and_then(|sourcing| sourcing.everybody.as_deref()).map(as_field);
            self.add(before.as_ref().map(|fields| &fields[..]), &as_field(everybody), || {
                Wanted::Sourcing(None, everybody.clone())
            });
        }
        let own = found.map(|sourcing| sourcing.sellers.clone()).unwrap_or_default();
        for (seller, rules) in &wanted.sellers {
            if !known.contains(&**seller) {
                return Err(format!("sourcing.sellers: {seller}: no seller has this code"));
            }
            let before = own.get(seller).map(|rules| as_field(rules));
            if before.is_none() && rules.is_empty() {
                self.unchanged += 1;
                continue;
            }
            self.add(before.as_ref().map(|fields| &fields[..]), &as_field(rules), || {
                Wanted::Sourcing(Some(seller.clone()), rules.clone())
            });
        }
        Ok(())
    }

    fn add(
        &mut self,
        before: Option<&[(&'static str, String)]>,
        after: &[(&'static str, String)],
        to: impl FnOnce() -> Wanted,
    ) {
        let fields: Vec<_> = match before {
            None => after.iter().map(|(name, after)| (*name, String::new(), after.clone())).collect(),
            Some(before) => before
                .iter()
                .zip(after)
                .filter(|(before, after)| before.1 != after.1)
                .map(|(before, after)| (before.0, before.1.clone(), after.1.clone()))
                .collect(),
        };
        if fields.is_empty() {
            self.unchanged += 1;
        } else {
            self.list.push(Change { is_new: before.is_none(), to: to(), fields });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SettingsFile {
        SettingsFile::parse(text).unwrap()
    }

    const FOUND: &str = "[[sellers]]\ncode = \"acme\"\n[[locations]]\ncode = \"leeds\"\n[[skus]]\ncode = \"tea\"\nseller = \"acme\"\n\
        [sourcing]\neverybody = [\"priority\"]\n[sourcing.sellers]\nacme = [\"capacity\"]\n";

    #[test]
    fn the_same_file_changes_nothing() {
        let changes = Changes::between(&file(FOUND), &file(FOUND)).unwrap();
        assert_eq!((changes.list, changes.unchanged, changes.not_in_file), (vec![], 5, 0));
    }

    #[test]
    fn changes_say_what_was_and_what_will_be() {
        let wanted = "[[sellers]]\ncode = \"acme\"\ncommission_bp = 5\n[[sellers]]\ncode = \"zest\"\n\
            [sourcing.sellers]\nacme = []\n";
        let changes = Changes::between(&file(FOUND), &file(wanted)).unwrap();
        let shown: Vec<_> = changes.list.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "~ seller acme  commission_bp: 0 -> 5",
                "+ seller zest  standing = active  commission_bp = 0",
                "~ sourcing rules of acme  rules: capacity -> everybody's",
            ]
        );
        assert_eq!((changes.unchanged, changes.not_in_file), (0, 2));
    }

    #[test]
    fn rules_that_are_not_mentioned_stay() {
        for (text, shown) in [
            (
                "[sourcing]\neverybody = [\"capacity\"]",
                &["~ sourcing rules of everybody  rules: priority -> capacity"][..],
            ),
            (
                "[sourcing.sellers]\nacme = [\"priority\"]",
                &["~ sourcing rules of acme  rules: capacity -> priority"],
            ),
            ("[sourcing]\neverybody = [\"priority\"]", &[]),
            ("[sourcing]", &[]),
        ] {
            let changes = Changes::between(&file(FOUND), &file(text)).unwrap();
            let found: Vec<_> = changes.list.iter().map(ToString::to_string).collect();
            assert_eq!(found, shown, "{text}");
        }
        // Taking away what is not there changes nothing.
        let without = "[[sellers]]\ncode = \"acme\"\n[sourcing.sellers]\nacme = []";
        assert!(
            Changes::between(&file("[[sellers]]\ncode = \"acme\""), &file(without)).unwrap().list.is_empty()
        );
    }

    #[test]
    fn unknown_sellers_and_moving_skus_are_refused() {
        for (text, named) in [
            ("[[skus]]\ncode = \"cup\"\nseller = \"nobody\"", "skus \"cup\": seller = \"nobody\""),
            ("[[sellers]]\ncode = \"zest\"\n[[skus]]\ncode = \"tea\"\nseller = \"zest\"", "keeps its seller"),
            ("[sourcing]\neverybody = [\"priority\"]\n[sourcing.sellers]\nghost = [\"capacity\"]", "ghost"),
        ] {
            let error = Changes::between(&file(FOUND), &file(text)).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
