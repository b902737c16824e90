//! Reads a file of the host, following links, with its mode and owner, in one round trip.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::base::{bound, quote};

use super::session::Session;
use super::{Captured, EndReason, Exec, FileError, RemoteFile, RunAs, StartError};

/// The first line says what is there, the rest is the content.
const READ: &str = r#"LC_ALL=C; export LC_ALL
if ! S=$(stat -Lc '%a %U:%u %G:%g %F' -- "$P" 2>&1); then
  case $S in *'No such file'*|*'Not a directory'*) echo A ;; *) printf 'D %s\n' "$S" ;; esac
  exit 0
fi
case $S in *' regular file'|*' regular empty file') ;; *) printf 'N %s\n' "$S"; exit 0 ;; esac
printf 'O %s\n' "$S"
head -c "$M" -- "$P"
"#;

/// Lower-case hexadecimal SHA-256.
pub(super) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::with_capacity(64), |mut text, byte| {
        use std::fmt::Write as _;
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Quotes a value inside a script that is itself sent quoted.
pub(super) fn value(text: &str) -> Result<String, FileError> {
    Ok(quote::word(text).map_err(StartError::invalid)?)
}

/// Only absolute paths mean the same for every user and directory.
pub(super) fn absolute(path: &str) -> Result<(), FileError> {
    if path.starts_with('/') && !path.ends_with('/') {
        return Ok(());
    }
    Err(StartError::invalid(format!("`{path}` is not the absolute path of a file")).into())
}

/// Room for the line before the content: names of users and groups have at most 32 bytes each.
const FIRST_LINE_BYTES: usize = 1024;
/// Longest file that may be read among plain commands, whose output is bounded.
pub const FOLDED_BYTES: usize = bound::OUTPUT_BYTES - FIRST_LINE_BYTES;

/// The plain command that reads a file, for [`super::Host::exec_many`].
///
/// # Errors
/// A path that is not absolute.
pub fn read_request(path: &str, run_as: RunAs, max: usize) -> Result<Exec, FileError> {
    absolute(path)?;
    let script = format!("P={}; M={}\n{READ}", value(path)?, max + 1);
    Ok(Exec {
        run_as,
        ..Exec::script(script)
    })
}

/// What the command of [`read_request`] answered; `None` when there is no such file.
///
/// # Errors
/// Why it could not be read; [`FileError::TooLarge`] when it has more than `max` bytes.
pub fn read_answer(path: &str, max: usize, answer: Result<Captured, StartError>) -> Result<Option<RemoteFile>, FileError> {
    let captured = answer?;
    if captured.why == EndReason::Timeout {
        return Err(FileError::Timeout { path: path.to_owned() });
    }
    parse(path, max, captured)
}

pub(super) async fn read(session: &Arc<Session>, path: &str, run_as: RunAs, max: usize) -> Result<Option<RemoteFile>, FileError> {
    let request = read_request(path, run_as, max)?;
    read_answer(path, max, session.exec_one(request, max + FIRST_LINE_BYTES).await)
}

fn parse(path: &str, max: usize, captured: Captured) -> Result<Option<RemoteFile>, FileError> {
    let denied = |reason: String| FileError::Denied {
        path: path.to_owned(),
        reason,
    };
    let mut content = captured.stdout.bytes;
    let stderr = String::from_utf8_lossy(&captured.stderr.bytes).trim().to_owned();
    let Some(end) = content.iter().position(|b| *b == b'\n') else {
        return Err(denied(stderr));
    };
    let first = String::from_utf8_lossy(&content[..end]).into_owned();
    content.drain(..=end);
    let mut words = first.splitn(5, ' ');
    let (kind, mode, owner, group) = (words.next().unwrap_or(""), words.next(), words.next(), words.next());
    match kind {
        "A" => Ok(None),
        "N" => Err(FileError::NotRegular {
            path: path.to_owned(),
            found: words.next().unwrap_or("something else").to_owned(),
        }),
        "O" if captured.code != 0 => Err(denied(stderr)),
        "O" if content.len() > max => Err(FileError::TooLarge {
            path: path.to_owned(),
            max,
        }),
        "O" => Ok(Some(RemoteFile {
            mode: u32::from_str_radix(mode.unwrap_or(""), 8).map_err(|_| denied(first.clone()))?,
            owner: name(owner.unwrap_or("")),
            group: name(group.unwrap_or("")),
            sha256: sha256(&content),
            content,
        })),
        _ => Err(denied(first.get(2..).unwrap_or("").to_owned())),
    }
}

/// `joe:1000` is `joe`, `UNKNOWN:1000` is `1000`.
fn name(pair: &str) -> String {
    match pair.split_once(':') {
        Some(("UNKNOWN", number)) => number.to_owned(),
        Some((name, _)) => name.to_owned(),
        None => pair.to_owned(),
    }
}
