//! How the nodes of a plan are written down: what neighbours have in common once, with their hosts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::plan::{Node, Shared, rows_of};
use crate::base::id::{HostName, NodeId, RowId};

#[derive(Serialize, Deserialize)]
struct Row<'n> {
    on: Vec<Option<Cow<'n, HostName>>>,
    #[serde(flatten)]
    shared: Cow<'n, Shared>,
}

/// Up to version 1 of the journal each node stood by itself and named each node that it waits for.
#[derive(Deserialize)]
struct Single {
    id: NodeId,
    host: Option<HostName>,
    touches: Vec<HostName>,
    needs: Vec<NodeId>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Row(Box<Row<'static>>),
    Single(Single),
}

pub(super) fn serialize<S: Serializer>(nodes: &[Node], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(rows_of(nodes).map(|like| Row {
        on: like.iter().map(|n| n.host.as_ref().map(Cow::Borrowed)).collect(),
        shared: Cow::Borrowed(&*like[0].shared),
    }))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Node>, D::Error> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut rows: HashMap<NodeId, RowId> = HashMap::new();
    for written in Vec::<Written>::deserialize(from)? {
        match written {
            Written::Row(row) => {
                let shared = Arc::new(row.shared.into_owned());
                let on = row.on.into_iter().map(|host| Node::of(host.map(Cow::into_owned), shared.clone()));
                nodes.extend(on);
            }
            Written::Single(single) => {
                let node = single.read(&rows).map_err(D::Error::custom)?;
                rows.insert(node.id.clone(), node.row.clone());
                nodes.push(node);
            }
        }
    }
    Ok(nodes)
}

impl Single {
    /// `rows`: those of the nodes before it.
    fn read(mut self, rows: &HashMap<NodeId, RowId>) -> Result<Node, serde_json::Error> {
        let at = self.host.as_ref().map(|host| format!("@{host}")).unwrap_or_default();
        let row = RowId(self.id.0.strip_suffix(&at).unwrap_or(self.id.as_str()).to_owned());
        let mut needs: Vec<&RowId> = self.needs.iter().filter_map(|id| rows.get(id)).collect();
        needs.dedup();
        let reaches = if self.host.is_some() { Vec::new() } else { self.touches };
        let parts = [
            ("row", serde_json::to_value(row)?),
            ("needs", serde_json::to_value(needs)?),
            ("reaches", serde_json::to_value(reaches)?),
        ];
        self.rest.extend(parts.map(|(name, value)| (name.to_owned(), value)));
        Ok(Node::new(self.host, serde_json::from_value(self.rest.into())?))
    }
}
