//! Graphs as pictures: SVG without scripts, links or fonts of its own, for a light and a dark page. Boxes are drawn from the inside
//! out, each as one node of the box around it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::layout::{self, Edge, Item};
use super::{Graph, Look, Members, thin};
use crate::base::sanitise::one_line;

/// Around the drawing.
const MARGIN: f64 = 16.0;
/// Inside of a box, and of the line with its title.
const INSET: f64 = 14.0;
const TITLE: f64 = 22.0;
/// Of a letter of each line.
const LETTER: f64 = 7.3;
const LINE: f64 = 17.0;
/// Letters of a line.
const MOST: usize = 44;
/// From so many nodes to so many, each to each, edges meet in a point in between.
const BUNDLE: usize = 3;

const STYLE: &str = "\
.page{fill:#ffffff}.node{fill:#f6f8fa;stroke:#8c959f}.changes{fill:#fff4e0;stroke:#b35900;stroke-width:2}\
.asks{fill:#ece8ff;stroke:#6b4fd8;stroke-width:2}.box{fill:#1f23280a;stroke:#8c959f}.apart{stroke-dasharray:2 4}\
.edge{fill:none;stroke:#59636e;stroke-width:1.3}.owes{fill:none;stroke:#cf222e;stroke-width:1.5;stroke-dasharray:6 4}\
.tip{fill:#59636e}.tip-owes{fill:#cf222e}text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}\
.small{fill:#59636e}.title{font-weight:bold}.word{fill:#cf222e;paint-order:stroke;stroke:#ffffff;stroke-width:4px}\
@media(prefers-color-scheme:dark){.page{fill:#0d1117}.node{fill:#161b22;stroke:#6e7681}.changes{fill:#2d2212;stroke:#d29922}\
.asks{fill:#211c3a;stroke:#a392ff}.box{fill:#ffffff0a;stroke:#6e7681}.edge{stroke:#9198a1}.owes{stroke:#ff7b72}.tip{fill:#9198a1}\
.tip-owes{fill:#ff7b72}text{fill:#f0f6fc}.small{fill:#9198a1}.word{fill:#ff7b72;stroke:#0d1117}}";

/// What is in a box, with places from its upper left corner.
#[derive(Default)]
struct Drawing {
    width: f64,
    height: f64,
    nodes: Vec<(usize, f64, f64, f64, f64)>,
    boxes: Vec<(usize, f64, f64, f64, f64)>,
    /// Points, whether it is owed, whether it ends in an arrow.
    edges: Vec<(Vec<(f64, f64)>, bool, bool)>,
}

/// One thing in a box.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Node(usize),
    Box(usize),
    /// Where bundled edges meet.
    Point,
}

/// From, to, whether it is owed; by the box that both ends stand in.
type Edges = BTreeMap<Option<usize>, BTreeSet<(Thing, Thing, bool)>>;

