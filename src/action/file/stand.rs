//! `file`: a file, a directory or a link is there, with its rights, or nothing is.

use std::time::Duration;

use super::place_fact::{Spot, Standing};
use super::put::same_mode;
use crate::action::declare::{optional, required};
use crate::action::outcome::first_failure;
use crate::action::place::Place;
use crate::action::program::shown;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ParameterKind, ReadError, RunsOn, Settle,
    Signature, Undo, Verdict,
};
use crate::model::operation::{Act, Operation, Output};
use crate::model::types::Type;

/// A link in one step, in place of another link only: `$1` the target, `$2` the path.
const LINK: &str = r#"new=$2.$$.new
ln -s -- "$1" "$new" && mv -f -T -- "$new" "$2" || { rm -f -- "$new"; exit 1; }"#;
/// Nothing that somebody else has just made is emptied.
const TOUCH: &str = r#"set -C; : >"$1""#;

/// See the signature.
pub struct File;

static SIGNATURE: Signature = Signature {
    name: "file",
    summary: "Makes a file, a directory or a link be there, with its rights, or nothing.",
    docs: "`state: file` makes an empty file where none is and never touches the content of one (`file.write` does). `state: directory` \
           makes the directory, not those above it. `state: link` makes or turns a symbolic link. What is of another kind is never \
           replaced: the step is refused.\n\n`state: absent` removes a link, an empty directory or an empty file. What holds something \
           is left alone, since it could not be brought back: a text file is removed by `file.write` with `state: absent`, old files by \
           `disk.clean`.\n\nTaken back by the previous kind, target, mode and owner, or by removing what was not there.",
    parameters: &[
        required("path", ParameterKind::Path, "Where."),
        required(
            "state",
            ParameterKind::Choice(&["file", "directory", "link", "absent"]),
            "What is to be there.",
        ),
        optional(
            "mode",
            ParameterKind::Mode,
            "Octal mode in quotes, `\"0755\"`. Default: as it is, or what the host gives a new one.",
        ),
        optional(
            "owner",
            ParameterKind::Text,
            "Owner's name. Default: as it is, or the user it is made as.",
        ),
        optional("group", ParameterKind::Text, "Group's name. Default: as for `owner`."),
        optional(
            "target",
            ParameterKind::Text,
            "Where the link leads. Required for `state: link`, and for it only.",
        ),
    ],
    shorthand: None,
    results,
    class: Class::Reversible,
    class_of: None,
    runs_on: RunsOn::HostOrControl,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: release
name: Serve the new release
hosts: webservers
run_as: root
file: { path: /srv/app/current, state: link, target: /srv/app/releases/2026-11-21 }
"#,
};

fn results() -> Type {
    Type::record([
        ("exists", Type::Bool),
        ("mode", Type::Text),
        ("owner", Type::Text),
        ("group", Type::Text),
    ])
}

impl ActionKind for File {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let text = |name: &str| arguments.text(name).map(str::to_owned);
        let state = text("state").unwrap_or_default();
        let rights = ["mode", "owner", "group"].into_iter().find(|n| arguments.get(n).is_some());
        match (state.as_str(), arguments.text("target")) {
            ("link", None | Some("")) => return Err(BindError::new("target", "it is missing: where does the link lead")),
            ("link", Some(_)) | (_, None) => {}
            (_, Some(_)) => return Err(BindError::new("target", "only a link has a target").help("say `state: link`")),
        }
        if let ("link" | "absent", Some(name)) = (state.as_str(), rights) {
            return Err(BindError::new(name, format!("it makes no sense for `state: {state}`")));
        }
        let path = text("path").unwrap_or_default();
        if path.trim_end_matches('/').is_empty() {
            return Err(BindError::new("path", "it is the root of the whole system"));
        }
        Ok(Box::new(Bound {
            spot: Spot {
                place: Place::of(context),
                path: path.trim_end_matches('/').to_owned(),
            },
            state,
            mode: text("mode"),
            owner: text("owner"),
            group: text("group"),
            target: text("target"),
        }))
    }
}

#[derive(Debug)]
struct Bound {
    spot: Spot,
    state: String,
    mode: Option<String>,
    owner: Option<String>,
    group: Option<String>,
    target: Option<String>,
}

