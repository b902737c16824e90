//! One step or check: where it runs, what it does, when, and what must be true.

use std::collections::BTreeSet;
use std::time::Duration;

use super::arguments::{self, Compiled};
use super::check::Checker;
use super::convert::ticked;
use super::effects::Facts;
use super::mentions::Mentions;
use super::outline::{At, Entry};
use super::scope::{RESERVED, Variable, View, names};
use super::site::Site;
use super::syntax::{self, Body as WrittenBody, Over, Step as WrittenStep, Written};
use super::{call, check_control, keys, place};
use crate::base::id::StepId;
use crate::diagnostic::{Diagnostic, Diagnostics, Spanned, nearest};
use crate::model::action::{Class, PoolEffect};
use crate::model::runbook::{Batch, Body, Call, Leave, Loop, LoopOver, Owes, Pace, Place, Retry, Step, That, UndoRule};
use crate::model::text::{Expression, Part, Text};
use crate::model::types::Type;

/// What stands around a check: the step it belongs to, and the loops.
#[derive(Clone, Debug, Default)]
pub(super) struct Around<'a> {
    /// The step whose hosts and identity it inherits.
    pub owner: Option<&'a WrittenStep>,
    /// The loops, outer first.
    pub variables: Vec<Variable<'a>>,
}

