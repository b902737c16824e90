//! Structure and names: what is said about mistakes, and where.

use super::{compiled, file, one_mistake, right, wrong};

const STEPS: &str = "steps:\n  - id: one\n    hosts: web-01\n    facts: [memory]\n";

#[test]
fn unknown_keys_name_the_nearest() {
    one_mistake(
        &format!("dedline: 3m\n{STEPS}"),
        &[
            "RB0020 4:1",
            "unknown key `dedline` in a runbook",
            "did you mean `deadline`",
            "-> deadline",
        ],
    );
    one_mistake(
        &STEPS.replace("hosts", "host"),
        &["RB0020 6:5", "unknown key `host` in a step", "`hosts`"],
    );
    one_mistake(
        &format!("params:\n  x: {{ type: int, defalt: 3 }}\n{STEPS}"),
        &["RB0020 5:19", "`defalt` in a parameter", "`default`"],
    );
    one_mistake(
        &format!("require:\n  - id: x\n    name: It is there\n    facts: [cpu]\n    hosts: a\n    that: result.cpu.count > 1\n{STEPS}"),
        &["RB0020 5:5", "unknown key `id` in a check"],
    );
}

#[test]
fn a_text_cut_apart_by_a_comma_is_one_mistake() {
    let rest = "steps:\n  - id: a\n    pool.status: { pool: web }\n  - id: l\n    for_each: { as: m, items: steps.a.members.filter(m, m.up) }\n    steps:\n      - { id: x, pool.status: { pool: web } }\n";
    one_mistake(rest, &["RB0011 8:57", "`m.up)` is cut off from `items`"]);
}

#[test]
fn an_unknown_action_leaves_no_echo() {
    one_mistake(
        "steps:\n  - { id: a, pool.stats: { pool: web }, that: result.serving > 1 }\n  - { id: b, when: steps.a.serving > 1, pool.status: { pool: web } }\n",
        &["RB0106 5:14"],
    );
}

#[test]
fn wrong_shapes_say_expected_and_found() {
    one_mistake("steps: none\n", &["RB0022 4:8", "expected a list", "found `none`"]);
    one_mistake(
        &format!("deadline: soon\n{STEPS}"),
        &["RB0023 4:11", "expected a duration such as `90s`", "found `soon`"],
    );
    one_mistake(
        &format!("deadline: \"{{{{params.x}}}}\"\n{STEPS}"),
        &["RB0022", "no placeholder is possible here"],
    );
    one_mistake(
        &format!("{STEPS}    allow_empty: yes\n"),
        &["RB0022", "expected `true` or `false`, found `yes`"],
    );
    one_mistake(
        &format!("{STEPS}    hosts_: 1\n").replace("    hosts_: 1\n", "    retry: { attempts: 0 }\n"),
        &["RB0023", "at least 1, found `0`"],
    );
    one_mistake(
        &format!("notify: {{ to: ops, events: [sucess] }}\n{STEPS}"),
        &["RB0023 4:29", "did you mean `success`"],
    );
    one_mistake("steps: []\n", &["RB0021", "at least one step"]);
}

#[test]
fn what_is_missing_is_named() {
    let (_, problems) = compiled(None, "runbook: t\nlanguage: 1\nsteps:\n  - hosts: a\n    facts: [cpu]\n");
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[0].contains("RB0021 1:1 a runbook needs `description`"), "{}", problems[0]);
    assert!(problems[1].contains("RB0021 4:5 a step needs `id`"), "{}", problems[1]);
}

#[test]
fn names_are_checked() {
    let (_, problems) = compiled(Some("other"), &file(STEPS));
    assert_eq!(
        problems,
        ["RB0103 1:10 the runbook is called `t`, its file `other.yaml` | -> other"]
    );
    one_mistake(&STEPS.replace("one", "One"), &["RB0101 5:9", "`One` cannot be the id of a step"]);
    one_mistake(
        &format!("{STEPS}  - id: one\n    hosts: web-01\n    facts: [cpu]\n"),
        &["RB0104 8:9", "two steps have the id `one`"],
    );
    let (_, problems) = compiled(None, &file(STEPS).replace("language: 1", "language: 2"));
    assert!(problems.len() == 1 && problems[0].starts_with("RB0115 2:11"), "{problems:?}");
}

