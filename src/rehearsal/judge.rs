//! Holds what came of a life against what must come of it. Each expectation that does not hold is reported at its place.

use super::life::Life;
use super::matching::{means, step_and_field};
use super::syntax::{Expect, ExpectPlan, FilePromise, PoolPromise, Which};
use crate::base::clock::friendly;
use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, Spanned};
use crate::model::action::Class;
use crate::model::event::{Event, RunOutcome};
use crate::model::plan::{Forecast, Node, Plan};

/// An expectation that does not hold.
fn broken(at: Span, expected: &str, found: impl AsRef<str>) -> Diagnostic {
    let message = format!("expected {expected}, found {}", one_line(found.as_ref(), 400));
    Diagnostic::error("RB0810", at, message)
}

/// The word of an outcome.
#[must_use]
pub fn word(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Succeeded => "succeeded",
        RunOutcome::Failed => "failed",
        RunOutcome::Stuck => "stuck",
        RunOutcome::Denied => "denied",
        RunOutcome::Cancelled => "cancelled",
        RunOutcome::Lost => "lost",
        RunOutcome::Refused => "refused",
    }
}

/// All that does not hold; `name`: where the case's name stands.
#[must_use]
pub fn judge(life: &Life, expect: &Expect, name: Span) -> Diagnostics {
    let mut d = Diagnostics::new();
    for missing in &life.unanswered {
        d.push(Diagnostic::error("RB0805", name, format!("the test gives no answer for {missing}")));
    }
    if d.has_errors() {
        // What comes of a host that does not exist says nothing.
        return d;
    }
    let refused = expect.plan.as_ref().and_then(|p| p.refused.as_ref());
    if refused.is_some_and(|part| life.mistakes.iter().any(|m| m.message.contains(&part.value))) {
        // Refused as early as can be: there is nothing else to look at.
        return d;
    }
    if life.mistakes.has_errors() {
        let words: Vec<String> = life.mistakes.iter().map(|m| format!("{}: {}", m.code, m.message)).collect();
        d.push(broken(name, "a plan", words.join("; ")));
        return d;
    }
    if let Some(error) = &life.error {
        d.push(broken(name, "a run that ends", error));
    }
    for breach in &life.breaches {
        d.push(broken(name, "no pool below its minimum and no second primary by our hand", breach));
    }
    if let Some(plan) = &life.plan {
        let told = expect.outcome.as_ref().is_some_and(|o| o.value == "refused");
        let asked = expect.plan.as_ref().is_some_and(|p| p.refused.is_some());
        if let (Some(refusal), false) = (plan.refusals.first(), told || asked) {
            d.push(broken(name, "a plan that may run", format!("refused: {}", refusal.message)));
        }
        plan_as_expected(plan, expect.plan.as_ref(), &mut d);
    }
    run_as_expected(life, expect, &mut d);
    world_as_expected(life, expect, &mut d);
    d
}

fn plan_as_expected(plan: &Plan, expect: Option<&ExpectPlan>, d: &mut Diagnostics) {
    let Some(expect) = expect else { return };
    if let Some(part) = &expect.refused {
        let refusals: Vec<&str> = plan.refusals.iter().map(|r| r.message.as_str()).collect();
        if !refusals.iter().any(|r| r.contains(&part.value)) {
            let found = match refusals.as_slice() {
                [] => String::from("a plan that may run"),
                all => format!("refused: {}", all.join("; ")),
            };
            d.push(broken(part.span, &format!("a refusal with `{}`", part.value), found));
        }
    }
    if let Some(part) = &expect.instead {
        let offers: Vec<&str> = plan.refusals.iter().filter_map(|r| r.instead.as_deref()).collect();
        if !offers.iter().any(|o| o.contains(&part.value)) {
            d.push(broken(part.span, &format!("an offer with `{}`", part.value), offers.join("; ")));
        }
    }
    if let Some(wanted) = &expect.will_change {
        let will = |n: &&Node| n.section.is_work() && matches!(n.forecast, Forecast::WillChange { .. });
        let changing: Vec<&Node> = plan.nodes.iter().filter(will).collect();
        each(plan, &wanted.value, "will change", |f| matches!(f, Forecast::WillChange { .. }), d);
        for node in changing.iter().filter(|n| !wanted.value.iter().any(|w| means(&w.value, n))) {
            d.push(broken(
                wanted.span,
                "no further change",
                format!("`{}` will change: {}", node.id, forecast(node)),
            ));
        }
    }
    each(
        plan,
        &expect.nothing_to_do,
        "nothing to do",
        |f| matches!(f, Forecast::NothingToDo { .. }),
        d,
    );
    each(
        plan,
        &expect.at_run_time,
        "known at run time",
        |f| matches!(f, Forecast::AtRunTime { .. }),
        d,
    );
    each(plan, &expect.skipped, "skipped", |f| matches!(f, Forecast::Skipped { .. }), d);
}

