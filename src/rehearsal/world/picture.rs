//! What stands in the world at a moment, for tests that hold predictions against it. Names as facts have them, read from the world itself.

use std::collections::BTreeMap;

use super::Inner;
use crate::base::value::Value;

/// Everything that stands somewhere, by name.
pub type Picture = BTreeMap<String, Value>;

impl Inner {
    /// Files, services and pools as they stand now.
    #[must_use]
    pub fn picture(&self) -> Picture {
        let mut picture = Picture::new();
        for (name, host) in &self.hosts {
            for (path, file) in &host.files {
                let fields = [
                    ("exists", Value::Bool(true)),
                    ("content", Value::text(&file.content)),
                    ("mode", Value::text(format!("{:04o}", file.mode))),
                    ("owner", Value::text(&file.owner)),
                    ("group", Value::text(&file.group)),
                ];
                picture.insert(format!("{name}/file/{path}"), Value::map(fields));
            }
            for (service, is) in &host.services {
                let mut fields = vec![("state", Value::text(is.state)), ("enabled", Value::Bool(is.enabled))];
                // What does not run has no process.
                if is.state == "started" {
                    fields.push(("main_pid", Value::Int(i64::from(is.pid))));
                }
                let fields = fields.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
                picture.insert(format!("{name}/service/{service}"), Value::Map(fields));
            }
        }
        for (name, pool) in self.pools_now() {
            picture.insert(format!("pool/{name}/algorithm"), Value::text(&pool.algorithm));
            for member in pool.members {
                let mut fields = vec![("state", Value::text(member.state)), ("weight", Value::Int(member.weight))];
                // The checks of a member in maintenance are off, and nobody knows.
                if member.state == "ready" {
                    fields.push(("up", Value::Bool(member.up)));
                }
                let fields = fields.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
                picture.insert(format!("pool/{name}/member/{}", member.host), Value::Map(fields));
            }
        }
        picture
    }
}
