//! One connected host: hands out resident shells, runs plain and durable commands through them, attaches and cancels.
//! Assumes a link that opens shells; does not know which kind.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use crate::base::bound;
use crate::base::clock::friendly;

use super::lane::{Hello, HelloError, Kept, Lane, Mark, send};
use super::link::Link;
use super::protocol;
use super::{
    Attached, AttemptId, Captured, Certainty, Chunk, EndReason, Exec, KillReport, LinkError, LostReason, Outcome, OutputSink, Run, RunAs,
    StartError, StartErrorKind, Stream,
};

/// Time for a shell to say hello, or to answer a request that does nothing but look.
const ANSWER: Duration = Duration::from_secs(10);
/// Time between a kill and the end of what was killed.
const AFTERMATH: Duration = Duration::from_secs(3);
/// Time between two rounds of killing what a resident shell has started.
const REAP_PACE: Duration = Duration::from_millis(100);
/// Longest wait for a channel that the server does not grant now.
const CHANNEL_WAIT: Duration = Duration::from_secs(60);
/// First look at the output of a running command; later looks come slower.
const FIRST_TAIL: Duration = Duration::from_millis(300);
/// Slowest pace of those looks.
const SLOWEST_TAIL: Duration = Duration::from_secs(2);
/// Bytes fetched per look and stream.
const TAIL_BYTES: usize = 64 * 1024;

/// One connected host.
pub(super) struct Session {
    pub(super) link: Box<dyn Link>,
    pub(super) hello: Hello,
    idle: Mutex<Vec<Lane>>,
    work: Semaphore,
    // One shell is always obtainable for looking and killing, however many commands hang.
    control: Semaphore,
    returned: Notify,
}

/// What a looking request answered.
struct Answer {
    mark: Mark,
    before: [Vec<u8>; 2],
    after: [super::Output; 2],
}

impl Session {
    pub(super) fn new(link: Box<dyn Link>, first: Lane, hello: Hello) -> Arc<Session> {
        Arc::new(Session {
            link,
            hello,
            idle: Mutex::new(vec![first]),
            work: Semaphore::new(bound::CHANNELS_PER_HOST),
            control: Semaphore::new(1),
            returned: Notify::new(),
        })
    }