/// The picture.
pub(super) fn draw(graph: &Graph) -> String {
    let members = graph.members();
    let drawing = arrange(graph, &members, &edges(graph), None);
    let top = MARGIN + 2.0 * LINE + 8.0;
    let legend = "bold: changes something · hexagon: asks people · dashed: owes";
    let title = one_line(&graph.title, 80);
    let width = [drawing.width, letters(legend) * LETTER, letters(&title) * LETTER]
        .into_iter()
        .fold(0.0, f64::max)
        + 2.0 * MARGIN;
    let height = top + drawing.height + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n",
        escaped(&title)
    );
    let _ = writeln!(
        svg,
        "<text class=\"title\" x=\"{MARGIN}\" y=\"{:.0}\">{}</text>",
        MARGIN + 12.0,
        escaped(&title)
    );
    let _ = writeln!(
        svg,
        "<text class=\"small\" x=\"{MARGIN}\" y=\"{:.0}\">{legend}</text>",
        MARGIN + 12.0 + LINE
    );
    let _ = writeln!(svg, "<g transform=\"translate({:.1} {top:.1})\">", (width - drawing.width) / 2.0);
    for (b, x, y, w, h) in &drawing.boxes {
        draw_box(&mut svg, graph, *b, (*x, *y, *w, *h));
    }
    for (points, owed, arrow) in &drawing.edges {
        draw_edge(&mut svg, points, *owed, *arrow);
    }
    for (n, x, y, w, h) in &drawing.nodes {
        draw_node(&mut svg, graph, *n, (*x, *y, *w, *h));
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// Every edge in the box around both its ends, between what stands there; those of the same two things once.
fn edges(graph: &Graph) -> Edges {
    let path = |node: usize| {
        let mut path = Vec::new();
        let mut at = graph.nodes[node].inside;
        while let Some(b) = at {
            path.push(b);
            at = graph.boxes[b].inside;
        }
        path.reverse();
        path
    };
    let mut edges = Edges::new();
    for (from, to, word) in &graph.edges {
        let (a, b) = (path(*from), path(*to));
        let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        let thing = |path: &[usize], node: usize| path.get(same).map_or(Thing::Node(node), |b| Thing::Box(*b));
        let (from, to) = (thing(&a, *from), thing(&b, *to));
        if from != to {
            let around = same.checked_sub(1).map(|last| a[last]);
            edges.entry(around).or_default().insert((from, to, word.is_some()));
        }
    }
    edges
}

fn arrange(graph: &Graph, members: &Members, edges: &Edges, inside: Option<usize>) -> Drawing {
    let inner: Vec<Drawing> = members
        .boxes(inside)
        .iter()
        .map(|b| arrange(graph, members, edges, Some(*b)))
        .collect();
    let nodes = members.nodes(inside).iter().map(|n| (Thing::Node(*n), node_size(graph, *n)));
    let boxes = members.boxes(inside).iter().zip(&inner).map(|(b, d)| {
        let width = f64::max(d.width, letters(&title(graph, *b)) * LETTER) + 2.0 * INSET;
        let size = Item {
            width,
            height: d.height + TITLE + 2.0 * INSET,
            apart: graph.boxes[*b].apart,
        };
        (Thing::Box(*b), size)
    });
    let (mut things, mut items): (Vec<Thing>, Vec<Item>) = nodes.chain(boxes).unzip();
    let none = BTreeSet::new();
    let lines = bundled(edges.get(&inside).unwrap_or(&none), &mut things, &mut items);
    let ends: Vec<Edge> = lines
        .iter()
        .map(|(from, to, owed)| Edge {
            from: *from,
            to: *to,
            light: *owed,
        })
        .collect();
    let placed = layout::place(&items, &ends);
    let mut drawing = Drawing {
        width: placed.width,
        height: placed.height,
        ..Drawing::default()
    };
    let mut inner = inner.into_iter();
    for ((thing, item), (x, y)) in things.iter().zip(&items).zip(&placed.corners) {
        match thing {
            Thing::Node(n) => drawing.nodes.push((*n, *x, *y, item.width, item.height)),
            Thing::Box(b) => {
                drawing.boxes.push((*b, *x, *y, item.width, item.height));
                if let Some(d) = inner.next() {
                    drawing.take_in(d, x + INSET, y + TITLE + INSET, item.width - 2.0 * INSET);
                }
            }
            Thing::Point => {}
        }
    }
    for ((_, to, owed), route) in lines.iter().zip(placed.routes) {
        drawing.edges.push((route, *owed, things[*to] != Thing::Point));
    }
    drawing
}

/// Edges by the numbers of their ends. Where several nodes all need the same several, the edges meet in a point: a step on a
/// hundred hosts after a step on a hundred hosts are two hundred lines, not ten thousand.
fn bundled(edges: &BTreeSet<(Thing, Thing, bool)>, things: &mut Vec<Thing>, items: &mut Vec<Item>) -> Vec<(usize, usize, bool)> {
    let number: BTreeMap<Thing, usize> = things.iter().enumerate().map(|(i, t)| (*t, i)).collect();
    let ends = |owed: bool| {
        let some = edges.iter().filter(move |e| e.2 == owed);
        some.filter_map(|(from, to, _)| Some((*number.get(from)?, *number.get(to)?)))
            .collect::<Vec<_>>()
    };
    let mut lines: Vec<(usize, usize, bool)> = ends(true).into_iter().map(|(from, to)| (from, to, true)).collect();
    let waits = ends(false);
    let mut into: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for ((from, to), _) in waits.iter().zip(thin::needed(things.len(), &waits)).filter(|(_, needed)| *needed) {
        into.entry(*to).or_default().push(*from);
    }
    let mut alike: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (to, from) in into {
        alike.entry(from).or_default().push(to);
    }
    for (from, to) in alike {
        if from.len() < BUNDLE || to.len() < BUNDLE {
            lines.extend(to.iter().flat_map(|t| from.iter().map(|f| (*f, *t, false))));
            continue;
        }
        let point = things.len();
        things.push(Thing::Point);
        items.push(Item {
            width: 1.0,
            height: 1.0,
            apart: false,
        });
        lines.extend(from.iter().map(|f| (*f, point, false)));
        lines.extend(to.iter().map(|t| (point, *t, false)));
    }
    lines.sort_unstable();
    lines
}

impl Drawing {
    /// Puts what is in a box into the drawing around it, in the middle of `width`.
    fn take_in(&mut self, inner: Drawing, x: f64, y: f64, width: f64) {
        let x = x + (width - inner.width) / 2.0;
        self.nodes
            .extend(inner.nodes.into_iter().map(|(n, a, b, w, h)| (n, a + x, b + y, w, h)));
        self.boxes
            .extend(inner.boxes.into_iter().map(|(n, a, b, w, h)| (n, a + x, b + y, w, h)));
        let moved = |points: Vec<(f64, f64)>| points.into_iter().map(|(a, b)| (a + x, b + y)).collect();
        self.edges
            .extend(inner.edges.into_iter().map(|(points, owed, arrow)| (moved(points), owed, arrow)));
    }
}

fn node_size(graph: &Graph, n: usize) -> Item {
    let node = &graph.nodes[n];
    let widest = node.lines.iter().map(|l| letters(&one_line(l, MOST))).fold(0.0, f64::max);
    // A hexagon needs room for its corners.
    let sides = if cornered(node.look) { 44.0 } else { 24.0 };
    Item {
        width: widest * LETTER + sides,
        height: node.lines.len() as f64 * LINE + 14.0,
        apart: false,
    }
}

/// Drawn as a hexagon: somebody or something decides.
fn cornered(look: Look) -> bool {
    matches!(look, Look::Asks | Look::Decides)
}

fn title(graph: &Graph, b: usize) -> String {
    one_line(&graph.boxes[b].title, MOST)
}

/// Letters as wide as they are drawn.
fn letters(text: &str) -> f64 {
    text.chars().map(|c| if u32::from(c) >= 0x1100 { 2.0 } else { 1.0 }).sum()
}

fn draw_box(svg: &mut String, graph: &Graph, b: usize, (x, y, w, h): (f64, f64, f64, f64)) {
    let class = if graph.boxes[b].apart { "box apart" } else { "box" };
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"8\"/>"
    );
    let text = escaped(&title(graph, b));
    let _ = writeln!(
        svg,
        "<text class=\"small\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>",
        x + INSET,
        y + 19.0
    );
}

