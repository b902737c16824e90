//! The practice fleet is what it claims to be: healthy, broken, repaired by hand, and gone.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use runbook::lab::load::{Load, LoadOptions, LoadReport};
use runbook::lab::memory::Memory;
use runbook::lab::{Balance, Fleet, Incident, LabError, Options, Recorded, State, Variant};

const RUNBOOK: &str = env!("CARGO_BIN_EXE_runbook");

fn dir(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    std::env::temp_dir().join(format!(
        "rb-it-{}-{}-{name}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::SeqCst)
    ))
}

fn options(dir: &Path) -> Options {
    Options {
        dir: Some(dir.to_owned()),
        program: Some(RUNBOOK.into()),
        ..Options::default()
    }
}

fn up(name: &str) -> Fleet {
    Fleet::up(options(&dir(name))).unwrap()
}

fn load(fleet: &Fleet, ms: u64, per_second: u32) -> LoadReport {
    Load::start(LoadOptions {
        at: fleet.site(),
        path: String::from("/"),
        per_second,
        lasting: Duration::from_millis(ms),
    })
    .finish()
}

/// Polls until `check` holds.
fn eventually(what: &str, check: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !check() {
        assert!(Instant::now() < end, "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Runs a command on a host over bare ssh and returns what it printed.
fn on(fleet: &Fleet, host: &str, command: &str) -> String {
    let output = fleet.ssh_command(host).unwrap().arg(command).output().unwrap();
    assert!(
        output.status.success(),
        "{command} on {host}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn sv(fleet: &Fleet, host: &str, command: &str) {
    on(
        fleet,
        host,
        &format!("SVDIR={} sv {command}", fleet.layout().services(host).display()),
    );
}

fn available(fleet: &Fleet) -> f64 {
    fleet
        .service_process("web-01", "app")
        .and_then(|p| Memory::of(p.pid))
        .unwrap()
        .available_percent()
}

fn status_of(fleet: &Fleet, server: &str) -> String {
    fleet
        .members()
        .unwrap()
        .into_iter()
        .find(|m| m.name == server)
        .map_or_else(|| String::from("absent"), |m| m.status)
}

#[test]
fn healthy_fleet_shares_load_and_reloads_without_loss() {
    let fleet = up("healthy");
    let before = fleet.fingerprint().unwrap();
    let report = load(&fleet, 2000, 100);
    assert_eq!((report.ok(), report.failed()), (200, 0), "{:?}", report.failures);
    assert!((45.0..=55.0).contains(&report.share_percent("web-01")), "{:?}", report.by_server);
    for host in ["lb-01", "web-01", "web-02"] {
        assert_eq!(on(&fleet, host, "echo $RUNBOOK_LAB_SESSION").trim(), fleet.state().id);
    }
    assert_eq!(
        before.differences(&fleet.fingerprint().unwrap()),
        Vec::<String>::new(),
        "traffic and ssh change nothing that counts"
    );

    on(
        &fleet,
        "web-01",
        &format!("echo '# x' >> {}", fleet.layout().app_config("web-01").display()),
    );
    fleet.haproxy("set server web/web-02 weight 50").unwrap();
    let differences = before.differences(&fleet.fingerprint().unwrap());
    assert_eq!(differences.len(), 2, "{differences:?}");
    assert_ne!(before.digest(), fleet.fingerprint().unwrap().digest());

    let users = Load::start(LoadOptions {
        at: fleet.site(),
        path: String::from("/"),
        per_second: 200,
        lasting: Duration::from_secs(30),
    });
    for _ in 0..3 {
        fleet.reload().unwrap();
        let seen = users.so_far().ok();
        eventually("requests after the reload", || users.so_far().ok() >= seen + 50);
    }
    let report = users.stop();
    assert_eq!(report.failed(), 0, "{:?}", report.failures);
    assert!(report.ok() >= 150);
    fleet.down().unwrap();
}

/// Breaks, looks, repairs by hand over bare ssh and the raw socket, looks again.
fn out_of_memory(variant: Variant, balance: Balance, shallow_health: bool) {
    let mut fleet = up("oom");
    assert!(available(&fleet) >= 60.0);
    fleet
        .break_it(Incident::OomMaster {
            variant,
            balance,
            shallow_health,
        })
        .unwrap();
    let report = load(&fleet, 2000, 50);
    assert_eq!((report.ok(), report.failed()), (0, 100));
    let wanted = if shallow_health { "500" } else { "503" };
    assert_eq!(report.failures.keys().collect::<Vec<_>>(), [wanted]);
    assert!(available(&fleet) < 10.0, "{} % available", available(&fleet));
    assert_eq!(status_of(&fleet, "web-01"), if shallow_health { "UP" } else { "DOWN" });
    let config = fleet.layout().haproxy_config();
    assert!(
        fs::read_to_string(&config)
            .unwrap()
            .contains(&format!("balance {}\n", balance.keyword()))
    );

    sv(&fleet, "web-01", "restart app");
    eventually("memory free again", || {
        fleet.ask("web-01", "/health").is_ok_and(|a| a.status == 200)
    });
    assert!(available(&fleet) >= 60.0);
    if variant == Variant::Config {
        assert_eq!(status_of(&fleet, "web-02"), "absent");
        on(
            &fleet,
            "lb-01",
            &format!(
                "sed -i -e 's/# server web-02/server web-02/' -e 's/balance .*/balance roundrobin/' {}",
                config.display()
            ),
        );
        sv(&fleet, "lb-01", "hup haproxy");
    } else {
        assert_eq!(status_of(&fleet, "web-02"), "MAINT");
        fleet.haproxy("set server web/web-02 state ready").unwrap();
    }
    eventually("both servers up", || {
        fleet
            .members()
            .is_ok_and(|members| members.len() == 2 && members.iter().all(|m| m.status == "UP"))
    });
    let report = load(&fleet, 1000, 50);
    assert_eq!((report.ok(), report.failed()), (50, 0), "{:?}", report.failures);
    if variant == Variant::Config {
        assert!((40.0..=60.0).contains(&report.share_percent("web-02")), "{:?}", report.by_server);
    }
    fleet.down().unwrap();
}

#[test]
fn out_of_memory_with_maintenance_and_deep_check() {
    out_of_memory(Variant::Runtime, Balance::Source, false);
}

#[test]
fn out_of_memory_with_commented_line_and_shallow_check() {
    out_of_memory(Variant::Config, Balance::First, true);
}

#[test]
fn out_of_memory_with_static_weights() {
    out_of_memory(Variant::Runtime, Balance::StaticRr, true);
}

#[test]
fn the_other_incidents_are_what_they_say() {
    let mut fleet = up("others");
    fleet.break_it(Incident::ForgottenDrain).unwrap();
    assert_eq!(status_of(&fleet, "web-02"), "MAINT");
    assert_eq!(load(&fleet, 300, 50).failed(), 0);

    fleet.break_it(Incident::Imbalance).unwrap();
    eventually("settled members", || {
        fleet.members().is_ok_and(|m| m.iter().all(|m| m.status == "UP"))
    });
    assert!(load(&fleet, 1000, 100).share_percent("web-01") > 85.0);

    fleet.break_it(Incident::MisspeltConfig).unwrap();
    for host in ["web-01", "web-02"] {
        assert!(fleet.ask(host, "/health").unwrap().body.contains("welcom.txt"));
        let config = fleet.layout().app_config(host).display().to_string();
        let check = fleet.layout().host(host).join("check-config").display().to_string();
        let refused = fleet.ssh_command(host).unwrap().args([&check, &config]).output().unwrap();
        assert!(!refused.status.success(), "the validator must refuse the misspelt name");
        on(
            &fleet,
            host,
            &format!("sed -i s/welcom.txt/welcome.txt/ {config} && {check} {config}"),
        );
        sv(&fleet, host, "hup app");
        eventually("a served page", || fleet.ask(host, "/").is_ok_and(|a| a.status == 200));
    }

    fleet.break_it(Incident::BadConfigOnDisk).unwrap();
    let check = Command::new("/usr/sbin/haproxy")
        .args(["-c", "-f"])
        .arg(fleet.layout().haproxy_config())
        .output()
        .unwrap();
    assert!(!check.status.success());
    assert!(fleet.haproxy("show info").is_ok(), "the old process still runs");

    fleet.break_it(Incident::HostKeyChanged).unwrap();
    let refused = fleet.ssh_command("web-01").unwrap().arg("true").output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("REMOTE HOST IDENTIFICATION HAS CHANGED"));

    fleet.break_it(Incident::HostDown).unwrap();
    let refused = fleet.ssh_command("web-01").unwrap().arg("true").output().unwrap();
    assert_eq!(refused.status.code(), Some(255));
    assert!(fleet.ask("web-01", "/").is_ok());

    fleet.break_it(Incident::SocketDenied).unwrap();
    assert!(matches!(fleet.haproxy("show info"), Err(LabError::Socket { .. })));

    fleet.break_it(Incident::HaproxyDown).unwrap();
    assert!(TcpStream::connect(fleet.site()).is_err());
    fleet.down().unwrap();
}

/// Processes that name the fleet's directory or carry its identity; an own look, not the product's.
fn traces(dir: &Path, id: &str) -> Vec<String> {
    let wanted = [
        dir.display().to_string(),
        format!("RUNBOOK_LAB={id}"),
        format!("RUNBOOK_LAB_SESSION={id}"),
    ];
    let living = |proc: &Path| fs::read_to_string(proc.join("stat")).is_ok_and(|s| !s.contains(") Z "));
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|e| {
            e.file_name()
                .to_str()
                .is_some_and(|n| n.parse::<u32>().is_ok_and(|pid| pid != std::process::id()))
        })
        .filter(|e| living(&e.path()))
        .filter_map(|e| {
            let all = [
                fs::read(e.path().join("cmdline")).unwrap_or_default(),
                fs::read(e.path().join("environ")).unwrap_or_default(),
            ]
            .concat();
            let all = String::from_utf8_lossy(&all).replace('\0', " ");
            wanted
                .iter()
                .any(|w| all.contains(w))
                .then(|| format!("{:?}: {all}", e.file_name()))
        })
        .collect()
}

#[test]
fn down_leaves_nothing() {
    // Long enough that the socket must live elsewhere.
    let place = dir(&"long".repeat(20));
    let fleet = Fleet::up(options(&place)).unwrap();
    let (id, sockets) = (fleet.state().id.clone(), fleet.state().sockets.clone());
    assert!(!sockets.starts_with(&place) && sockets.join("admin.sock").exists());
    // A process that left its session, and an open session that does not carry the marker.
    on(&fleet, "web-02", "setsid sleep 300 </dev/null >/dev/null 2>&1 &");
    let mut session = fleet
        .ssh_command("web-01")
        .unwrap()
        .arg("echo here; exec env -i sleep 300")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(session.stdout.take().unwrap()), &mut line).unwrap();
    assert_eq!(line, "here\n");
    let session = std::cell::RefCell::new(session);
    // Supervisor and sshd of web-01 are killed, which leaves runsv and the session's sshd to nobody.
    for recorded in fleet.state().processes.iter().filter(|p| p.name.starts_with("web-01 ")) {
        assert!(
            Command::new("kill")
                .args(["-9", &recorded.process.pid.to_string()])
                .status()
                .unwrap()
                .success()
        );
    }
    let listeners = fleet
        .state()
        .hosts
        .iter()
        .map(|h| (h.address, fleet.state().ssh_port))
        .collect::<Vec<_>>();
    let site = fleet.site();
    assert!(traces(&place, &id).len() > 10);

    fleet.down().unwrap();
    eventually("the end of the session", || session.borrow_mut().try_wait().unwrap().is_some());
    assert_eq!(traces(&place, &id), Vec::<String>::new());
    assert!(!place.exists() && !sockets.exists());
    assert!(listeners.iter().all(|at| TcpStream::connect(at).is_err()) && TcpStream::connect(site).is_err());
}

#[test]
fn server_states_outlive_a_reload_only_when_asked() {
    for keeps in [true, false] {
        let fleet = Fleet::up(Options {
            server_state_file: keeps,
            web: 3,
            ..options(&dir("states"))
        })
        .unwrap();
        fleet.haproxy("set server web/web-03 state maint").unwrap();
        sv(&fleet, "lb-01", "hup haproxy");
        if !keeps {
            eventually("a forgotten maintenance", || {
                fleet.members().is_ok_and(|m| m.iter().all(|m| m.status == "UP"))
            });
        } else {
            fleet.reload().unwrap();
            assert_eq!(status_of(&fleet, "web-03"), "MAINT");
        }
        assert_eq!(load(&fleet, 200, 50).failed(), 0);
        fleet.down().unwrap();
    }
}

/// What a fleet recorded, as far as it came.
fn recorded(dir: &Path) -> Option<(State, Vec<Recorded>)> {
    let state: State = serde_json::from_str(&fs::read_to_string(dir.join("fleet.json")).ok()?).ok()?;
    let processes = state.processes.clone();
    Some((state, processes))
}

#[test]
fn a_killed_start_is_cleaned_up_by_the_next() {
    let place = dir("killed");
    for enough in [1, 4] {
        let mut start = Command::new(RUNBOOK)
            .args(["lab", "up", "--dir"])
            .arg(&place)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        eventually("recorded processes", || recorded(&place).is_some_and(|(_, p)| p.len() >= enough));
        start.kill().unwrap();
        start.wait().unwrap();
        let (state, processes) = recorded(&place).unwrap();
        assert!(
            processes.iter().any(|p| p.process.is_alive()),
            "what was started outlives the command"
        );

        let fleet = Fleet::up(options(&place)).unwrap();
        assert_ne!(fleet.state().id, state.id);
        assert!(processes.iter().all(|p| !p.process.is_alive()));
        let old = format!("RUNBOOK_LAB={}", state.id);
        assert!(
            traces(&place, &state.id).iter().all(|t| !t.contains(&old)),
            "no process of the killed start is left"
        );
        assert_eq!(load(&fleet, 200, 50).failed(), 0);
        fleet.keep();
    }
    let down = Command::new(RUNBOOK).args(["lab", "down", "--dir"]).arg(&place).output().unwrap();
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    assert!(!place.exists());
}

#[test]
fn what_is_not_a_fleet_is_left_alone() {
    let place = dir("foreign");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("thesis.txt"), "mine").unwrap();
    assert!(matches!(Fleet::up(options(&place)), Err(LabError::NotAFleet { .. })));
    let down = Command::new(RUNBOOK).args(["lab", "down", "--dir"]).arg(&place).output().unwrap();
    assert_eq!(down.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&down.stderr).contains("not a practice fleet"));
    assert_eq!(fs::read_to_string(place.join("thesis.txt")).unwrap(), "mine");
    fs::remove_dir_all(&place).unwrap();
    assert!(matches!(Fleet::open(Some(place)), Err(LabError::NoFleet { .. })));
}
