//! Databases for real: a primary, its replica and a PgBouncer on loopback; a promotion, and values that try to be statements.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::site::{Person, Site, Told, until};

/// PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

/// Servers of this test alone, ended with it: a primary, its replica, a PgBouncer.
pub struct Databases {
    dir: PathBuf,
    programs: PathBuf,
    /// Where the two servers listen.
    pub addresses: [String; 2],
    pub ports: [u16; 3],
    /// The folder of a host's services: the primary is one of them.
    services: Option<PathBuf>,
    running: Vec<Child>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Debian keeps the servers of each version in a folder of its own.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap().flatten().map(|e| e.path().join("bin"));
    versions.filter(|p| p.join("initdb").exists()).max().unwrap()
}

impl Databases {
    fn start(site: &Site) -> Databases {
        let here = || String::from("127.0.0.1");
        Databases::start_at(site, [here(), here()], [free_port(), free_port(), free_port()], None)
    }

    /// As a site would have it: each server on its host's own address, one port for all, the primary a service of web-01.
    pub fn on_hosts(site: &Site) -> Databases {
        let address = |name: &str| site.fleet.state().host(name).unwrap().address.to_string();
        let port = free_port();
        let services = site.fleet.layout().services("web-01");
        Databases::start_at(site, ["web-01", "web-02"].map(address), [port, port, free_port()], Some(services))
    }

    fn start_at(site: &Site, addresses: [String; 2], ports: [u16; 3], services: Option<PathBuf>) -> Databases {
        let dir = site.work.join("pg");
        fs::create_dir_all(&dir).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut all = Databases {
            dir,
            programs: programs(),
            addresses,
            ports,
            services,
            running: Vec::new(),
        };
        all.primary();
        all.replica();
        all.proxy();
        all
    }

