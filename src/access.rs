//! The access table that all fronts ask, filled from the state; who the server is; and where it is safe to listen.

use std::net::SocketAddr;

use orderline_access::tls::Identity;
use orderline_access::{Access, Bearer};
use orderline_core::State;
use tracing::{info, warn};

use crate::cli::ServeArguments;
use crate::config::Config;
use crate::serve::unix_us;
use crate::verb::Refusal;

/// The table as the configuration and the recovered state have it.
pub(crate) fn of(config: &Config, state: &State) -> Result<Access, Refusal> {
    let access = Access::new(config.access.operator().map_err(Refusal::new)?, unix_us);
    fill(&access, state);
    Ok(access)
}

/// Who the server is, if the configuration says by what it proves that.
pub(crate) fn identity(config: &Config) -> Result<Option<Identity>, Refusal> {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => Ok(Some(Identity::read(certificate, key)?)),
        _ => Ok(None),
    }
}

/// Reads the certificate again, and says what came of it.
pub(crate) fn reload(identity: Option<&Identity>) {
    let Some(identity) = identity else {
        warn!("SIGHUP: there is no certificate to read again");
        return;
    };
    let file = identity.certificate().display();
    match identity.reload() {
        Ok(()) => {
            info!(%file, "SIGHUP: the certificate was read again; connections made from now on see it")
        }
        Err(error) => warn!(%file, %error, "SIGHUP: the certificate stays what it was"),
    }
}

/// Puts the state's tokens into the table.
pub(crate) fn fill(access: &Access, state: &State) {
    access.replace(state.tokens().map(|(token, label, known)| Bearer {
        token,
        label,
        version: known.version,
        definition: known.definition,
    }));
}

/// Refuses to listen where whoever reaches the address could read along, or come in without a token.
pub(crate) fn check_listening(
    arguments: &ServeArguments,
    access: &Access,
    identity: Option<&Identity>,
) -> Result<(), Refusal> {
    let is_public = |addr: &&SocketAddr| !addr.ip().is_loopback();
    let Some(addr) = [Some(&arguments.listen), arguments.http.as_ref()].into_iter().flatten().find(is_public)
    else {
        return Ok(());
    };
    if arguments.insecure_network {
        warn!(%addr, "the address is reached from beyond this machine, and --insecure-network lets it be so");
        return Ok(());
    }
    if identity.is_none() {
        return Err(Refusal::new(format!(
            "{addr} is reached from beyond this machine, and nothing is encrypted: whoever is on the way would read the orders and \
             the tokens; name a certificate and its key in the configuration (tls.certificate, tls.key), or say --insecure-network"
        )));
    }
    if access.is_open() {
        return Err(Refusal::new(format!(
            "{addr} is reached from beyond this machine, and there is no access token: whoever comes would be an operator; make \
             one with `orderline token new`, put its hash into the configuration as access.operator_token_hash, or say \
             --insecure-network"
        )));
    }
    Ok(())
}
