//! Which names a text or an expression sees at each place, with their types, and why others cannot be read there.

use std::collections::BTreeMap;

use super::check_control;
use super::expression::conjuncts;
use super::mentions::Mentions;
use super::outline::{At, Outline, Section};
use super::syntax::Body;
use super::types::{Refusal, TypeEnv};
use crate::model::action::RunsOn;
use crate::model::runbook::CallMode;
use crate::model::types::Type;

/// Fields that every step has, whatever its action.
pub(super) const BASE_FIELDS: &[&str] = &["ok", "failed", "skipped", "changed", "attempts", "seconds"];

/// Names a loop variable cannot have: they mean something somewhere.
pub(super) const RESERVED: &[&str] = &[
    "params", "steps", "run", "groups", "result", "results", "alert", "file", "control", "now",
];

/// From where the steps are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// Before all steps.
    Start,
    /// When that step starts.
    Before(At),
    /// When that step has been done.
    After(At),
    /// When all steps have been done.
    End,
    /// When the run is over, however it went.
    Over,
    /// Around every step.
    Throughout,
}

/// A loop around the place.
#[derive(Clone, Debug)]
pub(super) struct Variable<'a> {
    pub name: &'a str,
    pub kind: Type,
    pub over_hosts: bool,
}

/// The names at one place. `params` is the type of `params`; `mentions` are the steps that are spoken of there.
pub(super) fn names(outline: &Outline<'_>, params: &Type, view: View, variables: &[Variable<'_>], mentions: &Mentions) -> TypeEnv {
    let mut env = TypeEnv::new();
    env.set("params", params.clone());
    env.set("groups", Type::Map(Box::new(Type::list(Type::Text))));
    run(&mut env, outline, view);
    steps(&mut env, outline, view, mentions);
    for variable in variables {
        env.set(variable.name, variable.kind.clone());
    }
    env
}

/// The names in the parameters of a trigger of that kind. A schedule brings nothing.
pub(super) fn trigger_names(kind: &str) -> TypeEnv {
    let mut env = TypeEnv::new();
    let texts = || Type::Map(Box::new(Type::Text));
    match kind {
        "alertmanager" | "grafana" => env.set("alert", Type::record([("labels", texts()), ("annotations", texts())])),
        "pagerduty" => env.set("event", Type::Dynamic),
        "webhook" => env.set("body", Type::Dynamic),
        _ => {}
    }
    env
}

fn run(env: &mut TypeEnv, outline: &Outline<'_>, view: View) {
    let hosts = || Type::list(Type::Text);
    let failure = Type::record([("step", Type::Text), ("host", Type::Text), ("summary", Type::Text)]);
    let all = Type::record([("planned", hosts()), ("changed", hosts()), ("unchanged", hosts())]);
    env.set("run", Type::record([("id", Type::Text), ("hosts", all), ("failure", failure)]));
    let failed = match view {
        View::Before(at) | View::After(at) => outline.section_of(at) == Section::OnFailure,
        View::Start | View::End | View::Over | View::Throughout => false,
    };
    if !failed {
        env.refuse(Refusal::new(
            &["run", "failure"],
            "is known only in `on_failure`: elsewhere nothing need have failed",
        ));
    }
}

/// Only the steps that are spoken of; all names where one of them is unknown, so that the nearest can be named.
fn steps(env: &mut TypeEnv, outline: &Outline<'_>, view: View, mentions: &Mentions) {
    let all = mentions.any || mentions.ids.iter().any(|id| outline.find(id).is_none());
    let mut types = BTreeMap::new();
    let known = outline.ids().filter(|(id, _)| all || mentions.ids.contains(*id));
    for (id, at) in known {
        let readable = match readable(outline, view, at) {
            Ok(()) => readable_type(env, outline, view, id, at),
            Err(refusal) => {
                env.refuse(refusal);
                Type::Dynamic
            }
        };
        types.insert(id.to_owned(), readable);
    }
    env.set("steps", Type::Record(types));
}

