//! A plan in a file: all that is needed to run exactly that, readable by people, and sealed, so that an edit is found.
//!
//! Pure: text in, text out. It holds no secret: secrets are names everywhere below the edge, and of the inventory it keeps digests.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::digest::hex;
use crate::base::bound::{PLAN_VALID_S, SAVED_PLAN_BYTES};
use crate::base::clock::{Timestamp, friendly};
use crate::base::id::{GroupName, HostName, PoolName};
use crate::base::sanitise::one_line;
use crate::diagnostic::Sources;
use crate::model::inventory::Inventory;
use crate::model::plan::Plan;

/// What the file says it is; grows when a field changes its meaning.
pub const SCHEMA: &str = "runbook.saved-plan/1";
/// What stands before the number.
const SCHEMA_NAME: &str = "runbook.saved-plan/";
/// What stands in place of the seal while it is made.
const OPEN: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A plan and what it was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of the program that made it.
    pub program: String,
    /// SHA-256 over the file, with zeros in this place.
    pub seal: String,
    /// One of a kind: it is used once.
    pub id: String,
    /// Digest of the plan, as it was shown.
    pub digest: String,
    /// When, for people and for the expiry.
    #[serde(with = "rfc3339")]
    pub made_at: Timestamp,
    /// Not after that.
    #[serde(with = "rfc3339")]
    pub expires_at: Timestamp,
    /// Who.
    pub made_by: String,
    /// The runbook's name.
    pub runbook: String,
    /// Parameters as they were given; secrets cannot be.
    pub params: BTreeMap<String, String>,
    /// `--limit`, as it was given.
    pub limit: Option<String>,
    /// Which hosts it is for.
    pub inventory: InventoryIdentity,
    /// The texts: the runbook, then those that it calls.
    pub sources: Sources,
    /// What was shown.
    pub plan: Plan,
}

impl SavedPlan {
    /// Puts in what belongs to the file and not to the plan: version, expiry.
    #[must_use]
    pub fn new(id: String, made_by: String, plan: Plan, sources: Sources, inventory: &Inventory) -> SavedPlan {
        SavedPlan {
            schema: SCHEMA.to_owned(),
            program: program().to_owned(),
            seal: OPEN.to_owned(),
            id,
            digest: format!("sha256:{}", plan.digest),
            made_at: plan.made_at,
            expires_at: plan.made_at.after(std::time::Duration::from_secs(PLAN_VALID_S)),
            made_by,
            runbook: plan.runbook.clone(),
            params: BTreeMap::new(),
            limit: None,
            inventory: InventoryIdentity::of(inventory),
            sources,
            plan,
        }
    }

    /// The file's content, sealed.
    #[must_use]
    pub fn text(&self) -> String {
        let open = SavedPlan {
            seal: OPEN.to_owned(),
            ..self.clone()
        };
        let text = serde_json::to_string_pretty(&open).expect("a plan is plain data with text keys") + "\n";
        text.replacen(OPEN, &sealed(&text), 1)
    }

    /// Reads a file's content.
    ///
    /// # Errors
    /// Why it is not a plan that was saved by this program and left alone.
    pub fn read(text: &str) -> Result<SavedPlan, SavedError> {
        let document: Json = serde_json::from_str(text).map_err(|e| not_json(text, &e))?;
        let word = |name: &str| document.get(name).and_then(Json::as_str);
        match word("schema") {
            Some(SCHEMA) => {}
            Some(other) if other.starts_with(SCHEMA_NAME) => return Err(SavedError::OtherVersion(other.to_owned())),
            _ => return Err(SavedError::NotAPlan),
        }
        match word("program") {
            Some(version) if version == program() => {}
            other => return Err(SavedError::OtherProgram(other.unwrap_or("an unknown version").to_owned())),
        }
        let seal = word("seal").unwrap_or_default();
        if seal.len() != OPEN.len() || sealed(&text.replacen(seal, OPEN, 1)) != seal {
            return Err(SavedError::Edited);
        }
        serde_json::from_value(document).map_err(|e| SavedError::Unreadable(e.to_string()))
    }

    /// True when its time is over.
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}

fn sealed(open: &str) -> String {
    format!("sha256:{}", hex(&Sha256::digest(open.as_bytes())))
}

