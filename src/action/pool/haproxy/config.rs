//! A view of HAProxy's file that keeps every line: sections, the algorithm, servers (those commented out too), weights, check intervals.
//!
//! May assume one file. Does not check the file; `haproxy -c` does. Does not expand variables, conditions or includes.

use std::time::Duration;

use super::words::{self, Word};

/// The file, line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Lines with their ends, so that joining them gives the file back.
    pub(super) lines: Vec<String>,
    sections: Vec<Section>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    kind: String,
    name: String,
    /// `defaults NAME` that it names with `from`.
    from: Option<String>,
    /// The line of the keyword.
    head: usize,
    /// The line after the last one.
    end: usize,
}

/// A `server` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Index of its line.
    pub line: usize,
    /// Not commented out.
    pub active: bool,
    /// HAProxy's name.
    pub name: String,
    /// `10.0.0.1:80`, as written.
    pub address: String,
    /// `weight N` on the line itself.
    pub own_weight: Option<i64>,
    /// The weight it gets: its own, else `default-server`'s, else 1.
    pub weight: i64,
    /// `disabled`, so that it starts in maintenance.
    pub disabled: bool,
    /// How often it is checked.
    pub interval: Duration,
}

/// Options that `default-server` lines give to the servers after them.
#[derive(Clone, Copy, Debug, Default)]
struct Inherited {
    weight: Option<i64>,
    interval: Option<Duration>,
    disabled: bool,
}

const SECTIONS: [&str; 17] = [
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "peers",
    "resolvers",
    "mailers",
    "userlist",
    "program",
    "cache",
    "http-errors",
    "ring",
    "log-forward",
    "fcgi-app",
    "traces",
    "crt-store",
];