fn draw_node(svg: &mut String, graph: &Graph, n: usize, (x, y, w, h): (f64, f64, f64, f64)) {
    let node = &graph.nodes[n];
    let full: Vec<&str> = node
        .lines
        .iter()
        .chain([&node.name])
        .map(String::as_str)
        .filter(|t| !t.is_empty())
        .collect();
    let _ = write!(svg, "<g><title>{}</title>", escaped(&one_line(&full.join(" · "), 400)));
    if cornered(node.look) {
        let class = if node.look == Look::Asks { "asks" } else { "node" };
        let (left, right, bottom, middle) = (x + 12.0, x + w - 12.0, y + h, y + h / 2.0);
        let _ = write!(
            svg,
            "<polygon class=\"{class}\" points=\"{left:.1},{y:.1} {right:.1},{y:.1} {:.1},{middle:.1} {right:.1},{bottom:.1} {left:.1},{bottom:.1} {x:.1},{middle:.1}\"/>",
            x + w
        );
    } else {
        let (class, round) = match node.look {
            Look::ByHand => ("asks", 3),
            Look::Changes => ("changes", 3),
            _ => ("node", 10),
        };
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"{round}\"/>"
        );
    }
    for (i, line) in node.lines.iter().enumerate() {
        let class = if i == 0 { "title" } else { "small" };
        let (middle, base) = (x + w / 2.0, y + 7.0 + LINE * (i as f64 + 0.75));
        let text = escaped(&one_line(line, MOST));
        let _ = write!(
            svg,
            "<text class=\"{class}\" x=\"{middle:.1}\" y=\"{base:.1}\" text-anchor=\"middle\">{text}</text>"
        );
    }
    svg.push_str("</g>\n");
}

fn draw_edge(svg: &mut String, points: &[(f64, f64)], owed: bool, arrow: bool) {
    let (Some(first), Some(end)) = (points.first(), points.last()) else {
        return;
    };
    let down = if end.1 >= first.1 { 1.0 } else { -1.0 };
    let tip = *end;
    let mut path = format!("M{:.1} {:.1}", first.0, first.1);
    for (i, pair) in points.windows(2).enumerate() {
        let (a, mut b) = (pair[0], pair[1]);
        if arrow && i + 2 == points.len() {
            b.1 -= 7.0 * down;
        }
        if i % 2 == 1 || (a.0 - b.0).abs() < 0.05 {
            let _ = write!(path, "L{:.1} {:.1}", b.0, b.1);
        } else {
            let middle = f64::midpoint(a.1, b.1);
            let _ = write!(path, "C{:.1} {middle:.1} {:.1} {middle:.1} {:.1} {:.1}", a.0, b.0, b.0, b.1);
        }
    }
    let class = if owed { "owes" } else { "edge" };
    let _ = writeln!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
    if arrow {
        let class = if owed { "tip-owes" } else { "tip" };
        let base = tip.1 - 8.0 * down;
        let _ = writeln!(
            svg,
            "<polygon class=\"{class}\" points=\"{:.1},{:.1} {:.1},{base:.1} {:.1},{base:.1}\"/>",
            tip.0,
            tip.1,
            tip.0 - 4.0,
            tip.0 + 4.0
        );
    }
    if owed {
        let (a, b) = (points[0], points[1]);
        let (x, y) = (f64::midpoint(a.0, b.0), f64::midpoint(a.1, b.1) + 4.0);
        let _ = writeln!(
            svg,
            "<text class=\"word\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">owes</text>"
        );
    }
}

