//! A plan in a file: it runs as it was seen, once, in time, on the hosts it was made for; otherwise it is refused with the reason.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use runbook::lab::Incident;
use runbook::plan::saved::SavedPlan;

use crate::site::{Person, RUNBOOK, Site, project};

/// Adds a line to a file of a host each time it runs.
fn counting(site: &Site) -> String {
    let file = site.work.join("counted");
    let text = format!(
        "runbook: counting\nlanguage: 1\ndescription: Count.\nparams:\n  word: {{ type: string, default: once }}\n  pw: {{ type: secret, from: env.SAVED_PW }}\n\
         hosts: web-01\nsteps:\n  - id: add\n    undo: none\n    pool_effect: none\n    \
         shell: {{ script: \"echo {{{{params.word}}}} >>{}\", env: {{ PW: \"{{{{params.pw}}}}\" }} }}\n",
        file.display()
    );
    site.text("counting.yaml", &text)
}

fn counted(site: &Site) -> String {
    fs::read_to_string(site.work.join("counted")).unwrap_or_default()
}

const SECRET: &str = "not-for-files-7d1f";

/// With the secret that the runbook above needs.
fn run(person: &Person, arguments: &[&str]) -> crate::site::Told {
    start(person, arguments).finish()
}

fn start(person: &Person, arguments: &[&str]) -> crate::site::Running {
    let mut command = person.command(arguments);
    command.env("SAVED_PW", SECRET);
    person.start_command(command)
}

#[test]
fn what_was_saved_runs_as_it_was_and_once() {
    let site = Site::up("saved");
    let anna = site.person("anna");
    let runbook = counting(&site);
    let told = run(&anna, &["plan", "--param", "word=first", "-o", "p", &runbook])
        .exits(0)
        .says("point of no return");
    let apply = told.err.lines().find(|l| l.contains("apply")).unwrap().trim().to_owned();
    assert!(
        told.err.contains("Saved    p: plan sha256:") && apply.ends_with(" --plan p"),
        "{}",
        told.all()
    );
    let home = anna.journal().with_file_name("");
    let file = home.join("p");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        !text.contains(SECRET) && text.lines().count() > 50 && text.contains("\"word\": \"first\""),
        "{text}"
    );
    assert_eq!(
        fs::read_dir(&home)
            .unwrap()
            .flatten()
            .filter(|e| e.path().extension().is_some_and(|x| x == "new"))
            .count(),
        0
    );

    // The runbook's own file is not needed any more; the line that was printed is all of it.
    fs::rename(&runbook, site.work.join("away.yaml")).unwrap();
    let words = shlex::split(&apply).unwrap();
    let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    run(&anna, &[words.as_slice(), &["--dry-run"]].concat())
        .exits(0)
        .says("will change");
    assert_eq!(counted(&site), "");
    run(&anna, &words).exits(0);
    assert_eq!(counted(&site), "first\n");
    run(&anna, &words)
        .exits(10)
        .says("was used already")
        .says("run #1")
        .says("plan again: runbook plan");
    assert_eq!(counted(&site), "first\n");
    // It can be looked at for ever.
    run(&anna, &["plan", "p"])
        .exits(0)
        .says("Params   pw=*** word=first")
        .says("good until");
    run(&anna, &["plan", "--limit", "web-01", "p"]).exits(64).says("only shown");
    fs::rename(site.work.join("away.yaml"), &runbook).unwrap();

    // Of two at the same time, one begins.
    run(&anna, &["plan", "-o", "json", "-o", "q", &runbook])
        .exits(0)
        .says("\"schema\": \"runbook.plan/1\"");
    let both = [start(&anna, &["apply", "--plan", "q"]), start(&anna, &["apply", "--plan", "q"])];
    let mut codes = both.map(|r| r.finish().code());
    codes.sort_unstable();
    assert_eq!((codes, counted(&site)), ([0, 10], String::from("first\nonce\n")));

    // A digest is a yes that counts once, too.
    let told = run(&anna, &["plan", "--detailed-exitcode", "-o", "json", &runbook]).exits(2);
    let plan: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    let digest = plan["digest"].as_str().unwrap();
    run(&anna, &["apply", "--plan", digest]).exits(64).says("RUNBOOK");
    run(&anna, &["apply", "--plan", digest, &runbook]).exits(0);
    run(&anna, &["apply", "--plan", &digest[..20], &runbook])
        .exits(10)
        .says("was used already, by run #3");
    assert_eq!(counted(&site), "first\nonce\nonce\n");
    run(&anna, &["apply", "--yes", &runbook]).exits(0);
}

