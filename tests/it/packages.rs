//! Packages for real: a private apt and dpkg of one practice host, with a repository of its own; nothing of this machine changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::site::{Person, Site, Told, signal, until};

/// Everything apt and dpkg of `web-01` know and write is below `root`.
struct Apt<'s> {
    site: &'s Site,
    root: PathBuf,
    anna: Person<'s>,
}

/// A repository with one package for each `name version depends`, made of what dpkg brings.
const REPOSITORY: &str = r#"set -e
cd "$1"
mkdir -p repo sys/etc/apt/apt.conf.d sys/etc/apt/preferences.d sys/var/lib/dpkg sys/var/lib/apt sys/var/cache/apt/archives/partial sys/var/log/apt
: >sys/var/lib/dpkg/status
: >repo/Packages
while read -r name version depends; do
    tree=tree-$name-$version
    mkdir -p "$tree/DEBIAN" "$tree/etc" "$tree/usr/share"
    { printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@example.invalid>\nDescription: for tests\n' "$name" "$version"
      [ -z "$depends" ] || echo "Depends: $depends"; } >"$tree/DEBIAN/control"
    echo "$version" >"$tree/usr/share/$name"
    echo "shipped with $version" >"$tree/etc/$name.conf"
    echo "/etc/$name.conf" >"$tree/DEBIAN/conffiles"
    chmod -R u=rwX,go=rX "$tree"
    dpkg-deb --build "$tree" "repo/${name}_$version.deb" >/dev/null
    { dpkg-deb -f "repo/${name}_$version.deb"
      printf 'Filename: ./%s_%s.deb\nSize: %s\nSHA256: %s\n\n' "$name" "$version" \
          "$(stat -c %s "repo/${name}_$version.deb")" "$(sha256sum <"repo/${name}_$version.deb" | cut -d' ' -f1)"; } >>repo/Packages
done
echo "deb [trusted=yes] file:$1/repo ./" >sys/etc/apt/sources.list
cat >apt.conf <<END
Dir "$1/sys";
Dir::State::status "$1/sys/var/lib/dpkg/status";
Dpkg::Options { "--root=$1/sys"; "--force-not-root"; "--force-bad-path"; "--log=$1/sys/dpkg.log"; };
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
END
"#;

/// Gives a host an apt and a dpkg of its own, whose repository has these packages, one `name version depends` a line; the root of it.
pub fn private_apt(site: &Site, host: &str, packages: &str) -> PathBuf {
    let at = site.work.join(format!("apt-of-{host}"));
    fs::create_dir_all(&at).unwrap();
    let list = site.text("packages.txt", packages);
    let made = Command::new("sh")
        .args(["-c", REPOSITORY, "sh"])
        .arg(&at)
        .stdin(fs::File::open(list).unwrap())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let root = at.join("sys");
    let sshd = site.fleet.layout().host(host);
    let config = fs::read_to_string(sshd.join("sshd_config")).unwrap();
    let own = format!(
        " APT_CONFIG={} DPKG_ADMINDIR={}\nSubsystem",
        at.join("apt.conf").display(),
        root.join("var/lib/dpkg").display()
    );
    fs::write(sshd.join("sshd_config"), config.replacen("\nSubsystem", &own, 1)).unwrap();
    let pid = fs::read_to_string(sshd.join("sshd.pid")).unwrap();
    signal(pid.trim().parse().unwrap(), "HUP");
    until("sshd with apt's own root", || {
        let told = site.fleet.ssh_command(host).ok()?.arg("echo $APT_CONFIG").output().ok()?;
        String::from_utf8_lossy(&told.stdout).contains("apt.conf").then_some(())
    });
    root
}

