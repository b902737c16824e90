//! Inventories people already have: what `runbook inventory` makes of them, compared with the real Ansible.
//!
//! The cases are data in `tests/cases/inventories`: a folder with an inventory, and a JSON file that says what must be the same, what
//! runbook refuses or does otherwise, and why. What Ansible does there is asked as well, so that the claim stays true.
//! Ansible is installed once into `target/`, in a version of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::{Value as Json, json};

use crate::site::{RUNBOOK, project};

/// The version that the cases were measured with.
const ANSIBLE: &str = "ansible-core==2.19.14";

/// Folder of programs of an Ansible of our own, installed if it is not there yet.
fn ansible() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = target.join(ANSIBLE.replace("==", "-"));
        let complete = folder.join("complete");
        if !complete.exists() {
            let _ = fs::remove_dir_all(&folder);
            done(Command::new("python3").args(["-m", "venv"]).arg(&folder));
            let pip = folder.join("bin/pip");
            done(Command::new(pip).args(["install", "--quiet", "--disable-pip-version-check", ANSIBLE]));
            fs::write(&complete, "").unwrap();
        }
        folder.join("bin")
    })
}

fn done(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}; `make packages` installs what the tests need"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A program of Ansible's that sees no configuration but its own defaults.
fn theirs(program: &str) -> Command {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ansible-home");
    fs::create_dir_all(&home).unwrap();
    // Through its Python: the first line of an installed script names the folder that it was installed to, which may have moved.
    let mut command = Command::new(ansible().join("python"));
    command
        .args((program != "python").then(|| ansible().join(program)))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", &home);
    let config = home.join("ansible.cfg");
    fs::write(&config, "").unwrap();
    command.env("ANSIBLE_CONFIG", config).env("ANSIBLE_HOME", &home).current_dir(&home);
    command
}

/// An inventory and what is expected of it.
struct Case {
    name: String,
    expected: Json,
    inventories: Vec<String>,
}

impl Case {
    fn all() -> Vec<Case> {
        let folder = project("tests/cases/inventories");
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .filter_map(|e| Some(e.unwrap().file_name().to_str()?.strip_suffix(".json")?.to_owned()))
            .collect();
        names.sort();
        names
            .into_iter()
            .map(|name| {
                let text = fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
                let expected: Json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}.json: {e}"));
                for key in expected.as_object().unwrap().keys() {
                    let known = ["about", "inventories", "same", "same_hosts", "refused", "differs", "invalid"];
                    assert!(known.contains(&key.as_str()), "{name}.json: {key}");
                }
                let inventories = texts(&expected["inventories"])
                    .iter()
                    .map(|i| format!("{folder}/{name}/{i}"))
                    .collect();
                Case {
                    name,
                    expected,
                    inventories,
                }
            })
            .collect()
    }

    /// Patterns under a heading, with what is said about each.
    fn under(&self, heading: &str) -> Vec<(String, Json)> {
        match &self.expected[heading] {
            Json::Null => Vec::new(),
            Json::Array(list) => list.iter().map(|p| (p.as_str().unwrap().to_owned(), Json::Null)).collect(),
            Json::Object(map) => map.iter().map(|(p, said)| (p.clone(), said.clone())).collect(),
            other => panic!("{}.json: {heading}: {other}", self.name),
        }
    }

    fn patterns(&self) -> Vec<String> {
        let headings = ["same", "same_hosts", "refused", "differs"];
        let mut all: Vec<String> = headings.iter().flat_map(|h| self.under(h)).map(|(p, _)| p).collect();
        if self.expected["invalid"] != Json::Null {
            all.push(self.expected["invalid"]["pattern"].as_str().unwrap().to_owned());
        }
        all
    }

    /// The real binary with this inventory.
    fn runbook(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(RUNBOOK);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", env!("CARGO_TARGET_TMPDIR"));
        self.inventories.iter().for_each(|i| {
            command.args(["-i", i]);
        });
        command
            .args(["--journal", "/dev/null/none", "inventory"])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Names, or why not: the exit code and the words.
    fn hosts(&self, pattern: &str) -> Result<Vec<String>, (i32, String)> {
        // A pattern may begin with `-` for the command line, not here.
        let output = self.runbook(&["hosts", "-o", "json", "--", pattern]);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!words.contains("panicked"), "{}: {pattern}: {words}", self.name);
        match output.status.code() {
            Some(0) => Ok(texts(&serde_json::from_slice::<Json>(&output.stdout).unwrap()["hosts"])),
            code => Err((code.unwrap_or(-1), words)),
        }
    }
}

