//! Opens hosts: bounds concurrent connects, repeats what was only busy, and joins session, files and sockets into one `Host`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::base::bound;

use super::lane::{HelloError, Lane};
use super::link::Link;
use super::session::Session;
use super::{
    Attached, AttemptId, BoxFuture, BoxStream, Captured, ConnectError, ConnectErrorKind, Destination, Exec, FileError, Host, HostSpec,
    KillReport, LinkError, Outcome, OutputSink, Put, PutOutcome, RemoteFile, Run, RunAs, SocketError, StartError, TcpError, Transport,
    file, local, put, runtime_dir::RuntimeDir, socket, ssh,
};

/// Attempts at a server that is too busy to talk.
const ATTEMPTS: u32 = 6;

/// Connects to this machine through pipes and to others through `ssh`.
pub struct Connector {
    runtime: Result<RuntimeDir, String>,
    slots: Semaphore,
}

impl Connector {
    /// Prepares the directory for control sockets and sweeps dead ones out of it.
    #[must_use]
    pub fn new() -> Connector {
        Connector::with(RuntimeDir::open())
    }

    /// As [`Connector::new`], with another bound on the connections that are opened at the same time.
    #[must_use]
    pub fn at_most(connects: usize) -> Connector {
        Connector {
            slots: Semaphore::new(connects.max(1)),
            ..Connector::new()
        }
    }

    pub(super) fn with(runtime: Result<RuntimeDir, String>) -> Connector {
        // Half of a connect is waiting and half is the key exchange, which is bound by the processor: with four on each core it
        // is busy, and a few hosts that do not answer hold nobody else.
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Connector {
            runtime,
            slots: Semaphore::new(bound::CONNECTS.min(4 * cores).max(4)),
        }
    }

    async fn open(&self, host: &HostSpec) -> Result<Arc<dyn Host>, ConnectError> {
        match &host.destination {
            Destination::Local => {
                let channel = local::shell().map_err(|e| ConnectError::new(ConnectErrorKind::LocalResource, e.to_string()))?;
                let started = Lane::start(channel, Duration::from_secs(bound::CONNECT_TIMEOUT_S)).await;
                let (lane, hello) = started.map_err(|e| unfit(e, ConnectErrorKind::NoShell))?;
                Ok(Arc::new(Connected {
                    session: Session::new(Box::new(local::LocalLink), lane, hello),
                }))
            }
            Destination::Ssh(destination) => {
                let runtime = self
                    .runtime
                    .as_ref()
                    .map_err(|e| ConnectError::new(ConnectErrorKind::LocalResource, e.clone()))?;
                let mut pause = Duration::from_millis(150);
                for attempt in 1.. {
                    let slot = self.slots.acquire().await.expect("the semaphore is never closed");
                    let opened = ssh::connect(runtime, destination, host.accept_new).await;
                    drop(slot);
                    match opened {
                        Ok((link, lane, hello)) => {
                            let link: Box<dyn Link> = Box::new(link);
                            return Ok(Arc::new(Connected {
                                session: Session::new(link, lane, hello),
                            }));
                        }
                        Err(error) if error.kind == ConnectErrorKind::ServerBusy && attempt < ATTEMPTS => {
                            sleep(pause + jitter(pause)).await;
                            pause *= 2;
                        }
                        Err(error) => return Err(error),
                    }
                }
                unreachable!("the last attempt returns")
            }
        }
    }
}

impl Default for Connector {
    fn default() -> Self {
        Connector::new()
    }
}

/// So that hosts refused together do not come back together.
fn jitter(pause: Duration) -> Duration {
    let share = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    pause * share / 256
}

/// Why a shell that was reached is of no use.
pub(super) fn unfit(error: HelloError, silent: ConnectErrorKind) -> ConnectError {
    match error {
        HelloError::Unfit(why) if why == "state" => ConnectError::new(ConnectErrorKind::StateDirUnusable, ""),
        HelloError::Unfit(why) if why == "proc" => ConnectError::new(ConnectErrorKind::NoShell, "the host has no readable /proc"),
        HelloError::Unfit(why) if why == "setsid" => ConnectError::new(ConnectErrorKind::NoShell, "the host has no `setsid`"),
        HelloError::Unfit(why) => ConnectError::new(ConnectErrorKind::NoShell, why),
        HelloError::Ended(words) => ConnectError::new(silent, words),
        HelloError::Timeout => ConnectError::new(ConnectErrorKind::Timeout, "logged in, but no shell answered"),
    }
}

impl Transport for Connector {
    fn connect<'a>(&'a self, host: &'a HostSpec) -> BoxFuture<'a, Result<Arc<dyn Host>, ConnectError>> {
        Box::pin(self.open(host))
    }
}

/// The one `Host` over any link.
struct Connected {
    session: Arc<Session>,
}

impl Host for Connected {
    fn exec(&self, request: Exec) -> BoxFuture<'_, Result<Captured, StartError>> {
        Box::pin(self.session.exec_one(request, bound::OUTPUT_BYTES))
    }

    fn exec_many(&self, requests: Vec<Exec>) -> BoxFuture<'_, Vec<Result<Captured, StartError>>> {
        Box::pin(self.session.exec_all(requests, bound::OUTPUT_BYTES))
    }

    fn run(&self, request: Run, sink: OutputSink) -> BoxFuture<'_, Result<Outcome, StartError>> {
        Box::pin(self.session.run(request, sink))
    }

    fn attach<'a>(&'a self, id: &'a AttemptId, wait: Duration) -> BoxFuture<'a, Result<Attached, LinkError>> {
        Box::pin(self.session.attach(id, wait))
    }

    fn cancel<'a>(&'a self, id: &'a AttemptId, grace: Duration) -> BoxFuture<'a, Result<KillReport, LinkError>> {
        Box::pin(self.session.end(id, grace, "cancel"))
    }

    fn read_file<'a>(&'a self, path: &'a str, run_as: RunAs, max: usize) -> BoxFuture<'a, Result<Option<RemoteFile>, FileError>> {
        Box::pin(file::read(&self.session, path, run_as, max))
    }

    fn put(&self, request: Put) -> BoxFuture<'_, Result<PutOutcome, FileError>> {
        Box::pin(put::put(&self.session, request))
    }

    fn socket<'a>(
        &'a self,
        path: &'a str,
        request: &'a [u8],
        run_as: RunAs,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<u8>, SocketError>> {
        Box::pin(socket::ask(&self.session, path, request, run_as, timeout))
    }

    fn open_tcp<'a>(&'a self, address: &'a str, port: u16, timeout: Duration) -> BoxFuture<'a, Result<BoxStream, TcpError>> {
        Box::pin(socket::tcp(&self.session, address, port, timeout))
    }

    fn boot_id(&self) -> &str {
        &self.session.hello.boot_id
    }

    fn user(&self) -> &str {
        &self.session.hello.user
    }

    fn alive(&self) -> BoxFuture<'_, bool> {
        Box::pin(self.session.ping())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.session.dismiss();
            self.session.link.close().await;
        })
    }
}
