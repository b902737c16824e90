//! The types of values: what the checker knows before anything runs.

use std::collections::BTreeMap;
use std::fmt;

/// The type of a parameter, a result or an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// true or false
    Bool,
    /// whole number
    Int,
    /// number with a fraction
    Float,
    /// text
    Text,
    /// one of some words
    Enum(Vec<String>),
    /// `.seconds`
    Duration,
    /// `.bytes`
    Size,
    /// `.percent`, `.ratio`
    Percent,
    /// several of one type
    List(Box<Type>),
    /// named fields, all known
    Record(BTreeMap<String, Type>),
    /// any names, one type of value
    Map(Box<Type>),
    /// a secret, known by its name only
    Secret,
    /// known only at run time (a JSON body, an inventory variable); to compare it, the other side must have a definite type
    Dynamic,
}

impl Type {
    /// A record from name–type pairs.
    #[must_use]
    pub fn record<const N: usize>(fields: [(&str, Type); N]) -> Type {
        Type::Record(fields.into_iter().map(|(k, t)| (k.to_owned(), t)).collect())
    }

    /// A list of `item`.
    #[must_use]
    pub fn list(item: Type) -> Type {
        Type::List(Box::new(item))
    }

    /// What `{{params.X}}` of type `host` gives: `name`, `address`, `vars`.
    #[must_use]
    pub fn host() -> Type {
        Type::record([
            ("name", Type::Text),
            ("address", Type::Text),
            ("vars", Type::Map(Box::new(Type::Dynamic))),
        ])
    }
}

impl Type {
    /// True when a value of this type is, or holds, a secret.
    #[must_use]
    pub fn holds_secret(&self) -> bool {
        match self {
            Type::Secret => true,
            Type::List(item) | Type::Map(item) => item.holds_secret(),
            Type::Record(fields) => fields.values().any(Type::holds_secret),
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Float => f.write_str("float"),
            Type::Text => f.write_str("text"),
            Type::Enum(words) => write!(f, "one of {}", words.join("|")),
            Type::Duration => f.write_str("duration"),
            Type::Size => f.write_str("size"),
            Type::Percent => f.write_str("percent"),
            Type::List(item) => write!(f, "list of {item}"),
            Type::Record(fields) => write!(f, "record with {}", fields.keys().cloned().collect::<Vec<_>>().join(", ")),
            Type::Map(item) => write!(f, "map of {item}"),
            Type::Secret => f.write_str("secret"),
            Type::Dynamic => f.write_str("value known at run time"),
        }
    }
}
