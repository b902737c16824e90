//! `memory.reclaim`: makes the kernel give back memory, and says whether that gained anything.

use std::fmt::Write as _;

use crate::action::declare::optional;
use crate::action::facts::memory::{self, Memory, Source, kib};
use crate::action::facts::{look, parts};
use crate::action::outcome::{exited, first_failure};
use crate::action::place::{Place, host_of};
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ParameterKind, ReadError, ResourceKey, RunsOn,
    Signature, Undo, Verdict,
};
use crate::model::operation::{Act, Operation, Output};
use crate::model::types::Type;

/// Less than this is noise: memory moves by itself.
const GAIN_BYTES: i64 = 1024 * 1024;
/// Processes that the result names.
const BIGGEST: usize = 5;
/// pid, resident KiB and name, the biggest first.
pub const PROCESSES: &str = "ps -eo pid=,rss=,comm= | sort -k2,2nr | head -n 5";
/// Swap is switched on again also where it could not be emptied.
const CYCLE_SWAP: &str = "swapoff -a; code=$?; swapon -a && exit $code";

/// See the signature.
pub struct Reclaim;

static SIGNATURE: Signature = Signature {
    name: "memory.reclaim",
    summary: "Makes the kernel give back memory, and fails when that gained nothing.",
    docs: "Dropping the page cache frees what the kernel would free by itself when needed; it helps where something looks at free memory \
           only. Cycling swap brings back into memory what had been swapped out, and is refused unless there is room for it. Neither \
           cures a process that has grown: restarting the service that holds the memory does.\n\nAvailable memory is measured before and \
           after, and a gain of less than 1 MiB is a failure whose message names the biggest processes. Only for hosts whose memory is \
           the machine's (`memory_from` in the inventory).",
    parameters: &[
        optional(
            "drop_page_cache",
            ParameterKind::Bool,
            "Write out and drop cached file pages. Default: false.",
        ),
        optional(
            "cycle_swap",
            ParameterKind::Bool,
            "Switch swap off and on again, if memory has room for what is in it. Default: false.",
        ),
        optional(
            "min_available",
            ParameterKind::Percent,
            "Nothing to do when so much of the memory is available; afterwards it must be. Default: always act.",
        ),
    ],
    shorthand: None,
    results,
    class: Class::Passing,
    class_of: None,
    runs_on: RunsOn::Host,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: reclaim
name: Drop the page cache
hosts: web-01
run_as: root
memory.reclaim: { drop_page_cache: true, min_available: 20% }
"#,
};

fn results() -> Type {
    let process = Type::record([("pid", Type::Int), ("command", Type::Text), ("bytes", Type::Int)]);
    Type::record([
        ("before", memory::record()),
        ("after", memory::record()),
        ("gained_bytes", Type::Int),
        ("biggest", Type::list(process)),
    ])
}

impl ActionKind for Reclaim {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let host = host_of(context)?;
        let bound = Bound {
            place: Place::of(context),
            drop_page_cache: arguments.bool("drop_page_cache", false),
            cycle_swap: arguments.bool("cycle_swap", false),
            min_available: match arguments.get("min_available") {
                Some(Value::Percent(percent)) => Some(*percent),
                _ => None,
            },
        };
        if !bound.drop_page_cache && !bound.cycle_swap {
            return Err(BindError::new(
                "drop_page_cache",
                "neither `drop_page_cache` nor `cycle_swap` is true",
            ));
        }
        if Source::of(host) != Source::Host {
            let message = format!("`memory_from` of {} is not the machine, whose memory this is about", host.name);
            return Err(BindError::new("hosts", message).help("restart the service that holds the memory"));
        }
        Ok(Box::new(bound))
    }
}

#[derive(Debug)]
struct Bound {
    place: Place,
    drop_page_cache: bool,
    cycle_swap: bool,
    min_available: Option<f64>,
}

impl Bound {
    fn key(&self, path: &str) -> ResourceKey {
        self.place.key(path)
    }

    fn look(&self) -> Operation {
        look(&self.place, Some(&Source::Host), std::iter::empty())
    }

    fn percent(&self, seen: &Observation) -> Option<f64> {
        match seen.get(&self.key("facts/memory"))?.field("available_percent") {
            Some(Value::Float(percent)) => Some(percent),
            _ => None,
        }
    }

    fn bytes(&self, seen: &Observation, path: &str, field: &str) -> Option<i64> {
        seen.get(&self.key(path))?.field(field)?.as_int()
    }

    /// Measured first and last, so that the gain is that of this and of nothing else.
    fn operations(&self) -> Vec<Operation> {
        let mut operations = vec![self.look()];
        if self.drop_page_cache {
            operations.push(self.place.run(["sync"]));
            operations.push(self.place.run(["sysctl", "-w", "vm.drop_caches=1"]));
        }
        if self.cycle_swap {
            operations.push(self.place.run(["sh", "-c", CYCLE_SWAP]));
        }
        operations.push(self.look());
        operations
    }

    fn no_room_for_swap(&self, seen: &Observation) -> Option<String> {
        let used = self.bytes(seen, "memory/swap", "used_bytes")?;
        let available = self.bytes(seen, "facts/memory", "available_bytes")?;
        // A tenth more than it needs: the kernel kills processes when this goes wrong.
        (self.cycle_swap && used + used / 10 > available).then(|| {
            format!(
                "{} has {} in swap and only {} of memory available; cycling swap would make the kernel kill processes",
                self.place.name(),
                mib(used),
                mib(available)
            )
        })
    }