    fn shelf(&self) -> std::sync::MutexGuard<'_, Vec<Lane>> {
        self.idle.lock().expect("nobody panics while holding the idle shells")
    }

    async fn take(&self) -> Result<Lane, LinkError> {
        loop {
            let returned = self.returned.notified();
            if let Some(lane) = self.shelf().pop() {
                return Ok(lane);
            }
            match self.link.open().await {
                Ok(channel) => {
                    return match Lane::start(channel, ANSWER).await {
                        Ok((lane, _)) => Ok(lane),
                        Err(HelloError::Timeout) => Err(LinkError::Timeout(friendly(ANSWER))),
                        Err(HelloError::Ended(words) | HelloError::Unfit(words)) => Err(LinkError::Lost(words)),
                    };
                }
                Err(LinkError::NoChannel) => timeout(CHANNEL_WAIT, returned).await.map_err(|_| LinkError::NoChannel)?,
                Err(error) => return Err(error),
            }
        }
    }

    fn give_back(&self, lane: Lane) {
        self.shelf().push(lane);
        self.returned.notify_one();
    }

    /// Closes the inputs of all idle shells; those that work end with their work.
    pub(super) fn dismiss(&self) {
        self.shelf().clear();
    }

    /// One plain command.
    pub(super) async fn exec_one(self: &Arc<Self>, request: Exec, keep: usize) -> Result<Captured, StartError> {
        let lost = || {
            Err(StartError::link(
                Certainty::Unknown,
                LinkError::Lost(String::from("the reader ended")),
            ))
        };
        self.exec_all(vec![request], keep).await.pop().unwrap_or_else(lost)
    }

    /// Plain commands, one after the other in one round trip. `keep` bounds each stream.
    pub(super) async fn exec_all(self: &Arc<Self>, requests: Vec<Exec>, keep: usize) -> Vec<Result<Captured, StartError>> {
        let (tell, told) = oneshot::channel();
        let session = Arc::clone(self);
        tokio::spawn(async move {
            let mut tell = tell;
            let results = session.exec_in_turn(&requests, keep, &mut tell).await;
            // The asker may be gone; then the results are nobody's.
            let _ = tell.send(results);
        });
        told.await.unwrap_or_default()
    }

    async fn exec_in_turn(
        self: &Arc<Self>,
        requests: &[Exec],
        keep: usize,
        asker: &mut oneshot::Sender<Vec<Result<Captured, StartError>>>,
    ) -> Vec<Result<Captured, StartError>> {
        let nonces: Vec<String> = requests.iter().map(|_| protocol::nonce()).collect();
        let written: Vec<Result<Vec<u8>, StartError>> = requests
            .iter()
            .zip(&nonces)
            .map(|(request, nonce)| protocol::exec(request, &self.hello.user, nonce))
            .collect();
        let bytes: Vec<u8> = written.iter().flatten().flatten().copied().collect();
        let refuse = |error: LinkError| -> Vec<Result<Captured, StartError>> {
            let refused = |w: Result<Vec<u8>, StartError>| w.and_then(|_| Err(StartError::link(Certainty::NotStarted, error.clone())));
            written.iter().cloned().map(refused).collect()
        };
        let permit = self.work.acquire().await.expect("the semaphore is never closed");
        let mut lane = match self.take().await {
            Ok(lane) => lane,
            Err(error) => return refuse(error),
        };
        let mut results = Vec::with_capacity(requests.len());
        let Lane { stdin, out, err, pid, .. } = &mut lane;
        let receive = async {
            let mut broken: Option<StartError> = None;
            for ((request, nonce), written) in requests.iter().zip(&nonces).zip(&written) {
                let result = match (written, &broken) {
                    (Err(error), _) => Err(error.clone()),
                    (_, Some(error)) => Err(error.clone()),
                    (Ok(_), None) => self.receive_one(*pid, out, err, request, nonce, keep, asker).await,
                };
                if let Err(
                    error @ StartError {
                        kind: StartErrorKind::Link(_),
                        ..
                    },
                ) = &result
                {
                    broken = Some(StartError {
                        certainty: Certainty::Unknown,
                        ..error.clone()
                    });
                }
                results.push(result);
            }
            broken.is_none()
        };
        // A failed write shows as the end of the stream that is read.
        let whole = tokio::select! {
            whole = receive => whole,
            () = async { let _ = send(stdin, &bytes).await; std::future::pending().await } => false,
        };
        if whole {
            self.give_back(lane);
        }
        drop(permit);
        results
    }

    #[allow(clippy::too_many_arguments)]
    async fn receive_one<T>(
        self: &Arc<Self>,
        pid: u32,
        out: &mut super::lane::Reader,
        err: &mut super::lane::Reader,
        request: &Exec,
        nonce: &str,
        keep: usize,
        asker: &mut oneshot::Sender<T>,
    ) -> Result<Captured, StartError> {
        let (mut stdout, mut stderr) = (Kept::new(keep), Kept::new(keep));
        let mut why = EndReason::Exited;
        let mark = {
            let both = async { tokio::try_join!(out.until(nonce, &mut stdout), err.until(nonce, &mut stderr)) };
            tokio::pin!(both);
            let in_time = tokio::select! {
                biased;
                marks = &mut both => Some(marks),
                () = sleep(request.timeout) => None,
                () = asker.closed() => None,
            };
            let marks = match in_time {
                Some(marks) => marks,
                None => {
                    why = EndReason::Timeout;
                    // Repeated: the first round may come before the shell has started the command.
                    let reap = async {
                        loop {
                            let _ = self.ask(format!("rbk_reap {pid}"), ANSWER).await;
                            sleep(REAP_PACE).await;
                        }
                    };
                    let ended = timeout(ANSWER + AFTERMATH, async {
                        tokio::select! { marks = &mut both => marks, never = reap => never }
                    });
                    let marks = ended.await;
                    marks.unwrap_or_else(|_| Err(LinkError::Timeout(friendly(request.timeout))))
                }
            };
            marks
                .map_err(|e| {
                    StartError::link(
                        if why == EndReason::Timeout {
                            Certainty::Started
                        } else {
                            Certainty::Unknown
                        },
                        e,
                    )
                })?
                .0
        };
        let captured = Captured {
            code: mark.rest.parse().unwrap_or(255),
            why,
            stdout: stdout.output,
            stderr: stderr.output,
        };
        refused_by_sudo(request, &self.hello.user, &captured).map_or(Ok(captured), Err)
    }

    /// A request that only looks or kills, on a shell that is free for it.
    async fn ask(self: &Arc<Self>, text: String, within: Duration) -> Result<Option<Answer>, LinkError> {
        let nonce = protocol::nonce();
        self.ask_with(nonce.clone(), format!("{text};rbk_mark {nonce} e 0"), within).await
    }

    async fn ask_with(self: &Arc<Self>, nonce: String, text: String, within: Duration) -> Result<Option<Answer>, LinkError> {
        let session = Arc::clone(self);
        // In a task of its own: an asker that loses interest must not leave half an answer in the stream.
        let task = tokio::spawn(async move {
            let answered = timeout(within, async {
                let _permit = session.control.acquire().await.expect("the semaphore is never closed");
                let mut lane = session.take().await?;
                let answer = converse(&mut lane, &nonce, &protocol::line(&text, &nonce)).await?;
                session.give_back(lane);
                Ok(answer)
            });
            answered.await.unwrap_or_else(|_| Err(LinkError::Timeout(friendly(within))))
        });
        task.await.unwrap_or_else(|e| Err(LinkError::Protocol(e.to_string())))
    }

    /// Does a shell answer?
    pub(super) async fn ping(self: &Arc<Self>) -> bool {
        self.ask(String::from(":"), ANSWER / 2).await.is_ok()
    }

    /// A durable command. The task that reads its answer outlives the asker.
    pub(super) async fn run(self: &Arc<Self>, request: Run, sink: OutputSink) -> Result<Outcome, StartError> {
        let session = Arc::clone(self);
        let task = tokio::spawn(async move { session.run_to_end(&request, &sink).await });
        task.await
            .unwrap_or_else(|e| Err(StartError::link(Certainty::Unknown, LinkError::Protocol(e.to_string()))))
    }

    async fn run_to_end(self: &Arc<Self>, request: &Run, sink: &OutputSink) -> Result<Outcome, StartError> {
        let nonce = protocol::nonce();
        let bytes = protocol::run(request, &self.hello.user, &nonce, bound::OUTPUT_BYTES)?;
        let permit = self.work.acquire().await.expect("the semaphore is never closed");
        let mut lane = self.take().await.map_err(|e| StartError::link(Certainty::NotStarted, e))?;
        let result = self.supervise(&mut lane, request, &nonce, &bytes, sink).await;
        if !matches!(
            &result,
            Err(StartError {
                kind: StartErrorKind::Link(_),
                ..
            })
        ) {
            self.give_back(lane);
        }
        drop(permit);
        result
    }

    async fn supervise(
        self: &Arc<Self>,
        lane: &mut Lane,
        request: &Run,
        nonce: &str,
        bytes: &[u8],
        sink: &OutputSink,
    ) -> Result<Outcome, StartError> {
        let unknown = |e| StartError::link(Certainty::Unknown, e);
        let begun = timeout(request.exec.timeout + ANSWER * 3, async {
            lane.send(bytes).await?;
            lane.past(nonce).await
        });
        let begun = begun
            .await
            .unwrap_or_else(|_| Err(LinkError::Timeout(friendly(ANSWER * 3))))
            .map_err(unknown)?;
        if begun.kind != 's' {
            lane.past(nonce).await.map_err(unknown)?;
            return Err(match begun.rest.as_str() {
                "duplicate" => StartError::new(Certainty::Unknown, StartErrorKind::Duplicate, ""),
                "fenced" => StartError::new(Certainty::NotStarted, StartErrorKind::Fenced, ""),
                other => StartError::new(Certainty::NotStarted, StartErrorKind::StateDir, other),
            });
        }
        let started = |e| StartError::link(Certainty::Started, e);
        let mut live = Live { offsets: [0, 0], sink };
        let ended = {
            let both = lane.past(nonce);
            tokio::pin!(both);
            let patience = request.exec.timeout + request.grace + ANSWER * 2;
            let watched = async {
                tokio::select! { marks = &mut both => marks, never = self.follow(request, &mut live) => never }
            };
            timeout(patience, watched)
                .await
                .unwrap_or_else(|_| Err(LinkError::Timeout(friendly(patience))))
                .map_err(started)?
        };
        let (mut stdout, mut stderr) = (Kept::new(bound::OUTPUT_BYTES), Kept::new(bound::OUTPUT_BYTES));
        let bodies = timeout(ANSWER * 3, lane.both(nonce, &mut stdout, &mut stderr));
        bodies
            .await
            .unwrap_or_else(|_| Err(LinkError::Timeout(friendly(ANSWER * 3))))
            .map_err(started)?;
        live.rest(Stream::Stdout, &stdout.output.bytes).await;
        live.rest(Stream::Stderr, &stderr.output.bytes).await;
        let (code, why) = ending(&ended.rest);
        Ok(Outcome {
            code,
            why,
            stdout: stdout.output,
            stderr: stderr.output,
        })
    }

    /// Shows what the command writes while it runs, and ends one that floods the host's disk. Never returns by itself.
    async fn follow<T>(self: &Arc<Self>, request: &Run, live: &mut Live<'_>) -> T {
        let mut pace = FIRST_TAIL;
        loop {
            sleep(pace).await;
            pace = (pace * 3 / 2).min(SLOWEST_TAIL);
            let nonce = protocol::nonce();
            let [out, err] = live.offsets;
            let text = format!(
                "rbk_tail {nonce} {} {out} {err} {TAIL_BYTES};rbk_mark {nonce} e 0",
                request.id.as_str()
            );
            // No free channel, no live view: the end brings everything.
            let Ok(Some(answer)) = self.ask_with(nonce, text, ANSWER).await else {
                continue;
            };
            let [out, err] = answer.before;
            live.show(Stream::Stdout, &out).await;
            live.show(Stream::Stderr, &err).await;
            if answer
                .mark
                .rest
                .trim()
                .parse::<u64>()
                .is_ok_and(|size| size > protocol::OUTPUT_QUOTA)
            {
                let _ = self.end(&request.id, Duration::from_secs(1), "quota").await;
            }
        }
    }

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

