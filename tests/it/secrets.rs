//! A secret is used on real hosts, and afterwards looked for in every place where something is shown or kept.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::site::{Person, Site, Told, until};

/// Odd on purpose: quotes, a blank, a slash and a letter beyond ASCII are where encodings differ.
const SECRET: &str = "hunter2/\u{fc} pass'w\"rd";

/// The value in the forms that programs give it, made here and not by the product.
fn forms() -> Vec<String> {
    let hex: String = SECRET.bytes().map(|b| format!("{b:02x}")).collect();
    let percent: String = SECRET
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    // Of base64 only what does not depend on the bytes around; three alignments, from coreutils.
    let base64 = |skip: &str, from: usize| {
        let mut child = std::process::Command::new("base64")
            .args(["-w", "0"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(format!("{skip}{SECRET}").as_bytes()).unwrap();
        let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        text[from..text.len() - 4].to_owned()
    };
    let json = serde_json::Value::from(SECRET).to_string();
    vec![
        SECRET.to_owned(),
        json[1..json.len() - 1].to_owned(),
        hex.to_uppercase(),
        hex,
        percent,
        base64("", 0),
        base64("u", 2),
        base64("us", 3),
        String::from("hunter2/"),
    ]
}

#[track_caller]
fn absent(what: &str, bytes: &[u8]) {
    for form in forms() {
        let found = bytes.windows(form.len()).any(|w| w == form.as_bytes());
        assert!(!found, "{what} holds the secret as `{form}`:\n{}", String::from_utf8_lossy(bytes));
    }
}

fn absent_below(folder: &Path, except: &dyn Fn(&Path) -> bool) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if except(&path) {
            continue;
        }
        if kind.is_dir() {
            absent_below(&path, except);
        } else if kind.is_file()
            && let Ok(bytes) = fs::read(&path)
        {
            absent(&path.display().to_string(), &bytes);
        }
    }
}

/// Reads every command line of this machine, which is also the hosts' machine, again and again.
struct Watch {
    over: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeSet<String>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    fn start() -> Watch {
        let (over, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeSet::new())));
        let (stop, lines) = (over.clone(), seen.clone());
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                for entry in fs::read_dir("/proc").unwrap().flatten() {
                    if let Ok(line) = fs::read(entry.path().join("cmdline")) {
                        lines.lock().unwrap().insert(String::from_utf8_lossy(&line).into_owned());
                    }
                }
            }
        });
        Watch {
            over,
            seen,
            thread: Some(thread),
        }
    }

    fn finish(mut self) -> BTreeSet<String> {
        self.over.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// A server of one's own that repeats the authorization it was given, and keeps what it heard.
fn echo() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = heard.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (mut asked, mut byte) = (Vec::new(), [0]);
            while !asked.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                asked.push(byte[0]);
            }
            let asked = String::from_utf8_lossy(&asked).into_owned();
            keep.lock().unwrap().push(asked.clone());
            let body = format!("you said {}", asked.lines().find(|l| l.starts_with("x-token")).unwrap_or(""));
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-echo: {body}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (port, heard)
}

fn runbook(port: u16) -> String {
    format!(
        r#"runbook: keep
language: 1
description: Uses a secret in every way that is allowed, and tries hard to show it.
params:
  pw: {{ type: secret, from: "file:SECRET_FILE" }}
  pw_env: {{ type: secret, from: env.THE_PASSWORD }}
  web: {{ type: host, default: web-01 }}
steps:
  - id: look
    hosts: "{{{{params.web.name}}}}"
    command:
      argv: [sh, -c, 'printf %s "$PW"; cat; printf %s "$PW" | base64 -w 0; printf %s "us$PW" | base64 -w 0; printf %s "$PW" | od -An -tx1 -v | tr -d " \n"; ps -ef']
      env: {{ PW: "{{{{params.pw_env}}}}" }}
      stdin: "password={{{{params.pw}}}}"
      read_only: true
  - id: asked
    call: {{ runbook: ask.yaml, params: {{ token: "{{{{params.pw}}}}", port: {port} }} }}
  - id: act
    hosts: "{{{{params.web.name}}}}"
    command:
      argv: [sh, -c, 'printf "%s\n" "$PW"; cat; printf %s "$PW" | base64 -w 0 >&2; touch STARTED; until [ -e GO ]; do sleep 0.05; done; ps -ef | head -3']
      env: {{ PW: "x{{{{params.pw}}}}" }}
      stdin: "{{{{params.pw}}}}\nand more"
    undo: none
  - id: told
    notify: {{ to: here, message: "it said {{{{steps.look.stdout}}}} and {{{{steps.act.stdout}}}} and {{{{steps.asked.body}}}}" }}
  - id: fails
    hosts: web-01
    command: {{ argv: [sh, -c, 'printf "%s" "$PW" >&2; exit 3'], env: {{ PW: "{{{{params.pw}}}}" }} }}
    undo: none
"#
    )
}

