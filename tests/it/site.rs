//! A practice fleet and people who work on it with the real binary; tests read like a transcript of a shell.
//!
//! Judges by independent means only: requests through the balancer, HAProxy's own words, `/proc`, files on the hosts, and the
//! number of times that the web application was really started. At most two fleets run at once.

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use runbook::lab::load::{Load, LoadOptions, LoadReport};
use runbook::lab::memory::Memory;
use runbook::lab::process::Process;
use runbook::lab::{Fleet, Incident, OWN_RECORDS, Options};

pub const RUNBOOK: &str = env!("CARGO_BIN_EXE_runbook");
/// Nothing in these tests may take longer.
pub const PATIENCE: Duration = Duration::from_secs(90);
const FLEETS: usize = 4;

/// A path in the project.
pub fn project(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

/// Polls until `check` gives something.
pub fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < end, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A fleet and a folder for the people's own files.
pub struct Site {
    pub fleet: Fleet,
    pub work: PathBuf,
    _place: Place,
}

impl Site {
    /// Two web servers and a balancer, healthy.
    pub fn up(name: &str) -> Site {
        Site::up_with(name, 2)
    }

    /// As [`Site::up`], with that many web servers.
    pub fn up_with(name: &str, web: usize) -> Site {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let place = Place::take();
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let work = std::env::temp_dir().join(format!("rb-e2e-{}-{number}", std::process::id()));
        fs::create_dir_all(work.join("r")).unwrap();
        let fleet = Fleet::up(Options {
            dir: Some(work.join(name)),
            web,
            program: Some(RUNBOOK.into()),
            ..Options::default()
        })
        .unwrap();
        let site = Site {
            fleet,
            work,
            _place: place,
        };
        site.count_starts();
        site
    }

    /// As [`Site::up`], then broken.
    pub fn broken(name: &str, incident: Incident) -> Site {
        let mut site = Site::up(name);
        site.break_it(incident);
        site
    }

    pub fn break_it(&mut self, incident: Incident) {
        self.fleet.break_it(incident).unwrap();
    }

    /// Somebody at a machine of their own: own name, own journal.
    pub fn person(&self, name: &str) -> Person<'_> {
        let home = self.work.join(format!("of-{name}"));
        fs::create_dir_all(&home).unwrap();
        Person {
            site: self,
            name: name.to_owned(),
            home,
        }
    }

    /// Writes a runbook or another text and gives its path.
    pub fn text(&self, name: &str, text: &str) -> String {
        let path = self.work.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Users for a while, as they saw it.
    pub fn users(&self, ms: u64, per_second: u32) -> LoadReport {
        self.start_users(ms, per_second).finish()
    }

    pub fn start_users(&self, ms: u64, per_second: u32) -> Load {
        Load::start(LoadOptions {
            at: self.fleet.site(),
            path: String::from("/"),
            per_second,
            lasting: Duration::from_millis(ms),
        })
    }

    /// A command on a host over bare ssh.
    pub fn ssh(&self, host: &str, command: &str) -> String {
        let output = self.fleet.ssh_command(host).unwrap().arg(command).output().unwrap();
        assert!(
            output.status.success(),
            "{command} on {host}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// HAProxy's word for a member: `UP`, `MAINT`, …
    pub fn status(&self, member: &str) -> String {
        let members = self.fleet.members().unwrap();
        members
            .into_iter()
            .find(|m| m.name == member)
            .map_or_else(|| String::from("absent"), |m| m.status)
    }

    /// Waits until HAProxy has checked every member again; right after a reload it says `UP 1/2`.
    pub fn settle(&self) {
        until("settled members", || {
            let members = self.fleet.members().ok()?;
            members.iter().all(|m| !m.status.contains('/')).then_some(())
        });
    }

    /// HAProxy's administrative state of a member; 0 is ready.
    pub fn admin_state(&self, member: &str) -> u32 {
        let states = self.fleet.haproxy("show servers state").unwrap();
        let columns = states
            .lines()
            .map(|l| l.split_whitespace().collect::<Vec<_>>())
            .find(|c| c.get(3) == Some(&member));
        columns.unwrap_or_else(|| panic!("HAProxy has no server {member}"))[6]
            .parse()
            .unwrap()
    }

    /// The algorithm that runs, and the one in the file.
    pub fn algorithms(&self) -> (String, String) {
        let stat = self.fleet.haproxy("show stat").unwrap();
        let mut rows = stat.lines().map(|l| l.split(',').collect::<Vec<_>>());
        let header = rows.next().unwrap();
        let column = header.iter().position(|h| *h == "algo").unwrap();
        let backend = rows.find(|r| r[0] == "web" && r[1] == "BACKEND").unwrap();
        let file = fs::read_to_string(self.fleet.layout().haproxy_config()).unwrap();
        let line = file.lines().find_map(|l| l.trim().strip_prefix("balance ")).unwrap().to_owned();
        (backend[column].to_owned(), line)
    }

    /// Percent of the web application's memory that is available.
    pub fn available(&self, host: &str) -> f64 {
        self.app(host).and_then(|p| Memory::of(p.pid)).unwrap().available_percent()
    }

    pub fn app(&self, host: &str) -> Option<Process> {
        self.fleet.service_process(host, "app")
    }

    /// How often the web application of a host was started since the fleet came up.
    pub fn starts(&self, host: &str) -> usize {
        fs::read_to_string(self.starts_file(host)).unwrap_or_default().lines().count()
    }

    fn starts_file(&self, host: &str) -> PathBuf {
        self.work.join(format!("starts-of-{host}"))
    }

    fn count_starts(&self) {
        for host in self.fleet.state().web().map(|h| h.name.as_str()) {
            let run = self.fleet.layout().services(host).join("app/run");
            let text = fs::read_to_string(&run).unwrap();
            let counted = text.replacen('\n', &format!("\necho start >>{}\n", self.starts_file(host).display()), 1);
            fs::write(&run, counted).unwrap();
        }
    }

    /// What the balancer keeps about who holds the pool and who took whom out; empty when nobody does.
    pub fn held(&self) -> Vec<String> {
        let folder = self.fleet.layout().home("lb-01").join(OWN_RECORDS).join("pools/web");
        let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        let mut held = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let record: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("taken.") || record["until_ms"].as_i64().is_some_and(|t| t > now) {
                held.push(format!("{name} {text}"));
            }
        }
        held
    }

    /// The incident is over by every independent measure.
    pub fn assert_recovered(&self, context: &str) {
        for member in ["web-01", "web-02"] {
            assert_eq!(
                (self.status(member).as_str(), self.admin_state(member)),
                ("UP", 0),
                "{member} {context}"
            );
        }
        assert_eq!(
            self.algorithms(),
            (String::from("roundrobin"), String::from("roundrobin")),
            "{context}"
        );
        self.assert_shared(context);
        assert!(
            self.available("web-01") >= 25.0,
            "{context}: {} % available",
            self.available("web-01")
        );
        assert_eq!(self.held(), Vec::<String>::new(), "{context}: somebody still holds something");
    }

    /// Every request succeeds and each server gets its share within ten percent.
    pub fn assert_shared(&self, context: &str) {
        let report = self.users(1000, 100);
        assert_eq!((report.ok(), report.failed()), (100, 0), "{context}: {:?}", report.failures);
        let share = report.share_percent("web-01");
        assert!((45.0..=55.0).contains(&share), "{context}: {:?}", report.by_server);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // The fleet ends first, or its supervisors would write into a folder that is being removed.
        let _ = Command::new(RUNBOOK)
            .args(["lab", "down", "--dir"])
            .arg(self.fleet.layout().dir())
            .output();
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.work);
        }
    }
}

