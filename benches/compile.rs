//! How long large runbooks take to check and to plan, without a host: the whole program as a user starts it, its memory included, and
//! how both grow with the runbook.
//!
//! Prints each figure beside its goal and says "met" or "NOT met"; a missed goal is no failure, a program that fails is.

#[path = "compile/drawing.rs"]
mod drawing;
#[path = "fleet/measure.rs"]
#[allow(dead_code)]
mod measure;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use measure::{Outcome, goal, kilobytes};

/// Steps of the runbooks measured.
const STEPS: [usize; 5] = [100, 200, 500, 1000, 2000];
/// Hosts of the inventory.
const HOSTS: usize = 1000;
/// Times that each is measured; the best counts, for other programs only ever slow it down.
const ROUNDS: usize = 3;

fn main() -> Outcome<()> {
    // `cargo test --benches` runs benchmarks too, to see that they start.
    if !std::env::args().any(|a| a == "--bench") {
        return Ok(());
    }
    let place = std::env::temp_dir().join(format!("rbk-compile-{}", std::process::id()));
    fs::create_dir(&place)?;
    let outcome = measure_in(&place);
    fs::remove_dir_all(&place)?;
    outcome
}

fn measure_in(place: &Path) -> Outcome<()> {
    let inventory = place.join("inventory.yaml");
    fs::write(&inventory, inventory_text())?;
    println!("{HOSTS} hosts, no host is touched; seconds and memory of the whole program");
    println!(
        "{:>6} {:>12} {:>12} {:>12} {:>12}",
        "steps", "validate s", "memory MB", "plan s", "memory MB"
    );
    let (mut validate, mut plan) = (Vec::new(), Vec::new());
    for steps in STEPS {
        let file = place.join(format!("steps-{steps}.yaml"));
        fs::write(&file, runbook_text(steps))?;
        let checked = best(&inventory, &["validate"], &file)?;
        let planned = best(&inventory, &["plan", "--offline"], &file)?;
        println!(
            "{steps:>6} {:>12.3} {:>12.0} {:>12.3} {:>12.0}",
            checked.seconds, checked.megabytes, planned.seconds, planned.megabytes
        );
        validate.push((steps, checked));
        plan.push((steps, planned));
    }
    let (last_checked, last_planned) = (&validate[STEPS.len() - 1].1, &plan[STEPS.len() - 1].1);
    println!("{:<62} {:>7} {:>9}", "", "found", "goal");
    let most = |label: &str, found: f64, wanted: f64, unit: &str| {
        goal(label, &format!("{found:.2}"), &format!("{wanted:.2}{unit}"), found <= wanted);
    };
    most("check 2,000 steps", last_checked.seconds, 0.1, " s");
    most("plan 2,000 steps on 1,000 hosts", last_planned.seconds, 2.0, " s");
    most("memory of that", last_planned.megabytes, 500.0, " MB");
    most("exponent of checking, 100 to 2,000 steps", exponent(&validate), 1.1, "");
    most("exponent of planning, 100 to 2,000 steps", exponent(&plan), 1.1, "");
    most("draw a plan of 10,000 steps on hosts", drawing::milliseconds(), 100.0, " ms");
    Ok(())
}

/// One start of the program.
struct Took {
    seconds: f64,
    megabytes: f64,
}

fn best(inventory: &Path, words: &[&str], file: &PathBuf) -> Outcome<Took> {
    let mut best = Took {
        seconds: f64::INFINITY,
        megabytes: 0.0,
    };
    for _ in 0..ROUNDS {
        let took = once(inventory, words, file)?;
        best.seconds = best.seconds.min(took.seconds);
        best.megabytes = best.megabytes.max(took.megabytes);
    }
    Ok(best)
}

fn once(inventory: &Path, words: &[&str], file: &PathBuf) -> Outcome<Took> {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_runbook"))
        .args(words)
        .arg(file)
        .arg("-i")
        .arg(inventory)
        .env("RUNBOOK_JOURNAL", file.with_extension("sqlite3"))
        .stdout(Stdio::null())
        .spawn()?;
    let pid = child.id().to_string();
    let mut peak = 0.0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak = kilobytes(&pid, "status", "VmHWM:").max(peak);
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    if !status.success() {
        return Err(format!("`runbook {}` failed for {}", words.join(" "), file.display()).into());
    }
    Ok(Took {
        seconds: start.elapsed().as_secs_f64(),
        megabytes: peak / 1024.0,
    })
}

