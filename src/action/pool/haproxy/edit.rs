//! Edits of HAProxy's file that touch only the lines they must.
//!
//! Does not judge whether an edit is wise; the caller validates the result with `haproxy -c`.

use similar::TextDiff;

use super::config::{self, Config, Server};
use super::words;

impl Config {
    /// Makes a backend use an algorithm: changes its own `balance` line, or adds one that overrides `defaults`.
    pub fn set_balance(&mut self, backend: &str, algorithm: &str) {
        let Some((head, end)) = self.bounds(backend) else {
            return;
        };
        if let Some(line) = self.own_line(backend, "balance") {
            let words = words::split(&self.lines[line]);
            match config::span(&words[1..]) {
                Some((start, end)) => self.lines[line].replace_range(start..end, algorithm),
                None => self.lines[line].insert_str(words[0].end, &format!(" {algorithm}")),
            }
            return;
        }
        let new_line = format!("{}balance {algorithm}{}", self.indent(head, end), self.line_end());
        if !self.lines[head].ends_with('\n') {
            let line_end = self.line_end();
            self.lines[head].push_str(line_end);
        }
        self.insert(head + 1, new_line);
    }

    /// True when the backend itself has a `balance` line.
    #[must_use]
    pub fn has_own_balance(&self, backend: &str) -> bool {
        self.own_line(backend, "balance").is_some()
    }

    /// Removes a backend's own `balance` line where its `defaults` (or HAProxy's own default) say the same.
    pub fn inherit_balance(&mut self, backend: &str) {
        let Some(line) = self.own_line(backend, "balance") else {
            return;
        };
        let mut without = self.clone();
        without.lines.remove(line);
        let without = Config::parse(&without.text());
        if without.balance(backend) == self.balance(backend) {
            *self = without;
        }
    }

    /// Sets or removes `weight N` of a server's line, commented out or not.
    pub fn set_weight(&mut self, server: &Server, weight: Option<i64>) {
        match weight {
            Some(weight) => self.set_option(server, "weight", &weight.to_string()),
            None => self.remove_option(server, "weight", 1),
        }
    }

    /// Adds or removes the word `disabled` of a server's line.
    pub fn set_disabled(&mut self, server: &Server, disabled: bool) {
        self.remove_option(server, "disabled", 0);
        if disabled {
            self.append_option(server, "disabled");
        }
    }

    /// Makes a commented-out server line active, indented as its neighbours are.
    pub fn uncomment(&mut self, backend: &str, server: &Server) {
        let Some((head, end)) = self.bounds(backend) else {
            return;
        };
        let indent = self.indent(head, end);
        let (bare, _) = config::uncommented(&self.lines[server.line]);
        self.lines[server.line] = format!("{indent}{bare}");
    }

    /// Comments an active server line out.
    pub fn comment_out(&mut self, server: &Server) {
        let line = &mut self.lines[server.line];
        let indent = line.len() - line.trim_start().len();
        line.insert_str(indent, "# ");
    }

    fn set_option(&mut self, server: &Server, keyword: &str, value: &str) {
        let (at, words) = self.options(server);
        match words.iter().rposition(|word| word.text == keyword).and_then(|i| words.get(i + 1)) {
            Some(word) => self.lines[server.line].replace_range(at + word.start..at + word.end, value),
            None => self.append_option(server, &format!("{keyword} {value}")),
        }
    }

    fn append_option(&mut self, server: &Server, text: &str) {
        let (at, words) = self.options(server);
        if let Some(last) = words.last() {
            self.lines[server.line].insert_str(at + last.end, &format!(" {text}"));
        }
    }

    fn remove_option(&mut self, server: &Server, keyword: &str, values: usize) {
        loop {
            let (at, words) = self.options(server);
            // The name may be the keyword itself: options stand after `server NAME ADDRESS`.
            let Some(first) = (3..words.len()).find(|i| words[*i].text == keyword) else {
                return;
            };
            let last = (first + values).min(words.len() - 1);
            self.lines[server.line].replace_range(at + words[first - 1].end..at + words[last].end, "");
        }
    }

