//! Alertmanager's HTTP API, version 2, as far as silences need it: requests, and reading the answers.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::action::outcome::unexpected;
use crate::base::clock::Timestamp;
use crate::base::sanitise::one_line;
use crate::base::value::Value;
use crate::model::action::{BindError, ReadError};
use crate::model::operation::{Act, Identity, Operation, Output, Target};

/// Who has made our silences, in Alertmanager's list.
pub const AUTHOR: &str = "runbook";

/// A condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Matcher {
    pub name: String,
    pub value: String,
    pub regex: bool,
}

impl Matcher {
    /// From parameter `matchers`, sorted by name.
    pub fn all(given: Option<&Value>) -> Result<Vec<Matcher>, BindError> {
        let Some(Value::Map(map)) = given else { return Ok(Vec::new()) };
        let one = |(name, value): (&String, &Value)| {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
                let message = format!("`{name}` is no name of a label");
                return Err(BindError::new("matchers", message).help("use letters, digits and `_`, as in the alert's labels"));
            }
            let text = value.to_string();
            let (value, regex) = match text.strip_prefix('~') {
                Some(pattern) => (pattern.to_owned(), true),
                None => (text, false),
            };
            if value.is_empty() || (regex && [".*", ".+"].contains(&value.as_str()) && map.len() == 1) {
                let message = format!(
                    "`{name}: \"{}\"` would fit every alert",
                    if regex { format!("~{value}") } else { value }
                );
                return Err(BindError::new("matchers", message).help("name what is to be silent"));
            }
            Ok(Matcher {
                name: name.clone(),
                value,
                regex,
            })
        };
        map.iter().map(one).collect()
    }

    fn of(json: &Json) -> Option<Matcher> {
        (json.get("isEqual").and_then(Json::as_bool) != Some(false)).then_some(())?;
        Some(Matcher {
            name: json.get("name")?.as_str()?.to_owned(),
            value: json.get("value")?.as_str()?.to_owned(),
            regex: json.get("isRegex")?.as_bool()?,
        })
    }

    fn to_json(&self) -> Json {
        json!({ "name": self.name, "value": self.value, "isRegex": self.regex, "isEqual": true })
    }
}

