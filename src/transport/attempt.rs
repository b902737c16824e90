//! What became of a durable command, and its end by force. Both take the fence first: what has not started never will.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::base::bound;

use super::protocol;
use super::session::{AFTERMATH, ANSWER, Answer, Session};
use super::{Attached, AttemptId, EndReason, KillReport, LinkError, LostReason, Outcome};

impl Session {
    pub(super) async fn attach(self: &Arc<Self>, id: &AttemptId, wait: Duration) -> Result<Attached, LinkError> {
        let deadline = tokio::time::Instant::now() + wait;
        let mut pace = Duration::from_millis(20);
        let mut torn = 0;
        loop {
            let nonce = protocol::nonce();
            let text = format!(
                "rbk_attach {nonce} {} {};rbk_mark {nonce} e 0",
                id.as_str(),
                bound::OUTPUT_BYTES + 1
            );
            let answer = self.ask_with(nonce, text, ANSWER * 3).await?;
            let answer = answer.ok_or_else(|| LinkError::Protocol(String::from("no answer to attach")))?;
            let state = attached(answer)?;
            // A claim is created and then written; between the two it looks torn.
            let young = state == Attached::Lost(LostReason::TornClaim) && torn < 5;
            torn += usize::from(young);
            let waiting = matches!(state, Attached::Running | Attached::Orphan { .. }) && tokio::time::Instant::now() < deadline;
            if !young && !waiting {
                return Ok(state);
            }
            sleep(pace).await;
            pace = (pace * 3 / 2).min(Duration::from_millis(500));
        }
    }

    /// TERM, `grace` later KILL, then a look. The host's shell is free between the rounds.
    pub(super) async fn end(self: &Arc<Self>, id: &AttemptId, grace: Duration, why: &str) -> Result<KillReport, LinkError> {
        let mut left = match self.kill_round(id, "TERM", why).await? {
            Round::Over(report) => return Ok(report),
            Round::Left(pids) => pids,
        };
        for (signal, within) in [("-", grace), ("KILL", AFTERMATH)] {
            let deadline = tokio::time::Instant::now() + within;
            let mut pace = Duration::from_millis(20);
            // Even with no grace there is one look, and one KILL before the verdict.
            while !left.is_empty() {
                if signal == "-" && tokio::time::Instant::now() >= deadline {
                    break;
                }
                if signal == "-" {
                    sleep(pace.min(within)).await;
                }
                match self.kill_round(id, signal, "-").await? {
                    Round::Over(report) => return Ok(report),
                    Round::Left(pids) => left = pids,
                }
                if signal == "KILL" {
                    if tokio::time::Instant::now() >= deadline {
                        break;
                    }
                    sleep(pace).await;
                }
                pace = (pace * 3 / 2).min(Duration::from_millis(300));
            }
        }
        Ok(if left.is_empty() {
            KillReport::Dead
        } else {
            KillReport::Alive { pids: left }
        })
    }

    async fn kill_round(self: &Arc<Self>, id: &AttemptId, signal: &str, why: &str) -> Result<Round, LinkError> {
        let nonce = protocol::nonce();
        let text = format!("rbk_kill {nonce} {} {signal} {why};rbk_mark {nonce} e 0", id.as_str());
        let answer = self.ask_with(nonce, text, ANSWER).await?;
        let mark = answer.ok_or_else(|| LinkError::Protocol(String::from("no answer to kill")))?.mark;
        let mut words = mark.rest.split_whitespace();
        match words.next() {
            Some("never") => Ok(Round::Over(KillReport::NeverStarted)),
            Some("done") => {
                let code = words.next().and_then(|c| c.parse().ok()).unwrap_or(255);
                Ok(Round::Over(KillReport::AlreadyEnded { code }))
            }
            Some("left") => Ok(Round::Left(words.filter_map(|p| p.parse().ok()).collect())),
            _ => Err(LinkError::Protocol(mark.rest)),
        }
    }
}

enum Round {
    Over(KillReport),
    Left(Vec<u32>),
}

fn attached(answer: Answer) -> Result<Attached, LinkError> {
    let mut words = answer.mark.rest.split_whitespace();
    Ok(match words.next() {
        Some("never") => Attached::Never,
        Some("running") => Attached::Running,
        Some("error") => Attached::Error(String::from("the state directory of the host cannot be written")),
        Some("done") => {
            let (code, why) = ending(answer.mark.rest.trim_start_matches("done"));
            let [stdout, stderr] = answer.after;
            Attached::Done(Outcome { code, why, stdout, stderr })
        }
        Some("orphan") => Attached::Orphan {
            pids: words.filter_map(|p| p.parse().ok()).collect(),
        },
        Some("lost") => Attached::Lost(match words.next() {
            Some("reboot") => LostReason::Reboot,
            Some("torn-claim") => LostReason::TornClaim,
            _ => LostReason::SupervisorDied,
        }),
        _ => return Err(LinkError::Protocol(answer.mark.rest)),
    })
}

/// `7 timeout` as status and reason.
pub(super) fn ending(rest: &str) -> (i32, EndReason) {
    let mut words = rest.split_whitespace();
    let code = words.next().and_then(|c| c.parse().ok()).unwrap_or(255);
    let why = match words.next() {
        Some("timeout") => EndReason::Timeout,
        Some("cancel") => EndReason::Cancelled,
        Some("quota") => EndReason::OutputQuota,
        _ => EndReason::Exited,
    };
    (code, why)
}
