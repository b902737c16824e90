//! Tokens to a tree: a Pratt parser (one loop, a binding power per operator). Every recursion counts its depth.

use crate::base::bound::{EXPRESSION_BYTES, EXPRESSION_DEPTH};
use crate::base::value::Value;
use crate::diagnostic::Diagnostic;
use crate::model::text::{Expr, ExprKind};

use super::Place;
use super::lex::{Token, TokenKind, foreign_word, tokens};

/// Macros over lists: their first argument is a name, not a value.
pub(super) const COMPREHENSIONS: &[&str] = &["exists", "all", "exists_one", "filter", "map"];

const UNARY: u8 = 7;
const WORDS: &[(&str, &str)] = &[
    ("and", "&&"),
    ("or", "||"),
    ("is", "=="),
    ("AND", "&&"),
    ("OR", "||"),
    ("eq", "=="),
    ("ne", "!="),
];

/// Reads one expression.
pub(super) fn parse(source: &str, place: Place) -> Result<Expr, Box<Diagnostic>> {
    let whole = place.span(0, source.len());
    if source.len() > EXPRESSION_BYTES {
        let problem = Diagnostic::error(
            "RB0202",
            whole,
            format!("an expression has at most {EXPRESSION_BYTES} bytes, this one has {}", source.len()),
        );
        return Err(Box::new(problem.help("ask with several probes, one question each")));
    }
    let tokens = tokens(source, place)?;
    if tokens.len() == 1 {
        return Err(Box::new(
            Diagnostic::error("RB0201", whole, "the expression is empty").help("leave the key out to mean `true`"),
        ));
    }
    let mut parser = Parser {
        tokens,
        at: 0,
        nesting: 0,
        place,
    };
    let tree = parser.expression(0)?;
    match parser.peek().clone() {
        TokenKind::End => Ok(tree.expr),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

/// A subtree and how deep it is.
struct Tree {
    expr: Expr,
    depth: usize,
    start: usize,
    end: usize,
}

type Parsed = Result<Tree, Box<Diagnostic>>;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    nesting: usize,
    place: Place,
}

impl Parser {
    /// An expression inside another one: in brackets, after `!`, in a call. The only recursion without a natural end.
    fn nested(&mut self, least: u8) -> Parsed {
        self.nesting += 1;
        if self.nesting > EXPRESSION_DEPTH {
            return Err(self.too_deep(self.here().start, self.here().end));
        }
        let tree = self.expression(least);
        self.nesting -= 1;
        tree
    }

    /// Takes operators that bind at least as strongly as `least`; calls itself only with a higher power.
    fn expression(&mut self, least: u8) -> Parsed {
        let mut left = self.prefix()?;
        while let Some((operator, power)) = self.infix() {
            if power < least.max(1) {
                break;
            }
            left = match operator {
                "?" => self.conditional(left)?,
                "&&" | "||" => self.chain(left, operator, power)?,
                _ => {
                    self.advance();
                    let right = self.expression(power + 1)?;
                    self.join(operator, left, right)?
                }
            };
        }
        Ok(left)
    }

    fn infix(&self) -> Option<(&'static str, u8)> {
        match self.peek() {
            TokenKind::Operator(o) => {
                let power = match *o {
                    "?" => 1,
                    "||" => 2,
                    "&&" => 3,
                    "==" | "!=" | "<" | "<=" | ">" | ">=" => 4,
                    "+" | "-" => 5,
                    "*" | "/" | "%" => 6,
                    _ => return None,
                };
                Some((o, power))
            }
            TokenKind::Word(w) if w == "in" => Some(("in", 4)),
            _ => None,
        }
    }

    /// `a && b && c …`: a balanced tree, so that many conditions in a row are not deep. The grouping cannot be seen in the result.
    fn chain(&mut self, first: Tree, operator: &'static str, power: u8) -> Parsed {
        let mut operands = std::collections::VecDeque::from([first]);
        while self.accept(operator) {
            operands.push_back(self.expression(power + 1)?);
        }
        while operands.len() > 1 {
            let mut joined = std::collections::VecDeque::new();
            while let Some(left) = operands.pop_front() {
                joined.push_back(match operands.pop_front() {
                    Some(right) => self.join(operator, left, right)?,
                    None => left,
                });
            }
            operands = joined;
        }
        operands.pop_front().ok_or_else(|| self.unexpected("a value"))
    }

    fn join(&self, operator: &'static str, left: Tree, right: Tree) -> Parsed {
        let (start, end, depth) = (left.start, right.end, left.depth.max(right.depth));
        self.tree(
            start,
            end,
            depth,
            ExprKind::Binary(operator, Box::new(left.expr), Box::new(right.expr)),
        )
    }

    fn conditional(&mut self, test: Tree) -> Parsed {
        self.advance();
        // Between `?` and `:` stands anything but a bare conditional, as in CEL.
        let yes = self.nested(2)?;
        self.expect(":", "`:` of `condition ? a : b`")?;
        let no = self.nested(1)?;
        let depth = test.depth.max(yes.depth).max(no.depth);
        let kind = ExprKind::Conditional(Box::new(test.expr), Box::new(yes.expr), Box::new(no.expr));
        self.tree(test.start, no.end, depth, kind)
    }

    fn prefix(&mut self) -> Parsed {
        let token = self.here().clone();
        match token.kind {
            TokenKind::Operator("!") => {
                self.advance();
                self.unary("!", token.start)
            }
            TokenKind::Operator("-") => {
                self.advance();
                if let TokenKind::Int(n) = *self.peek()
                    && !matches!(self.tokens[self.at + 1].kind, TokenKind::Operator("." | "["))
                {
                    let end = self.here().end;
                    self.advance();
                    // 2^63 has no positive twin: negating as i128 keeps the smallest number writable.
                    let value = i64::try_from(-i128::from(n)).unwrap_or(i64::MIN);
                    return self.tree(token.start, end, 0, ExprKind::Literal(Value::Int(value)));
                }
                self.unary("-", token.start)
            }
            _ => {
                let operand = self.operand(&token)?;
                self.postfix(operand)
            }
        }
    }

    fn unary(&mut self, operator: &'static str, start: usize) -> Parsed {
        let inner = self.nested(UNARY)?;
        self.tree(start, inner.end, inner.depth, ExprKind::Unary(operator, Box::new(inner.expr)))
    }

    fn operand(&mut self, token: &Token) -> Parsed {
        let literal = |value| ExprKind::Literal(value);
        let kind = match &token.kind {
            TokenKind::Int(n) => match i64::try_from(*n) {
                Ok(n) => literal(Value::Int(n)),
                Err(_) => {
                    return Err(Box::new(self.problem(
                        token.start,
                        token.end,
                        format!("the number `{n}` is too large"),
                    )));
                }
            },
            TokenKind::Float(n) => literal(Value::Float(*n)),
            TokenKind::Text(text) => literal(Value::Text(text.clone())),
            TokenKind::Word(word) => return self.word(token, word),
            TokenKind::Operator("(") => {
                self.advance();
                let inner = self.nested(0)?;
                let end = self.expect(")", "`)`")?;
                return Ok(Tree {
                    start: token.start,
                    end,
                    ..inner
                });
            }
            TokenKind::Operator("[") => {
                self.advance();
                let (items, depth, end) = self.arguments("]")?;
                return self.tree(token.start, end, depth, ExprKind::List(items));
            }
            _ => return Err(self.unexpected("a value")),
        };
        self.advance();
        self.tree(token.start, token.end, 0, kind)
    }

    fn word(&mut self, token: &Token, word: &str) -> Parsed {
        self.advance();
        let kind = match word {
            "true" | "false" => ExprKind::Literal(Value::Bool(word == "true")),
            "null" => ExprKind::Literal(Value::Null),
            "in" => {
                self.at -= 1;
                return Err(self.unexpected("a value"));
            }
            "not" | "NOT" if !matches!(self.peek(), TokenKind::Operator(o) if *o != "(" && *o != "!") && *self.peek() != TokenKind::End => {
                return Err(Box::new(foreign_word(self.place, token.start, word, "!")));
            }
            _ if *self.peek() == TokenKind::Operator("(") => {
                self.advance();
                let (arguments, depth, end) = self.arguments(")")?;
                let kind = ExprKind::Call {
                    function: word.to_owned(),
                    arguments,
                    method: false,
                };
                return self.tree(token.start, end, depth, kind);
            }
            _ => ExprKind::Name(word.to_owned()),
        };
        self.tree(token.start, token.end, 0, kind)
    }

    fn postfix(&mut self, mut base: Tree) -> Parsed {
        loop {
            if self.accept(".") {
                base = self.member(base)?;
            } else if self.accept("[") {
                let index = self.nested(0)?;
                let end = self.expect("]", "`]`")?;
                let depth = base.depth.max(index.depth);
                base = self.tree(base.start, end, depth, ExprKind::Index(Box::new(base.expr), Box::new(index.expr)))?;
            } else {
                return Ok(base);
            }
        }
    }

    fn member(&mut self, base: Tree) -> Parsed {
        let token = self.here().clone();
        let TokenKind::Word(name) = token.kind else {
            return Err(self.unexpected("a field or a function after `.`"));
        };
        self.advance();
        if !self.accept("(") {
            return self.tree(base.start, token.end, base.depth, ExprKind::Field(Box::new(base.expr), name));
        }
        let (mut arguments, depth, end) = self.arguments(")")?;
        let depth = depth.max(base.depth);
        if COMPREHENSIONS.contains(&name.as_str())
            && arguments.len() == 2
            && let ExprKind::Name(variable) = &arguments[0].kind
        {
            let variable = variable.clone();
            let body = Box::new(arguments.remove(1));
            let kind = ExprKind::Comprehension {
                function: name,
                list: Box::new(base.expr),
                variable,
                body,
            };
            return self.tree(base.start, end, depth, kind);
        }
        arguments.insert(0, base.expr);
        self.tree(
            base.start,
            end,
            depth,
            ExprKind::Call {
                function: name,
                arguments,
                method: true,
            },
        )
    }

    /// Expressions up to `close`, which is taken too.
    fn arguments(&mut self, close: &'static str) -> Result<(Vec<Expr>, usize, usize), Box<Diagnostic>> {
        let (mut list, mut depth) = (Vec::new(), 0);
        let mut end = self.here().end;
        if self.accept(close) {
            return Ok((list, depth, end));
        }
        loop {
            let item = self.nested(0)?;
            depth = depth.max(item.depth);
            list.push(item.expr);
            if self.accept(",") {
                continue;
            }
            end = end.max(self.expect(close, if close == ")" { "`,` or `)`" } else { "`,` or `]`" })?);
            return Ok((list, depth, end));
        }
    }

    fn tree(&self, start: usize, end: usize, inner: usize, kind: ExprKind) -> Parsed {
        if inner + 1 > EXPRESSION_DEPTH {
            return Err(self.too_deep(start, end));
        }
        let span = self.place.span(start, end);
        Ok(Tree {
            expr: Expr { kind, span },
            depth: inner + 1,
            start,
            end,
        })
    }

    fn here(&self) -> &Token {
        &self.tokens[self.at]
    }

    fn peek(&self) -> &TokenKind {
        &self.here().kind
    }

    /// Never beyond the end token.
    fn advance(&mut self) {
        if *self.peek() != TokenKind::End {
            self.at += 1;
        }
    }

    fn accept(&mut self, operator: &'static str) -> bool {
        let found = *self.peek() == TokenKind::Operator(operator);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, operator: &'static str, wanted: &str) -> Result<usize, Box<Diagnostic>> {
        let end = self.here().end;
        if self.accept(operator) {
            Ok(end)
        } else {
            Err(self.unexpected(wanted))
        }
    }

    fn unexpected(&self, wanted: &str) -> Box<Diagnostic> {
        let token = self.here();
        let found = match &token.kind {
            TokenKind::End => String::from("the end of the expression"),
            TokenKind::Word(word) => {
                if let Some((word, right)) = WORDS.iter().find(|(w, _)| w == word) {
                    return Box::new(foreign_word(self.place, token.start, word, right));
                }
                format!("`{word}`")
            }
            TokenKind::Operator(o) => format!("`{o}`"),
            TokenKind::Int(_) | TokenKind::Float(_) => String::from("a number"),
            TokenKind::Text(_) => String::from("a text"),
        };
        let problem = self.problem(token.start, token.end, format!("expected {wanted}, found {found}"));
        Box::new(problem.label(format!("expected {wanted}")))
    }

    fn too_deep(&self, start: usize, end: usize) -> Box<Diagnostic> {
        let span = self.place.span(start, end);
        let problem = Diagnostic::error(
            "RB0202",
            span,
            format!("the expression is nested more than {EXPRESSION_DEPTH} levels deep"),
        );
        Box::new(problem.help("ask with several probes, one question each; many `||` on one value are written `x in [a, b]`"))
    }

    fn problem(&self, start: usize, end: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error("RB0201", self.place.span(start, end), message)
    }
}