#[test]
fn a_file_that_is_not_the_plan_that_was_saved_is_refused() {
    let site = Site::up("bad-plans");
    let anna = site.person("anna");
    let runbook = counting(&site);
    let home = anna.journal().with_file_name("");
    run(&anna, &["plan", "-o", "p", &runbook]).exits(0);
    let text = fs::read_to_string(home.join("p")).unwrap();
    let plan = SavedPlan::read(&text).unwrap();
    assert_eq!(plan.text(), text, "the same plan is the same file");
    let expired = SavedPlan {
        expires_at: plan.made_at,
        ..plan.clone()
    };
    let cases: Vec<(&str, String, &str)> = vec![
        ("edited", text.replacen("echo ", "ecko ", 1), "was changed after it was saved"),
        (
            "edited in its seal",
            text.replacen("\"seal\": \"sha256:", "\"seal\": \"sha256:0", 1),
            "was changed",
        ),
        ("a blank more", text.replacen("{\n", "{ \n", 1), "was changed after it was saved"),
        ("truncated", text[..text.len() / 2].to_owned(), "is cut off"),
        ("one byte too short", text.trim_end().trim_end_matches('}').to_owned(), "is cut off"),
        (
            "another form",
            text.replacen("saved-plan/1", "saved-plan/2", 1),
            "runbook.saved-plan/2",
        ),
        (
            "another program",
            text.replacen("\"program\": \"", "\"program\": \"9.", 1),
            "was made by runbook 9.",
        ),
        ("expired", expired.text(), "expired"),
        (
            "a plan that was printed",
            String::from("{ \"schema\": \"runbook.plan/1\" }"),
            "is no saved plan",
        ),
        ("no JSON", String::from("runbook: x\n"), "is no saved plan"),
        ("nothing", String::new(), "is no saved plan"),
    ];
    let before = site.fleet.fingerprint().unwrap();
    for (what, text, says) in cases {
        assert_ne!(SavedPlan::read(&text).ok().as_ref(), Some(&plan), "{what}");
        fs::write(home.join("bad"), text).unwrap();
        let told = run(&anna, &["apply", "--plan", "bad"]).exits(10).says(says);
        assert!(
            told.err.starts_with("REFUSED: the plan in `bad`") || told.err.starts_with("REFUSED: `bad`"),
            "{what}: {}",
            told.all()
        );
    }
    let inventory = fs::read_to_string(site.fleet.inventory()).unwrap();
    // Beside it: what is in it counts, and paths in it count from its folder.
    let other = site.fleet.inventory().with_file_name("other.yaml");
    fs::write(&other, inventory.replacen("min_in_service: 1", "min_in_service: 2", 1)).unwrap();
    run(&anna, &["apply", "-i", other.to_str().unwrap(), "--plan", "p"])
        .exits(10)
        .says("was made for another inventory: pool web is another");
    run(&anna, &["apply", "--plan", "p", &runbook]).exits(64).says("leave out");
    run(&anna, &["apply", "--plan", "nowhere"]).exits(3).says("no saved plan `nowhere`");
    run(&anna, &["apply", "--plan", "abcd", &runbook]).exits(64).says("eight digits");
    run(&anna, &["apply", "-o", "jsno", &runbook])
        .exits(64)
        .says("did you mean `-o json`");

    // Where it is saved, nothing is lost; what cannot be applied is not saved.
    run(&anna, &["plan", "-o", &runbook, &runbook]).exits(64).says("not overwritten");
    run(&anna, &["plan", "-o", "no/folder", &runbook]).exits(64).says("no folder");
    run(&anna, &["plan", "--offline", "-o", "off", &runbook]).exits(64);
    run(&anna, &["plan", "-o", "jsno", &runbook])
        .exits(0)
        .says("did you mean `-o json`");
    run(&anna, &["plan", "-o", "p", &runbook]).exits(0);
    assert_ne!(SavedPlan::read(&fs::read_to_string(home.join("p")).unwrap()).unwrap().id, plan.id);
    assert_eq!((counted(&site), home.join("off").exists()), (String::new(), false));
    assert_eq!(before.differences(&site.fleet.fingerprint().unwrap()), Vec::<String>::new());
    assert!(!anna.journal().exists(), "nothing was begun");
}

