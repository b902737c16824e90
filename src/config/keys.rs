//! The keys of the configuration in one table: the reader refuses what is not in it, the JSON Schema is made from it.
//!
//! Knows names, shapes and meanings; not how a value is used.

use crate::model::runbook::{TRIGGER_MODES, TRIGGERS_SENT};

/// One key of a map.
#[derive(Debug)]
pub(super) struct Key {
    /// As written.
    pub name: &'static str,
    /// What may stand there.
    pub shape: Shape,
    /// Whether it must be given.
    pub required: bool,
    /// False: read and checked, but nothing of the program acts on it yet.
    pub used: bool,
    /// One sentence for people; default included.
    pub docs: &'static str,
}

/// What may stand at a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number from 1.
    Count,
    /// Names, each with a whole number from 1.
    Counts,
    /// `90s`
    Duration,
    /// `2026-12-24T00:00Z`
    Time,
    /// Texts.
    Texts,
    /// Names and texts.
    TextMap,
    /// `secret:file:…`; never the secret itself.
    Secret,
    /// As [`Shape::Secret`]; two while one replaces the other.
    Secrets,
    /// A URL, or a secret that is one.
    Address,
    /// A map with the keys of this table.
    Map(&'static Table),
    /// A list of maps with the keys of this table.
    List(&'static Table),
    /// Names, each with a map of this table.
    Named(&'static Table),
    /// Names, each with a secret.
    NamedSecrets,
}

/// The keys of one kind of map.
#[derive(Debug)]
pub(super) struct Table {
    /// Name of the definition in the JSON Schema.
    pub definition: &'static str,
    /// Its keys, in the order to show them.
    pub keys: &'static [Key],
}

impl Table {
    /// The names of its keys.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|k| k.name).collect()
    }

    /// The key with that name.
    pub fn get(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|k| k.name == name)
    }
}

const fn may(name: &'static str, shape: Shape, docs: &'static str) -> Key {
    Key {
        name,
        shape,
        required: false,
        used: true,
        docs,
    }
}

const fn must(key: Key) -> Key {
    Key { required: true, ..key }
}

/// Checked, so that it is right when the program learns to act on it.
const fn unused(key: Key) -> Key {
    Key { used: false, ..key }
}

/// False: the program checks what stands at that key (`retention.runs`), and does not act on it yet.
#[must_use]
pub fn is_used(path: &str) -> bool {
    let mut table = &CONFIG;
    for part in path.split('.') {
        let Some(key) = table.keys.iter().find(|k| k.name == part) else {
            return true;
        };
        if !key.used {
            return false;
        }
        match key.shape {
            Shape::Map(inner) => table = inner,
            _ => return true,
        }
    }
    true
}

/// Roles of a token.
pub(super) const ROLES: &[&str] = &["viewer", "operator", "approver", "admin"];

/// The whole file.
pub(super) static CONFIG: Table = Table {
    definition: "configuration",
    keys: &[
        may("inventory", Shape::Texts, "Inventory files and folders. Default: inventory/."),
        unused(may(
            "identity",
            Shape::Text,
            "Who runs are recorded as. Default: the user of the operating system.",
        )),
        may(
            "journal",
            Shape::Text,
            "The journal's file. Default: runbook/journal.sqlite3 in the user's state directory.",
        ),
        may("people", Shape::Named(&PERSON), "People, by short name."),
        may("groups", Shape::Named(&GROUP), "People who share a duty, by name."),
        may("channels", Shape::Named(&CHANNEL), "Ways to reach people, by name."),
        unused(may(
            "sources",
            Shape::Named(&SOURCE),
            "Who may send alerts, and what they may start.",
        )),
        may("limits", Shape::Map(&LIMITS), "What no run may exceed."),
        may(
            "freeze",
            Shape::List(&FREEZE),
            "Times in which nothing is applied; those of all files count.",
        ),
        may("ssh", Shape::Map(&SSH), "How we connect."),
        unused(may(
            "retention",
            Shape::Map(&RETENTION),
            "How long records are kept. Default: for ever.",
        )),
        unused(may("serve", Shape::Map(&SERVE), "Where to listen, and for whom.")),
        may(
            "secret_sources",
            Shape::NamedSecrets,
            "Where secrets are kept, by the name that `from: secret_sources.NAME` uses.",
        ),
    ],
};

/// A person.
pub(super) static PERSON: Table = Table {
    definition: "person",
    keys: &[
        may("name", Shape::Text, "Full name."),
        may("approve", Shape::Texts, "Roles in which this person may approve."),
        may("notify", Shape::Texts, "Channels that reach this person."),
    ],
};

/// A group.
pub(super) static GROUP: Table = Table {
    definition: "group",
    keys: &[
        must(may("members", Shape::Texts, "People and groups.")),
        unused(may(
            "escalate_after",
            Shape::Duration,
            "Without an answer for so long, ask those of `then`.",
        )),
        unused(may("then", Shape::Texts, "People and groups to be asked next.")),
    ],
};

