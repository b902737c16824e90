//! Where in a `sh` script a placeholder stands: only where a whole quoted word can stand is a value harmless.
//!
//! Follows quoting as POSIX sh and bash do. Where the two differ, or where following would need a whole shell parser, the scanner is
//! *lost* and refuses every later placeholder: it may refuse what is safe, never the reverse.

/// Why a placeholder cannot stand where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Danger {
    SingleQuotes,
    DoubleQuotes,
    Backticks,
    /// `"$(…)"`
    QuotedSubstitution,
    /// `${…}`
    Parameter,
    /// `$((…))`, `((…))`, `[[ … ]]`
    Arithmetic,
    /// After `eval` or `let`.
    Evaluated,
    Heredoc,
    /// The word after `<<`.
    HeredocMark,
    Comment,
    AfterDollar,
    AfterBackslash,
    Lost,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// Commands: the script, `(…)`, `$(…)`.
    Code,
    Single,
    /// `$'…'`
    Ansi,
    Double,
    Backtick,
    Brace,
    /// Open parentheses.
    Arithmetic(usize),
}

struct Mark {
    /// The line that ends the heredoc.
    word: String,
    strip_tabs: bool,
}

/// Follows a script piece by piece.
pub(super) struct Scanner {
    frames: Vec<Frame>,
    escaped: bool,
    dollar: bool,
    word_start: bool,
    comment: bool,
    lost: bool,
    /// Inside `[[ … ]]`.
    brackets: bool,
    /// After `eval` or `let`, up to the end of the command.
    evaluated: bool,
    /// The word after `<<` is being read: the mark and its open quote; blanks before it are skipped.
    reading: Option<(Mark, Option<char>)>,
    /// Heredocs announced on this line.
    announced: Vec<Mark>,
    /// Heredocs whose bodies are being read, and the line so far.
    bodies: Vec<Mark>,
    line: String,
    /// The last letters, to find the word `case`.
    word: String,
}

impl Scanner {
    pub(super) fn new() -> Scanner {
        Scanner {
            frames: vec![Frame::Code],
            escaped: false,
            dollar: false,
            word_start: true,
            comment: false,
            lost: false,
            brackets: false,
            evaluated: false,
            reading: None,
            announced: Vec::new(),
            bodies: Vec::new(),
            line: String::new(),
            word: String::new(),
        }
    }

    /// Passes over a piece of the script.
    pub(super) fn literal(&mut self, text: &str) {
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        while at < chars.len() {
            at += self.step(&chars[at..]).max(1);
        }
    }

    /// A placeholder stands here: what is wrong with that, if anything.
    pub(super) fn placeholder(&mut self) -> Option<Danger> {
        let danger = self.danger();
        if matches!(danger, Some(Danger::HeredocMark)) {
            self.lost = true;
        }
        // The value is a part of a word: `#` after it begins no comment, and it ends no heredoc.
        self.word_start = false;
        self.escaped = false;
        self.dollar = false;
        self.word.push('x');
        self.line.push('\0');
        danger
    }

    fn danger(&self) -> Option<Danger> {
        if self.lost {
            return Some(Danger::Lost);
        }
        if !self.bodies.is_empty() {
            return Some(Danger::Heredoc);
        }
        if self.reading.is_some() {
            return Some(Danger::HeredocMark);
        }
        if self.comment {
            return Some(Danger::Comment);
        }
        let inner = self.frames.iter().rev().find(|f| **f != Frame::Code);
        match inner {
            Some(Frame::Double) if *self.top() == Frame::Code => Some(Danger::QuotedSubstitution),
            Some(Frame::Single | Frame::Ansi) => Some(Danger::SingleQuotes),
            Some(Frame::Double) => Some(Danger::DoubleQuotes),
            Some(Frame::Backtick) => Some(Danger::Backticks),
            Some(Frame::Brace) => Some(Danger::Parameter),
            Some(Frame::Arithmetic(_)) => Some(Danger::Arithmetic),
            _ if self.brackets => Some(Danger::Arithmetic),
            _ if self.evaluated => Some(Danger::Evaluated),
            _ if self.escaped => Some(Danger::AfterBackslash),
            _ if self.dollar => Some(Danger::AfterDollar),
            _ => None,
        }
    }

