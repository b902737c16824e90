//! A simulated Alertmanager: silences over its HTTP API version 2. It stands where the inventory's variable `alertmanager` points.

use serde_json::{Value as Json, json};

use super::Inner;
use super::web::port_and_path;
use crate::base::clock::Timestamp;
use crate::rehearsal::syntax::Page;

/// A silence; its id is its number in the list.
#[derive(Clone, Debug)]
pub struct Silence {
    asked: Json,
    ends: Timestamp,
}

impl Silence {
    /// `host=web-01`, for people.
    fn words(&self) -> String {
        let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
        let one = |m: &Json| {
            let mark = if m["isRegex"] == true { "~" } else { "" };
            format!("{}={mark}{}", text(&m["name"]), text(&m["value"]))
        };
        let matchers = self.asked["matchers"].as_array();
        matchers.map_or_else(String::new, |all| all.iter().map(one).collect::<Vec<_>>().join(", "))
    }

    fn listed(&self, number: usize, now: Timestamp) -> Json {
        let state = if self.ends > now { "active" } else { "expired" };
        let mut json = self.asked.clone();
        json["id"] = json!(number.to_string());
        json["status"] = json!({ "state": state });
        json["endsAt"] = json!(self.ends.rfc3339());
        json
    }
}

impl Inner {
    /// Whether Alertmanager is reached at that address and port.
    pub(super) fn is_alertmanager(&self, authority: &str) -> bool {
        let urls = self.inventory.hosts.values().filter_map(|h| h.var_text("alertmanager"));
        urls.map(|url| {
            let (port, _) = port_and_path(url);
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            format!("{}:{port}", rest.split([':', '/']).next().unwrap_or_default())
        })
        .any(|at| at == authority)
    }

    /// The silences that were on at the last record, for a clock of the past tells no time.
    #[must_use]
    pub fn silences(&self) -> Vec<String> {
        let now = self.plot.now;
        self.silences.iter().filter(|s| s.ends > now).map(Silence::words).collect()
    }

    /// What Alertmanager answers; `None`: not a request about silences. Its filter is left to whoever asks, who compares anyway.
    pub(super) fn silence_api(&mut self, method: &str, path: &str, body: &[u8]) -> Option<Page> {
        let now = self.now();
        let path = path.split('?').next().unwrap_or(path);
        let page = |status: u16, body: &Json| Page {
            status,
            body: body.to_string(),
            ..Page::default()
        };
        let of = |id: &str, all: &[Silence]| id.parse::<usize>().ok().filter(|n| *n < all.len());
        Some(match (method, path.strip_prefix("/api/v2/")?) {
            ("GET", "silences") => {
                let all = self.silences.iter().enumerate();
                page(200, &all.map(|(number, s)| s.listed(number, now)).collect())
            }
            ("POST", "silences") => {
                let asked: Json = serde_json::from_slice(body).unwrap_or_default();
                let ends = asked["endsAt"].as_str().and_then(Timestamp::parse).unwrap_or(now);
                let known = asked["id"].as_str().and_then(|id| of(id, &self.silences));
                let number = known.unwrap_or(self.silences.len());
                let silence = Silence { asked, ends };
                match known {
                    Some(number) => self.silences[number] = silence,
                    None => self.silences.push(silence),
                }
                page(200, &json!({ "silenceID": number.to_string() }))
            }
            ("GET" | "DELETE", rest) => {
                let number = of(rest.strip_prefix("silence/")?, &self.silences);
                match (number, method) {
                    (None, _) => page(404, &json!("silence not found")),
                    (Some(number), "GET") => page(200, &self.silences[number].listed(number, now)),
                    (Some(number), _) => {
                        self.silences[number].ends = now;
                        page(200, &json!({}))
                    }
                }
            }
            _ => return None,
        })
    }
}
