//! The tree: scalars, lists and maps, each with the bytes it was written in. Plain data.

use std::collections::BTreeMap;

use crate::base::value::Value;
use crate::diagnostic::{Span, Spanned};

/// One value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value's text: quotes, brackets and the `|` of a block included, comments and line ends around it not. Empty, just
    /// after the colon or dash, for a value that was left out.
    pub span: Span,
    /// What it is.
    pub kind: NodeKind,
}

/// Kinds of values.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// A single value.
    Scalar(Scalar),
    /// Several values.
    List(Vec<Node>),
    /// Named values, in the order written; no name twice.
    Map(Vec<Entry>),
}

/// A single value: its characters after unquoting, and how it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// Quotes removed, escapes replaced, lines of a block joined as its style says.
    pub text: String,
    /// How it was written.
    pub style: Style,
    /// Where the characters stand; see [`Node::content_span`].
    pub(super) content: Span,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// `text`
    Plain,
    /// `'text'`
    Single,
    /// `"text"`
    Double,
    /// `|` and lines
    Literal,
    /// `>` and lines
    Folded,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name; its span holds the quotes, if any.
    pub key: Spanned<String>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Where the characters themselves stand: inside the quotes, below the `|`; the whole span for everything else.
    #[must_use]
    pub fn content_span(&self) -> Span {
        match &self.kind {
            NodeKind::Scalar(scalar) => scalar.content,
            _ => self.span,
        }
    }

    /// The scalar, if it is one.
    #[must_use]
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            NodeKind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.kind {
            NodeKind::List(list) => Some(list),
            _ => None,
        }
    }

    /// The entries, if it is a map.
    #[must_use]
    pub fn as_map(&self) -> Option<&[Entry]> {
        match &self.kind {
            NodeKind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a map's key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|e| &e.value)
    }

    /// A map's key with its place, and the value.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_map()?.iter().find(|e| e.key.value == key)
    }

    /// True for `null`, `~` and a value that was left out.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|s| s.value() == Value::Null)
    }

    /// What it is, in the words of messages: `a list`, `a map`, `text`, `a whole number`, `a number`, `true or false`, `nothing`.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a map",
            NodeKind::Scalar(scalar) => match scalar.value() {
                Value::Null => "nothing",
                Value::Bool(_) => "true or false",
                Value::Int(_) => "a whole number",
                Value::Float(_) => "a number",
                _ => "text",
            },
        }
    }

    /// The whole tree as a value, without places.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(scalar) => scalar.value(),
            NodeKind::List(list) => Value::List(list.iter().map(Node::to_value).collect()),
            NodeKind::Map(entries) => {
                let pairs = entries.iter().map(|e| (e.key.value.clone(), e.value.to_value()));
                Value::Map(pairs.collect::<BTreeMap<_, _>>())
            }
        }
    }
}
