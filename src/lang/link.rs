//! From a file to a compiled runbook, the files that it calls first: which file a `call` means, and what must not be called.
//!
//! Texts come from [`Sources`], by name; whoever reads files asks [`missing_files`] which ones. So a run that is taken up again
//! compiles what its journal holds, whatever has become of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::syntax::{Body, Call, CalledFile, Runbook as File, Step, Written};
use super::{check, named_as_file, parse, without_echoes};
use crate::base::bound::{CALL_DEPTH, CALLS};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources};
use crate::model::action::Catalog;
use crate::model::runbook::{Body as Compiled, Runbook};
use crate::yaml;

/// Names of the files that the runbooks among `sources` call and that are not among them; to be read, added under that name, and
/// asked for again.
#[must_use]
pub fn missing_files(sources: &Sources) -> Vec<String> {
    let mut missing = BTreeSet::new();
    for (at, source) in sources.iter().enumerate() {
        let id = SourceId(u32::try_from(at).unwrap_or(u32::MAX));
        let (Some(node), _) = yaml::read(sources, id) else { continue };
        // Mistakes are told when the file is compiled.
        let Some(mut file) = parse::runbook(&node, &mut Diagnostics::new()) else {
            continue;
        };
        each_call(&mut file.steps, &mut |call| {
            missing.extend(name_of(&source.name, &call.runbook.value).filter(|name| sources.find(name).is_none()));
        });
    }
    missing.into_iter().collect()
}

/// Compiles a file and those it calls, each once.
pub(super) struct Compiler<'a> {
    sources: &'a Sources,
    catalog: &'a dyn Catalog,
    /// Mistakes of all files.
    pub found: Diagnostics,
    done: BTreeMap<SourceId, Option<Rc<CalledFile>>>,
    /// The files around the one that is being compiled, outermost first.
    chain: Vec<SourceId>,
}

impl<'a> Compiler<'a> {
    pub fn new(sources: &'a Sources, catalog: &'a dyn Catalog) -> Compiler<'a> {
        Compiler {
            sources,
            catalog,
            found: Diagnostics::new(),
            done: BTreeMap::new(),
            chain: Vec::new(),
        }
    }

    /// The runbook in a file; `None`: it, or one that it calls, cannot be used.
    pub fn file(&mut self, id: SourceId, stem: Option<&str>) -> Option<CalledFile> {
        let (node, mut d) = yaml::read(self.sources, id);
        let file = node.and_then(|n| parse::runbook(&n, &mut d));
        let compiled = file.and_then(|mut file| {
            named_as_file(&file, stem, &mut d);
            self.chain.push(id);
            self.link(&mut file, &mut d);
            self.chain.pop();
            let (runbook, unasked) = check::check(&file, self.catalog, &mut d)?;
            let (calls, depth) = (calls_in(&runbook), depth_of(&runbook));
            Some(CalledFile {
                runbook,
                unasked,
                calls,
                depth,
            })
        });
        let compiled = compiled.filter(|_| !d.has_errors());
        self.found.extend(without_echoes(self.sources, &d));
        compiled
    }

    /// Gives each call of a file what it calls.
    fn link(&mut self, file: &mut File, d: &mut Diagnostics) {
        let mut calls = 0;
        each_call(&mut file.steps, &mut |call| {
            call.target = self.target(call, &mut calls, d);
        });
        for list in [&mut file.on_failure, &mut file.finally] {
            each_call(list, &mut |call| d.push(misplaced(&call.runbook)));
        }
        each_undo(&mut file.steps, &mut |steps| {
            each_call(steps, &mut |call| d.push(misplaced(&call.runbook)))
        });
    }

    fn target(&mut self, call: &Call, calls: &mut usize, d: &mut Diagnostics) -> Option<Rc<CalledFile>> {
        let here = *self.chain.last().expect("a call stands in a file that is being compiled");
        let caller = self.sources.get(here).map_or("", |s| s.name.as_str());
        let Some(name) = name_of(caller, &call.runbook.value) else {
            d.push(outside(&call.runbook));
            return None;
        };
        let found = self.sources.find(&name);
        if let Some(again) = found.filter(|id| self.chain.contains(id)) {
            d.push(self.circle(&call.runbook, again));
            return None;
        }
        // The outermost file is not called.
        if self.chain.len() > CALL_DEPTH {
            d.push(too_deep(&call.runbook));
            return None;
        }
        let Some(id) = found else {
            d.push(absent(&call.runbook, &name));
            return None;
        };
        if !self.done.contains_key(&id) {
            let stem = stem_of(&name);
            let compiled = self.file(id, Some(stem)).map(Rc::new);
            self.done.insert(id, compiled);
        }
        let target = self.done.get(&id).cloned().flatten()?;
        if self.chain.len() + target.depth > CALL_DEPTH {
            d.push(too_deep(&call.runbook));
            return None;
        }
        *calls += 1 + target.calls;
        if *calls > CALLS {
            let message = format!("at most {CALLS} calls stand in one runbook, those inside the called ones included");
            let help = "call it in a loop, or split the runbook";
            d.push(
                Diagnostic::error("RB0151", call.runbook.span, message)
                    .label("one too many")
                    .help(help),
            );
            return None;
        }
        Some(target)
    }

    fn circle(&self, at: &Written, again: SourceId) -> Diagnostic {
        let name = |id: &SourceId| {
            let name = self.sources.get(*id).map_or("", |s| s.name.as_str());
            format!("`{}`", name.rsplit('/').next().unwrap_or(name))
        };
        let around = self.chain.iter().skip_while(|id| **id != again);
        let shown: Vec<String> = around.chain([&again]).map(name).collect();
        Diagnostic::error(
            "RB0151",
            at.span,
            format!("runbooks call each other in a circle: {}", shown.join(" → ")),
        )
        .label("closes the circle")
        .help("take one of these calls away; what both need can stand in a runbook of its own")
    }
}

