//! Diagnostics as text: in the manner of rustc for people, as JSON for machines, as annotations for GitHub. Pure: to a `String`; the
//! edge decides about colour and where it goes.
//!
//! Texts and file contents are hostile: whatever a terminal would obey is made visible. Spans may lie: they are clipped to the text.

mod excerpt;
mod machine;

pub use machine::{to_github, to_json};

use std::collections::BTreeMap;
use std::fmt::Write as _;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use crate::base::sanitise::for_terminal;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Sources};

use excerpt::{Clean, Excerpt, Found, Index};

/// Mistakes of one file that are shown; whoever has more mends these first.
const FILE_MOST: usize = 50;

/// For people: every mistake at its place, sorted, and a last line that counts them; of each file the first fifty. Empty when there
/// are none.
#[must_use]
pub fn render(diagnostics: &Diagnostics, sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let index = Index::new(sources);
    let sorted = diagnostics.sorted();
    let mut out = String::new();
    let mut shown = BTreeMap::new();
    for diagnostic in &sorted {
        let of_file: &mut usize = shown.entry(diagnostic.span.map(|s| s.source)).or_default();
        *of_file += 1;
        if *of_file > FILE_MOST {
            continue;
        }
        let groups = report(diagnostic, &index);
        out.push_str(&renderer.render(&groups));
        out.push_str(if is_a_line(diagnostic) { "\n" } else { "\n\n" });
    }
    for (source, number) in shown.into_iter().filter(|(_, number)| *number > FILE_MOST) {
        let file = source.and_then(|id| sources.get(id)).map_or("", |s| s.name.as_str());
        let _ = writeln!(
            out,
            "{}: and {} more\n",
            for_terminal(file).replace('\n', "\\n"),
            number - FILE_MOST
        );
    }
    // A word beside the matter needs no count.
    if !sorted.iter().all(is_a_line)
        && let Some(line) = summary(&sorted, sources)
    {
        let _ = writeln!(out, "{line}");
    }
    out
}

/// A warning without a place and without help.
fn is_a_line(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Warning && diagnostic.span.is_none() && diagnostic.help.is_none()
}

fn report(diagnostic: &Diagnostic, index: &Index<'_>) -> Vec<Group<'static>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(for_terminal(&diagnostic.message)).id(diagnostic.code));
    let found = diagnostic.span.and_then(|span| index.find(span));
    if let Some(found) = &found {
        for snippet in snippets(diagnostic, found, index) {
            group = group.element(snippet);
        }
    }
    let patch = diagnostic
        .replacement
        .as_ref()
        .zip(found.as_ref())
        .and_then(|(text, found)| patch(text, found));
    if let (Some(help), None) = (&diagnostic.help, &patch) {
        group = group.element(Level::HELP.message(for_terminal(help)));
    }
    let Some(patch) = patch else { return vec![group] };
    let title = diagnostic
        .help
        .clone()
        .or_else(|| diagnostic.replacement.as_ref().map(|r| format!("did you mean `{r}`?")));
    let title = for_terminal(&title.unwrap_or_default());
    vec![group, Level::HELP.secondary_title(title).element(patch)]
}

/// The place at fault and the others, an excerpt for each stretch of lines.
fn snippets(diagnostic: &Diagnostic, primary: &Found<'_>, index: &Index<'_>) -> Vec<Snippet<'static, Annotation<'static>>> {
    let mut excerpt = Excerpt::around(primary);
    let mut marks = vec![(primary.range.clone(), AnnotationKind::Primary, diagnostic.label.as_str())];
    let mut apart = Vec::new();
    for other in &diagnostic.others {
        let Some(found) = index.find(other.span) else { continue };
        let same = diagnostic.span.is_some_and(|span| span.source == other.span.source);
        if same && excerpt.widen(primary, &found) {
            marks.push((found.range, AnnotationKind::Context, other.message.as_str()));
        } else {
            let alone = Excerpt::around(&found);
            apart.push(alone.snippet(&found, &[(found.range.clone(), AnnotationKind::Context, other.message.as_str())]));
        }
    }
    let mut all = vec![excerpt.snippet(primary, &marks)];
    all.extend(apart);
    all
}

