//! A machine of our own: namespaces whose PID 1 is a real systemd or a bare init, and a tiny executor inside them.
//! Nothing of the host but its programs is visible inside, and nothing inside outlives [`Machine`].

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use runbook::model::operation::{Act, Operation, Output, Trouble, TroubleKind};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bit of `CapEff` for the right to mount and to make namespaces.
const SYS_ADMIN: u64 = 1 << 21;

/// What its PID 1 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    Systemd,
    Bare,
}

/// Why this user cannot make a machine here, if so. Told past libtest's capture: a test that did not run must not look as if it had.
pub fn cannot(subject: &str) -> bool {
    use std::io::Write;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|l| l.strip_prefix("CapEff:")).unwrap();
    let why = if !rustix::process::geteuid().is_root() {
        "not root"
    } else if u64::from_str_radix(effective.trim(), 16).unwrap() & SYS_ADMIN == 0 {
        "root without the right to mount"
    } else {
        return false;
    };
    let mut past_the_capture = std::io::stderr();
    writeln!(past_the_capture, "{subject}: {why}, not run here").unwrap();
    true
}

/// Until the value is there, or the test fails.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come true");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// See the file's header.
pub struct Machine {
    /// `unshare`, the parent of PID 1.
    parent: Child,
    /// PID 1, as the host counts.
    pid: u32,
    folder: PathBuf,
    group: String,
    outputs: AtomicU32,
}

