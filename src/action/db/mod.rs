//! Actions on databases: their role, a promotion, the proxy before them. PostgreSQL, through `psql` on the host.
//!
//! What they have in common is here: how psql is called, and that a password never reaches an argument vector.

pub mod csv;
pub mod ini;
pub mod promote;
pub mod proxy;
pub mod query;
pub mod status;

use crate::action::declare::{may_be_secret, optional, required};
use crate::action::outcome::{Exited, exited};
use crate::action::place::{Place, host_of};
use crate::base::sanitise::one_line;
use crate::base::secret::Sensitive;
use crate::model::action::{ActionKind, Arguments, BindError, Context, Parameter, ParameterKind, ReadError};
use crate::model::operation::{Act, Operation, Output, Trouble, TroubleKind};

/// The actions on databases.
pub const ALL: &[&dyn ActionKind] = &[&promote::Promote, &proxy::Proxy, &query::Query, &status::Status];

/// How psql is called; what it is to do stands in what it reads.
pub const PSQL: &str = include_str!("psql.sh");
/// psql's words where it could not connect, or lost the connection.
const NO_CONNECTION: i32 = 2;

/// `kind`, for every one of them.
const KIND: Parameter = required("kind", ParameterKind::Choice(&["postgresql"]), "What kind of database it is.");
/// `dsn`, where it means a server.
const DSN: Parameter = optional(
    "dsn",
    ParameterKind::Text,
    "Where psql connects to, as libpq writes it, without a password: `port=5433 dbname=app`. Default: the host's variable \
     `postgres_dsn`, else `dbname=postgres`, the server that listens where the host's psql looks for it.",
);
/// `password`.
const PASSWORD: Parameter = may_be_secret(optional(
    "password",
    ParameterKind::Text,
    "The password, handed to psql through its environment: a parameter of type `secret`. Default: none; the host's own rules let the user in.",
));

/// A way to a server or a console.
#[derive(Clone, Debug)]
pub struct Way {
    /// Where psql runs.
    pub place: Place,
    /// Where it connects to.
    pub dsn: String,
    password: Sensitive,
}

impl Way {
    /// From parameters `dsn` and `password`, or the host's variable of that name.
    ///
    /// # Errors
    /// A password where everybody could read it.
    pub fn bind(arguments: &Arguments, context: &Context<'_>, variable: &str, default: &str) -> Result<Way, BindError> {
        let host = host_of(context)?;
        let dsn = arguments.text("dsn").or_else(|| host.setting(variable)).unwrap_or(default);
        let tells = dsn.to_ascii_lowercase().replace(' ', "").contains("password=") || url_password(dsn);
        if tells || dsn.contains(['\n', '\0']) {
            let message = "it holds a password, which everybody on the host could see in the list of processes";
            return Err(BindError::new("dsn", message).help("give the password as `password`"));
        }
        let password = arguments.sensitive("password").unwrap_or_default();
        // As a plain text it would stand in the plan, and with the way back in the journal.
        if password.as_plain().is_some_and(|plain| !plain.is_empty()) {
            let message = "it stands in plain text, which plans and the journal would show";
            return Err(BindError::new("password", message)
                .help("declare it, `params: { db_password: { type: secret, from: env.DB_PASSWORD } }`, and write `password: \"{{params.db_password}}\"`"));
        }
        if password.to_string().contains(['\n', '\0']) {
            return Err(BindError::new("password", "a password of more than one line cannot be handed over"));
        }
        Ok(Way {
            place: Place::of(context),
            dsn: dsn.to_owned(),
            password,
        })
    }

    /// psql at this script of its own language, only reading.
    #[must_use]
    pub fn look(&self, script: &str) -> Operation {
        self.place.operation(Act::Probe {
            argv: self.argv(),
            stdin: self.input(script),
            env: std::collections::BTreeMap::default(),
        })
    }

    /// psql at a script that changes something.
    #[must_use]
    pub fn change(&self, script: &str) -> Operation {
        self.script(PSQL, &[], &self.input(script))
    }

    /// A script of ours that calls psql by itself; the first line of what it reads is the password.
    #[must_use]
    pub fn script(&self, text: &str, more: &[&str], stdin: &Sensitive) -> Operation {
        let head = ["sh", "-c", text, "runbook", &self.dsn];
        self.place.operation(Act::Run {
            argv: head.iter().chain(more).map(|&w| w.to_owned()).collect(),
            stdin: stdin.clone(),
            env: std::collections::BTreeMap::default(),
            cwd: None,
        })
    }

    /// What the shell reads: the password, then the script.
    #[must_use]
    pub fn input(&self, script: &str) -> Sensitive {
        let mut input = self.password.clone();
        input.push_text("\n");
        input.push_text(script);
        input
    }

    fn argv(&self) -> Vec<String> {
        ["sh", "-c", PSQL, "runbook", &self.dsn].map(str::to_owned).into()
    }

    /// What psql answered; `Err(words)` inside: there was no way to the server.
    ///
    /// # Errors
    /// No psql, no such user, a mistake in the script.
    pub fn answer<'o>(&self, output: Option<&'o Output>) -> Result<Result<Exited<'o>, String>, ReadError> {
        if let Some(Output::Failed(Trouble { kind, message, .. })) = output
            && matches!(kind, TroubleKind::Unreachable | TroubleKind::Timeout)
        {
            return Ok(Err(one_line(message, 300)));
        }
        let ended = exited(output)?;
        let host = self.place.name();
        match ended.code {
            0 => Ok(Ok(ended)),
            NO_CONNECTION => Ok(Err(ended.words())),
            127 => Err(ReadError::new(format!("{host} has no psql; install PostgreSQL's client there"))),
            _ => Err(ReadError::new(format!("psql on {host} {}", ended.ending()))),
        }
    }
}

/// `postgresql://user:password@host`
fn url_password(dsn: &str) -> bool {
    let authority = dsn.split_once("://").and_then(|(_, rest)| rest.split(['/', '?']).next());
    let user = authority.and_then(|a| a.rsplit_once('@')).map_or("", |(user, _)| user);
    user.contains(':')
}
