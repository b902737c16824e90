//! The stretch of a text around a mistake, made harmless for a terminal, with spans that may lie clipped to it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Snippet};

use crate::base::sanitise::for_terminal;
use crate::diagnostic::span::Source;
use crate::diagnostic::{SourceId, Sources, Span};

/// Lines of one excerpt; a longer mistake shows its beginning.
const EXCERPT_LINES: usize = 12;
/// Bytes of a line that are shown around a mistake.
const LINE_BYTES: usize = 2000;

/// The texts with the beginnings of their lines, so that a place is found without reading the text again.
pub(super) struct Index<'a> {
    sources: &'a Sources,
    lines: std::cell::RefCell<BTreeMap<SourceId, std::rc::Rc<[usize]>>>,
}

/// A span clipped to its text.
pub(super) struct Found<'a> {
    pub source: &'a Source,
    lines: std::rc::Rc<[usize]>,
    pub range: Range<usize>,
}

impl<'a> Index<'a> {
    pub(super) fn new(sources: &'a Sources) -> Index<'a> {
        Index {
            sources,
            lines: std::cell::RefCell::default(),
        }
    }

    pub(super) fn find(&self, span: Span) -> Option<Found<'a>> {
        let source = self.sources.get(span.source)?;
        let lines = self
            .lines
            .borrow_mut()
            .entry(span.source)
            .or_insert_with(|| {
                std::iter::once(0)
                    .chain(source.text.match_indices('\n').map(|(i, _)| i + 1))
                    .collect()
            })
            .clone();
        let clip = |at: u32| {
            let mut at = (at as usize).min(source.text.len());
            while !source.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (clip(span.start), clip(span.end));
        Some(Found {
            source,
            lines,
            range: start..end.max(start),
        })
    }
}

impl Found<'_> {
    /// Index of the line of a byte.
    pub(super) fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// Line and column from 1, columns in characters.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.line(at);
        (line + 1, self.source.text[self.lines[line]..at].chars().count() + 1)
    }

    /// Where the lines `first..=last` stand.
    pub(super) fn bytes(&self, first: usize, last: usize) -> Range<usize> {
        let end = self.lines.get(last + 1).map_or(self.source.text.len(), |next| next - 1);
        self.lines[first]..end.max(self.lines[first])
    }
}

/// Lines of a text that are shown.
pub(super) struct Excerpt {
    pub first: usize,
    last: usize,
}

impl Excerpt {
    pub(super) fn around(found: &Found<'_>) -> Excerpt {
        let first = found.line(found.range.start);
        // A span that ends with a line break does not mean the next line.
        let end = if found.range.end > found.range.start {
            found.range.end - 1
        } else {
            found.range.end
        };
        let last = found.lines.partition_point(|start| *start <= end).saturating_sub(1);
        Excerpt {
            first,
            last: last.clamp(first, first + EXCERPT_LINES),
        }
    }

    /// Takes in another place of the same text if it is near.
    pub(super) fn widen(&mut self, primary: &Found<'_>, other: &Found<'_>) -> bool {
        let around = Excerpt::around(other);
        let (first, last) = (self.first.min(around.first), self.last.max(around.last));
        let bytes = primary.bytes(first, last);
        if last - first > 40 || bytes.len() > LINE_BYTES {
            return false;
        }
        (self.first, self.last) = (first, last);
        true
    }

    /// The bytes shown. Of a very long line, what stands around the mistake; the columns then count from there.
    pub(super) fn window(&self, found: &Found<'_>) -> Range<usize> {
        let bytes = found.bytes(self.first, self.last);
        if bytes.len() <= 4 * LINE_BYTES {
            return bytes;
        }
        let text = &found.source.text;
        let boundary = |mut at: usize| {
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = boundary(found.range.start.saturating_sub(LINE_BYTES / 2).max(bytes.start));
        start..boundary((found.range.start + LINE_BYTES).min(bytes.end)).max(start)
    }

    pub(super) fn snippet(
        &self,
        found: &Found<'_>,
        marks: &[(Range<usize>, AnnotationKind, &str)],
    ) -> Snippet<'static, Annotation<'static>> {
        let window = self.window(found);
        let clean = Clean::of(&found.source.text[window.clone()], window.start);
        let annotations: Vec<_> = marks
            .iter()
            .map(|(range, kind, label)| {
                let label = (!label.is_empty()).then(|| for_terminal(label));
                kind.span(clean.map(range.start)..clean.map(range.end)).label(label.map(Cow::Owned))
            })
            .collect();
        Snippet::source(clean.text)
            .line_start(self.first + 1)
            .path(for_terminal(&found.source.name).replace('\n', "\\n"))
            .annotations(annotations)
    }
}

/// A piece of a text made harmless, and where its bytes went.
pub(super) struct Clean {
    pub text: String,
    start: usize,
    /// Byte in the text (from `start`) and in the clean one, at every place where the two part.
    shifts: Vec<(usize, usize)>,
}

impl Clean {
    pub(super) fn of(piece: &str, start: usize) -> Clean {
        let mut clean = Clean {
            text: String::with_capacity(piece.len()),
            start,
            shifts: vec![(0, 0)],
        };
        let mut chars = piece.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let before = clean.text.len();
            // The carriage return of a line that ends the Windows way is no attack.
            let line_end = c == '\r' && chars.peek().is_none_or(|(_, next)| *next == '\n');
            if !line_end {
                clean.text.push_str(&for_terminal(c.encode_utf8(&mut [0; 4])));
            }
            if clean.text.len() - before != c.len_utf8() {
                clean.shifts.push((at + c.len_utf8(), clean.text.len()));
            }
        }
        clean
    }

    /// A byte of the text, in the clean piece.
    pub(super) fn map(&self, at: usize) -> usize {
        let at = at.saturating_sub(self.start);
        let (from, to) = self.shifts[self.shifts.partition_point(|(from, _)| *from <= at).saturating_sub(1)];
        let mut mapped = (to + (at - from)).min(self.text.len());
        while !self.text.is_char_boundary(mapped) {
            mapped -= 1;
        }
        mapped
    }
}
