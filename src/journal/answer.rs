//! Whether an answer to a question may be taken. Pure.

use super::fold::{Question, QuestionState};
use crate::model::approval::ApprovalAnswer;

/// Judges an answer against the question as it stands and the answers that are left for it already.
///
/// # Errors
/// A sentence for the person who answered.
pub(super) fn judge(question: Option<&Question>, earlier: &[ApprovalAnswer], answer: &ApprovalAnswer) -> Result<(), String> {
    let Some(question) = question else {
        return Err(String::from("this run asks no such question; `runbook runs` shows what waits"));
    };
    let request = &question.request;
    let gate = &request.gate;
    match question.state {
        QuestionState::Waiting => {}
        QuestionState::Granted => return Err(format!("`{gate}` is approved already")),
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

/// True when the answer was given to this very question, not to one that was asked at the same gate before.
fn is_about(answer: &ApprovalAnswer, question: &Question) -> bool {
    answer.digest == question.request.digest && answer.at >= question.request.asked_at
}

/// True when the answer belongs to the question and is not among the run's events yet.
pub(super) fn is_new(question: Option<&Question>, answer: &ApprovalAnswer) -> bool {
    question.is_some_and(|q| q.state == QuestionState::Waiting && is_about(answer, q) && !q.answers.contains(answer))
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
        let question = Question {
            request: sample::request(crate::base::id::RunId(1), 2),
            state: QuestionState::Waiting,
            answers: Vec::new(),
        };
        let good = sample::answer("mira", true);
        assert_eq!(judge(Some(&question), &[], &good), Ok(()));
        let with = |change: &dyn Fn(&mut ApprovalAnswer)| {
            let mut answer = good.clone();
            change(&mut answer);
            judge(Some(&question), &[], &answer).unwrap_err()
        };
        assert!(with(&|a| a.digest = String::from("beef")).contains("another plan: it names digest beef"));
        assert!(with(&|a| a.at = question.request.expires_at).contains("has expired"));
        assert!(judge(None, &[], &good).unwrap_err().contains("no such question"));
        let again = std::slice::from_ref(&good);
        assert!(judge(Some(&question), again, &good).unwrap_err().contains("mira has answered"));
        assert_eq!(judge(Some(&question), again, &sample::answer("mira", false)), Ok(()));
        assert_eq!(judge(Some(&question), again, &sample::answer("noor", true)), Ok(()));
    }
}
