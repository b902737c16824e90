//! The contract with hosts: connect, run commands that survive the link, move files, reach sockets.
//!
//! Two layers. A *link* moves bytes (`ssh` over a multiplexing master, `local` over pipes); above it one `Host` speaks the
//! protocol of `remote.sh`, the same for every link. Everything a host answers is hostile data: bounded, never a command.
//! Knows nothing of runbooks, plans or the journal of runs.

mod attempt;
mod classify;
mod connect;
mod durable;
mod error;
mod file;
pub mod http;
mod lane;
mod link;
mod local;
mod mux;
mod protocol;
mod put;
mod runtime_dir;
mod session;
mod socket;
mod ssh;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

pub use crate::base::id::HostName;
pub use connect::Connector;
pub use error::{
    Certainty, ConnectError, ConnectErrorKind, FileError, LinkError, SocketError, SocketErrorKind, StartError, StartErrorKind, TcpError,
};
pub use file::{FOLDED_BYTES, read_answer, read_request};

/// A boxed future, so that the traits below can be `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Bytes in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}
/// An owned stream of bytes: a connection made from the host.
pub type BoxStream = Box<dyn ByteStream>;

/// One host and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSpec {
    /// Its name in the inventory; only for messages.
    pub name: HostName,
    /// Where it is.
    pub destination: Destination,
    /// Accept the key of a host that was never seen before. A changed key is refused in any case.
    pub accept_new: bool,
}

/// Where commands run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// On this machine, as the user who runs `runbook`.
    Local,
    /// On another machine, through the system's own `ssh` and its configuration.
    Ssh(SshDestination),
}

/// What `ssh` is told beyond the user's own configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshDestination {
    /// Name, address or alias of the user's ssh configuration.
    pub address: String,
    /// Port, if not the configured one.
    pub port: Option<u16>,
    /// Login user, if not the configured one.
    pub user: Option<String>,
    /// Private key; when given, no other key is offered.
    pub identity_file: Option<PathBuf>,
    /// File of known host keys, instead of the user's.
    pub known_hosts: Option<PathBuf>,
    /// Hosts to jump through, as `ssh -J` takes them.
    pub jump: Option<String>,
    /// Further `-o name=value`, already vetted by whoever read the configuration.
    pub options: Vec<(String, String)>,
}

/// Who a command runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RunAs {
    /// The login user.
    #[default]
    Login,
    /// Another user, through `sudo -n -u USER -- argv`; nothing is put in between when it is the login user.
    User(String),
}

/// What is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A program and its arguments; no shell sees them.
    Argv(Vec<String>),
    /// Text for `sh`.
    Script(String),
}

/// A plain command: nothing on the host remembers it. For what only reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// What to run.
    pub program: Program,
    /// Its standard input; empty means end of file at once.
    pub stdin: Vec<u8>,
    /// Variables of its environment; never visible in a process list.
    pub env: Vec<(String, String)>,
    /// Working directory, if not the home of the login user.
    pub cwd: Option<String>,
    /// Who it runs as.
    pub run_as: RunAs,
    /// After this it and all its descendants are killed.
    pub timeout: Duration,
}

impl Exec {
    /// A program with its arguments, as the login user, for at most 30 s.
    pub fn argv<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Exec {
        Exec::new(Program::Argv(words.into_iter().map(Into::into).collect()))
    }

    /// Text for `sh`, as the login user, for at most 30 s.
    pub fn script(text: impl Into<String>) -> Exec {
        Exec::new(Program::Script(text.into()))
    }

    fn new(program: Program) -> Exec {
        Exec {
            program,
            stdin: Vec::new(),
            env: Vec::new(),
            cwd: None,
            run_as: RunAs::Login,
            timeout: Duration::from_secs(30),
        }
    }
}

/// A changing command: claimed, supervised, ended and recorded on the host itself, whatever happens to the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its identity on the host; the same identity is never executed twice.
    pub id: AttemptId,
    /// What to run and how; `timeout` is enforced on the host, in whole seconds, rounded up.
    pub exec: Exec,
    /// Time between TERM and KILL, when the deadline has passed; whole seconds, rounded up.
    pub grace: Duration,
}

