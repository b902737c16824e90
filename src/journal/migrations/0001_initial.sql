-- Runs: the end of the chain, and what is folded from the events. Numbers are never used twice, hence AUTOINCREMENT.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL UNIQUE,
    sequence INTEGER NOT NULL,
    hash TEXT NOT NULL,
    summary TEXT NOT NULL
) STRICT;

-- Events: the truth. Everything else in this file follows from them or is a message to the controller.
CREATE TABLE events (
    run INTEGER NOT NULL REFERENCES runs (id),
    sequence INTEGER NOT NULL,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (run, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE obligations (
    run INTEGER NOT NULL REFERENCES runs (id),
    id TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    open INTEGER NOT NULL,
    pool TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX obligations_open ON obligations (pool, opened_at) WHERE open = 1;

CREATE TABLE questions (
    run INTEGER NOT NULL REFERENCES runs (id),
    gate TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, gate)
) STRICT, WITHOUT ROWID;

CREATE INDEX questions_waiting ON questions (asked_at) WHERE waiting = 1;

-- Claims: who drives a run. The row stays when it is given up, so that tokens keep ascending.
CREATE TABLE claims (
    run INTEGER PRIMARY KEY REFERENCES runs (id),
    controller TEXT NOT NULL,
    token INTEGER NOT NULL,
    since INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    held INTEGER NOT NULL
) STRICT;

-- Messages from other processes to the controller that drives the run.
CREATE TABLE answers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs (id),
    gate TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX answers_of_run ON answers (run, number);

CREATE TABLE cancels (
    run INTEGER PRIMARY KEY REFERENCES runs (id),
    requested_by TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- What programs wrote; bounded, evidence only, not part of the chain.
CREATE TABLE outputs (
    run INTEGER NOT NULL REFERENCES runs (id),
    node TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    start INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    lossy INTEGER NOT NULL,
    PRIMARY KEY (run, node, attempt, stream, start)
) STRICT;
