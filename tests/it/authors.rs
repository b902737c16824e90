//! What authors of runbooks use: the formatter, the checker, the first files, the pages, the drawings.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::site::{RUNBOOK, project};

/// An empty folder that goes away with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("rb-authors-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Exit code, stdout, stderr.
    fn run(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        let mut child = Command::new(RUNBOOK)
            .args(arguments)
            .current_dir(&self.0)
            .env_remove("RUNBOOK_INVENTORY")
            .env_remove("RUNBOOK_CONFIG")
            .env("HOME", &self.0)
            .env("RUNBOOK_JOURNAL", self.0.join("journal.sqlite3"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const GOOD: &str = "runbook: good\nlanguage: 1\ndescription: It looks.\n\nsteps:\n  - id: look\n    hosts: web-01\n    facts: [memory]\n";
const LOOSE: &str =
    "language: 1\nrunbook:   good\ndescription: \"It looks.\"\nsteps:\n- facts: [ memory ]  # what\n  hosts: web-01\n  id: look\n";

#[test]
fn fmt_writes_what_is_not_in_layout_and_nothing_else() {
    let here = Folder::new("fmt");
    let loose = here.file("runbooks/loose.yaml", LOOSE);
    let good = here.file("runbooks/deep/good.yaml", GOOD);
    let broken = here.file("broken.yaml", "steps: [\n");
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&loose, here.0.join("link.yaml")).unwrap();
    let untouched = fs::metadata(&good).unwrap().modified().unwrap();

    let (code, out, err) = here.run(&["fmt", "--check"], "");
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("runbooks/loose.yaml") && !err.contains("good.yaml"), "{err}");
    let (code, out, _) = here.run(&["fmt", "--diff", "loose"], "");
    assert!(
        code == 0 && out.contains("-runbook:   good\n") && out.contains("+  - id: look\n"),
        "{out}"
    );
    assert_eq!(fs::read_to_string(&loose).unwrap(), LOOSE);

    // Through the link: the file behind it is replaced, mode and link stay.
    let (code, _, err) = here.run(&["fmt", "link.yaml", "broken.yaml", "runbooks"], "");
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("broken.yaml:1") && err.contains("formatted link.yaml"), "{err}");
    let expected = GOOD.replace("[memory]", "[memory]  # what");
    assert_eq!(fs::read_to_string(&loose).unwrap(), expected);
    assert_eq!(fs::metadata(&loose).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(here.0.join("link.yaml")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&broken).unwrap(), "steps: [\n");
    assert_eq!(fs::metadata(&good).unwrap().modified().unwrap(), untouched);
    assert_eq!(fs::read_dir(here.0.join("runbooks")).unwrap().count(), 2, "nothing is left beside");
    assert_eq!(here.run(&["fmt", "--check"], "").0, 0);

    assert_eq!(here.run(&["fmt", "-"], LOOSE), (0, expected, String::new()));
    assert_eq!(here.run(&["fmt", "-", "--check"], LOOSE).0, 1);
    let (code, out, _) = here.run(&["fmt", "-"], "a: {b: f(1, 2)}\n");
    assert_eq!((code, out.as_str()), (3, ""));
    assert_eq!(here.run(&["fmt", "nobody"], "").0, 3);
}

#[test]
fn ten_mistakes_are_ten_errors() {
    let here = Folder::new("ten");
    let path = project("tests/cases/ten-mistakes.yaml");
    let (code, out, err) = here.run(&["validate", &path], "");
    assert_eq!((code, out.as_str()), (3, "1 file, 1 with mistakes\n"));
    let blocks: Vec<&str> = err.split("\n\n").filter(|b| b.contains("error[")).collect();
    let codes: Vec<&str> = blocks.iter().map(|b| &b[6..12]).collect();
    let expected = [
        "RB0114", "RB0023", "RB0106", "RB0101", "RB0102", "RB0109", "RB0107", "RB0203", "RB0401", "RB0020",
    ];
    assert_eq!(codes, expected, "{err}");
    for block in blocks {
        let marks = block
            .lines()
            .find(|l| l.contains('^'))
            .unwrap_or_else(|| panic!("no place:\n{block}"));
        let label = marks.rsplit('^').next().unwrap().trim();
        let expected = !label.is_empty() || block.contains("expected");
        assert!(
            expected && block.contains("help: ") && block.contains("ten-mistakes.yaml:"),
            "{block}"
        );
    }
    assert!(err.contains("ten-mistakes.yaml: 10 errors, 0 warnings."), "{err}");
}

