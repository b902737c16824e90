//! What can be read where, and the edges that reading makes.

use super::{needs, one_mistake, right, step};

#[test]
fn reading_a_result_waits_for_it() {
    let runbook = right(
        "hosts: control\nsteps:\n  - { id: a, http: { url: \"http://x/\" } }\n  - { id: b, needs: [], http: { url: \"http://y/\" } }\n  - { id: c, needs: [b], when: steps.a.status == 200, http: { url: \"http://z/{{steps.b.status}}\" } }\n",
    );
    assert_eq!(needs(step(&runbook, "b")), Vec::<&str>::new());
    assert_eq!(needs(step(&runbook, "c")), ["a", "b"]);
}

#[test]
fn reading_inside_a_loop_makes_the_loop_wait() {
    let runbook = right(
        "steps:\n  - { id: a, pool.status: { pool: web } }\n  - { id: b, needs: [], pool.status: { pool: web } }\n  - id: l\n    needs: [b]\n    for_each: { as: n, items: \"[1]\" }\n    steps:\n      - { id: s, when: steps.a.serving > n, pool.status: { pool: web } }\n",
    );
    assert_eq!(needs(step(&runbook, "l")), ["a", "b"]);
    assert_eq!(needs(step(&runbook, "s")), Vec::<&str>::new());
}

#[test]
fn what_is_not_done_cannot_be_read() {
    let later = "steps:\n  - { id: a, when: steps.b.serving > 0, pool.status: { pool: web } }\n  - { id: b, pool.status: { pool: web } }\n";
    one_mistake(later, &["RB0208 5:20", "`steps.b` is not done yet when `a` starts"]);
    let own = "steps:\n  - { id: a, when: steps.a.ok, pool.status: { pool: web } }\n";
    one_mistake(own, &["`steps.a` is this step itself"]);
    let require =
        "require:\n  - { name: x, pool.status: { pool: web }, that: steps.a.ok }\nsteps:\n  - { id: a, pool.status: { pool: web } }\n";
    one_mistake(require, &["`steps.a` is not done yet: this comes before all steps"]);
    let unknown = "steps:\n  - { id: before, pool.status: { pool: web } }\n  - { id: b, when: steps.befor.serving > 0, pool.status: { pool: web } }\n";
    one_mistake(unknown, &["RB0203", "`befor`", "-> before"]);
}

#[test]
fn a_result_that_may_be_missing_needs_a_guard() {
    let file = |when: &str| {
        format!(
            "params:\n  x: {{ type: bool }}\nsteps:\n  - {{ id: a, when: params.x, pool.status: {{ pool: web }} }}\n  - {{ id: b, when: {when}, pool.status: {{ pool: web }} }}\n"
        )
    };
    one_mistake(
        &file("steps.a.serving > 0"),
        &["RB0208", "`steps.a` may be skipped (it has `when`)"],
    );
    right(&file("steps.a.ok && steps.a.serving > 0"));
    right(&file("steps.a.skipped"));
    right(
        "params:\n  x: { type: bool }\nsteps:\n  - { id: a, when: params.x, pool.status: { pool: web } }\n  - { id: b, when: params.x, notify: { to: c, message: \"{{steps.a.serving}}\" } }\n",
    );
}

#[test]
fn what_may_have_failed_may_be_missing() {
    let file = |rest: &str| {
        format!(
            "params:\n  x: {{ type: bool }}\n  y: {{ type: bool }}\nsteps:\n  - {{ id: a, allow_failure: true, pool.status: {{ pool: web }} }}\n  - {{ id: b, {rest} }}\n"
        )
    };
    let look = "pool.status: { pool: web }";
    one_mistake(
        &file(&format!("when: steps.a.serving > 0, {look}")),
        &[
            "RB0208",
            "`steps.a` may have failed (it has `allow_failure`)",
            "{{default steps.a.FIELD 'none'}}",
        ],
    );
    for when in [
        "steps.a.ok && steps.a.serving > 0",
        "\"!steps.a.failed && steps.a.serving > 0\"",
        "steps.a.failed",
        "steps.a.skipped || steps.a.changed",
    ] {
        right(&file(&format!("when: {when}, {look}")));
    }
    right(&file("when: steps.a.ok, notify: { to: c, message: \"{{steps.a.serving}}\" }"));
    right(&file("notify: { to: c, message: \"{{default steps.a.algorithm 'unknown'}}\" }"));
    right(&file("when: steps.a.serving > 0, pool.status: { pool: web }").replace("allow_failure: true", "allow_failure: false"));
}

