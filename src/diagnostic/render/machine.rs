//! Diagnostics for machines: JSON, and annotations for GitHub.

use std::fmt::Write as _;

use serde_json::json;

use crate::base::sanitise::for_terminal;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Sources, Span};

use super::excerpt::Index;
use super::{count, word};

/// Annotations of each severity that GitHub shows per step.
const GITHUB_MOST: usize = 10;

/// For machines: one document with every mistake, its place in lines and columns (from 1, in characters) and in bytes.
#[must_use]
pub fn to_json(diagnostics: &Diagnostics, sources: &Sources) -> serde_json::Value {
    let index = Index::new(sources);
    let sorted = diagnostics.sorted();
    let list: Vec<serde_json::Value> = sorted
        .iter()
        .map(|d| {
            let others: Vec<serde_json::Value> = d
                .others
                .iter()
                .map(|o| json!({ "place": place(&index, Some(o.span)), "message": o.message }))
                .collect();
            json!({
                "code": d.code,
                "severity": word(d.severity),
                "message": d.message,
                "place": place(&index, d.span),
                "label": d.label,
                "others": others,
                "help": d.help,
                "replacement": d.replacement,
            })
        })
        .collect();
    let (errors, warnings) = count(&sorted);
    json!({ "schema": "runbook.diagnostics/1", "errors": errors, "warnings": warnings, "diagnostics": list })
}

/// For GitHub: `::error file=…,line=…::…`, at most ten errors and ten warnings, the rest counted.
#[must_use]
pub fn to_github(diagnostics: &Diagnostics, sources: &Sources) -> String {
    let index = Index::new(sources);
    let sorted = diagnostics.sorted();
    let mut out = String::new();
    for severity in [Severity::Error, Severity::Warning] {
        let all: Vec<&Diagnostic> = sorted.iter().filter(|d| d.severity == severity).collect();
        for diagnostic in all.iter().take(GITHUB_MOST) {
            let _ = writeln!(out, "{}", annotation(diagnostic, &index));
        }
        if all.len() > GITHUB_MOST {
            let _ = writeln!(out, "::notice::and {} more {}s", all.len() - GITHUB_MOST, word(severity));
        }
    }
    out
}

fn place(index: &Index<'_>, span: Option<Span>) -> serde_json::Value {
    let Some(found) = span.and_then(|span| index.find(span)) else {
        return serde_json::Value::Null;
    };
    let ((line, column), (end_line, end_column)) = (found.position(found.range.start), found.position(found.range.end));
    json!({
        "file": found.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "start": found.range.start,
        "end": found.range.end,
    })
}

fn annotation(diagnostic: &Diagnostic, index: &Index<'_>) -> String {
    let mut properties = Vec::new();
    if let Some(found) = diagnostic.span.and_then(|span| index.find(span)) {
        let ((line, column), (end_line, end_column)) = (found.position(found.range.start), found.position(found.range.end));
        properties.push(format!("file={}", property(&found.source.name)));
        properties.push(format!("line={line}"));
        properties.push(format!("endLine={end_line}"));
        properties.push(format!("col={column}"));
        // GitHub refuses an end column that lies in another line.
        if line == end_line {
            properties.push(format!("endColumn={end_column}"));
        }
    }
    properties.push(format!("title={}", property(diagnostic.code)));
    let advice = diagnostic
        .help
        .clone()
        .or_else(|| diagnostic.replacement.as_ref().map(|r| format!("did you mean `{r}`?")));
    let message = match advice {
        Some(advice) => format!("{} ({advice})", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    format!("::{} {}::{}", word(diagnostic.severity), properties.join(","), data(&message))
}

fn data(text: &str) -> String {
    for_terminal(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
