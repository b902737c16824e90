//! `pool.member`: takes one server out of a pool, or returns it.

use std::time::Duration;

use super::member_step::Step;
use super::state::{Balancer, Member, Pool, State};
use super::target::Target;
use super::{judge, observe, reload};
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, Parameter, ParameterKind, PoolEffect,
    ReadError, RunsOn, Settle, Signature, Undo, Verdict,
};
use crate::model::inventory::Member as Listed;
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// The catalogue's entry.
pub struct MemberKind;

const STATES: &[&str] = &["ready", "drain", "maint"];
/// A return waits for the balancer's own health check.
const RETURN_WITHIN: Duration = Duration::from_secs(60);
const DRAIN_WITHIN: Duration = Duration::from_secs(60);
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

static SIGNATURE: Signature = Signature {
    name: "pool.member",
    summary: "Takes one server out of a pool or returns it, on all of the pool's balancers.",
    docs: "`drain` takes no new connections and waits until the old ones have ended; with connections left at the end of `wait_drained` the \
           step fails, unless `kill_connections` is true. A server that is down counts as drained. `maint` also stops its health checks. \
           Both live in the balancer's memory and are lost when it reloads, unless `persist` is true.\n\n`ready` first asks the server \
           itself where the pool names a health address, then returns it, then waits until the balancer's own health check has seen it up \
           after the return. A server whose line is commented out in the file is put back there: the line is uncommented, the file \
           validated, the balancer reloaded, and the states of all other servers carried over the reload. A server without a line is an \
           error. A server that somebody else took out is not returned.",
    parameters: &[
        super::status::POOL,
        Parameter {
            name: "member",
            kind: ParameterKind::Host,
            required: true,
            docs: "The server, by its name in the inventory.",
            secret: false,
        },
        Parameter {
            name: "state",
            kind: ParameterKind::Choice(STATES),
            required: false,
            docs: "What it shall be. Without it only `weight` is changed.",
            secret: false,
        },
        Parameter {
            name: "weight",
            kind: ParameterKind::Int,
            required: false,
            docs: "Its weight, 0 to 256; 0 takes it out without a state. Default: as it is.",
            secret: false,
        },
        Parameter {
            name: "wait_drained",
            kind: ParameterKind::Duration,
            required: false,
            docs: "How long its connections may take to end. Default: 60s for `drain`, no waiting for `maint`.",
            secret: false,
        },
        Parameter {
            name: "kill_connections",
            kind: ParameterKind::Bool,
            required: false,
            docs: "End the connections that are left after `wait_drained`. Default: false. The whole of `wait_drained` passes first.",
            secret: false,
        },
        Parameter {
            name: "persist",
            kind: ParameterKind::Bool,
            required: false,
            docs: "Write it into the balancer's file too (`disabled`, `weight`). Default: false. The file cannot say `drain`.",
            secret: false,
        },
    ],
    shorthand: None,
    results,
    class: Class::Reversible,
    class_of: None,
    runs_on: RunsOn::Balancers,
    repeatable: true,
    pool_effect: Some(effect),
    example: "id: drain_master\npool.member: { pool: web, member: web-01, state: drain, wait_drained: 2m }\nowes: return_master\n",
};

fn effect(argument: &dyn Fn(&str) -> Option<Value>) -> PoolEffect {
    let state = argument("state");
    match (state.as_ref().and_then(Value::as_text), argument("weight").and_then(|w| w.as_int())) {
        (Some("drain" | "maint"), _) | (_, Some(0)) => PoolEffect::TakesMember,
        (Some("ready"), _) => PoolEffect::ReturnsMember,
        _ => PoolEffect::None,
    }
}

fn results() -> Type {
    Type::record([
        ("name", Type::Text),
        (
            "state",
            Type::Enum(["ready", "drain", "maint", "absent"].map(str::to_owned).to_vec()),
        ),
        ("weight", Type::Int),
        ("up", Type::Bool),
        ("configured", Type::Bool),
        ("sessions", Type::Int),
    ])
}

impl ActionKind for MemberKind {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let target = Target::bind(arguments, context)?;
        let name = arguments
            .text("member")
            .ok_or_else(|| BindError::new("member", "the member's name is missing or not known yet"))?;
        let Some(member) = target.pool.member(name).cloned() else {
            let known: Vec<&str> = target.pool.members.iter().map(|m| m.host.as_str()).collect();
            return Err(
                BindError::new("member", format!("pool `{}` has no member `{name}`", target.pool.name))
                    .help(format!("its members are {}", known.join(", "))),
            );
        };
        let wanted = wanted(arguments)?;
        let health = match wanted.state {
            Some(State::Ready) => target.health_url(&member, context.inventory)?,
            _ => None,
        };
        Ok(Box::new(Bound {
            target,
            member,
            wanted,
            health,
        }))
    }
}

