//! From a step as written to an action bound to a host: renders arguments, resolves hosts and identities.
//!
//! Shared by the planner and the executor, so that what is previewed and what runs come from the same code.

use std::collections::BTreeMap;

use crate::base::id::HostName;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Span};
use crate::lang::template;
use crate::model::action::{Action, ActionKind, Arguments, Catalog, Context, RunsOn, Signature};
use crate::model::convert;
use crate::model::inventory::Inventory;
use crate::model::operation::Identity;
use crate::model::pattern;
use crate::model::runbook::{Argument, ArgumentKind, Call, Place, Runbook, Step};
use crate::model::text::{Scope, Text};

/// What binding needs to know about the world.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The runbook.
    pub runbook: &'a Runbook,
    /// Hosts and pools.
    pub inventory: &'a Inventory,
    /// The actions.
    pub catalog: &'a dyn Catalog,
}

/// The declaration of the action a step calls.
///
/// # Errors
/// When the catalogue has no such action.
pub fn kind<'a>(world: World<'a>, call: &Call) -> Result<&'a dyn ActionKind, Diagnostic> {
    let unknown = || Diagnostic::error("RB0110", call.action.span, format!("unknown action `{}`", call.action.value));
    world.catalog.get(&call.action.value).ok_or_else(unknown)
}

/// Renders the arguments of a call and converts each to its parameter's kind.
///
/// # Errors
/// At the argument that cannot be rendered or is not of its kind.
pub fn arguments(call: &Call, signature: &Signature, scope: &Scope) -> Result<Arguments, Diagnostic> {
    let mut rendered = BTreeMap::new();
    for (name, argument) in &call.arguments {
        let Some(parameter) = signature.parameters.iter().find(|p| p.name == name) else {
            continue;
        };
        let value = value_of(argument, scope)?;
        let value = convert::argument(parameter.kind, value)
            .map_err(|message| Diagnostic::error("RB0701", argument.span, format!("`{name}` of `{}`: {message}", signature.name)))?;
        rendered.insert(name.clone(), value);
    }
    Ok(Arguments(rendered))
}

/// Renders one argument.
///
/// # Errors
/// At the text that cannot be rendered.
pub fn value_of(argument: &Argument, scope: &Scope) -> Result<Value, Diagnostic> {
    match &argument.kind {
        ArgumentKind::Value(value) => Ok(value.clone()),
        ArgumentKind::Text(text) => render(text, scope),
        ArgumentKind::List(items) => items
            .iter()
            .map(|item| value_of(item, scope))
            .collect::<Result<_, _>>()
            .map(Value::List),
        ArgumentKind::Map(items) => items
            .iter()
            .map(|(k, item)| Ok((k.clone(), value_of(item, scope)?)))
            .collect::<Result<_, Diagnostic>>()
            .map(Value::Map),
    }
}

/// Renders a text.
///
/// # Errors
/// At the text, when a value it needs is missing.
pub fn render(text: &Text, scope: &Scope) -> Result<Value, Diagnostic> {
    template::render(text, scope).map_err(|e| Diagnostic::error("RB0702", text.span, format!("cannot fill in this text: {e}")))
}

/// Renders a text that must come out as text now.
///
/// # Errors
/// As [`render`], and when a value is known only at run time.
pub fn render_now(text: &Text, scope: &Scope) -> Result<String, Diagnostic> {
    match render(text, scope)? {
        Value::Unknown => Err(Diagnostic::error(
            "RB0703",
            text.span,
            "this text is needed before the run and depends on what only the run can tell",
        )),
        value => Ok(value.to_string()),
    }
}

/// Where a step runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Once: on the controller, or on a pool's balancers.
    Once,
    /// On each of these.
    Each(Vec<HostName>),
}

impl Hosts {
    /// Each place by itself; `None` is the controller, or a pool's balancers.
    #[must_use]
    pub fn each(self) -> Vec<Option<HostName>> {
        match self {
            Hosts::Once => vec![None],
            Hosts::Each(list) => list.into_iter().map(Some).collect(),
        }
    }
}

/// The hosts of a step.
///
/// # Errors
/// A pattern that means nothing, or nobody, unless `allow_empty`.
pub fn hosts(world: World<'_>, step: &Step, runs_on: RunsOn, scope: &Scope, loop_host: Option<&HostName>) -> Result<Hosts, Diagnostic> {
    if matches!(runs_on, RunsOn::Balancers | RunsOn::Controller) {
        return Ok(Hosts::Once);
    }
    match (&step.hosts, loop_host, &world.runbook.home_of(&step.id).hosts) {
        (Some(Place::Control), _, _) => Ok(Hosts::Once),
        (Some(Place::Pattern(text)), _, _) => select(world, text, scope, step.allow_empty).map(Hosts::Each),
        (None, Some(host), _) => Ok(Hosts::Each(vec![host.clone()])),
        (None, None, inherited) => {
            let text = inherited
                .as_ref()
                .expect("the compiler refuses a step that needs hosts and has none");
            select(world, text, scope, step.allow_empty).map(Hosts::Each)
        }
    }
}