#[test]
fn a_condition_that_asks_for_more_covers_one_that_asks_for_less() {
    let file = |a: &str, b: &str| {
        format!(
            "params:\n  x: {{ type: bool }}\n  y: {{ type: int, default: 1 }}\nsteps:\n  - {{ id: a, when: {a}, pool.status: {{ pool: web }} }}\n  - {{ id: b, when: {b}, notify: {{ to: c, message: \"{{{{steps.a.serving}}}}\" }} }}\n"
        )
    };
    right(&file("params.x", "params.y > 0 && params.x"));
    right(&file("params.x && params.y > 0", "params.y > 0 && (params.x && params.y < 9)"));
    for (a, b) in [
        ("params.x", "params.x || params.y > 0"),
        ("params.x && params.y > 0", "params.x"),
        ("params.x || params.y > 0", "params.x && params.y > 0"),
    ] {
        one_mistake(&file(a, b), &["RB0208", "`steps.a` may be skipped"]);
    }
    let inside = "params:\n  x: { type: bool }\nsteps:\n  - { id: a, when: params.x, pool.status: { pool: web } }\n  - id: l\n    when: params.x\n    for_each: { as: m, items: steps.a.members }\n    steps:\n      - { id: s, notify: { to: c, message: \"{{steps.a.serving}}\" } }\n";
    right(inside);
}

#[test]
fn of_several_hosts_it_can_be_asked_how_they_ended() {
    let file = |options: &str, when: &str| {
        format!(
            "steps:\n  - {{ id: a, hosts: webservers, {options}facts: [cpu] }}\n  - {{ id: b, hosts: x, when: \"{when}\", facts: [cpu] }}\n"
        )
    };
    for when in [
        "steps.a.ok",
        "steps.a.failed",
        "steps.a.skipped || steps.a.changed",
        "steps.a.hosts['web-01'].ok",
    ] {
        right(&file("allow_failure: true, ", when));
    }
    one_mistake(&file("", "steps.a.attempts > 1"), &["RB0208", "`steps.a` runs on several hosts"]);
    one_mistake(
        &file("allow_failure: true, ", "steps.a.hosts['web-01'].cpu.count > 1"),
        &["RB0208", "`steps.a.hosts` may have failed"],
    );
    right(&file(
        "allow_failure: true, ",
        "steps.a.ok && steps.a.hosts['web-01'].cpu.count > 1",
    ));
}

#[test]
fn on_the_same_hosts_each_reads_its_own_result() {
    let file = |hosts: &str, rest: &str| {
        format!("hosts: webservers\nsteps:\n  - {{ id: a, hosts: webservers, facts: [cpu] }}\n  - {{ id: b, {hosts}{rest} }}\n")
    };
    right(&file("hosts: webservers, ", "when: steps.a.cpu.count > 1, facts: [cpu]"));
    right(&file(
        "hosts: webservers, ",
        "when: \"steps.a.all.exists(r, r.cpu.count > 1)\", facts: [cpu]",
    ));
    one_mistake(
        &file("hosts: lbs, ", "when: steps.a.cpu.count > 1, facts: [cpu]"),
        &["RB0208", "`steps.a` runs on several hosts"],
    );
    one_mistake(
        &file(
            "hosts: webservers, ",
            "facts: [cpu], that: \"results.exists(r, r.cpu.count > steps.a.cpu.count)\"",
        ),
        &["RB0208", "`steps.a` runs on several hosts"],
    );
}

