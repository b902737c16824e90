//! Putting a file in place: the parameters that every writing action shares, and how to tell whether it worked.

use crate::action::file::fact::FileFact;
use crate::action::outcome::first_failure;
use crate::base::value::Value;
use crate::model::action::{Arguments, BindError, Verdict};
use crate::model::operation::Output;
use crate::model::types::Type;

/// `validate`.
pub const VALIDATE_DOCS: &str = "A program that checks the new content before it is put in place; `{{file}}` stands for its temporary \
                                 path. An exit code other than 0 leaves the file as it is. Default: no check.";
/// `backup`.
pub const BACKUP_DOCS: &str = "Keep the old file beside the new one. Default: false.";

/// The checking program.
///
/// # Errors
/// It does not say where the file is to be named.
pub fn validate(arguments: &Arguments) -> Result<Option<Vec<String>>, BindError> {
    let argv = arguments.texts("validate");
    if argv.is_empty() {
        return Ok(None);
    }
    if !argv.iter().any(|word| word.contains("{{file}}")) {
        return Err(BindError::new("validate", "it does not say where the new file is named").help("for example `[php, -l, \"{{file}}\"]`"));
    }
    Ok(Some(argv))
}

/// Whether the file is as wanted afterwards. `wanted` compares with what was read back.
#[must_use]
pub fn judge(path: &str, performed: &[Output], now: &FileFact, differs: Option<String>) -> Verdict {
    if let Some(failed) = first_failure(performed, &|_| format!("writing {path}")) {
        return failed;
    }
    match differs {
        None => Verdict::Done,
        Some(_) if now.exists == Some(false) => Verdict::Failed(format!("{path} was written, but is not there any more")),
        Some(what) => Verdict::Failed(format!("{path} was written, but read back {what}")),
    }
}

/// The fields of `steps.ID` of every writing action.
#[must_use]
pub fn record() -> Type {
    Type::record([("exists", Type::Bool), ("sha256", Type::Text), ("backup", Type::Text)])
}

/// Their values: the file as it is now, and where the old one is kept.
#[must_use]
pub fn result(now: &FileFact, performed: &[Output]) -> Value {
    let backup = match performed.last() {
        Some(Output::Put { backup: Some(path), .. }) => Value::text(path),
        _ => Value::Null,
    };
    let field = |name: &str| now.to_value().field(name).unwrap_or_default();
    Value::map([("exists", field("exists")), ("sha256", field("sha256")), ("backup", backup)])
}

/// Whether two octal modes are the same: `0644` and `644` are.
#[must_use]
pub fn same_mode(a: &str, b: &str) -> bool {
    a.trim_start_matches('0') == b.trim_start_matches('0')
}
