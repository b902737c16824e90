//! `command`: runs a program, without a shell.

use crate::action::declare::required;
use crate::action::program::{Program, class_of, pool_effect, program_docs, program_parameters, results, shown};
use crate::model::action::{Action, ActionKind, Arguments, BindError, Class, Context, ParameterKind, RunsOn, Signature};

/// See the signature.
pub struct Command;

static SIGNATURE: Signature = Signature {
    name: "command",
    summary: "Runs a program, without a shell.",
    docs: program_docs!(
        "Each item of `argv` reaches the program as one argument, whatever it holds: no quoting, no word splitting, no `$`, no `*`. \
         Use this rather than `shell` wherever one program is enough."
    ),
    parameters: program_parameters![required(
        "argv",
        ParameterKind::TextList,
        "The program and its arguments, one item each."
    )],
    shorthand: None,
    results,
    class: Class::Destructive,
    class_of: Some(class_of),
    runs_on: RunsOn::HostOrControl,
    repeatable: false,
    pool_effect: Some(pool_effect),
    example: r#"
id: biggest
name: Show the biggest processes
command:
  argv: [ps, -eo, "pid,rss,args", --sort=-rss]
  read_only: true
  max_lines: 15
"#,
};

impl ActionKind for Command {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let argv = arguments.texts("argv");
        if argv.first().is_none_or(String::is_empty) {
            return Err(BindError::new("argv", "it names no program").help("for example `argv: [systemctl, --failed]`"));
        }
        let shown = shown(&argv);
        Ok(Box::new(Program::bind(argv, shown, arguments, context)?))
    }
}
