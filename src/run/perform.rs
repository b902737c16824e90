//! Performs operations that change something. Only an attempt whose intent is on disk is given one of these.

use std::sync::Arc;
use std::time::Duration;

use super::channels::Channels;
use super::connections::Connections;
use super::exchange;
use super::observe::{self, Observer, failed};
use crate::model::operation::{Act, Operation, Output, PutFile, Trouble, TroubleKind};
use crate::transport::{
    Attached, AttemptId, Certainty, Exec, FileError, KillReport, LinkError, LostReason, Outcome, Program, Put, PutOutcome, Run,
    StartErrorKind,
};

/// What a recovered attempt says of a program that never ran.
pub(super) const NEVER_STARTED: &str = "it never started";
/// Between TERM and KILL.
const GRACE: Duration = Duration::from_secs(10);
/// Looks at an attempt whose connection was lost, before its outcome is called unknown.
const REATTACHES: u32 = 6;

/// Changes hosts.
#[derive(Clone)]
pub struct Performer {
    connections: Arc<Connections>,
    observer: Observer,
    channels: Channels,
}

/// Which attempt an operation belongs to; names it on the host.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `<run uid>.<node>.<attempt>`
    pub prefix: String,
    /// Another process began this attempt.
    pub recovery: Recovery,
}

/// What to do about operations that another process may have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nobody else has sent anything.
    None,
    /// Find out what became of programs; send nothing. Whatever was looked at then is too old to act on.
    Attach,
    /// Find out what became of programs; send what was not sent. For taking back, where everything was looked at again.
    Continue,
}

impl Performer {
    /// Changes hosts through these connections and tells people through these channels.
    #[must_use]
    pub fn new(connections: Arc<Connections>, observer: Observer, channels: Channels) -> Performer {
        Performer {
            connections,
            observer,
            channels,
        }
    }

    /// The eyes that go with the hands.
    #[must_use]
    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Performs operations in order; stops after the first that came to no answer.
    pub async fn perform(&self, operations: &[Operation], identity: &Identity) -> Vec<Output> {
        let mut outputs = Vec::with_capacity(operations.len());
        for (i, operation) in operations.iter().enumerate() {
            let output = self.observer.vault.mask(self.one(operation, identity, i).await);
            let output = guarded(operation, output);
            let stop = matches!(output, Output::Failed(_));
            outputs.push(output);
            if stop {
                break;
            }
        }
        outputs
    }

    async fn one(&self, operation: &Operation, identity: &Identity, index: usize) -> Output {
        let sends_again = !operation.act.reads() && !matches!(operation.act, Act::Run { .. });
        if identity.recovery == Recovery::Attach && sends_again {
            return failed(TroubleKind::Other, "the controller ended while this was under way", true);
        }
        match &operation.act {
            Act::Run { .. } => self.run(operation, identity, index).await,
            Act::PutFile(file) => self.put(operation, file).await,
            Act::Socket {
                path,
                request,
                read_only: false,
            } => self.socket(operation, path, request).await,
            Act::Http { read_only: false, .. } => match exchange::send(&self.connections, &self.observer.vault, operation).await {
                // A request without an answer may have been carried out; only its author could say whether to send it twice.
                Output::Failed(trouble) if trouble.may_have_happened => Output::Failed(Trouble {
                    kind: TroubleKind::Other,
                    ..trouble
                }),
                output => output,
            },
            Act::Notify { .. } => self.channels.tell(operation).await,
            _ => self.observer.one(operation).await,
        }
    }

    async fn run(&self, operation: &Operation, identity: &Identity, index: usize) -> Output {
        let Act::Run { argv, stdin, env, cwd } = &operation.act else {
            return failed(TroubleKind::Other, "not a program", false);
        };
        let id = match AttemptId::new(format!("{}.{index}", identity.prefix)) {
            Ok(id) => id,
            Err(why) => return failed(TroubleKind::Other, &why, false),
        };
        // What was sent before may still be found without its secrets; only a new start needs them.
        let exec = self.observer.revealed(stdin, env).map(|(stdin, env)| Exec {
            program: Program::Argv(argv.clone()),
            stdin,
            env,
            cwd: cwd.clone(),
            run_as: observe::run_as(&operation.run_as),
            timeout: operation.timeout,
        });
        if identity.recovery != Recovery::None {
            return match self.follow(operation, &id).await {
                // It may have written a secret that is not known here, which nothing could mask.
                Found::Ended(output) if exec.is_err() => withheld(*output),
                Found::Ended(output) => self.cleaned(operation, &id, *output).await,
                Found::Never if identity.recovery == Recovery::Attach => failed(TroubleKind::Other, NEVER_STARTED, index > 0),
                // Its name is used up; starting under another one is safe, since the first never will.
                Found::Never => match (AttemptId::new(format!("{}.{index}r", identity.prefix)), exec) {
                    (Ok(fresh), Ok(exec)) => self.start(operation, &fresh, exec).await,
                    (Err(why), _) => failed(TroubleKind::Other, &why, false),
                    (_, Err(output)) => output,
                },
            };
        }
        match exec {
            Ok(exec) => self.start(operation, &id, exec).await,
            Err(output) => output,
        }
    }

