//! The record answers: who took a server out, when and why; a plan that asks makes no record.

use crate::site::Site;

fn runbook(site: &Site, steps: &str) -> String {
    let head = "runbook: work\nlanguage: 1\ndescription: Work on the pool.\nrun_as: root\nhosts: web-01\nsteps:\n";
    site.text("work.yaml", &format!("{head}{steps}"))
}

/// A look into the record that holds when `that` does.
fn asks(site: &Site, resource: &str, that: &str) -> String {
    runbook(
        site,
        &format!("  - id: who\n    history: {{ resource: \"{resource}\", last: 5 }}\n    that: {that}\n"),
    )
}

#[test]
fn who_took_it_out_and_why() {
    let site = Site::up("history");
    let anna = site.person("anna");
    let mira = anna.colleague("mira");
    let nobody = asks(&site, "pool/web/web-02", "\"!result.found && result.by == null\"");
    anna.run(&["plan", &nobody]).exits(0);
    assert!(!anna.journal().exists(), "a plan that asks makes no record");

    let drain =
        "  - id: out\n    pool.member: { pool: web, member: web-02, state: drain }\n    leave: { until: 1h, reason: \"a look at it\" }\n";
    mira.run(&["apply", "--yes", "--reason", "ticket 7 \u{1b}[2J", &runbook(&site, drain)])
        .exits(0);
    let said = format!(
        "\"result.by == '{}' && result.reason.startsWith('ticket 7 ') && result.run == 1 && result.what.contains('drain')\"",
        mira.known_as()
    );
    let told = anna.run(&["apply", "--yes", &asks(&site, "pool/web/web-02", &said)]).exits(0);
    assert!(!told.all().contains('\u{1b}'), "no escape of anybody's reaches the terminal");
    anna.run(&["plan", &asks(&site, "pool/web/web-02", &said)]).exits(0).says("ok now");
    anna.run(&["apply", "--yes", &asks(&site, "pool/web/web-01", "\"!result.found\"")])
        .exits(0);

    let restart = "  - id: again\n    name: Restart the application\n    service: { name: app, state: restarted }\n    pool_effect: none\n";
    anna.run(&["apply", "--yes", &runbook(&site, restart)]).exits(0);
    let named = "\"result.reason == 'Restart the application' && result.changes.size() == 1\"";
    anna.run(&["apply", "--yes", &asks(&site, "web-01/service/app", named)]).exits(0);

    let failing = "  - id: file\n    file.write: { path: PATH, content: \"x\" }\n  - id: broken\n    shell: { script: \"exit 1\", read_only: true }\n";
    let path = site.work.join("file").display().to_string();
    anna.run(&["apply", "--yes", &runbook(&site, &failing.replace("PATH", &path))])
        .exits(4);
    let back = "\"result.what.contains('taken back') && result.changes.size() == 2\"";
    anna.run(&["apply", "--yes", &asks(&site, &format!("web-01/file/{path}"), back)])
        .exits(0);
}
