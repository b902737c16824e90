//! One line of `pgbouncer.ini`: where the server of a database is.

/// A database's line, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 0.
    line: usize,
    /// What stands before the settings, `main = `.
    head: String,
    /// Settings in their order.
    settings: Vec<(String, String)>,
}

impl Entry {
    /// The line of `database` in section `[databases]`.
    ///
    /// # Errors
    /// No such line, or one that is not understood.
    pub fn find(text: &str, database: &str) -> Result<Entry, String> {
        let mut section = "";
        for (number, line) in text.lines().enumerate() {
            let bare = line.trim();
            if bare.starts_with('[') {
                section = bare;
            }
            let Some((name, rest)) = line.split_once('=') else { continue };
            let commented = bare.starts_with([';', '#', '%']);
            if section != "[databases]" || commented || name.trim().trim_matches('"') != database {
                continue;
            }
            let blanks = rest.len() - rest.trim_start().len();
            return Ok(Entry {
                line: number,
                head: format!("{name}={}", &rest[..blanks]),
                settings: settings(rest).ok_or_else(|| format!("line {} is not understood", number + 1))?,
            });
        }
        Err(format!("section [databases] has no line `{database} = …`"))
    }

    /// A setting.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The whole file with another server in this line.
    #[must_use]
    pub fn repointed(&self, text: &str, host: &str, port: Option<&str>) -> String {
        let mut settings = self.settings.clone();
        let mut set = |name: &str, value: &str| match settings.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => value.clone_into(old),
            None => settings.push((name.to_owned(), value.to_owned())),
        };
        set("host", host);
        if let Some(port) = port {
            set("port", port);
        }
        let line: Vec<String> = settings.iter().map(|(n, v)| format!("{n}={}", quoted(v))).collect();
        let new = format!("{}{}", self.head, line.join(" "));
        let mut out = String::with_capacity(text.len() + new.len());
        for (number, old) in text.split_inclusive('\n').enumerate() {
            if number == self.line {
                out.push_str(&new);
                out.push_str(if old.ends_with("\r\n") {
                    "\r\n"
                } else if old.ends_with('\n') {
                    "\n"
                } else {
                    ""
                });
            } else {
                out.push_str(old);
            }
        }
        out
    }
}

/// `host=10.0.0.1 port=5432 connect_query='select 1'`; a quote inside quotes is doubled.
fn settings(text: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('\'') {
            Some(quoted) => until_quote(quoted)?,
            None => {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        found.push((name.trim().to_owned(), value));
        rest = next.trim_start();
    }
    Some(found)
}

fn until_quote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
                value.push('\'');
            }
            '\'' => return Some((value, &text[at + 1..])),
            c => value.push(c),
        }
    }
    None
}

fn quoted(value: &str) -> String {
    let plain = !value.is_empty() && value.chars().all(|c| !c.is_whitespace() && c != '\'');
    if plain {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', "''"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FILE: &str = "; main = host=no\n[databases]\nmain = host=10.0.0.1 port=5432 connect_query='select ''x'' = 1'\nother=host=10.0.0.1\n[pgbouncer]\nmain = x\n";

    #[test]
    fn only_that_line_changes() {
        let entry = Entry::find(FILE, "main").unwrap();
        assert_eq!(
            (entry.get("host"), entry.get("port"), entry.get("dbname")),
            (Some("10.0.0.1"), Some("5432"), None)
        );
        let new = entry.repointed(FILE, "10.0.0.2", Some("6000"));
        let line = "main = host=10.0.0.2 port=6000 connect_query='select ''x'' = 1'\n";
        assert_eq!(
            new,
            FILE.replace("main = host=10.0.0.1 port=5432 connect_query='select ''x'' = 1'\n", line)
        );
        assert_eq!(Entry::find(&new, "main").unwrap().get("host"), Some("10.0.0.2"));
        assert!(Entry::find(FILE, "nope").is_err() && Entry::find("[databases]\nmain = host='x\n", "main").is_err());
    }
}
