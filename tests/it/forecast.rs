//! What plans promise on the practice fleet: how much of it is known beforehand, and what is left once it has been applied.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::site::Told;

/// The steps of a plan that bring about a state and have nothing to do where it is so already: not probes, questions, restarts, programs.
pub struct Converging {
    all: Vec<Value>,
}

impl Converging {
    /// Those of a plan that was printed with `-o json`.
    pub fn of(told: &Told) -> Converging {
        let plan: Value = serde_json::from_str(&told.out).unwrap_or_else(|e| panic!("{e}: {}", told.all()));
        let work = |n: &Value| ["require", "steps", "verify"].contains(&n["section"].as_str().unwrap_or(""));
        let nodes = plan["nodes"].as_array().unwrap().iter();
        let all: Vec<Value> = nodes.filter(|n| n["class"] == "reversible" && work(n)).cloned().collect();
        assert!(!all.is_empty(), "no step converges: {plan:#}");
        Converging { all }
    }

    fn certainty(node: &Value) -> &str {
        node["forecast"]["certainty"].as_str().unwrap_or("")
    }

    /// At most a tenth of them is left to the run; says how many.
    pub fn are_known(&self, of: &str) -> &Converging {
        let open: Vec<&Value> = self.all.iter().filter(|n| Converging::certainty(n) == "at_run_time").collect();
        println!(
            "{of}: {} of {} converging steps are known at run time only",
            open.len(),
            self.all.len()
        );
        assert!(open.len() * 10 <= self.all.len(), "{of}: {open:#?}");
        self
    }

    /// Nothing is left to do, but for what a step takes out and another one gives back: that is asked for whenever the runbook runs.
    pub fn have_nothing_left(&self, of: &str) {
        let id = |n: &Value| n["id"].as_str().unwrap_or_default().to_owned();
        let returns: BTreeSet<String> = self.all.iter().filter_map(|n| Some(n["owes"].as_str()?.to_owned())).collect();
        let stays = |n: &&Value| n["owes"].is_null() && !returns.contains(&id(n));
        let left: Vec<&Value> = self
            .all
            .iter()
            .filter(stays)
            .filter(|n| Converging::certainty(n) != "nothing_to_do")
            .collect();
        assert!(left.is_empty(), "{of}: {left:#?}");
    }
}
