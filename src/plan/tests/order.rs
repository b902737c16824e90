//! Which node waits for which: the step above, `needs`, turns, batches, windows and pauses.

use super::{HEAD, names, node, offline, planned};
use crate::model::plan::{Forecast, Plan};

fn needs<'p>(plan: &'p Plan, id: &str) -> Vec<&'p str> {
    node(plan, id).needs.iter().map(|n| n.as_str()).collect()
}

fn looped(pace: &str) -> Plan {
    offline(&format!(
        "steps:\n  - id: roll\n    for_each: {{ as: web, hosts: all_web, {pace} }}\n    steps:\n      - {{ id: a, facts: [memory] }}\n      \
         - {{ id: b, facts: [memory] }}\n  - {{ id: last, hosts: web-01, facts: [memory] }}\n"
    ))
}

/// For each turn, the turns that it waits for.
fn waits(plan: &Plan) -> Vec<Vec<usize>> {
    let turn = |id: &str| id.split("[web-0").nth(1).and_then(|t| t[..1].parse().ok()).unwrap();
    let of = |n: usize| {
        let mut found: Vec<usize> = needs(plan, &format!("roll[web-0{n}].a")).into_iter().map(turn).collect();
        found.dedup();
        found
    };
    (1..=5).map(of).collect()
}

#[test]
fn steps_wait_for_the_one_above_unless_they_say_otherwise() {
    let plan = offline(
        "hosts: webservers\nsteps:\n  - { id: one, facts: [memory] }\n  - { id: two, facts: [memory] }\n  \
         - { id: apart, needs: [], facts: [memory] }\n  - { id: both, needs: [one, apart], facts: [memory] }\n",
    );
    assert_eq!(needs(&plan, "one@web-01"), Vec::<&str>::new());
    assert_eq!(needs(&plan, "two@web-02"), ["one"]);
    assert_eq!(needs(&plan, "apart@web-01"), Vec::<&str>::new());
    assert_eq!(needs(&plan, "both@web-01"), ["apart", "one"]);
    assert_eq!(names(node(&plan, "two@web-02").touches()), ["web-02"]);
}

#[test]
fn turns_go_one_by_one_by_default_and_what_follows_waits_for_all() {
    let plan = looped("max_parallel: 1");
    assert_eq!(waits(&plan), [vec![], vec![1], vec![2], vec![3], vec![4]]);
    assert_eq!(needs(&plan, "roll[web-02].b"), ["roll[web-02].a"]);
    assert_eq!(needs(&plan, "last@web-01").len(), 10);
    assert_eq!(waits(&looped("max_unavailable: 1")), waits(&plan));
}

#[test]
fn a_window_slides_and_batches_do_not() {
    assert_eq!(waits(&looped("max_parallel: 2")), [vec![], vec![], vec![1], vec![2], vec![3]]);
    assert_eq!(waits(&looped("max_parallel: 9")), vec![Vec::<usize>::new(); 5]);
    assert_eq!(
        waits(&looped("max_unavailable: 2")),
        [vec![], vec![], vec![1, 2], vec![1, 2], vec![3, 4]]
    );
    assert_eq!(
        waits(&looped("max_unavailable: [1, 3]")),
        [vec![], vec![1], vec![1], vec![1], vec![2, 3, 4]]
    );
    assert_eq!(waits(&looped("max_unavailable: 40%")), waits(&looped("max_unavailable: 2")));
    assert_eq!(waits(&looped("max_unavailable: 1%")), waits(&looped("max_unavailable: 1")));
}

#[test]
fn a_pause_stands_between_batches_only() {
    let plan = looped("max_unavailable: 2, pause: 30s");
    let paused: Vec<&str> = plan.nodes.iter().filter(|n| n.pause.is_some()).map(|n| n.id.as_str()).collect();
    assert_eq!(paused, ["roll[web-03].a", "roll[web-04].a", "roll[web-05].a"]);
}

