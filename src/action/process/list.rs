//! The processes of a host, as `/proc` and `ps` tell them.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::sanitise::one_line;
use crate::base::value::Value;

/// A process that cannot be taken for a later one of the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i64,
    /// When it started, in the kernel's ticks since boot.
    pub start: i64,
    /// Whose it is.
    pub user: String,
    /// Resident memory.
    pub bytes: i64,
    /// Its whole command line.
    pub command: String,
}

impl Process {
    /// As a fact.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::map([
            ("pid", Value::Int(self.pid)),
            ("start", Value::Int(self.start)),
            ("user", Value::text(&self.user)),
            ("bytes", Value::Int(self.bytes)),
            ("command", Value::text(&self.command)),
        ])
    }

    /// From a fact.
    #[must_use]
    pub fn of(fact: &Value) -> Option<Process> {
        let number = |name: &str| fact.field(name)?.as_int();
        let text = |name: &str| fact.field(name)?.as_text().map(str::to_owned);
        Some(Process {
            pid: number("pid")?,
            start: number("start")?,
            user: text("user")?,
            bytes: number("bytes")?,
            command: text("command")?,
        })
    }
}

/// What the kernel says of one: parent, start, whether it still runs.
struct Stat {
    parent: i64,
    start: i64,
    zombie: bool,
}

impl Stat {
    /// `77 (any name) S 1 …`; the name may hold blanks and parentheses.
    fn read(line: &str) -> Option<(i64, Stat)> {
        /// Field 22 of proc(5), counted from field 3.
        const START: usize = 19;
        let (head, tail) = line.rsplit_once(") ")?;
        let pid = head.split_once(' ')?.0.parse().ok()?;
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let stat = Stat {
            parent: fields.get(1)?.parse().ok()?,
            start: fields.get(START)?.parse().ok()?,
            zombie: fields.first() == Some(&"Z"),
        };
        Some((pid, stat))
    }
}

/// Every process that may be meant: not the first one, no thread of the kernel, nobody who is needed to look.
#[must_use]
pub fn read(stdout: &str) -> Vec<Process> {
    let (head, rest) = stdout.split_once("@@ stat\n").unwrap_or((stdout, ""));
    let (stats, names) = rest.split_once("@@ ps\n").unwrap_or((rest, ""));
    let stats: BTreeMap<i64, Stat> = stats.lines().filter_map(Stat::read).collect();
    let own = head.lines().find_map(|l| l.strip_prefix("self=")?.parse::<i64>().ok());
    let mut not_meant: BTreeSet<i64> = BTreeSet::from([1, 2]);
    let mut next = own;
    while let Some(stat) = next.filter(|pid| not_meant.insert(*pid)).and_then(|pid| stats.get(&pid)) {
        next = Some(stat.parent);
    }
    let process = |line: &str| {
        let mut words = line.trim_start().splitn(2, char::is_whitespace);
        let pid: i64 = words.next()?.parse().ok()?;
        let mut words = words.next()?.trim_start().splitn(2, char::is_whitespace);
        let kib = words.next()?.trim_end_matches(['k', 'm']).parse::<i64>().unwrap_or(0);
        let (user, command) = words.next()?.trim_start().split_once(char::is_whitespace)?;
        let stat = stats.get(&pid)?;
        let meant = !not_meant.contains(&pid) && stat.parent != 2 && !stat.zombie && own != Some(stat.parent);
        meant.then(|| Process {
            pid,
            start: stat.start,
            user: user.to_owned(),
            bytes: kib.saturating_mul(1024),
            command: one_line(command, 500),
        })
    };
    names.lines().filter_map(process).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_that_may_be_meant() {
        let tail = "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0";
        let stat = |pid: i64, name: &str, parent: i64, start: i64| format!("{pid} ({name}) S {parent} {tail} {start} 0\n");
        let text = format!(
            "self=50\n@@ stat\n{}{}{}{}{}{}@@ ps\n  1  9 root init\n 40 9 root sshd: app\n 50 9 root sh\n 51 9 root ps\n  7 0 root [kworker]\n 77 2048 app /srv/app --a) b\n",
            stat(1, "init", 0, 1),
            stat(40, "sshd", 1, 5),
            stat(50, "sh", 40, 6),
            stat(51, "ps", 50, 7),
            stat(7, "kworker", 2, 1),
            stat(77, "a) b (c", 1, 123)
        );
        let found = read(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].pid, found[0].start, found[0].bytes), (77, 123, 2048 * 1024));
        assert_eq!((found[0].user.as_str(), found[0].command.as_str()), ("app", "/srv/app --a) b"));
        assert_eq!(Process::of(&found[0].to_value()).as_ref(), found.first());
    }
}