/// Every node that a name means is as wanted.
fn each(plan: &Plan, names: &[Which], wanted: &str, is: impl Fn(&Forecast) -> bool, d: &mut Diagnostics) {
    for name in names {
        let nodes: Vec<&Node> = plan.nodes.iter().filter(|n| means(&name.value, n)).collect();
        if nodes.is_empty() {
            d.push(nowhere(name, plan));
        }
        for node in nodes.into_iter().filter(|n| !is(&n.forecast)) {
            d.push(broken(name.span, &format!("`{}`: {wanted}", node.id), forecast(node)));
        }
    }
}

fn nowhere(name: &Which, plan: &Plan) -> Diagnostic {
    let ids: Vec<&str> = plan.nodes.iter().map(|n| n.id.as_str()).collect();
    broken(name.span, &format!("`{}` in the plan", name.value), "none").help(format!("the plan has {}", ids.join(", ")))
}

fn forecast(node: &Node) -> String {
    match &node.forecast {
        Forecast::Reads { summary } => format!("it only reads ({summary})"),
        Forecast::WillChange { summary } => format!("it will change: {summary}"),
        Forecast::NothingToDo { summary } => format!("nothing to do: {summary}"),
        Forecast::AtRunTime { why } => format!("it is known at run time: {why}"),
        Forecast::Skipped { why } => format!("it is skipped: {why}"),
        Forecast::Asks { summary } => format!("it asks: {summary}"),
        Forecast::Calls { summary } => format!("it {summary}"),
        Forecast::Decides { is, why } => format!("it decides `{is}`: {why}"),
    }
}

fn run_as_expected(life: &Life, expect: &Expect, d: &mut Diagnostics) {
    if let Some(wanted) = &expect.outcome {
        let found = life.outcome.map_or("no end", word);
        if found != wanted.value {
            d.push(broken(
                wanted.span,
                &format!("outcome `{}`", wanted.value),
                format!("`{found}`{}", why(life)),
            ));
        }
    }
    if let Some(part) = &expect.failure {
        let failure = first_failure(life);
        if !failure.as_ref().is_some_and(|f| f.contains(&part.value)) {
            let found = failure.unwrap_or_else(|| String::from("none"));
            d.push(broken(part.span, &format!("a first failure with `{}`", part.value), found));
        }
    }
    order(life, &expect.order, d);
    let happened = happenings(life);
    for name in &expect.happens {
        if !happened.iter().any(|h| h.is(&name.value)) {
            d.push(broken(
                name.span,
                &format!("`{}` to happen", name.value),
                format!("it did not: {}", shown(&happened)),
            ));
        }
    }
    for name in &expect.never {
        if let Some(began) = began(life, &name.value) {
            d.push(broken(
                name.span,
                &format!("`{}` not to begin", name.value),
                format!("it began: {began}"),
            ));
        }
    }
    if let Some(wanted) = &expect.obligations {
        let words = |o: &crate::model::obligation::Obligation| format!("{} ({})", o.what, o.reason);
        each_once(life.obligations.iter().map(words).collect(), "an open obligation", wanted, d);
    }
    if let Some(wanted) = &expect.silences {
        each_once(life.silences.clone(), "a silence", wanted, d);
    }
    for (to, has) in &expect.messages {
        let fits = |t: &super::world::Told| to.as_ref().is_none_or(|to| *to == t.to) && t.text.contains(&has.value);
        if !life.told.iter().any(fits) {
            let told: Vec<String> = life.told.iter().map(|t| format!("to {}: {}", t.to, t.text)).collect();
            let whom = to.as_ref().map_or_else(String::new, |to| format!(" to {to}"));
            d.push(broken(has.span, &format!("a message{whom} with `{}`", has.value), told.join(" | ")));
        }
    }
    for (path, wanted) in &expect.results {
        let found = result(life, &path.value);
        if found.as_ref() != Some(&wanted.value) {
            let found = found.unwrap_or_else(|| String::from("no such result"));
            d.push(broken(wanted.span, &format!("`{}` to be `{}`", path.value, wanted.value), found));
        }
    }
    if let Some(most) = &expect.within
        && life.took > most.value
    {
        let found = friendly(life.took);
        d.push(broken(most.span, &format!("a run of at most {}", friendly(most.value)), found));
    }
}

