//! Splits a line into words as Python's `shlex` does, which is how Ansible reads lines of hosts; every word has its place.

use std::ops::Range;

/// A word without its quotes, and the bytes it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub place: Range<usize>,
}

/// The words of a line. With `comments`, a `#` outside quotes ends the line, even in the middle of a word.
///
/// # Errors
/// A quote or a backslash at the end; where it stands.
pub(super) fn split(line: &str, comments: bool) -> Result<Vec<Word>, usize> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut chars = line.char_indices().peekable();
    let open = |word: &mut Option<Word>, at: usize| {
        word.get_or_insert_with(|| Word {
            text: String::new(),
            place: at..at,
        });
    };
    while let Some((at, c)) = chars.next() {
        match c {
            '#' if comments => break,
            ' ' | '\t' | '\r' | '\n' => {
                words.extend(word.take());
                continue;
            }
            _ => open(&mut word, at),
        }
        let Some(current) = &mut word else { continue };
        match c {
            '\'' | '"' => loop {
                match chars.next() {
                    None => return Err(at),
                    Some((_, q)) if q == c => break,
                    Some((_, '\\')) if c == '"' => match chars.next() {
                        None => return Err(at),
                        Some((_, e @ ('"' | '\\'))) => current.text.push(e),
                        Some((_, e)) => current.text.extend(['\\', e]),
                    },
                    Some((_, inside)) => current.text.push(inside),
                }
            },
            '\\' => match chars.next() {
                None => return Err(at),
                Some((_, escaped)) => current.text.push(escaped),
            },
            plain => current.text.push(plain),
        }
        current.place.end = chars.peek().map_or(line.len(), |(next, _)| *next);
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn words_are_those_of_python() {
        let table: &[(&str, &[&str])] = &[
            ("a  b\tc", &["a", "b", "c"]),
            ("a=b#c d", &["a=b"]),
            ("h a=\"x#y\" b='q'z c=\\ d \"e\\nf\"", &["h", "a=x#y", "b=qz", "c= d", "e\\nf"]),
            ("a='' ''", &["a=", ""]),
            ("a # b", &["a"]),
            (r#"a="b\"c\\""#, &[r#"a=b"c\"#]),
        ];
        for (line, expected) in table {
            let words = split(line, true).unwrap();
            assert_eq!(words.iter().map(|w| w.text.as_str()).collect::<Vec<_>>(), *expected, "{line}");
        }
        assert_eq!(split("é x='a b' c", true).unwrap()[1].place, 3..10);
        assert_eq!(split("a#b", false).unwrap()[0].text, "a#b");
        assert_eq!(split("a 'b", true), Err(2));
        assert_eq!(split("a \\", true), Err(2));
    }
}
