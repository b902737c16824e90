//! Expressions: a typed subset of CEL. Whatever is accepted here evaluates as CEL does.
//!
//! Source → tokens → tree with byte spans in the file → checked against a [`TypeEnv`] → [`eval`] over a `Scope`. Nothing here may
//! recurse deeper than `base::bound::EXPRESSION_DEPTH`, so no input can exhaust the stack.

mod check;
mod eval;
mod functions;
mod lex;
mod operators;
#[cfg(test)]
mod oracle;
mod parse;
mod paths;

pub use eval::{EvalError, NOW, eval};
pub use paths::paths;

use crate::diagnostic::{Diagnostics, Span};
use crate::lang::types::TypeEnv;
use crate::model::text::Expression;
use crate::model::types::Type;

/// Reads and checks an expression whose content stands at `at`.
///
/// `want`: the type the place needs; `None` takes any. The expression is `None` exactly when there are errors.
pub fn compile(source: &str, at: Span, env: &TypeEnv, want: Option<&Type>) -> (Option<Expression>, Diagnostics) {
    let place = Place::new(source, at);
    let mut problems = Diagnostics::new();
    let root = match parse::parse(source, place) {
        Ok(root) => root,
        Err(problem) => {
            problems.push(*problem);
            return (None, place.settle(problems));
        }
    };
    let kind = check::check(&root, env, want, &mut problems);
    let problems = place.settle(problems);
    match kind {
        Some(kind) if !problems.has_errors() => {
            let expression = Expression {
                source: source.to_owned(),
                span: at,
                root,
                kind,
            };
            (Some(expression), problems)
        }
        _ => (None, problems),
    }
}

/// Where the content of a text stands in its file.
#[derive(Clone, Copy, Debug)]
pub(in crate::lang) struct Place {
    at: Span,
    exact: bool,
}

impl Place {
    /// `source` is what the file holds at `at`, unless escapes or folding made the lengths differ.
    pub(in crate::lang) fn new(source: &str, at: Span) -> Place {
        let length = at.end.saturating_sub(at.start) as usize;
        Place {
            at,
            exact: length == source.len(),
        }
    }

    /// Bytes `start..end` of the content, as a place in the file; the whole text where that cannot be told.
    pub(in crate::lang) fn span(self, start: usize, end: usize) -> Span {
        if self.exact { self.at.within(start, end) } else { self.at }
    }

    /// Where places are not exact, a replacement would replace too much: it becomes a sentence.
    pub(in crate::lang) fn settle(self, problems: Diagnostics) -> Diagnostics {
        if self.exact {
            return problems;
        }
        let mut settled = Diagnostics::new();
        for problem in problems.iter() {
            let mut problem = problem.clone();
            if let Some(text) = problem.replacement.take() {
                problem.help = problem.help.or_else(|| Some(format!("did you mean `{text}`?")));
            }
            settled.push(problem);
        }
        settled
    }
}
