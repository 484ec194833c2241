//! What a server has, read and written through the gateway.

use std::collections::BTreeMap;
use std::mem::offset_of;

use orderline_client::{Client, ClientError};
use orderline_protocol::command::{
    DefineLocation, DefineSeller, DefineSku, DefineSourcing, EXPECTED_NEW, EntityKind, QueryCatalogue,
    QuerySettings, SetPolicy, Standing, rules_digest,
};
use orderline_protocol::reply::{CatalogueEntry, SettingsView};
use orderline_protocol::{Command, RejectCode, Reply, SellerHandle};

use super::change::{Change, Changes, Wanted};
use super::file::{
    Location, Policy, Seller, SettingsFile, Sku, Sourcing, currency_of, rule_names, rule_numbers,
    standing_number,
};
use crate::verb::Refusal;

/// Reads everything that a server has; with the sequence at which it was read last.
pub(super) fn read(client: &mut Client) -> Result<(SettingsFile, u64), Refusal> {
    let mut file = SettingsFile::default();
    for entry in catalogue(client, EntityKind::Seller)? {
        let (code, definition) = (code_of(&entry)?, entry.seller());
        file.versions.sellers.insert(code.clone(), (entry.handle.get(), entry.version.get()));
        let standing = standing_name(definition.standing);
        file.sellers.push(Seller { code, standing, commission_bp: definition.commission_bp.get() });
    }
    for entry in catalogue(client, EntityKind::Location)? {
        let (code, definition) = (code_of(&entry)?, entry.location());
        file.versions.locations.insert(code.clone(), (entry.handle.get(), entry.version.get()));
        file.locations.push(Location {
            code,
            standing: standing_name(definition.standing),
            region: definition.region.get(),
            priority: definition.priority.get(),
            daily_capacity: definition.daily_capacity.get(),
        });
    }
    let seller_code = |sellers: &[Seller], handle: SellerHandle| {
        sellers.get(handle.index()).map(|seller| seller.code.clone()).ok_or_else(unreadable)
    };
    for entry in catalogue(client, EntityKind::Sku)? {
        let (code, definition) = (code_of(&entry)?, entry.sku());
        file.versions.skus.insert(code.clone(), (entry.handle.get(), entry.version.get()));
        file.skus.push(Sku {
            code,
            seller: seller_code(&file.sellers, definition.seller)?,
            standing: standing_name(definition.standing),
            currency: definition.currency.letters().map(str::to_owned),
            backorder_cap: definition.backorder_cap.get(),
        });
    }
    let reply = call(client, &Command::QuerySettings(&QuerySettings { reserved: [0; 8] }))?;
    let (settings, sourcing) = SettingsView::read(&reply.view)?;
    file.versions.policy = settings.version.get();
    file.policy = Some(Policy {
        pending_order_s: settings.policy.pending_order_s.get(),
        retention_s: settings.policy.retention_s.get(),
        reservation_s_max: settings.policy.reservation_s_max.get(),
    });
    let mut rules = Sourcing::default();
    for list in sourcing {
        if list.seller.is_none() {
            rules.everybody = Some(rule_names(&list.rules));
        } else {
            rules.sellers.insert(seller_code(&file.sellers, list.seller)?, rule_names(&list.rules));
        }
    }
    file.sourcing = Some(rules);
    Ok((file, reply.header.sequence.get()))
}

fn unreadable() -> Refusal {
    Refusal::new("the server's catalogue cannot be read; are both of the same version?")
}

fn standing_name(number: u8) -> String {
    Standing::from_number(number).map_or("inactive", Standing::name).to_owned()
}

fn call(client: &mut Client, command: &Command<'_>) -> Result<orderline_client::OwnedReply, Refusal> {
    let reply = client.call(command)?;
    match RejectCode::from_number(reply.header.code.get()) {
        Some(code) => Err(Refusal::new(format!("the server refused {:?}: {}", command.kind(), code.text()))),
        None => Ok(reply),
    }
}

