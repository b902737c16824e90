//! One line of HAProxy's file as words with their places, so that an edit touches nothing else.
//!
//! Knows quotes, escapes and comments; does not expand variables.

/// A word and the bytes it takes in its line, quotes included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its meaning: quotes and escapes resolved.
    pub text: String,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// The words of a line up to its comment, as HAProxy splits them.
#[must_use]
pub fn split(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut current: Option<Word> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        if quote.is_none() && (c.is_whitespace() || c == '#') {
            words.extend(current.take());
            if c == '#' {
                return words;
            }
            continue;
        }
        let word = current.get_or_insert_with(|| Word {
            text: String::new(),
            start: at,
            end: at,
        });
        match (c, quote) {
            ('\\', None | Some('"')) => word.text.extend(chars.next().map(|(_, next)| next)),
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, _) => word.text.push(c),
        }
        word.end = chars.offset();
    }
    words.extend(current);
    words
}

/// The texts alone.
#[must_use]
pub fn texts(line: &str) -> Vec<String> {
    split(line).into_iter().map(|word| word.text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_as_haproxy_does() {
        assert_eq!(
            texts("  server web-01 10.0.0.1:80 check # note"),
            ["server", "web-01", "10.0.0.1:80", "check"]
        );
        assert_eq!(
            texts(r#"http-check send hdr "Host: a b" x\ y 'q#"r' \#z"#),
            ["http-check", "send", "hdr", "Host: a b", "x y", "q#\"r", "#z"]
        );
        assert!(texts("   # server web-01 10.0.0.1:80").is_empty());
    }

    #[test]
    fn a_word_knows_its_place() {
        let line = "\tserver \"a b\" é:1";
        for word in split(line) {
            assert!(!line[word.start..word.end].contains('\t'));
        }
        assert_eq!(&line[split(line)[1].start..split(line)[1].end], "\"a b\"");
    }
}
