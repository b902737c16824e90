//! Ansible's INI inventories: sections of hosts, of children and of variables.

use crate::base::bound::TEXT_BYTES;
use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources, Span, Spanned, nearest};
use crate::inventory::ansible::world::{ALL, UNGROUPED, Vars, World};
use crate::inventory::ansible::{literal, words};
use crate::inventory::secret::secret_from;
use crate::yaml;

/// What the lines below a header are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Hosts,
    Children,
    Vars,
    /// The header was refused; its lines are passed over.
    Refused,
}

/// Reads one text into the world.
pub(super) fn read(sources: &Sources, id: SourceId, world: &mut World, diagnostics: &mut Diagnostics) {
    let text = sources.get(id).map_or("", |s| s.text.as_str());
    if text.len() > TEXT_BYTES {
        let message = format!("this file has {} bytes; at most {TEXT_BYTES} (4 MiB) are read", text.len());
        diagnostics.push(Diagnostic::error("RB0008", Span::new(id, 0, 0), message));
        return;
    }
    if yaml::invisible(text, id, diagnostics) {
        return;
    }
    let mut reader = Reader {
        id,
        world,
        diagnostics,
        group: UNGROUPED,
        section: Section::Hosts,
    };
    let mut start = 0;
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_start_matches('\u{feff}');
        let said = line.trim();
        let at = start + whole.find(said).unwrap_or(0);
        start += whole.len();
        if !said.is_empty() && !said.starts_with(['#', ';']) {
            reader.line(said, at);
        }
    }
}

struct Reader<'r> {
    id: SourceId,
    world: &'r mut World,
    diagnostics: &'r mut Diagnostics,
    group: usize,
    section: Section,
}

impl Reader<'_> {
    fn span(&self, start: usize, length: usize) -> Span {
        Span::new(self.id, start, start + length)
    }

    fn wrong(&mut self, start: usize, length: usize, message: impl Into<String>, help: &str) {
        let mistake = Diagnostic::error("RB0521", self.span(start, length), message);
        self.diagnostics.push(if help.is_empty() { mistake } else { mistake.help(help) });
    }

    fn line(&mut self, line: &str, at: usize) {
        if line.starts_with('[') && self.header(line, at) {
            return;
        }
        match self.section {
            Section::Hosts => self.hosts(line, at),
            Section::Vars => self.variable(line, at),
            Section::Children => self.child(line, at),
            Section::Refused => {}
        }
    }

    /// `[name]`, `[name:children]`, `[name:vars]`; false for a host whose name starts with a range.
    fn header(&mut self, line: &str, at: usize) -> bool {
        let Some((inside, rest)) = line[1..].split_once(']') else {
            self.section = Section::Refused;
            self.wrong(
                at,
                line.len(),
                "a section header is not closed",
                "write `[webservers]`, `[webservers:vars]` or `[site:children]`",
            );
            return true;
        };
        let rest = rest.trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            if !rest.starts_with(';') {
                return false;
            }
            let help = "behind a section header comments start with `#`; Ansible reads this line as a host";
            self.wrong(at + line.len() - rest.len(), rest.len(), "`;` does not start a comment here", help);
        }
        let (name, what) = inside.split_once(':').unwrap_or((inside, "hosts"));
        self.section = match what {
            "hosts" => Section::Hosts,
            "children" => Section::Children,
            "vars" => Section::Vars,
            _ => {
                self.section = Section::Refused;
                let message = format!("`[{}]` is no section", one_line(inside, 60));
                let help = match nearest(what, ["hosts", "children", "vars"]) {
                    Some(near) => format!("did you mean `[{name}:{near}]`?"),
                    None => String::from("sections are `[name]`, `[name:children]` and `[name:vars]`"),
                };
                self.wrong(at, inside.len() + 2, message, &help);
                return true;
            }
        };
        let name = Spanned::new(name.to_owned(), self.span(at + 1, name.len()));
        match self.world.group(&name, self.diagnostics) {
            Some(group) => self.group = group,
            None => self.section = Section::Refused,
        }
        if self.section != Section::Vars && self.section != Section::Refused {
            self.world.declare(self.group);
        }
        true
    }

    fn hosts(&mut self, line: &str, at: usize) {
        let words = match words::split(line, true) {
            Ok(words) => words,
            Err(from) => {
                let help = "close the quote; a quote or backslash that is meant so stands in quotes itself";
                self.wrong(at + from, line.len() - from, "a quote or backslash without its other half", help);
                return;
            }
        };
        let Some((name, settings)) = words.split_first() else { return };
        let mut vars = Vars::new();
        for word in settings {
            let (start, length) = (at + word.place.start, word.place.len());
            let Some((key, value)) = word.text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
                // It may be the rest of a password that was not quoted.
                let shown = match secret_from(&line[..word.place.start]) {
                    Some(_) => String::from("a word behind a password"),
                    None => format!("`{}`", one_line(&word.text, 60)),
                };
                let message = format!("{shown} is no variable");
                let help = "behind a host stand `key=value`; put values with spaces into quotes, and each host on a line of its own";
                self.wrong(start, length, message, help);
                continue;
            };
            // The value's place starts behind the sign, unless quotes stand around all of it.
            let written = &line[word.place.clone()];
            let skip = if written.starts_with(&format!("{key}=")) {
                key.len() + 1
            } else {
                0
            };
            let span = self.span(start + skip, length - skip);
            vars.insert(key.to_owned(), Spanned::new(literal::value(value), span).into());
        }
        let name = Spanned::new(name.text.clone(), self.span(at + name.place.start, name.place.len()));
        self.world.hosts_of(&name, self.group, &vars, self.diagnostics);
    }

    fn variable(&mut self, line: &str, at: usize) {
        let Some((key, value)) = line.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
            let message = format!("`{}` is no variable", one_line(line, 60));
            self.wrong(at, line.len(), message, "in a section of variables every line is `key=value`");
            return;
        };
        let value = value.trim();
        let span = self.span(at + line.len() - value.len(), value.len());
        let value = Spanned::new(literal::value(value), span);
        self.world.group_var(self.group, key.trim(), value, self.diagnostics);
    }

    fn child(&mut self, line: &str, at: usize) {
        let said = line.split('#').next().unwrap_or("").trim_end();
        if said.is_empty() || said.contains([' ', '\t', ':', ']']) {
            let help = "a section of children lists groups, one on each line, without variables";
            self.wrong(at, line.len(), format!("`{}` is no name of a group", one_line(line, 60)), help);
            return;
        }
        let name = Spanned::new(said.to_owned(), self.span(at, said.len()));
        if name.value == "all" || self.group == ALL && name.value == "ungrouped" {
            return;
        }
        self.world.child(self.group, &name, self.diagnostics);
    }
}