/// All entries of a kind, page by page; handles are dense from 0.
fn catalogue(client: &mut Client, entity: EntityKind) -> Result<Vec<CatalogueEntry>, Refusal> {
    let mut entries = Vec::new();
    let mut from = 0;
    loop {
        let query =
            QueryCatalogue { from: from.into(), count: 0.into(), entity: entity as u8, reserved: [0; 7] };
        let reply = call(client, &Command::QueryCatalogue(&query))?;
        entries.extend_from_slice(CatalogueEntry::read_all(&reply.view)?);
        from = reply.header.detail.get() as u32;
        if from == 0 {
            return Ok(entries);
        }
    }
}

fn code_of(entry: &CatalogueEntry) -> Result<String, Refusal> {
    entry.code().map(str::to_owned).ok_or_else(unreadable)
}

/// What came of writing.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) applied: usize,
    pub(super) refused: Vec<String>,
}

/// Makes the changes. Each expects the version that was read, so that what somebody else changed meanwhile is refused and
/// not overwritten.
pub(super) fn write(
    client: &mut Client,
    found: &SettingsFile,
    changes: &Changes,
) -> Result<Outcome, Refusal> {
    let mut outcome = Outcome::default();
    let mut sellers: Vec<(String, SellerHandle)> = found
        .versions
        .sellers
        .iter()
        .map(|(code, &(handle, _))| (code.clone(), SellerHandle::new(handle)))
        .collect();
    // Sellers first, and alone: what names them needs their handles.
    let is_seller = |change: &&Change| matches!(change.to, Wanted::Seller(_));
    let first: Vec<&Change> = changes.list.iter().filter(is_seller).collect();
    send(client, found, &mut sellers, &first, &mut outcome)?;
    let rest: Vec<&Change> = changes.list.iter().filter(|change| !is_seller(change)).collect();
    send(client, found, &mut sellers, &rest, &mut outcome)?;
    Ok(outcome)
}

fn send(
    client: &mut Client,
    found: &SettingsFile,
    sellers: &mut Vec<(String, SellerHandle)>,
    changes: &[&Change],
    outcome: &mut Outcome,
) -> Result<(), Refusal> {
    sellers.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let handle_of = |code: &str| {
        let place = sellers.binary_search_by(|(other, _)| other.as_str().cmp(code));
        place.map_or(SellerHandle::NONE, |place| sellers[place].1)
    };
    let mut new_sellers = Vec::new();
    let submit = |client: &mut Client, change: &&Change| submit(client, found, &handle_of, change);
    let on_reply = |index: usize, reply: Reply<'_>| {
        if reply.is_accepted() {
            outcome.applied += 1;
            if let Wanted::Seller(seller) = &changes[index].to {
                new_sellers.push((seller.code.clone(), SellerHandle::new(reply.header.detail.get() as u32)));
            }
        } else {
            outcome.refused.push(refusal(changes[index], &reply));
        }
    };
    client.call_all(changes, submit, on_reply)?;
    for (code, handle) in new_sellers {
        if !sellers.iter().any(|(other, _)| *other == code) {
            sellers.push((code, handle));
        }
    }
    Ok(())
}

/// What was refused, the key that it was refused for, and why.
fn refusal(change: &Change, reply: &Reply<'_>) -> String {
    let Some(code) = RejectCode::from_number(reply.header.code.get()) else {
        return format!("{change}: the server gave a reason that this program does not know");
    };
    match (code, key_of(&change.to, code, reply.header.subject.get() as usize)) {
        (RejectCode::VersionMismatch, _) => {
            format!("{change}: somebody has changed it since it was compared; apply the file again")
        }
        (_, Some(key)) => format!("{change}: {key}: {}", code.text()),
        (_, None) => format!("{change}: {}", code.text()),
    }
}

