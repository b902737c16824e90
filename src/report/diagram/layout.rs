//! Places for the nodes of a graph: layers from top to bottom, few crossings, no edge over a node.
//!
//! The longest way from the top gives a node its layer; an edge that spans layers passes each through a place of its own; the
//! order in a layer is that of the neighbours' middles; places are as near to them as the neighbours to the left and right allow.
//! Everything is decided by numbers of nodes and edges, so that the same graph always looks the same.

use std::collections::BTreeMap;

/// Between the layers.
const GAP: f64 = 34.0;
/// Between two nodes of a layer.
const APART: f64 = 30.0;
/// Sweeps that order, and that place.
const SWEEPS: usize = 10;
/// An edge over more layers runs beside the picture instead of through it: places in layers cost time and width.
const LONG: usize = 24;
/// Lines beside each other there.
const LANES: usize = 40;

/// Something with a size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub width: f64,
    pub height: f64,
    /// Stands below everything else.
    pub apart: bool,
}

/// Where everything is.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// Left and top of each item.
    pub corners: Vec<(f64, f64)>,
    /// For each edge its points: between the first and the second it may bend, then it is straight, then it may bend again, …
    pub routes: Vec<Vec<(f64, f64)>>,
    pub width: f64,
    pub height: f64,
}

/// Items, and the places where edges pass layers.
struct Net {
    /// Half the width that is kept free.
    half: Vec<f64>,
    layers: Vec<Vec<usize>>,
    layer: Vec<usize>,
    /// Neighbours, and how much they count.
    above: Vec<Vec<(usize, f64)>>,
    below: Vec<Vec<(usize, f64)>>,
    /// Position in its layer.
    rank: Vec<usize>,
    /// Middle.
    x: Vec<f64>,
}

/// How an edge runs: through these places, or in a lane beside everything.
enum Way {
    Through(Vec<usize>),
    Lane(usize),
}

/// An edge; a light one gives way to the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub from: usize,
    pub to: usize,
    pub light: bool,
}

/// Places items and edges.
pub(super) fn place(items: &[Item], edges: &[Edge]) -> Placed {
    let layer = layers(items, edges);
    let mut net = Net::of(items, layer);
    let ways = ways(&mut net, edges);
    net.fill();
    for sweep in 0..SWEEPS {
        net.order(sweep % 2 == 0);
    }
    for sweep in 0..SWEEPS {
        net.shift(sweep % 2 == 0, sweep + 2 > SWEEPS);
        net.straighten(&ways);
    }
    net.centre(items);
    finish(&net, items, edges, &ways)
}

/// The longest way from the top. What lies on a circle is taken in the order given.
fn layers(items: &[Item], edges: &[Edge]) -> Vec<usize> {
    let mut waiting = vec![0usize; items.len()];
    let mut out = vec![Vec::new(); items.len()];
    for edge in edges {
        waiting[edge.to] += 1;
        out[edge.from].push(edge.to);
    }
    let mut layer = vec![0; items.len()];
    let mut done = vec![false; items.len()];
    let mut ready: std::collections::BTreeSet<usize> = (0..items.len()).filter(|i| waiting[*i] == 0).collect();
    let mut next = 0;
    loop {
        let at = match ready.pop_first() {
            Some(at) => at,
            None => match (next..items.len()).find(|i| !done[*i]) {
                Some(stuck) => stuck,
                None => break,
            },
        };
        while next < items.len() && done[next] {
            next += 1;
        }
        done[at] = true;
        for to in &out[at] {
            waiting[*to] = waiting[*to].saturating_sub(1);
            if !done[*to] {
                layer[*to] = layer[*to].max(layer[at] + 1);
                if waiting[*to] == 0 {
                    ready.insert(*to);
                }
            }
        }
    }
    let mut last = (0..items.len())
        .filter(|i| !items[*i].apart)
        .map(|i| layer[i] + 1)
        .max()
        .unwrap_or(0);
    for i in (0..items.len()).filter(|i| items[*i].apart) {
        layer[i] = last;
        last += 1;
    }
    layer
}

/// Adds the places that edges pass.
fn ways(net: &mut Net, edges: &[Edge]) -> Vec<Way> {
    let mut lanes: Vec<usize> = Vec::new();
    let mut ways = Vec::new();
    for edge in edges {
        let (top, bottom) = net.downwards(edge);
        let (first, last) = (net.layer[top], net.layer[bottom]);
        if last - first > LONG {
            let free = lanes.iter().position(|end| *end <= first).unwrap_or(lanes.len());
            let lane = if free < LANES { free } else { edge.from % LANES };
            if lane == lanes.len() {
                lanes.push(last);
            }
            lanes[lane] = lanes[lane].max(last);
            ways.push(Way::Lane(lane));
            continue;
        }
        let mut through = vec![top];
        for layer in first + 1..last {
            through.push(net.add(APART / 4.0, layer));
        }
        through.push(bottom);
        for pair in through.windows(2).filter(|p| p[0] != p[1]) {
            let weight = if edge.light { 0.05 } else { 1.0 };
            net.below[pair[0]].push((pair[1], weight));
            net.above[pair[1]].push((pair[0], weight));
        }
        ways.push(Way::Through(through));
    }
    ways
}

