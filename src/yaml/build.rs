//! From the library's events to a tree; refuses here what the subset leaves out.
//!
//! The library is a state machine without recursion, and so is this builder: depth costs heap, and little of it.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use crate::base::bound::{YAML_DEPTH, YAML_NODES};
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Span, Spanned};
use crate::yaml::anchors::{self, Anchors};
use crate::yaml::{Entry, Node, NodeKind, Scalar, Style, place, syntax};

/// A list or map whose end has not come yet.
struct Frame {
    start: usize,
    /// Written with brackets.
    flow: bool,
    /// Starts with `{{`: a placeholder that was not quoted; becomes text again at its end.
    braces: bool,
    /// The library's number of its anchor; 0 for none.
    anchor: usize,
    /// End of what was last read inside.
    end: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        seen: HashMap<String, Span>,
        key: Key,
    },
}

/// The key a value is awaited for.
enum Key {
    Awaited,
    Read {
        key: Spanned<String>,
        twice: bool,
    },
    /// Refused; its value is read and dropped.
    Refused,
}

/// Builds the tree of one text.
pub(super) struct Builder<'t> {
    text: &'t str,
    id: SourceId,
    /// Bytes of a byte order mark in front; the library does not see it.
    skipped: usize,
    /// Byte of each character; `None` when all characters are single bytes.
    bytes: Option<Vec<u32>>,
    frames: Vec<Frame>,
    /// The finished tree.
    pub root: Option<Node>,
    nodes: usize,
    documents: usize,
    /// Frames that are placeholders; nothing inside is worth a message.
    muted: usize,
    /// End of the last thing read.
    cursor: usize,
    /// Scalars that span lines.
    pub blocks: Vec<(usize, usize)>,
    pub diagnostics: Diagnostics,
    /// For files of other tools: the tags that are passed over. Anchors are resolved then.
    foreign: Option<&'t [&'t str]>,
    anchors: Anchors,
}

impl<'t> Builder<'t> {
    pub fn new(text: &'t str, id: SourceId, diagnostics: Diagnostics, foreign: Option<&'t [&'t str]>) -> Builder<'t> {
        let skipped = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let body = &text[skipped..];
        let bytes = (!body.is_ascii()).then(|| body.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect());
        Builder {
            text,
            id,
            skipped,
            bytes,
            frames: Vec::new(),
            root: None,
            nodes: 0,
            documents: 0,
            muted: 0,
            cursor: skipped,
            blocks: Vec::new(),
            diagnostics,
            foreign,
            anchors: Anchors::default(),
        }
    }

    /// True when the text was read to its end.
    pub fn run(&mut self) -> bool {
        for event in Parser::new_from_str(&self.text[self.skipped..]) {
            let (event, span) = match event {
                Ok(pair) => pair,
                Err(e) => {
                    let at = self.byte(e.marker().index());
                    let mut mistake = syntax::explain(self.text, self.id, at, e.info());
                    if let Some(open) = self.frames.iter().rev().find(|f| f.flow && mistake.code == "RB0001") {
                        mistake = mistake.also(self.span(open.start, open.start + 1), "inside this bracket");
                    }
                    let already = self.diagnostics.iter().any(|d| d.code == mistake.code && d.span == mistake.span);
                    if !already {
                        self.diagnostics.push(mistake);
                    }
                    return false;
                }
            };
            let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
            let go_on = match event {
                Event::DocumentStart(_) => self.document(start, end),
                Event::MappingStart(anchor, tag) => {
                    self.refuse(anchor, tag.as_deref(), start, start);
                    self.open(start, true, anchor)
                }
                Event::SequenceStart(anchor, tag) => {
                    self.refuse(anchor, tag.as_deref(), start, start);
                    self.open(start, false, anchor)
                }
                Event::MappingEnd | Event::SequenceEnd => self.close(start),
                Event::Alias(anchor) => self.alias(anchor, start, end),
                Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, (anchor, tag.as_deref()), start, end),
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => true,
            };
            if !go_on {
                return false;
            }
        }
        true
    }

    fn byte(&self, character: usize) -> usize {
        let inside = match &self.bytes {
            Some(bytes) => bytes.get(character).map(|b| *b as usize),
            None => Some(character),
        };
        inside.map_or(self.text.len(), |b| (b + self.skipped).min(self.text.len()))
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.id, start, end)
    }

    fn say(&mut self, diagnostic: Diagnostic) {
        if self.muted == 0 {
            self.diagnostics.push(diagnostic);
        }
    }

    fn document(&mut self, start: usize, end: usize) -> bool {
        self.documents += 1;
        if self.documents > 1 {
            let second = Diagnostic::error("RB0007", self.span(start, end), "a second document starts here");
            self.say(second.help("a file holds one document: remove the `---`, or make two files"));
            return false;
        }
        self.cursor = self.cursor.max(end);
        true
    }

