//! Makes hostile text harmless for a terminal: control, escape and bidirectional characters become visible.

/// Keeps newlines and tabs, replaces every other control or direction-changing character by `\u{..}` notation.
#[must_use]
pub fn for_terminal(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => clean.push(c),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => clean.extend(c.escape_unicode()),
            c if c.is_control() => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean
}

/// As [`for_terminal`], on one line and at most `most` characters; longer text ends in `…`.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let clean = for_terminal(text).replace(['\n', '\t'], " ");
    let clean = clean.trim();
    if clean.chars().count() <= most {
        return clean.to_owned();
    }
    clean.chars().take(most.saturating_sub(1)).chain(std::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_visible() {
        assert_eq!(for_terminal("a\u{1b}[31mred\u{7}\r\nok"), "a\\u{1b}[31mred\\u{7}\\r\nok");
        assert_eq!(for_terminal("rtl\u{202e}txt"), "rtl\\u{202e}txt");
        assert_eq!(one_line("a\nb c", 3), "a …");
    }
}
