//! The demo's scenes, in order: the fleet breaks, users suffer, the obvious cure is refused, the runbook is planned, approved and
//! applied, the site stays well over a reload.

use std::time::{Duration, Instant};

use super::child::Running;
use super::interrupt::{Halt, Interrupt};
use super::place::Place;
use super::users::{LEGEND, Mark, Users};
use super::verdict::{self, Seen};
use super::{LONGEST, Stage};
use crate::base::id::RunId;
use crate::cli::exit::Exit;
use crate::cli::output::{interactive, out};
use crate::journal::{Journal, SqliteJournal};
use crate::lab::{Fleet, Incident};
use crate::model::event::Event;

/// How long the site must be down, and how long it must be well.
pub(super) const LOOK: Duration = Duration::from_secs(5);
/// The site must be well from so long after the approval on.
pub(super) const RECOVERY: Duration = Duration::from_secs(10);
/// A person thinks about the approval.
const THINKING: Duration = Duration::from_secs(15 * 60);
/// The run itself takes about ten seconds.
const RUNNING: Duration = Duration::from_secs(180);
/// Opening the journal costs a little.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The demo's journal is new.
const RUN: RunId = RunId(1);

/// Plays all scenes and gives the verdict.
///
/// # Errors
/// Something is not as it must be, or somebody interrupts.
pub(super) fn play(stage: &Stage, fleet: &mut Fleet, incident: Incident, place: &Place, interrupt: &Interrupt) -> Result<String, Halt> {
    interrupt.check()?;
    heading("The incident");
    for line in fleet.break_it(incident)? {
        out(&format!("  {line}\n"));
    }
    heading("What users see");
    out(LEGEND);
    let mut users = Users::start(fleet.site(), LONGEST);
    interrupt.pass(LOOK + Duration::from_millis(500), || users.show())?;
    verdict::down(users.got(Duration::ZERO, LOOK))?;

    heading("The cure that comes to mind first: take web-01 out, restart it, put it back");
    refused(stage, interrupt)?;

    heading("The runbook: what it would do");
    let plan = stage.program.run(&["plan", &stage.runbook], interrupt)?;
    out(&plan.stdout);
    expect("plan", plan.code, Exit::Done)?;

    heading("The runbook: approved and applied");
    let approved = apply(stage, place, &mut users, interrupt)?;

    heading("What users see now");
    let settled = (approved + RECOVERY).saturating_sub(users.elapsed());
    interrupt.pass(settled, || users.show())?;
    let after = window(&mut users, interrupt)?;

    heading("What is on record");
    for arguments in [&["status"][..], &["show", "1"][..]] {
        let done = stage.program.run(arguments, interrupt)?;
        // `apply` has just printed the part above the timeline.
        out(done.stdout.find("TIMELINE").map_or(&done.stdout, |at| &done.stdout[at..]));
        expect(arguments[0], done.code, Exit::Done)?;
    }

    heading("The balancer is reloaded: what only stood in its memory would be lost now");
    users.skip_to(users.elapsed());
    fleet.reload()?;
    let reloaded = window(&mut users, interrupt)?;
    let servers = fleet.state().web().count();
    let report = users.stop();
    verdict::judge(&Seen {
        report: &report,
        approved,
        after,
        reloaded,
        servers,
    })
}

fn heading(text: &str) {
    out(&format!("\n── {text} ──\n"));
}

/// A look at the users from now on.
fn window(users: &mut Users, interrupt: &Interrupt) -> Result<(Mark, Mark), Halt> {
    let from = users.mark();
    interrupt.pass(LOOK + Duration::from_millis(500), || users.show())?;
    Ok((from, users.mark()))
}

fn refused(stage: &Stage, interrupt: &Interrupt) -> Result<(), Halt> {
    let done = stage.program.run(&["apply", "--yes", &stage.obvious], interrupt)?;
    let from = done.stdout.find("REFUSED").unwrap_or(0);
    // A colour may begin before the word.
    let from = done.stdout[..from].rfind('\n').map_or(0, |at| at + 1);
    out(&done.stdout[from..]);
    out(&format!("exit {}\n", done.code));
    expect("apply of the obvious cure", done.code, Exit::Refused)
}

/// Applies the runbook behind a gate; gives the moment of the approval.
fn apply(stage: &Stage, place: &Place, users: &mut Users, interrupt: &Interrupt) -> Result<Duration, Halt> {
    let people = interactive(false);
    let running: Running = stage
        .program
        .start(&["apply", "--gate", "approve", "--yes", &stage.runbook], people)?;
    place.remember(running.pid())?;
    let mut gate = Gate {
        stage,
        people,
        asked: false,
        answered: None,
        looked: Instant::now(),
    };
    let limit = Instant::now() + if people { THINKING } else { RUNNING } + RUNNING;
    // A gate that is never asked about ends before the run's own deadline.
    let done = running.finish(limit, interrupt, || {
        gate.look(users, interrupt)?;
        // At a terminal the rows of the run and the question are in the way.
        if !people {
            users.show();
        }
        Ok(())
    })?;
    gate.look(users, interrupt)?;
    let code = done.code;
    let from = done.stdout.find("── run").unwrap_or(done.stdout.len());
    let from = done.stdout[..from].rfind('\n').map_or(from, |at| at + 1);
    out(&done.stdout[from..]);
    if code == Exit::Cancelled as i32 {
        return Err(Halt::Interrupted);
    }
    if code == Exit::Denied as i32 {
        return Err(Halt::Failed(String::from("the run was denied; nothing was changed")));
    }
    expect("apply", code, Exit::Done)?;
    let answered = gate
        .answered
        .ok_or_else(|| Halt::Failed(String::from("the run asked nobody for approval")))?;
    if people {
        users.skip_to(answered);
    }
    Ok(answered)
}

/// Follows the question of the run; without a terminal, answers it as a colleague in another shell would.
struct Gate<'a> {
    stage: &'a Stage,
    people: bool,
    asked: bool,
    answered: Option<Duration>,
    looked: Instant,
}

impl Gate<'_> {
    fn look(&mut self, users: &Users, interrupt: &Interrupt) -> Result<(), Halt> {
        // The journal is there as soon as the run exists.
        if self.answered.is_some() || self.looked.elapsed() < LOOK_EVERY || !self.stage.journal.exists() {
            return Ok(());
        }
        self.looked = Instant::now();
        let Ok(journal) = SqliteJournal::open(&self.stage.journal) else {
            return Ok(());
        };
        let Ok(records) = journal.events(RUN) else { return Ok(()) };
        let has = |test: &dyn Fn(&Event) -> bool| records.iter().any(|r| test(&r.event));
        if has(&|e| matches!(e, Event::ApprovalAnswered { .. })) {
            self.answered = Some(users.elapsed());
        } else if !self.people && !self.asked && has(&|e| matches!(e, Event::ApprovalRequested { .. })) {
            self.asked = true;
            let now = users.elapsed();
            out("(a colleague, in another shell)\n");
            let done = self
                .stage
                .program
                .run(&["approve", "1", "--reason", "the site is down"], interrupt)?;
            out(&done.stdout);
            expect("approve", done.code, Exit::Done)?;
            self.answered = Some(now);
        }
        Ok(())
    }
}

fn expect(what: &str, code: i32, wanted: Exit) -> Result<(), Halt> {
    if code == wanted as i32 {
        return Ok(());
    }
    Err(Halt::Failed(format!(
        "{what} ended with exit code {code}, expected {}",
        wanted as i32
    )))
}
