//! The JSON Schema (draft-07) of the plan for programs; tests hold real plans against it.
//!
//! Fields may be added within a version, so readers ignore those that they do not know.

use serde_json::{Map, Value as Json, json};

use super::plan_json::SCHEMA;

/// Of `runbook plan -o json`.
#[must_use]
pub fn schema() -> Json {
    let mut whole = record(
        "What `runbook plan -o json` prints.",
        &[
            (
                "schema",
                json!({ "const": SCHEMA, "description": "Which document this is; the number grows when a field changes its meaning." }),
            ),
            ("runbook", text("The runbook's name.")),
            ("description", text("Its description.")),
            (
                "digest",
                json!({ "type": "string", "pattern": "^sha256:[0-9a-f]{64}$", "description": "What people approve: the same plan has the same digest." }),
            ),
            ("made_at", time("When it was made.")),
            ("offline", truth("No host was looked at.")),
            ("params", named("Parameters; secrets are `***`.")),
            ("allowed", truth("Nothing speaks against running it: `refusals` is empty.")),
            (
                "nothing_to_do",
                truth("Nothing will or may change, and nobody is given anything to do."),
            ),
            ("changed_hosts", texts("Hosts on which something will or may change.")),
            (
                "nodes",
                list("Steps on hosts, in an order in which they may run.", &reference("node")),
            ),
            ("pools", list("The pools it touches, as they are now.", &reference("pool"))),
            (
                "invariants",
                list("What must be true around every change.", &reference("invariant")),
            ),
            ("way_back", way_back()),
            ("refusals", list("Why it must not run.", &reference("refusal"))),
            ("warnings", texts("What people should know.")),
        ],
    );
    whole["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    whole["title"] = json!("runbook plan");
    whole["definitions"] = json!({
        "node": node(),
        "forecast": forecast(),
        "undo": undo(),
        "turn": record("One turn of a loop.", &[("step", text("The loop.")), ("key", text("The host's name, or the item's name or position."))]),
        "effect": effect(),
        "capacity": capacity(),
        "pool": record("A pool.", &[("now", reference("capacity")), ("members", list("Its members, as `pool.status` shows them.", &named("A member.")))]),
        "invariant": invariant(),
        "refusal": refusal(),
    });
    whole
}

fn node() -> Json {
    record(
        "One step on one host in one turn.",
        &[
            ("id", text("Its name: `step`, `step@host`, `loop[key].step`.")),
            ("row", text("The step in its turn: the same on all its hosts.")),
            ("step", text("The step of the runbook.")),
            (
                "section",
                words("Its part of the runbook.", &["require", "steps", "verify", "on_failure", "finally"]),
            ),
            ("call", optional(text("The step that calls the runbook it belongs to."))),
            (
                "turns",
                list("The turns of the loops around it, outermost first.", &reference("turn")),
            ),
            ("bindings", named("Loop variables, and parameters of a called runbook.")),
            ("host", optional(text("The host; null: the controller or a pool's balancers."))),
            ("pause_seconds", optional(number("To wait after what it needs has ended."))),
            ("touches", texts("Hosts that its operations go to.")),
            ("needs", texts("Rows that must have ended first, on all their hosts.")),
            ("name", text("For people.")),
            (
                "action",
                text("The action; `approve`, `manual`, `decide`, `call` or `call end` where there is none."),
            ),
            (
                "arguments",
                named("Its arguments; what only the run can tell is null, a secret is `***`."),
            ),
            ("class", words("How dangerous.", &["probe", "passing", "reversible", "destructive"])),
            ("may_change", truth("It will or may change something.")),
            ("forecast", reference("forecast")),
            ("diff", optional(text("Unified diff, where there is one."))),
            ("notes", texts("What must be known beside it.")),
            ("undo", reference("undo")),
            ("owes", optional(text("The node that gives back what this one takes."))),
            ("pool_effects", list("What it does to pools.", &reference("effect"))),
            ("after", list("Members in service after it.", &reference("capacity"))),
        ],
    )
}

fn forecast() -> Json {
    let kind = |certainty: &str, docs: &str, fields: &[&str]| {
        let mut all = vec![("certainty", json!({ "const": certainty }))];
        all.extend(fields.iter().map(|field| (*field, text("For people."))));
        record(docs, &all)
    };
    json!({ "description": "What it will do.", "oneOf": [
        kind("reads", "Only looks.", &["summary"]),
        kind("will_change", "Will change something.", &["summary"]),
        kind("nothing_to_do", "Already as wanted.", &["summary"]),
        kind("at_run_time", "Depends on what only the run can tell.", &["why"]),
        kind("skipped", "Its condition is false.", &["why"]),
        kind("asks", "Asks people.", &["summary"]),
        kind("calls", "Begins or ends the steps of another runbook.", &["summary"]),
        kind("decides", "Chooses a branch: its word is in `is`.", &["is", "why"]),
    ] })
}

fn undo() -> Json {
    let kind = |name: &str, docs: &str| record(docs, &[("kind", json!({ "const": name }))]);
    json!({ "description": "What would be taken back if a later step failed.", "oneOf": [
        kind("nothing", "There is nothing to take back."),
        kind("keep", "It is meant to stay."),
        kind("impossible", "A point of no return: what failed after it is not taken back before it."),
        kind("steps", "The steps that the runbook gives under `undo:`."),
        kind("at_run_time", "What it finds is restored; the plan cannot see yet what that is."),
        record("This action, with the values that were observed.", &[
            ("kind", json!({ "const": "call" })),
            ("action", text("The action.")),
            ("arguments", named("Its arguments.")),
        ]),
    ] })
}

fn way_back() -> Json {
    record(
        "How far back a failure can go.",
        &[
            ("to_the_start", truth("From any step, apart from finished turns that stay.")),
            (
                "points_of_no_return",
                texts("Nodes that bar the way back for everything after them."),
            ),
            (
                "points_of_no_return_in_turns",
                texts("Nodes that bar it within their turn of a loop."),
            ),
            ("kept_turns_of", texts("Loops of which finished turns stay.")),
            ("stays", texts("Nodes whose change is meant to stay.")),
            ("by_hand", truth("People do something that only they can take back.")),
        ],
    )
}

fn effect() -> Json {
    record(
        "What a node does to a pool.",
        &[
            ("pool", text("The pool.")),
            ("member", text("The member.")),
            (
                "kind",
                words(
                    "Out until returned, in again, or out while the node runs.",
                    &["takes", "returns", "disturbs"],
                ),
            ),
        ],
    )
}

fn capacity() -> Json {
    let count = |docs: &str| json!({ "type": "integer", "minimum": 0, "description": docs });
    record(
        "Members in service at one moment.",
        &[
            ("pool", text("The pool.")),
            ("serving", count("Up and enabled.")),
            ("enabled", count("Not taken out by anybody.")),
            ("total", count("All.")),
            ("minimum", count("The least allowed.")),
        ],
    )
}

fn invariant() -> Json {
    record(
        "What must be true around every change.",
        &[
            ("id", text("The check.")),
            ("name", text("For people.")),
            ("from", optional(text("The step that it starts at."))),
            ("since", optional(text("The first node that it covers."))),
            ("standing", text("Whether it holds, or why only the run can tell.")),
        ],
    )
}

fn refusal() -> Json {
    record(
        "Why the plan must not run.",
        &[
            ("node", optional(text("The node at fault."))),
            ("message", text("What is wrong.")),
            ("counterexample", texts("The order of events that shows it.")),
            ("instead", optional(text("What would work."))),
        ],
    )
}

/// Every field of a version is always there; those without a value are null.
fn record(docs: &str, fields: &[(&str, Json)]) -> Json {
    let properties: Map<String, Json> = fields.iter().map(|(name, shape)| ((*name).to_owned(), shape.clone())).collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "description": docs, "properties": properties, "required": required })
}

fn text(docs: &str) -> Json {
    json!({ "type": "string", "description": docs })
}

fn texts(docs: &str) -> Json {
    json!({ "type": "array", "items": { "type": "string" }, "description": docs })
}

fn truth(docs: &str) -> Json {
    json!({ "type": "boolean", "description": docs })
}

fn number(docs: &str) -> Json {
    json!({ "type": "number", "minimum": 0, "description": docs })
}

fn time(docs: &str) -> Json {
    json!({ "type": "string", "format": "date-time", "description": docs })
}

fn words(docs: &str, words: &[&str]) -> Json {
    json!({ "type": "string", "enum": words, "description": docs })
}

fn list(docs: &str, items: &Json) -> Json {
    json!({ "type": "array", "items": items, "description": docs })
}

/// Names and values of any kind.
fn named(docs: &str) -> Json {
    json!({ "type": "object", "description": docs })
}

fn optional(mut shape: Json) -> Json {
    shape["type"] = json!([shape["type"], "null"]);
    shape
}

fn reference(definition: &str) -> Json {
    json!({ "$ref": format!("#/definitions/{definition}") })
}
