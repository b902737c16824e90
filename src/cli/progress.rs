//! Drives a run before somebody's eyes: rows on a terminal, one line per change elsewhere, NDJSON for programs; asks for approvals;
//! turns Ctrl-C into a wish.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::arguments::Format;
use super::asker::{self, Asker};
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::{err, interactive, out};
use crate::base::id::{NodeId, RunId};
use crate::base::sanitise;
use crate::engine::Input;
use crate::model::approval::ApprovalRequest;
use crate::model::event::{Event, Record, RunCreated};
use crate::report::approval::answer_with;
use crate::report::{self, Story, Style};
use crate::run::dispatcher::INBOX;
use crate::run::supervisor::Supervisor;
use crate::run::system;

/// How to drive.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Take the run from a controller that seems to be alive.
    pub force: bool,
    /// Leave when an approval is asked for.
    pub detach: bool,
    /// Shape of what is printed.
    pub format: Format,
}

/// Drives a run to its end and prints it.
///
/// # Errors
/// The run is somebody else's, a pool is not to be had, the journal fails.
pub fn drive(context: &Context, supervisor: &Supervisor, run: RunId, options: Options) -> Result<Exit, CliError> {
    drive_on(&super::runtime()?, context, supervisor, run, options)
}

/// As [`drive`], where the supervisor's connections live already.
///
/// # Errors
/// As [`drive`].
pub fn drive_on(runtime: &Runtime, context: &Context, supervisor: &Supervisor, run: RunId, options: Options) -> Result<Exit, CliError> {
    let exit = runtime.block_on(watch(context, supervisor, run, options))?;
    let records = supervisor.journal.events(run)?;
    let story = Story::of(&records);
    match (options.format, &story) {
        (Format::Ndjson, story) => out(&format!("{}\n", report::live::summary_line(exit as u8, story.as_ref()))),
        (_, Some(story)) if exit != Exit::Waiting => out(&report::end::text(story, Style { color: context.colors.out })),
        _ => {}
    }
    Ok(exit)
}

async fn watch(context: &Context, supervisor: &Supervisor, run: RunId, options: Options) -> Result<Exit, CliError> {
    let (news, mut records) = mpsc::channel::<Record>(INBOX);
    let before = supervisor.journal.events(run)?;
    let mut screen = Screen::new(context, options, &before);
    if options.format == Format::Text {
        // What was asked before this process took the run up is asked again.
        let waiting = supervisor.journal.approvals_waiting()?;
        waiting.iter().filter(|r| r.run == run).for_each(|r| screen.ask(r));
    }
    let (handle, wished) = tokio::sync::oneshot::channel();
    let driving = supervisor.drive(run, options.force, news, move |sender| {
        let _ = handle.send(sender);
    });
    tokio::pin!(driving);
    let mut wished = Some(wished);
    let mut wishes: Option<mpsc::Sender<Input>> = None;
    let (mut interrupts, mut told, mut asked) = (0u32, false, None);
    let mut heartbeat = tokio::time::interval(Duration::from_secs(30));
    heartbeat.tick().await;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let driven = loop {
        tokio::select! {
            biased;
            Some(record) = records.recv() => {
                if let (Some(request), true) = (screen.show(&record), options.detach) {
                    asked = Some(request);
                }
                // What is under way ends first: an attempt that is dropped in the middle would be lost.
                if let Some(request) = asked.as_ref().filter(|_| screen.running.is_empty()) {
                    screen.clear();
                    err(&format!("run {run} waits: {}; then: runbook resume {}\n", answer_with(request), run.0));
                    return Ok(Exit::Waiting);
                }
            }
            driven = &mut driving => break driven,
            // Borrowed, not taken: another branch may win while this one waits.
            sender = async { wished.as_mut().expect("polled only while it is there").await }, if wished.is_some() => {
                wished = None;
                wishes = sender.ok();
            }
            _ = tokio::signal::ctrl_c() => interrupts += 1,
            _ = terminate.recv() => interrupts += 1,
            _ = heartbeat.tick() => screen.beat(context.clock().now()),
        }
        if interrupts >= 1
            && !told
            && let Some(sender) = &wishes
        {
            screen.note("stopping: steps under way end, what was taken is given back; press Ctrl-C again to leave at once");
            // The inbox has room for every attempt and a person's wishes.
            told = sender.try_send(Input::CancelRequested { by: system::person() }).is_ok();
        } else if interrupts > 1 {
            screen.clear();
            err(&format!(
                "left run {run} as it is; its journal is whole. Go on with: runbook resume {}\n",
                run.0
            ));
            return Ok(Exit::Lost);
        }
    };
    // Everybody who had news has ended by now, so this ends too.
    while let Some(record) = records.recv().await {
        screen.show(&record);
    }
    screen.clear();
    Ok(driven?.outcome.into())
}