    /// A command as the servers' own user.
    fn command(&self, program: &Path) -> Command {
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.dir).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(&self.programs.join(program)).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn keep(&mut self, program: &Path, arguments: &[&str], log: &str) {
        let log = fs::File::create(self.dir.join(log)).unwrap();
        let child = self
            .command(program)
            .args(arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running.push(child);
    }

    fn server(&mut self, name: &str, number: usize) {
        let (program, port) = (self.programs.join("postgres"), self.ports[number].to_string());
        let listen = format!("listen_addresses={}", self.addresses[number]);
        let settings = [
            listen.as_str(),
            "unix_socket_directories=",
            "fsync=off",
            "wal_level=replica",
            "shared_buffers=4MB",
            "max_connections=20",
        ];
        let mut arguments = vec!["-D", name, "-p", &port];
        for setting in settings {
            arguments.extend(["-c", setting]);
        }
        match self.services.clone().filter(|_| number == 0) {
            Some(services) => self.serve(&services, &program, &arguments),
            None => self.keep(&program, &arguments, &format!("{name}.log")),
        }
        until(name, || self.sql(number, "SELECT 1"));
    }

    /// As a service of runit. What would be asked to wait for its clients is told to end at once.
    fn serve(&self, services: &Path, program: &Path, arguments: &[&str]) {
        let command = self.command(program);
        let words = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|w| w.to_str().unwrap());
        let line: String = words.chain(arguments.iter().copied()).map(|w| format!(" '{w}'")).collect();
        let made = self.dir.join("made");
        let texts = [
            ("run", format!("#!/bin/sh\ncd {}\nexec{line} >>one.log 2>&1\n", self.dir.display())),
            ("control/t", String::from("#!/bin/sh\nkill -INT \"$(cat supervise/pid)\"\n")),
        ];
        for (name, text) in texts {
            let path = made.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        // Whole at once, for somebody looks all the time.
        fs::rename(made, services.join("postgresql")).unwrap();
    }

    fn primary(&mut self) {
        self.run(
            "initdb",
            &[
                "-D",
                "one",
                "-U",
                "postgres",
                "-A",
                "trust",
                "-N",
                "-E",
                "UTF8",
                "--no-instructions",
            ],
        );
        let rules = self.dir.join("one/pg_hba.conf");
        let text = format!(
            "host all monitor 127.0.0.1/32 scram-sha-256\n{}",
            fs::read_to_string(&rules).unwrap()
        );
        fs::write(&rules, text).unwrap();
        self.server("one", 0);
        let made = "CREATE ROLE monitor LOGIN PASSWORD 'it''s secret' IN ROLE pg_monitor; CREATE TABLE notes (note text, n int)";
        self.sql(0, made).unwrap();
    }

    fn replica(&mut self) {
        let (address, port) = (self.addresses[0].clone(), self.ports[0].to_string());
        self.run(
            "pg_basebackup",
            &[
                "-D", "two", "-R", "-X", "stream", "-c", "fast", "-N", "-h", &address, "-p", &port, "-U", "postgres",
            ],
        );
        self.server("two", 1);
    }

    fn proxy(&mut self) {
        let text = format!(
            "[databases]\nmain = host={} port={} dbname=postgres user=postgres\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {}\nunix_socket_dir =\nauth_type = any\nadmin_users = postgres\npool_mode = transaction\n",
            self.addresses[0], self.ports[0], self.ports[2]
        );
        let file = self.file();
        fs::write(&file, text).unwrap();
        // It refuses to start as root, and the host's sshd may be root's: the file is its own.
        if rustix::process::geteuid().is_root() {
            chown(&file, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let file = file.display().to_string();
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
            .into_iter()
            .find(|p| Path::new(p).exists())
            .unwrap();
        self.keep(Path::new(program), &[&file], "pgbouncer.log");
        until("pgbouncer", || self.sql_at(self.ports[2], "main", "SELECT 1"));
    }

    pub fn file(&self) -> PathBuf {
        self.dir.join("pgbouncer.ini")
    }

    /// Through the proxy.
    pub fn sql_at(&self, port: u16, database: &str, sql: &str) -> Option<String> {
        Databases::ask("127.0.0.1", port, database, sql)
    }

    fn ask(address: &str, port: u16, database: &str, sql: &str) -> Option<String> {
        let output = Command::new("psql")
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-h",
                address,
                "-U",
                "postgres",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                database,
            ])
            .args(["-p", &port.to_string(), "-c", sql])
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    pub fn sql(&self, number: usize, sql: &str) -> Option<String> {
        Databases::ask(&self.addresses[number], self.ports[number], "postgres", sql)
    }

    /// Where the console shows that the applications' database is, and whether it is paused.
    pub fn console(&self) -> (String, bool) {
        let shown = self.sql_at(self.ports[2], "pgbouncer", "SHOW DATABASES").unwrap();
        let line = shown.lines().find(|l| l.starts_with("main|")).unwrap();
        let fields: Vec<&str> = line.split('|').collect();
        (format!("{}:{}", fields[1], fields[2]), fields[fields.len() - 2] == "1")
    }

    /// Two servers on web-01 and web-02, the proxy on lb-01.
    pub fn inventory(&self, site: &Site) -> String {
        let mut text = fs::read_to_string(site.fleet.inventory()).unwrap();
        let mut add = |host: &str, lines: &str| {
            let at = text.find(&format!("  {host}:\n")).unwrap();
            let vars = at + text[at..].find("    vars:\n").unwrap() + "    vars:\n".len();
            text.insert_str(vars, lines);
        };
        for (host, number) in [("web-01", 0), ("web-02", 1)] {
            add(
                host,
                &format!(
                    "      postgres_dsn: \"host={} port={} user=postgres dbname=postgres\"\n",
                    self.addresses[number], self.ports[number]
                ),
            );
        }
        let console = format!("host=127.0.0.1 port={} user=postgres dbname=pgbouncer", self.ports[2]);
        add(
            "lb-01",
            &format!(
                "      pgbouncer_dsn: \"{console}\"\n      pgbouncer_config: {}\n",
                self.file().display()
            ),
        );
        let path = site.fleet.inventory().with_file_name("databases.yaml");
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        for child in self.running.iter_mut().rev() {
            // A fast shutdown: the server ends its own processes.
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, Signal::INT);
            }
            let _ = child.wait();
        }
    }
}

struct Desk<'s> {
    site: &'s Site,
    anna: Person<'s>,
    inventory: String,
}

impl Desk<'_> {
    fn go(&self, word: &[&str], steps: &str) -> Told {
        let mut head =
            String::from("runbook: databases\nlanguage: 1\ndescription: Work on databases.\nhosts: \"web-01,web-02\"\nparams:\n");
        for (name, value) in PASSWORDS {
            let path = self.site.text(name, value);
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            head.push_str(&format!("  {name}: {{ type: secret, from: \"file:{path}\" }}\n"));
        }
        head.push_str("steps:\n");
        let path = self.site.text("databases.yaml", &format!("{head}{steps}"));
        self.anna.run(&[word, &["-i", &self.inventory, &path]].concat())
    }

    fn plan(&self, steps: &str) -> Told {
        self.go(&["plan"], steps)
    }

    fn apply(&self, steps: &str) -> Told {
        self.go(&["apply", "--yes"], steps)
    }
}

