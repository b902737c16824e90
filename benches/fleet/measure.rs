//! Measuring: pairs, medians, goals, and what /proc says of a process.

use std::error::Error;
use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whatever goes wrong ends the benchmark with its words.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// `getconf CLK_TCK` on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child that does not outlive us.
pub struct Running(pub Child);

impl Running {
    /// Kills it.
    pub fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Seconds of both, A B A B, after one round that is thrown away.
pub fn alternate(
    rounds: usize,
    mut ours: impl FnMut(usize) -> Outcome<f64>,
    mut bare: impl FnMut(usize) -> Outcome<f64>,
) -> Outcome<Vec<(f64, f64)>> {
    let mut pairs = Vec::with_capacity(rounds);
    for n in 0..=rounds {
        let pair = (ours(n)?, bare(n)?);
        if n > 0 {
            pairs.push(pair);
        }
    }
    Ok(pairs)
}

/// Seconds that something takes.
pub fn timed(mut act: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let start = Instant::now();
    act()?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints the median of the pairs' ratios.
pub fn report(label: &str, pairs: &[(f64, f64)], wanted: Option<f64>) {
    let ratio = median(pairs.iter().map(|(ours, bare)| ours / bare));
    let (ours, bare) = (median(pairs.iter().map(|p| p.0)), median(pairs.iter().map(|p| p.1)));
    let label = format!("{label} ({:.1} : {:.1} ms)", ours * 1e3, bare * 1e3);
    match wanted {
        Some(wanted) => goal(&label, &format!("{ratio:.2}"), &format!("{wanted:.2}"), ratio <= wanted),
        None => println!("{label:<62} {:>7}", format!("{ratio:.2}")),
    }
}

/// Prints a figure beside its goal.
pub fn goal(label: &str, found: &str, wanted: &str, met: bool) {
    println!(
        "{label:<62} {found:>7} {:>9}  {}",
        format!("≤ {wanted}"),
        if met { "met" } else { "NOT met" }
    );
}

/// Runs a command to its end, its words kept for the case that it fails.
pub fn finish(command: &mut Command) -> Outcome<()> {
    let mut child = Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?);
    let mut said = String::new();
    if let Some(mut stderr) = child.0.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    let status = child.0.wait()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{} ended with {status}: {said}", command.get_program().to_string_lossy()).into())
}

/// Asks until it is so.
pub fn wait_for(what: &str, ready: impl Fn() -> bool) -> Outcome<()> {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !ready() {
        if Instant::now() > deadline {
            return Err(format!("{what} did not become ready").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// User and system seconds of a process, without its children.
pub fn processor_time(pid: &str) -> Outcome<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("a stat without a name")?.1.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
}

/// A field of a file of /proc.
pub fn kilobytes(pid: &str, file: &str, field: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(field));
    line.and_then(|l| l.split_whitespace().next())
        .and_then(|n| n.parse().ok())
        .unwrap_or(0.0)
}
