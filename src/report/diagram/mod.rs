//! A plan or a runbook as a graph: for Graphviz (dot), for Mermaid, and drawn by ourselves as SVG. What people wrote is escaped; names
//! inside are ours (`n1`, `n2`, …).

mod layout;
mod svg;
mod thin;
mod words;

use std::collections::BTreeMap;

use super::describe::{name, sentence};
use super::node::{Sign, place, sign};
use crate::base::id::{NodeId, RowId};
use crate::model::action::Class;
use crate::model::plan::{Node, Plan, Section};
use crate::model::runbook::{Body, Branch, CallMode, Runbook, Step};

/// What is drawn.
#[derive(Debug, Default)]
struct Graph {
    title: String,
    nodes: Vec<Drawn>,
    boxes: Vec<Boxed>,
    /// From, to, dashed with that word.
    edges: Vec<(usize, usize, Option<&'static str>)>,
}

#[derive(Debug)]
struct Drawn {
    lines: Vec<String>,
    /// What its author called it.
    name: String,
    look: Look,
    /// The box it stands in.
    inside: Option<usize>,
}

/// Which shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A box around nodes: a loop, a turn of one, or a part that runs only in some cases.
#[derive(Debug)]
struct Boxed {
    title: String,
    inside: Option<usize>,
    /// Not on the road to success: drawn below everything else.
    apart: bool,
}

/// What stands directly in each box, and in none.
struct Members {
    nodes: Vec<Vec<usize>>,
    boxes: Vec<Vec<usize>>,
}

impl Members {
    fn nodes(&self, inside: Option<usize>) -> &[usize] {
        &self.nodes[inside.map_or(0, |b| b + 1)]
    }

