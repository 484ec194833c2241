//! `orderline token`: secrets made, tokens defined, listed and revoked. A secret is shown once, to whoever made it.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chrono::DateTime;
use orderline_access::{Role, Secret, SecretHash};
use orderline_client::{Client, OwnedReply};
use orderline_protocol::command::{DefineToken, EntityKind, QueryTokens, ResolveCode, RevokeToken, Standing};
use orderline_protocol::limits::TOKEN_LOCATIONS_MAX;
use orderline_protocol::reply::TokenView;
use orderline_protocol::{Command, LocationHandle, Locations, RejectCode, SellerHandle};
use serde::Serialize;

use crate::cli::{
    TokenAddArguments, TokenArguments, TokenListArguments, TokenNewArguments, TokenRevokeArguments, TokenVerb,
};
use crate::connect::connect;
use crate::verb::{Ending, Refusal, VerbResult, print_json};

pub(crate) fn run(arguments: &TokenArguments) -> VerbResult {
    match &arguments.verb {
        TokenVerb::New(arguments) => new(arguments),
        TokenVerb::Add(arguments) => add(arguments),
        TokenVerb::List(arguments) => list(arguments),
        TokenVerb::Revoke(arguments) => revoke(arguments),
    }
}

#[derive(Debug, Serialize)]
struct NewReport<'a> {
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<&'a Path>,
}

fn new(arguments: &TokenNewArguments) -> VerbResult {
    let secret = Secret::new()?;
    let out = arguments.out.as_deref();
    keep(&secret, out)?;
    let report =
        NewReport { hash: secret.hash().to_string(), secret: out.is_none().then(|| secret.to_hex()), out };
    if arguments.json {
        print_json(&report)?;
    } else {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "hash    {}", report.hash)?;
        if let Some(secret) = report.secret {
            writeln!(stdout, "secret  {secret}")?;
        }
    }
    Ok(Ending::Well)
}

/// Writes a secret to a new file that nobody else may read.
fn keep(secret: &Secret, out: Option<&Path>) -> Result<(), Refusal> {
    let Some(path) = out else { return Ok(()) };
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| writeln!(file, "{}", secret.to_hex()));
    written.map_err(|why| Refusal::new(format!("cannot write the secret to {}: {why}", path.display())))
}

#[derive(Debug, Serialize)]
struct AddReport<'a> {
    token: u64,
    version: u32,
    label: &'a str,
    role: &'a str,
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<&'a Path>,
}

fn add(arguments: &TokenAddArguments) -> VerbResult {
    let role = Role::from_name(&arguments.role).ok_or_else(|| {
        let known: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
        Refusal::new(format!("no role is called {:?}; there are: {}", arguments.role, known.join(", ")))
    })?;
    let label_bytes = u8::try_from(arguments.label.len())
        .map_err(|_| Refusal::new("--label: a label has 1 to 64 bytes"))?;
    let (secret, hash) = match &arguments.hash {
        Some(hash) => {
            let hash: SecretHash =
                hash.parse().map_err(|error| Refusal::new(format!("--hash {hash}: {error}")))?;
            (None, hash)
        }
        None => {
            let secret = Secret::new()?;
            (Some(secret), secret.hash())
        }
    };
    let mut client = connect(&arguments.server)?;
    let mut head = DefineToken {
        hash: *hash.bytes(),
        expires_at_us: arguments.expires.as_deref().map_or(Ok(0), time)?.into(),
        seller: SellerHandle::NONE,
        expected_version: 0.into(),
        commands_per_s_max: arguments.commands_per_second.into(),
        locations: Locations::NONE,
        role: role as u8,
        standing: Standing::Active as u8,
        label_bytes,
        reserved: [0; 1],
    };
    if let Some(code) = &arguments.seller {
        head.seller = SellerHandle::new(resolve(&mut client, EntityKind::Seller, code)?);
    }
    head.locations = locations(&mut client, &arguments.locations)?;
    if (role == Role::Seller) != arguments.seller.is_some() {
        return Err(Refusal::new("--seller is given with the role seller, and only with that"));
    }
    if (role == Role::Warehouse) == arguments.locations.is_empty() {
        return Err(Refusal::new("--location is given with the role warehouse, and only with that"));
    }
    // Whoever cannot keep the secret had better not define it.
    if let Some(secret) = &secret {
        keep(secret, arguments.out.as_deref())?;
    }
    let reply = call(&mut client, &Command::DefineToken(&head, &arguments.label))?;
    let shown = secret.filter(|_| arguments.out.is_none()).map(|secret| secret.to_hex());
    let report = AddReport {
        token: reply.header.detail.get(),
        version: reply.header.version.get(),
        label: &arguments.label,
        role: role.name(),
        hash: hash.to_string(),
        secret: shown,
        out: arguments.out.as_deref(),
    };
    if arguments.json {
        print_json(&report)?;
        return Ok(Ending::Well);
    }
    eprintln!(
        "token {} ({}, {}) is defined, version {}",
        report.token, report.label, report.role, report.version
    );
    if let Some(secret) = report.secret {
        eprintln!("its secret is shown this once:");
        writeln!(std::io::stdout().lock(), "{secret}")?;
    }
    Ok(Ending::Well)
}

