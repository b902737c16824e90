//! `disk.clean`: deletes old files below named directories, and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use super::listing::{self, Found, Listing};
use crate::action::declare::{optional, required};
use crate::action::outcome::{exited, first_failure};
use crate::action::place::Place;
use crate::base::size;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ParameterKind, ReadError, ResourceKey, RunsOn,
    Settle, Signature, Undo, Verdict,
};
use crate::model::operation::{Act, Operation, Output};
use crate::model::types::Type;

/// Lists files.
pub const LIST: &str = include_str!("list.sh");
/// Deletes files that were listed.
pub const DELETE: &str = include_str!("delete.sh");
/// Where it finds the files that were listed.
pub const LISTED: &str = "RUNBOOK_LISTED";
/// Files of one step: their inodes, sizes and times go to the host in one variable, which Linux bounds at 128 KiB.
const MOST: usize = 2500;
/// Where no program keeps what it could do without.
const NEVER: &[&str] = &[
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/sbin", "/sys", "/usr",
];
/// If the step says nothing.
const MAX_DELETE: i64 = 10 * 1024 * 1024 * 1024;

/// See the signature.
pub struct Clean;

static SIGNATURE: Signature = Signature {
    name: "disk.clean",
    summary: "Deletes old files below named directories.",
    docs: "Only regular files whose name fits one of the patterns and whose content is older than `older_than`, anywhere below the \
           directories, whatever characters their names hold. It never follows a symbolic link, neither one on the way nor one put \
           there in the meantime, and never enters another file system. The plan lists the files and their bytes; what is deleted \
           is what was listed and is still the same file, of the same size and time.\n\nMore than `max_delete`, or more than 2500 \
           files, is refused as a whole: nothing is deleted then. A deleted file that some process holds open frees nothing until that \
           process closes it; `keep_open: true` empties such a file instead, which needs the rights of root to see every process's \
           files. A file with several names frees nothing either and counts as 0 bytes.\n\nThere is no way back.",
    parameters: &[
        required(
            "below",
            ParameterKind::TextList,
            "Directories, absolute, no links; not those of the system itself. One that does not exist holds nothing.",
        ),
        required(
            "match",
            ParameterKind::TextList,
            "Shell patterns for names without directories: `*.gz`, `core.[0-9]*`.",
        ),
        required(
            "older_than",
            ParameterKind::Duration,
            "Only files whose content has not changed for so long, in whole minutes.",
        ),
        optional(
            "max_delete",
            ParameterKind::Size,
            "Refuse when the files take more than this. Default: 10GiB.",
        ),
        optional(
            "keep_open",
            ParameterKind::Bool,
            "Empty files that some process holds open, rather than remove them. Default: false.",
        ),
        optional(
            "mount",
            ParameterKind::Path,
            "Refuse directories that are not on the file system of this path. Default: any.",
        ),
    ],
    shorthand: None,
    results,
    class: Class::Destructive,
    class_of: None,
    runs_on: RunsOn::HostOrControl,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: old_logs
name: Delete logs of more than two weeks ago
hosts: web-01
run_as: root
disk.clean:
  below: [/var/log, /var/tmp]
  match: ["*.gz", "*.[0-9]", "*.old"]
  older_than: 14d
  keep_open: true
  max_delete: 20GiB
undo: none
"#,
};

fn results() -> Type {
    Type::record([("freed_bytes", Type::Int), ("deleted", Type::Int), ("emptied", Type::Int)])
}

impl ActionKind for Clean {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        let below: Vec<String> = arguments.texts("below").iter().map(|d| directory(d)).collect::<Result<_, _>>()?;
        if below.is_empty() {
            return Err(BindError::new("below", "it names no directory"));
        }
        let patterns = arguments.texts("match");
        if patterns.is_empty() {
            return Err(BindError::new("match", "it holds no pattern").help("`[\"*\"]` means every file"));
        }
        if let Some(wrong) = patterns.iter().find(|p| p.is_empty() || p.contains(['/', '\n'])) {
            let help = "a pattern is for the name alone; the directories stand in `below`";
            return Err(BindError::new("match", format!("`{wrong}` can fit no name of a file")).help(help));
        }
        let age = arguments.duration("older_than").unwrap_or_default();
        Ok(Box::new(Bound {
            place: Place::of(context),
            minutes: age.as_secs().div_ceil(60),
            below,
            patterns,
            max_delete: match arguments.get("max_delete") {
                Some(Value::Size(bytes)) => i64::try_from(*bytes).unwrap_or(i64::MAX),
                _ => MAX_DELETE,
            },
            keep_open: arguments.bool("keep_open", false),
            mount: arguments.text("mount").unwrap_or_default().to_owned(),
        }))
    }
}

