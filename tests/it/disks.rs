//! Space for real: what a plan lists is what goes, whatever the names; links, younger files and what somebody else holds stay.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::site::{Site, until};

/// Names that break scripts.
const NAMES: [&[u8]; 8] = [
    b"plain.gz",
    b"with blank.gz",
    b"it's \"quoted\".gz",
    b"$(touch owned)`touch owned`;touch owned.gz",
    b"line\nbreak.gz",
    b"-rf.gz",
    b"not utf-8 \xff\xfe.gz",
    b"file 1 2 3 4 5 6 1 forged.gz",
];

fn runbook(site: &Site, below: &Path, more: &str) -> String {
    let text = format!(
        "runbook: clean\nlanguage: 1\ndescription: Delete old files.\nhosts: web-01\nrun_as: root\nsteps:\n  - id: clean\n    disk.clean:\n      below: [{}]\n      match: [\"*.gz\"]\n      older_than: 1d\n      {more}\n    undo: none\n",
        below.display()
    );
    site.text("clean.yaml", &text)
}

fn age(path: &Path) {
    let done = Command::new("touch")
        .args(["-h", "-d", "3 days ago"])
        .arg("--")
        .arg(path)
        .status()
        .unwrap();
    assert!(done.success());
}

pub fn old_file(path: &Path, bytes: usize) {
    fs::write(path, vec![b'x'; bytes]).unwrap();
    age(path);
}