/// The first failure of the run, or why it never began.
fn first_failure(life: &Life) -> Option<String> {
    life.records.iter().find_map(|r| match &r.event {
        Event::StepFailed { node, failure, .. } | Event::StepLost { node, failure, .. } => Some(format!("{node}: {}", failure.message)),
        Event::ReturnRefused { why, .. } => Some(why.clone()),
        Event::RunFinished {
            outcome: RunOutcome::Refused,
            summary,
            ..
        } => Some(summary.clone()),
        _ => None,
    })
}

/// `cause.is`: a field of the result of a step's last success, as text.
fn result(life: &Life, path: &str) -> Option<String> {
    let plan = life.plan.as_ref()?;
    let (step, field) = step_and_field(path, |step| plan.nodes.iter().any(|n| means(step, n)))?;
    let value = life.records.iter().rev().find_map(|r| match &r.event {
        Event::StepSucceeded { node, result, .. } => plan.node(node).filter(|n| means(step, n)).map(|_| result.clone()),
        _ => None,
    })?;
    field
        .split('.')
        .try_fold(value, |value, name| value.field(name))
        .map(|v| v.to_string())
}

fn why(life: &Life) -> String {
    let refused = life.plan.iter().flat_map(|p| &p.refusals).map(|r| r.message.clone()).next();
    first_failure(life).or(refused).map_or_else(String::new, |w| format!(" ({w})"))
}

/// Something that ended well.
pub struct Happened<'l> {
    undo: bool,
    node: &'l Node,
}

impl Happened<'_> {
    fn is(&self, name: &str) -> bool {
        match name.strip_prefix("undo ") {
            Some(rest) => self.undo && means(rest, self.node),
            None => !self.undo && means(name, self.node),
        }
    }
}

/// Everything that ended well, in order.
#[must_use]
pub fn happenings(life: &Life) -> Vec<Happened<'_>> {
    let Some(plan) = &life.plan else { return Vec::new() };
    let of = |event: &Event| {
        let (node, undo) = match event {
            Event::StepSucceeded { node, .. } => (node, false),
            Event::UndoSucceeded { node, .. } => (node, true),
            _ => return None,
        };
        plan.node(node).map(|node| Happened { undo, node })
    };
    life.records.iter().filter_map(|r| of(&r.event)).collect()
}

fn shown(list: &[Happened<'_>]) -> String {
    let one = |h: &Happened<'_>| {
        if h.undo {
            format!("undo {}", h.node.id)
        } else {
            h.node.id.to_string()
        }
    };
    let all: Vec<String> = list.iter().map(one).collect();
    if all.is_empty() {
        String::from("nothing happened")
    } else {
        all.join(", ")
    }
}

fn order(life: &Life, wanted: &[Which], d: &mut Diagnostics) {
    let happened = happenings(life);
    let mut rest = happened.iter();
    let mut after: Option<&Which> = None;
    for name in wanted {
        if !rest.any(|h| h.is(&name.value)) {
            let expected = match after {
                Some(earlier) => format!("`{}` after `{}`", name.value, earlier.value),
                None => format!("`{}` first", name.value),
            };
            d.push(broken(name.span, &expected, shown(&happened)));
            return;
        }
        after = Some(name);
    }
}