/// The locations that --location names.
fn locations(client: &mut Client, codes: &[String]) -> Result<Locations, Refusal> {
    let mut handles = Vec::new();
    for code in codes {
        let handle = LocationHandle::new(resolve(client, EntityKind::Location, code)? as u16);
        if handles.contains(&handle) {
            return Err(Refusal::new(format!("--location {code} is given twice")));
        }
        handles.push(handle);
    }
    Locations::of(&handles).ok_or_else(|| {
        Refusal::new(format!(
            "--location is given {} times; a token is for {TOKEN_LOCATIONS_MAX} locations at most",
            codes.len()
        ))
    })
}

/// A time as microseconds since 1970.
fn time(text: &str) -> Result<i64, Refusal> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.timestamp_micros())
        .map_err(|error| Refusal::new(format!("--expires {text}: {error}; write it as 2027-01-31T00:00:00Z")))
}

#[derive(Debug, Serialize)]
struct ListReport {
    tokens: Vec<Listed>,
}

#[derive(Debug, Serialize)]
struct Listed {
    token: u32,
    version: u32,
    label: String,
    role: &'static str,
    /// The handle of the seller that it is bound to.
    seller: Option<u32>,
    /// The handles of the locations that it is bound to.
    locations: Vec<u16>,
    expires_at: Option<String>,
    commands_per_second: u32,
    is_revoked: bool,
}

fn list(arguments: &TokenListArguments) -> VerbResult {
    let mut client = connect(&arguments.server)?;
    let tokens: Vec<Listed> = tokens(&mut client)?.iter().map(listed).collect();
    if arguments.json {
        print_json(&ListReport { tokens })?;
        return Ok(Ending::Well);
    }
    let mut stdout = std::io::stdout().lock();
    for token in tokens {
        let bound = match (token.seller, &token.locations[..]) {
            (Some(seller), _) => format!(" of seller {seller}"),
            (None, []) => String::new(),
            (None, [location]) => format!(" at location {location}"),
            (None, locations) => {
                let locations: Vec<_> = locations.iter().map(u16::to_string).collect();
                format!(" at locations {}", locations.join(", "))
            }
        };
        let until = token.expires_at.map_or_else(String::new, |at| format!(", until {at}"));
        let quota = match token.commands_per_second {
            0 => String::new(),
            count => format!(", {count} commands/s"),
        };
        let revoked = if token.is_revoked { ", REVOKED" } else { "" };
        writeln!(
            stdout,
            "{:>6}  {}: {}{bound}{until}{quota}{revoked}",
            token.token, token.label, token.role
        )?;
    }
    Ok(Ending::Well)
}

fn listed(view: &TokenView) -> Listed {
    let expires_at = match view.expires_at_us.get() {
        0 => None,
        at_us => DateTime::from_timestamp_micros(at_us).map(|time| time.to_rfc3339()),
    };
    Listed {
        token: view.token.get(),
        version: view.version.get(),
        label: view.label().unwrap_or_default().to_owned(),
        role: Role::from_number(view.role).map_or("unknown", Role::name),
        seller: (!view.seller.is_none()).then(|| view.seller.get()),
        locations: view.locations.iter().map(LocationHandle::get).collect(),
        expires_at,
        commands_per_second: view.commands_per_s_max.get(),
        is_revoked: view.standing != Standing::Active as u8,
    }
}

#[derive(Debug, Serialize)]
struct RevokeReport<'a> {
    token: u32,
    label: &'a str,
}

fn revoke(arguments: &TokenRevokeArguments) -> VerbResult {
    let mut client = connect(&arguments.server)?;
    let label = &arguments.label;
    let known = tokens(&mut client)?;
    let Some(token) = known.iter().find(|token| token.label() == Some(label)) else {
        return Err(Refusal::new(format!("no token is labelled {label:?}; `orderline token list` has them")));
    };
    let head = RevokeToken { token: token.token, expected_version: token.version };
    call(&mut client, &Command::RevokeToken(&head))?;
    eprintln!("token {} ({label}) is revoked", token.token);
    if arguments.json {
        print_json(&RevokeReport { token: token.token.get(), label })?;
    }
    Ok(Ending::Well)
}

/// Every token of a server.
fn tokens(client: &mut Client) -> Result<Vec<TokenView>, Refusal> {
    let mut tokens = Vec::new();
    let mut from = 1;
    while from != 0 {
        let reply = call(client, &Command::QueryTokens(&QueryTokens { from: from.into(), count: 0.into() }))?;
        tokens.extend_from_slice(TokenView::read_all(&reply.view)?);
        from = reply.header.detail.get() as u32;
    }
    Ok(tokens)
}

fn resolve(client: &mut Client, entity: EntityKind, code: &str) -> Result<u32, Refusal> {
    let code_bytes = u8::try_from(code.len())
        .map_err(|_| Refusal::new(format!("the code {code:?} is longer than a code can be")))?;
    let head = ResolveCode { entity: entity as u8, code_bytes, reserved: [0; 6] };
    let reply = call(client, &Command::ResolveCode(&head, code))
        .map_err(|refusal| Refusal::new(format!("the {} {code:?}: {refusal}", entity.name())))?;
    Ok(reply.header.detail.get() as u32)
}

/// Calls, and takes a rejection for what stops the verb.
fn call(client: &mut Client, command: &Command<'_>) -> Result<OwnedReply, Refusal> {
    let reply = client.call(command)?;
    match RejectCode::from_number(reply.header.code.get()) {
        None => Ok(reply),
        Some(code) => Err(Refusal::new(format!("the server refused it ({}): {}", code.name(), code.text()))),
    }
}
