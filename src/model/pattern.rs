//! Host patterns: which hosts of an inventory a text means.
//!
//! ```text
//! pattern = term { ("," | ":") term }
//! term    = ["!" | "&"] atom [ "[" index "]" ]
//! atom    = name | glob | "~" regex | "all" | "*"
//! index   = n | -n | a:b (both included) | a:
//! ```
//! Unions first, then `&`, then `!`, whatever the order written. Pure; knows an inventory only as data.

mod glob;
mod range;
mod resolve;

pub use glob::matches as fits_glob;
pub use range::expand;
pub use resolve::{PatternError, PatternErrorKind, resolve, select};

use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, Span};

/// More terms than this are no pattern that a person wrote.
const MOST_TERMS: usize = 1_000;

/// A pattern that is well formed; its names are not looked up yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// As written.
    pub source: String,
    /// Where.
    pub span: Span,
    /// At least one of them is [`Role::Union`].
    pub terms: Vec<Term>,
}

/// One part of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// What it does to the selection.
    pub role: Role,
    /// Which hosts it means.
    pub atom: Atom,
    /// Which of them, by position.
    pub index: Option<Index>,
    /// Where it stands, without `!` and `&`.
    pub span: Span,
}

/// What a term does to the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Adds its hosts.
    Union,
    /// `&`: keeps its hosts only.
    Intersection,
    /// `!`: takes its hosts away.
    Exclusion,
}

/// Which hosts a term means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Atom {
    /// `all`, `*`
    All,
    /// A host or a group.
    Name(String),
    /// Shell style, for whole names: `web-*`, `node[1-3]x`.
    Glob(String),
    /// `~expression`, anchored at the start of the name; without the `~`.
    Regex(String),
}

/// Positions, counted from 0; both ends are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// `[2]`, `[-1]`
    At(i64),
    /// `[1:3]`, `[1:]`
    Between(usize, Option<usize>),
}

/// Reads a pattern; `span` is where `text` stands.
#[must_use]
pub fn parse(text: &str, span: Span) -> (Option<Pattern>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let mut terms = Vec::new();
    for (start, end) in split(text) {
        let piece = &text[start..end];
        let start = start + piece.len() - piece.trim_start().len();
        let piece = piece.trim();
        let place = span.within(start, start + piece.len());
        match term(piece, place) {
            Ok(term) => terms.push(term),
            Err(mistake) => diagnostics.push(*mistake),
        }
        if terms.len() > MOST_TERMS {
            diagnostics.push(wrong(span, format!("more than {MOST_TERMS} terms in one pattern")));
            break;
        }
    }
    if !diagnostics.has_errors() && !terms.iter().any(|t| t.role == Role::Union) {
        let message = format!("the pattern `{}` only takes hosts away", one_line(text, 60));
        let help = format!("say from which hosts: `all:{}`", one_line(text.trim(), 60));
        diagnostics.push(Diagnostic::error("RB0502", span, message).help(help));
    }
    let pattern = (!diagnostics.has_errors()).then(|| Pattern {
        source: text.to_owned(),
        span,
        terms,
    });
    (pattern, diagnostics)
}

fn wrong(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("RB0501", span, message)
}

/// Byte ranges between separators; `,` and `:` inside brackets, or after a backslash in an expression, are none.
fn split(text: &str) -> Vec<(usize, usize)> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut brackets = Brackets::default();
    for (at, c) in text.char_indices() {
        if brackets.outside(c, text[start..at].trim_start_matches([' ', '!', '&']).starts_with('~')) && matches!(c, ',' | ':') {
            pieces.push((start, at));
            start = at + 1;
            brackets = Brackets::default();
        }
    }
    pieces.push((start, text.len()));
    pieces
}

/// Where a scan of one term stands.
#[derive(Default)]
struct Brackets {
    set: bool,
    depth: usize,
    escaped: bool,
}

