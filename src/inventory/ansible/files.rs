//! Files of variables beside inventories: which of them count for a group or a host.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::sanitise::one_line;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceId, Sources, Span};
use crate::inventory::ansible::tree;
use crate::inventory::ansible::world::Vars;

/// Endings of files of variables, in the order in which the first one found counts.
const ENDINGS: [&str; 3] = [".yml", ".yaml", ".json"];

/// The files below one `group_vars` or `host_vars` folder, by their path in it; each is read when it is needed, once.
#[derive(Default)]
pub(super) struct Folder {
    files: BTreeMap<Vec<String>, SourceId>,
    read: BTreeMap<String, Rc<Vars>>,
}

impl Folder {
    pub fn add(&mut self, path: &str, id: SourceId) {
        self.files.insert(path.split('/').map(str::to_owned).collect(), id);
    }

    /// The variables of a name. `web/…` or `web` counts before `web.yml`, that before `web.yaml` and `web.json`.
    pub fn vars(&mut self, name: &str, sources: &Sources, diagnostics: &mut Diagnostics) -> Rc<Vars> {
        if let Some(known) = self.read.get(name) {
            return Rc::clone(known);
        }
        let inside = self.files.iter().filter(|(path, _)| path[0] == name && is_read(&path[1..]));
        let mut choices: Vec<Vec<SourceId>> = vec![inside.map(|(_, id)| *id).collect()];
        for ending in ENDINGS {
            choices.push(self.files.get(&vec![format!("{name}{ending}")]).copied().into_iter().collect());
        }
        choices.retain(|c| !c.is_empty());
        for (passed_over, first) in choices.iter().skip(1).flatten().zip(choices.first().into_iter().flatten().cycle()) {
            let shown = sources.get(*first).map_or("", |s| s.name.as_str());
            let message = format!(
                "this file is not read: `{}` counts for `{}`",
                one_line(shown, 80),
                one_line(name, 60)
            );
            let warning = Diagnostic::error("RB0522", Span::new(*passed_over, 0, 0), message).warning();
            diagnostics.push(warning.help("Ansible passes it over, too: join the two"));
        }
        let mut vars = Vars::new();
        for id in choices.into_iter().next().unwrap_or_default() {
            vars.extend(tree::file(sources, id, diagnostics).unwrap_or_default());
        }
        let vars = Rc::new(vars);
        self.read.insert(name.to_owned(), Rc::clone(&vars));
        vars
    }
}

/// Below `web/`: no hidden files, no backups, endings that are known; folders have no ending.
fn is_read(below: &[String]) -> bool {
    let Some((file, folders)) = below.split_last() else { return true };
    let hidden = |name: &String| name.starts_with('.') || name.ends_with('~');
    let ending = file.rfind('.').filter(|dot| *dot > 0).map(|dot| &file[dot..]);
    !below.iter().any(hidden) && !folders.iter().any(|f| f.contains('.')) && ending.is_none_or(|e| ENDINGS.contains(&e))
}
