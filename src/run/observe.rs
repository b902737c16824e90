//! Performs operations that only read. This is all that a dry-run is given: it has no way to change anything, since what it holds of the
//! connections is a [`Sight`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::task::JoinSet;

use super::connections::Connections;
use super::exchange::{self, StreamError};
use super::history;
use super::sight::{Eyes, Sight};
use crate::base::bound;
use crate::base::sanitise;
use crate::base::secret::Sensitive;
use crate::journal::Journal;
use crate::model::operation::{Act, Identity, Operation, Output, Target, Trouble, TroubleKind};
use crate::secrets::Vault;
use crate::transport::{
    self, Captured, EndReason, Exec, FileError, Program, RemoteFile, RunAs, SocketError, SocketErrorKind, StartError, StartErrorKind,
};

/// Looks at hosts.
#[derive(Clone)]
pub struct Observer {
    sight: Sight,
    pub(super) vault: Arc<Vault>,
    /// What runs have done, where there is a record of it.
    journal: Option<Arc<dyn Journal>>,
}

impl Observer {
    /// Looks through these connections.
    #[must_use]
    pub fn new(connections: Arc<Connections>) -> Observer {
        Observer {
            sight: Sight::through(connections),
            vault: Arc::new(Vault::empty()),
            journal: None,
        }
    }

    /// Also knows these secrets: puts them into what is sent and takes them out of what comes back.
    #[must_use]
    pub fn with(self, vault: Arc<Vault>) -> Observer {
        Observer { vault, ..self }
    }

    /// The same, with a record of what runs have done.
    #[must_use]
    pub fn knowing(self, journal: Option<Arc<dyn Journal>>) -> Observer {
        Observer { journal, ..self }
    }

    /// Performs read-only operations; one output each, in the same order. Hosts are looked at side by side, and the programs of one
    /// host share a round trip. With a pause among them, they are performed one after the other.
    pub async fn observe(&self, operations: &[Operation]) -> Vec<Output> {
        let outputs = self.all(operations).await;
        outputs.into_iter().map(|o| self.vault.mask(o)).collect()
    }

    async fn all(&self, operations: &[Operation]) -> Vec<Output> {
        if operations.iter().any(|o| matches!(o.act, Act::Pause { .. })) {
            let mut outputs = Vec::with_capacity(operations.len());
            for operation in operations {
                outputs.push(self.one(operation).await);
            }
            return outputs;
        }
        let mut outputs: Vec<Option<Output>> = vec![None; operations.len()];
        let mut tasks: JoinSet<Vec<(usize, Output)>> = JoinSet::new();
        let mut folded: HashMap<Target, Vec<(usize, Operation)>> = HashMap::new();
        for (i, operation) in operations.iter().enumerate() {
            if foldable(operation) {
                folded.entry(operation.target.clone()).or_default().push((i, operation.clone()));
            } else {
                let (observer, operation) = (self.clone(), operation.clone());
                tasks.spawn(async move { vec![(i, observer.one(&operation).await)] });
            }
        }
        for (target, probes) in folded {
            let observer = self.clone();
            tasks.spawn(async move { observer.fold(&target, probes).await });
        }
        while let Some(done) = tasks.join_next().await {
            for (i, output) in done.unwrap_or_default() {
                outputs[i] = Some(output);
            }
        }
        let broken = || failed(TroubleKind::Other, "the look was interrupted", false);
        outputs.into_iter().map(|o| o.unwrap_or_else(broken)).collect()
    }

    async fn fold(&self, target: &Target, probes: Vec<(usize, Operation)>) -> Vec<(usize, Output)> {
        let mut outputs = Vec::with_capacity(probes.len());
        let (mut sent, mut requests) = (Vec::with_capacity(probes.len()), Vec::with_capacity(probes.len()));
        for (i, operation) in probes {
            match self.request(&operation) {
                Ok(request) => {
                    sent.push((i, operation));
                    requests.push(request);
                }
                Err(output) => outputs.push((i, output)),
            }
        }
        let mut results = Vec::new();
        // A look may be repeated: a connection that was lost in between is opened again once.
        for last in [false, true] {
            let eyes = match self.sight.to(target).await {
                Ok(host) => host,
                Err(trouble) => {
                    outputs.extend(sent.into_iter().map(|(i, _)| (i, Output::Failed(trouble.clone()))));
                    return outputs;
                }
            };
            results = match requests.as_slice() {
                [only] => vec![eyes.exec(only.clone()).await],
                _ => eyes.exec_many(requests.clone()).await,
            };
            let lost = results.iter().any(|r| matches!(r, Err(e) if e.is_transient()));
            if !lost || last {
                break;
            }
            self.sight.lost(target, &eyes).await;
        }
        for ((i, operation), result) in sent.into_iter().zip(results) {
            let output = match &operation.act {
                Act::ReadFile { path } => match transport::read_answer(path, transport::FOLDED_BYTES, result) {
                    // Too long to share a round trip.
                    Err(FileError::TooLarge { .. }) => self.one(&operation).await,
                    answer => file(answer),
                },
                _ => exited(result),
            };
            outputs.push((i, output));
        }
        outputs
    }

