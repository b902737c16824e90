//! The recovery of an overloaded server, as planned, done and failed: material for the tests of this folder.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::id::{HostName, NodeId, RunId};
use crate::base::value::Value;
use crate::diagnostic::Sources;
use crate::model::action::{Arguments, Class, Undo};
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::model::event::{Event, Failure, FailureKind, Record, RunCreated, RunOutcome};
use crate::model::inventory::Inventory;
use crate::model::obligation::{Obligation, ObligationId, ObligationState};
use crate::model::plan::{Capacity, EffectKind, Forecast, Node, NodeEffect, Plan, PoolForecast, Section, Shared, Turn};

pub(super) const DIGEST: &str = "9c1eb07d4f0a52a3c1b2e97d61f0c4d2a9b8e7f6a5c4d3b2e1f0a9b8c7d6e5b0";
/// 2026-11-21T03:14:07Z
pub(super) const START: Timestamp = Timestamp(1_795_230_847_000);

pub(super) fn at(ms: u64) -> Timestamp {
    START.after(Duration::from_millis(ms))
}

pub(super) fn web(serving: usize, enabled: usize) -> Capacity {
    Capacity {
        pool: "web".into(),
        serving,
        enabled,
        total: 2,
        minimum: 1,
    }
}

pub(super) fn member(name: &str, state: &str, up: bool, seconds: i64) -> Value {
    Value::map([
        ("name", Value::text(name)),
        ("state", Value::text(state)),
        ("up", Value::Bool(up)),
        ("seconds_in_state", Value::Int(seconds)),
        ("owned", Value::Bool(false)),
        ("owner", Value::Null),
    ])
}

/// A node that looks; change its fields for others.
pub(super) fn node(id: &str, section: Section, host: Option<&str>) -> Node {
    let step = id.split('@').next().unwrap_or_default();
    let step = step.rsplit("].").next().unwrap_or_default();
    let turn = Turn {
        step: "return_others".into(),
        key: String::from("web-02"),
    };
    let shared = Shared {
        row: id.split('@').next().unwrap_or_default().into(),
        step: step.into(),
        section,
        turns: if id.contains('[') { vec![turn] } else { Vec::new() },
        call: None,
        bindings: BTreeMap::new(),
        reaches: Vec::new(),
        needs: Vec::new(),
        name: step.to_owned(),
        action: String::from("http"),
        arguments: Default::default(),
        pause: None,
        class: Class::Probe,
        forecast: Forecast::Reads {
            summary: String::from("200 OK"),
        },
        diff: None,
        notes: Vec::new(),
        undo: Undo::Nothing,
        owes: None,
        pool_effects: Vec::new(),
        after: Vec::new(),
    };
    Node::new(host.map(HostName::from), shared)
}

fn member_node(id: &str, which: &str, kind: EffectKind, after: Capacity, summary: &str) -> Node {
    let mut node = node(id, Section::Steps, None);
    node.reaches = vec!["lb-01".into()];
    node.action = String::from("pool.member");
    node.class = Class::Reversible;
    node.forecast = Forecast::WillChange {
        summary: summary.to_owned(),
    };
    node.undo = Undo::Call {
        action: String::from("pool.member"),
        arguments: Arguments::from_pairs([
            ("pool", Value::text("web")),
            ("member", Value::text(which)),
            ("state", Value::text("ready")),
        ]),
    };
    node.pool_effects = vec![NodeEffect {
        pool: "web".into(),
        member: which.into(),
        kind,
        perhaps: Vec::new(),
    }];
    node.after = vec![after];
    node
}

fn needs(mut list: Vec<Node>) -> Vec<Node> {
    for i in 1..list.len() {
        list[i].needs = vec![list[i - 1].row.clone()];
    }
    list
}

