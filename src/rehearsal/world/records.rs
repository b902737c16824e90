//! The records of pools that a balancer keeps, as the scripts of `model::pool_record` leave them. Which script it is shows in the values it
//! begins with.

use std::collections::BTreeMap;

use super::host::{Host, Records};
use crate::base::clock::Timestamp;
use crate::base::id::HostName;
use crate::base::quote;
use crate::model::inventory::Pool;
use crate::model::pool_record::{PoolRecord, REFUSED};

/// The answer to a script of pool records: exit status and output; `None`: it is another script.
pub fn answer(host: &mut Host, script: &str, now: Timestamp) -> Option<(i32, String)> {
    let values = values(script)?;
    let get = |name: &str| values.get(name).map(String::as_str);
    let pool = get("pool")?.to_owned();
    let records = host.records.entry(pool).or_default();
    let number = |name: &str| get(name).and_then(|n| n.parse::<i64>().ok()).unwrap_or(0);
    let fence = u64::try_from(number("fence")).unwrap_or(0);
    let fresh = |fence: u64| record(get("head").unwrap_or(""), now, number("ttl"), fence);
    Some(match (get("head"), get("fence"), get("server")) {
        (None, None, None) => (0, all(records)),
        (Some(_), None, None) => take(records, &fresh(0), now),
        (Some(_), Some(_), None) if records.fence() == fence => {
            let record = fresh(fence);
            records.lease = Some(record.clone());
            done(&record)
        }
        (None, Some(_), None) if records.fence() == fence => {
            let record = PoolRecord {
                what: String::from("released"),
                since_ms: now.0,
                fence,
                ..PoolRecord::default()
            };
            records.lease = Some(record.clone());
            done(&record)
        }
        (_, Some(_), None) => (REFUSED, String::from("lost\n")),
        (Some(_), _, Some(server)) => mark(records, server, fresh(fence), get("adopt") == Some("yes")),
        (None, _, Some(server)) => clear(records, server, get("needle").unwrap_or("")),
    })
}

impl Records {
    fn fence(&self) -> u64 {
        self.lease.as_ref().map_or(0, |l| l.fence)
    }
}

/// The assignments at a script's beginning.
fn values(script: &str) -> Option<BTreeMap<String, String>> {
    if !script.starts_with("pool=") || !script.contains("/.local/state/runbook/pools") {
        return None;
    }
    let lines = script.lines().take_while(|l| *l != "set -u");
    let pair = |line: &str| {
        let (name, quoted) = line.split_once('=')?;
        Some((name.to_owned(), quote::words(quoted)?.concat()))
    };
    lines.map(pair).collect()
}

fn record(head: &str, now: Timestamp, ttl: i64, fence: u64) -> PoolRecord {
    let text = format!("{head}\"since_ms\":{},\"until_ms\":{},\"fence\":{fence}}}", now.0, now.0 + ttl);
    serde_json::from_str(&text).unwrap_or_default()
}

fn line(word: &str, record: &PoolRecord) -> String {
    let json = serde_json::to_string(record).unwrap_or_default();
    format!("{word}\t{json}\n")
}

fn done(record: &PoolRecord) -> (i32, String) {
    (0, line("done", record))
}

fn all(records: &Records) -> String {
    let lease = records.lease.iter().map(|l| line("lease", l));
    let taken = records.taken.iter().map(|(server, r)| line(&format!("taken.{server}"), r));
    lease.chain(taken).collect()
}

fn take(records: &mut Records, wanted: &PoolRecord, now: Timestamp) -> (i32, String) {
    if let Some(held) = records.lease.as_ref().filter(|l| l.until_ms > now.0) {
        return (REFUSED, line("held", held));
    }
    let record = PoolRecord {
        fence: records.fence() + 1,
        ..wanted.clone()
    };
    records.lease = Some(record.clone());
    done(&record)
}

fn mark(records: &mut Records, server: &str, wanted: PoolRecord, adopt: bool) -> (i32, String) {
    if let Some(other) = records.taken.get(server).filter(|r| r.run != wanted.run && !adopt) {
        return (REFUSED, line("held", other));
    }
    let answer = done(&wanted);
    records.taken.insert(server.to_owned(), wanted);
    answer
}

