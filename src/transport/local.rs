//! This machine as a host: the same remote side over pipes.

use std::process::Stdio;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::process::Command;
use tokio::time::timeout as within;

use super::link::{Channel, Endpoint, Link, StreamError};
use super::{BoxFuture, BoxStream, LinkError, protocol};

/// Shells of this machine.
pub(super) struct LocalLink;

/// One shell in a process group of its own, so that an interrupt at the terminal reaches only `runbook`.
pub(super) fn shell() -> std::io::Result<Channel> {
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(protocol::BOOTSTRAP)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let piped = "the child was started with pipes";
    let (stdin, stdout, stderr) = (
        child.stdin.take().expect(piped),
        child.stdout.take().expect(piped),
        child.stderr.take().expect(piped),
    );
    // It is not killed when dropped: it ends when its input does, after the attempt it may be supervising.
    Ok(Channel {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Box::new(stderr),
        guard: Box::new(child),
    })
}

impl Link for LocalLink {
    fn open(&self) -> BoxFuture<'_, Result<Channel, LinkError>> {
        Box::pin(async { shell().map_err(|e| LinkError::Lost(e.to_string())) })
    }

    fn stream<'a>(&'a self, to: Endpoint<'a>, timeout: Duration) -> BoxFuture<'a, Result<BoxStream, StreamError>> {
        Box::pin(async move {
            let connect = async {
                Ok::<BoxStream, std::io::Error>(match to {
                    Endpoint::Unix(path) => Box::new(UnixStream::connect(path).await?),
                    Endpoint::Tcp(address, port) => {
                        let stream = TcpStream::connect((address, port)).await?;
                        stream.set_nodelay(true)?;
                        Box::new(stream)
                    }
                })
            };
            match within(timeout, connect).await {
                Ok(connected) => connected.map_err(|e| StreamError::Refused(e.to_string())),
                Err(_) => Err(StreamError::Timeout),
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
