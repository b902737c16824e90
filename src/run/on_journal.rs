//! Calls the journal from asynchronous code: on a thread of its own where the call may take time, at once where it cannot.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinError;

use crate::journal::Journal;

/// How often other processes' wishes (an approval, a cancel) are looked for in a journal that they can write to.
const POLL: Duration = Duration::from_millis(250);
/// As good as never.
const NEVER: Duration = Duration::from_secs(3600);

/// Does `work` with the journal.
///
/// # Errors
/// The thread that did it ended by a panic.
pub(super) async fn on_journal<T: Send + 'static>(
    journal: &Arc<dyn Journal>,
    work: impl FnOnce(&dyn Journal) -> T + Send + 'static,
) -> Result<T, JoinError> {
    if !journal.is_shared() {
        return Ok(work(journal.as_ref()));
    }
    let journal = journal.clone();
    tokio::task::spawn_blocking(move || work(journal.as_ref())).await
}

/// When to look for wishes.
pub(super) fn poll_every(journal: &dyn Journal) -> Duration {
    if journal.is_shared() { POLL } else { NEVER }
}