/// What the run looks like while it goes on.
struct Screen {
    run: RunId,
    format: Format,
    color: bool,
    created: Option<Box<RunCreated>>,
    done: usize,
    failed: usize,
    lines: report::live::Lines,
    running: Vec<(crate::base::id::NodeId, crate::base::clock::Timestamp)>,
    bars: Option<Bars>,
    asker: Option<Asker>,
    approvers: crate::config::Config,
    /// Questions that wait, the one that is asked first.
    waiting: Vec<ApprovalRequest>,
}

struct Bars {
    all: MultiProgress,
    rows: std::collections::BTreeMap<crate::base::id::NodeId, ProgressBar>,
}

impl Screen {
    fn new(context: &Context, options: Options, before: &[Record]) -> Screen {
        let created = before.first().and_then(|r| match &r.event {
            Event::RunCreated(created) => Some(created),
            _ => None,
        });
        let people = interactive(context.global.no_input) && options.format == Format::Text;
        let rows = options.format == Format::Text && std::io::IsTerminal::is_terminal(&std::io::stderr());
        if options.format == Format::Ndjson {
            out(&format!("{}\n", report::live::version_line()));
            before.iter().for_each(|r| out(&format!("{}\n", report::live::record_line(r))));
        }
        let run = before.first().map_or(RunId(0), |r| r.run);
        if options.format == Format::Text {
            err(&format!("run {run} {}\n", created.map_or("", |c| c.runbook.as_str())));
        }
        let asker = people.then(|| context.journal().ok().map(Asker::new)).flatten();
        Screen {
            run,
            format: options.format,
            color: context.colors.err,
            created: created.cloned(),
            done: 0,
            failed: 0,
            lines: report::live::Lines::new(),
            running: Vec::new(),
            bars: rows.then(|| Bars {
                all: MultiProgress::new(),
                rows: Default::default(),
            }),
            asker,
            approvers: context.config.clone(),
            waiting: Vec::new(),
        }
    }

    /// Shows one record; gives the question, if it asks one.
    fn show(&mut self, record: &Record) -> Option<ApprovalRequest> {
        if self.format == Format::Ndjson {
            out(&format!("{}\n", report::live::record_line(record)));
        }
        let line = self
            .created
            .as_ref()
            .filter(|_| self.format == Format::Text)
            .and_then(|c| self.lines.line(record, &c.plan));
        if let Some(line) = line {
            self.note(&line);
        }
        match &record.event {
            Event::StepSucceeded { .. } => self.done += 1,
            Event::StepFailed { .. } | Event::StepLost { .. } => self.failed += 1,
            _ => {}
        }
        self.rows(record);
        match &record.event {
            Event::ApprovalRequested { request } => {
                if self.format == Format::Text {
                    self.ask(request);
                }
                Some(request.clone())
            }
            Event::ApprovalEscalated { request, .. } if self.format == Format::Text => {
                self.escalated(request);
                None
            }
            // A question that several must answer is asked no second time here: one person is one answer.
            Event::ApprovalAnswered { gate, .. } | Event::ApprovalExpired { gate } | Event::StepCancelled { node: gate, .. } => {
                self.settled(gate);
                None
            }
            Event::RunFinished { .. } => {
                self.waiting.clear();
                self.stop_asking();
                None
            }
            _ => None,
        }
    }