#[test]
fn unknown_needs_and_cycles_are_reported_with_names() {
    let unknown = "hosts: a\nsteps:\n  - { id: cordon, facts: [cpu] }\n  - { id: drain, needs: [cordn], facts: [cpu] }\n";
    one_mistake(
        unknown,
        &[
            "RB0102 7:26",
            "step `drain` needs unknown step `cordn`",
            "did you mean `cordon`",
            "-> cordon",
        ],
    );
    let cycle = "hosts: a\nsteps:\n  - { id: a, needs: [c], facts: [cpu] }\n  - { id: b, facts: [cpu] }\n  - { id: c, facts: [cpu] }\n";
    one_mistake(
        cycle,
        &["RB0105 6:22", "steps wait for each other: `a` needs `c` needs `b` needs `a`"],
    );
    one_mistake(
        "hosts: a\nsteps:\n  - { id: a, needs: [a], facts: [cpu] }\n",
        &["RB0105", "`a` needs `a`"],
    );
    let elsewhere = "steps:\n  - id: l\n    for_each: { as: web, hosts: webs }\n    steps:\n      - { id: inner, facts: [cpu] }\n  - { id: outer, hosts: a, needs: [inner], facts: [cpu] }\n";
    one_mistake(elsewhere, &["RB0102", "stands in another list", "wait for the step around it: `l`"]);
}

#[test]
fn a_step_does_exactly_one_known_thing() {
    one_mistake(
        &STEPS.replace("facts: [memory]", "factz: [memory]"),
        &["RB0106 7:5", "unknown action `factz`", "did you mean `facts`"],
    );
    one_mistake("steps:\n  - id: a\n    hosts: b\n", &["RB0110", "a step needs something to do"]);
    one_mistake(
        "steps:\n  - id: a\n    hosts: b\n    facts: [cpu]\n    service: { name: x, state: started }\n",
        &["RB0110 7:5", "exactly one thing, this one has `facts`, `service`"],
    );
    one_mistake(
        "steps:\n  - id: a\n    hosts: b\n    facts: [cpu]\n    wen: true\n",
        &["RB0020 8:5", "did you mean `when`"],
    );
    one_mistake("steps:\n  - id: a\n    wen: true\n", &["RB0020 6:5", "did you mean `when`"]);
    one_mistake(
        "steps:\n  - id: a\n    for_each: { as: web, hosts: webs }\n",
        &["RB0110 6:5", "`for_each` needs `steps`"],
    );
}

#[test]
fn what_this_version_cannot_do_is_refused() {
    one_mistake(
        &format!("invariants: []\n{STEPS}"),
        &["RB0111", "`invariants` in a runbook", "not supported yet"],
    );
    one_mistake(
        "steps:\n  - id: a\n    for_each: { as: web, hosts: webs, undo: all }\n    steps:\n      - { id: x, facts: [cpu] }\n",
        &["RB0111", "`undo: all`"],
    );
}

#[test]
fn arguments_are_checked_against_the_declaration() {
    let step = |arguments: &str| format!("hosts: a\nsteps:\n  - id: s\n    {arguments}\n");
    let cases = [
        (
            "service: { name: app, stat: started }",
            "RB0107 7:27 `service` has no parameter `stat` | did you mean `state`? | -> state",
        ),
        (
            "service: { state: started }",
            "RB0108 7:5 `service` needs parameter `name`: text | for example:\nservice: { name: app, state: restarted }",
        ),
        (
            "service: { name: app, state: startd }",
            "RB0109 7:34 parameter `state` of `service`: expected one of `started`, `stopped`, `restarted`, `reloaded`, found `startd`; did you mean `started`?",
        ),
        (
            "service: app",
            "RB0109 7:14 `service` takes parameters by name: expected a map, found `app`",
        ),
        (
            "service: { name: app, state: started, enabled: \"{{params.on}}\" }",
            "no placeholder is possible here",
        ),
        (
            "service: { name: [a], state: started }",
            "parameter `name` of `service`: expected text, found a list",
        ),
        ("facts: [memry]", "parameter `gather` of `facts`: expected one of"),
        ("file.search: { path: etc/x, text: y }", "expected an absolute path, found `etc/x`"),
        (
            "file.replace: { path: /x, find: a, replace: b, mode: 0644 }",
            "expected a mode in quotes such as `\"0644\"`",
        ),
        ("http: { url: localhost }", "expected an address that begins with `http://`"),
        ("pool.traffic: { pool: web, over: 5 }", "expected a duration such as `90s`"),
        ("file.search: { path: \"x/{{params.on}}\", text: y }", "expected an absolute path"),
    ];
    for (arguments, part) in cases {
        let params = "params:\n  on: { type: bool, default: true }\n";
        one_mistake(&format!("{}{params}", step(arguments)), &[part]);
    }
}