/// The identity of one attempt: letters, digits, `.`, `_` and `-`, at most 120 of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId(String);

impl AttemptId {
    /// Checks the text, since it becomes a file name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: impl Into<String>) -> Result<AttemptId, String> {
        let text = text.into();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if text.is_empty() || text.len() > 120 || !text.chars().all(fits) || text.starts_with(['.', '-']) {
            return Err(format!(
                "`{text}` cannot name an attempt: 1 to 120 letters, digits, `.`, `_` or `-`, the first a letter or digit"
            ));
        }
        Ok(AttemptId(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of what a running command writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where it was written.
    pub stream: Stream,
    /// Any bytes, not necessarily text.
    pub bytes: Vec<u8>,
}

/// Takes the pieces while the command runs: each byte that is kept, once, in order per stream. Slow readers lose the
/// live view, not the result.
pub type OutputSink = mpsc::Sender<Chunk>;

/// What a stream held, up to `base::bound::OUTPUT_BYTES`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Any bytes, not necessarily text.
    pub bytes: Vec<u8>,
    /// There was more.
    pub truncated: bool,
}

/// Why a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// By itself, or by a signal that was not ours.
    Exited,
    /// Its deadline passed and it was killed.
    Timeout,
    /// It was cancelled.
    Cancelled,
    /// It wrote more than the host is willing to store and was killed.
    OutputQuota,
}

/// A command that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Exit status; 128 + n for death by signal n.
    pub code: i32,
    /// Why it ended.
    pub why: EndReason,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
}

/// How a durable command ended.
pub type Outcome = Captured;

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attached {
    /// It never started, and now it never will: the identity is used up.
    Never,
    /// It still runs, supervised.
    Running,
    /// It ended.
    Done(Outcome),
    /// Its supervisor is gone, processes of it live: it ends some time, its exit status will never be known.
    Orphan {
        /// Process numbers on the host.
        pids: Vec<u32>,
    },
    /// Nobody can know.
    Lost(LostReason),
    /// The host's state directory cannot be used: nothing was started and nothing was fenced.
    Error(String),
}

/// Why an outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostReason {
    /// Its supervisor was killed and no process is left.
    SupervisorDied,
    /// The host has booted since.
    Reboot,
    /// The claim was never completely written: a crash or a full disk at that very moment.
    TornClaim,
}

/// What a cancellation achieved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KillReport {
    /// It had never started, and now never will.
    NeverStarted,
    /// It had ended by itself before.
    AlreadyEnded {
        /// Its exit status.
        code: i32,
    },
    /// No process of it is left.
    Dead,
    /// These could not be killed.
    Alive {
        /// Process numbers on the host.
        pids: Vec<u32>,
    },
}

/// A file of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// All of it.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Owner's name, or number if it has none.
    pub owner: String,
    /// Group's name, or number if it has none.
    pub group: String,
    /// SHA-256 of the content, lower-case hexadecimal.
    pub sha256: String,
}

/// A file to be put in place in one step: never half written, never overwriting what was not expected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// Absolute path.
    pub path: String,
    /// All of it.
    pub content: Vec<u8>,
    /// Permission bits; `None` keeps those of the present file, or gives 0644 to a new one.
    pub mode: Option<u32>,
    /// Owner; `None` keeps.
    pub owner: Option<String>,
    /// Group; `None` keeps.
    pub group: Option<String>,
    /// A program that must approve of the file before it is put in place; `{{file}}` stands for the temporary file.
    pub validate: Option<Vec<String>>,
    /// Keep a copy of the present file beside it.
    pub backup: bool,
    /// Refuse unless the present content has this SHA-256; `absent`: unless there is none.
    pub expect_sha256: Option<String>,
    /// Who writes.
    pub run_as: RunAs,
}

