//! The way to hosts for those who only look. What a host can do beyond that, and the connections behind it, are private to this file: an
//! observer cannot start a durable command or put a file in place, since nothing that it holds could.

use std::sync::Arc;
use std::time::Duration;

use super::connections::Connections;
use crate::model::operation::{Target, Trouble};
use crate::transport::{BoxStream, Captured, Exec, FileError, Host, RemoteFile, RunAs, SocketError, StartError, TcpError};

/// Finds hosts to look at.
#[derive(Clone)]
pub struct Sight {
    connections: Arc<Connections>,
}

/// A host as one sees it who only looks.
pub struct Eyes {
    host: Arc<dyn Host>,
}

impl Sight {
    /// Looks through these connections.
    #[must_use]
    pub fn through(connections: Arc<Connections>) -> Sight {
        Sight { connections }
    }

    /// A host, or this machine.
    ///
    /// # Errors
    /// As [`Connections::to`].
    pub async fn to(&self, target: &Target) -> Result<Eyes, Trouble> {
        let host = self.connections.to(target).await?;
        Ok(Eyes { host })
    }

    /// As [`Connections::lost`].
    pub async fn lost(&self, target: &Target, eyes: &Eyes) {
        self.connections.lost(target, &eyes.host).await;
    }

    /// As [`Connections::dial`].
    ///
    /// # Errors
    /// Nothing answers there.
    pub async fn dial(&self, address: &str, port: u16) -> std::io::Result<BoxStream> {
        self.connections.dial(address, port).await
    }
}

impl Eyes {
    /// As [`Host::exec`].
    ///
    /// # Errors
    /// Why there is no outcome.
    pub async fn exec(&self, request: Exec) -> Result<Captured, StartError> {
        self.host.exec(request).await
    }

    /// As [`Host::exec_many`].
    pub async fn exec_many(&self, requests: Vec<Exec>) -> Vec<Result<Captured, StartError>> {
        self.host.exec_many(requests).await
    }

    /// As [`Host::read_file`].
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn read_file(&self, path: &str, run_as: RunAs, max: usize) -> Result<Option<RemoteFile>, FileError> {
        self.host.read_file(path, run_as, max).await
    }

    /// As [`Host::socket`].
    ///
    /// # Errors
    /// Why it gives no answer.
    pub async fn socket(&self, path: &str, request: &[u8], run_as: RunAs, timeout: Duration) -> Result<Vec<u8>, SocketError> {
        self.host.socket(path, request, run_as, timeout).await
    }

    /// As [`Host::open_tcp`].
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn open_tcp(&self, address: &str, port: u16, timeout: Duration) -> Result<BoxStream, TcpError> {
        self.host.open_tcp(address, port, timeout).await
    }
}
