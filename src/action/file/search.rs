//! `file.search`: whether a file holds a text.

use regex_lite::Regex;

use crate::action::declare::{optional, required};
use crate::action::file::fact::FileFact;
use crate::action::place::Place;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, ParameterKind, ReadError, ResourceKey, RunsOn,
    Signature, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// Matching lines that the result keeps; a person reads no more, and a log may hold millions.
const MATCHES: usize = 100;
/// Characters of each of them.
const LINE_CHARS: usize = 500;

/// See the signature.
pub struct Search;

static SIGNATURE: Signature = Signature {
    name: "file.search",
    summary: "Tells whether a file holds a text.",
    docs: "Looks at the file line by line. A file that does not exist holds nothing: `found` and `exists` are false. `matches` keeps the \
           first 100 matching lines, `count` is the number of all of them. Files up to 4 MiB.",
    parameters: &[
        required("path", ParameterKind::Path, "The file."),
        optional(
            "text",
            ParameterKind::Text,
            "What to look for, as it stands. Either this or `pattern` must be given.",
        ),
        optional(
            "pattern",
            ParameterKind::Text,
            "A regular expression to look for, anywhere in a line.",
        ),
    ],
    shorthand: None,
    results,
    class: Class::Probe,
    class_of: None,
    runs_on: RunsOn::HostOrControl,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: still_wrong
name: No server holds the wrong value
hosts: webservers
file.search: { path: /var/www/html/wp-settings.php, text: class-wp-locale.phpp }
that: "!result.found"
"#,
};

fn results() -> Type {
    let line = Type::record([("line", Type::Int), ("text", Type::Text)]);
    Type::record([
        ("found", Type::Bool),
        ("exists", Type::Bool),
        ("count", Type::Int),
        ("matches", Type::list(line)),
    ])
}

impl ActionKind for Search {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let wanted = match (arguments.text("text"), arguments.text("pattern")) {
            (Some(text), None) if text.is_empty() || text.contains('\n') => {
                return Err(BindError::new(
                    "text",
                    "it must be part of one line: not empty, and without a line break",
                ));
            }
            (Some(text), None) => Wanted::Text(text.to_owned()),
            (None, Some(pattern)) => Wanted::Pattern(regex("pattern", pattern)?),
            (Some(_), Some(_)) => return Err(BindError::new("pattern", "`text` and `pattern` exclude each other")),
            (None, None) => return Err(BindError::new("text", "neither `text` nor `pattern` is given")),
        };
        Ok(Box::new(Look {
            place: Place::of(context),
            path: arguments.text("path").unwrap_or_default().to_owned(),
            wanted,
        }))
    }
}

/// Compiles a regular expression.
///
/// # Errors
/// What is wrong with it.
pub fn regex(parameter: &str, text: &str) -> Result<Regex, BindError> {
    if text.is_empty() {
        return Err(BindError::new(parameter, "it is empty and would match everywhere"));
    }
    crate::base::regex::compile(text).map_err(|e| BindError::new(parameter, format!("`{text}` is no regular expression: {e}")))
}

#[derive(Debug)]
enum Wanted {
    Text(String),
    Pattern(Regex),
}

impl Wanted {
    fn stands_in(&self, line: &str) -> bool {
        match self {
            Wanted::Text(text) => line.contains(text.as_str()),
            Wanted::Pattern(pattern) => pattern.is_match(line),
        }
    }
}

#[derive(Debug)]
struct Look {
    place: Place,
    path: String,
    wanted: Wanted,
}

impl Look {
    fn key(&self) -> ResourceKey {
        self.place.key(format!("file/{}", self.path))
    }

    fn search(&self, content: &str) -> Value {
        let lines = content.lines().zip(1..).filter(|(line, _)| self.wanted.stands_in(line));
        let (mut matches, mut count) = (Vec::new(), 0);
        for (line, number) in lines {
            count += 1;
            if matches.len() < MATCHES {
                let text: String = line.chars().take(LINE_CHARS).collect();
                matches.push(Value::map([("line", Value::Int(number)), ("text", Value::Text(text))]));
            }
        }
        Value::map([
            ("found", Value::Bool(count > 0)),
            ("exists", Value::Bool(true)),
            ("count", Value::Int(count)),
            ("matches", Value::List(matches)),
        ])
    }
}

impl Action for Look {
    fn probe(&self) -> Vec<Operation> {
        vec![self.place.read_file(&self.path)]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let mut seen = Observation::default();
        seen.set(self.key(), FileFact::read(outputs.first())?.to_value());
        Ok(seen)
    }

    fn decide(&self, _seen: &Observation) -> Decision {
        Decision::InDesiredState
    }

    fn judge(&self, _before: &Observation, _performed: &[Output], _after: &Observation) -> Verdict {
        Verdict::Done
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        let file = FileFact::of(seen.get(&self.key()));
        match (file.exists, file.content) {
            (Some(true), Some(content)) => self.search(&content),
            (Some(false), _) => Value::map([
                ("found", Value::Bool(false)),
                ("exists", Value::Bool(false)),
                ("count", Value::Int(0)),
                ("matches", Value::List(Vec::new())),
            ]),
            _ => Value::map(["found", "exists", "count", "matches"].map(|name| (name, Value::Unknown))),
        }
    }
}
