//! Where in a JSON text a placeholder stands.

/// Follows a JSON text piece by piece.
#[derive(Default)]
pub(super) struct Scanner {
    quoted: bool,
    escaped: bool,
}

impl Scanner {
    /// Passes over a piece of the text.
    pub(super) fn literal(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' if self.quoted => self.escaped = true,
                '"' => self.quoted = !self.quoted,
                _ => {}
            }
        }
    }

    /// True when a placeholder here would stand inside a string.
    pub(super) fn in_string(&self) -> bool {
        self.quoted
    }
}