fn program() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn not_json(text: &str, error: &serde_json::Error) -> SavedError {
    // What begins otherwise never was one, however it ends.
    match error.is_eof() && text.trim_start().starts_with('{') {
        true => SavedError::Truncated(error.line()),
        false => SavedError::NotJson(one_line(&error.to_string(), 120)),
    }
}

/// Why a file is not taken for a saved plan. The words follow the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// It ends too early.
    #[error("is cut off: it ends in line {0}, in the middle of the plan")]
    Truncated(usize),
    /// Something else.
    #[error("is no saved plan: it is not JSON ({0})")]
    NotJson(String),
    /// JSON, but something else.
    #[error("is no saved plan; `runbook plan -o FILE RUNBOOK` makes one")]
    NotAPlan,
    /// Another form.
    #[error("has the form `{}`, and this program reads `{SCHEMA}`", one_line(.0, 60))]
    OtherVersion(String),
    /// What another version of the program plans may differ in ways that no digest shows.
    #[error("was made by runbook {}, and this is {}", one_line(.0, 40), program())]
    OtherProgram(String),
    /// The seal does not fit.
    #[error("was changed after it was saved: its seal does not fit its content")]
    Edited,
    /// Sealed, but not in a way that this program writes.
    #[error("does not hold a plan as this program writes it: {}", one_line(.0, 120))]
    Unreadable(String),
    /// Larger than any plan.
    #[error("is larger than {SAVED_PLAN_BYTES} bytes, which no plan is")]
    TooLarge,
}

/// What says of an inventory whether it is the same, and else where it differs; without any of its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryIdentity {
    /// Of all of it.
    pub digest: String,
    /// Of each host with its connection and variables.
    pub hosts: BTreeMap<HostName, String>,
    /// Of each group's list of hosts.
    pub groups: BTreeMap<GroupName, String>,
    /// Of each pool.
    pub pools: BTreeMap<PoolName, String>,
}

impl InventoryIdentity {
    /// Of this one.
    #[must_use]
    pub fn of(inventory: &Inventory) -> InventoryIdentity {
        InventoryIdentity {
            digest: format!("sha256:{}", hex(&Sha256::digest(written(inventory).as_bytes()))),
            hosts: each(&inventory.hosts),
            groups: each(&inventory.groups),
            pools: each(&inventory.pools),
        }
    }

    /// Where another one differs from this, in words.
    #[must_use]
    pub fn differences(&self, now: &InventoryIdentity) -> Vec<String> {
        let mut found = differing("host", &self.hosts, &now.hosts);
        found.extend(differing("group", &self.groups, &now.groups));
        found.extend(differing("pool", &self.pools, &now.pools));
        if found.is_empty() && self.digest != now.digest {
            found.push(String::from("its hosts or groups stand in another order"));
        }
        found
    }
}

fn written(part: &impl Serialize) -> String {
    serde_json::to_string(part).expect("an inventory is plain data with text keys")
}

/// Short: they only tell what differs, [`InventoryIdentity::digest`] tells that something does.
fn each<K: Ord + Clone, V: Serialize>(parts: &BTreeMap<K, V>) -> BTreeMap<K, String> {
    let short = |part: &V| hex(&Sha256::digest(written(part).as_bytes())[..6]);
    parts.iter().map(|(name, part)| (name.clone(), short(part))).collect()
}

fn differing<K: Ord + Display>(what: &str, was: &BTreeMap<K, String>, now: &BTreeMap<K, String>) -> Vec<String> {
    let said = |name: &K, how: &str| format!("{what} {} {how}", one_line(&name.to_string(), 60));
    let gone = was.iter().filter_map(|(name, digest)| match now.get(name) {
        None => Some(said(name, "is gone")),
        Some(other) if other != digest => Some(said(name, "is another")),
        Some(_) => None,
    });
    let new = now.keys().filter(|name| !was.contains_key(name)).map(|name| said(name, "is new"));
    gone.chain(new).collect()
}

/// `for 24h`: how long a saved plan is good for.
#[must_use]
pub fn validity() -> String {
    friendly(std::time::Duration::from_secs(PLAN_VALID_S))
}

/// Times in files are for people, too.
mod rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::base::clock::Timestamp;

    pub fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&at.rfc3339())
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        Timestamp::parse(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is no time")))
    }
}
