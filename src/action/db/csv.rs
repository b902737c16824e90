//! What psql prints with `--csv`: rows of texts.

/// The rows, the names of the columns first. A quoted field may hold commas, quotes and line breaks.
#[must_use]
pub fn rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            c => field.push(c),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

/// One field of the first row in which another has that value.
#[must_use]
pub fn field_where<'r>(rows: &'r [Vec<String>], column: &str, value: &str, wanted: &str) -> Option<&'r str> {
    let (names, rows) = rows.split_first()?;
    let at = |name: &str| names.iter().position(|n| n == name);
    let (key, field) = (at(column)?, at(wanted)?);
    let row = rows.iter().find(|r| r.get(key).is_some_and(|v| v == value))?;
    row.get(field).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_line_breaks() {
        let found = rows("name,note\na,\"x, \"\"y\"\"\nz\"\nb,\n");
        assert_eq!(found, [vec!["name", "note"], vec!["a", "x, \"y\"\nz"], vec!["b", ""]]);
        assert_eq!(field_where(&found, "name", "b", "note"), Some(""));
        assert_eq!(field_where(&found, "name", "c", "note"), None);
        assert_eq!(rows(""), Vec::<Vec<String>>::new());
    }
}
