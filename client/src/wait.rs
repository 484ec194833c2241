//! Sleeping until one of several clients has something to do.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::{Client, ClientError};

/// Waits until one of the clients should be pumped, for `timeout` at most. Returns at once when one of them holds
/// commands that have not gone out. True: something happened; false: the time is over.
///
/// # Errors
/// When the system refuses to wait.
pub fn wait<'a>(
    clients: impl IntoIterator<Item = &'a Client>,
    timeout: Duration,
) -> Result<bool, ClientError> {
    let now = Instant::now();
    let mut bound = timeout;
    let mut sockets = Vec::new();
    for client in clients {
        if let Some(due_at) = client.due_at(now) {
            bound = bound.min(due_at.saturating_duration_since(now));
        }
        if let Some((stream, is_waiting_to_write)) = client.interest() {
            let write = if is_waiting_to_write { PollFlags::OUT } else { PollFlags::empty() };
            sockets.push(PollFd::new(stream, PollFlags::IN | write));
        }
    }
    let time = Timespec { tv_sec: bound.as_secs() as i64, tv_nsec: i64::from(bound.subsec_nanos()) };
    match poll(&mut sockets, Some(&time)) {
        Ok(ready) => Ok(ready > 0 || bound < timeout),
        Err(Errno::INTR) => Ok(true),
        Err(errno) => Err(ClientError::Wait(Arc::new(io::Error::from(errno)))),
    }
}