/// The type of a step that can be read, with refusals for what of it cannot.
fn readable_type(env: &mut TypeEnv, outline: &Outline<'_>, view: View, id: &str, at: At) -> Type {
    let kind = result_type(outline, at);
    if let Body::Call(call) = &outline.entry(at).step.body
        && call.mode == CallMode::Plan
    {
        let reason = "is only shown (`mode: plan`): nothing of it is run, so it gives nothing";
        env.refuse(Refusal::new(&["steps", id], reason).except(BASE_FIELDS));
    }
    if outline.entry(at).single {
        may_be_missing(env, outline, view, at, &["steps", id]);
        return kind;
    }
    let mut fields: BTreeMap<String, Type> = ["ok", "failed", "skipped", "changed"]
        .map(|name| (name.to_owned(), Type::Bool))
        .into();
    let own = match &kind {
        Type::Record(own) if on_the_same_hosts(outline, view, at) => Some(own.clone()),
        _ => None,
    };
    fields.insert(String::from("hosts"), Type::Map(Box::new(kind.clone())));
    fields.insert(String::from("all"), Type::list(kind));
    if let Some(own) = own {
        may_be_missing(env, outline, view, at, &["steps", id]);
        fields.extend(own);
        return Type::Record(fields);
    }
    let help = format!("write `steps.{id}.hosts['web-01'].FIELD` for one host, or `steps.{id}.all` for the list");
    let reason = "runs on several hosts, so a single field of it has no meaning";
    let together = ["hosts", "all", "ok", "failed", "skipped", "changed"];
    env.refuse(Refusal::new(&["steps", id], reason).except(&together).help(help));
    may_be_missing(env, outline, view, at, &["steps", id, "hosts"]);
    Type::Record(fields)
}

/// The reader stands in the same list and runs on the same hosts: on each it sees the result of that host.
fn on_the_same_hosts(outline: &Outline<'_>, view: View, at: At) -> bool {
    let (View::Before(viewer) | View::After(viewer)) = view else {
        return false;
    };
    let hosts = |at: At| {
        let entry = outline.entry(at);
        let on_hosts = entry
            .facts
            .as_ref()
            .is_some_and(|f| matches!(f.signature.runs_on, RunsOn::Host | RunsOn::HostOrControl));
        // A condition on all hosts at once is judged once, on none of them.
        let once = entry.step.that.as_ref().is_some_and(|t| t.value.contains("results"));
        (on_hosts && !once).then(|| entry.step.hosts.as_ref().map(|h| h.value.as_str()))
    };
    viewer.list == at.list && hosts(viewer).is_some_and(|own| hosts(at) == Some(own))
}

/// Refuses what a step that was skipped or has failed does not yield. `path`: of the step, or of its hosts.
fn may_be_missing(env: &mut TypeEnv, outline: &Outline<'_>, view: View, at: At, path: &[&str]) {
    let entry = outline.entry(at);
    let id = path[1];
    let skipped = entry.step.when.is_some() && !is_implied(outline, view, at);
    let failed = entry.step.allow_failure.as_ref().is_some_and(|a| a.value.trim() != "false");
    let reason = match (skipped, failed) {
        (false, false) => return,
        (true, false) => "may be skipped (it has `when`), and then has no result",
        (false, true) => "may have failed (it has `allow_failure`), and then has no result",
        (true, true) => "may be skipped or have failed (it has `when` and `allow_failure`), and then has no result",
    };
    let help = match (&entry.body, failed) {
        (Some(_), _) => String::from("give this step the same `when`"),
        (None, false) => format!("say `steps.{id}.ok && …` first, or give this step the same `when`"),
        (None, true) => format!("say `steps.{id}.ok && …` first; in a text, `{{{{default steps.{id}.FIELD 'none'}}}}`"),
    };
    let except = [BASE_FIELDS, &["all", "hosts"]].concat();
    let mut refusal = Refusal {
        between: path.len() - 2,
        ..Refusal::new(path, reason)
            .except(&except)
            .unless(&["steps", id, "ok"], true)
            .help(help)
    };
    // Of several hosts, one that changed or did not fail says nothing of the others.
    if path.len() == 2 {
        refusal = refusal.unless(&["steps", id, "changed"], true);
        refusal = match (skipped, failed) {
            (true, false) => refusal.unless(&["steps", id, "skipped"], false),
            (false, true) => refusal.unless(&["steps", id, "failed"], false),
            _ => refusal,
        };
    }
    env.refuse(refusal);
}

/// Everything that the step's `when` demands is demanded by the reader's, or by a loop's around it.
fn is_implied(outline: &Outline<'_>, view: View, at: At) -> bool {
    let (View::Before(viewer) | View::After(viewer)) = view else {
        return false;
    };
    let chain = outline.chain(viewer);
    let known: Vec<&str> = chain
        .iter()
        .filter_map(|at| outline.entry(*at).step.when.as_ref())
        .flat_map(|w| conjuncts(&w.value))
        .collect();
    let wanted = outline.entry(at).step.when.as_ref();
    wanted.is_none_or(|w| conjuncts(&w.value).iter().all(|c| known.contains(c)))
}