impl Config {
    /// Reads the file's text; every text is a file.
    #[must_use]
    pub fn parse(text: &str) -> Config {
        let lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let mut sections: Vec<Section> = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let words = words::texts(line);
            let Some(kind) = words.first().filter(|word| SECTIONS.contains(&word.as_str())) else {
                continue;
            };
            if let Some(last) = sections.last_mut() {
                last.end = index;
            }
            let from = words.iter().position(|word| word == "from").and_then(|at| words.get(at + 1));
            sections.push(Section {
                kind: kind.clone(),
                name: words.get(1).filter(|word| *word != "from").cloned().unwrap_or_default(),
                from: from.cloned(),
                head: index,
                end: lines.len(),
            });
        }
        Config { lines, sections }
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.concat()
    }

    /// True when there is such a backend (or `listen` section).
    #[must_use]
    pub fn has_backend(&self, backend: &str) -> bool {
        self.section(backend).is_some()
    }

    /// What `balance` says for a backend, `defaults` included: `roundrobin`, `uri depth 2`. HAProxy's own default is `roundrobin`.
    #[must_use]
    pub fn balance(&self, backend: &str) -> Option<String> {
        self.section(backend)?;
        let said = self.effective(backend, "balance").map(|(_, words)| words[1..].join(" "));
        Some(said.unwrap_or_else(|| String::from("roundrobin")))
    }

    /// `hash-type consistent`: a hashing algorithm takes any weight at run time.
    #[must_use]
    pub fn hashes_consistently(&self, backend: &str) -> bool {
        self.effective(backend, "hash-type")
            .is_some_and(|(_, words)| words.get(1).is_some_and(|word| word == "consistent"))
    }

    /// True when a reload of this file takes the servers' states from a file that HAProxy was told to write before.
    #[must_use]
    pub fn loads_state(&self, backend: &str) -> bool {
        let stored =
            self.sections.iter().filter(|section| section.kind == "global").any(|section| {
                self.find_in(section, "server-state-file").is_some() || self.find_in(section, "server-state-base").is_some()
            });
        let loaded = self
            .effective(backend, "load-server-state-from-file")
            .is_some_and(|(_, words)| words.get(1).is_some_and(|word| word == "global" || word == "local"));
        stored && loaded
    }

    /// The servers of a backend in the order of their lines; of several lines for one name an active one wins, else the last.
    #[must_use]
    pub fn servers(&self, backend: &str) -> Vec<Server> {
        let Some(section) = self.section(backend) else {
            return Vec::new();
        };
        let mut inherited = self.inherited_from_defaults(section);
        let mut found: Vec<Server> = Vec::new();
        for index in section.head + 1..section.end {
            let words = words::texts(&self.lines[index]);
            if words.first().is_some_and(|word| word == "default-server") {
                inherited.take(&words[1..]);
                continue;
            }
            let Some(server) = read_server(&self.lines[index], index, inherited) else {
                continue;
            };
            match found.iter_mut().find(|known| known.name == server.name) {
                Some(known) if known.active => {}
                Some(known) => *known = server,
                None => found.push(server),
            }
        }
        found
    }

    /// The server with that name, if a line (active or commented out) is there.
    #[must_use]
    pub fn server(&self, backend: &str, name: &str) -> Option<Server> {
        self.servers(backend).into_iter().find(|server| server.name == name)
    }

    /// True when a `server-template` line of the backend makes a server of that name.
    #[must_use]
    pub fn from_template(&self, backend: &str, name: &str) -> bool {
        let Some(section) = self.section(backend) else {
            return false;
        };
        self.lines[section.head + 1..section.end].iter().any(|line| {
            let words = words::texts(line);
            let number = words
                .get(1)
                .and_then(|prefix| name.strip_prefix(prefix.as_str()))
                .unwrap_or_default();
            words.first().is_some_and(|word| word == "server-template") && number.parse::<u32>().is_ok()
        })
    }

    pub(super) fn bounds(&self, backend: &str) -> Option<(usize, usize)> {
        self.section(backend).map(|section| (section.head, section.end))
    }

    /// The line of `keyword` inside the backend itself.
    pub(super) fn own_line(&self, backend: &str, keyword: &str) -> Option<usize> {
        self.find_in(self.section(backend)?, keyword).map(|(line, _)| line)
    }

    fn section(&self, backend: &str) -> Option<&Section> {
        self.sections
            .iter()
            .find(|section| (section.kind == "backend" || section.kind == "listen") && section.name == backend)
    }

    /// The `defaults` that a section inherits from: the one it names, else the last one before it.
    fn defaults_of(&self, section: &Section) -> Option<&Section> {
        let defaults = || self.sections.iter().filter(|other| other.kind == "defaults");
        match &section.from {
            Some(name) => defaults().find(|other| other.name == *name),
            None => defaults().rfind(|other| other.head < section.head),
        }
    }

    /// The last line of `keyword` in a section.
    fn find_in(&self, section: &Section, keyword: &str) -> Option<(usize, Vec<String>)> {
        (section.head + 1..section.end)
            .rev()
            .map(|index| (index, words::texts(&self.lines[index])))
            .find(|(_, words)| words.first().is_some_and(|word| word == keyword))
    }

    /// The line of `keyword` that counts for a backend: its own, else from its `defaults` (which may have defaults in turn).
    fn effective(&self, backend: &str, keyword: &str) -> Option<(usize, Vec<String>)> {
        let mut section = self.section(backend)?;
        // As many turns as there are sections: `defaults a from a` must not loop.
        for _ in 0..=self.sections.len() {
            if let Some(found) = self.find_in(section, keyword) {
                return Some(found);
            }
            section = match (&section.from, section.kind.as_str()) {
                (None, "defaults") => return None,
                _ => self.defaults_of(section)?,
            };
        }
        None
    }

    fn inherited_from_defaults(&self, section: &Section) -> Inherited {
        let mut inherited = Inherited::default();
        if let Some(defaults) = self.defaults_of(section) {
            for line in &self.lines[defaults.head + 1..defaults.end] {
                let words = words::texts(line);
                if words.first().is_some_and(|word| word == "default-server") {
                    inherited.take(&words[1..]);
                }
            }
        }
        inherited
    }
}

impl Inherited {
    fn take(&mut self, options: &[String]) {
        self.weight = number_after(options, "weight").or(self.weight);
        self.interval = interval_in(options).or(self.interval);
        self.disabled = disabled_in(options).unwrap_or(self.disabled);
    }
}

/// The line without the marks of a comment, and whether there were any.
pub(super) fn uncommented(line: &str) -> (&str, bool) {
    let rest = line.trim_start();
    let bare = rest.trim_start_matches('#').trim_start();
    (bare, bare.len() != rest.len())
}

