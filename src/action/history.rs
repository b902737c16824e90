//! `history`: who last changed something through a run, when and why.

use std::time::Duration;

use crate::action::declare::{optional, required};
use crate::action::outcome::unexpected;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, ParameterKind, ReadError, ResourceKey, RunsOn, Scope,
    Signature, Verdict,
};
use crate::model::operation::{Act, Changed, Identity, Operation, Output, Target};
use crate::model::types::Type;

/// Changes that one look may ask for.
const MOST: i64 = 100;
/// Characters of each text.
const CHARS: usize = 300;

/// See the signature.
pub struct History;

static SIGNATURE: Signature = Signature {
    name: "history",
    summary: "Tells who last changed something through a run, when and why.",
    docs: "Asks the journal of this controller, and nothing else: what people did by hand, and what other controllers did, is not in it. \
           `by`, `at` and `reason` are those of the newest change, or null where there is none; `reason` is what was said when the run \
           was started (`--reason`), else the name of the step. A change that was taken back is told as a change of its own, and one \
           whose outcome is unknown is told as well. The newest 500 runs are looked through.",
    parameters: &[
        required(
            "resource",
            ParameterKind::Text,
            "`pool/POOL/MEMBER` or `pool/POOL`; of a host, what an action calls it: `HOST/service/NAME`, `HOST/file/PATH` (with both \
             slashes: `web-01/file//etc/motd`), `HOST/package/NAME`.",
        ),
        optional("last", ParameterKind::Int, "How many changes to list, 1 to 100. Default: 1."),
    ],
    shorthand: Some("resource"),
    results,
    class: Class::Probe,
    class_of: None,
    runs_on: RunsOn::Controller,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: who
name: Who took web-02 out
history: { resource: pool/web/web-02 }
"#,
};

fn fields() -> [(&'static str, Type); 6] {
    [
        ("by", Type::Text),
        ("at", Type::Text),
        ("reason", Type::Text),
        ("what", Type::Text),
        ("run", Type::Int),
        ("runbook", Type::Text),
    ]
}

fn results() -> Type {
    let [by, at, reason, what, run, runbook] = fields();
    let changes = ("changes", Type::list(Type::record(fields())));
    Type::record([("found", Type::Bool), by, at, reason, what, run, runbook, changes])
}

impl ActionKind for History {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let resource = arguments.text("resource").unwrap_or_default();
        let known = |first: &str| context.inventory.hosts.contains_key(first);
        match resource.split_once('/') {
            Some(("pool", rest)) => {
                let pool = context.pool(rest.split('/').next().unwrap_or(rest));
                pool.map_err(|e| BindError::new("resource", e.message))?;
            }
            Some((host, rest)) if known(host) && !rest.is_empty() => {}
            _ => {
                let message = format!("`{resource}` names neither a pool of the inventory nor something of one of its hosts");
                return Err(BindError::new("resource", message).help("for example `pool/web/web-02` or `web-02/service/nginx`"));
            }
        }
        let last = arguments.int("last").unwrap_or(1);
        let wrong = || BindError::new("last", format!("expected 1 to {MOST}, found {last}"));
        Ok(Box::new(Bound {
            resource: resource.to_owned(),
            last: usize::try_from(last).ok().filter(|n| (1..=100).contains(n)).ok_or_else(wrong)?,
            timeout: context.timeout,
        }))
    }
}

#[derive(Debug)]
struct Bound {
    resource: String,
    last: usize,
    timeout: Duration,
}

impl Bound {
    fn key(&self) -> ResourceKey {
        ResourceKey {
            scope: Scope::Elsewhere,
            path: format!("history/{} {}", self.last, self.resource),
        }
    }
}

fn told(change: &Changed) -> Value {
    let text = |text: &str| Value::Text(one_line(text, CHARS));
    Value::map([
        ("by", text(&change.by)),
        ("at", Value::Text(change.at.rfc3339())),
        ("reason", text(&change.reason)),
        ("what", text(&change.what)),
        ("run", Value::Int(i64::try_from(change.run.0).unwrap_or(i64::MAX))),
        ("runbook", text(&change.runbook)),
    ])
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        vec![Operation {
            target: Target::Controller,
            run_as: Identity::Login,
            act: Act::History {
                resource: self.resource.clone(),
                last: self.last,
            },
            timeout: self.timeout,
        }]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let Some(Output::History { changes }) = outputs.first() else {
            return Err(unexpected(outputs.first(), "the changes of a resource"));
        };
        let mut seen = Observation::default();
        seen.set(self.key(), Value::List(changes.iter().map(told).collect()));
        Ok(seen)
    }

    fn decide(&self, _seen: &Observation) -> Decision {
        Decision::InDesiredState
    }

    fn judge(&self, _before: &Observation, _performed: &[Output], _after: &Observation) -> Verdict {
        Verdict::Done
    }

    fn result(&self, seen: &Observation, _performed: &[Output]) -> Value {
        let changes = seen.get(&self.key()).cloned().unwrap_or_default();
        let newest = changes.as_list().map(|list| list.first().cloned());
        let field = |name: &str| match &newest {
            Some(Some(change)) => change.field(name).unwrap_or_default(),
            Some(None) => Value::Null,
            None => Value::Unknown,
        };
        let mut all: std::collections::BTreeMap<String, Value> =
            fields().iter().map(|(name, _)| ((*name).to_owned(), field(name))).collect();
        let found = newest.as_ref().map_or(Value::Unknown, |n| Value::Bool(n.is_some()));
        all.insert(String::from("found"), found);
        all.insert(String::from("changes"), changes);
        Value::Map(all)
    }
}
