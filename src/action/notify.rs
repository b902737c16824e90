//! `notify`: tells people something.

use crate::action::declare::{optional, required};
use crate::action::tell::{SEVERITIES, Telling, results};
use crate::model::action::{Action, ActionKind, Arguments, BindError, Class, Context, ParameterKind, RunsOn, Signature};

/// See the signature.
pub struct Notify;

static SIGNATURE: Signature = Signature {
    name: "notify",
    summary: "Tells people something.",
    docs: "Goes to channels and groups of people of the configuration. The same text of the same step is sent once in a run. A channel \
           that cannot be reached makes the step fail; `allow_failure: true` lets the run go on.",
    parameters: &[
        required(
            "to",
            ParameterKind::TextList,
            "One or several channels or groups of people of the configuration.",
        ),
        required("message", ParameterKind::Text, "The text."),
        optional(
            "attach",
            ParameterKind::TextList,
            "Longer texts to go with it, such as `{{steps.top.stdout}}`.",
        ),
        optional("severity", ParameterKind::Choice(SEVERITIES), "How urgent it is. Default: info."),
    ],
    shorthand: None,
    results,
    class: Class::Passing,
    class_of: None,
    runs_on: RunsOn::Controller,
    repeatable: false,
    pool_effect: None,
    example: r#"
id: tell
name: Tell the team
notify:
  to: ops_chat
  message: "{{params.master.name}} is back in the pool."
"#,
};

impl ActionKind for Notify {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        Ok(Box::new(Telling::bind(arguments, context, "info")?))
    }
}
