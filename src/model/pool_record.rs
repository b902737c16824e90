//! What a pool's first balancer keeps about it: who holds its lease, and who took which member out.
//!
//! Records are files of one JSON line in `~/.local/state/runbook/pools/POOL/` of the login user (`/var/tmp/runbook-UID/…` without a home):
//! `lease.N`, N being the fence (the highest counts), and `taken.SERVER`. A new lease is a hard link to the next number: exactly one
//! creator wins, nobody ever sees half a record, and a fence is never used twice. Expiry is judged by the balancer's clock alone, since
//! the clocks of a laptop and a server differ. Scripts are POSIX sh; data stands in them only quoted.

use serde::{Deserialize, Serialize};

use crate::base::quote;

/// One record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolRecord {
    /// Who started the run.
    pub owner: String,
    /// The run, unique among all controllers.
    pub run: String,
    /// For people: `web-01 out of pool web (drain)`.
    pub what: String,
    /// When it was made.
    pub since_ms: i64,
    /// A lease ends then by itself; a taken member is overdue from then on, and still taken.
    pub until_ms: i64,
    /// Rises with every lease of the pool.
    pub fence: u64,
}

/// What [`read_script`] printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolRecords {
    /// The last lease, expired or not; `None`: never taken, or released.
    pub lease: Option<PoolRecord>,
    /// Members that somebody took out: the balancer's name and the record.
    pub taken: Vec<(String, PoolRecord)>,
}

/// What a changing script answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done; the record as it now stands.
    Done(PoolRecord),
    /// Somebody else has it.
    Held(PoolRecord),
    /// The lease is no longer ours.
    Lost,
}

/// Exit status of a script that was answered `Held` or `Lost`.
pub const REFUSED: i32 = 3;

/// Prints all records; changes nothing.
#[must_use]
pub fn read_script(pool: &str) -> String {
    let body = r#"[ -d "$dir" ] || exit 0
current
if [ "$n" -gt 0 ]; then printf 'lease\t%s\n' "$old"; fi
for f in "$dir"/taken.*; do
  if text=$(cat "$f" 2>/dev/null); then printf '%s\t%s\n' "${f##*/}" "$text"; fi
done
"#;
    script(pool, &[], body)
}

/// Takes the lease for `record.until_ms - now_ms`, unless somebody's unexpired one stands. Our own is refused too: renew it.
#[must_use]
pub fn take_script(pool: &str, record: &PoolRecord, now_ms: i64) -> String {
    let body = r#"make_dir
current
if [ "$n" -gt 0 ]; then
  until=$(number until_ms "$old")
  if [ "${until:-0}" -gt "$now" ]; then printf 'held\t%s\n' "$old"; exit 3; fi
fi
mine=$((n + 1))
write "$mine" "$now" "$((now + ttl))"
if ln "$tmp" "$dir/lease.$mine" 2>/dev/null; then won=1; else won=0; fi
rm -f "$tmp"
highest
if [ "$won" = 1 ] && [ "$n" -eq "$mine" ]; then
  for f in "$dir"/lease.*; do
    k=${f##*.}
    case $k in *[!0-9]*) continue ;; esac
    if [ "$k" -lt "$mine" ]; then rm -f "$f"; fi
  done
  printf 'done\t%s\n' "$record"; exit 0
fi
if [ "$won" = 1 ]; then rm -f "$dir/lease.$mine"; fi
if [ "$n" -lt "$mine" ]; then fail "cannot create a link in $dir"; fi
current
printf 'held\t%s\n' "$old"; exit 3
"#;
    script(pool, &with_ttl(record, now_ms), body)
}

