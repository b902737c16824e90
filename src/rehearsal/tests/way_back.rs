//! `undo: [steps]`: where its steps run, which of them are needed, and what people do among them.

use super::broken;

/// A gate that is opened on both servers, and a check that fails; what closes it again depends on its motor.
const RUNBOOK: &str = r#"runbook: example
language: 1
description: Open a gate.
hosts: web-01
steps:
  - id: open
    hosts: web-01:web-02
    command: { argv: [/usr/bin/gate, open] }
    undo:
      - id: motor
        command: { argv: [/usr/bin/gate-motor], read_only: true, ok_exit_codes: [0, 1] }
      - id: how
        decide:
          - { is: machine, when: steps.motor.exit_code == 0 }
          - { is: by_hand }
      - id: close
        when: steps.how.is == 'machine'
        command: { argv: [/usr/bin/gate, close] }
      - id: close_by_hand
        when: steps.how.is == 'by_hand'
        manual: { ask: Close the gate by hand., to: [ops], within: 1h, fields: { seal: { type: string } } }
      - id: note
        hosts: log-01
        file.line: { path: /var/log/gate, line: "{{steps.how.is}} {{default steps.close_by_hand.seal 'none'}}" }
  - id: check
    command: { argv: [/usr/bin/app-check], read_only: true }
    that: result.exit_code == 0
"#;

fn cases(cases: &str) -> String {
    format!(
        r#"tests: example
fleet:
  inventory: {{ hosts: {{ web-01: {{}}, web-02: {{}}, log-01: {{}} }} }}
  state:
    hosts:
      log-01: {{ files: {{ /var/log/gate: "log\n" }} }}
      web-01:
        commands:
          - {{ run: /usr/bin/app-check, exit: 1 }}
          - {{ run: /usr/bin/gate-motor, exit: 0 }}
          - {{ run: gate open }}
          - {{ run: gate close, then: {{ hosts: {{ web-01: {{ files: {{ /closed: "yes" }} }} }} }} }}
      # Its motor is broken, and nothing closes it by machine.
      web-02: {{ commands: [{{ run: /usr/bin/gate-motor, exit: 1 }}, {{ run: gate open }}] }}
cases:
{cases}"#
    )
}

#[test]
fn each_host_goes_back_in_its_own_way_and_a_person_closes_what_no_machine_can() {
    let text = cases(
        r#"  - name: done
    answers: { close_by_hand: { done: mira, after: 20m, fields: { seal: red } } }
    expect:
      outcome: failed
      happens: ["undo open@web-01", "undo open@web-02"]
      files:
        web-01: { /closed: "yes" }
        log-01: { /var/log/gate: "by_hand red" }
    sweep: [failures, crashes]
  - name: the other host is noted too
    answers: { close_by_hand: { done: mira, fields: { seal: red } } }
    expect: { outcome: failed, files: { log-01: { /var/log/gate: "machine none" } } }
  - name: it cannot be closed
    answers: { close_by_hand: failed by mira }
    expect: { outcome: stuck, happens: ["undo open@web-01"], files: { log-01: { /var/log/gate: { lacks: by_hand } } } }
    sweep: [crashes]
  - name: nobody comes
    expect: { outcome: stuck }
"#,
    );
    assert_eq!(broken(RUNBOOK, &text), Vec::<String>::new());
}

#[test]
fn what_need_not_be_waited_for_is_owed_by_its_people() {
    let runbook = RUNBOOK
        .replace(", fields: { seal: { type: string } }", ", blocking: false")
        .replace(" {{default steps.close_by_hand.seal 'none'}}", "");
    let text = cases(
        r#"  - name: later
    expect: { outcome: failed, obligations: [Close the gate by hand.], files: { log-01: { /var/log/gate: by_hand } } }
    sweep: [crashes]
"#,
    );
    assert_eq!(broken(&runbook, &text), Vec::<String>::new());
}

#[test]
fn a_way_back_over_a_host_that_does_not_exist_is_no_plan() {
    let runbook = RUNBOOK.replace("hosts: log-01", "hosts: lgo-01");
    let text = cases("  - name: a\n    expect: { outcome: failed }\n");
    let found = broken(&runbook, &text);
    assert!(found.len() == 1 && found[0].contains("lgo-01"), "{found:?}");
}
