//! Whether an answer to a question may be taken. Pure.

use super::fold::{Question, QuestionState};
use crate::model::approval::ApprovalAnswer;
use crate::model::obligation::Obligation;

/// What a gate waits for.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// An answer, before the run goes on.
    Question(Question),
    /// That something is done; the run has gone on.
    Task(Obligation),
    /// Nothing at all.
    Nothing,
}

impl Asked {
    /// The last question that was asked there, else what is open there.
    pub(super) fn of(question: Option<Question>, task: Option<Obligation>) -> Asked {
        match (question, task) {
            (Some(question), _) => Asked::Question(question),
            (None, Some(task)) => Asked::Task(task),
            (None, None) => Asked::Nothing,
        }
    }
}

/// Judges an answer against the question as it stands and the answers that are left for it already.
///
/// # Errors
/// A sentence for the person who answered.
pub(super) fn judge(asked: &Asked, earlier: &[ApprovalAnswer], answer: &ApprovalAnswer) -> Result<(), String> {
    let question = match asked {
        Asked::Question(question) => question,
        Asked::Task(debt) => return judge_task(debt, earlier, answer),
        Asked::Nothing => return Err(String::from("this run asks no such question; `runbook runs` shows what waits")),
    };
    let request = &question.request;
    let gate = &request.gate;
    match question.state {
        QuestionState::Waiting => {}
        QuestionState::Granted if request.task.is_some() => return Err(format!("`{gate}` is done already")),
        QuestionState::Granted => return Err(format!("`{gate}` is approved already")),
        QuestionState::Denied if request.task.is_some() => return Err(format!("`{gate}` has failed already")),
        QuestionState::Denied => return Err(format!("`{gate}` is denied already")),
        QuestionState::Expired => return Err(format!("`{gate}` has expired; nobody answered before {}", request.expires_at)),
        QuestionState::Obsolete => return Err(format!("`{gate}` is no longer asked: the run stops or has ended")),
    }
    if answer.at >= request.expires_at {
        return Err(format!("`{gate}` has expired at {}", request.expires_at));
    }
    if answer.digest != request.digest {
        return Err(format!(
            "the answer is about another plan: it names digest {}, `{gate}` asks about {}; look at the plan again",
            short(&answer.digest),
            short(&request.digest)
        ));
    }
    // A person may change a yes into a no, and nothing else.
    let before = earlier
        .iter()
        .chain(&question.answers)
        .filter(|a| is_about(a, question) && a.by == answer.by);
    for old in before {
        if answer.granted || !old.granted {
            return Err(format!("{} has answered `{gate}` already", answer.by));
        }
    }
    Ok(())
}

/// What a person was to do while the run went on: it is done or still to do, however late it is.
fn judge_task(debt: &Obligation, earlier: &[ApprovalAnswer], answer: &ApprovalAnswer) -> Result<(), String> {
    if !answer.granted {
        return Err(format!(
            "the run has gone on without `{}`; if nobody will do it: runbook obligations waive {} --reason …",
            debt.taker, debt.id
        ));
    }
    if earlier.iter().any(|old| old.granted) {
        return Err(format!("`{}` is done already", debt.taker));
    }
    Ok(())
}

/// True when the answer was given to this very question, not to one that was asked at the same gate before.
fn is_about(answer: &ApprovalAnswer, question: &Question) -> bool {
    answer.digest == question.request.digest && answer.at >= question.request.asked_at
}

/// True when the answer belongs to the question and is not among the run's events yet.
pub(super) fn is_new(asked: &Asked, answer: &ApprovalAnswer) -> bool {
    match asked {
        Asked::Question(q) => q.state == QuestionState::Waiting && is_about(answer, q) && !q.answers.contains(answer),
        Asked::Task(_) => answer.granted,
        Asked::Nothing => false,
    }
}

fn short(digest: &str) -> String {
    let clean = crate::base::sanitise::one_line(digest, 80);
    if clean.is_empty() {
        String::from("(none)")
    } else {
        clean.chars().take(12).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::journal::sample;

    #[test]
    fn only_a_timely_answer_about_the_shown_plan_is_taken() {
        let request = sample::request(crate::base::id::RunId(1), 2);
        let question = Asked::Question(Question {
            request: request.clone(),
            state: QuestionState::Waiting,
            answers: Vec::new(),
        });
        let good = sample::answer("mira", true);
        assert_eq!(judge(&question, &[], &good), Ok(()));
        let with = |change: &dyn Fn(&mut ApprovalAnswer)| {
            let mut answer = good.clone();
            change(&mut answer);
            judge(&question, &[], &answer).unwrap_err()
        };
        assert!(with(&|a| a.digest = String::from("beef")).contains("another plan: it names digest beef"));
        assert!(with(&|a| a.at = request.expires_at).contains("has expired"));
        assert!(judge(&Asked::Nothing, &[], &good).unwrap_err().contains("no such question"));
        let again = std::slice::from_ref(&good);
        assert!(judge(&question, again, &good).unwrap_err().contains("mira has answered"));
        assert_eq!(judge(&question, again, &sample::answer("mira", false)), Ok(()));
        assert_eq!(judge(&question, again, &sample::answer("noor", true)), Ok(()));
    }
}
