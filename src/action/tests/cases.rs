//! Plays every data file: bind, probe, read, decide, judge, result, and the way back.

use serde_json::Value as Json;

use super::fixture::{Case, World, arguments, cases, describe, outputs};
use crate::action::CATALOG;
use crate::base::value::Value;
use crate::model::action::{Action, Change, Decision, Observation, Undo, Verdict};

#[test]
fn every_case_is_as_written() {
    let mut failures = Vec::new();
    let mut played = 0;
    for kind in CATALOG.all() {
        let name = kind.signature().name;
        for case in cases(name) {
            played += 1;
            if let Err(why) = play(name, &case) {
                failures.push(format!("{name}/{}: {why}", case.file));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {played} cases:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn play(name: &str, case: &Case) -> Result<(), String> {
    let json = &case.json;
    known_keys(json)?;
    let world = World::of(json);
    let kind = CATALOG
        .all()
        .into_iter()
        .find(|k| k.signature().name == name)
        .ok_or("not in the catalogue")?;
    let expect = json.get("expect").ok_or("`expect` is missing")?;
    let bound = world.bind(name, &arguments(kind.signature(), json.get("arguments")));
    let action = match bound {
        Ok(action) => action,
        Err(error) => {
            return said(
                "does not bind",
                &expect["bind_error"],
                &format!("{}: {}", error.parameter, error.message),
            );
        }
    };
    listed(
        "probes",
        json.get("probes"),
        &action.probe().iter().map(describe).collect::<Vec<_>>(),
    )?;
    let seen = match action.read(&outputs(json.get("probe"))) {
        Ok(seen) => seen,
        Err(error) => return said("cannot read", &expect["read_error"], &error.message),
    };
    let (change, before) = match (action.decide(&seen), expect.as_str()) {
        (Decision::InDesiredState, Some("nothing")) => (None, seen),
        (Decision::Refused(why), _) => return said("refused", &expect["refused"], &why),
        (Decision::Unknown(why), _) => return said("unknown", &expect["unknown"], &why),
        (Decision::Change(change), None) => {
            said("changes", &expect["change"], &change.summary)?;
            (Some(change), seen)
        }
        (other, _) => return Err(format!("expected {expect}, found {other:?}")),
    };
    match change {
        None => fields(json.get("result"), &action.result(&before, &[])),
        Some(change) => carry_out(&world, json, action.as_ref(), &before, &change),
    }
}

fn known_keys(json: &Json) -> Result<(), String> {
    for key in json.as_object().ok_or("not an object")?.keys() {
        let known = [
            "name",
            "hosts",
            "host",
            "groups",
            "pools",
            "run_as",
            "arguments",
            "probes",
            "probe",
            "expect",
            "operations",
            "performed",
            "verifies",
            "verify",
            "verdict",
            "result",
            "undo",
            "notes",
            "diff",
            "predicted",
        ];
        if !known.contains(&key.as_str()) {
            return Err(format!("unknown key `{key}`"));
        }
    }
    Ok(())
}

fn carry_out(world: &World, json: &Json, action: &dyn Action, before: &Observation, change: &Change) -> Result<(), String> {
    listed(
        "operations",
        json.get("operations"),
        &change.operations.iter().map(describe).collect::<Vec<_>>(),
    )?;
    for note in json.get("notes").and_then(Json::as_array).unwrap_or(&Vec::new()) {
        said("notes", note, &change.notes.join("; "))?;
    }
    if let Some(diff) = json.get("diff") {
        said("diff", diff, change.diff.as_deref().unwrap_or("no diff"))?;
    }
    undo(world, json.get("undo"), before, change)?;
    let Some(wanted) = json.get("verdict") else {
        return Ok(());
    };
    let performed = outputs(json.get("performed"));
    listed(
        "verifies",
        json.get("verifies"),
        &action.verify().iter().map(describe).collect::<Vec<_>>(),
    )?;
    let after = action
        .read(&outputs(json.get("verify")))
        .map_err(|e| format!("cannot read `verify`: {}", e.message))?;
    let verdict = action.judge(before, &performed, &after);
    match (&verdict, wanted.as_str()) {
        (Verdict::Done, Some("done")) => {}
        (Verdict::NotYet(why), None) => said("not yet", &wanted["not_yet"], why)?,
        (Verdict::Failed(why), None) => said("failed", &wanted["failed"], why)?,
        _ => return Err(format!("expected verdict {wanted}, found {verdict:?}")),
    }
    fields(json.get("result"), &action.result(&after, &performed))
}

fn undo(world: &World, wanted: Option<&Json>, before: &Observation, change: &Change) -> Result<(), String> {
    match (wanted.and_then(Json::as_str), &change.undo) {
        (None, Undo::Call { action, arguments }) => {
            if let Some(wanted) = wanted {
                said("undo action", &wanted["action"], action)?;
                fields(wanted.get("arguments"), &Value::Map(arguments.0.clone()))?;
            }
            restores(world, before, change)
        }
        (None, _) if wanted.is_none() => Ok(()),
        (Some("nothing"), Undo::Nothing) | (Some("keep"), Undo::Keep) | (Some("impossible"), Undo::Impossible) => Ok(()),
        (_, found) => Err(format!("expected undo {wanted:?}, found {found:?}")),
    }
}

/// Change, then undo, both as predicted: every fact is again as observed, as far as it can be predicted.
fn restores(world: &World, before: &Observation, change: &Change) -> Result<(), String> {
    let Undo::Call { action, arguments } = &change.undo else {
        return Ok(());
    };
    let back = world
        .bind(action, arguments)
        .map_err(|e| format!("undo does not bind: {}", e.message))?;
    let changed = overlaid(before, change);
    let restored = match back.decide(&changed) {
        Decision::Change(undo) => overlaid(&changed, &undo),
        // What the change leads to is known only afterwards; then the way back is decided on what is there.
        Decision::Unknown(_) if change.predicted.iter().any(|(_, value)| value.has_unknown()) => return Ok(()),
        other => return Err(format!("undo decides {other:?}")),
    };
    for (key, was) in &before.0 {
        let is = restored.get(key).unwrap_or(&Value::Null);
        if !agrees(was, is) {
            return Err(format!("undo does not restore {key}: was {was:?}, is {is:?}"));
        }
    }
    Ok(())
}

/// The facts as the planner sees them after a change.
pub fn overlaid(before: &Observation, change: &Change) -> Observation {
    let mut after = Observation::default();
    for (key, value) in &before.0 {
        let tainted = change.taints.contains(&key.scope);
        after.set(key.clone(), if tainted { Value::Unknown } else { value.clone() });
    }
    for (key, value) in &change.predicted {
        after.set(key.clone(), value.clone());
    }
    after
}

fn agrees(was: &Value, is: &Value) -> bool {
    match (was, is) {
        (_, Value::Unknown) => true,
        (Value::Map(was), Value::Map(is)) => was.iter().all(|(name, value)| agrees(value, is.get(name).unwrap_or(&Value::Null))),
        (was, is) => was == is,
    }
}

fn said(what: &str, wanted: &Json, found: &str) -> Result<(), String> {
    match wanted.as_str() {
        Some(wanted) if !wanted.is_empty() && found.contains(wanted) => Ok(()),
        _ => Err(format!("{what}: expected {wanted}, found {found:?}")),
    }
}

fn listed(what: &str, wanted: Option<&Json>, found: &[String]) -> Result<(), String> {
    match wanted {
        Some(wanted) if *wanted != Json::from(found) => Err(format!("{what}: expected {wanted:#}, found {:#}", Json::from(found))),
        _ => Ok(()),
    }
}

/// Every field that the case names is as written; unknown reads as null.
fn fields(wanted: Option<&Json>, found: &Value) -> Result<(), String> {
    let json = found.to_json();
    for (name, wanted) in wanted.and_then(Json::as_object).into_iter().flatten() {
        if json.get(name) != Some(wanted) {
            return Err(format!("field {name}: expected {wanted}, found {json:#}"));
        }
    }
    Ok(())
}
