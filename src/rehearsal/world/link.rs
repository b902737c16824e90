//! The way into the simulated world: a transport whose hosts answer from memory. Durable commands keep their promise here too: an attempt is
//! executed at most once, and what became of it can be asked later.

use std::sync::Arc;
use std::time::Duration;

use super::fault::Blow;
use super::programs::Reply;
use super::{MOMENT, World, records};
use crate::action::file::sha256;
use crate::action::pool::haproxy::runtime;
use crate::base::clock::Timestamp;
use crate::base::id::HostName;
use crate::base::quote;
use crate::rehearsal::syntax::Trouble;
use crate::transport::{
    Attached, AttemptId, BoxFuture, BoxStream, Captured, Certainty, ConnectError, ConnectErrorKind, EndReason, Exec, FileError, Host,
    HostSpec, KillReport, LinkError, Outcome, Output, OutputSink, Program, Put, PutOutcome, RemoteFile, Run, RunAs, SocketError,
    SocketErrorKind, StartError, StartErrorKind, TcpError, Transport,
};

impl Transport for World {
    fn connect<'a>(&'a self, host: &'a HostSpec) -> BoxFuture<'a, Result<Arc<dyn Host>, ConnectError>> {
        Box::pin(async move {
            let name = self.lock().is_host(&host.name).then(|| host.name.clone());
            let hands = Hands {
                world: self.clone(),
                host: name,
            };
            match hands.reach().await {
                Ok(()) => Ok(Arc::new(hands) as Arc<dyn Host>),
                Err(_) => Err(ConnectError {
                    kind: ConnectErrorKind::Timeout,
                    detail: String::from("simulated"),
                }),
            }
        })
    }

    fn dial<'a>(&'a self, address: &'a str, port: u16) -> BoxFuture<'a, std::io::Result<BoxStream>> {
        Box::pin(async move {
            self.alive().await;
            self.dial_from(None, address, port).await
        })
    }
}

impl World {
    /// What a dead controller still does has no effect: it waits for ever.
    async fn alive(&self) {
        let dead = self.lock().plot.dead;
        if dead {
            std::future::pending::<()>().await;
        }
    }
}

/// A connection to a simulated host, or to this machine.
pub struct Hands {
    world: World,
    host: Option<HostName>,
}

fn ended(reply: Reply, why: EndReason) -> Captured {
    let stream = |text: String| Output {
        bytes: text.into_bytes(),
        truncated: false,
    };
    Captured {
        code: reply.code,
        why,
        stdout: stream(reply.stdout),
        stderr: stream(reply.stderr),
    }
}

fn gone() -> LinkError {
    LinkError::Lost(String::from("simulated"))
}

fn no_start(certainty: Certainty) -> StartError {
    StartError {
        certainty,
        kind: StartErrorKind::Link(gone()),
        detail: String::new(),
    }
}

/// The file that a script of `transport::read_request` reads.
fn read_path(script: &str) -> Option<String> {
    let first = script.lines().next()?;
    let (path, _) = first.strip_prefix("P=")?.rsplit_once("; M=")?;
    Some(quote::words(path)?.concat())
}

