//! A small run for the tests of this folder: one of every event, on two hosts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::id::{NodeId, RunId};
use crate::base::value::Value;
use crate::diagnostic::Sources;
use crate::model::action::{Arguments, Class, Undo};
use crate::model::approval::{ApprovalAnswer, ApprovalRequest, Task};
use crate::model::event::{Event, Failure, FailureKind, RunCreated, RunOutcome};
use crate::model::inventory::{Host, Inventory};
use crate::model::obligation::{Obligation, ObligationId, ObligationState};
use crate::model::plan::{Forecast, Node, Plan, Section, Shared};
use crate::model::runbook::{Param, ParamKind};

/// The moment everything begins.
pub(super) const START: Timestamp = Timestamp(1_795_000_000_000);

/// `seconds` later.
pub(super) fn at(seconds: u64) -> Timestamp {
    START.after(Duration::from_secs(seconds))
}

fn node(step: &str, host: &str) -> Node {
    let shared = Shared {
        row: step.into(),
        step: step.into(),
        section: Section::Steps,
        turns: Vec::new(),
        call: None,
        bindings: BTreeMap::new(),
        reaches: Vec::new(),
        needs: Vec::new(),
        name: step.to_owned(),
        action: String::from("service"),
        arguments: Default::default(),
        pause: None,
        class: Class::Reversible,
        forecast: Forecast::WillChange {
            summary: String::from("stop it"),
        },
        diff: None,
        notes: Vec::new(),
        undo: Undo::Nothing,
        owes: None,
        pool_effects: Vec::new(),
        after: Vec::new(),
    };
    Node::new(Some(host.into()), shared)
}

/// What a run is created from.
pub(super) fn created(uid: &str) -> RunCreated {
    let mut sources = Sources::new();
    sources.add("recover.yaml", "runbook: recover\n");
    let host = |name: &str| Host {
        name: name.into(),
        vars: BTreeMap::from([(String::from("rack"), Value::Int(3))]),
        ..Host::default()
    };
    RunCreated {
        uid: uid.to_owned(),
        runbook: String::from("recover"),
        sources,
        inventory: Inventory {
            hosts: BTreeMap::from([("web-01".into(), host("web-01")), ("web-02".into(), host("web-02"))]),
            order: vec!["web-01".into(), "web-02".into()],
            ..Inventory::default()
        },
        params: BTreeMap::from([(String::from("share"), Value::Percent(12.5))]),
        plan: Plan {
            runbook: String::from("recover"),
            digest: String::from("9c1eb07"),
            made_at: START,
            nodes: vec![node("drain", "web-01"), node("free", "web-02")],
            ..Plan::default()
        },
        by: String::from("mira"),
        reason: Some(String::from("alert 7d1f")),
        gate: false,
        used_plan: None,
    }
}

/// A debt on a pool's member.
pub(super) fn obligation(run: RunId, number: u32) -> Obligation {
    Obligation {
        id: ObligationId(format!("{}.{number}", run.0)),
        run,
        taker: "drain@web-01".into(),
        return_node: Some("return@web-01".into()),
        resource: format!("pool/web/member/web-0{number}"),
        pool: Some("web".into()),
        member: Some(format!("web-0{number}").into()),
        what: format!("web-0{number} out of pool web (drain)"),
        reason: String::from("recover"),
        owner: String::from("mira"),
        previous: Undo::Call {
            action: String::from("pool.member"),
            arguments: Arguments::from_pairs([("state", Value::text("ready")), ("weight", Value::Float(0.1))]),
        },
        people: Vec::new(),
        opened_at: at(2),
        deadline: at(2702),
        state: ObligationState::Open,
    }
}

/// A question at gate `approve`.
pub(super) fn request(run: RunId, quorum: u32) -> ApprovalRequest {
    ApprovalRequest {
        run,
        gate: "approve".into(),
        ask: String::from("Restart it?"),
        digest: String::from("9c1eb07"),
        from: vec![String::from("web_owners")],
        quorum,
        asked_at: at(1),
        expires_at: at(1801),
        then: Vec::new(),
        bare: false,
        task: None,
    }
}

/// An answer to it.
pub(super) fn answer(by: &str, granted: bool) -> ApprovalAnswer {
    ApprovalAnswer {
        granted,
        by: by.to_owned(),
        digest: String::from("9c1eb07"),
        at: at(60),
        reason: None,
        fields: BTreeMap::new(),
    }
}

