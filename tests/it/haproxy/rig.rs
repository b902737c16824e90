//! A real HAProxy on loopback with web servers that can be killed, and the smallest executor of operations.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use runbook::action::CATALOG;
use runbook::base::id::{HostName, PoolName};
use runbook::base::value::Value;
use runbook::model::action::{Action, Arguments, Catalog, Change, Context, Decision, Observation, Verdict};
use runbook::model::inventory::{Host, Inventory, Member, Pool, Share};
use runbook::model::operation::{Act, Identity, Operation, Output, PutFile, Trouble, TroubleKind};
use sha2::{Digest, Sha256};

static RIGS: AtomicUsize = AtomicUsize::new(0);

/// A web server: answers with its status; `/slow` answers when `release` is set.
pub struct Web {
    pub address: SocketAddr,
    pub status: Arc<AtomicU16>,
    pub release: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Web {
    pub fn start(address: &str) -> Web {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (status, stop, release) = (
            Arc::new(AtomicU16::new(200)),
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let shared = (status.clone(), stop.clone(), release.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.1.load(Ordering::SeqCst) {
                    return;
                }
                let (status, release) = (shared.0.clone(), shared.2.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &status, &release));
            }
        });
        Web {
            address,
            status,
            release,
            stop,
            thread: Some(thread),
        }
    }

    /// Closes its port, as a killed process would.
    pub fn kill(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.release.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.kill();
    }
}

fn serve(stream: TcpStream, status: &AtomicU16, release: &AtomicBool) {
    let mut reader = BufReader::new(&stream);
    let mut first = String::new();
    let mut line = String::new();
    let _ = reader.read_line(&mut first);
    while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
        line.clear();
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while first.contains("/slow") && !release.load(Ordering::SeqCst) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let code = status.load(Ordering::SeqCst);
    let _ = (&stream).write_all(format!("HTTP/1.1 {code} x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").as_bytes());
}

/// HAProxy in master-worker mode, its folder, its servers and its place in an inventory.
pub struct Rig {
    pub dir: PathBuf,
    pub webs: Vec<Web>,
    pub front: u16,
    pub inventory: Inventory,
    haproxy: Child,
}

