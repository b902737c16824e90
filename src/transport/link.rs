//! What the protocol needs from a link: shells and byte streams. Implemented by `ssh` and `local`; knows nothing of commands.

use std::any::Any;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{BoxFuture, BoxStream, LinkError};

/// One running `/bin/sh` on the host, before it was told anything.
pub(super) struct Channel {
    pub(super) stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub(super) stdout: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Whatever must live as long as the channel.
    pub(super) guard: Box<dyn Any + Send>,
}

/// Where a byte stream leads, seen from the host.
#[derive(Clone, Copy, Debug)]
pub(super) enum Endpoint<'a> {
    Unix(&'a str),
    Tcp(&'a str, u16),
}

/// Why there is no byte stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StreamError {
    /// The far end said no; for unix sockets a look at the file tells more.
    Refused(String),
    /// The server forbids forwarding.
    Prohibited,
    Timeout,
    Link(LinkError),
}

/// Moves bytes between here and one host.
pub(super) trait Link: Send + Sync {
    /// Starts one more shell with [`super::protocol::BOOTSTRAP`].
    fn open(&self) -> BoxFuture<'_, Result<Channel, LinkError>>;
    /// Connects from the host.
    fn stream<'a>(&'a self, to: Endpoint<'a>, timeout: Duration) -> BoxFuture<'a, Result<BoxStream, StreamError>>;
    /// A point in time for [`Link::refusal`].
    fn moment(&self) -> u64 {
        0
    }
    /// Was a byte stream refused since that moment, although it looked open? Tells an empty answer from none.
    fn refusal(&self, _since: u64) -> Option<StreamError> {
        None
    }
    /// Ends it. The shells' inputs were closed before.
    fn close(&self) -> BoxFuture<'_, ()>;
}