pub fn left(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Somebody who keeps a file open; ends with the test.
struct Holder(Child);

impl Holder {
    fn of(path: &Path) -> Holder {
        let child = Command::new("tail")
            .arg("-f")
            .arg(path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let fds = PathBuf::from(format!("/proc/{}/fd", child.id()));
        until("the open file", || {
            let mut links = fs::read_dir(&fds).ok()?.flatten().filter_map(|e| fs::read_link(e.path()).ok());
            links.any(|l| l == path).then_some(())
        });
        Holder(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_is_listed_goes_and_nothing_else() {
    let site = Site::up("disks");
    let anna = site.person("anna");
    let logs = fs::canonicalize(&site.work).unwrap().join("logs");
    let outside = logs.parent().unwrap().join("outside");
    for dir in [&logs, &logs.join("deep er"), &outside] {
        fs::create_dir_all(dir).unwrap();
    }
    for name in NAMES {
        old_file(&logs.join(std::ffi::OsStr::from_bytes(name)), 5000);
    }
    old_file(&logs.join("deep er/below.gz"), 5000);
    old_file(&logs.join("kept.txt"), 10);
    old_file(&outside.join("precious.gz"), 10);
    fs::write(logs.join("young.gz"), "young").unwrap();
    symlink(outside.join("precious.gz"), logs.join("link.gz")).unwrap();
    symlink(&outside, logs.join("way out")).unwrap();
    age(&logs.join("link.gz"));

    let before = left(&logs);
    anna.run(&["plan", &runbook(&site, &logs, "max_delete: 10KiB")])
        .exits(10)
        .says("`max_delete` of 10 KiB; nothing is");
    anna.run(&["plan", &runbook(&site, &site.work.join("missing"), "")])
        .exits(0)
        .says("already so");
    anna.run(&["plan", &runbook(&site, &logs.join("way out"), "")])
        .exits(10)
        .says("is a symbolic link");
    let plan = anna.run(&["plan", &runbook(&site, &logs, "")]).exits(0);
    for shown in [
        "delete 9 files, 72",
        "with blank.gz  8 KiB",
        "(a name with a line break)  8 KiB",
        "deep er/below.gz",
    ] {
        assert!(plan.all().contains(shown), "{shown}\n{}", plan.all());
    }
    assert_eq!(left(&logs), before, "a plan deletes nothing");

    anna.run(&["apply", "--yes", &runbook(&site, &logs, "")]).exits(0);
    assert_eq!(left(&logs), ["deep er", "kept.txt", "link.gz", "way out", "young.gz"]);
    assert_eq!(
        (left(&logs.join("deep er")), left(&outside)),
        (Vec::new(), vec![String::from("precious.gz")])
    );
    anna.run(&["apply", "--yes", &runbook(&site, &logs, "")])
        .exits(0)
        .says("already so");
}

#[test]
fn an_open_file_is_emptied_and_space_is_told() {
    let site = Site::up("disk-open");
    let anna = site.person("anna");
    let logs = fs::canonicalize(&site.work).unwrap().join("logs");
    fs::create_dir_all(&logs).unwrap();
    old_file(&logs.join("held.gz"), 5000);
    old_file(&logs.join("free.gz"), 5000);
    let _holder = Holder::of(&logs.join("held.gz"));
    let inode = fs::metadata(logs.join("held.gz")).unwrap().ino();
    let told = anna.run(&["apply", "--yes", &runbook(&site, &logs, "keep_open: true")]);
    if rustix::process::geteuid().is_root() {
        told.exits(0).says("open: emptied, not removed");
        let held = fs::metadata(logs.join("held.gz")).unwrap();
        assert_eq!((held.ino(), held.len(), left(&logs)), (inode, 0, vec![String::from("held.gz")]));
    } else {
        told.exits(10).says("only root can see which files are open");
    }

    // A file system in memory is small enough to be walked through.
    let big = Path::new("/dev/shm").join(format!("rb-big-{}", std::process::id()));
    fs::write(&big, vec![1u8; 4 * 1024 * 1024]).unwrap();
    let text = "runbook: space\nlanguage: 1\ndescription: Look at the space.\nhosts: web-01\nsteps:\n  - id: space\n    disk.usage: { mount: /dev/shm, largest: 50 }\n    that: result.largest.exists(f, f.path == 'BIG' && f.bytes == 4194304) && result.free_percent > 0.0 && result.mount == '/dev/shm'\n";
    let text = text.replace("BIG", &big.display().to_string());
    let told = anna.run(&["apply", "--yes", &site.text("space.yaml", &text)]);
    fs::remove_file(&big).unwrap();
    told.exits(0);
}

/// The script that the hosts are sent.
const DELETE: &str = include_str!("../../src/action/disk/delete.sh");

/// What it says of the files below `start`, having been shown `listed`.
fn deletes(start: &str, listed: &Path) -> String {
    let meta = fs::symlink_metadata(listed).unwrap();
    let output = Command::new("sh")
        .args(["-c", DELETE, "runbook", "no", start, "-type", "f"])
        .env("RUNBOOK_LISTED", format!("{} {} {}", meta.ino(), meta.len(), meta.mtime()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_link_put_in_the_way_is_not_followed() {
    let dir = std::env::temp_dir().join(format!("rb-delete-{}", std::process::id()));
    let (dir, outside) = (dir.join("logs"), dir.join("outside"));
    for made in [&dir, &outside] {
        fs::create_dir_all(made).unwrap();
    }
    let (dir, outside) = (fs::canonicalize(dir).unwrap(), fs::canonicalize(outside).unwrap());
    let precious = outside.join("precious.gz");
    fs::write(&precious, "x").unwrap();
    symlink(&outside, dir.join("sub")).unwrap();
    // As if the directory had become a link after `find` had looked at it.
    assert_eq!(deletes(&format!("{}/", dir.join("sub").display()), &precious), "moved\n");
    assert!(precious.exists());
    fs::write(outside.join("newer.gz"), "not shown").unwrap();
    let told = deletes(&outside.display().to_string(), &precious);
    assert!(told.starts_with("deleted ") && told.lines().count() == 1, "{told}");
    assert_eq!(left(&outside), ["newer.gz"], "by its own path it goes, and only what was shown");
    fs::remove_dir_all(dir.parent().unwrap()).unwrap();
}