fn calls_in(runbook: &Runbook) -> usize {
    let all = runbook.all_steps();
    all.iter().filter(|s| matches!(s.body, Compiled::Call(_))).count()
}

/// How many calls stand inside each other.
fn depth_of(runbook: &Runbook) -> usize {
    let calls = runbook.all_steps().into_iter().filter_map(|s| match &s.body {
        Compiled::Call(called) => Some(1 + depth_of(&called.runbook)),
        _ => None,
    });
    calls.max().unwrap_or(0)
}

/// Every call of a list, those in loops included, those under `undo` not.
fn each_call(steps: &mut [Step], look: &mut dyn FnMut(&mut Call)) {
    for step in steps {
        match &mut step.body {
            Body::Call(call) => look(call),
            Body::Loop { steps, .. } => each_call(steps, look),
            Body::Action { .. } | Body::Approve(_) | Body::Manual(_) | Body::Decide(_) | Body::Broken => {}
        }
    }
}

fn each_undo(steps: &mut [Step], look: &mut dyn FnMut(&mut [Step])) {
    for step in steps {
        if let Some(undo) = &mut step.undo
            && let super::syntax::Undo::Steps(steps) = &mut undo.value
        {
            look(steps);
        }
        if let Body::Loop { steps, .. } = &mut step.body {
            each_undo(steps, look);
        }
    }
}

/// The name of a called file: in the folder of the calling one, or below it. `None`: it would be elsewhere.
fn name_of(caller: &str, written: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in written.split('/') {
        match part {
            "." => {}
            "" | ".." => return None,
            name => parts.push(name),
        }
    }
    let path = parts.join("/");
    let folder = caller.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    (!path.is_empty() && !written.contains(['\\', '\0'])).then(|| format!("{folder}{path}"))
}

fn stem_of(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

fn outside(at: &Written) -> Diagnostic {
    let message = format!("`{}` is not a file in the folder of this runbook or below it", at.value);
    Diagnostic::error("RB0150", at.span, message)
        .label("absolute, or out of the folder")
        .help("a path counts from the folder of the calling file: `drain.yaml`, or `parts/drain.yaml`; what is called stands there")
}

fn absent(at: &Written, name: &str) -> Diagnostic {
    let named = name.rsplit('/').next().is_some_and(|file| file.contains('.'));
    let help = match named {
        true => String::from("a path counts from the folder of the calling file"),
        false => format!("did you mean `{}.yaml`?", at.value),
    };
    Diagnostic::error(
        "RB0150",
        at.span,
        format!("there is no runbook `{}`: looked for `{name}`", at.value),
    )
    .label("no such file")
    .help(help)
}

fn too_deep(at: &Written) -> Diagnostic {
    let message = format!("runbooks call each other at most {CALL_DEPTH} deep");
    Diagnostic::error("RB0151", at.span, message)
        .label("one too deep")
        .help("a person follows no longer chain; call what is called from here further up")
}

fn misplaced(at: &Written) -> Diagnostic {
    Diagnostic::error("RB0150", at.span, "a call stands in `steps`, or in a loop there, and nowhere else")
        .label("not here")
        .help("what happens after a failure, at the end or to take a change back is written out: it must not fail for another file's sake")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_called_file_stands_in_the_callers_folder_or_below() {
        let cases = [
            ("a.yaml", "b.yaml", Some("b.yaml")),
            ("runbooks/a.yaml", "b.yaml", Some("runbooks/b.yaml")),
            ("./a.yaml", "./parts/b.yaml", Some("./parts/b.yaml")),
            ("/etc/rb/a.yaml", "b.yaml", Some("/etc/rb/b.yaml")),
            ("<stdin>", "b.yaml", Some("b.yaml")),
            ("runbooks/a.yaml", "../b.yaml", None),
            ("runbooks/a.yaml", "parts/../../b.yaml", None),
            ("runbooks/a.yaml", "/etc/b.yaml", None),
            ("a.yaml", "", None),
            ("a.yaml", ".", None),
        ];
        for (caller, written, name) in cases {
            assert_eq!(name_of(caller, written).as_deref(), name, "{caller} calls {written}");
        }
    }
}
