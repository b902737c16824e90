//! `file.write`: a file with a given content, or none.

use crate::action::declare::{optional, required};
use crate::action::file::fact::FileFact;
use crate::action::file::{difference, put, sha256};
use crate::action::place::Place;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ParameterKind, ReadError, ResourceKey, RunsOn,
    Signature, Undo, Verdict,
};
use crate::model::operation::{Operation, Output, PutFile};
use crate::model::types::Type;

/// The mode of a new file.
const NEW_MODE: &str = "0644";

/// See the signature.
pub struct Write;

static SIGNATURE: Signature = Signature {
    name: "file.write",
    summary: "Makes a file hold exactly this content, or removes it.",
    docs: "Nothing to do when content, and mode, owner and group where given, are so already. The new file is put in place in one step, \
           after `validate` has passed on it, and only if nobody has changed the file since it was read. Directories are not made.\n\n\
           Taken back by writing the previous content, mode and owner, or by removing a file that was not there, unless somebody else \
           has changed the file since. A file that is not UTF-8 text could not be restored, so it is neither overwritten nor removed.",
    parameters: &[
        required("path", ParameterKind::Path, "The file."),
        optional(
            "content",
            ParameterKind::Text,
            "The whole content. Required unless `state: absent`.",
        ),
        optional(
            "state",
            ParameterKind::Choice(&["present", "absent"]),
            "Whether the file is to be there. Default: present.",
        ),
        optional(
            "mode",
            ParameterKind::Mode,
            "Octal mode in quotes, `\"0644\"`. Default: as it is; 0644 for a new file.",
        ),
        optional(
            "owner",
            ParameterKind::Text,
            "Owner's name. Default: as it is; for a new file the user it is written as.",
        ),
        optional("group", ParameterKind::Text, "Group's name. Default: as for `owner`."),
        optional("validate", ParameterKind::TextList, put::VALIDATE_DOCS),
        optional("backup", ParameterKind::Bool, put::BACKUP_DOCS),
        optional(
            "expect",
            ParameterKind::Text,
            "SHA-256 of the content that may be overwritten or removed; any other is left alone and refused. Default: any.",
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
id: limits
name: Raise the limit of open files
hosts: webservers
run_as: root
file.write:
  path: /etc/security/limits.d/app.conf
  content: |
    app soft nofile 65536
    app hard nofile 65536
  mode: "0644"
"#,
};

fn results() -> Type {
    put::record()
}

impl ActionKind for Write {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let absent = arguments.text("state") == Some("absent");
        let content = match (arguments.text("content"), absent) {
            (Some(content), false) => Some(content.to_owned()),
            (None, true) => None,
            (None, false) => return Err(BindError::new("content", "it is missing").help("give `content`, or `state: absent`")),
            (Some(_), true) => return Err(BindError::new("content", "a file that is to be absent has no content")),
        };
        for name in ["mode", "owner", "group", "validate", "backup"] {
            if absent && arguments.get(name).is_some_and(|v| v != &Value::Bool(false)) {
                return Err(BindError::new(name, "it makes no sense for a file that is to be absent"));
            }
        }
        let text = |name: &str| arguments.text(name).map(str::to_owned);
        Ok(Box::new(Writing {
            place: Place::of(context),
            path: text("path").unwrap_or_default(),
            content,
            mode: text("mode"),
            owner: text("owner"),
            group: text("group"),
            validate: put::validate(arguments)?,
            backup: arguments.bool("backup", false),
            expect: text("expect"),
        }))
    }
}

#[derive(Debug)]
struct Writing {
    place: Place,
    path: String,
    /// `None`: the file is to be absent.
    content: Option<String>,
    mode: Option<String>,
    owner: Option<String>,
    group: Option<String>,
    validate: Option<Vec<String>>,
    backup: bool,
    expect: Option<String>,
}

impl Writing {
    fn key(&self) -> ResourceKey {
        self.place.key(format!("file/{}", self.path))
    }

    /// What is not as wanted, in words; empty: nothing. `None`: not known.
    fn differences(&self, file: &FileFact) -> Option<Vec<String>> {
        let Some(content) = &self.content else {
            return Some(if file.exists? { vec![String::from("remove")] } else { Vec::new() });
        };
        if !file.exists? {
            let lines = match content.lines().count() {
                1 => String::from("1 line"),
                n => format!("{n} lines"),
            };
            return Some(vec![format!("create, {lines}")]);
        }
        let mut found = Vec::new();
        if file.utf8? && file.content.as_ref()? != content {
            found.push(String::from("new content"));
        } else if !file.utf8? {
            found.push(String::from("new content for what is no text"));
        }
        let parts = [
            ("mode", &self.mode, &file.mode),
            ("owner", &self.owner, &file.owner),
            ("group", &self.group, &file.group),
        ];
        for (name, wanted, is) in parts {
            let Some(wanted) = wanted else { continue };
            let is = is.as_ref()?;
            let same = if name == "mode" { put::same_mode(wanted, is) } else { wanted == is };
            if !same {
                found.push(format!("{name} {is} → {wanted}"));
            }
        }
        Some(found)
    }

    /// Why the file as it is must be left alone, if so.
    fn refusal(&self, file: &FileFact) -> Option<String> {
        let (path, host) = (&self.path, self.place.name());
        if file.utf8 == Some(false) {
            return Some(format!("{path} on {host} is not UTF-8 text and could not be restored"));
        }
        let is = file.text().map_or_else(|| String::from("absent"), sha256);
        match &self.expect {
            Some(expect) if !expect.eq_ignore_ascii_case(&is) => Some(format!(
                "{path} on {host} has been changed by somebody else: expected the content with SHA-256 {expect}, found {is}"
            )),
            _ => None,
        }
    }

    fn operation(&self, file: &FileFact) -> Operation {
        let Some(content) = &self.content else {
            return self.place.run(["rm", "-f", "--", &self.path]);
        };
        self.place.put_file(PutFile {
            path: self.path.clone(),
            content: content.clone(),
            mode: self.mode.clone(),
            owner: self.owner.clone(),
            group: self.group.clone(),
            validate: self.validate.clone(),
            backup: self.backup,
            expect: Some(file.text().map_or_else(|| String::from("absent"), sha256)),
        })
    }

    fn predicted(&self, file: &FileFact) -> FileFact {
        if self.content.is_none() {
            return FileFact::absent();
        }
        let new_mode = (file.exists == Some(false)).then(|| NEW_MODE.to_owned());
        FileFact {
            exists: Some(true),
            content: self.content.clone(),
            utf8: Some(true),
            mode: self.mode.clone().or_else(|| file.mode.clone()).or(new_mode),
            owner: self.owner.clone().or_else(|| file.owner.clone()),
            group: self.group.clone().or_else(|| file.group.clone()),
        }
    }

    fn undo(&self, file: &FileFact) -> Undo {
        let now = self.content.as_deref().map_or_else(|| String::from("absent"), sha256);
        let mut arguments = vec![("path", Value::text(&self.path)), ("expect", Value::Text(now))];
        match file.text() {
            None => arguments.push(("state", Value::text("absent"))),
            Some(old) => {
                arguments.push(("content", Value::text(old)));
                // Only what this changes is set back: setting an owner needs rights that the step may not have.
                let parts = [
                    ("mode", &self.mode, &file.mode),
                    ("owner", &self.owner, &file.owner),
                    ("group", &self.group, &file.group),
                ];
                for (name, given, was) in parts {
                    if let (true, Some(was)) = (given.is_some() || self.content.is_none(), was) {
                        arguments.push((name, Value::text(was)));
                    }
                }
            }
        }
        Undo::Call {
            action: String::from("file.write"),
            arguments: Arguments(arguments.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        }
    }
}

impl Action for Writing {
    fn probe(&self) -> Vec<Operation> {
        vec![self.place.read_file(&self.path)]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let mut seen = Observation::default();
        seen.set(self.key(), FileFact::read(outputs.first())?.to_value());
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let file = FileFact::of(seen.get(&self.key()));
        let (path, host) = (&self.path, self.place.name());
        let unknown = || Decision::Unknown(format!("what {path} on {host} holds is known at run time"));
        let differences = match self.differences(&file) {
            None => return unknown(),
            Some(none) if none.is_empty() => return Decision::InDesiredState,
            Some(some) => some,
        };
        if file.exists == Some(true) && file.utf8 != Some(false) && file.text().is_none() {
            return unknown();
        }
        if let Some(why) = self.refusal(&file) {
            return Decision::Refused(why);
        }
        let (old, new) = (file.text().unwrap_or_default(), self.content.as_deref().unwrap_or_default());
        Decision::Change(Change {
            summary: format!("{path} on {host}: {}", differences.join(", ")),
            diff: (old != new).then(|| difference::unified(path, old, new)),
            notes: Vec::new(),
            operations: vec![self.operation(&file)],
            predicted: vec![(self.key(), self.predicted(&file).to_value())],
            taints: Vec::new(),
            undo: self.undo(&file),
        })
    }

    fn judge(&self, _before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        let now = FileFact::of(after.get(&self.key()));
        let differs = match self.differences(&now) {
            Some(none) if none.is_empty() => None,
            Some(some) => Some(format!("otherwise than wanted: {}", some.join(", "))),
            None => Some(String::from("as something that cannot be compared")),
        };
        put::judge(&self.path, performed, &now, differs)
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        put::result(&FileFact::of(seen.get(&self.key())), performed)
    }
}
