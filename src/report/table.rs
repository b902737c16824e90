//! Columns without borders, as wide as their longest cell; long cells wrap where a width is set.

use super::style::{Style, Tint};

/// One cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cell {
    /// Harmless text on one line.
    pub text: String,
    /// Its colour.
    pub tint: Tint,
}

impl Cell {
    pub(super) fn tinted(text: impl Into<String>, tint: Tint) -> Cell {
        Cell { text: text.into(), tint }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::tinted(text, Tint::Plain)
    }
}

/// Rows below headings in capitals.
pub(super) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(headings: &[&str]) -> Table {
        let row = headings.iter().map(|h| Cell::tinted(*h, Tint::Strong)).collect();
        Table { rows: vec![row] }
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub(super) fn render(&self, style: Style) -> String {
        let widths = widths(&self.rows);
        self.rows.iter().map(|row| line(row, &widths, style) + "\n").collect()
    }
}

/// The width of each column.
pub(super) fn widths(rows: &[Vec<Cell>]) -> Vec<usize> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| width(&c.text)).max();
    (0..columns).map(|column| widest(column).unwrap_or(0)).collect()
}

/// One row on one line: columns two blanks apart, nothing at the end.
fn line(cells: &[Cell], widths: &[usize], style: Style) -> String {
    let mut text = String::new();
    let mut gap = 0;
    for (cell, most) in cells.iter().zip(widths) {
        if !cell.text.is_empty() {
            text.push_str(&" ".repeat(gap));
            gap = 0;
            text.push_str(&style.paint(cell.tint, &cell.text));
        }
        gap += most.saturating_sub(width(&cell.text)) + 2;
    }
    text
}

/// One row on as many lines as its longest cell needs, cells wrapped to `widths`.
pub(super) fn block(cells: &[Cell], widths: &[usize], style: Style) -> String {
    let wrapped: Vec<Vec<String>> = cells.iter().zip(widths).map(|(c, w)| wrap(&c.text, *w)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    let mut text = String::new();
    for i in 0..height {
        let part = |(cell, lines): (&Cell, &Vec<String>)| Cell::tinted(lines.get(i).cloned().unwrap_or_default(), cell.tint);
        let row: Vec<Cell> = cells.iter().zip(&wrapped).map(part).collect();
        text.push_str(&line(&row, widths, style));
        text.push('\n');
    }
    text
}

/// Lines of at most `most` characters, broken at blanks, or inside a word that is longer.
pub(super) fn wrap(text: &str, most: usize) -> Vec<String> {
    let most = most.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always a line");
        if last.is_empty() && width(word) <= most {
            last.push_str(word);
        } else if width(last) + 1 + width(word) <= most {
            last.push(' ');
            last.push_str(word);
        } else if width(word) <= most {
            lines.push(word.to_owned());
        } else {
            if last.is_empty() {
                lines.pop();
            }
            let letters: Vec<char> = word.chars().collect();
            lines.extend(letters.chunks(most).map(|c| c.iter().collect::<String>()));
        }
    }
    lines
}

/// Characters; wide glyphs count as one, which a table of names survives.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_carry_nothing_at_the_end() {
        let mut table = Table::new(&["RUN", "STATE", "BY"]);
        table.row(vec!["#1".into(), Cell::tinted("DONE", Tint::Good), "".into()]);
        table.row(vec!["#1042".into(), "".into(), "mira".into()]);
        assert_eq!(table.render(Style::PLAIN), "RUN    STATE  BY\n#1     DONE\n#1042         mira\n");
        let coloured = table.render(Style { color: true });
        assert!(coloured.contains("#1     \u{1b}[32mDONE\u{1b}[0m\n"), "{coloured:?}");
    }

    #[test]
    fn long_text_wraps_at_blanks_and_inside_endless_words() {
        assert_eq!(wrap("put web-01 back into the pool", 12), ["put web-01", "back into", "the pool"]);
        assert_eq!(wrap("a abcdefgh b", 3), ["a", "abc", "def", "gh", "b"]);
        assert_eq!(wrap("", 5), [""]);
    }
}
