//! The proof about pools: the cases that matter, the rule, and minimums in percent.

use crate::model::action::{Arguments, Class, Undo};
use crate::model::plan::EffectKind::{self, Disturbs, Returns, Takes};
use crate::model::plan::{Forecast, Node, NodeEffect, Refusal, Section, Shared};
use crate::plan::capacity::{MemberNow, PoolNow, allowed, refusals};

fn node(id: &str, needs: &[&str], effects: &[(&str, EffectKind)]) -> Node {
    let needs: Vec<String> = needs.iter().map(|n| (*n).to_owned()).collect();
    let effect = |(m, kind): &(&str, EffectKind)| NodeEffect {
        pool: "web".into(),
        member: (*m).into(),
        kind: *kind,
        perhaps: Vec::new(),
    };
    made(id, &needs, effects.iter().map(effect).collect())
}

/// A node of which only this matters.
pub(super) fn made(id: &str, needs: &[String], pool_effects: Vec<NodeEffect>) -> Node {
    let shared = Shared {
        row: id.into(),
        step: id.into(),
        section: Section::Steps,
        turns: Vec::new(),
        call: None,
        bindings: Default::default(),
        reaches: Vec::new(),
        needs: needs.iter().map(|n| n.as_str().into()).collect(),
        name: id.to_owned(),
        action: String::from("pool.member"),
        arguments: Arguments::default(),
        pause: None,
        class: Class::Reversible,
        forecast: Forecast::WillChange { summary: String::new() },
        diff: None,
        notes: Vec::new(),
        undo: Undo::Nothing,
        owes: None,
        pool_effects,
        after: Vec::new(),
    };
    Node::new(None, shared)
}

/// A member, known or not.
pub(super) fn member(host: &str, known: bool, enabled: bool, serving: bool) -> MemberNow {
    MemberNow {
        host: host.into(),
        known,
        owned: false,
        enabled,
        serving,
        detail: String::from("maint"),
    }
}

fn pool(minimum: usize, members: &[(&str, bool, bool)]) -> PoolNow {
    PoolNow {
        pool: "web".into(),
        minimum,
        members: members
            .iter()
            .map(|(host, enabled, serving)| member(host, true, *enabled, *serving))
            .collect(),
    }
}

#[test]
fn the_naive_order_is_refused_whether_the_master_is_up_or_down() {
    let naive = [
        node("drain", &[], &[("web-01", Takes)]),
        node("restart", &["drain"], &[("web-01", Disturbs)]),
        node("ready", &["restart"], &[("web-01", Returns)]),
    ];
    for master_up in [true, false] {
        let now = pool(1, &[("web-01", true, master_up), ("web-02", false, false)]);
        let refused = refusals(&naive, &[now]);
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(
            refused[0]
                .instead
                .as_ref()
                .is_some_and(|text| text.starts_with("return web-02 first")),
            "{refused:?}"
        );
    }
    let whole = pool(1, &[("web-01", true, true), ("web-02", true, true)]);
    assert_eq!(refusals(&naive, &[whole]), Vec::new());
}

#[test]
fn the_cure_passes() {
    let cure = [
        node("return_other", &[], &[("web-02", Returns)]),
        node("drain", &["return_other"], &[("web-01", Takes)]),
        node("restart", &["drain"], &[("web-01", Disturbs)]),
        node("ready", &["restart"], &[("web-01", Returns)]),
    ];
    for master_up in [true, false] {
        let now = pool(1, &[("web-01", true, master_up), ("web-02", false, false)]);
        assert_eq!(refusals(&cure, &[now]), Vec::new());
    }
}

#[test]
fn branches_that_may_overlap_count_together() {
    let both = |second_needs: &[&str]| {
        [
            node("drain1", &[], &[("web-01", Takes)]),
            node("ready1", &["drain1"], &[("web-01", Returns)]),
            node("drain2", second_needs, &[("web-02", Takes)]),
            node("ready2", &["drain2"], &[("web-02", Returns)]),
        ]
    };
    let now = pool(1, &[("web-01", true, true), ("web-02", true, true)]);
    assert_eq!(refusals(&both(&[]), std::slice::from_ref(&now)).len(), 2);
    assert_eq!(refusals(&both(&["ready1"]), &[now]), Vec::new());
}

#[test]
fn several_restarts_at_once_are_refused() {
    let restarts = [node("a", &[], &[("web-01", Disturbs)]), node("b", &[], &[("web-02", Disturbs)])];
    let now = pool(1, &[("web-01", true, true), ("web-02", true, true)]);
    assert_eq!(refusals(&restarts, &[now]).len(), 2);
}

#[test]
fn a_sick_member_may_be_drained_while_enough_are_enabled() {
    let drain = [node("drain", &[], &[("web-01", Takes)])];
    assert_eq!(
        refusals(&drain, &[pool(1, &[("web-01", true, false), ("web-02", true, false)])]),
        Vec::new()
    );
    // The only one that serves is not taken, however many are enabled.
    assert_eq!(
        refusals(&drain, &[pool(1, &[("web-01", true, true), ("web-02", true, false)])]).len(),
        1
    );
}

