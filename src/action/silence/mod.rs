//! `silence`: keeps Alertmanager from telling people about what a run does, and ends that again.

mod api;
mod bound;

use crate::action::declare::optional;
use crate::model::action::{Action, ActionKind, Arguments, BindError, Class, Context, ParameterKind, RunsOn, Signature};
use crate::model::types::Type;

use api::{Alertmanager, Matcher};
use bound::{Expire, Mute};

/// The variable of the inventory that names Alertmanager.
const VARIABLE: &str = "alertmanager";

/// See the signature.
pub struct Silence;

static SIGNATURE: Signature = Signature {
    name: "silence",
    summary: "Silences alerts in Alertmanager for a while, or ends such a silence.",
    docs: "Asked from the controller, over Alertmanager's HTTP API version 2. A silence that runbook has made with the same matchers and \
           that lasts at least half as long as wanted is enough, and one that ends sooner is extended; silences of other people are \
           neither counted nor touched, since their owners need them. It is on when Alertmanager lists it as active.\n\n\
           A silence is something taken: say `owes:` with the step that ends it, so that it ends early also when something fails. That \
           step best says `state: expired` and the same `matchers`; the `id` of this step's result means exactly one silence, but is \
           not known where this step has failed. In any case a silence ends by itself after `duration`. Taken back by ending it. Ending \
           a silence is a return and stays.\n\nWhere Alertmanager is stands in `url`, or once for all in the inventory, as the \
           variable `alertmanager` of its hosts or groups.",
    parameters: &[
        optional(
            "matchers",
            ParameterKind::TextMap,
            "Labels and their values; all must fit. A value that begins with `~` is a regular expression: `~web-.*`. Required unless \
             `id` is given.",
        ),
        optional("duration", ParameterKind::Duration, "How long. Required unless `state: expired`."),
        optional(
            "comment",
            ParameterKind::Text,
            "Why, for whoever finds it. Required unless `state: expired`.",
        ),
        optional(
            "state",
            ParameterKind::Choice(&["active", "expired"]),
            "`expired` ends the silence with that `id`, or all that runbook has made with these matchers. Default: active.",
        ),
        optional(
            "id",
            ParameterKind::Text,
            "The silence to end, as `silence_id` of the step that made it. Only with `state: expired`.",
        ),
        optional(
            "url",
            ParameterKind::Url,
            "Alertmanager, `http://HOST:9093`. Default: the variable `alertmanager` in the inventory.",
        ),
    ],
    shorthand: None,
    results,
    class: Class::Reversible,
    class_of: None,
    runs_on: RunsOn::Controller,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: mute
name: No alerts about the server while it is being upgraded
silence:
  matchers: { instance: "~web-01(:[0-9]+)?" }
  duration: 30m
  comment: upgrade of web-01
  url: http://192.0.2.20:9093
owes: unmute
"#,
};

fn results() -> Type {
    Type::record([("silence_id", Type::Text), ("active", Type::Bool)])
}

impl ActionKind for Silence {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let api = Alertmanager::new(url(arguments, context)?, context.timeout);
        let matchers = Matcher::all(arguments.get("matchers"))?;
        let id = arguments.text("id");
        let needs = |name: &str| BindError::new(name, "it is missing").help(format!("give `{name}`, or end one with `state: expired`"));
        if arguments.text("state") == Some("expired") {
            if let Some(name) = ["duration", "comment"].into_iter().find(|n| arguments.get(n).is_some()) {
                return Err(BindError::new(name, "it makes no sense for a silence that is to end"));
            }
            return match (id, matchers.is_empty()) {
                (Some(id), true) => Ok(Box::new(Expire::by_id(api, id)?)),
                (None, false) => Ok(Box::new(Expire::by_matchers(api, matchers))),
                (Some(_), false) => Err(BindError::new("matchers", "`id` says already which silence is meant")),
                (None, true) => Err(BindError::new("id", "nothing says which silence is meant").help("give `id` or `matchers`")),
            };
        }
        if id.is_some() {
            return Err(BindError::new(
                "id",
                "Alertmanager gives a new silence its id; `id` stands only with `state: expired`",
            ));
        }
        if matchers.is_empty() {
            return Err(needs("matchers"));
        }
        let comment = arguments
            .text("comment")
            .filter(|c| !c.trim().is_empty())
            .ok_or_else(|| needs("comment"))?;
        let duration = arguments
            .duration("duration")
            .filter(|d| !d.is_zero())
            .ok_or_else(|| needs("duration"))?;
        Ok(Box::new(Mute {
            api,
            matchers,
            comment: comment.to_owned(),
            duration,
        }))
    }
}

/// As given, or as the inventory's hosts agree.
fn url(arguments: &Arguments, context: &Context<'_>) -> Result<String, BindError> {
    if let Some(url) = arguments.text("url") {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let mut found: Vec<&str> = context.inventory.hosts.values().filter_map(|h| h.setting(VARIABLE)).collect();
    found.sort_unstable();
    found.dedup();
    let help = "give `url: http://HOST:9093`, or set the variable `alertmanager` once, in the group `all` of the inventory";
    match found.as_slice() {
        [only] if only.starts_with("http://") => Ok(only.trim_end_matches('/').to_owned()),
        [only] => Err(BindError::new(
            "url",
            format!("the inventory's `alertmanager` is `{only}`, which is no `http://` address"),
        )
        .help(help)),
        [] => Err(BindError::new("url", "nothing says where Alertmanager is").help(help)),
        several => {
            let message = format!("the inventory names {} different addresses of Alertmanager", several.len());
            Err(BindError::new("url", message).help(help))
        }
    }
}