    /// A prompt that is open stays open; who could not answer before perhaps can now.
    fn escalated(&mut self, request: &ApprovalRequest) {
        let me = system::person();
        let before = self
            .waiting
            .iter()
            .any(|r| r.gate == request.gate && self.approvers.may_approve(&me, &r.from));
        if !before {
            self.ask(request);
        }
    }

    fn so_far(&self) -> String {
        format!("{} steps ok, {} failed", self.done, self.failed)
    }

    fn note(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.all.suspend(|| err(&format!("{line}\n"))),
            None => err(&format!("{line}\n")),
        }
    }

    fn rows(&mut self, record: &Record) {
        match &record.event {
            Event::StepStarted { node, .. } | Event::UndoStarted { node, .. } => {
                self.running.push((node.clone(), record.at));
                // More rows than fit garble a terminal.
                let room = usize::from(rustix::termios::tcgetwinsize(std::io::stderr()).map_or(24, |w| w.ws_row))
                    .saturating_sub(6)
                    .min(12);
                if let Some(bars) = self.bars.as_mut().filter(|b| b.rows.len() < room) {
                    let style = ProgressStyle::with_template("  {spinner} {msg} running {elapsed}")
                        .unwrap_or_else(|_| ProgressStyle::default_spinner());
                    let bar = bars.all.add(
                        ProgressBar::new_spinner()
                            .with_style(style)
                            .with_message(sanitise::one_line(node.as_str(), 60)),
                    );
                    bar.enable_steady_tick(Duration::from_millis(200));
                    bars.rows.insert(node.clone(), bar);
                }
            }
            event => {
                let ended = match event {
                    Event::UndoSucceeded { node, .. } | Event::UndoFailed { node, .. } => Some(node),
                    Event::ChangeIntended { .. } => None,
                    other => crate::engine::step::node_of(other),
                };
                if let Some(node) = ended {
                    self.running.retain(|(n, _)| n != node);
                    if let Some(bar) = self.bars.as_mut().and_then(|b| b.rows.remove(node)) {
                        bar.finish_and_clear();
                    }
                }
            }
        }
    }

    fn beat(&self, now: crate::base::clock::Timestamp) {
        if self.bars.is_none() && self.format == Format::Text && !self.running.is_empty() {
            err(&format!("{}\n", report::live::heartbeat(self.run, &self.running, now)));
        }
    }

    fn clear(&mut self) {
        self.stop_asking();
        self.clear_rows();
    }

    fn clear_rows(&mut self) {
        if let Some(bars) = self.bars.take() {
            let _ = bars.all.clear();
        }
    }

    fn ask(&mut self, request: &ApprovalRequest) {
        let style = Style { color: self.color };
        let text = self
            .created
            .as_ref()
            .map(|c| report::approval::text(request, c, &self.so_far(), asker::now(), style))
            .unwrap_or_default();
        self.note(text.trim_end());
        self.waiting.retain(|r| r.gate != request.gate);
        self.waiting.push(request.clone());
        if self.waiting.len() == 1 {
            self.ask_next();
        } else {
            self.note(&format!("waiting for an answer from another shell too: {}", answer_with(request)));
        }
    }

    /// Asks the person here, or says how to answer from elsewhere.
    fn ask_next(&mut self) {
        let Some(request) = self.waiting.first().cloned() else { return };
        let allowed = self.approvers.may_approve(&system::person(), &request.from);
        let inventory = self.created.as_ref().map(|c| c.inventory.clone()).unwrap_or_default();
        let asker = self.asker.clone().filter(|_| allowed);
        if asker.is_some() {
            // A spinner would overwrite what the person types.
            self.clear_rows();
        }
        if !asker.is_some_and(|asker| asker.ask(&request, &inventory)) {
            self.note(&format!("waiting for an answer from another shell: {}", answer_with(&request)));
        }
    }

    /// A question is decided, or nobody's answer counts any more; the next one is asked.
    fn settled(&mut self, gate: &NodeId) {
        let first = self.waiting.first().is_some_and(|r| &r.gate == gate);
        self.waiting.retain(|r| &r.gate != gate);
        if first {
            self.stop_asking();
            self.ask_next();
        }
    }

    fn stop_asking(&mut self) {
        if let Some(asker) = &self.asker {
            asker.stop();
        }
    }
}
