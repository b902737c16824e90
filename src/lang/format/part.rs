//! The tree with its comments: which entry a comment belongs to is a matter of lines and columns.

use super::order::Place;
use crate::yaml::comment::{Comment, blank_above, comments};
use crate::yaml::{Node, NodeKind};

/// A comment on a line of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'t> {
    pub text: &'t str,
    /// An empty line stands above it.
    pub blank: bool,
}

/// An entry of a map, an item of a list, or the whole file, with what is said about it.
#[derive(Debug)]
pub(super) struct Part<'t> {
    text: &'t str,
    /// An entry's key as written and as meant.
    pub key: Option<(&'t str, &'t str)>,
    pub node: &'t Node,
    pub place: Place,
    /// In brackets, or inside of some.
    pub flow: bool,
    /// Comments above.
    pub before: Vec<Line<'t>>,
    /// Comments beside, on the line where it begins or ends.
    pub beside: Vec<&'t str>,
    /// An empty line stands above it.
    pub blank: bool,
    pub children: Vec<Part<'t>>,
    /// Comments inside, below the last child.
    pub after: Vec<Line<'t>>,
    /// Where it starts, its key included.
    start: usize,
    /// Column of its children; of what could stand below a key without a value.
    column: usize,
}

impl<'t> Part<'t> {
    /// The file, its keys in order, its comments where they belong.
    pub fn of(text: &'t str, root: &'t Node) -> Part<'t> {
        let mut whole = part(text, None, root, Place::of_file(root), false);
        whole.start = 0;
        for comment in comments(text, root) {
            whole.attach(&comment);
        }
        // What stands above the first entry is about the file, whichever entry will be the first.
        if let Some(first) = whole.children.first_mut().filter(|first| !first.before.is_empty()) {
            whole.before = std::mem::take(&mut first.before);
            whole.blank = std::mem::take(&mut first.blank);
        }
        whole.sort();
        whole
    }

    /// The key, as meant.
    pub fn name(&self) -> Option<&str> {
        self.key.map(|(_, meant)| meant)
    }

    /// The value as written.
    pub fn written(&self) -> &'t str {
        &self.text[self.node.span.start as usize..self.end()]
    }

    /// Nothing stands behind the colon or dash.
    pub fn is_left_out(&self) -> bool {
        self.node.span.start == self.node.span.end
    }

    fn end(&self) -> usize {
        self.node.span.end as usize
    }

    /// A map or list with lines of its own.
    fn is_block(&self) -> bool {
        !self.flow && !self.children.is_empty()
    }

    fn sort(&mut self) {
        let place = self.place;
        self.children.sort_by_key(|child| child.name().map_or(0, |key| place.rank(key)));
        self.children.iter_mut().for_each(Part::sort);
    }

    /// Finds the innermost part around a comment.
    fn attach(&mut self, comment: &Comment<'t>) {
        let at = self.children.partition_point(|child| child.start <= comment.start);
        let Some(child) = at.checked_sub(1).map(|i| &mut self.children[i]) else {
            return self.between(0, comment);
        };
        let value = child.node.span.start as usize;
        if comment.start >= child.end() {
            return self.between(at, comment);
        }
        let line = Line::of(comment);
        match (comment.start < value, child.children.is_empty()) {
            (true, _) if !comment.own_line => child.beside.push(comment.text),
            (true, _) if child.is_block() => child.children[0].before.push(line),
            (true, _) => {
                let above = child.beside.drain(..).map(|text| Line { text, blank: false });
                child.before.extend(above);
                child.before.push(line);
            }
            // behind the `|` of a block, or inside of empty brackets
            (false, true) => child.beside.push(comment.text),
            (false, false) => child.attach(comment),
        }
    }

    /// A comment between the children before `next` and the one at `next`, if there is one.
    fn between(&mut self, next: usize, comment: &Comment<'t>) {
        let (text, line) = (self.text, Line::of(comment));
        if !comment.own_line {
            let beside = match next.checked_sub(1) {
                Some(previous) => self.children[previous].last(),
                None => self,
            };
            let from = if next > 0 { beside.end() } else { beside.node.span.start as usize };
            let beside_it = next > 0 || beside.flow;
            if beside_it && text.get(from..comment.start).is_some_and(|gap| !gap.contains('\n')) {
                return beside.beside.push(comment.text);
            }
        } else if !self.flow && (next == self.children.len() || comment.column > self.column) {
            // Below something deeper that ends here.
            let ended = next.checked_sub(1).and_then(|i| self.children[i].deepest(comment.column));
            if let Some(ended) = ended {
                return ended.after.push(line);
            }
        }
        match self.children.get_mut(next) {
            Some(child) => child.before.push(line),
            None => self.after.push(line),
        }
    }

    /// The innermost last part that is not in brackets.
    fn last(&mut self) -> &mut Part<'t> {
        if self.is_block() {
            let last = self.children.len() - 1;
            return self.children[last].last();
        }
        self
    }

    /// The innermost last map or list (or key without a value) whose entries stand at `column` or left of it.
    fn deepest(&mut self, column: usize) -> Option<&mut Part<'t>> {
        if !self.reaches(column) {
            return None;
        }
        if self.children.last().is_some_and(|child| child.reaches(column)) {
            return self.children.last_mut()?.deepest(column);
        }
        Some(self)
    }

    fn reaches(&self, column: usize) -> bool {
        (self.is_block() || self.is_left_out()) && self.column <= column
    }
}

impl<'t> Line<'t> {
    fn of(comment: &Comment<'t>) -> Line<'t> {
        Line {
            text: comment.text,
            blank: comment.blank_before,
        }
    }
}

fn part<'t>(
    text: &'t str,
    key: Option<&'t crate::diagnostic::Spanned<String>>,
    node: &'t Node,
    place: Place,
    inside_flow: bool,
) -> Part<'t> {
    let value = node.span.start as usize;
    let flow = inside_flow || text[value..].starts_with(['[', '{']) && node.as_scalar().is_none();
    let start = key.map_or(value, |k| k.span.start as usize);
    let column_of = |at: usize| at - text[..at].rfind('\n').map_or(0, |n| n + 1);
    let inner = |key: Option<&'t crate::diagnostic::Spanned<String>>, node: &'t Node| {
        part(text, key, node, place.inside(key.map(|k| k.value.as_str()), node), flow)
    };
    let children: Vec<Part<'t>> = match &node.kind {
        NodeKind::Scalar(_) => Vec::new(),
        NodeKind::List(items) => items.iter().map(|item| inner(None, item)).collect(),
        NodeKind::Map(entries) => entries.iter().map(|e| inner(Some(&e.key), &e.value)).collect(),
    };
    let column = match &node.kind {
        NodeKind::Scalar(_) => column_of(start) + usize::from(key.is_some()),
        _ => column_of(value),
    };
    Part {
        text,
        key: key.map(|k| (&text[start..k.span.end as usize], k.value.as_str())),
        node,
        place,
        flow,
        before: Vec::new(),
        beside: Vec::new(),
        blank: !inside_flow && blank_above(text, start),
        children,
        after: Vec::new(),
        start,
        column,
    }
}
