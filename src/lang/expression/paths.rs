//! Which names an expression reads: the edges between steps come from them.

use crate::model::text::{Expr, ExprKind};

use crate::lang::types::static_path;

/// Every path of names the expression reads, longest form, in the order written; names bound inside (`x` of `exists(x, …)`) do not count.
#[must_use]
pub fn paths(expr: &Expr) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    collect(expr, &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(expr: &'a Expr, bound: &mut Vec<&'a str>, found: &mut Vec<Vec<String>>) {
    if let Some(path) = static_path(expr) {
        if !bound.contains(&path[0].as_str()) && !found.contains(&path) {
            found.push(path);
        }
        return;
    }
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Name(_) => {}
        ExprKind::Field(inner, _) | ExprKind::Unary(_, inner) => collect(inner, bound, found),
        ExprKind::List(items) | ExprKind::Call { arguments: items, .. } => items.iter().for_each(|i| collect(i, bound, found)),
        ExprKind::Index(a, b) | ExprKind::Binary(_, a, b) => {
            collect(a, bound, found);
            collect(b, bound, found);
        }
        ExprKind::Conditional(a, b, c) => [a, b, c].into_iter().for_each(|e| collect(e, bound, found)),
        ExprKind::Comprehension { list, variable, body, .. } => {
            collect(list, bound, found);
            bound.push(variable);
            collect(body, bound, found);
            bound.pop();
        }
    }
}
