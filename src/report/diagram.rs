//! A plan or a runbook as a graph, for Graphviz (dot) and Mermaid. Labels are escaped; names inside are ours (`n1`, `n2`, …).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::describe::{name, sentence};
use super::node::{Sign, place, sign};
use crate::base::id::NodeId;
use crate::model::plan::Plan;
use crate::model::runbook::{Body, Branch, Runbook, Step};

/// What is drawn.
struct Graph {
    title: String,
    nodes: Vec<Drawn>,
    /// From, to, dashed with that word.
    edges: Vec<(usize, usize, Option<&'static str>)>,
}

struct Drawn {
    lines: Vec<String>,
    look: Look,
}

/// Which shape.
#[derive(Clone, Copy)]
enum Look {
    Changes,
    Reads,
    /// People say yes or no.
    Asks,
    /// A person does it.
    ByHand,
    /// A branch is chosen.
    Decides,
}

/// The plan for Graphviz.
#[must_use]
pub fn plan_dot(plan: &Plan) -> String {
    dot(&of_plan(plan))
}

/// The plan for Mermaid.
#[must_use]
pub fn plan_mermaid(plan: &Plan) -> String {
    mermaid(&of_plan(plan))
}

/// The runbook's steps for Graphviz.
#[must_use]
pub fn runbook_dot(runbook: &Runbook) -> String {
    dot(&of_runbook(runbook))
}

/// The runbook's steps for Mermaid.
#[must_use]
pub fn runbook_mermaid(runbook: &Runbook) -> String {
    mermaid(&of_runbook(runbook))
}

fn of_plan(plan: &Plan) -> Graph {
    let index: BTreeMap<&NodeId, usize> = plan.nodes.iter().enumerate().map(|(i, n)| (&n.id, i)).collect();
    let mut edges = Vec::new();
    for (to, node) in plan.nodes.iter().enumerate() {
        edges.extend(node.needs.iter().filter_map(|id| Some((*index.get(id)?, to, None))));
        if let Some(back) = node.owes.as_ref().and_then(|id| index.get(id)) {
            edges.push((to, *back, Some("owes")));
        }
    }
    let drawn = |node: &crate::model::plan::Node| Drawn {
        lines: vec![name(node.id.as_str().split('@').next().unwrap_or_default()), place(node)],
        look: match () {
            () if node.is_task() => Look::ByHand,
            () if node.action == "decide" => Look::Decides,
            () if sign(node) == Sign::Asks => Look::Asks,
            () if node.may_change() => Look::Changes,
            () => Look::Reads,
        },
    };
    Graph {
        title: sentence(&plan.runbook),
        nodes: plan.nodes.iter().map(drawn).collect(),
        edges,
    }
}

fn of_runbook(runbook: &Runbook) -> Graph {
    let mut graph = Graph {
        title: sentence(&runbook.name),
        nodes: Vec::new(),
        edges: Vec::new(),
    };
    let mut before = Vec::new();
    for list in [&runbook.require, &runbook.steps, &runbook.verify, &runbook.finally] {
        let ends = add_list(&mut graph, list, &before);
        if !ends.is_empty() {
            before = ends;
        }
    }
    add_list(&mut graph, &runbook.on_failure, &[]);
    graph
}

/// Adds a list of steps after `before`; gives those that nothing in the list needs.
fn add_list(graph: &mut Graph, steps: &[Step], before: &[usize]) -> Vec<usize> {
    let mut index: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ends = Vec::new();
    for step in steps {
        let needed: Vec<usize> = step
            .needs
            .iter()
            .filter_map(|id| index.get(id.as_str()))
            .flatten()
            .copied()
            .collect();
        let from = if needed.is_empty() { before.to_vec() } else { needed };
        ends.retain(|end| !from.contains(end));
        let at = graph.nodes.len();
        let plain = match step.class {
            crate::model::action::Class::Probe => Look::Reads,
            _ => Look::Changes,
        };
        let (what, inner, look) = match &step.body {
            Body::Action(call) => (name(&call.action.value), None, plain),
            Body::Approve(_) => (String::from("approve"), None, Look::Asks),
            Body::Manual(_) => (String::from("manual"), None, Look::ByHand),
            Body::Decide(branches) => (words(branches), None, Look::Decides),
            Body::Loop(l) => (format!("for each {}", name(&l.variable)), Some(&l.steps), plain),
        };
        graph.nodes.push(Drawn {
            lines: vec![name(&step.id), what],
            look,
        });
        graph.edges.extend(from.into_iter().map(|f| (f, at, None)));
        first.insert(step.id.as_str(), at);
        let last = inner.map(|inner| add_list(graph, inner, &[at])).filter(|ends| !ends.is_empty());
        let last = last.unwrap_or_else(|| vec![at]);
        ends.extend(&last);
        index.insert(step.id.as_str(), last);
    }
    for step in steps {
        let back = step.owes.as_ref().and_then(|o| first.get(o.step.value.as_str()));
        if let (Some(at), Some(back)) = (first.get(step.id.as_str()), back) {
            graph.edges.push((*at, *back, Some("owes")));
        }
    }
    ends
}

/// `decide memory, cpu, unknown`
fn words(branches: &[Branch]) -> String {
    let words: Vec<&str> = branches.iter().map(|b| b.is.as_str()).collect();
    sentence(&format!("decide {}", words.join(", ")))
}

fn dot(graph: &Graph) -> String {
    let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut text = format!(
        "digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n",
        escape(&graph.title)
    );
    for (i, node) in graph.nodes.iter().enumerate() {
        let label = node.lines.iter().map(|l| escape(l)).collect::<Vec<_>>().join("\\n");
        let look = match node.look {
            Look::Asks => ", shape=diamond",
            Look::ByHand => ", shape=invtrapezium",
            Look::Decides => ", shape=hexagon",
            Look::Changes => ", style=bold",
            Look::Reads => ", style=rounded",
        };
        let _ = writeln!(text, "  n{i} [label=\"{label}\"{look}];");
    }
    for (from, to, word) in &graph.edges {
        let look = word.map_or_else(String::new, |w| format!(" [style=dashed, label=\"{w}\"]"));
        let _ = writeln!(text, "  n{from} -> n{to}{look};");
    }
    text.push_str("}\n");
    text
}

fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    for (i, node) in graph.nodes.iter().enumerate() {
        let label = node.lines.iter().map(|l| entities(l)).collect::<Vec<_>>().join("<br/>");
        let _ = match node.look {
            Look::Asks => writeln!(text, "  n{i}{{\"{label}\"}}"),
            Look::ByHand => writeln!(text, "  n{i}[\\\"{label}\"/]"),
            Look::Decides => writeln!(text, "  n{i}{{{{\"{label}\"}}}}"),
            Look::Changes => writeln!(text, "  n{i}[\"{label}\"]"),
            Look::Reads => writeln!(text, "  n{i}(\"{label}\")"),
        };
    }
    for (from, to, word) in &graph.edges {
        let _ = match word {
            Some(word) => writeln!(text, "  n{from} -. {word} .-> n{to}"),
            None => writeln!(text, "  n{from} --> n{to}"),
        };
    }
    text
}

