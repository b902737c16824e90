//! Random runbooks from a seed; the same seed gives the same runbook.

/// A linear congruential generator: enough for dice, the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        dice.below(2);
        dice
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % n
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Steps as text: probes, edits, commands, drains with their returns, edits that owe a reload, questions, loops, and what comes after.
pub fn runbook(seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let mut text = String::from("deadline: 2h\nsteps:\n");
    let mut ids: Vec<String> = Vec::new();
    let mut free = vec!["web-01", "web-02", "web-03", "web-04"];
    for group in 0..1 + dice.below(4) {
        match dice.below(8) {
            0 if free.len() == 4 => rolling(&mut text, &mut ids, &mut dice, &mut free, group),
            0..=2 if !free.is_empty() => drained(&mut text, &mut ids, &mut dice, &mut free, group),
            3 => {
                let edit = format!("e{group}");
                let options = format!("owes: l{group}");
                step(&mut text, &mut ids, &mut dice, &edit, "db-01", &write(&edit), &options);
                let reload = format!("l{group}");
                after(
                    &mut text,
                    &mut ids,
                    &mut dice,
                    &[edit],
                    &reload,
                    "hosts: db-01",
                    "service: { name: app, state: reloaded }",
                );
            }
            4 if dice.one_in(2) => by_hand(&mut text, &mut ids, &mut dice, group),
            4 => {
                let id = format!("q{group}");
                let quorum = if dice.one_in(2) { ", quorum: 2" } else { "" };
                step(
                    &mut text,
                    &mut ids,
                    &mut dice,
                    &id,
                    "",
                    &format!("approve: {{ ask: Go on?, from: [ops], within: 10m{quorum} }}"),
                    "",
                );
            }
            5 => {
                let (id, back) = (format!("f{group}"), format!("g{group}"));
                let flag = "command: { argv: [flag, up] }";
                step(
                    &mut text,
                    &mut ids,
                    &mut dice,
                    &id,
                    "db-01",
                    flag,
                    &format!("undo: keep\n    owes: {back}"),
                );
                let flag = "command: { argv: [flag, down] }\n    undo: keep";
                after(&mut text, &mut ids, &mut dice, &[id], &back, "hosts: db-01", flag);
            }
            _ => {
                let id = format!("s{group}");
                let (action, options) = plain(&mut dice, &id);
                let hosts = ["db-01", "webservers", "web-01"][dice.below(3)];
                step(&mut text, &mut ids, &mut dice, &id, hosts, &action, options);
            }
        }
    }
    if dice.one_in(2) {
        text.push_str("verify:\n  - { name: fine, hosts: db-01, facts: [memory], that: result.memory.available_percent > 1 }\n");
    }
    if dice.one_in(2) {
        text.push_str("on_failure:\n  - { id: sorry, hosts: db-01, command: { argv: [sorry] }, undo: keep }\n");
        text.push_str("  - { id: sorrier, hosts: db-01, facts: [memory] }\n");
        if dice.one_in(2) {
            text.push_str("  - { id: kick, hosts: webservers, service: { name: app, state: restarted } }\n");
        }
    }
    if dice.one_in(2) {
        text.push_str("finally:\n  - { id: bye, hosts: webservers, file.write: { path: /tmp/bye, content: x } }\n");
        text.push_str("  - { id: gone, hosts: db-01, facts: [memory] }\n");
    }
    if dice.one_in(2) {
        let from = match dice.below(ids.len() + 1) {
            0 => String::new(),
            n => format!(", from: {}", ids[n - 1]),
        };
        text.push_str(&format!(
            "invariants:\n  - {{ name: whole, hosts: db-01, facts: [memory], that: result.memory.available_percent > 1{from} }}\n"
        ));
    }
    text
}

/// A person does something, perhaps later; what comes of it decides about a step.
fn by_hand(text: &mut String, ids: &mut Vec<String>, dice: &mut Dice, group: usize) {
    let (hand, cause, then) = (format!("h{group}"), format!("c{group}"), format!("t{group}"));
    let waits = ["then_escalate_to: [lead, boss]", "within: 3m", "blocking: false, within: 24h"][dice.below(3)];
    let task = format!("manual: {{ ask: Do it, to: ops, {waits} }}\n    allow_failure: true");
    step(text, ids, dice, &hand, "", &task, "");
    let lines = format!("decide: [{{ is: bad, when: steps.{hand}.failed }}, {{ is: good }}]");
    after(text, ids, dice, &[hand], &cause, "", &lines);
    let options = format!("hosts: db-01\n    when: steps.{cause}.is == 'bad'");
    after(text, ids, dice, &[cause], &then, &options, &write(&then));
}

fn write(id: &str) -> String {
    format!("file.write: {{ path: /etc/{id}, content: x }}")
}