/// A directory below which files may go, without a slash at its end.
fn directory(given: &str) -> Result<String, BindError> {
    let path = given.trim_end_matches('/');
    let whole = !path.is_empty()
        && given.starts_with('/')
        && path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."))
        && !path.contains('\n');
    if !whole {
        let found = if path.is_empty() && given.starts_with('/') {
            format!("`{given}` is the whole system")
        } else {
            format!("`{given}` is no absolute path without `.`, `..` and doubled slashes")
        };
        return Err(BindError::new("below", found).help("name the directories that hold what may go: `[/var/log]`"));
    }
    let system = NEVER.iter().find(|n| path == **n || path.starts_with(&format!("{n}/")));
    match system {
        Some(system) => Err(BindError::new(
            "below",
            format!("`{given}` belongs to the system itself ({system}), where nothing is deleted by age"),
        )),
        None => Ok(path.to_owned()),
    }
}

#[derive(Debug)]
struct Bound {
    place: Place,
    below: Vec<String>,
    patterns: Vec<String>,
    minutes: u64,
    max_delete: i64,
    keep_open: bool,
    mount: String,
}

impl Bound {
    /// What `find` is given, but for what it does with what it finds.
    fn criteria(&self) -> Vec<String> {
        let mut words = self.below.clone();
        words.extend(["-xdev", "-type", "f", "-mmin"].map(str::to_owned));
        words.push(format!("+{}", self.minutes));
        words.push(String::from("("));
        for (i, pattern) in self.patterns.iter().enumerate() {
            if i > 0 {
                words.push(String::from("-o"));
            }
            words.extend([String::from("-name"), pattern.clone()]);
        }
        words.push(String::from(")"));
        words
    }

    fn key(&self) -> ResourceKey {
        self.place
            .key(format!("files-to-delete/{}", crate::action::program::shown(&self.criteria())))
    }

