//! `pool.balance`: how a pool shares load. The algorithm stands in the balancers' file, so this edits, validates and reloads.

use std::time::Duration;

use super::balance_step::Step;
use super::haproxy::config::Config;
use super::state::{Balancer, Member, Pool, State};
use super::target::Target;
use super::{judge, observe, reload};
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, Parameter, ParameterKind, ReadError, RunsOn,
    Settle, Signature, Undo, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// The catalogue's entry.
pub struct Balance;

/// Algorithms of HAProxy 2.6; some take words after their name.
const ALGORITHMS: [&str; 10] = [
    "roundrobin",
    "static-rr",
    "leastconn",
    "first",
    "source",
    "random",
    "uri",
    "url_param",
    "hdr",
    "rdp-cookie",
];

static SIGNATURE: Signature = Signature {
    name: "pool.balance",
    summary: "Sets how a pool shares load among its members.",
    docs: "The algorithm and the weights stand in the balancer's file. The file is edited, validated with `haproxy -c` before it is put in \
           place, and the balancer reloaded; then every server of every backend gets back the state and the weight that it had at run time, \
           which a reload forgets. It is done when the new process uses the algorithm, all states are as before, and every member that was in \
           service is up again by a health check.\n\nRefused while something was changed at run time that cannot be carried over: a server's \
           address, a server added at run time, a health check switched off, a paused frontend, a weight that the new algorithm cannot \
           take.",
    parameters: &[
        super::status::POOL,
        Parameter {
            name: "algorithm",
            kind: ParameterKind::Text,
            required: true,
            docs: "What stands after `balance` in the file: roundrobin, leastconn, source, first, random, static-rr, uri, hdr(Name) and more.",
            secret: false,
        },
        Parameter {
            name: "weights",
            kind: ParameterKind::Choice(&["equal", "keep"]),
            required: false,
            docs: "`equal` gives all servers of the pool the same weight, in the file and at run time. Default: keep.",
            secret: false,
        },
        Parameter {
            name: "keep_states",
            kind: ParameterKind::Bool,
            required: false,
            docs: "Carry states and weights of run time over the reload. Default: true. With false, refused while somebody owes a return.",
            secret: false,
        },
        Parameter {
            name: "explicit",
            kind: ParameterKind::Bool,
            required: false,
            docs: "With false, the line is left out where `defaults` says the same. Undo uses it. Default: true.",
            secret: false,
        },
        Parameter {
            name: "exact_weights",
            kind: ParameterKind::TextMap,
            required: false,
            docs: "The weight in the file by the balancer's name of the server, empty: none. Undo uses it.",
            secret: false,
        },
        Parameter {
            name: "runtime_weights",
            kind: ParameterKind::TextMap,
            required: false,
            docs: "The weight at run time by the balancer's name of the server, where it differs from the file. Undo uses it.",
            secret: false,
        },
    ],
    shorthand: None,
    results,
    class: Class::Reversible,
    class_of: None,
    runs_on: RunsOn::Balancers,
    repeatable: true,
    pool_effect: None,
    example: "id: share_load\npool.balance: { pool: web, algorithm: roundrobin, weights: equal }\n",
};

fn results() -> Type {
    Type::record([("algorithm", Type::Text)])
}

impl ActionKind for Balance {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let target = Target::bind(arguments, context)?;
        let given = arguments
            .text("algorithm")
            .ok_or_else(|| BindError::new("algorithm", "the algorithm is missing or not known yet"))?;
        let algorithm = given.split_whitespace().collect::<Vec<_>>().join(" ");
        let safe = algorithm.chars().all(|c| c.is_ascii_alphanumeric() || " _-.(),:/".contains(c));
        if !safe || !ALGORITHMS.contains(&reload::algorithm_word(&algorithm)) {
            return Err(
                BindError::new("algorithm", format!("HAProxy has no algorithm `{}`", given.escape_default()))
                    .help(format!("it has {}", ALGORITHMS.join(", "))),
            );
        }
        let weights = match (arguments.get("exact_weights"), arguments.text("weights")) {
            (Some(exact), _) => Weights::Exact(numbers(exact)),
            (_, Some("equal")) => Weights::Equal,
            _ => Weights::Keep,
        };
        Ok(Box::new(Bound {
            target,
            algorithm,
            weights,
            keep_states: arguments.bool("keep_states", true),
            explicit: arguments.bool("explicit", true),
            runtime_weights: arguments.get("runtime_weights").map(numbers).unwrap_or_default(),
        }))
    }
}