/// Everything but letters, digits and a few signs as Mermaid's entity codes: it has no other escape.
fn entities(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || " .,-_@:/".contains(c) {
            safe.push(c);
        } else {
            let _ = write!(safe, "#{};", u32::from(c));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::diagnostic::{Span, Spanned};
    use crate::model::action::Class;
    use crate::model::inventory::Share;
    use crate::model::runbook::{Call, Loop, LoopOver, Owes, Pace, Retry, UndoRule};
    use crate::model::text::Text;
    use crate::report::sample;

    fn small() -> Plan {
        let mut plan = sample::plan();
        plan.nodes.drain(..3);
        plan.nodes.truncate(4);
        plan.nodes[0].needs.clear();
        plan.nodes[1].id = "free\"] --> x@web-01".into();
        plan.nodes[2].needs = vec![plan.nodes[1].id.clone()];
        plan
    }

    #[test]
    fn graphviz_with_escaped_labels() {
        assert_eq!(
            plan_dot(&small()),
            "digraph \"recover-master\" {\n\
             \x20 rankdir=LR;\n\
             \x20 node [shape=box, fontname=\"sans-serif\"];\n\
             \x20 n0 [label=\"drain_master\\nlb-01\", style=bold];\n\
             \x20 n1 [label=\"free\\\"] --> x\\nweb-01\", style=bold];\n\
             \x20 n2 [label=\"free_memory.verify.1\\nweb-01\", style=rounded];\n\
             \x20 n3 [label=\"return_master\\nlb-01\", style=bold];\n\
             \x20 n0 -> n3 [style=dashed, label=\"owes\"];\n\
             \x20 n0 -> n1;\n\
             \x20 n1 -> n2;\n\
             \x20 n2 -> n3;\n\
             }\n"
        );
    }

    #[test]
    fn mermaid_with_escaped_labels() {
        assert_eq!(
            plan_mermaid(&small()),
            "flowchart LR\n\
             \x20 n0[\"drain_master<br/>lb-01\"]\n\
             \x20 n1[\"free#34;#93; --#62; x<br/>web-01\"]\n\
             \x20 n2(\"free_memory.verify.1<br/>web-01\")\n\
             \x20 n3[\"return_master<br/>lb-01\"]\n\
             \x20 n0 -. owes .-> n3\n\
             \x20 n0 --> n1\n\
             \x20 n1 --> n2\n\
             \x20 n2 --> n3\n"
        );
    }

    fn step(id: &str, needs: &[&str], body: Body) -> Step {
        Step {
            id: id.into(),
            name: Text::literal("", Span::default()),
            span: Span::default(),
            body,
            hosts: None,
            run_as: None,
            needs: needs.iter().map(|n| (*n).into()).collect(),
            when: None,
            that: None,
            within: None,
            every: Duration::from_secs(1),
            retry: Retry {
                attempts: 1,
                delay: Duration::ZERO,
                backoff: 1.0,
                when: None,
            },
            timeout: Duration::from_secs(60),
            verify: Vec::new(),
            owes: None,
            leave: None,
            undo: UndoRule::Auto,
            allow_failure: None,
            allow_empty: false,
            pool_effect_none: false,
            changed: None,
            class: Class::Reversible,
        }
    }

    fn call(action: &str) -> Body {
        Body::Action(Call {
            action: Spanned::new(action.to_owned(), Span::default()),
            arguments: BTreeMap::new(),
        })
    }

    #[test]
    fn a_runbook_is_drawn_through_its_loops_to_its_goal() {
        let inner = Loop {
            variable: String::from("web"),
            over: LoopOver::Hosts(Text::literal("", Span::default())),
            pace: Pace::Parallel(1),
            max_failures: Share::Count(0),
            pause: Duration::ZERO,
            steps: vec![step("one", &[], call("http")), step("two", &["one"], call("service"))],
        };
        let mut drain = step("drain", &["each"], call("pool.member"));
        drain.owes = Some(Owes {
            step: Spanned::new("back".into(), Span::default()),
            guard: Vec::new(),
        });
        let runbook = Runbook {
            name: String::from("roll"),
            description: String::new(),
            params: Vec::new(),
            hosts: None,
            run_as: None,
            lock: Vec::new(),
            deadline: Duration::from_secs(60),
            require: Vec::new(),
            steps: vec![
                step("each", &[], Body::Loop(Box::new(inner))),
                drain,
                step("back", &["drain"], call("pool.member")),
            ],
            verify: vec![step("verify.1", &[], call("pool.status"))],
            on_failure: vec![step("page", &[], call("escalate"))],
            finally: Vec::new(),
            notify: None,
            triggers: Vec::new(),
            people: Vec::new(),
        };
        let shown = runbook_mermaid(&runbook);
        let edges: Vec<&str> = shown
            .lines()
            .filter(|l| l.contains("-> ") || l.contains("--> "))
            .map(str::trim)
            .collect();
        assert_eq!(
            edges,
            ["n0 --> n1", "n1 --> n2", "n2 --> n3", "n3 --> n4", "n3 -. owes .-> n4", "n4 --> n5"]
        );
        assert!(shown.contains("n0[\"each<br/>for each web\"]\n"), "{shown}");
        assert!(runbook_dot(&runbook).contains("n6 [label=\"page\\nescalate\", style=bold];"));
    }
}
