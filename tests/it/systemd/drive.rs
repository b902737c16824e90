//! A step of the `service` action, driven through a machine as a run drives it.

use std::time::{Duration, Instant};

use runbook::action::CATALOG;
use runbook::base::id::HostName;
use runbook::model::action::{Action, Arguments, Catalog, Change, Context, Decision, Observation, ReadError, Undo, Verdict};
use runbook::model::inventory::{Host, Inventory};
use runbook::model::operation::{Identity, Operation, Output};
use runbook::model::value::Value;

use super::machine::{Init, Machine};

/// How long a service of these tests must run to count as up.
pub const STABLE: Duration = Duration::from_secs(1);

/// What became of a step.
#[derive(Debug)]
pub enum Outcome {
    Unreadable(String),
    Nothing,
    Refused(String),
    Failed(String),
    /// Waited as long as was allowed, and it was not so; the last words.
    NotYet(String),
    Done(Box<Change>, Value),
}

impl Outcome {
    #[track_caller]
    pub fn done(self) -> (Change, Value) {
        match self {
            Outcome::Done(change, result) => (*change, result),
            other => panic!("expected a change that succeeds, found {other:?}"),
        }
    }

    #[track_caller]
    pub fn failed(self) -> String {
        match self {
            Outcome::Failed(why) => why,
            other => panic!("expected a failure, found {other:?}"),
        }
    }

    #[track_caller]
    pub fn refused(self) -> String {
        match self {
            Outcome::Refused(why) => why,
            other => panic!("expected a refusal, found {other:?}"),
        }
    }

    #[track_caller]
    pub fn nothing(self) {
        assert!(matches!(self, Outcome::Nothing), "expected nothing to do, found {self:?}");
    }
}

/// Runs a test on one machine for each thing that the inventory may say of its manager, side by side.
pub fn on_each(init: Init, files: &[(String, String)], managers: [Option<&str>; 2], test: impl Fn(&Machine, &Driver<'_>) + Sync) {
    std::thread::scope(|scope| {
        for manager in managers {
            let test = &test;
            scope.spawn(move || {
                let machine = Machine::boot(init, files);
                test(&machine, &Driver::new(&machine, manager));
                machine.end();
            });
        }
    });
}

/// A host of an inventory, which is the machine.
pub struct Driver<'m> {
    machine: &'m Machine,
    inventory: Inventory,
    name: HostName,
}

impl<'m> Driver<'m> {
    /// `manager` is what the inventory says; `None`: nothing.
    pub fn new(machine: &'m Machine, manager: Option<&str>) -> Driver<'m> {
        let name = HostName::from("web-01");
        let mut inventory = Inventory::default();
        inventory.order.push(name.clone());
        let host = Host {
            name: name.clone(),
            service_manager: manager.map(str::to_owned),
            ..Host::default()
        };
        inventory.hosts.insert(name.clone(), host);
        Driver { machine, inventory, name }
    }

    /// `state: …` of a service.
    pub fn state(&self, service: &str, state: &str) -> Outcome {
        self.step(&[("name", Value::text(service)), ("state", Value::text(state)), stable(STABLE)])
    }

    /// `enabled: …` of a service.
    pub fn enabled(&self, service: &str, enabled: bool) -> Outcome {
        self.step(&[("name", Value::text(service)), ("enabled", Value::Bool(enabled))])
    }

    /// A step with these arguments.
    pub fn step(&self, arguments: &[(&str, Value)]) -> Outcome {
        self.within(arguments, None)
    }

    /// The same, waiting no longer than that for the effect.
    pub fn within(&self, arguments: &[(&str, Value)], patience: Option<Duration>) -> Outcome {
        let arguments = Arguments(arguments.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect());
        self.apply(self.bind(&arguments).as_ref(), patience)
    }

    /// Takes a change back, as a run does it.
    #[track_caller]
    pub fn undo(&self, change: &Change) -> (Change, Value) {
        let Undo::Call { action, arguments } = &change.undo else {
            panic!("expected a way back, found {:?}", change.undo)
        };
        assert_eq!(action, "service");
        self.apply(self.bind(arguments).as_ref(), None).done()
    }

    /// The result of a look that changes nothing: state, enabled, main process.
    pub fn look(&self, service: &str) -> Result<(String, Value, Value), String> {
        let arguments = Arguments::from_pairs([("name", Value::text(service)), ("state", Value::text("started"))]);
        let action = self.bind(&arguments);
        let seen = self.observe(action.as_ref(), &action.probe()).map_err(|e| e.message)?;
        let result = action.result(&seen, &[]);
        let field = |name: &str| result.field(name).unwrap();
        Ok((field("state").to_string(), field("enabled"), field("main_pid")))
    }

    fn bind(&self, arguments: &Arguments) -> Box<dyn Action> {
        let context = Context {
            host: self.inventory.hosts.get(&self.name),
            run_as: &Identity::User(String::from("root")),
            inventory: &self.inventory,
            timeout: Duration::from_secs(20),
        };
        CATALOG.get("service").unwrap().bind(arguments, &context).unwrap()
    }

    fn observe(&self, action: &dyn Action, operations: &[Operation]) -> Result<Observation, ReadError> {
        assert!(operations.iter().all(|operation| operation.act.reads()));
        let outputs: Vec<Output> = operations.iter().map(|o| self.machine.perform(o)).collect();
        action.read(&outputs)
    }

    fn apply(&self, action: &dyn Action, patience: Option<Duration>) -> Outcome {
        let before = match self.observe(action, &action.probe()) {
            Ok(seen) => seen,
            Err(error) => return Outcome::Unreadable(error.message),
        };
        let change = match action.decide(&before) {
            Decision::Change(change) => change,
            Decision::InDesiredState => return Outcome::Nothing,
            Decision::Refused(why) | Decision::Unknown(why) => return Outcome::Refused(why),
        };
        let mut performed = Vec::new();
        for operation in &change.operations {
            performed.push(self.machine.perform(operation));
            if !matches!(performed.last(), Some(Output::Exited { code: 0, .. })) {
                break;
            }
        }
        let settle = action.settle();
        let deadline = Instant::now() + patience.unwrap_or(settle.within);
        loop {
            let missing = match self.observe(action, &action.verify()) {
                Err(error) => error.message,
                Ok(after) => match action.judge(&before, &performed, &after) {
                    Verdict::Done => return Outcome::Done(Box::new(change), action.result(&after, &performed)),
                    Verdict::Failed(why) => return Outcome::Failed(why),
                    Verdict::NotYet(why) => why,
                },
            };
            if Instant::now() > deadline {
                return Outcome::NotYet(missing);
            }
            std::thread::sleep(settle.every.min(Duration::from_millis(100)));
        }
    }
}

/// The argument `stable_for`.
pub fn stable(span: Duration) -> (&'static str, Value) {
    ("stable_for", Value::Duration(span))
}
