//! The value of an expression, in three-valued logic: what is known at run time only stays unknown, unless the other side decides.
//!
//! Bounded in depth by the parser and in work by `base::bound::EXPRESSION_STEPS`; never panics, whatever the values are.

use std::borrow::Cow;

use crate::base::bound::EXPRESSION_STEPS;
use crate::base::value::Value;
use crate::diagnostic::Span;
use crate::model::text::{Expr, ExprKind, Expression, Scope};
use crate::model::types::Type;

use super::{functions, operators};

/// The name under which a [`Scope`] holds the time for `now()`: whole seconds since 1970. No expression can read it otherwise.
pub const NOW: &str = "now()";

/// An expression that has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// The part at fault.
    pub span: Span,
    /// One sentence: lower case, no full stop.
    pub message: String,
}

/// The value of an expression.
///
/// # Errors
/// A missing key, an index out of range, a number out of range, a value of another type than declared, too much work.
pub fn eval(expression: &Expression, scope: &Scope) -> Result<Value, EvalError> {
    let mut machine = Machine {
        scope,
        locals: Vec::new(),
        steps: 0,
    };
    let value = machine.value(&expression.root)?.into_owned();
    if conforms(&value, &expression.kind) {
        return Ok(value);
    }
    let message = format!(
        "expected a {}, found {}",
        crate::lang::types::short(&expression.kind),
        operators::kind_of(&value)
    );
    Err(EvalError {
        span: expression.root.span,
        message,
    })
}

/// True when a value is of a type; the unknown is of every type.
fn conforms(value: &Value, kind: &Type) -> bool {
    match (value, kind) {
        (Value::Unknown, _) | (_, Type::Dynamic) => true,
        (Value::Bool(_), Type::Bool)
        | (Value::Int(_), Type::Int)
        | (Value::Int(_) | Value::Float(_), Type::Float)
        | (Value::Text(_), Type::Text | Type::Enum(_))
        | (Value::Duration(_), Type::Duration)
        | (Value::Size(_), Type::Size)
        | (Value::Percent(_), Type::Percent) => true,
        (Value::List(items), Type::List(kind)) => items.iter().all(|i| conforms(i, kind)),
        (Value::Map(_), Type::Record(_)) => true,
        (Value::Map(map), Type::Map(kind)) => map.values().all(|v| conforms(v, kind)),
        // A field that the other side left out.
        (Value::Null, kind) => *kind != Type::Bool,
        _ => false,
    }
}

struct Machine<'a> {
    scope: &'a Scope,
    locals: Vec<(&'a str, Cow<'a, Value>)>,
    steps: usize,
}

type Evaluated<'a> = Result<Cow<'a, Value>, EvalError>;

impl<'a> Machine<'a> {
    fn value(&mut self, expr: &'a Expr) -> Evaluated<'a> {
        self.work(1, expr.span)?;
        let owned = |v: Value| Ok(Cow::Owned(v));
        match &expr.kind {
            ExprKind::Literal(value) => Ok(Cow::Borrowed(value)),
            ExprKind::List(items) => {
                let items: Result<Vec<Value>, EvalError> = items.iter().map(|i| Ok(self.value(i)?.into_owned())).collect();
                owned(Value::List(items?))
            }
            ExprKind::Name(name) => self.name(name, expr.span),
            ExprKind::Field(base, name) => {
                if let Some(value) = self.part(base, name) {
                    return owned(value);
                }
                let base = self.value(base)?;
                field(base, name, expr.span)
            }
            ExprKind::Index(base, index) => self.index(base, index, expr.span),
            ExprKind::Call { function, arguments, .. } => self.call(function, arguments, expr.span),
            ExprKind::Comprehension {
                function,
                list,
                variable,
                body,
            } => self.comprehension(function, list, variable, body),
            ExprKind::Unary(operator, inner) => self.unary(operator, inner, expr.span),
            ExprKind::Binary("&&", left, right) => self.logic(left, right, false).map(Cow::Owned),
            ExprKind::Binary("||", left, right) => self.logic(left, right, true).map(Cow::Owned),
            ExprKind::Binary(operator, left, right) => self.binary(operator, left, right, expr.span).map(Cow::Owned),
            ExprKind::Conditional(test, yes, no) => match self.bool(test)? {
                Some(true) => self.value(yes),
                Some(false) => self.value(no),
                None => owned(Value::Unknown),
            },
        }
    }

    /// A field of a record that is made in parts, so that the rest of it need not be.
    fn part(&self, base: &Expr, name: &str) -> Option<Value> {
        let shown = |root: &str| self.locals.iter().all(|(local, _)| *local != root);
        match &base.kind {
            ExprKind::Name(root) if shown(root) => self.scope.part(root, name, None),
            ExprKind::Field(inner, part) => match &inner.kind {
                ExprKind::Name(root) if shown(root) => self.scope.part(root, part, Some(name)),
                _ => None,
            },
            _ => None,
        }
    }

    fn name(&mut self, name: &str, span: Span) -> Evaluated<'a> {
        if let Some((_, value)) = self.locals.iter().rev().find(|(local, _)| *local == name) {
            return Ok(value.clone());
        }
        match self.scope.get(name) {
            Some(value) => Ok(Cow::Borrowed(value)),
            None => Err(EvalError {
                span,
                message: format!("`{name}` has no value here"),
            }),
        }
    }