impl Net {
    fn of(items: &[Item], layer: Vec<usize>) -> Net {
        Net {
            half: items.iter().map(|i| (i.width + APART) / 2.0).collect(),
            layers: Vec::new(),
            above: vec![Vec::new(); layer.len()],
            below: vec![Vec::new(); layer.len()],
            rank: Vec::new(),
            x: Vec::new(),
            layer,
        }
    }

    /// The upper and the lower end of an edge.
    fn downwards(&self, edge: &Edge) -> (usize, usize) {
        if self.layer[edge.from] <= self.layer[edge.to] {
            (edge.from, edge.to)
        } else {
            (edge.to, edge.from)
        }
    }

    fn add(&mut self, half: f64, layer: usize) -> usize {
        self.half.push(half);
        self.layer.push(layer);
        self.above.push(Vec::new());
        self.below.push(Vec::new());
        self.half.len() - 1
    }

    /// First places: side by side in the order given.
    fn fill(&mut self) {
        let count = self.layer.iter().max().map_or(0, |l| l + 1);
        self.layers = vec![Vec::new(); count];
        for (i, layer) in self.layer.iter().enumerate() {
            self.layers[*layer].push(i);
        }
        self.rank = vec![0; self.layer.len()];
        self.x = vec![0.0; self.layer.len()];
        for layer in &self.layers {
            let mut left = 0.0;
            for (rank, i) in layer.iter().enumerate() {
                self.rank[*i] = rank;
                self.x[*i] = left + self.half[*i];
                left += 2.0 * self.half[*i];
            }
        }
    }

    /// Orders each layer by the middles of the neighbours above (or below).
    fn order(&mut self, downwards: bool) {
        let count = self.layers.len();
        for step in 0..count {
            let at = if downwards { step } else { count - 1 - step };
            let near = if downwards { &self.above } else { &self.below };
            let middle = |i: usize| match near[i].as_slice() {
                [] => self.rank[i] as f64,
                some => some.iter().map(|(n, _)| self.rank[*n] as f64).sum::<f64>() / some.len() as f64,
            };
            let mut sorted: Vec<(f64, usize)> = self.layers[at].iter().map(|i| (middle(*i), *i)).collect();
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (rank, (_, i)) in sorted.iter().enumerate() {
                self.rank[*i] = rank;
                self.layers[at][rank] = *i;
            }
        }
    }

    /// Moves each layer's nodes towards the middles of their neighbours, without changing the order.
    fn shift(&mut self, downwards: bool, both: bool) {
        let count = self.layers.len();
        for step in 0..count {
            let at = if downwards { step } else { count - 1 - step };
            let wanted: Vec<(f64, f64)> = self.layers[at].iter().map(|i| self.wanted(*i, downwards, both)).collect();
            let free: Vec<f64> = self.layers[at].iter().map(|i| self.half[*i]).collect();
            for (i, x) in self.layers[at].iter().zip(nearest_places(&wanted, &free)) {
                self.x[*i] = x;
            }
        }
    }

    /// Where a node would like to be, and how much.
    fn wanted(&self, i: usize, downwards: bool, both: bool) -> (f64, f64) {
        let none = &Vec::new();
        let above = if downwards || both { &self.above[i] } else { none };
        let below = if !downwards || both { &self.below[i] } else { none };
        let weight: f64 = above.iter().chain(below).map(|(_, weight)| weight).sum();
        if weight == 0.0 {
            return (self.x[i], 0.01);
        }
        let sum: f64 = above.iter().chain(below).map(|(n, weight)| self.x[*n] * weight).sum();
        (sum / weight, weight)
    }

    /// Makes the places of an edge stand below each other as far as the layers allow.
    fn straighten(&mut self, ways: &[Way]) {
        let mut wanted: Vec<Option<f64>> = vec![None; self.x.len()];
        for way in ways {
            let Way::Through(places) = way else { continue };
            let [_, inner @ .., _] = places.as_slice() else { continue };
            let mut middle: Vec<f64> = inner.iter().map(|p| self.x[*p]).collect();
            middle.sort_by(f64::total_cmp);
            inner.iter().for_each(|p| wanted[*p] = Some(middle[middle.len() / 2]));
        }
        for layer in &self.layers {
            let like = |i: &usize| wanted[*i].map_or((self.x[*i], 8.0), |x| (x, 1.0));
            let places: Vec<(f64, f64)> = layer.iter().map(like).collect();
            let free: Vec<f64> = layer.iter().map(|i| self.half[*i]).collect();
            for (i, x) in layer.iter().zip(nearest_places(&places, &free)) {
                self.x[*i] = x;
            }
        }
    }