    async fn start(&self, operation: &Operation, id: &AttemptId, exec: Exec) -> Output {
        let output = self.started(operation, id, exec).await;
        self.cleaned(operation, id, output).await
    }

    async fn started(&self, operation: &Operation, id: &AttemptId, exec: Exec) -> Output {
        let run = Run {
            id: id.clone(),
            exec,
            grace: GRACE,
        };
        let mut output = failed(TroubleKind::Other, "nothing was started", false);
        for last in [false, true] {
            let host = match self.connections.to(&operation.target).await {
                Ok(host) => host,
                Err(trouble) => return Output::Failed(trouble),
            };
            // The result holds the output; nobody watches the pieces.
            let (sink, _) = tokio::sync::mpsc::channel(1);
            let result = host.run(run.clone(), sink).await;
            let Err(error) = &result else { return observe::exited(result) };
            let started = error.certainty() != Certainty::NotStarted || error.kind == StartErrorKind::Duplicate;
            // An old connection that turns out dead before anything was sent over it is opened again once.
            let again = !started && error.is_transient() && !last;
            if started || again {
                self.connections.lost(&operation.target, &host).await;
            }
            if started {
                return match self.follow(operation, id).await {
                    Found::Never => failed(
                        TroubleKind::Unreachable,
                        &format!("the connection was lost before it started: {error}"),
                        false,
                    ),
                    Found::Ended(output) => *output,
                };
            }
            output = observe::exited(result);
            if !again {
                break;
            }
        }
        output
    }

    /// A program that wrote a secret has left it on its host as well, where whoever attaches would find it.
    async fn cleaned(&self, operation: &Operation, id: &AttemptId, output: Output) -> Output {
        let masked = self.observer.vault.mask(output.clone());
        let Output::Exited { stdout, stderr, .. } = &masked else {
            return masked;
        };
        if masked == output {
            return masked;
        }
        let cleaned = match self.connections.to(&operation.target).await {
            Ok(host) => host
                .keep_instead(id, stdout.clone().into_bytes(), stderr.clone().into_bytes())
                .await
                .map_err(|e| e.to_string()),
            Err(trouble) => Err(trouble.message),
        };
        if let Err(why) = cleaned {
            tracing::error!("what {id:?} wrote holds a secret and stays in its login user's state folder for a week: {why}");
        }
        masked
    }

    /// Finds out what became of an attempt, over new connections if need be.
    async fn follow(&self, operation: &Operation, id: &AttemptId) -> Found {
        let mut pause = Duration::from_millis(500);
        let mut last = String::from("no connection");
        for _ in 0..REATTACHES {
            match self.connections.to(&operation.target).await {
                Ok(host) => match host.attach(id, operation.timeout).await {
                    Ok(attached) => return self.found(operation, id, attached).await,
                    Err(error) => {
                        last = error.to_string();
                        if !matches!(error, LinkError::Protocol(_)) {
                            self.connections.lost(&operation.target, &host).await;
                        }
                    }
                },
                Err(trouble) => last = trouble.message,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(8));
        }
        Found::ended(failed(TroubleKind::Unreachable, &format!("its outcome is unknown: {last}"), true))
    }

    async fn found(&self, operation: &Operation, id: &AttemptId, attached: Attached) -> Found {
        let lost = |why: &str| Found::ended(failed(TroubleKind::Other, &format!("its outcome is unknown: {why}"), true));
        match attached {
            Attached::Never => Found::Never,
            Attached::Done(outcome) => Found::ended(done(outcome)),
            Attached::Running => {
                let killed = match self.connections.to(&operation.target).await {
                    Ok(host) => host
                        .cancel(id, GRACE)
                        .await
                        .is_ok_and(|report| !matches!(report, KillReport::Alive { .. })),
                    Err(_) => false,
                };
                if killed {
                    Found::ended(failed(TroubleKind::Timeout, "it did not end in time and was killed", true))
                } else {
                    lost("it did not end in time and could not be killed")
                }
            }
            Attached::Orphan { .. } => lost("its supervisor on the host was killed, the program still runs"),
            Attached::Lost(LostReason::Reboot) => lost("the host has booted since"),
            Attached::Lost(_) => lost("its supervisor on the host was killed"),
            Attached::Error(why) => lost(&why),
        }
    }