#[test]
fn when_the_world_has_changed_it_is_refused_or_asked_again() {
    let mut site = Site::up("drift");
    let recover = project("runbooks/recover-master.yaml");
    let small = site.text(
        "small.yaml",
        "runbook: small\nlanguage: 1\ndescription: Put it back.\nrun_as: root\nsteps:\n  \
         - { id: back, pool.member: { pool: web, member: web-02, state: ready } }\n",
    );
    for (file, runbook) in [("p", &recover), ("s", &small)] {
        site.person("anna").run(&["plan", "-o", file, runbook]).exits(0);
    }
    site.break_it(Incident::ForgottenDrain);
    site.settle();
    let before = site.fleet.fingerprint().unwrap();
    let anna = site.person("anna");
    let told = anna.run(&["apply", "--plan", "p"]).exits(10);
    for words in [
        "is no longer what would be done",
        "pool web\n    was     2 of 2 serving, 2 enabled, minimum 1\n    is now  1 of 2 serving, 1 enabled, minimum 1",
        "web-02: state was ready, is now maint; up was true, is now false",
        "other_ready on lb-01\n    was     nothing to do: already so; waits up to 1m: lb-01: web-02 waits for a health check newer than the change\n    is now  will change: web-02: maint → ready",
        "nothing was changed; plan again: runbook plan",
    ] {
        assert!(told.err.contains(words), "expected `{words}`\n{}", told.all());
    }
    assert_eq!((told.out.as_str(), site.held()), ("", Vec::new()));
    assert_eq!(before.differences(&site.fleet.fingerprint().unwrap()), Vec::<String>::new());

    // At a terminal the new plan is shown and asked for; a no leaves the old one unused.
    let at_terminal = |words: &str| {
        let mut script = Command::new("script");
        anna.prepare(&mut script);
        script
            .args(["-qec", &format!("{RUNBOOK} {words}"), "/dev/null"])
            .env("TERM", "xterm")
            .env("SAVED_PW", SECRET)
            .stdin(Stdio::piped());
        anna.start_command(script)
    };
    for (key, code) in [("n", 10), ("y", 0)] {
        let mut run = at_terminal("apply --plan s");
        let mut keys = run.keyboard();
        run.says("DRIFT: the plan in `s` is no longer");
        run.says("Run this plan?");
        keys.write_all(key.as_bytes()).unwrap();
        run.finish().exits(code).says("will change: web-02: maint → ready");
    }
    site.assert_shared("after the new plan");
    anna.run(&["apply", "--plan", "s"]).exits(10).says("was used already");

    // What cannot be undone is confirmed by the number of hosts, and by nothing else.
    let runbook = counting(&site);
    for (typed, code, done) in [("y", 10, ""), ("1", 0, "once\n")] {
        let mut run = at_terminal(&format!("apply {runbook}"));
        let mut keys = run.keyboard();
        run.says("type the number of hosts");
        keys.write_all(format!("{typed}\r").as_bytes()).unwrap();
        run.finish().exits(code);
        assert_eq!(counted(&site), done);
    }
}
