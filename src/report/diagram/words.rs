//! Graphs in the languages of Graphviz and Mermaid.

use std::fmt::Write;

use super::{Graph, Look, Members};

/// For Graphviz.
pub(super) fn dot(graph: &Graph) -> String {
    let mut text = format!(
        "digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n",
        quoted(&graph.title)
    );
    dot_box(graph, &graph.members(), None, 1, &mut text);
    for (from, to, word) in &graph.edges {
        let look = word.map_or_else(String::new, |w| format!(" [style=dashed, label=\"{w}\"]"));
        let _ = writeln!(text, "  n{from} -> n{to}{look};");
    }
    text.push_str("}\n");
    text
}

/// What stands in a box; in none: everything.
fn dot_box(graph: &Graph, members: &Members, inside: Option<usize>, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for i in members.nodes(inside) {
        let node = &graph.nodes[*i];
        let label = node.lines.iter().map(|l| quoted(l)).collect::<Vec<_>>().join("\\n");
        let look = match node.look {
            Look::Asks => ", shape=diamond",
            Look::ByHand => ", shape=invtrapezium",
            Look::Decides => ", shape=hexagon",
            Look::Changes => ", style=bold",
            Look::Reads => ", style=rounded",
        };
        let _ = writeln!(text, "{indent}n{i} [label=\"{label}\"{look}];");
    }
    for b in members.boxes(inside) {
        let title = quoted(&graph.boxes[*b].title);
        let _ = writeln!(text, "{indent}subgraph cluster_{b} {{\n{indent}  label=\"{title}\";");
        dot_box(graph, members, Some(*b), depth + 1, text);
        let _ = writeln!(text, "{indent}}}");
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// For Mermaid.
pub(super) fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    mermaid_box(graph, &graph.members(), None, 1, &mut text);
    for (from, to, word) in &graph.edges {
        let _ = match word {
            Some(word) => writeln!(text, "  n{from} -. {word} .-> n{to}"),
            None => writeln!(text, "  n{from} --> n{to}"),
        };
    }
    text
}

fn mermaid_box(graph: &Graph, members: &Members, inside: Option<usize>, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for i in members.nodes(inside) {
        let node = &graph.nodes[*i];
        let label = node.lines.iter().map(|l| entities(l)).collect::<Vec<_>>().join("<br/>");
        let _ = match node.look {
            Look::Asks => writeln!(text, "{indent}n{i}{{\"{label}\"}}"),
            Look::ByHand => writeln!(text, "{indent}n{i}[\\\"{label}\"/]"),
            Look::Decides => writeln!(text, "{indent}n{i}{{{{\"{label}\"}}}}"),
            Look::Changes => writeln!(text, "{indent}n{i}[\"{label}\"]"),
            Look::Reads => writeln!(text, "{indent}n{i}(\"{label}\")"),
        };
    }
    for b in members.boxes(inside) {
        let _ = writeln!(text, "{indent}subgraph b{b}[\"{}\"]", entities(&graph.boxes[*b].title));
        mermaid_box(graph, members, Some(*b), depth + 1, text);
        let _ = writeln!(text, "{indent}end");
    }
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
