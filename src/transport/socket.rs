//! Talks to unix sockets and TCP ports of the host through the link, and explains refusals.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::base::bound;
use crate::base::quote;

use super::link::{Endpoint, StreamError};
use super::protocol;
use super::session::Session;
use super::{BoxStream, EndReason, Exec, LinkError, RunAs, SocketError, SocketErrorKind, StartError, StartErrorKind, TcpError};

/// Looks at the file to explain why a socket did not answer: kind, mode, owner, whether we may write to it, and whether
/// somebody listens, since `sshd` answers a forbidden forwarding as if nobody did.
const EXPLAIN: &str = r#"LC_ALL=C; export LC_ALL
if ! S=$(stat -Lc '%a %U:%G %F' -- "$P" 2>&1); then
  case $S in *'ermission denied'*) printf 'D ? 0 %s\n' "$S" ;; *) echo A ;; esac
  exit 0
fi
set -- $S
case $S in *' socket') ;; *) echo N; exit 0 ;; esac
[ -w "$P" ] || { printf 'D %s %s\n' "$2" "$1"; exit 0; }
while read -r A B C flags D E I path; do
  if [ "$flags" = 00010000 ] && [ "$path" = "$P" ]; then echo F; exit 0; fi
done </proc/net/unix
echo R
"#;

/// Another user's way: whichever of the usual programs is there.
const RELAY: &str = r#"if command -v socat >/dev/null 2>&1; then exec sudo -n -u "$U" -- socat -t "$S" - "UNIX-CONNECT:$P"
elif command -v nc >/dev/null 2>&1; then exec sudo -n -u "$U" -- nc -U "$P"
else exit 66; fi
"#;

pub(super) async fn ask(
    session: &Arc<Session>,
    path: &str,
    request: &[u8],
    run_as: RunAs,
    timeout: Duration,
) -> Result<Vec<u8>, SocketError> {
    if !path.starts_with('/') || path.contains('\0') {
        return Err(SocketError::new(path, SocketErrorKind::Absent, "not an absolute path"));
    }
    match run_as {
        RunAs::User(user) if user != session.hello.user => relay(session, path, request, user, timeout).await,
        _ => direct(session, path, request, timeout).await,
    }
}

async fn direct(session: &Arc<Session>, path: &str, request: &[u8], timeout: Duration) -> Result<Vec<u8>, SocketError> {
    let deadline = Instant::now() + timeout;
    let since = session.link.moment();
    let mut stream = match session.link.stream(Endpoint::Unix(path), timeout).await {
        Ok(stream) => stream,
        Err(error) => return Err(refused(session, path, error).await),
    };
    let mut answer = Vec::new();
    let talk = async {
        stream.write_all(request).await?;
        stream.flush().await?;
        (&mut stream).take(bound::SOCKET_BYTES as u64 + 1).read_to_end(&mut answer).await
    };
    let talked = timeout_at(deadline, talk).await;
    if !matches!(talked, Ok(Ok(1..)))
        && let Some(error) = session.link.refusal(since)
    {
        return Err(refused(session, path, error).await);
    }
    match talked {
        Err(_) => Err(SocketError::new(path, SocketErrorKind::Timeout, "")),
        Ok(Err(error)) => Err(SocketError::new(path, SocketErrorKind::Other, error.to_string())),
        Ok(Ok(_)) if answer.len() > bound::SOCKET_BYTES => Err(SocketError::new(path, SocketErrorKind::TooLarge, "")),
        Ok(Ok(_)) => Ok(answer),
    }
}

async fn refused(session: &Arc<Session>, path: &str, error: StreamError) -> SocketError {
    match error {
        StreamError::Prohibited => SocketError::new(path, SocketErrorKind::ForwardingRefused, ""),
        StreamError::Timeout => SocketError::new(path, SocketErrorKind::Timeout, ""),
        StreamError::Link(error) => SocketError::new(path, SocketErrorKind::Link(error), ""),
        StreamError::Refused(words) => explain(session, path, &words).await,
    }
}