impl Bound {
    /// Rights that are not as wanted: name, as they are, as wanted. `None`: not known.
    fn rights(&self, now: &Standing) -> Option<Vec<(&'static str, String, String)>> {
        let there = now.kind.as_deref()? != "absent";
        let parts = [
            ("mode", &self.mode, &now.mode),
            ("owner", &self.owner, &now.owner),
            ("group", &self.group, &now.group),
        ];
        let mut found = Vec::new();
        for (name, wanted, is) in parts {
            let Some(wanted) = wanted else { continue };
            if !there {
                found.push((name, String::new(), wanted.clone()));
                continue;
            }
            let is = is.as_ref()?;
            let same = if name == "mode" { same_mode(is, wanted) } else { is == wanted };
            if !same {
                found.push((name, is.clone(), wanted.clone()));
            }
        }
        Some(found)
    }

    fn refusal(&self, now: &Standing, kind: &str) -> Option<String> {
        let (path, host) = (&self.spot.path, self.spot.place.name());
        if self.state != "absent" {
            let other = kind != "absent" && kind != self.state;
            return other.then(|| format!("{path} on {host} is a {kind} and no {}; it is not replaced", self.state));
        }
        let holds = match kind {
            "file" => now.size != Some(0),
            "directory" => now.empty != Some(true),
            "other" => true,
            _ => false,
        };
        holds.then(|| {
            let help = match kind {
                "file" => "use `file.write` with `state: absent`, which can bring its text back",
                "directory" => "empty it first",
                _ => "remove it by a `command`",
            };
            format!("{path} on {host} is a {kind} that holds something and could not be brought back; {help}")
        })
    }

    fn operations(&self, kind: &str, rights: &[(&str, String, String)]) -> Vec<Operation> {
        let (place, path) = (&self.spot.place, self.spot.path.as_str());
        let mut operations = Vec::new();
        match (self.state.as_str(), kind) {
            ("absent", "directory") => operations.push(place.run(["rmdir", "--", path])),
            ("absent", _) => operations.push(place.run(["rm", "-f", "--", path])),
            ("link", _) => operations.push(place.run(["sh", "-c", LINK, "runbook", self.target.as_deref().unwrap_or(""), path])),
            ("directory", "absent") => operations.push(place.run(["mkdir", "--", path])),
            ("file", "absent") => operations.push(place.run(["sh", "-c", TOUCH, "runbook", path])),
            _ => {}
        }
        let wanted = |name: &str| rights.iter().find(|(n, ..)| *n == name).map(|(.., w)| w.as_str());
        let owner = match (wanted("owner"), wanted("group")) {
            (Some(owner), Some(group)) => Some(format!("{owner}:{group}")),
            (Some(owner), None) => Some(owner.to_owned()),
            (None, Some(group)) => Some(format!(":{group}")),
            (None, None) => None,
        };
        // `-h`: a link put there in the meantime is not followed. The mode last: a new owner clears some of its bits.
        operations.extend(owner.map(|owner| place.run(["chown", "-h", "--", &owner, path])));
        operations.extend(wanted("mode").map(|mode| place.run(["chmod", "--", mode, path])));
        operations
    }

    fn then(&self, now: &Standing, kind: &str) -> Standing {
        if self.state == "absent" {
            return Standing::absent();
        }
        let made = kind == "absent";
        let kept = |wanted: &Option<String>, is: &Option<String>| wanted.clone().or_else(|| is.clone().filter(|_| !made));
        Standing {
            kind: Some(self.state.clone()),
            mode: kept(&self.mode, &now.mode),
            owner: kept(&self.owner, &now.owner),
            group: kept(&self.group, &now.group),
            size: if made && self.state == "file" {
                Some(0)
            } else {
                now.size.filter(|_| !made)
            },
            age: None,
            modified: now.modified.filter(|_| !made),
            empty: if made && self.state == "directory" {
                Some(true)
            } else {
                now.empty.filter(|_| !made)
            },
            target: self.target.clone(),
        }
    }

