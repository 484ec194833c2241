//! The file: what it holds, and its text.

use std::collections::BTreeMap;

use orderline_protocol::CurrencyCode;
use orderline_protocol::command::{SOURCING_RULES_MAX, SourcingRule, Standing};
use serde::{Deserialize, Serialize};

/// Everything that a file can say. A table that is not there says nothing: what it would hold stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SettingsFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<Policy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sourcing: Option<Sourcing>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) sellers: Vec<Seller>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) skus: Vec<Sku>,
    /// As read from a server: the versions that changes expect.
    #[serde(skip)]
    pub(crate) versions: Versions,
}

/// The versions of what was read from a server, and its handles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) policy: u32,
    /// By code: handle and version.
    pub(crate) sellers: BTreeMap<String, (u32, u32)>,
    pub(crate) locations: BTreeMap<String, (u32, u32)>,
    pub(crate) skus: BTreeMap<String, (u32, u32)>,
}

/// How long things last, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    /// A pending order waits so long for its confirmation; 0: for ever.
    pub(crate) pending_order_s: u32,
    /// A finished order or reservation stays in memory so long; 0: for ever.
    pub(crate) retention_s: u32,
    /// A reservation may be held so long, extensions included.
    pub(crate) reservation_s_max: u32,
}

/// Sourcing rules by name, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sourcing {
    pub(crate) everybody: Vec<String>,
    /// Sellers that have rules of their own, by code. With this table, others have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) sellers: BTreeMap<String, Vec<String>>,
}

/// A seller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seller {
    pub(crate) code: String,
    #[serde(default = "active")]
    pub(crate) standing: String,
    #[serde(default)]
    pub(crate) commission_bp: u16,
}

/// A location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Location {
    pub(crate) code: String,
    #[serde(default = "active")]
    pub(crate) standing: String,
    #[serde(default)]
    pub(crate) region: u16,
    #[serde(default)]
    pub(crate) priority: u32,
    /// 0: no bound.
    #[serde(default)]
    pub(crate) daily_capacity: u32,
}

/// A SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sku {
    pub(crate) code: String,
    /// Its seller's code.
    pub(crate) seller: String,
    #[serde(default = "active")]
    pub(crate) standing: String,
    /// Three letters; none: any currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) currency: Option<String>,
    #[serde(default)]
    pub(crate) backorder_cap: u32,
}

fn active() -> String {
    Standing::Active.name().to_owned()
}

impl SettingsFile {
    /// Reads a file's text, and checks what can be checked without a server.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        distinct("sellers", file.sellers.iter().map(|seller| &seller.code))?;
        distinct("locations", file.locations.iter().map(|location| &location.code))?;
        distinct("skus", file.skus.iter().map(|sku| &sku.code))?;
        let standings = file.sellers.iter().map(|of| (&of.code, &of.standing));
        let standings = standings.chain(file.locations.iter().map(|of| (&of.code, &of.standing)));
        for (code, standing) in standings.chain(file.skus.iter().map(|of| (&of.code, &of.standing))) {
            standing_number(standing).map_err(|error| format!("{code:?}: {error}"))?;
        }
        for sku in &file.skus {
            currency_of(sku)?;
        }
        if let Some(sourcing) = &file.sourcing {
            if sourcing.everybody.is_empty() {
                return Err("sourcing.everybody names at least one rule".to_owned());
            }
            rule_numbers(&sourcing.everybody)?;
            for rules in sourcing.sellers.values() {
                rule_numbers(rules)?;
            }
        }
        Ok(file)
    }

    /// The file's text, under a comment that says where it is from.
    pub(crate) fn to_text(&self, from: &str) -> Result<String, toml::ser::Error> {
        let body = toml::to_string(self)?;
        Ok(format!(
            "# Orderline configuration, {from}.\n# Apply it with: orderline config apply --connect ADDR FILE\n\n{body}"
        ))
    }

    /// How much it holds, for people.
    pub(crate) fn counts(&self) -> String {
        format!(
            "{} sellers, {} locations, {} SKUs",
            self.sellers.len(),
            self.locations.len(),
            self.skus.len()
        )
    }
}