/// What follows from an unknown action is no second mistake.
#[test]
fn an_unknown_action_in_a_check_is_one_mistake() {
    let here = Folder::new("echo");
    for (action, code) in [("fakts", "RB0106"), ("weather", "RB0106"), ("verfy", "RB0020")] {
        let checks = format!(
            "verify:\n  - name: Memory is there\n    hosts: web-01\n    {action}: [memory]\n    that: result.memory.available_percent > 10 && result.ok\n"
        );
        here.file("good.yaml", &format!("{GOOD}{checks}"));
        let (_, _, err) = here.run(&["validate", "good.yaml"], "");
        assert!(err.matches("error[").count() == 1 && err.contains(code), "{err}");
    }
}

#[test]
fn validate_takes_files_and_folders_and_speaks_three_languages() {
    let here = Folder::new("validate");
    here.file("runbooks/good.yaml", GOOD);
    here.file("runbooks/more/other.yaml", &GOOD.replace("good", "other"));
    here.file("inventory/a.yaml", "hosts: { web-01: { address: 192.0.2.1 } }\n");
    here.file("inventory/b.yaml", "groups: { all_web: { hosts: [web-01] } }\n");
    here.file("runbook.config.yaml", "limits: { max_hosts: 5 }\n");
    let (code, out, err) = here.run(&["validate", "runbooks", "inventory", "runbook.config.yaml", "good"], "");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.ends_with("5 files, no mistakes\n") && out.contains("runbooks/good.yaml: ok, 1 step\n"),
        "{out}"
    );

    // What a shell makes of `runbooks/*.yaml` holds tests as well.
    here.file("runbooks/good.test.yaml", "tests: good\n");
    let (code, out, err) = here.run(&["validate", "runbooks/good.test.yaml", "runbooks/good.yaml"], "");
    assert_eq!(
        (code, out.as_str(), err.as_str()),
        (0, "runbooks/good.yaml: ok, 1 step\n1 file, no mistakes\n", "")
    );

    here.file(
        "runbooks/a%,:b.yaml",
        "runbook: x\nlanguage: 1\ndescription: x\nsteps:\n  - id: look\n    hosts: w\n    fakts: [memory]\n",
    );
    let (code, out, _) = here.run(&["validate", "runbooks", "gone", "-o", "github"], "");
    assert_eq!(code, 3);
    let annotations: Vec<&str> = out.lines().collect();
    assert!(annotations.iter().all(|l| l.starts_with("::error ")), "{out}");
    let unknown = annotations.iter().find(|l| l.contains("RB0106")).unwrap();
    assert!(
        unknown.starts_with("::error file=runbooks/a%25%2C%3Ab.yaml,line=7,endLine=7,col=5,endColumn=10,title=RB0106::"),
        "{unknown}"
    );
    assert!(out.contains("RB0714"), "{out}");

    let (code, out, _) = here.run(&["validate", "runbooks", "-o", "json"], "");
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &document["schema"], &document["ok"]),
        (3, &"runbook.validate/1".into(), &false.into())
    );
    let kinds: Vec<_> = document["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["kind"].as_str().unwrap(), f["ok"].as_bool().unwrap()))
        .collect();
    assert_eq!(kinds, [("runbook", false), ("runbook", true), ("runbook", true)]);
    let found = document["files"][0]["diagnostics"].as_array().unwrap();
    assert!(
        found
            .iter()
            .any(|d| d["code"] == "RB0106" && d["place"]["line"] == 7 && d["replacement"] == "facts"),
        "{out}"
    );

    assert_eq!(here.run(&["validate", "-"], GOOD).0, 0);
    here.file("empty/readme.txt", "");
    assert_eq!(here.run(&["validate", "empty"], "").0, 64);
    assert_eq!(here.run(&["validate"], "").0, 64);
}