    /// Performs one read-only operation; refuses any other.
    pub async fn one(&self, operation: &Operation) -> Output {
        self.vault.mask(self.unmasked(operation).await)
    }

    async fn unmasked(&self, operation: &Operation) -> Output {
        if !operation.act.reads() {
            return failed(
                TroubleKind::Other,
                "this would change something, and only looking is allowed here",
                false,
            );
        }
        match &operation.act {
            Act::Pause { span } => {
                tokio::time::sleep(*span).await;
                Output::Paused
            }
            Act::Tcp { address, port } => match exchange::stream(&self.sight, &operation.target, address, *port, operation.timeout).await {
                Ok(_) => Output::Tcp { open: true },
                Err(StreamError::Host(trouble)) => Output::Failed(trouble),
                Err(StreamError::Target(_)) => Output::Tcp { open: false },
            },
            Act::Http { .. } => exchange::look(&self.sight, &self.vault, operation).await,
            Act::History { resource, last } => self.history(resource.clone(), *last).await,
            _ => self.on_host(operation).await,
        }
    }

    async fn history(&self, resource: String, last: usize) -> Output {
        // No journal yet: no run has changed anything.
        let Some(journal) = self.journal.clone() else {
            return Output::History { changes: Vec::new() };
        };
        let read = tokio::task::spawn_blocking(move || history::changes(journal.as_ref(), &resource, last)).await;
        match read {
            Ok(Ok(changes)) => Output::History { changes },
            Ok(Err(error)) => failed(TroubleKind::Other, &format!("the journal cannot be read: {error}"), false),
            Err(_) => failed(TroubleKind::Other, "the look into the journal was interrupted", false),
        }
    }

    async fn on_host(&self, operation: &Operation) -> Output {
        let mut output = failed(TroubleKind::Other, "nothing was looked at", false);
        for last in [false, true] {
            let eyes = match self.sight.to(&operation.target).await {
                Ok(host) => host,
                Err(trouble) => return Output::Failed(trouble),
            };
            let transient;
            (output, transient) = self.look(&eyes, operation).await;
            if !transient || last {
                break;
            }
            self.sight.lost(&operation.target, &eyes).await;
        }
        output
    }

    async fn look(&self, eyes: &Eyes, operation: &Operation) -> (Output, bool) {
        let run_as = run_as(&operation.run_as);
        match &operation.act {
            Act::Probe { .. } => {
                let request = match self.exec(operation) {
                    Ok(request) => request,
                    Err(output) => return (output, false),
                };
                let result = eyes.exec(request).await;
                let transient = matches!(&result, Err(e) if e.is_transient());
                (exited(result), transient)
            }
            Act::ReadFile { path } => {
                let answer = eyes.read_file(path, run_as, bound::REMOTE_FILE_BYTES).await;
                let transient = matches!(&answer, Err(e) if e.is_transient());
                (file(answer), transient)
            }
            Act::Socket { path, request, .. } => match eyes.socket(path, request.as_bytes(), run_as, operation.timeout).await {
                Ok(bytes) => (Output::Answer { text: lossy(&bytes) }, false),
                Err(error) => (socket_trouble(&error), error.is_transient()),
            },
            _ => (failed(TroubleKind::Other, "this cannot be looked at on a host", false), false),
        }
    }

    fn request(&self, operation: &Operation) -> Result<Exec, Output> {
        match &operation.act {
            Act::ReadFile { path } => {
                transport::read_request(path, run_as(&operation.run_as), transport::FOLDED_BYTES).map_err(|e| file_trouble(&e))
            }
            _ => self.exec(operation),
        }
    }

    /// A program that only reads, with its secrets put in. `Err`: one of them is not to be had.
    fn exec(&self, operation: &Operation) -> Result<Exec, Output> {
        let Act::Probe { argv, stdin, env } = &operation.act else {
            return Err(failed(TroubleKind::Other, "not a program", false));
        };
        let (stdin, env) = self.revealed(stdin, env)?;
        Ok(Exec {
            program: Program::Argv(argv.clone()),
            stdin,
            env,
            cwd: None,
            run_as: run_as(&operation.run_as),
            timeout: operation.timeout,
        })
    }

    /// Input and environment of a program as they are sent.
    pub(super) fn revealed(&self, stdin: &Sensitive, env: &BTreeMap<String, Sensitive>) -> Result<Sent, Output> {
        let missing = |why: String| failed(TroubleKind::Denied, &why, false);
        let stdin = self.vault.reveal(stdin).map_err(missing)?.into_bytes();
        let env: Result<Vec<(String, String)>, String> = env
            .iter()
            .map(|(name, value)| Ok((name.clone(), self.vault.reveal(value)?)))
            .collect();
        Ok((stdin, env.map_err(missing)?))
    }
}

/// Input and environment of a program.
type Sent = (Vec<u8>, Vec<(String, String)>);