fn plain(dice: &mut Dice, id: &str) -> (String, &'static str) {
    let command = || String::from("command: { argv: [x] }\n    pool_effect: none");
    match dice.below(5) {
        0 => (String::from("facts: [memory]"), ""),
        1 => (command(), "undo: none"),
        2 => (command(), "undo: keep"),
        3 => (String::from("service: { name: app, state: restarted }"), ""),
        _ => (write(id), ""),
    }
}

/// Needs a few of the steps before it, or the one above.
fn step(text: &mut String, ids: &mut Vec<String>, dice: &mut Dice, id: &str, hosts: &str, action: &str, options: &str) {
    let chosen: Vec<String> = ids.iter().filter(|_| dice.one_in(3)).cloned().collect();
    let hosts = if hosts.is_empty() {
        String::new()
    } else {
        format!("hosts: {hosts}")
    };
    let needs = (!dice.one_in(3)).then_some(chosen);
    write_step(text, dice, needs, id, &hosts, action, options);
    ids.push(id.to_owned());
}

/// Needs these.
fn after(text: &mut String, ids: &mut Vec<String>, dice: &mut Dice, needs: &[String], id: &str, hosts: &str, action: &str) {
    write_step(text, dice, Some(needs.to_vec()), id, hosts, action, "");
    ids.push(id.to_owned());
}

fn write_step(text: &mut String, dice: &mut Dice, needs: Option<Vec<String>>, id: &str, hosts: &str, action: &str, options: &str) {
    text.push_str(&format!("  - id: {id}\n    {action}\n"));
    let mut line = |words: &str| {
        if !words.is_empty() {
            text.push_str(&format!("    {words}\n"));
        }
    };
    line(hosts);
    line(options);
    if let Some(needs) = needs {
        line(&format!("needs: [{}]", needs.join(", ")));
    }
    let question = ["approve", "manual", "decide"].iter().any(|word| action.starts_with(word));
    if dice.one_in(4) && !question {
        line("retry: { attempts: 3, delay: 10s, backoff: 2 }");
    }
    if dice.one_in(6) && !question {
        line("allow_failure: true");
    }
    // A step that is owed, or owes, is not skipped by itself.
    if dice.one_in(8) && (id.starts_with('s') || id.starts_with('w')) {
        line("when: 1 == 2");
    }
}

fn drained(text: &mut String, ids: &mut Vec<String>, dice: &mut Dice, free: &mut Vec<&'static str>, group: usize) {
    let member = free.remove(dice.below(free.len()));
    let (out, work, back) = (format!("d{group}"), format!("w{group}"), format!("r{group}"));
    let action = |state: &str| format!("pool.member: {{ pool: web, member: {member}, state: {state} }}");
    if dice.one_in(5) {
        step(
            text,
            ids,
            dice,
            &out,
            "",
            &action("drain"),
            "leave: { until: 24h, reason: on purpose }",
        );
        return;
    }
    step(text, ids, dice, &out, "", &action("drain"), &format!("owes: {back}"));
    let inner = match dice.below(3) {
        0 => String::from("service: { name: app, state: restarted }"),
        1 => String::from("command: { argv: [fix] }\n    undo: none"),
        _ => write(&work),
    };
    after(
        text,
        ids,
        dice,
        std::slice::from_ref(&out),
        &work,
        &format!("hosts: {member}"),
        &inner,
    );
    after(text, ids, dice, &[out, work], &back, "", &action("ready"));
}

fn rolling(text: &mut String, ids: &mut Vec<String>, dice: &mut Dice, free: &mut Vec<&'static str>, group: usize) {
    free.clear();
    let pace = [
        "max_unavailable: 1",
        "max_unavailable: 2",
        "max_unavailable: 1, pause: 30s",
        "max_unavailable: [1, 50%]",
        "max_parallel: 3",
    ][dice.below(5)];
    let failures = [
        "",
        ", max_failures: 1",
        ", max_failures: 50%",
        ", max_failures: 2, undo: all",
        ", undo: all",
    ][dice.below(5)];
    let allowed = ["", "        allow_failure: true\n"][usize::from(dice.one_in(4))];
    let retry = if dice.one_in(3) {
        "        retry: { attempts: 2, delay: 5s }\n"
    } else {
        ""
    };
    text.push_str(&format!(
        "  - id: roll{group}\n    for_each: {{ as: web, hosts: webservers, {pace}{failures} }}\n    steps:\n      - id: out{group}\n        \
         pool.member: {{ pool: web, member: \"{{{{web.name}}}}\", state: drain }}\n        owes: in{group}\n      - id: edit{group}\n        \
         file.write: {{ path: /etc/x, content: x }}\n{retry}{allowed}      - id: in{group}\n        \
         pool.member: {{ pool: web, member: \"{{{{web.name}}}}\", state: ready }}\n"
    ));
    ids.push(format!("roll{group}"));
}
