//! What stands at a path, as facts: kind, rights, size. Never its content.
//!
//! Two keys: `path/PATH` is what this looks at; `file/PATH` is shared with the actions on content, so that each sees what another will
//! have done.

use super::fact::FileFact;
use crate::action::outcome::exited;
use crate::action::place::Place;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{Observation, ReadError, ResourceKey};
use crate::model::operation::{Operation, Output};

const PROBE: &str = include_str!("stat.sh");

/// A path of a host.
#[derive(Clone, Debug)]
pub struct Spot {
    /// Where.
    pub place: Place,
    /// The path.
    pub path: String,
}

/// What stands there; a field that is `None` is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// `file`, `directory`, `link`, `other` or `absent`.
    pub kind: Option<String>,
    /// Octal.
    pub mode: Option<String>,
    /// Owner's name.
    pub owner: Option<String>,
    /// Group's name.
    pub group: Option<String>,
    /// Bytes.
    pub size: Option<i64>,
    /// Seconds since its content was changed.
    pub age: Option<i64>,
    /// Seconds since 1970 when its content was changed.
    pub modified: Option<i64>,
    /// A directory without entries.
    pub empty: Option<bool>,
    /// Where a link leads.
    pub target: Option<String>,
}

impl Standing {
    /// Nothing there.
    #[must_use]
    pub fn absent() -> Standing {
        Standing {
            kind: Some(String::from("absent")),
            ..Standing::default()
        }
    }

    fn read(stdout: &str) -> Standing {
        let line = |key: &str| {
            stdout
                .lines()
                .find_map(|l| l.strip_prefix(key)?.strip_prefix('='))
                .map(str::to_owned)
        };
        let number = |key: &str| line(key).and_then(|n| n.parse::<i64>().ok());
        let modified = number("modified");
        Standing {
            kind: line("kind"),
            mode: line("mode").map(|mode| format!("{mode:0>4}")),
            owner: line("owner"),
            group: line("group"),
            size: number("size"),
            age: number("now").zip(modified).map(|(now, then)| (now - then).max(0)),
            modified,
            empty: line("empty").map(|e| e == "yes"),
            target: stdout.split_once("\ntarget=").map(|(_, target)| target.to_owned()),
        }
    }

    fn of(fact: Option<&Value>) -> Standing {
        let field = |name: &str| fact.and_then(|f| f.field(name)).unwrap_or_default();
        let text = |name: &str| field(name).as_text().map(str::to_owned);
        Standing {
            kind: text("kind"),
            mode: text("mode"),
            owner: text("owner"),
            group: text("group"),
            size: field("size").as_int(),
            age: field("age").as_int(),
            modified: field("modified").as_int(),
            empty: field("empty").as_bool(),
            target: text("target"),
        }
    }

    /// As a fact: of what is not there, there is nothing more to know.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let nothing = if self.kind.as_deref() == Some("absent") {
            Value::Null
        } else {
            Value::Unknown
        };
        let text = |t: &Option<String>| t.clone().map_or(nothing.clone(), Value::Text);
        let number = |n: Option<i64>| n.map_or(nothing.clone(), Value::Int);
        let only = |kind: &str, value: Value| match &self.kind {
            Some(k) if k != kind => Value::Null,
            _ => value,
        };
        Value::map([
            ("kind", self.kind.clone().map_or(Value::Unknown, Value::Text)),
            ("mode", text(&self.mode)),
            ("owner", text(&self.owner)),
            ("group", text(&self.group)),
            ("size", number(self.size)),
            ("age", number(self.age)),
            ("modified", number(self.modified)),
            ("empty", only("directory", self.empty.map_or(Value::Unknown, Value::Bool))),
            ("target", only("link", text(&self.target))),
        ])
    }

    /// What the actions on content know of it.
    #[must_use]
    pub fn as_file(&self) -> FileFact {
        match self.kind.as_deref() {
            Some("absent") => FileFact::absent(),
            _ => FileFact {
                exists: self.kind.as_ref().map(|_| true),
                mode: self.mode.clone(),
                owner: self.owner.clone(),
                group: self.group.clone(),
                ..FileFact::default()
            },
        }
    }
}

impl Spot {
    /// The key of what stands there.
    #[must_use]
    pub fn key(&self) -> ResourceKey {
        self.place.key(format!("path/{}", self.path))
    }

    /// The key that the actions on content share.
    #[must_use]
    pub fn file_key(&self) -> ResourceKey {
        self.place.key(format!("file/{}", self.path))
    }

    /// A look.
    #[must_use]
    pub fn look(&self) -> Operation {
        self.place.probe_script(PROBE, &[&self.path])
    }

    /// What a look has shown.
    ///
    /// # Errors
    /// A path that cannot be looked at.
    pub fn read(&self, output: Option<&Output>) -> Result<Observation, ReadError> {
        let ended = exited(output)?;
        let host = self.place.name();
        let path = one_line(&self.path, 200);
        if ended.code != 0 {
            return Err(ReadError::new(format!("looking at {path} on {host} {}", ended.ending())));
        }
        let standing = Standing::read(ended.stdout);
        if standing.kind.is_none() {
            return Err(ReadError::new(format!("{host} says nothing about {path}")));
        }
        let mut seen = Observation::default();
        for (key, value) in self.facts(&standing) {
            seen.set(key, value);
        }
        Ok(seen)
    }

    /// Both facts about it.
    #[must_use]
    pub fn facts(&self, standing: &Standing) -> Vec<(ResourceKey, Value)> {
        vec![(self.key(), standing.to_value()), (self.file_key(), standing.as_file().to_value())]
    }

    /// What is known, an action on its content included.
    #[must_use]
    pub fn standing(&self, seen: &Observation) -> Standing {
        let here = Standing::of(seen.get(&self.key()));
        let Some(fact) = seen.get(&self.file_key()) else { return here };
        let file = FileFact::of(Some(fact));
        match (file.exists, here.kind.as_deref()) {
            (None, _) => Standing::default(),
            (Some(false), _) => Standing::absent(),
            (Some(true), Some("absent") | None) if file.content.is_none() => Standing::default(),
            (Some(true), _) if file.content.is_none() => here,
            // Written by an earlier step of the plan.
            (Some(true), _) => Standing {
                kind: Some(String::from("file")),
                mode: file.mode,
                owner: file.owner,
                group: file.group,
                size: file.content.map(|c| i64::try_from(c.len()).unwrap_or(i64::MAX)),
                ..Standing::default()
            },
        }
    }
}
