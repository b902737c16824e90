//! The one request of OpenSSH's multiplexing protocol that the `openssh` crate lacks: a byte stream from the far side
//! ("stdio forwarding", PROTOCOL.mux section 6), which says truly whether the far end accepted.

use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncRead, ReadBuf};

use super::BoxStream;

const HELLO: u32 = 0x0000_0001;
const VERSION: u32 = 4;
const NEW_STDIO_FORWARD: u32 = 0x1000_0008;
const OPENED: u32 = 0x8000_0006;
/// Longer than any answer of a master.
const PACKET_BYTES: u32 = 64 * 1024;

/// Asks the master for a stream to a port seen from the host. An error of kind `ConnectionRefused` is the far end's refusal.
pub(super) async fn stream(master: &Path, host: &str, port: u16, timeout: Duration) -> io::Result<BoxStream> {
    let (master, host): (PathBuf, String) = (master.to_owned(), host.to_owned());
    // The exchange is a few packets with a deadline; on a thread of its own it needs no second implementation of timeouts.
    let opened = tokio::task::spawn_blocking(move || open(&master, &host, u32::from(port), timeout));
    let Opened { control, read, write } = opened.await.map_err(io::Error::other)??;
    let read = Held {
        inner: tokio::net::UnixStream::from_std(read)?,
        _guard: control,
    };
    Ok(Box::new(tokio::io::join(read, tokio::net::UnixStream::from_std(write)?)))
}

struct Opened {
    control: UnixStream,
    read: UnixStream,
    write: UnixStream,
}

fn open(master: &Path, host: &str, port: u32, timeout: Duration) -> io::Result<Opened> {
    let deadline = Instant::now() + timeout;
    let mut control = UnixStream::connect(master).map_err(|e| io::Error::new(io::ErrorKind::BrokenPipe, e))?;
    control.set_write_timeout(Some(timeout.max(Duration::from_millis(1))))?;
    send(&mut control, &[HELLO, VERSION], &[])?;
    let mut request = Vec::new();
    for text in ["", host] {
        request.extend_from_slice(&u32::try_from(text.len()).map_err(io::Error::other)?.to_be_bytes());
        request.extend_from_slice(text.as_bytes());
    }
    request.extend_from_slice(&port.to_be_bytes());
    send(&mut control, &[NEW_STDIO_FORWARD, 0], &request)?;
    // Two pairs, not one: the end of one direction must not wait for the other.
    let (ours_write, theirs_read) = UnixStream::pair()?;
    let (ours_read, theirs_write) = UnixStream::pair()?;
    pass(&control, &theirs_read)?;
    pass(&control, &theirs_write)?;
    loop {
        let packet = receive(&mut control, deadline)?;
        match word(&packet, 0) {
            Some(HELLO) => {}
            Some(OPENED) => break,
            _ => {
                let reason = String::from_utf8_lossy(packet.get(12..).unwrap_or(&[])).into_owned();
                return Err(io::Error::new(io::ErrorKind::ConnectionRefused, reason));
            }
        }
    }
    ours_read.set_nonblocking(true)?;
    ours_write.set_nonblocking(true)?;
    Ok(Opened {
        control,
        read: ours_read,
        write: ours_write,
    })
}

fn send(control: &mut UnixStream, words: &[u32], rest: &[u8]) -> io::Result<()> {
    let length = u32::try_from(words.len() * 4 + rest.len()).map_err(io::Error::other)?;
    let mut packet = length.to_be_bytes().to_vec();
    packet.extend(words.iter().flat_map(|w| w.to_be_bytes()));
    packet.extend_from_slice(rest);
    control.write_all(&packet)
}

fn pass(control: &UnixStream, descriptor: &UnixStream) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    sendmsg(control, &[IoSlice::new(&[0])], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

fn receive(control: &mut UnixStream, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    fill(control, &mut length, deadline)?;
    let length = u32::from_be_bytes(length);
    if length > PACKET_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet of the master is too long"));
    }
    let mut packet = vec![0; length as usize];
    fill(control, &mut packet, deadline)?;
    Ok(packet)
}

fn fill(control: &mut UnixStream, buffer: &mut [u8], deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    control.set_read_timeout(Some(left))?;
    control.read_exact(buffer).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => io::ErrorKind::TimedOut.into(),
        _ => io::Error::new(io::ErrorKind::BrokenPipe, e),
    })
}

fn word(packet: &[u8], at: usize) -> Option<u32> {
    packet.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// The master ends the stream when the connection that asked for it closes, so it is held as long as the reading half.
pub(super) struct Held<R, G> {
    pub(super) inner: R,
    pub(super) _guard: G,
}

impl<R: AsyncRead + Unpin, G: Unpin> AsyncRead for Held<R, G> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}
