//! The file: what it holds, and its text.

use std::collections::BTreeMap;

use orderline_core::state::is_code;
use orderline_protocol::CurrencyCode;
use orderline_protocol::command::{SOURCING_RULES_MAX, SourcingRule, Standing};
use orderline_protocol::limits::{CODE_BYTES_MAX, DURATION_S_MAX};
use serde::{Deserialize, Serialize};

/// The whole of an order, in basis points.
const COMMISSION_BP_MAX: u16 = 10_000;

const _: () = assert!(SourcingRule::ALL.len() <= SOURCING_RULES_MAX, "each rule once fits a list");

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
    /// Of whoever has none of their own. Not there: they stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) everybody: Option<Vec<String>>,
    /// Sellers' own rules, by code; an empty list takes them away. A seller that is not here keeps what it has.
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
        if let Some(policy) = &file.policy {
            check_policy(policy)?;
        }
        if let Some(sourcing) = &file.sourcing {
            check_sourcing(sourcing)?;
        }
        check_codes("sellers", file.sellers.iter().map(|seller| (&seller.code, &seller.standing)))?;
        check_codes("locations", file.locations.iter().map(|location| (&location.code, &location.standing)))?;
        check_codes("skus", file.skus.iter().map(|sku| (&sku.code, &sku.standing)))?;
        for Seller { code, commission_bp, .. } in &file.sellers {
            if *commission_bp > COMMISSION_BP_MAX {
                return Err(format!(
                    "sellers {code:?}: commission_bp = {commission_bp}; at most {COMMISSION_BP_MAX}, basis points"
                ));
            }
        }
        for sku in &file.skus {
            currency_of(sku)?;
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

fn check_policy(policy: &Policy) -> Result<(), String> {
    for (key, seconds, least) in [
        ("pending_order_s", policy.pending_order_s, 0),
        ("retention_s", policy.retention_s, 0),
        ("reservation_s_max", policy.reservation_s_max, 1),
    ] {
        if !(least..=DURATION_S_MAX).contains(&seconds) {
            return Err(format!("policy: {key} = {seconds}; {least} to {DURATION_S_MAX}, seconds"));
        }
    }
    Ok(())
}

fn check_sourcing(sourcing: &Sourcing) -> Result<(), String> {
    if let Some(rules) = &sourcing.everybody {
        rule_numbers(rules).map_err(|error| format!("sourcing: everybody: {error}"))?;
        if rules.is_empty() {
            return Err("sourcing: everybody = []; at least one rule".to_owned());
        }
    }
    for (seller, rules) in &sourcing.sellers {
        rule_numbers(rules).map_err(|error| format!("sourcing.sellers: {seller}: {error}"))?;
    }
    Ok(())
}

/// Codes that can be, each once, and standings.
fn check_codes<'a>(
    section: &str,
    entries: impl Iterator<Item = (&'a String, &'a String)>,
) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for (code, standing) in entries {
        if !is_code(code) {
            return Err(format!(
                "{section}: code = {code:?}; 1 to {CODE_BYTES_MAX} bytes without control characters and without blanks at its \
                 ends"
            ));
        }
        if !seen.insert(code) {
            return Err(format!("{section}: the code {code:?} stands twice"));
        }
        standing_number(standing).map_err(|error| format!("{section} {code:?}: {error}"))?;
    }
    Ok(())
}

/// A standing's number.
pub(crate) fn standing_number(name: &str) -> Result<u8, String> {
    let known = || format!("standing = {name:?}; \"active\" or \"inactive\"");
    Standing::from_name(name).map(|standing| standing as u8).ok_or_else(known)
}

/// A SKU's currency.
pub(crate) fn currency_of(sku: &Sku) -> Result<CurrencyCode, String> {
    let Some(letters) = &sku.currency else { return Ok(CurrencyCode::NONE) };
    CurrencyCode::from_letters(letters).filter(|currency| currency.is_in_circulation()).ok_or_else(|| {
        format!("skus {:?}: currency = {letters:?}; one in circulation by ISO 4217, as GBP", sku.code)
    })
}

/// Rules as they travel.
pub(crate) fn rule_numbers(names: &[String]) -> Result<[u8; SOURCING_RULES_MAX], String> {
    let known: Vec<_> = SourcingRule::ALL.iter().map(|rule| rule.name()).collect();
    let mut numbers = [0; SOURCING_RULES_MAX];
    for (place, name) in names.iter().enumerate() {
        let Some(rule) = SourcingRule::from_name(name) else {
            return Err(format!("no rule is called {name:?}; there are: {}", known.join(", ")));
        };
        if names[..place].contains(name) {
            return Err(format!("{name:?} stands twice; each rule once"));
        }
        numbers[place] = rule as u8;
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
        for (from, to, said) in [
            ("\"GBP\"", "\"XXZ\"", "skus \"tea-250\": currency = \"XXZ\"; one in circulation"),
            ("\"GBP\"", "\"XAU\"", "skus \"tea-250\": currency = \"XAU\""),
            (
                "\"capacity\"",
                "\"luck\"",
                "sourcing.sellers: acme: no rule is called \"luck\"; there are: fewest",
            ),
            (
                "\"capacity\"",
                "\"capacity\", \"capacity\"",
                "sourcing.sellers: acme: \"capacity\" stands twice",
            ),
            (
                "\"priority\"]",
                "\"priority\", \"priority\"]",
                "sourcing: everybody: \"priority\" stands twice",
            ),
            (
                "everybody = [\"fewest packages\", \"priority\"]",
                "everybody = []",
                "everybody = []; at least one",
            ),
            (
                "code = \"leeds\"",
                "code = \"leeds\"\nstanding = \"closed\"",
                "locations \"leeds\": standing = \"closed\"",
            ),
            ("code = \"leeds\"", "code = \" leeds\"", "locations: code = \" leeds\"; 1 to 64 bytes"),
            ("code = \"leeds\"", "code = \"\"", "locations: code = \"\""),
            (
                "commission_bp = 1250",
                "commission_bp = 10001",
                "sellers \"acme\": commission_bp = 10001; at most 10000",
            ),
            ("commission_bp", "commision_bp", "commision_bp"),
            ("_max = 1200", "_max = 0", "policy: reservation_s_max = 0; 1 to 315360000"),
            (
                "retention_s = 86400",
                "retention_s = 315360001",
                "policy: retention_s = 315360001; 0 to 315360000",
            ),
        ] {
            let error = SettingsFile::parse(&TEXT.replace(from, to)).unwrap_err();
            assert!(error.contains(said), "{to}: {error}");
        }
        let twice = format!("{TEXT}\n[[skus]]\ncode = \"tea-250\"\nseller = \"acme\"\n");
        assert!(SettingsFile::parse(&twice).unwrap_err().contains("twice"));
    }
}
