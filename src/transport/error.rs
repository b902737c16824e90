//! What can go wrong with a host, one enum or struct per concern; each answers whether to try again and what surely did not happen.

use std::fmt;

/// Did it happen? The one question every failed start must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// Surely not; repeating is safe.
    NotStarted,
    /// Surely; how it ended is not known.
    Started,
    /// Not known; ask with [`super::Host::attach`].
    Unknown,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectErrorKind {
    /// Nothing listens there.
    Refused,
    /// No answer in time.
    Timeout,
    /// No route.
    Unreachable,
    /// The name has no address.
    Dns,
    /// Keys, user or policy were not accepted.
    AuthDenied,
    /// The host shows another key than the known one.
    HostKeyChanged,
    /// The host's key was never seen.
    HostKeyUnknown,
    /// The server closed the connection before it authenticated us, mostly `MaxStartups`.
    ServerBusy,
    /// The login worked, but no POSIX shell answered.
    NoShell,
    /// The shell has no place to keep its journals.
    StateDirUnusable,
    /// This machine: no `ssh`, no file descriptors, no directory for sockets.
    LocalResource,
    /// Anything else; the detail is `ssh`'s own words.
    Other,
}

impl ConnectErrorKind {
    /// What a person can do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            ConnectErrorKind::Refused => "check that sshd runs on the host and that address and port are right",
            ConnectErrorKind::Timeout => "check that the host is up and that no firewall drops the packets",
            ConnectErrorKind::Unreachable => "check the network between this machine and the host",
            ConnectErrorKind::Dns => "check the spelling of the address, or give the host an `address` in the inventory",
            ConnectErrorKind::AuthDenied => {
                "check user and key: `ssh -v` to this host must work without a password; load the key into ssh-agent if it has a passphrase"
            }
            ConnectErrorKind::HostKeyChanged => {
                "find out why the key changed before anything else; if the host was reinstalled, remove the old key with `ssh-keygen -R`"
            }
            ConnectErrorKind::HostKeyUnknown => {
                "compare the host's key and add it to known_hosts, for example by connecting once with `ssh`, or allow new keys for this host"
            }
            ConnectErrorKind::ServerBusy => "try again later, or raise `MaxStartups` of its sshd",
            ConnectErrorKind::NoShell => "the login user needs a POSIX shell at /bin/sh, `head` and `setsid`, and no forced command",
            ConnectErrorKind::StateDirUnusable => "the login user must be able to write ~/.local/state/runbook or /var/tmp on the host",
            ConnectErrorKind::LocalResource => "check that `ssh` is installed here and that the runtime directory is writable",
            ConnectErrorKind::Other => "try `ssh -v` to this host by hand",
        }
    }

    /// Is a later attempt likely to fare better without anybody doing anything?
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            ConnectErrorKind::Refused | ConnectErrorKind::Timeout | ConnectErrorKind::Unreachable | ConnectErrorKind::ServerBusy
        )
    }

    fn words(self) -> &'static str {
        match self {
            ConnectErrorKind::Refused => "connection refused",
            ConnectErrorKind::Timeout => "no answer in time",
            ConnectErrorKind::Unreachable => "host unreachable",
            ConnectErrorKind::Dns => "the name has no address",
            ConnectErrorKind::AuthDenied => "login refused",
            ConnectErrorKind::HostKeyChanged => "the host's key has changed",
            ConnectErrorKind::HostKeyUnknown => "the host's key is unknown",
            ConnectErrorKind::ServerBusy => "the server closed the connection before the login",
            ConnectErrorKind::NoShell => "no shell answered",
            ConnectErrorKind::StateDirUnusable => "no writable directory for journals on the host",
            ConnectErrorKind::LocalResource => "this machine cannot start the connection",
            ConnectErrorKind::Other => "connection failed",
        }
    }
}

impl fmt::Display for ConnectErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// There is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}", Detail(.detail))]
pub struct ConnectError {
    /// The class.
    pub kind: ConnectErrorKind,
    /// The end of what `ssh` or the host said; hostile text.
    pub detail: String,
}