#[test]
fn a_placeholder_must_be_of_the_parameters_kind() {
    let file = |argument: &str| {
        format!(
            "params:\n  size: {{ type: size }}\n  lag: {{ type: duration }}\n  word: {{ type: string }}\n  how: {{ type: choice, choices: [roundrobin, random] }}\n  master: {{ type: host }}\nsteps:\n  - id: s\n    {argument}\n"
        )
    };
    right(&file("pool.traffic: { pool: web, over: \"{{params.lag}}\" }"));
    right(&file(
        "pool.member: { pool: web, member: \"{{params.master.name}}\", state: ready }",
    ));
    for (argument, part) in [
        (
            "pool.traffic: { pool: web, over: \"{{params.size}}\" }",
            "expected a duration such as `30s`, found a size",
        ),
        (
            "pool.balance: { pool: web, algorithm: \"{{params.how}}\" }",
            "found a one of roundrobin|random",
        ),
        ("pool.balance: { pool: web, algorithm: \"{{params.word}}\" }", "found a text"),
    ] {
        one_mistake(&file(argument), &["RB0109", part]);
    }
}

#[test]
fn steps_stand_where_their_action_can_run() {
    one_mistake(
        "steps:\n  - { id: s, facts: [cpu] }\n",
        &["RB0112 5:14", "`facts` runs on hosts, and none are named"],
    );
    one_mistake(
        "steps:\n  - { id: s, hosts: control, facts: [cpu] }\n",
        &["RB0112", "not on the controller"],
    );
    one_mistake(
        "steps:\n  - { id: s, hosts: a, pool.status: { pool: web } }\n",
        &["RB0112", "takes no `hosts`"],
    );
    one_mistake(
        "steps:\n  - { id: s, run_as: root, notify: { to: a, message: b } }\n",
        &["RB0112", "takes no `run_as`"],
    );
    one_mistake(
        "steps:\n  - id: l\n    for_each: { as: m, items: \"['a']\" }\n    steps:\n      - { id: s, hosts: m, facts: [cpu] }\n",
        &["RB0112", "is an item, not a host"],
    );
}

#[test]
fn that_stands_on_probes_and_speaks_of_one_or_all() {
    let on = |keys: &str| format!("hosts: a\nsteps:\n  - id: s\n{keys}");
    one_mistake(
        &on("    service: { name: x, state: started }\n    that: result.enabled\n"),
        &["RB0113 8:11", "`that` stands only on probes"],
    );
    one_mistake(
        &on("    facts: [cpu]\n    that: result.cpu.count > 1 && results.size() > 1\n"),
        &["RB0113", "cannot stand in one condition"],
    );
    one_mistake(&on("    facts: [cpu]\n    within: 1m\n"), &["RB0113", "`within` needs `that`"]);
    one_mistake(
        &on("    facts: [cpu]\n    that: result.cpu.count > 1\n    every: 1s\n"),
        &["RB0113", "`every` needs `within`"],
    );
    one_mistake(
        &on("    facts: [cpu]\n    verify:\n      - name: x\n        command: { argv: [x] }\n        that: result.exit_code == 0\n"),
        &["RB0113", "a check must only read"],
    );
    let all = right(&on("    facts: [cpu]\n    that: results.all(r, r.cpu.count > 1)\n"));
    assert!(all.steps[0].that.as_ref().unwrap().over_all);
}