/// The loop of a runbook that looks for forgotten drains.
#[test]
fn a_loop_over_what_a_probe_found_asks_only_for_what_answers() {
    right(
        "params:\n  pool: { type: pool, default: web }\nsteps:\n  - { id: pool, pool.status: { pool: \"{{params.pool}}\" } }\n  - id: each_out\n    for_each:\n      as: out\n      items: steps.pool.members.filter(s, s.state != 'ready')\n    steps:\n      - { id: who, hosts: control, command: { argv: [who], read_only: true }, allow_failure: true }\n      - { id: healthy, hosts: control, allow_failure: true, http: { url: \"http://{{out.name}}/health\" }, that: result.status == 200 }\n      - { id: ask, when: steps.healthy.ok, approve: { ask: \"{{out.name}} is {{out.state}} (set by {{default steps.who.stdout 'unknown'}}). Put it back?\", from: [ops] } }\n      - { id: put_back, when: steps.healthy.ok, pool.member: { pool: \"{{params.pool}}\", member: \"{{out.name}}\", state: ready } }\n      - { id: sick, when: \"!steps.healthy.ok\", escalate: { to: ops, message: \"{{out.name}} does not answer.\" } }\n",
    );
}

#[test]
fn several_hosts_have_several_results() {
    let file = |hosts: &str, path: &str| {
        format!(
            "params:\n  m: {{ type: host }}\nsteps:\n  - {{ id: a, hosts: \"{hosts}\", facts: [cpu] }}\n  - {{ id: b, hosts: x, when: \"{path} > 1\", facts: [cpu] }}\n"
        )
    };
    one_mistake(
        &file("webservers", "steps.a.cpu.count"),
        &[
            "RB0208",
            "`steps.a` runs on several hosts",
            "steps.a.hosts['web-01'].FIELD",
            "steps.a.all",
        ],
    );
    right(&file("webservers", "steps.a.hosts['web-01'].cpu.count"));
    right(&file("webservers", "steps.a.all.filter(r, r.cpu.count > 2).size()"));
    right(&file("{{params.m.name}}", "steps.a.cpu.count"));
}

#[test]
fn a_loop_reads_from_outside_as_the_list_of_its_turns() {
    let file = |when: &str| {
        format!(
            "steps:\n  - id: l\n    for_each: {{ as: web, hosts: webs }}\n    steps:\n      - {{ id: s, facts: [cpu] }}\n      - {{ id: t, when: steps.s.cpu.count > 1, facts: [cpu] }}\n  - {{ id: b, hosts: x, when: \"{when}\", facts: [cpu] }}\n"
        )
    };
    one_mistake(
        &file("steps.s.cpu.count > 1"),
        &["`steps.s` stands inside the loop `l`", "steps.l.all"],
    );
    right(&file("steps.l.all.exists(t, t.key == 'web-01' && t.changed)"));
    one_mistake(&file("steps.l.ok"), &["`steps.l` has no field `ok`"]);
}

#[test]
fn failures_are_known_in_on_failure_only() {
    let tell = "notify: { to: a, message: \"{{run.failure.summary}}\" }";
    right(&format!(
        "steps:\n  - {{ id: a, pool.status: {{ pool: web }} }}\non_failure:\n  - id: tell\n    {tell}\n"
    ));
    one_mistake(
        &format!("steps:\n  - id: tell\n    {tell}\n"),
        &["RB0208", "`run.failure` is known only in `on_failure`"],
    );
    let reads = "steps:\n  - { id: a, pool.status: { pool: web } }\non_failure:\n  - { id: tell, notify: { to: a, message: \"{{steps.a.serving}}\" } }\n";
    one_mistake(reads, &["`steps.a` may not have run when `on_failure` starts"]);
}

#[test]
fn a_script_quotes_and_a_message_may_have_blocks() {
    one_mistake(
        "hosts: a\nparams:\n  x: { type: string }\nsteps:\n  - id: s\n    shell: { script: \"rm \\\"/srv/{{params.x}}\\\"\" }\n    undo: none\n",
        &["RB03"],
    );
    right("params:\n  x: { type: bool }\nsteps:\n  - id: s\n    notify: { to: a, message: \"{{#if params.x}}yes{{/if}}\" }\n");
}