/// May it share a round trip with others of its host?
fn foldable(operation: &Operation) -> bool {
    match &operation.act {
        Act::Probe { stdin, .. } => stdin.is_empty(),
        Act::ReadFile { .. } => true,
        _ => false,
    }
}

fn file(answer: Result<Option<RemoteFile>, FileError>) -> Output {
    let file = match answer {
        Ok(Some(file)) => file,
        Ok(None) => return Output::NoFile,
        Err(error) => return file_trouble(&error),
    };
    let (content, utf8) = match String::from_utf8(file.content) {
        Ok(text) => (text, true),
        Err(error) => (lossy(error.as_bytes()), false),
    };
    Output::File {
        content,
        utf8,
        mode: format!("{:04o}", file.mode & 0o7777),
        owner: file.owner,
        group: file.group,
        sha256: file.sha256,
    }
}

/// A failed output.
pub(super) fn failed(kind: TroubleKind, message: &str, may_have_happened: bool) -> Output {
    Output::Failed(Trouble {
        kind,
        message: sanitise::for_terminal(message),
        may_have_happened,
    })
}

pub(super) fn run_as(identity: &Identity) -> RunAs {
    match identity {
        Identity::Login => RunAs::Login,
        Identity::User(user) => RunAs::User(user.clone()),
    }
}

pub(super) fn exited(result: Result<Captured, StartError>) -> Output {
    match result {
        Ok(captured) => match captured.why {
            EndReason::Exited => Output::Exited {
                code: captured.code,
                stdout: lossy(&captured.stdout.bytes),
                stderr: lossy(&captured.stderr.bytes),
                truncated: captured.stdout.truncated || captured.stderr.truncated,
            },
            EndReason::Timeout => failed(TroubleKind::Timeout, "it did not end in time and was killed", true),
            EndReason::Cancelled => failed(TroubleKind::Other, "it was cancelled", true),
            EndReason::OutputQuota => failed(TroubleKind::Other, "it wrote more than the host may store and was killed", true),
        },
        Err(error) => {
            let kind = match error.kind {
                StartErrorKind::RunAsDenied => TroubleKind::Denied,
                StartErrorKind::Link(_) => TroubleKind::Unreachable,
                _ => TroubleKind::Other,
            };
            failed(
                kind,
                &error.to_string(),
                error.certainty() != crate::transport::Certainty::NotStarted,
            )
        }
    }
}

pub(super) fn file_trouble(error: &FileError) -> Output {
    failed(
        TroubleKind::Other,
        &error.to_string(),
        error.certainty() != crate::transport::Certainty::NotStarted,
    )
}

pub(super) fn socket_trouble(error: &SocketError) -> Output {
    let kind = match &error.kind {
        SocketErrorKind::Absent | SocketErrorKind::Refused => TroubleKind::Absent,
        SocketErrorKind::Denied { .. } => TroubleKind::Denied,
        SocketErrorKind::Timeout => TroubleKind::Timeout,
        _ => TroubleKind::Other,
    };
    failed(
        kind,
        &error.to_string(),
        error.certainty() != crate::transport::Certainty::NotStarted,
    )
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::transport::{Connector, FOLDED_BYTES};

    fn here(act: Act) -> Operation {
        Operation {
            target: Target::Controller,
            run_as: Identity::Login,
            act,
            timeout: Duration::from_secs(20),
        }
    }

    #[tokio::test]
    async fn files_are_read_among_programs_and_each_answer_finds_its_question() {
        let dir = std::env::temp_dir().join(format!("rbk-observe-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&dir).unwrap();
        let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
        let long = "x".repeat(FOLDED_BYTES + 1);
        std::fs::write(path("short"), "short\n").unwrap();
        std::fs::write(path("long"), &long).unwrap();
        let read = |path: String| here(Act::ReadFile { path });
        let say = |word: &str| {
            here(Act::Probe {
                argv: vec!["echo".into(), word.into()],
                stdin: Default::default(),
                env: Default::default(),
            })
        };
        let asked = [
            say("a"),
            read(path("short")),
            read(path("none")),
            read("relative".into()),
            read(path("long")),
            say("b"),
        ];
        let connections = Arc::new(Connections::new(Arc::new(Connector::new()), Arc::default(), Vec::new()));
        let seen = Observer::new(connections.clone()).observe(&asked).await;
        connections.close().await;
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(
            matches!(&seen[0], Output::Exited { code: 0, stdout, .. } if stdout == "a\n"),
            "{:?}",
            seen[0]
        );
        assert!(
            matches!(&seen[1], Output::File { content, .. } if content == "short\n"),
            "{:?}",
            seen[1]
        );
        assert_eq!(seen[2], Output::NoFile);
        assert!(matches!(&seen[3], Output::Failed(_)), "{:?}", seen[3]);
        assert!(matches!(&seen[4], Output::File { content, .. } if *content == long));
        assert!(
            matches!(&seen[5], Output::Exited { code: 0, stdout, .. } if stdout == "b\n"),
            "{:?}",
            seen[5]
        );
    }
}
