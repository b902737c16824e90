//! From the file as written to the compiled runbook: names resolved, texts and expressions typed, order known.

use std::collections::{BTreeMap, BTreeSet};

use super::check_step::Around;
use super::mentions::Mentions;
use super::outline::Outline;
use super::scope::{BASE_FIELDS, View, names};
use super::site::Site;
use super::syntax::Runbook as Written;
use super::{invariants, needs, owes, params, people, trigger};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::action::Catalog;
use crate::model::runbook::{NotifyRule, Runbook, Step};
use crate::model::text::Expression;
use crate::model::types::Type;

/// What all parts of the checker need to know.
pub(super) struct Checker<'a> {
    /// The file as written.
    pub file: &'a Written,
    /// Its lists of steps.
    pub outline: Outline<'a>,
    /// The actions.
    pub catalog: &'a dyn Catalog,
    /// The type of `params`.
    pub params: Type,
}

/// Checks a file. The runbook is of use only if there are no errors; beside it, whether it holds a destructive step that no person
/// is asked about.
pub(super) fn check(file: &Written, catalog: &dyn Catalog, d: &mut Diagnostics) -> Option<(Runbook, bool)> {
    let outline = Outline::of(file, catalog, d);
    let checker = Checker {
        file,
        outline,
        catalog,
        params: params::types(file),
    };
    let declared = params::params(file, d);
    let (hosts, run_as, lock) = checker.defaults(d);
    let require = checker.checks(&file.require, View::Start, &Around::default(), d);
    let invariants = invariants::invariants(&checker, d);
    let steps = checker.list(checker.outline.main, &[], d);
    let verify = checker.checks(&file.verify, View::End, &Around::default(), d);
    let on_failure = checker.list(checker.outline.on_failure, &[], d);
    let finally = checker.list(checker.outline.finally, &[], d);
    let notify = checker.notify(d);
    let triggers = trigger::triggers(file, &checker.outline, d);
    let outputs = checker.outputs(d);
    owes::obligations(&checker.outline, d);
    let people = people::named(file, &checker.outline);
    let unasked = owes::unasked_destruction(&checker.outline).is_some();
    let runbook = Runbook {
        name: file.name.value.clone(),
        description: file.description.clone(),
        params: declared,
        hosts,
        run_as,
        lock,
        deadline: file.deadline,
        require,
        invariants,
        steps: steps?,
        verify,
        on_failure: on_failure?,
        finally: finally?,
        notify,
        outputs,
        triggers,
        people,
    };
    Some((runbook, unasked))
}

type Text = crate::model::text::Text;

impl<'a> Checker<'a> {
    /// Hosts, identity and locks of the whole runbook see parameters only.
    fn defaults(&self, d: &mut Diagnostics) -> (Option<Text>, Option<Text>, Vec<Text>) {
        let texts = [&self.file.hosts, &self.file.run_as].into_iter().flatten().chain(&self.file.lock);
        let mentions = Mentions::in_text(&texts.map(|t| t.value.as_str()).collect::<Vec<_>>().join("\n"));
        let mut site = Site::new(names(&self.outline, &self.params, View::Start, &[], &mentions), d);
        let hosts = self.file.hosts.as_ref().and_then(|t| site.text(t));
        let run_as = self.file.run_as.as_ref().and_then(|t| site.text(t));
        let lock = self.file.lock.iter().filter_map(|t| site.text(t)).collect();
        (hosts, run_as, lock)
    }

    fn notify(&self, d: &mut Diagnostics) -> Option<NotifyRule> {
        let written = self.file.notify.as_ref()?;
        let mentions = Mentions::in_text(written.message.as_ref().map_or("", |m| &m.value));
        let mut site = Site::new(names(&self.outline, &self.params, View::Over, &[], &mentions), d);
        Some(NotifyRule {
            to: written.to.value.clone(),
            events: written.events.clone(),
            message: written.message.as_ref().and_then(|m| site.message(m)),
        })
    }

    /// Outputs see the results of all steps, when all have been done.
    fn outputs(&self, d: &mut Diagnostics) -> BTreeMap<String, Expression> {
        let mut outputs = BTreeMap::new();
        for (name, written) in &self.file.outputs {
            if BASE_FIELDS.contains(&name.value.as_str()) {
                let message = format!("an output cannot be called `{}`: every step has a field of that name", name.value);
                d.push(Diagnostic::error("RB0153", name.span, message).label("choose another name"));
                continue;
            }
            let mentions = Mentions::in_text(&written.value);
            let mut site = Site::new(names(&self.outline, &self.params, View::End, &[], &mentions), d);
            if let Some(expression) = site.expression(written, None) {
                outputs.insert(name.value.clone(), expression);
            }
        }
        outputs
    }

    /// The steps of a list, with the edges that their references add. `None`: one of them is broken.
    pub fn list(&self, list: usize, around: &[super::scope::Variable<'a>], d: &mut Diagnostics) -> Option<Vec<Step>> {
        self.list_and_reads(list, around, d).0
    }

    /// As [`Checker::list`]; also the ids of all steps whose results are read in it.
    pub fn list_and_reads(
        &self,
        list: usize,
        around: &[super::scope::Variable<'a>],
        d: &mut Diagnostics,
    ) -> (Option<Vec<Step>>, BTreeSet<String>) {
        let mut all_reads = BTreeSet::new();
        let mut edges = Vec::new();
        let mut steps = Vec::new();
        for index in 0..self.outline.lists[list].entries.len() {
            let at = super::outline::At { list, index };
            let (step, reads) = self.step(at, around, d);
            edges.push(needs::edges(&self.outline, at, &reads));
            all_reads.extend(reads);
            steps.push(step);
        }
        needs::cycles(&self.outline, list, &edges, d);
        let ids = |index: &usize| crate::base::id::StepId::from(self.outline.lists[list].entries[*index].step.id.value.as_str());
        let whole: Option<Vec<Step>> = steps.into_iter().collect();
        let linked = whole.map(|mut whole| {
            for (step, edges) in whole.iter_mut().zip(&edges) {
                step.needs = edges.iter().map(ids).collect();
            }
            whole
        });
        (linked, all_reads)
    }
}
