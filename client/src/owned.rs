//! A reply that outlives the buffer it came in.

use orderline_protocol::Reply;
use orderline_protocol::reply::ReplyHeader;

/// A reply with its view, copied out of the client's buffer.
#[derive(Debug, Clone)]
pub struct OwnedReply {
    /// Its fixed part.
    pub header: ReplyHeader,
    /// The view behind it; empty but for queries.
    pub view: Vec<u8>,
}

impl OwnedReply {
    /// The same reply, borrowed.
    pub fn as_reply(&self) -> Reply<'_> {
        Reply { header: &self.header, view: &self.view }
    }
}

impl From<Reply<'_>> for OwnedReply {
    fn from(reply: Reply<'_>) -> Self {
        Self { header: *reply.header, view: reply.view.to_vec() }
    }
}