impl ConnectError {
    pub(super) fn new(kind: ConnectErrorKind, detail: impl Into<String>) -> ConnectError {
        ConnectError {
            kind,
            detail: detail.into(),
        }
    }

    /// As [`ConnectErrorKind::is_transient`].
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.kind.is_transient()
    }

    /// As [`ConnectErrorKind::remedy`].
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        self.kind.remedy()
    }
}

struct Detail<'a>(&'a str);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

/// The connection did not carry a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It ended.
    #[error("the connection to the host is gone{}", Detail(.0))]
    Lost(String),
    /// The host did not answer in time.
    #[error("the host did not answer within {0}")]
    Timeout(String),
    /// The server grants no further channel on this connection.
    #[error("the server grants no further channel on this connection")]
    NoChannel,
    /// The answer was not of our protocol.
    #[error("the host answered something unexpected{}", Detail(.0))]
    Protocol(String),
}

impl LinkError {
    /// Would a fresh connection help?
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, LinkError::Protocol(_))
    }
}

/// Why a command has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartErrorKind {
    /// The link failed.
    Link(LinkError),
    /// This identity was claimed before.
    Duplicate,
    /// This identity was declared never to start.
    Fenced,
    /// The host could not store journal or input.
    StateDir,
    /// `sudo` refused.
    RunAsDenied,
    /// The request cannot be expressed: a NUL byte, a bad variable name, too long.
    Invalid,
}

/// A command has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct StartError {
    /// Did it happen?
    pub certainty: Certainty,
    /// The class.
    pub kind: StartErrorKind,
    /// More words; hostile text.
    pub detail: String,
}

impl StartError {
    pub(super) fn new(certainty: Certainty, kind: StartErrorKind, detail: impl Into<String>) -> StartError {
        StartError {
            certainty,
            kind,
            detail: detail.into(),
        }
    }

    pub(super) fn link(certainty: Certainty, error: LinkError) -> StartError {
        StartError::new(certainty, StartErrorKind::Link(error), "")
    }

    pub(super) fn invalid(detail: impl Into<String>) -> StartError {
        StartError::new(Certainty::NotStarted, StartErrorKind::Invalid, detail)
    }

    /// Did it happen?
    #[must_use]
    pub fn certainty(&self) -> Certainty {
        self.certainty
    }

    /// Would the same request, on a fresh connection and with a fresh identity, have a chance?
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(&self.kind, StartErrorKind::Link(e) if e.is_transient())
    }

    fn sentence(&self) -> String {
        let what = match &self.kind {
            StartErrorKind::Link(e) => e.to_string(),
            StartErrorKind::Duplicate => String::from("this attempt was already claimed on the host"),
            StartErrorKind::Fenced => String::from("this attempt was declared never to start"),
            StartErrorKind::StateDir => String::from("the host cannot store the attempt's journal"),
            StartErrorKind::RunAsDenied => String::from("sudo refused"),
            StartErrorKind::Invalid => String::from("this command cannot be sent"),
        };
        format!("{what}{}", Detail(&self.detail))
    }
}

/// A file was not read or put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The command that does it has no result.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It is a directory, device, socket, or a symbolic link that would be replaced.
    #[error("`{path}` is {found}, not a regular file")]
    NotRegular {
        /// The path.
        path: String,
        /// What it is.
        found: String,
    },
    /// It has more bytes than may be read.
    #[error("`{path}` has more than {max} bytes")]
    TooLarge {
        /// The path.
        path: String,
        /// The bound.
        max: usize,
    },
    /// The host's own words.
    #[error("`{path}`: {reason}")]
    Denied {
        /// The path.
        path: String,
        /// Hostile text.
        reason: String,
    },
    /// It took too long; what is there is either the old or the new file, never a mixture.
    #[error("`{path}`: no result in time")]
    Timeout {
        /// The path.
        path: String,
    },
}