    async fn put(&self, operation: &Operation, file: &PutFile) -> Output {
        let request = Put {
            path: file.path.clone(),
            content: file.content.clone().into_bytes(),
            mode: file.mode.as_ref().and_then(|m| u32::from_str_radix(m, 8).ok()),
            owner: file.owner.clone(),
            group: file.group.clone(),
            validate: file.validate.clone(),
            backup: file.backup,
            expect_sha256: file.expect.clone(),
            run_as: observe::run_as(&operation.run_as),
        };
        let mut output = failed(TroubleKind::Other, "nothing was written", false);
        for last in [false, true] {
            let host = match self.connections.to(&operation.target).await {
                Ok(host) => host,
                Err(trouble) => return Output::Failed(trouble),
            };
            let result = host.put(request.clone()).await;
            // Writing the same content twice is writing it once, so a lost answer may be asked for again.
            let again = matches!(&result, Err(e) if e.is_transient()) && !last;
            output = written(&file.path, result);
            if !again {
                break;
            }
            self.connections.lost(&operation.target, &host).await;
        }
        output
    }

    async fn socket(&self, operation: &Operation, path: &str, request: &str) -> Output {
        let mut output = failed(TroubleKind::Other, "nothing was sent", false);
        for last in [false, true] {
            let host = match self.connections.to(&operation.target).await {
                Ok(host) => host,
                Err(trouble) => return Output::Failed(trouble),
            };
            let run_as = observe::run_as(&operation.run_as);
            match host.socket(path, request.as_bytes(), run_as, operation.timeout).await {
                Ok(bytes) => {
                    return Output::Answer {
                        text: observe::lossy(&bytes),
                    };
                }
                Err(error) => {
                    // What is set through a runtime socket is set by value: twice is once.
                    let again = error.is_transient() && !last;
                    output = observe::socket_trouble(&error);
                    if !again {
                        break;
                    }
                    self.connections.lost(&operation.target, &host).await;
                }
            }
        }
        output
    }
}

enum Found {
    Never,
    Ended(Box<Output>),
}

impl Found {
    fn ended(output: Output) -> Found {
        Found::Ended(Box::new(output))
    }
}

/// A program's end without what it wrote.
fn withheld(output: Output) -> Output {
    match output {
        Output::Exited { code, .. } => Output::Exited {
            code,
            stdout: String::new(),
            stderr: String::from("(withheld: a secret of this run is not to be had here, so it could not be masked)"),
            truncated: true,
        },
        other => other,
    }
}

fn done(outcome: Outcome) -> Output {
    observe::exited(Ok(outcome))
}

fn written(path: &str, result: Result<PutOutcome, FileError>) -> Output {
    match result {
        Ok(PutOutcome::Unchanged) => Output::Put {
            written: false,
            backup: None,
        },
        Ok(PutOutcome::Written { backup }) => Output::Put { written: true, backup },
        Ok(PutOutcome::ValidationFailed { code, output }) => {
            let message = format!(
                "{path}: the new content was not put in place, its validation failed (status {code}):\n{}",
                output.trim_end()
            );
            failed(TroubleKind::Invalid, &message, false)
        }
        Ok(PutOutcome::Conflict { found_sha256 }) => {
            let message =
                format!("{path}: somebody changed it since it was read (SHA-256 now {found_sha256}); nothing was written, run again");
            failed(TroubleKind::Conflict, &message, false)
        }
        Err(error) => observe::file_trouble(&error),
    }
}

/// A look that stands among the operations of a change is a guard: what does not hold stops the change before its next operation.
fn guarded(operation: &Operation, output: Output) -> Output {
    if !operation.act.reads() {
        return output;
    }
    match (&operation.act, output) {
        (Act::Http { url, .. }, Output::Http { status, .. }) if !(200..400).contains(&status) => failed(
            TroubleKind::Invalid,
            &format!("{url} answered {status}; nothing after it was done"),
            false,
        ),
        (Act::Probe { argv, .. }, Output::Exited { code, stdout, stderr, .. }) if code != 0 => {
            let words = if stderr.trim().is_empty() { stdout } else { stderr };
            let program = argv.first().map_or("", String::as_str);
            failed(
                TroubleKind::Invalid,
                &format!("{program} ended with {code}; nothing after it was done: {}", words.trim()),
                false,
            )
        }
        (_, output) => output,
    }
}
