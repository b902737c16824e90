//! The order of nodes against the plain transitive closure of all of them, and how it grows.

use super::capacity::made;
use super::worlds::Dice;
use crate::model::plan::Node;
use crate::plan::graph::{Reach, between};

/// Which node needs which one, over any number of others.
fn closure(needs: &[Vec<usize>]) -> Vec<Vec<bool>> {
    let (all, mut before) = (needs.len(), Vec::<Vec<bool>>::new());
    for own in needs {
        let needs = |k: usize| own.iter().any(|n| *n == k || before.get(*n).is_some_and(|b| b[k]));
        let row = (0..all).map(needs).collect();
        before.push(row);
    }
    before
}

fn nodes(needs: &[Vec<usize>]) -> Vec<Node> {
    let of = |(i, needs): (usize, &Vec<usize>)| {
        let needs: Vec<String> = needs.iter().map(|n| format!("n{n}")).collect();
        made(&format!("n{i}"), &needs, Vec::new())
    };
    needs.iter().enumerate().map(of).collect()
}

fn random(dice: &mut Dice) -> Vec<Vec<usize>> {
    let (count, sparse) = (1 + dice.below(90), 1 + dice.below(30));
    (0..count).map(|i| (0..i).filter(|_| dice.one_in(sparse)).collect()).collect()
}

#[test]
fn the_order_of_some_nodes_is_that_in_the_closure_of_all() {
    let dice = &mut Dice(11);
    for _ in 0..300 {
        // Steps on one host, or on several: who needs such a step needs it on all of them.
        let (steps, hosts) = (random(dice), 1 + dice.below(3));
        let nodes: Vec<Node> = nodes(&steps)
            .iter()
            .flat_map(|n| (0..hosts).map(|h| n.on(format!("h{h}").into())))
            .collect();
        let all = |step: &usize| step * hosts..(step + 1) * hosts;
        let needs: Vec<Vec<usize>> = (0..nodes.len()).map(|n| steps[n / hosts].iter().flat_map(all).collect()).collect();
        let closure = closure(&needs);
        let few = 1 + dice.below(3);
        let wanted: Vec<usize> = (0..needs.len()).filter(|_| dice.one_in(few)).collect();
        let mut reach = Reach::among(&nodes, &wanted);
        assert_eq!(reach.count(), wanted.len());
        let agrees = |reach: &Reach, closure: &[Vec<bool>]| {
            let pairs = wanted
                .iter()
                .enumerate()
                .flat_map(|(a, x)| wanted.iter().enumerate().map(move |(b, y)| (a, b, *x, *y)));
            pairs.into_iter().all(|(a, b, x, y)| reach.precedes(a, b) == closure[y][x])
        };
        assert!(agrees(&reach, &closure), "{needs:?} {wanted:?}");
        let (first, last) = (dice.below(needs.len()), dice.below(needs.len()));
        let expected: Vec<usize> = (0..needs.len()).filter(|i| closure[*i][first] && closure[last][*i]).collect();
        assert_eq!(between(&nodes, first, last), expected, "{needs:?} {first} {last}");
        // One order more, and one node more.
        if wanted.len() > 1 {
            let (a, b) = (dice.below(wanted.len() - 1), wanted.len() - 1);
            let mut more = needs.clone();
            more[wanted[b]].push(wanted[a]);
            reach.demand(a, b);
            assert!(agrees(&reach, &self::closure(&more)), "{needs:?} {wanted:?}");
            let new = reach.add();
            reach.demand(new, a);
            let follows = |i: usize| i == a || reach.precedes(a, i);
            assert!((0..new).all(|i| reach.precedes(new, i) == follows(i) && !reach.precedes(i, new)));
        }
    }
}

/// So many steps on each of ten hosts, each step after the whole one before it; every hundredth node is asked for, up to so many.
fn words(steps: usize, asked_for: usize) -> usize {
    let needs: Vec<Vec<usize>> = (0..steps * 10)
        .map(|i| {
            if i < 10 {
                Vec::new()
            } else {
                (i / 10 * 10 - 10..i / 10 * 10).collect()
            }
        })
        .collect();
    let wanted: Vec<usize> = (0..asked_for).map(|w| w * 10).collect();
    Reach::among(&nodes(&needs), &wanted).most_words()
}

#[test]
fn the_order_grows_with_what_is_asked_for_and_not_with_the_plan() {
    let small = words(100, 64);
    assert_eq!(words(1000, 64), small);
    assert_eq!(words(1000, 640), 640 * 10 + (small - 64) * 10);
    assert!(small < 64 + 30, "{small}");
}
