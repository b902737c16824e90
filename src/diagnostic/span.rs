//! Places in texts, and the texts themselves.

use serde::{Deserialize, Serialize};

/// Which text: an index into [`Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId(pub u32);

/// Bytes `start..end` of one text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Bytes `start..end` of `source`; positions beyond 4 GiB do not occur (`base::bound::TEXT_BYTES`).
    #[must_use]
    pub fn new(source: SourceId, start: usize, end: usize) -> Span {
        let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span {
            source,
            start: clip(start),
            end: clip(end.max(start)),
        }
    }

    /// A part of this span, by byte offsets relative to its start.
    #[must_use]
    pub fn within(self, start: usize, end: usize) -> Span {
        let base = self.start as usize;
        Span::new(self.source, base + start, base + end)
    }
}

/// A value and the place it was written at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value with its place.
    #[must_use]
    pub fn new(value: T, span: Span) -> Spanned<T> {
        Spanned { value, span }
    }
}

/// One text that people wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What to call it: its path as the user gave it, or `<stdin>`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// All texts of one invocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    list: Vec<Source>,
}

impl Sources {
    /// None yet.
    #[must_use]
    pub fn new() -> Sources {
        Sources::default()
    }

    /// Adds a text and gives its number.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.list.push(Source {
            name: name.into(),
            text: text.into(),
        });
        SourceId(u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX))
    }

    /// The text with that number.
    #[must_use]
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.list.get(id.0 as usize)
    }

    /// The text with that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<SourceId> {
        let at = self.list.iter().position(|s| s.name == name)?;
        Some(SourceId(u32::try_from(at).unwrap_or(u32::MAX)))
    }

    /// All texts, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.list.iter()
    }

    /// All texts as one, for a digest: the only one as it is, several each with their length before them.
    #[must_use]
    pub fn whole(&self) -> String {
        match self.list.as_slice() {
            [one] => one.text.clone(),
            several => several.iter().map(|s| format!("{}\n{}\n", s.text.len(), s.text)).collect(),
        }
    }

    /// Line and column (both from 1, column in characters) of the start of a span.
    #[must_use]
    pub fn position(&self, span: Span) -> Option<(usize, usize)> {
        let text = &self.get(span.source)?.text;
        let mut start = (span.start as usize).min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &text[..start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Some((line, column))
    }
}
