//! Puts a file in place: compare, write beside, validate, then rename over. Nobody ever sees half a file.

use std::sync::Arc;
use std::time::Duration;

use super::file::{absolute, sha256, value};
use super::session::Session;
use super::{Captured, EndReason, Exec, FileError, Put, PutOutcome};

/// Content up to here is sent at once; larger content only after a look has shown that it differs.
const ASK_FIRST: usize = 256 * 1024;
/// Bytes of a validation's output that are kept.
const VALIDATION_BYTES: usize = 16 * 1024;
/// Time for writing, syncing and validating.
const PUT_TIMEOUT: Duration = Duration::from_secs(120);

/// What is there, and whether that is already what is wanted. The first letter of the answer is the verdict.
const LOOK: &str = r#"LC_ALL=C; export LC_ALL
deny() { printf 'D %s\n' "$1"; exit 0; }
present() {
  [ -f "$P" ] || { printf absent; return; }
  set -- $(sha256sum <"$P" 2>/dev/null)
  printf %s "${1:-unreadable}"
}
[ ! -L "$P" ] || { echo 'N a symbolic link'; exit 0; }
[ ! -e "$P" ] || [ -f "$P" ] || { printf 'N %s\n' "$(stat -c %F -- "$P")"; exit 0; }
have=$(present)
[ "$have" != unreadable ] || deny 'the present file cannot be read'
mode= user= uid= group= gid=
if [ "$have" != absent ]; then
  set -- $(stat -c '%a %U %u %G %g' -- "$P")
  mode=$1 user=$2 uid=$3 group=$4 gid=$5
fi
same() { [ -z "$1" ] || [ "$1" = "$2" ] || [ "$1" = "$3" ]; }
if [ "$have" = "$WANT" ] && same "$MODE" "$mode" "$mode" && same "$OWNER" "$user" "$uid" && same "$GROUP" "$group" "$gid"; then
  echo U
  exit 0
fi
if [ -n "$EXPECT" ] && [ "$EXPECT" != "$have" ]; then printf 'C %s\n' "$have"; exit 0; fi
"#;

/// The content arrives on standard input.
const WRITE: &str = r#"dir=${P%/*}
[ -n "$dir" ] || dir=/
T=$(umask 077; mktemp "$dir/.rbk.XXXXXXXX" 2>&1) || deny "$T"
trap 'rm -f -- "$T"' EXIT
trap 'exit 1' HUP INT TERM
find "$dir" -maxdepth 1 -name '.rbk.????????' -user "$(id -u)" -mtime +1 -exec rm -f -- {} + 2>/dev/null
E=$(cat 2>&1 >"$T") || deny "$E"
set -- $(sha256sum <"$T")
[ "$1" = "$WANT" ] || deny 'the content was damaged on its way'
E=$(chown -- "${OWNER:-$uid}:${GROUP:-$gid}" "$T" 2>&1) || deny "$E"
E=$(chmod -- "${MODE:-${mode:-644}}" "$T" 2>&1) || deny "$E"
[ "$have" = absent ] || [ ! -e /sys/fs/selinux/enforce ] || chcon --reference="$P" -- "$T" 2>/dev/null
"#;

/// Last look, copy, and the rename.
const PLACE: &str = r#"now=$(present)
[ "$now" = "$have" ] || { printf 'C %s\n' "$now"; exit 0; }
[ ! -L "$P" ] || { echo 'N a symbolic link'; exit 0; }
B=
if [ -n "$BACKUP" ] && [ "$have" != absent ]; then
  B=$P.$(date -u +%Y%m%dT%H%M%SZ).bak
  [ ! -e "$B" ] || B=$B.$$
  E=$(cp -p -- "$P" "$B" 2>&1) || deny "$E"
fi
sync "$T" 2>/dev/null || sync
E=$(mv -fT -- "$T" "$P" 2>&1) || deny "$E"
trap - EXIT
sync "$dir" 2>/dev/null || sync
printf 'W %s\n' "$B"
"#;