    /// Anchors and tags in front of a value.
    fn refuse(&mut self, anchor: usize, tag: Option<&Tag>, start: usize, end: usize) {
        if tag.is_none() && anchor == 0 {
            return;
        }
        let word = syntax::word(self.text, self.id, start, end);
        if tag.is_some() {
            let written = &self.text[word.start as usize..word.end as usize];
            if !self.foreign.is_some_and(|tags| tags.contains(&written)) {
                self.say(syntax::tag(word));
            }
        } else if self.foreign.is_none() {
            self.say(syntax::anchor(word));
        }
    }

    /// Counts a value, and steps over the dash or colon in front of it.
    fn begin(&mut self, start: usize) -> bool {
        let mark = match self.frames.last() {
            Some(Frame {
                flow: false,
                content: Content::List(_),
                ..
            }) => Some('-'),
            Some(Frame {
                content: Content::Map {
                    key: Key::Read { .. } | Key::Refused,
                    ..
                },
                ..
            }) => Some(':'),
            _ => None,
        };
        self.cursor = mark.map_or(self.cursor, |m| place::behind(self.text, self.cursor, m));
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > YAML_NODES {
            let message = format!("more than {YAML_NODES} values in one file");
            self.diagnostics.push(Diagnostic::error("RB0009", self.span(start, start), message));
            return false;
        }
        true
    }

    fn open(&mut self, start: usize, map: bool, anchor: usize) -> bool {
        if !self.begin(start) {
            return false;
        }
        if self.frames.len() >= YAML_DEPTH {
            self.diagnostics.push(syntax::too_deep(self.span(start, start + 1)));
            return false;
        }
        let flow = self.text[start..].starts_with(if map { '{' } else { '[' });
        // For a list that is not indented the library points behind its first dash.
        let dash = place::behind(self.text, self.cursor, '-');
        let start = if map || flow || dash == self.cursor {
            start
        } else {
            start.min(dash - 1)
        };
        let rest = &self.text[start..];
        let braces = map && rest.starts_with("{{");
        if braces {
            let place = syntax::placeholder_span(self.text, self.id, start);
            self.say(syntax::placeholder(place));
        }
        // inside a placeholder, and a placeholder itself
        if braces || self.muted > 0 {
            self.muted += 1;
        }
        let content = if map {
            Content::Map {
                entries: Vec::new(),
                seen: HashMap::new(),
                key: Key::Awaited,
            }
        } else {
            Content::List(Vec::new())
        };
        self.frames.push(Frame {
            start,
            flow,
            braces,
            anchor,
            end: start,
            content,
        });
        self.cursor = self.cursor.max(if flow { start + 1 } else { start });
        true
    }

    fn close(&mut self, at: usize) -> bool {
        let Some(frame) = self.frames.pop() else { return true };
        // A block ends with its last value; the library says so only at the next token.
        let end = if frame.flow { (at + 1).min(self.text.len()) } else { frame.end };
        self.muted = self.muted.saturating_sub(1);
        let span = self.span(frame.start, end);
        let kind = if frame.braces {
            NodeKind::Scalar(Scalar {
                text: self.text[frame.start..end].to_owned(),
                style: Style::Plain,
                content: span,
            })
        } else {
            match frame.content {
                Content::List(items) => NodeKind::List(items),
                Content::Map { entries, .. } if self.foreign.is_some() => match anchors::merge(entries) {
                    Ok(entries) => NodeKind::Map(entries),
                    Err(mistake) => {
                        self.say(*mistake);
                        NodeKind::Map(Vec::new())
                    }
                },
                Content::Map { entries, .. } => NodeKind::Map(entries),
            }
        };
        let node = Node { span, kind };
        self.anchors.keep(frame.anchor, &node);
        self.put(node)
    }

    fn alias(&mut self, anchor: usize, start: usize, end: usize) -> bool {
        let left = YAML_NODES.saturating_sub(self.nodes);
        if let Some(resolved) = self.foreign.and_then(|_| self.anchors.resolve(anchor, left)) {
            self.nodes = self.nodes.saturating_add(resolved.nodes);
            if self.frames.len() + resolved.depth > YAML_DEPTH {
                self.diagnostics.push(syntax::too_deep(self.span(start, end)));
                return false;
            }
            let put = self.begin(start) && self.put(resolved.node);
            // The value stands elsewhere: what counts here is the alias.
            self.cursor = end;
            if let Some(frame) = self.frames.last_mut() {
                frame.end = end;
            }
            return put;
        }
        let word = syntax::word(self.text, self.id, start, end);
        self.say(syntax::anchor(word));
        let text = self.text[start..end].to_owned();
        let content = self.span(start, end);
        let kind = NodeKind::Scalar(Scalar {
            text,
            style: Style::Plain,
            content,
        });
        self.begin(start) && self.put(Node { span: content, kind })
    }

