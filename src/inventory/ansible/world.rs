//! What Ansible's inventories say, gathered from all of them: groups, hosts and their variables, later ones over earlier ones.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, Spanned, nearest};
use crate::inventory::declared::MOST_HOSTS;
use crate::inventory::names::check_name;
use crate::model::pattern::expand;

/// The group that holds every host.
pub(super) const ALL: usize = 0;
/// The group of the hosts that are in no other.
pub(super) const UNGROUPED: usize = 1;
/// Groups; more are no inventory that people made.
const MOST_GROUPS: usize = 20_000;
/// Bytes of variables, counted for every host that has them: one long line and a wide range must not fill the memory.
const BYTES: usize = 64 * 1024 * 1024;

/// Variables by name, each with the place of its value; hosts of one line share them.
pub(super) type Vars = BTreeMap<String, Rc<Spanned<Value>>>;

/// All groups and hosts.
pub(super) struct World {
    pub groups: Vec<Group>,
    pub hosts: Vec<Host>,
    group_numbers: HashMap<String, usize>,
    pub host_numbers: HashMap<String, usize>,
    /// Children that were named before their group was declared: child, parent.
    waiting: Vec<(Spanned<String>, usize)>,
    left: usize,
    full: bool,
}

#[derive(Default)]
pub(super) struct Group {
    pub name: Spanned<String>,
    pub hosts: Vec<usize>,
    inside: HashSet<usize>,
    pub children: Vec<usize>,
    pub vars: Vars,
    /// `ansible_group_priority`
    pub priority: i64,
    declared: bool,
}

pub(super) struct Host {
    pub name: Spanned<String>,
    pub vars: Vars,
}

impl World {
    pub fn new() -> World {
        let mut world = World {
            groups: Vec::new(),
            hosts: Vec::new(),
            group_numbers: HashMap::new(),
            host_numbers: HashMap::new(),
            waiting: Vec::new(),
            left: BYTES,
            full: false,
        };
        for name in ["all", "ungrouped"] {
            let number = world.add_group(&Spanned::new(name.to_owned(), Span::default()));
            world.declare(number);
        }
        world
    }

    fn add_group(&mut self, name: &Spanned<String>) -> usize {
        self.group_numbers.insert(name.value.clone(), self.groups.len());
        self.groups.push(Group {
            name: name.clone(),
            priority: 1,
            ..Group::default()
        });
        self.groups.len() - 1
    }

    /// The number of a group, which is made if need be.
    pub fn group(&mut self, name: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<usize> {
        if let Some(number) = self.group_numbers.get(&name.value) {
            return Some(*number);
        }
        if !check_name(&name.value, "group", name.span, diagnostics) {
            return None;
        }
        if self.groups.len() >= MOST_GROUPS {
            self.too_much(name.span, format!("more than {MOST_GROUPS} groups in one inventory"), diagnostics);
            return None;
        }
        Some(self.add_group(name))
    }

    /// Says that the group exists; those that waited for it get it as a child.
    pub fn declare(&mut self, group: usize) {
        if std::mem::replace(&mut self.groups[group].declared, true) {
            return;
        }
        let name = self.groups[group].name.value.clone();
        let (mine, others) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(child, _)| child.value == name);
        self.waiting = others;
        let mine: Vec<(Spanned<String>, usize)> = mine;
        for (_, parent) in mine {
            self.add_child(parent, group);
        }
    }

    /// Puts a group, which may be declared later, into another one.
    pub fn child(&mut self, parent: usize, child: &Spanned<String>, diagnostics: &mut Diagnostics) {
        match self.group_numbers.get(&child.value).copied().filter(|g| self.groups[*g].declared) {
            Some(number) => self.add_child(parent, number),
            None if self.waiting.len() >= MOST_GROUPS => {
                self.too_much(child.span, format!("more than {MOST_GROUPS} groups in one inventory"), diagnostics);
            }
            None => self.waiting.push((child.clone(), parent)),
        }
    }

    pub fn add_child(&mut self, parent: usize, child: usize) {
        if child != ALL && !self.groups[parent].children.contains(&child) {
            self.groups[parent].children.push(child);
        }
    }

    /// One variable of a group.
    pub fn group_var(&mut self, group: usize, key: &str, value: Spanned<Value>, diagnostics: &mut Diagnostics) {
        if key == "ansible_group_priority" {
            match value.value.to_string().parse() {
                Ok(priority) => self.groups[group].priority = priority,
                Err(_) => diagnostics.push(Diagnostic::error(
                    "RB0522",
                    value.span,
                    "`ansible_group_priority` must be a whole number",
                )),
            }
            return;
        }
        self.groups[group].vars.insert(key.to_owned(), Rc::new(value));
    }

