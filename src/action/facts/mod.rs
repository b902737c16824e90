//! `facts`: memory, processors, load and file systems of a host.

pub mod disk;
pub mod memory;

use std::collections::BTreeMap;

use crate::action::declare::required;
use crate::action::outcome::{exited, last_lines};
use crate::action::place::{Place, host_of};
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, ParameterKind, ReadError, RunsOn, Signature, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

use memory::Source;

/// Looks at everything in one round trip.
pub const SCRIPT: &str = include_str!("probe.sh");

/// See the signature.
pub struct Facts;

static SIGNATURE: Signature = Signature {
    name: "facts",
    summary: "Tells memory, processors, load and file systems of a host.",
    docs: "One round trip per host, whatever is asked. What is not in the list is null in the result.\n\n`memory` means what the \
           inventory's `memory_from` says: the machine (the kernel's `MemAvailable`, the default), a control group (its limit and use; \
           page cache that the kernel can drop counts as available), or the main process of a service (the tighter of its limits on data \
           and on address space, and its use of it). Where the group or the process has no limit, the machine's memory counts.\n\n`disk` \
           leaves out file systems in memory and images that are always full.",
    parameters: &[required(
        "list",
        ParameterKind::ChoiceList(&["memory", "cpu", "load", "disk"]),
        "What to look at.",
    )],
    shorthand: Some("list"),
    results,
    class: Class::Probe,
    class_of: None,
    runs_on: RunsOn::Host,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: machine
name: Wait until a quarter of the memory is free
hosts: web-01
facts: [memory]
that: result.memory.available_percent >= 25
within: 2m
"#,
};

fn results() -> Type {
    let disk = Type::record([("mount", Type::Text), ("used_percent", Type::Float), ("free_bytes", Type::Int)]);
    Type::record([
        ("memory", memory::record()),
        ("cpu", Type::record([("count", Type::Int)])),
        (
            "load",
            Type::record([("one", Type::Float), ("five", Type::Float), ("fifteen", Type::Float)]),
        ),
        ("disk", Type::list(disk)),
    ])
}

impl ActionKind for Facts {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let list = arguments.texts("list");
        if list.is_empty() {
            return Err(BindError::new("list", "it is empty").help("for example `facts: [memory, load]`"));
        }
        let source = Source::of(host_of(context)?);
        let asks_memory = list.iter().any(|part| part == "memory");
        // Everybody may read these; only a service's supervisor hides its process from others.
        let place = match (&source, asks_memory) {
            (Source::Service { .. }, true) => Place::of(context),
            _ => Place::of(context).as_login(),
        };
        Ok(Box::new(Look { place, source, list }))
    }
}

#[derive(Debug)]
struct Look {
    place: Place,
    source: Source,
    list: Vec<String>,
}

impl Look {
    fn asks(&self, part: &str) -> bool {
        self.list.iter().any(|p| p == part)
    }
}

impl Action for Look {
    fn probe(&self) -> Vec<Operation> {
        let memory = self.asks("memory").then_some(&self.source);
        let others = ["cpu", "load", "disk"].into_iter().filter(|part| self.asks(part));
        vec![look(&self.place, memory, others)]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let host = self.place.name();
        let parts = parts(outputs.first(), host)?;
        // What the programs complained about is often the reason: no permission, no such file.
        let complaint = match exited(outputs.first())?.stderr {
            "" => String::new(),
            said => format!(" ({})", last_lines(said)),
        };
        let mut seen = Observation::default();
        for part in &self.list {
            let text = parts.get(part.as_str()).copied().unwrap_or("");
            let value = match part.as_str() {
                "memory" => memory::read(&self.source, &parts).map(|m| m.to_value()),
                "cpu" => cpu(text),
                "load" => load(text),
                _ => disk::read(text),
            };
            let value = value.map_err(|why| ReadError::new(format!("{host}: {why}{complaint}")))?;
            seen.set(self.place.key(format!("facts/{part}")), value);
        }
        Ok(seen)
    }

    fn decide(&self, _seen: &Observation) -> Decision {
        Decision::InDesiredState
    }

    fn judge(&self, _before: &Observation, _performed: &[Output], _after: &Observation) -> Verdict {
        Verdict::Done
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        let fact = |part| {
            (
                part,
                seen.get(&self.place.key(format!("facts/{part}"))).cloned().unwrap_or_default(),
            )
        };
        Value::map(["memory", "cpu", "load", "disk"].map(fact))
    }
}

/// The probe for memory, measured as `source` says, and other parts.
pub fn look<'a>(place: &Place, memory: Option<&'a Source>, others: impl Iterator<Item = &'a str>) -> Operation {
    let mut arguments = memory.map_or(["none", "", "", ""], Source::words).to_vec();
    arguments.extend(others);
    place.probe_script(SCRIPT, &arguments)
}

/// What the probe printed, by part.
///
/// # Errors
/// It did not end well.
pub fn parts<'a>(output: Option<&'a Output>, host: &str) -> Result<BTreeMap<&'a str, &'a str>, ReadError> {
    let ended = exited(output)?;
    if ended.code != 0 {
        return Err(ReadError::new(format!("looking at {host} {}", ended.ending())));
    }
    let mut parts = BTreeMap::new();
    for part in after_markers(ended.stdout) {
        if let Some((name, text)) = part.split_once('\n') {
            parts.insert(name, text);
        }
    }
    Ok(parts)
}

/// The texts after each marker that begins a line.
fn after_markers(text: &str) -> impl Iterator<Item = &str> {
    text.strip_prefix("@@ ").unwrap_or("").split("\n@@ ")
}

fn cpu(text: &str) -> Result<Value, String> {
    let count: i64 = text
        .trim()
        .parse()
        .map_err(|_| String::from("the number of processors cannot be read"))?;
    Ok(Value::map([("count", Value::Int(count))]))
}

fn load(text: &str) -> Result<Value, String> {
    let numbers: Vec<f64> = text.split_whitespace().take(3).map_while(|n| n.parse().ok()).collect();
    match numbers.as_slice() {
        [one, five, fifteen] => Ok(Value::map([
            ("one", Value::Float(*one)),
            ("five", Value::Float(*five)),
            ("fifteen", Value::Float(*fifteen)),
        ])),
        _ => Err(String::from("the load cannot be read")),
    }
}