/// Extends our lease (`record.fence`) to `record.until_ms - now_ms` from now.
#[must_use]
pub fn renew_script(pool: &str, record: &PoolRecord, now_ms: i64) -> String {
    let body = r#"highest
if [ "$n" -ne "$fence" ]; then echo lost; exit 3; fi
write "$fence" "$now" "$((now + ttl))"
mv -f "$tmp" "$dir/lease.$fence"
highest
if [ "$n" -ne "$fence" ]; then rm -f "$dir/lease.$fence"; echo lost; exit 3; fi
printf 'done\t%s\n' "$record"
"#;
    let mut values = with_ttl(record, now_ms);
    values.push(("fence", record.fence.to_string()));
    script(pool, &values, body)
}

/// Gives our lease back. The file stays, expired, so that the next fence is higher.
#[must_use]
pub fn release_script(pool: &str, fence: u64) -> String {
    let body = r#"highest
if [ "$n" -ne "$fence" ]; then echo lost; exit 3; fi
head='{"owner":"","run":"","what":"released",'
write "$fence" "$now" 0
mv -f "$tmp" "$dir/lease.$fence"
printf 'done\t%s\n' "$record"
"#;
    script(pool, &[("fence", fence.to_string())], body)
}

/// Writes down that a member is out, before it is taken. Another run's record is refused unless `adopt` says to take it over.
#[must_use]
pub fn mark_taken_script(pool: &str, server: &str, record: &PoolRecord, now_ms: i64, adopt: bool) -> String {
    let body = r#"make_dir
f="$dir/taken.$server"
write "$fence" "$now" "$((now + ttl))"
if ln "$tmp" "$f" 2>/dev/null; then rm -f "$tmp"; printf 'done\t%s\n' "$record"; exit 0; fi
old=$(cat "$f" 2>/dev/null)
case $old in
  *"$needle"*) ;;
  *) if [ "$adopt" != yes ]; then rm -f "$tmp"; printf 'held\t%s\n' "$old"; exit 3; fi ;;
esac
mv -f "$tmp" "$f"
printf 'done\t%s\n' "$record"
"#;
    let mut values = with_ttl(record, now_ms);
    values.push(("fence", record.fence.to_string()));
    values.push(("server", file_name(server)));
    values.push(("needle", needle(&record.run)));
    values.push(("adopt", String::from(if adopt { "yes" } else { "no" })));
    script(pool, &values, body)
}

/// Removes a member's record, if it is that run's. None is fine.
#[must_use]
pub fn clear_taken_script(pool: &str, server: &str, run: &str) -> String {
    let body = r#"f="$dir/taken.$server"
[ -f "$f" ] || { echo done; exit 0; }
old=$(cat "$f")
case $old in
  *"$needle"*) rm -f "$f"; printf 'done\t%s\n' "$old" ;;
  *) printf 'held\t%s\n' "$old"; exit 3 ;;
esac
"#;
    script(pool, &[("server", file_name(server)), ("needle", needle(run))], body)
}

/// Reads what [`read_script`] printed.
///
/// # Errors
/// A line that is no record: somebody else wrote there.
pub fn parse_records(stdout: &str) -> Result<PoolRecords, String> {
    let mut records = PoolRecords::default();
    for line in stdout.lines().filter(|line| !line.is_empty()) {
        let (name, json) = line.split_once('\t').unwrap_or((line, ""));
        let record = parse_record(json)?;
        match name.strip_prefix("taken.") {
            Some(server) => records.taken.push((server_name(server), record)),
            None if record.run.is_empty() => {}
            None => records.lease = Some(record),
        }
    }
    Ok(records)
}

/// Reads what a changing script printed.
///
/// # Errors
/// An answer that is none of ours.
pub fn parse_answer(stdout: &str) -> Result<Answer, String> {
    let line = stdout.lines().next_back().unwrap_or_default();
    match line.split_once('\t').unwrap_or((line, "")) {
        ("lost", _) => Ok(Answer::Lost),
        ("done", "") => Ok(Answer::Done(PoolRecord::default())),
        ("done", json) => parse_record(json).map(Answer::Done),
        // The holder may release between our attempt and our look.
        ("held", "") => Ok(Answer::Held(PoolRecord::default())),
        ("held", json) => parse_record(json).map(Answer::Held),
        _ => Err(format!(
            "expected the answer of a pool's record, found `{}`",
            crate::base::sanitise::one_line(line, 120)
        )),
    }
}