fn nodes() -> Vec<Node> {
    let mut drain = member_node("drain_master", "web-01", EffectKind::Takes, web(1, 1), "web-01: ready → drain");
    drain.owes = Some("return_master".into());
    let mut free = node("free_memory@web-01", Section::Steps, Some("web-01"));
    free.action = String::from("service");
    free.class = Class::Passing;
    free.forecast = Forecast::WillChange {
        summary: String::from("restart app"),
    };
    free.after = vec![web(1, 1)];
    let mut share = node("share_load", Section::Steps, None);
    share.diff = Some(String::from("@@ -12 +12 @@\n-  balance leastconn\n+  balance roundrobin\n"));
    share.notes = vec![String::from("the balancer is reloaded; member states are kept")];
    share.undo = Undo::Impossible;
    share.reaches = vec!["lb-01".into()];
    share.class = Class::Destructive;
    share.forecast = Forecast::AtRunTime {
        why: String::from("the file differs when its members do"),
    };
    share.after = vec![web(2, 2)];
    let mut page = node("page", Section::OnFailure, None);
    page.action = String::from("escalate");
    page.class = Class::Passing;
    page.forecast = Forecast::WillChange {
        summary: String::from("tell oncall_web"),
    };
    let returned = |id: &str, which: &str, after: Capacity, summary: &str| {
        let mut node = member_node(id, which, EffectKind::Returns, after, summary);
        node.undo = Undo::Keep;
        node
    };
    let verify = |host: &str| {
        let mut node = node(&format!("verify.1@{host}"), Section::Verify, Some(host));
        node.name = String::from("it takes traffic");
        node
    };
    needs(vec![
        node("require.1", Section::Require, None),
        node("return_others[web-02].other_healthy", Section::Steps, None),
        returned("return_others[web-02].other_ready", "web-02", web(2, 2), "web-02: maint → ready"),
        drain,
        free,
        node("free_memory.verify.1@web-01", Section::Steps, Some("web-01")),
        returned("return_master", "web-01", web(2, 2), "web-01: drain → ready"),
        share,
        verify("web-01"),
        verify("web-02"),
        page,
    ])
}

pub(super) fn plan() -> Plan {
    Plan {
        runbook: String::from("recover-master"),
        description: String::from("Take the overloaded web server out of the pool, free its memory, put it back, share load."),
        digest: DIGEST.to_owned(),
        made_at: START,
        offline: false,
        params: BTreeMap::from([
            (String::from("master"), Value::text("web-01")),
            (String::from("pool"), Value::text("web")),
        ]),
        nodes: nodes(),
        pools: vec![PoolForecast {
            now: web(1, 1),
            members: vec![member("web-01", "ready", true, 864_000), member("web-02", "maint", false, 97_200)],
        }],
        refusals: Vec::new(),
        warnings: vec![String::from("no watcher: nobody is told if this machine dies")],
        invariants: Vec::new(),
        empty_loops: Vec::new(),
        kept_turns: Vec::new(),
    }
}

pub(super) fn created() -> RunCreated {
    RunCreated {
        uid: String::from("0199aaaa-0000-7000-8000-000000000001"),
        runbook: String::from("recover-master"),
        sources: Sources::new(),
        inventory: Inventory::default(),
        params: BTreeMap::new(),
        plan: plan(),
        by: String::from("mira"),
        reason: Some(String::from("HostOutOfMemory")),
        gate: false,
        used_plan: None,
    }
}

pub(super) fn obligation() -> Obligation {
    Obligation {
        id: ObligationId(String::from("3.1")),
        run: RunId(3),
        taker: "drain_master".into(),
        return_node: Some("return_master".into()),
        resource: String::from("pool/web/member/web-01"),
        pool: Some("web".into()),
        member: Some("web-01".into()),
        what: String::from("web-01 out of pool web (drain)"),
        reason: String::from("recover-master"),
        owner: String::from("mira"),
        previous: Undo::Keep,
        people: Vec::new(),
        opened_at: at(2_000),
        deadline: at(2_702_000),
        state: ObligationState::Open,
    }
}

pub(super) fn request() -> ApprovalRequest {
    ApprovalRequest {
        run: RunId(3),
        gate: "approve_restart".into(),
        ask: String::from("Restart app on web-01?"),
        digest: DIGEST.to_owned(),
        from: vec![String::from("web_owners")],
        quorum: 1,
        asked_at: at(1_000),
        expires_at: at(1_801_000),
        then: Vec::new(),
        bare: false,
        task: None,
    }
}

pub(super) fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure {
        kind,
        message: message.to_owned(),
    }
}