fn texts(list: &Json) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter().map(|t| t.as_str().unwrap().to_owned()).collect()
}

/// What Ansible answers to all cases, asked once in one process.
fn answers() -> &'static [Json] {
    static ANSWERS: OnceLock<Vec<Json>> = OnceLock::new();
    ANSWERS.get_or_init(|| {
        let jobs: Vec<Json> = Case::all()
            .iter()
            .map(|c| json!({ "sources": c.inventories, "patterns": c.patterns() }))
            .collect();
        let mut child = theirs("python")
            .arg(project("tests/it/ansible/oracle.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(Json::from(jobs).to_string().as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {errors}"))
    })
}

fn sorted(names: &[String]) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}

/// Checks what the case claims about Ansible; says what is wrong with the claim.
fn claim(said: &Json, theirs: &Json) -> Option<String> {
    let fits = match (said.get("ansible"), said.get("ansible_count")) {
        (Some(Json::Null), None) => theirs.is_null(),
        (Some(expected), None) => theirs == expected,
        (None, Some(count)) => theirs.as_array().is_some_and(|t| t.len() as u64 == count.as_u64().unwrap()),
        _ => false,
    };
    let why = said["why"].as_str().is_some_and(|w| !w.is_empty());
    (!fits || !why).then(|| format!("Ansible gives {theirs}, the case says {said}"))
}

