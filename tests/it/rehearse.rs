//! `runbook test`: the runbooks of this project pass their tests, and a bug planted in a copy of one turns them red.

use std::time::Duration;

use runbook::diagnostic::Sources;
use runbook::rehearsal::report;
use runbook::rehearsal::suite::{Tested, test};

use crate::source;

const NAMES: [&str; 6] = [
    "find-forgotten-drains",
    "fix-config-everywhere",
    "rebalance-pool",
    "recover-master",
    "rolling-upgrade-behind-haproxy",
    "triage-slow-server",
];

fn tested(name: &str, edit: impl Fn(String) -> String, filter: &str) -> Result<Tested, Vec<&'static str>> {
    let runbook = edit(source::text(&format!("runbooks/{name}.yaml")));
    let tests = source::text(&format!("runbooks/{name}.test.yaml"));
    let mut script = Sources::new();
    script.add("r.yaml", &runbook);
    test(script, ("r.test.yaml", &tests), name, filter).map_err(|(d, _)| d.iter().map(|d| d.code).collect())
}

#[test]
fn every_runbook_passes_its_tests_and_its_cases_reach_every_step() {
    let runbooks = source::files("runbooks")
        .into_iter()
        .filter_map(|f| Some(f.strip_prefix("runbooks/")?.strip_suffix(".yaml")?.to_owned()));
    let names: Vec<String> = runbooks.filter(|name| !name.ends_with(".test")).collect();
    for name in NAMES {
        assert!(names.iter().any(|n| n == name), "{name}");
    }
    for name in names {
        let tested = tested(&name, |text| text, "").unwrap_or_else(|codes| panic!("{name}: {codes:?}"));
        let shown = || report::text(std::slice::from_ref(&tested), &[], Duration::ZERO, false);
        assert!(tested.passed(), "{}", shown());
        assert!(tested.unreached.is_empty(), "{}", shown());
        assert!(tested.cases.iter().any(|c| c.runs > 1), "{name}: no case is swept");
    }
}

/// A planted bug: the runbook, what is replaced by what, and the beginning of the name of a case that must turn red.
const PLANTED: [(&str, &str, &str, &str); 17] = [
    // without the check, a server whose memory is still full would return
    (
        "recover-master",
        "        that: result.memory.available_percent >= 25\n",
        "        that: result.memory.available_percent >= 0\n",
        "the restart frees nothing",
    ),
    // the master would return although it does not answer
    (
        "recover-master",
        "    that: result.status == 200\n    within: 3m\n",
        "    that: result.status != 201\n",
        "the restarted server does not answer",
    ),
    // the obvious cure: the last server is taken out first
    (
        "recover-master",
        "    for_each: { as: other, hosts: \"webservers:!{{params.master.name}}\", max_parallel: 1 }\n",
        "    needs: [return_master]\n    for_each: { as: other, hosts: \"webservers:!{{params.master.name}}\", max_parallel: 1 }\n",
        "the incident",
    ),
    // another service is restarted than the one that holds the memory
    (
        "recover-master",
        "    service: { name: \"{{params.service}}\", state: restarted }\n",
        "    service: { name: \"{{params.service}}\", state: started }\n",
        "the incident",
    ),
    // the on-call person is not told
    (
        "recover-master",
        "to: oncall_web",
        "to: nobody_in_particular",
        "the application does not start",
    ),
    // the goal is not proved by the counters
    (
        "rebalance-pool",
        "s.share_percent > result.fair_share_percent * (1.0 - params.tolerance.ratio)",
        "s.share_percent >= 0.0",
        "the algorithm does not help",
    ),
    // the service never reads the corrected file
    (
        "fix-config-everywhere",
        "service: { name: \"{{params.service}}\", state: reloaded }",
        "service: { name: \"{{params.service}}\", state: started }",
        "all servers but one",
    ),
    // the file is put in place unchecked
    (
        "fix-config-everywhere",
        "          validate: [\"{{web.vars.app_check}}\", \"{{file}}\"]  # runs on the new content before it is put in place\n",
        "",
        "the check refuses",
    ),
    // the new version never runs
    (
        "rolling-upgrade-behind-haproxy",
        "service: { name: \"{{params.service}}\", state: restarted }",
        "service: { name: \"{{params.service}}\", state: started }",
        "the new version does not answer",
    ),
    // after a failure the next server is taken all the same
    (
        "rolling-upgrade-behind-haproxy",
        "max_failures: 0",
        "max_failures: 1",
        "the package cannot be installed",
    ),
    // the silence is ended only where the server may return
    (
        "rolling-upgrade-behind-haproxy",
        "{ step: unmute, guard: [] }",
        "unmute",
        "whatever the version",
    ),
    // a probe that fails takes the report with it
    (
        "triage-slow-server",
        "    facts: [cpu, memory, disk, load]\n    timeout: 30s\n    allow_failure: true\n",
        "    facts: [cpu, memory, disk, load]\n    timeout: 30s\n",
        "the facts cannot be had",
    ),
    // the old primary would be started again though the new one may take writes
    (
        "database-failover",
        "    undo: none\n",
        "    undo: keep\n",
        "the promotion is lost, though",
    ),
    // what was written last would be lost
    (
        "database-failover",
        "that: result.streaming && result.lag_bytes == 0",
        "that: result.streaming",
        "the replica stops replaying",
    ),
    // nobody would be asked to cut off a server that cannot be reached
    (
        "database-failover",
        "when: params.forced && steps.fence.failed",
        "when: params.forced && !steps.fence.failed",
        "the old primary is gone, a person",
    ),
    // more is deleted than is needed
    (
        "disk-full-cleanup",
        "when: steps.now.free_percent < params.enough.percent && ",
        "when: ",
        "the first folder was enough",
    ),
    // what frees nothing on the full file system is deleted all the same
    (
        "disk-full-cleanup",
        " && steps.cache.mount == steps.before.mount",
        "",
        "another file system is full",
    ),
];

#[test]
fn a_planted_bug_turns_a_case_red() {
    for (name, from, to, case) in PLANTED {
        let plant = |text: String| {
            assert_eq!(text.matches(from).count(), 1, "{name}: {from}");
            text.replace(from, to)
        };
        match tested(name, plant, case) {
            Ok(tested) => assert!(!tested.cases.is_empty() && !tested.passed(), "{name}: `{to}` passes `{case}`"),
            // Even better: it does not compile.
            Err(codes) => assert!(!codes.is_empty(), "{name}: {to}"),
        }
    }
}

#[test]
fn the_drain_without_its_return_does_not_even_compile() {
    let codes = tested(
        "recover-master",
        |text| text.replace("    owes: return_master", "    # owes: return_master"),
        "",
    )
    .err()
    .unwrap();
    assert!(codes.iter().any(|c| c.starts_with("RB04")), "{codes:?}");
}