impl<'a> Checker<'a> {
    /// A step of a list; also the ids of the steps whose results it reads.
    pub fn step(&self, at: At, variables: &[Variable<'a>], d: &mut Diagnostics) -> (Option<Step>, BTreeSet<String>) {
        let entry = self.outline.entry(at);
        let written = entry.step;
        let around = Around {
            owner: None,
            variables: variables.to_vec(),
        };
        let (step, mut reads) = self.one(written, View::Before(at), &around, entry.facts.as_ref(), Some(at), d);
        let inside = Around {
            owner: Some(written),
            ..around
        };
        let verify = self.checks_and_reads(&written.verify, View::After(at), &inside, &mut reads, d);
        let guard = self.checks_and_reads(written.guard(), View::Before(at), &inside, &mut reads, d);
        let undo = entry.undo.map(|list| self.list_and_reads(list, variables, d));
        if let Some((_, undo_reads)) = &undo {
            reads.extend(undo_reads.iter().cloned());
        }
        let step = step.and_then(|mut step| {
            step.verify = verify;
            step.owes = written.owes.as_ref().map(|o| Owes {
                step: Spanned::new(StepId::from(o.step.value.as_str()), o.step.span),
                guard: o.guard.is_some().then_some(guard),
            });
            step.undo = undo_rule(written, entry.facts.as_ref(), undo.and_then(|(steps, _)| steps))?;
            Some(step)
        });
        reads.remove(&written.id.value);
        (step, reads)
    }

    /// Checks that stand at `view`.
    pub fn checks(&self, written: &'a [WrittenStep], view: View, around: &Around<'a>, d: &mut Diagnostics) -> Vec<Step> {
        self.checks_and_reads(written, view, around, &mut BTreeSet::new(), d)
    }

    fn checks_and_reads(
        &self,
        written: &'a [WrittenStep],
        view: View,
        around: &Around<'a>,
        reads: &mut BTreeSet<String>,
        d: &mut Diagnostics,
    ) -> Vec<Step> {
        let mut checks = Vec::new();
        for check in written {
            let facts = super::effects::facts(check, self.catalog);
            let (step, more) = self.one(check, view, around, facts.as_ref(), None, d);
            reads.extend(more);
            checks.extend(step);
        }
        checks
    }

    /// What steps and checks have in common. `at`: of a step.
    fn one(
        &self,
        written: &'a WrittenStep,
        view: View,
        around: &Around<'a>,
        facts: Option<&Facts>,
        at: Option<At>,
        d: &mut Diagnostics,
    ) -> (Option<Step>, BTreeSet<String>) {
        unfitting_keys(written, d);
        let env = names(&self.outline, &self.params, view, &around.variables, &Mentions::of(written));
        let mut site = Site::new(env, d);
        let when = written.when.as_ref().and_then(|w| site.expression(w, Some(&Type::Bool)));
        if let Some(when) = &when {
            site.env.assume(&when.root, true);
        }
        let undone = at.and_then(|at| self.outline.undone_by(at));
        let hosts = self.hosts(written, around, undone, facts, &mut site);
        let run_as = run_as(written, around.owner.or(undone.map(|u| u.step)), facts, &mut site);
        let name = match &written.name {
            Some(name) => site.text(name),
            None => Some(Text::literal(written.id.value.replace('_', " "), written.id.span)),
        };
        let (body, changed) = self.body(written, around, facts, at, &mut site);
        let that = that(written, facts, &mut site);
        let retry = retry(written.retry.as_ref(), facts, &mut site);
        let allow_failure = written.allow_failure.as_ref().and_then(|e| site.expression(e, Some(&Type::Bool)));
        let leave = written
            .leave
            .as_ref()
            .and_then(|l| site.text(&l.reason).map(|reason| Leave { until: l.until, reason }));
        let step = name.zip(body).map(|(name, body)| Step {
            id: StepId::from(written.id.value.as_str()),
            name,
            span: written.span,
            body,
            hosts,
            run_as,
            needs: Vec::new(),
            when,
            that,
            within: written.within.as_ref().map(|w| w.value),
            every: written.every.as_ref().map_or(Duration::from_secs(5), |e| e.value),
            retry,
            timeout: written.timeout.unwrap_or(Duration::from_secs(300)),
            verify: Vec::new(),
            owes: None,
            leave,
            undo: UndoRule::Auto,
            allow_failure,
            allow_empty: written.allow_empty,
            pool_effect_none: written.pool_effect_none.is_some(),
            changed,
            class: match &written.body {
                WrittenBody::Decide(_) => Class::Probe,
                _ => facts.map_or(Class::Passing, |f| f.class),
            },
        });
        (step, std::mem::take(&mut site.reads))
    }

    /// `undone`: the step that this one takes back, on whose host it runs.
    fn hosts(
        &self,
        written: &'a WrittenStep,
        around: &Around<'a>,
        undone: Option<&Entry<'a>>,
        facts: Option<&Facts>,
        site: &mut Site<'_>,
    ) -> Option<Place> {
        let own = written.hosts.as_ref();
        let of_undone = undone.and_then(|u| u.step.hosts.as_ref()).filter(|h| h.value == "control");
        let inherited = around.owner.and_then(|o| o.hosts.as_ref()).or(of_undone);
        let inherited = inherited.filter(|_| place::needs_hosts(facts));
        if let Some(facts) = facts {
            let has_default = super::syntax::may_mean(&self.file.given, "hosts")
                || around.variables.iter().any(|v| v.over_hosts)
                || undone.is_some_and(|u| place::needs_hosts(u.facts.as_ref()));
            place::check(written, facts, inherited, has_default, site.d);
        }
        place::place(own.or(inherited)?, &around.variables, site)
    }

    fn body(
        &self,
        written: &'a WrittenStep,
        around: &Around<'a>,
        facts: Option<&Facts>,
        at: Option<At>,
        site: &mut Site<'_>,
    ) -> (Option<Body>, Option<Expression>) {
        match &written.body {
            WrittenBody::Broken => (None, None),
            WrittenBody::Action { name, argument } => {
                let Some(facts) = facts else {
                    site.d.push(self.unknown_action(name, written.is_check));
                    return (None, None);
                };
                check_class(written, facts, name, site.d);
                site.template_off = written.template_off.is_some();
                let Compiled { arguments, changed } = arguments::compile(facts.signature, name, argument, site);
                site.template_off = false;
                (
                    Some(Body::Action(Call {
                        action: name.clone(),
                        arguments,
                    })),
                    changed,
                )
            }
            WrittenBody::Approve(approve) => (check_control::approve(approve, site), None),
            WrittenBody::Manual(manual) => (check_control::manual(manual, site), None),
            WrittenBody::Decide(decide) => (check_control::decide(decide, site), None),
            WrittenBody::Call(written_call) => {
                let called = call::compile(written_call, &written.id.value, site);
                (called.map(|c| Body::Call(Box::new(c))), None)
            }
            WrittenBody::Loop { for_each, .. } => {
                let looped = at.and_then(|at| self.looped(for_each, at, around, site));
                (looped.map(|l| Body::Loop(Box::new(l))), None)
            }
        }
    }

    fn looped(&self, written: &'a syntax::ForEach, at: At, around: &Around<'a>, site: &mut Site<'_>) -> Option<Loop> {
        let name = written.variable.value.as_str();
        if RESERVED.contains(&name) || around.variables.iter().any(|v| v.name == name) {
            let message = format!("a loop variable cannot be called `{name}`: the name already means something here");
            site.d
                .push(Diagnostic::error("RB0116", written.variable.span, message).label("choose another name"));
        }
        let (over, kind) = match &written.over {
            Over::Broken => (None, Type::Dynamic),
            Over::Hosts(pattern) => (site.text(pattern).map(LoopOver::Hosts), Type::host()),
            Over::Items(items) => {
                let compiled = site.expression(items, None);
                let kind = compiled.as_ref().and_then(|e| item_type(e, items, site.d)).unwrap_or(Type::Dynamic);
                (compiled.map(LoopOver::Items), kind)
            }
        };
        let batch = |b: &syntax::Batch, site: &mut Site<'_>| match b {
            syntax::Batch::Share(share) => Some(Batch::Share(*share)),
            syntax::Batch::Text(text) => batch_text(text, site).map(Batch::Text),
        };
        let pace = match &written.pace {
            syntax::Pace::Parallel(n) => Pace::Parallel(*n),
            syntax::Pace::Batches(batches) => Pace::Batches(batches.iter().filter_map(|b| batch(b, site)).collect()),
        };
        let over_hosts = matches!(written.over, Over::Hosts(_));
        let mut variables = around.variables.clone();
        variables.push(Variable { name, kind, over_hosts });
        let body = self.outline.entry(at).body.expect("the outline holds a list for each loop");
        let (steps, reads) = self.list_and_reads(body, &variables, site.d);
        site.reads.extend(reads);
        Some(Loop {
            variable: name.to_owned(),
            over: over?,
            pace,
            max_failures: written.max_failures,
            pause: written.pause,
            undo_finished: written.undo_finished,
            steps: steps?,
        })
    }