    /// The words of a server line and where the part that they stand in begins.
    fn options(&self, server: &Server) -> (usize, Vec<words::Word>) {
        let line = &self.lines[server.line];
        let (bare, _) = config::uncommented(line);
        (line.len() - bare.len(), words::split(bare))
    }

    fn insert(&mut self, at: usize, line: String) {
        self.lines.insert(at, line);
        // Sections know their lines by number.
        *self = Config::parse(&self.text());
    }

    fn indent(&self, head: usize, end: usize) -> String {
        self.lines[head + 1..end]
            .iter()
            .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
            .map_or_else(
                || String::from("    "),
                |line| line[..line.len() - line.trim_start().len()].to_owned(),
            )
    }

    fn line_end(&self) -> &'static str {
        if self.lines.first().is_some_and(|line| line.ends_with("\r\n")) {
            "\r\n"
        } else {
            "\n"
        }
    }
}

/// A unified diff of two versions of a file.
#[must_use]
pub fn unified_diff(path: &str, before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(2)
        .header(path, path)
        .to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FILE: &str = include_str!("../testdata/haproxy.cfg");

    /// The lines that differ, `-` before and `+` after.
    fn changed(edit: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::parse(FILE);
        edit(&mut config);
        assert_eq!(Config::parse(&config.text()), config, "the view and its text agree");
        let diff = unified_diff("f", FILE, &config.text());
        diff.lines()
            .skip(2)
            .filter(|line| line.starts_with(['-', '+']))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn balance_is_replaced_or_added() {
        assert_eq!(
            changed(|c| c.set_balance("api", "roundrobin")),
            ["-    balance uri depth 2", "+    balance roundrobin"]
        );
        assert_eq!(changed(|c| c.set_balance("web", "roundrobin")), ["+    balance roundrobin"]);
        assert!(
            changed(|c| {
                c.set_balance("web", "leastconn");
                c.inherit_balance("web");
            })
            .is_empty()
        );
        assert!(changed(|c| c.inherit_balance("api")).is_empty(), "its defaults say otherwise");
        let mut bare = Config::parse("backend web");
        bare.set_balance("web", "source");
        assert_eq!(bare.text(), "backend web\n    balance source\n");
        assert_eq!(bare.balance("web").unwrap(), "source");
    }

    #[test]
    fn weight_is_set_and_removed_and_comments_stay() {
        let server = |c: &Config, name: &str| c.server("web", name).unwrap();
        assert_eq!(
            changed(|c| c.set_weight(&server(c, "web-01"), None)),
            [
                "-    server web-01 127.0.0.1:21001 check weight 100 # the master",
                "+    server web-01 127.0.0.1:21001 check # the master"
            ]
        );
        assert_eq!(
            changed(|c| c.set_weight(&server(c, "web-03"), Some(1)))[1],
            "+#    server web-03 127.0.0.1:21003 check inter 500 weight 1 # out for a test"
        );
        assert_eq!(
            changed(|c| c.set_weight(&server(c, "web-02"), Some(5)))[1],
            "+\tserver web-02 127.0.0.1:21002 check disabled weight 5"
        );
        assert_eq!(
            changed(|c| c.set_disabled(&server(c, "web-02"), false))[1],
            "+\tserver web-02 127.0.0.1:21002 check"
        );
    }

    #[test]
    fn uncommenting_and_commenting_out() {
        let server = |c: &Config, name: &str| c.server("web", name).unwrap();
        assert_eq!(
            changed(|c| c.uncomment("web", &server(c, "web-03")))[1],
            "+    server web-03 127.0.0.1:21003 check inter 500 weight 7 # out for a test"
        );
        let lines = changed(|c| c.comment_out(&server(c, "web-02")));
        assert_eq!(lines[1], "+\t# server web-02 127.0.0.1:21002 check disabled");
    }
}
