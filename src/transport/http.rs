//! One HTTP/1.1 exchange over any byte stream: a socket of this machine or a connection made from a host. Knows no `ssh`.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::base::bound;

use super::BoxStream;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    /// Name or address, without brackets.
    pub host: String,
    /// Port, 80 if the address names none.
    pub port: u16,
    /// Path and query, at least `/`.
    pub path: String,
}

impl HttpTarget {
    /// Reads `http://host:port/path?query`.
    ///
    /// # Errors
    /// Another scheme, or not a URL.
    pub fn parse(url: &str) -> Result<HttpTarget, HttpError> {
        let bad = || HttpError::Invalid(format!("`{url}` is not of the form http://host:port/path"));
        let uri: hyper::Uri = url.parse().map_err(|_| bad())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(HttpError::HttpsUnsupported),
            _ => return Err(bad()),
        }
        let host = uri.host().filter(|h| !h.is_empty()).ok_or_else(bad)?;
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        Ok(HttpTarget {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            path: if path.is_empty() { String::from("/") } else { path.to_owned() },
        })
    }

    fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == 80 { host } else { format!("{host}:{}", self.port) }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// Where it goes.
    pub target: HttpTarget,
    /// Further headers; `Host` is added unless given.
    pub headers: Vec<(String, String)>,
    /// Body; may be empty.
    pub body: Vec<u8>,
    /// Time for the whole exchange.
    pub timeout: Duration,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// Headers in order, names in lower case; bytes that are no text are replaced.
    pub headers: Vec<(String, String)>,
    /// Up to `base::bound::HTTP_BODY_BYTES`.
    pub body: Vec<u8>,
    /// There was more.
    pub truncated: bool,
}

/// There is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Only plain HTTP is spoken.
    #[error("https is not supported yet")]
    HttpsUnsupported,
    /// The request cannot be written.
    #[error("{0}")]
    Invalid(String),
    /// No complete answer in time.
    #[error("no complete answer in time")]
    Timeout,
    /// The other side closed, or answered something that is not HTTP.
    #[error("the server did not answer properly: {0}")]
    Broken(String),
}

impl HttpError {
    /// Might it work later without anybody doing anything?
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, HttpError::Timeout | HttpError::Broken(_))
    }
}

/// Sends one request and reads its answer.
///
/// # Errors
/// See [`HttpError`].
pub async fn request(stream: BoxStream, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
    let within = request.timeout;
    timeout(within, exchange(stream, request)).await.unwrap_or(Err(HttpError::Timeout))
}

async fn exchange(stream: BoxStream, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
    let broken = |e: hyper::Error| HttpError::Broken(e.to_string());
    let message = message(request)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answer = async move {
        let response = sender.send_request(message).await.map_err(broken)?;
        collect(response).await
    };
    tokio::pin!(answer, connection);
    // The connection must be driven for the answer to move; its own end says nothing that the answer does not.
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
}

fn message(request: HttpRequest) -> Result<Request<Full<Bytes>>, HttpError> {
    let mut builder = Request::builder().method(request.method.as_str()).uri(request.target.path.as_str());
    if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        builder = builder.header("host", request.target.authority());
    }
    for (name, value) in &request.headers {
        builder = builder.header(name.as_str(), value.as_str());
    }
    builder = builder.header("connection", "close");
    builder
        .body(Full::new(Bytes::from(request.body)))
        .map_err(|e| HttpError::Invalid(e.to_string()))
}

async fn collect(response: Response<Incoming>) -> Result<HttpAnswer, HttpError> {
    let status = response.status().as_u16();
    let text = |v: &hyper::header::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect();
    let mut incoming = response.into_body();
    let (mut body, mut truncated) = (Vec::new(), false);
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|e| HttpError::Broken(e.to_string()))?;
        let Some(data) = frame.data_ref() else { continue };
        let room = (bound::HTTP_BODY_BYTES - body.len()).min(data.len());
        body.extend_from_slice(&data[..room]);
        if room < data.len() {
            truncated = true;
            break;
        }
    }
    Ok(HttpAnswer {
        status,
        headers,
        body,
        truncated,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn against(answer: &'static [u8], timeout: Duration) -> (Result<HttpAnswer, HttpError>, String) {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let server = tokio::spawn(async move {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\nbody") {
                asked.push(theirs.read_u8().await.unwrap());
            }
            let _ = theirs.write_all(answer).await;
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
            String::from_utf8(asked).unwrap()
        });
        let got = request(
            Box::new(ours),
            HttpRequest {
                method: "POST".into(),
                target: HttpTarget::parse("http://web:8080/a?b=c").unwrap(),
                headers: vec![("X-One".into(), "1".into())],
                body: b"body".to_vec(),
                timeout,
            },
        )
        .await;
        if got == Err(HttpError::Timeout) {
            server.abort();
            return (got, String::new());
        }
        (got, server.await.unwrap())
    }

    #[tokio::test]
    async fn one_exchange() {
        let (answer, asked) = against(b"HTTP/1.1 503 Busy\r\nX-Two: 2\r\n\r\nsorry", Duration::from_secs(5)).await;
        let answer = answer.unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice(), answer.truncated),
            (503, &b"sorry"[..], false)
        );
        assert!(answer.headers.contains(&("x-two".into(), "2".into())));
        assert!(asked.starts_with("POST /a?b=c HTTP/1.1\r\nhost: web:8080\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn nonsense_and_silence() {
        assert!(matches!(
            against(b"SSH-2.0-x\r\n", Duration::from_secs(5)).await.0,
            Err(HttpError::Broken(_))
        ));
        assert_eq!(against(b"", Duration::from_millis(50)).await.0, Err(HttpError::Timeout));
    }

    #[test]
    fn targets() {
        assert_eq!(HttpTarget::parse("https://h/"), Err(HttpError::HttpsUnsupported));
        assert!(HttpTarget::parse("ftp://h/").is_err());
        assert!(HttpTarget::parse("h/x").is_err());
        let six = HttpTarget::parse("http://[::1]").unwrap();
        assert_eq!(
            (six.host.as_str(), six.port, six.path.as_str(), six.authority().as_str()),
            ("::1", 80, "/", "[::1]")
        );
    }
}
