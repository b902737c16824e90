//! What the names of steps in a test file mean.

use crate::base::id::NodeId;
use crate::model::plan::Node;

/// Whether `drain`, `drain@web-01`, `others[web-02].ready` means this node: the step on all its hosts and in all its turns, or exactly it.
#[must_use]
pub fn means(name: &str, node: &Node) -> bool {
    name == node.step.as_str() || name == node.id.as_str()
}

/// As [`means`], where only the node's name is known; also a step of an `undo:`, by its own name.
#[must_use]
pub fn means_id(name: &str, id: &NodeId) -> bool {
    if let Some((_, step)) = id.as_str().rsplit_once(".undo.") {
        // A second time over is `by_hand.2`.
        return name == id.as_str() || step.split('.').next() == Some(name);
    }
    let last = id.as_str().rsplit_once("].").map_or(id.as_str(), |(_, last)| last);
    name == id.as_str() || name == last.split('@').next().unwrap_or(last)
}
