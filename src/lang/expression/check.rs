//! The types of a tree. A subtree that is wrong gives `None` and is reported once; what stands around it stays silent.

use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, Span};
use crate::lang::types::{Fact, Segment, TypeEnv, facts, field, segments, short};
use crate::model::text::{Expr, ExprKind};
use crate::model::types::Type;

use super::functions;
use super::relations::{Sides, unite};

/// Checks `root`; `want` is the type its place needs.
pub(super) fn check(root: &Expr, env: &TypeEnv, want: Option<&Type>, problems: &mut Diagnostics) -> Option<Type> {
    let mut checker = Checker {
        env,
        locals: Vec::new(),
        facts: Vec::new(),
        problems,
    };
    let kind = checker.kind(root)?;
    let Some(want) = want else { return Some(kind) };
    if fits(&kind, want) {
        // What is known only at run time is checked then, against what is wanted here.
        return Some(if kind == Type::Dynamic { want.clone() } else { kind });
    }
    checker.report(match (&kind, want) {
        (Type::Dynamic, Type::Bool) => undecided(root.span, "write `… == true`"),
        _ => {
            let problem = Diagnostic::error("RB0209", root.span, format!("expected a {}, found a {}", short(want), short(&kind)));
            let problem = problem.label(format!("this is a {}", short(&kind)));
            if *want == Type::Bool {
                problem.help("a condition compares: `… == 'word'`, `… > 3`, `….size() > 0`")
            } else {
                problem
            }
        }
    })
}

/// The type of a subtree among variables of the comprehensions around it.
#[cfg(test)]
pub(super) fn kind_of(expr: &Expr, env: &TypeEnv, locals: &[(String, Type)]) -> Option<Type> {
    let mut checker = Checker {
        env,
        locals: locals.to_vec(),
        facts: Vec::new(),
        problems: &mut Diagnostics::new(),
    };
    checker.kind(expr)
}

/// True when a value of type `found` can stand where `want` is needed.
#[must_use]
pub(in crate::lang) fn fits(found: &Type, want: &Type) -> bool {
    match (found, want) {
        (_, Type::Dynamic) | (Type::Int, Type::Float) | (Type::Enum(_), Type::Text) => true,
        (Type::Dynamic, want) => *want != Type::Bool,
        (Type::Enum(a), Type::Enum(b)) => a.iter().all(|w| b.contains(w)),
        (Type::List(a), Type::List(b)) | (Type::Map(a), Type::Map(b)) => **a == Type::Dynamic || fits(a, b),
        (Type::Record(a), Type::Record(b)) => b.iter().all(|(name, want)| a.get(name).is_some_and(|found| fits(found, want))),
        (a, b) => a == b,
    }
}

pub(super) struct Checker<'a> {
    env: &'a TypeEnv,
    locals: Vec<(String, Type)>,
    facts: Vec<Fact>,
    problems: &'a mut Diagnostics,
}