#[test]
fn the_rule_says_what_its_prose_says() {
    // "Below the minimum a step is allowed only if it lowers neither count, or leaves *enabled* at or above the minimum."
    // The minimum is two. Others serving, others enabled, what is taken now (S serves, E is enabled but down, O is out), allowed.
    let table = [
        // At the minimum or above it afterwards: whatever it is.
        (2, 2, 'S', true),
        (2, 2, 'E', true),
        (2, 3, 'S', true),
        // It lowers neither count: whatever the others are.
        (0, 0, 'O', true),
        (1, 1, 'O', true),
        (1, 2, 'O', true),
        // It lowers only *enabled*, and leaves it at the minimum: the repair of one that is down.
        (1, 2, 'E', true),
        (0, 2, 'E', true),
        (0, 3, 'E', true),
        // It lowers *enabled* below the minimum: draining a master that is down while the other one is out.
        (1, 1, 'E', false),
        (0, 1, 'E', false),
        (0, 0, 'E', false),
        // It lowers both.
        (1, 1, 'S', false),
        (0, 0, 'S', false),
        // "Only if" is not "if": one that serves is not taken below the minimum, however many are enabled, or the last one that answers
        // could go.
        (1, 2, 'S', false),
        (0, 3, 'S', false),
    ];
    for (serving, enabled, taken, expected) in table {
        let may = allowed(2, serving, enabled, taken == 'S', taken != 'O');
        assert_eq!(may, expected, "{serving} serving, {enabled} enabled, {taken}");
        // The prose is a necessary condition in every case.
        let (neither, keeps) = (taken == 'O', enabled >= 2);
        assert!(!may || neither || keeps);
        // The proof and the run ask the same rule: a pool just so.
        let mut members = vec![member("x", true, taken != 'O', taken == 'S')];
        members.extend((0..enabled).map(|i| member(&format!("m{i}"), true, true, i < serving)));
        members.extend((enabled..3).map(|i| member(&format!("m{i}"), true, false, false)));
        let pool = PoolNow {
            pool: "web".into(),
            minimum: 2,
            members,
        };
        let refused = refusals(&[node("take", &[], &[("x", Takes)])], &[pool]);
        assert_eq!(
            refused.is_empty(),
            expected,
            "{serving} serving, {enabled} enabled, {taken}: {refused:?}"
        );
    }
}

#[test]
fn a_minimum_in_percent_is_one_of_members_and_rounded_up() {
    let minimum = |share: &str, members: usize| {
        let text = format!(
            "hosts:\n  lb: {{ address: 192.0.2.1 }}\n{}groups: {{ lbs: {{ hosts: [lb] }}, webs: {{ hosts: ['w*'] }} }}\n\
             pools:\n  web: {{ kind: haproxy, balancers: lbs, members: webs, min_in_service: {share} }}\n",
            (0..members)
                .map(|i| format!("  w{i}: {{ address: 192.0.2.{} }}\n", i + 10))
                .collect::<String>()
        );
        let mut sources = crate::diagnostic::Sources::new();
        let id = sources.add("hosts.yaml", text.as_str());
        let (found, mistakes) = crate::inventory::parse(&sources, &[(id, String::from("/"))]);
        found.unwrap_or_else(|| panic!("{text}\n{mistakes:#?}")).pools["web"].minimum()
    };
    let table = [
        ("0%", 3, 0),
        ("1%", 3, 1),
        ("33%", 3, 1),
        ("34%", 3, 2),
        ("50%", 3, 2),
        ("67%", 3, 3),
        ("99%", 3, 3),
        ("100%", 3, 3),
        ("50%", 4, 2),
        ("1%", 100, 1),
        ("7%", 100, 7),
        ("29%", 100, 29),
        ("55%", 100, 55),
        ("2", 3, 2),
    ];
    for (share, members, expected) in table {
        assert_eq!(minimum(share, members), expected, "{share} of {members}");
    }
    // Every whole percentage of up to a hundred members, without the help of floating numbers.
    for members in [1, 3, 7, 25, 50, 100] {
        for percent in 0..=100 {
            assert_eq!(
                minimum(&format!("{percent}%"), members),
                (members * percent).div_ceil(100),
                "{percent}% of {members}"
            );
        }
    }
}