fn patch(text: &str, found: &Found<'_>) -> Option<Snippet<'static, Patch<'static>>> {
    let excerpt = Excerpt::around(found);
    let window = excerpt.window(found);
    // A replacement of more than what is shown would show nonsense.
    if found.range.end > window.end {
        return None;
    }
    let clean = Clean::of(&found.source.text[window.clone()], window.start);
    let range = clean.map(found.range.start)..clean.map(found.range.end);
    Some(
        Snippet::source(clean.text)
            .line_start(excerpt.first + 1)
            .patch(Patch::new(range, for_terminal(text))),
    )
}

fn summary(sorted: &[Diagnostic], sources: &Sources) -> Option<String> {
    let code = sorted.iter().find(|d| d.severity == Severity::Error).or(sorted.first())?.code;
    let mut names: Vec<&str> = sorted
        .iter()
        .filter_map(|d| sources.get(d.span?.source))
        .map(|s| s.name.as_str())
        .collect();
    names.dedup();
    let place = match names.as_slice() {
        [] => String::new(),
        [one] => format!("{}: ", for_terminal(one).replace('\n', "\\n")),
        several => format!("{} files: ", several.len()),
    };
    let (errors, warnings) = count(sorted);
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    Some(format!(
        "{place}{}, {}.   runbook explain {code}   for the long story",
        plural(errors, "error"),
        plural(warnings, "warning")
    ))
}

