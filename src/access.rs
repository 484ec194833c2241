//! The access table that all fronts ask, filled from the state, and where it is safe to listen.

use std::net::SocketAddr;

use orderline_access::{Access, Bearer};
use orderline_core::State;

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

/// Puts the state's tokens into the table.
pub(crate) fn fill(access: &Access, state: &State) {
    access.replace(state.tokens().map(|(token, _, known)| Bearer {
        token,
        version: known.version,
        definition: known.definition,
    }));
}

/// Refuses to listen where whoever reaches the address could read along, or come in without a token.
pub(crate) fn check_listening(arguments: &ServeArguments, access: &Access) -> Result<(), Refusal> {
    let is_public = |addr: &&SocketAddr| !addr.ip().is_loopback();
    let Some(addr) = [Some(&arguments.listen), arguments.http.as_ref()].into_iter().flatten().find(is_public)
    else {
        return Ok(());
    };
    if arguments.insecure_network {
        eprintln!(
            "warning: {addr} is reached from beyond this machine, and --insecure-network lets it be so"
        );
        return Ok(());
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