fn distinct<'a>(table: &str, codes: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for code in codes {
        if !seen.insert(code) {
            return Err(format!("{table}: the code {code:?} stands twice"));
        }
        if code.len() > orderline_protocol::limits::CODE_BYTES_MAX {
            return Err(format!("{table}: the code {code:?} is longer than 64 bytes"));
        }
    }
    Ok(())
}

/// A standing's number.
pub(crate) fn standing_number(name: &str) -> Result<u8, String> {
    let known = || format!("the standing {name:?} is neither \"active\" nor \"inactive\"");
    Standing::from_name(name).map(|standing| standing as u8).ok_or_else(known)
}

/// A SKU's currency.
pub(crate) fn currency_of(sku: &Sku) -> Result<CurrencyCode, String> {
    let Some(letters) = &sku.currency else { return Ok(CurrencyCode::NONE) };
    CurrencyCode::from_letters(letters)
        .filter(|currency| currency.is_in_circulation())
        .ok_or_else(|| format!("{:?}: {letters:?} is no currency in circulation by ISO 4217", sku.code))
}

/// Rules as they travel.
pub(crate) fn rule_numbers(names: &[String]) -> Result<[u8; SOURCING_RULES_MAX], String> {
    let mut numbers = [0; SOURCING_RULES_MAX];
    if names.len() > SOURCING_RULES_MAX {
        return Err(format!("{} sourcing rules, at most {SOURCING_RULES_MAX} are taken", names.len()));
    }
    for (number, name) in numbers.iter_mut().zip(names) {
        let known = || {
            let known: Vec<_> = SourcingRule::ALL.iter().map(|rule| rule.name()).collect();
            format!("no sourcing rule is called {name:?}; there are: {}", known.join(", "))
        };
        *number = SourcingRule::from_name(name).ok_or_else(known)? as u8;
    }
    Ok(numbers)
}

/// Rules by name.
pub(crate) fn rule_names(numbers: &[u8]) -> Vec<String> {
    let known = numbers.iter().filter_map(|&number| SourcingRule::from_number(number));
    known.map(|rule| rule.name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[policy]
pending_order_s = 900
retention_s = 86400
reservation_s_max = 1200

[sourcing]
everybody = ["fewest packages", "priority"]
[sourcing.sellers]
acme = ["capacity"]

[[sellers]]
code = "acme"
commission_bp = 1250

[[locations]]
code = "leeds"
region = 44
priority = 1
daily_capacity = 900

[[skus]]
code = "tea-250"
seller = "acme"
currency = "GBP"
backorder_cap = 5
"#;

    #[test]
    fn a_file_survives_its_text() {
        let file = SettingsFile::parse(TEXT).unwrap();
        assert_eq!((file.sellers[0].commission_bp, &*file.sellers[0].standing), (1_250, "active"));
        assert_eq!(SettingsFile::parse(&file.to_text("here").unwrap()).unwrap(), file);
        assert_eq!(SettingsFile::parse("").unwrap(), SettingsFile::default());
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_name() {
        for (from, to, named) in [
            ("\"GBP\"", "\"XXZ\"", "XXZ"),
            ("\"capacity\"", "\"luck\"", "luck"),
            ("code = \"leeds\"", "code = \"leeds\"\nstanding = \"closed\"", "closed"),
            ("commission_bp", "commision_bp", "commision_bp"),
            ("everybody = [\"fewest packages\", \"priority\"]", "everybody = []", "everybody"),
        ] {
            let error = SettingsFile::parse(&TEXT.replace(from, to)).unwrap_err();
            assert!(error.contains(named), "{to}: {error}");
        }
        let twice = format!("{TEXT}\n[[skus]]\ncode = \"tea-250\"\nseller = \"acme\"\n");
        assert!(SettingsFile::parse(&twice).unwrap_err().contains("twice"));
    }
}