/// What [`Host::put`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// Content, mode and owner were as wanted; nothing was written.
    Unchanged,
    /// Written.
    Written {
        /// Path of the copy of the former file.
        backup: Option<String>,
    },
    /// The validation refused the new file; the present one is untouched.
    ValidationFailed {
        /// Exit status of the validation.
        code: i32,
        /// What it said, both streams.
        output: String,
    },
    /// The present content is not the expected one; it is untouched.
    Conflict {
        /// SHA-256 of what is there, or `absent`.
        found_sha256: String,
    },
}

/// Makes connections.
pub trait Transport: Send + Sync {
    /// Connects once and answers when the host has said hello.
    fn connect<'a>(&'a self, host: &'a HostSpec) -> BoxFuture<'a, Result<Arc<dyn Host>, ConnectError>>;
    /// Connects from this machine to a TCP port; returns when the connection stands.
    fn dial<'a>(&'a self, address: &'a str, port: u16) -> BoxFuture<'a, std::io::Result<BoxStream>> {
        Box::pin(async move {
            let stream = tokio::net::TcpStream::connect((address, port)).await?;
            Ok(Box::new(stream) as BoxStream)
        })
    }
}

/// A connected host.
pub trait Host: Send + Sync {
    /// Runs a command that only reads. Dropping the future kills it.
    fn exec(&self, request: Exec) -> BoxFuture<'_, Result<Captured, StartError>>;
    /// Runs several such commands one after the other in one round trip, each with its own result. Their inputs must be empty.
    fn exec_many(&self, requests: Vec<Exec>) -> BoxFuture<'_, Vec<Result<Captured, StartError>>>;
    /// Runs a command durably. Dropping the future detaches, it never kills; [`Host::attach`] finds it again.
    fn run(&self, request: Run, sink: OutputSink) -> BoxFuture<'_, Result<Outcome, StartError>>;
    /// Tells what became of an attempt, and makes sure that one that has not started never will. Waits up to `wait` for its end.
    fn attach<'a>(&'a self, id: &'a AttemptId, wait: Duration) -> BoxFuture<'a, Result<Attached, LinkError>>;
    /// Replaces what the host keeps of an attempt's output, for whoever attaches later.
    fn keep_instead<'a>(&'a self, id: &'a AttemptId, stdout: Vec<u8>, stderr: Vec<u8>) -> BoxFuture<'a, Result<(), StartError>> {
        Box::pin(async move {
            for (stream, text) in [("out", stdout), ("err", stderr)] {
                let request = Exec {
                    stdin: text,
                    ..Exec::script(format!("umask 077; cat >\"$RBK_S/{}.{stream}\"", id.as_str()))
                };
                self.exec(request).await?;
            }
            Ok(())
        })
    }
    /// Ends an attempt: TERM, after `grace` KILL, and looks whether it worked.
    fn cancel<'a>(&'a self, id: &'a AttemptId, grace: Duration) -> BoxFuture<'a, Result<KillReport, LinkError>>;
    /// Reads a file of at most `max` bytes; `None` if there is none.
    fn read_file<'a>(&'a self, path: &'a str, run_as: RunAs, max: usize) -> BoxFuture<'a, Result<Option<RemoteFile>, FileError>>;
    /// Puts a file in place.
    fn put(&self, request: Put) -> BoxFuture<'_, Result<PutOutcome, FileError>>;
    /// Sends a request to a listening unix socket of the host and reads the answer until its end.
    fn socket<'a>(
        &'a self,
        path: &'a str,
        request: &'a [u8],
        run_as: RunAs,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Vec<u8>, SocketError>>;
    /// Connects from the host to a TCP port; returns when the connection stands.
    fn open_tcp<'a>(&'a self, address: &'a str, port: u16, timeout: Duration) -> BoxFuture<'a, Result<BoxStream, TcpError>>;
    /// The host's boot, as it names it.
    fn boot_id(&self) -> &str;
    /// The login user's name on the host.
    fn user(&self) -> &str;
    /// Does it answer right now?
    fn alive(&self) -> BoxFuture<'_, bool>;
    /// Ends the connection; what runs durably goes on.
    fn close(&self) -> BoxFuture<'_, ()>;
}