/// A person with a journal of their own.
pub struct Person<'s> {
    site: &'s Site,
    name: String,
    home: PathBuf,
}

impl Person<'_> {
    /// What the product calls this person: root speaks for whoever called it, anybody else only for himself.
    pub fn known_as(&self) -> String {
        if rustix::process::geteuid().is_root() {
            return self.name.clone();
        }
        let told = std::process::Command::new("id").arg("-un").output().unwrap();
        String::from_utf8_lossy(&told.stdout).trim().to_owned()
    }

    /// Somebody else at the same machine, with the same journal.
    pub fn colleague(&self, name: &str) -> Person<'_> {
        Person {
            site: self.site,
            name: name.to_owned(),
            home: self.home.clone(),
        }
    }

    /// The command, ready to be altered or started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(RUNBOOK);
        self.prepare(&mut command);
        command.args(arguments);
        command
    }

    /// Nothing of the developer's own environment reaches the program.
    pub fn prepare(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .env("SUDO_USER", &self.name)
            .env("XDG_RUNTIME_DIR", self.site.work.join("r"))
            .env("RUNBOOK_JOURNAL", self.journal())
            .env("RUNBOOK_INVENTORY", self.site.fleet.inventory())
            .current_dir(&self.home)
            .stdin(Stdio::null());
    }

    pub fn journal(&self) -> PathBuf {
        self.home.join("journal.sqlite3")
    }

    /// Runs to the end.
    pub fn run(&self, arguments: &[&str]) -> Told {
        self.start(arguments).finish()
    }

    /// Runs in the background.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_command(self.command(arguments))
    }

    pub fn start_command(&self, mut command: Command) -> Running {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = NEXT.fetch_add(1, Ordering::SeqCst);
        let (out, err) = (self.home.join(format!("{name}.out")), self.home.join(format!("{name}.err")));
        let words = format!("{command:?}");
        let child = command
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&err).unwrap())
            .spawn()
            .unwrap();
        Running {
            words: words.rsplit_once(RUNBOOK).map_or(words.clone(), |(_, w)| format!("runbook{w}")),
            child,
            out,
            err,
        }
    }
}