#[test]
fn declarations_of_parameters_are_checked() {
    let with = |param: &str| format!("params:\n  p: {param}\n{STEPS}");
    for (param, part) in [
        (
            "{ type: strin }",
            "RB0114 5:14 unknown type `strin` of a parameter | did you mean `string`",
        ),
        (
            "{ type: int, default: many }",
            "the default of parameter `p`: expected a whole number, found `many`",
        ),
        ("{ type: choice }", "needs `choices`"),
        (
            "{ type: choice, choices: [a, b], default: c }",
            "expected one of `a`, `b`, found `c`",
        ),
        ("{ type: int, from: webs }", "`from` means nothing for parameter `p`"),
        ("{ type: string, pattern: \"[\" }", "no regular expression"),
        ("{ type: string, pattern: \"[0-9]+\", default: x }", "does not match its pattern"),
        ("{ type: duration, max: 1m, default: 2m }", "outside of `min` and `max`"),
        ("{ type: int, min: 3, max: 2 }", "`max` of parameter `p` is below `min`"),
    ] {
        one_mistake(&with(param), &["RB0114", part]);
    }
    right(&with("{ type: list of int, default: [1, 2], min: 1 }"));
}

#[test]
fn loops_and_triggers_are_checked() {
    let looped = |keys: &str| format!("hosts: a\nsteps:\n  - id: l\n    for_each: {keys}\n    steps:\n      - {{ id: s, facts: [cpu] }}\n");
    for (keys, part) in [
        ("{ as: web, hosts: a, items: \"[1]\" }", "`hosts` and `items` exclude each other"),
        ("{ as: web, hosts: a, max_parallel: 1, max_unavailable: 2 }", "exclude each other"),
        ("{ as: params, hosts: a }", "a loop variable cannot be called `params`"),
        ("{ as: n, items: \"3\" }", "`items` must be a list, found int"),
        (
            "{ as: web, hosts: a, max_unavailable: \"{{run.id}}\" }",
            "expected a count or a percentage",
        ),
    ] {
        one_mistake(&looped(keys), &["RB0116", part]);
    }
    let trigger =
        |keys: &str| format!("params:\n  m: {{ type: host }}\ntriggers:\n  - alertmanager: {{ match: {{ alertname: X }} }}\n{keys}{STEPS}");
    one_mistake(&trigger(""), &["RB0117 7:5", "no value for parameter `m`"]);
    one_mistake(&trigger("    params: { m: web-01, n: x }\n"), &["RB0117", "no parameter `n`"]);
    one_mistake(&trigger("    params: { m: \"{{alert.label.host}}\" }\n"), &["`label`"]);
    one_mistake(&trigger("    params: { m: web-01 }\n    mode: always\n"), &["RB0023", "`always`"]);
    right(&trigger(
        "    params: { m: \"{{alert.labels.host}}\" }\n    mode: auto\n    dedupe: { by: [m], window: 30m }\n",
    ));
}

#[test]
fn keys_that_mean_nothing_are_refused() {
    one_mistake(
        "steps:\n  - id: l\n    timeout: 1m\n    for_each: { as: web, hosts: a }\n    steps:\n      - { id: s, facts: [cpu] }\n",
        &["RB0118", "`timeout` means nothing for a loop"],
    );
}

#[test]
fn a_thousand_steps_compile_in_a_moment() {
    let one = |i: usize| {
        format!(
            "  - {{ id: s{i}, pool.status: {{ pool: web }}, that: steps.s{}.serving <= result.serving }}\n",
            i - 1
        )
    };
    let steps: String = (1..1000).map(one).collect();
    let started = std::time::Instant::now();
    let runbook = right(&format!("steps:\n  - {{ id: s0, pool.status: {{ pool: web }} }}\n{steps}"));
    assert_eq!(runbook.steps.len(), 1000);
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[test]
fn all_mistakes_of_a_file_come_in_order() {
    let problems =
        wrong("dedline: 1m\nsteps:\n  - id: a\n    facts: [cpu]\n  - id: b\n    needs: [c]\n    service: { name: x }\n    hosts: web\n");
    let codes: Vec<&str> = problems.iter().map(|p| p.split(' ').next().unwrap()).collect();
    assert_eq!(codes, ["RB0020", "RB0112", "RB0102", "RB0108"], "{problems:#?}");
}
