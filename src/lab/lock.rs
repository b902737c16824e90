//! One command at a time on a fleet.

use std::fs::File;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::layout::Layout;
use super::{LabError, deadline};

/// Locks a fleet's directory; the lock ends with the file, hence also with a killed command.
///
/// # Errors
/// Another command holds it.
pub(super) fn lock(layout: &Layout) -> Result<File, LabError> {
    let dir = layout.dir();
    let file = File::open(dir).map_err(|_| LabError::NoFleet { dir: dir.to_owned() })?;
    // A child that a killed command had forked holds the lock until it becomes the program it was meant to be; only then
    // does it carry the fleet's marker. Hence waiting a little is not only polite.
    let taken = deadline::until("the lock", Duration::from_secs(2), || {
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|e| e.to_string())
    });
    taken.map(|()| file).map_err(|_| LabError::Busy { dir: dir.to_owned() })
}