pub(super) async fn put(session: &Arc<Session>, request: Put) -> Result<PutOutcome, FileError> {
    absolute(&request.path)?;
    let look = look(&request)?;
    if request.content.len() > ASK_FIRST {
        let captured = send(session, &request, format!("{look}echo S\n"), Vec::new()).await?;
        if let Some(outcome) = parse(&request.path, captured)? {
            return Ok(outcome);
        }
    }
    let approve = approve(request.validate.as_deref().unwrap_or(&[]))?;
    let captured = send(session, &request, format!("{look}{WRITE}{approve}{PLACE}"), request.content.clone()).await?;
    parse(&request.path, captured)?.ok_or_else(|| FileError::Denied {
        path: request.path.clone(),
        reason: String::from("no verdict"),
    })
}

async fn send(session: &Arc<Session>, request: &Put, script: String, stdin: Vec<u8>) -> Result<Captured, FileError> {
    let exec = Exec {
        run_as: request.run_as.clone(),
        stdin,
        timeout: PUT_TIMEOUT,
        ..Exec::script(script)
    };
    let captured = session.exec_one(exec, VALIDATION_BYTES).await?;
    if captured.why == EndReason::Timeout {
        return Err(FileError::Timeout {
            path: request.path.clone(),
        });
    }
    Ok(captured)
}

fn look(request: &Put) -> Result<String, FileError> {
    let mode = request.mode.map(|m| format!("{m:o}")).unwrap_or_default();
    let mut text = String::new();
    for (name, content) in [
        ("P", request.path.as_str()),
        ("WANT", &sha256(&request.content)),
        ("MODE", &mode),
        ("OWNER", request.owner.as_deref().unwrap_or("")),
        ("GROUP", request.group.as_deref().unwrap_or("")),
        ("EXPECT", request.expect_sha256.as_deref().unwrap_or("")),
        ("BACKUP", if request.backup { "1" } else { "" }),
    ] {
        text.push_str(&format!("{name}={}\n", value(content)?));
    }
    text.push_str(LOOK);
    Ok(text)
}

/// The validation as shell text: no shell sees its words, `{{file}}` becomes the temporary path.
fn approve(argv: &[String]) -> Result<String, FileError> {
    if argv.is_empty() {
        return Ok(String::new());
    }
    let mut words = Vec::with_capacity(argv.len());
    for word in argv {
        let pieces: Result<Vec<String>, FileError> = word.split("{{file}}").map(value).collect();
        words.push(pieces?.join("\"$T\""));
    }
    Ok(format!(
        "E=$({} 2>&1 </dev/null)\ncode=$?\n[ \"$code\" = 0 ] || {{ printf 'V %s\\n%s' \"$code\" \"$E\"; exit 0; }}\n",
        words.join(" ")
    ))
}

/// `None`: it differs and may be written.
fn parse(path: &str, captured: Captured) -> Result<Option<PutOutcome>, FileError> {
    let text = String::from_utf8_lossy(&captured.stdout.bytes).into_owned();
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let (verdict, words) = first.split_once(' ').unwrap_or((first, ""));
    match verdict {
        "U" => Ok(Some(PutOutcome::Unchanged)),
        "S" => Ok(None),
        "W" => Ok(Some(PutOutcome::Written {
            backup: Some(words.to_owned()).filter(|b| !b.is_empty()),
        })),
        "V" => Ok(Some(PutOutcome::ValidationFailed {
            code: words.parse().unwrap_or(255),
            output: rest.trim_end().to_owned(),
        })),
        "C" => Ok(Some(PutOutcome::Conflict {
            found_sha256: words.to_owned(),
        })),
        "N" => Err(FileError::NotRegular {
            path: path.to_owned(),
            found: words.to_owned(),
        }),
        "D" => Err(FileError::Denied {
            path: path.to_owned(),
            reason: format!("{words}\n{rest}").trim().to_owned(),
        }),
        _ => {
            let reason = String::from_utf8_lossy(&captured.stderr.bytes).trim().to_owned();
            Err(FileError::Denied {
                path: path.to_owned(),
                reason,
            })
        }
    }
}