    fn top(&self) -> &Frame {
        self.frames.last().unwrap_or(&Frame::Code)
    }

    fn pop(&mut self) {
        if self.frames.len() > 1 {
            self.frames.pop();
        }
    }

    /// Takes one token; gives how many characters it had.
    fn step(&mut self, rest: &[char]) -> usize {
        let c = rest[0];
        if !self.bodies.is_empty() {
            self.body(c);
            return 1;
        }
        if self.escaped {
            self.escaped = false;
            self.word_start = false;
            return 1;
        }
        if self.reading.is_some() {
            return self.mark(c);
        }
        match *self.top() {
            Frame::Single => {
                if c == '\'' {
                    self.pop();
                }
                1
            }
            Frame::Ansi => self.ansi(rest),
            Frame::Backtick => {
                match c {
                    '\\' => self.escaped = true,
                    '`' => self.pop(),
                    _ => {}
                }
                1
            }
            Frame::Double => self.double(rest),
            Frame::Brace => self.brace(rest),
            Frame::Arithmetic(open) => self.arithmetic(rest, open),
            Frame::Code => self.code(rest),
        }
    }

    /// What begins alike in code, double quotes, `${…}` and arithmetic; 0 when nothing begins here.
    fn substitution(&mut self, rest: &[char]) -> usize {
        let starts = |s: &str| s.chars().enumerate().all(|(i, c)| rest.get(i) == Some(&c));
        if starts("$((") {
            self.frames.push(Frame::Arithmetic(2));
            3
        } else if starts("$(") {
            self.open_code();
            2
        } else if starts("${") {
            self.frames.push(Frame::Brace);
            2
        } else if rest[0] == '`' {
            self.frames.push(Frame::Backtick);
            1
        } else if rest[0] == '\\' {
            self.escaped = true;
            1
        } else {
            0
        }
    }

    fn open_code(&mut self) {
        self.frames.push(Frame::Code);
        self.word_start = true;
        self.word.clear();
    }

    fn double(&mut self, rest: &[char]) -> usize {
        if rest[0] == '"' {
            self.pop();
            return 1;
        }
        self.substitution(rest)
    }

    fn ansi(&mut self, rest: &[char]) -> usize {
        match rest {
            // bash reads an escaped quote, other shells the end of the text.
            ['\\', '\'', ..] => {
                self.lost = true;
                2
            }
            ['\\', _, ..] => 2,
            ['\'', ..] => {
                self.pop();
                1
            }
            _ => 1,
        }
    }

    fn brace(&mut self, rest: &[char]) -> usize {
        match rest[0] {
            '}' => self.pop(),
            '"' => self.frames.push(Frame::Double),
            // Inside double quotes, shells disagree about what a single quote does here.
            '\'' if self.frames.contains(&Frame::Double) => self.lost = true,
            '\'' => self.frames.push(Frame::Single),
            _ => return self.substitution(rest),
        }
        1
    }

    fn arithmetic(&mut self, rest: &[char], open: usize) -> usize {
        match rest[0] {
            '(' => self.set_top(Frame::Arithmetic(open + 1)),
            ')' if open <= 1 => self.pop(),
            ')' => self.set_top(Frame::Arithmetic(open - 1)),
            '\'' => self.frames.push(Frame::Single),
            '"' => self.frames.push(Frame::Double),
            // `$((cat <<X` is a subshell after all; its heredoc is not followed.
            '<' if matches!(rest, ['<', '<', next, ..] if !next.is_ascii_digit() && *next != ' ' && *next != '=') => self.lost = true,
            _ => return self.substitution(rest),
        }
        1
    }

