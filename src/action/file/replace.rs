//! `file.replace`: replaces a text in a file.

use regex_lite::Regex;

use crate::action::declare::{optional, required};
use crate::action::file::edited::EditedFile;
use crate::action::file::put;
use crate::action::file::search::regex;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, ParameterKind, ReadError, RunsOn, Signature, Verdict,
};
use crate::model::operation::{Operation, Output};
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
            file: EditedFile::bind(arguments, context)?,
            what,
            with,
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
    file: EditedFile,
    what: What,
    with: String,
}

impl Edit {
    fn wanted(&self, old: &str) -> String {
        self.what.replaced(old, &self.with)
    }
}

impl Action for Edit {
    fn probe(&self) -> Vec<Operation> {
        self.file.probe()
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        self.file.read(outputs)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let file = self.file.of(seen);
        let (path, host) = (&self.file.path, self.file.place.name());
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
        let times = match self.what.count(old) {
            1 => String::from("1 place"),
            n => format!("{n} places"),
        };
        Decision::Change(self.file.change(&file, old, new, &format!("replace in {times}")))
    }

    fn judge(&self, before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        let (was, now) = (self.file.of(before), self.file.of(after));
        let wanted = was.text().map(|old| self.wanted(old));
        let differs = (now.content != wanted).then(|| String::from("with another content"));
        put::judge(&self.file.path, performed, &now, differs)
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        put::result(&self.file.of(seen), performed)
    }
}
