//! `disk.usage`: how full a file system is, and which files are the largest.

use crate::action::declare::{optional, required};
use crate::action::facts::disk::Row;
use crate::action::outcome::exited;
use crate::action::place::Place;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, ParameterKind, ReadError, ResourceKey, RunsOn,
    Signature, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// Looks at a file system.
pub const PROBE: &str = include_str!("usage.sh");
/// Largest files that a result may name.
const MOST: i64 = 100;
/// Characters of each path.
const PATH_CHARS: usize = 300;

/// See the signature.
pub struct Usage;

static SIGNATURE: Signature = Signature {
    name: "disk.usage",
    summary: "Tells how full a file system is, and which files on it are the largest.",
    docs: "Percentages are of what ordinary users can have, as `df` counts: blocks reserved for root are neither used nor free. Naming \
           the largest files walks through the whole file system, never into another one, and sees what the user it runs as may see; \
           files below 1 MiB are left out.",
    parameters: &[
        required("mount", ParameterKind::Path, "The mount point, or any path on the file system."),
        optional(
            "largest",
            ParameterKind::Int,
            "How many of the largest files to name, at most 100. Default: 0.",
        ),
    ],
    shorthand: Some("mount"),
    results,
    class: Class::Probe,
    class_of: None,
    runs_on: RunsOn::HostOrControl,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: space
name: Enough space is free
hosts: webservers
run_as: root
disk.usage: { mount: /var, largest: 10 }
that: result.free_percent >= 20
"#,
};

fn results() -> Type {
    let file = Type::record([("path", Type::Text), ("bytes", Type::Int)]);
    Type::record([
        ("mount", Type::Text),
        ("total_bytes", Type::Int),
        ("free_bytes", Type::Int),
        ("free_percent", Type::Float),
        ("used_percent", Type::Float),
        ("largest", Type::list(file)),
    ])
}

impl ActionKind for Usage {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let largest = arguments.int("largest").unwrap_or(0);
        if !(0..=MOST).contains(&largest) {
            return Err(BindError::new("largest", format!("expected 0 to {MOST}, found {largest}")));
        }
        Ok(Box::new(Bound {
            place: Place::of(context),
            mount: arguments.text("mount").unwrap_or("/").to_owned(),
            largest,
        }))
    }
}

#[derive(Debug)]
struct Bound {
    place: Place,
    mount: String,
    largest: i64,
}

impl Bound {
    fn key(&self) -> ResourceKey {
        self.place.key(format!("disk/{}", self.mount))
    }

    fn largest_key(&self) -> ResourceKey {
        self.place.key(format!("disk-largest/{} {}", self.largest, self.mount))
    }
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        vec![self.place.probe_script(PROBE, &[&self.mount, &self.largest.to_string()])]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let ended = exited(outputs.first())?;
        let (host, mount) = (self.place.name(), &self.mount);
        if ended.code != 0 {
            return Err(ReadError::new(format!(
                "{host}: looking at the space of {mount} {}",
                ended.ending()
            )));
        }
        let row = ended.stdout.lines().skip(1).find_map(Row::read);
        let row = row.ok_or_else(|| ReadError::new(format!("{host}: `df` says nothing about {mount}")))?;
        let mut seen = Observation::default();
        seen.set(self.key(), space(&row));
        let files = ended.stdout.lines().filter_map(|l| l.strip_prefix("file="));
        seen.set(self.largest_key(), Value::List(files.filter_map(file).collect()));
        Ok(seen)
    }

    fn decide(&self, _seen: &Observation) -> Decision {
        Decision::InDesiredState
    }

    fn judge(&self, _before: &Observation, _performed: &[Output], _after: &Observation) -> Verdict {
        Verdict::Done
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        let space = seen.get(&self.key()).cloned().unwrap_or_default();
        let field = |name: &str| (name.to_owned(), space.field(name).unwrap_or_default());
        let mut fields: std::collections::BTreeMap<String, Value> = ["mount", "total_bytes", "free_bytes", "free_percent", "used_percent"]
            .into_iter()
            .map(field)
            .collect();
        fields.insert(String::from("largest"), seen.get(&self.largest_key()).cloned().unwrap_or_default());
        Value::Map(fields)
    }
}

fn space(row: &Row) -> Value {
    let bytes = |kib: u64| Value::Int(i64::try_from(kib.saturating_mul(1024)).unwrap_or(i64::MAX));
    // A file system in memory may have no blocks at all.
    #[allow(clippy::cast_precision_loss)]
    let used = match row.used_kib + row.free_kib {
        0 => 0.0,
        all => 100.0 * row.used_kib as f64 / all as f64,
    };
    let rounded = (used * 10.0).round() / 10.0;
    Value::map([
        ("mount", Value::text(&row.mount)),
        ("total_bytes", bytes(row.total_kib)),
        ("free_bytes", bytes(row.free_kib)),
        ("used_percent", Value::Float(rounded)),
        ("free_percent", Value::Float(((100.0 - rounded) * 10.0).round() / 10.0)),
    ])
}

fn file(line: &str) -> Option<Value> {
    let (bytes, path) = line.split_once(' ')?;
    Some(Value::map([
        ("bytes", Value::Int(bytes.parse().ok()?)),
        ("path", Value::Text(one_line(path, PATH_CHARS))),
    ]))
}