    fn index(&mut self, base: &'a Expr, index: &'a Expr, span: Span) -> Evaluated<'a> {
        let (list, key) = (self.value(base)?, self.value(index)?);
        match (list.as_ref(), key.as_ref()) {
            (Value::Unknown, _) | (_, Value::Unknown) => Ok(Cow::Owned(Value::Unknown)),
            (Value::Map(_), Value::Text(name)) => {
                let name = name.clone();
                field(list, &name, span)
            }
            (Value::List(items), Value::Int(n)) => {
                let count = items.len();
                let at = usize::try_from(*n).ok().filter(|at| *at < count);
                let Some(at) = at else {
                    let message = format!("there is no item {n}: the list has {count}, counted from 0");
                    return Err(EvalError { span, message });
                };
                Ok(match list {
                    Cow::Borrowed(Value::List(items)) => Cow::Borrowed(&items[at]),
                    Cow::Owned(Value::List(mut items)) => Cow::Owned(items.swap_remove(at)),
                    _ => Cow::Owned(Value::Unknown),
                })
            }
            (a, b) => Err(EvalError {
                span,
                message: format!("{} cannot be read with {}", operators::kind_of(a), operators::kind_of(b)),
            }),
        }
    }

    fn call(&mut self, function: &str, arguments: &'a [Expr], span: Span) -> Evaluated<'a> {
        if function == "has" {
            return self.has(arguments, span).map(Cow::Owned);
        }
        if function == "now" {
            return Ok(self.scope.get(NOW).map_or(Cow::Owned(Value::Unknown), Cow::Borrowed));
        }
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let value = self.value(argument)?;
            self.work(weight(&value) / 1024, span)?;
            values.push(value);
        }
        let values: Vec<&Value> = values.iter().map(AsRef::as_ref).collect();
        if values.contains(&&Value::Unknown) {
            return Ok(Cow::Owned(Value::Unknown));
        }
        functions::call(function, &values)
            .map(Cow::Owned)
            .map_err(|message| EvalError { span, message })
    }

    fn has(&mut self, arguments: &'a [Expr], span: Span) -> Result<Value, EvalError> {
        let [
            Expr {
                kind: ExprKind::Field(base, name),
                ..
            },
        ] = arguments
        else {
            return Err(EvalError {
                span,
                message: String::from("`has` asks for a field"),
            });
        };
        Ok(match self.value(base)?.as_ref() {
            Value::Unknown => Value::Unknown,
            // A step that was skipped has no results at all: its record lacks the field.
            Value::Null => Value::Bool(false),
            known => Value::Bool(known.field(name).is_some()),
        })
    }

    fn unary(&mut self, operator: &str, inner: &'a Expr, span: Span) -> Evaluated<'a> {
        if operator == "!" {
            return Ok(Cow::Owned(self.bool(inner)?.map_or(Value::Unknown, |b| Value::Bool(!b))));
        }
        match self.value(inner)?.as_ref() {
            Value::Unknown => Ok(Cow::Owned(Value::Unknown)),
            value => operators::negate(value)
                .map(Cow::Owned)
                .map_err(|message| EvalError { span, message }),
        }
    }

    /// `&&` and `||`: `deciding` on either side decides, whatever the other side is, even an error; as in CEL.
    fn logic(&mut self, left: &'a Expr, right: &'a Expr, deciding: bool) -> Result<Value, EvalError> {
        let first = self.bool(left);
        if first == Ok(Some(deciding)) {
            return Ok(Value::Bool(deciding));
        }
        self.unless_exhausted(&first)?;
        let second = self.bool(right);
        Ok(join(first, second, deciding)?.map_or(Value::Unknown, Value::Bool))
    }

    fn binary(&mut self, operator: &str, left: &'a Expr, right: &'a Expr, span: Span) -> Result<Value, EvalError> {
        let (a, b) = (self.value(left)?, self.value(right)?);
        let fault = |message| EvalError { span, message };
        self.work((weight(&a) + weight(&b)) / if operator == "+" { 64 } else { 1024 }, span)?;
        if matches!((a.as_ref(), b.as_ref()), (Value::Unknown, _) | (_, Value::Unknown)) {
            return Ok(Value::Unknown);
        }
        let answer = |b: Option<bool>| b.map_or(Value::Unknown, Value::Bool);
        match operator {
            "==" => operators::equal(&a, &b).map(answer).map_err(fault),
            "!=" => operators::equal(&a, &b).map(|e| answer(e.map(|e| !e))).map_err(fault),
            "in" => member(&a, &b).map(answer).map_err(fault),
            "<" | "<=" | ">" | ">=" => operators::order(operator, &a, &b).map(Value::Bool).map_err(fault),
            _ => operators::arithmetic(operator, &a, &b).map_err(fault),
        }
    }

    fn comprehension(&mut self, function: &str, list: &'a Expr, variable: &'a str, body: &'a Expr) -> Evaluated<'a> {
        let over = self.value(list)?;
        let items: Vec<Cow<'a, Value>> = match over {
            Cow::Borrowed(Value::List(items)) => items.iter().map(Cow::Borrowed).collect(),
            Cow::Owned(Value::List(items)) => items.into_iter().map(Cow::Owned).collect(),
            other => match other.as_ref() {
                Value::Unknown => return Ok(Cow::Owned(Value::Unknown)),
                found => {
                    let message = format!("`{function}` needs a list, found {}", operators::kind_of(found));
                    return Err(EvalError { span: list.span, message });
                }
            },
        };
        match function {
            "exists" => self.quantifier(items, variable, body, true),
            "all" => self.quantifier(items, variable, body, false),
            "map" => {
                let mapped: Result<Vec<Value>, EvalError> = items
                    .into_iter()
                    .map(|i| self.bound(variable, i, |m| Ok(m.value(body)?.into_owned())))
                    .collect();
                mapped.map(|list| Cow::Owned(Value::List(list)))
            }
            _ => self.selection(function, items, variable, body),
        }
        .map(Cow::into_owned)
        .map(Cow::Owned)
    }

    fn quantifier(&mut self, items: Vec<Cow<'a, Value>>, variable: &'a str, body: &'a Expr, deciding: bool) -> Evaluated<'a> {
        let mut so_far = Ok(Some(!deciding));
        for item in items {
            let next = self.bound(variable, item, |m| m.bool(body));
            if next == Ok(Some(deciding)) {
                return Ok(Cow::Owned(Value::Bool(deciding)));
            }
            self.unless_exhausted(&next)?;
            so_far = join(so_far, next, deciding);
        }
        Ok(Cow::Owned(so_far?.map_or(Value::Unknown, Value::Bool)))
    }

    fn selection(&mut self, function: &str, items: Vec<Cow<'a, Value>>, variable: &'a str, body: &'a Expr) -> Evaluated<'a> {
        let mut chosen = Vec::new();
        let mut undecided = false;
        for item in items {
            match self.bound(variable, item.clone(), |m| m.bool(body))? {
                Some(true) => chosen.push(item),
                Some(false) => {}
                None => undecided = true,
            }
        }
        Ok(Cow::Owned(match function {
            // Two that fit are too many, whatever the rest turns out to be.
            "exists_one" if chosen.len() > 1 => Value::Bool(false),
            _ if undecided => Value::Unknown,
            "exists_one" => Value::Bool(chosen.len() == 1),
            _ => Value::List(chosen.into_iter().map(Cow::into_owned).collect()),
        }))
    }

    fn bound<T>(&mut self, variable: &'a str, item: Cow<'a, Value>, then: impl FnOnce(&mut Self) -> T) -> T {
        self.locals.push((variable, item));
        let result = then(self);
        self.locals.pop();
        result
    }

    /// `None`: unknown.
    fn bool(&mut self, expr: &'a Expr) -> Result<Option<bool>, EvalError> {
        match self.value(expr)?.as_ref() {
            Value::Bool(b) => Ok(Some(*b)),
            Value::Unknown => Ok(None),
            other => Err(EvalError {
                span: expr.span,
                message: format!("expected true or false, found {}", operators::kind_of(other)),
            }),
        }
    }

    fn work(&mut self, steps: usize, span: Span) -> Result<(), EvalError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > EXPRESSION_STEPS {
            return Err(EvalError {
                span,
                message: String::from("the expression takes too much work on values of this size"),
            });
        }
        Ok(())
    }

    /// Running out of work is final: no other side may decide it away, or the bound would be none.
    fn unless_exhausted<T>(&self, result: &Result<T, EvalError>) -> Result<(), EvalError> {
        match result {
            Err(error) if self.steps > EXPRESSION_STEPS => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

/// Neither side decides; the unknown hides an error, since the real value may still decide.
fn join(
    first: Result<Option<bool>, EvalError>,
    second: Result<Option<bool>, EvalError>,
    deciding: bool,
) -> Result<Option<bool>, EvalError> {
    match (first, second) {
        (Ok(Some(b)), _) | (_, Ok(Some(b))) if b == deciding => Ok(Some(deciding)),
        (Ok(None), _) | (_, Ok(None)) => Ok(None),
        (Err(error), _) | (_, Err(error)) => Err(error),
        _ => Ok(Some(!deciding)),
    }
}

fn field<'a>(base: Cow<'a, Value>, name: &str, span: Span) -> Evaluated<'a> {
    let found = match &base {
        Cow::Borrowed(Value::Map(map)) => map.get(name).map(Cow::Borrowed),
        other => other.field(name).map(Cow::Owned),
    };
    found.ok_or_else(|| EvalError {
        span,
        message: format!(
            "there is no `{}` in {}",
            crate::base::sanitise::one_line(name, 60),
            operators::kind_of(&base)
        ),
    })
}

fn member(needle: &Value, list: &Value) -> Result<Option<bool>, String> {
    match list {
        Value::List(items) => {
            let mut verdict = Ok(Some(false));
            for item in items {
                match operators::equal(needle, item) {
                    Ok(Some(true)) => return Ok(Some(true)),
                    Ok(Some(false)) => {}
                    Ok(None) => verdict = Ok(None),
                    Err(message) => {
                        if verdict != Ok(None) {
                            verdict = Err(message);
                        }
                    }
                }
            }
            verdict
        }
        Value::Map(map) => match needle {
            Value::Text(name) => Ok(Some(map.contains_key(name))),
            other => Err(format!("a record is asked for a text, not for {}", operators::kind_of(other))),
        },
        other => Err(format!("`in` needs a list or a map, found {}", operators::kind_of(other))),
    }
}

/// Roughly the bytes that an operation on this value touches.
fn weight(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len().saturating_mul(16),
        _ => 1,
    }
}
