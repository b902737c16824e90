//! Web servers and other listeners: one HTTP exchange over a stream in memory.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::fault::Blow;
use super::{Inner, MOMENT, Told, World};
use crate::base::id::HostName;
use crate::model::inventory::Host as Listed;
use crate::rehearsal::syntax::Page;
use crate::transport::BoxStream;

/// Where people's channels lead in a rehearsal.
pub const PEOPLE: &str = "http://people.invalid/";
/// Most bytes of a request.
const REQUEST: usize = 1024 * 1024;

/// A health address with its placeholders filled in for a host.
#[must_use]
pub fn fill(pattern: &str, host: &Listed) -> String {
    let mut text = pattern
        .replace("{{address}}", host.address())
        .replace("{{name}}", host.name.as_str());
    for (name, value) in &host.vars {
        text = text.replace(&format!("{{{{vars.{name}}}}}"), &value.to_string());
    }
    text
}

/// Port and path of a URL.
#[must_use]
pub fn port_and_path(url: &str) -> (u16, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = rest.split_once('/').map_or((rest, String::new()), |(a, p)| (a, p.to_owned()));
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(80);
    (port, format!("/{path}"))
}

/// Who listens at an address.
enum Peer {
    People,
    Host(HostName),
    World,
}

impl World {
    /// Opens a connection from this machine or from a host; `Err`: what the caller would be told.
    pub async fn dial_from(&self, host: Option<&HostName>, address: &str, port: u16) -> std::io::Result<BoxStream> {
        tokio::time::sleep(MOMENT).await;
        let refused = || std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let peer = {
            let mut inner = self.lock();
            let peer = inner.peer(address, port);
            if host.is_none() && inner.plot.silent(None) && !matches!(peer, Some(Peer::People)) {
                return Err(std::io::ErrorKind::TimedOut.into());
            }
            match peer {
                Some(Peer::Host(host)) => {
                    let now = inner.now();
                    let state = inner.hosts.get(&host).ok_or_else(refused)?;
                    let answers = state.reachable(now) && !inner.plot.silent(Some(&host));
                    if !answers {
                        return Err(std::io::ErrorKind::TimedOut.into());
                    }
                    if !inner.hosts.get(&host).is_some_and(|h| h.listens(port)) {
                        return Err(refused());
                    }
                    Peer::Host(host)
                }
                Some(peer) => peer,
                None => {
                    inner
                        .unanswered
                        .insert(format!("a connection to {address}:{port}; add the URL to `state.http`"));
                    return Err(refused());
                }
            }
        };
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (world, address) = (self.clone(), format!("{address}:{port}"));
        tokio::spawn(async move { world.serve(theirs, &peer, &address, port).await });
        Ok(Box::new(ours))
    }

    async fn serve(&self, mut stream: DuplexStream, peer: &Peer, address: &str, port: u16) {
        let Some(request) = receive(&mut stream).await else { return };
        let first = request.head.lines().next().unwrap_or_default();
        let mut words = first.split_whitespace();
        let (method, path) = (words.next().unwrap_or("GET"), words.next().unwrap_or("/").to_owned());
        let page = match peer {
            Peer::People => {
                self.lock().hear(&request.body);
                Page {
                    status: 200,
                    ..Page::default()
                }
            }
            Peer::Host(_) | Peer::World => self.page(peer, (method, &path, &request.body), address, port),
        };
        tokio::time::sleep(page.takes.unwrap_or(MOMENT)).await;
        if page.status == 0 {
            // It has taken the request and says nothing, ever.
            std::future::pending::<()>().await;
        }
        let answer = format!(
            "HTTP/1.1 {} Simulated\r\ndate: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{}",
            page.status,
            self.lock().now().http(),
            page.body.len(),
            page.body
        );
        // Whoever asked may have gone.
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }

    fn page(&self, peer: &Peer, (method, path, body): (&str, &str, &[u8]), address: &str, port: u16) -> Page {
        let mut inner = self.lock();
        let host = match peer {
            Peer::Host(host) => Some(host.clone()),
            Peer::People | Peer::World => None,
        };
        if !matches!(method, "GET" | "HEAD") {
            let what = format!("{method} http://{address}{path}");
            match inner.blow(host.as_ref(), None, &what) {
                Blow::None => {}
                Blow::Before(_) => {
                    return Page {
                        status: 500,
                        body: String::from("simulated failure"),
                        ..Page::default()
                    };
                }
                Blow::After(_) => {
                    if inner.is_alertmanager(address) {
                        inner.silence_api(method, path, body);
                    }
                    return Page {
                        status: 0,
                        ..Page::default()
                    };
                }
            }
        }
        let known = match &host {
            Some(host) => inner.hosts.get(host).and_then(|h| h.page(port, path)).cloned(),
            None => inner.elsewhere(address, path),
        };
        // What the test says goes before what is simulated.
        let known = match known {
            None if inner.is_alertmanager(address) => inner.silence_api(method, path, body),
            known => known,
        };
        known.unwrap_or_else(|| Page {
            status: 404,
            body: String::from("the test names no such page"),
            takes: Some(Duration::from_millis(1)),
        })
    }
}

impl Inner {
    fn peer(&self, address: &str, port: u16) -> Option<Peer> {
        if PEOPLE.contains(&format!("//{address}/")) {
            return Some(Peer::People);
        }
        let host = self
            .inventory
            .hosts
            .values()
            .find(|h| h.address() == address || h.name.as_str() == address);
        if let Some(host) = host {
            return Some(Peer::Host(host.name.clone()));
        }
        if self.is_alertmanager(&format!("{address}:{port}")) {
            return Some(Peer::World);
        }
        let mut urls = self
            .http
            .keys()
            .map(|url| url.split_once("://").map_or(url.as_str(), |(_, rest)| rest));
        urls.any(|url| url.split([':', '/']).next() == Some(address)).then_some(Peer::World)
    }

    /// A page of the rest of the world, by its URL without the query.
    fn elsewhere(&self, address: &str, path: &str) -> Option<Page> {
        let path = path.split('?').next().unwrap_or(path);
        let asked = format!("{address}{path}");
        let fits = |url: &str| {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            let (port, _) = port_and_path(url);
            let (authority, tail) = rest.split_once('/').map_or((rest, ""), |(a, t)| (a, t));
            let name = authority.split(':').next().unwrap_or(authority);
            format!("{name}:{port}/{tail}") == asked
        };
        self.http.iter().find(|(url, _)| fits(url)).map(|(_, page)| page.clone())
    }

    /// A message that reaches people.
    fn hear(&mut self, body: &[u8]) {
        let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        let attached = json["attach"].as_array().into_iter().flatten().filter_map(|a| a["text"].as_str());
        self.told.push(Told {
            to: text("to"),
            text: std::iter::once(text("text").as_str())
                .chain(attached)
                .collect::<Vec<_>>()
                .join("\n"),
        });
    }
}

struct Request {
    head: String,
    body: Vec<u8>,
}

async fn receive(stream: &mut DuplexStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|l| {
                let (name, value) = l.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let body = bytes[end + 4..].to_vec();
            if body.len() >= length.unwrap_or(0) {
                return Some(Request { head, body });
            }
        }
        let read = stream.read(&mut buffer).await.ok()?;
        if read == 0 || bytes.len() > REQUEST {
            return None;
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
}
