//! What an action does, as its declaration says for the literal arguments of a step: its class and its effect on pools.
//!
//! Where an argument is known only later, the worst that its words could mean counts.

use std::collections::BTreeMap;

use super::arguments::{entries_of, holds_placeholder, literal};
use super::syntax::{Body, Step};
use crate::base::value::Value;
use crate::model::action::{Catalog, Class, Parameter, ParameterKind, PoolEffect, Signature};
use crate::yaml::Node;

/// An action's declaration, applied to a step.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub signature: &'static Signature,
    pub class: Class,
    pub effect: PoolEffect,
    /// No argument is wrong in a way that could change the two.
    pub sound: bool,
}

/// The facts of a step's action; `None`: no action, or an unknown one.
pub(super) fn facts(step: &Step, catalog: &dyn Catalog) -> Option<Facts> {
    let Body::Action { name, argument } = &step.body else { return None };
    let signature = catalog.get(&name.value)?.signature();
    let off = step.template_off.is_some();
    let cases = cases(signature, argument, off);
    let class = cases
        .iter()
        .map(|c| class(signature, c))
        .max_by_key(|c| danger(*c))
        .unwrap_or(signature.class);
    let effect = cases
        .iter()
        .map(|c| effect(signature, c))
        .max_by_key(|e| weight(*e))
        .unwrap_or(PoolEffect::None);
    let sound = is_sound(signature, argument, off);
    Some(Facts {
        signature,
        class,
        effect,
        sound,
    })
}

/// Every argument is of a declared parameter, and right or still to be rendered.
fn is_sound(signature: &'static Signature, argument: &Node, template_off: bool) -> bool {
    entries_of(signature, argument).iter().all(|(name, node)| {
        let parameter = signature.parameters.iter().find(|p| p.name == name.value);
        let open = |p: &Parameter| p.kind == ParameterKind::Expression || (holds_placeholder(node) && !template_off);
        parameter.is_some_and(|p| open(p) || literal(p.kind, node, template_off).is_some())
    })
}

type Literals = BTreeMap<&'static str, Value>;

/// Every combination of words that the arguments could turn out to be; bounded, since few parameters have words.
fn cases(signature: &'static Signature, argument: &Node, template_off: bool) -> Vec<Literals> {
    const MOST: usize = 4096;
    let mut cases = vec![Literals::new()];
    let given = entries_of(signature, argument);
    for parameter in signature.parameters {
        let Some((_, node)) = given.iter().find(|(name, _)| name.value == parameter.name) else {
            continue;
        };
        let possible: Vec<Option<Value>> = match (literal(parameter.kind, node, template_off), parameter.kind) {
            (Some(value), _) => vec![Some(value)],
            (None, ParameterKind::Choice(words)) => words.iter().map(|w| Some(Value::text(*w))).collect(),
            (None, ParameterKind::Int) => vec![None, Some(Value::Int(0))],
            (None, _) => continue,
        };
        if cases.len() * possible.len() > MOST {
            continue;
        }
        let with = |case: &Literals, value: &Option<Value>| {
            let mut case = case.clone();
            if let Some(value) = value {
                case.insert(parameter.name, value.clone());
            }
            case
        };
        cases = cases.iter().flat_map(|case| possible.iter().map(move |v| with(case, v))).collect();
    }
    cases
}

fn class(signature: &Signature, case: &Literals) -> Class {
    let get = |name: &str| case.get(name).cloned();
    signature.class_of.map_or(signature.class, |of| of(&get))
}

fn effect(signature: &Signature, case: &Literals) -> PoolEffect {
    let get = |name: &str| case.get(name).cloned();
    signature.pool_effect.map_or(PoolEffect::None, |of| of(&get))
}

fn danger(class: Class) -> u8 {
    match class {
        Class::Probe => 0,
        Class::Passing => 1,
        Class::Reversible => 2,
        Class::Destructive => 3,
    }
}

fn weight(effect: PoolEffect) -> u8 {
    match effect {
        PoolEffect::None => 0,
        PoolEffect::ReturnsMember => 1,
        PoolEffect::DisturbsHost => 2,
        PoolEffect::TakesHost => 3,
        PoolEffect::TakesMember => 4,
    }
}