/// The key of the file whose value a refusal is about.
fn key_of(to: &Wanted, code: RejectCode, offset: usize) -> Option<&'static str> {
    match (to, code) {
        (_, RejectCode::InvalidCode) => return Some("code"),
        (Wanted::Sku(_), RejectCode::UnknownCurrency) => return Some("currency"),
        (Wanted::Sku(_), RejectCode::UnknownSeller | RejectCode::SkuOfOtherSeller) => return Some("seller"),
        (_, RejectCode::InvalidField) => {}
        _ => return None,
    }
    let fields: &[(usize, &'static str)] = match to {
        Wanted::Policy(_) => &[
            (offset_of!(SetPolicy, pending_order_s), "pending_order_s"),
            (offset_of!(SetPolicy, retention_s), "retention_s"),
            (offset_of!(SetPolicy, reservation_s_max), "reservation_s_max"),
        ],
        Wanted::Seller(_) => &[
            (offset_of!(DefineSeller, commission_bp), "commission_bp"),
            (offset_of!(DefineSeller, standing), "standing"),
        ],
        Wanted::Location(_) => &[(offset_of!(DefineLocation, standing), "standing")],
        Wanted::Sku(_) => &[(offset_of!(DefineSku, standing), "standing")],
        Wanted::Sourcing(None, _) => &[(offset_of!(DefineSourcing, rules), "everybody")],
        Wanted::Sourcing(Some(_), _) => &[(offset_of!(DefineSourcing, rules), "sellers")],
    };
    fields.iter().find(|field| field.0 == offset).map(|field| field.1)
}

/// The version to expect of something: the one that was read; what was not there must be new.
fn expected(versions: &BTreeMap<String, (u32, u32)>, code: &str) -> u32 {
    versions.get(code).map_or(EXPECTED_NEW, |&(_, version)| version)
}

fn submit(
    client: &mut Client,
    found: &SettingsFile,
    handle_of: &impl Fn(&str) -> SellerHandle,
    change: &Change,
) -> Result<u64, ClientError> {
    // The file was checked when it was read: names and letters are known.
    let standing = |name: &str| standing_number(name).unwrap_or_default();
    match &change.to {
        Wanted::Policy(policy) => client.submit(&Command::SetPolicy(&SetPolicy {
            pending_order_s: policy.pending_order_s.into(),
            retention_s: policy.retention_s.into(),
            reservation_s_max: policy.reservation_s_max.into(),
            expected_version: found.versions.policy.into(),
        })),
        Wanted::Seller(seller) => {
            let head = DefineSeller {
                commission_bp: seller.commission_bp.into(),
                standing: standing(&seller.standing),
                code_bytes: seller.code.len() as u8,
                expected_version: expected(&found.versions.sellers, &seller.code).into(),
            };
            client.submit(&Command::DefineSeller(&head, &seller.code))
        }
        Wanted::Location(location) => {
            let head = DefineLocation {
                priority: location.priority.into(),
                daily_capacity: location.daily_capacity.into(),
                expected_version: expected(&found.versions.locations, &location.code).into(),
                region: location.region.into(),
                standing: standing(&location.standing),
                code_bytes: location.code.len() as u8,
            };
            client.submit(&Command::DefineLocation(&head, &location.code))
        }
        Wanted::Sku(sku) => {
            let head = DefineSku {
                seller: handle_of(&sku.seller),
                backorder_cap: sku.backorder_cap.into(),
                currency: currency_of(sku).unwrap_or(orderline_protocol::CurrencyCode::NONE),
                standing: standing(&sku.standing),
                code_bytes: sku.code.len() as u8,
                expected_version: expected(&found.versions.skus, &sku.code).into(),
            };
            client.submit(&Command::DefineSku(&head, &sku.code))
        }
        Wanted::Sourcing(seller, rules) => {
            let sourcing = found.sourcing.as_ref();
            let seen = sourcing.and_then(|sourcing| match seller {
                None => sourcing.everybody.as_ref(),
                Some(seller) => sourcing.sellers.get(seller),
            });
            let seen = seen.and_then(|rules| rule_numbers(rules).ok()).unwrap_or_default();
            client.submit(&Command::DefineSourcing(&DefineSourcing {
                seller: seller.as_deref().map_or(SellerHandle::NONE, handle_of),
                rules: rule_numbers(rules).unwrap_or_default(),
                expected_rules: rules_digest(&seen).into(),
            }))
        }
    }
}