/// Called with a secret that it knows by another name, and keeps nowhere itself.
const ASK: &str = r#"runbook: ask
language: 1
description: Asks with a token.
params:
  token: { type: secret, from: env.NO_SUCH_VARIABLE }
  port: { type: int }
steps:
  - id: ask
    hosts: control
    http: { url: "http://127.0.0.1:{{params.port}}/", headers: { x-token: "Bearer {{params.token}}" } }
outputs: { body: steps.ask.body }
"#;

fn told(person: &Person<'_>, arguments: &[&str], said: &mut Vec<(String, Told)>) {
    let mut command = person.command(arguments);
    command.env("THE_PASSWORD", SECRET);
    said.push((arguments.join(" "), person.start_command(command).finish()));
}

#[test]
fn a_secret_is_used_and_seen_nowhere() {
    let site = Site::up("secret");
    let person = site.person("mira");
    let kept = site.work.join("the-secret");
    fs::write(&kept, format!("{SECRET}\n")).unwrap();
    fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (started, go) = (site.work.join("started"), site.work.join("go"));
    let (port, heard) = echo();
    let text = runbook(port)
        .replace("SECRET_FILE", &kept.display().to_string())
        .replace("STARTED", &started.display().to_string())
        .replace("GO", &go.display().to_string());
    let path = site.text("keep.yaml", &text);
    site.text("ask.yaml", ASK);
    let watch = Watch::start();
    let mut said = Vec::new();

    told(&person, &["validate", &path], &mut said);
    for format in ["text", "json", "ndjson", "github"] {
        told(&person, &["plan", &path, "-o", format, "-vv"], &mut said);
    }
    let mut command = person.command(&["apply", &path, "--yes", "-vv", "-o", "ndjson"]);
    command.env("THE_PASSWORD", SECRET);
    let running = person.start_command(command);
    until("the program on the host", || started.exists().then_some(()));
    // While it runs, its input has been given and is gone from the host's disk; what it writes itself is its own.
    let home = site.fleet.layout().home("web-01");
    let own_output = |path: &Path| path.extension().is_some_and(|e| e == "out" || e == "err");
    absent_below(&home, &own_output);
    let state = home.join(".local/state/runbook/s");
    let mode = fs::metadata(&state).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o700);
    fs::write(&go, "").unwrap();
    said.push((String::from("apply"), running.finish().exits(4)));
    for arguments in [
        vec!["show", "1"],
        vec!["show", "1", "-o", "json"],
        vec!["logs", "1"],
        vec!["logs", "1", "-o", "json"],
        vec!["runs", "-o", "json"],
        vec!["graph", &path],
    ] {
        told(&person, &arguments, &mut said);
    }

    for (what, told) in &said {
        absent(what, told.all().as_bytes());
    }
    let apply = &said.iter().find(|(what, _)| what == "apply").unwrap().1;
    assert!(apply.all().contains("it said ***password=***"), "{}", apply.all());
    for line in watch.finish() {
        absent("a command line", line.as_bytes());
    }
    // It did arrive: the server heard it, as plan and as run.
    let heard = heard.lock().unwrap();
    assert!(
        heard.len() > 4 && heard.iter().all(|h| h.contains(&format!("x-token: Bearer {SECRET}"))),
        "{heard:?}"
    );
    absent_below(&site.work, &|path| path == kept);
}

#[test]
fn a_missing_or_open_secret_is_found_before_anything_is_done() {
    let site = Site::up("nosecret");
    let person = site.person("mira");
    let kept = site.work.join("the-secret");
    fs::write(&kept, "hunter2hunter2\n").unwrap();
    fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let text = runbook(1).replace("SECRET_FILE", &kept.display().to_string());
    let path = site.text("keep.yaml", &text);
    site.text("ask.yaml", ASK);
    person
        .run(&["apply", &path, "--yes"])
        .exits(3)
        .says("RB0731")
        .says("THE_PASSWORD is not set")
        .says("chmod 600")
        .never_says("hunter2");
    person.run(&["plan", &path, "--offline"]).exits(0).never_says("hunter2");
    person
        .run(&["plan", &path, "--offline", "--param", "pw=hunter2"])
        .exits(3)
        .says("RB0730");
}
