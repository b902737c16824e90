//! Short reference pages of the language, made from the tables that the parser reads: keys, expressions, texts, host patterns.

use std::fmt::Write as _;

use super::keys::{self, Key, Need, Shape, Table};
use super::{expression, template};

/// Every table of the language, each once, the runbook's first.
fn tables() -> Vec<&'static Table> {
    let mut found: Vec<&'static Table> = vec![&keys::RUNBOOK, &keys::STEP, &keys::CHECK];
    let mut next = 0;
    while let Some(table) = found.get(next).copied() {
        for key in table.keys {
            if let Some(inner) = inner(key).filter(|t| !found.iter().any(|f| std::ptr::eq(*f, *t))) {
                found.push(inner);
            }
        }
        next += 1;
    }
    found
}

fn inner(key: &Key) -> Option<&'static Table> {
    match key.shape {
        Shape::Map(table) | Shape::List(table) | Shape::Named(table) => Some(table),
        Shape::Owes => Some(&keys::OWES),
        _ => None,
    }
}

/// All keys, or what one key means wherever it may stand; `None` for a key that is none.
#[must_use]
pub fn language(key: Option<&str>) -> Option<String> {
    let Some(name) = key else {
        let mut page = String::from("# The language\n\n`runbook explain language KEY` explains one key.\n");
        for table in tables() {
            let _ = write!(page, "\n{}", section(table));
        }
        return Some(page);
    };
    let mut page = format!("# {name}\n");
    let found: Vec<(&Table, &Key)> = tables().into_iter().filter_map(|t| Some((t, t.get(name)?))).collect();
    for (table, key) in &found {
        let _ = writeln!(page, "\nIn {}:\n{}", table.of, line(key).trim_end());
    }
    let mut below: Vec<&Table> = found.iter().filter_map(|(_, key)| inner(key)).collect();
    below.dedup_by(|a, b| std::ptr::eq(*a, *b));
    for table in below {
        let _ = write!(page, "\n{}", section(table));
    }
    (!found.is_empty()).then_some(page)
}

/// Every key, for those who misspell one.
#[must_use]
pub fn key_names() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = tables().iter().flat_map(|t| t.keys.iter().map(|k| k.name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn section(table: &Table) -> String {
    let lines: String = table.keys.iter().map(line).collect();
    let action = match table.definition {
        "step" => "- ACTION: exactly one, such as `service:`, unless there is `for_each` or `approve` (`runbook explain action`).\n",
        "check" => "- ACTION (required): exactly one that only reads (`runbook explain action`).\n",
        _ => "",
    };
    format!("## Keys of {}\n\n{lines}{action}", table.of)
}

fn line(key: &Key) -> String {
    let need = match key.need {
        Need::Required => " (required)",
        Need::Optional => "",
    };
    format!("- `{}`{need}: {}\n", key.name, key.docs)
}

/// Expressions: where they stand and what they can do.
#[must_use]
pub fn expressions() -> String {
    let mut page = String::from(
        "# Expressions\n\n\
         In `when`, `that`, `changed`, `allow_failure`, `retry.when` and `for_each.items`; without braces; a typed subset of CEL.\n\n\
         - Names: `params.NAME`, `steps.ID.FIELD` of steps before, `result` (or `results`: those of all hosts) of a probe, loop variables.\n\
         - `run.id` (`#12`), `run.hosts.planned`, `.changed` and `.unchanged`; in `on_failure` also `run.failure.step`, `.host` and `.summary`:
           where no step failed (a cancel, the deadline), step and host are empty and the summary says why.
         - Units: `params.max_lag.bytes`, `params.allowed.seconds`, `params.enough.percent`, `params.tolerance.ratio`.\n\
         - Operators: `!` `-` `*` `/` `%` `+` `==` `!=` `<` `<=` `>` `>=` `in` `&&` `||` `? :`; texts in single quotes, lists in `[ ]`.\n\
         - Nothing is converted by itself: a text is never equal to a number, and only true or false is a condition.\n\
         - One that starts with `!` or holds `: ` must be quoted, and one with a comma inside `{ }` of YAML, too.\n\n\
         ## Functions\n\n",
    );
    for usage in expression::usages() {
        let _ = writeln!(page, "- {usage}");
    }
    page
}

/// Texts: placeholders and helpers.
#[must_use]
pub fn texts() -> String {
    let mut page = String::from(
        "# Texts\n\n\
         `{{path}}` in any text puts a value there; a text that is exactly one `{{path}}` keeps the value's type. An unknown path is an\n\
         error when compiling. In `shell.script` the value is quoted for the shell by itself, in a `json` text for JSON; elsewhere it is\n\
         left alone. `{{#if path}}…{{/if}}` and `{{#each list}}…{{/each}}` stand in messages only.\n\
         `\\{{` means the characters; `template: off` at a step or check means them everywhere in its action, and nothing is quoted there.\n\n\
         ## Helpers\n\n",
    );
    for usage in template::usages() {
        let _ = writeln!(page, "- `{usage}`");
    }
    page
}

/// Host patterns.
pub const PATTERNS: &str = "\
# Host patterns

Terms separated by `,` or `:`. Unions first, then `&`, then `!`, whatever the order written. A pattern that means no host is an error,
and so is an unknown name. `runbook inventory hosts PATTERN` shows what one means.

- `web-01`: a host or a group
- `webservers,dbservers`: the hosts of both
- `webservers:!web-01`: all of the group but one
- `webservers:&rack_2`: those that are in both
- `web-*`, `web-0?`, `web-0[12]`: by shell wildcards, the whole name
- `~web-[0-9]+`: by a regular expression, from the beginning of the name
- `webservers[0]`, `webservers[-1]`, `webservers[0:2]`: by position in the group, both ends included
- `all`: every host
";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostic::Span;

    #[test]
    fn every_key_is_on_the_page_and_explained_alone() {
        let page = language(None).unwrap();
        assert!(key_names().len() > 60);
        for key in key_names() {
            assert!(page.contains(&format!("- `{key}`")), "{key}");
            assert!(language(Some(key)).unwrap().starts_with(&format!("# {key}\n\nIn ")), "{key}");
        }
        assert!(language(Some("retry")).unwrap().contains("- `attempts` (required)"));
        assert_eq!(language(Some("retries")), None);
    }

    #[test]
    fn functions_and_helpers_are_listed() {
        for part in ["`list.size()`", "startsWith", "exists", "now()"] {
            assert!(expressions().contains(part), "{part}\n{}", expressions());
        }
        assert!(texts().contains("{{default path 'unknown'}}"));
    }

    #[test]
    fn patterns_on_the_page_are_patterns() {
        let lines = PATTERNS.lines().filter_map(|l| l.strip_prefix("- "));
        let shown: Vec<&str> = lines
            .flat_map(|l| l.rsplit_once(": ").unwrap().0.split('`').skip(1).step_by(2))
            .collect();
        assert!(shown.len() > 10);
        for pattern in shown {
            let (read, problems) = crate::model::pattern::parse(pattern, Span::default());
            assert!(read.is_some() && problems.is_empty(), "{pattern}: {problems:?}");
        }
    }
}