/// What becomes of the weights.
#[derive(Clone, Debug)]
pub(super) enum Weights {
    Keep,
    Equal,
    Exact(Vec<(String, Option<i64>)>),
}

pub(super) struct Bound {
    pub target: Target,
    pub algorithm: String,
    pub weights: Weights,
    pub keep_states: bool,
    pub explicit: bool,
    pub runtime_weights: Vec<(String, Option<i64>)>,
}

/// Server names and their weights; an empty text is none.
fn numbers(map: &Value) -> Vec<(String, Option<i64>)> {
    let Value::Map(map) = map else { return Vec::new() };
    map.iter()
        .map(|(name, weight)| (name.clone(), weight.to_string().parse().ok()))
        .collect()
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        observe::operations(&self.target)
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        observe::read(&self.target, outputs)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let before = match Pool::from_facts(seen, &self.target) {
            Ok(pool) => pool,
            Err(open) => return Decision::Unknown(open),
        };
        let mut steps = Vec::new();
        for (host, balancer) in self.target.balancers.iter().zip(&before.balancers) {
            match self.step(host, balancer) {
                Ok(step) => steps.push(step),
                Err(refused) => return Decision::Refused(format!("{}: {refused}", host.host)),
            }
        }
        if steps.iter().all(|step| step.operations.is_empty()) {
            return Decision::InDesiredState;
        }
        let owed = before.members().into_values().find(|m| m.owned && m.state != State::Ready);
        if let Some(member) = owed.filter(|_| !self.keep_states && steps.iter().any(|step| step.reloads)) {
            return Decision::Refused(format!("the reload would return {}, which {} took out", member.name, member.owner));
        }
        Decision::Change(self.change(&before, steps))
    }

    fn judge(&self, before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        if let Some(failed) = judge::failed_operation(performed) {
            return Verdict::Failed(failed);
        }
        let looks = (Pool::from_facts(before, &self.target), Pool::from_facts(after, &self.target));
        let (Ok(before), Ok(after)) = looks else {
            return Verdict::NotYet(String::from("the pool has not been looked at yet"));
        };
        for (host, (earlier, now)) in self.target.balancers.iter().zip(judge::pairs(&before, &after)) {
            let Ok(step) = self.step(host, earlier) else { continue };
            if let Some(what) = self.lacks(&step, earlier, now) {
                return judge::missing(what, performed, step.reloads);
            }
        }
        Verdict::Done
    }

    fn settle(&self) -> Settle {
        Settle {
            within: Duration::from_secs(60),
            every: Duration::from_millis(500),
        }
    }

    fn result(&self, seen: &Observation, _: &[Output]) -> Value {
        let algorithm = seen.get(&self.target.key("algorithm")).cloned();
        Value::map([("algorithm", algorithm.unwrap_or(Value::Unknown))])
    }
}

impl Bound {
    fn change(&self, before: &Pool, steps: Vec<Step>) -> Change {
        let after = Pool {
            balancers: steps.iter().map(|step| step.after.clone()).collect(),
        };
        let reloads = steps.iter().any(|step| step.reloads);
        let mut notes = Vec::new();
        if reloads {
            notes.push(String::from(match self.keep_states {
                true => "reloads the balancer; states and weights of all servers are carried over",
                false => "reloads the balancer, which forgets every state and weight set at run time",
            }));
            notes.extend(reload::gap(&self.target, &after));
        }
        let edits = steps.iter().any(|step| step.diff.is_some());
        let diffs: Vec<String> = steps.iter().filter_map(|step| step.diff.clone()).collect();
        Change {
            summary: self.summary(before, &after),
            diff: (!diffs.is_empty()).then(|| diffs.join("\n")),
            notes,
            operations: reload::in_order(steps.into_iter().flat_map(|step| step.operations).collect()),
            predicted: before.predict(&after, &self.target),
            taints: Vec::new(),
            undo: self.undo(before, edits),
        }
    }