    /// A name, or a range of names, each perhaps with a port: hosts of a group.
    pub fn hosts_of(&mut self, written: &Spanned<String>, group: usize, vars: &Vars, diagnostics: &mut Diagnostics) {
        let (pattern, port) = split_port(&written.value);
        let names = match expand(pattern) {
            Ok(names) => names,
            Err(why) => {
                diagnostics.push(Diagnostic::error("RB0519", written.span, why));
                return;
            }
        };
        let port = match port.map(|p| p.parse::<u16>().ok().filter(|p| *p > 0)) {
            None => None,
            Some(Some(port)) => Some(port),
            Some(None) => {
                let message = format!("`{}` is no port", one_line(port.unwrap_or(""), 20));
                diagnostics.push(Diagnostic::error("RB0516", written.span, message));
                return;
            }
        };
        let cost: usize = 64 + vars.keys().map(|k| k.len() + 64).sum::<usize>();
        for name in names {
            let Some(host) = self.host(&name, written.span, port, diagnostics) else {
                return;
            };
            if self.groups[group].inside.insert(host) {
                self.groups[group].hosts.push(host);
            }
            if !self.charge(cost, written.span, diagnostics) {
                return;
            }
            for (key, value) in vars {
                self.hosts[host].vars.insert(key.clone(), Rc::clone(value));
            }
        }
    }

    fn host(&mut self, name: &str, span: Span, port: Option<u16>, diagnostics: &mut Diagnostics) -> Option<usize> {
        if let Some(number) = self.host_numbers.get(name).copied() {
            let known = self.hosts[number].vars.get("ansible_port").map(|p| p.value.clone());
            if let Some(port) = port.filter(|p| known != Some(Value::Int(i64::from(*p)))) {
                let message = format!("the port {port} of `{name}` comes too late: Ansible takes one only where a host is named first");
                let mistake = Diagnostic::error("RB0522", span, message).also(self.hosts[number].name.span, "first here");
                diagnostics.push(mistake.help(format!("write `ansible_port={port}`")));
            }
            return Some(number);
        }
        if !check_name(name, "host", span, diagnostics) {
            return None;
        }
        if self.hosts.len() >= MOST_HOSTS {
            self.too_much(span, format!("more than {MOST_HOSTS} hosts in one inventory"), diagnostics);
            return None;
        }
        let mut vars = Vars::new();
        if let Some(port) = port {
            vars.insert("ansible_port".into(), Rc::new(Spanned::new(Value::Int(i64::from(port)), span)));
        }
        self.host_numbers.insert(name.to_owned(), self.hosts.len());
        let name = Spanned::new(name.to_owned(), span);
        self.hosts.push(Host { name, vars });
        Some(self.hosts.len() - 1)
    }

    /// Takes bytes from what is left; false when there is nothing left, which is said once.
    pub fn charge(&mut self, bytes: usize, span: Span, diagnostics: &mut Diagnostics) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => {
                let message = format!("more than {} MiB of variables, counted for every host", BYTES / 1024 / 1024);
                self.too_much(span, message, diagnostics);
            }
        }
        !self.full
    }

    fn too_much(&mut self, span: Span, message: String, diagnostics: &mut Diagnostics) {
        if !std::mem::replace(&mut self.full, true) {
            diagnostics.push(Diagnostic::error("RB0518", span, message));
        }
    }

    /// When everything was read: names children that no text declares, and finds out who is in no group.
    pub fn close(&mut self, diagnostics: &mut Diagnostics) {
        let known: Vec<&str> = self.groups.iter().filter(|g| g.declared).map(|g| g.name.value.as_str()).collect();
        let undeclared = self.groups.iter().filter(|g| !g.declared).map(|g| &g.name);
        for name in self.waiting.iter().map(|(child, _)| child).chain(undeclared) {
            let message = format!("no group is named `{}`", one_line(&name.value, 60));
            let mistake = Diagnostic::error("RB0503", name.span, message);
            let near = nearest(&name.value, known.iter().copied());
            diagnostics.push(match (near, self.host_numbers.contains_key(&name.value)) {
                (_, true) => mistake.help("it is a host; only groups have children and sections of variables"),
                (Some(near), _) => mistake.help(format!("did you mean `{near}`?")).replacement(near),
                (None, _) => mistake.help(format!("declare it: `[{}]`", one_line(&name.value, 60))),
            });
        }
        let mut grouped = vec![false; self.hosts.len()];
        for group in &self.groups[2..] {
            group.hosts.iter().for_each(|h| grouped[*h] = true);
        }
        self.groups[UNGROUPED].hosts = (0..self.hosts.len()).filter(|h| !grouped[*h]).collect();
    }
}

/// `web:2222`, `web-[01:03]:2222`; a colon inside brackets separates no port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') && !without_ranges(name).contains(':') => (name, Some(port)),
        _ => (text, None),
    }
}

fn without_ranges(text: &str) -> String {
    let mut depth = 0;
    text.chars()
        .filter(|c| {
            depth += i32::from(*c == '[');
            let outside = depth == 0;
            depth -= i32::from(*c == ']');
            outside
        })
        .collect()
}
