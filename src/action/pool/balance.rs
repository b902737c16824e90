//! `pool.balance`: how a pool shares load. The algorithm stands in the balancers' file, so this edits, validates and reloads.

use std::time::Duration;

use super::haproxy::config::{Config, Server};
use super::haproxy::edit::unified_diff;
use super::state::{Balancer, Pool, State};
use super::target::{BalancerHost, Target};
use super::{judge, observe, reload};
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, Parameter, ParameterKind, ReadError, RunsOn,
    Settle, Signature, Undo, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;
use crate::model::value::Value;

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
        },
        Parameter {
            name: "weights",
            kind: ParameterKind::Choice(&["equal", "keep"]),
            required: false,
            docs: "`equal` gives all servers of the pool the same weight, in the file and at run time. Default: keep.",
        },
        Parameter {
            name: "keep_states",
            kind: ParameterKind::Bool,
            required: false,
            docs: "Carry states and weights of run time over the reload. Default: true. With false, refused while somebody owes a return.",
        },
        Parameter {
            name: "explicit",
            kind: ParameterKind::Bool,
            required: false,
            docs: "With false, the line is left out where `defaults` says the same. Undo uses it. Default: true.",
        },
        Parameter {
            name: "exact_weights",
            kind: ParameterKind::TextMap,
            required: false,
            docs: "The weight in the file by the balancer's name of the server, empty: none. Undo uses it.",
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
            (Some(Value::Map(exact)), _) => Weights::Exact(
                exact
                    .iter()
                    .map(|(name, weight)| (name.clone(), weight.to_string().parse().ok()))
                    .collect(),
            ),
            (_, Some("equal")) => Weights::Equal,
            _ => Weights::Keep,
        };
        Ok(Box::new(Bound {
            target,
            algorithm,
            weights,
            keep_states: arguments.bool("keep_states", true),
            explicit: arguments.bool("explicit", true),
        }))
    }
}

#[derive(Clone, Debug)]
enum Weights {
    Keep,
    Equal,
    Exact(Vec<(String, Option<i64>)>),
}

struct Bound {
    target: Target,
    algorithm: String,
    weights: Weights,
    keep_states: bool,
    explicit: bool,
}

/// What one balancer needs.
struct Step {
    after: Balancer,
    operations: Vec<Operation>,
    diff: Option<String>,
    reloads: bool,
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
    fn step(&self, host: &BalancerHost, before: &Balancer) -> Result<Step, String> {
        let (path, backend) = (&self.target.pool.config, self.target.pool.backend.as_str());
        let mut file = Config::parse(&before.file.content);
        if !before.file.present || !file.has_backend(backend) {
            return Err(format!("{path} has no section `backend {backend}`"));
        }
        self.edit(&mut file);
        let mut step = Step {
            after: before.clone(),
            operations: Vec::new(),
            diff: None,
            reloads: false,
        };
        let text = file.text();
        let edits = text != before.file.content;
        if edits && !before.file.utf8 {
            return Err(format!("{path} is not UTF-8, so it cannot be edited"));
        }
        let word = reload::algorithm_word(&self.algorithm);
        step.reloads = edits || before.algorithm != word;
        step.after.file.content.clone_from(&text);
        word.clone_into(&mut step.after.algorithm);
        self.weigh(&mut step.after, &file);
        if step.reloads {
            self.reload_step(&mut step, host, before, edits)?;
        } else {
            let commands = self.runtime_weights(before, &step.after);
            if !commands.is_empty() {
                step.operations.push(self.target.socket(host, &commands.join(";"), false));
            }
        }
        Ok(step)
    }

    fn reload_step(&self, step: &mut Step, host: &BalancerHost, before: &Balancer, edits: bool) -> Result<(), String> {
        if !self.keep_states {
            self.forget_states(&mut step.after);
        }
        let obstacles = reload::obstacles(&self.target, before, &step.after);
        if self.keep_states && !obstacles.is_empty() {
            return Err(format!(
                "the reload would lose what cannot be carried over: {}",
                obstacles.join("; ")
            ));
        }
        reload::expect_new_process(&mut step.after, &self.target.pool.backend);
        if edits {
            let (old, new) = (&before.file.content, &step.after.file.content);
            step.diff = Some(unified_diff(&self.target.pool.config, old, new));
            step.operations.push(reload::put_file(&self.target, host, old, new));
        } else {
            step.operations.push(reload::check_file(&self.target, host));
        }
        step.operations.extend(reload::reload(&self.target, host, &step.after));
        Ok(())
    }

