//! Inventories as people keep them: folders, programs, passwords in them, and a fleet that is run from Ansible's inventory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use runbook::lab::{Balance, Incident, Variant};
use serde_json::Value as Json;

use crate::site::{RUNBOOK, Site, project};

/// A folder with files, and `runbook` in it.
struct Desk {
    folder: PathBuf,
}

impl Desk {
    fn with(name: &str, files: &[(&str, &str)]) -> Desk {
        let folder = std::env::temp_dir().join(format!("rb-desk-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (path, text) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            if text.starts_with("#!") {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        Desk { folder }
    }

    /// Exit code, stdout, stderr.
    fn run(&self, words: &str) -> (i32, String, String) {
        let words = shlex::split(words).unwrap();
        let output = Command::new(RUNBOOK)
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &self.folder)
            .current_dir(&self.folder)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap();
        assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
        (code, text(&output.stdout), text(&output.stderr))
    }

    fn hosts(&self, flags: &str) -> Vec<String> {
        let (code, out, err) = self.run(&format!("{flags} inventory hosts all"));
        assert_eq!(code, 0, "{err}");
        out.lines().map(str::to_owned).collect()
    }

    fn refused(&self, flags: &str, code: i32, words: &[&str]) {
        let (found, out, err) = self.run(&format!("{flags} inventory hosts all"));
        assert_eq!((found, out.as_str()), (code, ""), "{err}");
        let said = err.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(said.contains(word), "expected `{word}`: {err}");
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const PROGRAM: &str = "#!/bin/sh\n: > ran\necho '{\"web\": [\"from-program\"], \"_meta\": {\"hostvars\": {}}}'\n";
const OWN: &str = "hosts: { own-1: }\n";

#[test]
fn the_example_means_what_it_says() {
    let desk = Desk::with("example", &[]);
    let flags = format!("-i {}", project("inventory/ansible-example"));
    let (code, out, err) = desk.run(&format!("{flags} inventory list"));
    assert_eq!((code, err.as_str()), (0, ""), "{err}");
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    assert_eq!(lines[0], "HOST    ADDRESS         GROUPS                         VARS");
    assert_eq!(
        lines[2],
        "web-02  ops@192.0.2.12  application, site, webservers  http_port=8080 rack=\"r2\""
    );
    let (_, out, _) = desk.run(&format!("{flags} inventory list -o json"));
    let document: Json = serde_json::from_str(&out).unwrap();
    let lb = document["hosts"].as_array().unwrap().iter().find(|h| h["name"] == "lb-01").unwrap();
    assert_eq!(
        (lb["jump"].as_str(), lb["run_as"].as_str()),
        (Some("ops@bastion.example.com"), Some("root"))
    );
    assert_eq!(document["hosts"][0]["memory_from"]["service"], "app");
    assert_eq!(document["pools"]["web"]["members"][1]["address"], "192.0.2.12");
    let (_, out, _) = desk.run(&format!("{flags} inventory graph"));
    let expected = "all\n├── [application]\n│   ├── web-01\n│   └── web-02\n└── [site]\n    ├── [webservers]\n    │   ├── web-01\n    │   └── web-02\n    └── [lbservers]\n        └── lb-01\n";
    assert_eq!(out, expected);
}

#[test]
fn the_folder_of_the_project_is_not_searched_deeper() {
    let desk = Desk::with(
        "own",
        &[
            ("inventory/a.yaml", OWN),
            ("inventory/below/hosts.ini", "[web]\nx\n"),
            ("inventory/key", "-----BEGIN\n"),
        ],
    );
    assert_eq!(desk.hosts(""), ["own-1"]);
    assert_eq!(desk.hosts("-i inventory -i inventory/below"), ["own-1", "x"]);
}

#[test]
fn programs_are_started_only_when_a_person_names_them() {
    let files = [
        ("inv/cloud.sh", PROGRAM),
        ("inv/hosts", "[db]\ndb-1\n"),
        ("alone/cloud.sh", PROGRAM),
    ];
    let desk = Desk::with(
        "programs",
        &[&files[..], &[("runbook.config.yaml", "inventory: [alone/cloud.sh]\n")]].concat(),
    );
    let ran = desk.folder.join("ran");
    desk.refused("-i inv", 3, &["RB0526", "inv/cloud.sh", "use `-i` with its path"]);
    desk.refused("", 3, &["RB0526", "stands in the configuration"]);
    assert!(!ran.exists());
    assert_eq!(desk.hosts("-i alone/cloud.sh"), ["from-program"]);
    assert!(ran.exists());
    assert_eq!(desk.hosts("-i alone/cloud.sh -i inv/hosts"), ["from-program", "db-1"]);
    // Without the right to be executed it is a text, and no inventory.
    fs::set_permissions(desk.folder.join("alone/cloud.sh"), fs::Permissions::from_mode(0o644)).unwrap();
    desk.refused("-i alone/cloud.sh", 3, &["RB0514", "chmod +x"]);
}

#[test]
fn what_a_program_prints_is_checked_like_a_file() {
    let desk = Desk::with(
        "printed",
        &[
            ("no-meta", "#!/bin/sh\necho '{\"web\": [\"a\"]}'\n"),
            ("no-json", "#!/bin/sh\necho 'Traceback: {'\n"),
            ("nothing", "#!/bin/sh\n"),
            ("fails", "#!/bin/sh\necho 'no credentials' >&2\nexit 1\n"),
        ],
    );
    desk.refused("-i no-meta", 3, &["RB0522", "_meta.hostvars"]);
    desk.refused("-i fails", 3, &["RB0526", "no credentials"]);
    for name in ["no-json", "nothing"] {
        let (code, out, err) = desk.run(&format!("-i {name} inventory hosts all"));
        assert_eq!((code, out.as_str()), (3, ""), "{err}");
        assert!(err.contains("error[RB"), "{err}");
    }
}

#[test]
fn rights_from_the_inventory_are_told_in_the_plan() {
    let look = "runbook: look\nlanguage: 1\ndescription: Looks.\nsteps:\n  - { id: look, hosts: web, facts: [memory] }\n";
    let hosts = "[web]\na ansible_become=true ansible_become_user=app\nb\nc ansible_connection=network_cli\n";
    let desk = Desk::with(
        "rights",
        &[
            ("hosts", hosts),
            ("look.yaml", look),
            ("as.yaml", &look.replace("steps:", "run_as: root\nsteps:").replace("look\n", "as\n")),
        ],
    );
    let (code, out, _) = desk.run("plan -i hosts --offline look.yaml");
    assert_eq!(code, 0, "{out}");
    let said = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("a: steps without `run_as` work as `app` there") && !said.contains("b: steps"),
        "{out}"
    );
    assert!(
        said.contains("c is left out: under maintenance (Ansible reaches it by `network_cli`, runbook by ssh only)"),
        "{out}"
    );
    let (code, out, err) = desk.run("plan -i hosts --offline as.yaml");
    assert!(code == 0 && !out.contains("steps without"), "{out}{err}");
}

#[test]
fn exit_codes_of_patterns() {
    let desk = Desk::with("codes", &[("hosts", "[web]\nweb-1\nweb-2\n")]);
    let (code, out, _) = desk.run("-i hosts inventory hosts 'web:!web-1' -o json");
    let document: Json = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &document["hosts"]), (0, &serde_json::json!(["web-2"])));
    for pattern in ["wbe", "web:!web", "web[7]", "!web", ","] {
        let (code, out, err) = desk.run(&format!("-i hosts inventory hosts '{pattern}'"));
        assert_eq!((code, out.as_str()), (3, ""), "{pattern}: {err}");
    }
    assert_eq!(desk.run("-i nosuch inventory list").0, 3);
    assert_eq!(desk.run("inventory hosts").0, 64);
}