    /// What stands apart stands below the middle.
    fn centre(&mut self, items: &[Item]) {
        let others = || (0..self.x.len()).filter(|i| items.get(*i).is_none_or(|item| !item.apart));
        let left = others().map(|i| self.x[i] - self.half[i]).fold(f64::INFINITY, f64::min);
        let right = others().map(|i| self.x[i] + self.half[i]).fold(f64::NEG_INFINITY, f64::max);
        let middle = if left < right { f64::midpoint(left, right) } else { 0.0 };
        for (x, _) in self.x.iter_mut().zip(items).filter(|(_, item)| item.apart) {
            *x = middle;
        }
    }
}

/// Places in order, with `free` kept to both sides of each, that are nearest to the wanted ones by weighted squares:
/// neighbours that would overlap are moved as one.
fn nearest_places(wanted: &[(f64, f64)], free: &[f64]) -> Vec<f64> {
    let mut offsets = Vec::with_capacity(wanted.len());
    let mut offset = 0.0;
    for (i, half) in free.iter().enumerate() {
        offset += if i == 0 { 0.0 } else { free[i - 1] + half };
        offsets.push(offset);
    }
    // mean, weight, how many
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for ((x, weight), offset) in wanted.iter().zip(&offsets) {
        blocks.push((x - offset, *weight, 1));
        while let [.., before, last] = blocks.as_slice() {
            if before.0 <= last.0 {
                break;
            }
            let weight = before.1 + last.1;
            let joined = ((before.0 * before.1 + last.0 * last.1) / weight, weight, before.2 + last.2);
            blocks.truncate(blocks.len() - 2);
            blocks.push(joined);
        }
    }
    let means = blocks.iter().flat_map(|(mean, _, count)| std::iter::repeat_n(*mean, *count));
    means.zip(&offsets).map(|(mean, offset)| mean + offset).collect()
}

/// Corners, heights and routes from the middles.
fn finish(net: &Net, items: &[Item], edges: &[Edge], ways: &[Way]) -> Placed {
    let left = (0..net.x.len()).map(|i| net.x[i] - net.half[i]).fold(f64::INFINITY, f64::min);
    let left = if left.is_finite() { left - APART / 2.0 + APART } else { 0.0 };
    let x = |i: usize| net.x[i] - left;
    let right = (0..net.x.len()).map(|i| x(i) + net.half[i]).fold(0.0, f64::max) - APART / 2.0;
    let mut tops = Vec::new();
    let mut bottom = 0.0;
    for (n, layer) in net.layers.iter().enumerate() {
        let widest = layer
            .iter()
            .flat_map(|i| net.above[*i].iter().map(|(a, _)| (net.x[*i] - net.x[*a]).abs()));
        let steep = widest.fold(0.0, f64::max) * 0.03;
        let top = if n == 0 { 0.0 } else { bottom + GAP + f64::min(steep, 60.0) };
        let height = layer.iter().filter_map(|i| items.get(*i)).map(|i| i.height).fold(0.0, f64::max);
        tops.push((top, top + height));
        bottom = top + height;
    }
    let corners: Vec<(f64, f64)> = items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            let (top, bottom) = tops[net.layer[i]];
            (x(i) - item.width / 2.0, top + (bottom - top - item.height) / 2.0)
        })
        .collect();
    let lanes = ways
        .iter()
        .filter_map(|w| if let Way::Lane(n) = w { Some(n + 1) } else { None })
        .max()
        .unwrap_or(0);
    let lane_x = |lane: usize| right + APART * (1.0 + lane as f64 * 0.4);
    let mut routes: Vec<Vec<(f64, f64)>> = Vec::new();
    for (way, edge) in ways.iter().zip(edges) {
        let (top, bottom) = net.downwards(edge);
        let (first, last) = (net.layer[top], net.layer[bottom]);
        let mut points = vec![(x(top), corners[top].1 + items[top].height)];
        match way {
            Way::Through(places) => {
                for place in &places[1..places.len() - 1] {
                    let (top, bottom) = tops[net.layer[*place]];
                    points.extend([(x(*place), top), (x(*place), bottom)]);
                }
            }
            Way::Lane(lane) => points.extend([(lane_x(*lane), tops[first + 1].0), (lane_x(*lane), tops[last - 1].1)]),
        }
        points.push((x(bottom), corners[bottom].1));
        if top != edge.from {
            points.reverse();
        }
        routes.push(points);
    }
    spread(&mut routes, items, edges, &corners);
    Placed {
        corners,
        routes,
        width: if lanes > 0 { lane_x(lanes) } else { right },
        height: bottom,
    }
}

