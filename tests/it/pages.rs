//! No page of a code without a wrong and a right example, and none whose examples are not tried: those that are commands here, the
//! others where their texts are read.

use std::process::Command;

use runbook::diagnostic::code::pages;

use crate::site::{RUNBOOK, project};

const INVENTORY: &str = "hosts: { lb-01: { address: 192.0.2.10 }, web-01: { address: 192.0.2.11 }, web-02: { address: 192.0.2.12 } }\n\
    groups: { webservers: { hosts: [web-01, web-02] }, lbservers: { hosts: [lb-01] } }\n\
    pools: { web: { kind: haproxy, balancers: lbservers, members: webservers, min_in_service: 1 } }\n";

/// The fenced blocks of a page, each with its tag.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

/// The codes of what a command says, and how it ended.
fn said(script: &str, work: &std::path::Path) -> (Vec<String>, Option<i32>, String) {
    let programs = std::path::Path::new(RUNBOOK).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(project(""))
        .env("PATH", path)
        .env("RUNBOOK_INVENTORY", work.join("inventory.yaml"))
        .env("RUNBOOK_JOURNAL", work.join("journal.sqlite3"))
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let codes = text.split("error[").skip(1).map(|rest| rest[..6].to_owned()).collect();
    (codes, output.status.code(), text)
}

#[test]
fn every_page_has_examples_and_commands_do_what_it_says() {
    let work = std::env::temp_dir().join(format!("rb-pages-{}", std::process::id()));
    std::fs::create_dir_all(&work).unwrap();
    std::fs::write(work.join("inventory.yaml"), INVENTORY).unwrap();
    let mut commands = 0;
    for (code, page) in pages() {
        let kinds = |verdict: &str| {
            blocks(page)
                .iter()
                .filter(|(tag, _)| tag.split(' ').next() == Some(verdict))
                .count()
        };
        assert!(kinds("wrong") > 0 && kinds("right") > 0, "{code} needs a wrong and a right example");
        for (tag, text) in blocks(page) {
            let Some((verdict, "sh")) = tag.split_once(' ') else { continue };
            commands += 1;
            let (codes, exit, all) = said(text, &work);
            let warned = all.contains(&format!("warning[{code}]"));
            if verdict == "right" || warned {
                assert_eq!(
                    (codes, exit, warned),
                    (Vec::new(), Some(0), verdict == "wrong"),
                    "{code}: {text}\n{all}"
                );
            } else {
                assert_eq!((codes, exit), (vec![code.to_owned()], Some(3)), "{text}\n{all}");
            }
        }
    }
    assert!(commands >= 14, "{commands}");
    std::fs::remove_dir_all(&work).unwrap();
}
