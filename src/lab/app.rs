//! The web application of the practice fleet: small, quick, and with a real leak.
//!
//! `GET /` answers with the configured page, `GET /login` also keeps a session in memory for ever, `GET /health` says whether
//! it can serve, `GET /alive` only that the process lives, `GET /stats` what it holds. When an allocation has failed once it
//! answers 500 to everything but `/alive` and `/stats` until it is restarted, with its memory still full.
//! SIGHUP reads the configuration again. May assume that its caller set a memory limit; without one it keeps at most
//! [`SESSIONS`] sessions. Knows nothing about fleets.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::LabError;

/// Bytes that every request to `/login` keeps.
pub const SESSION_BYTES: usize = 64 * 1024;
/// Most sessions, whatever the memory limit.
pub const SESSIONS: usize = 16 * 1024;
/// Given back at the first failed allocation, so that answering 500 needs no luck.
const CUSHION_BYTES: usize = 1024 * 1024;
/// Connections at the same time; each needs about 6 KiB, together less than the cushion.
const CONNECTIONS: usize = 96;
/// Bytes of a request's head.
const HEAD_BYTES: usize = 4096;
/// An idle connection is closed after this.
const IDLE: Duration = Duration::from_secs(15);

/// How the application is started.
#[derive(Clone, Debug, clap::Args)]
pub struct AppArgs {
    /// Address and port to listen on
    #[arg(long, required_unless_present = "check")]
    listen: Option<SocketAddr>,
    /// Name to show in answers
    #[arg(long, default_value = "app")]
    name: String,
    /// Configuration file: lines `root = DIR` and `page = FILE`
    #[arg(long)]
    config: PathBuf,
    /// Only check the configuration file
    #[arg(long)]
    check: bool,
}

/// Serves until the process is ended, or checks the configuration and returns.
///
/// # Errors
/// The configuration is invalid (with `--check`), or the address cannot be listened on.
pub fn run(args: AppArgs) -> Result<(), LabError> {
    if args.check {
        return match read_page(&args.config) {
            Ok(_) => Ok(()),
            Err(why) => Err(LabError::Refused(why)),
        };
    }
    // Its own thread: the caller may already stand inside a runtime, and one inside another is not allowed.
    let served = std::thread::Builder::new()
        .spawn(move || -> io::Result<()> {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(serve(args))
        })
        .map(std::thread::JoinHandle::join);
    let said = match served {
        Ok(Ok(Ok(()))) => return Ok(()),
        Ok(Ok(Err(e))) | Err(e) => e.to_string(),
        Ok(Err(_)) => String::from("it panicked"),
    };
    Err(LabError::Command {
        command: String::from("runbook lab app"),
        said,
    })
}

struct App {
    name: String,
    config: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    page: Result<String, String>,
    requests: u64,
    sessions: Vec<Vec<u8>>,
    cushion: Option<Vec<u8>>,
    exhausted: bool,
}

impl App {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, path: &str) -> (u16, String) {
        let mut held = self.held();
        held.requests += 1;
        match path {
            "/alive" => return (200, String::from("alive\n")),
            "/stats" => return (200, held.stats(&self.name)),
            "/login" => held.keep_a_session(),
            _ => {}
        }
        if held.exhausted {
            return (500, String::from("out of memory\n"));
        }
        match (path, &held.page) {
            (_, Err(why)) => (500, format!("{why}\n")),
            ("/" | "/login", Ok(page)) => (200, format!("{page}served by {}\n", self.name)),
            ("/health", Ok(_)) => (200, String::from("healthy\n")),
            (_, Ok(_)) => (404, String::from("not found\n")),
        }
    }
}

impl Held {
    fn keep_a_session(&mut self) {
        if self.exhausted {
            return;
        }
        let mut session = Vec::new();
        let room = session.try_reserve_exact(SESSION_BYTES).is_ok() && self.sessions.len() < SESSIONS;
        if !room || self.sessions.try_reserve(1).is_err() {
            self.exhausted = true;
            self.cushion = None;
            return;
        }
        // Written to, so that the pages are really there.
        session.resize(SESSION_BYTES, 1);
        self.sessions.push(session);
    }

    fn stats(&self, name: &str) -> String {
        let (sessions, bytes) = (self.sessions.len(), self.sessions.len() * SESSION_BYTES);
        serde_json::json!({ "name": name, "requests": self.requests, "sessions": sessions, "session_bytes": bytes, "exhausted": self.exhausted })
            .to_string()
    }
}

