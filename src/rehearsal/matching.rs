//! What the names of steps in a test file mean.

use crate::base::id::NodeId;
use crate::model::plan::Node;

/// Whether `drain`, `drain@web-01`, `others[web-02].ready` means this node: the step on all its hosts and in all its turns, or exactly it.
#[must_use]
pub fn means(name: &str, node: &Node) -> bool {
    name == node.step.as_str() || name == node.id.as_str()
}

/// Step and field of `cause.is`, `verify.1.role`, `each[/srv/a.b].delete@web-01.freed_bytes`: the longest step that is known counts.
#[must_use]
pub fn step_and_field(path: &str, known: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
    let dots = path.rmatch_indices('.').map(|(at, _)| at);
    dots.map(|at| (&path[..at], &path[at + 1..])).find(|(step, _)| known(step))
}

/// The step's own name, without turns and host: `others[web-02].ready@web-02` is `ready`.
#[must_use]
pub fn bare(name: &str) -> &str {
    let last = name.rsplit_once("].").map_or(name, |(_, last)| last);
    last.split('@').next().unwrap_or(last)
}

/// As [`means`], where only the node's name is known; also a step of an `undo:`, by its own name.
#[must_use]
pub fn means_id(name: &str, id: &NodeId) -> bool {
    if let Some((_, step)) = id.as_str().rsplit_once(".undo.") {
        // A second time over is `by_hand.2`.
        return name == id.as_str() || step.split('.').next() == Some(name);
    }
    name == id.as_str() || name == bare(id.as_str())
}
