//! `shell`: runs a script in a shell.

use crate::action::declare::required;
use crate::action::program::{Program, class_of, pool_effect, program_docs, program_parameters, results};
use crate::model::action::{Action, ActionKind, Arguments, BindError, Class, Context, ParameterKind, RunsOn, Signature};

/// See the signature.
pub struct Shell;

static SIGNATURE: Signature = Signature {
    name: "shell",
    summary: "Runs a script in a POSIX shell.",
    docs: program_docs!(
        "For pipes, redirections and loops; where one program is enough, `command` is safer. Every placeholder in `script` is quoted \
         for the shell by itself, so it must not stand inside quotes. The exit code is that of the last command: begin the script with \
         `set -e` to stop at the first failure."
    ),
    parameters: program_parameters![
        required(
            "script",
            ParameterKind::Script,
            "The script. Placeholders in it are quoted for the shell."
        ),
        crate::action::declare::optional(
            "shell",
            ParameterKind::Text,
            "The shell, called as `SHELL -c SCRIPT`: a name or an absolute path. Default: sh."
        ),
    ],
    shorthand: Some("script"),
    results,
    class: Class::Destructive,
    class_of: Some(class_of),
    runs_on: RunsOn::HostOrControl,
    repeatable: false,
    pool_effect: Some(pool_effect),
    example: r#"
id: open_files
name: Count the open files of the application
shell:
  script: "ls /proc/*/fd 2>/dev/null | wc -l"
  read_only: true
"#,
};

impl ActionKind for Shell {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let script = arguments.text("script").unwrap_or_default();
        if script.trim().is_empty() {
            return Err(BindError::new("script", "it is empty"));
        }
        let shell = arguments.text("shell").unwrap_or("sh");
        let argv = vec![shell.to_owned(), String::from("-c"), script.to_owned()];
        let shown = script.trim().to_owned();
        Ok(Box::new(Program::bind(argv, shown, arguments, context)?))
    }
}
