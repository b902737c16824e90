//! The invariants of a called runbook during a run: they stop its own next change, and nothing outside of the call.

use super::super::suite::test;
use crate::diagnostic::Sources;

const CALLER: &str = "runbook: example
language: 1
description: Call another one, then go on.
hosts: web-01
steps:
  - { id: fix, call: { runbook: fix.yaml, params: { path: /etc/ok } } }
  - { id: after, file.write: { path: /etc/after, content: x } }
  - { id: last, file.write: { path: /etc/last, content: x } }
";

const CALLED: &str = "runbook: fix
language: 1
description: Writes two files while a third one says that all is well.
params:
  path: { type: path }
hosts: web-01
invariants:
  - { name: '{{params.path}} says yes', file.search: { path: '{{params.path}}', text: 'yes' }, that: result.found }
steps:
  - { id: one, file.write: { path: /etc/one, content: x } }
  - { id: two, file.write: { path: /etc/two, content: x } }
";

#[test]
fn what_breaks_during_the_call_stops_it_and_afterwards_nobody_asks() {
    let of = |at: &str, expect: &str| {
        format!(
            "tests: example\nfleet:\n  inventory: {{ hosts: {{ web-01: {{}} }} }}\n  state: {{ hosts: {{ web-01: {{ files: {{ /etc/ok: 'yes' }}, commands: [{{ run: rm -f -- /etc/one, then: {{ hosts: {{ web-01: {{ files: {{ /etc/one: {{ absent: true }} }} }} }} }} }}] }} }} }}\ncases:\n  \
             - name: a\n    meanwhile: [{{ at: {at}, state: {{ hosts: {{ web-01: {{ files: {{ /etc/ok: 'no' }} }} }} }} }}]\n    expect: {expect}\n"
        )
    };
    let cases = [
        (
            "fix.two",
            "{ outcome: failed, failure: '/etc/ok says yes', happens: [undo fix.one], never: [fix.two, after] }",
        ),
        ("after", "{ outcome: succeeded, happens: [fix.two, after, last] }"),
    ];
    for (at, expect) in cases {
        let mut script = Sources::new();
        script.add("example.yaml", CALLER);
        script.add("fix.yaml", CALLED);
        let text = of(at, expect);
        let tested = test(script, ("example.test.yaml", &text), "example", "")
            .map_err(|(d, _)| format!("{d:#?}"))
            .unwrap();
        assert!(
            tested.passed(),
            "{}",
            super::report::text(&[tested], &[], std::time::Duration::ZERO, false)
        );
    }
}