/// What a step yields on one host: its action's fields and those of every step; of a loop, `all` turns.
fn result_type(outline: &Outline<'_>, at: At) -> Type {
    let entry = outline.entry(at);
    let mut fields = match (&entry.facts, &entry.step.body) {
        (_, Body::Loop { .. }) => return Type::record([("all", Type::list(turn_type()))]),
        (_, Body::Approve(_)) => BTreeMap::from([(String::from("by"), Type::Text)]),
        (_, Body::Manual(manual)) => check_control::manual_fields(manual),
        (_, Body::Decide(decide)) => BTreeMap::from([(String::from("is"), check_control::words(decide))]),
        (_, Body::Call(call)) => match &call.target {
            Some(target) => target
                .runbook
                .outputs
                .iter()
                .map(|(name, e)| (name.clone(), e.kind.clone()))
                .collect(),
            None => return Type::Dynamic,
        },
        (Some(facts), _) => match (facts.signature.results)() {
            Type::Record(fields) => fields,
            _ => BTreeMap::new(),
        },
        // Its action is unknown, which has been said.
        (None, _) => return Type::Dynamic,
    };
    for name in BASE_FIELDS {
        let kind = match *name {
            "attempts" => Type::Int,
            "seconds" => Type::Float,
            _ => Type::Bool,
        };
        fields.insert((*name).to_owned(), kind);
    }
    Type::Record(fields)
}

/// One turn of a loop, seen from outside: `key` is its host or item.
fn turn_type() -> Type {
    Type::record([
        ("key", Type::Text),
        ("ok", Type::Bool),
        ("failed", Type::Bool),
        ("changed", Type::Bool),
    ])
}

/// Whether the step at `at` is certainly over, and in sight.
fn readable(outline: &Outline<'_>, view: View, at: At) -> Result<(), Refusal> {
    let id = outline.entry(at).step.id.value.as_str();
    let refuse = |reason: String| Err(Refusal::new(&["steps", id], reason));
    match view {
        View::Start => refuse("is not done yet: this comes before all steps".into()),
        View::Over => refuse("may not have run: this is said however the run went".into()),
        View::Throughout => refuse("need not have run: an invariant is judged around every step".into()),
        View::End if at.list == outline.main => Ok(()),
        View::End => Err(out_of_sight(outline, &[outline.main], Section::Main, at)),
        View::Before(viewer) | View::After(viewer) => {
            let chain = outline.chain(viewer);
            let Some(level) = chain.iter().find(|c| c.list == at.list) else {
                let lists: Vec<usize> = chain.iter().map(|c| c.list).collect();
                return Err(out_of_sight(outline, &lists, outline.section_of(viewer), at));
            };
            let viewer_id = &outline.entry(viewer).step.id.value;
            if *level == at && at == viewer {
                return match view {
                    View::After(_) => Ok(()),
                    _ => Err(Refusal::new(&["steps", id], "is this step itself, which is not done yet")
                        .help("in `that` and `changed`, its own result is `result`")),
                };
            }
            if *level == at && outline.entry(at).body.is_some() {
                return refuse("is the loop around this step, which is not done yet".into());
            }
            if *level == at {
                return refuse("may have failed when its `undo` begins, so its result need not exist".into());
            }
            if at.index < level.index || outline.before(*level).contains(&at.index) {
                return Ok(());
            }
            let help = format!("it stands below: move it above `{viewer_id}`, or name it in `needs`");
            Err(Refusal::new(&["steps", id], format!("is not done yet when `{viewer_id}` starts")).help(help))
        }
    }
}

/// Why a step of another list cannot be read. `lists`: the lists in sight.
fn out_of_sight(outline: &Outline<'_>, lists: &[usize], section: Section, at: At) -> Refusal {
    let id = outline.entry(at).step.id.value.as_str();
    let chain = outline.chain(at);
    let refuse = |reason: String| Refusal::new(&["steps", id], reason);
    if let Some(around) = chain.iter().find(|c| lists.contains(&c.list)) {
        let outer = &outline.entry(*around).step.id.value;
        return match outline.lists[at.list].section {
            Section::Undo => refuse(format!("belongs to the `undo` of step `{outer}`, which need not happen")),
            _ => refuse(format!("stands inside the loop `{outer}`, so it has a result for each turn")).help(format!(
                "`steps.{outer}.all` is the list of turns (key, ok, failed, changed): `steps.{outer}.all.exists(t, t.changed)`"
            )),
        };
    }
    match (section, outline.section_of(at)) {
        (Section::OnFailure, Section::Main) => refuse("may not have run when `on_failure` starts".into()),
        (Section::Finally, Section::Main) => refuse("may not have run when `finally` starts".into()),
        (_, Section::OnFailure) => refuse("belongs to `on_failure`, which need not happen".into()),
        (_, Section::Finally) => refuse("belongs to `finally`, which comes last".into()),
        (_, _) => refuse("belongs to the `undo` of another step, which need not happen".into()),
    }
}
