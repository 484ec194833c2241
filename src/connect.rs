//! Reaching a server, for every verb that does: its address, and the secret that it is brought.

use orderline_access::Secret;
use orderline_client::{Client, ClientError, ClientOptions, Encryption};

use crate::cli::ConnectArguments;
use crate::verb::Refusal;

/// Where a secret is looked for that no file holds.
const TOKEN_VARIABLE: &str = "ORDERLINE_TOKEN";

/// What a client of this server begins with.
pub(crate) fn client_options(server: &ConnectArguments) -> Result<ClientOptions, Refusal> {
    let name = server.tls_name.clone().unwrap_or_else(|| server.connect.ip().to_string());
    let encryption = server.tls_ca.as_deref().map(|file| Encryption::trusting(file, &name)).transpose()?;
    let token = token(server)?.map_or([0; 32], |secret| *secret.bytes());
    Ok(ClientOptions { token, encryption, ..ClientOptions::default() })
}

/// The secret that the server is brought, if there is one.
fn token(server: &ConnectArguments) -> Result<Option<Secret>, Refusal> {
    let (text, place) = match &server.token_file {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|why| {
                Refusal::new(format!("cannot read the token file {}: {why}", file.display()))
            })?;
            (text, file.display().to_string())
        }
        None => match std::env::var(TOKEN_VARIABLE) {
            Ok(text) => (text, TOKEN_VARIABLE.to_owned()),
            Err(_) => return Ok(None),
        },
    };
    let secret = text.trim().parse();
    secret.map(Some).map_err(|error| Refusal::new(format!("{place} holds no token: {error}")))
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