impl Hands {
    /// Waits a moment; `Err`: nobody is there.
    async fn reach(&self) -> Result<(), LinkError> {
        tokio::time::sleep(MOMENT).await;
        self.world.alive().await;
        let away = {
            let inner = self.world.lock();
            let now = inner.now();
            let host = self.host.as_ref();
            host.is_some_and(|h| inner.plot.silent(Some(h)) || !inner.hosts.get(h).is_some_and(|s| s.reachable(now)))
        };
        if !away {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        Err(gone())
    }

    fn looks(&self, request: &Exec) -> Reply {
        let mut inner = self.world.lock();
        let now = inner.now();
        match &request.program {
            Program::Argv(argv) => inner.sent(self.host.as_ref(), argv, request),
            Program::Script(script) => {
                if let Some(path) = read_path(script) {
                    return inner.read(self.host.as_ref(), &path);
                }
                let known = self.host.as_ref().and_then(|h| inner.hosts.get_mut(h));
                if let Some((code, stdout)) = known.and_then(|state| records::answer(state, script, now)) {
                    return Reply {
                        code,
                        stdout,
                        ..Reply::default()
                    };
                }
                let argv = ["sh", "-c", script].map(str::to_owned);
                inner.program(self.host.as_ref(), &argv, None)
            }
        }
    }

    async fn exec_one(&self, request: &Exec) -> Result<Captured, StartError> {
        self.reach().await.map_err(|_| no_start(Certainty::NotStarted))?;
        let reply = self.looks(request);
        let late = reply.takes > request.timeout;
        tokio::time::sleep(reply.takes.min(request.timeout)).await;
        Ok(ended(reply, if late { EndReason::Timeout } else { EndReason::Exited }))
    }

    /// Does what a changing operation does, with the pools measured before and after.
    fn changes<T>(&self, what: &str, work: impl FnOnce(&mut super::Inner) -> T) -> T {
        let mut inner = self.world.lock();
        let (before, primaries) = (inner.pools_now(), inner.primaries().len());
        let result = work(&mut inner);
        inner.measure(Some((&before, what)));
        inner.one_primary(primaries, what);
        result
    }

    async fn run_one(&self, request: Run) -> Result<Outcome, StartError> {
        self.reach().await.map_err(|_| no_start(Certainty::NotStarted))?;
        let argv = match &request.exec.program {
            Program::Argv(argv) => argv.clone(),
            Program::Script(script) => ["sh", "-c", script].map(str::to_owned).to_vec(),
        };
        let what = quote::show(argv.iter().map(String::as_str));
        let refused = |kind| StartError {
            certainty: Certainty::NotStarted,
            kind,
            detail: String::new(),
        };
        let blow = {
            let mut inner = self.world.lock();
            match inner.host_mut(self.host.as_ref()).attempts.get(&request.id) {
                Some(None) => return Err(refused(StartErrorKind::Fenced)),
                Some(Some(_)) => return Err(refused(StartErrorKind::Duplicate)),
                None => {}
            }
            inner.blow(self.host.as_ref(), Some(&request.id), &what)
        };
        if let Blow::Before(trouble) = blow {
            return self.kept_from(trouble, &request).await;
        }
        let reply = self.changes(&what, |inner| inner.sent(self.host.as_ref(), &argv, &request.exec));
        let takes = reply.takes.min(request.exec.timeout);
        let why = if reply.takes > request.exec.timeout {
            EndReason::Timeout
        } else {
            EndReason::Exited
        };
        let outcome = match blow {
            Blow::After(Trouble::FailsButDone) => failure(),
            _ => ended(reply, why),
        };
        self.note(&request.id, takes, &outcome);
        if blow == Blow::After(Trouble::LostButDone) {
            return Err(no_start(Certainty::Unknown));
        }
        tokio::time::sleep(takes).await;
        self.world.alive().await;
        Ok(outcome)
    }

    /// A durable command that was not done.
    async fn kept_from(&self, trouble: Trouble, request: &Run) -> Result<Outcome, StartError> {
        match trouble {
            Trouble::Timeout => {
                let outcome = Captured {
                    why: EndReason::Timeout,
                    ..failure()
                };
                self.note(&request.id, request.exec.timeout, &outcome);
                tokio::time::sleep(request.exec.timeout).await;
                Ok(outcome)
            }
            Trouble::Lost => Err(no_start(Certainty::Unknown)),
            _ => {
                let outcome = failure();
                self.note(&request.id, MOMENT, &outcome);
                Ok(outcome)
            }
        }
    }

    /// Writes on the host what became of an attempt.
    fn note(&self, id: &AttemptId, takes: Duration, outcome: &Captured) {
        let mut inner = self.world.lock();
        let ends = inner.now().after(takes);
        let host = inner.host_mut(self.host.as_ref());
        host.attempts.insert(id.clone(), Some((ends, outcome.clone())));
    }

    async fn put_one(&self, request: Put) -> Result<PutOutcome, FileError> {
        let path = request.path.clone();
        self.reach().await.map_err(|_| FileError::Start(no_start(Certainty::NotStarted)))?;
        let content = String::from_utf8_lossy(&request.content).into_owned();
        let what = format!("write {path}");
        let now = self.world.lock().now();
        let early = {
            let mut inner = self.world.lock();
            let before = inner.host_mut(self.host.as_ref()).files.get(&path).cloned();
            let have = before.as_ref().map_or_else(|| String::from("absent"), |f| sha256(&f.content));
            let same = before
                .as_ref()
                .is_some_and(|f| f.content == content && request.mode.is_none_or(|m| m == f.mode));
            if same {
                Some(PutOutcome::Unchanged)
            } else if request.expect_sha256.as_ref().is_some_and(|e| *e != have) {
                Some(PutOutcome::Conflict { found_sha256: have })
            } else {
                inner.validate(self.host.as_ref(), &request, &content)
            }
        };
        if let Some(outcome) = early {
            return Ok(outcome);
        }
        let blow = self.world.lock().blow(self.host.as_ref(), None, &what);
        let denied = || FileError::Denied {
            path: path.clone(),
            reason: String::from("simulated failure"),
        };
        if let Blow::Before(trouble) = blow {
            return Err(match trouble {
                Trouble::Lost => FileError::Start(no_start(Certainty::Unknown)),
                Trouble::Timeout => FileError::Timeout { path },
                _ => denied(),
            });
        }
        let backup = self.changes(&what, |inner| inner.write(self.host.as_ref(), &request, content, now));
        match blow {
            Blow::After(Trouble::LostButDone) => Err(FileError::Start(no_start(Certainty::Unknown))),
            Blow::After(_) => Err(denied()),
            _ => Ok(PutOutcome::Written { backup }),
        }
    }

    async fn ask_socket(&self, path: &str, request: &str) -> Result<Vec<u8>, SocketError> {
        let error = |kind| SocketError {
            path: path.to_owned(),
            kind,
            detail: String::from("simulated"),
        };
        self.reach().await.map_err(|e| error(SocketErrorKind::Link(e)))?;
        let known = self.world.lock().balancer_at(self.host.as_ref(), path).is_some();
        if !known {
            return Err(error(SocketErrorKind::Absent));
        }
        if request == runtime::LOOK {
            return Ok(self.world.lock().show(self.host.as_ref(), path).into_bytes());
        }
        let blow = self.world.lock().blow(self.host.as_ref(), None, request.trim());
        match blow {
            Blow::Before(Trouble::Lost) => return Err(error(SocketErrorKind::Link(gone()))),
            Blow::Before(Trouble::Timeout) => return Err(error(SocketErrorKind::Timeout)),
            Blow::Before(_) => return Ok(b"Permission denied (simulated)\n\n".to_vec()),
            Blow::None | Blow::After(_) => {}
        }
        let answer = self.changes(request.trim(), |inner| {
            let now = inner.now();
            let balancer = inner.balancer_at(self.host.as_ref(), path);
            balancer.map(|b| b.command(request, now)).unwrap_or_default()
        });
        match blow {
            Blow::After(Trouble::LostButDone) => Err(error(SocketErrorKind::Link(gone()))),
            Blow::After(_) => Ok(b"Internal error (simulated)\n\n".to_vec()),
            _ => Ok(answer.into_bytes()),
        }
    }

    async fn became_of(&self, id: &AttemptId, wait: Duration) -> Result<Attached, LinkError> {
        self.reach().await?;
        let known: Option<(Timestamp, Captured)> = {
            let mut inner = self.world.lock();
            // What has not started never will.
            inner.host_mut(self.host.as_ref()).attempts.entry(id.clone()).or_default().clone()
        };
        let Some((ends, outcome)) = known else { return Ok(Attached::Never) };
        let left = ends.since(self.world.lock().now());
        tokio::time::sleep(left.min(wait)).await;
        if left > wait {
            return Ok(Attached::Running);
        }
        Ok(Attached::Done(outcome))
    }
}

fn failure() -> Captured {
    let reply = Reply {
        code: 1,
        stderr: String::from("simulated failure"),
        ..Reply::default()
    };
    ended(reply, EndReason::Exited)
}

impl Host for Hands {
    fn exec(&self, request: Exec) -> BoxFuture<'_, Result<Captured, StartError>> {
        Box::pin(async move { self.exec_one(&request).await })
    }

