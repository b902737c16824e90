//! Random runbooks for random fleets, as the texts that people would write; the same seed gives the same texts.

use std::fmt::Write as _;

/// A linear congruential generator: enough for dice, the same everywhere.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        dice.below(2);
        dice
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// What a life needs.
pub struct Texts {
    pub runbook: String,
    pub tests: String,
}

pub const WEB: [&str; 3] = ["web-01", "web-02", "web-03"];
const PATHS: [&str; 3] = ["/etc/a", "/etc/b", "/etc/c"];
const CONTENTS: [&str; 5] = ["x", "wrong", "right", "wrong\\ny", "x\\nx"];
const ALGORITHMS: [&str; 4] = ["roundrobin", "leastconn", "source", "first"];

/// A runbook and the fleet that it finds.
pub fn texts(seed: u64) -> Texts {
    let mut writer = Writer {
        dice: Dice::new(seed),
        text: String::from("runbook: generated\nlanguage: 1\ndescription: Made by dice.\ndeadline: 10h\n"),
        indent: String::from("  "),
        looping: false,
        // Most runbooks are lists; in the others some steps do not wait for the one above.
        loose: seed.is_multiple_of(4),
        ids: Vec::new(),
        conditions: Vec::new(),
        answers: Vec::new(),
        number: 0,
    };
    let tests = fleet(&mut writer.dice);
    if writer.dice.one_in(8) {
        writer.text.push_str("require:\n");
        writer.check();
    }
    writer.text.push_str("steps:\n");
    for _ in 0..2 + writer.dice.below(7) {
        writer.group();
    }
    if writer.dice.one_in(3) {
        writer.text.push_str("verify:\n");
        writer.check();
    }
    if writer.dice.one_in(4) {
        writer.text.push_str("finally:\n");
        writer.ids.clear();
        writer.conditions.clear();
        writer.plain();
    }
    let answers = match writer.answers.as_slice() {
        [] => String::new(),
        some => format!("    answers: {{ {} }}\n", some.join(", ")),
    };
    Texts {
        runbook: writer.text,
        tests: format!("{tests}cases:\n  - name: generated\n{answers}    expect: {{}}\n"),
    }
}

/// A fleet as a test file has it.
fn fleet(dice: &mut Dice) -> String {
    let mut text = String::from(
        r#"tests: generated
fleet:
  inventory:
    hosts:
      lb-01: { address: 192.0.2.10 }
      db-01: { address: 192.0.2.20 }
      web-01: { address: 192.0.2.11 }
      web-02: { address: 192.0.2.12 }
      web-03: { address: 192.0.2.13 }
    groups:
      webservers: { hosts: ["web-[01:03]"], vars: { http_port: 80 } }
      lbservers: { hosts: [lb-01] }
    pools:
      web: { kind: haproxy, balancers: lbservers, members: webservers, min_in_service: 0, health: "http://{{address}}:{{vars.http_port}}/health" }
  state:
    hosts:
"#,
    );
    for host in ["lb-01", "db-01"].into_iter().chain(WEB) {
        let _ = writeln!(text, "      {host}:");
        let state = host_state(dice, host);
        for line in state.lines() {
            let _ = writeln!(text, "        {line}");
        }
    }
    let _ = writeln!(
        text,
        "    pools:\n      web:\n        algorithm: {}\n        members:",
        dice.of(&ALGORITHMS)
    );
    for host in WEB {
        let state = dice.of(&["ready", "ready", "ready", "drain", "maint", "absent"]);
        let weight = dice.of(&["", "", ", weight: 5"]);
        let _ = writeln!(text, "          {host}: {{ state: {state}{weight} }}");
    }
    text
}

