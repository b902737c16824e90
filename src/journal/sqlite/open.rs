//! Opens the database: private files, durable settings, migrations; and turns SQLite's errors into ours.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::journal::JournalError;

/// How long a call waits for another process that writes. A transaction of ours takes milliseconds, so that this means trouble.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// `runb`; marks the file as ours for file(1) and for us.
const APPLICATION_ID: i64 = 0x7275_6e62;

/// In order; a database says how many it has seen in `user_version`.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_used_plans.sql"),
];

/// How much a connection promises.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// A commit is on disk.
    Durable,
    /// A commit survives this process, and reaches the disk with the next durable one.
    Soon,
}

/// Makes the file and its folder if they are missing, private to the user.
pub(super) fn prepare(path: &Path) -> Result<(), JournalError> {
    let fail = |error: io::Error| JournalError::Storage {
        place: path.display().to_string(),
        message: error.to_string(),
        remedy: "name a place that this user may write to with --journal or in the configuration",
    };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.exists()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mode = std::fs::metadata(path).map_err(fail)?.permissions().mode();
            if mode & 0o077 != 0 {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(fail)?;
            }
            Ok(())
        }
        Err(error) => Err(fail(error)),
    }
}

/// A connection with our settings.
pub(super) fn connect(path: &Path, promise: Promise) -> Result<Connection, JournalError> {
    let fail = |error| storage(path, error);
    let connection = Connection::open(path).map_err(fail)?;
    connection.busy_timeout(BUSY).map_err(fail)?;
    write_ahead(path, &connection)?;
    let synchronous = if promise == Promise::Durable { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous).map_err(fail)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(fail)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// The change to WAL does not always wait for another process that does the same, so that we do.
fn write_ahead(path: &Path, connection: &Connection) -> Result<(), JournalError> {
    let deadline = Instant::now() + BUSY;
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(JournalError::Storage {
                    place: path.display().to_string(),
                    message: format!("this file system allows only the journal mode `{mode}`"),
                    remedy: "keep the journal on a local disk",
                });
            }
            Err(error) if is_busy(&error) && Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(storage(path, error)),
        }
    }
}

/// Brings the tables up to date; a newer database is refused.
pub(super) fn migrate(path: &Path, connection: &mut Connection) -> Result<(), JournalError> {
    let fail = |error| storage(path, error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let read = |name: &str| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (version, application) = (read("user_version").map_err(fail)?, read("application_id").map_err(fail)?);
    if application != APPLICATION_ID && (application != 0 || version != 0) {
        return Err(JournalError::Storage {
            place: path.display().to_string(),
            message: String::from("this is another program's database"),
            remedy: "name another file with --journal or in the configuration",
        });
    }
    let seen = usize::try_from(version).unwrap_or(usize::MAX);
    if seen > MIGRATIONS.len() {
        return Err(JournalError::Newer {
            what: path.display().to_string(),
            found: seen as u64,
            known: MIGRATIONS.len() as u64,
        });
    }
    for text in &MIGRATIONS[seen..] {
        transaction.execute_batch(text).map_err(fail)?;
    }
    if seen < MIGRATIONS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
        transaction
            .pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))
            .map_err(fail)?;
    }
    transaction.commit().map_err(fail)
}

/// Says what happened and what to do.
pub(super) fn storage(path: &Path, error: rusqlite::Error) -> JournalError {
    if is_busy(&error) {
        return JournalError::Busy { seconds: BUSY.as_secs() };
    }
    let remedy = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            "make room on that disk, then `runbook resume`; nothing was sent to a host after the last recorded event"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen | ErrorCode::AuthorizationForStatementDenied) => {
            "make the file and its folder writable for this user, or name another one with --journal"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "it is damaged or no journal: move it away with its -wal and -shm files and restore a backup"
        }
        Some(ErrorCode::SystemIoFailure) => "look at the system's log for errors of that disk",
        _ => "this is unexpected; keep a copy of the file and report it",
    };
    JournalError::Storage {
        place: path.display().to_string(),
        message: error.to_string(),
        remedy,
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