    fn undo(&self, now: &Standing, kind: &str, rights: &[(&'static str, String, String)]) -> Undo {
        let mut arguments = vec![("path", Value::text(&self.spot.path)), ("state", Value::text(kind))];
        if kind == "link" {
            arguments.push(("target", now.target.clone().map_or(Value::Unknown, Value::Text)));
        } else if self.state == "absent" {
            let parts = [("mode", &now.mode), ("owner", &now.owner), ("group", &now.group)];
            let known = parts.into_iter().filter_map(|(name, was)| Some((name, Value::text(was.as_ref()?))));
            arguments.extend(known);
        } else if kind != "absent" {
            arguments.extend(rights.iter().map(|(name, was, _)| (*name, Value::text(was))));
        }
        Undo::Call {
            action: String::from("file"),
            arguments: Arguments(arguments.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        }
    }

    fn summary(&self, now: &Standing, kind: &str, rights: &[(&str, String, String)]) -> String {
        let mut parts = Vec::new();
        match (self.state.as_str(), kind) {
            ("absent", kind) => parts.push(format!("remove the {kind}")),
            ("link", "link") => parts.push(format!(
                "link to {} → {}",
                now.target.as_deref().unwrap_or("?"),
                self.target.as_deref().unwrap_or("?")
            )),
            ("link", _) => parts.push(format!("make a link to {}", self.target.as_deref().unwrap_or("?"))),
            (state, "absent") => parts.push(format!("make an empty {state}")),
            _ => {}
        }
        for (name, is, wanted) in rights {
            parts.push(if is.is_empty() {
                format!("{name} {wanted}")
            } else {
                format!("{name} {is} → {wanted}")
            });
        }
        let text = format!("{} on {}: {}", self.spot.path, self.spot.place.name(), parts.join(", "));
        crate::base::sanitise::one_line(&text, 400)
    }

    /// Whether it is as wanted, but for rights.
    fn is_there(&self, now: &Standing, kind: &str) -> bool {
        kind == self.state && (self.state != "link" || now.target == self.target)
    }
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        vec![self.spot.look()]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        self.spot.read(outputs.first())
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let now = self.spot.standing(seen);
        let (Some(kind), Some(rights)) = (now.kind.clone(), self.rights(&now)) else {
            let host = self.spot.place.name();
            return Decision::Unknown(format!("what stands at {} on {host} is known at run time", self.spot.path));
        };
        if self.is_there(&now, &kind) && rights.is_empty() {
            return Decision::InDesiredState;
        }
        if let Some(why) = self.refusal(&now, &kind) {
            return Decision::Refused(why);
        }
        Decision::Change(Change {
            summary: self.summary(&now, &kind, &rights),
            diff: None,
            notes: Vec::new(),
            operations: self.operations(&kind, &rights),
            predicted: self.spot.facts(&self.then(&now, &kind)),
            taints: Vec::new(),
            undo: self.undo(&now, &kind, &rights),
        })
    }

    fn judge(&self, before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        let was = self.spot.standing(before);
        let operations = self.operations(was.kind.as_deref().unwrap_or(""), &self.rights(&was).unwrap_or_default());
        let words = |i: usize| match operations.get(i).map(|o| &o.act) {
            Some(Act::Run { argv, .. }) if argv.first().is_some_and(|a| a != "sh") => shown(argv),
            _ => format!("making {}", self.spot.path),
        };
        if let Some(failed) = first_failure(performed, &words) {
            return failed;
        }
        let now = self.spot.standing(after);
        let kind = now.kind.clone().unwrap_or_default();
        match self.rights(&now) {
            _ if !self.is_there(&now, &kind) => Verdict::Failed(format!("{} is now {kind}, expected {}", self.spot.path, self.state)),
            Some(rights) if rights.is_empty() => Verdict::Done,
            rights => {
                let (name, is, wanted) = rights.unwrap_or_default().into_iter().next().unwrap_or_default();
                Verdict::Failed(format!("{name} of {} is {is}, expected {wanted}", self.spot.path))
            }
        }
    }

    fn settle(&self) -> Settle {
        Settle {
            within: Duration::from_secs(2),
            every: Duration::from_millis(500),
        }
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        let now = self.spot.standing(seen);
        let fact = now.to_value();
        let field = |name: &str| fact.field(name).unwrap_or_default();
        let exists = now.kind.as_ref().map_or(Value::Unknown, |k| Value::Bool(k != "absent"));
        Value::map([
            ("exists", exists),
            ("mode", field("mode")),
            ("owner", field("owner")),
            ("group", field("group")),
        ])
    }
}