fn host_state(dice: &mut Dice, host: &str) -> String {
    let mut text = String::from("files:\n");
    for path in PATHS {
        let content = dice.of(&CONTENTS);
        let _ = match dice.below(8) {
            0 => writeln!(text, "  {path}: {{ absent: true }}"),
            1 | 2 => writeln!(text, "  {path}: {{ content: \"{content}\\n\", mode: \"0600\" }}"),
            _ => writeln!(text, "  {path}: \"{content}\\n\""),
        };
    }
    let word = |dice: &mut Dice| dice.of(&["started", "started", "started", "stopped", "failed"]);
    let after = dice.of(&[
        "",
        ", after_start: { http: { /health: 200 }, memory: { total: 2GiB, available: 80% } }",
        ", after_start: { files: { /etc/c: \"started\\n\" } }",
    ]);
    let reload = dice.of(&["", ", after_reload: { http: { /health: 503 } }"]);
    let start = dice.of(&["works", "works", "works", "works", "works", "fails"]);
    let (state, enabled) = (word(dice), dice.one_in(2));
    let _ = writeln!(
        text,
        "services:\n  app: {{ state: {state}, enabled: {enabled}, start: {start}{after}{reload} }}"
    );
    let _ = writeln!(text, "  cache: {{ state: {}, enabled: {} }}", word(dice), dice.one_in(2));
    let _ = writeln!(text, "http: {{ /health: {} }}", dice.of(&[200, 200, 200, 500]));
    let _ = writeln!(text, "memory: {{ total: 2GiB, available: {}% }}", dice.of(&[5, 40, 80]));
    let _ = writeln!(text, "commands:");
    let pools = match host {
        "lb-01" => ", pools: { web: { members: { web-01: maint } } }",
        _ => "",
    };
    let changes = [
        ("rb-make-b", "files: { /etc/b: \"made\\n\" }", ""),
        ("rb-drop-b", "files: { /etc/b: { absent: true } }", ""),
        (
            "rb-bump",
            "commands: [{ run: rb-show, stdout: v2 }], memory: { total: 2GiB, available: 50% }",
            pools,
        ),
        ("rb-stop-it", "services: { app: stopped }, http: { /health: 503 }", ""),
    ];
    for (name, then, more) in changes {
        let _ = writeln!(text, "  - {{ run: {name}, then: {{ hosts: {{ {host}: {{ {then} }} }}{more} }} }}");
    }
    let _ = writeln!(text, "  - {{ run: rb-show, stdout: v1 }}");
    text
}

struct Writer {
    dice: Dice,
    text: String,
    indent: String,
    /// In a `for_each` over hosts: actions run on the turn's host.
    looping: bool,
    loose: bool,
    /// Steps of the list that is being written.
    ids: Vec<String>,
    /// Conditions on steps that surely ran.
    conditions: Vec<String>,
    answers: Vec<String>,
    number: usize,
}

impl Writer {
    fn id(&mut self) -> String {
        self.number += 1;
        format!("s{}", self.number)
    }

    fn hosts(&mut self) -> String {
        if self.looping {
            return String::new();
        }
        let hosts = self.dice.of(&["web-01", "web-01", "web-02", "db-01", "lb-01", "webservers"]);
        format!("hosts: {hosts}")
    }

    fn step(&mut self, id: &str, lines: &[String]) {
        let indent = self.indent.clone();
        let _ = writeln!(self.text, "{indent}- id: {id}");
        for line in lines.iter().filter(|l| !l.is_empty()) {
            let _ = writeln!(self.text, "{indent}  {line}");
        }
        if self.loose && !self.ids.is_empty() && self.dice.one_in(3) {
            let chosen: Vec<String> = self.ids.iter().filter(|_| self.dice.one_in(3)).cloned().collect();
            let _ = writeln!(self.text, "{indent}  needs: [{}]", chosen.join(", "));
        }
        self.ids.push(id.to_owned());
    }

    fn when(&mut self) -> String {
        if self.conditions.is_empty() || !self.dice.one_in(3) {
            return String::new();
        }
        let condition = self.conditions[self.dice.below(self.conditions.len())].clone();
        let not = if self.dice.one_in(3) { "!" } else { "" };
        format!("when: \"{not}({condition})\"")
    }

    /// What others may ask of a step.
    fn learn(&mut self, conditions: &[String]) {
        if !self.looping {
            self.conditions.extend_from_slice(conditions);
        }
    }