    fn exec_many(&self, requests: Vec<Exec>) -> BoxFuture<'_, Vec<Result<Captured, StartError>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(requests.len());
            for request in &requests {
                answers.push(self.exec_one(request).await);
            }
            answers
        })
    }

    fn run(&self, request: Run, _sink: OutputSink) -> BoxFuture<'_, Result<Outcome, StartError>> {
        Box::pin(self.run_one(request))
    }

    fn attach<'a>(&'a self, id: &'a AttemptId, wait: Duration) -> BoxFuture<'a, Result<Attached, LinkError>> {
        Box::pin(self.became_of(id, wait))
    }

    fn cancel<'a>(&'a self, id: &'a AttemptId, _grace: Duration) -> BoxFuture<'a, Result<KillReport, LinkError>> {
        Box::pin(async move {
            Ok(match self.became_of(id, Duration::ZERO).await? {
                Attached::Never => KillReport::NeverStarted,
                Attached::Done(outcome) => KillReport::AlreadyEnded { code: outcome.code },
                _ => KillReport::Dead,
            })
        })
    }

    fn read_file<'a>(&'a self, path: &'a str, _run_as: RunAs, _max: usize) -> BoxFuture<'a, Result<Option<RemoteFile>, FileError>> {
        Box::pin(async move {
            self.reach().await.map_err(|_| FileError::Start(no_start(Certainty::NotStarted)))?;
            let mut inner = self.world.lock();
            let file = inner.host_mut(self.host.as_ref()).files.get(path).cloned();
            Ok(file.map(|f| RemoteFile {
                sha256: sha256(&f.content),
                content: f.content.into_bytes(),
                mode: f.mode,
                owner: f.owner,
                group: f.group,
            }))
        })
    }

    fn put(&self, request: Put) -> BoxFuture<'_, Result<PutOutcome, FileError>> {
        Box::pin(self.put_one(request))
    }

    fn socket<'a>(
        &'a self,
        path: &'a str,
        request: &'a [u8],
        _run_as: RunAs,
        _timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<u8>, SocketError>> {
        Box::pin(async move { self.ask_socket(path, &String::from_utf8_lossy(request)).await })
    }

    fn open_tcp<'a>(&'a self, address: &'a str, port: u16, _timeout: Duration) -> BoxFuture<'a, Result<BoxStream, TcpError>> {
        Box::pin(async move {
            self.reach().await.map_err(TcpError::Link)?;
            self.world
                .dial_from(self.host.as_ref(), address, port)
                .await
                .map_err(|e| match e.kind() {
                    std::io::ErrorKind::ConnectionRefused => TcpError::Refused,
                    _ => TcpError::Timeout,
                })
        })
    }

    fn boot_id(&self) -> &'static str {
        "simulated"
    }

    fn user(&self) -> &'static str {
        "ops"
    }

    fn alive(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move { self.reach().await.is_ok() })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