fn clear(records: &mut Records, server: &str, needle: &str) -> (i32, String) {
    let Some(found) = records.taken.get(server).cloned() else {
        return (0, String::from("done\n"));
    };
    if !serde_json::to_string(&found).unwrap_or_default().contains(needle) {
        return (REFUSED, line("held", &found));
    }
    records.taken.remove(server);
    done(&found)
}

/// Somebody else has taken a member out and owes its return.
pub fn taken_by_another(hosts: &mut BTreeMap<HostName, Host>, pool: &Pool, server: &str, owner: &str, now: Timestamp) {
    let record = another(owner, &format!("{server} is out of pool {}", pool.name), now, 0);
    if let Some(host) = pool.balancers.first().and_then(|b| hosts.get_mut(b)) {
        let records = host.records.entry(pool.name.0.clone()).or_default();
        records.taken.insert(server.to_owned(), record);
    }
}

/// Somebody else holds the lease, and keeps renewing it for an hour.
pub fn held_by_another(hosts: &mut BTreeMap<HostName, Host>, pool: &Pool, owner: &str, now: Timestamp) {
    if let Some(host) = pool.balancers.first().and_then(|b| hosts.get_mut(b)) {
        let records = host.records.entry(pool.name.0.clone()).or_default();
        let mut record = another(owner, "another run", now, records.fence() + 1);
        record.until_ms = now.0 + 3_600_000;
        records.lease = Some(record);
    }
}

fn another(owner: &str, what: &str, now: Timestamp, fence: u64) -> PoolRecord {
    PoolRecord {
        owner: owner.to_owned(),
        run: format!("of {owner}"),
        what: what.to_owned(),
        since_ms: now.0,
        until_ms: now.0,
        fence,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::pool_record::{
        Answer, clear_taken_script, mark_taken_script, parse_answer, parse_records, read_script, release_script, renew_script, take_script,
    };

    #[test]
    fn every_script_is_known_and_answered_as_its_reader_wants() {
        let mut host = Host::controller(Timestamp(0));
        let now = Timestamp(5_000);
        let mine = PoolRecord {
            owner: "mira's \"laptop\"".into(),
            run: "u1".into(),
            what: "run #1".into(),
            since_ms: 5_000,
            until_ms: 65_000,
            fence: 0,
        };
        let other = PoolRecord {
            run: "u2".into(),
            ..mine.clone()
        };
        let mut ask = |script: String, at: i64| {
            let (_, text) = answer(&mut host, &script, Timestamp(at)).unwrap();
            parse_answer(&text).unwrap()
        };
        let Answer::Done(lease) = ask(take_script("web", &mine, now.0), 5_000) else {
            panic!("taken")
        };
        assert_eq!(
            (lease.fence, lease.until_ms, lease.owner.as_str()),
            (1, 65_000, "mira's \"laptop\"")
        );
        assert!(matches!(ask(take_script("web", &other, now.0), 6_000), Answer::Held(r) if r.run == "u1"));
        assert!(matches!(ask(renew_script("web", &lease, now.0), 30_000), Answer::Done(r) if r.until_ms == 90_000));
        assert!(matches!(
            ask(mark_taken_script("web", "web-01", &lease, now.0, false), 31_000),
            Answer::Done(_)
        ));
        assert!(matches!(
            ask(mark_taken_script("web", "web-01", &other, now.0, false), 31_000),
            Answer::Held(_)
        ));
        assert!(matches!(ask(clear_taken_script("web", "web-01", "u2"), 32_000), Answer::Held(_)));
        assert!(matches!(ask(take_script("web", &other, now.0), 91_000), Answer::Done(r) if r.fence == 2));
        assert!(matches!(ask(renew_script("web", &lease, now.0), 92_000), Answer::Lost));
        assert!(matches!(ask(release_script("web", 2), 93_000), Answer::Done(_)));
        let (_, text) = answer(&mut host, &read_script("web"), now).unwrap();
        let records = parse_records(&text).unwrap();
        assert_eq!((records.lease, records.taken.len()), (None, 1));
        assert!(matches!(
            answer(&mut host, &clear_taken_script("web", "web-01", "u1"), now),
            Some((0, _))
        ));
        assert_eq!(answer(&mut host, "echo hello", now), None);
    }
}
