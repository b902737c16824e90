//! The words exchanged with `remote.sh`: how requests are written and bounded. Pure; both links send the same.

use crate::base::quote;

use super::{Exec, Program, Run, RunAs, StartError};

/// The only text a login shell ever parses; sh, bash, fish and tcsh agree on it.
pub(super) const BOOTSTRAP: &str = r#"exec /bin/sh -c 'read -r n&&eval "$(head -c "$n")"'"#;
/// The remote side.
const REMOTE: &str = include_str!("remote.sh");
/// A request up to here is read by the shell byte by byte, which is cheaper than starting `head`.
const SHORT_LINE: usize = 3000;
/// A script for another user is one argument of `sudo`; Linux allows 128 KiB.
const SCRIPT_ARGUMENT: usize = 100 * 1024;
/// Bytes of a request that stands in one line.
const LINE_BYTES: usize = 1024 * 1024;
/// Bytes an attempt may write to the host's disk before it is killed.
pub(super) const OUTPUT_QUOTA: u64 = 64 * 1024 * 1024;

/// A fresh, unguessable word: output cannot imitate a frame.
pub(super) fn nonce() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// What is sent to a fresh shell.
pub(super) fn greeting(nonce: &str) -> Vec<u8> {
    let text = format!("{REMOTE}\nrbk_main {nonce}\n");
    format!("{}\n{text}", text.len()).into_bytes()
}

/// One request as bytes.
pub(super) fn line(text: &str, nonce: &str) -> Vec<u8> {
    if text.len() <= SHORT_LINE && !text.contains('\n') {
        return format!("{text}\n").into_bytes();
    }
    format!("rbk_long {} {nonce}\n{text}{nonce}\n", text.len()).into_bytes()
}

/// Bytes for a file of the state directory, before the request that reads it.
pub(super) fn spool(payload: &[u8], nonce: &str) -> Vec<u8> {
    let mut bytes = format!("rbk_spool {} {nonce} {}\n", payload.len(), spooled(nonce)).into_bytes();
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(nonce.as_bytes());
    bytes.push(b'\n');
    bytes
}

fn spooled(nonce: &str) -> String {
    format!("\"$RBK_S/.in.{nonce}\"")
}

/// The request that runs a plain command and frames its end.
pub(super) fn exec(request: &Exec, user: &str, nonce: &str) -> Result<Vec<u8>, StartError> {
    let command = command(request, user, &Form::Plain)?;
    let (mut bytes, input, _) = input(&request.stdin, nonce);
    // The input is open when its file goes: it may hold a secret.
    let gone = if request.stdin.is_empty() {
        String::new()
    } else {
        format!("rm -f {input};")
    };
    let text = format!("(trap - HUP PIPE;{gone}{command}) <{input};rbk_mark {nonce} e $?");
    bytes.extend(line(&text, nonce));
    Ok(bytes)
}

/// The request that runs a durable command.
pub(super) fn run(request: &Run, user: &str, nonce: &str, keep: usize) -> Result<Vec<u8>, StartError> {
    let id = request.id.as_str();
    let command = command(&request.exec, user, &Form::Durable(id))?;
    let (mut bytes, input, after) = input(&request.exec.stdin, nonce);
    let seconds = whole_seconds(request.exec.timeout).max(1);
    let grace = whole_seconds(request.grace);
    let text = format!(
        "rbk_command() {{ {command}; }};rbk_run {nonce} {id} {seconds} {grace} {} {} {input};rbk_mark {nonce} e 0{after}",
        other_user(&request.exec.run_as, user)?.unwrap_or_else(|| String::from("-")),
        keep + 1,
    );
    bytes.extend(line(&text, nonce));
    Ok(bytes)
}

fn input(stdin: &[u8], nonce: &str) -> (Vec<u8>, String, String) {
    if stdin.is_empty() {
        return (Vec::new(), String::from("/dev/null"), String::new());
    }
    (spool(stdin, nonce), spooled(nonce), format!(";rm -f {}", spooled(nonce)))
}

