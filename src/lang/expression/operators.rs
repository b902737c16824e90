//! What the operators do with known values; the unknown never comes here. `Err` is a sentence.

use std::cmp::Ordering;

use crate::base::value::Value;

/// `+ - * / %`
pub(super) fn arithmetic(operator: &str, left: &Value, right: &Value) -> Result<Value, String> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => whole(operator, *a, *b),
        (Value::Float(a), Value::Float(b)) => fraction(operator, *a, *b),
        (Value::Text(a), Value::Text(b)) if operator == "+" => Ok(Value::Text(format!("{a}{b}"))),
        (Value::List(a), Value::List(b)) if operator == "+" => Ok(Value::List(a.iter().chain(b).cloned().collect())),
        (Value::Duration(a), Value::Duration(b)) => {
            let result = match operator {
                "+" => a.checked_add(*b),
                "-" => a.checked_sub(*b),
                _ => None,
            };
            result
                .map(Value::Duration)
                .ok_or_else(|| String::from("the duration is out of range (it cannot be negative)"))
        }
        _ => Err(format!("`{operator}` cannot join {} and {}", kind_of(left), kind_of(right))),
    }
}

/// `-x`
pub(super) fn negate(value: &Value) -> Result<Value, String> {
    match value {
        Value::Int(n) => n.checked_neg().map(Value::Int).ok_or_else(overflow),
        Value::Float(n) => Ok(Value::Float(-n)),
        other => Err(format!("`-` needs a number, found {}", kind_of(other))),
    }
}

/// `< <= > >=`
pub(super) fn order(operator: &str, left: &Value, right: &Value) -> Result<bool, String> {
    let ordering = match (left, right) {
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        (Value::Size(a), Value::Size(b)) => Some(a.cmp(b)),
        (Value::Percent(a), Value::Percent(b)) => a.partial_cmp(b),
        _ => number_order(left, right),
    };
    let Some(ordering) = ordering else {
        return Err(format!("`{operator}` cannot compare {} and {}", kind_of(left), kind_of(right)));
    };
    Ok(match operator {
        "<" => ordering == Ordering::Less,
        "<=" => ordering != Ordering::Greater,
        ">" => ordering == Ordering::Greater,
        _ => ordering != Ordering::Less,
    })
}

/// `==`: `None` when something unknown stands in the way. Values of different types are a mistake, not unequal; only null equals no value.
pub(super) fn equal(left: &Value, right: &Value) -> Result<Option<bool>, String> {
    match (left, right) {
        (Value::Unknown, _) | (_, Value::Unknown) => Ok(None),
        (Value::Null, Value::Null) => Ok(Some(true)),
        (Value::Null, _) | (_, Value::Null) => Ok(Some(false)),
        (Value::Bool(a), Value::Bool(b)) => Ok(Some(a == b)),
        (Value::Text(a), Value::Text(b)) => Ok(Some(a == b)),
        (Value::Duration(a), Value::Duration(b)) => Ok(Some(a == b)),
        (Value::Size(a), Value::Size(b)) => Ok(Some(a == b)),
        (Value::Percent(a), Value::Percent(b)) => Ok(Some(a == b)),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => Ok(Some(number_order(left, right) == Some(Ordering::Equal))),
        (Value::List(a), Value::List(b)) => lists(a, b),
        _ => Err(format!("`==` cannot compare {} and {}", kind_of(left), kind_of(right))),
    }
}

/// What a value is, with its article, for a sentence.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Unknown => "a value known at run time",
        Value::Null => "nothing (null)",
        Value::Bool(_) => "a bool",
        Value::Int(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Text(_) => "a text",
        Value::Duration(_) => "a duration",
        Value::Size(_) => "a size",
        Value::Percent(_) => "a percentage",
        Value::Secret(_) => "a secret",
        Value::List(_) => "a list",
        Value::Map(_) => "a record",
    }
}

fn lists(a: &[Value], b: &[Value]) -> Result<Option<bool>, String> {
    if a.len() != b.len() {
        return Ok(Some(false));
    }
    let mut verdict = Some(true);
    for (a, b) in a.iter().zip(b) {
        match equal(a, b)? {
            Some(false) => return Ok(Some(false)),
            Some(true) => {}
            None => verdict = None,
        }
    }
    Ok(verdict)
}

// As CEL does: a whole number and a fraction are compared as fractions.
#[allow(clippy::cast_precision_loss)]
fn number_order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Float(b)) => (*a as f64).partial_cmp(b),
        (Value::Float(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
        _ => None,
    }
}

fn whole(operator: &str, a: i64, b: i64) -> Result<Value, String> {
    if b == 0 && matches!(operator, "/" | "%") {
        return Err(String::from("division by zero"));
    }
    let result = match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "/" => a.checked_div(b),
        "%" => a.checked_rem(b),
        _ => None,
    };
    result.map(Value::Int).ok_or_else(overflow)
}

fn fraction(operator: &str, a: f64, b: f64) -> Result<Value, String> {
    if b == 0.0 && operator == "/" {
        return Err(String::from("division by zero"));
    }
    let result = match operator {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        _ => return Err(format!("`{operator}` needs whole numbers")),
    };
    if result.is_finite() {
        Ok(Value::Float(result))
    } else {
        Err(overflow())
    }
}

fn overflow() -> String {
    String::from("the number is out of range")
}