/// A command under way; killed when it is dropped.
pub struct Running {
    words: String,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, if that is a pipe.
    pub fn keyboard(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Kills its `ssh` processes, as a network that forgets connections would.
    pub fn cut_connections(&self) {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let lists = tasks.map(|t| read(&t.unwrap().path().join("children")));
        let ids: Vec<u32> = lists
            .flat_map(|l| l.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>())
            .collect();
        let ssh: Vec<u32> = ids
            .into_iter()
            .filter(|id| read(Path::new(&format!("/proc/{id}/comm"))).trim() == "ssh")
            .collect();
        assert!(!ssh.is_empty(), "no `ssh` under {}", self.pid());
        ssh.into_iter().for_each(|id| signal(id, "KILL"));
    }

    /// Everything it has said so far.
    pub fn so_far(&self) -> String {
        read(&self.out) + &read(&self.err)
    }

    /// Waits until it has said something, or fails when it ends without.
    pub fn says(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let over = self.child.try_wait().unwrap().is_some() || Instant::now() > end;
            let said = self.so_far();
            if said.contains(text) {
                return;
            }
            assert!(!over, "{} never said `{text}` but:\n{said}", self.words);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn finish(mut self) -> Told {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "{} hangs:\n{}", self.words, self.so_far());
            std::thread::sleep(Duration::from_millis(10));
        };
        Told {
            words: self.words.clone(),
            status,
            out: read(&self.out),
            err: read(&self.err),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Told {
    words: String,
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Told {
    pub fn all(&self) -> String {
        format!("$ {}\n{}{}[{}]", self.words, self.out, self.err, self.status)
    }

    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Told {
        assert_eq!(self.status.code(), Some(code), "expected exit {code}\n{}", self.all());
        self
    }

    #[track_caller]
    pub fn dies_killed(self) -> Told {
        assert_eq!(self.status.signal(), Some(9), "expected death by SIGKILL\n{}", self.all());
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Told {
        assert!(self.all().contains(text), "expected the words `{text}`\n{}", self.all());
        self
    }

    #[track_caller]
    pub fn never_says(self, text: &str) -> Told {
        let said = self.all();
        let (_, said) = said.split_once('\n').unwrap_or_default();
        assert!(!said.contains(text), "did not expect the words `{text}`\n{}", self.all());
        self
    }
}

/// Sends a signal to a process of ours.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}

fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    let _ = fs::File::open(path).and_then(|mut f| f.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The right to run a fleet.
struct Place;

static FREE: Mutex<usize> = Mutex::new(FLEETS);
static FREED: Condvar = Condvar::new();

impl Place {
    fn take() -> Place {
        let mut free = FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while *free == 0 {
            free = FREED.wait(free).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        *free -= 1;
        Place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
        FREED.notify_one();
    }
}
