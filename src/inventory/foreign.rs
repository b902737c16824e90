//! Recognises inventories in formats of other tools, so that their first line is not called a YAML mistake.

use crate::diagnostic::{Diagnostic, SourceId, Sources, Span};

/// The sentence for a text that is an inventory of another kind; `None` if it may be ours.
pub(super) fn recognise(sources: &Sources, id: SourceId) -> Option<Diagnostic> {
    let text = &sources.get(id)?.text;
    let (start, line) = first_line(text)?;
    let span = Span::new(id, start, start + line.len());
    let refuse = |kind: &str| {
        let help = "write it in runbook's own YAML: `hosts:`, `groups:` and `pools:`";
        Some(Diagnostic::error("RB0514", span, format!("{kind} are not supported yet")).help(help))
    };
    if is_section(line) || is_ini_host(line) {
        return refuse("inventories in INI format");
    }
    if line.starts_with('{') && text.contains("\"_meta\"") {
        return refuse("dynamic inventories in JSON");
    }
    if (line == "all:" || line == "ungrouped:") && (text.contains("children:") || text.contains("hosts:")) {
        return refuse("Ansible's YAML inventories");
    }
    if line.starts_with("#!") {
        return refuse("executable inventories");
    }
    None
}

/// The first line that is neither empty nor a comment nor a document start, and where it starts.
fn first_line(text: &str) -> Option<(usize, &str)> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let said = line.trim_start_matches('\u{feff}').trim();
        let comment = (said.starts_with('#') && !said.starts_with("#!")) || said.starts_with(';');
        if !said.is_empty() && !comment && said != "---" {
            let blanks = line.find(said).unwrap_or(0);
            return Some((start + blanks, said));
        }
        start += line.len();
    }
    None
}

/// `[webservers]`, `[all:vars]`
fn is_section(line: &str) -> bool {
    let inside = line.strip_prefix('[').and_then(|l| l.split_once(']'));
    inside.is_some_and(|(name, rest)| {
        let rest = rest.trim();
        let plain = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':' | '.'));
        plain && (rest.is_empty() || rest.starts_with(['#', ';']))
    })
}

/// `web-01 ansible_host=192.0.2.1`
fn is_ini_host(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or("");
    let ends_a_key = name.ends_with(':') || name.starts_with(['-', '{', '"', '\'']);
    !ends_a_key && words.next().is_some_and(|w| w.starts_with("ansible_") && w.contains('='))
}
