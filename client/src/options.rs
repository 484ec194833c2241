//! What a caller may choose about a client.

use std::time::Duration;

use orderline_protocol::SessionId;

use crate::Encryption;

/// How a client is to behave.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// What the server knows the client by; zeros where it asks for none.
    pub token: [u8; 32],
    /// Speak TLS to a server that this trusts; `None`: everybody on the way reads along.
    pub encryption: Option<Encryption>,
    /// The session to open or to take up; `None`: a new one with a random id.
    pub session: Option<SessionId>,
    /// Refuse to go on when the server does not know the session. Meant for a caller that comes back after a crash
    /// of its own with requests whose answers it never saw.
    pub must_exist: bool,
    /// Bound on connecting and being welcomed, for each attempt.
    pub connect_timeout: Duration,
    /// Bound on one [`crate::Client::call`] or [`crate::Client::call_all`] without any reply coming in.
    pub call_timeout: Duration,
    /// What to do when the connection is lost.
    pub reconnect: ReconnectPolicy,
    /// Be answered `Busy` at once where the server has too much to do, instead of waiting for it. A command so refused
    /// had no effect; submitted again it gets a new number. Such answers may overtake those to earlier commands.
    pub refuse_when_busy: bool,
    /// Commands gathered into one frame at most; 1 sends each in its own.
    pub commands_per_frame_max: u16,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            token: [0; 32],
            encryption: None,
            session: None,
            must_exist: false,
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(30),
            reconnect: ReconnectPolicy::default(),
            refuse_when_busy: false,
            commands_per_frame_max: u16::MAX,
        }
    }
}

/// How long, and how often, a client tries to come back. Pauses double from the first to the longest one and are
/// jittered by up to a half.
#[derive(Debug, Clone)]
pub struct ReconnectPolicy {
    /// Attempts after which it gives up; 0: a lost connection is final.
    pub attempts_max: u32,
    /// Time since the loss after which it gives up.
    pub give_up_after: Duration,
    /// The pause before the first attempt.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl ReconnectPolicy {
    /// A lost connection is final.
    pub fn never() -> Self {
        Self { attempts_max: 0, ..Self::default() }
    }
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self {
            attempts_max: u32::MAX,
            give_up_after: Duration::from_secs(30),
            pause_first: Duration::from_millis(5),
            pause_max: Duration::from_secs(1),
        }
    }
}