impl FileError {
    /// Might the same request work later? Putting a file is idempotent.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            FileError::Start(e) => e.is_transient(),
            FileError::Timeout { .. } => true,
            _ => false,
        }
    }

    /// Was the file surely left alone?
    #[must_use]
    pub fn certainty(&self) -> Certainty {
        match self {
            FileError::Start(e) => e.certainty,
            FileError::Timeout { .. } => Certainty::Unknown,
            _ => Certainty::NotStarted,
        }
    }
}

/// Why a unix socket of the host did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketErrorKind {
    /// There is no such file.
    Absent,
    /// The user may not open it.
    Denied {
        /// Owner of the socket, as `user:group`.
        owner: String,
        /// Its permission bits.
        mode: u32,
    },
    /// Nobody listens.
    Refused,
    /// The path is no socket.
    NotSocket,
    /// The server forbids forwarding.
    ForwardingRefused,
    /// No complete answer in time.
    Timeout,
    /// The answer is longer than `base::bound::SOCKET_BYTES`.
    TooLarge,
    /// No program on the host can reach it as another user.
    NoProgram,
    /// The link.
    Link(LinkError),
    /// Anything else.
    Other,
}

/// A unix socket of the host did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {}", self.sentence())]
pub struct SocketError {
    /// The socket.
    pub path: String,
    /// The class.
    pub kind: SocketErrorKind,
    /// More words; hostile text.
    pub detail: String,
}

impl SocketError {
    pub(super) fn new(path: &str, kind: SocketErrorKind, detail: impl Into<String>) -> SocketError {
        SocketError {
            path: path.to_owned(),
            kind,
            detail: detail.into(),
        }
    }

    /// Might it work later without anybody doing anything?
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match &self.kind {
            SocketErrorKind::Refused | SocketErrorKind::Absent | SocketErrorKind::Timeout => true,
            SocketErrorKind::Link(e) => e.is_transient(),
            _ => false,
        }
    }

    /// Did the request reach the listener?
    #[must_use]
    pub fn certainty(&self) -> Certainty {
        match &self.kind {
            SocketErrorKind::Timeout | SocketErrorKind::TooLarge | SocketErrorKind::Link(_) | SocketErrorKind::Other => Certainty::Unknown,
            _ => Certainty::NotStarted,
        }
    }

    fn sentence(&self) -> String {
        let what = match &self.kind {
            SocketErrorKind::Absent => String::from("there is no such socket; check that its service runs and that the path is right"),
            SocketErrorKind::Denied { owner, mode } => format!("permission denied: the socket belongs to {owner}, mode {mode:04o}"),
            SocketErrorKind::Refused => String::from("nobody listens on this socket; check that its service runs"),
            SocketErrorKind::NotSocket => String::from("this is not a socket"),
            SocketErrorKind::ForwardingRefused => String::from("the server forbids forwarding (`AllowStreamLocalForwarding`)"),
            SocketErrorKind::Timeout => String::from("no complete answer in time"),
            SocketErrorKind::TooLarge => String::from("the answer is too long"),
            SocketErrorKind::NoProgram => String::from("the host has neither `socat` nor `nc` to reach it as another user"),
            SocketErrorKind::Link(e) => e.to_string(),
            SocketErrorKind::Other => String::from("it did not answer"),
        };
        format!("{what}{}", Detail(&self.detail))
    }
}

/// A TCP connection from the host did not come about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TcpError {
    /// Nothing listens there, seen from the host.
    #[error("connection refused")]
    Refused,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The server forbids forwarding.
    #[error("the server forbids forwarding (`AllowTcpForwarding`)")]
    ForwardingRefused,
    /// The link.
    #[error(transparent)]
    Link(LinkError),
    /// Anything else, in the host's words.
    #[error("connection failed: {0}")]
    Other(String),
}

impl TcpError {
    /// Might it work later without anybody doing anything?
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, TcpError::ForwardingRefused)
    }
}