    fn keep(&self) -> &'static str {
        if self.keep_open { "yes" } else { "no" }
    }

    fn files(&self, seen: &Observation) -> Option<Vec<Found>> {
        Listing::files_of(seen.get(&self.key()))
    }

    /// Why what was found must be left alone.
    fn refusal(&self, files: &[Found]) -> Option<String> {
        let host = self.place.name();
        if files.len() > MOST {
            return Some(format!(
                "more than {MOST} files on {host} fit; nothing is deleted. Make it fewer with a longer `older_than` or narrower patterns, \
                 and repeat"
            ));
        }
        let bytes = listing::bytes(files);
        (bytes > self.max_delete).then(|| {
            let take = if files.len() == 1 { "takes" } else { "take" };
            format!(
                "{} on {host} {take} {}, more than `max_delete` of {}; nothing is deleted. Let a person look, then raise `max_delete`",
                count(files),
                size::whole(bytes),
                size::whole(self.max_delete)
            )
        })
    }

    fn delete(&self, files: &[Found]) -> Operation {
        let listed: Vec<&str> = files.iter().map(|f| f.same.as_str()).collect();
        let mut argv: Vec<String> = ["sh", "-c", DELETE, "runbook", self.keep()].map(str::to_owned).into();
        argv.extend(self.criteria());
        self.place.operation(Act::Run {
            argv,
            stdin: Default::default(),
            env: BTreeMap::from([(String::from(LISTED), listed.join("\n").into())]),
            cwd: None,
        })
    }
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        let (dirs, most) = (self.below.len().to_string(), MOST.to_string());
        let criteria = self.criteria();
        let mut arguments = vec![dirs.as_str(), most.as_str(), self.mount.as_str(), self.keep()];
        arguments.extend(criteria.iter().map(String::as_str));
        vec![self.place.probe_script(LIST, &arguments)]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let ended = exited(outputs.first())?;
        let host = self.place.name();
        if ended.code != 0 {
            return Err(ReadError::new(format!("looking for old files on {host} {}", ended.ending())));
        }
        let listing = Listing::read(ended.stdout);
        if let Some((number, state)) = &listing.obstacle {
            let dir = number
                .checked_sub(1)
                .and_then(|n| self.below.get(n))
                .map_or("a directory", String::as_str);
            let why = match state.as_str() {
                "link" => "is a symbolic link, or lies behind one; name the real directory",
                "elsewhere" => "is not on the file system of `mount`",
                _ => "is no directory",
            };
            return Err(ReadError::new(format!("{dir} on {host} {why}")));
        }
        if self.keep_open && !listing.sees_all {
            return Err(ReadError::new(format!(
                "on {host} only root can see which files are open; add `run_as: root`, or leave `keep_open` out"
            )));
        }
        let mut seen = Observation::default();
        seen.set(self.key(), listing.to_value());
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let host = self.place.name();
        let Some(files) = self.files(seen) else {
            return Decision::Unknown(format!("the files of {host} that fit are known at run time"));
        };
        if files.is_empty() {
            return Decision::InDesiredState;
        }
        if let Some(why) = self.refusal(&files) {
            return Decision::Refused(why);
        }
        let some = count(&files);
        Decision::Change(Change {
            summary: format!(
                "{host}: delete {some}, {}, below {}",
                size::whole(listing::bytes(&files)),
                self.below.join(", ")
            ),
            diff: Some(listing::shown(&files)),
            notes: vec![String::from("what is deleted cannot be taken back")],
            operations: vec![self.delete(&files)],
            predicted: vec![(self.key(), Value::List(Vec::new()))],
            taints: vec![self.place.scope()],
            undo: Undo::Impossible,
        })
    }

    fn judge(&self, before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        if let Some(failed) = first_failure(performed, &|_| String::from("find")) {
            return failed;
        }
        let told = Told::read(performed);
        let (was, is) = (self.files(before).unwrap_or_default(), self.files(after).unwrap_or_default());
        let left: Vec<&Found> = is.iter().filter(|f| was.iter().any(|w| w.same == f.same)).collect();
        match left.first() {
            None => Verdict::Done,
            Some(first) => Verdict::Failed(format!(
                "{} of {} files are still there, {} could not be deleted; one is {}",
                left.len(),
                was.len(),
                told.failed,
                first.name
            )),
        }
    }

    fn settle(&self) -> Settle {
        Settle {
            within: Duration::from_secs(2),
            every: Duration::from_millis(500),
        }
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        let told = match performed {
            [] if self.decide(seen) == Decision::InDesiredState => Told::default(),
            [] => return Value::map(["freed_bytes", "deleted", "emptied"].map(|name| (name, Value::Unknown))),
            some => Told::read(some),
        };
        Value::map([
            ("freed_bytes", Value::Int(told.freed)),
            ("deleted", Value::Int(told.deleted)),
            ("emptied", Value::Int(told.emptied)),
        ])
    }
}

fn count(files: &[Found]) -> String {
    match files.len() {
        1 => String::from("1 file"),
        many => format!("{many} files"),
    }
}

/// What the deletion told about its files.
#[derive(Debug, Default)]
struct Told {
    freed: i64,
    deleted: i64,
    emptied: i64,
    failed: i64,
}

impl Told {
    fn read(performed: &[Output]) -> Told {
        let mut told = Told::default();
        let Ok(ended) = exited(performed.last()) else { return told };
        for line in ended.stdout.lines() {
            let mut words = line.split(' ');
            let word = words.next().unwrap_or("");
            let numbers: Vec<i64> = words.filter_map(|w| w.parse().ok()).collect();
            match word {
                "deleted" => told.deleted += 1,
                "emptied" => told.emptied += 1,
                "failed" => told.failed += 1,
                _ => {}
            }
            // Blocks, their size, names of the file: with another name nothing was freed. An emptied file is empty under all names.
            if let (&[blocks, block, links], "deleted" | "emptied") = (numbers.as_slice(), word)
                && (links == 1 || word == "emptied")
            {
                told.freed = told.freed.saturating_add(blocks.saturating_mul(block));
            }
        }
        told
    }
}
