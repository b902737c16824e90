//! Which operators and functions met which types, and which of the accepted meetings never took place.

use std::collections::BTreeMap;
use std::fmt;

use super::accepted;
use super::generate::{COMPREHENSIONS, CONVERSIONS, KINDS, OPERATORS, TEXT_TESTS, leaves};
use crate::lang::expression::check::kind_of;
use crate::lang::types::TypeEnv;
use crate::model::text::{Expr, ExprKind, Expression};
use crate::model::types::Type;

/// A meeting seen less often than this counts as not tested.
const ENOUGH: usize = 10;

/// Counts per meeting: `int + int`, `size(list of text)`.
#[derive(Default)]
pub(super) struct Table(BTreeMap<String, usize>);

impl Table {
    /// Counts what stands in an accepted expression.
    pub(super) fn count(&mut self, expr: &Expr, env: &TypeEnv) {
        for meeting in meetings(expr, env, &mut Vec::new()) {
            *self.0.entry(meeting).or_default() += 1;
        }
    }

    pub(super) fn add(&mut self, other: &Table) {
        for (meeting, n) in &other.0 {
            *self.0.entry(meeting.clone()).or_default() += n;
        }
    }

    /// Which of these were not met often enough.
    pub(super) fn hardly_covered<'m>(&self, possible: &'m Meetings) -> Vec<&'m String> {
        let seen = |meeting: &String| self.0.get(meeting).copied().unwrap_or(0);
        possible.keys().filter(|m| seen(m) < ENOUGH).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(meeting, n)| writeln!(f, "{n:>8}  {meeting}"))
    }
}

/// Short expressions by what meets in them.
pub(super) type Meetings = BTreeMap<String, Vec<String>>;

/// Every operator between every two leaves and every function of every leaf, as far as our checker accepts it and `computes`.
pub(super) fn possible(env: &TypeEnv, computes: impl Fn(&Expression) -> bool) -> Meetings {
    let mut sources: Vec<String> = ["-n", "-x", "!yes", "[n]", "ints[n]", "vars[t]", "yes ? n : 1"]
        .map(String::from)
        .to_vec();
    for a in KINDS.iter().flat_map(|k| leaves(*k)) {
        sources.extend(CONVERSIONS.iter().map(|f| format!("{f}({a})")));
        sources.extend(COMPREHENSIONS.iter().map(|f| format!("({a}).{f}(v, true)")));
        for b in KINDS.iter().flat_map(|k| leaves(*k)) {
            sources.extend(OPERATORS.iter().map(|o| format!("({a}) {o} ({b})")));
            sources.extend(TEXT_TESTS.iter().map(|f| format!("({a}).{f}({b})")));
        }
    }
    let mut found = Meetings::new();
    for source in sources {
        if let Some(expression) = accepted(&source, env).filter(&computes) {
            for meeting in meetings(&expression.root, env, &mut Vec::new()) {
                found.entry(meeting).or_default().push(source.clone());
            }
        }
    }
    found
}

fn meetings(expr: &Expr, env: &TypeEnv, locals: &mut Vec<(String, Type)>) -> Vec<String> {
    let kind = |e: &Expr, locals: &[(String, Type)]| kind_of(e, env, locals).map_or_else(|| String::from("?"), |t| name(&t));
    let mut found = Vec::new();
    let inner: Vec<&Expr> = match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Name(_) => Vec::new(),
        ExprKind::List(items) => {
            found.push(String::from("[…]"));
            items.iter().collect()
        }
        ExprKind::Field(base, _) => vec![base],
        ExprKind::Index(a, b) => {
            found.push(format!("{}[{}]", kind(a, locals), kind(b, locals)));
            vec![a, b]
        }
        ExprKind::Call { function, arguments, .. } if function == "has" => {
            found.push(String::from("has"));
            arguments.iter().collect()
        }
        ExprKind::Call { function, arguments, .. } => {
            let kinds: Vec<String> = arguments.iter().map(|a| kind(a, locals)).collect();
            found.push(format!("{function}({})", kinds.join(", ")));
            arguments.iter().collect()
        }
        ExprKind::Comprehension {
            function,
            list,
            variable,
            body,
        } => {
            found.push(format!("{}.{function}", kind(list, locals)));
            found.extend(meetings(list, env, locals));
            let item = match kind_of(list, env, locals) {
                Some(Type::List(item)) => *item,
                _ => Type::Dynamic,
            };
            locals.push((variable.clone(), item));
            found.extend(meetings(body, env, locals));
            locals.pop();
            Vec::new()
        }
        ExprKind::Unary(operator, a) => {
            found.push(format!("{operator} {}", kind(a, locals)));
            vec![a]
        }
        ExprKind::Binary(operator, a, b) => {
            found.push(format!("{} {operator} {}", kind(a, locals), kind(b, locals)));
            vec![a, b]
        }
        ExprKind::Conditional(a, b, c) => {
            found.push(format!("bool ? {} : {}", kind(b, locals), kind(c, locals)));
            vec![a, b, c]
        }
    };
    for expr in inner {
        found.extend(meetings(expr, env, locals));
    }
    found
}

/// Short, and the same for all enums and records.
fn name(kind: &Type) -> String {
    match kind {
        Type::Enum(_) => String::from("enum"),
        Type::Record(_) => String::from("record"),
        Type::Map(_) => String::from("map"),
        Type::Dynamic => String::from("dynamic"),
        Type::List(item) => format!("list of {}", name(item)),
        other => other.to_string(),
    }
}