#[test]
fn what_nobody_knows_is_out_for_others_and_in_for_itself() {
    let known = |known| PoolNow {
        pool: "web".into(),
        minimum: 1,
        members: vec![member("web-01", true, true, true), member("web-02", known, false, false)],
    };
    // Out where another one is taken.
    assert_eq!(refusals(&[node("take", &[], &[("web-01", Takes)])], &[known(false)]).len(), 1);
    // In where it is taken itself, with the other one taken before.
    let both = [
        node("one", &[], &[("web-02", Takes)]),
        node("two", &["one"], &[("web-01", Disturbs)]),
    ];
    let refused = |pool| refusals(&both, &[pool]).into_iter().map(|r| r.node.unwrap().0).collect::<Vec<_>>();
    assert_eq!(refused(known(false)), ["two"]);
    let alone = |known| PoolNow {
        members: vec![member("web-01", true, false, false), member("web-02", known, false, false)],
        ..self::pool(1, &[])
    };
    let take = [node("take", &[], &[("web-02", Takes)])];
    assert_eq!(refusals(&take, &[alone(false)]).len(), 1);
    assert_eq!(refusals(&take, &[alone(true)]), Vec::new());
}

#[test]
fn a_counterexample_tells_the_order_and_several_returns_are_one_advice() {
    let nodes = [
        node("take1", &[], &[("web-01", Takes)]),
        node("take2", &["take1"], &[("web-02", Takes)]),
        node("back1", &["take1"], &[("web-01", Returns)]),
    ];
    let members = [
        ("web-01", true, true),
        ("web-02", true, true),
        ("web-03", false, false),
        ("web-04", false, false),
    ];
    let refused = refusals(&nodes, &[pool(2, &members)]);
    assert_eq!(refused.len(), 2, "{refused:#?}");
    assert_eq!(
        refused[1].counterexample,
        [
            "now: pool `web` has 2 of 4 in service, 2 enabled, minimum 2",
            "web-01 is out: taken by `take1`, and not surely returned before",
            "web-03 is out: maint",
            "web-04 is out: maint",
            "in this order: `take1`, `take2`",
            "after `take2`: 0 of 4 in service, 0 enabled",
        ]
    );
    let advice = |refusal: &Refusal| refusal.instead.clone().unwrap_or_default();
    assert!(advice(&refused[0]).starts_with("return web-03 first: put"), "{refused:#?}");
    assert_eq!(
        advice(&refused[1]),
        "return web-03 and web-04 first: put `pool.member: { pool: web, member: web-03, state: ready }` and `pool.member: { pool: web, \
         member: web-04, state: ready }` before `take2`"
    );
    // What another run has taken is not ours to return; then an order is all there is, and here none helps.
    let mut owned = pool(2, &members);
    owned.members.iter_mut().for_each(|m| m.owned = !m.enabled);
    assert!(refusals(&nodes, &[owned]).iter().all(|r| r.instead.is_none()));
}

#[test]
fn another_order_is_advice_where_it_is_enough() {
    let nodes = [
        node("drain1", &[], &[("web-01", Takes)]),
        node("ready1", &["drain1"], &[("web-01", Returns)]),
        node("drain2", &[], &[("web-02", Takes)]),
        node("ready2", &["drain2"], &[("web-02", Returns)]),
    ];
    let refused = refusals(&nodes, &[pool(1, &[("web-01", true, true), ("web-02", true, true)])]);
    let advice: Vec<&str> = refused.iter().filter_map(|r| r.instead.as_deref()).collect();
    assert_eq!(
        advice,
        [
            "start `drain1` only after `ready2` has ended",
            "start `drain2` only after `ready1` has ended"
        ]
    );
}

/// A loop over so many hosts, so many at once: each is drained, restarted and returned.
fn rolling(hosts: usize, at_once: usize, minimum: usize) -> Vec<Refusal> {
    let mut nodes = Vec::new();
    for i in 0..hosts {
        let host = format!("h{i}");
        let after = i.checked_sub(at_once).map(|before| format!("ready{before}"));
        let after: Vec<&str> = after.as_deref().into_iter().collect();
        nodes.push(node(&format!("drain{i}"), &after, &[(&host, Takes)]));
        nodes.push(node(&format!("restart{i}"), &[&format!("drain{i}")], &[(&host, Disturbs)]));
        nodes.push(node(&format!("ready{i}"), &[&format!("restart{i}")], &[(&host, Returns)]));
    }
    let names: Vec<String> = (0..hosts).map(|i| format!("h{i}")).collect();
    let members: Vec<(&str, bool, bool)> = names.iter().map(|h| (h.as_str(), true, true)).collect();
    refusals(&nodes, &[pool(minimum, &members)])
}

#[test]
fn a_rolling_loop_is_proved_exactly_and_refused_in_few_words() {
    assert_eq!(rolling(1000, 10, 990), Vec::new());
    assert_eq!(rolling(60, 10, 50), Vec::new());
    let refused = rolling(60, 10, 51);
    // So many say enough.
    assert_eq!(refused.len(), 20);
    assert!(refused.iter().all(|r| r.counterexample.len() <= 15), "{refused:#?}");
    let last = refused[0].counterexample.last().map(String::as_str);
    assert_eq!(last, Some("after `drain0`: 50 of 60 in service, 50 enabled"));
}
