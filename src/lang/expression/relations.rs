//! Which types an operator can join.

use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, nearest};
use crate::lang::types::short;
use crate::model::text::{Expr, ExprKind};
use crate::model::types::Type;

use super::check::{Checker, undecided};

impl Checker<'_> {
    pub(super) fn equality(&mut self, s: &Sides) -> Option<Type> {
        if is_null(s.left) || is_null(s.right) {
            return Some(Type::Bool);
        }
        self.word(&s.a, s.right)?;
        self.word(&s.b, s.left)?;
        match comparable(&s.a, &s.b) {
            Comparable::Yes => Some(Type::Bool),
            Comparable::Undecided => self.report(undecided(
                s.whole.span,
                "compare with a literal, or say the type: `int(…)`, `double(…)`, `string(…)`",
            )),
            Comparable::No => self.report(s.mismatch()),
        }
    }

    pub(super) fn membership(&mut self, s: &Sides) -> Option<Type> {
        if let ExprKind::List(items) = &s.right.kind {
            let mut sound = true;
            for item in items {
                sound &= self.word(&s.a, item).is_some();
            }
            if !sound {
                return None;
            }
        }
        let verdict = match &s.b {
            Type::List(item) => {
                self.word(item, s.left)?;
                comparable(&s.a, item)
            }
            Type::Map(_) => comparable(&s.a, &Type::Text),
            Type::Dynamic if s.a == Type::Dynamic => Comparable::Undecided,
            Type::Dynamic => Comparable::Yes,
            other => {
                let problem = Diagnostic::error(
                    "RB0204",
                    s.right.span,
                    format!("`in` needs a list or a map, found a {}", short(other)),
                );
                let problem = problem.label("not a list");
                return self.report(if matches!(other, Type::Text | Type::Enum(_)) {
                    problem.help("for a part of a text: `text.contains('part')`")
                } else {
                    problem
                });
            }
        };
        match verdict {
            Comparable::Yes => Some(Type::Bool),
            Comparable::Undecided => self.report(undecided(s.whole.span, "compare with literals, or say the type: `string(x) in …`")),
            Comparable::No => self.report(s.mismatch()),
        }
    }

    /// A literal that is compared with an enum must be one of its words.
    fn word(&mut self, kind: &Type, other: &Expr) -> Option<()> {
        if let (Type::Enum(words), ExprKind::Literal(Value::Text(word))) = (kind, &other.kind)
            && !words.contains(word)
        {
            let problem = Diagnostic::error("RB0205", other.span, format!("it is never `{word}`"));
            let problem = problem.label(format!("one of {}", words.join(", ")));
            self.report(match nearest(word, words.iter().map(String::as_str)) {
                Some(near) => problem.replacement(format!("'{near}'")),
                None => problem,
            });
            return None;
        }
        Some(())
    }

    pub(super) fn order(&mut self, s: &Sides) -> Option<Type> {
        let ordered = |t: &Type| {
            matches!(
                t,
                Type::Int | Type::Float | Type::Text | Type::Duration | Type::Size | Type::Percent
            )
        };
        match (&s.a, &s.b) {
            (Type::Dynamic, Type::Dynamic) => self.report(undecided(
                s.whole.span,
                "compare with a literal, or say the type: `int(…)`, `double(…)`",
            )),
            (Type::Dynamic, t) | (t, Type::Dynamic) if ordered(t) => Some(Type::Bool),
            (a, b) if ordered(a) && ordered(b) && matches!(comparable(a, b), Comparable::Yes) => Some(Type::Bool),
            _ => self.report(s.mismatch()),
        }
    }

    pub(super) fn arithmetic(&mut self, s: &Sides) -> Option<Type> {
        let fits = |t: &Type| match s.operator {
            "+" => matches!(t, Type::Int | Type::Float | Type::Text | Type::Duration | Type::List(_)),
            "-" => matches!(t, Type::Int | Type::Float | Type::Duration),
            "%" => *t == Type::Int,
            _ => matches!(t, Type::Int | Type::Float),
        };
        let plain = |t: &Type| if matches!(t, Type::Enum(_)) { Type::Text } else { t.clone() };
        match (plain(&s.a), plain(&s.b)) {
            (Type::Dynamic, Type::Dynamic) => self.report(undecided(s.whole.span, "say the type: `int(…)`, `double(…)`, `string(…)`")),
            (Type::Dynamic, t) | (t, Type::Dynamic) if fits(&t) => Some(t),
            (Type::List(a), Type::List(b)) if s.operator == "+" => match unite(&a, &b) {
                Some(item) => Some(Type::list(item)),
                None => self.report(s.mismatch()),
            },
            (a, b) if a == b && fits(&a) => Some(a),
            _ => self.report(s.mismatch()),
        }
    }
}

