//! Silences for real: Debian's Alertmanager on loopback, asked by independent means what it lists.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::site::{Site, until};

/// An Alertmanager of one test alone.
pub struct Alertmanager {
    child: Child,
    at: SocketAddr,
}

impl Alertmanager {
    pub fn start(site: &Site) -> Alertmanager {
        let dir = site.work.join("alertmanager");
        fs::create_dir_all(&dir).unwrap();
        fs::write(
            dir.join("config.yml"),
            "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n",
        )
        .unwrap();
        let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config: PathBuf = dir.join("config.yml");
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", dir.display()))
            .arg(format!("--web.listen-address={at}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        let alertmanager = Alertmanager { child, at };
        until("Alertmanager", || {
            alertmanager.ask("GET", "/-/ready", "").filter(|(status, _)| *status == 200)
        });
        alertmanager
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.at, Duration::from_secs(2)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// Its address, as an inventory has it.
    pub fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// Active silences: who made each, for which value of `instance`, and how often it was made.
    pub fn active(&self) -> Vec<(String, String)> {
        let (_, body) = self.ask("GET", "/api/v2/silences", "").unwrap();
        let list: Json = serde_json::from_str(&body).unwrap();
        let on = list.as_array().unwrap().iter().filter(|s| s["status"]["state"] == "active");
        let text = |json: &Json| json.as_str().unwrap().to_owned();
        let mut found: Vec<_> = on.map(|s| (text(&s["createdBy"]), text(&s["matchers"][0]["value"]))).collect();
        found.sort();
        found
    }

    fn silence_of_mira(&self) {
        let body = json!({
            "matchers": [{ "name": "instance", "value": "web-01", "isRegex": false, "isEqual": true }],
            "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "mira", "comment": "mine",
        });
        assert_eq!(self.ask("POST", "/api/v2/silences", &body.to_string()).unwrap().0, 200);
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn a_silence_is_made_once_and_ends_with_the_run() {
    let site = Site::up("silences");
    let alertmanager = Alertmanager::start(&site);
    alertmanager.silence_of_mira();
    let anna = site.person("anna");
    let url = alertmanager.url();
    let runbook = |steps: &str| {
        let head = "runbook: mute\nlanguage: 1\ndescription: Be silent for a while.\nhosts: web-01\nsteps:\n";
        site.text("mute.yaml", &format!("{head}{}", steps.replace("URL", &url)))
    };
    let mute = |matcher: &str, owes: &str| {
        format!(
            "  - id: mute\n    silence: {{ matchers: {{ instance: \"{matcher}\" }}, duration: 30m, comment: \"it's \\\"quoted\\\"\", url: URL }}\n{owes}"
        )
    };
    let unmute = "  - id: unmute\n    hosts: control\n    silence: { id: \"{{steps.mute.silence_id}}\", state: expired, url: URL }\n";
    let broken = "  - id: broken\n    shell: { script: \"exit 1\" }\n    undo: keep\n    pool_effect: none\n";

    anna.run(&["plan", &runbook(&mute("web-01", ""))])
        .exits(0)
        .says("silence {instance=\"web-01\"} for 30m");
    assert_eq!(alertmanager.active(), pairs(&[("mira", "web-01")]), "a plan silences nothing");
    anna.run(&["apply", "--yes", &runbook(&mute("web-01", ""))]).exits(0);
    anna.run(&["apply", "--yes", &runbook(&mute("web-01", ""))])
        .exits(0)
        .says("already so");
    let both = pairs(&[("mira", "web-01"), ("runbook", "web-01")]);
    assert_eq!(alertmanager.active(), both, "made once");

    let steps = mute("~web-(01|02)", "    owes: unmute\n");
    anna.run(&["apply", "--yes", &runbook(&format!("{steps}{unmute}"))]).exits(0);
    assert_eq!(alertmanager.active(), both, "ended by the step that gives back");
    let told = anna
        .run(&["apply", "--yes", &runbook(&format!("{steps}{broken}{unmute}"))])
        .exits(4);
    assert_eq!(alertmanager.active(), both, "ended on the way back: {}", told.all());
    anna.run(&["obligations"]).exits(0).says("no obligations");

    let end = "  - id: end\n    silence: { matchers: { instance: web-01 }, state: expired, url: URL }\n";
    anna.run(&["apply", "--yes", &runbook(end)]).exits(0);
    assert_eq!(alertmanager.active(), pairs(&[("mira", "web-01")]), "mira's stays");
}