#[test]
fn what_runs_after_a_failure_waits_for_nothing_of_the_work() {
    let plan = offline(
        "hosts: web-01\nsteps:\n  - { id: one, facts: [memory] }\nverify:\n  - { name: fine, facts: [memory], that: result.memory.available_percent > 1 }\n\
         on_failure:\n  - { id: sorry, facts: [memory] }\nfinally:\n  - { id: bye, facts: [memory] }\n",
    );
    assert_eq!(needs(&plan, "sorry@web-01"), Vec::<&str>::new());
    assert_eq!(needs(&plan, "bye@web-01"), Vec::<&str>::new());
    assert_eq!(needs(&plan, "verify.1@web-01"), ["one"]);
}

#[test]
fn a_debt_is_linked_in_its_own_turn() {
    let plan = offline(
        "steps:\n  - id: roll\n    for_each: { as: web, hosts: webservers, max_unavailable: 1 }\n    steps:\n      - id: out\n        \
         pool.member: { pool: web, member: \"{{web.name}}\", state: drain }\n        owes: back\n      - id: back\n        \
         pool.member: { pool: web, member: \"{{web.name}}\", state: ready }\n",
    );
    for host in ["web-01", "web-02"] {
        let out = node(&plan, &format!("roll[{host}].out"));
        assert_eq!(out.owes, Some(format!("roll[{host}].back").into()));
        assert_eq!(out.pool_effects[0].member.as_str(), host);
    }
}

#[test]
fn a_batch_may_be_a_parameter() {
    let text = |default: &str| {
        format!(
            "{HEAD}params:\n  batch: {{ type: count_or_percent, default: {default} }}\nsteps:\n  - id: roll\n    for_each: {{ as: web, hosts: all_web, max_unavailable: [1, \"{{{{params.batch}}}}\"] }}\n    steps:\n      \
             - {{ id: a, facts: [memory] }}\n      - {{ id: b, facts: [memory] }}\n"
        )
    };
    let planned = |default: &str, given: &[(&str, &str)]| waits(&planned(&text(default), given, true).unwrap());
    assert_eq!(planned("2", &[]), [vec![], vec![1], vec![1], vec![2, 3], vec![2, 3]]);
    assert_eq!(planned("2", &[("batch", "80%")]), [vec![], vec![1], vec![1], vec![1], vec![1]]);
}

#[test]
fn a_loop_under_a_false_condition_is_skipped_as_a_whole() {
    let plan = offline(
        "steps:\n  - id: roll\n    when: 1 == 2\n    for_each: { as: web, hosts: webservers }\n    steps:\n      - { id: a, facts: [memory] }\n  - id: each\n    when: 1 == 2\n    \
         for_each: { as: n, items: '[1, 2]' }\n    steps:\n      - { id: b, hosts: web-01, facts: [memory] }\n",
    );
    let skipped = |id: &str| matches!(&node(&plan, id).forecast, Forecast::Skipped { why } if why.contains("1 == 2"));
    assert!(skipped("roll[web-01].a") && skipped("roll[web-02].a"));
    assert_eq!(
        (plan.nodes.len(), plan.empty_loops.len()),
        (2, 1),
        "what the items are read from may not be there"
    );
}

#[test]
fn whether_something_that_may_fail_does_is_known_at_run_time() {
    let steps = |when: &str| {
        format!(
            "hosts: webservers\nsteps:\n  - {{ id: try, allow_failure: true, facts: [memory] }}\n  - {{ id: firm, allow_failure: 1 == 2, facts: [memory] }}\n  \
             - id: roll\n    for_each: {{ as: web, hosts: webservers, max_failures: 1 }}\n    steps:\n      - {{ id: a, facts: [memory] }}\n  \
             - {{ id: then, hosts: web-01, when: \"{when}\", facts: [memory] }}\n"
        )
    };
    for (when, skipped) in [
        ("steps.try.failed", false),
        ("!steps.try.ok", false),
        ("steps.try.skipped", true),
        ("steps.firm.failed", true),
        ("steps.firm.ok", false),
        ("steps.roll.all.exists(t, t.failed)", false),
        ("steps.roll.all.size() == 2", false),
    ] {
        let plan = offline(&steps(when));
        let forecast = &node(&plan, "then@web-01").forecast;
        let as_expected = matches!(forecast, Forecast::Skipped { .. }) == skipped;
        assert!(as_expected, "{when}: {forecast:?}");
    }
}
