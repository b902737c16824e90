//! A few lines of HTTP client, independent of the product's own, because the lab judges the product.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Bytes of an answer that are read; the lab's pages are far smaller.
const ANSWER_BYTES: usize = 64 * 1024;

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The server that says it answered (`x-served-by`).
    pub served_by: Option<String>,
    /// Body as text.
    pub body: String,
}

/// Asks once over a fresh connection; the whole exchange ends within `timeout`.
///
/// # Errors
/// Any failure of the connection, a timeout, or an answer that is not HTTP.
pub fn get(at: SocketAddr, path: &str, timeout: Duration) -> io::Result<Answer> {
    let end = Instant::now() + timeout;
    let left = || {
        end.checked_duration_since(Instant::now())
            .filter(|d| !d.is_zero())
            .ok_or_else(|| io::Error::from(io::ErrorKind::TimedOut))
    };
    let mut stream = TcpStream::connect_timeout(&at, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut bytes = Vec::with_capacity(1024);
    let mut chunk = [0u8; 4096];
    loop {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut chunk)? {
            0 => break,
            n => bytes.extend_from_slice(&chunk[..n]),
        }
        if bytes.len() > ANSWER_BYTES {
            break;
        }
    }
    parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not complete HTTP"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        head.lines()
            .skip(1)
            .filter_map(|l| l.split_once(':'))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim().to_owned())
    };
    // An answer cut short must not count as a success.
    if let Some(length) = header("content-length").and_then(|l| l.parse::<usize>().ok())
        && body.len() < length
    {
        return None;
    }
    Some(Answer {
        status,
        served_by: header("x-served-by"),
        body: body.to_owned(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_answer_and_refuses_half_of_one() {
        let whole = parse("HTTP/1.1 200 OK\r\nX-Served-By: web-01\r\ncontent-length: 2\r\n\r\nhi").unwrap();
        assert_eq!(
            (whole.status, whole.served_by.as_deref(), whole.body.as_str()),
            (200, Some("web-01"), "hi")
        );
        assert!(parse("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi").is_none());
        assert!(parse("SSH-2.0-x\r\n\r\n").is_none());
    }
}
