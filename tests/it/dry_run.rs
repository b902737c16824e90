//! A preview changes nothing, whatever is broken; and the picture that proves it sees a single planted change.

use std::fs;

use runbook::lab::{Balance, Fingerprint, Incident, OWN_RECORDS, Variant};

use crate::site::{Site, project};

fn assert_same(before: &Fingerprint, site: &Site, context: &str) {
    let differences = before.differences(&site.fleet.fingerprint().unwrap());
    assert_eq!(differences, Vec::<String>::new(), "{context}");
}

/// What a runbook wants to be told before it is planned.
fn asked_for(runbook: &str) -> Vec<&'static str> {
    let wanted = [
        ("database-failover.yaml", "old_primary=web-01"),
        ("database-failover.yaml", "new_primary=web-02"),
        // The file system in memory is small enough to be looked through.
        ("disk-full-cleanup.yaml", "host=web-01"),
        ("disk-full-cleanup.yaml", "mount=/dev/shm"),
        ("rolling-upgrade-behind-haproxy.yaml", "version=1.22.1-9"),
        ("triage-slow-server.yaml", "server=web-01"),
    ];
    let mine = wanted.into_iter().filter(|(name, _)| runbook.ends_with(name));
    mine.flat_map(|(_, param)| ["--param", param]).collect()
}

/// Waits until HAProxy says so of both servers.
fn both(site: &Site, status: &str) {
    crate::site::until(status, || {
        ["web-01", "web-02"].iter().all(|m| site.status(m) == status).then_some(())
    });
}

#[test]
fn every_runbook_on_every_incident() {
    let mut site = Site::up("dry-run");
    let mut runbooks: Vec<String> = fs::read_dir(project("runbooks"))
        .unwrap()
        .flatten()
        .map(|e| e.path().display().to_string())
        .filter(|p| p.ends_with(".yaml") && !p.ends_with(".test.yaml"))
        .collect();
    runbooks.sort();
    assert!(runbooks.len() >= 3);
    let oom = Incident::OomMaster {
        variant: Variant::Config,
        balance: Balance::StaticRr,
        shallow_health: true,
    };
    let incidents = [
        Incident::ForgottenDrain,
        Incident::Imbalance,
        Incident::MisspeltConfig,
        oom,
        Incident::BadConfigOnDisk,
        Incident::HostDown,
        Incident::HaproxyDown,
    ];
    for incident in incidents {
        if incident == oom {
            // Misspelt files would keep the memory from filling.
            for host in ["web-01", "web-02"] {
                let path = site.fleet.layout().app_config(host);
                let text = fs::read_to_string(&path).unwrap().replace("welcom.txt", "welcome.txt");
                fs::write(&path, text).unwrap();
                site.ssh(host, &format!("SVDIR={} sv hup app", site.fleet.layout().services(host).display()));
            }
            both(&site, "UP");
        }
        site.break_it(incident);
        match incident {
            Incident::HaproxyDown => {}
            // The balancer finds out by itself, a moment later.
            Incident::MisspeltConfig => both(&site, "DOWN"),
            _ => site.settle(),
        }
        let before = site.fleet.fingerprint().unwrap();
        let anna = site.person("anna");
        for runbook in &runbooks {
            for arguments in [vec!["plan"], vec!["apply", "--dry-run", "--yes"], vec!["plan", "--offline"]] {
                let words = [arguments, asked_for(runbook), vec![runbook.as_str()]].concat();
                let told = anna.run(&words);
                // The lab has no Alertmanager, so what would silence it cannot be planned here; tests/it/upgrade.rs brings one.
                if runbook.ends_with("rolling-upgrade-behind-haproxy.yaml") {
                    assert_eq!(told.code(), 3, "{incident:?}: {}", told.all());
                    assert!(told.all().contains("nothing says where Alertmanager is"), "{}", told.all());
                } else if runbook.ends_with("database-failover.yaml") {
                    // The fleet has no databases: that is said, at once and plainly.
                    assert_eq!(told.code(), 3, "{incident:?}: {}", told.all());
                    assert!(told.all().contains("no host and no group is named `dbservers`"), "{}", told.all());
                } else {
                    assert!([0, 10].contains(&told.code()), "{incident:?}: {}", told.all());
                }
                assert_same(&before, &site, &format!("{incident:?}: {}", told.all()));
            }
        }
        for command in ["status", "doctor"] {
            anna.run(&[command]);
            assert_same(&before, &site, &format!("{incident:?}: {command}"));
        }
        assert!(!anna.journal().exists() || anna.run(&["runs", "-o", "json"]).out.contains("\"runs\": []"));
    }
    let pools = site.fleet.layout().home("lb-01").join(OWN_RECORDS).join("pools");
    assert!(!pools.exists(), "no lease is taken for a preview");
}

#[test]
fn the_picture_sees_a_planted_change() {
    let site = Site::up("planted");
    let before = site.fleet.fingerprint().unwrap();
    site.ssh("web-01", "true");
    assert_same(&before, &site, "a look over ssh is no change");
    let file = site.fleet.layout().app_config("web-01");
    for planted in [
        format!("chmod 640 {}", file.display()),
        format!("echo '# x' >> {}", file.display()),
        format!("touch {}.bak", file.display()),
    ] {
        let before = site.fleet.fingerprint().unwrap();
        site.ssh("web-01", &planted);
        assert_ne!(before.digest(), site.fleet.fingerprint().unwrap().digest(), "{planted}");
    }
    let before = site.fleet.fingerprint().unwrap();
    site.fleet.haproxy("set server web/web-02 weight 50").unwrap();
    assert_ne!(before.digest(), site.fleet.fingerprint().unwrap().digest());
}
