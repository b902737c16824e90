//! The drawings of the states in the documentation are those of the functions that decide: every state with every event, asked.

use std::collections::{BTreeMap, BTreeSet};

use super::sample::Sample;
use crate::base::clock::Timestamp;
use crate::base::id::{NodeId, RunId};
use crate::base::value::Value;
use crate::engine::phase::Phase;
use crate::engine::run::RunState;
use crate::engine::step::StepState;
use crate::model::action::Undo;
use crate::model::approval::{ApprovalAnswer, ApprovalRequest};
use crate::model::event::{Event, Failure, FailureKind, Record, RunOutcome};
use crate::model::obligation::{Obligation, ObligationId, ObligationState};

const DRAWN: &str = include_str!("../states.md");
const AT: Timestamp = Timestamp(0);

type Arrows = BTreeMap<(&'static str, &'static str), BTreeSet<String>>;

fn word(event: &Event) -> String {
    let json = serde_json::to_value(event).unwrap();
    json["type"].as_str().unwrap().to_owned()
}

fn drawing(title: &str, begins: &str, arrows: &Arrows) -> String {
    let id = |word: &str| word.replace(' ', "_");
    let words: BTreeSet<&str> = arrows.keys().flat_map(|(from, to)| [*from, *to]).collect();
    let named = words
        .iter()
        .filter(|w| w.contains(' '))
        .map(|w| format!("  state \"{w}\" as {}\n", id(w)));
    let lines = arrows.iter().map(|((from, to), events)| {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        format!("  {} --> {}: {}\n", id(from), id(to), events.join(", "))
    });
    let (named, lines): (String, String) = (named.collect(), lines.collect());
    format!(
        "## {title}\n\n```mermaid\nstateDiagram-v2\n{named}  [*] --> {}\n{lines}```\n",
        id(begins)
    )
}

fn failure() -> Failure {
    Failure {
        kind: FailureKind::Check,
        message: String::new(),
    }
}

fn request(gate: &NodeId) -> ApprovalRequest {
    ApprovalRequest {
        run: RunId(1),
        gate: gate.clone(),
        bare: false,
        ask: String::new(),
        digest: String::new(),
        from: Vec::new(),
        quorum: 1,
        asked_at: AT,
        expires_at: AT,
        then: Vec::new(),
        task: None,
    }
}

fn of_steps(node: &NodeId) -> Vec<Event> {
    let (node, why) = (node.clone(), String::new());
    let mut events = Vec::new();
    for attempt in [0, 1] {
        for changed in [false, true] {
            events.push(Event::StepSucceeded {
                node: node.clone(),
                attempt,
                changed,
                result: Value::Null,
                summary: String::new(),
            });
        }
        events.push(Event::StepFailed {
            node: node.clone(),
            attempt,
            failure: failure(),
        });
    }
    events.extend([
        Event::StepStarted {
            node: node.clone(),
            attempt: 1,
        },
        Event::ChangeIntended {
            node: node.clone(),
            attempt: 1,
            summary: String::new(),
            undo: Undo::Keep,
            before: Vec::new(),
        },
        Event::StepLost {
            node: node.clone(),
            attempt: 1,
            failure: failure(),
        },
        Event::StepRetryScheduled {
            node: node.clone(),
            attempt: 1,
            until: AT,
            failure: failure(),
        },
        Event::StepSkipped {
            node: node.clone(),
            why: why.clone(),
        },
        Event::StepCancelled { node: node.clone(), why },
        Event::ApprovalRequested { request: request(&node) },
        Event::UndoStepDone {
            node: node.clone(),
            step: "b".into(),
            results: Vec::new(),
            summary: String::new(),
        },
        Event::UndoStarted {
            node: node.clone(),
            attempt: 1,
            summary: String::new(),
        },
        Event::UndoSucceeded {
            node: node.clone(),
            summary: String::new(),
        },
        Event::UndoFailed { node, failure: failure() },
    ]);
    events
}

/// `running` is drawn twice: what has only looked so far may still be given up.
fn step_word(step: &StepState) -> &'static str {
    match step {
        StepState::Running { intended: true, .. } => "changing",
        step => step.word(),
    }
}

fn steps() -> Arrows {
    let running = |intended| StepState::Running {
        attempt: 1,
        since: AT,
        intended,
    };
    let all = [
        StepState::Blocked,
        StepState::AwaitingApproval,
        running(false),
        running(true),
        StepState::WaitingRetry { attempt: 1, until: AT },
        StepState::Succeeded { changed: false },
        StepState::Succeeded { changed: true },
        StepState::Failed { kind: FailureKind::Check },
        StepState::Lost { attempt: 1 },
        StepState::Skipped,
        StepState::Cancelled,
        StepState::Undoing { attempt: 1 },
        StepState::Undone,
        StepState::UndoFailed,
    ];
    let mut arrows = Arrows::new();
    for (step, event) in all
        .iter()
        .flat_map(|s| of_steps(&NodeId::from("a")).into_iter().map(move |e| (s, e)))
    {
        if let Ok(next) = step.next(&event, AT) {
            arrows.entry((step_word(step), step_word(&next))).or_default().insert(word(&event));
        }
    }
    arrows
}