const PASSWORDS: [(&str, &str); 3] = [("right", "it's secret"), ("wrong", "quite wrong"), ("console", "console-pass-4711")];

fn check(host: &str, more: &str, that: &str) -> String {
    format!(
        "  - id: look_{}\n    hosts: \"{host}\"\n    db.status: {{ kind: postgresql{more} }}\n    that: \"{that}\"\n    within: 20s\n    every: 200ms\n",
        host.replace(['-', ','], "_")
    )
}

#[test]
fn a_failover_and_statements() {
    let site = Site::up("databases");
    let databases = Databases::start(&site);
    let desk = Desk {
        site: &site,
        anna: site.person("anna"),
        inventory: databases.inventory(&site),
    };
    statuses(&databases, &desk);
    statements(&databases, &desk);
    pauses(&databases, &desk);
    failover(&databases, &desk);
}

fn statuses(databases: &Databases, desk: &Desk<'_>) {
    let primary = "result.role == 'primary' && result.writable && result.replicas.size() == 1 && result.replicas[0].state == 'streaming'";
    desk.apply(&check("web-01", "", primary)).exits(0);
    desk.apply(&check(
        "web-02",
        "",
        "result.role == 'replica' && !result.writable && result.lag_bytes == 0 && result.streaming",
    ))
    .exits(0);
    desk.apply(&check("web-01,web-02", "", "results.filter(r, r.role == 'primary').size() == 1"))
        .exits(0);
    let monitor = format!(
        ", dsn: \"host=127.0.0.1 port={} user=monitor dbname=postgres\", password: ",
        databases.ports[0]
    );
    desk.apply(&check(
        "web-01",
        &format!("{monitor}\"{{{{params.right}}}}\""),
        "result.role == 'primary' && result.replicas.size() == 1",
    ))
    .exits(0);
    desk.apply(&check(
        "web-01",
        &format!("{monitor}\"{{{{params.wrong}}}}\""),
        "!result.reachable && result.error.contains('password authentication failed')",
    ))
    .exits(0);
    desk.plan(&check("web-01", &format!("{monitor}plain"), "result.reachable"))
        .exits(3)
        .says("stands in plain text")
        .says("type: secret");
    desk.apply(&check(
        "web-01",
        ", dsn: \"host=127.0.0.1 port=1\"",
        "!result.reachable && result.role == 'unknown'",
    ))
    .exits(0);
}

fn statements(databases: &Databases, desk: &Desk<'_>) {
    let hostile = r"O'Brien\'; DROP TABLE notes; -- \\! touch x :who";
    let query = |sql: &str, more: &str| {
        let json = |text: &str| serde_json::Value::from(text).to_string();
        format!(
            "  - id: ask\n    hosts: web-01\n    db.query:\n      kind: postgresql\n      sql: {}\n      params: {{ who: {} }}\n{more}",
            json(sql),
            json(hostile)
        )
    };
    let insert = query(
        "INSERT INTO notes VALUES (:'who', 1)",
        "      unless: \"SELECT 1 FROM notes WHERE note = :'who'\"\n    undo: none\n",
    );
    desk.plan(&insert).exits(0);
    assert_eq!(
        databases.sql(0, "SELECT count(*) FROM notes").as_deref(),
        Some("0"),
        "a plan inserts nothing"
    );
    desk.apply(&insert).exits(0);
    desk.apply(&insert).exits(0).says("already so");
    assert_eq!(databases.sql(0, "SELECT note FROM notes").as_deref(), Some(hostile));
    let found = "      read_only: true\n    that: result.row_count == 1 && result.rows[0].n == '1'\n";
    desk.apply(&query("SELECT n FROM notes WHERE note = :'who'", found)).exits(0);
    let sly = query("DELETE FROM notes WHERE note = :'who'", "      read_only: true\n");
    desk.apply(&sly).exits(10).says("read-only transaction");
    assert_eq!(databases.sql(0, "SELECT count(*) FROM notes").as_deref(), Some("1"));
    let two = query("DELETE FROM notes; SELECT 1 / 0", "    undo: none\n");
    desk.apply(&two).exits(4).says("division by zero");
    assert_eq!(
        databases.sql(0, "SELECT count(*) FROM notes").as_deref(),
        Some("1"),
        "all statements or none"
    );
    desk.plan(&query("SELECT '{{params.x}}'", ""))
        .exits(3)
        .says("no placeholder is possible in SQL");
}

