//! Durable commands: sent once, supervised on the host, shown while they run. What became of them is asked in `attempt`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::base::bound;
use crate::base::clock::friendly;

use super::attempt::ending;
use super::lane::{Kept, Lane};
use super::protocol;
use super::session::{ANSWER, Session, TAIL_BYTES};
use super::{Certainty, Chunk, LinkError, Outcome, OutputSink, Run, StartError, StartErrorKind, Stream};

/// First look at the output of a running command; later looks come slower.
const FIRST_TAIL: Duration = Duration::from_millis(300);
/// Slowest pace of those looks.
const SLOWEST_TAIL: Duration = Duration::from_secs(2);

impl Session {
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