/// Text in XML: what would be markup is written as entities; what XML cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{Boxed, Drawn};
    use super::*;

    fn node(name: &str, inside: Option<usize>) -> Drawn {
        Drawn {
            lines: vec![name.to_owned(), String::from("command")],
            name: String::new(),
            look: Look::Reads,
            inside,
        }
    }

    fn graph(nodes: Vec<Drawn>, edges: Vec<(usize, usize, Option<&'static str>)>) -> Graph {
        Graph {
            title: String::from("t"),
            nodes,
            boxes: Vec::new(),
            edges,
        }
    }

    /// Every tag that is opened is closed, and nothing but our own tags is there.
    fn well_formed(svg: &str) {
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').unwrap();
            assert!(!text.contains('>'), "{text}");
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            assert!(
                ["svg", "title", "style", "rect", "text", "g", "path", "polygon"].contains(&name),
                "{name}"
            );
            assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert_eq!(open, Vec::<&str>::new());
        assert!(!svg.chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn hostile_names_stay_text() {
        let hostile = "</text><script>alert('x')</script>&lt;\u{1b}[2J\u{0}\u{202e}\"]]>";
        let mut graph = graph(vec![node(hostile, Some(0)), node(hostile, None)], vec![(0, 1, None)]);
        graph.boxes.push(Boxed {
            title: hostile.to_owned(),
            inside: None,
            apart: false,
        });
        graph.title = hostile.to_owned();
        graph.nodes[1].look = Look::Asks;
        let svg = draw(&graph);
        well_formed(&svg);
        assert!(
            !svg.contains("<script") && !svg.contains('\u{202e}') && svg.contains("&lt;/text&gt;&lt;script&gt;"),
            "{svg}"
        );
    }

    #[test]
    fn boxes_hold_their_nodes_and_stand_apart() {
        let nodes = vec![
            node("before", None),
            node("one", Some(0)),
            node("two", Some(0)),
            node("after", None),
            node("page", Some(1)),
        ];
        let mut graph = graph(
            nodes,
            vec![(0, 1, None), (1, 2, None), (1, 2, Some("owes")), (2, 3, None), (0, 3, None)],
        );
        graph.boxes.push(Boxed {
            title: String::from("loop"),
            inside: None,
            apart: false,
        });
        graph.boxes.push(Boxed {
            title: String::from("if it fails"),
            inside: None,
            apart: true,
        });
        let drawing = arrange(&graph, &graph.members(), &edges(&graph), None);
        let inside = |n: usize, b: usize| {
            let (_, x, y, w, h) = *drawing.nodes.iter().find(|d| d.0 == n).unwrap();
            let (_, bx, by, bw, bh) = *drawing.boxes.iter().find(|d| d.0 == b).unwrap();
            x >= bx && y >= by && x + w <= bx + bw && y + h <= by + bh
        };
        assert!(inside(1, 0) && inside(2, 0) && inside(4, 1));
        assert!(![0, 3, 4].iter().any(|n| inside(*n, 0)));
        assert_eq!(drawing.edges.iter().filter(|e| e.1).count(), 1);
        well_formed(&draw(&graph));
        assert!(draw(&graph).contains("prefers-color-scheme:dark") && draw(&graph).contains(">owes<"));
    }

    /// Each of a thousand after each of a thousand: lines meet in a point, so that the picture grows with the nodes.
    #[test]
    fn a_large_plan_is_drawn_in_proportion() {
        let nodes = (0..2000).map(|n| node(&format!("step_{n}"), None)).collect();
        let edges = (0..1000).flat_map(|a| (1000..2000).map(move |b| (a, b, None))).collect();
        let svg = draw(&graph(nodes, edges));
        assert_eq!(svg.matches("<path").count(), 2000);
        let nodes = (0..2000).map(|n| node(&format!("step_{n}"), None)).collect();
        let edges = (1..2000)
            .flat_map(|n| [(n - 1, n, None), (n / 2, n, None), (0, n, Some("owes"))])
            .collect();
        let svg = draw(&graph(nodes, edges));
        assert!(svg.len() < 10_000_000, "{}", svg.len());
    }
}