    fn unknown_action(&self, name: &Written, is_check: bool) -> Diagnostic {
        let table = if is_check { &keys::CHECK } else { &keys::STEP };
        let actions = self.catalog.names();
        if let Some(meant) = nearest(&name.value, actions.iter().copied()) {
            let message = format!("unknown action `{}`", name.value);
            return Diagnostic::error("RB0106", name.span, message)
                .label("not an action")
                .help(format!("did you mean `{meant}`?"))
                .replacement(meant);
        }
        if let Some(meant) = nearest(&name.value, table.keys.iter().map(|k| k.name)) {
            let message = format!("unknown key `{}` in {}", name.value, table.of);
            return Diagnostic::error("RB0020", name.span, message)
                .label(NO_ACTION)
                .help(format!("did you mean `{meant}`?"))
                .replacement(meant);
        }
        let message = format!("unknown action `{}`", name.value);
        Diagnostic::error("RB0106", name.span, message)
            .label(NO_ACTION)
            .help(format!("actions are {}", ticked(actions)))
    }
}

/// What stands where an action should.
pub(super) const NO_ACTION: &str = "neither an action nor a key of the language";

/// Keys that mean nothing for what is no action.
fn unfitting_keys(written: &WrittenStep, d: &mut Diagnostics) {
    let (what, hosts_help) = match &written.body {
        WrittenBody::Loop { .. } => ("a loop", "say it at the steps inside; the hosts of the turns stand in `for_each`"),
        WrittenBody::Approve(_) => ("`approve`", "say it at the steps around; people are asked once, not on hosts"),
        WrittenBody::Call(_) => ("`call`", "say it at the steps of the called runbook"),
        WrittenBody::Manual(_) => ("`manual`", "people do it in their own way; say how long in `manual: { within: … }`"),
        WrittenBody::Decide(_) => (
            "`decide`",
            "it runs nowhere and changes nothing: it judges what earlier steps have found",
        ),
        WrittenBody::Action { .. } | WrittenBody::Broken => return,
    };
    let never_fails = written
        .allow_failure
        .as_ref()
        .filter(|_| matches!(written.body, WrittenBody::Call(_)));
    let given = [
        ("hosts", written.hosts.as_ref().map(|w| w.span)),
        ("run_as", written.run_as.as_ref().map(|w| w.span)),
        ("that", written.that.as_ref().map(|w| w.span)),
        ("within", written.within.as_ref().map(|w| w.span)),
        ("every", written.every.as_ref().map(|w| w.span)),
        ("retry", written.retry.as_ref().map(|_| written.id.span)),
        ("timeout", written.timeout.map(|_| written.id.span)),
        ("verify", written.verify.first().map(|v| v.span)),
        ("owes", written.owes.as_ref().map(|o| o.step.span)),
        ("leave", written.leave.as_ref().map(|l| l.span)),
        ("undo", written.undo.as_ref().map(|u| u.span)),
        ("pool_effect", written.pool_effect_none),
        ("template", written.template_off),
        ("allow_failure", never_fails.map(|w| w.span)),
    ];
    if let (WrittenBody::Loop { .. }, Some(allowed)) = (&written.body, &written.allow_failure) {
        let help = "to go on after failed turns, say how many: `max_failures: 1` in `for_each`";
        let message = "`allow_failure` means nothing for a loop";
        d.push(Diagnostic::error("RB0118", allowed.span, message).label("not here").help(help));
    }
    let failure = written
        .allow_failure
        .as_ref()
        .filter(|_| matches!(written.body, WrittenBody::Approve(_)));
    let given = given.into_iter().chain([("allow_failure", failure.map(|w| w.span))]);
    for (key, span) in given {
        if let Some(span) = span {
            let message = format!("`{key}` means nothing for {what}");
            d.push(Diagnostic::error("RB0118", span, message).label("not here").help(hosts_help));
        }
    }
}

