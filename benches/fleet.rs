//! Speed of the product against bare `ssh` on the practice fleet, as ratios measured in the same run, A B A B.
//!
//! Prints each ratio beside its goal and says "met" or "NOT met"; a missed goal is no failure, a step that does not work is.
//! Everything stays on loopback and in one temporary directory. Controller and hosts share the processors, which flatters
//! whoever does less work on the hosts.

#[path = "fleet/measure.rs"]
mod measure;
#[path = "fleet/texts.rs"]
mod texts;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use runbook::lab::{Fleet, Options};
use runbook::transport::{Connector, Destination, Exec, Host, HostName, HostSpec, SshDestination, Transport};

use measure::{Outcome, Running, alternate, finish, goal, kilobytes, processor_time, report, timed, wait_for};
use texts::{FACTS, ONE_LOOK, PLAN, RUNBOOK, SCRIPT};

/// The fleet that is worked on.
const HOSTS: usize = 20;
/// Hosts that planning looks at.
const LOOKED_AT: usize = 50;
/// Nothing that is measured takes a tenth of this.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Outcome<()> {
    // `cargo test --benches` runs benchmarks too, to see that they start.
    if !std::env::args().any(|a| a == "--bench") {
        return Ok(());
    }
    let began = Instant::now();
    let place = Place::new()?;
    let fleet = Fleet::up(Options {
        dir: Some(place.0.join("fleet")),
        web: HOSTS,
        program: Some(PathBuf::from(env!("CARGO_BIN_EXE_runbook"))),
        ..Options::default()
    })?;
    let bench = Bench::new(&fleet, &place.0)?;
    println!(
        "{HOSTS} hosts on loopback, {}, key exchange {}",
        bench.client()?,
        bench.key_exchange()?
    );
    println!("{:<62} {:>7} {:>9}", "measured against bare ssh in the same run", "ratio", "goal");
    bench.cold()?;
    bench.warm()?;
    bench.ten_steps(1, 7)?;
    bench.ten_steps(HOSTS, 3)?;
    bench.memory()?;
    fleet.down()?;
    planning(&place.0)?;
    println!("took {:.0} s; again: make bench", began.elapsed().as_secs_f64());
    Ok(())
}

/// A plan that looks at a larger fleet, which nothing else needs.
fn planning(dir: &Path) -> Outcome<()> {
    let dir = dir.join("looks");
    fs::DirBuilder::new().mode(0o700).create(&dir)?;
    let fleet = Fleet::up(Options {
        dir: Some(dir.join("fleet")),
        web: LOOKED_AT,
        program: Some(PathBuf::from(env!("CARGO_BIN_EXE_runbook"))),
        ..Options::default()
    })?;
    let bench = Bench::new(&fleet, &dir)?;
    let pairs = alternate(
        5,
        |_| timed(|| finish(&mut bench.runbook("plan", "four-looks.yaml"))),
        |_| timed(|| finish(&mut bench.by_hand("facts.sh", LOOKED_AT))),
    )?;
    report(&format!("planning with four looks, {LOOKED_AT} hosts"), &pairs, Some(1.5));
    fleet.down()?;
    Ok(())
}

/// A directory of our own that goes when we go.
struct Place(PathBuf);

