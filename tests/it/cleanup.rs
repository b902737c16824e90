//! The shipped runbook `disk-full-cleanup` on a real small file system: it stops as soon as there is enough, and asks when nothing is left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disks::{left, old_file};
use crate::site::{Person, Site, project};

const MIB: usize = 1024 * 1024;

/// A file system of 16 MiB in memory; goes with the test.
struct Mounted(PathBuf);

impl Mounted {
    /// `None`: who runs the tests may not mount anything.
    fn at(dir: &Path) -> Option<Mounted> {
        let mut mount = Command::new("mount");
        let done = mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(dir).output().ok()?;
        done.status.success().then(|| Mounted(dir.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

struct Desk<'s> {
    anna: Person<'s>,
    config: String,
    full: PathBuf,
}

impl Desk<'_> {
    fn words(&self, words: &[&str], enough: &str) -> Vec<String> {
        let full = self.full.display();
        let params = [
            String::from("host=web-01"),
            format!("mount={full}"),
            format!("folders={full}/logs,{full}/tmp"),
            String::from("old=1d"),
            format!("enough={enough}"),
        ];
        let head = ["--config", &self.config]
            .into_iter()
            .chain(words.iter().copied())
            .map(str::to_owned);
        let params = params.into_iter().flat_map(|p| [String::from("--param"), p]);
        head.chain(params).chain([project("runbooks/disk-full-cleanup.yaml")]).collect()
    }

    fn run(&self, words: &[&str], enough: &str) -> crate::site::Told {
        self.anna
            .run(&self.words(words, enough).iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn left(&self) -> [Vec<String>; 2] {
        ["logs", "tmp"].map(|dir| left(&self.full.join(dir)))
    }
}

#[test]
fn the_shipped_cleanup() {
    let site = Site::up("cleanup");
    let full = fs::canonicalize(&site.work).unwrap().join("full");
    fs::create_dir(&full).unwrap();
    let mounted = Mounted::at(&full);
    for dir in ["logs", "tmp"] {
        fs::create_dir(full.join(dir)).unwrap();
    }
    // 14 of 16 MiB, so an eighth is free.
    old_file(&full.join("logs/old.gz"), 6 * MIB);
    fs::write(full.join("logs/young.gz"), vec![b'x'; 2 * MIB]).unwrap();
    old_file(&full.join("tmp/older.old"), 4 * MIB);
    fs::write(full.join("kept"), vec![b'x'; 2 * MIB]).unwrap();
    let anna = site.person("anna");
    let config = format!(
        "people:\n  {anna}: {{ notify: [book] }}\ngroups:\n  oncall_infra: {{ members: [{anna}] }}\n  service_owner: {{ members: [{anna}] }}\n\
         channels:\n  book: {{ command: {{ argv: [tee, -a, {told}] }} }}\n  ops_chat: {{ command: {{ argv: [tee, -a, {told}] }} }}\n",
        anna = anna.known_as(),
        told = site.work.join("told").display()
    );
    let desk = Desk {
        config: site.text("config.yaml", &config),
        anna,
        full,
    };
    let all = [
        vec![String::from("old.gz"), String::from("young.gz")],
        vec![String::from("older.old")],
    ];
    desk.run(&["plan", "--offline"], "40%").exits(0).says("CANNOT BE UNDONE");
    if mounted.is_none() {
        // Without a file system of its own only a look is safe: the means are those of the machine that runs the tests.
        desk.run(&["plan"], "0%").exits(0);
        assert_eq!(desk.left(), all);
        return;
    }
    desk.run(&["plan"], "40%").exits(0).says("old.gz  6 MiB");
    assert_eq!(desk.left(), all, "a plan deletes nothing");

    for _ in 0..2 {
        desk.run(&["apply", "--yes"], "40%").exits(0);
        let enough = [vec![String::from("young.gz")], vec![String::from("older.old")]];
        assert_eq!(
            desk.left(),
            enough,
            "half is free after the first folder, so the second is not touched"
        );
    }

    let words = desk.words(&["apply", "--yes"], "90%");
    let mut asking = desk.anna.start(&words.iter().map(String::as_str).collect::<Vec<_>>());
    asking.says("still has only 75 % free");
    assert_eq!(desk.left(), [vec![String::from("young.gz")], Vec::new()]);
    desk.anna
        .run(&["--config", &desk.config, "failed", "3", "--reason", "no volume left"])
        .exits(0);
    asking.finish().exits(4);
    let told = fs::read_to_string(site.work.join("told")).unwrap();
    for text in ["logs/young.gz (2 MiB)", "kept (2 MiB)", "is still full: "] {
        assert!(told.contains(text), "{text}\n{told}");
    }
}