impl Checker<'_> {
    /// Reports a problem; `None` so that callers can return it.
    pub(super) fn report(&mut self, problem: Diagnostic) -> Option<Type> {
        self.problems.push(problem);
        None
    }

    /// The type of a subtree.
    pub(super) fn kind(&mut self, expr: &Expr) -> Option<Type> {
        if let Some(path) = segments(expr) {
            return self.path(&path);
        }
        match &expr.kind {
            ExprKind::Literal(value) => Some(literal(value)),
            ExprKind::List(items) => self.list(items),
            ExprKind::Name(_) => None,
            ExprKind::Field(base, name) => self.field(expr, base, name),
            ExprKind::Index(base, index) => self.index(base, index),
            ExprKind::Call {
                function,
                arguments,
                method,
            } => functions::check(self, expr, function, arguments, *method),
            ExprKind::Comprehension {
                function,
                list,
                variable,
                body,
            } => self.comprehension(function, list, variable, body),
            ExprKind::Unary(operator, inner) => self.unary(operator, inner),
            ExprKind::Binary(operator, left, right) => self.binary(operator, expr, left, right),
            ExprKind::Conditional(test, yes, no) => self.conditional(expr, test, yes, no),
        }
    }

    /// As [`Checker::kind`], where a missing value is no mistake.
    pub(super) fn kind_if_present(&mut self, expr: &Expr) -> Option<Type> {
        match segments(expr) {
            Some(path) => match self.env.where_absent_is_fine().resolve(&path, &self.locals, &self.facts) {
                Ok(kind) => Some(kind),
                Err(problem) => self.report(*problem),
            },
            None => self.kind(expr),
        }
    }

    fn path(&mut self, path: &[Segment]) -> Option<Type> {
        match self.env.resolve(path, &self.locals, &self.facts) {
            Ok(kind) => Some(kind),
            Err(problem) => self.report(*problem),
        }
    }

    fn list(&mut self, items: &[Expr]) -> Option<Type> {
        let mut joined: Option<Type> = None;
        let mut sound = true;
        for item in items {
            let Some(kind) = self.kind(item) else {
                sound = false;
                continue;
            };
            joined = match joined.take() {
                None => Some(kind),
                Some(before) => match unite(&before, &kind) {
                    Some(both) => Some(both),
                    None => {
                        self.report(
                            Diagnostic::error("RB0204", item.span, "a list holds values of one type").label(format!(
                                "a {} among values of type {}",
                                short(&kind),
                                short(&before)
                            )),
                        );
                        sound = false;
                        Some(before)
                    }
                },
            };
        }
        sound.then(|| Type::list(joined.unwrap_or(Type::Dynamic)))
    }

    fn field(&mut self, expr: &Expr, base: &Expr, name: &str) -> Option<Type> {
        let owner = self.kind(base)?;
        let length = u32::try_from(name.len()).unwrap_or(0);
        let start = if expr.span == base.span {
            expr.span.start
        } else {
            expr.span.end.saturating_sub(length)
        };
        let segment = Segment {
            name: name.to_owned(),
            span: Span { start, ..expr.span },
        };
        match field(&owner, &segment, "this value") {
            Ok(kind) => Some(kind),
            Err(problem) => self.report(*problem),
        }
    }

    fn index(&mut self, base: &Expr, index: &Expr) -> Option<Type> {
        let (owner, key) = (self.kind(base), self.kind(index));
        let (owner, key) = (owner?, key?);
        if let (Type::Record(_), ExprKind::Literal(Value::Text(name))) = (&owner, &index.kind) {
            let segment = Segment {
                name: name.clone(),
                span: index.span,
            };
            return match field(&owner, &segment, "this value") {
                Ok(kind) => Some(kind),
                Err(problem) => self.report(*problem),
            };
        }
        let (wanted, item) = match &owner {
            Type::List(item) => (Type::Int, (**item).clone()),
            Type::Map(item) => (Type::Text, (**item).clone()),
            Type::Dynamic if matches!(key, Type::Int | Type::Text | Type::Enum(_) | Type::Dynamic) => return Some(Type::Dynamic),
            Type::Record(fields) => {
                let names: Vec<String> = fields.keys().map(|n| format!("`{n}`")).collect();
                let problem = Diagnostic::error("RB0204", index.span, "a record is read by names that stand in the text");
                return self.report(problem.help(format!("fields: {}", names.join(", "))));
            }
            other => {
                return self.report(
                    Diagnostic::error("RB0204", base.span, format!("a {} cannot be read with `[…]`", short(other)))
                        .label("not a list or map"),
                );
            }
        };
        if fits(&key, &wanted) {
            return Some(item);
        }
        let problem = Diagnostic::error(
            "RB0204",
            index.span,
            format!("a {} is read with a {}", short(&owner), short(&wanted)),
        );
        self.report(problem.label(format!("this is a {}", short(&key))))
    }

    fn comprehension(&mut self, function: &str, list: &Expr, variable: &str, body: &Expr) -> Option<Type> {
        let over = self.kind(list)?;
        let item = match &over {
            Type::List(item) => (**item).clone(),
            Type::Dynamic => Type::Dynamic,
            other => {
                let problem = Diagnostic::error("RB0204", list.span, format!("`{function}` needs a list, found a {}", short(other)));
                return self.report(problem.label("not a list"));
            }
        };
        self.locals.push((variable.to_owned(), item.clone()));
        // A fact about an outer name must not be taken for one about the variable.
        let hidden: Vec<Fact> = self.facts.iter().filter(|(path, _)| path[0] != variable).cloned().collect();
        let outer = std::mem::replace(&mut self.facts, hidden);
        let inner = if function == "map" { self.kind(body) } else { self.bool(body) };
        self.facts = outer;
        self.locals.pop();
        let inner = inner?;
        Some(match function {
            "map" => Type::list(inner),
            "filter" => Type::list(item),
            _ => Type::Bool,
        })
    }

    fn unary(&mut self, operator: &str, inner: &Expr) -> Option<Type> {
        if operator == "!" {
            return self.bool(inner);
        }
        match self.kind(inner)? {
            kind @ (Type::Int | Type::Float) => Some(kind),
            Type::Dynamic => self.report(undecided(inner.span, "write `-int(…)` or `-double(…)`")),
            other => self.report(
                Diagnostic::error("RB0204", inner.span, format!("`-` needs a number, found a {}", short(&other))).label("not a number"),
            ),
        }
    }

    /// A subtree that must be a bool.
    pub(super) fn bool(&mut self, expr: &Expr) -> Option<Type> {
        match self.kind(expr)? {
            Type::Bool => Some(Type::Bool),
            Type::Dynamic => self.report(undecided(expr.span, "write `… == true`")),
            other => {
                let problem = Diagnostic::error("RB0204", expr.span, format!("expected a condition, found a {}", short(&other)));
                self.report(
                    problem
                        .label(format!("this is a {}", short(&other)))
                        .help("compare it: `… == 'word'`, `… > 3`, `….size() > 0`"),
                )
            }
        }
    }

    fn conditional(&mut self, whole: &Expr, test: &Expr, yes: &Expr, no: &Expr) -> Option<Type> {
        let tested = self.bool(test);
        let first = self.assuming(test, true, |c| c.kind(yes));
        let second = self.assuming(test, false, |c| c.kind(no));
        let (_, first, second) = (tested?, first?, second?);
        match unite(&first, &second) {
            Some(kind) => Some(kind),
            None => self.report(
                Diagnostic::error("RB0204", whole.span, "both sides of `:` need the same type").label(format!(
                    "{} or {}",
                    short(&first),
                    short(&second)
                )),
            ),
        }
    }

    fn assuming<T>(&mut self, condition: &Expr, truth: bool, then: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.facts.len();
        let locals = &self.locals;
        // What is known about a variable of the expression ends with it; only outer names count.
        self.facts.extend(
            facts(condition, truth)
                .into_iter()
                .filter(|(path, _)| locals.iter().all(|(name, _)| *name != path[0])),
        );
        let result = then(self);
        self.facts.truncate(before);
        result
    }

    fn binary(&mut self, operator: &'static str, whole: &Expr, left: &Expr, right: &Expr) -> Option<Type> {
        if matches!(operator, "&&" | "||") {
            let first = self.bool(left);
            let second = self.assuming(left, operator == "&&", |c| c.bool(right));
            return first.and(second);
        }
        let (a, b) = (self.kind(left), self.kind(right));
        let sides = Sides {
            operator,
            whole,
            left,
            right,
            a: a?,
            b: b?,
        };
        match operator {
            "==" | "!=" => self.equality(&sides),
            "in" => self.membership(&sides),
            "<" | "<=" | ">" | ">=" => self.order(&sides),
            _ => self.arithmetic(&sides),
        }
    }
}

fn literal(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Text(_) => Type::Text,
        _ => Type::Dynamic,
    }
}

/// A value of unknown type where a definite one is needed.
pub(super) fn undecided(span: Span, help: &str) -> Diagnostic {
    Diagnostic::error("RB0206", span, "the type of this value is known only at run time")
        .label("could be anything")
        .help(help)
}
