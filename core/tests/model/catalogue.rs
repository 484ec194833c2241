//! Sellers, locations, SKUs, sourcing rules and policies.

use orderline_protocol::command::*;
use orderline_protocol::{CurrencyCode, LocationHandle, RejectCode, SellerHandle, SkuHandle};

use crate::fields;
use crate::model::{Answer, Model, Refused, Told, seen};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seller {
    pub code: String,
    pub version: u32,
    pub commission_bp: u16,
    pub is_active: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    pub code: String,
    pub version: u32,
    pub priority: u32,
    /// Orders a day; 0: no bound.
    pub daily_capacity: u32,
    pub region: u16,
    pub is_active: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sku {
    pub code: String,
    pub version: u32,
    pub seller: u32,
    pub backorder_cap: u32,
    /// 0: any.
    pub currency: u16,
    pub is_active: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// 1 until the first change: the policies stand from the beginning.
    pub version: u32,
    pub pending_order_s: u32,
    pub retention_s: u32,
    pub reservation_s_max: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { version: 1, pending_order_s: 0, retention_s: 30 * 86_400, reservation_s_max: 86_400 }
    }
}

fn is_active(standing: u8) -> bool {
    Standing::from_number(standing) == Some(Standing::Active)
}

/// What definitions of all three kinds have in common. The one at `at` is what has the code now, if anything has.
fn define<T: PartialEq>(
    table: &mut Vec<T>,
    at: Option<usize>,
    expected_version: u32,
    version: impl Fn(&mut T) -> &mut u32,
    mut new: T,
) -> Answer {
    let Some(at) = at else {
        if expected_version != EXPECTED_NEW {
            seen(expected_version, 0)?;
        }
        *version(&mut new) = 1;
        table.push(new);
        return Ok(Told { version: 1, ..Told::detail(table.len() as u64 - 1) });
    };
    let now = *version(&mut table[at]);
    seen(expected_version, now)?;
    *version(&mut new) = now;
    if new == table[at] {
        return Ok(Told { version: now, before: true, ..Told::detail(at as u64) });
    }
    *version(&mut new) = now + 1;
    table[at] = new;
    Ok(Told { version: now + 1, ..Told::detail(at as u64) })
}

/// Whether the rules are still those that the caller saw.
fn saw_rules(head: &DefineSourcing, rules: &[SourcingRule]) -> Result<(), Refused> {
    let mut numbers = [0; SOURCING_RULES_MAX];
    for (number, rule) in numbers.iter_mut().zip(rules) {
        *number = *rule as u8;
    }
    seen(head.expected_rules.get(), rules_digest(&numbers))
}

impl Model {
    pub fn known_seller(&self, handle: SellerHandle) -> Result<u32, Refused> {
        if handle.index() < self.sellers.len() {
            return Ok(handle.get());
        }
        Err(Refused::new(RejectCode::UnknownSeller).subject(handle.get()))
    }

    pub fn known_location(&self, handle: LocationHandle) -> Result<u16, Refused> {
        if handle.index() < self.locations.len() {
            return Ok(handle.get());
        }
        Err(Refused::new(RejectCode::UnknownLocation).subject(handle.get().into()))
    }

    /// The SKU of a line, or of a command without lines (index 0).
    pub fn known_sku(&self, handle: SkuHandle, index: u32) -> Result<u32, Refused> {
        if handle.index() < self.skus.len() {
            return Ok(handle.get());
        }
        Err(Refused::new(RejectCode::UnknownSku).subject(index).detail(handle.get().into()))
    }

    /// A SKU that can be ordered.
    pub fn orderable_sku(&self, handle: SkuHandle, index: u32) -> Result<u32, Refused> {
        let sku = self.known_sku(handle, index)?;
        if !self.skus[sku as usize].is_active {
            return Err(Refused::new(RejectCode::SkuRetired).subject(index));
        }
        Ok(sku)
    }

    /// The seller's own rules, or everybody's.
    pub fn rules_of(&self, seller: u32) -> &[SourcingRule] {
        self.sellers_rules.get(&seller).unwrap_or(&self.everybodys_rules)
    }

    pub fn define_seller(&mut self, head: &DefineSeller, code: &str) -> Answer {
        fields::code(code)?;
        let new = Seller {
            code: code.to_owned(),
            version: 0,
            commission_bp: head.commission_bp.get(),
            is_active: is_active(head.standing),
        };
        let at = self.sellers.iter().position(|seller| seller.code == code);
        define(&mut self.sellers, at, head.expected_version.get(), |seller| &mut seller.version, new)
    }

    pub fn define_location(&mut self, head: &DefineLocation, code: &str) -> Answer {
        fields::code(code)?;
        let new = Location {
            code: code.to_owned(),
            version: 0,
            priority: head.priority.get(),
            daily_capacity: head.daily_capacity.get(),
            region: head.region.get(),
            is_active: is_active(head.standing),
        };
        let at = self.locations.iter().position(|location| location.code == code);
        define(&mut self.locations, at, head.expected_version.get(), |location| &mut location.version, new)
    }

    pub fn define_sku(&mut self, head: &DefineSku, code: &str) -> Answer {
        fields::code(code)?;
        if head.currency != CurrencyCode::NONE {
            fields::priced_in(head.currency)?;
        }
        let seller = self.known_seller(head.seller)?;
        let new = Sku {
            code: code.to_owned(),
            version: 0,
            seller,
            backorder_cap: head.backorder_cap.get(),
            currency: head.currency.get(),
            is_active: is_active(head.standing),
        };
        let at = self.skus.iter().position(|sku| sku.code == code);
        if at.is_some() || head.expected_version.get() != EXPECTED_NEW {
            seen(head.expected_version.get(), at.map_or(0, |at| self.skus[at].version))?;
        }
        if let Some(at) = at
            && self.skus[at].seller != seller
        {
            let keeps = self.skus[at].seller;
            return Err(Refused::new(RejectCode::SkuOfOtherSeller).subject(0).detail(keeps.into()));
        }
        define(&mut self.skus, at, head.expected_version.get(), |sku| &mut sku.version, new)
    }

    pub fn define_sourcing(&mut self, head: &DefineSourcing) -> Answer {
        let rules: Vec<SourcingRule> =
            head.rules.iter().filter_map(|&number| SourcingRule::from_number(number)).collect();
        if head.seller.is_none() {
            saw_rules(head, &self.everybodys_rules)?;
            self.everybodys_rules = rules;
            return Ok(Told::default());
        }
        let seller = self.known_seller(head.seller)?;
        saw_rules(head, self.sellers_rules.get(&seller).map_or(&[], |rules| rules))?;
        if rules.is_empty() {
            self.sellers_rules.remove(&seller);
        } else {
            self.sellers_rules.insert(seller, rules);
        }
        Ok(Told::default())
    }

    pub fn set_policy(&mut self, head: &SetPolicy) -> Answer {
        seen(head.expected_version.get(), self.policy.version)?;
        self.policy = Policy {
            version: self.policy.version + 1,
            pending_order_s: head.pending_order_s.get(),
            retention_s: head.retention_s.get(),
            reservation_s_max: head.reservation_s_max.get(),
        };
        Ok(Told { version: self.policy.version, ..Told::default() })
    }
}