/// The slope of the line through the logarithms: 1 is linear, 2 is quadratic.
fn exponent(points: &[(usize, Took)]) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let logs: Vec<(f64, f64)> = points.iter().map(|(n, t)| ((*n as f64).ln(), t.seconds.ln())).collect();
    #[allow(clippy::cast_precision_loss)]
    let count = logs.len() as f64;
    let (x, y) = (
        logs.iter().map(|p| p.0).sum::<f64>() / count,
        logs.iter().map(|p| p.1).sum::<f64>() / count,
    );
    let (rise, run) = logs.iter().fold((0.0, 0.0), |(rise, run), p| {
        (rise + (p.0 - x) * (p.1 - y), run + (p.0 - x) * (p.0 - x))
    });
    rise / run
}

fn inventory_text() -> String {
    let balancers = "  lbservers: { hosts: [lb-01] }\n";
    let pool = "pools:\n  web: { kind: haproxy, balancers: lbservers, members: first, min_in_service: 2, health: \"http://{{address}}/health\" }\n";
    let mut text = String::from("hosts:\n  lb-01: { address: 127.0.0.1 }\n");
    for n in 1..=HOSTS {
        let _ = writeln!(text, "  web-{n:04}: {{ address: 127.0.0.1, vars: {{ rack: r{} }} }}", n % 20);
    }
    let _ = write!(
        text,
        "groups:\n  webservers: {{ hosts: [\"web-[0001:{HOSTS:04}]\"] }}\n  first: {{ hosts: [\"web-[0001:0004]\"] }}\n{balancers}{pool}"
    );
    text
}

/// What people write, in turns: commands, services, files, checks with a wait, facts and a condition on what they showed, steps that
/// wait for another than the one above, a few that touch a pool.
fn runbook_text(steps: usize) -> String {
    let mut text = format!(
        "runbook: steps-{steps}\nlanguage: 1\ndescription: A large runbook\nparams:\n  version: {{ type: string, default: \"1.2.3\" }}\nhosts: webservers\nsteps:\n"
    );
    for n in 0..steps {
        let _ = match n % 8 {
            0 => writeln!(text, "  - id: look_{n}\n    name: Look at memory, round {n}\n    facts: [memory]"),
            1 => writeln!(
                text,
                "  - id: clean_{n}\n    name: \"Clean up for {{{{params.version}}}}\"\n    when: steps.look_{}.memory.available_percent < 20\n    undo: none\n    command: {{ argv: [/usr/bin/clean, --for, \"{{{{params.version}}}}\"] }}",
                n - 1
            ),
            2 => writeln!(
                text,
                "  - id: service_{n}\n    name: Restart the app\n    service: {{ name: app, state: restarted }}"
            ),
            3 => writeln!(
                text,
                "  - id: healthy_{n}\n    name: It answers\n    http: {{ url: \"http://localhost/health\" }}\n    that: result.status == 200\n    within: 30s"
            ),
            4 => writeln!(
                text,
                "  - id: write_{n}\n    name: Write the file\n    file.write: {{ path: /etc/app/app-{n}.conf, content: \"version = {{{{params.version}}}}\\n\" }}"
            ),
            5 => writeln!(
                text,
                "  - id: apart_{n}\n    name: Look beside it\n    needs: [service_{}]\n    command: {{ argv: [/usr/bin/uptime], read_only: true }}",
                n - 3
            ),
            6 => writeln!(
                text,
                "  - id: both_{n}\n    name: After both\n    needs: [write_{}, apart_{}]\n    facts: [load]",
                n - 2,
                n - 1
            ),
            _ if n % 400 == 7 => writeln!(
                text,
                "  - id: ready_{n}\n    name: Put a member in\n    pool.member: {{ pool: web, member: web-0001, state: ready }}"
            ),
            _ => writeln!(text, "  - id: tell_{n}\n    name: Say so\n    hosts: web-0001\n    facts: [disk]"),
        };
    }
    text
}