/// Whole seconds, rounded up.
pub(super) fn whole_seconds(span: std::time::Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// Quotes one word so that it stands in one line, whatever it holds.
pub(super) fn word(text: &str) -> Result<String, StartError> {
    let lines: Result<Vec<String>, String> = text.split('\n').map(quote::word).collect();
    Ok(lines.map_err(StartError::invalid)?.join("\"$RBK_NL\""))
}

enum Form<'a> {
    Plain,
    Durable(&'a str),
}

/// The user to become, quoted; `None` when it is the login user.
pub(super) fn other_user(run_as: &RunAs, user: &str) -> Result<Option<String>, StartError> {
    match run_as {
        RunAs::User(name) if name != user => {
            if name.is_empty() || name.starts_with('-') {
                return Err(StartError::invalid(format!("`{name}` cannot be a user")));
            }
            Ok(Some(word(name)?))
        }
        _ => Ok(None),
    }
}

fn command(request: &Exec, user: &str, form: &Form<'_>) -> Result<String, StartError> {
    let mut text = String::new();
    for (name, value) in &request.env {
        check_variable(name)?;
        text.push_str(&format!("export {name}={};", word(value)?));
    }
    if let Some(directory) = &request.cwd {
        text.push_str(&format!("cd -- {} || exit 126;", word(directory)?));
    }
    let session = if matches!(form, Form::Durable(_)) { "setsid " } else { "" };
    let sudo = match other_user(&request.run_as, user)? {
        None => None,
        Some(name) if request.env.is_empty() => Some(format!("sudo -n -u {name} -- ")),
        Some(name) => {
            let names: Vec<&str> = request.env.iter().map(|(n, _)| n.as_str()).collect();
            Some(format!("sudo -n --preserve-env={} -u {name} -- ", names.join(",")))
        }
    };
    match (&request.program, sudo) {
        (Program::Argv(argv), sudo) => {
            if argv.first().is_none_or(|p| p.is_empty() || p.starts_with('-')) {
                return Err(StartError::invalid("the program's name is missing"));
            }
            let words: Result<Vec<String>, StartError> = argv.iter().map(|w| word(w)).collect();
            text.push_str(&format!("exec {session}{}{}", sudo.unwrap_or_default(), words?.join(" ")));
        }
        (Program::Script(script), Some(sudo)) => {
            if script.len() > SCRIPT_ARGUMENT {
                return Err(StartError::invalid(format!(
                    "a script for another user may have {SCRIPT_ARGUMENT} bytes"
                )));
            }
            text.push_str(&format!("exec {session}{sudo}sh -c {}", word(script)?));
        }
        (Program::Script(script), None) => match form {
            Form::Plain => text.push_str(&format!("eval {}", word(script)?)),
            Form::Durable(id) => text.push_str(&format!(
                "printf %s {} >\"$RBK_S/{id}.cmd\" || exit 125;exec setsid sh \"$RBK_S/{id}.cmd\"",
                word(script)?
            )),
        },
    }
    if text.len() > LINE_BYTES {
        return Err(StartError::invalid(format!(
            "a command may have {LINE_BYTES} bytes; send data as its input"
        )));
    }
    Ok(text)
}

fn check_variable(name: &str) -> Result<(), StartError> {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit()) && !name.starts_with("RBK_") {
        return Ok(());
    }
    Err(StartError::invalid(format!("`{name}` cannot name a variable of the environment")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_request_is_one_line_whatever_it_holds() {
        let request = Exec::argv(["printf", "a\nb'c\"$(id)`id`", "-n"]);
        let text = String::from_utf8(exec(&request, "joe", "N").unwrap()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(text.ends_with(";rbk_mark N e $?\n"));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        assert!(exec(&Exec::argv(["a\0b"]), "joe", "N").is_err());
        assert!(exec(&Exec::argv(Vec::<String>::new()), "joe", "N").is_err());
        assert!(exec(&Exec::argv(["-x"]), "joe", "N").is_err());
        let named = |name: &str| Exec {
            env: vec![(name.into(), "v".into())],
            ..Exec::argv(["true"])
        };
        assert!(exec(&named("A_1"), "joe", "N").is_ok());
        for bad in ["", "1A", "A=B", "A B", "RBK_S", "A;x"] {
            assert!(exec(&named(bad), "joe", "N").is_err(), "{bad}");
        }
    }

    #[test]
    fn sudo_stands_only_before_the_step_of_another_user() {
        let as_user = |user: &str| Exec {
            run_as: RunAs::User(user.into()),
            ..Exec::argv(["id", "-un"])
        };
        let text = |e: &Exec| String::from_utf8(exec(e, "joe", "N").unwrap()).unwrap();
        assert!(text(&as_user("root")).contains("exec sudo -n -u root -- id -un)"));
        assert!(text(&as_user("joe")).contains("exec id -un)"));
        assert!(exec(&as_user("-x"), "joe", "N").is_err());
    }
}