fn wanted(arguments: &Arguments) -> Result<Wanted, BindError> {
    let state = match arguments.text("state") {
        None => None,
        Some("ready") => Some(State::Ready),
        Some("drain") => Some(State::Drain),
        Some("maint") => Some(State::Maint),
        Some(other) => return Err(BindError::new("state", format!("expected ready, drain or maint, found `{other}`"))),
    };
    let weight = arguments.int("weight");
    if state.is_none() && weight.is_none() {
        return Err(BindError::new("state", "neither `state` nor `weight` is given"));
    }
    if weight.is_some_and(|w| !(0..=256).contains(&w)) {
        return Err(BindError::new("weight", "a weight is a number from 0 to 256"));
    }
    let persist = arguments.bool("persist", false);
    if persist && state == Some(State::Drain) {
        return Err(BindError::new("persist", "the balancer's file cannot say `drain`").help("use `state: maint`, or leave out `persist`"));
    }
    let takes = matches!(state, Some(State::Drain | State::Maint)) || weight == Some(0);
    let kill = arguments.bool("kill_connections", false);
    if kill && !takes {
        return Err(BindError::new(
            "kill_connections",
            "only a step that takes the member out can end its connections",
        ));
    }
    let wait = match (arguments.duration("wait_drained"), state) {
        (Some(wait), _) => Some(wait),
        (None, Some(State::Drain)) => Some(DRAIN_WITHIN),
        (None, _) => kill.then_some(Duration::ZERO),
    };
    Ok(Wanted {
        state,
        weight,
        wait: wait.filter(|_| takes),
        kill,
        persist,
    })
}

/// What the arguments ask for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub state: Option<State>,
    pub weight: Option<i64>,
    /// Wait so long for its connections to end; `None`: do not wait.
    pub wait: Option<Duration>,
    pub kill: bool,
    pub persist: bool,
}

pub(super) struct Bound {
    pub target: Target,
    pub member: Listed,
    pub wanted: Wanted,
    pub health: Option<String>,
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
        let Some(known) = before.members().remove(self.member.host.as_str()) else {
            return Decision::Unknown(format!("whether the balancer knows {} is known at run time", self.member.host));
        };
        let in_service = known.state == State::Ready && known.configured && known.weight > 0;
        if self.wanted.state == Some(State::Ready) && known.owned && !in_service {
            let text = "was taken out by somebody else, who still owes its return";
            return Decision::Refused(format!(
                "{} {text} ({}); ask them, or have them waive it (runbook obligations waive)",
                known.name, known.owner
            ));
        }
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
        Decision::Change(self.change(&before, &known, steps))
    }

    fn judge(&self, before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        if let Some(failed) = judge::failed_operation(performed) {
            return Verdict::Failed(failed);
        }
        let looks = (Pool::from_facts(before, &self.target), Pool::from_facts(after, &self.target));
        let (Ok(before), Ok(after)) = looks else {
            return Verdict::NotYet(String::from("the pool has not been looked at yet"));
        };
        let reloading = before.balancers.iter().any(|balancer| self.expected(balancer).is_some());
        for (earlier, now) in judge::pairs(&before, &after) {
            if let Some(what) = self.lacks(earlier, now) {
                return judge::missing(what, performed, reloading);
            }
        }
        Verdict::Done
    }

    fn settle(&self) -> Settle {
        let within = match (self.wanted.state, self.wanted.wait) {
            (Some(State::Ready), _) => RETURN_WITHIN,
            (_, Some(wait)) if !self.wanted.kill => wait.max(SHOWN_WITHIN),
            _ => SHOWN_WITHIN,
        };
        Settle {
            within,
            every: Duration::from_millis(500),
        }
    }

    fn result(&self, seen: &Observation, _: &[Output]) -> Value {
        let members = Pool::from_facts(seen, &self.target).map(|pool| pool.members()).unwrap_or_default();
        let Some(member) = members.get(self.member.host.as_str()) else {
            return Value::Unknown;
        };
        Value::map([
            ("name", Value::text(self.member.host.as_str())),
            ("state", Value::text(member.state.word())),
            ("weight", Value::Int(member.weight)),
            ("up", Value::Bool(member.up)),
            ("configured", Value::Bool(member.configured)),
            ("sessions", member.sessions.map_or(Value::Unknown, Value::Int)),
        ])
    }
}

