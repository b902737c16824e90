//! Where a bound action works and as whom: makes its operations and the keys of its facts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::secret::Sensitive;
use crate::model::action::{BindError, Context, ResourceKey, Scope};
use crate::model::inventory::Host;
use crate::model::operation::{Act, Identity, Operation, PutFile, Target};

/// One host, or the controller.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where operations go.
    pub target: Target,
    /// With whose rights.
    pub run_as: Identity,
    /// How long each operation may take.
    pub timeout: Duration,
}

impl Place {
    /// The step's host, or the controller when it has none. On the controller everything runs as the user of this program.
    #[must_use]
    pub fn of(context: &Context<'_>) -> Place {
        Place {
            target: context.host.map_or(Target::Controller, |host| Target::Host(host.name.clone())),
            run_as: context.host.map_or(Identity::Login, |_| context.run_as.clone()),
            timeout: context.timeout,
        }
    }

    /// The same place with the login user's rights.
    #[must_use]
    pub fn as_login(mut self) -> Place {
        self.run_as = Identity::Login;
        self
    }

    /// For people: the host's name, or `controller`.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.target {
            Target::Host(host) => host.as_str(),
            Target::Controller => "controller",
        }
    }

    /// The part of the world that a change here may disturb.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match &self.target {
            Target::Host(host) => Scope::Host(host.clone()),
            Target::Controller => Scope::Elsewhere,
        }
    }

    /// The key of a fact about this place.
    #[must_use]
    pub fn key(&self, path: impl Into<String>) -> ResourceKey {
        ResourceKey {
            scope: self.scope(),
            path: path.into(),
        }
    }

    /// An operation here.
    #[must_use]
    pub fn operation(&self, act: Act) -> Operation {
        Operation {
            target: self.target.clone(),
            run_as: self.run_as.clone(),
            act,
            timeout: self.timeout,
        }
    }

    /// A read-only program.
    #[must_use]
    pub fn probe<I: IntoIterator<Item = S>, S: Into<String>>(&self, argv: I) -> Operation {
        self.operation(Act::Probe {
            argv: argv.into_iter().map(Into::into).collect(),
            stdin: Sensitive::default(),
            env: BTreeMap::new(),
        })
    }

    /// A fixed read-only script of our own; what varies comes as `$1`, `$2`, … and is never part of its text.
    #[must_use]
    pub fn probe_script(&self, script: &str, arguments: &[&str]) -> Operation {
        let head = ["sh", "-c", script, "runbook"].into_iter();
        self.probe(head.chain(arguments.iter().copied()))
    }

    /// A program that changes something.
    #[must_use]
    pub fn run<I: IntoIterator<Item = S>, S: Into<String>>(&self, argv: I) -> Operation {
        self.operation(Act::Run {
            argv: argv.into_iter().map(Into::into).collect(),
            stdin: Sensitive::default(),
            env: BTreeMap::new(),
            cwd: None,
        })
    }

    /// A look at a file.
    #[must_use]
    pub fn read_file(&self, path: &str) -> Operation {
        self.operation(Act::ReadFile { path: path.to_owned() })
    }

    /// A file put in place.
    #[must_use]
    pub fn put_file(&self, file: PutFile) -> Operation {
        self.operation(Act::PutFile(file))
    }
}

/// The step's host, for actions that cannot do without.
///
/// # Errors
/// When the step has none.
pub fn host_of<'a>(context: &Context<'a>) -> Result<&'a Host, BindError> {
    context
        .host
        .ok_or_else(|| BindError::new("hosts", "the action runs on hosts, and the step names none").help("add `hosts: …` to the step"))
}
