//! Conditions judged on values, with words for people; shared by the planner and the executor.

use crate::base::sanitise;
use crate::base::value::Value;
use crate::diagnostic::Diagnostic;
use crate::lang::expression;
use crate::model::text::{Expression, Scope};

/// Three-valued truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It is so.
    True,
    /// It is not; the words say what was found.
    False(String),
    /// Only the run can tell.
    Unknown,
}

/// Judges a condition.
///
/// # Errors
/// When it cannot be evaluated (a missing key of a dynamic value, a division by zero).
pub fn condition(e: &Expression, scope: &Scope) -> Result<Truth, Diagnostic> {
    match expression::eval(e, scope) {
        Ok(Value::Bool(true)) => Ok(Truth::True),
        Ok(Value::Bool(false)) => Ok(Truth::False(found(e, scope))),
        Ok(Value::Unknown) => Ok(Truth::Unknown),
        Ok(other) => Err(Diagnostic::error(
            "RB0709",
            e.span,
            format!("expected true or false, found `{other}`"),
        )),
        Err(error) => Err(Diagnostic::error(
            "RB0709",
            e.span,
            format!("cannot evaluate `{}`: {error}", e.source),
        )),
    }
}

/// `result.status == 200` is false: `result.status` is 500
fn found(e: &Expression, scope: &Scope) -> String {
    worded(e, scope, "false")
}

/// A condition that holds, with the values that it was judged on: `` `steps.f.load > 3.0` is true: `steps.f.load` is 4.2 ``
#[must_use]
pub fn held(e: &Expression, scope: &Scope) -> String {
    worded(e, scope, "true")
}

fn worded(e: &Expression, scope: &Scope, truth: &str) -> String {
    let mut seen = Vec::new();
    for path in expression::paths(&e.root) {
        if let Some(value) = scope.at(&path) {
            let text = match value {
                Value::Map(_) => continue,
                Value::List(items) => format!("a list of {}", items.len()),
                other => sanitise::one_line(&other.to_string(), 60),
            };
            let line = format!("`{}` is {text}", path.join("."));
            if !seen.contains(&line) {
                seen.push(line);
            }
        }
    }
    let source = sanitise::one_line(&e.source, 120);
    if seen.is_empty() {
        format!("`{source}` is {truth}")
    } else {
        format!("`{source}` is {truth}: {}", seen.join(", "))
    }
}
