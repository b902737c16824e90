//! Text to tokens. The first thing that is no token ends the reading.

use crate::diagnostic::Diagnostic;

use super::Place;

/// A token and its bytes in the content.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    Word(String),
    /// Without sign; up to 2^63, so that the smallest whole number can be written.
    Int(u64),
    Float(f64),
    Text(String),
    Operator(&'static str),
    End,
}

/// Longest first.
const OPERATORS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "(", ")", "[", "]", ".", ",", "?", ":",
];

/// What people write who come from another language, and what it is called here.
const FOREIGN: &[(&str, &str)] = &[
    ("===", "=="),
    ("!==", "!="),
    ("<>", "!="),
    ("=~", ".matches('…')"),
    ("=", "=="),
    ("&", "&&"),
    ("|", "||"),
    ("“", "'"),
    ("”", "'"),
    ("‘", "'"),
    ("’", "'"),
];

pub(super) fn tokens(source: &str, place: Place) -> Result<Vec<Token>, Box<Diagnostic>> {
    let mut lexer = Lexer { source, place, at: 0 };
    let mut all = Vec::new();
    loop {
        let token = lexer.next()?;
        let end = token.kind == TokenKind::End;
        all.push(token);
        if end {
            return Ok(all);
        }
    }
}

struct Lexer<'a> {
    source: &'a str,
    place: Place,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn next(&mut self) -> Result<Token, Box<Diagnostic>> {
        let blank = self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.at += blank;
        let start = self.at;
        let kind = match self.rest().chars().next() {
            None => TokenKind::End,
            Some('\'' | '"') => self.text()?,
            Some(c) if c.is_ascii_digit() => self.number()?,
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.word()?,
            Some(_) => self.operator()?,
        };
        Ok(Token { kind, start, end: self.at })
    }

    fn word(&mut self) -> Result<TokenKind, Box<Diagnostic>> {
        let length = self
            .rest()
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(self.rest().len());
        let word = self.rest()[..length].to_owned();
        if self.rest()[length..].starts_with(['\'', '"']) {
            let problem = self.problem(self.at, self.at + length, "a text has no letter before its quote");
            return Err(Box::new(problem.help("write `'text'`")));
        }
        self.at += length;
        Ok(TokenKind::Word(word))
    }

    fn operator(&mut self) -> Result<TokenKind, Box<Diagnostic>> {
        let rest = self.rest();
        // `=` and its relatives first: `===` must not be read as `==` and a rest.
        let known = OPERATORS.iter().find(|o| rest.starts_with(**o));
        let foreign = FOREIGN.iter().find(|(found, _)| rest.starts_with(found));
        match (known, foreign) {
            (Some(operator), foreign) if foreign.is_none_or(|(found, _)| found.len() <= operator.len()) => {
                self.at += operator.len();
                Ok(TokenKind::Operator(operator))
            }
            (_, Some((found, right))) => Err(Box::new(foreign_word(self.place, self.at, found, right))),
            _ => Err(Box::new(self.stray())),
        }
    }

    fn stray(&self) -> Diagnostic {
        let c = self.rest().chars().next().unwrap_or(' ');
        let problem = self.problem(
            self.at,
            self.at + c.len_utf8(),
            format!("`{}` does not belong in an expression", c.escape_debug()),
        );
        match c {
            '{' | '}' => problem.help("an expression stands without braces: `steps.check.ok`, not `{{steps.check.ok}}`"),
            '$' | '@' | '#' => problem.help("names stand as they are: `params.pool`"),
            _ => problem.help("text stands in quotes: `'text'`"),
        }
    }

    fn number(&mut self) -> Result<TokenKind, Box<Diagnostic>> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut length = digits(0);
        let mut fraction = false;
        if bytes.get(length) == Some(&b'.') && digits(length + 1) > 0 {
            length += 1 + digits(length + 1);
            fraction = true;
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
            if digits(length + 1 + sign) > 0 {
                length += 1 + sign + digits(length + 1 + sign);
                fraction = true;
            }
        }
        let tail = rest[length..]
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '%')
            .unwrap_or(rest.len() - length);
        // `%` is also the remainder: only a number that ends there was meant as a percentage.
        let tail = if rest[length..].starts_with('%') { 0 } else { tail };
        if tail > 0 {
            let problem = self.problem(
                self.at,
                self.at + length + tail,
                format!("`{}` is not a number", &rest[..length + tail]),
            );
            return Err(Box::new(problem.help(
                "numbers stand without a unit: compare `params.limit.bytes` or `params.age.seconds` with a whole number, or write `duration('5m')`",
            )));
        }
        let text = &rest[..length];
        let kind = if fraction {
            text.parse().ok().filter(|n: &f64| n.is_finite()).map(TokenKind::Float)
        } else {
            text.parse().ok().filter(|n| *n <= i64::MIN.unsigned_abs()).map(TokenKind::Int)
        };
        match kind {
            Some(kind) => {
                self.at += length;
                Ok(kind)
            }
            None => Err(Box::new(self.problem(
                self.at,
                self.at + length,
                format!("the number `{text}` is too large"),
            ))),
        }
    }

    fn text(&mut self) -> Result<TokenKind, Box<Diagnostic>> {
        let start = self.at;
        let quote = self.rest().chars().next().unwrap_or('\'');
        let mut text = String::new();
        let mut at = start + 1;
        loop {
            let Some(c) = self.source[at..].chars().next() else {
                let problem = self.problem(start, self.source.len(), "this text has no end");
                return Err(Box::new(problem.label(format!("no closing `{quote}`"))));
            };
            match c {
                c if c == quote => break,
                '\n' | '\r' => {
                    return Err(Box::new(
                        self.problem(start, at, "a text ends on the line where it begins")
                            .help("write `\\n` for a new line"),
                    ));
                }
                '\\' => at = self.escape(at, &mut text)?,
                c => {
                    text.push(c);
                    at += c.len_utf8();
                }
            }
        }
        self.at = at + 1;
        Ok(TokenKind::Text(text))
    }

    /// The escape at `at`; gives the place after it.
    fn escape(&self, at: usize, text: &mut String) -> Result<usize, Box<Diagnostic>> {
        let next = self.source[at + 1..].chars().next();
        let plain = match next {
            Some(c @ ('\\' | '\'' | '"' | '`' | '?')) => Some(c),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            _ => None,
        };
        if let Some(c) = plain {
            text.push(c);
            return Ok(at + 2);
        }
        if next == Some('u')
            && let Some(digits) = self.source.get(at + 2..at + 6)
            && digits.bytes().all(|b| b.is_ascii_hexdigit())
            && let Some(c) = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
        {
            text.push(c);
            return Ok(at + 6);
        }
        let end = at + 1 + next.map_or(0, char::len_utf8);
        let problem = self.problem(at, end, format!("unknown escape `{}`", self.source[at..end].escape_debug()));
        Err(Box::new(problem.help(
            "known: `\\\\`, `\\'`, `\\\"`, `\\n`, `\\r`, `\\t`, `\\u00e9`; in a pattern for `matches`, write every backslash twice",
        )))
    }

    fn problem(&self, start: usize, end: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error("RB0201", self.place.span(start, end), message)
    }
}

/// `and`, `=`, …: right in another language.
pub(super) fn foreign_word(place: Place, at: usize, found: &str, right: &str) -> Diagnostic {
    let problem = Diagnostic::error(
        "RB0211",
        place.span(at, at + found.len()),
        format!("`{found}` is written `{right}` here"),
    );
    problem.label(format!("write `{right}`")).replacement(right)
}
