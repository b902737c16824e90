//! `package.clean_cache`: frees the space that downloaded packages take.

use std::time::Duration;

use crate::action::outcome::{exited, first_failure};
use crate::action::package::wish::APT;
use crate::action::place::Place;
use crate::base::size;
use crate::base::value::Value;
use crate::model::action::{
    Action, ActionKind, Arguments, BindError, Change, Class, Context, Decision, Observation, ReadError, ResourceKey, RunsOn, Settle,
    Signature, Undo, Verdict,
};
use crate::model::operation::{Operation, Output};
use crate::model::types::Type;

/// The files that `apt-get clean` removes: their bytes, one line each.
pub const PROBE: &str = r#"command -v apt-get >/dev/null 2>&1 || { echo manager=; exit 0; }
echo manager=apt
cache=$(apt-config shell d Dir::Cache::archives/d)
cache=${cache#*\'}
cache=${cache%\'}
[ -d "$cache" ] || exit 0
find "$cache" "$cache/partial" -maxdepth 1 -type f ! -name lock -exec stat -c '%s' -- {} + 2>/dev/null | sort | uniq -c"#;

/// See the signature.
pub struct CleanCache;

static SIGNATURE: Signature = Signature {
    name: "package.clean_cache",
    summary: "Removes the packages that apt has downloaded and keeps.",
    docs: "For Debian, Ubuntu and their relatives. What is installed stays as it is, and what is needed again is downloaded again, so \
           there is nothing to take back. Nothing to do when the cache is empty.",
    parameters: &[],
    shorthand: None,
    results,
    class: Class::Passing,
    class_of: None,
    runs_on: RunsOn::HostOrControl,
    repeatable: true,
    pool_effect: None,
    example: r#"
id: package_cache
name: Remove downloaded packages
hosts: web-01
run_as: root
package.clean_cache: {}
"#,
};

fn results() -> Type {
    Type::record([("freed_bytes", Type::Int), ("cached_bytes", Type::Int)])
}

impl ActionKind for CleanCache {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn bind(&self, _arguments: &Arguments, context: &Context<'_>) -> Result<Box<dyn Action>, BindError> {
        Ok(Box::new(Bound(Place::of(context))))
    }
}

#[derive(Debug)]
struct Bound(Place);

impl Bound {
    fn key(&self) -> ResourceKey {
        self.0.key("package-cache")
    }

    fn number(&self, seen: &Observation, field: &str) -> Option<i64> {
        seen.get(&self.key())?.field(field)?.as_int()
    }

    fn look(&self) -> Operation {
        self.0.probe_script(PROBE, &[])
    }

    fn cached(&self, output: Option<&Output>) -> Result<(i64, i64), ReadError> {
        let ended = exited(output)?;
        if ended.stdout.lines().next() != Some("manager=apt") {
            let host = self.0.name();
            return Err(ReadError::new(format!(
                "{host} has no apt-get; packages are managed on Debian, Ubuntu and their relatives only"
            )));
        }
        let (mut files, mut bytes) = (0i64, 0i64);
        for line in ended.stdout.lines().skip(1) {
            let mut words = line.split_whitespace().map(|w| w.parse::<i64>().unwrap_or(0));
            let (count, each) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
            files += count;
            bytes = bytes.saturating_add(count.saturating_mul(each));
        }
        Ok((files, bytes))
    }
}

impl Action for Bound {
    fn probe(&self) -> Vec<Operation> {
        vec![self.look()]
    }

    fn read(&self, outputs: &[Output]) -> Result<Observation, ReadError> {
        let (files, bytes) = self.cached(outputs.first())?;
        let mut seen = Observation::default();
        seen.set(self.key(), Value::map([("files", Value::Int(files)), ("bytes", Value::Int(bytes))]));
        Ok(seen)
    }

    fn decide(&self, seen: &Observation) -> Decision {
        let host = self.0.name();
        let (files, bytes) = match (self.number(seen, "files"), self.number(seen, "bytes")) {
            (Some(0), _) => return Decision::InDesiredState,
            (Some(files), Some(bytes)) => (files, bytes),
            _ => return Decision::Unknown(format!("what apt keeps on {host} is known at run time")),
        };
        let mut argv = vec!["apt-get", "-q"];
        argv.extend(APT);
        argv.push("clean");
        Decision::Change(Change {
            summary: format!(
                "{host}: remove {files} downloaded package{}, {}",
                if files == 1 { "" } else { "s" },
                size::whole(bytes)
            ),
            diff: None,
            notes: Vec::new(),
            operations: vec![self.look(), self.0.run(argv)],
            // That nothing is left is certain; how much was freed, only the run can tell, so it must not read as nothing.
            predicted: vec![(self.key(), Value::map([("files", Value::Int(0)), ("bytes", Value::Unknown)]))],
            // Free space changes, and little else.
            taints: vec![self.0.scope()],
            undo: Undo::Nothing,
        })
    }

    fn judge(&self, _before: &Observation, performed: &[Output], after: &Observation) -> Verdict {
        if let Some(failed) = first_failure(performed, &|_| String::from("apt-get clean")) {
            return failed;
        }
        match self.number(after, "files") {
            Some(0) => Verdict::Done,
            files => Verdict::NotYet(format!("{} files are still there", files.unwrap_or(-1))),
        }
    }

    fn settle(&self) -> Settle {
        Settle {
            within: Duration::from_secs(5),
            every: Duration::from_millis(500),
        }
    }

    fn result(&self, seen: &Observation, performed: &[Output]) -> Value {
        let empty = self.number(seen, "files") == Some(0);
        let seen_bytes = self.number(seen, "bytes");
        let now = if empty { Some(0) } else { seen_bytes };
        let freed = match (performed.first().map(|o| self.cached(Some(o))), now) {
            (Some(Ok((_, before))), Some(now)) => Value::Int(before - now),
            (None, Some(_)) if empty && seen_bytes.is_some() => Value::Int(0),
            _ => Value::Unknown,
        };
        Value::map([("freed_bytes", freed), ("cached_bytes", now.map_or(Value::Unknown, Value::Int))])
    }
}