    fn group(&mut self) {
        match self.dice.below(12) {
            0 | 1 => self.probe(),
            2 => self.drained(),
            3 => self.rolling(),
            4 => self.by_items(),
            5 => self.decided(),
            6 => self.pool(),
            7 if self.dice.one_in(2) => self.asked(),
            _ => self.plain(),
        }
    }

    /// Something that must be so.
    fn check(&mut self) {
        let (lines, conditions) = self.look("CHECK");
        let that = conditions[self.dice.below(conditions.len())].replace("steps.CHECK.", "result.");
        let _ = writeln!(self.text, "  - name: as it should be\n    that: \"{that}\"");
        for line in lines.iter().filter(|l| !l.is_empty()) {
            let _ = writeln!(self.text, "    {line}");
        }
    }

    /// A step that looks.
    fn probe(&mut self) {
        let id = self.id();
        let (mut lines, conditions) = self.look(&id);
        if self.dice.one_in(4) {
            let (_, field) = conditions[0]
                .split_once("].")
                .or_else(|| conditions[0].split_once(&format!("{id}.")))
                .unwrap_or_default();
            lines.push(format!("that: \"result.{field}\""));
            lines.push(String::from("allow_failure: true"));
            self.learn(&[format!("steps.{id}.ok")]);
        } else {
            self.learn(&conditions);
        }
        self.step(&id, &lines);
    }

    /// A look, and what can be asked of it.
    fn look(&mut self, id: &str) -> (Vec<String>, Vec<String>) {
        let host = if self.looping {
            ""
        } else {
            self.dice.of(&["web-01", "web-02", "db-01"])
        };
        let on = if self.looping { String::new() } else { format!("hosts: {host}") };
        let of_host = if id == "CHECK" || self.looping {
            format!("steps.{id}")
        } else {
            format!("steps.{id}.hosts['{host}']")
        };
        match self.dice.below(6) {
            0 => {
                let (path, text) = (self.dice.of(&PATHS), self.dice.of(&["wrong", "x", "made"]));
                (
                    vec![on, format!("file.search: {{ path: {path}, text: {text} }}")],
                    vec![format!("{of_host}.found")],
                )
            }
            1 => (
                vec![on, String::from("facts: [memory]")],
                vec![format!("{of_host}.memory.available_percent > 45")],
            ),
            2 => (
                vec![on, String::from("command: { argv: [rb-show], read_only: true }")],
                vec![format!("{of_host}.stdout == 'v1'")],
            ),
            3 => {
                let address = self.dice.of(&["192.0.2.11", "192.0.2.12"]);
                (
                    vec![
                        String::from("hosts: control"),
                        format!("http: {{ url: \"http://{address}:80/health\" }}"),
                    ],
                    vec![format!("steps.{id}.status == 200")],
                )
            }
            _ => {
                let member = self.dice.of(&WEB);
                (
                    vec![String::from("pool.status: { pool: web }")],
                    vec![
                        format!("steps.{id}.members.exists(m, m.name == '{member}' && m.state == 'ready')"),
                        format!("steps.{id}.members.exists(m, m.name == '{member}' && m.up)"),
                        format!("steps.{id}.members.all(m, m.weight == 1)"),
                        format!("steps.{id}.algorithm == 'roundrobin'"),
                    ],
                )
            }
        }
    }

    /// A step that changes something on hosts.
    fn plain(&mut self) {
        let id = self.id();
        let mut lines = vec![self.hosts(), self.when()];
        let certain = lines[1].is_empty();
        lines.extend(match self.dice.below(7) {
            0..=2 => vec![self.file()],
            3 | 4 => {
                let words = self.service();
                vec![format!("service: {words}"), String::from("pool_effect: none")]
            }
            5 => vec![self.command(), String::from("undo: keep"), String::from("pool_effect: none")],
            _ => {
                let state = self.dice.of(&["restarted", "reloaded"]);
                vec![
                    format!("service: {{ name: app, state: {state} }}"),
                    String::from("pool_effect: none"),
                ]
            }
        });
        let takes = lines.iter().any(|l| l.contains("pool_effect"));
        // Only what may disturb a pool may say that it does not.
        lines.retain(|l| takes || !l.contains("pool_effect"));
        self.step(&id, &lines);
        self.learn(&[format!("steps.{id}.changed"), format!("steps.{id}.ok")]);
        let host = lines.iter().find_map(|l| l.strip_prefix("hosts: ")).filter(|h| *h != "webservers");
        if let Some(host) = host.filter(|_| certain && lines.iter().any(|l| l.starts_with("service"))) {
            self.learn(&[format!("steps.{id}.hosts['{host}'].state == 'started'")]);
        }
    }