#[test]
fn patterns_mean_what_they_mean_to_ansible_or_are_refused() {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for (case, answer) in Case::all().iter().zip(answers()) {
        let mut complain = |pattern: &str, what: String| wrong.push(format!("{} `{pattern}`: {what}", case.name));
        for (heading, ordered) in [("same", true), ("same_hosts", false)] {
            for (pattern, _) in case.under(heading) {
                compared += 1;
                let theirs = &answer["hosts"][&pattern];
                let expected = theirs.as_array().map(|_| texts(theirs)).unwrap_or_default();
                match case.hosts(&pattern) {
                    Ok(ours) if ordered && ours == expected => {}
                    Ok(ours) if !ordered && sorted(&ours) == sorted(&expected) => {}
                    ours => complain(&pattern, format!("{ours:?}\n    Ansible gives {theirs}")),
                }
            }
        }
        for (heading, always) in [("refused", true), ("differs", false)] {
            for (pattern, said) in case.under(heading) {
                compared += 1;
                claim(&said, &answer["hosts"][&pattern])
                    .into_iter()
                    .for_each(|w| complain(&pattern, w));
                match (case.hosts(&pattern), always || said["refused"] == Json::Bool(true)) {
                    (Err((3, words)), true) if words.contains("RB0705") => {}
                    (Ok(ours), false) if ours == texts(&said["ours"]) => {}
                    (ours, _) => complain(&pattern, format!("ours is {ours:?}, the case says {said}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 150, "{compared} cases");
}

#[test]
fn inventories_that_ansible_reads_in_part_are_refused() {
    let mut seen = 0;
    for (case, answer) in Case::all().iter().zip(answers()) {
        let said = &case.expected["invalid"];
        if said.is_null() {
            continue;
        }
        seen += 1;
        let pattern = said["pattern"].as_str().unwrap();
        assert_eq!(answer["hosts"][pattern], said["ansible"], "{}: what Ansible makes of it", case.name);
        let (code, words) = case.hosts(pattern).unwrap_err();
        assert_eq!(code, 3, "{}: {words}", case.name);
        for expected in texts(&said["codes"]) {
            assert!(words.contains(&expected), "{}: {words}", case.name);
        }
    }
    assert!(seen >= 10);
}

/// Keys that only Ansible's own machinery reads, or that are connection variables and so no variables of ours.
fn is_theirs(key: &str) -> bool {
    let own = [
        "inventory_file",
        "inventory_dir",
        "inventory_hostname",
        "inventory_hostname_short",
        "group_names",
    ];
    let own = own.contains(&key) || ["playbook_dir", "omit", "groups", "environment"].contains(&key);
    own || key.starts_with("ansible_")
}

#[test]
fn variables_and_connections_are_those_of_ansible() {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for (case, answer) in Case::all().iter().zip(answers()).filter(|(c, _)| c.expected["invalid"].is_null()) {
        let output = case.runbook(&["list", "-o", "json"]);
        let words = String::from_utf8_lossy(&output.stderr);
        let document: Json = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{}: {e}: {words}", case.name));
        let hosts = document["hosts"].as_array().unwrap();
        let found = answer["found"].as_object().unwrap();
        assert_eq!(hosts.len(), found.len(), "{}", case.name);
        for host in hosts {
            let name = host["name"].as_str().unwrap();
            let theirs = &found[name];
            let mut check = |what: &str, ours: Json, expected: &Json| {
                compared += 1;
                if ours != *expected {
                    wrong.push(format!("{} {name} {what}: {ours}, Ansible says {expected}", case.name));
                }
            };
            let ssh = &theirs["ssh"];
            let address = if host["address"].is_null() {
                &host["name"]
            } else {
                &host["address"]
            };
            check("address", address.clone(), &ssh["host"]);
            check("port", host["port"].clone(), &ssh["port"]);
            // An empty one is none.
            let user = if ssh["remote_user"] == "" {
                &Json::Null
            } else {
                &ssh["remote_user"]
            };
            check("user", host["user"].clone(), user);
            // A relative path starts from the folder the command runs in, which is another one there.
            let key = ssh["private_key_file"].as_str().unwrap_or("");
            let ours = host["identity_file"].as_str().unwrap_or("");
            check(
                "key",
                Json::from(key.is_empty() == ours.is_empty() && ours.ends_with(key)),
                &Json::Bool(true),
            );
            let vars = host["vars"].as_object().unwrap();
            for (key, expected) in theirs["vars"].as_object().unwrap().iter().filter(|(k, _)| !is_theirs(k)) {
                check(&format!("vars.{key}"), vars.get(key).cloned().unwrap_or(json!("nothing")), expected);
            }
            for key in vars.keys().filter(|k| theirs["vars"].get(k.as_str()).is_none()) {
                check(&format!("vars.{key}"), vars[key].clone(), &Json::Null);
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 400, "{compared} values");
}

/// The answers above come from Ansible's classes; its commands give the same.
#[test]
fn the_commands_of_ansible_agree_with_its_classes() {
    let cases = Case::all();
    for (name, pattern) in [
        ("site", "prod:!web-0[12]"),
        ("site", "a*"),
        ("site", "web[1:0]"),
        ("deep", "europe"),
        ("broken-line", "web"),
        ("site", "nosuch"),
    ] {
        let at = cases.iter().position(|c| c.name == name).unwrap();
        let mut command = theirs("ansible");
        cases[at].inventories.iter().for_each(|i| {
            command.args(["-i", i]);
        });
        let output = done(command.args([pattern, "--list-hosts"]));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let hosts: Vec<String> = text
            .lines()
            .skip(1)
            .map(|l| l.trim().to_owned())
            .filter(|l| !l.is_empty())
            .collect();
        assert_eq!(
            sorted(&hosts),
            sorted(&texts(&answers()[at]["hosts"][pattern])),
            "{name} `{pattern}`: {text}"
        );
    }
    for name in ["precedence", "folder"] {
        let at = cases.iter().position(|c| c.name == name).unwrap();
        let mut command = theirs("ansible-inventory");
        let output = done(command.args(["-i", &cases[at].inventories[0], "--list"]));
        let list: Json = serde_json::from_slice(&output.stdout).unwrap();
        for (host, vars) in list["_meta"]["hostvars"].as_object().unwrap() {
            for (key, value) in vars.as_object().unwrap() {
                assert_eq!(value, &answers()[at]["found"][host]["vars"][key], "{name} {host} {key}");
            }
        }
    }
}
