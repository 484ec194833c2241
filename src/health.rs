//! `orderline health`: whether a server on this machine is ready, for whoever supervises it and can only run a program, as a
//! container's health check does.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use crate::cli::HealthArguments;
use crate::config::Config;
use crate::verb::{Ending, Refusal, VerbResult, print_json};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

pub(crate) fn run(arguments: &HealthArguments) -> VerbResult {
    let config = Config::load(arguments.config.as_deref())?;
    let addr = arguments.http;
    if !addr.ip().is_loopback() {
        return Err(Refusal::new(format!(
            "{addr} is not on this machine: health does not ask who answers there"
        )));
    }
    let asked = ask(addr, config.tls.certificate.is_some());
    let ready = matches!(&asked, Ok((200, _)));
    let said = match asked {
        Ok((_, said)) => said.trim().to_owned(),
        Err(refusal) => refusal.to_string(),
    };
    if arguments.json {
        #[derive(Serialize)]
        struct Report<'a> {
            ready: bool,
            said: &'a str,
        }
        print_json(&Report { ready, said: &said })?;
    } else {
        eprintln!("{said}");
    }
    Ok(Ending::well_if(ready))
}

/// Asks whether it is ready: the status of the answer, and its text.
fn ask(addr: SocketAddr, is_encrypted: bool) -> Result<(u16, String), Refusal> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWER_WITHIN)
        // The certificate is for a name, and this is an address. No secret is sent, and what is answered changes nothing.
        .tls_danger_accept_invalid_certs(true)
        .build()?;
    let url = format!("{}://{addr}/readyz", if is_encrypted { "https" } else { "http" });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let answer = client.get(url).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    })
}
