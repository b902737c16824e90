//! The shipped runbook `database-failover` for real: a primary that runit supervises, its replica, a PgBouncer, and people who are asked.
//! What came of it is asked of the databases themselves, never of the product.

use std::fs;

use crate::databases::Databases;
use crate::site::{Person, Site, Told, project, until};

struct Desk<'s> {
    site: &'s Site,
    databases: &'s Databases,
    anna: Person<'s>,
    config: String,
    inventory: String,
}

impl<'s> Desk<'s> {
    fn at(site: &'s Site, databases: &'s Databases) -> Desk<'s> {
        let anna = site.person("anna");
        let told = site.work.join("told").display().to_string();
        let config = format!(
            "people:\n  {anna}: {{ notify: [book] }}\ngroups:\n  dba: {{ members: [{anna}] }}\n  incident_commander: {{ members: [{anna}] }}\n\
             channels:\n  book: {{ command: {{ argv: [tee, -a, {told}] }} }}\n",
            anna = anna.known_as()
        );
        let inventory = databases.inventory(site);
        let groups = "groups:\n  dbservers: { hosts: [web-01, web-02] }\n  proxyservers: { hosts: [lb-01] }\n";
        let text = fs::read_to_string(&inventory).unwrap().replace("groups:\n", groups);
        fs::write(&inventory, text).unwrap();
        Desk {
            site,
            databases,
            anna,
            config: site.text("config.yaml", &config),
            inventory,
        }
    }

    fn words<'w>(&'w self, words: &[&'w str], old: &'w str, new: &'w str, runbook: &'w str) -> Vec<&'w str> {
        let head = ["--config", &self.config, "-i", &self.inventory];
        [&head, words, &["--param", old, "--param", new, "--param", "max_lag=64MiB", runbook]].concat()
    }

    fn plan(&self, old: &str, new: &str) -> Told {
        let (old, new) = (format!("old_primary={old}"), format!("new_primary={new}"));
        self.anna
            .run(&self.words(&["plan"], &old, &new, &project("runbooks/database-failover.yaml")))
    }

    fn plan_offline(&self) -> Told {
        let runbook = project("runbooks/database-failover.yaml");
        let words = self.words(&["plan", "--offline"], "old_primary=web-01", "new_primary=web-02", &runbook);
        self.anna.run(&words)
    }

    /// Asked for, approved from another shell, to its end.
    fn change(&self, run: &str) -> Told {
        let runbook = project("runbooks/database-failover.yaml");
        let words = self.words(
            &["apply", "--yes", "-o", "ndjson"],
            "old_primary=web-01",
            "new_primary=web-02",
            &runbook,
        );
        // It comes back by itself after the primary was away, but not at once.
        until("the replica to hear from the primary", || {
            let heard = self.databases.sql(1, "SELECT status FROM pg_stat_wal_receiver");
            heard.filter(|status| status == "streaming")
        });
        let mut running = self.anna.start(&words);
        running.says("approval_requested");
        assert_eq!(
            self.databases.console(),
            (self.old(), false),
            "nothing happens before somebody has agreed"
        );
        self.say(&["approve", run, "decision", "--reason", "seen"]).exits(0);
        running.finish()
    }

    fn say(&self, words: &[&str]) -> Told {
        self.anna.run(&[&["--config", &self.config, "-i", &self.inventory], words].concat())
    }

    fn old(&self) -> String {
        self.server(0)
    }

    fn server(&self, number: usize) -> String {
        format!("{}:{}", self.databases.addresses[number], self.databases.ports[number])
    }

    /// Whether the old primary would start when its host does.
    fn starts_at_boot(&self) -> bool {
        !self.site.fleet.layout().services("web-01").join("postgresql/down").exists()
    }

    fn is_replica(&self, number: usize) -> Option<bool> {
        self.databases.sql(number, "SELECT pg_is_in_recovery()").map(|said| said == "t")
    }

    fn write_through_the_proxy(&self, note: &str) -> Option<String> {
        let sql = format!("INSERT INTO notes VALUES ('{note}', 1)");
        self.databases.sql_at(self.databases.ports[2], "main", &sql)
    }
}

#[test]
fn the_shipped_failover() {
    let site = Site::up("failover");
    let databases = Databases::on_hosts(&site);
    let desk = Desk::at(&site, &databases);
    desk.write_through_the_proxy("before").unwrap();

    desk.plan("web-02", "web-01").exits(10).says("The new primary is a replica");
    desk.plan_offline().exits(0).says("undo: as it was");
    let plan = desk.plan("web-01", "web-02").exits(0);
    for shown in ["disable at", "enabled true", "CANNOT BE UNDONE"] {
        assert!(plan.all().contains(shown), "{shown}\n{}", plan.all());
    }
    assert_eq!(
        (desk.is_replica(0), desk.is_replica(1)),
        (Some(false), Some(true)),
        "a plan changes nothing"
    );

    a_promotion_that_fails(&desk);

    desk.change("2").exits(0);
    assert_eq!(
        (desk.is_replica(0), desk.is_replica(1)),
        (None, Some(false)),
        "one server is left, and it is the new one"
    );
    assert!(!desk.starts_at_boot());
    assert_eq!(databases.console(), (desk.server(1), false));
    desk.write_through_the_proxy("after").unwrap();
    let notes = databases.sql(1, "SELECT string_agg(note, ' ' ORDER BY note) FROM notes");
    assert_eq!(notes.as_deref(), Some("after before between"), "nothing that was written is lost");
    desk.say(&["obligations"]).says("Rebuild web-01 as a replica of web-02");
}

/// The server refuses: the old primary stays down, clients wait, people are told. Once somebody has started the old one again by
/// hand, what the run has taken can be given back.
fn a_promotion_that_fails(desk: &Desk<'_>) {
    let databases = desk.databases;
    databases.sql(0, "CREATE ROLE looker LOGIN IN ROLE pg_monitor").unwrap();
    until("the role on the replica", || {
        databases
            .sql(1, "SELECT 1 FROM pg_roles WHERE rolname = 'looker'")
            .filter(|s| s == "1")
    });
    let good = fs::read_to_string(&desk.inventory).unwrap();
    let replica = format!("host={} port={} user=", databases.addresses[1], databases.ports[1]);
    fs::write(
        &desk.inventory,
        good.replace(&format!("{replica}postgres"), &format!("{replica}looker")),
    )
    .unwrap();

    desk.change("1").exits(5).says("permission denied for function pg_promote");
    assert_eq!(
        (desk.is_replica(0), desk.is_replica(1)),
        (None, Some(true)),
        "the old primary is not started again"
    );
    assert!(!desk.starts_at_boot());
    assert_eq!(databases.console(), (desk.old(), true), "clients wait");
    let told = fs::read_to_string(desk.site.work.join("told")).unwrap();
    assert!(told.contains("web-02 to be the primary instead of web-01, has stopped"), "{told}");
    desk.say(&["obligations"]).says("main in PgBouncer on lb-01");

    // Somebody looks, and decides that the old one is the primary after all.
    fs::write(&desk.inventory, good).unwrap();
    let services = desk.site.fleet.layout().services("web-01");
    fs::remove_file(services.join("postgresql/down")).unwrap();
    desk.site.ssh("web-01", &format!("SVDIR={} sv up postgresql", services.display()));
    until("the old primary", || desk.is_replica(0));
    desk.say(&["obligations", "discharge", "1.1"])
        .exits(4)
        .says("obligation 1.1 discharged");
    assert_eq!(databases.console(), (desk.old(), false));
    desk.write_through_the_proxy("between").unwrap();
}