    fn boxes(&self, inside: Option<usize>) -> &[usize] {
        &self.boxes[inside.map_or(0, |b| b + 1)]
    }
}

impl Graph {
    fn members(&self) -> Members {
        let mut members = Members {
            nodes: vec![Vec::new(); self.boxes.len() + 1],
            boxes: vec![Vec::new(); self.boxes.len() + 1],
        };
        for (i, node) in self.nodes.iter().enumerate() {
            members.nodes[node.inside.map_or(0, |b| b + 1)].push(i);
        }
        for (i, inner) in self.boxes.iter().enumerate() {
            members.boxes[inner.inside.map_or(0, |b| b + 1)].push(i);
        }
        members
    }
}

/// The plan for Graphviz.
#[must_use]
pub fn plan_dot(plan: &Plan) -> String {
    words::dot(&of_plan(plan))
}

/// The plan for Mermaid.
#[must_use]
pub fn plan_mermaid(plan: &Plan) -> String {
    words::mermaid(&of_plan(plan))
}

/// The plan as a picture.
#[must_use]
pub fn plan_svg(plan: &Plan) -> String {
    svg::draw(&of_plan(plan))
}

/// The runbook's steps for Graphviz.
#[must_use]
pub fn runbook_dot(runbook: &Runbook) -> String {
    words::dot(&of_runbook(runbook))
}

/// The runbook's steps for Mermaid.
#[must_use]
pub fn runbook_mermaid(runbook: &Runbook) -> String {
    words::mermaid(&of_runbook(runbook))
}

/// The runbook's steps as a picture.
#[must_use]
pub fn runbook_svg(runbook: &Runbook) -> String {
    svg::draw(&of_runbook(runbook))
}

const ON_FAILURE: &str = "only if the run fails";
const FINALLY: &str = "last, in any case";

fn of_plan(plan: &Plan) -> Graph {
    let index: BTreeMap<&NodeId, usize> = plan.nodes.iter().enumerate().map(|(i, n)| (&n.id, i)).collect();
    let mut rows: BTreeMap<&RowId, Vec<usize>> = BTreeMap::new();
    for (i, node) in plan.nodes.iter().enumerate() {
        rows.entry(&node.row).or_default().push(i);
    }
    let mut graph = Graph {
        title: sentence(&plan.runbook),
        ..Graph::default()
    };
    let mut turns: BTreeMap<String, usize> = BTreeMap::new();
    for (to, node) in plan.nodes.iter().enumerate() {
        graph.edges.extend(
            node.needs
                .iter()
                .filter_map(|id| rows.get(id))
                .flatten()
                .map(|from| (*from, to, None)),
        );
        if let Some(back) = node.owes.as_ref().and_then(|id| index.get(id)) {
            graph.edges.push((to, *back, Some("owes")));
        }
        let inside = box_of(node, &mut graph, &mut turns);
        graph.nodes.push(Drawn {
            lines: vec![name(node.id.as_str().split('@').next().unwrap_or_default()), place(node)],
            name: sentence(&node.name),
            look: match () {
                () if node.is_task() => Look::ByHand,
                () if node.action == "decide" => Look::Decides,
                () if sign(node) == Sign::Asks => Look::Asks,
                () if node.may_change() => Look::Changes,
                () => Look::Reads,
            },
            inside,
        });
    }
    graph
}

/// The innermost box of a node: its turn, or its part of the runbook; boxes are made when first needed.
fn box_of(node: &Node, graph: &mut Graph, known: &mut BTreeMap<String, usize>) -> Option<usize> {
    let part = match node.section {
        Section::OnFailure => Some(ON_FAILURE),
        Section::Finally => Some(FINALLY),
        Section::Require | Section::Steps | Section::Verify => None,
    };
    let mut path = String::new();
    let mut inside = None;
    let titles = part.map(str::to_owned).into_iter().map(|title| (title, true));
    let turns = node
        .turns
        .iter()
        .map(|turn| (format!("{} [{}]", name(&turn.step), name(&turn.key)), false));
    for (title, apart) in titles.chain(turns) {
        path.push_str(&title);
        path.push('\n');
        let boxes = &mut graph.boxes;
        inside = Some(*known.entry(path.clone()).or_insert_with(|| {
            boxes.push(Boxed { title, inside, apart });
            boxes.len() - 1
        }));
    }
    inside
}

fn of_runbook(runbook: &Runbook) -> Graph {
    let mut graph = Graph {
        title: sentence(&runbook.name),
        ..Graph::default()
    };
    let mut before = Vec::new();
    for list in [&runbook.require, &runbook.steps, &runbook.verify] {
        let ends = add_list(&mut graph, list, &before, None);
        if !ends.is_empty() {
            before = ends;
        }
    }
    for (list, title) in [(&runbook.on_failure, ON_FAILURE), (&runbook.finally, FINALLY)] {
        if !list.is_empty() {
            let inside = boxed(&mut graph, title.to_owned(), None, true);
            add_list(&mut graph, list, &[], Some(inside));
        }
    }
    graph
}

fn boxed(graph: &mut Graph, title: String, inside: Option<usize>, apart: bool) -> usize {
    graph.boxes.push(Boxed { title, inside, apart });
    graph.boxes.len() - 1
}

/// Adds a list of steps after `before`; gives those that nothing in the list needs.
fn add_list(graph: &mut Graph, steps: &[Step], before: &[usize], inside: Option<usize>) -> Vec<usize> {
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
        let last = match &step.body {
            Body::Loop(l) => {
                let title = format!("{}: for each {}", name(&step.id), name(&l.variable));
                let turn = boxed(graph, title, inside, false);
                add_list(graph, &l.steps, &from, Some(turn))
            }
            Body::Action(call) => vec![add_step(graph, step, name(&call.action.value), &from, inside)],
            Body::Approve(_) => vec![add_step(graph, step, String::from("approve"), &from, inside)],
            Body::Manual(_) => vec![add_step(graph, step, String::from("manual"), &from, inside)],
            Body::Decide(branches) => vec![add_step(graph, step, decided(branches), &from, inside)],
            Body::Call(called) => {
                let runbook = &called.runbook;
                let title = format!("{}: call {}", name(&step.id), name(&runbook.name));
                let whole = boxed(graph, title, inside, false);
                let mut before = from.clone();
                if called.mode == CallMode::Approve {
                    before = vec![add_step(graph, step, String::from("approve"), &from, Some(whole))];
                }
                for list in [&runbook.require, &runbook.steps, &runbook.verify] {
                    let ends = add_list(graph, list, &before, Some(whole));
                    if !ends.is_empty() {
                        before = ends;
                    }
                }
                before
            }
        };
        first.insert(step.id.as_str(), at);
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
fn decided(branches: &[Branch]) -> String {
    let words: Vec<&str> = branches.iter().map(|b| b.is.as_str()).collect();
    sentence(&format!("decide {}", words.join(", ")))
}

fn add_step(graph: &mut Graph, step: &Step, what: String, from: &[usize], inside: Option<usize>) -> usize {
    let at = graph.nodes.len();
    graph.nodes.push(Drawn {
        lines: vec![name(&step.id), what],
        name: sentence(&step.name.source),
        look: match &step.body {
            Body::Approve(_) => Look::Asks,
            Body::Manual(_) => Look::ByHand,
            Body::Decide(_) => Look::Decides,
            Body::Call(called) if called.mode == CallMode::Approve => Look::Asks,
            Body::Action(_) | Body::Loop(_) | Body::Call(_) if step.class == Class::Probe => Look::Reads,
            Body::Action(_) | Body::Loop(_) | Body::Call(_) => Look::Changes,
        },
        inside,
    });
    graph.edges.extend(from.iter().map(|f| (*f, at, None)));
    at
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
        plan.nodes[2].needs = vec![plan.nodes[1].row.clone()];
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
            undo_finished: false,
            pause: Duration::ZERO,
            steps: vec![step("one", &[], call("http")), step("two", &["one"], call("service"))],
        };
        let mut drain = step("drain", &["each"], call("pool.member"));
        drain.owes = Some(Owes {
            step: Spanned::new("back".into(), Span::default()),
            guard: None,
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
            invariants: Vec::new(),
            steps: vec![
                step("each", &[], Body::Loop(Box::new(inner))),
                drain,
                step("back", &["drain"], call("pool.member")),
            ],
            verify: vec![step("verify.1", &[], call("pool.status"))],
            on_failure: vec![step("page", &[], call("escalate"))],
            finally: Vec::new(),
            notify: None,
            outputs: BTreeMap::new(),
            triggers: Vec::new(),
            people: Vec::new(),
        };
        let shown = runbook_mermaid(&runbook);
        let edges: Vec<&str> = shown
            .lines()
            .filter(|l| l.contains("-> ") || l.contains("--> "))
            .map(str::trim)
            .collect();
        assert_eq!(edges, ["n0 --> n1", "n1 --> n2", "n2 --> n3", "n2 -. owes .-> n3", "n3 --> n4"]);
        let each = "  subgraph b0[\"each: for each web\"]\n    n0[\"one<br/>http\"]\n    n1[\"two<br/>service\"]\n  end\n";
        assert!(shown.contains(each), "{shown}");
        let failed = "  subgraph cluster_1 {\n    label=\"only if the run fails\";\n    n5 [label=\"page\\nescalate\", style=bold];\n  }\n";
        assert!(runbook_dot(&runbook).contains(failed));
        assert!(runbook_svg(&runbook).contains(">each: for each web<"));
    }
}
