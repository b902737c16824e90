//! `file.replace`: replaces a text in a file.

use regex_lite::Regex;

use crate::action::declare::{optional, required};
use crate::action::file::fact::FileFact;
use crate::action::file::search::regex;
use crate::action::file::{difference, put, sha256};
use crate::action::place::Place;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ParameterKind, ReadError, ResourceKey, RunsOn,
    Signature, Undo, Verdict,
};
use crate::model::operation::{Operation, Output, PutFile};
use crate::model::types::Type;

/// See the signature.
pub struct Replace;

static SIGNATURE: Signature = Signature {
    name: "file.replace",
    summary: "Replaces a text in a file, everywhere it stands.",
    docs: "Nothing to do when `find` or `match` is nowhere in the file. The whole new file is put in place in one step, with the mode and \
           owner of the old one, after `validate` has passed on it, and only if nobody has changed the file since it was read.\n\nA \
           replacement that would be replaced again is refused, because a second run would change the file once more. A file that does \
           not exist, or that is not UTF-8 text, is refused.\n\nTaken back by writing the previous content, unless somebody else has \
           changed the file since.",
    parameters: &[
        required("path", ParameterKind::Path, "The file."),
        optional(
            "find",
            ParameterKind::Text,
            "What to replace, as it stands. Either this or `match` must be given.",
        ),
        optional(
            "match",
            ParameterKind::Text,
            "A regular expression to replace; begin with `(?m)` where `^` and `$` are to mean lines.",
        ),
        required(
            "replace",
            ParameterKind::Text,
            "What to put there. With `match`, `$1` or `${name}` stands for a group and `$$` for a dollar sign.",
        ),
        optional("validate", ParameterKind::TextList, put::VALIDATE_DOCS),
        optional("backup", ParameterKind::Bool, put::BACKUP_DOCS),
    ],
    shorthand: None,
    results,
    class: Class::Reversible,
    class_of: None,
    runs_on: RunsOn::HostOrControl,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: edit
name: Correct the file name
hosts: webservers
run_as: root
file.replace:
  path: /var/www/html/wp-settings.php
  find: class-wp-locale.phpp
  replace: class-wp-locale.php
  validate: [php, -l, "{{file}}"]
  backup: true
"#,
};

fn results() -> Type {
    put::record()
}

impl ActionKind for Replace {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let with = arguments.text("replace").unwrap_or_default().to_owned();
        let what = match (arguments.text("find"), arguments.text("match")) {
            (Some(""), None) => return Err(BindError::new("find", "it is empty and would be found everywhere")),
            (Some(find), None) if with.contains(find) => {
                return Err(BindError::new(
                    "replace",
                    format!("it holds `{find}` again, so that every run would change the file once more"),
                )
                .help("use `match` with a pattern that does not match the new text"));
            }
            (Some(find), None) => What::Text(find.to_owned()),
            (None, Some(pattern)) => What::Pattern(regex("match", pattern)?),
            (Some(_), Some(_)) => return Err(BindError::new("match", "`find` and `match` exclude each other")),
            (None, None) => return Err(BindError::new("find", "neither `find` nor `match` is given")),
        };
        Ok(Box::new(Edit {
            place: Place::of(context),
            path: arguments.text("path").unwrap_or_default().to_owned(),
            what,
            with,
            validate: put::validate(arguments)?,
            backup: arguments.bool("backup", false),
        }))
    }
}

#[derive(Debug)]
enum What {
    Text(String),
    Pattern(Regex),
}

impl What {
    fn count(&self, content: &str) -> usize {
        match self {
            What::Text(find) => content.matches(find.as_str()).count(),
            What::Pattern(pattern) => pattern.find_iter(content).count(),
        }
    }

    fn replaced(&self, content: &str, with: &str) -> String {
        match self {
            What::Text(find) => content.replace(find.as_str(), with),
            What::Pattern(pattern) => pattern.replace_all(content, with).into_owned(),
        }
    }
}

#[derive(Debug)]
struct Edit {
    place: Place,
    path: String,
    what: What,
    with: String,
    validate: Option<Vec<String>>,
    backup: bool,
}

impl Edit {
    fn key(&self) -> ResourceKey {
        self.place.key(format!("file/{}", self.path))
    }

    fn wanted(&self, old: &str) -> String {
        self.what.replaced(old, &self.with)
    }

    fn change(&self, file: &FileFact, old: &str, new: String) -> Change {
        let put = PutFile {
            path: self.path.clone(),
            content: new.clone(),
            validate: self.validate.clone(),
            backup: self.backup,
            expect: Some(sha256(old)),
            ..PutFile::default()
        };
        let times = match self.what.count(old) {
            1 => String::from("1 place"),
            n => format!("{n} places"),
        };
        let predicted = FileFact {
            content: Some(new.clone()),
            ..file.clone()
        };
        Change {
            summary: format!("{} on {}: replace in {times}", self.path, self.place.name()),
            diff: Some(difference::unified(&self.path, old, &new)),
            notes: Vec::new(),
            operations: vec![self.place.put_file(put)],
            predicted: vec![(self.key(), predicted.to_value())],
            taints: Vec::new(),
            undo: Undo::Call {
                action: String::from("file.write"),
                arguments: Arguments::from_pairs([
                    ("path", Value::text(&self.path)),
                    ("content", Value::text(old)),
                    ("expect", Value::text(sha256(&new))),
                ]),
            },
        }
    }
}

impl Action for Edit {
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
        if file.exists == Some(false) {
            return Decision::Refused(format!("{host} has no file {path}, so there is nothing to replace in"));
        }
        if file.utf8 == Some(false) {
            return Decision::Refused(format!("{path} on {host} is not UTF-8 text and would be damaged"));
        }
        let Some(old) = file.text() else {
            return Decision::Unknown(format!("the content of {path} on {host} is known at run time"));
        };
        let new = self.wanted(old);
        if new == old {
            return Decision::InDesiredState;
        }
        if self.wanted(&new) != new {
            return Decision::Refused(format!(
                "what would be written to {path} on {host} would be replaced again by the next run; make the pattern narrower"
            ));
        }
        Decision::Change(self.change(&file, old, new))
    }

    fn judge(&self, before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        let (was, now) = (FileFact::of(before.get(&self.key())), FileFact::of(after.get(&self.key())));
        let wanted = was.text().map(|old| self.wanted(old));
        let differs = (now.content != wanted).then(|| String::from("with another content"));
        put::judge(&self.path, performed, &now, differs)
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        put::result(&FileFact::of(seen.get(&self.key())), performed)
    }
}
