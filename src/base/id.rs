//! Names and numbers that must not be confused with each other.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $id:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $id(pub String);

        impl $id {
            /// The text of the name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $id {
            fn from(text: &str) -> Self {
                $id(text.to_owned())
            }
        }

        impl From<String> for $id {
            fn from(text: String) -> Self {
                $id(text)
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $id {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

/// A host of the inventory. A copy is cheap: plans name each host once per step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Arc<str>);

impl HostName {
    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for HostName {
    fn default() -> Self {
        HostName(Arc::from(""))
    }
}

impl From<&str> for HostName {
    fn from(text: &str) -> Self {
        HostName(Arc::from(text))
    }
}

impl From<String> for HostName {
    fn from(text: String) -> Self {
        HostName(Arc::from(text))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::borrow::Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for HostName {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(HostName::from)
    }
}

name!(
    /// A group of the inventory.
    GroupName
);
name!(
    /// A pool of the inventory.
    PoolName
);
name!(
    /// The `id` of a step, unique in its runbook.
    StepId
);
name!(
    /// One step in one turn of its loops, on all its hosts: `free_memory`, `return_others[web-02].other_ready`.
    RowId
);
name!(
    /// One step on one host in one turn of its loops: `free_memory@web-01`, `return_others[web-02].other_ready`.
    NodeId
);

/// The number people say: `#1042`. Given by the journal, ascending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("#{}", self.0))
    }
}

impl std::str::FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('#').unwrap_or(text);
        digits
            .parse()
            .map(RunId)
            .map_err(|_| format!("expected a run number such as `12` or `#12`, found `{text}`"))
    }
}