#[test]
fn init_makes_a_start_that_validates_and_overwrites_nothing() {
    let here = Folder::new("init");
    let (code, out, err) = here.run(&["init", "new"], "");
    assert_eq!(code, 0, "{err}");
    let mine = Folder(here.0.join("new"));
    for file in ["runbooks/first.yaml", "inventory/hosts.yaml", "runbook.config.yaml"] {
        assert!(mine.0.join(file).is_file() && out.contains(file), "{file}\n{out}");
    }
    // The commands that it prints are run as they stand there.
    let next: Vec<&str> = out
        .lines()
        .filter_map(|l| l.trim().strip_prefix("runbook "))
        .map(|l| l.split("   ").next().unwrap().trim())
        .collect();
    assert_eq!(next.len(), 3, "{out}");
    for command in next {
        let arguments: Vec<&str> = command.split(' ').collect();
        let (code, _, err) = mine.run(&arguments, "");
        assert_eq!(code, 0, "{command}: {err}");
    }
    assert_eq!(mine.run(&["fmt", "--check", "."], ""), (0, String::new(), String::new()));
    assert_eq!(mine.run(&["validate", "."], "").0, 0);

    fs::remove_file(mine.0.join("inventory/hosts.yaml")).unwrap();
    fs::write(mine.0.join("runbook.config.yaml"), "# mine\n").unwrap();
    let (code, _, err) = here.run(&["init", "new"], "");
    assert_eq!(code, 64, "{err}");
    assert!(
        err.contains("runbooks/first.yaml") && err.contains("runbook.config.yaml") && !err.contains("hosts.yaml"),
        "{err}"
    );
    assert!(!mine.0.join("inventory/hosts.yaml").exists(), "all or nothing");
    assert_eq!(fs::read_to_string(mine.0.join("runbook.config.yaml")).unwrap(), "# mine\n");
}

#[test]
fn pages_drawings_and_completions() {
    let here = Folder::new("pages");
    let says = |arguments: &[&str], parts: &[&str]| {
        let (code, out, err) = here.run(arguments, "");
        assert_eq!(code, 0, "{arguments:?}: {err}");
        for part in parts {
            assert!(out.contains(part), "{arguments:?}: no `{part}` in\n{out}");
        }
    };
    let recover = project("runbooks/recover-master.yaml");
    let codes: Vec<String> = runbook::diagnostic::code::pages()
        .iter()
        .map(|(code, _)| format!("{code}  "))
        .collect();
    says(&["explain"], &codes.iter().map(String::as_str).collect::<Vec<_>>());
    says(&["explain", "action"], &["pool.member", "service"]);
    says(
        &["explain", "action", "pool.member"],
        &["## Parameters", "## Results", "## Behaviour", "## Example"],
    );
    says(&["explain", "language"], &["## Keys of a step", "- `owes`"]);
    says(&["explain", "language", "within"], &["# within", "Poll"]);
    says(&["explain", "expression"], &["startsWith"]);
    says(&["explain", "text"], &["{{join list ', '}}"]);
    says(&["explain", "pattern"], &["webservers:!web-01"]);
    says(
        &["graph", &recover, "-o", "svg"],
        &["<svg ", "return_others: for each other", "owes", "</svg>"],
    );
    says(&["graph", &recover], &["digraph", "subgraph cluster_0"]);
    says(&["schema", "inventory"], &["draft-07", "min_in_service"]);
    let (code, _, err) = here.run(&["explain", "RB010"], "");
    assert!(code == 64 && err.contains("did you mean `RB0010`?"), "{err}");
    for shell in ["bash", "zsh", "fish"] {
        says(&["completions", shell], &["fmt", "init", "graph", "validate", "inventory", "svg"]);
    }
    assert!(Path::new(&recover).is_file());
}
