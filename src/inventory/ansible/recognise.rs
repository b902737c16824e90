//! Which kind of inventory a text is: by what it says first, then by its name.

use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources, Span};
use crate::yaml::{self, Node};

/// What a text turned out to be.
#[derive(Debug)]
pub(in crate::inventory) enum Kind {
    /// runbook's own YAML, or something that tries to be.
    Own(Option<Node>),
    /// Ansible's INI.
    Ini,
    /// Ansible's YAML.
    Yaml(Node),
    /// What programs print.
    Json(Node),
    /// Nothing that can be read; that was said.
    Refused,
}

/// Sections of runbook's own YAML.
const OWN: &[&str] = &["hosts", "groups", "pools"];

/// Looks at a text.
pub(in crate::inventory) fn kind(sources: &Sources, id: SourceId, diagnostics: &mut Diagnostics) -> Kind {
    let Some(source) = sources.get(id) else { return Kind::Refused };
    let Some((start, line)) = first_line(&source.text) else {
        return own(sources, id, diagnostics);
    };
    let span = Span::new(id, start, start + line.len());
    let mut refuse = |message: &str, help: &str| {
        diagnostics.push(Diagnostic::error("RB0514", span, message).help(help));
        Kind::Refused
    };
    let extension = source
        .name
        .rsplit(['/', '\\'])
        .next()
        .and_then(|n| n.rsplit_once('.'))
        .map_or("", |n| n.1);
    if extension == "toml" {
        return refuse("inventories in TOML are not supported", DUMP);
    }
    if line.starts_with("#!") {
        let help = "make it executable (`chmod +x`) and name it itself with `-i`: nothing else starts a program";
        return refuse("this inventory is a program", help);
    }
    if line.starts_with("$ANSIBLE_VAULT;") {
        return refuse(
            "this inventory is encrypted",
            "decrypt it first: `ansible-vault decrypt`, or leave the addresses in plain text",
        );
    }
    if looks_like_json(line) {
        let (node, _) = yaml::read_json(sources, id);
        match node {
            Some(node) if is_dynamic(&node) => return Kind::Json(node),
            Some(_) => {}
            None if source.text.contains("\"_meta\"") => {
                diagnostics.extend(yaml::read_json(sources, id).1);
                return Kind::Refused;
            }
            None => {}
        }
    } else if is_section(line) || is_ini_host(line) || !(matches!(extension, "yaml" | "yml" | "json") || looks_like_yaml(line)) {
        return Kind::Ini;
    }
    yaml_kind(sources, id, diagnostics)
}

const DUMP: &str = "let Ansible read it: `ansible-inventory -i FILE --list > inventory.json`, then `-i inventory.json`";

fn own(sources: &Sources, id: SourceId, diagnostics: &mut Diagnostics) -> Kind {
    let (node, mistakes) = yaml::read(sources, id);
    diagnostics.extend(mistakes);
    Kind::Own(node)
}

fn yaml_kind(sources: &Sources, id: SourceId, diagnostics: &mut Diagnostics) -> Kind {
    let (node, mistakes) = super::tree::read_yaml(sources, id);
    let Some(entries) = node.as_ref().and_then(Node::as_map) else {
        return own(sources, id, diagnostics);
    };
    if let Some(plugin) = entries.iter().find(|e| e.key.value == "plugin") {
        let message = "this configures an inventory plugin of Ansible's, which runbook does not have";
        diagnostics.push(Diagnostic::error("RB0514", plugin.key.span, message).help(DUMP));
        return Kind::Refused;
    }
    let group = |n: &Node| ["hosts", "children", "vars"].iter().any(|k| n.entry(k).is_some());
    let theirs = |e: &yaml::Entry| matches!(e.key.value.as_str(), "all" | "ungrouped") || group(&e.value);
    if entries.iter().any(|e| OWN.contains(&e.key.value.as_str())) || !entries.iter().any(theirs) {
        return own(sources, id, diagnostics);
    }
    diagnostics.extend(mistakes);
    node.map_or(Kind::Refused, Kind::Yaml)
}

/// The first line that is neither empty nor a comment nor a document start, and where it starts.
fn first_line(text: &str) -> Option<(usize, &str)> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let said = line.trim_start_matches('\u{feff}').trim();
        let comment = (said.starts_with('#') && !(said.starts_with("#!") && start == 0)) || said.starts_with(';');
        if !said.is_empty() && !comment && said != "---" {
            let blanks = line.find(said).unwrap_or(0);
            return Some((start + blanks, said));
        }
        start += line.len();
    }
    None
}

fn looks_like_json(line: &str) -> bool {
    line.strip_prefix('{')
        .is_some_and(|rest| rest.trim_start().is_empty() || rest.trim_start().starts_with(['"', '}']))
}

/// `webservers:`, `all: {…}`, `- x`, `{…}`
fn looks_like_yaml(line: &str) -> bool {
    let said = line.split(" #").next().unwrap_or(line).trim_end();
    said.ends_with(':') || said.contains(": ") || said.starts_with(['{', '-', '"', '\'', '%'])
}

fn is_dynamic(node: &Node) -> bool {
    let entries = node.as_map().unwrap_or_default();
    let own = entries.iter().any(|e| OWN.contains(&e.key.value.as_str()));
    let group = |n: &Node| n.as_list().is_some() || ["hosts", "children", "vars"].iter().any(|k| n.entry(k).is_some());
    node.entry("_meta").is_some() || (!own && entries.iter().any(|e| group(&e.value)))
}

/// `[webservers]`, `[all:vars]`
fn is_section(line: &str) -> bool {
    let inside = line.strip_prefix('[').and_then(|l| l.split_once(']'));
    inside.is_some_and(|(name, rest)| {
        let rest = rest.trim();
        let plain = !name.is_empty() && !name.contains([' ', '\t', ',', '"', '\'', '{']);
        plain && (rest.is_empty() || rest.starts_with(['#', ';']))
    })
}

/// `web-01 ansible_host=192.0.2.1`
fn is_ini_host(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or("");
    let ends_a_key = name.ends_with(':') || name.starts_with(['-', '{', '"', '\'']);
    !ends_a_key
        && words
            .next()
            .is_some_and(|w| w.split_once('=').is_some_and(|(key, _)| is_variable(key)))
}

fn is_variable(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