fn read_server(line: &str, index: usize, inherited: Inherited) -> Option<Server> {
    let (bare, commented) = uncommented(line);
    let words = words::texts(bare);
    let (name, address) = (words.get(1)?, words.get(2)?);
    // "# server web-02 was removed by bob" is prose, not a server.
    let is_address = address.contains(':') || address.starts_with('/') || address.contains('.');
    if words[0] != "server" || !is_address || !super::is_name(name) {
        return None;
    }
    let options = &words[3..];
    let own_weight = number_after(options, "weight");
    Some(Server {
        line: index,
        active: !commented,
        name: name.clone(),
        address: address.clone(),
        own_weight,
        weight: own_weight.or(inherited.weight).unwrap_or(1),
        disabled: disabled_in(options).unwrap_or(inherited.disabled),
        interval: interval_in(options).or(inherited.interval).unwrap_or(Duration::from_secs(2)),
    })
}

fn disabled_in(options: &[String]) -> Option<bool> {
    options.iter().rev().find_map(|word| match word.as_str() {
        "disabled" => Some(true),
        "enabled" => Some(false),
        _ => None,
    })
}

fn number_after(options: &[String], keyword: &str) -> Option<i64> {
    let at = options.iter().rposition(|word| word == keyword)?;
    options.get(at + 1)?.parse().ok()
}

fn interval_in(options: &[String]) -> Option<Duration> {
    let at = options.iter().rposition(|word| word == "inter")?;
    time(options.get(at + 1)?)
}

/// HAProxy's times: `500`, `500ms`, `1s`, `2m`, `1h`, `1d`, `100us`.
fn time(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok().filter(|n| *n <= 2_000_000_000)?;
    Some(match &text[digits.len()..] {
        "" | "ms" => Duration::from_millis(number),
        "us" => Duration::from_micros(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number * 60),
        "h" => Duration::from_secs(number * 3600),
        "d" => Duration::from_secs(number * 86_400),
        _ => return None,
    })
}

/// The bytes from the first word's start to the last word's end.
pub(super) fn span(words: &[Word]) -> Option<(usize, usize)> {
    Some((words.first()?.start, words.last()?.end))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FILE: &str = include_str!("../testdata/haproxy.cfg");

    #[test]
    fn nothing_is_lost() {
        for text in [FILE, "", "\r\n", "no newline at the end", "backend web\r\n  balance source\r\n"] {
            assert_eq!(Config::parse(text).text(), text);
        }
    }

    #[test]
    fn the_algorithm_comes_from_the_section_or_its_defaults() {
        let config = Config::parse(FILE);
        assert_eq!(config.balance("web").unwrap(), "leastconn");
        assert_eq!(config.balance("api").unwrap(), "uri depth 2");
        assert_eq!(config.balance("named").unwrap(), "source");
        assert_eq!(config.balance("stats").unwrap(), "roundrobin", "HAProxy's own default");
        assert_eq!(config.balance("www"), None, "a frontend balances nothing");
    }

    #[test]
    fn servers_of_every_kind() {
        let config = Config::parse(FILE);
        let shown: Vec<_> = config
            .servers("web")
            .into_iter()
            .map(|s| (s.name, s.active, s.weight, s.disabled, s.interval.as_millis()))
            .collect();
        assert_eq!(
            shown,
            [
                (String::from("web-01"), true, 100, false, 1000),
                (String::from("web-02"), true, 10, true, 1000),
                (String::from("web-03"), false, 7, false, 500),
                (String::from("web-04"), false, 10, false, 1000),
            ]
        );
        assert_eq!(config.server("web", "web-04").unwrap().address, "[::1]:21004");
        assert!(config.from_template("api", "t12") && !config.from_template("api", "tx"));
    }

    #[test]
    fn the_state_file_needs_both_lines() {
        let config = Config::parse(FILE);
        assert!(config.loads_state("api") && !config.loads_state("web"));
        assert!(!Config::parse(&FILE.replace("server-state-file", "# server-state-file")).loads_state("api"));
    }

    #[test]
    fn a_defaults_section_that_names_itself_ends() {
        assert_eq!(
            Config::parse("defaults a from a\nbackend b from a\n").balance("b").unwrap(),
            "roundrobin"
        );
    }
}