    fn set_top(&mut self, frame: Frame) {
        if let Some(top) = self.frames.last_mut() {
            *top = frame;
        }
    }

    fn code(&mut self, rest: &[char]) -> usize {
        let c = rest[0];
        let after_dollar = std::mem::take(&mut self.dollar);
        if self.comment {
            if c != '\n' {
                return 1;
            }
            self.comment = false;
        }
        let word_start = std::mem::replace(&mut self.word_start, is_break(c));
        self.follow_word(c);
        match c {
            '#' if word_start => self.comment = true,
            '\n' if !self.announced.is_empty() => {
                self.bodies = std::mem::take(&mut self.announced);
                self.line.clear();
            }
            '\'' => self.frames.push(if after_dollar { Frame::Ansi } else { Frame::Single }),
            '"' => self.frames.push(Frame::Double),
            '(' if rest.get(1) == Some(&'(') => {
                self.frames.push(Frame::Arithmetic(2));
                return 2;
            }
            '(' => self.open_code(),
            ')' => self.pop(),
            '<' if rest.starts_with(&['<', '<', '<']) => return 3,
            '<' if rest.starts_with(&['<', '<']) => {
                let strip_tabs = rest.get(2) == Some(&'-');
                self.reading = Some((
                    Mark {
                        word: String::new(),
                        strip_tabs,
                    },
                    None,
                ));
                return 2 + usize::from(strip_tabs);
            }
            // `$[…]` is arithmetic in bash only.
            '$' if rest.get(1) == Some(&'[') => self.lost = true,
            _ => {
                let taken = self.substitution(rest);
                // `$$` is the process id, complete in itself.
                self.dollar = taken == 0 && c == '$' && !after_dollar;
                return taken;
            }
        }
        1
    }

    /// Words that change how what follows is read.
    fn follow_word(&mut self, c: char) {
        if !is_break(c) {
            self.word.push(c);
            return;
        }
        match std::mem::take(&mut self.word).as_str() {
            // Its parentheses are unbalanced: inside a substitution inside quotes only a shell parser could follow them.
            "case" if self.frames.iter().any(|f| *f != Frame::Code) => self.lost = true,
            "[[" => self.brackets = true,
            "]]" => self.brackets = false,
            "eval" | "let" => self.evaluated = true,
            _ => {}
        }
        if !matches!(c, ' ' | '\t' | '<' | '>') {
            self.evaluated = false;
        }
    }

    /// A character of the word after `<<`.
    fn mark(&mut self, c: char) -> usize {
        let Some((mark, quote)) = &mut self.reading else { return 1 };
        match (*quote, c) {
            (Some(q), c) if c == q => *quote = None,
            (Some(_), c) => mark.word.push(c),
            (None, '\'' | '"') => *quote = Some(c),
            (None, '\\') => {}
            (None, ' ' | '\t') if mark.word.is_empty() => {}
            (None, c) if is_break(c) => {
                if let Some((mark, _)) = self.reading.take() {
                    // `<<` without a word, or with an empty one, is nothing we can follow.
                    self.lost |= mark.word.is_empty();
                    self.announced.push(mark);
                }
                self.word_start = true;
                // The break itself means something: it is read again as code.
                let rest = [c];
                return self.code(&rest);
            }
            (None, c) => mark.word.push(c),
        }
        1
    }

    fn body(&mut self, c: char) {
        if c != '\n' {
            self.line.push(c);
            return;
        }
        let line = std::mem::take(&mut self.line);
        let ended = self.bodies.first().is_some_and(|mark| {
            let line = if mark.strip_tabs { line.trim_start_matches('\t') } else { &line };
            line == mark.word
        });
        if ended {
            self.bodies.remove(0);
            self.word_start = true;
        }
    }
}

/// Characters that end a word of a command.
fn is_break(c: char) -> bool {
    c.is_ascii_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '<' | '>')
}