/// `that`, `within` and checks belong to probes.
fn check_class(written: &WrittenStep, facts: &Facts, name: &Written, d: &mut Diagnostics) {
    let probe = facts.class == Class::Probe || !facts.sound;
    let read_only = facts.signature.parameters.iter().any(|p| p.name == "read_only");
    let hint = match read_only {
        true => "say `read_only: true` if it only reads",
        false => "look afterwards, with a check under `verify:` or with a step of its own",
    };
    if !probe && written.is_check {
        let message = format!("a check must only read, and `{}` may change something", name.value);
        d.push(Diagnostic::error("RB0113", name.span, message).label("not a probe").help(hint));
    } else if let (false, Some(that)) = (probe, &written.that) {
        let message = format!("`that` stands only on probes, and `{}` may change something", name.value);
        d.push(
            Diagnostic::error("RB0113", that.span, message)
                .label("on a step that is no probe")
                .also(name.span, "this acts")
                .help(hint),
        );
    }
    if let (Some(within), false) = (&written.within, written.may_mean("that")) {
        let message = "`within` needs `that`: what to wait for";
        d.push(
            Diagnostic::error("RB0113", within.span, message)
                .label("until what?")
                .help("to limit the time of an attempt, use `timeout`"),
        );
    }
    if let (Some(every), false) = (&written.every, written.may_mean("within")) {
        d.push(Diagnostic::error("RB0113", every.span, "`every` needs `within`: how long to poll").label("for how long?"));
    }
}