impl Bound {
    pub(super) fn name(&self) -> &str {
        self.member.host.as_str()
    }

    fn change(&self, before: &Pool, known: &Member, steps: Vec<Step>) -> Change {
        let after = Pool {
            balancers: steps.iter().map(|step| step.after.clone()).collect(),
        };
        let now = after.members().remove(self.name()).unwrap_or_default();
        let reloads = steps.iter().any(|step| step.reloads);
        let diffs: Vec<String> = steps.iter().filter_map(|step| step.diff.clone()).collect();
        let mut operations: Vec<Operation> = steps.iter().flat_map(|step| step.guards.clone()).collect();
        operations.extend(steps.iter().flat_map(|step| step.operations.clone()));
        if let Some(wait) = self.wanted.wait.filter(|_| self.wanted.kill) {
            operations.push(self.target.pause(wait));
            let kill = format!("shutdown sessions server {}/{}", self.target.pool.backend, self.member.server);
            operations.extend(self.target.balancers.iter().map(|host| self.target.socket(host, &kill, false)));
        }
        Change {
            summary: summary(known, &now),
            diff: (!diffs.is_empty()).then(|| diffs.join("\n")),
            notes: self.notes(&after, &now, reloads),
            operations: reload::in_order(operations),
            predicted: before.predict(&after, &self.target),
            taints: Vec::new(),
            undo: self.undo(known),
        }
    }

    fn notes(&self, after: &Pool, now: &Member, reloads: bool) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.wanted.persist && !reloads {
            notes.push(String::from("at run time only: lost when the balancer reloads"));
        }
        if reloads {
            notes.push(String::from(
                "reloads the balancer; states and weights of all other servers are carried over",
            ));
            notes.extend(reload::gap(&self.target, after));
        }
        if now.state == State::Ready && !now.checked && !reloads {
            notes.push(match self.health {
                Some(_) => String::from("the balancer does not check this server: only the direct request vouches for it"),
                None => String::from("nobody checks this server: neither the balancer nor a health address of the pool"),
            });
        }
        notes
    }

    fn undo(&self, known: &Member) -> Undo {
        if self.wanted.state == Some(State::Ready) {
            return Undo::Keep;
        }
        let mut arguments = Arguments::from_pairs([
            ("pool", Value::text(self.target.pool.name.as_str())),
            ("member", Value::text(self.name())),
        ]);
        if self.wanted.state.is_some() {
            arguments.0.insert(String::from("state"), Value::text(known.state.word()));
        }
        if self.wanted.weight.is_some() {
            arguments.0.insert(String::from("weight"), Value::Int(known.weight));
        }
        if self.wanted.persist && known.state != State::Drain {
            arguments.0.insert(String::from("persist"), Value::Bool(true));
        }
        Undo::Call {
            action: String::from(SIGNATURE.name),
            arguments,
        }
    }

    /// What a balancer still lacks.
    fn lacks(&self, before: &Balancer, now: &Balancer) -> Option<String> {
        let name = self.name();
        let member = now.members.get(name)?;
        if member.state == State::Absent && self.wanted.state.is_some_and(|s| s != State::Ready) {
            return None;
        }
        if let Some(state) = self.wanted.state.filter(|state| *state != member.state) {
            return Some(format!(
                "{}: {name} is in state {}, not yet {}",
                now.host,
                member.state.word(),
                state.word()
            ));
        }
        if let Some(weight) = self.wanted.weight.filter(|weight| *weight != member.weight) {
            return Some(format!("{}: {name} has weight {}, not yet {weight}", now.host, member.weight));
        }
        if self.wanted.state == Some(State::Ready) && member.weight > 0 {
            let lost = || self.expected(before).and_then(|expected| judge::lost(&expected, now));
            return judge::not_in_service(&self.target, before, now, name).or_else(lost);
        }
        let sessions = member.sessions.unwrap_or(0);
        if self.wanted.wait.is_some() && member.up && sessions > 0 {
            return Some(format!("{}: {name} still has {sessions} connections", now.host));
        }
        None
    }
}

fn summary(before: &Member, after: &Member) -> String {
    let mut changes = Vec::new();
    if before.state != after.state {
        changes.push(format!("{} → {}", before.state.word(), after.state.word()));
    }
    if before.weight != after.weight && before.state != State::Absent {
        changes.push(format!("weight {} → {}", before.weight, after.weight));
    }
    if changes.is_empty() {
        changes.push(String::from("written into the balancer's file"));
    }
    format!("{}: {}", before.name, changes.join(", "))
}
