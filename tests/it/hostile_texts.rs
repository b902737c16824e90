//! Texts made to break a reader: each is refused at its place, with bounded memory, without a panic.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// What one `validate` may allocate; a text that is multiplied in memory meets this limit and kills the program.
const MEMORY: u64 = 100_000_000;

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let dir = std::env::temp_dir().join(format!("rbk-hostile-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }

    fn validate(&self, bytes: &[u8]) -> Output {
        let file = self.0.join("bad.yaml");
        fs::write(&file, bytes).unwrap();
        let mut command = Command::new("prlimit");
        command.args([&format!("--data={MEMORY}"), "--cpu=20", env!("CARGO_BIN_EXE_runbook"), "validate"]);
        command.arg(file).env("RUST_MIN_STACK", "2097152").output().unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const HEAD: &str = "runbook: bad\nlanguage: 1\ndescription: Does what it should not.\n";
const STEPS: &str = "steps:\n  - id: look\n    hosts: web-01\n    facts: [memory]\n";

/// What is wrong, the text, and what must be said: the place first.
fn cases() -> Vec<(&'static str, Vec<u8>, Vec<&'static str>)> {
    let text = |t: String| t.into_bytes();
    let body = |t: &str| format!("{HEAD}{t}{STEPS}").into_bytes();
    let bomb: String = (1..40)
        .map(|n| format!("a{n}: &a{n} [*a{m}, *a{m}, *a{m}, *a{m}, *a{m}]\n", m = n - 1))
        .collect();
    vec![
        (
            "a key of the language twice",
            body("deadline: 1h\ndeadline: 2h\n"),
            vec![":5:1", "RB0002", "first here"],
        ),
        (
            "a free key twice",
            body("params:\n  a: { type: string, default: x }\n  a: { type: int, default: 1 }\n"),
            vec![":6:3", "RB0002"],
        ),
        ("an unknown key", body("deadlin: 1h\n"), vec![":4:1", "did you mean `deadline`"]),
        ("a wrong type", body("deadline: many\n"), vec![":4:11", "many"]),
        (
            "a tab as indentation",
            text(format!("{HEAD}steps:\n\t- id: look\n")),
            vec![":5:1", "tab"],
        ),
        (
            "a word of older YAML",
            body("params: { dry: { type: bool, default: yes } }\n"),
            vec![":4:39", "true"],
        ),
        (
            "a number of older YAML",
            text(format!(
                "{HEAD}steps:\n  - id: f\n    hosts: web-01\n    file.write: {{ path: /tmp/x, content: a, mode: 0755 }}\n"
            )),
            vec![":7:51", "\"0755\""],
        ),
        ("a merge key", body("params:\n  <<: { a: 1 }\n"), vec![":5:3", "RB0004"]),
        (
            "a bomb of aliases",
            text(format!("a0: &a0 [x, x]\n{bomb}{HEAD}{STEPS}")),
            vec![":1:5", "RB0003"],
        ),
        (
            "brackets 5,000 deep",
            text(format!("{HEAD}steps: {}{}\n", "[".repeat(5000), "]".repeat(5000))),
            vec![":4:", "RB0010"],
        ),
        (
            "blocks 5,000 deep",
            text(format!("{HEAD}steps:\n  {}x\n", "- ".repeat(5000))),
            vec![":5:", "RB0010"],
        ),
        (
            "an expression 5,000 deep",
            text(format!(
                "{HEAD}steps:\n  - id: look\n    hosts: web-01\n    when: \"{}true{}\"\n    facts: [memory]\n",
                "(".repeat(900),
                ")".repeat(900)
            )),
            vec![":7:"],
        ),
        (
            "4 MiB and one byte",
            {
                let mut t = body("");
                t.resize(4 * 1024 * 1024, b'#');
                t.push(b'#');
                t
            },
            vec!["4 MiB"],
        ),
        (
            "bytes that are not UTF-8",
            {
                let mut t = body("");
                t.extend(b"x: \xff\xfe\n");
                t
            },
            vec!["line 8", "UTF-8"],
        ),
        ("a byte that is no text", body("x: \u{0}\n"), vec![":4:4"]),
        ("nothing", Vec::new(), vec!["empty"]),
        (
            "a million commas",
            text(format!("{HEAD}steps: [{}]\n", "a,".repeat(1_000_000))),
            vec!["RB0009"],
        ),
        (
            "a line of two million signs",
            text(format!("{HEAD}steps: {}\n", "x".repeat(2_000_000))),
            vec![":4:8"],
        ),
    ]
}

#[test]
fn each_is_refused_at_its_place_in_bounded_memory() {
    let dir = Dir::new("refused");
    for (what, text, words) in cases() {
        let output = dir.validate(&text);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let excerpt: String = said.chars().take(3000).collect();
        assert_eq!(output.status.code(), Some(3), "{what}: {:?}\n{excerpt}", output.status);
        assert!(!said.contains("panicked"), "{what}: {excerpt}");
        assert!(said.len() < 200_000, "{what}: {} bytes of words", said.len());
        for word in words {
            assert!(said.contains(word), "{what}: expected `{word}`\n{excerpt}");
        }
    }
}

#[test]
fn marks_and_line_ends_of_other_systems_are_fine() {
    let dir = Dir::new("fine");
    let plain = format!("{HEAD}{STEPS}");
    for (what, text) in [
        ("line ends of Windows", plain.replace('\n', "\r\n")),
        ("a byte order mark", format!("\u{feff}{plain}")),
        (
            "both, and no line end at the end",
            format!("\u{feff}{}", plain.trim_end().replace('\n', "\r\n")),
        ),
    ] {
        let output = dir.validate(text.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // A place behind the mark and the other line ends is still exact.
    let output = dir.validate(format!("\u{feff}{HEAD}stepz: []\n").replace('\n', "\r\n").as_bytes());
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("bad.yaml:4:1")
            || String::from_utf8_lossy(&output.stderr).contains("bad.yaml:4:1")
    );
}