fn count(sorted: &[Diagnostic]) -> (usize, usize) {
    let errors = sorted.iter().filter(|d| d.severity == Severity::Error).count();
    (errors, sorted.len() - errors)
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::diagnostic::{SourceId, Span};
    use serde_json::json;

    const FILE: &str = "runbook: drain\nsteps:\n  - id: drain\n    needs: [cordn]\n    run: rm -rf \"/srv/{{ app }}/cache\"\n";

    fn sources() -> Sources {
        let mut sources = Sources::new();
        sources.add("drain.yaml", FILE);
        sources
    }

    fn span(word: &str) -> Span {
        let start = FILE.find(word).unwrap();
        Span::new(SourceId(0), start, start + word.len())
    }

    fn two() -> Diagnostics {
        let mut all = Diagnostics::new();
        all.push(
            Diagnostic::error("RB0310", span("{{ app }}"), "placeholder inside quotes")
                .label("inside quotes that breaks out")
                .also(span("rm -rf"), "this command")
                .help("use argv"),
        );
        all.push(
            Diagnostic::error("RB0102", span("cordn"), "step `drain` needs unknown step `cordn`")
                .label("not a step")
                .replacement("cordon"),
        );
        all
    }

    #[test]
    fn it_looks_like_rustc_and_counts_at_the_end() {
        let expected = "\
error[RB0102]: step `drain` needs unknown step `cordn`
 --> drain.yaml:4:13
  |
4 |     needs: [cordn]
  |             ^^^^^ not a step
  |
help: did you mean `cordon`?
  |
4 |     needs: [cordon]
  |                 +

error[RB0310]: placeholder inside quotes
 --> drain.yaml:5:23
  |
5 |     run: rm -rf \"/srv/{{ app }}/cache\"
  |          ------       ^^^^^^^^^ inside quotes that breaks out
  |          |
  |          this command
  |
  = help: use argv

drain.yaml: 2 errors, 0 warnings.   runbook explain RB0102   for the long story
";
        let shown = render(&two(), &sources(), false);
        assert_eq!(shown, expected, "\n{shown}");
        let coloured = render(&two(), &sources(), true);
        assert!(coloured.contains("\u{1b}["));
        assert_eq!(render(&Diagnostics::new(), &sources(), false), "");
    }

    #[test]
    fn hostile_characters_become_visible_and_the_place_stays_right() {
        let mut sources = Sources::new();
        let text = "a: \u{1b}[31m\u{202e}bad wrong\r\nb: 1\r\n";
        sources.add("x\u{1b}[2J.yaml", text);
        let start = text.find("wrong").unwrap();
        let span = Span::new(SourceId(0), start, start + 5);
        let problem = Diagnostic::error("RB0001", span, "no \u{1b}]0;title\u{7}")
            .label("here\u{202e}")
            .help("h\u{1b}c")
            .replacement("\u{1b}x");
        let shown = render(&Diagnostics::from(problem.clone()), &sources, false);
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}', '\r']), "{shown:?}");
        let lines: Vec<&str> = shown.lines().collect();
        let at = lines.iter().position(|l| l.contains("bad wrong")).unwrap();
        assert_eq!(lines[at].find("wrong"), lines[at + 1].find('^'), "{shown}");
        assert!(!to_github(&Diagnostics::from(problem), &sources).contains('\u{1b}'));
    }

    #[test]
    fn lying_spans_and_long_lines_do_no_harm() {
        let mut sources = Sources::new();
        sources.add("empty", "");
        sources.add("é", "é\né");
        sources.add("long", format!("{}wrong{}", "é".repeat(200_000), "x".repeat(400_000)));
        sources.add("many", "line\n".repeat(50_000));
        let ends = [0, 1, 2, 3, 4, 5, 400_000, 400_005, 400_006, 249_999, u32::MAX - 1, u32::MAX];
        for source in 0..5 {
            for start in ends {
                for end in ends {
                    let span = Span {
                        source: SourceId(source),
                        start,
                        end,
                    };
                    let problem = Diagnostic::error("RB0001", span, "m").label("l").replacement("r").also(
                        Span {
                            start: end,
                            end: start,
                            ..span
                        },
                        "o",
                    );
                    let all = Diagnostics::from(problem);
                    assert!(render(&all, &sources, false).len() < 60_000);
                    let _ = (to_json(&all, &sources), to_github(&all, &sources));
                }
            }
        }
    }

    #[test]
    fn of_a_file_with_very_many_mistakes_the_first_are_shown() {
        let mut all = Diagnostics::new();
        let mut sources = sources();
        let other = sources.add("b.yaml", "x: 1\n");
        for i in 0..80 {
            all.push(Diagnostic::error(
                "RB0001",
                Span::new(SourceId(0), i, i + 1),
                format!("number {i} is wrong"),
            ));
        }
        all.push(Diagnostic::error("RB0001", Span::new(other, 0, 1), "another file"));
        let shown = render(&all, &sources, false);
        assert_eq!(shown.matches("error[RB0001]").count(), 51);
        assert!(shown.contains("number 49 is") && !shown.contains("number 50 is") && shown.contains("another file"));
        assert!(
            shown.contains("\ndrain.yaml: and 30 more\n\n2 files: 81 errors, 0 warnings."),
            "{shown}"
        );
    }

    #[test]
    fn nowhere_and_several_files() {
        let mut sources = sources();
        let other = sources.add("b.yaml", "x: 1\n");
        let mut all = two();
        all.push(
            Diagnostic::error("RB0500", Span::new(other, 0, 1), "no `x`")
                .warning()
                .also(span("cordn"), "named here"),
        );
        all.push(Diagnostic::nowhere("RB0600", "the flag is wrong").help("leave it out"));
        let shown = render(&all, &sources, false);
        assert!(shown.starts_with("error[RB0600]: the flag is wrong\n"), "{shown}");
        assert!(shown.contains("help: leave it out"), "{shown}");
        assert!(shown.contains("warning[RB0500]") && shown.contains("named here"), "{shown}");
        assert!(
            shown.ends_with("2 files: 3 errors, 1 warning.   runbook explain RB0600   for the long story\n"),
            "{shown}"
        );
    }

    #[test]
    fn machines_get_places_in_lines_columns_and_bytes() {
        let json = to_json(&two(), &sources());
        assert_eq!(json["errors"], 2);
        let first = &json["diagnostics"][0];
        assert_eq!((&first["code"], &first["replacement"]), (&json!("RB0102"), &json!("cordon")));
        assert_eq!(
            first["place"],
            json!({ "file": "drain.yaml", "line": 4, "column": 13, "end_line": 4, "end_column": 18, "start": 48, "end": 53 })
        );
    }

    #[test]
    fn github_gets_escaped_annotations_and_no_more_than_it_shows() {
        let first = to_github(&two(), &sources());
        assert_eq!(
            first.lines().next().unwrap(),
            "::error file=drain.yaml,line=4,endLine=4,col=13,endColumn=18,title=RB0102::step `drain` needs unknown step `cordn` (did you mean `cordon`?)"
        );
        let mut many = Diagnostics::new();
        for i in 0..25 {
            many.push(Diagnostic::error("RB0001", Span::new(SourceId(0), i, i + 1), "100%\nbad"));
            many.push(Diagnostic::error("RB0002", Span::new(SourceId(0), i, i + 1), "odd").warning());
        }
        let shown = to_github(&many, &sources());
        assert_eq!(shown.matches("::error ").count(), 10);
        assert_eq!(shown.matches("::warning ").count(), 10);
        assert!(
            shown.contains("::100%25%0Abad\n") && shown.contains("::notice::and 15 more errors\n"),
            "{shown}"
        );
    }
}
