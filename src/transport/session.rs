//! One connected host: hands out resident shells and runs plain commands through them.
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
use super::{Captured, Certainty, EndReason, Exec, LinkError, RunAs, StartError, StartErrorKind};

/// Time for a shell to say hello, or to answer a request that does nothing but look.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// Time between a kill and the end of what was killed.
pub(super) const AFTERMATH: Duration = Duration::from_secs(3);
/// Time between two rounds of killing what a resident shell has started.
const REAP_PACE: Duration = Duration::from_millis(100);
/// Longest wait for a channel that the server does not grant now.
const CHANNEL_WAIT: Duration = Duration::from_secs(60);
/// Bytes fetched per look and stream.
pub(super) const TAIL_BYTES: usize = 64 * 1024;

/// One connected host.
pub(super) struct Session {
    pub(super) link: Box<dyn Link>,
    pub(super) hello: Hello,
    idle: Mutex<Vec<Lane>>,
    pub(super) work: Semaphore,
    // One shell is always obtainable for looking and killing, however many commands hang.
    control: Semaphore,
    returned: Notify,
}

/// What a looking request answered.
pub(super) struct Answer {
    pub(super) mark: Mark,
    pub(super) before: [Vec<u8>; 2],
    pub(super) after: [super::Output; 2],
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

    pub(super) async fn take(&self) -> Result<Lane, LinkError> {
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

    pub(super) fn give_back(&self, lane: Lane) {
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
            let results = session.exec_to_end(requests, keep, &mut tell).await;
            // The asker may be gone; then the results are nobody's.
            let _ = tell.send(results);
        });
        told.await.unwrap_or_default()
    }

    /// What followed a killed command in the same round trip may have been killed with it: it only reads, so it is run again.
    async fn exec_to_end(
        self: &Arc<Self>,
        mut requests: Vec<Exec>,
        keep: usize,
        asker: &mut oneshot::Sender<Vec<Result<Captured, StartError>>>,
    ) -> Vec<Result<Captured, StartError>> {
        let mut done = Vec::with_capacity(requests.len());
        loop {
            let results = self.exec_in_turn(&requests, keep, asker).await;
            let killed = results.iter().position(|r| matches!(r, Ok(c) if c.why == EndReason::Timeout));
            let Some(at) = killed.filter(|at| at + 1 < requests.len() && !asker.is_closed()) else {
                done.extend(results);
                return done;
            };
            done.extend(results.into_iter().take(at + 1));
            requests.drain(..=at);
        }
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
                    let killed = self.kill_below(pid, both.as_mut()).await;
                    killed.unwrap_or_else(|| Err(LinkError::Timeout(friendly(request.timeout))))
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

    /// Kills what a resident shell runs until `end` says that it is over; `None` when it cannot be said.
    async fn kill_below<T>(self: &Arc<Self>, pid: u32, mut end: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let patience = tokio::time::Instant::now() + ANSWER + AFTERMATH;
        // Repeated: the first round may come before the shell has started the command.
        while tokio::time::Instant::now() < patience {
            // Each round is awaited to its own end: a late one would kill the next command of this shell.
            let (round, ended) = tokio::join!(self.ask(format!("rbk_reap {pid}"), ANSWER), timeout(REAP_PACE, end.as_mut()));
            round.ok()?;
            if let Ok(ended) = ended {
                return Some(ended);
            }
        }
        None
    }

    /// A request that only looks or kills, on a shell that is free for it.
    async fn ask(self: &Arc<Self>, text: String, within: Duration) -> Result<Option<Answer>, LinkError> {
        let nonce = protocol::nonce();
        self.ask_with(nonce.clone(), format!("{text};rbk_mark {nonce} e 0"), within).await
    }

    pub(super) async fn ask_with(self: &Arc<Self>, nonce: String, text: String, within: Duration) -> Result<Option<Answer>, LinkError> {
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

fn refused_by_sudo(request: &Exec, user: &str, captured: &Captured) -> Option<StartError> {
    let other = matches!(&request.run_as, RunAs::User(name) if name != user);
    let said = &captured.stderr.bytes;
    let refused = captured.code == 1 && (said.starts_with(b"sudo: ") || said.starts_with(b"Sorry, user "));
    (other && refused).then(|| {
        let words = String::from_utf8_lossy(said).trim().to_owned();
        StartError::new(Certainty::NotStarted, StartErrorKind::RunAsDenied, words)
    })
}