async fn explain(session: &Arc<Session>, path: &str, words: &str) -> SocketError {
    let other = |detail: &str| SocketError::new(path, SocketErrorKind::Other, detail);
    let Ok(quoted) = quote::word(path) else {
        return other("the path holds a NUL byte");
    };
    let looked = session.exec_one(Exec::script(format!("P={quoted}\n{EXPLAIN}")), 4096).await;
    let Ok(captured) = looked else { return other(words) };
    let text = String::from_utf8_lossy(&captured.stdout.bytes).into_owned();
    let mut fields = text.trim().splitn(4, ' ');
    let kind = match fields.next() {
        Some("A") => SocketErrorKind::Absent,
        Some("N") => SocketErrorKind::NotSocket,
        Some("F") if words.contains("open failed") => SocketErrorKind::ForwardingRefused,
        Some("R" | "F") => SocketErrorKind::Refused,
        Some("D") => {
            let owner = fields.next().unwrap_or("?").to_owned();
            let mode = u32::from_str_radix(fields.next().unwrap_or("0"), 8).unwrap_or(0);
            return SocketError::new(path, SocketErrorKind::Denied { owner, mode }, fields.next().unwrap_or(""));
        }
        _ => return other(words),
    };
    SocketError::new(path, kind, "")
}

async fn relay(session: &Arc<Session>, path: &str, request: &[u8], user: String, timeout: Duration) -> Result<Vec<u8>, SocketError> {
    let fail = |kind, detail: String| SocketError::new(path, kind, detail);
    // `socat` takes commas and colons of its address for options.
    if path.contains([',', ':', '!', '\\', '"']) {
        return Err(fail(SocketErrorKind::Other, String::from("this path cannot be passed to `socat`")));
    }
    let invalid = |e: StartError| fail(SocketErrorKind::Other, e.to_string());
    let (path_word, user_word) = (protocol::word(path).map_err(invalid)?, protocol::word(&user).map_err(invalid)?);
    let seconds = protocol::whole_seconds(timeout);
    let script = format!("P={path_word}; U={user_word}; S={seconds}\n{RELAY}");
    let exec = Exec {
        stdin: request.to_vec(),
        timeout,
        ..Exec::script(script)
    };
    let captured = session.exec_one(exec, bound::SOCKET_BYTES).await.map_err(|e| match e.kind {
        StartErrorKind::Link(link) => fail(SocketErrorKind::Link(link), String::new()),
        _ => fail(SocketErrorKind::Other, e.to_string()),
    })?;
    let said = String::from_utf8_lossy(&captured.stderr.bytes).trim().to_owned();
    let lower = said.to_ascii_lowercase();
    match captured.code {
        _ if captured.why == EndReason::Timeout => Err(fail(SocketErrorKind::Timeout, said)),
        0 if captured.stdout.truncated => Err(fail(SocketErrorKind::TooLarge, String::new())),
        0 => Ok(captured.stdout.bytes),
        66 => Err(fail(SocketErrorKind::NoProgram, String::new())),
        _ if lower.contains("no such file") => Err(fail(SocketErrorKind::Absent, String::new())),
        _ if lower.contains("connection refused") => Err(fail(SocketErrorKind::Refused, String::new())),
        _ if lower.contains("permission denied") => {
            let denied = explain(session, path, &said).await;
            Err(SocketError { detail: said, ..denied })
        }
        _ => Err(fail(SocketErrorKind::Other, said)),
    }
}

pub(super) async fn tcp(session: &Arc<Session>, address: &str, port: u16, timeout: Duration) -> Result<BoxStream, TcpError> {
    session
        .link
        .stream(Endpoint::Tcp(address, port), timeout)
        .await
        .map_err(|error| match error {
            StreamError::Prohibited => TcpError::ForwardingRefused,
            StreamError::Timeout => TcpError::Timeout,
            StreamError::Link(LinkError::Timeout(_)) => TcpError::Timeout,
            StreamError::Link(error) => TcpError::Link(error),
            StreamError::Refused(words) if words.to_ascii_lowercase().contains("connection refused") => TcpError::Refused,
            StreamError::Refused(words) if words.to_ascii_lowercase().contains("timed out") => TcpError::Timeout,
            StreamError::Refused(words) => TcpError::Other(words),
        })
}
