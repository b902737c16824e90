//! Files, links, lines and processes for real, on a practice host; what a plan shows is what happens, and the way back leads back.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::site::{Person, Site, Told, until};

struct Desk<'s> {
    site: &'s Site,
    anna: Person<'s>,
    dir: PathBuf,
}

impl<'s> Desk<'s> {
    fn of(site: &'s Site) -> Desk<'s> {
        let dir = fs::canonicalize(&site.work).unwrap().join("things");
        fs::create_dir_all(&dir).unwrap();
        Desk {
            site,
            anna: site.person("anna"),
            dir,
        }
    }

    fn runbook(&self, steps: &str) -> String {
        let head = "runbook: things\nlanguage: 1\ndescription: Work on things.\nhosts: web-01\nsteps:\n";
        let steps = steps.replace("DIR", &self.dir.display().to_string());
        self.site.text("things.yaml", &format!("{head}{steps}"))
    }

    fn apply(&self, steps: &str) -> Told {
        self.anna.run(&["apply", "--yes", &self.runbook(steps)])
    }

    fn plan(&self, steps: &str) -> Told {
        self.anna.run(&["plan", &self.runbook(steps)])
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

const BROKEN: &str = "  - id: broken\n    shell: { script: \"exit 1\" }\n    undo: keep\n    pool_effect: none\n";

#[test]
fn what_stands_at_a_path() {
    let site = Site::up("files");
    let desk = Desk::of(&site);
    let (odd, link) = (desk.dir.join("it's $(touch owned) \"odd\""), desk.dir.join("current"));
    let make = "  - id: dir\n    file: { path: \"DIR/it's $(touch owned) \\\"odd\\\"\", state: directory, mode: \"0711\" }\n\
                \x20 - id: flag\n    file: { path: \"DIR/it's $(touch owned) \\\"odd\\\"/flag\", state: file, mode: \"0600\" }\n\
                \x20 - id: link\n    file: { path: DIR/current, state: link, target: \"it's $(touch owned) \\\"odd\\\"\" }\n";
    desk.plan(make).exits(0).says("make an empty directory");
    assert!(!odd.exists(), "a plan makes nothing");
    desk.apply(make).exits(0);
    assert_eq!((mode(&odd), mode(&odd.join("flag"))), (0o711, 0o600));
    assert_eq!(fs::read_link(&link).unwrap(), Path::new(odd.file_name().unwrap()));
    desk.apply(make).exits(0).says("already so");

    let look = "  - id: look\n    file.stat: DIR/current/flag\n    that: result.kind == 'file' && result.mode == '0600' && result.size_bytes == 0 && result.age_seconds < 600\n\
                \x20 - id: there\n    file.stat: DIR/current\n    that: result.kind == 'link' && result.target.startsWith('it')\n\
                \x20 - id: nowhere\n    file.stat: DIR/nowhere\n    that: \"!result.exists\"\n";
    desk.apply(look).exits(0);

    let change = "  - id: mode\n    file: { path: DIR/current/flag, state: file, mode: \"4755\" }\n\
                  \x20 - id: turn\n    file: { path: DIR/current, state: link, target: elsewhere }\n";
    desk.apply(&format!("{change}{BROKEN}")).exits(4);
    assert_eq!(
        (mode(&odd.join("flag")), fs::read_link(&link).unwrap()),
        (0o600, PathBuf::from(odd.file_name().unwrap()))
    );

    desk.plan("  - id: gone\n    file: { path: DIR/current/, state: directory }\n")
        .exits(10)
        .says("it is not replaced");
    fs::write(odd.join("flag"), "precious").unwrap();
    desk.plan("  - id: gone\n    file: { path: DIR/current/flag, state: absent }\n")
        .exits(10)
        .says("could not be brought back");
    fs::remove_file(odd.join("flag")).unwrap();
    symlink("nowhere", desk.dir.join("dangling")).unwrap();
    let remove = "  - id: link\n    file: { path: DIR/dangling, state: absent }\n  - id: dir\n    file: { path: \"DIR/it's $(touch owned) \\\"odd\\\"\", state: absent }\n";
    desk.apply(&format!("{remove}{BROKEN}")).exits(4);
    assert_eq!(
        (mode(&odd), fs::read_link(desk.dir.join("dangling")).unwrap()),
        (0o711, PathBuf::from("nowhere"))
    );
    desk.apply(remove).exits(0);
    assert!(!odd.exists() && fs::symlink_metadata(desk.dir.join("dangling")).is_err());

    let file = desk.dir.join("app.conf");
    fs::write(&file, "# conf\nMaxClients 100\nlast").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let line = "  - id: clients\n    file.line: { path: DIR/app.conf, line: \"MaxClients 400\", match: \"^MaxClients \" }\n\
                \x20 - id: more\n    file.line: { path: DIR/app.conf, line: \"More 1\", after: \"^MaxClients\" }\n\
                \x20 - id: size\n    file.stat: DIR/app.conf\n    that: result.mode == '0640'\n";
    desk.plan(line).exits(0).says("+MaxClients 400").says("+More 1");
    desk.apply(line).exits(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "# conf\nMaxClients 400\nMore 1\nlast");
    assert_eq!(mode(&file), 0o640);
    desk.apply(line).exits(0).says("already so");
    desk.apply(&format!(
        "  - id: less\n    file.line: {{ path: DIR/app.conf, match: \"^M\", state: absent }}\n{BROKEN}"
    ))
    .exits(4);
    assert_eq!(fs::read_to_string(&file).unwrap(), "# conf\nMaxClients 400\nMore 1\nlast");
}

/// Somebody's process, ended with the test; `name` stands in its command line.
struct Worker(Child);

impl Worker {
    fn start(dir: &Path, name: &str, deaf: bool) -> Worker {
        let ready = dir.join(format!("{name}.ready"));
        let trap = if deaf { "trap '' TERM; " } else { "" };
        let script = format!("{trap}trap 'echo told >>\"$1\"' HUP; : >\"$1\"; while :; do read -r _ <&3 || :; done");
        // A pipe that nobody writes to: the shell waits without a child of its own.
        let pipe = format!("{}.pipe", ready.display());
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let child = Command::new("sh")
            .args(["-c", &format!("exec 3<>\"$1.pipe\"; {script}"), name])
            .arg(&ready)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("a worker", || ready.exists().then_some(()));
        Worker(child)
    }

    fn ends(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn processes_end_and_only_those_that_are_meant() {
    let site = Site::up("processes");
    let desk = Desk::of(&site);
    let tag = format!("rb-worker-{}", std::process::id());
    let mut deaf = Worker::start(&desk.dir, &format!("{tag}-deaf"), true);
    let mut meek = Worker::start(&desk.dir, &format!("{tag}-meek"), false);
    let mut other = Worker::start(&desk.dir, &format!("other-{tag}"), false);
    let step = |more: &str| {
        format!("  - id: end\n    process: {{ match: \" {tag}-(deaf|meek) \", {more} }}\n    undo: none\n    pool_effect: none\n")
    };
    desk.plan(&step("grace: 1s")).exits(10).says("more than `max_count: 1`");
    desk.plan(&step("grace: 1s, max_count: 2")).exits(0).says("TERM to 2 processes");
    assert!(!meek.ends(), "a plan ends nobody");
    desk.apply("  - id: hup\n    process: { match: \" other-rb-worker\", signal: HUP }\n    pool_effect: none\n")
        .exits(0);
    let ready = desk.dir.join(format!("other-{tag}.ready"));
    until("the signal", || fs::read_to_string(&ready).ok().filter(|t| t.contains("told")));
    desk.apply(&step("grace: 1s, max_count: 2")).exits(0);
    assert!(deaf.ends() && meek.ends() && !other.ends());
    desk.apply(&step("grace: 1s, max_count: 2")).exits(0).says("already so");
}