    fn file(&mut self) -> String {
        let path = self.dice.of(&PATHS);
        let content = self.dice.of(&CONTENTS);
        let backup = self.dice.of(&["", "", ", backup: true"]);
        match self.dice.below(6) {
            0 | 1 => {
                let mode = self.dice.of(&["", ", mode: \"0644\"", ", mode: \"0600\""]);
                format!("file.write: {{ path: {path}, content: \"{content}\\n\"{mode}{backup} }}")
            }
            2 => format!("file.write: {{ path: {path}, state: absent }}"),
            3 => format!("file.replace: {{ path: {path}, find: wrong, replace: right{backup} }}"),
            4 => format!("file.line: {{ path: {path}, line: x, match: \"^wrong\"{backup} }}"),
            _ => format!("file.line: {{ path: {path}, line: x, state: absent }}"),
        }
    }

    fn service(&mut self) -> String {
        let name = self.dice.of(&["app", "cache"]);
        let state = self.dice.of(&["", ", state: started", ", state: stopped", ", state: started"]);
        let enabled = self.dice.of(&["", ", enabled: true", ", enabled: false"]);
        match (state, enabled) {
            ("", "") => format!("{{ name: {name}, state: started }}"),
            _ => format!("{{ name: {name}{state}{enabled} }}"),
        }
    }

    fn command(&mut self) -> String {
        match self.dice.below(6) {
            0 | 1 => String::from("command: { argv: [rb-make-b], creates: /etc/b }"),
            2 => String::from("command: { argv: [rb-drop-b], removes: /etc/b }"),
            3 => String::from("command: { argv: [rb-make-b] }"),
            4 => String::from("command: { argv: [rb-stop-it] }"),
            _ => String::from("command: { argv: [rb-bump] }"),
        }
    }

    /// A step about the pool.
    fn pool(&mut self) {
        let id = self.id();
        let when = self.when();
        let member = self.dice.of(&WEB);
        let leave = String::from("leave: { until: 24h, reason: on purpose }");
        let lines = match self.dice.below(8) {
            0 | 1 => {
                let weights = self.dice.of(&["", ", weights: equal"]);
                let algorithm = self.dice.of(&ALGORITHMS);
                vec![when, format!("pool.balance: {{ pool: web, algorithm: {algorithm}{weights} }}")]
            }
            2 | 3 => vec![when, format!("pool.member: {{ pool: web, member: {member}, state: ready }}")],
            4 => {
                let weight = self.dice.of(&[1, 5, 7]);
                vec![when, format!("pool.member: {{ pool: web, member: {member}, weight: {weight} }}")]
            }
            5 => vec![format!("pool.member: {{ pool: web, member: {member}, state: maint }}"), leave],
            6 => vec![format!("pool.member: {{ pool: web, member: {member}, state: drain }}"), leave],
            _ => {
                let state = self.dice.of(&["restarted", "reloaded", "started"]);
                vec![
                    String::from("hosts: lb-01"),
                    when,
                    format!("service: {{ name: haproxy, state: {state} }}"),
                ]
            }
        };
        self.step(&id, &lines);
        self.learn(&[format!("steps.{id}.changed")]);
    }

