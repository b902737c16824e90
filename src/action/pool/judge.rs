//! Whether a pool's change took effect: what HAProxy answered, and whether a server is up by a check that is newer than the change.

use super::haproxy::config::Config;
use super::haproxy::runtime;
use super::state::{Balancer, Pool, State};
use super::target::Target;
use crate::base::sanitise;
use crate::model::action::Verdict;
use crate::model::operation::Output;

/// An operation that has failed, whatever the pool looks like now.
#[must_use]
pub fn failed_operation(performed: &[Output]) -> Option<String> {
    performed.iter().find_map(|output| match output {
        Output::Failed(trouble) => Some(trouble.message.clone()),
        Output::Http { status, .. } if !(200..400).contains(status) => {
            Some(format!("the server itself answers with status {status}: it must not return"))
        }
        Output::Exited { code, stdout, stderr, .. } if *code != 0 => Some(format!(
            "a program ended with status {code}: {}",
            sanitise::one_line(if stderr.trim().is_empty() { stdout } else { stderr }, 400)
        )),
        _ => None,
    })
}

/// What HAProxy complained about last.
#[must_use]
pub fn complaint(performed: &[Output]) -> Option<String> {
    performed.iter().rev().find_map(|output| match output {
        Output::Answer { text } => Some(runtime::complaints(text)),
        _ => None,
    })?
}

/// `NotYet`, or `Failed` where waiting cannot help: HAProxy refused, and no reload is under way that would explain it.
#[must_use]
pub fn missing(what: String, performed: &[Output], reloading: bool) -> Verdict {
    match complaint(performed) {
        Some(words) if !reloading => Verdict::Failed(format!("HAProxy refused: {words}")),
        Some(words) => Verdict::NotYet(format!("{what}; HAProxy said: {words}")),
        None => Verdict::NotYet(what),
    }
}

/// Both looks at each balancer.
pub fn pairs<'a>(before: &'a Pool, after: &'a Pool) -> impl Iterator<Item = (&'a Balancer, &'a Balancer)> {
    before.balancers.iter().zip(&after.balancers)
}

/// What a balancer lost over a reload: a state or a weight other than expected, in this backend or another.
#[must_use]
pub fn lost(expected: &Balancer, now: &Balancer) -> Option<String> {
    for (name, wanted) in &expected.members {
        let found = now.members.get(name).map(|m| (m.state, m.weight));
        if found != Some((wanted.state, wanted.weight)) {
            return Some(difference(now, name, (wanted.state, wanted.weight), found));
        }
    }
    for wanted in &expected.elsewhere {
        let found = now
            .elsewhere
            .iter()
            .find(|e| e.backend == wanted.backend && e.server == wanted.server);
        let found = found.map(|e| (e.state, e.weight));
        if found != Some((wanted.state, wanted.weight)) {
            let name = format!("{}/{}", wanted.backend, wanted.server);
            return Some(difference(now, &name, (wanted.state, wanted.weight), found));
        }
    }
    None
}

fn difference(now: &Balancer, name: &str, wanted: (State, i64), found: Option<(State, i64)>) -> String {
    let (state, weight) = found.unwrap_or((State::Absent, 0));
    let (host, state, was) = (&now.host, state.word(), wanted.0.word());
    format!(
        "{host}: after the reload {name} is {state} with weight {weight}, and was {was} with weight {}",
        wanted.1
    )
}

/// Why a member does not yet count as back in service on a balancer; `None`: it does.
///
/// After maintenance and at a process's start, health begins at `rise` and a success takes it to `rise + fall - 1`: full health proves a new
/// check. Where it does not (a drained server was checked all along; `fall 1`; states loaded from a file), so much time must have passed
/// that a check has begun since, and none may be under way.
#[must_use]
pub fn not_in_service(target: &Target, before: &Balancer, after: &Balancer, name: &str) -> Option<String> {
    let Some(member) = after.members.get(name).filter(|m| m.state != State::Absent) else {
        return Some(format!("{}: {name} is not in the running process", after.host));
    };
    let say = |what: String| Some(format!("{}: {name} {what}", after.host));
    if member.state != State::Ready {
        return say(format!("is in state {}", member.state.word()));
    }
    let check = member.check.clone().unwrap_or_default();
    if !member.up {
        return say(format!("is down ({})", if check.is_empty() { "not checked yet" } else { &check }));
    }
    if !member.checked {
        return None;
    }
    let word = check.split('/').next().unwrap_or_default();
    let health = member.health.unwrap_or_default();
    let full = health.rise + health.fall - 1;
    if health.value < full || !(word.ends_with("OK") || word == "L7OKC") {
        return say(format!("is not healthy yet ({word}, {} of {full})", health.value));
    }
    let file = Config::parse(&after.file.content);
    let backend = target.pool.backend.as_str();
    let reloaded = before.process.pid != after.process.pid;
    let was_out = before.members.get(name).is_none_or(|m| m.state >= State::Maint);
    let began_anew = if reloaded { !file.loads_state(backend) } else { was_out };
    if began_anew && health.fall > 1 {
        return None;
    }
    let interval_ms = file.server(backend, &member.server).map_or(2000, |line| line.interval.as_millis());
    // Whole seconds are rounded, up to one second too high.
    let needed = i64::try_from(interval_ms.div_ceil(1000)).unwrap_or(i64::MAX).saturating_add(1);
    let elapsed = member.seconds_in_state.unwrap_or(0).min(after.process.uptime_s.unwrap_or(0));
    if elapsed < needed || health.checking {
        return say(String::from("waits for a health check newer than the change"));
    }
    None
}