/// `{host="web-01", job=~"node.*"}`
pub fn shown(matchers: &[Matcher]) -> String {
    let one = |m: &Matcher| format!("{}={}{:?}", m.name, if m.regex { "~" } else { "" }, one_line(&m.value, 80));
    format!("{{{}}}", matchers.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// A silence of ours, or one asked for by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub id: String,
    /// Active, or about to be.
    pub on: bool,
    pub ends: Option<Timestamp>,
    matchers: Vec<Matcher>,
    author: String,
}

impl Listed {
    fn of(json: &Json) -> Option<Listed> {
        let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default();
        let matchers = json.get("matchers")?.as_array()?;
        let mut read: Vec<Matcher> = matchers.iter().filter_map(Matcher::of).collect();
        // A matcher that is not understood makes it another silence, never the same one.
        if read.len() != matchers.len() {
            read.clear();
        }
        read.sort();
        Some(Listed {
            id: json.get("id")?.as_str().filter(|id| is_id(id))?.to_owned(),
            on: ["active", "pending"].contains(&json.get("status")?.get("state")?.as_str()?),
            ends: Timestamp::parse(text("endsAt")),
            matchers: read,
            author: text("createdBy").to_owned(),
        })
    }

    /// Made by runbook, on, and with exactly these matchers.
    pub fn is_ours(&self, matchers: &[Matcher]) -> bool {
        self.on && self.author == AUTHOR && self.matchers == matchers
    }
}

/// As Alertmanager makes them; nothing else goes into a path.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Where requests go.
#[derive(Clone, Debug)]
pub struct Alertmanager {
    pub url: String,
    timeout: Duration,
}

impl Alertmanager {
    pub fn new(url: String, timeout: Duration) -> Alertmanager {
        /// An answer takes milliseconds; a step may have minutes.
        const LONGEST: Duration = Duration::from_secs(15);
        Alertmanager {
            url,
            timeout: timeout.min(LONGEST),
        }
    }

    fn request(&self, method: &str, path: &str, body: Option<&Json>) -> Operation {
        let json = (String::from("content-type"), "application/json".into());
        Operation {
            target: Target::Controller,
            run_as: Identity::Login,
            act: Act::Http {
                method: method.to_owned(),
                url: format!("{}/api/v2/{path}", self.url),
                headers: body.iter().map(|_| json.clone()).collect(),
                body: body.map(Json::to_string).unwrap_or_default(),
                read_only: method == "GET",
            },
            timeout: self.timeout,
        }
    }

    /// The silences with these matchers and possibly more.
    pub fn list(&self, matchers: &[Matcher]) -> Operation {
        // The filter takes the very same conditions, not the labels that they would fit.
        let filters: Vec<String> = matchers
            .iter()
            .map(|m| {
                let mark = if m.regex { "~" } else { "" };
                format!("filter={}", percent(&format!("{}={mark}{}", m.name, Json::from(m.value.as_str()))))
            })
            .collect();
        self.request("GET", &format!("silences?{}", filters.join("&")), None)
    }

    /// One silence.
    pub fn get(&self, id: &str) -> Operation {
        self.request("GET", &format!("silence/{id}"), None)
    }

    /// Makes a silence, or changes the end of the one with that id.
    pub fn put(&self, id: Option<&str>, matchers: &[Matcher], from: Timestamp, span: Duration, comment: &str) -> Operation {
        let mut body = json!({
            "matchers": matchers.iter().map(Matcher::to_json).collect::<Vec<_>>(),
            "startsAt": from.rfc3339(),
            "endsAt": from.after(span).rfc3339(),
            "createdBy": AUTHOR,
            "comment": comment,
        });
        if let Some(id) = id {
            body["id"] = Json::from(id);
        }
        self.request("POST", "silences", Some(&body))
    }

    /// Ends a silence.
    pub fn end(&self, id: &str) -> Operation {
        self.request("DELETE", &format!("silence/{id}"), None)
    }

    /// An answer: its status, its body, and what time it is there.
    pub fn answer<'o>(&self, output: Option<&'o Output>) -> Result<(u16, &'o str, Option<Timestamp>), ReadError> {
        let Some(Output::Http { status, headers, body }) = output else {
            let error = unexpected(output, "an answer of Alertmanager");
            return Err(ReadError {
                message: format!("Alertmanager at {}: {}", self.url, error.message),
                ..error
            });
        };
        let date = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("date"));
        Ok((*status, body, date.and_then(|(_, value)| Timestamp::parse_http(value))))
    }

    /// The silences of an answer, and what time it is there.
    pub fn listed(&self, output: Option<&Output>) -> Result<(Vec<Listed>, Timestamp), ReadError> {
        let (status, body, date) = self.answer(output)?;
        let wrong = |what: &str| ReadError::new(format!("Alertmanager at {} {what}: {}", self.url, one_line(body, 200)));
        // An id that it does not know, or no longer knows, is no error.
        if status == 404 && !body.contains("page not found") {
            return Ok((Vec::new(), date.unwrap_or_default()));
        }
        if status != 200 {
            return Err(wrong(&format!("answered {status}; is `url` its address, without `/api`?")));
        }
        let json: Json = serde_json::from_str(body).map_err(|_| wrong("answered with something else than silences"))?;
        let date = date.ok_or_else(|| wrong("does not say what time it is"))?;
        let list = match &json {
            Json::Array(list) => list.iter().filter_map(Listed::of).collect(),
            one @ Json::Object(_) => Listed::of(one).into_iter().collect(),
            _ => return Err(wrong("answered with something else than silences")),
        };
        Ok((list, date))
    }

    /// The id of a silence that was just made.
    pub fn made(&self, output: Option<&Output>) -> Result<String, ReadError> {
        let (status, body, _) = self.answer(output)?;
        let json: Json = serde_json::from_str(body).unwrap_or_default();
        let id = json.get("silenceID").and_then(Json::as_str).filter(|id| is_id(id));
        match (status, id) {
            (200, Some(id)) => Ok(id.to_owned()),
            _ => Err(ReadError::new(format!(
                "Alertmanager at {} refused the silence with {status}: {}",
                self.url,
                one_line(body, 200)
            ))),
        }
    }
}

/// For the query of a URL.
fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
