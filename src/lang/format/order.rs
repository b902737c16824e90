//! What stands where in a runbook, and the order of its keys: that of the tables of the language, with a step's in the order of
//! reading: what it is called, when and where, what it does, what must be true, what becomes of it.

use crate::lang::keys::{self, Shape, Table};
use crate::yaml::Node;

/// What a value is, as far as layout goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// A map with the keys of a table.
    Table(&'static Table),
    /// A list of such maps.
    List(&'static Table),
    /// Names with such maps.
    Named(&'static Table),
    /// Names with anything, to be read as a table.
    Names,
    /// The parameters of an action.
    Arguments,
    /// An expression.
    Expression,
    /// The file, if it is an inventory.
    Inventory,
    /// Anything else.
    Free,
}

/// Keys of a step or check before the action.
const BEFORE: &[&str] = &[
    "id", "name", "needs", "when", "hosts", "run_as", "for_each", "approve", "manual", "decide", "call",
];
/// And after it; `steps` come last, for they are long.
const AFTER: &[&str] = &[
    "that",
    "within",
    "every",
    "retry",
    "timeout",
    "verify",
    "owes",
    "leave",
    "undo",
    "allow_failure",
    "allow_empty",
    "pool_effect",
];
const TRIGGER: &[&str] = &[
    "alertmanager",
    "grafana",
    "pagerduty",
    "webhook",
    "schedule",
    "params",
    "mode",
    "dedupe",
];
const PARAM: &[&str] = &["type", "from", "choices", "pattern", "min", "max", "default", "description"];

impl Place {
    /// Of a whole file.
    pub fn of_file(root: &Node) -> Place {
        if root.get("runbook").is_some() {
            Place::Table(&keys::RUNBOOK)
        } else if ["hosts", "groups", "pools"].iter().any(|key| root.get(key).is_some()) {
            Place::Inventory
        } else {
            Place::Free
        }
    }

    /// Of the value at `key`; of an item of a list without one.
    pub fn inside(self, key: Option<&str>, node: &Node) -> Place {
        match (self, key) {
            (Place::List(table), None) | (Place::Named(table), Some(_)) => Place::Table(table),
            (Place::Table(table), Some(key)) => match table.get(key) {
                Some(known) => of_shape(known.shape, node),
                None => Place::Arguments,
            },
            (Place::Arguments, Some("changed")) => Place::Expression,
            (Place::Inventory, Some("hosts" | "groups")) => Place::Names,
            _ => Place::Free,
        }
    }

    /// Where a key stands among its neighbours; those of equal rank keep the author's order.
    pub fn rank(self, key: &str) -> usize {
        let Place::Table(table) = self else { return 0 };
        let at = |list: &[&str]| list.iter().position(|k| *k == key);
        let in_table = table.keys.iter().position(|k| k.name == key);
        if [&keys::STEP, &keys::CHECK, &keys::INVARIANT]
            .into_iter()
            .any(|t| std::ptr::eq(table, t))
        {
            let action = BEFORE.len();
            return match (at(BEFORE), at(AFTER), in_table) {
                (Some(n), ..) => n,
                (None, None, None) => action,
                (_, Some(n), _) => action + 1 + n,
                (.., Some(_)) => action + 1 + AFTER.len() + usize::from(key == "steps"),
            };
        }
        let known = match table {
            table if std::ptr::eq(table, &keys::PARAM) => at(PARAM),
            table if std::ptr::eq(table, &keys::TRIGGER) => at(TRIGGER),
            _ => in_table,
        };
        known.unwrap_or(table.keys.len())
    }

    /// Whether entries that are one-line maps stand below each other like a table.
    pub fn aligns(self) -> bool {
        matches!(self, Place::Named(_) | Place::Names)
    }
}

fn of_shape(shape: Shape, node: &Node) -> Place {
    match shape {
        Shape::Map(table) => Place::Table(table),
        Shape::List(table) => Place::List(table),
        Shape::Named(table) => Place::Named(table),
        Shape::Steps => Place::List(&keys::STEP),
        Shape::Checks => Place::List(&keys::CHECK),
        Shape::Owes => Place::Table(&keys::OWES),
        Shape::Undo if node.as_list().is_some() => Place::List(&keys::STEP),
        Shape::Expression => Place::Expression,
        _ => Place::Free,
    }
}