impl Brackets {
    /// Steps over one character; true if it stands outside all brackets.
    fn outside(&mut self, c: char, regex: bool) -> bool {
        if self.escaped {
            self.escaped = false;
            return false;
        }
        match c {
            '\\' if regex => self.escaped = true,
            ']' => self.set = false,
            _ if self.set => {}
            '[' => self.set = true,
            '(' | '{' if regex => self.depth += 1,
            ')' | '}' if regex => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        !self.set && self.depth == 0 && !self.escaped
    }
}

fn term(piece: &str, span: Span) -> Result<Term, Box<Diagnostic>> {
    let (role, rest) = match piece.chars().next() {
        Some('!') => (Role::Exclusion, &piece[1..]),
        Some('&') => (Role::Intersection, &piece[1..]),
        _ => (Role::Union, piece),
    };
    let text = rest.trim_start();
    let span = span.within(piece.len() - text.len(), piece.len());
    if text.is_empty() {
        let message = if piece.is_empty() {
            "empty term in a pattern".to_owned()
        } else {
            format!("`{piece}` without a name")
        };
        return Err(Box::new(
            wrong(span, message).help("write `all` for all hosts; separate terms with one `,` or `:`"),
        ));
    }
    let (atom, index) = match text.strip_prefix('~') {
        Some(expression) => (regex(expression, span)?, None),
        None => atom(text, span)?,
    };
    Ok(Term { role, atom, index, span })
}

fn regex(expression: &str, span: Span) -> Result<Atom, Box<Diagnostic>> {
    if expression.is_empty() {
        return Err(Box::new(wrong(span, "`~` without an expression")));
    }
    match crate::base::regex::compile(expression) {
        Ok(_) => Ok(Atom::Regex(expression.to_owned())),
        Err(e) => Err(Box::new(wrong(span, format!("not a regular expression: {}", one_line(&e, 120))))),
    }
}

fn atom(text: &str, span: Span) -> Result<(Atom, Option<Index>), Box<Diagnostic>> {
    let (name, index) = match index(text) {
        Some((name, index)) => (name, Some(index)),
        None => (text, None),
    };
    if let Some(c) = name
        .chars()
        .find(|c| !is_name_char(*c) && !matches!(c, '*' | '?' | '[' | ']' | '!' | '^'))
    {
        let message = format!("`{}` cannot stand in a pattern", one_line(&c.to_string(), 10));
        let help = "names hold letters, digits, `.`, `_` and `-`; separate terms with `,` or `:`";
        return Err(Box::new(wrong(span, message).help(help)));
    }
    if name.is_empty() {
        return Err(Box::new(wrong(span, "a position without a name")));
    }
    let atom = match name {
        "all" | "*" => Atom::All,
        _ if name.chars().all(is_name_char) => Atom::Name(name.to_owned()),
        _ if glob::is_valid(name) => Atom::Glob(name.to_owned()),
        _ => {
            let help = "sets of characters are `[abc]`, `[!abc]` and `[a-f]`; positions are `[0]`, `[-1]`, `[0:2]` and `[1:]`, at the end";
            return Err(Box::new(
                wrong(span, format!("the brackets in `{}` make no sense", one_line(name, 60))).help(help),
            ));
        }
    };
    Ok((atom, index))
}

/// Letters, digits, `.`, `_`, `-`: what names are made of.
#[must_use]
pub fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// The name and the position behind it, if `text` ends in one.
fn index(text: &str) -> Option<(&str, Index)> {
    let (name, inside) = text.strip_suffix(']')?.rsplit_once('[')?;
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if let Some((a, b)) = inside.split_once(':') {
        if !digits(a) || !(b.is_empty() || digits(b)) {
            return None;
        }
        // A position that does not fit is out of range like every other that is too large.
        let number = |t: &str| t.parse().unwrap_or(usize::MAX);
        return Some((name, Index::Between(number(a), (!b.is_empty()).then(|| number(b)))));
    }
    let unsigned = inside.strip_prefix('-').unwrap_or(inside);
    let sign = if unsigned.len() < inside.len() { -1 } else { 1 };
    digits(unsigned).then(|| (name, Index::At(sign * unsigned.parse().unwrap_or(i64::MAX))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn codes(text: &str) -> Vec<&'static str> {
        parse(text, Span::default()).1.iter().map(|d| d.code).collect()
    }

    #[test]
    fn terms_are_split_outside_brackets_only() {
        let table: &[(&str, &[&str])] = &[
            ("a,b:c", &["a", "b", "c"]),
            ("web[0:2]:!db", &["web[0:2]", "!db"]),
            ("~a(?:b|c):d", &["~a(?:b|c)", "d"]),
            ("~a{1,2},d", &["~a{1,2}", "d"]),
            (r"~a\:b:c", &[r"~a\:b", "c"]),
            ("~[)]a:b", &["~[)]a", "b"]),
        ];
        for (text, pieces) in table {
            let found: Vec<_> = split(text).into_iter().map(|(a, b)| &text[a..b]).collect();
            assert_eq!(&found, pieces, "{text}");
        }
    }

    #[test]
    fn terms_have_role_atom_index_and_place() {
        let span = Span {
            start: 10,
            end: 40,
            ..Span::default()
        };
        let pattern = parse("web , & prod:! *b[-1]", span).0.unwrap();
        let found: Vec<_> = pattern
            .terms
            .iter()
            .map(|t| (t.role, t.atom.clone(), t.index, t.span.start, t.span.end))
            .collect();
        assert_eq!(
            found,
            [
                (Role::Union, Atom::Name("web".into()), None, 10, 13),
                (Role::Intersection, Atom::Name("prod".into()), None, 18, 22),
                (Role::Exclusion, Atom::Glob("*b".into()), Some(Index::At(-1)), 25, 31),
            ]
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "", ",", "a,", ":a", "a,,b", "!", "a:&", "~", "~(", "[0]", "a b", "a;b", "a[", "a]", "a[]", "a[b", "a/b", "$(id)", "é", "-",
        ] {
            let expected = if text == "-" { vec![] } else { vec!["RB0501"] };
            let mut found = codes(text);
            found.dedup();
            assert_eq!(found, expected, "{text:?}");
        }
        for text in ["!web-01", "&web", "!a:&b", "!all"] {
            assert_eq!(codes(text), ["RB0502"], "{text}");
        }
    }

    #[test]
    fn every_wrong_term_is_named() {
        assert_eq!(codes("a b,c;d,e"), ["RB0501", "RB0501"]);
        assert_eq!(codes(&"a,".repeat(5_000)).len(), 1);
    }
}