#[test]
fn no_password_is_shown_whatever_is_wrong() {
    let text =
        "[web]\nweb-1 ansible_password=hunter2 ansible_port=x\nweb-2 ansible_become_pass='hunter2\nweb-3 ansible_ssh_pass=hunter2 oops\n";
    let desk = Desk::with(
        "passwords",
        &[
            ("hosts", text),
            ("group_vars/web.yml", "db_password: hunter2\n\tx: 1\n"),
            ("good", "[web]\na ansible_password=hunter2\n"),
        ],
    );
    for flags in ["-i hosts", "-i good"] {
        for command in ["list", "list -o json", "graph", "hosts all"] {
            let (_, out, err) = desk.run(&format!("{flags} inventory {command}"));
            assert!(!out.contains("hunter2") && !err.contains("hunter2"), "{out}{err}");
        }
    }
    desk.refused("-i hosts", 3, &["RB0516", "RB0521"]);
}

/// The fleet's inventory in Ansible's words.
fn in_ansibles_words(site: &Site, folder: &Path) {
    let shown = site.person("anna").run(&["inventory", "list", "-o", "json"]).exits(0);
    let document: Json = serde_json::from_str(&shown.out).unwrap();
    let mut hosts = String::new();
    for group in ["webservers", "lbservers"] {
        hosts.push_str(&format!("[{group}]\n"));
        for host in document["hosts"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|h| h["groups"].as_array().unwrap().contains(&group.into()))
        {
            let text = |key: &str| host[key].as_str().unwrap();
            hosts.push_str(&format!(
                "{} ansible_host={} ansible_port={}",
                text("name"),
                text("address"),
                host["port"]
            ));
            for (key, value) in host["vars"].as_object().unwrap() {
                hosts.push_str(&format!(" {key}={}", value.as_str().map_or(value.to_string(), str::to_owned)));
            }
            hosts.push('\n');
        }
    }
    let first = &document["hosts"][0];
    let text = |key: &str| first[key].as_str().unwrap();
    hosts.push_str("here ansible_connection=local\n[all:vars]\nansible_become=false\n");
    hosts.push_str(&format!(
        "ansible_user={}\nansible_ssh_private_key_file={}\n",
        text("user"),
        text("identity_file")
    ));
    hosts.push_str(&format!("ansible_ssh_common_args=-o UserKnownHostsFile={}\n", text("known_hosts")));
    fs::write(folder.join("hosts"), hosts).unwrap();
    let own = fs::read_to_string(site.fleet.inventory()).unwrap();
    let pools = &own[own.find("pools:").unwrap()..];
    let groups = "groups:\n  application: { hosts: [\"web-*\"], memory_from: { service: app } }\n  runit: { hosts: [\"~web|lb\"], service_manager: runit }\n";
    fs::write(folder.join("pools.yaml"), format!("{groups}{pools}")).unwrap();
}

#[test]
fn a_fleet_is_recovered_with_ansibles_inventory() {
    let incident = Incident::OomMaster {
        variant: Variant::Runtime,
        balance: Balance::Source,
        shallow_health: false,
    };
    let site = Site::broken("ansible", incident);
    let folder = site.work.join("theirs");
    fs::create_dir_all(&folder).unwrap();
    in_ansibles_words(&site, &folder);
    let inventory = folder.display().to_string();
    let anna = site.person("anna");
    anna.run(&["-i", &inventory, "apply", "--yes", &project("runbooks/recover-master.yaml")])
        .exits(0);
    site.assert_recovered("with Ansible's inventory");
    // `ansible_connection=local` is this machine, without ssh.
    let look = "runbook: look\nlanguage: 1\ndescription: Says where it is.\nsteps:\n  - id: say\n    hosts: here\n    undo: none\n    command: { argv: [touch, MARK] }\n";
    let mark = site.work.join("was-here").display().to_string();
    let path = site.text("look.yaml", &look.replace("MARK", &mark));
    anna.run(&["-i", &inventory, "apply", "--yes", &path]).exits(0);
    assert!(Path::new(&mark).exists());
}