async fn converse(lane: &mut Lane, nonce: &str, bytes: &[u8]) -> Result<Option<Answer>, LinkError> {
    lane.send(bytes).await?;
    let (mut out_before, mut err_before) = (Kept::new(TAIL_BYTES), Kept::new(TAIL_BYTES));
    let mark = lane.both(nonce, &mut out_before, &mut err_before).await?;
    if mark.kind == 'e' {
        return Ok(None);
    }
    let (mut out_after, mut err_after) = (Kept::new(bound::OUTPUT_BYTES), Kept::new(bound::OUTPUT_BYTES));
    lane.both(nonce, &mut out_after, &mut err_after).await?;
    Ok(Some(Answer {
        mark,
        before: [out_before.output.bytes, err_before.output.bytes],
        after: [out_after.output, err_after.output],
    }))
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

fn ending(rest: &str) -> (i32, EndReason) {
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

fn refused_by_sudo(request: &Exec, user: &str, captured: &Captured) -> Option<StartError> {
    let other = matches!(&request.run_as, RunAs::User(name) if name != user);
    let said = &captured.stderr.bytes;
    let refused = captured.code == 1 && (said.starts_with(b"sudo: ") || said.starts_with(b"Sorry, user "));
    (other && refused).then(|| {
        let words = String::from_utf8_lossy(said).trim().to_owned();
        StartError::new(Certainty::NotStarted, StartErrorKind::RunAsDenied, words)
    })
}

/// The live view of one command.
struct Live<'a> {
    offsets: [usize; 2],
    sink: &'a OutputSink,
}

impl Live<'_> {
    async fn show(&mut self, stream: Stream, bytes: &[u8]) {
        let offset = &mut self.offsets[usize::from(stream == Stream::Stderr)];
        let room = bound::OUTPUT_BYTES.saturating_sub(*offset).min(bytes.len());
        *offset += room;
        if room > 0 && !self.sink.is_closed() {
            // A view that does not keep up loses pieces; the result has them all.
            let chunk = Chunk {
                stream,
                bytes: bytes[..room].to_vec(),
            };
            let _ = timeout(SLOWEST_TAIL, self.sink.send(chunk)).await;
        }
    }

    async fn rest(&mut self, stream: Stream, all: &[u8]) {
        let from = self.offsets[usize::from(stream == Stream::Stderr)].min(all.len());
        self.show(stream, &all[from..]).await;
    }
}