/// Records from `(milliseconds, event)`.
pub(super) fn records(events: Vec<(u64, Event)>) -> Vec<Record> {
    let record = |(i, (ms, event)): (usize, (u64, Event))| Record {
        run: RunId(3),
        sequence: i as u64 + 1,
        at: at(ms),
        event,
    };
    events.into_iter().enumerate().map(record).collect()
}

pub(super) fn started(id: &str, attempt: u32) -> Event {
    Event::StepStarted { node: id.into(), attempt }
}

pub(super) fn succeeded(id: &str, changed: bool, summary: &str) -> Event {
    Event::StepSucceeded {
        node: id.into(),
        attempt: 1,
        changed,
        result: Value::Null,
        summary: summary.to_owned(),
    }
}

fn intended(id: &str, summary: &str, undo: Undo) -> Event {
    Event::ChangeIntended {
        node: id.into(),
        attempt: 1,
        summary: summary.to_owned(),
        undo,
        before: Vec::new(),
    }
}

fn beginning() -> Vec<(u64, Event)> {
    vec![
        (0, Event::RunCreated(Box::new(created()))),
        (
            5,
            Event::RunStarted {
                controller: String::from("ops-1/4711"),
            },
        ),
        (10, started("return_others[web-02].other_ready", 1)),
        (
            100,
            intended("return_others[web-02].other_ready", "web-02: maint → ready", Undo::Keep),
        ),
        (1_900, succeeded("return_others[web-02].other_ready", true, "web-02: maint → ready")),
        (2_000, started("drain_master", 1)),
        (2_000, Event::ObligationOpened { obligation: obligation() }),
        (2_010, intended("drain_master", "web-01: ready → drain", Undo::Keep)),
        (9_000, succeeded("drain_master", true, "web-01: ready → drain")),
        (9_010, started("free_memory@web-01", 1)),
        (9_020, intended("free_memory@web-01", "restart app", Undo::Impossible)),
    ]
}

/// Everything went well.
pub(super) fn success() -> Vec<Record> {
    let mut events = beginning();
    events.extend([
        (20_000, succeeded("free_memory@web-01", true, "app restarted")),
        (20_010, started("return_master", 1)),
        (20_020, intended("return_master", "web-01: drain → ready", Undo::Keep)),
        (40_000, succeeded("return_master", true, "web-01: drain → ready")),
        (
            40_000,
            Event::ObligationDischarged {
                id: ObligationId(String::from("3.1")),
                how: String::from("return_master"),
            },
        ),
        (
            41_000,
            Event::RunFinished {
                outcome: RunOutcome::Succeeded,
                summary: String::from("web-01 and web-02 serve"),
                outputs: BTreeMap::new(),
            },
        ),
    ]);
    records(events)
}

/// The restart failed and the member could not be returned.
pub(super) fn stuck() -> Vec<Record> {
    let mut events = beginning();
    let answer = ApprovalAnswer {
        granted: true,
        by: String::from("noor"),
        digest: DIGEST.to_owned(),
        at: at(9_030),
        reason: None,
        fields: BTreeMap::new(),
    };
    events.extend([
        (
            9_030,
            Event::ApprovalAnswered {
                gate: "approve_restart".into(),
                answer,
            },
        ),
        (
            69_000,
            Event::StepFailed {
                node: "free_memory@web-01".into(),
                attempt: 1,
                failure: failure(FailureKind::Exit, "exit status 5\nUnit app.service \u{1b}[31mnot found."),
            },
        ),
        (
            69_010,
            Event::UnwindStarted {
                reason: String::from("free_memory failed on web-01"),
                step: None,
            },
        ),
        (
            69_020,
            Event::UndoStarted {
                node: "return_others[web-02].other_ready".into(),
                attempt: 1,
                summary: String::from("web-02: ready → maint"),
            },
        ),
        (
            70_000,
            Event::UndoSucceeded {
                node: NodeId::from("return_others[web-02].other_ready"),
                summary: String::from("web-02: ready → maint"),
            },
        ),
        (
            100_000,
            Event::ReturnRefused {
                id: ObligationId(String::from("3.1")),
                why: String::from("web-01 answers 503, expected 200"),
            },
        ),
        (
            118_000,
            Event::RunFinished {
                outcome: RunOutcome::Stuck,
                summary: String::from("web-01 is still out of pool web"),
                outputs: BTreeMap::new(),
            },
        ),
    ]);
    records(events)
}
