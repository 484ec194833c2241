//! Who is asked: a server, or in tests something that answers like one.

use orderline_client::{Client, ClientError};
use orderline_protocol::{Command, Reply};

use super::error::ImportError;

/// Sends one command: what [`Gateway::exchange`] hands to whoever makes the commands. To be called once.
pub(crate) type Send<'s> = &'s mut dyn FnMut(&Command<'_>);

/// Answers commands, many on their way at once.
pub(crate) trait Gateway {
    /// Asks `count` commands, each made by `ask` from its index, and hands each reply to `answer` with that index.
    ///
    /// # Errors
    /// When no more answers are to be had; those that came were handed over.
    fn exchange(
        &mut self,
        count: usize,
        ask: &mut dyn FnMut(usize, Send<'_>),
        answer: &mut dyn FnMut(usize, Reply<'_>),
    ) -> Result<(), ImportError>;
}

impl Gateway for Client {
    fn exchange(
        &mut self,
        count: usize,
        ask: &mut dyn FnMut(usize, Send<'_>),
        answer: &mut dyn FnMut(usize, Reply<'_>),
    ) -> Result<(), ImportError> {
        let submit = |client: &mut Client, index: usize| {
            let mut request = Err(ClientError::Unexpected("index without a command"));
            ask(index, &mut |command| request = client.submit(command));
            request
        };
        self.call_all(0..count, submit, answer).map_err(|error| ImportError::Gateway(error.to_string()))
    }
}
