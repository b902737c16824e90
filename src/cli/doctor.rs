//! `runbook doctor`: is this machine fit, and can every host be reached?

use std::process::Command;
use std::sync::Arc;

use super::arguments::Format;
use super::context::Context;
use super::exit::{CliError, Exit};
use super::output::{json, out};
use crate::base::id::HostName;
use crate::base::sanitise;
use crate::model::operation::{Act, Operation, Output, Target};
use crate::run::observe::Observer;

/// More than this between our clock and a host's confuses expiries and timelines.
const MOST_SKEW_S: i64 = 5;

struct Finding {
    what: String,
    ok: bool,
    words: String,
}

/// Checks everything and prints one line each.
///
/// # Errors
/// Only when the system grants no threads; what is wrong is a finding.
pub fn run(context: &Context, format: Format) -> Result<Exit, CliError> {
    let mut findings = vec![ssh(), journal(context)];
    match context.inventory() {
        Ok(inventory) => {
            findings.push(finding(
                "inventory",
                true,
                format!("{} hosts, {} pools", inventory.hosts.len(), inventory.pools.len()),
            ));
            let hosts: Vec<HostName> = inventory.order.clone();
            let connections = context.connections(Arc::new(inventory));
            let observer = Observer::new(connections.clone());
            let looks: Vec<Operation> = hosts.iter().map(date).collect();
            let clock = context.clock();
            let outputs = super::runtime()?.block_on(async {
                let outputs = observer.observe(&looks).await;
                connections.close().await;
                outputs
            });
            let now_s = clock.now().0 / 1000;
            findings.extend(hosts.iter().zip(outputs).map(|(host, output)| reached(host, output, now_s)));
        }
        Err(CliError::Texts(diagnostics, _)) => {
            let first = diagnostics.sorted().into_iter().next().map(|d| d.message).unwrap_or_default();
            findings.push(finding("inventory", false, format!("{first} (runbook inventory list shows all)")));
        }
        Err(other) => findings.push(finding("inventory", false, other.words(false))),
    }
    let ok = findings.iter().all(|f| f.ok);
    match format {
        Format::Text | Format::Github => {
            for f in &findings {
                out(&format!("{:<8} {:<16} {}\n", if f.ok { "ok" } else { "PROBLEM" }, f.what, f.words));
            }
        }
        Format::Json | Format::Ndjson => {
            let list: Vec<_> = findings
                .iter()
                .map(|f| serde_json::json!({ "what": f.what, "ok": f.ok, "words": f.words }))
                .collect();
            json(&serde_json::json!({ "schema": "runbook.doctor/1", "ok": ok, "findings": list }));
        }
    }
    Ok(if ok { Exit::Done } else { Exit::Internal })
}

fn finding(what: &str, ok: bool, words: impl Into<String>) -> Finding {
    Finding {
        what: what.to_owned(),
        ok,
        words: sanitise::one_line(&words.into(), 300),
    }
}

fn ssh() -> Finding {
    match Command::new("ssh").arg("-V").output() {
        Ok(done) => finding("ssh", done.status.success(), String::from_utf8_lossy(&done.stderr)),
        Err(error) => finding(
            "ssh",
            false,
            format!("{error}; install the OpenSSH client (Debian: openssh-client)"),
        ),
    }
}

fn journal(context: &Context) -> Finding {
    let path = context.journal_path().map(|p| p.display().to_string()).unwrap_or_default();
    match context.journal().and_then(|j| Ok(j.verify_chain()?)) {
        Ok(report) => finding(
            "journal",
            true,
            format!("{path}: {} runs, {} records, chain whole", report.runs, report.records),
        ),
        Err(error) => finding("journal", false, error.words(false)),
    }
}

fn date(host: &HostName) -> Operation {
    Operation {
        target: Target::Host(host.clone()),
        run_as: Default::default(),
        act: Act::Probe {
            argv: vec![String::from("date"), String::from("+%s")],
            stdin: Default::default(),
            env: Default::default(),
        },
        timeout: std::time::Duration::from_secs(15),
    }
}

fn reached(host: &HostName, output: Output, now_s: i64) -> Finding {
    match output {
        Output::Exited { code: 0, stdout, .. } => match stdout.trim().parse::<i64>() {
            Ok(theirs) if (theirs - now_s).abs() <= MOST_SKEW_S => finding(host.as_str(), true, "reached"),
            Ok(theirs) => finding(
                host.as_str(),
                false,
                format!("reached, but its clock differs by {} s", theirs - now_s),
            ),
            Err(_) => finding(
                host.as_str(),
                false,
                format!("reached, but `date` answered {}", sanitise::one_line(&stdout, 60)),
            ),
        },
        Output::Failed(trouble) => finding(host.as_str(), false, trouble.message),
        other => finding(host.as_str(), false, format!("unexpected answer: {other:?}")),
    }
}
