//! Reaching a server, for every verb that does: its address, and the secret that it is brought.

use orderline_access::Secret;
use orderline_client::{Client, ClientError, ClientOptions};

use crate::cli::ConnectArguments;
use crate::verb::Refusal;

/// Where a secret is looked for that no file holds.
const TOKEN_VARIABLE: &str = "ORDERLINE_TOKEN";

/// What a client of this server begins with.
pub(crate) fn client_options(server: &ConnectArguments) -> Result<ClientOptions, Refusal> {
    let (text, place) = match &server.token_file {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|why| {
                Refusal::new(format!("cannot read the token file {}: {why}", file.display()))
            })?;
            (text, file.display().to_string())
        }
        None => match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => (text, TOKEN_VARIABLE.to_owned()),
            Err(_) => return Ok(ClientOptions::default()),
        },
    };
    let secret: Secret =
        text.trim().parse().map_err(|error| Refusal::new(format!("{place} holds no token: {error}")))?;
    Ok(ClientOptions { token: *secret.bytes(), ..ClientOptions::default() })
}

/// A client that the server has welcomed.
pub(crate) fn connect(server: &ConnectArguments) -> Result<Client, Refusal> {
    let addr = server.connect;
    Client::connect(addr, client_options(server)?).map_err(|error| {
        let hint = match error {
            ClientError::Closed(orderline_protocol::frame::CloseReason::Token) => {
                "; bring one by --token-file or ORDERLINE_TOKEN"
            }
            _ => "; is `orderline serve` running there?",
        };
        Refusal::new(format!("cannot reach the server at {addr}: {error}{hint}"))
    })
}