/// A channel: exactly one of these.
pub(super) static CHANNEL: Table = Table {
    definition: "channel",
    keys: &[
        may(
            "command",
            Shape::Map(&COMMAND),
            "A program here; the message comes on its standard input.",
        ),
        may("webhook", Shape::Map(&WEBHOOK), "A POST to a URL."),
        may("terminal", Shape::Map(&TERMINAL), "The terminal of whoever started the run."),
    ],
};

/// `command:` of a channel.
pub(super) static COMMAND: Table = Table {
    definition: "command",
    keys: &[must(may("argv", Shape::Texts, "Program and arguments; no shell."))],
};

/// `webhook:` of a channel.
pub(super) static WEBHOOK: Table = Table {
    definition: "webhook",
    keys: &[
        must(may("url", Shape::Address, "Where to.")),
        may(
            "template",
            Shape::Choice(&["slack", "plain"]),
            "What the body looks like. Default: plain.",
        ),
    ],
};

/// `terminal:` of a channel.
pub(super) static TERMINAL: Table = Table {
    definition: "terminal",
    keys: &[],
};

/// A source of alerts.
pub(super) static SOURCE: Table = Table {
    definition: "source",
    keys: &[
        must(may("kind", Shape::Choice(TRIGGERS_SENT), "What sends.")),
        must(may(
            "auth",
            Shape::Map(&AUTH),
            "How the sender proves itself: exactly one way. Without it nothing is accepted.",
        )),
        must(may("runbooks", Shape::Texts, "Runbooks that its alerts may start.")),
        may(
            "max_mode",
            Shape::Choice(TRIGGER_MODES),
            "The most that a trigger of it may do. Default: plan.",
        ),
        may("source_url", Shape::Address, "Where to ask whether an alert still fires."),
    ],
};

/// How a sender proves itself.
pub(super) static AUTH: Table = Table {
    definition: "auth",
    keys: &[
        may(
            "bearer",
            Shape::Secrets,
            "A token in the header `authorization`. Two while one replaces the other.",
        ),
        may("basic", Shape::Map(&BASIC), "User and password."),
        may("hmac", Shape::Secrets, "The key of the signature that Grafana and PagerDuty make."),
        may("github", Shape::Secrets, "The key of a signature as GitHub makes it."),
        may(
            "standard_webhooks",
            Shape::Secrets,
            "The key of a signature as Standard Webhooks describes it.",
        ),
    ],
};

/// User and password.
pub(super) static BASIC: Table = Table {
    definition: "basic",
    keys: &[
        must(may("user", Shape::Text, "The user.")),
        must(may("password", Shape::Secret, "The password.")),
    ],
};

/// Limits.
pub(super) static LIMITS: Table = Table {
    definition: "limits",
    keys: &[
        may("max_hosts", Shape::Count, "Hosts that one run may change."),
        may(
            "runs_per_hour",
            Shape::Count,
            "Runs that may be started within an hour, by anybody with the same journal.",
        ),
        unused(may(
            "pool_member_minutes_per_day",
            Shape::Counts,
            "Minutes that members of a pool may be out of service, all together.",
        )),
    ],
};

/// A time in which nothing is applied.
pub(super) static FREEZE: Table = Table {
    definition: "freeze",
    keys: &[
        must(may("from", Shape::Time, "Its beginning.")),
        must(may("until", Shape::Time, "Its end.")),
        must(may("reason", Shape::Text, "Why; it is told to whoever is refused.")),
        may("except", Shape::Texts, "People, groups and roles that may apply all the same."),
    ],
};

/// How we connect.
pub(super) static SSH: Table = Table {
    definition: "ssh",
    keys: &[
        may("connect_timeout", Shape::Duration, "Until an attempt is given up. Default: 10s."),
        may(
            "max_connects",
            Shape::Count,
            "Connections that may be opened at the same time. Default: 16.",
        ),
        may(
            "key_exchange",
            Shape::Choice(&["default", "fast"]),
            "`fast`: curve25519 alone, a tenth of the work, without the protection against future quantum computers.",
        ),
        may(
            "options",
            Shape::TextMap,
            "`-o NAME=VALUE`; only options that neither run a program nor weaken a check.",
        ),
    ],
};

/// How long records are kept.
pub(super) static RETENTION: Table = Table {
    definition: "retention",
    keys: &[
        may("runs", Shape::Duration, "Runs."),
        may("output", Shape::Duration, "What programs wrote; at most as long as runs."),
    ],
};

/// The server.
pub(super) static SERVE: Table = Table {
    definition: "serve",
    keys: &[
        may("listen", Shape::Text, "Address and port. Default: 127.0.0.1:7780."),
        may(
            "hosts",
            Shape::Texts,
            "Names that requests may be addressed to, beside the address itself.",
        ),
        may("tokens", Shape::Named(&TOKEN), "Who may ask for what, by name."),
    ],
};

/// A token.
pub(super) static TOKEN: Table = Table {
    definition: "token",
    keys: &[
        must(may("secret", Shape::Secret, "The token.")),
        must(may("role", Shape::Choice(ROLES), "What it may do.")),
        may("runbooks", Shape::Texts, "Only with these. Default: all."),
    ],
};