fn of_runs() -> [Event; 3] {
    [
        Event::RunStarted { controller: String::new() },
        Event::UnwindStarted {
            reason: String::new(),
            step: None,
        },
        Event::RunFinished {
            outcome: RunOutcome::Stuck,
            summary: String::new(),
            outputs: BTreeMap::new(),
        },
    ]
}

fn runs() -> Arrows {
    let mut arrows = Arrows::new();
    for phase in [Phase::Created, Phase::Running, Phase::Unwinding, Phase::Finished(RunOutcome::Stuck)] {
        for event in of_runs() {
            if let Ok(next) = phase.next(&event) {
                arrows.entry((phase.word(), next.word())).or_default().insert(word(&event));
            }
        }
    }
    arrows
}

/// The state of a run after events, by the only function that writes it.
fn after(events: &[Event]) -> RunState {
    let sample = Sample::good("steps:\n  - { id: a, approve: { ask: Go on?, from: [ops], within: 10m } }\n");
    let mut state = RunState::new(RunId(1), sample.created);
    for event in events {
        let record = Record {
            run: RunId(1),
            sequence: state.sequence + 1,
            at: AT,
            event: event.clone(),
        };
        state.apply(&record).unwrap();
    }
    state
}

fn obligations() -> Arrows {
    let id = ObligationId(String::from("1.1"));
    let obligation = Obligation {
        id: id.clone(),
        run: RunId(1),
        taker: NodeId::from("a"),
        return_node: None,
        resource: String::new(),
        pool: None,
        member: None,
        what: String::new(),
        reason: String::new(),
        owner: String::new(),
        previous: Undo::Nothing,
        people: Vec::new(),
        opened_at: AT,
        deadline: AT,
        state: ObligationState::Open,
    };
    let opened = Event::ObligationOpened { obligation };
    let how = String::new();
    let ends = [
        Event::ObligationDischarged {
            id: id.clone(),
            how: how.clone(),
        },
        Event::ObligationWaived {
            id: id.clone(),
            by: how.clone(),
            reason: how,
        },
        Event::ReturnRefused { id, why: String::new() },
    ];
    let word_of = |state: &RunState| match &state.obligations[0].state {
        ObligationState::Open => "open",
        ObligationState::Discharged { .. } => "discharged",
        ObligationState::Waived { .. } => "waived",
    };
    let mut arrows = Arrows::new();
    for event in ends {
        let next = after(&[opened.clone(), event.clone()]);
        arrows
            .entry((word_of(&after(std::slice::from_ref(&opened))), word_of(&next)))
            .or_default()
            .insert(word(&event));
    }
    arrows
}

fn approvals() -> Arrows {
    let gate = NodeId::from("a");
    let asked = Event::ApprovalRequested { request: request(&gate) };
    let said = |granted| {
        let answer = ApprovalAnswer {
            granted,
            by: String::from("mira"),
            digest: String::new(),
            at: AT,
            reason: None,
            fields: BTreeMap::new(),
        };
        Event::ApprovalAnswered {
            gate: gate.clone(),
            answer,
        }
    };
    let ends = [
        (said(true), "approval_answered (enough say yes)"),
        (said(false), "approval_answered (somebody says no)"),
        (
            Event::ApprovalEscalated {
                to: String::new(),
                request: request(&gate),
            },
            "approval_escalated",
        ),
        (Event::ApprovalExpired { gate: gate.clone() }, "approval_expired"),
    ];
    let word_of = |state: &RunState| {
        let question = &state.questions[&NodeId::from("a")];
        match () {
            () if question.granted() => "granted",
            () if question.denied() => "denied",
            () if question.open() => "open",
            () => "expired",
        }
    };
    let mut arrows = Arrows::new();
    for (event, how) in ends {
        let next = after(&[asked.clone(), event]);
        arrows
            .entry((word_of(&after(std::slice::from_ref(&asked))), word_of(&next)))
            .or_default()
            .insert(how.to_owned());
    }
    arrows
}

#[test]
fn the_drawings_are_those_of_the_functions() {
    let drawn = [
        String::from(
            "# States\n\nDrawn by `engine::tests::states` from the functions that decide; an arrow is what the journal may hold.\n",
        ),
        drawing("A step on a host", "not started", &steps()),
        drawing("A run", "created", &runs()),
        drawing("An obligation", "open", &obligations()),
        drawing("An approval", "open", &approvals()),
    ];
    let drawn = drawn.join("\n");
    assert!(
        drawn == DRAWN,
        "src/engine/states.md is not what the functions say; it should be:\n{drawn}"
    );
}
