//! A package is upgraded on every web server while HAProxy sends users to the others: with a real apt, a real Alertmanager, and HAProxy's
//! own word for who serves. The second server fails first; started again, the run goes on where it stopped.

use std::fs;
use std::path::PathBuf;

use crate::packages::private_apt;
use crate::silences::Alertmanager;
use crate::site::{Person, Running, Site, project};

const SERVERS: [&str; 2] = ["web-01", "web-02"];

/// The shipped runbook, with the patience of a test.
fn runbook(site: &Site) -> String {
    let text = fs::read_to_string(project("runbooks/rolling-upgrade-behind-haproxy.yaml")).unwrap();
    let text = text.replace("pause: 10s", "pause: 0s").replace("delay: 15s", "delay: 0s");
    assert!(text.contains("delay: 0s") && text.contains("pause: 0s"));
    site.text("rolling-upgrade-behind-haproxy.yaml", &text)
}

struct Upgrade<'s> {
    site: &'s Site,
    anna: Person<'s>,
    roots: Vec<PathBuf>,
    arguments: Vec<String>,
}

impl<'s> Upgrade<'s> {
    fn of(site: &'s Site, alertmanager: &Alertmanager) -> Upgrade<'s> {
        let install = |host: &&str| {
            let root = private_apt(site, host, "rb-demo 1.0\nrb-demo 2.0\n");
            site.ssh(host, "apt-get -q update && apt-get -q -y install rb-demo=1.0");
            root
        };
        let roots = SERVERS.iter().map(install).collect();
        let watched = format!(
            "groups: {{ watched: {{ hosts: [web-01, web-02], vars: {{ alertmanager: \"{}\" }} }} }}\n",
            alertmanager.url()
        );
        let (anna, bert) = (site.person("anna"), site.person("bert"));
        let people = format!(
            "groups: {{ web_owners: {{ members: [{}] }} }}\nchannels: {{ ops_chat: {{ command: {{ argv: [\"true\"] }} }} }}\n",
            bert.known_as()
        );
        let known = [anna.known_as(), bert.known_as()];
        let all = if known[0] == known[1] { &known[..1] } else { &known[..] };
        let people = all
            .iter()
            .fold(format!("{people}people:\n"), |text, name| format!("{text}  {name}: {{}}\n"));
        let mut arguments = vec![
            String::from("--config"),
            site.text("runbook.config.yaml", &people),
            String::from("-i"),
            site.fleet.inventory().display().to_string(),
            String::from("-i"),
            site.text("watched.yaml", &watched),
        ];
        arguments.extend(["--param", "package=rb-demo", "--param", "service=app", "--param", "version=2.0"].map(str::to_owned));
        Upgrade {
            site,
            anna,
            roots,
            arguments,
        }
    }

    fn words<'w>(&'w self, command: &[&'w str], runbook: &'w str) -> Vec<&'w str> {
        let own = self.arguments.iter().map(String::as_str);
        command.iter().copied().chain(own).chain([runbook]).collect()
    }

    /// Starts it, and the owners of the servers say yes.
    fn start(&self, runbook: &str, number: &str) -> Running {
        let mut run = self.anna.start(&self.words(&["apply", "--yes"], runbook));
        run.says(&format!("runbook approve {number}"));
        let config: Vec<&str> = self.arguments[..2].iter().map(String::as_str).collect();
        let yes = [&config[..], &["approve", number, "go"]].concat();
        self.anna.colleague("bert").run(&yes).exits(0);
        run
    }

    /// What HAProxy says of both until the run is over; at every moment at least one takes traffic.
    fn watch(&self, run: &mut Running) -> Vec<[String; 2]> {
        let mut seen: Vec<[String; 2]> = Vec::new();
        while !run.is_over() {
            let now = SERVERS.map(|member| self.site.status(member));
            assert!(now.iter().any(|s| s.starts_with("UP")), "nobody serves: {now:?}\n{}", run.so_far());
            if seen.last() != Some(&now) {
                seen.push(now);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        seen
    }

    fn assert_both_serve(&self) {
        for member in SERVERS {
            assert_eq!(
                (self.site.status(member).as_str(), self.site.admin_state(member)),
                ("UP", 0),
                "{member}"
            );
        }
    }

    fn versions(&self) -> Vec<String> {
        let of = |root: &PathBuf| fs::read_to_string(root.join("usr/share/rb-demo")).unwrap().trim().to_owned();
        self.roots.iter().map(of).collect()
    }

    fn starts(&self) -> [usize; 2] {
        SERVERS.map(|host| self.site.starts(host))
    }
}

#[test]
fn both_serve_while_and_after_a_package_is_upgraded() {
    let site = Site::up("upgrade");
    let alertmanager = Alertmanager::start(&site);
    let upgrade = Upgrade::of(&site, &alertmanager);
    let runbook = runbook(&site);

    let before = site.fleet.fingerprint().unwrap();
    let plan = upgrade.anna.run(&upgrade.words(&["plan"], &runbook)).exits(0);
    assert!(plan.out.contains("rb-demo on web-02: 1.0 → 2.0"), "{}", plan.all());
    assert_eq!(before.differences(&site.fleet.fingerprint().unwrap()), Vec::<String>::new());
    assert_eq!(
        (upgrade.versions(), alertmanager.active()),
        (vec![String::from("1.0"); 2], Vec::new())
    );

    // On web-02 apt has to fetch what is not there.
    let offered = site.work.join("apt-of-web-02/repo/rb-demo_2.0.deb");
    let kept = offered.with_extension("kept");
    fs::rename(&offered, &kept).unwrap();
    let users = site.start_users(120_000, 30);
    let mut run = upgrade.start(&runbook, "1");
    let seen = upgrade.watch(&mut run);
    let told = run.finish().exits(4);
    assert!(told.all().contains("roll[web-02].upgrade"), "{}", told.all());
    for (server, name) in SERVERS.iter().enumerate() {
        assert!(
            seen.iter().any(|now| now[server].starts_with("DRAIN")),
            "{name} was never taken out: {seen:?}"
        );
    }
    assert_eq!(upgrade.versions(), ["2.0", "1.0"], "the first keeps it\n{}", told.all());
    let untrue = |line: &&str| line.contains("roll[web-01].upgrade") && line.contains("given back");
    assert_eq!(told.all().lines().find(untrue), None, "it was kept\n{}", told.all());
    upgrade.assert_both_serve();
    assert_eq!(alertmanager.active(), Vec::new());

    fs::rename(&kept, &offered).unwrap();
    let starts = upgrade.starts();
    let mut run = upgrade.start(&runbook, "2");
    let seen = upgrade.watch(&mut run);
    let told = run.finish().exits(0);
    assert!(seen.iter().all(|now| now[0] == "UP"), "web-01 is left alone: {seen:?}");
    assert_eq!(upgrade.versions(), ["2.0", "2.0"], "{}", told.all());
    assert_eq!(upgrade.starts(), [starts[0], starts[1] + 1]);
    upgrade.assert_both_serve();
    let report = users.stop();
    assert_eq!(report.failed(), 0, "nobody notices: {:?}", report.failures);
    site.assert_shared("after the upgrade");
    assert_eq!((site.held(), alertmanager.active()), (Vec::new(), Vec::new()));
    upgrade.anna.run(&["obligations"]).exits(0).says("no obligations");
}