impl Machine {
    /// Boots it with these files (absolute path, content); those under `init.d` and `opt` can be executed.
    pub fn boot(init: Init, files: &[(String, String)]) -> Machine {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let group = format!("runbook-it-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let folder = std::env::temp_dir().join(&group);
        std::fs::create_dir_all(folder.join("root")).unwrap();
        for (path, content) in files {
            put(&folder.join("files").join(path.trim_start_matches('/')), content);
        }
        let word = if init == Init::Systemd { "systemd" } else { "none" };
        // Should this test be killed, its thread's death ends `unshare`, and that one's ends PID 1 and so everything.
        let mut parent = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--mount",
                "sh",
                "-c",
                include_str!("enter.sh"),
                "enter",
            ])
            .args([folder.join("root").as_os_str(), group.as_ref()])
            .args(["sh", "-c", include_str!("boot.sh"), "boot"])
            .args([folder.join("root"), folder.join("files")])
            .arg(word)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("stderr")).unwrap())
            .spawn()
            .expect("`make packages` installs setpriv and unshare");
        let mut line = String::new();
        BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = |folder: &Path| std::fs::read_to_string(folder.join("stderr")).unwrap();
        let pid = line.trim().parse().unwrap_or_else(|_| panic!("no machine: {}", said(&folder)));
        let machine = Machine {
            parent,
            pid,
            folder,
            group,
            outputs: AtomicU32::new(0),
        };
        machine.wait_until_up(init);
        machine
    }

    fn wait_until_up(&self, init: Init) {
        let process = PathBuf::from(format!("/proc/{}", self.pid));
        until("the machine is up (is systemd installed? see `make packages`)", || {
            let said = std::fs::read_to_string(self.folder.join("stderr")).unwrap();
            assert!(process.exists(), "PID 1 is gone: {said}");
            // What sets the machine up replaces itself when all is set up; in that very moment there is no command line.
            let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
            let set_up = [&b"/"[..], b"sh\0-c\0while"].iter().any(|start| command.starts_with(start));
            (set_up && (init == Init::Bare || self.try_run(&["systemctl", "is-system-running"]).1 == "running\n")).then_some(())
        });
    }

    /// A program inside: its exit status, standard output and standard error.
    pub fn try_run(&self, argv: &[&str]) -> (i32, String, String) {
        self.perform_argv(argv, PATIENCE).unwrap_or_else(|| panic!("{argv:?} did not end"))
    }

    /// A program that must end well; its standard output without the last line's end.
    pub fn run(&self, argv: &[&str]) -> String {
        let (code, stdout, stderr) = self.try_run(argv);
        assert_eq!(code, 0, "{argv:?}: {stdout}{stderr}");
        stdout.trim_end().to_owned()
    }

    /// A property of a unit, as systemd itself prints it.
    pub fn show(&self, unit: &str, property: &str) -> String {
        self.run(&["systemctl", "show", "--value", "-p", property, unit])
    }

    /// When a process started, in the kernel's ticks since boot, and how long ago, as its `/proc` shows.
    pub fn process(&self, pid: i64) -> Option<(u64, Duration)> {
        let script = format!("cat /proc/{pid}/stat /proc/uptime && getconf CLK_TCK");
        let (code, said, _) = self.try_run(&["sh", "-c", &script]);
        let lines: Vec<&str> = said.lines().filter(|_| code == 0).collect();
        let [stat, uptime, ticks] = lines[..] else { return None };
        let started: u64 = stat.rsplit(") ").next()?.split_whitespace().nth(19)?.parse().ok()?;
        let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        let started_ms = started * 1000 / ticks.parse::<u64>().ok()?;
        let age = Duration::from_secs_f64(uptime).saturating_sub(Duration::from_millis(started_ms));
        Some((started, age))
    }

    /// Performs an operation as the executor of the product would, with the rights of root.
    pub fn perform(&self, operation: &Operation) -> Output {
        let (Act::Probe { argv, .. } | Act::Run { argv, .. }) = &operation.act else {
            let Act::Pause { span } = &operation.act else {
                panic!("the service action asks for {operation:?}")
            };
            std::thread::sleep(*span);
            return Output::Paused;
        };
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        match self.perform_argv(&argv, operation.timeout) {
            Some((code, stdout, stderr)) => Output::Exited {
                code,
                stdout,
                stderr,
                truncated: false,
            },
            None => Output::Failed(Trouble {
                kind: TroubleKind::Timeout,
                message: format!("{argv:?} took too long"),
                may_have_happened: true,
            }),
        }
    }

    /// Into files rather than pipes: a daemon may keep them open for as long as it lives.
    fn perform_argv(&self, argv: &[&str], timeout: Duration) -> Option<(i32, String, String)> {
        let n = self.outputs.fetch_add(1, Ordering::SeqCst);
        let files = ["out", "err"].map(|kind| self.folder.join(format!("{kind}-{n}")));
        let mut child = Command::new("nsenter")
            .args(["-t", &self.pid.to_string(), "-m", "-u", "-i", "-n", "-p", "-C", "--"])
            .args(argv)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(File::create(&files[0]).unwrap())
            .stderr(File::create(&files[1]).unwrap())
            .spawn()
            .expect("`make packages` installs nsenter");
        let deadline = Instant::now() + timeout;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= deadline {
                child.kill().unwrap();
                child.wait().unwrap();
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let [stdout, stderr] = files.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned());
        Some((status.code().unwrap_or(128), stdout, stderr))
    }

    /// Ends PID 1 and so everything, and makes sure that nothing is left on the host.
    pub fn end(mut self) {
        self.kill();
        assert!(!Path::new(&format!("/proc/{}", self.pid)).exists(), "PID 1 is gone");
        let cgroups = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!cgroups.contains(&self.group), "no mount is left: {cgroups}");
        let (left, said) = self.remove_group();
        assert!(left, "the control group is gone: {said}");
        std::fs::remove_dir_all(&self.folder).unwrap();
    }

    fn kill(&mut self) {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        if self.parent.try_wait().unwrap().is_none() {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        self.parent.wait().unwrap();
    }

    fn remove_group(&self) -> (bool, String) {
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-c", include_str!("leave.sh"), "leave"])
            .args([self.folder.join("root").as_os_str(), self.group.as_ref()])
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.folder.exists() {
            self.kill();
            self.remove_group();
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn put(path: &Path, content: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    let shown = path.to_string_lossy();
    if shown.contains("/init.d/") || shown.contains("/opt/") {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}
