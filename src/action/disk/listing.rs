//! Files that match, as a host lists them: numbers first, the name last and only for people.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::base::sanitise::one_line;
use crate::base::size;
use crate::base::value::Value;

/// Files that the plan names one by one.
const SHOWN: usize = 50;

/// One file. Its inode, size and time tell whether it is still the same; its name never goes back to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `inode size mtime`
    pub same: String,
    /// What deleting it frees: nothing where it has another name.
    pub bytes: i64,
    /// Some process holds it open.
    pub open: bool,
    /// For people.
    pub name: String,
}

/// Where a directory leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What keeps the directories from being looked at: number from 1, and the word for it.
    pub obstacle: Option<(usize, String)>,
    /// The files.
    pub files: Vec<Found>,
    /// Whether every process's open files could be seen.
    pub sees_all: bool,
}

impl Listing {
    /// From the lines of a look.
    #[must_use]
    pub fn read(stdout: &str) -> Listing {
        let open: BTreeSet<&str> = stdout.lines().filter_map(|l| l.strip_prefix("open ")).collect();
        let obstacle = stdout
            .lines()
            .filter_map(|l| l.strip_prefix("dir ")?.split_once(' '))
            .find_map(|(number, state)| {
                let wrong = !matches!(state, "ok" | "missing");
                wrong.then(|| Some((number.parse().ok()?, state.to_owned()))).flatten()
            });
        let mut files: Vec<Found> = stdout.lines().filter_map(|l| found(l.strip_prefix("file ")?, &open)).collect();
        files.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        Listing {
            obstacle,
            files,
            sees_all: stdout.lines().any(|l| l == "root"),
        }
    }

    /// As a fact.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let file = |f: &Found| {
            Value::map([
                ("same", Value::text(&f.same)),
                ("bytes", Value::Int(f.bytes)),
                ("open", Value::Bool(f.open)),
                ("name", Value::text(&f.name)),
            ])
        };
        Value::List(self.files.iter().map(file).collect())
    }

    /// The files of a fact; `None`: unknown.
    #[must_use]
    pub fn files_of(fact: Option<&Value>) -> Option<Vec<Found>> {
        let file = |value: &Value| {
            let field = |name: &str| value.field(name).unwrap_or_default();
            Some(Found {
                same: field("same").as_text()?.to_owned(),
                bytes: field("bytes").as_int()?,
                open: field("open").as_bool()?,
                name: field("name").as_text()?.to_owned(),
            })
        };
        fact?.as_list()?.iter().map(file).collect()
    }
}

/// `device inode size mtime blocks blocksize links name`
fn found(line: &str, open: &BTreeSet<&str>) -> Option<Found> {
    let mut words = line.splitn(8, ' ');
    let (device, inode) = (words.next()?, words.next()?);
    let (size, time) = (words.next()?, words.next()?);
    let (blocks, block): (i64, i64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let links = words.next()?;
    Some(Found {
        same: format!("{inode} {size} {time}"),
        bytes: if links == "1" { blocks.saturating_mul(block) } else { 0 },
        open: open.contains(format!("{device} {inode}").as_str()),
        name: one_line(words.next()?, 260),
    })
}

/// All bytes of some files.
#[must_use]
pub fn bytes(files: &[Found]) -> i64 {
    files.iter().fold(0, |sum, f| sum.saturating_add(f.bytes))
}

/// The list for people, the largest first, bounded.
#[must_use]
pub fn shown(files: &[Found]) -> String {
    let mut text = String::new();
    for file in files.iter().take(SHOWN) {
        let what = if file.open { " (open: emptied, not removed)" } else { "" };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "-{}  {}{what}", file.name, size::whole(file.bytes));
    }
    if files.len() > SHOWN {
        let rest = &files[SHOWN..];
        let _ = writeln!(text, "-and {} files more  {}", rest.len(), size::whole(bytes(rest)));
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_reads_back() {
        let stdout = "dir 1 ok\ndir 2 missing\nfile 8 11 5 100 8 512 1 /v/a b\u{1b}[2J.gz\nfile 8 12 9 100 16 512 1 /v/\"b'.gz\n\
                      file 8 13 9 100 8 512 2 (a name with a line break)\nroot\nopen 8 12\nopen 9 11\n";
        let listing = Listing::read(stdout);
        assert_eq!((listing.obstacle.clone(), listing.sees_all), (None, true));
        let names: Vec<&str> = listing.files.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["/v/\"b'.gz", "/v/a b\\u{1b}[2J.gz", "(a name with a line break)"]);
        assert_eq!(
            (bytes(&listing.files), listing.files[0].open, listing.files[1].open),
            (12288, true, false)
        );
        assert_eq!(Listing::files_of(Some(&listing.to_value())).unwrap(), listing.files);
        assert_eq!(Listing::files_of(Some(&Value::Unknown)), None);
        assert_eq!(Listing::read("dir 1 ok\ndir 2 link\n").obstacle, Some((2, String::from("link"))));
    }
}
