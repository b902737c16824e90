//! Speed of the product against bare `ssh` on the practice fleet, as ratios measured in the same run, A B A B.
//!
//! Prints each ratio beside its goal and says "met" or "NOT met"; a missed goal is no failure, a step that does not work is.
//! Everything stays on loopback and in one temporary directory. Controller and hosts share the processors, which flatters
//! whoever does less work on the hosts.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use runbook::lab::{Fleet, Options};
use runbook::transport::{Connector, Destination, Exec, Host, HostName, HostSpec, SshDestination, Transport};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The largest fleet measured.
const HOSTS: usize = 20;
/// Nothing that is measured takes a tenth of this.
const PATIENCE: Duration = Duration::from_secs(60);
/// `getconf CLK_TCK` on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Ten steps a host: five looks, three commands that change something, two files.
const RUNBOOK: &str = r#"runbook: ten-steps
language: 1
description: Ten small steps on each host.
params:
  round: { type: string }
run_as: login
steps:
  - id: each
    name: Every host by itself
    for_each: { as: web, hosts: webservers, max_parallel: 200 }
    steps:
      - { id: kernel, command: { argv: [uname, -r], read_only: true } }
      - { id: uptime, command: { argv: [cat, /proc/uptime], read_only: true } }
      - { id: disk, command: { argv: [df, -P, /], read_only: true } }
      - { id: folder, command: { argv: [mkdir, -p, "@DIR@/{{web.name}}"] }, pool_effect: none, undo: keep }
      - { id: limits, file.write: { path: "@DIR@/{{web.name}}/limits", content: "nofile {{params.round}}\n" } }
      - { id: marker, command: { argv: [touch, "@DIR@/{{web.name}}/marker"] }, pool_effect: none, undo: keep }
      - { id: motd, file.write: { path: "@DIR@/{{web.name}}/motd", content: "round {{params.round}}\n" } }
      - { id: copy, command: { argv: [cp, "@DIR@/{{web.name}}/motd", "@DIR@/{{web.name}}/copy"] }, pool_effect: none, undo: keep }
      - { id: size, command: { argv: [wc, -c, "@DIR@/{{web.name}}/copy"], read_only: true } }
      - { id: load, command: { argv: [cat, /proc/loadavg], read_only: true } }
"#;

/// The same by hand, for one host.
const SCRIPT: &str = r#"#!/bin/sh
set -e
name=${1%=*} address=${1#*=} d=@DIR@/${1%=*} s=@DIR@/$1.sock
on() { ssh @OPTIONS@ -S "$s" "$address" "$@"; }
ssh @OPTIONS@ -M -S "$s" -o ControlPersist=no -f -N "$address"
on 'uname -r'
on 'cat /proc/uptime'
on 'df -P /'
on "mkdir -p $d"
echo "nofile $ROUND" | on "cat >$d/.limits && mv -f $d/.limits $d/limits"
on "touch $d/marker"
echo "round $ROUND" | on "cat >$d/.motd && mv -f $d/.motd $d/motd"
on "cp $d/motd $d/copy"
on "wc -c $d/copy"
on 'cat /proc/loadavg'
ssh @OPTIONS@ -S "$s" -O exit "$address" 2>/dev/null
"#;

/// The looks that planning makes.
const FACTS: &str = r#"#!/bin/sh
set -e
name=${1%=*} address=${1#*=} d=@DIR@/${1%=*} s=@DIR@/$1.sock
on() { ssh @OPTIONS@ -S "$s" "$address" "$@"; }
ssh @OPTIONS@ -M -S "$s" -o ControlPersist=no -f -N "$address"
on 'uname -r'
on 'cat /proc/uptime'
on 'df -P /'
on 'cat /proc/loadavg'
ssh @OPTIONS@ -S "$s" -O exit "$address" 2>/dev/null
"#;

const PLAN: &str = r#"runbook: four-looks
language: 1
description: Four looks at each host.
run_as: login
hosts: webservers
steps:
  - { id: kernel, command: { argv: [uname, -r], read_only: true } }
  - { id: uptime, command: { argv: [cat, /proc/uptime], read_only: true } }
  - { id: disk, command: { argv: [df, -P, /], read_only: true } }
  - { id: load, command: { argv: [cat, /proc/loadavg], read_only: true } }
"#;

const ONE_LOOK: &str = r#"runbook: one-look
language: 1
description: One look, which leaves its time behind for the benchmark.
run_as: login
hosts: webservers
steps:
  - { id: now, command: { argv: [sh, -c, "date +%s%N >>@DIR@/first"], read_only: true } }
"#;

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
    bench.ten_steps(HOSTS, 5)?;
    bench.planning()?;
    bench.memory()?;
    fleet.down()?;
    println!("took {:.0} s; again: make bench", began.elapsed().as_secs_f64());
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
        wait_for(|| {
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

    fn planning(&self) -> Outcome<()> {
        let pairs = alternate(
            5,
            |_| timed(|| finish(&mut self.runbook("plan", "four-looks.yaml"))),
            |_| timed(|| finish(&mut self.by_hand("facts.sh", HOSTS))),
        )?;
        report(&format!("planning with four looks, {HOSTS} hosts"), &pairs, None);
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

/// A child that does not outlive us.
struct Running(Child);

impl Running {
    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Seconds of both, A B A B, after one round that is thrown away.
fn alternate(
    rounds: usize,
    mut ours: impl FnMut(usize) -> Outcome<f64>,
    mut bare: impl FnMut(usize) -> Outcome<f64>,
) -> Outcome<Vec<(f64, f64)>> {
    let mut pairs = Vec::with_capacity(rounds);
    for n in 0..=rounds {
        let pair = (ours(n)?, bare(n)?);
        if n > 0 {
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

fn timed(mut act: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let start = Instant::now();
    act()?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(label: &str, pairs: &[(f64, f64)], wanted: Option<f64>) {
    let ratio = median(pairs.iter().map(|(ours, bare)| ours / bare));
    let (ours, bare) = (median(pairs.iter().map(|p| p.0)), median(pairs.iter().map(|p| p.1)));
    let label = format!("{label} ({:.1} : {:.1} ms)", ours * 1e3, bare * 1e3);
    match wanted {
        Some(wanted) => goal(&label, &format!("{ratio:.2}"), &format!("{wanted:.2}"), ratio <= wanted),
        None => println!("{label:<62} {:>7}", format!("{ratio:.2}")),
    }
}

fn goal(label: &str, found: &str, wanted: &str, met: bool) {
    println!(
        "{label:<62} {found:>7} {:>9}  {}",
        format!("≤ {wanted}"),
        if met { "met" } else { "NOT met" }
    );
}

/// Runs a command to its end, its words kept for the case that it fails.
fn finish(command: &mut Command) -> Outcome<()> {
    let mut child = Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?);
    let mut said = String::new();
    if let Some(mut stderr) = child.0.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    let status = child.0.wait()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{} ended with {status}: {said}", command.get_program().to_string_lossy()).into())
}

fn wait_for(ready: impl Fn() -> bool) -> Outcome<()> {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !ready() {
        if Instant::now() > deadline {
            return Err("the master of ssh did not become ready".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// User and system seconds of a process, without its children.
fn processor_time(pid: &str) -> Outcome<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("a stat without a name")?.1.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
}

fn kilobytes(pid: &str, file: &str, field: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(field));
    line.and_then(|l| l.split_whitespace().next())
        .and_then(|n| n.parse().ok())
        .unwrap_or(0.0)
}
