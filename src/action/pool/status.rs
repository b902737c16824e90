//! `pool.status`: what the balancers say about a pool.

use super::target::Target;
use super::{observe, state};
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Class, Context, Decision, Observation, Parameter, ParameterKind, ReadError, RunsOn,
    Signature, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// The catalogue's entry.
pub struct Status;

static SIGNATURE: Signature = Signature {
    name: "pool.status",
    summary: "Shows a pool's members as its balancers see them.",
    docs: "Reads the runtime socket and the configuration file of every balancer. `members` holds every server of the inventory and every \
           server of the balancer; with several balancers a member is `up` only if it is up on all, and its `state` is the one that is most \
           out of service (`absent`, then `maint`, `drain`, `ready`).\n\nAn inventory variable `pool_name` tells the balancer's name for a \
           host. `configured` means an active `server` line in the file; `owned` means that somebody's record on the first balancer says who \
           took the member out. `serving` counts members that are up, ready and have a weight; `enabled` counts those that nobody took out.",
    parameters: &[POOL],
    shorthand: Some("pool"),
    results,
    class: Class::Probe,
    class_of: None,
    runs_on: RunsOn::Balancers,
    repeatable: true,
    pool_effect: None,
    example: "id: before\npool.status: { pool: web }\nthat: result.serving >= 1\n",
};

/// Parameter `pool` of every pool action.
pub(super) const POOL: Parameter = Parameter {
    name: "pool",
    kind: ParameterKind::Pool,
    required: true,
    docs: "The pool, by its name in the inventory.",
    secret: false,
};

impl ActionKind for Status {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        Ok(Box::new(Bound(Target::bind(arguments, context)?)))
    }
}

struct Bound(Target);

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        observe::operations(&self.0)
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        observe::read(&self.0, outputs)
    }

    fn decide(&self, _: &Observation) -> Decision {
        Decision::InDesiredState
    }

    fn judge(&self, _: &Observation, _: &[Output], _: &Observation) -> Verdict {
        Verdict::Done
    }

    fn result(&self, seen: &Observation, _: &[Output]) -> Value {
        result(seen, &self.0)
    }
}

fn results() -> Type {
    let member = Type::record([
        ("name", Type::Text),
        ("address", Type::Text),
        ("configured", Type::Bool),
        ("up", Type::Bool),
        (
            "state",
            Type::Enum(["ready", "drain", "maint", "absent"].map(str::to_owned).to_vec()),
        ),
        ("weight", Type::Int),
        ("sessions", Type::Int),
        ("seconds_in_state", Type::Int),
        ("check", Type::Text),
        ("owned", Type::Bool),
        ("owner", Type::Text),
    ]);
    Type::record([
        ("algorithm", Type::Text),
        ("serving", Type::Int),
        ("enabled", Type::Int),
        ("min_in_service", Type::Int),
        ("members", Type::list(member)),
    ])
}

fn result(seen: &Observation, target: &Target) -> Value {
    let known = seen.get(&target.key("algorithm")).cloned().unwrap_or(Value::Unknown);
    let minimum = i64::try_from(target.pool.minimum()).unwrap_or(i64::MAX);
    let Ok(pool) = state::Pool::from_facts(seen, target) else {
        return Value::map([
            ("algorithm", known),
            ("serving", Value::Unknown),
            ("enabled", Value::Unknown),
            ("min_in_service", Value::Int(minimum)),
            ("members", Value::Unknown),
        ]);
    };
    let members = in_order(&pool, target);
    let enabled = |m: &&state::Member| m.configured && m.state == state::State::Ready && m.weight > 0;
    let count = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let serving = match members.iter().any(|m| unsure(seen, target, m)) {
        true => Value::Unknown,
        false => count(members.iter().filter(enabled).filter(|m| m.up).count()),
    };
    Value::map([
        ("algorithm", known),
        ("serving", serving),
        ("enabled", count(members.iter().filter(enabled).count())),
        ("min_in_service", Value::Int(minimum)),
        (
            "members",
            Value::List(members.iter().map(|m| shown(m, unsure(seen, target, m))).collect()),
        ),
    ])
}

/// The inventory's order, then servers it does not have.
fn in_order(pool: &state::Pool, target: &Target) -> Vec<state::Member> {
    let mut all = pool.members();
    let mut members: Vec<state::Member> = target.pool.members.iter().filter_map(|m| all.remove(m.host.as_str())).collect();
    members.extend(all.into_values());
    members
}

/// An earlier step disturbs its host: only the run can tell what the balancer will find.
fn unsure(seen: &Observation, target: &Target, member: &state::Member) -> bool {
    let fact = seen.get(&target.key(format!("member/{}", member.name)));
    fact.and_then(|f| f.field("up")) == Some(Value::Unknown)
}

/// A member as `pool.status` shows it.
fn shown(member: &state::Member, unsure: bool) -> Value {
    let or_unknown = |number: Option<i64>| number.filter(|_| !unsure).map_or(Value::Unknown, Value::Int);
    let up = if unsure { Value::Unknown } else { Value::Bool(member.up) };
    Value::map([
        ("name", Value::text(member.name.as_str())),
        ("address", Value::text(member.address.as_str())),
        ("configured", Value::Bool(member.configured)),
        ("up", up),
        ("state", Value::text(member.state.word())),
        ("weight", Value::Int(member.weight)),
        ("sessions", or_unknown(member.sessions)),
        ("seconds_in_state", or_unknown(member.seconds_in_state)),
        (
            "check",
            member
                .check
                .as_ref()
                .filter(|_| !unsure)
                .map_or(Value::Unknown, |c| Value::text(c.as_str())),
        ),
        ("owned", Value::Bool(member.owned)),
        ("owner", Value::text(member.owner.as_str())),
    ])
}