    /// Edits the algorithm and the weights of the pool's servers, those commented out too: they come back with it some day.
    fn edit(&self, file: &mut Config) {
        let backend = self.target.pool.backend.as_str();
        if file.balance(backend).as_deref() != Some(self.algorithm.as_str()) {
            file.set_balance(backend, &self.algorithm);
        }
        if !self.explicit {
            file.inherit_balance(backend);
        }
        match &self.weights {
            Weights::Keep => {}
            Weights::Exact(exact) => {
                for server in file.servers(backend) {
                    if let Some((_, weight)) = exact.iter().find(|(name, _)| *name == server.name) {
                        if *weight != server.own_weight {
                            file.set_weight(&server, *weight);
                        }
                    }
                }
            }
            Weights::Equal => self.equalise(file),
        }
    }

    /// Numbers are changed where they stand, so that undo gives back the same text.
    fn equalise(&self, file: &mut Config) {
        let listed = self.listed(file);
        if equal(&listed) {
            return;
        }
        let inherited = listed.iter().find(|s| s.own_weight.is_none()).map(|s| s.weight);
        let common = inherited.or(listed.iter().map(|s| s.weight).max()).unwrap_or(1);
        for server in listed.iter().filter(|s| s.own_weight.is_some()) {
            file.set_weight(server, Some(common));
        }
        if !equal(&self.listed(file)) {
            for server in &listed {
                file.set_weight(server, Some(common));
            }
        }
    }

    /// Server lines of the backend that are active or belong to the pool.
    fn listed(&self, file: &Config) -> Vec<Server> {
        let mut servers = file.servers(&self.target.pool.backend);
        servers.retain(|s| s.active || self.target.pool.members.iter().any(|m| m.server == s.name));
        servers
    }

    /// Weights of run time follow the file, unless they are kept. A weight of 0 takes a server out and is kept.
    fn weigh(&self, after: &mut Balancer, file: &Config) {
        if matches!(self.weights, Weights::Keep) {
            return;
        }
        for member in after.members.values_mut().filter(|m| m.state != State::Absent && m.weight != 0) {
            if let Some(line) = file.server(&self.target.pool.backend, &member.server) {
                member.weight = line.weight;
            }
        }
    }

    fn runtime_weights(&self, before: &Balancer, after: &Balancer) -> Vec<String> {
        let changed = after
            .members
            .iter()
            .filter(|(name, m)| before.members.get(*name).is_some_and(|b| b.weight != m.weight));
        changed
            .map(|(_, m)| reload::weight_command(&self.target.pool.backend, &m.server, m.weight, m.initial_weight))
            .collect()
    }

    /// States as the file gives them to a new process.
    fn forget_states(&self, after: &mut Balancer) {
        let file = Config::parse(&after.file.content);
        let fresh = |backend: &str, server: &str| {
            file.server(backend, server)
                .map(|l| (if l.disabled { State::Maint } else { State::Ready }, l.weight))
        };
        for member in after.members.values_mut().filter(|m| m.state != State::Absent) {
            if let Some(start) = fresh(&self.target.pool.backend, &member.server) {
                (member.state, member.weight) = start;
            }
        }
        for other in &mut after.elsewhere {
            if let Some(start) = fresh(&other.backend, &other.server) {
                (other.state, other.weight) = start;
            }
        }
    }

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
        let diffs: Vec<String> = steps.iter().filter_map(|step| step.diff.clone()).collect();
        Change {
            summary: self.summary(before, &after),
            diff: (!diffs.is_empty()).then(|| diffs.join("\n")),
            notes,
            operations: steps.into_iter().flat_map(|step| step.operations).collect(),
            predicted: before.predict(&after, &self.target),
            taints: Vec::new(),
            undo: self.undo(before),
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

    /// Back to what the first balancer's file said: one call cannot say more.
    fn undo(&self, before: &Pool) -> Undo {
        let backend = self.target.pool.backend.as_str();
        let Some(first) = before.balancers.first() else {
            return Undo::Impossible;
        };
        let file = Config::parse(&first.file.content);
        let mut arguments = Arguments::from_pairs([
            ("pool", Value::text(self.target.pool.name.as_str())),
            (
                "algorithm",
                Value::text(file.balance(backend).unwrap_or_else(|| first.algorithm.clone())),
            ),
        ]);
        if !file.has_own_balance(backend) {
            arguments.0.insert(String::from("explicit"), Value::Bool(false));
        }
        if !matches!(self.weights, Weights::Keep) {
            let weights = file.servers(backend).into_iter().map(|s| {
                let weight = s.own_weight.map(|w| w.to_string()).unwrap_or_default();
                (s.name, Value::text(weight))
            });
            arguments.0.insert(String::from("exact_weights"), Value::Map(weights.collect()));
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

fn equal(servers: &[Server]) -> bool {
    servers.windows(2).all(|pair| pair[0].weight == pair[1].weight)
}
