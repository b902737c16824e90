//! Texts as a whole run uses them: braces that are not ours, the run's number in a script, sizes as people write them, what `test` says of mistakes.
//!
//! Everything runs on this machine, without a fleet.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::site::RUNBOOK;

/// An empty folder that goes away with its test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("rb-texts-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        let folder = Folder(path);
        folder.file("inventory.yaml", "hosts: { web-01: { address: 127.0.0.1 } }\n");
        folder
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    /// Exit code and all that was said.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(RUNBOOK)
            .args(arguments)
            .current_dir(&self.0)
            .env_remove("RUNBOOK_CONFIG")
            .env("RUNBOOK_INVENTORY", self.0.join("inventory.yaml"))
            .env("RUNBOOK_JOURNAL", self.0.join("journal.sqlite3"))
            .env("HOME", &self.0)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const BRACES: &str = r#"runbook: braces
language: 1
description: Try braces.
params:
  max_lag: { type: size, default: 1048576 }
  patience: { type: duration, default: 5420s }
steps:
  - id: off
    template: off
    hosts: control
    shell: { script: "printf '%s\\n' '{{.Names}} {{x}}' {{run.id}} > off" }
    undo: none
  - id: on
    hosts: control
    shell: { script: "printf '%s\\n' {{run.id}} after > on" }
    undo: none
"#;

/// `#` begins a comment in a script; had `{{run.id}}` no quotes, the rest of the line and the file would be missing.
#[test]
fn a_script_gets_its_values_quoted_and_with_template_off_nothing_at_all() {
    let here = Folder::new("braces");
    let at = |name: &str| here.0.join(name);
    let text = BRACES
        .replace("> off", &format!("> {}", at("off").display()))
        .replace("> on", &format!("> {}", at("on").display()));
    here.file("braces.yaml", &text);
    let (code, said) = here.run(&["apply", "--yes", "braces.yaml"]);
    assert_eq!(code, 0, "{said}");
    // Exactly what was asked for: not rounded to `1h30m`, not counted in bytes.
    assert!(said.contains("max_lag=1MiB patience=1h30m20s"), "{said}");
    assert_eq!(fs::read_to_string(at("off")).unwrap(), "{{.Names}} {{x}}\n{{run.id}}\n");
    assert_eq!(fs::read_to_string(at("on")).unwrap(), "#1\nafter\n");
}

const BROKEN: &str = "tests: broken\ncases:\n  - nme: a\n";
const SOUND: &str =
    "tests: sound\nfleet:\n  inventory: { hosts: { web-01: {} } }\ncases:\n  - name: it looks\n    expect: { outcome: succeeded }\n";

#[test]
fn a_test_file_with_mistakes_has_not_passed() {
    let here = Folder::new("tests");
    let runbook = |name: &str| {
        format!("runbook: {name}\nlanguage: 1\ndescription: Look.\nsteps:\n  - {{ id: look, hosts: web-01, facts: [memory] }}\n")
    };
    for (name, text) in [("broken", BROKEN), ("sound", SOUND)] {
        here.file(&format!("{name}.yaml"), &runbook(name));
        here.file(&format!("{name}.test.yaml"), text);
    }
    let (code, said) = here.run(&["test", "broken.yaml"]);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("nothing was tested: 1 file has mistakes") && !said.contains("passed"),
        "{said}"
    );

    let (code, said) = here.run(&["test", "sound.yaml"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 file, 1 case, 1 run: all passed, in "), "{said}");

    let (code, said) = here.run(&["test", "."]);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("1 run: passed, but 1 file has mistakes and was not tested, in "),
        "{said}"
    );

    let (code, said) = here.run(&["test", "-o", "json", "."]);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("\"passed\": false,") && said.contains("broken.test.yaml\"") && said.contains("RB00"),
        "{said}"
    );

    let (code, said) = here.run(&["test", "-o", "junit", "."]);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("<testsuites tests=\"2\" failures=\"0\" errors=\"1\"") && said.contains("<error message="),
        "{said}"
    );
}