impl Place {
    fn new() -> Outcome<Place> {
        // Short: sockets lie below it.
        let dir = std::env::temp_dir().join(format!("rbk-bench-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Place(dir))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Bench<'a> {
    fleet: &'a Fleet,
    dir: &'a Path,
    /// Options of bare `ssh`, the same for every host.
    options: Vec<String>,
    first: String,
}

impl Bench<'_> {
    fn new<'a>(fleet: &'a Fleet, dir: &'a Path) -> Outcome<Bench<'a>> {
        let command = fleet.ssh_command("web-01")?;
        let mut options: Vec<String> = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        let first = options.pop().ok_or("ssh without an address")?;
        let bench = Bench {
            fleet,
            dir,
            options,
            first,
        };
        let work = dir.join("w");
        fs::create_dir(&work)?;
        let line = bench.options.join(" ");
        let fill = |text: &str| text.replace("@DIR@", &work.to_string_lossy()).replace("@OPTIONS@", &line);
        for (name, text) in [
            ("ten-steps.yaml", RUNBOOK),
            ("four-looks.yaml", PLAN),
            ("one-look.yaml", ONE_LOOK),
            ("ten.sh", SCRIPT),
            ("facts.sh", FACTS),
        ] {
            let path = dir.join(name);
            fs::write(&path, fill(text))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        }
        Ok(bench)
    }

    /// Process start to the first remote command, told by the clock of that command.
    fn cold(&self) -> Outcome<()> {
        let file = self.dir.join("w/first");
        let first_after = |command: &mut Command| -> Outcome<f64> {
            let _ = fs::remove_file(&file);
            let start = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
            finish(command)?;
            let text = fs::read_to_string(&file)?;
            let at: u128 = text.lines().next().unwrap_or("").parse()?;
            Ok(at.saturating_sub(start) as f64 / 1e9)
        };
        let pairs = alternate(
            9,
            |_| first_after(self.runbook("apply", "one-look.yaml").args(["--yes", "--limit", "web-01"])),
            |_| first_after(self.ssh().arg(format!("date +%s%N >>{}", file.display()))),
        )?;
        report("process start to the first remote command, cold", &pairs, Some(1.15));
        Ok(())
    }

    /// One more command on a connection that stands.
    fn warm(&self) -> Outcome<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let host = runtime.block_on(connect(&self.spec()))?;
        let socket = self.dir.join("warm.sock");
        let mut master = Running(
            self.ssh_with(&["-M", "-N", "-o", "ControlPersist=no", "-S"], &socket)
                .stdin(Stdio::null())
                .spawn()?,
        );
        wait_for("the master of ssh", || {
            self.ssh_with(&["-O", "check", "-S"], &socket)
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|s| s.success())
        })?;
        let once = || -> Outcome<()> {
            let result = runtime.block_on(host.exec(Exec::argv(["true"])))?;
            if result.code == 0 {
                Ok(())
            } else {
                Err("true ended with an error".into())
            }
        };
        let pairs = alternate(
            60,
            |_| timed(once),
            |_| timed(|| finish(self.ssh_with(&["-S"], &socket).arg("true"))),
        )?;
        report("one more command on an open connection (ssh -S … true)", &pairs, Some(0.7));
        master.end();
        let many = 1500;
        let before = processor_time("self")?;
        for _ in 0..many {
            once()?;
        }
        let each = (processor_time("self")? - before) / f64::from(many) * 1e3;
        goal("controller CPU per plain command", &format!("{each:.2} ms"), "1 ms", each <= 1.0);
        runtime.block_on(host.close());
        Ok(())
    }

    /// A whole run, from the first process to the end of the last.
    fn ten_steps(&self, hosts: usize, rounds: usize) -> Outcome<()> {
        let label = format!("ten steps, {hosts} host{}: whole apply --yes", if hosts == 1 { "" } else { "s" });
        let pairs = alternate(
            rounds,
            |n| timed(|| finish(&mut self.apply_ten(hosts, n))),
            |n| timed(|| finish(self.by_hand("ten.sh", hosts).env("ROUND", format!("b{n}")))),
        )?;
        report(&label, &pairs, Some(2.0));
        Ok(())
    }