    /// Out, something done, in again.
    fn drained(&mut self) {
        let member = self.dice.of(&WEB);
        let (out, work, back) = (self.id(), self.id(), self.id());
        let action = |state: &str| format!("pool.member: {{ pool: web, member: {member}, state: {state} }}");
        let loose = std::mem::take(&mut self.loose);
        let state = self.dice.of(&["drain", "maint"]);
        self.step(&out, &[action(state), format!("owes: {back}")]);
        let what = match self.dice.below(3) {
            0 => String::from("service: { name: app, state: restarted }"),
            1 => String::from("command: { argv: [rb-make-b], creates: /etc/b }\n    undo: keep"),
            _ => self.file(),
        };
        self.step(&work, &[format!("hosts: {member}"), what]);
        self.step(&back, &[action("ready")]);
        self.loose = loose;
    }

    /// The same on one server after the other, or on several at once.
    fn rolling(&mut self) {
        let id = self.id();
        let pace = self.dice.of(&["max_parallel: 1", "max_parallel: 3", "max_unavailable: [1, 50%]"]);
        let when = self.when();
        self.turns(&id, &when, &format!("{{ as: web, hosts: webservers, {pace} }}"), true);
    }

    /// The same for each item: values of files, members of the pool.
    fn by_items(&mut self) {
        let id = self.id();
        let when = self.when();
        let pace = self.dice.of(&["max_parallel: 1", "max_parallel: 2"]);
        let kind = self.dice.below(4);
        let items = if kind == 0 {
            "['/etc/a', '/etc/b']"
        } else {
            "['web-01', 'web-02']"
        };
        let head = format!("{{ as: item, items: \"{items}\", {pace} }}");
        let indent = self.indent.clone();
        let _ = writeln!(self.text, "{indent}- id: {id}\n{indent}  for_each: {head}");
        if !when.is_empty() {
            let _ = writeln!(self.text, "{indent}  {when}");
        }
        let _ = writeln!(self.text, "{indent}  steps:");
        let inner = self.id();
        let lines = match kind {
            0 => vec![
                String::from("hosts: db-01"),
                String::from("file.write: { path: \"{{item}}\", content: \"x\\n\" }"),
            ],
            1 => vec![
                String::from("hosts: \"{{item}}\""),
                String::from("file.replace: { path: /etc/a, find: wrong, replace: right }"),
            ],
            2 => vec![String::from("pool.member: { pool: web, member: \"{{item}}\", state: ready }")],
            _ => vec![
                String::from("hosts: db-01"),
                String::from("file.line: { path: /etc/a, line: \"{{item}}\" }"),
            ],
        };
        let _ = writeln!(self.text, "{indent}    - id: {inner}");
        for line in lines {
            let _ = writeln!(self.text, "{indent}      {line}");
        }
        self.ids.push(id);
    }

    fn turns(&mut self, id: &str, when: &str, head: &str, looping: bool) {
        let indent = self.indent.clone();
        let _ = writeln!(self.text, "{indent}- id: {id}\n{indent}  for_each: {head}");
        if !when.is_empty() {
            let _ = writeln!(self.text, "{indent}  {when}");
        }
        let _ = writeln!(self.text, "{indent}  steps:");
        let (ids, conditions) = (std::mem::take(&mut self.ids), self.conditions.clone());
        self.looping = looping;
        self.indent.push_str("    ");
        for _ in 0..1 + self.dice.below(3) {
            if self.dice.one_in(4) {
                self.probe();
            } else {
                self.plain();
            }
        }
        self.indent.truncate(indent.len());
        self.looping = false;
        (self.ids, self.conditions) = (ids, conditions);
        self.ids.push(id.to_owned());
    }

    /// A branch, and a step on it.
    fn decided(&mut self) {
        let Some(condition) = self.conditions.last().cloned() else {
            return self.plain();
        };
        let id = self.id();
        self.step(
            &id,
            &[format!("decide: [{{ is: yes_it_is, when: \"{condition}\" }}, {{ is: other }}]")],
        );
        self.learn(&[format!("steps.{id}.is == 'yes_it_is'"), format!("steps.{id}.is == 'other'")]);
    }

    /// A person is asked.
    fn asked(&mut self) {
        let id = self.id();
        self.step(&id, &[String::from("approve: { ask: Go on?, from: [ops], within: 10m }")]);
        self.answers.push(format!("{id}: yes by mira"));
    }
}