    fn summary(&self, before: &Pool, after: &Pool) -> String {
        let running: Vec<&str> = before.balancers.iter().map(|b| b.algorithm.as_str()).collect();
        let mut text = format!("pool {}: ", self.target.pool.name);
        if running.iter().all(|word| *word == reload::algorithm_word(&self.algorithm)) {
            text.push_str(&self.algorithm);
        } else {
            text.push_str(&format!("{} → {}", running[0], self.algorithm));
        }
        let now = after.members();
        let weights = before.members().into_values().filter_map(|m| {
            let new = now.get(&m.name)?;
            (new.weight != m.weight).then(|| format!(", {} weight {} → {}", m.name, m.weight, new.weight))
        });
        text.extend(weights);
        text
    }

    /// Back to what the first balancer said: one call cannot say more.
    fn undo(&self, before: &Pool, edits: bool) -> Undo {
        let backend = self.target.pool.backend.as_str();
        let Some(first) = before.balancers.first() else {
            return Undo::Impossible;
        };
        let file = Config::parse(&first.file.content);
        let said = file.balance(backend).unwrap_or_else(|| first.algorithm.clone());
        if !edits && reload::algorithm_word(&said) != first.algorithm {
            // The file had been changed and not loaded; what the process was started with is gone.
            return Undo::Keep;
        }
        let mut arguments = Arguments::from_pairs([
            ("pool", Value::text(self.target.pool.name.as_str())),
            ("algorithm", Value::text(said)),
        ]);
        let mut add = |name: &str, value: Value| arguments.0.insert(name.to_owned(), value);
        if !file.has_own_balance(backend) {
            add("explicit", Value::Bool(false));
        }
        if !matches!(self.weights, Weights::Keep) {
            let written = |weight: Option<i64>| Value::text(weight.map(|w| w.to_string()).unwrap_or_default());
            let lines = file.servers(backend).into_iter().map(|s| (s.name, written(s.own_weight)));
            add("exact_weights", Value::Map(lines.collect()));
            let differs = |m: &&Member| m.state != State::Absent && file.server(backend, &m.server).is_some_and(|l| l.weight != m.weight);
            let own = first
                .members
                .values()
                .filter(differs)
                .map(|m| (m.server.clone(), written(Some(m.weight))));
            let own: std::collections::BTreeMap<String, Value> = own.collect();
            if !own.is_empty() {
                add("runtime_weights", Value::Map(own));
            }
        }
        Undo::Call {
            action: String::from(SIGNATURE.name),
            arguments,
        }
    }

    fn lacks(&self, step: &Step, before: &Balancer, now: &Balancer) -> Option<String> {
        let host = &now.host;
        if step.reloads && before.process.pid == now.process.pid {
            return Some(format!("{host}: no new process has taken over after the reload"));
        }
        if now.algorithm != step.after.algorithm {
            return Some(format!(
                "{host}: the running process uses {}, not {}",
                now.algorithm, step.after.algorithm
            ));
        }
        if let Some(lost) = judge::lost(&step.after, now) {
            return Some(lost);
        }
        if !step.reloads {
            return None;
        }
        let served = before.members.values().filter(|m| m.up && m.state == State::Ready);
        served
            .filter(|m| step.after.members.get(&m.name).is_some_and(|a| a.state == State::Ready))
            .find_map(|m| judge::not_in_service(&self.target, before, now, &m.name))
    }
}
