//! `file.line`: one line is in a file, or is not.

use regex_lite::Regex;

use crate::action::declare::{optional, required};
use crate::action::file::edited::EditedFile;
use crate::action::file::put;
use crate::action::file::search::regex;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, ParameterKind, ReadError, RunsOn, Signature, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// See the signature.
pub struct Line;

static SIGNATURE: Signature = Signature {
    name: "file.line",
    summary: "Makes one line be in a file, or not be in it.",
    docs: "`state: present` with `match`: the one line that fits the pattern becomes `line`; several that fit are refused, since only \
           their author knows which is meant. Where none fits, or without `match`, `line` is added: after the last line that fits `after`, \
           before the first one that fits `before`, else at the end. Nothing to do when `line` is there and no other line fits `match`. \
           `state: absent` removes every line that is `line` or fits `match`.\n\nThe whole new file is put in place in one step, with the \
           mode and owner of the old one, after `validate` has passed on it, and only if nobody has changed the file since it was read. A \
           file that does not exist, or that is not UTF-8 text, is refused. Taken back by writing the previous content, unless somebody \
           else has changed the file since.",
    parameters: &[
        required("path", ParameterKind::Path, "The file."),
        optional(
            "line",
            ParameterKind::Text,
            "The whole line, without its line break. Required unless `state: absent` with `match`.",
        ),
        optional(
            "match",
            ParameterKind::Text,
            "A regular expression for the line to replace or remove, anywhere in it: `^MaxClients `.",
        ),
        optional(
            "after",
            ParameterKind::Text,
            "A regular expression; a new line goes below the last line that fits. One that fits nowhere is refused.",
        ),
        optional(
            "before",
            ParameterKind::Text,
            "Likewise; a new line goes above the first line that fits.",
        ),
        optional(
            "state",
            ParameterKind::Choice(&["present", "absent"]),
            "Whether the line is to be there. Default: present.",
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
id: clients
name: Allow more clients
hosts: webservers
run_as: root
file.line:
  path: /etc/app.conf
  line: MaxClients 400
  match: "^MaxClients "
"#,
};

fn results() -> Type {
    put::record()
}

impl ActionKind for Line {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let pattern = |name: &str| arguments.text(name).map(|p| regex(name, p)).transpose();
        let line = arguments.text("line").map(str::to_owned);
        let (matches, after, before) = (pattern("match")?, pattern("after")?, pattern("before")?);
        if line.as_ref().is_some_and(|l| l.contains(['\n', '\r'])) {
            return Err(BindError::new("line", "it holds a line break").help("one step for each line, or `file.write` for the whole file"));
        }
        let absent = arguments.text("state") == Some("absent");
        let side = match (after, before) {
            (Some(_), Some(_)) => return Err(BindError::new("before", "`after` and `before` exclude each other")),
            (Some(after), None) => Side::After(after),
            (None, Some(before)) => Side::Before(before),
            (None, None) => Side::End,
        };
        let change = match (line, matches, absent) {
            (Some(line), matches, false) => Wanted::Present(line, matches, side),
            (None, None, true) => return Err(BindError::new("line", "nothing says which line").help("give `line` or `match`")),
            (line, matches, true) if matches!(side, Side::End) => Wanted::Absent(line, matches),
            (_, _, true) => return Err(BindError::new("after", "a line that is to be absent has no place")),
            (None, _, false) => return Err(BindError::new("line", "it is missing")),
        };
        Ok(Box::new(Edit {
            file: EditedFile::bind(arguments, context)?,
            wanted: change,
        }))
    }
}

#[derive(Debug)]
enum Side {
    After(Regex),
    Before(Regex),
    End,
}

#[derive(Debug)]
enum Wanted {
    Present(String, Option<Regex>, Side),
    Absent(Option<String>, Option<Regex>),
}

impl Wanted {
    /// The content as it should be.
    ///
    /// # Errors
    /// Why that cannot be told.
    fn of(&self, old: &str) -> Result<String, String> {
        let mut lines: Vec<&str> = old.split_inclusive('\n').collect();
        let text = |line: &str| line.trim_end_matches('\n').trim_end_matches('\r').to_owned();
        match self {
            Wanted::Absent(line, matches) => {
                lines.retain(|l| {
                    let l = text(l);
                    line.as_ref() != Some(&l) && !matches.as_ref().is_some_and(|m| m.is_match(&l))
                });
                Ok(lines.concat())
            }
            Wanted::Present(line, matches, side) => {
                let (text, lines) = (&text, &lines);
                let fits = |l: &&str| matches.as_ref().is_some_and(|m| m.is_match(&text(l)));
                let fitting: Vec<usize> = (0..lines.len()).filter(|&i| fits(&lines[i]) && text(lines[i]) != *line).collect();
                let there = lines.iter().any(|l| text(l) == *line);
                match fitting.as_slice() {
                    [] if there => Ok(old.to_owned()),
                    [] => added(lines, line, side),
                    [only] if !there => {
                        let end = &lines[*only][text(lines[*only]).len()..];
                        let (above, below) = (lines[..*only].concat(), lines[only + 1..].concat());
                        Ok(format!("{above}{line}{end}{below}"))
                    }
                    several => {
                        let numbers: Vec<String> = several.iter().take(5).map(|n| (n + 1).to_string()).collect();
                        let also = if there { ", and the line itself is there as well" } else { "" };
                        Err(format!("`match` fits line {}{also}; which one is meant?", numbers.join(", ")))
                    }
                }
            }
        }
    }
}

fn added(lines: &[&str], line: &str, side: &Side) -> Result<String, String> {
    let missing = |name: &str, pattern: &Regex| format!("no line fits `{name}: {pattern}`");
    let at = match side {
        Side::End => lines.len(),
        Side::After(pattern) => {
            1 + lines
                .iter()
                .rposition(|l| pattern.is_match(l.trim_end()))
                .ok_or_else(|| missing("after", pattern))?
        }
        Side::Before(pattern) => lines
            .iter()
            .position(|l| pattern.is_match(l.trim_end()))
            .ok_or_else(|| missing("before", pattern))?,
    };
    let (above, below) = lines.split_at(at);
    let above = above.concat();
    let open = !above.is_empty() && !above.ends_with('\n');
    Ok(format!("{above}{}{line}\n{}", if open { "\n" } else { "" }, below.concat()))
}

#[derive(Debug)]
struct Edit {
    file: EditedFile,
    wanted: Wanted,
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
        match file.exists {
            None => return Decision::Unknown(format!("the content of {path} on {host} is known at run time")),
            Some(false) => return Decision::Refused(format!("{path} on {host} does not exist; `file.write` makes a file")),
            Some(true) if file.utf8 == Some(false) => {
                return Decision::Refused(format!("{path} on {host} is not UTF-8 text and could not be restored"));
            }
            Some(true) => {}
        }
        let Some(old) = file.text() else {
            return Decision::Unknown(format!("the content of {path} on {host} is known at run time"));
        };
        match self.wanted.of(old) {
            Ok(new) if new == old => Decision::InDesiredState,
            Ok(new) => {
                let what = match &self.wanted {
                    Wanted::Present(line, ..) => format!("line `{}`", one_line(line, 80)),
                    Wanted::Absent(..) => format!("remove {} lines", old.lines().count() - new.lines().count()),
                };
                Decision::Change(self.file.change(&file, old, new, &what))
            }
            Err(why) => Decision::Refused(format!("{path} on {host}: {why}")),
        }
    }

    fn judge(&self, before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        let (was, now) = (self.file.of(before), self.file.of(after));
        let wanted = was.text().and_then(|old| self.wanted.of(old).ok());
        let differs = (now.text() != wanted.as_deref()).then(|| String::from("with other content"));
        put::judge(&self.file.path, performed, &now, differs)
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        put::result(&self.file.of(seen), performed)
    }
}
