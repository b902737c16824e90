//! One resident shell: sends requests, cuts the answers out of its two streams. Knows frames, not their meaning.

use std::any::Any;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::link::Channel;
use super::{LinkError, Output, protocol};

/// What precedes the first frame (banners, noisy start-up files) and a frame's own line are never longer.
const FRAME_BYTES: usize = 16 * 1024;

/// One resident shell on the host.
pub(super) struct Lane {
    /// Its process on the host.
    pub(super) pid: u32,
    pub(super) stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub(super) out: Reader,
    pub(super) err: Reader,
    _guard: Box<dyn Any + Send>,
}

/// Who and where the shell is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) user: String,
    pub(super) boot_id: String,
}

/// A shell that did not say hello.
#[derive(Debug)]
pub(super) enum HelloError {
    /// It said why: `proc`, `setsid` or `state`.
    Unfit(String),
    /// The stream ended first; what it wrote instead.
    Ended(String),
    Timeout,
}

impl Lane {
    /// Sends the remote side and waits for its hello.
    pub(super) async fn start(channel: Channel, within: Duration) -> Result<(Lane, Hello), HelloError> {
        let Channel {
            mut stdin,
            stdout,
            stderr,
            guard,
        } = channel;
        let nonce = protocol::nonce();
        let (mut out, mut err) = (Reader::new(stdout), Reader::new(stderr));
        let mut noise = Kept::new(FRAME_BYTES);
        let mut silence = Kept::new(FRAME_BYTES);
        let greet = async {
            // A shell that is not there ends the stream; that tells more than the failed write.
            let _ = stdin.write_all(&protocol::greeting(&nonce)).await;
            let _ = stdin.flush().await;
            let (said, _) = tokio::join!(out.until(&nonce, &mut noise), err.until(&nonce, &mut silence));
            said
        };
        let Ok(said) = tokio::time::timeout(within, greet).await else {
            return Err(HelloError::Timeout);
        };
        let Ok(mark) = said else {
            let mut words = silence.output.bytes;
            words.extend(noise.output.bytes);
            words.extend(std::mem::take(&mut out.pending));
            return Err(HelloError::Ended(String::from_utf8_lossy(&words).trim().to_owned()));
        };
        let mut fields = mark.rest.splitn(5, ' ');
        let (pid, _uid, user, boot) = (fields.next(), fields.next(), fields.next(), fields.next());
        match (mark.kind, pid.and_then(|p| p.parse().ok()), user, boot) {
            ('h', Some(pid), Some(user), Some(boot)) => {
                let hello = Hello {
                    user: user.to_owned(),
                    boot_id: boot.to_owned(),
                };
                Ok((
                    Lane {
                        pid,
                        stdin,
                        out,
                        err,
                        _guard: guard,
                    },
                    hello,
                ))
            }
            _ => Err(HelloError::Unfit(mark.rest)),
        }
    }

    /// Reads both streams to the next frame.
    pub(super) async fn both(&mut self, nonce: &str, out: &mut Kept, err: &mut Kept) -> Result<Mark, LinkError> {
        let (mark, _) = tokio::try_join!(self.out.until(nonce, out), self.err.until(nonce, err))?;
        Ok(mark)
    }

    /// As [`Lane::both`]; what precedes the frame is dropped.
    pub(super) async fn past(&mut self, nonce: &str) -> Result<Mark, LinkError> {
        self.both(nonce, &mut Kept::new(0), &mut Kept::new(0)).await
    }

    /// Sends one request.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        send(&mut self.stdin, bytes).await
    }
}

/// Writes all of it.
pub(super) async fn send(stdin: &mut (dyn AsyncWrite + Send + Unpin), bytes: &[u8]) -> Result<(), LinkError> {
    let gone = |e: std::io::Error| LinkError::Lost(e.to_string());
    stdin.write_all(bytes).await.map_err(gone)?;
    stdin.flush().await.map_err(gone)
}

/// The line that frames an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) kind: char,
    pub(super) rest: String,
}

/// The bytes before a frame, up to a bound.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) output: Output,
    most: usize,
}

impl Kept {
    pub(super) fn new(most: usize) -> Kept {
        Kept {
            output: Output::default(),
            most,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = self.most - self.output.bytes.len().min(self.most);
        self.output.truncated |= bytes.len() > room;
        self.output.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// One stream of a shell.
pub(super) struct Reader {
    from: Box<dyn AsyncRead + Send + Unpin>,
    pending: Vec<u8>,
}

impl Reader {
    fn new(from: Box<dyn AsyncRead + Send + Unpin>) -> Reader {
        Reader { from, pending: Vec::new() }
    }

    /// Reads to the next frame of this nonce; what precedes it goes to `kept`. Safe to drop and to call again.
    pub(super) async fn until(&mut self, nonce: &str, kept: &mut Kept) -> Result<Mark, LinkError> {
        let opening = format!("\n{nonce} ");
        loop {
            if let Some(mark) = self.cut(opening.as_bytes(), kept)? {
                return Ok(mark);
            }
            self.pending.reserve(8 * 1024);
            let read = self
                .from
                .read_buf(&mut self.pending)
                .await
                .map_err(|e| LinkError::Lost(e.to_string()))?;
            if read == 0 {
                return Err(LinkError::Lost(String::from("the stream ended")));
            }
        }
    }

    fn cut(&mut self, opening: &[u8], kept: &mut Kept) -> Result<Option<Mark>, LinkError> {
        let Some(at) = find(&self.pending, opening) else {
            // The last bytes may be the beginning of a frame.
            let sure = self.pending.len().saturating_sub(opening.len() - 1);
            kept.push(&self.pending[..sure]);
            self.pending.drain(..sure);
            return Ok(None);
        };
        kept.push(&self.pending[..at]);
        self.pending.drain(..at);
        let line = &self.pending[opening.len()..];
        let Some(end) = line.iter().position(|b| *b == b'\n') else {
            if line.len() > FRAME_BYTES {
                return Err(LinkError::Protocol(String::from("a frame without an end")));
            }
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&line[..end]).into_owned();
        self.pending.drain(..opening.len() + end + 1);
        let kind = text.chars().next().unwrap_or(' ');
        Ok(Some(Mark {
            kind,
            rest: text.get(kind.len_utf8()..).unwrap_or("").trim().to_owned(),
        }))
    }
}

fn find(bytes: &[u8], opening: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(step) = bytes[from..].iter().position(|b| *b == b'\n') {
        let at = from + step;
        if bytes[at..].starts_with(opening) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn frames_are_found_however_the_bytes_arrive() {
        let stream = b"noise\n\nN s started\nbody\nN\nx\nN e 7\n";
        for size in 1..stream.len() {
            let (ours, mut theirs) = tokio::io::duplex(size);
            let writer = tokio::spawn(async move { theirs.write_all(stream).await });
            let mut reader = Reader::new(Box::new(ours));
            let mut before = Kept::new(100);
            assert_eq!(
                reader.until("N", &mut before).await.unwrap(),
                Mark {
                    kind: 's',
                    rest: "started".into()
                }
            );
            assert_eq!(before.output.bytes, b"noise\n");
            let mut body = Kept::new(3);
            assert_eq!(
                reader.until("N", &mut body).await.unwrap(),
                Mark {
                    kind: 'e',
                    rest: "7".into()
                }
            );
            assert_eq!(
                body.output,
                Output {
                    bytes: b"bod".to_vec(),
                    truncated: true
                }
            );
            assert!(reader.until("N", &mut body).await.is_err(), "the stream has ended");
            writer.await.unwrap().unwrap();
        }
    }
}
