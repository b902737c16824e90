//! A package as a fact: the version that is installed, and those that the host's repositories offer.

use crate::base::value::Value;

/// Older lists of packages count as stale.
const FRESH_SECONDS: i64 = 3600;

/// What is known of a package; a field that is `None` is unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PackageFact {
    /// `installed`, `absent`, or dpkg's word for something in between.
    pub status: Option<String>,
    /// The version that is installed; empty: none.
    pub version: Option<String>,
    /// The version that the repositories offer first; empty: none.
    pub candidate: Option<String>,
    /// Installed, and nothing newer is on offer.
    pub newest: Option<bool>,
    /// Kept at its version.
    pub held: Option<bool>,
    /// All versions on offer, newest first.
    pub offered: Option<Vec<String>>,
}

impl PackageFact {
    /// From the lines of a look.
    #[must_use]
    pub fn read(stdout: &str) -> PackageFact {
        let line = |key: &str| stdout.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('=')).unwrap_or("");
        let status = match line("status") {
            "" | "not-installed" | "config-files" => "absent",
            other => other,
        };
        let version = if status == "absent" { "" } else { line("version") };
        let candidate = line("candidate").trim_start_matches("(none)");
        let mut offered: Vec<String> = Vec::new();
        for offer in stdout.lines().filter_map(|l| l.strip_prefix("offer=")) {
            if !offered.iter().any(|o| o == offer) {
                offered.push(offer.to_owned());
            }
        }
        PackageFact {
            status: Some(status.to_owned()),
            version: Some(version.to_owned()),
            newest: Some(!version.is_empty() && (candidate.is_empty() || candidate == version)),
            candidate: Some(candidate.to_owned()),
            held: Some(status != "absent" && line("want") == "hold"),
            offered: Some(offered),
        }
    }

    /// From a fact, observed or predicted.
    #[must_use]
    pub fn of(fact: Option<&Value>) -> PackageFact {
        let field = |name: &str| fact.and_then(|f| f.field(name)).unwrap_or_default();
        let text = |name: &str| match field(name) {
            Value::Null if fact.is_some() => Some(String::new()),
            other => other.as_text().map(str::to_owned),
        };
        PackageFact {
            status: field("status").as_text().map(str::to_owned),
            version: text("version"),
            candidate: text("candidate"),
            newest: field("newest").as_bool(),
            held: field("held").as_bool(),
            offered: field("offered").as_list().map(|l| l.iter().map(Value::to_string).collect()),
        }
    }

    /// As a fact.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let unknown = |value: Option<Value>| value.unwrap_or(Value::Unknown);
        let text = |value: &Option<String>| unknown(value.as_ref().map(|v| if v.is_empty() { Value::Null } else { Value::text(v) }));
        let offered = self.offered.as_ref().map(|o| Value::List(o.iter().map(Value::text).collect()));
        Value::map([
            ("status", text(&self.status)),
            ("version", text(&self.version)),
            ("candidate", text(&self.candidate)),
            ("newest", unknown(self.newest.map(Value::Bool))),
            ("held", unknown(self.held.map(Value::Bool))),
            ("offered", unknown(offered)),
        ])
    }

    /// The installed version, if one is.
    #[must_use]
    pub fn installed(&self) -> Option<&str> {
        self.version.as_deref().filter(|v| !v.is_empty())
    }

    /// Whether a repository offers that version; `None`: unknown.
    #[must_use]
    pub fn offers(&self, version: &str) -> Option<bool> {
        Some(self.offered.as_ref()?.iter().any(|o| o == version) || self.candidate.as_deref()? == version)
    }
}

/// Whether the lists of packages were refreshed lately, from the lines of a look.
#[must_use]
pub fn lists_fresh(stdout: &str) -> bool {
    let age = stdout.lines().find_map(|l| l.strip_prefix("lists_age="));
    age.and_then(|a| a.parse::<i64>().ok()).is_some_and(|age| age < FRESH_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_reads_back_as_it_was() {
        let installed = "manager=apt\nstatus=installed\nwant=hold\nversion=1.0\ncandidate=2.0\noffer=2.0\noffer=1.0\noffer=1.0\n";
        let absent = "manager=apt\nstatus=config-files\nwant=deinstall\nversion=1.0\ncandidate=(none)\n";
        for stdout in [installed, absent] {
            let fact = PackageFact::read(stdout);
            assert_eq!(PackageFact::of(Some(&fact.to_value())), fact);
        }
        let fact = PackageFact::read(installed);
        assert_eq!((fact.installed(), fact.held, fact.newest), (Some("1.0"), Some(true), Some(false)));
        assert_eq!((fact.offers("1.0"), fact.offers("3.0")), (Some(true), Some(false)));
        assert_eq!(PackageFact::read(absent).installed(), None);
        assert_eq!(PackageFact::of(Some(&Value::Unknown)), PackageFact::default());
    }
}