/// The hosts a pattern means, a loop variable's name included.
///
/// # Errors
/// As [`hosts`].
pub fn select(world: World<'_>, text: &Text, scope: &Scope, allow_empty: bool) -> Result<Vec<HostName>, Diagnostic> {
    let pattern = render_now(text, scope)?;
    if let Some(name) = scope.get(&pattern).and_then(|v| v.field("name")) {
        return Ok(vec![HostName::from(name.to_string())]);
    }
    match pattern::select(&pattern, world.inventory) {
        Ok(found) if found.is_empty() && !allow_empty => Err(no_host(text.span, &pattern)),
        Ok(found) => Ok(found),
        Err(_) if allow_empty => Ok(Vec::new()),
        Err(message) => Err(Diagnostic::error("RB0705", text.span, format!("hosts `{pattern}`: {message}"))),
    }
}

fn no_host(span: Span, pattern: &str) -> Diagnostic {
    Diagnostic::error("RB0705", span, format!("hosts `{pattern}` match no host of the inventory"))
        .help("`runbook inventory list` shows the hosts and groups; say `allow_empty: true` if none is fine")
}

/// Binds the action of a step to a host.
///
/// # Errors
/// At the argument that does not fit.
pub fn bind(
    world: World<'_>,
    step: &Step,
    call: &Call,
    arguments: &Arguments,
    host: Option<&HostName>,
    scope: &Scope,
) -> Result<Box<dyn Action>, Diagnostic> {
    let kind = kind(world, call)?;
    let run_as = identity(world, step, host, scope)?;
    let host = host.and_then(|h| world.inventory.hosts.get(h));
    let context = Context {
        host,
        run_as: &run_as,
        inventory: world.inventory,
        timeout: step.timeout,
    };
    kind.bind(arguments, &context).map_err(|e| {
        let span = call.arguments.get(&e.parameter).map_or(call.action.span, |a| a.span);
        let on = host.map(|h| format!(" on {}", h.name)).unwrap_or_default();
        let diagnostic = Diagnostic::error("RB0706", span, format!("`{}`{on}: {}", call.action.value, e.message));
        match e.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    })
}

/// Whose rights a step needs on a host: its `run_as`, unless the login user is that user or is enough there.
fn identity(world: World<'_>, step: &Step, host: Option<&HostName>, scope: &Scope) -> Result<Identity, Diagnostic> {
    let host = host.and_then(|h| world.inventory.hosts.get(h));
    let user = match step.run_as.as_ref().or(world.runbook.home_of(&step.id).run_as.as_ref()) {
        Some(text) => render_now(text, scope)?,
        None => match host.and_then(|h| h.run_as.clone()) {
            Some(user) => user,
            None => return Ok(Identity::Login),
        },
    };
    let login = host.is_some_and(|h| h.login_is_enough || h.user.as_deref() == Some(user.as_str()));
    Ok(if login { Identity::Login } else { Identity::User(user) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::action::CATALOG;
    use crate::diagnostic::Sources;

    const HEAD: &str = "runbook: x\nlanguage: 1\ndescription: An example\n";

    /// Whose rights the first step gets on `host`.
    fn rights(steps: &str, host: &str) -> Identity {
        let mut sources = Sources::new();
        let text = "[web]\nroot ansible_become=true\napp ansible_become=1 ansible_become_user=app ansible_user=app\nenough ansible_become=no\nplain\n";
        let hosts = sources.add("hosts", text);
        let (inventory, mistakes) = crate::inventory::parse(&sources, &[(hosts, String::new())]);
        let inventory = inventory.unwrap_or_else(|| panic!("{mistakes:#?}"));
        let id = sources.add("x.yaml", format!("{HEAD}{steps}"));
        let (runbook, mistakes) = crate::lang::compile(&sources, id, None, &CATALOG);
        let runbook = runbook.unwrap_or_else(|| panic!("{mistakes:#?}"));
        let world = World {
            runbook: &runbook,
            inventory: &inventory,
            catalog: &CATALOG,
        };
        identity(world, &runbook.steps[0], Some(&HostName::from(host)), &Scope::default()).unwrap()
    }

    #[test]
    fn a_host_says_as_whom_steps_work_that_name_nobody() {
        let nobody = "steps:\n  - { id: look, hosts: web, facts: [memory] }\n";
        let named = "steps:\n  - { id: look, hosts: web, run_as: www, facts: [memory] }\n";
        let user = |name: &str| Identity::User(name.to_owned());
        assert_eq!(rights(nobody, "root"), user("root"));
        // The login user is that user.
        assert_eq!(rights(nobody, "app"), Identity::Login);
        assert_eq!(rights(nobody, "enough"), Identity::Login);
        assert_eq!(rights(nobody, "plain"), Identity::Login);
        // What the runbook says counts before it.
        assert_eq!(rights(named, "root"), user("www"));
        assert_eq!(rights(named, "plain"), user("www"));
        assert_eq!(rights(named, "enough"), Identity::Login);
    }
}