fn parse_record(json: &str) -> Result<PoolRecord, String> {
    use crate::base::sanitise::one_line;
    let record: PoolRecord =
        serde_json::from_str(json).map_err(|_| format!("expected a pool's record, found `{}`", one_line(json, 120)))?;
    // Whoever may log in to the balancer may write there.
    Ok(PoolRecord {
        owner: one_line(&record.owner, 100),
        what: one_line(&record.what, 200),
        ..record
    })
}

/// A name as a file name: everything but letters, digits, `-`, `_` and inner dots as `%xx`.
fn file_name(name: &str) -> String {
    let plain = |at: usize, b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || (b == b'.' && at > 0);
    name.bytes()
        .enumerate()
        .map(|(at, b)| {
            if plain(at, b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02x}")
            }
        })
        .collect()
}

fn server_name(file: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = file.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How a record of that run reads in its file; inside another text of the JSON the quotes would be escaped.
fn needle(run: &str) -> String {
    format!("\"run\":{},", json_text(run))
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn with_ttl(record: &PoolRecord, now_ms: i64) -> Vec<(&'static str, String)> {
    let head = format!(
        "{{\"owner\":{},\"run\":{},\"what\":{},",
        json_text(&record.owner),
        json_text(&record.run),
        json_text(&record.what)
    );
    vec![("head", head), ("ttl", record.until_ms.saturating_sub(now_ms).max(0).to_string())]
}

/// The common part, the quoted values, then the body.
fn script(pool: &str, values: &[(&str, String)], body: &str) -> String {
    const COMMON: &str = r#"set -u
umask 077
base="${HOME:-/nonexistent}/.local/state/runbook/pools"
if [ ! -w "${HOME:-/nonexistent}" ]; then base="/var/tmp/runbook-$(id -u)/pools"; fi
dir="$base/$pool"
now=$(($(date +%s) * 1000))
fail() { echo "$1" >&2; exit 1; }
make_dir() {
  mkdir -p "$dir" || fail "cannot make $dir"
  # Somebody else's folder in /var/tmp is a trap.
  case $base in /var/tmp/*) [ -O "${base%/pools}" ] && [ -O "$dir" ] || fail "$dir belongs to somebody else" ;; esac
}
highest() {
  n=0
  for f in "$dir"/lease.*; do
    k=${f##*.}
    case $k in ''|*[!0-9]*) continue ;; esac
    if [ "$k" -gt "$n" ]; then n=$k; fi
  done
}
# The last lease. A file may go between our look and our reading, but only after a higher one has come.
current() {
  old=
  tries=0
  while highest; [ "$n" -gt 0 ]; do
    if old=$(cat "$dir/lease.$n" 2>/dev/null); then return 0; fi
    tries=$((tries + 1))
    if [ "$tries" -gt 50 ]; then fail "cannot read $dir/lease.$n"; fi
  done
}
number() { printf '%s\n' "$2" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
write() {
  record="$head\"since_ms\":$2,\"until_ms\":$3,\"fence\":$1}"
  tmp="$dir/.new.$$"
  printf '%s\n' "$record" > "$tmp" && sync "$tmp" 2>/dev/null || [ -s "$tmp" ] || fail "cannot write $tmp"
}
"#;
    let mut text = String::new();
    let named = [("pool", file_name(pool))];
    for (name, value) in named.iter().map(|(n, v)| (*n, v)).chain(values.iter().map(|(n, v)| (*n, v))) {
        // JSON escapes NUL and file names have none, so quoting cannot fail.
        let quoted = quote::word(value).expect("no value holds a NUL byte");
        text.push_str(&format!("{name}={quoted}\n"));
    }
    format!("{text}{COMMON}{body}")
}
