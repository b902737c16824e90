//! What came of operations, in the words actions need: a program's end, the trouble, the last lines of what it said.

use crate::base::sanitise::one_line;
use crate::model::action::{ReadError, Verdict};
use crate::model::operation::{Output, Trouble};

/// Lines of a program's own words that a message repeats; the rest is in the record.
const WORDS_LINES: usize = 5;
/// Characters of each of those lines.
const WORDS_CHARS: usize = 300;

/// A program that ended.
#[derive(Clone, Copy, Debug)]
pub struct Exited<'a> {
    /// Exit status.
    pub code: i32,
    /// Its standard output.
    pub stdout: &'a str,
    /// Its standard error.
    pub stderr: &'a str,
}

impl Exited<'_> {
    /// The last lines of what it said: standard error, or standard output when that is empty.
    #[must_use]
    pub fn words(&self) -> String {
        let said = if self.stderr.trim().is_empty() { self.stdout } else { self.stderr };
        last_lines(said)
    }

    /// `ended with 1: last words`.
    #[must_use]
    pub fn ending(&self) -> String {
        match self.words() {
            words if words.is_empty() => format!("ended with {} and said nothing", self.code),
            words => format!("ended with {}: {words}", self.code),
        }
    }
}

/// The end of a program that had to end.
///
/// # Errors
/// The trouble, or that the output is of another kind.
pub fn exited(output: Option<&Output>) -> Result<Exited<'_>, ReadError> {
    match output {
        Some(Output::Exited { code, stdout, stderr, .. }) => Ok(Exited {
            code: *code,
            stdout,
            stderr,
        }),
        other => Err(unexpected(other, "the end of a program")),
    }
}

/// The error for an output that is not the wanted one; trouble keeps its own words and kind.
#[must_use]
pub fn unexpected(output: Option<&Output>, wanted: &str) -> ReadError {
    match output {
        Some(Output::Failed(Trouble { kind, message, .. })) => ReadError {
            message: message.clone(),
            trouble: Some(*kind),
        },
        Some(_) => ReadError::new(format!("expected {wanted}, found another kind of answer")),
        None => ReadError::new(format!("expected {wanted}, found no answer")),
    }
}

/// The first operation that did not end well, in words; `what` names each operation. Programs must end with 0.
#[must_use]
pub fn first_failure(performed: &[Output], what: &dyn Fn(usize) -> String) -> Option<Verdict> {
    performed.iter().enumerate().find_map(|(i, output)| match output {
        Output::Failed(trouble) => Some(Verdict::Failed(trouble.message.clone())),
        Output::Exited { code, stdout, stderr, .. } if *code != 0 => {
            let exited = Exited {
                code: *code,
                stdout,
                stderr,
            };
            Some(Verdict::Failed(format!("`{}` {}", what(i), exited.ending())))
        }
        _ => None,
    })
}

/// The last lines of a text on one line, made harmless.
#[must_use]
pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let from = lines.len().saturating_sub(WORDS_LINES);
    lines[from..]
        .iter()
        .map(|l| one_line(l, WORDS_CHARS))
        .collect::<Vec<_>>()
        .join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_bounded_and_harmless() {
        let stderr = (1..=9).map(|n| format!("line {n}\u{1b}[2J\n")).collect::<String>();
        let exited = Exited {
            code: 3,
            stdout: "ignored",
            stderr: &stderr,
        };
        let ending = exited.ending();
        assert!(ending.starts_with("ended with 3: line 5\\u{1b}[2J / line 6"), "{ending}");
        assert!(!ending.contains('\u{1b}'));
    }
}