/// Edges of one side of an item start and end beside each other, in the order of where they lead.
fn spread(routes: &mut [Vec<(f64, f64)>], items: &[Item], edges: &[Edge], corners: &[(f64, f64)]) {
    // item and side: routes, their end there, and where they lead
    let mut sides: BTreeMap<(usize, bool), Vec<(f64, usize, usize)>> = BTreeMap::new();
    for (n, (edge, route)) in edges.iter().zip(routes.iter()).enumerate() {
        let end = route.len() - 1;
        let down = route[0].1 <= route[end].1;
        sides.entry((edge.from, down)).or_default().push((route[1].0, n, 0));
        sides.entry((edge.to, !down)).or_default().push((route[end - 1].0, n, end));
    }
    for ((item, _), mut ends) in sides {
        ends.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let step = f64::min(items[item].width / (ends.len() + 1) as f64, 28.0);
        let first = corners[item].0 + items[item].width / 2.0 - step * (ends.len() - 1) as f64 / 2.0;
        for (n, (_, route, end)) in ends.into_iter().enumerate() {
            routes[route][end].0 = first + step * n as f64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(width: f64) -> Item {
        Item {
            width,
            height: 40.0,
            apart: false,
        }
    }

    fn lines(edges: &[(usize, usize)]) -> Vec<Edge> {
        let line = |(n, (from, to)): (usize, &(usize, usize))| Edge {
            from: *from,
            to: *to,
            light: n % 5 == 4,
        };
        edges.iter().enumerate().map(line).collect()
    }

    /// Items of a layer do not overlap, edges lead down and pass no item.
    fn sound(items: &[Item], edges: &[(usize, usize)]) -> Placed {
        let placed = place(items, &lines(edges));
        let boxes: Vec<_> = placed
            .corners
            .iter()
            .zip(items)
            .map(|((x, y), i)| (*x, *y, x + i.width, y + i.height))
            .collect();
        for (i, a) in boxes.iter().enumerate() {
            assert!(
                a.0 >= -0.01 && a.1 >= 0.0 && a.2 <= placed.width + 0.01 && a.3 <= placed.height + 0.01,
                "{a:?} outside"
            );
            for b in &boxes[i + 1..] {
                assert!(
                    a.2 <= b.0 + 0.01 || b.2 <= a.0 + 0.01 || a.3 <= b.1 || b.3 <= a.1,
                    "{a:?} over {b:?}"
                );
            }
        }
        for (route, (from, to)) in placed.routes.iter().zip(edges) {
            assert!(route.len().is_multiple_of(2));
            // where it is straight it stands beside every item
            for straight in route[1..route.len() - 1].chunks(2) {
                let [(x, top), (_, bottom)] = straight else { continue };
                let hit = boxes
                    .iter()
                    .find(|b| b.0 + 0.01 < *x && *x < b.2 - 0.01 && b.1 < *bottom && *top < b.3);
                assert_eq!(hit, None, "edge {from} to {to}");
            }
        }
        placed
    }

    #[test]
    fn a_diamond_with_a_long_edge() {
        let items = [item(100.0), item(60.0), item(200.0), item(100.0)];
        let placed = sound(&items, &[(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)]);
        let middle = |i: usize| placed.corners[i].0 + items[i].width / 2.0;
        assert!(placed.corners[1].1 == placed.corners[2].1 && placed.corners[3].1 > placed.corners[1].1);
        assert!((middle(0) - middle(3)).abs() < 30.0, "{} {}", middle(0), middle(3));
        assert_eq!(placed.routes[4].len(), 4);
    }

    #[test]
    fn circles_and_loners_and_nothing() {
        sound(&[], &[]);
        sound(&[item(10.0), item(20.0), item(30.0)], &[(0, 1), (1, 2), (2, 0)]);
        let mut last = item(50.0);
        last.apart = true;
        let placed = sound(&[last, item(10.0), item(20.0)], &[(1, 2)]);
        assert!(placed.corners[0].1 > placed.corners[2].1);
    }

    /// A tape of numbers stands for chance.
    #[test]
    fn random_graphs_are_sound_and_always_the_same() {
        let mut seed = 7u64;
        let mut below = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((seed >> 33) % n).unwrap_or(0)
        };
        for _ in 0..60 {
            let count = 2 + below(60);
            let items: Vec<Item> = (0..count).map(|_| item(30.0 + below(200) as f64)).collect();
            let edges: Vec<(usize, usize)> = (0..below(120))
                .map(|_| (below(count as u64), below(count as u64)))
                .filter(|(a, b)| a < b)
                .collect();
            let placed = sound(&items, &edges);
            assert_eq!(placed.corners, place(&items, &lines(&edges)).corners);
        }
    }
}
