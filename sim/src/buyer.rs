//! A client of a simulated world: the real client's code over a simulated network, asking at its own pace.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use orderline_client::{Client, ClientError, ClientOptions, OwnedReply, ReconnectPolicy};
use orderline_protocol::command::RawCommand;
use orderline_protocol::frame::CloseReason;
use orderline_protocol::{Command, Request, SessionId};

use crate::chance::Chance;
use crate::network::{ClientNetwork, Wires};
use crate::plan::Plan;

/// A client and its session, which outlives it.
pub struct Buyer {
    /// The session.
    pub session: SessionId,
    /// The client there is now.
    pub client: Client<ClientNetwork>,
    /// Its link's number.
    link: Rc<RefCell<Option<u64>>>,
    /// When it asks next.
    pub thinks_until: u64,
    /// When it gets to what it has to do.
    pub steps_at: Option<u64>,
    /// It holds commands that have not gone out.
    pub is_eager: bool,
    /// It was welcomed once in its life.
    pub was_welcomed: bool,
    /// It is gone for good until then.
    pub back_at: Option<u64>,
}

fn client(
    session: SessionId,
    wires: &Wires,
    chance: Chance,
    plan: &Plan,
) -> (Client<ClientNetwork>, Rc<RefCell<Option<u64>>>) {
    let (transport, link) = wires.for_client(chance);
    let options = ClientOptions {
        session: Some(session),
        connect_timeout: Duration::from_secs(5),
        reconnect: ReconnectPolicy {
            give_up_after: Duration::from_secs(1_000_000_000),
            ..ReconnectPolicy::default()
        },
        commands_per_frame_max: plan.commands_per_frame_max,
        ..ClientOptions::default()
    };
    (Client::over(transport, options), link)
}

impl Buyer {
    /// A client that opens this session.
    pub fn new(session: SessionId, wires: &Wires, chance: Chance, plan: &Plan) -> Self {
        let (client, link) = client(session, wires, chance, plan);
        Self {
            session,
            client,
            link,
            thinks_until: 0,
            steps_at: None,
            is_eager: true,
            was_welcomed: false,
            back_at: None,
        }
    }

    /// Another client takes up the session.
    pub fn replace(&mut self, wires: &Wires, chance: Chance, plan: &Plan) {
        (self.client, self.link) = client(self.session, wires, chance, plan);
        self.is_eager = true;
    }

    /// The link that there is now.
    pub fn link(&self) -> Option<u64> {
        *self.link.borrow()
    }

    /// Asks for a command; `None`: it has no credit.
    ///
    /// # Errors
    /// What the client says, for good.
    pub fn submit(&mut self, command: &[u8]) -> Result<Option<Request>, ClientError> {
        let raw = RawCommand::take(&mut &command[..])?;
        let command: Command<'_> =
            raw.read().unwrap_or_else(|why| panic!("a command of the shop is malformed: {why:?}"));
        match self.client.submit(&command) {
            Ok(request) => {
                self.is_eager = true;
                Ok(Some(request))
            }
            Err(ClientError::NoCredit { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves what can be moved; the replies that came.
    ///
    /// # Errors
    /// What is final.
    pub fn pump(&mut self) -> Result<Vec<OwnedReply>, (Vec<OwnedReply>, ClientError)> {
        self.is_eager = false;
        let mut replies = Vec::new();
        let pumped = self.client.pump(|reply| replies.push(reply.into()));
        self.was_welcomed |= self.client.is_connected();
        match pumped {
            Ok(_) => Ok(replies),
            Err(error) => Err((replies, error)),
        }
    }
}

/// Whether a client may end like this in a world where nothing is wrong with server and client.
pub fn is_lawful(error: &ClientError) -> bool {
    error.is_passing()
        || matches!(
            error,
            ClientError::Closed(CloseReason::Displaced | CloseReason::StorageFull | CloseReason::Stopping)
        )
}