/// Reads the page that the configuration names.
fn read_page(config: &Path) -> Result<String, String> {
    let text = fs::read_to_string(config).map_err(|e| format!("cannot read {}: {e}", config.display()))?;
    let (mut root, mut page) = (None, None);
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        match line.split_once('=').map(|(k, v)| (k.trim(), v.trim())) {
            Some(("root", value)) => root = Some(value),
            Some(("page", value)) => page = Some(value),
            _ => {
                return Err(format!(
                    "{}: expected `root = DIR` or `page = FILE`, found `{line}`",
                    config.display()
                ));
            }
        }
    }
    let (Some(root), Some(page)) = (root, page) else {
        return Err(format!("{}: `root` and `page` must both be given", config.display()));
    };
    let file = Path::new(root).join(page);
    fs::read_to_string(&file).map_err(|e| format!("cannot read page {}: {e}", file.display()))
}

async fn serve(args: AppArgs) -> io::Result<()> {
    let listen = args.listen.ok_or_else(|| io::Error::other("no address to listen on"))?;
    let mut cushion = Vec::with_capacity(CUSHION_BYTES);
    cushion.resize(CUSHION_BYTES, 1);
    let held = Held {
        page: read_page(&args.config),
        requests: 0,
        sessions: Vec::with_capacity(SESSIONS),
        cushion: Some(cushion),
        exhausted: false,
    };
    let app = Arc::new(App {
        name: args.name,
        config: args.config,
        held: Mutex::new(held),
    });
    let mut reload = signal(SignalKind::hangup())?;
    let listener = TcpListener::bind(listen).await?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        tokio::select! {
            _ = reload.recv() => {
                let page = read_page(&app.config);
                app.held().page = page;
            }
            accepted = listener.accept() => {
                // Without a free place the connection is closed, which is what an overloaded server does.
                let (Ok((stream, _)), Ok(place)) = (accepted, places.clone().try_acquire_owned()) else { continue };
                let app = app.clone();
                tokio::spawn(async move {
                    // A client that went away is its own affair.
                    let _ = converse(stream, &app).await;
                    drop(place);
                });
            }
        }
    }
}

async fn converse(mut stream: TcpStream, app: &App) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(HEAD_BYTES);
    loop {
        let Some(end) = read_head(&mut stream, &mut buffer).await? else {
            return Ok(());
        };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        buffer.drain(..end);
        let mut words = head.split_whitespace();
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
        // Only requests without a body are understood; anything else ends the connection.
        let last = head.contains("\r\nconnection: close")
            || head.contains("\r\ncontent-length:")
            || head.contains("\r\ntransfer-encoding:")
            || !head.contains(" http/1.1\r\n");
        let (status, body) = if matches!(method, "get" | "head" | "options") {
            app.answer(path)
        } else {
            (405, String::new())
        };
        let reply = format!(
            "HTTP/1.1 {status} {}\r\nx-served-by: {}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: {}\r\n\r\n{}",
            reason(status),
            app.name,
            body.len(),
            if last { "close" } else { "keep-alive" },
            if method == "head" { "" } else { &body },
        );
        timeout(IDLE, stream.write_all(reply.as_bytes())).await??;
        if last {
            return stream.shutdown().await;
        }
    }
}

/// Reads until the empty line; `None` when the client has nothing more to ask.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let mut chunk = [0u8; 1024];
    loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            return Ok(Some(at + 4));
        }
        if buffer.len() >= HEAD_BYTES {
            return Ok(None);
        }
        match timeout(IDLE, stream.read(&mut chunk)).await {
            Err(_) | Ok(Ok(0)) => return Ok(None),
            Ok(Ok(n)) => buffer.extend_from_slice(&chunk[..n]),
            Ok(Err(e)) => return Err(e),
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        404 => "Not Found",
        405 => "Method Not Allowed",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn app(page: Result<String, String>) -> App {
        let held = Held {
            page,
            requests: 0,
            sessions: Vec::new(),
            cushion: None,
            exhausted: false,
        };
        App {
            name: String::from("web-01"),
            config: PathBuf::new(),
            held: Mutex::new(held),
        }
    }

    #[test]
    fn only_login_keeps_memory_and_exhaustion_lasts() {
        let app = app(Ok(String::from("welcome\n")));
        assert_eq!(app.answer("/").0, 200);
        assert_eq!(app.held().sessions.len(), 0);
        assert_eq!(app.answer("/login").0, 200);
        assert_eq!(app.held().sessions.len(), 1);
        app.held().exhausted = true;
        for (path, status) in [("/", 500), ("/login", 500), ("/health", 500), ("/alive", 200), ("/stats", 200)] {
            assert_eq!(app.answer(path).0, status, "{path}");
        }
        assert_eq!(app.held().sessions.len(), 1, "memory stays full, it does not grow");
    }

    #[test]
    fn a_missing_page_is_an_error_to_everybody() {
        let app = app(Err(String::from("cannot read page welcom.txt")));
        assert_eq!(app.answer("/health").0, 500);
        assert!(app.answer("/").1.contains("welcom.txt"));
    }
}
