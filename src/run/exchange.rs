//! HTTP requests, from here or through the connection to a host. A request that changes something asks for the connections themselves, which
//! those who only look do not have.

use std::sync::Arc;
use std::time::Duration;

use super::connections::Connections;
use super::observe::{failed, lossy};
use super::sight::Sight;
use crate::model::operation::{Act, Operation, Output, Target, Trouble, TroubleKind};
use crate::secrets::Vault;
use crate::transport::http::{self, HttpRequest, HttpTarget};
use crate::transport::{BoxStream, TcpError};

/// Why there is no stream.
pub(super) enum StreamError {
    /// The host we go through.
    Host(Trouble),
    /// The other end.
    Target(String),
}

/// A request that only reads.
pub(super) async fn look(sight: &Sight, vault: &Vault, operation: &Operation) -> Output {
    if !operation.act.reads() {
        return failed(
            TroubleKind::Other,
            "this request would change something, and only looking is allowed here",
            false,
        );
    }
    exchange(sight, vault, operation).await
}

/// Any request.
pub(super) async fn send(connections: &Arc<Connections>, vault: &Vault, operation: &Operation) -> Output {
    vault.mask(exchange(&Sight::through(connections.clone()), vault, operation).await)
}

async fn exchange(sight: &Sight, vault: &Vault, operation: &Operation) -> Output {
    let Act::Http {
        method,
        url,
        headers,
        body,
        ..
    } = &operation.act
    else {
        return failed(TroubleKind::Other, "not an HTTP request", false);
    };
    let revealed: Result<Vec<(String, String)>, String> = headers
        .iter()
        .map(|(name, value)| Ok((name.clone(), vault.reveal(value)?)))
        .collect();
    let headers = match revealed {
        Ok(headers) => headers,
        Err(why) => return failed(TroubleKind::Denied, &why, false),
    };
    let target = match HttpTarget::parse(url) {
        Ok(target) => target,
        Err(error) => return failed(TroubleKind::Other, &error.to_string(), false),
    };
    let stream = match stream(sight, &operation.target, &target.host, target.port, operation.timeout).await {
        Ok(stream) => stream,
        Err(StreamError::Host(trouble)) => return Output::Failed(trouble),
        Err(StreamError::Target(why)) => return failed(TroubleKind::Unreachable, &format!("{url}: {why}"), false),
    };
    let request = HttpRequest {
        method: method.clone(),
        target,
        headers,
        body: body.clone().into_bytes(),
        timeout: operation.timeout,
    };
    match http::request(stream, request).await {
        Ok(answer) => Output::Http {
            status: answer.status,
            headers: answer.headers,
            body: lossy(&answer.body),
        },
        Err(http::HttpError::Timeout) => failed(TroubleKind::Timeout, &format!("{url}: no complete answer in time"), true),
        Err(error) => failed(TroubleKind::Unreachable, &format!("{url}: {error}"), true),
    }
}

/// A TCP connection, from here or from a host.
pub(super) async fn stream(sight: &Sight, from: &Target, address: &str, port: u16, timeout: Duration) -> Result<BoxStream, StreamError> {
    if *from == Target::Controller {
        return match tokio::time::timeout(timeout, sight.dial(address, port)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(StreamError::Target(error.to_string())),
            Err(_) => Err(StreamError::Target(String::from("no answer in time"))),
        };
    }
    let mut trouble = None;
    for _ in 0..2 {
        let eyes = sight.to(from).await.map_err(StreamError::Host)?;
        match eyes.open_tcp(address, port, timeout).await {
            Ok(stream) => return Ok(stream),
            Err(error @ TcpError::Link(_)) => {
                sight.lost(from, &eyes).await;
                trouble = Some(error.to_string());
            }
            Err(error) => return Err(StreamError::Target(error.to_string())),
        }
    }
    Err(StreamError::Host(Trouble {
        kind: TroubleKind::Unreachable,
        message: trouble.unwrap_or_default(),
        may_have_happened: false,
    }))
}