impl Rig {
    /// `backend` are the lines of backend `web` and whatever follows; `{1}`, `{2}`, `{3}` stand for the servers' addresses.
    pub fn start(backend: &str) -> Rig {
        let dir = std::env::temp_dir().join(format!("rb-hap-{}-{}", std::process::id(), RIGS.fetch_add(1, Ordering::SeqCst)));
        std::fs::create_dir_all(&dir).unwrap();
        let webs: Vec<Web> = (0..3).map(|_| Web::start("127.0.0.1:0")).collect();
        let front = free_port();
        let mut lines = backend.to_owned();
        for (n, web) in webs.iter().enumerate() {
            lines = lines.replace(&format!("{{{}}}", n + 1), &web.address.to_string());
        }
        let config = format!(
            "global\n    stats socket {0}/s mode 600 level admin expose-fd listeners\n\ndefaults\n    mode http\n    timeout connect 1s\n    \
             timeout client 30s\n    timeout server 30s\n    balance leastconn\n    default-server inter 200ms\n\nfrontend www\n    bind \
             127.0.0.1:{front}\n    default_backend web\n\nbackend web\n{lines}",
            dir.display()
        );
        std::fs::write(dir.join("haproxy.cfg"), config).unwrap();
        let haproxy = Command::new("/usr/sbin/haproxy")
            .args(["-W", "-f"])
            .arg(dir.join("haproxy.cfg"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .expect("these tests need haproxy 2.6 or newer");
        let rig = Rig {
            inventory: inventory(&dir, &webs),
            dir,
            webs,
            front,
            haproxy,
        };
        rig.until("HAProxy answers", || rig.ask("show info\n").contains("Pid"));
        rig
    }

    /// Asks until it is so; panics after a while.
    pub fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is() {
            let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "waited in vain: {what}\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a request to the runtime socket.
    pub fn ask(&self, request: &str) -> String {
        match socket(&self.dir.join("s"), request) {
            Output::Answer { text } => text,
            _ => String::new(),
        }
    }

    pub fn config(&self) -> String {
        std::fs::read_to_string(self.dir.join("haproxy.cfg")).unwrap()
    }

    /// One request through the balancer.
    pub fn get(&self, path: &str) -> Option<u16> {
        match http(&format!("http://127.0.0.1:{}{path}", self.front)) {
            Output::Http { status, .. } => Some(status),
            _ => None,
        }
    }

    pub fn bind(&self, action: &str, arguments: &[(&str, Value)]) -> Box<dyn Action> {
        let arguments = Arguments(arguments.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect());
        self.bind_arguments(action, &arguments)
    }

    pub fn bind_arguments(&self, action: &str, arguments: &Arguments) -> Box<dyn Action> {
        let context = Context {
            host: None,
            run_as: &Identity::Login,
            inventory: &self.inventory,
            timeout: Duration::from_secs(20),
        };
        CATALOG
            .get(action)
            .unwrap()
            .bind(arguments, &context)
            .unwrap_or_else(|e| panic!("{e:?}"))
    }

    pub fn look(&self, action: &dyn Action, operations: &[Operation]) -> Observation {
        assert!(operations.iter().all(|operation| operation.act.reads()));
        let outputs: Vec<Output> = operations.iter().map(|o| self.perform(o)).collect();
        action.read(&outputs).unwrap_or_else(|e| panic!("{e:?}"))
    }

    /// Probe, decide, perform, verify: as `run` does it.
    pub fn apply(&self, action: &dyn Action) -> Outcome {
        let before = self.look(action, &action.probe());
        let change = match action.decide(&before) {
            Decision::Change(change) => change,
            Decision::InDesiredState => return Outcome::Nothing,
            Decision::Refused(why) | Decision::Unknown(why) => return Outcome::Refused(why),
        };
        let mut performed = Vec::new();
        for operation in &change.operations {
            performed.push(self.perform(operation));
            if stops(operation, performed.last().unwrap()) {
                break;
            }
        }
        let settle = action.settle();
        let deadline = Instant::now() + settle.within.min(Duration::from_secs(8));
        loop {
            let after = self.look(action, &action.verify());
            match action.judge(&before, &performed, &after) {
                Verdict::Done => return Outcome::Done(Box::new(change), after),
                Verdict::NotYet(why) if Instant::now() > deadline => return Outcome::Failed(why),
                Verdict::Failed(why) => return Outcome::Failed(why),
                Verdict::NotYet(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    pub fn member(&self, member: &str, state: &str, more: &[(&str, Value)]) -> Outcome {
        let mut arguments = vec![
            ("pool", Value::text("web")),
            ("member", Value::text(member)),
            ("state", Value::text(state)),
        ];
        arguments.extend(more.iter().cloned());
        self.apply(self.bind("pool.member", &arguments).as_ref())
    }

    /// The result of `pool.status`, as JSON.
    pub fn status(&self) -> serde_json::Value {
        let action = self.bind("pool.status", &[("pool", Value::text("web"))]);
        let seen = self.look(action.as_ref(), &action.probe());
        action.result(&seen, &[]).to_json()
    }

    fn perform(&self, operation: &Operation) -> Output {
        match &operation.act {
            // Stands for the service manager, whose `reload` sends this signal.
            Act::Run { argv, .. } if argv[0] == "sv" => {
                let master = rustix::process::Pid::from_child(&self.haproxy);
                rustix::process::kill_process(master, rustix::process::Signal::HUP).unwrap();
                exited(0, "", "")
            }
            Act::Run { argv, stdin, .. } | Act::Probe { argv, stdin, .. } => program(&self.dir, argv, &stdin.to_string()),
            Act::ReadFile { path } => file(Path::new(path)),
            Act::PutFile(put) => put_file(&self.dir, put),
            Act::Socket { path, request, .. } => socket(Path::new(path), request),
            Act::Http { url, .. } => http(url),
            Act::Pause { span } => {
                std::thread::sleep(*span);
                Output::Paused
            }
            other => panic!("no pool action does {other:?}"),
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.haproxy.kill();
        let _ = self.haproxy.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// What became of a step.
#[derive(Debug)]
pub enum Outcome {
    Nothing,
    Refused(String),
    Failed(String),
    Done(Box<Change>, Observation),
}

impl Outcome {
    #[track_caller]
    pub fn done(self) -> (Change, Observation) {
        match self {
            Outcome::Done(change, after) => (*change, after),
            other => panic!("expected a change that succeeds, found {other:?}"),
        }
    }

    #[track_caller]
    pub fn failed(self) -> String {
        match self {
            Outcome::Failed(why) => why,
            other => panic!("expected a failure, found {other:?}"),
        }
    }
}

/// The first failure stops; an operation that only reads is a guard and fails by a bad answer too.
fn stops(operation: &Operation, output: &Output) -> bool {
    match output {
        Output::Failed(_) => true,
        Output::Http { status, .. } => operation.act.reads() && !(200..400).contains(status),
        Output::Exited { code, .. } => *code != 0,
        _ => false,
    }
}

fn inventory(dir: &Path, webs: &[Web]) -> Inventory {
    let mut inventory = Inventory::default();
    let names = ["lb-01", "web-01", "web-02", "web-03"];
    for (at, name) in names.iter().enumerate() {
        let mut vars = BTreeMap::new();
        if at > 0 {
            vars.insert(String::from("port"), Value::Int(i64::from(webs[at - 1].address.port())));
        }
        let host = Host {
            name: HostName::from(*name),
            address: Some(String::from("127.0.0.1")),
            login_is_enough: true,
            service_manager: Some(String::from("runit")),
            vars,
            ..Host::default()
        };
        inventory.order.push(host.name.clone());
        inventory.hosts.insert(host.name.clone(), host);
    }
    let member = |name: &&str| Member {
        host: HostName::from(*name),
        server: (*name).to_owned(),
        address: String::from("127.0.0.1"),
    };
    let pool = Pool {
        name: PoolName::from("web"),
        kind: String::from("haproxy"),
        balancers: vec![HostName::from("lb-01")],
        backend: String::from("web"),
        members: names[1..].iter().map(member).collect(),
        min_in_service: Share::Count(1),
        config: dir.join("haproxy.cfg").display().to_string(),
        socket: dir.join("s").display().to_string(),
        service: String::from("haproxy"),
        health: Some(String::from("http://{{address}}:{{vars.port}}/health")),
    };
    inventory.pools.insert(pool.name.clone(), pool);
    inventory
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn failed(kind: TroubleKind, message: impl Into<String>) -> Output {
    Output::Failed(Trouble {
        kind,
        message: message.into(),
        may_have_happened: false,
    })
}

fn exited(code: i32, stdout: &str, stderr: &str) -> Output {
    Output::Exited {
        code,
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
        truncated: false,
    }
}

fn program(home: &Path, argv: &[String], stdin: &str) -> Output {
    let mut child = Command::new(&argv[0])
        .args(&argv[1..])
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    exited(output.status.code().unwrap_or(128), &text(&output.stdout), &text(&output.stderr))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn file(path: &Path) -> Output {
    let Ok(bytes) = std::fs::read(path) else {
        return Output::NoFile;
    };
    Output::File {
        sha256: hex(&bytes),
        content: String::from_utf8(bytes).unwrap(),
        utf8: true,
        mode: String::from("0644"),
        owner: String::from("root"),
        group: String::from("root"),
    }
}

fn put_file(home: &Path, put: &PutFile) -> Output {
    let now = std::fs::read(&put.path).unwrap();
    if put.expect.as_ref().is_some_and(|expected| *expected != hex(&now)) {
        return failed(TroubleKind::Conflict, "the file has changed");
    }
    let new = format!("{}.new", put.path);
    std::fs::write(&new, &put.content).unwrap();
    let argv: Vec<String> = put.validate.iter().flatten().map(|word| word.replace("{{file}}", &new)).collect();
    if let Output::Exited { code: 1.., stderr, .. } = program(home, &argv, "") {
        return failed(TroubleKind::Invalid, format!("haproxy refuses the new file: {stderr}"));
    }
    std::fs::rename(&new, &put.path).unwrap();
    Output::Put {
        written: true,
        backup: None,
    }
}

fn socket(path: &Path, request: &str) -> Output {
    let Ok(mut stream) = UnixStream::connect(path) else {
        return failed(TroubleKind::Absent, "no runtime socket");
    };
    let mut text = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    match stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut text)) {
        Ok(_) => Output::Answer { text },
        Err(error) => failed(TroubleKind::Other, error.to_string()),
    }
}

fn http(url: &str) -> Output {
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_at(rest.find('/').unwrap());
    let Ok(mut stream) = TcpStream::connect(address) else {
        return failed(TroubleKind::Absent, format!("no connection to {address}"));
    };
    stream.set_read_timeout(Some(Duration::from_secs(35))).unwrap();
    let mut text = String::new();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut text));
    match text.split(' ').nth(1).and_then(|status| status.parse().ok()) {
        Some(status) => Output::Http {
            status,
            headers: Vec::new(),
            body: text,
        },
        None => failed(TroubleKind::Other, format!("no answer from {address}")),
    }
}