    /// The process itself while it runs the ten steps everywhere; its `ssh` children are not in it.
    fn memory(&self) -> Outcome<()> {
        let mut child = Running(self.apply_ten(HOSTS, 1000).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        let pid = child.0.id().to_string();
        let (mut peak, mut shared_out, mut processor) = (0.0_f64, 0.0_f64, 0.0_f64);
        let start = Instant::now();
        while child.0.try_wait()?.is_none() && start.elapsed() < PATIENCE {
            peak = peak.max(kilobytes(&pid, "status", "VmHWM:"));
            shared_out = shared_out.max(kilobytes(&pid, "smaps_rollup", "Pss:"));
            processor = processor.max(processor_time(&pid).unwrap_or(0.0));
            std::thread::sleep(Duration::from_millis(10));
        }
        if !child.0.wait()?.success() {
            return Err("the run whose memory was measured failed".into());
        }
        let (peak, shared_out) = (peak / 1024.0, shared_out / 1024.0);
        let label = format!("controller's memory, {HOSTS} hosts (proportional {shared_out:.0} MB)");
        goal(&label, &format!("{peak:.0} MB"), "40 MB", peak <= 40.0);
        let each = processor * 1e3 / HOSTS as f64;
        println!(
            "{:<62} {:>7}",
            "controller's CPU per host and run of ten steps",
            format!("{each:.1} ms")
        );
        Ok(())
    }

    fn apply_ten(&self, hosts: usize, round: usize) -> Command {
        let mut command = self.runbook("apply", "ten-steps.yaml");
        command.args(["--yes", "--param", &format!("round=a{round}")]);
        if hosts < HOSTS {
            let names: Vec<&str> = self.fleet.state().web().take(hosts).map(|h| h.name.as_str()).collect();
            command.args(["--limit", &names.join(",")]);
        }
        command
    }

    fn runbook(&self, verb: &str, file: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
        command
            .arg(verb)
            .arg(self.dir.join(file))
            .arg("--inventory")
            .arg(self.fleet.inventory())
            .arg("--journal")
            .arg(self.dir.join("journal.sqlite3"))
            // Neither the configuration of this machine nor one above the working directory.
            .current_dir(self.dir)
            .env("HOME", self.dir)
            .env("XDG_CONFIG_HOME", self.dir);
        command
    }

    fn by_hand(&self, script: &str, hosts: usize) -> Command {
        let mut list = String::new();
        for host in self.fleet.state().web().take(hosts) {
            let _ = write!(list, " {}={}", host.name, host.address);
        }
        let mut command = Command::new("sh");
        let script = self.dir.join(script);
        command
            .arg("-c")
            .arg(format!("printf '%s\\n'{list} | xargs -P {hosts} -n 1 {}", script.display()));
        command
    }

    fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(&self.options).arg(&self.first).stdin(Stdio::null());
        command
    }

    fn ssh_with(&self, flags: &[&str], socket: &Path) -> Command {
        let mut command = Command::new("ssh");
        command
            .args(&self.options)
            .args(flags)
            .arg(socket)
            .arg(&self.first)
            .stdin(Stdio::null());
        command
    }

    fn spec(&self) -> HostSpec {
        let (layout, state) = (self.fleet.layout(), self.fleet.state());
        HostSpec {
            name: HostName::from("web-01"),
            destination: Destination::Ssh(SshDestination {
                address: self.first.clone(),
                port: Some(state.ssh_port),
                user: Some(state.user.clone()),
                identity_file: Some(layout.user_key()),
                known_hosts: Some(layout.known_hosts()),
                jump: None,
                options: Vec::new(),
            }),
            accept_new: false,
        }
    }

    fn client(&self) -> Outcome<String> {
        let output = Command::new("ssh").arg("-V").output()?;
        Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// The one that client and server agree on, which decides how dear a connection is.
    fn key_exchange(&self) -> Outcome<String> {
        let mut command = Command::new("ssh");
        let output = command
            .arg("-v")
            .args(&self.options)
            .arg(&self.first)
            .arg("true")
            .stdin(Stdio::null())
            .output()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(text
            .lines()
            .find_map(|l| l.split("kex: algorithm: ").nth(1))
            .unwrap_or("unknown")
            .trim()
            .to_owned())
    }
}

async fn connect(spec: &HostSpec) -> Outcome<Arc<dyn Host>> {
    Ok(Connector::new().connect(spec).await?)
}