    fn measured(&self, performed: &[Output]) -> Option<(Memory, Memory)> {
        let host = self.place.name();
        let memory = |output: Option<&Output>| memory::read(&Source::Host, &parts(output, host).ok()?).ok();
        Some((memory(performed.first())?, memory(performed.last())?))
    }

    fn biggest(&self, seen: &Observation) -> String {
        let mut text = String::new();
        let list = seen.get(&self.key("memory/biggest")).and_then(Value::as_list).unwrap_or(&[]);
        for process in list.iter().take(3) {
            let field = |name: &str| process.field(name).unwrap_or_default();
            let bytes = mib(field("bytes").as_int().unwrap_or(0));
            let comma = if text.is_empty() { "" } else { ", " };
            // Writing into a String cannot fail.
            let _ = write!(text, "{comma}{} (pid {}, {bytes})", field("command"), field("pid"));
        }
        text
    }
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        vec![self.look(), self.place.probe_script(PROCESSES, &[])]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let host = self.place.name();
        let parts = parts(outputs.first(), host)?;
        let memory = memory::read(&Source::Host, &parts).map_err(|why| ReadError::new(format!("{host}: {why}")))?;
        let meminfo = parts.get("meminfo").copied().unwrap_or("");
        let swap = |name: &str| kib(meminfo, name).unwrap_or(0);
        let used = i64::try_from(swap("SwapTotal:").saturating_sub(swap("SwapFree:"))).unwrap_or(i64::MAX);
        let mut seen = Observation::default();
        seen.set(self.key("facts/memory"), memory.to_value());
        seen.set(self.key("memory/swap"), Value::map([("used_bytes", Value::Int(used))]));
        seen.set(self.key("memory/biggest"), processes(exited(outputs.get(1))?.stdout));
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        match (self.min_available, self.percent(seen)) {
            (Some(wanted), Some(percent)) if percent >= wanted => return Decision::InDesiredState,
            (Some(_), None) => return Decision::Unknown(format!("the memory of {} is known at run time", self.place.name())),
            _ => {}
        }
        if let Some(why) = self.no_room_for_swap(seen) {
            return Decision::Refused(why);
        }
        let means = [(self.drop_page_cache, "drop the page cache"), (self.cycle_swap, "cycle swap")];
        let means: Vec<&str> = means.iter().filter(|(wanted, _)| *wanted).map(|(_, text)| *text).collect();
        let mut notes = vec![String::from("does not cure a process that has grown")];
        if let Some(used) = self.bytes(seen, "memory/swap", "used_bytes").filter(|_| self.cycle_swap) {
            notes.push(format!("{} in swap", mib(used)));
        }
        let available = self
            .percent(seen)
            .map_or(String::new(), |percent| format!(" ({percent:.1} % available)"));
        Decision::Change(Change {
            summary: format!("{}: {}{available}", self.place.name(), means.join(", ")),
            diff: None,
            notes,
            operations: self.operations(),
            predicted: ["facts/memory", "memory/swap", "memory/biggest"]
                .map(|path| (self.key(path), Value::Unknown))
                .to_vec(),
            taints: Vec::new(),
            undo: Undo::Nothing,
        })
    }

    fn judge(&self, _before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        let operations = self.operations();
        let words = |i: usize| match operations.get(i).map(|o| &o.act) {
            Some(Act::Run { argv, .. }) => crate::action::program::shown(argv),
            _ => String::from("measuring memory"),
        };
        if let Some(failed) = first_failure(performed, &words) {
            return failed;
        }
        let Some((was, is)) = self.measured(performed) else {
            return Verdict::Failed(String::from("memory could not be measured before and after"));
        };
        let cure = format!("restart the service that holds the memory; biggest: {}", self.biggest(after));
        if gain(was, is) < GAIN_BYTES {
            let (before, after) = (mib(whole(was.available)), mib(whole(is.available)));
            return Verdict::Failed(format!("it gained nothing: {before} available before, {after} after; {cure}"));
        }
        match self.min_available {
            Some(wanted) if is.available_percent() < wanted => Verdict::Failed(format!(
                "it gained {}, but only {:.1} % are available, expected {wanted} %; {cure}",
                mib(gain(was, is)),
                is.available_percent()
            )),
            _ => Verdict::Done,
        }
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        let now = seen.get(&self.key("facts/memory")).cloned().unwrap_or_default();
        let biggest = seen.get(&self.key("memory/biggest")).cloned().unwrap_or_default();
        let (before, after, gained) = match self.measured(performed) {
            Some((was, is)) => (was.to_value(), is.to_value(), Value::Int(gain(was, is))),
            None if self.decide(seen) == Decision::InDesiredState => (now.clone(), now, Value::Int(0)),
            None => (now, Value::Unknown, Value::Unknown),
        };
        Value::map([("before", before), ("after", after), ("gained_bytes", gained), ("biggest", biggest)])
    }
}

fn processes(text: &str) -> Value {
    let process = |line: &str| {
        let (pid, rest) = line.trim().split_once(char::is_whitespace)?;
        let (kib, command) = rest.trim().split_once(char::is_whitespace)?;
        Some(Value::map([
            ("pid", Value::Int(pid.parse().ok()?)),
            ("bytes", Value::Int(kib.parse::<i64>().ok()?.checked_mul(1024)?)),
            ("command", Value::Text(one_line(command, 60))),
        ]))
    };
    Value::List(text.lines().filter_map(process).take(BIGGEST).collect())
}

fn gain(was: Memory, is: Memory) -> i64 {
    whole(is.available) - whole(was.available)
}

fn whole(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn mib(bytes: i64) -> String {
    format!("{} MiB", bytes / (1024 * 1024))
}