impl<'s> Apt<'s> {
    fn of(site: &'s Site) -> Apt<'s> {
        Apt {
            site,
            root: private_apt(site, "web-01", "rb-demo 1.0\nrb-demo 2.0 rb-part\nrb-part 7\n"),
            anna: site.person("anna"),
        }
    }

    fn file(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    fn status(&self) -> String {
        self.file("var/lib/dpkg/status").unwrap()
    }

    /// One step on web-01, then those given.
    fn runbook(&self, step: &str, more: &str) -> String {
        let text = format!(
            "runbook: packages\nlanguage: 1\ndescription: Work on packages.\nhosts: web-01\nsteps:\n  - id: work\n    {step}\n    pool_effect: none\n{more}"
        );
        self.site.text("packages.yaml", &text)
    }

    fn apply(&self, step: &str, more: &str) -> Told {
        self.anna.run(&["apply", "--yes", &self.runbook(step, more)])
    }

    fn plan(&self, step: &str) -> Told {
        self.anna.run(&["plan", &self.runbook(step, "")])
    }
}

#[test]
fn a_package_comes_changes_and_goes() {
    let site = Site::up("packages");
    let apt = Apt::of(&site);
    let demo = |path: &str| apt.file(path).map(|t| t.trim().to_owned());

    apt.plan("package: { name: rb-demo, version: \"1.0\" }")
        .exits(10)
        .says("no repository of web-01 offers rb-demo 1.0; on offer: nothing");
    apt.apply("package: { name: rb-demo, version: \"1.0\", update_cache: true }", "")
        .exits(0);
    assert_eq!(demo("usr/share/rb-demo").as_deref(), Some("1.0"));

    fs::write(apt.root.join("etc/rb-demo.conf"), "edited\n").unwrap();
    let before = apt.status();
    apt.plan("package: { name: rb-demo, state: latest }")
        .exits(0)
        .says("rb-demo on web-01: 1.0 → 2.0")
        .says("+rb-part 7")
        .says("-rb-demo 1.0");
    assert_eq!(apt.status(), before, "a plan installs nothing");
    apt.apply("package: { name: rb-demo, state: latest, hold: true }", "").exits(0);
    assert_eq!(demo("usr/share/rb-demo").as_deref(), Some("2.0"));
    assert_eq!(demo("usr/share/rb-part").as_deref(), Some("7"));
    assert_eq!(
        demo("etc/rb-demo.conf").as_deref(),
        Some("edited"),
        "an edited configuration file stays"
    );
    assert!(apt.status().contains("Status: hold ok installed"), "{}", apt.status());

    let before = apt.status();
    apt.plan("package: { name: rb-demo, version: \"1.0\" }")
        .exits(10)
        .says("is held at 2.0");
    apt.apply("package: { name: rb-demo, state: latest, hold: true, update_cache: true }", "")
        .exits(0)
        .says("already so");
    assert_eq!(apt.status(), before, "a second time changes nothing");

    let checks = "  - id: right\n    package.installed: rb-demo\n    that: result.version == '1.0' && !result.held\n\
                  \x20 - id: offered\n    package.available: { name: rb-demo, version: \"3.0\" }\n    that: result.available\n";
    apt.apply("package: { name: rb-demo, version: \"1.0\", hold: false }", checks)
        .exits(4)
        .says("UNDONE");
    assert_eq!(
        demo("usr/share/rb-demo").as_deref(),
        Some("2.0"),
        "taken back to the version before"
    );
    assert!(
        apt.status().contains("Status: hold ok installed"),
        "held as before\n{}",
        apt.status()
    );

    goes(&apt);
}

fn goes(apt: &Apt<'_>) {
    apt.plan("package: { name: rb-part, state: absent }")
        .exits(10)
        .says("apt cannot do it on web-01");
    apt.apply("package: { name: rb-demo, hold: false }", "").exits(0);
    apt.plan("package: { name: rb-part, state: absent }")
        .exits(0)
        .says("other packages are removed with it")
        .says("-rb-demo 2.0");
    apt.apply("package: { name: rb-demo, state: absent, hold: false }", "").exits(0);
    assert_eq!(apt.file("usr/share/rb-demo"), None);
    apt.apply("package.clean_cache: {}", "").exits(0).says("already so");
    fs::write(apt.root.join("var/cache/apt/archives/old_1_all.deb"), [0u8; 4096]).unwrap();
    let freed = "  - id: gone\n    when: steps.work.hosts['web-01'].freed_bytes == 4096\n    shell: { script: \"echo freed it all\", read_only: true }\n    that: result.stdout_lines.size() == 1\n";
    apt.apply("package.clean_cache: {}", freed)
        .exits(0)
        .says("remove 1 downloaded package, 4 KiB");
    assert!(!Path::new(&apt.root.join("var/cache/apt/archives/old_1_all.deb")).exists());
}
