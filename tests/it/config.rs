//! The configuration as people meet it: where values come from, what it forbids, whom it knows.

use std::fs;

use crate::site::Site;

const LOOK: &str = "runbook: look\nlanguage: 1\ndescription: Looks.\nsteps:\n  - id: a\n    hosts: web-01\n    command: { argv: [\"true\"] }\n    undo: none\n";

#[test]
fn every_value_is_shown_with_its_origin_and_no_secret() {
    let site = Site::up("config");
    let person = site.person("mira");
    let home = fs::canonicalize(person.journal().parent().unwrap()).unwrap();
    fs::write(
        home.join("runbook.config.yaml"),
        "limits: { max_hosts: 7 }\nchannels:\n  ops: { webhook: { url: \"https://user:hunter2@chat.example.org/T0/hunter2\" } }\nsecret_sources: { db: \"secret:file:db.pw\" }\nretention: { runs: 30d }\n",
    )
    .unwrap();
    let file = home.join("runbook.config.yaml");
    person
        .run(&["config", "show", "--origin", "--color", "never"])
        .exits(0)
        .says(&format!("limits.max_hosts: 7   # {}:1", file.display()))
        .says(&format!("secret_sources.db: secret:file:{}", home.join("db.pw").display()))
        .says("ssh.max_connects: 16   # default")
        .says("# environment RUNBOOK_JOURNAL")
        .says("color: never   # flag --color")
        .says(&format!(
            "retention.runs: 30d   # {}:5; checked, not used by this version",
            file.display()
        ))
        .says("`retention` is checked, but nothing acts on it yet")
        .never_says("hunter2");
    let shown = person
        .run(&["--journal", "/tmp/x", "config", "show", "-o", "json"])
        .exits(0)
        .never_says("hunter2");
    let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    let journal = shown["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["key"] == "journal")
        .unwrap();
    assert_eq!(
        (journal["value"].as_str(), journal["origin"]["name"].as_str()),
        (Some("/tmp/x"), Some("--journal"))
    );
    let schema = person.run(&["schema", "config"]).exits(0);
    assert!(serde_json::from_str::<serde_json::Value>(&schema.out).unwrap()["definitions"]["freeze"].is_object());
}

#[test]
fn a_freeze_and_a_rate_limit_refuse_before_anything_is_done() {
    let site = Site::up("freeze");
    let person = site.person("mira");
    let path = site.text("look.yaml", LOOK);
    let config = |text: &str| site.text("c.yaml", text);
    let frozen = config("freeze: [{ from: \"2020-01-01T00:00Z\", until: \"2999-01-01T00:00Z\", reason: the holidays }]\n");
    person
        .run(&["--config", &frozen, "apply", &path, "--yes"])
        .exits(10)
        .says("nothing is applied until 2999-01-01T00:00:00Z: the holidays");
    person.run(&["--config", &frozen, "plan", &path]).exits(0);
    person
        .run(&["--config", &config("limits: { runs_per_hour: 1 }\n"), "apply", &path, "--yes"])
        .exits(0);
    person
        .run(&["--config", &config("limits: { runs_per_hour: 1 }\n"), "apply", &path, "--yes"])
        .exits(10)
        .says("1 runs were started within the last hour");
    person
        .run(&["--config", &config("limits: { runs_per_hour: 2 }\n"), "apply", &path, "--yes"])
        .exits(0);
    let me = person.known_as();
    let excepted = format!(
        "people: {{ {me}: {{}} }}\nfreeze: [{{ from: \"2020-01-01T00:00Z\", until: \"2999-01-01T00:00Z\", reason: x, except: [{me}] }}]\n"
    );
    person.run(&["--config", &config(&excepted), "apply", &path, "--yes"]).exits(0);
}

#[test]
fn names_are_checked_where_there_is_somebody_to_compare_with() {
    let site = Site::up("names");
    let person = site.person("mira");
    let path = site.text("look.yaml", &format!("{LOOK}notify: {{ to: ops_chta, events: [failure] }}\n"));
    let config = site.text("c.yaml", "channels: { ops_chat: { terminal: {} } }\n");
    for command in ["validate", "plan"] {
        person
            .run(&["--config", &config, command, &path])
            .exits(3)
            .says("RB0740")
            .says("did you mean `ops_chat`?");
        let told = person.run(&[command, &path]).exits(0).says("RB0741");
        let lines: Vec<&str> = told.err.lines().filter(|l| l.contains("RB07") || l.contains("warning")).collect();
        assert!(
            matches!(lines.as_slice(), [one] if one.contains("`ops_chta` is not checked")),
            "{}",
            told.all()
        );
    }
}