    fn scalar(&mut self, text: Cow<'_, str>, style: ScalarStyle, marks: (usize, Option<&Tag>), start: usize, end: usize) -> bool {
        if !self.begin(start) {
            return false;
        }
        let (anchor, tag) = marks;
        let marked = anchor > 0 || tag.is_some();
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        // The library counts what stands behind a closing quote, blanks and comments, to the scalar.
        let end = place::behind_quotes(self.text, start, style)
            .unwrap_or_else(|| start + self.text[start..end].trim_end_matches([' ', '\t', '\r', '\n']).len());
        let (span, content) = match style {
            Style::Plain if text.is_empty() && !marked => (self.span(self.cursor, self.cursor), self.span(self.cursor, self.cursor)),
            Style::Literal | Style::Folded => {
                // Of a block without characters the library points at what comes next.
                let empty = text.bytes().all(|b| b == b'\n');
                let (whole, content) = place::block(self.text, self.cursor, if empty { 0 } else { start });
                (self.span(whole.0, whole.1), self.span(content.0, content.1))
            }
            Style::Plain => (self.span(start, end), self.span(start, end)),
            Style::Single | Style::Double => (self.span(start, end), self.span(start + 1, end.saturating_sub(1).max(start + 1))),
        };
        self.refuse(anchor, tag, start, end);
        let whole = (span.start as usize, span.end as usize);
        if self.text[whole.0..whole.1].contains('\n') {
            self.blocks.push(whole);
        }
        // What looked like a tag or an anchor was meant as text.
        let meant = tag.is_some() || self.foreign.is_none();
        let text = if marked && meant && style == Style::Plain {
            self.text[start..end].to_owned()
        } else {
            text.into_owned()
        };
        let kind = NodeKind::Scalar(Scalar { text, style, content });
        let node = Node { span, kind };
        self.anchors.keep(if self.foreign.is_some() { anchor } else { 0 }, &node);
        self.put(node)
    }

    /// Puts a finished value where it belongs.
    fn put(&mut self, node: Node) -> bool {
        let end = node.span.end as usize;
        self.cursor = self.cursor.max(end);
        let Some(mut frame) = self.frames.pop() else {
            self.root = Some(node);
            return true;
        };
        frame.end = frame.end.max(end);
        let flow = frame.flow;
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, seen, key } => match std::mem::replace(key, Key::Awaited) {
                Key::Awaited => *key = self.key(node, seen),
                Key::Refused => {}
                Key::Read { key, twice } => {
                    self.check_value(&key, &node, flow.then_some(entries.as_slice()));
                    if !twice {
                        entries.push(Entry { key, value: node });
                    }
                }
            },
        }
        self.frames.push(frame);
        true
    }

    fn key(&mut self, node: Node, seen: &mut HashMap<String, Span>) -> Key {
        let span = node.span;
        let refused = match &node.kind {
            NodeKind::Scalar(s) if s.style == Style::Plain && s.text == "<<" && self.foreign.is_none() => Some(syntax::merge(span)),
            NodeKind::Scalar(s) if matches!(s.value(), Value::Text(_)) => None,
            _ => Some(syntax::key(span, &node)),
        };
        if let Some(refused) = refused {
            self.say(refused);
            return Key::Refused;
        }
        let text = match node.kind {
            NodeKind::Scalar(scalar) => scalar.text,
            _ => String::new(),
        };
        let first = seen.get(&text).copied();
        if let Some(first) = first {
            let message = format!("key `{}` stands twice in the same map", crate::base::sanitise::one_line(&text, 60));
            let twice = Diagnostic::error("RB0002", span, message)
                .label("again here")
                .also(first, "first here");
            self.say(twice.help("one of the two would be lost: remove one, or rename it"));
        } else {
            seen.insert(text.clone(), span);
        }
        Key::Read {
            key: Spanned::new(text, span),
            twice: first.is_some(),
        }
    }

    /// A key without a colon. `before`: what stands before it in `{ }`, where it is nearly
    /// always a text with a comma that YAML cut apart.
    fn check_value(&mut self, key: &Spanned<String>, value: &Node, before: Option<&[Entry]>) {
        let left_out = value.span.start == value.span.end;
        let colon = self.text[key.span.end as usize..].trim_start().starts_with(':');
        if left_out && !colon {
            self.say(match before {
                Some(entries) => syntax::cut(key, entries.last()),
                None => syntax::no_colon(key),
            });
        }
    }
}