/// `that`, over `result` (each host) or `results` (all).
fn that(written: &WrittenStep, facts: Option<&Facts>, site: &mut Site<'_>) -> Option<That> {
    let source = written.that.as_ref()?;
    let result = facts.map_or(Type::Dynamic, |f| (f.signature.results)());
    let known = [("result", result.clone()), ("results", Type::list(result))];
    let expression = site.expression_with(source, &known, Some(&Type::Bool))?;
    let paths = super::expression::paths(&expression.root);
    let reads = |name: &str| paths.iter().any(|p| p.first().is_some_and(|first| first == name));
    if reads("result") && reads("results") {
        let message = "`result` (each host by itself) and `results` (all hosts together) cannot stand in one condition";
        let help = "make two checks of it, or use `results.all(r, …)`";
        site.d
            .push(Diagnostic::error("RB0113", source.span, message).label("both in one").help(help));
    }
    Some(That {
        over_all: reads("results"),
        expression,
    })
}

fn retry(written: Option<&syntax::Retry>, facts: Option<&Facts>, site: &mut Site<'_>) -> Retry {
    let Some(written) = written else {
        return Retry {
            attempts: 1,
            delay: Duration::from_secs(5),
            backoff: 1.0,
            when: None,
        };
    };
    let result = facts.map_or(Type::Dynamic, |f| (f.signature.results)());
    let when = written
        .when
        .as_ref()
        .and_then(|w| site.expression_with(w, &[("result", result)], Some(&Type::Bool)));
    Retry {
        attempts: written.attempts,
        delay: written.delay,
        backoff: written.backoff,
        when,
    }
}

fn run_as(written: &WrittenStep, owner: Option<&WrittenStep>, facts: Option<&Facts>, site: &mut Site<'_>) -> Option<Text> {
    let inherited = owner.and_then(|o| o.run_as.as_ref()).filter(|_| place::has_identity(facts));
    site.text(written.run_as.as_ref().or(inherited)?)
}

/// The type of a turn's item.
fn item_type(items: &Expression, written: &Written, d: &mut Diagnostics) -> Option<Type> {
    match &items.kind {
        Type::List(item) => Some((**item).clone()),
        Type::Dynamic => Some(Type::Dynamic),
        other => {
            let message = format!("`items` must be a list, found {other}");
            d.push(Diagnostic::error("RB0116", written.span, message).label("not a list"));
            None
        }
    }
}

/// A batch size is exactly one parameter of type `count_or_percent`, `int` or `percent`.
fn batch_text(written: &Written, site: &mut Site<'_>) -> Option<Text> {
    let text = site.text(written)?;
    let fits = matches!(site.sole_type(&text), Some(Type::Int | Type::Percent | Type::Dynamic));
    if !fits || !matches!(text.parts.as_slice(), [Part::Placeholder(_)]) {
        let message = format!("expected a count or a percentage such as `2` or `25%`, found `{}`", written.value);
        let help = "a parameter of type `count_or_percent` can stand here: `\"{{params.batch}}\"`";
        site.d.push(Diagnostic::error("RB0116", written.span, message).help(help));
        return None;
    }
    Some(text)
}

/// As written; else `keep` for what returns, and what the action knows for the rest.
fn undo_rule(written: &WrittenStep, facts: Option<&Facts>, steps: Option<Vec<Step>>) -> Option<UndoRule> {
    match written.undo.as_ref().map(|u| &u.value) {
        None if facts.is_some_and(|f| f.effect == PoolEffect::ReturnsMember) => Some(UndoRule::Keep),
        None | Some(syntax::Undo::Auto) => Some(UndoRule::Auto),
        Some(syntax::Undo::Keep) => Some(UndoRule::Keep),
        Some(syntax::Undo::None) => Some(UndoRule::None),
        Some(syntax::Undo::Steps(written)) if written.is_empty() => Some(UndoRule::Steps(Vec::new())),
        Some(syntax::Undo::Steps(_)) => steps.map(UndoRule::Steps),
    }
}