/// Whether a step began: a change that was about to be sent, a probe that looked, a question that was asked.
fn began(life: &Life, name: &str) -> Option<String> {
    let plan = life.plan.as_ref()?;
    let (undo, name) = name.strip_prefix("undo ").map_or((false, name), |rest| (true, rest));
    life.records.iter().find_map(|r| {
        let (node, is) = match &r.event {
            Event::StepStarted { node, .. } => (node, !undo && plan.node(node).is_some_and(|n| n.class == Class::Probe)),
            Event::ChangeIntended { node, .. } => (node, !undo),
            Event::ApprovalRequested { request } => (&request.gate, !undo),
            Event::UndoStarted { node, .. } => (node, undo),
            _ => return None,
        };
        let node = plan.node(node).filter(|n| is && means(name, n))?;
        Some(format!("{} at {}", node.id, r.at.time_of_day()))
    })
}

/// Each of the wanted parts is in one of those that are there, and none is left over.
fn each_once(all: Vec<String>, what: &str, wanted: &Spanned<Vec<Spanned<String>>>, d: &mut Diagnostics) {
    let found = match all.as_slice() {
        [] => String::from("none"),
        some => some.join("; "),
    };
    let mut open = all;
    for part in &wanted.value {
        match open.iter().position(|o| o.contains(&part.value)) {
            Some(i) => _ = open.remove(i),
            None => d.push(broken(part.span, &format!("{what} with `{}`", part.value), &found)),
        }
    }
    for extra in open {
        let (_, what) = what.split_once(' ').unwrap_or_default();
        d.push(broken(wanted.span, &format!("no further {what}"), extra));
    }
}

fn world_as_expected(life: &Life, expect: &Expect, d: &mut Diagnostics) {
    for (pool, promises) in &expect.pools {
        let Some(now) = life.after.get(&pool.value) else { continue };
        for promise in promises {
            match &promise.value {
                PoolPromise::Algorithm(wanted) if now.algorithm != *wanted => {
                    d.push(broken(promise.span, &format!("algorithm {wanted}"), &now.algorithm));
                }
                PoolPromise::NeverBelow(least) => {
                    let lowest = life.lowest.get(&pool.value).copied().unwrap_or(usize::MAX);
                    if lowest < *least {
                        let found = format!("{lowest} at some moment");
                        d.push(broken(promise.span, &format!("never fewer than {least} in service"), found));
                    }
                }
                PoolPromise::Member(name, wanted) => {
                    let state = now.members.iter().find(|m| m.host.as_str() == name).map_or("absent", |m| m.state);
                    if state != *wanted {
                        d.push(broken(promise.span, &format!("{name} {wanted}"), state));
                    }
                }
                PoolPromise::Algorithm(_) => {}
            }
        }
    }
    let Some(world) = &life.world else { return };
    let world = world.lock();
    for FilePromise { host, path, has, lacks } in &expect.files {
        let content = world.file(host, &path.value);
        let text = content.as_deref().unwrap_or("");
        let found = || content.clone().unwrap_or_else(|| String::from("no such file"));
        if let Some(has) = has.as_ref().filter(|has| !text.contains(&has.value)) {
            d.push(broken(has.span, &format!("`{}` in {}", has.value, path.value), found()));
        }
        if let Some(lacks) = lacks.as_ref().filter(|lacks| text.contains(&lacks.value)) {
            d.push(broken(lacks.span, &format!("no `{}` in {}", lacks.value, path.value), found()));
        }
    }
    for (host, package, wanted) in &expect.packages {
        let version = world.package(host, &package.value).unwrap_or_else(|| String::from("absent"));
        if version != wanted.value {
            d.push(broken(
                wanted.span,
                &format!("{} {} on {host}", package.value, wanted.value),
                version,
            ));
        }
    }
    for (host, service, wanted) in &expect.services {
        let state = world.service(host, &service.value).unwrap_or("not there");
        if state != wanted.value {
            d.push(broken(
                wanted.span,
                &format!("{} {} on {}", service.value, wanted.value, host),
                state,
            ));
        }
    }
}
