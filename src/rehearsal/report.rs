//! What came of tests, for people, as JSON, and as JUnit's XML for build servers.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::suite::{Tested, TestedCase};
use crate::base::clock::friendly;
use crate::base::sanitise::for_terminal;
use crate::diagnostic::{Diagnostics, Sources, render};

/// Characters of a line of a story.
const WIDE: usize = 170;

/// A test file that could not be tested, or whose runbook could not.
#[derive(Debug)]
pub struct Refused {
    /// The test file.
    pub file: String,
    /// Why.
    pub mistakes: Diagnostics,
    /// The texts that the mistakes are in.
    pub sources: Box<Sources>,
}

/// For people. Passed cases take a line each, failed ones are told in full.
#[must_use]
pub fn text(all: &[Tested], refused: &[Refused], took: Duration, color: bool) -> String {
    let mut text = String::new();
    for tested in all {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{}", tested.file);
        for case in &tested.cases {
            let word = if case.broken.has_errors() { "FAILED" } else { "ok" };
            let runs = if case.runs > 1 {
                format!("  ({} runs)", case.runs)
            } else {
                String::new()
            };
            let _ = writeln!(text, "  {word:<7} {}{runs}", for_terminal(&case.name));
            if case.broken.has_errors() {
                let _ = writeln!(text, "\n{}", render::render(&case.broken, &tested.sources, color));
                if !case.story.is_empty() {
                    let _ = writeln!(text, "what happened:\n{}", indented(&case.story));
                }
            }
        }
        if !tested.unreached.is_empty() {
            let _ = writeln!(text, "  never reached by any case: {}", tested.unreached.join(", "));
        }
    }
    let (cases, failed, runs) = numbers(all);
    let untested = match refused.len() {
        1 => String::from("1 file has mistakes and was not tested"),
        files => format!("{files} files have mistakes and were not tested"),
    };
    if all.is_empty() {
        return format!("nothing was tested: {untested}\n");
    }
    let verdict = match (failed, refused) {
        (0, []) => String::from("all passed"),
        (0, _) => format!("passed, but {untested}"),
        (_, []) => format!("{failed} FAILED"),
        (_, _) => format!("{failed} FAILED, and {untested}"),
    };
    let _ = writeln!(
        text,
        "{}, {}, {}: {verdict}, in {}",
        count(all.len(), "file"),
        count(cases, "case"),
        count(runs, "run"),
        friendly(took)
    );
    text
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn indented(story: &str) -> String {
    let cut = |l: &str| match l.trim_end().char_indices().nth(WIDE) {
        Some((end, _)) => format!("  {}…\n", &l[..end]),
        None => format!("  {}\n", l.trim_end()),
    };
    story.lines().map(cut).collect()
}

fn numbers(all: &[Tested]) -> (usize, usize, usize) {
    let cases = || all.iter().flat_map(|t| &t.cases);
    let failed = cases().filter(|c| c.broken.has_errors()).count();
    (cases().count(), failed, cases().map(|c| c.runs).sum())
}

/// One document.
#[must_use]
pub fn json(all: &[Tested], refused: &[Refused], took: Duration) -> Json {
    let case = |tested: &Tested, c: &TestedCase| {
        json!({
            "name": c.name,
            "passed": !c.broken.has_errors(),
            "runs": c.runs,
            "seconds": c.took.as_secs_f64(),
            "broken": render::to_json(&c.broken, &tested.sources),
            "story": c.story,
        })
    };
    let files: Vec<Json> = all
        .iter()
        .map(|t| {
            let cases: Vec<Json> = t.cases.iter().map(|c| case(t, c)).collect();
            json!({ "file": t.file, "runbook": t.runbook, "cases": cases, "never_reached": t.unreached })
        })
        .collect();
    let (cases, failed, runs) = numbers(all);
    let untested = |r: &Refused| json!({ "file": r.file, "mistakes": render::to_json(&r.mistakes, &r.sources) });
    json!({
        "schema": "runbook.test/1",
        "passed": failed == 0 && refused.is_empty(),
        "cases": cases,
        "failed": failed,
        "runs": runs,
        "seconds": took.as_secs_f64(),
        "files": files,
        "untested": refused.iter().map(untested).collect::<Vec<Json>>(),
    })
}

/// JUnit's XML. A file with mistakes is a suite of one case that could not be carried out, else a build server would not see it.
#[must_use]
pub fn junit(all: &[Tested], refused: &[Refused], took: Duration) -> String {
    let (cases, failed, _) = numbers(all);
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let seconds = |span: Duration| format!("{:.3}", span.as_secs_f64());
    // Writing into a String cannot fail.
    let _ = writeln!(
        text,
        "<testsuites tests=\"{}\" failures=\"{failed}\" errors=\"{}\" time=\"{}\">",
        cases + refused.len(),
        refused.len(),
        seconds(took)
    );
    for one in refused {
        let file = xml(&one.file);
        let sorted = one.mistakes.sorted();
        let first = sorted.first().map_or("", |d| d.message.as_str());
        let _ = writeln!(
            text,
            "  <testsuite name=\"{file}\" tests=\"1\" failures=\"0\" errors=\"1\">\n    <testcase classname=\"{file}\" name=\"can be read\" \
             file=\"{file}\" time=\"0.000\">\n      <error message=\"{}\">{}</error>\n    </testcase>\n  </testsuite>",
            xml(first),
            xml(&render::render(&one.mistakes, &one.sources, false))
        );
    }
    for tested in all {
        let broken = tested.cases.iter().filter(|c| c.broken.has_errors()).count();
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{broken}\">",
            xml(&tested.runbook),
            tested.cases.len()
        );
        for case in &tested.cases {
            let head = format!(
                "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" time=\"{}\"",
                xml(&tested.runbook),
                xml(&case.name),
                xml(&tested.file),
                seconds(case.took)
            );
            match case.broken.sorted().first() {
                None => {
                    let _ = writeln!(text, "{head}/>");
                }
                Some(first) => {
                    let words = format!("{}\n{}", render::render(&case.broken, &tested.sources, false), case.story);
                    let _ = writeln!(
                        text,
                        "{head}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                        xml(&first.message),
                        xml(&words)
                    );
                }
            }
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// Text inside XML: what XML 1.0 cannot hold becomes a question mark.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
