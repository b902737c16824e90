//! `escalate`: calls people who must act.

use crate::action::declare::{optional, required};
use crate::action::tell::{SEVERITIES, Telling, results};
use crate::model::action::{Action, ActionKind, Arguments, BindError, Class, Context, ParameterKind, RunsOn, Signature};

/// See the signature.
pub struct Escalate;

static SIGNATURE: Signature = Signature {
    name: "escalate",
    summary: "Calls people who must act.",
    docs: "As `notify`, but for the case that somebody has to take over: critical unless it says otherwise. Most at home in `on_failure`.",
    parameters: &[
        required(
            "to",
            ParameterKind::TextList,
            "One or several channels or groups of people of the configuration.",
        ),
        required("message", ParameterKind::Text, "What has happened and what is asked of them."),
        optional(
            "severity",
            ParameterKind::Choice(SEVERITIES),
            "How urgent it is. Default: critical.",
        ),
    ],
    shorthand: None,
    results,
    class: Class::Passing,
    class_of: None,
    runs_on: RunsOn::Controller,
    repeatable: false,
    pool_effect: None,
    example: r#"
id: page
name: Call the person on duty
escalate:
  to: oncall_web
  message: "recover-master failed on {{params.master.name}}: {{run.failure.summary}}"
"#,
};

impl ActionKind for Escalate {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        Ok(Box::new(Telling::bind(arguments, context, "critical")?))
    }
}