/// The two sides of an operator, and their types.
pub(super) struct Sides<'a> {
    pub operator: &'static str,
    pub whole: &'a Expr,
    pub left: &'a Expr,
    pub right: &'a Expr,
    pub a: Type,
    pub b: Type,
}

impl Sides<'_> {
    fn mismatch(&self) -> Diagnostic {
        let (a, b, operator) = (short(&self.a), short(&self.b), self.operator);
        let message = if a == b {
            format!("`{operator}` cannot join two values of type {a}")
        } else {
            format!("`{operator}` cannot join a {a} and a {b}")
        };
        let problem = Diagnostic::error("RB0204", self.whole.span, message);
        let problem = if self.left.span == self.right.span {
            problem
        } else {
            problem.also(self.left.span, a).also(self.right.span, b)
        };
        match self.advice() {
            Some(help) => problem.help(help),
            None => problem,
        }
    }

    fn advice(&self) -> Option<&'static str> {
        let either = |f: fn(&Type) -> bool| f(&self.a) || f(&self.b);
        let number = |t: &Type| matches!(t, Type::Int | Type::Float);
        if number(&self.a) && number(&self.b) {
            return Some("make both a float: `double(x)`, and write whole numbers as `2.0`");
        }
        if either(|t| *t == Type::Duration) {
            return Some("compare `.seconds` with a number, or with `duration('5m')`");
        }
        if either(|t| *t == Type::Size) {
            return Some("use `.bytes`");
        }
        if either(|t| *t == Type::Percent) {
            return Some("use `.percent` (20.0 for 20%) or `.ratio` (0.2)");
        }
        if either(|t| matches!(t, Type::Record(_) | Type::Map(_))) {
            return Some("compare single fields: `x.name == y.name`");
        }
        if either(|t| matches!(t, Type::Text | Type::Enum(_))) && either(|t| matches!(t, Type::Int | Type::Float)) {
            return Some("a number stands without quotes; a text becomes a number with `int(x)` or `double(x)`");
        }
        None
    }
}

enum Comparable {
    Yes,
    Undecided,
    No,
}

fn comparable(a: &Type, b: &Type) -> Comparable {
    match (a, b) {
        (Type::Dynamic, Type::Dynamic) => Comparable::Undecided,
        (Type::Record(_) | Type::Map(_), _) | (_, Type::Record(_) | Type::Map(_)) => Comparable::No,
        (Type::Dynamic, _)
        | (_, Type::Dynamic)
        | (Type::Int | Type::Float, Type::Int | Type::Float)
        | (Type::Text | Type::Enum(_), Type::Text)
        | (Type::Text, Type::Enum(_)) => Comparable::Yes,
        (Type::Enum(a), Type::Enum(b)) if a.iter().any(|w| b.contains(w)) => Comparable::Yes,
        (Type::List(a), Type::List(b)) => comparable(a, b),
        (a, b) if a == b => Comparable::Yes,
        _ => Comparable::No,
    }
}

/// The type that holds values of both.
pub(super) fn unite(a: &Type, b: &Type) -> Option<Type> {
    match (a, b) {
        (Type::Dynamic, _) | (_, Type::Dynamic) => Some(Type::Dynamic),
        (a, b) if a == b => Some(a.clone()),
        (Type::Text | Type::Enum(_), Type::Text | Type::Enum(_)) => Some(Type::Text),
        (Type::List(a), Type::List(b)) => unite(a, b).map(Type::list),
        _ => None,
    }
}

fn is_null(expr: &Expr) -> bool {
    expr.kind == ExprKind::Literal(Value::Null)
}