/// Something for a person to do, who tells what was found.
pub(super) fn task(run: RunId) -> ApprovalRequest {
    let finding = Param {
        name: String::from("finding"),
        span: crate::diagnostic::Span::default(),
        kind: ParamKind::Choice(vec![String::from("disk"), String::from("memory")]),
        default: None,
        description: String::from("What it was"),
        pattern: None,
        min: None,
        max: None,
        from: None,
    };
    ApprovalRequest {
        gate: "look".into(),
        ask: String::from("Look at it"),
        then: vec![String::from("lead")],
        bare: false,
        task: Some(Task { fields: vec![finding] }),
        ..request(run, 1)
    }
}

fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure {
        kind,
        message: message.to_owned(),
    }
}

/// The events of a run up to and with its second debt, in groups as a dispatcher would write them.
pub(super) fn groups(run: RunId) -> Vec<Vec<Event>> {
    let (drain, free): (NodeId, NodeId) = ("drain@web-01".into(), "free@web-02".into());
    let started = |node: &NodeId, attempt| Event::StepStarted {
        node: node.clone(),
        attempt,
    };
    vec![
        vec![Event::RunStarted {
            controller: String::from("ops-1/4711"),
        }],
        vec![Event::ApprovalRequested { request: request(run, 1) }],
        vec![
            Event::ApprovalAnswered {
                gate: "approve".into(),
                answer: answer("mira", true),
            },
            Event::LeaseTaken {
                pool: "web".into(),
                fence: 3,
            },
            started(&drain, 1),
        ],
        vec![
            Event::ChangeIntended {
                node: drain.clone(),
                attempt: 1,
                summary: String::from("web-01: ready → drain"),
                undo: Undo::Keep,
                before: Vec::new(),
            },
            Event::ObligationOpened {
                obligation: obligation(run, 1),
            },
        ],
        vec![
            Event::StepSucceeded {
                node: drain,
                attempt: 1,
                changed: true,
                result: Value::map([("took", Value::Duration(Duration::from_millis(1900)))]),
                summary: String::from("drained"),
            },
            started(&free, 1),
            Event::ObligationOpened {
                obligation: obligation(run, 2),
            },
        ],
        vec![
            Event::StepRetryScheduled {
                node: free.clone(),
                attempt: 1,
                until: at(70),
                failure: failure(FailureKind::Timeout, "too slow"),
            },
            started(&free, 2),
            Event::StepFailed {
                node: free,
                attempt: 2,
                failure: failure(FailureKind::Exit, "exit status 5"),
            },
        ],
    ]
}

/// The rest: everything goes wrong that can, so that every kind of event occurs.
pub(super) fn last_group() -> Vec<Event> {
    let free: NodeId = "free@web-02".into();
    let why = || String::from("a step failed");
    let lost = failure(FailureKind::Unreachable, "no answer from \u{1b}[31mweb-02");
    vec![
        Event::UnwindStarted { reason: why(), step: None },
        Event::StepLost {
            node: free.clone(),
            attempt: 2,
            failure: lost.clone(),
        },
        Event::StepSkipped {
            node: "verify.1".into(),
            why: why(),
        },
        Event::StepCancelled {
            node: "share".into(),
            why: why(),
        },
        Event::ApprovalExpired { gate: "second".into() },
        Event::ApprovalEscalated {
            to: String::from("lead"),
            request: task(RunId(1)).escalated(at(3601)).expect("the lead is next").1,
        },
        Event::UndoStarted {
            node: free.clone(),
            attempt: 1,
            summary: String::from("start it"),
        },
        Event::UndoSucceeded {
            node: "drain@web-01".into(),
            summary: String::from("ready again"),
        },
        Event::UndoFailed { node: free, failure: lost },
        Event::CancelRequested { by: String::from("noor") },
        Event::ReturnRefused {
            id: ObligationId(String::from("1.2")),
            why: String::from("web-02 answers 500"),
        },
        Event::ObligationDischarged {
            id: ObligationId(String::from("1.1")),
            how: String::from("return_master"),
        },
        Event::LeaseReleased { pool: "web".into() },
        Event::RunFinished {
            outcome: RunOutcome::Stuck,
            summary: String::from("stuck"),
            outputs: BTreeMap::new(),
        },
        Event::ObligationWaived {
            id: ObligationId(String::from("1.2")),
            by: String::from("noor"),
            reason: String::from("scrapped"),
        },
    ]
}