const PAUSE: &str = "  - id: stop\n    hosts: lb-01\n    db.proxy: { pool: main, state: paused, wait_drained: 1s }\n    owes: go_on\n";
const GO_ON: &str = "  - id: go_on\n    hosts: lb-01\n    db.proxy: { pool: main, state: active }\n";

fn pauses(databases: &Databases, desk: &Desk<'_>) {
    let broken = "  - id: broken\n    hosts: lb-01\n    shell: { script: \"exit 1\" }\n    undo: keep\n    pool_effect: none\n";
    desk.apply(&format!("{PAUSE}{broken}{GO_ON}")).exits(4);
    assert!(!databases.console().1, "a pause ends with the run that made it");

    // The password of the console is in what takes the pause back, and yet in no record.
    let with_password = PAUSE.replace("wait_drained: 1s", "wait_drained: 1s, password: \"{{params.console}}\"");
    let taken_back = format!("{}{broken}", with_password.replace("    owes: go_on\n", ""));
    desk.apply(&taken_back).exits(4).says("paused → active");
    assert!(!databases.console().1, "taken back with that password");
    let (mut files, mut names) = (0, 0);
    for entry in fs::read_dir(desk.anna.journal().parent().unwrap()).unwrap().flatten() {
        let bytes = fs::read(entry.path()).unwrap_or_default();
        let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        files += usize::from(holds("db.proxy"));
        names += usize::from(holds("{\"secret\":\"console\"}"));
        let password = PASSWORDS[2].1;
        assert!(!holds(password), "{} holds it", entry.path().display());
    }
    assert!(files > 0 && names > 0, "the journal was looked at, and says which secret is meant");

    // Somebody's transaction stays open: the pause gives up, and nobody is held back.
    let mut busy = Command::new("psql")
        .args([
            "-X",
            "-q",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-d",
            "main",
            "-p",
            &databases.ports[2].to_string(),
        ])
        .args(["-c", "SELECT pg_sleep(300)"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("a query under way", || {
        let active = databases.sql(
            0,
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND state = 'active' AND pid <> pg_backend_pid()",
        )?;
        (active == "1").then_some(())
    });
    desk.apply(&format!("{PAUSE}{GO_ON}"))
        .exits(4)
        .says("queries were still under way after 1 s");
    assert!(!databases.console().1);
    databases
        .sql(
            0,
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND pid <> pg_backend_pid()",
        )
        .unwrap();
    let _ = busy.wait();
}

fn failover(databases: &Databases, desk: &Desk<'_>) {
    let (old, new) = (
        format!("127.0.0.1:{}", databases.ports[0]),
        format!("127.0.0.1:{}", databases.ports[1]),
    );
    let promote = "  - id: promote\n    hosts: web-02\n    db.promote: { kind: postgresql, wait: 20s }\n    undo: none\n    verify:\n      - name: It takes writes\n        db.status: { kind: postgresql }\n        that: result.role == 'primary' && result.writable\n        within: 20s\n";
    let repoint = format!("  - id: repoint\n    hosts: lb-01\n    db.proxy: {{ pool: main, server: \"{new}\" }}\n");
    let steps = format!("{PAUSE}{promote}{repoint}{GO_ON}");
    let before = fs::read_to_string(databases.file()).unwrap();
    desk.plan(&steps).exits(0).says("replica → primary").says("CANNOT BE UNDONE");
    assert_eq!(
        databases.sql(1, "SELECT pg_is_in_recovery()").as_deref(),
        Some("t"),
        "a plan promotes nobody"
    );
    assert_eq!(
        (databases.console(), fs::read_to_string(databases.file()).unwrap()),
        ((old, false), before)
    );

    desk.apply(&steps).exits(0);
    assert_eq!(databases.sql(1, "SELECT pg_is_in_recovery()").as_deref(), Some("f"));
    assert_eq!(databases.console(), (new, false));
    databases
        .sql_at(databases.ports[2], "main", "INSERT INTO notes VALUES ('after', 2)")
        .unwrap();
    assert_eq!(
        databases.sql(1, "SELECT count(*) FROM notes").as_deref(),
        Some("2"),
        "applications write to the new primary"
    );
    desk.apply(&steps).exits(0).says("already so");
}
