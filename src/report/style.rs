//! Colour, for people who want it. Nothing may be said by colour alone.

/// Whether to colour; decided at the edge (terminal, `NO_COLOR`, `--color`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Colour it.
    pub color: bool,
}

/// What a text is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tint {
    /// As it is.
    #[default]
    Plain,
    /// Went well.
    Good,
    /// Failed, refused, cannot be undone.
    Bad,
    /// Changes, waits, needs attention.
    Notice,
    /// A heading.
    Strong,
    /// Beside the point.
    Faint,
}

impl Style {
    /// Without colour.
    pub const PLAIN: Style = Style { color: false };

    /// The text in its colour; empty text stays empty.
    pub(super) fn paint(self, tint: Tint, text: &str) -> String {
        let code = match tint {
            Tint::Good => "32",
            Tint::Bad => "31;1",
            Tint::Notice => "33",
            Tint::Strong => "1",
            Tint::Faint => "2",
            Tint::Plain => return text.to_owned(),
        };
        if self.color && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
