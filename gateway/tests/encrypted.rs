//! The gateway inside TLS: the same conversation, a certificate that changes under it, and peers that do not speak it.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[allow(dead_code)] // Most of it is for the other tests.
mod house;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use house::{House, hello_bytes, options};
use orderline_access::tls::Identity;
use orderline_client::{Client, ClientError, ClientOptions, Encryption, ReconnectPolicy, wait};
use orderline_gateway::GatewayOptions;
use orderline_protocol::Command;
use orderline_protocol::command::{ConfirmOrder, QueryStatus};
use zerocopy::FromZeros;

/// Writes a certificate of its own for this name, and its key.
fn issue(directory: &Path, name: &str) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    std::fs::write(directory.join("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

fn identity(directory: &Path) -> Identity {
    Identity::read(&directory.join("certificate.pem"), &directory.join("key.pem")).unwrap()
}

fn house(identity: &Identity) -> House {
    House::open(GatewayOptions { tls: Some(identity.server_config(&[]).unwrap()), ..options() })
}

fn client(house: &House, trusted: &Path, name: &str) -> Result<Client, ClientError> {
    let encryption = Some(Encryption::trusting(&trusted.join("certificate.pem"), name).unwrap());
    let reconnect = ReconnectPolicy::never();
    Client::connect(house.addr, ClientOptions { encryption, reconnect, ..ClientOptions::default() })
}

#[test]
fn a_client_that_trusts_the_server_is_answered_however_much_is_said() {
    let directory = tempfile::tempdir().unwrap();
    issue(directory.path(), "orders.example");
    let house = house(&identity(directory.path()));
    let mut client = client(&house, directory.path(), "orders.example").unwrap();
    let confirm = ConfirmOrder::new_zeroed();
    let mut answered = 0;
    for _ in 0..20_000 {
        while client.credits_left() == 0 {
            answered += client.pump(|_| ()).unwrap();
            if client.credits_left() == 0 {
                wait([&client], Duration::from_secs(10)).unwrap();
            }
        }
        client.submit(&Command::ConfirmOrder(&confirm)).unwrap();
    }
    while client.unanswered() > 0 {
        wait([&client], Duration::from_secs(10)).unwrap();
        answered += client.pump(|_| ()).unwrap();
    }
    assert_eq!(answered, 20_000);
    // Answers that fill every buffer on the way, with a pause in the middle.
    house.control.view_bytes.store(100_000, std::sync::atomic::Ordering::SeqCst);
    let status = QueryStatus { with_state_hash: 0, reserved: [0; 7] };
    for _ in 0..200 {
        client.submit(&Command::QueryStatus(&status)).unwrap();
    }
    client.flush().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let mut bytes = 0;
    while client.unanswered() > 0 {
        wait([&client], Duration::from_secs(10)).unwrap();
        client.pump(|reply| bytes += reply.view.len()).unwrap();
    }
    assert_eq!(bytes, 20_000_000);
}

#[test]
fn who_is_not_trusted_and_who_does_not_speak_tls_gets_nowhere_and_disturbs_nobody() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    issue(directory.path(), "orders.example");
    issue(other.path(), "orders.example");
    let house = house(&identity(directory.path()));
    let mut good = client(&house, directory.path(), "orders.example").unwrap();
    for (trusted, name) in [(other.path(), "orders.example"), (directory.path(), "other.example")] {
        let refused = client(&house, trusted, name).err().unwrap();
        assert!(refused.to_string().contains("certificate"), "{refused}");
    }
    let mut plain = TcpStream::connect(house.addr).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    plain.write_all(&hello_bytes(1, 0, [0; 32])).unwrap();
    let mut heard = Vec::new();
    let _ = plain.read_to_end(&mut heard);
    assert!(heard.len() < 64, "no more than an alert: {heard:?}");
    let reply = good.call(&Command::ConfirmOrder(&ConfirmOrder::new_zeroed())).unwrap();
    assert_eq!(reply.header.code.get(), 0);
}

#[test]
fn a_new_certificate_is_shown_to_whoever_connects_next_and_the_others_stay() {
    let (directory, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    issue(directory.path(), "orders.example");
    let before = std::fs::read(directory.path().join("certificate.pem")).unwrap();
    std::fs::write(old.path().join("certificate.pem"), before).unwrap();
    let identity = identity(directory.path());
    let house = house(&identity);
    let mut early = client(&house, old.path(), "orders.example").unwrap();
    issue(directory.path(), "orders.example");
    assert!(client(&house, old.path(), "orders.example").is_ok(), "nothing was read yet");
    identity.reload().unwrap();
    assert!(client(&house, old.path(), "orders.example").is_err());
    let mut late = client(&house, directory.path(), "orders.example").unwrap();
    for client in [&mut early, &mut late] {
        let reply = client.call(&Command::ConfirmOrder(&ConfirmOrder::new_zeroed())).unwrap();
        assert_eq!(reply.header.code.get(), 0);
    }
}
