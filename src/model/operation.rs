//! One primitive on one host (or on the controller), as data. Actions make operations; only the executor performs them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::base::id::{HostName, RunId};
use crate::base::secret::Sensitive;

/// Where an operation happens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// On the machine that runs `runbook`.
    Controller,
    /// On a host of the inventory.
    Host(HostName),
}

/// Whose rights an operation needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// The login user's.
    #[default]
    Login,
    /// Another user's, through `sudo -n`.
    User(String),
}

/// One primitive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Where.
    pub target: Target,
    /// With whose rights.
    pub run_as: Identity,
    /// What.
    pub act: Act,
    /// How long it may take.
    pub timeout: Duration,
}

/// What an operation does. `reads()` tells which of them change nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// A read-only program; several on one host are folded into one round trip.
    Probe {
        /// Program and arguments.
        argv: Vec<String>,
        /// Its standard input.
        stdin: Sensitive,
        /// Added to its environment.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        env: BTreeMap<String, Sensitive>,
    },
    /// A program that changes something; runs under the durable wrapper.
    Run {
        /// Program and arguments.
        argv: Vec<String>,
        /// Its standard input.
        stdin: Sensitive,
        /// Added to its environment.
        env: BTreeMap<String, Sensitive>,
        /// Its working directory.
        cwd: Option<String>,
    },
    /// Content, mode and owner of a file; absence is an answer, not an error.
    ReadFile {
        /// Absolute path.
        path: String,
    },
    /// Puts a file in place in one step, after `validate` has passed on the new content.
    PutFile(PutFile),
    /// A request to a unix socket, answered until the peer closes.
    Socket {
        /// Absolute path of the socket.
        path: String,
        /// What is sent.
        request: String,
        /// The request changes nothing.
        read_only: bool,
    },
    /// One HTTP request, made from `target` (through the connection when that is a host).
    Http {
        /// Method in capitals.
        method: String,
        /// `http://…`
        url: String,
        /// Header lines.
        headers: Vec<(String, Sensitive)>,
        /// Body.
        body: String,
        /// The request changes nothing (GET, HEAD, or the author's word).
        read_only: bool,
    },
    /// Tries to open a TCP connection from `target`.
    Tcp {
        /// Name or address.
        address: String,
        /// Port.
        port: u16,
    },
    /// Tells people; only on the controller.
    Notify {
        /// A channel or a group of people of the configuration.
        to: String,
        /// The text.
        message: String,
        /// `info`, `warning`, `critical`.
        severity: String,
        /// Evidence: named longer texts.
        attach: Vec<(String, String)>,
    },
    /// Asks our own journal who last changed something; only on the controller.
    History {
        /// `pool/POOL/MEMBER`, `HOST/service/NAME`, …
        resource: String,
        /// How many changes at most, the newest first.
        last: usize,
    },
    /// Waits; between two looks at something that needs time (a counter, say).
    Pause {
        /// How long.
        span: Duration,
    },
}

/// See [`Act::PutFile`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutFile {
    /// Absolute path.
    pub path: String,
    /// The whole new content.
    pub content: String,
    /// Octal mode such as `0644`; `None`: as it is, or 0644 for a new file.
    pub mode: Option<String>,
    /// `None`: as it is.
    pub owner: Option<String>,
    /// `None`: as it is.
    pub group: Option<String>,
    /// Runs on the new content first; `{{file}}` stands for its temporary path.
    pub validate: Option<Vec<String>>,
    /// Keep the old content beside it.
    pub backup: bool,
    /// Refuse unless the file still has this SHA-256 (hex), or is still absent (`absent`).
    pub expect: Option<String>,
}

impl Act {
    /// True when the operation changes nothing, so that a dry-run may perform it.
    #[must_use]
    pub fn reads(&self) -> bool {
        match self {
            Act::Probe { .. } | Act::ReadFile { .. } | Act::Tcp { .. } | Act::History { .. } | Act::Pause { .. } => true,
            Act::Socket { read_only, .. } | Act::Http { read_only, .. } => *read_only,
            Act::Run { .. } | Act::PutFile(_) | Act::Notify { .. } => false,
        }
    }
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// A program ended.
    Exited {
        /// Its exit status; 128 + n for a signal.
        code: i32,
        /// Bounded, lossily decoded.
        stdout: String,
        /// Bounded, lossily decoded.
        stderr: String,
        /// Something was cut off.
        truncated: bool,
    },
    /// The file as it is.
    File {
        /// Lossily decoded content.
        content: String,
        /// False when the content is not UTF-8 and must not be written back.
        utf8: bool,
        /// Octal.
        mode: String,
        /// Owner's name.
        owner: String,
        /// Group's name.
        group: String,
        /// Hex.
        sha256: String,
    },
    /// There is no such file.
    NoFile,
    /// The file is in place; false when it was already so.
    Put {
        /// Something was written.
        written: bool,
        /// Where the old content is kept.
        backup: Option<String>,
    },
    /// The socket's whole answer.
    Answer {
        /// Lossily decoded.
        text: String,
    },
    /// An HTTP answer.
    Http {
        /// Status code.
        status: u16,
        /// Header lines, names in lower case.
        headers: Vec<(String, String)>,
        /// Bounded, lossily decoded.
        body: String,
    },
    /// Whether the connection opened.
    Tcp {
        /// It did.
        open: bool,
    },
    /// Told.
    Notified {
        /// What the channel answered.
        receipt: String,
    },
    /// What the journal knows.
    History {
        /// The newest first.
        changes: Vec<Changed>,
    },
    /// Waited.
    Paused,
    /// It did not come to an answer: unreachable, refused, validation failed, timed out.
    Failed(Trouble),
}

/// A change that a run made, as the journal tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The run.
    pub run: RunId,
    /// Its runbook.
    pub runbook: String,
    /// Who started it.
    pub by: String,
    /// Why, if they said; else what the step was for.
    pub reason: String,
    /// What was changed, in the words of the plan.
    pub what: String,
    /// When the change had ended.
    pub at: Timestamp,
}

/// Why an operation came to no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What kind.
    pub kind: TroubleKind,
    /// For people: what happened and what to do.
    pub message: String,
    /// Whether the operation can have had an effect.
    pub may_have_happened: bool,
}

/// Kinds of trouble the engine tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// No connection to the host, or it was lost.
    Unreachable,
    /// The host refused us: key, host key, sudo, permission.
    Denied,
    /// It took too long.
    Timeout,
    /// The thing to talk to is not there (no such program, socket, file).
    Absent,
    /// `validate` refused the new content.
    Invalid,
    /// Somebody else changed it in the meantime.
    Conflict,
    /// Anything else.
    Other,
}
