//! What apt says it would do: the packages that come, go and change with the one that is wanted.

use std::fmt::Write as _;

use crate::base::sanitise::one_line;
use crate::base::value::Value;

/// Packages that the plan lists one by one.
const SHOWN: usize = 100;

/// A simulated transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transaction {
    /// As a difference of what is installed: `-nginx 1.0`, `+nginx 1.1`.
    pub lines: Vec<String>,
    /// Packages that go and do not come back.
    pub removed: Vec<String>,
    /// Why it is impossible, in apt's words.
    pub error: String,
}

impl Transaction {
    /// From the lines of a look.
    #[must_use]
    pub fn read(stdout: &str) -> Transaction {
        let mut found = Transaction::default();
        let mut errors = Vec::new();
        for line in stdout.lines().filter_map(|l| l.strip_prefix("sim=")) {
            if let Some(error) = line.strip_prefix("E: ") {
                errors.push(one_line(error, 200));
            } else if let Some(rest) = line.strip_prefix("Remv ") {
                let (name, old, _) = parts(rest);
                found.lines.push(format!("-{name} {old}"));
                found.removed.push(name);
            } else if let Some(rest) = line.strip_prefix("Inst ") {
                let (name, old, new) = parts(rest);
                if !old.is_empty() {
                    found.lines.push(format!("-{name} {old}"));
                }
                found.lines.push(format!("+{name} {new}"));
            }
        }
        found.error = errors.join("; ");
        found
    }

    /// From a fact.
    #[must_use]
    pub fn of(fact: Option<&Value>) -> Option<Transaction> {
        let fact = fact.filter(|f| matches!(f, Value::Map(_)))?;
        let texts = |name: &str| {
            let list = fact.field(name)?;
            Some(list.as_list()?.iter().map(Value::to_string).collect())
        };
        Some(Transaction {
            lines: texts("lines")?,
            removed: texts("removed")?,
            error: fact.field("error")?.as_text()?.to_owned(),
        })
    }

    /// As a fact.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let list = |texts: &[String]| Value::List(texts.iter().map(Value::text).collect());
        Value::map([
            ("lines", list(&self.lines)),
            ("removed", list(&self.removed)),
            ("error", Value::text(&self.error)),
        ])
    }

    /// For people, bounded.
    #[must_use]
    pub fn diff(&self) -> Option<String> {
        let mut text = String::new();
        for line in self.lines.iter().take(SHOWN) {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{line}");
        }
        if self.lines.len() > SHOWN {
            let _ = writeln!(text, "and {} lines more", self.lines.len() - SHOWN);
        }
        (!text.is_empty()).then_some(text)
    }
}

/// `nginx [1.0] (1.1 Debian:12 [amd64]) []`: the name, the old version, the new one.
fn parts(rest: &str) -> (String, String, String) {
    let within = |open: char, close: char, text: &str| {
        let inner = text
            .split_once(open)
            .and_then(|(_, r)| r.split_once(close))
            .map_or("", |(inner, _)| inner);
        one_line(inner.split_whitespace().next().unwrap_or(""), 80)
    };
    let name = one_line(rest.split_whitespace().next().unwrap_or(""), 80);
    let before = rest.split('(').next().unwrap_or("");
    (name, within('[', ']', before), within('(', ')', rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn apts_words_become_a_difference() {
        let stdout = "sim=Remv old [3-1]\nsim=Inst dep (2:1.0 Debian:12 [amd64]) []\nsim=Inst nginx [1.0] (1.1 Debian:12, d [amd64])\n";
        let found = Transaction::read(stdout);
        assert_eq!(found.lines, ["-old 3-1", "+dep 2:1.0", "-nginx 1.0", "+nginx 1.1"]);
        assert_eq!(found.removed, ["old"]);
        assert_eq!(Transaction::of(Some(&found.to_value())).unwrap(), found);
        assert_eq!(
            Transaction::read("sim=E: Unable to locate package x\n").error,
            "Unable to locate package x"
        );
        assert_eq!(Transaction::of(Some(&Value::Unknown)), None);
    }
}
